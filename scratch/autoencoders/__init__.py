"""Autoencoders: deterministic, variational, hierarchical."""
