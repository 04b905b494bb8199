"""Pictures of the page about codes: cells and how their codes move, who hears which loss, codes that nobody says."""
import numpy as np

from backends.random import Stream
from derivations import codes
from derivations.book.pictures import Picture
from derivations.engine.worlds import Sample
from scratch.autodiff import grad
from scratch.autoencoders import vq
from scratch.runs.figures import BLUE, GREY, INK, ORANGE


# ---- cells -----------------------------------------------------------------------------------------------------------
START = np.array([[-2.3, 1.2], [-0.6, -1.3], [0.2, 0.1], [0.9, 1.5], [2.5, -1.2], [3.2, 1.8]])
GROUPS = np.array([[-1.9, -0.7], [-1.0, 0.9], [0.8, -0.8], [1.5, 0.6]])
ROUNDS = 20


def cells():
    """Answers in four heaps and six codes, after no step, one and many, without memory: where the codes are [3, K, 2],
    whose each answer is [3, N], and what is lost [3]."""
    x = np.repeat(GROUPS, 30, 0) + 0.3 * Stream.seed(0)("answers").normal((120, 2), dtype="float64")
    e, found = START, []
    for _ in range(ROUNDS + 1):
        k = vq.assign(x, e)
        found.append((e, k, vq.codebook_loss(x, e[k]).mean()))
        e = vq.codes(*vq.moving_average(np.zeros(len(e)), np.zeros(e.shape), x, k, 0.0), e, 0)
    e, k, lost = map(np.array, zip(*(found[i] for i in (0, 1, ROUNDS))))
    return dict(x=x, e=e, k=k, lost=lost, before=lost[0], after=lost[1], end=lost[2], rounds=ROUNDS,
                used=len(set(k[2])), K=len(START))


def draw_cells(figure, x, e, k, **_):
    u, v = np.meshgrid(np.linspace(-3.2, 3.6, 171), np.linspace(-2.1, 2.2, 109))
    for i, axes, title in zip((0, 2), figure.subplots(1, 2), ("the first step", f"after {ROUNDS} steps")):
        d = ((np.stack([u, v], -1)[:, :, None] - e[i])**2).sum(-1)
        for j in range(len(START)):
            axes.contour(u, v, d[..., j] - np.delete(d, j, 2).min(2), [0], colors=[GREY], linewidths=1)
        axes.scatter(*x.T, s=7, linewidths=0, color=BLUE, alpha=0.7)
        for place, to, said in zip(e[i], e[min(i + 1, 2)], np.bincount(k[i], minlength=len(START))):
            axes.plot(*place, "o", markersize=7, color=ORANGE, markerfacecolor=ORANGE if said else "none", mew=1.6)
            if (place != to).any():
                axes.annotate("", to, place, arrowprops=dict(arrowstyle="->", color=ORANGE, linewidth=1.4))
        axes.set_title(title, fontsize=9, pad=3)
        axes.set(xlim=(-3.2, 3.6), ylim=(-2.1, 2.2), xticks=[], yticks=[], aspect="equal")
        axes.spines[:].set_visible(False)


# ---- who hears what --------------------------------------------------------------------------------------------------
TERMS = "−log p(x | z)", "codebook loss", "commitment"
PARTS = "encoder", "codes", "decoder"


WORLD = Sample(codes.batch, dict(B=2, n=2, K=3, D=2, M=2, x=np.array([[1., -0.5], [0.25, 1.5]]),
                                 A=np.array([[[1., 0.5], [-0.5, 1.]], [[0.5, -1.], [1., 0.5]]]),
                                 e=np.array([[1., 0.], [-0.5, 1.], [0., -1.]]),
                                 C=np.array([[[0.5, 0.], [0., 0.5]], [[0.25, -0.5], [0.5, 0.25]]]),
                                 beta=np.array(0.25), p_i=np.full((2, 3), 1/3)))


def routes():
    """The length of the gradient of every term (rows) in every part (columns), in one small world, by the tape."""
    x, *parts = (WORLD[name] for name in "xAeC")

    def term(i, parts):
        A, e, C = parts
        found = vq.terms(x, lambda x: codes.encode(x, A), lambda z: (codes.decode(z, C),), e, codes.log_prob)[i]
        return -found.sum() if i == 0 else found.sum()
    hears = [[np.sqrt((g**2).sum()) for g in grad(lambda parts: term(i, parts))(parts)] for i in range(3)]
    return dict(hears=np.array(hears), nothing=int((np.array(hears) == 0).sum()))


def draw_routes(figure, hears, **_):
    axes = figure.add_subplot(xlim=(-1.75, 2.45), ylim=(-2.4, 0.75))
    for i, term in enumerate(TERMS):
        axes.text(-0.55, -i, term, ha="right", va="center", color=INK)
        for j, part in enumerate(PARTS):
            if i == 0:
                axes.text(j, 0.55, part, ha="center", va="center", color=INK)
            if hears[i, j]:
                axes.scatter(j, -i, s=520, color=(ORANGE, BLUE, ORANGE)[i], alpha=0.3, linewidths=0)
            axes.text(j, -i, f"{hears[i, j]:.1f}" if hears[i, j] else "0", ha="center", va="center",
                      color=INK if hears[i, j] else GREY)
    axes.axis("off")


# ---- codes that nobody says ------------------------------------------------------------------------------------------
CODES, STEPS, BATCH, DECAY, LEAST = 16, 200, 64, 0.9, 0.1


def usage():
    """The perplexity of what the middles of the heaps are said in, over the steps of a moving average: dead codes left
    alone, or revived."""
    places = np.stack(np.meshgrid(np.arange(4), np.arange(4)), -1).reshape(-1, 2) * 1.0
    def run(revive):
        stream, told = Stream.seed(0), []
        e    = 0.3 * stream("start").normal((CODES, 2), dtype="float64")
        N, m = np.ones(CODES), e
        for t in range(STEPS):
            now = stream(t)
            z   = places[now("which").integers(0, 16, BATCH)] + 0.1 * now("z").normal((BATCH, 2), dtype="float64")
            k   = vq.assign(z, e)
            N, m = vq.moving_average(N, m, z, k, DECAY)
            e = vq.codes(N, m, e, 0)
            if revive:
                share, z = CODES * vq.shares(N, 0), z[now("chosen").integers(0, BATCH, CODES)]
                e, m, N = vq.revived(e, share, z, LEAST), vq.revived(m, share, N.mean() * z, LEAST), \
                    np.where(share < LEAST, N.mean(), N)
            told.append(vq.perplexity(np.bincount(vq.assign(places, e), minlength=CODES) / CODES))
        return np.array(told)
    left, revived = run(False), run(True)
    return dict(left=left, revived=revived, K=CODES, end_left=left[-1], end_revived=revived[-1])


def draw_usage(figure, left, revived, K, **_):
    axes = figure.add_subplot(xlim=(0, STEPS), ylim=(0, K + 1), yticks=(1, 4, 8, 12, 16), xlabel="steps",
                              ylabel="perplexity, codes")
    axes.axhline(K, color=GREY, linewidth=1)
    for told, colour, words in ((left, BLUE, "dead codes left alone"), (revived, ORANGE, "dead codes revived")):
        axes.plot(np.arange(1, STEPS + 1), told, color=colour, linewidth=2)
        axes.text(STEPS * 0.98, told[-1] - 0.5, words, color=colour, ha="right", va="top")
    axes.spines[["top", "right"]].set_visible(False)


PICTURES = [
    Picture("cells", "Every answer becomes its nearest code",
            "Answers, in blue, and {K} codes with their cells. A step puts every code amid the answers in its cell, "
            "and the squared distance that is lost falls from {before:.2f} to {after:.2f}; after {rounds} steps it "
            "is {end:.2f}. The open ring is a code that nobody says. It never moves, and {used} codes do all the "
            "work.",
            cells, draw_cells, size=(6.4, 2.3)),
    Picture("routes", "Who hears what",
            "Three terms and three parts that learn: how long the gradient is, in one small world. {nothing} of the "
            "nine are 0, exactly: the codes do not hear the image, and the decoder hears nothing else.",
            routes, draw_routes, beside="codes.decoder_called", size=(4.6, 2.2)),
    Picture("usage", "Codes that come back",
            "{K} heaps of answers, {K} codes that all start near one corner, and in how many codes, by their "
            "perplexity, the heaps are said: {end_left:.1f} where dead codes are left alone, {end_revived:.1f} where "
            "they are put onto answers.",
            usage, draw_usage, beside="codes.revived_called", size=(5, 2.4)),
]
