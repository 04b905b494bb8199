"""The game.   Goodfellow et al. 2014   world: two laws given by counts, so that a batch repeating each point is exact

Freeze the generator. What is the best that a discriminator can do, and what is then left for the generator to lower?
"""
from derivations import Derivation, World, let, tex, size, unit, counts
from derivations.engine.words import E, JS, KL, arange, log, ratio, repeat, sum
from scratch import gans

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

@gan(r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log D(x)\right] + \mathbb{E}_{p_G}\left[\log(1 - D(x))\right]", let="V(G, D)")
def value(p, p_G, D): return E(p, log(D)) + E(p_G, log(1 - D))

@gan("argmax", r"\frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + p_G}", of=value, over="D", by="a log y + b log(1 - y) is highest at a / (a + b)",
     covers="gan-optimal-discriminator")
def best(p, p_G): return ratio(p, p + p_G)

@gan(r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log D^*\right] + \mathbb{E}_{p_G}\left[\log(1 - D^*)\right]", let="V(G, D^*)")
def at_best(p, p_G, D_star): return E(p, log(D_star)) + E(p_G, log(1 - D_star))

@gan("=", r"\mathrm{KL}(p_{\mathrm{data}} \,\Vert\, \frac{p_{\mathrm{data}} + p_G}{2}) + \mathrm{KL}(p_G \,\Vert\, \frac{p_{\mathrm{data}} + p_G}{2}) - \log 4",
     by="put D* in, take out two factors of one half", covers="gan-value-derivation:3")
def two_kl(p, p_G): return KL(p, (p + p_G) / 2) + KL(p_G, (p + p_G) / 2) - log(4)

@gan("=", r"2\,\mathrm{JS}(p_{\mathrm{data}}, p_G) - \log 4", by="the definition of JS", covers="gan-value-derivation:4")
def two_js(p, p_G): return 2 * JS(p, p_G) - log(4)

@gan(">=", r"-\log 4", by="JS is never negative", tight=dict(p="p_G"), gap=lambda p, p_G: 2 * JS(p, p_G), covers="gan-global-optimum")
def floor(): return -log(4)

@gan("!=", r"\mathbb{E}_{p_{\mathrm{data}}}\left[\log\frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + p_G}\right] + \mathbb{E}_{p_{\mathrm{data}}}\left[\log\frac{p_{\mathrm{data}}}{p_{\mathrm{data}} + p_G}\right]",
     slip=8, to=at_best, by="S1 prints the data's law twice")
def printed(p, p_G): return E(p, log(ratio(p, p + p_G))) + E(p, log(ratio(p, p + p_G)))

@gan("=", r"-\operatorname{criticloss}(x_{1:N}, G(z_{1:N}))", to=value, by="the loss that trains: logits in, a mean over each batch",
     where=lambda D: ((D > 0) & (D < 1)).all())
def trained(D, x, x_G): logit = log(D / (1 - D)); return -gans.critic_loss(logit[x], logit[x_G])
