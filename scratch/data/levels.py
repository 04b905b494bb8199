"""Discrete data as continuous, and back; as bits.   Uria et al. 2013; Theis et al. 2016; Salakhutdinov and Murray 2008

    k        integer levels 0 .. levels - 1                             [...]
    u        uniform noise in [0, 1)                                    [...]
    x        (k + u) / levels, in [0, 1)                                [...]
    b        1 with chance k / (levels - 1), else 0                     [...]

    P(k)      = int over the bin of k of p(x) dx = levels^-D E_u p((k + u) / levels)      of D values with density p
    -log P(k) = -log E_u p(x) + D log levels    <= E_u[-log p(x)] + D log levels          by Jensen
"""
import math

from backends import xp
from scratch.data.checks import check_array, check_integer


def units(x):
    """Mean and deviation of the columns of x [N, D], float32 [D] each, found in float64; for the deviation of a column
    that is constant but for rounding 1."""
    mean, deviation = xp.mean(x, axis=0, dtype="float64"), xp.std(x, axis=0, dtype="float64")
    least = (8 * xp.finfo(x.dtype).eps if x.dtype.kind == "f" else 0) * xp.abs(mean)
    return mean.astype("float32"), xp.where(deviation > least, deviation, 1).astype("float32")


def one_hot(y, K):
    """1 at the class and 0 elsewhere, float32 [..., K], of labels y [...]; 0 everywhere for one outside 0 .. K - 1."""
    return (y[..., None] == xp.arange(K)).astype("float32")


def dequantise(k, levels, stream, dtype="float32"):
    """x = (k + u) / levels in [0, 1), u uniform from `stream`: floor(x levels) == k for every element, in either dtype.

    k is an array of integers 0 .. levels - 1 (its values are not checked: that would wait for the device). Raises
    TypeError where k holds no integers and ValueError where levels is not in 2 .. 65536.
    """
    levels = _levels(levels, k)
    k = k.astype(dtype)
    x = (k + stream.uniform(k.shape, dtype)) / levels
    for _ in range(2):                                  # rounding may leave the bin, by at most two steps
        bin = xp.floor(x * levels)
        x   = xp.where(bin == k, x, xp.nextafter(x, xp.where(bin > k, 0, xp.ones_like(x))))
    return x


def quantise(x, levels):
    """The level floor(x levels) as int64, the inverse of `dequantise`; outside [0, 1) it is the nearest level."""
    levels = _levels(levels)
    return xp.clip(xp.floor(x * levels), 0, levels - 1).astype(xp.int64)


def binarise(k, levels, stream):
    """Bits b = (u < k / (levels - 1)), float32, u uniform from `stream`: of the least level 0, of the greatest 1.

    Drawn once for all training this is static binarisation (`Data.binarised`), with another stream at each step dynamic
    binarisation; the log-likelihoods of the two are not comparable. Raises as `dequantise` does.
    """
    levels = _levels(levels, k)
    return (stream.uniform(k.shape) < k.astype("float32") / (levels - 1)).astype("float32")


def check_examples(x, D, levels=None):
    """What a user hands over, as examples [B, D] of these levels, or real numbers. Raises as `check_array` does, and
    ValueError where levels are expected and x holds something else."""
    x = check_array(x, "x", (None, D), keep_integers=True)
    if levels and not bool(xp.all((x >= 0) & (x < levels) & (x == xp.floor(x)))):
        raise ValueError(f"x holds {float(xp.min(x)):g} to {float(xp.max(x)):g}; expected whole numbers from 0 to "
                         f"{levels - 1}.")
    return x.astype(level_dtype(levels)) if levels else x


def level_dtype(levels):
    """The integers that hold so many levels."""
    return "uint8" if _levels(levels) <= 1 << 8 else "uint16"


def bits_per_dim(log_p, D, levels=None):
    """Bits per dimension, -log_p / (D log 2) + log2 levels, from a log density in nats of x in [0, 1)^D.

    For dequantised data this is, on average over u, an upper bound on the bits of the discrete data under
    P(k) = E_u p(x) / levels^D (Theis et al. 2016, by Jensen); the uniform density has log2 levels, log2 17 = 4.09 for
    the digits. Without levels it is -log2 p per dimension, for densities on other data.
    """
    return -log_p / (D * math.log(2)) + (math.log2(_levels(levels)) if levels is not None else 0)


def _levels(levels, k=None):
    levels = check_integer(levels, "levels", 2, 1 << 16)
    if k is not None and k.dtype.kind not in "iu":
        raise TypeError(f"k is an array of {k.dtype}; expected integer levels 0 to {levels - 1}.")
    return levels
