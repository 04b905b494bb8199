"""Pictures of the exact road: a joint table grows from its conditionals, masks make a triangle, a masked kernel has a
blind spot, and a pattern appears pixel by pixel."""
import math

import numpy as np

from derivations import autoregressive
from derivations.book.pictures import RED, Picture
from derivations.engine.worlds import Sample
from scratch.autoregressive import pixels
from scratch.data.toys import TOYS
from scratch.nets.masked import degrees, mask
from scratch.runs.figures import BLUE, GREY, INK, ORANGE


def cells(axes, values, colour, edge=GREY):
    """Numbers [h, w] from 0 to 1 as squares, a larger one denser, with thin lines between them."""
    from matplotlib.colors import to_rgb
    h, w  = values.shape
    alpha = np.asarray(values)[..., None] * 0.9
    axes.imshow(np.concatenate([0 * alpha + to_rgb(colour), alpha], 2), extent=(0, w, h, 0), interpolation="none")
    axes.hlines(np.arange(h + 1), 0, w, color=edge, linewidth=0.4, alpha=0.7)
    axes.vlines(np.arange(w + 1), 0, h, color=edge, linewidth=0.4, alpha=0.7)
    axes.set(xlim=(-0.05, w + 0.05), ylim=(h + 0.05, -0.05), aspect="equal")
    axes.axis("off")


# ---- a table grows ---------------------------------------------------------------------------------------------------


def growing():
    """Three variables of two values each. A cell's area is its mass: [x1, x2, x3] -> left, bottom, width, height."""
    world = Sample(autoregressive.three, dict(X=2, Y=2, Z=2, n=np.array([[[8, 5], [2, 3]], [[2, 3], [5, 4]]]) * 1.0))
    p_1, p_2, p_3 = (np.asarray(world[name]) for name in ("p_1", "p_2_1", "p_3_12"))
    boxes = {}
    for i in range(2):
        left, width = p_1[:i].sum(), p_1[i]
        boxes[(i,)] = (left, 0.0, width, 1.0)
        for j in range(2):
            bottom, height = p_2[i, :j].sum(), p_2[i, j]
            boxes[(i, j)] = (left, bottom, width, height)
            for k in range(2):
                boxes[(i, j, k)] = (left + width * p_3[i, j, :k].sum(), bottom, width * p_3[i, j, k], height)
    return dict(p=np.asarray(world["p"]), p_1=p_1, p_2=p_2, p_3=p_3,
                boxes={at: tuple(map(float, box)) for at, box in boxes.items()})


def draw_growing(figure, p, p_1, p_2, p_3, boxes):
    titles = "p(x₁)", "· p(x₂ | x₁)", "· p(x₃ | x₁, x₂)"
    for depth, (axes, title) in enumerate(zip(figure.subplots(1, 3), titles), 1):
        for at, (left, bottom, width, height) in boxes.items():
            if len(at) == depth:
                gap = 0.012
                axes.fill_between([left + gap, left + width - gap], bottom + gap, bottom + height - gap, color=BLUE,
                                  alpha=(0.75, 0.25)[at[-1]], linewidth=0)
                if width > 0.14:
                    axes.text(left + width / 2, bottom + height / 2, "".join(map(str, at)), color=INK, ha="center",
                              va="center")
        axes.set_title(title, fontsize=9)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.axis("off")


# ---- masks make a triangle -------------------------------------------------------------------------------------------
def triangle():
    """How many ways lead from each input to each output of a masked network, [to, from], columns as they stand and as
    they are drawn."""
    order, hidden = np.array([2, 6, 0, 4, 7, 3, 1, 5]), (10, 10)
    m, m_1, m_2   = degrees(order, hidden)
    ways = (1 * mask(m, m_1) @ (1 * mask(m_1, m_2)) @ (1 * mask(m_2, m, strict=True)) + mask(m, m, strict=True)).T
    sorted_ = ways[order][:, order]
    return dict(order=order, ways=ways, sorted=sorted_, zeros=int((ways == 0).sum()), some=int((ways > 0).sum()),
                least=int(ways[ways > 0].min()), most=int(ways.max()))


def draw_triangle(figure, order, ways, sorted, zeros, some, least, most):
    for axes, table, names, title in zip(figure.subplots(1, 2), (ways, sorted), (range(len(order)), order),
                                         ("as the columns stand", "as they are drawn")):
        cells(axes, np.where(table > 0, 0.25 + 0.75 * table / most, 0), ORANGE)
        for i, name in enumerate(names):
            axes.text(i + 0.5, -0.15, str(name + 1), color=INK, ha="center", va="bottom")
            axes.text(-0.2, i + 0.5, str(name + 1), color=INK, ha="right", va="center")
        axes.set_title(title, fontsize=9, pad=16)
        axes.text(len(order) / 2, len(order) + 0.3, "input x", color=GREY, ha="center", va="top")
        axes.text(-1.3, len(order) / 2, "output y", color=GREY, ha="center", va="center", rotation=90)


# ---- the blind spot --------------------------------------------------------------------------------------------------
SIDE, PIXEL = 9, (5, 3)


def blind():
    """What one pixel of an image may see and what it never sees, [h, w], of a stack of masked kernels and of two."""
    at    = PIXEL[0] * SIDE + PIXEL[1]
    spots = [np.reshape(pixels.unseen((SIDE, SIDE), (3, 3), 2 * SIDE, sight)[at], (SIDE, SIDE))
             for sight in (pixels.masked_sight, pixels.gated_sight)]
    past  = np.reshape(np.arange(SIDE**2) < at, (SIDE, SIDE))
    return dict(past=past, spots=spots, earlier=at, missed=int(spots[0].sum()), missed_by_two=int(spots[1].sum()))


def draw_blind(figure, past, spots, earlier, missed, missed_by_two):
    titles = f"masked kernels: {missed} never seen", f"two stacks: {missed_by_two}"
    for axes, spot, title in zip(figure.subplots(1, 2), spots, titles):
        cells(axes, 0.75 * (past & ~spot), BLUE)
        for y, x in np.argwhere(spot):
            axes.plot([x + 0.25, x + 0.75], [y + 0.25, y + 0.75], color=RED, linewidth=1.6)
            axes.plot([x + 0.25, x + 0.75], [y + 0.75, y + 0.25], color=RED, linewidth=1.6)
        axes.fill_between([PIXEL[1], PIXEL[1] + 1], PIXEL[0], PIXEL[0] + 1, color=ORANGE, linewidth=0)
        axes.set_title(title, fontsize=9)


# ---- pixel by pixel --------------------------------------------------------------------------------------------------
DRAWN = np.array([1, 1, 1, 0, 0, 0, 1, 1, 1])


def appearing():
    """A pattern of the fourteen that are equally likely, drawn in raster order. Before each pixel: how many patterns
    are `left`, the chances [10, 9] of ones among them, the entropy of the pixel that is next; and how surprising it
    then was, in nats."""
    support   = np.asarray(TOYS["bars"].support(), float)
    fits      = [support[(support[:, :d] == DRAWN[:d]).all(1)] for d in range(10)]
    left      = np.array([len(some) for some in fits])
    chances   = np.stack([some.mean(0) for some in fits])
    p         = chances[np.arange(9), np.arange(9)]
    entropies = -sum(np.where(q > 0, q * np.log(np.where(q > 0, q, 1)), 0) for q in (p, 1 - p))
    surprises = np.log(left[:-1] / left[1:])
    return dict(left=left, chances=chances, entropies=entropies, surprises=surprises, total=float(surprises.sum()),
                whole=math.log(14), patterns=int(left[0]), silent=int((entropies == 0).sum()))


def draw_appearing(figure, left, chances, entropies, surprises, total, whole, patterns, silent):
    grid = figure.add_gridspec(2, 10, height_ratios=(1, 1.7), hspace=0.1, wspace=0.25)
    for d in range(10):
        axes = figure.add_subplot(grid[0, d])
        cells(axes, chances[d].reshape(3, 3), BLUE)
        if d < 9:
            y, x = divmod(d, 3)
            axes.plot([x, x + 1, x + 1, x, x], [y, y, y + 1, y + 1, y], color=ORANGE, linewidth=1.6)
        axes.set_title(str(left[d]), fontsize=9, pad=3)
    axes, d = figure.add_subplot(grid[1, :]), np.arange(9)
    axes.bar(d - 0.2, entropies, 0.36, color=ORANGE)
    axes.bar(d + 0.2, surprises, 0.36, color=BLUE)
    axes.text(3.4, 1.1, "entropy: the surprise to expect", color=ORANGE, va="center")
    axes.text(3.4, 0.88, "surprise at what came", color=BLUE, va="center")
    axes.set(xlim=(-0.4, 9.4), xticks=d, xticklabels=d + 1, xlabel="pixel", ylabel="nats", yticks=(0, 0.5, 1))
    axes.set_ylim(0, 1.25)
    axes.spines[["top", "right"]].set_visible(False)


PICTURES = [Picture(
    "growing", "A table grows from its conditionals",
    "All mass is one square. The first variable cuts it, at {p_1[0]:.2f}; then the second cuts each part where the "
    "first one tells it to, and the third cuts each of those. What comes out are eight cells, and each has the area "
    "of its probability: 000 has {p[0][0][0]:.2f}.",
    growing, draw_growing, size=(5.2, 2.1)), Picture(
    "triangle", "Masks make a triangle, in any order",
    "A masked network of eight columns and two hidden layers: the denser a square, the more ways lead from that input "
    "to that output, {least} to {most}. Through {zeros} of the 64 there is none, and no training can open one. On the "
    "right the same columns stand as they are drawn: each sees all those before it, and never itself.",
    triangle, draw_triangle, "One network for all of them", size=(6.0, 3.2)), Picture(
    "blind-spot", "What a masked kernel never sees",
    "The orange pixel may see the {earlier} pixels before it. Masked 3 by 3 kernels, however many layers of them, "
    "show it the blue ones, and {missed} never: above it, to the right of a cone. Two stacks, one for the rows above "
    "and one for its own row, leave out {missed_by_two}.",
    blind, draw_blind, "The blind spot", size=(5.6, 2.9)), Picture(
    "appearing", "A pattern appears, pixel by pixel",
    "One of {patterns} patterns of bars and stripes, all equally likely, is drawn pixel by pixel. Above: how many are "
    "still left, and in blue how likely each pixel is to be 1. Below: how surprising the next pixel will be on "
    "average, and how surprising it was. The surprises add up to {total:.3f} nats, log {patterns}, as for every "
    "pattern; {silent} of the pixels say nothing new.",
    appearing, draw_appearing, "Drawn one after the other", size=(6.4, 3.2))]
