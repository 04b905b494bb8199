"""The picture of the slips' page, and of the README: a formula in print goes below what it can be worth."""
import math

import numpy as np

from derivations import gan, slips
from derivations.book.pictures import RED, Picture
from derivations.engine.worlds import Sample
from scratch.runs.figures import BLUE, GREY, INK, ORANGE


def values(**letters):
    """The game at the best discriminator in a world, right and as printed, in nats."""
    world = Sample(gan.two_laws, letters)
    return float(gan.at_best.value(world)[0]), float(slips.data_above.value(world)[0])


def two_points():
    n, n_G = np.array([1.0, 1]), np.array([1.0, 2])                             # the smallest counterexample
    right, printed = values(n=n, n_G=n_G)
    share  = np.linspace(0.2, 0.8, 61)                                         # of the samples, on the second point
    curves = np.array([values(n=n, p_G=np.array([1 - s, s])) for s in share])
    return dict(p=n / sum(n), p_G=n_G / sum(n_G), right=right, printed=printed, floor=-math.log(4), share=share,
                right_curve=curves[:, 0], printed_curve=curves[:, 1])


def draw_two_points(figure, p, p_G, right, printed, floor, share, right_curve, printed_curve):
    world, game = figure.subplots(1, 2, width_ratios=(1, 2.2))
    for x, law, colour, counts in ((0, p, BLUE, "11"), (0.42, p_G, ORANGE, "12")):
        world.bar(np.arange(2) * 1.15 + x, law, width=0.38, color=colour)
        for i in range(2):
            world.text(i * 1.15 + x, law[i] + 0.015, counts[i] + "/" + str(round(int(counts[i]) / law[i])),
                       ha="center", color=colour)
    world.text(-0.2, 0.80, "data", color=BLUE, weight="bold")
    world.text(-0.2, 0.73, "generator", color=ORANGE, weight="bold")
    world.set(xticks=[0.21, 1.36], xticklabels=["point 1", "point 2"], yticks=[], ylim=(0, 0.86))
    world.tick_params(length=0)
    world.spines["left"].set_visible(False)

    game.axhspan(-1.5, floor, color=RED, alpha=0.13, linewidth=0)
    game.axhline(floor, color=INK, linewidth=1)
    game.plot([p_G[1]] * 2, [printed, right], color=GREY, linewidth=1, linestyle=":")
    game.plot(share, right_curve, color=BLUE, linewidth=2.4)
    game.plot(share, printed_curve, color=RED, linewidth=2.4, linestyle=(0, (4, 1.5)))
    game.plot(p_G[1], right, "o", color=BLUE, markersize=8)
    game.plot(p_G[1], printed, "X", color=RED, markersize=10)
    for y, x, colour, place in ((right, 0.69, BLUE, "top"), (printed, 0.69, RED, "bottom")):
        game.text(x, y, f"{y:.3f}".replace("-", "−"), color=colour, weight="bold", va=place)
    game.text(0.5, -1.31, "the right line", color=BLUE, ha="center")
    game.text(0.5, -1.43, "as printed", color=RED, ha="center")
    game.text(0.5, -1.493, "no game is worth so little", color=RED, ha="center")
    game.text(0.195, floor + 0.004, "−log 4", color=INK)
    game.set(xlim=(0.19, 0.81), ylim=(-1.5, -1.28), xticks=[1 / 3, 0.5, 2 / 3], xticklabels=["1/3", "1/2", "2/3"],
             yticks=[-1.5, -1.4, -1.3], yticklabels=["−1.5", "−1.4", "−1.3"],
             xlabel="share of the samples on point 2", ylabel="game at the best D, nats")


PICTURES = [Picture(
    "two-points", "A slip and its smallest counterexample",
    "Data fall on two points as 1 : 1, a generator hits them as 1 : 2. At the best discriminator the game is worth "
    "{right:.3f} nats. The formula as it was printed says {printed:.3f}, less than −log 4 = {floor:.3f}, which no "
    "game can be: it goes under as soon as the generator leaves the data.",
    two_points, draw_two_points, size=(5, 2.6))]
