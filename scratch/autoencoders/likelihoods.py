"""What a decoder says of data: levels, numbers or bits, and what the models that have one share."""
import dataclasses
import math
from typing import Callable, NamedTuple

from backends import xp
from scratch.autodiff import sigmoid, softplus
from scratch.autoencoders import vae
from scratch.data.levels import binarise, check_examples, dequantise, quantise
from scratch.hyper import Choice, Levels, Positive, hyper
from scratch.mixtures.bernoulli import log_joint
from scratch.probability.distributions import bernoulli_log_prob, gaussian_log_prob, logistic_log_prob
from scratch.probability.estimators import reparameterise
from scratch.train import Descent


class Likelihood(NamedTuple):
    """What a decoder says of x: from as many numbers a pixel as the network has heads."""
    heads:    int
    law:      Callable      # model, centre and scale of the data, heads -> the parameters of p(x | z)
    log_prob: Callable      # x, parameters -> log p(x | z) [B]
    draw:     Callable      # stream, parameters -> x
    mean:     Callable      # parameters -> the mean of x, for a picture
    whole:    bool          # does it need data of whole levels?


def _draw_normal(stream, mu, log_var):
    return reparameterise(mu, log_var, stream.normal(mu.shape, dtype=mu.dtype))


def _draw_bits(stream, logits):
    return stream.uniform(logits.shape, dtype=logits.dtype) < sigmoid(logits)


def _draw_level(stream, mu, log_s, levels):
    x = mu + xp.exp(log_s) * xp.logit(stream.uniform(mu.shape, dtype=mu.dtype))
    return xp.clip(xp.rint(x * (levels - 1)), 0, levels - 1)


def _mean_level(mu, log_s, levels):
    """Of a logistic law held in [0, 1]: int_0^1 P(x > t) dt; the levels, in [0, 1], lie within half of one of it."""
    s = xp.exp(log_s)
    return s * (softplus(mu / s) - softplus((mu - 1) / s))


LIKELIHOODS = {
    "logistic":  Likelihood(2, lambda m, c, s, h, r: ((c + s * h) / (m.levels - 1), r + xp.log(s / (m.levels - 1)),
                                                      m.levels),
                            logistic_log_prob,  _draw_level,  _mean_level,                     whole=True),
    "gaussian":  Likelihood(2, lambda m, c, s, h, r: (c + s * h, 2 * (r + xp.log(s))),
                            gaussian_log_prob,  _draw_normal, lambda mu, *_: mu,               whole=False),
    "isotropic": Likelihood(1, lambda m, c, s, h: (c + s * h, xp.asarray(math.log(m.variance), dtype=h.dtype)),
                            gaussian_log_prob,  _draw_normal, lambda mu, *_: mu,               whole=False),
    "bernoulli": Likelihood(1, lambda m, c, s, h: (h + xp.logit(c),),
                            bernoulli_log_prob, _draw_bits,   lambda logits: sigmoid(logits),  whole=True),
}


@dataclasses.dataclass(frozen=True)
class Decoder(Descent):
    """A model whose decoder says the parameters of p(x | z). Log-likelihoods of data of whole levels are those of the
    levels, whatever the decoder.

    stats are, besides the model's own, the centre [D] and the scale ([], of real numbers [D]) of the data, in units of
    which the networks work. Raises ValueError for hyper-parameters and data that do not go together.
    """
    decoder:    str   = hyper("logistic",  Choice(LIKELIHOODS), "what the decoder says of x")
    variance:   float = hyper(0.01,        Positive,            "of the isotropic decoder; a range of levels is 1")
    binarise:   str   = hyper("threshold", Choice(("threshold", "static", "dynamic")),
                              "how the bernoulli decoder gets bits: 1 from half the range on, drawn once, or each time")
    levels:     int   = hyper(None,        Levels,              "of the data, where they do not say it themselves")

    criterion  = "ELBO"
    likelihood = "bound"

    def view(self, data, stream):
        data = data.with_levels(self.levels) if self.levels else data
        self._need(data.levels)
        return data.binarised(stream) if self._static else data

    says    = property(lambda self: LIKELIHOODS[self.decoder])
    _static = property(lambda self: (self.decoder, self.binarise) == ("bernoulli", "static"))

    def _need(self, levels):
        if levels is None and self.says.whole:
            raise ValueError(f"decoder={self.decoder!r} is for data of whole levels: choose the decoder gaussian for "
                             "real numbers, or say how many levels there are, with levels (2 for bits).")

    def units(self, x):
        """The stats of x [N, D] that the decoder speaks of."""
        centre = xp.mean(x, axis=0)                                             # [D]
        spread = xp.std(x, axis=None if self.levels else 0)                     # [] or [D]
        if self.decoder == "bernoulli":
            centre = (centre * len(x) + 0.5) / (len(x) + 1)                     # never 0, never 1
        return {"centre": centre, "scale": xp.where(spread > 0, spread, 1)}

    def seen(self, x, stream, dtype):
        """The data as the decoder speaks of them: levels, numbers in [0, 1), real numbers or bits."""
        if self.decoder == "bernoulli":
            if self.binarise == "dynamic":
                return binarise(x, self.levels, stream).astype(dtype)
            return (x >= (self.levels - 1) / 2).astype(dtype) if self.binarise == "threshold" else x.astype(dtype)
        if self.levels and not self.says.whole:
            return dequantise(x, self.levels, stream, dtype)
        return x.astype(dtype)

    def checked(self, x, stats, stream):
        """The same of x [B, D] that a user hands over, in the precision of stats. Raises as `check_examples` does."""
        x = check_examples(x, len(stats["centre"]), 2 if self._static else self.levels)
        return self.seen(x, stream("x"), stats["centre"].dtype)

    def law(self, stats, heads):
        """The parameters of p(x | z) that the heads of a network [B, D] each say."""
        return self.says.law(self, stats["centre"], stats["scale"], *heads)

    @property
    def pairs(self):
        """x [B, D] and the law of n codes -> log p(x | z) of each x under each of them [B, n]."""
        if self.decoder == "bernoulli":
            return lambda x, logits: log_joint(x, 0, logits)                    # of a mixture of codes
        return vae.pairwise(self.says.log_prob)

    def bins(self, D):
        """What turns the log density of dequantised data into a bound on the log probability of their levels."""
        return D * math.log(self.levels) if self.levels and not self.says.whole else 0

    def drawn(self, stream, law):
        """Examples of p(x | z): levels, or real numbers where the data are."""
        x = self.says.draw(stream, *law)
        if not self.levels:
            return x
        return x.astype(xp.int64) if self.says.whole else quantise(x, self.levels)

    def shown(self, x):
        """Data as the decoder speaks of them, for a picture."""
        return x / (self.levels - 1) if self.decoder == "logistic" else x
