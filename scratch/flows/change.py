"""Change of variables.   Rezende and Mohamed 2015; Papamakarios et al. 2021   derivations: flows

    z        a point of the base, where the density is known        [..., D]
    y        g(z), a point of the data; f is the inverse of g       [..., D]
    log_det  log |det| of a map's Jacobian, in nats                 [...]

    p_Y(y) = p_Z(f(y)) |det Df(y)|

A map takes a point and returns its image and log_det; of a bijection there are two, g and f.
"""
from backends import xp
from scratch.autodiff import logabsdet, softplus


def log_prob(y, inverse, log_base):
    """log p(y) in nats [...]; inverse: y -> (z, log |det Df(y)|); log_base: z -> log p(z).            [flows.called]"""
    z, log_det = inverse(y)
    return log_base(z) + log_det


def compose(x, maps):
    """The maps in this order: the last one's image, and the sum of the log_dets.                [flows.stack_called]"""
    log_det = 0.0
    for f in maps:
        x, one  = f(x)
        log_det = log_det + one
    return x, log_det


def linear(x, A, b):
    """A x + b, and log |det A| [].                                                             [flows.linear_called]"""
    return x @ A.T + b, logabsdet(A)


def linear_inverse(y, A, b):
    """The x that `linear` sends to y, and -log |det A| [].                                       [flows.back_called]"""
    return xp.linalg.solve(A, (y - b)[..., None])[..., 0], -logabsdet(A)


def triangular(x, L, b):
    """L x + b for triangular L, and log |det L| [] in D steps instead of D^3.              [flows.triangular_called]"""
    return x @ L.T + b, xp.sum(xp.log(xp.abs(xp.diagonal(L))))


def planar(x, u, w, b):
    """x + u tanh(w.x + b) and its log_det [...]; for w.u > -1, elsewhere NaN may come.         [flows.planar_called]"""
    h = xp.tanh(x @ w + b)                                                                  # [...]
    return x + u * h[..., None], xp.log1p((1 - h * h) * (u @ w))


def invertible(u, w):
    """u with as much of w added as makes w.u = softplus(w.u) - 1, which is above -1.       [flows.invertible_called]"""
    a = w @ u
    return u + (softplus(a) - 1 - a) * w / (w @ w)
