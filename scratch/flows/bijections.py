"""Bijections as values.   Dinh et al. 2015 (NICE), 2017 (RealNVP); Kingma et al. 2016 (IAF); Papamakarios et al. 2017
(MAF); Kingma and Dhariwal 2018 (LU); Tomczak and Welling 2016 (Householder)   derivations: flows

    z        a point of the base              [..., D]        y    its image            [..., D]
    log_det  log |det| of the Jacobian of the direction asked for, in nats, [...] or one for all points []
"""
import functools
from typing import Callable, NamedTuple

from backends import xp
from scratch import trees
from scratch.flows import change
from scratch.nets.linear import mlp
from scratch.nets.masked import masked_mlp


class Bijection(NamedTuple):
    init:    Callable       # stream -> params
    forward: Callable       # params, z -> y, log_det
    inverse: Callable       # params, y -> z, log_det


def inverted(f):
    """The two directions exchanged."""
    return Bijection(f.init, f.inverse, f.forward)


def chained(fs):
    """One after the other, params a list."""
    def forward(params, z):
        return change.compose(z, [functools.partial(f.forward, p) for f, p in zip(fs, params)])

    def inverse(params, y):
        return change.compose(y, [functools.partial(f.inverse, p) for f, p in zip(fs[::-1], params[::-1])])
    return Bijection(lambda stream: [f.init(stream(i)) for i, f in enumerate(fs)], forward, inverse)


# ---- linear: the identity at the start, but for mirrors --------------------------------------------------------------
def _zeros(**shapes):
    return lambda stream: {name: xp.zeros(shape, dtype="float32") for name, shape in shapes.items()}


def _diagonal(A):
    """e^A on the diagonal, 0 elsewhere."""
    return xp.exp(xp.diagonal(A, axis1=-1, axis2=-2)) * xp.eye(len(A), dtype=A.dtype)


def diagonal(D):
    """y = z e^s + b, the scaling after NICE."""
    return Bijection(_zeros(s=D, b=D),
                     lambda p, z: (z * xp.exp(p["s"]) + p["b"],  xp.sum(p["s"])),
                     lambda p, y: ((y - p["b"]) * xp.exp(-p["s"]), -xp.sum(p["s"])))


def lower(D):
    """y = L z + b: below the diagonal L is A, on it e^A."""
    L = lambda A: xp.tril(A, -1) + _diagonal(A)
    return Bijection(_zeros(A=(D, D), b=D),
                     lambda p, z: change.triangular(z, L(p["A"]), p["b"]),
                     lambda p, y: change.triangular_inverse(y, L(p["A"]), p["b"]))


def lu(D):
    """y = L U z + b: A is L below the diagonal, where L has ones, and U above it, where U has e^A."""
    factors = lambda A: (xp.tril(A, -1) + xp.eye(D, dtype=A.dtype), xp.triu(A, 1) + _diagonal(A))
    return Bijection(_zeros(A=(D, D), b=D),
                     lambda p, z: change.lu(z, *factors(p["A"]), p["b"]),
                     lambda p, y: change.lu_inverse(y, *factors(p["A"]), p["b"]))


def orthogonal(D, mirrors):
    """y = Q z, Q so many mirrors."""
    return Bijection(lambda stream: {"V": stream("V").normal((mirrors, D))},
                     lambda p, z: change.householder(z, p["V"]),
                     lambda p, y: change.householder(y, p["V"][::-1]))


# ---- with networks ---------------------------------------------------------------------------------------------------
def _bounded(net, D):
    """init, and params -> (x -> shift, log-scale): a network's two heads, the second held within +-a by a tanh, a [D]
    learned."""
    init, on = net

    def bounded(params):
        f = on(params["net"])

        def heads(x):
            t, h = f(x)
            return t, params["a"] * xp.tanh(h)
        return heads
    return lambda stream: {"net": init(stream("net")), "a": xp.ones(D, dtype="float32")}, bounded


def _still(D, hidden, activation, heads):
    """init, and params -> (x -> outputs), of a network from D numbers to `heads` times as many, 0 at the start."""
    init, apply = mlp((D, *hidden, D), activation, heads)
    first       = len(hidden)
    return (lambda stream: (p := init(stream))[:first] + trees.map(xp.zeros_like, p[first:]),
            lambda params: functools.partial(apply, params))


def coupling(mask, hidden, activation):
    """RealNVP's affine one; mask: booleans [D], True where z stays."""
    init, on = _bounded(_still(len(mask), hidden, activation, heads=2), len(mask))
    net      = lambda p: lambda x: on(p)(x)[::-1]
    return Bijection(init, lambda p, z: change.coupling(z, xp.asarray(mask), net(p)),
                           lambda p, y: change.coupling_inverse(y, xp.asarray(mask), net(p)))


def additive(mask, hidden, activation):
    """NICE's coupling: s = 0, so that volumes are kept."""
    init, on = _still(len(mask), hidden, activation, heads=1)
    net      = lambda p: lambda x: (xp.zeros_like(x), *on(p)(x))
    return Bijection(init, lambda p, z: change.coupling(z, xp.asarray(mask), net(p)),
                           lambda p, y: change.coupling_inverse(y, xp.asarray(mask), net(p)))


def maf(order, hidden, activation):
    """Masked autoregressive: y a number after the other in this order, z all at once."""
    init, net = _bounded(masked_mlp(order, hidden, activation, heads=2), len(order))
    return Bijection(init, lambda p, z: change.autoregressive_inverse(z, net(p), order),
                           lambda p, y: change.autoregressive(y, net(p)))


def iaf(order, hidden, activation):
    """Inverse autoregressive: y all at once, z a number after the other."""
    return inverted(maf(order, hidden, activation))
