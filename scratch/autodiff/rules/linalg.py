"""Linear algebra on stacks of matrices [..., n, n].   Giles 2008

cholesky, eigvalsh and eigh are functions of a symmetric matrix: their derivative is that of f((A + A^T) / 2), which is
symmetric. Eigenvectors have none where two eigenvalues meet: there the pullback of eigh raises ValueError.
"""
from backends import xp
from scratch.autodiff.rules.elementwise import fit
from scratch.autodiff.tape import primitive, rule, untraced


def _t(a):
    return xp.swapaxes(a, -1, -2)


def _symmetric(a):
    return (a + _t(a)) / 2


def _column(g, b):
    """g as matrices: where b is one vector, and so the solutions are vectors, as columns."""
    return xp.expand_dims(g, -1) if b.ndim == 1 else g


def _solve_a(g, y, a, b):
    return fit(-xp.linalg.solve(_t(a), _column(g, b)) @ _t(_column(y, b)), a)


def _solve_b(g, y, a, b):
    b_bar = xp.linalg.solve(_t(a), _column(g, b))
    return fit(b_bar[..., 0] if b.ndim == 1 else b_bar, b)


def _cholesky(g, y, a):
    half  = xp.tril(xp.ones(y.shape[-2:], dtype=y.dtype)) - xp.eye(y.shape[-1], dtype=y.dtype) / 2
    inner = half * (_t(y) @ xp.tril(g))
    left  = xp.linalg.solve_triangular(y, inner, lower=True, trans=1)
    return _symmetric(_t(xp.linalg.solve_triangular(y, _t(left), lower=True, trans=1)))


def _triangular_a(g, y, a, b, lower=False, trans=0):
    b_bar = xp.linalg.solve_triangular(a, g, lower=lower, trans=1 - trans)
    a_bar = -b_bar @ _t(y) if trans == 0 else -y @ _t(b_bar)
    return fit((xp.tril if lower else xp.triu)(a_bar), a)


def _triangular_b(g, y, a, b, lower=False, trans=0):
    return fit(xp.linalg.solve_triangular(a, g, lower=lower, trans=1 - trans), b)


rule("linalg.solve",            _solve_a, _solve_b,                                             keeps="y a")
rule("linalg.inv",              lambda g, y, a: -_t(y) @ g @ _t(y),                             keeps="y")
rule("linalg.cholesky",         _cholesky,                                                      keeps="y")
rule("linalg.solve_triangular", _triangular_a, _triangular_b,                                   keeps="y a")
rule("linalg.eigvalsh",         lambda g, y, a: _rotated(g, eigh(a)[..., 1:, :]),               keeps="a")


def _rotated(g, V):
    """V diag(g) V^T"""
    return (V * xp.expand_dims(g, -2)) @ _t(V)


def _logabsdet(a):
    """log |det a|."""
    return xp.linalg.slogdet(a)[1]


logabsdet = primitive(_logabsdet, lambda g, y, a: xp.expand_dims(g, (-1, -2)) * _t(xp.linalg.inv(a)), keeps="a",
                      plain=lambda a: xp.linalg.slogdet(a)[1])


def _eigh(a):
    """Eigenvalues and eigenvectors of a symmetric matrix in one array: row 0 the values, ascending, below them V."""
    w, V = xp.linalg.eigh(a)
    return xp.concatenate([xp.expand_dims(w, -2), V], axis=-2)


def _eigh_pull(g, y, a):
    w, V = y[..., 0, :], y[..., 1:, :]
    gaps = xp.expand_dims(w, -2) - xp.expand_dims(w, -1)                                    # w_j - w_i
    same = xp.eye(w.shape[-1], dtype=bool)
    near = xp.abs(gaps) <= 8 * xp.finfo(w.dtype).eps * xp.max(xp.abs(w), axis=-1)[..., None, None]
    if bool(xp.any(untraced(near) & ~same)):
        raise ValueError("The derivative of eigenvectors does not exist where two eigenvalues are equal: use "
                         "eigvalsh if only the eigenvalues matter, or keep them apart.")
    F = xp.where(same, 0, 1 / xp.where(same, 1, gaps))
    return _symmetric(_rotated(g[..., 0, :], V) + V @ (F * (_t(V) @ g[..., 1:, :])) @ _t(V))


eigh = primitive(_eigh, _eigh_pull, keeps="y", plain=_eigh)
