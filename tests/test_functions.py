"""The laws of every function of mathematics, over the table in tests/functions.py."""
import importlib
import inspect

import numpy as np
import pytest

from backends import no_sync, use, xp
from scratch import trees
from scratch.autodiff import vjp
from tests.functions import TABLE
from tests.test_mixtures import close

MODULES = sorted({row.place.rpartition(".")[0] for row in TABLE})


def rows(holds=lambda row: True):
    return pytest.mark.parametrize("row", [row for row in TABLE if holds(row)], ids=repr)


def value(row, arrays):
    return trees.leaves(row.call(*arrays))


def cotangent(i, y):
    return np.cos(np.arange(y.size) + i).reshape(y.shape).astype(y.dtype)


def value_and_gradient(row, arrays, gs=None):
    """The leaves of the value, and J^T g for the arrays of floats."""
    arrays = [xp.asarray(a) for a in arrays]
    floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]

    def f(xs):
        args = list(arrays)
        for i, x in zip(floats, xs):
            args[i] = x
        return trees.leaves(row.call(*args))

    if not row.smooth:
        return f([arrays[i] for i in floats])
    ys, pull = vjp(f, [arrays[i] for i in floats])
    return ys + pull([xp.asarray(cotangent(i, y)) for i, y in enumerate(ys)])


def test_every_function_stands_in_the_table():
    """... but for those of a number, and of a schedule's float64."""
    for name in MODULES:
        module = importlib.import_module(f"scratch.{name}")
        ours   = {f"{name}.{n}" for n, f in vars(module).items()
                  if inspect.isfunction(f) and f.__module__ == module.__name__ and not n.startswith("_")}
        assert ours - {row.place for row in TABLE} <= {
            "autoencoders.vae.latent_grid", "diffusion.ddpm.weights", "diffusion.ddpm.clipped",
            "diffusion.ddim.spaced", "diffusion.ddim.coefficients", "energies.boltzmann.states",
            "energies.boltzmann.bits", "energies.boltzmann.listed", "diffusion.scores.levels"}


@rows()
def test_float32_stays_float32_and_is_near_float64(row):
    single = row.draw(dtype="float32")
    double = [a.astype("float64") if a.dtype == "float32" else a for a in single]
    for a, b in zip(value_and_gradient(row, single), value_and_gradient(row, double)):
        assert a.dtype == "float32" and b.dtype == "float64" and a.shape == b.shape
        assert np.max(abs(a - b)) <= 3e-5 * max(1, np.max(abs(b)))


@rows()
def test_on_a_device_the_same_numbers_come_without_a_transfer(row):
    here = value_and_gradient(row, row.draw())
    with use("strict"):
        arrays = [xp.asarray(a) for a in row.draw()]
        value(row, arrays)                                  # what is made once, like a schedule, is made now
        with no_sync():
            there = value_and_gradient(row, arrays)
        close(there, here, 1e-15)


@rows(lambda row: row.smooth and row.peer == "autograd")
def test_another_library_finds_the_same_gradient(row):
    ours = value_and_gradient(row, row.draw())
    with use("autograd"):
        theirs = value_and_gradient(row, row.draw())
    for a, b in zip(ours, theirs):
        assert a.shape == b.shape and np.max(abs(a - b), initial=0) <= 1e-12 * np.max(abs(b), initial=1)


def changed(row, f):
    """The arguments, those that are batches changed by f."""
    return [f(a) if batched else a for a, batched in zip(row.draw(), row.batched())]


@rows(lambda row: row.of in ("example", "leading"))
def test_an_example_does_not_see_the_others(row):
    whole = value(row, row.draw())
    assert all(len(y) == len(whole[0]) for y in whole)
    close(value(row, changed(row, lambda a: a[1:2])), [y[1:2] for y in whole], 1e-14)


@rows(lambda row: row.of == "leading")
def test_axes_in_front_are_as_many_calls(row):
    flipped = value(row, changed(row, lambda a: a[::-1]))
    close(value(row, changed(row, lambda a: np.stack([a, a[::-1]]))),
          [np.stack(pair) for pair in zip(value(row, row.draw()), flipped)], 1e-14)


@rows(lambda row: row.of == "mean")
def test_a_mean_over_the_batch_is_the_mean_over_its_examples(row):
    mean, = value(row, row.draw())
    size  = len(row.draw()[0])
    alone = [value(row, changed(row, lambda a: a[i:i + 1]))[0] for i in range(size)]
    twice, = value(row, changed(row, lambda a: np.concatenate([a, a])))
    assert mean.shape == () and abs(np.mean(alone) - mean) <= 1e-14 * max(1, abs(mean))
    assert abs(twice - mean) <= 1e-14 * max(1, abs(mean))
