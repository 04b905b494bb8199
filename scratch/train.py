"""Training: what a run needs of a model, gradient descent for all models that learn by it, and the one loop."""
import dataclasses
import itertools
import math
import sys
from typing import Any, NamedTuple

from backends import to_host, xp
from backends.random import Stream
from scratch import optim, trees
from scratch.autodiff import value_and_grad
from scratch.data import PARTS, batches
from scratch.data.checks import check_array, check_labels
from scratch.data.levels import check_examples, one_hot, units
from scratch.hyper import Choice, Count, Fraction, Levels, NonNegative, Positive, Sizes, Whole, check, hyper

PRECISIONS = ("float32", "float64")


class State(NamedTuple):
    """All that changes while a model learns. An update may consume it: who wants to keep a state copies it."""
    step:    int                # updates made
    params:  Any                # a tree of arrays: what is learned; set by `restore` alone, as parts of `flat`
    stats:   Any = {}           # a tree of arrays: what is learned without a gradient
    moments: dict = {}          # of the optimiser, and the average of the weights: flat buffers
    flat:    Any = None         # the buffer that the leaves of params are parts of, and where they lie in it
    metrics: dict = {}          # of the last update, floats
    done:    bool = False       # does the model say that there is nothing more to learn?


class Model:
    """A frozen dataclass of hyper-parameters, with what a run needs. Besides this a model has

        init(stream, example) -> params, stats             example: the training data, {"x": [N, D], ...}
        batches(data, stream, start) -> batches            of the training data, endless, from step `start` on
        update(state, batch, stream) -> state, metrics     one step, metrics arrays of one number
        evaluate(params, stats, batch, stream) -> {name: [B]}        each example's, among them `criterion`, unless that
                                                                     is the Fréchet distance of its samples
        sample(params, stats, stream, n) -> x              n examples, in the units of the data
    """
    likelihood = "none"                 # what it knows of log p(x): "exact", "up to Z", "bound" or "none"
    criterion = "log-likelihood"        # what the validation split chooses by
    higher    = True                    # is it a log-likelihood, in nats, or an error, of which less is better?
    last      = False                   # is the last state used, whatever the validation says?
    most      = sys.maxsize             # examples of a part that it is judged on, the first
    width     = 1                       # numbers that it makes of each number of an example, when it is judged

    def view(self, data, stream):
        """The data as this model learns it."""
        return data

    def start(self, stream, example):
        """The state before the first step."""
        return State(0, *self.init(stream, example))

    def template(self, shape):
        """A state with the shapes and dtypes of those that this model has on data of this shape."""
        return self.start(Stream.seed(0), {"x": xp.zeros((1, math.prod(shape)), dtype="uint8")})

    def restore(self, step, params, stats, moments):
        """The state of these parts."""
        return State(step, params, stats, moments)

    def weights(self, state):
        """The params that everything but training uses."""
        return state.params

    def finished(self, before, after):
        """Do the metrics of two steps in a row say that there is nothing more to learn?"""
        return False

    def prepared(self, params, stats):
        """stats, with what `evaluate` and `log_prob` would find out at each call."""
        return stats

    def pictures(self, params, stats, batch, stream):
        """{name: images in [0, 1]} of what else there is to see."""
        return {}

    def probe(self, state):
        """A number that is finite only where the parameters are, and the tensors to look at where it is not."""
        return 0.0, {}

    def diagnose(self, state, batch):
        """Why a step on this state broke down, and what to do."""
        return ""


@dataclasses.dataclass(frozen=True)
class Descent(Model):
    """A model that learns by gradient descent on `loss(params, stats, batch, stream) -> value, (stats, terms)`: the
    mean over the batch of what its examples lose, so that every example of a batch counts alike."""
    optimiser:  str   = hyper("adam", Choice(optim.OPTIMISERS), "optimiser")
    lr:         float = hyper(1e-3,   Positive,    "learning rate")
    batch_size: int   = hyper(128,    Count,       "examples a step, or all where there are fewer")
    clip:       float = hyper(0.0,    NonNegative, "largest norm of the gradient; 0 for no limit")
    ema:        float = hyper(0.0,    Fraction,    "decay of the average of the weights that is used after training; "
                                                   "0 for the weights themselves")
    __post_init__ = check

    def start(self, stream, example):
        x = check_array(example["x"], "x", (None, None), keep_integers=True)
        params, stats = self.init(stream, {**example, "x": x})
        state = self.restore(0, params, stats, {})
        for name in optim.OPTIMISERS[self.optimiser][1]:
            state.moments[name] = xp.zeros_like(state.flat[0])
        if self.ema:
            state.moments["average"] = state.flat[0].copy()
        return state

    def restore(self, step, params, stats, moments):
        layout = optim.Layout.of(params)
        flat   = layout.pack(params)
        return State(step, layout.views(flat), stats, moments, (flat, layout))

    def weights(self, state):
        return state.flat[1].views(state.moments["average"]) if self.ema else state.params

    def batches(self, data, stream, start):
        return batches(data, min(self.batch_size, len(data["x"])), stream, start)

    def update(self, state, batch, stream):
        """One step of the optimiser; metrics: the loss before it, and its terms."""
        def loss(params):
            return self.loss(params, state.stats, batch, stream)
        step, (flat, layout) = state.step + 1, state.flat
        value, (stats, terms) = self.descend(loss, state.params, flat, layout, state.moments, step)
        if self.ema:
            optim.averaged(state.moments["average"], flat, step, self.ema)
        return state._replace(step=step, params=layout.views(flat), stats=stats), {"loss": value, **terms}

    def descend(self, loss, params, flat, layout, moments, t, **decays):
        """Step t of the optimiser down loss(params) -> value, aux, of params that lie so in `flat`, in place; gives
        value and aux, of before it."""
        found, gradient = value_and_grad(loss, has_aux=True)(params)
        if self.clip:
            gradient = optim.clip(gradient, self.clip)
        for a, b, g in layout.parts(gradient):
            parts = {name: moment[a:b] for name, moment in moments.items()}
            optim.step(self.optimiser, flat[a:b], g, t, self.lr, parts, **decays)
        return found

    def probe(self, state):
        return xp.dot(state.flat[0], state.flat[0]), {"params": state.params}

    def diagnose(self, state, batch):
        return f"Use a smaller lr than {self.lr}, or clip."


class Exact:
    """What a model has besides that knows log p(x) itself, by two methods of its own, both in nats [B]:
    `log_prob(params, stats, x)` of whatever a user hands over, and `density(params, stats, x)` of examples as the model
    learns them, in the precision of params. It need not be a model of descent."""
    likelihood = "exact"

    def loss(self, params, stats, batch, stream):
        """-log p(x_n) in nats, a mean over the batch."""
        return -xp.mean(self.density(params, stats, batch["x"])), (stats, {})

    def evaluate(self, params, stats, batch, stream, draws=1):
        """log p(x_n) of each example, in nats [N]. Raises as `log_prob` does."""
        return {self.criterion: self.log_prob(params, stats, batch["x"])}


class OfReals(Exact):
    """A model of numbers that have a density: of whole levels it learns dequantised ones, and speaks of those."""
    def view(self, data, stream):
        return data.dequantised(stream)


@dataclasses.dataclass(frozen=True)
class OfBits(Exact):
    """A model of bits [B, D]. stats hold the share of ones of each column, `rates` [D], never 0 and never 1."""
    binarise: str = hyper("threshold", Choice(("threshold", "static")),
                          "how levels become bits: 1 from half the range on, or drawn once")
    levels:   int = hyper(None, Levels, "of the data, where they do not say it themselves")

    def view(self, data, stream):
        return (data.with_levels(self.levels) if self.levels else data).as_bits(self.binarise, stream)

    def rates(self, x):
        """Of the training data, float32. Raises ValueError where they are no bits."""
        x = check_examples(x, x.shape[1], 2)
        return ((xp.sum(x, axis=0, dtype="float32") + 0.5) / (len(x) + 1)).astype("float32")

    def log_prob(self, params, stats, x):
        """log P(x_n) in nats [N] of bits x [N, D], in the precision of stats. Raises as `check_examples` does."""
        return self.density(params, stats, check_examples(x, len(stats["rates"]), 2))


@dataclasses.dataclass(frozen=True)
class EM(Exact, Model):
    """A model that learns by EM on the whole of the data: its log-likelihood never falls. Besides what a model has it
    has the names PARAMS of its params, and

        sizes(D) -> the shape of each                     step(x, *params) -> new params, sum_n log p(x_n) of the old
    """
    tol:       float = hyper(1e-6,      NonNegative,        "stop when a step adds fewer nats to the mean log p(x)")
    precision: str   = hyper("float64", Choice(PRECISIONS), "of the parameters, and so of all that is computed")

    __post_init__ = check

    def batches(self, data, stream, start):
        return itertools.repeat({"x": data["x"].astype(self.precision)})

    def template(self, shape):
        sizes = self.sizes(math.prod(shape))
        return State(0, {name: xp.zeros(size, dtype=self.precision) for name, size in zip(self.PARAMS, sizes)})

    def update(self, state, batch, stream):
        """One step of EM on the whole batch; metrics: the mean log-likelihood before it, in nats."""
        new, log_lik = self.step(batch["x"], *(state.params[name] for name in self.PARAMS))
        return (state._replace(step=state.step + 1, params=dict(zip(self.PARAMS, new))),
                {"log_lik": log_lik / len(batch["x"])})

    def finished(self, before, after):
        """Has the last step added less than `tol`?"""
        return after["log_lik"] - before["log_lik"] < self.tol


@dataclasses.dataclass(frozen=True)
class Standardised(Descent):
    """A model that works in units of its own: levels are numbers in [-1, 1] there, columns of real numbers have mean 0
    and deviation 1. It may be told labels. stats hold the centre and the scale of the data, [D] each, and of labels the
    log shares [classes]."""
    levels:  int   = hyper(None, Levels, "of the data, where they do not say it themselves")
    shape:   tuple = hyper((),   Sizes,  "of an example, colours last, where the data do not say it themselves")
    classes: int   = hyper(0,    Whole,  "labels to be told, 0 for none")

    def view(self, data, stream):
        data = data.with_levels(self.levels) if self.levels else data
        if self.classes:
            parts = {part: getattr(data, part) for part in PARTS}
            data  = dataclasses.replace(data, **{part: d | {"y": check_labels(self.labels(d), len(d["x"]),
                                                                              classes=self.classes)}
                                                 for part, d in parts.items()})
            if missing := set(range(self.classes)) - set(to_host(data.train["y"]).tolist()):
                raise ValueError(f"classes={self.classes}, but no training example has the label {min(missing)}; "
                                 "expected some of each.")
        return dataclasses.replace(data, shape=self.shape or data.shape)

    def labels(self, batch):
        """Those of a batch, None where the model is told none. Raises ValueError where there are none."""
        if self.classes and "y" not in batch:
            raise ValueError(f"classes={self.classes}, but the data has no labels; leave classes out, or give labels.")
        return batch["y"] if self.classes else None

    def drawn_labels(self, stream, stats, n, y=None):
        """Labels y for n samples, unless given as frequent as in the data, None where the model is told none. Raises
        TypeError or ValueError for labels that make no sense."""
        if not self.classes:
            return None
        return stream.categorical(stats["shares"], (n,)) if y is None else check_labels(y, n, classes=self.classes)

    def units(self, example):
        """The stats of training data. Raises ValueError where their shape is another."""
        x, shares = example["x"], {}
        if self.classes:
            count  = xp.sum(one_hot(example.get("y", xp.zeros(0, dtype="int64")), self.classes), axis=0)
            shares = {"shares": xp.where(count > 0, xp.log(xp.maximum(count, 1)), -math.inf)}
        if self.shape and math.prod(self.shape) != x.shape[1]:
            raise ValueError(f"shape={self.shape} has {math.prod(self.shape)} numbers, but examples have {x.shape[1]}; "
                             "expected as many.")
        if self.levels:
            half = xp.full(x.shape[1], (self.levels - 1) / 2, dtype="float32")
            return {"centre": half, "scale": half, **shares}
        centre, scale = units(x)
        return {"centre": centre, "scale": scale, **shares}

    def seen(self, x, stats):
        """x in the model's units, in the precision of stats."""
        return (x - stats["centre"]).astype(stats["centre"].dtype) / stats["scale"]

    def as_data(self, x, stats):
        """x of the model's units as data: whole levels, or real numbers."""
        x = stats["centre"] + stats["scale"] * x
        return xp.clip(xp.rint(x), 0, self.levels - 1).astype(xp.int64) if self.levels else x

    def shown(self, x):
        """x of the model's units for a picture: of levels in [0, 1]."""
        return xp.clip((x + 1) / 2, 0, 1) if self.levels else x


def fit(model, state, batches, stream, steps):
    """Yields state, metrics (floats) after every update, until step `steps` or the model says that it is done; the
    caller prints, saves and stops. Raises ValueError at the step whose metrics or parameters are not finite, and names
    the first of them; the state before it may be consumed by then."""
    for batch in itertools.takewhile(lambda _: state.step < steps and not state.done, batches):
        old = state
        state, metrics = model.update(old, batch, stream(old.step + 1))
        probe, tensors = model.probe(state)
        numbers = [xp.asarray(number, dtype="float64") for number in (*metrics.values(), probe)]
        *values, probe = to_host(xp.stack(numbers)).tolist()                        # one transfer
        metrics = dict(zip(metrics, values))
        bad = [name for name, value in metrics.items() if not math.isfinite(value)]
        if not math.isfinite(probe):
            bad += [name for name, leaf in trees.named(tensors).items() if not bool(xp.all(xp.isfinite(leaf)))]
        if bad:
            raise ValueError(f"Training broke down at step {state.step}: {bad[0]} is not finite. "
                             + model.diagnose(old, batch))
        done  = bool(old.metrics) and model.finished(old.metrics, metrics)
        state = state._replace(metrics=metrics, done=done)
        yield state, metrics
