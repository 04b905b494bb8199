"""Reductions and cumulative sums over an axis: an int, a tuple, or None for all.

Where several elements share the maximum or the minimum, they share the cotangent equally.
"""
from backends import xp
from scratch.autodiff.rules.special import spread
from scratch.autodiff.tape import Traced, composite, rule


def _sum(g, y, x, axis=None, dtype=None, keepdims=False):
    g = g if g.dtype == x.dtype else xp.astype(g, x.dtype)
    return (g if keepdims or axis is None else spread(g, x, axis)) + xp.zeros(x.shape, x.dtype)


def _mean(g, y, x, axis=None, dtype=None, keepdims=False):
    return _sum(g * (max(g.size, 1) / max(x.size, 1)), y, x, axis, dtype, keepdims)


def _extreme(g, y, x, axis=None, keepdims=False):
    chosen = (x == (y if keepdims else spread(y, x, axis)))
    g      = g if keepdims else spread(g, x, axis)
    return xp.where(chosen, g / xp.sum(chosen, axis=axis, keepdims=True).astype(x.dtype), 0)


def _prod(g, y, x, axis=None, keepdims=False):
    """Of every element the product of the others, so that a zero does no harm."""
    if axis is None:
        return xp.reshape(_prod(xp.reshape(g, ()), y, xp.reshape(x, (-1,)), 0), x.shape)
    if not isinstance(axis, int):
        raise TypeError(f"The derivative of prod needs one axis or None; got axis={axis!r}.")
    x = xp.moveaxis(x, axis, -1)
    others = xp.prod(xp.where(xp.eye(x.shape[-1], dtype=bool), 1, x[..., None, :]), axis=-1)
    return xp.moveaxis(xp.expand_dims(xp.squeeze(g, axis) if keepdims else g, -1) * others, -1, axis)


def _cumsum(g, y, x, axis=None):
    if axis is None:
        return xp.reshape(_cumsum(g, y, x, 0), x.shape)
    return xp.flip(xp.cumsum(xp.flip(g, axis), axis), axis)


rule("sum",    _sum)
rule("mean",   _mean)
rule("max",    _extreme, keeps="y x")
rule("min",    _extreme, keeps="y x")
rule("prod",   _prod,    keeps="x")
rule("cumsum", _cumsum)


def var(x, axis=None, ddof=0, keepdims=False):
    square = xp.square(x - xp.mean(x, axis=axis, keepdims=True))
    total  = xp.sum(square, axis=axis, keepdims=keepdims)
    return total / (x.size / max(total.size, 1) - ddof)


composite("var", var)
composite("std", lambda x, axis=None, ddof=0, keepdims=False: xp.sqrt(var(x, axis, ddof, keepdims)))

for _name in "sum mean max min prod cumsum var std".split():
    setattr(Traced, _name, lambda x, *args, _name=_name, **kwargs: getattr(xp, _name)(x, *args, **kwargs))
