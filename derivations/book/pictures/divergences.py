"""Pictures of the divergences."""
import numpy as np
from scipy.optimize import minimize

from derivations.book.pictures import Picture
from derivations.divergences import attained, best_plan_marginals, cdfs, cheapest, js_named, kl_named, transport
from derivations.engine.relations import quiet
from derivations.engine.worlds import Sample
from scratch.runs.figures import BLUE, GREY, INK, ORANGE


# ---- how far apart? --------------------------------------------------------------------------------------------------
HUMP = np.array([1, 2, 4, 2, 1]) / 10


def apart():
    """The hump, and the same hump shifted by 0 .. 8 points: three measures of how far apart they are."""
    shifts, found = np.arange(9), []
    for d in shifts:
        p, q = (np.concatenate([np.zeros(k), HUMP, np.zeros(8 - k)]) for k in (0, d))
        s = between(p, q)
        with quiet():
            found.append((kl_named(p, q), js_named(p, q), cdfs.value(s)[0]))
    kl, js, w1 = np.array(found, dtype=float).T
    return dict(shifts=shifts, hump=HUMP, kl=kl, js=js, w1=w1, limit=np.log(2),
                full=int((js < np.log(2) - 1e-9).sum()))


def between(p, q):
    """A world with p and q on the points 0, 1, 2 .., its function the best one."""
    X = len(p)
    s = Sample(transport, dict(X=X, y=np.arange(X) * 1.0, p=p, move=np.tile(q, (X, 1))))
    return s.put(h=s["best_f"])


def draw_apart(figure, shifts, hump, kl, js, w1, limit, **_):
    grid = figure.add_gridspec(2, 3, height_ratios=(1, 1.5))
    for column, d in enumerate((1, 3, 7)):
        axes = figure.add_subplot(grid[0, column], xlim=(-0.8, 12.8), ylim=(0, 0.55), xticks=[], yticks=[])
        axes.bar(np.arange(5), hump, 0.8, color=BLUE, alpha=0.75)
        axes.bar(np.arange(5) + d, hump, 0.8, color=ORANGE, alpha=0.75)
        axes.text(0, 0.46, f"{d} steps" if d > 1 else "1 step")
        axes.spines["left"].set_visible(False)
        axes.spines["bottom"].set_color(GREY)
    for column, (name, y, top) in enumerate((("KL, nats", kl, 1), ("JS, nats", js, 1), ("W₁, steps", w1, 8.6))):
        axes = figure.add_subplot(grid[1, column], xlim=(-0.3, 8.3), ylim=(-0.04 * top, top), xticks=(0, 4, 8))
        axes.set_title(name, loc="left", fontsize=9)
        axes.plot(shifts, y, "o-", color=INK, markersize=4, linewidth=1.5)
        if column == 0:
            axes.set_yticks([0])
            axes.annotate("", (1, 1), (0, 0), arrowprops=dict(arrowstyle="->", color=INK, linewidth=1.5, shrinkB=0))
            axes.text(1.5, 0.72, "∞ from the\nfirst step on")
        if column == 1:
            axes.axhline(limit, color=GREY, linewidth=1)
            axes.text(0, limit + 0.05, "log 2")
            axes.set_yticks([0, 0.5])
        if column == 2:
            axes.set_yticks([0, 4, 8])
        if column == 1:
            axes.set_xlabel("how far the orange law is shifted, steps")


# ---- two directions --------------------------------------------------------------------------------------------------
def directions():
    """The normal law on a grid that is nearest to two bumps, in either direction of KL."""
    x = np.linspace(-6, 6, 121)
    p = 0.6 * bump(x, -2.5, 0.7) + 0.4 * bump(x, 2, 0.9)
    def nearest(cost):
        starts = [minimize(lambda a: cost(bump(x, a[0], np.exp(a[1]))), start, method="Nelder-Mead",
                           options=dict(xatol=1e-10, fatol=1e-14, maxiter=2000)) for start in ((-2, 0), (2, 0), (0, 1))]
        best   = min(starts, key=lambda found: found.fun)
        return best.x[0], np.exp(best.x[1]), best.fun
    cover, seek = nearest(lambda q: kl_named(p, q)), nearest(lambda q: kl_named(q, p))
    q_cover, q_seek = bump(x, *cover[:2]), bump(x, *seek[:2])
    return dict(x=x, p=p, q_cover=q_cover, q_seek=q_seek, seek=np.array(seek), kl_cover=cover[2], kl_seek=seek[2],
                other=kl_named(q_cover, p), other_seek=kl_named(p, q_seek))


def bump(x, mu, s):
    """The normal law on the points x."""
    a = -(x - mu)**2 / (2 * s**2)
    w = np.exp(a - a.max())
    return w / w.sum()


def draw_directions(figure, x, p, q_cover, q_seek, kl_cover, kl_seek, **_):
    for place, (q, name, what) in enumerate(((q_cover, f"KL(p ‖ q) is least: {kl_cover:.2f} nats", "q covers both"),
                                             (q_seek, f"KL(q ‖ p) is least: {kl_seek:.2f} nats", "q picks one")), 1):
        axes = figure.add_subplot(1, 2, place, xlim=(-5, 5), ylim=(0, 0.06), yticks=[], xticks=(-4, 0, 4), xlabel="x")
        axes.fill_between(x, p, color=BLUE, alpha=0.45, linewidth=0)
        axes.plot(x, q, color=ORANGE, linewidth=2.5)
        axes.set_title(name, fontsize=9)
        axes.text(0.4, 0.042, what, color=ORANGE)
        axes.text(2.6, 0.018, "p", color=BLUE)
        axes.spines["left"].set_visible(False)


# ---- transport -------------------------------------------------------------------------------------------------------
def carried():
    p = np.array([1., 4, 3, 0, 0, 0, 0, 2, 2]) / 12
    q = np.array([0., 0, 1, 3, 4, 2, 2, 0, 0]) / 12
    s = between(p, q)
    return dict(x=s["x"], p=p, q=q, plan=best_plan_marginals.value(s)[0], f=s["best_f"],
                cost=float(cheapest.value(s)[0]), dual=float(attained.value(s)[0]))


def draw_carried(figure, x, p, q, plan, f, cost, **_):
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.7))
    above.plot(x, f, "o-", color=INK, markersize=3, linewidth=2)
    above.text(x[0] - 0.3, f.min() + 0.3, "D*(x)")
    above.set(yticks=(0, -2, -4), xlim=(-0.7, 8.7))
    below.bar(x, 3 * p, 0.5, bottom=1, color=BLUE)
    below.bar(x, -3 * q, 0.5, color=ORANGE)
    for (i, j), mass in np.ndenumerate(plan):
        if mass:
            below.plot((x[i], x[j]), (0.97, 0.03), color=GREY, linewidth=40 * mass, alpha=0.7, solid_capstyle="butt")
    below.text(-0.6, 1.6, "p", color=BLUE)
    below.text(7.2, -0.4, "q", color=ORANGE)
    below.set(yticks=[], xticks=x, xlabel="x", ylim=(-1.1, 2.1))
    below.spines["left"].set_visible(False)


PICTURES = [
    Picture("apart", "How far apart are two laws?",
            "Two laws of one shape move apart, and three measures of this page watch. KL is infinite as soon as the "
            "blue law is where the orange one is not. JS stops at log 2 = {limit:.3f} nats after {full} steps: then no "
            "point is shared, and nothing changes any more. W₁ is the way itself, however far.",
            apart, draw_apart, size=(5.2, 3)),
    Picture("directions", "KL has two directions",
            "A single normal law (orange) is to be near to one with two bumps (blue). KL(p ‖ q) is large where p is "
            "and q is not: q covers both bumps. KL(q ‖ p) is large where q is and p is not: q settles on one. The "
            "first q costs {other:.2f} nats in the other direction, the second {other_seek:.1f}.",
            directions, draw_directions, beside="divergences.kl_called", size=(5.2, 2.4)),
    Picture("transport", "The cheapest plan, and the function that proves it",
            "Below, the mass of p is carried to q: the wider a band, the more it carries. The plan costs {cost:.3f} "
            "steps. Above, a function of slope 1 at most: its mean under p, less that under q, is {dual:.3f}. It "
            "falls by 1 a step where mass moves right and rises where mass moves left, so no plan is cheaper.",
            carried, draw_carried, beside="W1: how far mass is carried", size=(5.2, 3.2)),
]
