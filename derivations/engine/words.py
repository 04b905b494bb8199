"""The words of formulas: names of `xp`, looked up when a line runs, and the conventions that a formula leaves unsaid.

    E(p, f)        sum of p f over the last axis (or `axis`); where p is 0, f does not count, whatever it is
    ratio(a, b)    a / b, and 0 where both are 0
    KL(p, q)       E_p[log p/q] in nats, +inf where p puts mass and q none;  JS, H likewise
    D(f, x)        the derivative of f at x by complex step: exact to the last digits, for analytic f
    gaussian(n)    nodes and weights with which n points integrate polynomials to degree 2n - 1 under N(0, 1)
"""
import math

from backends import xp

NAMES = """
    exp sqrt sum mean prod cumsum cumprod abs max min maximum minimum argmax argmin where sign cos sin tanh arange array
    asarray concatenate stack ones zeros eye repeat broadcast_to einsum matmul trace diagonal swapaxes reshape sort
    argsort flip isfinite floor
""".split()
LINALG = "inv det solve cholesky eigh eigvalsh svd".split()

pi = math.pi


def _word(path):
    def word(*args, **kwargs):
        f = xp
        for part in path.split("."):
            f = getattr(f, part)
        return f(*args, **kwargs)
    word.__name__ = word.__qualname__ = path.split(".")[-1]
    return word


for _path in [*NAMES, *(f"linalg.{name}" for name in LINALG)]:
    globals()[_path.split(".")[-1]] = _word(_path)


def log(x):
    """The natural logarithm, of numbers too."""
    return math.log(x) if type(x) in (int, float) else xp.log(x)


def logdet(a):
    """log |det a|."""
    return xp.linalg.slogdet(a)[1]


def T(a):
    """The transpose of the last two axes."""
    return xp.swapaxes(a, -1, -2)


def E(p, f, axis=-1):
    return xp.sum(xp.where(p != 0, p * f, 0), axis=axis)


def ratio(a, b):
    return xp.where((a == 0) & (b == 0), 0, a / xp.where((a == 0) & (b == 0), 1, b))


def KL(p, q, axis=-1):
    return E(p, log(ratio(p, q)), axis)


def JS(p, q):
    return KL(p, (p + q) / 2) / 2 + KL(q, (p + q) / 2) / 2


def H(p):
    return -E(p, log(p))


def D(f, x, h=1e-30):
    """df/dx: f's shape and then x's."""
    flat, out = xp.reshape(xp.asarray(x), (-1,)), []
    for i in range(flat.size):
        step = 1j * h * (xp.arange(flat.size) == i)
        out.append(xp.imag(f(xp.reshape(flat + step, x.shape))) / h)
    return xp.reshape(xp.stack(out, axis=-1), out[0].shape + x.shape)


def gaussian(n):
    """Golub and Welsch: the nodes are the eigenvalues of the Hermite polynomials' recurrence. Both [n]."""
    beta = xp.sqrt(xp.arange(1.0, n))
    z, V = xp.linalg.eigh(xp.eye(n, k=1) * xp.concatenate([xp.zeros(1), beta]) +
                          xp.eye(n, k=-1) * xp.concatenate([beta, xp.zeros(1)]))
    return z, V[0]**2
