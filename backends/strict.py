"""A stand-in for the GPU on the CPU: NumPy inside an opaque array that refuses what CuPy refuses.

    no mixing with NumPy arrays, no implicit conversion to them, only names and keywords that CuPy has;
    reductions stay arrays of dimension 0, which `+=` changes in place; cholesky gives NaN where CuPy gives NaN;
    a transfer to the host is written into `transfers`, and raises inside `no_sync()`.
"""
import contextlib
import operator

import numpy

from backends import find as _find
from backends import numpy as _numpy

name  = "strict"
lifts = True
block, blocks = _numpy.block, _numpy.blocks
records_draws = True        # backends.random raises when one evaluation draws the same words twice
vjp = stop_gradient = None  # scratch.autodiff's own

# What NumPy has and CuPy 14 has not: functions, and keywords of functions. A test compares both with an installed CuPy.
LACKS = set("""
    asmatrix block bmat busday_count busday_offset busdaycalendar datetime_as_string datetime_data einsum_path errstate
    frompyfunc fromregex geomspace get_include getbufsize geterr geterrcall histogram_bin_edges info insert is_busday
    isnat matrix matvec memmap nanpercentile nanquantile ndenumerate nditer nested_iters polyder polydiv polyint
    recarray setbufsize seterr seterrcall show_runtime spacing unstack vecdot vecmat
    linalg.diagonal linalg.matrix_norm linalg.multi_dot linalg.outer linalg.svdvals linalg.tensordot linalg.trace
    linalg.vecdot linalg.vector_norm
""".split())
#           keyword      functions
REFUSED = {"where":      "sum prod max min amax amin mean std var all any "
                         "nansum nanprod nanmax nanmin nanmean nanstd nanvar",
           "initial":    "sum prod max min amax amin nansum nanprod nanmax nanmin",
           "correction": "std var nanstd nanvar",
           "mean":       "std var nanstd nanvar",
           "keepdims":   "count_nonzero",
           "stable":     "sort argsort",
           "order":      "sort argsort partition argpartition",
           "kind":       "partition argpartition isin",
           "min":        "clip",
           "max":        "clip",
           "shape":      "reshape unravel_index",
           "mode":       "take",
           "axis":       "lexsort trim_zeros",
           "sorted":     "unique",
           "sparse":     "indices",
           "subok":      "broadcast_to broadcast_arrays copy",
           "weights":    "quantile percentile",
           "upper":      "linalg.cholesky",
           "hermitian":  "linalg.svd linalg.pinv linalg.matrix_rank",
           "rtol":       "linalg.pinv linalg.matrix_rank",
           "ndmax":      "array",
           "count":      "unpackbits",
           "out":        "fft.fft fft.fft2 fft.fftn fft.ifft fft.ifft2 fft.ifftn fft.hfft fft.ihfft "
                         "fft.rfft fft.rfft2 fft.rfftn fft.irfft fft.irfft2 fft.irfftn"}

CREATES = set("""
    array asanyarray asarray ascontiguousarray arange empty eye full identity linspace logspace ones tri zeros
""".split())                # these take what lies on the host, and send it over
HOSTLY  = set("""
    broadcast_shapes can_cast diag_indices indices isclose isscalar ix_ mask_indices min_scalar_type ndim philox
    polygamma promote_types result_type shape tril_indices triu_indices xlogy fft.fftfreq fft.rfftfreq
""".split())                # their first argument lies on the host; that of every other function is an array or more
NO_LIST = {"clip", "isclose", "where", "xlogy"}          # as the ufuncs
WAITS   = set("nonzero flatnonzero argwhere unique bincount array_equal allclose array_equiv extract compress".split())

transfers = []              # what was read by the host since the list was last emptied
_forbidden = 0


def check():
    """Nothing to check: it runs everywhere."""


@contextlib.contextmanager
def no_sync():
    global _forbidden
    _forbidden += 1
    try:
        yield
    finally:
        _forbidden -= 1


def _waits(what):
    if _forbidden:
        raise RuntimeError(f"{what} makes the host wait for the device, inside no_sync(): keep it an array, "
                           "or do it outside.")
    transfers.append(what)


def to_host(a):
    if not isinstance(a, Array):
        return numpy.asarray(a)
    _waits("to_host")
    return a._host.copy()


class Array:
    """An array that only the functions of this backend can read."""
    __slots__ = ("_host",)
    __array_ufunc__ = None

    def __init__(self, host):
        self._host = host

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is refused, as on a GPU: use backends.to_host.")

    shape    = property(lambda self: self._host.shape)
    dtype    = property(lambda self: self._host.dtype)
    ndim     = property(lambda self: self._host.ndim)
    size     = property(lambda self: self._host.size)
    nbytes   = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    T        = property(lambda self: Array(self._host.T))
    mT       = property(lambda self: Array(self._host.mT))

    def __repr__(self):
        return f"strict({self._host!r})"

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        _mask_waits(index)
        return _box(self._host[_unbox(index)])

    def __setitem__(self, index, value):
        self._host[_unbox(index)] = _unbox(value)

    __hash__ = None


def _mask_waits(index):
    for i in index if isinstance(index, tuple) else (index,):
        if isinstance(i, Array) and i.dtype == bool:
            _waits("an index that is a mask")


def _unbox(x, lists=True):
    if isinstance(x, Array):
        return x._host
    if isinstance(x, numpy.ndarray):
        raise TypeError("A NumPy array does not mix with an array of the device, as on a GPU: use xp.asarray first.")
    if isinstance(x, (list, tuple)):
        if not lists:
            raise TypeError(f"A {type(x).__name__} is not taken for an array, as on a GPU: use xp.asarray first.")
        return type(x)(_unbox(i) for i in x)
    return x


def _box(y):
    if isinstance(y, (numpy.ndarray, numpy.generic)):
        return Array(numpy.asarray(y))
    if isinstance(y, (list, tuple)):
        return [_box(i) for i in y] if isinstance(y, list) else tuple(_box(i) for i in y)
    return y


def _operator(f, swap=False):
    def method(self, other):
        if not isinstance(other, (Array, numpy.ndarray, numpy.generic, int, float, complex)):
            return NotImplemented
        a, b = self._host, _unbox(other)
        return _box(f(b, a) if swap else f(a, b))
    return method


def _in_place(f):
    def method(self, other):
        f(self._host, _unbox(other, lists=False))
        return self
    return method


def _read(f, what):
    def method(self):
        _waits(what)
        return f(self._host)
    return method


def _method(attribute):
    def method(self, *args, **kwargs):
        _refuse(attribute, kwargs)
        args, kwargs = map(_unbox, args), {k: _unbox(v) for k, v in kwargs.items()}
        return _box(getattr(self._host, attribute)(*args, **kwargs))
    return method


for _name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split():
    _f = getattr(operator, {"and": "and_", "or": "or_"}.get(_name, _name))
    setattr(Array, f"__{_name}__",  _operator(_f))
    setattr(Array, f"__r{_name}__", _operator(_f, swap=True))
    setattr(Array, f"__i{_name}__", _in_place(getattr(operator, f"i{_name}")))
for _name in "eq ne lt le gt ge".split():
    setattr(Array, f"__{_name}__", _operator(getattr(operator, _name)))
for _name in "neg pos abs invert".split():
    setattr(Array, f"__{_name}__", lambda self, _f=getattr(operator, _name): _box(_f(self._host)))
for _name, _f in dict(float=float, int=int, bool=bool, complex=complex).items():
    setattr(Array, f"__{_name}__", _read(_f, f"{_name}()"))
for _name in "item tolist".split():
    setattr(Array, _name, _read(operator.methodcaller(_name), _name))
for _name in """
    all any argmax argmin argsort astype clip copy cumsum diagonal dot fill flatten max mean min prod ravel repeat
    reshape round squeeze std sum swapaxes take trace transpose var view
""".split():
    setattr(Array, _name, _method(_name))


def _refuse(path, kwargs):
    for k in kwargs:
        if k in ("device", "like") or path in REFUSED.get(k, "").split():
            raise TypeError(f"{path}({k}=...) is refused: CuPy has no such keyword.")


def _on_host(x):
    """Is x made of Python numbers alone?"""
    if isinstance(x, (list, tuple)):
        return len(x) > 0 and all(map(_on_host, x))
    return isinstance(x, (int, float, complex))


def _send(x):
    """What lies on the device of it as it is, the rest copied over."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(_send, x))
    return x._host if isinstance(x, Array) else x.copy() if isinstance(x, numpy.ndarray) else x


def find(path):
    if path == "ndarray":
        return Array
    if path in LACKS:
        raise AttributeError(f"xp.{path} does not exist in CuPy, so strict has none either.")
    f = OWN.get(path) or (_numpy.find(path) if path in _numpy.SPECIAL else _find(path, numpy))
    if not callable(f) or isinstance(f, type):
        return f
    def call(*args, **kwargs):
        _refuse(path, kwargs)
        second = args[1] if len(args) > 1 else kwargs.get("repeats")
        if path in WAITS or path == "where" and len(args) == 1 or path == "repeat" and isinstance(second, Array):
            _waits(path)
        if path in CREATES:
            return _box(f(*map(_send, args), **{k: _send(v) for k, v in kwargs.items()}))
        ufunc = isinstance(f, numpy.ufunc)
        if not ufunc and path not in HOSTLY and args and _on_host(args[0]):
            raise TypeError(f"{path} was given {args[0]!r}, which is no array of the device: use xp.asarray first.")
        args = [_unbox(a, lists=not ufunc and path not in NO_LIST) for a in args]
        return _box(f(*args, **{k: _unbox(v) for k, v in kwargs.items()}))
    call.__name__ = path
    return call


OWN = _numpy.OWN
