"""Arrays behind one switch.

    from backends import xp, use
    xp.exp(v)                     NumPy's, until another backend is asked for
    use("cupy")                   from here on CuPy's
    with use("strict"): ...       the CPU's stand-in for the GPU, and back again afterwards

`xp` is one object that looks names up late and remembers them until the next switch, so `xp.` belongs inside functions:
at import it would freeze the backend of the import. The switch is one for the whole process, threads included.
"""
import contextlib
import importlib
import types

BACKENDS   = ("numpy", "cupy", "strict", "autograd")
NAMESPACES = ("linalg", "fft")

_lifts = {}                 # name -> (function, name) -> function, for names that also take traced values
_guard = None               # the same, for every other function: refuses traced values
_backend = None


class Switch:
    """Looks a name up in the backend of the moment, and remembers it until the next `use`."""

    def __init__(self, prefix=""):
        self.__dict__["_prefix"] = prefix

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = self.__dict__[name] = _resolve(self._prefix + name)
        return value

    def __setattr__(self, name, value):
        raise AttributeError(f"xp.{self._prefix}{name} cannot be set: the names belong to the backend; "
                             "use(...) changes it.")

    def __repr__(self):
        return f"<arrays of {backend().name}>"


xp = Switch()
_spaces = {name: Switch(name + ".") for name in NAMESPACES}


def _resolve(path):
    if path in NAMESPACES:
        return _spaces[path]
    found = backend().find(path)
    if isinstance(found, types.ModuleType):
        raise AttributeError(f"xp.{path} is a module of its own; the namespaces of xp are {', '.join(NAMESPACES)}.")
    if not callable(found) or isinstance(found, type) or not backend().lifts:
        return found
    wrap = _lifts.get(path, _guard)
    return wrap(found, path) if wrap else found


def backend():
    """The module that stands behind `xp` now."""
    return _backend or _switch("numpy")


def _switch(name):
    global _backend
    if name not in BACKENDS:
        raise ValueError(f"backend={name!r} is not known; choose one of {', '.join(BACKENDS)}.")
    module = importlib.import_module(f"backends.{name}")
    module.check()
    _backend = module
    _forget()
    return module


def _forget():
    for switch in (xp, *_spaces.values()):
        prefix = switch._prefix
        switch.__dict__.clear()
        switch.__dict__["_prefix"] = prefix


class use:
    """Put a backend behind `xp`: "numpy", "cupy", "strict" or "autograd".

    Works as a call, and as a context manager that goes back to the backend before it. Raises ValueError for a name that
    is not known and RuntimeError where the backend cannot run here (CuPy without a GPU): it never falls back silently.
    """

    def __init__(self, name):
        self.before = backend().name
        _switch(name)

    def __enter__(self):
        return xp

    def __exit__(self, *error):
        _switch(self.before)


def lift(name, wrap):
    """Let `xp.name` take more than arrays: wrap(function, name) stands before the backend's own function."""
    _lifts[name] = wrap
    _forget()


def guard(wrap):
    """Put wrap(function, name) before every function that no `lift` names."""
    global _guard
    _guard = wrap
    _forget()


def to_host(a):
    """The array `a` of any backend as a NumPy array; a transfer where the backend is a device."""
    return backend().to_host(a)


@contextlib.contextmanager
def no_sync():
    """Inside, nothing may wait for the device: `strict` raises at a transfer to the host; the others only promise."""
    with backend().no_sync():
        yield


def find(path, *roots):
    """The object that the first of the modules `roots` to know it calls by the dotted `path`."""
    *spaces, name = path.split(".")
    for root in roots:
        for space in spaces:
            root = getattr(root, space, None)
        if hasattr(root, name):
            return getattr(root, name)
    raise AttributeError(f"xp.{path} does not exist in the backend {backend().name}.")
