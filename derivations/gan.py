"""The game.   Goodfellow et al. 2014, Mirza and Osindero 2014, Chen et al. 2016, Mao et al. 2017, Arjovsky et al. 2017, Gulrajani et al. 2017, Lim and Ye 2017   worlds: two laws given by counts, so that a batch repeating each point is exact; codes

One network forges data, the generator; another tells forgeries from data, the discriminator. Freeze the first. What is the best
that the second can do, and what is then left for the first to gain?
"""
from derivations import divergences, Derivation, World, let, tex, size, index, unit, real, positive, simplex, counts
from derivations.engine import words
from derivations.engine.words import (E, H, JS, KL, abs, arange, argmax, broadcast_to, concatenate, cumsum, exp, eye, log, max, maximum, minimum, ratio, repeat,
                                      sign, sort, sqrt, stack, sum, zeros)
from scratch import autodiff, gans
from scratch.probability import divergences as between

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


# ---- The best discriminator ----------------------------------------------------------------------------------------------------------------------------
"""
A *generator* $G$ turns noise into samples; call their law $p_G$. A *discriminator* $D$ looks at a point $x$ and says,
from 0 to 1, how sure it is that $x$ came from the data. The *value* $V$ rewards it for being right about both. $D$
wants $V$ high, $G$ wants it low. For now $G$ stands still.
"""

@gan(r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log D(x)\right] + \mathbb{E}_{p_G}\left[\log(1 - D(x))\right]", let="V(G, D)",
     covers="gan-minimax gan-discriminator-step")
def value(p, p_G, D): return E(p, log(D)) + E(p_G, log(1 - D))

@gan("argmax", r"\frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + p_G}", of=value, over="D", by="a log y + b log(1 - y) is highest at a / (a + b)",
     covers="gan-optimal-discriminator gan-discriminator-step")
def best(p, p_G): return ratio(p, p + p_G)

"""
The discriminator was only asked: real or fake? At its best it knows more than that. Its *logit*, the logarithm of its
odds, says how much denser the data lie at $x$ than the fakes.
"""

@gan(r"\log \frac{D^*}{1 - D^*}", let=r"\text{the logit of } D^*")
def logit(D_star): return log(ratio(D_star, 1 - D_star))

@gan("=", r"\log \frac{p_{\mathrm{data}}}{p_G}", by="the sums p + p_G cancel: the best discriminator knows the ratio of the densities",
     where=lambda p, p_G: ((p > 0) & (p_G > 0)).all())
def log_ratio(p, p_G): return log(ratio(p, p_G))


# ---- What is left for the generator --------------------------------------------------------------------------------------------------------------------
"""
Now let the generator move, against a discriminator that is always at its best. Put $D^*$ into the value and simplify.
Nobody asked for a distance between laws, but one comes out: [JS](divergences.js_kl), the mean of two KLs, each from
one of the laws to the mixture of both.
"""

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

"""
All this was at $D^*$. In practice the discriminator is a network, half trained. Then the value lies below that of the
best, and a generator that pushes it down has pushed down a lower bound: that promises nothing.
"""

@gan("<=", r"2\,\mathrm{JS}(p_{\mathrm{data}}, p_G) - \log 4", to=value, by="no discriminator does better than D*: away from it the game is not the JS",
     tight=dict(D="D_star"), covers="gan-js-equivalence gan-minimax")
def below(p, p_G): return 2 * JS(p, p_G) - log(4)


# ---- How strongly a fake is pulled ---------------------------------------------------------------------------------------------------------------------
one_fake = World("one fake and its logit",
    a = tex("a", real()),
    D = let("D", lambda a: 1 / (1 + exp(-a))))

pull = Derivation("pull", one_fake)

r"""
Only the second half of $V$ depends on the generator: the mean of $\log(1 - D)$ over its fakes. At first every fake is
bad, so that $D$ is near 0. Take one fake whose logit is $a$, so $D = 1 / (1 + e^{-a})$. How strongly is $a$ pulled
upwards?
"""

@pull(r"\nabla_a \log\left(1 - \frac{1}{1 + e^{-a}}\right)")
def saturated(a): return words.D(lambda a: log(1 - 1 / (1 + exp(-a))), a)

@pull("=", r"-D", by="the slope of D in a is D (1 - D)", covers="gan-generator-gradient-flat")
def saturated_slope(D): return -D

@pull("->", r"0", as_="D", order=1, by="the worse the fake, the weaker the pull", covers="gan-generator-gradient-flat")
def saturated_end(): return 0

@pull("=", r"\operatorname{grad}(\operatorname{saturating})(a)", to=saturated, by="the loss that trains, and its gradient by reverse mode")
def saturated_called(a): return autodiff.grad(gans.OBJECTIVES["minimax"].generator)(a)

r"""
So the worst fakes learn the least. The way out keeps the players and gives the generator another goal. It no longer
lowers $\log(1 - D)$, the logarithm of being found out, but $-\log D$: it raises the logarithm of being believed.
"""

@pull(r"\nabla_a \left(-\log \frac{1}{1 + e^{-a}}\right)")
def strong(a): return words.D(lambda a: -log(1 / (1 + exp(-a))), a)

@pull("=", r"-(1 - D)", by="the slope of D again, now under -log", covers="gan-nonsaturating-gradient-high")
def strong_slope(D): return -(1 - D)

@pull("->", r"-1", as_="D", order=1, by="the worse the fake, the stronger the pull", covers="gan-nonsaturating-gradient-high")
def strong_end(): return -1

@pull("=", r"\operatorname{grad}(\operatorname{nonsaturating})(a)", to=strong, by="the loss that trains, and its gradient by reverse mode")
def strong_called(a): return autodiff.grad(gans.OBJECTIVES["nonsaturating"].generator)(a)

@pull("=", r"-D \cdot \frac{1 - D}{D}", to=strong, by="both pull the same way; at D = 1/2 equally, below it the second more", covers="gan-nonsaturating-gradient-high")
def times(D): return -D * ((1 - D) / D)


# ---- Where there is nothing to follow ------------------------------------------------------------------------------------------------------------------
apart = World("two laws that nowhere meet", base=two_laws,
    theta = tex(r"\theta",  real("X")),
    P     = let(r"P",       lambda p: concatenate([p, zeros(len(p))])),
    Q     = let(r"Q",       lambda p_G: concatenate([zeros(len(p_G)), p_G])))

lost = Derivation("lost", apart)

"""
Among all arrays of pixels, images are rare. So are fakes, and the two kinds may not share a single point. Let $P$ be
the data's law and $Q$ the generator's, each 0 wherever the other is not. Now the discriminator can be perfect, which
sounds like good news.
"""

@lost(r"\frac{P}{P + Q}", let="D^*")
def perfect(P, Q): return ratio(P, P + Q)

@lost("=", r"1 \text{ on the data, } 0 \text{ on the fakes}", by="one of the two laws is 0 at every point", covers="gan-output-range")
def perfect_score(P): return (P > 0) * 1.0

@lost(r"\mathrm{KL}(P \,\Vert\, \frac{P + Q}{2}) + \mathrm{KL}(Q \,\Vert\, \frac{P + Q}{2}) - \log 4", let="V(G, D^*)")
def saturates(P, Q): return KL(P, (P + Q) / 2) + KL(Q, (P + Q) / 2) - log(4)

@lost("=", r"0", by="each KL is log 2, however far the two are apart")
def zero(): return 0

r"""
The same number in every world. So let the generator move its mass about among its own points, in shares $e^\theta$ over
their sum, while the discriminator stays at its best. Which way should $\theta$ go?
"""

@lost(r"\nabla_\theta V(G_\theta, D^*) \text{, with } p_G \text{ a softmax of } \theta \text{ on points without data}")
def gradient(theta, p):
    def V(theta):
        P, Q = concatenate([p, 0 * p]), concatenate([0 * theta, exp(theta) / sum(exp(theta))])
        return E(P, log(ratio(P, P + Q))) + E(Q, log(ratio(Q, P + Q)))
    return words.D(V, theta)

@lost("=", r"0 \text{ for every } \theta", by="V does not change while the laws stay apart: no way to go", covers="gan-vanishing-gradient")
def vanishes(X): return zeros(X)


# ---- How far the mass has to go ------------------------------------------------------------------------------------------------------------------------
line = World("two laws on the points 0, 1, 2, ... of the line", base=two_laws,
    h     = tex(r"h(x)",               real("X")),                                                                  # any function
    K     = tex(r"K",                  positive()),
    F     = let(r"F",                  lambda p: cumsum(p)),
    F_G   = let(r"F_G",                lambda p_G: cumsum(p_G)),
    slope = let(r"\lVert h \rVert_L",  lambda h: max(concatenate([zeros(1), abs(h[1:] - h[:-1])]))),
    f     = let(r"f(x)",               lambda h, slope: ratio(h, slope)))                                           # its slope is 1 at most

wgan = Derivation("Wasserstein", line)

"""
JS asks whether two laws can be told apart. *Wasserstein's distance* $W_1$ asks how far mass must be carried to turn
one into the other: mass times way, summed. On the points 0, 1, 2, ... that is quickly said. $F$ and $F_G$ are the
laws' running sums; where they differ, the difference is carried on.
"""

@wgan(r"\sum_x \lvert F - F_G \rvert", let=r"W_1(p_{\mathrm{data}}, p_G)")
def way(F, F_G): return sum(abs(F - F_G))

@wgan("=", r"\operatorname{w1line}(x, p_{\mathrm{data}}, p_G)", by="what the plan that keeps the order costs, and no plan costs less", rests_on=divergences.cheapest)
def way_called(X, p, p_G): return between.w1_line(arange(X), p, p_G)

"""
Where is the game? The discriminator becomes a *critic*: $f$ may give any number, but its slope is at most 1, and
$K f$ has the slope $K$ at most. It tries to score data higher than fakes, on the mean.
"""

@wgan(">=", r"\frac{1}{K}\left(\mathbb{E}_{p_{\mathrm{data}}}\left[K f(x)\right] - \mathbb{E}_{p_G}\left[K f(x)\right]\right)", to=way, by="a critic of slope K at most says no more than K times the way",
      tight=dict(h=lambda p, p_G: gans.OBJECTIVES["wasserstein"].best(p, p_G)), where=lambda slope: slope > 0, rests_on=divergences.scaled_dual, covers="wgan-objective")
def critics(K, p, f, p_G): return 1 / K * (E(p, K * f) - E(p_G, K * f))

@wgan("=", r"-\operatorname{criticloss}(f^*(x_{1:N}), f^*(G(z_{1:N})))", to=way, by="the best critic falls at slope 1 where F is above F_G, rises where it is below, and says that much: its loss is -W_1", covers="wgan-objective")
def steepest_called(p, p_G, x, x_G):
    f = gans.OBJECTIVES["wasserstein"].best(p, p_G)
    return -gans.OBJECTIVES["wasserstein"].critic(f[x], f[x_G])

"""
Such a critic may be trained to its best and still slopes towards the data, however far away they are. What the
generator ends up with are samples, and never a density. How do we [judge](evaluation) what has only samples to show?
That is the next page.
"""

@wgan(r"-\mathbb{E}_{p_G}\left[f(x)\right]", let=r"\text{what the generator lowers: the part of the value that it moves}", where=lambda slope: slope > 0)
def fakes_score(p_G, f): return -E(p_G, f)

@wgan("=", r"\operatorname{generatorloss}(f(G(z_{1:N})))", by="the loss that trains", where=lambda slope: slope > 0, covers="wgan-objective")
def wasserstein_generator(f, x_G): return gans.OBJECTIVES["wasserstein"].generator(f[x_G])


# ---- Neither side gains by moving alone ----------------------------------------------------------------------------------------------------------------
"""
A game is over where no player gains by moving alone: a *Nash equilibrium*. What does the best discriminator say
there? Let us see how far it is from tossing a coin.
"""

@gan(r"D^* - \frac{1}{2}", where=lambda p, p_G: (p + p_G > 0).all())
def off_half(D_star): return D_star - 1 / 2

@gan("=", r"\frac{p_{\mathrm{data}} - p_G}{2 (p_{\mathrm{data}} + p_G)}", by="so D* is one half everywhere just where p_G is p_data, and there V is -log 4",
     where=lambda p, p_G: (p + p_G > 0).all(), covers="gan-global-optimum")
def off_data(p, p_G): return (p - p_G) / (2 * (p + p_G))

"""
And now each player tries a move of its own: first the discriminator, against a generator that is perfect; then the
generator, against the coin.
"""

@gan(r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log D(x)\right] + \mathbb{E}_{p_{\mathrm{data}}}\left[\log(1 - D(x))\right]", let="V(G^*, D)")
def at_data(p, D): return E(p, log(D)) + E(p, log(1 - D))

@gan("<=", r"-\log 4", by="D (1 - D) is at most one quarter: against a perfect generator nothing beats a coin",
     gap=lambda p, D: -E(p, log(4 * D * (1 - D))), tight=dict(D=lambda D: 0 * D + 0.5), covers="gan-nash-equilibrium")
def coin(): return -log(4)

@gan("<=", r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log \frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + p_{\mathrm{data}}}\right] + \mathbb{E}_{p_G}\left[\log\left(1 - \frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + p_{\mathrm{data}}}\right)\right]",
     by="and against that coin, tossed where data are, a generator only loses by leaving them: neither side gains by moving alone",
     gap=lambda p, p_G: E(p_G, (p == 0) * log(2)), tight=dict(p_G="p"), covers="gan-nash-equilibrium")
def any_generator(p, p_G): return E(p, log(ratio(p, p + p))) + E(p_G, log(1 - ratio(p, p + p)))


# ---- The losses that train -----------------------------------------------------------------------------------------------------------------------------
"""
Formulas do not train, functions do. On a batch an expectation becomes a mean over samples. The laws of this page are
made of whole counts, so a batch that repeats every point as often as it counts is its law, and each loss has to come
out exactly.
"""

@gan("=", r"-\operatorname{criticloss}(x_{1:N}, G(z_{1:N}))", to=value, by="the loss that trains: logits in, a mean over each batch",
     where=lambda D: ((D > 0) & (D < 1)).all())
def trained(D, x, x_G): return -gans.OBJECTIVES["minimax"].critic(log(D / (1 - D))[x], log(D / (1 - D))[x_G])

@gan("argmax", r"\sigma(\operatorname{logratio}(p_{\mathrm{data}}, p_G))", of=value, over="D", by="the function that is called: the best critic as a logit",
     where=lambda p, p_G: (p + p_G > 0).all())
def best_called(p, p_G): return 1 / (1 + exp(-gans.OBJECTIVES["minimax"].best(p, p_G)))

@gan(r"-\mathbb{E}_{p_{\mathrm{data}}}\left[\log D(x)\right] - \mathbb{E}_{p_G}\left[\log(1 - D(x))\right]", let=r"\mathcal{L}_D", covers="gan-discriminator-loss")
def loss(p, p_G, D): return -E(p, log(D)) - E(p_G, log(1 - D))

@gan("argmin", r"\frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + p_G}", of=loss, over="D", by="the value with its sign turned: lowest where that is highest",
     covers="gan-discriminator-loss")
def lowest(p, p_G): return ratio(p, p + p_G)

"""
The generator has two losses to choose from. [Their slopes](gan.strong_slope) differ most where the fakes are bad.
"""

@gan(r"\mathbb{E}_{p_G}\left[\log(1 - D(x))\right]", let=r"\text{what the generator lowers}", covers="gan-generator-loss-saturating")
def saturating(p_G, D): return E(p_G, log(1 - D))

@gan("=", r"\operatorname{saturating}(G(z_{1:N}))", by="the loss that trains", where=lambda D: ((D > 0) & (D < 1)).all())
def saturating_called(D, x_G): return gans.OBJECTIVES["minimax"].generator(log(D / (1 - D))[x_G])

@gan(r"-\mathbb{E}_{p_G}\left[\log D(x)\right]", let=r"\text{or this}", covers="gan-generator-loss-nonsaturating")
def nonsaturating(p_G, D): return -E(p_G, log(D))

@gan("=", r"\operatorname{nonsaturating}(G(z_{1:N}))", by="the loss that trains", where=lambda D: ((D > 0) & (D < 1)).all())
def nonsaturating_called(D, x_G): return gans.OBJECTIVES["nonsaturating"].generator(log(D / (1 - D))[x_G])


# ---- No score is ever certain --------------------------------------------------------------------------------------------------------------------------
"""
A discriminator ends in a *sigmoid*, $1 / (1 + e^{-a})$: any logit becomes a score. Which scores can it reach? And how
steep are the generator's two losses in the score $D$, before the sigmoid has its say?
"""

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

@pull(r"\nabla_D (-\log D)")
def steep(D): return words.D(lambda D: -log(D), D)

@pull("=", r"-\frac{1}{D}", by="the derivative", covers="gan-nonsaturating-gradient-high")
def steep_slope(D): return -1 / D


# ---- A word has no slope -------------------------------------------------------------------------------------------------------------------------------
r"""
A pixel can be made a little brighter. A word cannot be made a little more like another word: the generator names the
one to which $\theta$ gives most, and a reward is paid for it. How does the reward change with $\theta$?
"""

@lost(r"\nabla_\theta\, p_{\mathrm{data}}(\operatorname{argmax} \theta)", let=r"\text{the slope of a reward for one word, the most likely}",
      where=lambda theta: theta.shape[0] == 1 or sort(theta)[-1] - sort(theta)[-2] > 1e-3)
def word(theta, p, X): return stack([(p[argmax(theta + 1e-3 * e)] - p[argmax(theta)]) / 1e-3 for e in eye(X)])

@lost("=", r"0 \text{ for every } \theta", by="a small change of theta leaves the same word on top", covers="gan-discrete-data",
      where=lambda theta: theta.shape[0] == 1 or sort(theta)[-1] - sort(theta)[-2] > 1e-3)
def no_slope(X): return zeros(X)


# ---- Where the fakes come from -------------------------------------------------------------------------------------------------------------------------
noise = World("a generator of finite noise",
    X     = size(1, 4),
    Z     = size(1, 4),
    p_z   = tex(r"p(z)",   simplex("Z")),
    G     = tex(r"G(z)",   index("X", "Z")),
    D     = tex(r"D(x)",   unit("X")),
    D_G   = let(r"D(G(z))", lambda D, G: D[G]),
    p_G   = let(r"p_G",    lambda p_z, G, X: sum(p_z * (G == arange(X)[:, None]), 1), covers="gan-pushforward"))

pushed = Derivation("pushed", noise)

"""
Nobody writes $p_G$ down. A generator draws noise $z$ and returns $G(z)$; what it makes of the law of $z$ is called
the *pushforward*. The losses average over noise, the theory over fakes. Is that the same?
"""

@pushed(r"\mathbb{E}_{p(z)}\left[\log(1 - D(G(z)))\right]")
def over_noise(p_z, D_G): return E(p_z, log(1 - D_G))

@pushed("=", r"\mathbb{E}_{p_G}\left[\log(1 - D(x))\right]", by="p_G(x) is the mass of all z that G takes to x: nobody has to know it to draw from it",
        covers="gan-pushforward")
def over_fakes(p_G, D): return E(p_G, log(1 - D))


# ---- The game with labels ------------------------------------------------------------------------------------------------------------------------------
labels = World("two laws on X points for each of Y labels",
    X      = size(1, 4),
    Y      = size(1, 3),
    p_y    = tex(r"p(y)",          simplex("Y")),
    p_x_y  = tex(r"p(x \mid y)",   simplex("Y", "X")),
    q_x_y  = tex(r"p_G(x \mid y)", simplex("Y", "X")),
    D      = tex(r"D(x, y)",       unit("Y", "X", closed=True)),
    p_xy   = let(r"p(x, y)",       lambda p_y, p_x_y: p_y[:, None] * p_x_y),
    q_xy   = let(r"p_G(x, y)",     lambda p_y, q_x_y: p_y[:, None] * q_x_y),
    D_star = let(r"D^*",           lambda p_x_y, q_x_y: ratio(p_x_y, p_x_y + q_x_y)))

cgan = Derivation("labels", labels)

"""
We may want a certain digit. So tell both players its label $y$. Does that take a new theory? It is the old game, once
for each label, and an average over the labels.
"""

@cgan(r"\mathbb{E}_{p(y)}\left[\mathbb{E}_{p(x \mid y)}\left[\log D(x, y)\right] + \mathbb{E}_{p_G(x \mid y)}\left[\log(1 - D(x, y))\right]\right]", let="V(G, D)")
def told(p_y, p_x_y, D, q_x_y): return E(p_y, E(p_x_y, log(D)) + E(q_x_y, log(1 - D)))

@cgan("argmax", r"\frac{p(x \mid y)}{p(x \mid y) + p_G(x \mid y)}", of=told, over="D", by="both are told the same y: a game for each label", covers="cgan-objective")
def told_best(p_x_y, q_x_y): return ratio(p_x_y, p_x_y + q_x_y)

@cgan("argmax", r"\sigma(\operatorname{logratio}(p(x, y), p_G(x, y)))", of=told, over="D", by="or one game of pairs: p(y) cancels in the ratio", covers="cgan-objective",
      where=lambda p_xy, q_xy: (p_xy + q_xy > 0).all())
def told_called(p_xy, q_xy): return 1 / (1 + exp(-gans.OBJECTIVES["minimax"].best(p_xy, q_xy)))

@cgan(r"\mathbb{E}_{p(y)}\left[\mathbb{E}_{p(x \mid y)}\left[\log D^*\right] + \mathbb{E}_{p_G(x \mid y)}\left[\log(1 - D^*)\right]\right]", let="V(G, D^*)")
def told_at_best(p_y, p_x_y, D_star, q_x_y): return E(p_y, E(p_x_y, log(D_star)) + E(q_x_y, log(1 - D_star)))

@cgan("=", r"2\,\mathbb{E}_{p(y)}\left[\mathrm{JS}(p(x \mid y), p_G(x \mid y))\right] - \log 4", by="so that every label's law has to be right", covers="cgan-objective")
def told_js(p_y, p_x_y, q_x_y): return 2 * E(p_y, JS(p_x_y, q_x_y)) - log(4)


# ---- Squares in place of logarithms --------------------------------------------------------------------------------------------------------------------
scores = World("two laws, and what a critic says at every point", base=two_laws,
    f      = tex(r"f(x)",  real("X")),
    a      = tex(r"a",     real()),
    b      = tex(r"b",     real()),
    c      = tex(r"c",     real()),
    f_star = let(r"f^*",   lambda p, p_G, a, b: ratio(b * p + a * p_G, p + p_G)))

lsgan = Derivation("least squares", scores)

"""
Real or fake is a question of yes or no. Treat it as a question of how much: the critic gives a number and is fitted
by least squares, to $b$ on data and to $a$ on fakes, while the generator wants to hear $c$. Which critic is best, and
what does it leave to lower?
"""

@lsgan(r"\frac{1}{2}\mathbb{E}_{p_{\mathrm{data}}}\left[(f(x) - b)^2\right] + \frac{1}{2}\mathbb{E}_{p_G}\left[(f(x) - a)^2\right]", let=r"\text{what the critic lowers}", covers="lsgan-objective")
def squares(p, f, b, p_G, a): return 1 / 2 * E(p, (f - b)**2) + 1 / 2 * E(p_G, (f - a)**2)

@lsgan("argmin", r"\frac{b\, p_{\mathrm{data}} + a\, p_G}{p_{\mathrm{data}} + p_G}", of=squares, over="f", by="the mean of the two answers, weighted by who comes there", covers="lsgan-objective")
def squares_best(b, p, a, p_G): return ratio(b * p + a * p_G, p + p_G)

@lsgan(r"\mathbb{E}_{p_{\mathrm{data}}}\left[(f^* - c)^2\right] + \mathbb{E}_{p_G}\left[(f^* - c)^2\right]", let=r"2\,C(G)")
def squares_left(p, f_star, c, p_G): return E(p, (f_star - c)**2) + E(p_G, (f_star - c)**2)

@lsgan("=", r"\sum_x \frac{\left((b - c)(p_{\mathrm{data}} + p_G) - (b - a)\, p_G\right)^2}{p_{\mathrm{data}} + p_G}", by="put the best critic in")
def squares_sum(b, c, p, p_G, a): return sum(ratio(((b - c) * (p + p_G) - (b - a) * p_G)**2, p + p_G))


# ---- Squares, with answers 0 and 1 ---------------------------------------------------------------------------------------------------------------------
"""
The usual choice is 1 for data and 0 for fakes, and the generator wants to hear 1. First the functions that train.
"""

@lsgan(r"\frac{1}{2}\mathbb{E}_{p_{\mathrm{data}}}\left[(f(x) - 1)^2\right] + \frac{1}{2}\mathbb{E}_{p_G}\left[f(x)^2\right]", let=r"\text{with } a = 0 \text{ and } b = 1")
def one_zero(p, f, p_G): return 1 / 2 * E(p, (f - 1)**2) + 1 / 2 * E(p_G, f**2)

@lsgan("=", r"\operatorname{criticloss}(f(x_{1:N}), f(G(z_{1:N})))", by="the loss that trains", covers="lsgan-objective")
def squares_critic(f, x, x_G): return gans.OBJECTIVES["least-squares"].critic(f[x], f[x_G])

@lsgan("argmin", r"\operatorname{best}(p_{\mathrm{data}}, p_G)", of=one_zero, over="f", by="the function that is called", where=lambda p, p_G: (p + p_G > 0).all())
def squares_best_called(p, p_G): return gans.OBJECTIVES["least-squares"].best(p, p_G)

@lsgan(r"\frac{1}{2}\mathbb{E}_{p_G}\left[(f(x) - 1)^2\right]", let=r"\text{what the generator lowers, with } c = 1")
def as_data(p_G, f): return 1 / 2 * E(p_G, (f - 1)**2)

@lsgan("=", r"\operatorname{generatorloss}(f(G(z_{1:N})))", by="the loss that trains", covers="lsgan-objective")
def squares_generator(f, x_G): return gans.OBJECTIVES["least-squares"].generator(f[x_G])

"""
What does this choice leave to a generator whose critic is at its best? Something that is least in the right place,
though the name that is often given to it belongs to [other answers](gan.pearson_sum).
"""

@lsgan(r"\mathbb{E}_{p_{\mathrm{data}}}\left[(D^* - 1)^2\right] + \mathbb{E}_{p_G}\left[(D^* - 1)^2\right]", let=r"2\,C(G)")
def fooled_left(p, D_star, p_G): return E(p, (D_star - 1)**2) + E(p_G, (D_star - 1)**2)

@lsgan("=", r"\sum_x \frac{p_G^2}{p_{\mathrm{data}} + p_G}", by="the best critic of 0 and 1 is the best discriminator")
def fooled_sum(p, p_G): return sum(ratio(p_G**2, p + p_G))

@lsgan(">=", r"\frac{1}{2}", by="Cauchy and Schwarz: the least where both laws are one, but no chi^2, for b - c is 0 and not 1", tight=dict(p="p_G"),
       gap=lambda p, p_G: sum(ratio((p - p_G)**2, p + p_G)) / 4)
def fooled_floor(): return 1 / 2


# ---- Squares that leave a chi-square -------------------------------------------------------------------------------------------------------------------
spread = World("answers with b - c = 1 and b - a = 2", base=two_laws,
    b      = tex(r"b",    real()),
    a      = let(r"a",    lambda b: b - 2),
    c      = let(r"c",    lambda b: b - 1),
    f_star = let(r"f^*",  lambda p, p_G, a, b: ratio(b * p + a * p_G, p + p_G)))

pearson = Derivation("Pearson's chi-square", spread)

"""
Let $b - c = 1$ and $b - a = 2$: say, 1 for data, -1 for fakes, and the generator wants to hear 0. Then what is left
is *Pearson's chi-square*: what is seen less what is expected, squared, over what is expected.
"""

@pearson(r"\mathbb{E}_{p_{\mathrm{data}}}\left[(f^* - c)^2\right] + \mathbb{E}_{p_G}\left[(f^* - c)^2\right]", let=r"2\,C(G)")
def pearson_left(p, f_star, c, p_G): return E(p, (f_star - c)**2) + E(p_G, (f_star - c)**2)

@pearson("=", r"\sum_x \frac{\left(2\, p_G - (p_{\mathrm{data}} + p_G)\right)^2}{p_{\mathrm{data}} + p_G}", by="Pearson's chi^2 between p + p_G, what is expected, and 2 p_G, what is seen",
         rests_on=squares_sum, covers="lsgan-objective")
def pearson_sum(p_G, p): return sum(ratio((2 * p_G - (p + p_G))**2, p + p_G))

@pearson(">=", r"\frac{1}{2}\sum_x \lvert p_{\mathrm{data}} - p_G \rvert \cdot \sum_x \lvert p_{\mathrm{data}} - p_G \rvert", by="Cauchy and Schwarz: 0 only where both laws are one", tight=dict(p="p_G"),
         gap=lambda p, p_G: sum((p + p_G) * (abs(ratio(p - p_G, p + p_G)) - sum(abs(p - p_G)) / 2)**2))
def pearson_floor(p, p_G): return 1 / 2 * sum(abs(p - p_G)) * sum(abs(p - p_G))


# ---- Weights in a box ----------------------------------------------------------------------------------------------------------------------------------
boxed = World("a linear critic, its weights clipped",
    D   = size(1, 4),
    w   = tex(r"w",          real("D")),
    c   = tex(r"c",          positive()),
    x   = tex(r"x",          real("D")),
    y   = tex(r"\tilde x",   real("D")),
    w_c = let(r"w_c",        lambda w, c: maximum(minimum(w, c), -c)))

clipping = Derivation("clipping", boxed)

"""
A critic must not be too steep. How do we forbid that to a network? The first answer was blunt: after each step cut
every weight to at most $c$ in size. A linear critic shows what this buys. It becomes *Lipschitz*: between two points
it changes by no more than $K$ times the way.
"""

@clipping(r"\lvert w_c \rvert")
def sizes(w_c): return abs(w_c)

@clipping("<=", r"c", by="after every step of the critic; what was inside stays", gap=lambda c, w: maximum(c - abs(w), 0), covers="wgan-clipping")
def box(c, w): return broadcast_to(c, w.shape)

@clipping(r"\left\lvert \sum_i w_c (x - \tilde x) \right\rvert", let=r"\lvert f(x) - f(\tilde x) \rvert")
def differs(w_c, x, y): return abs(sum(w_c * (x - y)))

@clipping("<=", r"c \sum_i \lvert x - \tilde x \rvert", by="so every critic is Lipschitz, with a K that nobody has to know", tight=dict(w=lambda c, x, y: -c * sign(x - y)), covers="wgan-clipping")
def lipschitz(c, x, y): return c * sum(abs(x - y))


# ---- A slope of one ------------------------------------------------------------------------------------------------------------------------------------
grids = World("samples of two axes, and a critic",
    N     = size(1, 3),
    A     = size(1, 3),
    B     = size(1, 3),
    x     = tex(r"x",           real("N", "A", "B")),
    y     = tex(r"\tilde x",    real("N", "A", "B")),
    alpha = tex(r"\alpha",      unit("N", closed=True)),
    u     = tex(r"u",           real("A", "B")),
    w     = tex(r"w",           real("A", "B")),
    mix   = let(r"\hat x",      lambda x, y, alpha: alpha[:, None, None] * x + (1 - alpha[:, None, None]) * y))

penalty = Derivation("the gradient's penalty", grids)

r"""
The second answer is softer: let every slope that is not 1 cost something. It is measured at points $\hat x$ between a
sample and a fake. The critic here is a quadratic, so that its slope, $u\, \hat x + w$, can be written down.
"""

@penalty(r"\frac{1}{N} \sum_n \left(\sqrt{\sum_{i, j} (u\, \hat x + w)^2} - 1\right)^2", let=r"\text{of the critic } f(x) = \frac{1}{2} \sum u x^2 + \sum w x")
def slopes(N, u, mix, w): return 1 / N * sum((sqrt(sum((u * mix + w)**2, (1, 2))) - 1)**2)

@penalty("=", r"\operatorname{gradientpenalty}(f, x, \tilde x, \alpha)", by="the function that trains: one alpha a sample, the norm over all of a sample's axes", covers="wgan-gp")
def penalty_called(u, w, x, y, alpha): return gans.gradient_penalty(lambda v: sum(1 / 2 * u * v**2 + w * v, (1, 2)), x, y, alpha)

"""
Now a critic that is linear, $u = 0$, so that its slope is $w$ wherever we ask. What does the penalty do to $w$? To
train with it we need the gradient of something that holds a gradient already.
"""

@penalty(r"\left(\sqrt{\sum_{i, j} w^2} - 1\right)^2", let=r"\text{where } u = 0")
def linear(w): return (sqrt(sum(w**2)) - 1)**2

@penalty("=", r"\operatorname{gradientpenalty}(f, x, \tilde x, \alpha)", by="a linear critic has one slope: the penalty is the same for every alpha, and everywhere", covers="wgan-gp")
def linear_called(w, x, y, alpha): return gans.gradient_penalty(lambda v: sum(w * v, (1, 2)), x, y, alpha)

@penalty(r"\nabla_w \left(\sqrt{\sum_{i, j} w^2} - 1\right)^2", where=lambda w: sum(w**2) > 0)
def pulled(w): return words.D(lambda w: (sqrt(sum(w**2)) - 1)**2, w)

@penalty("=", r"2 \left(\sqrt{\sum_{i, j} w^2} - 1\right) \frac{w}{\sqrt{\sum_{i, j} w^2}}", by="towards the sphere of slope one; at w = 0 every way leads there, and none is taken", where=lambda w: sum(w**2) > 0)
def to_sphere(w): return 2 * (sqrt(sum(w**2)) - 1) * ratio(w, sqrt(sum(w**2)))

@penalty("=", r"\operatorname{grad}_w(\operatorname{gradientpenalty}(f, x, \tilde x, \alpha))", by="what trains the critic: the gradient of a gradient, by reverse mode twice", covers="wgan-gp")
def pulled_called(w, x, y, alpha): return autodiff.grad(lambda w: gans.gradient_penalty(lambda v: sum(w * v, (1, 2)), x, y, alpha))(w)


# ---- A critic with a margin ----------------------------------------------------------------------------------------------------------------------------
hinge = Derivation("the hinge", scores)

"""
The *hinge* is content sooner. Data that score above 1 cost nothing, nor do fakes below -1; between them the cost is a
straight line. What does the best critic say now?
"""

@hinge(r"\mathbb{E}_{p_{\mathrm{data}}}\left[\max(1 - f(x), 0)\right] + \mathbb{E}_{p_G}\left[\max(1 + f(x), 0)\right]", let=r"\text{what the critic lowers}")
def margins(p, f, p_G): return E(p, maximum(1 - f, 0)) + E(p_G, maximum(1 + f, 0))

@hinge("=", r"\operatorname{criticloss}(f(x_{1:N}), f(G(z_{1:N})))", by="the loss that trains")
def margins_called(f, x, x_G): return gans.OBJECTIVES["hinge"].critic(f[x], f[x_G])

@hinge("argmin", r"\operatorname{sign}(p_{\mathrm{data}} - p_G)", of=margins, over="f", by="linear between the margins, where the larger mass decides; beyond them nothing is won")
def margins_best(p, p_G): return gans.OBJECTIVES["hinge"].best(p, p_G)

r"""
And what is left at its best? Half of $\sum_x \lvert p_{\mathrm{data}} - p_G \rvert$ is called the *total variation*:
how much mass would have to be moved, no matter how far.
"""

@hinge(r"\mathbb{E}_{p_{\mathrm{data}}}\left[1 - \operatorname{sign}(p_{\mathrm{data}} - p_G)\right] + \mathbb{E}_{p_G}\left[1 + \operatorname{sign}(p_{\mathrm{data}} - p_G)\right]", let=r"\text{its loss at the best}")
def margins_left(p, p_G): return E(p, 1 - sign(p - p_G)) + E(p_G, 1 + sign(p - p_G))

@hinge("=", r"2 \sum_x \min(p_{\mathrm{data}}, p_G)", by="it pays twice for the smaller mass")
def overlap(p, p_G): return 2 * sum(minimum(p, p_G))

@hinge("=", r"2 - \sum_x \lvert p_{\mathrm{data}} - p_G \rvert", by="two less twice the total variation")
def variation(p, p_G): return 2 - sum(abs(p - p_G))

@hinge("<=", r"2", by="the most that the generator can make of it, with both laws one", gap=lambda p, p_G: sum(abs(p - p_G)), tight=dict(p="p_G"))
def no_margin(): return 2

@hinge(r"-\mathbb{E}_{p_G}\left[f(x)\right]", let=r"\text{what the generator lowers}")
def unbounded(p_G, f): return -E(p_G, f)

@hinge("=", r"\operatorname{generatorloss}(f(G(z_{1:N})))", by="the loss that trains: no margin here")
def hinge_generator(f, x_G): return gans.OBJECTIVES["hinge"].generator(f[x_G])

@hinge(r"\mathbb{E}_{p_{\mathrm{data}}}\left[\operatorname{sign}(p_{\mathrm{data}} - p_G)\right] - \mathbb{E}_{p_G}\left[\operatorname{sign}(p_{\mathrm{data}} - p_G)\right]", let=r"\text{at the best critic, with a term that the generator does not move}")
def gap_best(p, p_G): return E(p, sign(p - p_G)) - E(p_G, sign(p - p_G))

@hinge("=", r"\sum_x \lvert p_{\mathrm{data}} - p_G \rvert", by="the generator's game is twice the total variation")
def gap_variation(p, p_G): return sum(abs(p - p_G))


# ---- A code that can be read back ----------------------------------------------------------------------------------------------------------------------
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

"""
*InfoGAN* feeds its generator a code $c$, and wants the sample $x$ to show it. How much $x$ tells about $c$ is their
*mutual information* $I(c; x)$. Its formula needs the posterior of the code, which nobody has. First a lemma about
drawing codes, for later.
"""

@info(r"\mathbb{E}_{P(x)} \mathbb{E}_{P(c \mid x)}\left[f(x, c)\right]")
def reread(P_x, P_c_x, f): return E(P_x, E(P_c_x, f))

@info("=", r"\mathbb{E}_{P(c)} \mathbb{E}_{P(x \mid c)}\left[f(x, c)\right]", by="one joint law, summed in either order", covers="infogan-resampling-lemma")
def resampled(P_c, P_x_c, f): return E(P_c, E(P_x_c, f.T))

r"""
Now the information. What is unknown is $P(c \mid x)$; a network $Q$ may guess it. What the guess costs is a KL, and
dropping it leaves a bound: the step is that of the [ELBO](elbo.split).
"""

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


# ---- The code in the game ------------------------------------------------------------------------------------------------------------------------------
played = World("a code, and the game besides", base=codes,
    p     = tex(r"p_{\mathrm{data}}",  simplex("X")),
    D     = tex(r"D(x)",               unit("X", closed=True)),
    lam   = tex(r"\lambda",            positive()),
    V     = let(r"V(G, D)",            lambda p, P_x, D: E(p, log(D)) + E(P_x, log(1 - D))),                         # G is P(x | c)
    I     = let(r"I(c; x)",            lambda P_xc, P_x, P_c: E(P_xc, log(ratio(P_xc, P_x[:, None] * P_c)), (0, 1))))

infogan = Derivation("infogan", played, where=lambda P_x, P_c_x, Q: (P_x > 0).all() & ((P_c_x == 0) | (Q > 0)).all())

r"""
Put both together. The generator lowers the value of the game and raises the information, which weighs $\lambda$; the
bound stands in for the information. Does the new term disturb the discriminator?
"""

@infogan(r"V(G, D) - \lambda\, I(c; x)", let=r"\text{what } G \text{ should lower: the information is to be high}")
def wanted(V, lam, I): return V - lam * I

@infogan("<=", r"V(G, D) - \lambda \left(\mathbb{E}_{P(x)} \mathbb{E}_{P(c \mid x)}\left[\log Q(c \mid x)\right] + \mathrm{H}(P(c))\right)", by="the bound in the information's place: what G and Q do lower",
         gap=lambda lam, P_x, P_c_x, Q: lam * E(P_x, KL(P_c_x, Q)), tight=dict(Q="P_c_x"), covers="infogan-goal")
def lowered(V, lam, P_x, P_c_x, Q, P_c): return V - lam * (E(P_x, E(P_c_x, log(Q))) + H(P_c))

@infogan("argmin", r"P(c \mid x)", of=lowered, over="Q", by="the best Q is the posterior: there it is V less lambda times the information", covers="infogan-goal")
def best_reader(P_c_x): return P_c_x

@infogan("argmax", r"\frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + P(x)}", of=lowered, over="D", by="and D plays as before: the second term is none of its", covers="infogan-goal")
def best_player(p, P_x): return ratio(p, p + P_x)
