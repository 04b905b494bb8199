"""The game where the critic is sure: values, slopes, and the point where it cannot tell; the penalty on its slope."""
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import xp
from derivations.engine.words import D
from scratch.autodiff import grad, sigmoid, stop_gradient
from scratch.gans import OBJECTIVES, objectives
from tests.operations import mp
from tests.test_mixtures import EPS

INF = math.inf


# ---- the table -------------------------------------------------------------------------------------------------------
def softplus(l):
    return mp.log1p(mp.exp(l))


def step(l):
    """The slope of max(l, 0); at the kink both sides have half."""
    return np.heaviside(l, 1 / 2)


#          of an output l             its slope                at -inf, -1e4, 1e4, inf  and the slope there
REAL    = (lambda l: softplus(-l),    lambda l: -sigmoid(-l),  (INF, 1e4, 0, 0),        (-1, -1, 0, 0))
FAKE    = (softplus,                  sigmoid,                 (0, 0, 1e4, INF),        (0, 0, 1, 1))
CAUGHT  = (lambda l: -softplus(l),    lambda l: -sigmoid(l),   (0, 0, -1e4, -INF),      (0, 0, -1, -1))
NEAR_1  = (lambda l: (l - 1)**2 / 2,  lambda l: l - 1,         (INF, 50010000.5, 49990000.5, INF),
                                                                                        (-INF, -10001, 9999, INF))
NEAR_0  = (lambda l: l**2 / 2,        lambda l: l,             (INF, 5e7, 5e7, INF),    (-INF, -1e4, 1e4, INF))
HIGH    = (lambda l: -l,              lambda l: -1,            (INF, 1e4, -1e4, -INF),  (-1, -1, -1, -1))
LOW     = (lambda l: l,               lambda l: 1,             (-INF, -1e4, 1e4, INF),  (1, 1, 1, 1))
ABOVE_1 = (lambda l: max(1 - l, 0),   lambda l: -step(1 - l),  (INF, 10001, 0, 0),      (-1, -1, 0, 0))
BELOW_1 = (lambda l: max(1 + l, 0),   lambda l: step(1 + l),   (0, 0, 10001, INF),      (0, 0, 1, 1))

#                   the critic's losses   the generator's   outputs that cost the critic nothing
PARTS = {
    "minimax":       (REAL,    FAKE,      CAUGHT,           (INF, -INF)),
    "nonsaturating": (REAL,    FAKE,      REAL,             (INF, -INF)),
    "least-squares": (NEAR_1,  NEAR_0,    NEAR_1,           (1, 0)),
    "wasserstein":   (HIGH,    LOW,       HIGH,             (0, 0)),
    "hinge":         (ABOVE_1, BELOW_1,   HIGH,             (1, -1)),
}


def losses(name):
    """The three losses of a row, each of outputs [N], with what they are exactly."""
    critic, generator, _ = OBJECTIVES[name]
    *exactly, (real, fake) = PARTS[name]
    return list(zip([lambda l: critic(l, np.full(1, fake, l.dtype)),
                     lambda l: critic(np.full(1, real, l.dtype), l), generator], exactly))


every_row = pytest.mark.parametrize("name", OBJECTIVES)


def test_every_row_of_the_table_is_tried():
    assert set(PARTS) == set(OBJECTIVES)


@every_row
@given(st.one_of(st.floats(-40, 40), st.floats(-1e4, 1e4), st.sampled_from([-1.0, 0.0, 1.0])))
def test_a_loss_and_its_slope_are_right_to_rounding_for_every_output(name, output):
    l = np.array([output])
    for f, (exact, slope, *_) in losses(name):
        y = exact(mp.mpf(output))
        assert abs(f(l) - y) <= 4 * EPS * abs(y) + 1e-300
        assert grad(f)(l) == slope(l)


@every_row
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sure_critic_has_a_loss_and_a_slope(name, dtype):
    for f, (_, _, *expected) in losses(name):
        for l, value, slope in zip((-INF, -1e4, 1e4, INF), *expected):
            l = np.array([l], dtype)
            assert f(l) == np.array(value, dtype) and grad(f)(l) == np.array(slope, dtype)
            assert f(l).dtype == grad(f)(l).dtype == dtype


def test_a_critic_that_cannot_tell_loses_log_4_and_a_step_helps_it_on_both_sides():
    l, critic = np.zeros(3), OBJECTIVES["minimax"].critic
    assert math.isclose(critic(l, l[:2]), math.log(4), rel_tol=EPS)
    real, fake = grad(lambda ls: critic(*ls))([l, l[:2]])
    np.testing.assert_allclose(real, -1 / 6)
    np.testing.assert_allclose(fake, 1 / 4)


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=5))
def test_what_the_generator_gains_in_the_minimax_game_the_critic_loses_on_fakes(outputs):
    fake, (critic, generator, _) = np.array(outputs), OBJECTIVES["minimax"]
    assert generator(fake) == -(critic(np.full(1, INF), fake))


@every_row
@given(st.lists(st.floats(-30, 1), min_size=1, max_size=5))
def test_the_generator_wants_its_samples_to_be_taken_for_data(name, outputs):
    fake, (critic, generator, _) = np.array(outputs), OBJECTIVES[name]
    assert (grad(generator)(fake) <= 0).all()
    assert (grad(lambda real: critic(real, fake))(np.minimum(fake, 0.9)) < 0).all()     # as the critic does of data


# ---- the best critic -------------------------------------------------------------------------------------------------
#                   data alone, samples alone, as many of both
@pytest.mark.parametrize("name, says", [
    ("minimax",       (INF, -INF, 0)),
    ("nonsaturating", (INF, -INF, 0)),
    ("least-squares", (1, 0, 1 / 2)),
    ("hinge",         (1, -1, 0)),
])
def test_the_best_critic_knows_data_from_samples_where_only_one_of_them_comes(name, says):
    with np.errstate(divide="ignore"):
        best = OBJECTIVES[name].best(np.array([0.75, 0, 0.25]), np.array([0, 0.75, 0.25]))
    assert np.array_equal(best, says)


def test_the_steepest_critic_goes_one_up_or_down_from_point_to_point_and_rests_where_as_much_lies_below():
    p, q = np.array([1, 0, 0, 2, 1, 0]) / 4, np.array([0, 0, 1, 2, 0, 1]) / 4
    assert np.array_equal(OBJECTIVES["wasserstein"].best(p, q), [0, -1, -2, -2, -2, -3])


# ---- the penalty -----------------------------------------------------------------------------------------------------
def images(seed=0, n=5, dtype="float64"):
    """Two batches of images and an alpha for each pair."""
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(size=(2, n, 4, 3, 2))
    return [a.astype(dtype) for a in (real, fake, rng.uniform(size=n))]


def total(a):
    return a.sum(axis=tuple(range(1, a.ndim)))


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_a_linear_critic_is_penalised_by_the_distance_of_its_slope_from_one(seed, size):
    real, fake, alpha = images(seed)
    w   = size * real[0]
    gap = np.sqrt(np.sum(w * w)) - 1
    assert math.isclose(objectives.gradient_penalty(lambda x: total(w * x), real, fake, alpha), gap**2,
                        rel_tol=1e-13, abs_tol=1e-13)


@pytest.mark.parametrize("ndim", [2, 3, 4])
def test_every_point_lies_between_a_sample_and_its_own_partner(ndim):
    real, fake, alpha = images()
    real, fake, seen  = real[(...,) + (0,) * (4 - ndim)], fake[(...,) + (0,) * (4 - ndim)], []
    alpha[:2] = 0, 1

    def critic(x):
        seen.append(stop_gradient(x))
        return total(x * x)

    objectives.gradient_penalty(critic, real, fake, alpha)
    way = np.array([a * (x - y) for a, x, y in zip(alpha, real, fake)])
    np.testing.assert_allclose(seen[0] - fake, way, rtol=0, atol=4 * EPS)
    assert np.array_equal(seen[0][0], fake[0]) and np.array_equal(seen[0][1], real[1])


def test_the_penalty_of_a_batch_is_the_mean_over_its_pairs_in_any_order():
    real, fake, alpha = images()
    def of(i):
        return objectives.gradient_penalty(lambda x: total(x**3), real[i], fake[i], alpha[i])
    alone = [of([i]) for i in range(5)]
    assert len(set(alone)) == 5 and math.isclose(of(slice(None)), np.mean(alone), rel_tol=1e-14)
    assert math.isclose(of([3, 1, 4, 0, 2]), np.mean(alone), rel_tol=1e-14)


def test_an_output_may_have_an_axis_of_its_own():
    x = images()
    assert objectives.gradient_penalty(lambda x: total(x**3), *x) == \
        objectives.gradient_penalty(lambda x: total(x**3)[:, None], *x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_critic_that_says_the_same_everywhere_has_a_penalty_of_one_and_stays(dtype):
    """... and so does what is dead in one: samples for which it has a slope are not disturbed."""
    real, fake, alpha = images(dtype=dtype)
    def penalty(w, live):
        return objectives.gradient_penalty(lambda x: total(w * live * x), real, fake, alpha)
    w, live = np.ones((4, 3, 2), dtype), np.ones((5, 1, 1, 1), dtype)
    assert penalty(0 * w, live) == 1 and np.array_equal(grad(penalty)(0 * w, live), 0 * w)
    live[2] = 0
    slope = 2 * (math.sqrt(24) - 1) / math.sqrt(24) * 4 / 5             # of four of the five
    np.testing.assert_allclose(grad(penalty)(w, live), slope * w, rtol=20 * np.finfo(dtype).eps)


def test_the_gradient_of_the_penalty_is_that_of_its_formula_for_a_net():
    """... whose slopes are written out, differentiated by complex step."""
    real, fake, alpha = images()
    x, y = real.reshape(5, 24), fake.reshape(5, 24)
    rng  = np.random.default_rng(1)
    W, v = rng.normal(size=(24, 3)) / 4, rng.normal(size=3)
    x_hat = alpha[:, None] * x + (1 - alpha[:, None]) * y

    def exactly(W):
        slopes = (v * (1 - np.tanh(x_hat @ W)**2)) @ W.T                # [5, 24]
        return np.mean((np.sqrt(np.sum(slopes**2, axis=1)) - 1)**2)

    def penalty(W):
        return objectives.gradient_penalty(lambda x: xp.tanh(x @ W) @ v, x, y, alpha)

    assert math.isclose(penalty(W), exactly(W), rel_tol=1e-14)
    np.testing.assert_allclose(grad(penalty)(W), D(exactly, W), rtol=1e-12, atol=1e-13)
