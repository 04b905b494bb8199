"""What the figures of samples are to be compared with: data not seen before, and what plain laws draw."""
import contextlib

from backends import xp
from scratch.metrics import judge
from scratch.runs.baselines import REAL, bits, fitted, plain, small

COMPONENTS = 10


def references(data, n, stream, eyes=None, modes=None):
    """{what: figures} as `judge` has them, of n training examples (all where there are fewer) and of n samples of plain
    laws that were learned from them; without Gaussians whose covariance is singular, or of data that are too large."""
    what  = "pixel" if len(data.shape) > 1 else "column"
    found = {REAL: real(data, n, stream("real"))}
    for K in (min(COMPONENTS, len(data.train["x"])), *[1] * (not bits(data))) if small(data) else ():
        with contextlib.suppress(ValueError):
            name, x     = drawn(data, n, K, stream(K))
            found[name] = x
    found[f"Each {what} by itself"] = independent(data, n, stream("independent"))
    return {what: judge(x, data, eyes, modes) for what, x in found.items()}


def real(data, n, stream):
    """n different training examples, or all of them."""
    return data.train["x"][stream.permutation(len(data.train["x"]))[:n]]


def drawn(data, n, K, stream):
    """What K plain laws are called, and n samples of them."""
    name, model, *weights = fitted(plain(data, stream("data")), K, stream("start"))
    return name, model.sample(*weights, stream("samples"), n)


def independent(data, n, stream):
    """n samples of which every column is drawn by itself from the training data."""
    x = data.train["x"]
    return xp.take_along_axis(x, stream.integers(0, len(x), (n, x.shape[1])), axis=0)
