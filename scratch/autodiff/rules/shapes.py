"""Operations that move elements and change none: the pullback moves the cotangent back."""
from backends import xp
from scratch.autodiff.rules.elementwise import fit
from scratch.autodiff.tape import Primitive, Traced, composite, rule


def _negated(shift):
    return tuple(-s for s in shift) if isinstance(shift, tuple) else -shift


def _inverse(axes):
    return axes and tuple(sorted(range(len(axes)), key=lambda i: axes[i] % len(axes)))


def _pairs(pad_width, ndim):
    """(before, after) of every axis, for a number, a pair, or a pair for every axis."""
    rows = pad_width if hasattr(pad_width, "__len__") and hasattr(pad_width[0], "__len__") else [pad_width]
    rows = [(row[0], row[-1]) if hasattr(row, "__len__") else (row, row) for row in rows]
    return rows * ndim if len(rows) == 1 else rows


def _unpad(g, y, x, pad_width, mode="constant", constant_values=0):
    if mode != "constant":
        raise TypeError(f'pad has a derivative for mode="constant" alone; got {mode!r}.')
    return g[tuple(slice(before, before + n) for (before, _), n in zip(_pairs(pad_width, x.ndim), x.shape))]


def _back(g, y, x, *args, **kwargs):
    return xp.reshape(g, x.shape)


rule("reshape",      _back)
rule("ravel",        _back)
rule("expand_dims",  _back)
rule("squeeze",      _back)
rule("transpose",    lambda g, y, x, axes=None: xp.transpose(g, _inverse(axes)))
rule("moveaxis",     lambda g, y, x, source, destination: xp.moveaxis(g, destination, source))
rule("swapaxes",     lambda g, y, x, a, b: xp.swapaxes(g, a, b))
rule("broadcast_to", lambda g, y, x, shape: fit(g, x))
rule("flip",         lambda g, y, x, axis=None: xp.flip(g, axis))
rule("roll",         lambda g, y, x, shift, axis=None: xp.roll(g, _negated(shift), axis))
rule("tril",         lambda g, y, x, k=0: xp.tril(g, k))
rule("triu",         lambda g, y, x, k=0: xp.triu(g, k))
rule("pad",          _unpad)


# ---- what takes a list of arrays: the primitive takes them one by one ------------------------------------------------
def _concatenate(axis, *parts):
    return xp.concatenate(list(parts), axis=axis)


def _part(i, g, y, axis, *parts):
    start = sum(part.shape[axis] for part in parts[:i - 1])
    index = [slice(None)] * g.ndim
    index[axis] = slice(start, start + parts[i - 1].shape[axis])
    return xp.astype(g[tuple(index)], parts[i - 1].dtype)


_join = Primitive("concatenate", _concatenate, (), each=_part)

composite("concatenate", lambda parts, axis=0: _join(axis, *parts))
composite("stack", lambda parts, axis=0: xp.concatenate([xp.expand_dims(part, axis) for part in parts], axis))


# ---- what picks elements: the positions it would pick, then indexing -------------------------------------------------
def _picks(name):
    def f(x, *args, **kwargs):
        positions = getattr(xp, name)(xp.reshape(xp.arange(x.size), x.shape), *args, **kwargs)
        pick = xp.reshape(x, (-1,)).__getitem__
        return [pick(p) for p in positions] if isinstance(positions, (list, tuple)) else pick(positions)
    composite(name, f)


for _name in "take take_along_axis repeat tile diagonal split array_split".split():
    _picks(_name)

composite("trace", lambda x: xp.sum(xp.diagonal(x)))
composite("sort",  lambda x, axis=-1: xp.take_along_axis(x, xp.argsort(x, axis), axis))


# ---- methods ---------------------------------------------------------------------------------------------------------
def _unstarred(shape):
    return shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape


for _name in "ravel squeeze swapaxes take repeat diagonal trace".split():
    setattr(Traced, _name, lambda x, *args, _name=_name, **kwargs: getattr(xp, _name)(x, *args, **kwargs))
Traced.reshape   = lambda x, *shape: xp.reshape(x, _unstarred(shape))
Traced.transpose = lambda x, *axes: xp.transpose(x, _unstarred(axes) or None)
Traced.T         = property(lambda x: xp.transpose(x))
Traced.mT        = property(lambda x: xp.swapaxes(x, -1, -2))
