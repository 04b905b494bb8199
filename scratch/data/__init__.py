"""Data: the 8 x 8 digits, toy densities with a known log p, tables from files; dequantisation; batches."""
import dataclasses
import functools
import math
from collections.abc import Callable

from backends import xp
from scratch.data.batching import batches, steps_per_epoch
from scratch.data.checks import check_table
from scratch.data.files import READERS, from_file
from scratch.data.images import LEVELS, digits
from scratch.data.levels import bits_per_dim, dequantise, quantise
from scratch.data.toys import TOYS


@dataclasses.dataclass(frozen=True)
class Data:
    """Three parts, each a dict of arrays with "x" [n, D] and, where there are labels, "y" [n] (int64)."""
    train:  dict
    valid:  dict
    test:   dict
    shape:  tuple                           # of one example; D is its product
    levels: int | None = None               # x is dequantised from so many; None where x is as it came
    log_p:  Callable | None = None          # x -> the true log density [n] in nats


def load(name, stream):
    """The data called `name`: a row of DATA, or the path of a table (.npy, .npz or .csv), divided 8 : 1 : 1 at random.

    A pure function of name and stream. Raises ValueError for an unknown name, with those that are known.
    """
    if name in DATA:
        return DATA[name][0](stream)
    if str(name).lower().endswith(tuple(READERS)):
        return _table(name, stream)
    raise ValueError(f"data={name!r} is not known; choose one of {', '.join(DATA)}, "
                     f"or a file that ends in {', '.join(READERS)}.")


def _digits(stream):
    parts = {part: {"x": dequantise(d["x"], LEVELS, stream(part)), "y": d["y"].astype(xp.int64)}
             for part, d in digits().items()}
    return Data(**parts, shape=(8, 8), levels=LEVELS)


def _toy(toy, stream):
    parts = {part: {"x": toy.sample(stream(part), n)} for part, n in (("train", 4000), ("valid", 1000), ("test", 1000))}
    return Data(**parts, shape=toy.shape, log_p=toy.log_p)


def _bars(bars, stream):
    """Dequantised as the digits are: where the true log probability is known, so is the density of x."""
    data  = _toy(bars, stream)
    parts = {part: {"x": dequantise(getattr(data, part)["x"].astype(xp.int64), 2, stream(f"{part} u"))}
             for part in ("train", "valid", "test")}
    return Data(**parts, shape=bars.shape, levels=2,
                log_p=lambda x: bars.log_p(quantise(x, 2).astype(x.dtype)) + x.shape[1] * math.log(2))


def _table(path, stream):
    x = from_file(path)
    n = len(x)
    if n < 3:
        raise ValueError(f"{path} has {n} rows; need at least 3: for training, validation and testing.")
    tenth = max(n // 10, 1)
    x     = x[stream("parts").permutation(n)]
    return Data({"x": x[2 * tenth:]}, {"x": x[:tenth]}, {"x": x[tenth:2 * tenth]}, shape=x.shape[1:])


#    name: what draws it from a stream, and what it is
DATA = {
  "digits": (_digits, "8 x 8 handwritten digits, 17 levels dequantised to [0, 1), ten classes; 1257 / 180 / 360"),
  **{name: (functools.partial(_bars if name == "bars" else _toy, toy), toy.about) for name, toy in TOYS.items()},
}
