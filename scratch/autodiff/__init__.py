"""A tiny reverse-mode autodiff, of any order, over the arrays of `backends.xp`."""
from scratch.autodiff import rules  # noqa: F401
from scratch.autodiff.rules.convolution import conv, conv_transpose, conv_weights
from scratch.autodiff.rules.indexing import scatter_add
from scratch.autodiff.rules.linalg import eigh, logabsdet
from scratch.autodiff.rules.special import (inverse_mills, log1mexp, log_ndtr, log_sigmoid, log_softmax, logsumexp,
                                            ndtr, sigmoid, softmax, softplus, xlogy)
from scratch.autodiff.tape import primitive, rule
from scratch.autodiff.transforms import (grad, hessian, hvp, jacobian, jvp, stop_gradient, straight_through,
                                         value_and_grad, vjp)
