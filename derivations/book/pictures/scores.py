"""Pictures of the page about scores: arrows under noise, two islands found or lost, losses that run side by side."""
import numpy as np

from derivations import scores as topic
from derivations.book.pictures import RED, Picture
from derivations.engine.worlds import Sample
from scratch.diffusion import scores
from scratch.mixtures import gmm
from scratch.runs.figures import BLUE, INK, ORANGE

# ---- arrows ----------------------------------------------------------------------------------------------------------
NOISE = 0.0, 1.0, 4.0
HEAPS = dict(log_pi=np.log([0.5, 0.3, 0.2]), mu=np.array([[2.0, -1.2], [-2.2, -0.6], [0.4, 2.0]]),
             Sigma=0.3 * np.stack([np.eye(2)] * 3))


def arrows():
    """A mixture at three noise levels: log density on a grid, and the score where an arrow begins."""
    x, y  = np.linspace(-4, 4, 81), np.linspace(-3.6, 3.6, 73)
    fine  = np.stack(np.meshgrid(x, y), -1)                                             # [Y, X, 2]
    tails = np.stack(np.meshgrid(np.linspace(-3.6, 3.6, 9), np.linspace(-3.2, 3.2, 8)), -1)
    tails = tails.reshape(-1, 2)
    density, score, top = [], [], tails[:1]
    for sigma in NOISE:
        law = {**HEAPS, "Sigma": gmm.noised(HEAPS["Sigma"], sigma)}
        density.append(np.exp(gmm.responsibilities(fine.reshape(-1, 2), **law)[1]).reshape(fine.shape[:2]))
        score.append(gmm.score(tails, **law))
    for _ in range(200):                                                            # up the last arrows to their end
        top = scores.tweedie(top, gmm.score(top, **law), NOISE[-1])
    return dict(x=x, y=y, density=np.array(density), tails=tails, score=np.array(score), sigmas=NOISE, top=top[0],
                top_x=float(top[0, 0]), top_y=float(top[0, 1]), most=NOISE[-1])


def draw_arrows(figure, x, y, density, tails, score, sigmas, **_):
    from matplotlib.colors import to_rgb
    for i, axes in enumerate(figure.subplots(1, 3)):
        shown = density[i] / density[i].max()
        image = np.concatenate([0 * shown[..., None] + to_rgb(BLUE), 0.75 * shown[..., None]], 2)
        axes.imshow(image, extent=(x[0], x[-1], y[0], y[-1]), origin="lower", interpolation="none")
        length = np.linalg.norm(score[i], axis=1, keepdims=True)
        arrow  = score[i] / length * 0.75 * np.minimum(1, length / np.median(length))**0.7
        axes.quiver(*tails.T, *arrow.T, color=INK, angles="xy", scale_units="xy", scale=1, width=0.011, headwidth=4)
        axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), xticks=[], yticks=[])
        axes.set_title("no noise" if not sigmas[i] else f"σ = {sigmas[i]:.0f}", color=INK)
        for spine in axes.spines.values():
            spine.set_visible(False)


# ---- two islands -----------------------------------------------------------------------------------------------------
WEIGHTS, MEANS, V = np.array([0.2, 0.8]), np.array([-4.0, 4.0]), 0.25
SIGMAS, STEPS, ALPHA, SPREAD = np.geomspace(5, 0.25, 10), 100, 0.05, 8.0


def island_score(x, sigma):
    """The exact score [N, 1] of both islands under noise."""
    Sigma = gmm.noised(np.full((2, 1, 1), V), sigma)
    return gmm.score(x, np.log(WEIGHTS), MEANS[:, None], Sigma)


def chain(sigmas, dx=0.1, end=40):
    """The law of a chain, on a grid, after every level, from a start that is uniform between -SPREAD and SPREAD."""
    x   = np.arange(-end, end + dx / 2, dx)
    law = (abs(x) <= SPREAD) / (abs(x) <= SPREAD).sum() / dx
    for sigma in sigmas:
        alpha = ALPHA * (sigma / sigmas[-1])**2
        mean  = x + alpha / 2 * island_score(x[:, None], sigma)[:, 0]
        step  = np.exp(-(x - mean[:, None])**2 / (2 * alpha)) / np.sqrt(2 * np.pi * alpha) * dx
        for _ in range(STEPS):
            law = law @ step
    return x, law


def islands():
    """What both chains end with, and the law that they were to end with."""
    x, plain    = chain(np.full(len(SIGMAS), SIGMAS[-1]))
    x, annealed = chain(SIGMAS)
    truth = np.exp(gmm.responsibilities(x[:, None], np.log(WEIGHTS), MEANS[:, None],
                                        gmm.noised(np.full((2, 1, 1), V), SIGMAS[-1]))[1])
    small = [float(law[x < 0].sum() / law.sum()) for law in (plain, annealed, truth)]
    return dict(x=x, plain=plain, annealed=annealed, truth=truth, lost=small[0], found=small[1], share=small[2],
                steps=len(SIGMAS) * STEPS)


def draw_islands(figure, x, plain, annealed, truth, lost, found, **_):
    axes = figure.add_subplot(xlim=(-7, 7), ylim=(0, 1.1 * truth.max()), xlabel="x", ylabel="density")
    axes.fill_between(x, truth, color=BLUE, alpha=0.35, linewidth=0)
    axes.plot(x, plain, color=RED, linewidth=2, linestyle=(0, (4, 1.5)))
    axes.plot(x, annealed, color=ORANGE, linewidth=2.2)
    axes.text(-2.9, plain[x < 0].max() * 0.97, f"plain: {lost:.2f} here", color=RED, va="top")
    axes.text(-2.9, annealed[x < 0].max() * 0.75, f"annealed: {found:.2f} here", color=ORANGE, va="center")
    axes.text(5.2, 0.4, "the law", color=BLUE)
    axes.set(xticks=[-4, 0, 4], yticks=[])


# ---- side by side ----------------------------------------------------------------------------------------------------
DATA  = dict(K=2, pi_=np.array([0.4, 0.6]), mu=np.array([-1.5, 1.0]), v=np.array([0.25, 0.5]))
NOISY = dict(K=2, p=DATA["pi_"], x=DATA["mu"], sigma=np.array(0.75))


def losses():
    """Four losses of the score b x, over b: against the data's arrows and without them, against the noised data's and
    against the noise."""
    b = np.linspace(-1.6, 0.2, 61)
    values = np.array([[float(line.value(Sample(line.world, {**given, "theta": np.array([0.0, slope, 0.0])}))[0])
                        for slope in b] for line, given in ((topic.explicit, DATA), (topic.implicit, DATA),
                                                            (topic.noised_fisher, NOISY), (topic.denoising, NOISY))])
    return dict(b=b, values=values, best=b[values.argmin(1)], gap=float(values[0, 0] - values[1, 0]),
                noise_gap=float(values[3, 0] - values[2, 0]), sigma=float(NOISY["sigma"]))


def draw_losses(figure, b, values, best, **_):
    pairs = (("the data's arrows", "implicit", 0, 1), ("the noised arrows", "denoising", 2, 3))
    for axes, (known, made, i, j) in zip(figure.subplots(1, 2), pairs):
        axes.plot(b, values[i], color=BLUE, linewidth=2.5)
        axes.plot(b, values[j], color=ORANGE, linewidth=2.5)
        for k, colour in ((i, BLUE), (j, ORANGE)):
            axes.plot(best[k], values[k].min(), "o", color=colour, markersize=6)
        for k, colour, name in ((i, BLUE, known), (j, ORANGE, made)):
            axes.annotate(name, (best[k], values[k].min()), (0, -8), textcoords="offset points", color=colour,
                          ha="center", va="top")
        axes.set(xlabel="b, in s(x) = b x", yticks=[], xticks=[-1.5, -1, -0.5, 0],
                 ylim=(values[[i, j]].min() - 0.35, values[[i, j]].max() + 0.1))
        axes.set_xticklabels(["−1.5", "−1", "−0.5", "0"])
    figure.axes[0].set_ylabel("loss")


PICTURES = [
    Picture("arrows", "Which way is up, under more and more noise",
            "A law of three heaps, blue where it is dense, and its score: an arrow at each point, to where the "
            "law grows. Without noise every arrow knows the nearest heap alone. Under noise of σ = {most:.0f} all "
            "lead to one top, at ({top_x:.2f}, {top_y:.2f}), near the mean of all data.",
            arrows, draw_arrows, size=(6.4, 2.5)),
    Picture("islands", "Two islands, one four times the other",
            "The left island has {share:.2f} of the law (blue). Both chains start anywhere and take {steps} steps with "
            "exact scores, computed without any draws. The plain one ends with {lost:.2f} on it: it stays where "
            "it lands. The annealed one, led down from much noise, with {found:.2f}.",
            islands, draw_islands, beside="Down the levels", size=(5.2, 2.5)),
    Picture("side-by-side", "What is known, and what is trained",
            "Left: how far the score b x is from the data's arrows, which nobody knows, and the implicit loss, which "
            "needs only data; they are {gap:.2f} apart, whatever b is. Right: the arrows of noised points, and the "
            "loss of guessing the noise, {noise_gap:.2f} apart. Each pair is lowest at one b.",
            losses, draw_losses, beside="Guess the noise", size=(6.0, 2.5)),
]
