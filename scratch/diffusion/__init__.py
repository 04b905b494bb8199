"""Diffusion: noise forgets the data step by step, and a network undoes one step at a time."""
from scratch.diffusion.ddpm import (VARIANCES, guided, mean_from_eps, prior_kl, q_posterior, q_sample, sample,
                                    simple_loss, step, step_loss, weights, x0_from_eps)
from scratch.diffusion.schedules import SCHEDULES, Schedule, cosine, linear, schedule
