"""Autoencoders at the extremes: laws without mass, deviations of 1e-30, sure bits, chains that hardly move; and bounds
beside integrals."""
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import backend, xp
from backends.random import Stream
from scratch import trees
from scratch.autodiff import grad, jacobian, sigmoid
from scratch.autoencoders import PPCA, VAE, hierarchical, latent, plain, ppca, vae
from scratch.data import Data
from scratch.probability import distributions
from scratch.train import fit
from tests.functions import B, TABLE, joined, net
from tests.operations import mp
from tests.test_mixtures import EPS, seeds
from tests.test_probability import INF, array, log

ROWS = {row.place.rpartition(".")[2]: row for row in TABLE
        if row.place.startswith(("autoencoders", "probability.distributions")) and ".vq." not in row.place}


# ---- finitely many latent values -------------------------------------------------------------------------------------
@pytest.mark.parametrize("q, p, value, of_q, of_log_p", [
    ([1, 0],       [.5, .5],   math.log(.5),     [math.log(.5) - 1, 0],        [1, 0]),
    ([1, 0],       [.5, 0],    math.log(.5),     [math.log(.5) - 1, 0],        [1, 0]),
    ([.5, .5],     [.5, 0],    -INF,             [-1, -INF],                   [.5, .5]),
    ([.5, .5, 0],  [.5, .5, 0], 0,               [-1, -1, 0],                  [.5, .5, 0]),
])
def test_the_bound_of_laws_without_mass_has_a_value_and_slopes(q, p, value, of_q, of_log_p):
    q, log_p = array(*q), log(array(*p))
    assert math.isclose(latent.elbo(log_p, q), value, rel_tol=EPS)
    bars = grad(lambda args: latent.elbo(*args))([log_p, q])
    np.testing.assert_allclose(bars, [of_log_p, of_q], rtol=4 * EPS)


def test_a_law_that_is_nan_has_no_bound():
    assert np.isnan(latent.elbo(array(-1, -1), array(1, math.nan)))


# ---- decoders --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sigma", [1e-30, 1e-9, 1, 1e9, 1e30])
@pytest.mark.parametrize("away", [0, 1, -3])
def test_a_density_knows_every_deviation(dtype, sigma, away):
    x, mu, v = array(away * sigma, dtype=dtype), array(0, dtype=dtype), array(2 * math.log(sigma), dtype=dtype)
    exact    = -math.log(2 * math.pi) / 2 - math.log(sigma) - away**2 / 2
    eps      = 200 * np.finfo(dtype).eps                                    # of log_var, which is as large as 138
    assert abs(distributions.gaussian_log_prob(x, mu, v) - exact) <= eps * max(1, abs(exact))
    of_x, of_mu, of_v = grad(lambda args: distributions.gaussian_log_prob(*args)[0])([x, mu, v])
    np.testing.assert_allclose([of_x * sigma, of_mu * sigma, of_v], [[-away], [away], [(away**2 - 1) / 2]], atol=eps)


@given(st.lists(st.floats(-40, 40), min_size=1, max_size=5))
def test_the_probabilities_of_all_bits_sum_to_one(logits):
    x = np.array(list(itertools.product([0.0, 1.0], repeat=len(logits))))
    assert abs(np.sum(np.exp(distributions.bernoulli_log_prob(x, 0 * x + np.array(logits)))) - 1) <= 1e-13


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sure_bit_costs_its_logit_where_it_is_wrong_and_nothing_where_it_is_right(dtype):
    logits, x = array(1e4, 1e4, -1e4, -1e4, dtype=dtype), array(1, 0, 1, 0, dtype=dtype)
    assert distributions.bernoulli_log_prob(x[:, None], logits[:, None]).tolist() == [0, -1e4, -1e4, 0]
    slope = grad(lambda l: distributions.bernoulli_log_prob(x[None], l[None])[0])(logits)
    assert np.array_equal(slope, x - sigmoid(logits))


@given(seeds)
def test_twice_the_pixels_are_twice_the_log_probability(seed):
    x, mu, v = ROWS["gaussian_log_prob"].draw(seed)
    twice = [np.concatenate([a, a], axis=1) for a in (x, mu, v)]
    for law in (distributions.gaussian_log_prob, lambda x, mu, _: distributions.bernoulli_log_prob(x, mu),
                lambda x, mu, v: distributions.logistic_log_prob(np.floor(abs(x)), mu, v, 9)):
        np.testing.assert_allclose(law(*twice), 2 * law(x, mu, v), rtol=1e-13)


# ---- the bound -------------------------------------------------------------------------------------------------------
NODES = np.linspace(-16, 16, 4001)              # so many that a sum over them is the integral of a smooth law


def normal(z, mu=0.0, log_var=0.0):
    return np.exp(-(z - mu)**2 / (2 * np.exp(log_var)) - log_var / 2) / math.sqrt(2 * math.pi)


def integral(f):
    return np.sum(f) * (NODES[1] - NODES[0])


#                 of hidden units [n, 8] the parameters of a pixel, its law, and data
DECODERS = {
    "gaussian":  (lambda h, V: (h @ V[0], h @ V[1]), distributions.gaussian_log_prob, [0.3, -1.2, 2.0]),
    "bernoulli": (lambda h, V: (h @ V[0],), distributions.bernoulli_log_prob, [1.0, 0.0, 1.0]),
    "logistic":  (lambda h, V: (h @ V[0], h @ V[1] - 1),
                  lambda k, mu, log_s: distributions.logistic_log_prob(k, mu, log_s, 5), [0.0, 2.0, 4.0]),
}


@pytest.mark.parametrize("law", DECODERS)
@given(seed=seeds, mu=st.floats(-2, 2), log_var=st.floats(-3, 1))
def test_what_the_bound_leaves_is_the_kl_to_the_posterior(law, seed, mu, log_var):
    """... of any network, by quadrature."""
    head, log_prob, pixels = DECODERS[law]
    rng    = np.random.default_rng(seed)
    U, c, V = rng.normal(size=(1, 8)), rng.normal(size=8), rng.normal(size=(2, 8, 3)) / 3
    x      = np.tile(pixels, (len(NODES), 1))
    decode = lambda z: head(np.tanh(z @ U + c), V)
    encode = lambda x: (np.full((len(x), 1), mu), np.full((len(x), 1), log_var))
    log_p, kl = vae.terms(x, NODES[:, None], encode, decode, log_prob)
    elbo   = integral(normal(NODES) * log_p) - kl[0]
    log_p_xz = log_prob(x, *decode(NODES[:, None])) + np.log(normal(NODES))
    evidence = math.log(integral(np.exp(log_p_xz)))
    q      = normal(NODES, mu, log_var)
    log_q  = -(NODES - mu)**2 / (2 * math.exp(log_var)) - log_var / 2 - math.log(2 * math.pi) / 2
    assert elbo < evidence and abs(evidence - elbo - integral(q * (log_q - log_p_xz + evidence))) <= 1e-8


@given(seeds, st.sampled_from([1e-3, 1, 1e3]))
def test_of_a_linear_decoder_no_bound_passes_the_evidence_and_that_of_the_posterior_reaches_it(seed, scale):
    rng = np.random.default_rng(seed)
    W   = np.linalg.qr(rng.normal(size=(4, 2)))[0] * scale * rng.uniform(0.5, 2, 2)     # of independent codes
    x, b, s2 = rng.normal(size=(B, 4)), rng.normal(size=4), rng.uniform(0.1, 2)
    eps = np.array(list(itertools.product([-1.0, 1.0], repeat=2)))                      # of mean 0 and covariance I
    var = 1 / (1 + np.sum(W**2, axis=0) / s2)
    mu  = (x - b) @ W / s2 * var

    def elbo(mu, var):
        encode = lambda _: (np.repeat(mu, 4, axis=0), np.log(var) + np.zeros((4 * B, 2)))
        log_p, kl = vae.terms(np.repeat(x, 4, axis=0), np.tile(eps, (B, 1)), encode,
                              lambda z: (z @ W.T + b, np.log(s2)))
        return np.mean((log_p - kl).reshape(B, 4), axis=1)
    evidence = ppca.log_likelihood(x, W, b, s2)
    np.testing.assert_allclose(elbo(mu, var), evidence, rtol=1e-12)
    assert (elbo(mu + rng.normal(size=(B, 2)), var) < evidence).all()
    assert (elbo(mu, var * rng.uniform(1.1, 2, 2)) < evidence).all()


# ---- several draws ---------------------------------------------------------------------------------------------------
@given(seeds)
def test_one_draw_is_the_bound_with_the_kl_drawn(seed):
    x, eps, W, V = ROWS["terms"].draw(seed)
    log_p, _    = vae.terms(x, eps, net(W), net(V))
    mu, log_var = net(W)(x)
    z = mu + np.exp(log_var / 2) * eps
    log_q_p = distributions.gaussian_log_prob(z, mu, log_var) - distributions.gaussian_log_prob(z, 0 * z, 0 * z)
    np.testing.assert_allclose(vae.importance_bound(x, eps[None], net(W), net(V)), log_p - log_q_p, rtol=1e-12)


@given(seeds)
def test_draws_have_no_order_and_a_draw_that_comes_twice_is_one(seed):
    x, eps, W, V = ROWS["importance_bound"].draw(seed)
    eps   = np.swapaxes(eps, 0, 1)
    bound = vae.importance_bound(x, eps, net(W), net(V))
    for same in (eps[::-1], np.roll(eps, 2, axis=0), np.concatenate([eps, eps])):
        np.testing.assert_allclose(vae.importance_bound(x, same, net(W), net(V)), bound, rtol=1e-13)


@pytest.mark.parametrize("away", [0, 1e3, 1e150, 1e308, INF])
def test_a_draw_that_explains_nothing_counts_as_a_draw_and_a_bound_of_none_is_minus_infinity(away):
    """Of two draws z = 1 and 0 of the prior, p(x | z) is e^(-away z)."""
    eps, x = array(1, 0)[:, None, None], np.zeros((1, 3))
    bound  = lambda eps: vae.importance_bound(x, eps, lambda x: (x[:, :1], x[:, :1]), lambda z: (z[:, 0],),
                                              lambda x, z: np.where(z > 0, -away, 0))
    assert math.isclose(bound(eps)[0], math.log1p(math.exp(-away)) - math.log(2), abs_tol=1e-15)
    assert bound(eps[:1])[0] == -away and bound(eps[[0, 0]])[0] == -away


# ---- losses without a prior ------------------------------------------------------------------------------------------
def test_a_layer_does_not_learn_from_the_error_of_those_above():
    x, W, V, W2, V2 = ROWS["stacked_error"].draw()
    pair   = lambda W, V: (lambda x: xp.tanh(x @ W[0]), lambda z: z @ V[0])
    error  = lambda args: plain.stacked_error(x, [pair(*args[:2]), pair(*args[2:])])
    slopes = grad(error)([W, V, W2, V2])
    first  = grad(lambda args: plain.squared_error(x, *pair(*args)))([W, V])
    second = grad(lambda args: plain.squared_error(np.tanh(x @ W[0]), *pair(*args)))([W2, V2])
    for a, b in zip(slopes, first + second):
        assert np.array_equal(a, b) and a.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rho", [0, 0.05, 0.5, 1])
def test_codes_on_a_share_rho_of_the_time_cost_nothing_and_others_do(rho, dtype):
    on = array(*np.arange(1, 20) / 20, dtype=dtype)
    cost = np.array([plain.sparsity(a[None, None], rho) for a in on])
    assert cost.dtype == dtype and (cost >= 0).all() and (cost[abs(on - rho) > 0.01] > 1e-4).all()
    assert rho in (0, 1) or cost[round(20 * rho) - 1] <= 1e-7


@given(seeds)
def test_the_contraction_of_any_network_is_the_square_of_its_jacobian_and_its_slope_that_of_differences(seed):
    x, W  = ROWS["contraction"].draw(seed)
    U     = np.random.default_rng(seed).normal(size=(2, 4))
    loss  = lambda W: plain.contraction(x, lambda x: xp.tanh(xp.tanh(x @ W[0]) @ U))
    rows  = [jacobian(lambda x: xp.tanh(xp.tanh(x @ W[0]) @ U))(row) for row in x]
    assert math.isclose(loss(W), np.mean([np.sum(J**2) for J in rows]), rel_tol=1e-13)
    v, h  = np.random.default_rng(seed + 1).normal(size=W.shape), 1e-5
    slope = (loss(W + h * v) - loss(W - h * v)) / (2 * h)
    assert abs(np.sum(grad(loss)(W) * v) - slope) <= 1e-7 * (1 + abs(slope))


# ---- levels ----------------------------------------------------------------------------------------------------------
@given(seeds)
def test_one_level_of_a_chain_is_the_plain_autoencoder_with_the_kl_drawn(seed):
    x, eps, W, V = ROWS["terms"].draw(seed)
    log_p_x, (log_p,), (log_q,) = hierarchical.markov_terms(x, [eps], [net(W)], [], net(V))
    mu, log_var = net(W)(x)
    log_prob, _ = vae.terms(x, eps, net(W), net(V))
    z = mu + np.exp(log_var / 2) * eps
    np.testing.assert_allclose(log_p_x, log_prob, rtol=1e-14)
    np.testing.assert_allclose(log_q - log_p, np.sum(z**2 - eps**2 - log_var, axis=1) / 2, rtol=1e-10, atol=1e-13)


@given(seeds)
def test_an_upper_level_that_says_nothing_adds_nothing(seed):
    x, eps, _, Q2, Q1, P1, V = ROWS["two_level_terms"].draw(seed)
    log_p, kl_2, kl_1 = hierarchical.two_level_terms(x, [eps, 0 * eps], net(0 * Q2), joined(Q1), net(0 * P1), net(V))
    plain, kl = vae.terms(x, eps, net(Q1[:, 2:]), net(V))
    assert not kl_2.any()
    np.testing.assert_allclose(log_p, plain, rtol=1e-13)
    np.testing.assert_allclose(kl_1, kl, rtol=1e-13)


@pytest.mark.parametrize("levels", [(1, 2, 0), (1, 2, 1), (2, 1, 1), (2, 2, 2), (2, 2, 0)])
def test_levels_that_do_not_fit_are_refused(levels):
    x, e1, e2, Q1, Q2, P1, V = ROWS["markov_terms"].draw()
    eps, q, p = [[e1, e2], [net(Q1), net(Q2)], [net(P1), net(P1)]]
    with pytest.raises(ValueError, match="zip.* is (shorter|longer)"):
        hierarchical.markov_terms(x, *[levels_of[:n] for levels_of, n in zip((eps, q, p), levels)], net(V))


# ---- the autoencoder that can be solved ------------------------------------------------------------------------------
@given(seeds, st.sampled_from([1e-6, 1, 1e6]))
def test_at_the_most_likely_parameters_the_likelihood_is_flat_and_below_it_everywhere_else(seed, scale):
    x = scale * np.random.default_rng(seed).normal(size=(12, 4)) @ np.diag([3, 2, 1, 0.5])
    params = ppca.fit(x, 2)
    mean   = lambda params: ppca.log_likelihood(x, *params).mean()
    slopes = grad(lambda params: ppca.log_likelihood(x, *params).sum() / len(x))(list(params))
    for slope, size in zip(slopes, (scale, scale, scale**2)):
        assert np.max(abs(slope)) * size <= 1e-9
    W, b, s2 = params
    assert all(mean(other) < mean(params) for other in ((1.1 * W, b, s2), (W, b + scale, s2), (W, b, 1.1 * s2)))


def test_the_likelihood_of_a_line_in_space_is_that_of_the_full_covariance():
    x, W, b, _ = ROWS["log_likelihood"].draw()
    for s2 in (1e-8, 0.5, 1e8):
        Sigma = W @ W.T + s2 * np.eye(4)
        maha  = np.einsum("ni,ij,nj->n", x - b, np.linalg.inv(Sigma), x - b)
        exact = -(maha + np.linalg.slogdet(2 * np.pi * Sigma)[1]) / 2
        np.testing.assert_allclose(ppca.log_likelihood(x, W, b, s2), exact, rtol=1e-6 if s2 < 1 else 1e-12)


def test_a_variance_that_is_a_python_number_leaves_float32_alone():
    x, W, b, _ = ROWS["log_likelihood"].draw(dtype="float32")
    assert ppca.log_likelihood(x, W, b, 0.5).dtype == "float32"


@pytest.mark.parametrize("K", [0, -1, 3, 4])
def test_as_many_components_as_columns_are_refused(K):
    with pytest.raises(ValueError, match=f"K is {K}; expected 1 to 2, fewer than the columns of x"):
        ppca.fit(np.eye(3), K)


@given(seeds, st.sampled_from([1e-3, 1, 1e3]))
def test_a_step_of_em_never_lowers_the_likelihood_and_stays_at_the_best(seed, scale):
    rng   = np.random.default_rng(seed)
    x     = scale * (rng.normal(size=(12, 4)) @ np.diag([3, 2, 1, 0.5]) + 5)
    mean  = lambda parts: ppca.log_likelihood(x, *parts).mean()
    parts = scale * rng.normal(size=(4, 2)), scale * rng.normal(size=4), scale**2
    for _ in range(10):
        before, parts = parts, ppca.em_step(x, *parts)
        assert mean(parts) >= mean(before) - 1e-12 * (1 + abs(mean(before)))
    best = ppca.fit(x, 2)
    for a, b in zip(ppca.em_step(x, *best), best):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11 * scale)


def test_a_step_of_em_leaves_the_expected_joint_likelihood_without_a_slope_wherever_it_starts():
    """E log p(x, z), z by the parameters before it."""
    rng = np.random.default_rng(0)
    x, W, b, s2 = rng.normal(size=(9, 4)) + 3, rng.normal(size=(4, 2)), rng.normal(size=4), 0.7
    P    = s2 * np.eye(2) + W.T @ W
    m, V = (x - b) @ W @ np.linalg.inv(P), s2 * np.linalg.inv(P)

    def joint(parts):
        W, b, s2 = parts
        return (xp.sum((x - b - m @ W.T)**2) + 9 * xp.sum((W @ V) * W)) / s2 + x.size * xp.log(s2)
    assert all(np.max(abs(slope)) < 1e-11 for slope in grad(joint)(list(ppca.em_step(x, W, b, s2))))


def test_em_starts_with_half_of_the_variance_in_the_code_and_half_in_the_noise():
    """Of 800 draws, to 35 %: seven standard errors, a false alarm in 10^9."""
    x = 3 * np.random.default_rng(0).normal(size=(500, 40))
    params, _ = PPCA(latent=20).init(Stream.seed(0), {"x": x})
    half      = x.var(0).mean() / 2
    assert math.isclose(params["s2"], half, rel_tol=1e-12) and params["W"].dtype == "float64"
    assert math.isclose((params["W"]**2).sum(1).mean(), half, rel_tol=0.35)


def test_levels_become_numbers_with_a_density():
    part = {"x": np.arange(4, dtype="uint8")[:, None] + np.zeros(3, "uint8")}
    x    = PPCA().view(Data(part, part, part, shape=(3,), levels=4), Stream.seed(0)).train["x"]
    assert np.array_equal(np.floor(4 * x), part["x"]) and np.any(4 * x != part["x"])


@pytest.mark.parametrize("K", [1, 2])
def test_by_a_sum_over_codes_the_likelihood_of_a_linear_decoder_is_the_closed_form(K, monkeypatch):
    """To rounding, with a quarter of the codes still to 1e-9, and with too few not at all; in however many blocks."""
    x, W, b, _ = ROWS["log_likelihood"].draw()
    exact  = ppca.log_likelihood(x, W[:, :K], b, 0.5)
    summed = lambda n: vae.log_evidence(x, lambda z: (z @ W[:, :K].T + b, np.log(0.5)), K, n)
    np.testing.assert_allclose(summed(257), exact, rtol=1e-13)
    np.testing.assert_allclose(summed(65), exact, rtol=1e-9)
    assert np.max(abs(summed(9) - exact)) > 1e-3
    monkeypatch.setattr(backend(), "block", 5 * max(x.shape) // 2)  # 160 codes at a time: the last ones weigh too
    np.testing.assert_allclose(summed(257), exact, rtol=1e-13)


def plane(N=200):
    """Data of five numbers, mostly in two directions."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, 2)) @ rng.normal(size=(2, 5)) * 3 + rng.normal(size=(N, 5)) / 2 + 7


def learned(model, x, steps=3000):
    s = Stream.seed(0)
    *_, (state, _) = fit(model, model.start(s, {"x": x}), model.batches({"x": x}, s, 0), s, steps)
    return state


@pytest.mark.parametrize("learn, least, most", [("closed form", 2, 2), ("em", 10, 2999)])
def test_the_model_learns_the_most_likely_parameters_at_once_or_by_em(learn, least, most):
    x     = plane()
    state = learned(PPCA(latent=2, learn=learn, tol=1e-12), x)
    best  = ppca.log_likelihood(x, *ppca.fit(x, 2)).mean()
    assert state.done and least <= state.step <= most and state.params["s2"].dtype == "float64"
    assert abs(PPCA().log_prob(state.params, {}, x).mean() - best) <= 1e-9
    assert PPCA().evaluate(state.params, {}, {"x": x}, None)["log-likelihood"].shape == (200,)


def test_its_samples_have_the_moments_of_the_law():
    """200000 of them: each mean and product within 6 of its standard errors, false alarms below 1e-7."""
    params = learned(PPCA(latent=2), plane()).params
    x      = PPCA().sample(params, {}, Stream.seed(0), 200000)
    W, b, s2 = (params[name] for name in PPCA.PARAMS)
    C      = W @ W.T + s2 * np.eye(5)
    d      = x - b
    assert (abs(d.mean(0)) < 6 * np.sqrt(np.diag(C) / len(x))).all()
    products = np.einsum("ni,nj->nij", d, d)
    assert (abs(products.mean(0) - C) < 6 * products.std(0) / len(x)**.5).all()


def test_data_without_a_density_and_codes_that_are_too_long_are_refused():
    flat = plane()[:, :1] @ np.ones((1, 5))
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="no variance beyond 2 directions, so no density"):
        learned(PPCA(latent=2), np.round(flat))
    with pytest.raises(ValueError, match="x has rows that are all the same; expected data that vary"):
        learned(PPCA(latent=2), 0 * flat)
    with pytest.raises(ValueError, match="latent=5, but the data have 5 columns; expected a code of fewer"):
        learned(PPCA(latent=5), flat)


# ---- a prior that q cannot reach -------------------------------------------------------------------------------------
@pytest.mark.parametrize("alpha", [0, 1e-9, 0.5, 0.99, 1 - 1e-9, 1 - 1e-12])
def test_a_chain_that_hardly_moves_is_compared_exactly(alpha):
    mu, v = array(0.3, -0.2, 0.7), array(-0.5, 0.1, 0.2)
    a, m, u = mp.mpf(alpha), [mp.mpf(float(z)) for z in mu], [mp.mpf(float(z)) for z in v]
    exact = m[0]**2 + mp.expm1(u[0]) - u[0] + sum(
        ((m[t] - a * m[t - 1])**2 + a**2 * mp.exp(u[t - 1]) + mp.exp(u[t])) / (1 - a**2) - 1 - u[t] + mp.log(1 - a**2)
        for t in (1, 2))
    assert math.isclose(vae.kl_ar1(mu, v, alpha), exact / 2, rel_tol=1e-13)
    floor = (3 * mp.log1p(a**2) - mp.log1p(-a**2)) / 2
    assert math.isclose(vae.delta_vae_min_kl(5, alpha), floor, rel_tol=1e-13, abs_tol=0)


@given(st.floats(0, 0.999), st.integers(2, 9), seeds)
def test_no_code_goes_below_the_floor_and_the_best_one_reaches_it(alpha, n, seed):
    floor = vae.delta_vae_min_kl(n, alpha)
    rng   = np.random.default_rng(seed)
    assert vae.kl_ar1(rng.normal(size=n), rng.normal(size=n), alpha) >= floor
    best  = np.full(n, math.log1p(-alpha**2) - math.log1p(alpha**2))
    best[[0, -1]] = math.log1p(-alpha**2)                                   # the ends have one neighbour
    assert abs(vae.kl_ar1(0 * best, best, alpha) - floor) <= 1e-12


# ---- codes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [1, 2, 3, 20, 200])
def test_the_codes_of_a_picture_are_the_quantiles_of_squares(n):
    z = vae.latent_grid(n)
    assert z.shape == (n * n, 2)
    cdf = [[(mp.erf(mp.mpf(float(c)) / mp.sqrt(2)) + 1) / 2 for c in row] for row in z[::max(1, n // 3)]]
    want = [[(i // n + mp.mpf(1) / 2) / n, (i % n + mp.mpf(1) / 2) / n] for i in range(0, n * n, max(1, n // 3))]
    assert max(abs(a - b) for row, other in zip(cdf, want) for a, b in zip(row, other)) <= 4 * EPS


@pytest.mark.parametrize("learn", ["closed form", "em"])
@pytest.mark.parametrize("seed", range(4))
def test_data_in_a_plane_have_no_density_however_the_rounding_falls(learn, seed):
    rng = np.random.default_rng(seed)
    x   = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 8))
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="no variance beyond 3 directions, so no density"):
        learned(PPCA(latent=3, learn=learn, tol=0.0), x)


def test_a_sum_over_codes_goes_on_until_it_is_settled_and_says_where_it_is_not():
    model = VAE(decoder="bernoulli", latent=1, hidden=(), levels=2)
    x     = np.array([[0, 1, 1], [1, 0, 1]], dtype="uint8")
    params, stats = trees.map(lambda a: a.astype("float64"), model.init(Stream.seed(0), {"x": x}))

    def steep(by):
        W = np.array([[1.0, -2.0, 3.0]]) * by
        return {**params, "decoder": [{"W": W, "b": np.zeros(3)}]}
    exact = vae.log_evidence(x.astype("float64"), lambda z: model._decode(steep(9), stats, z), 1, 100_001,
                             vae.pairwise(distributions.bernoulli_log_prob))
    assert np.max(abs(model.log_prob(steep(9), stats, x, tolerance=1e-6) - exact)) <= 1e-6
    with pytest.raises(ValueError, match="^The sum over 2049 values of each number in the code still moves"):
        model.log_prob(steep(1e5), stats, x, tolerance=1e-9)
