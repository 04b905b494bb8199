"""The laws of every operation with a derivative rule, over the table in tests/operations.py."""
import contextlib

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import scratch.autodiff as ad
from backends import no_sync, to_host, use, xp
from scratch import trees
from scratch.autodiff.tape import PRIMITIVES, Like, Primitive, Trace, untraced
from tests.operations import SYMMETRIC, TABLE, TWO, at, exact, mp

DTYPES = ("float64", "float32")
STEP   = mp.mpf(10)**-18                    # of the differences, relative to the number
BLUR   = mp.mpf(10)**-57                    # of the value: the last of 60 digits
TINY   = mp.mpf(10)**-300                   # and what float64 cannot hold

every_row = pytest.mark.parametrize("row", TABLE, ids=repr)


def lawful(examples):
    return settings(max_examples=examples, suppress_health_check=list(HealthCheck))


# ---- what the laws are made of ---------------------------------------------------------------------------------------
LAYOUTS = {
    "as drawn": lambda x: x,
    "reversed": lambda x: np.flip(np.flip(x).copy()),
    "columns":  lambda x: x.copy(order="F"),
    "strided":  lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
}


def draw_arrays(draw, row, case, dtype):
    """One read-only array an argument, in some layout."""
    domains = row.domains * (len(case.shapes) if len(row.domains) == 1 else 1)
    arrays  = [domain(draw, shape, dtype) for domain, shape in zip(domains, case.shapes)]
    return [frozen(LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](x)) for x in arrays]


def frozen(x):
    x = np.asarray(x)
    x.flags.writeable = False
    return x


def noise(rng, like):
    return frozen(rng.standard_normal(like.shape).astype(like.dtype))


def rounding(*arrays):
    """1 in float64, 2^29 where an array is float32."""
    return 2.0**29 if any(a.dtype == np.float32 for a in arrays) else 1.0


def applied(row, case):
    """The operation as a function of a list of arrays."""
    case = case._replace(then=on_backend(case.then), kwargs=on_backend(case.kwargs))
    return lambda xs: row.call(row.f, case, *xs)


def on_backend(tree):
    return trees.map(lambda leaf: xp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf, tree)


def referred(row, case, f):
    """A reference as a function of exact arrays."""
    return lambda *xs: np.asarray(row.call(f, case, *xs), dtype=object)


# ---- the laws, as functions that raise AssertionError ----------------------------------------------------------------
def check_value(row, case, arrays):
    """The error of the value in units of what the row states."""
    f, xs = referred(row, case, row.reference), [exact(x) for x in arrays]
    y, y_ref = np.asarray(applied(row, case)(arrays)), f(*xs)
    assert y.shape == y_ref.shape
    assert y.dtype == (case.then[0] if row.name == "astype" else np.result_type(*arrays))
    unit  = np.spacing(np.asarray(row.of(f, y_ref, xs), y.dtype))
    error = np.max(np.abs(np.asarray(exact(y) - y_ref, float)) / unit, initial=0.0)
    assert error <= row.ulp, f"{row}: {error:.3g} ulp"
    return error / row.ulp


def check_derivatives(row, case, arrays, rng, orders=(1, 2)):
    """The error of J^T g and of the derivative of <J^T g, w>, in units of what the row states.

    Arguments move in steps relative to their numbers, dx = |x| dt (dx = dt at 0), so that none hides behind a larger
    one. A derivative in t is a sum over the elements of the value: its error is held to the sum of the absolute terms,
    the largest such sum of the argument."""
    f, xs  = applied(row, case), [exact(x) for x in arrays]
    slope  = referred(row, case, row.slope)
    y, _   = ad.vjp(f, arrays)
    g, ws  = noise(rng, y), [noise(rng, x) for x in arrays]
    sizes  = [np.where(x == 0, 1, np.abs(x)).astype(x.dtype) for x in arrays]
    along  = [frozen(w * s) for w, s in zip(ws, sizes)]
    G, W, S = exact(g), [exact(w) for w in along], [exact(s) for s in sizes]
    bound  = row.kappa * rounding(*arrays, y) * 1e-13
    floor  = STEP if any(np.any(x == 0) for x in arrays) else TINY     # at 0 the step is no longer relative

    def gradient(xs):
        return ad.vjp(f, xs)[1](g)

    def moved(k, i, a, b):
        """The value's terms where element i of argument k moves by a, and all move along W by b."""
        out = [np.array(x + b * w, object) for x, w in zip(xs, W)]
        out[k][i] += a * S[k][i]
        return np.ravel(np.asarray(G * slope(*out), object))

    def differentiated(order, k, i):
        """The terms of the derivative, and how far 60 digits cannot see them."""
        moves = [(a, 0) for a in (1, -1)] if order == 1 else [(a, b) for a in (1, -1) for b in (1, -1)]
        parts = [(a * (b or 1), moved(k, i, a * STEP, b * STEP)) for a, b in moves]
        scale = (2 * STEP)**order
        size  = sum(np.sum(abs(part)) for _, part in parts)
        return sum(sign * part for sign, part in parts) / scale, size * BLUR / scale

    worst = 0.0
    for order in orders:
        bars = gradient(arrays) if order == 1 else ad.vjp(gradient, arrays)[1](along)
        for k, (x, bar) in enumerate(zip(arrays, bars)):
            assert bar.shape == x.shape and bar.dtype == x.dtype
            terms = {i: differentiated(order, k, i) for i in np.ndindex(x.shape)}
            scale = max([np.sum(abs(t)) for t, _ in terms.values()], default=0)
            for i, (t, blur) in terms.items():
                error = abs(mp.mpf(float(bar[i])) * S[k][i] - np.sum(t))
                ratio = float(error / (bound * 10**(order - 1) * scale + blur + floor))
                assert ratio <= 1, f"{row}: derivative {order} in argument {k + 1} is {ratio:.3g} bounds off"
                worst = max(worst, ratio)
    return worst


def check_on_strict(row, case, arrays, rng):
    """Value and gradient on the stand-in for the GPU are NumPy's bit for bit, and nothing is read back meanwhile."""
    arrays  = [frozen(x.copy()) for x in arrays]            # the last bit may depend on the strides
    y, pull = ad.vjp(applied(row, case), arrays)
    g       = noise(rng, y)
    bars    = pull(g)
    with use("strict"):
        f, (g_there, *there) = applied(row, case), [xp.asarray(x) for x in (g, *arrays)]
        with contextlib.nullcontext() if case.waits else no_sync():
            y_there, pull = ad.vjp(f, there)
            bars_there    = pull(g_there)
        for ours, theirs in zip([y, *bars], [y_there, *bars_there]):
            theirs = to_host(theirs)
            assert theirs.dtype == ours.dtype and theirs.shape == ours.shape
            assert np.array_equal(theirs, ours), row


# ---- the laws --------------------------------------------------------------------------------------------------------
def test_every_operation_with_a_derivative_rule_stands_in_the_table():
    assert not set(PRIMITIVES) - {row.name for row in TABLE}


@every_row
@lawful(5)
@given(data=st.data())
def test_the_value_is_right_to_the_stated_ulps(row, data):
    for case in row.cases:
        for dtype in DTYPES:
            check_value(row, case, draw_arrays(data.draw, row, case, dtype))


@every_row
@lawful(3)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_first_and_second_derivatives_are_right_to_the_stated_conditioning(row, data, seed):
    for case in row.cases:
        check_derivatives(row, case, draw_arrays(data.draw, row, case, "float64"), np.random.default_rng(seed))


@every_row
@lawful(2)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_derivatives_of_float32_are_float32_and_right(row, data, seed):
    for case in row.cases:
        arrays = draw_arrays(data.draw, row, case, "float32")
        check_derivatives(row, case, arrays, np.random.default_rng(seed), orders=(1,))


@every_row
@lawful(2)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_on_a_device_the_same_bits_come_without_a_transfer(row, data, seed):
    for case in row.cases:
        for dtype in DTYPES:
            check_on_strict(row, case, draw_arrays(data.draw, row, case, dtype), np.random.default_rng(seed))


@pytest.mark.parametrize("row", [row for row in TABLE if len(row.domains) == 2 and row.cases == TWO], ids=repr)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", [0, 1])
@lawful(6)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_a_python_number_is_an_array_of_its_value_that_leaves_the_dtype_alone(row, dtype, side, data, seed):
    a, b   = draw_arrays(data.draw, row, at((3,), ()), dtype)
    number = float(a[0] if side == 0 else b)
    both   = lambda x, c: row.f(c, x) if side == 0 else row.f(x, c)
    x      = np.asarray(b).repeat(3) if side == 0 else a
    y,     pull     = ad.vjp(lambda x: both(x, number), x)
    y_ref, pull_ref = ad.vjp(lambda x: both(x, np.asarray(number, dtype)), x)
    g = noise(np.random.default_rng(seed), y)
    assert y.dtype == pull(g).dtype == dtype
    np.testing.assert_allclose(y, y_ref, rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_allclose(pull(g), pull_ref(g), rtol=4 * np.finfo(dtype).eps)


LINEAR = """add subtract negative positive where astype sum mean cumsum trace diagonal reshape ravel expand_dims squeeze
    transpose moveaxis swapaxes broadcast_to flip roll tril triu pad concatenate stack getitem scatter_add take repeat
    tile split shifted centred""".split()


@pytest.mark.parametrize("row", [row for row in TABLE if row.name in LINEAR], ids=repr)
@lawful(1)
@given(data=st.data())
def test_what_is_linear_keeps_no_numbers_alive(row, data):
    for case in row.cases:
        trace = Trace()
        applied(row, case)([trace.input(x) for x in draw_arrays(data.draw, row, case, "float64")])
        for _, y, args, _ in filter(None, trace.nodes):
            kept = trees.leaves([y, list(args)])
            assert not any(isinstance(a, (np.ndarray, np.generic)) and a.dtype.kind == "f" for a in kept)
            assert y is None and any(isinstance(a, Like) for a in kept)


# ---- plain compositions ----------------------------------------------------------------------------------------------
with_plain      = [row for row in TABLE if getattr(PRIMITIVES.get(row.name), "plain", None)]
every_plain_row = pytest.mark.parametrize("row", with_plain, ids=repr)


def test_every_operation_of_ours_has_a_plain_form():
    named = {row.name for row in TABLE if row.f is PRIMITIVES.get(row.name)}
    assert named == {name for name, p in PRIMITIVES.items() if getattr(p, "plain", None)}


@every_plain_row
@lawful(5)
@given(data=st.data())
def test_the_plain_form_is_equal_to_the_stable_one(row, data):
    for case in row.cases:
        arrays = draw_arrays(data.draw, row, case, "float64")
        y, plain = applied(row, case)(arrays), row.call(row.f.plain, case, *arrays)
        assert np.shape(plain) == np.shape(y)
        assert np.all(np.abs(plain - y) <= 1e-13 * np.maximum(np.abs(y), 1))


@every_plain_row
@lawful(5)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_another_library_differentiates_the_plain_form_to_the_same_gradient(row, data, seed):
    symmetric = (lambda x: (x + xp.swapaxes(x, -1, -2)) / 2) if row.domains[0] in SYMMETRIC else lambda x: x
    for case in row.cases:
        arrays = draw_arrays(data.draw, row, case, "float64")
        f = lambda xs: applied(row, case)([symmetric(x) for x in xs])
        y, pull = ad.vjp(f, arrays)
        g    = noise(np.random.default_rng(seed), y)
        bars = pull(g)
        with use("autograd"):
            theirs = ad.vjp(f, arrays)[1](g)
        for a, b in zip(bars, theirs):
            assert a.shape == b.shape
            assert np.max(np.abs(a - b), initial=0) <= 1e-12 * np.max(np.abs(a), initial=1)


# ---- each law can fail -----------------------------------------------------------------------------------------------
def with_examples(check, row, **orders):
    """The law of one row as a function without arguments."""
    @settings(lawful(6), phases=[Phase.generate], report_multiple_bugs=False, print_blob=False)
    @given(data=st.data(), seed=st.integers(0, 2**32 - 1))
    def holds(data, seed):
        for case in row.cases:
            rng = () if check is check_value else (np.random.default_rng(seed),)
            check(row, case, draw_arrays(data.draw, row, case, "float64"), *rng, **orders)
    return holds


def spoil(monkeypatch, p, wrong):
    """Put wrong(pullback) in the place of every pullback of the primitive p."""
    for i in list(p.pullbacks) or range(4):             # einsum makes them as they are asked for
        monkeypatch.setitem(p.pullbacks, i, wrong(p.pullbacks[i]))


WRONG = {
    "the other sign": lambda pull: lambda *a, **k: -pull(*a, **k),
    "one in 10^9 off": lambda pull: lambda *a, **k: pull(*a, **k) * (1 + 1e-9),
    "half":            lambda pull: lambda *a, **k: pull(*a, **k) / 2,
}


@pytest.mark.parametrize("row", [row for row in TABLE if isinstance(PRIMITIVES.get(row.name), Primitive)], ids=repr)
@pytest.mark.parametrize("wrong", WRONG)
def test_the_law_of_derivatives_rejects_a_wrong_pullback(row, wrong, monkeypatch):
    spoil(monkeypatch, PRIMITIVES[row.name], WRONG[wrong])
    with pytest.raises(AssertionError, match="derivative 1"):
        with_examples(check_derivatives, row, orders=(1,))()


@pytest.mark.parametrize("name", """multiply divide power exp log sin tanh sqrt expit softplus log1mexp xlogy logsumexp
    softmax silu scaled mean_square prod matmul einsum linalg.solve linalg.inv linalg.cholesky linalg.eigvalsh eigh
    logabsdet""".split())
def test_the_law_of_second_derivatives_rejects_a_pullback_that_is_constant(name, monkeypatch):
    cut = lambda pull: lambda g, *a, **k: pull(g, *map(untraced, a), **k)
    spoil(monkeypatch, PRIMITIVES[name], cut)
    row = next(row for row in TABLE if row.name == name)
    with_examples(check_derivatives, row, orders=(1,))()
    with pytest.raises(AssertionError, match="derivative 2"):
        with_examples(check_derivatives, row, orders=(2,))()


@every_plain_row
def test_the_law_of_values_rejects_a_wrong_forward(row, monkeypatch):
    p = PRIMITIVES[row.name]
    forward = p.forward
    monkeypatch.setattr(p, "forward", lambda *a, **k: forward(*a, **k) * (1 + 1e-9))
    with pytest.raises(AssertionError, match="ulp"):
        with_examples(check_value, row)()
