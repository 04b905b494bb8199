"""Autoregressive models that train: networks wired to the mathematics of `chain`, `made` and `pixels`."""
import dataclasses
import functools
import math
from typing import Callable, NamedTuple

from backends import to_host, xp
from scratch.autodiff import log_softmax, sigmoid
from scratch.autoregressive import chain, made, pixels
from scratch.data.levels import check_examples
from scratch.hyper import Choice, Count, Fraction, Levels, Positive, Sizes, Whole, check, hyper
from scratch.nets import ACTIVATIONS, masked_mlp
from scratch.probability.distributions import colour_means, logistic_mixture_log_prob, per_example
from scratch.train import Descent, Exact, OfBits


# ---- bits ------------------------------------------------------------------------------------------------------------
def draw_bits(stream, logits, n, order):
    """x [n, D] of logits(x) [n, D], column after column in this order, by as many calls."""
    def draw(stream, logits, d):
        return stream.uniform(n, dtype=logits.dtype) < sigmoid(logits[:, d])
    return chain.ancestral(stream, xp.zeros((n, len(order)), dtype="int64"), order, lambda x, d: logits(x), draw)


@dataclasses.dataclass(frozen=True)
class FVBN(OfBits, Descent):
    """Fully visible belief network: a table for the first bit, a logistic regression on those before it for each other.
    Frey, Hinton, Dayan 1996

    params are alpha_1 [], as a logit, alpha_0 [D - 1] and alpha [D - 1, D - 1], offsets from the shares of ones.
    """
    lr: float = hyper(0.05, Positive, "learning rate")

    def init(self, stream, example):
        D      = example["x"].shape[1]
        sizes  = {"alpha_1": (), "alpha_0": (D - 1,), "alpha": (D - 1, D - 1)}
        params = {name: xp.zeros(size, dtype="float32") for name, size in sizes.items()}
        return params, {"rates": self.rates(example["x"])}

    def logits(self, params, stats):
        """x [B, D] -> the logits of each bit by those before it, [B, D]; of the first by its table."""
        start = xp.logit(stats["rates"])
        first = (start[:1] - params["alpha_1"])[None]

        def f(x):
            rest = chain.logistic_logits(x, params["alpha_0"] + start[1:], params["alpha"])
            return xp.concatenate([xp.broadcast_to(first, (len(x), 1)), rest], axis=1)
        return f

    def density(self, params, stats, x):
        """log P(x_n) in nats [N], by logits all the way: no probability is rounded to 0 or 1."""
        return xp.sum(chain.logit_log_prob(x, self.logits(params, stats)(x)), axis=1)

    def sample(self, params, stats, stream, n):
        """n examples, bits [n, D]."""
        return draw_bits(stream, self.logits(params, stats), n, range(len(stats["rates"])))


@dataclasses.dataclass(frozen=True)
class MADE(OfBits, Descent):
    """Masked autoencoder: one network says all logits at once, each by the bits before it.   Germain et al. 2015

    params are those of the network; stats the shares of ones and the orders [K, D] of the columns.
    """
    lr:         float = hyper(3e-3,   Positive,            "learning rate")
    hidden:     tuple = hyper((256,), Sizes,               "sizes of the hidden layers")
    activation: str   = hyper("relu", Choice(ACTIVATIONS), "between the layers")
    orders:     int   = hyper(0,      Whole,               "random orders, of which the law is the mean; 0 for the "
                                                           "columns' own alone")

    def init(self, stream, example):
        D      = example["x"].shape[1]
        orders = [stream("orders")(k).permutation(D) for k in range(self.orders)] or [xp.arange(D)]
        init, _ = self._net(range(D))
        return init(stream("net")), {"rates": self.rates(example["x"]), "orders": xp.stack(orders)}

    def _net(self, order):
        return masked_mlp(order, self.hidden, self.activation)

    def logits(self, params, stats, order):
        """x [B, D] -> the logits of each bit by those before it in this order, [B, D]."""
        net, start = self._net(order)[1](params), xp.logit(stats["rates"])
        return lambda x: net(x.astype(start.dtype))[0] + start

    def density(self, params, stats, x):
        """log P(x_n) in nats [N]."""
        return made.log_prob(x, xp.stack([self.logits(params, stats, order)(x) for order in stats["orders"]]))

    def sample(self, params, stats, stream, n):
        """n examples, bits [n, D], each drawn in one of the orders."""
        orders = to_host(stats["orders"]).astype("int64").tolist()
        k      = to_host(stream("k").integers(0, len(orders), n))
        drawn  = [draw_bits(stream("x")(i), self.logits(params, stats, order), int((k == i).sum()), order)
                  for i, order in enumerate(orders)]
        return xp.concatenate(drawn)[xp.asarray(k.argsort(kind="stable").argsort())]


# ---- images ----------------------------------------------------------------------------------------------------------
class Output(NamedTuple):
    """What the network says of a pixel of C colours."""
    numbers:  Callable      # model, C -> how many numbers
    ordered:  bool          # does it see the colours before, of the same pixel?
    law:      Callable      # model, C, numbers [B, pixels, n] -> the parameters of the law
    log_prob: Callable      # model, levels k [B, D], parameters -> log P(k) [B]
    draw:     Callable      # model, stream, parameters of one pixel, colours -> levels of these colours


def categorical(m, C, said):
    """log P of each level [B, D, levels]."""
    said = xp.swapaxes(xp.reshape(said, (*said.shape[:2], m.levels, C)), 2, 3)
    return log_softmax(xp.reshape(said, (len(said), -1, m.levels)), axis=-1)


def categorical_log_prob(m, k, log_p):
    return per_example(xp.where(k[..., None] == xp.arange(m.levels), log_p, 0))


def draw_categorical(m, stream, log_p, colours):
    return stream.categorical(log_p[:, colours])


def logistics(m, C, said):
    """Logits [B, pixels, M] of the components, mu and log_s [B, pixels, C, M], in units of the whole range, and coef
    [B, pixels, C (C - 1) / 2, M]. At the start the components are spread over the range."""
    M    = m.mixture
    said = xp.reshape(said, (*said.shape[:2], -1, M))
    mu   = said[:, :, 1:C + 1] + (xp.arange(M).astype(said.dtype) + 0.5) / M
    return said[:, :, 0], mu, said[:, :, C + 1:2 * C + 1] - math.log(2 * M), said[:, :, 2 * C + 1:]


def logistics_log_prob(m, k, law):
    logits, mu, log_s, coef = law
    k = xp.reshape(k, mu.shape[:3])
    return logistic_mixture_log_prob(k, logits, colour_means(k, mu, coef, m.levels), log_s, m.levels)


def draw_logistics(m, stream, law, colours):
    """Levels [B, C]: of a component, colour after colour."""
    logits, mu, log_s, coef = (a[:, 0] for a in law)
    C = colours.stop
    ours  = stream("component").categorical(logits)[:, None] == xp.arange(m.mixture)          # [B, M]
    noise = xp.exp(log_s) * xp.logit(stream("x").uniform((len(mu), C, 1), mu.dtype))           # [B, C, M]
    k     = xp.zeros((len(mu), C), dtype="int64")
    for c in range(C):
        x       = colour_means(k, mu, coef, m.levels)[:, c] + noise[:, c]
        k[:, c] = xp.clip(xp.rint(xp.sum(xp.where(ours, x, 0), axis=1) * (m.levels - 1)), 0, m.levels - 1)
    return k


OUTPUTS = {
    "categorical": Output(lambda m, C: m.levels * C,                           True,
                          categorical, categorical_log_prob, draw_categorical),
    "logistics":   Output(lambda m, C: m.mixture * (1 + 2 * C + C * (C - 1) // 2), False,
                          logistics,   logistics_log_prob,   draw_logistics),
}
NETS = {"masked": pixels.masked_stack, "gated": pixels.gated_stacks}


@dataclasses.dataclass(frozen=True)
class PixelCNN(Exact, Descent):
    """Convolutions that see what is drawn earlier say the law of each pixel.   van den Oord et al. 2016

    params are those of the network; stats the centre [D] and the scale [] of the levels, in units of which it sees
    them. Raises ValueError for hyper-parameters and data that do not go together.
    """
    lr:         float = hyper(3e-3,          Positive,        "learning rate")
    batch_size: int   = hyper(64,            Count,           "examples a step, or all where there are fewer")
    ema:        float = hyper(0.995,         Fraction,        "decay of the average of the weights that is used after "
                                                              "training; 0 for the weights themselves")
    net:        str   = hyper("masked",      Choice(NETS),    "one masked stack, with a blind spot, or two gated ones")
    output:     str   = hyper("categorical", Choice(OUTPUTS), "what is said of a value: a number for each level, or a "
                                                              "mixture of logistic laws")
    channels:   int   = hyper(16,            Count,           "of each layer, so many of each colour")
    layers:     int   = hyper(3,             Whole,           "after the first one; together they see as far as "
                                                              "(layers + 1) (kernel // 2) pixels")
    kernel:     int   = hyper(5,             Count,           "side of the kernels, odd")
    mixture:    int   = hyper(5,             Count,           "logistic laws in the mixture")
    levels:     int   = hyper(None,          Levels,          "of the data, where they do not say it themselves")
    shape:      tuple = hyper((),            Sizes,           "of an example, colours last, where the data do not say "
                                                              "it themselves")

    def __post_init__(self):
        check(self)
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel={self.kernel} is even; expected an odd side, with a middle.")

    def view(self, data, stream):
        data = data.with_levels(self.levels) if self.levels else data
        self._need(data.levels)
        return dataclasses.replace(data, shape=self.shape or data.shape)

    width = property(lambda self: self.levels if self.output == "categorical" else 1)

    def _need(self, levels):
        if levels is None:
            raise ValueError("The data hold numbers that are no levels; expected levels: say how many there are, with "
                             "levels (2 for bits), or choose a model of real numbers.")

    def init(self, stream, example):
        self._need(self.levels)
        x = check_examples(example["x"], example["x"].shape[1], self.levels)
        init, _ = self._net(self._sides(x.shape[1])[2])
        spread  = xp.std(x, dtype="float64").astype("float32")
        return init(stream), {"centre": xp.mean(x, axis=0, dtype="float64").astype("float32"),
                              "scale":  xp.where(spread > 0, spread, 1)}

    def _sides(self, D):
        """h, w and C of an image of D values. Raises ValueError where it is none."""
        shape = self.shape or (1, D)
        sides = (*shape, 1)[:3] if len(shape) > 1 else (1, *shape, 1)
        if len(shape) > 3 or math.prod(sides) != D:
            raise ValueError(f"shape={shape}, but examples have {D} numbers; expected as many, of an image [h, w] or "
                             "[h, w, colours].")
        return sides

    @functools.cache
    def _net(self, C):
        out     = OUTPUTS[self.output]
        colours = C if out.ordered else 1
        if self.channels % colours:
            raise ValueError(f"channels={self.channels}, which {colours} colours do not divide; expected a multiple.")
        return NETS[self.net]((self.kernel, self.kernel), C, self.channels, out.numbers(self, C), self.layers, colours)

    def law(self, params, stats, x):
        """The parameters of the law of each value of x [B, D], given those before it."""
        return self._law(params, stats, x, lambda said: xp.reshape(said, (len(x), -1, said.shape[-1])))

    def law_at(self, params, stats, x, r, c):
        """The same of the pixel in row r and column c alone, by as much of x as it depends on."""
        R    = (self.layers + 1) * (self.kernel // 2)
        left = max(0, c - R)
        return self._law(params, stats, x, lambda said: said[:, -1:, c - left],
                         (slice(None), slice(max(0, r - R), r + 1), slice(left, c + R + 1)))

    def _law(self, params, stats, x, of, part=...):
        h, w, C = self._sides(x.shape[1])
        x, mean = (xp.reshape(a, (-1, h, w, C))[part] for a in (x, stats["centre"]))
        said    = self._net(C)[1](params, (x - mean).astype(mean.dtype) / stats["scale"])
        return OUTPUTS[self.output].law(self, C, of(said))

    def density(self, params, stats, x):
        """log P(x_n) in nats [N]."""
        return OUTPUTS[self.output].log_prob(self, x, self.law(params, stats, x))

    def log_prob(self, params, stats, x):
        """log P(x_n) in nats [N] of levels x [N, D], in the precision of stats. Raises as `check_examples` does."""
        return self.density(params, stats, check_examples(x, len(stats["centre"]), self.levels))

    def sample(self, params, stats, stream, n):
        """n examples, levels [n, D], by a call of the network for each value, or each pixel where it says all of its
        colours at once."""
        D, out  = len(stats["centre"]), OUTPUTS[self.output]
        _, w, C = self._sides(D)
        step    = 1 if out.ordered else C

        def law(x, columns):
            return self.law_at(params, stats, x, *divmod(columns.start // C, w))

        def draw(stream, law, columns):
            first = columns.start % C
            return out.draw(self, stream, law, slice(first, first + step))
        return chain.ancestral(stream, xp.zeros((n, D), dtype="int64"), [slice(d, d + step) for d in range(0, D, step)],
                               law, draw)
