"""Wrong on purpose: every line, every letter that follows and every function of `scratch` that a line reaches is
changed a little, in every way that a slip could, and the checks have to notice.

A mutant is *killed* where a check fails by value. It *crashes* where checks raise, and none that is still tried fails:
a line notices that too, but it proves little and is not counted. It is the *same* where every value is the line's own:
then it has to be an *identity*, the same formula in a free world (same shapes, all laws broken), or be *listed* in
`equivalent.toml` with a reason; the head of a chain may be *true* as well, for that it can be written so is what its
chain claims. It is *untried* where no line ran it. What is left is *weak*: the value changed and no check noticed.
"""
import ast
import collections
import copy
import dataclasses
import functools
import gc
import itertools
import pathlib
import sys
import tomllib
import types
from typing import Any

import numpy as np

import scratch
from backends import backend
from backends.random import Stream
from derivations.engine import words, worlds
from derivations.engine.worlds import anywhere
from derivations.engine.relations import FAILS, host, quiet
from derivations.engine.source import tree_of

WORLDS   = 10               # a mutant of a line is tried on so many of its generic worlds, and of its corners,
FEW      = 6                # one of a function on so many of each line that reaches it,
FREE     = 5                # and an identity is shown in so many free worlds
CRASHES  = 3                # a check that a mutant has crashed so often is not tried on it again
CALLS    = 3                # of so many calls of a function the arguments are kept
PER_LINE = 20               # mutants of a line of a derivation, or of a letter

ROOT     = pathlib.Path(scratch.__file__).parent
MUTATED  = """
    probability metrics mixtures autoregressive autoencoders flows energies gans diffusion
""".split()                 # the folders of `scratch` whose functions are mutated; the autodiff has its own laws

BINARY   = {ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Div], ast.Div: [ast.Mult], ast.Pow: [ast.Mult]}
COMPARE  = {ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt}
SWAPS    = {"sum": "mean", "mean": "sum", "log": "exp", "exp": "log", "cumsum": "cumprod", "cumprod": "cumsum",
            "min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}
DROPPED  = {"log", "exp", "sqrt", "sum", "mean", "cumsum", "cumprod", "abs", "T", "inv", "flip", "sin", "cos", "square",
            "log1p", "expm1", "sigmoid", "softplus", "logsumexp", "softmax"}
UNTOUCHED = {"len", "range", "eye", "size", "gaussian", "check", "hyper"}       # inside these calls nothing is changed

KILLED, CRASHED, SAME, WEAK, PROVEN, TRUE, LISTED, UNTRIED = \
    "killed", "crashed", "same", "weak", "identity", "true", "listed", "untried"


# ---- making mutants --------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class Mutant:
    """What was changed, as text, and the code that came out."""
    change: str
    code:   types.CodeType
    node:   ast.AST                             # what stood there


def mutants(f, letters=(), most=None, known=None):
    """The mutants of a function: a list of Mutants. `letters`: groups of names that may stand for one another; `known`:
    the functions that one may be exchanged for, those of its module unless told otherwise."""
    tree = copy.deepcopy(tree_of(f.__code__))
    if tree is None or f.__code__.co_freevars:
        return []
    if isinstance(tree, ast.FunctionDef):
        tree.decorator_list = []
    found, names = [], collections.Counter()
    for path, node in places(tree):
        for new in changes(node, letters):
            if isinstance(node, ast.Call) and isinstance(new, ast.Call) and _called(new) != _called(node) and \
                    isinstance(new.func, ast.Name) and new.func.id not in (known or f.__globals__):
                continue
            change = f"{ast.unparse(node)} -> {ast.unparse(new)}"
            names[change] += 1
            found.append((f"{change} ({names[change]})" if names[change] > 1 else change, path, node, new))
    keep = [found[i * len(found) // most] for i in range(most)] if most and len(found) > most else found
    return [Mutant(change, compiled(tree, path, new, f.__code__), node) for change, path, node, new in keep]


def places(node, path=()):
    """(path, node) of everything in a function that may be changed: not its signature, its docstring, or its checks of
    the input."""
    guard = isinstance(node, ast.If) and any(isinstance(b, ast.Raise) for b in node.body)
    for name, value in ast.iter_fields(node):
        if name in ("decorator_list", "annotation", "returns") or isinstance(value, ast.arguments) \
                or guard and name != "orelse":
            continue
        for i, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or isinstance(child, (ast.expr_context, ast.operator)) or \
                    isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            here = (*path, (name, i if isinstance(value, list) else None))
            yield here, child
            if not (isinstance(child, ast.Call) and _called(child) in UNTOUCHED):
                yield from places(child, here)


def changes(node, letters):
    """What may stand in a node's place."""
    if isinstance(node, ast.BinOp):
        for op in BINARY.get(type(node.op), []):
            yield ast.BinOp(node.left, op(), node.right)
        if isinstance(node.op, (ast.Add, ast.Mult)):
            yield from (node.left, node.right)
        elif isinstance(node.op, (ast.Sub, ast.Div)):
            yield node.left
        elif isinstance(node.op, ast.MatMult):
            yield ast.BinOp(node.right, node.op, node.left)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield node.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield from (ast.Constant(node.value + 1), ast.Constant(node.value - 1))
    elif isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        yield node.value
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARE:
        yield ast.Compare(node.left, [COMPARE[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for group in letters:
            if node.id in group:
                yield from (ast.Name(other, ast.Load()) for other in group if other != node.id)
    elif isinstance(node, ast.Call):
        name, args = _called(node), node.args
        if name in SWAPS:
            f = ast.Name(SWAPS[name], ast.Load()) if isinstance(node.func, ast.Name) else \
                ast.Attribute(node.func.value, SWAPS[name], ast.Load())
            yield ast.Call(f, args, node.keywords)
        if name in DROPPED and args:
            yield args[0]
        if len(args) >= 2 and name not in {*UNTOUCHED, "E"} and not any(isinstance(a, ast.Constant) for a in args[:2]):
            yield ast.Call(node.func, [args[1], args[0], *args[2:]], node.keywords)


def _called(call):
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def sign(node):
    """Where in the text the sign stands that was changed, (line, column): the first one there that is no bracket."""
    if isinstance(node, (ast.BinOp, ast.Compare)):
        return node.left.end_lineno, node.left.end_col_offset
    if isinstance(node, ast.Call):
        return node.func.end_lineno, node.func.end_col_offset - len(_called(node))
    if isinstance(node, ast.Attribute):
        return node.end_lineno, node.end_col_offset - len(node.attr)
    return node.lineno, node.col_offset


def compiled(tree, path, new, original):
    """The code object of a function, or lambda, with `new` at a path of its tree. Letters that it asks for anew become
    arguments."""
    *above, (name, i) = path
    parent = functools.reduce(lambda node, step: _child(node, *step), above, tree)
    old, asked = _child(parent, name, i), [a.arg for a in tree.args.args]
    if not hasattr(new, "lineno"):
        ast.fix_missing_locations(ast.copy_location(new, old))
    _put(parent, name, i, new)
    if isinstance(new, ast.Name) and new.id not in asked:
        tree.args.args.append(ast.copy_location(ast.arg(new.id), old))
    whole = ast.Module([tree], []) if isinstance(tree, ast.FunctionDef) else ast.Expression(tree)
    code  = compile(whole, original.co_filename, "exec" if isinstance(tree, ast.FunctionDef) else "eval")
    _put(parent, name, i, old)
    del tree.args.args[len(asked):]
    return next(c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == original.co_name)


def _child(node, name, i):
    return getattr(node, name) if i is None else getattr(node, name)[i]


def _put(node, name, i, child):
    if i is None:
        setattr(node, name, child)
    else:
        getattr(node, name)[i] = child


# ---- trying them -----------------------------------------------------------------------------------------------------
@dataclasses.dataclass
class Verdict:
    """What became of a mutant; of one that was killed: what stood there, the line, the world and the outcome."""
    owner:   str
    change:  str
    status:  str
    node:    Any = None
    line:    Any = None
    world:   Any = None
    outcome: Any = None


def shapes(line, pool):
    """Groups of the world's letters whose shapes agree in every world."""
    groups = collections.defaultdict(list)
    for name in line.world.letters:
        if all(isinstance(s[name], (tuple, list)) or isinstance(s[name], int) for s in pool[:1]):
            continue
        groups[tuple(np.shape(s[name]) for s in pool)].append(name)
    return [group for group in groups.values() if len(group) > 1]


def some(line, n):
    """n of the generic samples in which a line applies, and n corners: the same ones when asked again."""
    return _some(line, n, backend().name)


@functools.lru_cache(200)
def _some(line, n, _):
    pool = [s for s in line.world.draw(worlds.WORLDS) if line.applies(s)]
    return [s for s in pool if not s.corner][:n] + [s for s in pool if s.corner][:n]


def checked_by(line):
    """Of the head of a chain: the lines that are compared with it."""
    return [other for other in line.derivation.lines if other.to is line and other.relation != "!="] \
        if line.relation is None else []


def of_line(line):
    """The verdicts on the mutants of a line's own code: on the line itself, or, where it starts a chain, on those that
    are compared with it."""
    if line.relation == "!=":
        return []
    with quiet():
        checks = [line] if line.relation else checked_by(line)
        tried  = [(check, s) for check in checks for s in some(check, WORLDS)]
        groups = shapes(line, line.world.draw(WORLDS))
        known  = {**vars(words), **line.f.__globals__}
        return [_of_line(line, mutant, tried, known) for mutant in mutants(line.f, groups, PER_LINE, known)]


def _killer(tried):
    """(did a check crash?, the check that fails, its sample and Outcome, or None) of samples that checks are tried on.
    A check that has crashed CRASHES times is not asked again."""
    crashes = collections.Counter()
    for check, s in tried:
        if crashes[check] < CRASHES:
            try:
                found = check.check(s)
            except Exception:                   # whatever a wrong formula may raise
                crashes[check] += 1
                continue
            if found.status == FAILS:
                return True, (check, s, found)
    return bool(crashes), None


def _of_line(line, mutant, tried, known):
    f, original = types.FunctionType(mutant.code, known), line.f
    line.f = f
    try:
        crashed, killer = _killer((check, s if check is line else s.put()) for check, s in tried)
    finally:
        line.f = original
    if killer:
        return Verdict(line.id, mutant.change, KILLED, mutant.node, *killer)
    if crashed:
        return Verdict(line.id, mutant.change, CRASHED)
    pool  = [s for _, s in tried]
    same  = all(_alike(host(s.call(f)), host(s.call(line.f))) for s in pool)
    names = {*_arguments(f), *line.letters}
    free  = [s.free(names, i) for i, s in enumerate(pool[-FREE:])]
    if not pool:
        return Verdict(line.id, mutant.change, UNTRIED)
    if same and _identical((_numbers(t.call, f), _numbers(t.call, line.f)) for t in free):
        return Verdict(line.id, mutant.change, PROVEN)
    return Verdict(line.id, mutant.change, WEAK if not same else SAME if line.relation else TRUE)


def _arguments(f):
    return f.__code__.co_varnames[:f.__code__.co_argcount + f.__code__.co_kwonlyargcount]


def _alike(a, b):
    """Are two tuples of arrays equal, NaN to NaN?"""
    return len(a) == len(b) and all(x.shape == y.shape and np.allclose(x, y, 1e-9, 1e-10, equal_nan=True)
                                    for x, y in zip(a, b))


def _identical(pairs):
    """Are the two of every pair equal wherever both have a value, and is there such a place?"""
    seen = False
    for a, b in pairs:
        if a is None and b is None:
            continue
        if a is None or b is None or [x.shape for x in a] != [y.shape for y in b]:
            return False
        for x, y in zip(a, b):
            both = np.isfinite(x) & np.isfinite(y)
            seen = seen or both.any()
            if not np.allclose(x[both], y[both], 1e-9, 1e-10):
                return False
    return seen


def _numbers(f, /, *args, **kwargs):
    """All arrays that a call gives, as a tuple; None where it raises: outside the laws of its world a formula may, and
    a call that was part of a derivative cannot be repeated."""
    def arrays(value):
        return [a for part in value for a in arrays(part)] if isinstance(value, (tuple, list)) else host(value)
    try:
        return tuple(arrays(f(*args, **kwargs)))
    except Exception:
        return None


# ---- functions that lines reach --------------------------------------------------------------------------------------
@dataclasses.dataclass
class Target:
    """A function that lines reach: those lines, and what it was called with."""
    name:  str
    f:     types.FunctionType
    lines: list
    calls: list                                 # of dicts, argument -> value
    ran:   set                                  # the lines of its text that ran; of a letter, one expression, none


def reached(lines):
    """The targets of the lines: functions of `scratch`, found by tracing a check, and the letters that follow."""
    found = {}
    for line in lines:
        if line.relation in (None, "!="):
            continue
        with quiet():
            pool  = some(line, CALLS)[:CALLS]
            calls = {code: (name_of(code), made, ran) for code, (made, ran) in _trace(line, pool).items()}
            for name in asked(line):
                follow = line.world.letters[name].follow
                if follow is None:
                    continue
                calls[follow.__code__] = (f"{name} ({line.world.home[name]})",
                                          [{a: s[a] for a in _arguments(follow)} for s in pool], set())
        for code, (name, made, ran) in calls.items():
            target = found.setdefault(code, Target(name, None, [], [], set()))
            target.lines.append(line)
            target.calls += made
            target.ran   |= ran
    if not found.keys() <= _owners().keys():
        _owners.cache_clear()                   # made since then
    for code, target in found.items():
        target.f = _owners().get(code)
    with quiet():
        for target in found.values():
            target.calls = [call for call in target.calls if target.f and _numbers(target.f, **call)][:CALLS]
    return [target for target in found.values() if target.f is not None]


@functools.cache
def _owners():
    """The functions that there are, by their code."""
    return {f.__code__: f for f in gc.get_objects() if type(f) is types.FunctionType}


def name_of(code):
    """module.function of a function of `scratch`; a lambda has its text besides."""
    path   = pathlib.Path(code.co_filename).relative_to(ROOT.parent).with_suffix("")
    module = ".".join(part for part in path.parts if part != "__init__")
    return f"{module}.{code.co_qualname}" + (f" {ast.unparse(tree_of(code))}" if code.co_name == "<lambda>" else "")


@functools.cache
def of_scratch(code):
    """Is it the code of a function that is mutated: not of one inside another, nor of a comprehension?"""
    path = pathlib.Path(code.co_filename)
    return ROOT in path.parents and path.relative_to(ROOT).parts[0] in MUTATED and not code.co_freevars \
        and (code.co_name[0] != "<" or code.co_name == "<lambda>")


def _trace(line, pool):
    """code -> (its calls' arguments, the lines of it that ran), of the functions of `scratch` that a check runs."""
    calls, ran = collections.defaultdict(list), collections.defaultdict(set)

    def saw(frame, event, _):
        code = frame.f_code
        if not of_scratch(code):
            return None
        names = code.co_varnames[:code.co_argcount + code.co_kwonlyargcount]
        calls[code].append({name: frame.f_locals[name] for name in names})
        return step

    def step(frame, event, _):
        ran[frame.f_code].add(frame.f_lineno)
        return step

    before = sys.gettrace()
    sys.settrace(saw)
    try:
        for s in pool:
            line.check(s.put())
    finally:
        sys.settrace(before)
    return {code: (made, ran[code]) for code, made in calls.items()}


def asked(line):
    """The letters that a check of the line asks for, and those that they follow from."""
    options = (line.gap, line.where, line.derivation.where, *line.tight.values())
    return line.world.needs([*line.letters, *(line.to.letters if line.to else []), *([line.over] if line.over else []),
                             *(name for f in options if callable(f) for name in _arguments(f)),
                             *(name for name in line.tight.values() if isinstance(name, str))])


def of_target(target):
    """The verdicts on the mutants of a function, tried on every line that reaches it."""
    groups = collections.defaultdict(list)
    for name in target.calls[0] if target.calls else ():
        if all(hasattr(call[name], "shape") for call in target.calls):
            groups[tuple(call[name].shape for call in target.calls)].append(name)
    groups = [group for group in groups.values() if len(group) > 1]
    most   = None if of_scratch(target.f.__code__) else PER_LINE
    with quiet():
        pools = [[(line, s) for s in some(line, FEW)] for line in target.lines]
        tried = [pair for row in itertools.zip_longest(*pools) for pair in row if pair]     # each line's first world,
        again = {world: [name for name, letter in world.letters.items() if letter.follow is target.f]
                 for world in {line.world for line in target.lines}}                        # then their second ones
        for line, s in tried:
            line.check(s)                       # works out the letters: none calls `scratch`, so a change leaves them
        return [_of_target(target, mutant, tried, again) for mutant in mutants(target.f, groups, most)]


def _of_target(target, mutant, tried, again):
    f, original = target.f, target.f.__code__
    f.__code__ = mutant.code
    try:
        crashed, killer = _killer((line, s.put(*again[line.world])) for line, s in tried)
    finally:
        f.__code__ = original
    if killer:
        return Verdict(target.name, mutant.change, KILLED, mutant.node, *killer)
    if crashed:
        return Verdict(target.name, mutant.change, CRASHED)
    if not target.calls or target.ran and mutant.node.lineno not in target.ran:
        return Verdict(target.name, mutant.change, UNTRIED)
    changed = types.FunctionType(mutant.code, f.__globals__, None, f.__defaults__)
    changed.__kwdefaults__ = f.__kwdefaults__
    pairs = [(_numbers(changed, **call), _numbers(f, **call)) for call in target.calls]
    if any(a is None or not _alike(a, b) for a, b in pairs):
        return Verdict(target.name, mutant.change, WEAK)
    free  = [_freed(call, i) for i, call in enumerate(target.calls + target.calls)]
    pairs = [(_numbers(changed, **call), _numbers(f, **call)) for call in free]
    return Verdict(target.name, mutant.change, PROVEN if _identical(pairs) else SAME)


def _freed(call, seed):
    """The same call with every float anywhere."""
    stream = Stream.seed(seed)
    return {name: anywhere(stream(name), v.shape, seed % 2).astype(v.dtype)
            if getattr(getattr(v, "dtype", None), "kind", "") == "f" else v for name, v in call.items()}


# ---- what may survive ------------------------------------------------------------------------------------------------
@functools.cache
def listed():
    """(owner, change) -> the reason in `equivalent.toml` why it has the same value."""
    table = tomllib.loads((pathlib.Path(__file__).parent.parent / "equivalent.toml").read_text(encoding="utf-8"))
    return {(owner, change): reason for owner, changes in table.items() for change, reason in changes.items()}


def judged(verdicts):
    """The verdicts, those of the same value that `equivalent.toml` gives a reason for marked so."""
    return [dataclasses.replace(v, status=LISTED)
            if v.status == SAME and (v.owner, v.change) in listed() else v for v in verdicts]
