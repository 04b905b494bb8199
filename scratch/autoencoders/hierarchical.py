"""Latents above latents.  Rezende et al. 2014; Sonderby et al. 2016 (from the top down); Luo 2022 (T levels)
derivations: hierarchical

    x          data                                                                      [B, ...]
    z_1 .. z_T latents, z_1 next to x                                                    [B, K_t]
    eps        the normals of each level, a list                                         [B, K_t]
    encode, decode, log_prob: as in `vae`; q_t, p_t: networks that give the mean and the log-variance of a level

    log p(x) >= E_q[log p(x, z_1 .. z_T) - log q(z_1 .. z_T | x)]                        in nats
"""
from backends import xp
from scratch.probability.divergences import kl_normal, kl_normals
from scratch.probability.distributions import gaussian_log_prob
from scratch.probability.estimators import reparameterise


# ---- two levels, from the top down -----------------------------------------------------------------------------------
def two_level_terms(x, eps, q_2, q_1, p_1, decode, log_prob=gaussian_log_prob):
    """log p(x | z_1), KL(q(z_2 | x) || p(z_2)) and KL(q(z_1 | z_2, x) || p(z_1 | z_2)), at one z of each example: [B].
    q_2: x -> level 2; q_1: z_2, x -> level 1; p_1: z_2 -> level 1.                   [hierarchical.two_level_called]"""
    mu, log_var = q_2(x)
    z_2  = reparameterise(mu, log_var, eps[1])
    kl_2 = kl_normal(mu, log_var)                                               # p(z_2) = N(0, I)
    mu, log_var = q_1(z_2, x)
    z_1  = reparameterise(mu, log_var, eps[0])
    return log_prob(x, *decode(z_1)), kl_2, kl_normals(mu, log_var, *p_1(z_2))


def two_level_elbo(x, eps, q_2, q_1, p_1, decode, log_prob=gaussian_log_prob):
    """The mean over the batch of the first minus both others, to be maximised.      [hierarchical.two_level_trained]"""
    log_p, kl_2, kl_1 = two_level_terms(x, eps, q_2, q_1, p_1, decode, log_prob)
    return xp.mean(log_p) - xp.mean(kl_2) - xp.mean(kl_1)


# ---- a Markov chain of levels, from the bottom up --------------------------------------------------------------------
def markov_terms(x, eps, q, p, decode, log_prob=gaussian_log_prob):
    """At one z of each example, [B] or lists of [B], z_1 first:                           [hierarchical.markov_called]
        log p(x | z_1);   log p(z_t | z_{t+1}), the last of them log p(z_T);   log q(z_t | z_{t-1}), with z_0 = x
    q: T networks, z_{t-1} -> level t; p: T - 1 networks, z_{t+1} -> level t."""
    z, log_q = [x], []
    for q_t, eps_t in zip(q, eps, strict=True):
        mu, log_var = q_t(z[-1])
        z.append(reparameterise(mu, log_var, eps_t))
        log_q.append(gaussian_log_prob(z[-1], mu, log_var))
    top   = xp.zeros_like(z[-1])                                                # p(z_T) = N(0, I)
    above = [p_t(z_t) for p_t, z_t in zip(p, z[2:], strict=True)] + [(top, top)]
    log_p = [gaussian_log_prob(z_t, *level) for z_t, level in zip(z[1:], above)]
    return log_prob(x, *decode(z[1])), log_p, log_q


def markov_elbo(x, eps, q, p, decode, log_prob=gaussian_log_prob):
    """The mean over the batch of log p(x | z_1) + sum_t [log p(z_t | z_{t+1}) - log q(z_t | z_{t-1})], to be maximised.
                                                                                        [hierarchical.markov_trained]"""
    log_p_x, log_p, log_q = markov_terms(x, eps, q, p, decode, log_prob)
    return xp.mean(log_p_x + sum(log_p) - sum(log_q))
