"""What the figures of a run are to be compared with: plain models on the same data, and how figures are called."""
import contextlib
import math

import numpy

from backends import to_host, xp
from scratch.data import bits_per_dim, quantise
from scratch.mixtures import BernoulliMixture, GaussianMixture, Mixture
from scratch.train import fit

BITS, NATS  = "bits per dimension", "nats per example"
FRECHET     = "Fréchet distance"
NEAR        = "share near a mode"
REAL        = "Training data"
SAMPLES     = 1000                                          # that it is measured on
LIKELIHOODS = ("log-likelihood", "ELBO")                    # of which more is better
NO_NATS     = ("n", BITS, FRECHET, "squared error", "L_simple",             # figures that are not in nats
               "codebook", "commitment", "perplexity")


def levels_seen(config):
    """Of what a model speaks of: a decoder of bits sees bits, whatever the data are."""
    return 2 if config["hyper"].get("decoder") == "bernoulli" else config["levels"]


def seen(opened):
    """The data as the model speaks of them."""
    model, data = opened.model, opened.data
    if data.levels == levels_seen(opened.config):
        return data
    return data._with_x(lambda k, part: model.seen(k, opened.stream("bits")(part), "float32").astype("uint8"), levels=2)


def baselines(opened, unit):
    """{what: value} of plain models on the same test data, learned from the same training data: in nats or bits those
    of each value by itself and of Gaussians, for a squared error those of linear maps."""
    model, data = opened.model, seen(opened)
    x, x_test   = (to_host(part["x"]) for part in (data.train, data.test))
    n, D  = x.shape
    found = {}
    if model.criterion == "squared error":
        scale = data.levels - 1 if data.levels else 1
        return linear(x / scale, x_test / scale, getattr(model, "latent", 0))
    if unit not in (BITS, NATS):
        return found
    if data.levels:
        k, k_test = (x if x.dtype.kind in "iu" else to_host(quantise(xp.asarray(x), data.levels)) for x in (x, x_test))
        found["Uniform"] = -D * math.log(data.levels)
        value = "pixel" if len(data.shape) > 1 else "column"
        found[f"Each {value} by itself"] = histograms(k, k_test, data.levels)
    if small(data) and (not data.levels or not isinstance(model, Mixture)):
        K = min(10, n) if data.levels else 1
        with contextlib.suppress(ValueError):                           # a singular one
            view  = plain(data, opened.stream("data"))
            name, mixture, *weights = fitted(view, K, opened.stream("mixture"))
            log_p = float(xp.mean(mixture.log_prob(*weights, view.test["x"])))
            found[name] = log_p - D * math.log(data.levels if data.levels and not bits(view) else 1)
    return found if unit == NATS else {what: bits_per_dim(log_p, D) for what, log_p in found.items()}


def small(data):
    """Do Gaussians learn them in seconds?"""
    n, D = data.train["x"].shape
    return D <= 256 and n <= 20000


def variance_floor(data):
    """The least variance of a Gaussian's: of dequantised levels twice that of the noise."""
    return 1 / (6 * data.levels**2) if data.levels else 1e-6 * float(to_host(xp.var(data.train["x"])))


def histograms(k, k_test, levels):
    """Mean log probability of k_test [n, D], in nats: each column by the counts of its levels in k, and one more."""
    log_p = 0.0
    for column, test in zip(k.T, k_test.T):
        counts = numpy.bincount(column, minlength=levels) + 1
        log_p += float(numpy.log(counts[test] / counts.sum()).mean())
    return log_p


def plain(data, stream):
    """The data as a plain mixture learns them: bits, or numbers that have a density."""
    return data if bits(data) else data.dequantised(stream)


def bits(data):
    return data.levels == 2 and data.train["x"].dtype.kind in "iu"


def fitted(view, K, stream):
    """K laws learned by EM from the training part of such data, Bernoullis of bits, else Gaussians: what they are
    called, the model, its params and stats."""
    x     = view.train["x"]
    model = (BernoulliMixture(components=K, starts=1) if bits(view) else
             GaussianMixture(components=K, floor=variance_floor(view), starts=1))
    for state, _ in fit(model, model.start(stream, {"x": x}), model.batches({"x": x}, stream, 0), stream, 200):
        pass
    law = "Bernoulli" if bits(view) else "Gaussian"
    return f"A mixture of {K} {law}s" if K > 1 else f"One {law}", model, state.params, state.stats


def linear(x, x_test, m):
    """Mean squared error of the examples of x_test, given back as the mean of x and by m principal components."""
    d     = x_test - x.mean(0)
    found = {"The mean example": float((d**2).sum(1).mean())}
    if 0 < m < x.shape[1] <= 1024:
        V = numpy.linalg.eigh(numpy.cov(x.T))[1][:, -m:]
        found[f"{m} principal components"] = float(((d - d @ V @ V.T)**2).sum(1).mean())
    return found
