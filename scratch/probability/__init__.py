"""Log-probabilities and divergences of laws, in closed form, and estimators of expectations and their gradients."""
from scratch.probability.divergences import (frechet, js_categorical, kl_categorical, kl_normal, kl_normal_full,
                                             kl_normals, w1_line)
