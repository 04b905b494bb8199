"""Laws of the readers: what was written comes back, what is damaged is refused in a sentence that names the file."""
import csv
import gzip
import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy
import pytest

from backends import to_host, use, xp
from backends.random import Stream
from scratch.data import checks, load

SEED   = Stream.seed(0)("test_files")
BOTH   = pytest.mark.parametrize("backend", ["numpy", "strict"])
REAL   = os.environ.get("SCRATCH_DATA")
PARTS  = ("train", "valid", "test")


def real(name):
    """The data of that name under SCRATCH_DATA, where they are."""
    if not REAL or not Path(REAL, name).exists():
        pytest.skip(f"no {name} under SCRATCH_DATA")
    return load(Path(REAL, name), SEED)


def written(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(data, a="x"):
    """Of all three parts, one after the other."""
    return numpy.concatenate([to_host(getattr(data, part)[a]) for part in PARTS])


def holds(data, x):
    """Has it every row of x once, in whatever order?"""
    return sorted(rows(data).tolist()) == sorted(x.reshape(len(x), -1).tolist())


def sizes(data):
    return [len(getattr(data, part)["x"]) for part in PARTS]


def noise(*shape, high=256):
    return to_host(SEED("noise").integers(0, high, shape)).astype("uint8")


def refuses(path, sentence, error=ValueError):
    """Loading raises one sentence that names the file."""
    with pytest.raises(error, match=sentence) as refused:
        load(path, SEED)
    assert type(refused.value) is error and "\n" not in str(refused.value) and str(refused.value).endswith(".")


@pytest.fixture
def small_memory(monkeypatch):
    monkeypatch.setattr(checks, "memory", lambda: 2 * 5000)


# ---- tables ----------------------------------------------------------------------------------------------------------
TABLE = numpy.array([[1, -2.5e-3], [0.1, 4], [7, 8]])


@BOTH
def test_a_table_is_read_back_from_every_kind_of_file(tmp_path, backend):
    numpy.save(tmp_path / "a.npy", TABLE)
    numpy.save(tmp_path / "café 数据.npy", TABLE.astype(">f8"))
    numpy.savez(tmp_path / "a.npz", x=TABLE, other=numpy.zeros(3))
    numpy.savez_compressed(tmp_path / "b.npz", x=TABLE)
    written(tmp_path / "a.csv", "1,-2.5e-3\n0.1,4\n7,8\n")
    written(tmp_path / "a.data", "1,-2.5e-3\n0.1,4\n7,8\n")
    written(tmp_path / "b.CSV", "\ufeffwidth,\"height, in m\"\r\n 1 , -0.0025\r\n\r\n.1,+4\r\n7,8")
    written(tmp_path / "c.csv", "\ufeff1,-0.0025\n.1,4\n7,8")
    with use(backend):
        for path in tmp_path.iterdir():
            for p in (path, str(path)):
                d = load(p, SEED)
                assert type(d.train["x"]) is xp.ndarray and d.train["x"].dtype == "float64" and holds(d, TABLE)
                assert d.shape == (2,) and d.levels is d.symbols is None


REFUSED_FILES = [
    ("a.csv",  "1,2\n3\n",                r"a\.csv, line 2: 1 values; expected 2 as in line 1"),
    ("a.csv",  "a,b\n1,2\n\n3,4,5\n",     r"a\.csv, line 4: 3 values; expected 2 as in line 1"),
    ("a.csv",  "a,b\n1,2\n3,four\n",      r"a\.csv, line 3: 'four' is not a number\.$"),
    ("a.csv",  "1,b\n1,2\n",              r"a\.csv, line 1: 'b' is not a number\.$"),
    ("a.csv",  "1,\n1,2\n",               r"a\.csv, line 1: '' is not a number\.$"),
    ("a.csv",  "a;b\n1;2\n3;4\n",         r"a\.csv, line 2: '1;2' is not a number; the separator should be a comma\.$"),
    ("a.data", "1,5;2\n3,0;4\n",          r"a\.data, line 1: '5;2' is not a number; the separator should be a comma"),
    ("a.csv",  "a,b\n",                   r"a\.csv has 0 rows; need at least 1"),
    ("a.csv",  "",                        r"a\.csv has 0 rows; need at least 1"),
    ("a.csv",  "1,2\n3,nan\n",            r"a\.csv contains NaN at row 1, column 1"),
    ("a.csv",  "1,2\n3,4\n",              r"a\.csv has 2 rows; need at least 3, one for each part"),
    ("a.csv",  b"\xff\xfe1,2",            r"a\.csv cannot be read as UTF-8 text"),
    ("a.csv",  '"1,2\n3,4',               r"a\.csv cannot be read as comma separated numbers"),
    ("a.npy",  b"",                       r"a\.npy cannot be read as numbers saved by NumPy"),
    ("a.npy",  b"\x93NUMPY\x01\x00",      r"a\.npy cannot be read as numbers saved by NumPy"),
    ("a.npy",  pickle.dumps([1, 2]),      r"a\.npy cannot be read as numbers .*pickle"),
    ("a.npz",  b"PK\x03\x04 no zip",      r"a\.npz cannot be read as numbers saved by NumPy"),
    ("a.pdf",  "1,2",                     r"a\.pdf ends in '\.pdf'; expected a folder, or a file that ends in \.npy"),
    ("a",      "1,2",                     r"a ends in ''; expected a folder, or a file that ends in \.npy"),
    ("a.txt",  b"\xff" * 300,             r"a\.txt cannot be read as UTF-8 text"),
    ("a.txt",  191 * "a",                 r"a\.txt has 191 characters; need at least 192: a window of 64 for each"),
    ("a.txt",  "",                        r"a\.txt has 0 characters"),
    ("a.txt",  192 * "a",                 r"a\.txt has 1 different characters; expected 2 to 65536"),
    ("-ubyte", b"",                       r"-ubyte is no IDX file: it begins with nothing; expected 00 00"),
]


@pytest.mark.parametrize("name, content, sentence", REFUSED_FILES)
def test_a_file_that_holds_no_data_is_refused_in_a_sentence(tmp_path, name, content, sentence):
    refuses(written(tmp_path / name, content), sentence)


def test_a_field_too_long_for_csv_is_refused(tmp_path):
    refuses(written(tmp_path / "a.csv", "1" * (csv.field_size_limit() + 1)), r"a\.csv cannot be read as comma")


class Trap:
    """Whoever unpickles it is written down."""
    sprung = []

    def __reduce__(self):
        return _spring, ()


def _spring():
    Trap.sprung.append(1)


def test_object_arrays_are_refused_and_never_unpickled(tmp_path):
    x = numpy.array([[Trap()]], dtype=object)
    numpy.save(tmp_path / "a.npy", x, allow_pickle=True)
    numpy.savez(tmp_path / "a.npz", x=x)
    for name in ("a.npy", "a.npz"):
        refuses(tmp_path / name, f"{name} cannot be read as numbers .*; pickles and object arrays are")
    assert not Trap.sprung
    numpy.load(tmp_path / "a.npy", allow_pickle=True)
    assert Trap.sprung


def test_a_table_of_the_wrong_kind_is_refused_under_the_name_of_its_file(tmp_path):
    numpy.save(tmp_path / "a.npy", numpy.zeros((2, 2), complex))
    refuses(tmp_path / "a.npy", r"a\.npy holds complex128", TypeError)
    numpy.save(tmp_path / "a.npy", numpy.zeros((2, 2, 2)))
    refuses(tmp_path / "a.npy", r"a\.npy holds float64 of shape \(2, 2, 2\); expected a table \[n, D\], or images of")


def test_read_only_memory_maps_are_data_and_are_not_changed(tmp_path):
    images = noise(5, 2, 3)
    numpy.save(tmp_path / "x.npy", images)
    for given in (numpy.load(tmp_path / "x.npy", mmap_mode="r"), tmp_path / "x.npy"):
        d = load(given, SEED)
        assert holds(d, images) and d.levels == 256 and type(d.train["x"]) is numpy.ndarray
    assert numpy.array_equal(numpy.load(tmp_path / "x.npy"), images)


# ---- .npz ------------------------------------------------------------------------------------------------------------
def test_an_npz_may_hold_labels_parts_or_both(tmp_path):
    x, y = noise(30, 4, 4), noise(30, high=3)
    numpy.savez(tmp_path / "labels.npz", x=x, y=y)
    d = load(tmp_path / "labels.npz", SEED)
    assert holds(d, x) and d.shape == (4, 4) and d.levels == 256 and d.train["y"].dtype == "int64"
    assert sorted(zip(rows(d).tolist(), rows(d, "y"))) == sorted(zip(x.reshape(30, 16).tolist(), y))

    numpy.savez(tmp_path / "parts.npz", train=x[:20], valid=x[20:25], test=x[25:])
    d = load(tmp_path / "parts.npz", SEED)
    assert numpy.array_equal(rows(d), x.reshape(30, 16)) and sizes(d) == [20, 5, 5]

    numpy.savez(tmp_path / "both.npz", x_train=x[:20], y_train=y[:20], x_test=x[20:], y_test=y[20:])
    d = load(tmp_path / "both.npz", SEED)
    assert sizes(d) == [18, 2, 10] and holds(d, x)
    assert numpy.array_equal(d.test["x"], x[20:].reshape(10, 16)) and numpy.array_equal(d.test["y"], y[20:])


def test_an_npz_without_x_is_refused_with_the_names_it_has(tmp_path):
    numpy.savez(tmp_path / "a.npz", points=numpy.eye(2), labels=numpy.zeros(2))
    refuses(tmp_path / "a.npz", r"a\.npz has the arrays \['points', 'labels'\], none called 'x', 'train' or 'x_train'")


def test_labels_in_an_npz_are_checked(tmp_path):
    numpy.savez(tmp_path / "a.npz", x=TABLE, y=[0, -3, 0])
    refuses(tmp_path / "a.npz", r"y of .*a\.npz holds -3 at 1; expected integers from 0")
    numpy.savez(tmp_path / "a.npz", x_train=TABLE, y_train=[0, 1], x_test=TABLE, y_test=[1, 1, 1])
    refuses(tmp_path / "a.npz", r"y of train of .*a\.npz has shape \(2,\); expected \[3\]")


def test_an_npz_that_would_unpack_to_more_than_half_of_the_memory_is_refused(tmp_path, small_memory):
    numpy.savez_compressed(tmp_path / "a.npz", x=numpy.zeros((10, 100)))
    assert os.path.getsize(tmp_path / "a.npz") < 1000
    refuses(tmp_path / "a.npz", r"a\.npz would take .* GiB, more than half of this machine's .* GiB of memory")


def test_a_flipped_bit_in_a_compressed_npz_is_refused(tmp_path):
    numpy.savez_compressed(tmp_path / "a.npz", x=noise(40, 8, 8))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[len(content) // 2] ^= 1
    refuses(written(tmp_path / "a.npz", bytes(content)), r"a\.npz cannot be read as numbers saved by NumPy: it is")


def test_a_header_of_npy_that_promises_more_than_there_is_is_refused(tmp_path):
    for shape in ((10**12, 1), (3, 3)):
        file = io.BytesIO()
        numpy.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
        refuses(written(tmp_path / "a.npy", file.getvalue() + bytes(16)), r"a\.npy cannot be read as numbers saved")
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as packed:
            packed.writestr("x.npy", file.getvalue() + bytes(16))
        refuses(tmp_path / "a.npz", r"a\.npz cannot be read as numbers saved")


# ---- IDX and MNIST ---------------------------------------------------------------------------------------------------
def idx(x, kind=0x08):
    return bytes([0, 0, kind, x.ndim]) + struct.pack(f">{x.ndim}I", *x.shape) + x.tobytes()


@pytest.mark.parametrize("kind, dtype", [(0x08, ">u1"), (0x09, ">i1"), (0x0b, ">i2"), (0x0c, ">i4"), (0x0d, ">f4"),
                                         (0x0e, ">f8")])
def test_an_idx_file_of_every_type_comes_back(tmp_path, kind, dtype):
    x = noise(6, 5).astype(dtype)
    for path, pack in ((tmp_path / "x-ubyte", bytes), (tmp_path / "x-ubyte.gz", gzip.compress)):
        d = load(written(path, pack(idx(x, kind))), SEED)
        assert holds(d, x) and d.shape == (5,) and d.levels is None
    if kind == 0x08:
        d = load(written(tmp_path / "x-ubyte", idx(noise(6, 2, 3))), SEED)
        assert holds(d, noise(6, 2, 3)) and d.shape == (2, 3) and d.levels == 256 and d.train["x"].dtype == "uint8"


def mnist(folder, pack=bytes, end="", n=30, m=5):
    x, y = noise(n + m, 3, 2), noise(n + m, high=10)
    for name, rows_ in (("train", slice(n)), ("t10k", slice(n, n + m))):
        written(folder / f"{name}-images-idx3-ubyte{end}", pack(idx(x[rows_])))
        written(folder / f"{name}-labels-idx1-ubyte{end}", pack(idx(y[rows_])))
    return x.reshape(n + m, -1), y


@BOTH
@pytest.mark.parametrize("pack, end", [(bytes, ""), (gzip.compress, ".gz")])
def test_a_folder_of_mnist_comes_back_with_the_last_sixth_of_train_as_valid(tmp_path, pack, end, backend):
    x, y = mnist(tmp_path / "mnist", pack, end)
    with use(backend):
        d = load(tmp_path / "mnist", SEED)
        assert numpy.array_equal(rows(d), x) and numpy.array_equal(rows(d, "y"), y)
        assert sizes(d) == [25, 5, 5]
        assert d.shape == (3, 2) and d.levels == 256 and type(d.train["x"]) is xp.ndarray
        assert d.train["x"].dtype == "uint8" and d.train["y"].dtype == "int64"


IMAGES = idx(noise(6, 3, 2))
REFUSED_IDX = [
    (IMAGES[:-1],                       r"is damaged: its header promises \(6, 3, 2\) numbers in 36 bytes, .* are 35"),
    (IMAGES + b"\0",                    r"damaged: its header promises \(6, 3, 2\) numbers in 36 bytes, .* are more"),
    (IMAGES[:16],                       r"promises .* 36 bytes, and there are 0"),
    (IMAGES[:10],                       r"has 0 columns"),
    (IMAGES[:3],                        r"is no IDX file: it begins with 00 00 08; expected 00 00, a type"),
    (b"\x89PNG" + IMAGES,               r"is no IDX file: it begins with 89 50 4e 47; expected 00 00"),
    (b"\0\1\x08\3" + IMAGES[4:],        r"is no IDX file: it begins with 00 01 08 03"),
    (b"\0\0\x07\3" + IMAGES[4:],        r"is no IDX file: it begins with 00 00 07 03"),
    (b"\0\0\x08\0" + IMAGES[4:],        r"is no IDX file: it begins with 00 00 08 00"),
    (b"\0\0\x08\xff" + IMAGES[4:],      r"is no IDX file: it begins with 00 00 08 ff"),
    (b"\0\0\x08\1" + struct.pack(">I", 10**6) + bytes(36),    r"1000000 bytes, and there are 36"),
    (b"\0\0\x08\3" + struct.pack(">3I", 10**4, 10**4, 10**4), r"would take 931 GiB, more than half of this machine"),
    (b"\0\0\x08\3" + b"\xff" * 12,                            r"would take 7.38e\+19 GiB"),
    (b"\0\0\x08\1" + struct.pack(">I", 0),                    r"has 0 rows"),
    (idx(noise(6)),                                           r"has shape \(6,\); expected \[n, D\]"),
]


@pytest.mark.parametrize("content, sentence", REFUSED_IDX)
def test_a_damaged_or_hostile_idx_file_is_refused_packed_or_not(tmp_path, content, sentence):
    refuses(written(tmp_path / "x-ubyte", content), rf"x-ubyte.*({sentence})")
    refuses(written(tmp_path / "x-ubyte.gz", gzip.compress(content)), rf"x-ubyte\.gz.*({sentence})")


def flipped(content, i):
    return content[:i] + bytes([content[i] ^ 255]) + content[i + 1:]


PACKED = gzip.compress(IMAGES, mtime=0)    # not the time of packing: a test is named by its bytes, in every process


@pytest.mark.parametrize("content, sentence", [
    (PACKED[:-12],             "Compressed file ended before the end-of-stream marker was reached"),
    (PACKED[:-4],              "Compressed file ended"),
    (flipped(PACKED, -6),      "CRC check failed"),
    (flipped(PACKED, 10),      "while decompressing data"),
    (PACKED + b"rubbish",      "Not a gzipped file"),
    (IMAGES,                   "Not a gzipped file"),
    (b"",                      "is no IDX file: it begins with nothing")])
def test_a_damaged_gz_is_refused(tmp_path, content, sentence):
    refuses(written(tmp_path / "x-ubyte.gz", content), rf"x-ubyte\.gz.*({sentence})")


def test_a_bomb_of_zeros_is_not_unpacked_beyond_what_its_header_promises(tmp_path):
    path = tmp_path / "x-ubyte.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(idx(noise(100, 100)))
        for _ in range(64):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    refuses(path, "numbers in 10000 bytes, and there are more")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_promise_of_half_a_gigabyte_allocates_only_what_is_there(tmp_path):
    path = written(tmp_path / "x-ubyte", b"\0\0\x08\1" + struct.pack(">I", 1 << 29) + bytes(36))
    tracemalloc.start()
    refuses(path, "536870912 bytes, and there are 36")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_folder_of_mnist_with_a_file_missing_or_of_another_size_is_refused(tmp_path):
    mnist(tmp_path)
    written(tmp_path / "train-labels-idx1-ubyte", idx(noise(29)))
    refuses(tmp_path, r"y of train of .* has shape \(24,\); expected \[25\]\.$")
    mnist(tmp_path)
    written(tmp_path / "t10k-images-idx3-ubyte", idx(noise(5, 2, 3)))
    refuses(tmp_path, r"parts of different kinds \(train: \(3, 2\), .*; test: \(2, 3\)")
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    refuses(tmp_path, r"t10k-images-idx3-ubyte\.gz cannot be read: No such file")
    mnist(tmp_path)
    written(tmp_path / "t10k-labels-idx1-ubyte", b"\0\0\x08")
    refuses(tmp_path, r"t10k-labels-idx1-ubyte is no IDX file")


def test_mnist_is_60000_and_10000_digits():
    d = real("mnist")
    assert sizes(d) == [50000, 10000, 10000] and d.shape == (28, 28)
    assert d.train["y"][:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4] and d.test["y"][:5].tolist() == [7, 2, 1, 0, 4]
    assert abs(rows(d)[:60000].mean() / 255 - 0.1307) < 1e-4


# ---- CIFAR-10 --------------------------------------------------------------------------------------------------------
def cifar(folder, n=18):
    x, y = noise(6 * n, 32, 32, 3), noise(6 * n, high=10)
    content = numpy.concatenate([y[:, None], x.transpose(0, 3, 1, 2).reshape(6 * n, 3072)], axis=1)
    for i, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        written(folder / f"{name}.bin", content[i * n:(i + 1) * n].tobytes())
    return x, y


@BOTH
def test_a_folder_of_cifar_comes_back_with_the_last_tenth_of_train_as_valid(tmp_path, backend):
    x, y = cifar(tmp_path)
    with use(backend):
        d = load(tmp_path, SEED)
        assert numpy.array_equal(rows(d), x.reshape(108, -1)) and numpy.array_equal(rows(d, "y"), y)
        assert sizes(d) == [81, 9, 18]
        assert d.shape == (32, 32, 3) and d.levels == 256


@pytest.mark.parametrize("change, sentence", [
    (lambda c: c[:-1],              r"data_batch_3\.bin is damaged: it has 55313 bytes; expected rows of 3073"),
    (lambda c: c + b"\0",           r"data_batch_3\.bin is damaged: it has 55315 bytes"),
    (lambda c: b"",                 r"data_batch_3\.bin is damaged: it has 0 bytes"),
    (lambda c: c[:3073] + b"\x0a" + c[3074:], r"data_batch_3\.bin is damaged: row 1 has the label 10; expected 0 to")])
def test_a_damaged_file_of_cifar_is_refused(tmp_path, change, sentence):
    cifar(tmp_path)
    path = tmp_path / "data_batch_3.bin"
    refuses(written(path, change(path.read_bytes())).parent, sentence)


def test_a_missing_file_of_cifar_is_refused(tmp_path):
    cifar(tmp_path)
    (tmp_path / "test_batch.bin").unlink()
    refuses(tmp_path, r"test_batch\.bin cannot be read: No such file")


# ---- folders of images -----------------------------------------------------------------------------------------------
Image = pytest.importorskip("PIL.Image")


def pictures(folder, x, mode=None, end="png"):
    """Each of x [n, h, w(, c)] as a file, named in their order."""
    folder.mkdir(exist_ok=True)
    for i, pixels in enumerate(x):
        image = Image.fromarray(pixels)
        (image.convert(mode) if mode else image).save(folder / f"{i:03}.{end}")
    return folder


@BOTH
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)])
def test_a_folder_of_images_comes_back(tmp_path, shape, backend):
    x = noise(10, *shape)
    pictures(tmp_path, x)
    written(tmp_path / ".hidden", "no image")
    with use(backend):
        d = load(tmp_path, SEED)
        assert holds(d, x) and d.shape == shape and d.levels == 256 and list(d.train) == ["x"]
        assert sizes(d) == [8, 1, 1]


def test_sub_folders_are_classes_in_sorted_order(tmp_path):
    x = noise(9, 4, 4)
    for y, name in enumerate(("ant", "bee", "cat")):
        pictures(tmp_path / name, x[3 * y:3 * y + 3], end=("png", "bmp", "tiff")[y])
    written(tmp_path / ".git" / "config", "")
    d = load(tmp_path, SEED)
    pairs = sorted(zip(rows(d).tolist(), rows(d, "y").tolist()))
    assert pairs == sorted(zip(x.reshape(9, 16).tolist(), [0, 0, 0, 1, 1, 1, 2, 2, 2]))
    assert d.train["y"].dtype == "int64"


@pytest.mark.parametrize("mode, shape, kept", [("1", (6, 5), "L"), ("LA", (6, 5), "L"), ("RGBA", (6, 5, 3), "RGB"),
                                               ("P", (6, 5, 3), "RGB")])
def test_other_modes_become_grey_or_colours(tmp_path, mode, shape, kept):
    x = noise(3, *shape) // 128 * 255                   # pixels that every mode can hold
    x = x[:, :, :, :1].repeat(3, axis=3) if mode == "P" else x
    d = load(pictures(tmp_path, x, mode), SEED)
    assert d.shape == shape and holds(d, x)


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path):
    for i in range(3):
        image = Image.fromarray(noise(6, 5, 3)).convert("P")
        image.save(tmp_path / f"{i}.png", transparency=bytes(range(256)))
    assert load(tmp_path, SEED).shape == (6, 5, 3)


def test_images_of_another_size_or_mode_are_named(tmp_path):
    pictures(tmp_path, noise(5, 6, 4))
    Image.fromarray(noise(6, 5)).save(tmp_path / "002.png")
    refuses(tmp_path, r"002\.png is 5 x 6, L; expected 4 x 6, L as .*000\.png\.$")
    Image.fromarray(noise(6, 4, 3)).save(tmp_path / "002.png")
    refuses(tmp_path, r"002\.png is 4 x 6, RGB; expected 4 x 6, L as .*000\.png\.$")
    Image.fromarray(noise(6, 4).astype("uint16")).save(tmp_path / "002.png")
    refuses(tmp_path, r"002\.png has pixels of Pillow's mode 'I;16'; expected 8 bits")


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    pictures(tmp_path, noise(5, 6, 4))
    written(tmp_path / "notes.png", content)
    refuses(tmp_path, r"notes\.png cannot be read as an image: ")


def test_a_truncated_image_is_named(tmp_path):
    pictures(tmp_path, noise(5, 60, 40))
    path = tmp_path / "003.png"
    refuses(written(path, path.read_bytes()[:1000]).parent, r"003\.png cannot be read as an image: ")


def test_folders_without_images_and_with_files_beside_classes_are_refused(tmp_path):
    refuses(tmp_path, "is empty; expected images")
    written(tmp_path / ".hidden", "")
    refuses(tmp_path, "is empty; expected images")
    pictures(tmp_path / "ant", noise(5, 6, 4))
    (tmp_path / "bee").mkdir()
    refuses(tmp_path, "bee is empty; expected images")
    pictures(tmp_path / "bee" / "deeper", noise(5, 6, 4))
    refuses(tmp_path, "deeper cannot be read as an image: Is a directory")
    written(tmp_path / "readme", "")
    refuses(tmp_path, "has files beside its sub-folders; expected images alone, or a sub-folder a class")


def test_images_that_would_take_more_than_half_of_the_memory_are_refused_before_they_are_decoded(
        tmp_path, small_memory, monkeypatch):
    pictures(tmp_path, numpy.zeros((20, 16, 16), "uint8"))
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("decoded"))
    refuses(tmp_path, r"would take 4\.77e-06 GiB, more than half of this machine's .* GiB of memory; use a part")


def test_an_image_that_claims_to_be_vast_is_refused(tmp_path):
    pictures(tmp_path, noise(3, 6, 4))
    path    = tmp_path / "001.png"
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">2I", 10**5, 10**5)
    refuses(written(path, bytes(content)).parent, r"001\.png cannot be read as an image: ")


# ---- text ------------------------------------------------------------------------------------------------------------
@BOTH
def test_text_is_cut_into_windows_in_its_order(tmp_path, backend):
    text = "".join(chr(97 + i) for i in noise(64 * 20 + 63, high=26)) + "é"
    with use(backend):
        d = load(written(tmp_path / "a.txt", "\ufeff" + text), SEED)
        assert d.shape == (64,) and d.levels == 27 and d.symbols == "abcdefghijklmnopqrstuvwxyzé" and d.log_p is None
        assert "".join(d.symbols[k] for k in rows(d).ravel()) == text[:64 * 21]
        assert sizes(d) == [17, 2, 2] and d.train["x"].dtype == "uint8"
        assert type(d.train["x"]) is xp.ndarray


def test_text_of_many_characters_keeps_them_apart_and_line_ends_as_they_are(tmp_path):
    text = "".join(map(chr, range(0x4e00, 0x4e00 + 300))) + "\r\n" * 20 + "\U0001f600" * 60
    d = load(written(tmp_path / "a.txt", text), SEED)
    assert d.levels == 303 and d.train["x"].dtype == "uint16"
    assert "".join(d.symbols[k] for k in rows(d).ravel()) == text[:len(text) // 64 * 64]


def test_the_plays_have_65_characters():
    d = real("tinyshakespeare.txt")
    assert d.levels == 65 and "".join(d.symbols[k] for k in d.train["x"][0]).startswith("First Citizen:\nBefore we")


# ---- where files are looked for --------------------------------------------------------------------------------------
def test_names_are_looked_for_under_scratch_data(tmp_path, monkeypatch):
    mnist(tmp_path / "mnist")
    numpy.save(tmp_path / "points.npy", TABLE)
    numpy.save(tmp_path / "moons.npy", TABLE)
    written(tmp_path / "sub" / "plays.txt", "ab" * 96)
    monkeypatch.setenv("SCRATCH_DATA", str(tmp_path))
    for name, shape in (("mnist", (3, 2)), ("points", (2,)), ("points.npy", (2,)), (Path("sub/plays"), (64,))):
        assert load(name, SEED).shape == shape
    assert len(load("moons", SEED).train["x"]) == 4000
    monkeypatch.delenv("SCRATCH_DATA")
    with pytest.raises(ValueError, match="data='mnist' is not known"):
        load("mnist", SEED)


def test_a_path_that_exists_comes_before_scratch_data(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    numpy.save(tmp_path / "here" / "a.npy", TABLE + 1)
    numpy.save(tmp_path / "a.npy", TABLE)
    monkeypatch.setenv("SCRATCH_DATA", str(tmp_path))
    assert holds(load("a.npy", SEED), TABLE)
    monkeypatch.chdir(tmp_path / "here")
    assert holds(load("a.npy", SEED), TABLE + 1)


def test_what_may_not_be_read_is_refused(tmp_path):
    path = tmp_path / "a.npy"
    numpy.save(path, TABLE)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    refuses(path, r"a\.npy cannot be read: Permission denied")


def test_a_file_of_more_than_half_of_the_memory_is_refused(tmp_path, small_memory):
    for name in ("a.npy", "a.csv", "a.txt", "a-ubyte"):
        refuses(written(tmp_path / name, bytes(5001)), rf"{name} would take .* more than half")


def test_the_memory_of_this_machine_is_a_plausible_number():
    assert 1 << 28 < checks.memory() <= 1 << 48 or checks.memory() == float("inf")


def test_a_pipe_is_no_data_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "x.npy")
    with pytest.raises(ValueError, match="x.npy is no file, but a pipe, a device or a folder"):
        load(tmp_path / "x.npy", SEED)
