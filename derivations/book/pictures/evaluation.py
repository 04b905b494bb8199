"""Pictures of evaluation: the Fréchet distance of few samples, likelihood beside samples, precision against recall."""
import math

import numpy as np

from backends.random import Stream
from derivations import evaluation
from derivations.book.pictures import Picture
from derivations.engine.relations import quiet
from scratch.metrics import frechet_distance
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
    """One dimension exactly; 8 and 64 by pairs of sets, 24 and 3 of them."""
    n, stream, drawn = np.array([100, 200, 500, 1000, 2000]), Stream.seed(0)("few samples"), {}
    for D in (8, 64):
        drawn[D] = np.array([np.mean([frechet_distance(*stream(D)(int(k))(i).normal((2, int(k), D), "float64"))
                                      for i in range(192 // D)]) for k in n])
    return dict(n=n, line=np.array([on_the_line(int(k)) for k in n]), drawn=drawn,
                first={D: expected(n, D) for D in drawn})


def draw_few_samples(figure, n, line, drawn, first):
    axes = figure.add_subplot()
    for D, colour in ((64, ORANGE), (8, INK)):
        axes.plot(n, drawn[D], "o-", color=colour, linewidth=2.2, markersize=5)
        axes.text(n[-1] * 1.08, drawn[D][-1], f"{D} dimensions" if D == 64 else f"{D}", color=colour, va="center")
    axes.plot(n, line, color=BLUE, linewidth=2.2)
    axes.text(n[-1] * 1.08, line[-1], "1", color=BLUE, va="center")
    axes.set(xscale="log", yscale="log", xticks=[100, 1000], xticklabels=["100", "1000"], xlim=(90, 6500),
             yticks=[0.01, 0.1, 1, 10], yticklabels=["0.01", "0.1", "1", "10"],
             xlabel="samples n in each set", ylabel="Fréchet distance, where\nthe truth is 0")
    axes.minorticks_off()


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
def region(law):
    """Where a law has 95 % of its mass, on as few points as possible."""
    order  = np.argsort(-law)
    inside = np.zeros(len(law), bool)
    inside[order[:np.searchsorted(np.cumsum(law[order]), 0.95) + 1]] = True
    return inside


def precision_recall():
    """Eight modes on a line. A model draws some of them, with deviations tau times too large or too small."""
    x, modes = np.linspace(-8.5, 8.5, 3401), np.arange(8) * 2 - 7.0

    def law(found, tau):
        bumps = np.exp(-(x[:, None] - modes[:found])**2 / (2 * (0.15 * tau)**2)).sum(1)
        return bumps / bumps.sum()

    p, taus = law(8, 1), np.geomspace(1, 6, 13)
    models  = dict(fewer=[(k, 1) for k in range(8, 0, -1)], wider=[(8, tau) for tau in taus],
                   narrower=[(8, 1 / tau) for tau in taus])
    return dict(taus=taus, **{name: np.array([[law(*m)[region(p)].sum(), p[region(law(*m))].sum()] for m in row])
                              for name, row in models.items()})


def draw_precision_recall(figure, taus, fewer, wider, narrower):
    axes = figure.add_subplot()
    for path, colour, style, label, x, y, side in (
            (fewer, ORANGE, "o-", "fewer modes", 0.93, 0.42, "right"), (wider, INK, "-", "blurred", 0.45, 1.06, "left"),
            (narrower, GREY, "--", "too sharp", 1.01, 0.30, "left")):
        axes.plot(path[:, 0], path[:, 1], style, color=colour, linewidth=2.2, markersize=5)
        axes.text(x, y, label, color=colour, ha=side, va="center")
    axes.plot(*fewer[0], "o", color=BLUE, markersize=10)
    axes.text(fewer[0, 0] - 0.02, fewer[0, 1] - 0.1, "the data's law", color=BLUE, ha="right")
    axes.set(xlabel="precision: samples where data are", ylabel="recall: data\nwhere samples are",
             xlim=(0.2, 1.17), xticks=[0.25, 0.5, 0.75, 1], xticklabels=["25 %", "50 %", "75 %", "100 %"],
             ylim=(0, 1.17), yticks=[0, 0.5, 1], yticklabels=["0", "50 %", "100 %"])


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
            few_samples, draw_few_samples, "The Fréchet distance", size=(5, 2.6)),
    Picture("precision-recall", "Two ways to be wrong",
            "Models of eight modes, all made from the data's law. Who leaves modes out loses recall, mode by mode; "
            "who blurs loses precision: six times as wide leaves {wider[12][0]:.0%}. One number cannot tell the two "
            "apart.",
            precision_recall, draw_precision_recall, "How many modes", size=(5, 2.6)),
]
