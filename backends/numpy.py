"""NumPy; for the special functions, SciPy. Only the names that differ from NumPy's stand here.

    sum                          the ufunc's own reduction: half the time of numpy.sum on a small array
    linalg.cholesky              NaN where a matrix is not positive definite, as on the GPU: no exception inside a step
    linalg.solve_triangular      batched; NumPy has none
    polygamma                    in the dtype of its argument; SciPy's is float64
    xlogy                        float32 beside a Python number too; SciPy's is float64 there
    expit                        in float32 to 4 ulp, in half SciPy's time, whose own flushes what is subnormal to 0
    scatter_add                  zeros with values added at an index, duplicates accumulating
    philox                       the words of backends.random
    windows                      a view of what a kernel sees: no copy
"""
import contextlib
import contextvars
import functools
import os
import threading

import numpy

from backends import find as _find

name  = "numpy"
lifts = True                # traced values go to the rules of scratch.autodiff
block = 1 << 15             # numbers worked on at a time, where there is a choice: what fits the cache
records_draws = False
vjp = stop_gradient = None  # scratch.autodiff's own

SPECIAL = ("gammaln", "digamma", "polygamma", "erf", "erfc", "erfcx", "ndtr", "log_ndtr", "expit", "logit", "xlogy")


def check():
    """Nothing to check: NumPy runs everywhere."""


def to_host(a):
    return numpy.asarray(a)


no_sync = contextlib.nullcontext


def find(path):
    if path in OWN:
        return OWN[path]
    if path in SPECIAL:
        from scipy import special               # a third of a second: only when asked for
        return getattr(special, path)
    return _find(path, numpy)


def sum(a, axis=None, dtype=None, keepdims=False):
    return numpy.add.reduce(a, axis, dtype, None, keepdims)


def cholesky(a):
    try:
        return numpy.linalg.cholesky(a)
    except numpy.linalg.LinAlgError:
        if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
            raise
        if a.ndim == 2:
            return a * numpy.nan
        return numpy.stack([cholesky(b) for b in a])


def solve_triangular(a, b, lower=False, trans=0):
    """x with a x = b (trans=1: a^T x = b) for triangular a [..., n, n] and b [..., n, m]."""
    from scipy import linalg
    if a.size == 0 or b.size == 0:
        return numpy.zeros(numpy.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + b.shape[-2:], numpy.result_type(a, b))
    return linalg.solve_triangular(a, b, lower=lower, trans=trans, check_finite=False)


def scatter_add(values, index, shape):
    out = numpy.zeros(shape, values.dtype)
    if is_basic(index):
        out[index] = values
    else:
        numpy.add.at(out, index, values)
    return out


def is_basic(index):
    """Is the index made of integers and slices, so that it names no element twice?"""
    parts = index if isinstance(index, tuple) else (index,)
    return all(i is None or i is Ellipsis or isinstance(i, (int, slice)) for i in parts)


def polygamma(n, x):
    from scipy import special
    y, dtype = special.polygamma(n, x), numpy.asarray(x).dtype
    return y.astype(dtype) if dtype.kind == "f" else y


def xlogy(x, y):
    from scipy import special
    return special.xlogy(x, y, dtype=numpy.result_type(x, y, 1.0))


def expit(x):
    from scipy import special
    if getattr(x, "dtype", None) != numpy.float32:
        return special.expit(x)
    return numpy.exp(numpy.minimum(x, 0)) / (1 + numpy.exp(-numpy.abs(x)))


def philox(key, start, n):
    """Words start .. start + n - 1 of the stream of the 128-bit `key`: uint64 [n]."""
    raw = numpy.random.Philox(key=key, counter=start // 4)
    return raw.random_raw(start % 4 + n)[start % 4:]


def windows(x, outputs, kernel, stride, dilation, library=numpy):
    """x[b, o s + k d, c] as a view [B, outputs..., kernel..., C] of x [B, n..., C]."""
    batch, *steps, channel = x.strides
    return library.lib.stride_tricks.as_strided(
        x, (len(x), *outputs, *kernel, x.shape[-1]),
        (batch, *(n * s for n, s in zip(steps, stride)), *(n * d for n, d in zip(steps, dilation)), channel))


def blocks(part, n, size):
    """[part(a, b), ...] for the blocks a .. b that make up 0 .. n, of things of `size` numbers each: small matrix
    products, which BLAS does best in one thread; so the second half has a thread of its own."""
    step   = max(1, 4 * block // size)
    starts = range(0, n, step)

    def run(starts):
        return [part(a, min(a + step, n)) for a in starts]
    blas, thread, lock = _threads()
    with lock, blas.limit(limits=1):
        if len(starts) < 2:
            return run(starts)
        later = thread.submit(contextvars.copy_context().run, run, starts[len(starts) // 2:])
        return run(starts[:len(starts) // 2]) + later.result()


@functools.cache
def _threads():
    """BLAS, whose number of threads is one for the whole process; a thread; and a lock, so that one call at a time has
    them. A fork has none of them and makes its own."""
    import concurrent.futures
    import threadpoolctl
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_threads.cache_clear)
    return (threadpoolctl.ThreadpoolController().select(user_api="blas"), concurrent.futures.ThreadPoolExecutor(1),
            threading.Lock())


OWN = {"sum": sum, "linalg.cholesky": cholesky, "linalg.solve_triangular": solve_triangular, "scatter_add": scatter_add,
       "polygamma": polygamma, "xlogy": xlogy, "expit": expit, "philox": philox, "windows": windows}
