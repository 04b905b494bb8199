"""Pictures of mixtures and EM."""
import math

import numpy as np

from backends.random import Stream
from derivations.book.pictures import Picture
from derivations.book.pictures.elbo import bars
from derivations.engine.worlds import Sample
from derivations.mixtures import e_step, guessed, likelihood, lower_bound, means
from scratch.mixtures import gmm
from scratch.runs.figures import BLUE, GREY, INK, ORANGE


# ---- who made which point --------------------------------------------------------------------------------------------
SHOWN = (0, 1, 2, 4, 8, 16)


def colours():
    """Two Gaussians learned by EM from 120 points: after some steps what they are, and whose each point is."""
    x, _  = gmm.sample(Stream.seed(3), 120, np.log([0.5, 0.5]), np.array([[-1.2, 0.2], [1.3, -0.2]]),
                       np.array([[[0.4, 0.3], [0.3, 0.5]], [[0.4, -0.3], [-0.3, 0.5]]]))
    model = np.log([0.5, 0.5]), np.array([[-0.5, 1.2], [0.5, -1.2]]), np.array([np.eye(2)] * 2)
    r, pi, mu, Sigma, rise = [], [], [], [], []
    for step in range(SHOWN[-1] + 1):
        after, total = gmm.em_step(x, *model)
        rise.append(float(total))
        if step in SHOWN:
            r.append(gmm.responsibilities(x, *model)[0])
            pi.append(np.exp(model[0]))
            mu.append(model[1])
            Sigma.append(model[2])
        model = after
    return dict(x=x, r=np.array(r), pi=np.array(pi), mu=np.array(mu), Sigma=np.array(Sigma),
                rise=np.array(rise), start=rise[0], end=rise[-1], unsure=int((abs(r[0][:, 0] - 0.5) < 0.4).sum()),
                unsure_end=int((abs(r[-1][:, 0] - 0.5) < 0.4).sum()))


def draw_colours(figure, x, r, mu, Sigma, **_):
    for column, step in enumerate(SHOWN):
        axes = figure.add_subplot(2, 3, column + 1, xlim=(-3.4, 3.8), ylim=(-3.3, 3.4), xticks=[], yticks=[])
        axes.set_title("start" if step == 0 else "1 step" if step == 1 else f"{step} steps", fontsize=9, pad=1)
        axes.set_aspect("equal")
        axes.scatter(*x.T, s=11, linewidths=0, color=[mixed(share) for share in r[column][:, 0]])
        for m, S, colour in zip(mu[column], Sigma[column], (BLUE, ORANGE)):
            axes.plot(*(m[:, None] + ring(S)), color=colour, linewidth=1.8)
        axes.spines[:].set_visible(False)


def ring(Sigma, radius=2):
    """Points at `radius` standard deviations around 0 [2, 61]."""
    a = np.linspace(0, 2 * math.pi, 61)
    return radius * np.linalg.cholesky(Sigma) @ np.stack([np.cos(a), np.sin(a)])


def mixed(share):
    """Blue where share is 1, orange where 0, grey between."""
    from matplotlib.colors import to_rgb
    ends = np.array([to_rgb(c) for c in (ORANGE, GREY, BLUE)])
    return tuple(np.array([np.interp(share, (0, 0.5, 1), channel) for channel in ends.T]))


# ---- the staircase ---------------------------------------------------------------------------------------------------
def staircase():
    """EM for one mean of two, all else held: the log-likelihood, and the bound of every step."""
    x = np.array([-2.5, -2, -1.6, -1.1, 1.4, 1.8, 2.3, 2.7])[:, None]
    s = Sample(guessed, dict(N=8, K=2, D=1, x=x, pi_=np.array([0.5, 0.5]), mu=np.array([[-1.8], [0.]]),
                             A=np.zeros((2, 1, 1)), eps=np.array(1.)))
    at    = lambda m: s.put(mu=np.array([[-1.8], [m]]))
    m     = np.linspace(-3.4, 3.4, 171)
    total = np.array([float(likelihood.value(at(a))[0]) for a in m])
    way, bounds, low, high = [-3.], [], [], []
    for _ in range(4):
        r = e_step.value(at(way[-1]))[0]
        bounds.append([float(lower_bound.value(at(a).put(r=r))[0]) for a in m])
        way.append(float(means.value(at(way[-1]).put(r=r))[0][1, 0]))
        for a in way[-2:]:
            low.append(float(lower_bound.value(at(a).put(r=r))[0]))
            high.append(float(likelihood.value(at(a))[0]))
    return dict(m=m, total=total, way=np.array(way), bounds=np.array(bounds), low=np.array(low),
                high=np.array(high), gained=low[1] - low[0], opened=high[1] - low[1])


def draw_staircase(figure, m, total, way, bounds, low, high, **_):
    curve, steps = figure.subplots(1, 2, sharey=True, width_ratios=(1.25, 1))
    floor = min(low) - 6
    bars(steps, range(len(low)), low, high, floor, 0.8)
    curve.plot(m, total, color=BLUE, linewidth=2.5)
    for a, b, F in zip(way, way[1:], bounds):
        inside = F > floor
        curve.plot(m[inside], F[inside], color=ORANGE, linewidth=1.3)
        curve.plot(a, np.interp(a, m, total), "o", color=INK, markersize=4)
        curve.plot((b, b), (F.max(), np.interp(b, m, total)), color=GREY, linewidth=4, alpha=0.6,
                   solid_capstyle="butt")
    curve.set(xlabel="the mean that moves", ylabel="nats", xticks=(-2, 0, 2))
    curve.text(0, np.interp(0.3, m, total) + 1, "log p", color=BLUE, ha="right")
    curve.text(2.5, bounds[1].max(), "bounds", color=ORANGE, ha="center")
    steps.set_xticks(range(len(low)), ["E", "M"] * (len(low) // 2))
    steps.set_xlim(-0.6, len(low) - 0.4)
    steps.tick_params(length=0, left=False)
    steps.spines[["left", "bottom"]].set_visible(False)


# ---- a collapse ------------------------------------------------------------------------------------------------------
FLOOR = 0.04


def collapse():
    """EM on nine points of the line from a narrow component near one of them, without a least variance and with it."""
    x = np.array([-2.2, -1.5, -1.1, -0.6, -0.1, 0.3, 0.8, 1.4, 2.6])[:, None]
    grid, found = np.sort(np.concatenate([np.linspace(-3, 3.2, 200), np.linspace(2.4, 2.8, 121)])), {}
    for name, floor in (("free", 0.0), ("held", FLOOR)):
        model = np.log([0.2, 0.8]), np.array([[2.4], [0.]]), np.array([[[0.25]], [[1.5]]])
        s, total, curves = [], [], []
        while len(s) < 9 and model[2].min() > 1e-12:
            after, log_lik = gmm.em_step(x, *model, floor=floor)
            s.append(math.sqrt(model[2][0, 0, 0]))
            total.append(float(log_lik))
            curves.append(np.exp(gmm.responsibilities(grid[:, None], *model)[1]))
            model = after
        found |= {f"{name}_width": np.array(s), f"{name}_total": np.array(total), f"{name}_curves": curves[:4],
                  f"{name}_end": total[-1], f"{name}_next": model}
    return dict(x=x[:, 0], grid=grid, steps=len(found["free_width"]), **found)


def draw_collapse(figure, x, free_width, held_width, free_curves, held_curves, grid, **_):
    both = figure.subplots(1, 2, sharey=True)
    for axes, name, width, curves in zip(both, ("nothing holds it", "a least width of 0.2"), (free_width, held_width),
                                         (free_curves, held_curves)):
        for alpha, y in zip(np.linspace(0.35, 1, len(curves)), curves):
            axes.plot(grid, y, color=ORANGE, alpha=alpha, linewidth=1.8)
        axes.plot(x, 0 * x - 0.06, "o", color=BLUE, markersize=4)
        axes.set_title(name, fontsize=9)
        axes.set(xlabel="x", xticks=(-2, 0, 2), yticks=[], ylim=(-0.13, 1.5))
        axes.text(2.2, 1.3, "width " + ", ".join(f"{w:.2f}" for w in width[:len(curves)]), ha="right")
        axes.spines["left"].set_visible(False)
    both[0].set_ylabel("p(x)")


PICTURES = [
    Picture("colours", "Whose point is it?",
            "Each point has the colour of the component that it most likely comes from, grey where that is open; "
            "rings are at two standard deviations. Guess whose each point is, fit both components, guess again: at "
            "the start {unsure} of 120 points are open (between 10 % and 90 %), at the end {unsure_end}, and the "
            "log-likelihood has risen from {start:.1f} to {end:.1f} nats.",
            colours, draw_colours, size=(5.2, 3.5)),
    Picture("staircase", "A bound, touched and climbed",
            "The bar log p = bound + KL, and now log p moves too. E: the bound (orange) is made to touch log p "
            "(blue) where we stand. M: its highest point is taken; log p rises more, and a KL opens (grey). In the "
            "first step the bound gains {gained:.2f} nats and {opened:.2f} come on top.",
            staircase, draw_staircase, beside="The bound, climbed by turns", size=(5.2, 2.8)),
    Picture("collapse", "One component falls on a point",
            "Nine points (blue) and two components (orange, paler where earlier). The narrow one settles on the last "
            "point. Left, its width falls from step to step; after {steps} it is 0, where the likelihood is "
            "infinite, and the fit worthless. Right, the M step may not go below a width of 0.2, and the "
            "log-likelihood ends at {held_end:.2f} nats.",
            collapse, draw_collapse, beside="The M step that runs", size=(5.2, 2.6)),
]
