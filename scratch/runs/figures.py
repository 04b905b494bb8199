"""Figures: images in a grid, curves, columns of tables beside each other, lines of text.

Grids are PNGs whose pixels are the data's, plots are SVG in the reader's light or dark colours.
"""
import colorsys
import functools
import io
import itertools
import math

import numpy

from backends import to_host, xp
from scratch.data import quantise
from scratch.runs.baselines import REAL

INK, GREY, BLUE, ORANGE = "#010203", "#8d99a1", "#3b8ec2", "#e07b39"    # INK: whatever the reader's text has
MARKERS = {"●": "o", "■": "s", "◆": "D", "▲": "^", "▼": "v"}            # of runs on the same data
SCHEME = ("<style>svg { color: #1b262c } @media (prefers-color-scheme: dark) { svg { color: #dfe6ea } }"
          "text { font-family: system-ui, sans-serif !important }</style>")


def image_grid(x, shape, levels, like=None, width=480):
    """Images [n, D], or pairs [n, 2, D] one above the other, as a PNG: apart by a line that one sees through, a high
    value in ink where they are grey, each pixel as large as fits into `width`. Where they have no levels the range is
    that of `like`, or their own."""
    import matplotlib.image
    columns = max(8, math.isqrt(len(x)))
    if x.ndim == 3:
        columns = min(8, len(x))
        x       = x[:len(x) // columns * columns].reshape(-1, columns, *x.shape[1:]).swapaxes(1, 2)
        x       = x.reshape(-1, x.shape[-1])
    else:
        columns = math.ceil(len(x) / math.ceil(len(x) / columns))
    rows, (h, w) = math.ceil(len(x) / columns), shape[:2]
    like = x if like is None else like
    low, high = (0, levels - 1 if x.dtype.kind in "iu" else 1) if levels else (float(like.min()), float(like.max()))
    x    = numpy.clip((x - low) / ((high - low) or 1), 0, 1).reshape(len(x), h, w, -1)
    grid = numpy.zeros((rows * columns, h + 1, w + 1, 4))
    grid[:len(x), :h, :w, :3] = x if x.shape[-1] == 3 else 1 - x.mean(-1, keepdims=True)
    grid[:len(x), :h, :w, 3]  = 1
    grid   = grid.reshape(rows, columns, h + 1, w + 1, 4).swapaxes(1, 2).reshape(rows * (h + 1), columns * (w + 1), 4)
    times  = max(1, width // grid.shape[1])
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, (255 * grid[:-1, :-1] + 0.5).astype("uint8").repeat(times, 0).repeat(times, 1))
    return buffer.getvalue()


def animation(frames, seconds=4, grey=False):
    """PNGs one after the other, as one that moves, and stays on the last for a while; smaller where they are grey."""
    from PIL import Image
    first, *rest = (Image.open(io.BytesIO(frame)).convert("LA" if grey else "RGBA") for frame in frames)
    times  = [1000 * seconds // len(frames)] * len(rest) + [500 * seconds]
    buffer = io.BytesIO()
    first.save(buffer, "PNG", save_all=True, append_images=rest, duration=times, loop=0, disposal=1)
    return buffer.getvalue()


def points(x, like):
    """The first two columns of x as points, as a PNG; the range is that of `like`."""
    from matplotlib.figure import Figure
    figure, buffer = Figure(figsize=(4, 4)), io.BytesIO()
    axes = figure.add_axes((0, 0, 1, 1))
    low, high = _range(like)
    x = x[:1000]
    axes.scatter(x[:, 0], x[:, 1] if x.shape[1] > 1 else 0 * x[:, 0], s=4, linewidths=0, color=BLUE)
    axes.set(xlim=(low[0], high[0]), ylim=(low[-1], high[-1]))
    axes.axis("off")
    figure.savefig(buffer, format="png", dpi=80, transparent=True)
    return buffer.getvalue()


def text_lines(x, data):
    """A line for each window, of pairs two."""
    k = x if x.dtype.kind in "iu" else to_host(quantise(xp.asarray(x), data.levels))
    return "\n".join("".join(data.symbols[i] for i in row).replace("\n", "↵") for row in k.reshape(-1, k.shape[-1]))


def planes(opened, name, data, learned, components):
    """Data and what was learned beside each other, for each pair of the first three columns; with the density of an
    opened run."""
    pairs = list(itertools.combinations(range(min(data.shape[1], 3)), 2))
    low, high = _range(data)

    def draw(figure):
        for place, ((i, j), (title, x)) in enumerate(itertools.product(pairs, (("data", data), (name, learned))), 1):
            axes = figure.add_subplot(len(pairs), 2, place, title=title, xlim=(low[i], high[i]), ylim=(low[j], high[j]),
                                      **dict(xlabel=f"column {i}", ylabel=f"column {j}") if len(pairs) > 1 else {})
            axes.set_aspect("equal" if 1/4 < (high[i] - low[i]) / (high[j] - low[j]) < 4 else "auto")
            axes.scatter(x[:, i], x[:, j], s=2, color=BLUE if x is learned else GREY, alpha=0.6, rasterized=True)
            if x is learned and opened:
                a, b = (numpy.linspace(low[c], high[c], 160) for c in (0, 1))
                p    = _p(opened, numpy.stack(numpy.meshgrid(a, b), axis=-1).reshape(-1, 2), data.dtype)
                most = numpy.sort(p)[::-1]
                mass = numpy.searchsorted(most.cumsum() / most.sum(), (0.1, 0.3, 0.5, 0.7, 0.9))
                axes.contour(a, b, p.reshape(160, 160), levels=numpy.unique(most[mass]), colors=ORANGE, linewidths=1)
            if x is learned and components is not None:
                axes.plot(components[:, i], components[:, j], "x", color=INK, markersize=5)
    return plot(draw, (8, 4 * len(pairs)))


def histogram(opened, name, data, learned, _):
    """Histograms of one column, with the density of an opened run."""
    low, high = (float(end[0]) for end in _range(data))

    def draw(figure):
        axes = figure.add_subplot()
        axes.hist([data[:, 0], learned[:, 0]], bins=numpy.linspace(low, high, 40), density=True, color=(GREY, BLUE),
                  label=["data", name])
        if opened:
            a = numpy.linspace(low, high, 500)
            axes.plot(a, _p(opened, a[:, None], data.dtype), color=ORANGE, label="learned density")
        axes.legend()
    return plot(draw, (8, 4))


def precise(groups):
    """Precision against recall of groups of runs: data, {run: (recall, precision)}, the same of training data and of
    plain laws. As SVG, and its key: (symbol, colour, run, data) of each run; a symbol a group, a colour a run."""
    keys = [(symbol, run, data) for (data, runs, _), symbol in zip(groups, itertools.cycle(MARKERS)) for run in runs]
    hues = ["#%02x%02x%02x" % tuple(round(255 * c) for c in colorsys.hls_to_rgb(0.57 + i / len(keys), 0.5, 0.55))
            for i in range(len(keys))]
    at    = [point for _, runs, _ in groups for point in runs.values()]
    sizes = [6 + 4 * at[i + 1:].count(point) for i, point in enumerate(at)]         # around those that hide them

    def draw(figure):
        axes, looks = figure.add_subplot(xlabel="recall", ylabel="precision"), iter(zip(hues, sizes))
        for (_, runs, others), marker in zip(groups, itertools.cycle(MARKERS.values())):
            marked = functools.partial(axes.plot, linestyle="", marker=marker, clip_on=False, zorder=3)
            for what, (r, p) in others.items():
                marked(r, p, color=GREY, fillstyle="full" if what == REAL else "none", markersize=5)
            for r, p in runs.values():
                color, size = next(looks)
                marked(r, p, color=color, markersize=size)
        axes.margins(0.1)
        axes.set(xlim=numpy.clip(axes.get_xlim(), 0, 1), ylim=numpy.clip(axes.get_ylim(), 0, 1))
    return plot(draw, (5, 4.6)), [(symbol, hue, *names) for (symbol, *names), hue in zip(keys, hues)]


def _range(x):
    low, high = x.min(0).astype(float), x.max(0).astype(float)
    margin    = numpy.where(high > low, (high - low) / 10, 1)
    return low - margin, high + margin


def _p(opened, x, dtype):
    """The learned density at points [n, D]."""
    return numpy.exp(to_host(opened.model.log_prob(*opened.weights, xp.asarray(x.astype(dtype)))).astype(float))


def plot(draw, size=(4.4, 2.9)):
    """What draw(figure) draws, as SVG in the reader's light or dark colours."""
    import matplotlib
    from matplotlib.figure import Figure
    ink = {f"{part}color": INK for part in ("text.", "axes.edge", "axes.label", "xtick.", "ytick.")}
    with matplotlib.rc_context({**ink, "svg.fonttype": "none", "svg.hashsalt": "scratch", "font.size": 9,
                                "axes.spines.top": False, "axes.spines.right": False, "legend.framealpha": 0,
                                "text.parse_math": False}):
        figure, buffer = Figure(figsize=size, layout="constrained"), io.StringIO()
        draw(figure)
        figure.savefig(buffer, format="svg", transparent=True, dpi=200, bbox_inches="tight", metadata={"Date": None})
    return buffer.getvalue().replace(INK, "currentColor").replace("<defs>", SCHEME + "<defs>", 1)


def smoothed(steps, values, window):
    """Both, a mean over each `window` of them."""
    return [[float(numpy.mean(a[i:i + window])) for i in range(0, len(a), window)] for a in (steps, values)]


def frame(axes, lines):
    """Limits that show what comes after the first twentieth of the steps: what a start looks like would hide it."""
    later = [y for line in lines for x, y in zip(*line) if x >= line[0][-1] / 20 and math.isfinite(y)]
    if later and max(later) > min(later):
        margin = (max(later) - min(later)) / 20
        axes.set_ylim(min(later) - margin, max(later) + margin)
    axes.set_xlabel("step")
    axes.xaxis.get_major_locator().set_params(integer=True)
