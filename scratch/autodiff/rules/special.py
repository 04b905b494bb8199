"""Special functions, and the stable forms of the compositions that models are made of.

    sigmoid(x) = 1 / (1 + e^-x)      softplus(x) = log(1 + e^x)        log_sigmoid(x) = -softplus(-x)
    log1mexp(x) = log(1 - e^-x)      xlogy(x, y) = x log y, 0 at x = 0  log_ndtr = log of the normal cdf

No epsilon anywhere: each is right to a few ulp wherever its value is a number of the dtype.
"""
import math

from backends import xp
from scratch.autodiff.rules.elementwise import fit
from scratch.autodiff.tape import primitive, rule

ln2, sqrt_half, root_2_over_pi = math.log(2), math.sqrt(0.5), math.sqrt(2 / math.pi)

gammaln   = rule("gammaln",   lambda g, y, x: g * xp.digamma(x),                                       keeps="x")
digamma   = rule("digamma",   lambda g, y, x: g * xp.polygamma(1, x),                                  keeps="x")
polygamma = rule("polygamma", None, lambda g, y, n, x: g * xp.polygamma(n + 1, x),                     keeps="n x")
erf       = rule("erf",       lambda g, y, x: g * (2 / math.sqrt(math.pi)) * xp.exp(-x * x),           keeps="x")
erfc      = rule("erfc",      lambda g, y, x: -g * (2 / math.sqrt(math.pi)) * xp.exp(-x * x),          keeps="x")
sigmoid   = rule("expit",     lambda g, y, x: g * y * sigmoid(-x),                                     keeps="y x")
logit     = rule("logit",     lambda g, y, x: g / (x * (1 - x)),                                       keeps="x")


def _ndtr(x):
    """The normal distribution function."""
    return xp.ndtr(x)


def _inverse_mills(x):
    """phi(x) / Phi(x), the derivative of log Phi. Its own derivative loses x^2 eps, as x + y cancels far below 0."""
    return root_2_over_pi / xp.erfcx(-sqrt_half * x)


def _log_ndtr(x):
    """log Phi(x), the logarithm of the normal distribution function."""
    return xp.log_ndtr(x)


def _softplus(x):
    """log(1 + exp(x))."""
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


def _log1mexp(x):
    """log(1 - exp(-x)) for x >= 0.   Maechler 2012"""
    return xp.where(x < ln2, xp.log(-xp.expm1(-xp.minimum(x, ln2))), xp.log1p(-xp.exp(-xp.maximum(x, ln2))))


def _xlogy(x, y):
    """x log y, and 0 where x = 0."""
    return xp.xlogy(x, y)


ndtr = primitive(_ndtr, lambda g, y, x: g * (root_2_over_pi / 2) * xp.exp(-x * x / 2), keeps="x",
                 plain=lambda x: xp.erfc(-sqrt_half * x) / 2)
inverse_mills = primitive(_inverse_mills, lambda g, y, x: -g * y * (x + y), keeps="y x",
                          plain=lambda x: root_2_over_pi * xp.exp(-x * x / 2) / xp.erfc(-sqrt_half * x))
log_ndtr = primitive(_log_ndtr, lambda g, y, x: g * inverse_mills(x), keeps="x",
                     plain=lambda x: xp.log(xp.erfc(-sqrt_half * x) / 2))
softplus = primitive(_softplus, lambda g, y, x: g * sigmoid(x), keeps="x", plain=lambda x: xp.logaddexp(x, 0))
log1mexp = primitive(_log1mexp, lambda g, y, x: g * xp.exp(-x - y), keeps="y x", plain=lambda x: xp.log(-xp.expm1(-x)))
xlogy    = primitive(_xlogy, lambda g, y, a, b: fit(g * xp.log(b), a),
                             lambda g, y, a, b: fit(g * _xdivy(a, b), b), keeps="a b",
                     plain=lambda a, b: a * xp.log(b + ((a == 0) & (b == 0))))


def _xdivy(x, y):
    """x / y, and 0 where both are 0."""
    return x / xp.where((x == 0) & (y == 0), 1, y)


def log_sigmoid(x):
    """log(1 / (1 + exp(-x)))."""
    return -softplus(-x)


# ---- normalised exponentials over an axis (an int, a tuple, or None for all) -----------------------------------------
def _logsumexp(x, axis=None, keepdims=False):
    """log sum exp x over `axis`: -inf where all are -inf, +inf where one is. Raises ValueError over an empty axis."""
    m, s = _shifted(x, axis)
    y = m + xp.log(_or_one(xp.sum(s, axis=axis, keepdims=True)))
    return y if keepdims else xp.squeeze(y, axis=axis)


def _softmax(x, axis=-1):
    """exp x / sum exp x over `axis`; 0 where all are -inf."""
    _, s = _shifted(x, axis)
    return s / _or_one(xp.sum(s, axis=axis, keepdims=True))


def _shifted(x, axis):
    """The maximum m, and exp(x - m), which is 1 at an infinite maximum and 0 where all are -inf."""
    m   = xp.max(x, axis=axis, keepdims=True)
    top = xp.clip(m, *(sign * float(xp.finfo(m.dtype).max) for sign in (-1, 1)))
    return m, xp.exp(xp.minimum(x - top, 0))


def _or_one(s):
    return xp.where(s == 0, 1, s)


def _softmax_pull(g, y, x, axis=-1):
    return y * (g - xp.sum(g * y, axis=axis, keepdims=True))


def _logsumexp_pull(g, y, x, axis=None, keepdims=False):
    return (g if keepdims else spread(g, x, axis)) * softmax(x, axis)


def spread(g, x, axis):
    """g, from which a reduction took `axis` of x away, with those axes again, of length 1."""
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    axes = {a % x.ndim for a in axes}
    return xp.reshape(g, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))


softmax   = primitive(_softmax, _softmax_pull, keeps="y",
                      plain=lambda x, axis=-1: xp.exp(x) / xp.sum(xp.exp(x), axis=axis, keepdims=True))
logsumexp = primitive(_logsumexp, _logsumexp_pull, keeps="x",
                      plain=lambda x, axis=None, keepdims=False: xp.log(xp.sum(xp.exp(x), axis, keepdims=keepdims)))


def log_softmax(x, axis=-1):
    """x - logsumexp(x) over `axis`."""
    return x - logsumexp(x, axis, keepdims=True)
