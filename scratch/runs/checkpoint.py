"""Checkpoints: a tree of arrays and what it is, in one file that is whole and right, or is refused.

    8 bytes     how long the header is                        the format of safetensors: its other readers read it too
    header      JSON: type, shape and place of each tensor, and the metadata "scratch": {format, sha256, what}
    the rest    the tensors

    sha256      of the whole file, with zeros for its own 64 digits
"""
import contextlib
import hashlib
import json
import math
import os
import stat

import numpy

from backends import to_host, xp
from scratch import trees
from scratch.runs import files

FORMAT = 1
HEADER = 1 << 20            # the most bytes before the tensors
ZEROS  = b"0" * 64


class CheckpointError(ValueError):
    """A file that is no checkpoint, damaged, or of another model; the sentence names it and says which."""


def save(path, tree, about):
    """Write the arrays of a tree, and a dict that JSON can hold. Equal contents give equal bytes.

    The file is made beside its place and moved there when all of it is on the disk: whatever happens, at `path` is what
    was there before or the whole of the new. Raises ValueError for what cannot be kept (other than finite real numbers,
    names outside printable ASCII, an `about` beyond JSON or too long), and OSError where nothing can be written.
    """
    from safetensors.numpy import save as serialise
    arrays = {name: _plain(name, leaf) for name, leaf in trees.named(tree).items()}
    try:
        said = json.dumps(dict(format=FORMAT, sha256=ZEROS.decode(), what=about), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"about is not what JSON can hold ({error}); expected finite plain values.") from None
    whole = memoryview(serialise(arrays, {"scratch": said}))
    end   = 8 + int.from_bytes(whole[:8], "little")
    if end > HEADER:
        raise ValueError(f"about and the names of {len(arrays)} arrays take {end} bytes; expected at most {HEADER}.")
    at = bytes(whole[:end]).index(ZEROS)
    files.write(path, whole[:at], hashlib.sha256(whole).hexdigest().encode(), whole[at + 64:])


def load(path, template):
    """The tree saved at `path`, as arrays of the backend, and its `about`. Runs nothing that the file says.

    The template is a tree of the same structure, whose leaves have the shapes and dtypes. Raises CheckpointError for a
    file that differs from it, and for one that is not, bit for bit, what `save` wrote.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as deserialise
    want = trees.named(template)
    size = sum(math.prod(a.shape) * numpy.dtype(a.dtype).itemsize for a in want.values())
    with _verified(path, size) as (file, what):
        try:
            found = deserialise(file.read(os.fstat(file.fileno()).st_size))
        except (SafetensorError, KeyError, ValueError) as error:       # the tensors overlap, ...
            raise CheckpointError(f"{path} is damaged: {error}.") from None
    try:
        tree = trees.from_named(template, found)
    except ValueError as error:
        raise CheckpointError(f"{path} is of another model. {error}") from None
    for name, a in want.items():
        if (found[name].shape, found[name].dtype) != (tuple(a.shape), a.dtype):
            raise CheckpointError(f"{path} is of another model: {name} is {found[name].dtype} {found[name].shape}; "
                                  f"expected {a.dtype} {tuple(a.shape)}.")
        if not (found[name] < math.inf).all():
            raise CheckpointError(f"{path} is damaged: {name} contains NaN or infinity.")
    return trees.map(xp.asarray, tree), what


def about(path):
    """What was saved as `about` at `path`. Raises CheckpointError as `load` does."""
    with _verified(path) as (_, what):
        return what


# ---- writing ---------------------------------------------------------------------------------------------------------
def _plain(name, leaf):
    """The array on the host, as safetensors takes it: in C order, which it does not see to itself."""
    a = numpy.asarray(to_host(leaf), order="C")
    if not (name.isascii() and name.isprintable()) or name == "__metadata__":
        raise ValueError(f"The array {name!r} has a name that cannot be kept; expected printable ASCII.")
    if a.dtype.kind not in "biuf" or a.itemsize > 8:
        raise ValueError(f"{name} holds {a.dtype}; expected real numbers of at most 64 bits.")
    if not (a < math.inf).all():                                    # -inf is the logarithm of a weight that is 0
        raise ValueError(f"{name} contains NaN or infinity; nothing was saved.")
    return a


# ---- reading ---------------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def _verified(path, nbytes=math.inf):
    """The open file, found to be what `save` wrote of at most so many bytes of tensors, and its `about`."""
    try:
        mode = os.stat(path).st_mode                                # before it is opened: a pipe would wait
        if not stat.S_ISREG(mode):
            raise CheckpointError(f"{path} is a {'folder' if stat.S_ISDIR(mode) else 'device, pipe or socket'}; "
                                  "expected a file.")
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > nbytes + HEADER:
                raise CheckpointError(f"{path} has {size} bytes; expected at most {nbytes + HEADER} for this model.")
            what = _check(path, file, size)
            file.seek(0)
            yield file, what
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from None


def _check(path, file, size):
    """What the header says, once the file has been read through."""
    head = file.read(8)
    if not head:
        raise CheckpointError(f"{path} is empty.")
    n = int.from_bytes(head, "little")
    if n > HEADER:
        raise CheckpointError(f"{path} is no checkpoint, or its first bytes are damaged; expected a file that `scratch "
                              "train` wrote: pickles and archives are not opened.")
    if size < 8 + n:
        raise CheckpointError(f"{path} has {size} bytes, expected more than {8 + n}: it is cut short.")
    head += file.read(n)
    try:
        header = files.parse(head[8:])
        said   = files.parse(header.pop("__metadata__", {}).get("scratch", "null"))
        end    = 8 + n + max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
        if said is None:
            raise CheckpointError(f"{path} is no checkpoint of `scratch`, but safetensors of another kind.")
        if said["format"] != FORMAT:
            raise CheckpointError(f"{path} is of format {said['format']}, expected {FORMAT}: "
                                  "a newer version of `scratch` wrote it.")
        digits, what = said["sha256"].encode(), said["what"]
    except CheckpointError:
        raise
    except Exception as error:                                      # whatever is wrong with the JSON, or missing in it
        raise CheckpointError(f"{path} is damaged: its header cannot be read ({error!r}).") from None
    if size != end:
        raise CheckpointError(f"{path} has {size} bytes, expected {end}: "
                              f"{'it is cut short' if size < end else 'something follows its end'}.")
    sha   = hashlib.sha256(head.replace(digits, ZEROS, 1))
    found = hashlib.file_digest(file, lambda: sha).hexdigest()
    if found.encode() != digits:
        raise CheckpointError(f"{path} is damaged: its checksum is {found}, expected {digits.decode()}.")
    return what
