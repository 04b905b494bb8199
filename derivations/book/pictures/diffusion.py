"""Pictures of diffusion: data becoming noise and noise data, one step back, and the two schedules."""
import numpy as np

from derivations import diffusion
from derivations.book.pictures import Picture
from derivations.engine.worlds import Sample
from scratch.diffusion import ddim, ddpm
from scratch.diffusion.schedules import SCHEDULES, cosine, schedule
from scratch.runs.figures import BLUE, GREY, INK, ORANGE


def normal(x, m, v):
    return np.exp(-(x - m)**2 / (2 * v)) / np.sqrt(2 * np.pi * v)


# ---- there and back --------------------------------------------------------------------------------------------------
W, M, V = (0.35, 0.25, 0.4), (-1.5, 0.2, 1.3), (0.02, 0.02, 0.02)          # the data: weights, means, variances


def noise(x, t, s):
    """E[eps | x_t = x], what a perfect network says: -sqrt(1 - abar) times the slope of log q(x_t)."""
    abar  = s.abar[t - 1]
    m, v  = np.sqrt(abar) * np.array(M), abar * np.array(V) + 1 - abar
    parts = np.array(W) * normal(x[:, None], m, v)
    return np.sqrt(1 - abar) * (parts * (x[:, None] - m) / v).sum(1) / parts.sum(1)


def strip():
    T = 200
    s = schedule(cosine(T))
    x = np.linspace(-2.9, 2.9, 291)
    abar    = np.concatenate([[1], s.abar])[:, None, None]
    density = (np.array(W) * normal(x[:, None], np.sqrt(abar) * M, abar * V + 1 - abar)).sum(-1)        # [T + 1, X]
    below   = np.array([0.04, 0.12, 0.2, 0.28, 0.41, 0.48, 0.55, 0.67, 0.77, 0.87, 0.96])
    dx      = x[1] - x[0]
    path    = [np.interp(below, np.cumsum(density[-1]) * dx, x + dx / 2)]                               # quantiles
    for t in range(T, 0, -1):
        path.append(ddim.ddim_step(path[-1], t, t - 1, noise(path[-1], t, s), 0, 0, s))
    return dict(T=T, x=x, density=density, below=below, paths=np.array(path[::-1]))                     # [T + 1, P]


def draw_strip(figure, T, x, density, below, paths):
    data, axes, end = figure.subplots(1, 3, sharey=True, width_ratios=(1, 6.5, 1))
    from matplotlib.colors import to_rgb
    shown = (density / density.max(1, keepdims=True)).T[::2, ::2]
    image = np.concatenate([0 * shown[..., None] + to_rgb(BLUE), shown[..., None]**0.8 * 0.75], 2)
    axes.imshow(image, extent=(0, T, x[0], x[-1]), aspect="auto", origin="lower", interpolation="none")
    axes.plot(np.arange(0, T + 1, 4), paths[::4], color=ORANGE, linewidth=1.1)
    axes.plot([0] * paths.shape[1], paths[0], "<", color=ORANGE, markersize=4, clip_on=False)
    for part, law in ((data, -density[0]), (end, density[-1])):
        part.fill_betweenx(x, law, color=BLUE, alpha=0.5, linewidth=0)
        part.axis("off")
    data.set_title("data", color=BLUE, fontsize=9)
    end.set_title("noise", color=BLUE, fontsize=9)
    axes.set(xticks=[0, 50, 100, 150, 200], yticks=[], xlim=(0, T), ylim=(x[0], x[-1]), xlabel="step t")
    axes.spines["left"].set_visible(False)
    axes.set_title("the way back", color=ORANGE, fontsize=9)


# ---- one step back ---------------------------------------------------------------------------------------------------
def product():
    """q(x_{t-1} | x_t, x_0) at t = 2: what x_0 says of x_{t-1}, what x_t says, and both."""
    world = Sample(diffusion.chain, dict(T=2, beta=np.array([0.3, 0.25]), x0=np.array(1.6), xt=np.array(-0.4)))
    alpha, beta, abar_1 = (float(world[name][1]) for name in ("alpha", "beta", "abar_1"))
    mean, var = (float(a[1]) for a in diffusion.posterior.value(world))
    x0, xt    = float(world["x0"]), float(world["xt"])
    x = np.linspace(-2.4, 3.2, 281)
    return dict(x=x, x0=x0, from_x0=normal(x, np.sqrt(abar_1) * x0, 1 - abar_1), sd_x0=(1 - abar_1)**0.5,
                xt=xt, from_xt=normal(x, xt / np.sqrt(alpha), beta / alpha), sd_xt=(beta / alpha)**0.5,
                both=normal(x, mean, var), mean=mean, sd=var**0.5)


def draw_product(figure, x, x0, from_x0, sd_x0, xt, from_xt, sd_xt, both, mean, sd):
    axes = figure.add_subplot()
    axes.fill_between(x, both, color=INK, alpha=0.18, linewidth=0)
    axes.plot(x, from_x0, color=BLUE, linewidth=2)
    axes.plot(x, from_xt, color=GREY, linewidth=2)
    axes.plot(x, both, color=INK, linewidth=2)
    axes.text(1.9, 0.66, "from x₀, forwards", color=BLUE)
    axes.text(-0.95, 0.66, "from xₜ, back", color=GREY, ha="right")
    axes.text(mean, both.max() + 0.04, "both at once", color=INK, ha="center")
    for place, label, colour in ((x0, "x₀", BLUE), (xt, "xₜ", GREY)):
        axes.plot(place, 0, "o", color=colour, markersize=7, clip_on=False)
        axes.annotate(label, (place, 0), (0, -8), textcoords="offset points", color=colour, ha="center", va="top")
    axes.set(yticks=[], xticks=[], ylim=(0, both.max() + 0.2), xlim=(x[0], x[-1]))
    axes.spines["left"].set_visible(False)


# ---- two schedules ---------------------------------------------------------------------------------------------------
def schedules():
    T, out = 1000, {}
    for name in ("linear", "cosine"):
        s = schedule(SCHEDULES[name](T))
        out[name] = dict(abar=s.abar, snr=s.abar / s.vbar, weight=ddpm.weights(s.beta, s))
    return dict(t=np.arange(1, T + 1), **out, gone={name: int((row["abar"] > 0.1).sum()) for name, row in out.items()},
                dear=float(out["linear"]["weight"][0] / out["linear"]["weight"].min()))


def draw_schedules(figure, t, linear, cosine, gone, dear):
    parts = figure.subplots(1, 3)
    titles = dict(abar="signal left, ᾱ", snr="signal over noise", weight="weight λ")
    for part, (key, title) in zip(parts, titles.items()):
        part.plot(t, linear[key], color=INK, linewidth=2)
        part.plot(t, cosine[key], color=ORANGE, linewidth=2)
        part.set_title(title, fontsize=9)
        part.set(xticks=[0, 500, 1000], xlabel="step t")
        if key != "abar":
            part.set_yscale("log")
            part.minorticks_off()
    parts[0].set(yticks=[0, 0.5, 1], yticklabels=["0", "½", "1"])
    parts[0].text(560, 0.6, "cosine", color=ORANGE)
    parts[0].text(300, 0.06, "linear", color=INK, ha="right")
    for part, ticks in ((parts[1], {1e-4: "10⁻⁴", 1: "1", 1e4: "10⁴"}),
                        (parts[2], {1e-3: "10⁻³", 1e-2: "10⁻²", 0.1: "10⁻¹", 1: "1"})):
        part.set(yticks=list(ticks), yticklabels=ticks.values())
    parts[1].set_ylim(1e-5, 1e5)
    parts[2].set_ylim(5e-4, 2)


PICTURES = [
    Picture("strip", "Forgotten, and found again",
            "Data of three kinds lose themselves in noise, step by step, from left to right. From right to left, "
            "eleven points of the noise are led back by the best guess of the noise in them, and come out as data: "
            "{paths[0][0]:.2f}, {paths[0][5]:.2f}, {paths[0][10]:.2f} are three of them.",
            strip, draw_strip, size=(5.4, 2.7)),
    Picture("product", "Two hints make one law",
            "What x₀ says of the step before, going forwards, and what xₜ says of it, going back: either is a normal "
            "law, with deviations {sd_x0:.2f} and {sd_xt:.2f}. Multiplied and normed they are the posterior, at "
            "{mean:.2f} and narrower than both: {sd:.2f}.",
            product, draw_product, "One step back, if we knew", size=(5, 2.3)),
    Picture("schedules", "Two ways to add noise",
            "A thousand steps. A tenth of the signal is left at step {gone[linear]} of the linear schedule and at "
            "step {gone[cosine]} of the cosine. Right, what the bound weighs the squared misses with, where the loss "
            "that trains has 1 throughout: the first step {dear:.0f} times as much as the cheapest, in the linear "
            "one.",
            schedules, draw_schedules, "A schedule along a cosine", size=(5.2, 2.3)),
]
