r"""Evaluation.   Dowson and Landau 1982, Heusel et al. 2017 (FID); Efron and Stein 1981 (the jackknife); Bińkowski et al. 2018 (KID); Kynkäänniemi et al. 2019, Naeem et al. 2020 (precision to coverage); Salimans et al. 2016 (inception score); Wang et al. 2004 (SSIM); Theis et al. 2016   worlds: small sets of points, finite laws

A generator has no likelihood to be judged by. What can be measured of its samples alone, and what do such figures fail to see?
"""
import itertools

from derivations import Derivation, World, let, tex, size, index, real, positive, simplex, unit
from derivations.divergences import half, polar
from derivations.engine.words import (E, H, JS, KL, abs, arange, argmin, asarray, concatenate, cos, det, diagonal, eigh, eigvalsh, exp, eye, log, max, maximum, mean, min, ones,
                                      prod, ratio, sin, sort, sqrt, stack, sum, trace, where)
from scratch import metrics
from scratch.data.levels import bits_per_dim
from scratch.metrics import fidelity, manifolds, samples
from scratch.metrics.jackknife import jackknife
from scratch.probability import divergences as model


def cov(x, mu):
    """The covariance of points, unbiased."""
    return (x - mu).T @ (x - mu) / (len(x) - 1)

def factor(S):
    """A with A A' = S."""
    lam, V = eigh(S)
    return V * sqrt(maximum(lam, 0))

def bump(size, sigma):
    """The weights of a normal law on a window of size x size pixels, [size^2]."""
    away = (arange(size**2) // size - size // 2)**2 + (arange(size**2) % size - size // 2)**2
    return exp(-away / (2 * sigma**2)) / sum(exp(-away / (2 * sigma**2)))

def untied(s):
    """Has no point two others as far from it?"""
    far = sort(sum((s[:, None] - s)**2, 2), 1)
    return (far[:, 1:] > far[:, :-1]).all()


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


# ---- Too few samples -----------------------------------------------------------------------------------------------------------------------------------
sampled = World("every draw of samples from two laws",
    Z       = size(1, 2),
    dim     = tex(r"D",          size(1, 2)),
    n       = tex(r"n",          size(2, 3)),
    m       = tex(r"m",          size(2, 3)),
    p       = tex(r"p",          simplex("Z")),
    q       = tex(r"q",          simplex("Z")),
    a       = tex(r"a",          real("Z", "dim")),                                                            # what may be drawn
    i       = let(r"i",          lambda Z, n: arange(Z**n)[:, None] // Z**arange(n) % Z),                      # [Z^n, n]: every way to draw
    j       = let(r"j",          lambda Z, m: arange(Z**m)[:, None] // Z**arange(m) % Z),
    P       = let(r"P(x, y)",    lambda p, q, i, j: prod(p[i], 1)[:, None] * prod(q[j], 1)),                   # [Z^n, Z^m]: how likely it is
    x_bar   = let(r"\bar x",     lambda a, i: mean(a[i], 1)[:, None]),
    y_bar   = let(r"\bar y",     lambda a, j: mean(a[j], 1)),
    mu_p    = let(r"\mu_p",      lambda p, a: p @ a),
    mu_q    = let(r"\mu_q",      lambda q, a: q @ a),
    v_p     = let(r"\sigma_p^2", lambda p, a, mu_p: sum(p @ a**2) - sum(mu_p**2)),                             # the variances of all columns
    v_q     = let(r"\sigma_q^2", lambda q, a, mu_q: sum(q @ a**2) - sum(mu_q**2)),
    K       = let(r"k(a, a')",   lambda a, dim: (a @ a.T / dim + 1)**3),                                       # [Z, Z]
    K_xx    = let(r"\bar k(x, x)",  lambda K, i: mean(K[i[:, :, None], i[:, None]], (1, 2))[:, None]),         # all pairs, a sample with itself too
    K_yy    = let(r"\bar k(y, y)",  lambda K, j: mean(K[j[:, :, None], j[:, None]], (1, 2))),
    K_xy    = let(r"\bar k(x, y)",  lambda K, i, j: mean(K[i[:, None, :, None], j[:, None]], (2, 3))),
    s       = let(r"s",          lambda a, dim: a[0] @ a[0] / dim))

few = Derivation("few samples", sampled)

r"""
The distance is asked about laws and answers about samples. Does that matter? The picture says so: 2000 samples are few. To see why, draw $n$
samples from $p$ and $m$ from $q$, in every way that there is, each with its chance $P$, and look at their means.
"""

@few(r"\sum_{x, y} P(x, y) \sum_d (\bar x - \bar y)^2", let=r"\text{the squared distance of the means, on average}")
def apart(P, x_bar, y_bar): return sum(P * sum((x_bar - y_bar)**2, 2))

@few("=", r"\sum_d (\mu_p - \mu_q)^2 + \frac{\sigma_p^2}{n} + \frac{\sigma_q^2}{m}", by="a mean of n draws misses by a variance over n, and nothing cancels in a square")
def apart_by(mu_p, mu_q, v_p, n, v_q, m): return sum((mu_p - mu_q)**2) + v_p / n + v_q / m

@few(">=", r"\sum_d (\mu_p - \mu_q)^2", by="so it is too large, even where both laws are the same: compare equal n only", gap=lambda v_p, n, v_q, m: v_p / n + v_q / m)
def apart_in_truth(mu_p, mu_q): return sum((mu_p - mu_q)**2)


# ---- The whole distance, on the line --------------------------------------------------------------------------------------------------------------------
few_on_the_line = Derivation("few samples on the line", World("every draw of numbers from two laws", base=sampled, dim=size(1, 1),
    S_x     = let(r"\Sigma_x",   lambda a, i, x_bar, n: sum((a[i][:, None] - x_bar[:, :, None])**2, (2, 3)) / (n - 1)),
    S_y     = let(r"\Sigma_y",   lambda a, j, y_bar, m: sum((a[j] - y_bar[:, None])**2, (1, 2)) / (m - 1))))

r"""
That was the part of the means. The other, of the deviations, only adds to it. On the line the sum over all draws is done for the function
itself.
"""

@few_on_the_line(r"\sum_{x, y} P(x, y) \operatorname{frechetdistance}(x, y)")
def mean_distance(P, a, i, j): return sum(P * stack([stack([metrics.frechet_distance(x, y) for y in a[j]]) for x in a[i]]))

@few_on_the_line(">=", r"\sum_d (\mu_p - \mu_q)^2 + \frac{\sigma_p^2}{n} + \frac{\sigma_q^2}{m}", by="the deviations differ too, by chance", tol=digits,
                 gap=lambda P, S_x, S_y: sum(P * (sqrt(S_x) - sqrt(S_y))**2))
def of_the_means(mu_p, mu_q, v_p, n, v_q, m): return sum((mu_p - mu_q)**2) + v_p / n + v_q / m


# ---- What the samples themselves say of it -------------------------------------------------------------------------------------------------------------
left_out = World("few samples, and few data",
    dim     = tex(r"D",          size(1, 2)),
    n       = tex(r"n",          size(3, 4)),
    m       = tex(r"m",          size(3, 4)),
    x       = tex(r"x",          real("n", "dim")),
    y       = tex(r"y",          real("m", "dim")),
    x_bar   = let(r"\bar x",     lambda x: mean(x, 0)),
    y_bar   = let(r"\bar y",     lambda y: mean(y, 0)),
    S_x     = let(r"\Sigma_x",   lambda x, x_bar: cov(x, x_bar)),
    a       = let(r"a",          lambda n: n // 2),
    b       = let(r"b",          lambda n, a: n - a),
    x_a     = let(r"\bar x_a",   lambda x, a: mean(x[:a], 0)),
    x_b     = let(r"\bar x_b",   lambda x, a: mean(x[a:], 0)),
    S_y     = let(r"\Sigma_y",   lambda y, y_bar: cov(y, y_bar)),
    v_x     = let(r"\sigma_x^2", lambda S_x: diagonal(S_x)),
    v_y     = let(r"\sigma_y^2", lambda S_y: diagonal(S_y)))

leave_one = Derivation("the jackknife", left_out)

"""
How much of a figure is the few samples' fault? Ask them: leave one out and see what changes. This is the *jackknife*. Of the means' distance
we know what it should find: a variance over $n$, from each side.
"""

@leave_one(r"\sum_d (\bar x - \bar y)^2 - \frac{\operatorname{tr} \Sigma_x}{n} - \frac{\operatorname{tr} \Sigma_y}{m}", let=r"\text{on average the truth}")
def corrected(x_bar, y_bar, S_x, n, S_y, m): return sum((x_bar - y_bar)**2) - trace(S_x) / n - trace(S_y) / m

@leave_one("=", r"f(x, y) - \operatorname{jackknife}(f, x, y)_2,\ f = \sum_d (\bar x - \bar y)^2", by="what is c/n too large is taken out, all of it")
def jackknife_called(x, y):
    value, bias, _ = jackknife(lambda x, y: sum((mean(x, 0) - mean(y, 0))**2), x, y)
    return value - bias

@leave_one("=", r"\operatorname{kerneldistance}(x, y, x^\top y)", by="and so does a mean over pairs of different samples, which has no bias to begin with")
def linear_kernel(x, y): return samples.kernel_distance(x, y, lambda x, y: x @ y.T)

@leave_one(r"\operatorname{jackknife}(\operatorname{kerneldistance}, x, y)_2")
def bias_of_pairs(x, y): return jackknife(samples.kernel_distance, x, y)[1]

@leave_one("=", r"0", by="where there is no bias none is found", tol=(1e-9, "cubes of products, and their differences"))
def no_bias(): return 0.0

@leave_one(r"\left(0\, \bar x,\ \sqrt{\frac{\sigma_x^2}{n} + \frac{\sigma_y^2}{m}}\right)", let=r"\text{the bias and the standard error of } \bar x - \bar y")
def error_of_means(x_bar, v_x, n, v_y, m): return 0 * x_bar, sqrt(v_x / n + v_y / m)

@leave_one("=", r"\operatorname{jackknife}(\bar x - \bar y, x, y)_{2, 3}", by="of a mean it is the error that everyone knows; of other figures there may be no formula")
def error_called(x, y): return jackknife(lambda x, y: mean(x, 0) - mean(y, 0), x, y)[1:]

"""
Large sets are left out by groups, to save time. Two groups of $a$ and $b$ rows, not even alike in size, show what is then found: how far
apart the means of both are.
"""

@leave_one(r"\left(\frac{a b}{n^2} \sum_d (\bar x_a - \bar x_b)^2,\ \frac{\sqrt{a b}}{n} \left|\bar x_a - \bar x_b\right|\right)")
def by_halves(a, b, n, x_a, x_b): return a * b / n**2 * sum((x_a - x_b)**2), sqrt(a * b) / n * abs(x_a - x_b)

@leave_one("=", r"\left(\operatorname{jackknife}(\sum_d \bar x^2, x)_2,\ \operatorname{jackknife}(\bar x, x)_3\right) \text{ of two groups}", by="the bias of the square is the square of the error, in each column")
def halves_called(x): return jackknife(lambda x: sum(mean(x, 0)**2), x, groups=2)[1], jackknife(lambda x: mean(x, 0), x, groups=2)[2]


# ---- A distance without a bias -------------------------------------------------------------------------------------------------------------------------
powers = Derivation("kernel distance on the line", World("two laws of numbers", base=sampled, dim=size(1, 1)))

"""
Means and covariances are not all there is. Compare the means of the cubes as well, on the line first. It turns out that no feature has to
be written down: a *kernel* of two samples does it, and the kernel here is a cube.
"""

@powers(r"3 (\mathbb{E}_{p}[a] - \mathbb{E}_{q}[a])^2 + 3 (\mathbb{E}_{p}[a^2] - \mathbb{E}_{q}[a^2])^2 + (\mathbb{E}_{p}[a^3] - \mathbb{E}_{q}[a^3])^2", let=r"\text{the first three powers, their means compared}")
def three_powers(p, q, a): return 3 * (E(p, a[:, 0]) - E(q, a[:, 0]))**2 + 3 * (E(p, a[:, 0]**2) - E(q, a[:, 0]**2))**2 + (E(p, a[:, 0]**3) - E(q, a[:, 0]**3))**2

@powers("=", r"\sum_{a, a'} (p - q)\, k(a, a')\, (p - q)'", by="the terms of (a a' + 1)^3: this is a distance of means, in a space of powers")
def kernel_trick(p, q, K): return sum((p - q)[:, None] * K * (p - q))


# ---- Pairs of different samples -------------------------------------------------------------------------------------------------------------------------
kernels = Derivation("kernel distance", sampled)

r"""
In any number of dimensions $k(a, a') = (a^{\top} a' / D + 1)^3$. The *maximum mean discrepancy* asks: are pairs from one law more alike than
pairs of one from each? From samples, take pairs of two *different* ones. Of images' features this is KID.
"""

@kernels(r"\sum_{a, a'} p\, k(a, a')\, p' + \sum_{a, a'} q\, k(a, a')\, q' - 2 \sum_{a, a'} p\, k(a, a')\, q'", let=r"\mathrm{MMD}^2")
def mmd(p, q, K): return sum(p[:, None] * K * p) + sum(q[:, None] * K * q) - 2 * sum(p[:, None] * K * q)

@kernels("=", r"\sum_{x, y} P(x, y) \operatorname{kerneldistance}(x, y)", by="over all draws: right on average, for any n and m of 2 or more", tol=(1e-11, "cubes of products, and their differences"), covers="eval-kid")
def kid_called(P, a, i, j): return sum(P * stack([stack([samples.kernel_distance(x, y) for y in a[j]]) for x in a[i]]))

@kernels(">=", r"0", to=mmd, by="a squared distance in the space of powers", tight=dict(q="p"), tol=(1e-11, "cubes of products, and their differences"), covers="eval-kid")
def mmd_positive(): return 0.0

@kernels(r"\sum_{x, y} P(x, y) \left(\bar k(x, x) + \bar k(y, y) - 2 \bar k(x, y)\right)", let=r"\text{all pairs, a sample with itself too}")
def all_pairs(P, K_xx, K_yy, K_xy): return sum(P * (K_xx + K_yy - 2 * K_xy))

@kernels(">=", r"\sum_{a, a'} (p - q)\, k(a, a')\, (p - q)'", by="on average nothing is as much like a sample as itself: more than MMD^2, as the distance above",
         gap=lambda p, q, K, n, m: (sum(p * diagonal(K)) - p @ K @ p) / n + (sum(q * diagonal(K)) - q @ K @ q) / m, tol=(1e-11, "cubes of products, and their differences"))
def all_pairs_too_large(p, q, K): return sum((p - q)[:, None] * K * (p - q))

"""
The price of a figure that is right on average: some draws lie below 0. Do not clip them, or the average is wrong again.
"""

@kernels(r"\operatorname{kerneldistance}((a, -a), (a, -a)) \text{, for the first } a", let=r"\text{twice the same two points}")
def twice_the_same(a): return samples.kernel_distance(stack([a[0], -a[0]]), stack([a[0], -a[0]]))

@kernels("=", r"-6 s - 2 s^3", by="with s = a a / D. Each is less like its partner than like itself: negative", covers="eval-kid")
def negative(s): return -6 * s - 2 * s**3


# ---- Good samples, and all of the data -----------------------------------------------------------------------------------------------------------------
balls = World("samples and data on a grid",
    n       = tex(r"n",          size(3, 7)),
    m       = tex(r"m",          size(3, 5)),
    k       = tex(r"k",          size(1, 2)),
    x       = tex(r"x_i",        index(5, "n", 2)),                                                            # whole numbers: the border counts
    y       = tex(r"y_j",        index(5, "m", 2)),
    far     = let(r"\lVert x_i - y_j \rVert",  lambda x, y: sqrt(sum((x[:, None] - y)**2, 2))),                # [n, m]
    r_x     = let(r"r_i",        lambda x, k: sort(sqrt(sum((x[:, None] - x)**2, 2)), 1)[:, k][:, None]),      # to the k-th neighbour; the 0-th is oneself
    r_y     = let(r"r_j",        lambda y, k: sort(sqrt(sum((y[:, None] - y)**2, 2)), 1)[:, k]),
    b       = let(r"b_{ij}",     lambda far, r_y: 1.0 * (far <= r_y)),                                         # 1 where x_i is in the ball of y_j
    c       = let(r"c_{ij}",     lambda far, r_x: 1.0 * (far <= r_x)))                                         # and y_j in that of x_i

spheres = Derivation("manifolds", balls)

r"""
One number cannot say whether samples are bad or too much alike. Two can. Draw a ball around each of the data $y_j$, as far as its $k$-th
neighbour. Let $b_{ij}$ be 1 where the sample $x_i$ is in there, else 0. Which share of the samples is in any ball? That is *precision*.
"""

@spheres(r"\lVert x_i - y_j \rVert^2")
def squares(far): return far**2

@spheres("=", r"\operatorname{squared}(x_i^\top, y_j^\top)", by="as it is called: a sum of squared differences, so that equal ones are equal to the last bit")
def squared_called(x, y): return manifolds._squared(x.T, y.T)

@spheres(r"\frac{1}{n} \sum_i \max_j b_{ij}", let=r"\text{samples that are in some ball of the data}")
def in_some_ball(n, b): return 1 / n * sum(max(b, 1))

@spheres("=", r"\operatorname{precision}(x_i, y_j, k)", by="the function that is called")
def precision_called(x, y, k): return manifolds.precision(x, y, k)

r"""
Now with the parts exchanged: balls around the samples, $c_{ij}$ being 1 where that of $x_i$ holds $y_j$. Which share of the data is in any?
That is *recall*. Who draws one mode, but well, has all of the first and little of the second.
"""

@spheres(r"\frac{1}{m} \sum_j \max_i c_{ij}", let=r"\text{data that are in some ball of the samples}")
def found_again(m, c): return 1 / m * sum(max(c, 0))

@spheres("=", r"\operatorname{recall}(x_i, y_j, k)", by="the function that is called")
def recall_called(x, y, k): return manifolds.recall(x, y, k)

@spheres("=", r"\operatorname{precision}(y_j, x_i, k)", by="samples and data change places")
def changed_places(x, y, k): return manifolds.precision(y, x, k)

r"""
One stray sample has a huge ball, and recall grows with it. So keep to the balls of the data, which are sound: count how many each sample is in
(*density*), and how many hold a sample at all (*coverage*).
"""

@spheres(r"\frac{1}{k n} \sum_{i, j} b_{ij}", let=r"\text{in how many balls of the data a sample is, over } k")
def in_how_many(k, n, b): return 1 / (k * n) * sum(b)

@spheres("=", r"\operatorname{density}(x_i, y_j, k)", by="the function that is called")
def density_called(x, y, k): return manifolds.density(x, y, k)

@spheres(r"\frac{1}{m} \sum_j \max_i b_{ij}", let=r"\text{balls of the data that hold a sample}")
def not_empty(m, b): return 1 / m * sum(max(b, 0))

@spheres("=", r"\operatorname{coverage}(x_i, y_j, k)", by="the function that is called")
def coverage_called(x, y, k): return manifolds.coverage(x, y, k)

@spheres("=", r"\operatorname{manifoldfigures}(x_i, y_j, k)_4", by="the last of all four, which come together")
def manifolds_called(x, y, k): return manifolds.manifold_figures(x, y, k)[3]


# ---- What a perfect generator gets ---------------------------------------------------------------------------------------------------------------------
split = World("points of one law",
    n       = tex(r"n",          size(3, 3)),
    m       = tex(r"m",          size(3, 4)),
    k       = tex(r"k",          size(1, 2)),
    x       = tex(r"x_i",        real("n", 2)),
    y       = tex(r"y_j",        real("m", 2)),
    s       = let(r"s",          lambda x, y: concatenate([x, y])),
    c       = let(r"c",          lambda n, m: asarray([*itertools.combinations(range(n + m), n)])),            # [ways, n]: who are called samples
    others  = let(r"\bar c",     lambda n, m, c: asarray([[j for j in range(n + m) if j not in i] for i in c.tolist()])),
    i       = let(r"i",          lambda k: arange(1, k + 1)))

chance = Derivation("figures by chance", split, where=lambda s: untied(s))

"""
What do these figures say of a perfect generator? Its samples and the data come from one law; so who is called which is a matter of chance.
Split the same points in every way, and take the mean.
"""

@chance(r"\text{mean of } \operatorname{density}(s_c, s_{\bar c}, k) \text{ over all splits } c")
def mean_density(s, c, others, k): return mean(stack([manifolds.density(s[i], s[j], k) for i, j in zip(c, others)]))

@chance("=", r"1", by="before the k-th of m - 1 other data come k n / m samples, in the mean, and there are m balls. More than 1 is possible, and no praise")
def one(): return 1.0

@chance(r"\text{mean of } \operatorname{coverage}(s_c, s_{\bar c}, k) \text{ over all splits } c")
def mean_coverage(s, c, others, k): return mean(stack([manifolds.coverage(s[i], s[j], k) for i, j in zip(c, others)]))

@chance("=", r"1 - \prod_{i=1}^{k} \frac{m - i}{n + m - i}", by="a ball is empty where the nearest k are all data: on average even the perfect generator gets less than 1")
def by_ranks(n, m, i): return 1 - prod((m - i) / (n + m - i))

@chance(r"\operatorname{manifoldfigures}(s, s, k)", let=r"\text{and a copy of the data}")
def of_copies(s, k): return manifolds.manifold_figures(s, s, k)

@chance("=", r"\left(1, 1, \frac{k + 1}{k}, 1\right)", by="gets the best of all figures: see whether samples are copies, below")
def best_of_all(k): return asarray([1.0, 1.0, (k + 1) / k, 1.0])


# ---- How many modes ------------------------------------------------------------------------------------------------------------------------------------
scattered = World("samples near modes",
    K       = size(2, 3),
    N       = tex(r"N",          size(2, 4)),
    x       = tex(r"x_i",        index(8, "N", 2)),
    mu      = tex(r"\mu_k",      index(8, "K", 2)),
    r       = tex(r"r",          index(4)),
    far     = let(r"\lVert x_i - \mu_k \rVert",    lambda x, mu: sqrt(sum((x[:, None] - mu)**2, 2))),
    b       = let(r"b_{ik}",     lambda far, r: 1.0 * (far <= r)))

modes = Derivation("mode count", scattered, where=lambda far: (sort(far, 1)[:, 1] > sort(far, 1)[:, 0]).all())

r"""
A *mode* is a place where data crowd. In toy data we know these places $\mu_k$, and so we can count: which share of the samples falls near
each of them? Near means closer to it than to any other, and within $r$.
"""

@modes(r"\frac{1}{N} \left|\{i : \operatorname{argmin}_{k'} \lVert x_i - \mu_{k'} \rVert = k,\ \lVert x_i - \mu_k \rVert \leq r\}\right|")
def shares(far, r): return mean((argmin(far, 1)[:, None] == arange(far.shape[1])) & (far <= r), 0)

@modes("=", r"\operatorname{modeshares}(x_i, \mu_k, r)", by="the function that is called", covers="eval-mode-count")
def counted(x, mu, r): return metrics.mode_shares(x, mu, r)

"""
How many are hit at all? A generator that knows a single mode may draw it well, and no sample, looked at alone, gives it away. This count
does.
"""

@modes(r"\sum_k \max_i b_{ik}", let=r"\text{modes with a sample within } r \text{, } b_{ik} \text{ being 1 where } x_i \text{ is}")
def seen(b): return sum(max(b, 0))

@modes("=", r"\sum_k \left[\operatorname{modeshares}(x_i, \mu_k, r) > 0\right]", by="a mode is missed where no sample is near: circles that do not meet share none", where=lambda mu, r: sum(sum((mu[:, None] - mu)**2, 2) <= 4 * r**2) == len(mu),
       covers="eval-mode-count")
def seen_called(x, mu, r): return sum(metrics.mode_shares(x, mu, r) > 0)


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
A generator that copies its training data passes all tests above: same moments, full balls, all modes. So show each sample beside the training example
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


# ---- What a classifier says ----------------------------------------------------------------------------------------------------------------------------
classified = World("samples that a classifier has seen",
    N       = size(1, 4),
    C       = tex(r"C",          size(1, 3)),
    p_y_x   = tex(r"p(y \mid x)",  simplex("N", "C")),
    p_y     = let(r"p(y)",         lambda p_y_x: mean(p_y_x, 0)))

inception = Derivation("inception score", classified)

r"""
A classifier looks at each sample $x$ and says what it is, $p(y \mid x)$. Of good samples it is sure, and over all of them it has seen every
class. The *inception score* asks for both, of samples alone; the data are not even looked at.
"""

@inception(r"\exp\left(\frac{1}{N} \sum_x \mathrm{KL}(p(y \mid x) \,\Vert\, p(y))\right)")
def score(p_y_x, p_y, N): return exp(1 / N * sum(KL(p_y_x, p_y)))

@inception("=", r"\exp\left(\mathrm{H}(p(y)) - \frac{1}{N} \sum_x \mathrm{H}(p(y \mid x))\right)", by="the exponential of what a sample says of its class: their mutual information", covers="eval-inception-score")
def by_entropies(p_y, p_y_x, N): return exp(H(p_y) - 1 / N * sum(H(p_y_x)))

@inception("=", r"\operatorname{inceptionscore}(\log p(y \mid x))", by="the function that is called", covers="eval-inception-score")
def inception_called(p_y_x): return samples.inception_score(log(p_y_x))

@inception(">=", r"1", by="no information: each sample is like all others", tight=dict(p_y_x=lambda p_y_x: 0 * p_y_x + mean(p_y_x, 0)), covers="eval-inception-score")
def least_score(): return 1.0

@inception("<=", r"C", to=inception_called, by="all information: sure of each, and every class as often as any other. One image a class is enough", tight=dict(p_y_x=lambda C: eye(C)), covers="eval-inception-score")
def highest_score(C): return C


# ---- Image beside image --------------------------------------------------------------------------------------------------------------------------------
images = World("two images of one thing",
    h       = tex(r"h",          size(3, 4)),
    w       = tex(r"w",          size(3, 4)),
    x       = tex(r"x",          unit("h", "w", closed=True)),
    y       = tex(r"y",          unit("h", "w", closed=True)),
    R       = tex(r"R",          positive()),
    c_1     = let(r"c_1",        lambda R: (0.01 * R)**2),
    c_2     = let(r"c_2",        lambda R: (0.03 * R)**2),
    u       = let(r"g",          lambda: bump(3, 1.5)),                                                        # [9]: the weights in a window
    x_w     = let(r"x_w",        lambda x, h, w: stack([x[a:a + 3, b:b + 3].reshape(-1) for a in range(h - 2) for b in range(w - 2)])),
    y_w     = let(r"y_w",        lambda y, h, w: stack([y[a:a + 3, b:b + 3].reshape(-1) for a in range(h - 2) for b in range(w - 2)])),
    n       = let(r"n",          lambda x_w: len(x_w)),                                                        # windows
    mu_x    = let(r"\mu_x",      lambda u, x_w: sum(u * x_w, 1)),
    mu_y    = let(r"\mu_y",      lambda u, y_w: sum(u * y_w, 1)),
    S_xx    = let(r"\sigma_x^2", lambda u, x_w, mu_x: sum(u * (x_w - mu_x[:, None])**2, 1)),
    S_yy    = let(r"\sigma_y^2", lambda u, y_w, mu_y: sum(u * (y_w - mu_y[:, None])**2, 1)),
    S_xy    = let(r"\sigma_{xy}",  lambda u, x_w, y_w, mu_x, mu_y: sum(u * x_w * y_w, 1) - mu_x * mu_y),
    S_d     = let(r"\sigma_{x-y}^2",  lambda u, x_w, y_w, mu_x, mu_y: sum(u * (x_w - y_w - (mu_x - mu_y)[:, None])**2, 1)))

paired = Derivation("fidelity", images, where=lambda x, y: sum((x - y)**2) > 0)

"""
Some models are asked for one certain image: they compress, or fill in. Then there is a right answer, and errors can be counted. The *peak
signal-to-noise ratio* is the mean squared error on a scale of decibels: the more the better.
"""

@paired(r"\frac{10}{\log 10} \log \frac{R^2}{\frac{1}{h w} \sum (x - y)^2}")
def decibels(R, h, w, x, y): return 10 / log(10) * log(R**2 / (1 / (h * w) * sum((x - y)**2)))

@paired("=", r"\operatorname{psnr}(x, y, R)", by="the function that is called, R the range of the pixels", covers="eval-psnr")
def psnr_called(x, y, R): return fidelity.psnr(x.reshape(1, -1), y.reshape(1, -1), R)[0]

@paired("=", r"\operatorname{psnr}\left(x, \frac{x + y}{2}, R\right) - 20 \log_{10} 2", by="half of the error, six decibels more", covers="eval-psnr")
def halved(x, y, R): return fidelity.psnr(x.reshape(1, -1), (x + y).reshape(1, -1) / 2, R)[0] - 20 * log(2) / log(10)

@paired(r"\frac{1}{h w} \sum (x - y)^2")
def mean_square(h, w, x, y): return 1 / (h * w) * sum((x - y)**2)

@paired("=", r"\operatorname{mse}(x, y)", by="the function that is called")
def mse_called(x, y): return fidelity.mse(x.reshape(1, -1), y.reshape(1, -1))[0]


# ---- Window beside window -------------------------------------------------------------------------------------------------------------------------------
structure = Derivation("structure", images)

r"""
A grey veil over an image and noise in it may have the same error; the eye minds the noise. *Structural similarity* looks through small
windows $x_w$, with weights $g$ that fall off, and compares means and deviations there. First the two factors.
"""

@structure(r"\frac{2 \mu_x \mu_y + c_1}{\mu_x^2 + \mu_y^2 + c_1}", let=r"\text{luminance}")
def luminance(mu_x, mu_y, c_1): return (2 * mu_x * mu_y + c_1) / (mu_x**2 + mu_y**2 + c_1)

@structure("=", r"1 - \frac{(\mu_x - \mu_y)^2}{\mu_x^2 + \mu_y^2 + c_1}", by="1 where the means agree")
def luminance_lost(mu_x, mu_y, c_1): return 1 - (mu_x - mu_y)**2 / (mu_x**2 + mu_y**2 + c_1)

@structure(r"\frac{2 \sigma_{xy} + c_2}{\sigma_x^2 + \sigma_y^2 + c_2}", let=r"\text{contrast and structure}")
def contrast(S_xy, c_2, S_xx, S_yy): return (2 * S_xy + c_2) / (S_xx + S_yy + c_2)

@structure("=", r"1 - \frac{\sigma_{x-y}^2}{\sigma_x^2 + \sigma_y^2 + c_2}", by="1 where the windows differ by a constant; below 0 where one is the other's negative")
def contrast_lost(S_d, S_xx, S_yy, c_2): return 1 - S_d / (S_xx + S_yy + c_2)

@structure(r"\frac{1}{n} \sum_w \frac{(2 \mu_x \mu_y + c_1)(2 \sigma_{xy} + c_2)}{(\mu_x^2 + \mu_y^2 + c_1)(\sigma_x^2 + \sigma_y^2 + c_2)}", let=r"\text{both together, in the mean over all windows}")
def similarity(n, mu_x, mu_y, c_1, S_xy, c_2, S_xx, S_yy): return 1 / n * sum((2 * mu_x * mu_y + c_1) * (2 * S_xy + c_2) / ((mu_x**2 + mu_y**2 + c_1) * (S_xx + S_yy + c_2)))

@structure("=", r"\operatorname{ssim}(x, y, R)", by="the function that is called, with windows of 3 x 3", covers="eval-ssim")
def ssim_called(x, y, h, w, R): return fidelity.ssim(x.reshape(1, -1), y.reshape(1, -1), (h, w), R, 3)[0]

@structure("=", r"\operatorname{ssim}(y, x, R)", by="it does not matter which of the two is the right one", covers="eval-ssim")
def ssim_symmetric(x, y, h, w, R): return fidelity.ssim(y.reshape(1, -1), x.reshape(1, -1), (h, w), R, 3)[0]

@structure("<=", r"1", by="neither factor is more than 1: sigma_xy is at most the mean of the variances, by Cauchy and Schwarz", tight=dict(y="x"), covers="eval-ssim")
def at_most_one(): return 1.0


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


# ---- How many numbers an image has ---------------------------------------------------------------------------------------------------------------------
pixels = World("levels of pixels",
    H       = tex(r"H",          size(1, 3)),
    W       = tex(r"W",          size(1, 3)),
    L       = tex(r"L",          size(2, 5)),
    x       = tex(r"x",          index("L", "H", "W", 3)),
    p       = tex(r"p",          simplex("L")),
    dim     = let(r"D",          lambda H, W: H * W * 3),
    ell     = let(r"\ell",       lambda p, x: sum(log(p[x]))))

bits = Derivation("bits per dimension", pixels, where=lambda p, x: (p[x] > 0).all())

"""
The likelihoods of a small image and of a large one cannot be compared: more pixels, more nats. So divide by how many numbers there are, and
by the nats of a bit. The channels count once: [some print them twice](slips).
"""

@bits(r"\sum_{i, j, c} x^0", let=r"\dim x \text{, each of its numbers counts 1}")
def how_many(x): return sum(x**0)

@bits("=", r"H \times W \times 3", by="three colours at each pixel of so many rows and columns", covers="eval-image-dimension")
def three_colours(H, W): return H * W * 3

@bits(r"\frac{-\sum \log p}{\log(2) H W 3}", let=r"\text{bits, for each of them}")
def bits_each(p, x, H, W): return -sum(log(p[x])) / (log(2) * H * W * 3)

@bits("=", r"\operatorname{bitsperdim}(\ell, D)", by="the function that is called, of the logarithm of the likelihood")
def bits_called(ell, dim): return bits_per_dim(ell, dim)

@bits("=", r"\operatorname{bitsperdim}(\ell + D \log L, D, L)", by="the same of the density of a level that is spread over 1/L of the unit interval")
def bits_of_density(ell, dim, L): return bits_per_dim(ell + dim * log(L), dim, L)

@bits(r"\operatorname{bitsperdim}(-D \log 256, D)", let=r"\text{who knows nothing of 256 levels}")
def knows_nothing(dim): return bits_per_dim(-dim * log(256), dim)

@bits("=", r"8", by="pays eight bits, whatever the size")
def eight(): return 8.0


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


# ---- A low loss proves nothing -------------------------------------------------------------------------------------------------------------------------
fooled = Derivation("a discriminator that was left behind", World("data, and a generator that keeps some modes", base=laws,
    s       = let(r"s",          lambda p, kept: sum(p * kept)),                                               # how much it keeps
    D       = let(r"D",          lambda kept: (1 + 2 * kept) / 4)),                                            # 3/4 there, else 1/4
    where=lambda p, kept: (sum(p * kept) > 0) & (sum(p * kept) < 1 - 1e-9))

r"""
A [game](gan) has a loss. Does it say how good the samples are? Against the best discriminator it does, it is [JS and a constant](gan.two_js).
Against any other, say one that has long admired the modes in $c$ and says 3/4 there and 1/4 elsewhere, compare two generators: first in truth.
"""

@fooled(r"\mathrm{JS}(p_{\mathrm{data}}, p_c)", let=r"\text{to leave modes out, in place of being perfect, costs}")
def js_left_out(p, part): return JS(p, part)

@fooled("=", r"\log 2 + \frac{1}{2} \left(s \log s - (1 + s) \log(1 + s)\right)", by="by how much is left: more than the 0 of the perfect one", covers="eval-gan-no-objective")
def js_by_share(s): return log(2) + 1 / 2 * (s * log(s) - (1 + s) * log(1 + s))

@fooled(">=", r"0", by="and 0 only where nothing is left out", tight=dict(kept=lambda kept: 0 * kept + 1), covers="eval-gan-no-objective")
def js_no_less(): return 0.0

"""
And now by the loss, which a generator makes as small as it can: the difference between both.
"""

@fooled(r"\mathbb{E}_{p_c}\left[\log(1 - D)\right] - \mathbb{E}_{p_{\mathrm{data}}}\left[\log(1 - D)\right]", let=r"V(D, p_c) - V(D, p_{\mathrm{data}})")
def loss_left_out(part, D, p): return E(part, log(1 - D)) - E(p, log(1 - D))

@fooled("=", r"-(1 - s) \log 3", by="below 0: the worse of the two has the lower loss. A loss against one's own opponent judges nobody", covers="eval-gan-no-objective")
def rewarded(s): return -(1 - s) * log(3)


# ---- Asked by eye --------------------------------------------------------------------------------------------------------------------------------------
asked = World("answers of people",
    n       = tex(r"n",          size(1, 5)),
    X       = size(1, 4),
    p       = tex(r"p_{\mathrm{data}}",  simplex("X")),
    q       = tex(r"p_\theta",           simplex("X")),
    w       = tex(r"w",          unit(closed=True)),
    t       = tex(r"t",          unit()),
    z       = let(r"z",          lambda n: arange(2**n)[:, None] // 2**arange(n) % 2),                         # [2^n, n]: right or wrong, in every way
    P       = let(r"P(z)",       lambda z, w: prod(where(z == 1, w, 1 - w), 1)),
    share   = let(r"\hat w",     lambda z: mean(z, 1)),
    close   = let(r"[\lvert \hat w - w \rvert < t]",  lambda share, w, t: where(abs(share - w) < t, 1.0, 0.0)))

study = Derivation("a user study", asked)

r"""
In the end people look. Show each image for a tenth of a second, real or generated with equal chances, and ask which it was. How often would
the best of all eyes be right, to whom both laws are known?
"""

@study(r"\sum_x \max\left(\frac{1}{2} p_{\mathrm{data}}, \frac{1}{2} p_\theta\right)", let=r"\text{who says what is likelier}")
def best_eyes(p, q): return sum(maximum(1 / 2 * p, 1 / 2 * q))

@study("=", r"\frac{1}{2} + \frac{1}{4} \sum_x \left|p_{\mathrm{data}} - p_\theta\right|", by="the larger of two is their mean and half of their difference")
def by_difference(p, q): return 1 / 2 + 1 / 4 * sum(abs(p - q))

@study(">=", r"\frac{1}{2}", by="who guesses is right half of the time; nobody does better where, and only where, both laws are one", tight=dict(q="p"), covers="eval-user-study")
def guessing(): return 1 / 2

r"""
People are asked $n$ times and right with a chance $w$ that nobody knows: what is found is a share. Go through all ways to answer, to see how
far off it may be.
"""

@study(r"\mathbb{E}_{P(z)}\left[\hat w\right]", let=r"\text{the share of right answers, on average}")
def mean_share(P, share): return E(P, share)

@study("=", r"w", by="each answer is right with that chance", covers="eval-user-study")
def true_share(w): return w

@study(r"\mathbb{E}_{P(z)}[\lvert \hat w - w \rvert < t]", let=r"\text{how often it is less than } t \text{ away}")
def interval(P, close): return E(P, close)

@study(">=", r"1 - \frac{1}{4 n t^2}", by="Chebyshev, and a variance of at most 1/4 n: to tell 0.6 from 1/2 takes hundreds of answers", covers="eval-user-study",
       gap=lambda P, share, w, t, n: sum(P * ((share - w)**2 / t**2 - (abs(share - w) >= t))) + (1 - 2 * w)**2 / (4 * n * t**2))
def chebyshev(n, t): return 1 - 1 / (4 * n * t**2)


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
