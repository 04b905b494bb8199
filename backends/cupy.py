"""CuPy, on an NVIDIA GPU. Only the names that differ from CuPy's stand here; see backends/numpy.py for what they do."""
import contextlib
import math

import numpy

from backends import find as _find
from backends import numpy as _numpy
from backends.numpy import SPECIAL, is_basic

name  = "cupy"
lifts = True
block = 1 << 24             # the same on a device: what bounds memory, a launch being dear
records_draws = False
vjp = stop_gradient = None  # scratch.autodiff's own


def check():
    """Raises RuntimeError where CuPy or a GPU is missing."""
    try:
        import cupy
    except ImportError as error:
        raise RuntimeError('backend="cupy" needs CuPy, which is not installed: pip install ".[cuda12]" in a clone '
                           f'(or cuda13), or use backend="numpy". ({error})') from None
    if not cupy.cuda.is_available():
        raise RuntimeError('backend="cupy" needs an NVIDIA GPU and its driver, and CuPy finds none here: '
                           'use backend="numpy", or "strict" to check that code would run on one.')


def to_host(a):
    import cupy
    return cupy.asnumpy(a)


no_sync = contextlib.nullcontext


def find(path):
    if path in OWN:
        return OWN[path]
    if path in SPECIAL:
        from cupyx.scipy import special
        return getattr(special, path)
    import cupy
    return _find(path, cupy)


def polygamma(n, x):
    from cupyx.scipy import special
    return (-1.0) ** (n + 1) * math.factorial(n) * special.zeta(n + 1.0, x) if n else special.digamma(x)


def cholesky(a):
    """NaN where a is not positive definite: CuPy's own result says nothing there, so it is multiplied out."""
    import cupy
    L = cupy.linalg.cholesky(a)
    lower = cupy.tril(a)
    wrong = cupy.abs(cupy.tril(L @ cupy.swapaxes(L, -1, -2)) - lower).max(axis=(-2, -1), keepdims=True)
    scale = cupy.abs(lower).max(axis=(-2, -1), keepdims=True)
    return cupy.where(wrong <= float(numpy.finfo(L.dtype).eps)**0.5 * scale, L, numpy.nan)


def solve_triangular(a, b, lower=False, trans=0):
    from cupyx.scipy import linalg
    return linalg.solve_triangular(a, b, lower=lower, trans=trans)


def scatter_add(values, index, shape):
    import cupy
    import cupyx
    out = cupy.zeros(shape, values.dtype)
    if is_basic(index):
        out[index] = values
    else:
        cupyx.scatter_add(out, index, values)
    return out


# One thread makes one block of four words: ten rounds of two 64 x 64 -> 128 bit products and two keys that step along.
PHILOX = """
    unsigned long long c0 = w0 + i, c1 = w1 + (c0 < w0), c2 = w2 + (c1 < w1), c3 = w3 + (c2 < w2), k0 = low, k1 = high;
    for (int round = 0; round < 10; ++round) {
        unsigned long long h0 = __umul64hi(0xD2E7470EE14C6C93ULL, c0), l0 = 0xD2E7470EE14C6C93ULL * c0;
        unsigned long long h1 = __umul64hi(0xCA5A826395121157ULL, c2), l1 = 0xCA5A826395121157ULL * c2;
        c0 = h1 ^ c1 ^ k0;  c1 = l1;  c2 = h0 ^ c3 ^ k1;  c3 = l0;
        k0 += 0x9E3779B97F4A7C15ULL;  k1 += 0xBB67AE8584CAA73BULL;
    }
    words[4 * i] = c0;  words[4 * i + 1] = c1;  words[4 * i + 2] = c2;  words[4 * i + 3] = c3;
"""
PHILOX_IN = "uint64 w0, uint64 w1, uint64 w2, uint64 w3, uint64 low, uint64 high"


def _words(integer, n):
    return [numpy.uint64(integer >> 64 * i & 0xFFFFFFFFFFFFFFFF) for i in range(n)]


def philox(key, start, n):
    import cupy
    blocks = (start % 4 + n + 3) // 4
    words = cupy.empty(4 * blocks, cupy.uint64)
    kernel = cupy.ElementwiseKernel(PHILOX_IN, "raw uint64 words", PHILOX, "philox4x64_10")
    kernel(*_words(start // 4 + 1, 4), *_words(key, 2), words, size=blocks)
    return words[start % 4:start % 4 + n]


def windows(x, outputs, kernel, stride, dilation):
    import cupy
    return _numpy.windows(x, outputs, kernel, stride, dilation, cupy)


def blocks(part, n, size):
    """As large as memory wants it."""
    step = max(1, block // size)
    return [part(a, min(a + step, n)) for a in range(0, n, step)]


OWN = {"polygamma": polygamma, "linalg.cholesky": cholesky, "linalg.solve_triangular": solve_triangular,
       "scatter_add": scatter_add, "philox": philox, "windows": windows}
