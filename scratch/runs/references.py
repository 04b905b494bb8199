"""What the figures of samples are to be compared with: data not seen before, and what plain laws draw."""
import contextlib

from backends import xp
from scratch.metrics import judge
from scratch.runs.baselines import gaussians, small, variance_floor

COMPONENTS = 10


def references(data, n, stream, eyes=None, modes=None):
    """{what: figures} as `judge` has them, of n training examples (all where there are fewer) and of n samples of plain
    laws that were learned from them; without Gaussians whose covariance is singular, or of data that are too large."""
    what  = "pixel" if len(data.shape) > 1 else "column"
    found = {"Training data": real(data, n, stream("real"))}
    for K in (min(COMPONENTS, len(data.train["x"])), 1) if small(data) else ():
        with contextlib.suppress(ValueError):
            found[f"A mixture of {K} Gaussians" if K > 1 else "One Gaussian"] = drawn(data, n, K, stream(K))
    found[f"Each {what} by itself"] = independent(data, n, stream("independent"))
    return {what: judge(x, data, eyes, modes) for what, x in found.items()}


def real(data, n, stream):
    """n different training examples, or all of them."""
    return data.train["x"][stream.permutation(len(data.train["x"]))[:n]]


def drawn(data, n, K, stream):
    """n samples of K Gaussians."""
    x = data.dequantised(stream("data")).train["x"]
    model, *weights = gaussians(x, K, variance_floor(data), stream("start"))
    return model.sample(*weights, stream("samples"), n)


def independent(data, n, stream):
    """n samples of which every column is drawn by itself from the training data."""
    x = data.train["x"]
    return xp.take_along_axis(x, stream.integers(0, len(x), (n, x.shape[1])), axis=0)
