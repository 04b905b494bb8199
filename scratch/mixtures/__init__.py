"""Mixture models: a latent choice among a few simple densities, learned by expectation maximisation."""
from scratch.data.checks import door
from scratch.mixtures import gmm
from scratch.mixtures.bernoulli import BernoulliMixture
from scratch.mixtures.em import Mixture
from scratch.mixtures.gmm import COVARIANCES, GaussianMixture, bic, parameters

em_step, log_joint, maximise, responsibilities, sample, start, score, noised = map(door, (
    gmm.em_step, gmm.log_joint, gmm.maximise, gmm.responsibilities, gmm.sample, gmm.start, gmm.score, gmm.noised))
