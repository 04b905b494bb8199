"""How far an image is from the one that it should be.   Wang et al. 2004 (SSIM)   derivations: evaluation

    x, y     pairs of images, as rows                                [n, D]
    shape    of an image: (h, w), or (h, w, C)
    span     the greatest value that there is less the least         1, of pixels in [0, 1]

Figures are float64 [n], one a pair; NaN in an image is NaN in its figure. Raise ValueError where x and y are no pairs.
"""
import math
import operator

from backends import xp

K1, K2 = 0.01, 0.03             # what keeps SSIM from 0 / 0, in units of the span


def mse(x, y):
    """The mean of (x - y)^2 over the pixels, in the units of x squared.                      [evaluation.mse_called]"""
    _pairs(x, y)
    return xp.mean((x.astype("float64") - y)**2, axis=1)


def psnr(x, y, span=1):
    """10 log10 (span^2 / MSE), the peak over the noise in decibels; +inf where x = y.       [evaluation.psnr_called]"""
    _positive(span=span)
    error = mse(x, y)
    same  = error == 0
    return xp.where(same, math.inf, 20 * math.log10(span) - 10 * xp.log10(xp.where(same, 1, error)))


def within(x, y, span=1):
    """Raises ValueError where both x and y reach further than the span. One transfer."""
    reach = float(xp.minimum(*(xp.max(a) - 1.0 * xp.min(a) for a in (x, y))))
    if reach > span * (1 + 1e-6):
        raise ValueError(f"Images reach over {reach:g}, and span={span}; expected the greatest value that there is "
                         "less the least: give span=255 for levels of bytes.")


def ssim(x, y, shape, span=1, window=11, sigma=1.5):
    """Structural similarity, a mean over every window that lies within the image, and over colours: 1 where x = y, and
    never more than 1 or less than -1.                                                       [evaluation.ssim_called]

    Of a window it is (2 mu_x mu_y + C1)(2 s_xy + C2) / ((mu_x^2 + mu_y^2 + C1)(s_x^2 + s_y^2 + C2)), its moments being
    those of a normal weight of deviation sigma, cut off to window x window pixels. The paper's window is 11. Raises
    ValueError where that is even, or does not fit the shape, of which D is the product, and for a span or sigma that is
    not positive.
    """
    _positive(span=span, sigma=sigma)
    _pairs(x, y)
    try:
        h, w, *_ = shape = tuple(map(operator.index, shape))
    except (TypeError, ValueError):
        raise ValueError(f"shape={shape!r}; expected that of an image, (h, w) or (h, w, C).") from None
    if math.prod(shape) != x.shape[1]:
        raise ValueError(f"shape={shape}, but images have {x.shape[1]} pixels; expected {math.prod(shape)}.")
    if window % 2 == 0 or not 1 <= window <= min(h, w):
        most = min(h, w) - 1 + min(h, w) % 2
        raise ValueError(f"window={window} does not fit images of {h} x {w}; expected an odd number up to {most}.")
    reach  = window // 2
    A, B   = (bells(n, sigma, reach)[reach:n - reach] for n in (h, w))
    seen   = lambda a: blend(a, A, B)
    x, y   = (xp.reshape(a.astype("float64"), (len(a), h, w, -1)) for a in (x, y))
    m_x, m_y = (xp.mean(a, axis=(1, 2), keepdims=True) for a in (x, y))
    x, y     = x - m_x, y - m_y                                         # the same second moments, all digits of them
    d_x, d_y = seen(x), seen(y)                                                                  # [n, h', w', C]
    mu_x, mu_y = m_x + d_x, m_y + d_y
    s_xx, s_yy, s_xy = seen(x * x) - d_x**2, seen(y * y) - d_y**2, seen(x * y) - d_x * d_y
    s_2    = xp.maximum(s_xx + s_yy, 0)
    C1, C2 = (K1 * span)**2, (K2 * span)**2
    return xp.mean((2 * mu_x * mu_y + C1) * (xp.clip(2 * s_xy, -s_2, s_2) + C2)
                   / ((mu_x**2 + mu_y**2 + C1) * (s_2 + C2)), axis=(1, 2, 3))


def bells(n, sigma, reach):
    """Normal weights [n, n] of deviation sigma about each of n points, 0 beyond `reach`; the sum of a row is 1.
                                                                                             [evaluation.ssim_called]"""
    d = xp.arange(n)[:, None] - xp.arange(n)
    w = xp.where(xp.abs(d) <= reach, xp.exp(-(d / sigma)**2 / 2), 0)
    return w / xp.sum(w, axis=1, keepdims=True)


def blend(x, A, B):
    """Rows of images x [n, h, w, C] blended by A [h', h] and columns by B [w', w]: [n, h', w', C].
                                                                                             [evaluation.ssim_called]"""
    n, h, w, C = x.shape
    x = xp.reshape(A @ xp.reshape(x, (n, h, w * C)), (n, -1, w, C))
    return B @ x


def _positive(**numbers):
    for name, number in numbers.items():
        if not number > 0:
            raise ValueError(f"{name}={number}; expected a number above 0.")


def _pairs(x, y):
    if x.ndim != 2 or x.shape != y.shape:
        raise ValueError(f"Images of shape {tuple(x.shape)} are compared with {tuple(y.shape)}; expected pairs, both "
                         "[n, D].")
