"""Estimators.   Williams 1992, Kingma and Welling 2014, Burda et al. 2016   worlds: every draw of N, with its chance; points with a normal's moments

A mean that we cannot sum, we sample. Which samples, and what may we do with the mean of them: take its gradient? its
logarithm?
"""
from derivations import Derivation, World, let, positive, real, size, tex
from derivations.elbo import normal, one_z
from derivations.engine.words import D, E, KL, T, abs, arange, array, cholesky, cos, det, eigh, exp, eye, gaussian, log, mean, pi, prod, ratio, sin, sqrt, stack, sum
from scratch.autodiff import grad, log_softmax
from scratch.probability import estimators as model

# ---- Noise, moved and stretched --------------------------------------------------------------------------------------
moved = World("a number, moved and stretched",
    mu      = tex(r"\mu",       real()),
    sigma   = tex(r"\sigma",    positive()),
    eps     = tex(r"\epsilon",  real()),
    x       = let(r"x",         lambda mu, sigma, eps: mu + sigma * eps, covers="reparam-1d"))

reparam = Derivation("noise, moved and stretched", moved)

r"""
Why is a gradient of draws hard? A draw is a number: turn $\mu$ afterwards, and
[nothing happens to it](foundations.nothing). So draw something that has no parameters, the noise $\epsilon$ of the law
$\mathcal{N}(0, 1)$, and make $x$ of it. First of all: does $x = \mu + \sigma \epsilon$ have the law that we want?
"""

@reparam(r"\frac{\exp\left(-\frac{\epsilon^2}{2}\right)}{\sqrt{2 \pi}} / \nabla_{\epsilon} \left(\mu + \sigma \epsilon\right)", let=r"p(x)")
def carried(eps, mu, sigma): return exp(-eps**2 / 2) / sqrt(2 * pi) / D(lambda eps: mu + sigma * eps, eps)

@reparam("=", r"\frac{\exp\left(-\frac{(x - \mu)^2}{2 \sigma^2}\right)}{\sqrt{2 \pi \sigma^2}}", by="a density is divided by the stretch, sigma; with eps = (x - mu) / sigma it is that of N(mu, sigma^2)", covers="reparam-1d")
def density(x, mu, sigma): return exp(-(x - mu)**2 / (2 * sigma**2)) / sqrt(2 * pi * sigma**2)

r"""
It does. And with the noise held still, $x$ is an ordinary function of $\mu$ and $\sigma$, with an ordinary derivative.
This is the *reparameterisation trick*.
"""

@reparam(r"x")
def made(x): return x

@reparam("=", r"\mu + \sigma \epsilon", by="first the noise, then what we can turn", covers="reparam-1d")
def made_of(mu, sigma, eps): return mu + sigma * eps

@reparam("=", r"\operatorname{reparameterise}(\mu, \log \sigma^2, \epsilon)", by="the function that is called, with the log-variance in")
def made_called(mu, sigma, eps): return model.reparameterise(mu, log(sigma**2), eps)

# ---- The same in many dimensions -------------------------------------------------------------------------------------
many = World("a normal law with any root of its covariance", base=normal,
    sigma = tex(r"\sigma_{z \mid x}",     positive("D_z")),
    R     = let(r"\Sigma^{1/2}",          lambda Sigma: eigh(Sigma)[1] @ (sqrt(eigh(Sigma)[0])[:, None] * T(eigh(Sigma)[1]))),
    L_tri = let(r"L_{\triangle}",         lambda Sigma: cholesky(Sigma)),
    z     = let(r"z",                     lambda mu, sigma, eps: mu + sigma * eps, covers="reparam-diag"),
    z_L   = let(r"z_L",                   lambda mu, L, eps: mu + eps @ T(L)),
    z_tri = let(r"z_{\triangle}",         lambda mu, L_tri, eps: mu + eps @ T(L_tri)),
    z_R   = let(r"z_R",                   lambda mu, R, eps: mu + eps @ R))


def moments(z):
    """Mean and covariance of points that count alike [N, D]."""
    return mean(z, 0), T(z - mean(z, 0)) @ (z - mean(z, 0)) / len(z)


reparams = Derivation("in many dimensions", many, where=lambda L: abs(det(L)) > 1 / 8)

r"""
A vector of noise, one number for each coordinate, works in the same way. Stretch each coordinate by a $\sigma$ of its
own, and they stay independent; multiply by a matrix $L$, and they move together. The points of this world have the mean
and the covariance of the noise, exactly.
"""

@reparams(r"\text{mean and covariance of } z = \mu + \sigma_{z \mid x} \odot \epsilon")
def moments_diag(z): return moments(z)

@reparams("=", r"\mu,\ I_{D_z} \odot \sigma_{z \mid x}^2", by="noise of mean 0 and covariance I", covers="reparam-diag")
def diagonal_normal(mu, D_z, sigma): return mu, eye(D_z) * sigma**2

@reparams(r"\nabla_{\sigma_{z \mid x}} \left(\mu + \sigma_{z \mid x} \odot \epsilon\right)")
def jacobian(sigma, mu, eps): return D(lambda sigma: mu + sigma * eps, sigma)

@reparams("=", r"\epsilon \odot I_{D_z}", by="each coordinate is stretched alone", covers="reparam-diag")
def jacobian_diag(eps, D_z): return eps[:, :, None] * eye(D_z)

@reparams(r"\text{mean and covariance of } \mu + L \epsilon,\ \mu + L_{\triangle} \epsilon \text{ and } \mu + \Sigma^{1/2} \epsilon")
def moments_full(z_L, z_tri, z_R): return *moments(z_L), *moments(z_tri), *moments(z_R)

@reparams("=", r"\mu,\ \Sigma,\ \mu,\ \Sigma,\ \mu,\ \Sigma", by="any root does: the one drawn, Cholesky's, the symmetric one", covers="reparam-full")
def full_normal(mu, Sigma): return mu, Sigma, mu, Sigma, mu, Sigma

@reparams(r"z,\ z_L,\ z_{\triangle},\ z_R")
def points(z, z_L, z_tri, z_R): return z, z_L, z_tri, z_R

@reparams("=", r"\mu + \sigma_{z \mid x} \odot \epsilon,\ \mu + L \epsilon,\ \mu + L_{\triangle} \epsilon,\ \mu + \Sigma^{1/2} \epsilon", by="written out", covers="reparam-diag reparam-full")
def points_written(mu, sigma, eps, L, L_tri, R): return mu + sigma * eps, mu + (L @ eps.T).T, mu + (L_tri @ eps.T).T, mu + (R @ eps.T).T

# ---- The gradient goes through the noise -----------------------------------------------------------------------------
quartic = World("a quartic under a normal law",
    mu    = tex(r"\mu",                  real()),
    sigma = tex(r"\sigma",               positive()),
    c     = tex(r"c",                    real(5)),
    eps   = let(r"\epsilon",             lambda: gaussian(4)[0]),
    p_eps = let(r"\mathcal{N}",          lambda: gaussian(4)[1]),
    batch = let(r"\epsilon_{1:6}",       lambda: array([-sqrt(3.0), 0, 0, 0, 0, sqrt(3.0)])),
    z     = let(r"z",                    lambda mu, sigma, eps: mu + sigma * eps),
    f_z   = let(r"f(z)",                 lambda c, z: f(c, z)),
    df    = let(r"f^{\prime}(z)",        lambda c, z: c[1] + 2 * c[2] * z + 3 * c[3] * z**2 + 4 * c[4] * z**3))


def f(c, z):
    """The quartic c0 + c1 z + c2 z^2 + c3 z^3 + c4 z^4."""
    return c[0] + c[1] * z + c[2] * z**2 + c[3] * z**3 + c[4] * z**4


def mean_f(c, mu, sigma):
    """Its mean under N(mu, sigma^2), by the moments of that law."""
    return c[0] + c[1] * mu + c[2] * (mu**2 + sigma**2) + c[3] * (mu**3 + 3 * mu * sigma**2) \
        + c[4] * (mu**4 + 6 * mu**2 * sigma**2 + 3 * sigma**4)


pathwise = Derivation("through the noise", quartic)

r"""
We want the gradient of a mean, $\nabla\, \mathbb{E}[f(z)]$, and have only draws of $z$. Take a polynomial for $f$: its
mean has a formula to compare with. The four points $\epsilon$ of this world have the weights $\mathcal{N}$, with which
the sums below are the integrals, exactly.
"""

@pathwise(r"\nabla_{\mu, \sigma}\, \mathbb{E}_{\mathcal{N}(\mu, \sigma^2)}\left[f(z)\right],\ f(z) = c_0 + c_1 z + c_2 z^2 + c_3 z^3 + c_4 z^4 \text{, by the moments}")
def true_gradient(c, mu, sigma): return D(lambda mu: mean_f(c, mu, sigma), mu), D(lambda sigma: mean_f(c, mu, sigma), sigma)

@pathwise("=", r"\mathbb{E}_{\mathcal{N}}\left[f^{\prime}(z)\right],\ \mathbb{E}_{\mathcal{N}}\left[f^{\prime}(z)\, \epsilon\right]", by="z = mu + sigma eps has the slope 1 in mu and eps in sigma: the chain rule, under the mean", covers="reparam-pathwise-gradient")
def through(p_eps, df, eps): return E(p_eps, df), E(p_eps, df * eps)

"""
A program computes the mean over a *batch* of draws, writes down each operation on the way (the *tape*), and follows the
chain rule back along it. The six noises of this batch have the mean powers of a normal law, up to the fifth power: so
nothing is left to chance.
"""

@pathwise("=", r"\operatorname{grad}_{\mu, \sigma} \text{ of the batch's mean of } f(\operatorname{reparameterise}(\mu, \log \sigma^2, \epsilon_{1:6}))", by="the tape, on a batch with the moments of the noise")
def through_called(c, mu, sigma, batch): return grad(lambda a: mean(f(c, model.reparameterise(a[0], log(a[1]**2), batch))))((mu, sigma))

r"""
There is a second way, and it never differentiates $f$: weigh $f(z)$ by the slope of the draw's own log-probability,
$\log \mathcal{N}(z; \mu, \sigma^2)$: its *score*. The mean is the same gradient; why, the next section says. Which of
the two?
"""

@pathwise("=", r"\mathbb{E}_{\mathcal{N}}\left[\frac{f(z)\, \epsilon}{\sigma}\right],\ \mathbb{E}_{\mathcal{N}}\left[\frac{f(z) \left(\epsilon^2 - 1\right)}{\sigma}\right]", to=through,
          by="f times the slopes of log N(z; mu, sigma^2), in mu and in sigma")
def by_score(p_eps, f_z, eps, sigma): return E(p_eps, f_z * eps / sigma), E(p_eps, f_z * (eps**2 - 1) / sigma)

r"""
Equal means, but how far off is one draw? Let $f(z) = z^2$. At $\mu = \sigma = 1$ the variance in $\mu$ is 30 by the
second way, and 4 through the noise. A VAE goes through the noise.
"""

@pathwise(r"\nabla_{\mu} \left(\mu^2 + \sigma^2\right),\ \nabla_{\sigma} \left(\mu^2 + \sigma^2\right)", let=r"\text{for } f(z) = z^2")
def of_square(mu, sigma): return D(lambda mu: mu**2 + sigma**2, mu), D(lambda sigma: mu**2 + sigma**2, sigma)

@pathwise("=", r"2 \mu,\ 2 \sigma", by="the mean of z^2 is mu^2 + sigma^2", covers="reparam-pathwise-gradient")
def of_square_short(mu, sigma): return 2 * mu, 2 * sigma

@pathwise(r"\mathbb{E}_{\mathcal{N}}\left[\left(\frac{z^2\, \epsilon}{\sigma}\right)^2\right] - \left(2 \mu\right)^2", let=r"\text{the score's variance, in } \mu")
def variance_score(p_eps, z, eps, sigma, mu): return E(p_eps, (z**2 * eps / sigma)**2) - (2 * mu)**2

@pathwise(">=", r"\mathbb{E}_{\mathcal{N}}\left[\left(2 z\right)^2\right] - \left(2 \mu\right)^2", by="so that the gradient through the noise is the steadier one, for this f",
          gap=lambda mu, sigma: mu**4 / sigma**2 + 14 * mu**2 + 11 * sigma**2, covers="reparam-pathwise-gradient")
def variance_pathwise(p_eps, z, mu): return E(p_eps, (2 * z)**2) - (2 * mu)**2

# ---- Where the other way is the steadier -----------------------------------------------------------------------------
fast = World("a fast sine under a normal law",
    mu    = tex(r"\mu",                  real()),
    sigma = tex(r"\sigma",               positive()),
    omega = tex(r"\omega",               positive()),
    eps   = let(r"\epsilon",             lambda: gaussian(128)[0]),
    p_eps = let(r"\mathcal{N}",          lambda: gaussian(128)[1]),
    z     = let(r"z",                    lambda mu, sigma, eps: mu + sigma * eps))

sine = Derivation("a fast sine", fast, where=lambda omega, sigma: (5 / 4 <= omega * sigma) & (omega * sigma <= 5))

"""
Is the way through the noise always the steadier? No. Let $f$ be a sine that swings fast, compared with the width of the
law. Then its slopes are large and cancel one another, while its values never leave the range from -1 to 1.
"""

@sine(r"\mathbb{E}_{\mathcal{N}}\left[\omega \cos(\omega z)\right]", let=r"\nabla_\mu\, \mathbb{E}_{\mathcal{N}}\left[\sin(\omega z)\right]")
def sine_through(p_eps, omega, z): return E(p_eps, omega * cos(omega * z))

@sine("=", r"\omega \exp\left(-\frac{\left(\omega \sigma\right)^2}{2}\right) \cos(\omega \mu)", by="the normal's characteristic function")
def sine_exact(omega, sigma, mu): return omega * exp(-(omega * sigma)**2 / 2) * cos(omega * mu)

@sine("=", r"\mathbb{E}_{\mathcal{N}}\left[\frac{\sin(\omega z)\, \epsilon}{\sigma}\right]", by="both estimators have this mean")
def sine_score(p_eps, omega, z, eps, sigma): return E(p_eps, sin(omega * z) * eps / sigma)

@sine(r"\mathbb{E}_{\mathcal{N}}\left[\left(\omega \cos(\omega z)\right)^2\right]", let=r"\text{the mean square, through the noise}")
def sine_square(p_eps, omega, z): return E(p_eps, (omega * cos(omega * z))**2)

@sine(">=", r"\mathbb{E}_{\mathcal{N}}\left[\left(\frac{\sin(\omega z)\, \epsilon}{\sigma}\right)^2\right]", by="where f turns faster than the law is wide, the other estimator is the steadier one",
      gap=lambda omega, sigma, mu: (omega**2 * (1 + exp(-2 * (omega * sigma)**2) * cos(2 * omega * mu)) - (1 - exp(-2 * (omega * sigma)**2) * (1 - 4 * (omega * sigma)**2) * cos(2 * omega * mu)) / sigma**2) / 2)
def sine_square_score(p_eps, omega, z, eps, sigma): return E(p_eps, (sin(omega * z) * eps / sigma)**2)

# ---- The gradient goes through the chances ---------------------------------------------------------------------------
logits = World("finite z, by logits, and every draw of N",
    Z     = size(2, 4),
    N     = size(2, 3),
    phi   = tex(r"\phi",                         real("Z")),
    f     = tex(r"f(z)",                         real("Z")),
    b     = tex(r"b",                            real()),
    log_p = tex(r"\log p(x, z)",                 real("Z")),
    q     = let(r"q_\phi(z)",                    lambda phi: softmax(phi)),                                     # [Z]
    score = let(r"\nabla_\phi \log q_\phi(z)",   lambda q, Z: eye(Z) - q[:, None]),                             # [phi, z]
    z     = let(r"z_{1:N}",                      lambda Z, N: arange(Z**N)[:, None] // Z**arange(N) % Z),       # [Z^N, N]
    q_N   = let(r"q_\phi(z_{1:N})",              lambda q, z: prod(q[z], 1)),                                   # [Z^N]
    q_n   = let(r"q_\phi(z_n)",                  lambda q, z: q[z]),                                            # [Z^N, N]
    f_n   = let(r"f(z_n)",                       lambda f, z: f[z]),                                            # [Z^N, N]
    f_bar = let(r"\bar f",                       lambda f_n: mean(f_n, 1)[:, None]),
    f_n1  = let(r"\bar f_{-n}",                  lambda f_n, N: stack([mean(f_n[:, arange(N) != n], 1) for n in range(N)], 1)),
    s_n   = let(r"\nabla_\phi \log q_\phi(z_n)", lambda score, z: score[:, z]))                                 # [phi, Z^N, N]


def softmax(phi):
    return exp(phi) / sum(exp(phi))


scores = Derivation("through the chances", logits)

r"""
What if $z$ is one of finitely many values? Then it jumps, and no noise moves it smoothly. But its chances move: they
are a *softmax* of the *logits* $\phi$, that is $e^{\phi}$ divided by the sum of all of them. The slope of
$\log q_\phi(z)$ is the score; multiply it by $f(z)$, as above.
"""

@scores(r"\nabla_{\phi} \log q_\phi(z) \text{, of a softmax}")
def score_exact(phi): return T(D(lambda phi: log(softmax(phi)), phi))

@scores("=", r"\nabla_\phi \log q_\phi(z)", by="1 where the logit is the draw's, less its chance")
def score_softmax(score): return score

"""
If a draw did better than expected, make it more probable. What is expected may be any number $b$, the *baseline*, as
long as the draw does not change it.
"""

@scores(r"\mathbb{E}_{q_\phi(z)}\left[\left(f(z) - b\right) \nabla_\phi \log q_\phi(z)\right]", let=r"\text{the score-function gradient, with a baseline}", covers="nvil-score-gradient")
def baseline(q, f, b, score): return E(q, (f - b) * score)

@scores("=", r"\mathbb{E}_{q_\phi(z)}\left[f(z)\, \nabla_\phi \log q_\phi(z)\right]", by="the scores have the mean 0: any number b may be taken away", covers="nvil-score-gradient")
def by_scores(q, f, score): return E(q, f * score)

@scores("=", r"\nabla_{\phi}\, \mathbb{E}_{q_\phi(z)}\left[f(z)\right] \text{, summed over } z", by="q times the slope of log q is the slope of q", covers="nvil-score-gradient")
def exact(phi, f): return D(lambda phi: sum(softmax(phi) * f), phi)

"""
Now with $N$ draws. The world holds every batch that there can be, with its chance, so the mean over batches is a finite
sum. What goes onto the tape is a *surrogate*: only its gradient means something.
"""

@scores("=", r"\mathbb{E}_{q_\phi(z_{1:N})}\left[\operatorname{grad}(\operatorname{scoresurrogate}(\log q_\phi(z_{1:N}), f(z_{1:N}), b))\right]", by="what is differentiated: f and b stand still")
def score_called(q_N, phi, z, f_n, b): return grad(lambda phi: sum(q_N * model.score_surrogate(log_softmax(phi)[z], f_n, b)))(phi)

# ---- The best number to take away ------------------------------------------------------------------------------------
"""
No baseline changes the mean of the gradient, but each gives another spread: the mean square of one draw's gradient is a
parabola in $b$. So there is a best one.
"""

@scores(r"\mathbb{E}_{q_\phi(z)}\left[\sum \left(\left(f(z) - b\right) \nabla_\phi \log q_\phi(z)\right)^2\right]", let=r"\text{the mean square of one draw's gradient}")
def mean_square(q, f, b, score): return E(q, sum(((f - b) * score)**2, 0))

@scores("=", r"\mathbb{E}_{q_\phi(z)}\left[\left(f(z)^2 - 2 b f(z) + b^2\right) \sum \left(\nabla_\phi \log q_\phi(z)\right)^2\right]", by="a parabola in b")
def parabola(q, f, b, score): return E(q, (f**2 - 2 * b * f + b**2) * sum(score**2, 0))

@scores("argmin", r"\frac{\mathbb{E}_{q_\phi(z)}\left[f(z) \sum \left(\nabla_\phi \log q_\phi(z)\right)^2\right]}{\mathbb{E}_{q_\phi(z)}\left[\sum \left(\nabla_\phi \log q_\phi(z)\right)^2\right]}",
        of=mean_square, over="b", by="the mean does not feel b, the spread does: it is least at a mean of f, weighted by the squared scores")
def best_baseline(q, f, score): return E(q, f * sum(score**2, 0)) / E(q, sum(score**2, 0))

"""
The value of the surrogate means little. It is pinned all the same, so that nobody changes it unseen.
"""

@scores(r"\frac{1}{N} \sum_{n=1}^{N} \left(f(z_n) - b\right) \log q_\phi(z_n)", let=r"\text{the surrogate}")
def surrogate(N, f_n, b, q_n): return 1 / N * sum((f_n - b) * log(q_n), 1)

@scores("=", r"\operatorname{scoresurrogate}(\log q_\phi(z_n), f(z_n), b)", by="its value")
def surrogate_called(q_n, f_n, b): return model.score_surrogate(log(q_n), f_n, b)

# ---- A baseline made of the other draws ------------------------------------------------------------------------------
"""
Where does a baseline come from? The mean of $f$ over the draws is at hand, but it holds the very draw that it is taken
away from. Leave that draw out, and the gradient is right on average. Keep it, and every gradient is too short.
"""

@scores(r"\mathbb{E}_{q_\phi(z_{1:N})}\left[\frac{1}{N} \sum_{n=1}^{N} \left(f(z_n) - \bar f_{-n}\right) \nabla_\phi \log q_\phi(z_n)\right]", let=r"\text{with the mean of the other draws}")
def leaving_one_out(q_N, N, f_n, f_n1, s_n): return E(q_N, 1 / N * sum((f_n - f_n1) * s_n, 2))

@scores("=", r"\mathbb{E}_{q_\phi(z)}\left[f(z)\, \nabla_\phi \log q_\phi(z)\right]", by="the others do not depend on the draw they stand beside: as good as a number")
def not_shorter(q, f, score): return E(q, f * score)

@scores(r"\mathbb{E}_{q_\phi(z_{1:N})}\left[\frac{1}{N} \sum_{n=1}^{N} \left(f(z_n) - \bar f\right) \nabla_\phi \log q_\phi(z_n)\right]", let=r"\text{with the mean of all draws}")
def own_mean(q_N, N, f_n, f_bar, s_n): return E(q_N, 1 / N * sum((f_n - f_bar) * s_n, 2))

@scores("=", r"\left(1 - \frac{1}{N}\right) \mathbb{E}_{q_\phi(z)}\left[f(z)\, \nabla_\phi \log q_\phi(z)\right]", by="each draw takes an N-th of itself away: right in direction, too short")
def too_short(N, q, f, score): return (1 - 1 / N) * E(q, f * score)

@scores(r"\bar f_{-n}", let=r"\text{the mean of the other draws}")
def others(f_n1): return f_n1

@scores("=", r"\frac{N \bar f - f(z_n)}{N - 1}", by="all, less its own")
def others_short(N, f_bar, f_n): return (N * f_bar - f_n) / (N - 1)

@scores("=", r"\operatorname{leaveoneout}(f(z_n))", by="the function")
def loo_called(f_n): return model.leave_one_out(f_n)

# ---- When f depends on the parameters too ----------------------------------------------------------------------------
r"""
The bound is the mean of $\log p(x, z) - \log q_\phi(z)$, so here $f$ holds the parameters too. Strictly it has a slope
of its own. That slope may be left out: its mean is 0.
"""

@scores(r"\mathbb{E}_{q_\phi(z)}\left[\left(\log p(x, z) - \log q_\phi(z) - b\right) \nabla_\phi \log q_\phi(z)\right]", let=r"\text{for the bound, whose } f \text{ has } q \text{ in it}")
def baseline_bound(q, log_p, b, score): return E(q, (log_p - log(q) - b) * score)

@scores("=", r"\mathbb{E}_{q_\phi(z)}\left[\left(\log p(x, z) - \log q_\phi(z)\right) \nabla_\phi \log q_\phi(z)\right]", by="as before")
def by_scores_bound(q, log_p, score): return E(q, (log_p - log(q)) * score)

@scores("=", r"\nabla_{\phi}\, \mathbb{E}_{q_\phi(z)}\left[\log p(x, z) - \log q_\phi(z)\right] \text{, summed over } z", by="the slope of f itself is minus a score, of mean 0")
def exact_bound(phi, log_p): return D(lambda phi: sum(softmax(phi) * (log_p - log(softmax(phi)))), phi)

# ---- The logarithm of a mean -----------------------------------------------------------------------------------------
"""
A product of many probabilities is too small to be written as a number, so only logarithms are kept, also where the mean
is taken. Two ends want care: logarithms so near to 0 that rounding eats them, and so far apart that all but the largest
vanish.
"""

@scores(r"\frac{\sum_z f(z)}{Z}")
def small_mean(f, Z): return sum(f) / Z

@scores("=", r"2^{60} \operatorname{logmeanexp}(2^{-60} f(z))", by="near 0 log, mean and exp undo one another; the function below cancels nothing there")
def small_called(f): return 2**60 * model.log_mean_exp(f / 2**60)

@scores(r"\log \frac{\sum_z e^{8 f(z)}}{Z}")
def far_mean(f, Z): return log(sum(exp(8 * f)) / Z)

@scores("=", r"\operatorname{logmeanexp}(8 f(z))", by="far apart the largest alone decides")
def far_called(f): return model.log_mean_exp(8 * f)

# ---- Draws from the prior --------------------------------------------------------------------------------------------
prior_draws = World("finite x, finite z, and every draw of k from the prior", base=one_z,
    k      = size(1, 3),
    z      = let(r"z^{(1:k)}",              lambda Z, k: arange(Z**k)[:, None] // Z**arange(k) % Z),       # [Z^k, k]
    p_k    = let(r"p(z^{(1:k)})",           lambda p_z, z: prod(p_z[z], 1)),                               # [Z^k]
    p_x_zi = let(r"p(x \mid z^{(i)})",      lambda p_x_z, z: p_x_z.T[:, z]),                               # [X, Z^k, k]
    p_z_xi = let(r"p(z^{(i)} \mid x)",      lambda p_z_x, z: p_z_x[:, z]),
    p_zi   = let(r"p(z^{(i)})",             lambda p_z, z: p_z[z]))

naive = Derivation("draws from the prior", prior_draws, where=lambda p_x: (p_x > 0).all())

r"""
Draws can also find $p(x)$ itself, to judge a model by. It is the mean of $p(x \mid z)$ under the prior. So draw $k$
latents from the prior and take the mean.
"""

@naive(r"\mathbb{E}_{p(z^{(1:k)})}\left[\frac{1}{k} \sum_{i=1}^{k} p(x \mid z^{(i)})\right]", let=r"\text{the mean of what is computed}")
def naive_mean(p_k, k, p_x_zi): return E(p_k, 1 / k * sum(p_x_zi, 2))

@naive("=", r"p(x)", by="every term has that mean", covers="naive-mc-likelihood")
def naive_unbiased(p_x): return p_x

"""
Right on average; but how far off in one attempt? The variance falls as $1 / k$, and that is slow where few latents
explain $x$: most attempts then say almost nothing, and a rare one says far too much.
"""

@naive(r"\mathbb{E}_{p(z^{(1:k)})}\left[\left(\frac{1}{k} \sum_{i=1}^{k} p(x \mid z^{(i)}) - p(x)\right)^2\right]", let=r"\text{its variance}")
def naive_variance(p_k, k, p_x_zi, p_x): return E(p_k, (1 / k * sum(p_x_zi, 2) - p_x[:, None])**2)

@naive("=", r"\frac{1}{k} \left(\mathbb{E}_{p(z)}\left[p(x \mid z)^2\right] - p(x)^2\right)", by="independent terms", covers="naive-mc-variance")
def naive_variance_of_one(k, p_z, p_x_z, p_x): return 1 / k * (E(p_z, p_x_z.T**2) - p_x**2)

r"""
What we want is $\log p(x)$, and the logarithm of a number that is right on average is not right on average.
[Jensen's inequality](divergences.log_mean) says which way it errs: too low.
"""

@naive(r"\log p(x)")
def evidence(p_x): return log(p_x)

@naive(">=", r"\mathbb{E}_{p(z^{(1:k)})}\left[\log \left(\frac{1}{k} \sum_{i=1}^{k} p(x \mid z^{(i)})\right)\right]", by="Jensen: too low on average; what is lost is a KL once more",
       gap=lambda p_k, p_z_xi, p_zi: KL(p_k, p_k * mean(ratio(p_z_xi, p_zi), 2)), covers="naive-mc-log-biased")
def naive_log(p_k, k, p_x_zi): return E(p_k, log(1 / k * sum(p_x_zi, 2)))

@naive("=", r"\mathbb{E}_{p(z^{(1:k)})}\left[\operatorname{logmeanexp}(\log p(x \mid z^{(i)}))\right]", by="in the log domain, where small likelihoods do not vanish")
def naive_called(p_k, p_x_zi): return E(p_k, model.log_mean_exp(log(p_x_zi)))

# ---- The best draw there is ------------------------------------------------------------------------------------------
"""
From which law should $z$ be drawn? From the posterior, if we had it. Then every draw alone, weighted as Bayes' rule
says, is $p(x)$ itself.
"""

@naive(r"\mathbb{E}_{p(z \mid x)}\left[\frac{p(x \mid z)\, p(z)}{p(z \mid x)}\right]", let=r"\text{the mean of a draw from the posterior, weighted}")
def mean_posterior(p_z_x, p_x_z, p_z): return E(p_z_x, ratio(p_x_z.T * p_z, p_z_x))

@naive("=", r"p(x)", by="every such draw is p(x), by Bayes' rule", covers="posterior-sampling-lower-variance")
def mean_of_posterior(p_x): return p_x

@naive(r"\mathbb{E}_{p(z \mid x)}\left[\left(\frac{p(x \mid z)\, p(z)}{p(z \mid x)}\right)^2\right]", let=r"\text{its mean square}")
def square_posterior(p_z_x, p_x_z, p_z): return E(p_z_x, ratio(p_x_z.T * p_z, p_z_x)**2)

@naive("=", r"p(x)^2", by="the square of the mean: the variance is 0", covers="posterior-sampling-lower-variance")
def square_of_mean(p_x): return p_x**2

@naive("<=", r"\mathbb{E}_{p(z)}\left[p(x \mid z)^2\right]", by="and that of a draw from the prior, with the same mean, is not", gap=lambda p_z, p_x_z, p_x: E(p_z, (p_x_z.T - p_x[:, None])**2),
       covers="posterior-sampling-lower-variance")
def square_prior(p_z, p_x_z): return E(p_z, p_x_z.T**2)

# ---- Draws from q, weighted ------------------------------------------------------------------------------------------
q_draws = World("finite x, finite z, and every draw of k from q", base=one_z,
    k      = size(2, 3),
    z      = let(r"z^{(1:k)}",              lambda Z, k: arange(Z**k)[:, None] // Z**arange(k) % Z),       # [Z^k, k]
    q_k    = let(r"q(z^{(1:k)} \mid x)",    lambda q, z: prod(q[:, z], 2)),                                # [X, Z^k]
    w      = let(r"w_i",                    lambda p_xz, q, z: ratio(p_xz, q)[:, z]),                      # p(x, z) / q at every draw [X, Z^k, k]
    w_rest = let(r"w_{i>1}",                lambda w: w[:, :, 1:]))                                        # all but the first

weighted = Derivation("draws from q, weighted", q_draws, where=lambda p_xz, q: ((p_xz > 0) & (q > 0)).all())

r"""
The prior draws blindly. Draw instead from a $q(z \mid x)$ that has seen $x$, and make up for it: divide by the chance
of what was drawn. The fraction $w = p(x, z) / q(z \mid x)$ is called an *importance weight*. It is the one whose
logarithm stands in the [ELBO](elbo.bound).
"""

@weighted(r"\mathbb{E}_{q(z^{(1:k)} \mid x)}\left[\frac{1}{k} \sum_{i=1}^{k} w_i\right]", let=r"\text{the mean of the weights}")
def weights_mean(q_k, k, w): return E(q_k, 1 / k * sum(w, 2))

@weighted("=", r"p(x)", by="q cancels in every term")
def weights_unbiased(p_x): return p_x

"""
Take the logarithm, and there is the bound again. This time the mean is taken inside the logarithm, and the more draws
it has, the less Jensen takes away.
"""

@weighted(r"\log p(x)")
def evidence_again(p_x): return log(p_x)

@weighted(">=", r"\mathbb{E}_{q(z^{(1:k)} \mid x)}\left[\log \left(\frac{1}{k} \sum_{i=1}^{k} w_i\right)\right]", by="Jensen: equal where q is the posterior",
          tight=dict(q="p_z_x"), gap=lambda q_k, w, p_x: KL(q_k, q_k * mean(w, 2) / p_x[:, None]))
def weighted_bound(q_k, k, w): return E(q_k, log(1 / k * sum(w, 2)))

@weighted(">=", r"\mathbb{E}_{q(z^{(1:k)} \mid x)}\left[\log \left(\frac{1}{k - 1} \sum w_{i>1}\right)\right]", by="Jensen again: the mean of k is the mean of the k means that leave one out",
          tight=dict(q="p_z_x"), gap=lambda q_k, w, w_rest: KL(q_k, q_k * mean(w_rest, 2) / mean(w, 2)))
def one_less(q_k, k, w_rest): return E(q_k, log(1 / (k - 1) * sum(w_rest, 2)))

@weighted("=", r"\mathbb{E}_{q(z^{(1:k)} \mid x)}\left[\operatorname{logmeanexp}(\log w_{i>1})\right]", by="the same function, with weights")
def one_less_called(q_k, w_rest): return E(q_k, model.log_mean_exp(log(w_rest)))

"""
So there is a ladder. On its lowest rung, with one draw, stands the ELBO; each draw more leads up towards the evidence.

Now everything is at hand: a bound, and its gradient through the noise. Put a network into $q$ and another into $p$, and
climb: that is the [variational autoencoder](vae).
"""

@weighted(">=", r"\mathbb{E}_{q(z \mid x)}\left[\log \frac{p(x, z)}{q(z \mid x)}\right]", by="k = 1 is the bound itself", tight=dict(q="p_z_x"))
def bound_of_one(q, p_xz): return E(q, log(ratio(p_xz, q)))
