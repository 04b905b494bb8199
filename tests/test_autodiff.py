"""The engine of the autodiff: nesting, trees, what is refused, what is kept; the conventions at kinks; the extremes."""
import collections
import functools
import gc
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scratch.autodiff as ad
from backends import _lifts, no_sync, to_host, use, xp
from scratch.autodiff.tape import PRIMITIVES, Primitive, Trace, Traced
from tests.operations import exact, mp

EPS  = 2.0**-52
TINY = 2.0**-1022                                       # the smallest normal float64
rng  = np.random.default_rng


def near(a, b, ulps=8):
    """Equal to a few units in the last place of the largest number, NaN and infinities in the same places."""
    scale = np.max(np.abs(b), initial=0, where=np.isfinite(b))
    np.testing.assert_allclose(a, b, rtol=0, atol=ulps * EPS * scale)


# ---- nesting ---------------------------------------------------------------------------------------------------------
def critic(W, x):
    """D(x; W) = sum of tanh(W x)."""
    return xp.sum(xp.tanh(W @ x))


def test_the_gradient_of_a_gradient_penalty_is_that_of_its_closed_form():
    W, x = rng(1).normal(size=(3, 4)), rng(2).normal(size=4)
    penalty = ad.grad(lambda W: xp.sum(xp.square(ad.grad(lambda x: critic(W, x))(x))))(W)

    def closed(W):                                      # |W^T (1 - tanh^2 W x)|^2, holomorphic in W
        return np.sum((W.T @ (1 - np.tanh(W @ x)**2))**2)
    assert np.max(np.abs(penalty - complex_step(closed, W))) <= 1e-13 * np.max(np.abs(penalty))


def complex_step(f, x, h=1e-200):
    """The gradient of a holomorphic f, without a difference: Im f(x + ih) / h."""
    g = np.empty_like(x)
    for i in np.ndindex(x.shape):
        z = x.astype(complex)
        z[i] += 1j * h
        g[i] = f(z).imag / h
    return g


def nested(f, n):
    return f if n == 0 else nested(ad.grad(f), n - 1)


@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize("x", [-1.3, 0.0, 0.7])
def test_derivatives_nest_to_any_order(order, x):
    near(nested(xp.sin, order)(np.array(x)), np.sin(x + order * np.pi / 2) if x else [0, 1, 0, -1, 0, 1][order])
    f = lambda x: x * xp.exp(2 * x)
    near(nested(f, order)(np.array(x)), (2**order * x + order * 2.0**(order - 1)) * np.exp(2 * x), 32)


def test_three_levels_over_different_variables_do_not_mix():
    f = lambda x, y, z: x**2 * y**3 * xp.exp(z)         # d/dz d/dy d/dx f = 2 x * 3 y^2 * e^z
    dx = lambda x, y, z: ad.grad(lambda x: f(x, y, z))(x)
    dy = lambda x, y, z: ad.grad(lambda y: dx(x, y, z))(y)
    dz = lambda x, y, z: ad.grad(lambda z: dy(x, y, z))(z)
    x, y, z = map(np.array, (1.5, -0.5, 0.25))
    near(dz(x, y, z), 2 * 1.5 * 3 * 0.25 * np.exp(0.25))


def test_a_perturbation_is_not_confused_with_that_of_another_level():
    one = np.array(1.0)
    assert ad.grad(lambda x: x * ad.grad(lambda y: x + y)(one))(one) == 1
    assert ad.grad(lambda x: x * ad.grad(lambda y: x * y)(one))(one) == 2
    assert ad.jvp(lambda x: x * ad.jvp(lambda y: x * y, one, one)[1], one, one)[1] == 2
    inner = lambda x: ad.grad(lambda y: ad.grad(lambda z: x * y * z)(one))(one)     # = x
    assert ad.grad(inner)(np.array(3.0)) == 1


def test_a_value_kept_beyond_its_trace_is_refused():
    kept = []

    def f(x):
        kept.append(x * 2)
        return xp.sum(x)
    ad.grad(f)(np.ones(3))
    later = lambda v: ad.grad(lambda x: xp.sum(x * v))(np.ones(3))
    for use_it in (lambda v: v + 1, lambda v: xp.exp(v), lambda v: v[0], later):
        with pytest.raises(ValueError, match="trace that has ended"):
            use_it(kept[0])


def test_a_value_leaked_from_an_inner_level_is_refused_at_the_same_depth():
    kept = []
    inner = lambda y: kept.append(y) or xp.sum(y)

    def outer(x):
        ad.grad(inner)(x)
        return ad.grad(lambda y: xp.sum(y * kept[0]))(x)[0]
    with pytest.raises(ValueError, match="trace that has ended"):
        ad.grad(outer)(np.ones(2))


def test_a_trace_ends_where_the_function_raises():
    kept = []

    def f(x):
        kept.append(x)
        raise KeyError("on the way")
    with pytest.raises(KeyError):
        ad.grad(f)(np.ones(2))
    with pytest.raises(ValueError, match="trace that has ended"):
        kept[0] + 1


def test_a_chain_of_a_million_operations_is_pulled_back_and_freed():
    def f(x):
        for _ in range(10**6):
            x = -x
        return x
    assert ad.grad(f)(np.array(2.0)) == 1


# ---- transforms ------------------------------------------------------------------------------------------------------
A, B = rng(3).normal(size=(3, 4)), rng(4).normal(size=(2, 3))


def smooth(x):
    """R^4 -> R^2, nothing special about it."""
    return xp.tanh(B @ xp.sin(A @ x)) * ad.logsumexp(x[:2])


def scalar(x):
    return xp.sum(xp.square(smooth(x))) + ad.softplus(x[1] * x[2])


vectors = st.integers(0, 2**32 - 1).map(lambda seed: rng(seed).normal(size=(3, 4)))


@settings(max_examples=20)
@given(vectors)
def test_the_pullback_is_the_adjoint_of_the_derivative_and_both_are_linear(v):
    x, u, w = v
    g, h    = B[:, 0], B[:, 1]
    _, Ju   = ad.jvp(smooth, x, u)
    _, Jw   = ad.jvp(smooth, x, w)
    y, pull = ad.vjp(smooth, x)
    near(y, smooth(x), 0)
    near(g @ Ju, pull(g) @ u, 64 * max(1, np.abs(pull(g)) @ np.abs(u)) / max(abs(g @ Ju), 1e-3))
    near(ad.jvp(smooth, x, 2 * u - w)[1], 2 * Ju - Jw, 256)
    near(pull(2 * g - h), 2 * pull(g) - pull(h), 256)


@settings(max_examples=20)
@given(vectors)
def test_the_jacobian_by_rows_is_the_one_by_columns(v):
    x    = v[0]
    rows = ad.jacobian(smooth)(x)
    near(np.stack([ad.jvp(smooth, x, e)[1] for e in np.eye(4)], axis=1), rows, 64)


@settings(max_examples=20)
@given(vectors)
def test_the_hessian_is_symmetric_and_hvp_is_its_product(v):
    x, u, _ = v
    H = ad.hessian(scalar)(x)
    near(H, H.T, 256)
    near(ad.hvp(scalar, x, u), H @ u, 512)
    near(ad.jvp(ad.grad(scalar), x, u)[1], H @ u, 512)


def test_jacobians_have_the_shape_of_the_value_then_that_of_the_argument():
    x = rng(5).normal(size=(2, 3))
    assert ad.jacobian(lambda x: xp.sum(x, axis=0))(x).shape == (3, 2, 3)
    assert ad.jacobian(lambda x: xp.sum(x))(x).shape == (2, 3)
    assert ad.jacobian(lambda x: x[:0])(x).shape == (0, 3, 2, 3)
    assert ad.hessian(lambda x: xp.sum(x**3))(x).shape == (2, 3, 2, 3)
    near(ad.jacobian(lambda x: x)(x).reshape(6, 6), np.eye(6), 0)


def test_a_gradient_equals_the_complex_step_of_a_holomorphic_function():
    f = lambda lib, x: lib.sum(lib.exp(lib.sin(x)) * lib.log(x * x + 2) / lib.cosh(x[::-1]) + lib.sqrt(x * x + 1) ** 3)
    x = rng(6).normal(size=7)
    g = ad.grad(lambda x: f(xp, x))(x)
    assert np.max(np.abs(g - complex_step(lambda z: f(np, z), x))) <= 1e-13 * np.max(np.abs(g))


def test_has_aux_hands_on_what_else_the_function_returns_without_derivatives():
    f = lambda x: (xp.sum(x**2), {"twice": 2 * x, "name": "f", "none": None})
    x = np.arange(3.0)
    (value, aux), g = ad.value_and_grad(f, has_aux=True)(x)
    assert value == 5 and np.array_equal(g, 2 * x) and aux["name"] == "f" and aux["none"] is None
    assert type(aux["twice"]) is np.ndarray and np.array_equal(aux["twice"], 2 * x)
    g, aux = ad.grad(f, has_aux=True)(x)
    assert np.array_equal(g, 2 * x) and np.array_equal(aux["twice"], 2 * x)
    y, pull, aux = ad.vjp(lambda x: (3 * x, x + 1), x, has_aux=True)
    assert np.array_equal(y, 3 * x) and np.array_equal(pull(x), 3 * x) and np.array_equal(aux, x + 1)


Layer = collections.namedtuple("Layer", "w b")


def test_functions_of_trees_have_gradients_of_the_same_shape():
    x = rng(7).normal(size=2)
    p = {"layers": [Layer(rng(8).normal(size=(3, 2)), np.zeros(3)), (np.array(2.0), None)],
         "empty": {}, "scale": np.array([1.0])}

    def f(p):
        (w, b), (c, _) = p["layers"]
        return xp.sum(xp.tanh(w @ x + b) * c) * p["scale"][0]
    value, g = ad.value_and_grad(f)(p)
    assert type(g["layers"][0]) is Layer and g["layers"][1][1] is None and g["empty"] == {}
    inside = np.tanh(p["layers"][0].w @ x)
    near(g["layers"][0].b, 2 * (1 - inside**2))
    near(g["layers"][0].w, 2 * np.outer(1 - inside**2, x))
    near(g["layers"][1][0], inside.sum(), 32)
    near(g["scale"], [value], 0)


def test_values_may_be_trees_too_and_their_cotangents_are_like_them():
    x = np.array([1.0, 2.0])
    y, pull = ad.vjp(lambda x: {"sum": xp.sum(x), "pair": (x, 3 * x), "none": None, "constant": 7.0}, x)
    assert y["constant"] == 7 and y["none"] is None
    near(pull({"sum": np.array(1.0), "pair": (x, x), "none": None, "constant": 0.0}), 1 + 4 * x)
    assert ad.vjp(lambda t: t["a"] * 2, {"a": x, "b": []})[1](x)["b"] == []


def test_an_argument_that_does_not_matter_has_gradient_zero_and_the_identity_one():
    x = np.arange(3.0, dtype="float32")
    assert np.array_equal(ad.grad(lambda p: xp.sum(p["a"]))({"a": x, "b": x})["b"], 0 * x)
    assert np.array_equal(ad.grad(lambda x: xp.asarray(5.0))(x), 0 * x)
    assert np.array_equal(ad.vjp(lambda x: x, x)[1](x), x)
    assert np.array_equal(ad.vjp(lambda x: (x, x), x)[1]((x, 2 * x)), 3 * x)
    assert ad.grad(lambda x: xp.sum(x * x * x - x))(x).dtype == np.float32


def test_what_fans_out_adds_up():
    x = np.array([0.5, 2.0])
    near(ad.grad(lambda x: xp.sum(x + x + x * x + x * x * x))(x), 2 + 2 * x + 3 * x**2)


def test_a_pullback_can_be_asked_again():
    _, pull = ad.vjp(xp.exp, np.array([0.0, 1.0]))
    g = np.ones(2)
    assert np.array_equal(pull(g), pull(g)) and np.array_equal(pull(2 * g), 2 * pull(g))


def test_nothing_that_comes_in_is_changed():
    x, g = np.arange(6.0).reshape(2, 3), np.ones(3)
    was  = x.copy(), g.copy()

    def f(x):
        y = x
        y += 1                                          # binds y anew: a traced value is never changed
        y *= x
        return xp.sum(y, axis=0)
    y, pull = ad.vjp(f, x)
    pull(g), ad.jvp(f, x, x), ad.hvp(lambda x: xp.sum(f(x)**2), x, x)
    assert np.array_equal(x, was[0]) and np.array_equal(g, was[1]) and np.array_equal(y, ((x + 1) * x).sum(axis=0))


# ---- gradients that stop ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_stop_gradient_is_exactly_constant_at_every_level(depth):
    x = np.array(1.5)
    assert nested(lambda x: xp.exp(ad.stop_gradient(x)) * ad.stop_gradient(x * x), depth)(x) == 0
    near(nested(lambda x: x**2 * ad.stop_gradient(x), depth)(x), [3.0 * 1.5, 2 * 1.5, 0][depth - 1])
    through_levels = lambda x: ad.grad(lambda y: y * ad.stop_gradient(x * y))(x)
    assert nested(through_levels, depth)(x) == 0


def test_straight_through_has_the_value_of_one_and_the_derivative_of_the_other():
    soft = rng(9).normal(size=1000)
    hard = np.round(soft) / 3
    y, pull = ad.vjp(lambda p: ad.straight_through(p["hard"], p["soft"]), {"hard": hard, "soft": soft})
    assert np.array_equal(y.view("uint64"), hard.view("uint64"))
    bars = pull(soft)
    assert np.array_equal(bars["soft"], soft) and not np.any(bars["hard"])
    f, x = lambda x: xp.sum(ad.straight_through(xp.round(x), x) ** 2), soft[:2]
    assert np.array_equal(ad.grad(f)(x), 2 * np.round(x)) and np.array_equal(ad.hvp(f, x, np.ones(2)), [2, 2])


# ---- what is refused -------------------------------------------------------------------------------------------------
NOT_FLOATS = [3, True, np.arange(3), np.array([True]), np.array([1j]), np.array(["a"]), np.array([None])]


@pytest.mark.parametrize("x", NOT_FLOATS, ids=repr)
def test_only_floating_point_arrays_are_differentiated(x):
    with pytest.raises(TypeError, match="Only floating-point arrays"):
        ad.vjp(lambda x: x, x)
    with pytest.raises(TypeError, match="Only floating-point arrays"):
        ad.grad(lambda p: xp.sum(p[0]))((np.ones(2), {"here": np.asarray(x)}))


def test_a_python_float_is_an_array_without_dimensions():
    assert ad.grad(lambda x: x**3)(2.0) == 12


@pytest.mark.parametrize("g", [np.ones(2), np.ones((3, 1)), np.ones(()), [np.ones(3)], None, 1.0], ids=repr)
def test_a_cotangent_of_another_shape_is_refused_in_a_sentence(g):
    _, pull = ad.vjp(xp.exp, np.ones(3))
    with pytest.raises(ValueError, match=r"The cotangent has the shapes .* expected those of the value, \(3,\)\."):
        pull(g)


@pytest.mark.parametrize("f, got", [
    (lambda x: x, r"\(3,\)"), (lambda x: xp.sum(x, keepdims=True), r"\(1,\)"), (lambda x: (x, x), "tuple"),
    (lambda x: None, "NoneType"), (lambda x: 3.0, "float")])
def test_grad_refuses_a_value_that_is_no_scalar(f, got):
    with pytest.raises(ValueError, match=f"grad needs a scalar value; got {got}"):
        ad.grad(f)(np.ones(3))


def refused(f, x=np.ones((3, 3)), match="has no derivative rule"):
    with pytest.raises(TypeError, match=match):
        ad.vjp(lambda x: f(x), x)


OF_SHAPES = """iscomplexobj isrealobj isscalar iterable common_type printoptions typename shape ndim size result_type
    broadcast_shapes isfortran from_dlpack can_cast issubdtype promote_types diag_indices_from tril_indices_from
    triu_indices_from""".split()
OF_METHODS = "amax amin unstack".split()                # NumPy makes these of methods that have rules
SETTINGS   = """asarray array asanyarray ascontiguousarray asfortranarray asarray_chkfinite require frombuffer fromiter
    matrix_rank real_if_close""".split()                # their second argument is a dtype or a tolerance
OF_NO_USE  = """info save savez savetxt savez_compressed seterrcall set_printoptions setbufsize seterr fromfile loadtxt
    genfromtxt load test show_config show_runtime fromregex memmap asmatrix bmat""".split()


def functions_without_a_rule():
    for space in ("", "linalg.", "fft."):
        for name in dir(find(np, space)):
            f = find(np, space + name)
            known = space + name in _lifts or name in OF_SHAPES + OF_METHODS + OF_NO_USE
            if name[0] != "_" and callable(f) and not isinstance(f, type) and not known:
                yield space + name


def find(root, path):
    return functools.reduce(getattr, filter(None, path.split(".")), root)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")       # NumPy's, of some of the names
def test_every_function_of_numpy_without_a_rule_refuses_a_traced_value():
    names  = list(functions_without_a_rule())
    silent = []

    def probe(x):
        for name in names:
            given = [(x,)] if name.split(".")[-1] in SETTINGS else [(x,), (x, x), (np.ones((3, 3)), x)]
            for args in given:
                try:
                    silent.append((name, find(xp, name)(*args)))
                except (TypeError, ValueError, AttributeError, np.linalg.LinAlgError):
                    pass
        return xp.sum(x)
    ad.vjp(probe, np.ones((3, 3)))
    assert len(names) > 200 and silent == []


def test_a_refusal_says_what_to_do():
    refused(xp.median, match=r"xp.median was given a traced value, .* stop_gradient\(x\)")
    refused(lambda x: xp.linalg.svd(x), match="xp.linalg.svd was given a traced value")
    refused(lambda x: xp.fft.fft(x))
    refused(lambda x: xp.array([x[0, 0], x[1, 1]]))
    refused(np.exp, match="Traced")
    refused(np.asarray)
    refused(np.median)
    refused(lambda x: float(xp.sum(x)), match="would lose its derivative")
    refused(lambda x: np.ones(3)[x[0, 0]], match="derivative")
    refused(lambda x: range(x[0, 0]), match="would lose its derivative")
    refused(lambda x: x.__setitem__(0, 1.0), match="cannot be changed in place")
    refused(hash, match="unhashable")
    refused(lambda x: xp.where(x, x, x), match="argument number 1")
    refused(lambda x: xp.clip(x, x[0, 0], 2.0), match="argument number 2")
    refused(lambda x: xp.polygamma(x, x), match="argument number 1")


def test_prod_over_several_axes_and_pad_in_other_modes_are_refused_in_the_pullback():
    with pytest.raises(TypeError, match="needs one axis or None"):
        ad.grad(lambda x: xp.sum(xp.prod(x, axis=(0, 1))))(np.ones((2, 2)))
    with pytest.raises(TypeError, match='mode="constant" alone'):
        ad.grad(lambda x: xp.sum(xp.pad(x, 1, mode="edge")))(np.ones(2))


def test_a_rule_that_keeps_a_letter_it_does_not_have_is_refused():
    with pytest.raises(ValueError, match="names none of the letters y, x"):
        Primitive("f", np.exp, (lambda g, y, x: g * y,), keeps="z")


@pytest.mark.parametrize("gap, raises", [(0.0, True), (1e-16, True), (1e-9, False)])
def test_eigenvectors_near_equal_eigenvalues_have_no_derivative(gap, raises):
    a = np.diag([1.0, 1.0 + gap, 3.0])
    _, pull = ad.vjp(ad.eigh, a)
    if raises:
        with pytest.raises(ValueError, match="two eigenvalues are equal"):
            pull(np.ones((4, 3)))
    else:
        assert np.all(np.isfinite(pull(np.ones((4, 3)))))
    near(ad.grad(lambda a: xp.sum(xp.linalg.eigvalsh(a)))(a), np.eye(3))
    with pytest.raises(ValueError, match="two eigenvalues are equal"):
        ad.vjp(ad.eigh, np.stack([np.diag([1.0, 2.0]), np.eye(2)]))[1](np.ones((2, 3, 2)))


def test_cholesky_of_what_is_not_positive_definite_is_nan_and_so_is_its_derivative():
    a = np.stack([np.eye(2), -np.eye(2)])
    y, pull = ad.vjp(xp.linalg.cholesky, a)
    bar = pull(np.ones_like(a))
    assert np.all(np.isfinite(y[0])) and np.all(np.isfinite(bar[0]))
    assert np.all(np.isnan(y[1])) and np.all(np.isnan(bar[1]))


# ---- a traced value is like an array ---------------------------------------------------------------------------------
def test_arithmetic_indexing_and_methods_are_those_of_arrays():
    x, c = rng(10).uniform(0.5, 2, size=(2, 3)), rng(11).uniform(0.5, 2, size=(2, 3))
    same = [
        lambda x: x + c,      lambda x: x - c,      lambda x: x * c,      lambda x: x / c,  lambda x: x ** c,
        lambda x: c + x,      lambda x: c - x,      lambda x: c * x,      lambda x: c / x,  lambda x: c ** x,
        lambda x: x ** 2,     lambda x: x ** 3,     lambda x: x ** -1,    lambda x: 2 ** x, lambda x: x // c,
        lambda x: -x,         lambda x: +x,         lambda x: abs(x),     lambda x: c // x,
        lambda x: x @ c.T,    lambda x: c.T @ x,    lambda x: np.float64(2) * x,
        lambda x: x[0],       lambda x: x[:, 1:],   lambda x: x[..., None, -1],
        lambda x: x[[0, 0]],  lambda x: x[x > 1],   lambda x: [*x][1], lambda x: sum(row for row in x),
        lambda x: x.sum(),    lambda x: x.sum(0),   lambda x: x.mean(axis=1, keepdims=True),
        lambda x: x.max(),    lambda x: x.min(1),   lambda x: x.prod(0),
        lambda x: x.var(),    lambda x: x.std(0),   lambda x: x.cumsum(1),
        lambda x: x.T,        lambda x: x.mT,       lambda x: x.transpose(1, 0),
        lambda x: x.ravel(),  lambda x: x.trace(),  lambda x: x.transpose(),
        lambda x: x.diagonal(), lambda x: x.repeat(2), lambda x: x.transpose((1, 0)),
        lambda x: x.reshape(3, 2), lambda x: x.reshape((3, 2)), lambda x: x.reshape(-1),
        lambda x: x.take(1, axis=1), lambda x: x.swapaxes(0, 1), lambda x: x[None].squeeze(0),
        lambda x: x.clip(0.8, 1.2), lambda x: x.astype("float32"),
    ]
    for f in same:
        y, _ = ad.vjp(f, x)
        expected = f(x)
        np.testing.assert_allclose(y, expected, rtol=2e-7 if expected.dtype == np.float32 else 4 * EPS)
        assert np.shape(y) == np.shape(expected) and y.dtype == expected.dtype


def test_comparisons_and_roundings_of_traced_values_are_plain_arrays():
    def f(x):
        for y in (x > 1, x >= 1, x < 1, x <= 1, x == 1, x != 1, x // 1, x.astype(int), x.astype(bool), xp.zeros_like(x),
                  xp.sign(x), xp.floor(x), xp.round(x), xp.argmax(x), xp.isfinite(x), xp.array_equal(x, x)):
            assert not isinstance(y, Traced)
        assert len(x) == x.size == 3 and x.shape == (3,) and x.ndim == 1 and x.dtype == float and "traced" in repr(x)
        assert bool(x[0] == x[0]) and xp.array_equal(x, np.array([0.5, 1.0, 1.5]))
        return xp.sum(x if x[0] < 1 else -x)
    assert np.array_equal(ad.grad(f)(np.array([0.5, 1.0, 1.5])), np.ones(3))


def test_a_cast_to_integers_is_constant():
    assert np.array_equal(ad.grad(lambda x: xp.sum(x * x.astype(int).astype(float)))(np.array([1.5, 2.5])), [1.0, 2.0])


def test_dtypes_follow_the_leaves_through_a_cast():
    g = ad.grad(lambda p: xp.sum(p["a"].astype("float64") * p["b"]))({"a": np.ones(2, "float32"), "b": np.full(2, 3.0)})
    assert g["a"].dtype == np.float32 and g["b"].dtype == np.float64 and np.array_equal(g["a"], [3, 3])


# ---- memory ----------------------------------------------------------------------------------------------------------
def test_ten_steps_that_need_no_numbers_keep_none():
    x = np.ones((1000, 1000))                           # 8 MB

    def f(x):
        for _ in range(10):
            x = xp.reshape(x + 1.0, (-1,) + x.shape[:1])
        return xp.sum(x)
    gc.collect()
    tracemalloc.start()
    try:
        value, pull = ad.vjp(f, x)
        kept, peak = tracemalloc.get_traced_memory()
        g = pull(np.ones(()))
        _, peak_back = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert value == 11e6 and np.array_equal(g, np.ones_like(x))
    assert kept < 1e6 and peak < 20e6 and peak_back < 20e6


def test_cotangents_are_freed_on_the_way_back():
    x = np.ones(10**6)

    def f(x):
        for _ in range(10):
            x = x * 2.0
        return x
    y, pull = ad.vjp(f, x)
    tracemalloc.start()
    try:
        pull(x)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 30e6


# ---- the conventions at ties and kinks -------------------------------------------------------------------------------
def gradient(f, *xs):
    """The gradient of the sum of f(*xs), an array an argument."""
    return ad.grad(lambda xs: xp.sum(f(*xs)))(tuple(np.asarray(x, float) for x in xs))


@pytest.mark.parametrize("f, at, expected", [
    (lambda a, b: xp.maximum(a, b),       ([1, 2, 0], [1, 1, 1]),              ([0.5, 1, 0], [0.5, 0, 1])),
    (lambda a, b: xp.minimum(a, b),       ([1, 2, 0], [1, 1, 1]),              ([0.5, 0, 1], [0.5, 1, 0])),
    (lambda x: xp.maximum(x, 0.0),        ([-1, 0, 1],),                       ([0, 0.5, 1],)),
    (lambda x: xp.max(x),                 ([3, 1, 3, 3],),                     ([1 / 3, 0, 1 / 3, 1 / 3],)),
    (lambda x: xp.min(x, axis=1),         ([[1, 1], [2, 3]],),                 ([[0.5, 0.5], [1, 0]],)),
    (lambda x: xp.max(x, axis=(0, 1), keepdims=True), ([[1, 4], [4, 3]],),     ([[0, 0.5], [0.5, 0]],)),
    (lambda x: xp.abs(x),                 ([-2, 0, -0.0, 3],),                 ([-1, 0, 0, 1],)),
    (lambda x: xp.clip(x, -1, 1),         ([-2, -1, 0, 1, 2],),                ([0, 1, 1, 1, 0],)),
    (lambda a, b: a ** b,                 ([0, 0, 2], [2, 0.5 + 1, 0]),        ([0, 0, 0], [0, 0, np.log(2)])),
    (lambda a, b: a ** b,                 ([0, 0], [0, 1]),                    ([0, 1], [0, 0])),
    (lambda x: x ** 0,                    ([0, 2],),                           ([0, 0],)),
    (lambda x: x ** 2,                    ([0, 2],),                           ([0, 4],)),
    (lambda b: 0.0 ** b,                  ([1, 2],),                           ([0, 0],)),
    (lambda a, b: ad.xlogy(a, b),         ([0, 0, 2], [3, 1, 4]),              (np.log([3, 1, 4]), [0, 0, 0.5])),
    (lambda b: ad.xlogy(np.zeros(2), b),  ([0, 1],),                           ([0, 0],)),
    (lambda x: xp.prod(x),                ([0, 2, 3],),                        ([6, 0, 0],)),
    (lambda x: xp.prod(x),                ([0, 0, 3],),                        ([0, 0, 0],)),
    (lambda x: xp.sort(x),                ([2, 1, 2],),                        ([1, 1, 1],)),
    (lambda x: x[np.array([0, 0])],       ([1, 2],),                           ([2, 0],)),
    (lambda x: x[[0, 0, 1]],              ([1, 2],),                           ([2, 1],)),
    (lambda x: xp.take(x, np.array([1, 1, 1])), ([1, 2],),                     ([0, 3],)),
], ids=lambda v: "")
def test_the_stated_derivative_at_ties_and_kinks(f, at, expected):
    for ours, theirs in zip(gradient(f, *at), expected):
        near(ours, np.asarray(theirs, float), 2)


def test_second_derivatives_at_a_zero_are_those_of_the_function():
    near(ad.hessian(lambda z: ad.xlogy(z[0], z[1]))(np.array([0.0, 2.0])), [[0, 0.5], [0.5, 0]])
    near(ad.hessian(lambda z: z[0] ** z[1])(np.array([2.0, 0.0])), [[0, 0.5], [0.5, np.log(2)**2]])
    near(ad.hessian(lambda x: xp.sum(x ** 2))(np.zeros(2)), 2 * np.eye(2))


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")     # the convention is about just these
def test_where_shields_no_infinite_derivative_but_an_argument_inside_the_domain_does():
    x = np.array([0.0, 4.0])
    assert np.isnan(gradient(lambda x: xp.where(x > 0, xp.sqrt(x), 0.0), x)[0][0])
    assert np.array_equal(gradient(lambda x: xp.where(x > 0, xp.sqrt(xp.where(x > 0, x, 1.0)), 0.0), x)[0], [0, 0.25])


# ---- extremes --------------------------------------------------------------------------------------------------------
inf, huge = np.inf, 1e308
spread_overflows = pytest.mark.filterwarnings("ignore:overflow encountered in subtract")     # 1e308 - -1e308


@spread_overflows
@pytest.mark.parametrize("x, value, softmax", [
    ([-inf, -inf, -inf],         -inf,                     [0, 0, 0]),
    ([-inf],                     -inf,                     [0]),
    ([1.0, inf, 2.0],            inf,                      [0, 1, 0]),
    ([inf, -inf],                inf,                      [1, 0]),
    ([inf, inf],                 inf,                      [0.5, 0.5]),
    ([-inf, 3.0],                3.0,                      [0, 1]),
    ([0.25],                     0.25,                     [1]),
    ([huge, -huge],              huge,                     [1, 0]),
    ([-huge, -huge],             -huge,                    [0.5, 0.5]),
    ([1.7e308, 1.7e308, -inf],   1.7e308,                  [0.5, 0.5, 0]),
    ([1000.0, 1000.0],           1000 + math.log(2),       [0.5, 0.5]),
    ([-1000.0, -1000.0],         -1000 + math.log(2),      [0.5, 0.5]),
    ([0.0, -800.0],              0.0,                      [1, 0]),
    ([5e-324, 0.0],              math.log(2),              [0.5, 0.5]),
])
def test_logsumexp_softmax_and_their_derivatives_at_the_extremes(x, value, softmax):
    x = np.array(x)
    for shape, axis in ((lambda x: x, None), (lambda x: x, 0), (lambda x: x, -1), (lambda x: np.stack([x, x]), 1),
                        (lambda x: np.reshape(x, (-1, 1)), (0, 1)), (lambda x: np.reshape(x, (1, -1, 1)), (1, 2))):
        y, pull = ad.vjp(lambda x: ad.logsumexp(x, axis), shape(x))
        np.testing.assert_allclose(y, np.full(np.shape(y), value), rtol=2 * EPS)
        np.testing.assert_allclose(pull(np.ones_like(y)), shape(softmax), atol=2 * EPS)
        kept = ad.logsumexp(shape(x), axis, keepdims=True)
        assert kept.ndim == shape(x).ndim and np.array_equal(np.ravel(kept), np.ravel(y))
    np.testing.assert_allclose(ad.softmax(x), softmax, atol=2 * EPS)
    bar = ad.vjp(ad.softmax, x)[1](np.arange(1.0, 1 + x.size))
    assert np.all(np.isfinite(bar))
    near(bar, ad.softmax(x) * (np.arange(1.0, 1 + x.size) - np.arange(1.0, 1 + x.size) @ np.array(softmax)), 8)


@pytest.mark.parametrize("f", [ad.logsumexp, ad.softmax, ad.log_softmax])
def test_nothing_can_be_normalised_over_an_empty_axis(f):
    for shape, axis in (((0,), 0), ((2, 0), 1), ((2, 0), (0, 1))):
        with pytest.raises(ValueError):
            f(np.zeros(shape), axis)
    assert ad.logsumexp(np.zeros((0, 2)), 1).shape == (0,)


def test_a_masked_entry_however_large_leaves_the_others_alone():
    x, keep = np.array([1.0, 1e300, 2.0]), np.array([True, False, True])
    y, pull = ad.vjp(lambda x: ad.logsumexp(xp.where(keep, x, -math.inf)), x)
    near(y, np.logaddexp(1.0, 2.0))
    near(pull(1.0), [1 / (1 + math.e), 0, 1 / (1 + math.exp(-1))])


def test_logsumexp_is_right_over_the_whole_range():
    x = rng(12).uniform(-700, 700, size=(200, 3))
    ref = np.array([mp.log(sum(mp.exp(v) for v in row)) for row in exact(x)])
    assert np.max(np.abs((exact(ad.logsumexp(x, 1)) - ref).astype(float)) / np.spacing(np.abs(ref.astype(float)))) <= 2
    near(np.exp(ad.log_softmax(x)), ad.softmax(x), 2000)


EDGES = [5e-324, TINY, 1e-300, 1e-17, 1e-8, 0.5, math.log(2), 37, 50, 709.8, 745.2, 800, 1e308, 1.7e308, inf]


def softplus_exactly(x):
    return mp.mpf(max(x, 0)) + mp.log1p(mp.exp(-abs(mp.mpf(x))))


def sigmoid_exactly(x):
    return 1 / (1 + mp.exp(-mp.mpf(x)))


@pytest.mark.parametrize("f, exactly, slope", [
    (ad.softplus,    softplus_exactly,                sigmoid_exactly),
    (ad.log_sigmoid, lambda x: -softplus_exactly(-x), lambda x: sigmoid_exactly(-x)),
    (ad.sigmoid,     sigmoid_exactly,                 lambda x: sigmoid_exactly(x) * sigmoid_exactly(-x)),
], ids=["softplus", "log_sigmoid", "sigmoid"])
def test_softplus_and_sigmoid_are_right_to_2_ulp_everywhere(f, exactly, slope):
    x = np.array([*EDGES, 0.0, *(-v for v in EDGES)])
    y, pull = ad.vjp(f, x)
    for v, value, bar in zip(x.tolist(), y, pull(np.ones_like(x))):
        if abs(v) > 1e5:                                # exp(1e308) is beyond mpmath too
            positive = f is ad.softplus and v > 0 or f is ad.log_sigmoid and v < 0
            assert value == (v if positive else 0) if f is not ad.sigmoid else value == (v > 0)
            assert bar == float(positive) if f is not ad.sigmoid else bar == 0
            continue
        subnormal = 0 if f is not ad.sigmoid else TINY  # SciPy's sigmoid is 0 where it should be subnormal
        for ours, theirs, floor in ((value, exactly(v), subnormal), (bar, slope(v), TINY)):
            assert abs(mp.mpf(float(ours)) - theirs) <= 2 * np.spacing(abs(float(theirs))) + floor


def test_softplus_and_sigmoid_take_complex_steps():
    x = np.array([-3.0, 0.2, 5.0])
    near(np.log(1 + np.exp(x + 1e-200j)).imag / 1e-200, ad.vjp(ad.softplus, x)[1](np.ones(3)))


@pytest.mark.filterwarnings("ignore:divide by zero")     # log 0 = -inf at x = 0
def test_log1mexp_is_right_from_0_to_infinity():
    x = np.array([1e-307, 1e-300, 1e-17, 1e-8, 0.5, math.log(2), np.nextafter(math.log(2), 1), 1.0, 37.0, 700.0, 745.0])
    y, pull = ad.vjp(ad.log1mexp, x)
    for v, value, bar in zip(x, y, pull(np.ones_like(x))):
        z = mp.mpf(float(v))
        ref, slope = mp.log(-mp.expm1(-z)) if z < 1 else mp.log1p(-mp.exp(-z)), 1 / mp.expm1(z)
        assert abs(mp.mpf(float(value)) - ref) <= 2 * np.spacing(abs(float(ref)))
        assert abs(mp.mpf(float(bar)) - slope) <= 2e-13 * slope + TINY
    assert ad.log1mexp(np.array(0.0)) == -inf and ad.log1mexp(np.array(inf)) == 0
    assert gradient(ad.log1mexp, [800.0, 1e308, inf])[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("a, b, value, bars", [
    (-inf,  -inf,     -inf,                           (0, 0)),
    (inf,   inf,      inf,                            (0.5, 0.5)),
    (inf,   -inf,     inf,                            (1, 0)),
    (inf,   1.0,      inf,                            (1, 0)),
    (-inf,  2.0,      2.0,                            (0, 1)),
    (1e300, -1e300,   1e300,                          (1, 0)),
    (1e10,  1e10 - 1, 1e10 + math.log1p(1 / math.e),  (1 / (1 + 1 / math.e), 1 / (1 + math.e))),
])
def test_logaddexp_at_the_extremes(a, b, value, bars):
    near(xp.logaddexp(a, b), value, 2)
    for ours, theirs in zip(gradient(xp.logaddexp, a, b), bars):
        near(ours, float(theirs), 2)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape, axis", [((10**6,), None), ((1000, 1000), 1), ((1000, 1000), 0)])
def test_long_sums_are_right_to_the_stated_ulps(shape, axis, dtype):
    x = rng(13).uniform(0, 1, size=shape).astype(dtype)
    exactly = np.array(math.fsum(x) if axis is None else [math.fsum(row) for row in (x if axis == 1 else x.T)])
    ulps = 32 if axis != 0 else 200                     # pairwise along the rows; one by one, 1000 terms, across them
    for y in (xp.sum(x, axis=axis), xp.mean(x, axis=axis) * x.dtype.type(x.size // exactly.size)):
        assert np.max(np.abs(y.astype(float) - exactly) / np.spacing(exactly.astype(dtype))) <= ulps


# ---- against another library -----------------------------------------------------------------------------------------
SHAPES = {"a": (3,), "b": (2, 3), "c": (), "d": (3, 3)}
UNARY  = {
    "sin":       lambda x: xp.sin(x),
    "tanh":      lambda x: xp.tanh(x),
    "arctan":    lambda x: xp.arctan(x),
    "exp":       lambda x: xp.exp(xp.tanh(x)),
    "log":       lambda x: xp.log(x * x + 0.5),
    "sqrt":      lambda x: xp.sqrt(x * x + 1),
    "square":    lambda x: xp.square(x) / 3,
    "cube":      lambda x: x ** 3 / 9,
    "negative":  lambda x: -x,
    "sigmoid":   lambda x: 1 / (1 + xp.exp(-xp.tanh(x))),
    "softplus":  ad.softplus,
    "logsumexp": lambda x: ad.logsumexp(xp.tanh(x)),
    "softmax":   lambda x: ad.softmax(xp.reshape(xp.tanh(x), (-1,)))[0] * x,
    "sum":       lambda x: xp.sum(x),
    "mean":      lambda x: xp.mean(x) + x,
    "var":       lambda x: xp.var(x),
    "cumsum":    lambda x: xp.cumsum(x, 0) if x.ndim else x,
    "first":     lambda x: x[0] if x.ndim else x,
    "transpose": lambda x: xp.transpose(x),
}
BINARY = {
    "add":       lambda x, y: x + y,
    "subtract":  lambda x, y: x - y,
    "multiply":  lambda x, y: xp.tanh(x) * y,
    "divide":    lambda x, y: x / (y * y + 1),
    "power":     lambda x, y: (x * x + 1) ** xp.tanh(y),
    "logaddexp": lambda x, y: xp.logaddexp(xp.tanh(x), xp.tanh(y)),
    "arctan2":   lambda x, y: xp.arctan2(x, y * y + 1),
    "where":     lambda x, y: xp.where(x > y, xp.sin(x) + 0 * y, y + 0 * x),
    "join":      lambda x, y: xp.sum(xp.concatenate([xp.reshape(x, (-1,)), xp.sin(xp.reshape(y, (-1,)))]) ** 2) / 9,
    "matmul":    lambda x, y: xp.tanh(x) @ xp.sin(y) if y.shape == (3, 3) and x.shape[-1:] == (3,) else x - y,
    "outer":     lambda x, y: xp.einsum("i,j->ij", xp.tanh(x), y) if x.ndim == y.ndim == 1 else x + y,
}


def fitting(f, x, y):
    """f(x, y), with the mean of x in the place of x where the shapes do not fit."""
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        x = xp.mean(x)
    return f(x, y)


variables   = st.sampled_from(sorted(SHAPES))
expressions = st.recursive(variables, lambda part: st.one_of(st.tuples(st.sampled_from(sorted(UNARY)), part),
                                                             st.tuples(st.sampled_from(sorted(BINARY)), part, part)),
                           max_leaves=8)


def evaluate(expression, values):
    if isinstance(expression, str):
        return values[expression]
    name, *parts = expression
    values = [evaluate(part, values) for part in parts]
    return fitting(BINARY[name], *values) if name in BINARY else UNARY[name](*values)


@settings(max_examples=100)
@given(expression=expressions, seed=st.integers(0, 2**32 - 1))
def test_random_expressions_have_the_value_gradient_and_hvp_that_hips_autograd_gives(expression, seed):
    draw = rng(seed).normal
    x, v = ({name: draw(size=shape) for name, shape in SHAPES.items()} for _ in range(2))
    f    = lambda p: xp.sum(evaluate(expression, p)) + xp.sum(p["a"] * p["a"])
    (value, g), h = ad.value_and_grad(f)(x), ad.hvp(f, x, v)
    with use("autograd"):
        (value_ref, g_ref), h_ref = ad.value_and_grad(f)(x), ad.hvp(f, x, v)
    near(value, value_ref, 64)
    for ours, theirs in ((g, g_ref), (h, h_ref)):
        scale = max(np.max(np.abs(a)) for a in theirs.values())
        for name in SHAPES:
            assert np.shape(ours[name]) == SHAPES[name]
            assert np.max(np.abs(ours[name] - theirs[name])) <= 1e-12 * scale


def test_the_gradient_penalty_too():
    W, x = rng(1).normal(size=(3, 4)), rng(2).normal(size=4)
    penalty = ad.grad(lambda W: xp.square(xp.sqrt(xp.sum(xp.square(ad.grad(lambda x: critic(W, x))(x)))) - 1))
    with use("autograd"):
        theirs = penalty(W)
    near(penalty(W), theirs, 64)


def test_stopped_gradients_and_straight_through_are_the_same_there():
    x = rng(14).normal(size=4)
    f = lambda x: xp.sum(ad.straight_through(xp.round(x), x) ** 2 * ad.stop_gradient(xp.exp(x)))
    with use("autograd"):
        theirs = ad.grad(f)(x)
    near(ad.grad(f)(x), theirs)


# ---- on a device -----------------------------------------------------------------------------------------------------
def a_classifier(p):
    hidden = ad.softplus(p["x"] @ p["w"] + p["b"])
    logits = xp.concatenate([hidden, xp.square(hidden[:, ::-1])], axis=1)
    return xp.mean(ad.logsumexp(logits, axis=1) - logits[:, 0])


def a_gaussian(p):
    L = xp.linalg.cholesky(p["w"].T @ p["w"] + xp.eye(3))
    z = xp.linalg.solve_triangular(L, xp.transpose(p["x"][:, :3]), lower=True)
    return xp.sum(xp.square(z)) / 2 + xp.sum(xp.log(xp.diagonal(L))) + ad.logabsdet(p["w"][:3])


def a_penalty(p):
    g = ad.grad(lambda x: xp.sum(xp.tanh(x @ p["w"]) * p["b"]))(p["x"])
    return xp.mean(xp.square(xp.sqrt(xp.sum(xp.square(g), axis=1)) - 1))


@pytest.mark.parametrize("f", [a_classifier, a_gaussian, a_penalty])
def test_models_of_every_kind_give_numpys_bits_without_a_transfer(f):
    p = {"x": rng(15).normal(size=(5, 4)), "w": rng(16).normal(size=(4, 3)), "b": rng(17).normal(size=3)}
    value, g = ad.value_and_grad(f)(p)
    H = ad.hvp(f, p, g)
    with use("strict"):
        there = {name: xp.asarray(a) for name, a in p.items()}
        with no_sync():
            value_there, g_there = ad.value_and_grad(f)(there)
            H_there = ad.hvp(f, there, g_there)
        assert np.array_equal(to_host(value_there), value)
        for name in p:
            assert np.array_equal(to_host(g_there[name]), g[name]) and np.array_equal(to_host(H_there[name]), H[name])


def test_functions_without_a_rule_refuse_traced_values_on_a_device_too():
    with use("strict"):
        with pytest.raises(TypeError, match="xp.median was given a traced value"):
            ad.vjp(lambda x: xp.median(x), xp.ones(3))


def test_every_primitive_is_named_as_it_is_called():
    for name, p in PRIMITIVES.items():
        assert not isinstance(p, Primitive) or p.name == name and name in repr(p)


def test_a_trace_counts_up():
    assert Trace().number < Trace().number


def test_keywords_of_numpy_reach_the_pullback():
    """A float32 array summed in float64 has a float32 gradient; clip takes its bounds by name."""
    x = np.array([-2, 0.5, 3], "float32")
    for f, g in ((lambda x: xp.sum(x, dtype="float64"),  [1, 1, 1]),
                 (lambda x: 3 * xp.mean(x, dtype="float64"), [1, 1, 1]),
                 (lambda x: xp.sum(xp.clip(x, a_min=-1, a_max=1)), [0, 1, 0])):
        found = ad.grad(f)(x)
        assert found.dtype == "float32" and (found == g).all()
