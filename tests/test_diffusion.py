"""Schedules to the last digits, the first step and the last, steps over many, and steps that do not exist."""
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import no_sync, to_host, use, xp
from scratch.diffusion import (PREDICTIONS, SCHEDULES, VARIANCES, bound, cosine, ddim_encode, ddim_sample, ddim_step,
                               fixed, hybrid_loss, learned, learned_variance, linear, mean_from_eps, q_posterior,
                               q_sample, sample, schedule, simple_loss, spaced, step, step_loss, weights, x0_from_eps)
from scratch.diffusion.ddpm import reconstruction
from tests.functions import schedule_on, sigma2
from tests.operations import mp
from tests.test_mixtures import EPS

betas = st.lists(st.one_of(st.floats(1e-17, 1e-3), st.floats(1e-3, 0.999), st.just(1 - 1e-7)), min_size=1, max_size=6)
s     = schedule_on("numpy")
X     = np.cos(np.arange(6.0)).reshape(3, 2)


def noise_from(c, s):
    """The noise for data that are c."""
    return lambda x, t: (x - s.abar[t - 1]**.5 * c) / s.vbar[t - 1]**.5


def noise_of_normal(m, v, s):
    """The best guess of the noise for data N(m, v)."""
    return lambda x, t: s.vbar[t - 1]**.5 / (s.abar[t - 1] * v + s.vbar[t - 1]) * (x - s.abar[t - 1]**.5 * m)


def relative(found, exact):
    """The largest relative error."""
    return max(abs(mp.mpf(float(a)) / b - 1) for a, b in zip(found, exact))


# ---- schedules -------------------------------------------------------------------------------------------------------
@given(betas)
def test_what_is_left_of_the_data_and_what_is_not_are_right_to_the_last_digits(beta):
    log_abar = np.cumsum([mp.log1p(-mp.mpf(b)) for b in beta])
    s = schedule(np.array(beta))
    assert relative(s.vbar, [-mp.expm1(a) for a in log_abar]) <= 1e-15
    assert relative(s.abar, [mp.exp(a) for a in log_abar]) <= 2 * EPS * (1 + float(abs(log_abar[-1])))
    assert s.abar_1[0] == 1 and s.vbar_1[0] == 0
    assert np.array_equal(s.abar_1[1:], s.abar[:-1]) and np.array_equal(s.vbar_1[1:], s.vbar[:-1])


@pytest.mark.parametrize("T, beta", [(1, 1e-17), (10**5, 1e-17), (10**5, 1e-4), (10**5, 6e-3), (1000, .02), (40, .999)])
def test_a_hundred_thousand_steps_lose_nothing(T, beta):
    log_abar = T * mp.log1p(-mp.mpf(beta))
    s = schedule(np.full(T, beta))
    assert relative(s.vbar[-1:], [-mp.expm1(log_abar)]) <= 1e-15 and relative(s.abar[-1:], [mp.exp(log_abar)]) <= 1e-13


@pytest.mark.parametrize("T", [1, 2, 10, 1000])
def test_the_cosine_is_what_its_formula_says(T):
    def f(t):
        return mp.cos((mp.mpf(t) / T + mp.mpf(0.008)) / (1 + mp.mpf(0.008)) * mp.pi / 2)**2
    exact = [min(1 - f(t) / f(t - 1), mp.mpf(0.999)) for t in range(1, T + 1)]
    assert relative(cosine(T), exact) <= 1e-12


def test_the_line_ends_where_it_should():
    assert linear(1, 0.1, 0.5).tolist() == [0.1] and linear(3, 1e-4, 0.02)[[0, 2]].tolist() == [1e-4, 0.02]


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("T", [1, 2, 3, 20, 21, 100, 1000, 4000])
def test_every_schedule_of_every_length_leaves_noise_and_never_nothing(name, T):
    s = schedule(SCHEDULES[name](T))
    assert s.beta.shape == (T,) and (np.diff(s.vbar) >= 0).all() and 0 < s.abar[-1] < 1
    assert T < 20 or s.abar[-1] < 1e-3
    for variance in VARIANCES.values():
        assert (variance(s) >= 0).all() and (variance(s) <= s.beta * (1 + EPS)).all()


@given(betas)
def test_a_schedule_of_float32_is_that_of_its_numbers_in_float64(beta):
    beta = np.array(beta, "float32")
    for a, b in zip(schedule(beta), schedule(beta.astype("float64"))):
        assert a.dtype == "float64" and np.array_equal(a, b)


# ---- steps -----------------------------------------------------------------------------------------------------------
@given(betas)
def test_the_first_step_back_ends_at_the_data_exactly(beta):
    s = schedule(np.array(beta))
    mean, variance = q_posterior(X, X[::-1], 1, s)
    np.testing.assert_allclose(mean, X, rtol=4 * EPS)
    assert variance == 0 and VARIANCES["posterior"](s)[0] == 0
    assert np.array_equal(step(X, 1, X, 1e300 * X, s.beta[0], s), mean_from_eps(X, 1, X, s))


@given(betas)
def test_who_knows_the_noise_knows_the_data(beta):
    s = schedule(np.array(beta))
    for t in range(1, len(beta) + 1):
        eps  = X[::-1]
        back = x0_from_eps(q_sample(X, t, eps, s), t, eps, s)
        assert np.max(abs(back - X)) <= 4 * EPS / s.abar[t - 1]**.5


@pytest.mark.parametrize("name", PREDICTIONS)
@given(betas)
def test_who_says_what_is_asked_for_says_the_noise(name, beta):
    s, eps = schedule(np.array(beta)), X[::-1]
    for t in range(1, len(beta) + 1):
        found = PREDICTIONS[name].eps_hat(q_sample(X, t, eps, s), t, PREDICTIONS[name].target(X, eps, t, s), s)
        assert np.max(abs(found - eps)) <= 8 * EPS / (s.vbar[t - 1]**.5 if name == "x0" else 1)


@given(betas, st.integers(0, 2))
def test_data_in_one_point_are_found_from_any_noise(beta, seed):
    """... by the exact noise and the posterior's variance, as far as the precision of x_T goes."""
    s, c = schedule(np.array(beta)), X[seed]
    x    = sample(fixed(noise_from(c, s), VARIANCES["posterior"](s)), X[::-1], lambda t: np.sin(t * X), s)
    assert np.max(abs(x - c)) <= 50 * EPS / s.alpha[0]**.5


@pytest.mark.parametrize("f", [
    lambda t, x: q_sample(x, t, x[::-1], s),
    lambda t, x: x0_from_eps(x, t, x[::-1], s),
    lambda t, x: q_posterior(x, x[::-1], t, s)[0],
    lambda t, x: q_posterior(x, x[::-1], t, s)[1] + 0 * x,
    lambda t, x: mean_from_eps(x, t, x[::-1], s),
    lambda t, x: step(x, t, x[::-1], x, 0.1, s),
    lambda t, x: learned_variance(x, t, s),
    lambda t, x: fixed(lambda x, t: x, sigma2())(x, t)[1] + 0 * x,
    *[lambda t, x, p=p: p.target(x, x[::-1], t, s) for p in PREDICTIONS.values()],
    *[lambda t, x, p=p: p.eps_hat(x, t, x[::-1], s) for p in PREDICTIONS.values()],
])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64"])
def test_a_step_for_each_sample_is_that_step_for_that_sample(f, dtype):
    for x in (X, X.reshape(3, 2, 1, 1), X[:, 0]):
        whole = f(np.array([3, 1, 2], dtype), x)
        for i, t in enumerate((3, 1, 2)):
            assert np.array_equal(whole[i], f(t, x)[i]) and np.array_equal(whole[i], f(np.int64(t), x)[i])


def test_the_bound_weighs_what_the_simple_loss_does_not():
    """L_{t-1} = lambda_t |eps - eps_hat|^2 where both kernels have one variance."""
    sigma2  = VARIANCES["posterior"](s)
    eps_hat = lambda xt, t: np.sin(xt)
    with np.errstate(divide="ignore"):                                      # at t = 1, where that variance is 0
        lam = weights(sigma2, s)
    for t in (2, 3):
        loss = step_loss(fixed(eps_hat, sigma2), X, t, X[::-1], s)
        mean = simple_loss(eps_hat, X, t, X[::-1], s)
        assert math.isclose(loss.mean(), lam[t - 1] * mean, rel_tol=1e-12)


@given(betas)
def test_a_learned_variance_lies_between_its_ends_and_reaches_them(beta):
    s = schedule(np.array(beta))
    clipped = VARIANCES["clipped"](s)
    assert (clipped > 0).all() and np.array_equal(clipped[1:], VARIANCES["posterior"](s)[1:])
    assert clipped[0] == (clipped[1] if len(beta) > 1 else beta[0])
    for t in range(1, len(beta) + 1):
        low, between, high = learned_variance(np.array([0.0, 0.3, 1.0]), t, s)
        assert math.isclose(low, clipped[t - 1], rel_tol=40 * EPS) and math.isclose(high, beta[t - 1], rel_tol=40 * EPS)
        assert low * (1 - 80 * EPS) <= between <= high * (1 + 80 * EPS)


# ---- the bound -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("m, v", [(0.5, 0.25), (-1, 4), (0, 1)])
def test_on_normal_data_the_best_network_pays_the_entropy_and_what_is_left_of_the_data(name, m, v):
    """... over 100 steps: nodes that have a normal's moments make the means exact."""
    s     = schedule(SCHEDULES[name](100))
    nodes = 3**.5 * np.array([1, 0, 0, 0, 0, -1])
    x0    = np.repeat(m + v**.5 * nodes, 6)[:, None]
    V_1   = s.abar_1 * v + s.vbar_1
    L     = bound(fixed(noise_of_normal(m, v, s), 1 / (s.alpha / s.beta + 1 / V_1)), x0,
                  lambda t: np.tile(nodes, 6)[:, None], s)
    prior = (s.abar[-1] * m**2 + s.abar[-1] * (v - 1) - np.log1p(s.abar[-1] * (v - 1))) / 2
    assert abs(L.mean() - (1 + math.log(2 * math.pi * v)) / 2 - prior) <= 1e-12


@pytest.mark.parametrize("levels", [2, 3, 17, 256])
def test_the_probabilities_of_all_levels_sum_to_one_at_the_end_of_the_chain(levels):
    x0  = np.linspace(-1, 1, levels)[:, None]
    nll = reconstruction(x0, 0 * x0 + 0.3, 0 * x0 - 0.7, s.beta[0], s, levels)
    assert abs(np.sum(np.exp(-nll)) - 1) <= 1e-12


def test_a_level_where_none_was_expected_costs_much_and_not_infinitely_much():
    s  = schedule(SCHEDULES["cosine"](100))
    x0 = np.array([[1.0]])
    nll = reconstruction(x0, -x0, 0 * x0, VARIANCES["clipped"](s)[0], s, 17)
    assert 1000 < nll[0] < 1e5


@pytest.mark.parametrize("levels", [None, 17])
def test_of_a_batch_with_many_steps_each_pays_for_its_own(levels):
    """The hybrid loss of a batch is the mean of its examples', at t = 1 and later."""
    net  = learned(lambda xt, t: (np.sin(xt), np.cos(xt)**2), s)
    x0   = np.round(8 * X) / 8
    t    = np.array([3, 1, 2])
    loss = hybrid_loss(net, x0, t, X[::-1], 0.1, s, levels)
    one  = [simple_loss(lambda x, t: net(x, t)[0], x0[i:i + 1], int(t[i]), X[::-1][i:i + 1], s)
            + 0.3 * step_loss(net, x0[i:i + 1], int(t[i]), X[::-1][i:i + 1], s, levels)[0] for i in range(3)]
    assert math.isclose(loss, np.mean(one), rel_tol=1e-14)


# ---- a step over many ------------------------------------------------------------------------------------------------
subsets = betas.flatmap(lambda beta: st.tuples(st.just(beta), st.sets(st.integers(1, len(beta)), min_size=1).map(
    lambda steps: sorted(steps, reverse=True))))


@given(betas)
def test_eta_1_on_consecutive_steps_is_ancestral_sampling_whatever_the_network_says(beta):
    s   = schedule(np.array(beta))
    net = lambda x, t: np.sin(3 * x + t)
    z   = lambda t: np.cos(t * X)
    for t in range(1, len(beta) + 1):
        one   = step(X, t, net(X, t), z(t), VARIANCES["posterior"](s)[t - 1], s)
        other = ddim_step(X, t, t - 1, net(X, t), z(t), 1, s)
        assert np.max(abs(one - other)) <= 1e-12 * np.max(abs(one))


@pytest.mark.parametrize("name", SCHEDULES)
def test_and_so_over_a_whole_chain(name):
    s   = schedule(SCHEDULES[name](50))
    net = lambda x, t: np.sin(x)
    z   = lambda t: np.cos(t * X)
    one = sample(fixed(net, VARIANCES["posterior"](s)), X, z, s)
    assert np.max(abs(ddim_sample(net, X, z, spaced(50, 50), 1, s) - one)) <= 1e-12 * np.max(abs(one))


@given(subsets, st.sampled_from([0, 0.5, 1]))
def test_data_in_one_point_are_found_over_any_steps_for_any_eta(drawn, eta):
    beta, steps = drawn
    s = schedule(np.array(beta))
    x = ddim_sample(noise_from(X[0], s), X[::-1], lambda t: np.sin(t * X), steps, eta, s)
    assert np.max(abs(x - X[0])) <= 50 * EPS / s.abar[steps[-1] - 1]**.5


@given(subsets)
def test_at_eta_0_no_noise_is_used_and_the_way_up_comes_down_where_the_network_says_one_thing(drawn):
    beta, steps = drawn
    s  = schedule(np.array(beta))
    up = ddim_encode(lambda x, t: X, X[::-1], steps, s)
    down = [ddim_sample(lambda x, t: X, up, z, steps, 0, s) for z in (lambda t: 0, lambda t: 1e300 * X)]
    assert np.array_equal(*down) and np.max(abs(down[0] - X[::-1])) <= 50 * EPS / s.abar[steps[0] - 1]**.5


def slope(errors):
    """Of the logarithm of the error against that of the step, 1 / n."""
    return np.polyfit(np.log([1 / n for n in errors]), np.log(list(errors.values())), 1)[0]


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("m, v", [(0.5, 0.25), (0, 4), (0.5, 1)])
def test_on_normal_data_the_error_falls_with_order_one_in_the_step(name, m, v):
    """... against where the flow ends: x_0 - m = sqrt(v / V_T) (x_T - sqrt(abar_T) m)."""
    s, x = schedule(SCHEDULES[name](8192)), np.array([0.0, 1.0])
    net  = noise_of_normal(m, v, s)
    end  = m + (v / (s.abar[-1] * v + s.vbar[-1]))**.5 * (x - s.abar[-1]**.5 * m)
    assert abs(slope({n: max(abs(ddim_sample(net, x, lambda t: 0, spaced(8192, n), 0, s) - end))
                      for n in (64, 128, 256, 512)}) - 1) <= 0.05


@pytest.mark.parametrize("m, v", [(0.5, 0.25), (0, 4), (0.5, 1)])
def test_up_and_down_again_falls_with_order_one_too(m, v):
    s, x = schedule(SCHEDULES["linear"](8192)), np.array([0.0, 1.0])
    net  = noise_of_normal(m, v, s)
    there = {n: ddim_encode(net, x, spaced(8192, n), s) for n in (128, 256, 512, 1024)}
    assert abs(slope({n: max(abs(ddim_sample(net, y, lambda t: 0, spaced(8192, n), 0, s) - x))
                      for n, y in there.items()}) - 1) <= 0.05


@given(st.integers(1, 2000).flatmap(lambda T: st.tuples(st.just(T), st.integers(1, T))))
def test_spaced_steps_are_whole_decrease_from_the_last_and_lie_evenly(drawn):
    T, n  = drawn
    steps = spaced(T, n)
    gaps  = -np.diff([*steps, 0])
    assert len(steps) == n and steps[0] == T and all(type(t) is int for t in steps)
    assert gaps.min() >= 1 and gaps[:-1].max(initial=1) - gaps.min() <= 1 and gaps[-1] <= -(-T // n)


@pytest.mark.parametrize("T, n, error, message", [
    (10, 0,    ValueError, "n=0 is out of range; expected an integer from 1 to 10"),
    (10, 11,   ValueError, "n=11 is out of range"),
    (10, 2.5,  TypeError,  "n=2.5 is a float; expected an integer"),
])
def test_a_number_of_steps_that_there_is_not_is_named(T, n, error, message):
    with pytest.raises(error, match=message):
        spaced(T, n)


@pytest.mark.parametrize("steps, eta, error, message", [
    ([3, 3],       0,     ValueError, "r=3 is out of range; expected an integer from 0 to 2"),
    ([2, 3],       0,     ValueError, "r=3 is out of range; expected an integer from 0 to 1"),
    ([3, 0],       0,     ValueError, "t=0 is out of range; expected an integer from 1 to 3"),
    ([4, 1],       0,     ValueError, "t=4 is out of range"),
    ([3, -1],      0,     ValueError, "r=-1 is out of range"),
    ([3, 1.0],     0,     TypeError,  "r=1.0 is a float"),
    ([3, 1],       1.5,   ValueError, "eta=1.5 is out of range; expected a number from 0, no noise, to 1"),
    ([3, 1],       -0.5,  ValueError, "eta=-0.5 is out of range"),
    ([3, 1], math.nan,    ValueError, "eta=nan is out of range"),
])
def test_steps_that_do_not_decrease_to_the_data_are_named(steps, eta, error, message):
    with pytest.raises(error, match=message):
        ddim_sample(lambda x, t: x, X, lambda t: X, steps, eta, s)


# ---- what makes no sense ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("beta, error, message", [
    ([],                 ValueError, r"beta has shape \(0,\); expected \[T\] with T at least 1"),
    ([[.1, .2]],         ValueError, r"beta has shape \(1, 2\); expected \[T\]"),
    (0.1,                ValueError, r"beta has shape \(\); expected \[T\]"),
    ([.1, 0.],           ValueError, r"beta\[1\]=0.0; expected a number inside \(0, 1\)"),
    ([1., .5],           ValueError, r"beta\[0\]=1.0; expected"),
    ([.5, -.1],          ValueError, r"beta\[1\]=-0.1; expected"),
    ([.5, math.nan],     ValueError, r"beta\[1\]=nan; expected"),
    ([1, 0],             TypeError,  "beta holds int64; expected floats inside"),
    ([.1j],              TypeError,  "beta holds complex128; expected floats"),
    ([.999] * 200,       ValueError, "beta leaves abar_T = 0 after T=200 steps; expected less noise"),
])
@pytest.mark.parametrize("backend", ["numpy", "strict"])
def test_a_schedule_that_makes_no_sense_is_named(beta, error, message, backend):
    with use(backend), pytest.raises(error, match=message):
        schedule(xp.asarray(beta))


@pytest.mark.parametrize("t, error, message", [
    (0,                        ValueError, "t=0 is out of range; expected an integer from 1 to 3"),
    (4,                        ValueError, "t=4 is out of range"),
    (-1,                       ValueError, "t=-1 is out of range"),
    (1.0,                      TypeError,  "t=1.0 is a float; expected an integer from 1 to 3"),
    (True,                     TypeError,  "t=True is a bool; expected an integer"),
    ([1, 2, 3],                TypeError,  r"t=\[1, 2, 3\] is a list; expected an integer"),
    (np.array([1, 0, 2]),      ValueError, r"t=\[1, 0, 2\] has steps out of range; expected integers from 1 to 3"),
    (np.array([1, 4, 2]),      ValueError, r"t=\[1, 4, 2\] has steps out of range"),
    (np.array([1., 2., 3.]),   TypeError,  "t holds float64; expected integers from 1 to 3"),
    (np.array([True] * 3),     TypeError,  "t holds bool; expected integers from 1 to 3"),
    (np.array([1, 2]),         ValueError, r"t has shape \(2,\); expected \(3,\), a step for each sample"),
    (np.array([[1], [2], [3]]), ValueError, r"t has shape \(3, 1\); expected \(3,\)"),
])
def test_a_step_that_does_not_exist_is_named(t, error, message):
    for f in (q_sample, x0_from_eps, mean_from_eps):
        with pytest.raises(error, match=message):
            f(X, t, X, s)
    with pytest.raises(error, match=message):
        q_posterior(X, X, t, s)
    with pytest.raises(error, match=message):
        step(X, t, X, X, 0.1, s)


def test_on_a_device_a_step_that_does_not_exist_costs_its_own_sample_only():
    with use("strict"):
        there, x, t = schedule_on("strict"), xp.asarray(X), xp.asarray([0, 2, 4])
        with no_sync():
            x_t = q_sample(x, t, x, there)
        assert np.isnan(to_host(x_t)).tolist() == [[True] * 2, [False] * 2, [True] * 2]


def test_data_of_whole_numbers_are_refused():
    with pytest.raises(TypeError, match="x holds int64; expected float32 or float64"):
        q_sample(np.ones((3, 2), int), 1, X, s)
