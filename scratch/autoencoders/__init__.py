"""Autoencoders: deterministic, variational, hierarchical."""
from scratch.autoencoders.models import VAE, Autoencoder
