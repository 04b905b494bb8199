"""The exact road, step by step.   Bengio and Bengio 2000, van den Oord et al. 2016   world: a few variables with a few values: tables

A joint law of D variables is a table too large to store. What does it become when each variable is predicted from those before it?
"""
from derivations import Derivation, World, counts, index, let, positive, real, simplex, size, tex, unit
from derivations.engine.words import D, H, KL, arange, broadcast_to, exp, floor, log, ratio, reshape, stack, sum
from scratch.autodiff import grad
from scratch.autoregressive import chain

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
    x       = let(r"x",                lambda M: floor(arange(2**(M + 1))[:, None] / 2**arange(M + 1)) % 2))          # all images

pixels = Derivation("pixels", binary)

"""
So every law is a chain of conditionals, and each of them could be a table. But the table of $x_d$ needs a row for
every way the earlier pixels can turn out. Take pixels that are 0 or 1, one number a row. How many numbers is that?
"""

@pixels(r"\sum_d 2^{d - 1}", let=r"\text{entries of the tables of } M + 1 \text{ binary variables}")
def entries(d): return sum(2**(d - 1))

@pixels("=", r"2^{M + 1} - 1", by="a table for each of the values before: as many numbers as the joint table has", covers="ar-separate-models")
def entries_joint(M): return 2**(M + 1) - 1

# ---- The first factor is a table -------------------------------------------------------------------------------------
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

@pixels(r"\log p_{\mathrm{CPT}}(x_1) + \sum_{d=2}^{D} \log p_{\mathrm{logit}}(x_d \mid x_{<d}) \text{, pixel by pixel}", covers="ar-cpt-logistic-model")
def logistic(x, alpha_1, alpha_0, alpha, M):
    p = x[:, 0] * (1 - alpha_1) + (1 - x[:, 0]) * alpha_1
    for i in range(M):
        p_d = sigmoid(alpha_0[i] + sum(alpha[i, :i + 1] * x[:, :i + 1], 1))
        p   = p * (x[:, i + 1] * p_d + (1 - x[:, i + 1]) * (1 - p_d))
    return log(p)

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

@regression("=", r"\sum_n \operatorname{logitlogprob}(y_n, \alpha_0 + \alpha^{\top} x_n)", by="one sign, one stable function")
def logit_called(y, alpha_0, x, alpha): return sum(chain.logit_log_prob(y, alpha_0 + x @ alpha))

@regression(r"\left(\nabla_{\alpha_0} \operatorname{fit},\ \nabla_{\alpha} \operatorname{fit}\right)")
def fit_slope(x, y, alpha_0, alpha):
    likelihood = lambda alpha_0, alpha: sum(y * log(sigmoid(alpha_0 + x @ alpha)) + (1 - y) * log(sigmoid(-alpha_0 - x @ alpha)))
    return D(lambda a: likelihood(a, alpha), alpha_0), D(lambda a: likelihood(alpha_0, a), alpha)

@regression("=", r"\left(\sum_n (y_n - s_n),\ \sum_n (y_n - s_n) x_n\right)", by="the error times the question")
def fit_error(y, s, x): return sum(y - s), sum((y - s)[:, None] * x, 0)

"""
So every factor of an exact model learns from its own error, with no bound and no posterior. That was one exact road:
cut a law into small laws. [The other](flows) keeps it whole, and bends it.
"""

@regression("=", r"\nabla \sum_n \operatorname{logitlogprob}(y_n, \alpha_0 + \alpha^{\top} x_n)", by="the same by our own autodiff")
def fit_called(y, x, alpha_0, alpha): return tuple(grad(lambda a: sum(chain.logit_log_prob(y, a[0] + x @ a[1])))([alpha_0, alpha]))

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
