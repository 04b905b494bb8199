"""A small classifier, whose eyes see samples: features for the Fréchet distance, and which class they would be."""
import dataclasses
import math
from typing import NamedTuple

from backends import xp
from backends.random import Stream
from scratch.autodiff import log_softmax
from scratch.data.checks import check_labels
from scratch.data.levels import one_hot, quantise, units
from scratch.hyper import Count, Fraction, Levels, NonNegative, Positive, Sizes, hyper
from scratch.nets import affine, mlp, relu
from scratch.train import Descent, fit

STEPS, MOST = 1000, 100         # of its training; classes of data that it is trained on


@dataclasses.dataclass(frozen=True)
class Classifier(Descent):
    """Fully connected classifier of labelled data, trained by the cross-entropy.

    params are the list of its affine maps; stats are the centre [D] and the scale [D] of the data: the columns' mean,
    and their deviation or, where they are levels, the greatest.
    """
    lr:         float = hyper(5e-3,      Positive,    "learning rate")
    batch_size: int   = hyper(64,        Count,       "examples a step, or all where there are fewer")
    ema:        float = hyper(0.99,      Fraction,    "decay of the average of the weights that is used "
                                                      "after training; 0 for the weights themselves")
    hidden:     tuple = hyper((128, 32), Sizes,       "sizes of the hidden layers; the last are the features")
    noise:      float = hyper(0.2,       NonNegative, "deviation of the noise on the data while training")
    levels:     int   = hyper(None,      Levels,      "of the data, where they do not say it themselves")

    def init(self, stream, example):
        x, D    = example["x"], example["x"].shape[1]
        classes = int(xp.max(check_labels(example["y"], len(x)))) + 1
        centre, scale = units(x)
        if self.levels:
            scale = xp.full(D, self.levels - 1, dtype="float32")
        return mlp((D, *self.hidden, classes))[0](stream), {"centre": centre, "scale": scale}

    def _seen(self, stats, x):
        return (x - stats["centre"]).astype(stats["centre"].dtype) / stats["scale"]

    def _features(self, params, x):
        return relu(mlp((x.shape[1], *self.hidden))[1](params[:-1], x)[0])

    def _log_p(self, params, x):
        return log_softmax(affine(self._features(params, x), params[-1]["W"], params[-1]["b"]))

    def features(self, params, stats, x):
        """What the last hidden layer says of x [n, D], which is as the data come: [n, hidden[-1]]."""
        return self._features(params, self._seen(stats, x))

    def log_prob(self, params, stats, x):
        """log p(y | x) of every class, in nats [n, classes]."""
        return self._log_p(params, self._seen(stats, x))

    def loss(self, params, stats, batch, stream):
        """-log p(y | x) in nats, a mean over the batch, of the data with noise."""
        x = self._seen(stats, batch["x"])
        x = x + self.noise * stream.normal(x.shape, dtype=x.dtype)
        return -xp.mean(_at(self._log_p(params, x), batch["y"])), (stats, {})

    def evaluate(self, params, stats, batch, stream, draws=1):
        """Of each example [B]: log p(y | x) in nats, and 1 where the likeliest class is the right one."""
        log_p = self.log_prob(params, stats, batch["x"])
        right = xp.argmax(log_p, axis=1) == batch["y"]
        return {self.criterion: _at(log_p, batch["y"]), "right": right.astype(log_p.dtype)}


def _at(log_p, y):
    """log p(y | x) of the right class [B]; -inf of one that it does not know."""
    return xp.max(xp.where(one_hot(y, log_p.shape[1]) > 0, log_p, -math.inf), axis=1)


class Eyes(NamedTuple):
    """A classifier that has learned."""
    model:  Classifier
    params: list
    stats:  dict

    def features(self, x):
        """[n, 32] of samples x [n, D], as the data come."""
        return self.model.features(self.params, self.stats, x)

    def log_prob(self, x):
        """log p(y | x) of every class, in nats [n, classes]."""
        return self.model.log_prob(self.params, self.stats, x)


def shares(log_p):
    """The share of each class [classes] among samples of log p(y | x) [n, classes], each taken for the likeliest."""
    return xp.mean(xp.argmax(log_p, axis=1)[:, None] == xp.arange(log_p.shape[1]), axis=0)


def labelled(data):
    """Have the data labels, of MOST classes at most?"""
    return "y" in data.train and int(xp.max(data.train["y"])) < MOST


def eyes(data, stream=Stream.seed(0), steps=STEPS):
    """The classifier of the training part of `data`, always the same one for the same stream; None where the data are
    not `labelled`, and where it learned nothing: its features are the same of all of them."""
    if not labelled(data):
        return None
    model = Classifier(levels=data.levels)
    train = data.train | {"x": as_levels(data.train["x"], data.levels)}
    state = model.start(stream("init"), train)
    for state, _ in fit(model, state, model.batches(train, stream("batches"), 0), stream("step"), steps):
        pass
    found = Eyes(model, model.weights(state), state.stats)
    seen  = found.features(train["x"])
    return found if bool(xp.any(seen != seen[:1])) else None


def as_levels(x, levels):
    """Whole levels of floats dequantised from them; else x itself."""
    return quantise(x, levels) if levels and x.dtype.kind == "f" else x
