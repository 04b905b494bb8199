"""Formulas as MathML: latex2mathml reads the LaTeX, and what it leaves to be wished for is mended here.

    letters      every letter of a world is marked with its name in the code, so that it can be lit wherever it stands
    spaces       log p, not logp: a thin space on either side of a function where no bracket is
    lines        a long sum may be broken before a plus or a minus that stands in no bracket
    LaTeX        stands beside it as text: for a screen reader, and for whoever copies it
"""
import copy
import functools
import html
import re
import unicodedata
from xml.etree import ElementTree

from latex2mathml.converter import convert_to_element

from derivations.engine.latex import TOKEN, width

FUNCTIONS = set("log exp det max min sin cos tanh sup inf lim".split())
OPENING, CLOSING, BREAKS = set("([{⌊"), set(")]}⌋"), set("+−=")
THIN      = "0.167em"
ITALIC    = {"h": "ℎ"} | {chr(int(unicodedata.decomposition(c)[7:], 16)): c for c in map(chr, range(0x1D434, 0x1D71C))
                          if unicodedata.name(c, "").startswith("MATHEMATICAL ITALIC")}     # so is a letter alone drawn
WORDS     = {r"\text", r"\operatorname", r"\mathrm", r"\mathcal", r"\mathbb"}       # in what follows them is no letter,
MARKS     = {r"\bar", r"\tilde", r"\hat"}                                          # and with these it is another one


def formula(latex, letters=(), let=None):
    """A displayed formula, of pieces between which a line may end. `letters`: name -> LaTeX; `let`: its own name."""
    first = [*_row(_tree(let, letters, True)), ElementTree.fromstring("<mo form='infix'>=</mo>")] if let else []
    pieces = [[]]
    for node in [*first, *_row(_tree(latex, letters, True))]:
        if node.tag == "mo" and node.text in BREAKS and pieces[-1] and _closed(pieces[-1]):
            pieces.append([])
            node.set("form", "infix")
        if node.tag == "mtext" or pieces[-1] and pieces[-1][-1].tag == "mtext":
            pieces.append([])
        pieces[-1].append(node)
    whole = f"{let} = {latex}" if let else latex
    made  = " ".join(_piece(piece) for piece in pieces if piece)
    return f'<span class="formula" role="math" aria-label="{html.escape(whole)}">{made}</span>'


def _piece(nodes):
    """What stays together on a line; words are words, that may be broken."""
    if nodes[0].tag == "mtext":
        return html.escape(nodes[0].text.replace("\xa0", " ").strip())
    return f"<span>{_math(nodes, display=True)}</span>"


def inline(latex, letters=()):
    """A formula within a sentence."""
    return _math([_row(_tree(latex, letters, False))], latex=latex)


def _math(nodes, display=False, latex=""):
    math = ElementTree.Element("math", {"displaystyle": "true"} if display else {"alttext": latex})
    math.extend([node for part in nodes for node in (part if part.tag == "mrow" and not part.attrib else [part])])
    return ElementTree.tostring(math, encoding="unicode")


def _row(tree):
    """What stands in the outermost row."""
    while len(tree) == 1 and tree.tag in ("math", "mrow") and tree[0].tag == "mrow" and not tree[0].attrib:
        tree = tree[0]
    row = ElementTree.Element("mrow")
    row.extend(list(tree))
    return row


def _closed(nodes):
    """Is every bracket closed, and is there something to add to or to take away from?"""
    texts = [node.text for node in nodes if node.tag == "mo"]
    return nodes[-1].text not in BREAKS | OPENING | {","} and \
        sum(text in OPENING for text in texts) == sum(text in CLOSING for text in texts)


# ---- letters ---------------------------------------------------------------------------------------------------------
def marked(latex, letters):
    """The LaTeX with every letter in a group of its own, coloured with its name: q(z | x) where the world has it so,
    and also q where no other letter begins like it."""
    heads = [text.partition("(")[0].strip() if "{(" not in text else "" for text in letters.values()]
    known = [(name, _tokens(text)) for name, text in letters.items()]
    known += [(name, _tokens(head)) for name, head in zip(letters, heads) if head and heads.count(head) == 1]
    known.sort(key=lambda pair: -len(pair[1]))
    tokens, spots, out, at, i = _tokens(latex), _spots(latex), [], 0, 0
    while i < len(tokens):
        if tokens[i] in WORDS:
            i += 1 + width(tokens, i + 1)
            continue
        name, n = next(((name, len(letter)) for name, letter in known if letter and tokens[i:i + len(letter)] == letter
                        and not (i and tokens[i - 1] in MARKS)), (None, 1))
        if name:
            start, end = spots[i][1], spots[i + n - 1][2]
            out += [latex[at:start], f"{{\\color{{{name}}} {latex[start:end]}}}"]
            at = end
        i += n
    return "".join([*out, latex[at:]])


def _tokens(latex):
    return [token for token, _, _ in _spots(latex)]


@functools.cache
def _spots(latex):
    """(token, start, end) of a formula, without the spaces that are only looks."""
    found = [(m.group(), m.start(), m.end()) for m in TOKEN.finditer(latex)]
    return [spot for spot in found if spot[0] not in (r"\,", r"\;", r"\!", r"\:", r"\ ")]


# ---- mending ---------------------------------------------------------------------------------------------------------
def _tree(latex, letters, display):
    return _mended(copy.deepcopy(_converted(marked(latex, dict(letters)), display)))


@functools.cache
def _converted(latex, display):
    upright = re.sub(r"\\mathrm\{(\w)\}", r"\\operatorname{\1}", latex)             # one letter would come out slanted
    return convert_to_element(upright, xmlns="", display="block" if display else "inline")


def _mended(node):
    node.text = node.text and html.unescape(node.text)
    for attribute in ("xmlns", "display", "href"):
        node.attrib.pop(attribute, None)
    if "mathcolor" in node.attrib:
        node.tag, node.attrib = "mrow", {"data-letter": node.get("mathcolor")}
    node[:] = [_bare(_mended(child)) for child in node]
    if node.tag == "mrow" and len(node) > 1 and all(c.tag == "mi" and c.get("mathvariant") for c in node):
        node.tag, node.text, node[:] = "mi", "".join(c.text for c in node), []          # KL is a word, not K L
    if node.tag == "mover" and node[1].tag == "mo":
        node.set("accent", "true")
        node[1].set("stretchy", "false")
    if node.tag == "mo" and (node.text or "").isalnum():
        node.tag, node.attrib = "mi", {"mathvariant": "normal"} if len(node.text) == 1 else {}
    if node.tag == "mi" and node.text in (";", "~"):
        node.tag, node.text = "mo", node.text.replace("~", "∼")
    if node.tag in ("msup", "msub") and (inner := _letter(node[0])) is not None and \
            inner[0].tag == {"msup": "msub", "msub": "msup"}[node.tag] and len(inner) == 1:
        base, script = inner[0]                                                         # one above the other
        parts = (base, script, node[1]) if node.tag == "msup" else (base, node[1], script)
        node.tag, node.attrib, node[:] = "mrow", dict(inner.attrib), []
        ElementTree.SubElement(node, "msubsup").extend(parts)
    if node.tag in ("mrow", "math", "mstyle", "mtd"):
        node[:] = list(_spaced(list(node)))
    return node


def _bare(node):
    """The node itself, where it stands alone in rows that say nothing."""
    while node.tag == "mrow" and len(node) == 1 and not node.attrib:
        node = node[0]
    return node


def _letter(node):
    """The row of a letter that is one sign with an index."""
    return node if "data-letter" in node.attrib and len(node) == 1 else None


def _spaced(children):
    """The children of a row, with a thin space before a word, and behind a function where no bracket or space is."""
    for i, child in enumerate(children):
        before, after = children[i - 1] if i else None, children[i + 1] if i + 1 < len(children) else None
        if before is not None and (_function(child) or _word(child)) and not _function(before) and \
                (before.tag not in ("mo", "mspace") or (before.text or "") in CLOSING):
            yield ElementTree.Element("mspace", width=THIN)
        yield child
        if _function(child) and after is not None and not _opens(after) and after.tag != "mspace":
            yield ElementTree.Element("mspace", width=THIN)


def _opens(node):
    while node.tag == "mrow" and len(node):
        node = node[0]
    return node.tag == "mo" and (node.text or "")[:1] in OPENING | CLOSING | set("|‖∥∣,")


def _word(node):
    return node.tag == "mi" and len(node.text or "") > 1 and node.text.isascii()


def _function(node):
    while node.tag in ("msub", "msup", "msubsup", "munder", "mover", "munderover") and len(node):
        node = node[0]
    return node.tag == "mi" and node.text in FUNCTIONS


def characters(page):
    """All characters that stand in formulas, and those that are drawn for them: what the font has to have."""
    formulas = "".join(re.findall(r"<math.*?</math>", page, re.S))
    standing = set("√").union(*map(html.unescape, re.findall(r">([^<>]+)<", formulas)))
    return standing | {ITALIC[c] for c in standing & ITALIC.keys()}
