"""What the players minimise.   Goodfellow et al. 2014   derivations: gan

    real, fake   logits of the discriminator, D = sigmoid(logit), at data and at samples    [N], [M]
"""
from backends import xp
from scratch.autodiff import softplus


def critic_loss(real, fake):
    """-mean log D(x) - mean log(1 - D(G(z))), in nats.                                       [gan.trained]"""
    return xp.mean(softplus(-real)) + xp.mean(softplus(fake))


#                      the generator minimises, of the logits at its samples, in nats
GENERATOR_LOSSES = {
    "saturating":      lambda fake: -xp.mean(softplus(fake)),      # mean log(1 - D(G(z)))   [gan.saturating_called]
    "nonsaturating":   lambda fake: xp.mean(softplus(-fake)),      # -mean log D(G(z))       [gan.nonsaturating_called]
}
