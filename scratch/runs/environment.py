"""What a run stood on: versions, the machine, the data; and that no two processes write to one folder."""
import contextlib
import hashlib
import importlib.metadata
import os
import platform
import re
from pathlib import Path

import numpy

from backends import backend, to_host
from scratch.data import PARTS

# The same seed gives the same bits where these are the same.
PROMISE = ("numpy", "scipy", "cupy", "backend", "device", "machine", "cpu_features", "blas", "blas_threads")


def environment():
    """What the results may depend on, in plain values; None for what is not known here."""
    from threadpoolctl import threadpool_info
    config = numpy.show_config(mode="dicts")
    blas   = next((library for library in threadpool_info() if library["user_api"] == "blas"), None) \
        or config.get("Build Dependencies", {}).get("blas", {})
    parts  = (blas.get(key) for key in ("internal_api", "name", "version", "architecture"))
    return {
        "python":       platform.python_version(),
        "numpy":        numpy.__version__,
        "scipy":        _version("scipy"),
        "cupy":         backend().find("__version__") if backend().name == "cupy" else None,
        "scratch":      _version("scratch-generative"),
        "backend":      backend().name,
        "device":       _device(),
        "machine":      platform.machine(),
        "cpu_features": config.get("SIMD Extensions", {}).get("found", []),
        "blas":         " ".join(part for part in parts if part),
        "blas_threads": blas.get("num_threads"),
        "cores":        os.cpu_count(),
    }


def differences(before, now):
    """["numpy 2.4.6, now 2.5.0", ...]: why the same seed may not give the same bits in another environment."""
    return [f"{key} {before.get(key)}, now {now.get(key)}" for key in PROMISE if before.get(key) != now.get(key)]


def data_hash(data):
    """BLAKE2b, in hex, of a scratch.data.Data: its shape, levels, and each array's name, dtype, shape and bytes."""
    digest = hashlib.blake2b(repr((data.shape, data.levels)).encode(), digest_size=16)
    for part in PARTS:
        for name, a in sorted(getattr(data, part).items()):
            a = to_host(a)
            digest.update(repr((part, name, a.dtype.str, a.shape)).encode() + a.tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def lock(folder):
    """Inside, a folder belongs to this run alone. Raises RuntimeError where another has it; nothing is left behind.

    The lock is on the folder itself and goes with the process, however that ends. A system or a file system that knows
    no such locks gives none.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f"{folder} is in use by another run: wait for it to end, or choose another.") from None
        except OSError:                                             # the file system has no locks
            pass
        yield
    finally:
        os.close(handle)


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:                 # a clone that is not installed
        return None


def _device():
    """The GPU's name, or the processor's."""
    if backend().name == "cupy":
        runtime = "cuda.runtime."
        return backend().find(runtime + "getDeviceProperties")(backend().find(runtime + "getDevice")())["name"].decode()
    try:
        known = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        known = None
    return known[1] if known else platform.processor() or platform.machine()
