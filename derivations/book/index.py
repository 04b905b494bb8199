"""The pages that lead to others: the road with its figures and map, all symbols, all functions, and each of them."""
import re
import string
from html import escape

from derivations.book import code, mathml, pages, pictures
from derivations.book.pages import address, noticed, short, what
from derivations.book.road import BESIDE, ROAD, SPINE
from derivations.engine import line as lines
from derivations.engine.latex import plain
from derivations.slips import SLIPS

TITLE = "Deep generative models that can be believed"
DOTS  = 62                  # on a row of the map


def index(book, where, wrong):
    """The road. `where`: statement of the sources -> how it is covered; `wrong`: sentences, all that is."""
    claim = [row for id, row in book.rows.items() if lines.line_of(id).relation not in (None, "!=")]
    slip  = [row for row in book.rows.values() if row.slip]
    dead  = sum(row.count("killed") for row in (*book.rows.values(), *book.functions.values()))
    kinds = {kind: sum(how == kind for how in where.values()) for kind in ("covered", "law", "family", "reason")}
    kept  = {"law": "stand in tests", "reason": "are left out", "family": "wait for models that are still to come"}
    also  = ", ".join(f"{kinds[kind]} {words}" for kind, words in kept.items() if kinds[kind])
    new   = dict.fromkeys(topic for topic in book.pages if topic not in ROAD)
    front = string.Template((pages.HERE / "front.html").read_text(encoding="utf-8"))
    return TITLE, front.substitute(
        title=TITLE, lines=len(book.rows), claims=len(claim), heads=len(book.rows) - len(claim) - len(slip),
        printed=len(slip), fails=sum(bool(row.wrong) for row in claim) or "none",
        wrong=f"<h2>What is wrong</h2><pre>{escape(chr(10).join(wrong))}</pre>" if wrong else "",
        dead=f"{dead:,}", covered=kinds["covered"], statements=len(where), also=also, slips=len(SLIPS),
        spine=stops(book, SPINE), beside=stops(book, BESIDE), map=atlas(book), functions=len(book.functions),
        new=f"<h2>Not on the road yet</h2>{stops(book, new)}" if new else ""), {}


def stops(book, part):
    """Pages as cards, in their order."""
    cards = []
    for topic, stop in part.items():
        image = f'<img src="pictures/{topic}-{pictures.of(topic)[0].name}.svg" alt="" loading=lazy>' \
            if pictures.of(topic) else "<span></span>"
        cards.append(f'<li><a href="{topic}.html">{image}<div><b>{escape(book.pages[topic].title)}</b>'
                     f"<p>{escape(stop.brings) if stop else ''}</p><small>{len(book.lines(topic))} lines</small></div>"
                     "</a></li>")
    return f'<ol class="road{" numbered" if part is SPINE else ""}">{"".join(cards)}</ol>'


def atlas(book):
    """All lines as dots, a row for each topic; threads to what they rest on."""
    at, marks, threads, rows = {}, [], [], 0
    for topic in book.pages:
        marks.append(f'<text x="0" y="{rows * 11 + 8:.1f}">{topic}</text>')
        for i, each in enumerate(book.lines(topic)):
            at[each] = 108 + i % DOTS * 9, (rows + i // DOTS) * 11 + 5
        rows += -(-len(book.lines(topic)) // DOTS) + 0.6
    for each, (x, y) in at.items():
        kind = "wrong" if book.rows[each.id].wrong else "slip" if each.relation == "!=" else "right"
        marks.append(f'<a href="{book.link(each.id)}" aria-label="{each.id}"><circle class={kind} cx="{x}" '
                     f'cy="{y:.1f}" r="3"><title>{each.id}</title></circle></a>')
        if each.rests_on:
            u, v = at[each.rests_on]
            threads.append(f'<path d="M{x} {y:.1f} Q{(x + u) / 2:.0f} {(y + v) / 2 - 12:.1f} {u} {v:.1f}"/>')
    return (f'<div class=scroll><svg class=map viewBox="0 0 {108 + DOTS * 9} {rows * 11:.0f}" role=group '
            f'aria-label="All lines">{"".join(threads + marks)}</svg></div>')


def symbols(book):
    """Every letter of every world: how it is written, its name in the code, what it is, and where it occurs."""
    table = {}
    for topic in book.pages:
        for d in lines.derivations_of(topic):
            for name, letter in d.world.letters.items():
                if not letter.is_size:
                    table.setdefault((letter.latex, name), {}).setdefault(what(letter), {})[topic] = None
    rows = [f"<tr><td>{mathml.inline(latex)}<td><code>{name}</code><td>{about}<td>"
            + ", ".join(f'<a href="{topic}.html">{topic}</a>' for topic in topics)
            for (latex, name), meanings in sorted(table.items(), key=lambda item: alphabetical(*item[0]))
            for about, topics in meanings.items()]
    body = (f"<h1>Symbols</h1><p class=question>{len(table)} letters: as they are written, as the code calls them, and "
            "what they are, drawn or made of others.</p><div class=scroll><table><thead><tr><th>symbol<th>in the code"
            f"<th>what it is<th>where</thead><tbody>{''.join(rows)}</tbody></table></div>")
    return "Symbols", body, {}


def alphabetical(latex, name):
    """Where a symbol stands in the list: by its letters, marks aside."""
    letters = re.sub(r"[^A-Za-z0-9]", "", re.sub(r"_(?:bar|hat|tilde)\b", "", plain(latex)))
    return letters.lower(), letters, name


def all_functions(book):
    """The functions of `scratch` that lines run, and how well the lines hold them."""
    rows = [f'<li><a href="{address(name)}"><code>{escape(name)}</code></a><br><small>{noticed(row)}, '
            f"{len(set(row.lines))} lines run it</small>" for name, row in sorted(book.functions.items())]
    body = ("<h1>Functions</h1><p class=question>The code that the models train with. It was changed in every way that "
            "a slip could, and the lines that run it were tried until one noticed.</p>"
            f"<ul class=functions>{''.join(rows)}</ul>")
    return "Functions", body, {}


def function(book, name):
    """A function of `scratch`: its text, and the lines that pin it."""
    row, (path, node) = book.functions[name], pages.found(name)
    pinned = "".join(f'<li><a href="../{book.link(id)}">{id}</a></li>' for id in dict.fromkeys(row.lines))
    body = (f"<h1>{escape(short(name))}</h1><p class=sources>{escape(name.partition(' ')[0])}</p><p>{noticed(row)}. "
            "<span class=script>Tap a sign to see how.</span></p>"
            '<article class="line alone" id=text><div class=code><pre><code>'
            f"{code.of_node(path, node, row.kills)}</code></pre></div></article><h2>Lines that run it</h2>"
            f"<ul>{pinned}</ul>")
    return short(name), body, dict(kills=pages.refuted({"text": row.kills}), worlds={})
