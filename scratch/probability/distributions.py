"""Log-probabilities in nats.   Salimans et al. 2017, Ho et al. 2020 (laws in bins)   derivations: vae autoregressive

    x          data; what is summed over is all but the first axis        [B, ...]
    k          whole levels 0 .. levels - 1                               [B, ...]
"""
import math

from backends import xp
from scratch.autodiff import (inverse_mills, log1mexp, log_ndtr, log_sigmoid, log_softmax, logsumexp, sigmoid,
                              softplus)
from scratch.autodiff.rules.elementwise import fit
from scratch.autodiff.tape import primitive

log_2pi = math.log(2 * math.pi)


def gaussian_log_prob(x, mu, log_var):
    """log N(x; mu, diag e^log_var) [B].                                                      [vae.gaussian_called]"""
    return -per_example(log_2pi + log_var + ((x - mu) * xp.exp(-log_var / 2))**2) / 2


def bernoulli_log_prob(x, logits):
    """log p(x) [B] of independent bits with P(1) = sigmoid(logits), for finite logits. Between 0 and 1 an x has no
    probability: what comes out is then minus a cross-entropy.                               [vae.bernoulli_called]"""
    return per_example(log_bernoulli(x, logits))


def logistic_log_prob(k, mu, log_s, levels):
    """log P(k) [B] of independent levels: P(k) is the mass of a logistic law in the bin of k / (levels - 1), of width
    1 / (levels - 1); the first and the last bin take the tails. mu and s are in units of the whole range.
                                                                                              [vae.logistic_called]"""
    return per_example(log_logistic(k, mu, log_s, levels))


def logistic_mixture_log_prob(k, logits, mu, log_s, levels):
    """log P(k) [B] of pixels with C colours, k [B, ..., C]: a mixture of M logistic laws in the same bins. A pixel's
    colours share the component that they come from: logits [B, ..., M]; mu, log_s [B, ..., C, M].
                                                                                     [autoregressive.mixture_called]"""
    log_p = xp.sum(log_logistic(k[..., None], mu, log_s, levels), axis=-2)                     # [B, ..., M]
    return per_example(logsumexp(log_softmax(logits, axis=-1) + log_p, axis=-1))


def colour_means(k, mu, coef, levels):
    """mu [B, ..., C, M] moved by the colours before, which count in units of the whole range: mu_g + c_gr r,
    mu_b + c_br r + c_bg g, with coef = c_gr, c_br, c_bg [B, ..., C (C - 1) / 2, M].
                                                                                     [autoregressive.colours_called]"""
    x = xp.astype(k, mu.dtype)[..., None] / (levels - 1)                                       # [B, ..., C, 1]
    return xp.stack([mu[..., c, :] + sum(coef[..., c * (c - 1) // 2 + b, :] * x[..., b, :] for b in range(c))
                     for c in range(k.shape[-1])], axis=-2)


def normal_level_log_prob(k, mu, log_var, levels):
    """log P(k) [B] as above, of a normal law: mu and sigma are in units of the whole range.

    log(Phi(b) - Phi(a)) = log Phi(b) + log(1 - Phi(a) / Phi(b)), where the bin's middle lies below 0, or is turned over
    to do so: no difference of what is nearly 1. In a narrow bin log Phi(b) - log Phi(a) is what its slope adds up to.
                                                                                                [vae.normal_called]"""
    k     = xp.astype(k, mu.dtype)
    scale = xp.exp(-log_var / 2)
    low   = ((k - 0.5) / (levels - 1) - mu) * scale
    high  = ((k + 0.5) / (levels - 1) - mu) * scale
    first, last = k == 0, k == levels - 1
    over  = last | ~first & (low + high > 0)
    a, b  = xp.where(over, -high, low), xp.where(over, -low, high)
    width = scale / (levels - 1)
    nodes = [(a + b) / 2 + at * width for at in (-math.sqrt(0.15), 0, math.sqrt(0.15))]     # Gauss and Legendre's
    rise  = width * sum(w / 18 * inverse_mills(x) for w, x in zip((5, 8, 5), nodes))
    rise  = xp.where(width < 0.05, rise, log_ndtr(b) - log_ndtr(a))
    return per_example(log_ndtr(b) + xp.where(first | last, 0, log1mexp(xp.where(first | last, 1, rise))))


def log_logistic(k, mu, log_s, levels):
    """log P(k) as above, of each level by itself: sigma(a) - sigma(b) = sigma(a) sigma(-b) (1 - e^(b - a)), no
    difference of what is nearly equal.                                                       [vae.logistic_called]"""
    k     = xp.astype(k, mu.dtype)
    scale = xp.exp(-log_s)
    low   = ((k - 0.5) / (levels - 1) - mu) * scale                             # the same number as the `high` of k - 1
    high  = ((k + 0.5) / (levels - 1) - mu) * scale
    first, last = k == 0, k == levels - 1
    width = xp.where(first | last, 1, scale / (levels - 1))
    return (xp.where(last, 0, log_sigmoid(high)) + xp.where(first, 0, log_sigmoid(-low))
            + xp.where(first | last, 0, log1mexp(width)))


def per_example(a):
    """The sum over all but the first axis [B].                                               [vae.gaussian_called]"""
    return xp.sum(a, axis=tuple(range(1, a.ndim)))


def _log_bernoulli(x, logits):
    """x logits - softplus(logits)."""
    y  = x * logits
    y -= softplus(logits)
    return y


log_bernoulli = primitive(_log_bernoulli, lambda g, y, x, l: fit(g * l, x),
                                          lambda g, y, x, l: fit(g * (x - sigmoid(l)), l), keeps="x l",
                          plain=lambda x, l: x * l - softplus(l))
