"""The relations between lines: what each symbol claims of the line before and of this one, and how that is checked.

A check takes a line and a sample, and says how far the claim is from holding there: an Outcome. Where a comparison
makes no sense (shapes that differ) it raises.
"""
import contextlib
import dataclasses
import warnings
from typing import Any, Callable

import numpy as np

from backends import to_host

HOLDS, FAILS, VACUOUS = "holds", "fails", "vacuous"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a check found in one world: `off` is the largest distance, relative to 1 + |value|."""
    status: str
    off:    float = 0.0
    before: Any = None                          # the two sides, tuples of host arrays
    ours:   Any = None
    sides:  tuple = ("the line before", "this line")


@contextlib.contextmanager
def quiet():
    """Inside, log 0 and 0 / 0 are what they are, without a word: the comparisons see to infinities and NaN."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


class ShapesDiffer(ValueError):
    """Two sides that cannot be compared."""


def host(value):
    """A line's value as a tuple of float arrays on the host."""
    parts = tuple(to_host(part) for part in (value if isinstance(value, (tuple, list)) else (value,)))
    if any(np.iscomplexobj(part) for part in parts):
        raise TypeError("a line's value is complex; expected real numbers.")
    return tuple(np.asarray(part, dtype=float) for part in parts)


def single(value):
    """The value of a line that has to be one array."""
    part, *more = host(value)
    if more:
        raise ValueError(f"a line has {1 + len(more)} values; this relation compares one.")
    return part


def compare(a, b, tol):
    """Are the tuples a and b equal? Two identical infinities are, and vacuous where there is nothing else; NaN
    never."""
    _comparable(a, b)
    status, worst, finite = HOLDS, 0.0, 0
    for x, y in zip(a, b):
        both = np.isfinite(x) & np.isfinite(y)
        off  = abs(x[both] - y[both]) / (1 + abs(x[both]))
        finite += off.size
        worst = max(worst, off.max(initial=0.0))
        if worst > tol or not (x[~both] == y[~both]).all():
            status = FAILS
    return Outcome(VACUOUS if status == HOLDS and not finite else status, worst, a, b)


def at_least(a, b, tol):
    """Is a >= b everywhere? Vacuous where a is infinite."""
    _comparable(a, b)
    status, worst, finite = HOLDS, 0.0, 0
    for x, y in zip(a, b):
        both  = np.isfinite(x) & np.isfinite(y)
        short = np.maximum(y[both] - x[both], 0) / (1 + abs(x[both]))
        finite += np.isfinite(x).sum()
        worst = max(worst, short.max(initial=0.0))
        if worst > tol or not (x[~both] >= y[~both]).all():
            status = FAILS
    return Outcome(VACUOUS if status == HOLDS and not finite else status, worst, a, b)


def _comparable(a, b):
    if len(a) != len(b) or any(x.shape != y.shape for x, y in zip(a, b)):
        raise ShapesDiffer(f"the line before has the shape {_shapes(a)}, this one {_shapes(b)}.")


def _shapes(a):
    return " and ".join(str(x.shape) for x in a)


# ---- the checks: line, sample -> Outcome -----------------------------------------------------------------------------
def equal(line, s):
    return compare(line.to.value(s), host(s.call(line.f)), line.tol)


def ordered(line, s, sign):
    """before >= this where sign is 1, before <= this where it is -1; and the slack is the gap, and is none where
    tight."""
    a, b  = line.to.value(s), host(s.call(line.f))
    found = at_least(a, b, line.tol) if sign > 0 else dataclasses.replace(at_least(b, a, line.tol), before=a, ours=b)
    if found.status == HOLDS and line.gap:
        slack = tuple(sign * (x - y) for x, y in zip(a, b))
        found = compare(slack, host(s.call(line.gap)), line.tol)
        found = dataclasses.replace(found, sides=("it holds; the slack of", "while gap= says of")) \
            if found.status == FAILS else dataclasses.replace(found, before=a, ours=b)
    if found.status == HOLDS and line.tight:
        found = equal(line, s.put(**{name: s[how] if isinstance(how, str) else s.call(how)
                                     for name, how in line.tight.items()}))
        other = f"with another {', '.join(line.tight)}, where both are equal, the line before"
        found = dataclasses.replace(found, sides=(other, "this line"))
    return found


def best(line, s, sign):
    """No other value of the letter, near or drawn, makes the line `of` larger (sign 1) or smaller (sign -1)."""
    kind, top, drawn = line.world.letters[line.over].kind, single(s.call(line.f)), single(s[line.over])
    _comparable((drawn,), (top,))
    def signed(v):
        return tuple(sign * a for a in line.of.value(s.put(**{line.over: v})))
    at = signed(top)
    if not kind.inside(top):
        return Outcome(FAILS, np.inf, at, (top,))
    found = [at_least(at, signed(v), line.tol) for v in (drawn, *kind.moves(top))]
    worst = max(found, key=lambda o: (o.status == FAILS, o.off))
    return dataclasses.replace(worst, before=tuple(sign * a for a in worst.before),
                               ours=tuple(sign * a for a in worst.ours), sides=("at the value claimed,", "near by,"))


def root(line, s):
    """The line `of` vanishes where the letter `over` takes this value; its size is measured by the drawn value's."""
    value = s.call(line.f)
    _comparable(host(s[line.over]), host(value))
    at, drawn = line.of.value(s.put(**{line.over: value})), line.of.value(s)
    size = 1 + max(np.max(abs(d), initial=0.0) for d in drawn)
    return dataclasses.replace(compare(tuple(a / size for a in at), tuple(0 * a for a in at), line.tol),
                               sides=("there, by its size, the line before", "where it vanishes"))


def equal_but_for_a_constant(line, s):
    """The difference does not change when the letters `vary` do."""
    letters = s.world.letters
    t = s.put(**{name: letters[name].kind.other(to_host(s[name])) for name in line.vary})
    differences = []
    for u in (s, t):
        found = compare(line.to.value(u), host(u.call(line.f)), np.inf)
        if found.status != HOLDS or not all(np.isfinite(a).all() for a in found.ours):
            return dataclasses.replace(found, status=FAILS if found.status == FAILS else VACUOUS)
        differences.append(tuple(a - b for a, b in zip(found.before, found.ours)))
    return dataclasses.replace(compare(*differences, line.tol), sides=(
        "the difference of both lines", f"that with another {', '.join(line.vary)}"))


def proportional(line, s):
    """Equal once both sum to 1 over the last axis; vacuous where that has one element."""
    a, b = single(line.to.value(s)), single(s.call(line.f))
    _comparable((a,), (b,))
    if a.ndim == 0 or a.shape[-1] == 1:
        return Outcome(VACUOUS)
    found = compare((a / a.sum(-1, keepdims=True),), (b / b.sum(-1, keepdims=True),), line.tol)
    found = dataclasses.replace(found, sides=("summing to 1, the line before", "this line"))
    return found if (a.sum(-1) * b.sum(-1) > 0).all() else dataclasses.replace(found, status=FAILS)


def tends(line, s):
    """The line before comes closer to this one as the letter `as_` goes to 0, with the stated order."""
    def off(h):
        t = s.put(**{line.as_: np.asarray(h)})
        a, b = single(line.to.value(t)), single(t.call(line.f))
        _comparable((a,), (b,))
        return np.max(abs(a - b), initial=0.0)
    e = np.asarray([off(h) for h in (1 / 256, 1 / 512, 1 / 1024)])
    if not np.isfinite(e).all() or (e < 1e-12).any():
        return Outcome(VACUOUS if (e < 1e-12).all() else FAILS, np.inf, (e,), (e,))
    slope = np.log2(e[:-1] / e[1:])
    return Outcome(HOLDS if (abs(slope - line.order) < 0.2).all() else FAILS, 0.0, (slope,),
                   (np.asarray(line.order),), ("the order found for", "order= for"))


def differs(line, s):
    """The formula as printed is not the line before: another value, by more than rounding, or a shape that does not
    fit."""
    try:
        found = compare(line.to.value(s), host(s.call(line.f)), 1e-6)
    except (ValueError, IndexError) as error:
        return Outcome(HOLDS, ours=str(error))
    if any(np.isnan(x).any() for x in found.ours):
        return dataclasses.replace(found, status=VACUOUS, off=0.0)
    return dataclasses.replace(found, status={HOLDS: FAILS, FAILS: HOLDS}.get(found.status, VACUOUS), off=0.0)


@dataclasses.dataclass(frozen=True)
class Relation:
    """A row of the table: how it reads, how it is checked, and what a line with it has to name besides."""
    reads: str
    check: Callable
    needs: tuple = ()                           # each an option, or alternatives with "|" between them


RELATIONS = {
    "=":         Relation("equals",                   equal),
    ">=":        Relation("is at least",              lambda *a: ordered(*a, sign=1),  ("tight|gap",)),
    "<=":        Relation("is at most",               lambda *a: ordered(*a, sign=-1), ("tight|gap",)),
    "argmax":    Relation("is highest at",            lambda *a: best(*a, sign=1),     ("of", "over")),
    "argmin":    Relation("is lowest at",             lambda *a: best(*a, sign=-1),    ("of", "over")),
    "root":      Relation("vanishes at",              root,                            ("of", "over")),
    "= + const": Relation("equals, but for a constant,", equal_but_for_a_constant,     ("vary",)),
    "prop":      Relation("is proportional to",       proportional),
    "->":        Relation("tends to",                 tends,                           ("as_", "order")),
    "!=":        Relation("is not, as printed,",      differs,                         ("slip",)),
}
