"""The engine of derivations: it draws the worlds that it promises, refuses what makes no sense, sees what is wrong."""
import ast
import collections
import contextlib
import importlib.util
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis.errors import NoSuchExample

from backends import use, xp
from derivations import Derivation, World, counts, index, let, positive, real, simplex, size, tex, unit
from derivations.engine import index as statements, latex, line as lines, mutate, relations, run
from derivations.engine.words import D, E, KL, exp, gaussian, log, mean, ratio, sum
from scratch.autoencoders import latent

WORLD = World("two laws",
    X = size(1, 4),
    p = tex("p", simplex("X")),
    q = tex("q", simplex("X")),
    a = tex("a", positive()),
    b = tex("b", real()),
    f = tex("f", real("X")),
    m = let("m", lambda p, q: (p + q) / 2))


@pytest.fixture(autouse=True)
def no_pages():
    """The pages that a test makes are forgotten after it."""
    yield
    lines.PAGES.pop(__name__, None)


def chain(*steps, world=WORLD, where=None):
    """The last line of a chain made of steps (relation, LaTeX, function, options) or (LaTeX, function)."""
    d = Derivation("chain", world, where=where)
    for i, step in enumerate(steps):
        relation, tex_, f, *options = step if len(step) > 2 else (None, *step)
        named = types.FunctionType(f.__code__, f.__globals__, f"line{len(lines.PAGES[__name__])}_{i}")
        d(*filter(None, (relation, tex_)), **(options[0] if options else {}))(named)
    return d.lines[-1]


# ---- worlds ----------------------------------------------------------------------------------------------------------
def test_four_worlds_in_five_are_generic_and_the_rest_holds_corners():
    pool    = WORLD.draw(300)
    zero    = np.mean([(s.given["p"] == 0).any() for s in pool])
    point   = [s for s in pool if s["X"] > 1 and (s.given["p"] == 1).any()]
    generic = [s for s in pool if s["X"] >= 2 and (s.given["p"] > 0).all() and s.given["b"] != 0]
    assert len(pool) == 300 and 0.03 < zero < 0.3 and point and len(generic) > 0.7 * len(pool)
    assert min(collections.Counter(s["X"] for s in pool).values()) > 5 and any(s["X"] == 1 for s in pool)
    assert len({s.given["p"].tobytes() for s in pool}) > 150 and len({float(s.given["b"]) for s in pool}) > 25


def test_the_same_worlds_come_again_and_letters_follow_what_was_put():
    a, b = WORLD.draw(7)[3], WORLD.draw(7)[3]
    assert all((a.given[name] == b.given[name]) is not False for name in a.given) and a is not b
    t = a.put(p=a["q"])
    assert (t["m"] == a["q"]).all() and (a["m"] == (a["p"] + a["q"]) / 2).all()
    assert (a.put(m=a["p"])["m"] == a["p"]).all()


def test_what_does_not_follow_from_a_changed_letter_is_not_worked_out_again():
    worked = []
    world  = World("three letters that follow", X=size(2, 3), p=simplex("X"), q=simplex("X"),
                   a=let("a", lambda p: worked.append("a") or p * 2),
                   b=let("b", lambda a, q: worked.append("b") or a * q),
                   c=let("c", lambda q: worked.append("c") or q * 3))
    s = world.draw(1)[0]
    def asked(t):
        worked.clear()
        assert (t["b"] == t["p"] * 2 * t["q"]).all() and (t["c"] == t["q"] * 3).all()
        return sorted(worked)
    assert asked(s) == ["a", "b", "c"] and asked(s.put()) == []
    assert asked(s.put(p=s["q"])) == ["a", "b"] and asked(s.put(q=s["p"])) == ["b", "c"]
    assert asked(s.put("a")) == ["a", "b"]


@pytest.mark.parametrize("kind, low, high", [(simplex(3), 0, 1), (counts(3), 0, 4), (unit(3), 1 / 64, 63 / 64),
                                             (unit(3, closed=True), 0, 1), (real(3), -3, 3), (positive(3), 1 / 8, 3),
                                             (index(3, 5), 0, 2)])
def test_letters_are_of_their_kind_and_so_is_everything_made_of_them(kind, low, high):
    for s in World("one", v=kind).draw(60):
        v = s.given["v"]
        assert (low <= v).all() and (v <= high).all() and kind.inside(v)
        for other in (*(kind.moves(v) if kind.moves else ()), *([kind.other(v)] if kind.other else ())):
            assert kind.inside(other) and other.shape == v.shape
        if kind.other:
            assert kind.other(v).shape == v.shape
    assert not simplex(2).inside(np.asarray([0.5, 0.6])) and not unit().inside(np.asarray(1.0))


def test_the_words_keep_their_conventions():
    p, q = xp.asarray([0.0, 1.0]), xp.asarray([0.5, 0.5])
    with np.errstate(all="ignore"):
        assert E(p, log(p)) == 0 and KL(p, q) == log(2) and KL(q, p) == np.inf
        assert (ratio(xp.asarray([0.0, 1.0]), xp.asarray([0.0, 0.0])) == np.asarray([0, np.inf])).all()
    z, w = gaussian(8)
    moments = [1, 0, 1, 0, 3, 0, 15, 0, 105, 0, 945]
    assert np.allclose([sum(w * z**k) for k in range(11)], moments, 1e-12, 1e-12)
    x = xp.asarray([[1.0, 2.0], [3.0, 4.0]])
    assert np.allclose(D(lambda x: sum(x * x, 1), x), [[[2, 4], [0, 0]], [[0, 0], [6, 8]]], 1e-15)


# ---- what is refused on import ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("steps, says", [
    ([("a", lambda a: a), ("=>", "a", lambda a: a)],                          "did you mean '='"),
    ([("a", lambda a: a), ("=", "a", lambda aa: aa)],                         "asks for 'aa'"),
    ([("a", lambda a: a), ("=", "a", lambda a: a, {"becuase": "x"})],         "no option 'becuase'"),
    ([("a", lambda a: a), (">=", "a", lambda a: a)],                          "tight= or gap="),
    ([("a", lambda a: a), ("argmax", "a", lambda a: a)],                      "wants of="),
    ([("a", lambda a: a), ("!=", "a", lambda a: a)],                          "wants slip="),
    ([("a", lambda a: a), (">=", "a", lambda a: a, {"tight": {"z": "a"}})],   "no letter 'z'"),
    ([("a", lambda a: a), ("=", "a", lambda a: a, {"where": lambda c: c})],   "asks for 'c'"),
    ([("a", lambda a: a), ("= + const", "a", lambda a: a, {"vary": "m"})],    "'m' cannot be varied"),
    ([("a", lambda a: a), ("=", "a", lambda a: a, {"tol": 1e-9})],            "expected \\(tolerance, why\\)"),
    ([("a", lambda a: a), ("=", "a", lambda a: a, {"to": "line0"})],          "names 'line0' where a line is expected"),
    ([("=", lambda a: a)],                                                    "the relation '=' but no formula"),
    ([("=", "a", lambda a: a)],                                               "no line stands before it")])
def test_what_is_misspelt_or_missing_is_refused(steps, says):
    with pytest.raises(ValueError, match=says):
        chain(*steps)


def test_a_world_refuses_a_letter_that_follows_from_nothing_and_a_derivation_two_lines_of_one_name():
    with pytest.raises(ValueError, match="asks for 'r'"):
        World("w", X=size(1, 2), p=let("p", lambda r: r))
    with pytest.raises(ValueError, match="the dimension 'Z', which is no size of it: expected one of X"):
        World("w", X=size(1, 2), p=tex("p", simplex("Z")))
    d = Derivation("d", WORLD)
    @d("a")
    def one(a): return a
    with pytest.raises(ValueError, match="two lines named one"):
        Derivation("another page", WORLD)("a")(one.f)
    with pytest.raises(ValueError, match="two worlds named 'two laws'"):
        Derivation("d", World("two laws", a=positive()))
    line = chain(("f", lambda f: f), ("=", "f", lambda f: 1 * f))
    with pytest.raises(ValueError, match="asks for 'f'"):
        Derivation("d", World("one number", a=positive()))("=", "a", to=line)(one.f)
    with pytest.raises(ValueError, match="choose one of|did you mean"):
        lines.derivations_of("elboo")


# ---- every relation holds where it should, and fails where it should -------------------------------------------------
def entropy(p, f): return E(p, f) - E(p, log(p))


TRUE = {
    "=":         [("m", lambda m: m), ("=", "y", lambda p, q: p / 2 + q / 2)],
    ">=":        [("", lambda p, f: log(E(p, exp(f)))),
                  (">=", "y", lambda p, f: E(p, f), {"tight": {"f": lambda p: 0 * p + 2}})],
    "<=":        [("", lambda: 0.0), ("<=", "", lambda p, m: KL(p, m), {"gap": lambda p, m: KL(p, m)})],
    "argmax":    [("", entropy), ("argmax", "", lambda f: exp(f) / sum(exp(f)), {"over": "p"})],
    "argmin":    [("", lambda a, b: (a - exp(b))**2 + a),
                  ("argmin", "", lambda b: exp(b) - 0.5, {"over": "a", "where": lambda b: b > 0})],
    "root":      [("", lambda a, b: a * a - exp(b)), ("root", "", lambda b: exp(b / 2), {"over": "a"})],
    "= + const": [("", lambda p, q: KL(p, q)), ("= + const", "", lambda p, q: -E(p, log(q)), {"vary": "q"})],
    "prop":      [("", lambda p, q: p * q / sum(p * q)),
                  ("prop", "", lambda p, q, a: a * p * q, {"where": lambda p, q: sum(p * q) > 0})],
    "->":        [("", lambda a, b: (exp(b + a) - exp(b)) / a),
                  ("->", "", lambda b: exp(b), {"as_": "a", "order": 1})],
    "!=":        [("", lambda p, q: KL(p, q)), ("!=", "", lambda p, q: KL(q, p), {"slip": "0"})]}
FALSE = {
    "=":         lambda p, q: p / 2 + q,
    ">=":        lambda p, f: E(p, f) + 0.25,
    "<=":        lambda p, m: KL(p, m) - 0.25,
    "argmax":    lambda f: exp(f / 2) / sum(exp(f / 2)),
    "argmin":    lambda b: exp(b) + 0.5,
    "root":      lambda b: exp(b),
    "= + const": lambda p, q: -E(q, log(q)),
    "prop":      lambda p, q, a: a + p * q,
    "->":        lambda b: exp(b) + 1,
    "!=":        lambda p, q: E(p, log(p) - log(q))}


def in_relation(relation, f=None):
    first, (name, tex_, last, *options) = TRUE[relation]
    d = Derivation("d", WORLD)
    start = d("x")(types.FunctionType(first[1].__code__, globals(), f"start{len(lines.PAGES[__name__])}"))
    options = dict(options[0]) if options else {}
    if "over" in options:
        options["of"] = start
    end = types.FunctionType((f or last).__code__, globals(), f"end{len(lines.PAGES[__name__])}")
    return d(name, "y", **options)(end)


@pytest.mark.parametrize("relation", relations.RELATIONS)
def test_the_relation_holds(relation):
    line   = in_relation(relation)
    report = lines.check(line)
    assert not report.wrong and report.tested > 35
    for backend in ("strict",):
        with use(backend):
            assert not lines.check(line, 10).wrong


@pytest.mark.parametrize("relation", relations.RELATIONS)
def test_the_relation_can_fail(relation):
    assert lines.check(in_relation(relation, FALSE[relation])).wrong


@pytest.mark.parametrize("relation, options", [
    (">=", {"tight": {"f": lambda p: 0 * p + 2}}), (">=", {"gap": lambda p, f: log(E(p, exp(f))) - E(p, f)})])
def test_a_weaker_bound_is_noticed(relation, options):
    first, last = TRUE[relation][0][1], lambda p, f: E(p, f) - 1
    line = chain(("x", first), (relation, "y", last, options))
    assert "does not hold" in lines.check(line).wrong


def test_a_maximum_over_several_laws_is_one_for_each():
    world  = World("laws", X=size(2, 3), Z=size(2, 3), q=tex("q", simplex("X", "Z")), r=tex("r", simplex("X", "Z")))
    kl     = chain(("x", lambda q, r: -sum(KL(q, r))), world=world)
    shared = lambda r: exp(mean(log(r), 0)) / sum(exp(mean(log(r), 0))) + 0 * r     # the best q for all x
    for f, right in ((shared, False), (lambda r: r, True)):
        named = types.FunctionType(f.__code__, globals(), f"best{right}")
        assert bool(lines.check(kl.derivation("argmax", "y", of=kl, over="q")(named)).wrong) != right


def test_a_formula_that_changes_its_letters_fails_and_says_so():
    def doubled(f):
        f *= 2
        return f
    wrong = lines.check(chain(("f", lambda f: f), ("=", "2 f", doubled))).wrong
    assert "read-only" in wrong and "test_engine.line1_1  =  2 f" in wrong
    assert abs(WORLD.draw(1)[0].given["f"]).max() <= 3


def test_a_slip_has_to_have_a_value_or_another_shape():
    start = ("x", lambda p, q: KL(p, q))
    for wrong in (lambda p, q: KL(p, q, 3, 4, 5), lambda p: 0 * log(0 * p[0]), lambda p, q: KL(p, q) + 1e-9):
        assert lines.check(chain(start, ("!=", "y", wrong, {"slip": "0"}))).wrong
    assert not lines.check(chain(start, ("!=", "y", lambda p: p, {"slip": "0"}))).wrong


def test_a_failure_that_hypothesis_does_not_find_again_is_still_shown(monkeypatch):
    monkeypatch.setattr(World, "smallest", lambda *_: (_ for _ in ()).throw(NoSuchExample("")))
    assert "the smallest:\n    a = " in lines.check(chain(("a", lambda a: a), ("=", "a", lambda a: 2 * a))).wrong


def test_a_wrong_gap_is_told_from_a_wrong_bound():
    line = chain((r"\mathrm{KL}(p \Vert q)", lambda p, q: KL(p, q)),
                 (">=", "0", lambda: 0, {"gap": lambda p, q: 2 * KL(p, q)}))
    *_, before, ours = lines.check(line).wrong.splitlines()
    assert before.startswith("  it holds; the slack of  KL(p || q)") and ours.startswith("  while gap= says of")


def test_a_line_that_raises_stops_neither_the_page_nor_its_head(monkeypatch):
    line = chain(("2 a", lambda a: 2 * a), ("=", "a", lambda a: nothing(a)))           # noqa: F821
    head = run.of_line(line.to)
    monkeypatch.setattr(lines, "derivations_of", lambda topic: [line.derivation])
    rows, _ = run.of_page(("x", 0, 20, True))
    assert not head.wrong and head.mutants is None and "NameError" in rows[1].wrong[0]


def test_the_derivation_in_the_readme_is_one(tmp_path):
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    page   = tmp_path / "entropy.py"
    page.write_text(re.search(r'```python\n("""Entropy\..*?)```', readme, re.S)[1])
    spec = importlib.util.spec_from_file_location(__name__, page)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    rows = [run.of_line(line) for line in lines.PAGES[__name__][0].lines]
    assert len(rows) == 2 and not any(row.wrong for row in rows) and rows[1].count("killed") > 4


def test_a_world_without_room_is_refused():
    with pytest.raises(ValueError, match="hardly any generic"):
        World("no room", n=counts(3, high=1)).draw(50)


def test_equal_infinities_are_vacuous_and_different_ones_are_not_equal():
    inf, one = np.asarray([np.inf]), np.asarray([1.0])
    assert relations.compare((inf,), (inf,), 1e-12).status == "vacuous"
    assert relations.compare((one,), (inf,), 1e-12).status == "fails"
    assert relations.compare((-inf,), (inf,), 1e-12).status == "fails"
    assert relations.compare((one * np.nan,), (one * np.nan,), 1e-12).status == "fails"
    assert relations.at_least((-inf,), (one,), 1e-12).status == "fails"
    assert relations.at_least((one,), (-inf,), 1e-12).status == "holds"
    with pytest.raises(ValueError, match="shape"):
        relations.compare((one,), (np.ones((1, 1)),), 1e-12)


def test_a_line_that_is_hardly_ever_tested_is_refused():
    line = chain(("a", lambda a: a), ("=", "a", lambda a: a, {"where": lambda a: a > 2.9}))
    assert "tested in only" in lines.check(line).wrong
    line = chain(("a", lambda a: a / 0), ("=", "a", lambda a: 2 * a / 0))
    assert "tested in only" in lines.check(line).wrong
    line = chain(("a", lambda a: a), ("=", "a", lambda a: 2 * a), where=lambda a: a < 0)
    assert "tested in only 0" in lines.check(line).wrong


def test_a_failure_shows_the_smallest_world_in_four_lines():
    line = chain((r"\mathbb{E}_{p}[f]", lambda p, f: E(p, f)),
                 ("=", r"\frac{1}{2} f", lambda f: f / 2, {"by": "a guess"}))
    head, worlds, world, before, ours = lines.check(line).wrong.splitlines()
    assert head.split() == "test_engine.line1_1 = 1/2 f by: a guess".split()
    assert worlds.split()[:4] == "does not hold in".split() and worlds.endswith("the smallest:")
    assert world.split() == "X = 2 p = [1/2, 1/2] f = [1/8, 1/8]".split()
    assert before.split()[-2:] == ["=", "0.125"] and ours.endswith("= [0.0625, 0.0625]")


# ---- mutation --------------------------------------------------------------------------------------------------------
def changed(f, letters=()):
    return [mutant.change for mutant in mutate.mutants(f, letters, most=1000)]


def test_every_operator_of_mutation_changes_what_it_should():
    def f(p, q): return sum(log(p + q * 2)**2 - mean(-p / q) @ p.T, 1) > 0
    assert set(changed(f, [["p", "q"]])) >= {
        "p + q * 2 -> p - q * 2", "p + q * 2 -> p", "p + q * 2 -> q * 2", "q * 2 -> q / 2", "q * 2 -> q", "q * 2 -> 2",
        "2 -> 3", "2 -> 1", "log(p + q * 2) -> exp(p + q * 2)", "log(p + q * 2) -> p + q * 2",
        "-p / q -> -p * q", "-p -> p",
        "mean(-p / q) @ p.T -> p.T @ mean(-p / q)", "p.T -> p", "p -> q", "q -> p"}


def test_signatures_ranges_docstrings_and_checks_of_input_are_left_alone():
    def f(p, q=3):
        """Of 2."""
        if q < 0:
            raise ValueError("expected at least 0.")
        return p[1] + len(range(5))
    assert set(changed(f)) == {"p[1] + len(range(5)) -> p[1] - len(range(5))", "p[1] + len(range(5)) -> p[1]",
                               "p[1] + len(range(5)) -> len(range(5))", "1 -> 2", "1 -> 0"}


def test_several_lambdas_of_one_line_are_told_apart():
    table = {"a": lambda x: x + 1, "b": lambda x: x * 5}
    assert "x + 1 -> x - 1" in changed(table["a"]) and "x * 5 -> x / 5" in changed(table["b"])


def verdicts(line):
    return {v.change: v.status for v in mutate.of_line(line)}


def test_mutants_are_killed_crash_are_identities_or_are_weak():
    line = in_relation("=")
    assert set(verdicts(line).values()) == {"killed"}
    exact = chain(("x", lambda p: sum(p)), ("=", "y", lambda p, q: sum(p * q) / sum(q * p)))
    found = verdicts(exact)
    assert found["sum(q * p) -> mean(q * p)"] == "killed" and found["q -> p (2)"] == "killed"
    assert found["sum(p * q) / sum(q * p) -> sum(p * q)"] == "killed"
    ones = chain(("x", lambda p: sum(p)), ("=", "y", lambda p, q: sum(p) * sum(q)))
    assert verdicts(ones)["p -> q"] == "same" and verdicts(ones)["sum(p) * sum(q) -> sum(p) / sum(q)"] == "same"
    loose = chain(("x", lambda a: 0 * a + 100), (">=", "y", lambda a: a, {"gap": lambda a: 100 - a}))
    loose.gap = None
    assert "weak" in verdicts(loose).values()


def test_a_function_that_both_sides_call_is_pinned_by_neither():
    line = chain(("x", lambda p, q: latent.elbo(log(p), q)),
                 ("=", "y", lambda p, q: 1 * latent.elbo(log(p), q)))
    target, = [t for t in mutate.reached([line]) if t.name == "scratch.autoencoders.latent.elbo"]
    assert "weak" in {v.status for v in mutate.of_target(target)}
    pinned = chain(("x", lambda p, q: E(q, log(p) - log(q))), ("=", "y", lambda p, q: latent.elbo(log(p), q)))
    target, = [t for t in mutate.reached([pinned]) if t.name == "scratch.autoencoders.latent.elbo"]
    found = {v.change: v.status for v in mutate.of_target(target)}
    assert "weak" not in found.values() and list(found.values()).count("killed") > 5
    assert latent.elbo(xp.zeros(2), xp.asarray([0.5, 0.5])) == log(2)           # put back as it was


def test_a_survivor_is_a_complaint_and_a_stale_reason_too(monkeypatch):
    line = chain(("x", lambda p: sum(p)), ("=", "p", lambda p, q: sum(p) * sum(q)))
    row  = run.of_line(line)
    assert any("never changes the value" in text for text in row.wrong)
    monkeypatch.setattr(mutate, "listed", lambda: {(line.id, change): "sums are 1" for change in row.mutants})
    assert not any("never changes" in text for text in run.of_line(line).wrong)
    monkeypatch.setattr(mutate, "listed", lambda: {("elbo.bound", "1 -> 2"): "none"})
    assert any("no such survivor" in text for text in run.whole([], [])[1])


def test_what_was_never_tried_is_no_identity():
    head = chain(("x", lambda p, q: KL(p, q) * 17), ("!=", "y", lambda p, q: KL(q, p), {"slip": "0"})).to
    assert set(verdicts(head).values()) == {"untried"} and run.of_line(head).wrong
    where = {"where": lambda a: a > 99}
    assert set(verdicts(chain(("x", lambda a: 2 * a), ("=", "y", lambda a: a + a, where))).values()) == {"untried"}
    ran    = {half.__code__.co_firstlineno + 3}
    target = mutate.Target("f", half, [], [{"a": xp.asarray([1.0]), "twice": False}], ran)
    assert {v.change: v.status for v in mutate.of_target(target)}["a * 2 -> a"] == "untried"


def half(a, twice=False):
    if twice:
        a = a * 2
    return a / 2


def test_two_formulas_that_have_no_value_in_a_free_world_are_no_identity():
    line = chain(("x", lambda b: log(b - 4)), ("=", "y", lambda b: 2 * log(b - 4) / 2))
    assert "identity" not in verdicts(line).values()


def test_the_head_of_a_chain_is_changed_too():
    head  = chain(("x", lambda p, q: KL(p, q)), ("=", "y", lambda p, q: E(p, log(ratio(p, q))))).to
    assert verdicts(head)["KL(p, q) -> KL(q, p)"] == "killed"
    head  = chain(("x", lambda p, f, b: E(p, f) + b * (1 - sum(p))), ("=", "y", lambda p, f: E(p, f))).to
    found = verdicts(head)
    assert found["b * (1 - sum(p)) -> b / (1 - sum(p))"] == "killed"
    assert found["E(p, f) + b * (1 - sum(p)) -> E(p, f)"] == "true"


# ---- LaTeX -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("formula, f, agrees", [
    (r"\mathbb{E}_{p}\left[\log \frac{p}{q}\right]",  lambda p, q: E(p, log(ratio(p, q))),     True),
    (r"\mathbb{E}_{p}\left[\log \frac{p}{q}\right]",  lambda p, q: E(p, log(ratio(q, p))),     False),
    (r"\mathbb{E}_{p}\left[\log \frac{p}{q}\right]",  lambda p, q: E(p, log(p) - log(q)),      False),
    (r"\mathrm{KL}(p \Vert q) - \log 4",              lambda p, q: KL(p, q) - log(4),          True),
    (r"\mathrm{KL}(p \Vert q) + \log 4",              lambda p, q: KL(p, q) - log(4),          False),
    (r"\mathrm{KL}(p \Vert q) - \log 2",              lambda p, q: KL(p, q) - log(4),          False),
    (r"\sum_{x=1}^{X} p\, f^2",                       lambda p, f: sum(p * f**2),              True),
    (r"\sum_x p\, f",                                 lambda p, f: sum(p * f**2),              False),
    (r"\gamma p",                                     lambda p: p,                             False),
    (r"\log a + e^{b}",                               lambda a, b: exp(a) + log(b),            False),
    (r"e^{f} a",                                      lambda f, a: exp(f) * a,                 True),
    (r"\sqrt{a",                                      lambda a: relations.np.sqrt(a),           False),
    (r"\text{anything}",                              lambda p, q: KL(q, p),                   True)])
def test_the_latex_is_compared_with_the_code(formula, f, agrees):
    line = chain((formula, f))
    assert bool(latex.difference(line)) != agrees


def test_a_formula_is_shown_plainly():
    assert latex.plain(r"\mathbb{E}_{q}\left[\log \frac{p(x, z)}{q(z \mid x)}\right] - \mathrm{KL}(q \,\Vert\, p(z))") \
        == "E_q[log p(x, z)/q(z | x)] - KL(q || p(z))"
    assert latex.plain(r"\frac{\beta_t^2}{2\sigma_t^2}") == "beta_t^2/(2sigma_t^2)"


# ---- the index -------------------------------------------------------------------------------------------------------
def test_the_index_is_whole_and_its_parts_are_counted():
    assert len(statements.statements()) == 273
    assert list(statements.parts("a b:2 c:1-3")) == ["a", "b:2", "c:1", "c:2", "c:3"]


def test_the_rows_of_tables_are_functions_too():
    name = "scratch.diffusion.ddpm.<lambda> lambda s: s.beta"
    assert name in statements.functions()
    assert name in statements.unreached([]) and name not in statements.unreached([name])


def test_a_claim_that_names_nothing_and_a_statement_that_nobody_names_are_complaints(monkeypatch):
    monkeypatch.setattr(statements, "claimed", lambda: (
        {"kl-nonneg": ["elbo.a"], "kl-nonnegg": ["elbo.b"]}, {"mog-density": ["one"], "elbo-recon-kl": ["two"]}))
    monkeypatch.setattr(statements, "elsewhere", lambda: {
        "kl-nonneg": {"reason": "none"}, "gone": {"reason": "none"}, "kl-gaussian-1d": {"reason": "too hard"},
        "vq-loss": {"family": "vqvae"}, "mc-estimate": {"law": "tests/test_engine.py::test_that_is_not_there"},
        "scratch.gans.gone": {"reason": "none"}, "ebm-partition": {"reason": ""}, "bm-energy": {}})
    where, complaints = statements.coverage()
    said = "\n".join(complaints)
    assert where["kl-nonneg"] == where["mog-density"] == "covered"
    assert where["elbo-gap"] == where["elbo-recon-kl"] == ""
    for text in ("'kl-nonnegg', which is no statement", "a row for kl-nonneg, which", "'gone', which is no statement",
                 "kl-gaussian-1d is an identity", "'vqvae' is none of",
                 "no test tests/test_engine.py::test_that_is_not",
                 "'scratch.gans.gone', which is no", "ebm-partition: {'reason': ''}; expected",
                 "bm-energy: {}; expected",
                 "nothing covers elbo-gap", "definitions and objectives"):
        assert text in said, text


def test_functions_that_lines_do_not_reach_or_that_name_the_wrong_line_are_complaints(monkeypatch):
    monkeypatch.setattr(statements, "functions", lambda: {
        "scratch.a.f": "[elbo.bound]", "scratch.a.g": "", "scratch.a._h": "", "scratch.b.k": ""})
    monkeypatch.setattr(statements, "elsewhere", lambda: {"scratch.b": {"reason": "none"}})
    said = list(statements.uncited({"scratch.a.f": ["elbo.called"], "scratch.a.g": ["elbo.called"]}))
    assert said == ["no line reaches scratch.a._h, and elsewhere.toml has no row for it",
                    "scratch.a.f names the line elbo.bound, which does not reach it",
                    "scratch.a.g names none of the lines that reach it: elbo.called"]


def test_a_chain_that_does_not_go_on_is_an_orphan(monkeypatch):
    line = chain(("a", lambda a: a))
    monkeypatch.setattr(lines, "topics", lambda: ["one"])
    monkeypatch.setattr(lines, "lines_of", lambda topic: [line])
    assert list(run.orphans()) == ["test_engine.line1_0 starts a chain that does not go on: nothing checks it"]


def test_no_letter_runs_what_is_changed():
    """So letters can be kept while functions of scratch are changed; and what a line is to pin is no part of its
    world."""
    ran = []
    for topic in lines.topics():
        for world in {d.world for d in lines.derivations_of(topic)}:
            s = next(s for s in world.draw(100) if not s.corner)
            sys.settrace(lambda frame, *_: ran.append(frame.f_code) if mutate.of_scratch(frame.f_code) else None)
            try:
                for name in world.letters:
                    with relations.quiet(), contextlib.suppress(ValueError, IndexError, np.linalg.LinAlgError):
                        s[name]                 # outside its derivation's condition a letter may raise
            finally:
                sys.settrace(None)
            assert not ran, f"{topic}, {world.name}: {ran}"


# ---- what is told of a mutant ----------------------------------------------------------------------------------------
def test_a_mutant_says_what_stood_there_and_who_noticed():
    head = lines.line_of("elbo.evidence")
    for verdicts in (mutate.of_line(head), mutate.of_line(lines.line_of("elbo.split"))):
        assert all(v.change.startswith(ast.unparse(v.node) + " -> ") for v in verdicts)
    kills = run.told_of(mutate.of_line(head))[1]
    assert kills and {kill.line for kill in kills} <= {line.id for line in mutate.checked_by(head)}


def test_a_function_of_two_pages_keeps_each_of_its_kills_once():
    kills = {change: run.Kill(change, (1, 0), "line", "world", []) for change in "xy"}
    rows  = [run.Row("f", "t", mutants=dict(x=mutate.CRASHED, y=mutate.KILLED), kills=[kills["y"]], lines=["a"]),
             run.Row("f", "t", mutants=dict(x=mutate.KILLED, y=mutate.KILLED), kills=list(kills.values()), lines=["b"])]
    row,  = run.merged(rows)
    assert row.kills == [kills["y"], kills["x"]] and row.mutants == dict(x=mutate.KILLED, y=mutate.KILLED)
    assert rows[0].kills == [kills["y"]]


def test_a_change_is_tried_in_corners_too_and_leaves_no_argument_behind():
    assert {bool(s.corner) for s in mutate.some(lines.line_of("elbo.bound"), 3)} == {False, True}
    for m in mutate.mutants(lambda p: p + 1, [["p", "q"]]):
        assert (m.code.co_varnames[:m.code.co_argcount] == ("p",)) == (not m.change.endswith("q")), m.change


def test_letters_and_functions_of_a_line_are_changed_and_every_kill_is_told():
    world = World("letters", X=size(2, 3), p=simplex("X"), q=simplex("X"), m=let("m", lambda p: p * 2))
    line  = chain(("x", lambda p, q: E(q, log(p) - log(q)) + sum(p * 2 * q)),
                  ("=", "y", lambda p, m, q: latent.elbo(log(p), q) + sum(m * q)), world=world)
    rows  = run.of_functions([line])
    assert {row.id for row in rows} == {"scratch.autoencoders.latent.elbo", "m (letters)"}
    assert all(len(row.kills) == row.count(mutate.KILLED) > 0 and not row.count(mutate.WEAK) for row in rows)
