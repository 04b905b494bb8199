"""Masked autoencoders of bits.   Germain et al. 2015   derivations: autoregressive

    x         bits                                                            [..., D]
    logits    of x_d given the x before it, in each of K orders               [K, ..., D]

    p(x) = 1/K sum_k prod_d p(x_d | those before x_d in order k)
"""
from backends import xp
from scratch.probability.distributions import log_bernoulli
from scratch.probability.estimators import log_mean_exp


def log_prob(x, logits):
    """log p(x) in nats [...], a law as each of the orders is one.                     [autoregressive.orders_called]"""
    return log_mean_exp(xp.sum(log_bernoulli(x, logits), axis=-1), axis=0)
