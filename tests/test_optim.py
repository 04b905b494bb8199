"""Laws of the optimisers, of the buffer they work on, of the nets and of the loop."""
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

import backends.numpy
import backends.strict
from backends import no_sync, to_host, use, xp
from backends.random import Stream, evaluation
from scratch import optim, trees
from scratch.autodiff import value_and_grad
from scratch.nets import ACTIVATIONS, affine, linear, mlp
from scratch.optim import OPTIMISERS, Layout, averaged, clip, step
from scratch.train import Descent, Model, State, fit

SEED   = Stream.seed(0)("test_optim")
BOTH   = pytest.mark.parametrize("backend", ["numpy", "strict"])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
NAMES  = pytest.mark.parametrize("name", OPTIMISERS)
PAPER  = {"sgd": optim.sgd, "momentum": optim.momentum, "rmsprop": optim.rmsprop, "adam": optim.adam}
SUMS   = {"m": 1 / (1 - 0.9), "v": 1 / (1 - 0.999)}                     # Adam keeps so many of the paper's moments


def gradient(t, size, dtype="float64"):
    """Of every size from 1e-6 to 1e6, and 0."""
    g = xp.asarray(SEED(t)("g").normal(size, dtype))
    return xp.where(g > 1.5, 0, g * 10**(xp.arange(size) % 13 - 6).astype(dtype))


def fresh(name, size, dtype="float64"):
    return (SEED("p").normal(size, dtype),
            {m: xp.zeros(size, dtype=dtype) for m in OPTIMISERS[name][1]})


def run(name, size, dtype="float64", steps=20, lr=0.01):
    p, moments = fresh(name, size, dtype)
    with no_sync():
        for t in range(1, steps + 1):
            step(name, p, gradient(t, size, dtype), t, lr, moments)
    return p, moments


# ---- the rules -------------------------------------------------------------------------------------------------------
@BOTH
@DTYPES
@NAMES
@pytest.mark.parametrize("size", [1, 130, (1 << 15) + 7, 70001])
def test_twenty_steps_in_place_are_those_of_the_paper(name, size, dtype, backend):
    with use(backend):
        q, moments = fresh(name, size, dtype)
        moments    = tuple(moments.values())
        for t in range(1, 21):
            q, *moments = optim._as_tuple(PAPER[name](q, gradient(t, size, dtype), t, 0.01, *moments))
        p, found = run(name, size, dtype)
        p, q, eps = to_host(p), to_host(q), np.finfo(dtype).eps
        assert p.dtype == dtype and np.max(abs(p - q)) <= 4 * eps * max(4, np.max(abs(p)))
        for m, want in zip(found, moments):
            want = to_host(want) * (SUMS[m] if name == "adam" else 1)
            assert found[m].dtype == dtype and np.max(abs(to_host(found[m]) - want)) <= 8 * eps * np.max(abs(want))


PEERS = {
    "sgd":      lambda torch, p: torch.optim.SGD([p], lr=0.01),
    "momentum": lambda torch, p: torch.optim.SGD([p], lr=0.01, momentum=0.9),
    "rmsprop":  lambda torch, p: torch.optim.RMSprop([p], lr=0.01, alpha=0.9),
    "adam":     lambda torch, p: torch.optim.Adam([p], lr=0.01),
}


@NAMES
def test_twenty_steps_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    q     = torch.from_numpy(fresh(name, 130)[0]).requires_grad_()
    peer  = PEERS[name](torch, q)
    for t in range(1, 21):
        q.grad = torch.from_numpy(gradient(t, 130))
        peer.step()
    want = q.detach().numpy()
    assert np.allclose(run(name, 130)[0], want, rtol=1e-13, atol=1e-13)
    assert not np.allclose(run(name, 130, lr=0.0100001)[0], want, rtol=1e-13, atol=1e-13)


@NAMES
def test_under_a_constant_gradient_the_steps_are_known(name):
    """m_t = g (1 - 0.9^t) / (1 - 0.9), v_t = g^2 (1 - 0.9^t); Adam's moments without their bias are g and g^2."""
    g, lr      = np.array([-3.0, 0.2]), 0.01
    p, moments = np.zeros(2), {m: np.zeros(2) for m in OPTIMISERS[name][1]}
    s          = [1 - 0.9**t for t in range(1, 8)]
    for t in range(1, 8):
        step(name, p, g.copy(), t, lr, moments)
    moved = {"sgd": 7 * g, "momentum": g * sum(s) / 0.1, "rmsprop": sum(g / (abs(g) * a**0.5 + 1e-8) for a in s),
             "adam": 7 * g / (abs(g) + 1e-8)}
    assert np.allclose(p, -lr * moved[name], rtol=1e-13)


def first(g, rule="adam"):
    p = np.zeros(len(g))
    step(rule, p, g.copy(), 1, 0.01, {"m": np.zeros(len(g)), "v": np.zeros(len(g))})
    return p


SIZES = np.array([0.0, 1e-20, 1e-9, 1e-8, -1e-8, 1e-7, -1.0, 3.0, 1e20, -1e100])


def test_adams_first_step_is_minus_lr_g_over_g_plus_eps_to_the_last_bit():
    assert np.array_equal(first(SIZES), -(SIZES / (abs(SIZES) + 1e-8) * 0.01))


@given(st.lists(st.floats(-1e150, 1e150).filter(lambda g: g == 0 or abs(g) > 1e-150), min_size=1, max_size=5))
def test_adams_first_step_of_any_gradient(g):
    g = np.array(g)
    assert np.array_equal(first(g), -(g / (abs(g) + 1e-8) * 0.01))


def _eps_of_the_biased(p, g, t, lr, m, v, beta1=0.9, beta2=0.999, eps=1e-8):
    m[:] = beta1 * m + (1 - beta1) * g
    v[:] = beta2 * v + (1 - beta2) * g**2
    p -= lr * math.sqrt(1 - beta2**t) / (1 - beta1**t) * m / (np.sqrt(v) + eps)


def _eps_of_the_sums(p, g, t, lr, m, v, beta1=0.9, beta2=0.999, eps=1e-8):
    m[:], v[:] = beta1 * m + g, beta2 * v + g**2
    c2 = math.sqrt((1 - beta2**t) / (1 - beta2))
    p -= lr * c2 * (1 - beta1) / (1 - beta1**t) * m / (np.sqrt(v) + eps)


def test_those_laws_refuse_an_eps_that_the_bias_correction_scales(monkeypatch):
    """In the first the first step shows it; in the second, where it is right, the second step."""
    want = 2 * -0.01 * 1e-8 / (1e-8 + 1e-8)
    def second(rule):
        p, moments = np.zeros(1), {"m": np.zeros(1), "v": np.zeros(1)}
        for t in (1, 2):
            step(rule, p, np.array([1e-8]), t, 0.01, moments)
        return p[0]
    assert math.isclose(second("adam"), want, rel_tol=1e-12)
    for wrong in (_eps_of_the_biased, _eps_of_the_sums):
        monkeypatch.setitem(OPTIMISERS, "wrong", (wrong, ("m", "v")))
        assert not math.isclose(second("wrong"), want, rel_tol=1e-2)
    monkeypatch.setitem(OPTIMISERS, "wrong", (_eps_of_the_biased, ("m", "v")))
    assert not np.allclose(first(SIZES, "wrong"), first(SIZES), rtol=1e-2, atol=0)


@NAMES
def test_a_step_changes_the_arrays_it_is_given_and_a_copy_of_them_repeats_it(name):
    p, moments = fresh(name, 130)
    before     = p, dict(moments)
    kept       = p.copy(), {m: a.copy() for m, a in moments.items()}
    for t in (1, 2, 3):
        step(name, p, gradient(t, 130), t, 0.01, moments)
    assert p is before[0] and all(moments[m] is before[1][m] for m in moments)
    assert not np.array_equal(p, kept[0]) and not any(np.array_equal(moments[m], kept[1][m]) for m in moments)
    for t in (1, 2, 3):
        step(name, kept[0], gradient(t, 130), t, 0.01, kept[1])
    assert np.array_equal(p, kept[0]) and all(np.array_equal(moments[m], kept[1][m]) for m in moments)


@NAMES
def test_the_size_of_the_blocks_changes_no_bit(name, monkeypatch):
    ends = []
    for block in (1 << 15, 7):
        p, moments = fresh(name, 130)
        g = [gradient(t, 130) for t in range(1, 5)]
        monkeypatch.setattr(backends.numpy, "block", block)
        for t in range(1, 5):
            step(name, p, g[t - 1], t, 0.01, moments)
        monkeypatch.undo()
        ends.append([p, *moments.values()])
    same(*ends)


# ---- one buffer ------------------------------------------------------------------------------------------------------
shapes = st.lists(st.integers(0, 9), max_size=3).map(tuple)
places = st.recursive(shapes.map(lambda shape: {"a": shape}), lambda inner: st.one_of(
    st.dictionaries(st.text("abc", min_size=1), inner, max_size=3), st.lists(st.one_of(inner), max_size=3)))


@st.composite
def parameters(draw):
    """A tree of arrays, and None where a tree may be empty."""
    s = SEED(draw(st.integers(0, 1000)))
    def grow(place, s):
        if isinstance(place, dict):
            return {key: grow(inner, s(key)) for key, inner in place.items()}
        return s.normal(place, "float64") if isinstance(place, tuple) else [grow(p, s(i)) for i, p in enumerate(place)]
    return [grow(draw(places), s), {"last": (SEED.normal((), "float64"), None)}]


@given(parameters())
def test_the_leaves_lie_in_the_buffer_at_multiples_of_64_and_come_back(tree):
    layout = Layout.of(tree)
    flat   = layout.pack(tree)
    views  = layout.views(flat)
    assert flat.shape == (layout.size,) and flat.dtype == "float64"
    assert trees.flatten(views)[1] == trees.flatten(tree)[1]
    assert all(a % 64 == 0 for a in (*layout.starts, layout.size)) and Layout.of(views) == layout
    for start, leaf, view in zip(layout.starts, trees.leaves(tree), trees.leaves(views)):
        assert view.shape == leaf.shape and np.array_equal(view, leaf)
        assert leaf.size == 0 or np.shares_memory(view, flat[start:start + leaf.size])
    assert np.count_nonzero(flat) == sum(np.count_nonzero(leaf) for leaf in trees.leaves(tree))
    assert np.array_equal(layout.pack(views), flat)
    for i, view in enumerate(trees.leaves(views)):                      # no two share an element, nor reach the padding
        view[...] = i + 1
    assert [np.count_nonzero(flat == i + 1) for i, _ in enumerate(trees.leaves(tree))] == [
        leaf.size for leaf in trees.leaves(tree)]


@BOTH
def test_what_is_written_into_a_view_is_seen_in_the_buffer_and_back(backend):
    with use(backend):
        layout = Layout.of({"W": xp.zeros((2, 3)), "b": xp.zeros(())})
        flat   = layout.pack({"W": xp.ones((2, 3)), "b": xp.ones(())})
        views  = layout.views(flat)
        flat  *= 2
        views["W"][1] = xp.full(3, 7.0)
        assert to_host(views["W"]).tolist() == [[2.0] * 3, [7.0] * 3] and float(views["b"]) == 2
        assert to_host(flat).tolist() == [2.0] * 3 + [7.0] * 3 + [0.0] * 58 + [2.0] + [0.0] * 63


@NAMES
def test_between_the_leaves_the_buffer_stays_zero(name):
    layout     = Layout.of([np.ones(70), np.ones((3, 5))])
    p          = layout.pack([np.ones(70), np.ones((3, 5))])
    moments    = {m: np.zeros_like(p) for m in OPTIMISERS[name][1]}
    average    = p.copy()
    padding    = p == 0
    for t in range(1, 5):
        g = layout.pack(clip([np.full(70, 1.0 * t), np.full((3, 5), -1.0 * t)], 1))
        step(name, p, g, t, 0.1, moments)
        averaged(average, p, t, 0.9)
    assert padding.sum() == 128 + 64 - 85 and not any(a[padding].any() for a in (p, g, average, *moments.values()))


@pytest.mark.parametrize("tree, message", [
    ([np.zeros(2), np.zeros(2, "float32")], "^The parameters hold float32, float64; expected one dtype"),
    ({"a": None},                           "^The parameters hold nothing; expected one dtype")])
def test_a_buffer_has_one_dtype(tree, message):
    with pytest.raises(TypeError, match=message):
        Layout.of(tree)


# ---- clipping and averages -------------------------------------------------------------------------------------------
@BOTH
@DTYPES
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e4, 1e25])
def test_a_clipped_gradient_has_the_norm_and_its_direction(size, dtype, backend):
    """Of the longest float32 the squares overflow."""
    with use(backend), no_sync():
        g    = SEED.normal(1000, dtype) * size
        want = to_host_outside(g).astype("float64")
        g = clip(g, 0.5 * size)
    got = to_host_outside(g)
    eps = np.finfo(dtype).eps
    assert got.dtype == dtype and np.linalg.norm(got.astype("float64")) <= 0.5 * size * (1 + eps)
    assert np.allclose(got, want * 0.5 * size / np.linalg.norm(want), rtol=4 * eps, atol=0)


def to_host_outside(a):
    """A copy on the host, whatever is forbidden."""
    return np.array(getattr(a, "_host", a))


@DTYPES
@pytest.mark.parametrize("g", [[3.0, -4.0, 0.1], [0.0, 0.0], [1e-30, 0.0], [5.0, 0.0]])
def test_a_small_gradient_and_none_stay_as_they_are(g, dtype):
    g    = np.array(g, dtype)
    kept = g.copy()
    assert np.array_equal(clip(g, 5.1), kept) and np.array_equal(g, kept)


def test_clipping_hides_no_gradient_that_is_not_finite():
    for bad in (np.nan, np.inf):
        g = np.array([1.0, bad])
        with np.errstate(invalid="ignore"):
            assert not np.isfinite(clip(g, 1)).all()


@BOTH
def test_the_average_of_a_constant_is_the_constant(backend):
    with use(backend):
        p, average = SEED.normal(70001), SEED.normal(70001)
        for t in range(1, 30):
            averaged(average, p, t, 0.9)
        assert np.array_equal(to_host(average), to_host(p))


def test_the_first_average_is_a_tenth_of_the_start_and_nine_of_the_first_step():
    average = np.array([10.0])
    averaged(average, np.array([20.0]), 1, 0.9)
    assert math.isclose(average[0], 0.1 * 10 + 0.9 * 20, rel_tol=1e-15)


@given(st.integers(1, 60), st.floats(0, 0.99))
def test_the_weight_of_every_step_in_the_average_is_known(steps, decay):
    """Step s counts (1 - d_s) d_{s+1} ... d_t; once t / (t + 9) is above the decay that is the plain average."""
    p, average = SEED.normal((steps + 1, 5), "float64"), SEED.normal((steps + 1, 5), "float64")[0].copy()
    d = [min(decay, t / (t + 9)) for t in range(1, steps + 1)]
    w = [math.prod(d)] + [(1 - d[s]) * math.prod(d[s + 1:]) for s in range(steps)]
    for t in range(1, steps + 1):
        averaged(average, p[t], t, decay)
    assert math.isclose(sum(w), 1) and np.allclose(average, w @ p, rtol=1e-12, atol=1e-12)
    warm = next((t for t in range(1, steps + 1) if t / (t + 9) >= decay), steps + 1)
    assert all(math.isclose(w[s], (1 - decay) * decay**(steps - s), abs_tol=1e-15) for s in range(warm, steps + 1))


# ---- nets ------------------------------------------------------------------------------------------------------------
def double(tree):
    return trees.map(lambda a: a.astype("float64"), tree)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (0, 3)])
def test_an_affine_map_is_one_of_the_last_axis_and_another_autodiff_agrees(shape):
    x, W, b = SEED("x").normal(shape, "float64"), SEED("W").normal((3, 5), "float64"), SEED("b").normal(5, "float64")
    y, kept = affine(x, W, b), x.copy()
    assert y.shape == shape[:-1] + (5,) and np.allclose(y, np.einsum("...i,ij->...j", x, W) + b, rtol=1e-13, atol=1e-14)
    assert np.array_equal(x, kept)
    f    = value_and_grad(lambda a: xp.sum(xp.sin(affine(*a))))
    ours = f([x, W, b])
    with use("autograd"):
        near(ours, f([x, W, b]))


def near(ours, theirs, tolerance=1e-12):
    for a, b in zip(trees.leaves(ours), trees.leaves(theirs)):
        assert a.shape == b.shape and a.dtype == b.dtype == "float64"
        assert np.max(abs(a - b), initial=0) <= tolerance * np.max(abs(b), initial=1e-300)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes, heads", [((3, 4), 1), ((3, 4), 3), ((3, 6, 5, 4), 1), ((3, 6, 4), 2)])
def test_a_net_has_its_sizes_and_heads_and_another_autodiff_agrees(sizes, heads, activation):
    init, apply = mlp(sizes, activation, heads)
    params      = init(SEED)
    assert [layer["W"].shape for layer in params] == [*zip(sizes[:-1], sizes[1:])] + [sizes[-2:]] * (heads - 1)
    assert all(leaf.dtype == "float32" for leaf in trees.leaves(params))
    assert not any(layer["b"].any() for layer in params)
    params, x = double(params), SEED("x").normal((7, 3), "float64")
    ys = apply(params, x)
    assert isinstance(ys, tuple) and [y.shape for y in ys] == [(7, sizes[-1])] * heads
    h = x
    for layer in params[:len(sizes) - 2]:
        h = ACTIVATIONS[activation][0](h @ layer["W"] + layer["b"])
    assert all(np.allclose(y, h @ layer["W"] + layer["b"], rtol=1e-12, atol=1e-13)
               for y, layer in zip(ys, params[len(sizes) - 2:]))
    f    = value_and_grad(lambda params: sum(xp.sum(y**2) for y in apply(params, x)))
    ours = f(params)
    with use("autograd"):
        near(ours, f(params))


def mean_square(gain, width=1000, depth=5):
    layers = [linear(width, width, gain)] * depth
    x = xp.ones((1, width), dtype="float32")
    for i, (init, apply) in enumerate(layers):
        x = ACTIVATIONS["relu"][0](apply(init(SEED(i)), x))
    return float(np.mean(x**2))


def test_relu_layers_keep_the_mean_square_at_the_start():
    """Each multiplies it by a mean of `width` squares whose expectation is 1 and whose variance is 5: together they
    deviate by 0.16. Six of these: an alarm in 10^8 draws; of one gain less the factor is 1/32."""
    bound = lambda ratio: abs(ratio - 1) < 6 * math.sqrt(5 * 5 / 1000)
    assert bound(mean_square(ACTIVATIONS["relu"][1])) and not bound(mean_square(1)) and not bound(mean_square(2))


def test_no_two_layers_draw_the_same_numbers():
    with use("strict"):
        with evaluation():
            mlp((4, 4, 4, 4), heads=3)[0](SEED)
        with evaluation(), pytest.raises(RuntimeError, match="drawn twice"):
            for _ in range(2):
                linear(4, 4)[0](SEED)


# ---- the loop --------------------------------------------------------------------------------------------------------
class Mean(Descent):
    """Learns the mean of x: the loss is |w - x|^2 / 2."""
    def init(self, stream, example):
        return {"first": xp.zeros(2, dtype="float32"), "net": [{"W": xp.zeros((1, 3), dtype="float32")}]}, {}

    def loss(self, params, stats, batch, stream):
        loss = xp.mean(xp.sum((params["net"][0]["W"] - batch["x"])**2, axis=1)) / 2
        return loss, (stats, {"first": xp.sum(params["first"]), "count": 3})

    def batches(self, data, stream, start):
        while True:
            yield data


X = np.array([[1, 2, 3], [3, 2, 1]], "float32")


def start(model, **values):
    """A state whose parameters are these numbers."""
    state = model.start(SEED, {"x": X})
    for path, value in values.items():
        trees.named(state.params)[path.replace("_", "/")][...] = value
    return state


def steps(model, state, n, x=X):
    return list(fit(model, state, model.batches({"x": xp.asarray(x)}, SEED, 0), SEED, n))


def test_it_stops_at_the_step_it_is_asked_for_and_gives_the_state_after_every_one():
    model = Mean(optimiser="sgd", lr=0.5)
    found = steps(model, model.start(SEED, {"x": X}), 4)
    assert [state.step for state, _ in found] == [1, 2, 3, 4]
    assert found[0][1] == {"loss": (1 + 4 + 9) / 2, "first": 0, "count": 3}
    assert all(isinstance(value, float) for _, metrics in found for value in metrics.values())
    assert steps(model, found[-1][0], 4) == [] and [state.step for state, _ in steps(model, found[-1][0], 6)] == [5, 6]
    assert np.allclose(found[-1][0].params["net"][0]["W"], 2 * (1 - 0.5**6), rtol=1e-6)


class Draws(Model):
    """Tells what it would draw."""
    def update(self, state, batch, stream):
        return state._replace(step=state.step + 1), {"draw": stream.uniform(dtype="float64")}


def test_every_step_draws_from_the_stream_of_its_number():
    draws = lambda start, n: [m["draw"] for _, m in fit(Draws(), State(start, {}), [None] * n, SEED, start + n)]
    assert draws(0, 4) == [float(SEED(t).uniform(dtype="float64")) for t in (1, 2, 3, 4)]
    assert draws(2, 2) == draws(0, 4)[2:] and len(set(draws(0, 4))) == 4


class Breaks(Model):
    """Its loss is no number at step 3."""
    def update(self, state, batch, stream):
        loss = xp.asarray(np.nan if state.step == 2 else 1.0)
        return state._replace(step=state.step + 1), {"fine": 1.0, "loss": loss}

    def diagnose(self, state, batch):
        return f"It was at step {state.step}."


def test_a_loss_that_is_no_number_ends_it_at_its_step():
    seen = []
    with pytest.raises(ValueError, match="^Training broke down at step 3: loss is not finite. It was at step 2.$"):
        for state, _ in fit(Breaks(), State(0, {}), [None] * 9, SEED, 9):
            seen.append(state.step)
    assert seen == [1, 2]


@pytest.mark.parametrize("model, path, value, at, message", [
    (Mean(optimiser="sgd"),          "first",   np.inf, 1,  "first is not finite"),
    (Mean(optimiser="sgd", lr=1e38), "net_0_W", 10,     1,  "params/net/0/W is not finite. Use a smaller lr than 1e"),
])
def test_what_is_not_finite_is_named_at_the_step_where_it_comes(model, path, value, at, message):
    """The loss of the last is still finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        with pytest.raises(ValueError, match=f"^Training broke down at step {at}: {message}"):
            steps(model, start(model, **{path: value}), 20)


def test_large_finite_parameters_are_no_breakdown():
    """Their squares overflow; of 1e25 the loss stays as it is."""
    model = Mean(optimiser="adam", clip=1.0)
    state = start(model, first=1e25)
    with np.errstate(over="ignore"):
        assert [metrics["first"] for _, metrics in steps(model, state, 3)] == [float(np.float32(1e25)) * 2] * 3


def test_a_step_waits_for_the_device_once():
    with use("strict"):
        model = Mean(ema=0.9, clip=1.0)
        state = model.start(SEED, {"x": xp.asarray(X)})
        backends.strict.transfers.clear()
        assert len(steps(model, state, 5)) == 5
        assert len(backends.strict.transfers) == 5


@NAMES
def test_an_update_consumes_its_state_and_a_copy_repeats_it(name):
    model = Mean(optimiser=name, lr=0.1, ema=0.5)
    state = steps(model, model.start(SEED, {"x": X}), 2)[-1][0]
    kept  = trees.map(lambda a: a.copy() if hasattr(a, "copy") else a, state)
    ends  = [steps(model, s, 5)[-1][0] for s in (state, kept)]
    assert ends[0].flat[0] is state.flat[0] and ends[0].step == 5
    same(ends[0]._replace(flat=None), ends[1]._replace(flat=None))
    assert all(np.shares_memory(leaf, ends[1].flat[0]) for leaf in trees.leaves(ends[1].params))
    assert np.array_equal(state.params["net"][0]["W"], ends[0].params["net"][0]["W"])


def same(a, b):
    assert trees.flatten(a)[1] == trees.flatten(b)[1]
    for p, q in zip(trees.leaves(a), trees.leaves(b)):
        assert np.array_equal(to_host(p), to_host(q))


def test_the_weights_are_the_average_or_the_parameters_themselves():
    stepped = (10 + X.mean(0)) / 2
    for ema, want in ((0.0, stepped), (0.05, 0.05 * 10 + 0.95 * stepped), (0.5, 0.1 * 10 + 0.9 * stepped)):
        model = Mean(optimiser="sgd", lr=0.5, ema=ema)
        state = model.start(SEED, {"x": X})
        state.flat[0][:] += 10
        if ema:
            state.moments["average"][:] += 10
        state = steps(model, state, 1)[0][0]
        found = (tree["net"][0]["W"] for tree in (state.params, model.weights(state)))
        assert all(map(np.allclose, found, (stepped, want)))


@pytest.mark.parametrize("activation, gain", [("relu", 2), ("softplus", 2), ("tanh", 1), ("sigmoid", 1), ("linear", 1)])
def test_the_weights_of_a_start_have_the_variance_that_their_activation_wants(activation, gain):
    """gain / n, of 120000 draws: within 6 standard errors of 2^1/2 / 120000^1/2; the last layer has 1 / n."""
    hidden, last = mlp((400, 300, 300), activation)[0](SEED)
    for layer, n, want in ((hidden, 400, gain), (last, 300, 1)):
        assert abs(layer["W"].var() * n / want - 1) < 6 * (2 / layer["W"].size)**0.5 and not layer["b"].any()


@pytest.mark.parametrize("t, decay, kept", [(1, 0.999, 1 / 10), (5, 0.999, 5 / 14), (91, 0.999, 0.91), (91, 0.5, 0.5)])
def test_at_first_the_average_keeps_less_than_its_decay(t, decay, kept):
    """(1 + n) / (10 + n) after n = t - 1 steps, until that is the decay."""
    average = np.zeros(3)
    averaged(average, np.ones(3), t, decay)
    assert np.allclose(average, 1 - kept, rtol=1e-14)
