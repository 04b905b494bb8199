"""The pages as HTML: a topic, a function, the slips, the symbols, and the road that leads through them.

All of it is plain text and MathML; what needs a script (another world, a tap on a sign) is put there by book.js.
"""
import ast
import html
import importlib
import json
import re
from pathlib import Path

from derivations import slips
from derivations.book import code, mathml, pictures, road, text
from derivations.engine import index, line as lines, run
from derivations.engine.latex import plain
from derivations.engine.source import tree_of
from scratch.models import MODELS

RELATED = {"=": "=", ">=": "≥", "<=": "≤", "= + const": "=", "prop": "∝", "->": "→", "!=": "≠",
           "argmax": "highest at", "argmin": "lowest at", "root": "vanishes at"}
LONG    = 30                # a function of more lines is folded


class Book:
    """What a run of the checks found, by line and by function, as the pages need it."""

    def __init__(self, rows, functions, rolls):
        self.rows      = {row.id: row for row in rows}
        self.functions = {row.id: row for row in functions if row.id.startswith("scratch.")}
        self.rolls     = rolls                                      # (topic, derivation) -> worlds and values
        self.pages     = {topic: text.page_of(topic) for topic in [*road.ROAD, *lines.topics()]
                          if topic in lines.topics()}
        self.where     = {line.id: f"{topic}.html#{line.name}" for topic in self.pages for line in lines.lines_of(topic)}
        self.runs      = {id: [f for f, row in self.functions.items() if id in row.lines] for id in self.rows}
        self.shown     = set()                                      # functions whose text the page already has

    def link(self, name):
        """The address of a page, or of a line."""
        return self.where.get(name, f"{name}.html")

    # ---- a topic -----------------------------------------------------------------------------------------------------
    def topic(self, topic):
        page, self.shown = self.pages[topic], set()
        first, others = road.parted(page)
        shown = {picture.beside: picture for picture in pictures.of(topic)} if pictures.known(topic) else {}
        out = [f"<h1>{html.escape(page.title)}</h1><p class=sources>{html.escape(page.sources)}</p>",
               f"<p class=question>{html.escape(page.question)}</p>", self.picture(topic, shown.get("")),
               self.contents(first, others)]
        out += [self.section(section, shown.get(section.title)) for section in first]
        if others:
            out += ['<h2 class=part id=beside>Beside the road</h2><p>What a first reading can do without. '
                    'Everything here is checked as the rest is.</p>']
            out += [self.section(section, shown.get(section.title)) for section in others]
        out += [self.slip_table()] if topic == "slips" else []
        out += [self.models(topic), self.way_on(topic)]
        return page.title, "".join(out), self.data(topic)

    def contents(self, first, others):
        def items(sections):
            return "".join(f'<li><a href="#{s.anchor}">{html.escape(s.title)}</a></li>' for s in sections)
        beside = f"<details><summary>Beside the road: {len(others)} more</summary><ul>{items(others)}</ul></details>" \
            if others else ""
        return f"<nav class=contents aria-label='On this page'><ol>{items(first)}</ol>{beside}</nav>"

    def section(self, section, picture):
        derivation = section.derivation
        roll    = self.rolls[derivation.topic, lines.derivations_of(derivation.topic).index(derivation)]
        rows    = "".join(self.line(prose, line, roll) for prose, line in section.lines)
        where   = f" These lines hold where <code>{html.escape(code.of_lambda(derivation.where))}</code>." \
            if derivation.where else ""
        letters = self.letters(section, roll)
        return (f'<section id="{section.anchor}" data-world="{_key(derivation)}"><h2>{html.escape(section.title)}</h2>'
                f'{self.picture(derivation.topic, picture)}'
                f'<details class=letters><summary>The letters: {html.escape(derivation.world.name)}.{where}</summary>'
                f'<div class=scroll>{letters}</div></details>{rows}</section>')

    def letters(self, section, roll):
        world, rows = section.derivation.world, []
        asked = {name for _, line in section.lines for name in (*line.letters, *([line.over] if line.over else []))}
        asked |= set(world.drawn(asked))
        for name, letter in world.letters.items():
            if name in asked:
                says = f"<code>{html.escape(code.of_lambda(letter.follow))}</code>" if letter.follow else \
                    html.escape(_drawn(letter.kind))
                rows.append(f'<tr><td data-letter="{name}">{mathml.inline(letter.latex)}</td>'
                            f'<td><code data-letter="{name}">{name}</code></td><td>{says}</td>'
                            f'<td class=value data-value="{name}">{html.escape(roll["letters"].get(name, [""])[0])}</td></tr>')
        return "<table><thead><tr><th>symbol<th>in the code<th>what it is<th>in this world</thead>" \
               f"<tbody>{''.join(rows)}</tbody></table>"

    def line(self, prose, line, roll):
        row     = self.rows[line.id]
        letters = {name: letter.latex for name, letter in line.world.letters.items()
                   if name in line.letters or not letter.is_size}
        said    = text.as_html(prose, letters, self.link)
        value   = roll["lines"][line.name][0]
        related = RELATED.get(line.relation, "")
        more    = ' <span class=more>+ const</span>' if line.relation == "= + const" else ""
        by      = f"<p class=by>{html.escape(line.by)}</p>" if line.by else ""
        kind    = "line slip" if line.relation == "!=" else "line head" if line.relation is None else "line"
        return (f'{f"<div class=prose>{said}</div>" if said else ""}'
                f'<article class="{kind}" id="{line.name}"><a class=id href="#{line.name}">{line.id}</a>'
                f'<div class=math>{self.compared(line, letters)}<span class=relation>{related}</span>'
                f'<div class=body>{mathml.formula(line.latex, letters, self.let(line))}{more}{by}</div></div>'
                f'<div class=code><pre><code>{code.of_line(line, row.kills)}</code></pre>'
                f'<output data-line="{line.name}">{html.escape(value)}</output></div>'
                f'<p class=tally>{self.tally(line, row)}</p></article>{self.called(line)}')

    def let(self, line):
        """What stands before the formula: the name of a chain, or the letter that is best."""
        return line.world.letters[line.over].latex if line.over else line.let

    def compared(self, line, letters):
        """Which line this one is compared with, where that is not the one before."""
        around = [other for section in self.pages[line.topic].sections for _, other in section.lines]
        i = around.index(line)
        if line.to is None or line.relation not in ("argmax", "argmin", "root") and i and around[i - 1] is line.to:
            return ""
        name = mathml.inline(line.to.let or line.to.latex, letters)
        return f'<p class=compared><a href="{self.link(line.to.id)}">{name}</a></p>'

    def tally(self, line, row):
        """What the machine says of a line: the tick, and with what it was earned."""
        parts = [f'<b class={"wrong" if row.wrong else "right"}>{"✗" if row.wrong else "✓"}</b>']
        if line.relation == "!=":
            printed = slips.SLIPS[str(line.slip)] if str(line.slip) in slips.SLIPS else None
            parts += [f'<a href="slips.html#slip-{line.slip}">slip {line.slip}</a>'
                      + (f", as printed in {printed.sources}" if printed else ""),
                      f"another value in {row.differs} of {row.tested} worlds"]
        elif line.relation is None:
            parts += ["a chain starts"]
        else:
            parts += [f"{row.tested} worlds", f"largest residual {row.residual:.0e}" if row.residual else "residual 0"]
        if row.mutants:
            parts.append(noticed(row))
        parts += [f"equal when {self.equal(line)}"] if line.tight else []
        parts += [f"the difference: <code>{html.escape(code.of_lambda(line.gap))}</code>"] if line.gap else []
        parts += [f"where <code>{html.escape(code.of_lambda(line.where))}</code>"] if line.where else []
        parts += [f"the constant does not depend on {' '.join(map(self.symbol(line), line.vary))}"] if line.vary else []
        parts += [f"as {self.symbol(line)(line.as_)} goes to 0, with order {line.order}"] if line.as_ else []
        parts += [f"read so: {html.escape(line.reading)}"] if line.reading else []
        parts += [f'rests on <a href="{self.link(line.rests_on.id)}">{line.rests_on.id}</a>'] if line.rests_on else []
        parts += ["formula compared by hand"] if row.by_hand else []
        parts += [f"to {line.tol:.0e}: {html.escape(line.why)}"] if line.why else []
        if self.runs.get(line.id):
            parts.append("runs " + ", ".join(f'<a href="{address(f)}">{short(f)}</a>' for f in self.runs[line.id]))
        return " · ".join(parts + [html.escape(text) for text in row.wrong])

    def symbol(self, line):
        return lambda name: mathml.inline(line.world.letters[name].latex)

    def equal(self, line):
        symbol = self.symbol(line)
        return ", ".join(f"{symbol(name)} = {symbol(how)}" if isinstance(how, str) else
                         f"{symbol(name)} = <code>{html.escape(code.of_lambda(how))}</code>"
                         for name, how in line.tight.items())

    def called(self, line):
        """The text of the functions of `scratch` that a line names, once on a page."""
        out = []
        for name in self.runs.get(line.id, ()):
            if name.rpartition(".")[2] in named(line) and name not in self.shown:
                self.shown.add(name)
                path, node = found(name)
                long = node.end_lineno - node.lineno > LONG
                out.append(f'<details class=function{"" if long else " open"}><summary><a href="{address(name)}">{name}</a>: '
                           f'{noticed(self.functions[name])}</summary>'
                           f'<pre><code>{code.of_node(path, node)}</code></pre></details>')
        return "".join(out)

    def data(self, topic):
        """What the script shows: worlds and values of every derivation, and of every line the changes that were
        noticed."""
        page  = self.pages[topic]
        kills = {line.name: [(k.change, k.line, k.world, *k.sides) for k in self.rows[line.id].kills]
                 for section in page.sections for _, line in section.lines}
        return dict(worlds={_key(d): self.rolls[topic, i] for i, d in enumerate(lines.derivations_of(topic))},
                    kills={name: found for name, found in kills.items() if found})

    def picture(self, topic, picture):
        if picture is None:
            return ""
        return (f'<figure><img src="pictures/{topic}-{picture.name}.svg" alt="{html.escape(picture.title)}" loading=lazy>'
                f'<figcaption><b>{html.escape(picture.title)}.</b> {html.escape(picture.told())}</figcaption></figure>')

    def models(self, topic):
        """The models that rest on a topic, what they learn, and the command."""
        cards = []
        for name, entry in MODELS.items():
            if topic in entry.derivations.split():
                image = f'<img src="learned/{name}.png" alt="{html.escape(LEARNED.format(name, entry.data))}" loading=lazy>' \
                    if (HERE / "learned" / f"{name}.png").exists() else ""
                cards.append(f"<li>{image}<div><b>{html.escape(entry.title)}</b><br><span class=by>{html.escape(entry.paper)}"
                             f"</span><pre><code>scratch train {name}</code></pre></div></li>")
        return f"<h2 class=part>Where it is used</h2><ul class=models>{''.join(cards)}</ul>" if cards else ""

    def way_on(self, topic):
        before, after = road.neighbours(topic)
        links = [f'<a href="{name}.html" rel={rel}>{arrow} {html.escape(self.pages[name].title)}</a>'
                 for name, rel, arrow in ((before, "prev", "←"), (after, "next", "→")) if name]
        return f"<nav class=way aria-label='The road'>{''.join(links)}</nav>" if links else ""

    # ---- the others --------------------------------------------------------------------------------------------------
    def function(self, name):
        """A function of `scratch`: its text, and the lines that pin it."""
        row, (path, node) = self.functions[name], found(name)
        pinned = "".join(f'<li><a href="../{self.link(id)}">{id}</a></li>' for id in dict.fromkeys(row.lines))
        body = (f"<h1><code>{html.escape(name)}</code></h1><p>{noticed(row)} by the lines that run it. <span class=script>Tap a sign to see how.</span></p><article class='line alone' id=it>"
                f"<div class=code><pre><code>{code.of_node(path, node, row.kills)}</code></pre></div></article>"
                f"<h2>Lines that run it</h2><ul class=ids>{pinned}</ul>")
        return short(name), body, dict(kills={"it": [(k.change, k.line, k.world, *k.sides) for k in row.kills]}, worlds={})

    def slip_table(self):
        shown = {}
        for line in lines.lines_of("slips") + [line for t in lines.topics() if t != "slips" for line in lines.lines_of(t)]:
            if line.relation == "!=":
                shown.setdefault(str(line.slip), []).append(line)
        rows = []
        for number, slip in slips.SLIPS.items():
            lines_ = ", ".join(f'<a href="{self.link(line.id)}">{line.name}</a> {self.rows[line.id].differs} of '
                               f"{self.rows[line.id].tested}" for line in shown.get(number, []))
            rows.append(f'<tr id="slip-{number}"><td>{number}</td><td>{slip.kind}</td><td>{slip.sources}</td>'
                        f"<td>{text.as_html(slip.says)}</td><td>{text.as_html(slip.right)}</td><td>{text.as_html(slip.when)}</td>"
                        f"<td>{lines_}</td></tr>")
        return ("<h2 class=part id=all>All of them</h2><p>False: a world refutes the formula, in the reading that is stated. "
                "Ill-typed: a letter of another space. Of notation: text only.</p><div class=scroll><table class=slips>"
                "<thead><tr><th>slip<th>kind<th>in<th>as printed<th>what holds<th>the two agree<th>shown, in so many worlds"
                f"</thead><tbody>{''.join(rows)}</tbody></table></div>")

    def symbols(self):
        """Every letter of every world: how it is written, what it is, and where it occurs."""
        table = {}
        for topic in self.pages:
            for d in lines.derivations_of(topic):
                for name, letter in d.world.letters.items():
                    if not letter.is_size:
                        says = code.of_lambda(letter.follow) if letter.follow else _drawn(letter.kind)
                        table.setdefault((letter.latex, name), {}).setdefault(says, {})[topic] = bool(letter.follow)
        rows = []
        for (latex, name), meanings in sorted(table.items(), key=lambda item: _alphabetical(item[0][0])):
            for i, (says, topics) in enumerate(meanings.items()):
                what  = f"<code>{html.escape(says)}</code>" if any(topics.values()) else html.escape(says)
                first = f"<td rowspan={len(meanings)}>{mathml.inline(latex)}</td><td rowspan={len(meanings)}><code>{name}" \
                        "</code></td>" if not i else ""
                links = ", ".join(f'<a href="{t}.html">{t}</a>' for t in topics)
                rows.append(f"<tr>{first}<td>{what}</td><td>{links}</td></tr>")
        return "Symbols", (f"<h1>Symbols</h1><p class=question>{len(table)} letters, as they are written, as they are called in the "
                           "code, and what they are: drawn, or made of others.</p><div class=scroll><table class=symbols><thead>"
                           f"<tr><th>symbol<th>in the code<th>what it is<th>where</thead><tbody>{''.join(rows)}</tbody></table></div>"), {}

    def index(self, where):
        every = [line for topic in self.pages for line in lines.lines_of(topic)]
        wrong = [row for row in (*self.rows.values(), *self.functions.values()) if row.wrong]
        tried = list(self.rows.values()) + list(self.functions.values())
        dead  = sum(row.count("killed") for row in tried)
        kinds = {kind: sum(how == kind for how in where.values()) for kind in ("covered", "law", "reason", "family")}
        def stops(part):
            items = []
            for topic, stop in part.items():
                page, count = self.pages[topic], len(lines.lines_of(topic))
                opener = pictures.of(topic)[0] if pictures.known(topic) else None
                image = f'<img src="pictures/{topic}-{opener.name}.svg" alt="" loading=lazy>' if opener else ""
                items.append(f'<li><a href="{topic}.html">{image}<div><b>{html.escape(page.title)}</b>'
                             f"<p>{html.escape(stop.brings)}</p><small>{count} lines</small></div></a></li>")
            return f"<ol class=road>{''.join(items)}</ol>"
        others = [topic for topic in self.pages if topic not in road.ROAD]
        rest   = f"<h2>Not on the road yet</h2><ul>{''.join(f'<li><a href={t}.html>{html.escape(self.pages[t].title)}</a></li>' for t in others)}</ul>" \
            if others else ""
        body = (f"<h1>Deep generative models that can be believed</h1><p class=question>How do you know that a formula is right? Here "
                "every one is a line of a derivation, every line has been evaluated in a hundred small worlds, and every line has "
                "been spoilt on purpose, to see that the check goes red.</p>"
                f"<ul class=figures><li><b>{len(every)}</b> lines, {'all of them hold' if not wrong else f'{len(wrong)} do not hold'}</li>"
                f"<li><b>{dead:,}</b> changes of lines and of the code that they run, noticed</li>"
                f"<li><b>{kinds['covered']}</b> of {len(where)} statements of five sources stand in lines, {kinds['law']} in tests, "
                f"{kinds['reason']} are left out for a reason; {kinds['family']} come with their models</li>"
                f"<li><b>{len(slips.SLIPS)}</b> <a href='slips.html#all'>slips</a> found in print</li></ul>"
                "<h2>How to read it</h2><p>On the left the mathematics, on the right the code that evaluates it, below both what the "
                "machine says of them. <span class=script>A button draws another world: every number on the page changes, every line "
                "still holds. Tap a sign in the code, and see the world that refutes the change.</span> You need calculus, and what a "
                "probability is.</p>"
                f"<h2>The road: one bound, four models</h2>{stops(road.SPINE)}"
                f"<h2>Beside it</h2>{stops(road.BESIDE)}{rest}"
                f"<h2>The map</h2><p>A dot is a line, a row a topic; a thread leads to a line that another rests on.</p>{self.map()}"
                "<p class=ids><a href=symbols.html>All symbols</a> · "
                f"<a href=functions.html>All {len(self.functions)} functions that lines run</a></p>")
        return "Deep generative models that can be believed", body, {}

    def all_functions(self):
        rows = "".join(f'<tr><td><a href="{address(name)}"><code>{html.escape(name)}</code></a></td><td>{run.killed([row])}</td>'
                       f"<td>{len(set(row.lines))}</td></tr>" for name, row in sorted(self.functions.items()))
        return "Functions", ("<h1>Functions that lines run</h1><p class=question>The code that the models train with, and how well the "
                             "mathematics holds it: every change of it was tried on every line that runs it.</p><div class=scroll><table>"
                             f"<thead><tr><th>function<th>changes noticed<th>lines</thead><tbody>{rows}</tbody></table></div>"), {}

    def map(self):
        """The lines as dots, green where they hold, a row for each topic; threads to what they rest on."""
        at, dots, threads, wide, rows = {}, [], [], 62, 0
        for topic, page in self.pages.items():
            every = [line for section in page.sections for _, line in section.lines]
            dots.append(f'<text x="0" y="{rows * 11 + 8}">{topic}</text>')
            for i, line in enumerate(every):
                at[line.id] = (108 + i % wide * 9, rows * 11 + i // wide * 11 + 5)
            rows += -(-len(every) // wide) + 0.6
        for id, (x, y) in at.items():
            line = lines.line_of(id)
            kind = "wrong" if self.rows[id].wrong else "slip" if line.relation == "!=" else "right"
            dots.append(f'<a href="{self.link(id)}"><circle class={kind} cx="{x}" cy="{y:.1f}" r="3"><title>{id}</title></circle></a>')
            if line.rests_on:
                u, v = at[line.rests_on.id]
                threads.append(f'<path d="M{x} {y:.1f} Q{(x + u) / 2:.0f} {(y + v) / 2 - 12:.1f} {u} {v:.1f}"/>')
        return f'<svg class=map viewBox="0 0 {108 + wide * 9} {rows * 11:.0f}" role=img aria-label="All lines, a row for each topic">' \
               f'{"".join(threads + dots)}</svg>'


# ---- names and places ------------------------------------------------------------------------------------------------
HERE    = Path(__file__).parent
LEARNED = "What {} draws after learning {}"


def _key(derivation):
    return re.sub(r"\W+", "-", derivation.name.lower())


def noticed(row):
    """12 of 12 changes noticed, and what became of the others."""
    first, _, rest = run.killed([row]).partition(", ")
    return f"{first} changes noticed" + (f" ({rest})" if rest else "")


def _drawn(kind):
    size = " × ".join(map(str, kind.dims))
    return f"{kind.says}{f', {size}' if size else ''}"


def _alphabetical(latex):
    letters = re.sub(r"\\(?:mathrm|mathbf|bar|hat|tilde|text|operatorname|left|right|mathcal)|[^A-Za-z0-9]", "", plain(latex))
    return letters.lower(), letters


def short(name):
    """gmm.log_joint of scratch.mixtures.gmm.log_joint."""
    name, _, row = name.partition(" ")
    return ".".join(name.split(".")[-2:]) if not row else f"{name.split('.')[-2]}: {row}"


def address(name):
    """The page of a function, from the folder of the book."""
    return f"code/{re.sub(r'[^A-Za-z0-9]+', '-', name.removeprefix('scratch.')).strip('-')}.html"


def found(name):
    """(path, syntax tree) of a function of `scratch`, or of a row of a table."""
    path, _, row = name.partition(" ")
    parts = path.split(".")
    while True:
        parts.pop()
        try:
            module = importlib.import_module(".".join(parts))
            break
        except ModuleNotFoundError:
            continue
    with open(module.__file__, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    if row:
        return module.__file__, next(f for f in ast.walk(tree) if isinstance(f, ast.Lambda) and ast.unparse(f) == row)
    for part in path.split(".")[len(parts):]:
        tree = next(node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == part)
    return module.__file__, tree


def named(line):
    """All names in a line's code."""
    return {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(tree_of(line.f.__code__))}
