"""The book before a browser sees it: its text, its formulas, its code, its worlds, its road."""
import collections
import contextlib
import html
import json
import re
import types
from xml.etree import ElementTree

import numpy as np
import pytest

from derivations import book as books, slips
from derivations.book import code, dice, index, mathml, pages, pictures, road, text
from derivations.elbo import elbo, one_z
from derivations.engine import line as lines, mutate, run
from derivations.engine.index import functions as functions_of_scratch
from derivations.engine.relations import quiet
from scratch.models import MODELS

TOPICS   = lines.topics()
PAGES    = {topic: text.page_of(topic) for topic in TOPICS}
SECTIONS = [section for page in PAGES.values() for section in page.sections]
LINES    = [line for topic in TOPICS for line in lines.lines_of(topic)]
PICTURES = [(topic, picture) for topic in TOPICS for picture in pictures.of(topic)]

by_topic = pytest.mark.parametrize("topic", TOPICS)


# ---- text ------------------------------------------------------------------------------------------------------------
@by_topic
def test_a_page_has_every_line_once(topic):
    assert collections.Counter(line for s in PAGES[topic].sections for _, line in s.lines) == \
        collections.Counter(lines.lines_of(topic))


@pytest.mark.parametrize("topic", road.ROAD)
def test_a_page_opens_with_a_question(topic):
    page = PAGES[topic]
    assert "?" in page.question and len(page.question.split()) <= 60 and page.title and page.sources


@pytest.mark.parametrize("section", [s for s in SECTIONS if s.derivation.topic in road.ROAD],
                         ids=lambda s: f"{s.derivation.topic}: {s.title}")
def test_a_section_opens_with_prose_and_is_short(section):
    assert section.lines[0][0], "nothing says what the section is for"
    assert len(section.lines) <= text.LINES
    for prose, line in section.lines:
        assert text.words(prose) <= text.WORDS, f"{text.words(prose)} words before {line.id}"
        for name in text.targets(prose):
            assert name in TOPICS or lines.line_of(name)
        check_markup(text.as_html(prose))


def check_markup(made):
    """No markup is left in what a reader sees, in a formula or around it."""
    assert not re.search(r"[$*\[\]\\]", re.sub(r"<math.*?</math>|<a [^>]*>", "", made)), made
    for math in re.findall(r"<math.*?</math>", made, re.S):
        assert "\\" not in "".join(ElementTree.fromstring(math).itertext()) and "merror" not in math, math


@pytest.mark.parametrize("number", slips.SLIPS)
def test_a_slip_is_set_as_prose_is(number):
    for field in ("says", "right", "when"):
        check_markup(text.as_html(getattr(slips.SLIPS[number], field)))


@by_topic
def test_an_id_on_a_page_stands_for_one_thing(topic):
    ids = [s.anchor for s in PAGES[topic].sections] + [line.name for line in lines.lines_of(topic)]
    ids += ["s-beside", "s-all", "book-data", *(f"slip-{number}" for number in slips.SLIPS)]
    assert max(collections.Counter(ids).values()) == 1
    keys = [pages.key(d) for d in lines.derivations_of(topic)]
    assert len(set(keys)) == len(keys)


def test_the_promised_limits_are_kept():
    assert (text.WORDS, text.LINES, dice.ROLLS) == (60, 12, 40)


def test_prose_becomes_html():
    made = text.as_html(r"A *law* & `code` of -1 to 2-3, $x < 1$, [elbo.bound] and [the $q$ of it](elbo.best)."
                        "\n\nMore.", link=lambda name: f"to-{name}")
    assert made.count("<p>") == 2 and "<dfn>law</dfn> &amp; <code>code</code> of −1 to 2-3" in made
    assert '<a href="to-elbo.bound">elbo.bound</a>' in made
    assert re.search('<a href="to-elbo.best">the <math.*</math> of it</a>[.]', made)
    assert text.as_html("`a < b`, $x$, on").startswith("<p><code>a &lt; b</code>, <span class=whole><math")
    assert "</math>,</span> on" in text.as_html("$x$, on")
    assert text.words("one $a b c$ [two three](elbo.best) *four*") == 5


# ---- the road --------------------------------------------------------------------------------------------------------
def test_a_topic_is_on_the_road_once_and_the_sections_named_exist_in_their_order():
    assert set(road.ROAD) <= set(TOPICS) and not set(road.SPINE) & set(road.BESIDE) and len(road.ROAD) >= 13
    for topic, stop in road.ROAD.items():
        titles = [s.title for s in PAGES[topic].sections]
        assert stop.sections == [title for title in titles if title in stop.sections], topic
        first, others = road.parted(PAGES[topic])
        assert len(first) <= 5 and sum(len(s.lines) for s in first) <= 35 and len(first) + len(others) == len(titles)


def test_the_road_is_walked_from_the_first_page_to_the_last_and_back():
    names, here = [], "foundations"
    while here:
        names.append(here)
        before, after = road.neighbours(here)
        assert before == (names[-2] if len(names) > 1 else None)
        here = after
    assert names == list(road.ROAD) and names[0] == "foundations" and names[-1] == "slips"
    assert names.index("divergences") < names.index("elbo") < names.index("mixtures") < names.index("vae") \
        < names.index("hierarchical") < names.index("diffusion")
    assert road.neighbours("a topic of yours") == (None, None)


# ---- formulas --------------------------------------------------------------------------------------------------------
def formulas(made):
    return [ElementTree.fromstring(m) for m in re.findall(r"<math.*?</math>", made, re.S)]


def test_every_formula_of_the_book_is_set_and_says_its_latex():
    for line in LINES:
        made = mathml.formula(line.latex, pages.symbols(line), line.let)
        for math in formulas(made):
            seen = "".join(math.itertext())
            assert seen.strip() and "\\" not in seen and math.find(".//merror") is None, line.id
        assert ElementTree.fromstring(made).get("aria-label").endswith(line.latex)
    for letter in {letter.latex for line in LINES for letter in line.world.letters.values()}:
        assert "".join(formulas(mathml.inline(letter))[0].itertext()).strip()


@pytest.mark.parametrize("latex, wanted", [
    (r"\log p",          "<mi>log</mi><mspace width='0.167em'/><mi>p</mi>"),
    (r"\log 4",          "<mi>log</mi><mspace width='0.167em'/><mn>4</mn>"),
    (r"\log(p)",         "<mi>log</mi><mo stretchy='false'>(</mo><mi>p</mi><mo stretchy='false'>)</mo>"),
    (r"p \log q",        "<mi>p</mi><mspace width='0.167em'/><mi>log</mi><mspace width='0.167em'/><mi>q</mi>"),
    (r"\mathrm{KL}",     "<mi>KL</mi>"),
    (r"\operatorname{elbo} q", "<mi>elbo</mi><mi>q</mi>"),
    (r"\mathrm{H}",     "<mi mathvariant='normal'>H</mi>"),
    (r"\bar x",          "<mover accent='true'><mi>x</mi><mo stretchy='false'>¯</mo></mover>"),
    (r"\beta_t^2",       "<mrow data-letter='beta'><msubsup><mi>β</mi><mi>t</mi><mn>2</mn></msubsup></mrow>"),
    (r"\text{a \beta_t}", None),
])
def test_what_the_converter_leaves_to_be_wished_for_is_mended(latex, wanted):
    made = mathml.inline(latex, {"beta": r"\beta_t"})
    if wanted is None:
        assert "data-letter" not in made
    else:
        inner = re.fullmatch(r"<math[^>]*>(.*)</math>", made)[1]
        assert inner.replace('"', "'").replace(" />", "/>") == wanted


def test_a_letter_is_marked_wherever_it_stands_and_the_longest_wins():
    letters = {name: letter.latex for name, letter in one_z.letters.items()}
    made = mathml.formula(r"\mathbb{E}_q[\log p(x, z)] - p(x) + \hat p(x) + q(z \mid x)", letters)
    marks = re.findall(r'data-letter="(\w+)"', made)
    assert marks == ["q", "p_xz", "p_x", "q"]
    for latex, known, mark in ((r"\beta_t", dict(a=r"\beta", b=r"\beta_t"), "b"),
                               ("p(x) p", dict(a="p(x)", b="p(z)"), "a")):
        assert re.findall(r'data-letter="(\w+)"', mathml.inline(latex, known)) == [mark]
    assert 'alttext="\\beta_t"' in mathml.inline(r"\beta_t", {"beta": r"\beta_t"})
    assert {*re.findall(r'data-letter="(\w+)"', code.of_line(lines.line_of("elbo.split")))} == {"q", "p_xz", "p_z_x"}


def test_a_sum_may_be_broken_before_a_sign_that_stands_in_no_bracket():
    def pieces(latex):
        return ["".join(math.itertext()) for math in formulas(mathml.formula(latex))]
    assert pieces("a + b - c") == ["a", "+b", "−c"] and pieces("(a + b) c") == ["(a+b)c"]
    assert pieces(r"-a + \left[b - c\right]") == ["−a", "+[b−c]"] and pieces("a = -b") == ["a", "=−b"]
    assert [math[0].get("form") for math in formulas(mathml.formula("a + b"))] == [None, "infix"]
    assert pieces("f, -a") == ["f,−a"]


def test_the_font_has_what_the_formulas_need_and_little_more(tmp_path):
    from fontTools.ttLib import TTFont
    made = mathml.inline(r"\sqrt{\mathbb{E}[x]} + \beta")
    path = tmp_path / "math.woff"
    path.write_bytes(books.font(mathml.characters(made)))
    font = TTFont(path)
    known = set(map(chr, font.getBestCmap()))
    assert set("√𝔼β[]+x") <= known and "γ" not in known and "MATH" in font
    assert path.stat().st_size < 100_000 and "OFL" in str(font["name"].getDebugName(14))


# ---- code ------------------------------------------------------------------------------------------------------------
def test_code_says_what_the_file_says():
    for line in LINES:
        node = mutate.tree_of(line.f.__code__)
        body = node.body[0].value if isinstance(node.body[0], code.ast.Return) else node
        seen = html.unescape(re.sub("<[^>]+>", "", code.of_line(line)))
        if body is not node:
            assert code.ast.unparse(code.ast.parse(f"({seen})")) == code.ast.unparse(body), line.id
        else:
            assert code.ast.unparse(code.ast.parse(seen)) == code.ast.unparse(code.ast.Module(node.body, [])), line.id


@pytest.mark.parametrize("name", ["elbo.split", "mixtures.covariance_gradient_posterior", "diffusion.posterior",
                                  "gan.value", "estimators.naive_log", "diffusion.conditioned",
                                  "divergences.kl_called"])
def test_the_sign_that_is_tapped_is_the_one_that_was_changed(name):
    line     = lines.line_of(name)
    verdicts = [v for v in mutate.of_line(line) if v.status == mutate.KILLED]
    kills    = run.told_of(verdicts)[1]
    found    = re.findall(r'data-kills="([\d ]+)">([^<]+)<', code.of_line(line, kills))
    taps     = {int(i): sign for numbers, sign in found for i in numbers.split()}
    assert sorted(taps) == list(range(len(kills))) and kills
    signs = {"Add": "+", "Sub": "-", "Mult": "*", "Div": "/", "Pow": "**", "MatMult": "@", "USub": "-"}
    for i, v in enumerate(verdicts):
        node = v.node
        name = mutate._called(node) if hasattr(node, "func") else getattr(node, "attr", None) or code.ast.unparse(node)
        assert taps[i] == signs.get(type(getattr(node, "op", None)).__name__, name), v.change


def test_a_refuted_change_is_refuted_in_the_world_that_is_shown():
    line = lines.line_of("elbo.split")
    for kill, v in zip(run.told_of(found := [v for v in mutate.of_line(line) if v.status == mutate.KILLED])[1], found):
        assert kill.line == "elbo.split" and kill.change == v.change
        before, ours = v.outcome.before[0], v.outcome.ours[0]
        assert kill.sides == [f"the line before {lines.numbers((before,))}", f"this line {lines.numbers((ours,))}"]
        assert before.shape != ours.shape or not np.allclose(before, ours)
        assert all(lines.as_fractions(v.world.given[name]) in kill.world for name in ("q", "p_z", "p_x_z"))


# ---- worlds ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("derivation", [elbo, *lines.derivations_of("slips")[:3], lines.derivations_of("vae")[2]],
                         ids=lambda d: f"{d.topic}: {d.name}")
def test_the_worlds_on_a_page_are_those_that_the_lines_are_checked_in(derivation):
    roll = dice.rolled(derivation)
    drawn = [json.dumps([values[i] for values in roll["letters"].values()]) for i in range(dice.ROLLS)]
    assert len(set(drawn)) == dice.ROLLS
    pool = {json.dumps([dice.letter(s, name) for name in roll["letters"]]): s for s in derivation.world.draw(100)}
    for i in range(dice.ROLLS):
        s = pool[drawn[i]]
        with quiet():
            assert {id: values[i] for id, values in roll["lines"].items()} == \
                {id: dice.value(s, lines.line_of(id)) for id in roll["lines"]}
    assert set(roll["lines"]) >= {line.id for line in derivation.lines}


def test_values_are_written_as_one_reads_them():
    s = one_z.draw(1)[0].put(q=np.asarray([[0.5, 0.5], [0.25, 0.75]]))
    assert dice.letter(s, "q") == "[[1/2, 1/2], [1/4, 3/4]]" and dice._texts((np.asarray(-0.25),)) == "−0.25"
    assert dice._texts((np.arange(20.).reshape(4, 5),)) == "[0, 1, 2, 3, … (4 × 5)"
    nowhere = types.SimpleNamespace(applies=lambda s: False, relation="=")
    raises  = types.SimpleNamespace(applies=lambda s: 1 / 0, relation="=")
    assert dice.value(s, nowhere) == dice.UNSAID and "cannot be evaluated: division" in dice.value(s, raises)
    value = types.SimpleNamespace(applies=lambda s: True, relation="=", value=lambda s: (np.asarray(-0.),))
    slip  = types.SimpleNamespace(applies=lambda s: True, relation="!=", value=lambda s: (np.asarray(0.),), to=value)
    assert dice.value(s, value) == "0" and dice.value(s, slip) == f"0 ({dice.AGREE})"


def test_the_button_shows_worlds_where_the_condition_holds_and_all_lines_that_are_compared():
    for topic in TOPICS:
        for d in lines.derivations_of(topic)[:3]:
            roll = dice.rolled(d, 3)
            assert dice.UNSAID not in roll["lines"][d.lines[0].id]
            assert set(roll["lines"]) == {each.id for line in d.lines for each in (line, line.to) if each}
            assert not [value for line in d.lines if line.relation != "!=" for value in roll["lines"][line.id]
                        if "cannot be evaluated" in value]


# ---- pictures --------------------------------------------------------------------------------------------------------
def test_every_page_opens_with_a_picture_and_every_family_has_three():
    for topic in road.ROAD:
        beside = [picture.beside for picture in pictures.of(topic)]
        assert beside and beside[0] == "" and "" not in beside[1:] and len(set(beside)) == len(beside), topic
        assert set(beside[1:]) <= {s.title for s in PAGES[topic].sections} | {line.id for line in lines.lines_of(topic)}
    for family in "divergences estimators mixtures elbo vae hierarchical gan diffusion evaluation flows".split():
        assert len(pictures.of(family)) >= 3, family
    assert pictures.of("a topic of yours") == []


@pytest.mark.parametrize("topic, picture", PICTURES, ids=lambda x: getattr(x, "name", x))
def test_a_picture_is_drawn_in_the_readers_colours_and_says_its_numbers(topic, picture):
    svg, told = picture.drawn()
    ElementTree.fromstring(svg)
    assert "currentColor" in svg and "#000000" not in svg and "fill: #ffffff" not in svg
    assert not re.search(r"[{}$\\]|-\d|nan|inf\b", told) and len(told.split()) <= 80 and picture.title


def test_what_every_model_learns_is_shown():
    assert {path.stem for path in pages.LEARNED.iterdir()} == set(MODELS)


# ---- what the machine says of a line ---------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def found():
    """A book of rows that nobody checked, but for two."""
    rows = [run.Row(line.id, line.topic, tested=90, residual=2e-16, slip=line.slip or "",
                    differs=80 if line.relation == "!=" else None) for line in LINES]
    by_id = {row.id: row for row in rows}
    by_id["elbo.bound"].wrong = ["elbo.bound does not hold <here>"]
    by_id["elbo.split"].mutants = {"a": mutate.KILLED, "b": mutate.KILLED, "c": mutate.CRASHED, "d": mutate.PROVEN}
    functions = [run.Row("scratch.autoencoders.latent.elbo", "elbo", mutants={"a": mutate.KILLED},
                         lines=["elbo.called"])]
    some  = {"letters": collections.defaultdict(lambda: ["1/2"]), "lines": collections.defaultdict(lambda: ["−0.7"])}
    rolls = {d: some for topic in TOPICS for d in lines.derivations_of(topic)}
    return pages.Book(rows, functions, rolls, collections.defaultdict(str))


def told(book, name):
    line = lines.line_of(name)
    return " · ".join(pages.tally(book, line, book.rows[name]))


def test_a_tick_is_earned(found):
    assert "✓" in told(found, "elbo.split") and "90 worlds · largest residual 2e-16" in told(found, "elbo.split")
    assert "2 of 2 changes noticed, besides 1 the same formula, 1 cannot be evaluated" in told(found, "elbo.split")
    assert "✗" in told(found, "elbo.bound") and "<pre>elbo.bound does not hold &lt;here&gt;</pre>" in \
        pages.line(found, lines.line_of("elbo.bound"), found.rolls[elbo], set())
    assert "equal when <math" in told(found, "elbo.bound") and "KL(q, p_z_x)" in told(found, "elbo.bound")
    unknown = types.SimpleNamespace(**{**vars(lines.line_of("slips.data_above")), "slip": "<99>"})
    assert "slip &lt;99&gt; · another" in " · ".join(pages.tally(found, unknown, found.rows["slips.data_above"]))
    assert "rests on <a href=\"elbo.html#split\">" in told(found, "elbo.gap")
    assert "slip 8" in (slip := told(found, "slips.data_above")) and "another value in 80 of 90 worlds" in slip
    assert told(found, "elbo.evidence").startswith("a chain starts") and "latent.elbo" in told(found, "elbo.called")


def test_the_index_counts_and_complains(found):
    _, body, _ = index.index(found, {"a": "covered", "b": "covered", "c": "law", "d": "family"}, ["bound < 0"])
    kinds = collections.Counter(line.relation for line in LINES)
    claims = len(LINES) - kinds[None] - kinds["!="]
    assert f"<b>{len(LINES)}</b> lines: {claims} say something of the line before, of which 1 fails" in body
    assert f"{kinds['!=']} are formulas as printed" in body and f"{kinds[None]} begin a chain" in body
    assert "<b>2</b> of the 4 statements" in body and "<pre>bound &lt; 0</pre>" in body and "<b>3</b> changes" in body
    assert "1 stand in tests, 1 wait for models" in body
    assert "What is wrong" not in index.index(found, {}, [])[1]
    assert body.count("<circle class=right") + body.count("<circle class=slip") == len(LINES) - 1
    assert body.count("<circle class=wrong") == 1 and f"<b>{len(slips.SLIPS)}</b>" in body


def test_a_function_that_a_line_names_stands_below_it_once_with_a_link_to_its_own_page(found):
    _, body, _ = pages.topic(found, "elbo")
    assert body.count("def</span> elbo(log_p_xz, q)") == 1
    addresses = [pages.address(name) for name in functions_of_scratch()]
    assert len(set(map(str.lower, addresses))) == len(addresses) > 100
    assert pages.address("scratch.autoencoders.latent.elbo") == "code/autoencoders.latent.elbo.html"
    _, own, _ = index.function(found, "scratch.autoencoders.latent.elbo")
    assert "elbo(log_p_xz, q)" in own and '<a href="../elbo.html#called">' in own


def test_a_line_that_is_compared_with_another_than_the_one_before_says_so(found):
    assert 'href="elbo.html#of_q"' in pages.compared(found, lines.line_of("elbo.best"))
    assert pages.compared(found, lines.line_of("elbo.bayes")) == ""
    assert 'title="gan.at_best"' in pages.compared(found, lines.line_of("slips.data_above"))


def test_every_slip_stands_in_the_table_with_the_lines_that_show_it(found):
    table = pages.slip_table(found)
    for number, slip in slips.SLIPS.items():
        row = re.search(f'<tr id="slip-{number}">(.*?)</tr>', table, re.S)[1]
        shown = {line.id for line in LINES if line.relation == "!=" and str(line.slip) == number}
        assert {f'"{found.link(id)}"' for id in shown} == set(re.findall(r'href=("[^"]+")', row)), number
        assert slip.kind in row and (slip.kind == "notation" or shown)


def test_every_letter_stands_among_the_symbols(found):
    _, body, _ = index.symbols(found)
    names = {name for line in LINES for name, letter in line.world.letters.items() if not letter.is_size}
    assert names == set(re.findall(r"<td><code>(\w+)</code>", body))


@by_topic
def test_a_page_has_all_of_its_parts(found, topic):
    _, body, data = pages.topic(found, topic)
    page = PAGES[topic]
    assert re.findall('<article class="line(?: slip)?" id="(\\w+)"', body) == \
        [line.name for part in road.parted(page) for s in part for _, line in s.lines]
    assert "<p class=question>" in body and body.index("<figure>") < body.index("<section")
    assert body.count("<div class=prose>") == sum(bool(prose) for s in page.sections for prose, _ in s.lines)
    for s in page.sections:
        assert f'<section id="{s.anchor}"' in body and f'<li><a href="#{s.anchor}">' in body
        if s.derivation.where:
            assert f"They hold where <code>{html.escape(code.of_lambda(s.derivation.where))}" in body
    for model, entry in MODELS.items():
        rests = topic in entry.derivations.split()
        assert (f"scratch train {model}<" in body) == (f'src="learned/{model}.' in body) == rests
    for picture in pictures.of(topic):
        assert f'src="pictures/{topic}-{picture.name}.svg" alt="{html.escape(picture.title)}' in body


def test_a_line_shows_its_own_value_its_reason_and_what_it_claims(found):
    line = lines.line_of("elbo.bound")
    made = pages.line(found, line, dict(lines={line.id: ["ours"], line.to.id: ["before"]}), set())
    assert '≥ <span data-line="elbo.bound">ours</span>' in made and "before" not in made
    for line in LINES:
        said, made = told(found, line.id), pages.line(found, line, found.rolls[line.derivation], set())
        assert bool(line.where) == ("· where <code>" in said) and bool(line.reading) == ("read so: " in said), line.id
        assert bool(line.why) == (" · to " in said) and bool(line.by) == ("<p class=by>" in made), line.id
        assert (line.relation == "= + const") == ("+ const</span>" in made), line.id


def test_the_ways_on_lead_on_and_the_map_has_every_line_and_thread(found):
    assert '<a href="mixtures.html" rel=next>→' in pages.way_on(found, "elbo")
    assert '<a href="divergences.html" rel=prev>←' in pages.way_on(found, "elbo")
    made = index.atlas(found)
    at   = re.findall(r'aria-label="([\w.]+)"><circle class=\w+ cx="(\d+)" cy="([\d.]+)"', made)
    at   = {id: (float(x), float(y)) for id, x, y in at}
    ends = re.findall(r'<path d="M(\d+) ([\d.]+) Q\S+ \S+ (\d+) ([\d.]+)"', made)
    assert sorted(tuple(map(float, end)) for end in ends) == \
        sorted((*at[line.id], *at[line.rests_on.id]) for line in LINES if line.rests_on)
    assert all(f'<a href="{found.link(line.id)}"' in made for line in LINES)
    assert re.findall(r'<li><a href="(\w+)\.html"><img', index.index(found, {}, [])[1]) == list(road.ROAD)


def test_the_text_of_a_lambda_is_found_by_its_name():
    names = [name for name in functions_of_scratch() if " lambda" in name]
    assert len(names) > 5 and all(code.ast.unparse(pages.found(name)[1]) == name.partition(" ")[2] for name in names)


# ---- the folder ------------------------------------------------------------------------------------------------------
def test_the_book_is_not_written_over_something_else(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="there is something that is no book; expected a new folder"):
        books.build(tmp_path)
    with pytest.raises(ValueError, match="no book"):
        books.build(tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_no_text_can_end_the_script_that_holds_it():
    page = books.document("code/x.html", "a < b", "", {"kills": "</script><b>"})
    assert "</script><b>" not in page and "<\\/script>" in page and "<title>a &lt; b</title>" in page
    assert '"../book.css"' in page and json.loads(re.search("id=book-data>(.*)</script>", page)[1]) == \
        {"kills": "</script><b>"}


def test_a_book_is_built_over_an_older_one_and_holds_all_of_it(tmp_path, monkeypatch):
    def checked(job):
        d = lines.derivations_of(job[0])[job[1]]
        return ([run.Row(line.id, d.topic, tested=9, differs=1) for line in d.lines],
                [run.Row("scratch.autoencoders.latent.elbo", d.topic, mutants={"a": mutate.KILLED},
                         lines=["elbo.called"])],
                dict(of=d))
    rolls = {}
    monkeypatch.setattr(books, "_checked", checked)
    monkeypatch.setattr(books, "_drawn", lambda job: (f"svg of {job}", f"caption of {job}"))
    monkeypatch.setattr(run, "workers", lambda *_: contextlib.nullcontext(map))
    monkeypatch.setattr(run, "whole", lambda rows, functions: ({}, [f"{len(functions)} functions are left out"]))
    monkeypatch.setattr(pages, "topic", lambda book, topic: rolls.update(book.rolls) or (topic, topic, {}))
    out = tmp_path / "book"
    for old in (out / "gone.html", out / "code" / "gone.html", out / "book.css"):
        old.parent.mkdir(parents=True, exist_ok=True)
        old.write_text("old")
    assert books.build(out) == ["1 functions are left out"]
    assert all(roll["of"] is d for d, roll in rolls.items()) and len(rolls) > 100
    assert (out / "pictures" / "elbo-bar.svg").read_text() == "svg of ('elbo', 'bar')"
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert files == {"index.html", "symbols.html", "functions.html", "book.css", "book.js", "math.woff",
                     "code/autoencoders.latent.elbo.html", *(f"{topic}.html" for topic in TOPICS),
                     *(f"pictures/{topic}-{picture.name}.svg" for topic, picture in PICTURES),
                     *(f"learned/{path.name}" for path in pages.LEARNED.iterdir())}
    assert (out / "book.css").read_text() != "old" and "<meta charset=utf-8>" in (out / "elbo.html").read_text()


def test_it_is_served_to_this_machine_alone_at_another_port_where_the_first_is_taken(tmp_path, monkeypatch):
    asked, said = [], []

    class Server(contextlib.nullcontext):
        def __init__(self, where, handler):
            asked.append(where)
            if where[1]:
                raise OSError("taken")
            self.server_port, self.enter_result = 5, self

        def serve_forever(self):
            said.append("served")

    monkeypatch.setattr(books.http.server, "ThreadingHTTPServer", Server)
    books.serve(tmp_path, said.append, 8000)
    assert asked == [("127.0.0.1", 8000), ("127.0.0.1", 0)] and said == ["http://127.0.0.1:5/", "served"]
