"""Distributions, divergences between them, and estimators: the closed forms."""
from scratch.probability.divergences import (frechet, js_categorical, kl_categorical, kl_normal, kl_normal_full,
                                             kl_normals, w1_line)
