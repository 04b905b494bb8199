"""Laws of extremes, where no line of `derivations` goes: each holds for the right functions and can fail."""
import math

import numpy as np

from scratch import autodiff
from scratch.autoencoders import latent
from scratch.diffusion import ddpm, schedules
from scratch.flows import change
from scratch.gans import objectives
from scratch.metrics import codes, samples
from scratch.mixtures import gmm
from scratch.probability import distributions, divergences, estimators
from tests import test_autodiff


def a_kl_of_almost_nothing():
    """KL(N(0, e^v) || N(0, 1)) = v^2 / 4 for small v, and never below 0."""
    v = np.array([[1e-9], [-1e-9], [3e-17], [0.0]])
    np.testing.assert_allclose(divergences.kl_normal(0 * v, v), v[:, 0]**2 / 4, rtol=1e-8)


def a_law_is_at_no_distance_from_itself():
    """... of any rank: three points in five dimensions."""
    x = np.random.default_rng(0).normal(size=(3, 5))
    Sigma = np.cov(x.T)
    assert 0 <= divergences.frechet(x[0], Sigma, x[0], Sigma) <= 1e-14 * np.trace(Sigma)


def a_copy_far_from_0():
    x = 1e4 + np.random.default_rng(0).normal(size=(9, 5)).astype("float32")
    index, distance = samples.nearest(x[::2], x)
    assert np.array_equal(index, np.arange(9)[::2]) and not distance.any()


def between_a_code_and_itself():
    z = np.random.default_rng(0).normal(size=(3, 5))
    assert np.allclose(codes.slerp(z, z, 0.3), z, rtol=1e-14)


def the_slope_of_the_bound_in_a_corner():
    """d/dq sum q (log p - log q) = log p - log q - 1 where q has mass; and nowhere NaN."""
    q, log_p = np.array([0.25, 0.75, 0.0]), np.log([0.25, 0.25, 0.5])
    slope = autodiff.grad(lambda q: latent.elbo(log_p, q))(q)
    np.testing.assert_allclose(slope[:2], log_p[:2] - np.log(q[:2]) - 1, rtol=1e-14)
    assert np.isfinite(slope[2])


def a_mean_of_almost_one():
    """log mean (1 - 4e-18, 1 - 1e-17) = -7e-18."""
    assert math.isclose(estimators.log_mean_exp(np.array([-4e-18, -1e-17])), -7e-18, rel_tol=1e-15)


def a_level_far_away():
    """Level 28 of 256 where level 228 is expected and s is e^-7 / 2 of the range: log P = -1715.9."""
    log_p = distributions.logistic_log_prob(np.array([[28]]), np.array([[228 / 255]]), np.array([[-7 - math.log(2)]]),
                                            256)
    assert abs(log_p[0] + 1715.9) < 0.1


def along_a_needle():
    """Sigma = (1 c; c 1) takes (a, 0) to a (1, c), whose Mahalanobis square is a^2, also where c is nearly 1."""
    a, c  = 3.3, 1 - 1e-10
    Sigma = np.array([[[1, c], [c, 1]]])
    at    = gmm.log_joint(np.array([[a, a * c], [0, 0]]), np.zeros(1), np.zeros((1, 2)), Sigma)
    assert math.isclose((at[1] - at[0])[0], a**2 / 2, rel_tol=1e-12)


def a_mirror():
    """log |det| of a map that turns space over."""
    assert change.linear(np.zeros(2), np.array([[-1.0, 0], [0, 2]]), np.zeros(2))[1] == math.log(2)


def logsumexp_of_nothing():
    test_autodiff.test_logsumexp_softmax_and_their_derivatives_at_the_extremes([-math.inf] * 3, -math.inf, [0, 0, 0])


def picked_twice():
    """d/dx (x_0 + x_0 + x_1) = (2, 1)."""
    assert np.array_equal(autodiff.grad(lambda x: x[np.array([0, 0, 1])].sum())(np.array([0.5, 0.25])), [2, 1])


def log_sigmoid_everywhere():
    test_autodiff.test_softplus_and_sigmoid_are_right_to_2_ulp_everywhere(
        autodiff.log_sigmoid, lambda x: -test_autodiff.softplus_exactly(-x),
        lambda x: test_autodiff.sigmoid_exactly(-x))


def log_ndtr_far_out():
    """log Phi(-40), as R gives it."""
    assert math.isclose(autodiff.log_ndtr(np.float64(-40)), -804.6084420137538, rel_tol=1e-15)


def a_sure_critic():
    """-log sigmoid(l) - log(1 - sigmoid(l)) = |l| at l = +-10^4, and its slope is the sign of l."""
    for l in (1e4, -1e4):
        l = np.array([l])
        assert objectives.cross_entropy(l, l) == abs(l[0])
        assert autodiff.grad(lambda l: objectives.cross_entropy(l, l))(l) == np.sign(l)


def back_to_the_data():
    """q(x_0 | x_1, x_0) is x_0 and nothing else, to the last bit."""
    x0, x1 = np.array([[0.3, -2.0]]), np.array([[1.7, 0.1]])
    mean, var = ddpm.q_posterior(x0, x1, 1, schedules.schedule(np.array([0.1, 0.2, 0.3])))
    assert np.array_equal(mean, x0) and not np.any(var)
