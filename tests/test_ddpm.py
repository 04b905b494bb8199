"""Laws of the diffusion model that trains, over its nets, what they say, their variances and labels."""
import dataclasses
import math

import numpy as np
import pytest

from backends import no_sync, to_host, use, xp
from backends.random import Stream
from scratch import trees
from scratch.autodiff import value_and_grad
from scratch.diffusion import DDPM, ddpm
from scratch.diffusion.nets import NETS
from tests.test_models import Rows

SEED  = Stream.seed(0)("test_ddpm")
N     = 10
SMALL = dict(T=4, embedding=4, levels=5, shape=(4, 2), widths=(8, 8), ema=0.0)
MODELS = {**{f"{net}-{prediction}": DDPM(**SMALL, net=net, prediction=prediction)
             for net in NETS for prediction in ddpm.PREDICTIONS},
          "learned":  DDPM(**SMALL, variance="learned"),
          "labelled": DDPM(**SMALL, net="mlp", classes=3, unlabelled=0.4),
          "colours":  DDPM(**{**SMALL, "shape": (2, 2, 2), "widths": (8,)}),
          "signal":   DDPM(**{**SMALL, "shape": (8,)}),
          "reals":    DDPM(**{**SMALL, "levels": None}, net="mlp", variance="beta")}
over = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def example(model, n=N):
    x = SEED("k").integers(0, 5, (n, 8)).astype("uint8") if model.levels else 3 + 2 * SEED("x").normal((n, 8))
    return {"x": x, "y": SEED("y").integers(0, 3, n)}


def begin(model, dtype="float64"):
    """Parameters away from the zeros of the start, and stats."""
    params, stats = model.init(SEED("init"), example(model))
    params = trees.map(lambda a: (a + 0.1 * SEED("moved")(a.size).normal(a.shape)).astype(dtype), params)
    return params, stats | {name: stats[name].astype(dtype) for name in ("centre", "scale")}


def loss(model, params, stats, batch, stream=SEED):
    return model.loss(params, stats, batch, stream)[0]


class Draws(Rows):
    def __call__(self, name):
        return self.stream(name) if name == "steps" else Draws(self.stream(name), self.rows)

    def integers(self, low, high, shape):
        return self.stream.integers(low, high, N)[self.rows]

    def uniform(self, shape, dtype="float32"):
        return self.stream.uniform((N,), dtype)[self.rows]


# ---- learning --------------------------------------------------------------------------------------------------------
@over
def test_the_loss_of_a_batch_is_the_mean_of_its_examples(model):
    params, stats = begin(model)
    batch = example(model)
    alone = [loss(model, params, stats, {k: a[[i]] for k, a in batch.items()}, Draws(SEED, [i])) for i in range(N)]
    assert math.isclose(loss(model, params, stats, batch, Draws(SEED, list(range(N)))), np.mean(alone), rel_tol=1e-12)


@over
def test_the_loss_is_that_of_the_paper_at_the_steps_and_the_noise_that_are_drawn(model):
    params, stats = begin(model)
    batch, s = example(model), stats["schedule"]
    x0  = model.seen(batch["x"], stats)
    t, eps = SEED("t").integers(1, 5, N), SEED("eps").normal((N, 8), "float64")
    y   = batch["y"]
    if model.classes:
        y = np.where(SEED("unlabelled").uniform(N) < 0.4, 3, y)
    xt  = ddpm.q_sample(x0, t, eps, s)
    eps_hat, *v = model.noise(params, stats, y)(xt, t)
    value = np.mean(np.sum((eps - eps_hat)**2, axis=1))
    if v:
        p_theta = lambda xt, t: (eps_hat, ddpm.learned_variance(v[0], t, s))
        value   = ddpm.hybrid_loss(p_theta, x0, t, eps, model.vlb, s, 5)
    assert math.isclose(loss(model, params, stats, batch), value, rel_tol=1e-13)


def same_gradient(f, params):
    """Is that of f another autodiff's?"""
    both = value_and_grad(f)
    value, ours = both(params)
    with use("autograd"):
        peer, theirs = both(params)
    assert math.isclose(value, peer, rel_tol=1e-11)
    ours, theirs = trees.named(ours), trees.named(theirs)
    most = max(abs(g).max() for g in theirs.values())
    assert all(abs(ours[name] - theirs[name]).max() <= 1e-11 * most for name in ours)
    still = [name for name, g in ours.items() if abs(g).max() < 1e-12 * most]
    assert all(name.endswith("attention/k/b") for name in still)                # the softmax does not feel it


def same_on_a_device(model, batch, tolerance):
    """Does it learn and draw the same there, and wait for nothing while it learns?"""
    host = {name: to_host(a) for name, a in batch.items()}

    def learn():
        batch = {name: xp.asarray(a) for name, a in host.items()}
        state = model.start(SEED("init"), batch)
        with no_sync():
            for t in range(3):
                state, metrics = model.update(state, batch, SEED(t))
            x = model.sample(model.weights(state), state.stats, SEED("sample"), 4)
        return [to_host(leaf) for leaf in trees.leaves((state.params, metrics, x))]
    here = learn()
    with use("strict"):
        there = learn()
    for a, b in zip(here, there):
        assert a.dtype == b.dtype and np.allclose(a, b, rtol=tolerance, atol=tolerance * np.max(abs(a), initial=0))
    assert here[0].dtype == "float32" and here[-1].dtype == ("int64" if model.levels else "float32")


@over
def test_another_autodiff_finds_the_same_gradient(model):
    params, stats = begin(model)
    same_gradient(lambda params: loss(model, params, stats, example(model)), params)


@over
def test_on_a_device_it_learns_the_same_without_waiting(model):
    same_on_a_device(model, example(model), 1e-5)


# ---- what the net says -----------------------------------------------------------------------------------------------
def test_what_says_nothing_is_the_exact_model_of_standard_normals():
    """With v = 0 the guess of x_0 is sqrt(abar) x_t, E[x_0 | x_t] of N(0, I); with its variances the bound is tight,
    and the noise of its estimate has mean 0 at each x_0: 1e4 draws, 5 deviations, a false alarm in 2e6."""
    model  = DDPM(**{**SMALL, "levels": None, "T": 10}, net="mlp", variance="beta")
    x      = np.tile(np.array([[0.3, -1.2, 0, 0.5, 2, -0.1, 1, -1]]), (10**4, 1))
    params, stats = model.init(SEED, {"x": x})
    params = trees.map(lambda a: 0.0 * a.astype("float64"), params)
    stats |= {"centre": np.zeros(8), "scale": np.ones(8)}
    each   = model.evaluate(params, stats, {"x": x}, SEED, draws=10)["ELBO"]
    truth  = -np.sum(x[0]**2) / 2 - 4 * math.log(2 * math.pi)
    assert abs(each.mean() - truth) < 5 * each.std() / 100 and each.std() > 0.1
    drawn  = model.sample(params, stats, SEED, 10**4)
    assert abs(drawn.mean()) < 5 / 283 and abs(np.mean(drawn**2) - 1) < 5 * math.sqrt(2 / 8e4)


def test_in_other_units_the_bound_is_that_of_the_density_of_the_data():
    model = MODELS["reals"]
    params, stats = begin(model)
    batch = {"x": example(model)["x"].astype("float64")}
    moved = stats | {"centre": 3 * stats["centre"] + 1, "scale": 3 * stats["scale"]}
    one   = model.evaluate(params, stats, batch, SEED, draws=2)["ELBO"]
    other = model.evaluate(params, moved, {"x": 3 * batch["x"] + 1}, SEED, draws=2)["ELBO"]
    np.testing.assert_allclose(other, one - 8 * math.log(3), rtol=1e-9)


@over
def test_each_example_is_judged_alike_whatever_is_beside_it(model):
    params, stats = begin(model)
    batch = example(model)
    found = model.evaluate(params, stats, batch, Draws(SEED, list(range(N))), draws=4)
    alone = model.evaluate(params, stats, {k: a[3:4] for k, a in batch.items()}, Draws(SEED, [3]), draws=4)
    assert set(found) == {"L_simple", "ELBO"} and all(v.shape == (N,) and np.isfinite(v).all() for v in found.values())
    assert all(math.isclose(alone[name][0], found[name][3], rel_tol=1e-9) for name in found)


# ---- sampling --------------------------------------------------------------------------------------------------------
def test_the_sampler_that_leaves_out_no_step_and_no_noise_is_the_chain():
    for model in (MODELS["unet-v"], MODELS["mlp-eps"]):
        params, stats = begin(model)
        chain, ddim = (dataclasses.replace(model, levels=None, variance="clipped", sampled=sampled, eta=eta)
                       for sampled, eta in ((0, 0.0), (4, 1.0)))
        a, b = (each.sample(params, stats, SEED, 5) for each in (chain, ddim))
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
        fewer = dataclasses.replace(ddim, sampled=2)
        assert not np.allclose(fewer.sample(params, stats, SEED, 5), a)


def test_samples_are_data_and_a_chain_ends_at_them():
    model = MODELS["unet-v"]
    params, stats = begin(model)
    x = model.sample(params, stats, SEED, 6)
    assert x.shape == (6, 8) and x.dtype == "int64" and x.min() >= 0 and x.max() <= 4
    states = model.chain(params, stats, SEED, 6)
    assert states.shape == (5, 6, 8) and np.array_equal(np.rint(4 * states[-1]), x)
    assert 0 <= states.min() < states.max() <= 1
    assert np.array_equal(states[0], np.clip((SEED("x").normal((6, 8), "float64") + 1) / 2, 0, 1))


def test_labels_are_told_left_out_and_weighed():
    model = MODELS["labelled"]
    params, stats = begin(model)
    xt, y = SEED("xt").normal((N, 8), "float64"), SEED("y").integers(0, 3, N)
    said  = lambda y, w=0: model.noise(params, stats, y, w)(xt, 2)[0]
    none  = said(np.full(N, 3))
    np.testing.assert_allclose(said(y, 2.5), said(y) + 2.5 * (said(y) - none), rtol=1e-12)
    assert not np.allclose(said(y), none) and not np.allclose(said(y), said((y + 1) % 3))
    draw  = lambda w=0.0, y=None: dataclasses.replace(model, guidance=w, levels=None).sample(params, stats, SEED, 4, y)
    assert not np.allclose(draw(), draw(2.0)) and not np.allclose(draw(y=[0] * 4), draw(y=[1] * 4))


@pytest.mark.parametrize("y, words", [([0, 3], "y holds 3 at 1; expected classes from 0 to 2"),
                                      ([0], r"y has shape \(1,\)"), ([0.5, 1], "y holds float64")])
def test_labels_that_make_no_sense_are_refused(y, words):
    model = MODELS["labelled"]
    with pytest.raises((ValueError, TypeError), match=words):
        model.sample(*begin(model), SEED, 2, y)


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(ValueError, match=r"shape=\(4, 2\) has 8 numbers, but examples have 9"):
        DDPM(**SMALL).init(SEED, {"x": np.ones((3, 9))})
    with pytest.raises(ValueError, match=r"has no labels"):
        DDPM(**SMALL, classes=3).loss(*begin(MODELS["labelled"]), {"x": example(MODELS["labelled"])["x"]}, SEED)
    for how, words in ((dict(sampled=5), "T=4, so sampled=5"), (dict(eta=0.5), "eta=0.5 is of the sampler"),
                       (dict(guidance=1.0), "guidance=1.0 wants labels"), (dict(embedding=3), "embedding=3 is odd")):
        with pytest.raises(ValueError, match=words):
            DDPM(**{**SMALL, **how})
    for how, words in ((dict(widths=(8, 8, 8)), "expected sides that are multiples of 4"),
                       (dict(widths=()), "widths="), (dict(widths=(6,)), "multiples of 4, the groups")):
        with pytest.raises(ValueError, match=words):
            DDPM(**{**SMALL, **how}).init(SEED, example(DDPM(**SMALL)))


def test_what_it_says_of_the_variance_is_from_minus_1_to_1_and_learned_between_the_two():
    """A net that says -1 means the posterior's variance, 0 the geometric mean, 1 beta."""
    model = MODELS["learned"]
    params, stats = begin(model)
    s = stats["schedule"]
    x = SEED("x").normal((3, 8), "float64")
    for said, want in ((-1, ddpm.clipped(s)), (0, np.sqrt(ddpm.clipped(s) * s.beta)), (1, s.beta)):
        object.__setattr__(model, "said", lambda params, x, t, y: [0 * x, 0 * x + said])
        try:
            _, sigma2 = model.back(stats, model.noise(params, stats, None))(x, 3)
        finally:
            object.__delattr__(model, "said")
        np.testing.assert_allclose(sigma2, want[2], rtol=1e-12)


@pytest.mark.parametrize("name", ["mlp-eps", "learned", "labelled", "reals"])
def test_an_example_is_judged_by_its_mean_loss_over_steps_and_by_the_bound_of_its_levels(name):
    model = MODELS[name]
    params, stats = begin(model)
    batch = example(model)
    x0, s = model.seen(batch["x"], stats), stats["schedule"]
    eps_theta = model.noise(params, stats, batch["y"])
    found = dataclasses.replace(model, guidance=3.0 * bool(model.classes)).evaluate(params, stats, batch, SEED, draws=4)
    each = []
    for i in range(8):
        t, eps = SEED("t")(i).integers(1, 5, len(x0)), SEED("eps")(i).normal(x0.shape, "float64")
        each.append(np.sum((eps - eps_theta(ddpm.q_sample(x0, t, eps, s), t)[0])**2, axis=1))
    np.testing.assert_allclose(found["L_simple"], np.mean(each, axis=0), rtol=1e-12)
    noise = lambda t: SEED("bound")(t).normal(x0.shape, "float64")
    bound = ddpm.bound(model.back(stats, eps_theta), x0, noise, s, model.levels)
    np.testing.assert_allclose(found["ELBO"], -bound - (0 if model.levels else np.sum(np.log(stats["scale"]))),
                               rtol=1e-12)
    assert set(model.evaluate(params, stats, batch, SEED)) == {"L_simple"}


def test_guidance_moves_the_noise_and_leaves_the_variance_that_the_label_has():
    model = dataclasses.replace(MODELS["labelled"], variance="learned")
    params, stats = begin(model)
    x, y = SEED("x").normal((4, 8), "float64"), np.array([0, 1, 2, 0])
    (eps, v), (guided, v_guided) = (model.noise(params, stats, y, w)(x, 2) for w in (0, 2.0))
    assert np.array_equal(v, v_guided) and not np.allclose(eps, guided)
    assert not np.allclose(v, model.noise(params, stats, 0 * y + 3)(x, 2)[1])


def test_a_bound_by_some_of_the_steps_counts_each_for_its_part_of_the_chain():
    model = MODELS["mlp-v"]
    params, stats = begin(model)
    batch = example(model)
    x0, s = model.seen(batch["x"], stats), stats["schedule"]
    a, b  = (part + int(u * 2) for part, u in zip((1, 3), SEED("steps").uniform(2)))            # of 1, 2 and of 3, 4
    p     = model.back(stats, model.noise(params, stats, None))
    each  = [ddpm.step_loss(p, x0, t, SEED("bound")(t).normal(x0.shape, "float64"), s, 5) for t in (a, b)]
    found = model.evaluate(params, stats, batch, SEED, draws=2)["ELBO"]
    np.testing.assert_allclose(found, -ddpm.prior_kl(x0, s) - 2 * sum(each), rtol=1e-12)


def test_a_long_chain_is_shown_by_some_of_its_states_from_the_noise_to_the_sample():
    model = dataclasses.replace(MODELS["mlp-v"], T=50)
    params, stats = begin(model)
    states = model.chain(params, stats, SEED, 3)
    assert len(states) == 40 and np.array_equal(np.rint(4 * states[-1]), model.sample(params, stats, SEED, 3))
    assert np.array_equal(states[0], np.clip((SEED("x").normal((3, 8), "float64") + 1) / 2, 0, 1))
