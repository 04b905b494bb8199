"""Sampling in fewer steps, with less noise or none.   Song et al. 2021   derivations: diffusion

    t, r        steps, from t to an earlier r: 1 .. T and 0 .. t - 1, where step 0 is the data, abar_0 = 1
    eta         0: no noise; 1 on consecutive steps: Algorithm 2 with the posterior's variance
    steps       the steps that are taken, decreasing; the last one ends at the data
    xt, eps_hat, z, s                                                            as in scratch/diffusion/ddpm.py

    x_r         = sqrt(abar_r) x_0_hat + sqrt(1 - abar_r - sigma^2) eps_hat + sigma z
    x_0_hat     = (x_t - sqrt(1 - abar_t) eps_hat) / sqrt(abar_t)
    sigma^2     = eta^2 (1 - abar_r) / (1 - abar_t) (1 - abar_t / abar_r)
"""
from backends import xp
from scratch.data.checks import check_integer


def spaced(T, n):
    """n of the steps 1 .. T, from T down, as evenly apart as whole numbers can be.               [diffusion.strided]"""
    n = check_integer(n, "n", 1, T)
    return [T - i * T // n for i in range(n)]


def coefficients(t, r, eta, s):
    """(a, c, sigma) of x_r = a x_t + c eps_hat + sigma z, in float64.                       [diffusion.ddim_called]"""
    t = check_integer(t, "t", 1, s.beta.shape[0])
    r = check_integer(r, "r", 0, t - 1)
    if not 0 <= eta <= 1:
        raise ValueError(f"eta={eta} is out of range; expected a number from 0, no noise, to 1, the chain's.")
    log_kept = xp.sum(xp.log1p(-s.beta[r:t]))                                           # log(abar_t / abar_r)
    vbar_t   = s.vbar[t - 1]
    vbar_r   = s.vbar[r - 1] if r else 0 * vbar_t
    sigma2   = -eta**2 * vbar_r / vbar_t * xp.expm1(log_kept)
    rest     = vbar_r * (1 - eta**2 + eta**2 * xp.exp(log_kept) * vbar_r / vbar_t)      # vbar_r - sigma^2, never < 0
    a        = xp.exp(-log_kept / 2)
    return a, xp.sqrt(rest) - a * xp.sqrt(vbar_t), xp.sqrt(sigma2)


def ddim_step(xt, t, r, eps_hat, z, eta, s):
    """x_r of x_t and fresh noise z; t and r are integers.                                   [diffusion.ddim_called]"""
    a, c, sigma = [v.astype(xt.dtype) for v in coefficients(t, r, eta, s)]
    return a * xt + c * eps_hat + sigma * z


def ddim_sample(eps_theta, x, z, steps, eta, s):
    """x_0 of x at the first of the steps, with noise z(t) at each.                       [diffusion.ddim_algorithm]"""
    for t, r in zip(steps, [*steps[1:], 0]):
        x = ddim_step(x, t, r, eps_theta(x, t), z(t), eta, s)
    return x


def ddim_encode(eps_theta, x, steps, s):
    """x at the first of the steps of x_0: `ddim_sample` with eta = 0 from its end to its start, where the network is
    asked at the x before, so that it comes back but for the order of a step.               [diffusion.ddim_encoded]"""
    for r, t in zip([0, *steps[:0:-1]], steps[::-1]):
        a, c, _ = [v.astype(x.dtype) for v in coefficients(t, r, 0, s)]
        x = (x - c * eps_theta(x, t)) / a
    return x
