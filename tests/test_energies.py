"""Laws of energies, on worlds that are listed: what a machine says, how it moves, what it learns from, what Z is."""
import dataclasses
import itertools
import math

import numpy as np
import pytest
from scipy import stats

from backends import no_sync, to_host, use, xp
from backends.random import Stream
from scratch import trees
from scratch.autodiff import grad
from scratch.data import load
from scratch.energies import ais, boltzmann, ebm, langevin, models
from scratch.energies.models import RBM, Boltzmann
from scratch.train import fit

SEED   = Stream.seed(0)("test_energies")
SHAPES = pytest.mark.parametrize("D, H", [(1, 1), (2, 3), (3, 2), (5, 4)])


def bits(n):
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


def law(D, H, scale=1.0):
    """W, b, c of a restricted machine, far from independent."""
    rng = np.random.default_rng(10 * D + H)
    return [scale * rng.normal(size=shape) for shape in ((D, H), D, H)]


def full(D, scale=1.0):
    """W and b of a fully visible one; W neither symmetric nor empty on the diagonal."""
    rng = np.random.default_rng(D)
    return [scale * rng.normal(size=shape) for shape in ((D, D), D)]


def soft(E):
    """The law of the energies of all states."""
    p = np.exp(-(E - E.min()))
    return p / p.sum()


def nodes(chances):
    """Points and weights that sum any function of uniforms [M] exactly which only asks if u_i < one of chances [S, M]:
    the middles of the cells between them, and their volumes."""
    edges = [np.unique(np.concatenate([[0.0], column, [1.0]])) for column in chances.T]
    grid  = lambda columns: np.array(list(itertools.product(*columns)))
    return grid([(e[1:] + e[:-1]) / 2 for e in edges]), np.prod(grid([np.diff(e) for e in edges]), axis=1)


def number(x):
    """Which of all states each row is."""
    return (x @ (1 << np.arange(x.shape[-1])[::-1])).astype(int)


def matrix(step, u, weight, n):
    """T [2^n, 2^n] of a step x, u -> x: T_xy = P(y | x), a sum over the points u."""
    rows = [np.bincount(number(step(np.broadcast_to(x, (len(u), n)), u)), weight, 1 << n) for x in bits(n)]
    return np.array(rows)


def rbm_matrix(W, b, c):
    """... of one sweep of `gibbs`."""
    D, H     = W.shape
    sigmoid  = lambda a: 1 / (1 + np.exp(-a))
    u_h, w_h = nodes(sigmoid(bits(D) @ W + c))
    u_v, w_v = nodes(sigmoid(bits(H) @ W.T + b))
    both     = np.concatenate([np.repeat(u_h, len(u_v), 0), np.tile(u_v, (len(u_h), 1))], axis=1)
    return matrix(lambda v, u: boltzmann.gibbs(v, u[:, :H], u[:, H:], W, b, c), both, np.outer(w_h, w_v).ravel(), D)


# ---- energies and Z --------------------------------------------------------------------------------------------------
@SHAPES
def test_log_z_is_that_of_all_states_of_both_layers(D, H):
    W, b, c = law(D, H, 3)
    E = np.array([[-v @ W @ h - v @ b - h @ c for h in bits(H)] for v in bits(D)])
    assert np.allclose(boltzmann.joint_energy(bits(D)[:, None], bits(H), W, b, c), E, rtol=1e-14, atol=1e-14)
    want = np.logaddexp.reduce(-E.ravel())
    assert math.isclose(boltzmann.log_z(W, b, c), want, rel_tol=1e-14)
    for layer, W_, b_, c_ in ((bits(D), W, b, c), (bits(H), W.T, c, b)):
        assert math.isclose(ebm.log_partition(boltzmann.free_energy(layer, W_, b_, c_)), want, rel_tol=1e-14)
    W, b = full(D, 3)
    off  = (W + W.T) / 2 - np.diag(np.diag(W))
    want = np.logaddexp.reduce([x @ off @ x / 2 + b @ x for x in bits(D)])
    assert math.isclose(boltzmann.boltzmann_log_z(W, b), want, rel_tol=1e-14, abs_tol=1e-14)


def test_many_states_are_summed_in_parts():
    W, b, c = law(20, 13, 0.1)
    h = bits(13)
    want = np.logaddexp.reduce(h @ c + np.logaddexp(0, b + h @ W.T).sum(1))
    assert math.isclose(boltzmann.log_z(W, b, c), want, rel_tol=1e-14)
    assert np.array_equal(boltzmann.states(13), h)


def test_the_estimate_of_log_z_has_no_gradient_and_is_made_once_where_it_is_prepared(monkeypatch):
    model = RBM(hidden=3, listed=0, temperatures=5, chains=4)
    x     = bits(4).astype("uint8")
    params, stats_ = model.init(SEED("init"), {"x": x})
    with pytest.raises(TypeError, match="^The estimate of log Z has no gradient; expected plain arrays: learn by cd"):
        grad(lambda params: np.mean(model.density(params, stats_, x)))(params)
    calls = []
    right = RBM.sweep
    monkeypatch.setattr(RBM, "sweep", lambda *args, **law: calls.append(1) or right(*args, **law))
    ready = model.prepared(params, stats_)
    once  = len(calls)
    for rows in (x, x[:3]):
        assert np.array_equal(model.log_prob(params, ready, rows), model.log_prob(params, stats_, rows))
        assert model.evaluate(params, ready, {"x": rows}, SEED)["error of log Z"].shape == (len(rows),)
    assert len(calls) == 3 * once > 0


def test_states_drawn_in_blocks_are_those_of_their_numbers():
    assert np.array_equal(boltzmann.bits(np.array([5, 0, 7]), 3), [[1, 0, 1], [0, 0, 0], [1, 1, 1]])
    W, b, c = law(20, 13, 0.1)
    E = boltzmann.listed(lambda h: boltzmann.free_energy(h, W.T, c, b), W.T)
    assert np.allclose(E, boltzmann.free_energy(bits(13), W.T, c, b), rtol=1e-13)


def test_what_cannot_be_listed_is_refused():
    with pytest.raises(ValueError, match="^listed=21; expected an integer from 0 to 20"):
        RBM(listed=21)
    with pytest.raises(ValueError, match=r"^log Z of 21 units is a sum over 2\^21 states; expected at most 20 units: "):
        boltzmann.log_z(np.zeros((22, 21)), np.zeros(22), np.zeros(21))
    with pytest.raises(ValueError, match="^log Z of 21 units"):
        boltzmann.boltzmann_log_z(np.zeros((21, 21)), np.zeros(21))
    with pytest.raises(ValueError, match="^learn='exact' enumerates the smaller layer, of 17 units; expected at most"):
        RBM(learn="exact", hidden=17).start(SEED, {"x": np.zeros((3, 20), "uint8")})
    with pytest.raises(ValueError, match="^chains=1; expected an integer of at least 2"):
        RBM(chains=1)


def test_layers_of_as_many_units_as_may_be_are_listed(monkeypatch):
    """Of two layers the smaller one."""
    for hidden, listed, found in ((5, 5, True), (6, 5, False), (20, 9, True), (20, 8, False)):
        assert RBM(hidden=hidden, listed=listed).lists(9) == found
    monkeypatch.setattr(boltzmann, "MOST", 3)
    assert math.isclose(boltzmann.log_z(np.zeros((3, 4)), np.zeros(3), np.zeros(4)), 7 * math.log(2), rel_tol=1e-14)
    with pytest.raises(ValueError, match="^log Z of 4 units"):
        boltzmann.log_z(np.zeros((4, 4)), np.zeros(4), np.zeros(4))


def test_a_constant_more_energy_changes_nothing_but_z():
    W, b, c = law(4, 3)
    E = boltzmann.free_energy(bits(4), W, b, c)
    assert math.isclose(ebm.log_partition(E + 700), ebm.log_partition(E) - 700, rel_tol=1e-14)
    energy = lambda v: boltzmann.free_energy(v, W, b, c)
    assert math.isclose(ebm.contrast(lambda v: energy(v) + 7, bits(4)[:5], bits(4)[9:]),
                        ebm.contrast(energy, bits(4)[:5], bits(4)[9:]), rel_tol=1e-13)


def test_the_energies_of_other_conventions_are_these_with_other_letters():
    """E = x'Wx and E = x'Wz, without a minus, a half or biases; x_i^2 = x_i."""
    W, _, _ = law(4, 3)
    V, _    = full(4)
    x, z    = bits(4), bits(3)
    assert np.allclose(boltzmann.boltzmann_energy(x, -2 * V, -np.diag(V)), [x_ @ V @ x_ for x_ in x], rtol=1e-13)
    assert np.allclose(boltzmann.joint_energy(x[:, None], z, -W, np.zeros(4), np.zeros(3)), x @ W @ z.T, rtol=1e-13)


@SHAPES
def test_the_slope_of_log_z_is_minus_the_mean_slope_of_the_energy(D, H):
    """... which for couplings are correlations."""
    W, b, c = law(D, H)
    v, h    = bits(D), bits(H)
    p       = soft(boltzmann.joint_energy(v[:, None], h, W, b, c))
    found   = grad(lambda params: boltzmann.log_z(*params))([W, b, c])
    for ours, want in zip(found, (v.T @ p @ h, p.sum(1) @ v, p.sum(0) @ h)):
        assert np.allclose(ours, want, rtol=1e-13, atol=1e-15)
    V, b = full(D)
    p    = soft(boltzmann.boltzmann_energy(v, V, b))
    dW, db = grad(lambda params: boltzmann.boltzmann_log_z(*params))([V, b])
    both = v.T @ (p[:, None] * v) / 2
    assert np.allclose(dW, both - np.diag(np.diag(both)), atol=1e-14) and np.allclose(db, p @ v, atol=1e-14)


@SHAPES
def test_the_slope_of_the_free_energy_is_the_mean_of_the_joint_ones(D, H):
    W, b, c = law(D, H)
    h_mean  = 1 / (1 + np.exp(-bits(D) @ W - c))
    for v, h in zip(bits(D), h_mean):
        found = grad(lambda params: boltzmann.free_energy(v, *params))([W, b, c])
        for ours, want in zip(found, (-np.outer(v, h), -v, -h)):
            assert np.allclose(ours, want, rtol=1e-13, atol=1e-15)


# ---- Gibbs sampling --------------------------------------------------------------------------------------------------
@SHAPES
def test_the_conditionals_are_those_of_the_listed_law(D, H):
    W, b, c = law(D, H, 2)
    E       = boltzmann.joint_energy(bits(D)[:, None], bits(H), W, b, c)
    p       = soft(E)
    given   = lambda joint, x: np.log(joint @ x) - np.log(joint @ (1 - x))
    assert np.allclose(given(p, bits(H)), boltzmann.hidden_logits(bits(D), W, c), atol=1e-11)
    assert np.allclose(given(p.T, bits(D)), boltzmann.visible_logits(bits(H), W, b), atol=1e-11)
    V, b = full(D, 2)
    E    = boltzmann.boltzmann_energy(bits(D), V, b)
    for i in range(D):
        on, off = (np.where(np.arange(D) == i, bit, bits(D)) for bit in (1, 0))
        assert np.allclose(E[number(off)] - E[number(on)], boltzmann.boltzmann_logits(bits(D), V, b)[:, i], atol=1e-13)


@pytest.mark.parametrize("D, H", [(1, 1), (2, 2), (3, 2), (2, 3)])
def test_a_sweep_leaves_the_law_as_it_is_and_runs_as_often_back_as_forth(D, H):
    """The matrix of `gibbs` itself, every cell of its uniforms counted."""
    W, b, c = law(D, H, 2)
    p, T    = soft(boltzmann.free_energy(bits(D), W, b, c)), rbm_matrix(W, b, c)
    flow    = p[:, None] * T
    assert np.allclose(T.sum(1), 1, atol=1e-14) and (T > 0).all()
    assert np.allclose(p @ T, p, atol=1e-14) and np.allclose(flow, flow.T, atol=1e-14)
    given = soft_rows(-boltzmann.joint_energy(bits(D)[:, None], bits(H), W, b, c))
    back  = soft_rows(-boltzmann.joint_energy(bits(D)[:, None], bits(H), W, b, c).T)
    assert np.allclose(T, given @ back, atol=1e-14)


def soft_rows(a):
    e = np.exp(a - a.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("D", [1, 2, 3])
def test_bit_after_bit_leaves_the_law_of_a_visible_machine_as_it_is(D):
    """The matrix of a sweep is the product of those of its bits, each of which runs as often back as forth."""
    W, b = full(D, 2)
    p    = soft(boltzmann.boltzmann_energy(bits(D), W, b))
    u, w = nodes(1 / (1 + np.exp(-boltzmann.boltzmann_logits(bits(D), W, b))))
    T    = matrix(lambda x, u: boltzmann.boltzmann_gibbs(x, u, W, b), u, w, D)
    want = np.eye(1 << D)
    for i in range(D):
        same = np.all(np.delete(bits(D)[:, None] == bits(D), i, axis=2), axis=2)
        T_i  = same * p / (same * p).sum(1, keepdims=True)
        assert np.allclose(p[:, None] * T_i, (p[:, None] * T_i).T, atol=1e-15)
        want = want @ T_i
    assert np.allclose(T, want, atol=1e-14) and np.allclose(p @ T, p, atol=1e-14)


# ---- what it learns from ---------------------------------------------------------------------------------------------
def slope(W, b, c, x, w):
    """The gradient of the contrast of data x and all states weighted by w, as one vector."""
    return along(lambda params: ebm.contrast(lambda v: boltzmann.free_energy(v, *params), x, bits(len(b)), w), W, b, c)


def along(f, *params):
    return np.concatenate([g.ravel() for g in grad(f)(list(params))])


@SHAPES
def test_the_slope_of_the_contrast_is_that_of_minus_log_p(D, H):
    W, b, c = law(D, H)
    x       = bits(D)[[0, -1, -1]]
    nll     = lambda params: boltzmann.free_energy(x, *params).mean() + boltzmann.log_z(*params)
    want    = along(nll, W, b, c)
    p       = soft(boltzmann.free_energy(bits(D), W, b, c))
    assert np.allclose(slope(W, b, c, x, p), want, rtol=1e-12, atol=1e-14)
    assert not np.allclose(slope(W, b, c, x, np.full(1 << D, 0.5**D)), want, atol=1e-3)


def test_the_states_and_weights_that_a_contrast_is_taken_against_have_no_gradient():
    against = [np.array([3.0, 4]), np.array([0.25, 0.75])]
    assert not any(map(np.any, grad(lambda parts: ebm.contrast(lambda x: x**2, np.ones(2), *parts))(against)))


def test_contrastive_divergence_tends_to_the_slope_of_minus_log_p_as_fast_as_its_chain_forgets():
    """|E_(p_0 T^k) f - E_p f| <= lambda_2^k |p_0 / p - 1|_p |f - E f|_p, as T is symmetric under p; for large k the
    error falls by lambda_2 a sweep."""
    W, *_   = law(3, 2, 2)
    b, c    = -W.sum(1) / 2, 0.3 - W.sum(0) / 2
    x       = bits(3)[[0, 0, 5]]
    E       = boltzmann.free_energy(bits(3), W, b, c)
    p, T    = soft(E), rbm_matrix(W, b, c)
    p_0     = np.bincount(number(x), minlength=8) / len(x)
    lam     = np.sort(abs(np.linalg.eigvals(T)))[-2]
    exact   = slope(W, b, c, x, p)
    f       = np.stack([slope(W, b, c, x, row) for row in np.eye(8)])          # - grad F(v), and a constant
    norm    = np.sqrt(p @ (f - p @ f)**2)
    C       = np.sqrt(p @ (p_0 / p - 1)**2) * norm
    error   = [abs(slope(W, b, c, x, p_0 @ np.linalg.matrix_power(T, k)) - exact) for k in range(25)]
    assert all((e <= C * lam**k + 1e-13).all() for k, e in enumerate(error))
    assert 0.6 < lam < 0.7 and max(error[0]) > 0.1
    norms = np.array([np.linalg.norm(e) for e in error])
    assert np.allclose(norms[11:] / norms[10:-1], lam, rtol=1e-8)


def tied(D=4):
    """A visible machine whose bits all agree, and never change in a sweep; x: all of them on."""
    params = {"W": np.full((D, D), 60.0), "b": np.full(D, -90.0)}
    return params, np.ones((5, D), "uint8")


def test_where_its_chain_does_not_move_contrastive_divergence_learns_nothing_and_persistent_chains_stay():
    params, x = tied()
    chains    = np.repeat([[0.0], [1.0]], 3, axis=0) * np.ones(4)               # half of them off, whatever the data
    slopes    = {}
    for learn in ("exact", "cd", "pcd"):
        model  = Boltzmann(learn=learn, k=3, chains=6)
        stats_ = {"rates": np.full(4, 0.5), **({"chains": chains} if learn == "pcd" else {})}
        loss   = lambda params: model.loss(params, stats_, {"x": x}, SEED)
        slopes[learn], (after, _) = grad(loss, has_aux=True)(params)
        assert set(after) == set(stats_) and np.array_equal(after.get("chains", chains), chains)
    assert not np.any(slopes["cd"]["b"]) and not np.any(slopes["cd"]["W"])
    for name in ("W", "b"):                                                     # all off is as probable as all on
        assert np.allclose(slopes["pcd"][name], slopes["exact"][name], atol=1e-9) and np.any(slopes["exact"][name])


@pytest.mark.parametrize("learn, start", [("cd", "x"), ("pcd", "chains")])
def test_k_sweeps_lead_from_the_data_or_from_where_the_chains_were(learn, start):
    model = RBM(hidden=3, learn=learn, k=4, chains=6, ema=0.0)
    x     = load("patterns", SEED).train["x"]
    state = model.start(SEED, {"x": x})
    seen  = {"x": x.astype("float32"), "chains": state.stats.get("chains")}[start]
    law_  = model.at(state.params, state.stats)
    v     = seen
    for i in range(4):
        v = model.sweep(SEED("a")(i), v, **law_)
    want, value = v, ebm.contrast(lambda v: model.energy(v, **law_), x.astype("float32"), v)
    state, metrics = model.update(state, {"x": x}, SEED("a"))
    assert math.isclose(metrics["loss"], value, rel_tol=1e-5) and np.any(want != seen)
    if learn == "pcd":
        assert np.array_equal(state.stats["chains"], want)
        assert set(np.unique(want)) <= {0, 1} and want.shape == (6, 9)


def test_the_decay_is_half_a_sum_of_squares():
    x    = load("patterns", SEED).train["x"]
    loss = {}
    for decay in (0.0, 0.25):
        model = RBM(hidden=3, learn="exact", decay=decay)
        params, stats_ = model.init(SEED, {"x": x})
        loss[decay] = model.loss(trees.map(lambda a: a + 1.0, params), stats_, {"x": x}, SEED)[0]
    assert math.isclose(loss[0.25] - loss[0.0], 0.125 * np.sum((params["W"] + 1.0)**2), rel_tol=1e-4)


# ---- annealed importance sampling ------------------------------------------------------------------------------------
def annealed(D, betas, wrong=0.0):
    """log w of every path through the states, and the path's probability: `ais` is handed all of them as chains."""
    rng   = np.random.default_rng(D)
    E_0, E_1 = rng.normal(size=(2, 1 << D))
    energy   = lambda x, beta: (1 - beta) * E_0[x] + beta * E_1[x]
    n        = np.arange(1 << D)
    paths    = np.array(list(itertools.product(n, repeat=len(betas))))
    chances  = [soft(E_0)[paths[:, 0]]]

    def step(t, x, beta):
        p = soft(energy(n, beta + wrong))                                       # Metropolis: to any other state
        T = np.minimum(1, p / p[:, None]) / len(n) * (1 - np.eye(len(n)))
        T = T + np.diag(1 - T.sum(1))
        chances.append(T[x, paths[:, t + 1]])
        return paths[:, t + 1]
    log_w = ais.ais(paths[:, 0], betas, energy, step)
    return log_w, np.prod(chances, axis=0), np.logaddexp.reduce(-E_1) - np.logaddexp.reduce(-E_0)


@pytest.mark.parametrize("D, betas", [(1, [0, 1]), (2, [0, 0.5, 1]), (2, [0, 0.1, 0.3, 0.8, 1]), (3, [0, 0.2, 0.6, 1])])
def test_the_mean_weight_is_the_ratio_of_the_zs_and_its_logarithm_is_too_low_on_the_mean(D, betas):
    log_w, chance, want = annealed(D, betas)
    assert math.isclose(chance.sum(), 1, rel_tol=1e-14)
    assert math.isclose(math.log(chance @ np.exp(log_w)), want, rel_tol=1e-13)
    assert chance @ log_w < want - 1e-3
    if len(betas) > 2:                                                          # steps of another temperature are wrong
        log_w, chance, _ = annealed(D, betas, wrong=0.1)
        assert abs(math.log(chance @ np.exp(log_w)) - want) > 1e-3


def test_the_standard_error_is_the_spread_of_the_estimates():
    """4000 of them: the spread is known to 1.1 % and the mean error to less, so 8 % is a false alarm in 10^9. And
    both are what their formula says, however large the weights are."""
    log_w = 0.5 * np.random.default_rng(0).normal(size=(4000, 200))
    found = np.array([ais.log_mean_and_error(row) for row in log_w])
    assert abs(found[:, 0].std() / found[:, 1].mean() - 1) < 0.08
    w = np.exp(log_w[0])
    for shift in (0, 5000, -5000):
        log_mean, error = ais.log_mean_and_error(log_w[0] + shift)
        assert math.isclose(log_mean - shift, math.log(w.mean()), abs_tol=1e-11)
        assert math.isclose(error, w.std(ddof=1) / w.mean() / 200**0.5, rel_tol=1e-10)


def test_the_weights_of_all_chains_of_a_strongly_coupled_machine_have_the_mean_z(monkeypatch):
    """Every path of its sweeps, by their exact probabilities, on a short ladder."""
    model  = RBM(hidden=1, listed=0, temperatures=3)
    params = dict(zip("Wbc", (np.array([[4.0], [-3.0]]), np.array([1.0, -2.0]), np.array([0.5]))))
    stats_ = {"rates": np.array([0.2, 0.7])}
    paths  = np.array(list(itertools.product(range(4), repeat=4)))
    chance, noise = [np.prod(np.where(bits(2), stats_["rates"], 1 - stats_["rates"]), axis=1)[paths[:, 0]]], []

    def sweep(self, stream, x, **law):
        noise.append(stream.uniform(3, "float64"))
        chance.append(rbm_matrix(**law)[number(x), paths[:, len(chance)]])
        return bits(2)[paths[:, len(chance) - 1]]
    monkeypatch.setattr(RBM, "independent", lambda self, stream, rates, n: bits(2)[paths[:, 0]])
    monkeypatch.setattr(RBM, "sweep", sweep)
    monkeypatch.setattr(models, "log_mean_and_error", lambda log_w:
                        (math.log(np.prod(chance, axis=0) @ np.exp(log_w)), 0))
    found, _ = model.log_z(params, stats_)
    assert math.isclose(found, boltzmann.log_z(**model.at(params, stats_)), rel_tol=1e-13)
    assert len(np.unique(noise)) == 9


def test_its_chains_start_each_pixel_by_itself_and_climb_in_equal_steps(monkeypatch):
    """A mean of 20000 within 6.2 of its standard errors: a false alarm in 10^8."""
    seen  = []
    monkeypatch.setattr(models, "ais", lambda x, betas, *rest: seen.extend((x, betas)) or np.zeros(len(x)))
    model = RBM(hidden=3, listed=0, temperatures=4, chains=20000)
    params, stats_ = model.init(SEED, {"x": np.tile(np.array([[0, 1, 1, 1]], "uint8"), (7, 1))})
    model.log_z(params, stats_)
    x, betas = seen
    p        = stats_["rates"]
    assert betas == [0, 0.25, 0.5, 0.75, 1] and (abs(x.mean(0) - p) < 6.2 * np.sqrt(p * (1 - p) / 20000)).all()


@pytest.fixture(scope="module")
def digits():
    """A machine of 12 hidden units after 400 steps, in float64, and the data."""
    model = RBM(hidden=12, ema=0.0, lr=0.01)
    data  = model.view(load("digits", SEED), SEED)
    state = model.start(SEED, data.train)
    for state, _ in fit(model, state, model.batches(data.train, SEED, 0), SEED, 400):
        pass
    return model, *trees.map(lambda a: a.astype("float64"), (state.params, state.stats)), data


def test_the_estimate_of_log_z_is_within_4_of_its_standard_errors(digits):
    """... a false alarm in 16,000, were it drawn again; what it says of x is then as far off as log Z."""
    model, params, stats_, data = digits
    exact, none = model.log_z(params, stats_)
    figures     = model.evaluate(params, stats_, data.test, SEED)
    model       = dataclasses.replace(model, listed=0)
    found, error = model.log_z(params, stats_)
    assert none == 0 < error < 0.05 and abs(found - exact) <= min(4 * error, 0.1)
    estimated = model.evaluate(params, stats_, data.test, SEED)
    assert np.allclose(estimated["log-likelihood"] - figures["log-likelihood"], exact - found, atol=1e-9)
    assert (estimated["log Z"] == found).all() and (estimated["error of log Z"] == error).all()
    assert np.array_equal(model.log_prob(params, stats_, data.test["x"]), estimated["log-likelihood"])


@pytest.mark.parametrize("model", [RBM(hidden=3), RBM(hidden=12), Boltzmann()])
def test_it_starts_near_each_pixel_by_itself_and_without_couplings_is_that(model):
    x = load("patterns", SEED).train["x"]
    params, stats_ = trees.map(lambda a: a.astype("float64"), model.init(SEED, {"x": x}))
    alone = np.log(np.where(x, stats_["rates"], 1 - stats_["rates"])).sum(1)
    assert np.allclose(model.log_prob(params, stats_, x), alone, atol=0.1)
    zero  = trees.map(np.zeros_like, params)
    assert np.allclose(model.log_prob(zero, stats_, x), alone, rtol=1e-13)
    half  = model.at(params, stats_, 0.5)
    assert np.allclose(half["W"], params["W"] / 2)
    assert np.allclose(half["b"], np.log(stats_["rates"] / (1 - stats_["rates"])) + params["b"] / 2)


@pytest.mark.parametrize("model", [RBM(hidden=3, sweeps=60), Boltzmann(sweeps=60)])
def test_what_gibbs_sampling_draws_is_as_frequent_as_what_is_drawn_from_the_list(model):
    """Both against the probabilities, by chi-square over 512 images: a false alarm in 10^9 each."""
    x = load("patterns", SEED).train["x"]
    params, stats_ = model.init(SEED, {"x": x})
    params = trees.map(lambda a: a + 0.7 * SEED("more").normal(a.shape), params)
    p = np.exp(model.log_prob(params, stats_, bits(9).astype("uint8")).astype("float64"))
    n = 20000
    for listed in (16, 0):
        drawn  = dataclasses.replace(model, listed=listed).sample(params, stats_, SEED("sample"), n)
        count  = np.bincount(number(drawn), minlength=512)
        often  = n * p >= 5
        seen   = np.append(count[often], count[~often].sum())
        wanted = n * np.append(p[often], p[~often].sum())
        assert drawn.dtype == "int64" and drawn.shape == (n, 9)
        assert np.sum((seen - wanted)**2 / wanted) <= stats.chi2.isf(1e-9, often.sum())


def test_a_draw_is_the_first_state_that_reaches_its_uniform():
    E = -np.log([0.25, 0.0625, 0.6875])
    u = np.array([1e-9, 0.2499, 0.2501, 0.3124, 0.3126, 1 - 1e-16])
    assert np.array_equal(models.draw(u, E + 5), [0, 0, 1, 1, 2, 2])
    assert models.draw(np.array([np.nextafter(1, 2)]), E) == [2]                # where rounding leaves a gap


def test_hidden_units_start_apart_and_with_little_to_say():
    W = RBM(hidden=100).init(SEED, {"x": bits(4).astype("uint8")})[0]["W"]      # false alarms below 10^-20
    assert len(np.unique(W, axis=1).T) == 100 and 0.005 < W.std() < 0.02


@pytest.mark.parametrize("model", [RBM(hidden=3, listed=2, temperatures=20, sweeps=5), RBM(hidden=3),
                                   Boltzmann(listed=2, temperatures=5, sweeps=2)])
def test_on_a_device_log_z_densities_and_samples_come_without_waiting(model):
    def found():
        x = xp.asarray(load("patterns", SEED).train["x"])
        params, stats_ = model.init(SEED, {"x": x})
        with no_sync():
            all_ = (*model.log_z(params, stats_), model.density(params, stats_, x),
                    model.sample(params, stats_, SEED, 6))
        return [to_host(a) for a in all_]
    here = found()
    with use("strict"):
        for a, b in zip(here, found()):
            assert a.dtype == b.dtype and np.array_equal(a, b)


# ---- Langevin dynamics -----------------------------------------------------------------------------------------------
def variance(step, s, h):
    """The stationary variance of a linear step x, xi -> a x + c xi."""
    score = lambda x: -x / s**2
    a, c  = step(np.array(1.0), score, h, 0.0), step(np.array(0.0), score, h, 1.0)
    return c**2 / (1 - a**2)


@pytest.mark.parametrize("s, h", [(1.0, 0.5), (1.0, 1e-3), (2.0, 0.1), (0.5, 0.4), (1.0, 0.2), (1.0, 1.9)])
def test_langevin_dynamics_finds_a_normal_law_too_wide_by_the_step(s, h):
    """s^2 / (1 - h / 2s^2); with noise h in place of sqrt(2h) it has h / 2 of that."""
    want = s**2 / (1 - h / (2 * s**2))
    assert math.isclose(variance(langevin.ula_step, s, h), want, rel_tol=1e-12)
    wrong = lambda x, score, h, xi: x + h * score(x) + h * xi
    assert math.isclose(variance(wrong, s, h), h / 2 * want, rel_tol=1e-12)


log_p = lambda x: -(x[..., 0]**2 - 1)**2 + x[..., 0] / 3                        # two hills of different height
score = lambda x: -4 * x * (x**2 - 1) + 1 / 3


def test_the_step_that_may_be_refused_runs_as_often_back_as_forth():
    """p(x) q(y | x) a(x, y) = p(y) q(x | y) a(y, x), with a normal q of another library."""
    x, y  = np.random.default_rng(0).normal(size=(2, 200, 1))
    h     = 0.13
    log_q = lambda x, y: stats.norm.logpdf(y, x + h * score(x), math.sqrt(2 * h))[..., 0]
    log_a = lambda x, y: langevin.log_acceptance(x, y, log_p, score, h)
    flow  = lambda x, y: log_p(x) + log_q(x, y) + np.minimum(0, log_a(x, y))
    assert np.allclose(log_a(x, y), -log_a(y, x), atol=1e-12) and np.allclose(flow(x, y), flow(y, x), atol=1e-11)
    assert (log_a(x, y) < 0).any() and (log_a(x, y) > 0).any()


def test_the_step_that_may_be_refused_leaves_a_law_as_it_is_and_the_one_that_may_not_does_not():
    """By quadrature over x and the noise: the mean of a function after one step, of x from p."""
    h      = 0.13
    x      = np.linspace(-3, 3, 601)[:, None, None]
    xi     = np.linspace(-7, 7, 1001)[:, None]
    p      = np.exp(log_p(x)) / np.exp(log_p(x)).sum()
    q      = stats.norm.pdf(xi[:, 0]) / stats.norm.pdf(xi[:, 0]).sum()
    y      = langevin.ula_step(x, score, h, xi)
    a      = np.exp(np.minimum(0, langevin.log_acceptance(x, y, log_p, score, h)))
    f      = lambda x: np.stack([x[..., 0]**2, x[..., 0]**3])
    before = (p * f(x)).sum((1, 2))
    ula    = (p * q * f(y)).sum((1, 2))
    mala   = (p * q * (a * f(y) + (1 - a) * f(np.broadcast_to(x, y.shape)))).sum((1, 2))
    assert np.allclose(mala, before, atol=1e-5) and np.all(abs(ula - before) > 0.03)
    a      = np.maximum(a, 1e-99)
    u      = np.concatenate([a * (1 - 1e-9), a * (1 + 1e-9)])
    both   = np.concatenate([x, x])
    taken  = langevin.mala_step(both, log_p, score, h, xi, u)
    sure   = np.abs(a - 0.5) < 0.49                                             # neither 0 nor 1
    assert np.array_equal(taken[:len(x)][sure], y[sure])
    assert np.array_equal(taken[len(x):][sure], np.broadcast_to(x, y.shape)[sure])
