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
    """z = mu + sigma eps, a draw from N(mu, diag e^log_var) that can be differentiated.  [estimators.made_called]"""
    return mu + xp.exp(log_var / 2) * eps


def score_surrogate(log_q, f, baseline=0.0):
    """mean of (f - b) log q(z_n) [...]: its gradient estimates that of E_q[f]. The baseline b, a number or [..., N], may
    not depend on the draw it stands beside; f and b carry no gradient.                   [estimators.score_called]"""
    return xp.mean(stop_gradient(f - baseline) * log_q, axis=-1)


def leave_one_out(f):
    """The mean of the N - 1 other values beside each: a baseline [..., N]. N of at least 2.    [estimators.loo_called]"""
    N = f.shape[-1]
    if N < 2:
        raise ValueError(f"f has {N} draw in its last axis; leaving one out needs at least 2.")
    return (xp.sum(f, axis=-1, keepdims=True) - f) / (N - 1)


def log_mean_exp(log_w, axis=-1):
    """log (1/N sum w_n) in nats, exact near 0 too, where log(1/N) + logsumexp cancels.     [estimators.naive_called]"""
    top  = stop_gradient(xp.max(log_w, axis=axis, keepdims=True))
    top  = xp.where(xp.isfinite(top), top, 0)
    rise = xp.mean(xp.expm1(log_w - top), axis=axis)                # mean of w / max w, less 1: between 1/N - 1 and 0
    near = rise > -1 / 2
    return xp.where(near, xp.sum(top, axis=axis) + xp.log1p(xp.where(near, rise, 0)),
                    logsumexp(log_w, axis=axis) - math.log(log_w.shape[axis]))
