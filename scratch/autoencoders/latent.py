"""Latent variables with finitely many values.   Jordan et al. 1999   derivations: elbo

    log_p_xz     log p(x, z), -inf where it cannot be       [..., Z]
    q            q(z | x)                                   [..., Z]
"""
from backends import xp


def elbo(log_p_xz, q):
    """E_q[log p(x, z) - log q(z | x)] in nats [...]; -inf where q has mass and p has none.       [elbo.called]"""
    some = q > 0
    return xp.sum(q * xp.where(some, log_p_xz - xp.log(xp.where(some, q, 1)), 0), axis=-1)
