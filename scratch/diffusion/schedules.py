"""How much noise each step adds.   Ho et al. 2020 (linear), Nichol and Dhariwal 2021 (cosine)   derivations: diffusion

    beta      variance of the noise that step t = 1 .. T adds, each in (0, 1)                       [T]
    alpha     1 - beta
    abar      prod_{s <= t} alpha_s: what is left of the data; abar_1 the same at t - 1, 1 at the first step
    vbar      1 - abar, the variance of q(x_t | x_0), without the cancellation; vbar_1 the same at t - 1, 0 at the first
"""
import math
from typing import Any, NamedTuple

from backends import to_host, xp


def linear(T, first, last):
    """From `first` at t = 1 to `last` at t = T in equal steps [T].                       [diffusion.linear_called]"""
    return xp.linspace(first, last, T)


def cosine(T, s=0.008, most=0.999):
    """abar_t = f(t) / f(0), f(t) = cos^2((t/T + s)/(1 + s) pi/2); beta <= `most` [T].      [diffusion.cosine_called]"""
    u    = (xp.arange(T + 1) / T + s) / (1 + s) * (math.pi / 2)
    step = math.pi / (2 * T * (1 + s))
    return xp.minimum(math.sin(step) * xp.sin(u[1:] + u[:-1]) / xp.cos(u[:-1])**2, most)


# Ho et al. give 1e-4 .. 0.02 for T = 1000; another T has steps so much larger or smaller that as much noise is added.
SCHEDULES = {
    "linear": lambda T: linear(T, 0.1 / T, min(20 / T, 0.999)),
    "cosine": cosine,
}


class Schedule(NamedTuple):
    """A schedule with all that follows from it, in float64, each [T]; index t - 1 is step t."""
    beta:   Any
    alpha:  Any
    abar:   Any
    abar_1: Any
    vbar:   Any
    vbar_1: Any


def schedule(beta):
    """The Schedule of variances beta [T].                                                [diffusion.schedule_called]

    1 - abar is -expm1(sum log1p(-beta)), exact to the last digits also where beta is 1e-17. Raises TypeError where beta
    holds no floats, ValueError where it is empty or not one row, where a beta is not inside (0, 1), and where so much
    noise is added that abar_T is 0: then x_T knows nothing of x_0 and no noise gives x_0 back.
    """
    beta = xp.asarray(beta)
    if beta.dtype.kind != "f":
        raise TypeError(f"beta holds {beta.dtype}; expected floats inside (0, 1), one for each step.")
    if beta.ndim != 1 or not beta.size:
        raise ValueError(f"beta has shape {beta.shape}; expected [T] with T at least 1.")
    if not xp.all((beta > 0) & (beta < 1)):
        i, b = next((i, b) for i, b in enumerate(to_host(beta).tolist()) if not 0 < b < 1)
        raise ValueError(f"beta[{i}]={b}; expected a number inside (0, 1), at every step.")
    beta      = beta.astype("float64")
    log_alpha = xp.log1p(-beta)
    log_abar  = xp.cumsum(log_alpha)
    log_abar  = log_abar + xp.cumsum(log_alpha - xp.diff(log_abar, prepend=0))      # what those additions rounded off
    abar      = xp.exp(log_abar)
    vbar      = -xp.expm1(log_abar)
    if not abar[-1] > 0:
        raise ValueError(f"beta leaves abar_T = 0 after T={beta.size} steps; expected less noise: the steps may have "
                         "at most about 700 = -log abar_T together.")
    one = xp.ones(1)
    return Schedule(beta, 1 - beta, abar, xp.concatenate([one, abar[:-1]]), vbar, xp.concatenate([0 * one, vbar[:-1]]))
