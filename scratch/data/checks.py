"""What a user hands over, checked at the door."""
import operator

import numpy

from backends import to_host, xp


def check_table(x, name="X", columns=None):
    """x as an array [n, D] of the backend, n and D >= 1 (D = `columns` if given): finite, float32 or float64, C order.

    Integers and booleans become float64 (exact up to 2^53). x is never changed, and returned itself where it is all
    that. Raises TypeError for what holds no real numbers of these types, ValueError for a wrong shape and for NaN or
    inf; the sentence calls it `name`.
    """
    x = _numbers(x, name)
    if x.ndim != 2 or columns not in (None, x.shape[1]):
        hint = f": use {name}.reshape(-1, 1) for one column, (1, -1) for one row" if x.ndim == 1 else ""
        raise ValueError(f"{name} has shape {x.shape}; expected [n, {columns or 'D'}]{hint}.")
    for n, what in zip(x.shape, ("rows", "columns")):
        if n == 0:
            raise ValueError(f"{name} has 0 {what}; need at least 1.")
    if not xp.all(xp.isfinite(x)):
        host = to_host(x)
        bad  = numpy.argwhere(~numpy.isfinite(host)).tolist()
        row, column = bad[0]
        value = str(host[row, column]).replace("nan", "NaN")
        more  = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise ValueError(f"{name} contains {value} at row {row}, column {column}{more}.")
    return xp.ascontiguousarray(x)


def check_integer(n, name, low, high=None):
    """n as an int. Raises TypeError where n is no integer (a bool is none) and ValueError outside low .. high."""
    want = f"expected an integer, {low} or more" if high is None else f"expected an integer from {low} to {high}"
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"{name}={n!r} is a {type(n).__name__}; {want}.")
    if not low <= n or high is not None and n > high:
        raise ValueError(f"{name}={n} is out of range; {want}.")
    return operator.index(n)


def _numbers(x, name):
    """x as an array of the backend, float32 or float64 in the machine's byte order."""
    kind = type(x).__name__
    if isinstance(x, numpy.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; expected plain numbers: fill the masked values or drop their rows.")
    if hasattr(x, "tocsr"):
        raise TypeError(f"{name} is a sparse {kind}; expected a dense array: use {name}.toarray().")
    try:
        x = x if isinstance(x, xp.ndarray) else numpy.asarray(x)
    except ValueError:
        raise ValueError(f"{name} is a {kind} with rows of different lengths; expected [n, D].") from None
    if x.dtype.kind in "biu":
        return xp.asarray(x.astype("float64"))
    if x.dtype.kind != "f" or x.dtype.itemsize not in (4, 8):
        raise TypeError(f"{name} holds {x.dtype}; expected float32, float64, integers or booleans.")
    return xp.asarray(x.astype(x.dtype.newbyteorder("="), copy=False))
