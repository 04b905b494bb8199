"""Variational autoencoders.   Kingma and Welling 2014; Burda et al. 2016 (importance weights); Higgins et al. 2017
(beta); Razavi et al. 2019 (delta)   derivations: vae

    x          data                                                                    [B, ...]
    eps        the normals that make z = mu + sigma eps                                [B, K]
    encode     x -> mu, log_var of q(z | x)                                            each [B, K]
    decode     z -> the parameters of p(x | z), a tuple: what log_prob takes after x
    log_prob   x and those parameters -> log p(x | z)                                  [B]
    flow       z -> another z, log |det| of that map                                   [B, K], [B]

    log p(x) >= E_q[log p(x | z)] - KL(q(z | x) || p(z)),   p(z) = N(0, I)             in nats
"""
import math

from backends import backend, xp
from scratch.autodiff import logsumexp, ndtr
from scratch.probability.distributions import gaussian_log_prob
from scratch.probability.divergences import kl_normal
from scratch.probability.estimators import log_mean_exp, reparameterise


# ---- the bound -------------------------------------------------------------------------------------------------------
def terms(x, eps, encode, decode, log_prob=gaussian_log_prob):
    """log p(x | z) at one z of q(z | x), and KL(q(z | x) || p(z)), of each example: [B] and [B].  [vae.terms_called]"""
    mu, log_var = encode(x)                                                     # [B, K]
    z = reparameterise(mu, log_var, eps)                                        # [B, K]
    return log_prob(x, *decode(z)), kl_normal(mu, log_var)


def flow_terms(x, eps, encode, flow, decode, log_prob=gaussian_log_prob):
    """The same where a flow z -> (z, log_det) comes after mu + sigma eps, so that log q(z | x) is less by log_det; the
    KL is drawn: log q(z | x) - log p(z) at this z.   Kingma et al. 2016                    [flows.flow_terms_called]"""
    mu, log_var = encode(x)                                                     # [B, K]
    z, log_det  = flow(reparameterise(mu, log_var, eps))                        # [B, K], [B]
    return log_prob(x, *decode(z)), xp.sum(z * z - eps * eps - log_var, axis=-1) / 2 - log_det


def elbo(x, eps, encode, decode, beta=1, log_prob=gaussian_log_prob):
    """The mean over the batch of log p(x | z) - beta KL(q(z | x) || p(z)), to be maximised.         [vae.trained]"""
    log_p, kl = terms(x, eps, encode, decode, log_prob)                         # [B]
    return xp.mean(log_p) - beta * xp.mean(kl)


def importance_terms(x, eps, encode, decode, log_prob=gaussian_log_prob):
    """log w = log p(x | z) p(z) / q(z | x) at K draws of each example, for eps [K, B, Z]: [K, B].
    Burda et al. 2016                                                                          [vae.weights_called]"""
    mu, log_var = encode(x)
    log_w = []
    for e in eps:
        z = reparameterise(mu, log_var, e)                                      # log p(z) - log q(z | x), without 2 pi
        log_w.append(log_prob(x, *decode(z)) + xp.sum(e * e + log_var - z * z, axis=-1) / 2)
    return xp.stack(log_w)


def importance_bound(x, eps, encode, decode, log_prob=gaussian_log_prob):
    """log 1/K sum_k w_k <= log p(x) in expectation, closer with every draw; K = 1 is the ELBO with the KL drawn [B].
                                                                                           [vae.importance_called]"""
    return log_mean_exp(importance_terms(x, eps, encode, decode, log_prob), axis=0)


def pairwise(log_prob):
    """x [B, ...] and parameters [n, ...] -> the log_prob of each x under each of them [B, n].  [vae.evidence_called]"""
    return lambda x, *p: xp.stack([log_prob(one, *p) for one in x[:, None]])


def log_evidence(x, decode, Z, n=257, log_probs=None):
    """log p(x) [B], a sum over n codes along each of Z axes: by the trapezoid rule, which for smooth functions is right
    to rounding once its step is finer than they bend. What the prior has beyond +-8.5, 1e-16, is left out.
                                                                                               [vae.evidence_called]"""
    t = xp.linspace(-8.5, 8.5, n)
    z = xp.stack([t[xp.arange(n**Z) // n**k % n] for k in range(Z)], axis=-1).astype(x.dtype)          # [n^Z, Z]
    log_w = Z * math.log(17 / (n - 1) / math.sqrt(2 * math.pi)) - xp.sum(z * z, axis=1) / 2            # [n^Z]
    return log_mixture(x, log_w, z, decode, log_probs or pairwise(gaussian_log_prob))


def log_mixture(x, log_w, z, decode, log_probs):
    """log sum_i w_i p(x | z_i) [B] over codes z [n, ...], in blocks of them.                  [vae.evidence_called]"""
    step, parts = max(1, 64 * backend().block // max(x.shape)), []
    for i in range(0, z.shape[0], step):
        parts.append(logsumexp(log_w[i:i + step] + log_probs(x, *decode(z[i:i + step])), axis=1))       # [B]
    return logsumexp(xp.stack(parts), axis=0)


def sample(z, eps, decode):
    """x of p(x | z) for z of the prior, with normals eps like x: no encoder.                        [vae.sampled]"""
    mu, log_var = decode(z)
    return reparameterise(mu, log_var, eps)


def latent_grid(n):
    """n x n codes whose images make a picture: normal quantiles of the midpoints of equal squares [n * n, 2].
                                                                                             [vae.latent_grid_called]"""
    u = (xp.arange(n) + 0.5) / n                                                # [n]
    z = 0 * u
    for _ in range(50):                                                         # Newton: from 0 it never oversteps
        z = z + (u - ndtr(z)) * math.sqrt(2 * math.pi) * xp.exp(z * z / 2)
    return xp.stack([xp.repeat(z, n), xp.tile(z, n)], axis=-1)


# ---- with a discriminator --------------------------------------------------------------------------------------------
def vae_gan(prior, feature, game, gamma=1):
    """What the encoder, the decoder and the discriminator minimise each, from L_prior, L_feat and L_GAN; in L_GAN the
    discriminator is the one that minimises.   Larsen et al. 2016                                [vae.players_called]"""
    return prior + feature, gamma * feature - game, game


# ---- a prior that q cannot reach -------------------------------------------------------------------------------------
def kl_ar1(mu, log_var, alpha):
    """KL of independent normals to the chain z_t = alpha z_{t-1} + sqrt(1 - alpha^2) e_t, z_1 = e_1: from [..., n] to
    [...]. By the chain rule a sum over t of KL(q(z_t) || p(z_t | z_{t-1})), a mean over z_{t-1}.    [vae.ar1_called]"""
    alpha = xp.asarray(alpha, dtype=mu.dtype)
    s2    = (1 - alpha) * (1 + alpha)
    first = kl_normal(mu[..., :1], log_var[..., :1])
    d     = mu[..., 1:] - alpha * mu[..., :-1]
    rest  = kl_normal(d / xp.sqrt(s2), log_var[..., 1:] - xp.log(s2))
    return first + rest + alpha**2 / s2 * xp.sum(xp.exp(log_var[..., :-1]), axis=-1) / 2


def delta_vae_min_kl(n, alpha):
    """The least that kl_ar1 can be, for n >= 2 and 0 <= alpha < 1: the rate that the code cannot fall below.
                                                                                                   [vae.floor_called]"""
    alpha = xp.asarray(alpha)
    s2    = (1 - alpha) * (1 + alpha)
    return ((n - 2) * xp.log1p(alpha**2) + xp.log1p(alpha**2 / s2)) / 2                      # 1 + alpha^2 / s2 = 1 / s2
