"""The exact scoreboard: how far every model's law on 3 x 3 binary images is from the truth.

The truth p is uniform on the 14 images whose rows or columns are constant. A model learns them, each once a step, in
float64, and is asked for q(x) of all 512 images. So nothing here is an estimate; the VAE's integral is settled to 1e-3.

    KL(p || q) = sum_x p(x) log p(x) / q(x) = -log 14 - 1/14 sum over the 14 of log q(x)          in nats
"""
import contextlib
import functools
import itertools
import math
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from backends import to_host, xp
from backends.random import Stream
from scratch import trees
from scratch.data import load
from scratch.runs import config as configs, files
from scratch.runs.figures import BLUE, GREY, INK, ORANGE, plot
from scratch.train import fit


class Row(NamedTuple):
    model: str
    law:   str                  # how q(x) is known
    steps: int
    hyper: dict
    most:  float = math.inf     # nats that it may be away from the truth


#   name                            model, how q(x) is known, steps, hyper-parameters, the most nats
ROWS = {
    "Independent pixels":      Row("bmm", "product", 1, dict(components=1, starts=1)),
    "Boltzmann machine":       Row("boltzmann", "sum over 512 states", 3000, dict(lr=0.1)),
    "RBM, 8 hidden units":     Row("rbm", "sum over 256 states", 5000,
                                   dict(hidden=8, learn="exact", lr=0.03, ema=0.0), 2e-3),
    "Visible belief network":  Row("fvbn", "product of conditionals", 5000, dict(lr=0.1), 1e-3),
    "MADE":                    Row("made", "product of conditionals", 3000, dict(lr=0.01, ema=0.99), 2e-4),
    "PixelCNN":                Row("pixelcnn", "product of conditionals", 1000, dict()),
    "PixelCNN, gated":         Row("pixelcnn-gated", "product of conditionals", 1000, dict()),
    "PixelCNN++":              Row("pixelcnn++", "product of conditionals", 1000, dict()),
    "Bernoulli mixture, K=16": Row("bmm", "sum over 16 components", 500, dict(components=16), 1e-6),
    "VAE, 2-D latent":         Row("vae", "quadrature over z", 8000,
                                   dict(latent=2, hidden=(64, 64), decoder="bernoulli", activation="tanh", ema=0.999),
                                   0.35),
    "VQ-VAE, 16 codes":        Row("vqvae", "sum over 16 codes", 2000,
                                   dict(net="mlp", hidden=(32,), positions=1, codes=16, dim=4, decoder="bernoulli",
                                        activation="tanh", lr=0.01)),
    "GAN, 32 codes":           Row("gan-bits", "sum over 32 codes", 2000, dict()),
}


class Score(NamedTuple):
    name:       str
    row:        Row
    log_q:      Any             # of all images, in nats [512]
    kl:         float           # from the truth, in nats
    parameters: int
    steps:      int             # that it took
    seconds:    float


def images():
    """All 512 binary images of 3 x 3, bits [512, 9]."""
    return numpy.array(list(itertools.product((0, 1), repeat=9)), dtype="uint8")


@functools.cache
def truth():
    """log p of all images, in nats [512]; -inf of most of them."""
    return to_host(load("patterns", Stream.seed(0)).log_p(xp.asarray(images()).astype("float64")))


def seen():
    """Which of the images are possible [512]."""
    return numpy.isfinite(truth())


def kl(log_q):
    """KL(p || q) in nats, of log q [512], in the order of `images`: of any model, also one that is not ours. Raises
    ValueError for another shape, and for a q whose sum is more than 1."""
    log_q = numpy.asarray(log_q, dtype="float64")
    if log_q.shape != (512,) or not numpy.exp(log_q).sum() <= 1 + 1e-6:
        raise ValueError(f"log_q has shape {log_q.shape} and the sum of q is {numpy.exp(log_q).sum():.6g}; expected "
                         "the logarithms of 512 probabilities, one for each of `images`.")
    return float(numpy.mean(truth()[seen()] - log_q[seen()]))


def play(seed=0, rows=ROWS):
    """Yields the Score of each row, one after the other."""
    for name, row in rows.items():
        stream = Stream.seed(seed)(name)
        data   = load("patterns", stream)
        model  = configs.model(row.model, row.hyper, data)
        data   = model.view(data, stream("view"))
        begun  = time.perf_counter()
        with numpy.errstate(all="ignore"):
            state = model.start(stream("init"), data.train)
            state = model.restore(0, *trees.map(_precise, (state.params, state.stats, state.moments)))
            for state, _ in fit(model, state, model.batches(data.train, stream("batches"), 0), stream("train"),
                                row.steps):
                pass
            weights = model.weights(state)
            log_q   = to_host(model.log_prob(weights, state.stats, images())).astype("float64")
        yield Score(name, row, log_q, kl(log_q), sum(leaf.size for leaf in trees.leaves(weights)), state.step,
                    time.perf_counter() - begun)


def _precise(a):
    return a.astype("float64") if a.dtype.kind == "f" else a


@contextlib.contextmanager
def new(folder):
    """A new folder, which goes again where nothing is written into it. Raises FileExistsError and OSError."""
    folder = Path(folder)
    if os.path.lexists(folder):
        raise FileExistsError(f"{folder} exists already; choose another --out, or remove it.")
    try:
        folder.mkdir()
    except OSError as error:
        raise OSError(f"{folder} cannot be written ({error.strerror}): choose another --out.") from None
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


def write(folder, scores):
    """The table, scoreboard.md, and the picture, scoreboard.svg, of what was played."""
    files.write(Path(folder) / "scoreboard.md", (table(scores) + "\n").encode())
    files.write(Path(folder) / "scoreboard.svg", picture(scores).encode())


def table(scores):
    """The scores as a table in Markdown, the best first."""
    rows = ["| model | KL from the truth, nats | promised | q of the 14 images | how q is known | parameters | seconds "
            "|", "|---|---|---|---|---|---|---|"]
    for s in sorted(scores, key=lambda score: score.kl):
        most = f"{s.row.most:g}" if s.row.most < math.inf else ""
        rows.append(f"| {s.name} (`{s.row.model}`, {s.steps} steps) | {s.kl:.2g} | {most} "
                    f"| {numpy.exp(s.log_q)[seen()].sum():.6f} | {s.row.law} | {s.parameters} | {s.seconds:.1f} |")
    return "\n".join(rows)


def picture(scores):
    """The scores on a logarithmic axis, and beside each what its law makes of the 14 images and of the others; SVG."""
    from matplotlib.colors import to_rgba
    scores = sorted(scores, key=lambda score: -score.kl)
    least  = min([1e-7, *(s.kl / 2 for s in scores if s.kl > 0)])

    def draw(figure):
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.2))
        for y, s in enumerate(scores):
            at = max(s.kl, least)
            left.plot((least, at), (y, y), color=GREY, linewidth=1)
            left.plot(at, y, "o", color=ORANGE, markersize=5)
            left.annotate(f"{s.kl:.2g}", (at, y), xytext=(6, -3), textcoords="offset points", color=INK)
            q = numpy.exp(s.log_q)
            right.bar(numpy.arange(14), q[seen()] * 14 * 0.4, 0.8, bottom=y - 0.4, color=ORANGE)
            right.bar(15.5, q[~seen()].sum() * 0.8, 1.6, bottom=y - 0.4, color=GREY)
            right.plot((-0.5, 13.5), (y, y), color=BLUE, linewidth=1)
        for i, x in enumerate(images()[seen()].reshape(-1, 3, 3)):
            glyph = numpy.full((3, 3, 4), to_rgba(BLUE))
            glyph[..., 3] = 0.15 + 0.85 * x
            right.imshow(glyph, extent=(i - 0.4, i + 0.4, -1.4, -0.7), aspect="auto")
        left.set(xscale="log", xlim=(least, 50), ylim=(-1.5, len(scores) - 0.4), xlabel="KL from the truth, nats",
                 yticks=range(len(scores)), yticklabels=[s.name for s in scores])
        left.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        right.set(xlim=(-0.6, 16.5), xticks=(6.5, 15.5),
                  xticklabels=("q of each image; the line is 1/14", "of all others"))
        right.spines[:].set_visible(False)
        for axes in left, right:
            axes.tick_params(axis="y" if axes is left else "both", length=0)
    return plot(draw, (9, 0.5 * len(scores) + 0.8))
