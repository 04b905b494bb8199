"""Denoising diffusion.   Ho et al. 2020   derivations: diffusion

    x0, xt      data; data at step t                                             [B, ...]
    t           a step, 1 .. T: an integer, or one for each sample               [] or [B]
    eps         the noise that made xt of x0, xt = sqrt(abar) x0 + sqrt(1 - abar) eps
    eps_hat     the network's guess of it, eps_theta(xt, t)
    sigma2      variances of p_theta(x_{t-1} | x_t)                              [T]
    s           a Schedule: beta, alpha, abar, vbar = 1 - abar, float64          [T] each

    q(x_t | x_0)             = N(sqrt(abar_t) x_0, 1 - abar_t)
    p_theta(x_{t-1} | x_t)   = N((x_t - beta_t / sqrt(1 - abar_t) eps_theta(x_t, t)) / sqrt(alpha_t), sigma2_t)
    L                        = KL(q(x_T | x_0), N(0, I))
                               + sum_{t > 1} E_{q(x_t | x_0)} KL(q(x_{t-1} | x_t, x_0), p_theta(x_{t-1} | x_t))
                               - E_{q(x_1 | x_0)} log p_theta(x_0 | x_1)

Coefficients are made in float64 and used in the precision of x. A step outside 1 .. T raises ValueError; in an array on
a device, which only the device can read, its sample becomes NaN instead.
"""
import math

from backends import backend, xp
from scratch.data.checks import check_integer
from scratch.probability.divergences import exp_above_tangent


def at(a, t, x):
    """The coefficient a [T] at the steps t, in the precision of x and with as many dimensions.   [diffusion.undone]"""
    T = a.shape[0]
    if x.dtype.kind not in "fc":
        raise TypeError(f"x holds {x.dtype}; expected float32 or float64.")
    if getattr(t, "ndim", 0) == 0:
        return a[check_integer(t, "t", 1, T) - 1].astype(x.dtype)
    if t.dtype.kind not in "iu":
        raise TypeError(f"t holds {t.dtype}; expected integers from 1 to {T}.")
    if t.shape != x.shape[:1]:
        raise ValueError(f"t has shape {t.shape}; expected {x.shape[:1]}, a step for each sample of x.")
    if backend().name == "numpy" and xp.any((t < 1) | (t > T)):
        raise ValueError(f"t={t.tolist()} has steps out of range; expected integers from 1 to {T}.")
    a_t = xp.where((t < 1) | (t > T), math.nan, a[xp.clip(t, 1, T) - 1]).astype(x.dtype)
    return xp.reshape(a_t, t.shape + (1,) * (x.ndim - 1))


def per_sample(v):
    """The sum over everything but the first axis [B].                                             [diffusion.terms]"""
    return xp.sum(v, axis=tuple(range(1, v.ndim)))


# ---- forwards --------------------------------------------------------------------------------------------------------
def q_sample(x0, t, eps, s):
    """x_t of x_0 and the noise.                                                                 [diffusion.sampled]"""
    return at(xp.sqrt(s.abar), t, x0) * x0 + at(xp.sqrt(s.vbar), t, x0) * eps


def x0_from_eps(xt, t, eps, s):
    """x_0 of x_t and the noise.                                                                  [diffusion.undone]"""
    return (xt - at(xp.sqrt(s.vbar), t, xt) * eps) / at(xp.sqrt(s.abar), t, xt)


def q_posterior(x0, xt, t, s):
    """Mean [B, ...] and variance [] or [B, 1, ...] of q(x_{t-1} | x_t, x_0); x_0 and exactly 0 at t = 1.

    [diffusion.called]
    """
    of_x0 = at(xp.sqrt(s.abar_1) * s.beta / s.vbar, t, xt)
    of_xt = at(xp.sqrt(s.alpha) * s.vbar_1 / s.vbar, t, xt)
    return of_x0 * x0 + of_xt * xt, at(VARIANCES["posterior"](s), t, xt)


# ---- backwards -------------------------------------------------------------------------------------------------------
#   sigma2          of the schedule                                    exact for      [diffusion.variances_called]
VARIANCES = {
    "beta":         lambda s: s.beta,                                # data that are N(0, I)
    "posterior":    lambda s: s.vbar_1 / s.vbar * s.beta,            # data in one point
}


def mean_from_eps(xt, t, eps_hat, s):
    """The mean of p_theta(x_{t-1} | x_t).                                                   [diffusion.mean_called]"""
    return at(1 / xp.sqrt(s.alpha), t, xt) * (xt - at(s.beta / xp.sqrt(s.vbar), t, xt) * eps_hat)


def step(xt, t, eps_hat, z, sigma2, s):
    """x_{t-1} of x_t and fresh noise z; at t = 1 without noise.                             [diffusion.step_called]"""
    sigma = (xp.arange(sigma2.shape[0]) > 0) * xp.sqrt(sigma2)
    return mean_from_eps(xt, t, eps_hat, s) + at(sigma, t, xt) * z


def sample(eps_theta, x, z, sigma2, s):
    """Algorithm 2: x_0 of x = x_T, with noise z(t) at the steps t = T .. 1.                   [diffusion.algorithm]"""
    for t in range(sigma2.shape[0], 0, -1):
        x = step(x, t, eps_theta(x, t), z(t), sigma2, s)
    return x


def guided(eps_y, eps, w):
    """Guidance without a classifier: away from eps if w > 0; w = 0 is eps_y, w = -1 is eps.  [diffusion.free_called]"""
    return (1 + w) * eps_y - w * eps


# ---- what is minimised -----------------------------------------------------------------------------------------------
def simple_loss(eps_theta, x0, t, eps, s):
    """L_simple: the batch's mean of |eps - eps_theta(x_t, t)|^2, a sum over pixels.        [diffusion.simple_called]"""
    xt = q_sample(x0, t, eps, s)
    return xp.mean(per_sample((eps - eps_theta(xt, t))**2))


def weights(sigma2, s):
    """lambda_t, what the bound weighs step t with where L_simple has 1 [T].              [diffusion.weights_called]"""
    return s.beta**2 / (2 * sigma2 * s.alpha * s.vbar)


def prior_kl(x0, s):
    """L_T = KL(q(x_T | x_0), N(0, I)) in nats [B].                                         [diffusion.prior_called]"""
    T      = s.beta.shape[0]
    spread = exp_above_tangent(xp.log(s.vbar))
    return per_sample(at(s.abar, T, x0) * x0**2 + at(spread, T, x0)) / 2


def step_loss(eps_theta, x0, t, eps, sigma2, s):
    """L_{t-1} in nats [B], one step t for the whole batch: KL(q(x_{t-1} | x_t, x_0), p_theta(x_{t-1} | x_t)), at t = 1
    -log p_theta(x_0 | x_1), which wants sigma2 > 0; at the x_t that eps makes, where L has the mean over eps: summed
    over t, with `prior_kl`, it estimates L without bias.                                          [diffusion.terms]"""
    xt     = q_sample(x0, t, eps, s)
    mu_hat = mean_from_eps(xt, t, eps_theta(xt, t), s)
    mu, v  = q_posterior(x0, xt, t, s)
    s2     = at(sigma2, t, x0)
    spread = xp.log(2 * math.pi * s2) if t == 1 else exp_above_tangent(xp.log(v / s2))
    return per_sample((mu - mu_hat)**2 / s2 + spread) / 2
