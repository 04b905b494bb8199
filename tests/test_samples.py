"""What pages, runs and the command line say of samples."""
import dataclasses
import functools
import importlib
import io
import json
import math
import re

import numpy
import pytest
from PIL import Image
from backends.random import Stream
from scratch import cli, runs
from scratch.data import Data, load
from scratch.metrics import eyes, frechet_distance, judge, nearest
from scratch.runs import config as configs, measuring, open_run, pages, run
from tests.test_pages import Links, pixels

references = importlib.import_module("scratch.runs.references")

CHAIN = dict(steps=4, every=2, widths=(4,), embedding=4, T=9, batch_size=32)
GAME  = dict(steps=4, every=2, hidden=(4,), latent=2, batch_size=32)
IMAGE = {"samples.png", "data.png", "neighbours.png"}
RUNS  = {
    "chain":  ("ddpm",     CHAIN,                           "few",      IMAGE | {"chain.png", "reverse.png"}),
    "short":  ("ddpm",     dict(CHAIN, T=3),                "few",      IMAGE | {"chain.png", "reverse.png"}),
    "labels": ("ddpm-mlp", dict(CHAIN, classes=10),         "few",      IMAGE | {"chain.png", "reverse.png"}),
    "game":   ("dcgan",    dict(GAME, ema=0.9),             "few",  IMAGE | {"interpolation.png", "arithmetic.png"}),
    "ring":   ("gan",      GAME,                            "ring",     {"samples.svg"}),
    "plane":  ("ddpm-mlp", CHAIN,                           "plane",    {"samples.svg", "reverse.png"}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a run of RUNS, made once, judged by few samples and by a classifier of few steps."""
    folder, done = tmp_path_factory.mktemp("runs"), {}
    few = {name: a[:200] for name, a in load("digits", Stream.seed(0)).train.items()}
    numpy.savez(folder / "few.npz", x=few["x"].reshape(-1, 8, 8), y=few["y"])
    numpy.save(folder / "plane.npy", numpy.random.default_rng(0).normal(size=(60, 2)))

    def make(name):
        if name not in done:
            model, hyper, data, _ = RUNS[name]
            path = folder / {"few": "few.npz", "plane": "plane.npy"}.get(data, data)
            done[name] = run(model, path if path.exists() else data, out=folder / name, **hyper)[0]
        return done[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "SAMPLES", 50)
        patch.setattr(runs, "eyes", functools.partial(eyes, steps=20))
        patch.setattr(references, "COMPONENTS", 2)
        yield make


@pytest.mark.parametrize("name", RUNS)
def test_a_page_of_samples_has_their_pictures_and_their_worth(made, name):
    folder  = made(name)
    results = json.loads((folder / "results.json").read_text())
    page    = Links((folder / "report.html").read_text()).seen
    names   = {p.name for p in folder.iterdir() if p.suffix in (".png", ".svg", ".txt") and "learning" not in p.name}
    assert names == RUNS[name][3] and "What its samples are worth" in page
    assert list(results["samples"])[:2] == ["This model", "Training data"]
    for what, figures in results["samples"].items():
        assert what in page and all(f"{value:.3g}".replace("-", "−") in page for value in figures.values())
    unit  = "share near a mode" if name == "ring" else "Fréchet distance"
    shown = float(re.search(r"step \d+ of \d+\.\n+\s*([−\d.]+)", page)[1])
    value = results["samples"]["This model"][unit]
    assert math.isclose(shown, 100 * value if name == "ring" else value, rel_tol=1e-3)
    assert ("Higher" if name == "ring" else "Lower") + " is better" in page


def test_references_stand_in_the_order_of_their_worth(made):
    for name in ("chain", "ring"):
        page  = (made(name) / "report.html").read_text()
        named = re.findall(r"<td>([^<]*)<td class=number>([^<]*)<td class=bar>", page)
        value = [float(v.replace("&minus;", "-")) for _, v in named]
        assert len(value) == 5 and value == sorted(value, reverse=name != "ring")


@pytest.mark.parametrize("name", ["game", "chain", "labels"])
def test_samples_of_the_averaged_weights_are_judged_beside_the_test_data(made, name):
    """And the same draws of plain laws that were learned from the training data."""
    opened = open_run(made(name), needs_data=True)
    stream, data = opened.stream("judged"), dataclasses.replace(opened.data, test=measuring.mixed(opened.data.test))
    x     = opened.model.sample(opened.model.weights(opened.state), opened.state.stats, stream("samples"), 50)
    found = runs.judged(opened)["samples"]
    seer  = eyes(data, steps=20)
    assert found["This model"] == judge(x, data, seer) != judge(x, dataclasses.replace(data, test=data.valid), seer)
    raw   = opened.model.sample(opened.state.params, opened.state.stats, stream("samples"), 50)
    assert found["This model"] != judge(raw, data, seer)
    others = {what: figures for what, figures in found.items() if what != "This model"}
    assert others == references.references(data, 50, stream, seer, None)
    assert found == json.loads((opened.folder / "results.json").read_text())["samples"]


def test_samples_of_bits_are_compared_with_a_mixture_of_bernoullis_and_with_no_single_one():
    """Which is each pixel by itself."""
    s     = Stream.seed(0)
    found = references.references(load("digits", s).as_bits("threshold", s), 30, s)
    assert list(found) == ["Training data", f"A mixture of {references.COMPONENTS} Bernoullis",
                           "Each pixel by itself"]


@pytest.mark.parametrize("law", ["real", "drawn", "independent"])
def test_references_are_as_many_as_the_samples_and_come_from_the_training_data_alone(law):
    x    = numpy.arange(40.0)[:, None] + numpy.array([[0.0, 100]])
    far  = {"x": x + 1e6}
    data = Data({"x": x}, far, far, shape=(2,))
    draw = {"real": references.real, "drawn": lambda *a: references.drawn(a[0], a[1], 2, a[2])[1],
            "independent": references.independent}[law]
    y = draw(data, 30, Stream.seed(0))
    assert y.shape == (30, 2) and abs(y).max() < 1000
    columns = [set(column) <= set(x[:, i]) for i, column in enumerate(y.T)]
    rows    = {tuple(row) for row in y} <= {tuple(row) for row in x}
    assert (all(columns), rows) == {"real": (True, True), "drawn": (False, False), "independent": (True, False)}[law]
    assert law != "real" or len(numpy.unique(y, axis=0)) == 30
    assert len(references.real(data, 99, Stream.seed(0))) == 40


def test_a_validation_by_samples_is_that_of_the_part_that_is_asked_for(made):
    opened = open_run(made("game"), needs_data=True)
    found  = runs.held_out(opened, stream=Stream.seed(1))
    for part in ("train", "valid", "test"):
        x    = opened.model.sample(*opened.weights, Stream.seed(1)(part), 50)
        want = frechet_distance(x / 255, getattr(opened.data, part)["x"] / 255)
        assert math.isclose(found[part]["Fréchet distance"][0], want, rel_tol=1e-9)


def test_the_pictures_of_a_chain_go_from_noise_to_the_samples(made, monkeypatch):
    """A row of chain.png is one example, x_T on the left; reverse.png moves the same way, and stays on x_0."""
    opened = open_run(made("chain"), needs_data=True)
    states = opened.model.chain(*opened.weights, opened.stream("show")("chain"), 64)
    image  = pixels((opened.folder / "chain.png").read_bytes())[::6, ::6, 0]
    cell   = lambda i, j: 1 - image[9 * i:9 * i + 8, 9 * j:9 * j + 8]
    times  = numpy.linspace(0, 9, 8).astype(int)
    for i, j in ((0, 0), (0, 7), (3, 0), (5, 4)):
        assert abs(cell(i, j) - states[times[j], i].reshape(8, 8)).max() < 1 / 128
    moving = Image.open(io.BytesIO((opened.folder / "reverse.png").read_bytes()))
    assert moving.n_frames == 40
    last = []
    for i, k in enumerate(numpy.linspace(0, 9, 40).astype(int)):                # of a short chain some again
        moving.seek(i)
        last.append(moving.info["duration"])
        seen = numpy.asarray(moving.convert("RGBA"))[:8, :8, 0] / 255
        assert abs(1 - seen - states[k, 0].reshape(8, 8)).max() < 1 / 128
    assert last[-1] > 2 * last[0] and moving.info["loop"] == 0


def test_a_neighbour_is_the_nearest_training_example_below_its_sample(made):
    opened = open_run(made("game"), needs_data=True)
    x      = opened.model.sample(*opened.weights, opened.stream("show")("samples"), 64)[:32]
    near   = opened.data.train["x"][nearest(x, opened.data.train["x"])[0]]
    image  = pixels((opened.folder / "neighbours.png").read_bytes())[::6, ::6, 0]
    levels = opened.data.levels - 1
    for i in (0, 7, 8, 31):
        row, column = 9 * 2 * (i // 8), 9 * (i % 8)
        for below, want in ((0, x[i]), (9, near[i])):
            cell = 1 - image[row + below:row + below + 8, column:column + 8]
            assert abs(cell - want.reshape(8, 8) / levels).max() < 1 / 128


# ---- labels, and what may be changed after training
def test_samples_have_the_label_and_the_hyper_parameters_that_are_asked_for(made):
    folder = made("labels")
    opened = open_run(folder)
    draw   = lambda y, **how: dataclasses.replace(opened.model, **how).sample(*opened.weights, Stream.seed(2), 5, y)
    assert numpy.array_equal(runs.sample(folder, 5, seed=2, label=9), draw([9] * 5))
    assert numpy.array_equal(runs.sample(folder, 5, seed=2), draw(None))
    assert numpy.array_equal(runs.sample(folder, 5, seed=2, label=0, guidance=4.0, sampled=3, eta=0.5),
                             draw([0] * 5, guidance=4.0, sampled=3, eta=0.5))
    for how, words in ((dict(label=10), "label=10 is out of range"), (dict(label=-1), "label=-1 is out of range"),
                       (dict(lr=1.0), "lr=1.0 does not change how ddpm-mlp draws; choose among eta, guidance, sampled"),
                       (dict(T=3), "T=3 does not change"), (dict(sampled=10), "T=9, so sampled=10")):
        with pytest.raises(ValueError, match=words):
            runs.sample(folder, 5, **how)
    with pytest.raises(ValueError, match="was told no labels; train one with --classes"):
        runs.sample(made("game"), 5, label=0)


def test_the_command_line_passes_on_what_is_asked_of_samples_and_names_the_file_by_it(made, capsys):
    folder = made("labels")
    assert cli.main(["sample", str(folder), "--n", "3", "--label", "4", "--guidance", "2", "--sampled", "3"]) == 0
    path = folder / "samples" / "seed-0-label-4-guidance-2.0-sampled-3.npy"
    assert str(path) in capsys.readouterr().out and path.with_suffix(".png").exists()
    assert numpy.array_equal(numpy.load(path), runs.sample(folder, 3, label=4, guidance=2.0, sampled=3))
    assert cli.main(["sample", str(folder), "--label", "12"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_line_says_what_samples_are_worth_beside_the_references(made, capsys):
    assert cli.main(["evaluate", str(made("ring"))]) == 0
    out   = capsys.readouterr().out
    found = json.loads((made("ring") / "results.json").read_text())["samples"]
    brief = ("Fréchet distance", "distance to the training data", "modes covered", "share near a mode")
    assert set(re.findall(r"^samples (.*?): ", out, re.M)) == set(brief) < set(found["This model"])
    for name in brief:
        value  = found["This model"][name]
        beside = ", ".join(f"{what[0].lower()}{what[1:]} {figures[name]:.4g}" for what, figures in found.items()
                           if what != "This model")
        assert f"samples {name}: {value:.4g} ({beside})" in out
    assert "test Fréchet distance: " in out and "nats" not in out
    cli.worth({})
    assert capsys.readouterr().out == ""


def test_the_best_of_games_side_by_side_is_the_nearest(made, tmp_path):
    page = pages.side_by_side([made("ring"), made("ring")], tmp_path / "page.html").read_text()
    assert "Fréchet distance" in Links(page).seen
    results = {"test": {"n": 20, "Fréchet distance": (1.0, 0.0)}}
    config  = configs.read(made("ring"))
    row = pages._compared({"a": (config, results, []),
                           "b": (config, {"test": {"n": 20, "Fréchet distance": (2.0, 0.0)}}, [])})[1]
    assert row[1:] == ("<b>1.000</b>", "2.000")
    chain = {name: (configs.read(made("chain")), {"test": {"n": 20, "L_simple": (value, 0.0)}}, [])
             for name, value in (("a", 1.0), ("b", 2.0))}
    assert pages._compared(chain)[1][1:] == ("1.000", "2.000")                  # of other steps, perhaps


def test_a_training_ends_with_what_its_samples_are_worth(made, capsys):
    results = json.loads((made("chain") / "results.json").read_text())
    assert cli.told(made("chain"), results | {"step": 4, "signal": None}) == 0
    out = capsys.readouterr().out
    assert re.search(r"^test L_simple: [\d.]+ \(standard error", out, re.M)
    assert re.search(r"^test ELBO: -[\d.]+ nats \(standard error", out, re.M)
    for name in ("Fréchet distance", "Fréchet distance of features", "least class share"):
        value = results["samples"]["This model"][name]
        assert f"samples {name}: {value:.4g} (training data {results['samples']['Training data'][name]:.4g}, " in out


def test_the_training_curve_of_a_chain_is_its_loss_where_that_is_the_criterion():
    curve = pages.CRITERIA["L_simple"]
    assert curve(configs.model("ddpm", {}), 64, {"loss": 3.0}) == 3.0
    assert curve(configs.model("ddpm", {"variance": "learned"}), 64, {"loss": 3.0}) is None


# ---- what was promised of them, in minutes each ----------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("model, steps, most", [("dcgan", 1600, 0.20), ("wgan-gp", 3700, 0.20), ("ddpm", 3000, 0.16)])
def test_samples_of_digits_are_nearer_to_them_than_those_of_ten_gaussians(tmp_path, model, steps, most):
    """Seed 0; a distance of 1000 other samples of the same model may be 0.01 higher or lower."""
    _, found = run(model, "digits", steps=steps, out=tmp_path / "run")
    ours, mixture = (found["samples"][what] for what in ("This model", "A mixture of 10 Gaussians"))
    assert ours["Fréchet distance"] <= most and ours["least class share"] >= 0.05
    assert ours["Fréchet distance of features"] < mixture["Fréchet distance of features"]
    assert model != "ddpm" or found["test"]["bits per dimension"][0] <= 2.40


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_with_a_gradient_penalty_all_modes_of_the_ring_are_found(tmp_path, seed):
    _, found = run("wgan-gp", "ring", seed, out=tmp_path / "run")
    assert found["samples"]["This model"]["modes covered"] == 8
    assert found["samples"]["This model"]["share near a mode"] >= 0.85


# ---- what is judged, and by what -------------------------------------------------------------------------------------
def test_a_game_is_shown_by_its_last_state_whatever_its_validation_says(tmp_path, monkeypatch):
    worse = iter(range(99))
    monkeypatch.setattr(runs, "held_out", lambda *_, **__: {"valid": {"Fréchet distance": (float(next(worse)), 0.0)}})
    monkeypatch.setattr(runs, "_finish", lambda opened: {})
    folder, _ = run("gan", "ring", out=tmp_path / "run", **GAME)
    assert open_run(folder).state.step == 4


def test_a_chain_is_judged_on_no_more_examples_than_it_says(made, monkeypatch):
    opened = open_run(made("plane"), needs_data=True)
    monkeypatch.setattr(type(opened.model), "most", 5)
    assert runs.held_out(opened, parts=["train"])["train"]["n"] == 5


def test_other_data_are_not_taken_for_what_was_learned(made, tmp_path):
    numpy.save(tmp_path / "other.npy", numpy.random.default_rng(1).normal(size=(60, 2)))
    assert "samples" not in runs.evaluate(made("plane"), tmp_path / "other.npy", draws=1)
    assert "samples" in runs.evaluate(made("plane"), draws=1)
