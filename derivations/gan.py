"""The game.   Goodfellow et al. 2014, Chen et al. 2016   worlds: two laws given by counts, so that a batch repeating each point is exact; codes

Freeze the generator. What is the best that a discriminator can do, and what is then left for the generator to lower?
"""
from derivations import Derivation, World, let, tex, size, index, unit, real, positive, simplex, counts
from derivations.engine import words
from derivations.engine.words import E, H, JS, KL, arange, argmax, concatenate, exp, eye, log, ratio, repeat, sort, stack, sum, zeros
from scratch import autodiff, gans

two_laws = World("two laws on X points",
    X      = size(1, 5),
    n      = tex(r"n_{\mathrm{data}}",  counts("X")),
    n_G    = tex(r"n_G",                counts("X")),
    D      = tex(r"D(x)",               unit("X", closed=True)),
    p      = let(r"p_{\mathrm{data}}",  lambda n: n / sum(n)),
    p_G    = let(r"p_G",                lambda n_G: n_G / sum(n_G)),
    D_star = let(r"D^*",                lambda p, p_G: ratio(p, p + p_G)),
    x      = let(r"x_{1:N}",            lambda n: repeat(arange(len(n)), n.astype(int))),
    x_G    = let(r"G(z_{1:N})",         lambda n_G: repeat(arange(len(n_G)), n_G.astype(int))))

gan = Derivation("gan", two_laws)

@gan(r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log D(x)\right] + \mathbb{E}_{p_G}\left[\log(1 - D(x))\right]", let="V(G, D)",
     covers="gan-minimax gan-discriminator-step")
def value(p, p_G, D): return E(p, log(D)) + E(p_G, log(1 - D))

@gan("argmax", r"\frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + p_G}", of=value, over="D", by="a log y + b log(1 - y) is highest at a / (a + b)",
     covers="gan-optimal-discriminator gan-discriminator-step")
def best(p, p_G): return ratio(p, p + p_G)

@gan(r"\log \frac{D^*}{1 - D^*}", let=r"\text{the logit of } D^*")
def logit(D_star): return log(ratio(D_star, 1 - D_star))

@gan("=", r"\log \frac{p_{\mathrm{data}}}{p_G}", by="the sums p + p_G cancel: the best discriminator knows the ratio of the densities",
     where=lambda p, p_G: ((p > 0) & (p_G > 0)).all())
def log_ratio(p, p_G): return log(ratio(p, p_G))

@gan(r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log D^*\right] + \mathbb{E}_{p_G}\left[\log(1 - D^*)\right]", let="V(G, D^*)")
def at_best(p, p_G, D_star): return E(p, log(D_star)) + E(p_G, log(1 - D_star))

@gan("=", r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log \frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + p_G}\right] + \mathbb{E}_{p_G}\left[\log \frac{p_G}{p_{\mathrm{data}} + p_G}\right]",
     by="put the best discriminator in; 1 - D* is p_G's share", covers="gan-value-derivation:1")
def shares(p, p_G): return E(p, log(ratio(p, p + p_G))) + E(p_G, log(ratio(p_G, p + p_G)))

@gan("=", r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log \frac{p_{\mathrm{data}}}{(p_{\mathrm{data}} + p_G) / 2}\right] + \mathbb{E}_{p_G}\left[\log \frac{p_G}{(p_{\mathrm{data}} + p_G) / 2}\right] - \log 4",
     by="take out two factors of one half", covers="gan-value-derivation:2")
def halves(p, p_G): return E(p, log(ratio(p, (p + p_G) / 2))) + E(p_G, log(ratio(p_G, (p + p_G) / 2))) - log(4)

@gan("=", r"\mathrm{KL}(p_{\mathrm{data}} \,\Vert\, \frac{p_{\mathrm{data}} + p_G}{2}) + \mathrm{KL}(p_G \,\Vert\, \frac{p_{\mathrm{data}} + p_G}{2}) - \log 4",
     by="the definition of KL", covers="gan-value-derivation:3")
def two_kl(p, p_G): return KL(p, (p + p_G) / 2) + KL(p_G, (p + p_G) / 2) - log(4)

@gan("=", r"2\,\mathrm{JS}(p_{\mathrm{data}}, p_G) - \log 4", by="the definition of JS", covers="gan-value-derivation:4")
def two_js(p, p_G): return 2 * JS(p, p_G) - log(4)

@gan(">=", r"-\log 4", by="JS is never negative, and 0 only where both laws are one", tight=dict(p="p_G"), gap=lambda p, p_G: 2 * JS(p, p_G),
     covers="gan-global-optimum gan-minimax")
def floor(): return -log(4)

@gan("<=", r"2\,\mathrm{JS}(p_{\mathrm{data}}, p_G) - \log 4", to=value, by="no discriminator does better than D*: away from it the game is not the JS",
     tight=dict(D="D_star"), covers="gan-js-equivalence gan-minimax")
def below(p, p_G): return 2 * JS(p, p_G) - log(4)

@gan(r"D^* - \frac{1}{2}", where=lambda p, p_G: (p + p_G > 0).all())
def off_half(D_star): return D_star - 1 / 2

@gan("=", r"\frac{p_{\mathrm{data}} - p_G}{2 (p_{\mathrm{data}} + p_G)}", by="so D* is one half everywhere just where p_G is p_data, and there V is -log 4",
     where=lambda p, p_G: (p + p_G > 0).all(), covers="gan-global-optimum")
def off_data(p, p_G): return (p - p_G) / (2 * (p + p_G))

@gan("=", r"-\operatorname{criticloss}(x_{1:N}, G(z_{1:N}))", to=value, by="the loss that trains: logits in, a mean over each batch",
     where=lambda D: ((D > 0) & (D < 1)).all())
def trained(D, x, x_G): return -gans.critic_loss(log(D / (1 - D))[x], log(D / (1 - D))[x_G])

@gan(r"-\mathbb{E}_{p_{\mathrm{data}}}\left[\log D(x)\right] - \mathbb{E}_{p_G}\left[\log(1 - D(x))\right]", let=r"\mathcal{L}_D", covers="gan-discriminator-loss")
def loss(p, p_G, D): return -E(p, log(D)) - E(p_G, log(1 - D))

@gan("argmin", r"\frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + p_G}", of=loss, over="D", by="the value with its sign turned: lowest where that is highest",
     covers="gan-discriminator-loss")
def lowest(p, p_G): return ratio(p, p + p_G)

@gan(r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log D(x)\right] + \mathbb{E}_{p_{\mathrm{data}}}\left[\log(1 - D(x))\right]", let="V(G^*, D)")
def at_data(p, D): return E(p, log(D)) + E(p, log(1 - D))

@gan("<=", r"-\log 4", by="D (1 - D) is at most one quarter: against a perfect generator nothing beats a coin",
     gap=lambda p, D: -E(p, log(4 * D * (1 - D))), tight=dict(D=lambda D: 0 * D + 0.5), covers="gan-nash-equilibrium")
def coin(): return -log(4)

@gan("<=", r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log \frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + p_{\mathrm{data}}}\right] + \mathbb{E}_{p_G}\left[\log\left(1 - \frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + p_{\mathrm{data}}}\right)\right]",
     by="and against that coin, tossed where data are, a generator only loses by leaving them: neither side gains by moving alone",
     gap=lambda p, p_G: E(p_G, (p == 0) * log(2)), tight=dict(p_G="p"), covers="gan-nash-equilibrium")
def any_generator(p, p_G): return E(p, log(ratio(p, p + p))) + E(p_G, log(1 - ratio(p, p + p)))

@gan(r"\mathbb{E}_{p_G}\left[\log(1 - D(x))\right]", let=r"\text{what the generator lowers}", covers="gan-generator-loss-saturating")
def saturating(p_G, D): return E(p_G, log(1 - D))

@gan("=", r"\operatorname{saturating}(G(z_{1:N}))", by="the loss that trains", where=lambda D: ((D > 0) & (D < 1)).all())
def saturating_called(D, x_G): return gans.GENERATOR_LOSSES["saturating"](log(D / (1 - D))[x_G])

@gan(r"-\mathbb{E}_{p_G}\left[\log D(x)\right]", let=r"\text{or this}", covers="gan-generator-loss-nonsaturating")
def nonsaturating(p_G, D): return -E(p_G, log(D))

@gan("=", r"\operatorname{nonsaturating}(G(z_{1:N}))", by="the loss that trains", where=lambda D: ((D > 0) & (D < 1)).all())
def nonsaturating_called(D, x_G): return gans.GENERATOR_LOSSES["nonsaturating"](log(D / (1 - D))[x_G])


# ---- where the fakes come from -------------------------------------------------------------------------------------------------------------------------
noise = World("a generator of finite noise",
    X     = size(1, 4),
    Z     = size(1, 4),
    p_z   = tex(r"p(z)",   simplex("Z")),
    G     = tex(r"G(z)",   index("X", "Z")),
    D     = tex(r"D(x)",   unit("X")),
    D_G   = let(r"D(G(z))", lambda D, G: D[G]),
    p_G   = let(r"p_G",    lambda p_z, G, X: sum(p_z * (G == arange(X)[:, None]), 1), covers="gan-pushforward"))

pushed = Derivation("pushed", noise)

@pushed(r"\mathbb{E}_{p(z)}\left[\log(1 - D(G(z)))\right]")
def over_noise(p_z, D_G): return E(p_z, log(1 - D_G))

@pushed("=", r"\mathbb{E}_{p_G}\left[\log(1 - D(x))\right]", by="p_G(x) is the mass of all z that G takes to x: nobody has to know it to draw from it",
        covers="gan-pushforward")
def over_fakes(p_G, D): return E(p_G, log(1 - D))


# ---- how strongly a fake is pulled ---------------------------------------------------------------------------------------------------------------------
one_fake = World("one fake and its logit",
    a = tex("a", real()),
    D = let("D", lambda a: 1 / (1 + exp(-a))))

pull = Derivation("pull", one_fake)

@pull(r"\frac{1}{1 + e^{-a}}", let="D")
def score(a): return 1 / (1 + exp(-a))

@pull("<=", r"1", by="short of it by a positive number", gap=lambda a: 1 / (1 + exp(a)), covers="gan-output-range")
def never_one(): return 1

@pull(">=", r"0", to=score, by="and above it by one: no logit makes D sure of anything", gap=lambda a: exp(a) / (1 + exp(a)), covers="gan-output-range")
def never_zero(): return 0

@pull(r"\nabla_D \log(1 - D)")
def flat(D): return words.D(lambda D: log(1 - D), D)

@pull("=", r"-\frac{1}{1 - D}", by="the derivative", covers="gan-generator-gradient-flat")
def flat_slope(D): return -1 / (1 - D)

@pull("->", r"-1", as_="D", order=1, by="a fake that D sees through: the flat end of the curve", covers="gan-generator-gradient-flat")
def flat_end(): return -1

@pull(r"\nabla_a \log\left(1 - \frac{1}{1 + e^{-a}}\right)")
def saturated(a): return words.D(lambda a: log(1 - 1 / (1 + exp(-a))), a)

@pull("=", r"-D", by="the slope of sigma is sigma (1 - sigma)", covers="gan-generator-gradient-flat")
def saturated_slope(D): return -D

@pull("->", r"0", as_="D", order=1, by="the worse the fake, the weaker the pull", covers="gan-generator-gradient-flat")
def saturated_end(): return 0

@pull("=", r"\operatorname{grad}(\operatorname{saturating})(a)", to=saturated, by="what the loss that trains gives by reverse mode")
def saturated_called(a): return autodiff.grad(gans.GENERATOR_LOSSES["saturating"])(a)

@pull(r"\nabla_D (-\log D)")
def steep(D): return words.D(lambda D: -log(D), D)

@pull("=", r"-\frac{1}{D}", by="the derivative", covers="gan-nonsaturating-gradient-high")
def steep_slope(D): return -1 / D

@pull(r"\nabla_a \left(-\log \frac{1}{1 + e^{-a}}\right)")
def strong(a): return words.D(lambda a: -log(1 / (1 + exp(-a))), a)

@pull("=", r"-(1 - D)", by="as above, for the other branch", covers="gan-nonsaturating-gradient-high")
def strong_slope(D): return -(1 - D)

@pull("->", r"-1", as_="D", order=1, by="the worse the fake, the stronger the pull", covers="gan-nonsaturating-gradient-high")
def strong_end(): return -1

@pull("=", r"\operatorname{grad}(\operatorname{nonsaturating})(a)", to=strong, by="what the loss that trains gives by reverse mode")
def strong_called(a): return autodiff.grad(gans.GENERATOR_LOSSES["nonsaturating"])(a)

@pull("=", r"-D \cdot \frac{1 - D}{D}", to=strong, by="both pull the same way; at D = 1/2 equally, below it the second more", covers="gan-nonsaturating-gradient-high")
def times(D): return -D * ((1 - D) / D)


# ---- where there is nothing to follow ------------------------------------------------------------------------------------------------------------------
apart = World("two laws that nowhere meet", base=two_laws,
    theta = tex(r"\theta",  real("X")),
    P     = let(r"P",       lambda p: concatenate([p, zeros(len(p))])),
    Q     = let(r"Q",       lambda p_G: concatenate([zeros(len(p_G)), p_G])))

lost = Derivation("lost", apart)

@lost(r"\frac{P}{P + Q}", let="D^*")
def perfect(P, Q): return ratio(P, P + Q)

@lost("=", r"1 \text{ on the data, } 0 \text{ on the fakes}", by="one of the two laws is 0 at every point", covers="gan-output-range")
def perfect_score(P): return (P > 0) * 1.0

@lost(r"\mathrm{KL}(P \,\Vert\, \frac{P + Q}{2}) + \mathrm{KL}(Q \,\Vert\, \frac{P + Q}{2}) - \log 4", let="V(G, D^*)")
def saturates(P, Q): return KL(P, (P + Q) / 2) + KL(Q, (P + Q) / 2) - log(4)

@lost("=", r"0", by="each KL is log 2, however far the two are apart")
def zero(): return 0

@lost(r"\nabla_\theta V(G_\theta, D^*) \text{, with } p_G \text{ a softmax of } \theta \text{ on points without data}")
def gradient(theta, p):
    def V(theta):
        P, Q = concatenate([p, 0 * p]), concatenate([0 * theta, exp(theta) / sum(exp(theta))])
        return E(P, log(ratio(P, P + Q))) + E(Q, log(ratio(Q, P + Q)))
    return words.D(V, theta)

@lost("=", r"0 \text{ for every } \theta", by="V does not change while the laws stay apart: no way to go", covers="gan-vanishing-gradient")
def vanishes(X): return zeros(X)

@lost(r"\nabla_\theta\, p_{\mathrm{data}}(\operatorname{argmax} \theta)", let=r"\text{the slope of a reward for one word, the most likely}",
      where=lambda theta: theta.shape[0] == 1 or sort(theta)[-1] - sort(theta)[-2] > 1e-3)
def word(theta, p, X): return stack([(p[argmax(theta + 1e-3 * e)] - p[argmax(theta)]) / 1e-3 for e in eye(X)])

@lost("=", r"0 \text{ for every } \theta", by="a small change of theta leaves the same word on top", covers="gan-discrete-data",
      where=lambda theta: theta.shape[0] == 1 or sort(theta)[-1] - sort(theta)[-2] > 1e-3)
def no_slope(X): return zeros(X)


# ---- a code that can be read back ----------------------------------------------------------------------------------------------------------------------
codes = World("a code c and what is made of it",
    C     = size(1, 4),
    X     = size(1, 4),
    P_c   = tex(r"P(c)",          simplex("C")),
    P_x_c = tex(r"P(x \mid c)",   simplex("C", "X")),
    Q     = tex(r"Q(c \mid x)",   simplex("X", "C")),
    f     = tex(r"f(x, c)",       real("X", "C")),
    P_xc  = let(r"P(x, c)",       lambda P_c, P_x_c: (P_c[:, None] * P_x_c).T),          # [X, C]
    P_x   = let(r"P(x)",          lambda P_xc: sum(P_xc, 1)),                            # [X]
    P_c_x = let(r"P(c \mid x)",   lambda P_xc, P_x: ratio(P_xc, P_x[:, None])))          # [X, C]

info = Derivation("info", codes, where=lambda P_c_x, Q: ((P_c_x == 0) | (Q > 0)).all())

@info(r"\mathbb{E}_{P(x)} \mathbb{E}_{P(c \mid x)}\left[f(x, c)\right]")
def reread(P_x, P_c_x, f): return E(P_x, E(P_c_x, f))

@info("=", r"\mathbb{E}_{P(c)} \mathbb{E}_{P(x \mid c)}\left[f(x, c)\right]", by="one joint law, summed in either order", covers="infogan-resampling-lemma")
def resampled(P_c, P_x_c, f): return E(P_c, E(P_x_c, f.T))

@info(r"\mathbb{E}_{P(x, c)} \log \frac{P(x, c)}{P(x) P(c)}", let="I(c; x)")
def information(P_xc, P_x, P_c): return E(P_xc, log(ratio(P_xc, P_x[:, None] * P_c)), (0, 1))

@info("=", r"\mathrm{H}(P(c)) - \mathbb{E}_{P(x)} \mathrm{H}(P(c \mid x))", by="how much less is left to know of c once x is seen")
def entropies(P_c, P_x, P_c_x): return H(P_c) - E(P_x, H(P_c_x))

@info("=", r"\mathbb{E}_{P(x)} \mathrm{KL}(P(c \mid x) \,\Vert\, Q(c \mid x)) + \mathbb{E}_{P(x)} \mathbb{E}_{P(c \mid x)}\left[\log Q(c \mid x)\right] + \mathrm{H}(P(c))",
      by="multiply and divide by Q, a network that reads the code back")
def divided(P_x, P_c_x, Q, P_c): return E(P_x, KL(P_c_x, Q)) + E(P_x, E(P_c_x, log(Q))) + H(P_c)

@info(">=", r"\mathbb{E}_{P(x)} \mathbb{E}_{P(c \mid x)}\left[\log Q(c \mid x)\right] + \mathrm{H}(P(c))", by="a KL is never negative",
      gap=lambda P_x, P_c_x, Q: E(P_x, KL(P_c_x, Q)), tight=dict(Q="P_c_x"), covers="infogan-mi-bound")
def read_back(P_x, P_c_x, Q, P_c): return E(P_x, E(P_c_x, log(Q))) + H(P_c)

@info("=", r"\mathbb{E}_{P(c)} \mathbb{E}_{P(x \mid c)}\left[\log Q(c \mid x)\right] + \mathrm{H}(P(c))",
      by="the lemma: the code that made x does as well as one drawn anew; H(c) does not depend on G or Q", rests_on=resampled,
      covers="infogan-lower-bound-objective")
def objective(P_c, P_x_c, Q): return E(P_c, E(P_x_c, log(Q.T))) + H(P_c)


# ---- the code in the game ------------------------------------------------------------------------------------------------------------------------------
played = World("a code, and the game besides", base=codes,
    p     = tex(r"p_{\mathrm{data}}",  simplex("X")),
    D     = tex(r"D(x)",               unit("X", closed=True)),
    lam   = tex(r"\lambda",            positive()),
    V     = let(r"V(G, D)",            lambda p, P_x, D: E(p, log(D)) + E(P_x, log(1 - D))),                         # G is P(x | c)
    I     = let(r"I(c; x)",            lambda P_xc, P_x, P_c: E(P_xc, log(ratio(P_xc, P_x[:, None] * P_c)), (0, 1))))

infogan = Derivation("infogan", played, where=lambda P_x, P_c_x, Q: (P_x > 0).all() & ((P_c_x == 0) | (Q > 0)).all())

@infogan(r"V(G, D) - \lambda\, I(c; x)", let=r"\text{what } G \text{ should lower: the information is to be high}")
def wanted(V, lam, I): return V - lam * I

@infogan("<=", r"V(G, D) - \lambda \left(\mathbb{E}_{P(x)} \mathbb{E}_{P(c \mid x)}\left[\log Q(c \mid x)\right] + \mathrm{H}(P(c))\right)", by="the bound in the information's place: what G and Q do lower",
         gap=lambda lam, P_x, P_c_x, Q: lam * E(P_x, KL(P_c_x, Q)), tight=dict(Q="P_c_x"), covers="infogan-goal")
def lowered(V, lam, P_x, P_c_x, Q, P_c): return V - lam * (E(P_x, E(P_c_x, log(Q))) + H(P_c))

@infogan("argmin", r"P(c \mid x)", of=lowered, over="Q", by="the best Q is the posterior: there it is V less lambda times the information", covers="infogan-goal")
def best_reader(P_c_x): return P_c_x

@infogan("argmax", r"\frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + P(x)}", of=lowered, over="D", by="and D plays as before: the second term is none of its", covers="infogan-goal")
def best_player(p, P_x): return ratio(p, p + P_x)
