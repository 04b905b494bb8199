"""The measures, a row each.   derivations: evaluation

    x, y    what a view sees of samples, and of what they are held against      [n, ...], [m, ...]
            or pairs, of examples and of what comes back from their codes       [n, D], [n, D]
"""
import functools
import itertools
import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from backends import xp
from scratch.metrics.classifier import as_levels, shares
from scratch.metrics.fidelity import mse, psnr, ssim
from scratch.metrics.manifolds import manifold_figures
from scratch.metrics.samples import (frechet_distance, inception_score, kernel_distance, mode_shares, nearest,
                                     novelty)

COVERED   = 0.4                 # of what the law gives a mode, the share that covers it
NEIGHBOUR = 5                   # which one of a point ends the ball around it
WINDOW    = 11                  # of SSIM, where the images are as large
PAIRS     = 1 << 26             # numbers that the distances of all pairs are made from: seconds
FEATURED  = ("features", "as many", "balls")        # views of features, whichever are asked for
WHOLE     = ("features", "eyes")            # views held against all test data, the others against as many as there are
ALONE     = ("classes", "modes")            # samples; these against none


class Measure(NamedTuple):
    """What is measured, and how."""
    title:    str               # as reports call it
    of:       str               # samples, pairs or the likelihood
    better:   str               # "higher", "lower", or "" where neither is
    bias:     str | None        # of n samples: "none", "1/n", so that leaving some out shows it, "" where neither is;
    #                             None of a count or a least share, whose error leaving some out does not show either
    view:     str               # what it sees of samples; what pairs have to be
    f:        Callable          # x, y (no y where the view stands alone), *what it tells -> a number; of pairs [n]
    part:     int | None = None             # which, where f gives a row of numbers


def among(x, y):
    """Precision, recall, density, coverage [4], of fewer neighbours where there are few rows."""
    return xp.stack([xp.asarray(v) for v in manifold_figures(x, y, min(NEIGHBOUR, len(x) - 1, len(y) - 1))])


def similarity(x, y, shape):
    """SSIM [n], of the largest odd window up to 11 x 11 that fits into images of this shape."""
    return ssim(x, y, shape, window=min(WINDOW, *((side - 1) // 2 * 2 + 1 for side in shape[:2])))


#            title                                      of            better    bias    view         f
MEASURES = {
  "frechet":   Measure("Fréchet distance",              "samples",    "lower",  "1/n",  "features",  frechet_distance),
  "fid":       Measure("Fréchet distance of features",  "samples",    "lower",  "1/n",  "eyes",      frechet_distance),
  "kernel":    Measure("kernel distance",               "samples",    "lower",  "none", "as many",   kernel_distance),
  "precision": Measure("precision",                     "samples",    "higher", "",     "balls",     among, 0),
  "recall":    Measure("recall",                        "samples",    "higher", "",     "balls",     among, 1),
  "density":   Measure("density",                       "samples",    "",       "",     "balls",     among, 2),
  "coverage":  Measure("coverage",                      "samples",    "higher", "",     "balls",     among, 3),
  "inception": Measure("inception score",               "samples",    "higher", "1/n",  "classes",   inception_score),
  "classes":   Measure("least class share",             "samples",    "higher", None,   "classes",
                       lambda log_p: xp.min(shares(log_p))),
  "nearest":   Measure("distance to the training data", "samples",    "",       "",     "distances", novelty),
  "modes":     Measure("modes covered",                 "samples",    "higher", None,   "modes",
                       lambda x, modes, radius, pi: xp.sum(mode_shares(x, modes, radius) >= COVERED * pi)),
  "near":      Measure("share near a mode",             "samples",    "higher", "none", "modes",
                       lambda x, modes, radius, _: xp.sum(mode_shares(x, modes, radius))),
  "mse":       Measure("mean squared error",            "pairs",      "lower",  "none", "any",       mse),
  "psnr":      Measure("PSNR in dB",                    "pairs",      "higher", "none", "levels",    psnr),
  "ssim":      Measure("SSIM",                          "pairs",      "higher", "none", "images",    similarity),
  "bits":      Measure("bits per dimension",            "likelihood", "lower",  "none", "any",       None),
}
BRIEF = ("frechet", "fid", "nearest", "classes", "modes", "near")           # what a terminal is told unasked


def chosen(names):
    """The names of rows in "NAME,NAME" or a list of them, in the order of the table; all of "all". Raises ValueError
    for one that is not known, with those that are, and TypeError for what holds no names."""
    if not isinstance(names, Iterable):
        raise TypeError(f"measures is {names!r}; expected names, as in \"precision,recall\" or a list; choose all, or "
                        f"among {', '.join(MEASURES)}.")
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    if unknown := [name for name in names if name not in (*MEASURES, "all")]:
        raise ValueError(f"measures: {unknown[0]!r} is not known; choose all, or among {', '.join(MEASURES)}.")
    return [name for name in MEASURES if {name, "all"} & set(names)]


def views(data, eyes=None, modes=None, features=None):
    """{view: (what it sees of examples as the data come, what else it tells)}, those that there are of such data, with
    a classifier's eyes, the modes of their law as `modes_of` has them, and features other than pixels or columns."""
    points = functools.partial(pixels, levels=data.levels)
    train  = points(data.train["x"])
    found  = dict.fromkeys(FEATURED, (features or points, ())) | {
              "distances": (lambda k: nearest(points(k), train)[1], ())}
    if eyes:
        found |= {"eyes": (eyes.features, ()), "classes": (eyes.log_prob, ())}
    return found | ({"modes": (points, modes)} if modes else {})


def values(names, known, x, y, levels, how=lambda f, *seen: f(*seen)):
    """{name: how(f, *what is seen)} of measures of samples x against y, as the data come, each by its view among those
    that are `known`; a row of numbers is worked out once for all that are among them."""
    x, y, found = as_levels(x, levels), as_levels(y, levels), {}
    for (view, f), rows in itertools.groupby(names, lambda name: (MEASURES[name].view, MEASURES[name].f)):
        see, told = known[view]
        held  = [] if view in ALONE else [y if view in WHOLE else y[:len(x)]]
        seen  = [see(a) for a in (x, *held)]
        if view in ("as many", "balls"):
            n    = min(map(len, seen)) if view == "as many" else as_many(*map(len, seen), seen[0].shape[1])
            seen = [a[:n] for a in seen]
        value = how(lambda *seen: f(*seen, *told), *seen)
        found |= dict.fromkeys(rows, value)
    return found


def as_many(n, m, D):
    """How many of n samples and of m test data of D numbers are held against each other by all their distances."""
    return min(n, m, math.isqrt(PAIRS // D))


def pixels(x, levels):
    """x in [0, 1] where it is of so many levels, else x itself."""
    return as_levels(x, levels) / (levels - 1) if levels else x
