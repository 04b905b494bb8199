"""Generative adversarial networks that train: two networks wired to the game of `objectives`."""
import dataclasses
import functools
import math

from backends import xp
from scratch import optim, trees
from scratch.autodiff import logsumexp
from scratch.data import PARTS
from scratch.data.levels import check_examples, one_hot
from scratch.gans.nets import NETS
from scratch.gans.objectives import OBJECTIVES, gradient_penalty
from scratch.hyper import Choice, Count, Fraction, NonNegative, Positive, Sizes, Whole, hyper
from scratch.metrics.codes import arithmetic, lerp, slerp
from scratch.mixtures.bernoulli import log_joint
from scratch.nets import ACTIVATIONS
from scratch.nets.normalisation import running
from scratch.train import Standardised

CODE = 32                   # numbers in a code, unless told otherwise


@dataclasses.dataclass(frozen=True)
class GAN(Standardised):
    """Generative adversarial network: a generator x = G(z), z ~ N(0, I), and a critic learn against each other; with
    classes both are told the labels.   Goodfellow et al. 2014; Mirza and Osindero 2014

    params are {"generator", "critic"}; stats are the centre and the scale [D] of the data, and the running moments of
    the generator's batch normalisations. There is no log-likelihood: its samples are measured. With `codes` z is one of
    so many, all equally likely; of bits G(z) is then the means, which the critic sees, and `log_prob` knows the law.
    Raises ValueError for hyper-parameters and data that do not go together.
    """
    lr:         float = hyper(1e-3,            Positive,            "learning rate")
    beta1:      float = hyper(0.5,             Fraction,            "decay of Adam's mean of the gradient")
    beta2:      float = hyper(0.999,           Fraction,            "decay of Adam's mean of its square")
    batch_size: int   = hyper(128,             Count,               "examples a step of the critic, or all where there "
                                                                    "are fewer")
    ema:        float = hyper(0.99,            Fraction,            "decay of the average of the weights that is used "
                                                                    "after training; 0 for the weights themselves")
    objective:  str   = hyper("nonsaturating", Choice(OBJECTIVES),  "what the two minimise")
    k:          int   = hyper(1,               Count,               "steps of the critic for each of the generator")
    penalty:    float = hyper(0.0,             NonNegative,         "weight of the gradient penalty; 0 for none")
    clip_weights: float = hyper(0.0,           NonNegative,         "largest weight of the critic; 0 for no limit")
    net:        str   = hyper("mlp",           Choice(NETS),        "fully connected, or convolutional for images")
    latent:     int   = hyper(0,               Whole,               "numbers in the code; 0 for as many as an "
                                                                    f"example has, at most {CODE}")
    codes:      int   = hyper(0,               Whole,               "codes there are, each a vector of its own; 0 for "
                                                                    "normal ones")
    hidden:     tuple = hyper((128, 128, 128), Sizes,               "sizes of the generator's hidden layers, from "
                                                                    "z on; channels of a convolutional one")
    activation: str   = hyper("relu",          Choice(ACTIVATIONS), "between the layers; in a convolutional generator "
                                                                    "it is relu")

    criterion, higher = "Fréchet distance", False
    likelihood = property(lambda self: "exact" if self.codes else "none")
    last = True                 # moments cannot choose: of a ring they like best what covers none of its modes

    def view(self, data, stream):
        few = [part for part in PARTS if len(getattr(data, part)["x"]) < 2]
        if few:
            raise ValueError(f"The data have one example for {few[0]}; expected two at least, whose moments samples "
                             "are held against.")
        data = super().view(data, stream)
        if self.codes and (data.levels != 2 or self.classes):
            raise ValueError(f"codes={self.codes}, but the data have {data.levels or 'no'} levels and classes="
                             f"{self.classes}; expected 2 levels and no classes: of bits the law is then known.")
        return data

    def init(self, stream, example):
        stats   = self.units(example)
        params  = {name: init(stream(name)) for name, (init, _) in self._players(len(stats["centre"])).items()}
        z, y    = self.drawn_codes(stream, stats, 2), xp.zeros(2, dtype="int64")
        moments = self._generate(params["generator"], z, self._told(y), len(stats["centre"]))[1]
        return params, stats | {"moments": [(xp.zeros_like(mean), xp.ones_like(var)) for (mean, var), _ in moments]}

    def batches(self, data, stream, start):
        """Batches of k minibatches one after the other: what an update takes."""
        minibatches = super().batches(data, stream, start * self.k)
        for few in zip(*[minibatches] * self.k):
            yield {name: xp.concatenate([batch[name] for batch in few]) for name in few[0]}

    # ---- the players -------------------------------------------------------------------------------------------------
    @functools.cache
    def _players(self, D):
        nets = NETS[self.net](self.shape or (D,), self.codes or self.latent or min(D, CODE), self.hidden, self.classes,
                              self.activation, normalised=not self.penalty)
        return dict(zip(("generator", "critic"), nets))

    def _generate(self, params, z, y, D, moments=None):
        x, moments = self._players(D)["generator"][1](params, z, y, moments)
        return xp.tanh(x) if self.levels else x, moments                        # of bits 2 sigmoid(2 x) - 1

    def _judge(self, params, x, y):
        return self._players(x.shape[1])["critic"][1](params, x, y)

    def _told(self, y):
        """Labels [m] as numbers [m, classes], None where the players are not told any."""
        return one_hot(y, self.classes) if self.classes else None

    # ---- the game ----------------------------------------------------------------------------------------------------
    def critic_loss(self, params, real, fake, y, alpha):
        """What the critic minimises, of examples and samples [m, D] in its units and of their labels, and its terms."""
        judge = lambda x: self._judge(params, x, y)
        value = OBJECTIVES[self.objective].critic(judge(real), judge(fake))
        if not self.penalty:
            return value, {}
        penalty = self.penalty * gradient_penalty(judge, real, fake, alpha)
        return value + penalty, {"penalty": penalty}

    def generator_loss(self, params, critic, z, y, D):
        """What the generator minimises, of codes [m, Z] and labels, and the moments of its batch normalisations."""
        fake, moments = self._generate(params, z, y, D)
        return OBJECTIVES[self.objective].generator(self._judge(critic, fake, y)), moments

    def update(self, state, batch, stream):
        """k steps of the critic, each on examples and noise of its own, then one of the generator; metrics: what each
        minimised, in its last step, and the penalty therein.   Goodfellow et al. 2014, Algorithm 1"""
        x = self.seen(batch["x"], state.stats)
        y = self._told(self.labels(batch))
        for i in range(self.k):
            real, told  = x[i::self.k], y if y is None else y[i::self.k]
            loss, terms = self.critic_step(state, real, told, i, stream("critic")(i))
        value, moments = self.generator_step(state, len(real), told, stream("generator"))
        step = state.step + 1
        if self.ema:
            optim.averaged(state.moments["average"], state.flat[0], step, self.ema)
        decay = min(self.ema or 0.9, step / (step + 9))                         # of the moments, as of the weights
        stats = {**state.stats, "moments": [running(old, new, n, decay)
                                            for old, (new, n) in zip(state.stats["moments"], moments)]}
        return state._replace(step=step, stats=stats), {"critic": loss, **terms, "generator": value}

    def critic_step(self, state, real, y, i, stream):
        """Step i of k of the critic, on examples and as many samples; the generator stays as it is."""
        z       = self.drawn_codes(stream("z"), state.stats, len(real))
        alpha   = stream("alpha").uniform(len(real), real.dtype)
        fake, _ = self._generate(state.params["generator"], z, y, real.shape[1])
        found   = self._descend(state, "critic", state.step * self.k + i + 1,
                                lambda params: self.critic_loss(params, real, fake, y, alpha))
        if self.clip_weights:
            w    = self._own(state, "critic", state.flat[0])
            w[:] = xp.clip(w, -self.clip_weights, self.clip_weights)
        return found

    def generator_step(self, state, m, y, stream):
        """A step of the generator, on m samples; the critic stays as it is."""
        z, D = self.drawn_codes(stream("z"), state.stats, m), len(state.stats["centre"])
        return self._descend(state, "generator", state.step + 1,
                             lambda params: self.generator_loss(params, state.params["critic"], z, y, D))

    def _own(self, state, player, flat):
        """The part of a buffer that belongs to a player."""
        first = state.flat[1].starts[len(trees.leaves(state.params["generator"]))]              # of the critic's leaves
        return flat[:first] if player == "generator" else flat[first:]

    def _descend(self, state, player, t, loss):
        """Step t of the optimiser of one player, in place; the loss before it, and what it gives besides."""
        moments = {name: self._own(state, player, moment) for name, moment in state.moments.items()}
        decays  = {"beta1": self.beta1, "beta2": self.beta2} if self.optimiser == "adam" else {}
        params  = state.params[player]
        return self.descend(loss, params, self._own(state, player, state.flat[0]), optim.Layout.of(params), moments, t,
                            **decays)

    # ---- what it has learned -----------------------------------------------------------------------------------------
    def drawn_codes(self, stream, stats, n):
        """n codes [n, Z] of N(0, I), or rows of the identity."""
        D = len(stats["centre"])
        if self.codes:
            return one_hot(stream.integers(0, self.codes, n), self.codes).astype(stats["centre"].dtype)
        return stream.normal((n, self.latent or min(D, CODE)), stats["centre"].dtype)

    def generate(self, params, stats, z, y=None):
        """Samples [n, D], in the model's units, of codes z [n, latent] and, where it is told any, of classes y [n]."""
        return self._generate(params["generator"], z, self._told(y), len(stats["centre"]), stats["moments"])[0]

    def sample(self, params, stats, stream, n, y=None):
        """n examples [n, D], in the units of the data: of the labels y [n] where it is told any, random ones unless
        given. Raises TypeError or ValueError for labels that make no sense."""
        z = self.drawn_codes(stream("z"), stats, n)
        y = self.drawn_labels(stream("y"), stats, n, y)
        x = self.generate(params, stats, z, y)
        if self.codes:
            return (stream("x").uniform(x.shape, x.dtype) < self.shown(x)).astype(xp.int64)
        return self.as_data(x, stats)

    def evaluate(self, params, stats, batch, stream, draws=1):
        """log P(x_n) of each example in nats [N], where there are codes."""
        return {"log-likelihood": self.log_prob(params, stats, batch["x"])}

    def log_prob(self, params, stats, x):
        """log P(x_n) in nats [N] of bits, in the precision of stats: a mixture of as many components as codes, equal in
        weight. Raises ValueError where there are no codes, and as `check_examples` does."""
        if not self.codes:
            raise ValueError("log_prob was asked of codes=0; expected a finite number of codes, over which a sum can "
                             "go: else a GAN has no law that is known.")
        x = check_examples(x, len(stats["centre"]), 2).astype(stats["centre"].dtype)
        z = xp.eye(self.codes, dtype=x.dtype)
        l = 2 * self._players(x.shape[1])["generator"][1](params["generator"], z, None, stats["moments"])[0]
        return logsumexp(log_joint(x, -math.log(self.codes), l), axis=1)

    def pictures(self, params, stats, batch, stream):
        """Images in [0, 1]: eight ways between codes, a row each; and samples, each above what it becomes when the mean
        code of samples with much ink, less that of samples with little, is added to its own. Of a class each. Where
        the codes are finitely many, what each of them says."""
        if self.codes:
            return {"components": self.shown(self.generate(params, stats, xp.eye(self.codes, dtype="float32")))}
        a, b = (self.drawn_codes(stream(end), stats, 8)[:, None] for end in "ab")
        way  = (slerp if a.shape[-1] > 1 else lerp)(a, b, (xp.arange(8, dtype=a.dtype) / 7)[:, None])
        z    = self.drawn_codes(stream("z"), stats, 512)
        y    = self.drawn_labels(stream("y"), stats, 512)
        draw = lambda z, y: self.shown(self.generate(params, stats, z, y))
        ink  = xp.argsort(xp.mean(draw(z, y), axis=1))
        few  = ink[64:96]
        more = arithmetic(xp.mean(z[ink[-64:]], axis=0), xp.mean(z[ink[:64]], axis=0), z[few])
        told = y if y is None else y[few]
        return {"interpolation": draw(xp.reshape(way, (64, -1)), xp.arange(64) // 8 % max(self.classes, 1)),
                "arithmetic":    xp.stack([draw(z[few], told), draw(more, told)], axis=1)}
