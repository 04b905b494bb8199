"""Autoregressive networks of images.   van den Oord et al. 2016 (PixelCNN; the gated, conditional one)
derivations: autoregressive

    x      images [B, h, w, C], drawn row after row, in a row from the left, in a pixel colour after colour
    W      kernels [kh, kw, c_in, c_out] with odd sides; channel c is of the colour c % colours
    A, B   the first layer's mask, without the value itself, and that of the others, with it
    v, h   the two stacks: v sees the rows above, h those and what lies to the left

A kernel that is masked cannot turn around a corner: of the rows above it sees a cone, and beyond the right edge of that
cone is the blind spot. Two stacks have none.
"""
from backends import xp
from scratch.autodiff import conv as convolve
from scratch.nets import conv, joined, linear, relu


# ---- the masks -------------------------------------------------------------------------------------------------------
def kernel_mask(kernel, c_in, c_out, colours, first):
    """1 where a value may see another, 0 elsewhere, [kh, kw, c_in, c_out]: all of an earlier pixel and, of its own, the
    earlier colours and, but for the first layer, its own.                        [autoregressive.kernel_mask_called]"""
    kh, kw = kernel
    place  = xp.reshape(xp.arange(kh * kw), (kh, kw, 1, 1)) - kh * kw // 2               # 0 in the middle
    sender, receiver = xp.arange(c_in)[:, None] % colours, xp.arange(c_out) % colours
    return (place < 0) | (place == 0) & (sender < receiver if first else sender <= receiver)


def rows_mask(kernel, first):
    """1 in the rows above and, but for the first layer, in its own [kh, kw, 1, 1]. [autoregressive.rows_mask_called]"""
    kh, kw = kernel
    row    = xp.reshape(xp.arange(kh * kw) // kw, (kh, kw, 1, 1)) - kh // 2
    return row < 0 if first else row <= 0


# ---- what is never seen ----------------------------------------------------------------------------------------------
def masked_sight(x, kernel, layers):
    """Where what stands in x [B, h, w, 1] is seen by the masked stack: more than 0.   [autoregressive.unseen_called]"""
    seen = reach(x, kernel_mask(kernel, 1, 1, 1, True))
    for _ in range(layers):
        seen = reach(seen, kernel_mask(kernel, 1, 1, 1, False))
    return seen


def gated_sight(x, kernel, layers):
    """The same of the two stacks.                                                [autoregressive.unseen_rows_called]"""
    row  = 1, kernel[1]
    v    = reach(x, rows_mask(kernel, True))
    seen = xp.maximum(reach(x, kernel_mask(row, 1, 1, 1, True)), v)
    for _ in range(layers):
        v    = reach(v, rows_mask(kernel, False))
        seen = xp.maximum(reach(seen, kernel_mask(row, 1, 1, 1, False)), v)
    return seen


def reach(x, mask):
    """Where a kernel of this mask sees something of x: 1, elsewhere 0.                [autoregressive.unseen_called]"""
    padding = tuple((k // 2, k // 2) for k in mask.shape[:2])
    return (convolve(x, mask.astype(x.dtype), ((1, 1), (1, 1), padding)) > 0).astype(x.dtype)


def unseen(shape, kernel, layers, sight=masked_sight):
    """[n, n], True where the first of two of the n pixels of an image of this shape [h, w] comes after the second and
    yet never sees it, in a network of a first layer and so many others.               [autoregressive.unseen_called]"""
    h, w = shape
    one  = xp.reshape(xp.eye(h * w), (h * w, h, w, 1))                                   # an image for each pixel
    return xp.tril(xp.reshape(sight(one, kernel, layers), (h * w, h * w)).T == 0, -1)


# ---- the networks ----------------------------------------------------------------------------------------------------
def masked(kernel, C, M, mask, gain=1):
    """(init, apply) of a convolution of C channels into M that sees what mask() is 1 at."""
    init, apply = conv(kernel, C, M, gain=gain)
    return init, lambda params, x: apply(params | {"W": params["W"] * mask().astype(x.dtype)}, x)


def ordered(kernel, C, M, colours, first=False, gain=1):
    """The same, that sees what is drawn earlier."""
    return masked(kernel, C, M, lambda: kernel_mask(kernel, C, M, colours, first), gain)


def masked_stack(kernel, C, M, out, layers, colours):
    """(init, apply): C channels into M, so many more layers that are added, and `out` channels, 0 at the start."""
    init, on = joined({"in":  ordered(kernel, C, M, colours, first=True),
                       "out": ordered((1, 1), M, out, colours, gain=0)}
                      | {f"layer{i}": ordered(kernel, M, M, colours) for i in range(layers)})

    def apply(params, x):
        f = on(params)
        h = f("in", x)
        for i in range(layers):
            h = h + f(f"layer{i}", relu(h))
        return f("out", relu(h))
    return init, apply


def gated_stacks(kernel, C, M, out, layers, colours):
    """(init, apply) of the two stacks: as many layers, of gates. What v says of the rows above, h is told in each."""
    row   = 1, kernel[1]
    parts = {"out": ordered((1, 1), M, out, colours, gain=0)}
    for i, c in enumerate((C, *(M,) * layers)):
        parts |= {f"v{i}":    masked(kernel, c, 2 * M, lambda first=i == 0: rows_mask(kernel, first)),
                  f"h{i}":    ordered(row, c, 2 * M, colours, first=i == 0),
                  f"told{i}": linear(2 * M, 2 * M),
                  f"add{i}":  ordered((1, 1), M, M, colours)}
    init, on = joined(parts)

    def apply(params, x):
        f, v, h, total = on(params), x, x, 0
        for i in range(layers + 1):
            a     = f(f"v{i}", v)
            total = total + f(f"add{i}", gate(f(f"h{i}", h) + f(f"told{i}", a)))
            v, h  = gate(a), total
        return f("out", relu(h))
    return init, apply


def gate(a):
    """tanh(a) sigmoid(b) of the halves a, b of the channels; sigmoid(b) = (1 + tanh(b / 2)) / 2 in fewer steps."""
    M = a.shape[-1] // 2
    return xp.tanh(a[..., :M]) * (1 + xp.tanh(a[..., M:] / 2)) / 2
