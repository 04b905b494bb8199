"""Pictures of the foundations."""
from fractions import Fraction

import numpy as np

from derivations.book.pictures import Picture
from derivations.engine.worlds import Sample
from derivations.foundations import bayes, joint, marginal, table
from scratch.runs.figures import BLUE, GREY, INK

SEEN = 1                                        # the row that is looked at


def numbers():
    n = np.array([[1., 0, 1, 3], [1, 2, 4, 1], [4, 2, 1, 0]])
    s = Sample(table, dict(X=3, Z=4, n=n))
    p_x, p_z_x = marginal.value(s)[0], bayes.value(s)[0]
    return dict(p_xz=joint.value(s)[0], p_x=p_x, p_z=s["p_z"], posterior=p_z_x[SEEN], evidence=p_x[SEEN],
                likely=p_z_x[SEEN].max())


def draw(figure, p_xz, p_x, p_z, posterior, **_):
    figure.set_layout_engine("none")
    X, Z  = p_xz.shape
    main  = figure.add_axes((0.08, 0.18, 0.40, 0.58), xlim=(-0.5, Z - 0.5), ylim=(X - 0.5, -0.5), xlabel="z",
                            ylabel="x")
    top   = figure.add_axes((0.08, 0.78, 0.40, 0.14), xlim=main.get_xlim(), ylim=(0, 0.3))
    right = figure.add_axes((0.49, 0.18, 0.11, 0.58), ylim=main.get_ylim(), xlim=(0, 0.4))
    given = figure.add_axes((0.68, 0.18, 0.31, 0.58), xlim=main.get_xlim(), ylim=(0, 0.6), xlabel="z")
    for (x, z), p in np.ndenumerate(p_xz):
        side = 0.9 * (p / p_xz.max())**0.5
        main.add_patch(_box((z - side / 2, x - side / 2), side, side, color=BLUE, linewidth=0))
    main.add_patch(_box((-0.48, SEEN - 0.5), Z - 0.04, 1, fill=False, edgecolor=INK, linewidth=1.5))
    top.bar(range(Z), p_z, 0.6, color=BLUE)
    right.barh(range(X), p_x, 0.6, color=BLUE)
    given.bar(range(Z), posterior, 0.6, color=BLUE)
    for z, p in enumerate(posterior):
        given.annotate(str(Fraction(p).limit_denominator(20)), (z, p), (0, 2), textcoords="offset points", ha="center")
    main.text(Z / 2 - 0.5, -1.55, "p(z)", ha="center")
    right.text(0, -0.55, "p(x)")
    given.text(Z / 2 - 0.5, 0.66, f"p(z | x = {SEEN})", ha="center")
    main.set(xticks=range(Z), yticks=range(X))
    given.set(xticks=range(Z), yticks=[])
    for axes in (main, given):
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        axes.spines["bottom"].set_color(GREY)
    for axes in (top, right):
        axes.axis("off")


def _box(*where, **how):
    from matplotlib.patches import Rectangle
    return Rectangle(*where, **how)


PICTURES = [
    Picture("table", "One table, and what it says",
            "The area of a square is the chance p(x, z). Bars on the right: its sum along a row, p(x). On top: "
            f"its sum down a column, p(z). Who sees x = {SEEN} keeps the framed row. Its sum is {{evidence:.2f}}; "
            "divided by it the row is a law again, with {likely:.2f} at its highest.",
            numbers, draw, size=(5.2, 2.7)),
]
