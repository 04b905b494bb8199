"""What every test shares: Hypothesis's profile, the marker `gpu`, and the backend numpy before and after."""
import functools
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")      # the matrices are small: more threads only wait for each other

import hypothesis
import numpy as np
import pytest

from backends import backend, use

hypothesis.settings.register_profile("laws", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("thorough", max_examples=1000, deadline=None, print_blob=True)
hypothesis.settings.load_profile("laws")


@functools.cache
def no_gpu():
    """Why nothing can run on a GPU here; None where it can."""
    try:
        import cupy
    except ImportError:
        return "no CuPy here"
    return None if cupy.cuda.is_available() else "no NVIDIA GPU here"


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and no_gpu():
        pytest.skip("not run: needs an NVIDIA GPU")


def pytest_terminal_summary(terminalreporter):
    not_run = [report for report in terminalreporter.getreports("skipped") if "gpu" in report.keywords]
    if not_run and no_gpu():
        terminalreporter.write_line(f"gpu: {len(not_run)} not run ({no_gpu()})")


@pytest.fixture(autouse=True)
def numpy_before_and_after():
    assert backend().name == "numpy"
    yield
    left = backend().name
    use("numpy")
    assert left == "numpy", f"the test left the backend {left} behind xp"


@pytest.fixture
def hollow(monkeypatch):
    """CuPy arrays without memory, where no GPU is: a call shows what CuPy refuses by itself, and ends at the driver."""
    cupy = pytest.importorskip("cupy", reason="needs CuPy")
    if cupy.cuda.is_available():
        pytest.skip("needs CuPy without a GPU; with one the contract itself runs")
    monkeypatch.setattr("backends.cupy.check", lambda: None)

    def make(x):
        if not isinstance(x, np.ndarray):
            return x
        nowhere = cupy.cuda.memory.UnownedMemory(0x1000, max(x.nbytes, 1), None, 0)
        return cupy.ndarray(x.shape, x.dtype, cupy.cuda.MemoryPointer(nowhere, 0))
    return make
