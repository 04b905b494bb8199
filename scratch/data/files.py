"""Tables from files that the user has: .npy, .npz, .csv."""
import csv
import io
from pathlib import Path

import numpy

from scratch.data.checks import check_table


def from_file(path):
    """The table [n, D] in a file, as `check_table` gives it; nothing is unpickled.

        .npy .npz       an array; the array called x
        .csv            UTF-8, numbers between commas, blank lines skipped; a first line without any number is a header

    Raises ValueError or TypeError, in a sentence that names the file, for what cannot be read as that.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            if path.suffix.lower() not in READERS:
                raise ValueError(f"{path} ends in {path.suffix!r}; expected {', '.join(READERS)}.")
            table = READERS[path.suffix.lower()](file, path)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}.") from None
    return check_table(table, name=str(path))


def _numpy(file, path):
    """np.load lets exceptions of many kinds through; a damaged file is one thing to the user."""
    try:
        found = numpy.load(file, allow_pickle=False)
        names = None if isinstance(found, numpy.ndarray) else found.files
        table = found if names is None else found["x"] if "x" in names else None
    except Exception:
        raise ValueError(f"{path} cannot be read as numbers saved by NumPy: it is damaged, or of another kind; pickles "
                         "and object arrays are refused.") from None
    if table is None:
        raise ValueError(f"{path} has the arrays {names}, none called 'x': numpy.savez({path.name!r}, x=...) names it.")
    return table


def _csv(file, path):
    try:
        lines = csv.reader(io.StringIO(file.read().decode("utf-8-sig"), newline=""), strict=True)
        rows  = [(lines.line_num, cells) for cells in lines if cells]
    except (csv.Error, UnicodeDecodeError) as error:
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
                raise ValueError(f"{path}, line {line}: {cell!r} is not a number.")
    return numpy.array([[float(cell) for cell in cells] for _, cells in rows]).reshape(len(rows), -1 if rows else 0)


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


READERS = {".npy": _numpy, ".npz": _numpy, ".csv": _csv}
