"""The evidence lower bound.   Jordan et al. 1999, Kingma and Welling 2014   worlds: finite x, finite z; linear with normal noise: all sums are exact

The probability of what we see is a sum over every z behind it, and we cannot do that sum. What can be said of it with the help of any q
that we can sum over, and what does that cost?
"""
from derivations import Derivation, World, index, let, positive, real, simplex, size, tex
from derivations.engine.words import D, E, H, KL, T, abs, arange, array, cholesky, det, eye, inv, log, logdet, pi, prod, ratio, sqrt, sum, trace
from scratch.autodiff import grad
from scratch.autoencoders import latent
from scratch.probability import divergences

one_z = World("finite x, finite z",
    X     = size(1, 4),
    Z     = size(1, 5),
    p_z   = tex(r"p(z)",         simplex("Z")),
    p_x_z = tex(r"p(x \mid z)",  simplex("Z", "X")),
    q     = tex(r"q(z \mid x)",  simplex("X", "Z")),
    p_xz  = let(r"p(x, z)",      lambda p_z, p_x_z: (p_z[:, None] * p_x_z).T),             # [X, Z]
    p_x   = let(r"p(x)",         lambda p_xz: sum(p_xz, 1)),                               # [X]
    p_z_x = let(r"p(z \mid x)",  lambda p_xz, p_x: ratio(p_xz, p_x[:, None])))             # [X, Z]

# ---- A bound ---------------------------------------------------------------------------------------------------------
one_x = World("one x, finite z",                                                           # p(x, z) at this x: any numbers above 0
    Z     = size(1, 5),
    p_xz  = tex(r"p(x, z)",      positive("Z")),
    q     = tex(r"q(z \mid x)",  simplex("Z")),
    p_x   = let(r"p(x)",         lambda p_xz: sum(p_xz)))

jensen = Derivation("a bound", one_x, where=lambda q: (q > 0).all())                       # q looks wherever p may be

r"""
The model draws a latent $z$ from the prior, then $x$ from $p(x \mid z)$. [To fit it](foundations.likelihood) we would raise
$\log p(x)$. Let $z$ be 20 numbers with ten values each, and the sum below has $10^{20}$ terms.

In this world $p(x, z)$ is any list of numbers above 0, as densities are. So $\log p(x)$ may be above 0.
"""

@jensen(r"\log p(x)")
def wanted(p_x): return log(p_x)

@jensen("=", r"\log \sum_z p(x, z)", by="marginalisation: the sum that is too long", covers="elbo-jensen-derivation:1 elbo-kl-derivation:1")
def marginal(p_xz): return log(sum(p_xz))

r"""
So bring in a helper: any law $q(z \mid x)$ that we can sum over, or draw from. Think of it as a guess: which $z$ may have
made this $x$? Multiply and divide by it. Nothing has changed, but the long sum is an expectation now, and those
[can be had from draws](foundations.unbiased).
"""

@jensen("=", r"\log \sum_z \frac{p(x, z)\, q(z \mid x)}{q(z \mid x)}", by="multiply by one, for any q that is nowhere 0 where p is not", covers="elbo-jensen-derivation:2")
def times_one(p_xz, q): return log(sum(ratio(p_xz * q, q)))

@jensen("=", r"\log \mathbb{E}_{q}\left[\frac{p(x, z)}{q(z \mid x)}\right]", by="a sum weighted by q is an expectation", covers="elbo-jensen-derivation:3")
def expected(q, p_xz): return log(E(q, ratio(p_xz, q)))

"""
The logarithm is still in the way: taken of an average of draws it comes out too low, on average. So take it inside, and pay
for that with the equality: [Jensen](divergences.mean_log). What is left, an expectation of things that we have, is the
*evidence lower bound*, in short the *ELBO*.
"""

@jensen(">=", r"\mathbb{E}_{q}\left[\log \frac{p(x, z)}{q(z \mid x)}\right]", by="Jensen: the logarithm is concave",
        tight=dict(q=lambda p_xz, p_x: p_xz / p_x), gap=lambda q, p_xz, p_x: KL(q, p_xz / p_x), covers="elbo-jensen-derivation:4 elbo-definition elbo-lower-bound")
def inside(q, p_xz): return E(q, log(ratio(p_xz, q)))

@jensen("=", r"\operatorname{elbo}(\log p(x, z), q)", by="its name, and the function that computes it", covers="elbo-jensen-derivation:5")
def inside_called(p_xz, q): return latent.elbo(log(p_xz), q)

# ---- What it costs ---------------------------------------------------------------------------------------------------
elbo = Derivation("elbo", one_z, where=lambda q, p_xz: ((q == 0) | (p_xz > 0)).all())      # q puts no mass where p has none

r"""
Jensen gave us a bound and did not say what it costs. So write $\log p(x)$ down exactly, once more, and this time watch every
term. What is left over will turn out to be a distance: how far $q$ is from the posterior.
"""

@elbo(r"\log p(x)")
def evidence(p_x): return log(p_x)

"""
Here [the circle of the first page](foundations.candidate) is put to work: joint over posterior is $p(x)$,
[the same at every z](foundations.evidence_at_every_z). Hence its logarithm has the same mean under any $q$ whatever. We
cannot compute this ratio. We can cut it in two.
"""

@elbo("=", r"\mathbb{E}_{q}\left[\log \frac{p(x, z)}{p(z \mid x)}\right]", by="Bayes' rule, at every z", covers="elbo-kl-derivation:3")
def bayes(q, p_xz, p_z_x): return E(q, log(ratio(p_xz, p_z_x)))

@elbo("=", r"\mathbb{E}_{q}\left[\log \frac{p(x, z)}{q(z \mid x)}\right] + \mathbb{E}_{q}\left[\log \frac{q(z \mid x)}{p(z \mid x)}\right]",
      by="multiply and divide by q", covers="elbo-kl-derivation:4")
def two_ratios(q, p_xz, p_z_x): return E(q, log(ratio(p_xz, q))) + E(q, log(ratio(q, p_z_x)))

@elbo("=", r"\mathbb{E}_{q}\left[\log \frac{p(x, z)}{q(z \mid x)}\right] + \mathrm{KL}(q \,\Vert\, p(z \mid x))",
      by="the second is a KL", covers="elbo-kl-derivation:5")
def split(q, p_xz, p_z_x): return E(q, log(ratio(p_xz, q))) + KL(q, p_z_x)

r"""
Think of $\log p(x)$ as a mark that stays where it is. The first term lies below it, and the KL fills the distance: another
$q$ moves the term, never the mark. Since [a KL is never negative](divergences.kl_nonnegative), the term is never above the
mark. So leave the KL out.
"""

@elbo(">=", r"\mathbb{E}_{q}\left[\log \frac{p(x, z)}{q(z \mid x)}\right]", by="a KL is never negative",
      tight=dict(q="p_z_x"), gap=lambda q, p_z_x: KL(q, p_z_x), covers="elbo-kl-derivation:6 elbo-definition elbo-lower-bound elbo-valid-any-q flow-exact-likelihood-claim")
def bound(q, p_xz): return E(q, log(ratio(p_xz, q)))

"""
There is a second way to cut, and both of its parts can be computed. One asks how well $z$, drawn from the guess, explains
$x$: the *reconstruction*. The other charges the guess for every nat by which it leaves the prior. A good $q$ says what is
worth its price.
"""

@elbo("=", r"\mathbb{E}_{q}\left[\log \frac{p(x \mid z)\, p(z)}{q(z \mid x)}\right]", by="the product rule", covers="elbo-split-derivation:1")
def product(q, p_x_z, p_z): return E(q, log(ratio(p_x_z.T * p_z, q)))

@elbo("=", r"\mathbb{E}_{q}\left[\log p(x \mid z)\right] - \mathrm{KL}(q \,\Vert\, p(z))", by="the logarithm of a product", covers="elbo-split-derivation:2 elbo-recon-kl")
def reconstruct(q, p_x_z, p_z): return E(q, log(p_x_z.T)) - KL(q, p_z)

@elbo("=", r"\operatorname{elbo}(\log p(x, z), q)", by="the function that models with finite latents train with")
def called(p_xz, q): return latent.elbo(log(p_xz), q)

# ---- When it costs nothing -------------------------------------------------------------------------------------------
r"""
Now look at the distance alone. What is lost is exactly the KL from $q$ to the posterior, no more. So there is one $q$ for
which nothing is lost, and it is no surprise: the posterior itself, which we do not have. Near it the bound is nearly
$\log p(x)$.
"""

@elbo(r"\log p(x) - \mathbb{E}_{q}\left[\log \frac{p(x, z)}{q(z \mid x)}\right]", let=r"\text{what is lost}")
def lost(p_x, q, p_xz): return log(p_x) - E(q, log(ratio(p_xz, q)))

@elbo("=", r"\mathrm{KL}(q \,\Vert\, p(z \mid x))", by="log p(x) was cut in two parts; the first is taken away", rests_on=split, covers="elbo-gap")
def gap(q, p_z_x): return KL(q, p_z_x)

@elbo(r"\mathbb{E}_{p(z \mid x)}\left[\log \frac{p(x, z)}{p(z \mid x)}\right]", let=r"\text{the bound, with the posterior for } q")
def at_posterior(p_z_x, p_xz): return E(p_z_x, log(ratio(p_xz, p_z_x)))

@elbo("=", r"\log p(x)", by="nothing is lost", rests_on=gap, covers="elbo-tight-at-posterior")
def nothing_lost(p_x): return log(p_x)

# ---- The same, by Bayes' rule ----------------------------------------------------------------------------------------
by_bayes = Derivation("by Bayes' rule", one_z, where=lambda q, p_xz: ((q == 0) | (p_xz > 0)).all())

"""
The same result, in the order in which many lecture notes have it: start from a number that does not depend on $z$, average
it over $q$, and let Bayes' rule put $z$ in. Watch three terms appear: two that we can compute, and one that we drop.
"""

@by_bayes(r"\mathbb{E}_{q}\left[\log p(x)\right]")
def averaged(q, p_x): return E(q, log(p_x)[:, None])

@by_bayes("=", r"\log p(x)", by="p(x) does not depend on z", covers="elbo-bayes-derivation:1 elbo-kl-derivation:2")
def constant_in_z(p_x): return log(p_x)

@by_bayes("=", r"\mathbb{E}_{q}\left[\log \frac{p(x \mid z)\, p(z)}{p(z \mid x)}\right]", by="Bayes' rule", covers="elbo-bayes-derivation:2")
def bayes_rule(q, p_x_z, p_z, p_z_x): return E(q, log(ratio(p_x_z.T * p_z, p_z_x)))

@by_bayes("=", r"\mathbb{E}_{q}\left[\log \left(\frac{p(x \mid z)\, p(z)}{p(z \mid x)}\, \frac{q(z \mid x)}{q(z \mid x)}\right)\right]", by="multiply by one", covers="elbo-bayes-derivation:3")
def times_q(q, p_x_z, p_z, p_z_x): return E(q, log(ratio(p_x_z.T * p_z, p_z_x) * ratio(q, q)))

@by_bayes("=", r"\mathbb{E}_{q}\left[\log p(x \mid z)\right] - \mathbb{E}_{q}\left[\log \frac{q(z \mid x)}{p(z)}\right] + \mathbb{E}_{q}\left[\log \frac{q(z \mid x)}{p(z \mid x)}\right]",
          by="the logarithm of a product", covers="elbo-bayes-derivation:4")
def three_terms(q, p_x_z, p_z, p_z_x): return E(q, log(p_x_z.T)) - E(q, log(ratio(q, p_z))) + E(q, log(ratio(q, p_z_x)))

@by_bayes("=", r"\mathbb{E}_{q}\left[\log p(x \mid z)\right] - \mathrm{KL}(q \,\Vert\, p(z)) + \mathrm{KL}(q \,\Vert\, p(z \mid x))",
          by="two of them are KLs: keep, pull to the prior, and what we cannot compute", covers="elbo-bayes-derivation:5")
def two_kl(q, p_x_z, p_z, p_z_x): return E(q, log(p_x_z.T)) - KL(q, p_z) + KL(q, p_z_x)

# ---- The best q ------------------------------------------------------------------------------------------------------
best_q = Derivation("the best q", one_z, where=lambda p_xz: (p_xz > 0).all())

r"""
Now hold the model, and let $q$ move. $\log p(x)$ does not move with it, so whatever raises the bound lowers the KL by as
much. We come near to the posterior by climbing, and never need its evidence. Turning inference into climbing is called
*variational inference*.
"""

@best_q(r"\mathbb{E}_{q}\left[\log \frac{p(x, z)}{q(z \mid x)}\right]", let=r"\operatorname{ELBO}(q)")
def of_q(q, p_xz): return E(q, log(ratio(p_xz, q)))

@best_q("=", r"\log p(x) - \mathrm{KL}(q \,\Vert\, p(z \mid x))", by="the gap, on the other side", rests_on=gap)
def less_the_gap(p_x, q, p_z_x): return log(p_x) - KL(q, p_z_x)

"""
If $q$ may be any law, the top is the posterior. In practice $q$ is confined to a family, such as normal laws, and the top is
that member of the family which has the least KL to the posterior.
"""

@best_q("argmax", r"p(z \mid x)", of=of_q, over="q", by="the bound holds for every q, and is the evidence at the best", covers="elbo-valid-any-q elbo-variational-problem elbo-max-is-min-kl")
def best(p_z_x): return p_z_x

@best_q(r"\mathrm{KL}(q \,\Vert\, p(z \mid x))", let=r"\text{the cost}")
def cost(q, p_z_x): return KL(q, p_z_x)

@best_q("=", r"\log p(x) - \mathbb{E}_{q}\left[\log \frac{p(x, z)}{q(z \mid x)}\right]", by="cost and bound sum to the evidence, whatever q")
def less_the_bound(p_x, q, p_xz): return log(p_x) - E(q, log(ratio(p_xz, q)))

@best_q("argmin", r"p(z \mid x)", of=cost, over="q", by="with p held, to raise the bound is to lower the KL; their sum is the evidence", rests_on=gap, covers="elbo-max-is-min-kl")
def cheapest(p_z_x): return p_z_x

# ---- The best q, by its slope ----------------------------------------------------------------------------------------
"""
The same answer by calculus. Move a little mass from one $z$ to another: the bound changes by the difference of two slopes.
At the top no such move helps, so the slope must be the same at every $z$.
"""

@best_q(r"\nabla_{q} \sum_x \mathbb{E}_{q}\left[\log \frac{p(x, z)}{q(z \mid x)}\right]", let=r"\text{the slope in every direction}")
def slope(q, p_xz): return D(lambda q: sum(E(q, log(ratio(p_xz, q)))), q)

@best_q("=", r"\log \frac{p(x, z)}{q(z \mid x)} - 1", by="the derivative of q log q is log q + 1", where=lambda q: (q > 0).all())
def slope_of_q(q, p_xz): return log(ratio(p_xz, q)) - 1

@best_q("=", r"\operatorname{grad}(\operatorname{elbo})(q)", by="the tape", where=lambda q: (q > 0).all())
def slope_called(q, p_xz): return grad(lambda q: sum(latent.elbo(log(p_xz), q)))(q)

"""
Since $q$ has to sum to 1, a shift of all slopes alike changes nothing; *Lagrange's multiplier* is such a shift. With it the
slopes at the top are not only the same but 0, and one reads off which $q$ is there.
"""

@best_q(r"\log \frac{p(x, z)}{q(z \mid x)} - \log p(x)", let=r"\text{the slope, less the multiplier that keeps } \sum_z q = 1")
def along(q, p_xz, p_x): return log(ratio(p_xz, q)) - log(p_x)[:, None]

@best_q("=", r"\log \frac{p(z \mid x)}{q(z \mid x)}", by="Bayes' rule", where=lambda q: (q > 0).all())
def along_bayes(p_z_x, q): return log(ratio(p_z_x, q))

@best_q("root", r"p(z \mid x)", of=along, over="q", by="there the slope is the same at every z: no exchange of mass helps", where=lambda q: (q > 0).all(), covers="elbo-variational-problem")
def flat(p_z_x): return p_z_x

# ---- A q that does not look at x -------------------------------------------------------------------------------------
blind = World("finite x, finite z, and a q that does not look at x", base=one_z,
    q_phi = tex(r"q_\phi(z)",  simplex("Z")))

without_x = Derivation("a q that does not look at x", blind, where=lambda p_xz: (p_xz > 0).all())

"""
Must $q$ look at $x$? Nobody asked it to. A single law for all $x$ gives a bound on each of them, only not a good one: it has
to stand near many posteriors at once.
"""

@without_x(r"\log p(x)")
def still(p_x): return log(p_x)

@without_x(">=", r"\mathbb{E}_{q_\phi(z)}\left[\log \frac{p(x, z)}{q_\phi(z)}\right]", by="nothing asked q to look: one q for all x is a bound for each",
           gap=lambda q_phi, p_z_x: KL(q_phi, p_z_x), covers="elbo-unconditional-form")
def unconditional(q_phi, p_xz): return E(q_phi, log(ratio(p_xz, q_phi)))

@without_x("=", r"\operatorname{elbo}(\log p(x, z), q_\phi(z))", by="the same function")
def unconditional_called(q_phi, p_xz): return latent.elbo(log(p_xz), q_phi)

# ---- Over the data, as a loss ----------------------------------------------------------------------------------------
data = World("finite x, finite z, and data", base=one_z,
    N       = size(1, 4),
    p_hat   = tex(r"\hat p(x)",      simplex("X")),                                                 # the data's law
    x       = tex(r"x_{1:N}",        index("X", "N")),                                              # a batch
    q_i     = let(r"q(z \mid x_i)",  lambda q, x: q[x]),                                            # [N, Z]
    p_x_z_i = let(r"p(x_i \mid z)",  lambda p_x_z, x: p_x_z.T[x]),                                  # [N, Z]
    p_xz_i  = let(r"p(x_i, z)",      lambda p_xz, x: p_xz[x]),                                      # [N, Z]
    q_z     = let(r"q(z)",           lambda p_hat, q: E(p_hat, q.T)))                               # [Z]

over_data = Derivation("over the data", data, where=lambda p_xz: (p_xz > 0).all())

r"""
One $x$ was enough until now. Data are many: $\hat p(x)$ is [the share of them](foundations.entropy_and_kl) that is $x$, and
the mean of $\log p(x)$ should be high. For a first bound take the laziest guess, the prior, which does not look at $x$. It
loses its KL to each posterior.
"""

@over_data(r"\mathbb{E}_{\hat p(x)}\left[\log \mathbb{E}_{p(z)}\left[p(x \mid z)\right]\right]", let=r"\text{what should be highest}", covers="evidence-objective")
def objective(p_hat, p_z, p_x_z): return E(p_hat, log(E(p_z, p_x_z.T)))

@over_data("=", r"\mathbb{E}_{\hat p(x)}\left[\log p(x)\right]", by="the evidence is the likelihood's mean under the prior", covers="evidence-objective")
def mean_evidence(p_hat, p_x): return E(p_hat, log(p_x))

@over_data(">=", r"\mathbb{E}_{\hat p(x)}\left[\mathbb{E}_{p(z)}\left[\log p(x \mid z)\right]\right]", by="Jensen: the bound, with the prior for q",
           gap=lambda p_hat, p_z, p_z_x: E(p_hat, KL(p_z, p_z_x)))
def with_prior(p_hat, p_z, p_x_z): return E(p_hat, E(p_z, log(p_x_z.T)))

r"""
Programs minimise, so the bound is turned over and becomes a *loss*, never below what it stands for. By custom $\theta$ is
what can be turned in the model $p$, and $\phi$ what can be turned in the guess $q$.
"""

@over_data(r"-\log p(x)", let=r"\mathcal{L}(\theta)", covers="nll-loss")
def nll(p_x): return -log(p_x)

@over_data("<=", r"-\mathbb{E}_{q(z \mid x)}\left[\log p(x \mid z)\right] + \mathrm{KL}(q(z \mid x) \,\Vert\, p(z))", by="the bound, turned over: a loss for one x",
           gap=lambda q, p_z_x: KL(q, p_z_x), tight=dict(q="p_z_x"), covers="vae-loss-pointwise")
def loss(q, p_x_z, p_z): return -E(q, log(p_x_z.T)) + KL(q, p_z)

@over_data(r"\sum_{i=1}^{N} \left(-\mathbb{E}_{q(z \mid x_i)}\left[\log p(x_i \mid z)\right] + \mathrm{KL}(q(z \mid x_i) \,\Vert\, p(z))\right)", let=r"L(\theta, \phi)",
           covers="vae-loss-sum vae-loss-pointwise")
def loss_of_batch(q_i, p_x_z_i, p_z): return sum(-E(q_i, log(p_x_z_i)) + KL(q_i, p_z))

@over_data("=", r"-\sum_{i=1}^{N} \mathbb{E}_{q(z \mid x_i)}\left[\log \frac{p(x_i, z)}{q(z \mid x_i)}\right]", by="a bound for every point", rests_on=reconstruct, covers="vae-loss-sum")
def bounds_of_batch(q_i, p_xz_i): return -sum(E(q_i, log(ratio(p_xz_i, q_i))))

"""
Two hands are on this loss now, $q$ and the model. Let them take turns, each doing its best while the other waits, and the
loss never rises: that is EM, [the next page](mixtures). Both at once, by the gradient, is [the VAE](vae).
"""

@over_data("=", r"-\sum_{i=1}^{N} \operatorname{elbo}(\log p(x_i, z), q(z \mid x_i))", by="what is lowered")
def loss_called(q_i, p_xz_i): return -sum(latent.elbo(log(p_xz_i), q_i))

# ---- The best p ------------------------------------------------------------------------------------------------------
two_sides = Derivation("the best p, and the prior's price", data, where=lambda q_z, p_z, p_x_z: (q_z > 0).all() & (p_z > 0).all() & (p_x_z > 0).all())

r"""
So far the model stood still and $q$ moved. Turn it round: given $q$ and the data, which prior and which decoder
$p(x \mid z)$ are best? How high can the bound come if both sides may do what they like?
"""

@two_sides(r"\mathbb{E}_{\hat p(x)}\left[\mathbb{E}_{q(z \mid x)}\left[\log p(x \mid z)\right] - \mathrm{KL}(q(z \mid x) \,\Vert\, p(z))\right]", let=r"\operatorname{ELBO}(p, q)")
def mean_bound(p_hat, q, p_x_z, p_z): return E(p_hat, E(q, log(p_x_z.T)) - KL(q, p_z))

@two_sides("=", r"\mathbb{E}_{\hat p(x)}\left[\mathbb{E}_{q(z \mid x)}\left[\log \frac{p(x, z)}{q(z \mid x)}\right]\right]", by="p(x, z) = p(x | z) p(z)")
def mean_bound_joint(p_hat, q, p_xz): return E(p_hat, E(q, log(ratio(p_xz, q))))

@two_sides("<=", r"-\mathrm{H}(\hat p(x))", by="both at once: no pair comes above it, and the p below reaches it with any q: what is lost is a KL between two joints", covers="elbo-variational-problem",
           tight=dict(p_z="q_z", p_x_z=lambda p_hat, q, q_z: ratio(p_hat * q.T, q_z[:, None])), gap=lambda p_hat, q, p_xz: KL(p_hat[:, None] * q, p_xz, (0, 1)))
def best_pair(p_hat): return -H(p_hat)

@two_sides("argmax", r"q(z)", of=mean_bound, over="p_z", by="the best prior is what q makes of all the data", covers="elbo-variational-problem")
def best_prior(q_z): return q_z

@two_sides("argmax", r"\frac{\hat p(x)\, q(z \mid x)}{q(z)}", of=mean_bound, over="p_x_z", by="the best decoder is q, turned round by Bayes' rule", covers="elbo-variational-problem")
def best_decoder(p_hat, q, q_z): return ratio(p_hat * q.T, q_z[:, None])

# ---- What the prior charges ------------------------------------------------------------------------------------------
"""
On average over the data, what does the KL to the prior pay for? It falls in two: what the code $z$ says of $x$, and how far
the codes of all data together are from the prior. The first cannot be saved without saying less.
"""

@two_sides(r"\mathbb{E}_{\hat p(x)}\left[\mathrm{KL}(q(z \mid x) \,\Vert\, p(z))\right]", let=r"\text{the prior's price}")
def price(p_hat, q, p_z): return E(p_hat, KL(q, p_z))

@two_sides("=", r"\mathbb{E}_{\hat p(x)}\left[\mathrm{KL}(q(z \mid x) \,\Vert\, q(z))\right] + \mathrm{KL}(q(z) \,\Vert\, p(z))", by="divide and multiply by q(z)", covers="recon-kl-conflict")
def price_split(p_hat, q, q_z, p_z): return E(p_hat, KL(q, q_z)) + KL(q_z, p_z)

@two_sides("=", r"\sum_x \mathrm{KL}(\hat p(x)\, q(z \mid x) \,\Vert\, \hat p(x)\, q(z)) + \mathrm{KL}(q(z) \,\Vert\, p(z))", by="the first is I(x; z), what the code says of x", covers="recon-kl-conflict")
def price_information(p_hat, q, q_z, p_z): return sum(KL(p_hat[:, None] * q, p_hat[:, None] * q_z)) + KL(q_z, p_z)

@two_sides(">=", r"\mathbb{E}_{\hat p(x)}\left[\mathrm{KL}(q(z \mid x) \,\Vert\, q(z))\right]", by="a code that costs nothing says nothing", gap=lambda q_z, p_z: KL(q_z, p_z), tight=dict(p_z="q_z"),
           covers="recon-kl-conflict")
def information(p_hat, q, q_z): return E(p_hat, KL(q, q_z))

# ---- By samples ------------------------------------------------------------------------------------------------------
draws = World("finite x, finite z, and every draw of N", base=one_z,
    N      = size(1, 3),
    z      = let(r"z_{1:N}",               lambda Z, N: arange(Z**N)[:, None] // Z**arange(N) % Z),       # [Z^N, N]
    q_N    = let(r"q(z_{1:N} \mid x)",     lambda q, z: prod(q[:, z], 2)),                                # [X, Z^N]
    p_x_zn = let(r"p(x \mid z_n)",         lambda p_x_z, z: p_x_z.T[:, z]))                               # [X, Z^N, N]

sampled = Derivation("by samples", draws, where=lambda p_x_z, p_z: (p_x_z > 0).all() & (p_z > 0).all())

"""
Where even a sum over $q$ is too long, draw $N$ times from $q$ and average. As before, this world holds every batch of draws
with its chance, so that "right on average" and "how far off" are exact statements.
"""

@sampled(r"\frac{1}{N} \sum_{n=1}^{N} \log p(x \mid z_n)", let=r"\text{for every draw of } z_{1:N}")
def mean_log(N, p_x_zn): return 1 / N * sum(log(p_x_zn), 2)

@sampled("=", r"\frac{1}{N} \log \prod_{n=1}^{N} p(x \mid z_n)", by="the logarithm of a product, which underflows long before its logarithm does", covers="elbo-mc-log-product")
def log_product(N, p_x_zn): return 1 / N * log(prod(p_x_zn, 2))

"""
The mean over the draws estimates the reconstruction; the KL to the prior is summed, or known in closed form. Is the bound
that a program reports then a bound? On average yes, for any $N$; one batch alone may be above it.
"""

@sampled(r"\mathbb{E}_{q(z_{1:N} \mid x)}\left[\frac{1}{N} \sum_{n=1}^{N} \log p(x \mid z_n)\right] - \mathrm{KL}(q(z \mid x) \,\Vert\, p(z))", let=r"\text{the mean of what is computed}",
         covers="elbo-mc-estimate")
def estimated(q_N, N, p_x_zn, q, p_z): return E(q_N, 1 / N * sum(log(p_x_zn), 2)) - KL(q, p_z)

@sampled("=", r"\mathbb{E}_{q(z \mid x)}\left[\log p(x \mid z)\right] - \mathrm{KL}(q(z \mid x) \,\Vert\, p(z))", by="every term has the same mean, for any N", covers="elbo-mc-estimate")
def unbiased(q, p_x_z, p_z): return E(q, log(p_x_z.T)) - KL(q, p_z)

@sampled(r"\mathbb{E}_{q(z_{1:N} \mid x)}\left[\left(\frac{1}{N} \sum_{n=1}^{N} \log p(x \mid z_n)\right)^2\right] - \left(\mathbb{E}_{q(z \mid x)}\left[\log p(x \mid z)\right]\right)^2",
         let=r"\text{its variance}")
def variance(q_N, N, p_x_zn, q, p_x_z): return E(q_N, (1 / N * sum(log(p_x_zn), 2))**2) - E(q, log(p_x_z.T))**2

@sampled("=", r"\frac{\mathbb{E}_{q(z \mid x)}\left[\left(\log p(x \mid z)\right)^2\right] - \left(\mathbb{E}_{q(z \mid x)}\left[\log p(x \mid z)\right]\right)^2}{N}", by="independent terms: N of them, an N-th of the variance")
def variance_of_one(q, p_x_z, N): return (E(q, log(p_x_z.T)**2) - E(q, log(p_x_z.T))**2) / N

# ---- Linear, with normal noise ---------------------------------------------------------------------------------------
normal = World("a normal law, and points that have its moments to degree 5",
    D_z   = size(1, 2),
    mu    = tex(r"\mu",       real("D_z")),
    L     = tex(r"L",         real("D_z", "D_z")),                                          # any root of Sigma
    Sigma = let(r"\Sigma",    lambda L: L @ T(L)),
    eps   = let(r"\epsilon",  lambda D_z: array([-sqrt(3.0), 0, 0, 0, 0, sqrt(3.0)])[arange(6**D_z)[:, None] // 6**arange(D_z) % 6]))      # [6^D_z, D_z]

linear = World("x = W z + b, with noise", base=normal,
    D_x  = size(1, 2),
    W    = tex(r"W",         real("D_x", "D_z")),
    b    = tex(r"b",         real("D_x")),
    s2   = tex(r"\sigma^2",  positive()),
    x    = tex(r"x",         real("D_x")),
    N    = let(r"N",         lambda eps: len(eps)),
    z    = let(r"z_n",       lambda mu, L, eps: mu + eps @ T(L)),                                                          # [N, D_z]
    log_p = let(r"\log p(x \mid z_n)",  lambda x, W, z, b, s2: -sum(log(2 * pi * s2) + (x - z @ T(W) - b)**2 / s2, 1) / 2),   # [N]
    C    = let(r"C",         lambda W, s2: W @ T(W) + s2 * eye(len(W))),                                                   # of x
    S    = let(r"S",         lambda W, s2: inv(T(W) @ W / s2 + eye(W.shape[1]))),                                          # of z given x
    m    = let(r"m",         lambda S, W, x, b, s2: S @ T(W) @ (x - b) / s2))

lines = Derivation("linear, with normal noise", linear, where=lambda L: abs(det(L)) > 1 / 8)

"""
One model with continuous $z$ in which nothing is out of reach: $x = W z + b$ with normal noise. Evidence and posterior have
closed forms here, so the bound can be held to both. The points $z_n$ stand for $q$: averages of squares over them are exact.
"""

@lines(r"L^{-1} (z_n - \mu)", let=r"\text{what } z_n \text{ was made of}")
def unmade(L, z, mu): return T(inv(L) @ T(z - mu))

@lines("=", r"\epsilon", by="z = mu + L eps has an inverse")
def noise(eps): return eps

r"""
$C = W W^{\top} + \sigma^2 I$ is the covariance of $x$, $m$ and $S$ are the mean and the covariance of the posterior. Take
any normal $q$, with mean $\mu$ and covariance $\Sigma$, and see how much it loses.
"""

@lines(r"-\frac{(x - b)^\top C^{-1} (x - b) + \log \det(2 \pi C)}{2}", let=r"\log p(x)")
def log_evidence(x, b, C): return -((x - b) @ inv(C) @ (x - b) + logdet(2 * pi * C)) / 2

@lines(">=", r"\frac{1}{N} \sum_{n=1}^{N} \log p(x \mid z_n) - \frac{1}{2} \left(\mathrm{tr}\, \Sigma + \mu^\top \mu - D_z - \log \det \Sigma\right)",
       by="as S1 prints it, with points that have the moments of q", tight=dict(mu="m", L=lambda S: cholesky(S)),
       gap=lambda mu, Sigma, m, S, D_z: (trace(inv(S) @ Sigma) + (m - mu) @ inv(S) @ (m - mu) - D_z + logdet(S) - logdet(Sigma)) / 2,
       covers="elbo-mc-gaussian elbo-tight-at-posterior elbo-objective-argmax")
def normal_bound(N, log_p, Sigma, mu, D_z): return 1 / N * sum(log_p, 0) - 1 / 2 * (trace(Sigma) + mu @ mu - D_z - logdet(Sigma))

@lines("=", r"-\frac{D_x \log(2 \pi \sigma^2)}{2} - \frac{(x - W \mu - b)^\top (x - W \mu - b) + \mathrm{tr}(W \Sigma W^\top)}{2 \sigma^2} - \frac{1}{2} \left(\mathrm{tr}\, \Sigma + \mu^\top \mu - D_z - \log \det \Sigma\right)",
       by="algebra: the mean of a square is the square of the mean and the variance")
def normal_exact(D_x, s2, x, W, mu, b, Sigma, D_z):
    return -D_x * log(2 * pi * s2) / 2 - ((x - W @ mu - b) @ (x - W @ mu - b) + trace(W @ Sigma @ T(W))) / (2 * s2) - 1 / 2 * (trace(Sigma) + mu @ mu - D_z - logdet(Sigma))

@lines("=", r"-\frac{(x - b)^\top C^{-1} (x - b) + \log \det(2 \pi C)}{2} - \operatorname{klnormalfull}(\mu, \Sigma, m, S)", by="the evidence, less the KL to the posterior", covers="elbo-gap")
def normal_called(x, b, C, mu, Sigma, m, S): return -((x - b) @ inv(C) @ (x - b) + logdet(2 * pi * C)) / 2 - divergences.kl_normal_full(mu, Sigma, m, S)

@lines("argmax", r"m", of=normal_bound, over="mu", by="what is raised by moving q: the points move with mu, and the best mean is the posterior's", covers="elbo-objective-argmax")
def best_mean(m): return m
