"""Autoencoders that train: fully connected nets wired to the mathematics of `vae` and `plain`."""
import dataclasses
import functools
import math
from typing import Callable, NamedTuple

from backends import xp
from backends.random import Stream
from scratch.autoencoders import plain, vae
from scratch.autoencoders.likelihoods import Decoder
from scratch.data.checks import check_array, check_integer, check_memory
from scratch.data.levels import check_examples
from scratch.flows.bijections import chained, iaf
from scratch.hyper import Choice, Count, Fraction, Levels, NonNegative, Positive, Sizes, Whole, hyper
from scratch.nets import ACTIVATIONS, affine, mlp
from scratch.probability.distributions import per_example
from scratch.probability.divergences import kl_normal
from scratch.probability.estimators import log_mean_exp
from scratch.train import Descent


# ---- variational -----------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class VAE(Decoder):
    """Variational autoencoder: fully connected encoder and decoder, trained by the ELBO. params are
    {"encoder", "decoder"} and, where there is one, {"flow"}."""
    lr:         float = hyper(3e-3,        Positive,            "learning rate")
    clip:       float = hyper(100.0,       NonNegative,         "largest norm of the gradient; 0 for no limit")
    ema:        float = hyper(0.995,       Fraction,            "decay of the average of the weights that is used "
                                                                "after training; 0 for the weights themselves")
    latent:     int   = hyper(16,          Count,               "numbers in the code")
    hidden:     tuple = hyper((256, 256),  Sizes,               "sizes of the encoder's hidden layers, from x to z")
    activation: str   = hyper("softplus",  Choice(ACTIVATIONS), "between the layers")
    beta:       float = hyper(1.0,         NonNegative,         "weight of the KL while training")
    iaf:        int   = hyper(0,           Whole,               "inverse autoregressive maps after the encoder, 0 for "
                                                                "none: then the KL is drawn")

    def init(self, stream, example):
        self._need(self.levels)
        x    = self.seen(example["x"], stream("x"), "float32")
        encoder, decoder = self._nets(x.shape[1])
        params = {"encoder": encoder[0](stream("encoder")), "decoder": decoder[0](stream("decoder"))}
        if self.iaf:
            params["flow"] = self._flow.init(stream("flow"))
        return params, self.units(x)

    def _nets(self, D):
        return (mlp((D, *self.hidden, self.latent), self.activation, heads=2),
                mlp((self.latent, *self.hidden[::-1], D), self.activation, heads=self.says.heads))

    @property
    def _flow(self):
        """From the first number of the code to the last, and back."""
        return chained([iaf(tuple(range(self.latent))[::(-1)**i], self.hidden[-1:], self.activation)
                        for i in range(self.iaf)])

    def _flowed(self, params, z):
        """The code that mu + sigma eps becomes, and log_det."""
        return self._flow.forward(params.get("flow", []), z)

    def encode(self, params, stats, x, stream=Stream.seed(0)):
        """mu and log_var of q(z | x), before its flow, each [B, Z], for data x [B, D] as they come; the stream draws
        the noise or the bits that the decoder wants. Raises as `evaluate` does."""
        return self._encode(params, stats, self.checked(x, stats, stream))

    def _encode(self, params, stats, x):
        _, apply = self._nets(x.shape[1])[0]
        return apply(params["encoder"], (x - stats["centre"]) / stats["scale"])

    def decode(self, params, stats, z):
        """The parameters of p(x | z), each [B, D]. Raises as `check_array` does."""
        return self._decode(params, stats, check_array(z, "z", (None, self.latent)).astype(stats["centre"].dtype))

    def _decode(self, params, stats, z):
        _, apply = self._nets(len(stats["centre"]))[1]
        return self.law(stats, apply(params["decoder"], z))

    def _bound(self, f, params, stats, x, eps):
        return f(x, eps, lambda x: self._encode(params, stats, x), lambda z: self._decode(params, stats, z),
                 log_prob=self.says.log_prob)

    def _terms(self, params, stats, x, eps):
        """log p(x | z) and the KL of each example [B], drawn where there is a flow."""
        if not self.iaf:
            return self._bound(vae.terms, params, stats, x, eps)
        return self._bound(lambda x, eps, encode, *rest, **law: vae.flow_terms(
            x, eps, encode, functools.partial(self._flowed, params), *rest, **law), params, stats, x, eps)

    def _weights(self, params, stats, x, eps):
        """log w of each draw and example [draws, B], and the KL [B]."""
        if not self.iaf:
            return self._bound(vae.importance_terms, params, stats, x, eps), kl_normal(*self._encode(params, stats, x))
        log_p, kl = map(xp.stack, zip(*(self._terms(params, stats, x, e) for e in eps)))
        return log_p - kl, xp.mean(kl, axis=0)

    def loss(self, params, stats, batch, stream):
        """beta KL - log p(x | z) in nats, a mean over the batch, and both terms."""
        x   = self.seen(batch["x"], stream("x"), stats["centre"].dtype)
        eps = stream("eps").normal((len(x), self.latent), dtype=x.dtype)
        log_p, kl = self._terms(params, stats, x, eps)
        log_p, kl = xp.mean(log_p), xp.mean(kl)
        return self.beta * kl - log_p, (stats, {"reconstruction": log_p - self.bins(x.shape[1]), "KL": kl})

    def evaluate(self, params, stats, batch, stream, draws=1):
        """Of each example [B], in nats: the ELBO, a mean over `draws` codes, its terms, and the importance-weighted
        bound of as many.
        Raises as `check_array` does, and ValueError where levels are expected and x holds something else."""
        check_integer(draws, "draws", 1)
        x = self.checked(batch["x"], stats, stream)
        check_memory(4 * draws * len(x) * self.latent, f"draws={draws} of {len(x)} codes", "draw fewer")
        eps = stream("eps").normal((draws, len(x), self.latent), dtype=x.dtype)
        if draws == 1:
            log_p, kl = self._terms(params, stats, x, eps[0])
            bounds = {"ELBO": log_p - kl}
        else:
            log_w, kl = self._weights(params, stats, x, eps)
            bounds = {"ELBO": xp.mean(log_w, axis=0),
                      f"importance-weighted bound, {draws} draws": log_mean_exp(log_w, axis=0)}
        bounds = {name: bound - self.bins(x.shape[1]) for name, bound in bounds.items()}
        return bounds | {"reconstruction": bounds["ELBO"] + kl, "KL": kl}

    def log_prob(self, params, stats, x, stream=Stream.seed(0), tolerance=1e-3):
        """log P(x_n) in nats [N] of whole levels, in the precision of stats: a sum over values of each of one or two
        numbers in the code, twice as many until no log P(x_n) moves by more than the tolerance. The stream draws the
        bits that dynamic binarisation wants. Raises ValueError for longer codes, for real numbers and where 2049 values
        are too few, and as `evaluate` does."""
        if self.latent > 2 or not self.says.whole:
            raise ValueError(f"log_prob was asked of latent={self.latent} and decoder={self.decoder!r}; expected one "
                             "or two numbers in the code and a decoder of whole levels, logistic or bernoulli: else "
                             "take the bounds of `evaluate`.")
        x     = self.checked(x, stats, stream)
        found = math.inf
        for n in (65, 129, 257, 513, 1025, 2049):
            before, found = found, vae.log_evidence(x, lambda z: self._decode(params, stats, z), self.latent, n,
                                                    self.pairs)
            if bool(xp.all(xp.abs(found - before) <= tolerance)):
                return found
        raise ValueError(f"The sum over {n} values of each number in the code still moves by more than "
                         f"tolerance={tolerance}: the decoder is too steep for it; allow more.")

    def sample(self, params, stats, stream, n):
        """n examples [n, D] of p(x | z), z of the prior: levels, or real numbers where the data are."""
        z = stream("z").normal((n, self.latent), dtype=stats["centre"].dtype)
        return self.drawn(stream("x"), self._decode(params, stats, z))

    def means(self, params, stats, z):
        """The mean of p(x | z), for a picture [B, D]."""
        return self.says.mean(*self.decode(params, stats, z))

    def pictures(self, params, stats, batch, stream):
        """Images in [0, 1] of what was learned: reconstructions below the data, means of samples, the latent plane."""
        x     = self.seen(batch["x"], stream("x"), stats["centre"].dtype)
        z, _  = self._flowed(params, self._encode(params, stats, x)[0])
        found = {"reconstructions": xp.stack([self.shown(x), self.means(params, stats, z)], axis=1),
                 "means": self.means(params, stats, stream("z").normal((64, self.latent), dtype=x.dtype))}
        if self.latent == 2:
            found["latent"] = self.means(params, stats, vae.latent_grid(20).astype(x.dtype))
        return found


# ---- without a prior -------------------------------------------------------------------------------------------------
class Kind(NamedTuple):
    code: str               # the activation that gives the code
    loss: Callable          # model, x, stream, (encode, decode), such a pair for each layer -> error and penalty


AUTOENCODERS = {
    "plain":       Kind("linear",  lambda m, x, stream, net, layers: (plain.squared_error(x, *net), 0)),
    "denoising":   Kind("linear",  lambda m, x, stream, net, layers:
                                   (plain.denoising_error(x, m.strength * stream.normal(x.shape, x.dtype), *net), 0)),
    "sparse":      Kind("sigmoid", lambda m, x, stream, net, layers:
                                   (plain.squared_error(x, *net), m.strength * plain.sparsity(net[0](x), m.rho))),
    "contractive": Kind("linear",  lambda m, x, stream, net, layers:
                                   (plain.squared_error(x, *net), m.strength * plain.contraction(x, net[0]))),
    "stacked":     Kind("linear",  lambda m, x, stream, net, layers: (plain.stacked_error(x, layers), 0)),
}


@dataclasses.dataclass(frozen=True)
class Autoencoder(Descent):
    """Autoencoder without a prior: fully connected, trained by the squared error of an example, in the data's units or,
    where they are whole levels, in units of the greatest.

    params are {"encoder", "decoder"}, lists of affine maps; stats are the centre [D] of the data.
    """
    kind:       str   = hyper("plain",    Choice(AUTOENCODERS), "what is learned besides, or instead")
    latent:     int   = hyper(16,         Count,                "numbers in the code")
    hidden:     tuple = hyper((128,),     Sizes,                "sizes of the encoder's hidden layers, from x on")
    activation: str   = hyper("softplus", Choice(ACTIVATIONS),  "between the layers")
    strength:   float = hyper(0.1,        NonNegative,          "of the denoising one's noise its deviation, of the "
                                                                "sparse and the contractive one's penalty its weight")
    rho:        float = hyper(0.1,        Fraction,             "mean of each number of the sparse one's code")
    levels:     int   = hyper(None,       Levels,               "of the data, where they do not say it themselves")

    criterion, higher = "squared error", False

    def view(self, data, stream):
        return data.with_levels(self.levels) if self.levels else data

    def init(self, stream, example):
        x      = self.seen(example["x"], "float32")
        sizes  = (x.shape[1], *self.hidden, self.latent)
        params = {name: mlp(way, self.activation)[0](stream(name))
                  for name, way in (("encoder", sizes), ("decoder", sizes[::-1]))}
        return params, {"centre": xp.mean(x, axis=0)}

    def seen(self, x, dtype):
        return x.astype(dtype) / (self.levels - 1 if self.levels else 1)

    def layers(self, params, stats):
        """(encode, decode) of each layer, from x to the code."""
        inside, code = (ACTIVATIONS[name][0] for name in (self.activation, AUTOENCODERS[self.kind].code))
        pairs = list(zip(params["encoder"], params["decoder"][::-1]))

        def pair(i, down, up):
            shift = stats["centre"] if i == 0 else 0
            after = code if i == len(pairs) - 1 else inside
            back  = inside if i else (lambda x: x)
            return (lambda x: after(affine(x - shift, down["W"], down["b"])),
                    lambda h: back(affine(h, up["W"], up["b"])) + shift)
        return [pair(i, down, up) for i, (down, up) in enumerate(pairs)]

    def net(self, params, stats):
        """(encode, decode): all layers, one after the other."""
        layers = self.layers(params, stats)

        def through(x, steps):
            for step in steps:
                x = step(x)
            return x
        return (lambda x: through(x, [encode for encode, _ in layers]),
                lambda h: through(h, [decode for _, decode in layers[::-1]]))

    def loss(self, params, stats, batch, stream):
        """The error and the penalty, means over the batch, and their sum."""
        x = self.seen(batch["x"], stats["centre"].dtype)
        error, penalty = AUTOENCODERS[self.kind].loss(self, x, stream("noise"), self.net(params, stats),
                                                      self.layers(params, stats))
        return error + penalty, (stats, {"error": error, "penalty": penalty})

    def evaluate(self, params, stats, batch, stream, draws=1):
        """The squared error of each example [B]. Raises as the VAE's does."""
        x = self.seen(check_examples(batch["x"], len(stats["centre"]), self.levels), stats["centre"].dtype)
        encode, decode = self.net(params, stats)
        return {"squared error": per_example((x - decode(encode(x)))**2)}

    def pictures(self, params, stats, batch, stream):
        """Images in [0, 1]: reconstructions below the data."""
        x = self.seen(batch["x"], stats["centre"].dtype)
        encode, decode = self.net(params, stats)
        return {"reconstructions": xp.stack([x, decode(encode(x))], axis=1)}
