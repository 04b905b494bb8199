"""Divergences and estimators at the extremes, and their gradients there."""
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratch.autodiff import grad, jacobian, softmax
from scratch.probability import (frechet, js_categorical, kl_categorical, kl_normal, kl_normal_full, kl_normals,
                                 w1_line)
from scratch.probability.distributions import (colour_means, logistic_log_prob, logistic_mixture_log_prob,
                                               normal_level_log_prob)
from scratch.probability.estimators import leave_one_out, log_mean_exp, reparameterise, score_surrogate
from tests.functions import B, covariance, log_simplex, real
from tests.operations import mp
from tests.test_mixtures import EPS, seeds

INF    = math.inf
tiny   = st.sampled_from([1e-300, 1e-17, 1e-9, 1e-8, 1e-4, 0.2499999, 0.25, 0.3, 1, 30, 138, 700])
logs   = st.one_of(st.floats(-1e-15, 1e-15), st.floats(-2, 2), st.floats(-1e4, 1e4)).map(
    lambda v: v if abs(v) > 1e-30 else 0.0)                                 # what 60 digits can see beside 1
signs  = st.sampled_from([-1, 1])


def array(*values, dtype="float64"):
    return np.array(values, dtype)


def log(p):
    with np.errstate(divide="ignore"):
        return np.log(p)


# ---- normal laws -----------------------------------------------------------------------------------------------------
@given(tiny, signs, st.sampled_from(["float32", "float64"]))
def test_the_kl_of_a_normal_law_is_exact_for_every_variance_and_its_slope_too(size, sign, dtype):
    """With sigma from 1 +- 1e-300 to 1e+-30 and beyond, as far as sigma^2 is a number of the dtype."""
    v     = array(sign * min(size, 700 if dtype == "float64" else 80), dtype=dtype)
    exact = (mp.expm1(mp.mpf(float(v[0]))) - mp.mpf(float(v[0]))) / 2
    slope = mp.expm1(mp.mpf(float(v[0]))) / 2
    eps   = np.finfo(dtype).eps
    kl    = kl_normal(0 * v, v)
    assert kl >= 0 and abs(kl - exact) <= 8 * eps * exact + np.finfo(dtype).tiny
    assert abs(grad(lambda v: kl_normal(0 * v, v))(v)[0] - slope) <= 8 * eps * abs(slope)


@given(st.floats(-700, 700), st.floats(-1e150, 1e150))
def test_the_kl_of_a_normal_law_is_never_negative(v, mu):
    assert kl_normal(array(mu), array(v)) >= 0 and kl_normals(array(mu), array(v), array(mu), array(v)) == 0


@pytest.mark.parametrize("sigma1, sigma2", [(1e-30, 1e30), (1e-30, 1e-30), (1e30, 1e30), (3e-30, 1e-30),
                                            (1e-200, 1e-200)])
def test_normal_laws_are_compared_in_units_of_the_second(sigma1, sigma2):
    mu1, mu2 = array(2 * sigma2), array(0.0)
    exact = mp.log(mp.mpf(sigma2) / mp.mpf(sigma1)) + (mp.mpf(sigma1) / mp.mpf(sigma2))**2 / 2 + 2 - mp.mpf(1) / 2
    v1, v2 = (2 * np.log(array(sigma)) for sigma in (sigma1, sigma2))
    assert math.isclose(kl_normals(mu1, v1, mu2, v2), exact, rel_tol=1e-13)
    S1, S2 = (array(sigma)[:, None]**2 for sigma in (sigma1, sigma2))
    assert not S1.any() or math.isclose(kl_normal_full(mu1, S1, mu2, S2), exact, rel_tol=1e-13)


def test_a_variance_of_nothing_is_infinitely_far_and_on_the_way_the_slope_is_a_number():
    assert kl_normal(array(0), array(-INF)) == INF and kl_normal(array(0), array(-1e300)) == 5e299
    assert grad(lambda v: kl_normal(array(0), v))(array(-1e300)) == -0.5


@given(seeds)
def test_the_kl_of_full_normal_laws_is_zero_between_equals_and_has_its_closed_slopes(seed):
    rng = np.random.default_rng(seed)
    mu1, S1, mu2, S2 = (arg.draw(rng) for arg in (real(3), covariance(3, 3), real(3), covariance(3, 3)))
    assert 0 <= kl_normal_full(mu1, S1, mu1, S1) <= 1e-24
    bars  = grad(lambda args: kl_normal_full(*args))([mu1, S1, mu2, S2])
    P1, P2, d = np.linalg.inv(S1), np.linalg.inv(S2), mu1 - mu2
    exact = P2 @ d, (P2 - P1) / 2, -P2 @ d, (P2 - P2 @ (S1 + np.outer(d, d)) @ P2) / 2
    worst = np.linalg.cond(S1) * np.linalg.cond(S2)
    for bar, slope in zip(bars, exact):
        assert np.max(abs(bar - slope)) <= 1e-14 * worst * np.max(abs(slope))


# ---- finitely many values --------------------------------------------------------------------------------------------
CORNERS = [  # p         q           KL(p || q)                      JS(p, q)
    ([1, 0],     [1, 0],     0,                              0),
    ([1, 0],     [0, 1],     INF,                            math.log(2)),
    ([1, 0],     [.5, .5],   math.log(2),                    math.log(4 / 3) * 3 / 4),
    ([.5, .5],   [1, 0],     INF,                            math.log(4 / 3) * 3 / 4),
    ([0, .5, .5], [0, .5, .5], 0,                            0),
    ([1],        [1],        0,                              0),
]


@pytest.mark.parametrize("p, q, kl, js", CORNERS)
def test_probabilities_of_0_and_1_have_their_divergences_and_no_slope_is_nan(p, q, kl, js):
    log_p, log_q = log(array(*p)), log(array(*q))
    for f, exact in ((kl_categorical, kl), (js_categorical, js)):
        assert math.isclose(f(log_p, log_q), exact, rel_tol=4 * EPS, abs_tol=EPS)
        bars = grad(lambda laws: f(*laws))([log_p, log_q])
        assert not np.isnan(bars).any() and (np.isinf(exact) or np.isfinite(bars).all())
    assert np.array_equal(grad(lambda log_q: kl_categorical(log_p, log_q))(log_q), -array(*p))


@given(seeds, st.sampled_from([1, 1e-9, 300]))
def test_js_lies_between_0_and_log_2_and_is_symmetric(seed, spread):
    """To rounding: of equal laws it may be an eps below 0."""
    log_p, log_q = (arg.draw(np.random.default_rng(seed)) for arg in (log_simplex(B, 3), log_simplex(B, 3)))
    log_q = log_p + spread * (log_q - log_p)
    log_q = log_q - np.logaddexp.reduce(log_q, axis=-1, keepdims=True)
    js = js_categorical(log_p, log_q)
    assert (js >= -4 * EPS).all() and (js <= math.log(2) + 4 * EPS).all()
    np.testing.assert_allclose(js, js_categorical(log_q, log_p), rtol=0, atol=EPS)


# ---- levels ----------------------------------------------------------------------------------------------------------
def logistic_exactly(k, mu, log_s, levels):
    """log P(k): sigma(b) - sigma(a) = e^-b (e^(b - a) - 1) / ((1 + e^-a) (1 + e^-b)), to 60 digits."""
    a, b = (((k + mp.mpf(side) / 2) / (levels - 1) - mu) / mp.exp(log_s) for side in (-1, 1))
    if k == 0:
        return -mp.log1p(mp.exp(-b))
    if k == levels - 1:
        return -mp.log1p(mp.exp(a))
    return mp.log(mp.expm1(b - a)) - b - mp.log1p(mp.exp(-a)) - mp.log1p(mp.exp(-b))


def normal_exactly(k, mu, log_var, levels):
    """log P(k): Phi(b) - Phi(a), or Phi(-a) - Phi(-b) where those are small, to 60 digits."""
    a, b = (((k + mp.mpf(side) / 2) / (levels - 1) - mu) / mp.exp(log_var / 2) for side in (-1, 1))
    if k == levels - 1 or k > 0 and a + b > 0:
        a, b = -b, -a
    tail = mp.mpf(0) if k in (0, levels - 1) else mp.erfc(-a / mp.sqrt(2)) / 2
    return mp.log(mp.erfc(-b / mp.sqrt(2)) / 2 - tail)


# mu in units of the whole range: inside, on an edge, 50 bins and 50 ranges away
levelled = st.sampled_from([2, 3, 256]).flatmap(lambda L: st.tuples(
    st.just(L), st.integers(0, L - 1) | st.sampled_from([0, L - 1]), st.floats(-20, 20) | st.sampled_from([-20, 20]),
    st.floats(0, 1) | st.sampled_from([0.5 / (L - 1), 50 / (L - 1), 1 + 50 / (L - 1), -50, 50])))


@given(levelled, st.sampled_from(["float32", "float64"]))
def test_a_level_has_the_probability_that_60_digits_give_it_and_its_slopes_too(drawn, dtype):
    """To the rounding of where its edges lie, in units of s."""
    L, k, log_s, mu = drawn
    mu, log_s = array(mu, dtype=dtype), array(log_s, dtype=dtype)
    m, v = mp.mpf(float(mu[0])), mp.mpf(float(log_s[0]))
    f     = lambda args: logistic_log_prob(np.array([[k]]), args[0][None], args[1][None], L)[0]
    exact = logistic_exactly(k, m, v, L)
    eps   = 16 * np.finfo(dtype).eps * (1 + abs(v))
    shift = (1 + abs(m)) / mp.exp(v)
    assert np.isfinite(f([mu, log_s])) and abs(f([mu, log_s]) - exact) <= eps * (abs(exact) + shift)
    of_mu, of_log_s = grad(f)([mu, log_s])
    assert abs(of_mu[0] - mp.diff(lambda m: logistic_exactly(k, m, v, L), m)) <= eps * (1 + shift) / mp.exp(v)
    assert abs(of_log_s[0] - mp.diff(lambda v: logistic_exactly(k, m, v, L), v)) <= eps * (1 + shift)**2


@given(levelled, st.sampled_from(["float32", "float64"]))
def test_a_level_of_a_normal_law_has_the_probability_that_60_digits_give_it_and_its_slopes_too(drawn, dtype):
    """To the rounding of where its edges lie, in units of sigma."""
    L, k, log_s, mu = drawn
    mu, log_var = array(mu, dtype=dtype), array(2 * log_s, dtype=dtype)
    m, v  = mp.mpf(float(mu[0])), mp.mpf(float(log_var[0]))
    f     = lambda args: normal_level_log_prob(np.array([[k]]), args[0][None], args[1][None], L)[0]
    exact = normal_exactly(k, m, v, L)
    eps   = 16 * np.finfo(dtype).eps * (1 + abs(v))
    shift = (1 + abs(m)) / mp.exp(v / 2)
    assert np.isfinite(f([mu, log_var])) and abs(f([mu, log_var]) - exact) <= eps * (abs(exact) + shift)
    of_mu, of_log_var = grad(f)([mu, log_var])
    assert abs(of_mu[0] - mp.diff(lambda m: normal_exactly(k, m, v, L), m)) <= eps * (1 + shift)**2 / mp.exp(v / 2)
    assert abs(of_log_var[0] - mp.diff(lambda v: normal_exactly(k, m, v, L), v)) <= eps * (1 + shift)**3


@given(levelled, st.sampled_from([logistic_log_prob, normal_level_log_prob]))
def test_the_probabilities_of_all_levels_sum_to_one(drawn, log_prob):
    L, _, log_s, mu = drawn
    log_p = log_prob(np.arange(L)[:, None], np.full((L, 1), mu), np.full((L, 1), log_s), L)
    assert (log_p <= 0).all() and abs(np.sum(np.exp(log_p)) - 1) <= 1e-12


@given(levelled, st.lists(st.floats(-30, 30), min_size=1, max_size=3), seeds)
def test_a_level_of_a_mixture_has_the_probability_that_60_digits_give_it(drawn, logits, seed):
    """Two colours, which share their component."""
    L, k, log_s, mu = drawn
    rng  = np.random.default_rng(seed)
    k, M = np.array([k, rng.integers(L)]), len(logits)
    mu, log_s = mu + rng.normal(size=(2, M)), log_s + rng.uniform(-1, 1, (2, M))
    terms = [mp.mpf(l) + sum(logistic_exactly(int(k[c]), mp.mpf(mu[c, i]), mp.mpf(log_s[c, i]), L) for c in (0, 1))
             for i, l in enumerate(logits)]
    exact = mp.log(sum(map(mp.exp, terms))) - mp.log(sum(mp.exp(l) for l in logits))
    found = logistic_mixture_log_prob(k[None], array(*logits)[None], mu[None], log_s[None], L)
    scale = np.max((1 + abs(mu)) * np.exp(-log_s) * (1 + abs(log_s)))
    assert abs(found[0] - exact) <= 64 * EPS * (scale + abs(exact) + 30)


@given(levelled, seeds)
def test_the_probabilities_of_all_colours_sum_to_one_however_they_move_one_another(drawn, seed):
    L, _, log_s, mu = drawn
    L, rng = min(L, 5), np.random.default_rng(seed)
    k      = np.stack(np.meshgrid(*[np.arange(L)] * 3), -1).reshape(-1, 3)
    mu, log_s, coef = mu + rng.normal(size=(3, 4)), log_s + rng.uniform(-1, 1, (3, 4)), 9 * rng.normal(size=(3, 4))
    mu     = colour_means(k, np.broadcast_to(mu, (L**3, 3, 4)), coef[None], L)
    log_p  = logistic_mixture_log_prob(k, rng.normal(size=(1, 4)), mu, log_s, L)
    assert (log_p <= 1e-12).all() and abs(np.sum(np.exp(log_p)) - 1) <= 1e-12


def test_a_mean_moves_with_the_colours_before_it_alone_and_each_has_a_factor_of_its_own():
    k     = np.array([[[3, 1, 2]]])
    slope = jacobian(lambda coef: colour_means(k, np.zeros((1, 1, 3, 1)), coef, 4))(np.zeros((1, 1, 3, 1)))
    np.testing.assert_allclose(slope.reshape(3, 3), [[0, 0, 0], [1, 0, 0], [0, 1, 1 / 3]], rtol=1e-15)


def test_the_edge_bins_take_the_tails():
    """A logistic law at 0.97 of the range, of width 0.08, has 0.4 of its mass beyond the 256th level."""
    args = np.arange(256)[:, None], np.zeros((256, 1)), np.full((256, 1, 1), 0.97), np.full((256, 1, 1), np.log(0.08))
    p    = np.exp(logistic_mixture_log_prob(*args, 256))
    tail = 1 / (1 + math.exp((1 - 0.5 / 255 - 0.97) / 0.08))
    assert abs(p.sum() - 1) <= 1e-12 and math.isclose(p[-1], tail, rel_tol=1e-12) and tail > 0.4


def test_a_component_that_is_out_of_the_question_has_no_slope_and_no_nan():
    """One lies 10^6 of its widths away; the narrowest has s = e^-7, and both logits are extreme."""
    mu, log_s = array(0.5, 1e6)[None, None, None], array(-7, 0.0)[None, None, None]
    f     = lambda args: logistic_mixture_log_prob(np.array([[[200]]]), args[0], args[1], args[2], 256)[0]
    start = [array(-700, 700)[None, None], mu, log_s]
    bars  = grad(f)(start)
    assert np.isfinite(f(start)) and all(np.isfinite(bar).all() for bar in bars) and bars[1][0, 0, 0, 1] == 0
    assert math.isclose(bars[1][0, 0, 0, 0], math.exp(7), rel_tol=1e-9)


def test_a_level_200_away_is_not_impossible():
    """... where a difference of two sigmoids is 0."""
    found = logistic_log_prob(np.array([[28]]), array(228 / 255)[None], array(-7 - math.log(2))[None], 256)
    assert math.isclose(found[0], logistic_exactly(28, mp.mpf(228) / 255, -7 - mp.log(2), 256), rel_tol=1e-13)
    assert abs(found[0] + 1715.9) < 0.1


def test_a_level_50_sigmas_away_is_not_impossible():
    """... where a difference of two normal distribution functions is 0."""
    found = normal_level_log_prob(np.array([[28]]), array(228 / 255)[None], array(-2 * math.log(63.75))[None], 256)
    assert math.isclose(found[0], normal_exactly(28, mp.mpf(228) / 255, -2 * mp.log(63.75), 256), rel_tol=1e-13)
    assert found[0] < -1200


# ---- transport -------------------------------------------------------------------------------------------------------
@given(st.floats(-1e8, 1e8), st.floats(1e-8, 1e8))
def test_a_point_mass_is_carried_as_far_as_it_has_to_go(start, way):
    x, p = np.sort(array(start, start + way, start + 2 * way)), np.eye(3)
    assert w1_line(x, p[0], p[2]) == x[2] - x[0] or math.isclose(w1_line(x, p[0], p[2]), x[2] - x[0], rel_tol=1e-15)
    assert w1_line(x, p[1], p[1]) == 0 and w1_line(x[:1], p[0, :1], p[0, :1]) == 0


@pytest.mark.parametrize("scale", [1e-8, 1, 1e8])
@pytest.mark.parametrize("n, D", [(2, 5), (8, 20), (50, 20), (3, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_law_of_any_rank_and_scale_is_at_no_distance_from_itself(scale, n, D, dtype):
    x = (scale * np.random.default_rng(n).normal(size=(n, D))).astype(dtype)
    Sigma = np.cov(x.T, dtype=dtype).reshape(D, D)
    assert 0 <= frechet(x[0], Sigma, x[0], Sigma) <= 45 * np.finfo(dtype).eps * np.trace(Sigma)


@given(st.lists(st.tuples(st.floats(0, 1e16), st.floats(0, 1e16)), min_size=1, max_size=4))
def test_between_laws_with_the_same_axes_the_frechet_distance_is_that_of_the_deviations(variances):
    a, b  = np.array(variances).T
    exact = np.sum((np.sqrt(a) - np.sqrt(b))**2)
    found = frechet(0 * a, np.diag(a), 0 * b, np.diag(b))
    assert found >= 0 and abs(found - exact) <= 1e-14 * np.sum(a + b)


def test_the_frechet_distance_is_symmetric_and_moves_with_the_means():
    rng = np.random.default_rng(0)
    mu1, S1, mu2, S2 = (arg.draw(rng) for arg in (real(B, 3), covariance(B, 3, 3), real(B, 3), covariance(B, 3, 3)))
    d2 = frechet(mu1, S1, mu2, S2)
    np.testing.assert_allclose(frechet(mu2, S2, mu1, S1), d2, rtol=1e-13)
    np.testing.assert_allclose(d2 - frechet(mu1, S1, mu1, S2), np.sum((mu1 - mu2)**2, 1), rtol=1e-12)


# ---- estimators ------------------------------------------------------------------------------------------------------
@given(st.lists(logs, min_size=1, max_size=5))
def test_the_logarithm_of_a_mean_of_weights_is_right_to_rounding_and_its_slope_is_softmax(log_w):
    exact = mp.log(mp.fsum(mp.exp(mp.mpf(w)) for w in log_w) / len(log_w))
    w     = array(*log_w)
    assert abs(log_mean_exp(w) - exact) <= 8 * EPS * min(max(map(abs, log_w)), abs(max(log_w)) + math.log(len(log_w)))
    np.testing.assert_allclose(grad(log_mean_exp)(w), softmax(w), rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("log_w, value, slope", [
    ([-4e-18, -1e-17],  -7e-18,       [.5, .5]),
    ([-INF, -INF],      -INF,         [0, 0]),
    ([-INF, 0],         -math.log(2), [0, 1]),
    ([INF, 0],          INF,          [1, 0]),
    ([INF, -INF],       INF,          [1, 0]),
    ([1e308, 1e308],    1e308,        [.5, .5]),
    ([-1e308, -1e308],  -1e308,       [.5, .5]),
    ([-INF],            -INF,         [0]),
    ([3],               3,            [1]),
])
def test_weights_of_nothing_and_without_end_have_a_mean(log_w, value, slope):
    w = array(*log_w)
    assert math.isclose(log_mean_exp(w), value, rel_tol=4 * EPS)
    np.testing.assert_allclose(grad(log_mean_exp)(w), slope, rtol=4 * EPS)
    batch = np.stack([w] + 3 * [np.zeros(len(w))])
    assert math.isclose(log_mean_exp(batch)[0], value, rel_tol=4 * EPS) and not log_mean_exp(batch)[1:].any()
    assert math.isclose(log_mean_exp(batch.T, axis=0)[0], value, rel_tol=4 * EPS)


@pytest.mark.parametrize("sigma", [1e-30, 1, 1e30])
def test_one_deviation_of_noise_is_one_deviation(sigma):
    mu, log_var = array(0.0), 2 * np.log(array(sigma))
    assert math.isclose(reparameterise(mu, log_var, array(1.0))[0], sigma, rel_tol=1e-13)
    slope = grad(lambda v: reparameterise(mu, v, array(1.0))[0])(log_var)
    assert math.isclose(slope[0], sigma / 2, rel_tol=1e-13)


def test_of_the_score_only_the_law_is_differentiated():
    log_q, f, b = array(-1, -2, -3), array(5, -1, 2), array(1, 2, 0.5)
    bars = grad(lambda args: score_surrogate(*args))([log_q, f, b])
    np.testing.assert_allclose(bars, [(f - b) / 3, 0 * f, 0 * b])


def test_a_baseline_does_not_see_its_own_draw_and_the_baselines_have_the_mean_of_all():
    f = array(1, -2, 4, 0.5)
    assert np.array_equal(jacobian(leave_one_out)(f), (1 - np.eye(4)) / 3)
    assert leave_one_out(f).mean() == f.mean()


@pytest.mark.parametrize("N", [0, 1])
def test_one_draw_cannot_be_left_out(N):
    with pytest.raises(ValueError, match=f"f has {N} draw.* needs at least 2"):
        leave_one_out(np.ones((3, N)))
