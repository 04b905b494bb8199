"""Latents above latents.   Rezende et al. 2014, Sønderby et al. 2016   world: finite levels, all sums exact; normal levels, all sums exact to degree 5

A code is drawn from a law, so it may have a code of its own, and that one too. Do we need a new bound for every level,
or does the old one not even notice?
"""
from derivations import Derivation, World, let, positive, real, simplex, size, tex
from derivations.vae import normals
from derivations.engine.words import E, KL, arange, concatenate, cumprod, log, mean, ones, pi, prod, ratio, reshape, stack, sum, zeros
from scratch.autoencoders import hierarchical as model, latent

# ---- Two levels, one bound -------------------------------------------------------------------------------------------
two_levels = World("two levels of latents",
    X     = size(1, 3),
    Z1    = size(1, 3),
    Z2    = size(1, 3),
    p_2   = tex(r"p(z_2)",                simplex("Z2")),
    p_1_2 = tex(r"p(z_1 \mid z_2)",       simplex("Z2", "Z1")),
    p_x_1 = tex(r"p(x \mid z_1)",         simplex("Z1", "X")),
    q_1   = tex(r"q(z_1 \mid x)",         simplex("X", "Z1")),
    q_2_1 = tex(r"q(z_2 \mid z_1)",       simplex("Z1", "Z2")),
    p     = let(r"p(x, z_1, z_2)",        lambda p_x_1, p_1_2, p_2: p_x_1.T[:, :, None] * (p_1_2.T * p_2), covers="hvae2-joint"),          # [X, Z1, Z2]
    q_12  = let(r"q(z_1, z_2 \mid x)",    lambda q_1, q_2_1: q_1[:, :, None] * q_2_1, covers="hvae2-posterior"),                           # [X, Z1, Z2]
    p_x   = let(r"p(x)",                  lambda p: sum(p, (1, 2)), covers="hvae2-marginal"),                                              # [X]
    q_2   = let(r"q(z_2 \mid x)",         lambda q_12: sum(q_12, 1)),                                                                      # [X, Z2]
    q_1_2 = let(r"q(z_1 \mid z_2, x)",    lambda q_12, q_2: ratio(q_12, q_2[:, None])),                                                    # [X, Z1, Z2]
    p_1   = let(r"p(z_1)",                lambda p_2, p_1_2: p_2 @ p_1_2),                                                                 # [Z1]
    p_2_1 = let(r"p(z_2 \mid z_1)",       lambda p_2, p_1_2, p_1: ratio(p_1_2.T * p_2, p_1[:, None])))                                     # [Z1, Z2]

two = Derivation("two levels", two_levels, where=lambda q_12, p: ((q_12 == 0) | (p > 0)).all())

r"""
So far one latent $z$ stood behind $x$. Now put a second one behind the first: draw $z_2$, from it $z_1$, from that $x$. We still want
$\log p(x)$, and $p(x)$ is now a sum over pairs. The guess $q$ climbs the other way: from $x$ to $z_1$, from $z_1$ to $z_2$.
"""

@two(r"p(x)")
def two_marginal(p_x): return p_x

@two("=", r"\sum_{z_1, z_2} q(z_1, z_2 \mid x)\, \frac{p(x, z_1, z_2)}{q(z_1, z_2 \mid x)}", by="multiply by one, wherever q has mass", covers="hvae2-elbo-derivation:1 hvae2-marginal",
     where=lambda q_12, p: ((q_12 > 0) | (p == 0)).all())
def two_by_one(q_12, p): return sum(q_12 * ratio(p, q_12), (1, 2))

@two("=", r"\mathbb{E}_{q(z_1, z_2 \mid x)}\left[\frac{p(x, z_1, z_2)}{q(z_1, z_2 \mid x)}\right]", by="that is an expectation", covers="hvae2-elbo-derivation:2",
     where=lambda q_12, p: ((q_12 > 0) | (p == 0)).all())
def two_expected(q_12, p): return E(q_12, ratio(p, q_12), (1, 2))

"""
Now take logarithms. The logarithm of a mean is never below the mean of the logarithms: Jensen's inequality. It never asks whether the
latent is one letter or two, and so out comes [the bound that we have](elbo.bound).
"""

@two(r"\log p(x)")
def two_evidence(p_x): return log(p_x)

@two(">=", r"\mathbb{E}_{q(z_1, z_2 \mid x)}\left[\log \frac{p(x, z_1, z_2)}{q(z_1, z_2 \mid x)}\right]", by="Jensen; what is missing is the KL to the posterior of both levels", covers="hvae2-elbo-derivation:3",
     gap=lambda q_12, p, p_x: KL(q_12, ratio(p, p_x[:, None, None]), (1, 2)))
def two_bound(q_12, p): return E(q_12, log(ratio(p, q_12)), (1, 2))

r"""
What is new is inside. Both joint laws are products, so their logarithms are sums, a term for every arrow. Draw $z_1$ from $q(z_1 \mid x)$,
then $z_2$ from $q(z_2 \mid z_1)$, and each term is a number that a network can tell. This form can be trained.
"""

@two("=", r"\mathbb{E}_{q(z_1, z_2 \mid x)}\left[\log p(x \mid z_1) - \log q(z_1 \mid x) + \log p(z_1 \mid z_2) - \log q(z_2 \mid z_1) + \log p(z_2)\right]", by="both joints are products", covers="hvae2-elbo-terms")
def two_terms(q_12, p_x_1, q_1, p_1_2, q_2_1, p_2):
    return E(q_12, log(p_x_1.T[:, :, None]) - log(q_1[:, :, None]) + log(p_1_2.T) - log(q_2_1) + log(p_2), (1, 2))

"""
We would like KLs, [as with one latent](elbo.reconstruct). But $p$ comes down and $q$ climbs, and a KL compares two laws of the same thing.
So turn $q$ round by Bayes' rule; from then on $z_1$ depends on $z_2$ and on $x$.
[Printed with a KL for each level and no turn](slips.hvae_posterior), it is not the bound.
"""

@two("=", r"\mathbb{E}_{q(z_1 \mid x)}\left[\log p(x \mid z_1)\right] - \mathrm{KL}(q(z_2 \mid x) \,\Vert\, p(z_2)) - \mathbb{E}_{q(z_2 \mid x)}\left[\mathrm{KL}(q(z_1 \mid z_2, x) \,\Vert\, p(z_1 \mid z_2))\right]",
     by="q taken apart from the top down, as p is: q(z1 | x) q(z2 | z1) = q(z2 | x) q(z1 | z2, x)", covers="hvae2-elbo-kl-form")
def two_top_down(q_1, p_x_1, q_2, p_2, q_1_2, p_1_2): return E(q_1, log(p_x_1.T)) - KL(q_2, p_2) - E(q_2, KL(q_1_2, p_1_2.T, 1))

"""
Or turn $p$ round. That is just as right, but it needs $p(z_1)$, a sum over all $z_2$: short in this world, out of reach for a network. So
models that want KLs take the line above, and [build $q$ from the top down](hierarchical.two_level_called) to begin with.
"""

@two("=", r"\mathbb{E}_{q(z_1 \mid x)}\left[\log p(x \mid z_1)\right] - \mathrm{KL}(q(z_1 \mid x) \,\Vert\, p(z_1)) - \mathbb{E}_{q(z_1 \mid x)}\left[\mathrm{KL}(q(z_2 \mid z_1) \,\Vert\, p(z_2 \mid z_1))\right]",
     by="or p taken apart from the bottom up, as q is: p(z2) p(z1 | z2) = p(z1) p(z2 | z1)")
def two_bottom_up(q_1, p_x_1, p_1, q_2_1, p_2_1): return E(q_1, log(p_x_1.T)) - KL(q_1, p_1) - E(q_1, KL(q_2_1, p_2_1))

"""
Last, what the heading claims. Put all pairs $(z_1, z_2)$ in one row, call the pair a latent, and hand it to the function that has only ever
heard of one.
"""

@two("=", r"\operatorname{elbo}(\log p(x, (z_1, z_2)), q)", by="the function of one latent: the pair is one")
def two_called(p, q_12, X, Z1, Z2): return latent.elbo(reshape(log(p), (X, Z1 * Z2)), reshape(q_12, (X, Z1 * Z2)))

# ---- Two levels of normal numbers ------------------------------------------------------------------------------------
normal_levels = World("two normal levels of one number each",
    x   = tex(r"x",         real()),
    a   = tex(r"a",         real()),                                                        # z1 | z2 ~ N(a z2, s_1)
    w   = tex(r"w",         real()),                                                        # x | z1  ~ N(w z1, s_x)
    s_1 = tex(r"s_1",       positive()),
    s_x = tex(r"s_x",       positive()),
    c   = tex(r"c",         real()),                                                        # z2 | x ~ N(c x, r_2)
    r_2 = tex(r"r_2",       positive()),
    d   = tex(r"d",         real()),                                                        # z1 | z2, x ~ N(d x + e z2, r_1)
    e   = tex(r"e",         real()),
    r_1 = tex(r"r_1",       positive()),
    V   = let(r"V",         lambda w, a, s_1, s_x: w**2 * (a**2 + s_1) + s_x),              # the variance of x
    m_1 = let(r"m_1",       lambda d, e, c, x: d * x + e * c * x),                          # mean and variance of z1 under q
    v_1 = let(r"v_1",       lambda r_1, e, r_2: r_1 + e**2 * r_2),
    eps = let(r"\epsilon",  lambda: normals(2)))

two_normal = Derivation("two normal levels", normal_levels)

"""
The same without tables. Every level is one number and every law is normal; its mean is linear in what it depends on, so each expectation
can be done by hand. Here $q$ goes from the top down: $z_2$ from $x$, then $z_1$ from $z_2$ and $x$.
"""

@two_normal(r"-\frac{1}{2}\left(\log 2\pi V + \frac{x^2}{V}\right)", let=r"\log p(x)")
def normal_evidence(V, x): return -1 / 2 * (log(2 * pi * V) + x**2 / V)

r"""
The line is long, its three parts are short: the expected squared error of the decoder, the KL of $q(z_2 \mid x)$ to $\mathcal{N}(0, 1)$,
and the expected [KL of two normal laws](divergences.line_closed) one level down. Where $q$ is the posterior, all of it adds up to
$\log p(x)$.
"""

@two_normal(">=", r"-\frac{1}{2}\left(\log 2\pi s_x + \frac{(x - w m_1)^2 + w^2 v_1}{s_x}\right) - \frac{1}{2}\left((c x)^2 + r_2 - 1 - \log r_2\right) - \frac{1}{2}\left(\frac{r_1 + (m_1 - a c x)^2 + (e - a)^2 r_2}{s_1} - 1 - \log \frac{r_1}{s_1}\right)",
            by="the form from the top down; an equality where q is the posterior, by conditioning", covers="hvae2-elbo-kl-form",
            tight=dict(c=lambda w, a, V: w * a / V, r_2=lambda w, a, V: 1 - (w * a)**2 / V, r_1=lambda w, s_1, s_x: s_1 * s_x / (s_x + w**2 * s_1),
                       e=lambda w, a, s_1, s_x: a * s_x / (s_x + w**2 * s_1), d=lambda w, s_1, s_x: w * s_1 / (s_x + w**2 * s_1)))
def normal_bound(s_x, x, w, m_1, v_1, c, r_2, r_1, a, e, s_1):
    return -1 / 2 * (log(2 * pi * s_x) + ((x - w * m_1)**2 + w**2 * v_1) / s_x) - 1 / 2 * ((c * x)**2 + r_2 - 1 - log(r_2)) - 1 / 2 * ((r_1 + (m_1 - a * c * x)**2 + (e - a)**2 * r_2) / s_1 - 1 - log(r_1 / s_1))

"""
A training program cannot integrate, it has a batch. This batch is chosen, not drawn: 36 vectors with the moments of two normal numbers up
to degree 5. The mean over them is the expectation.
"""

@two_normal("=", r"\operatorname{twolevelelbo}(x, \epsilon, q_2, q_1, p_1, \mathrm{decode})", by="the function that trains, on a batch with the moments of normals", covers="hvae2-elbo-kl-form")
def two_level_trained(x, eps, c, r_2, d, e, r_1, a, s_1, w, s_x):
    return model.two_level_elbo(x + 0 * eps[:, :1], [eps[:, :1], eps[:, 1:]], lambda x: (c * x, log(r_2) + 0 * x), lambda z, x: (d * x + e * z, log(r_1) + 0 * z),
                                lambda z: (a * z, log(s_1)), lambda z: (w * z, log(s_x)))

"""
In training the three parts are watched apart. A KL that stays at 0 belongs to a level that says nothing of its own about this image.
"""

@two_normal(r"-\frac{\log 2\pi s_x + \frac{(x - w m_1)^2 + w^2 v_1}{s_x}}{2},\ \frac{(c x)^2 + r_2 - 1 - \log r_2}{2},\ \frac{\frac{r_1 + (m_1 - a c x)^2 + (e - a)^2 r_2}{s_1} - 1 - \log \frac{r_1}{s_1}}{2}", let=r"\text{its three terms}")
def normal_terms(s_x, x, w, m_1, v_1, c, r_2, r_1, a, e, s_1):
    return -(log(2 * pi * s_x) + ((x - w * m_1)**2 + w**2 * v_1) / s_x) / 2, ((c * x)**2 + r_2 - 1 - log(r_2)) / 2, ((r_1 + (m_1 - a * c * x)**2 + (e - a)**2 * r_2) / s_1 - 1 - log(r_1 / s_1)) / 2

@two_normal("=", r"\operatorname{twolevelterms}(x, \epsilon, q_2, q_1, p_1, \mathrm{decode})", by="each of the three has its own name")
def two_level_called(x, eps, c, r_2, d, e, r_1, a, s_1, w, s_x):
    log_p, kl_2, kl_1 = model.two_level_terms(x + 0 * eps[:, :1], [eps[:, :1], eps[:, 1:]], lambda x: (c * x, log(r_2) + 0 * x), lambda z, x: (d * x + e * z, log(r_1) + 0 * z),
                                              lambda z: (a * z, log(s_1)), lambda z: (w * z, log(s_x)))
    return mean(log_p), mean(kl_2), mean(kl_1)

# ---- T levels --------------------------------------------------------------------------------------------------------
markov_levels = World("a Markov chain of T = S + 1 levels",
    X    = size(1, 3),
    Z    = size(1, 3),
    S    = size(0, 2),
    P_T  = tex(r"P_T",                             simplex("Z")),
    P    = tex(r"P_t",                             simplex("S", "Z", "Z")),                       # rows: z_t, columns: z_{t-1}
    P_x  = tex(r"P_x",                             simplex("Z", "X")),
    Q_1  = tex(r"Q_1",                             simplex("X", "Z")),
    Q    = tex(r"Q_t",                             simplex("S", "Z", "Z")),                       # rows: z_{t-1}, columns: z_t
    z    = let(r"z_{1:T}",                         lambda Z, S: every_path(Z, S + 1)),            # [T, Z^T]
    p_T  = let(r"p(z_T)",                          lambda P_T, z: P_T[z[-1]]),                    # [Z^T]
    p_x1 = let(r"p(x \mid z_1)",                   lambda P_x, z: P_x.T[:, z[0]]),                # [X, Z^T]
    p_t  = let(r"p(z_{t-1} \mid z_t)",             lambda P, z, S: P[arange(S)[:, None], z[1:], z[:-1]]),   # [S, Z^T]
    q_1  = let(r"q(z_1 \mid x)",                   lambda Q_1, z: Q_1[:, z[0]]),                  # [X, Z^T]
    q_t  = let(r"q(z_t \mid z_{t-1})",             lambda Q, z, S: Q[arange(S)[:, None], z[:-1], z[1:]]),   # [S, Z^T]
    p    = let(r"p(x, z_{1:T})",                   lambda p_T, p_x1, p_t: p_T * p_x1 * prod(p_t, 0), covers="mhvae-joint"),
    q    = let(r"q(z_{1:T} \mid x)",               lambda q_1, q_t: q_1 * prod(q_t, 0), covers="mhvae-posterior"),
    p_x  = let(r"p(x)",                            lambda P_T, P, P_x: swept(P_T, P, P_x)))


def every_path(Z, T):
    """All z_1 .. z_T, one a column [T, Z^T]."""
    return arange(Z**T) // Z**arange(T)[:, None] % Z


def swept(P_T, P, P_x):
    """p(x) level by level, from the top down: a product of matrices."""
    law = P_T
    for t in range(P.shape[0] - 1, -1, -1):
        law = law @ P[t]
    return law @ P_x


markov = Derivation("T levels", markov_levels, where=lambda q, p: ((q == 0) | (p > 0)).all())

"""
Why stop at two? Take $T$ levels, each drawn from the one above it alone. Such a sequence is a *Markov chain*: who knows the last one need
not ask for those before. All levels together, $z_{1:T}$, are a *path*. The first line goes down the tables $P_t$, level by level, and so
finds $p(x)$.
"""

@markov(r"\log p(x)", let=r"\log\left(P_T P_t \cdots P_t P_x\right)")
def markov_evidence(p_x): return log(p_x)

@markov("=", r"\log \sum_{z_{1:T}} p(x, z_{1:T})", by="marginalisation, over all paths", covers="mhvae-elbo-derivation:1 mhvae-joint")
def markov_marginal(p): return log(sum(p, 1))

"""
With networks in place of tables nobody can go down that way, and the sum over paths is worse: with $K$ values a level it has $K^T$ terms.
What is left is the bound. The next three lines are those of two levels, for nothing in them counts levels.
"""

@markov("=", r"\log \sum_{z_{1:T}} \frac{p(x, z_{1:T})\, q(z_{1:T} \mid x)}{q(z_{1:T} \mid x)}", by="multiply by one, wherever q has mass", covers="mhvae-elbo-derivation:2",
        where=lambda q, p: ((q > 0) | (p == 0)).all())
def markov_by_one(p, q): return log(sum(ratio(p * q, q), 1))

@markov("=", r"\log \mathbb{E}_{q(z_{1:T} \mid x)}\left[\frac{p(x, z_{1:T})}{q(z_{1:T} \mid x)}\right]", by="that is an expectation", covers="mhvae-elbo-derivation:3",
        where=lambda q, p: ((q > 0) | (p == 0)).all())
def markov_expected(q, p): return log(E(q, ratio(p, q)))

@markov(">=", r"\mathbb{E}_{q(z_{1:T} \mid x)}\left[\log \frac{p(x, z_{1:T})}{q(z_{1:T} \mid x)}\right]", by="Jensen; what is missing is the KL to the posterior of all levels", covers="mhvae-elbo-derivation:4",
        to=markov_marginal, gap=lambda q, p: KL(q, ratio(p, sum(p, 1)[:, None])))
def markov_bound(q, p): return E(q, log(ratio(p, q)))

"""
Now take both chains apart. From $t = 2$ on, a step of $p$ down meets a step of $q$ up, over the same pair $z_{t-1}, z_t$. Two ends are left
over, the top of $p$ and the foot of $q$. They share a term.
"""

@markov("=", r"\mathbb{E}_{q(z_{1:T} \mid x)}\left[\log \frac{p(z_T)\, p(x \mid z_1) \prod_{t=2}^T p(z_{t-1} \mid z_t)}{q(z_1 \mid x) \prod_{t=2}^T q(z_t \mid z_{t-1})}\right]", by="both chains are Markov: products", covers="mhvae-elbo-derivation:5")
def markov_product(q, p_T, p_x1, p_t, q_1, q_t): return E(q, log(ratio(p_T * p_x1 * prod(p_t, 0), q_1 * prod(q_t, 0))))

@markov("=", r"\mathbb{E}_{q(z_{1:T} \mid x)}\left[\log p(x \mid z_1) + \log \frac{p(z_T)}{q(z_1 \mid x)} + \sum_{t=2}^T \log \frac{p(z_{t-1} \mid z_t)}{q(z_t \mid z_{t-1})}\right]", by="the logarithm of a product: one term a level")
def markov_sum(q, p_x1, p_T, q_1, p_t, q_t): return E(q, log(p_x1) + log(ratio(p_T, q_1)) + sum(log(ratio(p_t, q_t)), 0))

"""
One path, one latent: the old function has the last word again. So far $q$ had to be learned. What if we fix it for good, and let each level
be the one below with a little noise? Then there is no $q$ to learn, $T$ may be a thousand, and the model is called [diffusion](diffusion).
"""

@markov("=", r"\operatorname{elbo}(\log p(x, z_{1:T}), q(z_{1:T} \mid x))", by="the function of one latent: the path is one")
def markov_one_latent(p, q): return latent.elbo(log(p), q)

# ---- T levels of normal numbers --------------------------------------------------------------------------------------
normal_chain = World("a Markov chain of normal levels, one number each",
    T    = size(1, 3),
    x    = tex(r"x",          real()),
    a    = tex(r"a_t",        real("T")),                                                        # z_{t-1} | z_t ~ N(a_t z_t, s_t), z_0 = x
    s    = tex(r"s_t",        positive("T")),
    c    = tex(r"c_t",        real("T")),                                                        # z_t | z_{t-1} ~ N(c_t z_{t-1}, r_t)
    r    = tex(r"r_t",        positive("T")),
    V    = let(r"V",          lambda a, s, T: variances(a, s, T)),                               # of z_0 .. z_T under p            [T + 1]
    g    = let(r"g",          lambda a: concatenate([ones(1), cumprod(a)])),                     # what of z_t is left in x         [T + 1]
    m    = let(r"m",          lambda x, c: x * concatenate([ones(1), cumprod(c)])),              # means of z_0 .. z_T under q      [T + 1]
    v    = let(r"v",          lambda c, r, T: spreads(c, r, T)),                                 # variances of z_0 .. z_T under q  [T + 1]
    eps  = let(r"\epsilon",   lambda T: normals(T)))


def variances(a, s, T):
    V = [ones(())]
    for t in range(T - 1, -1, -1):
        V = [a[t]**2 * V[0] + s[t]] + V
    return stack(V)


def spreads(c, r, T):
    v = [zeros(())]
    for t in range(T):
        v = v + [c[t]**2 * v[-1] + r[t]]
    return stack(v)


normal = Derivation("T normal levels", normal_chain)

"""
A chain of normal numbers with $z_0 = x$ at its foot. Each level is $a_t$ times the one above, plus noise of variance $s_t$. So $x$ is a sum
of independent normal numbers, and its variance is a sum too; $g_t$ is the factor with which $z_t$ arrives at $x$.
"""

@normal(r"-\frac{1}{2}\left(\log 2\pi\left(\sum_t s_t g_{t-1}^2 + g_T^2\right) + \frac{x^2}{\sum_t s_t g_{t-1}^2 + g_T^2}\right)", let=r"\log p(x)")
def chain_sum(s, g, x): return -1 / 2 * (log(2 * pi * (sum(s * g[:-1]**2) + g[-1]**2)) + x**2 / (sum(s * g[:-1]**2) + g[-1]**2))

@normal("=", r"-\frac{1}{2}\left(\log 2\pi V_0 + \frac{x^2}{V_0}\right)", by="the variance of x, level by level from the top down")
def chain_evidence(V, x): return -1 / 2 * (log(2 * pi * V[0]) + x**2 / V[0])

"""
Here $q$ climbs: $z_t$ is $c_t z_{t-1}$ plus noise of variance $r_t$. There are no KLs this time, only a term for every step down, one for
the top, one for every step up. These can be estimated along a path, whatever the networks are.
"""

@normal(">=", r"-\sum_{t=1}^T \frac{1}{2}\left(\log 2\pi s_t + \frac{(1 - a_t c_t)^2 (m_{t-1}^2 + v_{t-1}) + a_t^2 r_t}{s_t}\right) - \frac{1}{2}\left(\log 2\pi + m_T^2 + v_T\right) + \sum_{t=1}^T \frac{1}{2}\left(\log 2\pi r_t + 1\right)",
        by="one term a level; an equality where every q is the posterior, which is Markov too", covers="mhvae-elbo-derivation:5",
        tight=dict(c=lambda a, V: a * V[1:] / V[:-1], r=lambda s, V: s * V[1:] / V[:-1]))
def chain_bound(s, a, c, m, v, r):
    return -sum(1 / 2 * (log(2 * pi * s) + ((1 - a * c)**2 * (m[:-1]**2 + v[:-1]) + a**2 * r) / s)) - 1 / 2 * (log(2 * pi) + m[-1]**2 + v[-1]) + sum(1 / 2 * (log(2 * pi * r) + 1))

@normal("=", r"\operatorname{markovelbo}(x, \epsilon, q_{1:T}, p_{1:T-1}, \mathrm{decode})", by="the function that trains, on a batch with the moments of normals", covers="mhvae-elbo-derivation:5")
def markov_trained(x, eps, a, s, c, r, T):
    q = [lambda z, t=t: (c[t] * z, log(r[t]) + 0 * z) for t in range(T)]
    p = [lambda z, t=t: (a[t] * z, log(s[t]) + 0 * z) for t in range(1, T)]
    return model.markov_elbo(x + 0 * eps[:, :1], [eps[:, t:t + 1] for t in range(T)], q, p, lambda z: (a[0] * z, log(s[0])))

"""
A sum hides where its parts came from: two levels could be exchanged and nobody would see it. So the parts are compared one by one.
"""

@normal(r"-\frac{\log 2\pi s_t + \frac{(1 - a_t c_t)^2 (m_{t-1}^2 + v_{t-1}) + a_t^2 r_t}{s_t}}{2},\ -\frac{\log 2\pi + m_T^2 + v_T}{2},\ -\frac{\log 2\pi r_t + 1}{2}", let=r"\text{its terms: } \mathbb{E}_q \log p(z_{t-1} \mid z_t),\ \mathbb{E}_q \log p(z_T),\ \mathbb{E}_q \log q(z_t \mid z_{t-1})")
def chain_terms(s, a, c, m, v, r): return -(log(2 * pi * s) + ((1 - a * c)**2 * (m[:-1]**2 + v[:-1]) + a**2 * r) / s) / 2, -(log(2 * pi) + m[-1]**2 + v[-1]) / 2, -(log(2 * pi * r) + 1) / 2

@normal("=", r"\operatorname{markovterms}(x, \epsilon, q_{1:T}, p_{1:T-1}, \mathrm{decode})", by="each level has its own name")
def markov_called(x, eps, a, s, c, r, T):
    q = [lambda z, t=t: (c[t] * z, log(r[t]) + 0 * z) for t in range(T)]
    p = [lambda z, t=t: (a[t] * z, log(s[t]) + 0 * z) for t in range(1, T)]
    log_p_x, log_p, log_q = model.markov_terms(x + 0 * eps[:, :1], [eps[:, t:t + 1] for t in range(T)], q, p, lambda z: (a[0] * z, log(s[0])))
    return stack([mean(l) for l in [log_p_x] + log_p[:-1]]), mean(log_p[-1]), stack([mean(l) for l in log_q])
