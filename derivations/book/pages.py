"""A topic as a page: its question, its sections on the road and beside it, its lines, and the models that rest on them.

A page is (title, body, data): data is what book.js shows, worlds and refuted changes; all else is there without it.
"""
import ast
import importlib
import re
import zlib
from html import escape
from pathlib import Path

from derivations import slips
from derivations.book import code, mathml, pictures, road, text
from derivations.book.road import ROAD
from derivations.engine import line as lines, mutate, run
from derivations.engine.relations import RELATIONS
from derivations.engine.source import tree_of
from scratch.models import MODELS

HERE    = Path(__file__).parent
LEARNED = HERE / "learned"                      # what `scratch train MODEL` leaves as samples, or reconstructions
LEARNS  = "What {} makes of {}, as its report shows it"
SIGNS   = {"=": "=", ">=": "≥", "<=": "≤", "= + const": "=", "prop": "∝", "->": "→", "!=": "≠"}
PLACES  = ("argmax", "argmin", "root")          # relations that name a place, not a value
EQUAL   = ("=", "= + const", "prop")            # those of which the residual says how far apart two sides are
LONG    = 30                                    # a function of more lines is folded


class Book:
    """What the checks found, as the pages need it: rows of lines and of functions, rolled worlds, captions."""

    def __init__(self, rows, functions, rolls, captions):
        self.rows      = {row.id: row for row in rows}
        self.functions = {row.id: row for row in functions if row.id.startswith("scratch.")}
        self.rolls     = rolls                                      # derivation -> what dice.rolled made of it
        self.captions  = captions                                   # (topic, name of a picture) -> its caption
        self.pages     = {topic: text.page_of(topic)
                          for topic in sorted(lines.topics(), key=lambda t: [*ROAD, t].index(t))}
        self.where     = {line.id: f"{topic}.html#{line.name}" for topic in self.pages for line in self.lines(topic)}
        self.runs      = {id: [name for name, row in self.functions.items() if id in row.lines] for id in self.rows}

    def lines(self, topic):
        """All lines of a page, as they stand in the file."""
        return [line for section in self.pages[topic].sections for _, line in section.lines]

    def link(self, name):
        """The address of a line, or of a page."""
        return self.where.get(name, f"{name}.html")


# ---- the page --------------------------------------------------------------------------------------------------------
def topic(book, name):
    page, told = book.pages[name], set()                            # told: functions whose text stands on it already
    first, others = road.parted(page)
    shown = {each.beside: figure(book, name, each) for each in pictures.of(name)}
    body  = [f"<h1>{escape(page.title)}</h1><p class=sources>{escape(page.sources)}</p>",
             f"<p class=question>{escape(page.question)}</p>" if page.question else "", shown.get("", ""),
             contents(first, others),
             *(section(book, s, shown, told) for s in first)]
    if others:
        body += [way_on(book, name), "<h2 class=part id=s-beside>Beside the road</h2>",
                 "<p>What a first reading can do without. It is checked as all the rest is.</p>",
                 *(section(book, s, shown, told) for s in others)]
    body += [slip_table(book)] if name == "slips" else []
    body += [models(name), way_on(book, name)]
    kills = {line.name: book.rows[line.id].kills for line in book.lines(name)}
    return page.title, "".join(body), dict(worlds={key(d): book.rolls[d] for d in lines.derivations_of(name)},
                                           kills=refuted(kills))


def contents(first, others):
    """The sections, as links."""
    def items(sections):
        return "".join(f'<li><a href="#{s.anchor}">{escape(s.title)}</a></li>' for s in sections)
    beside = f"<details><summary>Beside the road: {len(others)} more</summary><ul>{items(others)}</ul></details>" \
        if others else ""
    return f'<nav class=contents aria-label="On this page"><ol>{items(first)}</ol>{beside}</nav>'


def figure(book, name, picture):
    title = picture.title if picture.title.endswith("?") else f"{picture.title}."
    return (f'<figure><img src="pictures/{name}-{picture.name}.svg" alt="{escape(title)}" loading=lazy>'
            f"<figcaption><b>{escape(title)}</b> {escape(book.captions[name, picture.name])}</figcaption></figure>")


def models(name):
    """The models that rest on a topic: what they learn, and the command."""
    cards = []
    for model, entry in MODELS.items():
        if name in entry.derivations.split():
            image = "".join(f'<img class={path.suffix[1:]} src="learned/{path.name}" loading=lazy '
                            f'alt="{LEARNS.format(model, entry.data)}">' for path in LEARNED.glob(f"{model}.*"))
            cards.append(f"<li>{image}<div><b>{escape(entry.title)}</b><p class=by>{escape(entry.paper)}</p>"
                         f"<pre><code>scratch train {model}</code></pre></div></li>")
    return f'<h2 class=part>Where it is used</h2><ul class=models>{"".join(cards)}</ul>' if cards else ""


def way_on(book, name):
    links = [f'<a href="{other}.html" rel={rel}>{arrow} {escape(book.pages[other].title)}</a>'
             for other, rel, arrow in zip(road.neighbours(name), ("prev", "next"), "←→") if other]
    return f'<nav class=way aria-label="The road">{"".join(links)}</nav>' if links else ""


# ---- a section -------------------------------------------------------------------------------------------------------
def section(book, s, shown, told):
    d, roll = s.derivation, book.rolls[s.derivation]
    (opening, _), *_ = s.lines
    where = f" They hold where <code>{escape(code.of_lambda(d.where))}</code>." if d.where else ""
    rows  = [("" if prose is opening else said(book, prose, each)) + line(book, each, roll, told)
             + shown.get(each.id, "") for prose, each in s.lines]
    return (f'<section id="{s.anchor}" data-world="{key(d)}"><h2>{escape(s.title)}</h2>'
            f"{said(book, opening, s.lines[0][1])}{shown.get(s.title, '')}"
            f"<details class=letters><summary>The letters of these lines: {escape(d.world.name)}.{where}</summary>"
            f"<div class=scroll>{letters(s, roll)}</div></details>{''.join(rows)}</section>")


def said(book, prose, each):
    return prose and f"<div class=prose>{text.as_html(prose, symbols(each), book.link)}</div>"


def symbols(each):
    """Name -> LaTeX of the letters that a line may be about; a size is one only where the line names it."""
    return {name: letter.latex for name, letter in each.world.letters.items()
            if name in each.letters or not letter.is_size}


def letters(s, roll):
    """The table of a section's letters, with their values in the first world."""
    world = s.derivation.world
    names = world.needs(name for _, each in s.lines for name in mutate.asked(each))
    rows  = [f'<tr><td data-letter="{name}">{mathml.inline(letter.latex)}</td>'
             f'<td><code data-letter="{name}">{name}</code></td><td>{what(letter)}</td>'
             f'<td class=value data-value="{name}">{escape(roll["letters"][name][0])}</td></tr>'
             for name, letter in ((name, world.letters[name]) for name in names)]
    return ("<table><thead><tr><th>symbol<th>in the code<th>what it is<th>in this world</thead>"
            f"<tbody>{''.join(rows)}</tbody></table>")


def what(letter):
    """What a letter is: drawn, or made of others."""
    if letter.follow:
        return f"<code>{escape(code.of_lambda(letter.follow))}</code>"
    return letter.kind.says + (f" [{', '.join(map(str, letter.kind.dims))}]" if letter.kind.dims else "")


# ---- a line ----------------------------------------------------------------------------------------------------------
def line(book, each, roll, told):
    row    = book.rows[each.id]
    sign   = "" if each.relation in PLACES else SIGNS.get(each.relation, "")
    other  = compared(book, each)
    let    = each.world.letters[each.over].latex if each.over else each.let
    by     = f"<p class=by>{escape(each.by)}</p>" if each.by else ""
    const  = "<span class=more> + const</span>" if each.relation == "= + const" else ""
    values = [f'<span data-line="{each.to.id}">{escape(roll["lines"][each.to.id][0])}</span> '] \
        if other and each.relation not in PLACES else []
    values += [f'{sign} <span data-line="{each.id}">{escape(roll["lines"][each.id][0])}</span>']
    complaints = "".join(f"<pre>{escape(text)}</pre>" for text in row.wrong)
    values += [" + const"] if each.relation == "= + const" else []
    return (f'<article class="line{" slip" if each.relation == "!=" else ""}" id="{each.name}">'
            f'<a class=id href="#{each.name}">{each.id}</a>'
            f"<div class=math>{other}<span class=relation>{escape(sign)}</span>"
            f"<div class=body>{mathml.formula(each.latex, symbols(each), let)}{const}{by}</div></div>"
            f"<div class=code><pre><code>{code.of_line(each, row.kills)}</code></pre>"
            f"<output>{''.join(values)}</output></div>"
            f"<div class=tally>{' · '.join(tally(book, each, row))}{complaints}</div></article>"
            f"{called(book, each, told)}")


def compared(book, each):
    """The line that this one is compared with, where it is not the one before."""
    around = book.lines(each.topic)
    if each.to is None or each.relation not in PLACES and each.to in around and \
            around.index(each.to) == around.index(each) - 1:
        return ""
    reads = f"<span>{RELATIONS[each.relation].reads}</span>" if each.relation in PLACES else ""
    return (f'<div class=compared><a href="{book.link(each.to.id)}" title="{each.to.id}">'
            f"{mathml.formula(each.to.let or each.to.latex, symbols(each.to))}</a>{reads}</div>")


def tally(book, each, row):
    """What the machine says of a line: the tick, and with what it was earned."""
    def symbol(name):
        return mathml.inline(each.world.letters[name].latex)

    def source(f):
        return f"<code>{escape(code.of_lambda(f))}</code>"

    if row.wrong or each.relation:
        yield "<b class=wrong>✗</b>" if row.wrong else "<b class=right>✓</b>"
    if each.relation == "!=":
        known = slips.SLIPS.get(str(each.slip))
        yield f'<a href="slips.html#slip-{each.slip}">slip {each.slip}</a> of {known.sources}' if known else \
            f"slip {escape(str(each.slip))}"
        yield f"another value in {row.differs} of {row.tested} worlds"
    elif each.relation is None:
        yield "a chain starts"
    else:
        yield f"{row.tested} worlds"
    if each.relation in EQUAL:
        yield f"largest residual {row.residual:.0e}" if row.residual else "residual 0"
    if row.mutants:
        yield noticed(row)
    for name, how in each.tight.items():
        yield f"equal when {symbol(name)} = {symbol(how) if isinstance(how, str) else source(how)}"
    if each.gap:
        yield f"the difference is {source(each.gap)}"
    if each.where:
        yield f"where {source(each.where)}"
    if each.vary:
        yield f"the constant does not depend on {', '.join(map(symbol, each.vary))}"
    if each.as_:
        yield f"as {symbol(each.as_)} goes to 0, with order {each.order}"
    if each.reading:
        yield f"read so: {escape(each.reading)}"
    if each.rests_on:
        yield f'rests on <a href="{book.link(each.rests_on.id)}">{each.rests_on.id}</a>'
    if each.why:
        yield f"to {each.tol:.0e}: {escape(each.why)}"
    if row.by_hand:
        yield "formula compared by hand"
    if public := [name for name in book.runs[each.id] if not re.search(r"\._|<lambda>", name)]:
        yield "runs " + ", ".join(f'<a href="{address(name)}">{escape(short(name))}</a>' for name in public)


def noticed(row):
    """How many of the changes were noticed, and what became of the others."""
    counted, _, others = run.killed([row]).partition(", ")
    others = others.replace("true as well", "hold as well").replace("crash", "cannot be evaluated")
    return ", besides ".join(filter(None, [f"{counted} changes noticed" if counted != "0 of 0" else "", others]))


def called(book, each, told):
    """The text of the functions of `scratch` that a line names, where the page has it not yet."""
    names = {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(tree_of(each.f.__code__))}
    out   = []
    for name in book.runs[each.id]:
        if name.rpartition(".")[2] in names and name not in told:
            told.add(name)
            path, node = found(name)
            out.append(f'<details class=function{"" if node.end_lineno - node.lineno > LONG else " open"}><summary>'
                       f'<a href="{address(name)}">{name}</a>: {noticed(book.functions[name])}</summary>'
                       f"<pre><code>{code.of_node(path, node)}</code></pre></details>")
    return "".join(out)


def refuted(kills):
    """Of every line the changes that were noticed: change, by which line, in which world, and the two sides there."""
    return {name: [(k.change, k.line, k.world, *k.sides) for k in some] for name, some in kills.items() if some}


# ---- the slips -------------------------------------------------------------------------------------------------------
def slip_table(book):
    """All slips, those of notation too, with the lines that show them."""
    shown = {}
    for each in (each for name in book.pages for each in book.lines(name) if each.relation == "!="):
        row = book.rows[each.id]
        shown.setdefault(str(each.slip), []).append(f'<a href="{book.link(each.id)}">{each.name}</a>: {row.differs} of '
                                                    f"{row.tested}")
    rows = [f'<tr id="slip-{number}"><td>{number}<td>{slip.kind}<td>{slip.sources}<td>{text.as_html(slip.says)}'
            f"<td>{text.as_html(slip.right)}<td>{text.as_html(slip.when)}<td>{', '.join(shown.get(number, []))}</tr>"
            for number, slip in slips.SLIPS.items()]
    return ("<h2 class=part id=s-all>All of them</h2><p>False: a world refutes the formula, in the reading that is "
            "stated. Ill-typed: a letter of another space. Notation: text only.</p>"
            "<div class=scroll><table class=slips><thead><tr><th>slip<th>kind<th>in<th>as printed<th>what holds"
            "<th>the two agree<th>shown, in so many worlds</thead>"
            f"<tbody>{''.join(rows)}</tbody></table></div>")


# ---- names and places ------------------------------------------------------------------------------------------------
def key(derivation):
    return re.sub(r"\W+", "-", derivation.name.lower())


def short(name):
    """gmm.log_joint of scratch.mixtures.gmm.log_joint; a row of a table by its text."""
    path, _, row = name.partition(" ")
    return f"{path.split('.')[-2]}: {row}" if row else ".".join(path.split(".")[-2:])


def address(name):
    """The page of a function, from the folder of the book; that of a row of a table is told apart by a number."""
    path, _, row = name.removeprefix("scratch.").partition(" ")
    return f"code/{path.replace('<lambda>', str(zlib.crc32(row.encode())))}.html"


def found(name):
    """(path, syntax tree) of a function of `scratch`, of a method, or of a lambda, which has its text in its name."""
    path, _, row = name.partition(" ")
    parts = path.split(".")
    while importlib.util.find_spec(".".join(parts[:-1])) is None:
        parts.pop()
    file = importlib.util.find_spec(".".join(parts[:-1])).origin
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    if row:
        return file, next(f for f in ast.walk(tree) if isinstance(f, ast.Lambda) and ast.unparse(f) == row)
    for part in path.split(".")[len(parts) - 1:]:
        tree = next(node for node in tree.body if getattr(node, "name", "") == part)
    return file, tree
