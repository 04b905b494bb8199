"""Matrix products and einsum."""
import string

from backends import xp
from scratch.autodiff.rules.elementwise import fit
from scratch.autodiff.tape import Traced, composite, rule


def _matrices(g, a, b):
    """Vectors as matrices: b as a column, a as a row, and g as their product's cotangent."""
    if b.ndim == 1:
        g, b = xp.expand_dims(g, -1), xp.reshape(b, (-1, 1))
    if a.ndim == 1:
        g, a = xp.expand_dims(g, -2), xp.reshape(a, (1, -1))
    return g, a, b


def _matmul_a(g, y, a, b):
    g, row, b = _matrices(g, a, b)
    return xp.reshape(fit(g @ xp.swapaxes(b, -1, -2), row), a.shape)


def _matmul_b(g, y, a, b):
    g, a, column = _matrices(g, a, b)
    return xp.reshape(fit(xp.swapaxes(a, -1, -2) @ g, column), b.shape)


rule("matmul", _matmul_a, _matmul_b, keeps="a b")

Traced.__matmul__  = lambda a, b: xp.matmul(a, b)
Traced.__rmatmul__ = lambda a, b: xp.matmul(b, a)

composite("outer", lambda a, b: xp.reshape(a, (-1, 1)) * xp.reshape(b, (1, -1)))


def _terms(spec, ndims):
    """The letters of every operand and of the result, with "..." spelled out and "->" supplied."""
    inputs, arrow, output = spec.replace(" ", "").partition("->")
    inputs = inputs.split(",")
    spare  = [c for c in string.ascii_letters if c not in spec]
    extra  = [n - len(term) + 3 if "..." in term else 0 for term, n in zip(inputs, ndims)]
    dots   = "".join(spare[:max(extra)])
    inputs = [term.replace("...", dots[len(dots) - n:]) for term, n in zip(inputs, extra)]
    if not arrow:
        letters = "".join(inputs)
        output  = "..." * bool(dots) + "".join(sorted(c for c in set(letters) - set(dots) if letters.count(c) == 1))
    return inputs, output.replace("...", dots), spare[len(dots):]


def _einsum(i, g, y, spec, *operands, **options):
    """The cotangent times the other operands, summed to this operand's letters."""
    inputs, output, spare = _terms(spec, [x.ndim for x in operands])
    x, term  = operands[i - 1], inputs[i - 1]
    factors  = [(output, g)] + [(inputs[j], operands[j]) for j in range(len(operands)) if j != i - 1]
    target   = ""
    for letter, n in zip(term, x.shape):
        if letter in target:                     # a letter that stands twice reads a diagonal: an identity ties the two
            factors.append((letter + spare[0], xp.eye(n, dtype=g.dtype)))
            letter = spare.pop(0)
        target += letter
    known  = "".join(letters for letters, _ in factors)
    inside = "".join(c for c in target if c in known)
    g_x    = xp.einsum(",".join(letters for letters, _ in factors) + "->" + inside, *(f for _, f in factors))
    sizes  = iter(g_x.shape)
    shape  = tuple(next(sizes) if c in known else 1 for c in target)
    return fit(xp.broadcast_to(xp.reshape(g_x, shape), tuple(max(m, n) for m, n in zip(shape, x.shape))), x)


rule("einsum", each=_einsum, keeps="args")
