r"""Scores.   Hyvärinen 2005, Vincent 2011, Song, Garg, Shi and Ermon 2019, Song and Ermon 2019, 2020   worlds: mixtures on a fine grid; a few data points under normal noise; normal laws and all of their moments

A law has to sum to one, and that sum is what nobody can do. Its slope need not sum to anything: wherever you stand, it
says which way is up. Can a slope be learned from data alone, and is it enough to draw more of them?
"""
from derivations import Derivation, World, let, positive, real, simplex, size, tex, unit
from derivations import diffusion, mixtures
from derivations.engine.words import D, E, T, arange, array, cholesky, concatenate, einsum, exp, eye, gaussian, inv, log, mean, ones, pi, ratio, repeat, reshape, sqrt, stack, sum, trace
from derivations.vae import normals
from scratch.autodiff import grad, softmax
from scratch.diffusion import ddpm, scores
from scratch.diffusion.schedules import schedule
from scratch.energies import langevin
from scratch.mixtures import gmm


def N(x, mu, v):
    """The normal density on the line."""
    return exp(-(x - mu)**2 / (2 * v)) / sqrt(2 * pi * v)


def column(x):
    """Numbers as points of one coordinate."""
    return reshape(x, (-1, 1))


# ---- Which way is up -------------------------------------------------------------------------------------------------
mixed = World("a mixture and a few points",
    N_x    = size(1, 3),
    K      = size(1, 3),
    P      = size(1, 2),
    c      = tex(r"c",             unit()),
    sigma  = tex(r"\sigma",        positive()),
    x      = tex(r"x_n",           real("N_x", "P")),
    pi_    = tex(r"\pi_k",         simplex("K")),
    mu     = tex(r"\mu_k",         real("K", "P")),
    A      = tex(r"A_k",           real("K", "P", "P")),
    Sigma  = let(r"\Sigma_k",      lambda A: tilted(A)),
    p      = let(r"p(x_n)",        lambda x, pi_, mu, Sigma: sum(pi_ * mixtures.N(x, mu, Sigma), 1)),
    gamma  = let(r"\gamma_{nk}",   lambda x, pi_, mu, Sigma, p: ratio(pi_ * mixtures.N(x, mu, Sigma), p[:, None])),
    noisy  = let(r"d_k",           lambda Sigma, sigma: shaken(Sigma, sigma)))                                     # [K, 6^2P, P], around mu_k


def tilted(A):
    """A covariance out of any square matrix."""
    return A @ T(A) + eye(A.shape[-1]) / 2


def shaken(Sigma, sigma):
    """Points around 0 that have the moments of a normal law with covariance Sigma, and noise on them."""
    P = Sigma.shape[-1]
    return normals(2 * P)[:, :P] @ T(cholesky(Sigma)) + sigma * normals(2 * P)[:, P:]


slope = Derivation("the slope", mixed)

r"""
The *score* of a law at $x$ is $\nabla_x \log p(x)$: an arrow that points to where $p$ grows, as long as the share by which
it grows per step. Take [a mixture](mixtures.likelihood), whose law we know, and look at a few points in it.
"""

@slope(r"\nabla_{x_n} \sum_n \log \sum_k \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)", let=r"s(x_n)", covers="score-definition")
def mixture_score(x, pi_, mu, Sigma): return D(lambda x: sum(log(sum(pi_ * mixtures.N(x, mu, Sigma), 1))), x)

@slope("=", r"\nabla_{x_n} \sum_n \log c \sum_k \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)", by="the logarithm of a factor has no slope: a law known up to Z has a score known outright")
def mixture_scaled(x, c, pi_, mu, Sigma): return D(lambda x: sum(log(c * sum(pi_ * mixtures.N(x, mu, Sigma), 1))), x)

@slope("=", r"\sum_k \gamma_{nk} \Sigma_k^{-1} (\mu_k - x_n)", by="every component pulls to its own mean, with the share that it has in the point", covers="score-definition")
def mixture_pulls(gamma, Sigma, mu, x): return sum(gamma[..., None] * (inv(Sigma) @ (mu - x[:, None])[..., None])[..., 0], 1)

@slope("=", r"\operatorname{score}(x_n, \log \pi_k, \mu_k, \Sigma_k)", by="the truth that learned scores are held against")
def mixture_called(x, pi_, mu, Sigma): return gmm.score(x, log(pi_), mu, Sigma)

# ---- What nobody has to know -----------------------------------------------------------------------------------------
on_line = World("a mixture on the line, on a fine grid, and a parabola in its score's place",
    K      = size(1, 3),
    y      = tex(r"y",                     real()),
    s2     = tex(r"\sigma^2",              positive()),
    pi_    = tex(r"\pi_k",                 simplex("K")),
    mu     = tex(r"\mu_k",                 real("K")),
    v      = tex(r"v_k",                   positive("K")),
    theta  = tex(r"\theta",                real(3)),
    x      = let(r"x",                     lambda: fine()),                                     # so fine that sums over it are integrals
    p      = let(r"p",                     lambda x, pi_, mu, v: sum(pi_ * N(x[:, None], mu, v), 1) / 6),
    g      = let(r"\nabla \log p",         lambda x, pi_, mu, v: pulls(x, pi_, mu, v)),
    s      = let(r"s_\theta",              lambda x, theta: parabola(x, theta)),
    ds     = let(r"s_\theta^{\prime}",     lambda x, theta: theta[1] + 2 * theta[2] * x))


def fine():
    """From far left of all that is seen to far right."""
    return arange(-120, 121) / 6.


def parabola(x, theta):
    """No score of a mixture, unless by chance: a model that has much to learn."""
    return theta[0] + theta[1] * x + theta[2] * x**2


def pulls(x, pi_, mu, v):
    """The score of a mixture on the line."""
    d = mu - x[:, None]
    return sum(softmax(log(pi_) - d**2 / (2 * v) - log(v) / 2, 1) * d / v, 1)


matching = Derivation("matching", on_line)

r"""
Let a network $s_\theta$ say the arrows. How far are they from the true ones? Square the difference, and take half its mean
over $p$: the *Fisher divergence*. That is *explicit score matching*, and a riddle: where should the true arrows come from?
"""

@matching(r"\frac{1}{2} \mathbb{E}_{p}\left[\left(s_\theta - \nabla \log p\right)^2\right]", let=r"\text{the Fisher divergence}", covers="esm-objective")
def explicit(p, s, g): return 1 / 2 * E(p, (s - g)**2)

@matching("=", r"\mathbb{E}_{p}\left[\operatorname{explicit}(s_\theta, x, \nabla \log p)\right]", by="one example's share, for where the truth is known")
def explicit_called(p, x, theta, pi_, mu, v): return E(p, scores.explicit(lambda x: parabola(x, theta), column(x), lambda x: gmm.score(x, log(pi_), mu[:, None], v[:, None, None])))

@matching(">=", r"0", to=explicit, tight=dict(s="g"), by="a square; only the true arrows have none to pay")
def fisher_floor(): return 0

@matching("= + const", r"\mathbb{E}_{p}\left[\frac{1}{2} s_\theta^2 - s_\theta \nabla \log p\right]", to=explicit, vary="theta", by="multiply out: the square of the truth is none of the model's business",
          tol=(1e-10, "differences of large numbers"))
def crossed(p, s, g): return E(p, 1 / 2 * s**2 - s * g)

r"""
Now the step that pays for everything. In $\mathbb{E}_p[s_\theta \nabla \log p]$ the law cancels, $p\, \nabla \log p = \nabla p$,
and a slope under an integral can be handed from one factor to the other, for the price of a sign: *integration by parts*.
"""

@matching("=", r"\mathbb{E}_{p}\left[\frac{1}{2} s_\theta^2 + s_\theta^{\prime}\right]", by="integration by parts; at both ends p is 0", covers="esm-objective")
def implicit(p, s, ds): return E(p, 1 / 2 * s**2 + ds)

@matching("=", r"\mathbb{E}_{p}\left[\operatorname{implicit}(s_\theta, x)\right]", by="no true arrow is left in it: examples are enough")
def implicit_called(p, x, theta): return E(p, scores.implicit(lambda x: parabola(x, theta), column(x)))

r"""
So *implicit score matching* asks for two things: where the data are, arrows should be short, and they should run together
there. What a network learns from it is what it would learn from the truth.
"""

@matching(r"\nabla_\theta \frac{1}{2} \mathbb{E}_{p}\left[\left(\theta_1 + \theta_2 x + \theta_3 x^2 - \nabla \log p\right)^2\right]", let=r"\text{what the truth would teach}")
def explicit_slope(theta, p, x, g): return D(lambda theta: 1 / 2 * E(p, (theta[0] + theta[1] * x + theta[2] * x**2 - g)**2), theta)

@matching("=", r"\operatorname{grad}\left(\mathbb{E}_{p}\left[\operatorname{implicit}(s_\theta, x)\right]\right)(\theta)", by="a derivative of derivatives, by our own autodiff", rests_on=implicit)
def implicit_slope_called(p, x, theta): return grad(lambda theta: sum(p * scores.implicit(lambda x: parabola(x, theta), column(x))))(theta)

# ---- Guess the noise -------------------------------------------------------------------------------------------------
spoilt = World("a few data points, normal noise, and a parabola in its score's place",
    K      = size(1, 3),
    p      = tex(r"p(x)",                       simplex("K")),
    x      = tex(r"x",                          real("K")),
    y      = tex(r"y",                          real()),
    sigma  = tex(r"\sigma",                     positive()),
    theta  = tex(r"\theta",                     real(3)),
    q_y_x  = let(r"q(y \mid x)",                lambda y, x, sigma: N(y, x, sigma**2)),
    q_y    = let(r"q_\sigma(y)",                lambda p, q_y_x: sum(p * q_y_x), covers="ncsn-noise-levels"),
    q_x_y  = let(r"q(x \mid y)",                lambda p, q_y_x, q_y: ratio(p * q_y_x, q_y)),
    g_y    = let(r"\nabla \log q_\sigma(y)",    lambda y, p, x, sigma: D(lambda y: log(sum(p * N(y, x, sigma**2))), y)),
    q      = let(r"q(x, \epsilon)",             lambda p: p[:, None] * gaussian(3)[1]),          # [K, 3]: three points have the noise's moments
    eps    = let(r"\epsilon",                   lambda x: three_each(x)),
    x_eps  = let(r"x_\epsilon",                 lambda x: repeat(x[:, None], 3, 1)),
    xt     = let(r"\tilde x",                   lambda x, sigma, eps: x[:, None] + sigma * eps),
    s_xt   = let(r"s_\theta(\tilde x)",         lambda xt, theta: parabola(xt, theta)),
    grid   = let(r"y_{1:G}",                    lambda sigma: fine_for(sigma)),                  # so fine that sums over it are integrals
    Q      = let(r"q_\sigma",                   lambda grid, p, x, sigma: (grid[1] - grid[0]) * sum(p * N(grid[:, None], x, sigma**2), 1)),
    s_Q    = let(r"s_\theta",                   lambda grid, theta: parabola(grid, theta)),
    g_Q    = let(r"\nabla \log q_\sigma",       lambda grid, p, x, sigma: pulls(grid, p, x, sigma**2)))


def three_each(x):
    """Three values of the noise for every point [K, 3]."""
    return 0 * x[:, None] + gaussian(3)[0]


def fine_for(sigma):
    """As before, and as fine as the noise is narrow."""
    return 0.25 * sigma * arange(-132., 133)


denoised = Derivation("denoising", spoilt, where=lambda q_y: q_y > 1e-100)

r"""
How arrows run together costs a derivative for every dimension. There is a cheaper way. Add noise, $\tilde x = x + \sigma \epsilon$, and
look at a noised point $y$. Where did it come from? Many $x$ are possible, but the arrows to them have a mean.
"""

@denoised(r"\nabla_y \log \sum_x p(x)\, \mathcal{N}(y; x, \sigma^2)", let=r"\nabla \log q_\sigma(y)")
def noised_slope(y, p, x, sigma): return D(lambda y: log(sum(p * N(y, x, sigma**2))), y)

@denoised("=", r"\mathbb{E}_{q(x \mid y)}\left[\frac{x - y}{\sigma^2}\right]", by="a slope of a logarithm is a mean under the posterior")
def mean_arrow(q_x_y, x, y, sigma): return E(q_x_y, (x - y) / sigma**2)

"""
So the score of noised data points to the mean of what the point may have been. Turn it round: who knows the score knows the
best guess of what was there, [as a linear denoiser did](vae.towards_data). This is *Tweedie's formula*.
"""

@denoised(r"\mathbb{E}_{q(x \mid y)}\left[x\right]", let=r"\text{the best guess}")
def best_guess(q_x_y, x): return E(q_x_y, x)

@denoised("=", r"y + \sigma^2 \nabla \log q_\sigma(y)", by="the line above, solved for x")
def tweedie(y, sigma, g_y): return y + sigma**2 * g_y

@denoised("=", r"\operatorname{tweedie}(y, \nabla \log q_\sigma(y), \sigma)", by="the last step of a chain")
def tweedie_called(y, g_y, sigma): return scores.tweedie(y, g_y, sigma)

r"""
Squared errors find means. So let the network guess the arrow of the one $x$ that it was; there are many for the same
$\tilde x$, and what it learns is their mean. That is *denoising score matching*: we made the noise, so we know the answer.
"""

@denoised(r"\frac{1}{2} \mathbb{E}_{q(x, \epsilon)}\left[\left(s_\theta(\tilde x) + \frac{\tilde x - x_\epsilon}{\sigma^2}\right)^2\right]", covers="dsm-objective")
def denoising(q, s_xt, xt, x_eps, sigma): return 1 / 2 * E(q, (s_xt + (xt - x_eps) / sigma**2)**2, (0, 1))

@denoised("= + const", r"\frac{1}{2} \mathbb{E}_{q_\sigma}\left[\left(s_\theta - \nabla \log q_\sigma\right)^2\right]", vary="theta", by="the true arrows again, but those of the noised data: this is what noise costs",
          covers="dsm-objective", tol=(1e-10, "differences of large numbers"))
def noised_fisher(Q, s_Q, g_Q): return 1 / 2 * E(Q, (s_Q - g_Q)**2)

"""
What a step of training computes is one example's share of the first of these two lines.
"""

@denoised(r"\frac{1}{2} \left(s_\theta(\tilde x) + \frac{\tilde x - x_\epsilon}{\sigma^2}\right)^2", let=r"\text{one example's share}")
def denoising_each(s_xt, xt, x_eps, sigma): return 1 / 2 * (s_xt + (xt - x_eps) / sigma**2)**2

@denoised("=", r"\operatorname{denoising}(s_\theta, x_\epsilon, \epsilon, \sigma)", by="the arrow is minus the noise, over sigma: no derivative of the network is left")
def denoising_called(x_eps, eps, sigma, theta): return reshape(scores.denoising(lambda x: parabola(x, theta), column(x_eps), column(eps), sigma), eps.shape)

# ---- Two modes far apart ---------------------------------------------------------------------------------------------
apart = World("two modes on the line, and noise",
    pi_1   = tex(r"\pi",              unit()),
    mu_1   = tex(r"\mu_1",            real()),
    mu_2   = tex(r"\mu_2",            real()),
    v      = tex(r"v",                positive()),
    sigma  = tex(r"\sigma",           unit()),
    x      = tex(r"x",                real()),
    r_2    = let(r"r_2(x)",           lambda pi_1, mu_1, mu_2, v, x: ratio((1 - pi_1) * N(x, mu_2, v), pi_1 * N(x, mu_1, v) + (1 - pi_1) * N(x, mu_2, v))),
    odds   = let(r"o(x)",             lambda pi_1, mu_1, mu_2, v, x: (1 - pi_1) / pi_1 * exp(((x - mu_1)**2 - (x - mu_2)**2) / (2 * v))))

blind = Derivation("two modes", apart)

r"""
With a score one can [walk](energies.downhill). But which share of the data lies in which mode? Let there be two, with weights
$\pi$ and $1 - \pi$. At $x$ the second has the share $r_2(x)$.
"""

@blind(r"\nabla_x \log\left(\pi\, \mathcal{N}(x; \mu_1, v) + (1 - \pi)\, \mathcal{N}(x; \mu_2, v)\right)", let=r"s(x)")
def two_modes(x, pi_1, mu_1, v, mu_2): return D(lambda x: log(pi_1 * N(x, mu_1, v) + (1 - pi_1) * N(x, mu_2, v)), x)

@blind("=", r"\frac{\mu_1 - x}{v} + r_2(x)\, \frac{\mu_2 - \mu_1}{v}", by="the arrow of the first mode alone, and a correction")
def first_alone(mu_1, x, v, r_2, mu_2): return (mu_1 - x) / v + r_2 * (mu_2 - mu_1) / v

@blind(r"r_2(x)")
def share(r_2): return r_2

@blind("<=", r"\frac{1 - \pi}{\pi} e^{\frac{(x - \mu_1)^2 - (x - \mu_2)^2}{2 v}}", by="at the first mode it dies as the square of the distance, in an exponent: six widths away it is 1e-8", gap=lambda odds, r_2: odds * r_2)
def share_at_most(pi_1, x, mu_1, mu_2, v): return (1 - pi_1) / pi_1 * exp(((x - mu_1)**2 - (x - mu_2)**2) / (2 * v))

r"""
The weights are in the correction alone, so near a mode no arrow tells of them. A walk goes up whatever mode is near, and stays:
what it finds is how it was scattered at the start. Noise helps, for it makes $v$ larger, until the modes touch.
"""

@blind(r"\nabla_x \log\left(\pi\, \mathcal{N}(x; \mu_1, v + \sigma^2) + (1 - \pi)\, \mathcal{N}(x; \mu_2, v + \sigma^2)\right)", let=r"\nabla \log q_\sigma(x)")
def two_modes_noised(x, pi_1, mu_1, v, sigma, mu_2): return D(lambda x: log(pi_1 * N(x, mu_1, v + sigma**2) + (1 - pi_1) * N(x, mu_2, v + sigma**2)), x)

@blind("=", r"\operatorname{score}(x, \pi, \mu, \operatorname{noised}(v, \sigma))", by="the true score of a noised mixture, known at every level")
def two_modes_called(x, pi_1, mu_1, v, sigma, mu_2): return gmm.score(column(x), log(stack([pi_1, 1 - pi_1])), column(stack([mu_1, mu_2])), gmm.noised(v * ones((2, 1, 1)), sigma))[0, 0]

@blind("->", r"\frac{\mu_1 - x}{v} + r_2(x)\, \frac{\mu_2 - \mu_1}{v}", as_="sigma", order=2, to=two_modes_noised, by="with little noise, the score of the data themselves", where=lambda v, r_2: (v >= 1) & (r_2 > 1e-3) & (r_2 < 0.999))
def noise_gone(mu_1, x, v, r_2, mu_2): return (mu_1 - x) / v + r_2 * (mu_2 - mu_1) / v

# ---- Down the levels -------------------------------------------------------------------------------------------------
ladder = World("noise levels, normal data, and a walk down",
    L      = size(2, 4),
    steps  = size(1, 3),
    first  = tex(r"\sigma_1",         positive()),
    r      = tex(r"r",                unit()),
    m      = tex(r"m",                real()),
    v      = tex(r"v",                positive()),
    x_0    = tex(r"x_0",              real()),
    eps    = tex(r"\epsilon",         unit()),
    last   = let(r"\sigma_L",         lambda first, r: first * r),
    u      = let(r"u_i",              lambda L: arange(L) / (L - 1)),
    sigma  = let(r"\sigma_i",         lambda first, last, u: first * (last / first)**u),
    alpha  = let(r"\alpha_i",         lambda eps, sigma, last: eps * sigma**2 / last**2),
    w      = let(r"w",                lambda: gaussian(3)[1]),              # three points that have the noise's moments
    z      = let(r"z",                lambda: gaussian(3)[0]))

down = Derivation("annealing", ladder)

r"""
So learn the scores of many laws, $q_\sigma$ for $\sigma_1 > \dots > \sigma_L$, with one network that is told $\sigma$: a
*noise-conditional score network*. How far apart should the levels be? By equal factors, with $u_i$ from 0 to 1.
"""

@down(r"\sigma_1^{1 - u_i} \sigma_L^{u_i}", let=r"\sigma_i", covers="ncsn-noise-levels")
def geometric(first, u, last): return first**(1 - u) * last**u

@down("=", r"\operatorname{levels}(\sigma_1, \sigma_L, L)", by="what a model is trained at")
def levels_called(first, last, L): return scores.levels(float(first), float(last), L)

r"""
Then walk: some of Langevin's steps at the first level, go on from there at the next, and so down. A step $\alpha_i$ should
not be long against what is to be seen at its level. How much of it is arrow, and how much is noise?
"""

@down(r"\frac{\mathbb{E}_{w}\left[\left(-\frac{\alpha_i}{2} \frac{z}{\sigma_i}\right)^2\right]}{\alpha_i}", let=r"\text{the square of the arrow over that of the noise}")
def signal(w, alpha, z, sigma): return E(w, (-alpha[:, None] / 2 * (z / sigma[:, None]))**2) / alpha

@down("=", r"\frac{\epsilon}{4 \sigma_L^2} \sigma_i^0", by="with alpha_i = eps sigma_i^2 / sigma_L^2 the same at every level")
def signal_alike(eps, last, sigma): return eps / (4 * last**2) * sigma**0

r"""
For normal data the whole walk can be followed: a mean and a variance, pulled in and shaken. [Diffusion](scores.missed_arrow) turns
out to have learned such arrows all along.

A score is enough to draw, then, in a thousand small steps. What if a network drew in one, and nobody asked for its law? That is
[the game](gan).
"""

@down(r"\text{mean and variance of the last } x \text{, one step after another}", covers="alg-annealed-langevin:1-2")
def followed(m, v, x_0, sigma, alpha, steps):
    centre, var = x_0, 0.0
    for sigma_i, alpha_i in zip(sigma, alpha):
        for _ in range(steps):
            pull        = alpha_i / (2 * (v + sigma_i**2))
            centre, var = centre + pull * (m - centre), (1 - pull)**2 * var + alpha_i
    return centre, var

@down("=", r"\operatorname{annealed}(s, x_0, \xi, \sigma_{1:L}, \epsilon, T)", by="the walk that runs, without noise and then with each of its normals set to 1 alone: it is linear in them", covers="alg-annealed-langevin:1-2")
def annealed_called(m, v, x_0, sigma, eps, steps, L):
    one  = eye(1 + L * steps)
    x    = scores.annealed(lambda x, sigma: (m - x) / (v + sigma**2), x_0 + 0 * one[:, :1], lambda i, t: one[:, (i - 1) * steps + t, None], sigma, eps, steps)[:, 0]
    return x[0], sum((x[1:] - x[0])**2)

# ---- Every level is heard --------------------------------------------------------------------------------------------
r"""
Arrows are long where noise is small: as $1 / \sigma$. Left alone, the last level would shout all others down. Count each level
$\sigma^2$ times: then a network that knows nothing, and says 0, loses the same at all of them.
"""

@down(r"\frac{1}{2} \sigma_i^2\, \mathbb{E}_{w}\left[\left(\frac{z}{\sigma_i}\right)^2\right]")
def loses(sigma, w, z): return 1 / 2 * sigma**2 * E(w, (z / sigma[:, None])**2)

@down("=", r"\frac{1}{2} \sigma_i^0", by="a half for every dimension")
def loses_alike(sigma): return 1 / 2 * sigma**0

# ---- Noise on a mixture ----------------------------------------------------------------------------------------------
r"""
Why mixtures, on this page? Because noise leaves them what they are. Every component grows wider by $\sigma^2$, and nothing
else happens, so that the true score is known at every level.
"""

@slope(r"\text{covariance of } \mu_k + L_k z + \sigma \epsilon \text{, where } L_k L_k^\top = \Sigma_k")
def noisy_covariance(noisy): return mean(noisy[..., None] * noisy[..., None, :], 1)

@slope("=", r"\Sigma_k + \sigma^2 I_P", by="of parts that are independent the covariances add up", covers="ncsn-noise-levels")
def wider(Sigma, sigma, P): return Sigma + sigma**2 * eye(P)

@slope("=", r"\operatorname{noised}(\Sigma_k, \sigma)", by="the covariances of a mixture at a noise level")
def noised_called(Sigma, sigma): return gmm.noised(Sigma, sigma)

@slope(r"\nabla_{x_n} \sum_n \log \sum_k \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k + \sigma^2 I_P)", let=r"s(x_n, \sigma)", covers="ncsn-conditional-score")
def score_at_level(x, pi_, mu, Sigma, sigma, P): return D(lambda x: sum(log(sum(pi_ * mixtures.N(x, mu, Sigma + sigma**2 * eye(P)), 1))), x)

@slope("=", r"\operatorname{score}(x_n, \log \pi_k, \mu_k, \operatorname{noised}(\Sigma_k, \sigma))", by="what a network that is told the noise is held against", covers="ncsn-conditional-score")
def score_at_level_called(x, pi_, mu, Sigma, sigma): return gmm.score(x, log(pi_), mu, gmm.noised(Sigma, sigma))

# ---- Every point smeared out -----------------------------------------------------------------------------------------
r"""
And the shape of it? Smear every point of the mixture over its neighbours, with the noise's own law, and add up over all
points. What comes out at $y$ is a mixture again.
"""

@matching(r"\mathbb{E}_{p}\left[\mathcal{N}(y; x, \sigma^2)\right]", let=r"q_\sigma(y)", covers="ncsn-noise-levels")
def smeared(p, y, x, s2): return E(p, N(y, x, s2))

@matching("=", r"\sum_k \pi_k\, \mathcal{N}(y; \mu_k, v_k + \sigma^2)", by="a normal law smeared by a normal law is a normal law", covers="ncsn-noise-levels")
def smeared_closed(pi_, y, mu, v, s2): return sum(pi_ * N(y, mu, v + s2))

@matching("=", r"\exp \operatorname{responsibilities}(y, \log \pi, \mu, \operatorname{noised}(v, \sigma))", by="the density that a mixture's model reports")
def smeared_called(pi_, y, mu, v, s2): return exp(gmm.responsibilities(column(y), log(pi_), mu[:, None], gmm.noised(v[:, None, None], sqrt(s2)))[1][0])

# ---- In more dimensions ----------------------------------------------------------------------------------------------
plane = World("a normal law in D dimensions, by points that have its moments, and curved scores",
    D      = size(1, 2),
    m      = tex(r"m",                 real("D")),
    A      = tex(r"A",                 real("D", "D")),
    a      = tex(r"a",                 real("D")),
    B      = tex(r"B",                 real("D", "D")),
    c      = tex(r"c",                 real("D")),
    J      = let(r"J",                 lambda A: inv(tilted(A))),                                # the precision
    x      = let(r"x",                 lambda m, A: spread(m, A)),
    v      = let(r"v",                 lambda D: normals(D)),                                    # directions
    w      = let(r"w",                 lambda D: ones(6**D) / 6**D),
    s      = let(r"s_\theta",          lambda x, a, B, c: curved(x, a, B, c)),
    ds     = let(r"\nabla s_\theta",   lambda x, B, c: B + 2 * sum(x, 1)[:, None, None] * c[:, None]))       # [6^D, D, D]


def spread(m, A):
    """Points that have the moments of the normal law."""
    return m + normals(len(m)) @ T(cholesky(tilted(A)))


def curved(x, a, B, c):
    """Arrows that are quadratic in x, each of its own."""
    return a + x @ B.T + c * sum(x, 1)[:, None]**2


vectors = Derivation("vectors", plane)

r"""
With $D$ numbers a point, squares are summed over all of them. And the derivative that was handed over becomes a sum of $D$ derivatives,
$\mathrm{tr}\, \nabla s$: each coordinate's arrow, differentiated along itself.
"""

@vectors(r"\frac{1}{2} \mathbb{E}_{w}\left[\sum_i \left(s_\theta - (m - x) J\right)^2\right]")
def explicit_vectors(w, s, m, x, J): return 1 / 2 * E(w, sum((s - (m - x) @ J)**2, 1))

@vectors("=", r"\mathbb{E}_{w}\left[\operatorname{explicit}(s_\theta, x, \nabla \log p)\right]", by="half a sum of squares, of each example")
def explicit_vectors_called(w, x, a, B, c, m, J): return E(w, scores.explicit(lambda x: curved(x, a, B, c), x, lambda x: (m - x) @ J))

@vectors("= + const", r"\mathbb{E}_{w}\left[\mathrm{tr}\left(\nabla s_\theta\right) + \frac{1}{2} \sum_i s_\theta^2\right]", to=explicit_vectors, vary="a B c", by="integration by parts, one coordinate after the other", covers="esm-objective",
         tol=(1e-10, "differences of large numbers"))
def implicit_vectors(w, ds, s): return E(w, trace(ds, axis1=1, axis2=2) + 1 / 2 * sum(s**2, 1))

@vectors("=", r"\mathbb{E}_{w}\left[\operatorname{implicit}(s_\theta, x)\right]", by="D derivatives: dear where D is a thousand")
def implicit_vectors_called(w, x, a, B, c): return E(w, scores.implicit(lambda x: curved(x, a, B, c), x))

# ---- One direction at a time -----------------------------------------------------------------------------------------
r"""
A trace need not be summed: look along a random direction $v$ with $\mathbb{E}[v v^\top] = I$, and be right on the mean. That takes one
derivative, however many dimensions there are: *sliced score matching*.
"""

@vectors(r"\mathbb{E}_{w}\left[\mathbb{E}_{w}\left[v^\top \nabla s_\theta\, v + \frac{1}{2} \left(v^\top s_\theta\right)^2\right]\right] \text{, over all } v \text{ and all } x", covers="ssm-objective")
def sliced(w, v, ds, s): return E(w, E(w, einsum("vi,nij,vj->vn", v, ds, v) + 1 / 2 * einsum("vi,ni->vn", v, s)**2))

@vectors("=", r"\mathbb{E}_{w}\left[\mathrm{tr}\left(\nabla s_\theta\right) + \frac{1}{2} \sum_i s_\theta^2\right]", by="the mean of v v' is I, in both places", covers="ssm-objective")
def sliced_mean(w, ds, s): return E(w, trace(ds, axis1=1, axis2=2) + 1 / 2 * sum(s**2, 1))

@vectors("=", r"\mathbb{E}_{w}\left[\mathbb{E}_{w}\left[\operatorname{sliced}(s_\theta, x, v)\right]\right]", by="every point with every direction")
def sliced_called(x, v, a, B, c): return mean(scores.sliced(lambda x: curved(x, a, B, c), repeat(x, len(v), 0), concatenate([v] * len(x))))

"""
One half of it needs no luck: the length of an arrow is known without looking along anything. Without that noise the mean is
the same.
"""

@vectors("=", r"\mathbb{E}_{w}\left[\mathbb{E}_{w}\left[\operatorname{slicedreduced}(s_\theta, x, v)\right]\right]", by="only the trace is guessed")
def reduced_called(x, v, a, B, c): return mean(scores.sliced_reduced(lambda x: curved(x, a, B, c), repeat(x, len(v), 0), concatenate([v] * len(x))))

"""
The two differ at a single point along a single direction. There they are what their names say.
"""

@vectors(r"\left(v^\top \nabla s_\theta\, v + \frac{1}{2} \left(v^\top s_\theta\right)^2,\ v^\top \nabla s_\theta\, v + \frac{1}{2} \sum_i s_\theta^2\right) \text{, every point with one direction}")
def slices(v, ds, s): return einsum("ni,nij,nj->n", v, ds, v) + 1 / 2 * einsum("ni,ni->n", v, s)**2, einsum("ni,nij,nj->n", v, ds, v) + 1 / 2 * sum(s**2, 1)

@vectors("=", r"\left(\operatorname{sliced}(s_\theta, x, v),\ \operatorname{slicedreduced}(s_\theta, x, v)\right)", by="of each example")
def slices_called(x, v, a, B, c): return scores.sliced(lambda x: curved(x, a, B, c), x, v), scores.sliced_reduced(lambda x: curved(x, a, B, c), x, v)

# ---- A batch at many levels ------------------------------------------------------------------------------------------
batch = World("a batch, with a noise level for each example",
    M      = size(1, 3),
    D      = size(1, 2),
    x      = tex(r"x",                 real("M", "D")),
    eps    = tex(r"\epsilon",          real("M", "D")),
    v      = tex(r"v",                 real("M", "D")),
    sigma  = tex(r"\sigma",            positive("M")),
    a      = tex(r"a",                 real("D")),
    B      = tex(r"B",                 real("D", "D")),
    c      = tex(r"c",                 real("D")),
    xt     = let(r"\tilde x",          lambda x, sigma, eps: x + sigma[:, None] * eps),
    s      = let(r"s",                 lambda xt, sigma, a, B, c: curved(xt, a, B, c) / sigma[:, None]),
    ds     = let(r"\nabla s",          lambda xt, sigma, B, c: (B + 2 * sum(xt, 1)[:, None, None] * c[:, None]) / sigma[:, None, None]))

levelled = Derivation("many levels", batch)

r"""
What training lowers: every example has a level of its own, and counts $\sigma^2$ times. Any of the losses will do; those that
do not know the noise are asked at the noised point.
"""

@levelled(r"\frac{1}{M} \sum \sigma^2 \left(\frac{1}{2} \left|s + \frac{\epsilon}{\sigma}\right|^2,\ v^\top \nabla s\, v + \frac{1}{2} \left(v^\top s\right)^2,\ v^\top \nabla s\, v + \frac{1}{2} |s|^2,\ \mathrm{tr}\, \nabla s + \frac{1}{2} |s|^2\right) \text{ at } \tilde x = x + \sigma \epsilon")
def by_level(sigma, s, eps, v, ds):
    turned = einsum("ni,nij,nj->n", v, ds, v)
    length = 1 / 2 * sum(s**2, 1)
    each   = 1 / 2 * sum((s + eps / sigma[:, None])**2, 1), turned + 1 / 2 * sum(v * s, 1)**2, turned + length, trace(ds, axis1=1, axis2=2) + length
    return tuple(mean(sigma**2 * one) for one in each)

@levelled("=", r"\operatorname{weighted}(\mathrm{OBJECTIVES}, s, x, \epsilon, \sigma, v)", by="the table that models choose from")
def weighted_called(x, eps, sigma, v, a, B, c): return tuple(scores.weighted(name, lambda x, sigma: curved(x, a, B, c) / sigma, x, eps, sigma[:, None], v) for name in scores.OBJECTIVES)

# ---- The same network, called epsilon --------------------------------------------------------------------------------
told = World("a noising chain, and a network that is linear in x_t", base=diffusion.chain,
    k       = tex(r"k_t",                real("T")),
    d       = tex(r"d_t",                real("T")),
    x_t     = let(r"x_{t, \epsilon}",    lambda abar, x0, e: sqrt(abar) * x0 + sqrt(1 - abar) * e),
    e       = tex(r"e",                  real("T")),
    eps_hat = let(r"\epsilon_\theta",    lambda k, d, x_t: k * x_t + d),
    s       = let(r"s_\theta",           lambda eps_hat, abar: -eps_hat / sqrt(1 - abar)))

epsilons = Derivation("scores and noise", told)

r"""
Diffusion asked [which noise it was](diffusion.weighted). Here a network is asked for an arrow. Both are one network: the arrow
is minus the noise, over the noise's width $\sqrt{1 - \bar\alpha_t}$.
"""

@epsilons(r"\left(-\frac{\epsilon_\theta}{\sqrt{1 - \bar\alpha_t}},\ \epsilon_\theta\right)", covers="ddpm-dsm-equivalence")
def arrow_of_noise(eps_hat, abar): return -eps_hat / sqrt(1 - abar), eps_hat

@epsilons("=", r"\left(\operatorname{scoreofeps}(\epsilon_\theta, \sqrt{1 - \bar\alpha_t}),\ \operatorname{epsofscore}(s_\theta, \sqrt{1 - \bar\alpha_t})\right)", by="there and back")
def eps_called(eps_hat, s, abar): return scores.score_of_eps(eps_hat, sqrt(1 - abar)), scores.eps_of_score(s, sqrt(1 - abar))

@epsilons(r"\left(e - \epsilon_\theta\right)^2")
def missed_noise(e, eps_hat): return (e - eps_hat)**2

@epsilons("=", r"(1 - \bar\alpha_t) \left(s_\theta + \frac{e}{\sqrt{1 - \bar\alpha_t}}\right)^2", by="the weight sigma^2 once more: diffusion has always weighed its levels so", covers="ddpm-dsm-equivalence")
def missed_arrow(abar, s, e): return (1 - abar) * (s + e / sqrt(1 - abar))**2

"""
So the two losses are one. Give the function that trains diffusion and the function that matches scores the same examples,
and the same linear network.
"""

@epsilons(r"\frac{1}{T} \sum_t \left(e - \epsilon_\theta\right)^2", let=r"L_{\mathrm{simple}}")
def simple_written(T, e, eps_hat): return 1 / T * sum((e - eps_hat)**2)

@epsilons("=", r"\operatorname{simpleloss}(x_0, t, e)", by="as diffusion trains, on a batch that has every step twice")
def simple_called(x0, e, k, d, beta, T):
    twice = lambda a: concatenate([a, a])
    return ddpm.simple_loss(lambda x, t: column(twice(k)) * x + column(twice(d)), x0 + 0 * column(twice(e)), twice(arange(1, T + 1)), column(twice(e)), schedule(beta))

@epsilons("=", r"\frac{1}{T} \sum_t 2 (1 - \bar\alpha_t) \operatorname{denoising}(s_\theta, \sqrt{\bar\alpha_t}\, x_0, e, \sqrt{1 - \bar\alpha_t})", by="as scores are matched: data that shrink a little, and their noise", covers="ddpm-dsm-equivalence")
def matched_called(T, abar, x0, e, k, d):
    width = column(sqrt(1 - abar))
    return 1 / T * sum(2 * (1 - abar) * scores.denoising(lambda x: scores.score_of_eps(k[:, None] * x + d[:, None], width), column(sqrt(abar) * x0), column(e), width))

# ---- An equation, walked in steps ------------------------------------------------------------------------------------
drifting = World("numbers that drift to 0 and are shaken",
    h      = tex(r"h",           unit()),
    x      = tex(r"x",           real()),
    xi     = tex(r"\xi",         real()),
    m      = tex(r"m",           real()),
    v      = tex(r"v",           positive()),
    steps  = size(1, 5),
    faded  = let(r"e^{-2}",      lambda: exp(array(-2.))),
    f      = let(r"f",           lambda x: -x),
    g      = let(r"g",           lambda x: sqrt(2 + 0 * x)))

sde = Derivation("Euler and Maruyama", drifting)

r"""
Steps ever smaller, and noise with them: the limit is written $dx = f\, dt + g\, dw$. On a computer it is walked in steps again, and
noise enters with $\sqrt{h}$, so that its *variance* grows with time.
"""

@sde(r"x + f\, h + g \sqrt{h}\, \xi", let=r"x^{\prime}", covers="sde-euler-maruyama")
def euler(x, f, h, g, xi): return x + f * h + g * sqrt(h) * xi

@sde("=", r"\operatorname{ulastep}(x, s, h, \xi)", by="with f = s(x) and g = sqrt 2: Langevin's step; here for the normal law", covers="sde-euler-maruyama")
def euler_called(x, h, xi): return langevin.ula_step(x, lambda x: -x, h, xi)

@sde(r"\text{mean and variance after the steps, one after another}")
def walked(m, v, h, steps):
    for _ in range(steps):
        m, v = (1 - h) * m, (1 - h)**2 * v + 2 * h
    return m, v

@sde("=", r"(1 - h)^{S} m,\ (1 - h)^{2 S} v + 2 h\, \frac{1 - (1 - h)^{2 S}}{1 - (1 - h)^2} \text{ after } S \text{ steps}", by="a geometric series")
def walked_closed(m, v, h, steps): return (1 - h)**steps * m, (1 - h)**(2 * steps) * v + 2 * h * (1 - (1 - h)**(2 * steps)) / (1 - (1 - h)**2)

"""
Walk until the time 1, in steps of $h$, so in as many as go into 1. What do ever smaller steps come to?
"""

@sde(r"(1 - h)^{2 / h} v + 2 h\, \frac{1 - (1 - h)^{2 / h}}{1 - (1 - h)^2}", let=r"\text{the variance at time 1}")
def at_one(h, v): return (1 - h)**(2 / h) * v + 2 * h * (1 - (1 - h)**(2 / h)) / (1 - (1 - h)**2)

@sde("->", r"e^{-2} v + 1 - e^{-2}", as_="h", order=1, by="what the equation says: the past fades, and the normal law fills its place", covers="sde-euler-maruyama")
def at_one_exact(faded, v): return faded * v + 1 - faded
