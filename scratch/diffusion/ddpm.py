"""Denoising diffusion.   Ho et al. 2020   derivations: diffusion"""
from backends import xp


def q_posterior(x0, xt, t, beta):
    abar = xp.cumprod(1 - beta)
    prev = abar[t - 2] if t > 1 else 1.0
    b, a = beta[t - 1], abar[t - 1]
    return (xp.sqrt(prev) * b * x0 + xp.sqrt(1 - b) * (1 - prev) * xt) / (1 - a), (1 - prev) / (1 - a) * b
