"""Probabilistic principal components, the autoencoder that can be solved.   Tipping and Bishop 1999   derivations: vae

    x    data                      [N, M]          z ~ N(0, I),  x | z ~ N(W z + b, s2 I)
    W    decoder                   [M, K]          so  x ~ N(b, W W^T + s2 I)
"""
import math

from backends import xp
from scratch.autodiff import logabsdet


def log_likelihood(x, W, b, s2):
    """log N(x_n; b, W W^T + s2 I) in nats [N], at the price of a K x K matrix.                     [vae.ppca_called]"""
    M, K = W.shape
    s2   = s2 * xp.ones((), dtype=W.dtype)
    d = x - b                                                                   # [N, M]
    P = xp.eye(K, dtype=W.dtype) + W.T @ W / s2                                 # [K, K]   precision of z | x
    m = xp.linalg.solve(P, W.T @ d.T / s2).T                                    # [N, K]   its mean
    maha = xp.sum((d - m @ W.T)**2, axis=1) / s2 + xp.sum(m * m, axis=1)        # [N]
    return -(M * (math.log(2 * math.pi) + xp.log(s2)) + logabsdet(P) + maha) / 2


def fit(x, K):
    """The most likely W, b and s2, for K < M: s2 is the mean variance in the directions that W leaves out. Columns of W
    fall in length, their signs are arbitrary.                                                      [vae.ppca_fitted]"""
    if not 0 < K < x.shape[1]:
        raise ValueError(f"K is {K}; expected 1 to {x.shape[1] - 1}, fewer than the columns of x.")
    b = xp.mean(x, axis=0)
    d = x - b
    lam, U = xp.linalg.eigh(d.T @ d / x.shape[0])                               # ascending
    s2 = xp.mean(lam[:-K])
    return (U * xp.sqrt(xp.maximum(lam - s2, 0)))[:, ::-1][:, :K], b, s2
