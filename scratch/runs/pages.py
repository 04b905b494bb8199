"""Pages: what a person sees of a run. Its report, a picture of each checkpoint, and several runs side by side.

    report.html                 all on one page that needs no other file, in the reader's light or dark colours
    learning-*.svg              a curve each
    samples.png, .svg or .txt   what it draws: images, columns of a table, text; so are the other pictures
"""
import base64
import contextlib
import html
import itertools
import json
import math
import shlex
from pathlib import Path

import numpy

from backends import to_host, xp
from scratch.data import PARTS, bits_per_dim
from scratch.metrics import MEASURES, nearest
from scratch.models import MODELS
from scratch.runs import config as configs, files
from scratch.runs.baselines import (BITS, FRECHET, LIKELIHOODS, NATS, NEAR, NO_NATS, SAMPLES, baselines, levels_seen,
                                    seen)
from scratch.runs.figures import (BLUE, INK, ORANGE, animation, frame, histogram, image_grid, planes, plot, points,
                                  precise, smoothed, text_lines)

#   criterion           the same of a batch that it trains on, from a line of metrics.jsonl; None where that is another
CRITERIA = {
    "log-likelihood":   lambda model, D, m: m["log_lik"],
    "ELBO":             lambda model, D, m: m["reconstruction"] - m["KL"],
    "squared error":    lambda model, D, m: None if model.kind in ("denoising", "stacked") else m["error"],
    "L_simple":         lambda model, D, m: m["loss"] if model.simple else None,
}
CAPTIONS = {
    "samples":          "Samples: what it draws.",
    "data":             "Training data, for comparison.",
    "reconstructions":  "Test data, and below each what comes back from its code.",
    "components":       "The means of the components, or of the codes.",
    "means":            "Means of p(x | z) for codes z of the prior: samples without the noise of single pixels.",
    "latent":           "The plane of codes: the mean for each of 20 x 20 quantiles of the prior.",
    "interpolation":    "From one code to another, a row each, along the sphere near which codes lie.",
    "arithmetic":       "Arithmetic of codes: samples, and below each what it becomes when the mean code of samples "
                        "with much ink is added and that of samples with little taken away.",
    "neighbours":       "Samples, and below each the training example that is nearest to it: is it a copy?",
    "chain":            "From noise, on the left, to data, on the right.",
    "reverse":          "The same, as it goes: from noise to data.",
    "density":          " Lines: the learned density, around 10, 30, 50, 70 and 90 % of its mass.",
    "crosses":          " Crosses: the means of the components.",
}
#   of samples, as far as there are such figures
SAID = {
    "Fréchet distance": "Fréchet distance: that between normal laws of the same moments, which so few samples know "
                        "badly: not even training data come to 0.",
    "Fréchet distance of features": "Of features: of what a small classifier sees.",
    "kernel distance":  "Kernel distance: of moments up to the third, without that bias; about 0, or less, where the "
                        "laws are the same.",
    "precision":        "Precision: of as many samples as test data the share that lies among them, in a ball around "
                        "one that ends at its fifth neighbour; recall: of test data among samples. Density counts in "
                        "how many balls a sample lies, about 1 where the laws are the same, coverage the balls of test "
                        "data that hold a sample.",
    "inception score":  "Inception score: from 1 to the number of classes, high where each sample is clearly of one, "
                        "and all together are of many.",
    "least class share": "Least class share: of the rarest class, in the classifier's eyes.",
    "distance to the training data": "Distance to the training data: the median of samples, over that of test data; 0 "
                        "are copies, 1 is as far as new data are.",
    NEAR:               "A mode is covered where it has at least 0.4 of the share of samples that the law gives it, "
                        "within four deviations of it.",
}


# ---- the pages -------------------------------------------------------------------------------------------------------
def report(opened, results):
    """Write report.html into the folder of an opened run (its best state), and the pictures that it shows.

    results are those of runs.held_out: {part: {"n", figure: (mean, standard error)}}. All is a pure function of them,
    the state and metrics.jsonl.
    """
    config, data, entry = opened.config, opened.data, MODELS[opened.config["model"]]
    lines  = _lines(opened.folder)
    last   = lines[-1]["step"] if lines else opened.state.step
    folder = _e(shlex.quote(str(opened.folder)))
    title  = f"{entry.title.split(':')[0]}: {Path(config['data']).name}"
    kind   = "characters" if data.symbols else "pixels" if _is_image(data) else "columns"
    shape  = " &times; ".join(map(str, data.shape))
    levels = f" of {data.levels} {'different ones' if data.symbols else 'levels'}" if data.levels else ""
    _write(opened.folder / "report.html", title,
           f"<h1>{_e(title)}</h1><p class=soft>{_e(entry.paper)}</p>",
           f"<p>It learned {config['examples'][0]} examples of {shape} {kind}{levels}, in "
           f"{last} steps. Shown is its {'last state' if opened.model.last else 'best state by the validation split'}: "
           f"step {opened.state.step} of {last}.</p>",
           _headline(opened, results), _pictures(opened), _judged(opened, results), _learning(opened, results, lines),
           _figures(opened, results),
           "<h2>What it rests on</h2><p>Its mathematics is executed: each line of its derivations is compared with the "
           f"one before it, and the last with this code.</p><pre>scratch check {_e(entry.derivations)}</pre>",
           f"<h2>How to go on</h2><pre>scratch resume   {folder} --steps {2 * max(last, config['steps'])}\n"
           + f"scratch sample   {folder}{' --label 0' * (_classes(opened.model) > 0)}\n"
           * hasattr(opened.model, "sample")
           + f"scratch evaluate {folder} --measures all</pre>",
           "<h2>What was asked for</h2><details><summary>hyper-parameters, versions, machine</summary>",
           _table([(_e(key), _e(value)) for key, value in _flat(config).items()]), "</details>")


def snapshot(opened, path):
    """A PNG of 8 x 8 images that the state draws, from the same stream at every step; of test data and, below each, its
    reconstruction where a model draws nothing."""
    model, stream = opened.model, opened.stream("show")
    if hasattr(model, "sample"):
        x = model.sample(*opened.weights, stream("samples"), 64, **_in_turn(model, 64))
    else:
        x = model.pictures(*opened.weights, {"x": opened.data.test["x"][:32]}, stream("pictures"))["reconstructions"]
    files.write(path, _grid(to_host(x), seen(opened)))


def _classes(model):
    return getattr(model, "classes", 0)


def _in_turn(model, n):
    """The labels of n samples for a picture, one after the other, for a model that is told any."""
    return {"y": xp.arange(n) % model.classes} if _classes(model) else {}


def _grid(x, data, **how):
    return image_grid(x, data.shape, data.levels, data.train["x"], **how)


def side_by_side(folders, out):
    """Write the page `out` that shows several runs, a column each; gives its path. Only their folders are read. Raises
    ConfigError for one that is no run, or that is damaged."""
    runs  = {str(folder): (configs.read(folder), _results(folder), _lines(folder)) for folder in folders}
    flat  = [_flat(config) for config, *_ in runs.values()]
    head  = ("", *map(_e, runs))
    asked = {key: [str(each.get(key, "–")) for each in flat] for key in dict.fromkeys(itertools.chain(*flat))
             if key != "data_hash"}
    rest, differs = ([(_e(key), *map(_e, values)) for key, values in asked.items()
                      if (len(set(values)) > 1 and "–" not in values) == differ] for differ in (False, True))
    _write(Path(out), "Runs side by side", "<h1>Runs side by side</h1>",
           "<h2>What differs</h2>", _table(differs, head),
           "<h2>Held-out figures</h2>", _table(_compared(runs), head),
           "<p class=soft>In bold the best of those that can be compared: of the same data, seen in the same way.</p>",
           *_worth(runs), "<h2>Validation</h2>", *_validations(runs),
           "<h2>What they draw</h2>", _table(_drawings(runs), head),
           "<h2>What is the same, or is asked of some alone</h2><details>"
           "<summary>hyper-parameters, versions, machine</summary>", _table(rest, head), "</details>")
    return Path(out)


# ---- the headline, and what it is to be compared with ----------------------------------------------------------------
def _in_words(config, results, value=None):
    """The criterion on held-out data, or another value of it, as it is shown: number, standard error and unit. Of
    dequantised data a bound on the log probability of their levels."""
    criterion = MODELS[config["model"]].model.criterion
    if criterion not in LIKELIHOODS or BITS not in (results or {}).get("test", {}):
        return *(results["test"][criterion] if value is None else (value, 0)), criterion
    (mean, error), bits = results["test"][criterion], results["test"][BITS]
    D     = math.prod(config["shape"])
    value = mean if value is None else value
    if levels_seen(config) in (None, 2):
        return value - mean - bits[0] * D * math.log(2), error, NATS
    return bits[0] + bits_per_dim(value - mean, D), bits[1], BITS


def _headline(opened, results):
    config, criterion, held = opened.config, opened.model.criterion, results["test"]
    value, error, unit = _in_words(config, results)
    words = f"{unit}, {_n(-value * math.log(2) * math.prod(config['shape']))} {NATS}" if unit == BITS else unit
    words = f"{words}{f' ({criterion})' * (unit != criterion)}, on {held['n']} held-out examples"
    rows = [*baselines(opened, unit).items(), ("This model", value)]
    higher = unit == NATS
    shown  = _n(value)
    if "samples" in results and criterion not in LIKELIHOODS:
        error  = 0
        unit   = next(figure for figure in (NEAR, FRECHET) if figure in results["samples"]["This model"])
        higher = unit == NEAR
        value  = results["samples"]["This model"][unit]
        rows   = sorted(((what, figures[unit]) for what, figures in results["samples"].items()),
                        key=lambda row: row[1] if higher else -row[1])
        shown  = f"{100 * value:.1f} %" if higher else _n(value)
        words  = (f"of {SAMPLES} samples lie within four deviations of a mode; they cover "
                  f"{results['samples']['This model']['modes covered']:.0f} modes" if higher else
                  f"{unit} of {SAMPLES} samples to the {len(opened.data.test['x'])} held-out examples, "
                  + _space(opened))
    if "true log-likelihood" in held and unit in (BITS, NATS):
        rows.append(("The truth", _in_words(config, results, held["true log-likelihood"][0])[0]))
    cost = [-v if unit == NATS else v for _, v in rows]
    ours = cost[[what for what, _ in rows].index("This model")]
    most = min(max(cost), 4 * ours) or 1 if levels_seen(config) or unit != NATS else math.inf       # a density has no 0
    bars = "".join(f"<tr{' class=this' * (what == 'This model')}><td>{_e(what)}<td class=number>{_n(v)}"
                   f"<td class=bar><i style='width:{min(100, 100 * c / most):.1f}%'></i>"
                   for (what, v), c in zip(rows, cost))
    note = ("The data are whole numbers k. Noise u in [0, 1) was added, and it learned the density of (k + u) / "
            f"{config['levels']}: its bits bound those of the levels from above." if _dequantised(opened) else "")
    return (f"<section><div><p class=big>{shown}{f' <small>&plusmn; {_n(error, value)}</small>' * bool(error)}</p>"
            f"<p>{words}. {'Higher' if higher else 'Lower'} is better.</p></div>"
            f"<table class=bars>{bars}</table></section><p class=soft>{note}</p>")


def _space(opened):
    return ("in pixels of [0, 1]" if _is_image(opened.data) else "in columns of [0, 1]") if opened.data.levels else \
        "in the units of the data"


def _judged(opened, results):
    """What samples are worth: every figure of them, and of what they are to be compared with."""
    if "samples" not in results:
        return ""
    rows  = results["samples"]
    names = _titles(rows.values())
    bound = ""
    if BITS in results["test"]:
        bound = (f"<p>The likelihood, {_n(results['test'][BITS][0])} {BITS}, says how well held-out examples could be "
                 "compressed, and is no measure of what samples look like.</p>")
    said = "".join(f" {text}" for title, text in SAID.items() if title in names)
    return ("<h2>What its samples are worth</h2>"
            + _table([(_titled(name), *(_cell3(each.get(name)) for each in rows.values())) for name in names],
                     ("", *map(_e, rows)))
            + f"<p class=soft>{SAMPLES} samples of each (of the training data as many as there are), held against test "
            f"data, {_space(opened)}. &uarr; higher is better, &darr; lower.{said}</p>" + bound)


def _titles(figures):
    """The titles of MEASURES that are among these figures, in the order of the table; then what older runs have."""
    there = list(dict.fromkeys(itertools.chain(*figures)))
    known = [row.title for row in MEASURES.values() if row.title in there]
    return known + [name for name in there if name not in known]


def _titled(name):
    return _e(name) + {"higher": " &uarr;", "lower": " &darr;"}.get(_better(name), "")


def _better(title):
    return next((row.better for row in MEASURES.values() if row.title == title), "")


def _cell3(value, best=False):
    text = "–" if value is None else f"{value:.3g}".replace("-", "&minus;")
    return f"<b>{text}</b>" if best else text


def _dequantised(opened):
    return opened.data.levels and opened.data.train["x"].dtype.kind == "f"


def _figures(opened, results):
    parts = {part: results[part] for part in PARTS if part in results}
    nats  = "" if BITS not in results["test"] else ", nats of density" if _dequantised(opened) else ", nats"
    rows  = [(_e(name if name in NO_NATS else name + nats), *(_cell(each.get(name)) for each in parts.values()))
             for name in dict.fromkeys(itertools.chain(*parts.values())) if name != FRECHET]
    if len(rows) == 1:                                                      # the numbers of examples alone
        return ""
    words = {"train": "training", "valid": "validation", "test": "test (held out)"}
    return ("<h2>All figures</h2>" + _table(rows, ("", *map(words.get, parts)))
            + "<p class=soft>Means over the examples, and their standard errors."
            + " L_simple: the squared error of the guessed noise, summed over an example."
            * ("L_simple" in results["test"]) + "</p>")


# ---- curves ----------------------------------------------------------------------------------------------------------
def _learning(opened, results, lines):
    """A curve of the criterion, in training and validation, and of every other number that was written down."""
    criterion, chosen = opened.model.criterion, opened.state.step
    D, window = math.prod(opened.config["shape"]), math.ceil(len(lines) / 250)
    valid     = numpy.array([(line["step"], line["validation"]) for line in lines if "validation" in line]).T
    curves    = {criterion: []}
    with contextlib.suppress(KeyError, AttributeError):
        curves[criterion] = [CRITERIA[criterion](opened.model, D, line) for line in lines]
    for name in dict.fromkeys(itertools.chain(*lines)):
        values = [line.get(name, math.nan) for line in lines]
        if name not in ("step", "validation") and len(set(values)) > 1 and values not in curves.values():
            curves[name] = values

    def drawn(name, values):
        def draw(figure):
            axes  = figure.add_subplot(title=name, ylabel="nats" if opened.model.higher and name not in NO_NATS else "")
            steps = [line["step"] for line in lines]
            shown = [] if not values or None in values else [smoothed(steps, values, window)]
            for line in shown:
                axes.plot(*line, color=BLUE, label="training")
            if name == criterion and len(valid):
                shown.append(valid)
                axes.plot(*valid, "o-", color=ORANGE, markersize=3, linewidth=1, label="validation")
                axes.legend()
            axes.axvline(chosen, color=INK, linewidth=0.8, linestyle=":")
            frame(axes, shown)
        return _file(opened, f"learning-{name.replace(' ', '-')}.svg", plot(draw))
    figures = "".join(drawn(name, values) for name, values in curves.items())
    note    = ("Dotted: the chosen step. The first twentieth of the steps may lie beyond the scale."
               + f" A point of a training curve is the mean of {window} steps." * (window > 1)
               + " Validation is that of the averaged weights." * bool(opened.config["hyper"].get("ema")))
    after   = ("In a game no loss says who has learned, and the Fréchet distance knows means and covariances alone: "
               "so the last state is shown, not that of the best validation.") * opened.model.last
    if len(valid) and chosen in valid[0] and not after:
        (last, end), best = valid[:, -1], valid[1][valid[0] == chosen][0]
        error = results["valid"][criterion][1]
        why   = "it began to learn its examples by heart (overfitting)" if abs(best - end) > error else \
                f"less than the standard error of a validation, {_n(error)}"
        after = f"The validation was best at step {chosen}, {_n(best)}" + (
            f"; until step {last:.0f} it got worse by {_n(abs(best - end))}: {why}." if last > chosen else
            ", the last." if opened.about.get("done") else ", the last: more steps may help.")
    return f"<h2>How it learned</h2><p>{after}</p><div class=grid>{figures}</div><p class=soft>{note}</p>"


# ---- pictures --------------------------------------------------------------------------------------------------------
def _is_image(data):
    return len(data.shape) in (2, 3)


def _pictures(opened):
    """What it draws beside the data, and what else it has to show."""
    model, weights, data, stream = opened.model, opened.weights, seen(opened), opened.stream("show")
    n, pairs = (64, 32) if _is_image(data) else (8, 8) if data.symbols else [min(2000, len(data.train["x"]))] * 2
    shown    = {}
    if hasattr(model, "sample"):
        shown = {"samples": model.sample(*weights, stream("samples"), n, **_in_turn(model, n)),
                 "data":    data.train["x"][:n]}
    shown |= model.pictures(*weights, {name: a[:pairs] for name, a in opened.data.test.items()}, stream("pictures"))
    if _is_image(data) and "samples" in shown:
        x, train = shown["samples"][:pairs], data.train["x"]
        shown["neighbours"] = xp.stack([x, train[nearest(x, train)[0]].astype(x.dtype)], axis=1)
    chained = hasattr(model, "chain") and not data.symbols
    states  = to_host(model.chain(*weights, stream("chain"), n)) if chained else None
    if states is not None and _is_image(data):
        shown["chain"] = _evenly(states, 8)[:, :8].swapaxes(0, 1).reshape(64, -1)
    shown = {name: to_host(x) for name, x in shown.items()}
    if _is_image(data):
        figures = [_file(opened, f"{name}.png", _grid(x, data), CAPTIONS[name]) for name, x in shown.items()]
    elif data.symbols:
        figures = [_file(opened, f"{name}.txt", text_lines(x, data), CAPTIONS[name]) for name, x in shown.items()
                   if name in ("samples", "data", "reconstructions")]
    else:
        name    = "samples" if "samples" in shown else "reconstructions"
        beside  = (shown["data"], shown[name]) if "samples" in shown else shown[name].swapaxes(0, 1)
        lines   = data.shape[0] < 3 and hasattr(model, "log_prob") and model.criterion == "log-likelihood"
        crosses = shown.get("components") if data.shape[0] > 1 else None
        svg     = (planes if data.shape[0] > 1 else histogram)(opened if lines else None, name, *beside, crosses)
        figures = [_file(opened, f"{name}.svg", svg, f"Data and {name}." + CAPTIONS["density"] * lines
                         * (data.shape[0] == 2) + CAPTIONS["crosses"] * (crosses is not None))]
    if states is not None:
        draw = _grid if _is_image(data) else lambda x, _, width: points(x, states[-1])
        moving = animation([draw(x, data, width=1) for x in _evenly(states, 40)], grey=len(data.shape) == 2)
        figures.insert(1, _file(opened, "reverse.png", moving, CAPTIONS["reverse"]))
    return f"<h2>What it {'draws' if 'samples' in shown else 'gives back'}</h2>" \
           f"<div{' class=grid' * _is_image(data)}>{''.join(figures)}</div>"


def _evenly(states, n):
    """n of the states, from the first to the last; where there are fewer, some of them again."""
    return states[numpy.linspace(0, len(states) - 1, n).astype(int)]


# ---- several runs ----------------------------------------------------------------------------------------------------
def _compared(runs):
    """Rows of held-out figures: the criterion in words, in bold the best of what can be compared; then all."""
    words  = {name: _in_words(config, results) for name, (config, results, _) in runs.items() if results}
    ways   = {name: (_kind(runs[name][0]), unit) for name, (*_, unit) in words.items()}
    groups = [[name for name in ways if ways[name] == way] for way in set(ways.values())]
    best   = [(max if words[names[0]][2] == NATS else min)(names, key=lambda name: words[name][0])
              for names in groups if len(names) > 1 and words[names[0]][2] != "L_simple"]     # a sum of its own steps

    def cell(name, unit):
        ours  = name in words and words[name][2] == unit
        shown = _cell(words[name][:2] if ours else (runs[name][1] or {}).get("test", {}).get(unit))
        return f"<b>{shown}</b>" if name in best and ours else shown
    tests = [(results or {}).get("test", {}) for _, results, _ in runs.values()]
    units = list(dict.fromkeys(unit for *_, unit in words.values()))
    return ([("steps", *(lines[-1]["step"] if lines else 0 for *_, lines in runs.values()))]
            + [(_e(unit), *(cell(name, unit) for name in runs)) for unit in units]
            + [(_e(figure), *(_cell(test.get(figure)) for test in tests))
               for figure in dict.fromkeys(itertools.chain(*tests)) if figure not in ("n", BITS, FRECHET, *units)])


def _kind(config):
    """What is the same of runs that can be compared: the data, and how their levels became bits, where they did."""
    made = levels_seen(config) == 2 != config["hyper"].get("levels", 2)
    return config["data_hash"], made and config["hyper"].get("binarise")


def _called(config):
    """What the data are called, as they are seen."""
    return Path(config["data"]).name + " as bits" * bool(_kind(config)[1])


def _worth(runs):
    """What samples of several runs are worth, a row each, beside those of references where the data are the same; and
    precision against recall."""
    groups = list(_alike(runs))
    titles = _titles(each for _, ours, _ in groups for each in ours.values())
    placed = [(data, *({name: (each["recall"], each["precision"]) for name, each in some.items()
                        if {"precision", "recall"} <= set(each)} for some in both)) for data, *both in groups]
    if groups:
        yield "<h2>What their samples are worth</h2>"
        yield _table(itertools.chain(*(_rows(titles, *group) for group in groups)), ("", "data", *map(_titled, titles)))
        yield ("<p class=soft>&uarr; higher is better, &darr; lower. In bold the best of runs on the same data, seen in"
               " the same way; below them training data, and samples of plain laws. Differences within the standard "
               "errors of <code>scratch evaluate DIR --measures all</code> say nothing.</p>")
    if shown := list(itertools.chain(*(ours for _, ours, _ in placed))):
        short = [(data, {_short(name, runs): at for name, at in ours.items()}, plain) for data, ours, plain in placed]
        svg, keys = precise(short)
        yield ("<div class=key>" + _figure("svg", svg.encode(), "Precision against recall; scratch evaluate DIR "
               "--measures all gives their standard errors. Grey: training data (filled), and samples of plain laws.")
               + "<ul>" + "".join(f"<li><span style='color: {colour}'>{symbol}</span> {_e(run)}"
                                  + f" <span class=soft>{_e(data)}</span>" * (len(groups) > 1)
                                  for symbol, colour, run, data in keys) + "</ul></div>")
    if missing := [name for name in runs if name not in shown]:
        yield f"<p class=soft>Their samples have no precision and recall: {', '.join(map(_e, missing))}.</p>"


def _alike(runs):
    """Groups of runs that can be compared: what the data are called, {run: figures}, {reference: figures}."""
    worth = {name: results["samples"] for name, (_, results, _) in runs.items() if (results or {}).get("samples")}
    kinds = {name: _kind(runs[name][0]) for name in worth}
    for kind in dict.fromkeys(kinds.values()):
        ours   = {name: worth[name]["This model"] for name in worth if kinds[name] == kind}
        first  = next(iter(ours))
        others = {what: each for what, each in worth[first].items() if what != "This model"}
        yield _called(runs[first][0]), ours, others


def _rows(titles, data, ours, others):
    """Rows of the figures of these titles, of the runs of a group and of its references."""
    columns = [_ranked(_better(title), [each.get(title) for each in ours.values()])
               + [_cell3(each.get(title)) for each in others.values()] for title in titles]
    names   = [*map(_e, ours), *(f"<span class=soft>{_e(what)}</span>" for what in others)]
    return [(name, _e(data).replace(" ", "&nbsp;"), *cells) for name, *cells in zip(names, *columns)]


def _ranked(better, values):
    """Cells of the values of a figure, in bold those that are better than others: of what is better lower all below 0
    are alike."""
    ranks = [None if v is None or not better else v if better == "higher" else -max(v, 0) for v in values]
    known = {rank for rank in ranks if rank is not None}
    return [_cell3(v, len(known) > 1 and rank == max(known)) for v, rank in zip(values, ranks)]


def _short(name, runs):
    """The last part of a folder's name, where no other run has the same."""
    last = Path(name).name
    return last if sum(Path(other).name == last for other in runs) == 1 else name


def _validations(runs):
    """The validation of all over the steps, a figure for each unit and kind of data."""
    curves = {}
    for name, (config, results, lines) in runs.items():
        points = [(line["step"], *_in_words(config, results, line["validation"]))
                  for line in lines if "validation" in line]
        for unit in {point[3] for point in points}:
            line = [[point[i] for point in points] for i in (0, 1)]
            curves.setdefault((unit, _kind(config)), {})[_called(config), name] = line

    def draw(figure):
        axes = figure.add_subplot(title=f"{unit}, {next(iter(lines))[0]}")
        for (_, name), line in lines.items():
            axes.plot(*line, "o-", markersize=3, label=_short(name, runs))
        frame(axes, list(lines.values()))
        axes.legend()
    for (unit, _), lines in curves.items():
        yield _figure("svg", plot(draw, (7, 3.5)).encode())


def _drawings(runs):
    """Rows of the pictures that the folders hold."""
    def cell(folder, name):
        for path in (Path(folder) / f"{name}.{kind}" for kind in KINDS):
            if path.is_file():
                return _figure(path.suffix[1:], path.read_bytes(), grey=len(runs[folder][0]["shape"]) == 2)
        return "–"
    rows = [(name, *(cell(folder, name) for folder in runs))
            for name in ("samples", "reconstructions", "components", "means", "latent")]
    return [row for row in rows if set(row[1:]) != {"–"}]


# ---- what a folder holds, and text -----------------------------------------------------------------------------------
def _lines(folder):
    """The lines of metrics.jsonl; a last one that is still being written is left out."""
    path = Path(folder) / "metrics.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [_json(path, line) for line in text[:text.rfind("\n") + 1].splitlines()]


def _results(folder):
    """What results.json says; None where a run has not come to its end."""
    path = Path(folder) / "results.json"
    return _json(path, path.read_text(encoding="utf-8")) if path.exists() else None


def _json(path, text):
    try:
        return json.loads(text)
    except ValueError as error:
        raise configs.ConfigError(f"{path} is damaged: {error}.") from None


def _flat(config):
    """{"model": ..., "latent": ..., "numpy": ...}: what stands in the inner dicts too."""
    inner = ("hyper", "environment")
    return {key: value for key, value in config.items() if key not in inner} | config["hyper"] | config["environment"]


def _e(value):
    return html.escape(str(value))


def _n(value, like=None):
    """With four digits, or as many decimals as `like` has so."""
    size = abs(value if like is None else like)
    return f"{value:.{3 - math.floor(math.log10(size)) if 1e-3 < size < 1e4 else 4}f}".replace("-", "&minus;")


def _cell(figure):
    if not isinstance(figure, (list, tuple)):
        return "–" if figure is None else str(figure)
    return _n(figure[0]) + (f" <span class=soft>&plusmn; {_n(*figure[::-1])}</span>" if figure[1] else "")


def _table(rows, head=()):
    rows = ["".join(f"<td>{cell}" for cell in row) for row in rows]
    head = "<tr>" + "".join(f"<th>{cell}" for cell in head) if head else ""
    return f"<div class=scroll><table>{head}<tr>{'<tr>'.join(rows)}</table></div>"


KINDS = {"png": "image/png", "svg": "image/svg+xml", "txt": "text/plain"}


def _file(opened, name, content, caption=""):
    """The content in the folder of the run, and as a figure of its page."""
    content = content if isinstance(content, bytes) else content.encode()
    files.write(opened.folder / name, content)
    return _figure(name.rpartition(".")[2], content, caption, grey=len(opened.data.shape) == 2)


def _figure(kind, content, caption="", grey=False):
    shown = f"<pre>{_e(content.decode())}</pre>" if kind == "txt" else (
        f"<img class='{kind}{' ink' * grey}' alt='{_e(caption)}' "
        f"src='data:{KINDS[kind]};base64,{base64.b64encode(content).decode()}'>")
    return f"<figure>{shown}<figcaption>{_e(caption)}</figcaption></figure>"


def _write(path, title, *body):
    head = ("<!doctype html>\n<html lang=en><meta charset=utf-8>"
            f"<meta name=viewport content='width=device-width, initial-scale=1'><title>{_e(title)}</title>")
    page = "\n".join([head, f"<style>{STYLE}</style>", *body, "</html>\n"])
    files.write(path, page.encode(errors="replace"))


STYLE = """
:root { color-scheme: light dark; --ink: #1b262c; --soft: #5c6b73; --line: #dfe5e8; --ground: #fff; --blue: #3b8ec2 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #dfe6ea; --soft: #93a1a9; --line: #313c42; --ground: #12181b }
  img.png.ink { filter: invert(0.93) }
}
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 60rem;
       margin: 2.5rem auto; padding: 0 1.25rem; overflow-wrap: anywhere }
h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -.02em; margin: 0 }
h2 { font-size: 1.2rem; margin: 2.75rem 0 .75rem }
p { margin: .4rem 0; max-width: 42rem }
small, .soft, figcaption { color: var(--soft); font-size: .9rem }
td .soft { font-size: inherit }
.big { font-size: 3rem; font-weight: 650; line-height: 1.1; letter-spacing: -.03em; white-space: nowrap }
.big small { font-size: 1.1rem; font-weight: 400; letter-spacing: 0 }
section { display: grid; grid-template-columns: 1fr 1.4fr; gap: 1rem 2.5rem; align-items: center; margin: 2rem 0 1rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal }
th, td { text-align: left; vertical-align: top; padding: .35rem 1.25rem .35rem 0; border-bottom: 1px solid var(--line) }
th { font-weight: 600; font-size: .9rem }
.scroll td { max-width: 15rem; overflow-wrap: break-word }
.scroll { overflow-x: auto }
.scroll td:first-child, .scroll th:first-child { position: sticky; left: 0; background: var(--ground) }
.bars { width: 100% }
.bars td { border: 0; padding: .2rem .75rem .2rem 0 }
.bars .number { text-align: right; white-space: nowrap }
.bars .bar { width: 45%; padding: .5rem 0 0 }
.bar i { display: block; height: .8rem; border-radius: 2px; background: var(--line) }
.this { font-weight: 650 }
.this i { background: var(--blue) }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(21rem, 100%), 1fr)); gap: 1.75rem 2rem }
figure { margin: 0; min-width: 0; max-width: 42rem }
figcaption { margin-top: .4rem }
td figure { min-width: 10rem; max-width: 24rem }
.key { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: center }
.key figure { flex: 0 1 32rem }
.key ul { flex: 1 1 14rem; list-style: none; margin: 0; padding: 0 }
img { display: block; width: 100%; height: auto }
img.png { image-rendering: pixelated }
pre { background: color-mix(in srgb, var(--line) 45%, transparent); border-radius: 6px; padding: .75rem 1rem;
      overflow-x: auto; font-size: .85rem }
summary { cursor: pointer; margin-bottom: .75rem }
@media (max-width: 40rem) {
  section { grid-template-columns: 1fr } th, td { font-size: .85rem; padding-right: .75rem }
  pre { white-space: pre-wrap }
}
"""
