"""Chains of conditionals and of maps: sure bits, what depends on what, and Jacobians that are written out."""
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratch.autodiff import grad, jacobian
from scratch.autoregressive import chain
from scratch.flows import change
from tests.operations import mp
from tests.test_mixtures import EPS, seeds
from tests.test_probability import INF, array

BITS = np.array(list(itertools.product([0.0, 1.0], repeat=4)))


# ---- one step after another ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("alpha_1, x, value, slope", [
    (0.0,   1, 0,               -1),
    (1.0,   0, 0,               1),
    (0.0,   0, -INF,            INF),
    (1.0,   1, -INF,            -INF),
    (1e-17, 1, -1e-17,          -1),
    (1e-17, 0, math.log(1e-17), 1e17),
    (0.5,   1, math.log(.5),    -2),
])
def test_a_table_that_is_sure_has_a_log_probability_and_a_slope(alpha_1, x, value, slope):
    with np.errstate(divide="ignore"):                                      # what cannot be has -inf, loudly
        assert math.isclose(chain.cpt_log_prob(np.array(x), np.array(alpha_1)), value, rel_tol=EPS)
        assert math.isclose(grad(lambda a: chain.cpt_log_prob(np.array(x), a))(np.array(alpha_1)), slope, rel_tol=EPS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("logit, x, value, slope", [
    (INF, 1, 0, 0), (INF, 0, -INF, -1), (-INF, 1, -INF, 1), (-INF, 0, 0, 0),
    (1e4, 1, 0, 0), (1e4, 0, -1e4, -1), (-1e4, 1, -1e4, 1), (-1e4, 0, 0, 0),
])
def test_a_logit_without_end_has_a_log_probability_and_a_slope(logit, x, value, slope, dtype):
    f = lambda l: chain.logit_log_prob(np.array(x), l)
    assert f(np.array(logit, dtype)) == value and grad(f)(np.array(logit, dtype)) == slope


@given(st.one_of(st.floats(-40, 40), st.floats(-700, 700)))
def test_the_log_probability_of_a_likely_bit_keeps_its_digits(logit):
    exact = -mp.log1p(mp.exp(-mp.mpf(logit)))
    assert abs(chain.logit_log_prob(np.array(1), np.array(logit)) - exact) <= -4 * EPS * exact


@given(seeds, st.sampled_from([1, 30]), st.sampled_from(["float32", "float64"]))
def test_the_probabilities_of_all_that_can_be_sum_to_one(seed, scale, dtype):
    rng = np.random.default_rng(seed)
    args = rng.uniform(size=()), scale * rng.normal(size=3), scale * rng.normal(size=(3, 3))
    args = [a.astype(dtype) for a in args]
    for x in (BITS.astype(dtype), BITS.astype("uint8"), BITS.astype("int64")):
        log_p = chain.logistic_log_prob(x, *args)
        assert log_p.dtype == dtype and abs(np.exp(log_p).sum() - 1) <= 1000 * np.finfo(dtype).eps


def test_a_conditional_sees_all_that_came_before_and_nothing_else():
    seen = []
    chain.log_prob(BITS, lambda x_d, before: seen.append((x_d, before)) or x_d)
    for d, (x_d, before) in enumerate(seen):
        assert np.array_equal(x_d, BITS[:, d]) and np.array_equal(before, BITS[:, :d])
    assert len(seen) == 4


def test_of_the_weights_those_of_earlier_values_count_and_no_others():
    x, alpha = np.ones(4), np.random.default_rng(0).normal(size=(3, 3))
    slope = grad(lambda alpha: chain.logistic_log_prob(x, array(0.5)[0], np.zeros(3), alpha))(alpha)
    assert np.array_equal(slope != 0, np.tril(np.ones((3, 3), bool)))


# ---- changes of variables --------------------------------------------------------------------------------------------
def maps(seed):
    """A map from the table of each kind, with a point."""
    rng  = np.random.default_rng(seed)
    A    = rng.normal(size=(3, 3)) / 2 + np.diag([2, -2, 2])
    u, w = rng.normal(size=(2, 3))
    b    = rng.normal(size=3)
    return rng.normal(size=3), {
        "linear":     lambda x: change.linear(x, A, b),
        "back":       lambda x: change.linear_inverse(x, A, b),
        "triangular": lambda x: change.triangular(x, np.tril(A), b),
        "upper":      lambda x: change.triangular(x, np.triu(A), b),
        "planar":     lambda x: change.planar(x, change.invertible(u, w), w, 0.3),
    }


@given(seeds)
def test_log_det_is_that_of_the_jacobian(seed):
    x, fs = maps(seed)
    fs["all of them"] = lambda x, layers=list(fs.values()): change.compose(x, layers)
    for f in fs.values():
        y, log_det = f(x)
        J = jacobian(lambda x: f(x)[0])(x)
        assert y.shape == (3,) and abs(log_det - np.linalg.slogdet(J)[1]) <= 1e-13 * np.linalg.cond(J)


@given(seeds, st.sampled_from([1e-12, 1, 1e12]))
def test_there_and_back_is_nowhere(seed, scale):
    rng  = np.random.default_rng(seed)
    A, x = scale * (rng.normal(size=(3, 3)) / 2 + np.diag([2, -2, 2])), rng.normal(size=(5, 3))
    y, out  = change.linear(x, A, scale * x[0])
    z, back = change.linear_inverse(y, A, scale * x[0])
    assert np.max(abs(z - x)) <= 1e-14 * np.linalg.cond(A) and out == -back


@pytest.mark.parametrize("flat", [1e-200, 1e200])
def test_the_volume_of_a_map_that_overflows_has_a_logarithm(flat):
    A, x = flat * np.diag([1.0, -1, 1]), np.zeros(3)
    for _, log_det in (change.linear(x, A, x), change.triangular(x, A, x)):
        assert math.isclose(log_det, 3 * math.log(flat), rel_tol=1e-14)
    np.testing.assert_allclose(grad(lambda A: change.triangular(x, A, x)[1])(A), np.diag([1.0, -1, 1]) / flat)


def test_no_maps_change_nothing():
    x = array(1, 2)
    assert change.compose(x, []) == (x, 0.0)


@given(seeds, st.sampled_from([1e-3, 1, 30]))
def test_a_planar_map_that_was_made_invertible_is_increasing_along_its_normal(seed, scale):
    u, w = scale * np.random.default_rng(seed).normal(size=(2, 3))
    v = change.invertible(u, w)
    a, new = w @ u, mp.log1p(mp.exp(mp.mpf(float(w @ u)))) - 1
    assert -1 - 1e-14 * (1 + abs(a)) <= w @ v and abs(w @ v - new) <= 1e-13 * (1 + np.abs(w) @ np.abs(u))
    x = np.linspace(-3, 3, 20)[:, None] * w / np.linalg.norm(w)
    if w @ v > -1 + 1e-6:
        assert (np.diff(change.planar(x, v, w, 0.1)[0] @ w) > 0).all()
