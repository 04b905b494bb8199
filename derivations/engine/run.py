"""All of it: every line on its worlds, every mutant, every statement of the index. What `scratch check` shows."""
import collections
import contextlib
import concurrent.futures
import dataclasses
import os
import signal
from typing import NamedTuple

from backends import backend
from derivations.engine import index, latex, line as lines, mutate


class Kill(NamedTuple):
    """A change that was noticed: where the sign stands that it changes, which line noticed, in which world, and the two
    sides of its comparison there."""
    change: str
    at:     tuple
    line:   str
    world:  str
    sides:  list


@dataclasses.dataclass
class Row:
    """A line, or a function of `scratch`, as the tables show it; `wrong` are sentences."""
    id:       str
    topic:    str
    tested:   int = 0
    residual: float = 0.0
    mutants:  dict = None                       # change -> verdict
    kills:    list = dataclasses.field(default_factory=list)        # those that were killed, each a Kill
    lines:    list = dataclasses.field(default_factory=list)        # of a function: the lines that reach it
    slip:     str = ""                          # of a formula as printed: which of the sources' slips it is,
    differs:  int = None                        # and in how many worlds it is not the right one
    wrong:    list = dataclasses.field(default_factory=list)
    broken:   bool = False                      # it does not hold, or cannot be evaluated
    by_hand:  bool = False                      # only a person can compare its LaTeX with its code

    def count(self, *verdicts):
        return sum(v in verdicts for v in (self.mutants or {}).values())


def of_line(line, n=lines.WORLDS, mutants=True, reports=None):
    """A line checked on n worlds, its LaTeX compared, and its own mutants tried where it and what it is compared with
    hold; `reports`: line -> Report, where they are known."""
    reports = reports or {each: lines.check(each, n) for each in (line, *mutate.checked_by(line))}
    report  = reports[line]
    row = Row(line.id, line.topic, report.tested, report.residual, broken=bool(report.wrong))
    row.wrong += [report.wrong] if report.wrong else []
    row.wrong += [f"{line.id} covers {part!r}, which is no statement of index.json" for part in index.parts(line.covers)
                  if part.partition(":")[0] not in index.statements()]
    row.by_hand = latex.exempt(line)
    if line.relation == "!=":
        row.slip, row.differs = line.slip, report.differs
    if differs := latex.difference(line):
        row.wrong.append(f"{line.id}: {differs}")
    if mutants and not report.wrong and not any(reports[other].wrong for other in mutate.checked_by(line)):
        row.mutants, row.kills = told_of(mutate.of_line(line))
        row.wrong += survivors(line.id, row.mutants)
    return row


def told_of(verdicts):
    """(change -> verdict, the Kills) as plain data."""
    verdicts = mutate.judged(verdicts)
    kills    = [Kill(v.change, mutate.sign(v.node), v.line.id, lines.letters(v.line, v.world),
                     [f"{side} {lines.numbers(value)}" for side, value in
                      zip(v.outcome.sides, (v.outcome.before, v.outcome.ours))])
                for v in verdicts if v.status == mutate.KILLED]
    return {v.change: v.status for v in verdicts}, kills


def survivors(owner, verdicts):
    """What is wrong with a line, or a function, whose mutants got these verdicts: sentences."""
    say = {mutate.WEAK:    "changes the value and no check notices: a bound wants tight= or gap=, or another line must "
                           "pin it",
           mutate.SAME:    "never changes the value: write it otherwise, or give the reason in equivalent.toml",
           mutate.UNTRIED: "was never run: no line reaches that place"}
    return [f"{owner}: {change}  {say[verdict]}" for change, verdict in verdicts.items() if verdict in say]


def of_page(job):
    """A derivation: Rows of its lines, and of the functions and letters that they reach. Plain data in, plain data out,
    so that another process can do it."""
    topic, i, n, mutants = job
    page = lines.derivations_of(topic)[i].lines
    reports = {line: lines.check(line, n) for line in page}
    rows = [of_line(line, n, mutants, reports) for line in page]
    return rows, of_functions([line for line, row in zip(page, rows) if not row.broken]) if mutants else []


def of_functions(page):
    """What lines reach in `scratch`, and the letters that follow: Rows."""
    return [Row(t.name, page[0].topic, 0, 0.0, *told_of(mutate.of_target(t)), [line.id for line in t.lines])
            for t in mutate.reached(page)]


def run(topics, n=lines.WORLDS, show=lambda done, total: done):
    """Check the topics: (rows of lines, rows of functions and letters). Mutants are tried on NumPy alone. What
    `show(done, total)` makes of the derivations that are done is gone through, to tell of progress."""
    mutants = backend().name == "numpy"
    jobs    = [(topic, i, n, mutants) for topic in topics for i in range(len(lines.derivations_of(topic)))]
    with workers(mutants) as do:
        pages = list(show(do(of_page, jobs), len(jobs)))
    return [row for rows, _ in pages for row in rows], merged(row for _, functions in pages for row in functions)


def letters(topics):
    """The rows of the letters that the worlds of these topics define: other topics cannot pin those."""
    return {f"{name} ({d.world.name})" for topic in topics for d in lines.derivations_of(topic)
            for name, home in d.world.home.items() if home == d.world.name}


@contextlib.contextmanager
def workers(several):
    """`do(f, jobs)` maps in as many processes as there are cores; in this one where a GPU is, or a stand-in for it.
    They leave SIGINT and SIGTERM to this process, and end with the job that they are at."""
    if not several:
        yield map
        return
    pool = concurrent.futures.ProcessPoolExecutor(os.cpu_count(), initializer=_deaf)
    try:
        yield pool.map
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _deaf():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def merged(found):
    """One row for every function: a mutant that the lines of one page kill is dead."""
    order = [mutate.KILLED, mutate.CRASHED, mutate.WEAK, mutate.LISTED, mutate.SAME, mutate.PROVEN, mutate.UNTRIED]
    rows  = {}
    for row in found:
        known = rows.setdefault(row.id, dataclasses.replace(row, lines=[], mutants={}, kills=[]))
        known.lines += row.lines
        known.kills += [kill for kill in row.kills if known.mutants.get(kill.change) != mutate.KILLED]
        for change, verdict in row.mutants.items():
            known.mutants[change] = min(known.mutants.get(change, verdict), verdict, key=order.index)
    for row in rows.values():
        row.wrong = survivors(row.id, row.mutants)
    return list(rows.values())


def whole(rows, functions):
    """What is wrong with the whole: sentences. Only where all topics were run."""
    where, complaints = index.coverage()
    complaints += orphans()
    complaints += index.uncited({row.id: row.lines for row in functions})
    found = {row.id: row.mutants or {} for row in (*rows, *functions)}
    complaints += [f"equivalent.toml: {owner}, {change!r}: there is no such survivor any more"
                   for owner, change in mutate.listed()
                   if owner not in found or found[owner].get(change) == mutate.KILLED]
    every = [line for topic in lines.topics() for line in lines.lines_of(topic)]
    read  = sum(map(latex.exempt, every))
    if read > len(every) / 4:
        complaints.append(f"{read} of {len(every)} formulas can only be read by a person; expected at most a quarter")
    return where, complaints


def orphans():
    """Lines that nothing checks: a chain that starts and does not go on."""
    for topic in lines.topics():
        every   = lines.lines_of(topic)
        checked = {id(line.to) for t in lines.topics() for line in lines.lines_of(t) if line.relation != "!="}
        yield from (f"{line.id} starts a chain that does not go on: nothing checks it" for line in every
                    if line.relation is None and id(line) not in checked)


def table(rows, by_line):
    """The rows as text: one for a line, or one for a topic."""
    groups = collections.defaultdict(list)
    for row in rows:
        groups[row.id if by_line else row.topic].append(row)
    wide = max(map(len, groups), default=5)
    yield f"{'line' if by_line else 'topic':{wide}}  lines  worlds  residual  changes of the code that were noticed"
    for name, group in [*groups.items(), ("all", rows)][:len(groups) + (len(groups) > 1)]:
        tested = sum(row.tested for row in group)
        residual = f"{max(row.residual for row in group):.0e}" if tested else "-"
        notes = [killed(group)] + ["formula compared by hand"] * (by_line and len(group) == 1 and group[0].by_hand)
        yield f"{name:{wide}}  {len(group):5}  {tested or '-':>6}  {residual:>8}  {', '.join(notes)}" \
              f"{'  FAILS' if any(row.wrong for row in group) else ''}"
    yield LEGEND


LEGEND = """
worlds: where the line could be tested, of those drawn; - for the head of a chain, which claims nothing by itself
the same formula: so in a free world too, or for a reason in equivalent.toml; true as well: the head of a chain may be
written so; crash: the changed code cannot be evaluated, which is noticed too, but proves little"""


def killed(rows):
    """12 of 12, and how many of the changes are the same formula, hold as well, or cannot be evaluated."""
    slips = [row for row in rows if row.differs is not None]
    if len(rows) == len(slips) == 1:
        return f"slip {slips[0].slip}: as printed it differs in {slips[0].differs} of {slips[0].tested} worlds"
    if not any(row.mutants for row in rows):
        return "-"
    dead, weak, same, untried, identity, listed, true, crash = (sum(row.count(verdict) for row in rows) for verdict in (
        mutate.KILLED, mutate.WEAK, mutate.SAME, mutate.UNTRIED, mutate.PROVEN, mutate.LISTED, mutate.TRUE,
        mutate.CRASHED))
    others = {"the same formula": identity + listed, "true as well": true, "crash": crash}
    return ", ".join([f"{dead} of {dead + weak + same + untried}", *(f"{n} {what}" for what, n in others.items() if n)])


def told(where, functions):
    """The functions of `scratch` that lines pin, where the statements of the index are checked, what is still to
    come."""
    ours = [row for row in functions if row.id.startswith("scratch.")]
    wide = max((len(row.id) for row in ours), default=0)
    yield "\nfunctions that lines reach: mutants killed"
    yield from (f"  {row.id:{wide}}  {killed([row])}" for row in sorted(ours, key=lambda row: row.id))
    kinds = collections.Counter(where.values())
    yield f"\n{len(where)} statements of the sources: {kinds['covered']} in lines and letters, {kinds['law']} in " \
          f"laws, {kinds['reason']} left out for a reason; to come with their family: {kinds['family']}"
    later = collections.defaultdict(list)
    for name, how in where.items():
        if how == "family":
            later[index.elsewhere()[name]["family"]].append(name)
    yield from (f"  {family:16} {' '.join(names)}" for family, names in later.items())
    rows = index.unreached({row.id for row in functions})
    yield f"\n{len(rows)} functions that no line reaches"
    yield from (f"  {name}  {next(iter(row.values())) if row else ''}" for name, row in rows.items())
