"""Optimisers, averages of weights, clipping, over one flat buffer.   Polyak 1964 (momentum); Hinton 2012 (RMSProp);
Kingma and Ba 2015 (Adam); Polyak and Juditsky 1992 (averages); Pascanu et al. 2013 (clipping)

    p, g     parameters and their gradient                     [size]
    m, v     moments: running means of g and of g^2, or their sums without 1 - beta where it says so     [size]
    t        the step, from 1 on
    lr       the learning rate, in units of p for Adam and RMSProp

What a step is given it updates in place: who wants to keep a state copies it.
"""
import dataclasses
import itertools
import math

from backends import backend, xp
from scratch import trees

ALIGN = 64                  # leaves begin at multiples of so many elements


# ---- one buffer for all parameters -----------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the leaves of a tree lie in one flat buffer."""
    structure: object
    shapes:    tuple
    starts:    tuple
    size:      int
    dtype:     str

    @staticmethod
    def of(tree):
        """Raises TypeError where the leaves differ in dtype."""
        leaves, structure = trees.flatten(tree)
        dtypes = {leaf.dtype.name for leaf in leaves}
        if len(dtypes) != 1:
            raise TypeError(f"The parameters hold {', '.join(sorted(dtypes)) or 'nothing'}; expected one dtype.")
        shapes = tuple(tuple(leaf.shape) for leaf in leaves)
        ends   = itertools.accumulate((-(-math.prod(shape) // ALIGN) * ALIGN for shape in shapes), initial=0)
        *starts, size = ends
        return Layout(structure, shapes, tuple(starts), size, dtypes.pop())

    def views(self, flat):
        """The tree whose leaves are parts of the buffer: what is written into one is seen in the other."""
        return trees.build(self.structure, [xp.reshape(flat[a:a + math.prod(shape)], shape)
                                            for a, shape in zip(self.starts, self.shapes)])

    def pack(self, tree):
        """The leaves of a tree, copied into a new buffer, 0 between them."""
        flat = xp.zeros(self.size, dtype=self.dtype)
        for a, leaf in zip(self.starts, trees.leaves(tree)):
            flat[a:a + leaf.size] = xp.reshape(leaf, (-1,))
        return flat

    def parts(self, tree):
        """(start, end, elements) of each leaf; of all in one, as `pack` puts them, where one block holds them: a copy
        costs less than a call on each."""
        if self.size <= backend().block:
            return [(0, self.size, self.pack(tree))]
        return [(a, a + leaf.size, xp.reshape(leaf, (-1,))) for a, leaf in zip(self.starts, trees.leaves(tree))]


# ---- the rules as in the papers: p, g, t, lr, moments -> p, moments --------------------------------------------------
def sgd(p, g, t, lr):
    """p - lr g."""
    return p - lr * g


def momentum(p, g, t, lr, m, beta=0.9):
    """m = beta m + g, p - lr m."""
    m = beta * m + g
    return p - lr * m, m


def rmsprop(p, g, t, lr, v, beta=0.9, eps=1e-8):
    """v = beta v + (1 - beta) g^2, p - lr g / (sqrt v + eps)."""
    v = beta * v + (1 - beta) * g**2
    return p - lr * g / (xp.sqrt(v) + eps), v


def adam(p, g, t, lr, m, v, beta1=0.9, beta2=0.999, eps=1e-8):
    """The moments without the bias of their start at 0: the first step is -lr g / (|g| + eps)."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return p - lr * m_hat / (xp.sqrt(v_hat) + eps), m, v


def adam_sums(p, g, t, lr, m, v, beta1=0.9, beta2=0.999, eps=1e-8):
    """Adam in ten passes, in place: m and v are the sums without the factors 1 - beta, which the learning rate and eps
    take up."""
    c2    = math.sqrt((1 - beta2**t) / (1 - beta2))
    m    *= beta1
    m    += g
    v    *= beta2
    d     = g * g
    v    += d
    xp.sqrt(v, out=d)
    d    += eps * c2
    xp.divide(m, d, out=d)
    d    *= lr * (c2 * (1 - beta1) / (1 - beta1**t))
    p    -= d


def in_place(rule):
    """The rule as a step that updates p and its moments."""
    def step(p, g, t, lr, *moments, **decays):
        p[:], *new = _as_tuple(rule(p, g, t, lr, *moments, **decays))
        for old, moment in zip(moments, new):
            old[:] = moment
    return step


def _as_tuple(x):
    return x if isinstance(x, tuple) else (x,)


#    name        the step in place, the names of its moments
OPTIMISERS = {
    "sgd":      (in_place(sgd),      ()),
    "momentum": (in_place(momentum), ("m",)),
    "rmsprop":  (in_place(rmsprop),  ("v",)),
    "adam":     (adam_sums,          ("m", "v")),
}


def step(name, p, g, t, lr, moments, **decays):
    """One step of the optimiser `name`, from the gradient g, in blocks that fit the cache: p and the moments are
    updated, g is only read. The decays of the moments are those of the rule unless told otherwise, beta1=0.5."""
    rule, names = OPTIMISERS[name]
    for a in range(0, p.size, size := backend().block):
        rule(p[a:a + size], g[a:a + size], t, lr, *(moments[n][a:a + size] for n in names), **decays)


def clip(gradient, largest):
    """The tree `gradient`, scaled where its norm is above `largest`."""
    norm  = xp.sqrt(sum(xp.sum(xp.square(g, dtype="float64")) for g in trees.leaves(gradient)))  # 2e19^2 is no float32
    scale = xp.minimum(largest / xp.where(norm > 0, norm, largest), 1)
    return trees.map(lambda g: g * scale.astype(g.dtype), gradient)


def averaged(average, p, t, decay):
    """average += (1 - d) (p - average), in place, with d = min(decay, t / (t + 9)): at first it follows p closely."""
    d = 1 - min(decay, t / (t + 9))
    for a in range(0, p.size, size := backend().block):
        average[a:a + size] += d * (p[a:a + size] - average[a:a + size])
