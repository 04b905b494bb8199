"""Code as HTML: every letter of a world marked with its name, every sign that was changed ready to be tapped."""
import ast
import bisect
import functools
import html
import keyword
import textwrap
import tokenize

from derivations.engine.source import tree_of


def of_line(line, kills=()):
    """What a line returns; where it takes several statements, all of them."""
    body = tree_of(line.f.__code__).body
    path = line.f.__code__.co_filename
    if isinstance(body[0], ast.Return):
        first = last = body[0].value
    else:
        first, last = body[0], body[-1]
    return _html(path, (first.lineno, first.col_offset), (last.end_lineno, last.end_col_offset), kills, line.letters)


def of_node(path, node, kills=()):
    """The text of a function, or of a row of a table."""
    return _html(path, (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset), kills)


def of_lambda(f):
    """What a small function returns, as one line of text."""
    node = tree_of(f.__code__)
    return ast.unparse(node.body if isinstance(node, ast.Lambda) else node.body[-1].value)


@functools.cache
def _tokens(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    skipped = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens  = [t for t in tokenize.generate_tokens(iter(text.splitlines(True)).__next__) if t.type not in skipped]
    return text.split("\n"), tokens, [t.start for t in tokens]


def _html(path, start, end, kills, letters=()):
    """The text between two places of a file. The sign that kill i is about has i among its `data-kills`."""
    rows, tokens, starts = _tokens(path)
    taps = {}
    for i, kill in enumerate(kills):
        at = bisect.bisect_left(starts, tuple(kill.at))
        while tokens[at].string in "()":
            at += 1
        taps.setdefault(tokens[at].start, []).append(i)
    out, (row, column) = [" " * start[1]], start
    for at in range(bisect.bisect_left(starts, start), bisect.bisect_left(starts, end)):
        token = tokens[at]
        named = letters if tokens[at - 1].string != "." and rows[row - 1][token.end[1]:][:1] != "=" else ()
        while row < token.start[0]:
            out.append(rows[row - 1][column:] + "\n")
            row, column = row + 1, 0
        out += [html.escape(rows[row - 1][column:token.start[1]]), _span(token, taps.get(token.start), named)]
        row, column = token.end
    return textwrap.dedent("".join(out)).strip()


def _span(token, taps, letters):
    text, attributes = html.escape(token.string, quote=False), ""
    if token.type == tokenize.NAME and token.string in letters:
        attributes += f' data-letter="{token.string}"'
    kind = "word" if keyword.iskeyword(token.string) else "note" if token.type == tokenize.COMMENT else \
        "text" if token.type == tokenize.STRING else ""
    if taps:
        attributes += f' data-kills="{" ".join(map(str, taps))}"'
        kind = f"{kind} sign".strip()
    return f'<span{f" class={kind!r}" if kind else ""}{attributes}>{text}</span>' if kind or attributes else text
