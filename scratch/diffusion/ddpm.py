"""Denoising diffusion.   Ho et al. 2020, Nichol and Dhariwal 2021, Salimans and Ho 2022   derivations: diffusion

    x0, xt      data; data at step t                                             [B, ...]
    t           a step, 1 .. T: an integer, or one for each sample               [] or [B]
    eps         the noise that made xt of x0, xt = sqrt(abar) x0 + sqrt(1 - abar) eps
    eps_hat     the network's guess of it, eps_theta(xt, t)
    sigma2      variance of p_theta(x_{t-1} | x_t)                               [] or [B, ...]; of all [T]
    p_theta     a step back: p_theta(xt, t) -> eps_hat, sigma2, of `fixed` or `learned` variances
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
from typing import Callable, NamedTuple

from backends import backend, xp
from scratch.autodiff import stop_gradient
from scratch.data.checks import check_integer
from scratch.probability.distributions import gaussian_log_prob, normal_level_log_prob, per_example
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


# ---- what the network says -------------------------------------------------------------------------------------------
class Prediction(NamedTuple):
    """What a network is to say of x_t: target(x0, eps, t, s), and the noise that follows: eps_hat(xt, t, said, s)."""
    target:  Callable
    eps_hat: Callable


def noise_of_x0(xt, t, x0_hat, s):
    """The noise of x_t and x_0.                                                              [diffusion.said_called]"""
    return (xt - at(xp.sqrt(s.abar), t, xt) * x0_hat) / at(xp.sqrt(s.vbar), t, xt)


def velocity(x0, eps, t, s):
    """v = sqrt(abar) eps - sqrt(1 - abar) x_0.                                               [diffusion.says_called]"""
    return at(xp.sqrt(s.abar), t, x0) * eps - at(xp.sqrt(s.vbar), t, x0) * x0


def noise_of_velocity(xt, t, v_hat, s):
    """The noise of x_t and v.                                                                [diffusion.said_called]"""
    return at(xp.sqrt(s.vbar), t, xt) * xt + at(xp.sqrt(s.abar), t, xt) * v_hat


#                       what it is to say                  the noise that follows             [diffusion.said_called]
PREDICTIONS = {
    "eps":  Prediction(lambda x0, eps, t, s: eps,        lambda xt, t, said, s: said),
    "x0":   Prediction(lambda x0, eps, t, s: x0,         noise_of_x0),
    "v":    Prediction(velocity,                         noise_of_velocity),
}


# ---- backwards -------------------------------------------------------------------------------------------------------
def clipped(s):
    """The posterior's variance, with that of t = 2 at t = 1; beta_1 if T = 1 [T].       [diffusion.variances_called]"""
    later = (s.vbar_1 / s.vbar * s.beta)[1:]
    return xp.concatenate([xp.concatenate([later, s.beta])[:1], later])


#   sigma2 [T]      of the schedule                                    exact for      [diffusion.variances_called]
VARIANCES = {
    "beta":         lambda s: s.beta,                                # data that are N(0, I)
    "posterior":    lambda s: s.vbar_1 / s.vbar * s.beta,            # data in one point
    "clipped":      clipped,                                         # the same, and never 0: for the bound
}


def learned_variance(v, t, s):
    """Between the posterior's, at v = 0, and beta, at v = 1, on the scale of logarithms.  [diffusion.learned_called]"""
    return xp.exp(v * at(xp.log(s.beta), t, v) + (1 - v) * at(xp.log(clipped(s)), t, v))


def fixed(eps_theta, sigma2):
    """The step back of a network that says the noise, with variances sigma2 [T].                   [diffusion.terms]"""
    return lambda xt, t: (eps_theta(xt, t), at(sigma2, t, xt))


def learned(eps_v_theta, s):
    """The step back of a network that says the noise and v.                                [diffusion.hybrid_called]"""
    def p_theta(xt, t):
        eps_hat, v = eps_v_theta(xt, t)
        return eps_hat, learned_variance(v, t, s)
    return p_theta


def mean_from_eps(xt, t, eps_hat, s):
    """The mean of p_theta(x_{t-1} | x_t).                                                   [diffusion.mean_called]"""
    return at(1 / xp.sqrt(s.alpha), t, xt) * (xt - at(s.beta / xp.sqrt(s.vbar), t, xt) * eps_hat)


def step(xt, t, eps_hat, z, sigma2, s):
    """x_{t-1} of x_t and fresh noise z; at t = 1 without noise.                             [diffusion.step_called]"""
    noisy = at(1.0 * (xp.arange(s.beta.shape[0]) > 0), t, xt)
    return mean_from_eps(xt, t, eps_hat, s) + noisy * xp.sqrt(sigma2) * z


def sample(p_theta, x, z, s):
    """Algorithm 2: x_0 of x = x_T, with noise z(t) at the steps t = T .. 1.                   [diffusion.algorithm]"""
    for t in range(s.beta.shape[0], 0, -1):
        eps_hat, sigma2 = p_theta(x, t)
        x = step(x, t, eps_hat, z(t), sigma2, s)
    return x


def guided(eps_y, eps, w):
    """Guidance without a classifier: away from eps if w > 0; w = 0 is eps_y, w = -1 is eps.  [diffusion.free_called]"""
    return (1 + w) * eps_y - w * eps


# ---- what is minimised -----------------------------------------------------------------------------------------------
def simple_loss(eps_theta, x0, t, eps, s):
    """L_simple: the batch's mean of |eps - eps_theta(x_t, t)|^2, a sum over pixels.        [diffusion.simple_called]"""
    xt = q_sample(x0, t, eps, s)
    return xp.mean(per_example((eps - eps_theta(xt, t))**2))


def weights(sigma2, s):
    """lambda_t of sigma2 [T], what the bound weighs step t with where L_simple has 1 [T]. [diffusion.weights_called]"""
    return s.beta**2 / (2 * sigma2 * s.alpha * s.vbar)


def prior_kl(x0, s):
    """L_T = KL(q(x_T | x_0), N(0, I)) in nats [B].                                         [diffusion.prior_called]"""
    T      = s.beta.shape[0]
    spread = exp_above_tangent(xp.log(s.vbar))
    return per_example(at(s.abar, T, x0) * x0**2 + at(spread, T, x0)) / 2


def step_kl(x0, xt, t, eps_hat, sigma2, s):
    """KL(q(x_{t-1} | x_t, x_0), p_theta(x_{t-1} | x_t)) in nats [B], for t > 1.                    [diffusion.terms]"""
    mu, _ = q_posterior(x0, xt, t, s)
    v     = at(clipped(s), t, xt)                                       # that of q where t > 1, and never 0
    return per_example((mu - mean_from_eps(xt, t, eps_hat, s))**2 / sigma2 + exp_above_tangent(xp.log(v / sigma2))) / 2


def reconstruction(x0, x1, eps_hat, sigma2, s, levels=None):
    """-log p_theta(x_0 | x_1) in nats [B], for sigma2 > 0: of a density, or of x_0 in so many whole levels of [-1, 1],
    where the normal law's mass in a level's bin is its probability.                         [diffusion.terms_levels]"""
    mu, log_var = mean_from_eps(x1, 1, eps_hat, s), xp.log(sigma2)
    if levels is None:
        return -gaussian_log_prob(x0, mu, log_var)
    k = xp.round((x0 + 1) / 2 * (levels - 1))
    return -normal_level_log_prob(k, (mu + 1) / 2, log_var - math.log(4), levels)


def step_loss(p_theta, x0, t, eps, s, levels=None):
    """L_{t-1} in nats [B], one step t for the whole batch, at the x_t that eps makes: `step_kl`, and `reconstruction`
    at t = 1. L has the mean over eps: `bound` estimates it without bias.                           [diffusion.terms]"""
    xt = q_sample(x0, t, eps, s)
    return reconstruction(x0, xt, *p_theta(xt, t), s, levels) if t == 1 else step_kl(x0, xt, t, *p_theta(xt, t), s)


def bound(p_theta, x0, eps, s, levels=None, stand=None):
    """L in nats [B]: all T steps, with noise eps(t), and L_T. Never below -log p_theta(x_0), on the mean over eps. With
    `stand` these steps t, each for so many: {t: how many}; of random steps it is L on the mean.   [diffusion.terms]"""
    stand = stand or dict.fromkeys(range(1, s.beta.shape[0] + 1), 1)
    return prior_kl(x0, s) + sum(many * step_loss(p_theta, x0, t, eps(t), s, levels) for t, many in stand.items())


def hybrid_loss(p_theta, x0, t, eps, lam, s, levels=None):
    """L_simple + lam L_vlb, a mean over the batch: the noise is learned by the first alone, variances by the second,
    of which T L_{t-1} at a random step is an estimate, but for L_T.                        [diffusion.hybrid_called]"""
    T  = s.beta.shape[0]
    xt = q_sample(x0, t, eps, s)
    eps_hat, sigma2 = p_theta(xt, t)
    held  = stop_gradient(eps_hat)
    L_vlb = xp.where(t == 1, reconstruction(x0, xt, held, sigma2, s, levels), step_kl(x0, xt, t, held, sigma2, s))
    return xp.mean(per_example((eps - eps_hat)**2) + lam * T * L_vlb)
