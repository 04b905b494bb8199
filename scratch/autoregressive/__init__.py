"""Autoregressive models."""
from scratch.autoregressive import chain, made, pixels
from scratch.autoregressive.models import FVBN, MADE, PixelCNN
from scratch.data.checks import door

log_prob, cpt_log_prob, logit_log_prob, logistic_log_prob, ancestral = map(door, (
    chain.log_prob, chain.cpt_log_prob, chain.logit_log_prob, chain.logistic_log_prob, chain.ancestral))
kernel_mask, rows_mask, unseen, orders_log_prob = map(door, (
    pixels.kernel_mask, pixels.rows_mask, pixels.unseen, made.log_prob))
