"""Laws of bijections, one loop over all of them, and of the flows that are made of them."""
import functools
import itertools
import math

import numpy as np
import pytest

from backends import no_sync, to_host, use, xp
from backends.random import Stream
from scratch import trees
from scratch.autodiff import grad, jacobian
from scratch.autoencoders import VAE, vae
from scratch.data import Data, bits_per_dim
from scratch.flows import FLOWS, Flow, bijections, chained, change, inverted, models
from scratch.flows.models import MASKS
from scratch.probability.distributions import logistic_log_prob
from scratch.train import fit

SEED   = Stream.seed(0)("test_flows")
SIZES  = (1, 2, 5)
HIDDEN = (7,), "tanh"


def alternating(D):
    return [d % 2 == 0 for d in range(D)]


#    name                  of D numbers
INSTANCES = {
    "diagonal":            bijections.diagonal,
    "lower":               bijections.lower,
    "lu":                  bijections.lu,
    "one mirror":          lambda D: bijections.orthogonal(D, 1),
    "D mirrors":           lambda D: bijections.orthogonal(D, D),
    "coupling":            lambda D: bijections.coupling(alternating(D), *HIDDEN),
    "coupling, all stays": lambda D: bijections.coupling([True] * D, *HIDDEN),
    "coupling, all moves": lambda D: bijections.coupling([False] * D, *HIDDEN),
    "additive":            lambda D: bijections.additive(alternating(D), *HIDDEN),
    "maf":                 lambda D: bijections.maf(tuple(range(D)), *HIDDEN),
    "maf, mixed":          lambda D: bijections.maf(tuple((d + D // 2) % D for d in range(D)), *HIDDEN),
    "maf, straight":       lambda D: bijections.maf(tuple(range(D)), (), "tanh"),
    "iaf":                 lambda D: bijections.iaf(tuple(range(D)), *HIDDEN),
    **{f"flow {name}":     lambda D, name=name: Flow(flow=name, layers=3, hidden=(5,), activation="tanh").bijection(D)
       for name in FLOWS},
}
over  = pytest.mark.parametrize("name", INSTANCES)
sizes = pytest.mark.parametrize("D", SIZES)


def at(params, scale=0.3):
    """Somewhere else than at the start, in float64."""
    leaves, structure = trees.flatten(params)
    return trees.build(structure, [a.astype("float64") + scale * SEED(i).normal(a.shape, "float64")
                                   for i, a in enumerate(leaves)])


@functools.cache
def instance(name, D):
    """(forward, inverse) at some params, and those."""
    f = INSTANCES[name](D)
    p = at(f.init(SEED(name)))
    return functools.partial(f.forward, p), functools.partial(f.inverse, p)


def points(D, n=6):
    return 1.5 * SEED("points").normal((n, D), "float64")


def log_normal(z):
    return -np.sum(z * z + math.log(2 * math.pi), axis=-1) / 2


# ---- the laws --------------------------------------------------------------------------------------------------------
def round_trip(forward, inverse, x):
    """There and back both ways, and the log_dets cancel."""
    for f, g in ((forward, inverse), (inverse, forward)):
        y, there = f(x)
        z, back  = g(y)
        assert np.max(abs(z - x)) <= 1e-10 and np.max(abs(there + back)) <= 1e-10


def log_det_of_the_jacobian(forward, inverse, x):
    """By autodiff, and by complex step, which knows nothing of it."""
    for f in (forward, inverse):
        for x_n in x:
            y, log_det = f(x_n)
            J    = jacobian(lambda x: f(x)[0])(x_n)
            step = np.stack([f(x_n + 1e-30j * e)[0].imag / 1e-30 for e in np.eye(len(x_n))], axis=1)
            assert y.shape == x_n.shape and np.shape(log_det) == ()
            assert np.allclose(J, step, rtol=0, atol=1e-12 * np.max(abs(J)))
            assert abs(np.linalg.slogdet(J)[1] - log_det) <= 1e-9


def one_density(forward, inverse):
    """Of the plane, by the trapezoid rule."""
    t = np.linspace(-30, 30, 601)
    p = [np.exp(change.log_prob(np.stack([np.full_like(t, a), t], axis=1), inverse, log_normal)) for a in t]
    assert abs(np.sum(p) * (t[1] - t[0])**2 - 1) <= 1e-6


@over
@sizes
def test_a_bijection_comes_back_both_ways_and_its_log_dets_cancel(name, D):
    round_trip(*instance(name, D), points(D))


@over
@sizes
def test_its_log_det_is_that_of_its_jacobian(name, D):
    log_det_of_the_jacobian(*instance(name, D), points(D, 3))


@over
def test_its_density_integrates_to_one(name):
    one_density(*instance(name, 2))


@over
@sizes
def test_points_do_not_see_each_other_whatever_the_axes_in_front(name, D):
    x = points(D)
    for f in instance(name, D):
        y, log_det = f(x)
        folded, theirs = f(x.reshape(2, 3, D))
        assert np.allclose(folded.reshape(6, D), y, rtol=0, atol=1e-13)
        assert np.allclose(np.broadcast_to(theirs, (2, 3)).ravel(), np.broadcast_to(log_det, 6), rtol=0, atol=1e-13)
        for n in range(6):
            assert np.allclose(f(x[n])[0], y[n], rtol=0, atol=1e-13)


@over
@sizes
def test_float32_stays_and_a_device_does_not_wait(name, D):
    f    = INSTANCES[name](D)
    p, x = trees.map(lambda a: a.astype("float32"), at(f.init(SEED(name)))), points(D).astype("float32")
    for way in ("forward", "inverse"):
        here = getattr(f, way)(p, x)
        with use("strict"):
            there_p, there_x = trees.map(xp.asarray, p), xp.asarray(x)
            with no_sync():
                there = getattr(f, way)(there_p, there_x)
            there = [to_host(a) if hasattr(a, "dtype") else a for a in there]
        for a, b in zip(here, there):
            assert getattr(a, "dtype", "float32") == getattr(b, "dtype", "float32") == "float32"
            assert np.allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("first, second", [*itertools.permutations(
    ("lu", "coupling", "maf", "iaf", "D mirrors"), 2)])
def test_one_after_the_other_the_images_are_the_images_and_the_log_dets_add_up(first, second):
    D, x   = 3, points(3)
    f, g   = INSTANCES[first](D), INSTANCES[second](D)
    p, q   = at(f.init(SEED("f"))), at(g.init(SEED("g")))
    both   = chained([f, g])
    y, one = f.forward(p, x)
    y, two = g.forward(q, y)
    found, log_det = both.forward([p, q], x)
    assert np.array_equal(found, y) and np.array_equal(log_det, 0.0 + one + two)
    round_trip(functools.partial(both.forward, [p, q]), functools.partial(both.inverse, [p, q]), x)
    for a, b in zip(inverted(both).inverse([p, q], x), (y, log_det)):
        assert np.array_equal(a, b)
    again = both.init(SEED)
    assert len(again) == 2 and trees.flatten(again[0])[1] == trees.flatten(p)[1]


def test_each_bijection_of_a_chain_starts_with_a_draw_of_its_own():
    a, b = chained([bijections.orthogonal(3, 2)] * 2).init(SEED)
    assert not np.array_equal(a["V"], b["V"])


# ---- wrong ones go red -----------------------------------------------------------------------------------------------
def overwritten(x, maps):
    for f in maps:
        x, log_det = f(x)
    return x, log_det


def other_sign(f):
    return lambda *args: (lambda y, log_det: (y, -log_det))(*f(*args))


def of_all(x, mask, net):
    s, t = net(xp.where(mask, x, 0))
    return x * xp.exp(xp.where(mask, 0, s)) + xp.where(mask, 0, t), xp.sum(s, axis=-1)


def of_mirrors(householder):
    return lambda x, V: householder(x, V[:1])


def of_another_order(inverse):
    return lambda z, net, order: inverse(z, net, order[::-1])


#    what is wrong                           where                     of the right one           where it shows
WRONG = [
    ("a log_det replaces those before it",   "compose",                lambda f: overwritten,     "flow maf"),
    ("the sign of a coupling's log_det",     "coupling",               other_sign,                "coupling"),
    ("the same, of its inverse",             "coupling_inverse",       other_sign,                "coupling"),
    ("a log_det of all columns",             "coupling",               lambda f: of_all,          "coupling"),
    ("the sign of MAF's log_det",            "autoregressive",         other_sign,                "maf"),
    ("the sign of IAF's",                    "autoregressive_inverse", other_sign,                "iaf"),
    ("the sign of a triangle's",             "triangular_inverse",     other_sign,                "lower"),
    ("an order that is not the network's",   "autoregressive_inverse", of_another_order,          "maf"),
    ("one mirror of many",                   "householder",            of_mirrors,                "D mirrors"),
]


@pytest.mark.parametrize("about, where, wrong, name", WRONG)
def test_a_wrong_one_breaks_a_law(monkeypatch, about, where, wrong, name):
    monkeypatch.setattr(change, where, wrong(getattr(change, where)))
    forward, inverse = instance(name, 5)
    with pytest.raises(AssertionError):
        round_trip(forward, inverse, points(5))
        log_det_of_the_jacobian(forward, inverse, points(5, 2))


# ---- linear ones -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["diagonal", "lower", "lu", "one mirror", "D mirrors", "flow svd"])
def test_a_linear_map_sends_the_covariance_to_a_sigma_a_transposed(name):
    """Of points whose covariance is Sigma, exactly; A^T Sigma A is another, but for a diagonal and one mirror."""
    forward, _ = instance(name, 3)
    B     = points(3, 3) + 2 * np.eye(3)
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=3)))
    A     = jacobian(lambda z: forward(z)[0])(np.zeros(3))
    y     = forward(signs @ B.T)[0]
    d     = y - y.mean(0)
    assert np.allclose(d.T @ d / 8, A @ B @ B.T @ A.T, rtol=1e-12, atol=1e-12)
    if name not in ("diagonal", "one mirror"):
        assert np.max(abs(d.T @ d / 8 - A.T @ B @ B.T @ A)) > 0.1


@pytest.mark.parametrize("mirrors", [1, 2, 4, 6])
def test_mirrors_are_orthogonal_and_each_turns_the_sign_of_the_determinant(mirrors):
    V = points(4, mirrors)
    Q = change.householder(np.eye(4), V)[0].T
    assert np.max(abs(Q.T @ Q - np.eye(4))) <= 1e-14 * mirrors
    assert math.isclose(np.linalg.det(Q), (-1)**mirrors, rel_tol=1e-13)
    assert np.allclose(change.householder(V[0], V[:1])[0], -V[0], rtol=0, atol=1e-14)


@sizes
def test_lu_is_the_product_of_its_triangles_and_finds_what_numpy_finds(D):
    A    = at({"A": np.zeros((D, D))})["A"]
    L, U = np.tril(A, -1) + np.eye(D), np.triu(A, 1) + np.diag(np.exp(np.diag(A)))
    f, b = bijections.lu(D), np.arange(float(D))
    y, log_det = f.forward({"A": A, "b": b}, x := points(D))
    x_back, _  = f.inverse({"A": A, "b": b}, y)
    assert np.allclose(y, x @ (L @ U).T + b, rtol=1e-14, atol=1e-14)
    assert math.isclose(log_det, np.linalg.slogdet(L @ U)[1], rel_tol=1e-12, abs_tol=1e-14)
    assert np.allclose(x_back, np.linalg.solve(L @ U, (y - b).T).T, rtol=1e-12, atol=1e-12)
    assert math.isclose(log_det, np.sum(np.diag(A)), rel_tol=1e-14)


def correlated(n=500):
    """Float64 columns of which each leans on those before it, in units of their deviation."""
    x = SEED("normal").normal((n, 3), "float64") @ np.array([[1, 0.8, -0.5], [0, 1, 0.7], [0, 0, 1.0]])
    return (x - x.mean(0)) / x.std(0)


@pytest.mark.parametrize("flow", ["triangular", "lu", "svd"])
def test_a_linear_flow_learns_the_most_likely_normal_law_and_none_is_likelier(flow):
    x     = correlated()
    best  = -(3 * math.log(2 * math.pi) + np.linalg.slogdet(np.cov(x.T, bias=True))[1] + 3) / 2
    model = Flow(flow=flow, lr=0.03, ema=0.0, batch_size=500)

    def gap(steps):
        *_, (state, _) = fit(model, model.start(SEED("init"), {"x": x}),
                             model.batches({"x": x}, SEED("order"), 0), SEED("train"), steps)
        params, stats = trees.map(lambda a: a.astype("float64"), (state.params, state.stats))
        return best - model.log_prob(params, stats, x).mean()
    assert -1e-12 <= gap(400) <= 1e-4 < gap(5)


def test_the_most_likely_triangle_is_choleskys_and_its_slope_is_zero():
    x     = correlated()
    L     = np.linalg.cholesky(np.cov(x.T, bias=True))
    model = Flow(flow="triangular")
    stats = {"centre": np.zeros(3), "scale": np.ones(3)}
    A     = np.tril(L, -1) + np.diag(np.log(np.diag(L)))
    slope = jacobian(lambda A: xp.mean(model.density([{"A": A, "b": np.zeros(3)}], stats, x)))
    best  = -(3 * math.log(2 * math.pi) + np.linalg.slogdet(L @ L.T)[1] + 3) / 2
    assert math.isclose(model.log_prob([{"A": A, "b": np.zeros(3)}], stats, x).mean(), best, rel_tol=1e-13)
    assert np.max(abs(np.tril(slope(A)))) <= 1e-13 and np.max(abs(np.tril(slope(A + 0.1)))) > 0.01


# ---- with networks ---------------------------------------------------------------------------------------------------
@sizes
def test_a_coupling_leaves_what_stays_to_the_last_bit(D):
    for name in ("coupling", "additive"):
        for f in instance(name, D):
            x = points(D)
            y, _ = f(x)
            stays = np.array(alternating(D))
            assert np.array_equal(y[:, stays], x[:, stays]) and (y[:, ~stays] != x[:, ~stays]).all()


def test_an_additive_coupling_keeps_volumes():
    assert all((f(points(5))[1] == 0).all() for f in instance("additive", 5))


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_of_an_autoregressive_map_each_number_depends_on_those_before_it_and_on_all_of_them(order):
    f     = bijections.maf(order, *HIDDEN)
    p     = at(f.init(SEED))
    place = np.argsort(order)
    for way in (f.forward, f.inverse):
        J = jacobian(lambda x: way(p, x)[0])(points(4)[0])
        assert np.array_equal(J != 0, place[:, None] >= place)


@sizes
def test_iaf_is_maf_turned_round_with_the_same_network(D):
    order    = tuple(range(D))[::-1]
    maf, iaf = bijections.maf(order, *HIDDEN), bijections.iaf(order, *HIDDEN)
    p, x     = at(maf.init(SEED)), points(D)
    y, up    = iaf.forward(p, x)
    z, down  = maf.forward(p, y)
    assert np.max(abs(z - x)) <= 1e-12 and np.max(abs(up + down)) <= 1e-12
    for a, b in zip((y, up), maf.inverse(p, x)):
        assert np.array_equal(a, b)


def test_the_sequential_direction_is_a_loop_over_the_numbers():
    """x_d = z_d e^alpha + mu, mu and alpha of a formula of one's own."""
    mu, alpha = lambda x: 0.3 * np.sum(np.sin(x)), lambda x: 0.2 * np.sum(x) / (1 + np.sum(x * x))
    net = lambda x: tuple(np.array([[f(row[:d]) for d in range(4)] for row in x]) for f in (mu, alpha))
    z, want = points(4), np.zeros((6, 4))
    for n, d in itertools.product(range(6), range(4)):
        want[n, d] = z[n, d] * np.exp(alpha(want[n, :d])) + mu(want[n, :d])
    x, log_det = change.autoregressive_inverse(z, net)
    assert np.allclose(x, want, rtol=1e-14, atol=1e-14)
    assert np.allclose(log_det, [sum(alpha(row[:d]) for d in range(4)) for row in want], rtol=1e-13)


@pytest.mark.parametrize("size", [700.0, -700.0])
def test_scales_of_700_overflow_nowhere(size):
    x, mask = points(4), np.array([True, False, True, False])
    net     = lambda x: (np.full_like(x, size), 0 * x)
    back    = lambda x: net(x)[::-1]
    maps    = [(lambda x: change.coupling(x, mask, net), lambda y: change.coupling_inverse(y, mask, net)),
               (lambda z: change.autoregressive_inverse(z, back), lambda x: change.autoregressive(x, back))]
    for (f, g), n in zip(maps, (2, 4)):
        y, there = f(x)
        z, again = g(y)
        assert np.isfinite(y).all() and (there == n * size).all() and (again == -n * size).all()
        assert np.allclose(z, x, rtol=1e-13, atol=0)
    f = bijections.lower(2)
    p = {"A": np.array([[size, 0.0], [1, -size]]), "b": np.zeros(2)}
    y, log_det = f.forward(p, np.array([[0.0, 1.5]]))
    assert log_det == 0 and np.allclose(f.inverse(p, y)[0], [[0, 1.5]], rtol=1e-13)


@pytest.mark.parametrize("name", ["coupling", "maf", "iaf"])
def test_whatever_its_network_says_a_log_det_lies_within_the_learned_bound(name):
    """Log-scales of 10^4 from the network."""
    f = INSTANCES[name](4)
    p = trees.map(lambda a: 1e4 * a, at(f.init(SEED))) | {"a": np.full(4, 0.5)}
    for way in (f.forward, f.inverse):
        y, log_det = way(p, points(4))
        assert np.isfinite(y).all() and np.max(abs(log_det)) <= 2 + 1e-12


def test_masks_take_turns_and_together_move_everything():
    for name, shape in itertools.product(MASKS, ((1,), (2,), (5,), (3, 3), (2, 2, 3))):
        even, odd, third = (np.array(MASKS[name](shape, i)) for i in range(3))
        assert even.shape == (math.prod(shape),) and np.array_equal(even, ~odd) and np.array_equal(even, third)
    board = np.reshape(MASKS["checkerboard"]((4, 4), 0), (4, 4))
    assert (board[1:] != board[:-1]).all() and (board[:, 1:] != board[:, :-1]).all()
    for n, half in ((1, 1), (4, 2), (5, 3), (9, 5)):
        assert MASKS["halves"]((n,), 0) == [True] * half + [False] * (n - half)


@pytest.mark.parametrize("make", [*(lambda name=name: Flow(flow=name, layers=3, hidden=(5,)).bijection(3)
                                    for name in ("maf", "iaf")), lambda: VAE(latent=3, iaf=3, hidden=(5,))._flow])
def test_layers_go_through_the_numbers_to_and_fro(make):
    """The Jacobian of each where all others rest."""
    f = make()
    p = at(f.init(SEED))
    for i in range(3):
        alone = [q if j == i else trees.map(np.zeros_like, q) for j, q in enumerate(p)]
        J     = jacobian(lambda z: f.forward(alone, z)[0])(points(3)[0])
        assert np.array_equal(J != 0, np.tri(3).T if i % 2 else np.tri(3))


# ---- the models ------------------------------------------------------------------------------------------------------
def tiny(flow, **more):
    """A flow somewhere, in float64, of columns with units of their own; what is learned of it, and these."""
    x     = SEED("x").normal((50, 2)) * np.array([3.0, 0.2], "float32") + 5
    model = Flow(flow=flow, layers=2, hidden=(5,), activation="tanh", **more)
    params, stats = model.init(SEED("init"), {"x": x})
    return model, at(params), trees.map(lambda a: a.astype("float64"), stats), x


@pytest.mark.parametrize("flow", FLOWS)
def test_the_density_is_of_the_data_in_units_of_their_own(flow):
    """It integrates to one there."""
    model, params, stats, _ = tiny(flow)
    t    = np.linspace(-30, 30, 601)
    grid = [stats["centre"] + stats["scale"] * np.stack([np.full_like(t, a), t], axis=1) for a in t]
    p    = [np.exp(model.log_prob(params, stats, x)) for x in grid]
    assert abs(np.sum(p) * 0.01 * np.prod(stats["scale"]) - 1) <= 1e-6


@pytest.mark.parametrize("flow", FLOWS)
def test_a_sample_is_the_base_pushed_forward(flow):
    model, params, stats, _ = tiny(flow)
    x    = model.sample(params, stats, SEED("sample"), 9)
    z    = SEED("sample")("z").normal((9, 2), "float64")
    y, _ = model.bijection(2).forward(params, z)
    assert np.array_equal(x, stats["centre"] + stats["scale"] * y)
    log_det = np.broadcast_to(model.bijection(2).forward(params, z)[1], 9)
    found   = log_normal(z) - log_det - np.sum(np.log(stats["scale"]))
    assert np.allclose(model.log_prob(params, stats, x), found, rtol=0, atol=1e-10)


@pytest.mark.parametrize("flow", FLOWS)
def test_at_the_start_a_flow_is_the_normal_law_of_its_columns(flow):
    model, _, stats, x = tiny(flow)
    params, _ = model.init(SEED("init"), {"x": x})
    want = log_normal((x - stats["centre"]) / stats["scale"]) - np.sum(np.log(stats["scale"]))
    assert np.allclose(model.log_prob(params, stats, x), want, rtol=0, atol=1e-5)


@pytest.mark.parametrize("flow", ["realnvp", "maf", "iaf"])
def test_from_the_start_on_a_network_learns_its_log_scales_too(flow):
    model, *_, x  = tiny(flow)
    params, stats = model.init(SEED("init"), {"x": x})
    slopes = grad(lambda params: model.loss(params, stats, {"x": x}, SEED)[0])(params)
    assert all(np.max(abs(slope["net"][-1]["W"])) > 1e-3 for slope in slopes)


def test_the_noise_of_a_step_is_in_units_of_the_data():
    model, params, stats, x = tiny("lu", noise=0.1)
    more = x + stats["scale"] * 0.1 * SEED("noise").normal(x.shape, "float64")
    assert math.isclose(model.loss(params, stats, {"x": x}, SEED)[0], -model.log_prob(params, stats, more).mean(),
                        rel_tol=1e-12)


def test_a_uniform_density_of_levels_has_the_logarithm_of_their_number_in_bits(monkeypatch):
    monkeypatch.setitem(FLOWS, "nothing", lambda m, shape: [])
    monkeypatch.setattr(models, "log_base", lambda z: xp.sum(xp.log(stats["scale"])) * xp.ones(len(z)))
    part  = {"x": SEED("k").integers(0, 17, (40, 6)).astype("uint8")}
    model = Flow(flow="nothing")
    found = model.view(Data(part, part, part, shape=(2, 3), levels=17), SEED("view"))
    _, stats = model.init(SEED, found.train)
    assert found.levels == 17 and found.train["x"].dtype == "float32"
    log_p = model.evaluate([], stats, found.test, SEED)["log-likelihood"]
    assert np.allclose(bits_per_dim(log_p, 6, 17), math.log2(17), rtol=1e-6)


def test_a_shape_that_the_data_do_not_have_is_refused():
    with pytest.raises(ValueError, match=r"shape=\(2, 2\) has 4 numbers, but examples have 6; expected as many\."):
        Flow(shape=(2, 2)).init(SEED, {"x": np.ones((3, 6), "float32")})


# ---- after an encoder ------------------------------------------------------------------------------------------------
def coded(iaf, levels=3, **more):
    """A small VAE of bits or levels with a flow, somewhere, in float64, and eight examples."""
    x     = SEED("levels").integers(0, levels, (8, 4)).astype("uint8")
    model = VAE(hidden=(5,), levels=levels, activation="tanh", iaf=iaf, **more)
    params, stats = model.init(SEED("init"), {"x": x})
    return model, at(params, 0.2), trees.map(lambda a: a.astype("float64"), stats), x


@pytest.mark.parametrize("latent, iaf", [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_the_weights_of_all_codes_integrate_to_the_evidence_whatever_the_flow(latent, iaf):
    """E_q[p(x, z) / q(z | x)] = log p(x), by the trapezoid rule over eps; where log q were wrong it would not be."""
    model, params, stats, x = coded(iaf, latent=latent)
    t     = np.linspace(-20, 20, 801 if latent == 1 else 401)
    eps   = np.stack(np.meshgrid(*[t] * latent), axis=-1).reshape(-1, latent)
    for x_n in model.seen(x[:2 // latent], SEED, "float64"):
        log_p, kl = model._terms(params, stats, np.tile(x_n, (len(eps), 1)), eps)
        cells = np.exp(log_p - kl + log_normal(eps) + latent * math.log(t[1] - t[0]))
        pairs = vae.pairwise(logistic_log_prob)
        want, = vae.log_evidence(x_n[None], lambda z: model._decode(params, stats, z), latent, 257, pairs)
        assert abs(math.log(cells.sum()) - want) <= 1e-9


def test_no_flow_leaves_a_vae_as_it_was_and_a_flow_at_rest_draws_its_kl():
    """Maps at the start are the identity: the ELBO is that of the weights."""
    model, params, stats, x = coded(0, latent=2)
    still, _ = coded(2, latent=2)[:2]
    params_  = params | {"flow": trees.map(lambda a: a.astype("float64"), still._flow.init(SEED))}
    assert "flow" not in model.init(SEED("init"), {"x": x})[0]
    one, two = (m.evaluate(p, stats, {"x": x}, SEED, draws=3) for m, p in ((model, params), (still, params_)))
    for name in set(one) - {"KL", "reconstruction"}:
        assert np.allclose(one[name], two[name], rtol=0, atol=1e-12)
    assert (one["KL"] != two["KL"]).all()


def test_with_a_flow_the_bounds_are_means_over_all_draws():
    model, params, stats, x = coded(1, latent=2)
    found = model.evaluate(params, stats, {"x": x}, SEED, draws=3)
    seen  = model.seen(x, SEED("x"), "float64")
    log_p, kl = map(np.stack, zip(*(model._terms(params, stats, seen, eps)
                                    for eps in SEED("eps").normal((3, 8, 2), "float64"))))
    assert np.allclose(found["ELBO"], (log_p - kl).mean(0), rtol=1e-12)
    assert np.allclose(found["KL"], kl.mean(0), rtol=1e-12) and np.ptp(kl, axis=0).min() > 1e-3


def test_a_vae_with_a_flow_learns_on_a_device_without_waiting_and_its_pictures_know_the_flow():
    model, params, stats, x = coded(2, latent=2)
    def learn():
        batch = {"x": xp.asarray(x)}
        state = model.start(SEED, batch)
        with no_sync():
            for t in range(3):
                state, metrics = model.update(state, batch, SEED(t))
        return [to_host(a) for a in trees.leaves((state.params, metrics))]
    here = learn()
    with use("strict"):
        there = learn()
    assert all(a.dtype == b.dtype == "float32" and np.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(here, there))
    shown = model.pictures(params, stats, {"x": x}, SEED)["reconstructions"]
    other = model.pictures(params | {"flow": trees.map(lambda a: 0 * a, params["flow"])}, stats, {"x": x}, SEED)
    assert np.array_equal(shown[:, 0], other["reconstructions"][:, 0])
    assert (shown[:, 1] != other["reconstructions"][:, 1]).all()


def test_a_constant_column_is_refused_and_a_template_is_not():
    x = np.stack([np.arange(5.0), np.full(5, 3.0)], axis=1)
    with pytest.raises(ValueError, match="^Column 1 of x is constant; expected numbers that vary"):
        Flow(layers=1, hidden=(3,)).start(SEED, {"x": x})
    assert Flow(layers=1, hidden=(3,)).template((2,)).step == 0
