"""Laws of the autoregressive models: who sees whom, exactly; what a fit must reach; drawing in order."""
import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import chi2

from backends import to_host
from backends.random import Stream
from scratch import trees
from scratch.autodiff import jacobian, sigmoid, value_and_grad
from scratch.autoregressive import FVBN, MADE, PixelCNN, chain, models, pixels
from scratch.nets import masked_mlp
from scratch.nets.masked import degrees, mask

SEED   = Stream.seed(0)("test_autoregressive")
SIGHTS = {"masked": pixels.masked_sight, "gated": pixels.gated_sight}


def every(D):
    """All rows of D bits."""
    return np.array(list(itertools.product((0, 1), repeat=D)), dtype="uint8")


def moved(params, scale=0.5):
    """Parameters without a zero among them, in float64."""
    leaves = iter(SEED("moved").split(len(trees.leaves(params))))
    return trees.map(lambda a: a.astype("float64") + scale * next(leaves).normal(a.shape, "float64"), params)


def tiny(model, D):
    """Parameters that are not 0 anywhere, and the stats of a few random examples, all in float64."""
    x = SEED("tiny").integers(0, model.levels or 2, (20, D)).astype("uint8")
    params, stats = model.init(SEED("init"), {"x": x})
    return moved(params), trees.map(lambda a: a.astype("float64") if a.dtype.kind == "f" else a, stats)


def sees(model, D, part=lambda law: law):
    """Which row of what the model says of an image sees which of its D values: where the Jacobian is not exactly 0 at
    some of a few images."""
    params, stats = tiny(model, D)
    J = jacobian(lambda x: part(model.law(params, stats, x[None]))[0])
    return np.any([J(3 * SEED("at")(i).uniform(D, "float64")) != 0 for i in range(4)], axis=(0, 2))


# ---- the masked network ----------------------------------------------------------------------------------------------
orders = st.integers(1, 7).flatmap(lambda D: st.permutations(range(D)))
hidden = st.lists(st.integers(1, 9), max_size=3).map(tuple)


@given(order=orders, hidden=hidden, heads=st.integers(1, 2))
def test_an_output_depends_on_all_that_stands_before_it_in_the_order_and_on_nothing_else(order, hidden, heads):
    init, on = masked_mlp(order, hidden, "tanh", heads)
    apply    = lambda params, x: on(params)(x)
    params, D   = moved(init(SEED)), len(order)
    place       = np.argsort(order)
    for i in range(heads):
        found = jacobian(lambda x: apply(params, x)[i])(SEED("x").normal(D, "float64"))
        assert np.array_equal(found != 0, place[:, None] > place)


@given(order=orders, hidden=hidden)
def test_the_masks_are_the_papers(order, hidden):
    m = degrees(order, hidden)
    assert [list(m[0]).index(i + 1) for i in range(len(order))] == list(order)
    for low, high in zip(m, m[1:]):
        assert set(high) <= set(range(1, max(len(order) - 1, 1) + 1)) and high.min() == 1
        assert np.array_equal(mask(low, high), [[b >= a for b in high] for a in low])
        counts = np.bincount(high, minlength=2)[1:]
        assert len(high) < len(order) or counts.max() - counts.min() <= 1             # spread evenly
    assert np.array_equal(mask(m[-1], m[0], strict=True), [[b > a for b in m[0]] for a in m[-1]])


def test_a_masked_network_says_nothing_at_the_start_and_takes_any_axes_in_front():
    init, on = masked_mlp((2, 0, 1), (4,), heads=2)
    apply    = lambda params, x: on(params)(x)
    x = SEED("x").normal((2, 5, 3))
    assert all(y.shape == x.shape and not np.any(y) and y.dtype == "float32" for y in apply(init(SEED), x))


# ---- the visible belief network --------------------------------------------------------------------------------------
def fitted(x, steps=4000):
    """FVBN on the rows x by plain descent: its params in float64, stats and gradient there."""
    model = FVBN()
    params, stats = trees.map(lambda a: a.astype("float64"), model.init(SEED, {"x": x}))
    step  = value_and_grad(lambda params: model.loss(params, stats, {"x": x}, SEED)[0])
    for _ in range(steps):
        loss, g = step(params)
        params  = trees.map(lambda p, g: p - 2 * g, params, g)
    return model, params, stats, loss, g


@pytest.mark.parametrize("counts", [(3, 1, 2, 2), (1, 4, 4, 1), (5, 1, 1, 1)])
def test_two_bits_are_learned_to_the_entropy_of_what_was_seen(counts):
    """It has as many numbers there as the law: the fit is the law, and its table the frequency."""
    x = np.repeat(every(2), counts, axis=0)
    model, params, stats, loss, g = fitted(x)
    p = np.array(counts) / sum(counts)
    assert math.isclose(loss, -np.sum(p * np.log(p)), rel_tol=1e-12)
    assert all(np.max(abs(a)) < 1e-7 for a in trees.leaves(g))
    assert math.isclose(sigmoid(model.logits(params, stats)(x)[0, 0]), np.mean(x[:, 0]), rel_tol=1e-9)


def test_a_belief_network_is_a_table_and_regressions_and_no_image_is_impossible():
    """Not even one that a first bit begins which none of 60,000 images began with, in float32."""
    model = FVBN()
    params, stats = tiny(model, 4)
    start  = np.log(stats["rates"] / (1 - stats["rates"]))
    alphas = sigmoid(params["alpha_1"] - start[0]), params["alpha_0"] + start[1:], params["alpha"]
    want   = chain.logistic_log_prob(every(4), *alphas)
    assert np.max(abs(model.log_prob(params, stats, every(4)) - want)) <= 1e-13
    stats  = {"rates": np.array([0.5 / 60001, 0.5], "float32")}
    params = {"alpha_1": np.float32(8), "alpha_0": np.zeros(1, "float32"), "alpha": np.zeros((1, 1), "float32")}
    loss   = lambda params: model.loss(params, stats, {"x": np.array([[1, 0]])}, SEED)[0]
    value, g = value_and_grad(loss)({name: np.asarray(a) for name, a in params.items()})
    assert math.isclose(value, 8 + math.log(120001) + math.log(2), rel_tol=1e-5)
    assert math.isclose(g["alpha_1"], 1, rel_tol=1e-4)


def test_a_third_bit_that_two_others_decide_together_is_beyond_a_regression():
    """x_3 = x_1 xor x_2: what is lost is its whole log 2; where x_3 = x_2, nothing is."""
    a = every(2)
    xor, copy = (np.column_stack([a, b]) for b in (a[:, 0] ^ a[:, 1], a[:, 1]))
    assert math.isclose(fitted(xor, 200)[3], 3 * math.log(2), rel_tol=1e-12)
    assert fitted(copy)[3] < 2 * math.log(2) + 2e-3


def test_at_the_start_each_bit_stands_by_itself():
    x = np.repeat(every(3), range(1, 9), axis=0)
    for model in (FVBN(), MADE(hidden=(4,)), MADE(hidden=(4,), orders=3)):
        params, stats = model.init(SEED, {"x": x})
        p    = stats["rates"].astype("float64")
        want = np.sum(np.log(np.where(every(3) == 1, p, 1 - p)), axis=1)
        assert np.max(abs(model.log_prob(params, stats, every(3)) - want)) < 1e-6


def test_orders_are_permutations_and_each_is_another():
    """Of 16 columns: a false alarm in 10^12."""
    orders = MADE(hidden=(4,), orders=6).init(SEED, {"x": np.eye(16, dtype="uint8")})[1]["orders"].tolist()
    assert len(set(map(tuple, orders))) == 6 and all(sorted(order) == list(range(16)) for order in orders)


def test_examples_of_all_orders_are_drawn_in_turns_and_each_with_noise_of_its_own(monkeypatch):
    """300 of 3: that one is missing, or that they come one order after the other, is a false alarm in 10^50."""
    noise = []
    monkeypatch.setattr(models, "draw_bits", lambda stream, logits, n, order:
                        noise.append(stream.uniform(3, "float64")) or np.full((n, len(order)), len(noise)))
    model = MADE(hidden=(4,), orders=3)
    x     = model.sample(*model.init(SEED, {"x": every(9)}), SEED, 300)
    assert set(x[:, 0]) == {1, 2, 3} and (x == x[:, :1]).all() and (np.diff(x[:, 0]) < 0).any()
    assert len(np.unique(noise)) == 9


def test_a_pixelcnn_sees_levels_from_their_mean_on_in_units_of_their_deviation():
    x     = np.array([[0, 4], [2, 4]], "uint8")
    model = PixelCNN(levels=5, shape=(1, 2), channels=2, layers=1, kernel=3)
    params, stats = model.init(SEED, {"x": x})
    assert stats["centre"].tolist() == [1, 4] and math.isclose(stats["scale"], x.std(), rel_tol=1e-6)
    assert model.init(SEED, {"x": 0 * x})[1]["scale"] == 1
    params = moved(params)
    law    = model.law(params, stats, x)
    assert np.allclose(model.law(params, {"centre": 3 * stats["centre"] - 2, "scale": 3 * stats["scale"]}, 3.0 * x - 2),
                       law, rtol=1e-6) and np.ptp(law[:, 1], axis=0).max() > 1e-3


@pytest.mark.parametrize("net", models.NETS)
def test_at_the_start_a_pixelcnn_says_the_same_of_each_pixel_and_spreads_its_components_over_the_range(net):
    def law(output):
        model = PixelCNN(net=net, output=output, levels=5, shape=(2, 2), channels=2, mixture=4)
        return model.law(*model.init(SEED, {"x": every(4)}), every(4))
    assert np.allclose(law("categorical"), -math.log(5), rtol=1e-6)
    logits, mu, log_s, _ = law("logistics")
    assert not np.any(logits) and np.allclose(mu, [1 / 8, 3 / 8, 5 / 8, 7 / 8]) and np.allclose(log_s, math.log(1 / 8))


# ---- who sees whom, in the models ------------------------------------------------------------------------------------
BITS = {"fvbn": FVBN(), "made": MADE(hidden=(5, 4), activation="tanh"), "made, orders": MADE(hidden=(5,), orders=3)}
SQUARES = {f"{net}, {kernel}": PixelCNN(net=net, kernel=kernel, channels=4, layers=2, shape=(3, 3), levels=2)
           for net in models.NETS for kernel in (3, 5)}


@pytest.mark.parametrize("model", list({**BITS, **SQUARES}.values()), ids=list({**BITS, **SQUARES}))
@pytest.mark.parametrize("D", [1, 9])
def test_a_change_of_a_bit_moves_the_laws_of_the_later_ones_alone_and_of_all_of_them(model, D):
    """By perturbation: log P(x) less that of a prefix does not depend on what comes later, so sums over it are 1. Full
    below the diagonal but for the blind spot."""
    model = dataclasses.replace(model, shape=(1, 1) if D == 1 else (3, 3)) if hasattr(model, "shape") else model
    params, stats = tiny(model, D)
    found = np.zeros((D, D), bool)
    order = to_host(stats["orders"][0]) if "orders" in stats else np.arange(D)
    for x in every(D)[::37] if D > 1 else every(D):
        for j in range(D):
            pair = np.stack([x, x])
            pair[1, j] ^= 1
            a, b = laws(model, params, stats, pair)
            found[:, j] |= a != b
    blind = pixels.unseen((3, 3), (3, 3), 2) if getattr(model, "net", "") == "masked" and model.kernel == 3 and D > 1 \
        else np.zeros((D, D), bool)
    assert np.array_equal(found, np.tril(np.ones((D, D), bool), -1)[np.ix_(*[np.argsort(order)] * 2)] & ~blind)


def laws(model, params, stats, x):
    """P(x_d = 1 | those before) of each bit, [B, D], or logits of it."""
    if isinstance(model, PixelCNN):
        return model.law(params, stats, x)[..., 1]
    if isinstance(model, MADE):
        return model.logits(params, stats, stats["orders"][0])(x)
    return model.logits(params, stats)(x)


# ---- masks on kernels ------------------------------------------------------------------------------------------------
@given(kh=st.sampled_from((1, 3, 5)), kw=st.sampled_from((1, 3, 5)), c_in=st.integers(1, 5), c_out=st.integers(1, 5),
       colours=st.integers(1, 3), first=st.booleans())
def test_a_kernels_mask_lets_through_what_is_drawn_earlier(kh, kw, c_in, c_out, colours, first):
    found, rows = pixels.kernel_mask((kh, kw), c_in, c_out, colours, first), pixels.rows_mask((kh, kw), first)
    for i, j, a, b in np.ndindex(kh, kw, c_in, c_out):
        theirs, ours = (i - kh // 2, j - kw // 2, a % colours), (0, 0, b % colours)       # row, column, colour
        assert found[i, j, a, b] == (theirs < ours or theirs == ours and not first)
        assert rows[i, j, 0, 0] == (i < kh // 2 or i == kh // 2 and not first)


@pytest.mark.parametrize("net", models.NETS)
@pytest.mark.parametrize("shape, kernel, layers", [((8, 8), 3, 7), ((8, 8), 5, 3), ((3, 3), 3, 2), ((4, 6), 3, 3)])
def test_what_is_never_seen_is_counted_exactly(net, shape, kernel, layers):
    """Weights above 0 and inputs at which all that is seen has a slope: reachability is the Jacobian's support. The
    masked stack has a blind spot; two stacks deep enough for the image have none."""
    blind = pixels.unseen(shape, (kernel, kernel), layers, SIGHTS[net])
    n     = math.prod(shape)
    init, apply = models.NETS[net]((kernel, kernel), 1, 1, 1, layers, 1)
    params = trees.map(lambda a: a.astype("float64") * 0 + 0.05, init(SEED))
    f      = lambda x: apply(params, x.reshape(1, *shape, 1)).reshape(n)
    found  = jacobian(f)(np.full(n, 0.1))
    assert np.array_equal(found != 0, np.tril(np.ones((n, n), bool), -1) & ~blind)
    assert (blind.sum() == 0) == (net == "gated" and (layers + 1) * (kernel // 2) >= max(shape[1] - 1, shape[0] - 1))


def test_the_blind_spot_of_the_masked_stack_does_not_go_away_with_depth():
    """With 3 x 3 kernels a row above reaches one pixel on to the right: on 8 x 8, of row r and column c, those of row
    r - k beyond column c + k, and 322 in all; kernels of 5 reach twice as far: 146."""
    def beyond(reach):
        return sum(max(7 - c - reach * k, 0) for r in range(8) for c in range(8) for k in range(1, r + 1))
    for kernel, count in ((3, 322), (5, 146)):
        for layers in (8, 16):
            assert pixels.unseen((8, 8), (kernel, kernel), layers).sum() == count == beyond(kernel // 2)
            assert pixels.unseen((8, 8), (kernel, kernel), layers, pixels.gated_sight).sum() == 0


@pytest.mark.parametrize("net", models.NETS)
def test_a_colour_sees_the_pixels_before_and_of_its_own_red_then_green_then_blue(net):
    found = sees(PixelCNN(net=net, channels=12, kernel=3, layers=2, shape=(2, 3, 3), levels=4), 18)
    blind = np.kron(pixels.unseen((2, 3), (3, 3), 2, SIGHTS[net]), np.ones((3, 3), bool))
    assert np.array_equal(found, np.tril(np.ones((18, 18), bool), -1) & ~blind)
    assert found[1, 0] and found[2, 0] and found[2, 1] and np.any(blind) == (net == "masked")


def test_of_a_mixture_the_network_sees_earlier_pixels_alone_and_colours_move_the_means():
    model = PixelCNN(net="gated", output="logistics", channels=4, layers=2, mixture=2, shape=(2, 3, 3), levels=4)
    for i in range(4):                                                                   # logits, mu, log_s, coef
        found = sees(model, 18, lambda law: law[i].reshape(1, 6, -1))
        assert np.array_equal(found, np.repeat(np.tril(np.ones((6, 6), bool), -1), 3, axis=1))


def test_a_gate_is_tanh_times_sigmoid():
    a = SEED("gate").normal((3, 4), "float64")
    assert np.allclose(pixels.gate(a), np.tanh(a[:, :2]) / (1 + np.exp(-a[:, 2:])), rtol=1e-14)


def test_layers_that_say_nothing_leave_a_masked_stack_as_it_is():
    (init, deep), (_, flat) = (pixels.masked_stack((3, 3), 1, 4, 2, layers, 1) for layers in (2, 0))
    params = moved(init(SEED))
    quiet  = {name: trees.map(np.zeros_like, p) if name.startswith("layer") else p for name, p in params.items()}
    x      = SEED("x").normal((2, 3, 3, 1), "float64")
    assert np.array_equal(deep(quiet, x), flat({name: params[name] for name in ("in", "out")}, x))


# ---- the wrong masks of others ---------------------------------------------------------------------------------------
def without_its_row(M, first):
    """Mask B that is 0 in the row of the middle."""
    if not first:
        M[len(M) // 2] = False


def without_colours(M, first):
    """Masks that see all colours of a pixel, or none."""
    M[len(M) // 2, M.shape[1] // 2] = not first


def colours_turned(M, first):
    """Blue sees nothing of its pixel, red both others."""
    M[len(M) // 2, M.shape[1] // 2] = M[len(M) // 2, M.shape[1] // 2].T


@pytest.mark.parametrize("change", [without_its_row, without_colours, colours_turned])
def test_and_wrong_masks_are_seen(monkeypatch, change):
    model = PixelCNN(channels=12, kernel=3, layers=1, shape=(2, 3, 3), levels=4)
    right = sees(model, 18)
    mask  = pixels.kernel_mask

    def wrong(kernel, c_in, c_out, colours, first):
        M = mask(kernel, c_in, c_out, colours, first)
        if c_in == c_out:
            change(M, first)
        return M
    monkeypatch.setattr(pixels, "kernel_mask", wrong)
    assert np.any(sees(model, 18) != right)


# ---- drawing in order ------------------------------------------------------------------------------------------------
DRAWN = {**BITS, **SQUARES,
         "colours":   PixelCNN(channels=6, layers=1, shape=(2, 2, 3), levels=3),
         "logistics": PixelCNN(net="gated", output="logistics", channels=4, layers=1, mixture=2, shape=(2, 2, 3),
                               levels=3)}


@pytest.mark.parametrize("name", ["colours", "logistics"])
def test_all_images_in_colour_are_as_probable_together_as_one(name):
    model = dataclasses.replace(DRAWN[name], shape=(1, 3, 3), levels=2)
    params, stats = tiny(model, 9)
    assert abs(np.exp(model.log_prob(params, stats, every(9))).sum() - 1) <= 1e-12


@pytest.mark.parametrize("name", DRAWN)
def test_drawing_asks_the_network_once_for_each_value_whatever_the_batch(name, monkeypatch):
    """Where a pixel's colours are said at once, for each pixel; in K orders, K times."""
    model = DRAWN[name]
    D     = math.prod(getattr(model, "shape", (9,)))
    params, stats = tiny(model, D)
    calls = []
    def counted(f):
        return lambda *args: calls.append(1) or f(*args)
    if hasattr(model, "law_at"):
        monkeypatch.setattr(type(model), "law_at", counted(type(model).law_at))
    else:
        logits = type(model).logits
        monkeypatch.setattr(type(model), "logits", lambda *args: counted(logits(*args)))
    for n in (1, 50):
        calls.clear()
        x = model.sample(params, stats, SEED("x"), n)
        assert x.shape == (n, D) and x.dtype == "int64" and np.all((x >= 0) & (x < (getattr(model, "levels") or 2)))
        assert len(calls) == {"logistics": 4, "made, orders": 3 * D}.get(name, D)


@pytest.mark.parametrize("net", models.NETS)
@pytest.mark.parametrize("output", models.OUTPUTS)
@pytest.mark.parametrize("shape, kernel, layers", [((4, 7), 3, 1), ((5, 3, 2), 3, 0), ((3, 6), 5, 1), ((3, 3), 1, 2)])
def test_the_law_of_one_pixel_needs_no_more_than_the_part_of_the_image_that_it_sees(net, output, shape, kernel, layers):
    model = PixelCNN(net=net, output=output, channels=4, layers=layers, kernel=kernel, mixture=2, shape=shape, levels=3)
    D, (h, w, *_) = math.prod(shape), shape
    params, stats = tiny(model, D)
    x     = SEED("x").integers(0, 3, (5, D))
    whole = model.law(params, stats, x)
    for r, c in np.ndindex(h, w):
        here = model.law_at(params, stats, x, r, c)
        if output == "categorical":
            C = D // (h * w)
            assert np.max(abs(here - whole[:, (r * w + c) * C:(r * w + c + 1) * C])) <= 1e-13
        else:
            assert all(np.max(abs(a - b[:, r * w + c, None]), initial=0) <= 1e-13 for a, b in zip(here, whole))


@pytest.mark.parametrize("name", [name for name in DRAWN if name not in ("logistics", "made, orders")])
def test_the_probabilities_that_were_drawn_by_are_those_of_the_sample(name, monkeypatch):
    """Of each value when it was drawn, later ones not yet there; multiplied they are P(x)."""
    model = DRAWN[name]
    params, stats = tiny(model, math.prod(getattr(model, "shape", (9,))))
    told, C = [], (*getattr(model, "shape", ()), 1, 1, 1)[2]
    right = chain.ancestral

    def watched(stream, x, groups, conditional, draw):
        def drawn(stream, said, group):
            k = draw(stream, said, group)
            if said.ndim == 3:
                here = slice(group.start % C, group.start % C + 1)
                told.append(np.take_along_axis(said[:, here], k[..., None], -1)[:, 0, 0])
            else:
                told.append(chain.logit_log_prob(k, said[:, group]))
            return k
        return right(stream, x, groups, conditional, drawn)
    monkeypatch.setattr(chain, "ancestral", watched)
    x = model.sample(params, stats, SEED("x"), 30)
    assert np.max(abs(sum(told) - model.log_prob(params, stats, x))) <= 1e-12 * 30


def test_what_is_given_stays_and_columns_are_drawn_in_their_order():
    seen = []
    def draw(stream, said, group):
        seen.append((group, said.copy()))
        return said[:, group] + 1 + len(seen)
    x = np.zeros((2, 3), "int64")
    y = chain.ancestral(SEED, x, (2, 0), lambda x, group: x, draw)
    assert [group for group, _ in seen] == [2, 0] and np.array_equal(seen[1][1], [[0, 0, 2]] * 2)
    assert not np.any(x) and np.array_equal(y, [[3, 0, 2]] * 2)


@pytest.mark.parametrize("name", ["colours", "logistics"])
def test_levels_in_colour_are_drawn_as_frequently_as_they_are_probable(name):
    """One pixel of three colours and three levels: chi-square over the 27 images, a false alarm in 10^9."""
    model = dataclasses.replace(DRAWN[name], shape=(1, 1, 3))
    params, stats = tiny(model, 3)
    x, n  = np.array(list(itertools.product(range(3), repeat=3)), "uint8"), 50000
    p     = np.exp(model.log_prob(params, stats, x))
    count = np.bincount(model.sample(params, stats, SEED("colours"), n) @ [9, 3, 1], minlength=27)
    rare  = n * p < 5
    count, want = (np.append(a[~rare], a[rare].sum() + 1e-9) for a in (count, n * p))
    assert abs(p.sum() - 1) <= 1e-12
    assert np.sum((count - want)**2 / want) <= chi2.isf(1e-9, len(want) - 1)


# ---- extremes --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mixture_of_narrow_laws_has_a_finite_gradient(dtype):
    """s = e^-7 of the whole range, and levels far from every mean."""
    model = PixelCNN(output="logistics", mixture=2, channels=2, layers=0, shape=(1, 2), levels=256)
    params, stats = trees.map(lambda a: a.astype(dtype), tiny(model, 2))
    out   = params["out"] | {"W": 0 * params["out"]["W"], "b": np.array([0, 0, 0, 0, *[math.log(4) - 7] * 2], dtype)}
    batch = {"x": np.array([[0, 255], [255, 0], [100, 127]], "uint8")}
    value, found = value_and_grad(lambda out: model.loss(params | {"out": out}, stats, batch, SEED)[0])(out)
    assert np.isfinite(value) and all(np.all(np.isfinite(g)) for g in trees.leaves(found)) and value.dtype == dtype
    assert np.any(found["b"][2:4] != 0)


# ---- the door --------------------------------------------------------------------------------------------------------
def test_images_that_do_not_go_together_with_the_hyper_parameters_are_named():
    x = np.zeros((4, 12), "uint8")
    for hyper, what in ((dict(shape=(2, 3)),                 "shape=(2, 3), but examples have 12"),
                        (dict(shape=(2, 2, 3, 1)),           "shape=(2, 2, 3, 1), but examples have 12"),
                        (dict(shape=(2, 2, 3), channels=8),  "channels=8, which 3 colours do not divide")):
        with pytest.raises(ValueError) as error:
            PixelCNN(levels=2, **hyper).init(SEED, {"x": x})
        assert str(error.value).startswith(what)
    with pytest.raises(ValueError, match="kernel=4 is even"):
        PixelCNN(kernel=4)
