"""Annealed importance sampling.   Neal 2001; Salakhutdinov and Murray 2008   derivations: energies

    x        states, of each chain one                                                          [chains, D]
    betas    the ladder: numbers from 0, a law with known Z that x is drawn from, to 1, the law that is wanted
    w        prod_t e^(E(x_t, beta_t) - E(x_t, beta_(t+1))), x_(t+1) from x_t by a step that leaves beta_(t+1)'s law as
             it is: E w = Z_1 / Z_0                                                             [chains]
"""
import itertools

from backends import xp
from scratch.autodiff import logsumexp


def ais(x, betas, energy, step):
    """log w in nats [chains]; energy(x, beta) -> E, step(t, x, beta) -> x.                   [energies.ais_called]"""
    log_w = 0.0
    for t, (before, beta) in enumerate(itertools.pairwise(betas)):
        log_w = log_w + energy(x, before) - energy(x, beta)
        x     = step(t, x, beta)
    return log_w


def log_mean_and_error(log_w):
    """log of the mean w [] and its standard error [], to first order, in nats, of at least two chains. The mean of w is
    right, and so its logarithm on the mean too low, by about half the error's square.       [energies.error_called]"""
    n     = log_w.shape[0]
    log_m = logsumexp(log_w, axis=0) - xp.log(xp.full((), n, dtype=log_w.dtype))
    return log_m, xp.std(xp.exp(log_w - log_m), ddof=1) / n**0.5
