r"""Codes.   van den Oord et al. 2017, Razavi et al. 2019, Bengio et al. 2013   worlds: a few codes and points, so that nothing is sampled; images of two pixels; tables

Words are few, and still one can describe a picture with them. Let an encoder say one of a few codes, and nothing between.
But a choice has no slope. How can an encoder learn by gradients to choose, and where do the codes come from?
"""
from derivations import Derivation, World, counts, index, let, positive, real, simplex, size, tex, unit
from derivations.engine.words import D, E, H, KL, arange, array, broadcast_to, cumprod, einsum, exp, log, max, maximum, min, ones, ratio, stack, sum, where
from scratch.autodiff import grad, jacobian, stop_gradient, straight_through
from scratch.autoencoders import latent, vq
from scratch.autoregressive import chain
from scratch.mixtures import em


def first(d):
    """The index of the least along the last axis, the first one at a tie: so many stand before it."""
    return sum(cumprod(1.0 * (d > min(d, -1, keepdims=True)), -1), -1).astype(int)


def apart(z, e):
    """Is one code nearer than all others? Where two are equally near, a rounding would choose."""
    d = sum((z[..., None, :] - e)**2, -1)
    return (sum(d < min(d, -1, keepdims=True) + 1e-9, -1) == 1).all()


def hot(k, K):
    """1 at k, 0 elsewhere."""
    return 1.0 * (arange(K) == k[..., None])


# ---- The nearest of K codes ------------------------------------------------------------------------------------------
answer = World("an encoder's answer and K codes",
    K     = size(1, 4),
    D     = size(1, 3),
    e     = tex(r"e",                real("K", "D"), covers="vq-codebook"),
    z     = tex(r"z_e",              real("D")),
    r     = tex(r"r(k)",             simplex("K")),
    d     = let(r"d_k",              lambda z, e: sum((z - e)**2, -1)),
    k     = let(r"k^*",              lambda d: first(d)),
    q     = let(r"q(k \mid x)",      lambda k, K: hot(k, K), covers="vq-posterior"),
    e_k   = let(r"e_k",              lambda q, e: q @ e))

nearest = Derivation("the nearest code", answer)

r"""
The *codebook* $e$ is a table: $K$ codes, each a row of $D$ numbers. The encoder answers with any vector $z_e$. We want
to replace it by a row. Which one? Measure the way to all of them.
"""

@nearest(r"d_k", let=r"\text{the squared distances from } z_e \text{ to all codes}")
def distances(d): return d

@nearest("=", r"\sum \left(z_e - e\right)^2", by="a sum over the D numbers, of every row", covers="vq-codebook")
def squares(z, e): return sum((z - e)**2, -1)

r"""
Suppose the code was drawn from some law $r(k)$. What would the answer lose on average, and which law loses least?
"""

@nearest(r"\mathbb{E}_{r(k)}\left[d_k\right]", let=r"\text{what is lost, squared}")
def lost(r, d): return E(r, d)

@nearest("=", r"\min_k d_k + \sum_k r(k) \left(d_k - \min_k d_k\right)", by="r sums to 1, so the least distance can be taken out: it is lost in any case, and nothing else is negative")
def lost_anyway(d, r): return min(d) + sum(r * (d - min(d)))

@nearest("argmin", r"q(k \mid x)", of=lost, over="r", by="all of its mass on the nearest code: a law without chance", covers="vq-posterior")
def one_hot(q): return q

@nearest(r"k^*", let=r"\text{the index of the nearest}")
def chosen(k): return k

@nearest("=", r"\operatorname{assign}(z_e, e)", where=lambda z, e: apart(z, e), by="the function that encodes, of one answer or of many")
def nearest_called(z, e): return vq.assign(z, e)

@nearest(r"0\, e", let=r"\text{what is lost where the codes are the points themselves}")
def nothing_lost(e): return 0 * e

@nearest("=", r"e - e_{\operatorname{assign}(e, e)}", by="as many codes as points, and nothing is lost", covers="vq-reconstruction-loss")
def lossless(e): return e - e[vq.assign(e, e)]

# ---- A VAE whose code costs log K ------------------------------------------------------------------------------------
tables = World("images, codes, and what a decoder says of them",
    X     = size(1, 4),
    K     = size(1, 4),
    p_x_k = tex(r"p(x \mid k)",      simplex("K", "X")),
    k_x   = tex(r"k(x)",             index("K", "X")),
    p_k   = let(r"p(k)",             lambda K: ones(K) / K, covers="vq-uniform-prior"),
    q     = let(r"q(k \mid x)",      lambda k_x, K: hot(k_x, K)),
    p_xk  = let(r"p(x, k)",          lambda p_x_k, p_k: p_x_k.T * p_k),                     # [X, K]
    p_x   = let(r"p(x)",             lambda p_xk: sum(p_xk, 1)),
    p_k_x = let(r"p(k \mid x)",      lambda p_xk, p_x: ratio(p_xk, p_x[:, None])),
    p_z   = let(r"p(x \mid z_q)",    lambda p_x_k, q: sum(q * p_x_k.T, 1)))

finite = Derivation("a VAE with finitely many codes", tables)

r"""
So the encoder is a law $q(k \mid x)$ after all, one that knows no doubt. Then [the bound of the VAE](elbo.reconstruct)
holds for it too. Before training every code is as good as any other: the prior is $\frac{1}{K}$. What does a code cost?
"""

@finite(r"\mathrm{KL}(q(k \mid x) \,\Vert\, p(k))", let=r"\text{what it costs to say a code}")
def cost(q, p_k): return KL(q, p_k)

@finite("=", r"\mathbb{E}_{q(k \mid x)}\left[\log \frac{q(k \mid x)}{p(k)}\right]", by="the definition", covers="vq-kl-log-k")
def cost_sum(q, p_k): return E(q, log(ratio(q, p_k)))

@finite("=", r"\log K", by="one term is left, log 1 less log 1/K, whatever x is", covers="vq-kl-log-k vq-uniform-prior")
def cost_constant(K, X): return broadcast_to(log(array(K)), (X,))

"""
A constant: nothing that training could lower, so it is not in the loss. In a VAE the same term is what keeps codes
near the prior. Here the finite table does that.
"""

@finite(r"\mathbb{E}_{q(k \mid x)}\left[\log \frac{p(x, k)}{q(k \mid x)}\right]", let=r"\text{the bound}")
def bound(q, p_xk): return E(q, log(ratio(p_xk, q)))

@finite("=", r"\log p(x \mid z_q) - \log K", by="of the expectation one code is left, of the KL its constant", covers="vq-kl-log-k")
def bound_parts(p_z, K): return log(p_z) - log(K)

@finite("=", r"\operatorname{elbo}(\log p(x, k), q(k \mid x))", by="the function for latents with finitely many values knows no better")
def bound_called(p_xk, q): return latent.elbo(log(p_xk), q)

@finite("= + const", r"\log p(x \mid z_q)", vary="p_x_k", to=bound, by="so the first term of the loss is minus this, and log K is added when the model is judged", covers="vq-reconstruction-loss alg-vq-two-stage:1")
def bound_trained(p_z): return log(p_z)

@finite("<=", r"\log p(x)", to=bound, where=lambda p_x_k: (p_x_k > 0).all(), gap=lambda q, p_k_x: KL(q, p_k_x), by="a bound it is: other codes could have made x too")
def bound_evidence(p_x): return log(p_x)

# ---- A choice has no slope -------------------------------------------------------------------------------------------
border = World("an answer that walks from one code to another",
    D     = size(1, 3),
    e_1   = tex(r"e_1",              real("D")),
    e_2   = tex(r"e_2",              real("D")),
    z     = tex(r"z_e",              real("D")),
    t     = tex(r"t",                positive()),
    e     = let(r"e",                lambda e_1, e_2: stack([e_1, e_2])),
    s     = let(r"s",                lambda t: 1.0 * (t < 1)),                              # 1 before the border, then 0
    d     = let(r"d_k",              lambda z, e: sum((z - e)**2, -1)),
    lead  = let(r"h",                lambda d, e_1, e_2: (d[1] - d[0]) / (2 * sum((e_2 - e_1)**2))))

walk = Derivation("from cell to cell", border, where=lambda d, t: (d[0] < d[1]) & (t != 1))

r"""
All points nearest to one code are its *cell*. Start in the cell of $e_1$ and walk the way from $e_1$ to $e_2$: after the length
$h \lVert e_2 - e_1 \rVert$, where $h$ is the lead $d_2 - d_1$ over twice the square of the way between the codes, the border
is reached. What is said on the way, where $s$ is 1 while $t < 1$?
"""

@walk(r"\sum \left(z_e + h \left(e_2 - e_1\right) - e_1\right)^2", let=r"\text{there, how far it is to } e_1")
def to_first(z, lead, e_2, e_1): return sum((z + lead * (e_2 - e_1) - e_1)**2)

@walk("=", r"\sum \left(z_e + h \left(e_2 - e_1\right) - e_2\right)^2", by="as far as to the other: every h that is walked makes up twice the square of the way between them")
def to_second(z, lead, e_2, e_1): return sum((z + lead * (e_2 - e_1) - e_2)**2)

@walk(r"s e_1 + \left(1 - s\right) e_2", let=r"\text{the code after } t \text{ times that way}")
def cells(s, e_1, e_2): return s * e_1 + (1 - s) * e_2

@walk("=", r"e_{\operatorname{assign}\left(z_e + t h (e_2 - e_1), e\right)}", by="the same code all through its cell, another behind the border")
def cells_called(e, z, t, lead, e_1, e_2): return e[vq.assign(z + t * lead * (e_2 - e_1), e)]

"""
A staircase. Its slope is 0 wherever it has one, and an encoder that is told 0 learns nothing.
"""

@walk(r"0\, z_e")
def flat(z): return 0 * z

@walk("=", r"\nabla_{z_e} \sum_d (e_2 - e_1)\, e_{\operatorname{assign}(z_e, e)}", by="what the tape says of a row that was looked up", tol=(0, "no rounding can make it anything else"))
def flat_called(z, e, e_1, e_2): return grad(lambda z: sum((e_2 - e_1) * e[vq.assign(z, e)]))(z)

# ---- Straight through ------------------------------------------------------------------------------------------------
def quantised(z, e):
    """z_q: the nearest code in value, the answer in slope."""
    return straight_through(e[vq.assign(z, e)], z)


passed = World("an answer, K codes and a decoder", base=answer,
    M     = size(1, 2),
    x     = tex(r"x",                real("M")),
    W     = tex(r"W",                real("D", "M")),
    beta  = tex(r"\beta",            positive()))

through = Derivation("straight through", passed, where=lambda z, e: apart(z, e))

r"""
The code [does not feel](codes.flat_called) a small change of the answer. So we cheat, in the open. *Stop-gradient*, sg,
lets a value through and no slope.
"""

@through(r"\left(z_e,\ \nabla_{z_e} 0\, z_e\right)", let=r"\text{a value without a slope}")
def held(z): return z, D(lambda z: 0 * z, z)

@through("=", r"\left(\operatorname{sg}[z_e],\ \nabla_{z_e} \operatorname{sg}[z_e]\right)", by="the tape forgets where it came from", covers="vq-stop-gradient")
def held_called(z): return stop_gradient(z), jacobian(stop_gradient)(z)

"""
With it one writes a value that has the slope of another: the code in value, the answer in slope. This is the
*straight-through* estimate.
"""

@through(r"\left(e_k,\ \nabla_{z_e} z_e\right)", let=r"\text{the value of one, the slope of another}", covers="vq-straight-through")
def wanted(e_k, z): return e_k, D(lambda z: z, z)

@through("=", r"\left(z_e + \operatorname{sg}[e_k - z_e],\ \nabla_{z_e} \left(z_e + \operatorname{sg}[e_k - z_e]\right)\right)", by="in value the two answers cancel; in slope only the first counts", covers="vq-straight-through")
def patched(z, e_k): return z + stop_gradient(e_k - z), jacobian(lambda z: z + stop_gradient(e_k - z))(z)

@through("=", r"\left(\operatorname{straightthrough}(e_k, z_e),\ \nabla_{z_e} \operatorname{straightthrough}(e_k, z_e)\right)", by="the function: the same to the last bit, for nothing is taken away and added", tol=(0, "no rounding"), to=wanted)
def patched_called(z, e): return quantised(z, e), jacobian(lambda z: quantised(z, e))(z)

r"""
What does a decoder, here the matrix $W$ and a squared error, send back? Its wish for $z_q$ is handed to $z_e$ as if it
were the same vector. It is the wish at the code, not at the answer: the nearer they are, the less that matters.
"""

@through(r"\nabla_{e_k} \frac{\sum \left(x - e_k W\right)^2}{2}", let=r"\text{what the decoder wants of } z_q")
def wish(e_k, x, W): return D(lambda e_k: sum((x - e_k @ W)**2) / 2, e_k)

@through("=", r"\nabla_{z_e} \frac{\sum \left(x - z_q W\right)^2}{2}", by="it arrives at the encoder as it left the decoder", covers="vq-straight-through")
def wish_called(z, e, x, W): return grad(lambda z: sum((x - quantised(z, e) @ W)**2) / 2)(z)

@through(r"0\, e")
def unmoved(e): return 0 * e

@through("=", r"\nabla_{e} \frac{\sum \left(x - z_q W\right)^2}{2}", by="and the codes hear nothing at all of the image", tol=(0, "exactly nothing"))
def unmoved_called(z, e, x, W): return grad(lambda e: sum((x - quantised(z, e) @ W)**2) / 2)(e)

# ---- Two losses, two ways --------------------------------------------------------------------------------------------
r"""
So the codes need a loss of their own. Twice the same square: once with the answer held, and the code comes; once with the
code held, and the answer comes.
"""

@through(r"\left(\sum \left(z_e - e_k\right)^2,\ \sum \left(z_e - e_k\right)^2\right)", let=r"\text{how far the answer is from its code, twice}")
def square(z, e_k): return sum((z - e_k)**2), sum((z - e_k)**2)

@through("=", r"\left(\operatorname{codebookloss}(z_e, e_k),\ \operatorname{commitmentloss}(z_e, e_k)\right)", by="the squares of sg[z_e] - e_k and of z_e - sg[e_k]: sg changes no value", covers="vq-codebook-loss vq-commitment-loss")
def square_called(z, e_k): return vq.codebook_loss(z[None], e_k[None])[0], vq.commitment_loss(z[None], e_k[None])[0]

@through(r"\left(0\, z_e,\ 2 \left(e_k - z_e\right)\right)", let=r"\text{the slopes of the first in } z_e \text{ and } e_k")
def codebook_slopes(z, e_k): return 0 * z, 2 * (e_k - z)

@through("=", r"\left(\nabla_{z_e} \operatorname{codebookloss},\ \nabla_{e_k} \operatorname{codebookloss}\right)", by="the code moves to the answer", covers="vq-codebook-loss")
def codebook_called(z, e_k): return grad(lambda z: sum(vq.codebook_loss(z[None], e_k[None])))(z), grad(lambda e_k: sum(vq.codebook_loss(z[None], e_k[None])))(e_k)

@through(r"\left(2 \left(z_e - e_k\right),\ 0\, e_k\right)", let=r"\text{the slopes of the second in } z_e \text{ and } e_k")
def commitment_slopes(z, e_k): return 2 * (z - e_k), 0 * e_k

@through("=", r"\left(\nabla_{z_e} \operatorname{commitmentloss},\ \nabla_{e_k} \operatorname{commitmentloss}\right)", by="the answer moves to the code: it commits itself", covers="vq-commitment-loss")
def commitment_called(z, e_k): return grad(lambda z: sum(vq.commitment_loss(z[None], e_k[None])))(z), grad(lambda e_k: sum(vq.commitment_loss(z[None], e_k[None])))(e_k)

r"""
Both want the code itself, not the patched $z_q$, whose slope is the answer's. With $z_q$ in the first loss nothing shows in
its value, but the answer is pushed away from its code, and the code stands still.

And the law of codes? Where every value is one of $K$, there is [an exact road](autoregressive).
"""

@through(r"\left(2 \left(e_k - z_e\right),\ 0\, e\right)", let=r"\text{the slopes in } z_e \text{ and } e \text{, with } z_q \text{ for } e_k")
def astray(e_k, z, e): return 2 * (e_k - z), 0 * e

@through("=", r"\left(\nabla_{z_e} \sum \left(\operatorname{sg}[z_e] - z_q\right)^2,\ \nabla_{e} \sum \left(\operatorname{sg}[z_e] - z_q\right)^2\right)", by="downhill is away from the code: losses first, then the patch")
def astray_called(z, e): return grad(lambda z: sum((stop_gradient(z) - quantised(z, e))**2))(z), grad(lambda e: sum((z - quantised(z, e))**2))(e)

# ---- The whole loss --------------------------------------------------------------------------------------------------
def encode(x, A):
    """The answers [B, n, D] of a linear encoder."""
    return einsum("bm,nmd->bnd", x, A)


def decode(z, C):
    """The images [B, M] of a linear decoder."""
    return einsum("bnd,ndm->bm", z, C)


def log_prob(x, x_hat):
    """A normal law of variance 1, without its constant, in nats [B]."""
    return -sum((x - x_hat)**2, 1) / 2


def loss(x, A, e, C, beta):
    """The loss of a batch, by the terms that train."""
    log_p, codebook, commitment, *_ = vq.terms(x, lambda x: encode(x, A), lambda z: (decode(z, C),), e, log_prob)
    return sum(-log_p + codebook + beta * commitment)


batch = World("images of M pixels, each said in n codes",
    B     = size(1, 2),
    n     = size(1, 2),
    K     = size(1, 3),
    D     = size(1, 2),
    M     = size(1, 2),
    x     = tex(r"x",                real("B", "M")),
    A     = tex(r"A",                real("n", "M", "D")),
    e     = tex(r"e",                real("K", "D")),
    C     = tex(r"C",                real("n", "D", "M")),
    beta  = tex(r"\beta",            positive()),
    p_i   = tex(r"p_i(k)",           simplex("n", "K")),
    z     = let(r"z_e",              lambda x, A: encode(x, A)),
    k     = let(r"k",                lambda z, e: first(sum((z[:, :, None] - e)**2, -1))),
    q     = let(r"q(k \mid x)",      lambda k, K: hot(k, K)),
    e_k   = let(r"e_k",              lambda e, q: einsum("bnk,kd->bnd", q, e)),
    x_hat = let(r"\hat x",           lambda e_k, C: decode(e_k, C)),
    up    = let(r"\nabla_{z_q}",     lambda x_hat, x, C: einsum("bm,ndm->bnd", x_hat - x, C)))     # what the decoder sends back

whole = Derivation("the loss", batch, where=lambda z, e: apart(z, e))

r"""
An image is said in several codes, one for each place of a small grid. Encoder $A$ and decoder $C$ are linear here; the
log-likelihood is minus half the squared error. The loss adds three terms, and there are three things to learn. Who learns
from what?
"""

@whole(r"-\frac{\sum (x - \hat x)^2}{2},\ \sum \left(z_e - e_k\right)^2,\ \sum \left(z_e - e_k\right)^2,\ z_e,\ k", let=r"\text{the terms of every image, the answers and the codes}")
def parts(x, x_hat, z, e_k, k): return -sum((x - x_hat)**2, 1) / 2, sum((z - e_k)**2, (1, 2)), sum((z - e_k)**2, (1, 2)), z, k

@whole("=", r"\operatorname{terms}(x, A, C, e)", by="sums over places and numbers, no means: the terms of a bound")
def terms_called(x, A, C, e): return vq.terms(x, lambda x: encode(x, A), lambda z: (decode(z, C),), e, log_prob)

@whole(r"\sum \left(\frac{(x - \hat x)^2}{2}\right) + \sum \left(z_e - e_k\right)^2 + \beta \sum \left(z_e - e_k\right)^2", let=r"L", covers="vq-loss")
def total(x, x_hat, z, e_k, beta): return sum((x - x_hat)**2 / 2) + sum((z - e_k)**2) + beta * sum((z - e_k)**2)

@whole("=", r"-\sum \log p(x \mid z_q) + \operatorname{codebookloss} + \beta \operatorname{commitmentloss}", by="minus before the likelihood, and beta before the second square", covers="vq-loss vq-reconstruction-loss")
def total_called(x, A, e, C, beta): return loss(x, A, e, C, beta)

@whole(r"\sum x \left(\nabla_{z_q} + 2 \beta \left(z_e - e_k\right)\right)", let=r"\text{what the encoder should hear}")
def encoder_hears(x, up, beta, z, e_k): return einsum("bm,bnd->nmd", x, up + 2 * beta * (z - e_k))

@whole("=", r"\nabla_A L \text{, by the tape}", by="from the first term, straight through, and from the third; nothing from the second", covers="vq-loss vq-commitment-loss")
def encoder_called(A, x, e, C, beta): return grad(lambda A: loss(x, A, e, C, beta))(A)

@whole(r"\sum q(k \mid x)\, 2 \left(e_k - z_e\right)", let=r"\text{what the codes should hear}")
def codes_hear(q, e_k, z): return einsum("bnk,bnd->kd", q, 2 * (e_k - z))

@whole("=", r"\nabla_e L \text{, by the tape}", by="from the second term alone; a code that nobody said hears nothing", covers="vq-loss vq-codebook-loss")
def codebook_learns(e, x, A, C, beta): return grad(lambda e: loss(x, A, e, C, beta))(e)

@whole(r"\nabla_C \sum \frac{\left(x - \sum e_k C\right)^2}{2}", let=r"\text{what the decoder should hear}")
def decoder_hears(C, x, e_k): return D(lambda C: sum((x - einsum("bnd,ndm->bm", e_k, C))**2 / 2), C)

@whole("=", r"\nabla_C L \text{, by the tape}", by="from the first term alone, as if the codes had always been there", covers="vq-loss")
def decoder_called(C, x, A, e, beta): return grad(lambda C: loss(x, A, e, C, beta))(C)

# ---- What an image's codes cost --------------------------------------------------------------------------------------
r"""
To judge the model, each image pays for its codes. With the uniform prior that is $\log K$ a place. A prior may also know
how often each code is said at each place $i$, $p_i(k)$.
"""

@whole(r"\sum_i \mathbb{E}_{q(k \mid x)}\left[\log p_i(k)\right]")
def priced(q, p_i): return sum(E(q, log(p_i)), 1)

@whole("=", r"\operatorname{logprior}(k, \log p_i(k))", by="one entry of every table")
def prior_called(k, p_i): return vq.log_prior(k, log(p_i))

# ---- A codebook of averages ------------------------------------------------------------------------------------------
points = World("answers and whose they are",
    N     = size(1, 5),
    K     = size(1, 3),
    D     = size(1, 2),
    z     = tex(r"z_n",              real("N", "D")),
    k     = tex(r"k_n",              index("K", "N")),
    e     = tex(r"e_k",              real("K", "D")),
    N_bar = tex(r"N_k",              positive("K")),
    m_bar = tex(r"m_k",              real("K", "D")),
    gamma = tex(r"\gamma",           unit()),
    s     = tex(r"s",                positive()),
    r     = let(r"r_{nk}",           lambda k, K: hot(k, K)),
    n_k   = let(r"n_k",              lambda r: sum(r, 0)),
    m     = let(r"\sum_n r_{nk} z_n", lambda r, z: r.T @ z),
    z_bar = let(r"\bar z_k",         lambda m, n_k: ratio(m, n_k[:, None])),
    r_e   = let(r"r_{nk}^{*}",       lambda z, e, K: hot(first(sum((z[:, None] - e)**2, -1)), K)),
    mu    = let(r"\mu_k",            lambda r_e, z, e: where(sum(r_e, 0)[:, None] > 0, ratio(r_e.T @ z, sum(r_e, 0)[:, None]), e)))

averages = Derivation("the moving average", points)

r"""
Given whose answer is whose, $r_{nk}$, 1 or 0, where should a code be? The first loss can say that without any gradient.
"""

@averages(r"\sum_{n,k} r_{nk} \left(z_n - e_k\right)^2", let=r"\text{the codebook loss of a batch}")
def spread(r, z, e): return sum(r[..., None] * (z[:, None] - e)**2)

@averages("=", r"\sum_{n,k} r_{nk} \left(z_n - \bar z_k\right)^2 + \sum_k n_k \left(\bar z_k - e_k\right)^2", by="around the mean of the answers that it got, the cross terms sum to 0")
def spread_apart(r, z, z_bar, n_k, e): return sum(r[..., None] * (z[:, None] - z_bar)**2) + sum(n_k[:, None] * (z_bar - e)**2)

@averages("argmin", r"\frac{\sum_n r_{nk} z_n}{n_k}", of=spread, over="e", where=lambda n_k: (n_k > 0).all(), by="their mean: only the second part hears of the code", covers="vq-ema-codebook")
def centres(m, n_k): return m / n_k[:, None]

r"""
A batch is not the data, so remember: keep a count $N_k$ and a sum $m_k$, and forget a share $1 - \gamma$ of them for what
the batch says. A code is the sum over the count.
"""

@averages(r"\left(\gamma N_k + \left(1 - \gamma\right) n_k,\ \gamma m_k + \left(1 - \gamma\right) \sum_n r_{nk} z_n\right)", let=r"\left(N_k^{\prime},\ m_k^{\prime}\right)", covers="vq-ema-codebook")
def averaged(gamma, N_bar, n_k, m_bar, m): return gamma * N_bar + (1 - gamma) * n_k, gamma * m_bar + (1 - gamma) * m

@averages("=", r"\operatorname{movingaverage}(N_k, m_k, z_n, k_n, \gamma)", by="the function that trains: counts and sums of all codes at once", covers="vq-ema-codebook")
def average_called(N_bar, m_bar, z, k, gamma): return vq.moving_average(N_bar, m_bar, z, k, gamma)

r"""
Is that a gradient step in disguise? Let the code be where its average is, $m_k = N_k e_k$, and look where it goes.
"""

@averages(r"\frac{\gamma N_k e_k + \left(1 - \gamma\right) \sum_n r_{nk} z_n}{\gamma N_k + \left(1 - \gamma\right) n_k}", let=r"e_k^{\prime}")
def moved(gamma, N_bar, e, m, n_k): return (gamma * N_bar[:, None] * e + (1 - gamma) * m) / (gamma * N_bar + (1 - gamma) * n_k)[:, None]

@averages("=", r"e_k - \frac{1 - \gamma}{2 \left(\gamma N_k + \left(1 - \gamma\right) n_k\right)} \nabla_{e_k} \sum_{n,k} r_{nk} \left(z_n - e_k\right)^2", by="one step down the codebook loss, with a step size for every code: shorter where the count is high", covers="vq-ema-codebook")
def moved_downhill(e, gamma, N_bar, n_k, r, z): return e - ((1 - gamma) / (2 * (gamma * N_bar + (1 - gamma) * n_k)))[:, None] * D(lambda e: sum(r[..., None] * (z[:, None] - e)**2), e)

# ---- With no memory it is k-means ------------------------------------------------------------------------------------
r"""
Forget everything, $\gamma = 0$, and give every answer to its nearest code: $r^{*}$. Then this is an old acquaintance, one
step of *k-means*.
"""

@averages(r"\mu_k", let=r"\text{the means of the cells; of an empty one the code}")
def cell_means(mu): return mu

@averages("=", r"\operatorname{codes}\left(\operatorname{movingaverage}(N_k, m_k, z_n, \operatorname{assign}(z_n, e), 0), e, 0\right)", where=lambda z, e: apart(z, e), by="no memory, no smoothing", covers="vq-ema-codebook")
def cell_means_called(N_bar, m_bar, z, e): return vq.codes(*vq.moving_average(N_bar, m_bar, z, vq.assign(z, e), 0), e, 0)

@averages("=", r"\operatorname{lloydstep}(z_n, e_k)", where=lambda z, e: apart(z, e), by="the step that finds where a mixture starts", to=cell_means)
def lloyd_called(z, e): return em.lloyd_step(z, e)[0]

# ---- A count that is nearly 0 ----------------------------------------------------------------------------------------
r"""
A count near 0 would divide a sum by almost nothing. *Smoothing* lends every code the count $s$, and takes shares.
"""

@averages(r"\sum_k \frac{N_k + s}{\sum_k N_k + K s}")
def mass(N_bar, s, K): return sum((N_bar + s) / (sum(N_bar) + K * s))

@averages("=", r"1", by="K times s are added above, and below")
def mass_one(): return 1.0

@averages(r"\frac{N_k + s}{\sum_k N_k + K s}", let=r"\text{the shares}")
def smooth_shares(N_bar, s, K): return (N_bar + s) / (sum(N_bar) + K * s)

@averages("=", r"\operatorname{shares}(N_k, s)", by="of sum 1, and none is 0")
def shares_called(N_bar, s): return vq.shares(N_bar, s)

@averages(r"\frac{m_k}{\frac{N_k + s}{\sum_k N_k + K s} \sum_k N_k}", let=r"e_k \text{, smoothed}")
def smooth(m_bar, N_bar, s, K): return m_bar / ((N_bar + s) / (sum(N_bar) + K * s) * sum(N_bar))[:, None]

@averages("=", r"\operatorname{codes}(N_k, m_k, e_k, s)", by="the shares of the old total: what the decoder is given")
def codes_called(N_bar, m_bar, e, s): return vq.codes(N_bar, m_bar, e, s)

# ---- How many codes are in use ---------------------------------------------------------------------------------------
used = World("how often each code was said",
    K     = size(1, 5),
    n     = tex(r"n(k)",             counts("K")),
    p     = let(r"\hat p(k)",        lambda n: n / sum(n)),
    p_k   = let(r"p(k)",             lambda K: ones(K) / K))

usage = Derivation("usage", used)

r"""
A table of 512 codes of which nobody says more than ten is a table of ten. Count by entropy: the *perplexity* is the
number of codes that, each said equally often, would surprise as much.
"""

@usage(r"e^{\mathrm{H}(\hat p(k))}", let=r"\text{the perplexity}")
def perplexity(p): return exp(H(p))

@usage("=", r"\operatorname{perplexity}(\hat p(k))", by="what training reports")
def perplexity_called(p): return vq.perplexity(p)

@usage("<=", r"K", to=perplexity, by="the uniform law is the most uncertain", gap=lambda K, p, p_k: K * (1 - exp(-KL(p, p_k))), tight=dict(n=lambda n: n**0), covers="vq-codebook-usage")
def most(K): return K

@usage(">=", r"1", to=perplexity, by="an entropy is never negative; 1 where one code says it all", tight=dict(n=lambda n: 1.0 * (arange(len(n)) == 0)), covers="vq-codebook-usage")
def least(): return 1.0

# ---- Codes that nobody says ------------------------------------------------------------------------------------------
revival = World("answers, codes, and which of them are dead",
    N      = size(1, 4),
    K      = size(1, 4),
    D      = size(1, 2),
    z      = tex(r"z_n",             real("N", "D")),
    e      = tex(r"e_k",             real("K", "D")),
    u      = tex(r"u_k",             unit("K", closed=True)),
    least_ = tex(r"u_{\min}",        unit()),
    i      = tex(r"i_k",             index("N", "K")),
    r      = let(r"r_{nk}",          lambda z, e, K: hot(first(sum((z[:, None] - e)**2, -1)), K)),
    n_k    = let(r"n_k",             lambda r: sum(r, 0)),
    z_i    = let(r"z_{i_k}",         lambda z, i: z[i]),
    v      = let(r"v_k",             lambda u, least_: 1.0 * (u < least_)[:, None]),         # 1 where a code is put back
    e_new  = let(r"e_k^{\prime}",    lambda n_k, z_i, e: where((n_k < 1)[:, None], z_i, e)),
    d      = let(r"d_{nk}",          lambda z, e: sum((z[:, None] - e)**2, -1)),
    d_i    = let(r"d_{n i_k}",       lambda z, z_i: sum((z[:, None] - z_i)**2, -1)))

dead = Derivation("revival", revival)

r"""
A code that no answer is near to [hears nothing](codes.codebook_learns), so it stays where it is: dead. Put it where an
answer is, one of the batch, $z_{i_k}$, whenever its use $u_k$ falls below $u_{\min}$: there $v_k$ is 1, else 0.
"""

@dead(r"v_k z_{i_k} + \left(1 - v_k\right) e_k", let=r"\text{the codes, some of them put back}")
def put_back(v, z_i, e): return v * z_i + (1 - v) * e

@dead("=", r"\operatorname{revived}(e_k, u_k, z_{i_k}, u_{\min})", by="the function; codes in use are left alone")
def revived_called(e, u, z_i, least_): return vq.revived(e, u, z_i, least_)

r"""
Does it help the batch? Put back the codes that were said less than once, $n_k < 1$, and call the codebook $e^{\prime}$. They served nobody, so nobody misses them.
"""

@dead(r"\sum_n \min_k d_{nk}", let=r"\text{what is lost, before}")
def before(d): return sum(min(d, 1))

@dead(">=", r"\sum_n \min_k \sum \left(z_n - e_k^{\prime}\right)^2", by="those that were never said are the only ones to move; answers may find them nearer",
      gap=lambda d, d_i, n_k: sum(maximum(min(d, 1) - min(where(n_k == 0, d_i, max(d) + max(d_i)), 1), 0)))
def after(z, e_new): return sum(min(sum((z[:, None] - e_new)**2, -1), 1))

# ---- A law of the codes ----------------------------------------------------------------------------------------------
pairs = World("images, each said by a code at the top and one below",
    X     = size(1, 5),
    I     = size(1, 3),
    J     = size(1, 3),
    n     = tex(r"n(x)",             counts("X")),
    a     = tex(r"a(x)",             index("I", "X")),
    b     = tex(r"b(x)",             index("J", "X")),
    p_1   = tex(r"p(a)",             simplex("I")),
    p_2_1 = tex(r"p(b \mid a)",      simplex("I", "J")),
    p     = let(r"\hat p(x)",        lambda n: n / sum(n)),
    at    = let(r"q(a, b \mid x)",   lambda a, b, I, J: hot(a, I)[:, :, None] * hot(b, J)[:, None]),      # [X, I, J]
    q     = let(r"\hat q(a, b)",     lambda p, at: einsum("x,xij->ij", p, at)),
    q_1   = let(r"\hat q(a)",        lambda q: sum(q, 1)),
    q_2_1 = let(r"\hat q(b \mid a)", lambda q, q_1: ratio(q, q_1[:, None])),
    p_ab  = let(r"p(a, b)",          lambda p_1, p_2_1: p_1[:, None] * p_2_1),
    u     = let(r"\frac{1}{I J}",    lambda I, J: ones((I, J)) / (I * J)),
    p_x_q = let(r"p(x \mid a, b)",   lambda p, at, q: ratio(p[:, None, None] * at, q)),                   # [X, I, J]
    ab    = let(r"(a, b)",           lambda I, J: stack([arange(I)[:, None] + 0 * arange(J), 0 * arange(I)[:, None] + arange(J)], -1)))

stages = Derivation("two stages", pairs)

r"""
Once encoder and decoder are trained, codes are data like any others, and some are said more often. A second model learns
their law. With two levels of codes, a few at the top, more below, it says the top first: [a chain](autoregressive).
"""

@stages(r"p(a)\, p(b \mid a)", let=r"p(a, b)", covers="vq-hierarchical-prior")
def pair(p_1, p_2_1): return p_1[:, None] * p_2_1

@stages("=", r"\exp \operatorname{logprob}\left((a, b),\ p\right)", by="the chain that every autoregressive model is, of two steps", covers="vq-hierarchical-prior")
def pair_called(ab, p_1, p_2_1): return exp(chain.log_prob(ab, lambda x, before: log(p_1[x] if before.shape[-1] == 0 else p_2_1[before[..., 0], x])))

@stages(r"\sum_a \sum_b p(a)\, p(b \mid a)")
def pair_mass(p_1, p_2_1): return sum(sum(p_1[:, None] * p_2_1))

@stages("=", r"1", by="a law of pairs", covers="vq-hierarchical-prior")
def pair_one(): return 1.0

r"""
What does an image pay for its codes now? Before it was $\log I J$, whatever it said. Write $\hat q$ for how often the data
say each pair: the *aggregated posterior*.
"""

@stages(r"-\mathbb{E}_{\hat p(x)}\left[\mathbb{E}_{q(a, b \mid x)}\left[\log p(a)\, p(b \mid a)\right]\right]", let=r"\text{what the second stage lowers}", covers="alg-vq-two-stage:2")
def paid(p, at, p_1, p_2_1): return -E(p, E(at, log(p_1[:, None] * p_2_1), (1, 2)))

@stages("=", r"\mathbb{E}_{\hat q(a, b)}\left[-\log \hat q(a, b)\right] + \mathrm{KL}(\hat q(a, b) \,\Vert\, p(a, b))", by="only how often each pair is said matters: an entropy, and what the law gets wrong")
def paid_apart(q, p_ab): return E(q, -log(q), None) + KL(q, p_ab, None)

@stages("argmin", r"\hat q(a)", of=paid, over="p_1", where=lambda p_2_1: (p_2_1 > 0).all(), by="the best law of the top is how often each is said", covers="alg-vq-two-stage:2")
def best_top(q_1): return q_1

@stages("argmin", r"\hat q(b \mid a)", of=paid, over="p_2_1", where=lambda q_1, p_1: ((q_1 > 0) & (p_1 > 0)).all(), by="and of the level below, given the top", covers="alg-vq-two-stage:2")
def best_bottom(q_2_1): return q_2_1

@stages(r"\log I J", let=r"\text{the price with the prior of the first stage}")
def uniform_price(I, J): return log(I * J)

@stages(">=", r"\mathbb{E}_{\hat q(a, b)}\left[-\log \hat q(a, b)\right]", by="the price with the best law: what the two differ by is how far codes are from being said equally often", gap=lambda q, u: KL(q, u, None), covers="alg-vq-two-stage:2")
def best_price(q): return E(q, -log(q), None)

# ---- Drawn in two stages ---------------------------------------------------------------------------------------------
"""
To draw an image, draw its codes, top first, and decode them. If both stages had learned all there is, what would come
out?
"""

@stages(r"\sum_a \sum_b \hat q(a)\, \hat q(b \mid a)\, p(x \mid a, b)", let=r"\text{the law of what is drawn}", covers="alg-vq-two-stage:3")
def drawn(q_1, q_2_1, p_x_q): return sum(sum(q_1[:, None] * q_2_1 * p_x_q, 2), 1)

@stages("=", r"\hat p(x)", by="the data: every image by way of its own codes", covers="alg-vq-two-stage:3")
def drawn_data(p): return p

# ---- How small a code is ---------------------------------------------------------------------------------------------
def strided(n, times):
    """How many places are left of n after so many convolutions: windows of 4 at every second place, one more at each end."""
    return n if times == 0 else strided((n + 2 * 1 - 4) // 2 + 1, times - 1)


grid = World("a grid of n places",
    n     = size(1, 8),
    n_6   = let(r"n_6",              lambda n: strided(64 * n, 6)),
    w_2   = let(r"w_2",              lambda: strided(256, 2)),
    w_3   = let(r"w_3",              lambda w_2: strided(w_2, 1)))

small = Derivation("how small", grid)

r"""
Is it worth it? The authors' images had 128 by 128 pixels of three colours of 8 bits; a grid of 32 by 32 codes, each one of
512, says them.
"""

@small(r"\frac{128 \cdot 128 \cdot 3 \cdot 8}{32 \cdot 32 \cdot \frac{\log 512}{\log 2}}", let=r"\text{bits of an image over bits of its codes}", covers="vq-image-reduction")
def image_bits(): return 128 * 128 * 3 * 8 / (32 * 32 * (log(512) / log(2)))

@small("=", r"\frac{128}{3}", by="393216 over 9216: nearly 43", covers="vq-image-reduction")
def image_smaller(): return 128 / 3

@small(r"64 n", let=r"\text{samples of a sound}")
def samples(n): return 64 * n

@small("=", r"2^6 n", by="six halvings", covers="vq-audio-reduction")
def samples_halved(n): return 2**6 * n

@small(r"n", let=r"\text{codes of that sound}")
def sound_codes(n): return n

@small("=", r"n_6", by="what six convolutions of stride 2 leave of them: every 64 samples have one code", covers="vq-audio-reduction")
def sound_strided(n_6): return n_6

"""
With two levels, the lower grid is a quarter as wide as the image, and the top half as wide as that.
"""

@small(r"\left(64,\ 32\right)", let=r"\text{widths of the two grids of an image of 256 by 256}", covers="vq-hierarchical-shapes")
def two_grids(): return 64, 32

@small("=", r"\left(w_2,\ w_3\right)", by="what two convolutions of stride 2 leave, and one more", covers="vq-hierarchical-shapes")
def two_grids_strided(w_2, w_3): return w_2, w_3
