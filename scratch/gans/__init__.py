"""The game: a generator against a discriminator."""
from scratch.gans.objectives import critic_loss
