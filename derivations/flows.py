"""The exact road, by a change of variables.   Rezende and Mohamed 2015, Papamakarios et al. 2021   world: maps whose inverse is known

Bend a simple law into the one we want. Where the map stretches, the density thins out: by how much?
"""
from derivations import Derivation, World, index, invertible, let, positive, real, simplex, size, tex
from derivations.engine.words import D, E, KL, T, abs, arange, cos, det, diagonal, eigh, exp, eye, flip, inv, log, logdet, mean, ones, pi, prod, sign, sin, solve, sqrt, stack, sum, tanh, where, zeros
from scratch.autodiff import log_sigmoid
from scratch.autoencoders import vae
from scratch.flows import change

# ---- On the line, the slope decides ----------------------------------------------------------------------------------
monotone = World("a monotone map of the line",
    a     = tex(r"a",           real()),
    b     = tex(r"b",           real()),
    k     = tex(r"k",           positive()),
    y     = tex(r"y",           real()),
    s     = let(r"s",           lambda a: sign(a)),                                                 # does the map rise, or fall?
    z     = let(r"f(y)",        lambda a, y, k, b: a * (y + k * tanh(y)) + b, covers="flow-transform"),
    df    = let(r"Df(y)",       lambda a, y, k: a * (1 + k * (1 - tanh(y)**2))),
    p_z   = let(r"p_Z(f(y))",   lambda z: exp(-z) / (1 + exp(-z))**2))                              # the logistic law

slope = Derivation("slope", monotone, where=lambda a: a != 0)

"""
A *density* is probability per length. Draw $Z$ from a law that we know, $p_Z$, and move it by a map $g$ to
$Y = g(Z)$; the way back is $f$. If $g$ stretches a piece of the line to twice its length, the same probability lies
on it: the density is halved, by $Df$, the slope of $f$.
"""

@slope(r"\nabla_y \frac{1}{1 + e^{-s (a (y + k \tanh(y)) + b)}}", let=r"p_Y(y) = \nabla_y P(g(Z) \leq y)")
def density(y, s, a, k, b): return D(lambda y: 1 / (1 + exp(-s * (a * (y + k * tanh(y)) + b))), y)

@slope("=", r"p_Z(f(y))\, \lvert Df(y) \rvert", by="the chain rule; a falling map turns the inequality round", covers="flow-change-of-variables")
def changed(p_z, df): return p_z * abs(df)

@slope(r"\log p_Z(f(y)) + \log \lvert Df(y) \rvert")
def log_density(p_z, df): return log(p_z) + log(abs(df))

@slope("=", r"\operatorname{logprob}(y, f, \log p_Z)", by="what a flow trains with: exact, where a VAE has a bound", covers="flow-exact-likelihood-claim")
def called(y, a, k, b): return change.log_prob(y, lambda y: (a * (y + k * tanh(y)) + b, log(abs(a * (1 + k * (1 - tanh(y)**2))))), lambda z: log_sigmoid(z) + log_sigmoid(-z))

# ---- Drawing from it -------------------------------------------------------------------------------------------------
def fine(h, n=60):
    """Points so close, and so far out, that a sum over them is the integral."""
    return h * arange(-n, n + 1)


drawn = World("draws of normal noise, and where they land",
    a     = tex(r"a",           positive()),
    b     = tex(r"b",           real()),
    w     = tex(r"w",           real()),
    c     = tex(r"c",           real()),
    z     = let(r"z",           lambda: fine(h=0.15)),
    dz    = let(r"dz",          lambda z: z[1] - z[0]),
    p_z   = let(r"p_Z(z)",      lambda z, dz: exp(-z**2 / 2) / sqrt(2 * pi) * dz),
    g     = let(r"g(z)",        lambda a, z, b: a * log(z + sqrt(z**2 + 1)) + b, covers="alg-flow-sampling:2"),
    y     = let(r"y",           lambda a, b: a * fine(h=0.06) + b),
    dy    = let(r"dy",          lambda y: y[1] - y[0]),
    f     = let(r"f(y)",        lambda y, b, a: (exp((y - b) / a) - exp((b - y) / a)) / 2),
    df    = let(r"Df(y)",       lambda y, b, a: (exp((y - b) / a) + exp((b - y) / a)) / (2 * a)))

sampled = Derivation("draws", drawn)

r"""
To draw from a flow, draw noise and send it through $g$. No density is needed for that. Is the law of what arrives the
$p_Y$ of the formula? Two laws are one if every wave has the same mean under both, $\cos(w y + c)$ for every $w$ and $c$; so
ask the waves.
"""

@sampled(r"\mathbb{E}_{p_Z(z)}\left[\cos(w g(z) + c)\right]")
def wave_of_draws(p_z, w, g, c): return E(p_z, cos(w * g + c))

@sampled("=", r"\sum_y \cos(w y + c)\, \exp\left(-\frac{f(y)^2}{2}\right) Df(y) \frac{dy}{\sqrt{2 \pi}}", by="put z = f(y) into the integral; the mean of any function agrees in this way", covers="alg-flow-sampling")
def wave_of_density(w, y, c, f, df, dy): return sum(cos(w * y + c) * exp(-f**2 / 2) * df * (dy / sqrt(2 * pi)))

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

@fitted("=", r"\sum_n \log \mathcal{N}(y_n; m, W^{-1} (W^{-1})^{\top})", by="so this flow is a normal law, whose mean and covariance are fitted")
def likelihood_normal(y, m, W): return sum(log(N(y, m, inv(W) @ inv(W).T)))

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
    low   = let(r"A_{j < i}",      lambda A, M: A * (arange(M)[:, None] > arange(M))),
    L     = let(r"L",              lambda A, d, M: A * (arange(M)[:, None] > arange(M)) + d * eye(M)),
    R     = let(r"R",              lambda v, M: eye(M) - 2 * v[:, None] * v / sum(v**2)),
    Q     = let(r"Q",              lambda R, v_2, M: R @ (eye(M) - 2 * v_2[:, None] * v_2 / sum(v_2**2))))

determinants = Derivation("determinants", cheap)

"""
For any $M$ by $M$ matrix the determinant costs [about $M^3$ steps](flows.swept_up). An image has a million numbers: no. But let each
coordinate of the map depend only on those before it, as in [the chain](autoregressive.conditionals). Then the matrix
is a triangle, $L$, with zeros above its diagonal.
"""

@determinants(r"\det L")
def triangle(L): return det(L)

@determinants("=", r"\prod_i L_{i,i}", by="expand along the first row, again and again", covers="flow-triangular-det")
def triangle_product(L): return prod(diagonal(L))

@determinants(r"\left(\sum_j A_{j < i}\, x_j + d_i x_i + b_i,\ \sum_i \log d_i\right)", let=r"\text{row by row}")
def triangle_map(low, x, d, b): return sum(low * x, 1) + d * x + b, sum(log(d))

@determinants("=", r"\left(L x + b,\ \log \lvert \det L \rvert\right)", by="d is the diagonal of L")
def triangle_matrix(L, x, b): return L @ x + b, logdet(L)

@determinants("=", r"\operatorname{triangular}(x, L, b)", by="D logarithms")
def triangular_called(x, L, b): return change.triangular(x, L, b)

# ---- What a determinant costs ----------------------------------------------------------------------------------------
full = World("a matrix without any zeros",
    M     = size(1, 5),
    A     = tex(r"A",              invertible("M")),
    p     = let(r"p_k",            lambda A: swept(A)[0]),                                           # the pivots of a sweep,
    A_M   = let(r"A_M",            lambda A: swept(A)[1]),                                           # what stands there after M of them,
    n     = let(r"n",              lambda A: swept(A)[2]))                                           # and what was multiplied or divided

work = Derivation("work", full)


def swept(A):
    """Gauss and Jordan: the pivots, the inverse, and how many numbers were multiplied or divided on the way."""
    rows, pivots, count = list(A), [], 0
    for k in range(len(rows)):
        here    = arange(len(rows)) == k
        pivots.append(rows[k][k])
        rows[k] = where(here, 1, rows[k]) / pivots[k]
        count  += len(rows)
        for i in range(len(rows)):
            if i != k:
                rows[i] = where(here, 0, rows[i]) - rows[i][k] * rows[k]
                count  += len(rows)
    return stack(pivots), stack(rows), count


r"""
How much work is a matrix whose entries are all free? Sweep it as school does: divide a row by its *pivot*, the number
that stands in it on the diagonal, and subtract multiples of it from all others. Then count.
"""

@work(r"\left(\det A,\ A^{-1},\ M^3\right)")
def searched(A, M): return det(A), inv(A), M**3

@work("=", r"\left(\prod_k p_k,\ A_M,\ n\right)", by="the pivots, what the sweep leaves, and the count: every number once for each of M pivots; at twice the size eight times the work", covers="flow-linear-cost")
def swept_up(p, A_M, n): return prod(p), A_M, n

# ---- Two triangles, one matrix ---------------------------------------------------------------------------------------
factors = World("a matrix as a product of two triangles",
    N     = size(1, 4),
    M     = size(1, 3),
    x     = tex(r"x_n",            real("N", "M")),
    A     = tex(r"A",              real("M", "M")),
    d     = tex(r"d",              real("M")),
    b     = tex(r"b",              real("M")),
    L     = let(r"L",              lambda A, M: A * (arange(M)[:, None] > arange(M)) + eye(M)),
    U     = let(r"U",              lambda A, d, M: A * (arange(M)[:, None] < arange(M)) + d * eye(M)),
    y     = let(r"y_n",            lambda L, U, x, b: T(L @ U @ T(x)) + b))

halves = Derivation("two triangles", factors, where=lambda d: (d != 0).all())

r"""
A triangle never lets a coordinate hear of a later one. A lower triangle $L$ and an upper one, $U$, after each other do:
their product is nearly any matrix. With ones on the diagonal of $L$ all the volume is in $U$. Both ways through it take
$M^2$ steps, and the determinant $M$.
"""

@halves(r"L + U - I_M")
def square(L, U, M): return L + U - eye(M)

@halves("=", r"A + (d - \operatorname{diag}(A)) I_M", by="one square of numbers holds both: those above, those below, and the diagonal of U")
def square_kept(A, d, M): return A + (d - diagonal(A)) * eye(M)

@halves(r"\det L U")
def together(L, U): return det(L @ U)

@halves("=", r"\prod_i d_i", by="determinants multiply; that of L is 1", covers="flow-triangular-det")
def pivots(d): return prod(d)

@halves(r"\left(L U x_n + b,\ \log \lvert \det L U \rvert\right)")
def both(L, U, x, b): return T(L @ U @ T(x)) + b, logdet(L @ U)

@halves("=", r"\operatorname{lu}(x_n, L, U, b)", by="one after the other, and no matrix is multiplied by a matrix")
def lu_called(x, L, U, b): return change.lu(x, L, U, b)

@halves(r"\left(L^{-1} (y_n - b),\ -\log \lvert \det L \rvert\right)")
def first_undone(L, y, b): return T(inv(L) @ T(y - b)), -logdet(L)

@halves("=", r"\operatorname{triangularinverse}(y_n, L, b)", by="the first row says the first coordinate, and each row one more")
def triangular_back_called(y, L, b): return change.triangular_inverse(y, L, b)

@halves(r"x_n")
def start(x): return x

@halves("=", r"U^{-1} L^{-1} (y_n - b)", by="the triangle that came last goes first")
def start_again(U, L, y, b): return T(inv(U) @ inv(L) @ T(y - b))

@halves(r"\left(x_n,\ -\sum_i \log \lvert d_i \rvert\right)")
def both_undone(x, d): return x, -sum(log(abs(d)))

@halves("=", r"\operatorname{luinverse}(y_n, L, U, b)", by="one triangle after the other, row by row; what the diagonal of U adds is taken away")
def lu_back_called(y, L, U, b): return change.lu_inverse(y, L, U, b)

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

@determinants(r"\left(Q x,\ \log \lvert \det Q \rvert,\ x,\ -\log \lvert \det Q \rvert\right)")
def in_turn(Q, x): return Q @ x, logdet(Q), x, -logdet(Q)

@determinants("=", r"\left(\operatorname{householder}(x, (v_2, v)),\ \operatorname{householder}(Q x, (v, v_2))\right)", by="a mirror costs two products of vectors, and undoes itself: the same ones in the other order lead back")
def householder_called(x, v_2, v, Q): return *change.householder(x, stack([v_2, v])), *change.householder(Q @ x, stack([v, v_2]))

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
may never lose a dimension: the code is as long as the image.
"""

@composed(r"\left(z,\ \log \lvert \det \nabla_y A_1^{-1} (f(A_3^{-1} (y - b_3)) - b_1) \rvert\right)")
def stacked(z, y, A_1, A_3, b_3, b_1): return z, logdet(D(lambda y: inv(A_1) @ (f(inv(A_3) @ (y - b_3)) - b_1), y))

@composed("=", r"\operatorname{compose}(y, (f_3, f_2, f_1))", by="log-determinants add up")
def stack_called(y, A_3, b_3, A_1, b_1): return change.compose(y, [lambda t: change.linear_inverse(t, A_3, b_3), lambda t: (f(t), -tanh(t[1])), lambda t: change.linear_inverse(t, A_1, b_1)])

# ---- Half of it stays as it is ---------------------------------------------------------------------------------------
half = World("half of the coordinates, moved as the others say",
    N     = size(1, 3),
    M     = size(1, 4),
    x     = tex(r"x_n",            real("N", "M")),
    one   = tex(r"x",              real("M")),
    m     = tex(r"m",              index(2, "M")),
    S     = tex(r"S",              real("M", "M")),
    R     = tex(r"R",              real("M", "M")),
    s     = let(r"s",              lambda m, x, S: tanh((m * x) @ S)),                                # two small networks,
    t     = let(r"t",              lambda m, x, R: sin((m * x) @ R)),                                 # which see what stays
    y     = let(r"y_n",            lambda m, x, s, t: m * x + (1 - m) * (x * exp(s) + t), covers="flow-realnvp"))

coupled = Derivation("coupling", half)


r"""
Any number of coordinates can be bent in that way. Where the *mask* $m$ is 1, they stay; the others are stretched by
$e^s$ and shifted by $t$. $s$ and $t$ may be networks of any kind: nobody has to turn them round, nor differentiate them
for the determinant. This is *RealNVP*.
"""

@coupled(r"\det \nabla_x (m x + (1 - m) (x e^{\tanh((m x) S)} + \sin((m x) R)))")
def bent(one, m, S, R): return det(D(lambda one: m * one + (1 - m) * (one * exp(tanh((m * one) @ S)) + sin((m * one) @ R)), one))

@coupled("=", r"\prod_d e^{(1 - m) \tanh((m x) S)}", by="put what stays first: a triangle, with 1 and e^s on its diagonal", covers="flow-realnvp")
def bent_diagonal(m, one, S): return prod(exp((1 - m) * tanh((m * one) @ S)))

@coupled(r"\left(y_n,\ \sum_d (1 - m_d) s_d\right)")
def bent_pair(y, m, s): return y, sum((1 - m) * s, -1)

@coupled("=", r"\operatorname{coupling}(x_n, m, (s, t))", by="the map that runs", covers="flow-realnvp")
def coupling_called(x, m, S, R): return change.coupling(x, m, lambda h: (tanh(h @ S), sin(h @ R)))

@coupled(r"x_n")
def unbent(x): return x

@coupled("=", r"m y_n + (1 - m) \frac{y_n - \sin((m y_n) R)}{\exp(\tanh((m y_n) S))}", by="what stayed says s and t again: m y = m x", covers="flow-realnvp")
def bent_back(m, y, R, S): return m * y + (1 - m) * ((y - sin((m * y) @ R)) / exp(tanh((m * y) @ S)))

@coupled(r"\left(x_n,\ -\sum_d (1 - m_d) s_d\right)")
def unbent_pair(x, m, s): return x, -sum((1 - m) * s, -1)

@coupled("=", r"\operatorname{couplinginverse}(y_n, m, (s, t))", by="as fast as the way there")
def coupling_back_called(y, m, S, R): return change.coupling_inverse(y, m, lambda h: (tanh(h @ S), sin(h @ R)))

r"""
Half of it has not moved. So the next layer takes the other mask, and so on, in turn. Without $s$ every layer only
shifts and keeps all volumes: *NICE*. So much for ways back. May a model not be any function at all that says how likely
a state is? [An energy](energies) is one, up to a constant.
"""

@coupled(r"\left(m x + (1 - m) (x + \sin((m x) R)),\ \log \lvert \det \nabla_x (m x + (1 - m) (x + \sin((m x) R))) \rvert\right)")
def shifted(one, m, R): return m * one + (1 - m) * (one + sin((m * one) @ R)), logdet(D(lambda one: m * one + (1 - m) * (one + sin((m * one) @ R)), one))

@coupled("=", r"\operatorname{coupling}(x, m, (0, t))", by="NICE is the coupling whose s is 0: its log-determinant is 0 as well")
def shift_called(one, m, R): return change.coupling(one, m, lambda h: (0 * h, sin(h @ R)))

# ---- A chain of normal laws is a flow --------------------------------------------------------------------------------
def before(A):
    """What is above the diagonal of A."""
    return where(arange(len(A))[:, None] < arange(len(A)), A, 0)


def number_by_number(z, W, V, c):
    """x of the noise z, number by number: the first says the second, and so on. The last is still 0."""
    x = zeros(z.shape)
    for d in range(z.shape[1] - 1):
        x = where(arange(z.shape[1]) == d, z * exp(tanh(x @ V + c)) + sin(x @ W + c), x)
    return x


ordered = World("normal laws, each given the numbers before",
    N     = size(1, 3),
    M     = size(1, 4),
    x     = tex(r"x_n",            real("N", "M")),
    one   = tex(r"x",              real("M")),
    A     = tex(r"A",              real("M", "M")),
    B     = tex(r"B",              real("M", "M")),
    c     = tex(r"c",              real("M")),
    W     = let(r"W",              lambda A: before(A)),                                             # of x W each hears of those before
    V     = let(r"V",              lambda B: before(B)),
    mu    = let(r"\mu",            lambda x, W, c: sin(x @ W + c)),
    alpha = let(r"\alpha",         lambda x, V, c: tanh(x @ V + c)),
    sigma = let(r"\sigma",         lambda alpha: exp(alpha)),
    z     = let(r"z_n",            lambda x, mu, alpha: (x - mu) * exp(-alpha)),
    again = let(r"\hat x_n",       lambda z, W, V, c: number_by_number(z, W, V, c)),                          # from the noise, all but the last number
    g     = let(r"g(x_n)",         lambda mu, sigma, x: mu + sigma * x, covers="flow-iaf"))

masked = Derivation("autoregressive", ordered)


r"""
Take [the chain](autoregressive) and let every factor be a normal law, whose mean $\mu_d$ and width $\sigma_d = e^{\alpha_d}$
are said by the numbers before $x_d$. That is a model with a density already. It is a flow as well: $z$ is the noise that
made $x$, number by number. Its name is *MAF*.
"""

@masked(r"\sum_d \log \frac{\exp(-(x_n - \mu)^2 / (2 \sigma^2))}{\sigma \sqrt{2 \pi}}")
def normals(x, mu, sigma): return sum(log(exp(-(x - mu)**2 / (2 * sigma**2)) / (sigma * sqrt(2 * pi))), -1)

@masked("=", r"\sum_d \log \frac{\exp(-z_n^2 / 2)}{\sqrt{2 \pi}} - \sum_d \alpha_d", by="each law is N(0, 1), stretched and shifted")
def noises(z, alpha): return sum(log(exp(-z**2 / 2) / sqrt(2 * pi)), -1) - sum(alpha, -1)

@masked("=", r"\operatorname{logprob}(x_n, f, \log \mathcal{N}(0, 1))", by="so the chain rule and the change of variables say the same")
def chain_called(x, W, V, c): return change.log_prob(x, lambda x: change.autoregressive(x, lambda h: (sin(h @ W + c), tanh(h @ V + c))), lambda z: sum(-z**2 / 2 - log(2 * pi) / 2, -1))

@masked(r"\log \lvert \det \nabla_x \left((x - \sin(x W + c)) e^{-\tanh(x V + c)}\right) \rvert")
def noise_slopes(one, W, c, V): return logdet(D(lambda one: (one - sin(one @ W + c)) * exp(-tanh(one @ V + c)), one))

@masked("=", r"-\sum_d \tanh(x V + c)", by="a triangle: no number of the noise hears of a later one")
def noise_triangle(one, V, c): return -sum(tanh(one @ V + c))

@masked(r"\left(z_n,\ -\sum_d \alpha_d\right)")
def noise_pair(z, alpha): return z, -sum(alpha, -1)

@masked("=", r"\operatorname{autoregressive}(x_n, (\mu, \alpha))", by="all numbers at once, for all of x is there")
def autoregressive_called(x, W, V, c): return change.autoregressive(x, lambda h: (sin(h @ W + c), tanh(h @ V + c)))

# ---- One way at once, the other in turn ------------------------------------------------------------------------------
r"""
A density is one call of the network. A draw is not: $x_3$ waits for $x_2$, which waits for $x_1$. Who needs draws more
often than densities turns the map round: the means and widths then hear of the noise, which is all there from the start.
That is *IAF*.
"""

@masked(r"x_n")
def drawn_at_once(x): return x

@masked("=", r"z_n e^{\tanh(\hat x_n V + c)} + \sin(\hat x_n W + c)", by="one number after the other: the noise of the first says the first, and that says mu and alpha of the second; nobody waits for the last")
def drawn_in_turn(z, again, V, c, W): return z * exp(tanh(again @ V + c)) + sin(again @ W + c)

@masked(r"\left(x_n,\ \sum_d \alpha_d\right)")
def data_pair(x, alpha): return x, sum(alpha, -1)

@masked("=", r"\operatorname{autoregressiveinverse}(z_n, (\mu, \alpha))", by="a call of the network for every number")
def autoregressive_back_called(z, W, V, c): return change.autoregressive_inverse(z, lambda h: (sin(h @ W + c), tanh(h @ V + c)))

@masked("=", r"\operatorname{autoregressiveinverse}(z_n, (\mu, \alpha), (M, \dots, 1))", by="in whatever order the network was made for: here all of it stands from right to left", to=data_pair)
def mirrored_back_called(z, W, V, c, M):
    x, log_det = change.autoregressive_inverse(flip(z, -1), lambda h: (flip(sin(flip(h, -1) @ W + c), -1), flip(tanh(flip(h, -1) @ V + c), -1)), range(M)[::-1])
    return flip(x, -1), log_det

@masked(r"\left(g(x_n),\ \sum_d \log \sigma_d\right)")
def inverse_pair(g, sigma): return g, sum(log(sigma), -1)

@masked("=", r"\operatorname{autoregressive}\left(x_n, \left(-\frac{\mu}{\sigma}, -\alpha\right)\right)", by="with x as the noise this is IAF, mu + sigma x at once: a MAF, walked the other way", covers="flow-iaf")
def inverse_called(x, W, V, c): return change.autoregressive(x, lambda h: (-sin(h @ W + c) / exp(tanh(h @ V + c)), -tanh(h @ V + c)))

# ---- A posterior that bends ------------------------------------------------------------------------------------------
bent_codes = World("codes of a normal law, sent through a triangle",
    N     = size(1, 3),
    M     = size(1, 3),
    K     = size(1, 4),
    x     = tex(r"x_n",            real("N", "M")),
    eps   = tex(r"\epsilon",       real("N", "K")),
    mu    = tex(r"\mu",            real("N", "K")),
    v     = tex(r"\log \sigma^2",  real("K")),
    A     = tex(r"A",              invertible("K")),
    W     = tex(r"W",              real("M", "K")),
    L     = let(r"L",              lambda A: A - before(A)),
    z     = let(r"z_n",            lambda mu, v, eps, L: (mu + exp(v / 2) * eps) @ L.T))

posterior = Derivation("posterior", bent_codes)

r"""
A flow bends codes as well. In [a VAE](vae) $q(z \mid x)$ is a normal law, one number of the code by itself, and the posterior need
not be. So let a flow follow $\mu + \sigma \epsilon$. Where a draw has landed its density is known: that of the noise, less
the log-determinants. Here the flow is a triangle $L$, and all is normal.
"""

@posterior(r"\log \mathcal{N}(z_n; \mu L^{\top}, L \exp(\log \sigma^2) L^{\top}) + \frac{\sum_k z_n^2 + K \log 2 \pi}{2}", let=r"\log q(z_n \mid x_n) - \log p(z_n)")
def bent_law(z, mu, L, v, K): return log(N(z, mu @ L.T, L @ (exp(v)[:, None] * L.T))) + (sum(z**2, -1) + K * log(2 * pi)) / 2

@posterior("=", r"\frac{\sum_k \left(z_n^2 - \epsilon^2 - \log \sigma^2\right)}{2} - \log \lvert \det L \rvert", by="the normal law of the noise, and what each map adds")
def bent_noise(z, eps, v, L): return sum(z**2 - eps**2 - v, -1) / 2 - logdet(L)

@posterior(r"\left(-\frac{\sum_j \left(x_n - z_n W^{\top}\right)^2 + M \log 2 \pi}{2},\ \log \mathcal{N}(z_n; \mu L^{\top}, L \exp(\log \sigma^2) L^{\top}) + \frac{\sum_k z_n^2 + K \log 2 \pi}{2}\right)")
def bent_terms(x, z, W, M, mu, L, v, K): return -(sum((x - z @ W.T)**2, -1) + M * log(2 * pi)) / 2, log(N(z, mu @ L.T, L @ (exp(v)[:, None] * L.T))) + (sum(z**2, -1) + K * log(2 * pi)) / 2

@posterior("=", r"\operatorname{flowterms}(x_n, \epsilon, (\mu, \log \sigma^2), L, W)", by="what a VAE with such a q trains by: the KL is drawn, no longer summed")
def flow_terms_called(x, eps, mu, v, L, W): return vae.flow_terms(x, eps, lambda x: (mu, v + 0 * mu), lambda z: change.triangular(z, L, 0), lambda z: (z @ W.T, zeros(x.shape)))

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

# ---- Whole numbers need noise ----------------------------------------------------------------------------------------
bins = World("levels, and a density that is constant on U parts of each",
    K     = size(1, 5),
    U     = size(1, 3),
    q     = tex(r"q(k)",           simplex("K")),
    r     = tex(r"r(u \mid k)",    simplex("K", "U")),
    v     = let(r"v",              lambda U: ones(U) / U),                                            # the law of the noise
    p     = let(r"p(k + u)",       lambda q, r, U: q[:, None] * r * U))

noisy = Derivation("dequantised", bins, where=lambda r: (r > 0).all())

r"""
Grey levels are whole numbers, and a density can stand on them as high as it likes: a spike on each. So add noise $u$
between 0 and 1 to the level $k$, and fit that. What has been fitted then? A bound on $q(k)$, the mass that the density
gives to a level.
"""

@noisy(r"\log q(k)")
def level(q): return log(q)

@noisy("=", r"\log \mathbb{E}_{v}\left[p(k + u)\right]", by="the mass between k and k + 1")
def level_mass(v, p): return log(E(v, p))

@noisy(">=", r"\mathbb{E}_{v}\left[\log p(k + u)\right]", by="Jensen: a noisy density is never too good", gap=lambda v, r: KL(v, r), tight=dict(r=lambda r: ones(r.shape) / r.shape[-1]), where=lambda q: (q > 0).all())
def level_bound(v, p): return E(v, log(p))
