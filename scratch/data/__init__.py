"""Data: the 8 x 8 digits, toy densities with a known log p, what the user has in arrays and files; levels; batches."""
import dataclasses
import functools
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy

from backends import to_host, xp
from scratch.data.batching import batches, steps_per_epoch
from scratch.data.checks import check_array, check_labels, check_table
from scratch.data.files import PARTS, READERS, layout, read
from scratch.data.images import LEVELS, digits
from scratch.data.levels import binarise, bits_per_dim, dequantise, level_dtype, quantise
from scratch.data.toys import TOYS


@dataclasses.dataclass(frozen=True)
class Data:
    """Three parts, each a dict of arrays with "x" [n, D] and, where there are labels, "y" [n] (int64)."""
    train:   dict
    valid:   dict
    test:    dict
    shape:   tuple                  # of one example, colours last; D is its product
    levels:  int | None = None      # x is whole levels 0 .. levels - 1, or floats dequantised from them; None for reals
    log_p:   Callable | None = None # x -> true log probability of levels, log density of floats, in nats [n]
    symbols: str | None = None      # of text: the character of each level

    def dequantised(self, stream):
        """With x = (k + u) / levels, float32, for the levels k; what holds floats already is returned itself."""
        if self.levels is None or self.train["x"].dtype.kind == "f":
            return self
        def log_p(x):
            return self.log_p(quantise(x, self.levels).astype(x.dtype)) + x.shape[1] * math.log(self.levels)
        return self._with_x(lambda k, part: dequantise(k, self.levels, stream(part)), log_p=self.log_p and log_p)

    def binarised(self, stream):
        """With every value drawn once as 1, with chance k / (levels - 1), or 0: static binarisation. Raises ValueError
        where x is not levels."""
        if self.levels is None or self.train["x"].dtype.kind == "f":
            raise ValueError("The data hold floats, which cannot be binarised; expected levels: binarise before "
                             "dequantising, or declare them by with_levels.")
        if self.levels == 2:
            return self
        return self._with_x(lambda k, part: binarise(k, self.levels, stream(part)).astype("uint8"),
                            levels=2, log_p=None, symbols=None)

    def as_bits(self, how, stream):
        """With bits for levels: by "threshold" 1 from half the range on, by "static" drawn once, as `binarised` does.
        Raises ValueError where x is not levels, and for text."""
        if self.symbols:
            raise ValueError(f"The data are text of {len(self.symbols)} different characters, whose order says "
                             "nothing; expected levels, of which to make bits.")
        if self.levels is None or self.train["x"].dtype.kind == "f":
            raise ValueError("The data hold numbers that are no levels; expected levels, of which to make bits: say "
                             "how many there are, with levels (2 for bits), or choose a model of real numbers.")
        if how == "static" or self.levels == 2:
            return self.binarised(stream)
        half = (self.levels - 1) / 2
        return self._with_x(lambda k, part: (k >= half).astype("uint8"), levels=2, log_p=None, symbols=None)

    def with_levels(self, levels):
        """With reals that are whole numbers declared to be levels 0 .. levels - 1, uint8 or uint16. Raises ValueError
        for the first that is none, and where the data have other levels already."""
        dtype = level_dtype(levels)
        if self.levels is not None and self.levels != levels:
            raise ValueError(f"levels={levels}, but the data have {self.levels} levels; leave it out, or binarise.")
        def declared(x, part):
            wrong = numpy.argwhere(to_host((x != xp.floor(x)) | (x < 0) | (x >= levels)))
            if len(wrong):
                row, column = wrong[0].tolist()
                raise ValueError(f"levels={levels}, but x of {part} holds {float(x[row, column])} at row {row}, "
                                 f"column {column}; expected whole numbers from 0 to {levels - 1}.")
            return x.astype(dtype)
        return self if self.levels else self._with_x(declared, levels=levels)

    def _with_x(self, f, **changes):
        parts = {part: getattr(self, part) for part in PARTS}
        return dataclasses.replace(self, **{part: {**d, "x": f(d["x"], part)} for part, d in parts.items()}, **changes)


def load(source, stream):
    """The data that `source` is: a row of DATA, the path of a file or folder that `read` knows (looked for in the
    folder SCRATCH_DATA too, there also without its ending), an array, a dict of arrays named as in `layout`, or Data.

    uint8 of three or four axes is images of 256 levels, bool 2 levels, everything else a table [n, D] of reals. Missing
    parts are drawn from train, a tenth of it each. A pure function of source and stream. Raises ValueError for a name
    that is not known, with those that are, and ValueError or TypeError for what the source holds that is no data.
    """
    if isinstance(source, Data):
        arrays = {part: {name: check_array(a, f"{name} of {part}", keep_integers=True)
                         for name, a in getattr(source, part).items()} for part in PARTS}
        return dataclasses.replace(source, **arrays)
    if isinstance(source, (str, os.PathLike)):
        if str(source) in DATA:
            return DATA[str(source)][0](stream)
        path = _path(source)
        return _data(str(path), stream, **read(path))
    arrays = source if isinstance(source, Mapping) else {"x": source}
    parts  = layout(arrays, "data")
    return _data("data", stream, **{part: {a: arrays[name] for a, name in way.items()} for part, way in parts.items()})


def _path(source):
    folder = os.environ.get("SCRATCH_DATA")
    for path in [source] + [os.path.join(folder, f"{source}{end}") for end in ("", *READERS) if folder and source]:
        if os.path.exists(path):
            return Path(path)
    raise ValueError(f"data={str(source)!r} is not known; choose one of {', '.join(DATA)}, or the path of a folder "
                     f"or of a file that ends in {', '.join(READERS)}. SCRATCH_DATA, a folder that is searched too, is "
                     f"{folder or 'not set'}.")


def _data(name, stream, levels=None, symbols=None, **parts):
    """Data from parts as `read` gives them; valid and test may be missing."""
    found   = {part: _part(d, name if len(parts) == 1 else f"{part} of {name}", levels) for part, d in parts.items()}
    kinds   = {part: kind for part, (_, kind) in found.items()}
    missing = [part for part in PARTS if part not in parts]
    parts   = {part: d for part, (d, _) in found.items()}
    n       = len(parts["train"]["x"])
    if len(set(kinds.values())) > 1:
        each = "; ".join("{}: {}, {} levels, {}".format(part, *kind) for part, kind in kinds.items())
        raise ValueError(f"{name} has parts of different kinds ({each}); expected examples of one shape.")
    if n <= len(missing):
        raise ValueError(f"{name} has {n} rows; need at least {len(missing) + 1}, one for each part.")
    if missing:
        tenth = max(n // 10, 1)
        order = stream("parts").permutation(n)
        train = {a: values[order] for a, values in parts["train"].items()}
        rows  = {part: slice(i * tenth, (i + 1) * tenth) for i, part in enumerate(missing)}
        rows["train"] = slice(len(missing) * tenth, n)
        parts.update({part: {a: values[where] for a, values in train.items()} for part, where in rows.items()})
    shape, levels, _ = kinds["train"]
    return Data(**parts, shape=shape, levels=levels, symbols=symbols)


def _part(arrays, name, levels):
    """The arrays of a part, x [n, D] and y, checked; and its kind: shape, levels, labels or none."""
    x = check_array(arrays["x"], name, keep_integers=True)
    if levels is None:
        levels = 2 if x.dtype == bool and x.ndim >= 2 else 256 if x.dtype == "uint8" and x.ndim in (3, 4) else None
    if levels is None and x.ndim > 2:
        raise ValueError(f"{name} holds {x.dtype} of shape {x.shape}; expected a table [n, D], or images of uint8, "
                         "[n, h, w] or [n, h, w, c].")
    shape = x.shape[1:]
    x     = check_table(x, name) if levels is None else x.astype(level_dtype(levels), copy=False)
    d     = {"x": x.reshape((len(x), -1))}
    if "y" in arrays:
        d["y"] = check_labels(arrays["y"], len(x), f"y of {name}")
    return d, (shape, levels, "labels" if "y" in d else "no labels")


def _digits(stream):
    parts = {part: {"x": d["x"], "y": d["y"].astype(xp.int64)} for part, d in digits().items()}
    return Data(**parts, shape=(8, 8), levels=LEVELS)


def _toy(toy, stream):
    parts = {part: {"x": toy.sample(stream(part), n)} for part, n in (("train", 4000), ("valid", 1000), ("test", 1000))}
    return Data(**parts, shape=toy.shape, log_p=toy.log_p)


def _bars(bars, stream):
    return _toy(bars, stream).with_levels(2)


def _patterns(stream):
    """All parts are the same: each image once, so that a mean over them is an expectation."""
    part = {"x": TOYS["bars"].support()}
    def log_p(x):
        return xp.where(xp.isfinite(TOYS["bars"].log_p(x)), -math.log(len(part["x"])), -math.inf)
    return Data(part, part, part, shape=(3, 3), log_p=log_p).with_levels(2)


#    name: what draws it from a stream, and what it is
DATA = {
  "digits": (_digits, "8 x 8 handwritten digits of 17 levels, ten classes; 1257 / 180 / 360"),
  **{name: (functools.partial(_bars if name == "bars" else _toy, toy), toy.about) for name, toy in TOYS.items()},
  "patterns": (_patterns, "the 14 3 x 3 binary images whose rows or columns are constant, equally likely, each once"),
}
