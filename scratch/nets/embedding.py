"""Numbers and labels as vectors, and dropout.   Vaswani et al. 2017, Ho et al. 2020; Srivastava et al. 2014

    t        steps, integers [B]          y    labels 0 .. K - 1, integers [...]
    omega    10000^(-2 i / n), i = 0 .. n / 2 - 1
"""
import math

from backends import xp
from scratch.data.checks import check_memory


def sinusoidal(t, n):
    """sin(omega t), then cos(omega t), float32 [B, n]. Raises ValueError for an odd n."""
    if n % 2:
        raise ValueError(f"n={n} is odd; sines and cosines come in pairs.")
    omega = xp.exp(xp.arange(n // 2) * (-2 * math.log(10_000) / n))
    angle = t[:, None] * omega                                              # [B, n / 2], float64
    return xp.concatenate([xp.sin(angle), xp.cos(angle)], axis=1).astype("float32")


def embedding(K, n):
    """(init, apply) of a table of K vectors, standard normal at the start: apply(params, y) -> [..., n]."""
    check_memory(20 * K * n, f"A table of {K} x {n} numbers", "choose a smaller one")
    return lambda stream: {"table": stream("table").normal((K, n))}, lambda params, y: params["table"][y]


def dropout(x, rate, stream):
    """x, of which each element is 0 with chance `rate`, and 1 / (1 - rate) times itself else. At rate 0 it is x."""
    if not 0 <= rate < 1:
        raise ValueError(f"rate={rate} is no chance to drop a unit; expected 0 <= rate < 1.")
    return x * (xp.astype(stream.uniform(x.shape) > rate, x.dtype) / (1 - rate)) if rate else x
