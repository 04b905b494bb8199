"""What the players minimise.   Goodfellow et al. 2014, Mao et al. 2017, Arjovsky et al. 2017, Gulrajani et al. 2017,
Lim and Ye 2017   derivations: gan

    real, fake   what the critic says of data and of samples; logits where it is a discriminator, D = sigmoid(logit)
    p, q         the laws of data and of samples on X points, which a critic plays best with that output    [..., X]
"""
from typing import Callable, NamedTuple

from backends import xp
from scratch.autodiff import grad, softplus
from scratch.probability.distributions import per_example


class Objective(NamedTuple):
    """A row: critic(real [N], fake [M]) and generator(fake [M]) are to be minimised; best(p, q) is what the best critic
    says, NaN where that may be anything."""
    critic:    Callable
    generator: Callable
    best:      Callable


def cross_entropy(real, fake):
    """-mean log D(x) - mean log(1 - D(G(z))), in nats.                                       [gan.trained]"""
    return xp.mean(softplus(-real)) + xp.mean(softplus(fake))


def log_ratio(p, q):
    """log p/q, the logit of p / (p + q); NaN where both are 0.                               [gan.best_called]"""
    return xp.log(p) - xp.log(q)


def steepest(p, q):
    """On the points 0, 1, 2, ... of the line: one down from a point to the next where more of p than of q lies so far,
    one up where less does.                                                                   [gan.steepest_called]"""
    down = xp.sign(xp.cumsum(p - q, axis=-1))
    return down - xp.cumsum(down, axis=-1)


#                             the critic's loss, the generator's, and the best critic
OBJECTIVES = {
    "minimax":       Objective(cross_entropy,                               # the generator's is mean log(1 - D(G(z))),
                               lambda fake: -xp.mean(softplus(fake)), log_ratio),
    "nonsaturating": Objective(cross_entropy,                               # or -mean log D(G(z))
                               lambda fake: xp.mean(softplus(-fake)), log_ratio),
    "least-squares": Objective(lambda real, fake: (xp.mean((real - 1)**2) + xp.mean(fake**2)) / 2,
                               lambda fake: xp.mean((fake - 1)**2) / 2, lambda p, q: p / (p + q)),
    "wasserstein":   Objective(lambda real, fake: xp.mean(fake) - xp.mean(real),        # among slopes of 1 at most
                               lambda fake: -xp.mean(fake), steepest),
    "hinge":         Objective(lambda real, fake: xp.mean(xp.maximum(1 - real, 0)) + xp.mean(xp.maximum(1 + fake, 0)),
                               lambda fake: -xp.mean(fake), lambda p, q: xp.sign(p - q)),
}


def gradient_penalty(critic, real, fake, alpha):
    """mean (|d critic(x_hat) / d x_hat| - 1)^2, the norm over all axes of a sample.              [gan.penalty_called]

    alpha [N], one for each pair; critic(x) [N] or [N, 1] has to see every example by itself: no batch normalisation.
    Its own gradient is of second order; where the critic has no slope, and every way is one to go, it is 0.
    """
    x_hat  = (alpha * real.T + (1 - alpha) * fake.T).T                                              # like real
    square = per_example(grad(lambda x: xp.sum(critic(x)))(x_hat)**2)                               # [N]
    none   = square == 0                                                                # there a root has no slope
    return xp.mean((xp.sqrt(square + none) - none - 1)**2)
