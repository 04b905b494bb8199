"""Diffusion models that train: a U-Net or a fully connected net wired to the mathematics of `ddpm` and `ddim`."""
import dataclasses

from backends import to_host, xp
from scratch.data.checks import check_array
from scratch.diffusion import ddim, ddpm
from scratch.diffusion.nets import Told
from scratch.diffusion.schedules import SCHEDULES, schedule
from scratch.hyper import Choice, Count, NonNegative, Share, Whole, hyper


@dataclasses.dataclass(frozen=True)
class DDPM(Told):
    """Denoising diffusion: a net is told x_t and t, and says what noise is in it.   Ho et al. 2020

    params are {"net", "step"} and, where it is told labels, {"label"}, whose last row stands for none; stats are the
    centre and the scale [D] of the data, and the schedule. Raises ValueError for hyper-parameters and data that do not
    go together.
    """
    T:          int   = hyper(100,          Count,                    "steps of the chain")
    schedule:   str   = hyper("cosine",     Choice(SCHEDULES),        "how much noise each step adds")
    prediction: str   = hyper("v",          Choice(ddpm.PREDICTIONS), "what the net says, from which the noise follows")
    variance:   str   = hyper("beta",       Choice(("beta", "clipped", "learned")),
                              "of a step back: beta, the posterior's (clipped at the first step), or learned")
    vlb:        float = hyper(1e-3,         NonNegative,              "weight of the bound that learns the variance")
    sampled:    int   = hyper(0,            Whole,                    "steps of a sampler that leaves some out (DDIM), "
                                                                      "0 for the whole chain", sampling=True)
    eta:        float = hyper(0.0,          Share,                    "noise of that sampler: 0 none, 1 the chain's",
                              sampling=True)

    likelihood = "bound"
    most = 1000                 # a pass of the net for every step, for each of them

    def __post_init__(self):
        super().__post_init__()
        if self.sampled > self.T:
            raise ValueError(f"T={self.T}, so sampled={self.sampled} steps are not there; expected at most as many.")
        if self.eta and not self.sampled:
            raise ValueError(f"eta={self.eta} is of the sampler that leaves steps out; expected sampled, the number of "
                             "its steps.")

    def init(self, stream, example):
        stats      = self.units(example) | {"schedule": schedule(SCHEDULES[self.schedule](self.T))}
        _, init, _ = self._net(len(stats["centre"]))
        return init(stream), stats

    @property
    def heads(self):
        return 2 if self.variance == "learned" else 1

    @property
    def passes(self):
        return self.sampled or self.T

    @property
    def simple(self):
        return self.variance != "learned"

    # ---- what the net says -------------------------------------------------------------------------------------------
    def noise(self, params, stats, y, guidance=0):
        """eps_theta(xt, t) -> the noise in x_t and, where the variance is learned, v."""
        s, eps_hat = stats["schedule"], ddpm.PREDICTIONS[self.prediction].eps_hat

        def told(xt, t, y=y):
            said, *v = self.said(params, xt, t, y)
            return eps_hat(xt, t, said, s), *((v + 1) / 2 for v in v)

        def guided(xt, t):
            eps, *v = told(xt, t)
            return ddpm.guided(eps, told(xt, t, xp.full_like(y, self.classes))[0], guidance), *v
        return guided if guidance and self.classes else told

    def back(self, stats, eps_theta):
        """p_theta(xt, t) -> the noise in x_t, and the variance of the step back."""
        s = stats["schedule"]
        if self.variance == "learned":
            return ddpm.learned(eps_theta, s)
        return ddpm.fixed(lambda xt, t: eps_theta(xt, t)[0], ddpm.VARIANCES[self.variance](s))

    # ---- what a run needs --------------------------------------------------------------------------------------------
    def loss(self, params, stats, batch, stream):
        """L_simple at a random step of each example and, where the variance is learned, a part of the bound."""
        x0, s = self.seen(batch["x"], stats), stats["schedule"]
        t     = stream("t").integers(1, self.T + 1, len(x0))
        eps   = stream("eps").normal(x0.shape, x0.dtype)
        eps_theta = self.noise(params, stats, self.told(batch, stream))
        if self.variance == "learned":
            value = ddpm.hybrid_loss(self.back(stats, eps_theta), x0, t, eps, self.vlb, s, self.levels)
        else:
            value = ddpm.simple_loss(lambda xt, t: eps_theta(xt, t)[0], x0, t, eps, s)
        return value, (stats, {})

    def evaluate(self, params, stats, batch, stream, draws=1):
        """Of each example [B]: L_simple, a mean over a few random steps; for draws > 1 the bound on its log-likelihood
        in nats too, by so many steps, spread over the chain, with a draw of noise each: all of them where draws >= T,
        and without bias where fewer. Raises ValueError for data of another shape."""
        x0 = check_array(batch["x"], "x", (None, len(stats["centre"])), keep_integers=True)
        x0, s, y  = self.seen(x0, stats), stats["schedule"], self.labels(batch)
        eps_theta = self.noise(params, stats, y)
        found     = {"L_simple": self.noise_error(x0, stream, self.T,
                                                  lambda x0, t, eps: eps_theta(ddpm.q_sample(x0, t, eps, s), t)[0])}
        if draws > 1:
            eps   = lambda t: stream("bound")(t).normal(x0.shape, x0.dtype)
            ends  = [i * self.T // min(draws, self.T) for i in range(min(draws, self.T) + 1)]
            u     = to_host(stream("steps").uniform(len(ends) - 1)).tolist()
            stand = {a + 1 + int(u * (b - a)): b - a for a, b, u in zip(ends, ends[1:], u)}     # one for b - a of them
            units = 0 if self.levels else xp.sum(xp.log(stats["scale"]))
            found["ELBO"] = -ddpm.bound(self.back(stats, eps_theta), x0, eps, s, self.levels, stand) - units
        return found

    def sample(self, params, stats, stream, n, y=None, seen=lambda xt: None):
        """n examples [n, D], in the units of the data: of the labels y [n] where it is told any, random ones unless
        given. seen(xt) is called with each x_t on the way. Raises TypeError or ValueError for labels that make no
        sense."""
        D, dtype, s = len(stats["centre"]), stats["centre"].dtype, stats["schedule"]
        y         = self.drawn_labels(stream("y"), stats, n, y)
        eps_theta = self.noise(params, stats, y, self.guidance)

        def watched(xt, t):
            seen(xt)
            return eps_theta(xt, t)
        x, z = stream("x").normal((n, D), dtype), lambda t: stream("z")(t).normal((n, D), dtype)
        if self.sampled:
            steps = ddim.spaced(self.T, self.sampled)
            x = ddim.ddim_sample(lambda xt, t: watched(xt, t)[0], x, z, steps, self.eta, s)
        else:
            x = ddpm.sample(self.back(stats, watched), x, z, s)
        seen(x)
        return self.as_data(x, stats)
