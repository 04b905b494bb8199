"""Score matching, and sampling by scores.   Hyvarinen 2005; Vincent 2011 (denoising); Song, Garg, Shi and Ermon 2019
(sliced); Song and Ermon 2019, 2020 (noise levels)   derivations: scores

    x          data, or a point of the chain                                     [B, D]
    s          score of a model, grad log p(x) of each row by itself: x -> [B, D]; of noise levels s(x, sigma)
    eps, v     normals; directions with E[v v'] = I                              [B, D]
    sigma      deviation of the noise                                            [] or [B, 1]; all levels [L], float64
    alpha      2 h of the Langevin step x + h s(x) + sqrt(2 h) xi

Each loss is of each example [B], in the papers' units: half a square. What they differ by has no parameter of s:

    E 1/2 |s(x) - grad log p(x)|^2    =  E [tr ds/dx + 1/2 |s(x)|^2]  +  c                 x from p
    E 1/2 |s(x + sigma eps) + eps / sigma|^2                             the same of p * N(0, sigma^2 I), with another c
"""
import math

from backends import xp
from scratch.autodiff import vjp
from scratch.data.checks import check_integer
from scratch.energies.langevin import ula_step
from scratch.probability.distributions import per_example


# ---- what is minimised -----------------------------------------------------------------------------------------------
def explicit(s, x, true):
    """1/2 |s(x) - true(x)|^2 [B]; for x from p and its score, on the mean, the Fisher divergence of the two.
                                                                                           [scores.explicit_called]"""
    return per_example((s(x) - true(x))**2) / 2


def implicit(s, x):
    """tr ds/dx + 1/2 |s|^2 [B]: no score of the data is needed. A pullback for each number of x.
                                                                                           [scores.implicit_called]"""
    y, pull = vjp(s, x)
    trace   = sum(pull(xp.zeros_like(y) + e)[:, j] for j, e in enumerate(xp.eye(x.shape[1], dtype=x.dtype)))
    return trace + per_example(y**2) / 2


def sliced(s, x, v):
    """v' (ds/dx) v + 1/2 (v' s)^2 [B]: on the mean over v the same, by one pullback.        [scores.sliced_called]"""
    y, pull = vjp(s, x)
    return per_example(pull(v) * v) + per_example(v * y)**2 / 2


def sliced_reduced(s, x, v):
    """v' (ds/dx) v + 1/2 |s|^2 [B]: the same, and less noise.                              [scores.reduced_called]"""
    y, pull = vjp(s, x)
    return per_example(pull(v) * v) + per_example(y**2) / 2


def denoising(s, x, eps, sigma):
    """1/2 |s(x + sigma eps) + eps / sigma|^2 [B]: the least is the score of the noised data. [scores.denoising_called]
    """
    return per_example((s(x + sigma * eps) + eps / sigma)**2) / 2


#   of s at noise sigma, what each example loses: sigma^2 makes levels count alike        [scores.weighted_called]
OBJECTIVES = {
    "denoising":      lambda s, x, eps, sigma, v: denoising(s, x, eps, sigma),
    "sliced":         lambda s, x, eps, sigma, v: sliced(s, x + sigma * eps, v),
    "sliced-reduced": lambda s, x, eps, sigma, v: sliced_reduced(s, x + sigma * eps, v),
    "implicit":       lambda s, x, eps, sigma, v: implicit(s, x + sigma * eps),
}


def weighted(objective, s, x, eps, sigma, v):
    """sigma^2 times the objective at the noise levels sigma, of s(x, sigma), a mean over the batch.
                                                                                           [scores.weighted_called]"""
    of_each = OBJECTIVES[objective](lambda x: s(x, sigma), x, eps, sigma, v)
    return xp.mean(sigma**2 * of_each[:, None])


# ---- the same thing in other words -----------------------------------------------------------------------------------
def score_of_eps(eps_hat, sigma):
    """The score that goes with a guess of the noise.                                            [scores.eps_called]"""
    return -eps_hat / sigma


def eps_of_score(score, sigma):
    """The noise that goes with a score.                                                         [scores.eps_called]"""
    return -sigma * score


def tweedie(x_tilde, score, sigma):
    """E[x | x_tilde = x + sigma eps], of the score of the noised data.                      [scores.tweedie_called]"""
    return x_tilde + sigma**2 * score


# ---- noise levels, and the chain that goes down them -----------------------------------------------------------------
def levels(largest, smallest, L):
    """sigma_1 = largest > ... > sigma_L = smallest in equal ratios, float64 [L]. Raises ValueError where they are not
    so, and for fewer than two.                                                               [scores.levels_called]"""
    check_integer(L, "L", 2)
    if not 0 < smallest < largest < math.inf:
        raise ValueError(f"largest={largest} and smallest={smallest} are no noise levels; expected 0 < smallest < "
                         "largest.")
    u = xp.linspace(0, 1, L)
    return largest**(1 - u) * smallest**u


def annealed(s, x, xi, sigmas, eps, T):
    """x [B, D] after T Langevin steps at each level, from the first to the last, with noise xi(i, t), i = 1 .. L and
    t = 1 .. T, and steps alpha_i = eps sigma_i^2 / sigma_L^2.                              [scores.annealed_called]"""
    alphas = (eps * (sigmas / sigmas[-1])**2).astype(x.dtype)
    for i, (alpha, sigma) in enumerate(zip(alphas, sigmas.astype(x.dtype)), 1):
        for t in range(1, T + 1):
            x = ula_step(x, lambda x: s(x, sigma), alpha / 2, xi(i, t))
    return x
