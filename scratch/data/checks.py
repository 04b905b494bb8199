"""What a user hands over, checked at the door."""
import contextlib
import functools
import math
import operator
import os
import zlib

import numpy

from backends import backend, to_host, xp
from scratch.autodiff.tape import Traced

HOST = (1, 3, 11)                                   # what DLPack calls memory that the host reads: plain and pinned


def check_table(x, name="X", columns=None):
    """x as an array [n, D] of the backend, D = `columns` if given: `check_array` of two axes."""
    return check_array(x, name, (None, columns))


def check_array(x, name="X", shape=None, keep_integers=False):
    """x as an array of the backend: finite, float32 or float64, C order, at least 1 along every axis; of this shape if
    given, where None stands for any number.

    x may be an array of NumPy, PyTorch or the backend, nested lists, or whatever has `__array__` or `__dlpack__`.
    Integers and booleans become float64 (exact up to 2^53), or stay as they are where keep_integers. x is never
    changed, and returned itself where it is all that. Raises TypeError for what holds no real numbers of these types,
    ValueError for a wrong shape and for NaN or inf; the sentence calls it `name`.
    """
    x = _numbers(x, name, keep_integers)
    if shape is not None and (x.ndim != len(shape) or any(want not in (None, n) for want, n in zip(shape, x.shape))):
        want = ", ".join(str("nD"[axis > 0] if n is None else n) for axis, n in enumerate(shape))
        flat = (x.ndim, len(shape)) == (1, 2)
        hint = f": use {name}.reshape(-1, 1) for one column, (1, -1) for one row" if flat else ""
        raise ValueError(f"{name} has shape {x.shape}; expected [{want}]{hint}.")
    if 0 in x.shape:
        axis = x.shape.index(0)
        what = ("rows", "columns")[axis] if axis < 2 else f"entries along axis {axis}"
        raise ValueError(f"{name} has 0 {what}; need at least 1.")
    if x.dtype.kind == "f" and not xp.all(xp.isfinite(x)):
        host  = to_host(x)
        bad   = numpy.argwhere(~numpy.isfinite(host)).tolist()
        at    = "row {}, column {}".format(*bad[0]) if x.ndim == 2 else f"index {tuple(bad[0])}"
        value = str(host[tuple(bad[0])]).replace("nan", "NaN")
        more  = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise ValueError(f"{name} contains {value} at {at}{more}.")
    return xp.asarray(x, order="C")


def door(f, lists=False, check=None):
    """f for whoever calls it: arrays of NumPy or PyTorch, and what else has `__array__` or `__dlpack__`, become arrays
    of the backend, and so do lists, if asked for; numbers, callables, traced values and the backend's own arrays are
    passed on. Raises TypeError, in a sentence that names the argument, for what cannot become one, and as `check` does,
    which is given the same. The packages' own names are such functions; the modules have them without a door."""
    @functools.wraps(f)
    def public(*args, **kwargs):
        args = [_entered(a, f"argument {i} of {f.__name__}", lists) for i, a in enumerate(args, 1)]
        kwargs = {name: _entered(a, name, lists) for name, a in kwargs.items()}
        value  = f(*args, **kwargs)
        if check:
            check(*args, **kwargs)
        return value
    return public


def _entered(a, name, lists):
    ours   = type(a) in (xp.ndarray, Traced) or isinstance(a, numpy.generic)
    theirs = hasattr(a, "__array__") or hasattr(a, "__dlpack__") or lists and isinstance(a, list)
    return _numbers(a, name, True) if theirs and not ours else a


def check_labels(y, n, name="y", classes=math.inf):
    """y as int64 [n], from 0 to classes - 1. Raises TypeError where it holds no integers, ValueError for another shape
    and for a class that there is not."""
    y = check_array(y, name, (n,), keep_integers=True)
    if y.dtype.kind == "f":
        raise TypeError(f"{name} holds {y.dtype}; expected integers from 0, the class of each example.")
    y = y.astype(xp.int64)
    if xp.any(wrong := (y < 0) | (y >= classes)):
        row  = int(xp.argmax(wrong))
        want = f"classes from 0 to {classes - 1}" if classes < math.inf else "integers from 0"
        raise ValueError(f"{name} holds {int(y[row])} at {row}; expected {want}, the class of each example.")
    return y


def check_integer(n, name, low, high=None):
    """n as an int. Raises TypeError where n is no integer (a bool is none) and ValueError outside low .. high."""
    want = f"expected an integer, {low} or more" if high is None else f"expected an integer from {low} to {high}"
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"{name}={n!r} is a {type(n).__name__}; {want}.")
    if not low <= n or high is not None and n > high:
        raise ValueError(f"{name}={n} is out of range; {want}.")
    return operator.index(n)


def check_memory(size, what, hint="use a part of it"):
    """Raises ValueError where `size` bytes are more than half of the machine's memory."""
    if size > memory() / 2:
        raise ValueError(f"{what} would take {size / 2**30:.3g} GiB, more than half of this machine's "
                         f"{memory() / 2**30:.3g} GiB of memory; {hint}.")


def memory():
    """Bytes of the machine's memory; infinite where the system does not say."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else float("inf")


@contextlib.contextmanager
def readable(path, errors=(OSError, EOFError, zlib.error), kind=""):
    """Inside, an error of the file at `path` becomes a ValueError, a sentence that names it."""
    try:
        yield
    except errors as error:
        raise ValueError(f"{path} cannot be read{kind}: {getattr(error, 'strerror', None) or error}.") from None


def _numbers(x, name, keep_integers):
    """x as an array of the backend in the machine's byte order: float32 or float64, or integers where they are kept."""
    x = _array(x, name)
    if x.dtype.kind in "biu":
        x = x if keep_integers else x.astype("float64")
    elif x.dtype.kind != "f" or x.dtype.itemsize not in (4, 8):
        raise TypeError(f"{name} holds {x.dtype}; expected float32, float64, integers or booleans.")
    return xp.asarray(x.astype(x.dtype.newbyteorder("="), copy=False))


def _array(x, name):
    """x as an array of NumPy or of the backend, whatever it holds."""
    kind = type(x).__name__
    if isinstance(x, numpy.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; expected plain numbers: fill the masked values or drop their rows.")
    if hasattr(x, "tocsr"):
        raise TypeError(f"{name} is a sparse {kind}; expected a dense array: use {name}.toarray().")
    if getattr(x, "requires_grad", False) is True:
        raise TypeError(f"{name} is a {kind} that requires grad; expected plain numbers: use {name}.detach().")
    if isinstance(x, xp.ndarray):
        return x
    on_host = True
    try:
        on_host = not hasattr(x, "__dlpack_device__") or x.__dlpack_device__()[0] in HOST
        if on_host:
            return (numpy.from_dlpack if hasattr(x, "__dlpack__") and not hasattr(x, "__array__") else numpy.asarray)(x)
        if backend().name == "cupy":
            return xp.from_dlpack(x)
    except Exception as error:
        if isinstance(x, (list, tuple)) and isinstance(error, ValueError):
            raise ValueError(f"{name} is a {kind} with rows of different lengths; expected [n, D].") from None
        raise TypeError(f"{name} is a {kind} that cannot be read as an array ({error}); "
                        "expected float32, float64, integers or booleans.") from None
    raise TypeError(f"{name} is a {kind} on a GPU, and the backend is {backend().name}: move it with .cpu() (a CuPy "
                    "array with .get()), or use the backend cupy.")
