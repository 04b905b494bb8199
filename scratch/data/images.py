"""The 8 x 8 handwritten digits: 1797 images of 17 levels, ten classes.   Alpaydin and Kaynak 1998 (digits.LICENSE)

digits.npz holds them in a fixed order, on whose parts every figure stands. It was made from scikit-learn's copy by

    digits = sklearn.datasets.load_digits()
    order  = Stream.seed(0)("digits").permutation(1797)
    numpy.savez_compressed("digits.npz", x=digits.data[order].astype("uint8"), y=digits.target[order].astype("uint8"))
"""
import hashlib
from pathlib import Path

import numpy

from backends import xp

FILE     = Path(__file__).with_name("digits.npz")
CHECKSUM = "4bbd50a489c29608ccefa0c444d91b85" # BLAKE2b of the bytes of x, then of y
PARTS    = {"train": slice(0, 1257), "valid": slice(1257, 1437), "test": slice(1437, 1797)}
LEVELS   = 17


def digits(file=FILE):
    """{"train", "valid", "test"}: each {"x": levels 0 .. 16 [n, 64], "y": the digit [n]}, uint8; n = 1257, 180, 360.

    Raises ValueError where the file is missing or damaged.
    """
    try:
        with open(file, "rb") as opened, numpy.load(opened, allow_pickle=False) as found:
            x, y = found["x"], found["y"]
    except Exception as error:
        raise ValueError(f"{file} cannot be read ({error}): install the package again.") from None
    shapes = (x.shape, y.shape, x.dtype.name, y.dtype.name)
    if shapes != ((1797, 64), (1797,), "uint8", "uint8"):
        raise ValueError(f"{file} is damaged: it holds {shapes}, expected ((1797, 64), (1797,), 'uint8', 'uint8'): "
                         "install the package again.")
    found = hashlib.blake2b(x.tobytes() + y.tobytes(), digest_size=16).hexdigest()
    if found != CHECKSUM:
        raise ValueError(f"{file} is damaged: its checksum is {found}, expected {CHECKSUM}: install the package again.")
    return {part: {"x": xp.asarray(x[rows]), "y": xp.asarray(y[rows])} for part, rows in PARTS.items()}
