"""Normalisation.   Ioffe and Szegedy 2015 (batch), Ba et al. 2016 (layer), Ulyanov et al. 2016 (instance), Wu and He
2018 (group, and the table)

    x            input [B, spatial..., C], seen as [A, S, C]: A sets of S positions, C channels in groups
    mean, var    of the S positions and the channels of a group, the variance biased                       [A, 1, C]
    y            scale (x - mean) / sqrt(var + eps) + shift                                         scale, shift [C]
"""
from backends import xp
from scratch.autodiff.tape import primitive

EPS = 1e-5                                          # of the papers

#               sets among B examples, groups of C channels: what shares its moments
SHARING = {
    "batch":    lambda B, C, groups: (1, C),
    "layer":    lambda B, C, groups: (B, 1),
    "instance": lambda B, C, groups: (B, C),
    "group":    lambda B, C, groups: (B, groups),
}


# ---- on [A, S, C]: sums as matrix products and coefficients repeated are several times as fast as by axes ------------
def _sum(x):
    """The sum over S, [A, 1, C]."""
    return xp.ones((1, x.shape[1]), dtype=x.dtype) @ x


def _mean(x, groups):
    """The mean over S and over the channels of a group, at each channel: [A, 1, C]."""
    (A, S, C), c = x.shape, x.shape[2] // groups
    m = xp.full((1, S), 1 / S, dtype=x.dtype) @ x
    if c > 1:
        m = xp.reshape(m, (-1, c)) @ xp.full((c, 1), 1 / c, dtype=x.dtype) @ xp.ones((1, c), dtype=x.dtype)
    return xp.reshape(m, (A, 1, C))


def _plain_mean(x, groups):
    A, S, C = x.shape
    m = xp.mean(xp.reshape(x, (A, S, groups, C // groups)), axis=(1, 3))
    return xp.repeat(m, C // groups, axis=1)[:, None]


def _along(a, x):
    return xp.repeat(a, x.shape[1], axis=1)


def _scaled(x, a):
    """x a, where a is [A, 1, C]."""
    return x * _along(a, x)


def _shifted(x, b):
    """x + b, where b is [A, 1, C]."""
    return x + _along(b, x)


def _centred(x, groups):
    """x less its mean over S and the channels of a group."""
    return x - _along(_mean(x, groups), x)


def _mean_square(x, groups):
    """The mean of x^2 over S and the channels of a group, at each channel: [A, 1, C]."""
    return _mean(x * x, groups)


scaled      = primitive(_scaled,      lambda g, y, x, a: scaled(g, a),
                                      lambda g, y, x, a: _sum(g * x), keeps="x a",
                        plain=lambda x, a: x * a)
shifted     = primitive(_shifted,     lambda g, y, x, b: g,
                                      lambda g, y, x, b: _sum(g),
                        plain=lambda x, b: x + b)
centred     = primitive(_centred,     lambda g, y, x, groups: centred(g, groups),
                        plain=lambda x, groups: x - _plain_mean(x, groups))
mean_square = primitive(_mean_square, lambda g, y, x, groups: scaled(x, _mean(g, groups) * (2 / x.shape[1])), keeps="x",
                        plain=lambda x, groups: _plain_mean(x * x, groups))


# ---- the layers ------------------------------------------------------------------------------------------------------
def norm(name, C, groups=1):
    """(init, apply) of a row of SHARING on [B, spatial..., C]; `groups` is what "group" has. Raises ValueError for
    groups that do not share C evenly."""
    if C % groups:
        raise ValueError(f"groups={groups} do not share {C} channels evenly; choose a divisor of {C}.")
    def apply(params, x):
        A, G = SHARING[name](x.shape[0], C, groups)
        d    = centred(xp.reshape(x, (A, -1, C)), G)
        return _scale_and_shift(params, d, mean_square(d, G), x.shape)
    return _start(C), apply


def batch_norm(C):
    """(init, apply) of batch normalisation: apply(params, x, moments=None) -> y, (mean, var), by the moments given,
    [C] each, or else by the batch's own, which it gives back."""
    def apply(params, x, moments=None):
        z = xp.reshape(x, (1, -1, C))
        if moments is None:
            d = centred(z, C)
            moments = [xp.reshape(m, (C,)) for m in (_mean(z, C), mean_square(d, C))]
        else:
            d = shifted(z, xp.reshape(-moments[0], (1, 1, C)))
        mean, var = moments
        return _scale_and_shift(params, d, xp.reshape(var, (1, 1, C)), x.shape), (mean, var)
    return _start(C), apply


def running(old, new, n, decay=0.9):
    """The moving averages (mean, var) of the moments of batches of n positions; the variance's is of the unbiased."""
    (mean, var), (mean_n, var_n) = old, new
    return decay * mean + (1 - decay) * mean_n, decay * var + (1 - decay) * n / max(n - 1, 1) * var_n


def _start(C):
    return lambda stream: {"scale": xp.ones(C, dtype="float32"), "shift": xp.zeros(C, dtype="float32")}


def _scale_and_shift(params, d, var, shape):
    y = scaled(d, params["scale"] / xp.sqrt(var + EPS))
    return xp.reshape(shifted(xp.reshape(y, (1, -1, shape[-1])), xp.reshape(params["shift"], (1, 1, -1))), shape)


def condition(x, gamma, beta):
    """(1 + gamma) x + beta, a gamma and a beta [B, C] an example.   Perez et al. 2018, Dhariwal and Nichol 2021"""
    z = xp.reshape(x, (x.shape[0], -1, x.shape[-1]))
    return xp.reshape(shifted(scaled(z, 1 + gamma[:, None]), beta[:, None]), x.shape)
