"""The command line: what it writes, what it repeats, what it refuses."""
import base64
import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import scratch.runs
from scratch import cli
from scratch.data import DATA
from scratch.models import MODELS

ROOT  = Path(__file__).resolve().parent.parent
FILES = {"config.json", "metrics.jsonl", "params.npz", "report.html", "learning.png"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scratch_(*arguments):
    """The exit code of `scratch ARGUMENTS`."""
    try:
        return cli.main([str(a) for a in arguments])
    except SystemExit as stop:
        return stop.code


def small(folder, n=60):
    x = np.concatenate([np.random.default_rng(0).normal(size=(n // 2, 2)) + c for c in (0, 5)])
    np.save(folder / "points.npy", x)
    return folder / "points.npy"


def train(here, *more):
    asked = "--data", small(here), "--components", 2, "--starts", 2, "--out", here / "run"
    return scratch_("train", "gmm", *asked, *more)


# ---- what it writes --------------------------------------------------------------------------------------------------
def test_list_names_every_model_and_every_data_set(capsys):
    assert scratch_("list") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in (*MODELS, *DATA))


def test_the_digits_are_learned_and_shown(here, capsys):
    """The newcomer's command: better than 2.9 bits a dimension on held-out digits, where a uniform guess takes 4.09 and
    one Gaussian 2.985."""
    assert scratch_("train", "gmm", "--data", "digits", "--starts", 2) == 0
    run = here / "runs" / "gmm-digits"
    assert {f.name for f in run.iterdir()} == FILES | {"data.png", "samples.png", "means.png"}
    log_lik = [json.loads(line)["log_lik"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(log_lik) >= 2 and all(np.diff(log_lik) >= -1e-9) and log_lik[-1] > log_lik[0]
    out = capsys.readouterr().out
    nats, bits = map(float, re.search(r"log-likelihood (\S+) nats per example, (\S+) bits per dim", out).groups())
    assert bits < 2.9 and abs(bits - (np.log2(17) - nats / 64 / np.log(2))) < 1e-3
    page = (run / "report.html").read_text()
    assert f"{nats:.3f}" in page and f"{bits:.4f}" in page
    assert scratch_("train", "gmm", "--data", "digits", "--starts", 1, "--steps", 1) == 0
    assert (here / "runs" / "gmm-digits-2" / "report.html").exists()


def test_the_report_needs_no_other_file(here):
    assert train(here) == 0
    page = (here / "run" / "report.html").read_text()
    images = re.findall(r"src='data:image/png;base64,([^']*)'", page)
    assert len(images) == 2 and all(base64.b64decode(i).startswith(b"\x89PNG") for i in images)
    assert not re.search(r"https?:|<link|<script|src='(?!data:)", page)
    assert {f.name for f in (here / "run").iterdir()} == FILES | {"density.png"}


@pytest.mark.parametrize("scale", [[1], [1, 0], [1, 2, 3]])
def test_tables_of_one_column_of_three_and_with_a_constant_column_are_shown_too(here, scale):
    np.save(here / "table.npy", np.random.default_rng(0).normal(size=(50, len(scale))) * scale)
    assert scratch_("train", "gmm", "--data", here / "table.npy", "--components", 2, "--out", here / "run") == 0
    assert (here / "run" / "report.html").exists()


def test_output_that_nobody_reads_does_not_end_the_training(here, monkeypatch):
    class Closed:
        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe")
        flush = write
    monkeypatch.setattr(sys, "stdout", Closed())
    monkeypatch.setattr(sys, "stderr", None)
    assert train(here) == 0
    assert (here / "run" / "report.html").exists()


def test_the_true_density_of_a_toy_stands_beside_the_learned_one(here):
    assert scratch_("train", "gmm", "--data", "ring", "--components", 8, "--steps", 30, "--out", "run") == 0
    assert "under the true density" in (here / "run" / "report.html").read_text()


def test_what_was_learned_can_be_read_again(here):
    assert train(here) == 0
    params = np.load(here / "run" / "params.npz")
    assert params["params/mu"].shape == (2, 2) and params["params/Sigma"].shape == (2, 2, 2)
    assert np.allclose(np.sort(params["params/mu"][:, 0]), [0, 5], atol=1)
    config = json.loads((here / "run" / "config.json").read_text())
    assert config["components"] == 2 and config["seed"] == 0 and config["backend"] == "numpy"


def test_the_same_seed_repeats_a_run_and_another_does_not(here):
    runs = []
    for seed in (3, 3, 4):
        out, _ = scratch.runs.run("gmm", str(small(here)), seed, out=here / f"run-{len(runs)}", components=3, starts=1)
        read   = [(out / name).read_bytes() for name in ("metrics.jsonl", "learning.png")]
        runs.append([*read, np.load(out / "params.npz")["params/mu"]])
    assert runs[0][:2] == runs[1][:2] and (runs[0][2] == runs[1][2]).all()
    assert runs[0][0] != runs[2][0]


def test_the_strict_backend_learns_the_same(here):
    a, _ = scratch.runs.run("gmm", str(small(here)), out=here / "a", components=2, starts=1)
    b, _ = scratch.runs.run("gmm", str(small(here)), out=here / "b", components=2, starts=1, backend="strict")
    assert np.allclose(np.load(a / "params.npz")["params/mu"], np.load(b / "params.npz")["params/mu"], rtol=1e-12)


def test_every_hyper_parameter_is_a_flag_with_its_help(capsys):
    for name, entry in MODELS.items():
        assert scratch_("train", name, "--help") == 0
        out = " ".join(capsys.readouterr().out.split())
        for field in dataclasses.fields(entry.model):
            assert f"--{field.name}" in out and field.metadata["help"] in out, field.name


def test_a_terminal_shows_a_bar_and_a_file_plain_lines(here, capsys, monkeypatch):
    assert train(here) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("step 1 of 200  log_lik ") and captured.err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert train(here, "--out", here / "again") == 0
    captured = capsys.readouterr()
    assert "step/s" in captured.err and captured.out.startswith("held-out")


# ---- what it refuses -------------------------------------------------------------------------------------------------
def table(folder, values):
    np.save(folder / "a.npy", values)
    return folder / "a.npy"


X = np.arange(40.0).reshape(20, 2)

REFUSED = {
    "no such data":       (lambda d: ("--data", "digit"), "data='digit' is not known; choose one of digits"),
    "no such file":       (lambda d: ("--data", d / "none.npy"), "none.npy"),
    "no such model":      (lambda d: None, "invalid choice: 'gnn'"),
    "no such flag":       (lambda d: ("--component", 3), "unrecognized arguments: --component"),
    "NaN":                (lambda d: ("--data", table(d, np.where(X == 7, np.nan, X))), "NaN at row 3, column 1"),
    "no rows":            (lambda d: ("--data", table(d, X[:0])), "0 rows"),
    "one dimension":      (lambda d: ("--data", table(d, X[:, 0])), "shape (20,)"),
    "three dimensions":   (lambda d: ("--data", table(d, X[None])), "shape (1, 20, 2)"),
    "complex":            (lambda d: ("--data", table(d, X + 1j)), "complex"),
    "objects":            (lambda d: ("--data", table(d, X.astype(object))), "a.npy"),
    "half precision":     (lambda d: ("--data", table(d, X.astype("float16"))), "float16"),
    "more than points":   (lambda d: ("--data", table(d, X), "--components", 17), "components=17 but X has 16 rows"),
    "no components":      (lambda d: ("--components", 0), "components=0; expected an integer of at least 1"),
    "half a component":   (lambda d: ("--components", 1.5), "invalid int value: '1.5'"),
    "a negative floor":   (lambda d: ("--floor", -1), "floor=-1.0; expected a finite number"),
    "a tol that is NaN":  (lambda d: ("--tol", "nan"), "tol=nan; expected a finite number"),
    "a misspelt family":  (lambda d: ("--covariance", "fulll"), "covariance='fulll'; expected one of full, tied"),
    "no steps":           (lambda d: ("--steps", 0), "--steps 0: expected at least 1"),
    "a negative seed":    (lambda d: ("--seed", -1), "seed=-1 is out of range"),
    "a singular fit":     (lambda d: ("--data", table(d, X * [1, 0]), "--components", 2, "--floor", 0),
                            "is singular; got floor=0.0: use a larger floor"),
    "a file as folder":   (lambda d: ("--out", table(d, X)), "exists already; choose another --out"),
    "a folder in use":    (lambda d: ("--out", table(d, X).parent), "exists already; choose another --out"),
    "a folder in a file": (lambda d: ("--out", table(d, X) / "run"), "cannot be written"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_gets_one_sentence_and_leaves_nothing(here, capsys, case):
    arguments, sentence = REFUSED[case]
    arguments = arguments(here)
    before = sorted(here.rglob("*"))
    assert scratch_("train", "gmm" if arguments else "gnn", *arguments or ()) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err and captured.err.count("\n") == 1 and captured.err.endswith("\n")
    assert [p for p in sorted(here.rglob("*")) if p not in before] == []


def test_a_gpu_that_is_not_there_is_one_sentence(here, capsys):
    try:
        import cupy
        if cupy.cuda.is_available():
            pytest.skip("there is a GPU here")
    except ImportError:
        pass
    assert train(here, "--backend", "cupy") == 2
    assert re.match(r'scratch: backend="cupy" needs .*\n$', capsys.readouterr().err)


def test_a_full_disk_is_one_sentence_and_leaves_nothing(here, capsys, monkeypatch):
    import matplotlib.figure

    def full(*_, **__):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", full)
    assert train(here) == 2
    assert capsys.readouterr().err == "scratch: [Errno 28] No space left on device\n"
    assert [p.name for p in here.iterdir()] == ["points.npy"]


def test_a_run_that_is_told_to_end_leaves_nothing(here):
    wait = "import os, signal; from scratch import cli; from scratch.mixtures import GaussianMixture as G;"
    kill = "G.init = lambda *_: os.kill(os.getpid(), signal.SIGTERM);"
    run  = python("-c", wait + kill + "cli.main(['train', 'gmm', '--out', 'new/run'])", cwd=here, path=ROOT)
    assert run.returncode == 143 and run.stderr == "" and list(here.iterdir()) == []


def test_an_interrupted_training_keeps_what_it_learned(here, capsys, monkeypatch):
    def interrupt(self, step, steps, metrics):
        if step == 2:
            raise KeyboardInterrupt
    monkeypatch.setattr(cli.progress, "__call__", interrupt)
    assert train(here) == 130
    assert len((here / "run" / "metrics.jsonl").read_text().splitlines()) == 2
    assert "It was interrupted" in (here / "run" / "report.html").read_text()


# ---- how it starts ---------------------------------------------------------------------------------------------------
def python(*arguments, cwd=ROOT, path=None):
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(path or "")})


def test_list_works_from_a_bare_clone_with_numpy_alone():
    hidden = "scipy matplotlib hypothesis autograd tqdm cupy sklearn mpmath".split()
    run = python("-c", f"import runpy, sys; sys.modules.update(dict.fromkeys({hidden}));"
                       "sys.argv = ['scratch', 'list']; runpy.run_module('scratch', run_name='__main__')")
    assert run.returncode == 0 and "gmm" in run.stdout, run.stderr


def test_backends_that_are_not_its_sibling_are_refused_in_one_sentence(tmp_path):
    (tmp_path / "backends.py").write_text("xp = None\n")
    run = python("-c", f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import scratch", cwd=tmp_path)
    assert re.search(r"ImportError: scratch stands in .* but `backends` was imported from .*\n$", run.stderr)


# ---- check -----------------------------------------------------------------------------------------------------------
def test_check_prints_a_table_of_lines_and_a_slip_with_its_smallest_world_as_the_readme_has_it(capsys):
    assert scratch_("check", "elbo.bound", "slips.data_above", "--worlds", "40") == 0
    out, err = capsys.readouterr()
    assert re.search(r"elbo.bound .* (\d+) of \1", out) and re.search(r"in \d+ of 40 worlds; the smallest:", out)
    assert not err
    data, made, before, ours = re.search(
        r"n_data = \[(\d, \d)\]   n_G = \[(\d, \d)\]\n.* = (-[\d.]+)\n.* = (-[\d.]+) ", out).groups()
    readme = (ROOT / "README.md").read_text()
    for text in (data.replace(", ", " : "), made.replace(", ", " : "), f"**{before}**", f"**{ours}**"):
        assert text in readme


def test_check_of_a_topic_runs_on_strict_without_mutants(capsys):
    assert scratch_("check", "elbo", "--backend", "strict", "--worlds", "10") == 0
    out = capsys.readouterr().out
    assert "\nall " in out and not re.search(r"\d of \d", out)


def test_check_fails_where_a_function_is_wrong(capsys, monkeypatch):
    from scratch.autoencoders import latent
    right = latent.elbo
    monkeypatch.setattr(latent, "elbo", lambda log_p_xz, q: right(log_p_xz, q) / 2)
    assert scratch_("check", "elbo.called") == 1
    out, err = capsys.readouterr()
    assert "FAILS" in out and "elbo.called" in err and "the smallest:" in err and "p(x | z) = " in err


@pytest.mark.parametrize("arguments, says", [
    (["check", "elboo"], "no topic 'elboo'; did you mean 'elbo'?"),
    (["check", "elbo.boundd"], "did you mean 'elbo.bound'?"),
    (["check", "elbo", "--worlds", "0"], "--worlds 0: expected at least 1.")])
def test_check_says_what_it_cannot_do_in_one_line(arguments, says, capsys):
    assert scratch_(*arguments) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1
