"""A run: a model learns a data set, and leaves a folder that shows what it learned.

    run("gmm", "digits", seed=0, out="runs/gmm")        what `scratch train gmm` does

    config.json     what was asked for, and on what it ran         metrics.jsonl   one line a step
    params.npz      what was learned, an array an entry            *.png           the figures
    report.html     all of it on one page that needs no other file
"""
import contextlib
import dataclasses
import itertools
import json
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path

import numpy

from backends import to_host, use
from backends.random import Stream
from scratch import trees
from scratch.data import load
from scratch.data import bits_per_dim
from scratch.models import MODELS
from scratch.train import train


def run(name, data=None, seed=0, steps=None, out=None, backend="numpy", show=lambda *_: None, **hyper):
    """Train MODELS[name] with these hyper-parameters on a data set and write the folder `out`; its path, and results.

    `show` is called after every step. Ctrl-C ends the training early and keeps what was learned
    (results["interrupted"]). Raises ValueError or TypeError for input that makes no sense, and OSError where `out`
    cannot be written: before training starts, and with nothing left behind.
    """
    entry = MODELS[name]
    model = entry.model(**hyper)
    data, steps = data or entry.data, steps or entry.steps
    final = Path(out) if out else _free(Path("runs") / f"{name}-{Path(data).stem}")
    with use(backend), _folder(final) as folder:
        stream  = Stream.seed(seed)
        dataset = load(data, stream("data"))
        config  = dict(model=name, data=data, seed=seed, steps=steps, backend=backend, **dataclasses.asdict(model),
                       numpy=numpy.__version__, python=platform.python_version(), machine=platform.machine())
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")

        start   = time.perf_counter()
        state   = model.init(stream("init"), dataset.train)
        history = []
        interrupted = False
        with open(folder / "metrics.jsonl", "w") as log:
            try:
                batches = itertools.repeat(dataset.train)
                for step, state, metrics in train(model, state, batches, stream("train"), steps):
                    history.append(metrics)
                    log.write(json.dumps({"step": step, **metrics}) + "\n")
                    show(step, steps, metrics)
            except KeyboardInterrupt:
                interrupted = True
        results = dict(seconds=time.perf_counter() - start, steps=len(history), interrupted=interrupted,
                       **held_out(model, state, dataset))
        numpy.savez(folder / "params.npz", **named_leaves({"params": state[0], "stats": state[1]}))
        from scratch.runs.report import report
        report(folder, entry, config, model, state, dataset, history, results, stream("sample"))
    return final, results


def held_out(model, state, dataset):
    """For each part of the data: the mean of log p in nats, its standard error, bits per dimension, and the mean under
    the true density where that is known."""
    results = {}
    for part in ("train", "valid", "test"):
        x     = getattr(dataset, part)["x"]
        log_p = numpy.asarray(to_host(model.log_prob(*state, x)), dtype=float)
        results[part] = dict(n=len(log_p), nats=log_p.mean(), error=log_p.std() / len(log_p)**0.5,
                             bits=float(bits_per_dim(log_p.mean(), x.shape[1], dataset.levels)))
        if dataset.log_p:
            results[part]["true nats"] = float(to_host(dataset.log_p(x)).mean())
    return results


def named_leaves(tree, prefix=""):
    """The leaves of nested dicts on the host, named by their path: {"params/mu": ...}."""
    if not isinstance(tree, dict):
        return {prefix: to_host(tree)}
    named = {}
    for key, child in tree.items():
        named.update(named_leaves(child, f"{prefix}/{key}" if prefix else key))
    return named


def _free(path):
    """path, or the first of path-2, path-3, ... that does not exist yet."""
    return next(p for p in itertools.chain([path], (Path(f"{path}-{i}") for i in itertools.count(2))) if not p.exists())


@contextlib.contextmanager
def _folder(final):
    """A folder that appears at `final` when all of it is written, and not at all where something fails."""
    if os.path.lexists(final) and not (final.is_dir() and not any(final.iterdir())):
        raise FileExistsError(f"{final} exists already; choose another --out, or remove it.")
    new = not final.parent.exists()
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    except OSError as error:
        raise OSError(f"{final} cannot be written ({error.strerror}): choose another --out.") from None
    try:
        yield folder
        folder.chmod(0o755)
        os.replace(folder, final)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if new:
            with contextlib.suppress(OSError):              # it is not empty, as it should be
                final.parent.rmdir()
