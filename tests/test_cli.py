"""The command line: what it writes, what it repeats, what it refuses."""
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import scratch.runs
from scratch import cli
from scratch.data import DATA
from scratch.models import MODELS

ROOT  = Path(__file__).resolve().parent.parent
FILES = {"config.json", "metrics.jsonl", "results.json", "report.html", "checkpoints"}


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
    assert all(name in out for name in (*MODELS, *DATA)) and "SCRATCH_DATA, which" in out


def test_list_names_what_lies_in_the_folder_of_data(here, capsys, monkeypatch):
    small(here)
    monkeypatch.setenv("SCRATCH_DATA", str(here))
    assert scratch_("list") == 0 and "SCRATCH_DATA, which has points.npy" in capsys.readouterr().out


@pytest.mark.parametrize("model, flags, bits", [
    ("gmm", ["--starts", 2], 2.9),
    ("vae", ["--steps", 300, "--every", 100, "--hidden", "128,128"], 2.2)])
def test_the_digits_are_learned_and_shown(here, capsys, model, flags, bits):
    """... better, in bits per dimension of held-out digits, than independent pixels, 2.43, or one Gaussian, 2.985; a
    uniform guess takes 4.09."""
    assert scratch_("train", model, "--data", "digits", *flags) == 0
    run = here / "runs" / f"{model}-digits"
    assert FILES | {"samples"} <= {f.name for f in run.iterdir()}
    found = re.search(r"test bits per dimension: (\S+) ", capsys.readouterr().out)[1]
    assert float(found) < bits and found[:4] in (run / "report.html").read_text()
    assert list((run / "samples").glob("step-*.png"))
    assert scratch_("sample", run, "--n", 6, "--seed", 3) == 0 and len(np.load(run / "samples" / "seed-3.npy")) == 6
    assert (run / "samples" / "seed-3.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_run_gets_a_folder_of_its_own(here):
    for name in ("gmm-digits", "gmm-digits-2"):
        assert scratch_("train", "gmm", "--starts", 1, "--steps", 1) == 0
        assert (here / "runs" / name / "report.html").exists()


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
    results = json.loads((here / "run" / "results.json").read_text())
    assert "true log-likelihood" in results["test"]


def test_what_was_learned_can_be_read_again(here):
    assert train(here) == 0
    opened = scratch.runs.open_run(here / "run")
    assert np.allclose(np.sort(opened.state.params["mu"][:, 0]), [0, 5], atol=1)
    assert opened.config["hyper"]["components"] == 2 and opened.config["seed"] == 0


def test_the_same_seed_repeats_a_run_and_another_does_not(here):
    texts = []
    for i, seed in enumerate((3, 3, 4)):
        assert train(here, "--seed", seed, "--out", here / f"{i}") == 0
        texts.append([(here / f"{i}" / name).read_bytes() for name in ("metrics.jsonl", "results.json")])
    assert texts[0] == texts[1] and texts[0] != texts[2]


# ---- what comes after ------------------------------------------------------------------------------------------------
def test_a_run_is_sampled_judged_gone_on_with_and_shown_beside_another(here, capsys):
    assert train(here, "--steps", 2, "--tol", 0) == 0
    assert train(here, "--seed", 1, "--out", here / "other") == 0
    assert scratch_("resume", here / "run", "--steps", 4) == 0
    assert len((here / "run" / "metrics.jsonl").read_text().splitlines()) in (3, 4)
    capsys.readouterr()
    assert scratch_("sample", here / "run", "--n", 5) == 0
    assert capsys.readouterr().out.strip().endswith("seed-0.npy: float64 [5, 2]")
    assert np.load(here / "run" / "samples" / "seed-0.npy").shape == (5, 2)
    assert scratch_("evaluate", here / "run") == 0
    out = capsys.readouterr().out
    assert re.search(r"train examples: 48\n(.*\n)*test log-likelihood: -?\d+\.\d+ nats \(standard error \d", out)
    assert scratch_("evaluate", here / "run", "--data", small(here)) == 0
    (here / "run" / "report.html").unlink()
    assert scratch_("report", here / "run") == 0 and (here / "run" / "report.html").exists()
    assert scratch_("report", here / "run", here / "other") == 0 and (here / "comparison.html").exists()


AFTER = {
    "no such run":        (("resume", "none"),                      "none/config.json is not there"),
    "a file":             (("evaluate", "points.npy"),              "points.npy/config.json is not there"),
    "no examples":        (("sample", "run", "--n", 0),             "n=0 is out of range"),
    "a seed below 0":     (("sample", "run", "--seed", -1),         "seed=-1 is out of range"),
    "not an array":       (("sample", "run", "--out", "x.png"),     "--out x.png: expected a name that ends in .npy"),
    "a file that is":     (("sample", "run", "--out", "points.npy"), "points.npy exists already; choose another --out"),
    "no folder":          (("sample", "run", "--out", "no/x.npy"),  "expected a name that ends in .npy, in a folder"),
    "fewer steps":        (("resume", "run", "--steps", 1),         "steps=1, but run is at step 2"),
    "no steps":           (("resume", "run", "--steps", 0),         "steps=0 is out of range"),
    "no draws":           (("evaluate", "run", "--draws", 0),       "draws=0 is out of range"),
    "no such data":       (("evaluate", "run", "--data", "digit"),  "data='digit' is not known"),
    "data of other sizes": (("evaluate", "run", "--data", "digits"), "have shape (8, 8) and 17 levels; expected (2,)"),
    "too many":           (("sample", "run", "--n", 10**13),        "n=10000000000000 examples would take"),
    "a page that is":     (("report", "run", "run", "--out", "points.npy"), "points.npy exists already"),
    "a page nowhere":     (("report", "run", "run", "--out", "no/x.html"), "or its folder does not; choose another"),
    "a run and none":     (("report", "run", "none"),               "none/config.json is not there"),
    "no run":             (("report",),                             "the following arguments are required: DIR"),
}


@pytest.mark.parametrize("case", AFTER)
def test_what_cannot_be_done_with_a_run_is_one_sentence_and_changes_nothing(here, capsys, case):
    assert train(here, "--steps", 2) == 0
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    capsys.readouterr()
    arguments, sentence = AFTER[case]
    assert scratch_(*arguments) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err and captured.err.count("\n") == 1 and captured.out == ""
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


def test_every_hyper_parameter_is_a_flag_with_its_help(capsys):
    for name, entry in MODELS.items():
        assert scratch_("train", name, "--help") == 0
        out = " ".join(capsys.readouterr().out.split())
        for field in dataclasses.fields(entry.model):
            assert f"--{field.name.replace('_', '-')}" in out and field.metadata["help"] in out, field.name


def test_a_terminal_shows_a_bar_and_a_file_plain_lines(here, capsys, monkeypatch):
    assert train(here) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("step 1 of 200  log_lik ") and captured.err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert train(here, "--out", here / "again") == 0
    captured = capsys.readouterr()
    assert "step/s" in captured.err and captured.out.startswith("test log-likelihood")


# ---- what it refuses -------------------------------------------------------------------------------------------------
def table(folder, values):
    np.save(folder / "a.npy", values)
    return folder / "a.npy"


def circle(folder):
    (folder / "circle").symlink_to(folder / "circle")
    return folder / "circle"


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
    "no steps":           (lambda d: ("--steps", 0), "steps=0 is out of range; expected an integer, 1 or more"),
    "a negative seed":    (lambda d: ("--seed", -1), "seed=-1 is out of range"),
    "a singular fit":     (lambda d: ("--data", table(d, X * [1, 0]), "--components", 2, "--floor", 0),
                            "is singular; got floor=0.0: use a larger floor"),
    "a file as folder":   (lambda d: ("--out", table(d, X)), "exists already; choose another out"),
    "a folder in use":    (lambda d: ("--out", table(d, X).parent), "exists already; choose another out"),
    "a folder in a file": (lambda d: ("--out", table(d, X) / "run"), "cannot be written"),
    "a name too long":    (lambda d: ("--out", d / ("x" * 300)), "cannot be written (File name too long)"),
    "a circle of links":  (lambda d: ("--out", circle(d)), "exists already; choose another out"),
    "the data as folder": (lambda d: ("--data", table(d, X), "--out", d / "a.npy"), "exists already; choose another"),
    "an empty name":      (lambda d: ("--data", ""), "data='' is not known"),
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


@pytest.mark.parametrize("arguments, sentence", [
    (["--latent", 0],                                   "latent=0; expected an integer of at least 1"),
    (["--hidden", "64,x"],                              "invalid sizes value: '64,x'"),
    (["--hidden", "64,0"],                              "hidden=(64, 0); expected integers of at least 1"),
    (["--hidden", 10**9],                               "would take"),
    (["--latent", 10**13],                              "would take"),
    (["--lr", 0],                                       "lr=0.0; expected a finite number above 0"),
    (["--lr", "nan"],                                   "lr=nan; expected a finite number above 0"),
    (["--batch-size", 0],                               "batch_size=0; expected an integer of at least 1"),
    (["--ema", 1],                                      "ema=1.0; expected a number from 0 to 1, without 1"),
    (["--decoder", "gauss"],                            "decoder='gauss'; expected one of logistic, gaussian"),
    (["--levels", 1],                                   "levels=1; expected an integer from 2 to 65536"),
    (["--levels", 16],                                  "levels=16, but the data have 17 levels"),
    (["--data", "moons"],                               "decoder='logistic' is for data of whole levels"),
    (["--every", 0],                                    "every=0 is out of range; expected an integer, 1 or more"),
])
def test_what_a_vae_cannot_be_is_one_sentence_and_leaves_nothing(here, capsys, arguments, sentence):
    assert scratch_("train", "vae", *arguments) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err and captured.err.count("\n") == 1 and captured.out == ""
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("name", ["naïve café 数据", " spaces ", "-dash", "new\nline", "<b>bold</b>", "it's"])
def test_a_folder_may_have_any_name(here, capsys, name):
    name = name.replace("/", "")
    assert train(here, f"--out={name}", "--steps", 2) == 0
    assert "<b>bold" not in (here / name / "report.html").read_text()
    assert scratch_("evaluate", "--", name) == 0 and scratch_("resume", "--", name) == 0


def test_a_gpu_that_is_not_there_is_one_sentence(here, capsys):
    try:
        import cupy
        if cupy.cuda.is_available():
            pytest.skip("there is a GPU here")
    except ImportError:
        pass
    assert train(here, "--backend", "cupy") == 2
    assert re.match(r'scratch: backend="cupy" needs .*\n$', capsys.readouterr().err)


def test_a_run_that_is_told_to_end_before_it_has_begun_leaves_nothing(here):
    wait = "import os, signal; from scratch import cli; from scratch.mixtures import GaussianMixture as G;"
    kill = "G.init = lambda *_: os.kill(os.getpid(), signal.SIGTERM);"
    run  = python("-c", wait + kill + "cli.main(['train', 'gmm', '--out', 'new/run'])", cwd=here, path=ROOT)
    assert run.returncode == 143 and run.stderr == "" and list(here.iterdir()) == []


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_training_is_saved_and_says_how_to_go_on(here, capsys, monkeypatch, number, code):
    def interrupt(self, step, steps, metrics):
        if step == 2:
            os.kill(os.getpid(), number)
    monkeypatch.setattr(cli.progress, "__call__", interrupt)
    assert train(here) == code
    out = capsys.readouterr().out
    assert out == f"interrupted at step 2, which is saved; to go on: scratch resume {here / 'run'}\n"
    assert len((here / "run" / "metrics.jsonl").read_text().splitlines()) == 2
    assert scratch_("resume", here / "run") == 0 and (here / "run" / "report.html").exists()


def test_bits_that_may_differ_are_said_to(here, capsys):
    assert cli.told(here, {"signal": 2, "step": 1, "differences": ["numpy 2.4, now 2.5"]}) == 130
    assert "the bits may differ from those of an unbroken run: numpy 2.4, now 2.5." in capsys.readouterr().err


def test_a_full_disk_is_one_sentence(here, capsys, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "fsync", full)
    assert train(here) == 2
    assert re.match(r"scratch: .*No space left on device.*\n$", capsys.readouterr().err)
    assert [p.name for p in here.iterdir()] == ["points.npy"]


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


# ---- the book --------------------------------------------------------------------------------------------------------
def test_a_book_is_not_written_over_something_else(here, capsys):
    (here / "thesis.tex").write_text("years of work")
    for out in (here, here / "thesis.tex", here / "thesis.tex" / "book"):
        assert scratch_("book", "--out", out) == 2
        error = capsys.readouterr().err
        assert error.startswith("scratch: ") and error.count("\n") == 1 and "thesis.tex" in error or "no book" in error
    assert os.listdir(here) == ["thesis.tex"]


@pytest.mark.parametrize("what, wrong, code", [("a book", [], 0), ("a book with a complaint", ["x does not hold"], 1)])
def test_the_book_says_where_it_is_and_what_is_wrong(here, capsys, monkeypatch, what, wrong, code):
    from derivations import book
    monkeypatch.setattr(book, "build", lambda out, show: wrong)
    monkeypatch.setattr(book, "serve", lambda out, tell: tell("http://127.0.0.1:1/"))
    assert scratch_("book") == code
    out, error = capsys.readouterr()
    assert out == "book/index.html\n" and error.strip() == "".join(wrong)
    assert scratch_("book", "--serve") == code
    assert capsys.readouterr().out.endswith("http://127.0.0.1:1/  (Ctrl-C ends it)\n")


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_book_that_is_interrupted_ends_with_all_of_its_processes(here, number, code):
    with subprocess.Popen([sys.executable, "-m", "scratch", "book"], start_new_session=True, text=True,
                          stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=str(ROOT)),
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as process:
        while not (here / "book" / "book.css").exists() and process.poll() is None:
            time.sleep(0.1)
        time.sleep(2)                                       # its workers are at their first jobs
        os.killpg(process.pid, number)
        try:
            _, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == code and error.strip() == ("scratch: interrupted." if code == 130 else "")
    assert scratch_("book", "--help") == 0                  # what is there is a book, and may be written again
