"""Noise-conditional score networks that train: a net wired to the mathematics of `scores`."""
import dataclasses
import math

from backends import xp
from scratch.data.checks import check_array
from scratch.diffusion import scores
from scratch.diffusion.ddpm import at, guided
from scratch.diffusion.nets import Told
from scratch.hyper import Choice, Count, Positive, hyper


@dataclasses.dataclass(frozen=True)
class NCSN(Told):
    """A net that is told x and how much noise is in it, and says the score of such data.   Song, Ermon 2019, 2020

        s_theta(x, sigma) = net(x / sqrt(1 + sigma^2), sigma) / sigma

    so that what the net sees and what it says are of one size at every level. params are those of `Told`; stats are the
    centre and the scale [D] of the data, and the noise levels. Raises ValueError for hyper-parameters and data that do
    not go together.
    """
    objective: str   = hyper("denoising", Choice(scores.OBJECTIVES), "by what the score of each level is learned")
    largest:   float = hyper(5.0,         Positive,                  "deviation of the noise at the first level, in "
                                                                     "units of the data's")
    smallest:  float = hyper(0.04,        Positive,                  "at the last")
    L:         int   = hyper(25,          Count,                     "noise levels, in equal ratios")
    T:         int   = hyper(4,           Count,                     "Langevin steps at each level", sampling=True)
    step:      float = hyper(0.6,         Positive,                  "of these, in units of the level's variance",
                             sampling=True)

    def __post_init__(self):
        super().__post_init__()
        if self.step >= 4:
            raise ValueError(f"step={self.step} is too long; expected less than 4, from which on the chain flees "
                             "instead of coming to rest.")

    def init(self, stream, example):
        stats      = self.units(example) | {"sigmas": scores.levels(self.largest, self.smallest, self.L)}
        _, init, _ = self._net(len(stats["centre"]))
        return init(stream), stats

    @property
    def passes(self):
        return self.L * self.T + 1

    @property
    def simple(self):
        return self.objective == "denoising"

    def score(self, params, y, guidance=0):
        """s_theta(x, sigma), for sigma [] or [B, 1]."""
        def told(x, sigma, y=y):
            t     = (self.L - 1) * xp.log(self.largest / sigma) / math.log(self.largest / self.smallest)    # 0 .. L - 1
            said, = self.said(params, x / xp.sqrt(1 + sigma**2), (t + xp.zeros_like(x[:, :1]))[:, 0], y)
            return said / sigma

        def steered(x, sigma):
            return guided(told(x, sigma), told(x, sigma, xp.full_like(y, self.classes)), guidance)
        return steered if guidance and self.classes else told

    # ---- what a run needs --------------------------------------------------------------------------------------------
    def loss(self, params, stats, batch, stream):
        """Twice the weighted objective at a random level of each example: L_simple, where that is denoising."""
        x     = self.seen(batch["x"], stats)
        sigma = at(stats["sigmas"], stream("t").integers(1, self.L + 1, len(x)), x)                     # [B, 1]
        eps   = stream("eps").normal(x.shape, x.dtype)
        v     = xp.where(stream("v").uniform(x.shape, x.dtype) < 0.5, -1, 1).astype(x.dtype)
        s     = self.score(params, self.told(batch, stream))
        return 2 * scores.weighted(self.objective, s, x, eps, sigma, v), (stats, {})

    def evaluate(self, params, stats, batch, stream, draws=1):
        """Of each example [B]: L_simple, the squared error of the noise that the score says, whatever it was learned
        by, a mean over a few random levels. Raises ValueError for data of another shape."""
        x = check_array(batch["x"], "x", (None, len(stats["centre"])), keep_integers=True)
        s = self.score(params, self.labels(batch))

        def eps_hat(x, i, eps):
            sigma = at(stats["sigmas"], i, x)
            return scores.eps_of_score(s(x + sigma * eps, sigma), sigma)
        return {"L_simple": self.noise_error(self.seen(x, stats), stream, self.L, eps_hat)}

    def sample(self, params, stats, stream, n, y=None, seen=lambda x: None):
        """n examples [n, D], in the units of the data, by annealed Langevin dynamics and the best guess of what lies
        under the last noise: of the labels y [n] where it is told any, random ones unless given. seen(x) is called with
        each state on the way. Raises TypeError or ValueError for labels that make no sense."""
        D, dtype, sigmas = len(stats["centre"]), stats["centre"].dtype, stats["sigmas"]
        s = self.score(params, self.drawn_labels(stream("y"), stats, n, y), self.guidance)

        def watched(x, sigma):
            seen(x)
            return s(x, sigma)
        sigma = sigmas[-1].astype(dtype)
        eps   = self.step * self.smallest**2                                       # alpha_i = step sigma_i^2
        xi    = lambda i, t: stream("xi")(i)(t).normal((n, D), dtype)
        x     = self.largest * stream("x").normal((n, D), dtype)
        x     = scores.annealed(watched, x, xi, sigmas, eps, self.T)
        x     = scores.tweedie(x, watched(x, sigma), sigma)
        seen(x)
        return self.as_data(x, stats)
