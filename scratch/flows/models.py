"""Flows that train: bijections, one after the other, from a normal law to the data.   Rothfuss et al. 2019 (the noise)
derivations: flows"""
import dataclasses
import functools
import itertools
import math

from backends import xp
from scratch.data.levels import check_examples, units
from scratch.flows import change
from scratch.flows.bijections import additive, chained, coupling, diagonal, iaf, lower, lu, maf, orthogonal
from scratch.hyper import Choice, Count, Fraction, NonNegative, Positive, Sizes, hyper
from scratch.nets import ACTIVATIONS
from scratch.probability.distributions import gaussian_log_prob
from scratch.train import Descent, OfReals

#                 layer i of examples of this shape: True where a column stays
MASKS = {
    "checkerboard": lambda shape, i: [(sum(at) + i) % 2 == 0 for at in itertools.product(*map(range, shape))],
    "halves":       lambda shape, i: [(2 * d < math.prod(shape)) == (i % 2 == 0) for d in range(math.prod(shape))],
}


def _coupled(kind, m, shape):
    return [kind(MASKS[m.mask](shape, i), m.hidden, m.activation) for i in range(m.layers)]


def _ordered(kind, m, shape):
    """Layer by layer from the first column to the last, and back."""
    return [kind(tuple(range(math.prod(shape)))[::(-1)**i], m.hidden, m.activation) for i in range(m.layers)]


#    name          the bijections, from the base to the data, of a model and the shape of an example
FLOWS = {
    "realnvp":    lambda m, shape: _coupled(coupling, m, shape),
    "nice":       lambda m, shape: [*_coupled(additive, m, shape), diagonal(math.prod(shape))],
    "maf":        lambda m, shape: _ordered(maf, m, shape),
    "iaf":        lambda m, shape: _ordered(iaf, m, shape),
    "triangular": lambda m, shape: [lower(math.prod(shape))],
    "lu":         lambda m, shape: [lu(math.prod(shape))],
    "svd":        lambda m, shape: [orthogonal(D := math.prod(shape), D), diagonal(D), orthogonal(D, D)],
}


def log_base(z):
    """log N(z; 0, I) in nats [B]."""
    return gaussian_log_prob(z, 0, xp.zeros((), dtype=z.dtype))


@dataclasses.dataclass(frozen=True)
class Flow(OfReals, Descent):
    """Normalising flow, trained by the likelihood; whole levels are dequantised.

    log p is that of numbers; of levels k it is asked at (k + u) / levels, as the data's view has them.

    params are a list, of each bijection its own; stats are the mean and the deviation of the data, `centre` and `scale`
    [D], in units of which the bijections work. Raises ValueError for hyper-parameters and data that do not go together.
    """
    lr:         float = hyper(5e-3,           Positive,            "learning rate")
    batch_size: int   = hyper(512,            Count,               "examples a step, or all where there are fewer")
    ema:        float = hyper(0.999,          Fraction,            "decay of the average of the weights that is used "
                                                                   "after training; 0 for the weights themselves")
    flow:       str   = hyper("realnvp",      Choice(FLOWS),       "the bijections")
    layers:     int   = hyper(8,              Count,               "of couplings, or of autoregressive maps")
    hidden:     tuple = hyper((64, 64),       Sizes,               "sizes of the hidden layers of each of them")
    activation: str   = hyper("tanh",         Choice(ACTIVATIONS), "between those")
    mask:       str   = hyper("checkerboard", Choice(MASKS),       "the columns that a coupling leaves alone: every "
                                                                   "other one, or a half, in turn")
    noise:      float = hyper(0.0,            NonNegative,         "deviation of normal noise added to the examples of "
                                                                   "a step, in units of theirs: against overfitting")
    shape:      tuple = hyper((),             Sizes,               "of an example, where the data do not say it "
                                                                   "themselves")

    def init(self, stream, example):
        x, bijection = example["x"], self.bijection(example["x"].shape[1])
        if x.dtype.kind == "f" and bool(xp.any(same := xp.all(x == x[0], axis=0))):
            raise ValueError(f"Column {int(xp.argmax(same))} of x is constant; expected numbers that vary, else no "
                             "density is the largest: drop it.")
        centre, scale = units(x)
        return bijection.init(stream), {"centre": centre, "scale": scale}

    @functools.cache
    def bijection(self, D):
        """From the base to the data in units of their deviation. Raises ValueError where D numbers have no such
        shape."""
        if self.shape and math.prod(self.shape) != D:
            raise ValueError(f"shape={self.shape} has {math.prod(self.shape)} numbers, but examples have {D}; expected "
                             "as many.")
        return chained(FLOWS[self.flow](self, self.shape or (D,)))

    def loss(self, params, stats, batch, stream):
        """-log p(x_n + noise) in nats, a mean over the batch."""
        x, scale = batch["x"], stats["scale"]
        if self.noise:
            x = x + self.noise * scale * stream("noise").normal(x.shape, scale.dtype)
        return super().loss(params, stats, {"x": x}, stream)

    def density(self, params, stats, x):
        """log p(x_n) in nats [N]: of x in units of the deviation, less the logarithms of these."""
        y       = (x - stats["centre"]).astype(stats["centre"].dtype) / stats["scale"]
        inverse = functools.partial(self.bijection(x.shape[1]).inverse, params)
        return change.log_prob(y, inverse, log_base) - xp.sum(xp.log(stats["scale"]))

    def log_prob(self, params, stats, x):
        """log p(x_n) in nats [N] of x [N, D], in the precision of stats. Raises as `check_examples` does."""
        return self.density(params, stats, check_examples(x, len(stats["centre"])))

    def sample(self, params, stats, stream, n):
        """n points [n, D]: the base pushed forward."""
        z    = stream("z").normal((n, len(stats["centre"])), dtype=stats["centre"].dtype)
        y, _ = self.bijection(z.shape[1]).forward(params, z)
        return stats["centre"] + stats["scale"] * y
