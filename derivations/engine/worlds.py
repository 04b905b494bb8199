"""Worlds: tables of letters in which every expectation is exact.

    two_laws = World("two laws on X points",
        X = size(1, 5),                                       a size, drawn
        p = tex(r"p(x)", simplex("X")),                       drawn, with the LaTeX that stands for it
        q = tex(r"q(x)", simplex("X")),
        m = let(r"m(x)", lambda p, q: (p + q) / 2))           follows from others

Hypothesis draws small integers and every letter divides them, so that a shrunk counterexample can be followed with a
pencil. Four worlds in five are generic (sizes of at least 2, no zeros, letters that differ), one in five is a corner.
"""
import dataclasses
import inspect
import itertools
import math
import random
from typing import Any, Callable

import numpy as np

from backends import to_host, xp
from backends.random import Stream

WORLDS  = 100               # drawn at a time
CORNERS = 5                 # one in so many is a corner
STEPS   = (1e-4, 1e-6)      # how far "a little" is, where a maximum is compared with what is around it


# ---- letters ---------------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class Kind:
    """How a letter is drawn: integers low .. high in a shape made of sizes, and what becomes of them."""
    says:    str                                # what it is, in a few words
    dims:    tuple
    low:     Any                                # an integer, or the name of a size of the world
    high:    Any
    generic: Callable = lambda k: k != 0        # which of the integers a generic world has
    make:    Callable = lambda k: k             # host array of integers -> host array
    inside:  Callable = lambda v: True          # may the letter be v?
    moves:   Callable = None                    # a little step away from v, inside: a list of arrays
    other:   Callable = None                    # another value of the same kind: for "= + const"

    def numbers(self, sizes, corner):
        """The integers that a world may have for it, the simplest first; in a corner most often the lowest, or 0."""
        high = sizes[self.high] - 1 if isinstance(self.high, str) else self.high
        some = [k for k in range(self.low, high + 1) if corner or self.generic(k)]
        rare = [max(self.low, 0)] * (len(some) if corner and self.dims else 0)
        return rare + sorted(some, key=lambda k: (abs(k), k < 0))


@dataclasses.dataclass(frozen=True)
class Letter:
    """A letter of a world: its LaTeX, and either a kind (drawn) or a function of other letters (follows from them)."""
    latex:  str
    kind:   Kind = None
    follow: Callable = None
    covers: str = ""

    @property
    def is_size(self):
        return self.kind is not None and self.kind.make is int


def tex(latex, kind, covers=""):
    """A letter that is drawn."""
    return Letter(latex, kind=kind, covers=covers)


def let(latex, follow, covers=""):
    """A letter that follows from those that the function names; `covers`: the statements that it is the definition
    of."""
    return Letter(latex, follow=follow, covers=covers)


def size(low, high):
    """An integer low .. high that other letters have as a dimension."""
    return Kind(f"a size, {low} to {high}", (), low, high, generic=lambda k: k >= 2 or k == high, make=int)


def index(dim, *dims):
    """Integers 0 .. dim - 1."""
    return Kind("an index", dims, 0, dim if isinstance(dim, str) else dim - 1, generic=lambda k: True)


def counts(*dims, high=4):
    """How often each point occurs: integers 0 .. high, not all of them 0."""
    return Kind("counts", dims, 0, high, make=lambda k: np.where(k.sum(-1, keepdims=True) > 0, k, 1) * 1.0)


def simplex(*dims):
    """Probabilities that sum to 1 over the last dimension: weights 0 .. 6, divided by their sum."""
    def normalised(k):
        k = np.where(k.sum(-1, keepdims=True) > 0, k, 1)
        return k / k.sum(-1, keepdims=True)

    def moves(v):
        n = v.shape[-1]
        for row in np.ndindex(v.shape[:-1]):
            for i, j, h in itertools.product(range(n), range(n), STEPS):
                if i != j and v[row][j] >= h:
                    moved = v.copy()
                    moved[(*row, i)] += h
                    moved[(*row, j)] -= h
                    yield moved

    return Kind("probabilities", dims, 0, 6, make=normalised, moves=moves,
                inside=lambda v: (v >= 0).all() and (abs(v.sum(-1) - 1) < 1e-9).all(),
                other=lambda v: normalised(np.roll(v, 1, -1)**2 + v / 3))


def unit(*dims, closed=False):
    """Numbers in the open unit interval, multiples of 1/64; in the closed one where told so."""
    edge = 0 if closed else 1
    def inside(v):
        return ((v >= 0) & (v <= 1)).all() if closed else ((v > 0) & (v < 1)).all()
    return Kind("between 0 and 1", dims, edge, 64 - edge, generic=lambda k: 0 < k < 64, make=lambda k: k / 64,
                inside=inside, moves=lambda v: _coordinates(v, inside), other=lambda v: (1 + 2 * v * v) / 4)


def real(*dims):
    """Real numbers, multiples of 1/8 between -3 and 3."""
    return Kind("real", dims, -24, 24, make=lambda k: k / 8, moves=lambda v: _coordinates(v, lambda v: True),
                other=lambda v: np.flip(0.375 - v / 2))


def positive(*dims):
    """Numbers above 0, multiples of 1/8 up to 3."""
    def inside(v):
        return (v > 0).all()
    return Kind("above 0", dims, 1, 24, make=lambda k: k / 8, inside=inside, moves=lambda v: _coordinates(v, inside),
                other=lambda v: 0.625 / (1 + v))


def invertible(dim):
    """Square matrices far from singular: multiples of 1/8 between -3 and 3, and 7 I; half of them turn space round."""
    def make(k):
        a = k / 8 + 7 * np.eye(len(k))
        a[0] *= 1 - 2 * (k[0, 0] % 2)
        return a
    return Kind("an invertible matrix", (dim, dim), -24, 24, make=make)


def _coordinates(v, inside):
    """v with one coordinate a little larger or smaller, where that is inside."""
    for i, h in itertools.product(range(v.size), STEPS):
        for step in (h, -h):
            moved = v.copy()
            moved.flat[i] += step
            if inside(moved):
                yield moved


# ---- worlds ----------------------------------------------------------------------------------------------------------
class World:
    """A table of letters. Raises ValueError, naming the letter, where a letter follows from one that is not there."""

    def __init__(self, name, base=None, **letters):
        self.name    = name
        self.letters = dict(base.letters if base else {})
        self.home    = {**(base.home if base else {}), **dict.fromkeys(letters, name)}      # which world a letter is of
        for symbol, letter in letters.items():
            self.letters[symbol] = letter if isinstance(letter, Letter) else Letter(symbol, kind=letter)
        for symbol, letter in self.letters.items():
            if letter.follow:
                self.known(letter.follow, f"the letter {symbol} of the world {name!r}")
            for d in (*letter.kind.dims, letter.kind.high) if letter.kind else ():
                if isinstance(d, str) and not (d in self.letters and self.letters[d].is_size):
                    raise ValueError(f"the letter {symbol} of the world {name!r} has the dimension {d!r}, which is no "
                                     "size of it: expected one of "
                                     f"{', '.join(n for n, other in self.letters.items() if other.is_size) or 'none'}.")
        self._pool, self._after = [], {}

    def known(self, f, whose):
        """The letters that a function takes by name; raises ValueError for one that the world does not have."""
        names = list(inspect.signature(f).parameters)
        for name in names:
            if name not in self.letters:
                raise ValueError(f"{whose} asks for {name!r}; the world {self.name!r} has {', '.join(self.letters)}.")
        return names

    def needs(self, names):
        """The letters `names` and all that they follow from, sizes too, in the order of the table."""
        needed, stack = set(), list(names)
        while stack:
            name = stack.pop()
            if name not in needed:
                needed.add(name)
                letter = self.letters[name]
                stack += inspect.signature(letter.follow).parameters if letter.follow else \
                    [d for d in (*letter.kind.dims, letter.kind.high) if isinstance(d, str)]
        return [name for name in self.letters if name in needed]

    def drawn(self, names):
        """Those of them that are drawn."""
        return [name for name in self.needs(names) if self.letters[name].kind]

    def after(self, names):
        """The letters `names`, and all that follow from any of them."""
        if names not in self._after:
            self._after[names] = {name for name in self.letters if not set(self.needs([name])).isdisjoint(names)}
        return self._after[names]

    def strategy(self, corners=True):
        """A Hypothesis strategy of samples, without corners if told so: three bytes say which sizes, and whether it is
        a corner, then every byte is a number of a letter. All shrink to what is simplest.

        (One draw of bytes: Hypothesis repeats parts of an example in the next, and takes integers from whatever modules
        are loaded, so that with many small draws worlds would be alike, and other ones in another process.)"""
        from hypothesis import assume, strategies as st
        sizes  = {name: letter.kind for name, letter in self.letters.items() if letter.is_size}
        others = {name: letter.kind for name, letter in self.letters.items() if letter.kind and not letter.is_size}
        most   = {name: math.prod(sizes[d].high if d in sizes else d for d in kind.dims)
                  for name, kind in others.items()}
        shapes = math.prod(kind.high - kind.low + 1 for kind in sizes.values())
        total  = 3 + sum(most.values())

        @st.composite
        def worlds(draw):
            drawn = draw(st.binary(min_size=total, max_size=total))
            which, rest = divmod(int.from_bytes(drawn[:3]) % ((CORNERS if corners else 1) * shapes), shapes)
            corner, values, start = which == CORNERS - 1, {}, 3
            for name, kind in sizes.items():
                rest, i = divmod(rest, kind.high - kind.low + 1)
                options = kind.numbers(values, corner)
                values[name] = options[i % len(options)]
            for name, kind in others.items():
                options, shape = kind.numbers(values, corner), [values.get(d, d) for d in kind.dims]
                picked = [options[b % len(options)] for b in drawn[start:start + math.prod(shape)]]
                start += most[name]                         # a letter's bytes stay where they are as sizes shrink
                values[name] = kind.make(np.reshape(np.asarray(picked, dtype=int), shape))
            sample = Sample(self, values, corner)
            assume(corner or sample.is_generic(constants=not corners))
            return sample

        return worlds()

    def draw(self, n):
        """n samples, the same ones whenever they are asked for."""
        from hypothesis import HealthCheck, Phase, given, seed, settings
        if len(self._pool) < n:
            self._pool = pool = []

            @seed(0)
            @settings(max_examples=max(n, WORLDS), database=None, deadline=None, phases=[Phase.generate],
                      suppress_health_check=list(HealthCheck))
            @given(self.strategy())
            def collect(sample):
                pool.append(sample)

            collect()
            if sum(sample.corner for sample in pool) > len(pool) / 2:
                raise ValueError(f"the world {self.name!r} has hardly any generic sample: no zero, no two letters of "
                                 "one kind and shape alike, no letter with one value everywhere; give its letters more "
                                 "room.")
        return [sample.put() for sample in self._pool[:n]]

    def smallest(self, wrong):
        """The simplest sample that Hypothesis finds where `wrong(sample)` holds: a generic one, or else a corner."""
        from hypothesis import HealthCheck, find, settings
        from hypothesis.errors import NoSuchExample
        few = settings(max_examples=500, database=None, deadline=None, suppress_health_check=list(HealthCheck))
        try:
            return find(self.strategy(corners=False), wrong, settings=few, random=random.Random(0))
        except NoSuchExample:
            return find(self.strategy(), wrong, settings=few, random=random.Random(0))


class Sample:
    """One world: a value for every letter, those that follow computed when they are asked for.

    `sample["p"]` is an array of the backend of the moment; sizes are Python integers.
    """

    def __init__(self, world, given, corner=False):
        self.world, self.given, self.corner, self._known = world, given, corner, {}

    def __getitem__(self, name):
        if name not in self._known:
            letter = self.world.letters[name]
            value  = self.given[name] if name in self.given else self.call(letter.follow)
            if isinstance(value, (np.ndarray, np.generic)):
                value = xp.asarray(value)
                if isinstance(value, np.ndarray):
                    value.flags.writeable = False           # a formula that changes its letters fails
            self._known[name] = value
        return self._known[name]

    def put(self, *again, **letters):
        """The same world with these letters changed, and all that follows from them, or from those named to be worked
        out `again`; lines are forgotten."""
        new, stale = Sample(self.world, {**self.given, **letters}, self.corner), self.world.after((*again, *letters))
        new._known = {name: v for name, v in self._known.items() if isinstance(name, str) and name not in stale}
        return new

    def call(self, f):
        """f of the letters that it names."""
        code = f.__code__
        return f(*(self[name] for name in code.co_varnames[:code.co_argcount]))

    def free(self, names, seed):
        """The letters `names` in the same shapes, but with all laws broken: every number anywhere in (0, 1), or for an
        odd seed in (-2, 2), with a zero among them now and then."""
        values, stream = {}, Stream.seed(seed)
        for name in names:
            v = self[name]
            values[name] = v if isinstance(v, (int, tuple)) or to_host(v).dtype.kind != "f" else \
                anywhere(stream(name), v.shape, seed % 2)
        return Sample(self.world, values)

    def is_generic(self, constants=False):
        """Does no drawn letter have the value of another of its kind and shape, or (unless `constants` may) one value
        everywhere?"""
        seen = set()
        for name, v in self.given.items():
            kind = self.world.letters[name].kind
            if not isinstance(v, int):
                key = (kind.low, kind.high, kind.dims, v.tobytes())
                if key in seen or not constants and v.size > 1 and (v == v.flat[0]).all():
                    return False
                seen.add(key)
        return True


def anywhere(stream, shape, wide):
    """Numbers of no law: in (0, 1), or, `wide`, in (-2, 2) with one in eight a zero."""
    u = stream.uniform(shape, dtype="float64")
    return xp.where(stream("zero").uniform(shape) < 1 / 8, 0, 4 * u - 2) if wide else u
