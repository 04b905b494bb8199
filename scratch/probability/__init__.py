"""Distributions, divergences between them, and estimators: the closed forms."""
