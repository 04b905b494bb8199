"""Diffusion: noise forgets the data step by step, and a network undoes one step at a time."""
from scratch.data.checks import door
from scratch.diffusion import ddpm, schedules
from scratch.diffusion.ddpm import VARIANCES, weights
from scratch.diffusion.schedules import SCHEDULES, Schedule, cosine, linear

schedule = door(schedules.schedule)
q_sample, q_posterior, x0_from_eps, mean_from_eps, step, sample, guided, simple_loss, step_loss, prior_kl = map(door, (
    ddpm.q_sample, ddpm.q_posterior, ddpm.x0_from_eps, ddpm.mean_from_eps, ddpm.step, ddpm.sample, ddpm.guided,
    ddpm.simple_loss, ddpm.step_loss, ddpm.prior_kl))
