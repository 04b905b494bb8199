"""Log-probabilities and divergences of laws, in closed form, and estimators of expectations and their gradients."""
from scratch.data.checks import door
from scratch.probability import distributions, divergences, estimators

gaussian_log_prob, bernoulli_log_prob, logistic_log_prob, normal_level_log_prob = map(door, (
    distributions.gaussian_log_prob, distributions.bernoulli_log_prob, distributions.logistic_log_prob,
    distributions.normal_level_log_prob))
logistic_mixture_log_prob, colour_means = map(door, (
    distributions.logistic_mixture_log_prob, distributions.colour_means))
kl_categorical, js_categorical, kl_normal, kl_normals, kl_normal_full, w1_line, frechet = map(door, (
    divergences.kl_categorical, divergences.js_categorical, divergences.kl_normal, divergences.kl_normals,
    divergences.kl_normal_full, divergences.w1_line, divergences.frechet))
reparameterise, score_surrogate, leave_one_out, log_mean_exp = map(door, (
    estimators.reparameterise, estimators.score_surrogate, estimators.leave_one_out, estimators.log_mean_exp))
