"""Fully connected networks that see the inputs before.   Germain et al. 2015   derivations: autoregressive

    x        input [..., D], of which column order[i] is the i-th to be drawn
    m        degrees, one a unit: of an input its place in the order, 1 .. D; of a hidden unit how many of them it sees
    M        masks [n, m]: 1 where a unit may see a unit of the layer before
    y        outputs [..., D], of which y_d sees the x before x_d in the order, all of them, and nothing else
"""
from backends import xp
from scratch.nets.linear import ACTIVATIONS, affine, linear


def degrees(order, sizes):
    """The degrees m of the inputs, [D], and of hidden layers of these sizes, spread evenly over 1 .. max(D - 1, 1).
                                                                                       [autoregressive.spread_called]"""
    D = len(order)
    return [xp.argsort(xp.asarray(order)) + 1, *(1 + xp.arange(n) * max(D - 1, 1) // n for n in sizes)]


def mask(m_from, m_to, strict=False):
    """M = 1[m_to >= m_from] between layers of these degrees, [n, m]; 1[m_to > m_from] where strict, as outputs want.
                                                                                       [autoregressive.before_called]"""
    return m_to > m_from[:, None] if strict else m_to >= m_from[:, None]


def masked_mlp(order, hidden=(), activation="relu", heads=1):
    """init, and on(params) -> f, of a masked network of D = len(order) columns; f(x) gives a tuple of `heads` outputs,
    0 at the start. Each sees the inputs before it directly too, and so all of them, however few the hidden units."""
    act, gain = ACTIVATIONS[activation]
    D, last   = len(order), hidden[-1] if hidden else 0
    layers    = [linear(n, m, gain) for n, m in zip((D, *hidden), hidden)]
    outputs   = [linear(D + last, D, gain=0)] * heads

    def init(stream):
        return [init(stream(i)) for i, (init, _) in enumerate(layers + outputs)]

    def on(params):
        m     = degrees(order, hidden)
        last  = xp.concatenate([m[0], m[-1]]) if hidden else m[0]
        masks = [*map(mask, m, m[1:]), *[mask(last, m[0], strict=True)] * heads]
        parts = [(p["W"] * M.astype(p["W"].dtype), p["b"]) for p, M in zip(params, masks)]

        def f(x):
            h = x
            for W, b in parts[:len(hidden)]:
                h = act(affine(h, W, b))
            both = xp.concatenate([x, h], axis=-1) if hidden else x
            return tuple(affine(both, W, b) for W, b in parts[len(hidden):])
        return f
    return init, on
