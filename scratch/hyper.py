"""Hyper-parameters: fields of a model's frozen dataclass that know what they may be and what to say of themselves.

    components: int = hyper(10, Count, "number of components")

The same row gives the check in Python, the flag of the command line and its help text.
"""
import dataclasses
import math
import numbers
from typing import Callable


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a hyper-parameter may be: how a flag's text becomes it, whether a value is one, and how to say so."""
    parse:    Callable
    ok:       Callable
    expected: str

    @property
    def metavar(self):
        return {int: "N", float: "X", str: "NAME"}.get(self.parse, "N,N")


def _integer(v):
    return isinstance(v, numbers.Integral) and not isinstance(v, bool)


def _number(v):
    return isinstance(v, numbers.Real) and not isinstance(v, bool) and math.isfinite(v)


def sizes(text):
    return tuple(int(n) for n in text.split(",") if n.strip())


Count       = Kind(int,    lambda v: _integer(v) and v >= 1,    "an integer of at least 1")
Whole       = Kind(int,    lambda v: _integer(v) and v >= 0,    "an integer of at least 0")
Levels      = Kind(int,    lambda v: v is None or _integer(v) and 2 <= v <= 1 << 16, "an integer from 2 to 65536")
NonNegative = Kind(float,  lambda v: _number(v) and v >= 0,     "a finite number of at least 0")
Positive    = Kind(float,  lambda v: _number(v) and v > 0,      "a finite number above 0")
Fraction    = Kind(float,  lambda v: _number(v) and 0 <= v < 1, "a number from 0 to 1, without 1")
Share       = Kind(float,  lambda v: _number(v) and 0 <= v <= 1, "a number from 0 to 1")
Sizes       = Kind(sizes,  lambda v: isinstance(v, tuple) and all(_integer(n) and n >= 1 for n in v),
                   "integers of at least 1, as (64, 32), on the command line 64,32")


def Choice(table):
    """One of the names of a table."""
    return Kind(str, lambda v: isinstance(v, str) and v in table, f"one of {', '.join(table)}")


def hyper(default, kind, help, sampling=False):
    """A field; one of `sampling` matters to samples alone, and may be changed after training."""
    return dataclasses.field(default=default, metadata={"kind": kind, "help": help, "sampling": sampling})


def check(model):
    """Every hyper-parameter is what it may be, and NumPy's numbers are made Python's, which leave the precision of
    arrays alone; raises ValueError that names the one that is not."""
    for field in dataclasses.fields(model):
        value, kind = _plain(getattr(model, field.name)), field.metadata["kind"]
        object.__setattr__(model, field.name, value)
        if not kind.ok(value):
            raise ValueError(f"{field.name}={value!r}; expected {kind.expected}.")


def _plain(value):
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return value.item() if isinstance(value, numbers.Number) and hasattr(value, "item") else value
