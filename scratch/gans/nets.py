"""The two players as networks.   Radford et al. 2016 (convolutional), Mirza and Osindero 2014 (labels)

    x    examples of D numbers                                                                      [m, D]
    y    their labels, 1 at the class and 0 elsewhere, or None                                      [m, classes]
    z    codes                                                                                      [m, Z]

A player is a pair (init, apply): of the generator apply(params, z, y, moments=None) -> x, and of each of its batch
normalisations the moments used, those given or else the batch's own, and the number of positions that they are of; of
the critic apply(params, x, y) -> [m].
"""
import math

from backends import xp
from scratch.nets import ACTIVATIONS, mlp
from scratch.nets.convolution import conv
from scratch.nets.normalisation import batch_norm


def fully_connected(shape, latent, hidden, classes, activation="leaky", normalised=True):
    """Generator and critic of affine maps. Nothing in them is normalised."""
    D = math.prod(shape)
    g_init, generator = mlp((latent + classes, *hidden, D),  activation)
    c_init, critic    = mlp((D + classes, *hidden[::-1], 1), activation)

    def generate(params, z, y, moments=None):
        return generator(params, _beside(z, y))[0], []

    def judge(params, x, y):
        return critic(params, _beside(x, y))[0][:, 0]
    return (g_init, generate), (c_init, judge)


def convolutional(shape, latent, hidden, classes, activation="leaky", normalised=True):
    """Generator and critic by the guidelines of Radford et al.: strided convolutions in the critic and fractionally
    strided ones in the generator, no pooling, no layer fully connected; batch normalisation in both but for the output
    of the generator and the input of the critic (in which there is none unless `normalised`); ReLU in the generator,
    `activation` in the critic. Labels are channels beside z and x.

    Raises ValueError for examples that are no images, or that cannot be halved for each hidden layer.
    """
    halved = 2**len(hidden)
    if len(shape) not in (2, 3) or not hidden or shape[0] % halved or shape[1] % halved:
        raise ValueError(f"net='conv' was given examples of shape {tuple(shape)} and hidden={hidden}; expected images "
                         "(h, w) or (h, w, channels), whose h and w can be halved for each hidden layer, at least one: "
                         "choose other sizes, or net='mlp'.")
    h, w, C = (*shape, 1)[:3]
    S       = len(hidden)
    base    = h // halved, w // halved
    strides = [base] + [(2, 2)] * S                                             # of the generator: z is 1 x 1
    kernels = [base] + [(4, 4)] * S
    up      = latent + classes, *hidden, C                                      # channels
    down    = C + classes, *hidden[::-1], 1
    g_init, generator = stack([layer(k, n, m, s, "relu" if i < S else "linear", i < S, transposed=True)
                               for i, (k, n, m, s) in enumerate(zip(kernels, up, up[1:], strides))])
    c_init, critic    = stack([layer(k, n, m, s, activation if i < S else "linear", normalised and 0 < i < S)
                               for i, (k, n, m, s) in enumerate(zip(kernels[::-1], down, down[1:], strides[::-1]))])

    def generate(params, z, y, moments=None):
        x, moments = generator(params, _beside(z, y)[:, None, None], moments)
        return xp.reshape(x, (len(z), h * w * C)), moments

    def judge(params, x, y):
        planes = y if y is None else xp.broadcast_to(y[:, None, None], (len(y), h, w, classes))
        return xp.reshape(critic(params, _beside(xp.reshape(x, (len(x), h, w, C)), planes))[0], (-1,))
    return (g_init, generate), (c_init, judge)


NETS = {"mlp": fully_connected, "conv": convolutional}


def layer(kernel, n, m, stride, activation, normalised, transposed=False):
    """A convolution of n channels into m, its batch normalisation or None, and what follows."""
    act, gain = ACTIVATIONS[activation]
    return (conv(kernel, n, m, stride, gain=gain, bias=not normalised, transposed=transposed),
            batch_norm(m) if normalised else None, act)


def stack(layers):
    """(init, apply) of layers one after the other: apply(params, x, moments=None) -> y, and of each normalisation the
    moments used and the number of positions."""
    def init(stream):
        return [{"conv": conv_init(stream(i)("conv"))} | ({"norm": norm[0](stream(i)("norm"))} if norm else {})
                for i, ((conv_init, _), norm, _) in enumerate(layers)]

    def apply(params, x, moments=None):
        found = []
        for own, ((_, convolve), norm, act) in zip(params, layers):
            x = convolve(own["conv"], x)
            if norm:
                x, used = norm[1](own["norm"], x, moments and moments[len(found)])
                found.append((used, x.size // x.shape[-1]))
            x = act(x)
        return x, found
    return init, apply


def _beside(x, y):
    return x if y is None else xp.concatenate([x, y], axis=-1)
