"""Autoregressive likelihoods.   Bengio and Bengio 2000; van den Oord et al. 2016   derivations: autoregressive

    x          one value a step, in the order in which they are drawn       [..., D]
    alpha_1    p(x_1 = 0), a table of one entry                             []
    alpha_0    biases of the logits of x_2 .. x_D                           [D - 1]
    alpha      their weights: row d - 2 of x_d, of which x_1 .. x_{d-1} count    [D - 1, D - 1]

    p(x) = p(x_1) p(x_2 | x_1) .. p(x_D | x_{<D})
"""
from backends import xp
from scratch.autodiff import log_sigmoid


def log_prob(x, log_conditional):
    """log p(x) in nats [...]: the sum over steps of log_conditional(x_d, x_{<d}).            [autoregressive.called]"""
    log_p = log_conditional(x[..., 0], x[..., :0])
    for d in range(1, x.shape[-1]):
        log_p = log_p + log_conditional(x[..., d], x[..., :d])
    return log_p


def cpt_log_prob(x, alpha_1):
    """log p(x) in nats [...] of binary x [...] where p(x = 0) = alpha_1.                 [autoregressive.cpt_called]"""
    zero = x == 0
    return xp.log(xp.where(zero, alpha_1, 1)) + xp.log1p(-xp.where(zero, 0, alpha_1))


def logit_log_prob(x, logit):
    """log p(x) in nats [...] of binary x [...] where p(x = 1) = sigmoid(logit).        [autoregressive.logit_called]"""
    return log_sigmoid(xp.where(x == 1, logit, -logit))


def logistic_log_prob(x, alpha_1, alpha_0, alpha):
    """log p(x) in nats [...] of binary x [..., D]: a table, then regressions.       [autoregressive.logistic_called]"""
    logit = logistic_logits(x, alpha_0, alpha)
    return cpt_log_prob(x[..., 0], alpha_1) + xp.sum(logit_log_prob(x[..., 1:], logit), axis=-1)


def logistic_logits(x, alpha_0, alpha):
    """Of x_2 .. x_D, each by those before it, [..., D - 1].                         [autoregressive.logistic_called]"""
    return alpha_0 + x[..., :-1].astype(alpha.dtype) @ xp.tril(alpha).T


def ancestral(stream, x, groups, conditional, draw):
    """x [..., D], its columns drawn group after group: x[..., group] = draw(stream, conditional(x, group), group), of
    an x in which what is not drawn yet is as it was given. One call of `conditional` a group, on the whole batch.
                                                                                    [autoregressive.ancestral_called]"""
    x = x.copy()
    for i, group in enumerate(groups):
        x[..., group] = draw(stream(i), conditional(x, group), group)
    return x
