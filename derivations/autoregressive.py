"""The exact road, step by step.   Bengio and Bengio 2000, Germain et al. 2015, van den Oord et al. 2016, Salimans et al. 2017   world: a few variables with a few values: tables

A joint law of D variables is a table too large to store. What does it become when each variable is predicted from those before it?
"""
from derivations import Derivation, World, counts, index, let, positive, real, simplex, size, tex, unit
from derivations.engine.words import D, H, KL, abs, arange, argsort, broadcast_to, einsum, exp, floor, log, prod, ratio, reshape, stack, sum, tanh, where
from scratch.autodiff import conv, grad, jacobian
from scratch.autoregressive import chain, made, pixels as images
from scratch.nets import masked
from scratch.probability import distributions

# ---- Any joint law is a chain ----------------------------------------------------------------------------------------
three = World("three variables with a few values each",
    X      = size(1, 3),
    Y      = size(1, 3),
    Z      = size(1, 4),
    n      = tex(r"n",                        counts("X", "Y", "Z")),
    p      = let(r"p(x_1, x_2, x_3)",         lambda n: n / sum(n), covers="ar-joint-likelihood"),
    p_12   = let(r"p(x_1, x_2)",              lambda p: sum(p, 2)),
    p_1    = let(r"p(x_1)",                   lambda p_12: sum(p_12, 1)),
    p_2_1  = let(r"p(x_2 \mid x_1)",          lambda p_12, p_1: ratio(p_12, p_1[:, None])),
    p_3_12 = let(r"p(x_3 \mid x_1, x_2)",     lambda p, p_12: ratio(p, p_12[..., None])),
    p_23   = let(r"p(x_2, x_3)",              lambda p: sum(p, 0)),
    p_3    = let(r"p(x_3)",                   lambda p_23: sum(p_23, 0)),
    p_2_3  = let(r"p(x_2 \mid x_3)",          lambda p_23, p_3: ratio(p_23, p_3)),
    p_1_23 = let(r"p(x_1 \mid x_2, x_3)",     lambda p, p_23: ratio(p, p_23)),
    x      = let(r"x",                        lambda n: stack([broadcast_to(arange(n.shape[0])[:, None, None], n.shape), broadcast_to(arange(n.shape[1])[:, None], n.shape), broadcast_to(arange(n.shape[2]), n.shape)], -1)))


def at(table, before, x):
    """A table's entries at the values before and at x."""
    return table[(*(before[..., i] for i in range(before.shape[-1])), x)]


rule = Derivation("chain rule", three)

r"""
A picture is many variables at once. Its *joint law* $p(x_1, x_2, x_3)$ gives every combination of their values a
probability; three variables are enough to see the idea. Nothing will be lost here: no latent, no bound, only what
*given* means. $p(x_2 \mid x_1)$ is the law of $x_2$ where $x_1$ is known.
"""

@rule(r"p(x_1, x_2, x_3)")
def joint(p): return p

@rule("=", r"p(x_1)\, p(x_2 \mid x_1)\, p(x_3 \mid x_1, x_2)", by="the definition of conditional probability, twice", covers="ar-chain-rule ar-joint-likelihood")
def conditionals(p_1, p_2_1, p_3_12): return p_1[:, None, None] * p_2_1[..., None] * p_3_12

@rule("=", r"p(x_3)\, p(x_2 \mid x_3)\, p(x_1 \mid x_2, x_3)", by="in any other order as well")
def other_order(p_3, p_2_3, p_1_23): return p_3 * p_2_3 * p_1_23

"""
A product of many thousand probabilities is too small a number for a computer; the sum of their logarithms is not. And
it can be read variable by variable: how surprising was each, after those before it? $x_{<d}$ is short for those.
"""

@rule(r"\log p(x_1, x_2, x_3)")
def log_joint(p): return log(p)

@rule("=", r"\log p(x_1) + \log p(x_2 \mid x_1) + \log p(x_3 \mid x_1, x_2)", by="the logarithm of a product", covers="ar-log-likelihood")
def log_sum(p_1, p_2_1, p_3_12): return log(p_1)[:, None, None] + log(p_2_1)[..., None] + log(p_3_12)

@rule("=", r"\operatorname{logprob}(x, \log p(x_d \mid x_{<d}))", by="what models train with and report")
def called(x, p_1, p_2_1, p_3_12): return chain.log_prob(x, lambda x_d, before: log(at((p_1, p_2_1, p_3_12)[before.shape[-1]], before, x_d)))

"""
The chain has a price. What stands at its beginning is cheap, but the law of its last variable alone needs a sum over
everything before.
"""

@rule(r"p(x_3)")
def last(p_3): return p_3

@rule("=", r"\sum_{x_1} \sum_{x_2} p(x_1, x_2, x_3)", by="marginalisation, in any order")
def last_sum(p): return sum(sum(p, 1), 0)

@rule(r"\sum_{x_1, x_2, x_3} p(x_1, x_2, x_3)")
def total(p): return sum(p)

@rule("=", r"1", by="a law")
def one(): return 1

# ---- The three colours of a pixel ------------------------------------------------------------------------------------
pixel = World("a pixel with three colours, after the pixels before",
    C      = size(1, 3),
    R      = size(1, 3),
    G      = size(1, 3),
    B      = size(1, 3),
    n      = tex(r"n",                               counts("C", "R", "G", "B")),
    p_c    = let(r"p(r, g, b \mid c)",               lambda n: n / sum(n, (1, 2, 3))[:, None, None, None]),          # c: the pixels before
    p_rg   = let(r"p(r, g \mid c)",                  lambda p_c: sum(p_c, 3)),
    p_r    = let(r"p(r \mid c)",                     lambda p_rg: sum(p_rg, 2)),
    p_g    = let(r"p(g \mid c, r)",                  lambda p_rg, p_r: ratio(p_rg, p_r[..., None])),
    p_b    = let(r"p(b \mid c, r, g)",               lambda p_c, p_rg: ratio(p_c, p_rg[..., None])))

colours = Derivation("colours", pixel)

"""
A pixel in colour is three values that belong together. The chain need not be broken for that: it goes on inside the
pixel. What came before, all the earlier pixels, is called $c$.
"""

@colours(r"p(r, g, b \mid c)")
def colour(p_c): return p_c

@colours("=", r"p(r \mid c)\, p(g \mid c, r)\, p(b \mid c, r, g)", by="the chain rule inside a pixel: red, then green, then blue", covers="ar-rgb-order")
def colour_by_colour(p_r, p_g, p_b): return p_r[..., None, None] * p_g[..., None] * p_b

@colours(r"\sum_{c, r, g, b} p(r, g, b \mid c)")
def colour_total(p_c): return sum(p_c)

@colours("=", r"C", by="a law after each of the C pasts")
def colour_pasts(C): return C

# ---- Tables grow too fast --------------------------------------------------------------------------------------------
binary = World("binary pixels: a table, then logistic regressions",
    M       = size(1, 3),
    alpha_1 = tex(r"\alpha^{(1)}",     unit()),
    alpha_0 = tex(r"\alpha_0",         real("M")),
    alpha   = tex(r"\alpha",           real("M", "M")),
    n_0     = tex(r"n_0",              positive()),
    n_1     = tex(r"n_1",              positive()),
    d       = let(r"d",                lambda M: arange(1, M + 2)),
    p_cpt   = let(r"p_{\mathrm{CPT}}", lambda alpha_1: stack([alpha_1, 1 - alpha_1]), covers="ar-cpt"),                # at x_1 = 0, 1
    x       = let(r"x",                lambda M: floor(arange(2**(M + 1))[:, None] / 2**arange(M + 1)) % 2),          # all images
    p_1     = let(r"p_{\mathrm{CPT}}(x_1)",                  lambda x, alpha_1: x[:, 0] * (1 - alpha_1) + (1 - x[:, 0]) * alpha_1),
    p_d     = let(r"p_{\mathrm{logit}}(x_d \mid x_{<d})",    lambda x, alpha_0, alpha: one_by_one(x, alpha_0, alpha)))   # of the later ones

def one_by_one(x, alpha_0, alpha):
    """The probability of every pixel after the first, by the pixels before it [images, M]."""
    p = [sigmoid(alpha_0[i] + sum(alpha[i, :i + 1] * x[:, :i + 1], 1)) for i in range(len(alpha))]
    return stack([x[:, i + 1] * p[i] + (1 - x[:, i + 1]) * (1 - p[i]) for i in range(len(alpha))], 1)


pixels = Derivation("pixels", binary)

"""
So every law is a chain of conditionals, and each of them could be a table. But the table of $x_d$ needs a row for
every way the earlier pixels can turn out. Take pixels that are 0 or 1, one number a row. How many numbers is that?
"""

@pixels(r"\sum_d 2^{d - 1}", let=r"\text{entries of the tables of } M + 1 \text{ binary variables}")
def entries(d): return sum(2**(d - 1))

@pixels("=", r"2^{M + 1} - 1", by="a table for each of the values before: as many numbers as the joint table has", covers="ar-separate-models")
def entries_joint(M): return 2**(M + 1) - 1

r"""
Nothing is won by tables, except at the start of the chain. The first pixel has nothing before it, and its
*conditional probability table*, CPT for short, is a single number: $\alpha^{(1)}$, the probability of a 0.
"""

@pixels(r"1")
def cpt_one(): return 1

@pixels("=", r"\sum_{x_1} p_{\mathrm{CPT}}", by="the two entries of the first table")
def cpt_total(p_cpt): return sum(p_cpt)

@pixels(r"\log p_{\mathrm{CPT}}")
def cpt(p_cpt): return log(p_cpt)

@pixels("=", r"\operatorname{cptlogprob}(x_1, \alpha^{(1)})", by="the first factor of the model")
def cpt_called(alpha_1): return chain.cpt_log_prob(arange(2), alpha_1)

"""
Which number? The one under which the data are most probable: *maximum likelihood*. Say that $n_0$ pictures begin with
a 0 and $n_1$ with a 1.
"""

@pixels(r"n_0 \log \alpha^{(1)} + n_1 \log(1 - \alpha^{(1)})")
def cpt_likelihood(n_0, alpha_1, n_1): return n_0 * log(alpha_1) + n_1 * log(1 - alpha_1)

@pixels("argmax", r"\frac{n_0}{n_0 + n_1}", of=cpt_likelihood, over="alpha_1", by="the frequency")
def cpt_best(n_0, n_1): return n_0 / (n_0 + n_1)

# ---- The others are small formulas -----------------------------------------------------------------------------------
def sigmoid(x):
    return 1 / (1 + exp(-x))

"""
For the later pixels, put a formula in the table's place: *logistic regression*. Give each earlier pixel its weight,
add them to a constant, and let a sigmoid, $1 / (1 + e^{-a})$, turn the sum $a$ into the probability of a 1. A hundred
pixels then need some 5000 numbers; the tables needed some $2^{100}$.
"""

@pixels(r"\log p_{\mathrm{CPT}}(x_1) + \sum_{d=2}^{D} \log p_{\mathrm{logit}}(x_d \mid x_{<d})", let=r"\log p(x)", covers="ar-cpt-logistic-model")
def logistic(p_1, p_d): return log(p_1) + sum(log(p_d), 1)

@pixels("=", r"\operatorname{logisticlogprob}(x, \alpha^{(1)}, \alpha_0, \alpha)", by="all pixels at once: a triangle of weights")
def logistic_called(x, alpha_1, alpha_0, alpha): return chain.logistic_log_prob(x, alpha_1, alpha_0, alpha)

"""
And the weights may be anything. A chain of conditionals cannot help being a law: add up over every picture there is.
"""

@pixels(r"1")
def logistic_one(): return 1

@pixels("=", r"\sum_x \exp \operatorname{logisticlogprob}(x, \alpha^{(1)}, \alpha_0, \alpha)", by="whatever the weights: normalised by construction", covers="ar-explicit-likelihood")
def logistic_total(x, alpha_1, alpha_0, alpha): return sum(exp(chain.logistic_log_prob(x, alpha_1, alpha_0, alpha)))

# ---- One of them is fitted -------------------------------------------------------------------------------------------
points = World("binary answers to real questions",
    N       = size(1, 4),
    M       = size(1, 2),
    two     = size(2, 2),
    x       = tex(r"x_n",          unit("N", "M")),
    y       = tex(r"y_n",          index("two", "N")),
    alpha_0 = tex(r"\alpha_0",     real()),
    alpha   = tex(r"\alpha",       real("M")),
    s       = let(r"s_n",          lambda x, alpha_0, alpha: 1 / (1 + exp(-(alpha_0 + x @ alpha))), covers="ar-logit"))

regression = Derivation("regression", points)

"""
One such formula by itself: $x_n$ is what came before, $y_n$ is the pixel that came, $s_n$ the probability that the
model gave to a 1. We raise the log-likelihood of the answers. Which way do the weights move?
"""

@regression(r"\sum_n y_n \log s_n + (1 - y_n) \log(1 - s_n)")
def fit(y, s): return sum(y * log(s) + (1 - y) * log(1 - s))

@regression("=", r"\sum_n \log \sigma\left((2 y_n - 1) (\alpha_0 + x_n^{\top} \alpha)\right)", by="the sigmoid of -a is one less that of a: a sign says which")
def fit_signed(y, alpha_0, x, alpha): return sum(log(sigmoid((2 * y - 1) * (alpha_0 + x @ alpha))))

@regression("=", r"\sum_n \operatorname{logitlogprob}(y_n, \alpha_0 + \alpha^{\top} x_n)", by="one sign, one stable function")
def logit_called(y, alpha_0, x, alpha): return sum(chain.logit_log_prob(y, alpha_0 + x @ alpha))

@regression(r"\nabla_{\alpha_0} \sum_n \log \sigma\left((2 y_n - 1) (\alpha_0 + x_n^{\top} \alpha)\right),\ \nabla_{\alpha} \sum_n \log \sigma\left((2 y_n - 1) (\alpha_0 + x_n^{\top} \alpha)\right)", rests_on=fit_signed)
def fit_slope(alpha_0, y, x, alpha): return D(lambda alpha_0: sum(log(sigmoid((2 * y - 1) * (alpha_0 + x @ alpha)))), alpha_0), D(lambda alpha: sum(log(sigmoid((2 * y - 1) * (alpha_0 + x @ alpha)))), alpha)

@regression("=", r"\left(\sum_n (y_n - s_n),\ \sum_n (y_n - s_n) x_n\right)", by="the error times the question")
def fit_error(y, s, x): return sum(y - s), sum((y - s)[:, None] * x, 0)

"""
So every factor of an exact model learns from its own error, with no bound and no posterior.
"""

@regression("=", r"\nabla \sum_n \operatorname{logitlogprob}(y_n, \alpha_0 + \alpha^{\top} x_n)", by="the same by our own autodiff")
def fit_called(y, x, alpha_0, alpha): return tuple(grad(lambda a: sum(chain.logit_log_prob(y, a[0] + x @ a[1])))([alpha_0, alpha]))

# ---- One network for all of them -------------------------------------------------------------------------------------
layers = World("a network with two hidden layers, and degrees for its units",
    D     = size(1, 4),
    H     = size(1, 3),
    I     = size(1, 3),
    key   = tex(r"\kappa",               real("D")),
    m_1   = tex(r"m^1",                  index("D", "H")),
    m_2   = tex(r"m^2",                  index("D", "I")),
    order = let(r"o",                    lambda key: argsort(key)),                        # the columns, as they are drawn
    m     = let(r"m_d",                  lambda order: argsort(order) + 1),                # of each column the place: 1 .. D
    M_1   = let(r"M^1",                  lambda m, m_1: 1 * (m_1 >= m[:, None])),          # [D, H]: from a row to a column
    M_2   = let(r"M^2",                  lambda m_1, m_2: 1 * (m_2 >= m_1[:, None])),
    M_out = let(r"M^{\mathrm{out}}",     lambda m_2, m: 1 * (m > m_2[:, None])),
    past  = let(r"\mathbf{1}_{j < d}",   lambda m: m[:, None] < m),                        # [D, D]: where x_j is before x_d
    even  = let(r"1 + \left\lfloor \frac{k (D - 1)}{H} \right\rfloor", lambda D, H: 1 + arange(H) * (D - 1 if D > 1 else 1) // H))

masks = Derivation("masks", layers)

r"""
One network could say all the conditionals at once, if its output $y_d$ saw only what is drawn before $x_d$. So give
every unit a *degree* $m$: an input has its place in the order, a hidden unit any number below $D$. A wire may not lead
to a smaller degree, and only to a larger one at the end.
"""

@masks(r"M^1 M^2 M^{\mathrm{out}}")
def ways(M_1, M_2, M_out): return M_1 @ M_2 @ M_out

@masks("=", r"\operatorname{mask}(m_d, m^1) \operatorname{mask}(m^1, m^2) \operatorname{mask}(m^2, m_d, \text{strict})", by="weights are multiplied by masks of 0 and 1, and a product of masks counts the ways from x_j to y_d", covers="made-mask")
def ways_called(m, m_1, m_2): return 1 * masked.mask(m, m_1) @ (1 * masked.mask(m_1, m_2)) @ (1 * masked.mask(m_2, m, strict=True))

"""
Is the chain kept? No way may lead to an output from its own input or from a later one. Not few ways: none.
"""

@masks("=", r"\mathbf{1}_{j < d} \left(M^1 M^2 M^{\mathrm{out}}\right)", to=ways, by="degrees do not fall on the way, and at its end they rise: j is before d", covers="made-mask")
def ways_back(past, M_1, M_2, M_out): return past * (M_1 @ M_2 @ M_out)

r"""
And does an output see everything before it? If no hidden unit has the degree 1, nobody sees the first alone. Wires straight
from inputs to outputs, under the strict mask, close every such hole.
"""

@masks(r"\mathbf{1}_{j < d}")
def past_of(past): return past

@masks("=", r"\left(M^1 M^2 M^{\mathrm{out}} + \operatorname{mask}(m_d, m_d, \text{strict}) > 0\right)", by="exactly what lies before, and all of it", covers="made-mask")
def past_called(M_1, M_2, M_out, m): return M_1 @ M_2 @ M_out + masked.mask(m, m, strict=True) > 0

@masks(r"\left(m_d,\ 1 + \left\lfloor \frac{k (D - 1)}{H} \right\rfloor\right)")
def spread(m, even): return m, even

@masks("=", r"\operatorname{degrees}(o, H)", by="the degrees that the network takes: places in the order, then the numbers below D, evenly")
def spread_called(order, H): return tuple(masked.degrees(order, (H,)))

# ---- Drawn one after the other ---------------------------------------------------------------------------------------
def chances(x, order, rho):
    """p(x_d = 1 | those before it in the order), of all d at once."""
    place  = argsort(order)
    before = 1 * (place[:, None] < place)
    return rho[place, (x * 2**place) @ before] / 8


drawing = World("a few bits, their chances in eighths, and all ways in which dice can fall",
    D     = size(1, 3),
    key   = tex(r"\kappa", real("D")),
    rho   = tex(r"\rho",   index(9, "D", 4)),                                              # eighths: a row for each place
    order = let(r"o",      lambda key: argsort(key)),
    x     = let(r"x",      lambda D: arange(2**D)[:, None] // 2**arange(D) % 2),           # [2^D, D]: all there is to draw
    p     = let(r"p",      lambda x, order, rho: chances(x, order, rho)),
    u     = let(r"u",      lambda D: arange(8**D)[:, None] // 8**arange(D) % 8 / 8))       # [8^D, D]


draws = Derivation("drawing", drawing)

r"""
How does one draw from a chain? As it is written: $x_1$ first, then $x_2$ given what $x_1$ turned out to be. Does that
give the law itself? Here every chance is a multiple of one eighth, and each die $u$ has eight faces; so let the dice
fall in all $8^D$ ways, and count.
"""

@draws(r"\prod_d p^{x_d} (1 - p)^{1 - x_d}")
def law(p, x): return prod(p**x * (1 - p)**(1 - x), 1)

@draws("=", r"\text{how often the dice give } \operatorname{ancestral}(u, 0, o, p)", by="ancestral sampling: each value is drawn given those drawn before it", covers="alg-ar-ancestral")
def ancestral_called(u, order, rho, x):
    drawn = chain.ancestral(lambda i: u[:, i], 0 * u.astype(int), order, lambda x, d: chances(x, order, rho), lambda u, p, d: u < p[:, d])
    return sum(prod(1.0 * (drawn[:, None] == x), 2), 0) / len(u)

@draws(r"1")
def law_one(): return 1

@draws("=", r"\sum_x \prod_d p^{x_d} (1 - p)^{1 - x_d}", by="these are all the images there are")
def law_total(p, x): return sum(prod(p**x * (1 - p)**(1 - x), 1))

"""
Exact when it is read, and exact when it draws. But look at the price. To read an image, one call of a network says all
conditionals; to draw one, each value waits for those before it. That was one exact road: cut a law into small laws.
[The other](flows) keeps it whole, and bends it.
"""

@draws(r"(D, 1)")
def price(D): return D, 1

@draws("=", r"\text{calls of the network: to draw all images at once, and to read them}", by="drawing is as deep as the chain is long, however many images are drawn", covers="ar-sequential-cost")
def price_called(u, order, rho):
    calls = []
    def network(x, d=None): calls.append(1); return chances(x, order, rho) / 2 + 1 / 4                     # no logit is infinite
    x     = chain.ancestral(lambda i: u[:, i], 0 * u.astype(int), order, network, lambda u, p, d: u < p[:, d])
    drawn = len(calls)
    made.log_prob(x, log(1 / (1 / network(x) - 1))[None])
    return drawn, len(calls) - drawn

# ---- In several orders -----------------------------------------------------------------------------------------------
orders = World("bits, and a masked network for each of K orders",
    K   = size(1, 2),
    D   = size(1, 3),
    N   = size(1, 3),
    x_n = tex(r"x_n",     index(2, "N", "D")),
    l   = tex(r"\ell",    real("K", "N", "D")),                                            # whatever the network says of them
    key = tex(r"\kappa",  real("K", "D")),
    W   = tex(r"W",       real("K", "D", "D")),
    b   = tex(r"b",       real("K", "D")),
    x   = let(r"x",       lambda D: arange(2**D)[:, None] // 2**arange(D) % 2))            # [2^D, D]


def said(x, W, b, key):
    """The logits in each order, [K, 2^D, D]: a weight from j to d counts where j comes before d."""
    return b[:, None] + einsum("xj,kjd->kxd", x * 1.0, W * (key[:, :, None] < key[:, None]))


averaged = Derivation("orders", orders)

r"""
Which order is the right one? [Any](autoregressive.other_order), as long as the conditionals are; those of a network are
not. So take $K$ orders with masks of their own, and the mean of their laws. The sum runs over every image there is.
"""

@averaged(r"\frac{1}{K} \sum_k \prod_d \sigma(\ell)^{x_n} \left(1 - \sigma(\ell)\right)^{1 - x_n}", let=r"p(x_n)")
def orders_mean(K, l, x_n): return 1 / K * sum(prod(sigmoid(l)**x_n * (1 - sigmoid(l))**(1 - x_n), 2), 0)

@averaged("=", r"\exp \operatorname{logprob}(x_n, \ell)", by="in the log domain")
def orders_called(x_n, l): return exp(made.log_prob(x_n, l))

@averaged(r"1")
def orders_one(): return 1

@averaged("=", r"\sum_x \exp \operatorname{logprob}(x, \ell(x))", by="a mean of laws is a law; and each is one, since its mask keeps the chain", covers="ar-explicit-likelihood")
def orders_total(x, W, b, key): return sum(exp(made.log_prob(x, said(x, W, b, key))))

# ---- A mask on a kernel ----------------------------------------------------------------------------------------------
def power(A, B, L):
    """A B^L of tables of truths, in numbers."""
    A = 1.0 * A
    for _ in range(L):
        A = A @ (1.0 * B)
    return A


def two_stacks(N, up, on, L):
    """The ways [n, n] through a first layer and L more, of the stack of rows, v, and of the other, which listens."""
    v    = 1.0 * N * (up > 0)
    seen = N * (up == 0) * (on < 0) + v
    for _ in range(L):
        v    = 1.0 * N * (up >= 0) @ v
        seen = 1.0 * N * (up == 0) * (on <= 0) @ seen + v
    return seen


image = World("a small image, and a kernel of 2a + 1 by 2b + 1",
    h   = size(1, 3),
    w   = size(1, 4),
    a   = size(1, 2),
    b   = size(1, 2),
    C   = size(1, 3),
    I   = size(1, 4),
    J   = size(1, 4),
    L   = size(0, 2),
    x   = tex(r"x",           real("h", "w")),
    W_A = tex(r"W_A",         real(3, 3)),
    W_B = tex(r"W_B",         real(3, 3)),
    i   = let(r"i",           lambda h, w: arange(h * w)[:, None]),                        # the pixel that sees, in raster order
    j   = let(r"j",           lambda h, w: arange(h * w)),                                 # the pixel that is seen
    dy  = let(r"\Delta_y",    lambda a: arange(-a, a + 1)[:, None, None, None]),           # a kernel's entries, from its middle
    dx  = let(r"\Delta_x",    lambda b: arange(-b, b + 1)[:, None, None]),
    c   = let(r"c",           lambda I, C: arange(I)[:, None] % C),                        # colours: of the channel that is read,
    e   = let(r"e",           lambda J, C: arange(J) % C),                                 # and of the one that is made
    up  = let(r"\uparrow",    lambda i, j, w: i // w - j // w),                            # [n, n]: so many rows above is j,
    on  = let(r"\rightarrow", lambda i, j, w: j % w - i % w),                              # and so far on to the right
    N   = let(r"N",           lambda up, on, a, b: (abs(up) <= a) * (abs(on) <= b)),       # does a kernel reach so far?
    A   = let(r"A",           lambda N, i, j: N * (j < i)),                                # the first layer's mask, the others'
    B   = let(r"B",           lambda N, i, j: N * (j <= i)),
    past   = let(r"\mathbf{1}_{j < i}",    lambda i, j: j < i),
    AB     = let(r"A B^L",                 lambda A, B, L: power(A, B, L)),
    no     = let(r"\mathbf{1}_{A B^L = 0}", lambda AB: AB == 0),
    never  = let(r"\mathbf{1}_{A B^{h + w} = 0}", lambda A, B, h, w: 1 * (power(A, B, h + w) == 0)),
    S_L    = let(r"S_L",                   lambda up, on, N, L: two_stacks(N, up, on, L)),
    none   = let(r"\mathbf{1}_{S_L = 0}",  lambda S_L: 1 * (S_L == 0)),
    lost   = let(r"\mathbf{1}_{S_{h + w} = 0}", lambda up, on, N, h, w: 1 * (two_stacks(N, up, on, h + w) == 0)),
    cone   = let(r"\mathbf{1}_{\rightarrow > b \uparrow > 0}", lambda up, on, b: (up > 0) * (on > b * up)),
    K_A    = let(r"K_A",      lambda dy, dx, c, e: (dy < 0) + (dy == 0) * ((dx < 0) + (dx == 0) * (c < e))),       # a kernel's masks
    K_B    = let(r"K_B",      lambda dy, dx, c, e: (dy < 0) + (dy == 0) * ((dx < 0) + (dx == 0) * (c <= e))),
    R_A    = let(r"R_A",      lambda dy, a, b: broadcast_to(dy < 0, (2 * a + 1, 2 * b + 1, 1, 1))),                # those of a stack of rows
    R_B    = let(r"R_B",      lambda dy, a, b: broadcast_to(dy <= 0, (2 * a + 1, 2 * b + 1, 1, 1))))

kernels = Derivation("kernels", image)

r"""
In an image the neighbours tell most, and everywhere in the same way: a *convolution*. Half of its kernel would look
ahead. So mask it: what lies above or to the left may be seen, and inside a pixel red before green before blue. Mask A
hides a value from itself; mask B, of later layers, need not.
"""

@kernels(r"(K_A, K_B)")
def kernel_masks(K_A, K_B): return K_A, K_B

@kernels("=", r"\operatorname{kernelmask}((2a + 1, 2b + 1), I, J, C)", by="the masks that the weights are multiplied by")
def kernel_mask_called(a, b, I, J, C): return images.kernel_mask((2 * a + 1, 2 * b + 1), I, J, C, True), images.kernel_mask((2 * a + 1, 2 * b + 1), I, J, C, False)

@kernels(r"A B^L")
def ways_through(AB): return AB

@kernels("=", r"\mathbf{1}_{j < i}\, A B^L", by="the ways through L + 1 layers, as matrices over pixels: A looks back, and B never ahead", covers="pixelcnn-mask")
def ways_through_back(past, AB): return past * AB

@kernels(r"0")
def no_slope(): return 0

@kernels("=", r"\sum_{i, j} \left(1 - \mathbf{1}_{j < i}\right) \left(\nabla_{x_j} \operatorname{conv}\left(\tanh \operatorname{conv}(x, W_A K_A), W_B K_B\right)_i\right)^2", by="the slopes of a network of two layers, by our own autodiff, in its own pixel and in all later ones", covers="pixelcnn-mask")
def no_slope_called(x, W_A, W_B, past, h, w):
    K_A, K_B = (images.kernel_mask((3, 3), 1, 1, 1, first) for first in (True, False))
    same     = (1, 1), (1, 1), ((1, 1), (1, 1))
    network  = lambda x: conv(tanh(conv(x[None, :, :, None], W_A[..., None, None] * K_A, same)), W_B[..., None, None] * K_B, same)
    return sum((1 - past) * reshape(jacobian(network)(x), (h * w, h * w))**2)

# ---- The blind spot --------------------------------------------------------------------------------------------------
r"""
Nothing is seen that must not be. Is all seen that may be? In the matrix $A B^L$ stand the ways through $L + 1$ layers.
Where it is 0, nothing arrives, though it may.
"""

@kernels(r"\mathbf{1}_{j < i}\, \mathbf{1}_{A B^L = 0}")
def blind(past, no): return past * no

@kernels("=", r"\operatorname{unseen}((h, w), (2a + 1, 2b + 1), L)", by="the same by the convolutions that the models use")
def unseen_called(h, w, a, b, L): return images.unseen((h, w), (2 * a + 1, 2 * b + 1), L)

r"""
More layers help little. A masked kernel climbs a row and moves at most $b$ to the right; along its own row it moves
only to the left. However deep the network: what lies farther right than that, in the rows above, is never seen. That
is the *blind spot*.
"""

@kernels(r"\sum_{i, j} \mathbf{1}_{\rightarrow > b \uparrow > 0}")
def beside_cone(cone): return sum(cone)

@kernels("=", r"\sum \operatorname{unseen}((h, w), (2a + 1, 2b + 1), h + w)", by="all that is never seen, in a network that is deep enough to cross the image")
def beside_cone_called(h, w, a, b): return sum(images.unseen((h, w), (2 * a + 1, 2 * b + 1), h + w))

r"""
The cure is two stacks. One sees the rows above, whole and without a cone, since it needs no mask inside a row. The
other looks left along its own row, and listens to the first.
"""

@kernels(r"(R_A, R_B)")
def rows(R_A, R_B): return R_A, R_B

@kernels("=", r"\operatorname{rowsmask}((2a + 1, 2b + 1))", by="the masks of the stack of rows, which are alike along a row")
def rows_mask_called(a, b): return images.rows_mask((2 * a + 1, 2 * b + 1), True), images.rows_mask((2 * a + 1, 2 * b + 1), False)

@kernels(r"\mathbf{1}_{S_L = 0} - (1 - \mathbf{1}_{j < i})", let=r"\text{blind, where } S_L \text{ are the ways through both}")
def blind_rows(none, past): return none - (1 - past)

@kernels("=", r"\operatorname{unseen}((h, w), (2a + 1, 2b + 1), L, \text{gated})", by="two stacks, layer by layer")
def unseen_rows_called(h, w, a, b, L): return images.unseen((h, w), (2 * a + 1, 2 * b + 1), L, images.gated_sight)

@kernels(r"0")
def nothing(): return 0

@kernels("=", r"\sum \operatorname{unseen}((h, w), (2a + 1, 2b + 1), h + w, \text{gated})", by="in a network of that depth no blind spot is left")
def no_blind_spot(h, w, a, b): return sum(images.unseen((h, w), (2 * a + 1, 2 * b + 1), h + w, images.gated_sight))


def factors(c, C):
    """The factor by which colour j moves the middles of colour i after it, [i, j, M]."""
    i, j = arange(C)[:, None], arange(C)
    return where((j < i)[..., None], c[(i * (i - 1) // 2 + j) * (j < i)], 0)


def upper(x, mu, s, L):
    """The mass of each component up to the end of a level's bin."""
    return where(x[..., None] < L - 1, sigmoid((x[..., None] + 1 / 2 - mu) / s), 1)


def lower(x, mu, s):
    """Up to its beginning."""
    return where(x[..., None] > 0, sigmoid((x[..., None] - 1 / 2 - mu) / s), 0)


# ---- Levels by a mixture ---------------------------------------------------------------------------------------------
levels = World("a pixel of C colours with L levels, and a mixture of M logistic laws",
    C    = size(1, 3),
    L    = size(2, 3),
    M    = size(1, 3),
    l    = tex(r"\ell_i",   real("M")),
    mu   = tex(r"\mu_i",    real("C", "M")),                                               # in levels; it may lie outside
    s    = tex(r"s_i",      positive("C", "M")),
    c    = tex(r"c_i",      real(3, "M")),
    nu   = tex(r"\nu",      real()),
    pi_  = let(r"\pi_i",    lambda l: exp(l) / sum(exp(l))),
    x    = let(r"x",        lambda L, C: arange(L**C)[:, None] // L**arange(C) % L),       # [L^C, C]: all levels of all colours
    up   = let(r"F_i(x_+)", lambda x, mu, s, L: upper(x, mu, s, L)),                       # [L^C, C, M]
    down = let(r"F_i(x_-)", lambda x, mu, s: lower(x, mu, s)),
    top  = let(r"\mathbf{1}_{x = L - 1}", lambda x, L: 1 * (x == L - 1)[..., None]),       # [L^C, C, 1]
    end  = let(r"\mathbf{1}_{x = 0}",     lambda x: 1 * (x == 0)[..., None]),
    k    = let(r"k_{i,j}",  lambda c, C: factors(c, C)),                                   # [C, C, M]: those of c, as a triangle
    mu_x = let(r"\mu(x)",   lambda mu, k, x, L: mu + sum(k * (x / (L - 1))[:, None, :, None], 2)),       # [L^C, C, M]
    up_x = let(r"F_i(x_+ \mid \mu(x))",   lambda x, mu_x, s, L: upper(x, mu_x, s, L)),
    down_x = let(r"F_i(x_- \mid \mu(x))", lambda x, mu_x, s: lower(x, mu_x, s)),
    r    = let(r"r_i(x)",   lambda pi_, up, down: pi_ * prod(up - down, 1) / sum(pi_ * prod(up - down, 1), 1)[:, None]))

mixture = Derivation("levels", levels)

r"""
Levels of grey have an order, and 100 lies next to 101. A table of 256 chances does not know that; a density on the line
does. Take a *mixture* of $M$ logistic laws: component $i$ has the chance $\pi_i$, its middle $\mu_i$ and its width
$s_i$, and the sigmoid is its distribution function.
"""

@mixture(r"\nabla_{\nu} \sum_i \pi_i\, \sigma\left(\frac{\nu - \mu_i}{s_i}\right)")
def slope_of_mass(pi_, nu, mu, s): return D(lambda nu: sum(pi_ * sigmoid((nu - mu) / s), 1), nu)

@mixture("=", r"\sum_i \pi_i\, \frac{1}{s_i}\, \sigma\left(\frac{\nu - \mu_i}{s_i}\right) \sigma\left(\frac{\mu_i - \nu}{s_i}\right)", by="the density of nu, drawn from the mixture: that of one component, which is drawn first", covers="logistic-mixture-density")
def density(pi_, nu, mu, s): return sum(pi_ * (1 / s) * sigmoid((nu - mu) / s) * sigmoid((mu - nu) / s), 1)

r"""
A level gets the mass between $x_- = x - \frac{1}{2}$ and $x_+ = x + \frac{1}{2}$. The first level also has what lies
below, the last what lies above: there $F_i$ is 0 and 1, elsewhere the sigmoid. The colours of a pixel share the
component that they come from.
"""

@mixture(r"\sum_i \pi_i \prod_{\mathrm{colours}} \left(F_i(x_+) - F_i(x_-)\right)", let="P(x)", covers="logistic-mixture-pmf")
def mixed(pi_, up, down): return sum(pi_ * prod(up - down, 1), 1)

@mixture("=", r"\exp \operatorname{logisticmixturelogprob}\left(x, \ell, \frac{\mu}{L - 1}, \log \frac{s}{L - 1}, L\right)", by="in the log domain, and in units of the whole range", covers="logistic-mixture-pmf")
def mixture_called(x, l, mu, s, L): return exp(distributions.logistic_mixture_log_prob(x[:, None], l, mu / (L - 1), log(s / (L - 1)), L))

@mixture(r"1")
def mixed_one(): return 1

@mixture("=", r"\sum_x \sum_i \pi_i \prod_{\mathrm{colours}} \left(F_i(x_+) - F_i(x_-)\right)", by="the sum over all levels of all colours telescopes", covers="logistic-mixture-pmf")
def mixed_mass(pi_, up, down): return sum(sum(pi_ * prod(up - down, 1), 1))

@mixture("!=", r"\sum_x \sum_i \pi_i \prod_{\mathrm{colours}} \left(\sigma\left(\frac{x + \frac{1}{2} - \mu_i}{s_i}\right) - \sigma\left(\frac{x - \frac{1}{2} - \mu_i}{s_i}\right)\right)", slip="N3", by="S3 prints one formula for every x: the two ends lose their tails")
def mixed_printed(pi_, x, mu, s): return sum(sum(pi_ * prod(sigmoid((x[..., None] + 1 / 2 - mu) / s) - sigmoid((x[..., None] - 1 / 2 - mu) / s), 1), 1))

# ---- What a mixture costs and feels ----------------------------------------------------------------------------------
r"""
Five components say a colour in fifteen numbers: chances, middles and widths. A table says it in 256.
"""

@mixture(r"256")
def outputs_table(): return 256

@mixture(">=", r"3 \cdot 5", by="chance, middle and width of each of five components", gap=lambda: 241, covers="logistic-mixture-size")
def outputs_mixture(): return 3 * 5

r"""
And every level teaches every middle, for all of them share it. Let $r_i(x)$ be the chance that component $i$ has made
the pixel $x$; where does $\mu_i$ want to go?
"""

@mixture(r"\nabla_{\mu_i} \log \sum_i \pi_i \prod_{\mathrm{colours}} \left(\mathbf{1}_{x = L - 1} + (1 - \mathbf{1}_{x = L - 1})\, \sigma\left(\frac{x + \frac{1}{2} - \mu_i}{s_i}\right) - (1 - \mathbf{1}_{x = 0})\, \sigma\left(\frac{x - \frac{1}{2} - \mu_i}{s_i}\right)\right)", let=r"\text{the pull of } x")
def pulls(mu, pi_, top, x, s, end): return D(lambda mu: log(sum(pi_ * prod(top + (1 - top) * sigmoid((x[..., None] + 1 / 2 - mu) / s) - (1 - end) * sigmoid((x[..., None] - 1 / 2 - mu) / s), 1), 1)), mu)

@mixture("=", r"\frac{r_i(x) \left(F_i(x_+) + F_i(x_-) - 1\right)}{s_i}", by="dense: it is 0 where the middle of the bin is mu_i, and at no other level", covers="logistic-mixture-dense-gradient",
         where=lambda s: (s >= 1 / 2).all(), tol=(1e-10, "a difference of sigmoids that are nearly equal"))
def pulls_dense(r, up, down, s): return r[:, None] * (up + down - 1) / s

@mixture("=", r"\nabla_{\mu} \operatorname{logisticmixturelogprob}\left(x, \ell, \frac{\mu}{L - 1}, \log \frac{s}{L - 1}, L\right)", by="by our own autodiff", covers="logistic-mixture-dense-gradient",
         where=lambda s: (s >= 1 / 2).all(), tol=(1e-10, "a difference of sigmoids that are nearly equal"))
def pulls_called(x, l, mu, s, L): return grad(lambda mu: sum(distributions.logistic_mixture_log_prob(x, l, mu / (L - 1), log(s / (L - 1)), L)))(mu + 0 * x[..., None])

r"""
A pixel that is red is rarely blue. So the middles may move with the colours before, each by its own factor, and the
chain goes on inside the pixel. Only a triangle of factors: else it would be no chain.
"""

@mixture(r"\mu_i + \sum_j k_{i,j} \frac{x_j}{L - 1}", let=r"\text{the middles of colour } i \text{, moved by those before}")
def colours_moved(mu, k, x, L): return mu + sum(k * (x / (L - 1))[:, None, :, None], 2)

@mixture("=", r"\mu(x)", by="in short: each is moved by those before it alone")
def middles(mu_x): return mu_x

@mixture("=", r"\operatorname{colourmeans}(x, \mu, c, L)", by="as many colours as there are")
def colours_called(x, mu, c, L, C): return distributions.colour_means(x, mu + 0 * x[..., None], c[None, :C * (C - 1) // 2], L)

@mixture("=", r"\sum_x \exp \operatorname{logisticmixturelogprob}\left(x, \ell, \operatorname{colourmeans}(x, \mu, c, L), \log s, L\right)", by="whatever the factors: a triangle cannot break a chain", to=mixed_one)
def moved_mass(x, l, mu, c, s, L, C): return sum(exp(distributions.logistic_mixture_log_prob(x, l, distributions.colour_means(x, mu + 0 * x[..., None], c[None, :C * (C - 1) // 2], L), log(s), L)))

# ---- A short memory --------------------------------------------------------------------------------------------------
memory = World("four steps, two of memory",
    X      = size(1, 3),
    p_1    = tex(r"p(x_1)",                        simplex("X")),
    p_2_1  = tex(r"p(x_2 \mid x_1)",               simplex("X", "X")),
    p_3    = tex(r"p(x_d \mid x_{d-2}, x_{d-1})",  simplex("X", "X", "X")),                                           # the same at every step
    n      = tex(r"n",                             counts("X", "X", "X")),
    f      = let(r"f",                             lambda n: n / sum(n, 2)[..., None]),
    p      = let(r"p(x)",                          lambda p_1, p_2_1, p_3: p_1[:, None, None, None] * p_2_1[..., None, None] * p_3[..., None] * p_3, covers="ar-trigram"),
    p_123  = let(r"p(x_1, x_2, x_3)",              lambda p: sum(p, 3)),
    x      = let(r"x",                             lambda X: floor(arange(X**4)[:, None] / X**arange(3, -1, -1)) % X))

trigram = Derivation("trigram", memory)

"""
Tables stay small, too, if the chain forgets. Let each variable depend on the two before it and on nothing else, by
the same table at every step. In language that is a *trigram* model: a word is guessed from the last two.
"""

@trigram(r"1")
def trigram_one(): return 1

@trigram("=", r"\sum_x p(x)", by="each conditional sums to 1")
def trigram_total(p): return sum(p)

@trigram(r"\frac{p(x)}{p(x_1, x_2, x_3)}", let=r"p(x_4 \mid x_1, x_2, x_3)")
def trigram_last(p, p_123): return p / p_123[..., None]

@trigram("=", r"p(x_d \mid x_{d-2}, x_{d-1})", by="what lies further back does not count", where=lambda p_123: (p_123 > 0).all())
def trigram_memory(p_3, p): return broadcast_to(p_3, p.shape)

r"""
Which table is best? Count: $n$ says how often each value came after each two, and $f$ is that count as a law.
$\mathrm{H}(f)$, its *entropy*, is what even the right law has to pay for each value.
"""

@trigram(r"\sum n \log p(x_d \mid x_{d-2}, x_{d-1})")
def trigram_likelihood(n, p_3): return sum(n * log(p_3))

@trigram("=", r"-\sum \sum n \left(\mathrm{H}(f) + \mathrm{KL}(f \,\Vert\, p(x_d \mid x_{d-2}, x_{d-1}))\right)", where=lambda n: (n > 0).all(), by="frequencies f after every two values: what they cost, and what a wrong law costs on top")
def trigram_cost(n, f, p_3): return -sum(sum(n, 2) * (H(f) + KL(f, p_3)))

@trigram("argmax", r"\frac{n}{\sum n}", of=trigram_likelihood, over="p_3", where=lambda n: (n > 0).all(), by="count, and divide by the count of what came before")
def trigram_best(n): return n / sum(n, 2)[..., None]

@trigram(r"\log p(x)")
def trigram_log(p): return log(reshape(p, (-1,)))

@trigram("=", r"\operatorname{logprob}(x, \log p(x_d \mid x_{d-2}, x_{d-1}))", by="the same function with a short memory")
def trigram_called(x, p_1, p_2_1, p_3): return chain.log_prob(x.astype(int), lambda x_d, before: log(at((p_1, p_2_1, p_3, p_3)[before.shape[-1]], before[..., -2:], x_d)))
