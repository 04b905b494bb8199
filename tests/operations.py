"""Every operation that has a derivative rule: where it is tried, what it equals there, and how well.

    domain       of each array argument: (lo, hi) or a name below; it keeps away from ties, kinks and singularities
    reference    the same function on NumPy arrays of mpmath numbers
    cases        the shapes it is tried on, with what else it is given
    how          how it is called: f(arrays, then what else) unless said
    ulp, of      its value is right to `ulp` units in the last place of `of`: of the value itself unless said
    kappa        the conditioning: its derivatives are right to kappa * 1e-13, the second to kappa * 1e-12
    slope        the function that it has the derivative of, where that is another than itself

A bound other than 4, an `of` other than the value, or a kappa other than 1 stands beside its reason.
"""
import dataclasses
import functools
import itertools
import typing

import numpy as np
import pytest
from hypothesis import strategies as st

import scratch.autodiff as ad
from backends import xp
from scratch.autodiff.rules.convolution import outputs
from scratch.autodiff.tape import PRIMITIVES
from scratch.nets.linear import affine, leaky_relu, relu, silu
from scratch.nets.normalisation import centred, mean_square, scaled, shifted
from scratch.probability.distributions import log_bernoulli
from scratch.probability.divergences import exp_above_tangent

mp = pytest.importorskip("mpmath").mp.clone()
mp.dps = 60


# ---- domains: what draws an array of a shape and a dtype -------------------------------------------------------------
def between(lo, hi, lo32=None, hi32=None):
    """Numbers of [lo, hi], in float32 of [lo32, hi32]; where 0 lies inside, 0 itself or no nearer to it than 1e-3."""
    def array(draw, shape, dtype):
        single = dtype == "float32" and lo32 is not None
        a, b   = (lo32, hi32) if single else (lo, hi)
        number = st.floats(a, b).map(lambda v: 0.0 if a < 0 < b and abs(v) < 1e-3 else v)
        n = int(np.prod(shape))
        return np.array(draw(st.lists(number, min_size=n, max_size=n)), dtype).reshape(shape)
    return array


def away(lo, hi):
    """Numbers of [lo, hi] with either sign."""
    def array(draw, shape, dtype):
        x = between(lo, hi)(draw, shape, dtype)
        return x * np.where(_noise(draw, shape) < 0, -1, 1).astype(dtype)
    return array


def distinct(offset=0.0):
    """Different multiples of 1/8, moved by `offset`: nothing ties, and nothing is near to a tie."""
    def array(draw, shape, dtype):
        n = int(np.prod(shape))
        eighths = draw(st.lists(st.integers(-24, 24), min_size=n, max_size=n, unique=True))
        return (np.array(eighths).reshape(shape) / 8 + offset).astype(dtype)
    return array


def _noise(draw, shape):
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).uniform(-1, 1, shape)


def invertible(draw, shape, dtype):
    """Matrices whose diagonal outweighs the rest."""
    n = shape[-1]
    return (_noise(draw, shape) + 2 * n * np.eye(n)).astype(dtype)


def positive_definite(draw, shape, dtype):
    b = _noise(draw, shape).astype(dtype)
    return b @ np.swapaxes(b, -1, -2) + np.eye(shape[-1], dtype=dtype)


def separated(draw, shape, dtype):
    """Symmetric matrices whose eigenvalues lie at least 1 apart."""
    b = _noise(draw, shape) / shape[-1]
    return ((b + np.swapaxes(b, -1, -2)) / 2 + 3 * np.diag(np.arange(shape[-1]))).astype(dtype)


real      = between(-10, 10)
moderate  = between(-3, 3)
any_sign  = away(0.1, 10)
positive  = between(1e-30, 1e30)
within_1  = between(-0.99, 0.99)
exponents = between(-700, 700, -80, 80)
grid, off_grid = distinct(), distinct(1 / 16)
SYMMETRIC = (positive_definite, separated)


# ---- what an error is measured in ------------------------------------------------------------------------------------
def itself(f, y, args):
    return abs(y)


def terms(f, y, args):
    """The terms of a sum: the same function of the arguments without their signs."""
    return f(*[abs(a) for a in args])


def largest(f, y, args):
    return np.max(abs(y), initial=0)


def at_least_one(f, y, args):
    return np.maximum(abs(y), 1)


def summands(f, y, args):
    """The largest of the value and the arguments."""
    return max(np.max(abs(a), initial=0) for a in (y, *args))


def exact(x):
    """The same numbers as mpmath's."""
    return np.vectorize(lambda v: mp.mpf(float(v)), otypes=[object])(x)


# ---- references ------------------------------------------------------------------------------------------------------
def each(f):
    """f(number, ...) on arrays of them."""
    return np.vectorize(functools.lru_cache(20000)(f), otypes=[object])


def matrices(f, signature):
    """f(mpmath matrices) on stacks of them."""
    def g(*args):
        y = f(*(mp.matrix(a.tolist()) for a in args))
        return np.array(y.tolist(), object) if isinstance(y, mp.matrix) else y
    return np.vectorize(g, otypes=[object], signature=signature)


def symmetrised(f):
    return lambda a: f((a + np.swapaxes(a, -1, -2)) / 2)


def _solve(a, b):
    solve = matrices(lambda a, b: mp.inverse(a) * b, "(n,n),(n,m)->(n,m)")
    return solve(a, b[:, None])[..., 0] if b.ndim == 1 else solve(a, b)


def _solve_triangular(a, b, lower=False, trans=0):
    triangle = np.tril(a) if lower else np.triu(a)
    return _solve(np.swapaxes(triangle, -1, -2) if trans else triangle, b)


def _eigenvalues(a):
    return np.array(list(mp.eigsy(a, eigvals_only=True)), object)


def _eigh(a):
    w, V = mp.eigsy(a)
    return mp.matrix([list(w)] + V.tolist())


def _signed(y):
    """eigh's packed result with eigenvectors whose first component is positive."""
    lib, V = np if y.dtype == object else xp, y[..., 1:, :]
    return lib.concatenate([y[..., :1, :], V * lib.sign(V[..., :1, :])], axis=-2)


def _variance(x, axis=None, ddof=0, keepdims=False):
    d     = x - np.mean(x, axis=axis, keepdims=True)
    total = np.sum(d * d, axis=axis, keepdims=keepdims)
    return total / (x.size // np.size(total) - ddof)


def _logsumexp(x, axis=None, keepdims=False):
    return each(mp.log)(np.sum(each(mp.exp)(x), axis=axis, keepdims=keepdims))


def _group_mean(x, groups):
    A, S, C = x.shape
    m = np.mean(x.reshape(A, S, groups, C // groups), axis=(1, 3))
    return np.repeat(m, C // groups, axis=1)[:, None]


def _places(sizes, kernel, how):
    """(o, k, i) where the kernel's point k lies on the input's point i for the output's point o."""
    outs = outputs(sizes, kernel, how)
    for o, k in itertools.product(np.ndindex(*outs), np.ndindex(*kernel)):
        i = tuple(a * s + b * d - before for a, b, s, d, (before, _) in zip(o, k, *how))
        if all(0 <= a < n for a, n in zip(i, sizes)):
            yield (slice(None), *o), k, (slice(None), *i)


def _conv(x, W, how):
    y = np.full((len(x), *outputs(x.shape[1:-1], W.shape[:-2], how), W.shape[-1]), mp.mpf(0), object)
    for o, k, i in _places(x.shape[1:-1], W.shape[:-2], how):
        y[o] = y[o] + x[i] @ W[k]
    return y


def _conv_transpose(g, W, how, sizes):
    x = np.full((len(g), *sizes, W.shape[-2]), mp.mpf(0), object)
    for o, k, i in _places(sizes, W.shape[:-2], how):
        x[i] = x[i] + g[o] @ W[k].T
    return x


def _conv_weights(x, g, how, kernel):
    W = np.full((*kernel, x.shape[-1], g.shape[-1]), mp.mpf(0), object)
    for o, k, i in _places(x.shape[1:-1], kernel, how):
        W[k] = W[k] + x[i].T @ g[o]
    return W


def _scatter_add(values, index, shape):
    out = np.full(shape, mp.mpf(0), object)
    np.add.at(out, index, values)
    return out


def _log_ndtr(x):
    return mp.log1p(-mp.ncdf(-x)) if x > 0 else mp.log(mp.ncdf(x))


# ---- the table -------------------------------------------------------------------------------------------------------
class Case(typing.NamedTuple):
    shapes: tuple
    then:   tuple
    kwargs: dict
    waits:  bool                    # on a device the host has to wait for it


def at(*shapes, then=(), waits=False, **kwargs):
    return Case(shapes, then, kwargs, waits)


@dataclasses.dataclass(frozen=True, repr=False)
class Row:
    name:      str
    domains:   tuple
    reference: typing.Callable
    cases:     tuple
    how:       typing.Callable
    ulp:       float
    of:        typing.Callable
    kappa:     float
    slope:     typing.Callable
    f:         typing.Callable

    def call(self, f, case, *arrays):
        return self.how(f, *arrays, *case.then, **case.kwargs)

    def __repr__(self):
        return self.name


def row(name, domains, reference, cases=None, how=None, f=None, ulp=4, of=itself, kappa=1, slope=None, why=""):
    assert why or (ulp, of, kappa) == (4, itself, 1), f"{name}: a bound that is not the usual one needs its reason"
    domains = tuple(between(*d) if isinstance(d, tuple) else d for d in domains)
    cases   = cases or (ONE, TWO)[len(domains) - 1]
    how     = how or (lambda f, *arrays, **kwargs: f(*arrays, **kwargs))
    f       = f or (PRIMITIVES[name] if getattr(PRIMITIVES.get(name), "plain", None) else _look_up(name))
    return Row(name, domains, reference, tuple(cases), how, ulp, of, kappa, slope or reference, f)


def _look_up(name):
    return lambda *args, **kwargs: functools.reduce(getattr, name.split("."), xp)(*args, **kwargs)


def swapped(f, x, c):
    """For functions whose first argument is no traced one; references take it last."""
    return f(x, c) if x.dtype == object else f(c, x)


def listed(f, *parts, **kwargs):
    return f(parts, **kwargs)


def second_part(f, *args, **kwargs):
    return f(*args, **kwargs)[1]


ONE   = at(()), at((0,)), at((3,)), at((2, 3))
TWO   = at((), ()), at((3,), ()), at((3, 1), (1, 2)), at((0,), (1,)), at((2, 2), (2, 2))
FULL  = (at(()), at((3,)), at((2, 3), axis=0), at((2, 3), axis=-1, keepdims=True), at((2, 1, 3), axis=(0, 2)),
         at((2, 2), keepdims=True))
SETS  = at((2, 3, 2), (2, 1, 2)), at((1, 2, 3), (1, 1, 3)), at((2, 1, 1), (2, 1, 1)), at((0, 2, 2), (0, 1, 2))
PARTS = [at(shape, then=(groups,)) for shape, groups in (
         ((2, 3, 4), 2), ((1, 3, 2), 2), ((2, 1, 3), 1), ((2, 2, 1), 1), ((0, 2, 2), 2))]
STACK = at((2, 2)), at((2, 2, 2)), at((0, 2, 2)), at((1, 1))

#        stride, dilation, padding of each axis      sizes    kernel
CONVS = [(((1,), (1,), ((0, 0),)),                   (3,),    (2,)),
         (((2,), (1,), ((0, 1),)),                   (4,),    (3,)),
         (((1,), (2,), ((2, 0),)),                   (3,),    (2,)),
         (((1, 2), (1, 1), ((1, 1), (0, 0))),        (2, 3),  (3, 2))]

i, j  = np.array([0, 0, 2]), np.array([1, 0, 1])        # positions, one of them twice
which = np.array([[0, 2, 2], [1, 1, 0]])
odd   = np.array([True, False, True])
mask  = np.array([odd, ~odd])
none  = np.zeros(0, bool)

TABLE = [
    # ---- elementwise
    row("add",        [real, real],       np.add),
    row("subtract",   [real, real],       np.subtract),
    row("multiply",   [real, real],       np.multiply),
    row("divide",     [real, any_sign],   np.divide),
    row("power",      [(0.1, 10), (-3, 3)], each(mp.power)),
    row("power",      [real],             lambda x, n: x**n, [at((3,), then=(n,)) for n in (0, 1, 2, 3)]),
    row("power",      [any_sign],         lambda x, n: x**n, [at((3,), then=(n,)) for n in (-1, -2, 2.0)]),
    row("power",      [real],             lambda x, b: each(mp.power)(b, x), [at((3,), then=(2,))], swapped),
    row("maximum",    [grid, off_grid],   np.maximum),
    row("minimum",    [grid, off_grid],   np.minimum),
    row("logaddexp",  [exponents] * 2,    each(lambda a, b: max(a, b) + mp.log1p(mp.exp(-abs(a - b)))),
        of=summands, why="max(a, b) and what is added to it may cancel"),
    row("arctan2",    [any_sign] * 2,     each(mp.atan2)),
    row("where",      [real, real],       lambda a, b, c: np.where(c, a, b),
        [at((3,), (3,), then=(odd,)), at((2, 1), (), then=(odd,)), at((), (3,), then=(mask,)),
         at((0,), (0,), then=(none,))],
        lambda f, a, b, c: f(a, b, c) if a.dtype == object else f(c, a, b)),
    row("clip",       [off_grid],         np.clip, [at(shape, then=(-1, 1)) for shape in ((), (0,), (3,), (2, 3))]),
    row("astype",     [real],             lambda x, dtype: x, [at((3,), then=(d,)) for d in ("float32", "float64")]),
    row("negative",   [real],             np.negative),
    row("positive",   [real],             np.positive),
    row("abs",        [any_sign],         np.abs),
    row("square",     [real],             lambda x: x * x),
    row("sqrt",       [positive],         each(mp.sqrt)),
    row("reciprocal", [any_sign],         lambda x: 1 / x),
    row("exp",        [exponents],        each(mp.exp)),
    row("exp2",       [(-1000, 1000, -120, 120)], each(lambda x: mp.mpf(2)**x)),
    row("expm1",      [exponents],        each(mp.expm1)),
    row("log",        [positive],         each(mp.log)),
    row("log2",       [positive],         each(lambda x: mp.log(x, 2))),
    row("log10",      [positive],         each(mp.log10)),
    row("log1p",      [(-0.9, 1e6)],      each(mp.log1p)),
    row("sin",        [(-1e4, 1e4)],      each(mp.sin)),
    row("cos",        [(-1e4, 1e4)],      each(mp.cos)),
    row("tan",        [(-1.5, 1.5)],      each(mp.tan)),
    row("arcsin",     [within_1],         each(mp.asin)),
    row("arccos",     [within_1],         each(mp.acos)),
    row("arctan",     [(-1e4, 1e4)],      each(mp.atan)),
    row("sinh",       [exponents],        each(mp.sinh)),
    row("cosh",       [exponents],        each(mp.cosh)),
    row("tanh",       [(-20, 20)],        each(mp.tanh)),
    row("arcsinh",    [(-1e4, 1e4)],      each(mp.asinh)),
    row("arccosh",    [(1.01, 100)],      each(mp.acosh)),
    row("arctanh",    [within_1],         each(mp.atanh)),

    # ---- special functions
    row("gammaln",    [(0.1, 50)],        each(mp.loggamma), of=at_least_one, why="0 at 1 and 2"),
    row("digamma",    [(0.1, 50)],        each(mp.digamma),  of=at_least_one, why="0 at 1.46"),
    row("polygamma",  [(0.2, 30)],        each(lambda x, n: mp.psi(n, x)),
        [at((3,), then=(n,)) for n in (0, 1, 2)], swapped),
    row("erf",        [(-5, 5)],          each(mp.erf)),
    row("erfc",       [(-5, 9)],          each(mp.erfc), ulp=100, why="exp(-x^2): rounding x^2 costs x^2 ulp"),
    row("expit",      [exponents],        each(lambda x: 1 / (1 + mp.exp(-x)))),
    row("logit",      [(0.001, 0.999)],   each(lambda x: 2 * mp.atanh(2 * x - 1))),
    row("ndtr",       [(-12, 12)],        each(mp.ncdf), ulp=250, why="as erfc"),
    row("inverse_mills", [(-12, 12)],     each(lambda x: mp.npdf(x) / mp.ncdf(x)),
        ulp=250, kappa=1000, why="as erfc; in the derivative x + y cancels by x^2"),
    row("log_ndtr",   [(-30, 8)],         each(_log_ndtr), ulp=250, why="as erfc, where it is nearly 0"),
    row("softplus",   [exponents],        each(lambda x: mp.log1p(mp.exp(x)))),
    row("log_sigmoid", [exponents],       each(lambda x: -mp.log1p(mp.exp(-x))), f=ad.log_sigmoid),
    row("log1mexp",   [(0.001, 30)],      each(lambda x: mp.log(-mp.expm1(-x)))),
    row("exp_above_tangent", [(-30, 30)], each(lambda x: mp.expm1(x) - x), f=exp_above_tangent),
    row("relu",       [any_sign],         lambda x: np.maximum(x, 0), f=relu),
    row("leaky_relu", [any_sign],         lambda x: np.maximum(x, x * mp.mpf(0.2)), f=leaky_relu),
    row("silu",       [(-6, 6)],          each(lambda x: x / (1 + mp.exp(-x))), f=silu,
        of=summands, kappa=100, why="far below 0 it is the difference of two numbers"),
    row("xlogy",      [real, (0.1, 10)],  each(lambda a, b: a * mp.log(b))),
    row("log_bernoulli", [real, exponents], each(lambda x, l: x * l - mp.log1p(mp.exp(l))), f=log_bernoulli,
        of=lambda f, y, args: abs(args[0] * args[1]) + abs(y), why="the difference of two numbers"),
    row("straight_through", [real, real], lambda y, x: y, [at((), ()), at((0,), (0,)), at((2, 3), (2, 3))],
        slope=lambda y, x: x),

    # ---- normalised exponentials
    row("softmax",    [moderate],         lambda x, axis=-1: each(mp.exp)(x - _logsumexp(x, axis, keepdims=True)),
        [at((3,)), at((3, 2), axis=0), at((2, 3), axis=(0, 1)), at((1,)), at((0, 2))],
        of=largest, why="the probabilities sum to 1"),
    row("log_softmax", [moderate],        lambda x, axis=-1: x - _logsumexp(x, axis, keepdims=True),
        [at((3,)), at((2, 3), axis=0), at((2, 3), axis=None)], f=ad.log_softmax,
        of=summands, why="the difference of two numbers"),
    row("logsumexp",  [moderate],         _logsumexp, [*FULL, at((0, 2), axis=1)],
        of=summands, why="the sum of the maximum and a logarithm"),

    # ---- reductions
    row("sum",        [real],             np.sum,    [*FULL, at((3, 0), axis=1), at((0,))], of=terms, why="a sum"),
    row("mean",       [real],             np.mean,   FULL, of=terms, why="a sum"),
    row("cumsum",     [real],             np.cumsum, [at((3,)), at((2, 3), axis=0), at((2, 2)), at((0,))],
        of=terms, why="sums"),
    row("max",        [grid],             np.max,    FULL),
    row("min",        [grid],             np.min,    FULL),
    row("prod",       [real],             np.prod,
        [at(()), at((3,)), at((2, 3), axis=0), at((2, 3), axis=-1, keepdims=True), at((2, 2)), at((0,))]),
    row("var",        [grid],             _variance, [*FULL, at((3,), ddof=1)]),
    row("std",        [grid],             lambda x, **k: each(mp.sqrt)(_variance(x, **k)),
        [at((3,)), at((3, 2), axis=0), at((2, 3), axis=1, keepdims=True, ddof=1)]),

    # ---- products
    row("matmul",     [real, real],       np.matmul,
        [at((3,), (3,)), at((2, 3), (3,)), at((3,), (3, 2)), at((2, 3), (3, 1)), at((0, 2), (2, 2)), at((2, 0), (0, 2)),
         at((2, 1, 2), (2, 2)), at((2, 1, 2), (2,)), at((2,), (2, 2, 1)), at((1, 1, 2), (2, 2, 1))],
        of=terms, why="sums"),
    row("outer",      [real, real],       lambda a, b: a.reshape(-1, 1) * b.reshape(1, -1),
        [at((2,), (3,)), at((0,), (2,)), at((2, 1), ())]),
    row("einsum",     [real],             np.einsum,
        [at((2, 3), (3, 1), spec="ij,jk->ik"),      at((3,), (3,), spec="i,i->"),      at((3,), spec="i->"),
         at((2, 2), (2, 2), spec="ij,kj"),          at((2,), (3,), spec="i,j->ji"),    at((2, 3), spec="ij->ji"),
         at((2,), (2, 2), (2,), spec="i,ij,j->"),   at((0, 2), (2,), spec="ij,j->i"),  at((2, 3), spec="ij->"),
         at((1, 2), (3, 2), spec="...i,...i->..."), at((2, 2), (2,), spec="ii,i->i"),  at((2, 2), spec="ii->i"),
         at((2, 1, 2), (2, 2), spec="...ij,...j->...i"),                               at((2, 2), spec="ii")],
        lambda f, *a, spec: f(spec, *a), of=terms, why="sums"),

    # ---- over positions and groups of channels
    row("scaled",     [real, real],       np.multiply, SETS, f=scaled),
    row("shifted",    [real, real],       np.add,      SETS, f=shifted),
    row("centred",    [real],             lambda x, groups: x - _group_mean(x, groups), PARTS,
        f=centred, of=summands, why="the difference of two numbers"),
    row("mean_square", [real],            lambda x, groups: _group_mean(x * x, groups), PARTS, f=mean_square),

    row("conv",           [moderate], _conv,           [at((1, *n, 2), (*k, 2, 2), then=(how,)) for how, n, k in CONVS]
        + [at((0, 3, 1), (2, 1, 1), then=(CONVS[0][0],))], f=ad.conv, of=terms, why="sums"),
    row("conv_transpose", [moderate], _conv_transpose,
        [at((2, *outputs(n, k, how), 1), (*k, 2, 1), then=(how, n)) for how, n, k in CONVS],
        f=ad.conv_transpose, of=terms, why="sums"),
    row("conv_weights",   [moderate], _conv_weights,
        [at((2, *n, 1), (2, *outputs(n, k, how), 2), then=(how, k)) for how, n, k in CONVS],
        f=ad.conv_weights, of=terms, why="sums"),

    row("affine",     [real, real, real], lambda x, W, b: np.matmul(x, W) + b,
        [at((3,), (3, 2), (2,)), at((2, 3), (3, 1), (1,)), at((2, 1, 2), (2, 2), (2,)), at((0, 2), (2, 3), (3,))],
        f=affine, of=terms, why="sums"),

    # ---- linear algebra
    row("linalg.solve",    [invertible, real], _solve,
        [at((2, 2), (2,)), at((2, 2), (2, 2)), at((2, 2, 2), (2,)), at((2, 2), (2, 2, 1)), at((0, 2, 2), (2, 1))]),
    row("linalg.inv",      [invertible],  matrices(mp.inverse, "(n,n)->(n,n)"), STACK),
    row("linalg.cholesky", [positive_definite], symmetrised(matrices(mp.cholesky, "(n,n)->(n,n)")), STACK),
    row("linalg.solve_triangular", [invertible, real], _solve_triangular,
        [*[at((2, 2), (2, 1), lower=lower, trans=trans) for lower in (False, True) for trans in (0, 1)],
         at((2, 2, 2), (2, 1), lower=True), at((0, 2, 2), (2, 1))]),
    row("linalg.eigvalsh", [separated],   symmetrised(matrices(_eigenvalues, "(n,n)->(n)")), STACK),
    row("eigh",            [separated],   symmetrised(matrices(_eigh, "(n,n)->(m,n)")),
        [at((2, 2), waits=True), at((2, 2, 2), waits=True)], lambda f, a: _signed(f(a))),
    row("logabsdet",       [invertible],  matrices(lambda a: mp.log(abs(mp.det(a))), "(n,n)->()"), STACK),

    # ---- shapes
    row("reshape",      [real], np.reshape,
        [at((2, 3), then=((3, 2),)), at((), then=((1, 1),)), at((0, 2), then=((2, 0),)), at((2, 3), then=(-1,))]),
    row("ravel",        [real], np.ravel),
    row("expand_dims",  [real], np.expand_dims, [at((3,), then=(0,)), at((2, 3), then=((0, -1),)), at((), then=(0,))]),
    row("squeeze",      [real], np.squeeze,
        [at((1, 3)), at((1, 3, 1), axis=0), at((1, 2, 1), axis=(0, -1)), at((0, 1))]),
    row("transpose",    [real], np.transpose,
        [at((2, 3)), at((1, 2, 3), then=((2, 0, 1),)), at((1, 2, 3), then=((-1, 0, 1),)), at(())]),
    row("moveaxis",     [real], np.moveaxis,    [at((1, 2, 3), then=(0, -1)), at((1, 2, 3), then=((0, 1), (1, 2)))]),
    row("swapaxes",     [real], np.swapaxes,    [at((1, 2, 3), then=(0, -1)), at((0, 2), then=(0, 1))]),
    row("broadcast_to", [real], np.broadcast_to,
        [at((3,), then=((2, 3),)), at((2, 1), then=((2, 3),)), at((), then=((2,),)), at((1,), then=((0,),))]),
    row("flip",         [real], np.flip,
        [at((3,)), at((2, 3)), at((2, 3), axis=1), at((2, 3), axis=(0, 1)), at((0,))]),
    row("roll",         [real], np.roll,
        [at((3,), then=(1,)), at((2, 3), then=(2,)), at((2, 3), then=(-1, 1)), at((2, 3), then=((1, 2), (0, 1)))]),
    row("tril",         [real], np.tril,        [at((2, 3)), at((3, 2), then=(-1,)), at((2, 2, 2), then=(1,))]),
    row("triu",         [real], np.triu,        [at((2, 3)), at((3, 2), then=(-1,)), at((2, 2, 2), then=(1,))]),
    row("pad",          [real], np.pad,
        [at((3,), then=(1,)), at((2, 3), then=((1, 0),)), at((2, 2), then=(((1, 2), (0, 1)),)), at((0,), then=(2,)),
         at((2, 2), then=(((1, 2),),)), at((2,), then=(1,), constant_values=3)]),
    row("concatenate",  [real], np.concatenate,
        [at((2,), (3,)), at((2, 1), (2, 2), axis=1), at((1, 2), (2, 2), (0, 2), axis=0), at((1, 2), (1, 1), axis=-1)],
        listed),
    row("stack",        [real], np.stack,
        [at((2,), (2,)), at((2,), (2,), (2,), axis=1), at((), ()), at((2, 1), (2, 1), axis=-1)], listed),

    # ---- indexing
    row("getitem",      [real], lambda x, index: x[index],
        [at((3,), then=(1,)), at((4,), then=(slice(None, None, -2),)), at((2, 3), then=((..., None, 1),)),
         at((3,), then=(i,)), at((2, 3), then=((j, i),)), at((2, 3), then=((slice(1), i),)),
         at((3,), then=([0, 0, 1],)), at((0,), then=(slice(None),)),
         at((2, 3), then=(mask,), waits=True), at((2, 3), then=((slice(None), odd),), waits=True)]),
    row("scatter_add",  [real], _scatter_add,
        [at((3,), then=(i, (4,))), at((2,), then=(slice(0, 4, 2), (5,))), at((3,), then=((j, i), (2, 3))),
         at((3, 2), then=(i, (3, 2))), at((), then=(1, (3,))), at((0,), then=(slice(0), (2,))),
         at((3,), then=(mask, (2, 3)), waits=True)], of=terms, why="sums"),
    row("take",         [real], np.take,
        [at((3,), then=(i,)), at((2, 3), then=(i, 1)), at((2, 3), then=(which,))]),
    row("take_along_axis", [real], np.take_along_axis, [at((2, 3), then=(which, 1)), at((3,), then=(i, 0))]),
    row("repeat",       [real], np.repeat,
        [at((3,), then=(2,)), at((2, 2), then=(2, 1)), at((2, 2), then=(2,)), at((), then=(3,))]),
    row("tile",         [real], np.tile,
        [at((3,), then=(2,)), at((2, 2), then=((2, 1),)), at((2,), then=((2, 2),))]),
    row("diagonal",     [real], np.diagonal,    [at((2, 3)), at((3, 2), then=(-1,)), at((2, 2, 2), then=(0, 1, 2))]),
    row("trace",        [real], np.trace,       [at((2, 2)), at((2, 3))]),
    row("split",        [real], np.split,       [at((4,), then=(2,)), at((2, 4), then=((1, 3),), axis=1)], second_part),
    row("array_split",  [real], np.array_split, [at((5,), then=(2,)), at((3, 2), then=(2,))], second_part),
    row("sort",         [grid], np.sort,        [at((3,)), at((2, 3)), at((2, 3), axis=0), at((2, 2), axis=None)]),
]
