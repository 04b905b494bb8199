"""Bugs seen in the wild: each a small wrong version of a function of ours, with what has to reject it.

    thread    where it was reported
    says      what went wrong there
    place     the function that it stands in for, as module.name
    wrong     the wrong version
    by        what rejects it: ids of lines of `derivations`, and laws, functions without arguments
"""
import math
from typing import Any, Callable, NamedTuple

import numpy as np

from backends import xp
from scratch.autodiff import grad, logsumexp, sigmoid, softmax, softplus
from scratch.autodiff.rules import special
from scratch.autodiff.tape import Primitive
from scratch.autoencoders import vae
from scratch.diffusion import ddim, ddpm, schedules
from scratch.energies import ais, langevin
from scratch.gans import objectives
from scratch.mixtures import gmm
from scratch.probability import distributions
from tests import test_energies, test_gans, test_mixtures
from tests.wrong import laws


class Wrong(NamedTuple):
    thread: str
    says:   str
    place:  str
    wrong:  Callable
    by:     Any


# ---- divergences and autoencoders ------------------------------------------------------------------------------------
def kl_normal_mean(mu, log_var):
    return xp.mean(mu * mu + xp.expm1(log_var) - log_var, axis=-1) / 2


def kl_normal_of_the_batch(mu, log_var):
    return xp.sum(mu * mu + xp.expm1(log_var) - log_var) / 2


def kl_normal_of_sigma(mu, sigma):
    return xp.sum(mu * mu + sigma**2 - 1 - xp.log(sigma**2), axis=-1) / 2


def reparameterise_variance(mu, log_var, eps):
    return mu + xp.exp(log_var) * eps


def gaussian_mean_over_pixels(x, mu, log_var):
    a = distributions.log_2pi + log_var + (x - mu)**2 * xp.exp(-log_var)
    return -xp.mean(a, axis=tuple(range(1, a.ndim))) / 2


def bernoulli_mean_over_pixels(x, logits):
    a = x * logits - softplus(logits)
    return xp.mean(a, axis=tuple(range(1, a.ndim)))


def logistic_of_a_difference(k, mu, log_s, levels):
    low, high = (sigmoid((k + side - (levels - 1) * mu) * xp.exp(-log_s) / (levels - 1)) for side in (-0.5, 0.5))
    mass = xp.where(k == levels - 1, 1, high) - xp.where(k == 0, 0, low)
    return distributions.per_example(xp.log(xp.maximum(mass, 1e-12)))


def logistic_mixture_without_tails(k, logits, mu, log_s, levels):
    low, high = (sigmoid(((k[..., None] + side) / (levels - 1) - mu) * xp.exp(-log_s)) for side in (-0.5, 0.5))
    return distributions.per_example(logsumexp(logits + xp.sum(xp.log(high - low), axis=-2), axis=-1)
                                     - logsumexp(logits, axis=-1))


def logistic_mixture_of_products(k, logits, mu, log_s, levels):
    log_p = xp.sum(distributions.log_logistic(k[..., None], mu, log_s, levels), axis=(-2, -1))[..., None]
    return distributions.per_example(logsumexp(logits + log_p, axis=-1) - logsumexp(logits, axis=-1))


def importance_bound_of_logarithms(x, eps, encode, decode, log_prob=distributions.gaussian_log_prob):
    return xp.mean(vae.importance_terms(x, eps, encode, decode, log_prob), axis=0)


def importance_bound_reweighted(x, eps, encode, decode, log_prob=distributions.gaussian_log_prob):
    log_w = vae.importance_terms(x, eps, encode, decode, log_prob)
    return xp.sum(softmax(log_w, axis=0) * log_w, axis=0)


def kl_without_a_convention(log_p, log_q):
    return xp.sum(xp.exp(log_p) * (log_p - log_q), axis=-1)


def expm1_less_x(x):
    return xp.exp(x) - 1 - x


def frechet_of_eigenvalues(mu1, Sigma1, mu2, Sigma2):
    lam = np.linalg.eigvals(Sigma1 @ Sigma2)
    return xp.sum((mu1 - mu2)**2) + xp.trace(Sigma1) + xp.trace(Sigma2) - 2 * np.sum(np.sqrt(lam.real))


def elbo_where_outside(log_p_xz, q):
    return xp.sum(xp.where(q > 0, q * (log_p_xz - xp.log(q)), 0), axis=-1)


def log_mean_exp_of_a_shift(log_w, axis=-1):
    return logsumexp(log_w, axis=axis) - math.log(log_w.shape[axis])


# ---- flows -----------------------------------------------------------------------------------------------------------
def compose_overwriting(x, maps):
    for f in maps:
        x, log_det = f(x)
    return x, log_det


def linear_of_log_det(x, A, b):
    return x @ A.T + b, xp.log(xp.linalg.det(A))


# ---- mixtures --------------------------------------------------------------------------------------------------------
def log_joint_in_the_plane(x, log_pi, mu, Sigma):
    d    = x[:, None] - mu                                                                     # [N, K, D]
    maha = xp.einsum("nki,kij,nkj->nk", d, xp.linalg.inv(Sigma), d)
    return log_pi - (maha + 2 * gmm.log_2pi + xp.linalg.slogdet(Sigma)[1]) / 2


def log_joint_by_the_inverse(x, log_pi, mu, Sigma):
    d    = x[:, None] - mu                                                                     # [N, K, D]
    maha = xp.einsum("nki,kij,nkj->nk", d, xp.linalg.inv(Sigma), d)
    return log_pi - (maha + x.shape[1] * gmm.log_2pi + xp.linalg.slogdet(Sigma)[1]) / 2


def responsibilities_of_densities(x, log_pi, mu, Sigma):
    p = xp.exp(gmm.log_joint(x, log_pi, mu, Sigma))
    return p / xp.sum(p, axis=1, keepdims=True), xp.log(xp.sum(p, axis=1))


def em_step_of_raw_moments(x, log_pi, mu, Sigma, covariance="full", floor=0.0):
    r, log_p = gmm.responsibilities(x, log_pi, mu, Sigma)
    N_k = xp.sum(r, axis=0)
    mu  = r.T @ x / N_k[:, None]
    S   = xp.einsum("nk,ni,nj->kij", r, x, x) / N_k[:, None, None] - mu[:, :, None] * mu[:, None]
    pi  = N_k / len(x)
    return (xp.log(pi), mu, gmm.COVARIANCES[covariance][0](S, pi, floor)), xp.sum(log_p)


def em_step_of_weights_that_do_not_sum_to_one(right):
    def em_step(x, *params, **options):
        (log_pi, mu, Sigma), total = right(x, *params, **options)
        N_k = xp.exp(log_pi) * len(x) + 10 * np.finfo(float).eps
        return (xp.log(N_k / len(x)), mu, Sigma), total
    return em_step


# ---- energies --------------------------------------------------------------------------------------------------------
def ais_a_step_late(right):
    return lambda x, betas, energy, step: right(x, betas, energy, lambda t, x, beta: step(t, x, betas[t]))


def ula_step_of_small_noise(x, score, h, xi):
    return x + h * (score(x) + xi)


def mala_step_never_refused(x, log_p, score, h, xi, u):
    return langevin.ula_step(x, score, h, xi)


def log_acceptance_of_half_the_variance(x, y, log_p, score, h):
    log_q = lambda y, x: -xp.sum((y - x - h * score(x))**2, axis=-1) / (2 * h)
    return log_p(y) + log_q(x, y) - log_p(x) - log_q(y, x)


# ---- derivatives -----------------------------------------------------------------------------------------------------
def logsumexp_of_infinities(x, axis=None, keepdims=False):
    m = xp.max(x, axis=axis, keepdims=True)
    y = m + xp.log(xp.sum(xp.exp(x - m), axis=axis, keepdims=True))
    return y if keepdims else xp.squeeze(y, axis=axis)


def _softmax_of_infinities(g, y, x, axis=None, keepdims=False):
    return special.spread(g, x, axis) * xp.exp(x - special.spread(y, x, axis))


logsumexp_with_its_gradient = Primitive("logsumexp", special._logsumexp, [_softmax_of_infinities], keeps="y x")


def _assign(values, index, shape):
    out = xp.zeros(shape, dtype=values.dtype)
    out[index] = values
    return out


scatter_the_last = Primitive("scatter_add", _assign, [lambda g, y, values, index, shape: g[index]], keeps="index")


def log_sigmoid_upside_down(x):
    return softplus(-x)


def log_of_ndtr(x):
    return xp.log(special.ndtr(x))


# ---- games -----------------------------------------------------------------------------------------------------------
def cross_entropy_of_probabilities(real, fake):
    return -xp.mean(xp.log(sigmoid(real))) - xp.mean(xp.log(1 - sigmoid(fake)))


def penalty_of(slope):
    """The gradient's penalty, with another norm."""
    def gradient_penalty(critic, real, fake, alpha):
        x_hat = (alpha * real.T + (1 - alpha) * fake.T).T
        return xp.mean((slope(grad(lambda x: xp.sum(critic(x)))(x_hat)) - 1)**2)
    return gradient_penalty


def penalty_between_pixels(right):
    def gradient_penalty(critic, real, fake, alpha):
        alpha = (alpha + xp.arange(real.size).reshape(real.shape).T / real.size) % 1    # another for each number
        return right(critic, real, fake, alpha)
    return gradient_penalty


# ---- diffusion -------------------------------------------------------------------------------------------------------
def schedule_one_step_off(right):
    def schedule(beta):
        s = right(beta)
        return s._replace(abar_1=s.abar, vbar_1=s.vbar)
    return schedule


def q_posterior_clamped(right):
    def q_posterior(x0, xt, t, s):
        mean, var = right(x0, xt, t, s)
        return mean, xp.maximum(var, 1e-20)
    return q_posterior


def coefficients_with_one_steps_noise(t, r, eta, s):
    vbar_r = s.vbar[r - 1] if r else 0.0
    sigma2 = eta**2 * vbar_r / s.vbar[t - 1] * s.beta[t - 1]
    a      = (s.abar[r - 1] if r else 1.0)**0.5 / s.abar[t - 1]**0.5
    return a, xp.sqrt(vbar_r - sigma2) - a * xp.sqrt(s.vbar[t - 1]), xp.sqrt(sigma2)


def coefficients_of_the_step_before(right):
    return lambda t, r, eta, s: right(t, max(r - 1, 0), eta, s)


def ddim_sample_with_even_gaps(eps_theta, x, z, steps, eta, s):
    gap = s.beta.shape[0] // len(steps)
    for t in steps:
        x = ddim.ddim_step(x, t, max(t - gap, 0), eps_theta(x, t), z(t), eta, s)
    return x


def ddim_sample_short_of_the_data(eps_theta, x, z, steps, eta, s):
    for t, r in zip(steps, steps[1:]):
        x = ddim.ddim_step(x, t, r, eps_theta(x, t), z(t), eta, s)
    return x


def nearest_of_products(x, reference):
    d2 = xp.sum(x * x, axis=1)[:, None] - 2 * x @ reference.T + xp.sum(reference * reference, axis=1)
    return xp.argmin(d2, axis=1), xp.sqrt(xp.maximum(xp.min(d2, axis=1), 0))


def slerp_by_the_sine(z0, z1, t):
    u0, u1 = (z / xp.linalg.norm(z, axis=-1, keepdims=True) for z in (z0, z1))
    omega  = xp.arccos(xp.clip(xp.sum(u0 * u1, axis=-1, keepdims=True), -1, 1))
    return (xp.sin((1 - t) * omega) * z0 + xp.sin(t * omega) * z1) / xp.sin(omega)


TABLE = [
    Wrong("mkusner/grammarVAE#2, maxhodak/keras-molecules#59", "the KL is a mean over the latent dimensions",
          "scratch.probability.divergences.kl_normal", kl_normal_mean, "divergences.standard_called vae.terms_called"),
    Wrong("EDAPINENUT/GNTPP#4", "the KL is summed over the batch, and added to every example",
          "scratch.probability.divergences.kl_normal", kl_normal_of_the_batch, "vae.trained"),
    Wrong("deepchem/deepchem#4888", "the log-variance is taken for sigma in the KL",
          "scratch.probability.divergences.kl_normal", kl_normal_of_sigma,
          "divergences.standard_called vae.terms_called"),
    Wrong("rachtsingh/ibp_vae#3, keras-team/keras#3283, rishikksh20/vae_tacotron2#3", "exp(log_var) is taken for sigma",
          "scratch.probability.estimators.reparameterise", reparameterise_variance,
          "estimators.made_called vae.terms_called"),
    Wrong("orybkin/sigma-vae-tensorflow#2", "a mean over pixels beside a sum over latents",
          "scratch.probability.distributions.gaussian_log_prob", gaussian_mean_over_pixels,
          "vae.gaussian_called vae.terms_called"),
    Wrong("pytorch/examples#817, pytorch/examples#460", "the cross-entropy is a mean over pixels",
          "scratch.probability.distributions.bernoulli_log_prob", bernoulli_mean_over_pixels, "vae.bernoulli_called"),
    Wrong("openai/pixel-cnn#25", "the mass of a bin is a difference of two sigmoids, held above 1e-12",
          "scratch.probability.distributions.logistic_log_prob", logistic_of_a_difference, [laws.a_level_far_away]),
    Wrong("slip N3", "a mixture of logistic laws in bins, of which the first and the last lack their tails",
          "scratch.probability.distributions.logistic_mixture_log_prob", logistic_mixture_without_tails,
          "autoregressive.mixture_called autoregressive.moved_mass"),
    Wrong("r9y9/wavenet_vocoder#33, r9y9/wavenet_vocoder#34", "all components' logarithms are added to each of them",
          "scratch.probability.distributions.logistic_mixture_log_prob", logistic_mixture_of_products,
          "autoregressive.mixture_called autoregressive.moved_mass"),
    Wrong("arahuja/generative-tf#1", "a mean of the logarithms of the weights in place of the logarithm of their mean",
          "scratch.autoencoders.vae.importance_bound", importance_bound_of_logarithms, "vae.importance_called"),
    Wrong("AntixK/PyTorch-VAE#34", "the logarithms of the weights are weighted, and those weights differentiated too",
          "scratch.autoencoders.vae.importance_bound", importance_bound_reweighted, "vae.importance_called"),
    Wrong("pytorch/pytorch#144279", "0 log 0 is NaN",
          "scratch.probability.divergences.kl_categorical", kl_without_a_convention, "divergences.kl_called"),
    Wrong("pytorch/pytorch#32520, pytorch/pytorch#72525", "a KL near 0 is rounded below it",
          "scratch.probability.divergences.exp_above_tangent", expm1_less_x,
          [laws.a_kl_of_almost_nothing]),
    Wrong("mseitzer/pytorch-fid#13, bioinf-jku/TTUR#4", "the root of a product of covariances turns complex",
          "scratch.probability.divergences.frechet", frechet_of_eigenvalues,
          [laws.a_law_is_at_no_distance_from_itself]),
    Wrong("scikit-learn/scikit-learn#9354", "distances from products alone, in float32",
          "scratch.metrics.samples.nearest", nearest_of_products, [laws.a_copy_far_from_0]),
    Wrong("dfki-ric/pytransform3d#45", "a division by the sine of no angle",
          "scratch.metrics.codes.slerp", slerp_by_the_sine, [laws.between_a_code_and_itself]),
    Wrong("pytorch/pytorch#23395, jax-ml/jax#347", "`where` lets NaN through from the branch that is not taken",
          "scratch.autoencoders.latent.elbo", elbo_where_outside, [laws.the_slope_of_the_bound_in_a_corner]),

    Wrong("choxos/mlumr#72", "the logarithm of a mean near 1 loses half its value to a shift",
          "scratch.probability.estimators.log_mean_exp", log_mean_exp_of_a_shift, [laws.a_mean_of_almost_one]),

    Wrong("tensorflow/models#7465", "a layer's log_det replaces what the others gave",
          "scratch.flows.change.compose", compose_overwriting, "flows.stack_called"),
    Wrong("jaywalnut310/glow-tts#17", "log det where the determinant is negative",
          "scratch.flows.change.linear", linear_of_log_det, [laws.a_mirror]),

    Wrong("ddbourgin/numpy-ml#22", "two dimensions, whatever the data have",
          "scratch.mixtures.gmm.log_joint", log_joint_in_the_plane, "mixtures.joint_called"),
    Wrong("scikit-learn/scikit-learn#29989", "digits lost to a covariance that is nearly singular",
          "scratch.mixtures.gmm.log_joint", log_joint_by_the_inverse, [laws.along_a_needle]),
    Wrong("borchero/pycave#3, borchero/pycave#56", "densities underflow, and their ratio is NaN",
          "scratch.mixtures.gmm.responsibilities", responsibilities_of_densities,
          [test_mixtures.test_a_point_a_thousand_sigmas_away_still_has_an_owner]),
    Wrong("scikit-learn/scikit-learn#30382", "covariances as E[x x^T] - E[x] E[x]^T, far from 0",
          "scratch.mixtures.gmm.em_step", em_step_of_raw_moments,
          [lambda: test_mixtures.test_an_offset_of_a_million_loses_nothing("full")]),
    Wrong("scikit-learn/scikit-learn#23032", "weights divided by n do not sum to 1 where something was added to each",
          "scratch.mixtures.gmm.em_step", em_step_of_weights_that_do_not_sum_to_one(gmm.em_step),
          [test_mixtures.test_responsibilities_are_probabilities]),

    Wrong("DsysDML/rbms#6", "chains move by the law of another temperature than the one their weights stop at",
          "scratch.energies.ais.ais", ais_a_step_late(ais.ais),
          [lambda: test_energies.test_the_mean_weight_is_the_ratio_of_the_zs_and_its_logarithm_is_too_low_on_the_mean(
              2, [0, 0.5, 1])]),
    Wrong("google-research/ibc#6", "noise of h where it is sqrt(2h)",
          "scratch.energies.langevin.ula_step", ula_step_of_small_noise, "energies.ula_called"),
    Wrong("Ciela-Institute/caustics#388", "every step is taken, and the law is another",
          "scratch.energies.langevin.mala_step", mala_step_never_refused, "energies.mala_called"),
    Wrong("bat/BAT.jl#532", "a step is refused as if its noise had another variance",
          "scratch.energies.langevin.log_acceptance", log_acceptance_of_half_the_variance, "energies.accepted_called"),

    Wrong("rmcgibbo/logsumexp#2", "logsumexp of -inf alone is NaN",
          "scratch.autodiff.logsumexp", logsumexp_of_infinities, [laws.logsumexp_of_nothing]),
    Wrong("jax-ml/jax#6811, pytorch/pytorch#31829, pytorch/pytorch#49724", "and its gradient",
          "scratch.autodiff.logsumexp", logsumexp_with_its_gradient, [laws.logsumexp_of_nothing]),
    Wrong("HIPS/autograd#39", "an element that is picked twice gets its gradient once",
          "scratch.autodiff.scatter_add", scatter_the_last, [laws.picked_twice]),
    Wrong("tensorflow/tensorflow#10131", "the logarithm of a logistic law's CDF is positive",
          "scratch.autodiff.log_sigmoid", log_sigmoid_upside_down, [laws.log_sigmoid_everywhere]),
    Wrong("stan-dev/stan#1424", "the logarithm of the normal CDF is -inf far out",
          "scratch.autodiff.log_ndtr", log_of_ndtr, [laws.log_ndtr_far_out]),

    Wrong("callummcdougall/ARENA_3.0#369", "a logarithm of a sigmoid is NaN where the critic is sure",
          "scratch.gans.objectives.cross_entropy", cross_entropy_of_probabilities, [laws.a_sure_critic]),
    Wrong("eriklindernoren/PyTorch-GAN#5, hwalsuklee/tensorflow-generative-model-collections#33",
          "there is an alpha for each pixel: the points do not lie between a sample and another",
          "scratch.gans.objectives.gradient_penalty", penalty_between_pixels(objectives.gradient_penalty),
          "gan.penalty_called"),
    Wrong("caogang/wgan-gp#25, caogang/wgan-gp#27, Zeleni9/pytorch-wgan#40",
          "the norm of the gradient is taken over the channels alone",
          "scratch.gans.objectives.gradient_penalty", penalty_of(lambda g: xp.sqrt(xp.sum(g * g, axis=1))),
          "gan.penalty_called gan.linear_called"),
    Wrong("keras-team/keras-io#910, pytorch/pytorch#2534", "the norm has no slope where the critic has none",
          "scratch.gans.objectives.gradient_penalty", penalty_of(lambda g: xp.sqrt(distributions.per_example(g * g))),
          [lambda: test_gans.test_a_critic_that_says_the_same_everywhere_has_a_penalty_of_one_and_stays("float64")]),

    Wrong("huggingface/diffusers#465, huggingface/diffusers#9261", "the step before is one off",
          "scratch.diffusion.schedules.schedule", schedule_one_step_off(schedules.schedule), "diffusion.called"),
    Wrong("huggingface/diffusers#3006", "the variance of the last step is clamped, where it is 0",
          "scratch.diffusion.ddpm.q_posterior", q_posterior_clamped(ddpm.q_posterior), [laws.back_to_the_data]),
    Wrong("huggingface/diffusers#3006", "where steps are skipped the noise is that of one step",
          "scratch.diffusion.ddim.coefficients", coefficients_with_one_steps_noise, "diffusion.ddim_called"),
    Wrong("lucidrains/denoising-diffusion-pytorch#81", "abar is that of the step before the one that is stepped to",
          "scratch.diffusion.ddim.coefficients", coefficients_of_the_step_before(ddim.coefficients),
          "diffusion.ddim_called diffusion.kept_called"),
    Wrong("huggingface/diffusers#9384, huggingface/diffusers#11347", "a step leads past the next one that is taken",
          "scratch.diffusion.ddim.ddim_sample", ddim_sample_with_even_gaps, "diffusion.ddim_algorithm"),
    Wrong("lucidrains/denoising-diffusion-pytorch#81", "the last pair of steps does not end at the data",
          "scratch.diffusion.ddim.ddim_sample", ddim_sample_short_of_the_data, "diffusion.ddim_algorithm"),
]
