"""Langevin dynamics.   Rossky et al. 1978; Roberts and Tweedie 1996   derivations: energies

    x        a point                  [..., D]        h        step size
    score    s(x) = grad log p(x)     [..., D]        xi, u    normals [..., D], uniforms [...]
"""
from backends import xp


def ula_step(x, score, h, xi):
    """x + h s(x) + sqrt(2h) xi [..., D]: for small h it leaves p nearly as it is.            [energies.ula_called]"""
    return x + h * score(x) + (2 * h)**0.5 * xi


def log_acceptance(x, y, log_p, score, h):
    """log of p(y) q(x | y) / p(x) q(y | x) [...]: the step from x to y is taken with this chance, or with 1.
                                                                                         [energies.accepted_called]"""
    log_q = lambda y, x: -xp.sum((y - x - h * score(x))**2, axis=-1) / (4 * h)
    return log_p(y) + log_q(x, y) - log_p(x) - log_q(y, x)


def mala_step(x, log_p, score, h, xi, u):
    """The same step, taken or not, which leaves p as it is [..., D].                        [energies.mala_called]"""
    y = ula_step(x, score, h, xi)
    return xp.where((xp.log(u) < log_acceptance(x, y, log_p, score, h))[..., None], y, x)
