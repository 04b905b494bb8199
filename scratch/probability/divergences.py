"""Divergences between laws, in closed form and in nats.   Kullback and Leibler 1951; Lin 1991; Vallender 1974;
Dowson and Landau 1982   derivations: divergences

    log_p, log_q     log-probabilities of X values, -inf where there is no mass     [..., X]
    p, q             the probabilities                                              [..., X]
    mu, log_var      means and log-variances of independent normals                 [..., D]
    mu, Sigma        mean and covariance of a normal law                            [..., D], [..., D, D]
"""
import math

from backends import xp
from scratch.autodiff.tape import primitive


# ---- finitely many values --------------------------------------------------------------------------------------------
def kl_categorical(log_p, log_q):
    """KL(p || q) = sum p (log p - log q) [...]; +inf where p has mass and q none.       [divergences.kl_called]"""
    p    = xp.exp(log_p)
    some = p > 0
    return xp.sum(p * (xp.where(some, log_p, 0) - xp.where(some, log_q, 0)), axis=-1)


def js_categorical(log_p, log_q):
    """JS(p, q) = (KL(p || m) + KL(q || m)) / 2, m = (p + q) / 2 [...], between 0 and log 2.  [divergences.js_called]"""
    log_m = xp.logaddexp(log_p, log_q) - math.log(2)
    return (kl_categorical(log_p, log_m) + kl_categorical(log_q, log_m)) / 2


# ---- normal laws -----------------------------------------------------------------------------------------------------
def kl_normal(mu, log_var):
    """KL(N(mu, diag e^log_var) || N(0, I)), a sum over D [...], never negative.       [divergences.standard_called]"""
    return xp.sum(mu * mu + exp_above_tangent(log_var), axis=-1) / 2


def kl_normals(mu1, log_var1, mu2, log_var2):
    """KL of two normal laws with independent components [...]: in units of the second.  [divergences.line_called]"""
    return kl_normal((mu1 - mu2) * xp.exp(-log_var2 / 2), log_var1 - log_var2)


def kl_normal_full(mu1, Sigma1, mu2, Sigma2):
    """KL of two normal laws [...]: as above, after the map that makes Sigma2 = I.        [divergences.full_called]"""
    L1, L2 = xp.linalg.cholesky(Sigma1), xp.linalg.cholesky(Sigma2)
    m = xp.linalg.solve_triangular(L2, (mu1 - mu2)[..., None], lower=True)[..., 0]                  # [..., D]
    L = xp.linalg.solve_triangular(L2, L1, lower=True)                                              # [..., D, D]
    return kl_normal(m, 2 * xp.log(xp.diagonal(L, axis1=-2, axis2=-1))) + xp.sum(xp.tril(L, -1)**2, axis=(-2, -1)) / 2


def _exp_above_tangent(x):
    """e^x - 1 - x, by its series near 0, where nothing is left of that difference.      [divergences.tiny_called]"""
    near = xp.abs(x) < 1 / 4
    t, s = xp.where(near, x, 0), 1
    for k in range(13, 2, -1):
        s = 1 + t / k * s
    return xp.where(near, t * t / 2 * s, xp.expm1(x) - x)


exp_above_tangent = primitive(_exp_above_tangent, lambda g, y, x: g * xp.expm1(x), keeps="x", plain=_exp_above_tangent)


# ---- transport -------------------------------------------------------------------------------------------------------
def w1_line(x, p, q):
    """W1 of the laws p and q on the ascending points x [X] of the line [...]: sum |F - G| dx [divergences.w1_called]"""
    return xp.sum(xp.abs(xp.cumsum(p - q, axis=-1))[..., :-1] * (x[1:] - x[:-1]), axis=-1)


def frechet(mu1, Sigma1, mu2, Sigma2):
    """The square of W2 between normal laws, in the units of x squared [...].         [divergences.frechet_called]

    |mu1 - mu2|^2 + |A1 - A2 U|^2 with Sigma = A A^T and U the orthogonal matrix that makes it least: real and never
    negative where Tr(Sigma1 + Sigma2 - 2 (Sigma1 Sigma2)^1/2), which it equals, loses half the digits or turns complex.
    """
    A1, A2  = _factor(Sigma1), _factor(Sigma2)
    P, _, Q = xp.linalg.svd(xp.swapaxes(A1, -1, -2) @ A2)
    U = xp.swapaxes(P @ Q, -1, -2)
    return xp.sum((mu1 - mu2)**2, axis=-1) + xp.sum((A1 - A2 @ U)**2, axis=(-2, -1))


def _factor(Sigma):
    """A with A A^T = Sigma, of any rank; eigenvalues below 0 are rounding."""
    lam, V = xp.linalg.eigh(Sigma)
    return V * xp.sqrt(xp.maximum(lam, 0))[..., None, :]
