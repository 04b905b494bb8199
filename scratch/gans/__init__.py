"""The game: a generator against a discriminator."""
from scratch.data.checks import door
from scratch.gans import objectives
from scratch.gans.models import GAN
from scratch.gans.objectives import Objective

OBJECTIVES       = {name: Objective(*map(door, row)) for name, row in objectives.OBJECTIVES.items()}
gradient_penalty = door(objectives.gradient_penalty)
