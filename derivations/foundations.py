"""Foundations.   Bayes 1763, Fisher 1922, Metropolis and Ulam 1949   world: finite x, finite z: all sums are exact

What can be known of a law when only its parts, or only draws from it, are given?
"""
from derivations import Derivation, World, counts, let, positive, real, simplex, size, tex
from derivations.engine.words import (D, E, H, KL, T, arange, concatenate, cumsum, det, eigh, eigvalsh, exp, eye, log, mean, ones, prod, ratio, repeat, sqrt, stack,
                                      sum, zeros)
from scratch.autodiff import grad, softmax, stop_gradient

# ---- a joint law and its parts ---------------------------------------------------------------------------------------
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

@parts(r"p(x, z)")
def joint(p_xz): return p_xz

@parts("=", r"p(x \mid z)\, p(z)", by="the definition of a conditional, read from right to left", covers="joint-factorisation")
def factors(p_x_z, p_z): return p_x_z * p_z

@parts("=", r"p(z \mid x)\, p(x)", by="in the other order")
def other_factors(p_z_x, p_x): return p_z_x * p_x[:, None]

@parts(r"p(z \mid x)")
def posterior(p_z_x): return p_z_x

@parts("=", r"\frac{p(x \mid z)\, p(z)}{p(x)}", by="Bayes: both factorisations are one joint", covers="bayes-posterior")
def bayes(p_x_z, p_z, p_x): return ratio(p_x_z * p_z, p_x[:, None])

@parts("=", r"\frac{p'(x, z)}{\sum_z p'(x, z)}", by="p'(x, z) = c(x) p(z | x) is another joint with the same conditional: that does not tell the joint", covers="conditional-vs-joint",
       where=lambda c: (c > 0).all())
def another_joint(other): return ratio(other, sum(other, 1)[:, None])

@parts(r"c(x)")
def another_marginal(c): return c

@parts("=", r"\sum_z p'(x, z)", by="and that joint has a marginal of its own")
def another_sum(other): return sum(other, 1)

@parts(r"p(x)")
def evidence(p_x): return p_x

@parts("=", r"\sum_z p(x \mid z)\, p(z)", by="z must have been something", covers="latent-marginal")
def marginal(p_x_z, p_z): return sum(p_x_z * p_z, 1)

@parts("=", r"\mathbb{E}_{p(z)}\left[p(x \mid z)\right]", by="such a sum is an expectation", covers="latent-marginal")
def expected_likelihood(p_z, p_x_z): return E(p_z, p_x_z)

@parts("=", r"\frac{1}{N} \sum_i p(x \mid z_i) \text{, where each } z \text{ occurs as often as } p(z) \text{ says}", by="ancestral draws: z first, then x given z",
       covers="alg-ancestral-latent:1-2")
def ancestral(p_x_z, z_i): return mean(p_x_z[:, z_i], 1)

@parts(r"\frac{p(x, z)}{p(z \mid x)}")
def candidate(p_xz, p_z_x): return ratio(p_xz, p_z_x)

@parts("=", r"\frac{p(z)\, p(x \mid z)}{p(z \mid x)}", by="the joint, factorised", covers="bayes-evidence-form")
def candidate_factors(p_z, p_x_z, p_z_x): return ratio(p_z * p_x_z, p_z_x)

@parts("=", r"p(x) \text{, the same at every } z", by="Bayes, solved for the evidence", covers="bayes-evidence-form", where=lambda p_xz: (p_xz > 0).all())
def evidence_at_every_z(p_x, p_xz): return repeat(p_x[:, None], p_xz.shape[1], 1)

# ---- draws instead of the law ----------------------------------------------------------------------------------------
all_draws = World("every possible batch of N draws",
    Z     = size(1, 4),
    N     = size(1, 3),
    q     = tex(r"q(z)",    simplex("Z")),
    f     = tex(r"a(z)",    real("Z")),
    z     = let(r"z_n",     lambda Z, N: arange(Z**N)[:, None] // Z**arange(N) % Z),                 # [Z^N, N]
    P     = let(r"P(z_1, \ldots, z_N)",   lambda q, z: prod(q[z], 1)),                               # [Z^N]
    f_hat = let(r"\hat a",  lambda f, z: mean(f[z], 1), covers="mc-estimate"))                       # [Z^N]

draws = Derivation("draws", all_draws)

@draws(r"\sum_z q(z)\, a(z)")
def expectation(q, f): return sum(q * f)

@draws("=", r"\mathbb{E}_{q(z)}\left[a(z)\right]", by="its name", covers="mc-estimate")
def expected(q, f): return E(q, f)

@draws("=", r"\mathbb{E}_{P(z_1, \ldots, z_N)}\left[\hat a\right]", by="the mean of N draws is right on average", covers="mc-estimate")
def unbiased(P, f_hat): return E(P, f_hat)

@draws(r"\mathbb{E}_{P(z_1, \ldots, z_N)}\left[(\hat a - \mathbb{E}_{q(z)}[a(z)])^2\right]", let=r"\text{its squared error}")
def squared_error(P, f_hat, q, f): return E(P, (f_hat - E(q, f))**2)

@draws("=", r"\frac{\mathbb{E}_{q(z)}[a(z)^2] - \mathbb{E}_{q(z)}[a(z)]^2}{N}", by="the draws are independent: their variances add up", covers="mc-estimate")
def variance_over_n(q, f, N): return (E(q, f**2) - E(q, f)**2) / N

# ---- a gradient through a draw ---------------------------------------------------------------------------------------
softened = World("a law with parameters",
    Z   = size(1, 4),
    phi = tex(r"\phi",      real("Z")),
    f   = tex(r"f(z)",      real("Z")),
    q   = let(r"q(z)",      lambda phi: exp(phi) / sum(exp(phi))))

through = Derivation("a gradient through a draw", softened)

@through(r"\nabla_\phi \frac{\sum_z e^{\phi} f(z)}{\sum_z e^{\phi}}", let=r"\nabla_\phi\, \mathbb{E}_{q_\phi(z)}[f(z)]")
def slope(phi, f): return D(lambda phi: sum(exp(phi) * f) / sum(exp(phi)), phi)

@through("=", r"q(z) (f(z) - \mathbb{E}_{q(z)}[f(z)])", by="the quotient rule: 0 only where f is the same at all z that q visits", covers="backprop-through-sampling")
def slope_closed(q, f): return q * (f - E(q, f))

@through("=", r"\nabla_\phi \operatorname{E}_{q_\phi}[f]", by="what training sees when it sums over z")
def slope_called(phi, f): return grad(lambda phi: E(softmax(phi), f))(phi)

@through(r"\mathbb{E}_{q(z)}\left[\nabla_\phi f(z)\right] \text{, the draws held fixed}")
def held(q, phi, f): return E(q, T(D(lambda phi: f + 0 * sum(phi), phi)))

@through("=", r"0\, \phi", by="a draw remembers nothing of the parameters that it came from", covers="backprop-through-sampling")
def nothing(phi): return 0 * phi

@through("=", r"\nabla_\phi \operatorname{E}_{\operatorname{sg} q_\phi}[f]", by="what training sees when it draws")
def nothing_called(phi, f): return grad(lambda phi: E(stop_gradient(softmax(phi)), f))(phi)

# ---- maximum likelihood ----------------------------------------------------------------------------------------------
data_and_model = World("data by counts, and a model",
    X     = size(1, 5),
    n     = tex(r"n(x)",             counts("X")),
    p     = tex(r"p_\theta(x)",      simplex("X")),
    total = let(r"N",                lambda n: sum(n)),
    p_hat = let(r"\hat p(x)",        lambda n: n / sum(n)),
    x_i   = let(r"x^{(i)}",          lambda n: repeat(arange(len(n)), n.astype(int))))

fit = Derivation("maximum likelihood", data_and_model)

@fit(r"\sum_i \log p_\theta(x^{(i)}) \text{, over the data}", covers="mle-objective")
def likelihood(p, x_i): return sum(log(p[x_i]))

@fit("=", r"-N (\mathrm{H}(\hat p(x)) + \mathrm{KL}(\hat p(x) \,\Vert\, p_\theta(x)))", by="equal points together; add and take away log of the shares", covers="mle-objective")
def entropy_and_kl(total, p_hat, p): return -total * (H(p_hat) + KL(p_hat, p))

@fit("argmax", r"\hat p(x)", of=likelihood, over="p", by="only the KL holds the model, and it is 0 there", covers="mle-objective")
def shares(p_hat): return p_hat

# ---- few directions of many ------------------------------------------------------------------------------------------
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

@few(r"\operatorname{Cov}(x)")
def covariance(u, x): return (u[:, None] * (x - u @ x)).T @ (x - u @ x)

@few("=", r"W W^{\top}", by="z has covariance I")
def loadings(W): return W @ W.T

@few(r"\text{the eigenvalues of } W W^{\top}")
def spectrum(W): return eigvalsh(W @ W.T)

@few("=", r"(0, \ldots, 0 \text{ (} D - k \text{ times)}, \text{ the } k \text{ eigenvalues of } W^{\top} W)", by="W W' and W' W share what is not 0: k of them, where the columns of W are independent",
     where=lambda W: det(W.T @ W) > 0, covers="manifold-low-dimension")
def few_nonzero(W, dim, k): return concatenate([zeros(dim - k), eigvalsh(W.T @ W)])

@few(r"x_i")
def points(x): return x

@few("=", r"(x_i - \mu) V_k V_k^{\top} + \mu", by="k leading axes lose nothing", covers="manifold-low-dimension")
def projected(x, mu, V): return (x - mu) @ V @ V.T + mu

# ---- a functional ----------------------------------------------------------------------------------------------------
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

@curve(r"\sum_x \sqrt{\Delta x^2 + \Delta y^2}", let=r"\int_A^B ds", covers="functional-curve-length")
def pieces(dx, dy): return sum(sqrt(dx**2 + dy**2))

@curve("=", r"\sum_x \sqrt{1 + \left(\frac{\Delta y}{\Delta x}\right)^2}\, \Delta x", by="take the step out of the root", covers="functional-curve-length")
def length(dx, dy): return sum(sqrt(1 + (dy / dx)**2) * dx)

@curve("argmin", r"y^*", of=length, over="y", by="the length is convex in y, and flat in every direction there")
def shortest(straight): return straight

@curve(">=", r"\sqrt{\left(\sum_x \Delta x\right)^2 + (y_B - y_A)^2}", to=length, by="the straight line from A to B", tight=dict(y="straight"))
def euclid(dx, y_A, y_B): return sqrt(sum(dx)**2 + (y_B - y_A)**2)

@curve(r"\nabla_y \sum_x \sqrt{\Delta x^2 + \Delta y^2} \text{, the first variation}")
def variation(y, y_A, y_B, dx):
    return D(lambda y: sum(sqrt(dx**2 + (concatenate([y, stack([y_B])]) - concatenate([stack([y_A]), y]))**2)), y)

@curve("=", r"\frac{\Delta y}{\sqrt{\Delta x^2 + \Delta y^2}} - \frac{\Delta y}{\sqrt{\Delta x^2 + \Delta y^2}}", by="how steep the piece before is, less the piece after")
def turning(dx, dy): return (dy / sqrt(dx**2 + dy**2))[:-1] - (dy / sqrt(dx**2 + dy**2))[1:]

@curve("root", r"y^*", of=variation, over="y", by="Euler and Lagrange: every piece has the same slope")
def stationary(straight): return straight
