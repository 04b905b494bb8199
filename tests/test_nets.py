"""Laws of the layers: what shares its moments, what looks at what, what a step, a label and a dropped unit become."""
import functools
import math

import numpy as np
import pytest

from backends import no_sync, to_host, use, xp
from backends.random import Stream
from scratch import trees
from scratch.autodiff import grad, jacobian, vjp
from scratch.nets import (ACTIVATIONS, SHARING, attend, attention, batch_norm, condition, conv, dropout, embedding,
                          linear, multihead, norm, running, sagan, silu, sinusoidal)
from scratch.nets import normalisation

SEED  = Stream.seed(0)("test_nets")
SHAPE = B, H, W, C = 3, 2, 4, 6
NORMS = {name: norm(name, C, groups=2) for name in SHARING}
EVERY = pytest.mark.parametrize("name", NORMS)


def normal(name, *shape):
    return SEED(name).normal(shape, "float64")


def drawn(layer):
    """Parameters of a layer in float64, none of them 0."""
    leaves, structure = trees.flatten(layer[0](SEED))
    return trees.build(structure, [normal(i, *leaf.shape) for i, leaf in enumerate(leaves)])


def close(a, b, tolerance=1e-12):
    a, b = map(trees.leaves, (a, b))
    return len(a) == len(b) and all(np.shape(p) == np.shape(q) and np.max(abs(p - q), initial=0)
                                    <= tolerance * np.max(abs(q), initial=1) for p, q in zip(a, b))


# ---- what holds of every layer ---------------------------------------------------------------------------------------
IMAGE, TOKENS = (B, H, W, C), (B, 5, 4)

#                         (init, apply)                        shapes of what it is applied to
LAYERS = {
    **{name:              (layer,                              (IMAGE,)) for name, layer in NORMS.items()},
    "own moments":        (batch_norm(C),                      (IMAGE,)),
    "self-attention":     (multihead(C, heads=3),              (IMAGE,)),
    "cross-attention":    (multihead(C, heads=2, context=4),   (IMAGE, TOKENS)),
    "attention block":    (attention(C, heads=2, groups=3),    (IMAGE,)),
    "sagan":              (sagan(C),                           (IMAGE,)),
    "condition":          ((lambda stream: {}, lambda params, *x: condition(*x)), (IMAGE, (B, C), (B, C))),
}


@pytest.mark.parametrize("name", LAYERS)
def test_another_autodiff_agrees_and_a_device_gives_the_same_bits_without_a_transfer(name):
    layer, shapes = LAYERS[name]
    at = [drawn(layer), *(normal(i, *shape) for i, shape in enumerate(shapes))]
    f  = lambda at: layer[1](*at)
    y, pull = vjp(f, at)
    g    = trees.map(lambda y: normal("g", *y.shape), y)
    bars = pull(g)
    unseen = sum(np.max(abs(bar)) < 1e-6 for bar in trees.leaves(bars))      # a bias of the keys moves all scores alike
    assert unseen == ("attention" in name or name == "sagan")
    with use("autograd"):
        theirs, pull = vjp(f, at)
        assert close(theirs, y) and close(pull(g), bars)
    with use("strict"):
        at, g = trees.map(xp.asarray, (at, g))
        with no_sync():
            there, pull = vjp(f, at)
            there = there, pull(g)
        assert all(np.array_equal(to_host(a), b) for a, b in zip(trees.leaves(there), trees.leaves((y, bars))))


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_starts_in_float32_and_stays_there(name):
    (init, apply), shapes = LAYERS[name]
    at = [init(SEED), *(SEED(i).normal(shape) for i, shape in enumerate(shapes))]
    y, pull = vjp(lambda at: apply(*at), at)
    assert all(leaf.dtype == "float32" for leaf in trees.leaves((y, pull(y))))
    assert trees.leaves(y)[0].shape == shapes[0]


# ---- normalisation ---------------------------------------------------------------------------------------------------
def parts(x, name):
    """x with the axes apart that share moments, and which those are."""
    groups = {"batch": C, "instance": C, "layer": 1, "group": 2}[name]
    return x.reshape(B, H, W, groups, C // groups), (0, 1, 2, 4) if name == "batch" else (1, 2, 4)


@EVERY
def test_the_normalised_have_mean_0_and_variance_1(name, monkeypatch):
    init, apply = NORMS[name]
    x = 100 + 5 * normal("x", *SHAPE)
    monkeypatch.setattr(normalisation, "EPS", 0)
    y, axes = parts(apply(init(SEED), x), name)
    assert np.max(abs(y.mean(axes))) < 1e-12 and np.max(abs(y.var(axes) - 1)) < 1e-12


@EVERY
def test_a_normalisation_is_its_formula(name):
    init, apply = NORMS[name]
    x, params = 1e-3 * normal("x", *SHAPE), drawn(NORMS[name])
    z, axes   = parts(x, name)
    hat = (z - z.mean(axes, keepdims=True)) / np.sqrt(z.var(axes, keepdims=True) + 1e-5)
    assert close(apply(params, x), params["scale"] * hat.reshape(SHAPE) + params["shift"])


@EVERY
def test_a_shift_and_a_scale_of_what_shares_its_moments_change_nothing(name, monkeypatch):
    apply, params = NORMS[name][1], drawn(NORMS[name])
    monkeypatch.setattr(normalisation, "EPS", 0)
    x  = normal("x", *SHAPE)
    z, axes = parts(x, name)
    one     = tuple(1 if i in axes else n for i, n in enumerate(z.shape))
    moved   = z * np.exp(normal("a", *one)) + normal("b", *one)
    assert close(apply(params, moved.reshape(SHAPE)), apply(params, x))
    assert not close(apply(params, x * np.exp(normal("a", *SHAPE))), apply(params, x), 1e-3)


@EVERY
def test_an_element_depends_on_those_that_share_its_moments_and_on_no_other(name):
    apply, params = NORMS[name][1], drawn(NORMS[name])
    J     = jacobian(lambda x: apply(params, x))(normal("x", *SHAPE)).reshape(math.prod(SHAPE), -1)
    z, axes = parts(np.arange(math.prod(SHAPE)).reshape(SHAPE), name)
    alone = tuple(1 if i in axes else n for i, n in enumerate(z.shape))
    which = np.broadcast_to(np.arange(math.prod(alone)).reshape(alone), z.shape).ravel()
    assert np.array_equal(J != 0, which[:, None] == which)


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_constant_becomes_the_shift_and_its_derivatives_are_finite(name, dtype):
    apply   = NORMS[name][1]
    params  = {"scale": xp.full(C, 2, dtype=dtype), "shift": xp.arange(C).astype(dtype)}
    y, pull = vjp(lambda at: apply(*at), [params, xp.full(SHAPE, 8, dtype=dtype)])
    assert np.max(abs(y - params["shift"])) < 1e-3 and all(np.all(np.isfinite(bar)) for bar in trees.leaves(pull(y)))


def test_groups_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(ValueError, match=r"groups=4 do not share 6 channels evenly; choose a divisor of 6\."):
        norm("group", 6, 4)
    with pytest.raises(ValueError, match=r"heads=4 do not share 6 channels evenly; choose a divisor of 6\."):
        multihead(6, 4)


def test_batch_normalisation_gives_back_the_moments_it_used_and_takes_others():
    apply, params = batch_norm(C)[1], drawn(batch_norm(C))
    x = normal("x", *SHAPE)
    y, (mean, var) = apply(params, x)
    assert close(y, NORMS["batch"][1](params, x))
    assert close((mean, var), (x.mean((0, 1, 2)), x.var((0, 1, 2))))
    assert close(apply(params, x, (mean, var))[0], y)
    m, v = normal("m", C), np.exp(normal("v", C))
    z, kept = apply(params, x, (m, v))
    assert close(z, params["scale"] * (x - m) / np.sqrt(v + 1e-5) + params["shift"]) and kept == (m, v)


def test_with_given_moments_an_element_depends_on_itself_alone():
    apply, params = batch_norm(C)[1], drawn(batch_norm(C))
    J = jacobian(lambda x: apply(params, x, (normal("m", C), np.exp(normal("v", C))))[0])(normal("x", *SHAPE))
    assert np.array_equal(J.reshape(math.prod(SHAPE), -1) != 0, np.eye(math.prod(SHAPE), dtype=bool))


def test_the_running_moments_are_averages_with_the_unbiased_variance():
    x     = normal("x", 4, 7, C)
    began = normal("mean", C), np.exp(normal("var", C))
    mean, var = functools.reduce(lambda old, x: running(old, (x.mean(0), x.var(0)), 7, decay=0.8), x, began)
    w = np.array([0.8**4, *(0.2 * 0.8**(3 - i) for i in range(4))])
    assert close(mean, np.einsum("i,ic->c", w, np.stack([began[0], *x.mean(1)])))
    assert close(var,  np.einsum("i,ic->c", w, np.stack([began[1], *x.var(1, ddof=1)])))


def in_torch(name, x, scale, shift):
    """The same with PyTorch, which has its channels second."""
    torch = pytest.importorskip("torch")
    F, x  = torch.nn.functional, x.movedim(-1, 1)
    if name == "layer":
        y = F.layer_norm(x, x.shape[1:]) * scale[:, None, None] + shift[:, None, None]
    else:
        y = {"batch":    lambda: F.batch_norm(x, None, None, scale, shift, training=True),
             "instance": lambda: F.instance_norm(x, weight=scale, bias=shift),
             "group":    lambda: F.group_norm(x, 2, scale, shift)}[name]()
    return y.movedim(1, -1)


@EVERY
def test_values_and_derivatives_to_the_second_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    at, (g, h) = [normal(i, *shape) for i, shape in enumerate((SHAPE, (C,), (C,)))], normal("g", 2, *SHAPE)

    def bars(at):
        return vjp(lambda at: NORMS[name][1]({"scale": at[1], "shift": at[2]}, at[0]), at)[1](g)
    ours = NORMS[name][1]({"scale": at[1], "shift": at[2]}, at[0]), bars(at), \
        grad(lambda at: xp.sum(bars(at)[0] * h) + xp.sum(bars(at)[1]**2))(at)[:2]
    at = [torch.tensor(a, requires_grad=True) for a in at]
    y  = in_torch(name, *at)
    first  = torch.autograd.grad(y, at, torch.tensor(g), create_graph=True)
    second = torch.autograd.grad((first[0] * torch.tensor(h)).sum() + (first[1]**2).sum(), at[:2])
    assert close(ours, trees.map(lambda a: a.detach().numpy(), (y, list(first), list(second))))


def test_running_moments_are_pytorchs():
    torch = pytest.importorskip("torch")
    x, old = normal("x", *SHAPE), (normal("m", C), np.exp(normal("v", C)))
    theirs = [torch.tensor(a) for a in old]
    torch.nn.functional.batch_norm(torch.tensor(x).movedim(-1, 1), *theirs, training=True, momentum=0.1)
    moments = batch_norm(C)[1](drawn(batch_norm(C)), x)[1]
    assert close(running(old, moments, x.size // C), tuple(a.numpy() for a in theirs))


# ---- attention -------------------------------------------------------------------------------------------------------
def keys_and_values(n=4, m=5, d=3, e=2):
    return normal("q", B, n, d), normal("k", B, m, d), normal("v", B, m, e)


def weights(q, k, **how):
    """What the queries weigh each key with: values that are the identity show it."""
    return attend(q, k, np.broadcast_to(np.eye(k.shape[1]), (B,) + (k.shape[1],) * 2), **how)


def test_attention_is_its_sum_over_the_keys():
    q, k, v = keys_and_values()
    for b in range(B):
        for i in range(q.shape[1]):
            w = [math.exp(sum(q[b, i] * k[b, j]) / math.sqrt(3)) for j in range(k.shape[1])]
            y = sum(w[j] * v[b, j] for j in range(k.shape[1])) / sum(w)
            assert close(attend(q, k, v)[b, i], y)
            assert close(weights(q, k)[b, i], np.array(w) / sum(w))


def test_the_weights_of_a_query_sum_to_1():
    q, k, _ = keys_and_values()
    w = weights(100 * q, k)
    assert np.all(w >= 0) and np.max(abs(w.sum(-1) - 1)) < 1e-15 * 5 and np.max(abs(w.sum(-2) - 1)) > 0.1


def test_the_order_of_the_keys_is_not_seen_and_that_of_the_queries_is_kept():
    q, k, v = keys_and_values()
    order   = np.array([3, 0, 4, 1, 2])
    assert close(attend(q, k[:, order], v[:, order]), attend(q, k, v))
    assert not close(attend(q, k[:, order], v), attend(q, k, v), 1e-3)
    assert np.array_equal(attend(q[:, order[order < 4]], k, v), attend(q, k, v)[:, order[order < 4]])


def test_of_one_key_a_query_gets_its_value():
    q, k, v = keys_and_values(m=1)
    assert np.array_equal(attend(q, k, v), np.broadcast_to(v, (B, 4, 2)))


def test_a_key_behind_the_mask_is_not_seen():
    q, k, v = keys_and_values(n=5)
    causal  = np.tril(np.ones((5, 5), dtype=bool))
    J = jacobian(lambda v: attend(q, k, v, causal))(v)                       # [B, n, e, B, m, e]
    assert np.array_equal(np.any(J != 0, axis=(0, 2, 3, 5)), causal)
    assert close(attend(q, k, v, causal)[:, :1], v[:, :1])
    assert not attend(q, k, v, np.zeros((5, 5), dtype=bool)).any()


def test_heads_look_apart_and_their_channels_lie_side_by_side():
    layer  = multihead(C, heads=3, context=4)
    params = drawn(layer)
    x, y   = normal("x", B, H, W, C), normal("y", B, 5, 4)
    on     = lambda name, x: x @ params[name]["W"] + params[name]["b"]
    q, k, v = on("q", x.reshape(B, -1, C)), on("k", y), on("v", y)
    h = np.concatenate([attend(q[..., s], k[..., s], v[..., s]) for s in (slice(0, 2), slice(2, 4), slice(4, 6))], -1)
    assert close(layer[1](params, x, y), on("out", h).reshape(x.shape))


def test_self_attention_moves_with_its_points_and_cross_attention_ignores_the_order_of_tokens():
    order  = np.array([3, 0, 4, 1, 2])
    itself, across = multihead(C, heads=2), multihead(C, heads=2, context=4)
    x, y   = normal("x", B, 5, C), normal("y", B, 5, 4)
    assert close(itself[1](drawn(itself), x[:, order]), itself[1](drawn(itself), x)[:, order])
    assert close(across[1](drawn(across), x, y[:, order]), across[1](drawn(across), x, y))


def test_one_token_is_all_that_cross_attention_finds():
    layer  = multihead(C, heads=2, context=4)
    params, x, y = drawn(layer), normal("x", B, H, W, C), normal("y", B, 1, 4)
    params["v"], params["out"] = ({"W": np.eye(n, C), "b": np.zeros(C)} for n in (4, C))
    value = np.pad(y, ((0, 0), (0, 0), (0, 2)))[:, None]
    assert np.array_equal(layer[1](params, x, y), np.broadcast_to(value, x.shape))


def test_attention_is_pytorchs_and_so_are_its_derivatives():
    torch  = pytest.importorskip("torch")
    layer  = multihead(C, heads=3)
    params, x, g = drawn(layer), normal("x", B, 5, C), normal("g", B, 5, C)
    theirs = torch.nn.MultiheadAttention(C, 3, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.in_proj_weight.set_(torch.tensor(np.concatenate([params[name]["W"].T for name in "qkv"])))
        theirs.in_proj_bias.set_(torch.tensor(np.concatenate([params[name]["b"] for name in "qkv"])))
        theirs.out_proj.weight.set_(torch.tensor(params["out"]["W"].T.copy()))
        theirs.out_proj.bias.set_(torch.tensor(params["out"]["b"]))
    mask = np.tril(np.ones((5, 5), dtype=bool))
    for seen in (None, mask):
        y, pull = vjp(lambda x: layer[1](params, x, mask=seen), x)
        z   = torch.tensor(x, requires_grad=True)
        out = theirs(z, z, z, need_weights=False, attn_mask=None if seen is None else torch.tensor(~seen))[0]
        bar, = torch.autograd.grad(out, z, torch.tensor(g))
        assert close((y, pull(g)), (out.detach().numpy(), bar.numpy()))


@pytest.mark.parametrize("layer", [sagan(C), attention(C, heads=2, groups=3)])
def test_a_residual_block_starts_as_the_identity_bit_for_bit(layer):
    x = SEED("x").normal((B, H, W, C))
    assert np.array_equal(layer[1](layer[0](SEED), x), x)
    assert not close(layer[1](drawn(layer), x), x, 1e-3)


def test_sagans_block_is_its_formula():
    layer  = sagan(16)
    params, x = drawn(layer), normal("x", B, 2, 3, 16)
    on     = lambda name, x: x @ params[name]["W"] + params[name]["b"]
    assert params["f"]["W"].shape == (16, 2) == params["h"]["W"].shape
    for b in range(B):
        z    = x[b].reshape(6, 16)
        s    = on("f", z) @ on("g", z).T                                    # s_ij, i the keys
        beta = np.exp(s) / np.exp(s).sum(axis=0)
        o    = np.stack([on("v", sum(beta[i, j] * on("h", z)[i] for i in range(6))) for j in range(6)])
        assert close(layer[1](params, x)[b], (params["gamma"] * o + z).reshape(2, 3, 16))


# ---- steps, labels and conditions ------------------------------------------------------------------------------------
@pytest.mark.parametrize("backend", ["numpy", "strict"])
def test_steps_are_sines_and_cosines_whose_products_depend_on_their_distance_alone(backend):
    with use(backend):
        with no_sync():
            e = sinusoidal(xp.arange(1001), 8)
        e = to_host(e)
    assert e.dtype == "float32" and e.shape == (1001, 8)
    omega = 10_000 ** (-np.arange(4) / 4)
    angle = np.arange(1001)[:, None] * omega
    assert np.array_equal(e, np.concatenate([np.sin(angle), np.cos(angle)], 1).astype("float32"))
    products = e.astype("float64") @ e.T
    assert np.max(abs(products - np.cos(omega * np.subtract.outer(*[np.arange(1001)] * 2)[..., None]).sum(-1))) < 1e-6
    assert np.min(np.linalg.norm(e[1:] - e[:-1], axis=1)) > 0.5
    with pytest.raises(ValueError, match="n=7 is odd; sines and cosines come in pairs"):
        sinusoidal(xp.arange(3), 7)


def test_an_embedding_looks_labels_up_and_learns_those_it_was_asked_for():
    init, apply = embedding(4, 3)
    params, y   = init(SEED), np.array([[2, 0], [2, 2]])
    assert np.array_equal(params["table"], SEED("table").normal((4, 3)))
    assert np.array_equal(apply(params, y), params["table"][y])
    g = grad(lambda params: xp.sum(apply(params, y)))(params)["table"]
    assert np.array_equal(g, np.array([1, 0, 3, 0])[:, None] * np.ones(3)) and g.dtype == "float32"


def test_a_condition_scales_and_shifts_its_own_example():
    x, gamma, beta = normal("x", *SHAPE), normal("gamma", B, C), normal("beta", B, C)
    assert close(condition(x, gamma, beta), (1 + gamma[:, None, None]) * x + beta[:, None, None])
    J = jacobian(lambda beta: condition(x, gamma, beta))(beta)               # [B, H, W, C, B, C]
    assert np.array_equal(J, np.einsum("ab,cd,h,w->ahwcbd", np.eye(B), np.eye(C), np.ones(H), np.ones(W)))


def test_a_condition_of_0_is_the_identity_bit_for_bit():
    x, zero = SEED("x").normal(SHAPE), xp.zeros((B, C), dtype="float32")
    assert np.array_equal(condition(x, zero, zero), x)


#               a layer of n channels into 5                     of an input with channels last
JOINING = {"linear": (lambda n: linear(n, 5),                    (B,)),
           "conv":   (lambda n: conv((3, 3), n, 5),              (B, H, W))}


@pytest.mark.parametrize("name", JOINING)
def test_channels_beside_each_other_add_their_maps_and_weights_of_0_hear_nothing(name):
    layer, lead = JOINING[name]
    params, x, y = drawn(layer(6)), normal("x", *lead, 4), normal("y", *lead, 2)
    on     = lambda x, W, b: layer(W.shape[-2])[1]({"W": W, "b": b}, x)
    W, b   = params["W"], params["b"]
    W_x, W_y, none = W[..., :4, :], W[..., 4:, :], np.zeros(5)
    both   = np.concatenate([x, y], axis=-1)
    assert close(on(both, W, b), on(x, W_x, b) + on(y, W_y, none))
    deaf   = np.concatenate([W_x, 0 * W_y], axis=-2)
    assert close(on(both, deaf, b), on(x, W_x, b)) and not close(on(both, W, b), on(x, W_x, b), 1e-3)


# ---- dropout ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_keeps_the_mean_by_scaling_what_it_keeps(dtype):
    """Of n = 10^5 units a share kept deviates by sqrt(rate (1 - rate) / n): six of these, an alarm in 10^8 draws."""
    x, rate, n = xp.ones(100_000, dtype=dtype), 0.2, 100_000
    y, pull    = vjp(lambda x: dropout(x, rate, SEED("drop")), x)
    assert set(np.unique(y)) == {0, np.dtype(dtype).type(1 / 0.8)} and y.dtype == dtype
    assert abs(np.mean(y != 0) - 0.8) < 6 * math.sqrt(0.2 * 0.8 / n)
    assert np.array_equal(pull(x), y)
    assert np.array_equal(dropout(2 * x, rate, SEED("drop")), 2 * y)
    assert not np.array_equal(dropout(x, rate, SEED("other")), y)


def test_at_rate_0_dropout_is_its_input_and_a_rate_that_is_no_chance_is_refused():
    x = normal("x", 3)
    assert dropout(x, 0, SEED) is x
    for rate in (-0.1, 1, 1.5, math.nan):
        with pytest.raises(ValueError, match=f"rate={rate} is no chance to drop a unit; expected 0 <= rate < 1"):
            dropout(x, rate, SEED)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_dropout_on_a_device_gives_the_same_bits_without_a_transfer(rate):
    x = normal("x", 5, 4)
    with use("strict"):
        there = xp.asarray(x)
        with no_sync():
            there = dropout(there, rate, SEED("drop"))
        there = to_host(there)
    assert np.array_equal(there, dropout(x, rate, SEED("drop")))


# ---- activations -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["relu", "leaky", "silu"])
def test_weights_of_the_stated_deviation_keep_the_mean_square_of_a_normal(name):
    act, gain = ACTIVATIONS[name]
    z = np.linspace(-9, 9, 18_001)
    p = np.exp(-z**2 / 2) / math.sqrt(2 * math.pi)
    assert abs(gain**2 * np.sum(p * act(z)**2) * 1e-3 - 1) < 0.005


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_silu_is_its_limits_far_from_0(dtype):
    x = np.array([-1e4, -800, -100, 0, 100, 800, 1e4], dtype)
    with np.errstate(all="raise", under="ignore"):
        y, pull = vjp(silu, x)
        slope   = pull(np.ones_like(x))
    assert np.array_equal(y, np.maximum(x, 0)) and np.array_equal(slope, [0, 0, 0, 0.5, 1, 1, 1])


def test_a_mask_for_each_example_hides_its_own_keys_from_every_head():
    init, apply = multihead(4, heads=2)
    params = init(SEED)
    x      = SEED("x").normal((2, 3, 4))
    mask   = np.array([np.tril(np.ones((3, 3))), np.triu(np.ones((3, 3)))]) > 0
    both   = apply(params, x, mask=mask)
    for i in range(2):
        np.testing.assert_allclose(both[i], apply(params, x[i:i + 1], mask=mask[i])[0], rtol=1e-5, atol=1e-6)
