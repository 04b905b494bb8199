"""Toy densities whose log p is known, so that what a model learns can be measured against the truth.

    x        points                                                     [n, 2], bars [n, side^2]
    k, K     arm, petal or square, and how many: all equally likely, but for arms with weights
    c_k(u)   an arm: a curve, u uniform in (0, 1), or a single point
    sigma    deviation of the Gaussian noise

`toy.sample(stream, n)` draws x, `toy.log_p(x)` is its log density in nats (bars: log probability), on every backend, in
the dtype of x (float32 for integers). Except for the checkerboard and the bars log_p is smooth, its gradient the score.
"""
import dataclasses
import functools
import itertools
import math
from collections.abc import Callable

import numpy

from backends import xp
from scratch.autodiff import logsumexp


@dataclasses.dataclass(frozen=True)
class Arms:
    """Gaussian noise about one of K arms.    p(x) = sum_k pi_k int_0^1 N(x; c_k(u), sigma^2 I) du, pi_k = 1/K or given

    The integral is a Gauss-Legendre sum of `nodes` terms, exact for a point and, for the curves in TOYS, good to 1e-11
    in log p on [-5, 5]^2: one mixture of isotropic Gaussians, whatever the arms are.
    """
    about: str
    K:     int
    curve: Callable                 # k, u -> the two coordinates of c_k(u)
    sigma: float
    nodes: int = 1
    pi:    tuple = ()
    shape  = (2,)

    def sample(self, stream, n, dtype="float32"):
        """n draws [n, 2]."""
        k = _one_of(self.K, stream("arm"), n, dtype, self.pi)
        u = stream("along").uniform(n, dtype)
        return xp.stack(self.curve(k, u), axis=1) + self.sigma * stream("noise").normal((n, 2), dtype)

    def log_p(self, x):
        """The log density [n] of x [n, 2], in nats."""
        c, log_w = self.centres(x.dtype)                                                         # [M, 2], [M]
        d2       = xp.sum(xp.square(x[:, None] - c), axis=-1)                                    # [n, M]
        return logsumexp(log_w - d2 / (2 * self.sigma**2), axis=1) - math.log(2 * math.pi * self.sigma**2)

    def centres(self, dtype="float32"):
        """The means [M, 2] and log weights [M] of the mixture, M = K nodes; for point arms the means are the modes."""
        u, w = _gauss_legendre(self.nodes)
        k, u = xp.asarray(numpy.repeat(numpy.arange(self.K), self.nodes)), xp.asarray(numpy.tile(u, self.K))
        c    = xp.stack(self.curve(k, u), axis=1)
        pi   = self.pi or (1 / self.K,) * self.K
        return c.astype(dtype), xp.asarray(numpy.log(numpy.outer(pi, w)).ravel()).astype(dtype)


@dataclasses.dataclass(frozen=True)
class Pinwheel:
    """K Gaussian petals, wound up: x = R(a_k) z, z ~ N((radius, 0), diag(sigma^2)), a_k = 2 pi k / K + twist |z|^2.

    The angle depends on the petal and on |x| = |z| alone: the map keeps areas, and p(x) = 1/K sum_k N(R(-a_k) x; ...).
    """
    about:  str
    K:      int
    radius: float
    sigma:  tuple                   # along the petal and across
    twist:  float
    shape   = (2,)

    def sample(self, stream, n, dtype="float32"):
        """n draws [n, 2]."""
        eps  = stream("noise").normal((n, 2), dtype)
        p, q = self.radius + self.sigma[0] * eps[:, 0], self.sigma[1] * eps[:, 1]
        a    = self.angle(_one_of(self.K, stream("petal"), n, dtype), p, q)
        return xp.stack([p * xp.cos(a) - q * xp.sin(a), p * xp.sin(a) + q * xp.cos(a)], axis=1)

    def log_p(self, x):
        """The log density [n] of x [n, 2], in nats."""
        x0, x1 = x[:, :1], x[:, 1:]                                                              # [n, 1]
        a      = self.angle(xp.arange(self.K).astype(x.dtype), x0, x1)                           # [n, K]
        p, q   = x0 * xp.cos(a) + x1 * xp.sin(a), x1 * xp.cos(a) - x0 * xp.sin(a)                # z = R(-a) x
        maha   = xp.square((p - self.radius) / self.sigma[0]) + xp.square(q / self.sigma[1])
        return logsumexp(-maha / 2, axis=1) - math.log(2 * math.pi * math.prod(self.sigma) * self.K)

    def angle(self, k, x0, x1):
        return 2 * math.pi * k / self.K + self.twist * (xp.square(x0) + xp.square(x1))


@dataclasses.dataclass(frozen=True)
class Checkerboard:
    """Uniform on the 8 dark of 4 x 4 squares of side 2 on [-4, 4)^2: those whose column and row have an even sum."""
    about: str
    shape  = (2,)

    def sample(self, stream, n, dtype="float32"):
        """n draws [n, 2]."""
        k      = _one_of(8, stream("square"), n, dtype)
        column = k // 2
        corner = xp.stack([column, 2 * (k % 2) + column % 2], axis=1) - 2
        x      = corner + stream("inside").uniform((n, 2), dtype)
        return 2 * xp.minimum(x, xp.nextafter(corner + 1, corner))      # a sum that rounds up would leave its square

    def log_p(self, x):
        """The log density [n] of x [n, 2], in nats: -log 32 on the dark squares, -inf elsewhere."""
        square = xp.floor(x / 2)
        dark   = xp.all((x >= -4) & (x < 4), axis=1) & (xp.sum(square, axis=1) % 2 == 0)
        return xp.where(dark, xp.full_like(x[:, 0], -math.log(32)), -math.inf)


@dataclasses.dataclass(frozen=True)
class Bars:
    """Bars or stripes, by the toss of a coin; then each column (or row) of the side x side pixels is all 0 or all 1, by
    another toss.   MacKay 2003"""
    about: str
    side:  int = 3
    shape  = property(lambda self: (self.side, self.side))

    def sample(self, stream, n, dtype="float32"):
        """n images [n, side^2] of 0 and 1."""
        bits   = stream("bits").integers(0, 2, (n, self.side))
        images = xp.where(stream("way").integers(0, 2, (n, 1, 1)) == 0, bits[:, :, None], bits[:, None, :])
        return images.reshape(n, -1).astype(dtype)

    def log_p(self, x):
        """The log probability [n] of images x [n, side^2]; -inf where x is no such image."""
        images = x.reshape((-1, self.side, self.side))
        binary = xp.all((x == 0) | (x == 1), axis=1)
        rows   = xp.all(images == images[:, :, :1], axis=(1, 2))
        cols   = xp.all(images == images[:, :1, :], axis=(1, 2))
        ways   = (binary & rows).astype(x.dtype if x.dtype.kind == "f" else "float32") + (binary & cols)
        return xp.where(ways > 0, xp.log(xp.maximum(ways, 1)) - (1 + self.side) * math.log(2), -math.inf)

    def support(self, dtype="float32"):
        """Every image of positive probability, once: [2 (2^side - 1), side^2]."""
        bits   = list(itertools.product((0, 1), repeat=self.side))
        images = {tuple(numpy.ravel(way)) for b in bits for way in ([[i] * self.side for i in b], [b] * self.side)}
        return xp.asarray(sorted(images), dtype=dtype)


def _one_of(K, stream, n, dtype, pi=()):
    return (stream.categorical(xp.log(xp.asarray(pi)), (n,)) if pi else stream.integers(0, K, n)).astype(dtype)


@functools.cache
def _gauss_legendre(nodes):
    """Points and weights of the Gauss-Legendre rule on (0, 1), host arrays: eigenvalues of the polynomials' recurrence.
    Golub and Welsch 1969. (The formula by the polynomial's derivative loses four digits in the weights at the ends.)"""
    i    = numpy.arange(1, nodes)
    beta = i / numpy.sqrt(4 * i**2 - 1)
    u, v = numpy.linalg.eigh(numpy.diag(beta, 1) + numpy.diag(beta, -1))
    return (u + 1) / 2, v[0]**2


def _circle(k, u):
    return 2 * xp.cos(math.pi * k / 4), 2 * xp.sin(math.pi * k / 4)


def _lattice(k, u):
    return 2 * (k // 5 - 2), 2 * (k % 5 - 2)


def _triangle(k, u):
    return 3 * xp.cos(2 * math.pi * k / 3), 3 * xp.sin(2 * math.pi * k / 3)


def _half_circles(k, u):
    s = 1 - 2 * k
    return k + s * xp.cos(math.pi * u), k / 2 + s * xp.sin(math.pi * u)


def _spiral(k, u):
    """Archimedes' r = t / 3, t from pi/2 to 3 pi, at nearly constant speed in u."""
    t = math.pi / 2 * xp.sqrt(1 + 35 * u)
    r = (1 - 2 * k) * t / 3
    return r * xp.cos(t), r * xp.sin(t)


TOYS = {
  "ring":     Arms("8 Gaussians of deviation 0.05 on a circle of radius 2",         8, _circle,       0.05),
  "grid":     Arms("25 Gaussians of deviation 0.05 on a 5 x 5 grid of spacing 2",  25, _lattice,      0.05),
  "islands":  Arms("3 Gaussians of deviation 0.2, of weights 0.6, 0.3 and 0.1",     3, _triangle, 0.2, pi=(.6, .3, .1)),
  "moons":    Arms("two half circles that hook into each other, deviation 0.1",     2, _half_circles, 0.1, nodes=144),
  "spirals":  Arms("two arms of a spiral, deviation 0.1",                           2, _spiral,       0.1, nodes=448),
  "pinwheel": Pinwheel("five Gaussian petals, wound up", K=5, radius=2, sigma=(0.5, 0.15), twist=0.15),
  "checkerboard": Checkerboard("uniform on the 8 dark squares of a 4 x 4 board on [-4, 4)^2"),
  "bars":     Bars("3 x 3 binary images of bars or of stripes"),
}
