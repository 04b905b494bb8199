"""Probabilistic principal components, the autoencoder that can be solved.   Tipping and Bishop 1999   derivations: vae

    x    data                      [N, M]          z ~ N(0, I),  x | z ~ N(W z + b, s2 I)
    W    decoder                   [M, K]          so  x ~ N(b, W W^T + s2 I)
"""
import dataclasses
import math

from backends import xp
from scratch.autodiff import logabsdet
from scratch.autoencoders import vae
from scratch.data.checks import check_table
from scratch.hyper import Choice, Whole, hyper
from scratch.train import EM, OfReals


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


def em_step(x, W, b, s2):
    """One step of EM: the moments of p(z_n | x_n), then the W, b and s2 that make the expected log p(x, z) largest, all
    at once: a regression of x on z.                                                              [vae.ppca_stepped]"""
    N, M = x.shape
    y = x - b                                                                   # [N, M]
    P = s2 * xp.eye(W.shape[1], dtype=W.dtype) + W.T @ W                        # [K, K]
    m = xp.linalg.solve(P, W.T @ y.T).T                                         # [N, K]   mean of z | x
    V = s2 * xp.linalg.inv(P)                                                   # [K, K]   its covariance
    d, e = y - xp.mean(y, axis=0), m - xp.mean(m, axis=0)
    W  = xp.linalg.solve(e.T @ e + N * V, e.T @ d).T                            # [M, K]
    s2 = (xp.mean(xp.sum((d - e @ W.T)**2, axis=1)) + xp.sum((W @ V) * W)) / M
    return W, b + xp.mean(y, axis=0) - W @ xp.mean(m, axis=0), s2


#                  x and W, b, s2 -> better ones
LEARN = {
    "closed form": lambda x, W, b, s2: fit(x, W.shape[1]),
    "em":          em_step,
}


@dataclasses.dataclass(frozen=True)
class PPCA(EM, OfReals):
    """Probabilistic principal components, learned at once by the closed form, or step by step by EM.

    params are W [D, K], b [D] and s2 []; stats is empty. Raises ValueError for as many numbers in the code as columns.
    """
    latent: int = hyper(0,             Whole,         "numbers in the code; 0 for as many as fit, at most 8")
    learn:  str = hyper("closed form", Choice(LEARN), "how it is learned")

    PARAMS = ("W", "b", "s2")

    def sizes(self, D):
        return (D, self.latent or min(8, D - 1)), (D,), ()

    def init(self, stream, example):
        """params, stats: the mean of the data example["x"] [N, D], and their variance, a half of it in a random W."""
        x = check_table(example["x"]).astype(self.precision)
        D, (_, K) = x.shape[1], self.sizes(x.shape[1])[0]
        if not 0 < K < D:
            raise ValueError(f"latent={self.latent}, but the data have {D} column{'s' * (D > 1)}; expected a code of "
                             f"fewer numbers than columns{': choose a smaller latent' * (D > 1)}.")
        s2 = xp.mean(xp.var(x, axis=0)) / 2
        if not bool(s2 > 0):
            raise ValueError("x has rows that are all the same; expected data that vary.")
        W  = xp.sqrt(s2 / K) * stream("W").normal((D, K), self.precision)
        return {"W": W, "b": xp.mean(x, axis=0), "s2": s2}, {}

    def step(self, x, W, b, s2):
        least   = 4 * len(b) * xp.finfo(x.dtype).eps * xp.mean(xp.var(x, axis=0))     # less than that is rounding
        log_lik = xp.where(s2 > least, xp.sum(log_likelihood(x, W, b, s2)), math.nan)
        return LEARN[self.learn](x, W, b, s2), log_lik

    def finished(self, before, after):
        return self.learn == "closed form" or super().finished(before, after)

    def diagnose(self, state, batch):
        """Why the log-likelihood of this state is not finite."""
        return (f"The data have no variance beyond {self.latent} directions, so no density: lower latent, or add noise "
                "to x.")

    def density(self, params, stats, x):
        return log_likelihood(x.astype(params["W"].dtype), **params)

    def log_prob(self, params, stats, x):
        """log p(x_n) in nats [N], in the precision of params. Raises as `check_table` does."""
        return self.density(params, stats, check_table(x, "x", len(params["b"])))

    def sample(self, params, stats, stream, n):
        """n points [n, D]."""
        W, b, s2 = (params[name] for name in self.PARAMS)
        z, eps = stream("z").normal((n, W.shape[1]), W.dtype), stream("eps").normal((n, len(b)), W.dtype)
        return vae.sample(z, eps, lambda z: (z @ W.T + b, xp.log(s2)))
