"""Mixture of Gaussians by EM.   Dempster, Laird and Rubin 1977   derivations: mixtures

    x        data                                                    [N, D]
    pi       weights, sum 1; log_pi their logarithms                 [K]
    mu       means                                                   [K, D]
    Sigma    covariances, never below floor * I                      [K, D, D]
    r        responsibilities, r_nk = p(k | x_n)                     [N, K]

    p(x) = sum_k pi_k N(x; mu_k, Sigma_k)
    E    r_nk  = pi_k N(x_n; mu_k, Sigma_k) / p(x_n)
    M    N_k   = sum_n r_nk                       pi_k    = N_k / N
         mu_k  = sum_n r_nk x_n / N_k             Sigma_k = sum_n r_nk (x_n - mu_k)(x_n - mu_k)^T / N_k
"""
import dataclasses
import math

from backends import backend, to_host, xp
from scratch.autodiff import logsumexp, softmax
from scratch.data.checks import check_table
from scratch.hyper import Choice, NonNegative, hyper
from scratch.mixtures.em import Mixture, clusters, log, or_inf
from scratch.train import OfReals

log_2pi = math.log(2 * math.pi)


# ---- the families of covariances -------------------------------------------------------------------------------------
# In each family the matrix that maximises -N_k / 2 (log |Sigma_k| + tr(Sigma_k^-1 S_k)), summed over k, subject to
# Sigma_k >= floor I. Where the floor holds back an eigenvalue it becomes the floor: so the bound rises at each step.
def _full(S, pi, floor):
    lam, V = xp.linalg.eigh(S)
    return (V * xp.maximum(lam, floor)[:, None, :]) @ xp.swapaxes(V, 1, 2)


def _tied(S, pi, floor):
    return xp.broadcast_to(_full(xp.einsum("k,kij->ij", pi, S)[None], pi, floor), S.shape)


def _diagonal(S, pi, floor):
    return xp.maximum(xp.diagonal(S, axis1=-1, axis2=-2), floor)[:, :, None] * _eye(S)


def _spherical(S, pi, floor):
    return xp.maximum(xp.mean(xp.diagonal(S, axis1=-1, axis2=-2), axis=1), floor)[:, None, None] * _eye(S)


def _eye(S):
    return xp.eye(S.shape[-1], dtype=S.dtype)


#   name        Sigma from the scatter S, free numbers in it
COVARIANCES = {
    "full":      (_full,      lambda K, D: K * D * (D + 1) // 2),
    "tied":      (_tied,      lambda K, D: D * (D + 1) // 2),
    "diagonal":  (_diagonal,  lambda K, D: K * D),
    "spherical": (_spherical, lambda K, D: K),
}


# ---- the math --------------------------------------------------------------------------------------------------------
def log_joint(x, log_pi, mu, Sigma):
    """log p(x_n, k) = log pi_k + log N(x_n; mu_k, Sigma_k), in nats [N, K].               [mixtures.joint_called]"""
    return _log_joint(log_pi, *_whitened(x, mu, Sigma))


def _whitened(x, mu, Sigma):
    """L of Sigma = L L' [K, D, D], and y = L^-1 (x - mu) [K, D, N].                       [mixtures.joint_called]"""
    L = xp.linalg.cholesky(Sigma)
    d = xp.swapaxes(x - mu[:, None], 1, 2)                                                     # [K, D, N]
    return L, xp.linalg.solve_triangular(L, d, lower=True)


def _log_joint(log_pi, L, y):
    """`log_joint` of what is whitened.                                                    [mixtures.joint_called]"""
    log_N = -(xp.sum(y * y, axis=1) + y.shape[1] * log_2pi) / 2 - _half_log_det(L)[:, None]    # [K, N]
    return log_pi + log_N.T


def responsibilities(x, log_pi, mu, Sigma):
    """The E step: r_nk = p(k | x_n) [N, K], and log p(x_n) in nats [N].               [mixtures.posterior_called]"""
    log_p_xk = log_joint(x, log_pi, mu, Sigma)
    return softmax(log_p_xk, axis=1), logsumexp(log_p_xk, axis=1)


def score(x, log_pi, mu, Sigma):
    """grad log p(x_n) = sum_k r_nk Sigma_k^-1 (mu_k - x_n) [N, D]; 0 where log p(x_n) is -inf in this precision.
                                                                                           [scores.mixture_called]"""
    L, y  = _whitened(x, mu, Sigma)
    z     = xp.linalg.solve_triangular(xp.swapaxes(L, 1, 2), y, lower=False)                   # [K, D, N]
    return -xp.einsum("nk,kdn->nd", softmax(_log_joint(log_pi, L, y), axis=1), z)


def noised(Sigma, sigma):
    """The covariances of the mixture with normal noise of deviation sigma added to its points. [scores.noised_called]
    """
    return Sigma + sigma**2 * _eye(Sigma)


def maximise(x, r, mu, covariance="full", floor=0.0):
    """The M step: log_pi, mu, Sigma. Sums are taken around the old means mu, so that data far from 0 lose nothing, and
    a component without points stays where it is.                                      [mixtures.covariances_called]"""
    N_k, mu, S = map(xp.stack, zip(*(_moments(x, r[:, k], mu[k]) for k in range(mu.shape[0]))))
    pi = N_k / x.shape[0]
    return log(pi), mu, COVARIANCES[covariance][0](S, pi, floor)


def _moments(x, r_k, mu_k):
    """N_k [], mu_k [D] and S_k [D, D] of one component."""
    N_k  = xp.sum(r_k)
    mu_k = mu_k + r_k @ (x - mu_k) / or_inf(N_k)
    d    = x - mu_k
    return N_k, mu_k, (r_k * d.T) @ d / or_inf(N_k)


def em_step(x, log_pi, mu, Sigma, covariance="full", floor=0.0, block=None):
    """One E and one M step, and sum_n log p(x_n) of the old parameters: `responsibilities` and `maximise` in blocks of
    points, `block` at a time, so that memory does not grow with N K D, and no waiting for the device.

    Both steps work on y = W (x - mu), which is standard normal under component k: what the M step needs are the moments
    of y, small numbers whatever the data's offset and scale.                            [mixtures.stepped_called]
    """
    N, D = x.shape
    K    = mu.shape[0]
    L    = xp.linalg.cholesky(Sigma)                                                           # [K, D, D]
    W    = xp.linalg.inv(L)                                                                    # [K, D, D]
    c    = xp.mean(mu, axis=0)                                                                 # [D]
    A    = xp.concatenate([W, -W @ (mu - c)[:, :, None]], axis=2)                              # y = A (x - c, 1)
    log_weight = log_pi - D / 2 * log_2pi - _half_log_det(L)                                   # [K]

    log_lik, R, M = 0.0, 0.0, 0.0
    for n in range(0, N, step := block or max(16, 4 * backend().block // (K * D))):
        x1      = x[n:n + step].T - c[:, None]                                                 # [D, B]
        x1      = xp.concatenate([x1, xp.ones((1, x1.shape[1]), dtype=x1.dtype)])              # [D + 1, B]
        y       = xp.reshape(xp.reshape(A, (K * D, D + 1)) @ x1, (K, D, x1.shape[1]))          # [K, D, B]
        log_pxk = log_weight[:, None] - xp.einsum("kdb,kdb->kb", y, y) / 2                     # [K, B]
        log_px  = logsumexp(log_pxk, axis=0)                                                   # [B]
        r       = xp.exp(log_pxk - log_px)                                                     # [K, B]
        log_lik = log_lik + xp.sum(log_px)
        R       = R + r @ x1.T                                                                 # sum r (x - c, 1)
        M       = M + (r[:, None] * y) @ xp.swapaxes(y, 1, 2)                                  # sum r y y^T

    N_k  = R[:, D]
    some = or_inf(N_k)
    m    = (A @ R[:, :, None])[:, :, 0] / some[:, None]                                        # mean of y  [K, D]
    S    = L @ (M / some[:, None, None] - m[:, :, None] * m[:, None, :]) @ xp.swapaxes(L, 1, 2)
    mu   = mu + (L @ m[:, :, None])[:, :, 0]
    pi   = N_k / xp.sum(N_k)
    return (log(pi), mu, COVARIANCES[covariance][0](S, pi, floor)), log_lik


def sample(stream, n, log_pi, mu, Sigma):
    """n points [n, D] and the components [n] that they come from."""
    k   = stream("k").categorical(log_pi, (n,))
    eps = stream("eps").normal((n, mu.shape[1]), dtype=mu.dtype)
    x   = mu[k]
    for j, L in enumerate(xp.linalg.cholesky(Sigma)):
        x = x + xp.where((k == j)[:, None], eps @ L.T, 0)
    return x, k


def bic(log_lik, N, K, D, covariance="full"):
    """Schwarz's criterion, -2 log_lik + (free parameters) log N: the lower the better."""
    return -2 * log_lik + (K - 1 + K * D + COVARIANCES[covariance][1](K, D)) * math.log(N)


def _half_log_det(L):
    return xp.sum(xp.log(xp.diagonal(L, axis1=-1, axis2=-2)), axis=1)


def start(x, K, stream, covariance="full", floor=0.0, steps=100):
    """log_pi, mu, Sigma of the clusters that K-means finds from a k-means++ start, by one M step."""
    mu, r = clusters(x, K, stream, steps)
    return maximise(x, r, mu, covariance, floor)


# ---- the model -------------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class GaussianMixture(Mixture, OfReals):
    """Gaussian mixture, learned by EM on the whole of the data. Its log-likelihood never falls.

    params are log_pi [K], mu [K, D] and Sigma [K, D, D]; stats is empty. Raises ValueError or TypeError, in a sentence,
    for hyper-parameters or data that make no sense.
    """
    covariance: str   = hyper("full", Choice(COVARIANCES), "family of the covariances")
    floor:      float = hyper(5e-4,   NonNegative,         "least variance in any direction, in the data's units^2")

    PARAMS = ("log_pi", "mu", "Sigma")

    def sizes(self, D):
        K = self.components
        return (K,), (K, D), (K, D, D)

    def table(self, x):
        x = check_table(x).astype(self.precision)
        if not bool(xp.isfinite(xp.sum(xp.square(x)))):
            raise ValueError(f"X holds numbers of up to {float(xp.max(xp.abs(x))):.3g}, whose squares are beyond "
                             f"{self.precision}: scale the data.")
        if self.components > len(x):
            raise ValueError(f"components={self.components} but X has {len(x)} rows; expected at least as many rows as "
                             "components: lower components.")
        return x

    def begin(self, x, stream):
        return start(x, self.components, stream, self.covariance, self.floor)

    def step(self, x, log_pi, mu, Sigma):
        return em_step(x, log_pi, mu, Sigma, self.covariance, self.floor)

    def diagnose(self, state, batch):
        """Why the log-likelihood of this state is not finite."""
        check_table(batch["x"])
        whole = xp.all(xp.isfinite(xp.linalg.cholesky(state.params["Sigma"])), axis=(1, 2))
        for k, fine in enumerate(to_host(whole)):
            if not fine:
                return f"The covariance of component {k} is singular; got floor={self.floor}: use a larger floor."
        return "The log-likelihood is not finite: a point lies too far from every component; scale the data."

    def density(self, params, stats, x):
        return responsibilities(x.astype(params["mu"].dtype), **params)[1]

    def log_prob(self, params, stats, x):
        """log p(x_n) in nats [N], in the precision of params. Raises as `check_table` does."""
        return self.density(params, stats, check_table(x, "x", params["mu"].shape[1]))

    def sample(self, params, stats, stream, n):
        """n points [n, D]."""
        return sample(stream, n, **params)[0]

    def pictures(self, params, stats, batch, stream):
        """What it has learned, for the report."""
        return {"components": params["mu"]}


def parameters(pi, mu, Sigma):
    """A mixture's params from weights [K], means [K, D] and covariances [K, D, D] of your own, to start from or to
    sample. Raises ValueError, naming the argument, for a shape that does not fit, weights that are negative or do not
    sum to 1, and a covariance that is not symmetric or not positive definite."""
    pi, mu, Sigma = (to_host(a) for a in (pi, mu, Sigma))
    if mu.ndim != 2:
        raise ValueError(f"mu has shape {mu.shape}; expected [K, D].")
    K, D = mu.shape
    for name, a, shape in (("pi", pi, (K,)), ("Sigma", Sigma, (K, D, D))):
        if a.shape != shape:
            raise ValueError(f"{name} has shape {a.shape}; expected {shape}, as mu has shape {mu.shape}.")
    for name, a in (("pi", pi), ("mu", mu), ("Sigma", Sigma)):
        if not math.isfinite(a.sum()):
            raise ValueError(f"{name} contains NaN or infinity; expected finite numbers.")
    if (pi < 0).any() or abs(pi.sum() - 1) > 1e-6:
        raise ValueError(f"pi has the least element {pi.min()} and the sum {pi.sum()}; "
                         "expected weights >= 0 that sum to 1.")
    for k in range(K):
        if abs(Sigma[k] - Sigma[k].T).max() > 1e-6 * abs(Sigma[k]).max():
            raise ValueError(f"Sigma[{k}] is not symmetric; expected a covariance.")
    dtype = "float32" if {a.dtype.name for a in (pi, mu, Sigma)} == {"float32"} else "float64"
    pi, mu, Sigma = (xp.asarray(a, dtype=dtype) for a in (pi, mu, Sigma))
    definite = to_host(xp.all(xp.isfinite(xp.linalg.cholesky(Sigma)), axis=(1, 2)))
    if not definite.all():
        raise ValueError(f"Sigma[{int(definite.argmin())}] is not positive definite; expected a covariance.")
    return dict(log_pi=log(pi), mu=mu, Sigma=Sigma)
