"""Estimators of expectations and of their gradients.   Williams 1992; Kingma and Welling 2014; Burda et al. 2016
derivations: estimators

    mu, log_var     mean and log-variance of independent normals      [..., D]
    eps             standard normal noise                             [..., D]
    log_q, f        log q(z_n) and f(z_n) at N draws                  [..., N]
    log_w           log-weights of N draws, -inf for a weight of 0    [..., N]
"""
import math

from backends import xp
from scratch.autodiff import logsumexp, stop_gradient


def reparameterise(mu, log_var, eps):
    """mu + sigma eps [..., D]: a draw of N(mu, diag e^log_var), with gradients.           [estimators.made_called]"""
    return mu + xp.exp(log_var / 2) * eps


def score_surrogate(log_q, f, baseline=0.0):
    """mean of (f - b) log q(z_n) [...]: its gradient estimates that of E_q[f].           [estimators.score_called]

    The baseline b, a number or [..., N], may not depend on the draw beside it; neither f nor b carries a gradient.
    """
    return xp.mean(stop_gradient(f - baseline) * log_q, axis=-1)


def leave_one_out(f):
    """The mean of the other N - 1 values beside each, a baseline [..., N].                 [estimators.loo_called]

    Raises ValueError where N is below 2.
    """
    N = f.shape[-1]
    if N < 2:
        raise ValueError(f"f has {N} draw in its last axis; leaving one out needs at least 2.")
    return (xp.sum(f, axis=-1, keepdims=True) - f) / (N - 1)


def log_mean_exp(log_w, axis=-1):
    """log (1/N sum w_n) in nats, stable near 0 too, where logsumexp - log N cancels.   [estimators.naive_called]"""
    top    = stop_gradient(xp.max(log_w, axis=axis, keepdims=True))
    finite = xp.isfinite(top)
    top    = xp.where(finite, top, 0)
    rise   = xp.mean(xp.expm1(xp.where(finite, log_w, 0) - top), axis=axis)     # mean of w / max w, less 1
    near   = xp.all(finite, axis=axis) & (rise > -1 / 2)
    return xp.where(near, xp.sum(top, axis=axis) + xp.log1p(rise),
                    logsumexp(log_w, axis=axis) - math.log(log_w.shape[axis]))
