"""Vector quantisation: a code of whole numbers.   van den Oord, Vinyals and Kavukcuoglu 2017; Razavi et al. 2019
derivations: codes

    x          data                                                                    [B, ...]
    e          the codebook: K codes of D numbers                                      [K, D]
    z_e        what the encoder says at each position                                  [..., D]; in `terms` [B, n, D]
    k          which code is nearest to it: q(k | x) is 1 there                        [...]
    e_k        that code; z_q the same in value, in derivative z_e                     [..., D]
    N, m       moving averages of how often each code is nearest, and of the sum of
               what it is nearest to                                                   [K], [K, D]

    L          = -log p(x | z_q) + |sg[z_e] - e_k|^2 + beta |z_e - sg[e_k]|^2,   sg: whose derivative is 0
    log p(x)  >= log p(x | z_q) + log p(k)                                             in nats
"""
from backends import xp
from scratch.autodiff import stop_gradient, straight_through, xlogy
from scratch.data.levels import one_hot
from scratch.mixtures import em
from scratch.probability.distributions import gaussian_log_prob, per_example


# ---- the code --------------------------------------------------------------------------------------------------------
def assign(z_e, e):
    """The nearest code k [...], to rounding the first where several are.                      [codes.nearest_called]"""
    z_e, e = stop_gradient(z_e), stop_gradient(e)
    return xp.reshape(em.assign(xp.reshape(z_e, (-1, z_e.shape[-1])), e), z_e.shape[:-1])


def codebook_loss(z_e, e_k):
    """|sg[z_e] - e_k|^2 of each example [B]: what moves the codes.                           [codes.codebook_called]"""
    return per_example((stop_gradient(z_e) - e_k)**2)


def commitment_loss(z_e, e_k):
    """|z_e - sg[e_k]|^2 of each example [B], without its beta: what holds the encoder.     [codes.commitment_called]"""
    return per_example((z_e - stop_gradient(e_k))**2)


def terms(x, encode, decode, e, log_prob=gaussian_log_prob):
    """log p(x | z_q), the loss of the codebook and that of the commitment [B] each; z_e [B, n, D] and k [B, n]. Both
    losses are of e_k, before z_q takes its place.                                               [codes.terms_called]"""
    z_e = encode(x)                                                             # [B, n, D]
    k   = assign(z_e, e)                                                        # [B, n]
    e_k = e[k]                                                                  # [B, n, D]
    z_q = straight_through(e_k, z_e)                                            # [B, n, D]
    return log_prob(x, *decode(z_q)), codebook_loss(z_e, e_k), commitment_loss(z_e, e_k), z_e, k


# ---- the codebook without a gradient ---------------------------------------------------------------------------------
def moving_average(N, m, z_e, k, gamma):
    """gamma N + (1 - gamma) n_k and gamma m + (1 - gamma) sum z_e, over the n_k positions whose code is k.
                                                                                               [codes.average_called]"""
    z = xp.reshape(z_e, (-1, z_e.shape[-1]))                                    # [B n, D]
    r = one_hot(xp.reshape(k, (-1,)), N.shape[0]).astype(z.dtype)               # [B n, K]
    return gamma * N + (1 - gamma) * xp.sum(r, axis=0), gamma * m + (1 - gamma) * (r.T @ z)


def shares(N, smoothing):
    """(N_k + s) / (sum N + K s) [..., K], of sum 1; above 0 where s is.   Laplace              [codes.shares_called]"""
    return (N + smoothing) / (xp.sum(N, axis=-1, keepdims=True) + N.shape[-1] * smoothing)


def codes(N, m, e, smoothing):
    """The codebook m_k / N_k [K, D], with N_k smoothed, of the same sum; a code whose N_k is 0 stays at e.
                                                                                                 [codes.codes_called]"""
    N_s = xp.sum(N) * shares(N, smoothing)                                      # [K]
    return xp.where((N > 0)[:, None], m / em.or_inf(N_s)[:, None], e)


# ---- how well it is used ---------------------------------------------------------------------------------------------
def perplexity(p):
    """exp H of shares p [..., K]: from 1, one code alone, to K, all alike.                 [codes.perplexity_called]"""
    return xp.exp(-xp.sum(xlogy(p, p), axis=-1))


def revived(e, usage, z, least):
    """The codes e [K, D], but for those whose usage [K] is below `least` the encodings z [K, D].
                                                                                               [codes.revived_called]"""
    return xp.where((usage < least)[:, None], z, e)


def log_prior(k, log_p):
    """log p(k) in nats [...] of codes k [..., n], each position by itself with log_p [n, K].    [codes.prior_called]"""
    return xp.sum(log_p[xp.arange(log_p.shape[0]), k], axis=-1)
