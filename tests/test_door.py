"""The packages' own names take everybody's arrays, and give those of the backend."""
import importlib

import numpy as np
import pytest

from backends import to_host, use, xp
from scratch.autodiff import grad
from scratch.data.checks import door
from scratch.probability import kl_normal, reparameterise
from tests.functions import TABLE

X = np.linspace(-1, 1, 6).reshape(2, 3)


class Wrapped:
    """Somebody's array, which NumPy can read."""
    def __init__(self, a):
        self.a = a

    def __array__(self, dtype=None, copy=None):
        return self.a


def torch(a):
    return pytest.importorskip("torch").from_numpy(np.array(a))


@pytest.mark.parametrize("backend", ["numpy", "strict"])
@pytest.mark.parametrize("theirs", [np.array, torch, Wrapped, lambda a: np.asfortranarray(a.astype(">f8"))],
                         ids=["numpy", "torch", "__array__", "other order"])
def test_everybodys_arrays_give_the_same_numbers_as_the_backends(theirs, backend):
    with use(backend):
        got = kl_normal(theirs(X), log_var=theirs(X))
        assert isinstance(got, xp.ndarray)
        assert np.array_equal(to_host(got), to_host(kl_normal(xp.asarray(X), xp.asarray(X))))


def test_numbers_callables_and_traced_values_go_through():
    assert reparameterise(0.5, np.float64(0.0), 2) == 2.5
    assert np.array_equal(grad(lambda m: kl_normal(m, 0 * X[0]))(X[0]), X[0])
    with use("autograd"):
        assert np.array_equal(grad(lambda m: kl_normal(m, 0 * X[0]))(X[0]), X[0])


def test_what_cannot_become_an_array_is_named():
    tensor = pytest.importorskip("torch").ones(3)
    with pytest.raises(TypeError, match="argument 1 of kl_normal is a Tensor that requires grad; .* use argument 1"):
        kl_normal(tensor.requires_grad_(), tensor)
    with use("strict"), pytest.raises(TypeError, match="log_var holds complex128; expected float32, float64"):
        kl_normal(xp.asarray(X), log_var=1j * X)
    with pytest.raises(TypeError, match="argument 2 of kl_normal is a masked array"):
        kl_normal(X, np.ma.masked_array(X))


@pytest.mark.parametrize("family", sorted({row.place.split(".")[0] for row in TABLE}))
def test_every_function_that_a_package_names_has_a_door(family):
    package = importlib.import_module(f"scratch.{family}")
    inside  = {id(row.call) for row in TABLE if row.f is None}
    named   = {name: f for name, f in vars(package).items() if callable(f) and not isinstance(f, type)}
    assert set(named) - {"door"} and not [name for name, f in named.items() if id(f) in inside]


def test_a_door_keeps_the_name_and_the_docstring():
    assert kl_normal.__name__ == "kl_normal" and "never negative" in kl_normal.__doc__ and door(door(kl_normal))
