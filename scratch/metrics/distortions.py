"""Ways to spoil images, by more and more.   Heusel et al. 2017

    x         images, pixels in [0, 1]                               [n, h, w, C], or [n, h, w]
    amount    how much: 0 changes nothing, bitwise; 1 is the most
    stream    of the random numbers, the same for every amount: what is spoilt by little is spoilt by more too
    others    images of something else, of the same shape            [m, h, w, C]; for "contamination" alone
"""
import functools

from backends import xp
from scratch.data.checks import door
from scratch.metrics.fidelity import bells, blend

RECTANGLES, TURN, WIDTH = 5, 2.0, 2.0       # how many; radians in the middle of a swirl; deviation of a blur, in pixels


def noise(x, amount, stream, others=None):
    """Normal noise of deviation `amount`."""
    return x + amount * stream("noise").normal(x.shape, x.dtype)


def blur(x, amount, stream, others=None):
    """Each pixel a mean of its neighbours, with normal weights."""
    n, h, w = x.shape[:3]
    A, B    = (bells(size, max(WIDTH * amount, 1e-9), size).astype(x.dtype) for size in (h, w))
    return xp.reshape(blend(xp.reshape(x, (n, h, w, -1)), A, B), x.shape)


def rectangles(x, amount, stream, others=None):
    """Black rectangles somewhere, as long and wide as `amount` of the image."""
    n, h, w = x.shape[:3]
    for each in stream.split(RECTANGLES):
        rows, columns = (_inside(size, amount, each(side).uniform((n, 1))) for side, size in (("h", h), ("w", w)))
        x = xp.where(_like(rows[:, :, None] & columns[:, None], x), 0, x)
    return x


def _inside(size, amount, u):
    """Which points of a side [n, size] lie in an interval of `amount` of it, somewhere."""
    p, start = xp.arange(size) + 0.5, u * (1 - amount) * size
    return (start <= p) & (p < start + amount * size)


def swirl(x, amount, stream, others=None):
    """Turned about the middle, less and less outwards; between pixels the value is bilinear."""
    h, w   = x.shape[1:3]
    i, j   = xp.arange(h)[:, None] - (h - 1) / 2, xp.arange(w) - (w - 1) / 2
    angle  = TURN * amount * xp.exp(-4 * (i**2 + j**2) / min(h, w)**2)                           # [h, w]
    i, j   = xp.cos(angle) * i - xp.sin(angle) * j + (h - 1) / 2, xp.sin(angle) * i + xp.cos(angle) * j + (w - 1) / 2
    i0, j0 = xp.floor(i), xp.floor(j)
    at     = lambda i, size: xp.clip(i, 0, size - 1).astype(xp.int64)
    return sum(_like(((1 - xp.abs(i - a)) * (1 - xp.abs(j - b))).astype(x.dtype)[None], x) * x[:, at(a, h), at(b, w)]
               for a in (i0, i0 + 1) for b in (j0, j0 + 1))


def salt_and_pepper(x, amount, stream, others=None):
    """`amount` of the pixels black or white, by the toss of a coin."""
    pixel, coin = (stream(name).uniform(x.shape[:3]) for name in ("pixel", "coin"))
    return xp.where(_like(pixel < amount, x), _like((coin < 0.5).astype(x.dtype), x), x)


def contamination(x, amount, stream, others=None):
    """`amount` of the images replaced by others."""
    if others is None:
        raise ValueError("contamination is by others, which is None; expected images of something else.")
    other = others[stream("which").integers(0, len(others), len(x))].astype(x.dtype)
    return xp.where(_like(stream("image").uniform((len(x), 1, 1)) < amount, x), other, x)


def _of_pixels(f):
    """f, which raises TypeError for images of integers: between 0 and 1 there are none; ValueError for what are none,
    for others of another shape, and for an amount that is not from 0 to 1."""
    @functools.wraps(f)
    def spoil(x, amount, stream, others=None):
        for images in (x,) if others is None else (x, others):
            if images.dtype.kind != "f":
                raise TypeError(f"Images hold {images.dtype}; expected floats in [0, 1]: divide levels by the "
                                "greatest.")
            if x.ndim not in (3, 4) or images.shape[1:] != x.shape[1:]:
                raise ValueError(f"Images have shape {tuple(images.shape)}; expected [n, h, w] or [n, h, w, C], and "
                                 "others of the same: reshape rows of pixels.")
        if not 0 <= amount <= 1:
            raise ValueError(f"amount={amount} is out of range; expected from 0, no change, to 1, the most.")
        return f(x, amount, stream, others)
    return door(spoil, lists=True)


DISTORTIONS = {name: _of_pixels(f) for name, f in {
    "noise":           noise,
    "blur":            blur,
    "rectangles":      rectangles,
    "swirl":           swirl,
    "salt and pepper": salt_and_pepper,
    "contamination":   contamination,
}.items()}


def _like(a, x):
    """a [n, h, w] with as many axes as x has."""
    return xp.reshape(a, a.shape + (1,) * (x.ndim - a.ndim))
