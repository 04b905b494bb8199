"""Mixture of Bernoullis by EM.   Bishop 2006, 9.3.3   derivations: mixtures

    x        bits                                                    [N, D]
    pi       weights, sum 1; log_pi their logarithms                 [K]
    l        logits of the means mu = sigmoid(l), within +-bound     [K, D]
    r        responsibilities, r_nk = p(k | x_n)                     [N, K]

    p(x) = sum_k pi_k prod_d mu_kd^x_d (1 - mu_kd)^(1 - x_d)
    E    r_nk  = pi_k p(x_n | k) / p(x_n)
    M    N_k   = sum_n r_nk          pi_k = N_k / N          mu_k = sum_n r_nk x_n / N_k
"""
import dataclasses
import math

from backends import xp
from scratch.autodiff import logsumexp, sigmoid, softmax, softplus
from scratch.data.checks import check_table
from scratch.data.levels import check_examples
from scratch.hyper import Positive, hyper
from scratch.mixtures.em import Mixture, clusters, log
from scratch.train import OfBits


# ---- the math --------------------------------------------------------------------------------------------------------
def log_joint(x, log_pi, l):
    """log p(x_n, k) = log pi_k + sum_d x_nd log mu_kd + (1 - x_nd) log(1 - mu_kd), in nats [N, K].
                                                                                         [mixtures.bits_joint_called]"""
    return log_pi - x @ softplus(-l).T - (1 - x) @ softplus(l).T


def responsibilities(x, log_pi, l):
    """The E step: r_nk = p(k | x_n) [N, K], and log p(x_n) in nats [N].             [mixtures.bits_posterior_called]"""
    log_p_xk = log_joint(x, log_pi, l)
    return softmax(log_p_xk, axis=1), logsumexp(log_p_xk, axis=1)


def maximise(x, r, l, bound=math.inf):
    """The M step: log_pi and l, the best within +-bound; a component without points keeps its logits.
                                                                                            [mixtures.bits_maximised]"""
    N_k  = xp.sum(r, axis=0)
    some = N_k[:, None] > 0
    odds = log(r.T @ x) - log(xp.where(some, r.T @ (1 - x), 1))                     # [K, D], their logarithms
    return log(N_k / x.shape[0]), xp.where(some, xp.clip(odds, -bound, bound), l)


def em_step(x, log_pi, l, bound=math.inf):
    """One E and one M step, and sum_n log p(x_n) of the old parameters. Without a bound a bit may become certain, and
    the next step NaN.                                                                 [mixtures.bits_stepped_called]"""
    r, log_p = responsibilities(x, log_pi, l)
    return maximise(x, r, l, bound), xp.sum(log_p)


# ---- the model -------------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class BernoulliMixture(Mixture, OfBits):
    """Mixture of independent bits, learned by EM on the whole of the data. Its log-likelihood never falls.

    params are log_pi [K] and l [K, D]; stats is empty.
    """
    bound: float = hyper(20.0, Positive, "largest logit of a bit, up or down: no component is certain of it")

    PARAMS = ("log_pi", "l")

    def sizes(self, D):
        return (self.components,), (self.components, D)

    def table(self, x):
        return check_table(x).astype(self.precision)

    def begin(self, x, stream):
        mu, r = clusters(x, self.components, stream)
        return maximise(x, r, 0 * mu, self.bound)

    def step(self, x, log_pi, l):
        return em_step(x, log_pi, l, self.bound)

    def density(self, params, stats, x):
        return responsibilities(x.astype(params["l"].dtype), **params)[1]

    def log_prob(self, params, stats, x):
        """log P(x_n) in nats [N] of bits x [N, D], in the precision of params. Raises as `check_examples` does."""
        return self.density(params, stats, check_examples(x, params["l"].shape[1], 2))

    def sample(self, params, stats, stream, n):
        """n rows of bits [n, D], int64."""
        mu = sigmoid(params["l"])[stream("k").categorical(params["log_pi"], (n,))]
        return (stream("u").uniform(mu.shape, mu.dtype) < mu).astype(xp.int64)

    def pictures(self, params, stats, batch, stream):
        """What it has learned, for the report."""
        return {"components": sigmoid(params["l"])}
