"""Lines and chains: a derivation is a chain of lines, each compared with the one before it on drawn worlds.

    d = Derivation("evidence", world)                       a page; the lines' ids are module.function

    @d(r"\\log p(x)")                                        a chain starts
    def evidence(p_x): return log(p_x)

    @d("=", r"\\log \\sum_z p(x, z)", by="marginalisation")   the next line, compared with the one before it
    def marginal(p_xz): return log(sum(p_xz, 1))

What else a line may say is in OPTIONS; the relations are the table in relations.py.
"""
import collections
import dataclasses
import difflib
import fractions
import importlib
import inspect
import pkgutil

import numpy as np

from derivations.engine.latex import plain
from derivations.engine.relations import FAILS, HOLDS, RELATIONS, Outcome, ShapesDiffer, host, quiet
from derivations.engine.worlds import WORLDS

FEW   = 50                  # of fewer worlds than that no share is asked for
SHARE = 0.2                 # in fewer of them than that a line may not be tested: finite, its condition true

OPTIONS = dict(
    by       = "the justification, a few words",
    covers   = "the statements of index.json that the line is: ids, or id:n, id:n-m for their lines",
    to       = "compare with that line instead of the one before",
    where    = "the condition, a function of letters, under which the line is claimed",
    tight    = "letter -> letter, or a function: with these values a bound is an equality",
    gap      = "how much a bound leaves, a function of letters",
    of       = "of argmax, argmin and root: the line, a function of the letter",
    over     = "named here",
    vary     = "of = + const: the letters that the constant may not depend on",
    as_      = "of ->: the letter that goes to 0",
    order    = "and with which power of it the difference does",
    tol      = "(tolerance, why), where 1e-12 is too much to ask",
    slip     = "of !=: which of the sources' slips it is",
    reading  = "and how it was read",
    rests_on = "a line that this one uses as a lemma")


PAGES = collections.defaultdict(list)           # module -> its derivations


class Derivation:
    """A page: chains of lines in one world. `where` is the condition, a function of letters, under which all of it
    holds.

    Raises ValueError where a line is made, so on import, for a relation, an option or a letter that does not exist.
    """

    def __init__(self, name, world, where=None):
        self.name, self.world, self.lines = name, world, []
        self.module = inspect.currentframe().f_back.f_globals["__name__"]
        self.where  = where
        self.topic  = self.module.rpartition(".")[2]
        for page in PAGES[self.module]:
            if page.world is not world and page.world.name == world.name:
                raise ValueError(f"{self.topic} has two worlds named {world.name!r}: nobody could tell their letters "
                                 "apart.")
        if where:
            world.known(where, f"the condition of the derivation {name!r}")
        PAGES[self.module].append(self)

    def __call__(self, first, latex=None, *, let=None, **options):
        """A decorator: of a formula, where a chain starts; of a relation and a formula for the next line."""
        if latex is None and first in RELATIONS:
            raise ValueError(f"a line of the derivation {self.name!r} has the relation {first!r} but no formula.")
        relation, latex = (None, first) if latex is None else (first, latex)
        def line(f):
            made = Line(self, f, relation, latex, let, options)
            if any(made.name == other.name for page in PAGES[self.module] for other in page.lines):
                raise ValueError(f"{self.topic} has two lines named {made.name}.")
            self.lines.append(made)
            return made
        return line


class Line:
    """One line: its formula as LaTeX and as a function of letters, and what it claims of the line before."""

    def __init__(self, derivation, f, relation, latex, let, options):
        self.derivation, self.f, self.relation, self.latex, self.let = derivation, f, relation, latex, let
        self.world, self.name = derivation.world, f.__name__
        self.topic = derivation.topic
        self.id    = f"{self.topic}.{self.name}"
        for option in options:
            _one_of(option, OPTIONS, f"{self.id}: no option")
        if relation is not None:
            _one_of(relation, RELATIONS, f"{self.id}: no relation")
            for need in RELATIONS[relation].needs:
                if not any(options.get(option) is not None for option in need.split("|")):
                    wanted = need.replace("|", "= or ")
                    raise ValueError(f"{self.id} has the relation {relation!r}, which wants {wanted}=.")
        self.by, self.covers = options.get("by", ""), options.get("covers", "").split()
        self.where, self.gap, self.tight = options.get("where"), options.get("gap"), options.get("tight", {})
        self.of, self.over   = options.get("of"), options.get("over")
        self.vary            = options.get("vary", "").split()
        self.as_, self.order = options.get("as_"), options.get("order")
        tol = options.get("tol", (1e-12, ""))
        if not (isinstance(tol, tuple) and len(tol) == 2):
            raise ValueError(f"{self.id} has tol={tol!r}; expected (tolerance, why).")
        self.tol, self.why   = tol
        self.slip, self.reading = options.get("slip"), options.get("reading", "")
        self.rests_on        = options.get("rests_on")
        earlier = derivation.lines[-1] if derivation.lines else None
        self.to = self.of or options.get("to", earlier) if relation else None
        for other in filter(None, (self.to, self.rests_on)):
            if not isinstance(other, Line):
                raise ValueError(f"{self.id} names {other!r} where a line is expected: the function, not its name.")
        if relation and self.to is None:
            raise ValueError(f"{self.id} has the relation {relation!r} but no line stands before it.")
        self.letters = self.world.known(f, self.id)
        for g in filter(None, (self.where, self.gap, *(t for t in self.tight.values() if callable(t)))):
            self.world.known(g, f"{self.id}, in an option,")
        for letter in (*self.vary, *self.tight, *filter(None, (self.over, self.as_)),
                       *(t for t in self.tight.values() if isinstance(t, str))):
            _one_of(letter, self.world.letters, f"{self.id}: no letter")
        for letter, what in ((self.over, "moves"), *((letter, "other") for letter in self.vary)):
            if letter and not getattr(self.world.letters[letter].kind, what, None) and relation != "root":
                raise ValueError(f"{self.id}: the letter {letter!r} cannot be varied; expected one that is drawn as "
                                 "simplex, unit, real or positive.")
        if self.to is not None:
            self.world.known(self.to.f, f"{self.to.id}, which {self.id} is compared with,")

    def __call__(self, *letters):
        return self.f(*letters)

    def value(self, s):
        """The line's value in a sample, a tuple of host arrays; remembered by the sample."""
        if self not in s._known:
            s._known[self] = host(s.call(self.f))
        return s._known[self]

    def applies(self, s):
        """Do the conditions hold there?"""
        return all(bool(np.all(host(s.call(where))[0])) for where in (self.derivation.where, self.where) if where)

    def check(self, s):
        """What the line claims of the line before, in one sample: an Outcome."""
        return RELATIONS[self.relation].check(self, s)


def _one_of(name, table, what):
    if name not in table:
        close = difflib.get_close_matches(str(name), list(table), 1)
        raise ValueError(f"{what} {name!r}; " + (f"did you mean {close[0]!r}?" if close else
                         f"choose one of {', '.join(table)}."))


# ---- the topics ------------------------------------------------------------------------------------------------------
def topics():
    """The names of the topics: the modules of `derivations`."""
    import derivations
    return sorted(m.name for m in pkgutil.iter_modules(derivations.__path__) if not m.ispkg)


def derivations_of(topic):
    """The derivations that a topic makes. Raises ValueError for a topic that does not exist, or cannot be imported."""
    _one_of(topic, topics(), "no topic")
    try:
        importlib.import_module(f"derivations.{topic}")
    except Exception as error:
        raise ValueError(f"derivations/{topic}.py cannot be imported: {error}") from error
    return PAGES[f"derivations.{topic}"]


def line_of(id):
    """The line with the id topic.name. Raises ValueError for one that does not exist."""
    every = {line.id: line for line in lines_of(id.partition(".")[0])}
    _one_of(id, every, "no line")
    return every[id]


def lines_of(topic):
    """All lines of a topic."""
    return [line for d in derivations_of(topic) for line in d.lines]


# ---- checking --------------------------------------------------------------------------------------------------------
@dataclasses.dataclass
class Report:
    """What became of a line: in how many worlds it was tested, the largest residual, and what went wrong, if
    anything."""
    line:     Line
    drawn:    int
    tested:   int
    residual: float
    wrong:    str = ""
    differs:  int = 0                           # of a formula as printed: in so many it is not the right one


def check(line, n=WORLDS):
    """Check a line on n drawn worlds; a Report."""
    with quiet():
        return _check(line, n)


def _check(line, n):
    pool = line.world.draw(n)
    if line.relation is None:
        return Report(line, n, 0, 0.0)
    tested, failed, residual, problem = 0, [], 0.0, ""
    try:
        for s in pool:
            if line.applies(s):
                found = outcome(line, s)
                tested  += found.status in (HOLDS, FAILS)
                residual = max(residual, found.off)
                if found.status == FAILS:
                    failed.append(s)
    except Exception as error:
        return Report(line, n, tested, residual,
                      f"{_head(line)}\n  raises {type(error).__name__}: {error}\n    {letters(line, s)}")
    enough, differs = SHARE * len(pool) if len(pool) >= FEW else 0, tested - len(failed)
    if line.relation == "!=":
        if differs < enough:
            problem = f"{_head(line)}\n  differs from the right line in only {differs} of {len(pool)} worlds; " \
                      f"expected at least {enough:.0f}."
    elif failed:
        problem = "\n".join([_head(line), f"  does not hold in {len(failed)} of {len(pool)} worlds; the smallest:",
                             *_world(line, FAILS, failed[0])])
    elif tested < enough:
        problem = f"{_head(line)}\n  is tested in only {tested} of {len(pool)} worlds: elsewhere its condition is " \
                  f"false, or both sides are infinite; expected at least {enough:.0f}."
    return Report(line, len(pool), tested, residual, problem, differs)


def outcome(line, s):
    """What a check finds; shapes that differ are a failure of it."""
    try:
        return line.check(s)
    except ShapesDiffer:
        return Outcome(FAILS, np.inf, line.to.value(s), host(s.call(line.f)))


def counterexample(line, status=FAILS, known=None):
    """The simplest world that Hypothesis finds where the line does not hold, and the Outcome there; where it finds
    none, the world that is `known`."""
    from hypothesis.errors import NoSuchExample
    with quiet():
        try:
            s = line.world.smallest(lambda s: line.applies(s) and outcome(line, s).status == status)
        except NoSuchExample:
            s = known
        return s, outcome(line, s)


def _head(line):
    by = f"     by: {line.by}" if line.by else ""
    return f"{line.id}  {line.relation or 'a chain starts:'}  {plain(line.latex)}{by}"


def explain_slip(report):
    """A formula as printed: in how many worlds it is not the right one, the smallest of them, and both values there."""
    line = report.line
    if not report.differs:
        return f"{_head(line)}\n  differs in none of {report.tested} worlds."
    reading = [f"  read so: {line.reading}"] if line.reading else []
    return "\n".join([_head(line), *reading, f"  differs in {report.differs} of {report.tested} worlds; the smallest:",
                      *_world(line, HOLDS, None)])


def _world(line, status, known):
    s, found = counterexample(line, status, known)
    return [f"    {letters(line, s)}", *two_sides(line, found)]


def letters(line, s):
    """The drawn letters of a sample that the line and the one before it depend on, as fractions."""
    names = s.world.drawn([*line.letters, *line.to.letters, *([line.over] if line.over else [])])
    return "   ".join(f"{plain(s.world.letters[name].latex)} = {as_fractions(s.given[name])}" for name in names)


def two_sides(line, found):
    """Two lines of text: the value of the line before, and of this one, or what else was compared."""
    if isinstance(found.ours, str):
        return [f"  the line before  {plain(line.to.latex)}", f"  this line cannot be evaluated: {found.ours}"]
    names = [f"{side}  {plain(each.latex)}" for side, each in zip(found.sides, (line.to, line))]
    wide  = max(map(len, names))
    off   = [b - a for a, b in zip(found.before, found.ours) if a.shape == b.shape]
    return [f"  {names[0]:{wide}} = {numbers(found.before)}", f"  {names[1]:{wide}} = {numbers(found.ours)}"
            + (f"      off by {numbers(off, sign=True)}" if off else "")]


def shown(line):
    """The line as a reader wants it: formula, reason, and what it is compared with."""
    before = [f"  the line before  {plain(line.to.latex)}"] if line.to else []
    return "\n".join([_head(line), *before])


def as_fractions(value):
    """A number or an array as fractions: [1/2, 1/3]."""
    if np.ndim(value):
        return f"[{', '.join(map(as_fractions, value))}]"
    return str(fractions.Fraction(float(value)).limit_denominator(1000))


def numbers(parts, sign=False):
    """Arrays to four digits."""
    def text(a):
        return f"[{', '.join(map(text, a))}]" if np.ndim(a) else f"{a + 0.0:{'+' if sign else ''}.4g}"
    return ", ".join(map(text, parts))
