"""All figures of samples at once, against held-out data."""
import math

from backends import to_host, xp
from scratch.data.levels import quantise
from scratch.data.toys import TOYS
from scratch.metrics.samples import copying, coverage, frechet_distance

SIGMAS, LEAST = 4, 0.05         # how far from a mode its samples lie; which share of all of them covers it


def modes_of(name):
    """The modes [K, D] of the toy `name`, and the radius that samples may have; None of what is no few points."""
    toy = TOYS.get(name)
    return (toy.centres()[0], SIGMAS * toy.sigma) if getattr(toy, "nodes", 0) == 1 else None


def judge(x, data, eyes=None, modes=None):
    """Figures of samples x [n, D] as {name: float}, held against the test part of `data`. x is in units of the data:
    whole levels where the data have them, or floats in [0, 1) dequantised from them.

        Fréchet distance                  of pixels in [0, 1], or of the columns
        Fréchet distance of features      of the classifier `eyes`, where there is one
        least class share                 of all samples, as those eyes see them
        distance to the training data     of the nearest example, a median; 0 of copies, 1 of the test data
        modes covered                     by at least 5 % of the samples, where the `modes` are known, with a radius
        share near a mode                 within that radius

    A figure that is not finite is left out: distances to training data in which most of the test data occur. Compare
    equal n only. One transfer to the host. Raises ValueError as `frechet_distance` does.
    """
    ks = k, _, k_test = [_levels(a, data.levels) for a in (x, data.train["x"], data.test["x"])]
    x, train, test = (pixels(a, data.levels) for a in ks)
    found = {"Fréchet distance": frechet_distance(x, test),
             "distance to the training data": copying(x, test[:len(x)], train)}
    if eyes:
        found["Fréchet distance of features"] = frechet_distance(eyes.features(k), eyes.features(k_test))
        found["least class share"]            = xp.min(eyes.shares(k))
    if modes:
        shares = coverage(x, *modes)
        found["modes covered"]     = xp.sum(shares >= LEAST)
        found["share near a mode"] = xp.sum(shares)
    values = to_host(xp.stack([xp.asarray(v, dtype="float64") for v in found.values()])).tolist()
    return {name: value for name, value in zip(found, values) if math.isfinite(value)}


def pixels(x, levels):
    """x in [0, 1] where it is of so many levels, else x itself."""
    return _levels(x, levels) / (levels - 1) if levels else x


def _levels(x, levels):
    return quantise(x, levels) if levels and x.dtype.kind == "f" else x
