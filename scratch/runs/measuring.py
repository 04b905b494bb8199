"""Measures of a run, each with its standard error and its bias."""
import math
from typing import NamedTuple

from backends import to_host, xp
from backends.random import Stream
from scratch.data.checks import check_integer, check_memory
from scratch.metrics import eyes, modes_of, pixels
from scratch.metrics.classifier import labelled
from scratch.metrics.features import FEATURES
from scratch.metrics.jackknife import jackknife
from scratch.metrics.measures import FEATURED, MEASURES, chosen, values, views
from scratch.runs.baselines import seen
from scratch.runs.references import real

LARGEST = 1 << 12               # numbers in an example of which samples are judged
LEAST   = 3                     # samples and test data of which some can be left out
TEXT    = "the data are text, whose characters have no distance from each other"
UNSEEN  = {**dict.fromkeys(("eyes", "classes"), "the data have no labels to learn a classifier from, or those of very "
                                                "many classes"),
           "modes":   "the law of the data is not known to have a few modes, as that of ring is"}
NOTHING = "the classifier learned nothing: to it all training data are the same"
ENDLESS = {"nearest": "most of these test examples are training examples too, and nothing tells new from copied",
           "psnr":    "an example comes back without any error, of which the PSNR is infinite"}


class Measured(NamedTuple):
    """A measure of a run."""
    title:    str
    value:    float
    error:    float | None      # its standard error; None where that is not known
    bias:     float | None      # by how much its mean lies above the truth; None where that is not known
    of:       str               # how many of what, and what it is where that is not the truth
    training: float | None      # the same of as many training examples; None where there is none


def measure(opened, names, features, n, bits):
    """({name: Measured}, {name: why it is not}) of an opened run: the measures that `chosen` finds in `names`, of n
    samples and at most n pairs, in FEATURES[features]; bits(part) gives bits per dimension, their standard error, and
    of how many examples, or None. Raises ValueError for what is not known, and as FEATURES do."""
    if features not in FEATURES:
        raise ValueError(f"features={features!r} is not known; choose one of {', '.join(FEATURES)}.")
    check_integer(n, "samples", LEAST)
    samples, pairs, likelihood = ([name for name in chosen(names) if MEASURES[name].of == of]
                                  for of in ("samples", "pairs", "likelihood"))
    found, why = of_samples(opened, samples, features, n)
    for ours, refused in (of_pairs(opened, pairs, n), of_likelihood(opened, likelihood, bits)):
        found, why = found | ours, why | refused
    why |= {name: ENDLESS.get(name, f"it comes to {each.value}, which is no finite number")
            for name, each in found.items() if not math.isfinite(each.value)}
    return {name: each for name, each in found.items() if name not in why}, why


def unmeasured(opened, data):
    """Why samples of an opened run cannot be held against data, "" where they can."""
    if not hasattr(opened.model, "sample"):
        return f"{opened.config['model']} has no law to draw from"
    if data.symbols:
        return TEXT
    if (D := math.prod(data.shape)) > LARGEST:
        return f"an example has {D} numbers, and at most {LARGEST} are judged"
    return "there is one test example, and two are needed" if len(data.test["x"]) < 2 else ""


def mixed(part):
    """A part of data in another order, the same one for as many examples: they may come sorted by class, and some
    measures take the first."""
    order = Stream.seed(0)("order").permutation(len(part["x"]))
    return {name: a[order] for name, a in part.items()}


def of_samples(opened, names, features, n):
    data, stream = seen(opened), opened.stream("judged")
    few = f"there are {len(data.test['x'])} test examples, and {LEAST} are needed" * (len(data.test["x"]) < LEAST)
    if why := unmeasured(opened, data) or few:
        return {}, dict.fromkeys(names, why)
    check_memory(8 * n * math.prod(data.shape), f"samples={n}", "draw fewer")
    asked = {MEASURES[name].view for name in names}
    known = views(data, eyes(data) if asked & {"eyes", "classes"} else None, modes_of(opened.config["data"]),
                  FEATURES[features](data) if asked & set(FEATURED) else None)
    why   = {name: NOTHING if MEASURES[name].view != "modes" and labelled(data) else UNSEEN[MEASURES[name].view]
             for name in names if MEASURES[name].view not in known}
    if not (names := [name for name in names if name not in why]):
        return {}, why
    x, y  = opened.model.sample(*opened.weights, stream("samples"), n), mixed(data.test)["x"]
    found = values(names, known, x, y, data.levels, leaving_out)
    train = values(names, known, real(data, n, stream("real")), y, data.levels)

    def told(name, row):
        *ours, counts = found[name]
        numbers = (a if row.part is None else a[row.part] for a in (*ours, train[name]))
        value, bias, error, training = (float(to_host(xp.asarray(a))) for a in numbers)
        many  = ", ".join(f"{count} {what}" for count, what in zip(counts, ("samples", "test examples")))
        many += f", {features} features" * (features != "pixels" and row.view in FEATURED)
        return Measured(row.title, value, None if row.bias is None else _finite(error),
                        {"none": 0.0, "1/n": _finite(bias)}.get(row.bias), many, _finite(training))
    return {name: told(name, MEASURES[name]) for name in names}, why


def leaving_out(f, *seen):
    """f of what is seen, its bias and its standard error by the jackknife, and of how many rows. The bias is NaN where
    a row has as many numbers as there are rows: it falls as 1 / n only beyond."""
    value, bias, error = jackknife(f, *seen)
    counts = list(map(len, seen))
    return value, bias if seen[0][0].size < min(counts) else xp.full_like(bias, math.nan), error, counts


def of_pairs(opened, names, n):
    model, data, stream, parts = opened.model, opened.data, opened.stream("measured"), {}
    for part in ("test", "train") if names and not data.symbols else ():
        batch = {name: a[:min(n, len(data.test["x"]))] for name, a in mixed(getattr(data, part)).items()}
        pairs = model.pictures(*opened.weights, batch, stream(part)).get("reconstructions")
        if pairs is not None:
            parts[part] = pairs[:, 0], pairs[:, 1]
            if getattr(model, "bins", lambda D: 0)(1):                      # k against (k + u) / levels less its noise
                parts[part] = pixels(batch["x"], data.levels), (data.levels * pairs[:, 1] - 0.5) / (data.levels - 1)

    def why(row):
        if data.symbols:
            return TEXT
        if not parts:
            return f"{opened.config['model']} gives no examples back"
        if row.view == "levels" and not data.levels:
            return "the data are no levels, of which one is the greatest"
        return "the data are no images" if row.view == "images" and len(data.shape) < 2 else ""

    def told(row):
        each, train = (to_host(row.f(*parts[part], *[data.shape] * (row.view == "images"))).astype(float)
                       for part in ("test", "train"))
        error = each.std(ddof=1).item() / len(each)**0.5 if len(each) > 1 else None
        return Measured(row.title, each.mean().item(), error, 0.0, f"{len(each)} test examples",
                        _finite(train.mean().item()))
    refused = {name: reason for name in names if (reason := why(MEASURES[name]))}
    return {name: told(MEASURES[name]) for name in names if name not in refused}, refused


def of_likelihood(opened, names, bits):
    name = opened.config["model"]
    if opened.model.likelihood == "none":
        return {}, dict.fromkeys(names, f"{name} has no likelihood: it gives no log p(x), nor a bound on it")
    if not names or not (test := bits("test")):
        return {}, dict.fromkeys(names, f"{name} says no likelihood by so few draws of an example")
    (value, error, m), (training, *_), short = test, bits("train"), falls_short(opened)
    return {name: Measured(MEASURES[name].title, value, error, None if short else 0.0,
                           f"{m} test examples{short and ', '}{short}", training) for name in names}, {}


def falls_short(opened):
    """What bits per dimension are where they are not those of the model's own law, else "": a bound, or made with an
    estimated Z."""
    model, data = opened.model, opened.data
    if model.likelihood == "up to Z" and not model.lists(math.prod(data.shape)):
        return "up to an estimated Z"
    dequantised = data.levels and data.train["x"].dtype.kind == "f"
    return "a bound from above" if model.likelihood == "bound" or dequantised else ""


def _finite(value):
    return value if math.isfinite(value) else None
