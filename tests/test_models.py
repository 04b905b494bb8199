"""Laws of the models that learn by descent, over every decoder and kind; of hyper-parameters; of the door."""
import dataclasses
import itertools
import math

import numpy as np
import pytest

from backends import no_sync, to_host, use, xp
from backends.random import Stream
from scratch import trees
from scratch.autodiff import value_and_grad
from scratch.autoencoders import PPCA, VAE, VQVAE, Autoencoder, plain, ppca, vae
from scratch.autoencoders.likelihoods import LIKELIHOODS, Likelihood
from scratch.autoencoders.models import AUTOENCODERS
from scratch.data import Data, bits_per_dim, load
from scratch.diffusion.scores import OBJECTIVES
from scratch.flows import FLOWS
from scratch.gans import GAN
from scratch.mixtures import BernoulliMixture, GaussianMixture
from scratch.mixtures.em import EM
from scratch.models import MODELS
from scratch.optim import Layout
from scratch.runs import config as configs
from scratch.train import Model, fit

SEED      = Stream.seed(0)("test_models")
N, D, L   = 10, 6, 5                                # examples, pixels, levels
BACKENDS  = pytest.mark.parametrize("backend", ["numpy", "strict"])


def data(levels=L, n=N, d=D):
    """Levels, or reals where there are none, with labels, the same in all three parts."""
    x = (SEED("k").integers(0, levels, (n, d)).astype("uint8") if levels else
         SEED("x").normal((n, d)) * xp.asarray([1, 2, 3, 4, 5, 6][:d], dtype="float32") + 1)
    part = {"x": x, "y": SEED("y").integers(0, 3, n)}
    return Data(part, part, part, shape=(d,), levels=levels)


def small(model, **more):
    return model(**{"hidden": (5,), "latent": 2, **more})


VAES = {f"{decoder}-{binarise}-{levels}": small(VAE, decoder=decoder, binarise=binarise, levels=levels)
        for decoder, row in LIKELIHOODS.items()
        for binarise in (("threshold", "static", "dynamic") if decoder == "bernoulli" else ("threshold",))
        for levels in ((L, 2) if row.whole else (L, None))}
AES  = {f"{kind}-{levels}": small(Autoencoder, kind=kind, levels=levels)
        for kind in AUTOENCODERS for levels in (L, None)}
over = lambda table: pytest.mark.parametrize("model", list(table.values()), ids=list(table))


def begin(model, dtype="float32"):
    """The state at the start, params, stats and x of the data as the model learns them."""
    x     = model.view(data(model.levels), SEED).train["x"]
    state = model.start(SEED("init"), {"x": x})
    return state, *trees.map(lambda a: a.astype(dtype), (state.params, state.stats)), x


def loss(model, params, stats, x, stream):
    """As a function of the parameters it is differentiated in: the value, and the terms."""
    value, (_, terms) = model.loss(params, stats, {"x": x}, stream)
    return value, terms


class Rows:
    """A stream of which the draws [n, ...] are some rows of another's draws: the noise of these examples of a batch."""
    def __init__(self, stream, rows):
        self.stream, self.rows = stream, rows

    def __call__(self, name):
        return Rows(self.stream(name), self.rows)

    def normal(self, shape=(), dtype="float32"):
        return self.stream.normal((N, *shape[1:]), dtype)[self.rows]

    def uniform(self, shape=(), dtype="float32"):
        return self.stream.uniform((N, *shape[1:]), dtype)[self.rows]


class Signs:
    """A stream whose normals are all signs of K numbers, over and over: of mean 0 and covariance I."""
    def __call__(self, name):
        return self

    def normal(self, shape, dtype):
        signs = np.array(list(itertools.product([-1.0, 1.0], repeat=shape[-1])), dtype)
        return np.tile(signs, (shape[-2] // len(signs), 1))[None]


def same(a, b):
    assert trees.flatten(a)[1] == trees.flatten(b)[1]
    for p, q in zip(trees.leaves(a), trees.leaves(b)):
        assert np.array_equal(to_host(p), to_host(q))


# ---- the loss --------------------------------------------------------------------------------------------------------
@over({**VAES, **AES})
def test_the_loss_of_a_batch_is_the_mean_of_its_examples_and_twice_the_batch_changes_nothing(model):
    """But for the sparse one's penalty, which is of the batch."""
    _, params, stats, x = begin(model, "float64")
    def of(rows):
        return loss(model, params, stats, x[rows], Rows(SEED("noise"), rows))
    value, terms = of(list(range(N)))
    alone        = [of([i]) for i in range(N)]
    means        = {name: np.mean([t[name] for _, t in alone]) for name in terms}
    if "sparse" not in getattr(model, "kind", ""):
        assert math.isclose(np.mean([v for v, _ in alone]), value, rel_tol=1e-13)
        assert all(math.isclose(means[name], terms[name], rel_tol=1e-13, abs_tol=1e-13) for name in terms)
    else:
        assert math.isclose(means["error"], terms["error"], rel_tol=1e-13)
    twice, _ = of([*range(N), *range(N)])
    assert math.isclose(twice, value, rel_tol=1e-13)


@over(VAES)
@pytest.mark.parametrize("beta", [1.0, 0.0, 2.5])
def test_the_vaes_loss_is_minus_the_elbo_and_its_terms_add_up_to_it(model, beta):
    model = dataclasses.replace(model, beta=beta)
    _, params, stats, x = begin(model, "float64")
    value, terms = loss(model, params, stats, x, SEED)
    x    = model.seen(x, SEED("x"), "float64")
    eps  = SEED("eps").normal((N, 2), "float64")
    want = vae.elbo(x, eps, lambda x: model._encode(params, stats, x), lambda z: model._decode(params, stats, z),
                    beta, LIKELIHOODS[model.decoder].log_prob)
    assert value == -want and set(terms) == {"KL", "reconstruction"}
    assert math.isclose(beta * terms["KL"] - terms["reconstruction"] - model.bins(D), value, rel_tol=1e-13)
    assert value.dtype == "float64" and terms["KL"] > 0


@over(AES)
def test_the_autoencoders_loss_is_its_error_and_its_penalty(model):
    state, params, stats, x = begin(model, "float64")
    value, terms = loss(model, params, stats, x, SEED)
    assert value == terms["error"] + terms["penalty"] and terms["error"] > 0
    assert (terms["penalty"] > 0) == (model.kind in ("sparse", "contractive"))
    if model.kind in ("plain", "sparse", "contractive"):
        each = model.evaluate(params, stats, {"x": x}, SEED)["squared error"]
        assert each.shape == (N,) and math.isclose(each.mean(), terms["error"], rel_tol=1e-13)


@over({**VAES, **AES})
def test_another_autodiff_finds_the_same_gradient(model):
    _, params, stats, x = begin(model, "float64")
    both = value_and_grad(lambda params: loss(model, params, stats, x, SEED)[0])
    value, ours = both(params)
    with use("autograd"):
        peer, theirs = both(params)
    assert math.isclose(value, peer, rel_tol=1e-12)
    most = max(np.max(abs(g)) for g in trees.leaves(theirs))
    for a, b in zip(trees.leaves(ours), trees.leaves(theirs)):
        assert a.shape == b.shape and np.max(abs(a - b)) <= 1e-12 * most
    assert all(np.any(g) for g in trees.leaves(ours)) or model.kind == "stacked"


@over({**VAES, **AES})
def test_on_a_device_it_learns_the_same_without_waiting(model):
    def learn():
        x     = xp.asarray(to_host(begin(model)[-1]))
        state = model.start(SEED("init"), {"x": x})
        with no_sync():
            for t in range(5):
                state, metrics = model.update(state, {"x": x}, SEED(t))
        leaves = [to_host(leaf) for leaf in trees.leaves((state.params, state.stats, state.moments, metrics))
                  if hasattr(leaf, "dtype")]
        return leaves, state.step
    here, five = learn()
    with use("strict"):
        there, _ = learn()
    assert five == 5 and len(here) == len(there) > 5
    for a, b in zip(here, there):
        assert a.dtype == b.dtype == "float32" and np.allclose(a, b, rtol=1e-6, atol=1e-6 * np.max(abs(a), initial=0))


def test_a_mixture_on_a_device_learns_the_same_without_waiting():
    model, x = GaussianMixture(components=2, starts=1), to_host(data(None, 40).train["x"])
    state, _ = model.update(model.start(SEED, {"x": x}), {"x": x.astype("float64")}, None)
    with use("strict"):
        batch  = {"x": xp.asarray(x.astype("float64"))}
        device = model.start(SEED, batch)
        with no_sync():
            device, _ = model.update(device, batch, None)
        for name in state.params:
            assert np.allclose(to_host(device.params[name]), state.params[name], rtol=1e-10, atol=1e-10)


# ---- hyper-parameters ------------------------------------------------------------------------------------------------
BASE = {**dict.fromkeys(("gmm", "bmm"), {"components": 3, "starts": 2}), "ppca": {"latent": 2},
        **dict.fromkeys(("vae", "ae"), {"hidden": (5,), "latent": 2}),
        "vqvae": {"net": "mlp", "hidden": (5,), "codes": 4, "dim": 2, "positions": 2},
        "ddpm": {"widths": (4, 4), "embedding": 4, "T": 3}, "ncsn": {"widths": (4, 4), "embedding": 4, "L": 3, "T": 2},
        "realnvp": {"layers": 2, "hidden": (5,)},
        "fvbn": {}, "made": {"hidden": (5,)}, "pixelcnn": {"channels": 2, "layers": 1, "kernel": 3},
        "boltzmann": {"chains": 5}, "rbm": {"chains": 5, "hidden": 3}}
CHANGES = [
    # model  beside                                             field          one value      another
    *((model, beside, field, one, other) for model, beside in (("gmm", {}), ("bmm", {"levels": L, "components": 4}))
      for field, one, other in (
                                                               ("components",  2,             3),
                                                               ("starts",      1,             10),
                                                               ("tol",         1e-6,          10.0),
                                                               ("precision",   "float64",     "float32"))),
    ("gmm", {},                                                 "covariance",  "full",        "diagonal"),
    ("gmm", {},                                                 "floor",       5e-4,          0.5),
    ("bmm", {"levels": L},                                      "bound",       20.0,          1.0),
    ("bmm", {"levels": L},                                      "levels",      L,             L + 1),
    ("bmm", {"levels": L},                                      "binarise",    "threshold",   "static"),
    ("ppca", {},                                                "latent",      2,             3),
    ("ppca", {},                                                "learn",       "closed form", "em"),
    ("ppca", {"learn": "em"},                                   "tol",         1e-6,          10.0),
    ("ppca", {},                                                "precision",   "float64",     "float32"),
    *((model, {"levels": L}, field, one, other) for model in ("vae", "vqvae", "ae", "ddpm", "ncsn")
      for field, one, other in (
                                                               ("optimiser",   "adam",        "momentum"),
                                                               ("lr",          1e-3,          2e-3),
                                                               ("batch_size",  4,             5),
                                                               ("clip",        0.0,           0.1),
                                                               ("ema",         0.0,           0.9),
                                                               ("levels",      L,             L + 1))),
    *((model, {"levels": L}, field, one, other) for model in ("vae", "ae")
      for field, one, other in (
                                                               ("latent",      2,             3),
                                                               ("hidden",      (5,),          (6,)),
                                                               ("hidden",      (5,),          (5, 5)),
                                                               ("activation",  "softplus",    "tanh"))),
    *((model, {"levels": L, **beside}, field, one, other) for model in ("vae", "vqvae")
      for beside, field, one, other in (
        ({},                                                    "decoder",     "logistic",    "gaussian"),
        ({"decoder": "isotropic"},                              "variance",    0.01,          0.02),
        ({"decoder": "bernoulli"},                              "binarise",    "threshold",   "static"),
        ({"decoder": "bernoulli"},                              "binarise",    "threshold",   "dynamic"),
        ({"decoder": "bernoulli"},                              "binarise",    "static",      "dynamic"),
        ({},                                                    "beta",        1.0,           2.0))),
    ("vae", {"levels": L},                                      "iaf",         0,             1),
    ("vae", {"levels": L},                                      "iaf",         1,             2),
    ("vqvae", {"levels": L, "shape": (6,)},                     "net",         "mlp",         "conv"),
    *(("vqvae", {"levels": L}, field, one, other) for field, one, other in (
                                                               ("hidden",      (5,),          (6,)),
                                                               ("positions",   2,             3),
                                                               ("activation",  "silu",        "tanh"),
                                                               ("codes",       4,             5),
                                                               ("dim",         2,             3),
                                                               ("codebook",    "loss",        "average"),
                                                               ("decay",       0.9,           0.8),
                                                               ("smoothing",   0.01,          0.1),
                                                               ("least",       0.0,           0.9),
                                                               ("prior",       "uniform",     "frequencies"))),
    ("vqvae", {"levels": L, "net": "conv", "shape": (6,)},      "blocks",      0,             1),
    *(("ae", {"levels": L},                                     "kind",        "plain",       kind)
      for kind in AUTOENCODERS if kind != "plain"),
    *(("ae", {"levels": L, "kind": kind},                       "strength",    0.1,           0.2)
      for kind in ("denoising", "sparse", "contractive")),
    ("ae", {"levels": L, "kind": "sparse"},                     "rho",         0.1,           0.2),
    *((model, {"levels": L}, field, one, other) for model in ("fvbn", "made", "pixelcnn")
      for field, one, other in (
                                                               ("optimiser",   "adam",        "momentum"),
                                                               ("lr",          1e-3,          2e-3),
                                                               ("batch_size",  4,             5),
                                                               ("clip",        0.0,           0.1),
                                                               ("ema",         0.0,           0.9),
                                                               ("levels",      L,             L + 1))),
    *((model, {"levels": L},                                    "binarise",    "threshold",   "static")
      for model in ("fvbn", "made")),
    ("made", {"levels": L},                                     "hidden",      (5,),          (6,)),
    ("made", {"levels": L},                                     "activation",  "relu",        "tanh"),
    ("made", {"levels": L},                                     "orders",      0,             1),
    ("made", {"levels": L},                                     "orders",      1,             2),
    *(("pixelcnn", {"levels": L}, field, one, other) for field, one, other in (
                                                               ("net",         "masked",      "gated"),
                                                               ("output",      "categorical", "logistics"),
                                                               ("channels",    2,             3),
                                                               ("layers",      1,             2),
                                                               ("kernel",      3,             5),
                                                               ("shape",       (6,),          (2, 3)))),
    ("pixelcnn", {"levels": L, "output": "logistics"},          "mixture",     2,             3),
    *(("realnvp", {}, field, one, other) for field, one, other in (
                                                               ("optimiser",   "adam",        "momentum"),
                                                               ("lr",          1e-3,          2e-3),
                                                               ("batch_size",  4,             5),
                                                               ("clip",        0.0,           0.1),
                                                               ("ema",         0.0,           0.9),
                                                               ("layers",      2,             3),
                                                               ("hidden",      (5,),          (6,)),
                                                               ("activation",  "silu",        "tanh"),
                                                               ("mask",        "checkerboard", "halves"),
                                                               ("noise",       0.0,           0.1),
                                                               ("shape",       (),            (3, 2)))),
    *(("realnvp", {},                                           "flow",        "realnvp",     flow)
      for flow in FLOWS if flow != "realnvp"),
    *((model, {"levels": L}, field, one, other) for model in ("boltzmann", "rbm")
      for field, one, other in (
                                                               ("optimiser",   "adam",        "momentum"),
                                                               ("lr",          1e-3,          2e-3),
                                                               ("batch_size",  4,             5),
                                                               ("clip",        0.0,           0.1),
                                                               ("ema",         0.0,           0.9),
                                                               ("levels",      L,             L + 1),
                                                               ("binarise",    "threshold",   "static"),
                                                               ("learn",       "pcd",         "cd"),
                                                               ("learn",       "pcd",         "exact"),
                                                               ("k",           1,             2),
                                                               ("chains",      5,             6),
                                                               ("decay",       0.0,           0.1),
                                                               ("listed",      16,            2))),
    *((model, {"levels": L, "listed": 2},                       field,         2,             3)
      for model in ("boltzmann", "rbm") for field in ("temperatures", "sweeps")),
    ("rbm", {"levels": L},                                      "hidden",      3,             4),
    *((model, {"levels": L, "widths": (4,)},                    "shape",       (6,),          (2, 3, 1))
      for model in ("ddpm", "ncsn")),
    *((model, {"levels": L}, field, one, other) for model in ("ddpm", "ncsn")
      for field, one, other in (
                                                               ("net",         "unet",        "mlp"),
                                                               ("widths",      (4,),          (8,)),
                                                               ("embedding",   4,             6),
                                                               ("classes",     0,             3))),
    *((model, {"levels": L, "classes": 3},                      "unlabelled",  0.1,           0.6)
      for model in ("ddpm", "ncsn")),
    *((model, {"classes": 3},                                   "guidance",    0.0,           9.0)
      for model in ("ddpm", "ncsn")),
    ("ddpm", {"levels": L},                                     "T",           3,             4),
    ("ddpm", {"levels": L},                                     "schedule",    "cosine",      "linear"),
    ("ddpm", {"levels": L},                                     "prediction",  "v",           "eps"),
    ("ddpm", {"levels": L},                                     "prediction",  "v",           "x0"),
    ("ddpm", {"levels": L},                                     "variance",    "beta",        "clipped"),
    ("ddpm", {"levels": L},                                     "variance",    "beta",        "learned"),
    ("ddpm", {"levels": L, "variance": "learned"},              "vlb",         1e-3,          0.5),
    ("ddpm", {"levels": L},                                     "sampled",     0,             2),
    ("ddpm", {"levels": L, "sampled": 2},                       "eta",         0.0,           1.0),
    *(("ncsn", {"levels": L, "net": "mlp"},                     "objective",   "denoising",   objective)
      for objective in OBJECTIVES if objective != "denoising"),
    *(("ncsn", {"levels": L, "net": "mlp"}, field, one, other) for field, one, other in (
                                                               ("largest",     5.0,           3.0),
                                                               ("smallest",    0.04,          0.1),
                                                               ("L",           3,             4),
                                                               ("T",           2,             3),
                                                               ("step",        0.6,           0.1))),
]


def learned(model):
    """After at most 12 steps: the step, what was learned, and the figures; dtypes count."""
    levels = getattr(model, "levels", None)
    found  = model.view(dataclasses.replace(data(L if levels else None, 40), levels=levels), SEED("view"))
    state  = model.start(SEED("init"), found.train)
    before = None
    for state, metrics in fit(model, state, model.batches(found.train, SEED("order"), 0), SEED("train"), 12):
        if before and model.finished(before, metrics):
            break
        before = metrics
    weights = model.weights(state)
    figures = [model.evaluate(weights, state.stats, found.test, SEED("test"))] if hasattr(model, "evaluate") else []
    if hasattr(model, "sample"):
        figures.append(model.sample(weights, state.stats, SEED("sample"), 50))
    return state.step, [(name, a.dtype.name, a.tolist()) for name, a in trees.named([weights, figures]).items()]


@pytest.mark.parametrize("name, beside, field, one, other", CHANGES)
def test_every_hyper_parameter_changes_what_is_learned(name, beside, field, one, other):
    make = lambda value: MODELS[name].model(**{**BASE[name], **beside, field: value})
    assert learned(make(one)) == learned(make(one)) != learned(make(other))


def test_every_hyper_parameter_of_every_model_stands_in_the_table():
    """Those of GAN in the table of tests/test_gan_models.py; the shape of a VQ-VAE's images in tests/test_vq.py."""
    fields = {(entry.model, field.name) for entry in MODELS.values() for field in dataclasses.fields(entry.model)}
    assert fields == {(MODELS[name].model, field) for name, _, field, *_ in CHANGES} | {
        (GAN, field.name) for field in dataclasses.fields(GAN)} | {(VQVAE, "shape")}


@pytest.mark.parametrize("name", MODELS)
def test_no_hyper_parameter_takes_the_name_of_what_a_run_asks_a_model(name):
    assert not {field.name for field in dataclasses.fields(MODELS[name].model)} & set(vars(Model))


@pytest.mark.parametrize("model, field, value, expected", [
    (VAE,             "latent",     0,          "an integer of at least 1"),
    (VAE,             "latent",     True,       "an integer of at least 1"),
    (VAE,             "latent",     2.0,        "an integer of at least 1"),
    (VAE,             "hidden",     (0,),       "integers of at least 1, as (64, 32)"),
    (VAE,             "hidden",     500,        "integers of at least 1, as (64, 32)"),
    (VAE,             "hidden",     "500",      "integers of at least 1, as (64, 32)"),
    (VAE,             "hidden",     (5, True),  "integers of at least 1, as (64, 32)"),
    (VAE,             "lr",         0,          "a finite number above 0"),
    (VAE,             "lr",         math.nan,   "a finite number above 0"),
    (VAE,             "lr",         math.inf,   "a finite number above 0"),
    (VAE,             "lr",         "0.1",      "a finite number above 0"),
    (VAE,             "clip",       -1,         "a finite number of at least 0"),
    (VAE,             "ema",        1,          "a number from 0 to 1, without 1"),
    (VAE,             "ema",        math.nan,   "a number from 0 to 1, without 1"),
    (VAE,             "beta",       -1,         "a finite number of at least 0"),
    (VAE,             "beta",       None,       "a finite number of at least 0"),
    (VAE,             "variance",   0,          "a finite number above 0"),
    (VAE,             "batch_size", 0,          "an integer of at least 1"),
    (VAE,             "batch_size", True,       "an integer of at least 1"),
    (VAE,             "batch_size", "500",      "an integer of at least 1"),
    (VAE,             "optimiser",  "adamw",    "one of sgd, momentum, rmsprop, adam"),
    (VAE,             "activation", "relu6",    "one of relu, leaky"),
    (VAE,             "decoder",    "gauss",    "one of logistic, gaussian, isotropic, bernoulli"),
    (VAE,             "binarise",   True,       "one of threshold, static, dynamic"),
    (VAE,             "levels",     1,          "an integer from 2 to 65536"),
    (VAE,             "levels",     65537,      "an integer from 2 to 65536"),
    (Autoencoder,     "kind",       "denoise",  "one of plain, denoising, sparse, contractive, stacked"),
    (Autoencoder,     "kind",       ["plain"],  "one of plain"),
    (Autoencoder,     "strength",   -0.1,       "a finite number of at least 0"),
    (Autoencoder,     "rho",        1.0,        "a number from 0 to 1, without 1"),
    (GaussianMixture, "precision",  "float16",  "one of float32, float64"),
])
def test_hyper_parameters_that_make_no_sense_are_named(model, field, value, expected):
    with pytest.raises(ValueError) as error:
        model(**{field: value})
    assert str(error.value).startswith(f"{field}={value!r}; expected {expected}")


# ---- a model that can be solved --------------------------------------------------------------------------------------
def linear_vae(W, b, s2, centre, scale, mu, log_var):
    """A VAE with x | z ~ N(W z + b, s2 I) and the encoder x -> mu[0] x + mu[1] and such a log_var; params, stats."""
    def layer(A, shift):                                                        # in units of the data
        return {"W": scale[:, None] * A, "b": centre @ A + shift}
    model  = VAE(decoder="isotropic", hidden=(), latent=W.shape[1], activation="linear", variance=s2)
    params = {"encoder": [layer(*mu), layer(*log_var)], "decoder": [{"W": W.T / scale, "b": (b - centre) / scale}]}
    return model, params, {"centre": centre, "scale": scale}


def exact_elbo(model, params, stats, x):
    """By evaluate, the expectation over z exact: the bound is quadratic in it."""
    all_signs = 2**model.latent
    found = model.evaluate(params, stats, {"x": np.repeat(x, all_signs, axis=0)}, Signs())
    return found["ELBO"].reshape(len(x), all_signs).mean(1)


def posterior(W, b, s2):
    """The encoder that gives p(z | x), where the columns of W are orthogonal."""
    var = 1 / (1 + np.sum(W**2, axis=0) / s2)
    return (W / s2 * var, -b @ W / s2 * var), (np.zeros_like(W), np.log(var))


@pytest.mark.parametrize("seed", range(30))
def test_no_elbo_of_a_linear_decoder_passes_the_likelihood_and_that_of_the_posterior_reaches_it(seed):
    rng  = np.random.default_rng(seed)
    M, K = rng.integers(2, 7), rng.integers(1, 3)
    W    = np.linalg.qr(rng.normal(size=(M, K)))[0] * rng.uniform(0.3, 3, K)
    b, s2, centre, scale = rng.normal(size=M), rng.uniform(0.1, 2), rng.normal(size=M), rng.uniform(0.2, 5, M)
    x    = rng.normal(size=(7, M)) + 1
    truth = ppca.log_likelihood(x, W, b, s2)
    mu, log_var = posterior(W, b, s2)
    best  = linear_vae(W, b, s2, centre, scale, mu, log_var)
    bound = best[0].evaluate(*best[1:], {"x": x}, SEED, draws=3)["importance-weighted bound, 3 draws"]
    assert np.allclose(exact_elbo(*best, x), truth, rtol=1e-12, atol=1e-12)
    assert np.allclose(bound, truth, rtol=1e-12, atol=1e-12)                    # each weight is p(x), at every z
    other = linear_vae(W, b, s2, centre, scale, (mu[0] + rng.normal(size=mu[0].shape) / 9, mu[1]),
                       (rng.normal(size=(M, K)) / 5, log_var[1]))
    assert (exact_elbo(*other, x) < truth).all()
    tilted = linear_vae(W + rng.normal(size=W.shape), b, s2, centre, scale, mu, log_var)
    truth  = ppca.log_likelihood(x, (tilted[1]["decoder"][0]["W"] * scale).T, b, s2)
    assert (exact_elbo(*tilted, x) < truth).all()


def plane(n, d):
    """Gaussian data of d numbers, mostly in one direction, whose units differ."""
    return (SEED("z").normal((n, 1), "float64") @ np.array([[2.0, -1, 0.5, 1, 3, -2][:d]])
            + 0.4 * SEED("e").normal((n, d), "float64")) * np.array([1, 3, 0.3, 1, 2, 1.0][:d]) + 5


def trained(model, x, steps):
    """Its weights and stats, in float64."""
    *_, (state, _) = fit(model, model.start(SEED("init"), {"x": x}),
                         model.batches({"x": x}, SEED("order"), 0), SEED("train"), steps)
    return trees.map(lambda a: a.astype("float64"), (model.weights(state), state.stats))


def test_a_linear_vae_learns_probabilistic_principal_components():
    """To 1e-2 nats, on data in units of their deviations."""
    x = plane(300, 4)
    x = (x - x.mean(0)) / x.std(0)
    W, b, s2 = ppca.fit(x, 1)
    best  = ppca.log_likelihood(x, W, b, s2).mean()
    model = VAE(decoder="isotropic", hidden=(), latent=1, activation="linear", variance=float(s2), lr=0.05,
                batch_size=300)
    gap   = lambda steps: best - exact_elbo(model, *trained(model, x, steps), x).mean()
    assert 0 <= gap(700) <= 1e-2 < gap(20)


def test_a_linear_autoencoder_learns_principal_components():
    x     = plane(300, 5) / 5
    lam   = np.linalg.eigvalsh(np.cov(x.T, bias=True))
    model = Autoencoder(hidden=(), latent=2, lr=0.03, batch_size=300)
    error = lambda steps: model.evaluate(*trained(model, x, steps), {"x": x}, SEED)["squared error"].mean()
    best  = lam[:-2].sum()
    assert best * (1 - 1e-9) <= error(1000) <= best * (1 + 1e-3) < error(20)


# ---- where the code is short -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("decoder, levels, latent", [("bernoulli", 2, 1), ("bernoulli", 2, 2), ("logistic", 3, 1)])
def test_the_probabilities_of_all_images_sum_to_one_and_are_those_of_another_quadrature(decoder, levels, latent):
    """Gauss's, of 200 nodes an axis, to 1e-11; of ten nodes it is another number."""
    model = VAE(decoder=decoder, levels=levels, hidden=(5,), latent=latent, activation="tanh")
    x     = np.array(list(itertools.product(range(levels), repeat=4)), dtype="uint8")
    *_, (state, _) = fit(model, model.start(SEED, {"x": x[:3]}), itertools.repeat({"x": x[:3]}), SEED("train"), 30)
    params, stats = trees.map(lambda a: a.astype("float64"), (state.params, state.stats))
    log_p = model.log_prob(params, stats, x)
    assert abs(np.exp(log_p).sum() - 1) <= 1e-9 and log_p.dtype == "float64"

    def gauss(n):
        t, w = np.polynomial.legendre.leggauss(n)
        w    = 9 * w * np.exp(-(9 * t)**2 / 2) / math.sqrt(2 * math.pi)
        z, w = (np.array(list(itertools.product(a, repeat=latent))) for a in (9 * t, w))
        laws = model.decode(params, stats, z)
        p    = [np.exp(LIKELIHOODS[decoder].log_prob(row[None], *laws)) for row in x.astype("float64")]
        return np.array(p) @ w.prod(1)
    assert np.max(abs(gauss(200) - np.exp(log_p))) <= 1e-11 < 1e-5 < np.max(abs(gauss(10) - np.exp(log_p)))


@pytest.mark.parametrize("model, says", [(VAE(latent=3, levels=2), "latent=3 and decoder='logistic'"),
                                         (VAE(latent=2, levels=2, decoder="gaussian"), "decoder='gaussian'")])
def test_where_a_sum_over_codes_is_too_long_or_no_probability_it_is_said(model, says):
    _, params, stats, x = begin(dataclasses.replace(model, hidden=(5,)))
    with pytest.raises(ValueError, match=f"log_prob was asked of .*{says}; expected one or two numbers in the code"):
        model.log_prob(params, stats, x)


# ---- the decoders ----------------------------------------------------------------------------------------------------
def laws(model, n=4, d=3):
    """The parameters of p(x | z) of n codes, of an untrained model in float64."""
    x      = model.view(data(model.levels, d=d), SEED).train["x"]
    parts  = model.init(SEED("init"), {"x": x})
    params, stats = trees.map(lambda a: a.astype("float64"), parts)
    return model.decode(params, stats, SEED("z").normal((n, 2), "float64"))


def repeated(law, n):
    return [p if np.ndim(p) == 0 else np.repeat(p, n, axis=0) for p in law]


def total(log_prob, law, points, codes):
    """The sum of the probabilities of all points, for each code."""
    p = np.exp(log_prob(np.tile(points, (codes, 1)), *repeated(law, len(points))))
    return p.reshape(codes, len(points)).sum(1)


@over(VAES)
def test_where_its_heads_are_zero_a_decoder_has_the_moments_of_the_data_and_heads_are_in_units_of_them(model):
    """Of each real number; of levels with one scale for all. Values that never change break nothing."""
    x       = to_host(data(model.levels, 50).train["x"]).copy()
    x[:, 0] = 0
    x[:, 1] = model.levels - 1 if model.levels else 7
    found   = model.view(dataclasses.replace(data(model.levels), train={"x": x}), SEED)
    params, stats = trees.map(lambda a: a.astype("float64"), model.init(SEED, found.train))
    def law(*biases):
        heads = [{"W": 0 * layer["W"], "b": 0 * layer["b"] + b} for layer, b in zip(params["decoder"][1:], biases)]
        return model.decode({"decoder": params["decoder"][:1] + heads}, stats, np.zeros((1, 2)))
    seen = model.seen(found.train["x"], SEED("x"), "float32").astype("float64")   # the noise that init drew
    mean = seen.mean(0)
    if model.decoder == "bernoulli":
        p = 1 / (1 + np.exp(-law(0)[0][0]))
        assert np.allclose(p, (50 * mean + 0.5) / 51, rtol=1e-5) and np.allclose(law(1)[0] - law(0)[0], 1)
        return
    std  = np.full(D, seen.std()) if model.levels else np.where(np.arange(D) < 2, 1, seen.std(0))
    unit = model.levels - 1 if model.decoder == "logistic" else 1
    assert np.allclose(law(0, 0)[0][0], mean / unit, rtol=1e-5, atol=1e-6)
    assert np.allclose(law(1, 0)[0][0], (mean + std) / unit, rtol=1e-5)
    if model.decoder == "isotropic":
        assert math.isclose(law(0)[1], math.log(model.variance))
    else:
        wide = 2 if model.decoder == "gaussian" else 1                          # log_var or log_s
        assert np.allclose(law(0, 0)[1][0], wide * np.log(std / unit), rtol=1e-5, atol=1e-5)
        assert np.allclose(law(0, 3)[1], law(0, 0)[1] + 3 * wide)


@over(VAES)
def test_the_probabilities_of_a_decoder_sum_to_one(model):
    """Of levels and bits over all x of three pixels; of densities by the trapezoid rule, to rounding."""
    row = LIKELIHOODS[model.decoder]
    if row.whole:
        values = range(2 if model.decoder == "bernoulli" else model.levels)
        points = np.array(list(itertools.product(values, repeat=3)), float)
        assert np.allclose(total(row.log_prob, laws(model), points, 4), 1, rtol=1e-12)
    else:
        law   = laws(model, d=1)
        law   = [law[0], law[1] + 0 * law[0]]
        width = np.exp(law[1] / 2)                                              # [4, 1]
        x     = law[0] + width * np.linspace(-12, 12, 97)                       # [4, 97]
        p     = np.exp(row.log_prob(x.reshape(-1, 1), *repeated(law, 97))).reshape(4, 97)
        assert np.allclose(p.sum(1) * width[:, 0] / 4, 1, rtol=1e-12)


def exact_moments(model, law):
    """Mean and variance of a pixel [B, D], in what `draw` gives."""
    if model.decoder == "bernoulli":
        p = 1 / (1 + np.exp(-law[0]))
        return p, p * (1 - p)
    if model.decoder == "logistic":
        pixels = [a.reshape(-1, 1) for a in law[:2]]
        p  = np.exp([LIKELIHOODS["logistic"].log_prob(np.full_like(pixels[0], k), *pixels, model.levels)
                     for k in range(model.levels)])                             # [levels, pixels]
        m1, m2 = (np.arange(model.levels)**i @ p for i in (1, 2))
        return m1.reshape(law[0].shape), (m2 - m1**2).reshape(law[0].shape).clip(0)
    return law[0], np.exp(law[1]) + 0 * law[0]


@over(VAES)
def test_draws_of_a_decoder_have_its_mean(model):
    """By Bernstein's inequality, each of 12 means of 20000 draws fails with chance 2 e^-28: ten models, 2e-10."""
    law       = laws(model)
    mean, var = exact_moments(model, law)
    x = LIKELIHOODS[model.decoder].draw(SEED("draw"), *repeated(law, 20000)).astype(float).reshape(4, 20000, 3)
    assert (abs(x.mean(1) - mean) <= np.sqrt(2 * 28 * var / 20000) + 28 * (L - 1) / (3 * 20000)).all()
    shown = LIKELIHOODS[model.decoder].mean(*law)
    if model.decoder == "logistic":                                             # before it is rounded to a level
        assert (abs(shown * (model.levels - 1) - mean) <= 0.5).all() and (0 <= shown).all() and (
            shown <= 1 + 1e-15).all()
    else:
        assert np.allclose(shown, mean, rtol=1e-14)


def test_the_mean_of_a_logistic_law_held_in_the_range_is_the_integral():
    mu, log_s = np.meshgrid([-3, -0.1, 0.0, 0.3, 0.9, 1.0, 2.5], [-8.0, -3, -1, 0, 2])
    t     = (np.arange(200000) + 0.5) / 200000
    above = [np.mean(1 / (1 + np.exp(np.clip((t - m) / np.exp(s), -700, 700)))) for m, s in zip(mu.flat, log_s.flat)]
    found = LIKELIHOODS["logistic"].mean(mu, log_s, 5)
    assert np.allclose(found.ravel(), above, rtol=0, atol=1e-6)


@over(VAES)
def test_samples_and_pictures_have_their_shapes_and_units(model):
    _, params, stats, x = begin(model)
    drawn = model.sample(params, stats, SEED, 200)
    assert drawn.shape == (200, D) and np.array_equal(drawn, model.sample(params, stats, SEED, 200))
    assert not np.array_equal(drawn, model.sample(params, stats, SEED("other"), 200))
    if model.levels:
        top = 2 if model.decoder == "bernoulli" else model.levels
        assert drawn.dtype == "int64" and np.array_equal(np.unique(drawn), range(top))
    else:
        assert drawn.dtype == "float32" and np.isfinite(drawn).all()
    shown = model.pictures(params, stats, {"x": x}, SEED)
    assert {name: a.shape for name, a in shown.items()} == {"reconstructions": (N, 2, D), "means": (64, D),
                                                            "latent": (400, D)}
    for name, a in shown.items():
        assert np.isfinite(a).all() and (not LIKELIHOODS[model.decoder].whole or 0 <= a.min() <= a.max() <= 1 + 1e-6)
    wider = dataclasses.replace(model, latent=3)
    assert set(wider.pictures(*begin(wider)[1:3], {"x": x}, SEED)) == {"reconstructions", "means"}


@over(AES)
def test_an_autoencoders_pictures_are_the_data_above_their_reconstructions(model):
    _, params, stats, x = begin(model)
    shown = model.pictures(params, stats, {"x": x}, SEED)["reconstructions"]
    error = model.evaluate(params, stats, {"x": x}, SEED)["squared error"]
    data  = x.astype("float32") / (L - 1 if model.levels else 1)
    assert shown.shape == (N, 2, D) and np.array_equal(shown[:, 0], data)
    assert np.allclose(((shown[:, 0] - shown[:, 1])**2).sum(1), error, rtol=1e-6)


# ---- what it says of data --------------------------------------------------------------------------------------------
def test_a_uniform_density_of_levels_has_the_logarithm_of_their_number_in_bits(monkeypatch):
    monkeypatch.setitem(LIKELIHOODS, "uniform", Likelihood(
        1, lambda m, c, s, h: (h,), lambda x, h: xp.where(xp.all((x >= 0) & (x < 1), axis=1), 0, -math.inf),
        None, None, whole=False))
    model = small(VAE, decoder="uniform", levels=17)
    x     = SEED.integers(0, 17, (N, D)).astype("uint8")
    parts = model.init(SEED, {"x": x})
    found = model.evaluate(*parts, {"x": x}, SEED)
    assert np.allclose(bits_per_dim(found["reconstruction"], D), math.log2(17), rtol=1e-6)
    assert np.allclose(found["ELBO"], found["reconstruction"] - found["KL"], rtol=1e-6)


@over(VAES)
def test_evaluate_is_the_elbo_of_each_example_and_of_densities_of_levels_that_of_the_levels(model):
    _, params, stats, x = begin(model, "float64")
    found = model.evaluate(params, stats, {"x": x}, SEED)
    bins  = D * math.log(L) if model.levels and not LIKELIHOODS[model.decoder].whole else 0
    value, terms = loss(model, params, stats, x, SEED)                          # the same streams: the same noise
    assert set(found) == {"ELBO", "reconstruction", "KL"} and all(a.shape == (N,) for a in found.values())
    assert np.allclose(found["ELBO"], found["reconstruction"] - found["KL"], rtol=1e-13)
    assert math.isclose(found["ELBO"].mean(), -value - bins, rel_tol=1e-12)
    assert math.isclose(found["KL"].mean(), terms["KL"], rel_tol=1e-12)


@over(VAES)
def test_of_several_draws_the_elbo_is_the_mean_and_the_bound_above_it(model):
    _, params, stats, x = begin(model, "float64")
    found = model.evaluate(params, stats, {"x": x}, SEED, draws=3)
    bound, log_w = (f(model.seen(x, SEED("x"), "float64"), SEED("eps").normal((3, N, 2), "float64"),
                      lambda x: model._encode(params, stats, x), lambda z: model._decode(params, stats, z),
                      LIKELIHOODS[model.decoder].log_prob) for f in (vae.importance_bound, vae.importance_terms))
    assert np.allclose(found["importance-weighted bound, 3 draws"], bound - model.bins(D), rtol=1e-13)
    assert np.allclose(found["ELBO"], log_w.mean(0) - model.bins(D), rtol=1e-13)
    assert np.allclose(found["ELBO"], found["reconstruction"] - found["KL"], rtol=1e-13)
    assert (found["importance-weighted bound, 3 draws"] > found["ELBO"]).all()              # Jensen, for each example
    assert np.array_equal(found["KL"], model.evaluate(params, stats, {"x": x}, SEED)["KL"])


@over(VAES)
def test_the_importance_weighted_bound_rises_with_the_draws(model):
    """On average over a hundred times the ten examples."""
    _, params, stats, x = begin(model, "float64")
    x = np.tile(x, (100, 1))
    def bound(draws):
        found = model.evaluate(params, stats, {"x": x}, SEED("bound"), draws)
        return found[f"importance-weighted bound, {draws} draws"].mean() if draws > 1 else found["ELBO"].mean()
    found = [bound(draws) for draws in (1, 2, 5, 20)]
    assert all(a < b for a, b in zip(found, found[1:]))


def test_bits_are_one_from_half_the_range_on_drawn_once_or_each_time():
    k = np.arange(17, dtype="uint8")[None]
    def bits(binarise, stream):
        return VAE(decoder="bernoulli", binarise=binarise, levels=17).seen(k, stream, "float32")
    assert np.array_equal(bits("threshold", SEED), bits("threshold", SEED("other"))) and np.array_equal(
        bits("threshold", SEED)[0], np.arange(17) >= 8)
    assert np.array_equal(bits("dynamic", SEED), bits("dynamic", SEED))
    assert not np.array_equal(bits("dynamic", SEED), bits("dynamic", SEED("other")))
    shown = np.mean([bits("dynamic", SEED(i))[0] for i in range(2000)], axis=0)     # 7 deviations: an alarm in 10^10
    assert (abs(shown - np.arange(17) / 16) <= 7 * np.sqrt(0.25 / 2000)).all() and shown[0] == 0 and shown[16] == 1
    model = small(VAE, decoder="bernoulli", binarise="static", levels=L)
    once  = model.view(data(), SEED)
    assert once.levels == 2 and set(np.unique(once.train["x"])) == {0, 1}
    same(once.train, model.view(data(), SEED).train)
    assert not np.array_equal(once.train["x"], model.view(data(), SEED("other")).train["x"])
    assert np.array_equal(model.seen(once.train["x"], None, "float32"), once.train["x"])
    assert small(VAE, decoder="bernoulli", levels=L).view(data(), SEED).levels == L


@pytest.mark.parametrize("decoder", [name for name, row in LIKELIHOODS.items() if row.whole])
def test_a_decoder_of_levels_refuses_real_numbers(decoder):
    model   = VAE(decoder=decoder)
    message = f"^decoder='{decoder}' is for data of whole levels: choose the decoder gaussian for real numbers, or"
    with pytest.raises(ValueError, match=message):
        model.view(data(None), SEED)
    with pytest.raises(ValueError, match=message):
        model.start(SEED, data().train)
    with pytest.raises(ValueError, match="levels=5, but x of train holds"):
        dataclasses.replace(model, levels=5).view(data(None), SEED)


# ---- states ----------------------------------------------------------------------------------------------------------
def parts(state):
    return {"params": state.params, "stats": state.stats, "moments": state.moments}


@over({**VAES, **AES})
def test_a_state_comes_back_from_its_named_parts_and_goes_on_bit_by_bit(model):
    model = dataclasses.replace(model, ema=0.9)
    state, _, _, x = begin(model)
    for t in range(3):
        state, _ = model.update(state, {"x": x}, SEED(t))
    kept  = {name: a.copy() for name, a in trees.named(parts(state)).items()}
    found = trees.from_named(parts(model.template((D,))), kept)
    again = model.restore(state.step, *found.values())
    same(parts(again), parts(state))
    for t in range(3, 6):
        state, metrics = model.update(state, {"x": x}, SEED(t))
        again, others  = model.update(again, {"x": x}, SEED(t))
        assert metrics == others and state.step == again.step
    same(parts(again), parts(state))


@over({**VAES, **AES, **{p: GaussianMixture(components=3, precision=p) for p in ("float32", "float64")}})
def test_a_template_has_the_shapes_and_dtypes_of_the_start(model):
    form  = lambda state: [(name, a.shape, a.dtype.name) for name, a in trees.named(parts(state)).items()]
    x     = model.view(data(getattr(model, "levels", None)), SEED).train["x"]
    want  = form(model.start(SEED, {"x": x}))
    assert form(model.template((D,))) == form(model.template((2, 3))) == want and len(want) >= 3


@over({"vae": small(VAE, levels=L, ema=0.9), "ae": small(Autoencoder, levels=L, ema=0.9)})
def test_the_average_of_the_weights_is_what_is_used_and_without_it_the_parameters(model):
    state, *_, x = begin(model)
    start = trees.map(lambda a: a.copy(), state.params)
    same(model.weights(state), start)
    state, _ = model.update(state, {"x": x}, SEED)
    want = trees.map(lambda a, b: 0.1 * a + 0.9 * b, start, state.params)
    for a, b, c in zip(*map(trees.leaves, (model.weights(state), want, state.params))):
        assert np.allclose(a, b, rtol=1e-6, atol=1e-7) and not np.array_equal(a, c)
    assert Layout.of(model.weights(state)) == Layout.of(state.params)
    state, *_ = begin(plain := dataclasses.replace(model, ema=0.0))
    assert plain.weights(state) is state.params and "average" not in state.moments


# ---- the door --------------------------------------------------------------------------------------------------------
def handed_over(x):
    """The same numbers as NumPy's, PyTorch's and Python's own."""
    yield x
    yield np.asfortranarray(x)
    yield x.tolist()
    try:
        import torch
    except ImportError:
        return
    yield torch.from_numpy(x.copy())
    yield torch.from_numpy(x.astype("float64"))


def doors(model):
    """What takes data: name -> function of x; and what shape it expects."""
    x     = to_host(data(getattr(model, "levels", None)).train["x"])
    x     = x.astype("uint8" if x.dtype == "uint8" else "float32")
    state = model.start(SEED("init"), {"x": xp.asarray(x)})
    found = {"evaluate": lambda x: model.evaluate(state.params, state.stats, {"x": x}, SEED)}
    if isinstance(model, VAE):
        found["encode"] = lambda x: dict(enumerate(model.encode(state.params, state.stats, x)))
    if isinstance(model, EM):
        found["log_prob"] = lambda x: {"": model.log_prob(state.params, state.stats, x)}
    return found, x


DOORS = {"vae": small(VAE, levels=L), "vae-gaussian": small(VAE, decoder="gaussian", levels=L),
         "vae-reals": small(VAE, decoder="gaussian"), "ae": small(Autoencoder, levels=L),
         "ae-reals": small(Autoencoder), "gmm": GaussianMixture(components=2),
         "gmm32": GaussianMixture(components=2, precision="float32"),
         "bmm": BernoulliMixture(components=2, levels=2), "ppca": PPCA(latent=2)}


@BACKENDS
@over(DOORS)
def test_data_of_any_library_give_arrays_of_the_backend(model, backend):
    with use(backend):
        found, x = doors(model)
        for f in found.values():
            want = f(xp.asarray(x))
            for same_x in handed_over(x):
                for name, a in f(same_x).items():
                    assert type(a) is xp.ndarray and len(a) == N and a.dtype == want[name].dtype
                    assert np.allclose(to_host(a), to_host(want[name]), rtol=1e-5, atol=1e-6)


@BACKENDS
@over(DOORS)
def test_data_that_make_no_sense_are_refused_in_a_sentence(model, backend):
    with use(backend):
        found, x = doors(model)
        for name, f in found.items():
            for wrong, error, message in (
                    (x[:, 1:],                            ValueError, r"x has shape \(10, 5\); expected \[n, 6\]"),
                    (x[0],                                ValueError, r"x has shape \(6,\); expected \[n, 6\]"),
                    (x[:0],                               ValueError, "x has 0 rows"),
                    (np.where(x == x[3, 2], np.nan, x),   ValueError, "x contains NaN at row"),
                    (x.astype(complex),                   TypeError,  "x holds complex128"),
                    (x.astype(str),                       TypeError,  "x holds <U"),
                    ("digits",                            TypeError,  "x (holds|is a)")):
                with pytest.raises(error, match="^" + message):
                    f(wrong)


@pytest.mark.parametrize("model, levels", [
    (small(VAE, levels=L), L), (small(VAE, decoder="gaussian", levels=L), L), (small(Autoencoder, levels=L), L),
    (small(VAE, decoder="bernoulli", levels=L), L), (small(VAE, decoder="bernoulli", binarise="static", levels=L), 2)])
def test_what_are_no_levels_is_refused(model, levels):
    _, params, stats, x = begin(model)
    for wrong in (np.full_like(x, levels), x + 0.5, -1.0 - x, 255 - x):
        with pytest.raises(ValueError, match=f"^x holds .* to .*; expected whole numbers from 0 to {levels - 1}[.]$"):
            model.evaluate(params, stats, {"x": wrong}, SEED)


# ---- pictures, penalties, the rate -----------------------------------------------------------------------------------
def test_the_latent_picture_is_the_plane_of_codes():
    model = VAE(levels=L, latent=2, hidden=(5,))
    state = model.start(SEED, {"x": np.arange(N * D).reshape(N, D).astype("uint8") % L})
    found = model.pictures(model.weights(state), state.stats, {"x": np.full((1, D), L - 1, "uint8")}, SEED)
    want  = model.means(model.weights(state), state.stats, vae.latent_grid(20))
    assert np.allclose(found["latent"], want, atol=1e-6) and np.ptp(want) > 0
    assert (found["reconstructions"][0, 0] == 1).all()                          # the greatest level is shown as 1


@pytest.mark.parametrize("kind", ["sparse", "contractive"])
def test_a_penalty_is_proportional_to_its_strength(kind):
    model = next(m for m in AES.values() if m.kind == kind)
    once, thrice = (loss(dataclasses.replace(model, strength=s), *begin(model, "float64")[1:], SEED)[1]["penalty"]
                    for s in (0.5, 1.5))
    assert math.isclose(thrice, 3 * once, rel_tol=1e-12) and once > 0


def test_the_code_costs_less_where_beta_is_large():
    """The rate after 300 steps on the digits, at three weights of it."""
    data  = load("digits", SEED)
    model = VAE(levels=17, latent=4, hidden=(32,))
    def rate(beta):
        m     = dataclasses.replace(model, beta=beta)
        state = m.start(SEED, data.train)
        for state, metrics in fit(m, state, m.batches(data.train, SEED, 0), SEED, 300):
            pass
        return m.evaluate(m.weights(state), state.stats, data.test, SEED)["KL"].mean()
    rates = [rate(beta) for beta in (0.25, 1.0, 4.0)]
    assert rates[0] > 1.2 * rates[1] > 1.2**2 * rates[2]


def test_an_autoencoder_is_affine_maps_with_the_activation_between_them():
    model = small(Autoencoder, kind="plain", levels=L)
    model = dataclasses.replace(model, hidden=(4, 3), activation="tanh")
    _, params, stats, x = begin(model, "float64")
    encode, decode = model.net(params, stats)

    def by_hand(layers, v):
        for i, layer in enumerate(layers):
            v = v @ layer["W"] + layer["b"]
            v = np.tanh(v) if i < len(layers) - 1 else v
        return v
    x = model.seen(x, "float64")
    h = by_hand(params["encoder"], x - stats["centre"])
    assert np.allclose(encode(x), h, rtol=1e-13)
    assert np.allclose(decode(h), by_hand(params["decoder"], h) + stats["centre"], rtol=1e-13)


@pytest.mark.parametrize("strength", [0.3, 2.0])
def test_the_denoising_one_sees_noise_of_its_strength(strength):
    model = dataclasses.replace(next(m for m in AES.values() if m.kind == "denoising"), strength=strength)
    _, params, stats, x = begin(model, "float64")
    seen  = model.seen(x, "float64")
    noise = strength * SEED("noise").normal(seen.shape, "float64")
    want  = plain.denoising_error(seen, noise, *model.net(params, stats))
    assert math.isclose(loss(model, params, stats, x, SEED)[1]["error"], want, rel_tol=1e-13)


# ---- the rows of the table -------------------------------------------------------------------------------------------
ROWS = {
    "gan":         dict(objective="nonsaturating", net="mlp", penalty=0, clip_weights=0, k=1),
    "gan-minimax": dict(objective="minimax", net="mlp", penalty=0, clip_weights=0, k=1),
    "lsgan":       dict(objective="least-squares", net="mlp", penalty=0, clip_weights=0),
    "wgan":        dict(objective="wasserstein", optimiser="rmsprop", k=5, clip_weights=0.01, penalty=0),
    "wgan-gp":     dict(objective="wasserstein", optimiser="adam", k=5, penalty=0.1, clip_weights=0),
    "gan-bits":    dict(objective="wasserstein", codes=32, penalty=0.1, clip_weights=0, net="mlp"),
    "dcgan":       dict(objective="nonsaturating", net="conv", penalty=0, hidden=(64, 32), latent=64),
    "vqvae":       dict(codebook="loss", net="conv", prior="frequencies", codes=64, dim=16, beta=2.0, least=0.05),
    "vqvae-ema":   dict(codebook="average", net="conv", prior="frequencies", codes=64, beta=2.0, decay=0.99),
    "boltzmann":   dict(learn="exact"),
    "rbm":         dict(learn="pcd", k=5, hidden=64),
    "realnvp":     dict(flow="realnvp", layers=8, hidden=(64, 64), noise=0.05, mask="checkerboard"),
    "nice":        dict(flow="nice", layers=8, noise=0.05),
    "maf":         dict(flow="maf", layers=8, noise=0.05),
    "iaf":         dict(flow="iaf", layers=8, noise=0.05),
    "linear-flow": dict(flow="lu", noise=0.0),
    "ddpm":        dict(net="unet", T=100, schedule="cosine", ema=0.998, widths=(16, 16, 32)),
    "ddpm-mlp":    dict(net="mlp", T=100, schedule="cosine", widths=(128, 128, 128)),
    "ncsn":        dict(net="unet", objective="denoising", L=25, T=4, largest=5.0, smallest=0.04, widths=(16, 16, 32)),
    "ncsn-mlp":    dict(net="mlp", objective="denoising", L=25, T=10, smallest=0.02, widths=(128, 128, 128)),
    "ssm":         dict(net="mlp", objective="sliced-reduced", L=25, T=10, smallest=0.02, widths=(128, 128, 128)),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_what_its_name_says_unless_told_otherwise(name):
    model = configs.model(name, {})
    assert {field: getattr(model, field) for field in ROWS[name]} == ROWS[name]
    for field in MODELS[name].defaults:
        other = {"hidden": (3,), "widths": (3,)}.get(field, getattr(MODELS[name].model(), field))
        assert getattr(configs.model(name, {field: other}), field) == other


# ---- on another device -----------------------------------------------------------------------------------------------
#            hyper-parameters, what is compared, steps in float64
DEVICES = {
    "rbm":   (dict(hidden=8, learn="exact"),                               "loss",    100),
    "gmm":   (dict(components=3, starts=1, tol=0.0),                       "log_lik", 20),
    "vae":   (dict(hidden=(16,), latent=2),                                "loss",    100),
    "vqvae": (dict(hidden=(4,), codes=8, dim=2, batch_size=16),            "loss",    50),
    "gan":   (dict(hidden=(16,), latent=2),                                "critic",  20),
    "dcgan": (dict(hidden=(8, 4), latent=3),                               "critic",  20),
    "ddpm":  (dict(widths=(4, 4), embedding=4, T=10, batch_size=16),       "loss",    100),
    "ssm":   (dict(widths=(8,), embedding=4, batch_size=16),               "loss",    100),
}


def losses(name, backend, dtype, steps):
    """What a model says of each of its first steps on the digits, started from NumPy's parameters."""
    hyper, what, _ = DEVICES[name]
    model = configs.model(name, hyper, load("digits", SEED))
    state = model.start(SEED("init"), model.view(load("digits", SEED), SEED("view")).train)
    host  = [state.params, state.stats, state.moments]
    with use(backend):
        def sent(a):
            return xp.asarray(a.astype(dtype) if a.dtype == "float32" and name != "gmm" else a)
        state = model.restore(0, *(trees.map(sent, tree) for tree in host))
        train = model.view(load("digits", SEED), SEED("view")).train
        return [metrics[what] for _, metrics in fit(model, state, model.batches(train, SEED("order"), 0), SEED("train"),
                                                    steps)]


@pytest.mark.parametrize("backend", ["strict", pytest.param("cupy", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("name", DEVICES)
def test_a_device_says_of_the_first_steps_what_numpy_says(name, backend):
    """Relative, to 1e-4 in float32 over 20 steps, to 1e-8 in float64 over 100, of games over 20."""
    for dtype, steps, tolerance in (("float32", 20, 1e-4), ("float64", DEVICES[name][2], 1e-8)):
        np.testing.assert_allclose(losses(name, backend, dtype, steps), losses(name, "numpy", dtype, steps), tolerance)
