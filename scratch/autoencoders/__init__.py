"""Autoencoders: deterministic, variational, hierarchical, of whole numbers."""
from scratch.autoencoders import hierarchical, plain, ppca, vae
from scratch.autoencoders.models import VAE, Autoencoder
from scratch.autoencoders.ppca import PPCA
from scratch.autoencoders.vqvae import VQVAE
from scratch.data.checks import door

elbo, importance_bound, latent_grid = map(door, (vae.elbo, vae.importance_bound, vae.latent_grid))
two_level_elbo, markov_elbo = map(door, (hierarchical.two_level_elbo, hierarchical.markov_elbo))
squared_error, denoising_error, sparsity, contraction, stacked_error = map(door, (
    plain.squared_error, plain.denoising_error, plain.sparsity, plain.contraction, plain.stacked_error))
