"""Autoencoders without a prior.   Hinton and Salakhutdinov 2006 (plain, stacked); Vincent et al. 2008 (denoising);
Lee et al. 2008 (sparse); Rifai et al. 2011 (contractive)   derivations: vae

    x          data                                          [B, ...]
    encode     x -> the code h                               [B, K]
    decode     h -> a guess of x                             [B, ...]

Every loss is a mean over the batch of what is summed over an example.
"""
from backends import xp
from scratch.autodiff import stop_gradient, vjp, xlogy
from scratch.probability.distributions import per_example


def squared_error(x, encode, decode):
    """|x - g(f(x))|^2.                                                                   [vae.squared_error_called]"""
    return xp.mean(per_example((x - decode(encode(x)))**2))


def denoising_error(x, noise, encode, decode):
    """|x - g(f(x + noise))|^2, noise like x: what was added has to be found.                 [vae.denoising_called]"""
    return xp.mean(per_example((x - decode(encode(x + noise)))**2))


def sparsity(h, rho):
    """sum_j KL(rho || the mean over the batch of h_j), in nats, of codes in (0, 1): each is to be on a share rho of the
    time.                                                                                      [vae.sparsity_called]"""
    on = xp.mean(h, axis=0)                                                     # [K]
    return xp.sum(xlogy(rho, rho / on) + xlogy(1 - rho, (1 - rho) / (1 - on)))


def contraction(x, encode):
    """|df/dx|^2, the sum of the squares of the Jacobian: how far the code moves when x does. A pullback for each number
    of the code; its own gradient is of second order.                                       [vae.contraction_called]"""
    h, pull = vjp(encode, x)
    slopes  = [pull(xp.zeros_like(h) + (xp.arange(h.shape[1]) == j).astype(h.dtype)) for j in range(h.shape[1])]
    return xp.mean(sum(per_example(slope**2) for slope in slopes))


def stacked_error(x, layers):
    """The sum over layers (encode, decode) of the squared error of each on the codes of the one below, which its error
    does not reach: each learns as if those below were done.                                   [vae.stacked_called]"""
    total = 0
    for encode, decode in layers:
        h = encode(x)
        total = total + xp.mean(per_example((x - decode(h))**2))
        x = stop_gradient(h)
    return total
