"""What the models of this family share: a net that is told how much noise is in what it sees, and perhaps a label."""
import dataclasses
import functools
import itertools
import math

from backends import xp
from scratch.hyper import Choice, Count, Fraction, NonNegative, Positive, Sizes, check, hyper
from scratch.nets import embedding, joined, mlp, sinusoidal, unet
from scratch.probability.distributions import per_example
from scratch.train import Standardised


def perceptron(D, M, E, widths):
    """(init, apply), apply(params, x, e): a fully connected net that sees e beside x [B, D]."""
    init, apply = mlp((D + E, *widths, M), "silu")
    return init, lambda params, x, e: apply(params, xp.concatenate([x, e], axis=1))[0]


#            an example as it sees it, channels last       (init, apply) for C channels, M at the end
NETS = {
    "unet": (lambda shape: shape if len(shape) == 3 else (*shape, 1),
             lambda m, C, M, axes: unet(C, M, m.embedding, m.widths, axes)),
    "mlp":  (lambda shape: (math.prod(shape),),
             lambda m, C, M, axes: perceptron(C, M, m.embedding, m.widths)),
}
PASSES = 8                  # random steps of an example that its L_simple is a mean of


@dataclasses.dataclass(frozen=True)
class Told(Standardised):
    """A model whose net is told x [B, D], the step t and, where it is told labels, y. Besides what a model has it has

        heads          arrays like x that the net says
        passes         steps of the chain that it samples by
        simple         is its loss L_simple itself?
        sample(params, stats, stream, n, y, seen)     seen(x) is called with each state on the way

    params are {"net", "step"} and, with labels, {"label"}, whose last row stands for none.
    """
    lr:         float = hyper(5e-3,         Positive,     "learning rate")
    ema:        float = hyper(0.998,        Fraction,     "decay of the average of the weights that is used after "
                                                          "training; 0 for the weights")
    net:        str   = hyper("unet",       Choice(NETS), "what guesses")
    widths:     tuple = hyper((16, 16, 32), Sizes,        "channels of the U-Net from fine to coarse, or hidden sizes "
                                                          "of the fully connected net")
    embedding:  int   = hyper(32,           Count,        "numbers that tell the net step and label, even")
    unlabelled: float = hyper(0.1,          Fraction,     "share of the labels left out in training")
    guidance:   float = hyper(0.0,          NonNegative,  "how much more than its due a label counts when sampling",
                              sampling=True)

    criterion, higher = "L_simple", False
    heads = 1

    def __post_init__(self):
        check(self)
        if self.embedding % 2:
            raise ValueError(f"embedding={self.embedding} is odd; expected an even number, of sines and cosines.")
        if self.guidance and not self.classes:
            raise ValueError(f"guidance={self.guidance} wants labels; expected classes, or leave it out.")

    @functools.cache
    def _net(self, D):
        """The shape that the net sees, and init and `on` of all its parts."""
        view, make = NETS[self.net]
        *sides, C  = view(self.shape or (D,))
        halved     = 2**(len(self.widths) - 1)
        if self.net == "unet" and any(side % halved for side in sides):
            raise ValueError(f"net='unet' was given examples of shape {self.shape or (D,)} and widths={self.widths}; "
                             f"expected sides that are multiples of {halved}: choose fewer widths, or net='mlp'.")
        E          = self.embedding
        parts      = {"net": make(self, C, self.heads * C, len(sides)), "step": mlp((E, E, E), "silu")}
        if self.classes:
            parts["label"] = embedding(self.classes + 1, E)
        return (*sides, C), *joined(parts)

    def said(self, params, x, t, y):
        """What the net says of x [B, D] at the steps t [] or [B], told the labels y [B]: `heads` times [B, D]."""
        shape, _, on = self._net(x.shape[1])
        f, t = on(params), t if getattr(t, "ndim", 0) else xp.full(len(x), t)
        e,   = f("step", sinusoidal(t, self.embedding))
        h    = f("net", xp.reshape(x, (len(x), *shape)), e + f("label", y) if self.classes else e)
        C    = shape[-1]
        return [xp.reshape(h[..., a:a + C], x.shape) for a in range(0, h.shape[-1], C)]

    def told(self, batch, stream):
        """The labels of a training batch, some of them left out; None where the model is told none."""
        y = self.labels(batch)
        if self.classes:
            y = xp.where(stream("unlabelled").uniform(len(y)) < self.unlabelled, self.classes, y)
        return y

    def noise_error(self, x0, stream, steps, eps_hat):
        """|eps - eps_hat(x0, t, eps)|^2 [B], a mean over a few random t of 1 .. `steps`."""
        error = 0
        for i in range(PASSES):
            t, eps = stream("t")(i).integers(1, steps + 1, len(x0)), stream("eps")(i).normal(x0.shape, x0.dtype)
            error += per_example((eps - eps_hat(x0, t, eps))**2) / PASSES
        return error

    def chain(self, params, stats, stream, n, frames=40):
        """From noise to n examples, for pictures: [frames, n, D], of levels in [0, 1]; all states where there are
        fewer."""
        steps  = self.passes
        shown  = {round(i * steps / (frames - 1)) for i in range(frames)} if steps >= frames else range(steps + 1)
        count, states = itertools.count(), []
        self.sample(params, stats, stream, n, seen=lambda x: next(count) in shown and states.append(self.shown(x)))
        return xp.stack(states)
