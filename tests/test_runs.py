"""Runs that survive anything: what is saved goes on to the same bits; what is wrong is one sentence."""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from backends import use
from backends.random import Stream
from scratch import runs, trees
from scratch.data.images import digits
from scratch.models import MODELS
from scratch.runs import checkpoint, config as configs

ROOT   = Path(__file__).resolve().parent.parent
FINISH = runs._finish

#        hyper-parameters with which a step is short, and still everything is there: moments, an average, a clip
SMALL = {**dict.fromkeys(("gmm", "bmm"), dict(components=3, starts=1, tol=0.0)),
         "ppca": dict(latent=2, learn="em", tol=0.0),
         "vae": dict(hidden=(16,), latent=2, batch_size=64),
         **dict.fromkeys(("vqvae", "vqvae-ema"), dict(hidden=(4, 4), codes=8, dim=2, batch_size=64)),
         "ae":  dict(hidden=(16,), latent=2, batch_size=64),
         **dict.fromkeys(("gan", "gan-minimax", "lsgan", "wgan", "wgan-gp"),
                         dict(hidden=(8,), latent=2, batch_size=64)),
         "gan-bits": dict(hidden=(8,), codes=4, batch_size=64),
         "dcgan": dict(hidden=(4, 4), latent=2, batch_size=64),
         "fvbn": dict(batch_size=64),
         "made": dict(hidden=(8,), orders=2, batch_size=64),
         **dict.fromkeys(("pixelcnn", "pixelcnn-gated", "pixelcnn++"), dict(channels=4, layers=1, batch_size=16)),
         **dict.fromkeys(("realnvp", "nice", "maf", "iaf", "linear-flow"), dict(layers=1, hidden=(8,), batch_size=64)),
         "boltzmann": dict(learn="pcd", k=1, chains=8, temperatures=3, batch_size=64),
         "rbm":       dict(hidden=4, k=1, chains=8, batch_size=64),
         "ddpm":     dict(widths=(4,), embedding=4, T=3, batch_size=64),
         "ddpm-mlp": dict(widths=(8,), embedding=4, T=3, batch_size=64),
         "ncsn":     dict(widths=(4,), embedding=4, L=2, T=1, batch_size=64),
         **dict.fromkeys(("ncsn-mlp", "ssm"), dict(widths=(8,), embedding=4, L=2, T=1, batch_size=64))}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def plain(monkeypatch):
    """No report at the end: what is tried is what comes before."""
    monkeypatch.setattr(runs, "_finish", lambda opened: {})
    monkeypatch.setattr(runs, "_snapshot", lambda opened: None)


def small(model, out, steps=20, every=5, data=None, **more):
    data = ("patterns" if model == "gan-bits" else "digits") if data is None else data
    return runs.run(model, data, steps=steps, every=every, out=out, **{**SMALL[model], **more})


def bits(folder):
    """All that a run ends with: every array of its last state, and its log."""
    opened = runs.open_run(folder, which="last")
    arrays = {name: a.tobytes() for name, a in trees.named(runs._kept(opened.state)).items()}
    return arrays | {"log": (Path(folder) / "metrics.jsonl").read_bytes(), "best": opened.about["best"]["step"]}


def interrupted_at(*steps, number=signal.SIGINT):
    def show(step, of, metrics):
        if step in steps:
            os.kill(os.getpid(), number)
    return show


# ---- the same bits ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("model", MODELS)
def test_an_interrupted_run_is_saved_and_goes_on_to_the_same_bits(plain, model, number, code):
    small(model, "whole")
    folder, results = small(model, "broken", show=interrupted_at(7, number=number))
    assert results["signal"] == code - 128 and results["step"] == 7
    assert runs.open_run(folder, which="last").state.step == 7
    _, results = runs.resume(folder, show=interrupted_at(10, 13))
    assert results["step"] == 10 and results["differences"] == []
    runs.resume(folder, show=interrupted_at(13))
    _, results = runs.resume(folder)
    assert results["step"] == 20 and results["signal"] is None and bits("broken") == bits("whole")


@pytest.mark.parametrize("model", MODELS)
def test_a_longer_run_is_a_shorter_one_gone_on_with(plain, model):
    small(model, "whole")
    small(model, "short", steps=10)
    runs.resume("short", steps=20)
    assert bits("short") == bits("whole")
    with pytest.raises(ValueError, match="steps=10, but short is at step 20; expected at least as many"):
        runs.resume("short", steps=10)


def test_a_run_that_has_ended_by_itself_stays_ended(plain):
    small("gmm", "run", steps=200, tol=1e-2)
    before = bits("run")
    assert runs.open_run("run", which="last").state.done
    runs.resume("run")
    assert bits("run") == before


def test_those_tests_can_fail(plain, monkeypatch):
    small("vae", "whole")
    small("vae", "broken", show=interrupted_at(7))
    monkeypatch.setattr(MODELS["vae"].model, "restore",
                        lambda self, step, params, stats, moments, right=MODELS["vae"].model.restore:
                        right(self, step, params, stats, {k: 0 * m for k, m in moments.items()}))
    runs.resume("broken")
    assert bits("broken") != bits("whole")


VICTIM = """
import sys, time
from scratch import runs
runs._finish, runs._snapshot = (lambda opened: {}), (lambda opened: None)
def slowly(step, steps, metrics):
    time.sleep(0.004)
if sys.argv[1] == "train":
    runs.run("vae", "digits", steps=400, every=5, out="run", hidden=(16,), latent=2, batch_size=64, show=slowly)
else:
    runs.resume("run", show=slowly)
"""


@pytest.mark.parametrize("kills", [5, pytest.param(25, marks=pytest.mark.slow)])
def test_a_run_killed_at_random_moments_ends_with_the_same_bits(plain, kills):
    """Each kill falls at a moment drawn uniformly after the start, whatever the process is doing by then."""
    runs.run("vae", "digits", steps=400, every=5, out="whole", hidden=(16,), latent=2, batch_size=64)
    moments, killed, deaths = random.Random(0), 0, []
    while killed < kills:
        victim = subprocess.Popen([sys.executable, "-c", VICTIM, "resume" if Path("run").exists() else "train"],
                                  env={**os.environ, "PYTHONPATH": str(ROOT)})
        before = sorted(Path("run/checkpoints").glob("*"))
        while victim.poll() is None and sorted(Path("run/checkpoints").glob("*")) == before:
            time.sleep(0.002)                                               # until it has saved something
        time.sleep(moments.uniform(0, 0.25 * 5 / kills))
        victim.kill()
        killed += victim.wait() == -signal.SIGKILL
        deaths.append(max(runs._saved(Path("run"))))
        assert max(deaths) < 400 or killed >= kills, "the run has ended before the last kill"
    runs.resume("run")
    assert deaths == sorted(deaths) and bits("run") == bits("whole")
    assert not list(Path("run").rglob(".*"))                                # what was left unfinished is swept


# ---- what is kept ----------------------------------------------------------------------------------------------------
def test_the_last_two_states_and_the_best_are_kept(overfitted):
    folder, _ = overfitted
    log   = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    score = {line["step"]: line["validation"] for line in log if "validation" in line}
    assert [line["step"] for line in log] == list(range(1, 201)) and list(score) == list(range(10, 201, 10))
    best  = max(score, key=score.get)
    assert best < 190, "choose hyper-parameters with which the best is not among the last two"
    assert set(runs._saved(folder)) == {best, 190, 200}
    assert runs.open_run(folder).state.step == best and runs.open_run(folder, which="last").state.step == 200


@pytest.fixture
def overfitted(plain):
    """A run whose best state is not among its last two, and its data."""
    x = digits()["train"]["x"][:60].astype("float32")                       # so few that they are soon learned by heart
    folder, _ = small("vae", "run", steps=200, every=10, data=x, levels=17, lr=0.01, ema=0.0, hidden=(64,))
    return folder, x


def test_what_is_sampled_judged_and_shown_is_the_best_state(overfitted, monkeypatch):
    folder, x = overfitted
    best, last = (runs.open_run(folder, x, which, needs_data=True) for which in ("best", "last"))
    assert best.state.step < 190 and last.state.step == 200
    draw = lambda opened: opened.model.sample(*opened.weights, Stream.seed(0), 9)
    assert np.array_equal(runs.sample(folder, 9), draw(best)) and not np.array_equal(draw(best), draw(last))
    stream = best.stream("test")
    judged = [runs.held_out(opened, 2, stream) | runs.judged(opened) for opened in (best, last)]
    assert runs.evaluate(folder, x, draws=2) == judged[0] != judged[1]
    monkeypatch.setattr("scratch.runs.pages.report", lambda opened, results: shown.append((opened, results)))
    shown = []
    FINISH(last)
    assert shown[0][0].state.step == best.state.step
    assert shown[0][1]["valid"] == runs.held_out(best, 1, stream, ["valid"])["valid"]


def test_the_best_is_chosen_by_the_validation_split(overfitted):
    folder, x = overfitted
    opened = runs.open_run(folder, x, "last", needs_data=True)
    line   = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    valid  = runs.held_out(opened, 1, opened.stream, ["valid"])["valid"]["ELBO"][0]
    assert line["validation"] == valid != runs.held_out(opened, 1, opened.stream, ["test"])["test"]["ELBO"][0]


def test_figures_are_means_over_the_examples_with_their_standard_errors(plain):
    x = np.random.default_rng(0).normal(size=(2500, 2))
    parts = {"train": x, "valid": x[:9], "test": x[:16]}
    folder, _ = runs.run("gmm", parts, steps=2, out="run", components=1, starts=1)
    opened  = runs.open_run(folder, parts, needs_data=True)
    figures = runs.held_out(opened)
    for part, n in (("train", 2500), ("test", 16)):                         # a part is judged in blocks of 1000
        each = opened.model.log_prob(*opened.weights, x[:n])
        assert figures[part]["n"] == n
        assert np.allclose(figures[part]["log-likelihood"], (each.mean(), each.std() / n**0.5), rtol=1e-12)
        assert np.allclose(figures[part]["bits per dimension"],
                           (-each.mean() / 2 / np.log(2), each.std() / n**0.5 / 2 / np.log(2)), rtol=1e-12)


def test_blocks_of_examples_have_noise_of_their_own(plain, monkeypatch):
    folder, _ = small("vae", "run")
    opened = runs.open_run(folder, needs_data=True)
    seen   = []
    monkeypatch.setattr(opened.model.__class__, "evaluate",
                        lambda self, params, stats, batch, stream, draws: (seen.append(stream),
                                                                           {"ELBO": np.zeros(len(batch["x"]))})[1])
    runs.held_out(opened, stream=Stream.seed(0))
    assert len(seen) == len({stream.key for stream in seen}) == 4


@pytest.mark.parametrize("key, value", [("model", "ae"), ("seed", 1), ("hyper", {}), ("shape", [64]), ("levels", 2),
                                        ("data_hash", "0")])
def test_a_checkpoint_belongs_to_all_that_its_state_is_a_function_of(plain, key, value):
    config = dict(model="vae", seed=0, hyper={"latent": 2}, shape=[8, 8], levels=17, data_hash="1", steps=5, every=1)
    assert configs.fingerprint(config | {key: value}) != configs.fingerprint(config)
    assert configs.fingerprint(config | {"steps": 9, "every": 3}) == configs.fingerprint(config)


@pytest.mark.parametrize("data, goes_on", [("moons", True), ("digits", False)])
def test_only_toys_may_be_rounded_otherwise_on_another_machine(plain, monkeypatch, data, goes_on):
    folder, _ = small("vae", "run", data=data, decoder="gaussian")
    monkeypatch.setattr(runs.environment, "data_hash", lambda data: "another")
    if goes_on:
        assert runs.open_run(folder, needs_data=True).data.train
    else:
        with pytest.raises(ValueError, match="The data digits are not those that run learned: their hash is another"):
            runs.open_run(folder, needs_data=True)


def test_a_twentieth_of_the_steps_lies_between_checkpoints(plain):
    folder, _ = small("vae", "run", steps=100, every=None)
    assert configs.read(folder)["every"] == 5 and runs._saved(folder)[-1] % 5 == 0


def test_the_second_signal_interrupts_at_once():
    with pytest.raises(KeyboardInterrupt), runs.signals() as caught:
        os.kill(os.getpid(), signal.SIGTERM)
        assert caught == [signal.SIGTERM]
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_while_it_is_judged_loses_the_report_only(plain, monkeypatch):
    monkeypatch.setattr(runs, "_finish", lambda opened: signal.raise_signal(signal.SIGINT))
    folder, results = small("vae", "run")
    assert results == {"step": 20, "signal": signal.SIGINT} and runs.open_run(folder, which="last").state.step == 20


@pytest.mark.parametrize("hyper", [dict(latent=np.int64(3)), dict(hidden=(np.int64(8),)), dict(lr=np.float32(1e-3)),
                                   dict(lr=np.float64(3e-3))])
def test_numbers_of_numpy_are_pythons(plain, hyper):
    folder, _ = small("vae", "run", **hyper, show=interrupted_at(7))
    small("vae", "whole", **{name: value.item() if hasattr(value, "item") else (8,) for name, value in hyper.items()})
    runs.resume(folder)
    assert bits("run") == bits("whole")


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mixture_keeps_its_precision_whatever_the_data_are(plain, precision, dtype):
    x = np.random.default_rng(0).normal(size=(50, 2)).astype(dtype)
    folder, _ = runs.run("gmm", x, steps=2, out="run", components=2, starts=1, precision=precision)
    assert runs.open_run(folder).state.params["mu"].dtype == precision


def test_a_run_without_a_checkpoint_can_only_be_gone_on_with(plain):
    small("vae", "whole")
    folder, _ = small("vae", "run", steps=20)
    shutil.rmtree(folder / "checkpoints")
    (folder / "checkpoints").mkdir()
    for ask in (runs.sample, runs.evaluate, runs.report):
        with pytest.raises(checkpoint.CheckpointError, match="holds no checkpoint yet: `scratch resume run` starts it"):
            ask(folder)
    runs.resume(folder)
    assert bits("run") == bits("whole")


@pytest.mark.parametrize("about", [[], {}, {"best": 3}])
def test_a_checkpoint_that_says_nothing_of_its_run_is_refused(plain, about):
    folder, _ = small("vae", "run")
    state = runs.open_run(folder, which="last").state
    known = checkpoint.about(runs._path(folder, 20))
    checkpoint.save(runs._path(folder, 20), runs._kept(state), {**known, **about} if about else about)
    with pytest.raises(checkpoint.CheckpointError, match="is no checkpoint of a run.* goes on from step 15"):
        runs.resume(folder)


def test_an_error_is_best_where_it_is_least(plain):
    folder, _ = small("ae", "run", steps=100)
    log = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert runs.open_run(folder).about["best"]["score"] == min(line.get("validation", np.inf) for line in log)


def test_a_checkpoint_says_what_it_holds_and_config_json_on_what_it_ran(plain):
    folder, _ = small("vae", "run")
    about = checkpoint.about(folder / "checkpoints" / "step-00000020.safetensors")
    assert about["step"] == 20 and about["config"] == configs.fingerprint(configs.read(folder))
    assert int(about["stream"], 16) == runs.open_run(folder).stream.key and about["metrics"]["loss"] > 0
    names = set(trees.named(runs._kept(runs.open_run(folder, which="last").state)))
    assert {"params/encoder/0/W", "stats/centre", "moments/m", "moments/v", "moments/average"} <= names
    config = configs.read(folder)
    assert {"numpy", "blas", "blas_threads", "cpu_features", "device", "backend"} <= set(config["environment"])
    assert config["hyper"]["levels"] == 17 and config["examples"] == [1257, 180, 360]


def test_where_the_machine_differs_the_bits_are_not_promised(plain):
    folder, _ = small("vae", "run", show=interrupted_at(7))
    config = configs.read(folder)
    config["environment"]["blas_threads"] = 99
    configs.write(folder, config)
    _, results = runs.resume(folder)
    assert results["differences"] == [f"blas_threads 99, now {runs.environment.environment()['blas_threads']}"]


# ---- what breaks -----------------------------------------------------------------------------------------------------
def test_a_loss_that_is_not_finite_stops_the_run_and_saves_nothing_bad(plain):
    with pytest.raises(ValueError, match=r"at step 1: params/encoder/0/W is not finite\. Use a smaller lr than 1e"):
        small("vae", "run", lr=1e39, every=1)
    assert not Path("run").exists()


def test_a_run_that_breaks_down_later_keeps_what_was_good(plain, monkeypatch):
    model, loss = MODELS["vae"].model, MODELS["vae"].model.loss

    def breaks(self, params, stats, batch, stream):
        value, aux = loss(self, params, stats, batch, stream)
        return (value * float("nan") if count.append(1) or len(count) == 13 else value), aux
    count = []
    monkeypatch.setattr(model, "loss", breaks)
    with pytest.raises(ValueError, match="Training broke down at step 13: loss is not finite"):
        small("vae", "run")
    opened = runs.open_run("run", which="last")
    assert opened.state.step == 10 and all(np.isfinite(a).all() for a in trees.leaves(runs._kept(opened.state)))
    monkeypatch.setattr(model, "loss", loss)
    small("vae", "whole")
    runs.resume("run")
    assert bits("run") == bits("whole")


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_full_disk_leaves_the_last_good_checkpoint(plain, monkeypatch, call):
    """... and nothing at all where there was none yet."""
    fsync, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) >= 3 * call + 3:          # config.json and the new log are synced with the folder; then at each
            raise OSError(28, "No space left on device")        # save the log, the file and the folder
        fsync(handle)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        small("vae", "run")
    monkeypatch.setattr(os, "fsync", fsync)
    if call == 1:
        assert not Path("run").exists()
        return
    assert runs.open_run("run", which="last").state.step == 5 * (call - 1) and not list(Path("run").rglob(".*"))
    small("vae", "whole")
    runs.resume("run")
    assert bits("run") == bits("whole")


def test_two_processes_do_not_train_in_one_folder(plain):
    small("vae", "run")
    with runs.environment.lock("run"), pytest.raises(RuntimeError, match="run is in use by another run"):
        runs.resume("run")


def damaged(folder, change):
    path = Path(folder) / "config.json"
    path.write_text(change(path.read_text()))


@pytest.mark.parametrize("change, sentence", [
    (lambda text: "",                                             "config.json is damaged: Expecting value"),
    (lambda text: text[:100],                                     "config.json is damaged: "),
    (lambda text: "[" * 100000,                                   "config.json is damaged: "),
    (lambda text: "3",                                            "damaged: it holds a int; expected an object"),
    (lambda text: text.replace('"seed"', '"sede"'),               "sede, seed missing or not known"),
    (lambda text: text.replace('"seed": 0', '"seed": NaN'),       "NaN is no number of JSON"),
    (lambda text: text.replace('"seed": 0', '"seed": "0"'),       "seed is '0'"),
    (lambda text: text.replace('"seed": 0', '"seed": 0, "seed": 1'), "a key stands twice"),
    (lambda text: text.replace('"every": 5', '"every": 0'),       "every=0 is out of range"),
    (lambda text: text.replace('"backend": "numpy"', '"backend": "autograd"'), "backend is 'autograd'; expected numpy"),
    (lambda text: re.sub('"examples": [^]]*]', '"examples": []', text), "examples is []"),
    (lambda text: text.replace('"latent": 2', '"latent": -2'),    "latent=-2; expected an integer of at least 1"),
    (lambda text: text.replace('"latent"', '"talent"'),           "talent=2 is no hyper-parameter of vae"),
    (lambda text: text.replace('"model": "vae"', '"model": "v"'), "model='v' is not known; choose one of gmm, bmm"),
    (lambda text: " " * (1 << 20) + text,                         "expected at most 1048576"),
])
def test_a_damaged_config_is_refused_in_a_sentence(plain, change, sentence):
    small("vae", "run", steps=1)
    damaged("run", change)
    with pytest.raises(configs.ConfigError) as error:
        runs.resume("run")
    assert sentence in str(error.value) and "run/config.json" in str(error.value)


def test_checkpoints_of_another_run_are_refused(plain):
    small("vae", "run", steps=1)
    damaged("run", lambda text: text.replace('"seed": 0', '"seed": 1'))
    with pytest.raises(checkpoint.CheckpointError, match="is of another run"):
        runs.resume("run")


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_can_be_gone_on_from(plain):
    small("vae", "run")
    small("vae", "whole")
    path = Path("run/checkpoints/step-00000020.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(checkpoint.CheckpointError, match="step-00000020.safetensors .*cut short.* from step 15"):
        runs.resume("run")
    path.unlink()
    runs.resume("run")
    assert bits("run") == bits("whole")


def test_other_data_than_were_learned_are_refused(plain):
    x = np.random.default_rng(0).normal(size=(50, 2))
    runs.run("gmm", x, steps=2, out="run", components=2, starts=1)
    with pytest.raises(ValueError, match="run learned arrays that were handed over; hand them over again"):
        runs.resume("run")
    with pytest.raises(ValueError, match="are not those that run learned"):
        runs.resume("run", data=x + 1)
    runs.resume("run", data=x, steps=3)


# ---- sampling and judging --------------------------------------------------------------------------------------------
def test_samples_and_figures_of_a_run_are_those_of_its_best_state(plain):
    folder, _ = small("vae", "run")
    x = runs.sample(folder, 5)
    assert x.shape == (5, 64) and x.dtype == "int64" and x.min() >= 0 and x.max() <= 16
    assert (runs.sample(folder, 5) == x).all() and (runs.sample(folder, 5, seed=1) != x).any()
    figures = runs.evaluate(folder, draws=5)
    assert figures["test"]["n"] == 360 and figures["train"]["n"] == 1257
    nats, bits = figures["test"]["ELBO"][0], figures["test"]["bits per dimension"][0]
    assert abs(bits + nats / 64 / np.log(2)) < 1e-12
    assert figures["test"]["importance-weighted bound, 5 draws"][0] > nats
    small("ae", "ae")
    with pytest.raises(ValueError, match="ae holds ae, which has no law to draw from"):
        runs.sample("ae")


def test_a_run_can_be_judged_on_other_data_of_the_same_shape(plain):
    folder, _ = small("vae", "run")
    other = digits()["test"]["x"].astype("float32")
    assert runs.evaluate(folder, data=other, draws=1)["train"]["n"] == 288
    with pytest.raises(ValueError, match=r"shape \(8, 8\) and 256 levels; expected \(8, 8\) and 17, as run learned"):
        runs.evaluate(folder, data=np.zeros((20, 8, 8), "uint8"))
    with pytest.raises(ValueError, match=r"have shape \(63,\) and 17 levels; expected \(8, 8\) and 17, as run learned"):
        runs.evaluate(folder, data=other[:, 1:])


def test_the_strict_backend_runs_and_resumes_as_numpy_does(plain):
    small("vae", "numpy", steps=10)
    folder, _ = small("vae", "strict", steps=10, backend="strict", show=interrupted_at(5))
    runs.resume(folder)
    a, b = (trees.leaves(saved(f, "numpy")) for f in ("numpy", "strict"))
    assert all(np.allclose(x, y, rtol=1e-4, atol=1e-6) for x, y in zip(a, b))
    assert configs.read(folder)["environment"]["backend"] == "strict"


@pytest.mark.gpu
@pytest.mark.parametrize("model", MODELS)
def test_a_gpu_runs_and_resumes_as_numpy_does(plain, model):
    small(model, "numpy", steps=10)
    folder, _ = small(model, "gpu", steps=10, backend="cupy", show=interrupted_at(5))
    runs.resume(folder)
    a, b = (trees.leaves(saved(f, "numpy")) for f in ("numpy", "gpu"))
    assert all(np.allclose(x, y, rtol=1e-3, atol=1e-5) for x, y in zip(a, b))


def saved(folder, backend):
    """The arrays of a run's last state, on a backend."""
    with use(backend):
        return runs._kept(runs.open_run(folder, which="last").state)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("decoder, figure, least", [
    ("logistic",  "bits per dimension", -2.00),             # independent pixels 2.43, ten Gaussians 2.75, uniform 4.09
    ("gaussian",  "bits per dimension", -3.00),
    ("bernoulli", "ELBO",               -18.0)])            # nats
def test_two_thousand_steps_learn_the_digits(plain, decoder, figure, least, seed):
    folder, _ = runs.run("vae", "digits", seed, decoder=decoder, out="run")
    value, _ = runs.evaluate(folder, draws=1)["test"][figure]
    assert (value if figure == "ELBO" else -value) >= least
