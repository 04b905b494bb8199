"""Laws of score matching and of annealed Langevin dynamics, and of the networks that learn by the one and sample by the
other."""
import dataclasses
import itertools
import math

import numpy as np
import pytest

from backends import to_host, use, xp
from backends.random import Stream
from scratch.autodiff import grad, jacobian, value_and_grad
from scratch.data import load
from scratch.data.toys import TOYS
from scratch.diffusion import NCSN, scores
from scratch.diffusion.ddpm import at
from scratch.metrics.judgement import modes_of
from scratch.metrics.samples import mode_shares
from scratch.mixtures import gmm
from scratch.runs import config as configs
from scratch.train import fit
from tests.test_ddpm import SEED, Draws, N, begin, example, loss, same_gradient, same_on_a_device

seeds = pytest.mark.parametrize("seed", range(3))
objectives = pytest.mark.parametrize("objective", scores.OBJECTIVES)


def mixture(seed, D, K=3):
    """log_pi, mu, Sigma."""
    rng = np.random.default_rng(seed)
    A   = rng.normal(size=(K, D, D)) / 2
    return np.log(rng.dirichlet(np.ones(K))), 2 * rng.normal(size=(K, D)), A @ A.swapaxes(1, 2) + np.eye(D) / 4


def net(seed, D):
    """Some score that is no polynomial, and not the slope of anything."""
    W, V, b = (np.random.default_rng(seed).normal(size=shape) for shape in ((D, 5), (5, D), (5,)))
    return lambda x: xp.tanh(x @ W / 2 + b) @ V - x / 3


def grid(D, end=11, step=0.1):
    """Points [n, D], and what each stands for: sums over them are integrals of what is smooth and ends before `end`."""
    u = np.arange(-end, end + step / 2, step)
    return np.stack(np.meshgrid(*[u] * D), axis=-1).reshape(-1, D), step**D


def density(x, params):
    return np.exp(gmm.responsibilities(x, *params)[1])


# ---- the score of a mixture ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("D", [1, 2, 4])
@seeds
def test_the_score_of_a_mixture_is_the_slope_of_its_log_density(seed, D):
    params = mixture(seed, D)
    x      = 3 * np.random.default_rng(seed).normal(size=(50, D))
    log_p  = lambda x: xp.sum(gmm.responsibilities(x, *params)[1])
    found  = gmm.score(x, *params)
    np.testing.assert_allclose(found, grad(log_p)(x), rtol=1e-12, atol=1e-12)
    with use("autograd"):
        theirs = grad(lambda x: xp.sum(gmm.score(x, *params)**2))(x)
    np.testing.assert_allclose(grad(lambda x: xp.sum(gmm.score(x, *params)**2))(x), theirs, rtol=1e-10, atol=1e-10)
    assert np.max(abs(found - gmm.score(x, params[0], -params[1], params[2]))) > 0.1


@seeds
def test_far_away_and_in_single_precision_it_is_that_of_the_nearest_component(seed):
    log_pi, mu, Sigma = mixture(seed, 2)
    Sigma  = Sigma[[0, 0, 0]]
    x      = 1e4 * np.random.default_rng(seed).normal(size=(20, 2))
    found  = gmm.score(x, log_pi, mu, Sigma)
    k      = np.argmax(np.linalg.solve(Sigma[0], mu.T).T @ x.T, axis=0)
    np.testing.assert_allclose(found, np.linalg.solve(Sigma[0], (mu[k] - x).T).T, rtol=1e-10)
    single = gmm.score(*(a.astype("float32") for a in (x, log_pi, mu, Sigma)))
    assert single.dtype == "float32" and np.max(abs(single - found) / np.max(abs(found), axis=1)[:, None]) < 1e-3


@seeds
def test_a_mixture_with_noise_is_the_law_of_the_sum(seed):
    """By quadrature over the noise, on a line."""
    params  = mixture(seed, 1)
    eps, dx = grid(1)
    x       = np.linspace(-5, 5, 11)[:, None]
    sum_of  = [np.sum(density(a + 0.7 * eps, params) * np.exp(-eps[:, 0]**2 / 2) * dx) for a in x]
    noised  = density(x, (*params[:2], gmm.noised(params[2], 0.7)))
    np.testing.assert_allclose(noised, np.array(sum_of) / math.sqrt(2 * math.pi), rtol=1e-10)


# ---- what the objectives have in common ------------------------------------------------------------------------------
@pytest.mark.parametrize("D, step", [(1, 0.05), (2, 0.15)])
@seeds
def test_implicit_score_matching_is_explicit_but_for_what_the_data_say_of_themselves(seed, D, step):
    """Whatever the score: E of the one less E of the other is 1/2 E |grad log p|^2, by quadrature; with the sign of the
    energy turned over it is not."""
    params  = mixture(seed, D)
    x, dx   = grid(D, step=step)
    p       = density(x, params) * dx
    true    = lambda x: gmm.score(x, *params)
    c       = np.sum(p * np.sum(true(x)**2, axis=1)) / 2
    for i in range(3):
        s    = net(10 * seed + i, D)
        same = np.sum(p * scores.implicit(s, x)) + c
        assert math.isclose(np.sum(p * scores.explicit(s, x, true)), same, rel_tol=1e-10)
        assert abs(np.sum(p * scores.explicit(s, x, lambda x: -true(x))) - same) > 1e-2


@pytest.mark.parametrize("sigma", [0.3, 2.0])
@seeds
def test_denoising_is_the_divergence_from_the_noised_data_but_for_a_constant(seed, sigma):
    """1 / 2 sigma^2 less half the mean square of the noised score, by quadrature over data and noise on a line; from
    the data without their noise it is not."""
    params, noisy = (lambda p: (p, (*p[:2], gmm.noised(p[2], sigma))))(mixture(seed, 1))
    x, dx   = grid(1, 25)
    eps, de = grid(1, 8)
    p_eps   = np.exp(-eps[:, 0]**2 / 2) / math.sqrt(2 * math.pi) * de
    pairs   = np.repeat(x, len(eps), axis=0), np.tile(eps, (len(x), 1))
    p       = np.outer(density(x, params) * dx, p_eps).ravel()
    q       = density(x, noisy) * dx
    c       = 1 / (2 * sigma**2) - np.sum(q * gmm.score(x, *noisy)[:, 0]**2) / 2
    gaps    = []
    for i in range(3):
        s     = net(10 * seed + i, 1)
        found = np.sum(p * scores.denoising(s, *pairs, sigma))
        away  = lambda law, of: np.sum(law * scores.explicit(s, x, lambda x: gmm.score(x, *of)))
        assert math.isclose(found, away(q, noisy) + c, rel_tol=1e-10)
        gaps.append(found - away(density(x, params) * dx, params))
    assert np.ptp(gaps) > 1e-3


@pytest.mark.parametrize("D", [1, 3])
@seeds
def test_over_all_signs_the_sliced_ones_are_the_implicit_one_at_every_point(seed, D):
    """E vv' = I, exactly; with directions twice as long they are not, and the reduced one has less spread."""
    s, x  = net(seed, D), np.random.default_rng(seed).normal(size=(20, D))
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=D)))
    for sliced in (scores.sliced, scores.sliced_reduced):
        over = lambda V: np.array([sliced(s, x, np.tile(v, (20, 1))) for v in V])
        np.testing.assert_allclose(over(signs).mean(0), scores.implicit(s, x), rtol=1e-12, atol=1e-12)
        assert np.max(abs(over(2 * signs).mean(0) - scores.implicit(s, x))) > 0.1


@seeds
def test_the_trace_is_the_sum_of_the_jacobians_diagonal(seed):
    s, x  = net(seed, 3), np.random.default_rng(seed).normal(size=(7, 3))
    trace = scores.implicit(s, x) - np.sum(s(x)**2, axis=1) / 2
    np.testing.assert_allclose(trace, [np.trace(jacobian(lambda a: s(a[None])[0])(a)) for a in x], rtol=1e-12)


# ---- on normal data, where the best linear score is known ------------------------------------------------------------
def moments(m, L):
    """2 D points whose mean is m and whose covariance is L L'."""
    D = len(m)
    return m + math.sqrt(D) * np.concatenate([L.T, -L.T])


@objectives
@seeds
def test_every_objective_is_least_at_the_score_of_the_noised_data_and_not_at_its_negative(seed, objective):
    """Of s(x) = A x + b the slope is 0 at the score of N(m, C + sigma^2 I): C exact by points, noise and directions by
    signs. The energy turned over, -s, is not flat, and lies higher."""
    rng   = np.random.default_rng(seed)
    m, L, sigma = rng.normal(size=2), np.tril(rng.normal(size=(2, 2))) + np.eye(2), 0.8
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=2)))
    x, eps, v = map(np.array, zip(*itertools.product(moments(m, L), signs, signs)))
    def of(params):
        A, b = params
        return scores.weighted(objective, lambda x, sigma: x @ A + b, x, eps, sigma, v)
    A     = -np.linalg.inv(L @ L.T + sigma**2 * np.eye(2))
    best  = [A, -m @ A]
    value, slopes = value_and_grad(of)(best)
    assert max(np.max(abs(slope)) for slope in slopes) <= 1e-12
    value_other, slopes = value_and_grad(of)([-a for a in best])
    assert max(np.max(abs(slope)) for slope in slopes) > 0.1 and value_other > value + 0.1
    for i in range(5):
        assert of([a + 0.1 * rng.normal(size=a.shape) for a in best]) > value


def test_with_its_weight_a_level_counts_as_much_as_any_other():
    """A net that says the same at every level loses the same; without sigma^2 it loses 1 / sigma^2 of that."""
    rng    = np.random.default_rng(0)
    x, eps = rng.normal(size=(2, 50, 3))
    s      = lambda x, sigma: (0.3 + 0 * x) / sigma
    sigmas = scores.levels(10.0, 0.01, 5)
    of     = [scores.weighted("denoising", s, x, eps, sigma, None) for sigma in sigmas]
    plain  = [np.mean(scores.denoising(lambda x: s(x, sigma), x, eps, sigma)) for sigma in sigmas]
    np.testing.assert_allclose(of, np.mean(np.sum((0.3 + eps)**2, axis=1)) / 2, rtol=1e-12)
    np.testing.assert_allclose(plain * sigmas**2, of, rtol=1e-12)


# ---- noise levels ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("first, last, L", [(5.0, 0.02, 25), (1.0, 0.01, 10), (50, 1e-3, 232), (0.3, 0.1, 2)])
def test_levels_fall_in_equal_ratios_from_the_first_to_the_last_exactly(first, last, L):
    found = scores.levels(first, last, L)
    assert found.shape == (L,) and found.dtype == "float64" and found[0] == first and found[-1] == last
    np.testing.assert_allclose(found[1:] / found[:-1], (last / first)**(1 / (L - 1)), rtol=1e-13)


@pytest.mark.parametrize("args, words", [
    ((1.0, 1.0, 5),       "largest=1.0 and smallest=1.0 are no noise levels; expected 0 < smallest"),
    ((0.1, 1.0, 5),       "largest=0.1 and smallest=1.0"), ((1.0, 0.0, 5), "smallest=0.0"),
    ((math.inf, 1.0, 5),  "largest=inf"), ((math.nan, 1.0, 5), "largest=nan"),
    ((1.0, 0.1, 1),       "L=1 is out of range; expected an integer, 2 or more")])
def test_levels_that_make_no_sense_are_refused(args, words):
    with pytest.raises(ValueError, match=words):
        scores.levels(*args)


# ---- annealed Langevin dynamics --------------------------------------------------------------------------------------
def test_the_step_at_each_level_is_eps_sigma2_over_that_of_the_last():
    """alpha / 2 of the score and sqrt(alpha) of the noise, T times, in order."""
    sigmas = scores.levels(4.0, 0.5, 4)
    alpha  = 0.01 * sigmas**2 / 0.5**2
    zero   = np.zeros((1, 1))
    seen   = []
    def s(x, sigma):
        seen.append(float(sigma))
        return 0 * x + 1
    moved  = scores.annealed(s, zero, lambda i, t: 0.0, sigmas, 0.01, 3)
    assert math.isclose(moved[0, 0], 3 * np.sum(alpha / 2), rel_tol=1e-14) and seen == np.repeat(sigmas, 3).tolist()
    for i, t in itertools.product(range(1, 5), range(1, 4)):
        noise = scores.annealed(lambda x, sigma: 0 * x, zero, lambda j, u: 1.0 * ((j, u) == (i, t)), sigmas, 0.01, 3)
        assert math.isclose(noise[0, 0], math.sqrt(alpha[i - 1]), rel_tol=1e-14)


def test_on_normal_data_the_mean_and_the_variance_follow_their_recursion():
    """The chain is linear in its start and in every noise: its coefficients, one by one."""
    C, m, sigmas, eps, T = 0.5, 1.3, scores.levels(3.0, 0.2, 5), 0.02, 3
    steps = list(itertools.product(range(1, 6), range(1, T + 1)))
    s     = lambda x, sigma: -(x - m) / (C + sigma**2)
    start = np.zeros((len(steps) + 2, 1))
    start[-1] = 1
    unit  = lambda i, t: np.eye(len(start))[:, [steps.index((i, t))]]
    x     = scores.annealed(s, start, unit, sigmas, eps, T)[:, 0]
    b     = x[-2]                                                               # no noise, from 0
    mean, var = 2.0, 7.0                                                        # of the start
    found = b + (x[-1] - b) * mean, (x[-1] - b)**2 * var + np.sum((x[:-2] - b)**2)
    for sigma in np.repeat(sigmas, T):
        h = eps * sigma**2 / sigmas[-1]**2 / 2
        a = 1 - h / (C + sigma**2)
        mean, var = m + a * (mean - m), a**2 * var + 2 * h
    np.testing.assert_allclose(found, (mean, var), rtol=1e-12)


FAR = np.log([0.6, 0.3, 0.1]), np.array([[-5.0], [0.0], [5.0]]), np.full((3, 1, 1), 0.25)   # ten deviations apart


def shares_after(levels, T, ratio):
    """The chances of the modes of FAR after annealed Langevin dynamics with its exact score, from N(0, 8^2), steps
    `ratio` sigma^2: the law on a grid, carried on by N(x + h s, 2 h), without a draw."""
    x, dx = grid(1, 40, 0.1)
    p     = np.exp(-x[:, 0]**2 / (2 * 8**2))
    s     = lambda x, sigma: gmm.score(x, *FAR[:2], gmm.noised(FAR[2], sigma))
    for sigma in levels:
        alpha = ratio * sigma**2
        y     = scores.annealed(s, x, lambda i, t: 0.0, np.array([sigma]), alpha, 1)
        K     = np.exp(-(x[:, 0] - y)**2 / (2 * alpha))                         # [from, to]
        K     = K / np.maximum(K.sum(1, keepdims=True), 1e-300)
        for _ in range(T):
            p = p @ K
    return np.bincount(np.argmin(abs(x - FAR[1].T), axis=1), p) / p.sum()


def test_annealing_recovers_the_weights_and_the_plain_chain_does_not():
    """Exactly, on a line: each weight to 3 % of itself, twice as near with four times the steps; as many steps at the
    last level alone leave two modes of .6 and .1 alike."""
    off = [np.max(abs(shares_after(scores.levels(8.0, 0.3, L), T, 0.25) / np.exp(FAR[0]) - 1))
           for L, T in ((30, 160), (15, 80))]
    assert off[0] < 0.03 and off[0] < off[1] / 2
    many, _, few = shares_after([0.3], 30 * 160, 0.25)
    assert few > 0.9 * many


@pytest.mark.slow
@pytest.mark.parametrize("largest, within", [(8.0, True), (0.2, False)])
def test_from_the_exact_score_of_islands_the_chain_draws_them_as_often_as_they_are(largest, within):
    """To 3 points by 4 x 10^4 draws: six deviations beside the point and a half that a chain of this length is off, an
    alarm in 10^9; with levels that do not reach from one island to another it stays where it began."""
    mu, log_pi = TOYS["islands"].centres("float64")
    Sigma  = 0.04 * np.stack([np.eye(2)] * 3)
    n      = 4 * 10**4
    draw   = lambda name: SEED(name).normal((n, 2), "float64")
    sigmas = scores.levels(largest, 0.1, 15)
    x      = scores.annealed(lambda x, sigma: gmm.score(x, log_pi, mu, gmm.noised(Sigma, sigma)), 8 * draw("x"),
                             lambda i, t: draw(f"{i} {t}"), sigmas, 0.25 * 0.1**2, 80)
    shares = np.bincount(np.argmin(np.sum((x[:, None] - mu)**2, axis=-1), axis=1), minlength=3) / n
    assert (np.max(abs(shares - np.exp(log_pi))) < 0.03) == within


# ---- the networks ----------------------------------------------------------------------------------------------------
SMALL  = dict(L=4, T=2, embedding=4, levels=5, shape=(4, 2), widths=(8, 8), ema=0.0)
MODELS = {**{objective: NCSN(**SMALL, objective=objective, net="mlp") for objective in scores.OBJECTIVES},
          "unet":     NCSN(**SMALL),
          "sliced-unet": NCSN(**SMALL, objective="sliced"),
          "labelled": NCSN(**SMALL, net="mlp", classes=3, unlabelled=0.4),
          "reals":    NCSN(**{**SMALL, "levels": None}, net="mlp")}
over   = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


class Noise(Draws):
    """... of which uniforms may have columns."""
    def __call__(self, name):
        return Noise(self.stream(name), self.rows)

    def uniform(self, shape, dtype="float32"):
        return self.stream.uniform((N, *shape[1:]) if isinstance(shape, tuple) else N, dtype)[self.rows]


@over
def test_the_loss_of_a_batch_is_the_mean_of_its_examples(model):
    params, stats = begin(model)
    batch = example(model)
    alone = [loss(model, params, stats, {k: a[[i]] for k, a in batch.items()}, Noise(SEED, [i])) for i in range(N)]
    assert math.isclose(loss(model, params, stats, batch, Noise(SEED, list(range(N)))), np.mean(alone), rel_tol=1e-11)


@over
def test_the_loss_is_twice_the_objective_at_the_levels_that_are_drawn_and_by_denoising_the_noises_error(model):
    params, stats = begin(model)
    batch = example(model)
    x     = model.seen(batch["x"], stats)
    sigma = stats["sigmas"][SEED("t").integers(1, 5, N) - 1][:, None]
    eps   = SEED("eps").normal((N, 8), "float64")
    v     = np.where(SEED("v").uniform((N, 8), "float64") < 0.5, -1.0, 1.0)
    y     = np.where(SEED("unlabelled").uniform(N) < 0.4, 3, batch["y"])
    s     = lambda x: model.score(params, y)(x, sigma)
    want  = np.mean(2 * sigma[:, 0]**2 * scores.OBJECTIVES[model.objective](s, x, eps, sigma, v))
    value = loss(model, params, stats, batch)
    assert math.isclose(value, want, rel_tol=1e-12)
    noise = np.mean(np.sum((eps + sigma * s(x + sigma * eps))**2, axis=1))
    assert math.isclose(value, noise, rel_tol=1e-12) == model.simple == (model.objective == "denoising")


@over
def test_another_autodiff_finds_the_same_gradient(model):
    params, stats = begin(model)
    same_gradient(lambda params: loss(model, params, stats, example(model)), params)


@over
def test_on_a_device_it_learns_and_draws_the_same_without_waiting(model):
    same_on_a_device(model, example(model), 1e-4)


@over
def test_each_example_is_judged_by_the_error_of_its_noise_whatever_is_beside_it(model):
    params, stats = begin(model)
    batch = example(model)
    x     = model.seen(batch["x"], stats)
    s     = model.score(params, batch["y"])
    each  = []
    for i in range(8):
        sigma = at(stats["sigmas"], SEED("t")(i).integers(1, 5, N), x)
        eps   = SEED("eps")(i).normal((N, 8), "float64")
        each.append(np.sum((eps + sigma * s(x + sigma * eps, sigma))**2, axis=1))
    found = model.evaluate(params, stats, batch, SEED)
    np.testing.assert_allclose(found["L_simple"], np.mean(each, axis=0), rtol=1e-10)
    alone = model.evaluate(params, stats, {k: a[3:4] for k, a in batch.items()}, Draws(SEED, [3]))["L_simple"]
    assert set(found) == {"L_simple"} and math.isclose(alone[0], found["L_simple"][3], rel_tol=1e-9)


def test_a_net_that_says_the_noise_of_normal_data_draws_normal_data():
    """Of N(0, I), whose score with noise sigma is -x / (1 + sigma^2): the variance at the end by the recursion of every
    step and the guess of what lies under the last noise; 8 x 10^4 draws, six deviations: an alarm in 10^8."""
    model  = dataclasses.replace(MODELS["reals"], L=10, smallest=0.05)
    params, stats = begin(model)
    stats |= {"centre": np.zeros(8), "scale": np.ones(8), "sigmas": scores.levels(5.0, 0.05, 10)}
    def said(params, x, t, y):                                                  # of x / sqrt(1 + sigma^2)
        sigma = 5.0 * (0.05 / 5.0)**(t[:, None] / 9)
        return [-x * sigma / np.sqrt(1 + sigma**2)]
    object.__setattr__(model, "said", said)
    x   = model.sample(params, stats, SEED, 10**4)
    var = 25.0
    for sigma in np.repeat(stats["sigmas"], 2):
        h   = model.step * sigma**2 / 2
        var = (1 - h / (1 + sigma**2))**2 * var + 2 * h
    var = var * (1 - 0.05**2 / (1 + 0.05**2))**2
    assert abs(np.mean(x**2) / var - 1) < 6 * math.sqrt(2 / 8e4) and abs(x.mean()) < 6 * math.sqrt(var / 8e4)


def test_the_last_noise_is_taken_away_and_the_levels_and_the_step_are_those_that_were_asked_for():
    """The same of a model's own levels, of which the last is as wide as the data: a quarter of the variance is left."""
    model  = dataclasses.replace(MODELS["reals"], L=4, largest=4.0, smallest=1.0, step=0.3)
    params, stats = begin(model)
    stats |= {"centre": np.zeros(8), "scale": np.ones(8)}
    sigmas = 4.0 * 4.0**(-np.arange(4) / 3)
    def said(params, x, t, y):
        sigma = 4.0 * 4.0**(-t[:, None] / 3)
        return [-x * sigma / np.sqrt(1 + sigma**2)]
    object.__setattr__(model, "said", said)
    var = 16.0
    for sigma in np.repeat(sigmas, 2):
        h   = 0.3 * sigma**2 / 2
        var = (1 - h / (1 + sigma**2))**2 * var + 2 * h
    np.testing.assert_allclose(stats["sigmas"], sigmas, rtol=1e-12)
    assert abs(np.mean(model.sample(params, stats, SEED, 10**4)**2) / (var / 4) - 1) < 6 * math.sqrt(2 / 8e4)


def test_samples_are_data_and_a_chain_ends_at_them():
    model = MODELS["unet"]
    params, stats = begin(model)
    x = model.sample(params, stats, SEED, 6)
    assert x.shape == (6, 8) and x.dtype == "int64" and x.min() >= 0 and x.max() <= 4
    states = model.chain(params, stats, SEED, 6)
    assert states.shape == (4 * 2 + 2, 6, 8) and np.array_equal(np.rint(4 * states[-1]), x)
    assert np.array_equal(states[0], np.clip((5 * SEED("x").normal((6, 8), "float64") + 1) / 2, 0, 1))


@pytest.mark.slow
@pytest.mark.parametrize("name, data, most", [("ncsn-mlp", "islands", 0.03), ("ncsn-mlp", "ring", 0.06),
                                              ("ssm", "islands", 0.03)])
@seeds
def test_what_it_draws_of_a_toy_is_on_its_modes_as_often_as_on_the_toys(seed, name, data, most):
    """Of 10^4 draws at least 99 % within four deviations of one; and at every level what it has learned is the score of
    the toy with that noise, to 0.15 of what is left of the noise."""
    stream = Stream.seed(seed)
    toy    = load(data, stream("data"))
    model  = configs.model(name, {}, toy)
    toy    = model.view(toy, stream("view"))
    state  = model.start(stream("init"), toy.train)
    for state, _ in fit(model, state, model.batches(toy.train, stream("order"), 0), stream("train"), 3000):
        pass
    x      = model.sample(model.weights(state), state.stats, stream("s"), 10**4)
    shares = mode_shares(x, *modes_of(data)[:2])
    mu, log_pi = TOYS[data].centres()
    assert shares.sum() > 0.99 and np.max(abs(shares - np.exp(log_pi))) < most
    s, x0  = model.score(model.weights(state), None), model.seen(toy.test["x"], state.stats)
    c, r   = (to_host(state.stats[part]).astype("float64") for part in ("centre", "scale"))
    for i, sigma in enumerate(to_host(state.stats["sigmas"])[::6]):
        x     = x0 + sigma * stream("noise")(i).normal(x0.shape)
        Sigma = np.broadcast_to(np.diag(TOYS[data].sigma**2 / r**2 + sigma**2), (len(mu), 2, 2))
        error = s(x.astype("float32"), np.float32(sigma)) - gmm.score(x, log_pi, (mu - c) / r, Sigma)
        assert sigma * np.sqrt(np.mean(error**2)) < 0.15


def test_labels_are_told_left_out_and_weighed():
    model = MODELS["labelled"]
    params, stats = begin(model)
    x, y  = SEED("xt").normal((N, 8), "float64"), SEED("y").integers(0, 3, N)
    s     = lambda y, w=0: model.score(params, y, w)(x, 0.5)
    none  = s(np.full(N, 3))
    np.testing.assert_allclose(s(y, 2.5), s(y) + 2.5 * (s(y) - none), rtol=1e-12)
    assert not np.allclose(s(y), none) and not np.allclose(s(y), s((y + 1) % 3))
    draw  = lambda w=0.0, y=None: dataclasses.replace(model, guidance=w, levels=None).sample(params, stats, SEED, 4, y)
    assert not np.allclose(draw(), draw(2.0)) and not np.allclose(draw(y=[0] * 4), draw(y=[1] * 4))


def test_what_does_not_fit_together_is_refused():
    for how, words in ((dict(guidance=1.0), "guidance=1.0 wants labels"), (dict(embedding=3), "embedding=3 is odd"),
                       (dict(smallest=6.0), "largest=5.0 and smallest=6.0 are no noise levels"), (dict(L=1), "L=1"),
                       (dict(step=4.0), "step=4.0 is too long")):
        with pytest.raises(ValueError, match=words):
            NCSN(**{**SMALL, **how}).init(SEED, example(MODELS["unet"]))
    with pytest.raises(ValueError, match="has no labels"):
        loss(MODELS["labelled"], *begin(MODELS["labelled"]), {"x": example(MODELS["labelled"])["x"]})
