"""Autoencoders at the extremes: laws without mass, deviations of 1e-30, sure bits, chains that hardly move."""
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratch.autodiff import grad, sigmoid
from scratch.autoencoders import hierarchical, latent, ppca, vae
from tests.functions import TABLE, joined, net
from tests.operations import mp
from tests.test_mixtures import EPS, seeds
from tests.test_probability import INF, array, log

ROWS = {row.place.rpartition(".")[2]: row for row in TABLE if "autoencoders" in row.place}


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
    assert abs(vae.gaussian_log_prob(x, mu, v) - exact) <= eps * max(1, abs(exact))
    of_x, of_mu, of_v = grad(lambda args: vae.gaussian_log_prob(*args)[0])([x, mu, v])
    np.testing.assert_allclose([of_x * sigma, of_mu * sigma, of_v], [[-away], [away], [(away**2 - 1) / 2]], atol=eps)


@given(st.lists(st.floats(-40, 40), min_size=1, max_size=5))
def test_the_probabilities_of_all_bits_sum_to_one(logits):
    x = np.array(list(itertools.product([0.0, 1.0], repeat=len(logits))))
    assert abs(np.sum(np.exp(vae.bernoulli_log_prob(x, 0 * x + np.array(logits)))) - 1) <= 1e-13


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sure_bit_costs_its_logit_where_it_is_wrong_and_nothing_where_it_is_right(dtype):
    logits, x = array(1e4, 1e4, -1e4, -1e4, dtype=dtype), array(1, 0, 1, 0, dtype=dtype)
    assert vae.bernoulli_log_prob(x[:, None], logits[:, None]).tolist() == [0, -1e4, -1e4, 0]
    slope = grad(lambda l: vae.bernoulli_log_prob(x[None], l[None])[0])(logits)
    assert np.array_equal(slope, x - sigmoid(logits))


@given(seeds)
def test_twice_the_pixels_are_twice_the_log_probability(seed):
    x, mu, v = ROWS["gaussian_log_prob"].draw(seed)
    twice = [np.concatenate([a, a], axis=1) for a in (x, mu, v)]
    np.testing.assert_allclose(vae.gaussian_log_prob(*twice), 2 * vae.gaussian_log_prob(x, mu, v), rtol=1e-14)
    np.testing.assert_allclose(vae.bernoulli_log_prob(*twice[:2]), 2 * vae.bernoulli_log_prob(x, mu), rtol=1e-13)


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
