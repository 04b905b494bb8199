"""Laws of measures of runs: each is measured or refused in a sentence, and stands on the page as it was found."""
import dataclasses
import functools
import json
import math
import re

import numpy as np
import pytest

from backends.random import Stream
from scratch import cli, runs, trees
from scratch.data import PARTS, Data, load
from scratch.metrics import (FEATURES, MEASURES, as_levels, copying, eyes, frechet_distance, inception_score, jackknife,
                             judge, kernel_distance, manifold_figures, measures, modes_of, ssim)
from scratch.metrics.measures import ALONE, as_many, chosen, values, views
from scratch.models import MODELS
from scratch.runs import config as configs, measuring, pages
from scratch.runs.baselines import BITS
from scratch.runs.figures import precise
from tests.test_runs import SMALL


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    for module in (runs, measuring):
        monkeypatch.setattr(module, "eyes", functools.partial(eyes, steps=5))


def opened(name, data=None, rows=40, **hyper):
    """A run of a model that has learned nothing yet, on a few rows of its data."""
    data, stream = MODELS[name].data if data is None else data, Stream.seed(0)
    raw   = load(data, stream)
    raw   = dataclasses.replace(raw, **{part: {k: a[:rows] for k, a in getattr(raw, part).items()} for part in PARTS})
    model = configs.model(name, SMALL.get(name, {}) | hyper, raw)
    view  = model.view(raw, stream("data"))
    config = dict(model=name, data=data, seed=0, hyper=dataclasses.asdict(model), shape=list(view.shape),
                  levels=view.levels, data_hash="", examples=[rows] * 3)
    return runs.Run(None, config, model, view, model.start(stream("init"), view.train), {}, stream)


def measured(run, names="all", n=12, features="pixels"):
    def bits(part):
        found = runs.held_out(run, 2, Stream.seed(1), [part])[part]
        return (*found[BITS], found["n"]) if BITS in found else None
    with np.errstate(all="ignore"):
        return measuring.measure(run, names, features, n, bits)


# ---- what is measured, and what is not -------------------------------------------------------------------------------
@pytest.mark.parametrize("name", MODELS)
def test_every_measure_of_every_model_is_a_number_or_a_sentence(name):
    run        = opened(name)
    found, why = measured(run)
    assert list(found) == [m for m in MEASURES if m in found] and set(found) | set(why) == set(MEASURES)
    assert not set(found) & set(why) and all(re.fullmatch(r"[a-zA-Z][^\n]{15,}[^.]", reason) for reason in why.values())
    for each in found.values():
        assert type(each.value) is float and math.isfinite(each.value) and each.of
        assert all(v is None or type(v) is float and math.isfinite(v) for v in (each.error, each.bias, each.training))
        assert (each.error is None or each.error >= 0) and each.training is not None
    assert ("precision" in found) == hasattr(run.model, "sample")
    assert ("bits" in found) == (run.model.likelihood != "none") == ("has no likelihood" not in why.get("bits", ""))
    bound = run.model.likelihood == "bound" or name in ("gmm", "ppca", "linear-flow")       # that dequantise digits
    said  = (None, f"{len(run.data.test['x'])} test examples, a bound from above") if bound else \
            (0.0, f"{len(run.data.test['x'])} test examples")
    assert "bits" not in found or (found["bits"].bias, found["bits"].of) == said
    assert ("modes" in found) == (run.config["data"] in ("ring", "islands") and "precision" in found)


def test_an_estimate_of_z_and_too_few_draws_are_told():
    bits = measured(opened("rbm", listed=1), "bits")[0]["bits"]
    assert (bits.bias, bits.of) == (None, "40 test examples, up to an estimated Z")
    run   = opened("ddpm")
    draws = lambda part: None if "ELBO" not in runs.held_out(run, 1, Stream.seed(1), [part])[part] else 0
    assert measuring.measure(run, "bits", "pixels", 12, draws) == (
        {}, {"bits": "ddpm says no likelihood by so few draws of an example"})


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
    for names in (None, 5):
        with pytest.raises(TypeError, match=f"measures is {names}; expected names, as in \"precision,recall\" or a li"):
            measured(opened("ae"), names)
    assert chosen(" ssim,\tfid ") == ["fid", "ssim"]
    assert chosen("frechet,all") == chosen("all") == list(MEASURES) and chosen(["ssim", "fid"]) == ["fid", "ssim"]


def test_what_is_no_finite_number_is_not_measured():
    run   = opened("gmm", "ring")
    found, why = measured(run._replace(data=dataclasses.replace(run.data, test=run.data.train)), "nearest,near")
    assert set(found) == {"near"} and why == {
        "nearest": "most of these test examples are training examples too, and nothing tells new from copied"}


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
    each  = run.model.evaluate(*run.weights, measuring.mixed(run.data.test), None)["squared error"] / 64
    found = measured(run, "mse,ssim", n=30)[0]
    assert found["mse"].of == "30 test examples" and found["mse"].bias == 0
    np.testing.assert_allclose(found["mse"][1:3], (each[:30].mean(), each[:30].std(ddof=1) / 30**0.5), rtol=1e-5)


def test_the_error_of_a_share_is_binomial_and_its_bias_none(monkeypatch):
    """By 20 groups: the square of the ratio is chi^2_19 / 19, beyond the factors once in 1e7 draws."""
    run = opened("gmm", "ring")
    monkeypatch.setattr(type(run.model), "sample", lambda self, params, stats, stream, n: np.where(
        stream.uniform((n, 1)) < 0.3, [[2.0, 0]], [[9.0, 9]]))
    near = measured(run, "near", n=1000)[0]["near"]
    want = math.sqrt(near.value * (1 - near.value) / 1000)
    assert abs(near.value - 0.3) < 6.2 * want and 0.2 < near.error / want < 2.2 and near.bias == 0


def test_test_data_in_the_order_of_their_values_are_measured_as_in_any_other(monkeypatch):
    """200 of 1000: by the first of them precision would be that of two modes of eight."""
    monkeypatch.setattr(runs, "SAMPLES", 200)
    run   = opened("gmm", "ring", rows=1000)
    order = np.argsort(run.data.test["x"][:, 0])
    run   = run._replace(data=dataclasses.replace(run.data, test={"x": run.data.test["x"][order]}))
    found = measured(run, "precision,coverage", n=200)[0]
    same  = runs.judged(run)["samples"]["Training data"]
    assert all(each.training == same[name] > 0.9 for name, each in found.items())


@pytest.mark.parametrize("name", ["ring", "grid", "islands"])
def test_data_cover_all_modes_of_their_law(name):
    """Of 25 modes 4000 draws miss one once in 1e14, by Chernoff's bound; 1000 once in 1e4, and here they do not."""
    data = load(name, Stream.seed(0))
    for part in (data.train, data.test):
        found = judge(part["x"], data, modes=modes_of(name))
        assert found["modes covered"] == len(modes_of(name)[0])
    assert abs(modes_of(name)[2].sum() - 1) < 1e-12


def test_a_mode_is_due_what_the_law_gives_it():
    modes, radius, pi = modes_of("islands")                                     # 0.6, 0.3 and 0.1
    for counts, covered in (([241, 121, 41], 3), ([239, 720, 41], 2), ([961, 0, 39], 1)):
        x = np.repeat(modes, counts, axis=0)
        x = np.concatenate([x, np.full((1000 - len(x), 2), 50.0)])
        assert judge(x, load("islands", Stream.seed(0)), modes=(modes, radius, pi))["modes covered"] == covered


def test_by_as_many_features_as_samples_no_bias_is_told():
    assert measured(opened("ddpm"), "frechet", n=64)[0]["frechet"].bias is None
    assert measured(opened("gmm", "ring"), "frechet", n=12)[0]["frechet"].bias > 0


def test_what_is_held_against_nothing_sees_samples_alone():
    data  = load("ring", Stream.seed(0))
    known = views(data, modes=modes_of("ring"))
    names = [name for name, row in MEASURES.items() if row.view in known]
    seen  = values(names, known, data.valid["x"], data.test["x"], None, lambda f, *seen: len(seen))
    assert seen == {name: 1 if MEASURES[name].view in ALONE else 2 for name in names}


@pytest.mark.parametrize("decoder", ["gaussian", "isotropic"])
def test_pairs_of_levels_are_compared_without_the_noise_that_was_added(decoder, monkeypatch):
    run = opened("vae", decoder=decoder)
    monkeypatch.setattr(type(run.model), "pictures", lambda self, params, stats, batch, stream: {
        "reconstructions": np.stack([self.seen(batch["x"], stream, "float64"), (batch["x"] + 1.5) / 17], axis=1)})
    found = measured(run, "mse,psnr")[0]                                        # one level of 16 beside, everywhere
    assert math.isclose(found["mse"].value, 1 / 16**2) and math.isclose(found["psnr"].value, 20 * math.log10(16))


def test_each_figure_is_that_of_its_view_of_the_averaged_weights_samples_asked_alone_or_among_others(monkeypatch):
    """Distances of moments against all test data, those of all pairs against as many as there are samples."""
    run = opened("ddpm", rows=60)
    monkeypatch.setattr(type(run.model), "weights", lambda self, state: trees.map(lambda a: a + 0.05, state.params))
    see, seer = FEATURES["random"](run.data), eyes(run.data, steps=5)
    y     = measuring.mixed(run.data.test)["x"]
    x     = run.model.sample(*run.weights, run.stream("judged")("samples"), 20)
    found, _ = measured(run, n=20, features="random")
    want  = {"frechet":   jackknife(frechet_distance, see(x), see(y)),
             "fid":       jackknife(frechet_distance, seer.features(x), seer.features(y)),
             "kernel":    jackknife(kernel_distance, see(x), see(y[:20])),
             "precision": jackknife(lambda x, y: manifold_figures(x, y)[0], see(x), see(y[:20])),
             "inception": jackknife(inception_score, seer.log_prob(x)),
             "nearest":   (copying(x / 16, y[:20] / 16, run.data.train["x"] / 16),)}
    for name, (value, *rest) in want.items():
        assert math.isclose(found[name].value, value, rel_tol=1e-6, abs_tol=1e-9), name
        assert not rest or math.isclose(found[name].error, rest[1], rel_tol=1e-5), name
    assert math.isclose(found["inception"].bias, want["inception"][1], rel_tol=1e-5) and found["inception"].bias != 0
    assert found["kernel"].bias == 0 and found["precision"].bias is found["fid"].bias is None
    for names in ("recall,frechet,precision", "coverage", "classes"):
        alone, _ = measured(run, names, n=20, features="random")
        assert set(alone) == set(names.split(",")) and alone == {name: found[name] for name in alone}


def test_of_pairs_and_of_bits_training_data_are_told_beside_test_data():
    run   = opened("ae")
    each  = run.model.evaluate(*run.weights, measuring.mixed(run.data.train), None)["squared error"] / 64
    assert math.isclose(measured(run, "mse", n=30)[0]["mse"].training, each[:30].mean(), rel_tol=1e-5)
    run   = opened("vae")
    test, train = (runs.held_out(run, 2, Stream.seed(1), [part])[part][BITS] for part in ("test", "train"))
    bits  = measured(run, "bits")[0]["bits"]
    assert (bits.value, bits.error) == test and bits.training == train[0]


def test_windows_and_neighbours_are_those_that_there_is_room_for():
    x, y = np.random.default_rng(0).uniform(size=(2, 3, 12 * 14))
    for shape, window in (((12, 14), 11), ((24, 7), 7), ((8, 21), 7), ((2, 84), 1), ((168, 1), 1)):
        assert np.array_equal(measures.similarity(x, y, shape), ssim(x, y, shape, window=window))
    few = np.random.default_rng(1).normal(size=(12, 2))
    for n, m, k in ((9, 3, 2), (3, 9, 2), (6, 6, 5), (12, 12, 5)):
        assert np.array_equal(measures.among(few[:n], few[-m:]), manifold_figures(few[:n], few[-m:], k))


def test_a_figure_that_is_no_number_is_left_out_of_results():
    part  = {"x": np.random.default_rng(0).normal(size=(9, 2))}
    found = judge(part["x"] + 1, Data(part, part, part, shape=(2,)))            # test data that are training data
    assert "distance to the training data" not in found and "precision" in found


def test_of_large_examples_fewer_are_held_against_each_other_by_all_distances_of_what_is_seen(monkeypatch):
    assert [as_many(1000, 360, 64), as_many(1000, 1000, 64), as_many(1000, 1000, 784)] == [360, 1000, 292]
    monkeypatch.setattr(measures, "PAIRS", 2 * 20**2)                           # 20 pairs of 2 columns
    run  = opened("gmm", "ring", rows=30)
    said = lambda features: [each.of for each in measured(run, "kernel,precision", 30, features)[0].values()]
    assert said("pixels") == ["30 samples, 30 test examples", "20 samples, 20 test examples"]
    assert said("random") == [f"{n} samples, {n} test examples, random features" for n in (30, 3)]


def test_a_classifier_that_learned_nothing_measures_nothing(monkeypatch):
    for module in (runs, measuring):
        monkeypatch.setattr(module, "eyes", lambda data: None)
    run, few = opened("ddpm"), {"fid", "inception", "classes"}
    assert set(runs.judged(run)["samples"]["This model"]).isdisjoint(MEASURES[name].title for name in few)
    found, why = measured(run, ["fid", "inception", "classes", "near"])
    assert not found and {why.pop(name) for name in few} == {
        "the classifier learned nothing: to it all training data are the same"} and "modes, as that of" in why["near"]
    data = run.data
    same = dataclasses.replace(data, train=data.train | {"x": 0 * data.train["x"]})
    assert eyes(same, steps=2) is None is not eyes(data, steps=2)
    with pytest.raises(ValueError, match="features=classifier: the classifier learned nothing of the data; choose pix"):
        FEATURES["classifier"](same)


@pytest.mark.parametrize("features", ["pixels", "random", "classifier"])
def test_features_are_of_everybodys_arrays_and_of_as_many_columns_as_the_data(features):
    run  = opened("ddpm")
    data, x = run.data, run.data.test["x"]
    see  = FEATURES[features](data)
    for theirs in (x.tolist(), pytest.importorskip("torch").from_numpy(x)):
        assert np.array_equal(see(theirs), see(x))
    for wrong in (x[:, 1:], x[0]):
        with pytest.raises(ValueError, match=r"x has shape .*; expected \[n, 64\]"):
            see(wrong)


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
    assert re.search(r"^modes covered: \d \(60 samples; training data \d\)$", out, re.M)
    assert re.search(r"^bits per dimension: \S+ \(standard error \S+, no bias; 1000 test examples; training", out, re.M)
    assert re.search(r"^precision: \S+ \(standard error \S+; 60 samples, 60 test examples; training data", out, re.M)
    assert cli.main(["evaluate", str(folder), "--measures", "all,near", "--samples", "60"]) == 0
    assert capsys.readouterr().out == out
    assert cli.main(["evaluate", str(folder), "--measures", "precision, near", "--samples", "60", "--features",
                     "random"]) == 0
    assert re.findall(r"; (60 samples.*); ", capsys.readouterr().out) == [
        "60 samples, 60 test examples, random features", "60 samples"]
    assert "not measured: mean squared error, PSNR in dB, SSIM: gmm gives no examples back\n" in out
    for arguments, sentence in ((("--measures", "precision,ssim"), "ssim of .* is not measured: gmm gives no examples"),
                                (("--measures", "ssm"), "measures: 'ssm' is not known"),
                                (("--features", "random"), "--features is for measures; say which, with --measures"),
                                (("--measures", "frechet", "--features", "classifier"), "needs labels, of 100 class"),
                                (("--measures", "frechet", "--samples", "2"), "samples=2 is out of range")):
        assert cli.main(["evaluate", str(folder), *arguments]) == 2
        captured = capsys.readouterr()
        assert re.search(sentence, captured.err) and captured.err.count("\n") == 1 and captured.out == ""


def test_modes_of_a_folder_are_those_of_the_data_that_it_is_held_against(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "_finish", lambda opened: {})
    ring, _ = runs.run("gmm", "ring", steps=1, out=tmp_path / "ring", components=8, starts=1)
    assert runs.measured(ring, "near", data="islands")[0]["near"].training > 0.99
    assert runs.measured(ring, "near")[0]["near"].training > 0.99


def test_the_command_line_says_what_was_measured_and_only_that(capsys, monkeypatch):
    asked = {}
    def found(folder, measures, **arguments):
        asked.update(arguments, measures=measures)
        return ({"frechet":   measuring.Measured("Fréchet distance", 1.5, 0.25, 0.125, "60 samples", 0.75),
                 "kernel":    measuring.Measured("kernel distance", -0.5, 0.1, 0.0, "60 samples", 0.0),
                 "precision": measuring.Measured("precision", 0.5, None, None, "9 samples", 1.0)},
                {"mse": "no pairs", "ssim": "no images", "psnr": "no pairs"})
    monkeypatch.setattr(runs, "measured", found)
    assert cli.main(["evaluate", "x", "--measures", "all", "--samples", "60", "--draws", "3"]) == 0
    assert asked == {"measures": "all", "samples": 60, "draws": 3}
    assert capsys.readouterr().out.splitlines() == [
        "Fréchet distance: 1.5 (standard error 0.25, bias 0.12; 60 samples; training data 0.75)",
        "kernel distance: -0.5 (standard error 0.1, no bias; 60 samples; training data 0)",
        "precision: 0.5 (9 samples; training data 1)",
        "not measured: mean squared error, PSNR in dB: no pairs", "not measured: SSIM: no images"]
    assert cli.main(["evaluate", "x", "--samples", "60"]) == 2
    assert "--samples is for measures; say which, with --measures" in capsys.readouterr().err


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
    assert "gives their standard errors" in page
    apart = "".join(pages._worth(planted(GOOD) | planted(POOR, data="ring")))
    assert "<b>" not in apart                                               # no two of the same data
    assert "<b>" not in "".join(pages._worth(planted(POOR, POOR)))          # none is better than the other


def test_what_is_below_0_by_chance_alone_is_as_good_as_0_and_density_has_no_best():
    found = planted({"kernel distance": -0.2, "density": 1.4}, {"kernel distance": -0.1, "density": 0.9},
                    {"kernel distance": 0.1, "density": 1.0})
    page  = "".join(pages._worth(found))
    assert "<b>&minus;0.2</b>" in page and "<b>&minus;0.1</b>" in page and page.count("<b>") == 2


def test_runs_on_the_same_bits_are_compared_however_levels_would_become_bits():
    kind = lambda seen, **hyper: pages._kind(dict(data_hash="d", levels=seen, hyper=hyper))
    assert kind(2) == kind(2, levels=2) == kind(2, levels=2, binarise="threshold") == kind(
        2, levels=2, binarise="dynamic", decoder="bernoulli") == ("d", False)
    assert kind(2, levels=17, binarise="threshold") == kind(17, levels=17, binarise="threshold", decoder="bernoulli")
    assert len({kind(17, levels=17), *(kind(2, levels=17, binarise=how) for how in ("threshold", "static"))}) == 3


def test_the_picture_has_a_mark_of_each_run_where_it_belongs_in_the_colour_and_the_form_of_the_key():
    """What is above in the picture is more precise, what is on the right has more recall, in proportion."""
    runs = {f"run-{i}": (0.3 + 0.05 * i, 0.9 - 0.01 * i**2) for i in range(6)}
    svg, key = precise([("moons", runs, {}), ("ring", {"<other>": (0.4, 0.7)}, {"Training data": (0.5, 0.8)})])
    assert [(run, data) for *_, run, data in key] == [*((run, "moons") for run in runs), ("<other>", "ring")]
    assert len({colour for _, colour, *_ in key}) == 7 and len({symbol for symbol, *_ in key}) == 2
    shape = dict(re.findall(r'<path id="(\w+)" d="([^"]*)"', svg))
    marks = {colour: (shape[form], float(x), -float(y)) for form, x, y, colour in re.findall(
        r'<use xlink:href="#(\w+)" x="([\d.]+)" y="([\d.]+)" style="fill: (#\w+)', svg)}
    forms, *at = zip(*(marks[colour] for _, colour, *_ in key))
    assert len(set(forms)) == 2 and len(set(forms[:6])) == 1
    for drawn, true in zip(at, zip(*runs.values(), (0.4, 0.7))):
        drawn, true = ((a - np.min(a)) / np.ptp(a) for a in (drawn, true))
        assert np.abs(drawn - true).max() < 1e-4


def test_no_run_of_the_picture_hides_another():
    svg, _ = precise([("moons", dict.fromkeys("ab", (0.5, 0.7)), {}), ("ring", {"c": (0.5, 0.7), "d": (0.5, 0.8)}, {})])
    shape = dict(re.findall(r'<path id="(\w+)" d="([^"]*)"', svg))
    width = [np.ptp([float(x) for x in re.findall(r"-?[\d.]+(?= )", shape[form])]) for form in re.findall(
        r'<use xlink:href="#(\w+)" x="[\d.]+" y="[\d.]+" style="fill: #', svg)]
    assert len(width) == 4 and width[0] > 1.2 * width[1] > 1.2 * 1.2 * width[2] and width[3] == width[2]


def test_the_picture_shows_what_there_is_and_nothing_beyond_0_and_1():
    for at, low, high in (((1.0, 1.0), 0.9, 1.0), ((0.0, 0.0), 0.0, 0.1), ((0.5, 0.5), 0.4, 0.6)):
        svg, _ = precise([("moons", {"a": at}, {})])
        ticks  = [float(text) for text in re.findall(r">([\d.]+)</text>", svg)]
        assert low <= min(ticks) <= max(ticks) <= high


def test_the_key_names_each_run_and_its_data_where_there_are_several():
    page = "".join(pages._worth(planted(GOOD, POOR)))
    key  = re.search("<ul>(.*)</ul>", page)[1]
    assert re.findall(r"> (moons-\d)", key) == ["moons-0", "moons-1"] and "soft" not in key
    both = re.search("<ul>(.*)</ul>", "".join(pages._worth(planted(GOOD) | planted(POOR, data="<b>"))))[1]
    assert "moons-0 <span class=soft>moons</span>" in both and "&lt;b&gt;-0 <span class=soft>&lt;b&gt;</span>" in both


def test_runs_without_precision_and_recall_are_named_and_old_results_still_open():
    found = planted(GOOD) | planted({"Fréchet distance": 2.0}, data="old", real={"Fréchet distance": 1.0})
    found |= {"runs/<b>": (dict(found["runs/old-0"][0], data_hash="x"), None, [])}
    page  = "".join(pages._worth(found))
    assert "no precision and recall: runs/old-0, runs/&lt;b&gt;." in page and "<td>runs/old-0<td>old<td>2<td>–" in page
    assert list(pages._worth({"a": found["runs/<b>"]})) == [
        "<p class=soft>Their samples have no precision and recall: a.</p>"]


def test_a_reference_is_never_in_bold_and_what_older_runs_have_stands_last():
    page = "".join(pages._worth(planted(GOOD | {"charm": -2.0}, POOR, real={"precision": 0.99, "recall": 0.99})))
    rows = [re.split("<t[dh]>", row)[1:] for row in page[:page.index("</table>")].split("<tr>")[1:]]
    assert rows[0][-1] == "charm" and rows[1][-1] == "&minus;2" and rows[2][-1] == "–" and "<b>" not in "".join(rows[3])


def test_a_page_explains_the_figures_that_it_has_and_no_others():
    said = pages._judged(opened("gmm", "ring"), {"samples": {"This model": GOOD}, "test": {}})
    assert "Precision: of as many samples" in said and "Distance to the training data: the median" in said
    assert "Inception score: from 1" not in said and "Least class share: of" not in said
    assert "precision &uarr;" in said and "Fréchet distance &darr;" in said


@pytest.mark.parametrize("name, loss", [("ncsn", 3.0), ("ddpm", 3.0), ("ssm", None)])
def test_the_curve_of_training_is_that_of_the_criterion_or_there_is_none(name, loss):
    assert pages.CRITERIA["L_simple"](opened(name).model, 2, {"loss": 3.0}) == loss
