"""All figures of samples at once, against held-out data."""
import math

from backends import to_host, xp
from scratch.data.toys import TOYS
from scratch.metrics.measures import MEASURES, values, views

SIGMAS = 4                      # how far from a mode its samples lie


def modes_of(name):
    """Of the toy `name` the modes [K, D], the radius that samples of one may have, and the share of all that the law
    gives each [K]; None of what is no few points."""
    toy = TOYS.get(name)
    if getattr(toy, "nodes", 0) != 1:
        return None
    return toy.centres()[0], SIGMAS * toy.sigma, xp.asarray(toy.pi or (1 / toy.K,) * toy.K)


def judge(x, data, eyes=None, modes=None):
    """Figures of samples x [n, D] as {title: float}, held against the test part of `data`: every measure of samples in
    MEASURES, in pixels of [0, 1] or columns, those of features and classes where there are a classifier's `eyes`, those
    of modes where the `modes` are known, as `modes_of` has them. x is in units of the data: whole levels where the data
    have them, or floats in [0, 1) dequantised from them.

    Some take as many test examples as there are samples, the first: those should come in no order. A figure that is not
    finite is left out. Compare equal n only. Raises ValueError as `frechet_distance` does.
    """
    known   = views(data, eyes, modes)
    found   = values([name for name, row in MEASURES.items() if row.view in known], known, x, data.test["x"],
                     data.levels)
    numbers = [value if (part := MEASURES[name].part) is None else value[part] for name, value in found.items()]
    numbers = to_host(xp.stack([xp.asarray(v, dtype="float64") for v in numbers])).tolist()
    return {MEASURES[name].title: value for name, value in zip(found, numbers) if math.isfinite(value)}
