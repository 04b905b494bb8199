"""Pictures of the bound. `bars` draws the bar log p = ELBO + KL, here and on the pages where the bound returns."""
import numpy as np

from derivations.book.pictures import Picture
from derivations.elbo import bound, evidence, expected, gap, inside, one_x, one_z, reconstruct
from derivations.engine.words import E, KL
from derivations.engine.worlds import Sample
from scratch.runs.figures import BLUE, GREY, INK, ORANGE


# ---- the bar ---------------------------------------------------------------------------------------------------------
def bars(axes, at, bound, evidence, floor, width=0.62):
    """For each place in `at` a bar up to the bound, and on it what is missing to the evidence, a blue line. The bars
    come from below `floor`, where they fade: a logarithm has no bottom."""
    from matplotlib.colors import to_rgba
    fade = 0.4 * (min(bound) - floor)
    rise = np.array([[to_rgba(ORANGE, alpha)] for alpha in np.linspace(1, 0, 64)])
    for x, low, high in zip(at, bound, evidence):
        axes.imshow(rise, extent=(x - width / 2, x + width / 2, floor, floor + fade), aspect="auto")
        axes.bar(x, low - floor - 0.97 * fade, width, bottom=floor + 0.97 * fade, color=ORANGE, linewidth=0)
        axes.bar(x, high - low, width, bottom=low, color=GREY, alpha=0.45, linewidth=0)
        axes.plot((x - width / 2, x + width / 2), (high, high), color=BLUE, linewidth=2.5, solid_capstyle="butt")
    axes.set_ylim(floor, max(evidence) + 0.08 * (max(evidence) - floor))


# ---- log p = ELBO + KL -----------------------------------------------------------------------------------------------
P_Z   = np.array([4., 3, 2, 1]) / 10
P_X_Z = np.array([[1., 9], [2, 8], [5, 5], [9, 1]]) / 10


def bar():
    """One x of a small world, while q moves in five steps from a bad guess to the posterior."""
    s     = Sample(one_z, dict(X=2, Z=4, p_z=P_Z, p_x_z=P_X_Z))
    start = np.array([0.66, 0.26, 0.06, 0.02])
    t     = np.linspace(0, 1, 5)
    q     = (1 - t)[:, None] * start + t[:, None] * s["p_z_x"][0]
    moved = [s.put(q=np.stack([row, row])) for row in q]
    low   = np.array([bound.value(m)[0][0] for m in moved])
    lost  = np.array([gap.value(m)[0][0] for m in moved])
    log_p = float(evidence.value(s)[0][0])
    return dict(t=t, q=q, posterior=s["p_z_x"][0], elbo=low, kl=lost, log_p=log_p, first=low[0], lost=lost[0])


def draw_bar(figure, q, posterior, elbo, log_p, **_):
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.1, 1))
    bars(above, range(5), elbo, [log_p] * 5, floor=-2.9)
    above.text(0, elbo[0] - 0.06, "ELBO", ha="center", va="top")
    above.text(0, (elbo[0] + log_p) / 2, "KL", ha="center", va="center")
    above.text(4.4, log_p, "log p(x)", va="center", color=BLUE)
    above.set(ylabel="nats", xlim=(-0.5, 5.1), yticks=(-2, -1), xticks=[])
    above.spines["bottom"].set_visible(False)
    for i, row in enumerate(q):
        z = i + 0.2 * (np.arange(4) - 1.5)
        below.bar(z, row, 0.15, color=ORANGE)
        below.plot(np.stack([z - 0.09, z + 0.09]), np.stack([posterior, posterior]), color=BLUE, linewidth=2)
    below.text(4.5, 0.55, "q(z|x)", color=ORANGE)
    below.text(4.5, 0.2, "p(z|x)", color=BLUE)
    below.axis("off")


# ---- Jensen ----------------------------------------------------------------------------------------------------------
def chord():
    """Two weights p(x, z) / q(z | x): the logarithm of their mean, and the mean of their logarithms."""
    s = Sample(one_x, dict(Z=2, p_xz=np.array([0.15, 1.5]), q=np.array([0.5, 0.5])))
    return dict(w=s["p_xz"] / s["q"], q=s["q"], mean=s["p_x"], top=float(expected.value(s)[0]),
                low=float(inside.value(s)[0]), kl=float(inside.gap(s["q"], s["p_xz"], s["p_x"])))


def draw_chord(figure, w, mean, top, low, kl, **_):
    axes = figure.add_subplot(xlim=(0, 3.6), ylim=(-1.75, 1.45), xlabel="w = p(x, z) / q(z|x)", ylabel="nats",
                              xticks=(0, 1, 2, 3), yticks=(-1, 0, 1))
    x    = np.linspace(0.17, 3.6, 200)
    axes.plot(x, np.log(x), color=INK, linewidth=2)
    axes.plot(w, np.log(w), "o-", color=ORANGE, linewidth=2, markersize=6)
    axes.plot((mean, mean), (low, top), color=GREY, linewidth=6, alpha=0.6, solid_capstyle="butt")
    axes.plot(mean, low, "o", color=ORANGE, markersize=7)
    axes.plot(mean, top, "o", color=BLUE, markersize=7)
    axes.text(mean - 0.06, top + 0.12, "log p(x) = log E[w]", ha="right", color=BLUE)
    axes.text(mean + 0.08, low - 0.12, "ELBO = E[log w]", va="top", color=ORANGE)
    axes.text(mean + 0.1, (low + top) / 2, "KL", va="center")
    axes.text(w[0] + 0.02, np.log(w[0]) - 0.3, "z = 0")
    axes.text(w[1] + 0.02, np.log(w[1]) - 0.3, "z = 1")


# ---- two terms -------------------------------------------------------------------------------------------------------
def balance():
    """q proportional to p(z) p(x|z)^t: the prior at t = 0, the posterior at t = 1, and beyond."""
    t     = np.linspace(0, 2.4, 49)
    q     = P_Z * P_X_Z[:, 0]**t[:, None]
    q     = q / q.sum(1, keepdims=True)
    fit   = E(q, np.log(P_X_Z[:, 0]))
    price = KL(q, P_Z)
    s     = Sample(one_z, dict(X=2, Z=4, p_z=P_Z, p_x_z=P_X_Z))
    low   = np.array([reconstruct.value(s.put(q=np.stack([row, row])))[0][0] for row in q])
    return dict(t=t, q=q, fit=fit, price=price, elbo=low, log_p=float(evidence.value(s)[0][0]), fit_at_1=fit[20],
                price_at_1=price[20])


def draw_balance(figure, t, fit, price, elbo, log_p, **_):
    axes = figure.add_subplot(xlim=(0, 2.4), ylim=(-1.75, 1.15), yticks=(-1, 0, 1), ylabel="nats",
                              xlabel="t: how far q ∝ p(z) p(x|z)ᵗ believes x")
    axes.axhline(log_p, color=BLUE, linewidth=1.5)
    axes.plot(t, fit, color=GREY, linewidth=2)
    axes.plot(t, price, color=GREY, linewidth=2)
    axes.plot(t, elbo, color=ORANGE, linewidth=2.5)
    axes.plot(1, log_p, "o", color=ORANGE, markersize=8)
    axes.text(1.5, fit[30] + 0.1, "E[log p(x|z)]", ha="right")
    axes.text(1.5, price[30] + 0.14, "KL(q ‖ prior)", ha="right")
    axes.text(1.8, elbo[36] - 0.06, "ELBO", color=ORANGE, ha="right", va="top")
    axes.text(0.04, log_p + 0.06, "log p(x)", color=BLUE)
    axes.set_xticks((0, 1, 2), ("0\nprior", "1\nposterior", "2"))


PICTURES = [
    Picture("bar", "log p = ELBO + KL",
            "Whatever q is, the bound and the KL from q to the posterior stand one on the other and reach the same "
            "height, log p(x) = {log_p:.3f} nats. From left to right q (orange) moves to the posterior (blue marks): "
            "the bound rises from {first:.3f}, and the {lost:.3f} nats that were lost shrink to nothing.",
            bar, draw_bar, size=(5.2, 3)),
    Picture("chord", "Why it is a bound",
            "The logarithm bends down, so between two of its points it lies above the straight line. The two points "
            "are w at two z, which q draws equally often. The logarithm of their mean is log p(x) = {top:.3f} nats, "
            "the mean of their logarithms is the bound, {low:.3f}. What lies between is a KL: {kl:.3f}.",
            chord, draw_chord, beside="elbo.inside", size=(5.2, 2.9)),
    Picture("balance", "What the posterior balances",
            "The bound is one grey curve less the other: how well z drawn from q explain x, less how far q "
            "leaves the prior. To the right q believes x more, and both rise. At t = 1, the posterior, they are "
            "{fit_at_1:.3f} and {price_at_1:.3f}, and their difference is log p(x) = {log_p:.3f}: nothing is higher.",
            balance, draw_balance, beside="elbo.reconstruct", size=(5.2, 2.9)),
]
