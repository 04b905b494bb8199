"""Files of a run: there whole, or as they were before."""
import contextlib
import json
import os
import re
from pathlib import Path


def write(path, *pieces):
    """Put the bytes of all pieces at `path`: made beside it, and moved there when they are on the disk. Whatever
    happens, at `path` is what was there before or the whole of the new. Raises OSError where that cannot be."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(f"{path} cannot be written ({error.strerror or error}); what was there is untouched.") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    with contextlib.suppress(OSError):                              # where a system cannot, a loss of power may bring
        folder = os.open(path.parent, os.O_RDONLY)                  # the old file back
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def sweep(folder):
    """Remove what crashed writers left unfinished in a folder, and below it, that nobody else writes to."""
    for left in Path(folder).rglob(".*.tmp"):
        if re.fullmatch(r"(?s)\..+\.\d+\.tmp", left.name) and left.is_file():
            left.unlink()


def parse(text):
    """What JSON says. Raises ValueError (RecursionError, where it is nested too deep) for what is none, for a key that
    stands twice and for NaN."""
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)


def _once(pairs):
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(name):
    raise ValueError(f"{name} is no number of JSON")
