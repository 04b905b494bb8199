"""Diffusion: noise forgets the data step by step, and a network undoes one step at a time."""
from scratch.data.checks import door
from scratch.diffusion import ddim, ddpm, schedules, scores
from scratch.diffusion.ddim import spaced
from scratch.diffusion.ddpm import PREDICTIONS, VARIANCES, Prediction, fixed, learned, weights
from scratch.diffusion.models import DDPM
from scratch.diffusion.ncsn import NCSN
from scratch.diffusion.schedules import SCHEDULES, Schedule, cosine, linear

schedule = door(schedules.schedule)
q_sample, q_posterior, x0_from_eps, mean_from_eps, learned_variance, step, sample, guided = map(door, (
    ddpm.q_sample, ddpm.q_posterior, ddpm.x0_from_eps, ddpm.mean_from_eps, ddpm.learned_variance, ddpm.step,
    ddpm.sample, ddpm.guided))
simple_loss, hybrid_loss, step_loss, prior_kl, bound = map(door, (
    ddpm.simple_loss, ddpm.hybrid_loss, ddpm.step_loss, ddpm.prior_kl, ddpm.bound))
ddim_step, ddim_sample, ddim_encode = map(door, (ddim.ddim_step, ddim.ddim_sample, ddim.ddim_encode))
explicit, implicit, sliced, sliced_reduced, denoising = map(door, (
    scores.explicit, scores.implicit, scores.sliced, scores.sliced_reduced, scores.denoising))
score_of_eps, eps_of_score, tweedie, annealed = map(door, (
    scores.score_of_eps, scores.eps_of_score, scores.tweedie, scores.annealed))
noise_levels = door(scores.levels)
