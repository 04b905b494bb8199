"""Autoencoders whose code is whole numbers: nets wired to the mathematics of `vq`."""
import dataclasses
import functools
import math

from backends import xp
from backends.random import Stream
from scratch.autodiff import stop_gradient
from scratch.autoencoders import vae, vq
from scratch.autoencoders.likelihoods import Decoder
from scratch.data.checks import check_array
from scratch.data.levels import one_hot
from scratch.hyper import Choice, Count, Fraction, NonNegative, Positive, Sizes, Whole, hyper
from scratch.mixtures.em import log
from scratch.nets import ACTIVATIONS, conv, in_turn, mlp


# ---- networks --------------------------------------------------------------------------------------------------------
def convolution(act, *args, **how):
    """(init, apply) of a convolution after the activation."""
    init, apply = conv(*args, **how)
    return init, lambda params, x: apply(params, act(x))


def block(act, axes, M):
    """(init, apply): x, and what two convolutions make of it, which at the start is 0."""
    init, apply = in_turn([convolution(act, (3,) * axes, M, M), convolution(act, (1,) * axes, M, M, gain=0)])
    return init, lambda params, x: x + apply(params, x)


def convolutional(m, shape):
    """Encoder and decoder: convolutions that halve each side, residual blocks where it is coarse, and the same back; a
    position is a point there. Raises ValueError for sides that cannot be halved so often."""
    *sides, C = shape if len(shape) == 3 else (*shape, 1)
    halved    = 2**len(m.hidden)
    if not m.hidden or any(side % halved for side in sides):
        raise ValueError(f"net='conv' was given examples of shape {tuple(shape)} and hidden={m.hidden}; expected sides "
                         "that can be halved for each hidden layer, at least one: choose other sizes, or net='mlp'.")
    act, gain = ACTIVATIONS[m.activation]
    axes, M   = len(sides), m.hidden[-1]
    one, three, four = ((k,) * axes for k in (1, 3, 4))
    coarse    = [side // halved for side in sides]
    widths    = list(zip(m.hidden, m.hidden[1:]))
    blocks    = [block(act, axes, M)] * m.blocks
    e_init, encoder = in_turn([conv(four, C, m.hidden[0], stride=2),
                               *(convolution(act, four, a, b, stride=2, gain=gain) for a, b in widths), *blocks,
                               convolution(act, one, M, m.dim, gain=gain)])
    d_init, decoder = in_turn([conv(three, m.dim, M), *blocks,
                               *(convolution(act, four, b, a, stride=2, gain=gain, transposed=True)
                                 for a, b in widths[::-1]),
                               convolution(act, four, m.hidden[0], m.says.heads * C, stride=2, transposed=True)])

    def encode(params, x):
        return xp.reshape(encoder(params, xp.reshape(x, (len(x), *sides, C))), (len(x), -1, m.dim))

    def decode(params, z):
        h = decoder(params, xp.reshape(z, (len(z), *coarse, m.dim)))
        return [xp.reshape(h[..., a:a + C], (len(z), -1)) for a in range(0, h.shape[-1], C)]
    return (e_init, encode), (d_init, decode)


def fully_connected(m, shape):
    """Encoder and decoder of affine maps."""
    D, Z = math.prod(shape), m.positions * m.dim
    e_init, encoder = mlp((D, *m.hidden, Z), m.activation)
    d_init, decoder = mlp((Z, *m.hidden[::-1], D), m.activation, heads=m.says.heads)
    return ((e_init, lambda params, x: xp.reshape(encoder(params, x)[0], (len(x), m.positions, m.dim))),
            (d_init, lambda params, z: decoder(params, xp.reshape(z, (len(z), Z)))))


NETS   = {"conv": convolutional, "mlp": fully_connected}

#                 log p(k) of each position [n, K], from the averages of how often it has which code
PRIORS = {
    "uniform":     lambda N, smoothing: xp.full_like(N, -math.log(N.shape[-1])),
    "frequencies": lambda N, smoothing: log(vq.shares(N, smoothing * xp.mean(N))),
}


# ---- the model -------------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class VQVAE(Decoder):
    """Autoencoder with a codebook: the encoder's word at each position becomes the nearest of K codes, and the decoder
    sees those.   van den Oord, Vinyals and Kavukcuoglu 2017

    params are {"encoder", "decoder"} and, where it is learned by its loss, the "codebook" [K, dim]; stats are, besides
    those of the data, the moving averages N [n, K] of how often a position has which code; `spare` [K, dim], encodings
    of the last batch; and, where it is one itself, the codebook and m [K, dim].
    """
    lr:         float = hyper(3e-3,       Positive,            "learning rate")
    clip:       float = hyper(100.0,      NonNegative,         "largest norm of the gradient; 0 for no limit")
    ema:        float = hyper(0.99,       Fraction,            "decay of the average of the weights that is used "
                                                               "after training; 0 for the weights themselves")
    net:        str   = hyper("conv",     Choice(NETS),        "convolutional, or fully connected")
    hidden:     tuple = hyper((32, 64),   Sizes,               "of the encoder, from x on: channels, with half the "
                                                               "points after each, or sizes of fully connected layers")
    blocks:     int   = hyper(1,          Whole,               "residual blocks of the convolutional net, each way")
    positions:  int   = hyper(4,          Count,               "of the fully connected net: codes of an example")
    activation: str   = hyper("silu",     Choice(ACTIVATIONS), "between the layers")
    codes:      int   = hyper(64,         Count,               "in the codebook")
    dim:        int   = hyper(16,         Count,               "numbers of a code")
    codebook:   str   = hyper("loss",     Choice(("loss", "average")),
                              "how it learns: by its loss, or as a moving average of what its codes are nearest to")
    beta:       float = hyper(2.0,        NonNegative,         "weight of the commitment")
    decay:      float = hyper(0.99,       Fraction,            "of the moving averages")
    smoothing:  float = hyper(0.01,       NonNegative,         "added to how often each code is nearest, in units of "
                                                               "the mean of all; with 0 a code that was never seen "
                                                               "costs infinitely many nats")
    least:      float = hyper(0.05,       Fraction,            "of the mean use, below which a code is put onto an "
                                                               "encoding; 0 for never")
    prior:      str   = hyper("frequencies", Choice(PRIORS),   "of the codes, after training: all alike, or by how "
                                                               "often each position has which")
    shape:      tuple = hyper((),         Sizes,               "of an example, colours last, where the data do not say "
                                                               "it themselves")

    def view(self, data, stream):
        return dataclasses.replace(super().view(data, stream), shape=self.shape or data.shape)

    def init(self, stream, example):
        self._need(self.levels)
        x      = self.seen(example["x"], stream("x"), "float32")
        parts  = zip(("encoder", "decoder"), self._nets(x.shape[1]))
        params = {name: init(stream(name)) for name, (init, _) in parts}
        stats  = self.units(x)
        z_e    = self._encode(params, stats, x[stream("rows").integers(0, len(x), self.codes)])
        z, n   = xp.reshape(z_e, (-1, self.dim)), z_e.shape[1]
        e      = z[stream("codebook").permutation(len(z))[:self.codes]]
        stats |= {"N": xp.full((n, self.codes), 1 / n, dtype=e.dtype), "spare": e}
        if self.codebook == "average":
            return params, stats | {"codebook": e, "m": e}
        return params | {"codebook": e}, stats

    @functools.cache
    def _nets(self, D):
        shape = self.shape or (D,)
        if math.prod(shape) != D:
            raise ValueError(f"shape={shape} has {math.prod(shape)} numbers, but examples have {D}; expected as many.")
        return NETS[self.net](self, shape)

    def book(self, params, stats):
        """The codebook [K, dim]."""
        return params["codebook"] if self.codebook == "loss" else stats["codebook"]

    def _encode(self, params, stats, x):
        return self._nets(x.shape[1])[0][1](params["encoder"], (x - stats["centre"]) / stats["scale"])

    def _decode(self, params, stats, z):
        return self.law(stats, self._nets(len(stats["centre"]))[1][1](params["decoder"], z))

    def _terms(self, params, stats, x):
        return vq.terms(x, lambda x: self._encode(params, stats, x), lambda z: self._decode(params, stats, z),
                        self.book(params, stats), self.says.log_prob)

    def encode(self, params, stats, x, stream=Stream.seed(0)):
        """The codes k [B, n] of data x [B, D] as they come; the stream draws the noise or the bits that the decoder
        wants. Raises as `evaluate` does."""
        z_e = self._encode(params, stats, self.checked(x, stats, stream))
        return vq.assign(z_e, self.book(params, stats))

    def decode(self, params, stats, k):
        """The parameters of p(x | k), each [B, D]. Raises as `check_array` does, and ValueError for what are no
        codes."""
        k = check_array(k, "k", (None, len(stats["N"])), keep_integers=True)
        if not bool(xp.all((k >= 0) & (k < self.codes) & (k == xp.floor(k)))):
            raise ValueError(f"k holds {float(xp.min(k)):g} to {float(xp.max(k)):g}; expected whole numbers from 0 to "
                             f"{self.codes - 1}.")
        return self._decode(params, stats, self.book(params, stats)[k.astype("int64")])

    # ---- how it learns -----------------------------------------------------------------------------------------------
    def loss(self, params, stats, batch, stream):
        """-log p(x | z_q) in nats and the losses of the codebook, where it learns by that, and of the commitment: means
        over the batch. The moving averages are of codes that were nearest before they moved."""
        x = self.seen(batch["x"], stream("x"), stats["centre"].dtype)
        *terms, z_e, k = self._terms(params, stats, x)
        log_p, codebook, commitment = map(xp.mean, terms)
        stats = self._averaged(stats, stop_gradient(z_e), k, stream("spare"))
        value = self.beta * commitment - log_p + (codebook if self.codebook == "loss" else 0)
        return value, (stats, {"reconstruction": log_p - self.bins(x.shape[1]), "codebook": codebook,
                               "commitment": commitment,
                               "perplexity": vq.perplexity(vq.shares(xp.sum(stats["N"], axis=0), 0))})

    def _averaged(self, stats, z_e, k, stream):
        z     = xp.reshape(z_e, (-1, self.dim))
        count = xp.sum(one_hot(k, self.codes), axis=0).astype(z.dtype)                          # [n, K]
        new   = {"N":     self.decay * stats["N"] + (1 - self.decay) * count,
                 "spare": z[stream.permutation(len(z))[xp.arange(self.codes) % len(z)]]}
        if self.codebook == "average":
            N, m = vq.moving_average(xp.sum(stats["N"], axis=0), stats["m"], z_e, k, self.decay)
            new |= {"m": m, "codebook": vq.codes(N, m, stats["codebook"], self.smoothing * xp.mean(N))}
        return stats | new

    def update(self, state, batch, stream):
        """A step of descent; then codes that are hardly used become encodings of the batch, of twice that use."""
        state, metrics = super().update(state, batch, stream)
        if not self.least:
            return state, metrics
        e, stats = self.book(state.params, state.stats), state.stats
        N, z     = xp.sum(stats["N"], axis=0), stats["spare"]
        usage    = self.codes * vq.shares(N, 0)
        enough   = 2 * self.least
        if self.codebook == "loss":
            for book in (e, self.weights(state)["codebook"]):                   # in the average of the weights too
                book[...] = vq.revived(book, usage, z, self.least)
        else:
            stats = stats | {"codebook": vq.revived(e, usage, z, self.least),
                             "m": vq.revived(stats["m"], usage, enough * xp.mean(N) * z, self.least)}
        stats = stats | {"N": xp.where(usage < self.least, enough * xp.mean(stats["N"]), stats["N"])}
        return state._replace(stats=stats), metrics

    # ---- what it says of data ----------------------------------------------------------------------------------------
    def log_prior(self, stats):
        """log p(k) of each position [n, K], in nats."""
        return PRIORS[self.prior](stats["N"], self.smoothing)

    def evaluate(self, params, stats, batch, stream, draws=1):
        """Of each example [B], in nats: the ELBO and its terms; the KL is -log p(k). Raises as `check_examples`."""
        x = self.checked(batch["x"], stats, stream)
        log_p, *_, k = self._terms(params, stats, x)
        log_p, kl = log_p - self.bins(x.shape[1]), -vq.log_prior(k, self.log_prior(stats))
        return {"ELBO": log_p - kl, "reconstruction": log_p, "KL": kl}

    def log_prob(self, params, stats, x, stream=Stream.seed(0)):
        """log P(x_n) in nats [N] of whole levels, in the precision of stats: a sum over all codes. The stream draws the
        bits that dynamic binarisation wants. Raises ValueError for more than 65536 codes, for real numbers, and as
        `evaluate` does."""
        K, n = self.codes, len(stats["N"])
        if K**n > 1 << 16 or not self.says.whole:
            raise ValueError(f"log_prob was asked of {K}^{n} codes and decoder={self.decoder!r}; expected 65536 codes "
                             "at most and a decoder of whole levels, logistic or bernoulli: else take the bound of "
                             "`evaluate`.")
        k = xp.stack([xp.arange(K**n) // K**i % K for i in range(n)], axis=-1)                  # [K^n, n]
        e = self.book(params, stats)
        return vae.log_mixture(self.checked(x, stats, stream), vq.log_prior(k, self.log_prior(stats)), k,
                               lambda k: self._decode(params, stats, e[k]), self.pairs)

    def _drawn(self, params, stats, stream, n):
        """The law p(x | k) of n codes of the prior."""
        k = stream.categorical(self.log_prior(stats), (n,))
        return self._decode(params, stats, self.book(params, stats)[k])

    def sample(self, params, stats, stream, n):
        """n examples [n, D] of p(x | k), k of the prior: levels, or real numbers where the data are."""
        return self.drawn(stream("x"), self._drawn(params, stats, stream("k"), n))

    def pictures(self, params, stats, batch, stream):
        """Images in [0, 1] of what was learned: reconstructions below the data, means of samples."""
        x = self.seen(batch["x"], stream("x"), stats["centre"].dtype)
        z = self.book(params, stats)[vq.assign(self._encode(params, stats, x), self.book(params, stats))]
        return {"reconstructions": xp.stack([self.shown(x), self.says.mean(*self._decode(params, stats, z))], axis=1),
                "means": self.says.mean(*self._drawn(params, stats, stream("k"), 64))}
