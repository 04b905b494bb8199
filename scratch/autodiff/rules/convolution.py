"""Convolution along any number of axes, channels last: one form, linear in each of x, W and g, with three faces.

    x    what is convolved        [B, n..., C]           n: the spatial axes
    W    the kernel               [k..., C, M]
    g    what comes out           [B, o..., M]
    i    stands for o s + k d - before, where s is the stride, d the dilation, before the zeros before the first of x

    T(x, W, g) = sum_{b,o,k,c,m} x[b, i, c] W[k, c, m] g[b, o, m]

    conv = dT/dg      conv_transpose = dT/dx      conv_weights = dT/dW        and each pulls back to the other two

`how` is (stride, dilation, padding) with an entry for each axis, padding a pair (before, after).   Dumoulin, Visin 2016
"""
import math

from backends import backend, xp
from scratch.autodiff.tape import primitive


def outputs(sizes, kernel, how):
    """How many points come out along each axis. Raises ValueError where a kernel does not fit or sees padding alone."""
    found = tuple((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, d, p in zip(sizes, kernel, *how))
    if any(o < 1 for o in found) or any(max(p) > d * (k - 1) for k, _, d, p in zip(kernel, *how)):
        raise ValueError(f"A kernel of {kernel} with (stride, dilation, padding) {how} does not fit {sizes}; expected "
                         "at least one point, and no more padding than the kernel reaches.")
    return found


# ---- fast: views of windows, in blocks that fit the cache ------------------------------------------------------------
def _conv(x, W, how):
    """sum_{k,c} x[b, i, c] W[k, c, m]: [B, o..., M]."""
    stride, dilation, padding = how
    kernel = W.shape[:-2]
    v = xp.windows(_padded(x, padding), outputs(x.shape[1:-1], kernel, how), kernel, stride, dilation)
    W = xp.reshape(W, (-1, W.shape[-1]))                                                       # [k C, M]
    y = xp.empty((*v.shape[:1 + len(kernel)], W.shape[1]), dtype=x.dtype)                      # [B, o..., M]

    def part(a, b):
        y[a:b] = xp.reshape(xp.reshape(v[a:b], (-1, len(W))) @ W, y[a:b].shape)
    backend().blocks(part, len(x), math.prod(v.shape[1:]))
    return y


def _conv_transpose(g, W, how, sizes):
    """sum_{o,k,m} W[k, c, m] g[b, o, m] where i is n: [B, n..., C], n over `sizes`. With the stride's zeros between its
    points g is convolved with the kernel turned around."""
    (stride, dilation, padding), kernel = how, W.shape[:-2]
    starts = [d * (k - 1) - before for k, d, (before, _) in zip(kernel, dilation, padding)]
    z = xp.zeros((len(g), *(n + d * (k - 1) for n, k, d in zip(sizes, kernel, dilation)), g.shape[-1]), dtype=g.dtype)
    z[(slice(None), *(slice(a, a + s * (o - 1) + 1, s) for a, s, o in zip(starts, stride, g.shape[1:])))] = g
    W = xp.swapaxes(W[(slice(None, None, -1),) * len(kernel)], -1, -2)
    return _conv(z, W, ((1,) * len(kernel), dilation, ((0, 0),) * len(kernel)))


def _conv_weights(x, g, how, kernel):
    """sum_{b,o} x[b, i, c] g[b, o, m]: [k..., C, M]."""
    stride, dilation, padding = how
    v = xp.windows(_padded(x, padding), g.shape[1:-1], kernel, stride, dilation)
    K = math.prod(kernel) * x.shape[-1]

    def part(a, b):
        return xp.reshape(v[a:b], (-1, K)).T @ xp.reshape(g[a:b], (-1, g.shape[-1]))
    W = sum(backend().blocks(part, len(x), math.prod(v.shape[1:])), xp.zeros((K, g.shape[-1]), dtype=x.dtype))
    return xp.reshape(W, (*kernel, x.shape[-1], g.shape[-1]))


def _padded(x, padding):
    if not any(map(any, padding)):
        return x
    y = xp.zeros((len(x), *(n + sum(p) for n, p in zip(x.shape[1:], padding)), x.shape[-1]), dtype=x.dtype)
    y[(slice(None), *(slice(before, before + n) for n, (before, _) in zip(x.shape[1:], padding)))] = x
    return y


# ---- plain: contractions with P[o, k, n], 1 where i is n -------------------------------------------------------------
def _places(sizes, kernel, how, dtype):
    for n, k, o, s, d, (before, _) in zip(sizes, kernel, outputs(sizes, kernel, how), *how):
        i = s * xp.arange(o)[:, None] + d * xp.arange(k) - before                              # [o, k]
        yield (i[:, :, None] == xp.arange(n)).astype(dtype)


def _windows(x, kernel, how):
    """x[b, i, c]: [B, C, o, k, o, k, ...]."""
    for P in _places(x.shape[1:-1], kernel, how, x.dtype):
        x = xp.tensordot(x, P, axes=((1,), (2,)))
    return x


def _outs(S):
    """Where o, and where k, stand in what `_windows` gives."""
    return tuple(range(2, 2 + 2 * S, 2)), tuple(range(3, 3 + 2 * S, 2))


def _plain_conv(x, W, how):
    S = W.ndim - 2
    return xp.tensordot(_windows(x, W.shape[:-2], how), W, axes=((*_outs(S)[1], 1), tuple(range(S + 1))))


def _plain_conv_transpose(g, W, how, sizes):
    S = W.ndim - 2
    y = xp.tensordot(g, W, axes=((S + 1,), (S + 1,)))                                          # [B, o..., k..., C]
    for a, P in enumerate(_places(sizes, W.shape[:-2], how, g.dtype)):
        y = xp.tensordot(y, P, axes=((1, 1 + S - a), (0, 1)))
    return xp.moveaxis(y, 1, -1)


def _plain_conv_weights(x, g, how, kernel):
    S = len(kernel)
    y = xp.tensordot(_windows(x, kernel, how), g, axes=((0, *_outs(S)[0]), tuple(range(S + 1))))    # [C, k..., M]
    return xp.moveaxis(y, 0, -2)


#                          what is pulled back                    to the first argument, and to the second
conv           = primitive(_conv,
                           lambda g, y, x, W, how: conv_transpose(g, W, how, x.shape[1:-1]),
                           lambda g, y, x, W, how: conv_weights(x, g, how, W.shape[:-2]),
                           keeps="x W", plain=_plain_conv)
conv_transpose = primitive(_conv_transpose,
                           lambda x, y, g, W, how, sizes: conv(x, W, how),
                           lambda x, y, g, W, how, sizes: conv_weights(x, g, how, W.shape[:-2]),
                           keeps="g W", plain=_plain_conv_transpose)
conv_weights   = primitive(_conv_weights,
                           lambda W, y, x, g, how, kernel: conv_transpose(g, W, how, x.shape[1:-1]),
                           lambda W, y, x, g, how, kernel: conv(x, W, how),
                           keeps="x g", plain=_plain_conv_weights)
