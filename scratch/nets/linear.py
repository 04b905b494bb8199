"""Fully connected networks.   Rumelhart et al. 1986; He et al. 2015 (the start)

    x    input [..., n]        W, b    weights [n, m] and biases [m]        y    output [..., m]
"""
import math

from backends import xp
from scratch.autodiff import sigmoid, softplus
from scratch.autodiff.tape import primitive
from scratch.data.checks import check_memory


def _affine(x, W, b):
    """x W + b."""
    y  = x @ W
    y += b
    return y


def _rows(x):
    return x if x.ndim == 2 else xp.reshape(x, (-1, x.shape[-1]))


def _relu(x):
    """The positive part of x; its derivative at 0 is 0."""
    return xp.maximum(x, 0)


def _leaky_relu(x):
    """x where it is positive, else a fifth of it.   Maas et al. 2013; Radford et al. 2016 (the fifth)"""
    return xp.maximum(x, 0.2 * x)


def _silu(x):
    """x / (1 + e^-x), right to the last places of x.   Elfwing et al. 2018"""
    return x * _logistic(x)


def _logistic(x):
    """1 / (1 + e^-x), right to the last places of 1, where sigmoid is to those of itself at four times the price."""
    return (1 + xp.tanh(x / 2)) / 2


affine = primitive(_affine, lambda g, y, x, W, b: g @ W.T,
                            lambda g, y, x, W, b: _rows(x).T @ _rows(g),
                            lambda g, y, x, W, b: xp.sum(_rows(g), axis=0), keeps="x W",
                   plain=lambda x, W, b: x @ W + b)
relu   = primitive(_relu,   lambda g, y, x: g * (y > 0), keeps="y", plain=lambda x: x * (x > 0))
leaky_relu = primitive(_leaky_relu, lambda g, y, x: g * xp.maximum(xp.astype(y > 0, g.dtype), 0.2), keeps="y",
                       plain=lambda x: xp.where(x > 0, x, 0.2 * x))
silu   = primitive(_silu,   lambda g, y, x: g * (y + (1 - y) * _logistic(x)), keeps="y x",
                   plain=lambda x: x * sigmoid(x))

#               what follows an affine map, and the deviation that its weights want, in units of 1 / sqrt(n)
ACTIVATIONS = {
    "relu":     (relu,                 math.sqrt(2)),
    "leaky":    (leaky_relu,           math.sqrt(2 / 1.04)),
    "silu":     (silu,                 1.68),
    "tanh":     (lambda x: xp.tanh(x), 1),
    "sigmoid":  (sigmoid,              1),
    "softplus": (softplus,             math.sqrt(2)),
    "linear":   (lambda x: x,          1),
}


def linear(n, m, gain=1):
    """(init, apply) of an affine map: init(stream) draws W with deviation gain / sqrt(n), b = 0, in float32. Raises
    ValueError for one that does not fit into memory, with its gradient and the moments of an optimiser."""
    check_memory(20 * n * m, f"A layer of {n} x {m} weights", "choose smaller ones")
    def init(stream):
        return {"W": stream("W").normal((n, m)) * (gain / math.sqrt(n)), "b": xp.zeros(m, dtype="float32")}

    def apply(params, x):
        return affine(x, params["W"], params["b"])
    return init, apply


def joined(parts):
    """init of parts {name: (init, apply)} together, and on(params) -> f, f(name, *args) applies one of them."""
    def init(stream):
        return {name: init(stream(name)) for name, (init, _) in parts.items()}

    def on(params):
        return lambda name, *args: parts[name][1](params[name], *args)
    return init, on


def in_turn(parts):
    """(init, apply) of parts (init, apply), one after the other; params are a list."""
    def init(stream):
        return [init(stream(i)) for i, (init, _) in enumerate(parts)]

    def apply(params, x):
        for own, (_, part) in zip(params, parts):
            x = part(own, x)
        return x
    return init, apply


def mlp(sizes, activation="relu", heads=1):
    """(init, apply) of affine maps from sizes[0] to sizes[-1] with an activation between them; the last is there
    `heads` times, side by side, and apply gives a tuple of as many outputs. params are a list."""
    act, gain = ACTIVATIONS[activation]
    hidden = [linear(n, m, gain) for n, m in zip(sizes, sizes[1:-1])]
    last   = [linear(*sizes[-2:])] * heads

    def init(stream):
        return [init(stream(i)) for i, (init, _) in enumerate(hidden + last)]

    def apply(params, x):
        for layer, (_, apply) in zip(params, hidden):
            x = act(apply(layer, x))
        return tuple(apply(layer, x) for layer, (_, apply) in zip(params[len(hidden):], last))
    return init, apply
