"""Denoising diffusion.   Sohl-Dickstein et al. 2015, Ho et al. 2020, Nichol and Dhariwal 2021, Song et al. 2021, Salimans and Ho 2022   worlds: a chain of numbers; of finitely many states

Spoil an image with a little noise, again and again, until nothing but noise is left. Nothing has to be learned on that way.
What does a network have to know to walk it back?
"""
from derivations import Derivation, World, index, let, tex, size, unit, real, positive, simplex
from derivations.engine import words
from derivations.engine.words import (E, KL, arange, array, broadcast_to, concatenate, cos, cumprod, exp, eye, flip, floor, inv, log, logdet, mean, minimum,
                                      ones, pi, prod, ratio, repeat, reshape, sin, sqrt, stack, sum, trace, where, zeros)
from scratch import autodiff
from scratch.autoencoders import hierarchical as levels, latent
from scratch.diffusion import ddim as faster, ddpm as model
from scratch.diffusion.schedules import SCHEDULES, cosine, linear, schedule

chain = World("a noising chain",
    T        = size(1, 6),
    beta     = tex(r"\beta_t",                  unit("T")),
    x0       = tex(r"x_0",                      real()),
    xt       = tex(r"x_t",                      real()),
    eps_hat  = tex(r"\epsilon_\theta",          real("T")),
    s2       = tex(r"\sigma_t^2",               positive("T")),
    alpha    = let(r"\alpha_t",                 lambda beta: 1 - beta),
    abar     = let(r"\bar\alpha_t",             lambda alpha: cumprod(alpha)),
    abar_1   = let(r"\bar\alpha_{t-1}",         lambda abar: concatenate([ones(1), abar[:-1]])),
    eps      = let(r"\epsilon",                 lambda x0, xt, abar: (xt - sqrt(abar) * x0) / sqrt(1 - abar)))


# ---- One step, and many --------------------------------------------------------------------------------------------------------------------------------
def states(x0, a, b, e):
    """x_0 .. x_T, each made of the one before."""
    x = [x0]
    for t in range(len(a)):
        x.append(a[t] * x[-1] + b[t] * e[t])
    return stack(x)

walk = World("step after step",
    T     = size(1, 5),
    beta  = tex(r"\beta_t",           unit("T")),
    x0    = tex(r"x_0",               real()),
    e     = tex(r"\varepsilon",       real("T")),
    alpha = let(r"\alpha_t",          lambda beta: 1 - beta),
    abar  = let(r"\bar\alpha_t",      lambda alpha: cumprod(alpha), covers="diffusion-alphabar"),
    a     = let(r"a",                 lambda alpha: sqrt(alpha)),
    b     = let(r"b",                 lambda beta: sqrt(beta)),
    x     = let(r"x",                 lambda x0, a, b, e: states(x0, a, b, e)),                                        # [T + 1], from x_0 on
    A     = let(r"\bar a",            lambda a: cumprod(a)),                                                            # a_t ... a_1
    W     = let(r"w",                 lambda A, T: (arange(T)[:, None] >= arange(T)) * A[:, None] / A))                 # a_t ... a_{s+1}, [T, T]

steps = Derivation("steps", walk)

r"""
Take a chain of [T levels](hierarchical.markov_bound) and fix its $q$. At the foot stand the data $x_0$, here a single number. Every step
keeps a little less of the number and adds a little noise, whose variance is $\beta_t$. Here is one step, written in three ways.
"""

@steps(r"\left(\sqrt{1 - \beta_t}\, x_{t-1},\ \beta_t\right)", let=r"\text{mean and variance of } q(x_t \mid x_{t-1})", covers="diffusion-forward-kernel-beta")
def by_beta(beta, x): return sqrt(1 - beta) * x[:-1], beta

@steps("=", r"\left(\sqrt{\alpha_t}\, x_{t-1},\ 1 - \alpha_t\right)", by="alpha = 1 - beta: what stays of the variance", covers="diffusion-forward-kernel-alpha")
def by_alpha(alpha, x): return sqrt(alpha) * x[:-1], 1 - alpha

@steps("=", r"\left(a_t x_{t-1},\ b_t^2\right)", by="a and b are the square roots, so that a^2 + b^2 = 1: other sources write alpha and beta for these", covers="diffusion-forward-step-su")
def by_roots(a, x, b): return a * x[:-1], b**2

r"""
Where is $x_t$ after many steps? Put each step into the next. $\varepsilon_t$ is the noise of step $t$: a normal number with mean 0 and
variance 1, independent of all the others.
"""

@steps(r"x_t", let=r"x_t \text{ for } t \geq 2")
def state(x): return x[2:]

@steps("=", r"a_t x_{t-1} + b_t \varepsilon_t", by="one step", covers="diffusion-unroll-derivation:1")
def one_step(a, x, b, e): return a[1:] * x[1:-1] + b[1:] * e[1:]

@steps("=", r"a_t \left(a_{t-1} x_{t-2} + b_{t-1} \varepsilon_{t-1}\right) + b_t \varepsilon_t", by="and the step before it", covers="diffusion-unroll-derivation:2")
def two_steps(a, x, b, e): return a[1:] * (a[:-1] * x[:-2] + b[:-1] * e[:-1]) + b[1:] * e[1:]

@steps("=", r"\bar a_t x_0 + \sum_{s \leq t} w_{t s} b_s \varepsilon_s", by="and so on: a-bar_t is the product of a_1 .. a_t, and w_ts of those after s", covers="diffusion-unroll-derivation:3")
def unrolled(A, x0, W, b, e): return A[1:] * x0 + sum(W * b * e, 1)[1:]

"""
So $x_t$ is what is left of $x_0$, plus a sum of many noises. They are independent, so their variances add up, each with its factor squared.
That sum looks as if it would stay long.
"""

@steps(r"\sum_{s \leq t} w_{t s}^2 b_s^2", let=r"\text{the variance of that noise}")
def variances(W, b): return sum(W**2 * b**2, 1)

@steps("=", r"1 - \bar a_t^2", by="b_s^2 = 1 - a_s^2, and w_ts a_s is the w of the s before: the sum telescopes", covers="diffusion-noise-telescoping")
def telescoped(A): return 1 - A**2

r"""
It does not. What the data lose, the noise gains: the squares of the two factors add up to 1. So training can jump to any $t$ at once. Last,
the usual letters: $\bar\alpha_t = \bar a_t^2$ is the share of the data's variance that is left after $t$ steps.
"""

@steps(r"\left(\bar a_t x_0,\ \sqrt{\sum_{s \leq t} w_{t s}^2 b_s^2}\right)", let=r"\text{mean and deviation of } x_t \text{ given } x_0")
def law(A, x0, W, b): return A * x0, sqrt(sum(W**2 * b**2, 1))

@steps("=", r"\left(\bar a_t x_0,\ \sqrt{1 - \bar a_t^2}\right)", by="independent normals add up to one normal: one draw does for t", covers="diffusion-unroll-derivation:4")
def one_draw(A, x0): return A * x0, sqrt(1 - A**2)

@steps("=", r"\left(\sqrt{\bar\alpha_t}\, x_0,\ \sqrt{1 - \bar\alpha_t}\right)", by="the product of the square roots", covers="diffusion-kernel diffusion-kernel-sample")
def by_abar(abar, x0): return sqrt(abar) * x0, sqrt(1 - abar)


# ---- The jump, once more -------------------------------------------------------------------------------------------------------------------------------
ddpm = Derivation("ddpm", chain)

r"""
What a model keeps of its schedule are six arrays. Why has $1 - \bar\alpha_t$ one of its own? Early in a long chain $\bar\alpha_t$ is so
close to 1 that the subtraction would leave few digits.
"""

@ddpm(r"\left(\beta_t,\ \alpha_t,\ \bar\alpha_t,\ \bar\alpha_{t-1},\ 1 - \bar\alpha_t,\ 1 - \bar\alpha_{t-1}\right)")
def schedule_letters(beta, alpha, abar, abar_1): return beta, alpha, abar, abar_1, 1 - abar, 1 - abar_1

@ddpm("=", r"\operatorname{schedule}(\beta_t)", by="what models keep: the last two as -expm1 of sums of log1p, without cancellation")
def schedule_called(beta): return tuple(schedule(beta))

"""
The jump was found by putting steps into steps. It can also be proved by *induction*: if it is right for $t - 1$, one more step makes it
right for $t$.
"""

@ddpm(r"\left(\sqrt{\alpha_t}\sqrt{\bar\alpha_{t-1}},\ \alpha_t (1 - \bar\alpha_{t-1}) + \beta_t\right)", let=r"\text{one more kernel on } q(x_{t-1} \mid x_0)")
def one_more(alpha, abar_1, beta): return sqrt(alpha) * sqrt(abar_1), alpha * (1 - abar_1) + beta

@ddpm("=", r"\left(\sqrt{\bar\alpha_t},\ 1 - \bar\alpha_t\right)", by="induction: if it holds at t - 1 it holds at t", covers="diffusion-kernel")
def kernel(abar): return sqrt(abar), 1 - abar

r"""
In training the noise is drawn, and $x_t$ is made of it. In this world it is the other way round: $x_0$ and $x_t$ are drawn, and $\epsilon$
is what must have been between them.
"""

@ddpm(r"\sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon", covers="diffusion-kernel-sample")
def drawn(abar, x0, eps): return sqrt(abar) * x0 + sqrt(1 - abar) * eps

@ddpm("=", r"x_t", by="that is what epsilon is: the noise that makes x_t of x_0")
def is_xt(xt, eps): return broadcast_to(xt, eps.shape)

@ddpm("=", r"\operatorname{qsample}(x_0, t, \epsilon)", by="what training calls")
def sampled(x0, eps, beta, T): return stack([model.q_sample(x0, t, eps[t - 1], schedule(beta)) for t in range(1, T + 1)])


# ---- One step back, if we knew -------------------------------------------------------------------------------------------------------------------------
r"""
The jump is $x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon$, where $\epsilon$ is one normal number that stands for
the noise of all $t$ steps. When we see $x_t$, two things are unknown, the data and the noise. Tell us one, and we have the other.
"""

@ddpm(r"\frac{x_t - \sqrt{1 - \bar\alpha_t}\, \epsilon}{\sqrt{\bar\alpha_t}}")
def inverted(xt, abar, eps): return (xt - sqrt(1 - abar) * eps) / sqrt(abar)

@ddpm("=", r"x_0", by="who knows the noise knows the data")
def is_x0(x0, eps): return broadcast_to(x0, eps.shape)

@ddpm("=", r"\operatorname{x0fromeps}(x_t, t, \epsilon)", by="the function that runs: every sample of its batch may be at a step of its own")
def undone(xt, eps, beta, T): return model.x0_from_eps(broadcast_to(xt, eps.shape), arange(1, T + 1), eps, schedule(beta))

"""
Now one step back. From which $x_{t-1}$ did $x_t$ come? That depends on all the data there are. But if somebody tells us $x_0$ it is Bayes'
rule: the jump to $t - 1$ is the prior, the step to $t$ is the likelihood. Both are normal, and so is the posterior.
"""

@ddpm(r"\text{mean and variance of } x_{t-1} \mid x_t, x_0 \text{, by conditioning}")
def conditioned(alpha, beta, abar_1, x0, xt):
    m, v = sqrt(abar_1) * x0, 1 - abar_1
    gain = sqrt(alpha) * v / (alpha * v + beta)
    return m + gain * (xt - sqrt(alpha) * m), v - gain * sqrt(alpha) * v

@ddpm("=", r"\frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t\, x_0 + \sqrt{\alpha_t}\,(1 - \bar\alpha_{t-1})\, x_t}{1 - \bar\alpha_t},\ \frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}\,\beta_t",
      by="the prior has v = 1 - abar_{t-1}; put it in, and alpha_t abar_{t-1} = abar_t", covers="diffusion-forward-posterior")
def posterior(alpha, beta, abar, abar_1, x0, xt):
    return (sqrt(abar_1) * beta * x0 + sqrt(alpha) * (1 - abar_1) * xt) / (1 - abar), (1 - abar_1) / (1 - abar) * beta

"""
The same mean can be written in two ways: as a mixture of $x_0$ and $x_t$, or as $x_t$ with some of its noise taken off. The second asks for
one thing only that we do not have.
"""

@ddpm("=", r"\frac{1}{\sqrt{\alpha_t}}\left(x_t - \frac{\beta_t}{\sqrt{1 - \bar\alpha_t}}\,\epsilon\right),\ \frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}\,\beta_t",
      by="x_0 from x_t and the noise", covers="ddpm-mean-eps")
def posterior_eps(alpha, beta, abar, abar_1, xt, eps):
    return 1 / sqrt(alpha) * (xt - beta / sqrt(1 - abar) * eps), (1 - abar_1) / (1 - abar) * beta

@ddpm("=", r"\mathrm{qposterior}(x_0, x_t, t, \beta_t)", by="what the sampler calls, for every t")
def called(x0, xt, beta, T): return tuple(map(stack, zip(*[model.q_posterior(x0, xt, t, schedule(beta)) for t in range(1, T + 1)])))

r"""
So guess it. A network $\epsilon_\theta(x_t, t)$, $\theta$ its weights, takes the place of the noise. That is the whole model:
$p_\theta(x_{t-1} \mid x_t)$ is a normal law with this mean and a variance $\sigma_t^2$. One normal law is enough
[if steps are small](diffusion.nearly_normal).
"""

@ddpm(r"\frac{1}{\sqrt{1 - \beta_t}}\left(x_t - \frac{\beta_t}{\sqrt{1 - \bar\alpha_t}}\,\epsilon_\theta\right)", let=r"\mu_\theta", covers="ddpm-mean-eps")
def guessed_mean(beta, xt, abar, eps_hat): return 1 / sqrt(1 - beta) * (xt - beta / sqrt(1 - abar) * eps_hat)

@ddpm("=", r"\operatorname{meanfromeps}(x_t, t, \epsilon_\theta)", by="the posterior's mean, with a guess of the noise in the noise's place")
def mean_called(xt, eps_hat, beta, T): return model.mean_from_eps(broadcast_to(xt, eps_hat.shape), arange(1, T + 1), eps_hat, schedule(beta))


# ---- The bound, in small steps -------------------------------------------------------------------------------------------------------------------------
def compose(K):
    """q(x_t | x_0): the products K_1, K_1 K_2, ... [T, S, S]."""
    out = [K[0]]
    for t in range(1, K.shape[0]):
        out.append(out[-1] @ K[t])
    return stack(out)

def joint(first, K):
    """q(x_0, ..., x_T) [S, S^T], by one outer product a step."""
    table = first
    for t in range(K.shape[0]):
        table = table[..., None] * K[t]
    return reshape(table, (len(first), -1))

def evidence_of(last, R):
    """p(x_0): p(x_T) and then every kernel [S]."""
    for t in range(R.shape[0] - 1, -1, -1):
        last = last @ R[t]
    return last

# A path x_0 .. x_T is a column of x: states [T + 1, S, S^T], x_0 along the second axis. Laws of paths are [S, S^T], sums over the last axis keep x_0.
paths = World("a chain of finitely many states",
    S      = size(1, 3),
    T      = size(1, 4),
    q_0    = tex(r"q(x_0)",                        simplex("S")),
    K      = tex(r"K",                             simplex("T", "S", "S")),                                       # K[t-1, x_{t-1}, x_t]
    R      = tex(r"p_\theta",                      simplex("T", "S", "S")),                                       # R[t-1, x_t, x_{t-1}]
    p_end  = tex(r"p_{\mathrm{prior}}",            simplex("S")),
    x      = let(r"x_{0:T}",                       lambda S, T: stack([reshape(arange(S**(T + 1)) // S**(T - t) % S, (S, S**T)) for t in range(T + 1)])),
    at     = let(r"\tau",                            lambda T: arange(T)[:, None, None]),
    q_t    = let(r"q(x_t \mid x_{t-1})",           lambda K, at, x: K[at, x[:-1], x[1:]]),                        # [T, S, S^T]
    q      = let(r"q(x_{1:T} \mid x_0)",           lambda q_t: prod(q_t, 0), covers="diffusion-forward-product"),
    p_t    = let(r"p_\theta(x_{t-1} \mid x_t)",    lambda R, at, x: R[at, x[1:], x[:-1]]),                        # [T, S, S^T]
    p_T    = let(r"p(x_T)",                        lambda p_end, x: p_end[x[-1]]),
    p      = let(r"p_\theta(x_{0:T})",             lambda p_T, p_t: p_T * prod(p_t, 0), covers="diffusion-reverse-joint"),
    p_x    = let(r"p_\theta(x_0)",                 lambda p_end, R: evidence_of(p_end, R)),
    p_1    = let(r"p_\theta(x_0 \mid x_1)",        lambda p_t: p_t[0]),
    p_next = let(r"p_\theta(x_t \mid x_{t+1})",    lambda p_t: p_t[1:]),
    q_T    = let(r"q(x_T \mid x_{T-1})",           lambda q_t: q_t[-1]),
    Kbar   = let(r"q(x_t \mid x_0)",               lambda K: compose(K)),                                         # [T, x_0, x_t]
    marg   = let(r"q(x_t)",                        lambda q_0, K: stack([evidence_of(q_0, flip(K[:t], 0)) for t in range(len(K) + 1)])),      # [T + 1, S]
    q_end  = let(r"q(x_T)",                        lambda marg, x: marg[-1][x[-1]]),                              # [S, S^T]
    q_T_0  = let(r"q(x_T \mid x_0)",               lambda Kbar: Kbar[-1]),
    B      = let(r"q(x_{t-1} \mid x_t)",           lambda K, marg: ratio(marg[:-1, None] * words.T(K), marg[1:, :, None])),       # [T, x_t, x_{t-1}]
    post   = let(r"q(x_{t-1} \mid x_t, x_0)",      lambda K, Kbar: ratio(Kbar[:-1, :, None] * words.T(K)[1:, None], Kbar[1:, :, :, None])))    # t >= 2

bound = Derivation("bound", paths, where=lambda q, p: ((q > 0) == (p > 0)).all())              # the same paths are possible there and back

"""
This is [the bound of T levels](hierarchical.markov_bound) in other letters: $x_t$ for $z_t$, and a $q$ that is fixed. Every step is small
enough to be checked alone. The world is a chain of finitely many states, so that all paths can be listed.
"""

@bound(r"\log p_\theta(x_0)", let=r"\log p_\theta(x_0)")
def evidence(p_x): return log(p_x)

@bound("=", r"\log \sum_{x_{1:T}} p_\theta(x_{0:T})", by="marginalisation", covers="diffusion-evidence diffusion-elbo-derivation:1")
def marginalised(p): return log(sum(p, 1))

@bound("=", r"\log \sum_{x_{1:T}} \frac{p_\theta(x_{0:T})\, q(x_{1:T} \mid x_0)}{q(x_{1:T} \mid x_0)}", by="multiply by one", covers="diffusion-elbo-derivation:2")
def by_one(p, q): return log(sum(ratio(p * q, q), 1))

@bound("=", r"\log \mathbb{E}_{q(x_{1:T} \mid x_0)}\left[\frac{p_\theta(x_{0:T})}{q(x_{1:T} \mid x_0)}\right]", by="the definition of an expectation", covers="diffusion-elbo-derivation:3")
def expected(q, p): return log(E(q, ratio(p, q)))

@bound(">=", r"\mathbb{E}_{q(x_{1:T} \mid x_0)}\left[\log \frac{p_\theta(x_{0:T})}{q(x_{1:T} \mid x_0)}\right]", by="Jensen's inequality",
       gap=lambda q, p, p_x: KL(q, p / p_x[:, None]), covers="diffusion-elbo-derivation:4")
def jensen(q, p): return E(q, log(ratio(p, q)))

@bound("=", r"\mathbb{E}_{q(x_{1:T} \mid x_0)}\left[\log \frac{p(x_T) \prod_{t=1}^T p_\theta(x_{t-1} \mid x_t)}{\prod_{t=1}^T q(x_t \mid x_{t-1})}\right]", by="the factorisations",
       covers="diffusion-elbo-derivation:5")
def factorised(q, p_T, p_t, q_t): return E(q, log(ratio(p_T * prod(p_t, 0), prod(q_t, 0))))

"""
Now pair the steps. Here the one of the model and the one of the noise meet in $x_t$: from $x_{t+1}$ back to it, from $x_{t-1}$ on to it.
That is right, but each term then has two random neighbours. [The other pairing](diffusion.three_terms) has one, and it gives KLs.
"""

@bound("=", r"\mathbb{E}_{q(x_{1:T} \mid x_0)}\left[\log \frac{p(x_T)\, p_\theta(x_0 \mid x_1) \prod_{t=1}^{T-1} p_\theta(x_t \mid x_{t+1})}{q(x_T \mid x_{T-1}) \prod_{t=1}^{T-1} q(x_t \mid x_{t-1})}\right]",
       by="split the end factors off, shift the index", covers="diffusion-elbo-derivation:6")
def ends(q, p_T, p_1, p_next, q_T, q_t): return E(q, log(ratio(p_T * p_1 * prod(p_next, 0), q_T * prod(q_t[:-1], 0))))

@bound("=", r"\mathbb{E}_{q(x_{1:T} \mid x_0)}\left[\log \frac{p(x_T)\, p_\theta(x_0 \mid x_1)}{q(x_T \mid x_{T-1})}\right] + \mathbb{E}_{q(x_{1:T} \mid x_0)}\left[\log \frac{\prod_{t=1}^{T-1} p_\theta(x_t \mid x_{t+1})}{\prod_{t=1}^{T-1} q(x_t \mid x_{t-1})}\right]",
       by="the logarithm of a product", covers="diffusion-elbo-derivation:7")
def two_parts(q, p_T, p_1, q_T, p_next, q_t): return E(q, log(ratio(p_T * p_1, q_T))) + E(q, log(ratio(prod(p_next, 0), prod(q_t[:-1], 0))))

@bound("=", r"\mathbb{E}_{q(x_{1:T} \mid x_0)}\left[\log p_\theta(x_0 \mid x_1)\right] + \mathbb{E}_{q(x_{1:T} \mid x_0)}\left[\log \frac{p(x_T)}{q(x_T \mid x_{T-1})}\right] + \mathbb{E}_{q(x_{1:T} \mid x_0)}\left[\sum_{t=1}^{T-1} \log \frac{p_\theta(x_t \mid x_{t+1})}{q(x_t \mid x_{t-1})}\right]",
       by="logarithms: data, prior, and a step there against a step back", covers="diffusion-elbo-derivation:8")
def consistency(q, p_1, p_T, q_T, p_next, q_t): return E(q, log(p_1)) + E(q, log(ratio(p_T, q_T))) + E(q, sum(log(ratio(p_next, q_t[:-1])), 0))

@bound("=", r"\operatorname{elbo}(\log p_\theta(x_{0:T}), q(x_{1:T} \mid x_0))", by="the function of one latent: the path is one")
def hierarchical(p, q): return latent.elbo(log(p), q)


# ---- The bound, as a sum of KLs ------------------------------------------------------------------------------------------------------------------------
r"""
Is it a good model? The path $x_1, \dots, x_T$ is its latent, so [the bound of T levels](hierarchical.markov_bound) tells. With its sign
turned and averaged over data it is a cost in nats. It holds for any noise, not for normal noise alone; the chain in these numbers has at
most three states.
"""

@bound(r"-\mathbb{E}_{q(x_0)}\left[\log p_\theta(x_0)\right]", let=r"\text{nats a datum costs}")
def cost(q_0, p_x): return -E(q_0, log(p_x))

@bound("<=", r"\mathbb{E}_{q(x_0)} \mathbb{E}_{q(x_{1:T} \mid x_0)}\left[-\log \frac{p_\theta(x_{0:T})}{q(x_{1:T} \mid x_0)}\right]", by="the same bound with its sign turned, averaged over data",
       gap=lambda q_0, q, p, p_x: E(q_0, KL(q, p / p_x[:, None])), covers="diffusion-variational-bound")
def L(q_0, q, p): return E(q_0, E(q, -log(ratio(p, q))))

r"""
In $L$ the model comes down while $q$ climbs. [As for two levels](hierarchical.two_top_down), Bayes' rule turns $q$ round, given $x_0$:
for $t \geq 2$, $q(x_t \mid x_{t-1})$ is $q(x_{t-1} \mid x_t, x_0)$ times $q(x_t \mid x_0) / q(x_{t-1} \mid x_0)$. Of these and the first step only
$q(x_T \mid x_0)$ is left over, and each step back of the model meets the one that it should have been. ($p_{\mathrm{prior}}$ is the
model's law of $x_T$.)
"""

@bound("=", r"\mathbb{E}_{q(x_0)}\left[\mathrm{KL}(q(x_T \mid x_0) \,\Vert\, p_{\mathrm{prior}}) + \sum_{t=2}^T \mathbb{E}_{q(x_t \mid x_0)} \mathrm{KL}(q(x_{t-1} \mid x_t, x_0) \,\Vert\, p_\theta) - \mathbb{E}_{q(x_{1:T} \mid x_0)} \log p_\theta(x_0 \mid x_1)\right]",
       by="Bayes' rule at every step from the second on; then the product of the fractions telescopes")
def three_terms(q_0, q_T_0, p_end, Kbar, post, R, q, p_1): return E(q_0, KL(q_T_0, p_end) + sum(E(Kbar[1:], KL(post, R[1:, None])), 0) - E(q, log(p_1)))


# ---- What a wrong guess costs --------------------------------------------------------------------------------------------------------------------------
r"""
Back to numbers. Each KL is now between two normal laws, and the network is in one mean only. What it can change is the squared distance
from the posterior's mean $\tilde\mu_t$ to the guessed $\mu_\theta$, over $2 \sigma_t^2$. Both are $x_t$ with some noise taken off. What is
left of their difference?
"""

@ddpm(r"\frac{1}{2\sigma_t^2}\left(\tilde\mu_t - \mu_\theta\right)^2")
def step_kl(alpha, beta, abar, abar_1, x0, xt, eps_hat, s2):
    mu     = (sqrt(abar_1) * beta * x0 + sqrt(alpha) * (1 - abar_1) * xt) / (1 - abar)
    mu_hat = (xt - beta / sqrt(1 - abar) * eps_hat) / sqrt(alpha)
    return (mu - mu_hat)**2 / (2 * s2)

@ddpm("=", r"\frac{\beta_t^2}{2\sigma_t^2\,\alpha_t\,(1 - \bar\alpha_t)}\left(\epsilon - \epsilon_\theta\right)^2", by="both means in the eps form", covers="ddpm-lambda")
def weighted(alpha, beta, abar, s2, eps, eps_hat): return beta**2 / (2 * s2 * alpha * (1 - abar)) * (eps - eps_hat)**2

r"""
The noise against its guess. [All that the network changes](diffusion.weighted_sum) in the bound is a sum of such squares, with the weights
$\lambda_t$. Ho et al. put 1 for each weight: [the simple loss](diffusion.simple). Training draws an image, a step and a noise, mixes them
to $x_t$, and asks which noise it was.
"""

@ddpm(r"\frac{\beta_t^2}{2\sigma_t^2\,\alpha_t\,(1 - \bar\alpha_t)}", let=r"\lambda_t", covers="ddpm-lambda")
def weight(beta, s2, alpha, abar): return beta**2 / (2 * s2 * alpha * (1 - abar))

@ddpm("=", r"\operatorname{weights}(\sigma_t^2, \beta_t)", by="what the bound weighs the steps with")
def weights_called(s2, beta): return model.weights(s2, schedule(beta))


# ---- Back from noise -----------------------------------------------------------------------------------------------------------------------------------
sampler = World("a noising chain and the sampler's noise", base=chain,
    z      = tex(r"z",               real("T")),
    z_t    = let(r"z_t",             lambda z: concatenate([zeros(1), z[1:]])),                  # none at t = 1
    abar_T = let(r"\bar\alpha_T",    lambda abar: abar[-1]))

back = Derivation("back", sampler)

r"""
Where does the way back begin? At the end of the chain $x_0$ is almost forgotten. The KL from what is left to $\mathcal{N}(0, 1)$, the
normal law with mean 0 and variance 1, is the first term of the bound. No network is in it, and it goes to 0 with $\bar\alpha_T$.
"""

@back(r"\log \frac{1}{\sqrt{1 - \bar\alpha_T}} + \frac{1 - \bar\alpha_T + \left(\sqrt{\bar\alpha_T}\, x_0\right)^2}{2} - \frac{1}{2}", let=r"\mathrm{KL}(q(x_T \mid x_0) \,\Vert\, \mathcal{N}(0, 1))",
      covers="diffusion-prior")
def to_prior(abar_T, x0): return log(1 / sqrt(1 - abar_T)) + (1 - abar_T + (sqrt(abar_T) * x0)**2) / 2 - 1 / 2

@back("=", r"\operatorname{priorkl}(x_0)", by="the term of the bound that no network changes")
def prior_called(x0, beta): return model.prior_kl(x0, schedule(beta))

@back("->", r"0", to=to_prior, as_="abar_T", order=1, where=lambda x0: abs(x0) >= 0.5, by="all data end as the same noise", covers="diffusion-terminal-normal")
def forgotten(): return 0.0

r"""
So draw $x_T$ from $\mathcal{N}(0, 1)$ and step back $T$ times. A step is the guessed mean plus fresh noise $z_t$ of variance $\sigma_t^2$.
Only the last one adds none: it would be grain on the picture.
"""

@back(r"\frac{1}{\sqrt{\alpha_t}}\left(x_t - \frac{1 - \alpha_t}{\sqrt{1 - \bar\alpha_t}}\,\epsilon_\theta\right) + \sqrt{\sigma_t^2}\, z_t", let="x_{t-1}",
      covers="diffusion-reverse-kernel alg-ddpm-sampling:2-3")
def back_step(alpha, xt, abar, eps_hat, s2, z_t): return 1 / sqrt(alpha) * (xt - (1 - alpha) / sqrt(1 - abar) * eps_hat) + sqrt(s2) * z_t

"""
All $T$ steps are [the sampler](diffusion.algorithm), and the road of the bound ends here: one bound, four models. Beside it stand a bound
with [a table of codes](codes) in the middle, models that need no bound, [autoregressive ones](autoregressive) and [flows](flows), laws without
their sum, [energies](energies) and [scores](scores), and [a game](gan) that knows no likelihood at all. Last come [the slips](slips).
"""

@back("=", r"\operatorname{step}(x_t, t, \epsilon_\theta, z, \sigma_t^2)", by="the sampler's step; whatever z is, none of it is used at t = 1")
def step_called(xt, eps_hat, z, s2, beta, T): return stack([model.step(xt, t, eps_hat[t - 1], z[t - 1], s2[t - 1], schedule(beta)) for t in range(1, T + 1)])


# ---- What the network says -----------------------------------------------------------------------------------------------------------------------------
spoken = World("a noising chain, and what a network could say of it", base=chain,
    v      = let("v",                           lambda abar, eps, x0: sqrt(abar) * eps - sqrt(1 - abar) * x0),
    x0_hat = let(r"\hat x_0",                   lambda xt, abar, eps_hat: (xt - sqrt(1 - abar) * eps_hat) / sqrt(abar)),
    v_hat  = let(r"\hat v",                     lambda abar, eps_hat, x0_hat: sqrt(abar) * eps_hat - sqrt(1 - abar) * x0_hat))

said = Derivation("what the network says", spoken)

r"""
Must a network say the noise? It could say $x_0$, or $v$, the *velocity*, a mixture of both. Given $x_t$, each of the three tells the other
two; what differs is the price of a miss. (The $\epsilon + x_0 - \epsilon$ in the line is $x_0$, once for every step.)
"""

@said(r"\left(\epsilon,\ \epsilon + x_0 - \epsilon,\ \sqrt{\bar\alpha_t}\, \epsilon - \sqrt{1 - \bar\alpha_t}\, x_0\right)", let=r"\text{what it may be asked for: } \epsilon,\ x_0 \text{ or } v")
def says(eps, x0, abar): return eps, eps + x0 - eps, sqrt(abar) * eps - sqrt(1 - abar) * x0

@said("=", r"\operatorname{target}(x_0, \epsilon, t)", by="the rows of the table")
def says_called(x0, eps, beta, T):
    return tuple(stack([row.target(x0, eps[t - 1], t, schedule(beta)) for t in range(1, T + 1)]) for row in model.PREDICTIONS.values())

@said(r"\epsilon_\theta")
def heard(eps_hat): return eps_hat

@said("=", r"\frac{x_t - \sqrt{\bar\alpha_t}\, \hat x_0}{\sqrt{1 - \bar\alpha_t}}", by="who says the data says the noise")
def heard_x0(xt, abar, x0_hat): return (xt - sqrt(abar) * x0_hat) / sqrt(1 - abar)

@said("=", r"\sqrt{1 - \bar\alpha_t}\, x_t + \sqrt{\bar\alpha_t}\, \hat v", by="(x_t, v) is (x_0, epsilon) turned by an angle, and this turns it back")
def heard_v(abar, xt, v_hat): return sqrt(1 - abar) * xt + sqrt(abar) * v_hat

@said(r"\left(\epsilon_\theta,\ \epsilon_\theta,\ \epsilon_\theta\right)")
def thrice(eps_hat): return eps_hat, eps_hat, eps_hat

@said("=", r"\operatorname{epshat}(x_t, t, \cdot)", by="the noise, out of what each row of the table asked for")
def said_called(xt, eps_hat, x0_hat, v_hat, beta, T):
    return tuple(row.eps_hat(broadcast_to(xt, eps_hat.shape), arange(1, T + 1), said, schedule(beta))
                 for row, said in zip(model.PREDICTIONS.values(), (eps_hat, x0_hat, v_hat)))

r"""
One mistake, measured three ways. *Signal over noise* is $\bar\alpha_t / (1 - \bar\alpha_t)$: large where $x_t$ is nearly the data, near 0
at the end of the chain. It is the rate of exchange.
"""

@said(r"\left(\epsilon - \epsilon_\theta\right)^2", let=r"\text{what } L_{\mathrm{simple}} \text{ counts}")
def missed(eps, eps_hat): return (eps - eps_hat)**2

@said("=", r"\frac{\bar\alpha_t}{1 - \bar\alpha_t}\left(x_0 - \hat x_0\right)^2", by="a miss of the data, weighted by signal over noise")
def missed_x0(abar, x0, x0_hat): return abar / (1 - abar) * (x0 - x0_hat)**2

@said("=", r"\bar\alpha_t \left(v - \hat v\right)^2", by="so that a plain loss of v weighs the misses of the data by 1 + signal over noise")
def missed_v(abar, v, v_hat): return abar * (v - v_hat)**2


# ---- Variances that are learned ------------------------------------------------------------------------------------------------------------------------
halfway = World("a noising chain, and how far a variance is from one end", base=chain,
    v      = tex(r"v",                        unit("T", closed=True)),
    btilde = let(r"\tilde\beta_t",            lambda abar_1, abar, beta: (1 - abar_1) / (1 - abar) * beta),
    b_c    = let(r"\tilde\beta'_t",           lambda btilde, beta: concatenate([concatenate([btilde[1:], beta])[:1], btilde[1:]])))       # that of t = 2 at t = 1

between = Derivation("between", halfway)

r"""
[Two variances](diffusion.at_most) of a step back have their reasons, $\beta_t$ and the smaller $\tilde\beta_t$. In place of choosing, let
the network say a number $v$ from 0 to 1: how far to go from the smaller one to the other.
"""

@between(r"\beta_t^v\, \left(\tilde\beta'_t\right)^{1 - v}", let=r"\sigma_t^2")
def powers(beta, v, b_c): return beta**v * b_c**(1 - v)

@between("=", r"\exp\left(v \log \beta_t + (1 - v) \log \tilde\beta'_t\right)", by="a mean of logarithms; at t = 1, where no noise is left to be undone, with the variance of t = 2",
         covers="diffusion-learned-variance")
def log_powers(v, beta, b_c): return exp(v * log(beta) + (1 - v) * log(b_c))

@between("=", r"\operatorname{learnedvariance}(v, t)", by="what a network says with v", where=lambda v: (v > 0).all())
def learned_called(v, beta, T): return stack([model.learned_variance(v[t - 1], t, schedule(beta)) for t in range(1, T + 1)])

@between("<=", r"\beta_t", to=powers, by="never above the one end, which it is at v = 1", tight=dict(v=lambda v: 0 * v + 1))
def upper_end(beta): return beta

@between(">=", r"\tilde\beta'_t", to=powers, by="nor below the other, at v = 0", tight=dict(v=lambda v: 0 * v))
def lower_end(b_c): return b_c


# ---- A step over many ----------------------------------------------------------------------------------------------------------------------------------
leap = World("a step over many",
    T      = size(1, 6),
    beta   = tex(r"\beta_t",                  unit("T")),
    x0     = tex(r"x_0",                      real()),
    xt     = tex(r"x_t",                      real()),
    e_hat  = tex(r"\epsilon_\theta",          real()),
    z      = tex("z",                         real()),
    eta    = tex(r"\eta",                     unit(closed=True)),
    r      = tex("r",                         index("T")),                                                      # earlier than t, which is T
    kept   = let(r"\bar\alpha",               lambda beta: concatenate([ones(1), cumprod(1 - beta)])),          # from step 0 on
    abar_t = let(r"\bar\alpha_t",             lambda kept: kept[-1]),
    abar_1 = let(r"\bar\alpha_{t-1}",         lambda kept: kept[-2]),
    abar_r = let(r"\bar\alpha_r",             lambda kept, r: kept[r]),
    beta_t = let(r"\beta",                    lambda beta: beta[-1]),
    x0_hat = let(r"\hat x_0",                 lambda xt, abar_t, e_hat: (xt - sqrt(1 - abar_t) * e_hat) / sqrt(abar_t)),
    sigma  = let(r"\sigma",                   lambda eta, abar_r, abar_t: sqrt(eta**2 * (1 - abar_r) / (1 - abar_t) * (1 - abar_t / abar_r))))

ddim = Derivation("ddim", leap)

r"""
A thousand steps for one image are many. But training has only seen the laws $q(x_t \mid x_0)$, not how steps hang together. So take a chain
with the same laws that leads from $t$ to any earlier $r$ in one step. $\eta$ says how much of its noise is fresh.
"""

@ddim(r"\sqrt{\bar\alpha_r}\, \hat x_0 + \sqrt{1 - \bar\alpha_r - \sigma^2}\, \epsilon_\theta + \sigma z", let="x_r", covers="ddim-step")
def leapt(abar_r, x0_hat, sigma, e_hat, z): return sqrt(abar_r) * x0_hat + sqrt(1 - abar_r - sigma**2) * e_hat + sigma * z

@ddim("=", r"\operatorname{ddimstep}(x_t, t, r, \epsilon_\theta, z, \eta)", by="noise the guessed data anew, in part with the noise that was guessed; step 0 is the data")
def ddim_called(xt, T, r, e_hat, z, eta, beta): return faster.ddim_step(xt, T, int(r), e_hat, z, eta, schedule(beta))

r"""
Are they the same laws? If the noise is guessed rightly, the step has to make $q(x_r \mid x_0)$ of $q(x_t \mid x_0)$, mean and variance,
whatever $\eta$ is.
"""

@ddim(r"\left(\sqrt{\bar\alpha_r}\, x_0,\ 1 - \bar\alpha_r\right)", let=r"\text{mean and variance of } q(x_r \mid x_0)")
def kept_law(abar_r, x0): return sqrt(abar_r) * x0, 1 - abar_r

@ddim("=", r"\left(a \sqrt{\bar\alpha_t}\, x_0,\ \left(a \sqrt{1 - \bar\alpha_t} + c\right)^2 + \sigma^2\right)", by="x_r = a x_t + c epsilon + sigma z: with the right noise every eta keeps the laws that training has seen")
def kept_called(abar_t, x0, T, r, eta, beta):
    a, c, sigma = faster.coefficients(T, int(r), eta, schedule(beta))
    return a * sqrt(abar_t) * x0, (a * sqrt(1 - abar_t) + c)**2 + sigma**2

r"""
The old sampler is among the new ones: it is $\eta = 1$, with no step left out.
"""

@ddim(r"\frac{1}{\sqrt{1 - \beta}}\left(x_t - \frac{\beta}{\sqrt{1 - \bar\alpha_t}}\,\epsilon_\theta\right) + \sqrt{\frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}\,\beta}\, z", let=r"x_{t-1} \text{ of Algorithm 2}")
def ancestor(beta_t, xt, abar_t, e_hat, abar_1, z): return 1 / sqrt(1 - beta_t) * (xt - beta_t / sqrt(1 - abar_t) * e_hat) + sqrt((1 - abar_1) / (1 - abar_t) * beta_t) * z

@ddim("=", r"\operatorname{ddimstep}(x_t, t, t - 1, \epsilon_\theta, z, 1)", by="eta = 1 on consecutive steps is the chain with the posterior's variance, whatever the network says")
def ancestor_called(xt, T, e_hat, z, beta): return faster.ddim_step(xt, T, T - 1, e_hat, z, 1, schedule(beta))

r"""
At the other end, $\eta = 0$, no fresh noise is left. The image is then a function of $x_T$.
"""

@ddim(r"\sqrt{\bar\alpha_r}\, \hat x_0 + \sqrt{1 - \bar\alpha_r}\, \epsilon_\theta", let=r"x_r \text{ at } \eta = 0")
def certain(abar_r, x0_hat, e_hat): return sqrt(abar_r) * x0_hat + sqrt(1 - abar_r) * e_hat

@ddim("=", r"\sqrt{\frac{\bar\alpha_r}{\bar\alpha_t}}\, x_t - \frac{\bar\alpha_r - \bar\alpha_t}{\sqrt{\bar\alpha_t}\left(\sqrt{(1 - \bar\alpha_r)\bar\alpha_t} + \sqrt{(1 - \bar\alpha_t)\bar\alpha_r}\right)}\, \epsilon_\theta",
      by="the same as a transfer of x_t: a difference of roots is one of squares", covers="pndm-transfer")
def transferred(abar_r, abar_t, xt, e_hat):
    return sqrt(abar_r / abar_t) * xt - (abar_r - abar_t) / (sqrt(abar_t) * (sqrt((1 - abar_r) * abar_t) + sqrt((1 - abar_t) * abar_r))) * e_hat

@ddim("=", r"\operatorname{ddimstep}(x_t, t, r, \epsilon_\theta, z, 0)", by="no noise, whatever z is")
def certain_called(xt, T, r, e_hat, z, beta): return faster.ddim_step(xt, T, int(r), e_hat, z, 0, schedule(beta))


# ---- Which steps to take -------------------------------------------------------------------------------------------------------------------------------
strides = Derivation("strides", World("some of many steps", T=size(5, 40), n=size(1, 5), i=let("i", lambda n: arange(n))))

"""
Of $T$ steps take $n$. Which ones? As evenly spread as whole numbers allow, and $T$ among them, for there the sampler begins.
"""

@strides(r"T - \left\lfloor \frac{i\, T}{n} \right\rfloor \text{ for } i = 0, \dots, n - 1", let=r"\text{the steps of a sampler that takes } n")
def stride(T, i, n): return T - floor(i * T / n)

@strides("=", r"\operatorname{spaced}(T, n)", by="T is the first, and every one is at least one before the last")
def strided(T, n): return array(faster.spaced(T, n))


# ---- A schedule along a line ---------------------------------------------------------------------------------------------------------------------------
noises = World("a schedule",
    T      = tex("T",                size(1, 6)),
    first  = tex(r"\beta_1",         unit()),
    last   = tex(r"\beta_T",         unit()),
    s      = tex("s",                unit()),
    t      = let("t",                lambda T: arange(1, T + 1)),
    u      = let("u_t",              lambda t, T, s: (t / T + s) / (1 + s) * (pi / 2)),
    u_1    = let("u_{t-1}",          lambda t, T, s: ((t - 1) / T + s) / (1 + s) * (pi / 2)),
    f      = let("f(t)",             lambda u: cos(u)**2),
    f_1    = let("f(t-1)",           lambda u_1: cos(u_1)**2),
    f_0    = let("f(0)",             lambda f_1: f_1[0]),
    abar   = let(r"\bar\alpha_t",    lambda f, f_1: cumprod(1 - (1 - f / f_1))))

tables = Derivation("tables", noises)

r"""
How fast should the data be forgotten? The first answer was a straight line: $\beta_t$ grows from $\beta_1$ to $\beta_T$ by the same amount
at each step.
"""

@tables(r"\beta_1 + \frac{t - 1}{T - 1}\left(\beta_T - \beta_1\right)", let=r"\beta_t", where=lambda T: T > 1, covers="diffusion-linear-schedule")
def line(first, t, T, last): return first + (t - 1) / (T - 1) * (last - first)

@tables("=", r"\operatorname{linear}(T, \beta_1, \beta_T)", by="as many steps of one size", where=lambda T: T > 1)
def linear_called(T, first, last): return linear(T, first, last)


# ---- More steps, less noise each -----------------------------------------------------------------------------------------------------------------------
thousands = Derivation("another number of steps", World("thousands of steps", k=size(1, 9)))

"""
The ends of that line were chosen for a thousand steps. With $1000 k$ steps between the same ends, $k$ times as much noise would be added,
so they are divided by $k$. With ten steps the upper one would be 2, more than all there is: it stops at 0.999.
"""

@thousands(r"\frac{1}{10000 k},\ \frac{1}{50 k},\ \frac{1}{100},\ \frac{999}{1000}", let=r"\beta_1 \text{ and } \beta_T \text{ of 1000 k steps, and of ten}")
def paper_ends(k): return 1 / (10000 * k), 1 / (50 * k), 1 / 100, 999 / 1000

@thousands("=", r"\operatorname{linear}(1000 k),\ \operatorname{linear}(10)", by="1e-4 .. 0.02 at T = 1000, and as much noise in all at another T; no step adds all of it")
def paper_called(k):
    many, few = SCHEDULES["linear"](1000 * k), SCHEDULES["linear"](10)
    return many[0], many[-1], few[0], few[-1]


# ---- A schedule along a cosine -------------------------------------------------------------------------------------------------------------------------
r"""
Or say first what is to be left, and let $\beta_t$ follow. Half-way along the line of a thousand steps 8 % of the data's variance is left,
after nine tenths of it 0.03 %: the last steps have little to do. A cosine leaves 49 % and 2 %.
"""

@tables(r"\frac{f(t)}{f(0)}", let=r"\bar\alpha_t", covers="diffusion-cosine-schedule")
def cosine_abar(f, f_0): return f / f_0

@tables("=", r"\bar\alpha_t", by="the product of all 1 - beta_s, with beta_s = 1 - f(s) / f(s-1): it telescopes")
def cosine_product(abar): return abar

"""
The noise of a step is 1 minus a quotient. At the end nothing is to be left, so the last step would add everything: it is held at 0.999.
"""

@tables(r"\min\left(1 - \frac{f(t)}{f(t-1)},\ 0.999\right)", let=r"\beta_t", covers="diffusion-cosine-schedule")
def cosine_beta(f, f_1): return minimum(1 - f / f_1, 0.999)

@tables("=", r"\min\left(\frac{\sin(u_t - u_{t-1})\, \sin(u_t + u_{t-1})}{\cos(u_{t-1})^2},\ 0.999\right)", by="a difference of squared cosines is a product: nothing cancels where steps are small")
def cosine_stable(u, u_1): return minimum(sin(u - u_1) * sin(u + u_1) / cos(u_1)**2, 0.999)

@tables("=", r"\operatorname{cosine}(T, s)", by="the row of the table")
def cosine_called(T, s): return cosine(T, s)


# ---- The same chain, read backwards --------------------------------------------------------------------------------------------------------------------
forward = Derivation("forward", paths)

"""
The chain of the noise as one large table: every path and its probability. It was built so that each state depends on the one before it
only. Read from the end, does each depend on the one after it only?
"""

@forward(r"\text{the law of whole paths, grown by one outer product a step}")
def grown(q_0, K): return joint(q_0, K)

@forward("=", r"q(x_0) \prod_{t=1}^T q(x_t \mid x_{t-1})", by="the next state depends on the last one only", covers="diffusion-forward-joint")
def forwards(q_0, q_t): return q_0[:, None] * prod(q_t, 0)

@forward("=", r"\prod_{t=1}^T q(x_{t-1} \mid x_t)\, q(x_T)", by="Bayes' rule at every step: read backwards it is a Markov chain too", covers="diffusion-reverse-factorisation")
def backwards(B, at, x, q_end): return prod(B[at, x[1:], x[:-1]], 0) * q_end

"""
And $q(x_t)$, what all data together look like after $t$ steps? Carry the whole law through every step, or draw a datum and jump.
"""

@forward(r"q(x_t)", let=r"q(x_0) K_1 \cdots K_t \text{, one step after another}")
def one_by_one(marg): return marg[1:]

@forward("=", r"\sum_{x_0} q(x_0)\, q(x_t \mid x_0)", by="draw a datum, then its noisy version: in one go", covers="diffusion-marginal alg-diffusion-forward-ancestral:1-2")
def marginal(q_0, Kbar): return sum(q_0[:, None] * Kbar, 1)


# ---- A chain for every label ---------------------------------------------------------------------------------------------------------------------------
labelled_paths = World("a chain of finitely many states for every label", base=paths,
    Y   = size(1, 3),
    K_y = tex(r"K^y",                                simplex("Y", "T", "S", "S")),
    q_y = let(r"q(x_t \mid x_{t-1}, y)",             lambda K_y, at, x: K_y[:, at, x[:-1], x[1:]]))                # [Y, T, S, S^T]

with_label = Derivation("with a label", labelled_paths)

"""
Data may come with a label $y$, and nothing forbids that the noise depends on it. Then there is a chain for every label, and its law is
still a product.
"""

@with_label(r"\text{the law of whole paths for every label, grown by one outer product a step}")
def grown_with_label(q_0, K_y): return stack([joint(q_0, K) for K in K_y])

@with_label("=", r"q(x_0) \prod_{t=1}^T q(x_t \mid x_{t-1}, y)", by="the label is given once, and every step may know it", covers="diffusion-conditional-forward")
def forwards_with_label(q_0, q_y): return q_0[:, None] * prod(q_y, 1)


# ---- Why a step back is nearly normal ------------------------------------------------------------------------------------------------------------------
mixed = World("a mixture, and one step of noise",
    K    = size(1, 3),
    w    = tex(r"w_k",      simplex("K")),
    m    = tex(r"m_k",      real("K")),
    v    = tex(r"v_k",      positive("K")),
    xt   = tex(r"x_t",      real()),
    z    = tex("z",         real()),
    beta = tex(r"\beta",    unit()))

def log_normal(x, m, v):
    return -(x - m)**2 / (2 * v) - log(2 * pi * v) / 2

small = Derivation("small steps", mixed)

r"""
A sampler is told no $x_0$. If the data have two heaps, so may $q(x_{t-1} \mid x_t)$. Why is one normal law enough for the model? Take data
from a mixture, measure $x_{t-1}$ from $x_t$ in units of $\sqrt\beta$, and make the step smaller.
"""

@small(r"\sqrt{\beta}\, \frac{q(x_{t-1})\, q(x_t \mid x_{t-1})}{q(x_t)} \text{ at } x_{t-1} = x_t + \sqrt{\beta}\, z", let=r"\sqrt{\beta}\, q(x_{t-1} \mid x_t)")
def by_bayes(w, m, v, xt, z, beta):
    x = xt + sqrt(beta) * z
    return sqrt(beta) * sum(w * exp(log_normal(x, m, v))) * exp(log_normal(xt, sqrt(1 - beta) * x, beta)) / sum(w * exp(log_normal(xt, sqrt(1 - beta) * m, (1 - beta) * v + beta)))

@small("=", r"\sqrt{\beta}\, \sum_k r_k\, \mathcal{N}(x_{t-1}; \mu_k, s_k^2) \text{, } r_k \text{ the responsibilities for } x_t", by="every component undoes its own noise, as data of one normal law do")
def still_mixed(w, m, v, xt, z, beta):
    r, s2 = w * exp(log_normal(xt, sqrt(1 - beta) * m, (1 - beta) * v + beta)), 1 / ((1 - beta) / beta + 1 / v)
    return sqrt(beta) * sum(r / sum(r) * exp(log_normal(xt + sqrt(beta) * z, s2 * (sqrt(1 - beta) / beta * xt + m / v), s2)))

@small("->", r"\frac{1}{\sqrt{2 \pi}} \exp\left(-\frac{z^2}{2}\right)", as_="beta", order=0.5, by="in so small a step no law has room to bend: the way back is nearly normal, whatever the data",
       where=lambda xt, m, v, z: (abs(m) < abs(xt)).all() & (abs(xt - m) < 8 * v).all() & (z != 0), covers="diffusion-reverse-small-beta")
def nearly_normal(z): return 1 / sqrt(2 * pi) * exp(-z**2 / 2)


# ---- How wide a step back is ---------------------------------------------------------------------------------------------------------------------------
def markov(first, var, a, c, noise):
    """Mean [T + 1], covariance and its inverse of y_0 ~ N(first, var), y_i = a_i y_{i-1} + c_i + N(0, noise_i)."""
    n, var = len(a) + 1, concatenate([var * ones(1), noise])
    N = eye(n) - eye(n, k=-1) * concatenate([a, zeros(1)])
    M = inv(N)
    return M @ concatenate([first * ones(1), c]), (M * var) @ M.T, (N.T / var) @ N

normal = World("normal data and a network that is linear in x_t", base=sampler,
    T      = size(1, 4),
    m      = tex(r"m",                   real()),
    v      = tex(r"v",                   positive()),
    k      = tex(r"k_t",                 real("T")),
    d      = tex(r"d_t",                 real("T")),
    btilde = let(r"\tilde\beta_t",       lambda abar_1, abar, beta: (1 - abar_1) / (1 - abar) * beta),
    b_c    = let(r"\tilde\beta'_t",      lambda btilde, beta: concatenate([concatenate([btilde[1:], beta])[:1], btilde[1:]])),           # that of t = 2 at t = 1
    V      = let(r"V",                   lambda abar, v: abar * v + 1 - abar),                                         # variances of x_t, x_{t-1}
    V_1    = let(r"V_{t-1}",             lambda abar_1, v: abar_1 * v + 1 - abar_1),
    k_star = let(r"k^*",                 lambda abar, V: sqrt(1 - abar) / V),
    d_star = let(r"d^*",                 lambda k_star, abar, m: -k_star * sqrt(abar) * m),
    v_star = let(r"v^*",                 lambda alpha, beta, V_1: 1 / (alpha / beta + 1 / V_1)),
    a_p    = let(r"a_\theta",            lambda alpha, beta, abar, k: (1 - beta * k / sqrt(1 - abar)) / sqrt(alpha)),  # mu_theta = a x_t + c
    c_p    = let(r"c_\theta",            lambda alpha, beta, abar, d: -beta * d / sqrt(1 - abar) / sqrt(alpha)),
    mu_q   = let(r"\mu_q",               lambda m, v, alpha, beta: markov(m, v, sqrt(alpha), 0 * beta, beta)[0]),
    S_q    = let(r"\Sigma_q",            lambda m, v, alpha, beta: markov(m, v, sqrt(alpha), 0 * beta, beta)[1]),
    mu_p   = let(r"\mu_p",               lambda a_p, c_p, s2: flip(markov(0, 1, flip(a_p), flip(c_p), flip(s2))[0])),
    S_p    = let(r"\Sigma_p",            lambda a_p, c_p, s2: flip(markov(0, 1, flip(a_p), flip(c_p), flip(s2))[1])),
    J_p    = let(r"J_p",                 lambda a_p, c_p, s2: flip(markov(0, 1, flip(a_p), flip(c_p), flip(s2))[2])),          # the inverse of Sigma_p
    lam    = let(r"\lambda_t",           lambda beta, s2, alpha, abar: beta**2 / (2 * s2 * alpha * (1 - abar))),
    miss   = let(r"\mathbb{E}\left(\epsilon - \epsilon_\theta\right)^2", lambda k, d, m, v, abar: (k * sqrt(abar) * m + d)**2 + (1 - k * sqrt(1 - abar))**2 + k**2 * abar * v),
    nodes  = let(r"\text{nodes}",        lambda: sqrt(3) * array([1., 0, 0, 0, 0, -1])),                               # with a normal's moments up to the fifth
    x0s    = let(r"x_0^{1:N}",           lambda m, v, nodes: reshape(repeat(sqrt(v) * nodes + m, 6), (18, 2))),         # 18 images of two pixels, all pairs
    es     = let(r"\epsilon^{1:N}",      lambda nodes: reshape(broadcast_to(nodes, (6, 6)), (18, 2))),                  # of nodes among them
    zs     = let(r"z^{1:N}",             lambda T: (T + 1)**0.5 * concatenate([eye(T + 1), -eye(T + 1)])))              # with the means and covariances of T + 1 normals

linear_net = Derivation("linear_net", normal)

r"""
How large should $\sigma_t^2$ be? Let the data be normal, with mean $m$ and variance $v$. Then the true step back is normal too, without
anybody telling $x_0$, and its variance is known. $V_{t-1}$ is the variance of $x_{t-1}$.
"""

@linear_net(r"\frac{1}{\frac{\alpha_t}{\beta_t} + \frac{1}{V_{t-1}}}", let=r"v^* \text{, the variance of } x_{t-1} \mid x_t")
def true_variance(alpha, beta, V_1): return 1 / (alpha / beta + 1 / V_1)

@linear_net("<=", r"\beta_t", by="of all normal data with variance at most 1 it is largest for N(0, 1)", where=lambda v: v <= 1,
            gap=lambda alpha, beta, V_1: beta**2 * (1 - V_1) / (alpha * V_1 + beta), tight=dict(v=lambda v: 0 * v + 1), covers="diffusion-noise-variance-choice")
def at_most(beta): return beta

@linear_net(">=", r"\frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}\,\beta_t", to=true_variance, by="and smallest for data in one point", tight=dict(v=lambda v: 0 * v),
            covers="diffusion-noise-variance-choice")
def no_less(abar_1, abar, beta): return (1 - abar_1) / (1 - abar) * beta

"""
These two ends are what models choose from. The lower one is 0 at $t = 1$, and the bound cannot use a normal law of variance 0; the third
choice has the value of $t = 2$ there.
"""

@linear_net(r"\left(\beta_t,\ \frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}\,\beta_t,\ \tilde\beta'_t\right)")
def choices(beta, abar_1, abar, b_c): return beta, (1 - abar_1) / (1 - abar) * beta, b_c

@linear_net("=", r"\operatorname{VARIANCES}(\beta_t)", by="the table that models choose from")
def variances_called(beta): return tuple(choose(schedule(beta)) for choose in model.VARIANCES.values())


# ---- The bound, for normal data ------------------------------------------------------------------------------------------------------------------------
r"""
For normal data a straight line is the best network, so let it be one: $\epsilon_\theta = k_t x_t + d_t$. Then there and back both are
normal laws of $T + 1$ numbers, and $L$ is [a KL between them](divergences.full_closed) plus the entropy of the data. The code adds up
steps; it has to find the same.
"""

@linear_net(r"\frac{1}{2}\left(\operatorname{tr}(J_p \Sigma_q) + (\mu_p - \mu_q)^\top J_p (\mu_p - \mu_q) - (T + 1) - \log\det J_p - \log\det \Sigma_q\right) + \frac{1}{2}\left(1 + \log 2 \pi v\right)",
            let=r"L = \mathrm{KL}(q(x_{0:T}) \,\Vert\, p_\theta(x_{0:T})) + \mathrm{H}(q(x_0))")
def normal_bound(J_p, S_q, mu_p, mu_q, T, v): return 1 / 2 * (trace(J_p @ S_q) + (mu_p - mu_q) @ J_p @ (mu_p - mu_q) - (T + 1) - logdet(J_p) - logdet(S_q)) + 1 / 2 * (1 + log(2 * pi * v))

@linear_net("=", r"\operatorname{bound}(x_0^{1:N}, \epsilon^{1:N})", by="term by term, as models are measured: means over the batch are exact, and a sum over two pixels is twice one",
            tol=(1e-11, "the bound between two joint laws that lie far apart"))
def terms(x0s, es, k, d, s2, beta):
    return mean(model.bound(model.fixed(lambda x, t: k[t - 1] * x + d[t - 1], s2), x0s, lambda t: es, schedule(beta))) / 2

@linear_net("=", r"\frac{1}{T} \sum_{t=1}^T \operatorname{bound}(x_0^{1:N}, \epsilon^{1:N}, T)", by="and with one random step for all T of them: right on the mean, at a T-th of the cost")
def one_for_all(x0s, es, k, d, s2, beta, T):
    return 1 / T * sum(stack([mean(model.bound(model.fixed(lambda x, t: k[t - 1] * x + d[t - 1], s2), x0s, lambda t: es, schedule(beta), None, {t: T})) / 2
                              for t in range(1, T + 1)]))

"""
Diffusion was to be a hierarchy with a fixed $q$. So give this chain to [the function that trains hierarchies](hierarchical.markov_trained).
It has never heard of diffusion, and it has to say the same, but for the sign.
"""

@linear_net("=", r"-\operatorname{markovelbo}(x_0^{1:N}, z_{1:T}^{1:N}, q_{1:T}, p_{1:T-1}, \mathrm{decode})", to=normal_bound,
            by="a hierarchical VAE whose z_t is x_t, as large as x_0, and whose q has nothing to learn: the function that trains those", covers="diffusion-hvae-special-case",
            tol=(1e-11, "the bound between two joint laws that lie far apart"))
def hierarchical_called(zs, m, v, k, d, s2, beta, T):
    s = schedule(beta)
    q = [lambda x, t=t: (sqrt(1 - beta[t]) * x, log(beta[t]) + 0 * x) for t in range(T)]
    p = [lambda x, t=t: (model.mean_from_eps(x, t + 1, k[t] * x + d[t], s), log(s2[t]) + 0 * x) for t in range(T)]
    return -levels.markov_elbo(m + sqrt(v) * zs[:, :1], [zs[:, t:t + 1] for t in range(1, T + 1)], q, p[1:], p[0])

@linear_net(">=", r"\frac{1}{2}\left(1 + \log 2 \pi v\right) + \frac{1}{2}\left(\bar\alpha_T m^2 + V_T - 1 - \log V_T\right)", to=normal_bound,
            by="every step undone exactly: the entropy of the data, and what x_T still is of them", tight=dict(k="k_star", d="d_star", s2="v_star"))
def best_bound(v, abar_T, m, V): return 1 / 2 * (1 + log(2 * pi * v)) + 1 / 2 * (abar_T * m**2 + V[-1] - 1 - log(V[-1]))

@linear_net("= + const", r"\sum_{t=1}^T \lambda_t\, \mathbb{E}\left(\epsilon - \epsilon_\theta\right)^2", to=normal_bound, vary="k d", by="all that the network changes: squared misses, weighted, t = 1 among them",
            tol=(1e-9, "two joint laws that lie far apart: the bound is a difference of large numbers"), covers="ddpm-weighted-objective")
def weighted_sum(lam, miss): return sum(lam * miss)


# ---- The simple loss -----------------------------------------------------------------------------------------------------------------------------------
r"""
Without the weights $\lambda_t$ it is the mean square of what the guess misses. Every step has a $k_t$ and a $d_t$ of its own, so each can
be the best for its step: the weights do not change who wins, only who is heard while learning.
"""

@linear_net(r"\frac{1}{T}\sum_{t=1}^T \mathbb{E}\left(\epsilon - \epsilon_\theta\right)^2", let=r"L_{\mathrm{simple}}", covers="ddpm-lsimple diffusion-unconditional-model-loss")
def simple(T, miss): return 1 / T * sum(miss)

@linear_net("argmin", r"-k_t \sqrt{\bar\alpha_t}\, m", of=simple, over="d", by="the mean of the noise is 0")
def best_offset(k, abar, m): return -k * sqrt(abar) * m

@linear_net("argmin", r"\frac{\sqrt{1 - \bar\alpha_t} - d_t \sqrt{\bar\alpha_t}\, m}{V_t + \bar\alpha_t m^2}", of=simple, over="k",
            by="the regression of epsilon on x_t: with the best offset k* = sqrt(1 - abar) / V, so that the network is E[epsilon | x_t]")
def best_slope(abar, d, m, V): return (sqrt(1 - abar) - d * sqrt(abar) * m) / (V + abar * m**2)

@linear_net("=", r"\operatorname{simpleloss}(x_0^{1:N}, t, \epsilon^{1:N})", to=simple, by="what training lowers: a step for every image of two pixels")
def simple_called(x0s, es, k, d, beta, T):
    t = repeat(arange(1, T + 1), 18)
    x, eps = (reshape(broadcast_to(a, (T, 18, 2)), (-1, 2)) for a in (x0s, es))
    return 1 / 2 * model.simple_loss(lambda x, t: k[t - 1][:, None] * x + d[t - 1][:, None], x, t, eps, schedule(beta))

"""
Training goes down the gradient of this loss. Here that gradient is taken by hand, and held against the one that the tape computes.
"""

@linear_net(r"\nabla_{k_t} \frac{1}{T} \sum_{t=1}^T \left(\left(k_t \sqrt{\bar\alpha_t}\, m + d_t\right)^2 + \left(1 - k_t \sqrt{1 - \bar\alpha_t}\right)^2 + k_t^2\, \bar\alpha_t v\right)", let=r"\nabla_{k_t} L_{\mathrm{simple}}")
def slope(T, k, abar, m, d, v): return words.D(lambda k: 1 / T * sum((k * sqrt(abar) * m + d)**2 + (1 - k * sqrt(1 - abar))**2 + k**2 * abar * v), k)

@linear_net("=", r"\operatorname{grad}(\operatorname{simpleloss})(k_t)", by="the step that training takes, by reverse mode", covers="alg-ddpm-training:1-4")
def slope_called(x0s, es, k, d, beta, T):
    t = repeat(arange(1, T + 1), 18)
    x, eps = (reshape(broadcast_to(a, (T, 18, 2)), (-1, 2)) for a in (x0s, es))
    return autodiff.grad(lambda k: 1 / 2 * model.simple_loss(lambda x, t: k[t - 1][:, None] * x + d[t - 1][:, None], x, t, eps, schedule(beta)))(k)

@linear_net(r"\frac{2}{T} \left(k_t \sqrt{\bar\alpha_t}\, m + d_t\right)", let=r"\nabla_{d_t} L_{\mathrm{simple}}")
def slope_offset(T, k, abar, m, d): return 2 / T * (k * sqrt(abar) * m + d)

@linear_net("=", r"\operatorname{grad}(\operatorname{simpleloss})(d_t)", by="and the step that the offset takes", covers="alg-ddpm-training:1-4")
def slope_offset_called(x0s, es, k, d, beta, T):
    t = repeat(arange(1, T + 1), 18)
    x, eps = (reshape(broadcast_to(a, (T, 18, 2)), (-1, 2)) for a in (x0s, es))
    return autodiff.grad(lambda d: 1 / 2 * model.simple_loss(lambda x, t: k[t - 1][:, None] * x + d[t - 1][:, None], x, t, eps, schedule(beta)))(d)


# ---- The sampler from end to end -----------------------------------------------------------------------------------------------------------------------
"""
All steps of [the sampler](diffusion.back_step), one after another. With a linear network $x_0$ is linear in all the normal numbers that
went in. Set all of them to 0: that gives the mean. Set one of them to 1, each in turn: the squares of what it changes add up to the
variance.
"""

@linear_net(r"\left(\mu_p|_{0},\ \Sigma_p|_{0} - \sigma_t^2|_{t=1}\right)", let=r"\text{mean and variance of } \mathbb{E}\left[x_0 \mid x_1\right] \text{ under } p_\theta")
def no_last_noise(mu_p, S_p, s2): return mu_p[0], S_p[0, 0] - s2[0]

@linear_net("=", r"\operatorname{sample}(x_T, z_{T:2})", by="Algorithm 2, from x_T = 0 and then with each of its normals set to 1 alone: it is linear in them", covers="alg-ddpm-sampling:1-4")
def algorithm(k, d, s2, beta, T):
    one = eye(T + 1)
    x_0 = model.sample(model.fixed(lambda x, t: k[t - 1] * x + d[t - 1], s2), one[0], lambda t: one[t - 1], schedule(beta))
    return x_0[-1], sum((x_0[:-1] - x_0[-1])**2)


# ---- A loss that learns variances ----------------------------------------------------------------------------------------------------------------------
hybrid_world = World("normal data, and a linear network that says variances too", base=normal,
    u      = tex("u",                    unit("T")),
    weight = tex(r"\lambda",             positive()),
    s2     = let(r"\sigma_t^2",          lambda beta, u, b_c: beta**u * b_c**(1 - u)),
    L_T    = let(r"L_T",                 lambda abar_T, m, v: 1 / 2 * (abar_T * (m**2 + v) - abar_T - log(1 - abar_T))),
    L      = let(r"L",                   lambda J_p, S_q, mu_p, mu_q, T, v: 1 / 2 * (trace(J_p @ S_q) + (mu_p - mu_q) @ J_p @ (mu_p - mu_q) - T - logdet(J_p) - logdet(S_q) + log(2 * pi * v))))

hybrid = Derivation("hybrid", hybrid_world)

def hybrid_loss(k, d, u, weight, x0s, es, beta, T):
    """The mean over all steps and a batch with the moments of the normal laws, for one of two pixels."""
    t = repeat(arange(1, T + 1), 18)
    x, eps = (reshape(broadcast_to(a, (T, 18, 2)), (-1, 2)) for a in (x0s, es))
    p_theta = model.learned(lambda x, t: (k[t - 1][:, None] * x + d[t - 1][:, None], u[t - 1][:, None]), schedule(beta))
    return 1 / 2 * model.hybrid_loss(p_theta, x, t, eps, weight, schedule(beta))

r"""
The simple loss cannot teach $\sigma_t^2$, for it is not in there. In the bound it is. So add a little of the bound, and do not let that
part speak to the network that guesses the noise.
"""

@hybrid(r"\frac{1}{T}\sum_{t=1}^T \mathbb{E}\left(\epsilon - \epsilon_\theta\right)^2 + \lambda \left(L - L_T\right)", let=r"L_{\mathrm{hybrid}}")
def both_losses(T, miss, weight, L, L_T): return 1 / T * sum(miss) + weight * (L - L_T)

@hybrid("=", r"\operatorname{hybridloss}(x_0^{1:N}, t, \epsilon^{1:N})", by="one random step is T times a mean over the steps", tol=(1e-11, "the bound between two joint laws that lie far apart"))
def hybrid_called(k, d, u, weight, x0s, es, beta, T): return hybrid_loss(k, d, u, weight, x0s, es, beta, T)

"""
Who learns from which part? Ask the gradients.
"""

@hybrid(r"\left(\nabla_{k_t} L_{\mathrm{simple}},\ \frac{\lambda}{2} \left(\log \beta_t - \log \tilde\beta'_t\right) \left(1 - \frac{\tilde\beta_t}{\sigma_t^2} - 2 \lambda_t\, \mathbb{E}\left(\epsilon - \epsilon_\theta\right)^2\right)\right)")
def hybrid_slopes(T, k, abar, m, d, v, weight, beta, b_c, btilde, s2, lam, miss):
    of_k = words.D(lambda k: 1 / T * sum((k * sqrt(abar) * m + d)**2 + (1 - k * sqrt(1 - abar))**2 + k**2 * abar * v), k)
    return of_k, weight / 2 * (log(beta) - log(b_c)) * (1 - btilde / s2 - 2 * lam * miss)

@hybrid("=", r"\left(\operatorname{grad}(\operatorname{hybridloss})(k_t),\ \operatorname{grad}(\operatorname{hybridloss})(u)\right)", by="the noise is learned as if there were no bound, and variances by the bound alone",
        tol=(1e-11, "the bound between two joint laws that lie far apart"))
def hybrid_slopes_called(k, d, u, weight, x0s, es, beta, T):
    return autodiff.grad(lambda k: hybrid_loss(k, d, u, weight, x0s, es, beta, T))(k), autodiff.grad(lambda u: hybrid_loss(k, d, u, weight, x0s, es, beta, T))(u)


# ---- Data in whole levels ------------------------------------------------------------------------------------------------------------------------------
screen = World("a noising chain of data in whole levels", base=chain,
    levels = size(2, 5),
    level  = tex("k",                        index("levels")),
    x0     = let(r"x_0",                     lambda level, levels: 2 * level / (levels - 1) - 1),
    low    = let(r"x_-",                     lambda level, x0, levels: where(level > 0, x0 - 1 / (levels - 1), -float("inf"))),         # where the level's bin begins and ends
    high   = let(r"x_+",                     lambda level, x0, levels: where(level < levels - 1, x0 + 1 / (levels - 1), float("inf"))),
    mu_1   = let(r"\mu_\theta(x_1)",         lambda xt, eps_hat, beta: ((xt - sqrt(beta) * eps_hat) / sqrt(1 - beta))[0]),
    s_1    = let(r"\sigma_1",                lambda s2: sqrt(s2)[0]),
    p_1    = let(r"P_\theta(x_0 \mid x_1)",  lambda high, mu_1, s_1, low: autodiff.ndtr((high - mu_1) / s_1) - autodiff.ndtr((low - mu_1) / s_1)),
    L_T    = let(r"L_T",                     lambda abar, x0: 1 / 2 * (abar[-1] * x0**2 - abar[-1] - log(1 - abar[-1]))),
    lam    = let(r"\lambda_t",               lambda beta, s2, alpha, abar: (beta**2 / (2 * s2 * alpha * (1 - abar)))[1:]),
    miss   = let(r"\delta_t",                lambda eps, eps_hat: ((eps - eps_hat)**2)[1:]),                              # lambda, delta, rho: at t > 1
    rho    = let(r"\rho_t",                  lambda abar_1, abar, beta, s2: ((1 - abar_1) / (1 - abar) * beta / s2)[1:]))

in_levels = Derivation("in whole levels", screen, where=lambda p_1: p_1 > 1e-3)

"""
A pixel is a whole number, but a density can be as high as you like at a point, and so no fair price. So the last term takes the mass
between half a level below and half a level above. The outermost levels take all that lies beyond them.
"""

@in_levels(r"L_T + \sum_{t > 1} \left(\lambda_t \delta_t + \frac{\rho_t - 1 - \log \rho_t}{2}\right) - \log P_\theta(x_0 \mid x_1)", let=r"\text{with } \delta_t = \left(\epsilon - \epsilon_\theta\right)^2 \text{ and } \rho_t = \tilde\beta_t / \sigma_t^2")
def level_terms(L_T, lam, miss, rho, p_1): return L_T + sum(lam * miss + (rho - 1 - log(rho)) / 2) - log(p_1)

@in_levels("=", r"\operatorname{bound}(x_0, \epsilon)", by="the mass in the level's bin ends the bound: nats for whole levels, to be compared with those of any other model")
def terms_levels(x0, eps, eps_hat, s2, beta, levels):
    p_theta = model.fixed(lambda x, t: eps_hat[t - 1] + 0 * x, s2)
    return model.bound(p_theta, x0[None, None], lambda t: eps[t - 1] + 0 * x0[None, None], schedule(beta), levels)[0]


# ---- The whole sampler ---------------------------------------------------------------------------------------------------------------------------------
some_steps = World("normal data, a linear network and some of the steps", base=normal,
    taken  = tex(r"\text{taken}",        index(2, "T")),
    eta    = tex(r"\eta",                unit(closed=True)))

def some(taken):
    """The steps that are taken, from the last down, which always is."""
    T = len(taken)
    return [t for t in range(T, 0, -1) if t == T or taken[t - 1]]

def pairs(taken, abar):
    """(t, abar_t, abar_r) of every step taken and the one after it."""
    return [(t, abar[t - 1], abar[r - 1] if r else 1.0) for t, r in zip(some(taken), (*some(taken)[1:], 0))]

whole = Derivation("the whole sampler", some_steps)

"""
The sampler that skips steps, from end to end: normal numbers go in, the network is linear, so $x_0$ is normal too. Carry mean and variance
through the steps that are taken, and compare.
"""

@whole(r"\text{mean and variance of } x_0 \text{ for } x_T \sim \mathcal{N}(0, 1) \text{, one step after another}")
def recursion(k, d, abar, taken, eta):
    centre, var = 0.0, 1.0
    for t, abar_t, abar_r in pairs(taken, abar):
        sigma2 = eta**2 * (1 - abar_r) / (1 - abar_t) * (1 - abar_t / abar_r)
        a, c   = sqrt(abar_r / abar_t), (1 - abar_r - sigma2)**0.5 - sqrt(abar_r / abar_t) * sqrt(1 - abar_t)
        centre, var = (a + c * k[t - 1]) * centre + c * d[t - 1], (a + c * k[t - 1])**2 * var + sigma2
    return centre, var

@whole("=", r"\operatorname{ddimsample}(x_T, z)", by="the sampler, from x_T = 0 and then with each of its normals set to 1 alone: it is linear in them")
def ddim_algorithm(k, d, taken, eta, beta, T):
    one = eye(T + 2)
    x_0 = faster.ddim_sample(lambda x, t: k[t - 1] * x + d[t - 1], one[0], lambda t: one[t], some(taken), eta, schedule(beta))
    return x_0[-1], sum((x_0[:-1] - x_0[-1])**2)

"""
Without fresh noise the sampler is a map from $x_T$ to $x_0$. Which one? Take the best network, move $x_T$ a little, and see how far $x_0$
goes with it.
"""

@whole(r"\prod_{t=1}^T \frac{\sqrt{\bar\alpha_{t-1} \bar\alpha_t}\, v + \sqrt{(1 - \bar\alpha_{t-1}) (1 - \bar\alpha_t)}}{V}", let=r"\text{how far } x_0 - m \text{ follows } x_T \text{ at } \eta = 0")
def followed(abar_1, abar, v, V): return prod((sqrt(abar_1 * abar) * v + sqrt((1 - abar_1) * (1 - abar))) / V)

@whole("=", r"\nabla_{x_T} \operatorname{ddimsample}(x_T)", by="with the best network; for v = 1 the cosines of the angles between the steps, whose product is nearly 1 where they are many")
def followed_called(k_star, d_star, beta, T, m, abar_T):
    x_T = sqrt(abar_T) * m + array([1., 0])
    x_0 = faster.ddim_sample(lambda x, t: k_star[t - 1] * x + d_star[t - 1], x_T, lambda t: 0, range(T, 0, -1), 0, schedule(beta))
    return x_0[0] - x_0[1]

@whole(r"m", let=r"\text{where it takes the middle of } q(x_T)")
def middle(m): return m

@whole("=", r"\operatorname{ddimsample}\left(\sqrt{\bar\alpha_T}\, m\right)", by="the middle of the data, in however many steps")
def middle_called(k_star, d_star, beta, T, m, abar_T):
    return faster.ddim_sample(lambda x, t: k_star[t - 1] * x + d_star[t - 1], sqrt(abar_T) * m, lambda t: 0, range(T, 0, -1), 0, schedule(beta))

"""
Such a map can be run the other way, from an image to the noise that it comes from. Only the network would have to be asked at a point not
yet known. It is asked at the one before.
"""

@whole(r"\text{the steps of } \eta = 0 \text{ taken back, the network asked one step too early}")
def taken_back(x0s, k, d, abar, taken):
    x = x0s
    for t, abar_t, abar_r in pairs(taken, abar)[::-1]:
        eps = k[t - 1] * x + d[t - 1]
        x   = sqrt(abar_t) * (x - (1 - abar_r)**0.5 * eps) / abar_r**0.5 + sqrt(1 - abar_t) * eps
    return x

@whole("=", r"\operatorname{ddimencode}(x_0^{1:N})", by="what makes of data the noise that they come from")
def ddim_encoded(x0s, k, d, taken, beta): return faster.ddim_encode(lambda x, t: k[t - 1] * x + d[t - 1], x0s, some(taken), schedule(beta))


# ---- A network that is told the label ------------------------------------------------------------------------------------------------------------------
classes = World("normal data for every label, and a network that is linear in x_t", base=chain,
    T      = size(1, 3),
    Y      = size(1, 3),
    m      = tex(r"m_y",                 real("Y")),
    v      = tex(r"v_y",                 positive("Y")),
    k      = tex(r"k_{y t}",             real("Y", "T")),
    d      = tex(r"d_{y t}",             real("Y", "T")),
    nodes  = let(r"\text{nodes}",        lambda: sqrt(3) * array([1., 0, 0, 0, 0, -1])),                               # as above
    x0s    = let(r"x_0^{1:N}",           lambda m, v, nodes: reshape(sqrt(v)[:, None] * repeat(nodes, 6) + m[:, None], (-1, 18, 2))),
    es     = let(r"\epsilon^{1:N}",      lambda nodes: reshape(broadcast_to(nodes, (6, 6)), (18, 2))))

conditional = Derivation("with labels", classes)

"""
Tell the network which digit it is looking at. The loss stays what it was. In this world every label has a straight line of its own,
$k_{y t}$ and $d_{y t}$, so we can see that none learns from another.
"""

@conditional(r"\frac{1}{Y T} \sum_{y, t} \left(\left(k_{y t} \sqrt{\bar\alpha_t}\, m_y + d_{y t}\right)^2 + \left(1 - k_{y t} \sqrt{1 - \bar\alpha_t}\right)^2 + k_{y t}^2\, \bar\alpha_t v_y\right)",
             let=r"\mathbb{E}_{(x_0, y), t, \epsilon}\left(\epsilon - \epsilon_\theta(x_t, y, t)\right)^2")
def simple_of_classes(Y, T, k, abar, m, d, v):
    return 1 / (Y * T) * sum((k * sqrt(abar) * m[:, None] + d)**2 + (1 - k * sqrt(1 - abar))**2 + k**2 * abar * v[:, None])

@conditional("=", r"\operatorname{simpleloss}(x_0^{1:N}, t, \epsilon^{1:N})", by="the same loss, of a network that is told the label", covers="diffusion-conditional-model-loss")
def simple_of_classes_called(x0s, es, k, d, beta, Y, T):
    x, eps = (reshape(broadcast_to(a, (Y, T, 18, 2)), (-1, 2)) for a in (x0s[:, None], es))
    y, t   = repeat(arange(Y), T * 18), reshape(broadcast_to(repeat(arange(1, T + 1), 18), (Y, T * 18)), (-1,))
    return 1 / 2 * model.simple_loss(lambda x, t: k[y, t - 1][:, None] * x + d[y, t - 1][:, None], x, t, eps, schedule(beta))

@conditional("argmin", r"-k_{y t} \sqrt{\bar\alpha_t}\, m_y", of=simple_of_classes, over="d", by="the mean of the noise given x_t and y: every label is learned for itself")
def best_offsets(k, abar, m): return -k * sqrt(abar) * m[:, None]


# ---- Guidance ------------------------------------------------------------------------------------------------------------------------------------------
def log_label(x, p_y, m, v):
    """log p(y | x), by Bayes' rule [Y]."""
    joint = p_y * exp(log_normal(x, m, v))
    return log(joint / sum(joint))

labelled = World("a normal law for every label",
    Y     = size(1, 3),
    p_y   = tex(r"p(y)",                  simplex("Y")),
    m     = tex(r"m_y",                   real("Y")),
    v     = tex(r"v_y",                   positive("Y")),
    xt    = tex(r"x_t",                   real()),
    abar  = tex(r"\bar\alpha_t",          unit()),
    w     = tex(r"w",                     real()),
    g_x_y = let(r"\nabla \log p(x_t \mid y)",   lambda xt, m, v: words.D(lambda x: log_normal(x, m, v), xt)),
    g_x   = let(r"\nabla \log p(x_t)",          lambda xt, m, v, p_y: words.D(lambda x: log(sum(p_y * exp(log_normal(x, m, v)))), xt)),
    g_y_x = let(r"\nabla \log p(y \mid x_t)",   lambda xt, m, v, p_y: words.D(lambda x: log_label(x, p_y, m, v), xt)),
    eps_y = let(r"\epsilon_\theta(x_t, y)",     lambda abar, g_x_y: -sqrt(1 - abar) * g_x_y),
    eps_0 = let(r"\epsilon_\theta(x_t)",        lambda abar, g_x: -sqrt(1 - abar) * g_x))

guidance = Derivation("guidance", labelled, where=lambda p_y: (p_y > 0).all())

r"""
We want samples of class $y$. The *score*, the slope of $\log p$ in $x_t$, points to where such data are. Bayes' rule splits it in two:
towards data of any kind, and towards what a classifier takes for $y$.
"""

@guidance(r"\nabla \log p(x_t \mid y)")
def score_of_class(g_x_y): return g_x_y

@guidance("=", r"\nabla \log p(x_t) + \nabla \log p(y \mid x_t)", by="Bayes' rule; p(y) has no slope in x", covers="classifier-guidance")
def by_classifier(g_x, g_y_x): return g_x + g_y_x

"""
Now overdo it, and count the classifier's part $1 + w$ times. That seems to ask for a classifier of noisy images. Watch it go.
"""

@guidance(r"-\sqrt{1 - \bar\alpha_t}\left(\nabla \log p(x_t \mid y) + w\, \nabla \log p(y \mid x_t)\right)", let=r"\hat\epsilon \text{, of } p(x \mid y)\, p(y \mid x)^w")
def sharper(abar, g_x_y, w, g_y_x): return -sqrt(1 - abar) * (g_x_y + w * g_y_x)

@guidance("=", r"\epsilon_\theta(x_t, y) - w \sqrt{1 - \bar\alpha_t}\, \nabla \log p(y \mid x_t)", by="epsilon is the score times -sqrt(1 - abar)")
def pushed(eps_y, w, abar, g_y_x): return eps_y - w * sqrt(1 - abar) * g_y_x

@guidance("=", r"(1 + w)\, \epsilon_\theta(x_t, y) - w\, \epsilon_\theta(x_t)", by="the classifier's slope is the difference of two scores: no classifier is needed", covers="classifier-free-guidance")
def free(w, eps_y, eps_0): return (1 + w) * eps_y - w * eps_0

@guidance("=", r"\epsilon_\theta(x_t) + (1 + w) \left(\epsilon_\theta(x_t, y) - \epsilon_\theta(x_t)\right)", by="other sources call s = 1 + w the scale")
def scaled(eps_0, w, eps_y): return eps_0 + (1 + w) * (eps_y - eps_0)

@guidance("=", r"\operatorname{guided}(\epsilon_\theta(x_t, y), \epsilon_\theta(x_t), w)", by="what samplers call")
def free_called(eps_y, eps_0, w): return model.guided(eps_y, eps_0, w)
