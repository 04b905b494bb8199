"""Indexing and its adjoint.   getitem reads elements, scatter_add puts them back: each is the other's pullback."""
import math

from backends import xp
from scratch.autodiff.tape import Traced, primitive


def _getitem(x, index):
    """x[index]: integers, slices, None, Ellipsis, integer arrays and masks."""
    return x[index]


def _scatter_add(values, index, shape):
    """Zeros of `shape` with values added at index; where an element is named several times all are added."""
    return xp.scatter_add(values, index, shape)


def _one_hot_scatter(values, index, shape):
    size  = math.prod(shape)
    where = xp.reshape(xp.reshape(xp.arange(size), shape)[index], (-1, 1))
    return xp.reshape(xp.reshape(values, (-1,)) @ (where == xp.arange(size)).astype(values.dtype), shape)


getitem     = primitive(_getitem, lambda g, y, x, index: scatter_add(g, index, x.shape), keeps="index",
                        plain=lambda x, index: x[index])
scatter_add = primitive(_scatter_add, lambda g, y, values, index, shape: g[index],       keeps="index",
                        plain=_one_hot_scatter)

Traced.__getitem__ = lambda x, index: getitem(x, index)
Traced.__iter__    = lambda x: (x[i] for i in range(len(x)))
