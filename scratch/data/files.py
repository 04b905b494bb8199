"""What lies in a file or folder that the user has. Everything is only read, and nothing in it is run.

    .npy .npz       numbers saved by NumPy; of an .npz the arrays that `layout` finds
    .csv .data      UTF-8, numbers between commas, blank lines skipped; a first line without any number is a header
    .txt            UTF-8 text in windows of 64 characters, 8 : 1 : 1 as it stands
    -ubyte          an array in the format of MNIST, also as .gz
    a folder        of the four files of MNIST, the six of CIFAR-10, or images
"""
import csv
import io

import numpy

from scratch.data.checks import check_memory
from scratch.data.image_files import cifar10, idx, mnist, opened, pictures
from scratch.data.levels import level_dtype

PARTS  = ("train", "valid", "test")
WINDOW = 64


def read(path):
    """The parts that a file or folder has, {"train": {"x": ..., "y": ...}, ...}, host arrays whose numbers are not
    checked yet; of text also "levels" and "symbols".

    Raises ValueError, in a sentence that names the file, for what cannot be read as what its name says.
    """
    if path.is_dir():
        return next((reader for name, reader in FOLDERS.items() if (path / name).exists()), pictures)(path)
    for ending, reader in READERS.items():
        if path.name.lower().endswith(ending):
            return reader(path)
    raise ValueError(f"{path} ends in {path.suffix!r}; expected a folder, or a file that ends in {', '.join(READERS)}.")


def layout(names, source):
    """Which of the arrays is what, {"train": {"x": name, "y": name}, ...}, for the first of x, y; train, valid, test;
    x_train, y_train, x_valid, ... that is there. Raises ValueError where none is."""
    for ways in ({"train": {"x": "x", "y": "y"}}, {part: {"x": part} for part in PARTS},
                 {part: {"x": f"x_{part}", "y": f"y_{part}"} for part in PARTS}):
        if ways["train"]["x"] in names:
            return {part: {a: name for a, name in way.items() if name in names}
                    for part, way in ways.items() if way["x"] in names}
    raise ValueError(f"{source} has the arrays {list(names)}, none called 'x', 'train' or 'x_train': name it so, "
                     "as numpy.savez('data.npz', x=...) does.")


def _numpy(path):
    with opened(path) as file:
        found = _loaded(path, lambda: numpy.load(file, allow_pickle=False))
        if isinstance(found, numpy.ndarray):
            return {"train": {"x": found}}
        check_memory(sum(member.file_size for member in found.zip.infolist()), path)
        parts = layout(found.files, path)
        return _loaded(path, lambda: {part: {a: found[b] for a, b in way.items()} for part, way in parts.items()})


def _loaded(path, f):
    """np.load lets exceptions of many kinds through; a damaged file is one thing to the user."""
    try:
        return f()
    except Exception:
        raise ValueError(f"{path} cannot be read as numbers saved by NumPy: it is damaged, or of another kind; pickles "
                         "and object arrays are refused.") from None


def _csv(path):
    try:
        lines = csv.reader(io.StringIO(_utf8(path), newline=""), strict=True)
        rows  = [(lines.line_num, cells) for cells in lines if cells]
    except csv.Error as error:
        raise ValueError(f"{path} cannot be read as comma separated numbers: {error}.") from None
    for line, cells in rows:
        if len(cells) != len(rows[0][1]):
            raise ValueError(f"{path}, line {line}: {len(cells)} values; "
                             f"expected {len(rows[0][1])} as in line {rows[0][0]}.")
    if rows and not any(map(_is_number, rows[0][1])):
        del rows[0]
    for line, cells in rows:
        for cell in cells:
            if not _is_number(cell):
                hint = "; the separator should be a comma" if ";" in cell else ""
                raise ValueError(f"{path}, line {line}: {cell!r} is not a number{hint}.")
    return {"train": {"x": numpy.array([[float(cell) for cell in cells] for _, cells in rows]).reshape(
        len(rows), -1 if rows else 0)}}


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _text(path):
    text = _utf8(path)
    n    = len(text) // WINDOW
    if n < 3:
        raise ValueError(f"{path} has {len(text)} characters; need at least {3 * WINDOW}: a window of {WINDOW} for "
                         "each part.")
    symbols, k = numpy.unique(numpy.frombuffer(text.encode("utf-32-le"), "<u4"), return_inverse=True)
    if not 2 <= len(symbols) <= 1 << 16:
        raise ValueError(f"{path} has {len(symbols)} different characters; expected 2 to 65536.")
    x     = k[:n * WINDOW].reshape(n, WINDOW).astype(level_dtype(len(symbols)))
    tenth = max(n // 10, 1)
    return {"train": {"x": x[:-2 * tenth]}, "valid": {"x": x[-2 * tenth:-tenth]}, "test": {"x": x[-tenth:]},
            "levels": len(symbols), "symbols": "".join(map(chr, symbols))}


def _utf8(path):
    with opened(path) as file:
        try:
            return file.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} cannot be read as UTF-8 text: {error}.") from None


def _idx(path):
    return {"train": {"x": idx(path)}}


READERS = {".npy": _numpy, ".npz": _numpy, ".csv": _csv, ".data": _csv, ".txt": _text,
           "-ubyte": _idx, "-ubyte.gz": _idx}
FOLDERS = {"train-images-idx3-ubyte": mnist, "train-images-idx3-ubyte.gz": mnist, "data_batch_1.bin": cifar10}
