"""The game: a generator against a discriminator."""
from scratch.gans.objectives import GENERATOR_LOSSES, critic_loss
