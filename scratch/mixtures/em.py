"""Learning by expectation maximisation, and where it begins.   Dempster, Laird and Rubin 1977; Arthur and Vassilvitskii
2007 (the start)   derivations: mixtures

    x        data                                                    [N, D]
    mu       means                                                   [K, D]
"""
import dataclasses
import math

from backends import xp
from scratch.data.levels import one_hot
from scratch.hyper import Count, hyper
from scratch.train import EM, State


# ---- the start -------------------------------------------------------------------------------------------------------
def spread_means(x, K, stream):
    """k-means++: K points of x, each drawn with chance proportional to its squared distance from those before; where no
    point is left that differs from them, any."""
    means, near = [x[stream(0).integers(0, x.shape[0])]], math.inf
    for k in range(1, K):
        near = xp.minimum(near, xp.sum(xp.square(x - means[-1]), axis=1))
        means.append(x[stream(k).categorical(log(xp.where(xp.any(near > 0), near, 1)))])
    return xp.stack(means)


def assign(x, mu):
    """The index of the nearest mean of every point, to rounding the first where several are [N].
                                                                                               [codes.nearest_called]"""
    c  = xp.median(mu, axis=0)                                              # which a mean far away does not move
    d2 = xp.sum(xp.square(mu - c), axis=1) - 2 * (x - c) @ (mu - c).T       # without |x - c|^2, the same for all k
    return xp.argmin(d2, axis=1)


def nearest(x, mu):
    """1 at the nearest mean of every point, 0 elsewhere: K-means' responsibilities [N, K].      [codes.lloyd_called]"""
    return one_hot(assign(x, mu), mu.shape[0]).astype(x.dtype)


def lloyd_step(x, mu):
    """One step of K-means: each mean becomes that of the points nearest to it, or stays where there are none; and r
    [N, K], which are.                                                                           [codes.lloyd_called]"""
    r   = nearest(x, mu)
    N_k = xp.sum(r, axis=0)[:, None]
    return xp.where(N_k > 0, r.T @ x / or_inf(N_k), mu), r


def clusters(x, K, stream, steps=100):
    """The means [K, D] of the clusters that K-means finds from a k-means++ start, and which are whose [N, K]."""
    mu = spread_means(x, K, stream)
    for _ in range(steps):
        old, (mu, _) = mu, lloyd_step(x, mu)
        if bool(xp.all(mu == old)):
            break
    return mu, nearest(x, mu)


def or_inf(N_k):
    """N_k, and infinity of a component without points: sums over them, divided by it, are 0. [mixtures.means_called]"""
    return xp.where(N_k > 0, N_k, math.inf)


def log(pi):
    """log pi, -inf at 0.                                                                   [mixtures.weights_called]"""
    return xp.where(pi > 0, xp.log(xp.where(pi > 0, pi, 1)), -math.inf)


# ---- the models ------------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class Mixture(EM):
    """A mixture: besides what EM wants, begin(x, stream) -> params, one of the starts to choose from."""
    components: int = hyper(10, Count, "number of components")
    starts:     int = hyper(10, Count, "k-means++ starts; the best after ten steps is taken")

    def init(self, stream, example):
        """params, stats: of `starts` starts on the data example["x"] [N, D], the one that is best after ten steps."""
        x     = self.table(example["x"])
        found = [(dict(zip(self.PARAMS, self.begin(x, s))), {}) for s in stream.split(self.starts)]
        return max(found, key=lambda parts: self._after_ten(State(0, *parts), x)) if self.starts > 1 else found[0]

    def _after_ten(self, state, x):
        for _ in range(10):
            state, metrics = self.update(state, {"x": x}, None)
        return float(metrics["log_lik"])
