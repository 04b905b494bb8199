"""Random numbers as pure functions of a key and a name.   Salmon et al. 2011 (Philox4x64-10), Box and Muller 1958

    stream = Stream.seed(0)
    stream("eps").normal((3, 2))            the same numbers whenever it is asked: a loss can be evaluated twice
    stream(step), stream.split(4)           other streams, independent of this one
    stream.normal(5, start=10)              elements 10 .. 14 of the draw: a part can be drawn without the rest

The words are the same 64 bits on every backend. Elements 2w and 2w + 1 come from word w in float32, from words 2w and
2w + 1 in float64 (uniforms: element w from word w). A uniform is a midpoint of a grid of 2^-23 in float32, of 2^-52 in
float64: never 0, never 1.
"""
import dataclasses
import hashlib
import math
import operator

from backends import backend, xp

_drawn = None               # while an evaluation is watched: key -> the intervals of words it has drawn


@dataclasses.dataclass(frozen=True)
class Stream:
    """A source of random numbers: an immutable value, its 128-bit key."""
    key: int

    @staticmethod
    def seed(seed):
        """The stream of an integer 0 <= seed < 2^64. Raises TypeError or ValueError for anything else."""
        if isinstance(seed, bool) or not hasattr(seed, "__index__"):
            raise TypeError(f"seed={seed!r} is a {type(seed).__name__}; expected an integer from 0 to 2^64 - 1.")
        if not 0 <= operator.index(seed) < 1 << 64:
            raise ValueError(f"seed={seed} is out of range; expected an integer from 0 to 2^64 - 1.")
        return Stream(0)(operator.index(seed))

    def __call__(self, name):
        """The stream that belongs to `name` (a string or an integer) under this one."""
        if isinstance(name, bool) or not (isinstance(name, str) or hasattr(name, "__index__")):
            raise TypeError(f"A stream is named by a string or an integer; got {name!r}.")
        tag = "s" + name if isinstance(name, str) else f"i{operator.index(name)}"
        hashed = hashlib.blake2b(tag.encode(), digest_size=16, key=self.key.to_bytes(16, "little"))
        return Stream(int.from_bytes(hashed.digest(), "little"))

    def split(self, n):
        """n streams, independent of this one and of each other."""
        return [self(i) for i in range(n)]

    def words(self, n, start=0):
        """uint64 [n]: words start .. start + n - 1 of Philox4x64-10 under this key."""
        _watch(self.key, 2 * start, 2 * (start + n))
        return xp.philox(self.key, start, n)

    def uniform(self, shape=(), dtype="float32", start=0):
        """Uniforms in (0, 1), from element `start` of the endless draw on."""
        return self._draw(shape, dtype, start, _uniform, pairs=False)

    def normal(self, shape=(), dtype="float32", start=0):
        """Standard normals, from element `start` of the endless draw on."""
        return self._draw(shape, dtype, start, _box_muller, pairs=True)

    def integers(self, low, high, shape=()):
        """int64 in low .. high - 1; the chances differ by less than (high - low) / 2^64."""
        low, high = operator.index(low), operator.index(high)
        if not low < high <= low + (1 << 63):
            raise ValueError(f"integers(low={low}, high={high}): expected low < high, at most 2^63 apart.")
        shape = _shape(shape)
        return (self.words(math.prod(shape)) % xp.uint64(high - low)).astype(xp.int64).reshape(shape) + low

    def permutation(self, n):
        """int64 [n]: every order of 0 .. n - 1 equally likely."""
        return xp.argsort(self.words(n))

    def categorical(self, log_p, shape=()):
        """int64, shape + log_p.shape[:-1]: k with chance proportional to exp(log_p[..., k]), by the Gumbel maximum."""
        u = self.uniform(_shape(shape) + log_p.shape, dtype="float64")
        return xp.argmax(log_p - xp.log(-xp.log(u)), axis=-1)

    def _draw(self, shape, dtype, start, f, pairs):
        shape, dtype = _shape(shape), xp.dtype(dtype).name
        if dtype not in _BITS:
            raise TypeError(f"dtype={dtype} cannot be drawn; choose float32 or float64.")
        if start < 0:
            raise ValueError(f"start={start} is negative; a draw begins at element 0.")
        per_word, n = _BITS[dtype][0], math.prod(shape)
        step  = 2 if pairs else per_word                                     # elements come in groups of so many
        first, last = start // step * step, -(-(start + n) // step) * step   # whole groups around what is asked for
        w0, w1 = first // per_word, last // per_word
        _watch(self.key, start * 2 // per_word, (start + n) * 2 // per_word)
        block = backend().block
        if w1 - w0 <= block:
            out = f(xp.philox(self.key, w0, w1 - w0), dtype)
        else:
            out = xp.empty(last - first, dtype)
            for w in range(w0, w1, block):
                words = xp.philox(self.key, w, min(block, w1 - w))
                out[(w - w0) * per_word:(w - w0 + len(words)) * per_word] = f(words, dtype)
        return out[start - first:start - first + n].reshape(shape)


#          elements a word, the word's type, bits to drop, the spacing of the midpoints
_BITS = {"float32": (2, "uint32",  9, 2.0**-23),
         "float64": (1, "uint64", 12, 2.0**-52)}


def _uniform(words, dtype):
    _, bits, drop, spacing = _BITS[dtype]
    return ((words.view(bits) >> drop).astype(dtype) + 0.5) * spacing


def _box_muller(words, dtype):
    u = _uniform(words, dtype)
    r, angle = xp.sqrt(-2 * xp.log(u[0::2])), 2 * math.pi * u[1::2]
    return xp.stack([r * xp.cos(angle), r * xp.sin(angle)], axis=1).reshape(-1)


def _shape(shape):
    shape = tuple(shape) if hasattr(shape, "__iter__") else (operator.index(shape),)
    if any(n < 0 for n in shape):
        raise ValueError(f"shape={shape} has a negative side.")
    return shape


class evaluation:
    """Inside the outermost one, drawing the same words twice raises, on a backend that records draws (`strict`)."""

    def __enter__(self):
        global _drawn
        self.outermost = _drawn is None and backend().records_draws
        if self.outermost:
            _drawn = {}

    def __exit__(self, *error):
        global _drawn
        if self.outermost:
            _drawn = None


def _watch(key, start, stop):
    """Half words start .. stop - 1 are drawn: a float32 takes one half, so that neighbours do not overlap."""
    if _drawn is None or start == stop:
        return
    for a, b in _drawn.setdefault(key, []):
        if start < b and a < stop:
            first, last = max(start, a) // 2, (min(stop, b) - 1) // 2
            raise RuntimeError(f"Words {first} to {last} of one stream were drawn twice in one evaluation, so two "
                               "draws that should be independent are equal: name the streams apart, stream('a') and "
                               "stream('b').")
    _drawn[key].append((start, stop))
