"""Measures of a run, each with its standard error and its bias."""
import math
from typing import NamedTuple

from backends import to_host, xp
from scratch.data.checks import check_integer, check_memory
from scratch.metrics import eyes, modes_of
from scratch.metrics.features import FEATURES
from scratch.metrics.jackknife import jackknife
from scratch.metrics.measures import ALONE, MEASURES, WHOLE, as_many, chosen, figures, views
from scratch.runs.baselines import seen
from scratch.runs.references import real

LARGEST = 1 << 12               # numbers in an example of which samples are judged
LEAST   = 3                     # samples and test data of which some can be left out
UNSEEN  = {"eyes":    "the data have no labels to learn a classifier from, or those of very many classes",
           "classes": "the data have no labels to learn a classifier from, or those of very many classes",
           "modes":   "the law of the data is not known to have a few modes, as that of ring is"}


class Measured(NamedTuple):
    """A measure of a run."""
    title:    str
    value:    float
    error:    float             # its standard error
    bias:     float | None      # by how much its mean lies above the truth; None where that is not known
    of:       str               # how many of what
    training: float             # the same of as many training examples


def measured(opened, names, features, n, bits):
    """({name: Measured}, {name: why it is not}) of an opened run: the measures that `chosen` finds in `names`, of n
    samples and at most n pairs, in FEATURES[features]; bits(part) gives bits per dimension, their standard error, and
    of how many examples, or None. Raises ValueError for what is not known, and as FEATURES do."""
    if features not in FEATURES:
        raise ValueError(f"features={features!r} is not known; choose one of {', '.join(FEATURES)}.")
    check_integer(n, "samples", LEAST)
    found, why, names = {}, {}, chosen(names)
    for of, f in {"samples": of_samples, "pairs": of_pairs, "likelihood": of_likelihood}.items():
        if asked := [name for name in names if MEASURES[name].of == of]:
            ours, refused = f(opened, asked, features, n, bits)
            found, why    = found | ours, why | refused
    return found, why


def unmeasured(opened, data):
    """Why samples of an opened run cannot be held against data, "" where they can."""
    if not hasattr(opened.model, "sample"):
        return f"{opened.config['model']} has no law to draw from"
    if data.symbols:
        return "the data are text, whose characters have no distance from each other"
    if (D := math.prod(data.shape)) > LARGEST:
        return f"an example has {D} numbers, and at most {LARGEST} are judged"
    return "there is one test example, and two are needed" if len(data.test["x"]) < 2 else ""


def of_samples(opened, names, features, n, _):
    data, stream = seen(opened), opened.stream("judged")
    few = f"there are {len(data.test['x'])} test examples, and {LEAST} are needed" * (len(data.test["x"]) < LEAST)
    if why := unmeasured(opened, data) or few:
        return {}, dict.fromkeys(names, why)
    check_memory(8 * n * math.prod(data.shape), f"samples={n}", "draw fewer")
    asked = {MEASURES[name].view for name in names}
    known = views(data, eyes(data) if asked & {"eyes", "classes"} else None, modes_of(opened.config["data"]),
                  FEATURES[features](data) if asked & {"features", "as many"} else None)
    why   = {name: UNSEEN[MEASURES[name].view] for name in names if MEASURES[name].view not in known}
    names = [name for name in names if name not in why]
    x, y  = opened.model.sample(*opened.weights, stream("samples"), n), data.test["x"]
    found = figures(names, known, x, y, data.levels, jackknife)
    train = figures(names, known, real(data, n, stream("real")), y, data.levels)

    def told(name, row):
        numbers = (a if row.part is None else a[row.part] for a in (*found[name], train[name]))
        value, bias, error, training = (float(to_host(xp.asarray(a))) for a in numbers)
        few  = as_many(n, len(y), x.shape[1]) if row.view == "as many" else n
        m    = len(y) if row.view in WHOLE else min(few, len(y))
        many = f"{few} samples" + f", {m} test examples" * (row.view not in ALONE)
        return Measured(row.title, value, error, {"none": 0.0, "1/n": bias}.get(row.bias), many, training)
    return {name: told(name, MEASURES[name]) for name in names}, why


def of_pairs(opened, names, _, n, __):
    data, stream, parts = opened.data, opened.stream("measured"), {}
    for part in ("test", "train") if not data.symbols else ():
        batch = {name: a[:min(n, len(data.test["x"]))] for name, a in getattr(data, part).items()}
        pairs = opened.model.pictures(*opened.weights, batch, stream(part)).get("reconstructions")
        if pairs is not None:
            parts[part] = pairs[:, 0], pairs[:, 1]
    def why(row):
        if data.symbols:
            return "the data are text, whose characters have no distance from each other"
        if not parts:
            return f"{opened.config['model']} gives no examples back"
        if row.view == "levels" and not data.levels:
            return "the data are no levels, of which one is the greatest"
        return "the data are no images" if row.view == "images" and len(data.shape) < 2 else ""

    def told(row):
        each, train = (to_host(row.f(*parts[part], *[data.shape] * (row.view == "images"))).astype(float)
                       for part in ("test", "train"))
        return Measured(row.title, each.mean().item(), each.std().item() / len(each)**0.5, 0.0,
                        f"{len(each)} test examples", train.mean().item())
    refused = {name: reason for name in names if (reason := why(MEASURES[name]))}
    return {name: told(MEASURES[name]) for name in names if name not in refused}, refused


def of_likelihood(opened, names, _, __, bits):
    if opened.model.likelihood == "none" or not (test := bits("test")):
        return {}, dict.fromkeys(names, f"{opened.config['model']} says no likelihood of such data, by so many draws")
    (value, error, n), (training, *_) = test, bits("train")
    return {name: Measured(MEASURES[name].title, value, error, 0.0, f"{n} test examples", training)
            for name in names}, {}
