"""Change of variables.   Rezende and Mohamed 2015; Dinh et al. 2015, 2017 (coupling); Kingma et al. 2016 and
Papamakarios et al. 2017 (autoregressive); Kingma and Dhariwal 2018 (LU); Papamakarios et al. 2021   derivations: flows

    z        a point of the base, where the density is known        [..., D]
    y        g(z), a point of the data; f is the inverse of g       [..., D]
    log_det  log |det| of a map's Jacobian, in nats                 [...]
    net      x -> s, t of a coupling; mu, alpha of an autoregressive map, of which number d sees x_1, ..., x_{d - 1}

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
    return x @ L.T + b, _log_det(L)


def triangular_inverse(y, L, b, lower=True):
    """The x that `triangular` sends to y, and -log |det L| [], for L lower triangular, or upper.
                                                                                       [flows.triangular_back_called]"""
    columns = xp.reshape(y - b, (-1, y.shape[-1])).T                                        # [D, N]
    x       = xp.linalg.solve_triangular(L, columns, lower=lower).T
    return xp.reshape(x, y.shape), -_log_det(L)


def _log_det(L):
    return xp.sum(xp.log(xp.abs(xp.diagonal(L, axis1=-1, axis2=-2))))


def lu(x, L, U, b):
    """L U x + b for L lower and U upper triangular, and log |det L U| [] in 2 D steps.             [flows.lu_called]"""
    return compose(x, [lambda x: triangular(x, U, 0), lambda x: triangular(x, L, b)])


def lu_inverse(y, L, U, b):
    """The x that `lu` sends to y, and -log |det L U| [].                                      [flows.lu_back_called]"""
    return compose(y, [lambda y: triangular_inverse(y, L, b), lambda y: triangular_inverse(y, U, 0, lower=False)])


def householder(x, V):
    """x in the mirrors v = V[0], V[1], ..., one after the other, x - 2 v (v.x) / (v.v), and log |det| = 0. Its inverse
    is householder(y, V[::-1]).                                                            [flows.householder_called]"""
    for i in range(len(V)):
        x = x - (2 * (x @ V[i]) / (V[i] @ V[i]))[..., None] * V[i]
    return x, 0.0


def coupling(x, mask, net):
    """m x + (1 - m)(x e^s + t) with s, t = net(m x), and its log_det, the sum of (1 - m) s, [...]; mask: m as booleans
    [D]; the net sees what stays.                                                             [flows.coupling_called]"""
    s, t = (xp.where(mask, 0, h) for h in net(xp.where(mask, x, 0)))
    return x * xp.exp(s) + t, xp.sum(s, axis=-1)


def coupling_inverse(y, mask, net):
    """The x that `coupling` sends to y, and its log_det [...].                          [flows.coupling_back_called]"""
    s, t = (xp.where(mask, 0, h) for h in net(xp.where(mask, y, 0)))
    return (y - t) * xp.exp(-s), -xp.sum(s, axis=-1)


def autoregressive(x, net):
    """z = (x - mu) e^-alpha, with mu, alpha = net(x) of which number d depends on those before d alone, and log_det,
    the sum of -alpha, [...]: one call of the net.                                      [flows.autoregressive_called]"""
    mu, alpha = net(x)
    return (x - mu) * xp.exp(-alpha), -xp.sum(alpha, axis=-1)


def autoregressive_inverse(z, net, order=None):
    """The x that `autoregressive` sends to z, x = z e^alpha + mu, a number and a call of the net at a time, in this
    order (0 .. D - 1 unless told), and its log_det [...].                         [flows.autoregressive_back_called]"""
    x, D = xp.zeros_like(z), z.shape[-1]
    for d in order or range(D):
        mu, alpha = net(x)                                                                  # the last sees all it needs
        x = xp.where(xp.arange(D) == d, z * xp.exp(alpha) + mu, x)
    return x, xp.sum(alpha, axis=-1)


def planar(x, u, w, b):
    """x + u tanh(w.x + b) and its log_det [...]; for w.u > -1, elsewhere NaN may come.         [flows.planar_called]"""
    h = xp.tanh(x @ w + b)                                                                  # [...]
    return x + u * h[..., None], xp.log1p((1 - h * h) * (u @ w))


def invertible(u, w):
    """u with as much of w added as makes w.u = softplus(w.u) - 1, which is above -1.       [flows.invertible_called]"""
    a = w @ u
    return u + (softplus(a) - 1 - a) * w / (w @ w)
