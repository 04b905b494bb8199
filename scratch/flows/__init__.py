"""Normalizing flows."""
from scratch.data.checks import door
from scratch.flows import change
from scratch.flows.bijections import Bijection, chained, inverted
from scratch.flows.models import FLOWS, Flow

log_prob, compose, linear, linear_inverse, triangular, triangular_inverse, lu, lu_inverse = map(door, (
    change.log_prob, change.compose, change.linear, change.linear_inverse, change.triangular, change.triangular_inverse,
    change.lu, change.lu_inverse))
householder, coupling, coupling_inverse, autoregressive, autoregressive_inverse, planar, invertible = map(door, (
    change.householder, change.coupling, change.coupling_inverse, change.autoregressive, change.autoregressive_inverse,
    change.planar, change.invertible))
