"""Divergences.   Kullback and Leibler 1951, Lin 1991, Kantorovich and Rubinstein 1958, Dowson and Landau 1982   world: finitely many points, normal laws

How far apart are two laws? What does it cost to believe the wrong one, how well can the two be told apart, and how far would their mass
have to be carried?
"""
from derivations import Derivation, World, invertible, let, positive, real, simplex, size, tex, unit
from derivations.engine.words import (D, E, H, JS, KL, abs, concatenate, cumsum, det, diagonal, eigh, exp, eye, gaussian, inv, log, logdet, max, maximum,
                                      minimum, ones, pi, prod, ratio, sign, solve, sort, sqrt, stack, sum, svd, trace, zeros)
from scratch.autodiff import grad
from scratch.probability import divergences as model

# ---- First a tool: Jensen's inequality -------------------------------------------------------------------------------
positive_variable = World("a positive variable",
    N = size(1, 5),
    p = tex(r"p(x)",  simplex("N")),
    x = tex(r"x",     positive("N")))

jensen = Derivation("Jensen", positive_variable)

r"""
Take a quantity that is 1 or 9, with equal chances. Its mean is 5, and $\log 5 = 1.61$. Its logarithm is 0 or $2.20$, and the
mean of those is $1.10$. The logarithm is *concave*: it bends down, so every chord between two of its points lies below it,
and so does the mean of any of its points.
"""

@jensen(r"\log \mathbb{E}_{p(x)}[x]")
def log_mean(p, x): return log(E(p, x))

"""
This is *Jensen's inequality*: the mean of the logarithms is never above the logarithm of the mean. Remember which side is
larger. It is the reason why a KL is never negative, and [the first step of the bound](elbo.inside) on which the rest of the
road is built.
"""

@jensen(">=", r"\mathbb{E}_{p(x)}[\log x]", by="the logarithm is concave; equal only where x is a constant", tight=dict(x=lambda x: x * 0 + max(x)),
        gap=lambda p, x: KL(p, p * x / E(p, x)), covers="jensen-log")
def mean_log(p, x): return E(p, log(x))

# ---- KL, and why it is never negative --------------------------------------------------------------------------------
two_laws = World("two laws on X points",
    X   = size(1, 5),
    p   = tex(r"p(x)",    simplex("X")),
    q   = tex(r"q(x)",    simplex("X")),
    mid = let(r"g(x)",    lambda p, q: ratio(sqrt(p * q), sum(sqrt(p * q)))))        # between p and q: the geometric mean

kl = Derivation("Kullback-Leibler", two_laws)

r"""
Draws come from $p$, and a friend believes that they come from $q$. Each draw $x$ multiplies the odds for $p$ by
$\frac{p(x)}{q(x)}$. In the long run a share $p(x)$ of the draws are $x$; so the typical factor per draw is the product
below. (Evidence is meant as in court, here.)
"""

@kl(r"\log \prod_x \left(\frac{p(x)}{q(x)}\right)^{p(x)}", let=r"\text{the evidence for } p \text{, were it true, per draw}")
def evidence(p, q): return log(prod(ratio(p, q)**p))

@kl("=", r"\mathbb{E}_{p(x)}\left[\log \frac{p(x)}{q(x)}\right]", by="the logarithm of a product; 0 log 0 is 0", covers="kl-definition")
def kl_expected(p, q): return E(p, log(ratio(p, q)))

@kl("=", r"\mathbb{E}_{p(x)}\left[\log p(x) - \log q(x)\right]", by="the logarithm of a fraction", covers="kl-definition")
def kl_difference(p, q): return E(p, log(p) - log(q))

"""
This is the *Kullback-Leibler divergence*: how many nats a draw from $p$ says against $q$, on average. It is also what your
friend pays, in extra length, for writing the draws in a code made for $q$. Where $p$ has mass (a share above 0) and $q$ none
it is infinite: one such draw, and $q$ is out.
"""

@kl("=", r"\mathrm{KL}(p(x) \,\Vert\, q(x))", by="its name", covers="kl-definition")
def kl_named(p, q): return KL(p, q)

r"""
A single draw may speak for $q$. Can draws do so on average? Jensen says no. Taken with $\frac{q}{p}$ as the variable it ends
at 0 at once; taken with its square root, as here, it leads past a sum of squares, in which we can see when the KL is 0.
"""

@kl(">=", r"-2 \log \sum_x \sqrt{p(x)\, q(x)}", by="Jensen, in -2 E[log of the root of q / p]; what is lost is a KL too", where=lambda p, q: sum(p * q) > 0,
    gap=lambda p, q, mid: 2 * KL(p, mid))
def bhattacharyya(p, q): return -2 * log(sum(sqrt(p * q)))

@kl(">=", r"\sum_x \left(\sqrt{p(x)} - \sqrt{q(x)}\right)^2", by="-log t is at least 1 - t, here with that sum for t; and p and q sum to 1", where=lambda p, q: sum(p * q) > 0, tight=dict(q="p"),
    gap=lambda p, q: 2 * (sum(sqrt(p * q)) - 1 - log(sum(sqrt(p * q)))), covers="kl-nonneg")
def hellinger(p, q): return sum((sqrt(p) - sqrt(q))**2)

@kl(">=", r"0", by="a sum of squares, which is 0 only where p = q at every x", tight=dict(q="p"), covers="kl-nonneg")
def kl_nonnegative(): return 0

@kl("=", r"\operatorname{klcategorical}(\log p(x), \log q(x))", to=kl_named, by="the function that is called, with logarithms in")
def kl_called(p, q): return model.kl_categorical(log(p), log(q))

r"""
Is it a distance, then? It is 0 for equal laws alone, as a distance should be. But swap the laws and another number comes
out. $\mathrm{KL}(p \,\Vert\, q)$ minds where $p$ has mass and $q$ has little; $\mathrm{KL}(q \,\Vert\, p)$ minds the
opposite. What a model learns depends on which of the two it lowers.
"""

@kl(r"\mathrm{KL}(p(x) \,\Vert\, q(x)) - \mathrm{KL}(q(x) \,\Vert\, p(x))", let=r"\text{the two directions}")
def directions(p, q): return KL(p, q) - KL(q, p)

@kl("=", r"\sum_x (p(x) + q(x)) \log \frac{p(x)}{q(x)}", by="one sum; it is 0 for equal laws and by luck: KL is not symmetric", where=lambda p, q: (p * q > 0).all())
def asymmetry(p, q): return sum((p + q) * log(ratio(p, q)))

# ---- A square instead of a logarithm ---------------------------------------------------------------------------------
r"""
One could also compare by squares. Where draws from $q$ have to stand for $p$, each is weighted with $\frac{p(x)}{q(x)}$, and
$\chi^2$ is the variance of that weight under $q$. It is the stricter judge: by Jensen once more its $\log(1 + \chi^2)$ is
never below the KL.
"""

@kl(r"\sum_x \frac{(p(x) - q(x))^2}{q(x)}", let=r"\chi^2(p \,\Vert\, q)")
def pearson(p, q): return sum(ratio((p - q)**2, q))

@kl("=", r"\mathbb{E}_{p(x)}\left[\frac{p(x)}{q(x)}\right] - 1", by="expand the square; p and q sum to 1", where=lambda p, q: ((p == 0) | (q > 0)).all())
def chi_square(p, q): return E(p, ratio(p, q)) - 1

@kl(r"\log \mathbb{E}_{p(x)}\left[\frac{p(x)}{q(x)}\right]", let=r"\log(1 + \chi^2)")
def log_chi_square(p, q): return log(E(p, ratio(p, q)))

@kl(">=", r"\mathrm{KL}(p(x) \,\Vert\, q(x))", by="Jensen, with the fraction as the variable", tight=dict(q="p"), where=lambda p, q: ((p == 0) | (q > 0)).all(),
    gap=lambda p, q: KL(p, ratio(p**2, q) / sum(ratio(p**2, q))))
def kl_under_chi_square(p, q): return KL(p, q)

# ---- Piece by piece: the chain rule ----------------------------------------------------------------------------------
two_joints = World("two laws on pairs",
    X     = size(1, 3),
    Z     = size(1, 4),
    p_x   = tex(r"p(x)",         simplex("X")),
    q_x   = tex(r"q(x)",         simplex("X")),
    p_z_x = tex(r"p(z \mid x)",  simplex("X", "Z")),
    q_z_x = tex(r"q(z \mid x)",  simplex("X", "Z")),
    p_xz  = let(r"p(x, z)",      lambda p_x, p_z_x: p_x[:, None] * p_z_x),             # [X, Z]
    q_xz  = let(r"q(x, z)",      lambda q_x, q_z_x: q_x[:, None] * q_z_x))             # [X, Z]

pairs = Derivation("pairs", two_joints)

"""
The models on this road are built of pieces: one letter first, then another, given the first. How far apart are two such
models? The logarithm turns their products into sums, so the KL comes apart as well: one KL for each piece, the second on
average over what $p$ puts first.
"""

@pairs(r"\mathrm{KL}(p(x, z) \,\Vert\, q(x, z))", let=r"\text{of the pair}")
def kl_joint(p_xz, q_xz): return KL(p_xz, q_xz, (0, 1))

@pairs("=", r"\mathrm{KL}(p(x) \,\Vert\, q(x)) + \mathbb{E}_{p(x)}\left[\mathrm{KL}(p(z \mid x) \,\Vert\, q(z \mid x))\right]",
       by="the chain rule: the logarithm of a product", covers="kl-definition")
def kl_chain(p_x, q_x, p_z_x, q_z_x): return KL(p_x, q_x) + E(p_x, KL(p_z_x, q_z_x))

@pairs(">=", r"\mathrm{KL}(p(x) \,\Vert\, q(x))", by="who sees less can tell less", tight=dict(q_z_x="p_z_x"),
       gap=lambda p_x, p_z_x, q_z_x: E(p_x, KL(p_z_x, q_z_x)))
def kl_marginal(p_x, q_x): return KL(p_x, q_x)

# ---- JS, and where it goes flat --------------------------------------------------------------------------------------
apart = World("two laws, and two that share no point", base=two_laws,
    b   = tex(r"b(x)",    real("X")),
    v   = tex(r"v(x)",    positive("X")),
    a   = let(r"a(x)",    lambda b: (b > 0) * 1.0),                                  # 1 where the first has x, 0 where the second
    p_A = let(r"p_A(x)",  lambda p, a: ratio(p * a, sum(p * a))),
    q_B = let(r"q_B(x)",  lambda q, a: ratio(q * (1 - a), sum(q * (1 - a)))))

js = Derivation("Jensen-Shannon", apart)

"""
KL is infinite where $q$ misses a point of $p$. A milder question: somebody tosses a coin, draws from $p$ or from $q$, and
shows you $x$. How much does $x$ tell of the coin? Both laws are compared with the middle of the two, which misses nothing.
"""

@js(r"\frac{\log \prod_x \left(\frac{2 p(x)}{p(x) + q(x)}\right)^{p(x)}}{2} + \frac{\log \prod_x \left(\frac{2 q(x)}{p(x) + q(x)}\right)^{q(x)}}{2}")
def shares(p, q): return log(prod(ratio(2 * p, p + q)**p)) / 2 + log(prod(ratio(2 * q, p + q)**q)) / 2

@js("=", r"\frac{1}{2} \mathrm{KL}(p(x) \,\Vert\, \frac{p(x) + q(x)}{2}) + \frac{1}{2} \mathrm{KL}(q(x) \,\Vert\, \frac{p(x) + q(x)}{2})",
    by="each law against the middle of both", covers="js-definition")
def js_kl(p, q): return 1 / 2 * KL(p, (p + q) / 2) + 1 / 2 * KL(q, (p + q) / 2)

@js("=", r"\mathrm{JS}(p(x), q(x))", by="its name", covers="js-definition")
def js_named(p, q): return JS(p, q)

@js("=", r"\mathrm{H}(\frac{p(x) + q(x)}{2}) - \frac{\mathrm{H}(p(x)) + \mathrm{H}(q(x))}{2}", by="the entropy of the mixture less that of its parts")
def js_entropy(p, q): return H((p + q) / 2) - (H(p) + H(q)) / 2

@js("<=", r"\log 2", by="one bit says which law it was; what x leaves open of it is missing",
    gap=lambda p, q: E((p + q) / 2, -log(ratio(p, p + q)**ratio(p, p + q) * ratio(q, p + q)**ratio(q, p + q))))
def js_at_most(): return log(2)

@js(">=", r"0", to=js_named, by="a sum of two KLs", tight=dict(q="p"))
def js_nonnegative(): return 0

@js("=", r"\operatorname{jscategorical}(\log p(x), \log q(x))", to=js_named, by="the function that is called, with logarithms in")
def js_called(p, q): return model.js_categorical(log(p), log(q))

r"""
One toss is worth one bit, $\log 2$ nats, so JS can never be more. And it is as much as that as soon as the two laws share no
point, however near or far they lie. That is bad news for whoever wants to learn from it: there is no slope to follow.
"""

@js(r"\mathrm{JS}(p_A(x), q_B(x))")
def js_disjoint(p_A, q_B): return JS(p_A, q_B)

@js("=", r"\log 2", by="no point is shared: one look at x tells the law", covers="js-saturates-disjoint",
    where=lambda p, q, a: (sum(p * a) > 0) & (sum(q * (1 - a)) > 0))
def js_saturates(): return log(2)

@js(r"\nabla_v\, \mathrm{JS}(p_A, q_v) \text{, where } q_v \propto v(x) (1 - a(x))")
def js_slope(p_A, v, a): return D(lambda v: JS(p_A, v * (1 - a) / sum(v * (1 - a))), v)

@js("=", r"0\, v(x)", by="a constant has no slope: a generator that misses the data learns nothing", covers="js-saturates-disjoint",
    where=lambda p, a: (sum(p * a) > 0) & (sum(1 - a) > 0))
def js_flat(v): return 0 * v

# ---- Two normal laws on the line -------------------------------------------------------------------------------------
on_the_line = World("two normal laws on the line",
    mu1    = tex(r"\mu_1",               real()),
    mu2    = tex(r"\mu_2",               real()),
    s1     = tex(r"\sigma_1",            positive()),
    s2     = tex(r"\sigma_2",            positive()),
    rho    = tex(r"\rho",                unit(closed=True)),
    eps    = let(r"\epsilon",            lambda: gaussian(3)[0]),
    w      = let(r"\mathcal{N}(0, 1)",   lambda: gaussian(3)[1]),
    x      = let(r"x",                   lambda eps, mu1, s1: s1 * eps + mu1),
    log_p1 = let(r"\log p_1(x)",         lambda x, mu1, s1: -((x - mu1) / s1)**2 / 2 - log(s1) - log(2 * pi) / 2),
    log_p2 = let(r"\log p_2(x)",         lambda x, mu2, s2: -((x - mu2) / s2)**2 / 2 - log(s2) - log(2 * pi) / 2),
    y      = let(r"y",                   lambda eps, mu2, s2, rho: s2 * (sqrt(1 - rho**2) * eps + rho * eps[:, None]) + mu2))       # corr(x, y) = rho

line = Derivation("normal laws on the line", on_the_line)

r"""
So far a law was a list. The *normal* law $\mathcal{N}(\mu, \sigma^2)$, of mean $\mu$ and variance $\sigma^2$, has the
density $e^{-(x - \mu)^2 / 2 \sigma^2} / \sqrt{2 \pi \sigma^2}$, and its expectations are integrals. Still we approximate
nothing: at $x = \mu_1 + \sigma_1 \epsilon$ the difference below has no power above $\epsilon^2$, and three points $\epsilon$
with the right weights average that exactly.
"""

@line(r"\mathbb{E}_{\mathcal{N}(0, 1)}\left[\log p_1(x) - \log p_2(x)\right]", let=r"\mathrm{KL}(\mathcal{N}(\mu_1, \sigma_1^2) \,\Vert\, \mathcal{N}(\mu_2, \sigma_2^2))")
def line_expected(w, log_p1, log_p2): return E(w, log_p1 - log_p2)

r"""
Read the outcome as prices. A shift of the mean is paid in squares, in units of $\sigma_2$. A $\sigma_2$ that is too large
costs its logarithm only; one that is too small costs a square. Again it is dear to miss what is there, and cheap to allow
for what is not.
"""

@line("=", r"\log \frac{\sigma_2}{\sigma_1} + \frac{\sigma_1^2 + (\mu_1 - \mu_2)^2}{2 \sigma_2^2} - \frac{1}{2}", by="on average (x - mu_1)^2 is sigma_1^2, and (x - mu_2)^2 is more by (mu_1 - mu_2)^2",
      covers="kl-gaussian-1d")
def line_closed(mu1, mu2, s1, s2): return log(s2 / s1) + (s1**2 + (mu1 - mu2)**2) / (2 * s2**2) - 1 / 2

@line("=", r"\operatorname{klnormals}(\mu_1, \log \sigma_1^2, \mu_2, \log \sigma_2^2)", by="the function that is called, with log-variances in")
def line_called(mu1, mu2, s1, s2): return model.kl_normals(stack([mu1]), 2 * log(stack([s1])), stack([mu2]), 2 * log(stack([s2])))

@line(">=", r"0", by="as every KL", tight=dict(mu1="mu2", s1="s2"), covers="kl-nonneg")
def line_nonnegative(): return 0

# ---- Against the standard normal law ---------------------------------------------------------------------------------
independent = World("independent normals against the standard one",
    J       = tex(r"J",                     size(1, 4)),
    mu      = tex(r"\mu_j",                 real("J")),
    log_var = tex(r"\log \sigma_j^2",       real("J")),
    t       = tex(r"t",                     unit("J")),
    s       = let(r"\sigma_j",              lambda log_var: exp(log_var / 2)),
    eps     = let(r"\epsilon",              lambda: gaussian(3)[0]),
    w       = let(r"\mathcal{N}(0, 1)",     lambda: gaussian(3)[1]),
    z       = let(r"z_j",                   lambda eps, mu, s: s[:, None] * eps + mu[:, None]),                                      # [J, 3]
    log_q   = let(r"\log q(z_j)",           lambda z, mu, s: -((z - mu[:, None]) / s[:, None])**2 / 2 - log(s[:, None]) - log(2 * pi) / 2),
    log_p   = let(r"\log p(z_j)",           lambda z: -z**2 / 2 - log(2 * pi) / 2))

standard = Derivation("against the standard normal", independent)

r"""
One case returns in [the VAE](vae) and after it: independent coordinates $z_j$, each normal, against the *standard* normal
law of mean 0 and variance 1, $\mathcal{N}(0, I)$. Independent laws multiply, logarithms add, so the KL is a sum over $j$. It
is printed here as the papers have it, with a minus.
"""

@standard(r"-\sum_j \mathbb{E}_{\mathcal{N}(0, 1)}\left[\log q(z_j) - \log p(z_j)\right]", let=r"-\mathrm{KL}(\mathcal{N}(\mu, \operatorname{diag} \sigma^2) \,\Vert\, \mathcal{N}(0, I))")
def standard_expected(w, log_q, log_p): return -sum(E(w, log_q - log_p))

@standard("=", r"\frac{1}{2} \sum_j \left(1 + \log \sigma_j^2 - \mu_j^2 - \sigma_j^2\right)", by="the KL of two normal laws on the line, at each j, with mu = 0 and sigma = 1 on the right",
          covers="kl-gaussian-diag")
def standard_closed(mu, log_var, s): return 1 / 2 * sum(1 + log_var - mu**2 - s**2)

"""
Such a KL takes one line of code, since both laws are known. The law that we want is the posterior, and it is not known: the
evidence in it is a sum that nobody can do. How does one lower a KL that one cannot compute? That is [the next page](elbo).
"""

@standard("=", r"-\operatorname{klnormal}(\mu_j, \log \sigma_j^2)", by="the function that every VAE here trains with")
def standard_called(mu, log_var): return -model.kl_normal(mu, log_var)

# ---- Its last digits -------------------------------------------------------------------------------------------------
r"""
For each coordinate the KL is half of $\mu_j^2 + e^{t} - 1 - t$, where $t = \log \sigma_j^2$. Near $t = 0$ the exponential
and its tangent nearly agree, and a computer that subtracts them keeps few of its digits. So the code has a series there, and
is held to the plain formula here.
"""

@standard(r"e^{t} - 1 - t")
def tangent(t): return exp(t) - 1 - t

@standard("=", r"\operatorname{expabovetangent}(t)", by="the function that is called, also where t is small")
def tiny_called(t): return model.exp_above_tangent(t)

# ---- Its slope -------------------------------------------------------------------------------------------------------
r"""
Training needs only the slope of this KL. Which way does it push? Toward $\mu_j = 0$ and $\sigma_j = 1$, where both slopes
are 0: that is the prior. A $\sigma_j$ near 0 is pushed away hard, so no law shrinks to a point.
"""

@standard(r"\nabla_{\mu, \sigma} \text{ of that KL, by complex step}")
def standard_slope(mu, s):
    def KL_of(mu, s): return sum(mu**2 + s**2 - 1 - log(s**2)) / 2
    return D(lambda mu: KL_of(mu, s), mu), D(lambda s: KL_of(mu, s), s)

@standard("=", r"\left(\mu_j,\ \sigma_j - \frac{1}{\sigma_j}\right)", by="term by term", covers="kl-gaussian-closed-form-claim")
def standard_gradient(mu, s): return mu, s - 1 / s

@standard("=", r"\nabla_{\mu, \sigma} \operatorname{klnormal}(\mu_j, \log \sigma_j^2)", by="what training sees", covers="kl-gaussian-closed-form-claim")
def standard_grad_called(mu, s): return grad(lambda q: model.kl_normal(q[0], 2 * log(q[1])))((mu, s))

# ---- Normal laws in any dimension ------------------------------------------------------------------------------------
full_laws = World("two normal laws",
    dim    = tex(r"D",                                      size(1, 3)),
    mu1    = tex(r"\mu_1",                                  real("dim")),
    mu2    = tex(r"\mu_2",                                  real("dim")),
    A1     = tex(r"A_1",                                    invertible("dim")),
    A2     = tex(r"A_2",                                    invertible("dim")),
    S1     = let(r"\Sigma_1",                               lambda A1: A1 @ A1.T),
    S2     = let(r"\Sigma_2",                               lambda A2: A2 @ A2.T),
    e      = let(r"e_i",                                    lambda mu1: concatenate([eye(len(mu1)), -eye(len(mu1))]) * len(mu1)**0.5),        # mean 0, covariance I
    u      = let(r"u_i",                                    lambda e: ones(len(e)) / len(e)),
    x      = let(r"x_i",                                    lambda e, mu1, A1: e @ A1.T + mu1),
    log_p1 = let(r"\log p_1(x_i)",                          lambda x, mu1, A1: -sum(solve(A1, (x - mu1).T)**2 + log(2 * pi), 0) / 2 - logdet(A1)),
    log_p2 = let(r"\log p_2(x_i)",                          lambda x, mu2, A2: -sum(solve(A2, (x - mu2).T)**2 + log(2 * pi), 0) / 2 - logdet(A2)),
    log_p  = let(r"\log p(x_i)",                            lambda x: -sum(x**2 + log(2 * pi), 1) / 2))

full = Derivation("normal laws", full_laws)

r"""
With covariances a normal law may lie slanted in space, as an ellipse does. The recipe stays: the difference of two
log-densities has no power above the second, and the $2 D$ points $x_i$ have exactly the mean $\mu_1$ and the covariance
$\Sigma_1$. So their average is the integral.
"""

@full(r"\mathbb{E}_{u_i}\left[\log p_1(x_i) - \log p_2(x_i)\right]", let=r"\mathrm{KL}(\mathcal{N}(\mu_1, \Sigma_1) \,\Vert\, \mathcal{N}(\mu_2, \Sigma_2))")
def full_expected(u, log_p1, log_p2): return E(u, log_p1 - log_p2)

@full("=", r"\frac{1}{2}\left(\operatorname{tr}(\Sigma_2^{-1} \Sigma_1) + (\mu_2 - \mu_1)^{\top} \Sigma_2^{-1} (\mu_2 - \mu_1) - D + \log \det \Sigma_2 - \log \det \Sigma_1\right)",
      by="the expected square of a length is a trace")
def full_closed(mu1, mu2, S1, S2, dim): return 1 / 2 * (trace(inv(S2) @ S1) + (mu2 - mu1) @ inv(S2) @ (mu2 - mu1) - dim + logdet(S2) - logdet(S1))

@full("=", r"\operatorname{klnormalfull}(\mu_1, \Sigma_1, \mu_2, \Sigma_2)", by="the function that is called")
def full_called(mu1, mu2, S1, S2): return model.kl_normal_full(mu1, S1, mu2, S2)

"""
Against the standard normal law most of it goes away. What stays asks three things of the covariance and the mean: how much
variance there is, how far the centre lies off, and how much volume is covered.
"""

@full(r"\mathbb{E}_{u_i}\left[\log p_1(x_i) - \log p(x_i)\right]", let=r"\mathrm{KL}(\mathcal{N}(\mu_1, \Sigma_1) \,\Vert\, \mathcal{N}(0, I))")
def to_standard(u, log_p1, log_p): return E(u, log_p1 - log_p)

@full("=", r"\frac{1}{2}\left(\operatorname{tr} \Sigma_1 + \mu_1^{\top} \mu_1 - D - \log \det \Sigma_1\right)", by="put 0 and I for the second law", covers="kl-gaussian-standard")
def to_standard_closed(mu1, S1, dim): return 1 / 2 * (trace(S1) + mu1 @ mu1 - dim - logdet(S1))

@full("=", r"\operatorname{klnormalfull}(\mu_1, \Sigma_1, 0, I)", by="the same function")
def to_standard_called(mu1, S1): return model.kl_normal_full(mu1, S1, 0 * mu1, eye(len(mu1)))

# ---- W1: how far mass is carried -------------------------------------------------------------------------------------
transport = World("two laws on points of the line",
    X         = size(1, 5),
    y         = real("X"),
    h         = tex(r"h(x)",            real("X")),                                                              # any function
    k         = tex(r"K",               positive()),
    p         = tex(r"p(x)",            simplex("X")),
    move      = tex(r"m(x' \mid x)",    simplex("X", "X")),
    x         = let(r"x",               lambda y: sort(y)),
    dx        = let(r"\Delta x",        lambda x: concatenate([x[1:] - x[:-1], zeros(1)])),                      # to the next point
    plan      = let(r"\pi",             lambda p, move: p[:, None] * move),                                      # any plan from p to q [X, X]
    q         = let(r"q(x)",            lambda plan: sum(plan, 0)),
    F         = let(r"F",               lambda p: cumsum(p)),
    G         = let(r"G",               lambda q: cumsum(q)),
    best_plan = let(r"\pi^*",           lambda p, q, F, G: maximum(minimum(F[:, None], G) - maximum((F - p)[:, None], G - q), 0)),      # in order, nobody overtakes
    steepest  = let(r"\lVert h \rVert_L", lambda h, x: max(ratio(abs(h[:, None] - h), abs(x[:, None] - x)))),
    f         = let(r"D(x)",            lambda h, steepest: ratio(h, steepest)),                                 # its slope is 1 at most
    best_f    = let(r"D^*(x)",          lambda F, G, dx: concatenate([zeros(1), -cumsum(sign(F - G) * dx)[:-1]])))

def with_marginals(plan):
    """A plan, and its sums over where to and over where from."""
    return plan, sum(plan, 1), sum(plan, 0)


w1 = Derivation("Wasserstein-1", transport)

r"""
Think of $p$ as heaps of earth and of $q$ as holes of the same size in all. A *plan* $\pi$ says how much goes from each $x$
to each $x'$. Its price is mass times way, and the cheapest price is $W_1$. First: what is a plan, and is the one that keeps
the order a plan?
"""

@w1(r"\pi,\ \sum_{x'} \pi,\ \sum_x \pi \text{: any plan, what it takes from } x \text{, what it brings to } x'")
def any_plan(plan): return with_marginals(plan)

@w1("=", r"p(x)\, m(x' \mid x),\ p(x),\ q(x)", by="all of p is moved, and becomes q", covers="w1-definition")
def any_marginals(p, move, q): return p[:, None] * move, p, q

@w1(r"\pi^*,\ \sum_{x'} \pi^*,\ \sum_x \pi^* \text{: the plan that keeps the order}")
def best_plan_marginals(best_plan): return with_marginals(best_plan)

@w1("=", r"\max(\min(F, G) - \max(F - p(x), G - q(x)), 0),\ p(x),\ q(x)", by="it has the same marginals: it is one of those among which we look for the cheapest", covers="w1-definition")
def best_marginals(F, G, p, q): return maximum(minimum(F[:, None], G) - maximum((F - p)[:, None], G - q), 0), p, q

"""
On the line no search is needed. Where two loads cross on their way, let them swap their goals, and the way gets no longer.
So nobody overtakes. The price can then be read off at every gap: whatever one law has more of on its left has to cross.
"""

@w1(r"\sum_{x, x'} \pi \lvert x - x' \rvert", let=r"\text{what the plan } \pi \text{ costs}")
def cost(plan, x): return sum(plan * abs(x[:, None] - x))

@w1(">=", r"\sum_{x, x'} \pi^* \lvert x - x' \rvert", by="on the line the plan that keeps the order is the cheapest", tight=dict(plan="best_plan"), covers="w1-definition",
    gap=lambda plan, F, G, dx: 2 * sum((minimum(F, G) - diagonal(cumsum(cumsum(plan, 0), 1))) * dx))
def cheapest(best_plan, x): return sum(best_plan * abs(x[:, None] - x))

@w1("=", r"\sum_x \lvert F - G \rvert \Delta x", by="that much has to cross the gap after x, and no more does")
def cdfs(F, G, dx): return sum(abs(F - G) * dx)

@w1("=", r"\operatorname{w1line}(x, p(x), q(x))", by="the function that is called")
def w1_called(x, p, q): return model.w1_line(x, p, q)

"""
Now from the other side. Somebody may choose a function $D$ that nowhere rises or falls by more than 1 a unit, and is paid
the difference of its means. Along a way of length $w$ it differs by $w$ at most, so the pay never exceeds the price. The
best $D$ earns all of it.
"""

@w1(">=", r"\mathbb{E}_{p(x)}\left[D(x)\right] - \mathbb{E}_{q(x)}\left[D(x)\right]", to=cdfs, by="D cannot differ by more than the way; it does where it falls by 1 wherever F is above G",
    tight=dict(h="best_f"), where=lambda steepest: steepest > 0, covers="w1-kantorovich-rubinstein")
def dual(p, q, f): return E(p, f) - E(q, f)

@w1("=", r"\mathbb{E}_{p(x)}\left[D^*(x)\right] - \mathbb{E}_{q(x)}\left[D^*(x)\right]", to=cdfs, by="so the supremum is attained, and both problems have one value",
    covers="w1-kantorovich-rubinstein")
def attained(p, q, best_f): return E(p, best_f) - E(q, best_f)

# ---- Steeper functions -----------------------------------------------------------------------------------------------
"""
The slope of a network is hard to hold at 1. Let it be $K$ at most. Does that harm? Only the unit changes: the best value is
$K$ times $W_1$, and its maker is $K$ times the best function.
"""

@w1(r"K \sum_x \lvert F - G \rvert \Delta x", let=r"K\, W_1")
def scaled(k, F, G, dx): return k * sum(abs(F - G) * dx)

@w1(">=", r"\mathbb{E}_{p(x)}\left[K D(x)\right] - \mathbb{E}_{q(x)}\left[K D(x)\right]", by="K D has slope K at most, and any function of slope K is such a one",
    tight=dict(h="best_f"), where=lambda steepest: steepest > 0, covers="w1-lipschitz-scaling")
def scaled_dual(p, q, f, k): return E(p, k * f) - E(q, k * f)

@w1("=", r"\mathbb{E}_{p(x)}\left[K D^*(x)\right] - \mathbb{E}_{q(x)}\left[K D^*(x)\right]", to=scaled, by="and the best is K times the best", covers="w1-lipschitz-scaling")
def scaled_attained(p, q, k, best_f): return E(p, k * best_f) - E(q, k * best_f)

# ---- A small move, a small change ------------------------------------------------------------------------------------
generators = World("data, and two generators with the same noise",
    X  = size(1, 3),
    Z  = size(1, 3),
    y  = tex(r"y",          real("X")),
    p  = tex(r"p(y)",       simplex("X")),
    r  = tex(r"r(z)",       simplex("Z")),
    g  = tex(r"g(z)",       real("Z")),
    g2 = tex(r"g'(z)",      real("Z")),
    t  = let(r"t",          lambda y, g, g2: sort(concatenate([y, g, g2]))),
    dt = let(r"\Delta t",   lambda t: concatenate([t[1:] - t[:-1], zeros(1)])),
    F  = let(r"F",          lambda t, y, p: sum(p * (y <= t[:, None]), 1)),
    G  = let(r"G",          lambda t, g, r: sum(r * (g <= t[:, None]), 1)),
    G2 = let(r"G'",         lambda t, g2, r: sum(r * (g2 <= t[:, None]), 1)))

continuous = Derivation("continuity", generators)

"""
A generator turns noise $z$ into points $g(z)$, and training moves those points a little. Does the distance to the data then
change a little, or does it jump? Before the answer, a simple bound: the means lie no further apart than the mass has to go.
"""

@continuous(r"\mathbb{E}_{r(z)}\left[g(z)\right] - \mathbb{E}_{p(y)}\left[y\right]", let=r"\text{how far the mean moves}")
def means(r, g, p, y): return E(r, g) - E(p, y)

@continuous("=", r"\sum_t (F - G) \Delta t", by="by parts: the area between the two distribution functions, with its sign")
def area(F, G, dt): return sum((F - G) * dt)

@continuous("<=", r"\sum_t \lvert F - G \rvert \Delta t", by="without its sign it is W_1", gap=lambda F, G, dt: 2 * sum(maximum(G - F, 0) * dt))
def no_sign(F, G, dt): return sum(abs(F - G) * dt)

"""
Two generators fed the same noise are compared here. Each point of the one has its partner in the other, so the noise itself
is a plan between the two, perhaps not the cheapest. No jump is possible.
"""

@continuous(r"\left\lvert \sum_t \lvert F - G \rvert \Delta t - \sum_t \lvert F - G' \rvert \Delta t \right\rvert", let=r"\lvert W_1(p, g) - W_1(p, g') \rvert")
def change(F, G, G2, dt): return abs(sum(abs(F - G) * dt) - sum(abs(F - G2) * dt))

@continuous("<=", r"\sum_t \lvert G - G' \rvert \Delta t", by="the triangle inequality", tight=dict(y="g", p="r"))
def between(G, G2, dt): return sum(abs(G - G2) * dt)

@continuous("<=", r"\mathbb{E}_{r(z)}\left[\lvert g(z) - g'(z) \rvert\right]", by="the shared noise is one plan; if both keep the order it is the best", covers="w1-continuity",
            tight=dict(g=lambda g: sort(g), g2=lambda g2: sort(g2)))
def shared_noise(r, g, g2): return E(r, abs(g - g2))

# ---- Two point masses ------------------------------------------------------------------------------------------------
point_masses = World("two point masses",
    theta = tex(r"\theta",         real()),
    t     = let(r"t",              lambda theta: sort(stack([0 * theta, theta]))),
    d0    = let(r"\delta_0",       lambda t: (t == 0) * 1.0),
    d     = let(r"\delta_\theta",  lambda t, theta: (t == theta) * 1.0))

masses = Derivation("two point masses", point_masses, where=lambda theta: theta != 0)

r"""
The plainest example of both distances at work: all mass at 0, all mass at $\theta$. Draw one world after another: one of the
two numbers follows $\theta$, the other does not move.
"""

@masses(r"\left(\sum_{t, t'} \delta_0\, \delta_\theta \lvert t - t' \rvert,\ \mathrm{JS}(\delta_0, \delta_\theta)\right)", let=r"(W_1, \mathrm{JS}) \text{: there is one plan only}")
def two_distances(d0, d, t): return sum(d0[:, None] * d * abs(t[:, None] - t)), JS(d0, d)

@masses("=", r"\left(\lvert \theta \rvert,\ \log 2\right)", by="W_1 measures the way, JS only that there is one", covers="w1-disjoint-support")
def two_values(theta): return abs(theta), log(2)

@masses("=", r"\left(\operatorname{w1line}(t, \delta_0, \delta_\theta),\ \operatorname{jscategorical}(\log \delta_0, \log \delta_\theta)\right)", by="the functions that are called")
def masses_called(t, d0, d): return model.w1_line(t, d0, d), model.js_categorical(log(d0), log(d))

# ---- W2 of two normal laws on the line -------------------------------------------------------------------------------
def half(S):
    """The symmetric root of a positive semidefinite matrix."""
    lam, V = eigh(S)
    return (V * sqrt(maximum(lam, 0))) @ V.T

def polar(M):
    """The orthogonal U that makes tr U^T M largest."""
    P, _, Q = svd(M)
    return P @ Q

r"""
$W_2$ is paid in squares of the way. Between two normal laws on the line, make both out of normal noise, with a correlation
$\rho$ that we may choose. Which $\rho$ makes the mean square least? The one where both use the same noise.
"""

@line(r"\mathbb{E}_{\mathcal{N}(0, 1)}\left[\mathbb{E}_{\mathcal{N}(0, 1)}\left[(x - y)^2\right]\right]", let=r"\mathbb{E}\left[(x - y)^2\right]")
def coupled(w, x, y): return E(w, E(w, (x[:, None] - y)**2))

@line("=", r"(\mu_1 - \mu_2)^2 + \sigma_1^2 + \sigma_2^2 - 2 \rho \sigma_1 \sigma_2", by="expand the square")
def coupled_closed(mu1, mu2, s1, s2, rho): return (mu1 - mu2)**2 + s1**2 + s2**2 - 2 * rho * s1 * s2

@line(">=", r"(\mu_1 - \mu_2)^2 + (\sigma_1 - \sigma_2)^2", by="no correlation is above 1", tight=dict(rho=lambda: 1.0),
      gap=lambda s1, s2, rho: 2 * (1 - rho) * s1 * s2)
def w2_line(mu1, mu2, s1, s2): return (mu1 - mu2)**2 + (s1 - s2)**2

@line("=", r"\operatorname{frechet}(\mu_1, \sigma_1^2, \mu_2, \sigma_2^2)", by="the function that is called: it is W_2 squared")
def w2_line_called(mu1, mu2, s1, s2): return model.frechet(stack([mu1]), s1**2 * eye(1), stack([mu2]), s2**2 * eye(1))

# ---- W2 of normal laws in any dimension ------------------------------------------------------------------------------
rotated = World("two normal laws made of one noise",
    dim     = tex(r"D",                       size(1, 3)),
    mu1     = tex(r"\mu_1",                   real("dim")),
    mu2     = tex(r"\mu_2",                   real("dim")),
    A1      = tex(r"A_1",                     real("dim", "dim")),
    A2      = tex(r"A_2",                     real("dim", "dim")),
    B       = tex(r"B",                       real("dim", "dim")),
    lam1    = tex(r"\lambda_1",               positive("dim")),
    lam2    = tex(r"\lambda_2",               positive("dim")),
    U       = let(r"U",                       lambda B: polar(B)),                                             # orthogonal, whatever B
    U_best  = let(r"U^*",                     lambda A1, A2: polar(A2.T @ A1)),
    e       = let(r"e_i",                     lambda mu1: concatenate([eye(len(mu1)), -eye(len(mu1))]) * len(mu1)**0.5),        # mean 0, covariance I
    u       = let(r"u_i",                     lambda e: ones(len(e)) / len(e)),
    x       = let(r"x_i",                     lambda e, mu1, A1: e @ A1.T + mu1),
    y       = let(r"y_i",                     lambda e, mu2, A2, U: e @ (A2 @ U).T + mu2),
    S1      = let(r"\Sigma_1",                lambda A1: A1 @ A1.T),
    S2      = let(r"\Sigma_2",                lambda A2: A2 @ A2.T),
    root    = let(r"(\Sigma_1^{1/2} \Sigma_2 \Sigma_1^{1/2})^{1/2}",    lambda S1, S2: half(half(S1) @ S2 @ half(S1))),
    C1      = let(r"C_1",                     lambda U, lam1: (U * lam1) @ U.T),
    C2      = let(r"C_2",                     lambda U, lam2: (U * lam2) @ U.T))

w2 = Derivation("Wasserstein-2 of normal laws", rotated)

"""
In more dimensions the same noise can be turned by any orthogonal $U$ before the second law uses it. Each $U$ is one way to
carry the mass. The best of them gives a closed form, the one that compares images by their features: the *Fréchet distance*.
"""

@w2(r"\mathbb{E}_{u_i}\left[\sum_d (x_i - y_i)^2\right]", let=r"\mathbb{E}\left[\lVert x - y \rVert^2\right]")
def one_noise(u, x, y): return E(u, sum((x - y)**2, 1))

@w2("=", r"\sum_d (\mu_1 - \mu_2)^2 + \sum_{d, d'} (A_1 - A_2 U)^2", by="the noise has mean 0 and covariance I")
def turned(mu1, mu2, A1, A2, U): return sum((mu1 - mu2)**2) + sum((A1 - A2 @ U)**2)

@w2(">=", r"\sum_d (\mu_1 - \mu_2)^2 + \operatorname{tr}(\Sigma_1 + \Sigma_2 - 2 (\Sigma_1^{1/2} \Sigma_2 \Sigma_1^{1/2})^{1/2})", by="no U makes the trace of U' A_2' A_1 larger than the sum of its singular values",
    tight=dict(U="U_best"), where=lambda A1, A2: abs(det(A1) * det(A2)) > 1 / 2, tol=(1e-10, "the root of a small eigenvalue loses half of its digits"))
def bures(mu1, mu2, S1, S2, root): return sum((mu1 - mu2)**2) + trace(S1 + S2 - 2 * root)

@w2("=", r"\operatorname{frechet}(\mu_1, \Sigma_1, \mu_2, \Sigma_2)", by="the function that is called", where=lambda A1, A2: abs(det(A1) * det(A2)) > 1 / 2,
    tol=(1e-10, "the root of a small eigenvalue loses half of its digits"))
def frechet_called(mu1, mu2, S1, S2): return model.frechet(mu1, S1, mu2, S2)

@w2("=", r"\sum_d (\mu_1 - \mu_2)^2 + \sum_{d, d'} (A_1 - A_2 U^*)^2", by="what the best turn leaves: no root of a product, and never negative", where=lambda A1, A2: abs(det(A1) * det(A2)) > 1 / 2,
    tol=(1e-10, "the root of a small eigenvalue loses half of its digits"))
def procrustes(mu1, mu2, A1, A2, U_best): return sum((mu1 - mu2)**2) + sum((A1 - A2 @ U_best)**2)

"""
Two special cases, to try the function where it is easy to know better: covariances with the same axes, and covariances so
flat that the mass lies on a line.
"""

@w2(r"\sum_d (\mu_1 - \mu_2)^2 + \sum_d (\sqrt{\lambda_1} - \sqrt{\lambda_2})^2", let=r"\text{covariances with the same axes, } C_i = U \lambda_i U^{\top}")
def same_axes(mu1, mu2, lam1, lam2): return sum((mu1 - mu2)**2) + sum((sqrt(lam1) - sqrt(lam2))**2)

@w2("=", r"\operatorname{frechet}(\mu_1, C_1, \mu_2, C_2)", by="one axis at a time it is the formula on the line")
def same_axes_called(mu1, mu2, C1, C2): return model.frechet(mu1, C1, mu2, C2)

@w2(r"\sum_d (\mu_1 - \mu_2)^2 + \sum_d \lambda_1^2 + \sum_d \lambda_2^2 - 2 \sum_d \lambda_1 \lambda_2", let=r"\text{laws on two lines, } x = \mu_1 + \lambda_1 \epsilon,\ y = \mu_2 + \lambda_2 \epsilon")
def two_lines(mu1, mu2, lam1, lam2): return sum((mu1 - mu2)**2) + sum(lam1**2) + sum(lam2**2) - 2 * sum(lam1 * lam2)

@w2("=", r"\operatorname{frechet}(\mu_1, \lambda_1 \lambda_1^{\top}, \mu_2, \lambda_2 \lambda_2^{\top})", by="covariances of rank one: rounding makes eigenvalues that are 0 a little more, or less")
def two_lines_called(mu1, mu2, lam1, lam2): return model.frechet(mu1, lam1[:, None] * lam1, mu2, lam2[:, None] * lam2)

# ---- In the plane, with a pencil -------------------------------------------------------------------------------------
plane = Derivation("in the plane", World("two normal laws in the plane", base=rotated, dim=size(2, 2)))

"""
In the plane the root of a product of matrices is not needed at all. Trace and determinant fix both eigenvalues, and so the
sum of their roots. An independent check of the same function, small enough for paper.
"""

@plane(r"\sum_d (\mu_1 - \mu_2)^2 + \operatorname{tr}(\Sigma_1 + \Sigma_2) - 2 \sqrt{\operatorname{tr}(\Sigma_1 \Sigma_2) + 2 \sqrt{\det \Sigma_1 \det \Sigma_2}}", let=r"W_2^2 \text{, with a pencil}")
def pencil(mu1, mu2, S1, S2): return sum((mu1 - mu2)**2) + trace(S1 + S2) - 2 * sqrt(trace(S1 @ S2) + 2 * sqrt(det(S1) * det(S2)))

@plane("=", r"\operatorname{frechet}(\mu_1, \Sigma_1, \mu_2, \Sigma_2)", by="the roots a, b of the eigenvalues: (a + b)^2 = a^2 + b^2 + 2ab",
       where=lambda A1, A2: abs(det(A1) * det(A2)) > 1 / 2)
def plane_called(mu1, mu2, S1, S2): return model.frechet(mu1, S1, mu2, S2)
