"""The picture of the exact road: a joint table grows from its conditionals."""
import numpy as np

from derivations import autoregressive
from derivations.book.pictures import Picture
from derivations.engine.worlds import Sample
from scratch.runs.figures import BLUE, INK


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


PICTURES = [Picture(
    "growing", "A table grows from its conditionals",
    "All mass is one square. The first variable cuts it, at {p_1[0]:.2f}; then the second cuts each part where the "
    "first one tells it to, and the third cuts each of those. What comes out are eight cells, and each has the area "
    "of its probability: 000 has {p[0][0][0]:.2f}.",
    growing, draw_growing, size=(5.2, 2.1))]
