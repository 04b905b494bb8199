"""The evidence lower bound.   Jordan et al. 1999, Kingma and Welling 2014   world: finite x, finite z: all sums are exact

We cannot sum over every z. Take any q that we can sum over, and watch what it costs: one KL, which is never negative.
"""
from derivations import Derivation, World, let, tex, size, simplex
from derivations.engine.words import E, KL, log, ratio, sum
from scratch.autoencoders import latent

one_z = World("finite x, finite z",
    X     = size(1, 4),
    Z     = size(1, 5),
    p_z   = tex(r"p(z)",         simplex("Z")),
    p_x_z = tex(r"p(x \mid z)",  simplex("Z", "X")),
    q     = tex(r"q(z \mid x)",  simplex("X", "Z")),
    p_xz  = let(r"p(x, z)",      lambda p_z, p_x_z: (p_z[:, None] * p_x_z).T),             # [X, Z]
    p_x   = let(r"p(x)",         lambda p_xz: sum(p_xz, 1)),                               # [X]
    p_z_x = let(r"p(z \mid x)",  lambda p_xz, p_x: ratio(p_xz, p_x[:, None])))             # [X, Z]

elbo = Derivation("elbo", one_z, where=lambda q, p_xz: ((q == 0) | (p_xz > 0)).all())      # q puts no mass where p has none

@elbo(r"\log p(x)")
def evidence(p_x): return log(p_x)

@elbo("=", r"\mathbb{E}_{q}\left[\log \frac{p(x, z)}{p(z \mid x)}\right]", by="Bayes' rule, at every z", covers="elbo-bayes-derivation:2")
def bayes(q, p_xz, p_z_x): return E(q, log(ratio(p_xz, p_z_x)))

@elbo("=", r"\mathbb{E}_{q}\left[\log \frac{p(x, z)}{q(z \mid x)}\right] + \mathrm{KL}(q \,\Vert\, p(z \mid x))",
      by="multiply and divide by q", covers="elbo-kl-derivation:5")
def split(q, p_xz, p_z_x): return E(q, log(ratio(p_xz, q))) + KL(q, p_z_x)

@elbo(">=", r"\mathbb{E}_{q}\left[\log \frac{p(x, z)}{q(z \mid x)}\right]", by="a KL is never negative",
      tight=dict(q="p_z_x"), gap=lambda q, p_z_x: KL(q, p_z_x), covers="elbo-lower-bound elbo-gap elbo-tight-at-posterior")
def bound(q, p_xz): return E(q, log(ratio(p_xz, q)))

@elbo("=", r"\mathbb{E}_{q}\left[\log p(x \mid z)\right] - \mathrm{KL}(q \,\Vert\, p(z))", by="p(x,z) = p(x|z) p(z)", covers="elbo-recon-kl")
def reconstruct(q, p_x_z, p_z): return E(q, log(p_x_z.T)) - KL(q, p_z)

@elbo("=", r"\operatorname{elbo}(p(x, z), q)", by="the function that models with finite latents train with")
def called(p_xz, q): return latent.elbo(log(p_xz), q)
