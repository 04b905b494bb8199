"""Pictures of estimators."""
import math

import numpy as np
from scipy.special import gammaln
from scipy.stats import binom

from backends.random import Stream
from derivations.book.pictures import Picture
from derivations.engine.worlds import Sample
from derivations.estimators import fast, sine_score, sine_square, sine_square_score, sine_through
from scratch.runs.figures import BLUE, GREY, INK, ORANGE


# ---- the logarithm of a mean -----------------------------------------------------------------------------------------
P_Z   = np.array([0.70, 0.25, 0.05])
P_X_Z = np.array([0.02, 0.15, 0.90])         # of the x that was seen
KS    = (1, 10, 100)


def law(k):
    """Every value of log 1/k sum p(x | z_i) for k draws of the prior, with its chance: a sum over how often each z came
    up, so 5151 cases are all that 100 draws can do."""
    a, b = np.divmod(np.arange((k + 1)**2), k + 1)
    a, b = a[a + b <= k], b[a + b <= k]
    n    = np.stack([a, b, k - a - b], axis=-1)                                                      # [cases, Z]
    p    = np.exp(gammaln(k + 1) + (n * np.log(P_Z) - gammaln(n + 1)).sum(-1))
    return np.log(n @ P_X_Z / k), p


def too_low():
    edges, shares, means = np.arange(-4.1, 0.05, 0.1), [], []
    for k in KS:
        y, p = law(k)
        shares.append(np.histogram(y, edges, weights=p)[0])
        means.append(p @ y)
    log_p = math.log(P_Z @ P_X_Z)
    lacks = log_p - np.array(means)
    return dict(edges=edges, shares=np.array(shares), means=np.array(means), log_p=log_p, one=lacks[0],
                ten=lacks[1], hundred=lacks[2])


def draw_too_low(figure, edges, shares, means, log_p, **_):
    for axes, k, share, m in zip(figure.subplots(3, 1, sharex=True), KS, shares, means):
        axes.bar(edges[:-1], share / share.max(), 0.1, align="edge", color=ORANGE, alpha=0.7)
        axes.axvline(log_p, color=BLUE, linewidth=2)
        axes.plot(m, -0.16, "^", color=ORANGE, markersize=8, clip_on=False)
        axes.text(-4.7, 0.4, f"k = {k}")
        axes.set(ylim=(0, 1.05), yticks=[], xlim=(-4.75, -0.05), xticks=(-4, -3, -2, -1))
        axes.spines["left"].set_visible(False)
        axes.tick_params(length=0, labelbottom=k == KS[-1], pad=11)
        if k == 1:
            axes.text(log_p + 0.06, 0.7, "log p(x)", color=BLUE)
            axes.text(m + 0.12, 0.18, "mean", color=ORANGE)
    axes.set_xlabel("log of the mean of k draws, nats")


# ---- two gradients ---------------------------------------------------------------------------------------------------
MU = math.pi / 8


def spreads():
    """The variance of one draw of both gradients of E[sin z] in mu, for z ~ N(mu, sigma^2)."""
    sigma, found = np.geomspace(0.1, 5, 80), []
    for s in sigma:
        w    = Sample(fast, dict(mu=np.array(MU), omega=np.array(1.), sigma=np.array(s)))
        through, chances = (float(line.value(w)[0]) for line in (sine_through, sine_score))
        found.append((float(sine_square.value(w)[0]) - through**2, float(sine_square_score.value(w)[0]) - chances**2))
    through, score = np.array(found).T
    i     = np.flatnonzero((score < through))[0]                                    # between i - 1 and i they cross
    a, b  = np.log(score / through)[i - 1:i + 1]
    return dict(sigma=sigma, through=through, score=score, narrow=score[0] / through[0], wide=through[-1] / score[-1],
                crossing=float(sigma[i - 1] * (sigma[i] / sigma[i - 1])**(a / (a - b))))


def draw_spreads(figure, sigma, through, score, crossing, **_):
    axes = figure.add_subplot(xscale="log", yscale="log", xlim=(0.1, 5), ylim=(3e-3, 40),
                              xlabel="σ, the width of the law; the wave is 2π long", ylabel="variance of one draw")
    axes.axvspan(crossing, 5, color=GREY, alpha=0.25, linewidth=0)
    axes.plot(sigma, through, color=ORANGE, linewidth=2.5)
    axes.plot(sigma, score, color=INK, linewidth=2.5)
    axes.text(0.115, 0.03, "through the noise", color=ORANGE)
    axes.text(0.2, 7, "through the chances")
    axes.text((crossing * 5)**0.5, 10, "here the\nchances win", ha="center")
    axes.set_xticks((0.1, 1), ("0.1", "1"))
    axes.set_yticks((0.01, 0.1, 1, 10), ("0.01", "0.1", "1", "10"))
    axes.minorticks_off()


# ---- more draws ------------------------------------------------------------------------------------------------------
CHANCE = 0.3                                    # of a 1: what is to be found
MOST   = 4000


def funnel():
    """Ten running means of coins, from a fixed stream, and the band of two standard deviations. How likely a mean is
    outside is a sum of a binomial law."""
    n     = np.unique(np.geomspace(4, MOST, 120).astype(int))
    paths = (Stream.seed(0)("coins").uniform((10, MOST), dtype="float64") < CHANCE).cumsum(1)[:, n - 1] / n
    band  = 2 * np.sqrt(CHANCE * (1 - CHANCE) / n)
    slack = 1e-9                                                                       # a mean on the edge is inside
    top, low = np.floor(n * (CHANCE + band) + slack), np.ceil(n * (CHANCE - band) - slack)
    inside = binom.cdf(top, n, CHANCE) - binom.cdf(low - 1, n, CHANCE)
    rms   = [np.sqrt(binom.pmf(np.arange(k + 1), k, CHANCE) @ (np.arange(k + 1) / k - CHANCE)**2) for k in n]
    return dict(n=n, paths=paths, band=band, inside=inside, rms=np.array(rms), outside=1 - inside[-1], last=band[-1],
                hundred=2 * math.sqrt(CHANCE * (1 - CHANCE) / 100), truth=CHANCE)


def draw_funnel(figure, n, paths, band, truth, **_):
    axes = figure.add_subplot(xscale="log", xlim=(4, MOST), ylim=(-0.2, 0.8), xlabel="draws N",
                              ylabel="mean of the draws")
    axes.fill_between(n, truth - band, truth + band, color=ORANGE, alpha=0.25, linewidth=0)
    for path in paths:
        axes.plot(n, path, color=INK, linewidth=0.8, alpha=0.7)
    axes.axhline(truth, color=BLUE, linewidth=2)
    for k in (10, 1000):
        b = np.interp(k, n, band)
        axes.plot((k, k), (truth - b, truth + b), color=ORANGE, linewidth=2)
        axes.text(k * 1.08, truth - b - 0.08, f"± {b:.2f}", color=ORANGE)
    axes.text(105, 0.62, "100 times the draws,\na tenth of the error")
    axes.set_xticks((10, 100, 1000), ("10", "100", "1000"))
    axes.set_yticks((0, truth, 0.6))
    axes.minorticks_off()


PICTURES = [
    Picture("too-low", "A mean may be sampled, its logarithm may not",
            "The mean of k draws of p(x|z) has the right mean; its logarithm has not. Its law (orange) for 1, 10 and "
            "100 draws, with no sampling: on average (triangles) it is {one:.2f}, {ten:.2f} and {hundred:.3f} nats "
            "below log p(x) = {log_p:.2f} (blue).",
            too_low, draw_too_low, size=(5.2, 3)),
    Picture("gradients", "Two gradients, and where each is steadier",
            "Both estimate how the mean of sin z moves with the mean of z. At σ = 0.1 the gradient of the chances "
            "has {narrow:.0f} times the variance of the one that goes through the noise. Above σ = {crossing:.2f}, "
            "where the law spans a good part of the wave, it is the other way round: at σ = 5 by a factor of "
            "{wide:.0f}.",
            spreads, draw_spreads, beside="Where the other way is the steadier", size=(5.2, 2.9)),
    Picture("funnel", "The error of a mean",
            "Ten running means of coins that show 1 with chance {truth}. The band is two standard deviations wide on "
            "either side: {hundred:.3f} after 100 draws, {last:.3f} after 4000, where a mean lies outside with "
            "chance {outside:.3f}.",
            funnel, draw_funnel, beside="Draws from the prior", size=(5.2, 2.7)),
]
