"""The random numbers: the words of Philox4x64-10, and what is made of them.

Statistical tests are written with their false-alarm rate: the chance that a perfect generator fails. The seed is fixed,
so a test that passes once passes always; a failing seed is never replaced.
"""
import ctypes
import dataclasses
import math
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import backends.cupy
import backends.numpy
from backends import random, to_host, use, xp
from backends.random import Stream, evaluation
from scratch import autodiff

gpu     = pytest.mark.gpu
ALL     = ["numpy", "strict", "autograd", pytest.param("cupy", marks=gpu)]
DTYPES  = ["float32", "float64"]
RATE    = 1e-9                                      # of false alarms, a test
M       = (1 << 64) - 1
WRAP    = 1 << 256                                  # blocks before the counter begins again

keys    = st.integers(0, 2**128 - 1)
lengths = st.integers(0, 13)
edges   = st.sampled_from([0, 1 << 64, 1 << 128, 1 << 192, WRAP - 1])          # blocks where a carry runs through
starts  = st.one_of(st.integers(0, 40), st.builds(lambda block, d: max(4 * block + d, 0), edges, st.integers(-9, 3)),
                    st.integers(0, 4 * WRAP - 5))


# ---- the words -------------------------------------------------------------------------------------------------------
def philox4x64(counter, key, rounds=10):
    """Four words from a counter of 256 bits and a key of 128, in the paper's words: the oracle.   Salmon et al. 2011"""
    c = [counter >> 64 * i & M for i in range(4)]
    k = [key >> 64 * i & M for i in range(2)]
    for _ in range(rounds):
        p, q = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [q >> 64 ^ c[1] ^ k[0], q & M, p >> 64 ^ c[3] ^ k[1], p & M]
        k = [(k[0] + 0x9E3779B97F4A7C15) & M, (k[1] + 0xBB67AE8584CAA73B) & M]
    return c


def oracle(key, start, n):
    """Words start .. start + n - 1: word i is lane i mod 4 of the block at i div 4 + 1."""
    return [philox4x64((i // 4 + 1) % WRAP, key)[i % 4] for i in range(start, start + n)]


def integer(words):
    """The number whose 64-bit words these are, the lowest first."""
    return sum(int(word, 16) << 64 * i for i, word in enumerate(words.split()))


#    counter and key, lowest word first, and the four words
PUBLISHED = [
    ("0 0 0 0",                                                              "0 0",
     "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b"),
    ("ffffffffffffffff ffffffffffffffff ffffffffffffffff ffffffffffffffff",  "ffffffffffffffff ffffffffffffffff",
     "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0"),
    ("243f6a8885a308d3 13198a2e03707344 a4093822299f31d0 082efa98ec4e6c89",  "452821e638d01377 be5466cf34e90c6c",
     "a528f45403e61d95 38c72dbd566e9788 a5a1610e72fd18b5 57bd43b5e52b7fe6")]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("counter, key, words", PUBLISHED)
def test_the_published_vectors_of_random123_come_out(counter, key, words, name):
    counter, key, words = integer(counter), integer(key), [int(word, 16) for word in words.split()]
    assert philox4x64(counter, key) == words
    start = 4 * ((counter - 1) % WRAP)
    with use(name):
        assert to_host(xp.philox(key, start, 4)).tolist() == words


@pytest.mark.parametrize("name", ALL)
def test_the_words_are_those_of_the_paper_also_where_the_counter_carries_and_wraps(name):
    @settings(max_examples=100)
    @given(keys, starts, lengths)
    def law(key, start, n):
        with use(name):
            words = xp.philox(key, start, n)
            assert words.dtype == "uint64" and words.shape == (n,)
            assert to_host(words).tolist() == oracle(key, start, n)
    law()


def test_the_oracle_agrees_with_numpy():
    for block in (0, 1, (1 << 64) - 1, (1 << 128) - 2, (1 << 256) - 2):
        raw = np.random.Philox(key=12345 << 64 | 678, counter=block).random_raw(9)
        assert raw.tolist() == oracle(12345 << 64 | 678, 4 * block, 9)


@given(keys, st.integers(0, 100), lengths, lengths)
def test_words_of_a_part_are_a_part_of_the_words(key, start, n, m):
    words = Stream(key).words(start + n + m)
    assert (Stream(key).words(n, start) == words[start:start + n]).all()


# ---- the CUDA text ---------------------------------------------------------------------------------------------------
def test_the_kernel_compiles_for_the_gpu():
    nvrtc = pytest.importorskip("cupy_backends.cuda.libs.nvrtc", reason="needs NVRTC, which comes with CuPy")
    text  = f"""
        extern "C" __global__ void philox4x64_10({PARAMETERS}, unsigned long long *words, long long n) {{
            long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
            if (i < n) {{ {backends.cupy.PHILOX} }}
        }}"""
    try:
        program = nvrtc.createProgram(text, "philox.cu", (), ())
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"needs NVRTC: {error}")
    nvrtc.compileProgram(program, ("-arch=compute_90",))
    ptx = nvrtc.getPTX(program).decode()
    assert ".entry philox4x64_10" in ptx and "mul.hi.u64" in ptx and ptx.count("st.global.u64") >= 4
    wrong = nvrtc.createProgram(text.replace("c3 = l0;", "c3 = l9;"), "philox.cu", (), ())
    with pytest.raises(nvrtc.NVRTCError):
        nvrtc.compileProgram(wrong, ("-arch=compute_90",))


PARAMETERS = backends.cupy.PHILOX_IN.replace("uint64", "unsigned long long")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The kernel's text compiled for the host: kernel(w0, w1, w2, w3, low, high, words, n)."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("philox")
    (folder / "philox.c").write_text(f"""
        static unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {{
            return (unsigned __int128)a * b >> 64;
        }}
        void philox({PARAMETERS}, unsigned long long *words, long long n) {{
            for (long long i = 0; i < n; ++i) {{ {backends.cupy.PHILOX} }}
        }}""")
    made = subprocess.run([compiler, "-std=c99", "-O1", "-shared", "-fPIC", "philox.c", "-o", "philox.so"], cwd=folder,
                          capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"needs a C compiler with 128-bit integers: {made.stderr[:200]}")
    philox = ctypes.CDLL(str(folder / "philox.so")).philox
    philox.argtypes, philox.restype = [*6 * [ctypes.c_uint64], ctypes.c_void_p, ctypes.c_int64], None
    return philox


@pytest.fixture
def kernel_on_the_host(compiled, monkeypatch):
    """As much of CuPy as backends.cupy.philox calls, with the compiled text for its kernel."""
    class ElementwiseKernel:
        def __init__(self, inputs, outputs, text, name):
            assert (inputs, outputs, text) == (backends.cupy.PHILOX_IN, "raw uint64 words", backends.cupy.PHILOX)

        def __call__(self, *args, size):
            *numbers, words = args
            assert all(type(number) is np.uint64 for number in numbers) and words.size == 4 * size
            compiled(*map(int, numbers), words.ctypes.data, size)

    fake = types.SimpleNamespace(ElementwiseKernel=ElementwiseKernel, empty=np.empty, uint64=np.uint64)
    monkeypatch.setitem(sys.modules, "cupy", fake)
    return backends.cupy.philox


def test_the_kernel_makes_the_words_of_numpy(kernel_on_the_host):
    @settings(max_examples=200)
    @given(keys, starts, lengths)
    def law(key, start, n):
        words = kernel_on_the_host(key, start, n)
        assert words.dtype == "uint64" and words.tolist() == backends.numpy.philox(key, start, n).tolist()
    law()


# ---- uniforms and normals --------------------------------------------------------------------------------------------
SPACING = {"float32": 2.0**-23, "float64": 2.0**-52}
PER     = {"float32": 2, "float64": 1}              # elements a word


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_uniform_is_a_midpoint_and_never_0_or_1(dtype, name):
    bits, spacing = {"float32": 9, "float64": 12}[dtype], SPACING[dtype]
    for word in (0, M, 1, M - 1, 1 << bits, (1 << bits) - 1, 1 << 63, 0xFFFFFFFF, M - 0xFFFFFFFF, 0x0123456789ABCDEF):
        with use(name):
            u = to_host(random._uniform(xp.asarray(np.array([word], "uint64")), dtype))
        assert u.dtype == dtype and u.shape == (PER[dtype],)
        assert (u > 0).all() and (u < 1).all()
        cells = u.astype("float64") / spacing - 0.5                             # exact
        parts = [word] if dtype == "float64" else [word & 0xFFFFFFFF, word >> 32]
        assert cells.tolist() == [part >> bits for part in parts]
    least, *_, most = random._uniform(np.array([0, M], "uint64"), dtype)
    assert (least, most) == (spacing / 2, 1 - spacing / 2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_elements_are_made_of_the_words_that_the_page_says(dtype):
    stream  = Stream.seed(3)
    words   = stream.words(8)
    uniform = stream.uniform(8 * PER[dtype], dtype)
    halves  = words.view("uint32") >> 9 if dtype == "float32" else words >> 12
    assert (uniform == ((halves.astype("float64") + 0.5) * SPACING[dtype]).astype(dtype)).all()
    u, v    = uniform[0::2].astype("float64"), uniform[1::2].astype("float64")
    normal  = stream.normal(8 * PER[dtype], dtype)
    radius  = np.sqrt(-2 * np.log(u))
    oracle  = np.stack([radius * np.cos(2 * np.pi * v), radius * np.sin(2 * np.pi * v)], axis=1).reshape(-1)
    assert np.abs(normal - oracle).max() <= 8 * np.finfo(dtype).eps * np.abs(oracle).max()


def ulps(a, b):
    """How many units in the last place a and b are apart; of an element below eps, units of eps."""
    return np.abs(a - b) / np.spacing(np.maximum(np.abs(a), np.finfo(a.dtype).eps))


shapes = st.sampled_from([(), (0,), (1,), (7,), (3, 2), (2, 0, 3), (2, 1, 5)])
kinds  = st.sampled_from(["uniform", "normal"])


@settings(max_examples=200)
@given(keys, kinds, st.sampled_from(DTYPES), st.integers(0, 50) | st.integers(0, 2**80), lengths, lengths)
def test_a_slice_of_a_draw_is_a_draw_of_the_slice(key, kind, dtype, start, before, n):
    draw  = getattr(Stream(key), kind)
    whole = draw(before + n + 3, dtype, start)
    part  = draw(n, dtype, start + before)
    assert part.shape == (n,) and part.dtype == dtype
    if kind == "uniform":
        assert (part == whole[before:before + n]).all()
    else:
        assert (ulps(part, whole[before:before + n]) <= 4).all()


@settings(max_examples=60)
@given(keys, kinds, st.sampled_from(DTYPES), st.integers(0, 9), st.integers(0, 70), st.sampled_from([2, 4, 16]))
def test_a_draw_in_blocks_is_the_draw(key, kind, dtype, start, n, block):
    draw  = getattr(Stream(key), kind)
    whole = draw(n, dtype, start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backends.numpy, "block", block)
        blocks = draw(n, dtype, start)
    assert blocks.shape == whole.shape and blocks.dtype == dtype
    assert (ulps(blocks, whole) <= (4 if kind == "normal" else 0)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_draw_longer_than_a_block_is_its_parts_one_after_the_other(dtype):
    stream, n = Stream.seed(5), 2 * backends.numpy.block * PER[dtype] + 11
    whole = stream.normal(n, dtype, start=3)
    parts = [stream.normal(min(1000, n - i), dtype, start=3 + i) for i in range(0, n, 1000)]
    assert (ulps(np.concatenate(parts), whole) <= 4).all()
    assert len(np.unique(stream.uniform(n, "float64"))) == n


@pytest.mark.parametrize("name", ALL)
def test_every_backend_draws_the_same_numbers(name):
    @settings(max_examples=40)
    @given(keys, kinds, st.sampled_from(DTYPES), shapes, st.integers(0, 9))
    def law(key, kind, dtype, shape, start):
        ours = getattr(Stream(key), kind)(shape, dtype, start)
        with use(name):
            theirs = to_host(getattr(Stream(key), kind)(shape, dtype, start))
            words  = to_host(Stream(key).words(7, start))
        assert theirs.shape == ours.shape == shape and theirs.dtype == ours.dtype == dtype
        assert (ulps(theirs, ours) <= (8 if kind == "normal" else 0)).all()
        assert (words == Stream(key).words(7, start)).all()
    law()


@pytest.mark.parametrize("name", ALL)
def test_the_whole_numbers_are_the_same_on_every_backend(name):
    stream = Stream.seed(1)
    log_p  = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]], "float32"))
    draws  = {"integers":    lambda log_p: stream.integers(-3, 9, (3, 4)),
              "a number":    lambda log_p: stream.integers(0, 2**63),
              "permutation": lambda log_p: stream.permutation(9),
              "categorical": lambda log_p: stream.categorical(log_p, (5,))}
    shapes = {"integers": (3, 4), "a number": (), "permutation": (9,), "categorical": (5, 2)}
    for what, draw in draws.items():
        ours = np.asarray(draw(log_p))
        with use(name):
            theirs = to_host(draw(xp.asarray(log_p)))
        assert theirs.dtype == "int64" and theirs.shape == shapes[what] and (theirs == ours).all(), what


# ---- whole numbers ---------------------------------------------------------------------------------------------------
def test_integers_come_from_the_words_and_stay_in_their_range():
    stream = Stream.seed(2)
    for low, high in ((0, 1), (-5, 5), (0, 2**63), (-2**63, 0), (7, 7 + 2**40)):
        drawn = stream.integers(low, high, 50)
        assert drawn.tolist() == [low + word % (high - low) for word in stream.words(50).tolist()]
        assert all(low <= i < high for i in drawn.tolist())
    assert stream.integers(0, 9).shape == () and stream.integers(0, 9, (2, 0)).shape == (2, 0)


def test_integers_are_equally_likely():
    counts = np.bincount(Stream.seed(0)("integers").integers(0, 37, 100_000), minlength=37)
    assert len(counts) == 37 and stats.chisquare(counts).pvalue > RATE


def test_every_order_of_a_permutation_is_equally_likely():
    drawn  = [tuple(Stream.seed(0)(i).permutation(4).tolist()) for i in range(4800)]
    counts = {order: drawn.count(order) for order in set(drawn)}
    assert len(counts) == 24 and all(sorted(order) == [0, 1, 2, 3] for order in counts)
    assert stats.chisquare(list(counts.values())).pvalue > RATE
    assert sorted(Stream.seed(0).permutation(1000).tolist()) == list(range(1000))
    assert Stream.seed(0).permutation(0).shape == (0,)


@pytest.mark.parametrize("dtype", DTYPES)
def test_categorical_draws_with_the_chances_of_its_logits(dtype):
    p      = np.array([0.05, 0.0, 0.5, 0.15, 0.3, 0.0])
    with np.errstate(divide="ignore"):
        log_p = (np.log(p) + 3).astype(dtype)                                   # logits need no normalisation
    counts = np.bincount(Stream.seed(0)("categorical").categorical(log_p, 100_000), minlength=6)
    assert counts[p == 0].tolist() == [0, 0]                                    # what is impossible is never chosen
    assert stats.chisquare(counts[p > 0], 100_000 * p[p > 0]).pvalue > RATE


# ---- the law of the draws --------------------------------------------------------------------------------------------
N      = 1_000_000
NORMAL = stats.norm.isf(RATE / 2)                   # |z| above it: a false alarm at the rate


def moments_of(x, law):
    """The z-scores of the first four moments about 0 of a sample: they are nearly normal."""
    deviation = [np.sqrt((law.moment(2 * k) - law.moment(k)**2) / len(x)) for k in (1, 2, 3, 4)]
    return [(np.mean(x**k) - law.moment(k)) / d for k, d in zip((1, 2, 3, 4), deviation)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind, law", [("uniform", stats.uniform()), ("normal", stats.norm())])
def test_the_draws_have_the_moments_and_the_distribution_of_their_law(kind, law, dtype):
    x = getattr(Stream.seed(0)("law"), kind)(N, dtype).astype("float64")
    assert all(abs(z) < NORMAL for z in moments_of(x, law))                     # four chances of 1e-9
    assert stats.kstest(x[:200_000], law.cdf).pvalue > RATE                     # one of 1e-9


@pytest.mark.parametrize("dtype", DTYPES)
def test_neighbours_in_a_draw_are_independent(dtype):
    x = Stream.seed(0)("neighbours").normal(N, dtype).astype("float64")
    for lag in (1, 2, 3, 4, 8):                                                 # the lanes of a block, and the next
        for f in (lambda x: x, np.square):
            assert abs(correlation(f(x[:-lag]), f(x[lag:]))) < NORMAL           # ten chances of 1e-9
    cells = np.histogram2d(*(stats.norm.cdf(x[i::2]) for i in (0, 1)), bins=16, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(cells.ravel()).pvalue > RATE


def correlation(x, y):
    """The correlation of two samples as a z-score: nearly normal if they are independent."""
    return np.corrcoef(x, y)[0, 1] * math.sqrt(len(x))


STREAMS = {"two names":          lambda s: (s("a"), s("b")),
           "a name and its own": lambda s: (s, s("a")),
           "two steps":          lambda s: (s(0), s(1)),
           "a step and a name":  lambda s: (s(0), s("0")),
           "a split":            lambda s: s.split(2),
           "a deeper name":      lambda s: (s("a")("b"), s("b")("a")),
           "two seeds":          lambda s: (Stream.seed(0), Stream.seed(1)),
           "the largest seeds":  lambda s: (Stream.seed(2**64 - 1), Stream.seed(2**64 - 2))}


@pytest.mark.parametrize("which", STREAMS)
def test_streams_of_different_names_are_independent(which):
    one, other = STREAMS[which](Stream.seed(0))
    assert one != other and len({one.key, other.key}) == 2
    n = 200_000
    x, y = one.normal(n, "float64"), other.normal(n, "float64")
    for f in (lambda x: x, np.square, np.sign):
        assert abs(correlation(f(x), f(y))) < NORMAL                            # three chances of 1e-9
    assert not set(one.words(1000).tolist()) & set(other.words(1000).tolist())  # a chance of 5e-14
    table = np.histogram2d(stats.norm.cdf(x), stats.norm.cdf(y), bins=10, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(table.ravel()).pvalue > RATE


def test_the_statistical_tests_can_fail():
    x = Stream.seed(0).normal(N, "float64")
    assert abs(correlation(x, x + 100 * x[::-1])) > NORMAL
    assert any(abs(z) > NORMAL for z in moments_of(x + 0.01, stats.norm()))
    assert stats.kstest(1.05 * x[:200_000], stats.norm.cdf).pvalue < RATE
    assert stats.chisquare(np.bincount(Stream.seed(0).integers(0, 37, 100_000) // 2 * 2 % 37)).pvalue < RATE


# ---- a stream is a value ---------------------------------------------------------------------------------------------
def test_a_stream_is_a_frozen_value_equal_by_its_key():
    stream = Stream.seed(0)
    assert stream == Stream.seed(0) == Stream(stream.key) and hash(stream) == hash(Stream.seed(0))
    assert stream != Stream.seed(1) and {stream: 1}[Stream.seed(0)] == 1
    assert stream("a") == stream("a") and stream(3) == stream(np.int64(3)) == stream.split(5)[3]
    with pytest.raises(dataclasses.FrozenInstanceError):
        stream.key = 1
    assert (stream("a").normal(5) == stream("a").normal(5)).all()
    assert 0 <= stream.key < 2**128 and len({stream(i) for i in range(1000)}) == 1000


def test_the_streams_of_seeds_and_names_are_pinned():
    stream = Stream.seed(0)                         # what a seed means may not change from one version to the next
    assert stream.key                  == 289388599592141090210025908045248462373
    assert stream("a").key             == 256713457380926072070482459477647120686
    assert stream(7).words(2).tolist() == [14265567722294575035, 2256699999190111863]


BAD_SEEDS = {"negative": -1, "2^64": 2**64, "None": None, "a float": 0.0, "a truth value": True, "a string": "0",
             "a generator": np.random.default_rng(0), "a NumPy float": np.float64(1), "a list": [0]}


@pytest.mark.parametrize("what", BAD_SEEDS)
def test_a_bad_seed_is_refused_in_a_sentence(what):
    seed  = BAD_SEEDS[what]
    error = ValueError if what in ("negative", "2^64") else TypeError
    with pytest.raises(error, match="seed=.*expected an integer from 0 to 2.64 - 1"):
        Stream.seed(seed)


def test_whole_numbers_of_every_type_are_seeds():
    assert Stream.seed(np.uint64(2**64 - 1)) == Stream.seed(2**64 - 1) and Stream.seed(np.int32(5)) == Stream.seed(5)


#                     a wrong call                                raises       saying
WRONG = {"name":      (lambda s: s(1.5),                          TypeError,   "named by a string or an integer"),
         "no name":   (lambda s: s(None),                         TypeError,   "named by a string or an integer"),
         "truth":     (lambda s: s(True),                         TypeError,   "named by a string or an integer"),
         "dtype":     (lambda s: s.normal(3, "int32"),            TypeError,   "choose float32 or float64"),
         "float16":   (lambda s: s.uniform(3, "float16"),         TypeError,   "choose float32 or float64"),
         "shape":     (lambda s: s.normal((2, -1)),               ValueError,  "negative side"),
         "length":    (lambda s: s.uniform(-1),                   ValueError,  "negative side"),
         "numbers":   (lambda s: s.integers(0, 9, (-1,)),         ValueError,  "negative side"),
         "fraction":  (lambda s: s.normal(2.0),                   TypeError,   "integer"),
         "start":     (lambda s: s.normal(2, start=-1),           ValueError,  "start=-1 is negative"),
         "empty":     (lambda s: s.integers(3, 3),                ValueError,  "expected low < high"),
         "wide":      (lambda s: s.integers(-1, 2**63),           ValueError,  "at most 2.63 apart"),
         "a bound":   (lambda s: s.integers(0, 2.5),              TypeError,   "integer")}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("name", ["numpy", "strict"])
def test_a_wrong_call_is_refused_in_a_sentence(what, name):
    call, error, sentence = WRONG[what]
    with use(name), pytest.raises(error, match=sentence):
        call(Stream.seed(0))


# ---- the same words twice in one evaluation --------------------------------------------------------------------------
TWICE = {"a draw twice":              lambda s: (s.normal(3), s.normal(3)),
         "two kinds of draw":         lambda s: (s.normal(3), s.uniform(3)),
         "two dtypes":                lambda s: (s.normal(3), s.normal(3, "float64")),
         "a part again":              lambda s: (s.normal(9), s.normal(2, start=4)),
         "the whole after a part":    lambda s: (s.normal(2, start=4), s.normal(9)),
         "words under numbers":       lambda s: (s.integers(0, 2, 4), s.permutation(3)),
         "one stream by two ways":    lambda s: (s(2).normal(3), s.split(3)[2].normal(3))}

ONCE = {"two names":                  lambda s: (s("a").normal(3), s("b").normal(3)),
        "two steps":                  lambda s: (s(0).normal(3), s(1).normal(3)),
        "a name and its own":         lambda s: (s.normal(3), s("a").normal(3)),
        "parts that touch":           lambda s: (s.normal(3), s.normal(4, start=3)),
        "parts that touch, float64":  lambda s: (s.normal(3, "float64"), s.normal(4, "float64", start=3)),
        "single elements":            lambda s: [s.uniform((), start=i) for i in range(5)],
        "nothing inside a draw":      lambda s: (s.normal(9), s.normal(0, start=4), s.normal((0, 2)))}


@pytest.mark.parametrize("what", TWICE)
def test_drawing_the_same_words_twice_in_an_evaluation_raises_on_strict(what):
    with use("strict"):
        with pytest.raises(RuntimeError, match="drawn twice in one evaluation.*name the streams apart"), evaluation():
            TWICE[what](Stream.seed(0))
        TWICE[what](Stream.seed(0))                             # outside an evaluation nothing is watched
    with evaluation():
        TWICE[what](Stream.seed(0))                             # nor on numpy


@pytest.mark.parametrize("what", ONCE)
def test_drawing_other_words_does_not(what):
    with use("strict"), evaluation(), evaluation():
        ONCE[what](Stream.seed(0))


def test_separate_evaluations_may_draw_the_same_words():
    with use("strict"):
        for _ in range(2):
            with evaluation():
                Stream.seed(0).normal(3)
        with pytest.raises(ZeroDivisionError), evaluation():
            Stream.seed(0).normal(3)
            1 / 0
        with evaluation():
            Stream.seed(0).normal(3)


def test_the_outermost_evaluation_is_the_one_that_is_watched():
    with use("strict"), evaluation():
        with evaluation():
            Stream.seed(0).normal(3)
        with pytest.raises(RuntimeError, match="drawn twice"):
            Stream.seed(0).normal(3)


def test_a_gradient_is_one_evaluation():
    def twice(x):
        return xp.sum(x * Stream.seed(0).normal(3) + Stream.seed(0).normal(3))

    def once(x):
        return xp.sum(x * Stream.seed(0)("a").normal(3) + Stream.seed(0)("b").normal(3))

    with use("strict"):
        x = xp.ones(3, dtype="float32")
        with pytest.raises(RuntimeError, match="drawn twice in one evaluation"):
            autodiff.vjp(twice, x)
        with pytest.raises(RuntimeError, match="drawn twice in one evaluation"):
            autodiff.grad(lambda x: autodiff.value_and_grad(once)(x)[0] + once(x))(x)
        first, second = autodiff.grad(once)(x), autodiff.grad(once)(x)          # two evaluations on the same noise
        assert (to_host(first) == to_host(second)).all()
        autodiff.hvp(once, x, x)
    autodiff.grad(twice)(np.ones(3, "float32"))
