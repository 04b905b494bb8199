"""Convolution against its definition, and the networks that are made of it."""
import itertools
import math

import numpy as np
import pytest

from backends import backend, no_sync, to_host, use, xp
from backends.random import Stream
from scratch import trees
from scratch.autodiff import conv, conv_transpose, conv_weights, grad, jacobian, vjp
from scratch.autodiff.rules.convolution import outputs
from scratch.nets import attention, norm, silu, unet
from scratch.nets.convolution import conv as layer
from scratch.nets.unet import residual

SEED  = Stream.seed(0)("test_convolution")
SIZES = (7, 6, 5)


PADDINGS = (0, 0), (1, 1), (0, 1), (2, 0)


def settings(axes, kernels=(1, 2, 3, 4), strides=(1, 2, 3), dilations=(1, 2), paddings=PADDINGS):
    """(sizes, kernel, how) of all that fit."""
    for k, s, d, p in itertools.product(kernels, strides, dilations, paddings):
        sizes, kernel, how = SIZES[:axes], (k,) * axes, ((s,) * axes, (d,) * axes, (p,) * axes)
        if max(p) <= d * (k - 1) and all(n + sum(p) > d * (k - 1) for n in sizes):
            yield sizes, kernel, how


def three(sizes, kernel, how, B=2, C=3, M=2, dtype="float64"):
    """x, W and g, from which each of the three is made of the two others."""
    shapes = {"x": (B, *sizes, C), "W": (*kernel, C, M), "g": (B, *outputs(sizes, kernel, how), M)}
    return [SEED(name).normal(shape, dtype) for name, shape in shapes.items()]


def faces(x, W, g, how):
    return [(conv, (x, W, how)), (conv_transpose, (g, W, how, x.shape[1:-1])),
            (conv_weights, (x, g, how, W.shape[:-2]))]


every_axes = pytest.mark.parametrize("axes", [1, 2, 3])


# ---- the three faces -------------------------------------------------------------------------------------------------
@every_axes
def test_each_face_is_the_contraction_that_defines_it_and_all_are_one_form(axes):
    for sizes, kernel, how in settings(axes):
        x, W, g = three(sizes, kernel, how)
        found   = [f(*args) for f, args in faces(x, W, g, how)]
        for y, (f, args) in zip(found, faces(x, W, g, how)):
            np.testing.assert_allclose(y, f.plain(*args), rtol=0, atol=1e-13 * math.prod(kernel))
        forms = [np.sum(a * b) for a, b in zip(found, (g, x, W))]
        np.testing.assert_allclose(forms, forms[0], rtol=0, atol=1e-11)


def test_on_a_line_it_is_a_toeplitz_matrix_and_its_adjoint_the_transpose():
    how = (1,), (1,), ((1, 1),)
    W = SEED("W").normal((3, 1, 1), "float64")
    T = sum(W[k, 0, 0] * np.eye(6, k=k - 1) for k in range(3))
    x = SEED("x").normal((2, 6, 1), "float64")
    np.testing.assert_allclose(conv(x, W, how)[..., 0], x[..., 0] @ T.T, atol=1e-15)
    np.testing.assert_allclose(conv_transpose(x, W, how, (6,))[..., 0], x[..., 0] @ T, atol=1e-15)
    assert not jacobian(lambda x: conv(x, W, how))(x)[0, :, :, 1].any()                 # examples do not meet


@every_axes
def test_pytorch_finds_the_same_values_and_gradients(axes):
    torch = pytest.importorskip("torch")
    first = lambda a: torch.tensor(np.moveaxis(a, -1, 1).copy())
    F     = torch.nn.functional
    for sizes, kernel, how in settings(axes, paddings=((0, 0), (1, 1))):
        x, W, g = three(sizes, kernel, how)
        y, pull = vjp(lambda x, W=W: conv(x, W, how), x)
        tx, tW  = first(x).requires_grad_(), torch.tensor(np.moveaxis(W, (-1, -2), (0, 1)).copy()).requires_grad_()
        (stride, *_), (dilation, *_), ((pad, _), *_) = how
        ty = (F.conv1d, F.conv2d, F.conv3d)[axes - 1](tx, tW, stride=stride, dilation=dilation, padding=pad)
        ty.backward(first(g))
        back = lambda t: np.moveaxis(t.detach().numpy(), 1, -1)
        np.testing.assert_allclose(y, back(ty), atol=1e-12)
        np.testing.assert_allclose(pull(g), back(tx.grad), atol=1e-12)
        theirs = np.moveaxis(tW.grad.numpy(), (0, 1), (-1, -2))
        np.testing.assert_allclose(conv_weights(x, g, how, kernel), theirs, atol=1e-11)


def test_another_autodiff_finds_the_same_gradient_of_a_gradient():
    """As the gradient penalty wants it: d/dW |d/dx conv(x, W)^2|^2, strided and dilated."""
    for how in (((2, 1), (1, 1), ((1, 1), (0, 1))), ((1, 1), (2, 1), ((2, 0), (0, 0)))):
        x, W, _ = three((6, 5), (3, 2), how)
        f = lambda W: xp.sum(xp.square(grad(lambda x: xp.sum(xp.square(conv(x, W, how))))(x)))
        ours = grad(f)(W)
        with use("autograd"):
            np.testing.assert_allclose(grad(f)(W), ours, rtol=1e-11)


@pytest.mark.parametrize("size", [1, 3, 10**9])
def test_how_many_examples_are_worked_on_at_a_time_changes_nothing_but_the_rounding_of_sums(size, monkeypatch):
    how     = ((1, 1), (1, 1), ((1, 1), (1, 1)))
    x, W, g = three((4, 4), (3, 3), how, B=7)
    whole   = [f(*args) for f, args in faces(x, W, g, how)]
    monkeypatch.setattr(backend(), "block", size * 16 * 9 * 3 // 4)
    for a, (f, args) in zip(whole, faces(x, W, g, how)):
        np.testing.assert_allclose(f(*args), a, atol=1e-13)


def test_what_it_is_given_is_read_only_and_float32_stays_so():
    how     = ((2,), (1,), ((1, 0),))
    x, W, g = three((6,), (2,), how, dtype="float32")
    for a in (x, W, g):
        a.flags.writeable = False
    for f, args in faces(x, W, g, how):
        assert f(*args).dtype == "float32"


def test_on_a_device_nothing_waits():
    for sizes, kernel, how in settings(2, kernels=(3,), strides=(1, 2), paddings=((1, 1),)):
        x, W, g = three(sizes, kernel, how)
        ours    = [f(*args) for f, args in faces(x, W, g, how)]
        with use("strict"), no_sync():
            there = [f(*args) for f, args in faces(*map(xp.asarray, (x, W, g)), how)]
        with use("strict"):
            assert all(np.array_equal(a, to_host(b)) for a, b in zip(ours, there))


@pytest.mark.parametrize("sizes, kernel, how", [((2,), (3,), ((1,), (1,), ((0, 0),))),
                                                ((5,), (2,), ((1,), (1,), ((2, 0),)))])
def test_a_kernel_that_does_not_fit_is_refused(sizes, kernel, how):
    with pytest.raises(ValueError, match=r"A kernel of \(\d,\) .* does not fit"):
        conv(np.ones((1, *sizes, 1)), np.ones((*kernel, 1, 1)), how)


# ---- the layers ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kernel, stride, dilation", [((3,), 1, 1), ((4,), 2, 1), ((3,), 1, 4), ((25,), 4, 1),
                                                      ((3, 3), (2, 1), 1), ((2, 2), 2, 1)])
def test_a_stride_divides_each_side_and_a_transposed_one_multiplies_it(kernel, stride, dilation):
    n = 16
    strides = (stride,) * len(kernel) if isinstance(stride, int) else stride
    x = np.ones((2, *(n,) * len(kernel), 3), "float32")
    init, apply = layer(kernel, 3, 5, stride, dilation)
    y = apply(init(SEED), x)
    assert y.shape == (2, *(n // s for s in strides), 5) and y.dtype == "float32"
    init, apply = layer(kernel, 5, 3, stride, dilation, transposed=True)
    assert apply(init(SEED), y).shape == x.shape


def test_a_causal_one_sees_nothing_that_comes_later_and_all_within_its_reach():
    init, apply = layer((3,), 1, 1, dilation=2, causal=True)
    params = init(SEED)
    J = jacobian(lambda x: apply(params, x))(np.ones((1, 9, 1), "float32"))[0, :, 0, 0, :, 0]
    assert np.array_equal(J != 0, np.isin(np.subtract.outer(range(9), range(9)), (0, 2, 4)))


@pytest.mark.parametrize("transposed", [False, True])
def test_what_comes_out_at_the_start_has_the_deviation_of_what_goes_in(transposed):
    init, apply = layer((4, 4), 64, 32, stride=2, transposed=transposed)
    y = apply(init(SEED), SEED("x").normal((8, 16, 16, 64)))
    assert 0.9 < y[:, 2:-2, 2:-2].std() < 1.1                               # the edge sees zeros


def test_a_kernel_shorter_than_its_stride_is_refused():
    with pytest.raises(ValueError, match="would leave points out"):
        layer((2,), 1, 1, stride=3)


# ---- the U-Net -------------------------------------------------------------------------------------------------------
def moved(params):
    """Away from the zeros of the start."""
    return trees.map(lambda a: a + 0.1 * SEED("moved")(a.size).normal(a.shape, a.dtype), params)


def test_a_residual_block_begins_as_what_is_added_and_hears_what_it_is_told():
    x, e = SEED("x").normal((2, 4, 4, 8)), SEED("e").normal((2, 6))
    init, apply = residual((3, 3), 8, 8, 6, groups=2)
    params = init(SEED)
    assert np.array_equal(apply(params, x, e), x)
    assert not np.allclose(apply(moved(params), x, e), apply(moved(params), x, 2 * e))
    init, apply = residual((3, 3), 8, 4, 6, groups=2)
    assert apply(init(SEED), x, e).shape == (2, 4, 4, 4)


@pytest.mark.parametrize("shape, widths", [((8, 8), (4, 4, 8)), ((6, 4), (4, 8)), ((5,), (4,)), ((4, 4, 4), (4, 4))])
def test_a_unet_says_nothing_at_the_start_and_every_parameter_counts(shape, widths):
    x, e = SEED("x").normal((2, *shape, 3), "float64"), SEED("e").normal((2, 6), "float64")
    init, apply = unet(3, 2, 6, widths, axes=len(shape), groups=2)
    params = trees.map(lambda a: a.astype("float64"), init(SEED))
    assert apply(params, x, e).shape == (2, *shape, 2) and not apply(params, x, e).any()
    params = moved(params)
    f = lambda params: xp.sum(xp.sin(apply(params, x, e)))
    ours = trees.named(grad(f)(params))
    with use("autograd"):
        theirs = trees.named(grad(f)(params))
    most = max(abs(g).max() for g in theirs.values())
    assert [name for name, g in ours.items() if abs(g).max() < 1e-12 * most] == ["attention/attention/k/b"]     # the
    #                                                                       softmax does not feel what all keys share
    assert all(abs(ours[name] - theirs[name]).max() <= 1e-12 * most for name in ours)


def test_a_unet_sees_the_whole_image_at_every_point_and_one_example_alone():
    x, e = SEED("x").normal((2, 8, 8, 1), "float64"), SEED("e").normal((2, 6), "float64")
    init, apply = unet(1, 1, 6, (4, 4, 4), groups=2)
    params = moved(trees.map(lambda a: a.astype("float64"), init(SEED)))
    g = grad(lambda x: apply(params, x, e)[0, 0, 0, 0])(x)
    assert g[0].all() and not g[1].any()


def test_sides_that_cannot_be_halved_are_refused():
    init, apply = unet(1, 1, 6, (4, 4, 4), groups=2)
    with pytest.raises(ValueError, match=r"sides of \(6, 8\) points; expected multiples of 4"):
        apply(init(SEED), np.ones((1, 6, 8, 1), "float32"), np.ones((1, 6), "float32"))


# ---- as they are written down ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("kernel, stride, dilation, causal, first", [
    (3, 1, 1, False, -1), (3, 2, 1, False, 0), (4, 2, 1, False, -1), (3, 1, 2, False, -2), (2, 1, 1, False, 0),
    (3, 1, 2, True, -4), (3, 2, 1, True, -1), (4, 2, 1, True, -2)])
def test_a_point_looks_around_its_place_and_where_causal_at_nothing_after_its_stride(kernel, stride, dilation, causal,
                                                                                     first):
    init, apply = layer((kernel,), 1, 1, stride, dilation, causal)
    params = init(SEED)
    J = jacobian(lambda x: apply(params, x))(np.ones((1, 12, 1), "float32"))[0, :, 0, 0, :, 0]
    o, k = np.arange(12 // stride)[:, None], np.arange(kernel)
    want = np.zeros((12 // stride, 12))
    for k in range(kernel):
        i = stride * o[:, 0] + first + dilation * k
        inside = (i >= 0) & (i < 12)
        want[o[inside, 0], i[inside]] = params["W"][k, 0, 0]
    assert np.array_equal(J, want)


@pytest.mark.parametrize("gain", [0, 0.5, 3])
def test_a_layer_starts_with_the_deviation_that_is_asked_for(gain):
    """1e5 normals: the deviation is off by 5 of its own, 1 %, once in 2e6."""
    for transposed in (False, True):
        W = layer((5, 5), 64, 64, gain=gain, transposed=transposed)[0](SEED)["W"]
        assert abs(W.std() * math.sqrt(25 * 64) - gain) <= 0.012 * gain


def test_a_unet_is_its_diagram():
    """Of two widths, with nothing but convolutions, group normalisations and attention."""
    E, groups, (a, b) = 6, 2, (4, 8)
    x, e = SEED("x").normal((2, 4, 6, 3), "float64"), SEED("e").normal((2, E), "float64")
    init, apply = unet(3, 2, E, (a, b), groups=groups)
    P = moved(trees.map(lambda p: p.astype("float64"), init(SEED)))
    on     = lambda pair, p, x: pair[1](p, x)
    three  = lambda p, x: on(layer((3, 3), x.shape[-1], p["W"].shape[-1]), p, x)
    normal = lambda p, x: on(norm("group", x.shape[-1], groups), p, x)

    def block(p, x):
        h     = three(p["conv1"], silu(normal(p["norm1"], x)))
        told  = (silu(e) @ p["told"]["W"] + p["told"]["b"])[:, None, None]
        h     = (1 + told[..., :h.shape[-1]]) * normal(p["norm2"], h) + told[..., h.shape[-1]:]
        return three(p["conv2"], silu(h)) + (x @ p["skip"]["W"][0, 0] if "skip" in p else x)
    fine   = block(P["down0"], three(P["in"], x))
    coarse = block(P["down1"], on(layer((2, 2), a, a, 2), P["halve0"], fine))
    h = block(P["middle"], on(attention(b, groups=groups), P["attention"], coarse))
    h = block(P["up1"], np.concatenate([h, coarse], axis=-1))
    h = on(layer((2, 2), b, b, 2, transposed=True), P["double0"], h)
    h = block(P["up0"], np.concatenate([h, fine], axis=-1))
    np.testing.assert_allclose(apply(P, x, e), three(P["out"], silu(normal(P["norm"], h))), rtol=1e-10, atol=1e-12)
