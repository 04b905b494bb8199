"""Pictures of the game: three stages of it, what pulls a fake, and how many modes are found."""
import numpy as np
from scipy.optimize import linprog

from derivations import gan
from derivations.book.pictures import Picture
from derivations.engine.relations import quiet
from derivations.engine.worlds import Sample
from scratch import autodiff, gans
from scratch.data import TOYS
from scratch.runs.figures import BLUE, GREY, INK, ORANGE


# ---- three stages ----------------------------------------------------------------------------------------------------
def bell(x, *components):
    """A law on the points x: normal components (weight, mean, deviation), summing to 1."""
    p = sum(w * np.exp(-(x - m)**2 / (2 * s**2)) / s for w, m, s in components)
    return p / p.sum()


def three_stages():
    x = np.linspace(-4, 4, 161)
    p = bell(x, (0.5, -1, 0.6), (0.5, 1.4, 0.5))
    stages = bell(x, (1, -2.9, 0.5)), bell(x, (0.75, -1.4, 0.7), (0.25, 1, 0.7)), p
    worlds = [Sample(gan.two_laws, dict(p=p, p_G=p_G)) for p_G in stages]
    return dict(x=x, p=p, p_G=np.stack(stages), D=np.stack([gan.best.value(w)[0] for w in worlds]),
                V=[float(gan.two_js.value(w)[0]) for w in worlds])


def draw_three_stages(figure, x, p, p_G, D, V):
    for i, (says, laws) in enumerate(zip(*figure.subplots(2, 3, sharex=True, height_ratios=(1, 1.1)))):
        says.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
        says.plot(x, D[i], color=INK, linewidth=1.8)
        says.set(ylim=(-0.04, 1.04), yticks=[0, 0.5, 1], yticklabels=["0", "½", "1"] if i == 0 else [],
                 title=f"game: {V[i]:.2f}".replace("-", "−"))
        for law, colour in ((p, BLUE), (p_G[i], ORANGE)):
            laws.fill_between(x, law, color=colour, alpha=0.25, linewidth=0)
            laws.plot(x, law, color=colour, linewidth=1.8, linestyle=(0, (3, 2)) if i == 2 and law is not p else "-")
        laws.set(ylim=(0, 0.043), yticks=[], xticks=[])
        laws.spines["left"].set_visible(False)
        if i == 0:
            says.text(4, 0.9, "D*", color=INK, va="top", ha="right")
            laws.text(-2.4, 0.036, "generator", color=ORANGE)
            laws.text(1.4, 0.026, "data", color=BLUE, ha="center")


# ---- what pulls a fake -----------------------------------------------------------------------------------------------
def two_pulls():
    a      = np.linspace(-6, 6, 121)
    worlds = [Sample(gan.one_fake, dict(a=v)) for v in a]
    return dict(a=a, saturating=np.array([float(-gan.saturated_slope.value(w)[0]) for w in worlds]),
                nonsaturating=np.array([float(-gan.strong_slope.value(w)[0]) for w in worlds]),
                worst=-float(autodiff.grad(gans.OBJECTIVES["minimax"].generator)(np.array(-6.0))))


def draw_two_pulls(figure, a, saturating, nonsaturating, worst):
    axes = figure.add_subplot()
    axes.axvspan(-6, -2, color=GREY, alpha=0.15, linewidth=0)
    axes.plot(a, nonsaturating, color=ORANGE, linewidth=2.4)
    axes.plot(a, saturating, color=INK, linewidth=2.4, linestyle=(0, (4, 1.5)))
    axes.text(-1.7, 0.95, "of −log D", color=ORANGE)
    axes.text(2.6, 0.82, "of log(1 − D)", color=INK)
    axes.text(-5.9, 0.5, "fakes that D\nsees through", color=INK, va="center")
    axes.set(xlim=(-6, 6), ylim=(-0.03, 1.06), yticks=[0, 0.5, 1], yticklabels=["0", "½", "1"],
             xticks=[-6, -3, 0, 3, 6], xticklabels=["−6", "−3", "0", "3", "6"],
             xlabel="logit of D for this fake", ylabel="pull on the logit")


# ---- eight modes -----------------------------------------------------------------------------------------------------
def transport(x, p, q):
    """W1 of two laws on points x [n, 2] of the plane: the cheapest plan, by linear programming."""
    n    = len(x)
    cost = np.sqrt(((x[:, None] - x)**2).sum(-1))
    plan = np.concatenate([np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))])
    return linprog(cost.ravel(), A_eq=plan, b_eq=np.concatenate([p, q])).fun


def eight_modes():
    """A generator that draws k of the ring's modes equally often: in a row, or spread out. The modes, 30 deviations
    apart, are points here."""
    modes  = np.asarray(TOYS["ring"].centres("float64")[0])
    spread = [0, 4, 2, 6, 1, 5, 3, 7]
    p      = np.full(8, 1 / 8)
    q      = np.array([[[i in found[:k] for i in range(8)] for k in range(1, 9)] for found in (range(8), spread)])
    q      = q / q.sum(-1, keepdims=True)                                       # [2, k, 8]
    with quiet():
        V  = [[float(gan.two_js.value(Sample(gan.two_laws, dict(p=p, p_G=law)))[0]) for law in row] for row in q]
    return dict(modes=modes, q=q, game=np.array(V),
                w1=np.array([[transport(modes, p, law) for law in row] for row in q]))


def draw_eight_modes(figure, modes, q, game, w1):
    rings, js, way = figure.subplots(1, 3, width_ratios=(0.85, 1, 1))
    for row, (y, colour) in enumerate(((0, ORANGE), (-6.4, INK))):
        found = q[row, 3] > 0
        rings.scatter(*(modes[~found] + (0, y)).T, s=30, facecolors="none", edgecolors=BLUE, linewidths=1.2)
        rings.scatter(*(modes[found] + (0, y)).T, s=36, color=colour)
        rings.text(0, y, ("in a row", "spread")[row], color=colour, ha="center", va="center")
    rings.set(xlim=(-2.5, 2.5), ylim=(-8.8, 2.4), aspect="equal")
    rings.axis("off")
    k = np.arange(1, 9)
    js.plot(k, game[0], color=ORANGE, linewidth=4.5, alpha=0.6)
    js.plot(k, game[1], color=INK, linewidth=1.5)
    js.set(ylabel="the game, in nats", xlabel="modes found", xticks=[1, 4, 8])
    way.plot(k, w1[0], "o-", color=ORANGE, linewidth=2, markersize=4)
    way.plot(k, w1[1], "o-", color=INK, linewidth=2, markersize=4)
    way.set(ylabel="W₁, way to go", xlabel="modes found", xticks=[1, 4, 8], ylim=(-0.1, None))


PICTURES = [
    Picture("stages", "Three stages of a game",
            "Below, the data and what a generator makes; above, what the best discriminator says: 1 where it sees "
            "data only, ½ where both are as likely. Far off the game is worth {V[0]:.2f} nats, halfway {V[1]:.2f}, "
            "and {V[2]:.2f} = −log 4 where nothing is left to be told apart.",
            three_stages, draw_three_stages, size=(5, 2.6)),
    Picture("pulls", "What pulls a fake",
            "How strongly either loss of the generator pulls at one fake. Where the discriminator sees through it, at "
            "a logit of −6, log(1 − D) pulls with {worst:.4f} and −log D with nearly 1: the first forgets the fakes "
            "that need it most.",
            two_pulls, draw_two_pulls, "How strongly a fake is pulled", size=(5, 2.5)),
    Picture("modes", "How many of eight modes",
            "The data lie on a ring in eight clumps, or modes. A generator draws some of them perfectly and leaves the "
            "others out. The game counts how many, and cannot tell neighbours from modes that are spread. The "
            "Wasserstein distance can: for four modes {w1[0][3]:.2f} against {w1[1][3]:.2f}.",
            eight_modes, draw_eight_modes, "How far the mass has to go", size=(5.4, 2.4)),
]
