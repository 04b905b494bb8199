"""Schedules to the last digits, the first step and the last, and steps that do not exist."""
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import no_sync, to_host, use, xp
from scratch.diffusion import (SCHEDULES, VARIANCES, cosine, linear, mean_from_eps, q_posterior, q_sample, sample,
                               schedule, simple_loss, step, step_loss, weights, x0_from_eps)
from tests.functions import schedule_on, sigma2
from tests.operations import mp
from tests.test_mixtures import EPS

betas = st.lists(st.one_of(st.floats(1e-17, 1e-3), st.floats(1e-3, 0.999), st.just(1 - 1e-7)), min_size=1, max_size=6)
s     = schedule_on("numpy")
X     = np.cos(np.arange(6.0)).reshape(3, 2)


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
    assert np.array_equal(step(X, 1, X, 1e300 * X, s.beta, s), mean_from_eps(X, 1, X, s))


@given(betas)
def test_who_knows_the_noise_knows_the_data(beta):
    s = schedule(np.array(beta))
    for t in range(1, len(beta) + 1):
        eps  = X[::-1]
        back = x0_from_eps(q_sample(X, t, eps, s), t, eps, s)
        assert np.max(abs(back - X)) <= 4 * EPS / s.abar[t - 1]**.5


@given(betas, st.integers(0, 2))
def test_data_in_one_point_are_found_from_any_noise(beta, seed):
    """... by the exact noise and the posterior's variance, as far as the precision of x_T goes."""
    s, c = schedule(np.array(beta)), X[seed]
    x    = sample(lambda x, t: (x - s.abar[t - 1]**.5 * c) / s.vbar[t - 1]**.5, X[::-1], lambda t: np.sin(t * X),
                  VARIANCES["posterior"](s), s)
    assert np.max(abs(x - c)) <= 50 * EPS / s.alpha[0]**.5


@pytest.mark.parametrize("f", [
    lambda t, x: q_sample(x, t, x[::-1], s),
    lambda t, x: x0_from_eps(x, t, x[::-1], s),
    lambda t, x: q_posterior(x, x[::-1], t, s)[0],
    lambda t, x: q_posterior(x, x[::-1], t, s)[1] + 0 * x,
    lambda t, x: mean_from_eps(x, t, x[::-1], s),
    lambda t, x: step(x, t, x[::-1], x, sigma2(), s),
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
        loss = step_loss(eps_hat, X, t, X[::-1], sigma2, s)
        mean = simple_loss(eps_hat, X, t, X[::-1], s)
        assert math.isclose(loss.mean(), lam[t - 1] * mean, rel_tol=1e-12)


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
        step(X, t, X, X, sigma2(), s)


def test_on_a_device_a_step_that_does_not_exist_costs_its_own_sample_only():
    with use("strict"):
        there, x, t = schedule_on("strict"), xp.asarray(X), xp.asarray([0, 2, 4])
        with no_sync():
            x_t = q_sample(x, t, x, there)
        assert np.isnan(to_host(x_t)).tolist() == [[True] * 2, [False] * 2, [True] * 2]


def test_data_of_whole_numbers_are_refused():
    with pytest.raises(TypeError, match="x holds int64; expected float32 or float64"):
        q_sample(np.ones((3, 2), int), 1, X, s)
