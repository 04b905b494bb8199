"""Boltzmann machines that train.   Hinton 2002 (cd); Tieleman 2008 (pcd); Salakhutdinov and Murray 2008 (log Z)"""
import dataclasses

from backends import xp
from backends.random import Stream
from scratch import trees
from scratch.autodiff import sigmoid
from scratch.autodiff.tape import Traced
from scratch.data.checks import check_memory
from scratch.energies import boltzmann
from scratch.energies.ais import ais, log_mean_and_error
from scratch.energies.ebm import contrast, log_partition
from scratch.hyper import Choice, Count, Fraction, Kind, NonNegative, Positive, Whole, hyper
from scratch.train import Descent, OfBits

Several = Kind(int, lambda v: Count.ok(v) and v > 1, "an integer of at least 2")
Listed  = Kind(int, lambda v: Whole.ok(v) and v <= boltzmann.MOST, f"an integer from 0 to {boltzmann.MOST}")


def draw(u, E):
    """Which of the states with energies E [n] these uniforms draw, int64 [...]: the first that it and those before have
    a probability of u together."""
    E = E.astype("float64")
    P = xp.cumsum(xp.exp(-E - log_partition(E)))
    return xp.minimum(xp.searchsorted(P, u), len(E) - 1)


# ---- how it learns ---------------------------------------------------------------------------------------------------
def by_enumeration(model, law, stats, x, stream):
    """-log p itself."""
    return xp.mean(model.energy(x, **law)) + model.log_partition(**law), stats


def from_data(model, law, stats, x, stream):
    """CD-k: against k sweeps from the data."""
    return contrast(lambda v: model.energy(v, **law), x, model.swept(law, x, stream, model.k)), stats


def from_chains(model, law, stats, x, stream):
    """Persistent: against k sweeps from where the last step's chains ended."""
    chains = model.swept(law, stats["chains"], stream, model.k)
    return contrast(lambda v: model.energy(v, **law), x, chains), {**stats, "chains": chains}


LEARN = {"exact": by_enumeration, "cd": from_data, "pcd": from_chains}


@dataclasses.dataclass(frozen=True)
class Machine(OfBits, Descent):
    """A law of bits known by its energy. params are offsets from each pixel by itself: all are 0 there.

    log p(x) is exact where a layer has at most `listed` units. Else log Z is estimated by annealed importance sampling
    from each pixel by itself, with random numbers that are always the same: on the mean it is too low, and so log p(x)
    too high, by about half the square of the error that `evaluate` gives with it; where that error comes near 1 a few
    chains have all the weight, and it says nothing. `prepared` finds log Z once for many calls.

    A subclass has `energy(x, **law)`, `log_partition(**law)`, `sweep(stream, x, **law)`, `enumerated(stream, n, **law)`
    which draws n examples, and `size(D)` of W. stats hold `rates` [D], and where it learns by pcd `chains` [chains, D].
    """
    likelihood = "up to Z"

    lr:           float = hyper(5e-3,  Positive,      "learning rate")
    ema:          float = hyper(0.999, Fraction,      "decay of the average of the weights that is used afterwards; 0 "
                                                      "for the weights themselves")
    learn:        str   = hyper("pcd", Choice(LEARN), "the model's side of the gradient: exact, by enumeration; "
                                                      "cd, from the data; pcd, from chains that persist")
    k:            int   = hyper(5,     Count,         "sweeps of Gibbs sampling a step")
    chains:       int   = hyper(100,   Several,       "that persist, and of an estimate of log Z")
    decay:        float = hyper(0.0,   NonNegative,   "weight of half the sum of squares of W")
    listed:       int   = hyper(16,    Listed,        "units of the smaller layer up to which all its states are "
                                                      "listed, for log Z and for samples")
    temperatures: int   = hyper(1000,  Count,         "steps of an estimate of log Z")
    sweeps:       int   = hyper(1000,  Count,         "of Gibbs sampling, of samples of a law that is not listed",
                                sampling=True)

    def lists(self, D):
        """Are the states of the smaller layer listed?"""
        return min(self.size(D)) <= self.listed

    def init(self, stream, example):
        rates  = self.rates(example["x"])
        n, m   = self.size(len(rates))
        if self.learn == "exact" and not self.lists(len(rates)):
            raise ValueError(f"learn='exact' enumerates the smaller layer, of {min(n, m)} units; expected at most "
                             f"listed={self.listed}: choose learn='pcd'.")
        check_memory(20 * n * m, f"A machine of {n} x {m} weights", "choose fewer units")
        params = {"W": 0.01 * stream("W").normal((n, m)), "b": xp.zeros(n, dtype="float32")}
        chains = {"chains": self.independent(stream("chains"), rates, self.chains)} if self.learn == "pcd" else {}
        return params, {"rates": rates, **chains}

    def at(self, params, stats, beta=1.0):
        """The law between each pixel by itself, at beta = 0, and the model's, at 1."""
        return {**trees.map(lambda a: beta * a, params), "b": xp.logit(stats["rates"]) + beta * params["b"]}

    def independent(self, stream, rates, n):
        """n examples, each pixel by itself [n, D]."""
        return (stream.uniform((n, len(rates)), rates.dtype) < rates).astype(rates.dtype)

    def swept(self, law, x, stream, k):
        """x after k sweeps."""
        for i in range(k):
            x = self.sweep(stream(i), x, **law)
        return x

    def loss(self, params, stats, batch, stream):
        """What its gradient is taken of: in nats -log p, a mean over the batch, where it learns exactly; else a
        contrast of energies, whose value says little. And the decay."""
        x            = batch["x"].astype(stats["rates"].dtype)
        value, stats = LEARN[self.learn](self, self.at(params, stats), stats, x, stream)
        return value + self.decay / 2 * xp.sum(params["W"]**2), (stats, {})

    def log_z(self, params, stats, stream=Stream.seed(0)):
        """log Z and the standard error of its estimate, 0 where it is exact, in nats [] each. Raises TypeError where a
        derivative is asked of the estimate, which has that of another number."""
        if "log Z" in stats:
            return stats["log Z"]
        rates, law = stats["rates"], lambda beta: self.at(params, stats, beta)
        if self.lists(len(rates)):
            log_Z = self.log_partition(**law(1.0))
            return log_Z, xp.zeros_like(log_Z)
        if any(isinstance(leaf, Traced) for leaf in trees.leaves(params)):
            raise TypeError("The estimate of log Z has no gradient; expected plain arrays: learn by cd or pcd, or list "
                            "the states of the smaller layer.")
        log_Z0 = -self.energy(xp.zeros_like(rates), **law(0.0)) - xp.sum(xp.log1p(-rates))
        log_w  = ais(self.independent(stream("x"), rates, self.chains),
                     [t / self.temperatures for t in range(self.temperatures + 1)],
                     lambda x, beta: self.energy(x, **law(beta)),
                     lambda t, x, beta: self.sweep(stream(t), x, **law(beta)))
        log_m, error = log_mean_and_error(log_w)
        return log_Z0 + log_m, error

    def prepared(self, params, stats):
        return {**stats, "log Z": self.log_z(params, stats)}

    def density(self, params, stats, x):
        log_Z, _ = self.log_z(params, stats)
        return -self.energy(x.astype(stats["rates"].dtype), **self.at(params, stats)) - log_Z

    def evaluate(self, params, stats, batch, stream, draws=1):
        """log p(x_n) of each example in nats, and the log Z in it with its standard error, [N] each. Raises as
        `log_prob` does."""
        stats = self.prepared(params, stats)
        log_p = self.log_prob(params, stats, batch["x"])
        log_Z, error = stats["log Z"]
        return {self.criterion: log_p, "log Z": log_Z + 0 * log_p, "error of log Z": error + 0 * log_p}

    def sample(self, params, stats, stream, n):
        """n examples, int64 [n, D]: of the law itself where it is enumerated, else after `sweeps`."""
        law, rates = self.at(params, stats), stats["rates"]
        if self.lists(len(rates)):
            return self.enumerated(stream, n, **law).astype(xp.int64)
        x = self.independent(stream("x"), rates, n)
        return self.swept(law, x, stream, self.sweeps).astype(xp.int64)


@dataclasses.dataclass(frozen=True)
class Boltzmann(Machine):
    """Fully visible Boltzmann machine. params are W [D, D] and b [D]; what is said of `Machine` holds."""
    energy        = staticmethod(boltzmann.boltzmann_energy)
    log_partition = staticmethod(boltzmann.boltzmann_log_z)

    def size(self, D):
        return D, D

    def sweep(self, stream, x, W, b):
        return boltzmann.boltzmann_gibbs(x, stream.uniform(x.shape, W.dtype), W, b)

    def enumerated(self, stream, n, W, b):
        E = boltzmann.listed(lambda x: self.energy(x, W, b), W)
        return boltzmann.bits(draw(stream.uniform((n,), "float64"), E), len(b))


@dataclasses.dataclass(frozen=True)
class RBM(Machine):
    """Restricted Boltzmann machine. params are W [D, H], b [D] and c [H]; what is said of `Machine` holds."""
    hidden: int = hyper(64, Count, "hidden units")

    energy        = staticmethod(boltzmann.free_energy)
    log_partition = staticmethod(boltzmann.log_z)

    def init(self, stream, example):
        params, stats = super().init(stream, example)
        return {**params, "c": xp.zeros(self.hidden, dtype="float32")}, stats

    def size(self, D):
        return D, self.hidden

    def sweep(self, stream, v, W, b, c):
        u_h, u_v = (stream(name).uniform((len(v), n), W.dtype) for name, n in (("h", len(c)), ("v", len(b))))
        return boltzmann.gibbs(v, u_h, u_v, W, b, c)

    def enumerated(self, stream, n, W, b, c):
        turn  = len(c) < len(b)
        layer = (W.T, c, b) if turn else (W, b, c)
        E = boltzmann.listed(lambda x: self.energy(x, *layer), layer[0])
        x = boltzmann.bits(draw(stream("x").uniform((n,), "float64"), E), len(layer[1])).astype(W.dtype)
        u = stream("v").uniform((n, len(b)), W.dtype)
        return u < sigmoid(boltzmann.visible_logits(x, W, b)) if turn else x
