"""The bias and the error of a figure of samples.   Quenouille 1956; Tukey 1958; Busing et al. 1999 (groups of any size)
Efron and Stein 1981 (the error is not too small)   derivations: evaluation
"""
from backends import xp


def jackknife(f, *samples, groups=20):
    """f(*samples), its bias and its standard error, [] or [F] each as f has it, float64.  [evaluation.jackknife_called]

    `groups` of neighbouring rows of each of the samples are left out, one at a time; the rows are independent draws.
    A bias of c / n + d / m is found exactly. Of a U-statistic it is 0 exactly where each row is a group of its own,
    and 0 in the mean elsewhere; so the error of a mean of n is s / sqrt n. Of other figures it is conservative: in
    trials 1.3 to 2.2 times the true spread of precision, recall, density and coverage, 1.2 to 1.6 times that of Fréchet
    and kernel distances of equal laws, right within 15 % where the laws differ. Raises ValueError for fewer than two
    rows.
    """
    value = xp.asarray(f(*samples)).astype("float64")
    bias, variance = 0.0, 0.0
    for i, x in enumerate(samples):
        n, G = len(x), min([groups, len(x)])
        if G < 2:
            raise ValueError(f"groups={groups} of {n} rows; expected at least 2 of at least 2 rows: draw more.")
        ends  = [n * g // G for g in range(G + 1)]
        left  = xp.stack([f(*samples[:i], xp.concatenate([x[:a], x[b:]]), *samples[i + 1:])
                          for a, b in zip(ends, ends[1:])]).astype("float64")                    # [G] or [G, F]
        h     = xp.reshape(xp.asarray([n / (b - a) for a, b in zip(ends, ends[1:])]), (G,) + (1,) * value.ndim)
        whole = G * value - xp.sum((1 - 1 / h) * left, axis=0)                                   # without the bias
        bias     = bias + value - whole
        variance = variance + xp.mean((h * value - (h - 1) * left - whole)**2 / (h - 1), axis=0)
    return value, bias, xp.sqrt(variance)
