"""How good samples are, without a likelihood.   Dowson and Landau 1982; Heusel et al. 2017 (the Fréchet distance);
Bińkowski et al. 2018 (the kernel distance); Salimans et al. 2016 (the inception score)   derivations: evaluation

    x, y     samples, and what they are held against, in the same units     [n, D], [m, D]
    modes    the centres of a law that is known                             [K, D]
    log_p    what a classifier says of each sample, log p(y | x)            [n, C]

Raise ValueError for NaN and infinity in x, y or modes, at the cost of one transfer; NaN in log_p is NaN in the score.
"""
import math

from backends import to_host, xp
from scratch.probability.divergences import frechet, kl_categorical
from scratch.probability.estimators import log_mean_exp

AT_ONCE = 1 << 21           # distances worked out at a time: 16 MiB
FEW     = 4                 # rows that may be nearest as far as products tell, told apart by differences
CENTRE  = 1000              # rows that the point from which products are taken is the median of, or some more


def moments(x):
    """Mean [D] of the rows of x [n, D], and A [n, D] such that A' A is their covariance, float64. Raises ValueError for
    a single row.                                                                         [evaluation.fid_called]"""
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"x has shape {tuple(x.shape)}; expected [n, D] with n of at least 2: one sample has no "
                         "covariance, draw more.")
    mu = xp.mean(x, axis=0, dtype="float64")
    return mu, (x - mu) / math.sqrt(len(x) - 1)


def frechet_distance(x, y):
    """The square of W2 between the normal laws with the moments of x and y [], float64, in the units of x squared: of
    pixels, or of a network's features, where it is called FID.                           [evaluation.fid_called]

    0 where the moments are equal; too high by what so few samples know of them: compare equal n only. Raises ValueError
    as `moments` does, and where x and y differ in D.
    """
    same_columns(x, y)
    if x.shape[1] > min(len(x), len(y)):
        return by_rows(x, y)
    (mu1, A1), (mu2, A2) = moments(x), moments(y)
    return frechet(mu1, A1.T @ A1, mu2, A2.T @ A2)


def by_rows(x, y):
    """`frechet_distance` by products of rows [n, m], for more columns than rows.         [evaluation.fid_by_rows]"""
    (mu1, A1), (mu2, A2) = moments(x), moments(y)
    root = xp.sum(xp.linalg.svd(A1 @ A2.T, compute_uv=False))
    return xp.sum((mu1 - mu2)**2) + xp.maximum(xp.sum(A1**2) + xp.sum(A2**2) - 2 * root, 0)


def cubic(x, y):
    """(x' y / D + 1)^3 of each row of x with each of y [n, m].                               [evaluation.kid_called]"""
    k = x @ y.T / x.shape[1] + 1
    return k * k * k                                                            # **3 is ten times as slow


def kernel_distance(x, y, kernel=cubic):
    """The square of the maximum mean discrepancy, without bias, [] float64: of a network's features it is called KID.

    The mean of kernel(x, y) [n, m] over pairs of two different samples, plus that of y, less twice that over pairs of
    both. Its mean over draws is 0 for equal laws: so it may be negative, and n and m may differ. Memory does not grow
    with n m. Raises ValueError for a single row, and where x and y differ in D.   [evaluation.kid_called]
    """
    same_columns(x, y, least=2)
    x, y = x.astype("float64"), y.astype("float64")
    return _mean_of_pairs(kernel, x, x) + _mean_of_pairs(kernel, y, y) - 2 * _mean_of_pairs(kernel, x, y)


def _mean_of_pairs(kernel, x, y):
    """The mean of kernel(x, y); of one set with itself without the diagonal."""
    apart, total = int(x is y), 0.0
    for a, b in in_blocks(len(x), len(y)):
        k     = kernel(x[a:b], y)
        total = total + xp.sum(xp.where(xp.arange(a, b)[:, None] == xp.arange(len(y)), 0, k) if apart else k)
    return total / (len(x) * (len(y) - apart))


def inception_score(log_p):
    """exp E KL(p(y | x) || p(y)), p(y) the mean over all samples [], float64: from 1, where every sample looks alike,
    to C, where each is of one class for sure and all classes are as frequent.         [evaluation.inception_called]

    It is the exponential of the information that y has of x. Of all samples at once, whatever their order: a mean over
    splits would be another figure. Raises ValueError where log_p is not [n, C].
    """
    if log_p.ndim != 2 or 0 in log_p.shape:
        raise ValueError(f"log_p has shape {tuple(log_p.shape)}; expected [n, C], log p(y | x) of every class.")
    log_p = log_p.astype("float64")
    return xp.exp(xp.mean(kl_categorical(log_p, log_mean_exp(log_p, axis=0))))


def laws(log_p):
    """Raises ValueError where a row of log_p [n, C] are no log probabilities of a law. One transfer."""
    total = log_mean_exp(log_p, axis=1) + math.log(log_p.shape[1])
    if wrong := int(xp.sum(xp.abs(total) > 1e-3)):                              # NaN is no more than any number
        raise ValueError(f"log_p has {wrong} rows whose probabilities do not sum to 1; expected log p(y | x) of every "
                         "class: of probabilities their log, of logits log_softmax.")


def mode_shares(x, modes, radius):
    """The share of all samples that lie within `radius` of each mode and nearest to it [K], float64; their sum is the
    share within the radius of any.                                                       [evaluation.counted]"""
    k, distance = nearest(x, modes)
    return xp.mean((k[:, None] == xp.arange(len(modes))) & (distance <= radius)[:, None], axis=0, dtype="float64")


def nearest(x, reference):
    """Which row of `reference` [m, D] is nearest to each row of x [n], and how far it is [n], float64: of a copy 0,
    exactly. Memory does not grow with n m. Raises ValueError where x and reference differ in D.
                                                                                          [evaluation.nearest_called]

    Products take part, whose error is some 1e-8 of the distance from the median of `reference`: where FEW rows or more
    are as near as the nearest but for that, it may be another of them.
    """
    same_columns(x, reference)
    c  = xp.median(reference[::max(1, len(reference) // CENTRE)], axis=0).astype("float64")     # no outlier moves it
    y  = reference - c
    y2 = xp.sum(y * y, axis=1) / 2                                              # |x - y|^2 / 2 = |x|^2 / 2 - x y + y2
    found = [nearest_of_few(x[a:b].astype("float64"), reference, y2 - (x[a:b] - c) @ y.T)
             for a, b in in_blocks(len(x), len(y))]
    index, d2 = map(xp.concatenate, zip(*found))
    return index, xp.sqrt(d2)


def nearest_of_few(x, y, rank):
    """Of the FEW rows of y that are least in `rank` [n, m], which is nearest to each row of x [n], and the square of
    how far it is [n].                                                                    [evaluation.nearest_called]"""
    index, least, rank = 0, math.inf, rank.copy()
    for _ in range(FEW):
        k     = xp.argmin(rank, axis=1)
        d2    = xp.sum((x - y[k])**2, axis=1)
        index = xp.where(d2 < least, k, index)
        least = xp.minimum(d2, least)
        rank[xp.arange(len(x)), k] = math.inf
    return index, least


def copying(x, held_out, train):
    """How near samples lie to the training data, measured by held-out data: the median distance of x to its nearest row
    of `train`, over that of `held_out` []. 0 are copies, about 1 what is as new as the held-out data; NaN where most of
    those occur in `train` themselves, and nothing tells new from copied."""
    return novelty(nearest(x, train)[1], nearest(held_out, train)[1])


def novelty(far, new):
    """`copying`, of distances [n], [m] to the training data that are known."""
    far, new = xp.median(far), xp.median(new)
    return far / xp.where(new > 0, new, math.nan)


def in_blocks(n, m):
    """a, b of the blocks of rows of an [n, m] table that hold AT_ONCE numbers or so.     [evaluation.nearest_called]"""
    step = max(1, AT_ONCE // m)
    return [(a, min(a + step, n)) for a in range(0, n, step)]


def same_columns(x, y, least=1):
    """Raises ValueError where x and y differ in D, have fewer rows than `least`, or hold NaN or infinity.
                                                                                              [evaluation.fid_called]"""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"Samples of shape {tuple(x.shape)} are held against {tuple(y.shape)}; expected [n, D] and "
                         "[m, D] with the same D.")
    if min(len(x), len(y)) < least:
        raise ValueError(f"Samples of shape {tuple(x.shape)} are held against {tuple(y.shape)}; expected at least "
                         f"{least} rows of each: draw more.")
    strange = to_host(xp.stack([xp.sum(~xp.isfinite(a)) for a in (x, y)])).tolist()
    if any(strange):
        raise ValueError(f"{strange[0]} numbers of the samples are NaN or infinite, {strange[1]} of what they are held "
                         "against; expected none: leave such rows out.")
