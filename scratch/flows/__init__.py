"""Normalizing flows."""
from scratch.data.checks import door
from scratch.flows import change

log_prob, compose, linear, linear_inverse, triangular, planar, invertible = map(door, (
    change.log_prob, change.compose, change.linear, change.linear_inverse, change.triangular, change.planar,
    change.invertible))
