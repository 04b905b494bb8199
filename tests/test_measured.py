"""Laws of measures of runs: each is measured or refused in a sentence, and stands on the page as it was found."""
import base64
import dataclasses
import functools
import json
import math
import re

import numpy as np
import pytest

from backends.random import Stream
from scratch import cli, runs
from scratch.data import PARTS, load
from scratch.metrics import MEASURES, as_levels, as_many, eyes
from scratch.models import MODELS
from scratch.runs import config as configs, measuring, pages
from scratch.runs.baselines import BITS
from tests.test_runs import SMALL


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    for module in (runs, measuring):
        monkeypatch.setattr(module, "eyes", functools.partial(eyes, steps=5))


def opened(name, data=None, rows=40):
    """A run of a model that has learned nothing yet, on a few rows of its data."""
    data, stream = MODELS[name].data if data is None else data, Stream.seed(0)
    raw   = load(data, stream)
    raw   = dataclasses.replace(raw, **{part: {k: a[:rows] for k, a in getattr(raw, part).items()} for part in PARTS})
    model = configs.model(name, SMALL.get(name, {}), raw)
    view  = model.view(raw, stream("data"))
    config = dict(model=name, data=data, seed=0, hyper=dataclasses.asdict(model), shape=list(view.shape),
                  levels=view.levels, data_hash="", examples=[rows] * 3)
    return runs.Run(None, config, model, view, model.start(stream("init"), view.train), {}, stream)


def measured(run, names="all", n=12, features="pixels"):
    def bits(part):
        found = runs.held_out(run, 2, Stream.seed(1), [part])[part]
        return (*found[BITS], found["n"]) if BITS in found else None
    with np.errstate(all="ignore"):
        return measuring.measured(run, names, features, n, bits)


# ---- what is measured, and what is not -------------------------------------------------------------------------------
@pytest.mark.parametrize("name", MODELS)
def test_every_measure_of_every_model_is_a_number_or_a_sentence(name):
    run        = opened(name)
    found, why = measured(run)
    assert list(found) == [m for m in MEASURES if m in found] and set(found) | set(why) == set(MEASURES)
    assert not set(found) & set(why) and all(re.fullmatch(r"[a-zA-Z][^\n]{15,}[^.]", reason) for reason in why.values())
    for each in found.values():
        assert all(type(v) is float for v in each[1:3]) and each.of and (math.isnan(each.error) or each.error >= 0)
    assert ("precision" in found) == hasattr(run.model, "sample")
    assert ("bits" in found) == (run.model.likelihood != "none")
    assert ("modes" in found) == (run.config["data"] in ("ring", "islands") and "precision" in found)


def test_text_has_no_distances_and_columns_are_no_images(tmp_path):
    (tmp_path / "a.txt").write_text("to be or not to be, that is the question\n" * 60)
    found, why = measured(opened("vae", str(tmp_path / "a.txt")))
    assert set(found) == {"bits"} and all("text" in reason for reason in why.values())
    found, why = measured(opened("ae", "ring"))
    assert set(found) == {"mse"} and "no images" in why["ssim"] and "no levels" in why["psnr"]


def test_two_test_examples_are_too_few_and_names_that_are_not_known_are_refused():
    found, why = measured(opened("gmm", "ring", rows=10)._replace(data=(data := load("ring", Stream.seed(0))) and
                          dataclasses.replace(data, test={"x": data.test["x"][:2]})), "frechet,nearest")
    assert not found and set(why.values()) == {"there are 2 test examples, and 3 are needed"}
    with pytest.raises(ValueError, match="measures: 'psr' is not known; choose all, or among frechet, fid, kernel"):
        measured(opened("ae"), "mse,psr")
    with pytest.raises(ValueError, match="features='eyes' is not known; choose one of pixels, classifier, random"):
        measured(opened("ae"), "mse", features="eyes")


# ---- the numbers -----------------------------------------------------------------------------------------------------
def test_values_are_those_of_the_results_and_so_are_those_of_training_data(monkeypatch):
    run = opened("ddpm", rows=60)
    monkeypatch.setattr(runs, "SAMPLES", 30)
    judged   = runs.judged(run)["samples"]
    found, _ = measured(run, n=30)
    named    = {each.title: each for each in found.values()}
    assert set(judged["This model"]) < set(named)
    for title, value in judged["This model"].items():
        assert math.isclose(named[title].value, value, rel_tol=1e-9), title
        assert math.isclose(named[title].training, judged["Training data"][title], rel_tol=1e-9, abs_tol=1e-12), title


def test_of_pairs_the_error_is_that_of_a_mean_over_examples():
    run   = opened("ae")
    each  = run.model.evaluate(*run.weights, run.data.test, None)["squared error"] / 64
    found = measured(run, "mse,ssim", n=30)[0]
    assert found["mse"].of == "30 test examples" and found["mse"].bias == 0
    np.testing.assert_allclose(found["mse"][1:3], (each[:30].mean(), each[:30].std() / 30**0.5), rtol=1e-5)


def test_the_error_of_a_share_is_binomial_and_its_bias_none(monkeypatch):
    """By 20 groups: the square of the ratio is chi^2_19 / 19, beyond the factors once in 1e7 draws."""
    run = opened("gmm", "ring")
    monkeypatch.setattr(type(run.model), "sample", lambda self, params, stats, stream, n: np.where(
        stream.uniform((n, 1)) < 0.3, [[2.0, 0]], [[9.0, 9]]))
    near = measured(run, "near", n=1000)[0]["near"]
    want = math.sqrt(near.value * (1 - near.value) / 1000)
    assert abs(near.value - 0.3) < 6.2 * want and 0.2 < near.error / want < 2.2 and near.bias == 0


def test_of_large_examples_fewer_are_held_against_each_other():
    assert [as_many(1000, 360, 64), as_many(1000, 1000, 64), as_many(1000, 1000, 784)] == [360, 1000, 292]


def test_classes_are_seen_alike_in_levels_and_in_floats_dequantised_from_them():
    data = load("digits", Stream.seed(0))
    view = data.dequantised(Stream.seed(1))
    x    = data.test["x"]
    assert np.array_equal(as_levels(view.test["x"], 17), x)
    assert np.array_equal(eyes(view, steps=3).log_prob(x), eyes(data, steps=3).log_prob(x))


# ---- the command line ------------------------------------------------------------------------------------------------
def test_the_command_line_prints_a_line_a_measure_and_says_what_it_left_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(runs, "_finish", lambda opened: {})
    monkeypatch.setattr(runs, "_snapshot", lambda opened: None)
    folder, _ = runs.run("gmm", "ring", steps=2, out=tmp_path / "run", components=8, starts=1)
    assert cli.main(["evaluate", str(folder), "--measures", "all", "--samples", "60"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^Fréchet distance: \S+ \(standard error \S+, bias \S+; 60 samples, 1000 test examples; training "
                     r"data \S+\)$", out, re.M)
    assert re.search(r"^kernel distance: \S+ \(standard error \S+, no bias; 60 samples, 60 test examples; ", out, re.M)
    assert re.search(r"^precision: \S+ \(standard error \S+; 60 samples, 60 test examples; training data", out, re.M)
    assert "not measured: mean squared error, PSNR in dB, SSIM: gmm gives no examples back\n" in out
    for arguments, sentence in ((("--measures", "precision,ssim"), "ssim of .* is not measured: gmm gives no examples"),
                                (("--measures", "ssm"), "measures: 'ssm' is not known"),
                                (("--features", "random"), "--features is for measures; say which, with --measures"),
                                (("--measures", "frechet", "--features", "classifier"), "need labels"),
                                (("--measures", "frechet", "--samples", "2"), "samples=2 is out of range")):
        assert cli.main(["evaluate", str(folder), *arguments]) == 2
        captured = capsys.readouterr()
        assert re.search(sentence, captured.err) and captured.err.count("\n") == 1 and captured.out == ""


# ---- side by side ----------------------------------------------------------------------------------------------------
def planted(*figures, data="moons", real=None):
    """What folders would hold, of runs on the same data."""
    config = dict(data=data, data_hash=data, hyper={}, levels=None, shape=[2], examples=[900, 90, 100])
    found  = [{"samples": {"This model": each, "Training data": real or {"precision": 0.97, "recall": 0.96}}}
              for each in figures]
    return {f"runs/{data}-{i}": (config, json.loads(json.dumps(each)), []) for i, each in enumerate(found)}


GOOD, POOR = ({"Fréchet distance": 0.5, "precision": 0.9, "recall": 0.25, "distance to the training data": 1.5},
              {"Fréchet distance": 1.5, "precision": 0.5, "recall": 0.75, "distance to the training data": 1.0})


def test_the_table_has_the_figures_of_the_results_with_the_best_in_bold():
    page = "".join(pages._worth(planted(GOOD, POOR)))
    rows = [re.split("<t[dh]>", row)[1:] for row in page[:page.index("</table>")].split("<tr>")[1:]]
    assert rows[0][1:] == ["data", "Fréchet distance &darr;", "precision &uarr;", "recall &uarr;",
                           "distance to the training data"]
    assert rows[1] == ["runs/moons-0", "moons", "<b>0.5</b>", "<b>0.9</b>", "0.25", "1.5"]
    assert rows[2] == ["runs/moons-1", "moons", "1.5", "0.5", "<b>0.75</b>", "1"]
    assert rows[3] == ["<span class=soft>Training data</span>", "moons", "–", "0.97", "0.96", "–"]
    apart = "".join(pages._worth(planted(GOOD) | planted(POOR, data="ring")))
    assert "<b>" not in apart                                               # no two of the same data


def test_the_picture_has_a_mark_of_each_run_where_it_belongs_and_its_label():
    svg   = picture(planted(GOOD, POOR))
    marks = np.array([[float(v) for v in mark] for mark in re.findall(r'<use xlink:href="#\w+" x="([\d.]+)" '
                                                                      r'y="([\d.]+)" style="fill: #', svg)])
    box   = np.array([float(v) for v in re.search(r'id="patch_2">\s*<path d="M ([\d.]+) ([\d.]+) \s*L ([\d.]+) [\d.]+ '
                                                  r'\s*L [\d.]+ ([\d.]+)', svg).groups()])
    at    = np.stack([(marks[:, 0] - box[0]) / (box[2] - box[0]), (marks[:, 1] - box[1]) / (box[3] - box[1])], axis=1)
    for want in ((0.25, 0.9), (0.75, 0.5), (0.96, 0.97)):
        assert abs(at - want).max(axis=1).min() < 1e-3
    assert ">moons-0<" in svg and ">moons-1<" in svg and ">recall<" in svg and ">precision<" in svg


def picture(found):
    page = "".join(pages._worth(found))
    return base64.b64decode(re.search("base64,([^']*)", page)[1]).decode()


def test_runs_without_precision_and_recall_are_named_and_old_results_still_open():
    found = planted(GOOD) | planted({"Fréchet distance": 2.0}, data="old", real={"Fréchet distance": 1.0})
    found |= {"runs/<b>": (dict(found["runs/old-0"][0], data_hash="x"), None, [])}
    page  = "".join(pages._worth(found))
    assert "no precision and recall: runs/old-0, runs/&lt;b&gt;." in page and "<td>runs/old-0<td>old<td>2<td>–" in page
    assert list(pages._worth({"a": found["runs/<b>"]})) == [
        "<p class=soft>Their samples have no precision and recall: a.</p>"]


@pytest.mark.parametrize("n", [2, 12])
def test_labels_lie_inside_and_apart_where_there_is_room(n):
    from scratch.runs.figures import beside
    u      = np.random.default_rng(n).uniform(size=(n, 2))
    labels = [(x, low, x + 0.0145 * len(label), low + 0.035)
              for x, low, label, _ in beside([(*at, f"model-{i}") for i, at in enumerate(u)])]
    assert len(labels) == n and np.min(labels) > -0.01 and np.max(labels) < 1.01
    for i, a in enumerate(labels):
        for b in labels[:i]:
            assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]
