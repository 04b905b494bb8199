"""Drawn worlds with the value of every line, as text: what the button on a page shows one after the other."""
import numpy as np

from derivations.engine.line import as_fractions, numbers
from derivations.engine.relations import host, quiet
from derivations.engine.worlds import WORLDS

ROLLS  = 40                 # worlds on a page
LONG   = 12                 # of more numbers than these only some are shown
UNSAID = "not claimed in this world"


def rolled(derivation, n=ROLLS):
    """{"letters": name -> n texts, "lines": id -> n texts}: in n of the derivation's worlds where its condition holds,
    the first of them small. Of the lines, those too that its own are compared with."""
    with quiet():
        pool  = [s for s in derivation.world.draw(WORLDS) if all(line.applies(s) for line in derivation.lines[:1])]
        first = min((s for s in pool if not s.corner), key=_size, default=pool[0])
        pool  = [first, *(s for s in pool if s is not first)][:n]
        every = {line.id: line for own in derivation.lines for line in (own, own.to) if line}
        return {"letters": {name: [letter(s, name) for s in pool] for name in asked(derivation.lines)},
                "lines":   {id: [value(s, line) for s in pool] for id, line in every.items()}}


def asked(lines):
    """The letters that lines are made of, in the order of their world's table."""
    world = lines[0].world
    names = {name for line in lines for name in (*line.letters, *([line.over] if line.over else []))}
    return [name for name in world.letters if name in names or name in world.drawn(names)]


def letter(s, name):
    """A letter's value: a fraction where it is drawn, four digits where it follows from others."""
    if name in s.given:
        return _short(np.asarray(s.given[name]), as_fractions)
    return _texts(host(s[name]))


def value(s, line):
    """A line's value, where its conditions hold."""
    try:
        return _texts(line.value(s)) if line.applies(s) else UNSAID
    except (ValueError, IndexError, TypeError) as error:
        if line.relation != "!=":
            raise
        return f"cannot be evaluated: {error}"


def _texts(parts):
    return ", ".join(_short(part, lambda a: numbers((a,))) for part in parts).replace("-", "−")


def _short(a, text):
    """An array as text; of a large one the first row of numbers, and its shape."""
    if a.size <= LONG:
        return text(a).replace("-", "−")
    some = a.reshape(-1)[:4]
    return f"{text(some)[:-1]}, … ({' × '.join(map(str, a.shape))})".replace("-", "−")


def _size(s):
    return sum(np.size(value) for value in s.given.values())
