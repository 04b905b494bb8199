"""The tape: values that remember where they came from.   Wengert 1964; Pearlmutter and Siskind 2008 for the nesting

    y   = f(a, b)          an operation on traced values is written down as one node of their trace
    g                      the cotangent of y: what one unit of y is worth to the result
    g_a = pull(g, y, a, b) its pullback to each argument

A trace has an ever-growing number. Of the traces among an operation's arguments the latest unwraps, and the operation
is applied again to what is inside, where earlier traces may be: so derivatives nest to any order.
"""
import functools
import itertools
import math

from backends import backend, guard, lift, xp

_numbers = itertools.count()


class Trace:
    """One evaluation, written down: nodes[i] = (pullbacks to the nodes before, y, args, kwargs), None for an input."""
    __slots__ = ("number", "live", "nodes")

    def __init__(self):
        self.number, self.live, self.nodes = next(_numbers), True, []

    def input(self, value):
        self.nodes.append(None)
        return Traced(value, self, len(self.nodes) - 1)

    def owns(self, x):
        return type(x) is Traced and x.owner is self

    def pull(self, seeds):
        """The cotangents of the inputs, None where none arrives, from pairs (node, cotangent), in one walk back that
        frees what it has used."""
        nodes = self.nodes
        bars  = [None] * len(nodes)
        for i, g in seeds:
            bars[i] = g if bars[i] is None else bars[i] + g
        for i in range(len(nodes) - 1, -1, -1):
            g, node = bars[i], nodes[i]
            if g is None or node is None:
                continue
            bars[i] = None
            pullbacks, y, args, kwargs = node
            for pullback, parent in pullbacks:
                bar, before  = pullback(g, y, *args, **kwargs), bars[parent]
                bars[parent] = bar if before is None else before + bar
        return bars


class Traced:
    """An array inside a trace. Arithmetic, indexing and the methods of an array work; what has no derivative rule
    refuses it."""
    __slots__ = ("value", "owner", "index")
    __array_ufunc__ = None                          # so that array + traced comes to us

    def __init__(self, value, owner, index):
        self.value, self.owner, self.index = value, owner, index

    def __array__(self, *_, **__):
        raise TypeError(REFUSAL.format("NumPy"))

    def __cupy_override_elementwise_kernel__(self, *_, **__):
        raise TypeError(REFUSAL.format("CuPy"))

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)
    ndim  = property(lambda self: self.value.ndim)
    size  = property(lambda self: self.value.size)

    def __len__(self):
        return len(self.value)

    def __repr__(self):
        return f"traced({self.value!r})"

    def __bool__(self):
        return bool(self.value)                     # a branch is no operation: comparisons of values may steer it

    def __float__(self):
        raise TypeError("A number taken out of a traced value would lose its derivative: use stop_gradient first.")

    def __setitem__(self, index, value):
        raise TypeError("A traced array cannot be changed in place: use xp.where, or scatter_add on zeros.")

    __int__ = __index__ = __float__
    __hash__ = None


REFUSAL = ("{} was given a traced value, and has no derivative rule for it: use a function that scratch.autodiff has a "
           "rule for, add one with rule(...) or primitive(...), or pass stop_gradient(x).")


class Like:
    """What is kept of an array of which a pullback reads the shape and the dtype only."""
    __slots__ = ("shape", "dtype")

    def __init__(self, a):
        self.shape, self.dtype = a.shape, a.dtype

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))


class _Pullbacks(dict):
    """Argument number -> its pullback."""

    def __init__(self, name, pullbacks, each):
        super().__init__({i: p for i, p in enumerate(pullbacks) if p})
        self.name, self.each = name, each

    def __missing__(self, i):
        if not self.each:
            raise TypeError(f"{self.name} has no derivative with respect to its argument number {i + 1}: "
                            "pass stop_gradient of it.")
        self[i] = functools.partial(self.each, i)
        return self[i]


class Primitive:
    """An operation with a derivative rule: its value, and a pullback an argument, pull(g, y, *args, **kwargs), or where
    there is any number of arguments one for all, each(i, g, y, *args, **kwargs) for argument i.

    Of y and of the array arguments a pullback may read what `keeps` names (the letters of the first pullback; "args"
    for all); of the others only shape and dtype, and nothing else of them stays alive.
    """

    def __init__(self, name, forward, pullbacks, keeps="", each=None, plain=None):
        self.name, self.forward, self.plain = name, forward, plain
        self.pullbacks = _Pullbacks(name, pullbacks, each)
        code  = (each or next(p for p in pullbacks if p)).__code__
        names = code.co_varnames[2 if each else 1:code.co_argcount] + (("args",) if each else ())
        kept  = keeps.split()
        if not set(kept) <= set(names):
            raise ValueError(f"{name}: keeps={keeps!r} names none of the letters {', '.join(names)} of its pullback.")
        self.keeps_y = names[0] in kept
        self.drops   = None if each else [i for i, n in enumerate(names[1:]) if n not in kept]      # None: all
        if "args" in kept:
            self.drops = []

    def __call__(self, *args, **kwargs):
        for a in args:
            if type(a) is Traced:
                return self.trace(self.forward, args, kwargs)
        if self.plain and not backend().lifts:
            return self.plain(*args, **kwargs)
        return self.forward(*args, **kwargs)

    def trace(self, function, args, kwargs):
        """Apply to the inside of the latest trace among the arguments, and write the node down there."""
        latest, nested = None, False
        for a in args:
            if type(a) is Traced and a.owner is not latest:
                nested = latest is not None
                if not nested or a.owner.number > latest.number:
                    latest = a.owner
        if not latest.live:
            raise ValueError(f"{self.name} was given a value of a trace that has ended: it was kept beyond the "
                             "function that was differentiated. Return it from there (has_aux=True), or keep "
                             "stop_gradient of it.")
        inner, pullbacks = list(args), []
        for i, a in enumerate(args):
            if type(a) is Traced and a.owner is latest:
                pullbacks.append((self.pullbacks[i], a.index))
                inner[i] = a = a.value
                nested = nested or type(a) is Traced
        y = (self if nested else function)(*inner, **kwargs)
        for i in self.drops if self.drops is not None else range(len(inner)):
            if i < len(inner) and hasattr(inner[i], "dtype"):
                inner[i] = Like(inner[i])
        nodes = latest.nodes
        nodes.append((pullbacks, y if self.keeps_y else None, inner, kwargs))
        return Traced(y, latest, len(nodes) - 1)

    def __repr__(self):
        return f"<primitive {self.name}>"


PRIMITIVES = {}                                     # every operation with a rule, by name: what the tests run over


def rule(name, *pullbacks, keeps="", each=None):
    """Give NumPy's function `name` a derivative: from here on xp.name takes traced values too."""
    def forward(*args, **kwargs):
        return _find(name)(*args, **kwargs)
    p = PRIMITIVES[name] = Primitive(name, forward, pullbacks, keeps, each)
    lift(name, _dispatch(p.trace))
    return p


def primitive(forward, *pullbacks, plain, keeps="", each=None):
    """An operation of ours. `forward` computes it; `plain` is the composition that reads like its definition, runs
    where another library differentiates (the backend autograd) and is held equal to `forward` by a test."""
    p = Primitive(forward.__name__.lstrip("_"), forward, pullbacks, keeps, each, plain)
    p.__doc__ = forward.__doc__
    PRIMITIVES[p.name] = p
    return p


def composite(name, f):
    """Let xp.name take traced values, by f, which is made of operations with rules."""
    PRIMITIVES[name] = f
    lift(name, _dispatch(lambda _, args, kwargs: f(*args, **kwargs), lists=True))


def constant(*names):
    """Functions that are constant between their jumps: of a traced value they see the value alone."""
    for name in names:
        lift(name, _dispatch(lambda function, args, kwargs: function(*map(untraced, args), **kwargs)))


def untraced(x):
    """x without any trace: the array inside."""
    while type(x) is Traced:
        x = x.value
    return x


def _find(path):
    found = xp
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _dispatch(traced, lists=False):
    """What stands before the backend's function: traced(function, args, kwargs) where there is a traced argument."""
    def wrap(function, _):
        def f(*args, **kwargs):
            for a in args:
                if type(a) is Traced or lists and _holds_traced(a):
                    return traced(function, args, kwargs)
            return function(*args, **kwargs)
        return f
    return wrap


def _holds_traced(a):
    return type(a) in (list, tuple) and any(type(b) is Traced for b in a)


@guard
def _refuse(function, name):
    """Arrays refuse a traced value by themselves, with a TypeError; here the refusal says what to do."""
    def f(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except TypeError:
            if any(type(a) is Traced or _holds_traced(a) for a in (*args, *kwargs.values())):
                raise TypeError(REFUSAL.format(f"xp.{name}")) from None
            raise
    return f
