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
    parse: Callable
    ok: Callable
    expected: str


def _integer(v):
    return isinstance(v, numbers.Integral) and not isinstance(v, bool)


def _number(v):
    return isinstance(v, numbers.Real) and not isinstance(v, bool) and math.isfinite(v)


Count       = Kind(int,   lambda v: _integer(v) and v >= 1, "an integer of at least 1")
NonNegative = Kind(float, lambda v: _number(v) and v >= 0,  "a finite number of at least 0")


def Choice(table):
    """One of the names of a table."""
    return Kind(str, lambda v: isinstance(v, str) and v in table, f"one of {', '.join(table)}")


def hyper(default, kind, help):
    return dataclasses.field(default=default, metadata={"kind": kind, "help": help})


def check(model):
    """Every hyper-parameter is what it may be; raises ValueError that names the one that is not."""
    for field in dataclasses.fields(model):
        value, kind = getattr(model, field.name), field.metadata["kind"]
        if not kind.ok(value):
            raise ValueError(f"{field.name}={value!r}; expected {kind.expected}.")
