"""Laws of checkpoints: what is saved comes back bit for bit, or not at all; and of the record of the environment."""
import contextlib
import errno
import hashlib
import io
import json
import os
import pickle
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backends import to_host, use, xp
from scratch import trees
from scratch.data import Data
from scratch.runs import checkpoint, environment
from scratch.runs.checkpoint import FORMAT, HEADER, CheckpointError, about, load, save
from scratch.runs.files import sweep
from scratch.runs.environment import PROMISE, data_hash, differences, lock

ROOT  = Path(__file__).resolve().parent.parent
BOTH  = pytest.mark.parametrize("backend", ["numpy", "strict"])
ABOUT = {"model": "vae", "step": 7, "stream": 2**127, "lr": 1e-3, "path": "données"}


def tree(seed=0, n=8):
    rng = numpy.random.default_rng(seed)
    return {"params": {"W": rng.normal(size=(3, n)).astype("float32"), "b": [rng.normal(size=n), None]},
            "stats": (rng.integers(0, 255, (2, 3), dtype="uint8"), numpy.array(True), numpy.zeros((0, 4)))}


@pytest.fixture
def good(tmp_path):
    """The path of a good checkpoint of tree(), and its bytes."""
    path = tmp_path / "state.safetensors"
    save(path, tree(), ABOUT)
    return path, path.read_bytes()


def same(a, b):
    """Are the trees equal in structure, shapes, dtypes and bits?"""
    (a, shape), (b, other) = trees.flatten(a), trees.flatten(b)
    bits = lambda x: (x.shape, x.dtype, to_host(x).tobytes())
    return shape == other and list(map(bits, a)) == list(map(bits, b))


def deep(n):
    """A list in a list in a list ..., n times."""
    nest = []
    for _ in range(n):
        nest = [nest]
    return nest


def run(script, *args, **kwargs):
    command = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, **kwargs)


# ---- trees by name ---------------------------------------------------------------------------------------------------
def nested(leaves):
    keys = st.text("abcXYZ 019_.-", max_size=5)
    return st.recursive(leaves | st.none(), max_leaves=8, extend=lambda child: (
        st.dictionaries(keys, child, max_size=3) | st.lists(child, max_size=3)
        | st.lists(child, max_size=3).map(tuple)))


def test_leaves_are_named_by_their_path():
    assert trees.named({"params": {"W": 1, "b": [2, None, (3,)]}, "n": 4, "e": {}}) == {
        "params/W": 1, "params/b/0": 2, "params/b/2/0": 3, "n": 4}
    assert trees.named(5) == {"": 5} and trees.named(None) == {}


@given(nested(st.integers()))
def test_a_tree_is_what_its_template_and_its_names_make(t):
    names = trees.named(t)
    assert list(names.values()) == trees.leaves(t)
    shuffled = dict(reversed(names.items()))
    assert trees.from_named(trees.map(lambda _: "other", t), shuffled) == t


@pytest.mark.parametrize("t", [{"a/b": 1, "a": {"b": 2}}, {"a": {0: 1, "0": 2}}])
def test_two_leaves_of_one_name_are_refused(t):
    with pytest.raises(ValueError, match="Two leaves are called a/[b0]"):
        trees.named(t)


def test_names_that_differ_are_told():
    with pytest.raises(ValueError, match=r"^The names differ: missing b; not expected c\.$"):
        trees.from_named({"a": 0, "b": 0}, {"a": 1, "c": 2})
    with pytest.raises(ValueError, match=r"missing 0, 1, 2, 3, 4 and 95 more\.$"):
        trees.from_named([0] * 100, {})


# ---- what is saved comes back ----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints")


def arrays():
    dtypes = st.sampled_from(["float32", "float64", "int64", "uint8", "bool"])
    return hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
                      elements={"allow_nan": False, "allow_infinity": False})


@BOTH
@given(t=nested(arrays()), what=st.dictionaries(st.text(), st.integers() | st.text() | st.floats(allow_nan=False,
                                                                                               allow_infinity=False)))
def test_what_is_saved_comes_back_bit_for_bit(folder, backend, t, what):
    with use(backend):
        t = trees.map(xp.asarray, t)
        save(folder / "s", t, what)
        got, said = load(folder / "s", t)
        assert same(got, t) and said == what == about(folder / "s")
        assert all(type(a) is xp.ndarray for a in trees.leaves(got))
        for a in trees.leaves(got):
            a[...] = 0                                              # it can be written to
    assert os.listdir(folder) == ["s"]


@pytest.mark.parametrize("other", ["float16", "int8", "uint64", ">f8", ">i4"])
def test_other_types_of_numbers_are_kept_too(folder, other):
    a = numpy.arange(6).astype(other)
    save(folder / "s", a, {})
    got = load(folder / "s", a.astype(a.dtype.newbyteorder("=")))[0]
    assert numpy.array_equal(got, a) and got.dtype == a.dtype.newbyteorder("=")


def test_arrays_of_any_layout_are_kept_as_they_read(folder):
    a = numpy.arange(24.).reshape(2, 3, 4)
    views = [a.T, a[:, ::-1], a[::2, :, 1:3], numpy.broadcast_to(a[0], (5, 3, 4)), numpy.asfortranarray(a)]
    save(folder / "s", views, {})
    assert all(map(numpy.array_equal, load(folder / "s", views)[0], views))


def test_the_same_contents_give_the_same_bytes_in_any_order_and_process(good):
    path, whole = good
    t = tree()
    save(path, {key: t[key] for key in reversed(t)}, dict(reversed(ABOUT.items())))
    assert path.read_bytes() == whole
    script = ("import sys; from tests.test_checkpoint import save, tree, ABOUT; save(sys.argv[1], tree(), ABOUT)")
    for seed in "01":
        with run(script, path, env={**os.environ, "PYTHONHASHSEED": seed}) as child:
            assert child.wait() == 0 and path.read_bytes() == whole
    save(path, t, {**ABOUT, "step": 8})
    assert path.read_bytes() != whole


def test_other_readers_of_the_format_find_the_same_arrays(good):
    from safetensors import safe_open
    with safe_open(good[0], "numpy") as file:
        assert set(file.metadata()) == {"scratch"}
        found = {name: file.get_tensor(name) for name in file.keys()}
    assert same(trees.from_named(tree(), found), tree())


def test_a_template_needs_only_shapes_and_dtypes(good):
    class Hollow:
        def __init__(self, a):
            self.shape, self.dtype = a.shape, a.dtype
    assert same(load(good[0], trees.map(Hollow, tree()))[0], tree())


def test_zeros_that_look_like_the_checksum_do_not_confuse_it(folder):
    t = {"0" * 64: numpy.frombuffer(b"0" * 64, "uint8")}
    save(folder / "s", t, {"0" * 64: "0" * 64})
    assert same(load(folder / "s", t)[0], t)


@pytest.mark.parametrize("t, what, sentence", [
    ({"a": {"b": numpy.array([1, numpy.nan])}},       {},         "^a/b contains NaN or infinity"),
    ([numpy.zeros(2), numpy.array(numpy.inf)],       {},         "^1 contains NaN or infinity"),
    ({"é": numpy.zeros(2)},                           {},         "^The array 'é' has a name"),
    ({"a\n": numpy.zeros(2)},                         {},         r"^The array 'a\\n' has a name"),
    ({"__metadata__": numpy.zeros(2)},                {},         "^The array '__metadata__' has a name"),
    ({"a": numpy.zeros(2, complex)},                  {},         "^a holds complex128; expected real numbers"),
    ({"a": numpy.zeros(2, "longdouble")},             {},         "^a holds .*; expected real numbers"),
    ({"a": numpy.array([None])},                      {},         "^a holds object; expected real numbers"),
    ({"a": "text"},                                   {},         "^a holds <U4; expected real numbers"),
    ({},                                              {"x": 1j},  r"^about is not what JSON can hold \(.*complex"),
    ({},                                              {"x": numpy.nan}, "^about is not what JSON can hold"),
    ({},                                              deep(10**5), "^about is not what JSON can hold"),
    ({},                                              "x" * HEADER, r"^about and the names of 0 arrays take 1\d{6}"),
])
def test_what_cannot_be_kept_is_refused_and_the_old_file_stays(good, t, what, sentence):
    path, whole = good
    with pytest.raises(ValueError, match=sentence):
        save(path, t, what)
    assert path.read_bytes() == whole and os.listdir(path.parent) == [path.name]


def test_the_longest_header_that_is_saved_is_loaded(folder):
    save(folder / "s", {}, "")
    rest = 8 + struct.unpack("<Q", (folder / "s").read_bytes()[:8])[0]
    what = "x" * (HEADER - rest - 8)
    save(folder / "s", {}, what)
    assert load(folder / "s", {})[1] == what
    with pytest.raises(ValueError, match="expected at most"):
        save(folder / "s", {}, what + "x" * 16)


# ---- or not at all ---------------------------------------------------------------------------------------------------
def refused(path, whole=None, template=tree()):
    """What `load` says of the file, after `about` has refused it too; the processor's time it may take is a second."""
    if whole is not None:
        path.write_bytes(whole)
    said, start = [], time.process_time()
    for read in (about, lambda path: load(path, template)):
        with pytest.raises(CheckpointError) as caught:
            read(path)
        said.append(str(caught.value))
    assert time.process_time() - start < 1
    assert all(sentence.startswith(str(path)) and sentence.endswith((".", ")")) for sentence in said)
    return said[1]


def flipped(whole, bit):
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def flips(whole):
    """2000 bits anywhere, and one in each byte of the header and before it."""
    rng  = numpy.random.default_rng(0)
    head = 8 + struct.unpack("<Q", whole[:8])[0]
    return [*rng.integers(0, 8 * len(whole), 2000), *(8 * numpy.arange(head) + rng.integers(0, 8, head))]


def test_no_flipped_bit_goes_unnoticed(good):
    path, whole = good
    for bit in flips(whole):
        refused(path, flipped(whole, bit))
    assert "is damaged: its checksum is" in refused(path, flipped(whole, 8 * len(whole) - 1))


def test_without_the_checksum_flipped_bits_would_pass(good):
    """The test before this one can fail: a reader that takes any checksum for right."""
    path, whole = good
    source, line = Path(checkpoint.__file__).read_text(), "if found.encode() != digits:"
    assert line in source
    exec(source.replace(line, "if False:"), careless := {"__name__": "careless"})
    template, passed = tree(), 0
    for bit in flips(whole)[::4]:
        path.write_bytes(flipped(whole, bit))
        with contextlib.suppress(ValueError):
            passed += not same(careless["load"](path, template)[0], template)
    assert passed > 50


def test_no_cut_goes_unnoticed(good):
    path, whole = good
    head = 8 + struct.unpack("<Q", whole[:8])[0]
    for n in {*range(1, 20), *numpy.random.default_rng(1).integers(1, len(whole), 200).tolist(), head, len(whole) - 1}:
        says = refused(path, whole[:n])
        assert f"has {n} bytes, expected {f'{len(whole)}:' if n >= head else ''}" in says and "cut short" in says


def raw(header, body=b""):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + body


def forged(tensors, body=b"", said=None, text=None):
    """A file with a checksum that is right, whatever else is wrong with it. `tensors` may be JSON text."""
    said   = json.dumps({"format": FORMAT, "sha256": "0" * 64, "what": {}} if said is None else said)
    text   = tensors if isinstance(tensors, str) else json.dumps(tensors)[1:-1]
    whole  = raw(('{"__metadata__": {"scratch": %s}%s}' % (json.dumps(said), text and ", " + text)).encode(), body)
    return whole.replace(b"0" * 64, hashlib.sha256(whole).hexdigest().encode(), 1)


def tensor(shape, start, end, dtype="F64"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def other_library():
    from safetensors.numpy import save
    return save(trees.named({"a": numpy.zeros(3)}), {"format": "pt"})


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def archive(**arrays):
    numpy.savez(file := io.BytesIO(), **arrays)
    return file.getvalue()


#    name                    its bytes                                                   what is said of it
HOSTILE = {
    "empty":                 (b"",                                                       "is empty"),
    "zeros":                 (bytes(1000),                                               "is damaged: its header"),
    "a pickle":              (pickle.dumps(Bomb()),                                      "is no checkpoint"),
    "an old pickle":         (pickle.dumps(Bomb(), 0) + bytes(9),                        "is no checkpoint"),
    "an npz":                (archive(a=numpy.zeros(3)),                                 "is no checkpoint"),
    "text":                  (b"step,loss\n1,2\n",                                       "is no checkpoint"),
    "another's":             (other_library(),                                           "safetensors of another kind"),
    "another's, bare":       (raw({"a": tensor([1], 0, 8)}, bytes(8)),                   "safetensors of another kind"),
    "a newer format":        (forged({}, said={"format": 2, "sha256": "0" * 64}),        "is of format 2, expected 1"),
    "a header of 10^12":     (struct.pack("<Q", 10**12) + b"{}",                         "is no checkpoint"),
    "a header of 2^64 - 1":  (b"\xff" * 8 + b"{}",                                       "is no checkpoint"),
    "10^12 numbers":         (forged({"a": tensor([10**12], 0, 8 * 10**12)}),            "bytes, expected 8000000000"),
    "10^12 by 0 numbers":    (forged({"a": tensor([10**12, 0], 0, 0)}),                  "is of another model"),
    "2^65 numbers":          (forged({"a": tensor([2**33, 2**32], 0, 8)}, bytes(8)),     "is damaged: .* overflow"),
    "2^63 by 0 numbers":     (forged({"a": tensor([2**63, 0], 0, 0)}),                   "is damaged"),
    "2^64 - 1 by 0":         (forged({"a": tensor([2**64 - 1, 0], 0, 0)}),               "is damaged"),
    "-1 numbers":            (forged({"a": tensor([-1], 0, 8)}, bytes(8)),               "is damaged"),
    "an overlap":            (forged({"a": tensor([2], 0, 16), "b": tensor([2], 8, 24)}, bytes(24)),
                                                                                         "is damaged: .* offset"),
    "a gap":                 (forged({"a": tensor([1], 8, 16)}, bytes(16)),              "is damaged: .* offset"),
    "offsets of text":       (forged({"a": tensor([1], "0", "8")}, bytes(8)),            "is damaged: its header"),
    "an unknown dtype":      (forged({"a": tensor([8], 0, 8, "F8_E5M2")}, bytes(8)),     "is damaged: 'F8_E5M2'"),
    "deep JSON":             (raw(b"[" * 10**5 + b"]" * 10**5),                          "is damaged: .*Recursion"),
    "deep metadata":         (forged({}, said=[]).replace(b"[]", b"[" * 10**3 + b"]" * 10**3),
                                                                                         "is damaged: its header"),
    "a list":                (raw([1, 2]),                                               "is damaged: its header"),
    "a list for metadata":   (raw({"__metadata__": [1]}),                                "is damaged: its header"),
    "nothing said":          (forged({}, said={"format": 1, "sha256": "0" * 64}),        "is damaged: .*what"),
    "no checksum":           (forged({}, said={"format": 1}),                            "is damaged: .*sha256"),
    "an empty checksum":     (forged({}, said={"format": 1, "sha256": "", "what": {}}),  "is damaged: its checksum"),
    "a number for checksum": (forged({}, said={"format": 1, "sha256": 0, "what": {}}),   "is damaged: its header"),
    "no text":               (raw(b'{"\xff": 1}'),                                       "is damaged: its header"),
    "a huge integer":        (raw(b'{"a": ' + b"1" * 10**5 + b"}"),                      "is damaged: its header"),
    "a key twice":           (forged(", ".join(2 * ['"a": ' + json.dumps(tensor([0], 0, 0))])), "a key stands twice"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_save_did_not_write_is_refused_with_a_sentence(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    whole, sentence = HOSTILE[name]
    path = tmp_path / "s"
    path.write_bytes(whole)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=sentence):
            start = time.process_time()
            load(path, tree())
        assert time.process_time() - start < 1
        assert tracemalloc.get_traced_memory()[1] < 10 * HEADER
    finally:
        tracemalloc.stop()
    assert os.listdir(tmp_path) == ["s"]                            # nothing ran


def test_forged_files_are_as_good_as_saved_ones_where_nothing_is_wrong(tmp_path):
    """The checksum is no signature: what a forger gets wrong has to be found by itself."""
    (tmp_path / "s").write_bytes(forged({"a": tensor([1], 0, 8)}, struct.pack("<d", 3)))
    assert load(tmp_path / "s", {"a": numpy.zeros(1)}) == ({"a": numpy.array([3.])}, {})
    (tmp_path / "s").write_bytes(forged({"a": tensor([1], 0, 8)}, struct.pack("<d", numpy.nan)))
    with pytest.raises(CheckpointError, match="is damaged: a contains NaN or infinity"):
        load(tmp_path / "s", {"a": numpy.zeros(1)})


def test_the_logarithm_of_nothing_is_kept(tmp_path):
    save(tmp_path / "s", {"log_pi": numpy.array([0, -numpy.inf])}, {})
    assert load(tmp_path / "s", {"log_pi": numpy.zeros(2)})[0]["log_pi"].tolist() == [0, -numpy.inf]


def test_what_follows_the_end_is_noticed(good):
    path, whole = good
    assert f"has {len(whole) + 1} bytes, expected {len(whole)}: something follows" in refused(path, whole + b"\0")


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)                                     # a socket's path may not be long
    os.mkfifo("fifo")
    os.mkdir("folder")
    os.symlink("loop", "loop")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind("socket")
        for name, sentence in {"fifo":      "is a device, pipe or socket",
                               "socket":    "is a device, pipe or socket",
                               "/dev/zero": "is a device, pipe or socket",
                               "folder":    "is a folder",
                               "missing":   "cannot be read: No such file",
                               "loop":      "cannot be read: Too many levels",
                               "fifo/x":    "cannot be read: Not a directory",
                               "x" * 300:   "cannot be read: File name too long"}.items():
            assert sentence in refused(Path(name))


@pytest.mark.parametrize("size", [10**12, HEADER + sum(a.nbytes for a in trees.leaves(tree())) + 1])
def test_a_file_that_is_too_large_is_refused_before_it_is_read(good, size):
    path, _ = good
    os.truncate(path, size)
    tracemalloc.start()
    try:
        assert re.search(rf"has {size} bytes; expected at most 1\d{{6}} for this model", refused(path))
        assert tracemalloc.get_traced_memory()[1] < HEADER
    finally:
        tracemalloc.stop()


def test_loading_takes_at_most_twice_the_memory_of_the_tree(tmp_path):
    t = {"a": numpy.ones(2**20), "b": numpy.ones(2**20, "float32")}
    save(tmp_path / "s", t, {})
    tracemalloc.start()
    try:
        load(tmp_path / "s", t)
        assert tracemalloc.get_traced_memory()[1] < 2 * 12 * 2**20 + HEADER
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("template, sentence", [
    ({**tree(), "more": numpy.zeros(2)},              r"is of another model\. The names differ: missing more\.$"),
    ({"params": tree()["params"]},                    r"not expected stats/0, stats/1, stats/2\.$"),
    ({**tree(), "stats": {"mean": numpy.zeros(2)}},   r"missing stats/mean; not expected stats/0, stats/1, stats/2\.$"),
    (tree(n=9),                                       r"params/W is float32 \(3, 8\); expected float32 \(3, 9\)\.$"),
    (trees.map(lambda a: a.astype("float64"), tree()), r"params/W is float32 \(3, 8\); expected float64 \(3, 8\)\.$"),
])
def test_the_checkpoint_of_another_model_is_refused_and_what_differs_is_told(good, template, sentence):
    with pytest.raises(CheckpointError, match=sentence):
        load(good[0], template)


# ---- whatever happens to the writer ----------------------------------------------------------------------------------
def test_all_is_on_the_disk_before_the_name_changes_and_the_name_after_it(good, monkeypatch):
    did, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync",   lambda handle: (did.append(os.fstat(handle).st_size), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *names: (did.append("replaced"), replace(*names)))
    save(good[0], tree(1), ABOUT)
    assert did == [len(good[1]), "replaced", os.stat(good[0].parent).st_size]


@pytest.mark.parametrize("call, error, raised", [
    ("fsync",   OSError(errno.ENOSPC, "No space left on device"), OSError),
    ("replace", OSError(errno.EACCES, "Permission denied"),       OSError),
    ("fsync",   KeyboardInterrupt(),                              KeyboardInterrupt),
])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(good, monkeypatch, call, error, raised):
    path, whole = good
    def fail(*_):
        assert len(os.listdir(path.parent)) == 2                    # beside the old one, the temporary
        raise error
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(raised) as caught:
            save(path, tree(1), {})
    if raised is OSError:
        assert str(caught.value) == f"{path} cannot be written ({error.strerror}); what was there is untouched."
    assert path.read_bytes() == whole and os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("name, sentence", [("missing/s", "No such file"), ("s/s", "Not a directory"),
                                            ("folder", "Is a directory"), ("x" * 252, "File name too long")])
def test_where_nothing_can_be_written_a_sentence_says_so(tmp_path, name, sentence):
    (tmp_path / "folder").mkdir()
    (tmp_path / "s").touch()
    with pytest.raises(OSError, match=f"cannot be written .{sentence}"):
        save(tmp_path / name, tree(), {})
    assert sorted(os.listdir(tmp_path)) == ["folder", "s"]


FULL = """
import resource, sys
from tests.test_checkpoint import save, tree
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    save(sys.argv[1], tree(n=10000), {})
except OSError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_old_file_and_nothing_else(good):
    path, whole = good
    with run(FULL, path) as child:
        assert re.search("cannot be written .File too large.; what was there is untouched", child.stdout.read())
    assert path.read_bytes() == whole and os.listdir(path.parent) == [path.name]


# Saves two trees by turns, waiting before each is safe: time to be killed in.
WRITER = """
import os, sys, time
from tests.test_checkpoint import save, tree
path, wait, turns = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
fsync = os.fsync
os.fsync = lambda file: (time.sleep(wait), fsync(file))
for i in range(turns):
    save(path, tree(i % 2), {"seed": i % 2})
    i or print("ready", flush=True)
"""


def whole_and_right(path):
    t, what = load(path, tree())
    return same(t, tree(what["seed"]))


def test_a_killed_writer_leaves_the_old_file_or_the_new_and_its_rest_is_swept(tmp_path):
    path, left = tmp_path / "s", 0
    for turn in range(5):
        with run(WRITER, path, 0.02, 10**6) as child:
            assert child.stdout.readline() == "ready\n"
            time.sleep(0.007 * turn)
            child.send_signal(signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL and whole_and_right(path)
        left += len(os.listdir(tmp_path)) - 1
        sweep(tmp_path)
        assert os.listdir(tmp_path) == ["s"]
    assert left                                                     # some were killed in the middle


def test_two_writers_of_one_file_leave_one_that_is_whole(tmp_path):
    path = tmp_path / "s"
    with run(WRITER, path, 0, 300) as one, run(WRITER, path, 0, 300) as two:
        assert one.stdout.readline() == two.stdout.readline() == "ready\n"
        while one.poll() is None or two.poll() is None:
            assert whole_and_right(path)
        assert one.returncode == two.returncode == 0
    assert os.listdir(tmp_path) == ["s"]


def test_sweeping_takes_what_save_leaves_and_nothing_else(tmp_path):
    stay = ["s", ".s.tmp", ".s.12.tmp.gz", "s.12.tmp", ".12.tmp", ".s.1x.tmp", ".lock"]
    for name in [*stay, ".s.12.tmp", ".a b.c.3.tmp"]:
        (tmp_path / name).touch()
    (tmp_path / ".folder.12.tmp").mkdir()
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([*stay, ".folder.12.tmp"])


# ---- the environment -------------------------------------------------------------------------------------------------
def test_the_environment_is_plain_and_says_what_bits_rest_on():
    now = environment.environment()
    assert json.loads(json.dumps(now)) == now and set(PROMISE) < set(now)
    assert now["numpy"] == numpy.__version__ and now["backend"] == "numpy" and now["device"]
    assert now["blas"] and now["blas_threads"] in (None, *range(1, 1025))
    with use("strict"):
        assert environment.environment() == {**now, "backend": "strict"}


def test_the_environment_sees_threads_and_kernels_of_the_blas():
    if "x86_64 openblas" not in "{machine} {blas}".format(**environment.environment()):
        pytest.skip("needs OpenBLAS on an x86_64")
    script = "import json; from scratch.runs.environment import environment; print(json.dumps(environment()))"
    with run(script, env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Sandybridge"}) as child:
        there = json.loads(child.stdout.read())
    assert there["blas_threads"] == 1 and there["blas"].lower().endswith("sandybridge")


def test_differences_are_those_that_change_bits():
    before = environment.environment()
    assert differences(before, json.loads(json.dumps(before))) == []
    old, new = {**before, "numpy": "2.4.6", "blas_threads": 1}, {**before, "numpy": "2.5.0", "blas_threads": 8}
    assert differences(old, new) == ["numpy 2.4.6, now 2.5.0", "blas_threads 1, now 8"]
    assert differences(before, {**before, "python": "4.0", "scratch": "9", "cores": 1000}) == []
    for key in PROMISE:
        assert differences(before, {**before, key: "other"}) == [f"{key} {before[key]}, now other"]


def test_on_a_gpu_the_device_is_the_gpu(hollow, monkeypatch):
    import cupy
    monkeypatch.setattr(cupy.cuda.runtime, "getDevice", lambda: 3)
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceProperties", lambda i: {"name": b"GPU %d" % i})
    with use("cupy"):
        now = environment.environment()
    assert (now["device"], now["cupy"], now["backend"]) == ("GPU 3", cupy.__version__, "cupy")


@pytest.mark.gpu
def test_on_this_gpu_the_device_has_a_name():
    with use("cupy"):
        assert environment.environment()["device"]


def parts(**changes):
    x = numpy.arange(6.).reshape(3, 2)
    return Data(**{"train": {"x": x, "y": numpy.arange(3)}, "valid": {"x": x + 1}, "test": {"x": x + 2}, "shape": (2,),
                   "levels": None, **changes})


def test_the_hash_of_data_is_one_for_equal_data_on_every_backend():
    assert data_hash(parts()) == data_hash(parts(log_p=len)) and re.fullmatch("[0-9a-f]{32}", data_hash(parts()))
    assert data_hash(parts(train=dict(reversed(parts().train.items())))) == data_hash(parts())
    assert data_hash(parts(valid={"x": numpy.asfortranarray(parts().valid["x"])})) == data_hash(parts())
    with use("strict"):
        assert data_hash(parts(valid={"x": xp.asarray(parts().valid["x"])})) == data_hash(parts())


def test_the_hash_of_data_knows_which_part_is_empty():
    x = parts().test
    assert data_hash(parts(valid=x, test={})) != data_hash(parts(valid={}, test=x))


@pytest.mark.parametrize("changes", [
    {"shape": (2, 1)}, {"levels": 17}, {"train": parts().valid, "valid": parts().train}, {"valid": {}},
    {"valid": {"y": parts().valid["x"]}}, {"valid": {"x": parts().valid["x"].reshape(2, 3)}},
    {"valid": {"x": parts().valid["x"].view("int64")}}, {"test": {"x": numpy.nextafter(parts().test["x"], 9)}},
], ids=str)
def test_the_hash_of_data_changes_with_all_that_it_is_of(changes):
    assert data_hash(parts(**changes)) != data_hash(parts())


HOLDER = """
import sys, time
from scratch.runs.environment import lock
with lock(sys.argv[1]):
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_folder_belongs_to_one_run_until_it_ends_or_is_killed(tmp_path):
    with run(HOLDER, tmp_path) as child:
        assert child.stdout.readline() == "ready\n"
        with pytest.raises(RuntimeError, match=f"^{tmp_path} is in use by another run"):
            with lock(tmp_path):
                pass
        with lock(ROOT / "tests"):                                  # another folder is free
            child.send_signal(signal.SIGKILL)
    for _ in range(2):
        with lock(tmp_path), pytest.raises(RuntimeError, match="is in use"):
            with lock(tmp_path):
                pass
    assert os.listdir(tmp_path) == []


def test_where_there_are_no_locks_there_is_none(tmp_path, monkeypatch):
    import fcntl
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", none)
        with lock(tmp_path), lock(tmp_path):
            pass
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with lock(tmp_path), lock(tmp_path):
        pass
