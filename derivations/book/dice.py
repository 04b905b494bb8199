"""Drawn worlds with the value of every line, as text: what the button on a page shows one after the other."""
import numpy as np

from derivations.engine import mutate
from derivations.engine.line import as_fractions, numbers
from derivations.engine.relations import host, quiet
from derivations.engine.worlds import WORLDS

ROLLS  = 40                 # worlds on a page
LONG   = 12                 # of more numbers than these only some are shown
UNSAID = "not claimed in this world"
AGREE  = "here the two agree"


def rolled(derivation, n=ROLLS):
    """{"letters": name -> texts, "lines": id -> texts}: in n worlds of the derivation where its condition holds, fewer
    where there are no more, the first of them small. Of the lines, those too that its own are compared with."""
    with quiet():
        every = {line.id: line for own in derivation.lines for line in (own, own.to) if line}
        names = derivation.world.needs(name for line in every.values() for name in mutate.asked(line))
        pool  = [s for s in derivation.world.draw(WORLDS) if derivation.lines[0].applies(s)]
        pool  = pool or derivation.world.draw(n)
        small = sorted((s for s in pool if not s.corner), key=_size)[:9]
        first = min(small or pool, key=lambda s: (sum(AGREE in value(s, line) for line in derivation.lines),
                                                  _alike([letter(s, name) for name in names])))
        shown = {}                              # the letters' texts -> the sample: every world once
        for s in [first, *pool]:
            if len(shown) < n:
                shown.setdefault(tuple(letter(s, name) for name in names), s)
        return {"letters": {name: list(texts) for name, texts in zip(names, zip(*shown))},
                "lines":   {id: [value(s, line) for s in shown.values()] for id, line in every.items()}}


def letter(s, name):
    """A letter's value: a fraction where it is drawn, four digits where it follows from others."""
    if name in s.given:
        return _short(np.asarray(s.given[name]), as_fractions)
    return _texts(host(s[name]))


def value(s, line):
    """A line's value, where its conditions hold."""
    try:
        shown = _texts(line.value(s)) if line.applies(s) else UNSAID
        return f"{shown} ({AGREE})" if line.relation == "!=" and shown == value(s, line.to) else shown
    except Exception as error:                  # a formula as printed, or one that is wrong
        return f"cannot be evaluated: {error}"


def _texts(parts):
    shown = parts if sum(part.size for part in parts) <= LONG else parts[:2]
    texts = [_short(part, lambda a: numbers((a,))) for part in shown]
    return ", ".join(texts + [f"… ({len(parts)} parts)"] * (len(shown) < len(parts)))


def _short(a, text):
    """An array as text; of a large one the first row of numbers, and its shape."""
    if a.size <= LONG:
        return text(a).replace("-", "−")
    some = a.reshape(-1)[:4]
    return f"{text(some)[:-1]}, … ({' × '.join(map(str, a.shape))})".replace("-", "−")


def _alike(texts):
    """How many letters that are more than one number look like another."""
    arrays = [text for text in texts if "," in text]
    return len(arrays) - len(set(arrays))


def _size(s):
    return sum(np.size(value) for value in s.given.values())
