"""Every function of a family's mathematics, and what it is tried on.

    place     the function, as module.name
    args      each argument: real(B, 3) are numbers [B, 3]; with B in front it is a batch of examples
    f         how it is called with them, where the arguments are not all arrays
    of        what the value is for:   "example"   the same numbers whatever else is in the batch
                                       "leading"   and with any axes in front
                                       "mean"      a mean over the batch
                                       "nothing"   no batch
    smooth    has it a derivative?
    peer      what finds that derivative too: HIPS autograd, where it can
"""
import functools
import importlib
from typing import Any, NamedTuple

import numpy as np

from backends import backend, xp
from scratch.autoencoders import hierarchical, plain, ppca, vae, vq
from scratch.autoregressive import chain, made
from scratch.diffusion import ddim, ddpm, schedules, scores
from scratch.energies import ebm, langevin
from scratch.energies.ais import ais
from scratch.flows import change
from scratch.gans.objectives import OBJECTIVES, gradient_penalty
from scratch.probability import distributions

B = 7


class Arg(NamedTuple):
    shape: tuple
    make:  Any

    def draw(self, rng):
        return self.make(rng, self.shape)


def kind(make):
    return lambda *shape: Arg(shape, make)


real         = kind(lambda rng, shape: rng.normal(size=shape))
inside       = kind(lambda rng, shape: rng.uniform(0.1, 0.9, shape))
ascending    = kind(lambda rng, shape: np.sort(rng.normal(size=shape)))
simplex      = kind(lambda rng, shape: rng.dirichlet(np.ones(shape[-1]), shape[:-1]))
log_simplex  = kind(lambda rng, shape: np.log(rng.dirichlet(np.ones(shape[-1]), shape[:-1])))
covariance   = kind(lambda rng, shape: np.cov(rng.normal(size=shape[:-1] + (9,)))
                    if len(shape) == 2 else np.stack([covariance(*shape[1:]).draw(rng) for _ in range(shape[0])]))
regular      = kind(lambda rng, shape: rng.normal(size=shape) / 2 + 2 * np.eye(shape[-1]))
bits         = kind(lambda rng, shape: rng.integers(0, 2, shape, dtype="int8"))
levels       = kind(lambda rng, shape: rng.integers(0, 4, shape, dtype="uint8"))
steps        = kind(lambda rng, shape: rng.integers(1, 4, shape))


class Row(NamedTuple):
    place:  str
    args:   list
    f:      Any  = None
    of:     str  = "leading"
    smooth: bool = True
    peer:   str  = "autograd"

    def __repr__(self):
        return self.place

    @property
    def call(self):
        module, _, name = self.place.rpartition(".")
        return self.f or getattr(importlib.import_module(f"scratch.{module}"), name)

    def draw(self, seed=0, dtype="float64"):
        rng = np.random.default_rng(seed)
        return [a if a.dtype.kind in "iu" else a.astype(dtype) for a in (arg.draw(rng) for arg in self.args)]

    def batched(self):
        return [arg.shape[:1] == (B,) for arg in self.args]


# ---- networks --------------------------------------------------------------------------------------------------------
def net(W):
    """A network with two heads: x -> two arrays."""
    return lambda x: (xp.tanh(x @ W[0]), xp.tanh(x @ W[1]))


def first(W):
    """One of them."""
    return lambda x: net(W)(x)[0]


def noise_net(W):
    return lambda xt, t: xp.tanh(xt @ W)


def joined(W):
    return lambda z, x: net(W)(xp.concatenate([z, x], axis=-1))


@functools.cache
def schedule_on(backend):
    return schedules.schedule(xp.asarray([0.1, 0.2, 0.3]))


def s():
    return schedule_on(backend().name)


def sigma2():
    return xp.asarray([0.1, 0.15, 0.2])


def fixed(W):
    return ddpm.fixed(noise_net(W), sigma2())


def learned(W):
    return ddpm.learned(lambda xt, t: net(W)(xt), s())


def with_s(f):
    return lambda *args: f(*args, s())


def well(a):
    """A function of points, and its derivative."""
    return lambda x: xp.sum(xp.cos(x * a), axis=-1)


def slope(a):
    return lambda x: -a * xp.sin(x * a)


def drift(W):
    """A score of points."""
    return lambda x: xp.tanh(x @ W)


def conditional(x_d, before):
    return -(x_d - xp.sum(before, axis=-1))**2


TABLE = [
    Row("probability.divergences.kl_categorical",  [log_simplex(B, 3), log_simplex(B, 3)]),
    Row("probability.divergences.js_categorical",  [log_simplex(B, 3), log_simplex(B, 3)]),
    Row("probability.divergences.kl_normal",       [real(B, 3), real(B, 3)]),
    Row("probability.divergences.kl_normals",      [real(B, 3), real(B, 3), real(B, 3), real(B, 3)]),
    Row("probability.divergences.kl_normal_full",  [real(B, 3), covariance(B, 3, 3), real(B, 3), covariance(B, 3, 3)],
        peer="a closed form, in test_probability"),
    Row("probability.divergences.exp_above_tangent", [real(B, 3)]),
    Row("probability.divergences.w1_line",         [ascending(5), simplex(B, 5), simplex(B, 5)]),
    Row("probability.divergences.frechet",         [real(B, 3), covariance(B, 3, 3), real(B, 3), covariance(B, 3, 3)],
        smooth=False),

    Row("probability.distributions.gaussian_log_prob", [real(B, 2, 3), real(B, 2, 3), real(B, 2, 3)], None, "example"),
    Row("probability.distributions.bernoulli_log_prob", [bits(B, 2, 3), real(B, 2, 3)], None, "example"),
    Row("probability.distributions.logistic_log_prob", [levels(B, 2, 3), real(B, 2, 3), real(B, 2, 3)],
        lambda k, mu, log_s: distributions.logistic_log_prob(k, mu, log_s, 4), "example"),
    Row("probability.distributions.log_logistic",  [levels(B, 2, 3), real(B, 2, 3), real(B, 2, 3)],
        lambda k, mu, log_s: distributions.log_logistic(k, mu, log_s, 4)),
    Row("probability.distributions.logistic_mixture_log_prob",
        [levels(B, 2, 3), real(B, 2, 4), real(B, 2, 3, 4), real(B, 2, 3, 4)],
        lambda k, logits, mu, log_s: distributions.logistic_mixture_log_prob(k, logits, mu, log_s, 4), "example"),
    Row("probability.distributions.colour_means",  [levels(B, 3), real(B, 3, 2), real(B, 3, 2)],
        lambda k, mu, coef: distributions.colour_means(k, mu, coef, 4)),
    Row("probability.distributions.normal_level_log_prob", [levels(B, 2, 3), real(B, 2, 3), real(B, 2, 3)],
        lambda k, mu, log_var: distributions.normal_level_log_prob(k, mu, log_var, 4), "example"),
    Row("probability.distributions.per_example",   [real(B, 2, 3)], None, "example"),

    Row("probability.estimators.reparameterise",   [real(B, 3), real(B, 3), real(B, 3)]),
    Row("probability.estimators.score_surrogate",  [real(B, 3), real(B, 3), real(B, 3)]),
    Row("probability.estimators.leave_one_out",    [real(B, 3)]),
    Row("probability.estimators.log_mean_exp",     [real(B, 3)]),

    Row("mixtures.bernoulli.log_joint",            [inside(B, 3), log_simplex(2), real(2, 3)], None, "example"),
    Row("mixtures.bernoulli.responsibilities",     [inside(B, 3), log_simplex(2), real(2, 3)], None, "example"),
    Row("mixtures.bernoulli.maximise",             [inside(B, 3), simplex(B, 2), real(2, 3)], None, "nothing"),
    Row("mixtures.bernoulli.em_step",              [inside(B, 3), log_simplex(2), real(2, 3)], None, "nothing"),

    Row("autoencoders.latent.elbo",                [log_simplex(B, 3), simplex(B, 3)]),
    Row("autoencoders.ppca.log_likelihood",        [real(B, 4), real(4, 2), real(4), inside()], None, "example"),
    Row("autoencoders.ppca.fit",                   [real(9, 3)],
        lambda x: ppca.fit(x, 1), "nothing", smooth=False),
    Row("autoencoders.ppca.em_step",               [real(9, 4), real(4, 2), real(4), inside()], None, "nothing"),
    Row("autoencoders.vae.terms",                  [real(B, 3), real(B, 2), real(2, 3, 2), real(2, 2, 3)],
        lambda x, eps, W, V: vae.terms(x, eps, net(W), net(V)), "example"),
    Row("autoencoders.vae.flow_terms",             [real(B, 3), real(B, 2), real(2, 3, 2), real(2, 2), real(2, 2, 3)],
        lambda x, eps, W, A, V: vae.flow_terms(x, eps, net(W), lambda z: (z + xp.tanh(z @ A) / 9, xp.sum(z, axis=-1)),
                                               net(V)), "example"),
    Row("autoencoders.vae.elbo",                   [real(B, 3), real(B, 2), real(2, 3, 2), real(2, 2, 3)],
        lambda x, eps, W, V: vae.elbo(x, eps, net(W), net(V), 0.3), "mean"),
    Row("autoencoders.vae.importance_terms",       [real(B, 3), real(B, 5, 2), real(2, 3, 2), real(2, 2, 3)],
        lambda x, eps, W, V: vae.importance_terms(x, xp.swapaxes(eps, 0, 1), net(W), net(V)).T, "example"),
    Row("autoencoders.vae.importance_bound",       [real(B, 3), real(B, 5, 2), real(2, 3, 2), real(2, 2, 3)],
        lambda x, eps, W, V: vae.importance_bound(x, xp.swapaxes(eps, 0, 1), net(W), net(V)), "example"),
    Row("autoencoders.vae.pairwise",               [real(B, 3), real(5, 3), real(5, 3)],
        vae.pairwise(distributions.gaussian_log_prob), "example"),
    Row("autoencoders.vae.log_evidence",           [real(B, 3), real(2, 2, 3)],
        lambda x, V: vae.log_evidence(x, net(V), 2, 33), "example"),
    Row("autoencoders.vae.log_mixture",            [real(B, 3), log_simplex(5), real(5, 2), real(2, 2, 3)],
        lambda x, log_w, z, V: vae.log_mixture(x, log_w, z, net(V), vae.pairwise(distributions.gaussian_log_prob)),
        "example"),
    Row("autoencoders.vae.sample",                 [real(B, 2), real(B, 3), real(2, 2, 3)],
        lambda z, eps, V: vae.sample(z, eps, net(V)), "example"),
    Row("autoencoders.vq.assign",                  [real(B, 3), real(4, 3)], lambda z, e: e[vq.assign(z, e)],
        smooth=False),
    Row("autoencoders.vq.codebook_loss",           [real(B, 2, 3), real(B, 2, 3)], None, "example"),
    Row("autoencoders.vq.commitment_loss",         [real(B, 2, 3), real(B, 2, 3)], None, "example"),
    Row("autoencoders.vq.terms",                   [real(B, 3), real(2, 3, 2), real(4, 2), real(2, 2, 3)],
        lambda x, W, e, V: vq.terms(x, lambda x: xp.stack(net(W)(x), axis=1), lambda z: net(V)(z[:, 0] - z[:, 1]),
                                    e)[:3], "example"),
    Row("autoencoders.vq.moving_average",          [inside(4), real(4, 3), real(9, 3), steps(9)],
        lambda N, m, z, k: vq.moving_average(N, m, z, k, 0.7), "nothing"),
    Row("autoencoders.vq.shares",                  [inside(B, 4)], lambda N: vq.shares(N, 0.3)),
    Row("autoencoders.vq.codes",                   [inside(4), real(4, 3), real(4, 3)],
        lambda N, m, e: vq.codes(N, m, e, 0.3), "nothing"),
    Row("autoencoders.vq.perplexity",              [simplex(B, 4)]),
    Row("autoencoders.vq.revived",                 [real(B, 3), inside(B), real(B, 3)],
        lambda e, usage, z: vq.revived(e, usage, z, 0.5), "example"),
    Row("autoencoders.vq.log_prior",               [steps(B, 3), log_simplex(3, 4)], None, "example"),
    Row("autoencoders.plain.squared_error",        [real(B, 3), real(2, 3, 2), real(2, 2, 3)],
        lambda x, W, V: plain.squared_error(x, first(W), first(V)), "mean"),
    Row("autoencoders.plain.denoising_error",      [real(B, 3), real(B, 3), real(2, 3, 2), real(2, 2, 3)],
        lambda x, noise, W, V: plain.denoising_error(x, noise, first(W), first(V)), "mean"),
    Row("autoencoders.plain.sparsity",             [inside(B, 3)], lambda h: plain.sparsity(h, 0.3), "nothing"),
    Row("autoencoders.plain.contraction",          [real(B, 3), real(2, 3, 2)],
        lambda x, W: plain.contraction(x, first(W)), "mean"),
    Row("autoencoders.plain.stacked_error",
        [real(B, 3), real(2, 3, 2), real(2, 2, 3), real(2, 2, 1), real(2, 1, 2)],
        lambda x, W, V, W2, V2: plain.stacked_error(x, [(first(W), first(V)), (first(W2), first(V2))]), "mean"),
    Row("autoencoders.vae.vae_gan",                [real(), real(), real()], None, "nothing"),
    Row("autoencoders.vae.kl_ar1",                 [real(B, 3), real(B, 3)],
        lambda mu, log_var: vae.kl_ar1(mu, log_var, 0.7)),
    Row("autoencoders.vae.delta_vae_min_kl",       [inside(B)], lambda alpha: vae.delta_vae_min_kl(5, alpha),
        smooth=False),
    Row("autoencoders.hierarchical.two_level_terms",
        [real(B, 3), real(B, 2), real(B, 2), real(2, 3, 2), real(2, 5, 2), real(2, 2, 2), real(2, 2, 3)],
        lambda x, e1, e2, Q2, Q1, P1, V:
            hierarchical.two_level_terms(x, [e1, e2], net(Q2), joined(Q1), net(P1), net(V)), "example"),
    Row("autoencoders.hierarchical.two_level_elbo",
        [real(B, 3), real(B, 2), real(B, 2), real(2, 3, 2), real(2, 5, 2), real(2, 2, 2), real(2, 2, 3)],
        lambda x, e1, e2, Q2, Q1, P1, V:
            hierarchical.two_level_elbo(x, [e1, e2], net(Q2), joined(Q1), net(P1), net(V)), "mean"),
    Row("autoencoders.hierarchical.markov_terms",
        [real(B, 3), real(B, 2), real(B, 2), real(2, 3, 2), real(2, 2, 2), real(2, 2, 2), real(2, 2, 3)],
        lambda x, e1, e2, Q1, Q2, P1, V:
            hierarchical.markov_terms(x, [e1, e2], [net(Q1), net(Q2)], [net(P1)], net(V)), "example"),
    Row("autoencoders.hierarchical.markov_elbo",
        [real(B, 3), real(B, 2), real(B, 2), real(2, 3, 2), real(2, 2, 2), real(2, 2, 2), real(2, 2, 3)],
        lambda x, e1, e2, Q1, Q2, P1, V:
            hierarchical.markov_elbo(x, [e1, e2], [net(Q1), net(Q2)], [net(P1)], net(V)), "mean"),

    Row("energies.ebm.log_partition",    [real(5)], None, "nothing"),
    Row("energies.ebm.contrast",         [real(B, 3), real(5, 3), simplex(5), real(3)],
        lambda x, x_model, w, a: ebm.contrast(well(a), x, x_model, w), "mean"),
    Row("energies.boltzmann.couplings",         [real(4, 4)], None, "nothing"),
    Row("energies.boltzmann.boltzmann_energy",  [bits(B, 4), real(4, 4), real(4)]),
    Row("energies.boltzmann.boltzmann_logits",  [bits(B, 4), real(4, 4), real(4)]),
    Row("energies.boltzmann.boltzmann_gibbs",   [bits(B, 4), inside(B, 4), real(4, 4), real(4)], smooth=False),
    Row("energies.boltzmann.boltzmann_log_z",   [real(4, 4), real(4)], None, "nothing"),
    Row("energies.boltzmann.joint_energy",      [bits(B, 4), bits(B, 2), real(4, 2), real(4), real(2)]),
    Row("energies.boltzmann.free_energy",       [bits(B, 4), real(4, 2), real(4), real(2)]),
    Row("energies.boltzmann.hidden_logits",     [bits(B, 4), real(4, 2), real(2)]),
    Row("energies.boltzmann.visible_logits",    [bits(B, 2), real(4, 2), real(4)]),
    Row("energies.boltzmann.gibbs",             [bits(B, 4), inside(B, 2), inside(B, 4), real(4, 2), real(4), real(2)],
        smooth=False),
    Row("energies.boltzmann.log_z",             [real(4, 2), real(4), real(2)], None, "nothing"),
    Row("energies.ais.ais",              [real(B, 3), real(3)],
        lambda x, a: ais(x, [0.0, 0.25, 1.0], lambda x, beta: beta * well(a)(x), lambda t, x, beta: x + beta * x**t)),
    Row("energies.ais.log_mean_and_error", [real(5)], None, "nothing"),
    Row("energies.langevin.ula_step",    [real(B, 3), real(B, 3), real(3)],
        lambda x, xi, a: langevin.ula_step(x, slope(a), 0.3, xi)),
    Row("energies.langevin.log_acceptance", [real(B, 3), real(B, 3), real(3)],
        lambda x, y, a: langevin.log_acceptance(x, y, well(a), slope(a), 0.3)),
    Row("energies.langevin.mala_step",   [real(B, 3), real(B, 3), inside(B), real(3)],
        lambda x, xi, u, a: langevin.mala_step(x, well(a), slope(a), 0.3, xi, u), smooth=False),

    Row("diffusion.ddpm.at",             [steps(B), real(B, 2)], lambda t, x: ddpm.at(s().abar, t, x), "example",
        smooth=False),
    Row("diffusion.ddpm.q_sample",       [real(B, 2), steps(B), real(B, 2)], with_s(ddpm.q_sample), "example"),
    Row("diffusion.ddpm.x0_from_eps",    [real(B, 2), steps(B), real(B, 2)], with_s(ddpm.x0_from_eps), "example"),
    Row("diffusion.ddpm.q_posterior",    [real(B, 2), real(B, 2), steps(B)], with_s(ddpm.q_posterior), "example"),
    Row("diffusion.ddpm.mean_from_eps",  [real(B, 2), steps(B), real(B, 2)], with_s(ddpm.mean_from_eps), "example"),
    Row("diffusion.ddpm.noise_of_x0",    [real(B, 2), steps(B), real(B, 2)], with_s(ddpm.noise_of_x0), "example"),
    Row("diffusion.ddpm.velocity",       [real(B, 2), real(B, 2), steps(B)], with_s(ddpm.velocity), "example"),
    Row("diffusion.ddpm.noise_of_velocity", [real(B, 2), steps(B), real(B, 2)],
        with_s(ddpm.noise_of_velocity), "example"),
    Row("diffusion.ddpm.learned_variance", [inside(B, 2), steps(B)], with_s(ddpm.learned_variance), "example"),
    Row("diffusion.ddpm.fixed",          [real(B, 2), steps(B), real(2, 2)],
        lambda xt, t, W: fixed(W)(xt, t), "example"),
    Row("diffusion.ddpm.learned",        [real(B, 2), steps(B), real(2, 2, 2)],
        lambda xt, t, W: learned(W)(xt, t), "example"),
    Row("diffusion.ddpm.step",           [real(B, 2), steps(B), real(B, 2), real(B, 2), inside(B, 2)],
        with_s(ddpm.step), "example"),
    Row("diffusion.ddpm.sample",         [real(B, 2), real(B, 2), real(2, 2)],
        lambda x, z, W: ddpm.sample(fixed(W), x, lambda t: z / t, s()), "example"),
    Row("diffusion.ddpm.guided",         [real(B, 2), real(B, 2)], lambda y, n: ddpm.guided(y, n, 1.5), "example"),
    Row("diffusion.ddpm.simple_loss",    [real(B, 2), steps(B), real(B, 2), real(2, 2)],
        lambda x0, t, eps, W: ddpm.simple_loss(noise_net(W), x0, t, eps, s()), "mean"),
    Row("diffusion.ddpm.prior_kl",       [real(B, 2)], with_s(ddpm.prior_kl), "example"),
    Row("diffusion.ddpm.step_kl",        [real(B, 2), real(B, 2), steps(B), real(B, 2), inside(B, 2)],
        with_s(ddpm.step_kl), "example"),
    Row("diffusion.ddpm.reconstruction", [real(B, 2), real(B, 2), real(B, 2), inside(B, 2)],
        with_s(ddpm.reconstruction), "example"),
    Row("diffusion.ddpm.step_loss",      [real(B, 2), real(B, 2), real(2, 2)],
        lambda x0, eps, W: [ddpm.step_loss(fixed(W), x0, t, eps, s()) for t in (1, 3)], "example"),
    Row("diffusion.ddpm.bound",          [levels(B, 2), real(B, 2), real(2, 2)],
        lambda k, eps, W: ddpm.bound(fixed(W), xp.astype(k, W.dtype) / 1.5 - 1, lambda t: eps / t, s(), 4), "example"),
    Row("diffusion.ddpm.hybrid_loss",    [real(B, 2), steps(B), real(B, 2), real(2, 2, 2)],
        lambda x0, t, eps, W: ddpm.hybrid_loss(learned(W), x0, t, eps, 0.1, s()), "mean"),

    Row("diffusion.ddim.ddim_step",      [real(B, 2), real(B, 2), real(B, 2)],
        lambda xt, eps, z: ddim.ddim_step(xt, 3, 1, eps, z, 0.5, s()), "example"),
    Row("diffusion.ddim.ddim_sample",    [real(B, 2), real(B, 2), real(2, 2)],
        lambda x, z, W: ddim.ddim_sample(noise_net(W), x, lambda t: z / t, [3, 1], 0.5, s()), "example"),
    Row("diffusion.ddim.ddim_encode",    [real(B, 2), real(2, 2)],
        lambda x, W: ddim.ddim_encode(noise_net(W), x, [3, 1], s()), "example"),

    Row("diffusion.scores.explicit",     [real(B, 3), real(3, 3), real(3, 3)],
        lambda x, W, V: scores.explicit(drift(W), x, drift(V)), "example"),
    Row("diffusion.scores.implicit",     [real(B, 3), real(3, 3)],
        lambda x, W: scores.implicit(drift(W), x), "example"),
    Row("diffusion.scores.sliced",       [real(B, 3), real(B, 3), real(3, 3)],
        lambda x, v, W: scores.sliced(drift(W), x, v), "example"),
    Row("diffusion.scores.sliced_reduced", [real(B, 3), real(B, 3), real(3, 3)],
        lambda x, v, W: scores.sliced_reduced(drift(W), x, v), "example"),
    Row("diffusion.scores.denoising",    [real(B, 3), real(B, 3), inside(B, 1), real(3, 3)],
        lambda x, eps, sigma, W: scores.denoising(drift(W), x, eps, sigma), "example"),
    *[Row("diffusion.scores.weighted",   [real(B, 3), real(B, 3), inside(B, 1), real(B, 3), real(3, 3)],
          lambda x, eps, sigma, v, W, objective=objective:
              scores.weighted(objective, lambda x, sigma: drift(W)(x) / sigma, x, eps, sigma, v), "mean")
      for objective in scores.OBJECTIVES],
    Row("diffusion.scores.score_of_eps", [real(B, 3), inside(B, 1)], None, "example"),
    Row("diffusion.scores.eps_of_score", [real(B, 3), inside(B, 1)], None, "example"),
    Row("diffusion.scores.tweedie",      [real(B, 3), real(B, 3), inside(B, 1)], None, "example"),
    Row("diffusion.scores.annealed",     [real(B, 3), real(B, 3), ascending(4), real(3, 3)],
        lambda x, xi, a, W: scores.annealed(lambda x, sigma: drift(W)(x) / sigma, x, lambda i, t: xi / (i + t),
                                            xp.exp(-a), 0.1, 2), "example"),

    Row("gans.objectives.cross_entropy", [real(B), real(B)], None, "mean"),
    Row("gans.objectives.log_ratio",     [inside(B, 3), inside(B, 3)]),
    Row("gans.objectives.steepest",      [simplex(B, 5), simplex(B, 5)], smooth=False),
    *[Row(f"gans.objectives.{name} critic",    [real(B), real(B)], row.critic, "mean")
      for name, row in OBJECTIVES.items()],
    *[Row(f"gans.objectives.{name} generator", [real(B)], row.generator, "mean") for name, row in OBJECTIVES.items()],
    *[Row(f"gans.objectives.{name} best",      [simplex(B, 5), simplex(B, 5)], row.best, smooth=False)
      for name, row in OBJECTIVES.items()],
    Row("gans.objectives.gradient_penalty",    [real(B, 2, 3), real(B, 2, 3), inside(B), real(3, 4)],
        lambda x, y, alpha, W: gradient_penalty(lambda x: xp.sum(xp.tanh(x @ W), axis=(1, 2)), x, y, alpha), "mean"),

    Row("metrics.codes.lerp",            [real(B, 3), real(B, 3), inside(B, 1)], smooth=False),
    Row("metrics.codes.slerp",           [real(B, 3), real(B, 3), inside(B, 1)], smooth=False),
    Row("metrics.codes.arithmetic",      [real(B, 3), real(B, 3), real(B, 3)]),

    Row("autoregressive.chain.log_prob", [real(B, 3)], lambda x: chain.log_prob(x, conditional)),
    Row("autoregressive.chain.cpt_log_prob",       [bits(B, 3), inside(B, 3)]),
    Row("autoregressive.chain.logit_log_prob",     [bits(B, 3), real(B, 3)]),
    Row("autoregressive.chain.logistic_log_prob",  [bits(B, 4), inside(B), real(3), real(3, 3)]),
    Row("autoregressive.chain.logistic_logits",    [bits(B, 4), real(3), real(3, 3)]),
    Row("autoregressive.chain.ancestral",          [real(B, 3), real(3, 3)],
        lambda x, W: chain.ancestral(str, x, (2, 0, 1), lambda x, d: x @ W, lambda name, y, d: xp.tanh(y[..., d])),
        smooth=False),
    Row("autoregressive.made.log_prob",  [bits(B, 4), real(B, 2, 4)],
        lambda x, logits: made.log_prob(x, xp.swapaxes(logits, 0, 1)), "example"),

    Row("flows.change.log_prob",         [real(B, 3), real(3)],
        lambda y, u: change.log_prob(y, lambda y: change.planar(y, u, u, 0.5), lambda z: -xp.sum(z * z, axis=-1))),
    Row("flows.change.compose",          [real(B, 3), regular(3, 3), real(3)],
        lambda x, A, b: change.compose(x, [lambda x: change.linear(x, A, b), lambda x: change.planar(x, b, b, 0.5)])),
    Row("flows.change.linear",           [real(B, 3), regular(3, 3), real(3)],
        lambda x, A, b: change.linear(x, A, b)[0]),
    Row("flows.change.linear_inverse",   [real(B, 3), regular(B, 3, 3), real(3)]),
    Row("flows.change.triangular",       [real(B, 3), regular(3, 3), real(3)],
        lambda x, A, b: change.triangular(x, xp.tril(A), b)[0]),
    Row("flows.change.triangular_inverse", [real(B, 3), regular(3, 3), real(3)],
        lambda y, A, b: change.triangular_inverse(y, xp.tril(A), b)[0]),
    Row("flows.change.lu",               [real(B, 3), regular(3, 3), regular(3, 3), real(3)],
        lambda x, A, C, b: change.lu(x, xp.tril(A), xp.triu(C), b)[0]),
    Row("flows.change.lu_inverse",       [real(B, 3), regular(3, 3), regular(3, 3), real(3)],
        lambda y, A, C, b: change.lu_inverse(y, xp.tril(A), xp.triu(C), b)[0]),
    Row("flows.change.householder",      [real(B, 3), real(2, 3)], lambda x, V: change.householder(x, V)[0]),
    Row("flows.change.coupling",         [real(B, 3), real(2, 3, 3)],
        lambda x, W: change.coupling(x, xp.arange(3) == 1, net(W))),
    Row("flows.change.coupling_inverse", [real(B, 3), real(2, 3, 3)],
        lambda y, W: change.coupling_inverse(y, xp.arange(3) == 1, net(W))),
    Row("flows.change.autoregressive",   [real(B, 3), real(2, 3, 3)],
        lambda x, W: change.autoregressive(x, net(xp.triu(W, 1)))),
    Row("flows.change.autoregressive_inverse", [real(B, 3), real(2, 3, 3)],
        lambda z, W: change.autoregressive_inverse(z, net(xp.triu(W, 1)))),
    Row("flows.change.planar",           [real(B, 3), inside(3), inside(3), real()]),
    Row("flows.change.invertible",       [real(3), real(3)], None, "nothing"),
]
