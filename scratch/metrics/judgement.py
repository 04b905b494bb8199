"""All figures of samples at once, against held-out data."""
import math

from backends import to_host, xp
from scratch.data.toys import TOYS
from scratch.metrics.measures import MEASURES, figures, views

SIGMAS = 4                      # how far from a mode its samples lie


def modes_of(name):
    """The modes [K, D] of the toy `name`, and the radius that samples may have; None of what is no few points."""
    toy = TOYS.get(name)
    return (toy.centres()[0], SIGMAS * toy.sigma) if getattr(toy, "nodes", 0) == 1 else None


def judge(x, data, eyes=None, modes=None):
    """Figures of samples x [n, D] as {title: float}, held against the test part of `data`: every measure of samples in
    MEASURES, in pixels of [0, 1] or columns, those of features and classes where there are a classifier's `eyes`, those
    of modes where the `modes` are known, with a radius. x is in units of the data: whole levels where the data have
    them, or floats in [0, 1) dequantised from them.

    A figure that is not finite is left out. Compare equal n only. One transfer to the host. Raises ValueError as
    `frechet_distance` does.
    """
    seen   = views(data, eyes, modes)
    found  = figures([name for name, row in MEASURES.items() if row.view in seen], seen, x, data.test["x"], data.levels)
    values = [value if MEASURES[name].part is None else value[MEASURES[name].part] for name, value in found.items()]
    values = to_host(xp.stack([xp.asarray(v, dtype="float64") for v in values])).tolist()
    return {MEASURES[name].title: value for name, value in zip(found, values) if math.isfinite(value)}
