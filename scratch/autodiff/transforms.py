"""Derivatives of functions of trees of arrays, to any order.

    vjp            x -> f(x), and the map g -> J^T g; everything below is built on it
    grad           of a function with a scalar value
    jvp            v -> J v, as the transpose of the transpose
    hvp            v -> H v, the vjp of the gradient
"""
from backends import backend, xp
from backends.random import evaluation
from scratch import trees
from scratch.autodiff.rules.elementwise import fit
from scratch.autodiff.tape import Trace, primitive, untraced


def vjp(f, x, has_aux=False):
    """y = f(x) and `pull`, which carries a cotangent of y (a tree like y) to one of x. With has_aux f returns (y, aux)
    and vjp (y, pull, aux), aux without derivatives. Raises TypeError where a leaf of x is no floating-point array."""
    leaves, structure = trees.flatten(x)
    leaves = [_floating(leaf) for leaf in leaves]

    def on_leaves(leaves):
        nonlocal y_structure, aux
        y = f(trees.build(structure, leaves))
        if has_aux:
            y, aux = y
        y, y_structure = trees.flatten(y)
        return y

    def pull(g):
        gs, g_structure = trees.flatten(g)
        if g_structure != y_structure or any(_shape(g) != _shape(y) for g, y in zip(gs, ys)):
            raise ValueError(f"The cotangent has the shapes {trees.map(_shape, g)}; expected those of the value, "
                             f"{trees.build(y_structure, [_shape(y) for y in ys])}.")
        return trees.build(structure, pull_leaves([_like(g, y) for g, y in zip(gs, ys)]))

    y_structure = aux = None
    with evaluation():
        ys, pull_leaves = (backend().vjp or _vjp)(on_leaves, leaves)
    y = trees.build(y_structure, ys)
    return (y, pull, trees.map(stop_gradient, aux)) if has_aux else (y, pull)


def _vjp(f, leaves):
    trace = Trace()
    try:
        outs = f([trace.input(leaf) for leaf in leaves])
    finally:
        trace.live = False
    ids = [out.index if trace.owns(out) else None for out in outs]

    def pull(gs):
        bars = trace.pull([(i, g) for i, g in zip(ids, gs) if i is not None])
        return [xp.zeros_like(leaf) if bar is None else bar for leaf, bar in zip(leaves, bars)]

    return [out.value if trace.owns(out) else out for out in outs], pull


def _floating(x):
    x = x if hasattr(x, "dtype") else xp.asarray(x)
    if x.dtype.kind != "f":
        raise TypeError(f"Only floating-point arrays can be differentiated; got an array of {x.dtype}: "
                        "use astype(float) if that is meant.")
    return x


def _like(g, y):
    return g if hasattr(g, "dtype") else xp.asarray(g, dtype=getattr(y, "dtype", None))


def _shape(a):
    return getattr(a, "shape", ())


def value_and_grad(f, has_aux=False):
    """x -> f(x), df/dx for a scalar f: a tree like x. With has_aux f returns (value, aux), and so does value_and_grad,
    as ((value, aux), gradient). Raises ValueError where the value is no scalar."""
    def value_and_gradient(x, *args):
        value, pull, *aux = vjp(lambda x: f(x, *args), x, has_aux)
        if getattr(value, "shape", None) != ():
            raise ValueError(f"grad needs a scalar value; got {getattr(value, 'shape', type(value).__name__)}: "
                             "sum it, or use vjp or jacobian.")
        return ((value, *aux) if has_aux else value), pull(xp.ones((), value.dtype))
    return value_and_gradient


def grad(f, has_aux=False):
    """x, *args -> df/dx, the gradient in the first argument (with has_aux: gradient, aux)."""
    both = value_and_grad(f, has_aux)

    def gradient(x, *args):
        value, g = both(x, *args)
        return (g, value[1]) if has_aux else g
    return gradient


def jvp(f, x, v):
    """f(x) and J v, for v a tree like x: J^T is linear in its cotangent, and its transpose is J."""
    y, pull = vjp(f, x)
    zeros = trees.map(xp.zeros_like, y)
    _, push = vjp(pull, zeros)
    return y, push(v)


def hvp(f, x, v):
    """H v of a scalar f at x, for v a tree like x."""
    return vjp(grad(f), x)[1](v)


def jacobian(f):
    """x -> J, of shape f(x).shape + x.shape, for arrays."""
    def rows(x, *args):
        y, pull = vjp(lambda x: f(x, *args), x)
        basis = xp.reshape(xp.eye(y.size, dtype=y.dtype), (y.size,) + y.shape)
        if y.size == 0:
            return xp.zeros(y.shape + x.shape, dtype=x.dtype)
        return xp.reshape(xp.stack([pull(e) for e in basis]), y.shape + x.shape)
    return rows


def hessian(f):
    """x -> H, of shape x.shape + x.shape, for a scalar f of an array."""
    return jacobian(grad(f))


def stop_gradient(x):
    """x, whose derivative is 0 in every trace."""
    return (backend().stop_gradient or untraced)(x)


def _straight_through(y, x):
    """y in value, x in derivative: a cotangent goes on to x as if nothing lay between them.   Bengio et al. 2013"""
    return y


straight_through = primitive(_straight_through, lambda g, out, y, x: xp.zeros_like(g), lambda g, out, y, x: fit(g, x),
                             plain=lambda y, x: x + stop_gradient(y - x))
