"""Mixture models: a latent choice among a few simple densities, learned by expectation maximisation."""
from scratch.mixtures.gmm import (COVARIANCES, GaussianMixture, bic, em_step, log_joint, maximise, parameters,
                                  responsibilities, sample, start)
