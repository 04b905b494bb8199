"""The switch, and the contract: what xp does on NumPy it does on every other backend.

A row of the contract is what is called, a strategy for (arguments, keywords), and how close a backend that computes by
itself comes. strict is NumPy inside, and agrees to the last bit.
"""
import importlib
import operator
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.linalg import LinAlgError

import backends
import scratch.autodiff  # noqa: F401      from here on the functions of xp are lifted, as they are in every model
from backends import backend, no_sync, to_host, use, xp
from backends import strict as strict_backend
from scratch.autodiff.tape import PRIMITIVES

OTHERS  = ["strict", "autograd", pytest.param("cupy", marks=pytest.mark.gpu)]
ALL     = ["numpy", *OTHERS]
LACKING = {"autograd": "erfcx log_ndtr ndtr scatter_add xlogy".split()}     # primitives are compositions there
WIDER   = {"autograd": ["polygamma"]}                                       # its own is SciPy's: always float64


# ---- mathematical objects --------------------------------------------------------------------------------------------
dtypes  = st.shared(st.sampled_from(["float32", "float64"]), key="dtype")
finite  = st.floats(-1e3, 1e3, width=32)
small   = st.floats(-4, 4, width=32)
wild    = st.one_of(finite, st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan]))
ordered = st.one_of(finite, st.sampled_from([0.0, np.inf, -np.inf]))
whole   = st.integers(-9, 9).map(float)
inside  = st.floats(-0.875, 0.875, width=32)
above   = st.floats(0.125, 8, width=32)


def sides(fewest, most, shortest, longest):
    """The shape of an array: so many axes, each so long."""
    return hnp.array_shapes(min_dims=fewest, max_dims=most, min_side=shortest, max_side=longest)


shapes, full, flat = sides(0, 3, 0, 3), sides(1, 3, 1, 3), sides(1, 1, 0, 5)
planes, square     = sides(2, 3, 0, 3), st.integers(1, 3).map(lambda n: (n, n))


def arrays(elements=wild, shape=shapes, dtype=dtypes, **options):
    return dtype.flatmap(lambda dtype: hnp.arrays(dtype, shape, elements=elements, **options))


def call(*args, **kwargs):
    return st.tuples(st.tuples(*args), st.fixed_dictionaries(kwargs))


def of(array, rest):
    """An array, and after it what depends on it: rest(x) is a tuple of strategies, or a dictionary."""
    def more(x):
        after = rest(x)
        return call(st.just(x), **after) if isinstance(after, dict) else call(st.just(x), *after)
    return array.flatmap(more)


def axis(x, least=0):
    return st.integers(-x.ndim, x.ndim - 1) if x.ndim else st.just(-1)


def axes(x):
    every = st.lists(st.sampled_from(range(x.ndim)), unique=True).map(tuple) if x.ndim else st.just(())
    return st.one_of(st.none(), every, *([axis(x)] if x.ndim else []))


@st.composite
def pairs(draw, elements=wild, other=None, dtype=dtypes):
    """Two arrays that broadcast, or an array and a Python number, either first."""
    other = elements if other is None else other
    kind  = draw(st.sampled_from(["both", "both", "number first", "number last"]))
    if kind == "both":
        a, b = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3)).input_shapes
        return (draw(arrays(elements, st.just(a), dtype)), draw(arrays(other, st.just(b), dtype))), {}
    if kind == "number last":
        return (draw(arrays(elements, dtype=dtype)), draw(other)), {}
    return (draw(elements), draw(arrays(other, dtype=dtype))), {}


@st.composite
def products(draw, signature="(m?,n),(n,p?)->(m?,p?)"):
    a, b = draw(hnp.mutually_broadcastable_shapes(signature=signature, max_dims=1, min_side=0, max_side=3)).input_shapes
    return (draw(arrays(small, st.just(a))), draw(arrays(small, st.just(b)))), {}


EINSUMS = ["ij,jk->ik", "ii->i", "i,i->", "bij,bjk->bik", "ij->ji", "ij->", "...i,...i->...", "ij,j", "nki,kij,nkj->nk"]


@st.composite
def einsums(draw):
    spec  = draw(st.sampled_from(EINSUMS))
    sizes = {letter: draw(st.integers(0, 3)) for letter in sorted(set(spec)) if letter.isalpha()}
    terms = spec.split("->")[0].replace("...", "").split(",")
    return (spec, *(draw(arrays(small, st.just(tuple(sizes[c] for c in term)))) for term in terms)), {}


@st.composite
def matrices(draw, kind="general", batch=(0, 2)):
    """[..., n, n], well conditioned: general, symmetric, or symmetric and positive definite."""
    n, lead = draw(st.integers(1, 3)), draw(sides(*batch, 1, 2))
    a = draw(arrays(st.floats(-1, 1, width=32), st.just(lead + (n, n))))
    if kind == "symmetric":
        return a + np.swapaxes(a, -1, -2)
    if kind == "positive definite":
        a = a @ np.swapaxes(a, -1, -2)
    return a + (n + 1) * np.eye(n, dtype=a.dtype)


def systems(**options):
    """A matrix, a right-hand side, and options of the solver."""
    def with_rhs(a):
        b = st.integers(1, 2).flatmap(lambda m: arrays(small, st.just(a.shape[:-1] + (m,)), st.just(a.dtype.name)))
        return call(st.just(a), b, **options)
    return matrices(batch=(0, 1)).flatmap(with_rhs)


@st.composite
def parts(draw, join=False):
    """A list of arrays that can be stacked, or joined, along an axis."""
    shape  = list(draw(full))
    k      = draw(st.integers(-len(shape), len(shape) - 1))
    listed = []
    for _ in range(draw(st.integers(1, 3))):
        shape[k] = draw(st.integers(0, 3)) if join else shape[k]
        listed.append(draw(arrays(shape=st.just(tuple(shape)))))
    return (listed,), {"axis": k}


def indices(shape):
    """Basic indices, an integer array, and a mask."""
    n = shape[0]
    return st.one_of(hnp.basic_indices(shape, allow_newaxis=True, max_dims=4),
                     hnp.arrays("int64", sides(1, 2, 1, 3), elements=st.integers(-n, n - 1)),
                     hnp.arrays("bool", shape))


def indexed(values=False):
    def more(x):
        def then(i):
            return call(st.just(x), st.just(i), *([small] if values else []))
        return indices(x.shape).flatmap(then)
    return arrays(shape=full).flatmap(more)


@st.composite
def scattered(draw):
    shape = draw(full)
    index = draw(indices(shape))
    return (draw(arrays(small, st.just(np.empty(shape)[index].shape))), index, shape), {}


def reshaped(x):
    sizes = [(x.size,), (x.size, 1), (1, x.size), x.shape[::-1], x.shape] + ([(-1,)] if x.size else [])
    return (st.sampled_from(sizes),)


@st.composite
def searched(draw):
    x = np.sort(draw(arrays(finite, flat)))
    return (x, draw(arrays(finite, dtype=st.just(x.dtype.name)))), {"side": draw(st.sampled_from(["left", "right"]))}


@st.composite
def padded(draw):
    x     = draw(arrays(shape=full))
    sides = st.tuples(*2 * [st.integers(0, 2)])
    return (x, draw(st.one_of(st.integers(0, 2), st.tuples(*x.ndim * [sides])))), {}


@st.composite
def widened(draw):
    x    = draw(arrays(shape=full))
    lead = draw(sides(0, 1, 0, 2))
    return (x, lead + tuple(draw(st.integers(0, 3)) if n == 1 else n for n in x.shape)), {}


@st.composite
def along(draw):
    x = draw(arrays(shape=full))
    k = draw(axis(x))
    side  = x.shape[k]
    shape = tuple(draw(st.integers(0, 3)) if i == k % x.ndim else n for i, n in enumerate(x.shape))
    return (x, draw(hnp.arrays("int64", shape, elements=st.integers(-side, side - 1))), k), {}


def some(names):
    """Arrays of floats, integers or booleans."""
    return st.sampled_from(names.split()).flatmap(lambda dtype: hnp.arrays(dtype, full, elements=ELEMENTS[dtype]))


ELEMENTS = {"float32": finite, "float64": finite, "int64": st.integers(-9, 9), "bool": st.booleans()}


@st.composite
def chosen(draw):
    """A mask, and two arrays or numbers, one of them an array."""
    c, a, b = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3)).input_shapes
    a, b    = draw(arrays(shape=st.just(a))), draw(arrays(shape=st.just(b)))
    a, b    = draw(st.sampled_from([(a, b), (1.5, b), (a, 0)]))
    return (draw(hnp.arrays("bool", c)), a, b), {}


def bounded(x):
    low, high = st.floats(-9, 0, width=32), st.floats(0, 9, width=32)
    return st.one_of(st.none(), low, arrays(low, st.just(x.shape[-1:]))), st.one_of(high, st.just(0))


# ---- how close -------------------------------------------------------------------------------------------------------
def same(a, inputs):
    """To the last bit."""
    return np.zeros(a.shape)


def ulps(n):
    """n units in the last place of every element."""
    return lambda a, inputs: n * np.spacing(np.abs(a))


def about(n):
    """n units in the last place of the element or of 1, whichever is more: for functions with roots."""
    return lambda a, inputs: n * np.finfo(a.dtype).eps * np.maximum(np.abs(a), 1)


def sums(n):
    """n units in the last place of the largest number that went in or came out, or of 1."""
    def tolerance(a, inputs):
        sizes = [np.abs(x[np.isfinite(x)]).max(initial=1) for x in (a, *inputs) if x.dtype.kind == "f"]
        return np.full(a.shape, n * np.finfo(a.dtype).eps * max(sizes))
    return tolerance


# ---- the contract ----------------------------------------------------------------------------------------------------
CONTRACT = {}               # name -> (function, strategy of (arguments, keywords), tolerance)


def named(path):
    def f(*args, **kwargs):
        return operator.attrgetter(path)(xp)(*args, **kwargs)
    return f


def rows(names, strategy, tolerance=same):
    for name in names.split():
        CONTRACT[name] = named(name), strategy, tolerance


def row(name, f, strategy, tolerance=same):
    CONTRACT[name] = f, strategy, tolerance


def reduced(elements=wild, shape=full, **more):
    return of(arrays(elements, shape), lambda x: {"axis": axes(x), "keepdims": st.booleans(), **more})


def along_one(elements=wild, shape=full, **options):
    return of(arrays(elements, shape, **options), lambda x: {"axis": axis(x)})


def moved(*rest):
    """An array, and what each of `rest` makes of it."""
    return of(arrays(shape=full), lambda x: tuple(f(x) if callable(f) else f for f in rest))


one     = call(arrays())
number  = st.integers(0, 3)
shift   = st.integers(-4, 4)
zeroth  = hnp.arrays("int64", sides(1, 2, 1, 3), elements=st.just(0))
a_dtype = st.sampled_from(["float32", "float64", "int64", "bool"])
order   = lambda x: st.permutations(range(x.ndim)).map(tuple)
unit    = st.floats(0.125, 0.875, width=32)
up      = st.floats(1, 9, width=32)
trans   = st.integers(0, 1)
last    = st.just(-1)
first   = st.just(0)
either  = st.booleans()
count   = st.integers(0, 4)
key     = st.integers(0, 2**128 - 1)
word    = st.integers(0, 2**258 - 5) | st.integers(0, 20)
lists   = st.lists(finite, max_size=3)
typed   = {"dtype": a_dtype}
like    = call(arrays(), **typed)
ints    = pairs(st.integers(-9, 9), st.integers(1, 9), st.just("int64"))
bools   = pairs(st.booleans(), dtype=st.just("bool"))
places  = st.integers(0, 7)

#     names                                                      arguments                                   how close
rows("abs negative positive square sign floor ceil rint",        one)
rows("trunc round isfinite isnan isinf logical_not",             one)
rows("sqrt reciprocal exp exp2 expm1 log log2 log10 log1p",      one,                                        ulps(4))
rows("sin cos tan arctan",                                       call(arrays(finite)),                       ulps(4))
rows("sinh cosh tanh arcsinh",                                   call(arrays(small)),                        ulps(4))
rows("arcsin arccos arctanh",                                    call(arrays(inside)),                       ulps(4))
rows("arccosh",                                                  call(arrays(up)),                           ulps(4))
rows("gammaln digamma",                                          call(arrays(above)),                        about(16))
rows("polygamma",                                                call(number, arrays(above)),                ulps(64))
rows("erf erfc erfcx ndtr log_ndtr expit",                       call(arrays(small)),                        about(16))
rows("logit",                                                    call(arrays(unit)),                         about(16))

rows("add subtract multiply divide maximum minimum",             pairs())
rows("greater greater_equal less less_equal equal not_equal",    pairs())
rows("logical_and logical_or logical_xor isclose",               pairs())
rows("power",                                                    pairs(above, small),                        ulps(8))
rows("logaddexp arctan2 xlogy",                                  pairs(above),                               about(8))
rows("floor_divide",                                             pairs(whole, st.sampled_from([1.0, -3.0])))
rows("clip",                                                     of(arrays(finite, full), bounded))
rows("where",                                                    st.one_of(chosen(), call(some("bool"))))
rows("nonzero",                                                  call(some("float32 float64 int64 bool")))
rows("astype",                                                   call(some("float32 float64 int64 bool"), a_dtype))

rows("sum mean",                                                 reduced(finite),                            sums(16))
rows("cumsum",                                                   along_one(finite),                          sums(16))
rows("prod",                                                     reduced(small),                             ulps(16))
rows("var std",                                                  reduced(small, ddof=st.just(0)),            sums(64))
rows("max min",                                                  reduced())
rows("any all count_nonzero",                                    along_one(whole))
rows("argmax argmin sort",                                       along_one(ordered))
rows("argsort",                                                  along_one(finite, unique=True))
rows("searchsorted",                                             searched())

rows("ravel squeeze",                                            one)
rows("reshape",                                                  of(arrays(), reshaped))
rows("expand_dims",                                              moved(axis))
rows("transpose",                                                moved(order))
rows("moveaxis swapaxes",                                        moved(axis, axis))
rows("flip",                                                     moved(axes))
rows("roll",                                                     moved(shift, axis))
rows("repeat",                                                   moved(number, axis))
rows("take",                                                     moved(zeroth, axis))
rows("take_along_axis",                                          along())
rows("tile",                                                     moved(sides(1, 2, 0, 2)))
rows("shape ndim size",                                          one)
rows("result_type",                                              pairs())
rows("split",                                                    moved(st.just([1]), axis))
rows("array_split",                                              moved(st.integers(1, 3), axis))
rows("broadcast_to",                                             widened())
rows("pad",                                                      padded())
rows("concatenate",                                              parts(join=True))
rows("stack",                                                    parts())
rows("tril triu",                                                call(arrays(shape=planes), shift))
rows("diagonal",                                                 call(arrays(shape=planes), shift, last, first))
rows("trace",                                                    call(arrays(small, square)),                sums(8))

rows("matmul",                                                   products(),                                 sums(16))
rows("outer",                                                    products("(m),(n)->(m,n)"))
rows("einsum",                                                   einsums(),                                  sums(16))
rows("scatter_add",                                              scattered(),                                sums(16))
rows("linalg.inv",                                               call(matrices()),                           sums(64))
rows("linalg.solve",                                             systems(),                                  sums(64))
rows("linalg.solve_triangular",                                  systems(lower=either, trans=trans),         sums(64))
rows("linalg.cholesky",                                          call(matrices("positive definite")),        sums(64))
rows("linalg.eigvalsh",                                          call(matrices("symmetric")),                sums(64))
rows("linalg.slogdet",                                           call(matrices()),                           sums(64))

rows("zeros ones",                                               call(shapes, **typed))
rows("full",                                                     call(shapes, whole, **typed))
rows("zeros_like ones_like",                                     like)
rows("full_like",                                                call(arrays(), whole, **typed))
rows("eye",                                                      call(number, number, shift, **typed))
rows("arange",                                                   call(shift, shift, st.sampled_from([1, 2, -1])))
rows("linspace",                                                 call(small, small, count),                  sums(4))
rows("asarray array",                                            call(arrays() | lists, dtype=dtypes))
rows("philox",                                                   call(key, word, st.integers(0, 9)))


# ---- what is determined of a factorisation ---------------------------------------------------------------------------
def t(a):
    return xp.swapaxes(a, -1, -2)


def of_eigh(a):
    """The eigenvalues, A = V diag(w) V^T, and V V^T = 1."""
    w, V = xp.linalg.eigh(a)
    return w, (V * w[..., None, :]) @ t(V), V @ t(V)


def of_qr(a):
    """|R|, A = Q R, and Q^T Q = 1."""
    Q, R = xp.linalg.qr(a)
    return xp.abs(R), Q @ R, t(Q) @ Q


def of_svd(a):
    """The singular values, and A = U diag(s) V^T."""
    U, s, V = xp.linalg.svd(a, full_matrices=False)
    return s, (U * s[..., None, :]) @ V


row("linalg.eigh", of_eigh,                                      call(matrices("symmetric")),                sums(64))
row("linalg.qr",   of_qr,                                        call(matrices(batch=(0, 0))),               sums(64))
row("linalg.svd",  of_svd,                                       call(matrices()),                           sums(64))


# ---- operators, methods and attributes -------------------------------------------------------------------------------
def method(name, strategy, tolerance=same):
    row("a." + name, lambda a, *args, **kwargs: getattr(a, name)(*args, **kwargs), strategy, tolerance)


def put(a, index, value):
    a[index] = value
    return a


for f in (operator.add, operator.sub, operator.mul, operator.truediv,
          operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
    row(f"a {f.__name__} b", f, pairs())
for f in (operator.iadd, operator.isub, operator.imul, operator.itruediv):
    row(f"a {f.__name__} b", f, of(arrays(), lambda x: (small | arrays(small, st.just(x.shape)),)))
for f in (operator.floordiv, operator.mod):
    row(f"a {f.__name__} b", f, ints)
for f in (operator.and_, operator.or_, operator.xor):
    row(f"a {f.__name__} b", f, bools)
for f in (operator.lshift, operator.rshift):
    row(f"a {f.__name__} b", f, call(hnp.arrays("int64", full, elements=places), places))
for f in (operator.neg, operator.pos, abs, len):
    row(f"{f.__name__} a", f, call(arrays(shape=full)))

for name in "allclose array_equal array_equiv".split():
    row(name, lambda *args, f=named(name): bool(f(*args)), of(arrays(), lambda x: (arrays(shape=st.just(x.shape)),)))
row("a pow b",    operator.pow,    pairs(above, small), ulps(8))
row("a ipow b",   operator.ipow,   call(arrays(above), small), ulps(8))
row("a matmul b", operator.matmul, products(), sums(16))
row("invert a",   operator.invert, call(some("bool int64")))
row("a[i]",       lambda a, i: a[i], indexed())
row("a[i] = v",   put,             indexed(values=True))
row("list a",     list,            call(arrays(shape=full)))
row("attributes", lambda a: (a.shape, a.dtype, a.ndim, a.size, a.nbytes, a.itemsize, a.T), one)
row("a.mT",       lambda a: a.mT,  call(arrays(shape=planes)))

#      name         arguments                                       how close
method("sum",       reduced(finite),                                sums(16))
method("mean",      reduced(finite),                                sums(16))
method("prod",      reduced(small),                                 ulps(16))
method("var",       reduced(small, ddof=st.just(0)),                sums(64))
method("std",       reduced(small, ddof=st.just(0)),                sums(64))
method("max",       reduced())
method("min",       reduced())
method("cumsum",    along_one(finite),                              sums(16))
method("any",       along_one(whole))
method("all",       along_one(whole))
method("argmax",    along_one(ordered))
method("argmin",    along_one(ordered))
method("argsort",   along_one(finite, unique=True))
method("astype",    call(some("float32 float64 int64 bool"), a_dtype))
method("view",      call(hnp.arrays("uint64", full), st.sampled_from(["uint32", "int64"])))
method("reshape",   of(arrays(), reshaped))
method("transpose", moved(order))
method("swapaxes",  moved(axis, axis))
method("repeat",    moved(number, axis))
method("take",      moved(zeroth, axis))
method("clip",      call(arrays(finite), st.just(-1), st.just(1.5)))
method("diagonal",  call(arrays(shape=planes), shift))
for name in "copy flatten ravel round squeeze".split():
    method(name, one)
for name in "item tolist".split():
    method(name, call(arrays(shape=st.just((1,)))))
for f in (float, int, bool):
    row(f"{f.__name__} a", f, call(arrays(finite, st.just(()))))


# ---- the laws --------------------------------------------------------------------------------------------------------
def walk(f, x):
    """f of every array in lists, tuples and dictionaries."""
    if isinstance(x, dict):
        return {k: walk(f, v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(walk(f, v) for v in x) if type(x) in (list, tuple) else tuple(walk(f, v) for v in x)
    return f(x)


def arrays_in(x):
    found = []
    walk(lambda v: found.append(v) if isinstance(v, (np.ndarray, np.generic)) else None, x)
    return [np.asarray(v) for v in found]


def send(x):
    return xp.array(x) if isinstance(x, np.ndarray) else x


def fetch(y):
    return to_host(y) if hasattr(y, "dtype") and hasattr(y, "shape") and not isinstance(y, np.dtype) else y


def on(name, f, args, kwargs):
    with use(name), np.errstate(all="ignore"):
        return walk(fetch, f(*walk(send, args), **walk(send, kwargs)))


def assert_alike(a, b, inputs, tolerance, wider=False):
    """Two results: the same structure, shapes and dtypes, and values as close as they have to be."""
    if isinstance(a, (list, tuple)):
        assert isinstance(b, (list, tuple)) and len(a) == len(b)
        for one_a, one_b in zip(a, b):
            assert_alike(one_a, one_b, inputs, tolerance, wider)
    elif not isinstance(a, np.ndarray):
        assert type(a) is type(b) and (a == b or a != a and b != b)
    else:
        assert isinstance(b, np.ndarray) and b.shape == a.shape
        assert b.dtype == a.dtype or wider and a.dtype == "float32"
        with np.errstate(all="ignore"):
            near = np.abs(b - a) <= tolerance(a, inputs) if a.dtype.kind == "f" else False
        off = ~((a == b) | (a != a) & (b != b) | near)
        assert not off.any(), f"{b[off]} where NumPy has {a[off]}"


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("name", CONTRACT)
def test_every_backend_does_what_numpy_does(name, other):
    f, strategy, tolerance = CONTRACT[name]
    wider = name in WIDER.get(other, ())
    if name in LACKING.get(other, ()):
        with use(other), pytest.raises(AttributeError, match=name):
            operator.attrgetter(name)(xp)
        return

    @settings(max_examples=15)
    @given(strategy)
    def law(arguments):
        ours, theirs = on("numpy", f, *arguments), on(other, f, *arguments)
        assert_alike(ours, theirs, arrays_in(arguments), same if other == "strict" else tolerance, wider)

    law()


@pytest.mark.parametrize("name", CONTRACT)
def test_without_a_gpu_cupy_takes_every_call_of_the_contract_as_far_as_its_driver(name, hollow):
    from cupy_backends.cuda.api.runtime import CUDARuntimeError
    f, strategy, _ = CONTRACT[name]

    @settings(max_examples=5)
    @given(strategy)
    def law(arguments):
        with use("cupy"):
            try:
                f(*walk(hollow, arguments[0]), **walk(hollow, arguments[1]))
            except (CUDARuntimeError, ImportError):                     # no driver, or no library that needs one
                pass

    law()


CREATED = set("""
    astype a.astype zeros ones full zeros_like ones_like full_like eye arange linspace asarray array
""".split())                                                                # their dtype is asked for, or the default


@pytest.mark.parametrize("name", [name for name in CONTRACT if name not in CREATED])
def test_float32_goes_in_and_float32_comes_out(name):
    f, strategy, _ = CONTRACT[name]

    @settings(max_examples=10)
    @given(strategy)
    def law(arguments):
        inputs = {x.dtype for x in arrays_in(arguments) if x.dtype.kind == "f"}
        floats = {y.dtype for y in arrays_in([on("numpy", f, *arguments)]) if y.dtype.kind == "f"}
        assert floats <= inputs or "float64" in inputs or not inputs

    law()


def test_every_primitive_that_is_a_name_of_xp_stands_in_the_contract():
    def exists(name):
        try:
            return callable(operator.attrgetter(name)(xp))
        except AttributeError:
            return False
    assert {name for name in PRIMITIVES if exists(name)} <= set(CONTRACT)
    assert set(backends._lifts) - set(CONTRACT) == {"empty_like"}


def test_the_comparison_can_fail():
    a = np.array([1.0, np.nan], "float32")
    assert_alike(a, a.copy(), [a], same)
    for b in (a + np.float32(1e-6), a[:1], a.astype("float64"), [a], a[::-1]):
        with pytest.raises(AssertionError):
            assert_alike(a, b, [a], same)
    assert_alike(a, a + np.spacing(a), [a], ulps(1))
    with pytest.raises(AssertionError):
        assert_alike(a, a + 3 * np.spacing(a), [a], ulps(2))


# ---- the names that are NumPy's neither by name nor by meaning -------------------------------------------------------
@pytest.mark.parametrize("name", ["numpy", "strict", pytest.param("cupy", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scatter_add_adds_every_value_also_where_an_element_is_named_twice(dtype, name):
    @settings(max_examples=50)
    @given(scattered())
    def law(arguments):
        (values, index, shape), _ = arguments
        values = np.asarray(np.round(values), dtype)                # sums of small integers are exact
        expect = np.zeros(shape, dtype)
        places = np.arange(expect.size).reshape(shape)[index]
        for place, value in zip(places.ravel().tolist(), values.ravel()):
            expect.flat[place] += value
        got = on(name, lambda *args: xp.scatter_add(*args), (values, index, shape), {})
        assert got.dtype == dtype and got.shape == shape and (got == expect).all()
    law()


@given(systems(lower=st.booleans(), trans=st.integers(0, 1)))
def test_solve_triangular_solves_and_reads_one_triangle(arguments):
    (a, b), options = arguments
    x = xp.linalg.solve_triangular(a, b, **options)
    A = np.tril(a) if options["lower"] else np.triu(a)
    A = np.swapaxes(A, -1, -2) if options["trans"] else A
    assert x.dtype == a.dtype and np.abs(A @ x - b).max() <= 64 * np.finfo(a.dtype).eps * max(np.abs(b).max(), 1)


def test_solve_triangular_takes_what_is_empty_and_what_broadcasts():
    a = np.tril(np.arange(1, 9, dtype="float32").reshape(2, 2, 2))
    assert xp.linalg.solve_triangular(a, np.ones((2, 1), "float32"), lower=True).shape == (2, 2, 1)
    for shape, rhs in (((0, 0), (0, 2)), ((0, 2, 2), (0, 2, 1)), ((2, 2), (2, 0))):
        x = xp.linalg.solve_triangular(np.ones(shape, "float32"), np.ones(rhs, "float32"))
        assert x.shape == rhs and x.dtype == "float32"


def test_the_special_functions_have_their_values():
    x = np.array([0.5, 1.0, 2.0, 3.5])
    assert np.allclose(xp.polygamma(1, x)[:3], [np.pi**2 / 2, np.pi**2 / 6, np.pi**2 / 6 - 1], rtol=1e-14)
    assert np.allclose(xp.polygamma(0, x), xp.digamma(x), rtol=1e-15)
    assert np.allclose(xp.polygamma(2, x)[1], -2 * 1.2020569031595942, rtol=1e-14)
    assert xp.xlogy(np.array([0.0, 2.0]), np.array([0.0, 1.0])).tolist() == [0, 0]
    assert xp.xlogy(2.0, x)[2] == 2 * np.log(2)
    assert xp.xlogy(np.arange(3), 2).dtype == "float64" and xp.xlogy(np.float32(1), 2.0).dtype == "float32"


def test_sum_counts_what_is_true():
    assert xp.sum(np.array([True, True])) == 2 and xp.sum(np.ones((2, 3)), axis=(0, 1), keepdims=True).shape == (1, 1)


# ---- errors ----------------------------------------------------------------------------------------------------------
#         what is wrong                    a is 2 x 3                                                  raises
WRONG = {"shapes do not broadcast":        (lambda a: a + xp.zeros(2, "float32"),                      ValueError),
         "shapes do not multiply":         (lambda a: a @ a,                                           ValueError),
         "a size does not fit":            (lambda a: xp.reshape(a, (4,)),                             ValueError),
         "an axis of sum":                 (lambda a: xp.sum(a, axis=2),                               ValueError),
         "an axis of max":                 (lambda a: a.max(axis=-3),                                  ValueError),
         "an axis of argmax":              (lambda a: xp.argmax(a, axis=2),                            ValueError),
         "an axis of moveaxis":            (lambda a: xp.moveaxis(a, 2, 0),                            ValueError),
         "an axis of swapaxes":            (lambda a: xp.swapaxes(a, 0, 2),                            ValueError),
         "an axis of concatenate":         (lambda a: xp.concatenate([a, a], axis=2),                  ValueError),
         "an axis twice":                  (lambda a: xp.transpose(a, (0, 0)),                         ValueError),
         "parts that do not join":         (lambda a: xp.concatenate([a, a[:, :2]]),                   ValueError),
         "parts that do not stack":        (lambda a: xp.stack([a, a[:1]]),                            ValueError),
         "no parts":                       (lambda a: xp.concatenate([]),                              ValueError),
         "an uneven split":                (lambda a: xp.split(a, 2, axis=1),                          ValueError),
         "a shape that is not wider":      (lambda a: xp.broadcast_to(a, (2, 2)),                      ValueError),
         "an axis that is not 1":          (lambda a: xp.squeeze(a, axis=0),                           ValueError),
         "the largest of nothing":         (lambda a: xp.max(a[:0]),                                   ValueError),
         "where the largest of nothing is": (lambda a: xp.argmax(a[:0]),                               ValueError),
         "letters that do not fit":        (lambda a: xp.einsum("i->i", a),                            ValueError),
         "an index too large":             (lambda a: a[2],                                            IndexError),
         "an index too many":              (lambda a: a[0, 0, 0],                                      IndexError),
         "the inverse of a rectangle":     (lambda a: xp.linalg.inv(a),                                LinAlgError),
         "the root of a rectangle":        (lambda a: xp.linalg.cholesky(a),                           LinAlgError),
         "a keyword":                      (lambda a: xp.sum(a, axes=0),                               TypeError),
         "an argument missing":            (lambda a: xp.add(a),                                       TypeError),
         "no argument":                    (lambda a: xp.sum(),                                        TypeError),
         "a dtype":                        (lambda a: a.astype("float33"),                             TypeError),
         "an operand":                     (lambda a: a + None,                                        TypeError),
         "a number of many":               (lambda a: float(a),                                        TypeError),
         "the truth of many":              (lambda a: bool(a),                                         ValueError),
         "the length of a number":         (lambda a: len(a[0, 0]),                                    TypeError),
         "a hash":                         (lambda a: hash(a),                                         TypeError),
         "an attribute":                   (lambda a: a.shapes,                                        AttributeError),
         "a name":                         (lambda a: xp.summ(a),                                      AttributeError),
         "a name of linalg":               (lambda a: xp.linalg.summ(a),                               AttributeError)}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_raises_the_same_everywhere(wrong, name):
    f, error = WRONG[wrong]
    with use(name):
        a = xp.ones((2, 3), dtype="float32")
        with pytest.raises(error):
            f(a)


def indefinite():
    return np.array([[[4, 2], [2, 3]], [[1, 2], [2, 1]]], "float32")


@pytest.mark.parametrize("name", ["numpy", "strict", pytest.param("cupy", marks=pytest.mark.gpu)])
def test_the_root_of_a_matrix_that_is_not_positive_definite_is_nan(name):
    good, bad = indefinite()
    for a in (good, bad, indefinite()):
        L = on(name, lambda a: xp.linalg.cholesky(a), (a,), {})
        assert L.dtype == "float32" and L.shape == a.shape
    assert np.isnan(L[1]).any() and np.allclose(L[0] @ L[0].T, good, rtol=1e-6, atol=0)
    assert np.isnan(on(name, lambda a: xp.linalg.cholesky(a), (bad.astype(int),), {})).any()


def test_the_root_of_a_matrix_that_is_not_positive_definite_raises_on_autograd():
    with use("autograd"), pytest.raises(LinAlgError):
        xp.linalg.cholesky(indefinite()[1])


# ---- the switch ------------------------------------------------------------------------------------------------------
def test_numpy_stands_behind_xp_until_another_is_asked_for():
    assert backend().name == "numpy" and xp.ndarray is np.ndarray and repr(xp) == "<arrays of numpy>"


def test_use_switches_for_good_when_called():
    use("strict")
    try:
        assert backend().name == "strict" and isinstance(xp.zeros(2), strict_backend.Array)
    finally:
        use("numpy")
    assert isinstance(xp.zeros(2), np.ndarray)


def test_use_nests_and_goes_back_also_after_an_error():
    with use("strict") as inside:
        assert inside is xp
        with pytest.raises(ZeroDivisionError), use("autograd"):
            assert backend().name == "autograd"
            1 / 0
        assert backend().name == "strict"
        with use("numpy"), use("strict"):
            assert backend().name == "strict"
        assert backend().name == "strict"
    assert backend().name == "numpy"


def test_names_are_remembered_until_the_switch_and_no_longer():
    linalg, exp = xp.linalg, xp.exp
    assert xp.exp is exp and "exp" in vars(xp) and xp.linalg is linalg and linalg.inv is linalg.inv
    with use("strict"):
        assert "exp" not in vars(xp) and "inv" not in vars(linalg)
        assert isinstance(xp.exp(xp.zeros(1)), strict_backend.Array)
        assert isinstance(linalg.inv(xp.eye(2)), strict_backend.Array)      # also through a linalg kept from before
    assert isinstance(linalg.inv(xp.eye(2)), np.ndarray)


@pytest.mark.parametrize("name", ALL)
def test_the_names_of_xp_cannot_be_set(name):
    with use(name):
        for space in (xp, xp.linalg):
            with pytest.raises(AttributeError, match="belong to the backend"):
                space.exp = np.exp


def test_a_backend_that_is_not_known_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="backend='jax' is not known; choose one of numpy, cupy, strict, autograd"):
        use("jax")
    assert backend().name == "numpy"


@pytest.mark.parametrize("name", ALL)
def test_a_name_that_is_not_known_is_refused(name):
    with use(name):
        for path in ("no_such_function", "linalg.no_such_function", "__wrapped__", "random"):
            with pytest.raises(AttributeError):
                operator.attrgetter(path)(xp)
        assert not hasattr(xp, "no_such_function")


def without_a_gpu(monkeypatch):
    cupy = pytest.importorskip("cupy", reason="needs CuPy, with or without a GPU")
    monkeypatch.setattr(cupy.cuda, "is_available", lambda: False)
    return "needs an NVIDIA GPU and its driver.*use backend=\"numpy\", or \"strict\""


def without_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    return r"needs CuPy, which is not installed: pip install .\.\[cuda12\].*or use backend=.numpy."


@pytest.mark.parametrize("missing", [without_a_gpu, without_cupy])
def test_cupy_where_it_cannot_run_is_one_clear_sentence_and_no_fall_back(missing, monkeypatch):
    sentence = missing(monkeypatch)
    for before in ("numpy", "strict"):
        with use(before):
            with pytest.raises(RuntimeError, match=sentence) as error:
                use("cupy")
            assert "\n" not in str(error.value)
            assert backend().name == before


@pytest.mark.parametrize("name", ALL)
def test_to_host_gives_a_numpy_array_of_the_same_numbers(name):
    with use(name):
        a = to_host(xp.arange(3, dtype="float32"))
        assert type(a) is np.ndarray and a.dtype == "float32" and a.tolist() == [0, 1, 2]
        assert type(to_host(2.5)) is np.ndarray


@pytest.mark.parametrize("name", ALL)
def test_no_sync_lets_through_what_stays_on_the_device(name):
    with use(name):
        a = xp.ones((2, 2))
        with no_sync(), no_sync():
            b = xp.exp(a @ a).sum(axis=0)[:1] * 2
        assert to_host(b).shape == (1,)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cupys_cholesky_is_nan_where_its_library_leaves_half_a_factor(dtype, monkeypatch):
    """On a stand-in for CuPy that leaves the matrix as it was where the factorisation fails, without a word."""
    def silent(a):
        return np.stack([np.tril(b) if np.linalg.eigvalsh(b)[0] <= 0 else np.linalg.cholesky(b) for b in a])

    stand_in = types.SimpleNamespace(tril=np.tril, abs=np.abs, swapaxes=np.swapaxes, where=np.where,
                                     linalg=types.SimpleNamespace(cholesky=silent))
    monkeypatch.setitem(sys.modules, "cupy", stand_in)
    good = np.array([[4, 2], [2, 3]], dtype)
    bad  = np.array([[1, 2], [2, 1]], dtype)
    L    = importlib.import_module("backends.cupy").cholesky(np.stack([good, bad, 1e-12 * good]))
    assert L.dtype == dtype and np.isnan(L[1]).all()
    assert np.array_equal(L[[0, 2]], np.linalg.cholesky(np.stack([good, 1e-12 * good])))
