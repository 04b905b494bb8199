"""The LaTeX of a line, compared with its code: the same letters and functions in the same order; the same signs and
numbers.

It does not see nesting (which term a factor belongs to, or where a sign stands), sum limits, indices, transposes or
axes. Lines of several statements, with words in them, or that call `scratch` with more than letters, are exempt: a
person has to read those.
"""
import ast
import collections
import functools
import inspect
import re

from derivations.engine.source import tree_of

SIGNS = {r"\mathbb{E}": "E", r"\mathrm{KL}": "KL", r"\mathrm{JS}": "JS", r"\mathrm{H}": "H", r"\Vert": "||",
         r"\mid": "|",
         r"\cdot": "*", r"\leq": "<=", r"\le": "<=", r"\geq": ">=", r"\ge": ">=", r"\infty": "inf", r"\quad": "  ",
         r"\qquad": "  ", r"\ldots": "...", r"\dots": "...", r"^{\top}": "'", r"^\top": "'", r"\lvert": "|",
         r"\rvert": "|", r"\lVert": "||", r"\rVert": "||", r"\odot": "*", r"\sim": "~", r"\nabla": "grad",
         r"\partial": "d", r"\circ": "o",
         r"\tfrac": r"\frac", r"\dfrac": r"\frac"}


@functools.cache
def plain(latex):
    """The formula as a reader of a terminal wants it."""
    latex = re.sub(r"\\(?:(?:left|right|bigl?|bigr|Big)(?![a-zA-Z])|[,;!:])", "", latex)
    for sign, text in SIGNS.items():
        latex = re.sub(re.escape(sign) + ("(?![a-zA-Z])" if sign[-1].isalpha() else ""), lambda _: text, latex)
    latex = re.sub(r"\\(?:text|mathrm|operatorname|mathcal|mathbf|boldsymbol)\{([^{}]*)\}", r"\1", latex)
    latex = re.sub(r"\\(bar|tilde|hat)\s*(?:\{([^{}]*)\}|(\\?[a-zA-Z]+))", r"\2\3_\1", latex)
    before = None
    while before != latex:
        before = latex
        latex = re.sub(r"\\sqrt\{([^{}]*)\}", r"sqrt(\1)", latex)
        latex = re.sub(r"([_^])\{(\\?\w+)\}", r"\1\2", latex)
        latex = re.sub(r"([_^])\{([^{}]*)\}", r"\1(\2)", latex)
        latex = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", lambda m: f" {_group(m[1])}/{_group(m[2])} ", latex)
    latex = re.sub(r"\\([a-zA-Z]+)", r"\1 ", latex.replace(r"\ ", " "))
    return re.sub(r" +(?=[ _^)\],])|(?<=[(\[]) +", "", latex).replace("{", "").replace("}", "").strip()


def _group(text):
    simple = re.fullmatch(r"\\?\w+(?:[_^]\\?\w+)*(?:\([^()]*\))?", text.strip())
    return text.strip() if simple else f"({text.strip()})"


# ---- what the LaTeX says ---------------------------------------------------------------------------------------------
TOKEN   = re.compile(r"\\[a-zA-Z]+|\\.|\d+(?:\.\d+)?|[a-zA-Z]|[^\s]")
PHRASES = {r"\mathbb{E}": ["E"], r"D_{\mathrm{KL}}": ["KL"], r"\mathrm{KL}": ["KL"], r"\operatorname{KL}": ["KL"],
           r"\mathrm{JS}": ["JS"], r"\operatorname{JS}": ["JS"], r"\mathrm{H}": ["H"], r"\operatorname{tr}": ["trace"],
           r"\mathrm{tr}": ["trace"], r"\log": ["log"], r"\exp": ["exp"], "e^": ["exp"], r"\sqrt": ["sqrt"],
           r"\frac": ["/"], "/": ["/"], "+": ["+"], "-": ["-"], r"\pm": ["+-"], r"\det": ["det"], r"\sum": ["sum"],
           r"\int": ["sum"], r"\prod": ["prod"], r"\max": ["max"], r"\min": ["min"], r"\cos": ["cos"],
           r"\sin": ["sin"], r"\tanh": ["tanh"], r"\sigma": ["sigmoid"], r"\pi": ["pi"], r"^{-1}": ["inv"],
           r"^{\top}": [], r"^\top": [], r"^T": [], "^": ["**"], r"\operatorname{diag}": [], r"\mathbf{1}": [], "I": [],
           r"\partial": [], r"\nabla": []}
SILENT  = {"\\ ", *r"""
    ( ) [ ] { } | , . ; : ' = * ! \{ \} \left \right \big \Big \bigl \bigr \, \; \! \: \quad \qquad \mid \Vert \lvert
    \rvert \lVert \rVert \cdot \times \odot \sim \limits \mathrm \mathcal \mathbf \cdots \dots \ldots
""".split()}
PREFIX  = set("E KL JS H log exp sqrt trace det sum prod max min cos sin tanh sigmoid".split())     # in order
LIMITED = (r"\sum", r"\prod", r"\int", r"\max", r"\min", r"\sup", r"\inf")


def _tokens(latex):
    latex = re.sub(r"\\(?:(?:left|right)(?![a-zA-Z])|[,;!:])", "", latex)
    latex = re.sub(r"\\(tfrac|dfrac)", r"\\frac", latex)
    return TOKEN.findall(re.sub(r"([_^])\s*\{\s*(\\?[a-zA-Z0-9]+)\s*\}", r"\1\2", latex))


def of_latex(latex, letters):
    """(letters and functions in order, all other signs) of a formula; `letters`: name -> LaTeX, where q may stand for
    q(z | x) if no other letter begins so."""
    heads  = collections.Counter(text.partition("(")[0] for text in letters.values())
    short  = {text.partition("(")[0]: name for name, text in letters.items()}
    known  = [(_tokens(text), name) for name, text in letters.items()]
    known += [(_tokens(text), name) for text, name in short.items() if text.strip() and heads[text] == 1]
    known  = sorted(known, key=lambda pair: -len(pair[0]))
    known += sorted(((_tokens(text), signs) for text, signs in PHRASES.items()), key=lambda pair: -len(pair[0]))
    known += [(_tokens(rf"\operatorname{{{name}}}"), name) for name in operators(latex)]
    return _read(_tokens(latex), known, False)


def _read(tokens, known, index):
    """The letters and signs of a list of tokens; of an index only the letters."""
    names, signs, i = [], [], 0
    while i < len(tokens):
        length, found = next(((len(t), found) for t, found in known if tokens[i:i + len(t)] == t), (1, None))
        if isinstance(found, str):
            names.append(found)
        elif tokens[i] == "_":
            length = 1 + width(tokens, i + 1)
            inner, _ = _read(tokens[i + 1:i + length], known, True)
            names += inner
        elif found is not None:
            names += [sign for sign in found if sign in PREFIX and not index]
            signs += [sign for sign in found if sign not in PREFIX and not index]
            if tokens[i] in LIMITED:
                while i + length < len(tokens) and tokens[i + length] in "_^":
                    length += 1 + width(tokens, i + length + 1)
        elif not index and tokens[i][0].isdigit():
            signs.append(float(tokens[i]))
        elif not index and tokens[i] not in SILENT and not (tokens[i] == "d" and r"\int" in tokens):
            signs.append(tokens[i])
        if tokens[i] == "d" and r"\int" in tokens and found is None:
            length = 2
        i += length
    return names, signs


def width(tokens, i):
    """How many tokens the group has that begins at i: one, or braces and what is between them."""
    if i >= len(tokens) or tokens[i] != "{":
        return 1
    depth, j = 0, i
    while True:
        depth += {"{": 1, "}": -1}.get(tokens[j], 0)
        j += 1
        if not depth:
            return j - i


# ---- what the code says ----------------------------------------------------------------------------------------------
OPERATORS = {ast.Add: ["+"], ast.Sub: ["-"], ast.Div: ["/"], ast.Pow: ["**"], ast.USub: ["-"], ast.Gt: [">"]}
CALLED    = {"ratio": ["/"], "logdet": ["log", "det"], "einsum": ["sum"], "maximum": ["max"], "minimum": ["min"],
             "logsumexp": ["log", "sum", "exp"]}
SHAPING   = set("""
    broadcast_to ones zeros eye reshape stack concatenate repeat swapaxes T diagonal where array asarray flip arange abs
    real D tuple
""".split())                # these leave no sign in a formula
FIRST     = set("""
    sum mean prod cumsum cumprod max min trace reshape broadcast_to repeat swapaxes T diagonal flip
""".split())                # of these the first argument alone stands in it


def of_code(line):
    """(letters and functions in order, all other signs) of a line's expression."""
    names, signs = [], []

    def add(words):
        names.extend(word for word in words if word in PREFIX)
        signs.extend(word for word in words if word not in PREFIX)

    def visit(node):
        if isinstance(node, ast.Name):
            if node.id in line.letters:
                names.append(node.id)
            elif node.id == "pi":
                signs.append("pi")
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
                signs.append(float(node.value))
        elif isinstance(node, (ast.BinOp, ast.UnaryOp)):
            signs.extend(OPERATORS.get(type(node.op), []))
            for child in (node.left, node.right) if isinstance(node, ast.BinOp) else (node.operand,):
                visit(child)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name.replace("_", "") in operators(line.latex):
                names.append(name.replace("_", ""))
            else:
                add(CALLED.get(name, [] if name in SHAPING else [name]))
            if isinstance(node.func, ast.Attribute):
                visit(node.func.value)
            args = node.args[:1] if name in FIRST else node.args[:2] if name in ("E", "KL") else node.args
            args = args[::-1] if name == "D" else args                  # written as the derivative by x of f
            for child in args:
                visit(child)
        elif isinstance(node, ast.Subscript):
            visit(node.value)
            if any(isinstance(part, ast.Call) for part in ast.walk(node.slice)):
                visit(node.slice)
        elif isinstance(node, ast.cmpop):
            signs.extend(OPERATORS.get(type(node), []))
        elif not isinstance(node, (ast.operator, ast.expr_context)):
            for child in ast.iter_child_nodes(node):
                visit(child)

    visit(_expression(line))
    return names, signs


def _expression(line):
    """What the line returns, where that is all that it does."""
    body = tree_of(line.f.__code__).body
    if isinstance(body, list):
        body = [b for b in body if not (isinstance(b, ast.Expr) and isinstance(b.value, ast.Constant))]
        return body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None
    return body


def operators(latex):
    """The names of functions in a formula, but for those that are words of ours."""
    return re.findall(r"\\operatorname\{(?!tr\}|KL\}|JS\}|diag\})([^}]*)\}", latex)


def exempt(line):
    """Is the formula one that only a person can read?"""
    expression = _expression(line)
    if expression is None or r"\text{" in line.latex:
        return True
    calls = [node for node in ast.walk(expression) if isinstance(node, ast.Call) and _ours(line, node.func)]
    names = [getattr(call.func, "attr", getattr(call.func, "id", "")).replace("_", "") for call in calls]
    ours  = sum(_ours(line, node) for node in ast.walk(expression) if isinstance(node, ast.Name))
    return not (sorted(names) == sorted(operators(line.latex)) and ours == len(calls)
                and all(_letters(line, a, calls) for call in calls for a in [*call.args, *call.keywords]))


def _ours(line, node):
    """Is it a function or a module of `scratch`, or in one?"""
    while isinstance(node, ast.Attribute):
        node = node.value
    found  = line.f.__globals__.get(node.id) if isinstance(node, ast.Name) else None
    module = found.__name__ if inspect.ismodule(found) else getattr(found, "__module__", None) or ""
    return module.startswith("scratch")


def _letters(line, node, calls):
    """Is it a letter, the logarithm of one, or a call of `scratch` with such?"""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "log":
        node, = node.args
    return node in calls or isinstance(node, ast.Name) and node.id in line.letters


def difference(line):
    """What the formula has and the code has not, or the other way round, as a sentence; "" where they agree, or are
    exempt."""
    braces = re.findall(r"(?<!\\)[{}]", line.latex)
    if braces.count("{") != braces.count("}"):
        return "the braces of the formula do not pair."
    if exempt(line):
        return ""
    theirs, signs = of_latex(line.latex, {name: letter.latex for name, letter in line.world.letters.items()
                                          if name in line.letters or not letter.is_size})
    ours, made = of_code(line)
    if theirs != ours:
        return f"the formula reads {' '.join(theirs)}; the code {' '.join(ours)}."
    a, b = collections.Counter(signs), collections.Counter(made)
    if a != b:
        return f"only the formula has {_list(a - b)}; only the code has {_list(b - a)}."
    return ""


def _list(counter):
    return " ".join(f"{x:g}" if isinstance(x, float) else x for x in counter.elements()) or "nothing"
