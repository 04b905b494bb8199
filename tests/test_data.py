"""Laws of the data: densities, samples, digits, levels, batches, and what is refused at the door."""
import dataclasses
import functools
import itertools
import math

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from backends import no_sync, to_host, use, xp
from backends.random import Stream, _uniform, evaluation
from scratch import data
from scratch.autodiff import grad
from scratch.data import (DATA, TOYS, batches, binarise, bits_per_dim, check_array, check_table, dequantise, digits,
                          load, quantise, steps_per_epoch)
from scratch.data.checks import check_integer
from scratch.data.images import FILE
from scratch.data.toys import Pinwheel

SEED   = Stream.seed(0)("test_data")
PLANE  = [name for name, toy in TOYS.items() if toy.shape == (2,)]
SMOOTH = [name for name in PLANE if name != "checkerboard"]
BOTH   = pytest.mark.parametrize("backend", ["numpy", "strict"])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


# ---- the densities ---------------------------------------------------------------------------------------------------
SIDE, CELLS = 5.5, 22                               # cells of side 0.5 on [-5.5, 5.5]^2


def cell_integrals(toy, f):
    """The integral of f(log_p) over each cell [CELLS, CELLS], by a Gauss-Legendre rule in each."""
    nodes = 12 if getattr(toy, "nodes", 1) > 1 else 24
    u, w  = numpy.polynomial.legendre.leggauss(nodes)
    h     = SIDE / CELLS
    at    = (-SIDE + h * (2 * numpy.arange(CELLS)[:, None] + 1 + u)).ravel()                    # [CELLS nodes]
    y     = numpy.stack([f(toy.log_p(numpy.stack([numpy.full_like(at, a), at], axis=1))) for a in at], axis=-2)
    return numpy.einsum("...aibj,i,j->...ab", y.reshape(y.shape[:-2] + (CELLS, nodes) * 2), h * w, h * w)


@functools.cache
def integrals(name):
    """Of p, p log p and p log^2 p over each cell: [3, CELLS, CELLS]."""
    def f(log_p):
        log_p = numpy.maximum(log_p, -1e3)          # where p is 0 in any case
        return numpy.stack([numpy.exp(log_p) * log_p**i for i in range(3)])
    return cell_integrals(TOYS[name], f)


def masses(name):
    return integrals(name)[0]


def integrates_to_one(mass):
    return abs(mass.sum() - 1) < 1e-10


@pytest.mark.parametrize("name", PLANE)
def test_a_density_integrates_to_one(name):
    assert integrates_to_one(masses(name))


class Stretching(Pinwheel):
    """Wrong: an angle that depends on one coordinate does not keep areas."""
    def angle(self, k, x0, x1):
        return 2 * math.pi * k / self.K + self.twist * x0 * abs(x0)


def test_the_integral_refuses_a_pinwheel_that_changes_areas_and_a_density_without_its_normaliser():
    assert not integrates_to_one(cell_integrals(Stretching(**dataclasses.asdict(TOYS["pinwheel"])), numpy.exp))
    assert not integrates_to_one(2 * math.pi * TOYS["ring"].sigma**2 * masses("ring"))


def follows(x, mass):
    """Pearson's chi-square of draws over the cells, those with fewer than 5 expected joined; a false alarm in 10^6."""
    edges    = numpy.linspace(-SIDE, SIDE, CELLS + 1)
    counts   = numpy.histogram2d(*to_host(x).astype(float).T, bins=(edges, edges))[0]
    return chi_square(counts.ravel(), mass.ravel(), len(x))


def chi_square(counts, p, n):
    few      = n * p < 5
    counts   = numpy.append(counts[~few], n - counts[~few].sum())
    expected = numpy.append(n * p[~few], max(n - (n * p[~few]).sum(), 1))
    return ((counts - expected)**2 / expected).sum() < stats.chi2.isf(1e-6, len(counts) - 1)


@BOTH
@DTYPES
@pytest.mark.parametrize("name", PLANE)
def test_draws_follow_their_density(name, dtype, backend):
    """The seed is fixed, so it alarms always or never; over seeds it would once in 10^6."""
    with use(backend):
        x = TOYS[name].sample(SEED(name), 20000, dtype)
        assert type(x) is xp.ndarray and x.dtype == dtype and x.shape == (20000, 2)
        assert follows(x, masses(name))


@pytest.mark.parametrize("name", PLANE)
def test_the_mean_of_log_p_over_draws_is_minus_the_entropy(name):
    """Both by quadrature; within five deviations of the mean: false alarm 6e-7."""
    _, m1, m2 = integrals(name).sum((1, 2))
    mean      = TOYS[name].log_p(TOYS[name].sample(SEED("entropy"), 4000, "float64")).mean()
    assert abs(mean - m1) <= 5 * math.sqrt(max(m2 - m1**2, 0) / 4000) + 1e-9


@pytest.mark.parametrize("wrong", [
    dataclasses.replace(TOYS["moons"], sigma=0.12), dataclasses.replace(TOYS["ring"], K=7),
    dataclasses.replace(TOYS["islands"], pi=(.55, .35, .1)),
    dataclasses.replace(TOYS["pinwheel"], twist=0.16), dataclasses.replace(TOYS["pinwheel"], sigma=(0.45, 0.15))])
def test_the_test_of_draws_refuses_those_of_a_density_nearby(wrong):
    name = next(name for name, toy in TOYS.items() if toy.about == wrong.about)
    assert not follows(wrong.sample(SEED(name), 20000), masses(name))


@BOTH
@DTYPES
@pytest.mark.parametrize("name", list(TOYS))
def test_log_p_is_the_same_on_every_backend_and_keeps_the_dtype(name, dtype, backend):
    x    = TOYS[name].sample(SEED, 200, dtype)
    want = TOYS[name].log_p(x.astype("float64"))
    with use(backend):
        got = TOYS[name].log_p(xp.asarray(x))
        assert type(got) is xp.ndarray and got.dtype == dtype and got.shape == (200,)
        assert numpy.allclose(to_host(got), want, rtol=0, atol=1e-12 if dtype == "float64" else 2e-4)


@BOTH
def test_draws_and_log_p_never_wait_for_the_device(backend):
    with use(backend), no_sync():
        for toy in TOYS.values():
            toy.log_p(toy.sample(SEED, 10))
        dequantise(xp.zeros((3, 4), dtype="uint8"), 17, SEED)
        binarise(xp.zeros((3, 4), dtype="uint8"), 17, SEED)
        next(batches({"x": xp.zeros((5, 2))}, 2, SEED))


@pytest.mark.parametrize("name", ["moons", "spirals"])
def test_log_p_about_a_curve_is_the_integral_along_it_to_1e_10(name):
    """Against 4000 panels of four points each, at the corners of [-5, 5]^2, at the ends of the arms and between."""
    toy  = TOYS[name]
    s, w = numpy.polynomial.legendre.leggauss(4)
    u, w = ((numpy.arange(4000)[:, None] + (s + 1) / 2) / 4000).ravel(), numpy.tile(w, 4000) / 8000
    ends = [numpy.stack(toy.curve(k, numpy.array([0, 0.3, 1])), axis=1) for k in (0, 1)]
    grid = numpy.array(list(itertools.product((-5, -1.7, 0.4, 5), repeat=2)))
    for x in numpy.concatenate([*ends, grid]):
        d2   = numpy.stack([sum((x[:, None] - numpy.stack(toy.curve(k, u)))**2) for k in (0, 1)])
        a    = -d2 / (2 * toy.sigma**2)
        want = a.max() + math.log((w * numpy.exp(a - a.max())).sum() / 2) - math.log(2 * math.pi * toy.sigma**2)
        assert abs(toy.log_p(x[None])[0] - want) < 1e-10


def closed_score(toy, x):
    """sum_k r_k (c_k - x) / sigma^2 for points c_k, r the responsibilities."""
    d = to_host(toy.centres("float64")[0]) - x[:, None]
    a = -(d**2).sum(-1) / (2 * toy.sigma**2) + numpy.log(toy.pi or 1)
    r = numpy.exp(a - a.max(1, keepdims=True))
    return (r[..., None] * d).sum(1) / r.sum(1, keepdims=True) / toy.sigma**2


@pytest.mark.parametrize("name", ["ring", "grid", "islands"])
def test_the_gradient_of_log_p_is_the_score_of_the_mixture(name):
    x = to_host(SEED("score").normal((300, 2), "float64")) * 2
    s = grad(lambda x: xp.sum(TOYS[name].log_p(x)))(x)
    assert numpy.allclose(s, closed_score(TOYS[name], x), rtol=1e-11, atol=1e-9)
    assert not numpy.allclose(s, closed_score(dataclasses.replace(TOYS[name], sigma=0.051), x), rtol=1e-3)


@pytest.mark.parametrize("name", SMOOTH)
def test_the_score_agrees_with_another_autodiff(name):
    x     = to_host(TOYS[name].sample(SEED("score"), 100, "float64"))
    score = lambda: to_host(grad(lambda x: xp.sum(TOYS[name].log_p(x)))(xp.asarray(x)))
    ours  = score()
    with use("autograd"):
        assert numpy.allclose(ours, score(), rtol=1e-10, atol=1e-9)
    with use("strict"):
        assert numpy.array_equal(ours, score())


def test_the_score_at_the_centre_of_the_pinwheel_is_a_number():
    assert numpy.isfinite(grad(lambda x: xp.sum(TOYS["pinwheel"].log_p(x)))(numpy.zeros((1, 2)))).all()


@pytest.mark.parametrize("name, K", [("ring", 8), ("grid", 25), ("islands", 3)])
def test_the_modes_are_the_centres_and_stationary(name, K):
    modes, log_w = TOYS[name].centres("float64")
    assert modes.shape == (K, 2) and len(numpy.unique(modes.round(9), axis=0)) == K
    assert numpy.allclose(numpy.exp(log_w), TOYS[name].pi or 1 / K, rtol=1e-14)
    assert abs(grad(lambda x: xp.sum(TOYS[name].log_p(x)))(modes)).max() < 1e-9


@BOTH
@DTYPES
@pytest.mark.parametrize("word", [0, 2**64 - 1])
def test_no_word_of_the_stream_leaves_the_checkerboard(word, dtype, backend):
    with use(backend):
        toy = TOYS["checkerboard"]
        for k in range(8):
            x = toy.sample(Noise(words(word, dtype), k), 3, dtype)
            assert (to_host(toy.log_p(x)) == xp.dtype(dtype).type(-math.log(32))).all()


class Noise:
    """A stream that gives one known uniform and one known integer."""
    def __init__(self, u, k=0):
        self.u, self.k = u, k

    def __call__(self, name):
        return self

    def uniform(self, shape, dtype="float32"):
        return xp.full(shape, self.u, dtype=dtype)

    def integers(self, low, high, shape=()):
        return xp.full(shape, self.k, dtype="int64")


def words(word, dtype):
    """The uniform that a word becomes."""
    return float(to_host(_uniform(xp.full(1, word, dtype="uint64"), dtype))[0])


@pytest.mark.parametrize("name", list(TOYS))
def test_one_draw_never_uses_the_same_words_twice(name):
    with use("strict"), evaluation():
        TOYS[name].sample(SEED(name), 10)
        with pytest.raises(RuntimeError, match="drawn twice"):
            TOYS[name].sample(SEED(name), 10)


def test_the_toys_lie_where_it_says():
    at = lambda name, k, u: [float(c) for c in TOYS[name].curve(numpy.float64(k), numpy.float64(u))]
    modes = TOYS["grid"].centres()[0].tolist()
    assert sorted(map(tuple, modes)) == list(itertools.product((-4, -2, 0, 2, 4), repeat=2))
    assert numpy.allclose(numpy.linalg.norm(TOYS["ring"].centres("float64")[0], axis=1), 2, rtol=1e-15)
    assert numpy.allclose([at("moons", 0, u) for u in (0, .5, 1)], [(1, 0), (0, 1), (-1, 0)], atol=1e-15)
    assert numpy.allclose([at("moons", 1, u) for u in (0, .5, 1)], [(0, .5), (1, -.5), (2, .5)], atol=1e-15)
    assert numpy.allclose([at("spirals", k, u) for k in (0, 1) for u in (0, 1)],
                          [(0, math.pi / 6), (-math.pi, 0), (0, -math.pi / 6), (math.pi, 0)], atol=1e-14)
    outer = TOYS["pinwheel"].sample(Petal(), 1)
    assert numpy.allclose(outer, [[3 * math.cos(1.35), 3 * math.sin(1.35)]])          # 0.15 3^2: counterclockwise


class Petal(Noise):
    """Of petal 0 the point at radius 3."""
    def __init__(self):
        super().__init__(0)

    def normal(self, shape, dtype):
        return xp.asarray([[2., 0.]], dtype=dtype)


def test_outside_its_support_a_density_is_zero_without_a_warning():
    off = numpy.array([[-4.1, -4], [4, 4], [-4, -1], [0, -0.1], [100, 0]])
    assert (TOYS["checkerboard"].log_p(off) == -math.inf).all()
    assert (TOYS["checkerboard"].log_p(numpy.array([[-4., -4], [0, 0], [0, -4]])) == -math.log(32)).all()
    images = numpy.array([[0, 1, 0, 0, 0, 0, 0, 0, 0], [.5] * 9, [2] * 9, [math.nan] * 9, [1, 0, 0, 0, 0, 0, 0, 0, 1.]])
    assert (TOYS["bars"].log_p(images) == -math.inf).all()


# ---- bars and stripes ------------------------------------------------------------------------------------------------
def every_image(side):
    return numpy.array(list(itertools.product((0., 1.), repeat=side * side)))


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_the_chances_of_all_images_sum_to_one_and_the_support_is_where_they_are_positive(side):
    bars   = dataclasses.replace(TOYS["bars"], side=side)
    images = every_image(side)
    p      = numpy.exp(bars.log_p(images))
    assert abs(p.sum() - 1) < 1e-12
    assert numpy.array_equal(to_host(bars.support("float64")), images[p > 0])
    assert len(bars.support()) == 2 * (2**side - 1) if side > 1 else 2


def test_the_chance_of_an_image_is_the_share_of_tosses_that_make_it():
    """The 16 equally likely tosses of 3 x 3, counted."""
    made = [tuple(numpy.ravel(way)) for b in itertools.product((0., 1.), repeat=3)
            for way in ([[i] * 3 for i in b], [b] * 3)]
    for image in set(made):
        p = math.exp(TOYS["bars"].log_p(numpy.array([image]))[0])
        assert math.isclose(p, made.count(image) / 16, rel_tol=1e-14)


@BOTH
def test_draws_of_bars_follow_their_chances(backend):
    """Chi-square over the 14 images of the support; false alarm 10^-6."""
    with use(backend):
        bars = TOYS["bars"]
        x, s = to_host(bars.sample(SEED("bars"), 20000)), to_host(bars.support())
        p    = numpy.exp(to_host(bars.log_p(bars.support("float64"))))
    counts = (x[:, None] == s).all(-1).sum(0)
    assert counts.sum() == 20000 and chi_square(counts, p, 20000)
    assert not chi_square(counts, numpy.full(14, 1 / 14), 20000)


# ---- dequantisation --------------------------------------------------------------------------------------------------
def returns(x, k, levels):
    """Is x in [0, 1), and floor(x levels) exactly k?"""
    x = to_host(x)
    return ((0 <= x) & (x < 1)).all() and numpy.array_equal(numpy.floor(x * levels), to_host(k))


EXTREMES = (0.0, 2.0**-150, 2.0**-53, 2.0**-24, 0.5, 1 - 2.0**-23, 1 - 2.0**-24, 1 - 2.0**-53, 1.0)


@BOTH
@DTYPES
@pytest.mark.parametrize("u", EXTREMES)
def test_dequantising_stays_in_its_bin_at_the_extremes_for_all_levels(u, dtype, backend):
    with use(backend):
        for levels in (*range(2, 300), 1000, 4095, 4096, 65535, 65536):
            k = xp.arange(levels)
            x = dequantise(k, levels, Noise(u), dtype)
            assert x.dtype == dtype and returns(x, k, levels)
            assert numpy.array_equal(to_host(quantise(x, levels)), to_host(k))


def test_the_plain_formula_leaves_its_bin_at_the_extremes():
    k = numpy.arange(17)
    assert not returns(((k + numpy.float32(1 - 2**-24)) / 17).astype("float32"), k, 17)
    assert not all(returns(numpy.arange(n) / n, numpy.arange(n), n) for n in range(2, 100))


@settings(max_examples=200, deadline=None)
@given(levels=st.integers(2, 1 << 16), u=st.floats(0, 1, exclude_max=True), draw=st.data(),
       dtype=st.sampled_from(["float32", "float64"]), kind=st.sampled_from(["uint16", "int64"]))
def test_quantise_undoes_dequantise_and_the_noise_is_kept(levels, u, dtype, kind, draw):
    k = numpy.array(draw.draw(st.lists(st.integers(0, levels - 1), min_size=1, max_size=5)), kind)
    x = dequantise(k, levels, Noise(u), dtype)
    assert returns(x, k, levels) and numpy.array_equal(quantise(x, levels), k)
    assert numpy.allclose(x, (k + u) / levels, rtol=0, atol=4 * numpy.finfo(dtype).eps)


@DTYPES
@pytest.mark.parametrize("word", [0, 2**64 - 1])
def test_no_word_of_the_stream_leaves_the_bin(word, dtype):
    k = numpy.arange(256).astype("uint8")
    assert returns(dequantise(k, 256, Noise(words(word, dtype)), dtype), k, 256)


def test_the_noise_is_uniform_in_the_bin():
    """Kolmogorov and Smirnov at 10^-6, on one seed."""
    u = dequantise(numpy.full(20000, 5), 17, SEED("u"), "float64") * 17 - 5
    assert stats.kstest(u, "uniform").pvalue > 1e-6


def test_quantise_takes_what_lies_outside_to_the_nearest_level():
    assert quantise(numpy.array([-3, -1e-9, 0, 1 - 1e-9, 1, 7]), 17).tolist() == [0, 0, 0, 16, 16, 16]


def test_the_uniform_density_has_log2_levels_bits_per_dimension():
    assert bits_per_dim(0.0, 64, 17) == math.log2(17) and round(math.log2(17), 2) == 4.09
    assert bits_per_dim(0.0, 3072, levels=256) == 8
    assert math.isclose(bits_per_dim(-64 * math.log(17), 64), math.log2(17), rel_tol=1e-15)
    assert bits_per_dim(numpy.float32([0, 1]), 4, 17).dtype == "float32"


@given(p=st.lists(st.floats(0.01, 1), min_size=4, max_size=4))
def test_bits_of_dequantised_data_bound_the_bits_of_the_levels(p):
    """D = 1, two levels, p(x) constant on quarters: E_u[-log p] >= -log E_u p, equal where p is constant in a bin."""
    p = numpy.array(p).reshape(2, 2)
    p = p / p.mean()
    dequantised, discrete = bits_per_dim(numpy.log(p).mean(1), 1, 2), -numpy.log2(p.mean(1) / 2)
    assert (dequantised >= discrete - 1e-12).all()
    assert numpy.allclose(bits_per_dim(numpy.log(p[:, 0]), 1, 2), -numpy.log2(p[:, 0] / 2))


@pytest.mark.parametrize("levels, error", [(1, ValueError), (0, ValueError), (65537, ValueError), (True, TypeError),
                                           (17., TypeError)])
def test_levels_are_an_integer_from_2_to_65536(levels, error):
    for f in (lambda: dequantise(numpy.zeros(1, int), levels, SEED), lambda: quantise(numpy.zeros(1), levels),
              lambda: bits_per_dim(0., 1, levels), lambda: binarise(numpy.zeros(1, int), levels, SEED),
              lambda: load("bars", SEED).with_levels(levels)):
        with pytest.raises(error, match="levels=.*expected an integer from 2 to 65536"):
            f()


def test_only_integers_are_dequantised_and_binarised():
    for f in (dequantise, binarise):
        with pytest.raises(TypeError, match="k is an array of float64; expected integer levels 0 to 16"):
            f(numpy.zeros(3), 17, SEED)


# ---- the digits ------------------------------------------------------------------------------------------------------
def test_the_digits_are_1257_180_and_360_images_of_17_levels():
    parts = digits()
    assert [len(parts[part]["x"]) for part in ("train", "valid", "test")] == [1257, 180, 360]
    for d in parts.values():
        assert d["x"].dtype == d["y"].dtype == "uint8" and d["x"].shape == (len(d["y"]), 64)
        assert set(d["y"].tolist()) == set(range(10)) and set(d["x"].ravel().tolist()) == set(range(17))
    assert [numpy.bincount(d["y"]).tolist() for d in parts.values()] == [
        [128, 128, 119, 123, 131, 136, 127, 122, 121, 122], [20, 21, 17, 21, 13, 16, 17, 15, 17, 23],
        [30, 33, 41, 39, 37, 30, 37, 42, 36, 35]]


def test_the_digits_are_those_of_scikit_learn_in_the_order_that_is_written_down():
    sklearn = pytest.importorskip("sklearn.datasets")
    theirs  = sklearn.load_digits()
    order   = Stream.seed(0)("digits").permutation(1797)
    ours    = {a: numpy.concatenate([d[a] for d in digits().values()]) for a in "xy"}
    rows    = lambda x, y: numpy.sort(numpy.array([r.tobytes() for r in numpy.c_[x, y].astype("uint8")], dtype=object))
    assert numpy.array_equal(rows(ours["x"], ours["y"]), rows(theirs.data, theirs.target))
    assert numpy.array_equal(ours["x"], theirs.data[order]) and numpy.array_equal(ours["y"], theirs.target[order])


def test_the_checksum_of_the_digits_is_pinned():
    assert data.images.CHECKSUM == "4bbd50a489c29608ccefa0c444d91b85"
    assert FILE.stat().st_size < 50_000 and "CC BY 4.0" in FILE.with_suffix(".LICENSE").read_text()


def damaged(tmp_path, **arrays):
    path = tmp_path / "digits.npz"
    with numpy.load(FILE) as found:
        numpy.savez(path, **{**found, **arrays})
    return path


def test_a_damaged_file_of_digits_is_refused(tmp_path):
    with numpy.load(FILE) as found:
        x, y = found["x"], found["y"]
    assert len(digits(damaged(tmp_path))) == 3
    one = x.copy()
    one[700, 20] ^= 1
    for arrays, sentence in ((dict(x=one), "damaged: its checksum is"),
                             (dict(y=y[::-1].copy()), "damaged: its checksum is"),
                             (dict(x=x[1:]), r"damaged: it holds .*1796"),
                             (dict(x=x.astype(float)), "damaged: it holds .*float64")):
        with pytest.raises(ValueError, match=sentence):
            digits(damaged(tmp_path, **arrays))
    (tmp_path / "half.npz").write_bytes(FILE.read_bytes()[:20000])
    for path in (tmp_path / "none.npz", tmp_path / "half.npz"):
        with pytest.raises(ValueError, match=r"cannot be read .*: install the package again"):
            digits(path)


# ---- load ------------------------------------------------------------------------------------------------------------
@BOTH
@pytest.mark.parametrize("name", list(DATA))
def test_every_name_loads_on_the_backend_and_is_a_function_of_the_stream(name, backend):
    with use(backend):
        a, b, c = load(name, SEED), load(name, SEED), load(name, SEED("other"))
        sizes   = {"digits": (1257, 180, 360), "patterns": (14, 14, 14)}.get(name, (4000, 1000, 1000))
        fixed   = name in ("digits", "patterns")
        D       = math.prod(a.shape)
        for part, n in zip(("train", "valid", "test"), sizes):
            x, again, other = (to_host(getattr(d, part)["x"]) for d in (a, b, c))
            assert type(getattr(a, part)["x"]) is xp.ndarray
            assert x.dtype == ("uint8" if a.levels else "float32") and x.shape == (n, D)
            assert numpy.array_equal(x, again) and numpy.array_equal(x, other) == fixed
        assert numpy.array_equal(*(to_host(d["x"])[:180] for d in (a.train, a.valid))) == (name == "patterns")
        assert a.levels == dict(digits=17, bars=2, patterns=2).get(name) and a.symbols is None
        assert a.shape == (TOYS[name].shape if name in TOYS else {"digits": (8, 8), "patterns": (3, 3)}[name])
        assert a.log_p is None if name == "digits" else a.log_p(a.test["x"]).shape == sizes[2:]
        assert DATA[name][1]
    with pytest.raises(dataclasses.FrozenInstanceError):
        a.levels = 3


def test_the_patterns_are_all_images_with_constant_rows_or_columns_and_equally_likely():
    every = numpy.array(list(itertools.product((0, 1), repeat=9)), dtype="uint8")
    image = every.reshape(-1, 3, 3)
    fits  = (image == image[:, :, :1]).all((1, 2)) | (image == image[:, :1]).all((1, 2))
    found = load("patterns", SEED)
    assert sorted(map(tuple, found.train["x"])) == sorted(map(tuple, every[fits])) and fits.sum() == 14
    log_p = found.log_p(every)
    assert numpy.array_equal(numpy.isfinite(log_p), fits) and numpy.allclose(log_p[fits], -math.log(14), rtol=1e-7)


@pytest.mark.parametrize("how", ["threshold", "static"])
def test_bits_are_made_of_levels_by_half_of_the_range_or_by_chance(how):
    k    = numpy.tile(numpy.arange(5, dtype="uint8"), (4000, 1))
    part = {"x": k}
    bits = data.Data(part, part, part, shape=(5,), levels=5, log_p=len).as_bits(how, SEED)
    x    = bits.train["x"]
    want = [0, 0, 1, 1, 1] if how == "threshold" else [0, 1 / 4, 1 / 2, 3 / 4, 1]
    assert bits.levels == 2 and x.dtype == "uint8" and bits.log_p is None and set(numpy.unique(x)) == {0, 1}
    assert abs(x.mean(0) - want).max() <= (0 if how == "threshold" else 6.2 / 2 / 4000**0.5)       # false alarm 1e-9
    assert load("bars", SEED).as_bits(how, SEED).log_p is not None
    with pytest.raises(ValueError, match="hold numbers that are no levels; expected levels"):
        load("moons", SEED).as_bits(how, SEED)


def test_the_loaded_digits_are_the_levels_and_their_classes():
    for part, raw in digits().items():
        loaded = getattr(load("digits", SEED), part)
        assert numpy.array_equal(loaded["x"], raw["x"]) and loaded["y"].dtype == "int64"
        assert numpy.array_equal(loaded["y"], raw["y"])


def test_data_are_their_own_source():
    d = load("moons", SEED)
    assert load(d, SEED("other")).train["x"] is d.train["x"]
    with use("strict"):
        assert isinstance(load(d, SEED).test["x"], xp.ndarray)
    with pytest.raises(ValueError, match="x of valid contains NaN at row 0, column 1"):
        load(dataclasses.replace(d, valid={"x": numpy.array([[0, numpy.nan]])}), SEED)


def test_an_unknown_name_is_answered_with_those_that_are_known(monkeypatch, tmp_path):
    known = ("choose one of digits, ring, grid, islands, moons, spirals, pinwheel, checkerboard, bars, patterns, or "
             "the path of a folder or of a file that ends in .npy, .npz, .csv, .data, .txt, -ubyte, -ubyte.gz. "
             "SCRATCH_DATA, a folder that is searched too, is ")
    for folder, says in ((str(tmp_path), str(tmp_path)), ("", "not set"), (None, "not set")):
        monkeypatch.delenv("SCRATCH_DATA", raising=False)
        if folder is not None:
            monkeypatch.setenv("SCRATCH_DATA", folder)
        for name in ("minst", "", tmp_path / "none.npy", "a" * 300 + ".csv", "a\0b"):
            with pytest.raises(ValueError) as refused:
                load(name, SEED)
            assert str(refused.value) == f"data={str(name)!r} is not known; {known}{says}."


@pytest.mark.parametrize("n, sizes", [(3, (1, 1, 1)), (57, (47, 5, 5)), (100, (80, 10, 10))])
def test_a_table_is_divided_at_random_and_no_row_lost(n, sizes):
    x = numpy.arange(2 * n).reshape(n, 2)
    d = load({"x": x, "y": numpy.arange(n)}, SEED)
    parts = [d.train, d.valid, d.test]
    assert tuple(len(part["x"]) for part in parts) == sizes and d.shape == (2,) and d.levels is d.log_p is None
    assert sorted(numpy.concatenate([part["x"] for part in parts])[:, 0].tolist()) == list(range(0, 2 * n, 2))
    assert all(numpy.array_equal(part["x"][:, 0], 2 * part["y"]) for part in parts)
    assert n == 3 or abs(numpy.diff(d.train["y"])).max() > 1 and not numpy.array_equal(
        d.train["y"], load({"x": x, "y": numpy.arange(n)}, SEED("other")).train["y"])


def test_the_parts_of_a_table_are_those_they_were():
    d = load(numpy.arange(20.)[:, None], SEED)
    order = SEED("parts").permutation(20)
    assert [d.valid["x"].ravel().tolist(), d.test["x"].ravel().tolist()] == [order[:2].tolist(), order[2:4].tolist()]
    assert d.train["x"].ravel().tolist() == order[4:].tolist()


images = numpy.arange(5 * 2 * 3 * 3).reshape(5, 2, 3, 3).astype("uint8")

#             array                                  shape of one example, levels, dtype of x
ARRAYS = [(images,                                   (2, 3, 3), 256,  "uint8"),
          (images[..., 0],                           (2, 3),    256,  "uint8"),
          (images[:, 0, 0],                          (3,),      None, "float64"),
          (images[:, 0, 0] > 20,                     (3,),      2,    "uint8"),
          (images > 20,                              (2, 3, 3), 2,    "uint8"),
          (images[:, 0, 0].astype("float32"),        (3,),      None, "float32"),
          (images[:, 0, 0].tolist(),                 (3,),      None, "float64")]


@BOTH
@pytest.mark.parametrize("x, shape, levels, dtype", ARRAYS)
def test_the_type_and_the_axes_of_an_array_say_what_it_is(x, shape, levels, dtype, backend):
    with use(backend):
        d = load(x, SEED)
        parts = [d.train, d.valid, d.test]
        rows  = numpy.concatenate([to_host(part["x"]) for part in parts])
        assert (d.shape, d.levels) == (shape, levels) and all(part["x"].dtype == dtype for part in parts)
        assert sorted(rows.tolist()) == sorted(numpy.reshape(x, (5, -1)).astype(dtype).tolist())


def test_parts_that_are_given_stay_as_they_are_and_a_missing_one_is_taken_from_train():
    arrays = {f"{a}_{part}": values for part, n in (("train", 20), ("valid", 4), ("test", 6))
              for a, values in (("x", numpy.arange(n)[:, None] + 100. * n), ("y", numpy.arange(n)))}
    d = load(arrays, SEED)
    for part in ("train", "valid", "test"):
        assert all(numpy.array_equal(getattr(d, part)[a], arrays[f"{a}_{part}"]) for a in "xy")
    del arrays["x_valid"]
    d = load(arrays, SEED)
    assert [len(part["x"]) for part in (d.train, d.valid, d.test)] == [18, 2, 6]
    assert sorted(numpy.concatenate([d.train["y"], d.valid["y"]]).tolist()) == list(range(20))
    assert all(numpy.array_equal(part["x"][:, 0] - 2000, part["y"]) for part in (d.train, d.valid))
    d = load({"train": arrays["x_train"], "test": arrays["x_test"]}, SEED)
    assert list(d.train) == ["x"] and [len(part["x"]) for part in (d.train, d.valid, d.test)] == [18, 2, 6]


two, nan, inf = numpy.zeros((5, 2)), math.nan, math.inf
REFUSED_ARRAYS = [
    (numpy.zeros((2, 2)),                            ValueError, "data has 2 rows; need at least 3, one for each part"),
    ({"train": two[:1], "test": two},                ValueError, "data has 1 rows; need at least 2"),
    ({"train": two, "test": two[:, :1]},             ValueError, r"train: \(2,\), None levels, no labels; test: \(1"),
    ({"train": images, "test": images > 0},          ValueError, "parts of different kinds .*256 levels.*; .*2 levels"),
    ({"x_train": two, "y_train": range(5), "x_test": two}, ValueError, "different kinds .*, labels; .*, no labels"),
    ({"points": two},                                ValueError, r"data has the arrays \['points'\], none called 'x'"),
    ({"valid": two, "test": two},                    ValueError, "none called 'x', 'train' or 'x_train'"),
    ({"x": two, "y": [0, 1]},                        ValueError, r"y of data has shape \(2,\); expected \[5\]"),
    ({"x": two, "y": two},                           ValueError, r"y of data has shape \(5, 2\); expected \[5\]"),
    ({"x": two, "y": [0, 1, -1, 0, 0]},              ValueError, "y of data holds -1 at 2; expected integers from 0"),
    ({"x": two, "y": numpy.uint64([0, 1, 2**63, 0, 0])}, ValueError, "y of data holds -9223372036854775808 at 2"),
    ({"x": two, "y": [0., 1, 2, 0, 0]},              TypeError,  "y of data holds float64; expected integers from 0"),
    ({"x_train": two, "y_train": list("abcde")},     TypeError,  "y of data holds <U1"),
    ({"train": two, "test": two + nan},              ValueError, "test of data contains NaN at row 0, column 0"),
    (two[:, :, None],                                ValueError, r"data holds float64 of shape \(5, 2, 1\); expected"),
    (images[..., None],                              ValueError, r"data holds uint8 of shape \(5, 2, 3, 3, 1\)"),
    (images[:, 0, 0, 0],                             ValueError, r"data has shape \(5,\); expected \[n, D\]"),
    (images[:, 0, 0, 0] > 0,                         ValueError, r"data has shape \(5,\); expected \[n, D\]"),
    (images[:0],                                     ValueError, "data has 0 rows"),
    (images[:, :, :0],                               ValueError, "data has 0 entries along axis 2"),
    (None,                                           TypeError,  "data holds object"),
    (7,                                              ValueError, r"data has shape \(\)"),
]


@pytest.mark.parametrize("source, error, sentence", REFUSED_ARRAYS)
def test_arrays_that_are_no_data_are_refused_in_a_sentence(source, error, sentence):
    with pytest.raises(error, match=sentence):
        load(source, SEED)


def test_what_was_handed_over_is_not_changed():
    x, y  = images.copy(), numpy.arange(5)
    x.flags.writeable = y.flags.writeable = False
    d = load({"x": x, "y": y}, SEED)
    d.dequantised(SEED), d.binarised(SEED)
    assert numpy.array_equal(x, images) and numpy.array_equal(y, numpy.arange(5))
    assert not any(numpy.shares_memory(part["x"], x) for part in (d.train, d.valid, d.test))


# ---- levels of data --------------------------------------------------------------------------------------------------
@BOTH
def test_the_dequantised_digits_are_their_levels_and_noise_of_the_part(backend):
    with use(backend):
        d = load("digits", SEED)
        q = d.dequantised(SEED)
        for part, raw in digits().items():
            x = getattr(q, part)["x"]
            assert x.dtype == "float32" and returns(x, raw["x"], 17)
            assert numpy.array_equal(to_host(x), to_host(dequantise(raw["x"], 17, SEED(part))))
            assert getattr(q, part)["y"] is getattr(d, part)["y"]
        assert (q.levels, q.shape, q.log_p) == (17, (8, 8), None) and q.dequantised(SEED("again")) is q
        assert d.train["x"].dtype == "uint8"
        noise = [to_host(getattr(q, part)["x"][:180] * 17 - raw["x"][:180]) for part, raw in digits().items()]
    assert all(abs(a - b).mean() > 0.3 for a, b in itertools.combinations(noise, 2))           # 1/3 where independent


def test_what_has_no_levels_is_not_dequantised():
    d = load("moons", SEED)
    assert d.dequantised(SEED) is d


@BOTH
@DTYPES
def test_the_dequantised_bars_have_the_density_of_their_chances(backend, dtype):
    """By Jensen's equality for a density that is constant on its bins: nats of x = nats of k + D log 2."""
    with use(backend):
        d = load("bars", SEED)
        q = d.dequantised(SEED)
        x = q.test["x"].astype(dtype)
        k = to_host(d.test["x"])
        log_p = [to_host(a) for a in (q.log_p(x), d.log_p(d.test["x"]))]
        assert returns(x, k, 2)
    want = TOYS["bars"].log_p(k.astype(float))
    assert set(numpy.unique(k)) == {0, 1}
    assert log_p[0].dtype == dtype and log_p[1].dtype == "float32"
    numpy.testing.assert_allclose(log_p[0], want + 9 * math.log(2), rtol=1e-6 if dtype == "float32" else 1e-14)
    numpy.testing.assert_allclose(log_p[1], want, rtol=1e-6)
    bits = bits_per_dim(float(numpy.mean(log_p[0])), 9, q.levels)
    assert math.isclose(bits, -float(numpy.mean(want)) / 9 / math.log(2), rel_tol=1e-6)


@BOTH
@pytest.mark.parametrize("levels", [2, 17, 256, 65536])
@pytest.mark.parametrize("u", [2.0**-24, 0.5, 1 - 2.0**-24])
def test_a_bit_is_one_where_the_noise_is_below_the_share_of_the_level(levels, u, backend):
    with use(backend):
        b = binarise(xp.arange(levels), levels, Noise(u))
        assert b.dtype == "float32" and type(b) is xp.ndarray
        assert numpy.array_equal(to_host(b), u < (numpy.arange(levels) / (levels - 1)).astype("float32"))
        assert to_host(b)[0] == 0 and to_host(b)[-1] == 1


def test_a_level_is_a_bit_as_often_as_it_says():
    """Within five deviations of the mean of 20000 bits: false alarm 6e-7, on one seed."""
    for k, levels in ((5, 17), (1, 3)):
        p = k / (levels - 1)
        b = binarise(numpy.full(20000, k), levels, SEED("b"))
        assert abs(b.mean() - p) < 5 * math.sqrt(p * (1 - p) / 20000)
        assert abs(b.mean() - k / levels) > 5 * math.sqrt(p * (1 - p) / 20000)
        assert not numpy.array_equal(b, binarise(numpy.full(20000, k), levels, SEED("another step")))


@BOTH
def test_binarised_data_are_bits_drawn_once(backend):
    with use(backend):
        d = load("digits", SEED)
        b = d.binarised(SEED)
        for part, raw in digits().items():
            x = getattr(b, part)["x"]
            assert x.dtype == "uint8" and type(x) is xp.ndarray
            assert numpy.array_equal(to_host(x), to_host(binarise(raw["x"], 17, SEED(part))))
            assert getattr(b, part)["y"] is getattr(d, part)["y"]
        assert (b.levels, b.shape) == (2, (8, 8)) and b.binarised(SEED("again")) is b
        text = dataclasses.replace(d, log_p=len, symbols="symbols of 17 lev").binarised(SEED)
        assert text.log_p is text.symbols is None
        bars = load("bars", SEED)
        assert bars.binarised(SEED) is bars
        for floats in (load("moons", SEED), d.dequantised(SEED)):
            with pytest.raises(ValueError, match="hold floats, which cannot be binarised; expected levels: binarise"):
                floats.binarised(SEED)


@BOTH
@pytest.mark.parametrize("levels, dtype", [(2, "uint8"), (256, "uint8"), (257, "uint16"), (65536, "uint16")])
def test_whole_numbers_can_be_declared_to_be_levels(levels, dtype, backend):
    x = numpy.array([[0, 1], [1, 0], [levels - 1, 0], [0, 0]])
    with use(backend):
        d = load({"train": x, "valid": x[:1], "test": x[::-1]}, SEED)
        k = d.with_levels(levels)
        assert k.levels == levels and d.levels is None and d.train["x"].dtype == "float64"
        for part in ("train", "valid", "test"):
            declared = getattr(k, part)["x"]
            assert declared.dtype == dtype and numpy.array_equal(to_host(declared), to_host(getattr(d, part)["x"]))
        assert k.with_levels(levels) is k
        q = k.dequantised(SEED)
        assert q.with_levels(levels) is q and returns(q.train["x"], x, levels)


@BOTH
@pytest.mark.parametrize("value, says", [(0.5, "0.5"), (-1, "-1.0"), (3, "3.0"), (1e30, "1e\\+30")])
def test_what_is_no_level_is_named_with_its_place(value, says, backend):
    x = numpy.ones((4, 3))
    x[2, 1] = x[3, 0] = value
    with use(backend):
        d = load({"train": numpy.ones((4, 3)), "valid": x, "test": x}, SEED)
        with pytest.raises(ValueError, match=f"levels=3, but x of valid holds {says} at row 2, column 1; expected "
                                             "whole numbers from 0 to 2"):
            d.with_levels(3)


def test_other_levels_than_the_data_have_are_refused():
    d = load("digits", SEED)
    assert d.with_levels(17) is d
    for data_ in (d, d.dequantised(SEED)):
        with pytest.raises(ValueError, match="levels=2, but the data have 17 levels; leave it out, or binarise"):
            data_.with_levels(2)
    with pytest.raises(ValueError, match="levels=1 is out of range"):
        load("moons", SEED).with_levels(1)


# ---- batches ---------------------------------------------------------------------------------------------------------
tables = st.integers(1, 40).flatmap(lambda N: st.tuples(st.just(N), st.integers(1, N)))


def first(n, iterator):
    return list(itertools.islice(iterator, n))


def each_epoch_has_every_example_once(found, N, steps):
    epochs = [numpy.concatenate([b["x"] for b in found[i:i + steps]]) for i in range(0, len(found), steps)]
    return all(sorted(e.tolist()) == list(range(N)) for e in epochs)


@given(tables)
def test_an_epoch_has_every_example_once_and_only_its_last_batch_is_short(table):
    N, size = table
    d, steps = {"x": numpy.arange(N), "y": 10 * numpy.arange(N)}, steps_per_epoch({"x": numpy.arange(N)}, size)
    found = first(3 * steps, batches(d, size, SEED))
    assert each_epoch_has_every_example_once(found, N, steps)
    assert [len(b["x"]) for b in found] == 3 * ([size] * (steps - 1) + [N - size * (steps - 1)])
    assert all(numpy.array_equal(b["y"], 10 * b["x"]) for b in found)
    if steps > 1:
        assert not each_epoch_has_every_example_once([{"x": numpy.arange(size)}] * steps, N, steps)


@given(tables, st.integers(0, 60))
def test_a_resumed_run_has_the_batches_it_would_have_had(table, start):
    N, size = table
    d = {"x": numpy.arange(N)}
    a, b = first(3, batches(d, size, SEED, start=start)), first(start + 3, batches(d, size, SEED))[start:]
    assert all(numpy.array_equal(u["x"], v["x"]) for u, v in zip(a, b, strict=True))


def test_epochs_and_streams_have_orders_of_their_own():
    d = {"x": numpy.arange(50)}
    a, b = first(2, batches(d, 50, SEED))
    c,   = first(1, batches(d, 50, SEED("other")))
    assert len({tuple(o["x"]) for o in (a, b, c)} | {tuple(range(50))}) == 4


def test_batches_are_the_same_on_strict():
    want = first(5, batches({"x": numpy.arange(10.).reshape(5, 2)}, 2, SEED))
    with use("strict"):
        got = first(5, batches({"x": xp.arange(10.).reshape(5, 2)}, 2, SEED))
        assert all(numpy.array_equal(to_host(g["x"]), w["x"]) for g, w in zip(got, want))


@pytest.mark.parametrize("size, start, error, sentence", [
    (0,    0,  ValueError, "size=0 is out of range; expected an integer from 1 to 5"),
    (6,    0,  ValueError, "size=6 is out of range; expected an integer from 1 to 5"),
    (2.0,  0,  TypeError,  "size=2.0 is a float; expected an integer from 1 to 5"),
    (True, 0,  TypeError,  "size=True is a bool"),
    (2,    -1, ValueError, "start=-1 is out of range; expected an integer, 0 or more"),
    (2,    .5, TypeError,  "start=0.5 is a float")])
def test_a_size_or_start_that_cannot_be_is_refused_at_once(size, start, error, sentence):
    with pytest.raises(error, match=sentence):
        batches({"x": numpy.zeros((5, 2))}, size, SEED, start=start)


def test_arrays_of_different_lengths_and_none_at_all_are_refused():
    with pytest.raises(ValueError, match=r"\{'x': 5, 'y': 4\} rows; expected one number"):
        batches({"x": numpy.zeros((5, 2)), "y": numpy.zeros(4)}, 2, SEED)
    with pytest.raises(ValueError, match="no rows"):
        batches({}, 2, SEED)


# ---- tables at the door ----------------------------------------------------------------------------------------------
def holed(*holes):
    x = numpy.zeros((6, 3))
    for row, column, value in holes:
        x[row, column] = value
    return x


class Sparse:
    def tocsr(self): ...


class OnGPU:
    def __dlpack_device__(self):
        return 2, 0


class Broken:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("it fell down")


REFUSED_TABLES = [
    (holed((3, 1, nan), (3, 2, inf), (5, 0, nan), (4, 0, nan), (4, 1, nan)),
                                   ValueError, r"X contains NaN at row 3, column 1 \(and 4 more\)\.$"),
    (holed((0, 2, inf)),           ValueError, r"X contains inf at row 0, column 2\.$"),
    (holed((5, 0, -inf), (5, 1, 1)), ValueError, r"X contains -inf at row 5, column 0\.$"),
    (numpy.zeros((0, 3)),          ValueError, r"X has 0 rows; need at least 1\.$"),
    (numpy.zeros((3, 0)),          ValueError, r"X has 0 columns; need at least 1\.$"),
    (numpy.zeros(5),               ValueError, r"X has shape \(5,\); expected \[n, D\]: use X.reshape\(-1, 1\)"),
    (numpy.zeros((2, 3, 4)),       ValueError, r"X has shape \(2, 3, 4\); expected \[n, D\]\.$"),
    (3.0,                          ValueError, r"X has shape \(\); expected \[n, D\]\.$"),
    ([[1, 2], [3]],                ValueError, r"X is a list with rows of different lengths"),
    (numpy.zeros((2, 2), complex), TypeError,  r"X holds complex128; expected float32, float64, integers or booleans"),
    (numpy.zeros((2, 2), object),  TypeError,  r"X holds object"),
    (None,                         TypeError,  r"X holds object"),
    ([["1", "2"]],                 TypeError,  r"X holds <U1"),
    (numpy.array([["2020-01-01"]], "datetime64[D]"), TypeError, r"X holds datetime64"),
    (numpy.zeros((2, 2), "timedelta64[s]"),          TypeError, r"X holds timedelta64"),
    (numpy.zeros((2, 2), "float16"),                 TypeError, r"X holds float16"),
    (numpy.zeros((2, 2), "longdouble"),              TypeError, r"X holds (float128|float96|longdouble)"),
    (numpy.zeros(2, [("a", float)]),                 TypeError, r"X holds \[\('a'"),
    (numpy.ma.masked_array(numpy.zeros((2, 2)), [[0, 1], [0, 0]]), TypeError, r"X is a masked array"),
    (Sparse(),                     TypeError,  r"X is a sparse Sparse; expected a dense array: use X.toarray\(\)"),
    (OnGPU(),  TypeError, r"X is a OnGPU on a GPU, and the backend is \w+: move it with .cpu\(\) .*, or use the b"),
    (Broken(), TypeError, r"X is a Broken that cannot be read as an array \(it fell down\); expected float32"),
]


@BOTH
@pytest.mark.parametrize("x, error, sentence", REFUSED_TABLES)
def test_what_is_no_table_is_refused_in_a_sentence(x, error, sentence, backend):
    if sentence.endswith("longdouble)") and numpy.dtype("longdouble").itemsize == 8:
        pytest.skip("longdouble is float64 here")
    with use(backend), pytest.raises(error, match=sentence):
        check_table(x)


def test_sparse_matrices_of_scipy_are_refused():
    sparse = pytest.importorskip("scipy.sparse")
    for x in (sparse.eye_array(3), sparse.csr_matrix((2, 2))):
        with pytest.raises(TypeError, match="points is a sparse"):
            check_table(x, "points")


def test_a_wrong_number_of_columns_is_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"X has shape \(4, 3\); expected \[n, 2\]\.$"):
        check_table(numpy.zeros((4, 3)), columns=2)
    assert check_table(numpy.zeros((4, 2)), columns=2).shape == (4, 2)


@BOTH
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64", "uint64"])
def test_integers_become_float64_and_do_not_wrap(dtype, backend):
    x = numpy.array([[100, 0], [1, 1]]).astype(dtype)
    with use(backend):
        for given_ in (x, xp.asarray(x)):
            y = check_table(given_)
            assert y.dtype == "float64" and type(y) is xp.ndarray and numpy.array_equal(to_host(y), x)
    assert check_table(numpy.full((1, 1), 200, "uint8"))[0, 0] + 100 == 300


@BOTH
@pytest.mark.parametrize("dtype", ["float32", "float64", ">f4", ">f8"])
def test_floats_keep_their_precision_in_the_order_of_the_machine(dtype, backend):
    x = numpy.arange(6.).reshape(3, 2).astype(dtype)
    with use(backend):
        y = check_table(x)
        assert type(y) is xp.ndarray and y.dtype == x.dtype.newbyteorder("=") and numpy.array_equal(to_host(y), x)


def test_every_layout_gives_the_same_rows_in_c_order_and_the_input_is_not_changed(tmp_path):
    x = numpy.arange(12.).reshape(4, 3)
    frozen = x.copy()
    frozen.flags.writeable = False
    numpy.save(tmp_path / "x.npy", x)
    wide = numpy.zeros((8, 6))
    wide[::2, ::2] = x
    for y in (x, frozen, numpy.asfortranarray(x), wide[::2, ::2], x[::-1].copy()[::-1], x.tolist(),
              numpy.load(tmp_path / "x.npy", mmap_mode="r")):
        z = check_table(y)
        assert numpy.array_equal(z, x) and z.flags.c_contiguous and type(z) is numpy.ndarray
    assert check_table(x) is x and numpy.array_equal(x, numpy.arange(12.).reshape(4, 3))


def test_an_array_of_the_backend_is_returned_without_a_copy():
    with use("strict"):
        x = xp.ones((3, 2))
        assert check_table(x)._host is x._host
        with pytest.raises(ValueError, match="NaN at row 0, column 0"):
            check_table(x * math.nan)


def test_arrays_of_any_number_of_axes_are_held_to_their_shape():
    x = numpy.arange(24.).reshape(2, 3, 4)
    assert check_array(x) is x and check_array(x, shape=(None, 3, None)) is x and check_array(2.5).shape == ()
    assert check_array(x[:, :, ::2], shape=(2, 3, 2)).flags.c_contiguous
    for shape, says in (((None, 64), r"\[n, 64\]"), ((None, 3, 5), r"\[n, 3, 5\]"), ((None, 3), r"\[n, 3\]")):
        with pytest.raises(ValueError, match=rf"z has shape \(2, 3, 4\); expected {says}\.$"):
            check_array(x, "z", shape)
    x[1, 2, 3] = x[1, 2, 2] = nan
    with pytest.raises(ValueError, match=r"z contains NaN at index \(1, 2, 2\) \(and 1 more\)\.$"):
        check_array(x, "z")


@BOTH
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", ">i4", "<u2"])
def test_integers_stay_as_they_are_where_they_are_kept(dtype, backend):
    x = numpy.arange(6).reshape(3, 2).astype(dtype)
    with use(backend):
        y = check_array(x, keep_integers=True)
        assert type(y) is xp.ndarray and y.dtype == x.dtype.newbyteorder("=") and numpy.array_equal(to_host(y), x)
        assert check_array(x.astype("float32"), keep_integers=True).dtype == "float32"


class OnlyDLPack:
    """An array that only DLPack can read."""
    def __init__(self, x):
        self.x = x

    def __dlpack__(self, **options):
        return self.x.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.x.__dlpack_device__()


class OnlyArray:
    """An array that only NumPy can read."""
    def __init__(self, x):
        self.x = x

    def __array__(self, dtype=None, copy=None):
        return self.x


@BOTH
@pytest.mark.parametrize("wrap", [OnlyDLPack, OnlyArray])
def test_arrays_of_other_libraries_come_through_their_protocols(wrap, backend):
    x = numpy.arange(6.).reshape(3, 2)
    with use(backend):
        y = check_table(wrap(x))
        assert type(y) is xp.ndarray and numpy.array_equal(to_host(y), x)


@BOTH
def test_tensors_of_pytorch_are_taken(backend):
    torch = pytest.importorskip("torch")
    with use(backend):
        for dtype, want in ((torch.float32, "float32"), (torch.float64, "float64"), (torch.int64, "float64"),
                            (torch.bool, "float64")):
            x = torch.tensor([[0, 1], [1, 1]], dtype=dtype)
            y = check_table(x)
            assert type(y) is xp.ndarray and y.dtype == want and to_host(y).tolist() == [[0, 1], [1, 1]]
            assert numpy.array_equal(to_host(check_table(x.T)), to_host(y).T) and x.tolist() == [[0, 1], [1, 1]]
        d = load({"x": torch.zeros((5, 3, 2), dtype=torch.uint8), "y": torch.arange(5)}, SEED)
        assert d.levels == 256 and d.shape == (3, 2) and type(d.train["x"]) is xp.ndarray


@BOTH
@pytest.mark.parametrize("make, sentence", [
    (lambda torch: torch.zeros((2, 2), requires_grad=True), r"X is a Tensor that requires grad; .* use X\.detach\(\)"),
    (lambda torch: torch.zeros((2, 2), dtype=torch.bfloat16),  r"X is a Tensor that cannot be read .*BFloat16"),
    (lambda torch: torch.zeros((2, 2), dtype=torch.float16),   r"X holds float16"),
    (lambda torch: torch.zeros((2, 2), dtype=torch.complex64), r"X holds complex64"),
    (lambda torch: torch.eye(2).to_sparse(),                   r"X is a Tensor that cannot be read .*to_dense\(\)"),
    (lambda torch: torch.zeros((2, 2), device="meta"),         r"X is a Tensor that cannot be read .*meta"),
    (lambda torch: [torch.zeros(2, requires_grad=True)],       r"X is a list that cannot be read .*grad")])
def test_tensors_that_hold_no_plain_numbers_are_refused(make, sentence, backend):
    x = make(pytest.importorskip("torch"))
    with use(backend), pytest.raises(TypeError, match=sentence):
        check_table(x)


@pytest.mark.gpu
def test_arrays_of_a_gpu_are_taken_by_cupy_alone():
    import cupy
    torch = pytest.importorskip("torch")
    arrays = [cupy.arange(6.).reshape(3, 2)] + [torch.arange(6.).reshape(3, 2).cuda()] * torch.cuda.is_available()
    for x in arrays:
        with use("cupy"):
            y = check_table(x)
            assert type(y) is xp.ndarray and to_host(y).tolist() == [[0, 1], [2, 3], [4, 5]]
        with pytest.raises(TypeError, match=r"X is a \w+ on a GPU, and the backend is numpy"):
            check_table(x)


@pytest.mark.parametrize("n, low, high, error", [
    (0,     1, None, ValueError), (4,   1, 3,    ValueError), (False, 0, None, TypeError),
    (1.5,   0, None, TypeError),  ("2", 0, None, TypeError),  (None,  0, 3,    TypeError)])
def test_a_number_that_is_no_integer_in_its_range_is_refused(n, low, high, error):
    with pytest.raises(error, match=f"steps={n!r} is .*expected an integer"):
        check_integer(n, "steps", low, high)
    assert check_integer(numpy.int64(3), "steps", 3, 3) == 3


@pytest.mark.parametrize("how", ["threshold", "static"])
def test_neither_text_nor_what_was_dequantised_can_become_bits(how):
    part = {"x": numpy.zeros((4, 3), "uint8")}
    with pytest.raises(ValueError, match="^The data are text of 3 different characters, whose order says nothing"):
        data.Data(part, part, part, shape=(3,), levels=3, symbols="abc").as_bits(how, SEED)
    with pytest.raises(ValueError, match="^The data hold numbers that are no levels; expected levels"):
        load("digits", SEED).dequantised(SEED).as_bits(how, SEED)


def test_what_varies_little_beside_its_mean_is_constant_only_where_its_precision_says_so():
    x = 1.7e9 + numpy.array([[-1000.0], [1000.0]])
    for dtype, want in (("float64", 1000), ("float32", 1)):
        assert math.isclose(data.levels.units(x.astype(dtype))[1][0], want, rel_tol=1e-6)
