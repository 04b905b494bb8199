"""The table of the models in the README: what each is, what it knows of log p(x), and how long its code is."""
import ast
import inspect
import sys
import tokenize

from scratch.models import MODELS

SPACE = (tokenize.ENCODING, tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def table():
    """The models as a table in Markdown."""
    rows = ["| model | | paper | family | log p(x) | derivations | lines |", "|---|---|---|---|---|---|---|"]
    for name, entry in MODELS.items():
        cells = (f"`{name}`", entry.title, entry.paper, entry.family, entry.model(**entry.defaults).likelihood,
                 ", ".join(entry.derivations.split()), sum(map(lines_of_code, code(entry))))
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


def code(entry):
    """The files of its family that a model is made of: its own, and those that they import."""
    modules = [entry.model.__module__]
    for module in modules:
        modules += sorted(_imported(module, f"scratch.{entry.family}.") - set(modules))
    return [inspect.getsourcefile(sys.modules[module]) for module in modules]


def _imported(module, package):
    """The modules of a package that a module imports."""
    nodes = ast.walk(ast.parse(inspect.getsource(sys.modules[module])))
    names = {f"{n.module}.{alias.name}" for n in nodes if isinstance(n, ast.ImportFrom) for alias in n.names}
    return {name if name in sys.modules else name.rpartition(".")[0] for name in names if name.startswith(package)}


def lines_of_code(file):
    """How many lines of a file are neither blank nor comments nor docstrings."""
    lines, begins = set(), True                                     # begins: does the next token begin a statement?
    with open(file, "rb") as opened:
        for token in tokenize.tokenize(opened.readline):
            if token.type in SPACE:
                begins = begins or token.type == tokenize.NEWLINE
            elif token.type != tokenize.COMMENT:
                if not (begins and token.type == tokenize.STRING):
                    lines |= set(range(token.start[0], token.end[0] + 1))
                begins = False
    return len(lines)
