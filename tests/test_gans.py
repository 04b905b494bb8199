"""The game where the critic is sure: values, slopes, and the point where it cannot tell."""
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratch.autodiff import grad, sigmoid
from scratch.gans import GENERATOR_LOSSES, critic_loss
from tests.operations import mp
from tests.test_mixtures import EPS

INF    = math.inf
LOSSES = {
    "real":          (lambda l: critic_loss(l, np.full(1, -INF)), lambda l: mp.log1p(mp.exp(-l))),
    "fake":          (lambda l: critic_loss(np.full(1, INF), l),  lambda l: mp.log1p(mp.exp(l))),
    "saturating":    (GENERATOR_LOSSES["saturating"],             lambda l: -mp.log1p(mp.exp(l))),
    "nonsaturating": (GENERATOR_LOSSES["nonsaturating"],          lambda l: mp.log1p(mp.exp(-l))),
}
SLOPES = {
    "real":          lambda l: -sigmoid(-l),
    "fake":          lambda l: sigmoid(l),
    "saturating":    lambda l: -sigmoid(l),
    "nonsaturating": lambda l: -sigmoid(-l),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


def test_every_generator_stands_in_the_table():
    assert set(GENERATOR_LOSSES) < set(LOSSES) == set(SLOPES)


@every_loss
@given(st.one_of(st.floats(-40, 40), st.floats(-1e4, 1e4)))
def test_a_loss_and_its_slope_are_right_to_rounding_for_every_logit(name, logit):
    f, exact = LOSSES[name]
    l, y     = np.array([logit]), exact(mp.mpf(logit))
    assert abs(f(l) - y) <= 4 * EPS * abs(y) + 1e-300
    assert grad(f)(l) == SLOPES[name](l)


#                   at -inf, -1e4, 1e4, inf: the value                   and the slope
@pytest.mark.parametrize("name, values, slopes", [
    ("real",          (INF, 1e4, 0, 0),                                  (-1, -1, 0, 0)),
    ("fake",          (0, 0, 1e4, INF),                                  (0, 0, 1, 1)),
    ("saturating",    (0, 0, -1e4, -INF),                                (0, 0, -1, -1)),
    ("nonsaturating", (INF, 1e4, 0, 0),                                  (-1, -1, 0, 0)),
])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sure_critic_has_a_loss_and_a_slope(name, values, slopes, dtype):
    for l, value, slope in zip((-INF, -1e4, 1e4, INF), values, slopes):
        l = np.array([l], dtype)
        assert LOSSES[name][0](l) == value and grad(LOSSES[name][0])(l) == slope


def test_a_critic_that_cannot_tell_loses_log_4_and_a_step_helps_it_on_both_sides():
    l = np.zeros(3)
    assert math.isclose(critic_loss(l, l[:2]), math.log(4), rel_tol=EPS)
    real, fake = grad(lambda ls: critic_loss(*ls))([l, l[:2]])
    np.testing.assert_allclose(real, -1 / 6)
    np.testing.assert_allclose(fake, 1 / 4)


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=5))
def test_what_the_generator_gains_by_saturating_the_critic_loses_on_fakes(logits):
    fake = np.array(logits)
    assert GENERATOR_LOSSES["saturating"](fake) == -(critic_loss(np.full(1, INF), fake))
    with_both = [grad(f)(fake) for f in GENERATOR_LOSSES.values()]
    assert all((g <= 0).all() for g in with_both)                       # both want the critic's logit to rise
