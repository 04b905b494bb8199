"""Autoregressive models."""
from scratch.autoregressive import chain
from scratch.data.checks import door

log_prob, cpt_log_prob, logit_log_prob, logistic_log_prob = map(door, (
    chain.log_prob, chain.cpt_log_prob, chain.logit_log_prob, chain.logistic_log_prob))
