"""Laws of the adversarial networks that train, over every objective and network."""
import dataclasses
import math

import numpy as np
import pytest
import scipy.stats

from backends import no_sync, to_host, use, xp
from backends.random import Stream, evaluation
from scratch import autodiff, optim, trees
from scratch.autodiff import value_and_grad
from scratch.data import Data, batches, load
from scratch.data.levels import units
from scratch.data.toys import TOYS
from scratch.gans import nets
from scratch.gans.models import GAN
from scratch.gans.objectives import OBJECTIVES
from scratch.metrics import mode_shares, slerp
from scratch.nets import ACTIVATIONS, unet
from scratch.train import fit

SEED    = Stream.seed(0)("test_gan_models")
N, L, C = 12, 5, 3                                      # examples, levels, classes
D       = 16                                            # numbers in an example, 4 x 4 pixels
SMALL   = dict(latent=3, hidden=(5,), batch_size=4, lr=0.01, activation="leaky")
CONV    = dict(SMALL, net="conv", hidden=(4,), shape=(4, 4), levels=L)
GANS = {
    **{name: GAN(**SMALL, objective=name) for name in OBJECTIVES},
    "two steps":         GAN(**SMALL, k=2, levels=L),
    "clipped":           GAN(**SMALL, k=2, objective="wasserstein", optimiser="rmsprop", clip_weights=0.05),
    "penalty":           GAN(**SMALL, k=2, objective="wasserstein", penalty=10.0, beta1=0.0, beta2=0.9),
    "penalty, smooth":   GAN(**{**SMALL, "activation": "softplus"}, objective="wasserstein", penalty=1.0),
    "labels":            GAN(**SMALL, k=2, classes=C, levels=L),
    "convolutional":     GAN(**CONV),
    "deeper":            GAN(**{**CONV, "hidden": (6, 4)}),
    "conv, penalty":     GAN(**{**CONV, "hidden": (6, 4)}, k=2, objective="wasserstein", penalty=10.0),
    "conv, labels":      GAN(**CONV, classes=C, clip=0.1, ema=0.0),
}
over = lambda table: pytest.mark.parametrize("model", list(table.values()), ids=list(table))
those = lambda **fields: {name: model for name, model in GANS.items()
                          if any(getattr(model, field) == value for field, value in fields.items())}


def data(model, n=N):
    """Levels or reals of labels 0, 1, 2, the same in all three parts."""
    x = (SEED("k").integers(0, L, (n, D)).astype("uint8") if model.levels else
         SEED("x").normal((n, D)) * xp.arange(1, D + 1).astype("float32") + 1)
    part = {"x": x, "y": xp.arange(n) % C}
    return Data(part, part, part, shape=(4, 4), levels=model.levels)


def begin(model, dtype="float32"):
    """A state that has come through a few steps, so that nothing of it is 0 or at its start."""
    train = data(model).train
    state = model.start(SEED("init"), train)
    return advance(model, model.restore(0, *trees.map(lambda a: a.astype(dtype), (state.params, state.stats,
                                                                                  state.moments))), 2)


def advance(model, state, steps):
    """After so many steps more."""
    minibatches = model.batches(data(model).train, SEED("order"), state.step)
    for _, batch in zip(range(steps), minibatches):
        state, _ = model.update(state, batch, SEED("train")(state.step + 1))
    return state


def copied(tree):
    return [to_host(leaf).copy() for leaf in trees.leaves(tree)]


def same(a, b):
    return len(a) == len(b) and all(map(np.array_equal, a, b))


def real(model, state, n=4):
    """Examples in the units of the players, and labels as they are told them."""
    batch = {name: a[:n] for name, a in data(model).train.items()}
    x = (batch["x"] - state.stats["centre"]) / state.stats["scale"]
    return x.astype(state.stats["centre"].dtype), model._told(batch["y"])


# ---- the game --------------------------------------------------------------------------------------------------------
@over(GANS)
def test_a_step_of_one_player_leaves_the_other_bitwise_as_it_was(model):
    state = begin(model)
    x, y  = real(model, state)
    def parts():
        own = lambda player: [model._own(state, player, buffer) for buffer in (state.flat[0], *state.moments.values())
                              if buffer is not state.moments.get("average")]
        return {player: copied([state.params[player], own(player)]) for player in ("generator", "critic")}
    for player, other, step in (("critic", "generator", lambda: model.critic_step(state, x, y, 0, SEED)),
                                ("generator", "critic", lambda: model.generator_step(state, 4, y, SEED))):
        before, stats = parts(), copied(state.stats)
        step()
        after = parts()
        assert same(before[other], after[other]) and same(stats, copied(state.stats))
        still = sum(map(np.array_equal, before[player], after[player]))
        assert still <= (4 if model.objective == "wasserstein" and player == "critic" else 0)   # its last bias: the
        #                                                               leaf, and all of it that the buffers have


@over(GANS)
def test_an_update_is_k_steps_of_the_critic_on_all_of_its_batch_and_then_one_of_the_generator(model, monkeypatch):
    seen = []
    def spy(name, f):
        def step(self, state, *args):
            seen.append((name, *args))
            return f(self, state, *args)
        monkeypatch.setattr(GAN, name, step)
    spy("critic_step", GAN.critic_step)
    spy("generator_step", GAN.generator_step)
    state = model.start(SEED("init"), data(model).train)
    batch = next(model.batches(data(model).train, SEED("order"), 0))
    state, _ = model.update(state, batch, SEED)
    *critic, generator = seen
    assert [name for name, *_ in seen] == ["critic_step"] * model.k + ["generator_step"]
    assert [i for *_, i, _ in critic] == list(range(model.k)) and generator[1] == model.batch_size
    assert all(len(x) == model.batch_size for _, x, *_ in critic)
    def with_label(x, y):                                                       # rows in an order of their own
        rows = np.column_stack([x, y])
        return rows[np.lexsort(np.round(rows, 3).T)]
    rows   = np.concatenate([x for _, x, *_ in critic]) * state.stats["scale"] + state.stats["centre"]
    labels = np.concatenate([np.argmax(y, axis=1) for _, _, y, *_ in critic]) if model.classes else 0 * rows[:, 0]
    assert np.allclose(with_label(rows, labels), with_label(batch["x"], batch["y"] * (model.classes > 0)), atol=1e-4)
    streams = [args[-1].key for args in seen]
    assert len(set(streams)) == len(streams) and state.step == 1


def test_each_player_has_an_optimiser_of_its_own_that_counts_its_own_steps(monkeypatch):
    """Adam as in the paper, with the decays asked for: on the gradients that came, the weights and moments that are."""
    model = GAN(**SMALL, k=2, beta1=0.5, beta2=0.9)
    state = model.start(SEED("init"), data(model).train)
    own   = model._own(state, "generator", state.flat[0])
    start, taken, step = state.flat[0].copy(), [], optim.step

    def spy(name, p, g, t, lr, moments, **decays):
        taken.append(("generator" if np.shares_memory(p, own) else "critic", t, g.copy()))
        step(name, p, g, t, lr, moments, **decays)
    monkeypatch.setattr(optim, "step", spy)
    state = advance(model, state, 2)
    assert [(who[0], t) for who, t, _ in taken] == [("c", 1), ("c", 2), ("g", 1), ("c", 3), ("c", 4), ("g", 2)]
    for player in ("generator", "critic"):
        p = model._own(state, player, start).astype("float64")
        m = v = 0
        for _, t, g in [step for step in taken if step[0] == player]:
            p, m, v = optim.adam(p, g, t, model.lr, m, v, beta1=0.5, beta2=0.9)
        assert np.allclose(model._own(state, player, state.flat[0]), p, rtol=1e-5, atol=1e-6)
        assert np.allclose(model._own(state, player, state.moments["v"]) * (1 - 0.9), v, rtol=1e-5, atol=1e-9)


@over({"mlp": GANS["two steps"], "conv": GANS["conv, penalty"], "labels": GANS["labels"]})
def test_no_noise_is_drawn_twice_in_an_update(model, monkeypatch):
    with use("strict"):
        train = data(model).train
        state = model.start(SEED("init"), train)
        batch = next(model.batches(train, SEED("order"), 0))
        with evaluation():
            model.update(state, batch, SEED)
        monkeypatch.setattr(Stream, "__call__", lambda stream, name: stream)
        with evaluation(), pytest.raises(RuntimeError, match="drawn twice"):
            model.update(state, batch, SEED)


@over({"mlp": GANS["two steps"], "of three": dataclasses.replace(GANS["two steps"], k=3)})
def test_a_batch_is_k_minibatches_in_the_order_of_the_data_and_goes_on_where_it_was(model):
    train = {name: a[:10] for name, a in data(model).train.items()}
    ours  = [b for _, b in zip(range(7), model.batches(train, SEED, 0))]
    each  = batches(train, 4, SEED)
    for i, batch in enumerate(ours):
        few = [next(each) for _ in range(model.k)]
        assert all(np.array_equal(batch[name], np.concatenate([b[name] for b in few])) for name in train)
        again = next(model.batches(train, SEED, i))
        assert all(np.array_equal(batch[name], again[name]) for name in train)
    few = next(dataclasses.replace(model, batch_size=64).batches(train, SEED, 0))
    assert len(few["x"]) == model.k * 10


def test_a_linear_game_follows_its_formula():
    """G(z) = w z + b against D(x) = a x + c, by gradient descent: k times a += lr (mean x - mean G(z)), then
    (w, b) += lr a (mean z, 1)."""
    model = GAN(objective="wasserstein", optimiser="sgd", lr=0.1, k=3, latent=1, hidden=(), batch_size=4, ema=0.0)
    x     = SEED("x").normal((12, 1), "float64") * 2 + 3
    state = model.start(SEED("init"), {"x": x})
    state = model.restore(0, *trees.map(lambda v: v.astype("float64"), (state.params, state.stats)), {})
    layer = lambda player: [float(v.reshape(())) for v in trees.leaves(state.params[player])]
    (w, b), (a, c) = layer("generator"), layer("critic")
    units = (x - state.stats["centre"]) / state.stats["scale"]
    state, metrics = model.update(state, {"x": x}, SEED)
    for i in range(3):
        z  = SEED("critic")(i)("z").normal((4, 1), "float64")
        gap = np.mean(units[i::3]) - np.mean(w * z + b)
        value = -a * gap
        a += 0.1 * gap
    z = SEED("generator")("z").normal((4, 1), "float64")
    assert np.allclose([metrics["critic"], metrics["generator"]], [value, -a * np.mean(w * z + b) - c], rtol=1e-12)
    w, b = w + 0.1 * a * np.mean(z), b + 0.1 * a
    assert np.allclose(layer("generator"), [w, b], rtol=1e-12) and np.allclose(layer("critic"), [a, c], rtol=1e-12)


# ---- what they minimise ----------------------------------------------------------------------------------------------
@over(GANS)
def test_a_player_minimises_its_objective_and_the_critic_the_penalty_with_it(model):
    state    = begin(model, "float64")
    x, y     = real(model, state)
    z, alpha = SEED("z").normal((4, 3), "float64"), SEED("alpha").uniform(4, "float64")
    fake, _  = model._generate(state.params["generator"], z, y, D)
    critic, generator, _ = OBJECTIVES[model.objective]
    judge = lambda x: model._judge(state.params["critic"], x, y)
    value, terms = model.critic_loss(state.params["critic"], x, fake, y, alpha)
    assert math.isclose(value - terms.get("penalty", 0), critic(judge(x), judge(fake)), rel_tol=1e-12)
    assert set(terms) == ({"penalty"} if model.penalty else set())
    assert model.generator_loss(state.params["generator"], state.params["critic"], z, y, D)[0] == generator(judge(fake))
    if model.penalty:
        x_hat  = alpha[:, None] * x + (1 - alpha[:, None]) * fake
        def difference(step):                                                   # of the critic along a unit vector
            return (judge(x_hat + step) - judge(x_hat - step)) / 2e-6
        slopes = np.sqrt(sum(difference(1e-6 * e)**2 for e in np.eye(D)))
        assert math.isclose(terms["penalty"], model.penalty * np.mean((slopes - 1)**2), rel_tol=1e-6)


@over(GANS)
def test_another_autodiff_finds_the_same_gradients(model):
    """Of both players; with the penalty they are of second order."""
    state    = begin(model, "float64")
    x, y     = real(model, state)
    z, alpha = SEED("z").normal((4, 3), "float64"), SEED("alpha").uniform(4, "float64")
    fake, _  = model._generate(state.params["generator"], z, y, D)
    critic   = state.params["critic"]
    for player, loss in (("critic",    lambda params: model.critic_loss(params, x, fake, y, alpha)[0]),
                         ("generator", lambda params: model.generator_loss(params, critic, z, y, D)[0])):
        value, ours = value_and_grad(loss)(state.params[player])
        with use("autograd"):
            peer, theirs = value_and_grad(loss)(state.params[player])
        assert math.isclose(value, peer, rel_tol=1e-12)
        most = max(np.max(abs(g)) for g in trees.leaves(theirs))
        for a, b in zip(trees.leaves(ours), trees.leaves(theirs)):
            assert a.shape == b.shape and np.max(abs(a - b)) <= 1e-9 * most
        assert most > 0


def test_after_every_step_the_weights_of_a_clipped_critic_lie_in_the_box_and_touch_it():
    model = GANS["clipped"]
    state = model.start(SEED("init"), data(model).train)
    x, y  = real(model, state)
    for i in range(5):
        model.critic_step(state, x, y, 0, SEED(i))
        most = max(np.max(abs(leaf)) for leaf in trees.leaves(state.params["critic"]))
        assert most == np.float32(model.clip_weights)
        model.generator_step(state, 4, y, SEED(i))
    assert max(np.max(abs(leaf)) for leaf in trees.leaves(state.params["generator"])) > model.clip_weights


# ---- on a device, and in parts ---------------------------------------------------------------------------------------
@over(GANS)
def test_on_a_device_it_learns_and_draws_the_same_without_waiting(model):
    def learn():
        train = {name: xp.asarray(to_host(a)) for name, a in data(model).train.items()}
        state = model.start(SEED("init"), train)
        few   = [batch for _, batch in zip(range(3), model.batches(train, SEED("order"), 0))]
        with no_sync():
            for t, batch in enumerate(few):
                state, metrics = model.update(state, batch, SEED(t))
            x = model.sample(model.weights(state), state.stats, SEED("sample"), 5)
        return copied((state.params, state.stats, state.moments, metrics)), to_host(x)
    here, x = learn()
    with use("strict"):
        there, x_there = learn()
    assert len(here) == len(there) > 5 and x.dtype == x_there.dtype == ("int64" if model.levels else "float32")
    for a, b in zip(here, there):
        assert a.dtype == b.dtype == "float32" and np.allclose(a, b, rtol=1e-5, atol=1e-5 * np.max(abs(a), initial=0))
    assert np.mean(x != x_there) < 0.02 if model.levels else np.allclose(x, x_there, rtol=1e-4, atol=1e-4)
    assert not model.levels or abs(x - x_there).max() <= 1


@over(GANS)
def test_a_state_is_its_params_stats_and_moments(model):
    """One put together from copies of them goes on in the same way."""
    state  = begin(model)
    parts  = [trees.map(lambda a: a.copy(), part) for part in (state.params, state.stats, state.moments)]
    other  = model.restore(state.step, *parts)
    a, b   = (advance(model, each, 2) for each in (state, other))
    assert same(copied(a[1:4]), copied(b[1:4])) and a.step == b.step == 4
    template = model.template((4, 4))
    assert trees.flatten(template[1:4])[1] == trees.flatten(a[1:4])[1]
    assert [leaf.shape for leaf in trees.leaves(template[1:4])] == [leaf.shape for leaf in trees.leaves(a[1:4])]


def test_samples_come_from_the_average_of_the_weights():
    model = dataclasses.replace(GANS["convolutional"], ema=0.5)
    state = model.start(SEED("init"), data(model).train)
    want  = state.flat[0].copy()
    for step in range(1, 5):
        state = advance(model, state, 1)
        optim.averaged(want, state.flat[0], step, 0.5)
    assert np.array_equal(state.flat[1].pack(model.weights(state)), want) and not np.array_equal(state.flat[0], want)
    plain = dataclasses.replace(model, ema=0.0)
    assert same(copied(plain.weights(advance(plain, plain.start(SEED("init"), data(plain).train), 1))["generator"]),
                copied(advance(plain, plain.start(SEED("init"), data(plain).train), 1).params["generator"]))


# ---- the convolutional ones ------------------------------------------------------------------------------------------
CONVOLUTIONAL = those(net="conv")


def written_down(monkeypatch, shape, hidden, normalised=True):
    """What the two networks do, in order, each with the shape that comes out; and their parameters."""
    done = []
    def spy(name, f):
        def g(*args, **kwargs):
            y = f(*args, **kwargs)
            done.append((name, tuple((y[0] if isinstance(y, tuple) else y).shape[1:])))
            return y
        return g
    for name in ("conv", "conv_transpose"):
        monkeypatch.setattr(autodiff, name, spy(name, getattr(autodiff, name)))
    for name, (f, gain) in list(ACTIVATIONS.items()):
        monkeypatch.setitem(ACTIVATIONS, name, (spy(name, f), gain))
    norm = nets.batch_norm
    monkeypatch.setattr(nets, "batch_norm", lambda C: (norm(C)[0], spy("batch norm", norm(C)[1])))
    found = []
    for (init, apply), args in zip(nets.convolutional(shape, 7, hidden, 0, "leaky", normalised),
                                   [(SEED("z").normal((2, 7)),), (SEED("x").normal((2, math.prod(shape))),)]):
        params = init(SEED)
        apply(params, *args, None)
        found.append((done[:], params))
        done.clear()
    return found


def test_the_convolutional_players_keep_the_five_guidelines(monkeypatch):
    """Strides instead of pooling; batch normalisation in both, but for the ends towards x; nothing fully connected;
    ReLU in the generator and tanh at its end; leaky ReLU in the critic."""
    (up, g), (down, c) = written_down(monkeypatch, (8, 8), (6, 5))
    assert up == [("conv_transpose", (2, 2, 6)), ("batch norm", (2, 2, 6)), ("relu", (2, 2, 6)),
                  ("conv_transpose", (4, 4, 5)), ("batch norm", (4, 4, 5)), ("relu", (4, 4, 5)),
                  ("conv_transpose", (8, 8, 1)), ("linear", (8, 8, 1))]
    assert down == [("conv", (4, 4, 5)), ("leaky", (4, 4, 5)),
                    ("conv", (2, 2, 6)), ("batch norm", (2, 2, 6)), ("leaky", (2, 2, 6)),
                    ("conv", (1, 1, 1)), ("linear", (1, 1, 1))]
    weights = [layer["conv"]["W"] for layer in (*g, *c)]
    assert all(W.ndim == 4 for W in weights) and [W.shape[:2] for W in weights] == [(2, 2), (4, 4), (4, 4),
                                                                                   (4, 4), (4, 4), (2, 2)]
    assert [("b" in layer["conv"]) != ("norm" in layer) for layer in (*g, *c)] == [True] * 6    # one shift each
    model = GAN(net="conv", hidden=(6, 5), latent=7, shape=(8, 8), levels=17)
    z     = SEED("z").normal((9, 7))
    bare  = nets.convolutional((8, 8), 7, (6, 5), 0)[0][1](g, z, None)[0]
    assert np.array_equal(model._generate(g, z, None, 64)[0], np.tanh(bare))


def test_the_critic_of_a_gradient_penalty_is_not_normalised(monkeypatch):
    (up, _), (down, _) = written_down(monkeypatch, (8, 8), (6, 5), normalised=False)
    assert sum(name == "batch norm" for name, _ in up) == 2 and not any(name == "batch norm" for name, _ in down)
    model = GANS["conv, penalty"]
    state = begin(model)
    x, y  = real(model, state)
    alone = np.concatenate([model._judge(state.params["critic"], x[i:i + 1], None) for i in range(4)])
    assert np.allclose(model._judge(state.params["critic"], x, y), alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(28, 28), (8, 4), (12, 8, 3)])
def test_images_of_other_sizes_and_colours_come_out_whole(shape):
    generator, critic = nets.convolutional(shape, 7, (6, 5), 0)
    x, _ = generator[1](generator[0](SEED), SEED("z").normal((2, 7)), None)
    assert x.shape == (2, math.prod(shape)) and critic[1](critic[0](SEED), x, None).shape == (2,)


@over(CONVOLUTIONAL)
def test_the_running_moments_follow_those_of_the_batches_and_make_samples_independent(model):
    state  = begin(model)
    before = trees.map(lambda a: a.copy(), state.stats["moments"])
    kept   = []
    step   = model.generator_step
    object.__setattr__(model, "generator_step", lambda *args: kept.append(step(*args)) or kept[-1])
    try:
        state = advance(model, state, 1)
    finally:
        object.__delattr__(model, "generator_step")
    decay  = min(model.ema or 0.9, 3 / 12)
    sides  = [4 // 2**(len(model.hidden) - i) for i in range(len(model.hidden))]
    assert [n for _, n in kept[0][1]] == [model.batch_size * side * side for side in sides]
    assert len(before) == len(model.hidden)
    for mean, var in model.start(SEED, data(model).train).stats["moments"]:
        assert np.all(mean == 0) and np.all(var == 1)
    for old, (new, n), now in zip(before, kept[0][1], state.stats["moments"]):
        assert np.allclose(now[0], decay * old[0] + (1 - decay) * new[0], rtol=1e-5, atol=1e-6)
        assert np.allclose(now[1], decay * old[1] + (1 - decay) * new[1] * n / (n - 1), rtol=1e-5)
    z, y  = SEED("z").normal((6, 3)), xp.arange(6) % C
    weights = model.weights(state)
    x = model.generate(weights, state.stats, z, y)
    assert np.allclose(x[2:3], model.generate(weights, state.stats, z[2:3], y[2:3]), rtol=1e-4, atol=1e-5)
    batch = model._generate(weights["generator"], z, model._told(y), D)[0]
    assert not np.allclose(batch, x, atol=1e-3)


# ---- what it draws ---------------------------------------------------------------------------------------------------
@over(GANS)
def test_samples_are_in_the_units_of_the_data(model):
    state = begin(model)
    x     = model.sample(model.weights(state), state.stats, SEED, 50)
    train = data(model).train["x"]
    assert x.shape == (50, D) and same([x], [model.sample(model.weights(state), state.stats, SEED, 50)])
    if model.levels:
        assert x.dtype == "int64" and x.min() >= 0 and x.max() <= L - 1 and len(np.unique(x)) > 2
    else:
        assert x.dtype == "float32"
    seen = model.seen(train, state.stats)
    assert np.allclose(model.as_data(seen, state.stats), train, rtol=1e-5, atol=1e-4)
    assert model.levels or np.allclose(seen.mean(0), 0, atol=1e-4) and np.allclose(seen.std(0), 1, rtol=1e-4)


def test_levels_are_rounded_to_the_nearest_and_the_ends_of_the_range_are_the_least_and_the_greatest():
    model  = GAN(**{**SMALL, "hidden": (), "latent": 1}, levels=L)
    state  = model.start(SEED, data(model).train)
    params = trees.map(lambda a: 0 * a, state.params)
    for level, out in ((0, -9), (4, 9), (2, 0.2), (3, 0.3), (1, -0.3)):
        params["generator"][0]["b"][:] = out
        assert np.all(model.sample(params, state.stats, SEED, 3) == level)
    seen = (np.arange(L) - state.stats["centre"][0]) / state.stats["scale"][0]
    assert np.allclose(seen, [-1, -0.5, 0, 0.5, 1])


def test_a_column_that_never_changes_is_learned_as_it_is():
    x     = xp.concatenate([SEED("x").normal((N, 1)), xp.full((N, 1), 7.0, dtype="float32")], axis=1)
    model = GAN(**SMALL)
    state = model.start(SEED, {"x": x})
    state, metrics = model.update(state, next(model.batches({"x": x}, SEED, 0)), SEED)
    drawn = model.sample(model.weights(state), state.stats, SEED, 100)
    assert np.isfinite(metrics["critic"]) and abs(drawn[:, 1].mean() - 7) < 3


def test_the_activation_is_that_of_both_players():
    one, other = GAN(**SMALL), GAN(**{**SMALL, "activation": "tanh"})
    state      = begin(one)
    x, _       = real(one, state)
    z          = SEED("z").normal((4, 3))
    judged, made = (([m._judge(state.params["critic"], x, None) for m in (one, other)]),
                    ([m._generate(state.params["generator"], z, None, D)[0] for m in (one, other)]))
    assert not np.allclose(*judged, rtol=1e-3) and not np.allclose(*made, rtol=1e-3)


def test_classes_are_told_to_both_and_drawn_as_often_as_in_the_data_where_none_is_asked_for():
    """Of three classes in shares 1/2, 1/3, 1/6: 3000 draws, 5 deviations, a false alarm in 6e5."""
    for model in those(classes=C).values():
        state   = begin(model)
        weights = model.weights(state)
        draw    = lambda y: model.sample(weights, state.stats, SEED, 3000, y)
        share = np.array([3, 2, 1]) / 6
        state.stats["shares"] = np.log(share)
        y = SEED("y").categorical(np.log(share), (3000,))
        assert np.array_equal(draw(None), draw(y))
        assert (abs(np.bincount(y) - 3000 * share) < 5 * np.sqrt(3000 * share * (1 - share))).all()
        assert not np.array_equal(draw(0 * y), draw(0 * y + 1))
        with pytest.raises(ValueError, match="y holds 3 at 0; expected classes from 0 to 2"):
            draw(0 * y + 3)
        x, _ = real(model, state)
        says = [model._judge(state.params["critic"], x, model._told(np.full(4, y))) for y in range(C)]
        assert not np.allclose(says[0], says[1]) and not np.allclose(says[1], says[2])


def test_a_conditional_network_draws_the_class_that_is_asked_for():
    """Of three clusters on a line, after 400 steps: at least 95 % of each lie nearest to their own."""
    y     = np.arange(300) % 3
    x     = (4.0 * y + 0.3 * SEED("x").normal(300, "float64"))[:, None]
    model = GAN(latent=1, hidden=(16,), lr=5e-3, classes=3, batch_size=64)
    *_, (state, _) = fit(model, model.start(SEED("init"), {"x": x, "y": y}),
                         model.batches({"x": x, "y": y}, SEED("order"), 0), SEED("train"), 400)
    for k in range(3):
        drawn = model.sample(model.weights(state), state.stats, SEED(k), 500, np.full(500, k))
        assert np.mean(np.rint(np.clip(drawn / 4, 0, 2)) == k) >= 0.95


@over({name: model for name, model in GANS.items() if model.levels})
def test_pictures_lead_from_one_code_to_another_in_one_class(model):
    state   = begin(model)
    weights = model.weights(state)
    x       = model.pictures(weights, state.stats, {}, SEED)["interpolation"]
    assert x.shape == (64, D) and x.min() >= 0 and x.max() <= 1
    for end, column in (("a", 0), ("b", 7)):
        z = SEED(end).normal((8, 1, 3))[:, 0]
        y = np.arange(8) % max(model.classes, 1)
        assert np.allclose(x[column::8], (model.generate(weights, state.stats, z, y) + 1) / 2, rtol=1e-4, atol=1e-5)


@over({name: model for name, model in GANS.items() if model.levels})
def test_what_ink_adds_to_a_code_adds_ink_to_its_sample(model):
    state = begin(model)
    x     = model.pictures(model.weights(state), state.stats, {}, SEED)["arithmetic"]
    few, more = x[:, 0].mean(1), x[:, 1].mean(1)
    assert x.shape == (32, 2, D) and np.mean(more > few) > 0.8 and more.mean() > few.mean()


def test_samples_fill_no_more_dimensions_than_the_code_has():
    """Where the code has fewer than x there is no density: the generator's derivative has the rank of the code."""
    for model in (GANS["nonsaturating"], GANS["convolutional"]):
        state   = begin(model, "float64")
        weights = model.weights(state)
        make = lambda z: model.generate(weights, state.stats, z[None])[0]
        J    = autodiff.jacobian(make)(SEED("z").normal(3, "float64"))
        size = np.linalg.svd(J)[1]
        assert J.shape == (D, 3) and size[2] > 1e-6 and np.allclose(np.linalg.eigvalsh(J @ J.T)[:-3], 0, atol=1e-12)
    linear = GAN(latent=2, hidden=())
    state  = linear.start(SEED, data(linear).train)
    x      = linear.sample(state.params, state.stats, SEED, 100).astype("float64")
    size   = np.linalg.svd(x - x.mean(0))[1]
    assert size[1] > 0.1 and size[2] < 1e-4


def test_a_generator_that_does_not_read_its_code_covers_one_mode():
    toy   = TOYS["ring"]
    modes = toy.centres()[0]
    model = GAN(latent=2, hidden=())
    state = model.start(SEED, {"x": toy.sample(SEED("ring"), 2000)})
    def drawn(W, k):
        layer = {"W": xp.full((2, 2), W), "b": (modes[k] - state.stats["centre"]) / state.stats["scale"]}
        x = model.sample({"generator": [layer]}, state.stats, SEED, 1000)
        return mode_shares(x, modes, 4 * toy.sigma)
    assert np.array_equal(drawn(0.0, 3), np.arange(8) == 3) and 0 < drawn(0.02, 5)[5] == drawn(0.02, 5).sum()
    assert drawn(1.0, 0).sum() < 0.5


# ---- hyper-parameters, and what is refused ---------------------------------------------------------------------------
CHANGES = [
    # beside                                                                field          one              another
    ({},                                                                    "optimiser",   "adam",          "rmsprop"),
    ({},                                                                    "lr",          0.01,            0.02),
    ({},                                                                    "beta1",       0.5,             0.0),
    ({},                                                                    "beta2",       0.999,           0.9),
    ({},                                                                    "batch_size",  4,               5),
    ({},                                                                    "clip",        0.0,             0.1),
    ({},                                                                    "ema",         0.99,            0.0),
    *(({},                                                                  "objective",   "nonsaturating", other)
      for other in OBJECTIVES if other != "nonsaturating"),
    ({},                                                                    "k",           1,               2),
    ({"objective": "wasserstein"},                                          "penalty",     10.0,            0.1),
    ({"net": "conv", "hidden": (4, 4), "levels": L, "shape": (4, 4)},       "penalty",     0.0,             1e-9),
    ({"objective": "wasserstein"},                                          "clip_weights", 0.0,           0.05),
    ({"levels": L, "shape": (4, 4)},                                        "net",         "mlp",           "conv"),
    ({},                                                                    "latent",      3,               4),
    ({},                                                                    "codes",       0,               3),
    ({},                                                                    "hidden",      (5,),            (5, 5)),
    ({},                                                                    "activation",  "leaky",         "tanh"),
    ({},                                                                    "classes",     0,               3),
    ({},                                                                    "levels",      None,            L),
    ({"net": "conv", "levels": L},                                          "shape",       (4, 4),          (2, 8)),
]


@pytest.mark.parametrize("beside, field, one, other", CHANGES)
def test_every_hyper_parameter_changes_what_is_learned(beside, field, one, other):
    def learned(value):
        model = GAN(**{**SMALL, **beside, field: value})
        train = {"x": SEED("k").integers(0, L, (N, D)).astype("float32"), "y": xp.arange(N) % C}
        state = model.start(SEED("init"), train)
        for _, batch in zip(range(4), model.batches(train, SEED("order"), 0)):
            state, _ = model.update(state, batch, SEED("train")(state.step))
        return copied((model.weights(state), state.stats))
    assert same(learned(one), learned(one)) and not same(learned(one), learned(other))


def test_every_hyper_parameter_stands_in_the_table():
    assert {field.name for field in dataclasses.fields(GAN)} == {field for _, field, *_ in CHANGES}


@pytest.mark.parametrize("shape, hidden", [((), (4,)), ((16,), (4,)), ((4, 6), (4, 4)), ((6, 4), (4, 4)), ((4, 4), ()),
                                           ((2, 2, 2, 2), (4,))])
def test_a_convolutional_network_says_which_images_it_takes(shape, hidden):
    model = GAN(net="conv", shape=shape, hidden=hidden, levels=L)
    with pytest.raises(ValueError, match="net='conv' was given examples of shape .*; expected images"):
        model.start(SEED, {"x": xp.zeros((2, math.prod(shape)), dtype="uint8")})


def test_labels_that_are_missing_or_more_than_the_classes_are_named():
    found = data(GANS["labels"])
    assert np.array_equal(GANS["labels"].view(found, SEED).train["y"], found.train["y"])
    with pytest.raises(ValueError, match="classes=4, but no training example has the label 3"):
        GAN(classes=4).view(found, SEED)
    state = GANS["labels"].start(SEED, data(GANS["labels"]).train | {"y": xp.asarray([0] * 6 + [2] * 3 + [1] * 3)})
    assert np.allclose(np.exp(state.stats["shares"]) / 12, [1/2, 1/4, 1/4])
    with pytest.raises(ValueError, match="y holds 2 at 2; expected classes from 0 to 1"):
        GAN(classes=2).view(found, SEED)
    with pytest.raises(ValueError, match="classes=3, but the data has no labels; leave classes out"):
        GAN(classes=3).view(load("ring", SEED), SEED)


def test_the_moments_forget_as_fast_as_the_average_does_once_it_has_begun():
    for ema, decay in ((0.8, 0.8), (0.0, 0.9)):
        model  = dataclasses.replace(GANS["convolutional"], ema=ema)
        state  = begin(model)._replace(step=10**4)
        before = trees.map(lambda a: a.copy(), state.stats["moments"])
        kept, step = [], model.generator_step
        object.__setattr__(model, "generator_step", lambda *args: kept.append(step(*args)) or kept[-1])
        after  = advance(model, state, 1).stats["moments"]
        for old, (new, n), now in zip(before, kept[0][1], after):
            np.testing.assert_allclose(now[0], decay * old[0] + (1 - decay) * new[0], rtol=1e-5, atol=1e-6)


def test_the_gradient_of_either_player_is_no_longer_than_clip(monkeypatch):
    model = dataclasses.replace(GANS["two steps"], clip=1e-3)
    taken = []
    monkeypatch.setattr(optim, "step", lambda name, p, g, *_, **decays: taken.append(np.sum(g.astype("float64")**2)))
    state = model.start(SEED("init"), data(model).train)
    x, y  = real(model, state)
    for step in (lambda: model.critic_step(state, x, y, 0, SEED), lambda: model.generator_step(state, 4, y, SEED)):
        taken.clear()
        step()
        assert math.isclose(math.sqrt(sum(taken)), 1e-3, rel_tol=1e-5)


def test_a_code_has_as_many_numbers_as_an_example_up_to_32():
    for D, Z in ((2, 2), (32, 32), (40, 32)):
        model = GAN(hidden=(4,))
        state = model.start(SEED, {"x": SEED("x").normal((5, D))})
        assert state.params["generator"][0]["W"].shape == (Z, 4)
        assert model.drawn_codes(SEED, state.stats, 3).shape == (3, Z)


def test_the_ways_between_codes_are_arcs():
    model = GANS["two steps"]
    state = begin(model)
    weights = model.weights(state)
    x = model.pictures(weights, state.stats, {}, SEED)["interpolation"]
    a, b = (SEED(end).normal((8, 3)) for end in "ab")
    for j in range(8):
        want = model.shown(model.generate(weights, state.stats, slerp(a, b, np.float32(j / 7))))
        np.testing.assert_allclose(x[j::8], want, rtol=1e-4, atol=1e-5)


def coded(**more):
    """A GAN of 3 codes that has not learned 6 bits, in float64, and all 64 images."""
    model = GAN(**{**SMALL, "codes": 3, "levels": 2, **more})
    train = {"x": SEED("bits").integers(0, 2, (N, 6)).astype("uint8"), "y": xp.arange(N) % C}
    state = model.start(SEED("init"), train)
    params, stats_ = trees.map(lambda a: a.astype("float64"), (state.params, state.stats))
    return model, params, stats_, np.indices([2] * 6).reshape(6, -1).T


def test_the_law_of_finitely_many_codes_is_that_of_their_means():
    """The critic sees the means; a bit is 1 as often as they say. Chi-square of 20000 samples at 1e-9."""
    model, params, stats_, images = coded()
    mean = (model.generate(params, stats_, np.eye(3)) + 1) / 2
    p    = sum(np.prod(np.where(images, m, 1 - m), 1) for m in mean) / 3
    log_p = model.log_prob(params, stats_, images)
    np.testing.assert_allclose(np.exp(log_p), p, rtol=1e-12)
    assert abs(p.sum() - 1) < 1e-12 and log_p.dtype == "float64"
    x = model.sample(params, stats_, SEED("x"), 20000)
    count = np.bincount(x @ (1 << np.arange(6)[::-1]), minlength=64)
    often = 20000 * p >= 5
    chi2  = lambda p: np.sum((count - 20000 * p)[often]**2 / (20000 * p)[often])
    assert x.dtype == "int64" and chi2(p) <= scipy.stats.chi2.isf(1e-9, often.sum()) < chi2(np.roll(p, 1))


def test_a_gan_of_codes_has_one_code_for_each_whatever_latent_says_and_draws_all_alike():
    """3000 of 3, each within 6.2 standard errors: a false alarm in 10^8."""
    model, _, stats_, _ = coded(latent=5)
    z = model.drawn_codes(SEED, stats_, 3000)
    assert z.shape == (3000, 3) and (z.sum(1) == 1).all() and (abs(z.sum(0) - 1000) < 6.2 * (3000 * 2 / 9)**0.5).all()


def test_the_law_of_a_convolutional_generator_is_that_of_its_running_moments():
    """Which are not those of the codes."""
    x     = SEED("bits").integers(0, 2, (N, D)).astype("uint8")
    model = GAN(**{**CONV, "codes": 3, "levels": 2})
    params, stats_ = trees.map(lambda a: a.astype("float64"), model.init(SEED, {"x": x}))
    stats_ = {**stats_, "moments": [(mean + 0.3, 2 * var) for mean, var in stats_["moments"]]}
    mean   = (model.generate(params, stats_, np.eye(3)) + 1) / 2
    p      = np.prod(np.where(x[:, None] == 1, mean, 1 - mean), axis=2).mean(1)
    assert stats_["moments"] and np.allclose(np.exp(model.log_prob(params, stats_, x)), p, rtol=1e-12)


def test_where_the_means_are_0_or_1_the_law_is_still_a_number():
    model, params, stats_, images = coded()
    log_p = model.log_prob(trees.map(lambda a: 1e4 * a, params), stats_, images)
    assert np.isfinite(log_p).all() and abs(np.exp(log_p).sum() - 1) < 1e-12 and (np.exp(log_p) > 0.3).sum() > 0


def test_where_there_is_no_law_to_sum_it_is_said():
    model, params, stats_, images = coded(codes=0)
    with pytest.raises(ValueError, match="log_prob was asked of codes=0; expected a finite number of codes"):
        model.log_prob(params, stats_, images)
    part = {"x": np.zeros((4, 6), "uint8"), "y": np.arange(4) % 2}
    for levels, classes in ((L, 0), (None, 0), (2, 2)):
        bits = Data(part, part, part, shape=(6,), levels=levels)
        says = f"codes=3, but the data have {levels or 'no'} levels and classes={classes}; expected 2 levels and no"
        with pytest.raises(ValueError, match=says):
            GAN(codes=3, levels=levels, classes=classes).view(bits, SEED)


@over(GANS)
def test_a_step_of_the_critic_draws_a_code_and_an_alpha_for_each_of_its_examples(model, monkeypatch):
    state = begin(model)
    x, y  = real(model, state)
    z     = model.drawn_codes(SEED("z"), state.stats, 4)
    made  = model._generate(state.params["generator"], z, y, D)[0]
    seen, loss = [], GAN.critic_loss
    monkeypatch.setattr(GAN, "critic_loss", lambda self, params, *args: seen.append(args) or loss(self, params, *args))
    model.critic_step(state, x, y, 0, SEED)
    (examples, fake, labels, alpha), = seen
    assert examples is x and labels is y and np.array_equal(fake, made)
    assert np.array_equal(alpha, SEED("alpha").uniform(4)) and len(set(alpha.tolist())) == 4


def test_no_two_parts_start_from_the_same_draw():
    for params in (unet(1, 1, 6, (4, 4), groups=2)[0](SEED), GANS["deeper"].start(
            SEED, data(GANS["deeper"]).train).params, GANS["nonsaturating"].start(
            SEED, data(GANS["nonsaturating"]).train).params):
        first = [leaf.ravel()[0] / leaf.std() for leaf in trees.leaves(params) if leaf.std()]      # whatever the gain
        assert len(first) > 3 and len(np.unique(np.round(first, 4))) == len(first)


def test_a_part_of_one_example_is_refused_before_training():
    x = SEED("x").normal((5, 2))
    with pytest.raises(ValueError, match="one example for valid; expected two at least"):
        GAN().view(Data({"x": x}, {"x": x[:1]}, {"x": x}, shape=(2,)), SEED)


def test_far_from_0_the_units_are_right():
    x = SEED("x").normal((200000, 2)) + np.array([1000, -3000], "float32")
    centre, scale = units(x)
    np.testing.assert_allclose(centre, x.astype("float64").mean(0), rtol=1e-6)
    np.testing.assert_allclose(scale, x.astype("float64").std(0), rtol=1e-5)
    assert centre.dtype == scale.dtype == "float32" and units(0 * x + 0.1)[1].tolist() == [1, 1]
