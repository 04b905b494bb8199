"""Attention.   Vaswani et al. 2017; Zhang et al. 2019 (SAGAN); Rombach et al. 2022 (across, from an image to tokens)

    q        queries [..., n, d]          k, v    keys [..., m, d] and values [..., m, e]
    y_i      sum_j w_ij v_j               w_i     softmax over the keys j of q_i . k_j / sqrt(d), [..., n, m]
"""
import math

from backends import xp
from scratch.autodiff import softmax
from scratch.nets.linear import joined, linear
from scratch.nets.normalisation import norm


def attend(q, k, v, mask=None, scale=None):
    """What the queries find: [..., n, e]. Where the mask [..., n, m] is False a key is not seen by a query; `scale` is
    1 / sqrt(d) unless given."""
    w = q @ xp.swapaxes(k, -1, -2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)       # [..., n, m]
    if mask is not None:
        w = xp.where(mask, w, -math.inf)
    return softmax(w, axis=-1) @ v


def multihead(C, heads=1, context=None, gain=1):
    """(init, apply) of attention by `heads` heads of C / heads channels each: apply(params, x, y=None, mask=None) lets
    every point of x [B, n, C] look at those of y [B, m, context], or of x itself, with any axes in the place of n and
    m; where the mask [n, m] or [B, n, m] is False it does not. `gain` is that of the last map. Raises ValueError where
    the heads do not share C evenly."""
    if C % heads:
        raise ValueError(f"heads={heads} do not share {C} channels evenly; choose a divisor of {C}.")
    init, on = joined({"q": linear(C, C), "k": linear(context or C, C), "v": linear(context or C, C),
                       "out": linear(C, C, gain)})

    def apply(params, x, y=None, mask=None):
        f = on(params)

        def split(name, x):
            return xp.swapaxes(xp.reshape(f(name, x), (len(x), -1, heads, C // heads)), 1, 2)       # [B, heads, n, d]
        y = x if y is None else y
        h = attend(split("q", x), split("k", y), split("v", y), mask if mask is None else mask[..., None, :, :])
        return f("out", xp.reshape(xp.swapaxes(h, 1, 2), x.shape))
    return init, apply


def attention(C, heads=1, groups=1):
    """(init, apply) of the block of a U-Net: x and what its points find in each other after group normalisation, which
    is 0 at the start.   Ho et al. 2020"""
    (start, normalised), (init, look) = norm("group", C, groups), multihead(C, heads, gain=0)
    return (lambda stream: {"norm": start(stream("norm")), "attention": init(stream("attention"))},
            lambda params, x: x + look(params["attention"], normalised(params["norm"], x)))


def sagan(C):
    """(init, apply) of SAGAN's block on [B, points..., C]: y_j = gamma v(sum_i w_ij h(x_i)) + x_j, w_ij the softmax
    over i of f(x_i) . g(x_j), with C / 8 channels inside; gamma begins at 0."""
    inside   = max(C // 8, 1)
    init, on = joined({"f": linear(C, inside), "g": linear(C, inside), "h": linear(C, inside), "v": linear(inside, C)})

    def apply(params, x):
        f, z = on(params), xp.reshape(x, (len(x), -1, C))
        o    = f("v", attend(f("g", z), f("f", z), f("h", z), scale=1))
        return params["gamma"] * xp.reshape(o, x.shape) + x
    return lambda stream: init(stream) | {"gamma": xp.zeros((), dtype="float32")}, apply
