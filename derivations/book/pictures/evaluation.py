"""Pictures of evaluation: six distortions, few samples and what corrects them, likelihood beside samples, precision
against recall."""
import math

import numpy as np

from backends.random import Stream
from derivations import evaluation
from derivations.book.pictures import Picture
from derivations.engine.relations import quiet
from scratch.data.images import digits
from scratch.metrics import frechet_distance, jackknife, kernel_distance
from scratch.metrics.distortions import DISTORTIONS
from scratch.metrics.manifolds import manifold_figures
from scratch.runs.figures import BLUE, GREY, INK, ORANGE


# ---- too few samples -------------------------------------------------------------------------------------------------
def on_the_line(n):
    """The mean Fréchet distance of two sets of n numbers, both from N(0, 1): exact, by the mean of a deviation."""
    c = math.sqrt(2 / (n - 1)) * math.exp(math.lgamma(n / 2) - math.lgamma((n - 1) / 2))
    return 2 / n + 2 * (1 - c**2)


def expected(n, D):
    """The same in D dimensions, to first order in 1/n: from the means, and from the covariances."""
    return 2 * D / n + D * (D + 1) / (2 * (n - 1))


def few_samples():
    """One dimension exactly; 8 and 64 by pairs of sets, 24 and 3 of them, beside the first order."""
    n, stream, drawn = np.array([100, 200, 500, 1000, 2000]), Stream.seed(0)("few samples"), {}
    for D in (8, 64):
        drawn[D] = np.array([np.mean([frechet_distance(*stream(D)(int(k))(i).normal((2, int(k), D), "float64"))
                                      for i in range(192 // D)]) for k in n])
    return dict(n=n, line=np.array([on_the_line(int(k)) for k in n]), drawn=drawn,
                first={D: expected(n, D) for D in drawn})


def draw_few_samples(figure, n, line, drawn, first):
    axes = figure.add_subplot()
    for D, colour in ((64, ORANGE), (8, INK)):
        axes.plot(n, first[D], color=colour, linewidth=1.4, alpha=0.7)
        axes.plot(n, drawn[D], "o", color=colour, markersize=5)
        axes.text(n[-1] * 1.08, drawn[D][-1], f"{D} dimensions" if D == 64 else f"{D}", color=colour, va="center")
    axes.plot(n, line, color=BLUE, linewidth=2.2)
    axes.text(n[-1] * 1.08, line[-1], "1", color=BLUE, va="center")
    axes.set(xscale="log", yscale="log", xticks=[100, 1000], xticklabels=["100", "1000"], xlim=(90, 6500),
             yticks=[0.01, 0.1, 1, 10], yticklabels=["0.01", "0.1", "1", "10"],
             xlabel="samples n in each set", ylabel="Fréchet distance, where\nthe truth is 0")
    axes.minorticks_off()


# ---- what corrects it ------------------------------------------------------------------------------------------------
PAIRS = 16                  # of sets


def corrected():
    """Three figures of pairs of sets from N(0, I) in 8 dimensions, their means over the pairs and the errors of these
    [3, n]: the Fréchet distance, the same without what the jackknife takes for bias, and the kernel distance."""
    n, stream, D = np.array([40, 80, 160, 320]), Stream.seed(1)("corrected"), 8
    found = np.zeros((len(n), PAIRS, 3))
    for i, k in enumerate(n):
        for pair in range(PAIRS):
            x, y = stream(int(k))(pair).normal((2, int(k), D), "float64")
            value, bias, _ = jackknife(frechet_distance, x, y)
            found[i, pair] = value, value - bias, kernel_distance(x, y)
    return dict(n=n, first=expected(n, D), means=found.mean(1).T, errors=found.std(1, ddof=1).T / PAIRS**0.5,
                pairs=PAIRS, all=PAIRS * len(n), below=int((found[..., 2] < 0).sum()))


def draw_corrected(figure, n, first, means, errors, **_):
    axes = figure.add_subplot()
    axes.axhline(0, color=GREY, linewidth=1)
    axes.plot(n, first, color=ORANGE, linewidth=1.4, alpha=0.7)
    for value, error, colour, shift in zip(means, errors, (ORANGE, INK, BLUE), (1, 0.97, 1.03)):
        axes.errorbar(n * shift, value, 2 * error, fmt="o", color=colour, markersize=5, linewidth=2)
    axes.text(50, 1.02 * means[0, 0], "Fréchet distance", color=ORANGE, va="center")
    axes.text(37, -0.36, "less what the jackknife says", color=INK, va="center")
    axes.text(190, -0.2, "kernel distance", color=BLUE, va="center")
    axes.set(xscale="log", xticks=n, xticklabels=n.tolist(), xlim=(33, 450), ylim=(-0.5, 1.45),
             yticks=[0, 0.5, 1], yticklabels=["0", "0.5", "1"], xlabel="samples n in each set",
             ylabel="where the truth is 0")
    axes.minorticks_off()


# ---- six distortions -------------------------------------------------------------------------------------------------
def distorted():
    """The Fréchet distance of the digits, in [0, 1], from themselves distorted by 0 to 1, the pixels as they are."""
    x      = digits()["train"]["x"].reshape(-1, 8, 8) / 16
    stream = Stream.seed(0)("distortions")
    amount = np.linspace(0, 1, 6)
    found  = {name: np.array([float(frechet_distance(f(x, a, stream(name), 1 - x).reshape(len(x), -1),
                                                     x.reshape(len(x), -1))) for a in amount])
              for name, f in DISTORTIONS.items()}
    return dict(amount=amount, found=found)


def draw_distorted(figure, amount, found):
    for i, (name, distance) in enumerate(found.items()):
        axes = figure.add_subplot(2, 3, i + 1)
        axes.plot(amount, distance, "o-", color=ORANGE, linewidth=2.2, markersize=4)
        axes.set_title(name, fontsize=9, pad=3)
        axes.set(xticks=[], ylim=(0, 1.1 * distance[-1]), xlim=(-0.05, 1.08))


# ---- likelihood beside samples ---------------------------------------------------------------------------------------
def counterexamples():
    """Data in four narrow modes; one model that is noise but for one sample in a hundred, one that leaves out a mode.
    Laws on 1801 points; a sample is good where a mode is within three deviations."""
    x, modes = np.linspace(-4.5, 4.5, 1801), np.array([-1.8, -0.6, 0.6, 1.8])
    bumps    = np.exp(-(x[:, None] - modes)**2 / (2 * 0.05**2))
    p        = np.where(bumps > 1e-20, bumps, 0).sum(1)                           # nine deviations, and no further
    p        = p / p.sum()
    noisy    = 0.01 * p + 0.99 / len(x)
    missing  = bumps[:, :3].sum(1) / bumps[:, :3].sum()
    near     = (np.abs(x[:, None] - modes) < 3 * 0.05).any(1)
    with quiet():
        lost = [float(evaluation.highest(p) - evaluation.expected(p, q)) for q in (noisy, missing)]
    return dict(x=x, p=p, noisy=noisy, missing=missing, lost=lost,
                good=[float(q[near].sum()) for q in (noisy, missing)], near=float(np.mean(near)), most=math.log(100))


def draw_counterexamples(figure, x, p, noisy, missing, lost, good, near, most):
    for i, (axes, q) in enumerate(zip(figure.subplots(1, 2), (noisy, missing))):
        axes.fill_between(x[::3], p[::3], color=BLUE, alpha=0.45, linewidth=0)
        axes.plot(x[::3], q[::3], color=ORANGE, linewidth=2)
        axes.set(xticks=[], yticks=[], ylim=(0, p.max() * 2.2), xlim=(-3, 3))
        axes.spines["left"].set_visible(False)
        axes.text(-2.9, p.max() * 1.92, f"likelihood: {lost[i]:.1f} nats lost", color=INK)
        axes.text(-2.9, p.max() * 1.58, f"samples: {100 * good[i]:.0f} % in a mode", color=INK)
        axes.set_xlabel(("noise, and 1 % data", "a mode is missing")[i])


# ---- precision against recall ----------------------------------------------------------------------------------------
RING, EACH, WIDE, NEIGHBOURS = 8, 40, 0.1, 3        # modes on a circle of radius 2, points of each, their deviation


def modes(stream):
    """EACH points of each of the modes [RING * EACH, 2], mode by mode."""
    a = 2 * math.pi * np.arange(RING) / RING
    return (2 * np.stack([np.cos(a), np.sin(a)], 1)[:, None]
            + WIDE * stream.normal((RING, EACH, 2), "float64")).reshape(-1, 2)


def planted():
    """The data, and two paths of samples from their law: without one mode after the other; with more and more strays in
    the place of samples."""
    stream = Stream.seed(0)("planted")
    y, x   = modes(stream("data")), modes(stream("samples"))
    stray  = 8 * stream("strays").uniform(x.shape, "float64") - 4
    u      = stream("which").uniform((len(x), 1))
    return y, [x[:EACH * k] for k in range(RING, 0, -1)], [np.where(u < k / RING, stray, x) for k in range(RING + 1)]


def precision_recall():
    """Precision, recall, density and coverage [., 4] along both paths."""
    y, *paths = planted()
    return {name: np.array([manifold_figures(x, y, NEIGHBOURS) for x in path])
            for name, path in zip(("fewer", "strays"), paths)}


def draw_precision_recall(figure, fewer, strays):
    axes = figure.add_subplot()
    for path, colour, label, x, y in ((fewer, ORANGE, "fewer modes", 0.91, 0.42), (strays, INK, "strays", 0.45, 0.87)):
        axes.plot(path[:, 0], path[:, 1], "o-", color=colour, linewidth=2.2, markersize=5)
        axes.text(x, y, label, color=colour, ha="right", va="center")
    axes.plot(*fewer[0, :2], "o", color=BLUE, markersize=10)
    axes.text(1, 0.94, "the data's law", color=BLUE, va="center")
    axes.set(xlabel="precision: samples where data are", ylabel="recall: data\nwhere samples are",
             xlim=(-0.03, 1.35), xticks=[0, 0.25, 0.5, 0.75, 1], xticklabels=["0", "25 %", "50 %", "75 %", "100 %"],
             ylim=(0, 1.1), yticks=[0, 0.5, 1], yticklabels=["0", "50 %", "100 %"])


PICTURES = [
    Picture("counterexamples", "Likelihood is not quality",
            "Blue, the data. Left, a model of which ninety-nine samples in a hundred are noise, some near a mode by "
            "chance: {lost[0]:.1f} nats an example worse than the data's own law, and never more than log 100 = "
            "{most:.1f}. Right, one without a flaw in any sample, that leaves out a mode: {lost[1]:.0f} nats worse.",
            counterexamples, draw_counterexamples, size=(4.9, 2.2)),
    Picture("few-samples", "A distance that shrinks with n",
            "Two sets from one and the same normal law: the true distance is 0. What is measured is not, and falls "
            "with the number of samples; in 64 dimensions 100 samples come to {drawn[64][0]:.0f} and 2000 to "
            "{drawn[64][4]:.1f}. So compare at equal n.",
            few_samples, draw_few_samples, "Too few samples", size=(5, 2.6)),
    Picture("corrected", "What is left of it",
            "Two sets of one law again, in 8 dimensions, {pairs} pairs for each n, with two standard errors. What the "
            "jackknife takes for bias is nearly all of the distance. The kernel distance has none: {below} of the "
            "{all} are below 0.",
            corrected, draw_corrected, "What the samples themselves say of it", size=(5, 2.6)),
    Picture("distortions", "Six ways to spoil an image",
            "The Fréchet distance of digits from themselves, more and more distorted. It grows with every one of "
            "them, each on its own scale: blur at its most makes {found[blur][5]:.0f}, noise {found[noise][5]:.0f}.",
            distorted, draw_distorted, "The Fréchet distance", size=(5, 3)),
    Picture("precision-recall", "Two ways to be wrong",
            "Samples of eight modes, planted. Who leaves modes out loses recall, mode by mode: {fewer[7][1]:.0%} is "
            "left with one. Strays in the place of samples cost precision, down to {strays[8][0]:.0%}; but their "
            "balls are so large that recall does not notice.",
            precision_recall, draw_precision_recall, "Good samples, and all of the data", size=(5, 2.6)),
]
