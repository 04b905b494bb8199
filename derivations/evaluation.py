r"""Evaluation.   Dowson and Landau 1982, Heusel et al. 2017 (FID); Theis et al. 2016   worlds: small sets of points, finite laws

A generator has no likelihood to be judged by. What can be measured of its samples alone, and what do such figures fail to see?
"""
from derivations import Derivation, World, let, tex, size, index, real, positive, simplex, unit
from derivations.divergences import half, polar
from derivations.engine.words import E, H, KL, arange, argmin, concatenate, cos, det, eigh, eigvalsh, exp, eye, log, maximum, mean, min, ones, ratio, sin, sort, sqrt, stack, sum, trace
from scratch import metrics
from scratch.probability import divergences as model


def cov(x, mu):
    """The covariance of points, unbiased."""
    return (x - mu).T @ (x - mu) / (len(x) - 1)

def factor(S):
    """A with A A' = S."""
    lam, V = eigh(S)
    return V * sqrt(maximum(lam, 0))


# ---- The Fréchet distance ------------------------------------------------------------------------------------------------------------------------------
sets = World("data and samples",
    dim     = tex(r"D",          size(1, 2)),
    n       = tex(r"n",          size(4, 6)),
    x       = tex(r"x",          real("n", "dim")),
    y       = tex(r"y",          real("n", "dim")),
    B       = tex(r"B",          real("dim", "dim")),
    a       = tex(r"a",          positive()),
    mu_r    = let(r"\mu_r",      lambda x: mean(x, 0)),
    mu_g    = let(r"\mu_g",      lambda y: mean(y, 0)),
    S_r     = let(r"\Sigma_r",   lambda x, mu_r: cov(x, mu_r)),
    S_g     = let(r"\Sigma_g",   lambda y, mu_g: cov(y, mu_g)),
    lam     = let(r"\lambda",    lambda S_r: eigvalsh(S_r)),
    A_r     = let(r"A_r",        lambda S_r: factor(S_r)),
    A_g     = let(r"A_g",        lambda S_g: factor(S_g)),
    root    = let(r"(\Sigma_r^{1/2} \Sigma_g \Sigma_r^{1/2})^{1/2}",    lambda S_r, S_g: half(half(S_r) @ S_g @ half(S_r))),
    U       = let(r"U",          lambda B: polar(B)),                                                          # orthogonal, whatever B
    U_best  = let(r"U^*",        lambda A_r, A_g: polar(A_g.T @ A_r)),
    e       = let(r"e_i",        lambda mu_r: concatenate([eye(len(mu_r)), -eye(len(mu_r))]) * len(mu_r)**0.5),     # mean 0, covariance I
    u       = let(r"u_i",        lambda e: ones(len(e)) / len(e)),
    r       = let(r"r_i",        lambda e, mu_r, A_r: e @ A_r.T + mu_r),
    g       = let(r"g_i",        lambda e, mu_g, A_g, U: e @ (A_g @ U).T + mu_g))

fid = Derivation("Fréchet distance", sets, where=lambda S_r, S_g: (det(S_r) > 1 / 4) & (det(S_g) > 1 / 4))
digits = (1e-10, "the root of a small eigenvalue loses half of its digits")

"""
Here are two clouds of points, data and samples. How far apart are they? Keep only the mean and the covariance of each, and move one normal
law onto the other: a point that moves pays the square of its way. Every way of moving costs something. How little can it be?
"""

@fid(r"\mathbb{E}_{u_i}\left[\sum_d (r_i - g_i)^2\right]", let=r"\text{a way to move one normal law to the other, each with the moments of its points}")
def moved(u, r, g): return E(u, sum((r - g)**2, 1))

r"""
For normal laws [the cheapest way is known](divergences.bures), and it reads nothing but the means $\mu$ and the covariances $\Sigma$. Taken
of what a classifier sees in images, in place of their pixels, it is the *Fréchet inception distance*, FID.
"""

@fid(">=", r"\sum_d (\mu_r - \mu_g)^2 + \operatorname{tr}(\Sigma_r + \Sigma_g - 2 (\Sigma_r^{1/2} \Sigma_g \Sigma_r^{1/2})^{1/2})", by="what the best way costs: the square of the distance W_2, not W_2 itself", tight=dict(U="U_best"),
     tol=digits, covers="fid-is-squared-w2 fid")
def fid_of_moments(mu_r, mu_g, S_r, S_g, root): return sum((mu_r - mu_g)**2) + trace(S_r + S_g - 2 * root)

@fid("=", r"\operatorname{frechetdistance}(x, y)", by="the function that is called, on the points", tol=digits, covers="fid fid-is-squared-w2")
def fid_called(x, y): return metrics.frechet_distance(x, y)

@fid("=", r"\operatorname{byrows}(x, y)", by="the same from products of rows: the singular values of A B' are those of the root", tol=digits)
def fid_by_rows(x, y): return metrics.samples.by_rows(x, y)

@fid("=", r"\frac{1}{7} \operatorname{frechetdistance}((x, x, x, x, x, x, x), (y, y, y, y, y, y, y))", by="each column seven times, more than there are rows: every square counts seven times", tol=digits)
def seven_times(x, y): return 1 / 7 * metrics.frechet_distance(concatenate([x, x, x, x, x, x, x], 1), concatenate([y, y, y, y, y, y, y], 1))

@fid(">=", r"0", by="a sum of squares, 0 for the same points in any order", tight=dict(y=lambda x: x[::-1]), covers="fid-lower-is-closer")
def never_negative(): return 0.0

"""
What does it fail to see? Whatever mean and covariance do not hold. So make other points with the same two, and it reports that nothing has
changed.
"""

@fid(r"\operatorname{frechetdistance}(x, 2 \mu_r - x)", let=r"\text{points mirrored at their mean: the same moments}")
def mirrored(x, mu_r): return metrics.frechet_distance(x, 2 * mu_r - x)

@fid("=", r"0", by="it sees the moments only, and not that these are other points", covers="fid-lower-is-closer")
def blind(): return 0.0

"""
And what does it see? Noise, for one. Add some of deviation $a$ to all data: the covariance grows, and the distance with it.
"""

@fid(r"\operatorname{frechet}(\mu_r, \Sigma_r, \mu_r, \Sigma_r + a^2 I)", let=r"\text{noise of deviation } a")
def noisy(mu_r, S_r, a): return model.frechet(mu_r, S_r, mu_r, S_r + a**2 * eye(len(S_r)))

@fid("=", r"\sum_d (\sqrt{\lambda + a^2} - \sqrt{\lambda})^2", by="along each axis of the data, lambda its variance: the more noise the further", tol=digits)
def by_axes(lam, a): return sum((sqrt(lam + a**2) - sqrt(lam))**2)


# ---- The same on a line --------------------------------------------------------------------------------------------------------------------------------
line = Derivation("Fréchet distance on the line", World("data and samples on the line", base=sets, dim=size(1, 1)))

"""
Where a sample is one number, the covariance is a variance and its root an ordinary one. Then the formula shows what it is: two squared
differences.
"""

@line(r"\operatorname{frechetdistance}(x, y)")
def on_the_line(x, y): return metrics.frechet_distance(x, y)

@line("=", r"\sum_d \left((\mu_r - \mu_g)^2 + (\sqrt{\Sigma_r} - \sqrt{\Sigma_g})^2\right)", by="so it is 0 only where both the means and the deviations agree", covers="fid-lower-is-closer")
def two_squares(mu_r, mu_g, S_r, S_g): return sum((mu_r - mu_g)**2 + (sqrt(S_r[0]) - sqrt(S_g[0]))**2)


# ---- How many modes ------------------------------------------------------------------------------------------------------------------------------------
scattered = World("samples near modes",
    K       = size(2, 3),
    N       = tex(r"N",          size(2, 4)),
    x       = tex(r"x_i",        index(8, "N", 2)),
    mu      = tex(r"\mu_k",      index(8, "K", 2)),
    r       = tex(r"r",          index(4)),
    far     = let(r"\lVert x_i - \mu_k \rVert",    lambda x, mu: sqrt(sum((x[:, None] - mu)**2, 2))))

modes = Derivation("mode count", scattered, where=lambda far: (sort(far, 1)[:, 1] > sort(far, 1)[:, 0]).all())

r"""
A *mode* is a place where data crowd. In toy data we know these places $\mu_k$, and so we can count: which share of the samples falls near
each of them? Near means closer to it than to any other, and within $r$.
"""

@modes(r"\frac{1}{N} \left|\{i : \operatorname{argmin}_{k'} \lVert x_i - \mu_{k'} \rVert = k,\ \lVert x_i - \mu_k \rVert \leq r\}\right|")
def shares(far, r): return mean((argmin(far, 1)[:, None] == arange(far.shape[1])) & (far <= r), 0)

@modes("=", r"\operatorname{coverage}(x, \mu_k, r)", by="the function that is called", covers="eval-mode-count")
def counted(x, mu, r): return metrics.coverage(x, mu, r)

"""
How many are hit at all? A generator that knows a single mode may draw it well, and no sample, looked at alone, gives it away. This count
does.
"""

@modes(r"\left|\{k : \min_i \lVert x_i - \mu_k \rVert \leq r\}\right| \text{ modes}")
def seen(far, r): return sum(min(far, 0) <= r)

@modes("=", r"\left|\{k : \operatorname{coverage}(x, \mu_k, r) > 0\}\right|", by="a mode is missed where no sample is near: circles that do not meet share none", where=lambda mu, r: sum(sum((mu[:, None] - mu)**2, 2) <= 4 * r**2) == len(mu),
       covers="eval-mode-count")
def seen_called(x, mu, r): return sum(metrics.coverage(x, mu, r) > 0)


# ---- Is it a copy --------------------------------------------------------------------------------------------------------------------------------------
pairs = World("samples and training data",
    dim     = tex(r"D",          size(1, 3)),
    n       = size(2, 4),
    m       = size(2, 5),
    x       = tex(r"x",          real("n", "dim")),
    data    = tex(r"x_i",        real("m", "dim")),
    far     = let(r"\lVert x - x_i \rVert",  lambda x, data: sqrt(sum((x[:, None] - data)**2, 2))))

nearest = Derivation("nearest neighbour", pairs)

"""
A generator that copies its training data passes both tests above: same moments, all modes. So show each sample beside the training example
nearest to it. A distance of 0 is a copy.
"""

@nearest(r"\min_i \lVert x - x_i \rVert")
def least(far): return min(far, 1)

@nearest("=", r"\operatorname{nearest}(x, x_i)_2", by="by the products with all of them; then one difference, which is 0 for a copy")
def nearest_called(x, data): return metrics.nearest(x, data)[1]

@nearest(r"\operatorname{argmin}_i \lVert x - x_i \rVert")
def which(far): return argmin(far, 1)

@nearest("=", r"\operatorname{nearest}(x, x_i)_1", by="and which one it is, where there is one", where=lambda far: (sort(far, 1)[:, 1] > sort(far, 1)[:, 0]).all(), covers="eval-nearest-neighbour")
def which_called(x, data): return metrics.nearest(x, data)[0]


# ---- What a likelihood says ----------------------------------------------------------------------------------------------------------------------------
laws = World("data, a model, and a model that misses modes",
    X       = size(1, 5),
    p       = tex(r"p_{\mathrm{data}}",  simplex("X")),
    q       = tex(r"p_\theta",           simplex("X")),
    kept    = tex(r"c",                  index(2, "X")),
    part    = let(r"p_c",                lambda p, kept: ratio(p * kept, sum(p * kept))))

likelihood = Derivation("likelihood and samples", laws)

"""
Some models do have a likelihood. Does a better one mean better samples? At the very top it does: the highest belongs to the law of the data
itself, whose samples are as good as samples can be. Below the top, the second half of this section has an example.
"""

@likelihood(r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log p_\theta\right]")
def expected(p, q): return E(p, log(q))

@likelihood("<=", r"-\mathrm{H}(p_{\mathrm{data}})", by="a KL is never negative: the law of the data has the highest likelihood, and the best samples", tight=dict(q="p"), gap=lambda p, q: KL(p, q),
            covers="eval-optimal-model-both")
def highest(p): return -H(p)

@likelihood("argmax", r"p_{\mathrm{data}}", of=expected, over="q", by="and no other law has", covers="eval-optimal-model-both")
def best(p): return p

r"""
Now a bad model on purpose: once in a hundred times it draws from the law of the data, else from any $p_\theta$, call it noise. Nearly all
of its samples are useless. What does it pay for that? Keep in mind that an image easily costs hundreds of nats.
"""

@likelihood(r"-\log\left(0.01\, p_{\mathrm{data}} + 0.99\, p_\theta\right)", let=r"\text{of a hundred samples ninety-nine are noise}")
def diluted(p, q): return -log(0.01 * p + 0.99 * q)

@likelihood("<=", r"-\log p_{\mathrm{data}} + \log 100", by="the rest can only help: at most 4.6 nats an example, whatever its dimension", gap=lambda p, q: log(1 + 99 * q / p), where=lambda p: (p > 0).all(),
            covers="eval-likelihood-vs-quality")
def at_most(p): return -log(p) + log(100)


# ---- Modes left out ------------------------------------------------------------------------------------------------------------------------------------
missing = Derivation("missed modes", laws, where=lambda p, kept: (sum(p * kept) > 0) & (sum(p * kept) < 1 - 1e-9))

"""
A generator leaves some modes out and is perfect on the others: $c$ is 1 where it draws and 0 where it does not. What does it pay? That
depends on the direction of the KL. First the one that asks its own samples.
"""

@missing(r"\mathrm{KL}(p_c \,\Vert\, p_{\mathrm{data}})", let=r"\text{what a generator pays for modes that it leaves out}")
def reverse(part, p): return KL(part, p)

@missing("=", r"-\log \sum_x c\, p_{\mathrm{data}}", by="everywhere the ratio is one over what it kept", covers="eval-mle-covers-gan-penalises-fake")
def kept_mass(kept, p): return -log(sum(kept * p))

r"""
The other direction asks the data, as a likelihood does. There a single place that it misses is enough. (The line takes $\exp$ of the KL
with a minus before it, so that infinity becomes a plain 0.) No single figure judges a generator, then; and a formula may be worse than its
figure: see [the slips](slips).
"""

@missing(r"\exp(-\mathrm{KL}(p_{\mathrm{data}} \,\Vert\, p_c))", let=r"\text{and the likelihood's side}")
def forward(p, part): return exp(-KL(p, part))

@missing("=", r"0", by="a log-likelihood of minus infinity where data lie in a mode that was missed", covers="eval-mle-covers-gan-penalises-fake")
def infinite(): return 0.0


# ---- Arithmetic of codes -------------------------------------------------------------------------------------------------------------------------------
linear = World("a linear generator",
    Z       = size(1, 3),
    dim     = size(1, 3),
    W       = tex(r"W",          real("dim", "Z")),
    b       = tex(r"b",          real("dim")),
    z_a     = tex(r"z_a",        real("Z")),
    z_b     = tex(r"z_b",        real("Z")),
    z_c     = tex(r"z_c",        real("Z")),
    t       = tex(r"t",          unit(closed=True)))

codes = Derivation("codes of a linear generator", linear)

"""
Codes can be added, subtracted and mixed. Do their images follow? If the generator is linear they do, line by line below. If it is not, this
is a hope, and one looks at pictures.
"""

@codes(r"(W z_a + b) - (W z_b + b) + (W z_c + b)", let=r"\text{images: with glasses, without, another without}")
def images(W, z_a, z_b, z_c, b): return (W @ z_a + b) - (W @ z_b + b) + (W @ z_c + b)

@codes("=", r"W \operatorname{arithmetic}(z_a, z_b, z_c) + b", by="linear: the arithmetic of codes is that of images", covers="latent-arithmetic")
def arithmetic_called(W, z_a, z_b, z_c, b): return W @ metrics.arithmetic(z_a, z_b, z_c) + b

@codes(r"(1 - t)(W z_a + b) + t (W z_b + b)", let=r"\text{one image fades into the other}")
def fading(W, z_a, z_b, b, t): return (1 - t) * (W @ z_a + b) + t * (W @ z_b + b)

@codes("=", r"W \operatorname{lerp}(z_a, z_b, t) + b", by="a straight way of codes gives a straight way of images", covers="latent-interpolation")
def straight_called(W, z_a, z_b, b, t): return W @ metrics.lerp(z_a, z_b, t) + b


# ---- Round a circle ------------------------------------------------------------------------------------------------------------------------------------
round = World("two codes in a plane",
    s       = tex(r"s",          positive()),
    h       = tex(r"h",          positive()),
    a       = tex(r"a",          real()),
    w       = tex(r"w",          unit(closed=True)),
    t       = tex(r"t",          unit(closed=True)),
    z0      = let(r"z_0",        lambda s, a: s * stack([cos(a), sin(a)])),
    z1      = let(r"z_1",        lambda s, a, w: s * stack([cos(a + 3 * w), sin(a + 3 * w)])))

circle = Derivation("the great circle", round)

"""
Take two codes equally far from 0. The straight way between them cuts the corner: half-way it is nearer to 0, where in many dimensions a
normal law has hardly any codes. *Slerp* goes round the circle instead, at even speed.
"""

@circle(r"s (\cos(a + 3 t w), \sin(a + 3 t w))", let=r"\text{part of the angle } 3w")
def part_way(s, a, w, t): return s * stack([cos(a + 3 * t * w), sin(a + 3 * t * w)])

@circle("=", r"\operatorname{slerp}(z_0, z_1, t)", by="the norm stays what it is, the angle grows evenly")
def circle_called(z0, z1, t): return metrics.slerp(z0, z1, t)

@circle(r"\frac{\sin(3 w (1 - t)) z_0 + \sin(3 w t) h z_1}{\sin(3 w)}")
def shoemake(w, t, z0, h, z1): return (sin(3 * w * (1 - t)) * z0 + sin(3 * w * t) * h * z1) / sin(3 * w)

@circle("=", r"\operatorname{slerp}(z_0, h z_1, t)", by="the same for codes of two lengths", where=lambda w: w > 0)
def two_lengths_called(z0, h, z1, t): return metrics.slerp(z0, h * z1, t)
