"""The exact road, by a change of variables.   Rezende and Mohamed 2015, Papamakarios et al. 2021   world: maps whose inverse is known

Bend a simple law into the one we want. Where the map stretches, the density thins out: by how much?
"""
from derivations import Derivation, World, invertible, let, positive, real, size, tex
from derivations.engine.words import D, T, abs, arange, det, diagonal, eigh, exp, eye, inv, log, logdet, mean, pi, prod, sin, solve, sqrt, stack, sum, tanh, where
from scratch.autodiff import log_sigmoid
from scratch.flows import change

# ---- On the line, the slope decides ----------------------------------------------------------------------------------
monotone = World("a monotone map of the line",
    a     = tex(r"a",           real()),
    b     = tex(r"b",           real()),
    k     = tex(r"k",           positive()),
    y     = tex(r"y",           real()),
    z     = let(r"f(y)",        lambda a, y, k, b: a * (y + k * tanh(y)) + b, covers="flow-transform"),
    df    = let(r"Df(y)",       lambda a, y, k: a * (1 + k * (1 - tanh(y)**2))),
    p_z   = let(r"p_Z(f(y))",   lambda z: exp(-z) / (1 + exp(-z))**2))                              # the logistic law

slope = Derivation("slope", monotone, where=lambda a: a != 0)

"""
A *density* is probability per length. Draw $Z$ from a law that we know, $p_Z$, and move it by a map $g$ to
$Y = g(Z)$; the way back is $f$. If $g$ stretches a piece of the line to twice its length, the same probability lies
on it: the density is halved, by $Df$, the slope of $f$.
"""

@slope(r"\text{the slope in } y \text{ of } P(g(Z) \leq y)", let=r"p_Y(y)")
def density(a, b, k, y):
    below = lambda y: 1 / (1 + exp(-a * (y + k * tanh(y)) - b))                                      # P(Z <= f(y))
    return D(lambda y: where(a > 0, below(y), 1 - below(y)), y)

@slope("=", r"p_Z(f(y))\, \lvert Df(y) \rvert", by="the chain rule; a falling map turns the inequality round", covers="flow-change-of-variables")
def changed(p_z, df): return p_z * abs(df)

@slope(r"\log p_Z(f(y)) + \log \lvert Df(y) \rvert")
def log_density(p_z, df): return log(p_z) + log(abs(df))

@slope("=", r"\operatorname{logprob}(y, f, \log p_Z)", by="what a flow trains with: exact, where a VAE has a bound", covers="flow-exact-likelihood-claim")
def called(y, a, k, b): return change.log_prob(y, lambda y: (a * (y + k * tanh(y)) + b, log(abs(a * (1 + k * (1 - tanh(y)**2))))), lambda z: log_sigmoid(z) + log_sigmoid(-z))

# ---- A straight map and its way back ---------------------------------------------------------------------------------
def N(x, mu, Sigma):
    """The normal density of every row of x."""
    d = x - mu
    return exp(-sum(d * T(solve(Sigma, T(d))), -1) / 2) / sqrt(det(2 * pi * Sigma))


straight = World("a straight map of a normal law",
    N     = size(1, 4),
    M     = size(1, 3),
    z     = tex(r"z_n",            real("N", "M")),
    A     = tex(r"A",              real("M", "M")),
    b     = tex(r"b",              real("M")),
    mu    = tex(r"\mu",            real("M")),
    B     = tex(r"B",              invertible("M")),
    Sigma = let(r"\Sigma",         lambda B: B @ B.T),
    y     = let(r"y_n",            lambda A, z, b: z @ A.T + b, covers="flow-linear flow-transform"))

linear = Derivation("linear", straight, where=lambda A: abs(det(A)) > 1 / 2)

r"""
An image is not on a line. With $M$ numbers, length becomes volume, and the slope becomes a matrix $A$. It stretches
every volume by the size of its *determinant*, $\lvert \det A \rvert$. So a map has to give
two things: the way back, and this number.
"""

@linear(r"\left(y_n,\ \log \lvert \det A \rvert\right)")
def point(y, A): return y, logdet(A)

@linear("=", r"\operatorname{linear}(z_n, A, b)", by="the map that runs, and what it adds to a log-likelihood")
def linear_called(z, A, b): return change.linear(z, A, b)

@linear(r"z_n")
def origin(z): return z

@linear("=", r"A^{-1} (y_n - b)", by="f undoes g", covers="flow-transform")
def undone(A, y, b): return T(inv(A) @ T(y - b))

@linear(r"\left(A^{-1} (y_n - b),\ \log \lvert \det A^{-1} \rvert\right)")
def back(A, y, b): return T(inv(A) @ T(y - b)), logdet(inv(A))

@linear("=", r"\operatorname{linearinverse}(y_n, A, b)", by="without the inverse matrix; its determinant is one over the determinant")
def back_called(y, A, b): return change.linear_inverse(y, A, b)

# ---- A straight map of a normal law ----------------------------------------------------------------------------------
r"""
The rule has to agree with what is known. Send a *normal law*, with the mean $\mu$ and the covariance $\Sigma$,
through $y = A z + b$. It stays normal. So its density can be had in two ways: from its new mean and covariance, or
from the old density and one determinant.
"""

@linear(r"(A B) (A B)^{\top}")
def spread(A, B): return (A @ B) @ (A @ B).T

@linear("=", r"A \Sigma A^{\top}", by="B B' = Sigma: noise of covariance I, sent through B, has this covariance; then through A")
def spread_through(A, Sigma): return A @ Sigma @ A.T

@linear(r"\log \mathcal{N}(y_n; A \mu + b, A \Sigma A^{\top})")
def normal(y, A, mu, b, Sigma): return log(N(y, A @ mu + b, A @ Sigma @ A.T))

@linear("=", r"\log \mathcal{N}(z_n; \mu, \Sigma) - \log \lvert \det A \rvert", by="a straight map of a normal law is normal", covers="flow-linear-gaussian flow-change-of-variables")
def normal_changed(z, mu, Sigma, A): return log(N(z, mu, Sigma)) - logdet(A)

@linear("=", r"\operatorname{logprob}(y_n, f, \log \mathcal{N}(\mu, \Sigma))", by="the same by the general rule")
def normal_called(y, A, b, mu, Sigma): return change.log_prob(y, lambda y: change.linear_inverse(y, A, b), lambda z: log(N(z, mu, Sigma)))

# ---- The best straight map -------------------------------------------------------------------------------------------
whitening = World("points, and a straight map to white noise",
    N     = size(1, 6),
    M     = size(1, 3),
    y     = tex(r"y_n",            real("N", "M")),
    W     = tex(r"W",              real("M", "M")),
    m     = tex(r"m",              real("M")),
    S     = let(r"S",              lambda y, m: mean((y - m)[:, :, None] * (y - m)[:, None, :], 0)),
    ell   = let(r"\ell",           lambda S: eigh(S)[0]),
    V     = let(r"V",              lambda S: eigh(S)[1]),
    f     = let(r"f(y_n)",         lambda y, m, W: (y - m) @ W.T))

fitted = Derivation("fitted", whitening, where=lambda W, S: (abs(det(W)) > 1 / 4) & (det(S) > 1 / 4))

r"""
Now turn the map round and fit it: which straight map makes the data look most like white noise, a normal law with
mean 0 and covariance $I$? $V$ holds the axes of the data's covariance, $\ell$ the variance along each. No training is
needed for the answer.
"""

@fitted(r"\sum_n \left(\log \mathcal{N}(f(y_n); 0, I_M) + \log \lvert \det W \rvert\right)", let=r"\log p(\mathcal{D} \mid W, m)", covers="flow-loglik")
def likelihood(f, M, W): return sum(log(N(f, 0, eye(M))) + logdet(W))

@fitted("=", r"\sum_n \operatorname{logprob}(y_n, f, \log p_Z)", by="what is trained")
def likelihood_called(y, W, m): return sum(change.log_prob(y, lambda y: change.linear(y, W, -W @ m), lambda z: log(N(z, 0, eye(z.shape[-1])))))

@fitted("argmax", r"\frac{\sum_n y_n}{N}", of=likelihood, over="m", by="the maximum is that of the normal law: the mean goes to 0")
def best_mean(y, N): return sum(y, 0) / N

@fitted("argmax", r"\frac{V^{\top}}{\sqrt{\ell}}", of=likelihood, over="W", by="and the covariance to I; any rotation of it does as well")
def best_map(V, ell): return T(V) / sqrt(ell)[:, None]

# ---- Triangles have cheap determinants -------------------------------------------------------------------------------
cheap = World("matrices with a cheap determinant",
    M     = size(1, 4),
    A     = tex(r"A",              real("M", "M")),
    d     = tex(r"d",              positive("M")),
    x     = tex(r"x",              real("M")),
    b     = tex(r"b",              real("M")),
    v     = tex(r"v",              positive("M")),
    v_2   = tex(r"v_2",            positive("M")),
    L     = let(r"L",              lambda A, d, M: A * (arange(M)[:, None] > arange(M)) + d * eye(M)),
    R     = let(r"R",              lambda v, M: eye(M) - 2 * v[:, None] * v / sum(v**2)),
    Q     = let(r"Q",              lambda R, v_2, M: R @ (eye(M) - 2 * v_2[:, None] * v_2 / sum(v_2**2))))

determinants = Derivation("determinants", cheap)

"""
For any $M$ by $M$ matrix the determinant costs about $M^3$ steps. An image has a million numbers: no. But let each
coordinate of the map depend only on those before it, as in [the chain](autoregressive.conditionals). Then the matrix
is a triangle, $L$, with zeros above its diagonal.
"""

@determinants(r"\det L")
def triangle(L): return det(L)

@determinants("=", r"\prod_i L_{i,i}", by="expand along the first row, again and again", covers="flow-triangular-det")
def triangle_product(L): return prod(diagonal(L))

@determinants(r"\left(\sum_{j < i} A_{i,j} x_j + d_i x_i + b_i,\ \sum_i \log d_i\right) \text{, row by row}")
def triangle_map(A, d, x, b, M): rows = [sum(A[i, :i] * x[:i]) + d[i] * x[i] + b[i] for i in range(M)]; return stack(rows), sum(log(d))

@determinants("=", r"\left(L x + b,\ \log \lvert \det L \rvert\right)", by="d is the diagonal of L")
def triangle_matrix(L, x, b): return L @ x + b, logdet(L)

@determinants("=", r"\operatorname{triangular}(x, L, b)", by="D logarithms")
def triangular_called(x, L, b): return change.triangular(x, L, b)

# ---- Mirrors cost nothing --------------------------------------------------------------------------------------------
"""
Some maps keep every volume, and their determinant need not be computed at all. $R$ is a mirror: it turns $v$ round
and leaves alone whatever is at a right angle to $v$. Two mirrors make a turn.
"""

@determinants(r"\left(R v,\ R Q v_2\right)")
def mirrored(R, v, Q, v_2): return R @ v, R @ Q @ v_2

@determinants("=", r"\left(-v,\ -v_2\right)", by="R is a mirror, across v; Q is one across v_2 and then R, which undoes itself")
def mirrored_away(v, v_2): return -v, -v_2

@determinants(r"Q^{\top} Q")
def turned(Q): return Q.T @ Q

@determinants("=", r"I_M", by="Q is two mirrors, a turn of space: the transpose turns it back", covers="flow-triangular-det")
def turned_back(M): return eye(M)

@determinants(r"\left(\lvert \det R \rvert,\ \lvert \det Q \rvert\right)")
def volumes(R, Q): return abs(det(R)), abs(det(Q))

@determinants("=", r"\left(1,\ 1\right)", by="with one mirror or with two, volumes are kept", covers="flow-triangular-det")
def volumes_kept(): return 1, 1

# ---- One map after another -------------------------------------------------------------------------------------------
def g(x):
    """The second coordinate is stretched and shifted, by as much as the first one says; then they change places."""
    return stack([x[1] * exp(tanh(x[0])) + sin(x[0]), x[0]])


def f(y):
    return stack([y[1], (y[0] - sin(y[1])) * exp(-tanh(y[1]))])


layers = World("three maps of the plane",
    P    = size(2, 2),
    z    = tex(r"z",          real("P")),
    A_1  = tex(r"A_1",        real("P", "P")),
    b_1  = tex(r"b_1",        real("P")),
    A_3  = tex(r"A_3",        real("P", "P")),
    b_3  = tex(r"b_3",        real("P")),
    x_1  = let(r"x_1",        lambda A_1, z, b_1: A_1 @ z + b_1),                                    # g_1(z)
    x_2  = let(r"x_2",        lambda x_1: g(x_1)),                                                   # g_2(x_1)
    y    = let(r"y",          lambda A_3, x_2, b_3: A_3 @ x_2 + b_3))                                # g_3(x_2)

composed = Derivation("composition", layers, where=lambda A_1, A_3: (abs(det(A_1)) > 1 / 2) & (abs(det(A_3)) > 1 / 2))

"""
Straight maps, however many, make one straight map. So put a bent one between two of them: $g$ stretches one
coordinate by as much as the other one says. That other one stays as it is, so there is a way back, $f$, in one line
of code.
"""

@composed(r"z")
def base(z): return z

@composed("=", r"A_1^{-1} (f(A_3^{-1} (y - b_3)) - b_1)", by="the last map is undone first", covers="flow-composition flow-transform")
def undone_in_turn(A_1, A_3, y, b_3, b_1): return inv(A_1) @ (f(inv(A_3) @ (y - b_3)) - b_1)

@composed(r"\det \nabla_y A_1^{-1} (f(A_3^{-1} (y - b_3)) - b_1)", let=r"\det Df(y)")
def whole(y, A_1, A_3, b_3, b_1): return det(D(lambda y: inv(A_1) @ (f(inv(A_3) @ (y - b_3)) - b_1), y))

@composed("=", r"\det A_1^{-1}\, \det \nabla f(x_2)\, \det A_3^{-1}", by="Jacobians multiply, and so do their determinants", covers="flow-det-product")
def product(A_1, x_2, A_3): return det(inv(A_1)) * det(D(lambda t: f(t), x_2)) * det(inv(A_3))

r"""
This is a *flow*: maps in a row, each with a way back and a cheap determinant. It gives $\log p$ itself. In return it
may never lose a dimension: the code is as long as the image. What if we give up the density? [The game](gan) wants
samples only.
"""

@composed(r"\left(z,\ \log \lvert \det \nabla_y A_1^{-1} (f(A_3^{-1} (y - b_3)) - b_1) \rvert\right)")
def stacked(z, y, A_1, A_3, b_3, b_1): return z, logdet(D(lambda y: inv(A_1) @ (f(inv(A_3) @ (y - b_3)) - b_1), y))

@composed("=", r"\operatorname{compose}(y, (f_3, f_2, f_1))", by="log-determinants add up")
def stack_called(y, A_3, b_3, A_1, b_1): return change.compose(y, [lambda t: change.linear_inverse(t, A_3, b_3), lambda t: (f(t), -tanh(t[1])), lambda t: change.linear_inverse(t, A_1, b_1)])

# ---- One fold of the plane -------------------------------------------------------------------------------------------
plane = World("a planar map",
    M    = size(1, 3),
    x    = tex(r"x",                 real("M")),
    u    = tex(r"u",                 real("M")),
    w    = tex(r"w",                 real("M")),
    b    = tex(r"b",                 real()),
    h    = let(r"h",                 lambda w, x, b: tanh(w @ x + b)),
    dh   = let(r"h^{\prime}",        lambda h: 1 - h**2),
    g    = let(r"g(x)",              lambda x, u, h: x + u * h, covers="flow-planar"),
    u_w  = let(r"\hat{u}",           lambda u, w: u + (log(1 + exp(w @ u)) - 1 - w @ u) * w / sum(w**2)))

planar = Derivation("planar", plane, where=lambda w: (w != 0).any())

r"""
A *planar* map moves every point in one direction, $u$. How far depends on $w^{\top} x$ alone, so that it is the same
along whole lines, or planes. Its slopes are those of standing still, $I$, plus one column times one row: a
determinant almost for free.
"""

@planar(r"\det \nabla_x (x + u \tanh(w^{\top} x + b))")
def fold(x, u, w, b): return det(D(lambda x: x + u * tanh(w @ x + b), x))

@planar("=", r"1 + h^{\prime} u^{\top} w", by="the determinant of I plus one column times one row", covers="flow-planar-logdet")
def fold_lemma(dh, u, w): return 1 + dh * (u @ w)

@planar(r"\left(g(x),\ \log(1 + h^{\prime} u^{\top} w)\right)")
def folded(g, dh, u, w): return g, log(1 + dh * (u @ w))

@planar("=", r"\operatorname{planar}(x, u, w, b)", by="the map that runs", where=lambda u, w: u @ w > -1)
def planar_called(x, u, w, b): return change.planar(x, u, w, b)

r"""
Where $h^{\prime} u^{\top} w$ reaches -1 the map folds space over: two points land on one, and there is no way back.
$h^{\prime}$ is at most 1. So the network may say any $u$, but it is mended first.
"""

@planar(r"w^{\top} \hat{u}")
def along(w, u_w): return w @ u_w

@planar("=", r"\log(1 + \exp(w^{\top} u)) - 1", by="only the part along w changes")
def along_soft(w, u): return log(1 + exp(w @ u)) - 1

@planar(">=", r"-1", by="so no direction is folded over", gap=lambda w, u: log(1 + exp(w @ u)))
def along_bounded(): return -1.0

@planar(r"\hat{u}")
def moved(u_w): return u_w

@planar("=", r"\operatorname{invertible}(u, w)", by="what the network's u goes through")
def invertible_called(u, w): return change.invertible(u, w)
