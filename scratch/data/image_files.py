"""Images from files that the user has: IDX (MNIST), CIFAR-10's binary version, folders of pictures.

Each is given as {"train": {"x": uint8 [n, h, w] or [n, h, w, c], "y": [n]}, "valid": ..., "test": ...}, the parts that
it has. Raises ValueError, in a sentence that names the file, for what is missing, damaged or not what its name says.
"""
import contextlib
import gzip
import math
import os

import numpy

from scratch.data.checks import check_memory, readable

IDX     = {0x08: "uint8", 0x09: "int8", 0x0b: ">i2", 0x0c: ">i4", 0x0d: ">f4", 0x0e: ">f8"}
COLOURS = {"1": "L", "L": "L", "LA": "L", "P": "RGB", "RGB": "RGB", "RGBA": "RGB", "CMYK": "RGB"}  # of Pillow's modes


@contextlib.contextmanager
def opened(path):
    """The file, of at most half of the machine's memory, unpacked where its name ends in .gz."""
    with readable(path):
        if path.exists() and not path.is_file():
            raise ValueError(f"{path} is no file, but a pipe, a device or a folder; expected one with data in it.")
        check_memory(os.path.getsize(path), path)
        with (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb") as file:
            yield file


def idx(path):
    """The array in an IDX file: 00 00, the type, the number of axes; their sizes, four bytes each; the numbers."""
    with opened(path) as file:
        head = file.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in IDX or not 1 <= head[3] <= 4:
            raise ValueError(f"{path} is no IDX file: it begins with {head.hex(' ') or 'nothing'}; "
                             "expected 00 00, a type (08 for bytes) and 1 to 4 axes.")
        dtype = numpy.dtype(IDX[head[2]])
        shape = tuple(int.from_bytes(file.read(4), "big") for _ in range(head[3]))
        size  = math.prod(shape) * dtype.itemsize
        check_memory(size, path)
        found = bytearray()
        while piece := file.read(min(size + 1 - len(found), 1 << 20)):      # a header may promise more than there is
            found += piece
        if len(found) != size:
            raise ValueError(f"{path} is damaged: its header promises {shape} numbers in {size} bytes, "
                             f"and there are {len(found) if len(found) < size else 'more'}.")
    return numpy.frombuffer(found, dtype).reshape(shape)


def mnist(folder):
    """MNIST and what has its form, four IDX files, each as it is or as .gz; the last sixth of train is valid."""
    def part(name):
        paths = [folder / f"{name}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")]
        return dict(zip("xy", (idx(path if path.exists() else path.with_name(f"{path.name}.gz")) for path in paths)))
    return {**_without_last(6, part("train")), "test": part("t10k")}


def cifar10(folder):
    """CIFAR-10, six files of rows of 3073 bytes: a label, then 32 x 32 of red, of green, of blue; the last tenth of
    train is valid.   Krizhevsky 2009"""
    def rows(name):
        path = folder / f"{name}.bin"
        with opened(path) as file:
            found = numpy.frombuffer(file.read(), numpy.uint8)
        if len(found) == 0 or len(found) % 3073:
            raise ValueError(f"{path} is damaged: it has {len(found)} bytes; expected rows of 3073.")
        found = found.reshape(-1, 3073)
        row   = found[:, 0].argmax()
        if found[row, 0] > 9:
            raise ValueError(f"{path} is damaged: row {row} has the label {found[row, 0]}; expected 0 to 9.")
        return found
    def part(rows):
        return {"x": rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), "y": rows[:, 0]}
    train = numpy.concatenate([rows(f"data_batch_{i}") for i in range(1, 6)])
    return {**_without_last(10, part(train)), "test": part(rows("test_batch"))}


def _without_last(share, train):
    n = max(len(train["x"]) // share, 1)
    return {"train": {name: a[:-n] for name, a in train.items()}, "valid": {name: a[-n:] for name, a in train.items()}}


def pictures(folder):
    """The images in a folder, or in its sub-folders, which are then the classes; names in sorted order, hidden ones
    skipped. All of one size, and all grey or all in colour."""
    entries = _listed(folder)
    classes = [path for path in entries if path.is_dir()] or [folder]
    if classes != [folder] and len(classes) < len(entries):
        raise ValueError(f"{folder} has files beside its sub-folders; expected images alone, or a sub-folder a class.")
    groups = [_listed(path) for path in classes]
    paths  = [path for group in groups for path in group]
    kinds  = [_pillow(path, lambda image: (*image.size, COLOURS.get(image.mode, image.mode))) for path in paths]
    w, h, colours = kinds[0]
    for path, kind in zip(paths, kinds):
        if kind[2] not in COLOURS:
            raise ValueError(f"{path} has pixels of Pillow's mode {kind[2]!r}; expected 8 bits, grey or in colour.")
        if kind != kinds[0]:
            raise ValueError("{} is {} x {}, {}; expected {} x {}, {} as {}.".format(path, *kind, *kinds[0], paths[0]))
    shape = (len(paths), h, w) if colours == "L" else (len(paths), h, w, 3)
    check_memory(math.prod(shape), folder)
    x = numpy.empty(shape, numpy.uint8)
    for i, path in enumerate(paths):
        x[i] = _pillow(path, lambda image: (image.convert("RGBA") if image.mode == "P" else image).convert(colours))
    labels = {} if classes == [folder] else {"y": numpy.repeat(range(len(groups)), [len(group) for group in groups])}
    return {"train": {"x": x, **labels}}


def _listed(folder):
    with readable(folder):
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if not found:
        raise ValueError(f"{folder} is empty; expected images.")
    return found


def _pillow(path, f):
    """Pillow lets exceptions of many kinds through; a damaged image is one thing to the user."""
    from PIL import Image
    with readable(path, Exception, " as an image"), Image.open(path) as image:
        return f(image)
