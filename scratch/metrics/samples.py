"""How good samples are, without a likelihood.   Dowson and Landau 1982; Heusel et al. 2017 (the Fréchet distance);
derivations: evaluation

    x, y     samples, and what they are held against, in the same units     [n, D], [m, D]
    modes    the centres of a law that is known                             [K, D]
"""
import math

from backends import xp
from scratch.probability.divergences import frechet

AT_ONCE = 1 << 21           # distances worked out at a time: 16 MiB


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
    _same_columns(x, y)
    if x.shape[1] > min(len(x), len(y)):
        return by_rows(x, y)
    (mu1, A1), (mu2, A2) = moments(x), moments(y)
    return frechet(mu1, A1.T @ A1, mu2, A2.T @ A2)


def by_rows(x, y):
    """`frechet_distance` by products of rows [n, m], for more columns than rows.         [evaluation.fid_by_rows]"""
    (mu1, A1), (mu2, A2) = moments(x), moments(y)
    root = xp.sum(xp.linalg.svd(A1 @ A2.T, compute_uv=False))
    return xp.sum((mu1 - mu2)**2) + xp.maximum(xp.sum(A1**2) + xp.sum(A2**2) - 2 * root, 0)


def coverage(x, modes, radius):
    """The share of all samples that lie within `radius` of each mode and nearest to it [K], float64; their sum is the
    share within the radius of any.                                                       [evaluation.counted]"""
    k, distance = nearest(x, modes)
    return xp.mean((k[:, None] == xp.arange(len(modes))) & (distance <= radius)[:, None], axis=0, dtype="float64")


def nearest(x, reference):
    """Which row of `reference` [m, D] is nearest to each row of x [n], and how far it is [n], float64: of a copy 0,
    exactly. Memory does not grow with n m. Raises ValueError where x and reference differ in D.
                                                                                          [evaluation.nearest_called]
    """
    _same_columns(x, reference)
    c  = xp.mean(reference, axis=0, dtype="float64")
    y  = reference - c
    y2 = xp.sum(y * y, axis=1) / 2                                              # |x - y|^2 / 2 = |x|^2 / 2 - x y + y2
    step  = max(1, AT_ONCE // len(y))
    index = xp.concatenate([xp.argmin(y2 - (x[a:a + step] - c) @ y.T, axis=1) for a in range(0, len(x), step)])
    d     = x.astype("float64") - reference[index]
    return index, xp.sqrt(xp.sum(d * d, axis=1))


def copying(x, held_out, train):
    """How near samples lie to the training data, measured by held-out data: the median distance of x to its nearest row
    of `train`, over that of `held_out` []. 0 are copies, about 1 what is as new as the held-out data."""
    return xp.median(nearest(x, train)[1]) / xp.median(nearest(held_out, train)[1])


def _same_columns(x, y):
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"Samples of shape {tuple(x.shape)} are held against {tuple(y.shape)}; expected [n, D] and "
                         "[m, D] with the same D.")
