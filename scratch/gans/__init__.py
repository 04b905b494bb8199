"""The game: a generator against a discriminator."""
from scratch.data.checks import door
from scratch.gans import objectives

critic_loss      = door(objectives.critic_loss)
GENERATOR_LOSSES = {name: door(f) for name, f in objectives.GENERATOR_LOSSES.items()}
