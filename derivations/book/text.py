"""What a topic's file says besides its lines: the question in its docstring, its headings, and the prose between lines.

    # ---- what it costs ----------          a heading; a derivation that starts without one has its own name
    \"\"\"Jensen gave us a bound\"\"\"           prose before a line: $q$ a formula, *bound* a term, [elbo.bound] a line
"""
import ast
import dataclasses
import html
import importlib
import inspect
import re

from derivations.book import mathml
from derivations.engine import line as lines

WORDS = 60                  # most words between two lines
LINES = 12                  # most lines under a heading

HEADING = re.compile(r"# -{3,} (.+?) -{3,}\s*$")
MARKUP  = re.compile(r"\[(?P<words>[^]]+)\]\((?P<to>[\w.]+)\)|\[(?P<line>[a-z]+\.\w+)\]|"
                     r"\$(?P<math>[^$]+)\$(?P<end>[.,;:!?)]*)|`(?P<code>[^`]+)`|\*(?P<term>[^*]+)\*")


@dataclasses.dataclass
class Section:
    """Lines of one derivation under one heading, each with the prose before it."""
    title:      str
    derivation: lines.Derivation
    lines:      list = dataclasses.field(default_factory=list)         # of (prose, Line)

    @property
    def anchor(self):
        return "s-" + re.sub(r"\W+", "-", self.title.lower()).strip("-")


@dataclasses.dataclass
class Page:
    """A topic, as its file tells it."""
    topic:    str
    title:    str
    sources:  str
    worlds:   str
    question: str
    sections: list


def page_of(topic):
    """The page of a topic."""
    known  = {line.name: line for line in lines.lines_of(topic)}
    module = importlib.import_module(f"derivations.{topic}")
    source = inspect.getsource(module)
    head, _, question = module.__doc__.partition("\n")
    title, *about = re.split(r"\s{2,}", head)
    worlds = about.pop() if about and re.match("worlds?:", about[-1]) else ""
    headings = {i: found[1] for i, text in enumerate(source.split("\n"), 1) if (found := HEADING.match(text))}
    sections, prose, after = [], "", 0
    for node in ast.parse(source).body[1:]:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            prose = inspect.cleandoc(node.value.value)
        elif isinstance(node, ast.FunctionDef) and node.name in known:
            line  = known[node.name]
            fresh = [text for i, text in headings.items() if after < i < node.lineno]
            if fresh or not sections or sections[-1].derivation is not line.derivation:
                title_ = fresh[-1] if fresh else line.derivation.name
                sections.append(Section(title_[0].upper() + title_[1:], line.derivation))
            sections[-1].lines.append((prose, line))
            prose, after = "", node.lineno
    return Page(topic, title.rstrip("."), " ".join(about), worlds, " ".join(question.split()), sections)


def words(prose):
    """How many words a reader meets; a formula is one."""
    return len(MARKUP.sub(lambda m: re.sub(r"\$[^$]+\$", "word", m["words"] or "word"), prose).split())


def as_html(prose, letters=(), link=lambda name: f"{name}.html"):
    """Prose as paragraphs. `link`: the address of a page, or of a line."""
    def marked(m):
        if m["math"]:
            made = mathml.inline(m["math"], letters)
            return f"<span class=whole>{made}{m['end']}</span>" if m["end"] else made
        if m["code"]:
            return f"<code>{html.escape(m['code'])}</code>"
        if m["term"]:
            return f"<dfn>{html.escape(m['term'])}</dfn>"
        name = m["to"] or m["line"]
        return f'<a href="{link(name)}">{sentence(m["words"] or name)}</a>'

    def sentence(text):
        out, at = [], 0
        for m in MARKUP.finditer(text):
            out += [plain(text[at:m.start()]), marked(m)]
            at = m.end()
        return "".join([*out, plain(text[at:])])

    def plain(text):
        return html.escape(re.sub(r"(?<![\w.])-(?=\d)", "−", text), quote=False)
    return "".join(f"<p>{sentence(' '.join(part.split()))}</p>" for part in re.split(r"\n\s*\n", prose) if part.strip())


def targets(prose):
    """The pages and lines that prose links to."""
    return [m["to"] or m["line"] for m in MARKUP.finditer(prose) if m["to"] or m["line"]]
