"""Where two families meet they say the same number, and with a wrong partner they do not."""
import itertools
import math

import numpy as np
import pytest

from backends import xp
from backends.random import Stream
from scratch import trees
from scratch.autodiff import grad, value_and_grad
from scratch.autoencoders import VQVAE, latent, plain, ppca, vae, vq
from scratch.autoregressive import FVBN, MADE
from scratch.diffusion import ddpm, schedules, scores
from scratch.energies import boltzmann, ebm
from scratch.flows import bijections
from scratch.gans.objectives import OBJECTIVES
from scratch.mixtures import bernoulli, em, gmm
from scratch.probability.distributions import bernoulli_log_prob

SEED  = Stream.seed(0)("test_bridges")
seeds = pytest.mark.parametrize("seed", range(5))


def bits(n):
    """All rows of n bits."""
    return np.array(list(itertools.product((0.0, 1.0), repeat=n)))


def perturbed(tree, seed, by=0.1):
    """In float64, every number moved."""
    rng = np.random.default_rng(seed)
    return trees.map(lambda a: a.astype("float64") + by * rng.normal(size=a.shape), tree)


# ---- a linear VAE, probabilistic principal components, by the closed form and by EM ----------------------------------
def scattered(seed, N=60, M=5):
    """Data of which two directions stand out."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, M)) @ np.diag([4, 2.5, 0.7, 0.6, 0.5]) @ np.linalg.qr(rng.normal(size=(M, M)))[0] + 3


def linear_elbo(x, W, b, s2, A, log_var):
    """The mean ELBO of x -> N(A (x - b), diag e^log_var) and z -> N(W z + b, s2 I), exact: all signs are as good as
    normals, where the bound is quadratic in them."""
    eps   = 2 * bits(W.shape[1]) - 1
    bound = [vae.elbo(x, 0 * x[:, :W.shape[1]] + e, lambda x: ((x - b) @ A.T, log_var + 0 * x[:, :W.shape[1]]),
                      lambda z: (z @ W.T + b, xp.log(s2))) for e in eps]
    return sum(bound) / len(eps)


def best_encoder(W, s2):
    """A and log_var that give p(z | x), where the columns of W are orthogonal."""
    var = 1 / (1 + np.sum(W**2, axis=0) / s2)
    return (W / s2 * var).T, np.log(var)


@seeds
def test_the_best_linear_vae_is_probabilistic_principal_components(seed):
    """Its bound is their likelihood, and there every slope of the bound is 0; with another noise neither holds."""
    x        = scattered(seed)
    W, b, s2 = ppca.fit(x, 2)
    best     = [W, b, s2, *best_encoder(W, s2)]
    bound, slopes = value_and_grad(lambda parts: linear_elbo(x, *parts))(best)
    assert math.isclose(bound, np.mean(ppca.log_likelihood(x, W, b, s2)), rel_tol=1e-13)
    assert max(np.max(abs(slope)) for slope in slopes) <= 1e-12
    other = [W, b, 1.1 * s2, *best_encoder(W, 1.1 * s2)]
    bound, slopes = value_and_grad(lambda parts: linear_elbo(x, *parts))(other)
    assert bound < np.mean(ppca.log_likelihood(x, W, b, s2)) - 1e-3 and np.max(abs(slopes[2])) > 1e-3


@seeds
def test_em_ends_where_the_closed_form_is(seed):
    """The likelihood to 1e-9, the plane to 1e-6; it never falls on the way; with a code too short it ends elsewhere."""
    x   = scattered(seed)
    rng = np.random.default_rng(seed + 100)
    def ends(K, steps):
        parts, before = (rng.normal(size=(5, K)), rng.normal(size=5), 1.0), -math.inf
        for _ in range(steps):
            parts = ppca.em_step(x, *parts)
            now   = np.mean(ppca.log_likelihood(x, *parts))
            assert now >= before - 1e-12 * abs(now)
            before = now
        return parts, now
    W, b, s2 = ppca.fit(x, 2)
    (W_em, b_em, s2_em), now = ends(2, 2000)
    plane = lambda W: np.linalg.qr(W)[0] @ np.linalg.qr(W)[0].T
    assert abs(now - np.mean(ppca.log_likelihood(x, W, b, s2))) <= 1e-9
    assert np.max(abs(plane(W_em) - plane(W))) <= 1e-6 and np.max(abs(W_em @ W_em.T - W @ W.T)) <= 1e-4
    assert np.max(abs(b_em - b)) <= 1e-12 and abs(s2_em - s2) <= 1e-6
    assert now - ends(1, 200)[1] > 0.1


# ---- EM climbs the ELBO, one coordinate at a time --------------------------------------------------------------------
def gaussians(seed):
    rng = np.random.default_rng(seed)
    A   = rng.normal(size=(3, 2, 2))
    return gmm, rng.normal(size=(20, 2)), [np.log(rng.dirichlet(np.ones(3))), rng.normal(size=(3, 2)),
                                           A @ np.swapaxes(A, 1, 2) + np.eye(2)]


def bernoullis(seed):
    rng = np.random.default_rng(seed)
    return bernoulli, rng.integers(0, 2, (20, 4)) * 1.0, [np.log(rng.dirichlet(np.ones(3))), rng.normal(size=(3, 4))]


@pytest.mark.parametrize("world", [gaussians, bernoullis])
@seeds
def test_em_is_coordinate_ascent_on_the_elbo(world, seed):
    """The E step is the best of all responsibilities and closes the gap; the M step is the best of all parameters: the
    bound is flat there, and lower nearby. Half an M step is neither."""
    mixture, x, old = world(seed)
    bound    = lambda r, params: xp.sum(latent.elbo(mixture.log_joint(x, *params), r))
    r, log_p = mixture.responsibilities(x, *old)
    rng      = np.random.default_rng(seed)
    others   = [rng.dirichlet(np.ones(3), len(x)), 0.9 * r + 0.1 / 3, np.roll(r, 1, axis=0)]
    assert math.isclose(bound(r, old), log_p.sum(), rel_tol=1e-13)
    assert all(bound(other, old) < bound(r, old) - 1e-6 for other in others)
    new  = mixture.maximise(x, r, old[1])
    step = mixture.em_step(x, *old)
    assert math.isclose(step[1], bound(r, old), rel_tol=1e-13)
    assert all(np.allclose(a, b, rtol=1e-11, atol=1e-11) for a, b in zip(new, step[0]))
    assert np.sum(mixture.responsibilities(x, *new)[1]) >= bound(r, new) > bound(r, old)

    def moved(params, move):                                                    # the weights stay a law
        log_pi, *rest = [a + d for a, d in zip(params, move)]
        return [log_pi - xp.log(xp.sum(xp.exp(log_pi))), *rest]
    none  = [0 * a for a in new]
    def slope(params):
        return max(np.max(abs(g)) for g in grad(lambda move: bound(r, moved(params, move)))(none))
    assert slope(new) <= 1e-9 and slope([(a + b) / 2 for a, b in zip(old, new)]) > 1e-3
    for i in range(10):
        move = [d if d.ndim < 3 else d + d.transpose(0, 2, 1) for d in perturbed(none, i, 0.01)]
        assert bound(r, moved(new, move)) < bound(r, new)


# ---- a mixture is a VAE with a finite code ---------------------------------------------------------------------------
@seeds
def test_a_mixture_of_bernoullis_is_a_vae_of_a_finite_code(seed):
    """Decoder: the component's means. The bound of any encoder is below, that of the posterior is the likelihood."""
    _, x, (log_pi, l) = bernoullis(seed)
    decoded = np.stack([bernoulli_log_prob(x, l[k] + 0 * x) for k in range(3)], axis=1)         # log p(x | z = k)
    bound   = lambda q: latent.elbo(log_pi + decoded, q)
    r, log_p = bernoulli.responsibilities(x, log_pi, l)
    np.testing.assert_allclose(bound(r), log_p, rtol=1e-13)
    assert (bound(np.roll(r, 1, axis=0)) < log_p).sum() > 15


# ---- a codebook is a finite code, and a moving average without memory a step of K-means ------------------------------
@seeds
def test_a_vq_vae_is_a_vae_whose_code_costs_log_k(seed):
    """Its ELBO is that of all K^n codes with all mass on the nearest; with it on the farthest the bound is another."""
    K, n  = 4, 3
    model = VQVAE(levels=2, decoder="bernoulli", net="mlp", hidden=(5,), positions=n, codes=K, dim=2, prior="uniform")
    x     = bits(5).astype("uint8")
    params, stats = perturbed(model.init(SEED(seed), {"x": x}), seed)
    codes = np.array(list(itertools.product(range(K), repeat=n)))                               # [K^n, n]
    law   = model.decode(params, stats, codes)[0]
    log_p = np.stack([bernoulli_log_prob(x, logits + 0 * x) for logits in law], axis=1)          # [32, K^n]
    def bound(k):
        return latent.elbo(log_p - n * math.log(K), (codes == k[:, None]).all(-1) * 1.0)
    k     = model.encode(params, stats, x)
    found = model.evaluate(params, stats, {"x": x}, SEED)
    np.testing.assert_allclose(found["ELBO"], bound(k), rtol=1e-12)
    np.testing.assert_allclose(found["ELBO"], found["reconstruction"] - n * math.log(K), rtol=1e-12)
    assert np.max(abs(found["ELBO"] - bound((k + 1) % K))) > 1e-3
    assert (bound(k) <= model.log_prob(params, stats, x)).all()


@seeds
def test_a_codebook_without_memory_takes_a_step_of_k_means(seed):
    """To the last bit, also of a code that nothing is near to; with a memory, or smoothed, it does not."""
    rng  = np.random.default_rng(seed)
    z, e = rng.normal(size=(20, 3, 2)), np.concatenate([rng.normal(size=(4, 2)), [[50.0, 50.0]]])
    N, m = rng.uniform(1, 9, 5), rng.normal(size=(5, 2))
    mu, r = em.lloyd_step(z.reshape(-1, 2), e)
    def step(gamma, smoothing=0.0):
        return vq.codes(*vq.moving_average(N, m, z, vq.assign(z, e), gamma), e, smoothing)
    assert np.array_equal(step(0.0), mu) and np.array_equal(mu[4], e[4]) and not np.array_equal(mu, e)
    assert np.array_equal(r.argmax(1), vq.assign(z, e).ravel())
    assert np.max(abs(step(0.5) - mu)) > 1e-2 and np.max(abs(step(0.0, 0.5) - mu)) > 1e-4


# ---- a flow, and the same flow turned over ---------------------------------------------------------------------------
@seeds
def test_iaf_is_maf_inverted(seed):
    order = tuple(np.random.default_rng(seed).permutation(4).tolist())
    maf, iaf = (make(order, (6,), "tanh") for make in (bijections.maf, bijections.iaf))
    params = perturbed(maf.init(SEED(seed)), seed, 0.4)
    z      = np.random.default_rng(seed).normal(size=(9, 4))
    y, log_det  = maf.forward(params, z)
    back, minus = iaf.forward(params, y)
    np.testing.assert_allclose(back, z, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(minus, -log_det, rtol=1e-12, atol=1e-12)
    for one, other in ((maf.inverse, iaf.forward), (maf.forward, iaf.inverse)):
        assert all(np.array_equal(a, b) for a, b in zip(one(params, y), other(params, y)))
    assert np.max(abs(iaf.forward(perturbed(params, 1), y)[0] - z)) > 1e-2
    assert np.max(abs(maf.forward(params, y)[0] - z)) > 1e-2


# ---- an RBM is a model of its free energy ----------------------------------------------------------------------------
@seeds
def test_an_rbm_is_an_energy_model_of_its_free_energy(seed):
    """log Z of the free energies of all v, of the joint energies of all v and h, and by the machine's own sum; and the
    contrast has the slope of -log p. With another machine's negative side it has not."""
    rng    = np.random.default_rng(seed)
    params = [rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=3)]
    v, h   = bits(4), bits(3)
    F      = boltzmann.free_energy(v, *params)
    joint  = boltzmann.joint_energy(np.repeat(v, 8, axis=0), np.tile(h, (16, 1)), *params)
    assert math.isclose(ebm.log_partition(F), ebm.log_partition(joint), rel_tol=1e-13)
    assert math.isclose(ebm.log_partition(F), boltzmann.log_z(*params), rel_tol=1e-13)
    assert abs(ebm.log_partition(F) - ebm.log_partition(boltzmann.free_energy(v, -params[0], *params[1:]))) > 1e-3
    x      = v[rng.integers(0, 16, 7)]
    exact  = grad(lambda p: boltzmann.log_z(*p) + xp.mean(boltzmann.free_energy(x, *p)))(params)
    def contrast(F):
        w = np.exp(-F - ebm.log_partition(F))
        return grad(lambda p: ebm.contrast(lambda v: boltzmann.free_energy(v, *p), x, v, w))(params)
    assert all(np.allclose(a, b, rtol=1e-12, atol=1e-12) for a, b in zip(exact, contrast(F)))
    assert max(np.max(abs(a - b)) for a, b in zip(exact, contrast(0.9 * F))) > 1e-3


# ---- a discriminator is a density ratio ------------------------------------------------------------------------------
@pytest.mark.parametrize("objective, says", [("minimax", lambda p, q: np.log(p / q)),
                                             ("nonsaturating", lambda p, q: np.log(p / q)),
                                             ("least-squares", lambda p, q: p / (p + q))])
@seeds
def test_a_discriminator_that_has_learned_all_it_can_says_the_density_ratio(objective, says, seed):
    """A number for each of six points, by Newton's method on what the critic minimises of all data and all samples."""
    rng    = np.random.default_rng(seed)
    counts = rng.integers(1, 9, (2, 6))
    real, fake = (np.repeat(np.arange(6), n) for n in counts)
    p, q   = counts / counts.sum(1, keepdims=True)
    slope  = grad(lambda f: OBJECTIVES[objective].critic(f[real], f[fake]))
    f      = np.zeros(6)
    for _ in range(30):
        bend = grad(lambda f: xp.sum(slope(f)))(f)                              # each point by itself: the second slope
        f    = f - slope(f) / bend
    np.testing.assert_allclose(f, says(p, q), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(f, OBJECTIVES[objective].best(p, q), rtol=1e-12, atol=1e-12)
    assert np.max(abs(f - says(q, p))) > 0.1


@seeds
def test_between_two_heaps_of_one_covariance_the_best_discriminator_is_a_logistic_regression(seed):
    """Its logit, the log ratio of the mixture's components, is linear; with two covariances it is not."""
    _, x, (_, mu, Sigma) = gaussians(seed)
    even  = np.log([0.5, 0.5])
    w     = np.linalg.solve(Sigma[0], mu[0] - mu[1])
    logit = (x - (mu[0] + mu[1]) / 2) @ w
    ratio = lambda Sigma: np.subtract(*gmm.log_joint(x, even, mu[:2], Sigma).T)
    np.testing.assert_allclose(ratio(Sigma[[0, 0]]), logit, rtol=1e-11, atol=1e-11)
    r = gmm.responsibilities(x, even, mu[:2], Sigma[[0, 0]])[0][:, 0]
    np.testing.assert_allclose(np.log(r / (1 - r)), logit, rtol=1e-9, atol=1e-9)
    assert np.max(abs(ratio(Sigma[:2]) - logit)) > 0.1


# ---- a masked network without a hidden layer -------------------------------------------------------------------------
@seeds
def test_a_made_without_hidden_layers_is_a_visible_belief_network(seed):
    D, rng = 5, np.random.default_rng(seed)
    x      = bits(D)
    stats  = {"rates": rng.uniform(0.2, 0.8, D), "orders": np.arange(D)[None]}
    W, b   = rng.normal(size=(D, D)), rng.normal(size=D)                        # W[i, d]: what bit i says of bit d
    made   = MADE(hidden=()).density([{"W": W, "b": b}], stats, x)
    alpha  = np.tril(W.T[1:, :-1])
    fvbn   = lambda b: FVBN().density({"alpha_1": -b[0], "alpha_0": b[1:], "alpha": alpha}, stats, x)
    np.testing.assert_allclose(made, fvbn(b), rtol=1e-12, atol=1e-12)
    assert abs(np.exp(made).sum() - 1) <= 1e-12 and np.max(abs(made - fvbn(-b))) > 0.1


# ---- denoising score matching is the noise that a diffusion model guesses --------------------------------------------
@seeds
def test_a_guess_of_the_noise_is_a_score(seed):
    """The same net: L_simple is twice the weighted denoising loss of sqrt(abar) x_0 at noise sqrt(1 - abar), whatever
    the step of an example. Of x_0 itself, and without the weight, it is not."""
    rng      = np.random.default_rng(seed)
    x0, eps  = rng.normal(size=(2, 9, 4))
    W, s, t  = rng.normal(size=(4, 4)), schedules.schedule(np.array([0.1, 0.2, 0.3])), rng.integers(1, 4, 9)
    eps_hat  = lambda xt, t: np.tanh(xt @ W) / t[:, None]
    kept, sigma = np.sqrt(s.abar)[t - 1, None], np.sqrt(s.vbar)[t - 1, None]
    score    = lambda x, sigma: scores.score_of_eps(eps_hat(x, t), sigma)
    simple   = ddpm.simple_loss(eps_hat, x0, t, eps, s)
    twice    = lambda x: 2 * scores.weighted("denoising", score, x, eps, sigma, None)
    assert math.isclose(twice(kept * x0), simple, rel_tol=1e-13) and abs(twice(x0) - simple) > 1e-3
    assert abs(2 * np.mean(scores.denoising(lambda x: score(x, sigma), kept * x0, eps, sigma)) - simple) > 1e-3
    np.testing.assert_allclose(scores.eps_of_score(score(x0, sigma), sigma), eps_hat(x0, t), rtol=1e-13)


@pytest.mark.parametrize("t", [1, 2, 3])
@seeds
def test_of_normal_data_the_best_guess_of_the_noise_is_their_score(seed, t):
    """E[eps | x_t] by the covariance of the two; with the variance of another step it is another."""
    _, x, (_, mu, Sigma) = gaussians(seed)
    s       = schedules.schedule(np.array([0.1, 0.2, 0.3]))
    abar, vbar = s.abar[t - 1], s.vbar[t - 1]
    best    = math.sqrt(vbar) * np.linalg.solve(abar * Sigma[0] + vbar * np.eye(2), (x - math.sqrt(abar) * mu[0]).T).T
    law     = np.zeros(1), math.sqrt(abar) * mu[:1], gmm.noised(abar * Sigma[:1], math.sqrt(vbar))
    np.testing.assert_allclose(scores.score_of_eps(best, math.sqrt(vbar)), gmm.score(x, *law), rtol=1e-11, atol=1e-11)
    assert np.max(abs(scores.score_of_eps(best, math.sqrt(s.vbar[t % 3])) - gmm.score(x, *law))) > 1e-2


# ---- a denoising autoencoder is a score ------------------------------------------------------------------------------
@pytest.mark.parametrize("sigma", [0.3, 1.7])
@seeds
def test_a_denoising_autoencoder_is_a_score(seed, sigma):
    """What gives back x + sigma^2 s(x) has 2 sigma^4 times the loss of the score s; what gives back x - sigma^2 s(x),
    the energy turned over, has not."""
    rng    = np.random.default_rng(seed)
    x, eps = rng.normal(size=(2, 9, 4))
    W      = rng.normal(size=(4, 4))
    s      = lambda x: np.tanh(x @ W)
    error  = lambda sign: plain.denoising_error(x, sigma * eps, lambda x: x,
                                                lambda x: scores.tweedie(x, sign * s(x), sigma))
    want   = 2 * sigma**4 * np.mean(scores.denoising(s, x, eps, sigma))
    assert math.isclose(error(1), want, rel_tol=1e-12) and abs(error(-1) - want) > 1e-3


@pytest.mark.parametrize("sigma", [0.3, 1.7])
@seeds
def test_the_best_denoiser_of_a_mixture_is_a_step_along_its_score(seed, sigma):
    """E[x | x_tilde] by Bayes: each component's guess of what lies under the noise, as likely as the component is; a
    step along the score of the data without noise is another."""
    _, x, (log_pi, mu, Sigma) = gaussians(seed)
    noisy = [Sigma_k + sigma**2 * np.eye(2) for Sigma_k in Sigma]
    d     = [x - mu_k for mu_k in mu]
    joint = np.array([np.exp(log_pi[k] - np.sum(d[k] @ np.linalg.inv(C) * d[k], axis=1) / 2)
                      / math.sqrt(np.linalg.det(C)) for k, C in enumerate(noisy)])                      # [K, N]
    guess = np.array([mu[k] + d[k] @ np.linalg.inv(C) @ Sigma[k] for k, C in enumerate(noisy)])         # [K, N, D]
    best  = np.sum((joint / joint.sum(0))[..., None] * guess, axis=0)
    step  = lambda Sigma: scores.tweedie(x, gmm.score(x, log_pi, mu, Sigma), sigma)
    np.testing.assert_allclose(step(gmm.noised(Sigma, sigma)), best, rtol=1e-11, atol=1e-11)
    assert np.max(abs(step(Sigma) - best)) > 1e-3
