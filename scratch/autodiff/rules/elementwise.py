"""Elementwise operations.   y = f(a, b); each row: the pullback of the cotangent g to every argument

At ties and kinks: maximum and minimum share the cotangent equally; |x| has derivative 0 at 0; clip has derivative 1 on
the closed interval; a ** b has derivative 0 in b at a = 0. `where` gives the branch that is not taken the cotangent 0,
which times an infinite derivative there is still NaN: keep the argument of that branch inside its domain.
"""
import math

from backends import xp
from scratch.autodiff.tape import Primitive, Traced, composite, constant, rule, untraced


def fit(g, a):
    """The adjoint of broadcasting: g summed over the axes along which a was stretched, in a's shape and dtype."""
    if g.shape != a.shape:
        lead = g.ndim - a.ndim
        stretched = tuple(i for i in range(g.ndim) if i < lead or a.shape[i - lead] == 1 != g.shape[i])
        g = xp.reshape(xp.sum(g, axis=stretched), a.shape)
    return g if g.dtype == a.dtype else xp.astype(g, a.dtype)


def _less_one(a, b):
    """b - 1, and 1 where a = b = 0, so that b * a ** (b - 1) is 0 there too."""
    return xp.where((a == 0) & (b == 0), 1, b - 1) if hasattr(b, "dtype") else b - 1 if b else 1


def _log(a):
    """log a, and 0 where a = 0."""
    return xp.log(xp.where(a == 0, 1, a)) if hasattr(a, "dtype") else math.log(a or 1) if a >= 0 else math.nan


def _share(g, a, b):
    return xp.where(a == b, g / 2, xp.where(a > b, g, 0))


def _weight(y, a, b):
    """exp(a - y) for y = logaddexp(a, b), by a - b, in which nothing cancels; 0 where both are -inf, 1/2 where +inf."""
    same, zero = (a == b) & xp.isinf(y), xp.zeros_like(y)
    return xp.where(y == -math.inf, 0, xp.expit(xp.where(same, zero, a) - xp.where(same, zero, b)))


def _sech2(x):
    """1 / cosh^2, by an exponential that cannot overflow."""
    e = xp.exp(-2 * xp.abs(x))
    return 4 * e / xp.square(1 + e)


ln2, ln10 = math.log(2), math.log(10)

#     NumPy's name, pulled back to the first argument              to the second, and what is kept
rule("add",       lambda g, y, a, b: fit(g, a),                    lambda g, y, a, b: fit(g, b))
rule("subtract",  lambda g, y, a, b: fit(g, a),                    lambda g, y, a, b: fit(-g, b))
rule("multiply",  lambda g, y, a, b: fit(g * b, a),                lambda g, y, a, b: fit(g * a, b),       keeps="a b")
rule("divide",    lambda g, y, a, b: fit(g / b, a),                lambda g, y, a, b: fit(-g * y / b, b),  keeps="y b")
rule("maximum",   lambda g, y, a, b: fit(_share(g, a, b), a),
                  lambda g, y, a, b: fit(_share(g, b, a), b),                                              keeps="a b")
rule("minimum",   lambda g, y, a, b: fit(_share(g, b, a), a),
                  lambda g, y, a, b: fit(_share(g, a, b), b),                                              keeps="a b")
rule("power",     lambda g, y, a, b: fit(g * b * a ** _less_one(a, b), a),
                  lambda g, y, a, b: fit(g * y * _log(a), b),                                             keeps="y a b")
rule("logaddexp", lambda g, y, a, b: fit(g * _weight(y, a, b), a),
                  lambda g, y, a, b: fit(g * _weight(y, b, a), b),                                        keeps="y a b")
rule("arctan2",   lambda g, y, a, b: fit(g * b / (a * a + b * b), a),
                  lambda g, y, a, b: fit(-g * a / (a * a + b * b), b),                                     keeps="a b")
rule("where",     None,
                  lambda g, y, c, a, b: fit(xp.where(c, g, 0), a),
                  lambda g, y, c, a, b: fit(xp.where(c, 0, g), b),                                         keeps="c")
rule("clip",      lambda g, y, x, *bounds, **named: fit(xp.where(y == x, g, 0), x),                        keeps="y x")

rule("negative",   lambda g, y, x: -g)
rule("positive",   lambda g, y, x: g)
rule("abs",        lambda g, y, x: g * xp.sign(x),            keeps="x")
rule("square",     lambda g, y, x: g * (2 * x),               keeps="x")
rule("sqrt",       lambda g, y, x: g / (2 * y),               keeps="y")
rule("reciprocal", lambda g, y, x: -g * y * y,                keeps="y")
rule("exp",        lambda g, y, x: g * y,                     keeps="y")
rule("exp2",       lambda g, y, x: g * y * ln2,               keeps="y")
rule("expm1",      lambda g, y, x: g * xp.exp(x),             keeps="x")
rule("log",        lambda g, y, x: g / x,                     keeps="x")
rule("log2",       lambda g, y, x: g / (x * ln2),             keeps="x")
rule("log10",      lambda g, y, x: g / (x * ln10),            keeps="x")
rule("log1p",      lambda g, y, x: g / (1 + x),               keeps="x")
rule("sin",        lambda g, y, x: g * xp.cos(x),             keeps="x")
rule("cos",        lambda g, y, x: -g * xp.sin(x),            keeps="x")
rule("tan",        lambda g, y, x: g * (1 + y * y),           keeps="y")
rule("arcsin",     lambda g, y, x: g / xp.sqrt((1 - x) * (1 + x)),  keeps="x")
rule("arccos",     lambda g, y, x: -g / xp.sqrt((1 - x) * (1 + x)), keeps="x")
rule("arctan",     lambda g, y, x: g / (1 + x * x),           keeps="x")
rule("sinh",       lambda g, y, x: g * xp.cosh(x),            keeps="x")
rule("cosh",       lambda g, y, x: g * xp.sinh(x),            keeps="x")
rule("tanh",       lambda g, y, x: g * _sech2(x),             keeps="x")
rule("arcsinh",    lambda g, y, x: g / xp.sqrt(x * x + 1),    keeps="x")
rule("arccosh",    lambda g, y, x: g / xp.sqrt((x - 1) * (x + 1)),  keeps="x")
rule("arctanh",    lambda g, y, x: g / ((1 - x) * (1 + x)),   keeps="x")

_cast = Primitive("astype", lambda x, dtype: xp.astype(x, dtype), (lambda g, y, x, dtype: xp.astype(g, x.dtype),))

# to integers or booleans it is constant between its jumps
composite("astype", lambda x, dtype: _cast(x, dtype) if xp.dtype(dtype).kind in "fc" else xp.astype(untraced(x), dtype))

constant(*"""
    sign floor ceil rint round trunc floor_divide greater greater_equal less less_equal equal not_equal isfinite isnan
    isinf logical_and logical_or logical_not logical_xor array_equal array_equiv allclose isclose argmax argmin argsort
    searchsorted count_nonzero nonzero any all zeros_like ones_like empty_like full_like shape ndim size result_type
""".split())


# ---- the arithmetic of traced values ---------------------------------------------------------------------------------
def _methods(**operations):
    for name, f in operations.items():
        setattr(Traced, f"__{name}__", f)


_methods(add=lambda a, b: xp.add(a, b),        radd=lambda a, b: xp.add(b, a),
         sub=lambda a, b: xp.subtract(a, b),   rsub=lambda a, b: xp.subtract(b, a),
         mul=lambda a, b: xp.multiply(a, b),   rmul=lambda a, b: xp.multiply(b, a),
         truediv=lambda a, b: xp.divide(a, b), rtruediv=lambda a, b: xp.divide(b, a),
         floordiv=lambda a, b: xp.floor_divide(a, b), rfloordiv=lambda a, b: xp.floor_divide(b, a),
         pow=lambda a, b: xp.square(a) if type(b) is int and b == 2 else xp.power(a, b),
         rpow=lambda a, b: xp.power(b, a),
         neg=lambda a: xp.negative(a),         pos=lambda a: a,               abs=lambda a: xp.abs(a),
         eq=lambda a, b: xp.equal(a, b),       ne=lambda a, b: xp.not_equal(a, b),
         lt=lambda a, b: xp.less(a, b),        le=lambda a, b: xp.less_equal(a, b),
         gt=lambda a, b: xp.greater(a, b),     ge=lambda a, b: xp.greater_equal(a, b))
Traced.astype = lambda x, dtype: xp.astype(x, dtype)
Traced.clip   = lambda x, *bounds: xp.clip(x, *bounds)
