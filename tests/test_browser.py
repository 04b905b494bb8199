"""Laws of the book in a real browser: what a reader sees, wherever and however it is opened. Every law has a page that
breaks it.

It needs Debian's Chromium, and Playwright to drive it; it installs neither. Every page is opened once with scripts and
once without, and all laws are read off while it is open. Writing the book tries every change of every line and every
function: whether that found something wrong is asked here, once, with a browser or without.
"""
import os
import shutil
import socket
import subprocess
import sys
import unicodedata
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from fontTools.ttLib import TTFont

from derivations.engine import line as lines

ROOT = Path(__file__).resolve().parent.parent
ENV  = dict(os.environ, PYTHONPATH=str(ROOT))
DESK, PHONE, PAPER = (dict(width=width, height=900) for width in (1280, 375, 718))         # A4 without its margins

#   law                                         what is found where it does not hold;  what breaks it
ON_A_DESK = {
    "no formula is an error": (
        "all('merror')", "<math><merror><mi>x</mi></merror></math>"),
    "no LaTeX is left to be seen in a formula": (
        r"all('math').filter(m => m.textContent.includes('\\'))", r"<math><mi>\alpha</mi></math>"),
    "no formula is empty": (
        "all('math').filter(m => !m.textContent.trim())", "<math> </math>"),
    "a gap follows the name of a function": (
        "all('math mi').filter(crowded)", "<math><mi>log</mi><mi>p</mi></math>"),
    "no formula is cut off above or below": (
        "all('.formula math').filter(m => cut(m, m.closest('.formula')))",
        "<p class=formula style='height: 4px'><math><mi>x</mi></math></p>"),
    "an id is given once": (
        "all('[id]').filter(e => named(e.id).length > 1)", "<i id=a></i><i id=a></i>"),
    "a picture is there": (
        "all('img').filter(i => !i.naturalWidth)", "<img src=no.svg alt=no>"),
    "a picture is told to whoever cannot see it": (
        "all('img:not([alt]), svg:not([aria-label])')", "<img src=pictures/elbo-bar.svg>"),
    "there is one title and one main part": (
        "all('h1').length == 1 && all('main').length == 1 ? [] : all('h1, main')", "<main></main>"),
    "the language is told": (
        "all('html:not([lang=en])')", "<script>document.documentElement.lang = ''</script>"),
    "headings skip no level": (
        "all('h1, h2, h3, h4, h5, h6').filter((h, i, hs) => level(h) > (i && level(hs[i - 1])) + 1)", "<h5>deep</h5>"),
    "a line has mathematics and code": (
        "all('.line:not(.alone)').filter(l => !math(l) || !code(l))", "<article class=line></article>"),
    "both columns begin at the same height": (
        "both.filter(l => Math.abs(box(math(l)).top - box(code(l)).top) > 1)",
        "<style>.line .code { margin-top: 2px }</style>"),
    "code stands on the right of mathematics": (
        "both.filter(l => box(code(l)).left < box(math(l)).right)",
        "<style>.line .code { margin-left: -3rem }</style>"),
    "neither column is narrow": (
        "both.filter(l => Math.min(box(code(l)).width, box(math(l)).width) < 400)",
        "<style>.line .code { width: 20rem }</style>"),
    "no column sticks out of the page": (
        "both.filter(l => box(code(l)).right > box(document.body).right)",
        "<style>.line .code { width: 50rem }</style>"),
    "what is wide scrolls in a box of its own": (
        "all('.formula, pre').filter(spills)", "<pre style='overflow: visible'>" + "wide " * 99 + "</pre>"),
    "the page is no wider than the window": (
        "wide()", "<p style='width: 1400px'>wide</p>"),
}
ON_A_PHONE = {
    "on a phone the page is no wider than the window": (
        "wide()", "<p style='width: 380px'>wide</p>"),
    "on a phone code stands below mathematics": (
        "both.filter(l => box(code(l)).top < box(math(l)).bottom)",
        "<style>.line { grid-template-columns: 1fr 1fr !important }</style>"),
    "on a phone both are as wide as their line": (
        "both.filter(l => Math.min(box(code(l)).width, box(math(l)).width) < box(l).width - 1)",
        "<style>.line .code { width: 80% }</style>"),
    "on a phone what is wide scrolls by itself": (
        "all('.formula, pre').filter(spills)", "<pre style='overflow: visible'>" + "wide " * 30 + "</pre>"),
}
IN_THE_LIGHT = {
    "by day the page is light": (
        "lightness(ground(document.body)) > .8 ? [] : [document.body]",
        "<style>body { background: #777 !important }</style>"),
    "by day all text can be read": (
        "faint()", "<p style='color: #888'>faint</p>"),
}
IN_THE_DARK = {
    "at night the page is dark": (
        "lightness(ground(document.body)) < .05 ? [] : [document.body]",
        "<style>body { background: #777 !important }</style>"),
    "at night all text can be read": (
        "faint()", "<p style='color: #666'>faint</p>"),
}
ON_PAPER = {
    "no button is printed": (
        "all('button').filter(seen)", "<style>button { display: block !important }</style>"),
    "no formula and no code is cut off in print": (
        "all('.formula, pre').filter(e => e.scrollWidth > e.clientWidth + 1)",
        "<p class=formula style='width: 9px'><math><mi>wide</mi></math></p>"),
}
STAGES = ((ON_A_DESK | IN_THE_LIGHT, DESK, {}), (IN_THE_DARK, DESK, dict(color_scheme="dark")), (ON_A_PHONE, PHONE, {}),
          (ON_PAPER, PAPER, dict(media="print")))
SCREEN = dict(media="screen", color_scheme="light")
LAWS   = {law: row for laws, _, _ in STAGES for law, row in laws.items()}

HELP = r"""
const all = s => [...document.querySelectorAll(s)], box = e => e.getBoundingClientRect(), seen = e => box(e).width > 0;
const named = id => all(`[id="${id}"]`), level = h => +h.tagName[1];
const math = l => l.querySelector(".math"), code = l => l.querySelector(".code");
const both = all(".line").filter(l => math(l) && code(l));
const spills = e => e.scrollWidth > e.clientWidth + 1 && !["auto", "scroll"].includes(getComputedStyle(e).overflowX);
const cut = (m, f) => seen(m) && getComputedStyle(f).display != "inline" &&
    (box(m).top < box(f).top - 1 || box(m).bottom > box(f).bottom + 1);
const sticks = e => box(e).right > innerWidth && !e.closest(".formula *, pre *, .scroll *");
const root = document.documentElement;
const wide = () => root.scrollWidth > innerWidth ? [...all("body *").filter(sticks), document.body] : [];
function crowded(mi) {
  if (!/^(log|exp|det|max|min|sin|cos|tanh)$/.test(mi.textContent) || !seen(mi)) return false;
  let next = mi.nextElementSibling, first;
  while (next && next.localName == "mspace") next = next.nextElementSibling;
  for (first = next; first && first.localName == "mrow"; first = first.firstElementChild);
  return first && !/^(msub|msup|msubsup|munder|mover)$/.test(mi.parentElement.localName) && first.localName != "mo" &&
      box(next).left - box(mi).right < .1 * parseFloat(getComputedStyle(mi).fontSize);
}
const numbers = colour => colour.match(/^rgba?\(/) ? colour.match(/[\d.]+/g).map(Number) : [NaN, NaN, NaN];
const grounds = new Map();
function ground(e) {                                // what stands behind an element
  if (!e) return "rgb(255, 255, 255)";
  if (!grounds.has(e)) {
    const own = getComputedStyle(e).backgroundColor;
    grounds.set(e, own == "rgba(0, 0, 0, 0)" ? ground(e.parentElement) : own);
  }
  return grounds.get(e);
}
const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const lightness = colour => numbers(colour).slice(0, 3)
    .reduce((y, v, i) => y + [.2126, .7152, .0722][i] * linear(v / 255), 0);
function contrast(e) {                              // of the text that stands in an element itself; WCAG 2, 1.4.3
  const ink = getComputedStyle(e)[e.closest("svg") ? "fill" : "color"];
  const [a, b] = [lightness(ink), lightness(ground(e))];
  return numbers(ink)[3] < 1 ? NaN : (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
}
const faint = () => all("body, body *:not(math *, script, style, title)").filter(e => (e.localName == "math" ||
    [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())) && !(contrast(e) >= 4.5));
const told = e => `${e.outerHTML.slice(0, 90)} in ${e.closest("[id]") ? e.closest("[id]").id : "the page"}`;
"""
#   all pictures, and all that is folded
OPEN   = """() => { for (const e of document.querySelectorAll("details")) e.open = true;
    return Promise.all([document.fonts.ready, ...[...document.images].map(i => {
        i.loading = "eager"; return i.decode().catch(() => 0) })]).then(() => 0) }"""
#   what is to be read without scripts as well: all text but what a script puts there, or shows
TEXT   = """() => { for (const e of document.querySelectorAll("button, .script")) e.remove();
    for (const e of document.querySelectorAll("details")) e.open = true;
    return document.body.innerText }"""
HREFS  = "() => [...document.querySelectorAll('a')].map(a => new URL(a.getAttribute('href'), document.baseURI).href)"
IDS    = "() => [...document.querySelectorAll('[id]')].map(e => e.id)"
#   one sign of every kind in the formulas of a page: a letter that stands alone is drawn in italics
PROBES = """() => { const kinds = new Map();
    const italic = e => e.localName == "mi" && [...e.textContent].length == 1 && !e.hasAttribute("mathvariant");
    for (const e of document.querySelectorAll("math mi, math mo, math mn, math mtext"))
        if (e.getBoundingClientRect().width)
            for (const sign of [...e.textContent]) kinds.set(`${italic(e) ? "italic" : "upright"} ${sign}`, e);
    for (const e of kinds.values()) e.dataset.probe = "";
    return [...kinds.keys()] }"""

#   every button through all its worlds: each value is the one that the page's JSON holds, and nothing else changes
WORLDS = """() => {
  const all   = s => [...document.querySelectorAll(s)], data = JSON.parse(all("script[type*=json]")[0].textContent);
  const cells = all("[data-value], [data-line]"), is = () => cells.map(cell => cell.textContent), first = is();
  const sections = all("section[data-world]"), wrong = [];
  for (const section of sections) {
    const world = data.worlds[section.dataset.world], count = Object.values(world.lines)[0].length, before = is();
    const says = cell => cell.dataset.line ? world.lines[cell.dataset.line] : world.letters[cell.dataset.value];
    const seen = new Set(), own = cells.map(cell => section.contains(cell));
    for (let k = 0; k <= count; k++) {
      cells.forEach((cell, i) => { if (cell.textContent !== (own[i] ? says(cell)[k % count] : before[i]))
        wrong.push(`${section.id}, world ${k + 1}: ${cell.outerHTML}`) });
      seen.add(is().join());
      if (k < count) section.querySelector("button")?.click();
    }
    if (seen.size < 2) wrong.push(`${section.id}: its ${count} worlds are all the same`);
  }
  if (is().join() !== first.join()) wrong.push("it does not come back");
  return [sections.length, wrong] }"""

#   every sign: a tap opens a panel that tells of each change what refutes it, where and by how much; another closes it
TAPS   = """() => {
  const data  = JSON.parse(document.querySelector("script[type*=json]").textContent), wrong = [];
  const signs = [...document.querySelectorAll(".sign")];
  for (const sign of signs) {
    const line = sign.closest(".line"), kills = sign.dataset.kills.split(" ").map(i => data.kills[line.id][i]);
    sign.click();
    const panels = [...line.querySelectorAll(".refuted")], text = panels.map(p => p.textContent).join();
    if (panels.length != 1 || sign.getAttribute("aria-expanded") != "true" || text.includes("undefined") ||
        text.endsWith("where ") || !kills.every(kill => kill && kill.every((part, i) => (part || i == 2) &&
            part.replace(" -> ", " → ").split("   ").every(piece => text.includes(piece)))))
      wrong.push(`${line.id}: ${sign.outerHTML} opens ${text}`);
    sign.click();
    if (line.querySelector(".refuted") || sign.getAttribute("aria-expanded") != "false")
      wrong.push(`${line.id} stays open`);
  }
  return [signs.length, wrong] }"""


# ---- the book, and what is seen in it --------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The book as the command writes it, and what became of the command."""
    out = tmp_path_factory.mktemp("site") / "book"
    return out, subprocess.run([sys.executable, "-m", "scratch", "book", "--out", str(out)], env=ENV, cwd=out.parent,
                               capture_output=True, text=True)


@pytest.fixture(scope="module")
def book(written):
    out, _ = written
    return out


def test_every_change_of_the_derivations_is_noticed_and_nothing_is_left_out(written):
    _, done = written
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def chromium():
    sync = pytest.importorskip("playwright.sync_api", reason="needs playwright (pip)")
    if not shutil.which("chromium"):
        pytest.skip("needs Debian's chromium")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def tab(chromium):
    page = chromium.new_context(viewport=DESK).new_page()
    page.heard, page.asked = [], []
    page.on("console",       lambda said: page.heard.append(said.text))
    page.on("pageerror",     lambda error: page.heard.append(str(error)))
    page.on("requestfailed", lambda request: page.heard.append(f"{request.url}: {request.failure}"))
    page.on("request",       lambda request: page.asked.append(request.url))
    return page


def look(tab, path):
    """What a reader finds on a page: law -> where it does not hold; what it asks for, links to and says; what its
    formulas are to a screen reader and to the eye; what its buttons and its taps do."""
    tab.goto("about:blank")
    tab.set_viewport_size(DESK)
    del tab.heard[:], tab.asked[:]
    tab.goto(path.as_uri())
    found = dict(links=tab.evaluate(HREFS), ids=set(tab.evaluate(IDS)), worlds=(0, []), taps=(0, []))
    if tab.locator("script[type*=json]").count():
        found |= dict(worlds=tab.evaluate(WORLDS), taps=tab.evaluate(TAPS))
    tab.evaluate(OPEN)
    found |= formulas(tab) if tab.locator("math").count() else dict(told=[], signs=[], fonts={})
    for laws, size, media in STAGES:
        tab.set_viewport_size(size)
        tab.emulate_media(**SCREEN | media)
        rows   = ",".join(f'"{law}": ({wrong}).map(told)' for law, (wrong, _) in laws.items())
        found |= tab.evaluate(f"() => {{ {HELP} return {{ {rows} }} }}")
    tab.emulate_media(**SCREEN)
    return found | dict(text=tab.evaluate(TEXT), heard=list(tab.heard), asked=list(tab.asked))


def formulas(tab):
    """What a screen reader is told of the formulas, the signs that they are made of, and font -> what it draws."""
    signs = tab.evaluate(PROBES)
    dev   = tab.context.new_cdp_session(tab)
    dev.send("DOM.enable")
    dev.send("CSS.enable")
    root  = dev.send("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
    nodes = dev.send("Accessibility.queryAXTree", {"nodeId": root, "role": "math"})["nodes"]
    fonts = {}
    for node in dev.send("DOM.querySelectorAll", {"nodeId": root, "selector": "[data-probe]"})["nodeIds"]:
        text = dev.send("DOM.getOuterHTML", {"nodeId": node})["outerHTML"]
        for font in dev.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]:
            name = font["familyName"] if font["isCustomFont"] else f"the system's {font['familyName']}"
            fonts.setdefault(name, []).append(text)
    dev.detach()
    return dict(told=[node["name"]["value"] for node in nodes if not node["ignored"]], signs=signs, fonts=fonts)


@pytest.fixture(scope="module")
def seen(book, tab):
    """Page -> what a reader finds there."""
    return {path: look(tab, path) for path in sorted(book.rglob("*.html"))}


def topic(book, name="elbo"):
    return (book / f"{name}.html").as_uri()


def where(seen, law):
    """Page -> the first places where a law does not hold."""
    return {path.name: found[law][:3] for path, found in seen.items() if found[law]}


def dead(seen):
    """Links that lead to no file of the book, or to a place that is not in it."""
    files = {path.as_uri(): found["ids"] for path, found in seen.items()}
    ends  = {(path.name, link, *link.partition("#")[::2]) for path, found in seen.items() for link in found["links"]}
    return [f"{name}: {link}" for name, link, file, place in sorted(ends)
            if file not in files or place and unquote(place) not in files[file]]


def outside(seen, book):
    """What was asked for that lies elsewhere."""
    return [url for found in seen.values() for url in found["asked"] if not url.startswith(book.as_uri() + "/")]


@pytest.fixture(scope="module")
def spoil(book, tab, tmp_path_factory):
    """Looks at the first section of a page, into which more was written, or something else in place of something."""
    copy = shutil.copytree(book, tmp_path_factory.mktemp("spoilt") / "book", ignore=shutil.ignore_patterns("code"))
    page = (copy / "evaluation.html").read_text()
    head, end, rest = page.partition("</section>")
    page = head + end + "</main>" + rest[rest.rindex('<script type="application/json"'):]
    path = copy / "spoilt.html"

    def spoilt(new="", old=None):
        assert (old or "</main>") in page
        path.write_text(page.replace(old, new) if old else page.replace("</main>", new + "</main>"))
        return {path: look(tab, path)}
    spoilt.clean = spoilt()
    return spoilt


# ---- every page ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("law", LAWS)
def test_on_every_page(seen, law):
    broken = where(seen, law)
    assert len(seen) > 50 and not broken


@pytest.mark.parametrize("law", LAWS)
def test_a_page_that_breaks_it_is_seen(spoil, law):
    assert where(spoil(LAWS[law][1]), law) != where(spoil.clean, law)


def test_it_opens_from_disk_without_an_error_and_asks_for_nothing_elsewhere(seen, book):
    heard, asked = where(seen, "heard"), outside(seen, book)
    assert not heard and not asked


@pytest.mark.parametrize("more", ["<script>nothing()</script>", "<script>console.error('no')</script>",
                                  "<img src=no.png>"])
def test_an_error_is_heard(spoil, more):
    assert where(spoil(more), "heard")


@pytest.mark.parametrize("more", ["<img src='http://127.0.0.1:9/a.png'>", "<link rel=stylesheet href=/etc/none.css>"])
def test_what_lies_elsewhere_is_seen(spoil, more):
    (path, found), = spoil(more).items()
    assert outside({path: found}, path.parent)


def test_links_lead_somewhere(seen):
    assert sum(len(found["links"]) for found in seen.values()) > 1000 and not dead(seen)


@pytest.mark.parametrize("to", ["nowhere.html", "#nowhere", "../book/code", "https://example.org/"])
def test_a_link_that_leads_nowhere_is_seen(spoil, to):
    assert any(link.endswith(to.lstrip(".")) for link in dead(spoil(f"<a href={to}>no</a>")))


# ---- the mathematics -------------------------------------------------------------------------------------------------
#        x -> 𝑥; h alone stands elsewhere
ITALIC = {chr(int(unicodedata.decomposition(c).split()[1], 16)): c
          for c in map(chr, (*range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C))) if unicodedata.decomposition(c)}
ITALIC = ITALIC | {"h": "ℎ"}


def lacking(seen, book):
    """The signs that the font of the book does not have."""
    with TTFont(book / "math.woff") as font:
        known = {chr(c) for c in font.getBestCmap()}
    kinds = {tuple(kind.split(" ", 1)) for found in seen.values() for kind in found["signs"]}
    return sorted({ITALIC.get(sign, sign) if how == "italic" else sign for how, sign in kinds} - known)


def test_the_font_of_the_book_has_every_sign(seen, book):
    assert not lacking(seen, book)


def test_a_sign_that_the_font_does_not_have_is_seen(spoil):
    (path, found), = spoil("<math><mi>字</mi></math>").items()
    assert "字" in lacking({path: found}, path.parent)


def test_every_formula_is_drawn_with_the_font_of_the_book(seen):
    used = {path.name: found["fonts"] for path, found in seen.items() if found["fonts"]}
    assert len(used) > 10
    assert not {name: fonts for name, fonts in used.items() if set(fonts) != {"STIX Two Math"}}


def test_a_sign_of_another_font_is_seen(spoil):
    (_, found), = spoil("<math style='font-family: monospace'><mo>☃</mo></math>").items()
    assert any("☃" in text for font, texts in found["fonts"].items() if font != "STIX Two Math" for text in texts)


def said(name):
    """The LaTeX of all lines of a topic."""
    every = [(line.world.letters[line.over].latex if line.over else line.let, line.latex)
             for line in lines.lines_of(name)]
    return Counter(f"{let} = {latex}" if let else latex for let, latex in every)


def test_a_screen_reader_is_told_the_latex(seen, book, spoil):
    for name in lines.topics():
        told = Counter(seen[book / f"{name}.html"]["told"])
        assert told >= said(name) and all(told)
    (_, found), = spoil("<span role=math><math><mi>x</mi></math></span>").items()
    assert not all(found["told"]) and not Counter(found["told"]) >= said("evaluation")


# ---- what a script adds ----------------------------------------------------------------------------------------------
def test_the_button_shows_every_world_of_the_page_and_comes_back_to_the_first(seen):
    assert sum(found["worlds"][0] for found in seen.values()) > 100
    assert not {path.name: found["worlds"][1][:3] for path, found in seen.items() if found["worlds"][1]}


def test_every_sign_that_was_changed_tells_what_refutes_the_change(seen):
    assert sum(found["taps"][0] for found in seen.values()) > 1000
    assert not {path.name: found["taps"][1][:3] for path, found in seen.items() if found["taps"][1]}


def test_a_value_or_a_change_of_another_place_is_seen(spoil):
    first, second = [line.id for line in lines.lines_of("evaluation")[:2]]
    assert not any(found[what][1] for found in spoil.clean.values() for what in ("worlds", "taps"))
    assert any(found["worlds"][1] for found in spoil(f'data-line="{second}"', f'data-line="{first}"').values())
    assert any(found["taps"][1] for found in spoil('data-kills="999 ', 'data-kills="0 ').values())


def test_a_reader_with_a_mouse_draws_a_world_and_taps_a_sign(book, tab):
    tab.goto(topic(book))
    button, value = tab.locator("section button").first, tab.locator("section .line output").first
    before = value.inner_text()
    button.click()
    assert "2 of 40" in button.inner_text()
    button.click()
    assert value.inner_text() != before
    sign, panel = tab.locator("#bound .sign").first, tab.locator("#bound .refuted")
    sign.click()
    assert panel.is_visible() and panel.get_attribute("role") == "status"
    sign.click()
    assert not panel.count()


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_reader_with_a_keyboard_does_the_same(book, tab, key):
    tab.goto(topic(book))
    button = tab.locator("section button").first
    button.focus()
    tab.keyboard.press(key)
    assert "2 of 40" in button.inner_text()
    sign, panel = tab.locator("#bound").get_by_role("button", name="log", exact=True).first, tab.locator(".refuted")
    sign.focus()
    tab.keyboard.press(key)
    assert panel.is_visible()
    tab.keyboard.press(key)
    assert not panel.count()


def lit(tab, within=""):
    """The letters that have a ground of their own."""
    return tab.locator(f"{within}[data-letter]").evaluate_all(
        "all => all.filter(e => getComputedStyle(e).backgroundColor != 'rgba(0, 0, 0, 0)').map(e => e.dataset.letter)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_panel_and_a_letter_that_is_lit_can_be_read(book, tab, scheme):
    tab.goto(topic(book))
    tab.emulate_media(color_scheme=scheme)
    tab.locator("#bound .sign").first.click()
    tab.locator("#bound .code [data-letter]").last.hover()
    tab.wait_for_timeout(200)                                       # the colour fades in
    assert lit(tab) and tab.locator(".refuted").count()
    shown = "e => e.closest('[data-letter], .refuted')"
    faint = tab.evaluate(f"() => {{ {HELP} return faint().filter({shown}).map(told) }}")
    tab.emulate_media(color_scheme="light")
    assert not faint


def test_a_letter_under_the_mouse_is_lit_in_the_formula_and_in_the_code(book, tab):
    tab.goto(topic(book))
    assert not lit(tab)
    for place in ("code", "math"):
        tab.locator(f"#bound .{place} [data-letter=q]").first.hover()
        assert set(lit(tab)) == {"q"} and lit(tab, "#bound .math ") and lit(tab, "#bound .code ")
    tab.locator("h1").hover()
    assert not lit(tab)


# ---- without scripts -------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def plain(chromium):
    """A tab in which no script runs."""
    return chromium.new_context(viewport=DESK, java_script_enabled=False).new_page()


def test_a_letter_is_lit_without_a_script_too(book, plain):
    plain.goto(topic(book))
    plain.locator("#bound .code [data-letter=q]").first.hover()
    assert set(lit(plain)) == {"q"} and lit(plain, "#bound .math ")


def other(plain, path, text):
    """What a page that says `text` with scripts does otherwise without them."""
    plain.goto(path.as_uri())
    idle = plain.locator("button, .refuted, .script:visible, [role=button], [tabindex]").count()
    same = plain.evaluate(TEXT) == text and text.strip()
    return ["it offers what does nothing"] * bool(idle) + ["it has another text"] * (not same)


def test_without_scripts_only_the_button_and_the_tap_are_gone(seen, plain):
    wrong = {path.name: other(plain, path, found["text"]) for path, found in seen.items()}
    assert not {name: what for name, what in wrong.items() if what}


@pytest.mark.parametrize("more", ["<script>document.write('<p>more</p>')</script>", "<button>no</button>"])
def test_what_works_with_scripts_alone_is_seen(spoil, plain, more):
    (path, found), = spoil(more).items()
    assert other(plain, path, found["text"])


# ---- served ----------------------------------------------------------------------------------------------------------
def code_of(address):
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def own_addresses():
    """Addresses of this machine that are not 127.0.0.1."""
    found = {"127.0.0.2"} if sys.platform == "linux" else set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))                         # nothing is sent
            found.add(probe.getsockname()[0])
        except OSError:
            pass
    return found - {"127.0.0.1"}


def answers(host, port):
    with socket.socket() as caller:
        caller.settimeout(2)
        return caller.connect_ex((host, port)) == 0


def test_it_is_served_on_the_loopback_address_alone_and_nothing_but_the_book(book):
    (book.parent / "secret.txt").write_text("not for readers")
    server = subprocess.Popen([sys.executable, "-c", "import sys; from derivations import book\n"
                               "book.serve(sys.argv[1], lambda address: print(address, flush=True), 0)", str(book)],
                              env=ENV, stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().strip()
        url     = urlsplit(address)
        assert url.scheme == "http" and url.hostname == "127.0.0.1" and url.path == "/"
        assert code_of(address) == 200 and code_of(address + "elbo.html") == 200
        for way in ("../secret.txt", "%2e%2e/secret.txt", "code/../../secret.txt", "/../secret.txt", "..%2fsecret.txt",
                    f"/{book.parent}/secret.txt"):
            assert code_of(address + way) == 404, way
        assert own_addresses() and not any(answers(host, url.port) for host in own_addresses())
    finally:
        server.kill()
        server.communicate()


def test_a_server_for_everyone_is_seen():
    with socket.create_server(("", 0)) as server:
        assert all(answers(host, server.getsockname()[1]) for host in own_addresses())
