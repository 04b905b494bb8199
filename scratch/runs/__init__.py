"""Runs: a model learns a data set, and leaves a folder from which it can be shown, judged, sampled and gone on with.

    run("vae", "digits", out="runs/vae")    what `scratch train vae` does       resume(folder)      go on
    sample(folder, 64)                      examples that it draws              evaluate(folder)    held-out figures
    report(folder), report(*folders)        the page; a page for several        open_run(folder)    model, state, data
    measured(folder, "precision,recall")    with standard errors and biases

    config.json     what was asked for, and on what it ran         metrics.jsonl   one line a step
    checkpoints/    the last two states, and the best              samples/        what it drew at each of them
    results.json    figures of the best                            report.html     all of it on one page; *.png
"""
import contextlib
import dataclasses
import itertools
import json
import math
import os
import re
import shutil
import signal
import threading
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from backends import to_host, use
from backends.random import Stream
from scratch import trees
from scratch.data import DATA, PARTS, TOYS, Data, bits_per_dim, load
from scratch.data.checks import check_integer, check_memory
from scratch.metrics import eyes, frechet_distance, judge, modes_of, pixels
from scratch.models import BACKENDS
from scratch.runs import checkpoint, config as configs, environment, files, measuring
from scratch.runs.baselines import BITS, FRECHET, LIKELIHOODS, SAMPLES, seen
from scratch.runs.references import references
from scratch.train import State, fit

class Run(NamedTuple):
    """What a folder holds, opened."""
    folder: Path
    config: dict
    model:  Any
    data:   Data | None         # as the model learns it; None where it was not asked for
    state:  State
    about:  dict                # what its checkpoint says besides: step, metrics, best, done
    stream: Stream

    @property
    def weights(self):
        return self.model.weights(self.state), self.state.stats


def run(name, data=None, seed=0, steps=None, out=None, backend="numpy", every=None, show=lambda *_: None, **hyper):
    """Train MODELS[name] with these hyper-parameters and write the folder `out`; gives its path, and results.

    data        a name, a path, arrays or scratch.data.Data; what the model usually learns unless told otherwise
    every       steps between checkpoints, each with its validation; a twentieth of `steps` unless told otherwise
    show        called after every step with step, steps and metrics

    SIGINT and SIGTERM save the state and end the run: results["signal"] is their number. Raises ValueError or TypeError
    for input that makes no sense and OSError where `out` cannot be written, before training starts and with nothing
    left behind; ValueError at the step at which the loss or a parameter is no longer finite.
    """
    entry = configs.entry(name)
    data  = entry.data if data is None else data
    label = _label(data)
    steps = entry.steps if steps is None else configs.count("steps", steps)
    every = max(1, steps // 20) if every is None else configs.count("every", every)
    out   = Path(out) if out is not None else _free(Path("runs") / f"{name}-{Path(label).stem}")
    if backend not in BACKENDS:
        raise ValueError(f"backend={backend!r} is not known; choose one of {', '.join(BACKENDS)}.")
    with use(backend), _new(out) as folder:
        stream = Stream.seed(seed)
        raw    = load(data, stream("data"))
        model  = configs.model(name, hyper, raw)
        data   = model.view(raw, stream("data"))
        config = dict(model=name, data=label, seed=int(seed), steps=steps, every=every, hyper=dataclasses.asdict(model),
                      shape=list(data.shape), levels=data.levels, examples=[len(getattr(data, p)["x"]) for p in PARTS],
                      data_hash=environment.data_hash(raw), environment=environment.environment())
        with numpy.errstate(all="ignore"):
            state = model.start(stream("init"), data.train)
        configs.write(folder, config)
        return _train(Run(folder, config, model, data, state, {}, stream), show)


def resume(folder, steps=None, data=None, backend=None, show=lambda *_: None):
    """Go on with the run in a folder from its last checkpoint, as if it had never ended; to more steps than it was
    asked for, with `steps` (where it ended before it was judged too, and may have been best). Gives its path, and
    results. The same bits come where numpy, its BLAS and number of threads, and the processor are the same; what
    differs stands in results["differences"]."""
    config = configs.read(folder)
    with environment.lock(folder), use(backend or config["environment"]["backend"]):
        files.sweep(folder)
        opened = open_run(folder, data, which="last", needs_data=True)
        differ = environment.differences(config["environment"], environment.environment())
        if steps is not None and configs.count("steps", steps) != config["steps"]:
            if steps < opened.state.step:
                raise ValueError(f"steps={steps}, but {folder} is at step {opened.state.step}; expected at least as "
                                 "many.")
            opened = opened._replace(config=opened.config | {"steps": steps})
            configs.write(folder, opened.config)
        folder, results = _train(opened, show)
        return folder, results | {"differences": differ}


def open_run(folder, data=None, which="best", needs_data=False):
    """The Run in a folder, on the backend of the moment: its best state by the validation split, or its last. With
    needs_data its data are loaded, and have to be those that it learned (those of a toy are drawn again: another
    processor may round them otherwise). Raises ConfigError or CheckpointError."""
    folder = Path(folder)
    config = configs.read(folder)
    stream = Stream.seed(config["seed"])
    found  = None
    if needs_data:
        if config["data"] == "arrays" and data is None:
            raise ValueError(f"{folder} learned arrays that were handed over; hand them over again: in Python, "
                             "data=...")
        found = load(config["data"] if data is None else data, stream("data"))
        if (ours := environment.data_hash(found)) != config["data_hash"] and config["data"] not in TOYS:
            raise ValueError(f"The data {config['data']} are not those that {folder} learned: "
                             f"their hash is {ours}, expected {config['data_hash']}.")
    model = configs.model(config["model"], config["hyper"])
    if found:
        found = model.view(found, stream("data"))
    steps = _saved(folder)
    if not steps:
        if which == "best":
            raise checkpoint.CheckpointError(f"{folder} holds no checkpoint yet: `scratch resume {folder}` starts it.")
        return Run(folder, config, model, found, model.start(stream("init"), found.train), {}, stream)
    state, about = _load(folder, config, model, model.template(config["shape"]), max(steps))
    opened = Run(folder, config, model, found, state, about, stream)
    return _best(opened) if which == "best" else opened


def sample(folder, n=64, seed=0, label=None, **hyper):
    """n examples drawn from the best state of a run: [n, D], in the units of the data, on the host; all of one label,
    where it was told labels. `hyper` are hyper-parameters that matter to samples alone, guidance=2.0."""
    with use(configs.read(folder)["environment"]["backend"]):
        opened = open_run(folder)
        model  = configs.sampler(opened.model, hyper, opened.config["model"])
        if not hasattr(model, "sample"):
            raise ValueError(f"{folder} holds {opened.config['model']}, which has no law to draw from: train a vae.")
        if label is not None and not getattr(model, "classes", 0):
            raise ValueError(f"label={label}, but {folder} was told no labels; train one with --classes.")
        check_memory(8 * configs.count("n", n) * math.prod(opened.config["shape"]), f"n={n} examples", "draw fewer")
        told = {} if label is None else {"y": [check_integer(label, "label", 0, model.classes - 1)] * n}
        with numpy.errstate(all="ignore"):
            return to_host(model.sample(*opened.weights, Stream.seed(seed), n, **told))


def evaluate(folder, data=None, draws=100, seed=None):
    """Figures of the best state of a run on its training, validation and test examples: for each part {"n", and for
    each figure its mean and standard error over the examples}, and what its samples are worth (`judged`). With other
    data: the figures of all their parts alone. Codes are drawn from the run's own stream, as for its report, unless a
    seed is given."""
    config = configs.read(folder)
    configs.count("draws", draws)
    stream = Stream.seed(config["seed"])("test") if seed is None else Stream.seed(seed)
    with use(config["environment"]["backend"]):
        opened, own = _on(folder, data)
        return held_out(opened, draws, stream) | (judged(opened) if own else {})


def measured(folder, measures="all", features="pixels", samples=SAMPLES, draws=100, data=None):
    """({name: Measured}, {name: why it is not}): measures of the best state of a run against test data, its own or
    those of other data, each with its value, standard error, bias, of how much, and the value of as many training
    examples. The table is scratch.metrics.MEASURES.

    measures    names, or "all"                                     samples     how many are drawn
    features    what distances between samples are taken in         draws       of an example for a bound

    Standard errors and biases of measures of samples are the jackknife's, over groups of samples and of test data: the
    errors are conservative, up to twice the true spread where the two laws are alike. Of means over examples the error
    is s / sqrt n. Counts and least shares have none. Raises ValueError for names that are not known.
    """
    configs.count("draws", draws)
    with use(configs.read(folder)["environment"]["backend"]), numpy.errstate(all="ignore"):
        opened, _ = _on(folder, data)

        def bits(part):
            few   = {name: a[:len(opened.data.test["x"])] for name, a in measuring.mixed(opened.data.train).items()}
            found = held_out(opened._replace(data=dataclasses.replace(opened.data, train=few)), draws,
                             opened.stream("test"), [part])[part]
            return (*found[BITS], found["n"]) if BITS in found else None
        return measuring.measure(opened, measures, features, samples, bits)


def _on(folder, data):
    """The Run in a folder on its own data, or on others of the same kind; and are they its own?"""
    if data is None:
        return open_run(folder, needs_data=True), True
    opened = open_run(folder)
    config = opened.config
    found  = load(data, opened.stream("data"))
    own    = environment.data_hash(found) == config["data_hash"]
    if found.levels is None or found.levels == config["hyper"].get("levels", config["levels"]):
        found = opened.model.view(found, opened.stream("data"))
    if (math.prod(found.shape), found.levels) != (math.prod(config["shape"]), config["levels"]):
        raise ValueError(f"The data have shape {found.shape} and {found.levels} levels; expected "
                         f"{tuple(config['shape'])} and {config['levels']}, as {folder} learned.")
    return opened._replace(data=found, config=config if own else config | {"data": _label(data)}), own


@numpy.errstate(all="ignore")
def held_out(opened, draws=1, stream=Stream.seed(0), parts=PARTS):
    """What the model says of each part of the data, as {part: {"n", figure: (mean, standard error)}}."""
    results = {}
    model   = opened.model
    params, stats = opened.weights
    stats   = model.prepared(params, stats)
    for part in parts:
        data = getattr(opened.data, part)
        n    = min(len(data["x"]), model.most)
        results[part] = {"n": n}
        if model.criterion == FRECHET:
            x = model.sample(params, stats, stream(part), SAMPLES)
            distance = frechet_distance(*(pixels(a, opened.data.levels) for a in (x, data["x"])))
            results[part][FRECHET] = (float(distance), 0.0)
        if model.criterion != FRECHET or model.likelihood == "exact":
            block = min(1000, max(1, AT_ONCE // (data["x"].shape[1] * model.width)))
            each  = [model.evaluate(params, stats, {k: a[:n][i:i + block] for k, a in data.items()},
                                    stream(part)(i), draws) for i in range(0, n, block)]
            values = {name: numpy.concatenate([to_host(v[name]) for v in each]).astype(float) for name in each[0]}
            results[part] |= {name: (v.mean().item(), v.std().item() / n**0.5) for name, v in values.items()}
        for name in set(LIKELIHOODS) & set(results[part]):
            results[part]["bits per dimension"] = _bits(opened, *results[part][name])
        if opened.data.log_p and model.higher:
            true = to_host(opened.data.log_p(data["x"])).astype(float)
            results[part]["true log-likelihood"] = (true.mean().item(), true.std().item() / n**0.5)
    return results


@numpy.errstate(all="ignore")
def judged(opened):
    """{"samples": {"This model": {figure: value}, ...}}: what SAMPLES samples of the model are worth beside test data,
    and the same of training data and of samples that plain laws draw; {} where they are `measuring.unmeasured`."""
    model, data = opened.model, seen(opened)
    if measuring.unmeasured(opened, data):
        return {}
    stream, seer, modes = opened.stream("judged"), eyes(data), modes_of(opened.config["data"])
    data = dataclasses.replace(data, test=measuring.mixed(data.test))
    x = model.sample(*opened.weights, stream("samples"), SAMPLES)
    return {"samples": {"This model": judge(x, data, seer, modes)} | references(data, SAMPLES, stream, seer, modes)}


def _bits(opened, nats, error):
    """Bits per dimension and their standard error: of levels, or of a density and then of the levels in its bins."""
    x, D   = opened.data.train["x"], opened.data.train["x"].shape[1]
    levels = opened.data.levels if x.dtype.kind == "f" else None
    return bits_per_dim(nats, D, levels), bits_per_dim(-error, D)


AT_ONCE = 1 << 22           # numbers judged at a time


def report(*folders, out=None, data=None):
    """Write the page of a run again, from its best state; or one that shows several side by side, at `out`."""
    from scratch.runs import pages
    if not folders:
        raise ValueError("report() was given no folder; expected one, or several to show side by side.")
    if out is not None and (os.path.lexists(out) or not Path(out).parent.is_dir()):
        raise FileExistsError(f"{out} exists already, or its folder does not; choose another --out.")
    if len(folders) == 1 and out is None:
        with use(configs.read(folders[0])["environment"]["backend"]):
            _finish(open_run(folders[0], data, needs_data=True))
        return Path(folders[0]) / "report.html"
    return pages.side_by_side([Path(folder) for folder in folders], Path(out or _free(Path("comparison.html"))))


# ---- training --------------------------------------------------------------------------------------------------------
def _train(opened, show):
    """From the state of an opened run to its end: its folder, and results."""
    folder, config, model, data, state, about, stream = opened
    about = about or {"stream": f"{stream.key:x}", "order": f"{stream('batches').key:x}",
                      "best": {"step": 0, "score": None}, "config": configs.fingerprint(config)}
    ours, order = (Stream(int(about[name], 16)) for name in ("stream", "order"))
    with signals() as caught:
        with numpy.errstate(all="ignore"), _log(folder / "metrics.jsonl", state.step) as log:
            batches, kept = model.batches(data.train, order, state.step), about["best"]["step"]
            for state, metrics in fit(model, state, batches, ours("train"), config["steps"]):
                show(state.step, config["steps"], metrics)
                line   = {"step": state.step, **metrics}
                opened = opened._replace(state=state)
                if regular := state.done or state.step == config["steps"] or state.step % config["every"] == 0:
                    score = held_out(opened, stream=ours, parts=["valid"])["valid"][model.criterion][0]
                    line["validation"] = score if math.isfinite(score) else None
                    best = about["best"]["score"]
                    better = best is None or model.last or (score > best if model.higher else score < best)
                    if math.isfinite(score) and better:
                        about = about | {"best": {"step": state.step, "score": score}}
                log.write(json.dumps(line) + "\n")
                if regular or caught:
                    log.flush()
                    os.fsync(log.fileno())
                    kept = _save(folder, state, about, kept)
                    if regular:
                        _snapshot(opened)
                if caught:
                    break
    try:
        results = {} if caught else _finish(opened._replace(about=about))
    except KeyboardInterrupt:                                   # all is saved: only the report is missing
        results, caught = {}, [signal.SIGINT]
    return folder, results | {"step": state.step, "signal": caught[0] if caught else None}


def _save(folder, state, about, before):
    """The state into the run's folder, where then the last two are and the best of either; `before` is that of the one
    before. The step of the best."""
    (folder / "checkpoints").mkdir(exist_ok=True)
    said = about | {"step": state.step, "metrics": state.metrics, "done": state.done}
    checkpoint.save(_path(folder, state.step), _kept(state), said)
    for old in set(sorted(_saved(folder))[:-2]) - {about["best"]["step"], before}:
        _path(folder, old).unlink()
    return about["best"]["step"]


def _kept(state):
    return {"params": state.params, "stats": state.stats, "moments": state.moments}


def _path(folder, step):
    return folder / "checkpoints" / f"step-{step:08d}.safetensors"


def _saved(folder):
    """The steps of which the folder holds checkpoints."""
    names = (re.fullmatch(r"step-(\d{8,})\.safetensors", path.name) for path in (folder / "checkpoints").glob("step-*"))
    return [int(name[1]) for name in names if name]


def _load(folder, config, model, template, step):
    """The state at a step, and what its checkpoint says besides. Raises CheckpointError, which says from where the run
    can be gone on with, for one that is damaged or of another run."""
    path = _path(folder, step)
    try:
        parts, about = checkpoint.load(path, _kept(template))
        if not isinstance(about, dict) or any(not isinstance(about.get(key), kind) for key, kind in ABOUT.items()):
            raise checkpoint.CheckpointError(f"{path} is no checkpoint of a run: it does not say {', '.join(ABOUT)}.")
        if about["config"] != configs.fingerprint(config):
            raise checkpoint.CheckpointError(f"{path} is of another run: what config.json asks for is not what it was "
                                             "trained with.")
    except checkpoint.CheckpointError as error:
        before = [other for other in _saved(folder) if other < step]
        hint   = f" Without that file the run goes on from step {max(before)}." if before else ""
        raise checkpoint.CheckpointError(f"{error}{hint}") from None
    state = model.restore(step, *parts.values())
    return state._replace(metrics=about["metrics"], done=about["done"]), about


ABOUT = dict(config=str, stream=str, order=str, step=int, metrics=dict, best=dict, done=bool)


def _best(opened):
    """The run with its best state."""
    step = opened.about["best"]["step"]
    if step in (0, opened.state.step):                  # 0: no validation yet, or none that was finite
        return opened
    state, _ = _load(opened.folder, opened.config, opened.model, opened.state, step)
    return opened._replace(state=state)


def _snapshot(opened):
    """A picture of what the state draws, for images."""
    from scratch.runs import pages
    if len(opened.data.shape) > 1:
        (opened.folder / "samples").mkdir(exist_ok=True)
        pages.snapshot(opened, opened.folder / "samples" / f"step-{opened.state.step:08d}.png")


@numpy.errstate(all="ignore")
def _finish(opened):
    """Judge the best state and write the report; the figures."""
    from scratch.runs import pages
    opened  = _best(opened)
    stream  = opened.stream("test")
    results = held_out(opened, 1, stream, PARTS[:2]) | held_out(opened, _draws(opened.data), stream, PARTS[2:])
    results |= judged(opened)
    files.write(opened.folder / "results.json", json.dumps(results, indent=2, allow_nan=False).encode() + b"\n")
    pages.report(opened, results)
    return results


def _draws(data):
    """How many codes are drawn of each test example: 100 of the digits, fewer where there are many."""
    return min(100, max(1, 100000 // len(data.test["x"])))


@contextlib.contextmanager
def _log(path, step):
    """metrics.jsonl, open to be written on after the line of `step`: what a crash left behind it is dropped."""
    lines = path.read_bytes().splitlines(keepends=True)[:step] if path.exists() else []
    files.write(path, *lines)
    with open(path, "a") as log:
        yield log


@contextlib.contextmanager
def signals():
    """Inside, the first SIGINT or SIGTERM is written down, and work goes on to where it can stop; the second of them
    interrupts at once. Only in the main thread: elsewhere signals do not arrive."""
    caught = []

    def handler(number, _):
        if caught:
            raise KeyboardInterrupt
        caught.append(number)
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, old in before.items():
            signal.signal(number, old)


# ---- folders ---------------------------------------------------------------------------------------------------------
def _label(data):
    """What config.json calls the data: their name, the whole path, or that they were handed over."""
    if not isinstance(data, (str, os.PathLike)):
        return "arrays"
    return str(data) if str(data) in DATA or not os.path.exists(data) else os.path.abspath(data)


def _free(path):
    """path, or the first of path-2, path-3, ... that does not exist yet."""
    others = (path.with_name(f"{path.stem}-{i}{path.suffix}") for i in itertools.count(2))
    return next(p for p in itertools.chain([path], others) if not os.path.lexists(p))


@contextlib.contextmanager
def _new(folder):
    """A new folder, locked, that goes again where something fails before it holds a checkpoint."""
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists already; choose another out, or remove it.")
    try:
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "checkpoints").mkdir()
    except OSError as error:
        raise OSError(f"{folder} cannot be written ({error.strerror}): choose another out.") from None
    try:
        with environment.lock(folder):
            yield folder
    finally:
        if not _saved(folder):
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
            for name in ("config.json", "metrics.jsonl"):
                (folder / name).unlink(missing_ok=True)
            for path in made:
                with contextlib.suppress(OSError):
                    path.rmdir()
