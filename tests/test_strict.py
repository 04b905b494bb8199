"""strict, the stand-in for the GPU: it refuses what CuPy refuses, and knows when the host waits for the device."""
import inspect
import operator

import numpy as np
import pytest

import scratch.autodiff  # noqa: F401      with its guards in place, as in every model
from backends import no_sync, strict, to_host, use, xp


@pytest.fixture
def a():
    """A 2 x 3 array of strict, behind xp for the length of the test."""
    with use("strict"):
        yield xp.asarray(np.arange(6, dtype="float32").reshape(2, 3))


@pytest.fixture
def transfers():
    strict.transfers.clear()
    yield strict.transfers
    strict.transfers.clear()


# ---- what is refused -------------------------------------------------------------------------------------------------
HOST      = np.ones((2, 3), "float32")
OPERATORS = "add sub mul truediv floordiv mod pow matmul eq ne lt le gt ge".split()
IN_PLACE  = "iadd isub imul itruediv ifloordiv imod ipow".split()


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_mixes_with_no_numpy_array_on_either_side(name, a):
    f = getattr(operator, name)
    for left, right in ((a, HOST), (HOST, a), (a, HOST[0, :1]), (HOST[:1, 0], a)):
        with pytest.raises(TypeError, match="NumPy array does not mix"):
            f(left, right)


@pytest.mark.parametrize("name", IN_PLACE)
def test_nothing_is_done_in_place_between_the_two(name, a):
    before = to_host(a)
    for left, right in ((a, HOST), (HOST.copy(), a), (a, [1, 2, 3])):
        with pytest.raises(TypeError):
            getattr(operator, name)(left, right)
    assert (to_host(a) == before).all()


#           what                              how                                               seen without a GPU?
REFUSALS = {"a NumPy array in a ufunc":       (lambda a: xp.add(a, HOST),                           False),
            "a list in a ufunc":              (lambda a: xp.exp([1.0, 2.0]),                        False),
            "a list beside an array":         (lambda a: xp.maximum(a, [0.0, 0.0, 0.0]),            False),
            "a list in where":                (lambda a: xp.where(a > 0, [0.0, 0.0, 0.0], a),       False),
            "a list summed":                  (lambda a: xp.sum([1.0, 2.0]),                        True),
            "nested lists summed":            (lambda a: xp.sum([[1.0], [2.0]]),                    True),
            "a tuple as an array":            (lambda a: xp.max((1.0, 2.0)),                        True),
            "a number as an array":           (lambda a: xp.sum(1.0),                               True),
            "a number broadcast":             (lambda a: xp.broadcast_to(1.0, (2,)),                True),
            "a truth value as a mask":        (lambda a: xp.where(True, a, a),                      True),
            "numbers stacked":                (lambda a: xp.stack([1.0, 2.0]),                      True),
            "the two stacked":                (lambda a: xp.stack([a, HOST]),                       True),
            "the two joined":                 (lambda a: xp.concatenate([a, HOST]),                 False),
            "a NumPy array written":          (lambda a: operator.setitem(a, 0, HOST[0]),           False),
            "a NumPy array as an index":      (lambda a: a[np.array([0])],                          False),
            "a NumPy array in a method":      (lambda a: a.clip(HOST, HOST),                        False),
            "a list added":                   (lambda a: a + [1.0, 2.0, 3.0],                       False),
            "conversion by NumPy":            (lambda a: np.asarray(a),                             True),
            "conversion to a list by NumPy":  (lambda a: np.array([a, a]),                          True),
            "an array as a Python index":     (lambda a: operator.index(a[0, 0]),                   True),
            "an array as a range":            (lambda a: range(a[0, 0]),                            True),
            "a name of the result of slogdet": (lambda a: xp.linalg.slogdet(a[:, :2]).logabsdet,    False),
            "where= of sum":                  (lambda a: xp.sum(a, where=a),                        True),
            "initial= of max":                (lambda a: a.max(initial=0),                          True),
            "correction= of std":             (lambda a: xp.std(a, correction=1),                   True),
            "stable= of argsort":             (lambda a: xp.argsort(a, stable=True),                True),
            "min= of clip":                   (lambda a: xp.clip(a, min=0),                         True),
            "shape= of reshape":              (lambda a: xp.reshape(a, shape=(6,)),                 True),
            "device= of zeros":               (lambda a: xp.zeros(2, device="cpu"),                 True),
            "like= of zeros":                 (lambda a: xp.zeros(2, like=a),                       True),
            "a name that CuPy lacks":         (lambda a: xp.vecdot(a, a),                           True),
            "a name that its linalg lacks":   (lambda a: xp.linalg.vector_norm(a),                  True),
            "a method that nobody has":       (lambda a: a.relu(),                                  True)}


@pytest.mark.parametrize("what", REFUSALS)
def test_strict_refuses(what, a):
    with pytest.raises((TypeError, AttributeError)):
        REFUSALS[what][0](a)


@pytest.mark.parametrize("what", [what for what, (_, seen) in REFUSALS.items() if seen])
def test_cupy_refuses_it_too_before_it_needs_a_driver(what, hollow):
    with use("cupy"), pytest.raises((TypeError, AttributeError)):
        REFUSALS[what][0](hollow(HOST))


@pytest.mark.gpu
@pytest.mark.parametrize("what", REFUSALS)
def test_cupy_refuses_it_too(what):
    with use("cupy"), pytest.raises((TypeError, AttributeError, ValueError, IndexError)):
        REFUSALS[what][0](xp.asarray(HOST))


def test_an_array_leaks_no_memory_to_who_asks_for_it(a):
    for name in ("__array_interface__", "__array_struct__", "__cuda_array_interface__", "__dlpack__", "__buffer__",
                 "__array_function__", "data", "base", "_no_such_thing", "no_such_thing"):
        assert not hasattr(a, name)
    with pytest.raises(TypeError, match="Implicit conversion"):
        memoryview(np.asarray(a))
    with pytest.raises(AttributeError):
        a.note = 1


def test_what_crosses_between_host_and_device_is_copied():
    with use("strict"):
        x = np.zeros(3)
        a = xp.asarray(x)
        x += 1
        y = to_host(a)
        a += 2
        assert x.tolist() == [1, 1, 1] and y.tolist() == [0, 0, 0] and to_host(a).tolist() == [2, 2, 2]
        b = xp.asarray(a)
        a += 1
        assert to_host(b).tolist() == [3, 3, 3]                # between two arrays of the device asarray copies nothing


# ---- arrays of dimension 0 -------------------------------------------------------------------------------------------
def test_reductions_stay_arrays(a):
    for y in (xp.sum(a), a.sum(), xp.mean(a), a.max(), xp.argmax(a), a[0, 0], a[0] @ a[0], xp.linalg.norm(a)):
        assert isinstance(y, strict.Array) and y.shape == ()


@pytest.mark.parametrize("name", IN_PLACE)
def test_an_operation_in_place_changes_a_reduction_for_all_who_hold_it(name, a):
    total  = xp.sum(a)
    holder = total
    after  = getattr(operator, name)(total, 2)
    assert after is holder and to_host(holder) == getattr(operator, name)(np.float32(15), 2) != 15


def test_a_view_shares_its_memory(a):
    a[0] += 1
    a[1, 1:] = 0
    assert to_host(a).tolist() == [[1, 2, 3], [3, 0, 0]]


# ---- transfers -------------------------------------------------------------------------------------------------------
#           what is recorded                  by
TRANSFERS = {"float()":                       lambda a: float(a[0, 0]),
             "int()":                         lambda a: int(a[0, 0]),
             "bool()":                        lambda a: bool(a[0, 0]),
             "complex()":                     lambda a: complex(a[0, 0]),
             "item":                          lambda a: a[0, 0].item(),
             "tolist":                        lambda a: a.tolist(),
             "to_host":                       lambda a: to_host(a),
             "an index that is a mask":       lambda a: a[a > 2],
             "nonzero":                       lambda a: xp.nonzero(a),
             "argwhere":                      lambda a: xp.argwhere(a),
             "unique":                        lambda a: xp.unique(a),
             "where":                         lambda a: xp.where(a > 2),
             "repeat":                        lambda a: xp.repeat(a[0], xp.asarray([1, 2, 3])),
             "allclose":                      lambda a: xp.allclose(a, a)}


@pytest.mark.parametrize("what", TRANSFERS)
def test_a_transfer_is_recorded_and_forbidden_inside_no_sync(what, a, transfers):
    TRANSFERS[what](a)
    assert transfers == [what]
    with no_sync():
        with no_sync():
            pass
        with pytest.raises(RuntimeError, match="makes the host wait for the device, inside no_sync"):
            TRANSFERS[what](a)
    TRANSFERS[what](a)
    assert transfers == [what, what]


def test_repeat_by_keyword_is_a_transfer_too(a, transfers):
    xp.repeat(a[0], repeats=xp.asarray([1, 2, 3]))
    xp.repeat(a[0], repeats=2)
    xp.repeat(a=a[0], repeats=2)
    assert transfers == ["repeat"]


def test_a_branch_on_values_is_a_transfer(a, transfers):
    "yes" if (a > 0).all() else "no"
    assert 3.0 in a[1]
    assert transfers[0] == "bool()" and set(transfers) == {"bool()"}


def test_what_stays_on_the_device_is_no_transfer(a, transfers):
    with no_sync():
        b = xp.where(a > 2, xp.exp(-a), 0).sum(axis=0)
        b[xp.asarray([0, 1])] = 1
        a[a > 2] = 0
        assert (len(b), b.shape, b.dtype, repr(b)[:6]) == (3, (3,), "float32", "strict")
    assert transfers == []


def test_no_sync_ends_with_an_error_inside(a):
    with pytest.raises(ZeroDivisionError), no_sync():
        1 / 0
    assert float(a[0, 1]) == 1


# ---- the lists of what CuPy lacks ------------------------------------------------------------------------------------
def callables(module, prefix=""):
    """The public functions and classes of a namespace, without NumPy's scalar types."""
    for name in dir(module):
        f = getattr(module, name)
        scalar = isinstance(f, type) and issubclass(f, np.generic)
        if callable(f) and not scalar and not name.startswith("_") and name != "test":
            yield prefix + name, f


def functions():
    return {**dict(callables(np)), **dict(callables(np.linalg, "linalg.")), **dict(callables(np.fft, "fft."))}


def of_cupy(path):
    cupy = pytest.importorskip("cupy", reason="needs CuPy, with or without a GPU")
    try:
        return operator.attrgetter(path)(cupy)
    except AttributeError:
        return None


def keywords(f):
    """Its parameters; None where it does not spell them out."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return None
    return None if any(p.kind is p.VAR_KEYWORD for p in parameters) else list(parameters)


def test_lacks_is_what_numpy_has_and_cupy_lacks():
    assert {path for path in functions() if of_cupy(path) is None} == strict.LACKS


def test_every_refused_keyword_is_missing_from_cupy():
    for keyword, paths in strict.REFUSED.items():
        for path in paths.split():
            assert keyword not in [p.name for p in keywords(of_cupy(path))], f"{path}({keyword}=...)"


HOST_ONLY = {"load", "savez", "savez_compressed", "show_config"}                # files and text, no arrays of a device


def test_every_option_that_numpy_has_and_cupy_lacks_is_refused():
    for path, f in functions().items():
        theirs = of_cupy(path)
        if theirs is None or isinstance(f, np.ufunc) or path in HOST_ONLY or not keywords(f) or not keywords(theirs):
            continue
        missing = {p.name for p in keywords(f) if p.default is not p.empty} - {p.name for p in keywords(theirs)}
        for keyword in missing - {"device", "like"}:
            assert path in strict.REFUSED.get(keyword, "").split(), f"{path}({keyword}=...)"


@pytest.mark.parametrize("path", sorted(strict.LACKS))
def test_what_cupy_lacks_strict_lacks(path, a):
    with pytest.raises(AttributeError, match="does not exist in CuPy"):
        operator.attrgetter(path)(xp)
