"""How many samples lie among the data, and how much of the data among the samples.   Kynkäänniemi et al. 2019
(precision and recall, with k = 3); Naeem et al. 2020 (density and coverage, with k = 5)   derivations: evaluation

    x, y     samples, and data; or features of both                                    [n, D], [m, D]
    r        the distance of each row to the k-th nearest of the others of its set     [n], [m]
    ball     what lies within r of a row, its border included

Distances are sums of squared differences: what is equal is equal bitwise, and a copy is at distance 0. They are those
of x and y times a power of two, so that no square is too large, nor 0 of what is 1e-300 of the largest.
"""
from backends import xp
from scratch.data.checks import check_integer
from scratch.metrics.samples import in_blocks, same_columns

LARGEST = 500               # the power of two that the largest number becomes: sums of its squares are finite


def manifold_figures(x, y, k=5):
    """Precision, recall, density and coverage of samples x of the data y, [4] float64.  [evaluation.manifolds_called]

        precision    the share of x that lies in a ball of y           in [0, 1]
        recall       the share of y that lies in a ball of x           in [0, 1]
        density      in how many balls of y an x lies, a mean, over k  about 1 where the laws are the same; 0 or more
        coverage     the share of y whose own ball holds an x          in [0, 1]

    Memory does not grow with n m, nor with m D. One transfer. Raises ValueError where a row has no k others, k < 1, x
    and y differ in D, and for NaN and infinity, which no comparison would show.
    """
    same_columns(x, y, least=check_integer(k, "k", 1) + 1)
    x, y = x.astype("float64"), y.astype("float64")
    far  = LARGEST - xp.frexp(xp.maximum(xp.max(xp.abs(x)), xp.max(xp.abs(y))))[1]
    x, y = xp.ldexp(x, far), xp.ldexp(y, far)                                   # nothing is rounded, ties stay ties
    r2_x, r2_y = (xp.concatenate([xp.partition(d2, k, axis=1)[:, k].copy() for _, d2 in _squares(a, a)])
                  for a in (x, y))                                              # a view would keep its block
    held, recalled, covered = [], False, False
    for rows, d2 in _squares(x, y):
        held     += [xp.sum(d2 <= r2_y, axis=1)]                                # how many balls of y hold each x
        recalled |= xp.any(d2 <= r2_x[rows, None], axis=0)
        covered  |= xp.any(d2 <= r2_y, axis=0)
    held = xp.concatenate(held)
    return xp.stack([xp.mean(held > 0), xp.mean(recalled), xp.mean(held) / k, xp.mean(covered)])


def precision(x, y, k=5):
    """The share of samples x that lie among the data y [].                             [evaluation.precision_called]"""
    return manifold_figures(x, y, k)[0]


def recall(x, y, k=5):
    """The share of the data y that lie among samples x [].                                [evaluation.recall_called]"""
    return manifold_figures(x, y, k)[1]


def density(x, y, k=5):
    """How many balls of the data y hold a sample, a mean over x, in units of k [].       [evaluation.density_called]"""
    return manifold_figures(x, y, k)[2]


def coverage(x, y, k=5):
    """The share of the data y whose ball holds one of the samples x [].                 [evaluation.coverage_called]"""
    return manifold_figures(x, y, k)[3]


def _squares(x, y):
    """Which rows of x, and the squares [b, m] of their distances to the rows of y, a block after the other."""
    x, y = (xp.ascontiguousarray(a.T) for a in (x, y))
    return ((slice(a, b), _squared(x[:, a:b], y)) for a, b in in_blocks(x.shape[1], y.size))


def _squared(x, y):
    """|x_i - y_j|^2 [b, m] of columns x [D, b] and y [D, m].                            [evaluation.squared_called]"""
    return xp.sum((x[:, :, None] - y[:, None])**2, axis=0)
