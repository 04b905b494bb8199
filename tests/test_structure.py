"""The rules of the house, read from the syntax trees. Every rule is shown to fail on a small wrong source."""
import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

FAMILIES = "mixtures autoregressive autoencoders flows energies gans diffusion".split()

LAYERS = [layer.split() for layer in f"""
    backends
    scratch scratch.trees scratch.hyper
    scratch.autodiff
    scratch.nets scratch.probability scratch.metrics scratch.data scratch.optim scratch.train
    {" ".join("scratch." + family for family in FAMILIES)}
    scratch.models
    scratch.runs
    scratch.cli scratch.__main__
    derivations
""".strip().splitlines()]                           # an import goes to the same line, or to one before it

SHOWS_DERIVATIONS = ["scratch.cli"]                 # the commands that show them, inside their functions
HOST_SIDE         = ["scratch.data", "scratch.runs", "scratch.cli", "scratch.__main__",
                     "derivations.book",
                     *(f"derivations.engine.{name}" for name in ("worlds", "line", "relations", "mutate"))]
#                    may use NumPy
ONLY_IN_BACKENDS  = ["cupy", "cupyx", "cupy_backends", "autograd"]
CONSTRUCTORS      = set("""
    array asarray asanyarray ascontiguousarray zeros ones full empty eye identity arange linspace logspace geomspace
    zeros_like ones_like full_like tri diag tril triu float32 float64 int64
""".split())


# ---- what is read ----------------------------------------------------------------------------------------------------
def modules(*packages):
    """Name -> source of every module of the packages."""
    found = {}
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
    return found


def within(module, names):
    """The longest of the names that the module is, or lies in; `scratch` alone is the package itself."""
    found = [name for name in names if module == name or module.startswith(name + ".") and name != "scratch"]
    return max(found, key=len, default=None)


def children(node, lazy):
    """What a node consists of, each with whether it runs later than the import: of a function the body does, while its
    defaults, decorators and annotations run at once."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        body = node.body if isinstance(node.body, list) else [node.body]
        return [(child, lazy or child in body) for child in ast.iter_child_nodes(node)]
    return [(child, lazy) for child in ast.iter_child_nodes(node)]


def nodes(source):
    """Every node of the syntax tree, and whether it runs later than the import."""
    stack = [(ast.parse(source), False)]
    while stack:
        node, lazy = stack.pop()
        yield node, lazy
        stack += children(node, lazy)


def imports(module, source):
    """(imported module, whether inside a function); `from a import b` is a.b, and relative ones are spelled out."""
    for node, lazy in nodes(source):
        if isinstance(node, ast.Import):
            yield from ((alias.name, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(module.split(".")[:-node.level]) if node.level else ""
            base = ".".join(part for part in (base, node.module) if part)
            yield from ((f"{base}.{alias.name}", lazy) for alias in node.names)


def aliases(module, source, of):
    """The names under which the source knows the modules or objects `of`."""
    known = set()
    for node, _ in nodes(source):
        if isinstance(node, ast.Import):
            known |= {alias.asname or alias.name.split(".")[0] for alias in node.names if alias.name in of}
        elif isinstance(node, ast.ImportFrom):
            known |= {alias.asname or alias.name for alias in node.names if f"{node.module}.{alias.name}" in of}
    return known


# ---- the rules: module, source -> what is wrong ----------------------------------------------------------------------
def imports_go_down(module, source):
    rank = {name: i for i, layer in enumerate(LAYERS) for name in layer}
    ours = within(module, rank)
    if ours is None:
        yield f"{module} has no layer: give it one in LAYERS"
        return
    for imported, lazy in imports(module, source):
        if imported.split(".")[0] not in ("backends", "scratch", "derivations", "tests"):
            continue
        theirs = within(imported, rank) or "scratch"
        shown  = theirs == "derivations" and within(module, SHOWS_DERIVATIONS) and lazy
        if imported.split(".")[0] == "tests" or rank[theirs] > rank[ours] and not shown:
            yield f"{module} imports {imported}, which stands above it"


def arrays_come_through_the_switch(module, source):
    for imported, _ in imports(module, source):
        library = imported.split(".")[0]
        if library in ONLY_IN_BACKENDS and not within(module, ["backends"]):
            yield f"{module} imports {imported}: arrays come from `from backends import xp`"
        if library == "numpy" and not within(module, ["backends", *HOST_SIDE]):
            yield f"{module} imports {imported}: only code of the host side may"


def nothing_asks_xp_at_import(module, source):
    known = aliases(module, source, ["backends.xp"])
    for node, lazy in nodes(source):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known and not lazy:
            yield f"{module}:{node.lineno}: {ast.unparse(node)} at import freezes the backend of the import"


def no_array_is_made_at_import(module, source):
    known = aliases(module, source, ["backends.xp", "numpy"])
    made  = aliases(module, source, [f"numpy.{name}" for name in CONSTRUCTORS])
    for node, lazy in nodes(source):
        if lazy or not isinstance(node, ast.Call) or within(module, ["derivations.book.pictures"]):     # of the host
            continue
        f = node.func
        if isinstance(f, ast.Attribute) and f.attr in CONSTRUCTORS and getattr(f.value, "id", None) in known \
                or isinstance(f, ast.Name) and f.id in made:
            yield f"{module}:{node.lineno}: {ast.unparse(node)} is made at import, in float64 and on the host"


def lines_are_short(module, source):
    if within(module, ["derivations", "derivations.engine", "derivations.book"]) != "derivations":      # formulas may
        for i, line in enumerate(source.splitlines(), 1):
            if len(line) > 120:
                yield f"{module}:{i}: {len(line)} columns; at most 120"


#                                    the rule is kept by
RULES = {imports_go_down:                ["backends", "scratch", "derivations"],
         arrays_come_through_the_switch: ["backends", "scratch", "derivations"],
         nothing_asks_xp_at_import:      ["backends", "scratch", "derivations"],
         no_array_is_made_at_import:     ["backends", "scratch", "derivations"],
         lines_are_short:                ["backends", "scratch", "derivations", "tests"]}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule):
    wrong = [complaint for module, source in modules(*RULES[rule]).items() for complaint in rule(module, source)]
    assert not wrong, "\n".join(wrong)


USES_XP = "from backends import xp\n"

#          module                   a source that breaks the rule
BROKEN = {
    imports_go_down: [
        ("backends.numpy",         "import scratch"),
        ("backends.random",        "def f():\n    from scratch import trees"),
        ("backends",               "import derivations.elbo"),
        ("scratch.trees",          "from scratch.autodiff import grad"),
        ("scratch.autodiff.tape",  "from scratch import nets"),
        ("scratch.nets.linear",    "from scratch.flows.affine import coupling"),
        ("scratch.nets.linear",    "from ..flows import affine"),
        ("scratch.nets",           "def f():\n    import scratch.runs"),
        ("scratch.flows",          "from scratch.cli import main"),
        ("scratch.flows",          "import derivations"),
        ("scratch.flows",          "def f():\n    import derivations"),
        ("scratch.cli",            "import derivations.book"),
        ("scratch.cli",            "def f():\n    pass\nfrom derivations import book"),
        ("scratch.cli",            "class Command:\n    from derivations import book"),
        ("scratch.runs",           "if True:\n    from scratch import cli"),
        ("derivations.elbo",       "from tests.strategies import simplex"),
        ("scratch.somewhere",      "")],
    arrays_come_through_the_switch: [
        ("scratch.nets.linear",    "import numpy as np"),
        ("scratch.nets.linear",    "def f():\n    from numpy.linalg import inv"),
        ("derivations.elbo",       "import numpy"),
        ("scratch.datasets",       "import numpy"),
        ("scratch.data.files",     "import cupy"),
        ("scratch.runs",           "def f():\n    import cupyx.scipy"),
        ("scratch.flows",          "import autograd.numpy as np")],
    nothing_asks_xp_at_import: [
        ("scratch.nets",           USES_XP + "TABLE = {'tanh': xp.tanh}"),
        ("scratch.nets",           USES_XP + "def f(x, g=xp.tanh):\n    return g(x)"),
        ("scratch.nets",           USES_XP + "f = lambda x, g=xp.tanh: g(x)"),
        ("scratch.nets",           USES_XP + "class Net:\n    activation = xp.tanh"),
        ("scratch.nets",           USES_XP + "@xp.vectorize\ndef f(x):\n    return x"),
        ("scratch.nets",           USES_XP + "def f(x: xp.ndarray):\n    return x"),
        ("scratch.nets",           USES_XP + "SOLVE = xp.linalg.solve"),
        ("scratch.nets",           USES_XP + "TABLE = [xp.exp(i) for i in range(3)]"),
        ("scratch.nets",           "from backends import xp as np\nTANH = np.tanh")],
    no_array_is_made_at_import: [
        ("scratch.data",           "import numpy as np\nLEVELS = np.arange(256) / 255"),
        ("scratch.data",           "import numpy\ndef f(x, eye=numpy.eye(3)):\n    return x"),
        ("scratch.data",           "from numpy import asarray\nWEIGHTS = asarray([0.5, 0.5])"),
        ("scratch.nets",           USES_XP + "class Net:\n    one = xp.ones(())")],
    lines_are_short: [
        ("scratch.nets",           "x = 1" + 115 * " " + "#"),
        ("derivations.engine.line", "x = 1" + 115 * " " + "#")]}

RIGHT = {
    imports_go_down: [
        ("scratch.cli",            "def book():\n    from derivations import book\n    import scratch.runs"),
        ("scratch.flows.affine",   "import math\nfrom scratch import nets, trees\nfrom .base import Flow"),
        ("derivations.elbo",       "from scratch.autoencoders import vae\nfrom backends import xp"),
        ("scratch.autodiff",       "from scratch.autodiff import rules\nfrom scratch import trees")],
    arrays_come_through_the_switch: [
        ("backends.cupy",          "import numpy\ndef f():\n    import cupy"),
        ("scratch.data.files",     "import numpy")],
    nothing_asks_xp_at_import: [
        ("scratch.nets",           USES_XP + "f = lambda x: xp.tanh(x)\ndef g(x):\n    return xp.exp(x)"),
        ("scratch.nets",           USES_XP + "class Net:\n    def f(self, x):\n        return xp.exp(x)")],
    no_array_is_made_at_import: [
        ("scratch.nets",           USES_XP + "def f():\n    return xp.zeros(3)\nhalf = math.log(2)")],
    lines_are_short: [
        ("scratch.nets",           "x = 1" + 114 * " " + "#"),
        ("derivations.elbo",       "x = 1" + 115 * " " + "#")]}


def cases(table):
    return [pytest.param(rule, *case, id=f"{rule.__name__}-{i}")
            for rule in RULES for i, case in enumerate(table[rule])]


@pytest.mark.parametrize("rule, module, source", cases(BROKEN))
def test_the_rule_can_fail(rule, module, source):
    assert list(rule(module, source))


@pytest.mark.parametrize("rule, module, source", cases(RIGHT))
def test_the_rule_lets_through_what_is_right(rule, module, source):
    assert not list(rule(module, source))


# ---- what runs at import ---------------------------------------------------------------------------------------------
def run(script):
    """The last line that a fresh process prints."""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


ASKED_AT_IMPORT = """
import importlib, backends
def asked(self, name):
    raise AttributeError(name) if name.startswith("__") else RuntimeError(f"xp.{name} was asked for at import")
backends.Switch.__getattr__ = asked
for module in %r:
    importlib.import_module(module)
print("none")
"""


def test_no_module_asks_xp_for_anything_while_it_is_imported():
    names = [name for name in modules("scratch", "derivations") if not name.endswith("__main__")]
    assert "scratch.autodiff.tape" in names and run(ASKED_AT_IMPORT % names) == "none"


def test_that_test_can_fail():
    with pytest.raises(AssertionError, match="xp.tanh was asked for at import"):
        run(ASKED_AT_IMPORT.replace("for module", "backends.xp.tanh\nfor module") % [])


BROUGHT = """
import sys, numpy
before = set(sys.modules)
import %s
print(*{module.split(".")[0] for module in set(sys.modules) - before})
"""
HEAVY = set("scipy matplotlib hypothesis cupy autograd tqdm sklearn torch PIL pytest".split())


def test_importing_scratch_imports_nothing_heavy():
    for name in ("scratch", "scratch.autodiff, backends.random"):
        brought = set(run(BROUGHT % name).split())
        assert "scratch" in brought and not brought & HEAVY
    assert "scipy" in run(BROUGHT % "scipy.special").split()
