"""Pictures of the page about energies: a walk in a landscape, the width that it settles at, a ladder to log Z."""
import functools

import numpy as np

from backends.random import Stream
from derivations import energies
from derivations.book.pictures import RED, Picture
from derivations.engine.worlds import Sample
from scratch.energies import boltzmann, langevin
from scratch.runs.figures import BLUE, GREY, INK, ORANGE


# ---- a landscape -----------------------------------------------------------------------------------------------------
H, STEPS, START = 0.01, 500, np.array([-1.0, 0.9])


def energy(x):
    """Two valleys along x, one along y: [..., 2] -> [...]."""
    return 2 * (x[..., 0]**2 - 1)**2 + 0.4 * x[..., 0] + 2 * x[..., 1]**2


def score(x):
    """Minus its slope."""
    return -np.stack([8 * x[..., 0] * (x[..., 0]**2 - 1) + 0.4, 4 * x[..., 1]], -1)


def crossing(ridge):
    """The chance that a walk passes the ridge at least once: x moves by itself, so a grid of x is enough."""
    dx   = (ridge + 3) / 600
    x    = -3 + dx * (np.arange(600) + 1 / 2)
    mean = (x + H * score(np.stack([x, 0 * x], -1))[:, 0])[:, None]
    step = np.exp(-(x - mean)**2 / (4 * H)) / np.sqrt(4 * np.pi * H) * dx
    start = START[0] + H * score(START)[0]
    law   = np.exp(-(x - start)**2 / (4 * H)) / np.sqrt(4 * np.pi * H) * dx
    for _ in range(STEPS - 1):
        law = law @ step
    return 1 - law.sum()


def landscape():
    """e^-E / Z on a grid, and a Langevin walk from a fixed stream. Where the ridge is: at the energy's top between."""
    x, y  = np.linspace(-2.4, 2.4, 241), np.linspace(-3, 3, 151)
    E     = energy(np.stack(np.meshgrid(x, y), -1))                                     # [Y, X]
    Z     = np.exp(-E).sum() * (x[1] - x[0]) * (y[1] - y[0])
    noise = Stream.seed(0)("walk").normal((STEPS, 2), dtype="float64")
    walk  = [START]
    for xi in noise:
        walk.append(langevin.ula_step(walk[-1], score, H, xi))
    walk  = np.array(walk)
    ridge = float(np.sort(np.roots([8, 0, -8, 0.4]))[1])
    return dict(x=x, y=y, E=E, density=np.exp(-E) / Z, walk=walk, ridge=ridge, steps=STEPS,
                left=float((np.exp(-E) / np.exp(-E).sum())[:, x < ridge].sum()),
                spent=float((walk[:, 0] < ridge).mean()), crosses=float(crossing(ridge)))


def draw_landscape(figure, x, y, E, density, walk, **_):
    from matplotlib.colors import to_rgb
    axes  = figure.add_subplot()
    seen  = np.ix_(abs(y) < 1.6, abs(x) < 2)
    shown = (density / density.max())[seen]
    x, y, E = x[abs(x) < 2], y[abs(y) < 1.6], E[seen]
    image = np.concatenate([0 * shown[..., None] + to_rgb(BLUE), shown[..., None]**0.8 * 0.75], 2)
    axes.imshow(image, extent=(x[0], x[-1], y[0], y[-1]), aspect="auto", origin="lower", interpolation="none")
    axes.contour(x[::4], y[::2], E[::2, ::4], levels=np.arange(-0.2, 9, 0.8), colors=[GREY], linewidths=0.7, alpha=0.7)
    axes.plot(*walk.T, color=ORANGE, linewidth=0.8, alpha=0.75)
    axes.plot(*walk[0], "o", color=ORANGE, markersize=7)
    axes.annotate("start", walk[0], (-8, 4), textcoords="offset points", color=INK, ha="right")
    axes.set(xlim=(-1.9, 1.9), ylim=(-1.5, 1.5), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


# ---- the variance of the walk ----------------------------------------------------------------------------------------
def widths():
    """The variance that a walk ends with, for a law of variance 1, as the page's lines say it."""
    h = np.linspace(0.01, 1, 100)
    right, wrong = (np.array([float(line.value(Sample(energies.on_the_line, dict(h=one, s2=np.array(1.))))[0])
                              for one in h]) for line in (energies.stationary, energies.wrong_stationary))
    return dict(h=h, right=right, wrong=wrong, at=float(h[9]), small=float(right[9]), lost=float(wrong[9]))


def draw_widths(figure, h, right, wrong, **_):
    axes = figure.add_subplot(xlim=(0, 1), ylim=(0, 2.1), xlabel="h, the size of a step",
                              ylabel="variance in the end")
    axes.axhline(1, color=BLUE, linewidth=2)
    axes.plot(h, right, color=ORANGE, linewidth=2.5)
    axes.plot(h, wrong, color=RED, linewidth=2.5, linestyle=(0, (4, 1.5)))
    axes.text(0.02, 0.94, "the law's own", color=BLUE, va="top")
    axes.text(0.55, 1.55, "noise √(2h) ξ", color=ORANGE, ha="right")
    axes.text(0.5, 0.42, "noise h ξ", color=RED, ha="right")
    axes.set(xticks=[0, 0.5, 1], xticklabels=["0", "½", "1"], yticks=[0, 1, 2])


# ---- a ladder to log Z -----------------------------------------------------------------------------------------------
W = np.array([[5.0, -4.0, 2.0], [5.0, 3.0, -3.0], [-3.0, 5.0, 4.0], [-4.0, -2.0, 5.0]])
B, C = np.array([-2.0, 1.0, -1.0, 2.0]), np.array([-2.0, 0.0, -3.0])
WALKS = 100


@functools.cache
def rung(beta):
    """(free energies [V], the round that keeps their law [V, V]) of a restricted machine at a temperature."""
    s = Sample(energies.layers, dict(I=4, J=3, W=beta * W, b=beta * B, c=beta * C))
    return boltzmann.free_energy(s["v"], s["W"], s["b"], s["c"]), s["step"]


def rungs():
    """The mean of log w, and what the mean of 100 weights may be off, for K rungs: sums over states, rung by rung."""
    K = np.unique(np.geomspace(1, 500, 17).astype(int))
    mean_log, error = [], []
    for k in K:
        betas = np.arange(k + 1) / k
        law   = square = np.full(16, 1 / 16)                                            # fair coins
        total = 0.0
        for before, beta in zip(betas, betas[1:]):
            (F_0, _), (F, step) = rung(before), rung(beta)
            total  = total + law @ (F_0 - F)
            square = square * np.exp(2 * (F_0 - F)) @ step
            law    = law @ step
        mean_log.append(total)
        error.append(square.sum())                                                      # E w^2
    log_z_0, log_z = 7 * np.log(2), float(boltzmann.log_z(W, B, C))
    spread = np.sqrt(np.array(error) / np.exp(2 * (log_z - log_z_0)) - 1)               # of w, over its mean
    return dict(K=K, log_z=log_z, mean_log=log_z_0 + np.array(mean_log), error=spread / np.sqrt(WALKS), walks=WALKS,
                first=float(log_z_0 + mean_log[0]), last=int(K[-1]), off=float(spread[-1] / np.sqrt(WALKS)))


def draw_rungs(figure, K, log_z, mean_log, error, **_):
    axes = figure.add_subplot(xscale="log", xlim=(1, K[-1]), xlabel="rungs of the ladder", ylabel="nats")
    axes.fill_between(K, log_z - error, log_z + error, color=ORANGE, alpha=0.3, linewidth=0)
    axes.axhline(log_z, color=BLUE, linewidth=2)
    axes.plot(K, mean_log, color=ORANGE, linewidth=2.5)
    axes.text(K[-1] * 0.95, log_z + 0.15, "log Z", color=BLUE, ha="right")
    axes.text(4, mean_log[2] - 0.9, "mean of log w", color=ORANGE)
    axes.text(3, log_z + 0.45, "the error of 100 walks", color=ORANGE)
    axes.set(ylim=(mean_log[0] - 0.2, log_z + 1.1))
    axes.set_xticks((1, 10, 100), ("1", "10", "100"))
    axes.minorticks_off()


PICTURES = [
    Picture("landscape", "A walk over an energy",
            "Lines of equal energy, and the law that the energy makes, dark where a state is probable. A walk goes "
            "downhill and is shaken: after {steps} steps it has spent {spent:.2f} of its time in the left valley, "
            "where the law has {left:.2f} of its mass. It need not have crossed at all: the chance that it does is "
            "{crosses:.2f}.",
            landscape, draw_landscape, size=(5.2, 2.8)),
    Picture("widths", "How hard to shake",
            "A law of variance 1, and the variance that Langevin's walk ends with. At h = {at:.1f} it is {small:.3f}; "
            "with noise of the wrong size {lost:.3f} is all that is left.",
            widths, draw_widths, beside="energies.stationary_end", size=(5, 2.4)),
    Picture("rungs", "Up a ladder to log Z",
            "A machine of four visible and three hidden bits, and walks from fair coins, all of them weighed exactly. "
            "In one leap the mean of log w leads to {first:.2f}, below log Z = {log_z:.2f}; rungs close the gap. So "
            "they do to the error of {walks} walks: {off:.3f} nats with {last} rungs.",
            rungs, draw_rungs, "A ladder to log Z", size=(5, 2.5)),
]
