"""Bugs seen in the wild are rejected: each wrong version stands in for the right function, in every module that holds
it, and the lines of `derivations` or the laws that are named notice, by the value; of the right one all hold."""
import functools
import importlib
import sys
import types

import numpy as np
import pytest

from derivations import slips
from derivations.engine import line as engine
from derivations.engine.relations import FAILS
from tests.wrong.table import TABLE

WORLDS  = 30
PRINTED = [line for line in engine.lines_of("slips") if line.relation == "!="]


def the_line(name):
    found = [line for line in engine.lines_of(name.partition(".")[0]) if line.id == name]
    assert found, f"there is no line {name}"
    return found[0]


def what(by):
    """name -> a function without arguments: does it hold? Raises where a wrong function makes it crash."""
    if isinstance(by, str):
        return {name: functools.partial(line_holds, the_line(name)) for name in by.split()}
    return {getattr(law, "__name__", "law"): functools.partial(law_holds, law) for law in by}


def line_holds(line):
    with np.errstate(all="ignore"):
        return not any(line.check(s).status == FAILS for s in line.world.draw(WORLDS) if line.applies(s))


def law_holds(law):
    try:
        with np.errstate(all="ignore"):
            law()
    except AssertionError:
        return False
    return True


def stand_in(monkeypatch, place, wrong):
    """Put `wrong` wherever a module holds the function, with or without a door: by name, in a table, or as the default
    of an argument."""
    def is_right(held):
        return held is right or type(held) is types.FunctionType and vars(held).get("__wrapped__") is right
    module, _, name = place.rpartition(".")
    right = getattr(importlib.import_module(module), name)
    for module in [m for n, m in sys.modules.items() if n.partition(".")[0] in ("scratch", "derivations", "tests")]:
        for name, held in list(vars(module).items()):
            if is_right(held):
                monkeypatch.setattr(module, name, wrong)
            elif isinstance(held, dict) and not name.startswith("__"):
                for key in [key for key, value in held.items() if is_right(value)]:
                    monkeypatch.setitem(held, key, wrong)
            elif isinstance(held, types.FunctionType) and any(d is right for d in held.__defaults__ or ()):
                monkeypatch.setattr(held, "__defaults__", tuple(wrong if d is right else d for d in held.__defaults__))


every_bug = pytest.mark.parametrize("bug", TABLE, ids=lambda bug: bug.thread.partition(",")[0])


@every_bug
def test_a_bug_seen_in_the_wild_is_rejected(bug, monkeypatch):
    for name, holds in what(bug.by).items():
        assert holds(), f"{name} does not hold of the right function"
    stand_in(monkeypatch, bug.place, bug.wrong)
    for name, holds in what(bug.by).items():
        assert not holds(), f"{name} does not notice that {bug.says}"


def test_every_slip_that_is_false_or_ill_typed_is_shown_to_be():
    refuted = {number for number, slip in slips.SLIPS.items() if slip.kind != "notation"}
    assert {line.slip for line in PRINTED} == refuted


@pytest.mark.parametrize("topic", engine.topics())
def test_every_formula_as_printed_has_a_row_in_the_table_of_slips(topic):
    assert all(str(line.slip) in slips.SLIPS for line in engine.lines_of(topic) if line.relation == "!=")


@pytest.mark.parametrize("line", PRINTED, ids=lambda line: line.name)
def test_an_ill_typed_formula_fails_by_shape(line):
    """... in some of the worlds, and a false one never does: there only the value differs."""
    with np.errstate(all="ignore"):
        found = [line.check(s) for s in line.world.draw(WORLDS) if line.applies(s)]
    assert any(isinstance(o.ours, str) for o in found) == (slips.SLIPS[line.slip].kind == "ill-typed")
