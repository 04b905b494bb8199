"""What the sources state, and where it is checked.

`index.json` lists 273 statements: id, topic, kind, LaTeX and, where a statement is itself a derivation, its lines;
which of the five sets of notes S0 .. S4 that this project follows make it, and whether they print the formula or
say it in words. A statement is covered by a line or a letter that names it (`covers=`), or has a row in
`elsewhere.toml`: the law test that checks it, the family of models that will bring it, or the reason for leaving it
out.
"""
import ast
import collections
import functools
import json
import pathlib
import re
import tomllib

from derivations.engine.line import derivations_of, topics
from derivations.engine import mutate
from derivations.engine.mutate import MUTATED, ROOT

HERE      = pathlib.Path(__file__).parent.parent
BY_LINE   = ("identity", "inequality")              # of these every printed line has to be covered
BY_LETTER = ("definition", "objective")             # of these nearly all, by a line or a letter
NOW       = ("divergences", "foundations", "elbo", "vae", "mixtures")       # derived in full; the rest may be to come
FAMILIES  = [*MUTATED, "nets"]


@functools.cache
def statements():
    """id -> row of `index.json`."""
    return {row["id"]: row for row in json.loads((HERE / "index.json").read_text(encoding="utf-8"))}


@functools.cache
def elsewhere():
    """id, or the name of a function of `scratch` -> {"law": ...}, {"family": ...} or {"reason": ...}."""
    return tomllib.loads((HERE / "elsewhere.toml").read_text(encoding="utf-8"))


def parts(text):
    """The statements, or lines of statements, that a `covers` names: "a b:2 c:1-3" -> a, b:2, c:1, c:2, c:3."""
    for word in text.split() if isinstance(text, str) else text:
        name, _, numbers = word.partition(":")
        first, _, last = numbers.partition("-")
        yield from [f"{name}:{i}" for i in range(int(first), int(last or first) + 1)] if numbers else [name]


def claimed():
    """(part -> the ids of lines that name it, part -> the letters that do). A formula that is false covers nothing, nor
    does a letter that no checked line asks for."""
    by_line, by_letter = collections.defaultdict(list), collections.defaultdict(list)
    for topic in topics():
        for d in derivations_of(topic):
            checked = [line for line in d.lines if line.relation not in (None, "!=")]
            asked   = {name for line in checked for name in mutate.asked(line)}
            for line in d.lines:
                for part in parts(line.covers) if line.relation != "!=" else ():
                    by_line[part].append(line.id)
            for name, letter in d.world.letters.items():
                for part in parts(letter.covers) if name in asked else ():
                    by_letter[part].append(f"{topic}: {name}")
    return by_line, by_letter


def coverage():
    """(id -> "covered", "law", "family", "reason" or "", complaints): where every statement is checked, and what is
    wrong with the claims."""
    by_line, by_letter = claimed()
    complaints, where  = [], {}
    known = {part for row in statements().values()
             for part in [row["id"], *(f"{row['id']}:{i + 1}" for i in range(len(row.get("lines", ()))))]}
    complaints += [f"{', '.join(by)} covers {part!r}, which is no statement of index.json"
                   for found in (by_line, by_letter) for part, by in found.items() if part not in known]
    for name, row in statements().items():
        strict  = row["kind"] in BY_LINE
        wanted  = strict and [f"{name}:{i + 1}" for i in range(len(row.get("lines", ())))] or [name]
        found   = by_line if strict else {**by_letter, **by_line}
        missing = [part for part in wanted if part not in found]
        if not missing or not strict and any(part.partition(":")[0] == name for part in found):
            where[name] = "covered"
            if name in elsewhere():
                complaints.append(f"elsewhere.toml has a row for {name}, which a line or a letter covers")
        elif name in elsewhere():
            where[name] = next(iter(elsewhere()[name]), "reason")
            if row["topic"] in NOW and row["kind"] in BY_LINE:
                complaints.append(f"{name} is an {row['kind']} of the topic {row['topic']}: a line has to cover it")
        else:
            where[name] = ""
            complaints.append(f"nothing covers {', '.join(missing)}, and elsewhere.toml has no row for it")
    defined = [name for name, row in statements().items() if row["topic"] in NOW and row["kind"] in BY_LETTER]
    missing = [name for name in defined if where[name] != "covered"]
    if len(missing) > 0.05 * len(defined):
        complaints.append(f"{len(missing)} of {len(defined)} definitions and objectives of {', '.join(NOW)} have "
                          f"neither a line nor a letter; expected at most 5 %: {', '.join(missing)}")
    for name, row in elsewhere().items():
        if name not in statements() and not any(f == name or f.startswith(name + ".") for f in functions()):
            complaints.append(f"elsewhere.toml has a row for {name!r}, which is no statement of index.json and no "
                              "function")
        complaints += [f"elsewhere.toml, {name}: {text}" for text in _wrong_row(row)]
    return where, complaints


def _wrong_row(row):
    kind, value = next(iter(row.items()), ("", ""))
    if len(row) != 1 or kind not in ("law", "family", "reason") or not value:
        yield f"{row}; expected one of law, family, reason, and what it is"
    elif kind == "family" and value not in FAMILIES:
        yield f"the family {value!r} is none of {', '.join(FAMILIES)}"
    elif kind == "law":
        path, _, name = value.partition("::")
        file = HERE.parent / path
        tests = file.read_text(encoding="utf-8") if file.exists() else ""
        if (HERE.parent / "setup.cfg").exists() and f"def {name}(" not in tests:
            yield f"there is no test {value}"


# ---- the other direction: functions of `scratch` ---------------------------------------------------------------------
@functools.cache
def functions():
    """The names of all functions in the folders of `scratch` that are mutated, with their text; the rows of tables,
    which are lambdas, too."""
    found = {}
    for folder in MUTATED:
        for path in sorted((ROOT / folder).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            module = ".".join(p for p in path.relative_to(ROOT.parent).with_suffix("").parts if p != "__init__")
            for node in ast.parse(source).body:
                if isinstance(node, ast.Assign):
                    found.update({f"{module}.<lambda> {ast.unparse(f)}": "" for f in ast.walk(node)
                                  if isinstance(f, ast.Lambda)})
                inner = node.body if isinstance(node, ast.ClassDef) else [node]
                for f in inner:
                    if isinstance(f, ast.FunctionDef):
                        owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
                        found[f"{module}.{owner}{f.name}"] = ast.get_source_segment(source, f)
    return found


def unreached(names):
    """(function -> the row of `elsewhere.toml` or None): the functions that are not among the reached `names`. A row
    for a class, or for a module, stands for all in it."""
    rows = elsewhere()
    def row(name):
        while name and name not in rows:
            name = name.rpartition(".")[0]
        return rows.get(name)
    return {name: row(name) for name in functions() if name not in names}


def uncited(reached):
    """Complaints about the way between `scratch` and the lines, in both directions. `reached`: function -> lines.

    A function that no line reaches needs a row in `elsewhere.toml`; one that lines reach names one of them, in
    brackets, in its text; and a line that is named has to reach the function that names it.
    """
    for name, row in unreached(reached).items():
        if row is None:
            yield f"no line reaches {name}, and elsewhere.toml has no row for it"
    yield from (f"elsewhere.toml has a row for {name}, which lines reach" for name in elsewhere() if name in reached)
    for name, text in functions().items():
        cited = re.findall(rf"\[((?:{'|'.join(topics())})\.\w+)\]", text)
        lines = reached.get(name, ())
        yield from (f"{name} names the line {id}, which does not reach it" for id in cited if id not in lines)
        if name in reached and not cited and "<lambda>" not in name \
                and not name.rpartition(".")[2].startswith("_"):
            yield f"{name} names none of the lines that reach it: {', '.join(dict.fromkeys(reached[name]))}"
