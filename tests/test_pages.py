"""Laws of the pages: what a person sees of a run has all of it, needs no other file, and says what is true."""
import base64
import html.parser
import io
import json
import math
import re
import subprocess
import sys

import numpy
import pytest
from PIL import Image

from backends.random import Stream
from scratch.data import bits_per_dim, load
from scratch.runs import baselines, open_run, pages, run
from scratch.runs.config import ConfigError

RANDOM = numpy.random.default_rng(0)
TINY   = dict(steps=20, every=10)
NET    = dict(TINY, hidden=(8,), latent=2)
EM     = dict(TINY, components=3, starts=1)
TEXT   = "to <b>be</b> or not & that is it\n" * 60
DRAWN  = {"samples.png", "data.png", "neighbours.png"}
ALL    = DRAWN | {"reconstructions.png", "means.png", "latent.png"}
SMALL  = dict(TINY, widths=(8,), embedding=4, T=3)

#           model, hyper-parameters, data, its pictures
RUNS = {
    "gmm":      ("gmm", EM, "few", DRAWN | {"components.png"}),
    "vae":      ("vae", NET, "digits", ALL),
    "few":      ("vae", NET, "few", ALL),
    "bits":     ("vae", dict(NET, decoder="bernoulli"), "few", ALL),
    "ae":       ("ae", NET, "few", {"reconstructions.png"}),
    "two":      ("gmm", EM, RANDOM.normal(size=(60, 2)), {"samples.svg"}),
    "one":      ("gmm", EM, RANDOM.normal(size=(60, 1)), {"samples.svg"}),
    "four":     ("vae", dict(NET, decoder="gaussian"), RANDOM.normal(size=(60, 4)), {"samples.svg"}),
    "codes":    ("ae", NET, RANDOM.normal(size=(60, 3)), {"reconstructions.svg"}),
    "constant": ("gmm", EM, RANDOM.normal(size=(60, 2)) * [1, 0], {"samples.svg"}),
    "bars":     ("vae", dict(NET, decoder="bernoulli"), "bars", ALL),
    "colours":  ("vae", NET, RANDOM.integers(0, 256, (40, 5, 6, 3)).astype("uint8"), ALL),
    "gan":      ("gan", dict(TINY, hidden=(8,)), "ring", {"samples.svg"}),
    "dcgan":    ("dcgan", dict(TINY, hidden=(4, 4), latent=3), "digits",
                 DRAWN | {"interpolation.png", "arithmetic.png"}),
    "ddpm":     ("ddpm", SMALL, "digits", DRAWN | {"chain.png", "reverse.png"}),
    "ddpm-mlp": ("ddpm-mlp", SMALL, "ring", {"samples.svg", "reverse.png"}),
    "text":     ("gmm", dict(EM, floor=0.01), "text", {"samples.txt", "data.txt"}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a run of RUNS, made once."""
    folder, done = tmp_path_factory.mktemp("runs"), {}

    def make(name):
        if name not in done:
            model, hyper, data, _ = RUNS[name]
            if not isinstance(data, str):
                numpy.save(folder / f"{name}.npy", data)
                data = folder / f"{name}.npy"
            elif data == "text":
                data = folder / "a <b>name.txt"
                data.write_text(TEXT)
            elif data == "few":
                data = folder / "few.npy"
                numpy.save(data, load("digits", Stream.seed(0)).train["x"][:400].reshape(-1, 8, 8))
            done[name] = run(model, data, out=folder / name, **hyper)[0]
        return done[name]
    return make


class Links(html.parser.HTMLParser):
    """What a page refers to, its tags and the text that is seen."""
    def __init__(self, page):
        super().__init__()
        self.links, self.tags, self.seen = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "srcset", "action", "data")]

    def handle_data(self, text):
        self.seen += text


def needs_no_other_file(page):
    """Nothing outside is asked for, by the page or by the pictures in it."""
    images = [base64.b64decode(link.partition(",")[2]) for link in Links(page).links]
    inside = "".join(image.decode() for image in images if not image.startswith(b"\x89PNG"))
    names  = re.findall(r"(?:href|src)=['\"](?!#|data:)", inside)
    names += re.findall(r"url\((?!#)|@import|@font-face", page + inside)
    return bool(images) and all(link.startswith("data:image/") for link in Links(page).links) and not names \
        and not {"script", "link", "iframe", "object", "base"} & set(Links(page).tags)


@pytest.mark.parametrize("name", RUNS)
def test_a_report_has_its_pieces_and_needs_no_other_file(made, name):
    folder = made(name)
    page   = (folder / "report.html").read_text()
    shown  = Links(page)
    assert needs_no_other_file(page)
    figures = ("What its samples are worth",) if name in ("gan", "dcgan") else ("All figures", "training", "validation",
                                                                               "test (held out)")
    for piece in ("This model", "How it learned", *figures, "scratch check", "scratch resume", "scratch evaluate",
                  "data_hash", "blas_threads"):
        assert piece in shown.seen, piece
    assert ("scratch sample" in shown.seen) == hasattr(open_run(folder).model, "sample")
    pictures = {p.name for p in folder.iterdir() if p.suffix in (".png", ".svg", ".txt") and "learning" not in p.name}
    assert pictures == RUNS[name][3]
    assert sum(tag == "img" for tag in shown.tags) == sum(p.suffix in (".png", ".svg") for p in folder.iterdir())
    assert not re.search(r"\b(nan|None|inf)\b", shown.seen[:shown.seen.index("was asked")])


@pytest.mark.parametrize("more", [
    "<script>1</script>", "<img src='https://example.org/a.png'>", "<link rel=x href=a.css>",
    "<style>@import 'a.css'</style>", "<i style='background: url(a.png)'></i>"])
def test_a_page_that_needs_another_file_is_seen(made, more):
    page = (made("ae") / "report.html").read_text()
    assert needs_no_other_file(page) and not needs_no_other_file(page + more)


def test_names_are_escaped(made):
    page = (made("text") / "report.html").read_text()
    assert "a <b>name.txt" in Links(page).seen and "be</b> or" in Links(page).seen and "b" not in Links(page).tags


def test_text_is_shown_as_lines_of_its_symbols(made):
    lines = (made("text") / "data.txt").read_text().splitlines()
    assert len(lines) == 8 and all(len(line) == 64 and line.replace("↵", "\n") in TEXT for line in lines)
    assert {len(line) for line in (made("text") / "samples.txt").read_text().splitlines()} == {64}


def test_the_headline_is_the_figure_of_the_test_data(made):
    for name, words in (("vae", "bits per dimension"), ("gmm", "bits per dimension"), ("bits", "nats per example"),
                        ("two", "nats per example"), ("ae", "squared error")):
        test  = json.loads((made(name) / "results.json").read_text())["test"]
        page  = Links((made(name) / "report.html").read_text()).seen
        key   = {"nats per example": "ELBO" if name == "bits" else "log-likelihood"}.get(words, words)
        shown = float(re.search(r"validation split.*?\n\s*([−\d.]+) ±", page, re.S)[1].replace("−", "-"))
        assert words in page and abs(shown - test[key][0]) < 1e-3 * abs(shown), name


def test_the_report_says_when_the_validation_got_worse_and_by_how_much(made, tmp_path):
    opened  = open_run(made("two"), needs_data=True)
    results = json.loads((opened.folder / "results.json").read_text())
    opened  = opened._replace(folder=tmp_path, state=opened.state._replace(step=10))
    error   = results["valid"]["log-likelihood"][1]

    def says(end):
        lines = [{"step": 10, "log_lik": 0.0, "validation": -2.0}, {"step": 20, "log_lik": 1.0, "validation": end}]
        return pages._learning(opened, results, lines)
    assert "step 10, &minus;2.000; until step 20 it got worse by 5.000: it began to learn" in says(-7)
    assert "less than the standard error" in says(-2 - error / 2)
    assert "worse" not in pages._learning(opened, results, [{"step": 10, "log_lik": 0.0, "validation": -2.0}])


# ---- baselines -------------------------------------------------------------------------------------------------------
def test_histograms_are_counts_and_one_more():
    k, k_test = numpy.array([[0, 2], [0, 1], [1, 2]]), numpy.array([[0, 0], [2, 2]])
    by_hand   = (math.log(3 / 6) + math.log(1 / 6) + math.log(1 / 6) + math.log(3 / 6)) / 2
    assert abs(baselines.histograms(k, k_test, 3) - by_hand) < 1e-15


def test_baselines_of_the_digits_are_the_known_ones(made):
    found = baselines.baselines(open_run(made("vae"), needs_data=True), "bits per dimension")
    assert list(found) == ["Uniform", "Each pixel by itself", "A mixture of 10 Gaussians"]
    assert numpy.abs(numpy.array(list(found.values())) - [math.log2(17), 2.429, 2.77]).max() < 0.03


def test_one_gaussian_has_the_density_of_the_mean_and_the_covariance(made):
    from scipy.stats import multivariate_normal
    opened  = open_run(made("two"), needs_data=True)
    x, test = opened.data.train["x"], opened.data.test["x"]
    exact   = multivariate_normal(x.mean(0), numpy.cov(x.T, bias=True)).logpdf(test).mean()
    assert abs(baselines.baselines(opened, "nats per example")["One Gaussian"] - exact) < 1e-9


def test_a_mixture_on_dequantised_levels_is_told_in_their_bits(made):
    opened = open_run(made("vae"), needs_data=True)
    view   = opened.data.dequantised(opened.stream("data"))
    _, model, *weights = baselines.fitted(view, 10, opened.stream("mixture"))
    log_p  = float(model.log_prob(*weights, view.test["x"]).mean())
    assert model.floor == 1 / (6 * 17**2)
    found  = baselines.baselines(opened, "bits per dimension")["A mixture of 10 Gaussians"]
    assert abs(found - bits_per_dim(log_p, 64, 17)) < 1e-9


def test_a_decoder_of_bits_is_compared_on_the_bits_that_it_sees(made):
    opened = open_run(made("bits"), needs_data=True)
    found  = baselines.baselines(opened, "nats per example")
    bits   = [(d["x"] >= 127.5).astype(int) for d in (opened.data.train, opened.data.test)]
    assert abs(found["Uniform"] + 64 * math.log(2)) < 1e-12
    assert abs(found["Each pixel by itself"] - baselines.histograms(*bits, 2)) < 1e-12
    assert found["Each pixel by itself"] < found["A mixture of 10 Bernoullis"] < 0


def test_principal_components_lose_nothing_in_their_plane_and_the_mean_loses_the_variance():
    x     = RANDOM.normal(size=(50, 2)) @ RANDOM.normal(size=(2, 7)) + 3
    found = baselines.linear(x, x, 2)
    assert found["2 principal components"] < 1e-20
    assert abs(found["The mean example"] - x.var(0).sum()) < 1e-12 < baselines.linear(x, x, 1)["1 principal components"]


# ---- pictures --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name, shape", [("gmm", (8, 8)), ("vae", (8, 8)), ("ae", (8, 8)), ("colours", (5, 6))])
def test_a_snapshot_is_a_grid_of_8_x_8_images_and_the_same_each_time(made, tmp_path, name, shape):
    opened = open_run(made(name), needs_data=True)
    for path in (tmp_path / "a.png", tmp_path / "b.png"):
        pages.snapshot(opened, path)
    assert path.read_bytes() == (tmp_path / "a.png").read_bytes()
    image = Image.open(path)
    image.load()
    times = 480 // (8 * (shape[1] + 1))
    assert image.size == (times * 8 * (shape[1] + 1) - times, times * 8 * (shape[0] + 1) - times)


def pixels(png):
    return numpy.asarray(Image.open(io.BytesIO(png)).convert("RGBA")).astype(float) / 255


def test_levels_become_ink_and_colours_stay(made):
    digits, colours = (open_run(made(name), needs_data=True).data for name in ("vae", "colours"))
    image = pixels(pages._grid(digits.train["x"][:64], digits))
    first = image[:8 * 6:6, :8 * 6:6]                               # 480 // 72 = 6 for each pixel
    assert numpy.abs(first[..., 0] - (1 - digits.train["x"][0].reshape(8, 8) / 16)).max() < 1 / 255
    assert (first[..., 3] == 1).all() and (image[8 * 6, :, 3] == 0).all()
    image = pixels(pages._grid(colours.train["x"][:1], colours))
    times = 480 // 7
    assert numpy.abs(image[::times, ::times, :3] - colours.train["x"][0].reshape(5, 6, 3) / 255).max() < 1 / 255


def test_reconstructions_stand_below_their_data(made):
    data  = open_run(made("ae"), needs_data=True).data
    pairs = numpy.stack([numpy.zeros((16, 64)), numpy.ones((16, 64))], axis=1)
    image = pixels(pages._grid(pairs, data))[::6, ::6, 0]
    assert [set(image[9 * row:9 * row + 8, :8].ravel()) for row in range(4)] == [{1.0}, {0.0}, {1.0}, {0.0}]


def test_a_report_written_again_is_the_same(made):
    folder  = made("two")
    before  = {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".html", ".svg", ".png")}
    results = json.loads((folder / "results.json").read_text())
    pages.report(open_run(folder, needs_data=True), results)
    assert len(before) > 2 and all((folder / name).read_bytes() == content for name, content in before.items())


# ---- side by side ----------------------------------------------------------------------------------------------------
def columns(page, row):
    """The cells of the first row that begins so."""
    return re.search(rf"<tr><td>{row}((?:<td>(?:(?!<tr>|</table>).)*)+)", page, re.S)[1].split("<td>")[1:]


@pytest.mark.parametrize("names", [("gmm", "vae"), ("gmm", "vae", "bits"), ("ae", "two", "text")])
def test_runs_stand_side_by_side_whatever_they_are(made, tmp_path, names):
    page = pages.side_by_side([made(name) for name in names], tmp_path / "page.html").read_text()
    assert needs_no_other_file(page)
    assert columns(page, "model") == [RUNS[name][0] for name in names]
    assert len(columns(page, "steps")) == len(names)
    assert [("<figure>" in cell) for cell in columns(page, "samples")] == [RUNS[name][0] != "ae" for name in names]


def test_the_best_of_what_can_be_compared_is_marked_and_nothing_else(made, tmp_path):
    names   = ("gmm", "few", "bits")
    results = [json.loads((made(name) / "results.json").read_text())["test"]["bits per dimension"][0] for name in names]
    page    = pages.side_by_side([made(name) for name in names], tmp_path / "page.html").read_text()
    assert ["<b>" in cell for cell in columns(page, "bits per dimension")] == \
        [results[0] < results[1], results[1] < results[0], False]
    assert "<b>" not in "".join(columns(page, "nats per example"))
    page    = pages.side_by_side([made("two"), made("one")], tmp_path / "page.html").read_text()
    assert page.count("<b>") == 0


def test_validations_share_a_plot_where_data_and_unit_are_the_same():
    def seen(*runs):
        lines = [{"step": step, "validation": -1.0 * step} for step in (1, 2)]
        runs  = {f"runs/{i}": (dict(model="ddpm", data=data, data_hash=data, hyper={}, levels=None), None, lines)
                 for i, data in enumerate(runs)}
        svgs  = [base64.b64decode(re.search("base64,([^']*)", plot)[1]).decode() for plot in pages._validations(runs)]
        return [(re.search(">(L_simple, .*)</text>", svg)[1], re.findall(r">(\d)</text>", svg[svg.index("legend_1"):]))
                for svg in svgs]
    assert seen("moons", "moons") == [("L_simple, moons", ["0", "1"])]
    assert seen("moons", "ring", "moons") == [("L_simple, moons", ["0", "2"]), ("L_simple, ring", ["1"])]


def test_a_run_that_has_not_ended_stands_beside_others(made, tmp_path):
    folder = tmp_path / "going"
    folder.mkdir()
    for name in ("config.json", "metrics.jsonl"):
        (folder / name).write_bytes((made("vae") / name).read_bytes())
    with open(folder / "metrics.jsonl", "a") as log:
        log.write('{"step": 21, "lo')
    page = pages.side_by_side([made("vae"), folder], tmp_path / "page.html").read_text()
    assert columns(page, "bits per dimension")[1].startswith("–") and columns(page, "steps")[1].startswith("20")


def test_a_folder_that_is_no_run_or_is_damaged_is_refused_in_a_sentence(made, tmp_path):
    with pytest.raises(ConfigError, match="config.json is not there; expected the folder of a run"):
        pages.side_by_side([made("gmm"), tmp_path], tmp_path / "page.html")
    (tmp_path / "config.json").write_bytes((made("gmm") / "config.json").read_bytes())
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(ConfigError, match="results.json is damaged"):
        pages.side_by_side([made("gmm"), tmp_path], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_importing_the_pages_imports_no_matplotlib():
    code = "import sys, scratch.runs.pages; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
