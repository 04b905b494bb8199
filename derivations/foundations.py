"""Foundations.   Bayes 1763, Fisher 1922, Metropolis and Ulam 1949   world: finite x, finite z: all sums are exact

We see x; behind it stands a z that nobody saw. What does the one tell of the other? And what can be known of a law when only its parts, or
only draws from it, are given?
"""
from derivations import Derivation, World, counts, let, positive, real, simplex, size, tex
from derivations.engine.words import (D, E, H, KL, T, arange, concatenate, cumsum, det, eigh, eigvalsh, exp, eye, log, mean, ones, prod, ratio, repeat, sqrt, stack,
                                      sum, zeros)
from scratch.autodiff import grad, softmax, stop_gradient

# ---- A joint law and its parts ---------------------------------------------------------------------------------------
table = World("a table of counts",
    X     = size(1, 4),
    Z     = size(1, 4),
    n     = tex(r"n(x, z)",      counts("X", "Z")),
    c     = tex(r"c(x)",         simplex("X")),
    p_xz  = let(r"p(x, z)",      lambda n: n / sum(n)),                                               # [X, Z]
    p_x   = let(r"p(x)",         lambda p_xz: sum(p_xz, 1)),                                          # [X]
    p_z   = let(r"p(z)",         lambda p_xz: sum(p_xz, 0)),                                          # [Z]
    p_x_z = let(r"p(x \mid z)",  lambda p_xz, p_z: ratio(p_xz, p_z)),                                 # [X, Z]
    p_z_x = let(r"p(z \mid x)",  lambda p_xz, p_x: ratio(p_xz, p_x[:, None]), covers="conditional-vs-joint"),      # [X, Z]
    other = let(r"p'(x, z)",     lambda c, p_z_x: c[:, None] * p_z_x),                                # [X, Z]
    z_i   = let(r"z_i",          lambda n: repeat(arange(n.shape[1]), sum(n, 0).astype(int))))        # as often as the table has it

parts = Derivation("a joint law and its parts", table)

"""
A *world* is a small table of numbers, drawn at random, in which every sum is finite: a line can be evaluated, not only
believed. This one counts how often $x$ and $z$ came together.

Divide by the total: shares, none below 0, that sum to 1. Those are a *law*, or distribution; here one of pairs: a *joint*
law.
"""

@parts(r"p(x, z)")
def joint(p_xz): return p_xz

r"""
Two kinds of law come out of a joint. Sum over $x$, and $z$ alone has its *marginal*, $p(z) = \sum_x p(x, z)$. Fix one $z$,
and divide its share of every $x$ by their sum: that is the *conditional* law $p(x \mid z)$, what $x$ may be where $z$ is
known. Multiplied, they give the joint back.
"""

@parts("=", r"p(x \mid z)\, p(z)", by="the definition of a conditional, read from right to left", covers="joint-factorisation")
def factors(p_x_z, p_z): return p_x_z * p_z

@parts("=", r"p(z \mid x)\, p(x)", by="in the other order")
def other_factors(p_z_x, p_x): return p_z_x * p_x[:, None]

# ---- Bayes' rule -----------------------------------------------------------------------------------------------------
r"""
Now we see $x$, and $z$ is hidden behind it: *latent*. A model says what $z$ may be before anything is seen, the *prior*
$p(z)$, and which $x$ each $z$ makes, the *likelihood* $p(x \mid z)$. We ask in the other direction: what is $z$, once $x$ is
seen? That is the *posterior*.
"""

@parts(r"p(z \mid x)")
def posterior(p_z_x): return p_z_x

@parts("=", r"\frac{p(x \mid z)\, p(z)}{p(x)}", by="Bayes: both factorisations are one joint", covers="bayes-posterior")
def bayes(p_x_z, p_z, p_x): return ratio(p_x_z * p_z, p_x[:, None])

"""
Does the posterior, in its turn, say what the model was? No. Give every $x$ a share $c(x)$ as you like, above 0, and leave
the posterior as it is: their product $p'(x, z)$ is another joint, with the same posterior. A conditional law does not say
how often its condition occurs.
"""

@parts("=", r"\frac{p'(x, z)}{\sum_z p'(x, z)}", by="p'(x, z) = c(x) p(z | x) is another joint, with the same posterior", covers="conditional-vs-joint",
       where=lambda c: (c > 0).all())
def another_joint(other): return ratio(other, sum(other, 1)[:, None])

@parts(r"c(x)")
def another_marginal(c): return c

@parts("=", r"\sum_z p'(x, z)", by="and that joint has a marginal of its own")
def another_sum(other): return sum(other, 1)

# ---- Sum out what nobody saw -----------------------------------------------------------------------------------------
"""
What Bayes' rule divides by is called the *evidence*: how likely the model makes the $x$ that we saw, whatever $z$ was.
Models are judged by it, and trained by it. Here it is a sum over a few $z$. Keep an eye on that sum: where models become
interesting, nobody can do it.
"""

@parts(r"p(x)")
def evidence(p_x): return p_x

@parts("=", r"\sum_z p(x \mid z)\, p(z)", by="z must have been something", covers="latent-marginal")
def marginal(p_x_z, p_z): return sum(p_x_z * p_z, 1)

r"""
A sum of values, each weighted by the law's share, is an *expectation*: $\mathbb{E}_{p(z)}[f(z)] = \sum_z p(z)\, f(z)$. In
the code it is E(p, f). It is what the average of $f$ comes to in the long run, and most lines of this book have one in them.
"""

@parts("=", r"\mathbb{E}_{p(z)}\left[p(x \mid z)\right]", by="such a sum is an expectation", covers="latent-marginal")
def expected_likelihood(p_z, p_x_z): return E(p_z, p_x_z)

"""
To *draw* from $p(z)$ is to pick a $z$ with the chance that $p(z)$ gives it. Here is a batch of draws as good as can be: each
$z$ occurs in it exactly as often as its law says. Then the plain average is the expectation.
"""

@parts("=", r"\frac{1}{N} \sum_i p(x \mid z_i) \text{, where each } z \text{ occurs as often as } p(z) \text{ says}", by="ancestral draws: z first, then x given z",
       covers="alg-ancestral-latent:1-2")
def ancestral(p_x_z, z_i): return mean(p_x_z[:, z_i], 1)

"""
Bayes' rule can be solved for the evidence, and the sum is gone: any one $z$ will do. But the posterior stands below the line
now, and the posterior is what we needed the evidence for. The circle looks hopeless; [two pages on](elbo.bayes) it is put to
work.
"""

@parts(r"\frac{p(x, z)}{p(z \mid x)}")
def candidate(p_xz, p_z_x): return ratio(p_xz, p_z_x)

@parts("=", r"\frac{p(z)\, p(x \mid z)}{p(z \mid x)}", by="the joint, factorised", covers="bayes-evidence-form")
def candidate_factors(p_z, p_x_z, p_z_x): return ratio(p_z * p_x_z, p_z_x)

@parts("=", r"p(x) \text{, the same at every } z", by="Bayes, solved for the evidence", covers="bayes-evidence-form", where=lambda p_xz: (p_xz > 0).all())
def evidence_at_every_z(p_x, p_xz): return repeat(p_x[:, None], p_xz.shape[1], 1)

# ---- Draws instead of the law ----------------------------------------------------------------------------------------
all_draws = World("every possible batch of N draws",
    Z     = size(1, 4),
    N     = size(1, 3),
    q     = tex(r"q(z)",    simplex("Z")),
    f     = tex(r"a(z)",    real("Z")),
    z     = let(r"z_n",     lambda Z, N: arange(Z**N)[:, None] // Z**arange(N) % Z),                 # [Z^N, N]
    P     = let(r"P(z_1, \ldots, z_N)",   lambda q, z: prod(q[z], 1)),                               # [Z^N]
    f_hat = let(r"\hat a",  lambda f, z: mean(f[z], 1), covers="mc-estimate"))                       # [Z^N]

draws = Derivation("draws", all_draws)

r"""
Often a law can be drawn from but not summed over. Then the average of $a(z)$ over $N$ draws stands for its expectation. How
good is that? No luck is needed to find out: this world lists every batch $z_1, \ldots, z_N$ that there is, with its chance
$P$, the product of the chances of its draws.
"""

@draws(r"\sum_z q(z)\, a(z)")
def expectation(q, f): return sum(q * f)

@draws("=", r"\mathbb{E}_{q(z)}\left[a(z)\right]", by="its name", covers="mc-estimate")
def expected(q, f): return E(q, f)

r"""
One batch reports $\hat a = \frac{1}{N} \sum_n a(z_n)$; the hat marks an *estimate*. One reports too much, another too
little. Average over all batches, each with its chance, and the errors cancel: the estimate is *unbiased*.
"""

@draws("=", r"\mathbb{E}_{P(z_1, \ldots, z_N)}\left[\hat a\right]", by="the mean of N draws is right on average", covers="mc-estimate")
def unbiased(P, f_hat): return E(P, f_hat)

r"""
Right on average is not yet close. How far off is one batch, typically? Take the mean of the squared error, the *variance*.
It falls like $\frac{1}{N}$, so the error itself falls only like $\frac{1}{\sqrt{N}}$: half the error costs four times the
draws.
"""

@draws(r"\mathbb{E}_{P(z_1, \ldots, z_N)}\left[(\hat a - \mathbb{E}_{q(z)}[a(z)])^2\right]", let=r"\text{its mean squared error}")
def squared_error(P, f_hat, q, f): return E(P, (f_hat - E(q, f))**2)

@draws("=", r"\frac{\mathbb{E}_{q(z)}[a(z)^2] - \mathbb{E}_{q(z)}[a(z)]^2}{N}", by="expand the square; errors of two independent draws have a product of mean 0, so only N squares are left", covers="mc-estimate")
def variance_over_n(q, f, N): return (E(q, f**2) - E(q, f)**2) / N

# ---- A gradient through a draw ---------------------------------------------------------------------------------------
softened = World("a law with parameters",
    Z   = size(1, 4),
    phi = tex(r"\phi",      real("Z")),
    f   = tex(r"f(z)",      real("Z")),
    q   = let(r"q(z)",      lambda phi: exp(phi) / sum(exp(phi))))

through = Derivation("a gradient through a draw", softened)

r"""
Training turns parameters $\phi$ until an expectation is high, and asks for its gradient $\nabla_\phi$: the slope in every
direction. In this world $q_\phi(z)$ is $e^{\phi}$ divided by its sum, so that every $\phi$ makes a law. First the honest
way: sum over all $z$, then differentiate.
"""

@through(r"\nabla_\phi \frac{\sum_z e^{\phi} f(z)}{\sum_z e^{\phi}}", let=r"\nabla_\phi\, \mathbb{E}_{q_\phi(z)}[f(z)]")
def slope(phi, f): return D(lambda phi: sum(exp(phi) * f) / sum(exp(phi)), phi)

@through("=", r"q(z) (f(z) - \mathbb{E}_{q(z)}[f(z)])", by="the quotient rule: 0 only where f is the same at all z that q visits", covers="backprop-through-sampling")
def slope_closed(q, f): return q * (f - E(q, f))

@through("=", r"\nabla_\phi \operatorname{E}_{q_\phi}[f]", by="what training sees when it sums over z")
def slope_called(phi, f): return grad(lambda phi: E(softmax(phi), f))(phi)

r"""
Now the tempting way: draw a $z$, compute $f(z)$, and differentiate what stands there. But $\phi$ does not stand there any
more. It chose the draw, and the draw does not say how. There are two ways out; [the estimators](estimators) are about them.
"""

@through(r"\mathbb{E}_{q(z)}\left[\nabla_\phi f(z)\right] \text{, the draws held fixed}")
def held(q, phi, f): return E(q, T(D(lambda phi: f + 0 * sum(phi), phi)))

@through("=", r"0\, \phi", by="a draw remembers nothing of the parameters that it came from", covers="backprop-through-sampling")
def nothing(phi): return 0 * phi

@through("=", r"\nabla_\phi \operatorname{E}_{\operatorname{sg} q_\phi}[f]", by="what training sees when it draws")
def nothing_called(phi, f): return grad(lambda phi: E(stop_gradient(softmax(phi)), f))(phi)

# ---- Maximum likelihood ----------------------------------------------------------------------------------------------
data_and_model = World("data by counts, and a model",
    X     = size(1, 5),
    n     = tex(r"n(x)",             counts("X")),
    p     = tex(r"p_\theta(x)",      simplex("X")),
    total = let(r"N",                lambda n: sum(n)),
    p_hat = let(r"\hat p(x)",        lambda n: n / sum(n)),
    x_i   = let(r"x^{(i)}",          lambda n: repeat(arange(len(n)), n.astype(int))))

fit = Derivation("maximum likelihood", data_and_model)

r"""
A model $p_\theta(x)$ has parameters $\theta$ that we may turn. Turn them so that the $N$ points $x^{(i)}$ of the data become
as likely as can be. Independent chances multiply, so their logarithms add up: the *log-likelihood*. Logarithms are natural
here, and counted in *nats*; one bit is $\log 2$ of them.
"""

@fit(r"\sum_i \log p_\theta(x^{(i)}) \text{, over the data}", covers="mle-objective")
def likelihood(p, x_i): return sum(log(p[x_i]))

r"""
Collect equal points: $\hat p(x)$ is the share of the data that is $x$. The sum falls in two. The *entropy*
$\mathrm{H}(\hat p) = -\mathbb{E}_{\hat p}[\log \hat p]$ knows the data alone, and no model changes it. The *KL*,
$\mathbb{E}_{\hat p}[\log \frac{\hat p}{p_\theta}]$, knows both: it is what the model gets wrong.
"""

@fit("=", r"-N (\mathrm{H}(\hat p(x)) + \mathrm{KL}(\hat p(x) \,\Vert\, p_\theta(x)))", by="equal points together; add and take away log of the shares", covers="mle-objective")
def entropy_and_kl(total, p_hat, p): return -total * (H(p_hat) + KL(p_hat, p))

"""
So to fit a model is to lower a KL. A model that may be any law copies the shares of its data, and has learnt them by heart,
no more; the models of this book are not so free. What is a KL, and why can it not fall below 0? That is
[the next page](divergences).
"""

@fit("argmax", r"\hat p(x)", of=likelihood, over="p", by="only the KL holds the model, and it is 0 there", covers="mle-objective")
def shares(p_hat): return p_hat

# ---- Few directions of many ------------------------------------------------------------------------------------------
manifold = World("points of a plane in a larger space",
    k     = tex(r"k",          size(1, 2)),
    dim   = tex(r"D",          size(3, 4)),
    W     = tex(r"W",          real("dim", "k")),
    mu    = tex(r"\mu",        real("dim")),
    z     = let(r"z_i",        lambda k: concatenate([eye(k), -eye(k)]) * k**0.5),                       # mean 0, covariance I
    u     = let(r"u_i",        lambda z: ones(len(z)) / len(z)),
    x     = let(r"x_i",        lambda z, W, mu: z @ W.T + mu),
    V     = let(r"V_k",        lambda W, k: eigh(W @ W.T)[1][:, -k:]))                                   # the k leading axes [D, k]

few = Derivation("few directions of many", manifold)

r"""
An image has thousands of pixels and far fewer ways to change. The simplest model of that: $x = W z + \mu$, with $k$
coordinates in $z$ and $D > k$ in $x$. In how many directions do such points vary, and can the $k$ be found again in the $D$?
"""

@few(r"\operatorname{Cov}(x)")
def covariance(u, x): return (u[:, None] * (x - u @ x)).T @ (x - u @ x)

@few("=", r"W W^{\top}", by="z has covariance I")
def loadings(W): return W @ W.T

@few(r"\text{the eigenvalues of } W W^{\top}")
def spectrum(W): return eigvalsh(W @ W.T)

@few("=", r"(0, \ldots, 0 \text{ (} D - k \text{ times)}, \text{ the } k \text{ eigenvalues of } W^{\top} W)", by="W W' and W' W share what is not 0: k of them, where the columns of W are independent",
     where=lambda W: det(W.T @ W) > 0, covers="manifold-low-dimension")
def few_nonzero(W, dim, k): return concatenate([zeros(dim - k), eigvalsh(W.T @ W)])

"""
The *eigenvalues* of a covariance are the variances along its own axes, and at most $k$ of them are not 0. So cut $x$ down to
the $k$ axes that are left. What does that lose?
"""

@few(r"x_i")
def points(x): return x

@few("=", r"(x_i - \mu) V_k V_k^{\top} + \mu", by="k leading axes lose nothing", covers="manifold-low-dimension")
def projected(x, mu, V): return (x - mu) @ V @ V.T + mu

# ---- The shortest curve ----------------------------------------------------------------------------------------------
broken_line = World("a line of n + 1 straight pieces",
    n        = size(1, 4),
    dx_1     = positive("n"),
    dx_n     = positive(),
    y_A      = tex(r"y_A",          real()),
    y_B      = tex(r"y_B",          real()),
    y        = tex(r"y",            real("n")),                                                          # the heights between the ends
    dx       = let(r"\Delta x",     lambda dx_1, dx_n: concatenate([dx_1, stack([dx_n])])),
    dy       = let(r"\Delta y",     lambda y_A, y, y_B: concatenate([y, stack([y_B])]) - concatenate([stack([y_A]), y])),
    straight = let(r"y^*",          lambda dx, y_A, y_B: y_A + (y_B - y_A) * (cumsum(dx) / sum(dx))[:-1]))

curve = Derivation("the length of a curve", broken_line)

"""
A *functional* takes a whole function and returns a number; the bound of [the page after next](elbo) takes a law. The oldest
example is the length of a curve from $A$ to $B$. Which curve is shortest? Let it have finitely many straight pieces, and
this is calculus in their heights $y$.
"""

@curve(r"\sum_x \sqrt{\Delta x^2 + \Delta y^2}", let=r"\int_A^B ds", covers="functional-curve-length")
def pieces(dx, dy): return sum(sqrt(dx**2 + dy**2))

@curve("=", r"\sum_x \sqrt{1 + \left(\frac{\Delta y}{\Delta x}\right)^2}\, \Delta x", by="take the step out of the root", covers="functional-curve-length")
def length(dx, dy): return sum(sqrt(1 + (dy / dx)**2) * dx)

@curve("argmin", r"y^*", of=length, over="y", by="the length is convex in y, and flat in every direction there")
def shortest(straight): return straight

@curve(">=", r"\sqrt{\left(\sum_x \Delta x\right)^2 + (y_B - y_A)^2}", to=length, by="the straight line from A to B", tight=dict(y="straight"))
def euclid(dx, y_A, y_B): return sqrt(sum(dx)**2 + (y_B - y_A)**2)

"""
The same question, asked of the slope. Nudge one height and see how the length changes: that list of slopes is the
*first variation*. At the shortest curve all of them are 0.
"""

@curve(r"\nabla_y \sum_x \sqrt{\Delta x^2 + \Delta y^2} \text{, the first variation}")
def variation(y, y_A, y_B, dx):
    return D(lambda y: sum(sqrt(dx**2 + (concatenate([y, stack([y_B])]) - concatenate([stack([y_A]), y]))**2)), y)

@curve("=", r"\frac{\Delta y}{\sqrt{\Delta x^2 + \Delta y^2}} - \frac{\Delta y}{\sqrt{\Delta x^2 + \Delta y^2}}", by="how steep the piece before is, less the piece after")
def turning(dx, dy): return (dy / sqrt(dx**2 + dy**2))[:-1] - (dy / sqrt(dx**2 + dy**2))[1:]

@curve("root", r"y^*", of=variation, over="y", by="Euler and Lagrange: every piece has the same slope")
def stationary(straight): return straight
