"""Slips in print.   S0 .. S4: the five sources, lectures and notes   worlds: finite, or a few numbers

Five sources, one subject, and now and then a letter out of place. Where numbers can tell, a line stands here as it was printed, beside the
one that holds, in a world where the two part ways. Could you have told?
"""
from typing import NamedTuple

from derivations import gan, hierarchical, Derivation, World, index, let, positive, real, simplex, size, tex, unit
from derivations.diffusion import chain
from derivations.elbo import one_z
from derivations.engine.words import D, E, H, JS, KL, abs, arange, array, broadcast_to, concatenate, exp, gaussian, log, ones, pi, ratio, reshape, sqrt, sum


class Slip(NamedTuple):
    """A row of the table: which kind, where it is printed, what stands there and what should, and when the two agree.

    false       a world refutes the formula, in the reading that is stated
    ill-typed   a letter of another space: it fails by shape wherever the two spaces differ in size
    notation    text only: a misprint, a convention, or a condition left unsaid
    """
    kind:    str
    sources: str
    says:    str
    right:   str
    when:    str = ""


SLIPS = {
    "1":   Slip("false",     "S0 S4", r"$\mathbb{E}_{q(z_1 \mid z_2)}[\log p(x \mid z_1)] - \mathrm{KL}(q(z_1 \mid x) \Vert p(z_1 \mid x)) - \mathrm{KL}(q(z_2 \mid z_1) \Vert p(z_2))$",
                r"$\mathbb{E}_{q(z_1 \mid x)}[\log p(x \mid z_1)] - \mathrm{KL}(q(z_2 \mid x) \Vert p(z_2)) - \mathbb{E}_{q(z_2 \mid x)}[\mathrm{KL}(q(z_1 \mid z_2, x) \Vert p(z_1 \mid z_2))]$",
                r"read with $p(z_1 \mid z_2)$ for $p(z_1 \mid x)$: where $z_1$ and $z_2$ are independent under $q$"),
    "2":   Slip("notation",  "S0",    r"$\mathcal{N}(x_t; \sqrt{1 - \beta_t}\, x_{t-1} + \beta_t I)$", r"a comma in place of the plus: $\mathcal{N}(x_t; \sqrt{1 - \beta_t}\, x_{t-1}, \beta_t I)$"),
    "3":   Slip("notation",  "S0",    r"images live in $H \times W \times C \times 3$", r"$H \times W \times 3$: the channels are counted twice", r"$C = 1$"),
    "4":   Slip("notation",  "S0",    "mode drop: the generator 'can only generate samples it didn't see'", "it misses modes that are in the data"),
    "5":   Slip("false",     "S0 S4", r"the Fréchet distance of two Gaussians, $\lVert\mu_r - \mu_g\rVert^2 + \mathrm{Tr}(\ldots)$, is 'a.k.a. Wasserstein-2 distance'", r"it is its square, $W_2^2$",
                "where it is 0 or 1"),
    "6":   Slip("false",     "S1",    r"$p(X_1 = 0) = \alpha,\ p(X_1 = 0) = 1 - \alpha$", r"$p(X_1 = 0) = \alpha,\ p(X_1 = 1) = 1 - \alpha$", r"$\alpha = 1/2$"),
    "7":   Slip("notation",  "S1",    "the pixels' conditionals are 'linear regression'", "logistic regression: there is a sigmoid around it"),
    "8":   Slip("false",     "S1",    r"$V(G, D^*) = \mathbb{E}_{p_{\mathrm{data}}}[\log\frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + p_G}] + \mathbb{E}_{p_z}[\log\frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + p_G}]$",
                r"the second term is $\mathbb{E}_{p_G}[\log\frac{p_G}{p_{\mathrm{data}} + p_G}]$", r"$p_G = p_{\mathrm{data}}$"),
    "9":   Slip("notation",  "S1 S2", r"$\theta$ and $\phi$ change places from line to line, and from source to source", r"here $\theta$ belongs to $p$ and $\phi$ to $q$"),
    "10":  Slip("false",     "S1",    "'valid for any $q$, but we optimize $p$ to obtain a tight lower bound'", r"$q$ is what makes it tight: $q = p(z \mid x)$", r"where $q$ happens to be the posterior of the best $p$"),
    "11":  Slip("notation",  "S1",    r"$\mathcal{N}(\sqrt{\alpha_t}\, x, (1 - \alpha_t) I)$ 'can be rewritten' $\alpha_t x + \beta_t \varepsilon,\ \alpha_t^2 + \beta_t^2 = 1$",
                r"two meanings of one letter: the second $\alpha_t$ is the root of the first"),
    "12":  Slip("ill-typed", "S1",    r"$\mathbb{E}_{x \sim p_z}[\log(1 - D(G(x)))]$", r"$\mathbb{E}_{z \sim p_z}[\log(1 - D(G(z)))]$", r"where $x$ is only another name for $z$, and the two spaces are one"),
    "13":  Slip("false",     "S2",    r"$-\log p(x \mid z) = \sum_j \frac12\log\sigma_j^2 + \frac{(x_j - \mu_j)^2}{2\sigma_j^2}$", r"$\frac12\log 2\pi$ more for each $j$", "never as a value; for gradients and differences always"),
    "14":  Slip("notation",  "S2",    r"the generator descends $\log(1 - D(G(z)))$", r"so it does in the minimax game; S0 and S4 ascend $\log D(G(z))$, whose gradient does not vanish near $D = 0$"),
    "15":  Slip("ill-typed", "S3",    r"$\mathrm{KL}(Q(Z \mid X) \Vert P(X))$, and posterior collapse is $Q(Z \mid X) \sim P(X)$", r"$P(Z)$, both times"),
    "16":  Slip("false",     "S3",    r"$L = \log p(x \mid z_q) + \lVert\mathrm{sg}[z_e] - e\rVert^2 + \beta\lVert z_e - \mathrm{sg}[e]\rVert^2$", r"$-\log p(x \mid z_q)$", r"$p(x \mid z_q) = 1$"),
    "17":  Slip("ill-typed", "S3",    r"$e \in \mathbb{R}^{KD}$", r"$e \in \mathbb{R}^{K \times D}$"),
    "18":  Slip("false",     "S3",    r"$A z + b$ has the covariance $A^\top \Sigma A$", r"$A \Sigma A^\top$", "in one dimension; where $A$ is symmetric"),
    "19":  Slip("false",     "S3",    r"$L_{\mathrm{simple}} = \mathbb{E}\lVert\sigma - \sigma_\theta(\ldots)\rVert$", r"$\mathbb{E}\lVert\epsilon - \epsilon_\theta(\ldots)\rVert^2$", "where every error is 0 or 1"),
    "20":  Slip("false",     "S3",    r"$\Sigma_\theta = \exp(v \log\beta_t + (1 - v)\tilde\beta_t)$", r"$\exp(v \log\beta_t + (1 - v)\log\tilde\beta_t)$", r"$v = 1$"),
    "21":  Slip("false",     "S3",    r"InfoGAN: 'the goal is to minimize $I(c; x)$'", r"it is to maximise it: where $I$ is least, the sample says nothing of its code", "there is one code"),
    "22":  Slip("notation",  "S3",    r"$E(x) = x^\top W x$, $E(x, z) = x^\top W z$", r"the usual energies have a minus sign, a factor of one half and biases: a convention, $W \to -W$"),
    "23":  Slip("ill-typed", "S3",    r"$p_\theta(T) = \mathcal{N}(0, I)$", r"$p(x_T) = \mathcal{N}(x_T; 0, I)$"),
    "24":  Slip("ill-typed", "S3",    r"$\mathbb{E}[\log D(x) + \log(1 - D(g_\theta(x)))]$", r"$\mathbb{E}_x[\log D(x)] + \mathbb{E}_z[\log(1 - D(g_\theta(z)))]$"),
    "25":  Slip("false",     "S4",    r"$\log\frac1k\sum_i p(x \mid z^{(i)})$ is 'unbiased'", r"the mean is, as an estimate of $p(x)$; its logarithm is too low on average", r"$p(x \mid z)$ does not depend on $z$"),
    "26":  Slip("false",     "S4",    r"the objective of $\theta^* = \operatorname{argmax} \mathbb{E}_{x, z \sim p(z)}[\log p(x \mid z)]$", r"$\operatorname{argmax} \mathbb{E}_x[\log \mathbb{E}_{p(z)}[p(x \mid z)]]$", r"$p(x \mid z)$ does not depend on $z$"),
    "27":  Slip("ill-typed", "S4",    r"the variational family $q_\phi(z \mid x),\ p_\theta(z \mid x)$", r"$q_\phi(z \mid x),\ p_\theta(x \mid z)$"),
    "28":  Slip("false",     "S4",    r"$q(x_t \mid x_{t-1}) = \mathcal{N}(x_T; \sqrt{1 - \beta_t}\, x_{t-1}, \beta_t I)$", r"$\mathcal{N}(x_t; \ldots)$; the space is the same, so it fails by value and not by shape", r"$t = T$"),
    "29":  Slip("false",     "S3",    r"'ignoring the second term and rewriting the first', the bound on $I(c; x)$ becomes $\mathbb{E}_{c, x}[\log Q(c \mid x)]$",
                r"$H(c)$ stays: what is left without it differs from the bound by this constant; and the rewriting is a lemma of its own", "there is one code"),
    "N1":  Slip("false",     "S0 S4", r"the sampler adds $\sigma_t z$ at every step, at $t = 1$ too", r"no noise at $t = 1$", r"$\sigma_1 = 0$, as $\tilde\beta_1$ is"),
    "N2":  Slip("false",     "S0 S4", r"$L = \mathbb{E}_{t \sim \mathcal{U}\{1, T\}}[\lambda_t \lVert\epsilon - \epsilon_\theta\rVert^2]$", r"a sum over $t$ in place of the mean, plus a constant without $\theta$", r"$T = 1$, but for the constant"),
    "N3":  Slip("false",     "S3",    r"$\nu = \sum_i \pi_i\, \mathrm{logistic}(\mu_i, s_i)$; $P(x) = \sum_i \pi_i (\sigma(\frac{x + 0.5 - \mu_i}{s_i}) - \sigma(\frac{x - 0.5 - \mu_i}{s_i}))$ for every $x$",
                r"$\nu$ is drawn from the mixture; the first and the last value take the tails", "one component, for the first"),
    "N4":  Slip("notation",  "S3",    r"$p(x_1)\, p(x_2 \mid x_{\,})\prod_d p(x_d \mid x_{d-1}, x_{d-2})$", r"$p(x_2 \mid x_1)$ is meant, and the product starts at $d = 3$"),
    "N5":  Slip("false",     "S4",    r"the length of a curve is $\int_A^B f(x, y)\, ds$", r"$\int_A^B ds$", r"$f = 1$"),
    "N6":  Slip("notation",  "S4",    r"$-\log p_{\theta, \phi}(x)$", r"$-\log p_\theta(x)$: the encoder's $\phi$ is not in the evidence"),
    "N7":  Slip("notation",  "S1",    r"$\mathcal{L}(\mu, \Sigma) = \sum_n \log \sum_k \pi_k \mathcal{N}(x \mid \mu_k, \Sigma_k)$", r"$\mathcal{L}(\pi, \mu, \Sigma)$, and $x_n$"),
    "N8":  Slip("false",     "S1",    r"$\partial\mathcal{L} / \partial\pi_k = 0$", r"$\partial\mathcal{L} / \partial\pi_k + \lambda = 0$, with $\lambda = -N$"),
    "N9":  Slip("notation",  "S1",    r"$\log\int p(x, z_{1:T})\, q_\phi(z_{1:T}) / q_\phi(z_{1:T})$", r"$q_\phi(z_{1:T} \mid x)$, as in its next line; either way the factor is one"),
    "N10": Slip("ill-typed", "S1",    r"$G^* = \min_G \ldots,\ D^* = \max_D \ldots$", r"$\operatorname{argmin}$ and $\operatorname{argmax}$: what is wanted is a player, not a value"),
    "N11": Slip("false",     "S1",    r"maximising the ELBO is equivalent to minimising $\mathrm{KL}(q \Vert p(z \mid x))$", r"it is in $q$, while $p$ is fixed", r"where $p(x)$ stays the same"),
    "N12": Slip("notation",  "S3",    r"the game is 'equivalent to minimizing the JS divergence'", r"so it is where the discriminator may be any function and is at its best; elsewhere $V(G, D) \leq 2\,\mathrm{JS} - \log 4$"),
    "N13": Slip("notation",  "S0 S4", r"$\mathbb{E}_{t \sim U(0, T),\, x_t}\lVert\epsilon - \epsilon_\theta(x_t, t)\rVert^2$", r"$t$ is uniform on $1, \dots, T$, and the mean is over $\epsilon$ too"),
    "N14": Slip("notation",  "S0 S4", r"$\prod_{t=1} q(x_t \mid x_{t-1})$", r"$\prod_{t=1}^T$"),
    "N15": Slip("false",     "S3",    r"$P(Z_t \mid Z_{<t}) = \mathcal{N}(Z_t; \alpha Z_{t-1},, \sigma_\epsilon)$", r"the variance is $\sigma_\epsilon^2 = 1 - \alpha^2$, which keeps that of $Z_t$ at 1", r"$\alpha = 0$"),
}


# ---- The game with one numerator twice -------------------------------------------------------------------------------
game = Derivation("the game", gan.two_laws)

r"""
A crossed-out equals sign marks a line as it was printed, set against one that holds. Take two points: data fall on
them as 1 : 1, fakes as 1 : 2. As printed in S1 the game is then worth -1.414. It [cannot be worth less](gan.floor)
than $-\log 4$, -1.386. [The other line](gan.at_best) says -1.358.
"""

@game("!=", r"\mathbb{E}_{x \sim p_{\mathrm{data}}}\left[\log\frac{p_{\mathrm{data}}(x)}{p_{\mathrm{data}}(x) + p_G(x)}\right] + \mathbb{E}_{x \sim p_z}\left[\log\frac{p_{\mathrm{data}}(x)}{p_{\mathrm{data}}(x) + p_G(x)}\right]",
      slip="8", to=gan.at_best, by="S1 prints the data's law in both numerators", reading="x ~ p_z is what the generator makes of the noise")
def data_above(p, p_G):
    p_z = p_G
    return E(p, log(ratio(p, p + p_G))) + E(p_z, log(ratio(p, p + p_G)))

"""
That was a *false* line: a world refutes it, by its value. A line may also be *ill-typed*, and put a letter of one
space where one of another belongs. It fails by its shape, as the next does. The third kind is a slip of *notation*,
where no number can tell.
"""

@game("!=", r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log D^*\right] + \mathbb{E}_{p_G}\left[\log(1 - D^*)\right]", slip="N10", to=gan.best, by="S1 prints D* = max V, the value and not the player",
      reading="max V, a number, where a function of x is wanted")
def value_for_player(p, D_star, p_G): return E(p, log(D_star)) + E(p_G, log(1 - D_star))

"""
Sometimes only a condition is left out. S3 calls the game 'equivalent to minimizing the JS divergence'. So it is, for
a discriminator that may be any function and is at its best. Of any other this much holds:
"""

@game("<=", r"2\,\mathrm{JS}(p_{\mathrm{data}}, p_G) - \log 4", to=gan.value, by="no discriminator does better than the best", tight=dict(D="D_star"))
def js_bound(p, p_G): return 2 * JS(p, p_G) - log(4)


# ---- Two levels, and the wrong KL ------------------------------------------------------------------------------------
posterior_of_one = World("two levels of latents, and the posterior of the lower one", base=hierarchical.two_levels,
    p_x1  = let(r"p(x, z_1)",            lambda p_1, p_x_1: p_1 * p_x_1.T),                                # [X, Z1]
    p_1_x = let(r"p(z_1 \mid x)",        lambda p_x1: ratio(p_x1, sum(p_x1, 1)[:, None])))                 # [X, Z1]

hierarchy = Derivation("two levels", posterior_of_one)

r"""
Next, the bound of a [hierarchy](hierarchical.two_top_down). S0 and S4 print a KL for each of two levels of latents,
and the lower one compares $q(z_1 \mid x)$ with $p(z_1 \mid x)$. Is it that law, the model's posterior? Or was the
layer's own prior meant? Here are both readings.
"""

@hierarchy("!=", r"\mathbb{E}_{q(z_1 \mid z_2)}\left[\log p(x \mid z_1)\right] - \mathrm{KL}(q(z_1 \mid x) \,\Vert\, p(z_1 \mid x)) - \mathrm{KL}(q(z_2 \mid z_1) \,\Vert\, p(z_2))",
           slip="1", to=hierarchical.two_top_down, by="S0 prints 'the KL divergence between each inference layer and its corresponding prior'",
           reading="p(z1 | x) is the model's posterior; whatever depends on z1 is averaged over q(z1 | x)")
def hvae_posterior(q_1, p_x_1, p_1_x, q_2_1, p_2):
    kl_2 = E(q_1, KL(q_2_1, p_2))
    return E(q_1, log(p_x_1.T)) - KL(q_1, p_1_x) - kl_2

@hierarchy("!=", r"\mathbb{E}_{q(z_1 \mid x)}\left[\log p(x \mid z_1)\right] - \mathbb{E}_{q(z_2 \mid x)}\left[\mathrm{KL}(q(z_1 \mid x) \,\Vert\, p(z_1 \mid z_2))\right] - \mathbb{E}_{q(z_1 \mid x)}\left[\mathrm{KL}(q(z_2 \mid z_1) \,\Vert\, p(z_2))\right]",
           slip="1", to=hierarchical.two_top_down, by="even with the layer's own prior p(z1 | z2): z2 is drawn given z1, so that the term in z1 is no KL",
           reading="p(z1 | x) is a misprint of p(z1 | z2), and z2 is averaged over q(z2 | x)")
def hvae_prior(q_1, p_x_1, q_2, p_1_2, q_2_1, p_2): return E(q_1, log(p_x_1.T)) - E(q_2, KL(q_1[:, :, None], p_1_2.T, axis=1)) - E(q_1, KL(q_2_1, p_2))


# ---- Where the second reading holds ----------------------------------------------------------------------------------
apart = World("two levels, independent under q", base=hierarchical.two_levels,
    r_2   = tex(r"q(z_2)",               simplex("Z2")),
    q_2_1 = let(r"q(z_2 \mid z_1)",      lambda r_2, Z1, Z2: broadcast_to(r_2, (Z1, Z2))))

independent = Derivation("two levels, independent under q", apart)

"""
Let $q$ draw $z_2$ without a look at $z_1$: the two are independent under it. Then the second reading is the bound
after all. A line that holds in a special case is hard to catch.
"""

@independent(r"\mathbb{E}_{q(z_1 \mid x)}\left[\log p(x \mid z_1)\right] - \mathrm{KL}(q(z_2 \mid x) \,\Vert\, p(z_2)) - \mathbb{E}_{q(z_2 \mid x)}\left[\mathrm{KL}(q(z_1 \mid z_2, x) \,\Vert\, p(z_1 \mid z_2))\right]")
def apart_top_down(q_1, p_x_1, q_2, p_2, q_1_2, p_1_2): return E(q_1, log(p_x_1.T)) - KL(q_2, p_2) - E(q_2, KL(q_1_2, p_1_2.T, axis=1))

@independent("=", r"\mathbb{E}_{q(z_1 \mid x)}\left[\log p(x \mid z_1)\right] - \mathbb{E}_{q(z_2 \mid x)}\left[\mathrm{KL}(q(z_1 \mid x) \,\Vert\, p(z_1 \mid z_2))\right] - \mathrm{KL}(q(z_2) \,\Vert\, p(z_2))",
             by="when the second reading is right: z1 says nothing about z2 under q")
def apart_prior(q_1, p_x_1, q_2, p_1_2, r_2, p_2): return E(q_1, log(p_x_1.T)) - E(q_2, KL(q_1[:, :, None], p_1_2.T, axis=1)) - KL(r_2, p_2)


# ---- What makes the bound tight --------------------------------------------------------------------------------------
two_priors = World("finite x, finite z, and another prior", base=one_z,
    beta   = tex(r"\beta",             positive()),
    p_data = tex(r"p_{\mathrm{data}}", simplex("X")),
    r_z    = tex(r"p'(z)",             simplex("Z")),
    r_xz   = let(r"p'(x, z)",          lambda r_z, p_x_z: (r_z[:, None] * p_x_z).T),                       # [X, Z]
    r_x    = let(r"p'(x)",             lambda r_xz: sum(r_xz, 1)),                                         # [X]
    r_z_x  = let(r"p'(z \mid x)",      lambda r_xz, r_x: ratio(r_xz, r_x[:, None])),                       # [X, Z]
    b_z    = let(r"p^*(z)",            lambda q, p_data: E(p_data, q.T)),                                  # [Z]
    b_xz   = let(r"p^*(x, z)",         lambda b_z, p_x_z: (b_z[:, None] * p_x_z).T),                       # [X, Z]
    b_x    = let(r"p^*(x)",            lambda b_xz: sum(b_xz, 1)),                                         # [X]
    b_z_x  = let(r"p^*(z \mid x)",     lambda b_xz, b_x: ratio(b_xz, b_x[:, None])),                       # [X, Z]
    p_zz   = let(r"p(z^{(1)})\,p(z^{(2)})", lambda p_z: reshape(p_z[:, None] * p_z, (-1,))),               # [Z Z]
    p_x_zz = let(r"\bar p(x)",         lambda p_x_z, X: reshape((p_x_z.T[:, :, None] + p_x_z.T[:, None]) / 2, (X, -1))))   # [X, Z Z]

tight = Derivation("what makes the bound tight", two_priors, where=lambda q, p_xz: ((q == 0) | (p_xz > 0)).all())

"""
S1 calls the bound 'valid for any $q$, but we optimize $p$ to obtain a tight lower bound'. Let us do as it says. Leave
$q$ as it is, and look for the prior that makes the bound, averaged over the data, as high as a prior can.
"""

@tight(r"\mathbb{E}_{p_{\mathrm{data}}}\left[\mathbb{E}_{q}\left[\log\frac{p(z)}{q(z \mid x)}\right]\right]", let=r"\text{what depends on } p(z)")
def prior_term(p_data, p_z, q): return E(p_data, E(q, log(ratio(p_z, q))))

@tight("=", r"-\mathbb{E}_{p_{\mathrm{data}}}\left[\mathrm{KL}(q \,\Vert\, p(z))\right]", by="the definition of KL")
def prior_kl(p_data, q, p_z): return -E(p_data, KL(q, p_z))

@tight("argmax", r"\mathbb{E}_{p_{\mathrm{data}}}\left[q(z \mid x)\right]", of=prior_term, over="p_z", by="so p is optimised: the best prior for this q is its mean")
def best_prior(p_data, q): return E(p_data, q.T)

r"""
It is found: call it $p^*(z)$, and everything made with it $p^*$ too. Is the bound tight now? First comes
$\log p^*(x)$, which the bound reaches at the posterior, as always; then the bound at the $q$ that we kept.
"""

@tight(r"\log p^*(x)")
def best_evidence(b_x): return log(b_x)

@tight("=", r"\log \mathbb{E}_{p^*(z)}\left[p(x \mid z)\right]", by="marginalisation")
def best_marginal(b_z, p_x_z): return log(E(b_z, p_x_z.T))

@tight("=", r"\mathbb{E}_{p^*(z \mid x)}\left[\log p^*(x, z)\right] + \mathrm{H}(p^*(z \mid x))", by="the ELBO at q = the posterior, tight whatever p is")
def tight_at_posterior(b_z_x, b_xz): return E(b_z_x, log(b_xz)) + H(b_z_x)

@tight("!=", r"\mathbb{E}_{q}\left[\log\frac{p^*(x, z)}{q(z \mid x)}\right]", slip="10", by="S1: 'valid for any q, but we optimize p to obtain a tight lower bound'",
       reading="q stays as it is, and p(z) becomes the best prior for it")
def optimised_p(q, b_xz): return E(q, log(ratio(b_xz, q)))


# ---- What the bound gains when p moves too ---------------------------------------------------------------------------
r"""
S1 also says: 'maximizing ELBO is equivalent to minimize KL'. With $p$ fixed it is, as the two add up to $\log p(x)$.
But a model learns its $p$ as well. What does the bound gain when $p$ becomes $p'$?
"""

@tight(r"\mathbb{E}_{q}\left[\log\frac{p'(x, z)}{q(z \mid x)}\right] - \mathbb{E}_{q}\left[\log\frac{p(x, z)}{q(z \mid x)}\right]", let=r"\text{what the bound gains as } p \text{ becomes } p'")
def gains(q, r_xz, p_xz): return E(q, log(ratio(r_xz, q))) - E(q, log(ratio(p_xz, q)))

@tight("=", r"\log\frac{\mathbb{E}_{p'(z)}\left[p(x \mid z)\right]}{p(x)} - \mathrm{KL}(q \,\Vert\, p'(z \mid x)) + \mathrm{KL}(q \,\Vert\, p(z \mid x))", by="ELBO = log p(x) - KL, twice", where=lambda r_z: (r_z > 0).all())
def gains_twice(r_z, p_x_z, p_x, q, r_z_x, p_z_x): return log(ratio(E(r_z, p_x_z.T), p_x)) - KL(q, r_z_x) + KL(q, p_z_x)

@tight("!=", r"-\mathrm{KL}(q \,\Vert\, p'(z \mid x)) + \mathrm{KL}(q \,\Vert\, p(z \mid x))", slip="N11", to=gains, by="S1: 'maximizing ELBO is equivalent to minimize KL'",
       reading="also where p changes: what the bound gains, the KL loses", where=lambda r_z: (r_z > 0).all())
def gains_kl(q, r_z_x, p_z_x): return -KL(q, r_z_x) + KL(q, p_z_x)


# ---- The logarithm of a mean -----------------------------------------------------------------------------------------
objectives = Derivation("averages, priors and families", two_priors)

"""
May a logarithm and a mean change places? [Jensen](divergences.mean_log) has said no: the mean of the logarithms is
lower. Two lines of S4 let them. First an estimate of $p(x)$ from $k$ draws, here $k = 2$, with all pairs of draws
written out.
"""

@objectives(r"\log p(x)")
def evidence(p_x): return log(p_x)

@objectives("=", r"\log \mathbb{E}_{p(z^{(1)})\,p(z^{(2)})}\left[\bar p(x)\right]", by="the mean of two draws, p-bar(x) = (p(x | z1) + p(x | z2)) / 2, has the mean p(x)")
def unbiased(p_zz, p_x_zz): return log(E(p_zz, p_x_zz))

@objectives("!=", r"\mathbb{E}_{p(z^{(1)})\,p(z^{(2)})}\left[\log \bar p(x)\right]", slip="25", by="S4 calls the logarithm of the mean unbiased", reading="k = 2, all pairs of draws")
def log_of_the_mean(p_zz, p_x_zz): return E(p_zz, log(p_x_zz))

"""
The second is a goal, what a decoder is to make large. With the logarithm inside, it is asked to explain every $x$
from every $z$, and not each $x$ from some.
"""

@objectives(r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log p(x)\right]")
def log_likelihood(p_data, p_x): return E(p_data, log(p_x))

@objectives("=", r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log \mathbb{E}_{p(z)}\left[p(x \mid z)\right]\right]", by="marginalisation")
def log_of_expectation(p_data, p_z, p_x_z): return E(p_data, log(E(p_z, p_x_z.T)))

@objectives("!=", r"\mathbb{E}_{p_{\mathrm{data}}}\left[\mathbb{E}_{p(z)}\left[\log p(x \mid z)\right]\right]", slip="26", by="S4 prints the expectation of the logarithm: another objective, by Jensen a lower one")
def expectation_of_log(p_data, p_z, p_x_z): return E(p_data, E(p_z, log(p_x_z.T)))


# ---- A law of the wrong letter ---------------------------------------------------------------------------------------
r"""
The $\beta$-VAE weighs its KL by $\beta$. In S3 it is one from $q(z \mid x)$, a law of $z$, to $p(x)$, a law of $x$.
That asks how far a code is from an image. A machine would refuse, unless by chance the two shapes fit; then the value
tells.
"""

@objectives(r"\mathbb{E}_{q}\left[\log\frac{p(x, z)}{q(z \mid x)}\right] - (\beta - 1)\,\mathrm{KL}(q \,\Vert\, p(z))", let=r"\beta\text{-VAE}")
def beta_elbo(q, p_xz, beta, p_z): return E(q, log(ratio(p_xz, q))) - (beta - 1) * KL(q, p_z)

@objectives("=", r"\mathbb{E}_{q}\left[\log p(x \mid z)\right] - \beta\,\mathrm{KL}(q \,\Vert\, p(z))", by="p(x, z) = p(x | z) p(z)",
            where=lambda q, p_xz: ((q == 0) | (p_xz > 0)).all())
def beta_vae(q, p_x_z, beta, p_z): return E(q, log(p_x_z.T)) - beta * KL(q, p_z)

@objectives("!=", r"\mathbb{E}_{q}\left[\log p(x \mid z)\right] - \beta\,\mathrm{KL}(q \,\Vert\, p(x))", slip="15", by="S3 prints KL[Q(Z | X) || P(X)]: a law of z against one of x",
            where=lambda q, p_xz: ((q == 0) | (p_xz > 0)).all(), reading="P(X) as it stands, an array over x")
def beta_p_x(q, p_x_z, beta, p_x): return E(q, log(p_x_z.T)) - beta * KL(q, p_x)

r"""
A decoder makes $x$ from $z$: it is $p(x \mid z)$. S4 prints the two letters the other way round, and that is the name
of the posterior.
"""

@objectives(r"p(x)")
def marginal(p_x): return p_x

@objectives("=", r"\mathbb{E}_{p(z)}\left[p(x \mid z)\right]", by="the decoder is a law of x for every z")
def decoder(p_z, p_x_z): return E(p_z, p_x_z.T)

@objectives("!=", r"\mathbb{E}_{p(z)}\left[p(z \mid x)\right]", slip="27", by="S4 prints the family q(z | x), p(z | x)", reading="p(z | x) in the decoder's place: rows that belong to x, averaged over z")
def family(p_z, p_z_x): return E(p_z, p_z_x.T)


# ---- A square, and a constant ----------------------------------------------------------------------------------------
def grid():
    """From -32 to 32 in steps of 1/16: on it a sum over a normal, however narrow, is its integral to the last digit."""
    return arange(-512, 513) / 16


normals = World("two normals",
    mu_r = tex(r"\mu_r",       real()),
    mu_g = tex(r"\mu_g",       real()),
    s_r  = tex(r"\sigma_r",    positive()),
    s_g  = tex(r"\sigma_g",    positive()),
    z    = let(r"z",           lambda: gaussian(3)[0]),                                       # [3]: nodes of N(0, 1) ...
    w    = let(r"\mathcal{N}", lambda: gaussian(3)[1]),                                       # [3]: ... and their weights
    x    = let(r"x",           lambda: grid()),                                               # [1025]
    dx   = let(r"dx",          lambda x: x[1] - x[0]))

gaussians = Derivation("two normals", normals)

"""
A distance and its square are least in the same place; a loss and the loss plus a constant have the same slopes. So
whoever only trains never notices. Whoever reports the number does.
"""

@gaussians(r"\left(\mu_r - \mu_g\right)^2 + \sigma_r^2 + \sigma_g^2 - 2\sqrt{\sigma_r^2 \sigma_g^2}", let=r"\mathrm{FID}")
def frechet(mu_r, mu_g, s_r, s_g): return (mu_r - mu_g)**2 + s_r**2 + s_g**2 - 2 * sqrt(s_r**2 * s_g**2)

@gaussians("=", r"\mathbb{E}_{\mathcal{N}}\left[\left(\mu_r + \sigma_r z - \left(\mu_g + \sigma_g z\right)\right)^2\right]", by="W2 squared: the best coupling keeps the order, one z for both")
def w2_squared(w, mu_r, s_r, z, mu_g, s_g): return E(w, (mu_r + s_r * z - (mu_g + s_g * z))**2)

@gaussians("!=", r"\sqrt{\mathbb{E}_{\mathcal{N}}\left[\left(\mu_r + \sigma_r z - \left(\mu_g + \sigma_g z\right)\right)^2\right]}", slip="5", by="S0 and S4: 'a.k.a. Wasserstein-2 distance'")
def w2(w, mu_r, s_r, z, mu_g, s_g): return sqrt(E(w, (mu_r + s_r * z - (mu_g + s_g * z))**2))

@gaussians(r"\mu_r")
def its_mean(mu_r): return mu_r

@gaussians("=", r"\sum x \exp\left(-\left(\frac{1}{2} \log(2 \pi) + \frac{1}{2} \log \sigma_r^2 + \frac{\left(x - \mu_r\right)^2}{2 \sigma_r^2}\right)\right) dx",
           by="a density has its mean; a sum over a grid this wide and fine is the integral")
def mean_of_density(x, s_r, mu_r, dx): return sum(x * exp(-(1 / 2 * log(2 * pi) + 1 / 2 * log(s_r**2) + (x - mu_r)**2 / (2 * s_r**2))) * dx)

@gaussians("!=", r"\sum x \exp\left(-\left(\frac{1}{2} \log \sigma_r^2 + \frac{\left(x - \mu_r\right)^2}{2 \sigma_r^2}\right)\right) dx", slip="13", to=its_mean, by="S2 leaves log 2 pi out: the mass is sqrt(2 pi), and the mean so many times itself")
def no_two_pi(x, s_r, mu_r, dx): return sum(x * exp(-(1 / 2 * log(s_r**2) + (x - mu_r)**2 / (2 * s_r**2))) * dx)


# ---- Which one is transposed -----------------------------------------------------------------------------------------
affine = World("an affine map of a few points",
    N    = size(1, 4),
    n    = size(1, 3),
    p    = tex(r"p",             simplex("N")),
    z    = tex(r"z",             real("n", "N")),
    A    = tex(r"A",             real("n", "n")),
    b    = tex(r"b",             real("n")),
    Sig  = let(r"\Sigma",        lambda p, z: E(p, z[:, None] * z) - E(p, z)[:, None] * E(p, z)),          # [n, n]
    x    = let(r"x",             lambda A, z, b: A @ z + b[:, None]))                                      # [n, N]

linear = Derivation("a linear flow", affine)

r"""
A straight map $A z + b$ turns the covariance $\Sigma$ into another. $A$ stands on both sides of it, once transposed.
On which? A number is its own transpose, so the answer takes two dimensions.
"""

@linear(r"\mathbb{E}_{p}\left[x\right]")
def mean_of_map(p, x): return E(p, x)

@linear("=", r"A \mathbb{E}_{p}\left[z\right] + b", by="linearity")
def map_of_mean(A, p, z, b): return A @ E(p, z) + b

@linear(r"\mathbb{E}_{p}\left[x x^\top\right] - \mathbb{E}_{p}\left[x\right] \mathbb{E}_{p}\left[x\right]^\top", let=r"\mathrm{Cov}(A z + b)")
def covariance(p, x): return E(p, x[:, None] * x) - E(p, x)[:, None] * E(p, x)

@linear("=", r"A \Sigma A^\top", by="linearity: b goes, A comes out on both sides")
def sandwich(A, Sig): return A @ Sig @ A.T

@linear("!=", r"A^\top \Sigma A", slip="18", by="S3 transposes the first")
def transposed(A, Sig): return A.T @ Sig @ A


# ---- One pixel -------------------------------------------------------------------------------------------------------
pixels = World("one pixel, and a mixture of logistics",
    K     = size(1, 3),
    V     = size(2, 5),
    alpha = tex(r"\alpha",        unit()),
    w     = tex(r"\pi_i",         simplex("K")),
    mu    = tex(r"\mu_i",         real("K")),
    s     = tex(r"s_i",           positive("K")),
    up    = let(r"\sigma_i(x + \frac12)", lambda V, mu, s: 1 / (1 + exp(-(arange(V)[:, None] + 1 / 2 - mu) / s))),   # [V, K]
    down  = let(r"\sigma_i(x - \frac12)", lambda V, mu, s: 1 / (1 + exp(-(arange(V)[:, None] - 1 / 2 - mu) / s))),   # [V, K]
    ups   = let(r"F_i(x + \frac12)",      lambda up, K: concatenate([up[:-1], ones((1, K))])),
    downs = let(r"F_i(x - \frac12)",      lambda down, K: concatenate([0 * ones((1, K)), down[1:]])),
    v     = tex(r"v_i",           positive("K")))                                                          # a component's variance

autoregressive = Derivation("pixels", pixels)

"""
The smallest law of all: a pixel is 0 or 1. After it a pixel of $V$ levels, each with the mass that a mixture of
logistic laws puts around it. Whatever else they do, masses have to add up to 1.
"""

@autoregressive(r"\alpha", let="p(X_1 = 0)")
def black(alpha): return alpha

@autoregressive("=", r"1 - \left(1 - \alpha\right)", by="the other value has what is left")
def not_white(alpha): return 1 - (1 - alpha)

@autoregressive("!=", r"1 - \alpha", slip="6", by="S1 prints X1 = 0 on the left of both")
def black_again(alpha): return 1 - alpha

@autoregressive("1")
def all_mass(): return array(1.0)

@autoregressive("=", r"\sum_x \mathbb{E}_{\pi_i}\left[F_i(x + \frac12) - F_i(x - \frac12)\right]", by="the first value takes all below it, the last all above: F is the sigmoid but 0 and 1 at the two ends")
def with_tails(w, ups, downs): return sum(E(w, ups - downs))

@autoregressive("!=", r"\sum_x \mathbb{E}_{\pi_i}\left[\sigma_i(x + \frac12) - \sigma_i(x - \frac12)\right]", slip="N3", by="S3 prints one formula for every x: the tails are lost")
def without_tails(w, up, down): return sum(E(w, up - down))

"""
A draw from a mixture picks one component and draws from that. A weighted sum draws from all of them and adds. The two
have the same mean. Look at the variance.
"""

@autoregressive(r"\mathbb{E}_{\pi_i}\left[v_i + \mu_i^2\right] - \mathbb{E}_{\pi_i}\left[\mu_i\right]^2", let=r"\mathrm{var}(\nu)")
def mixture_variance(w, v, mu): return E(w, v + mu**2) - E(w, mu)**2

@autoregressive("=", r"\mathbb{E}_{\pi_i}\left[v_i\right] + \mathbb{E}_{\pi_i}\left[\left(\mu_i - \mathbb{E}_{\pi_i}\left[\mu_i\right]\right)^2\right]", by="the mean of the variances and the variance of the means")
def total_variance(w, v, mu): return E(w, v) + E(w, (mu - E(w, mu))**2)

@autoregressive("!=", r"\sum_i \pi_i^2\, v_i", slip="N3", by="S3 prints nu = a sum of weighted logistics", reading="the logistics are independent")
def sum_of_logistics(w, v): return sum(w**2 * v)


# ---- A sign, and the shape of a codebook -----------------------------------------------------------------------------
codebook = World("a codebook, an encoding and a decoding",
    K     = size(1, 4),
    D     = size(1, 3),
    e     = tex(r"e",             real("K", "D")),
    z_e   = tex(r"z_e",           real("D")),
    e_k   = tex(r"e_k",           real("D")),
    x     = tex(r"x",             real("D")),
    x_hat = tex(r"\hat x",        real("D")),
    beta  = tex(r"\beta",         positive()),
    log_p = let(r"\log p(x \mid z_q)", lambda x, x_hat: sum(-(x - x_hat)**2 / 2 - log(2 * pi) / 2)))

codes = Derivation("a codebook", codebook)

"""
An encoder's answer $z_e$ is rounded to one of $K$ codes, and the loss asks three things: decode well, move the code,
commit to it. In S3 the first has another sign, so that the best decoder would be the worst one.
"""

@codes(r"-\log p(x \mid z_q) + \sum\left(z_e - e_k\right)^2 + \beta \sum\left(z_e - e_k\right)^2", let="L")
def vq_loss(log_p, z_e, e_k, beta): return -log_p + sum((z_e - e_k)**2) + beta * sum((z_e - e_k)**2)

@codes("argmin", r"x", of=vq_loss, over="x_hat", by="minus: the loss is least where the decoding is x")
def decoded(x): return x

@codes("=", r"\sum\left(\frac{\left(x - \hat x\right)^2}{2} + \frac{\log(2 \pi)}{2}\right) + \left(1 + \beta\right) \sum\left(z_e - e_k\right)^2", to=vq_loss, by="a normal with variance 1; sg is the identity in value")
def vq_loss_squares(x, x_hat, beta, z_e, e_k): return sum((x - x_hat)**2 / 2 + log(2 * pi) / 2) + (1 + beta) * sum((z_e - e_k)**2)

@codes("!=", r"\log p(x \mid z_q) + \sum\left(z_e - e_k\right)^2 + \beta \sum\left(z_e - e_k\right)^2", slip="16", to=vq_loss, by="S3 prints a plus before log p")
def vq_plus(log_p, z_e, e_k, beta): return log_p + sum((z_e - e_k)**2) + beta * sum((z_e - e_k)**2)

@codes(r"\sum\left(z_e - e\right)^2", let=r"\text{squared distances from } z_e \text{ to the } K \text{ codes}")
def distances(z_e, e): return sum((z_e - e)**2, -1)

@codes("=", r"\sum z_e^2 - 2 e z_e + \sum e^2", by="multiply out")
def multiplied_out(z_e, e): return sum(z_e**2) - 2 * e @ z_e + sum(e**2, -1)

@codes("!=", r"\sum\left(z_e - e\right)^2 \text{ with } e \in \mathbb{R}^{K D}", slip="17", to=distances, by="S3 prints R^KD", reading="one vector of K D numbers")
def flat(z_e, e): return sum((z_e - reshape(e, (-1,)))**2, -1)


# ---- A square, a sum and a logarithm ---------------------------------------------------------------------------------
sampled = World("a noising chain, and what a sampler draws", base=chain,
    v      = tex(r"v",                unit("T")),
    btilde = let(r"\tilde\beta_t",    lambda abar_1, abar, beta: (1 - abar_1) / (1 - abar) * beta),
    lam    = let(r"\lambda_t",        lambda beta, s2, alpha, abar: beta**2 / (2 * s2 * alpha * (1 - abar))),
    mu     = let(r"\tilde\mu_t",      lambda abar_1, beta, abar, x0, alpha, xt: (sqrt(abar_1) * beta * x0 + sqrt(alpha) * (1 - abar_1) * xt) / (1 - abar)),
    mu_hat = let(r"\mu_\theta",       lambda xt, beta, abar, eps_hat, alpha: (xt - beta / sqrt(1 - abar) * eps_hat) / sqrt(alpha)))

noising = Derivation("a noising chain", sampled)

r"""
Three lines on [diffusion](diffusion), each with something left out: a square, the sum over $t$, for which a mean is
printed, and the second of two logarithms. $\lambda_t$ is the weight that the bound gives to step $t$.
"""

@noising(r"\frac{1}{T}\sum_t \frac{1}{\lambda_t}\frac{\left(\tilde\mu_t - \mu_\theta\right)^2}{2 \sigma_t^2}", let=r"L_{\mathrm{simple}}")
def l_simple(T, lam, mu, mu_hat, s2): return 1 / T * sum(1 / lam * ((mu - mu_hat)**2 / (2 * s2)))

@noising("=", r"\frac{1}{T}\sum_t\left(\epsilon - \epsilon_\theta\right)^2", by="each KL of the bound is lambda_t times this square")
def squares(T, eps, eps_hat): return 1 / T * sum((eps - eps_hat)**2)

@noising("!=", r"\frac{1}{T}\sum_t \left|\epsilon - \epsilon_\theta\right|", slip="19", by="S3 leaves the square out, and writes sigma for epsilon", reading="sigma is the noise")
def no_square(T, eps, eps_hat): return 1 / T * sum(abs(eps - eps_hat))

@noising(r"\sum_t \frac{\left(\tilde\mu_t - \mu_\theta\right)^2}{2 \sigma_t^2}", let=r"L - C")
def bound(mu, mu_hat, s2): return sum((mu - mu_hat)**2 / (2 * s2))

@noising("=", r"\sum_t \lambda_t \left(\epsilon - \epsilon_\theta\right)^2", by="both means in the noise's form")
def weighted_sum(lam, eps, eps_hat): return sum(lam * (eps - eps_hat)**2)

@noising("!=", r"\frac{1}{T}\sum_t \lambda_t \left(\epsilon - \epsilon_\theta\right)^2", slip="N2", by="S0 and S4 print a mean over t", reading="the constant C set to 0")
def weighted_mean(T, lam, eps, eps_hat): return 1 / T * sum(lam * (eps - eps_hat)**2)

@noising(r"\beta_t^{v} \left(\frac{1}{\alpha_t / \beta_t + 1 / \left(1 - \bar\alpha_{t-1}\right)}\right)^{1 - v}", let=r"\Sigma_\theta")
def between(beta, v, alpha, abar_1): return beta**v * (1 / (alpha / beta + 1 / (1 - abar_1)))**(1 - v)

@noising("=", r"\exp\left(v \log \beta_t + \left(1 - v\right) \log \tilde\beta_t\right)", by="between the two variances, on the scale of logarithms")
def log_between(v, beta, btilde): return exp(v * log(beta) + (1 - v) * log(btilde))

@noising("!=", r"\exp\left(v \log \beta_t + \left(1 - v\right) \tilde\beta_t\right)", slip="20", by="S3 leaves the second logarithm out")
def one_log(v, beta, btilde): return exp(v * log(beta) + (1 - v) * btilde)


# ---- The last step of a sampler --------------------------------------------------------------------------------------
last = World("the last step of a sampler",
    alpha = tex(r"\alpha_1",      unit()),
    x0    = tex(r"x_0",           real()),
    eps   = tex(r"\epsilon",      real()),
    s     = tex(r"\sigma_1",      positive()),
    z     = tex(r"z",             real()),
    x1    = let(r"x_1",           lambda alpha, x0, eps: sqrt(alpha) * x0 + sqrt(1 - alpha) * eps))

sampler = Derivation("the last step of a sampler", last)

"""
A sampler goes from noise to data, step by step, and after each step it adds a little noise. After the last one too?
Give it a network that knows the noise exactly, and nothing should stand between it and $x_0$.
"""

@sampler(r"x_0")
def data(x0): return x0

@sampler("=", r"\frac{1}{\sqrt{\alpha_1}}\left(x_1 - \frac{1 - \alpha_1}{\sqrt{1 - \alpha_1}}\,\epsilon\right)", by="a predictor that knows the noise is there: abar_1 = alpha_1")
def last_step(alpha, x1, eps): return 1 / sqrt(alpha) * (x1 - (1 - alpha) / sqrt(1 - alpha) * eps)

r"""
As printed, even this sampler misses, by $\sigma_1 z$. Whoever wrote these lines knew their subject. A letter slips in
print, and a printed page cannot be run. This page can, and so can every other page of the road that ends here.
"""

@sampler("!=", r"\frac{1}{\sqrt{\alpha_1}}\left(x_1 - \frac{1 - \alpha_1}{\sqrt{1 - \alpha_1}}\,\epsilon\right) + \sigma_1 z", slip="N1", by="S0 and S4 draw z at every step")
def noisy_last_step(alpha, x1, eps, s, z): return 1 / sqrt(alpha) * (x1 - (1 - alpha) / sqrt(1 - alpha) * eps) + s * z


# ---- T for t, and T for its state ------------------------------------------------------------------------------------
path = World("steps of a chain",
    T      = size(1, 5),
    n      = size(1, 4),
    beta   = tex(r"\beta_t",      unit("T")),
    x      = tex(r"x_t",          real("T")),
    x_prev = tex(r"x_{t-1}",      real("T")),
    x_T    = tex(r"x_T",          real("n")),
    eps    = let(r"\epsilon_t",   lambda x, beta, x_prev: (x - sqrt(1 - beta) * x_prev) / sqrt(beta)))

walk = Derivation("steps of a chain", path)

"""
A capital for a small letter: $x_T$ stands where $x_t$ should. It has the right shape, so only the value can tell.
Further down, $T$ itself stands for $x_T$: a number of steps for a state.
"""

@walk(r"-\frac{\left(x_t - \sqrt{1 - \beta_t}\, x_{t-1}\right)^2}{2 \beta_t} - \frac{\log(2 \pi \beta_t)}{2}", let=r"\log q(x_t \mid x_{t-1})")
def step_density(x, beta, x_prev): return -(x - sqrt(1 - beta) * x_prev)**2 / (2 * beta) - log(2 * pi * beta) / 2

@walk("=", r"-\frac{\epsilon_t^2}{2} - \frac{\log(2 \pi)}{2} - \frac{\log \beta_t}{2}", by="the noise's density, and a change of variables")
def noise_density(eps, beta): return -eps**2 / 2 - log(2 * pi) / 2 - log(beta) / 2

@walk("!=", r"\log \mathcal{N}(x_T; \sqrt{1 - \beta_t}\, x_{t-1}, \beta_t I)", slip="28", to=step_density, by="S4 prints x_T for x_t")
def last_for_every_t(x, beta, x_prev):
    end = x[-1]
    return -(end - sqrt(1 - beta) * x_prev)**2 / (2 * beta) - log(2 * pi * beta) / 2

@walk(r"\log\frac{\exp\left(-x_T^2 / 2\right)}{\sqrt{2 \pi}}", let=r"\log p(x_T)\text{, for each coordinate}")
def prior_density(x_T): return log(exp(-x_T**2 / 2) / sqrt(2 * pi * ones(())))

@walk("=", r"-\frac{x_T^2 + \log(2 \pi)}{2}", by="the logarithm")
def log_prior(x_T): return -(x_T**2 + log(2 * pi)) / 2

@walk("!=", r"-\frac{T^2 + \log(2 \pi)}{2}", slip="23", by="S3 prints p(T) = N(0, I)", reading="T, the number of steps, where its state should stand")
def prior_of_a_number(T): return array(-(T**2 + log(2 * pi)) / 2)


# ---- Noise in one space, images in another ---------------------------------------------------------------------------
pushed = World("noise, pushed through a generator",
    X   = size(1, 5),
    Z   = size(1, 5),
    p   = tex(r"p_{\mathrm{data}}", simplex("X")),
    p_z = tex(r"p_z",               simplex("Z")),
    G   = tex(r"G(z)",              index("X", "Z")),
    D   = tex(r"D(x)",              unit("X")),
    D_G = let(r"D(G(z))",           lambda D, G: D[G]),                                       # [Z]
    p_G = let(r"p_G",               lambda p_z, G, X: E(p_z, G == arange(X)[:, None])))       # [X]

spaces = Derivation("noise, pushed through a generator", pushed)

"""
A generator takes noise to images. S1 and S3 hand it an image: $G(x)$ for $G(z)$. Where the numbers of points happen
to fit, that can be computed, and something comes out. Is it what was meant?
"""

@spaces(r"\mathbb{E}_{p_z}\left[\log(1 - D(G(z)))\right]", let=r"\mathcal{L}_G")
def generated(p_z, D_G): return E(p_z, log(1 - D_G))

@spaces("=", r"\mathbb{E}_{p_G}\left[\log(1 - D(x))\right]", by="p_G is the law of G(z)")
def pushed_forward(p_G, D): return E(p_G, log(1 - D))

@spaces("!=", r"\mathbb{E}_{x \sim p_z}\left[\log(1 - D(G(x)))\right]", slip="12", by="S1 puts x where the noise belongs", reading="x is a point of the data's space")
def generated_from_x(p_z, D, G, X):
    x = arange(X)
    return E(p_z, log(1 - D[G[x]]))

@spaces(r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log D(x)\right] + \mathbb{E}_{p_z}\left[\log(1 - D(G(z)))\right]", let="V(G, D)")
def both_players(p, D, p_z, D_G): return E(p, log(D)) + E(p_z, log(1 - D_G))

@spaces("=", r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log D(x)\right] + \mathbb{E}_{p_G}\left[\log(1 - D(x))\right]", by="p_G is the law of G(z)")
def both_pushed(p, D, p_G): return E(p, log(D)) + E(p_G, log(1 - D))

@spaces("!=", r"\mathbb{E}\left[\log D_w(x) + \log(1 - D_w(g_\theta(x)))\right]", slip="24", by="S3 gives both terms the same x", reading="one x, drawn from the data")
def one_x(p, D, G, X):
    x = arange(X)
    return E(p, log(D[x]) + log(1 - D[G[x]]))


# ---- Two losses of a generator ---------------------------------------------------------------------------------------
slope = World("a logit", l=tex(r"l", real()), d=let(r"D", lambda l: 1 / (1 + exp(-l))))

slopes = Derivation("a logit", slope)

r"""
S2 descends $\log(1 - D(G(z)))$, while S0 and S4 ascend $\log D(G(z))$. Neither is a slip: there are two losses to
choose from. But look at the slopes in the logit $l$ of a bad sample.
"""

@slopes(r"\nabla_l\left(-\log\frac{1}{1 + \exp(-l)}\right)", let=r"\text{the step of S0 and S4: descend } -\log D")
def non_saturating(l): return D(lambda l: -log(1 / (1 + exp(-l))), l)

@slopes("=", r"-\left(1 - D\right)", by="the sigmoid's slope is D (1 - D); near D = 0 this is -1: a bad sample is told so")
def non_saturating_slope(d): return -(1 - d)

@slopes(r"\nabla_l \log\left(1 - \frac{1}{1 + \exp(-l)}\right)", let=r"\text{the slope of what S2 descends, the minimax game's own}")
def saturating(l): return D(lambda l: log(1 - 1 / (1 + exp(-l))), l)

@slopes("=", r"-D", by="it vanishes near D = 0: a bad sample is told nothing")
def saturating_slope(d): return -d


# ---- A code that should be read --------------------------------------------------------------------------------------
coded = World("a code and what is made of it",
    C     = size(1, 3),
    X     = size(1, 4),
    p_c   = tex(r"P(c)",            simplex("C")),
    p_x_c = tex(r"P(x \mid c)",     simplex("C", "X")),
    Q     = tex(r"Q(c \mid x)",     simplex("X", "C")),
    p_cx  = let(r"P(c, x)",         lambda p_c, p_x_c: p_c[:, None] * p_x_c),                # [C, X]
    p_x   = let(r"P(x)",            lambda p_cx: sum(p_cx, 0)),                              # [X]
    p_c_x = let(r"P(c \mid x)",     lambda p_cx, p_x: ratio(p_cx, p_x).T))                   # [X, C]

information = Derivation("a code and what is made of it", coded)

"""
InfoGAN wants the sample to show its code $c$. How far it does is the mutual information $I(c; x)$, and 'the goal',
says S3, 'is to minimize' it. Where would that lead?
"""

@information(r"\mathbb{E}_{P(c)}\left[\mathrm{KL}(P(x \mid c) \,\Vert\, P(x))\right]", let="I(c; x)")
def mutual(p_c, p_x_c, p_x): return E(p_c, KL(p_x_c, p_x))

@information("=", r"\mathrm{H}(P(c)) - \mathbb{E}_{P(x)}\left[\mathrm{H}(P(c \mid x))\right]", by="what x takes away from the doubt about c")
def doubt(p_c, p_x, p_c_x): return H(p_c) - E(p_x, H(p_c_x))

@information("<=", r"\mathrm{H}(P(c))", by="the goal: no doubt left, the code can be read off x", gap=lambda p_x, p_c_x: E(p_x, H(p_c_x)))
def goal(p_c): return H(p_c)

@information("!=", "0", slip="21", by="S3: 'the goal is to minimize I(c; x)'", reading="what I is where the goal is reached: the least I is that of an x without regard to c")
def goal_of_s3(): return array(0.0)

@information(">=", "0", to=mutual, by="the least: x has the same law for every c", tight=dict(p_x_c=lambda p_x_c: 0 * p_x_c + p_x_c[:1]))
def least(): return array(0.0)

r"""
And the bound that is trained: may $\mathrm{H}(c)$ be left out? For the best $Q$ it makes no difference, for the value
it does.
"""

@information(r"\mathbb{E}_{P(x)}\left[\mathbb{E}_{P(c \mid x)}\left[\log Q(c \mid x)\right]\right] + \mathrm{H}(P(c))", let=r"\text{the bound on } I(c; x)")
def info_bound(p_x, p_c_x, Q, p_c): return E(p_x, E(p_c_x, log(Q))) + H(p_c)

@information("=", r"\mathbb{E}_{P(c)}\left[\mathbb{E}_{P(x \mid c)}\left[\log Q(c \mid x)\right]\right] + \mathrm{H}(P(c))", by="the lemma: draw c, then x; or x, then c given x")
def resampled(p_c, p_x_c, Q): return E(p_c, E(p_x_c, log(Q.T))) + H(p_c)

@information("= + const", r"\mathbb{E}_{P(c)}\left[\mathbb{E}_{P(x \mid c)}\left[\log Q(c \mid x)\right]\right]", vary="Q", by="H(c) does not depend on Q", where=lambda Q: (Q > 0).all())
def without_entropy(p_c, p_x_c, Q): return E(p_c, E(p_x_c, log(Q.T)))

@information("!=", r"\mathbb{E}_{P(c)}\left[\mathbb{E}_{P(x \mid c)}\left[\log Q(c \mid x)\right]\right]", slip="29", to=resampled, by="S3: 'by ignoring the second term and rewriting the first term, the lower bound becomes': H(c) is not nothing")
def bound_without_entropy(p_c, p_x_c, Q): return E(p_c, E(p_x_c, log(Q.T)))


# ---- The length of a curve -------------------------------------------------------------------------------------------
curve = World("a broken line",
    n    = size(2, 5),
    y    = tex(r"y",       real("n")),
    dx   = tex(r"dx",      positive()),
    f    = let(r"f(x, y)", lambda y: y[:-1]),
    dy   = let(r"dy",      lambda y: y[1:] - y[:-1]))

shortest = Derivation("a broken line", curve)

"""
How long is a curve? Break it into short straight pieces, and Pythagoras measures each. S4 prints an $f$ under the
integral; read as the curve's height, it lets each piece count the more, the higher it lies.
"""

@shortest(r"\sum \sqrt{dx^2 + \left(y_{i+1} - y_i\right)^2}", let=r"\ell")
def pythagoras(dx, y): return sum(sqrt(dx**2 + (y[1:] - y[:-1])**2))

@shortest("=", r"\sum \sqrt{1 + \left(\frac{dy}{dx}\right)^2}\, dx", by="ds = sqrt(1 + y'^2) dx")
def arc(dy, dx): return sum(sqrt(1 + (dy / dx)**2) * dx)

@shortest("!=", r"\sum f(x, y) \sqrt{dx^2 + dy^2}", slip="N5", by="S4 prints f under the integral", reading="f is the curve's height")
def weighted_by_height(f, dx, dy): return sum(f * sqrt(dx**2 + dy**2))


# ---- Weights that sum to one -----------------------------------------------------------------------------------------
weights = World("the weights of a mixture",
    N   = size(1, 4),
    K   = size(1, 3),
    w   = tex(r"\pi_k",             simplex("K")),
    N_k = tex(r"\mathcal{N}_{nk}",  positive("N", "K")))

lagrange = Derivation("the weights of a mixture", weights)

r"""
Weights that have to sum to 1 cannot all grow. So at the best weights the likelihood need not be flat: it may still
rise in directions that are not allowed. The *multiplier* $\lambda$ says how steeply.
"""

@lagrange(r"\sum_k \pi_k \frac{\partial}{\partial \pi_k} \sum_n \log \sum_j \pi_j \mathcal{N}_{nj}")
def weighted_slope(w, N_k):
    def L(w): return sum(log(N_k @ w))
    return sum(w * D(L, w))

@lagrange("=", "N", by="each point's responsibilities sum to 1: so lambda = -N, the multiplier that makes the slopes vanish")
def points(N): return array(N)

@lagrange("!=", "0", slip="N8", by="S1 sets the slope itself to 0, without the multiplier", reading="if every slope were 0, so would be their mean")
def no_multiplier(): return array(0.0)


# ---- A walk that keeps its variance ----------------------------------------------------------------------------------
walking = World("an AR(1) prior",
    n     = size(1, 5),
    alpha = tex(r"\alpha",             unit()),
    s     = let(r"\sigma_\epsilon",    lambda alpha: sqrt(1 - alpha**2)),
    a2i   = let(r"a_i",                lambda alpha, n: alpha**(2 * arange(n))))

ar1 = Derivation("an AR(1) prior", walking)

r"""
Each step keeps $\alpha$ of what was and adds fresh noise. How much noise, if the variance is to stay at 1? And is
$\sigma_\epsilon$ the variance, or its root?
"""

@ar1("1", let=r"\mathrm{var}(Z_1)")
def variance_of_first(): return array(1.0)

@ar1("=", r"\alpha^{2 n} + \sigma_\epsilon^2 \sum_i a_i", by="n steps unrolled, a_i = alpha^(2 i): the variance stays")
def variance_after(alpha, n, s, a2i): return alpha**(2 * n) + s**2 * sum(a2i)

@ar1("!=", r"\alpha^{2 n} + \sigma_\epsilon \sum_i a_i", slip="N15", to=variance_of_first, by="S3 prints sigma where the variance stands", reading="the second place of N is the variance, as everywhere else")
def scale_for_variance(alpha, n, s, a2i): return alpha**(2 * n) + s * sum(a2i)
