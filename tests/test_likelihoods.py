"""Laws of every model that knows log p(x), over tiny ones: it is a law, has its samples, its gradient, its device."""
import itertools
import math

import numpy as np
import pytest
from scipy import stats

from backends import no_sync, to_host, use, xp
from backends.random import Stream
from scratch import trees
from scratch.autodiff import value_and_grad
from scratch.autoregressive import FVBN, MADE, PixelCNN
from scratch.data import Data, load
from scratch.energies import RBM
from scratch.flows import Flow
from scratch.mixtures import BernoulliMixture
from scratch.models import MODELS
from scratch.train import fit

SEED = Stream.seed(0)("test_likelihoods")

#    name: the row of MODELS, hyper-parameters of one that is quick, and what it learns
BITS = {
    "fvbn": ("fvbn", {}, "bars"),
    **{f"made-{orders}": ("made", {"hidden": (8,), "orders": orders}, "bars") for orders in (0, 2)},
    **{row: (row, {"channels": 4, "layers": 1, "levels": 2, "shape": (3, 3)}, "bars")
       for row in ("pixelcnn", "pixelcnn-gated", "pixelcnn++")},
    "boltzmann": ("boltzmann", {}, "bars"),
    **{f"rbm-{learn}": ("rbm", {"hidden": 3, "learn": learn, "lr": 0.03, "ema": 0.0}, "bars")
       for learn in ("exact", "cd", "pcd")},
    "bmm": ("bmm", {"components": 3, "starts": 2}, "bars"),
    "vae": ("vae", {"hidden": (5,), "latent": 1, "decoder": "bernoulli", "levels": 2}, "bars"),
    **{f"{row}-{prior}": (row, {"net": "mlp", "hidden": (5,), "positions": 2, "codes": 4, "dim": 2, "levels": 2,
                                "decoder": "bernoulli", "prior": prior}, "bars")
       for row, prior in (("vqvae", "frequencies"), ("vqvae-ema", "uniform"))},
    "gan-bits": ("gan-bits", {"hidden": (5,), "codes": 4, "levels": 2}, "bars"),
}
REALS = {
    "ppca": ("ppca", {"latent": 1, "learn": "em"}, "moons"),
    **{row: (row, {"layers": 2, "hidden": (5,)}, "moons") for row in ("realnvp", "nice", "maf", "iaf", "linear-flow")},
}
DESCENT = {name: row for name, row in {**BITS, **REALS}.items() if {"lr", "loss"} <= set(dir(MODELS[row[0]].model))}
over    = lambda table: pytest.mark.parametrize("name", table)


def every():
    """All 512 binary images of 3 x 3."""
    return np.array(list(itertools.product((0, 1), repeat=9)), dtype="uint8")


def learned(name, steps=20, dtype="float64"):
    """The model, what it has learned in so many steps, in this precision, and its training data."""
    row, hyper, source = {**BITS, **REALS}[name]
    data  = load(source, SEED("data"))
    model = MODELS[row].model(**{**MODELS[row].defaults, **hyper})
    data  = model.view(data, SEED("view"))
    state = model.start(SEED("init"), data.train)
    for state, _ in fit(model, state, model.batches(data.train, SEED("order"), 0), SEED("train"), steps):
        pass
    cast  = lambda a: a.astype(dtype) if a.dtype.kind == "f" else a
    return model, *trees.map(cast, (model.weights(state), state.stats)), data.train["x"]


# ---- a law -----------------------------------------------------------------------------------------------------------
@over(BITS)
def test_the_probabilities_of_all_images_sum_to_one(name):
    model, params, stats_, _ = learned(name)
    assert abs(np.exp(to_host(model.log_prob(params, stats_, every()))).sum() - 1) <= 1e-12


@over(BITS)
def test_samples_are_as_frequent_as_they_are_probable(name):
    """Chi-square over the images that are expected five times at least, the others together; a false alarm in 10^9."""
    model, params, stats_, _ = learned(name, 60)
    p = np.exp(to_host(model.log_prob(params, stats_, every())))
    n = 20000
    x = to_host(model.sample(params, stats_, SEED("sample"), n)).astype(int)
    assert x.shape == (n, 9) and set(np.unique(x)) <= {0, 1}
    count  = np.bincount(x @ (1 << np.arange(9)[::-1]), minlength=512)
    often  = n * p >= 5
    seen   = np.append(count[often], count[~often].sum())
    wanted = n * np.append(p[often], p[~often].sum())
    chi2   = lambda seen, wanted: np.sum((seen - wanted)**2 / np.maximum(wanted, 1e-9))
    limit  = stats.chi2.isf(1e-9, often.sum() - (wanted[-1] < 5))
    assert chi2(seen[:len(seen) - (wanted[-1] < 5)], wanted[:len(seen) - (wanted[-1] < 5)]) <= limit
    assert chi2(seen[:-1], np.roll(wanted[:-1], 1)) > limit                     # it would see another law


# ---- how it learns ---------------------------------------------------------------------------------------------------
@over(DESCENT)
def test_the_gradient_is_that_of_another_autodiff(name):
    model, params, stats_, x = learned(name, 2)
    both = value_and_grad(lambda params: model.loss(params, stats_, {"x": x[:40]}, SEED("loss"))[0])
    value, ours = both(params)
    with use("autograd"):
        peer, theirs = both(params)
    most = max(np.max(abs(g)) for g in trees.leaves(theirs))
    assert math.isclose(value, peer, rel_tol=1e-12) and most > 0
    for a, b in zip(trees.leaves(ours), trees.leaves(theirs)):
        assert a.shape == b.shape and np.max(abs(a - b)) <= 1e-12 * most


@over({**BITS, **REALS})
def test_on_a_device_it_learns_the_same_without_waiting(name):
    row, hyper, source = {**BITS, **REALS}[name]
    model = MODELS[row].model(**{**MODELS[row].defaults, **hyper})
    x     = to_host(model.view(load(source, SEED("data")), SEED("view")).train["x"])[:200]

    def learn():
        part  = {"x": xp.asarray(x)}
        state = model.start(SEED("init"), part)
        batch = next(iter(model.batches(part, SEED("order"), 0)))
        with no_sync():
            for t in range(3):
                state, metrics = model.update(state, batch, SEED(t))
        return [to_host(leaf) for leaf in trees.leaves((state.params, state.stats, state.moments, metrics))
                if hasattr(leaf, "dtype")]
    here = learn()
    with use("strict"):
        there = learn()
    assert len(here) == len(there) > 1
    for a, b in zip(here, there):
        assert a.dtype == b.dtype and a.dtype in ("float32", "float64", "int64")
        assert np.allclose(a, b, rtol=1e-5, atol=1e-5 * np.max(abs(a), initial=0))


@over([name for name in (*BITS, *REALS) if not name.endswith("uniform")])      # whose codes cost the same for ever
def test_learning_raises_the_likelihood_of_what_is_learned(name):
    def mean(steps):
        model, params, stats_, x = learned(name, steps)
        return float(np.mean(to_host(model.log_prob(params, stats_, to_host(x)[:500])))), to_host(x)[:500]
    (before, x), (after, _) = mean(1), mean(60)
    assert after > before + 1e-3
    if name in BITS and not name.startswith(("v", "gan")):                       # and above each pixel by itself
        p = x.mean(0)
        assert after > np.sum(p * np.log(p) + (1 - p) * np.log(1 - p)) + 1e-3


@pytest.mark.parametrize("model", [FVBN(), MADE(hidden=(4,)), RBM(hidden=2, learn="exact"), Flow(flow="lu")])
def test_the_loss_is_the_mean_of_minus_the_log_likelihood(model):
    x = np.eye(3, dtype="uint8")
    params, stats_ = model.init(SEED, {"x": x})
    loss, (after, terms) = model.loss(params, stats_, {"x": x}, SEED)
    assert math.isclose(loss, -model.log_prob(params, stats_, x).mean(), rel_tol=1e-5) and after is stats_ and not terms


# ---- bits ------------------------------------------------------------------------------------------------------------
def test_the_share_of_ones_is_that_of_one_example_more_which_is_half_on():
    """Of more than 255 ones too."""
    x = np.repeat(np.array([[0, 1, 1], [0, 1, 0]], "uint8"), 300, axis=0)
    assert np.allclose(FVBN().rates(x), [0.5 / 601, 600.5 / 601, 0.5], rtol=1e-6)


@pytest.mark.parametrize("how", ["threshold", "static"])
def test_a_model_of_bits_makes_them_of_levels_as_it_is_told(how):
    part  = {"x": np.tile(np.arange(5.0), (200, 1))}
    data  = Data(part, part, part, shape=(5,))
    found = FVBN(binarise=how, levels=5).view(data, SEED)
    assert found.levels == 2 and np.array_equal(found.train["x"], data.with_levels(5).as_bits(how, SEED).train["x"])
    assert np.array_equal(found.train["x"], part["x"] >= 2) == (how == "threshold")


@pytest.mark.parametrize("model", [FVBN(), RBM(hidden=2), BernoulliMixture(components=1),
                                   PixelCNN(levels=2, shape=(2, 2), channels=2, kernel=3)])
def test_a_law_of_bits_is_not_asked_of_a_two(model):
    x = np.eye(4, dtype="uint8")
    params, stats_ = model.init(SEED, {"x": x})
    with pytest.raises(ValueError, match="x holds 0 to 2; expected whole numbers from 0 to 1"):
        model.log_prob(params, stats_, 2 * x)
