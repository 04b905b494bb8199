"""Variational autoencoders, and those before them.   Kingma and Welling 2014, Tipping and Bishop 1999, Burda et al. 2016, Higgins et al. 2017, Razavi et al. 2019   world: linear decoders, finite codes

One network guesses a short code for an image, another guesses the image from the code, and both climb one bound. What
do they climb, term by term? What does it cost that the code is only a guess, and when does it carry nothing?
"""
import math

from derivations import Derivation, World, let, positive, real, simplex, size, tex, unit
from derivations.engine.words import (D, E, KL, abs, arange, array, concatenate, diagonal, eigh, exp, eye, flip, inv, log, logdet, maximum, mean, ones, pi, prod,
                                      ratio, repeat, reshape, sqrt, stack, sum, trace, where, T)
from scratch.autodiff import grad, ndtr, softplus
from scratch.autoencoders import latent, plain, ppca, vae as model
from scratch.probability import distributions


def normals(K):
    """6^K vectors that have every moment of K independent normals to degree 5."""
    return array([3**0.5, 0, 0, 0, 0, -3**0.5])[arange(6**K)[:, None] // 6**arange(K) % 6]


def axes(R):
    """Orthogonal axes, the columns of a matrix, out of any square matrix."""
    return eigh(R + R.T)[1]


def sigmoid(a):
    """The distribution function of the standard logistic law."""
    return 1 / (1 + exp(-a))


def N(x, m, v):
    """The density of independent normals at x."""
    return prod(exp(-(x - m)**2 / (2 * v)) / sqrt(2 * pi * v), -1)


def fine_grid():
    """So wide and so fine that a sum over it is the integral of a normal density, to the last digits."""
    return arange(-128, 129) / 6


# ---- What a decoder says of x ----------------------------------------------------------------------------------------
one_image = World("one image of M pixels",
    M     = size(1, 3),
    x     = tex(r"x",                real("M")),
    f     = tex(r"f(z)",             real("M")),
    var   = tex(r"\sigma_x^2",       positive("M")),
    s2    = tex(r"\sigma^2",         positive()),
    f1    = tex(r"f_1(z)",           real()),
    Sigma = let(r"\Sigma_{x \mid z}", lambda M, var: eye(M) * var),
    t     = let(r"t",                lambda: fine_grid()),                                 # values of one pixel
    k     = let(r"k",                lambda: arange(3)[:, None]),
    dt    = let(r"\Delta",           lambda t: t[1] - t[0]))

decoder = Derivation("decoders", one_image)

r"""
The [bound](elbo.reconstruct) is $\mathbb{E}_{q}[\log p(x \mid z)] - \mathrm{KL}(q \,\Vert\, p(z))$. In a *variational
autoencoder*, or VAE, two networks fill it in, functions with many parameters: the *encoder* makes $q(z \mid x)$ of $x$,
the *decoder* $p(x \mid z)$ of the *code* $z$.

First the decoder. For each of $M$ pixels it gives a guess $f(z)$ and a variance $\sigma_x^2$.
"""

@decoder(r"-\frac{M \log 2\pi + \log\det\Sigma_{x \mid z} + (x - f(z))^\top \Sigma_{x \mid z}^{-1} (x - f(z))}{2}", let=r"\log \mathcal{N}(x; f(z), \Sigma_{x \mid z})",
         covers="vae-decoder-gaussian vae-encoder-gaussian")
def gaussian(M, Sigma, x, f): return -(M * log(2 * pi) + logdet(Sigma) + (x - f) @ inv(Sigma) @ (x - f)) / 2

@decoder("=", r"-\sum_j \left(\frac{1}{2}\log(2\pi) + \frac{1}{2}\log\sigma_x^2 + \frac{(x - f(z))^2}{2\sigma_x^2}\right)", by="the variances are the diagonal of the covariance, and all else is 0: a sum over pixels",
         covers="vae-gaussian-nll")
def gaussian_sum(var, x, f): return -sum(1 / 2 * log(2 * pi) + 1 / 2 * log(var) + (x - f)**2 / (2 * var))

@decoder("=", r"\operatorname{gaussianlogprob}(x, f(z), \log \sigma_x^2)", by="the function that every decoder and encoder with a normal law calls")
def gaussian_called(x, f, var): return distributions.gaussian_log_prob(x[None], f[None], log(var)[None])[0]

# ---- It is a density -------------------------------------------------------------------------------------------------
r"""
Is it a density, with that $2 \pi$? Then its mass is 1, its mean $f$ and its second moment $f^2 + \sigma^2$. On a grid
as fine and wide as this one, sums are integrals to the last digits.
"""

@decoder(r"f_1(z)^0,\ f_1(z),\ f_1(z)^2 + \sigma^2", let=r"\text{mass, mean and second moment of a pixel}")
def moments(f1, s2): return stack([f1**0, f1, f1**2 + s2])

@decoder("=", r"\sum_t \Delta\, t^k\, \frac{e^{-(t - f_1(z))^2 / (2\sigma^2)}}{\sqrt{2\pi\sigma^2}}", by="with the 2 pi it is a density; over a fine, wide grid the sums are exact", covers="vae-gaussian-nll")
def integral(dt, t, k, f1, s2): return sum(dt * t**k * (exp(-(t - f1)**2 / (2 * s2)) / sqrt(2 * pi * s2)), 1)

@decoder("=", r"\sum_t \Delta\, t^k \exp \operatorname{gaussianlogprob}(t, f_1(z), \log \sigma^2)", by="so is the function's")
def integral_called(dt, t, k, f1, s2): return sum(dt * t**k * exp(distributions.gaussian_log_prob(t[:, None], f1, log(s2))), 1)

# ---- One variance: least squares -------------------------------------------------------------------------------------
r"""
Let all pixels share one variance. What do we ask for, when we ask for a large $\log p(x \mid z)$? Turn the sign, to
have something to make small: a loss.
"""

@decoder(r"\frac{M}{2} \log(2\pi\sigma^2) + \sum_j \frac{(x_j - f(z)_j)^2}{2\sigma^2}", let=r"-\log \mathcal{N}(x; f(z), \sigma^2 I)", covers="vae-decoder-isotropic")
def isotropic(M, s2, x, f): return M / 2 * log(2 * pi * s2) + sum((x - f)**2 / (2 * s2))

@decoder("=", r"-\operatorname{gaussianlogprob}(x, f(z), \log \sigma^2)", by="the same function, with one variance for all pixels", covers="vae-decoder-isotropic")
def isotropic_called(x, f, s2): return -distributions.gaussian_log_prob(x[None], f[None], log(s2))[0]

@decoder("argmin", r"\frac{\sum_j (x_j - f(z)_j)^2}{M}", of=isotropic, over="s2", by="the best variance is the mean squared error: a decoder may learn it",
         where=lambda x, f: sum((x - f)**2) > 0)
def learned_variance(x, f, M): return sum((x - f)**2) / M

"""
So the first half of the VAE's loss is the squared error of the image, divided by twice the variance. The variance is no
detail: it says how much a wrong pixel weighs against the other half.
"""

@decoder("= + const", r"\frac{1}{2\sigma^2} \sum_j (x_j - f(z)_j)^2", to=isotropic, vary="x f", by="least squares, once the variance is held fixed",
         covers="vae-decoder-isotropic vae-constant-variance-least-squares")
def least_squares(s2, x, f): return 1 / (2 * s2) * sum((x - f)**2)

"""
What does training feel of it? The gradient: the image that was guessed, less the image that is there, over the
variance.
"""

@decoder(r"\nabla_{f(z)}\left(\frac{M}{2} \log(2\pi\sigma^2) + \sum_j \frac{(x_j - f(z)_j)^2}{2\sigma^2}\right)")
def isotropic_gradient(M, s2, x, f): return D(lambda f: M / 2 * log(2 * pi * s2) + sum((x - f)**2 / (2 * s2)), f)

@decoder("=", r"\nabla_{f(z)} \frac{1}{2\sigma^2} \sum_j (x_j - f(z)_j)^2", by="the constant has no gradient", covers="vae-constant-variance-least-squares")
def squares_gradient(s2, x, f): return D(lambda f: 1 / (2 * s2) * sum((x - f)**2), f)

@decoder("=", r"\frac{f(z) - x}{\sigma^2}", by="by hand")
def residual(f, x, s2): return (f - x) / s2

@decoder("=", r"-\nabla_{f(z)} \operatorname{gaussianlogprob}(x, f(z), \log \sigma^2)", by="by the tape, as in training")
def residual_called(x, f, s2): return -grad(lambda f: sum(distributions.gaussian_log_prob(x[None], f[None], log(s2))))(f)

# ---- Any covariance, along its axes ----------------------------------------------------------------------------------
any_covariance = World("one image of M pixels, with any covariance", base=one_image,
    R     = tex(r"R",                 real("M", "M")),
    V     = let(r"V",                 lambda R: axes(R)),                                   # orthogonal, whatever R
    Sigma = let(r"\Sigma_{x \mid z}", lambda V, var: V * var @ V.T))

turned = Derivation("any covariance", any_covariance)

"""
A covariance that ties pixels together is diagonal too, in its own axes. Turn the image into them and ask the same
function: a turn changes no volume, so the density stays.
"""

@turned(r"-\frac{M \log 2\pi + \log\det\Sigma_{x \mid z} + (x - f(z))^\top \Sigma_{x \mid z}^{-1} (x - f(z))}{2}", let=r"\log \mathcal{N}(x; f(z), \Sigma_{x \mid z})",
        covers="vae-decoder-gaussian vae-encoder-gaussian")
def gaussian_full(M, Sigma, x, f): return -(M * log(2 * pi) + logdet(Sigma) + (x - f) @ inv(Sigma) @ (x - f)) / 2

@turned("=", r"-\sum_j \frac{\log 2\pi + \log \sigma_x^2 + \frac{\left((x - f(z))^\top V\right)^2}{\sigma_x^2}}{2}", by="along the axes of the covariance, which are the columns of V: one number after the other",
        covers="vae-decoder-gaussian")
def gaussian_axes(var, x, f, V): return -sum((log(2 * pi) + log(var) + ((x - f) @ V)**2 / var) / 2)

@turned("=", r"\operatorname{gaussianlogprob}(x^\top V, f(z)^\top V, \log \sigma_x^2)", by="the function, in those axes: a turn changes no volume")
def gaussian_axes_called(x, f, V, var): return distributions.gaussian_log_prob((x @ V)[None], (f @ V)[None], log(var)[None])[0]

# ---- What the prior says of z ----------------------------------------------------------------------------------------
one_code = World("one code of K numbers",
    K = size(1, 3),
    z = tex(r"z", real("K")))

prior = Derivation("prior", one_code)

"""
The prior of the VAE is the standard normal law. What does it want of a code? See where its logarithm rises.
"""

@prior(r"\nabla_z \left(-\frac{K \log 2\pi + \sum_k z_k^2}{2}\right)", let=r"\nabla_z \log \mathcal{N}(z; 0, I)", covers="vae-prior")
def prior_score(z, K): return D(lambda z: -(K * log(2 * pi) + sum(z**2)) / 2, z)

@prior("=", r"-z", by="it pulls towards 0", covers="vae-prior")
def towards_zero(z): return -z

@prior("=", r"\nabla_z \operatorname{gaussianlogprob}(z, 0, 0)", by="the same function, at mean 0 and variance 1")
def prior_called(z): return grad(lambda z: sum(distributions.gaussian_log_prob(z[None], 0 * z[None], 0 * z[None])))(z)

# ---- An image of bits ------------------------------------------------------------------------------------------------
bits = World("all images of M bits",
    M = size(1, 4),
    f = tex(r"f(z)", unit("M")),
    x = let(r"x",    lambda M: arange(2**M)[:, None] // 2**arange(M) % 2 * 1.0),              # [2^M, M]
    l = let(r"\ell", lambda f: log(f / (1 - f))))

bernoulli = Derivation("bits", bits)

"""
Where pixels are black or white, the decoder should say a chance: $f(z)$, that the pixel is white. The world holds all
$2^M$ images, so every sum over them is finite.
"""

@bernoulli(r"\log \prod_j f(z)_j^{x_j} (1 - f(z)_j)^{1 - x_j}", let=r"\log p(x \mid z) \text{ of every } x")
def bernoulli_product(f, x): return log(prod(f**x * (1 - f)**(1 - x), 1))

@bernoulli("=", r"\sum_j \left(x_j \log f(z)_j + (1 - x_j) \log(1 - f(z)_j)\right)", by="the logarithm of a product", covers="vae-decoder-bernoulli")
def bernoulli_sum(x, f): return sum(x * log(f) + (1 - x) * log(1 - f), 1)

@bernoulli("=", r"\operatorname{bernoullilogprob}\left(x, \log \frac{f(z)}{1 - f(z)}\right)", by="from logits: x l - softplus(l), which cannot overflow")
def bernoulli_called(x, f): return distributions.bernoulli_log_prob(x, log(f / (1 - f)) + 0 * x)

r"""
A network puts out any real number, the *logit* $\ell$, and the chance is $1 / (1 + e^{-\ell})$. In the logit the slope
is short.
"""

@bernoulli(r"\nabla_{\ell} \frac{1}{2^M} \sum_{x, j} \left(x \ell - \log(1 + e^{\ell})\right)")
def bernoulli_slope(l, M, x): return D(lambda l: 1 / 2**M * sum(x * l - log(1 + exp(l))), l)

@bernoulli("=", r"\frac{1}{2^M} \sum_x \left(x - f(z)\right)", by="what is there, less what was expected")
def bernoulli_surprise(M, x, f): return 1 / 2**M * sum(x - f, 0)

@bernoulli("=", r"\nabla_{\ell} \frac{1}{2^M} \sum_x \operatorname{bernoullilogprob}(x, \ell)", by="by the rule that the function has for its derivative")
def bernoulli_slope_called(x, l): return grad(lambda l: mean(distributions.bernoulli_log_prob(x, l)))(l)

@bernoulli(r"\sum_x \prod_j f(z)_j^{x_j} (1 - f(z)_j)^{1 - x_j}")
def bernoulli_mass(f, x): return sum(prod(f**x * (1 - f)**(1 - x), 1))

@bernoulli("=", r"1", by="a law: the sum over all images", covers="vae-decoder-bernoulli")
def bernoulli_one(): return 1

# ---- Levels, by a logistic law ---------------------------------------------------------------------------------------
pixel = World("one pixel with L levels",
    L     = size(2, 5),
    mu    = tex(r"\mu",     real()),                                                        # in levels; it may lie outside
    log_s = tex(r"\log s",  real()),
    s     = let(r"s",       lambda log_s: exp(log_s)),
    x     = let(r"x",       lambda L: arange(L)),
    low   = let(r"x_-",     lambda x: where(x > 0, x - 1 / 2, -math.inf)),                  # where the bin of x begins and ends
    high  = let(r"x_+",     lambda x, L: where(x < L - 1, x + 1 / 2, math.inf)))

bins = Derivation("a logistic law in bins", pixel)

r"""
Digits have levels, 0 to $L - 1$. A density could grow without limit on them, if all of it went onto one level. So each
level gets the mass that a logistic law has in its bin; the first and the last bin take the tails. Here $\sigma$ is that
law's distribution function, $1 / (1 + e^{-a})$.
"""

@bins(r"\sigma\left(\frac{x_+ - \mu}{s}\right) - \sigma\left(\frac{x_- - \mu}{s}\right)", let=r"P(x)")
def logistic(high, mu, s, low): return sigmoid((high - mu) / s) - sigmoid((low - mu) / s)

@bins("=", r"\sigma\left(\frac{x_+ - \mu}{s}\right) \sigma\left(\frac{\mu - x_-}{s}\right) \left(1 - e^{\frac{x_- - x_+}{s}}\right)", by="three factors that keep their digits where the two terms are nearly equal")
def logistic_factors(high, mu, s, low): return sigmoid((high - mu) / s) * sigmoid((mu - low) / s) * (1 - exp((low - high) / s))

@bins("=", r"\exp \operatorname{logisticlogprob}\left(x, \frac{\mu}{L - 1}, \log \frac{s}{L - 1}, L\right)", by="the function, in units of the whole range")
def logistic_called(x, mu, s, L): return exp(distributions.logistic_log_prob(x[:, None], mu / (L - 1) + 0 * x[:, None], log(s / (L - 1)), L))

@bins(r"\sum_x \left(\sigma\left(\frac{x_+ - \mu}{s}\right) - \sigma\left(\frac{x_- - \mu}{s}\right)\right)")
def logistic_mass(high, mu, s, low): return sum(sigmoid((high - mu) / s) - sigmoid((low - mu) / s))

@bins("=", r"1", by="a law, because the first bin and the last one have the tails: the sum telescopes")
def logistic_one(): return 1

# ---- Levels, by a normal law -----------------------------------------------------------------------------------------
normal_bins = Derivation("a normal law in bins", pixel)

r"""
Now a normal law, with the distribution function $\Phi$; diffusion will want it. A difference of two numbers that are
both nearly 1 has lost its digits. The lines below keep them.
"""

@normal_bins(r"\Phi\left(\frac{x_+ - \mu}{s}\right) - \Phi\left(\frac{x_- - \mu}{s}\right)", let=r"P(x)")
def normal_mass(high, mu, s, low): return ndtr((high - mu) / s) - ndtr((low - mu) / s)

@normal_bins("=", r"\Phi\left(\frac{\mu - x_-}{s}\right) - \Phi\left(\frac{\mu - x_+}{s}\right)", by="turned over: what is nearly 1 on one side is nearly 0 on the other, and keeps its digits")
def normal_turned(mu, low, s, high): return ndtr((mu - low) / s) - ndtr((mu - high) / s)

@normal_bins("=", r"\exp \operatorname{normallevellogprob}\left(x, \frac{\mu}{L - 1}, 2 \log \frac{s}{L - 1}, L\right)", by="the function, in units of the whole range")
def normal_called(x, mu, s, L): return exp(distributions.normal_level_log_prob(x[:, None], mu / (L - 1) + 0 * x[:, None], 2 * log(s / (L - 1)), L))

@normal_bins(r"\Phi\left(\frac{x_+ - \mu}{s + 20}\right) - \Phi\left(\frac{x_- - \mu}{s + 20}\right)")
def narrow_mass(high, mu, s, low): return ndtr((high - mu) / (s + 20)) - ndtr((low - mu) / (s + 20))

@normal_bins("=", r"\exp \operatorname{normallevellogprob}\left(x, \frac{\mu}{L - 1}, 2 \log \frac{s + 20}{L - 1}, L\right)", by="and in bins that are narrow, where it adds up slopes")
def narrow_called(x, mu, s, L): return exp(distributions.normal_level_log_prob(x[:, None], mu / (L - 1) + 0 * x[:, None], 2 * log((s + 20) / (L - 1)), L))

# ---- Why the images are blurred --------------------------------------------------------------------------------------
codes = World("finite x, finite z, data",
    X     = size(1, 4),
    Z     = size(1, 4),
    p_d   = tex(r"p_d(x)",       simplex("X")),
    p_z   = tex(r"p(z)",         simplex("Z")),
    p_x_z = tex(r"p(x \mid z)",  simplex("Z", "X")),
    q     = tex(r"q(z \mid x)",  simplex("X", "Z")),
    beta  = tex(r"\beta",        positive()),
    v     = tex(r"v",            real("X")),                                               # x as a point of the line
    m     = tex(r"m(z)",         real("Z")),
    q_z   = let(r"q(z)",         lambda p_d, q: sum(p_d[:, None] * q, 0)),
    q_x_z = let(r"q(x \mid z)",  lambda p_d, q, q_z: ratio((p_d[:, None] * q).T, q_z[:, None])))     # [Z, X]

blur = Derivation("what a Gaussian decoder draws", codes)

"""
Why are the images of such a decoder soft? Let several images share a code, and let $v$ be a pixel of each. Squared
error wants one answer for all of them. Which one?
"""

@blur(r"\mathbb{E}_{p_d(x)}\left[\mathbb{E}_{q(z \mid x)}\left[(v - m(z))^2\right]\right]", let=r"\text{squared error of the decoder } m")
def blur_error(p_d, q, v, m): return E(p_d, E(q, (v[:, None] - m)**2))

@blur("argmin", r"\mathbb{E}_{q(x \mid z)}\left[v\right]", of=blur_error, over="m", by="the mean of all x that share the code: one that may look like none of them", covers="vae-blurry-gaussian-mean")
def blur_mean(q_x_z, v): return E(q_x_z, v)

@blur(">=", r"\mathbb{E}_{q(z)}\left[\mathbb{E}_{q(x \mid z)}\left[v^2\right] - \mathbb{E}_{q(x \mid z)}\left[v\right]^2\right]", to=blur_error, by="what is left is the variance of x given its code",
      tight=dict(m=lambda q_x_z, v: E(q_x_z, v)), gap=lambda q_z, q_x_z, v, m: E(q_z, (m - E(q_x_z, v))**2), covers="vae-blurry-gaussian-mean")
def blur_left(q_z, q_x_z, v): return E(q_z, E(q_x_z, v**2) - E(q_x_z, v)**2)

# ---- What a code costs, and what it says -----------------------------------------------------------------------------
collapse = Derivation("posterior collapse", codes)

"""
If only the decoder counted, the encoder could give each image a code of its own, however far out. The second term puts
a price on that. Its mean over the data $p_d(x)$ is called the *rate*. What do we pay it for? Here the codes have
finitely many values, so that every mean is a sum.
"""

@collapse(r"\mathbb{E}_{p_d(x)}\left[\mathrm{KL}(q(z \mid x) \,\Vert\, p(z))\right]", let=r"\text{rate}")
def rate(p_d, q, p_z): return E(p_d, KL(q, p_z))

"""
Let $q(z)$ be the law of the codes of all the data. We pay for two things: that the code of one image differs from the
others, and that the codes as a whole differ from the prior. From the prior we shall draw new images, so the decoder has
to know what lies there.
"""

@collapse("=", r"\mathbb{E}_{p_d(x)}\left[\mathrm{KL}(q(z \mid x) \,\Vert\, q(z))\right] + \mathrm{KL}(q(z) \,\Vert\, p(z))", by="multiply and divide by the mean code q(z)")
def rate_split(p_d, q, q_z, p_z): return E(p_d, KL(q, q_z)) + KL(q_z, p_z)

"""
The first of the two is what the code says about the image, in nats; the second says nothing, and can be 0.
"""

@collapse(">=", r"\mathbb{E}_{p_d(x)}\left[\mathrm{KL}(q(z \mid x) \,\Vert\, q(z))\right]", by="it is called the mutual information of x and z; the rate is never below it",
          tight=dict(q=lambda X, p_z: ones((X, 1)) * p_z), gap=lambda q_z, p_z: KL(q_z, p_z), covers="posterior-collapse")
def information(p_d, q, q_z): return E(p_d, KL(q, q_z))

"""
The whole price can be 0 as well. Then every image has the prior for its code, and the code says nothing of it. If the
decoder does well without, this is where training may end: *posterior collapse*.
"""

@collapse(">=", r"0", by="no information: the code is the same whatever x", tight=dict(q=lambda X, p_z: ones((X, 1)) * p_z), covers="posterior-collapse")
def no_information(): return 0

# ---- A weight on the price -------------------------------------------------------------------------------------------
weight = Derivation("beta", codes, where=lambda p_x_z, p_z: (p_x_z > 0).all() & (p_z > 0).all())

r"""
Let the price count $\beta$ times. The best $q$ was the posterior; is it still?
"""

@weight(r"\mathbb{E}_{q(z \mid x)}\left[\log p(x \mid z)\right] - \beta\, \mathrm{KL}(q(z \mid x) \,\Vert\, p(z))", let=r"\mathcal{L}_\beta", covers="beta-vae-objective")
def beta_bound(q, p_x_z, beta, p_z): return E(q, log(p_x_z.T)) - beta * KL(q, p_z)

@weight("argmax", r"\frac{p(z)\, p(x \mid z)^{1 / \beta}}{\sum_z p(z)\, p(x \mid z)^{1 / \beta}}", of=beta_bound, over="q", by="a posterior that believes x only 1/beta times")
def beta_best(p_z, p_x_z, beta): return p_z * p_x_z.T**(1 / beta) / sum(p_z * p_x_z.T**(1 / beta), 1)[:, None]

@weight("<=", r"\beta \log \sum_z p(z)\, p(x \mid z)^{1 / \beta}", to=beta_bound, by="what is missing is beta times the KL to that",
        gap=lambda beta, q, p_z, p_x_z: beta * KL(q, p_z * p_x_z.T**(1 / beta) / sum(p_z * p_x_z.T**(1 / beta), 1)[:, None]))
def beta_value(beta, p_z, p_x_z): return beta * log(sum(p_z * p_x_z.T**(1 / beta), 1))

# ---- A higher price, a lower rate ------------------------------------------------------------------------------------
tempered = World("the best code at beta", base=codes,
    q_b = let(r"q_\beta", lambda p_z, p_x_z, beta: p_z * exp(log(p_x_z.T) / beta) / sum(p_z * exp(log(p_x_z.T) / beta), 1)[:, None]))

rates = Derivation("the rate falls as beta grows", tempered, where=lambda p_x_z, p_z: (p_x_z > 0).all() & (p_z > 0).all())

r"""
What does a dearer code do to the rate? Put the best code in, and differentiate by $\beta$.
"""

@rates(r"\nabla_\beta\, \mathbb{E}_{p_d(x)}\left[\mathrm{KL}\left(\frac{p(z)\, p(x \mid z)^{1 / \beta}}{\sum_z p(z)\, p(x \mid z)^{1 / \beta}} \,\Vert\, p(z)\right)\right]", let=r"\nabla_\beta\, \mathbb{E}_{p_d(x)}\left[\mathrm{KL}(q_\beta \,\Vert\, p(z))\right]")
def rate_slope(beta, p_d, p_z, p_x_z): return D(lambda beta: E(p_d, KL(p_z * p_x_z.T**(1 / beta) / sum(p_z * p_x_z.T**(1 / beta), 1)[:, None], p_z)), beta)

@rates("=", r"-\frac{\mathbb{E}_{p_d(x)}\left[\mathbb{E}_{q_\beta}\left[\left(\log p(x \mid z) - \mathbb{E}_{q_\beta}[\log p(x \mid z)]\right)^2\right]\right]}{\beta^3}", by="with t = 1 / beta, dq/dt = q (log p(x|z) - its mean)")
def rate_variance(p_d, q_b, p_x_z, beta): return -E(p_d, E(q_b, (log(p_x_z.T) - E(q_b, log(p_x_z.T))[:, None])**2)) / beta**3

@rates("<=", r"0", by="minus a variance: a larger beta never raises the rate; where every z explains x alike it stays 0", tight=dict(p_x_z=lambda p_x_z: p_x_z[:1] + 0 * p_x_z))
def rate_falls(): return 0

# ---- Told the label --------------------------------------------------------------------------------------------------
labelled = World("finite x, finite z, labels y",
    X      = size(1, 3),
    Y      = size(1, 3),
    Z      = size(1, 4),
    p_z    = tex(r"p(z)",            simplex("Z")),
    p_x_zy = tex(r"p(x \mid z, y)",  simplex("Y", "Z", "X")),
    q      = tex(r"q(z \mid x, y)",  simplex("Y", "X", "Z")),
    p_xz_y = let(r"p(x, z \mid y)",  lambda p_z, p_x_zy: p_z * T(p_x_zy)),           # [Y, X, Z]
    p_x_y  = let(r"p(x \mid y)",     lambda p_xz_y: sum(p_xz_y, 2)),
    p_z_xy = let(r"p(z \mid x, y)",  lambda p_xz_y, p_x_y: ratio(p_xz_y, p_x_y[:, :, None])))

conditional = Derivation("conditional", labelled, where=lambda q, p_xz_y: ((q == 0) | (p_xz_y > 0)).all())

"""
Let every image have a label $y$, say the digit that it shows. Tell it to both networks. What changes in the bound?
Nothing but the bars.
"""

@conditional(r"\log p(x \mid y)")
def cvae_evidence(p_x_y): return log(p_x_y)

@conditional(">=", r"\mathbb{E}_{q}\left[\log p(x \mid z, y)\right] - \mathrm{KL}(q \,\Vert\, p(z))", by="the bound, at every label", covers="cvae-elbo",
             tight=dict(q="p_z_xy"), gap=lambda q, p_z_xy: KL(q, p_z_xy))
def cvae_bound(q, p_x_zy, p_z): return E(q, log(T(p_x_zy))) - KL(q, p_z)

@conditional("=", r"\operatorname{elbo}(\log p(x, z \mid y), q)", by="the same function: the label stands on both sides of every bar")
def cvae_called(p_xz_y, q): return latent.elbo(log(p_xz_y), q)

# ---- A linear decoder ------------------------------------------------------------------------------------------------
linear = World("linear decoder, linear Gaussian encoder",
    N     = size(1, 6),
    M     = size(1, 4),
    K     = size(1, 2),
    x     = tex(r"x",                real("N", "M")),
    z     = tex(r"z",                real("K")),
    W     = tex(r"W",                real("M", "K")),
    b     = tex(r"b",                real("M")),
    s2    = tex(r"\sigma^2",         positive()),
    A     = tex(r"A",                real("K", "M")),
    var   = tex(r"\sigma_\phi^2",    positive("K")),
    beta  = tex(r"\beta",            positive()),
    mu    = let(r"\mu_\phi(x)",      lambda A, x: x @ A.T),                                               # [N, K]
    C     = let(r"C",                lambda W, s2, M: W @ W.T + s2 * eye(M)),                             # [M, M]
    Sigma = let(r"\Sigma_{z \mid x}", lambda W, s2, K: inv(eye(K) + W.T @ W / s2)),                        # [K, K]
    m     = let(r"\mu_{z \mid x}",   lambda W, s2, x, b, Sigma: (x - b) @ W @ Sigma / s2))                # [N, K]

drawn = Derivation("probabilistic principal components", linear)

r"""
To hold a loss to exact numbers we need networks whose means can be computed. Take the simplest decoder,
$f(z) = W z + b$, with one variance $\sigma^2$, and the prior $\mathcal{N}(0, I)$ for the $K$ numbers of the code. The
functions of this page take any network; here they get this one.
"""

@drawn(r"b,\ W W^\top + \sigma^2 I_M", let=r"\text{mean and covariance of } x")
def ppca_moments(b, W, s2, M): return b, W @ W.T + s2 * eye(M)

"""
New images need no encoder: draw a code from the prior, decode it, add the noise. In place of random numbers the sampler
gets a few vectors with mean 0 and covariance $I$, so what comes out can be compared exactly.
"""

@drawn("=", r"\text{mean and covariance of } \operatorname{sample}(z, \epsilon, z \mapsto Wz + b) \text{ over } 2(K + M) \text{ vectors } (z, \epsilon) \text{ with covariance } I",
       by="the sampler, which never asks the encoder", covers="alg-vae-sampling:1-2 ppca-model")
def sampled(W, b, s2, K, M):
    both = concatenate([eye(K + M), -eye(K + M)]) * sqrt(K + M)
    x    = model.sample(both[:, :K], both[:, K:], lambda z: (z @ W.T + b, log(s2)))
    return mean(x, 0), (x - mean(x, 0)).T @ (x - mean(x, 0)) / (2 * (K + M))

r"""
With real networks nobody can compute $\log p(x)$. With this one we can: Bayes' rule gives it at every $z$, once the
posterior is known. Complete the square in $z$: it is normal, with covariance
$\Sigma_{z \mid x} = (I + W^\top W / \sigma^2)^{-1}$ and mean
$\mu_{z \mid x} = \Sigma_{z \mid x} W^\top (x - b) / \sigma^2$. So the evidence can stand beside the bound.
"""

@drawn(r"-\frac{M \log 2\pi\sigma^2 + \sum_j (x - b - W z)_j^2 / \sigma^2}{2} - \frac{K \log 2\pi + \sum_k z_k^2}{2} + \frac{K \log 2\pi + \log\det\Sigma_{z \mid x} + (z - \mu_{z \mid x}) \Sigma_{z \mid x}^{-1} (z - \mu_{z \mid x})^\top}{2}",
       let=r"\log \frac{p(x \mid z)\, p(z)}{p(z \mid x)}", covers="ppca-model")
def ppca_bayes(M, s2, x, b, W, z, K, Sigma, m):
    return -(M * log(2 * pi * s2) + sum((x - b - W @ z)**2, 1) / s2) / 2 - (K * log(2 * pi) + sum(z**2)) / 2 + \
        (K * log(2 * pi) + logdet(Sigma) + diagonal((z - m) @ inv(Sigma) @ (z - m).T)) / 2

@drawn("=", r"-\frac{M \log 2\pi + \log\det C + (x - b)\, C^{-1} (x - b)^\top}{2}", by="the same at every z, so it is log p(x): normal with covariance C = W W' + sigma^2 I", covers="ppca-marginal",
       tol=(1e-11, "where W is large and the noise small the terms are 1000 times their sum"))
def ppca_marginal(M, C, x, b): return -(M * log(2 * pi) + logdet(C) + diagonal((x - b) @ inv(C) @ (x - b).T)) / 2

@drawn("=", r"\operatorname{loglikelihood}(x, W, b, \sigma^2)", by="with a K x K matrix in place of the M x M one")
def ppca_called(x, W, b, s2): return ppca.log_likelihood(x, W, b, s2)

"""
There is another way to the evidence, where the code is one number or two: add up over a grid of codes. Where decoders
are smooth the sum is the integral, as on the [grid](vae.integral) before. The function that asks networks must give
what the formula gives here.
"""

@drawn(r"-\frac{M \log 2\pi + \log\det C + (x - b)\, C^{-1} (x - b)^\top}{2}", where=lambda W, s2, M: trace(W @ W.T) / s2 < 10)
def ppca_again(M, C, x, b): return -(M * log(2 * pi) + logdet(C) + diagonal((x - b) @ inv(C) @ (x - b).T)) / 2

@drawn("=", r"\operatorname{logevidence}(x, z \mapsto Wz + b, K)", by="a sum over a grid of codes", where=lambda W, s2, M: trace(W @ W.T) / s2 < 10)
def evidence_called(x, W, b, s2, K): return model.log_evidence(x, lambda z: (z @ W.T + b, log(s2)), K, 81)

# ---- A linear encoder ------------------------------------------------------------------------------------------------
coded = Derivation("a linear encoder", linear)

"""
An encoder says a law too, of $z$. A linear one says its mean, $A x$, and one variance for each number of the code,
whatever $x$. Who reads it? The function that reads the decoder's.
"""

@coded(r"-\frac{K \log 2\pi + \log\det(\sigma_\phi^2 I_K) + (z - \mu_\phi(x)) (\sigma_\phi^2 I_K)^{-1} (z - \mu_\phi(x))^\top}{2}", let=r"\log q_\phi(z \mid x)", covers="vae-encoder-gaussian")
def encoded(K, var, z, mu): return -(K * log(2 * pi) + logdet(var * eye(K)) + diagonal((z - mu) @ inv(var * eye(K)) @ (z - mu).T)) / 2

@coded("=", r"\operatorname{gaussianlogprob}(z, A x, \log \sigma_\phi^2)", by="the decoder's function: an encoder says of z what a decoder says of x", covers="vae-encoder-gaussian")
def encoded_called(z, A, x, var): return distributions.gaussian_log_prob(z, x @ A.T, log(var))

# ---- The most likely decoder -----------------------------------------------------------------------------------------
scattered = World("linear decoder, linear Gaussian encoder, and the scatter of the data around b", base=linear,
    M     = size(3, 4),
    x     = tex(r"x",                unit("N", "M")),                                           # so that some variances lie below the noise, some above
    b     = tex(r"b",                unit("M")),
    s2    = tex(r"\sigma^2",         unit()),
    S     = let(r"S",                lambda x, b, N: (x - b).T @ (x - b) / N),                            # [M, M]
    lam   = let(r"\lambda",          lambda S: flip(eigh(S)[0])),                                         # [M], descending
    U     = let(r"U",                lambda S: flip(eigh(S)[1], 1)),                                      # [M, M], columns
    W_ml  = let(r"W_{\mathrm{ML}}",  lambda U, lam, s2, K: U[:, :K] * sqrt(maximum(lam[:K] - s2, 0))),
    S_ml  = let(r"\Sigma_{\mathrm{ML}}",  lambda W_ml, s2, K: inv(eye(K) + W_ml.T @ W_ml / s2)),           # of z given x, at the best W
    m_ml  = let(r"\mu_{\mathrm{ML}}",  lambda W_ml, s2, x, b, S_ml: (x - b) @ W_ml @ S_ml / s2),
    h     = let(r"h",                lambda lam, s2, K: maximum(lam[:K], s2)))                        # the K largest eigenvalues of W W' + sigma^2 I there

fitted = Derivation("the most likely W", scattered)

r"""
With a linear decoder the best parameters have formulas: this VAE is *principal component analysis*, with noise. $S$ is
the scatter of the data around $b$; its eigenvalues $\lambda_i$, the largest first, are the variances along its axes.
"""

@fitted(r"-\frac{1}{N} \sum_n \frac{M \log 2\pi + \log\det C + (x - b)\, C^{-1} (x - b)^\top}{2}", let=r"\frac{1}{N} \sum_n \log p(x_n)")
def mean_likelihood(N, M, C, x, b): return -1 / N * sum((M * log(2 * pi) + logdet(C) + diagonal((x - b) @ inv(C) @ (x - b).T)) / 2)

@fitted("=", r"-\frac{M \log 2\pi + \log\det C + \mathrm{tr}(C^{-1} S)}{2}", by="the data enter by their scatter around b only")
def likelihood(M, C, S): return -(M * log(2 * pi) + logdet(C) + trace(inv(C) @ S)) / 2

@fitted("argmax", r"\frac{\sum_n x_n}{N}", of=likelihood, over="b", by="the mean, whatever W is; with the posterior for q the bound is this likelihood", covers="elbo-objective-argmax")
def best_b(x, N): return sum(x, 0) / N

@fitted("argmax", r"W_{\mathrm{ML}}", of=likelihood, over="W", by="along the K largest variances, shortened by the noise", covers="elbo-objective-argmax")
def best_W(W_ml): return W_ml

"""
With the best $W$ in its place, only the noise is left to choose.
"""

@fitted(r"-\frac{M \log 2\pi + \log\det(W_{\mathrm{ML}} W_{\mathrm{ML}}^\top + \sigma^2 I_M) + \mathrm{tr}((W_{\mathrm{ML}} W_{\mathrm{ML}}^\top + \sigma^2 I_M)^{-1} S)}{2}", let=r"\text{at the best } W")
def profile(M, W_ml, s2, S): return -(M * log(2 * pi) + logdet(W_ml @ W_ml.T + s2 * eye(M)) + trace(inv(W_ml @ W_ml.T + s2 * eye(M)) @ S)) / 2

@fitted("=", r"-\frac{M \log 2\pi + \sum_{i \leq K} \left(\log h_i + \frac{\lambda_i}{h_i}\right) + \sum_{i > K} \left(\log \sigma^2 + \frac{\lambda_i}{\sigma^2}\right)}{2}", by="in the eigenvectors of S everything is diagonal; h is the larger of lambda and sigma^2")
def profile_sum(M, h, lam, s2, K): return -(M * log(2 * pi) + sum(log(h) + lam[:K] / h) + sum(log(s2) + lam[K:] / s2)) / 2

@fitted("argmax", r"\frac{\sum_{i > K} \lambda_i}{M - K}", of=profile_sum, over="s2", by="the mean of the variances left out", where=lambda lam, K: lam[K] > 1 / 256, covers="elbo-objective-argmax")
def best_s2(lam, M, K): return sum(lam[K:]) / (M - K)

@fitted(r"\bar\lambda,\ U (\Lambda - \bar\lambda) U^\top \text{ of the K largest},\ \bar x", let=r"\text{all three at once}")
def best(x, N, K, M):
    b      = sum(x, 0) / N
    lam, U = eigh((x - b).T @ (x - b) / N)
    s2     = sum(lam[:M - K]) / (M - K)
    return s2, (U[:, M - K:] * (lam[M - K:] - s2)) @ U[:, M - K:].T, b

@fitted("=", r"\operatorname{fit}(x, K)", by="the function that is called; W up to a rotation of the code")
def ppca_fitted(x, K): W, b, s2 = ppca.fit(x, K); return s2, W @ W.T, b

"""
And which numbers of the code are used? Ask each for its rate.
"""

@fitted(r"\frac{1}{2N} \sum_n \left(\mu_{\mathrm{ML}}^2 + \operatorname{diag} \Sigma_{\mathrm{ML}} - 1 - \log \operatorname{diag} \Sigma_{\mathrm{ML}}\right)", let=r"\text{the mean KL of each latent, at the best } W")
def latent_rates(N, m_ml, S_ml): return 1 / (2 * N) * sum(m_ml**2 + diagonal(S_ml) - 1 - log(diagonal(S_ml)), 0)

@fitted("=", r"\frac{1}{2} \log \max\left(1, \frac{\lambda_i}{\sigma^2}\right)", by="a latent is used where its variance is above the noise, and collapses to the prior, exactly, where it is not",
        covers="posterior-collapse")
def collapses(K, lam, s2): return 1 / 2 * log(maximum(1, lam[:K] / s2))

# ---- The same, step by step ------------------------------------------------------------------------------------------
halves = World("a linear decoder, and the codes of another one", base=linear,
    M     = size(2, 4),
    W_0   = tex(r"W_0",              real("M", "K")),
    b_0   = tex(r"b_0",              real("M")),
    s_0   = tex(r"\sigma_0^2",       positive()),
    V     = let(r"V",                lambda W_0, s_0, K: inv(eye(K) + W_0.T @ W_0 / s_0)),                # [K, K]
    m     = let(r"m",                lambda x, b_0, W_0, V, s_0: (x - b_0) @ W_0 @ V / s_0),              # [N, K]
    x_bar = let(r"\bar x",           lambda x: mean(x, 0)),
    m_bar = let(r"\bar m",           lambda m: mean(m, 0)),
    zs    = let(r"z_i",              lambda m, V, K: normals(K) @ (eigh(V)[1] * sqrt(eigh(V)[0])).T + m[:, None]),    # [N, 6^K, K], of mean m and covariance V
    W_1   = let(r"W_1",              lambda x, m, m_bar, V, N: x.T @ (m - m_bar) @ inv(m.T @ (m - m_bar) + N * V)),
    b_1   = let(r"b_1",              lambda x_bar, m_bar, W_1: x_bar - m_bar @ W_1.T))

climbed = Derivation("the most likely decoder, by EM", halves)

r"""
The closed form is a gift. [EM](mixtures.e_step) does without. *E step*: hold a decoder, with $W_0$, $b_0$ and
$\sigma_0^2$, and ask for the posterior of every code: normal, with mean $m$ and covariance $V$. *M step*: make
$\log p(x \mid z)$ large, on average over these codes. Only their first two moments count, so a few codes $z_i$ that
have them give the exact average.
"""

@climbed(r"-\frac{1}{6^K} \sum_{n, i} \frac{M \log 2\pi\sigma^2 + \sum_j \left(x - b - z_i W^\top\right)^2 / \sigma^2}{2}", let=r"\sum_n \mathbb{E}\left[\log p(x \mid z)\right]")
def expected(K, M, s2, x, b, zs, W): return -1 / 6**K * sum((M * log(2 * pi * s2) + sum((x[:, None] - b - zs @ W.T)**2, 2) / s2) / 2)

@climbed("=", r"-\frac{N M \log 2\pi\sigma^2 + \frac{\sum_{n, j} \left(x - b - m W^\top\right)^2 + N\, \mathrm{tr}(W V W^\top)}{\sigma^2}}{2}", by="the square around the mean, and what the code varies by")
def expected_moments(N, M, s2, x, b, m, W, V): return -(N * M * log(2 * pi * s2) + (sum((x - b - m @ W.T)**2) + N * trace(W @ V @ W.T)) / s2) / 2

@climbed("argmax", r"\bar x - \bar m W^\top", of=expected_moments, over="b", by="what the codes leave over, on average")
def em_b(x_bar, m_bar, W): return x_bar - m_bar @ W.T

@climbed("argmax", r"(x - b)^\top m \left(m^\top m + N V\right)^{-1}", of=expected_moments, over="W", by="a regression of images on codes; V makes it modest where codes are unsure")
def em_W(x, b, m, N, V): return (x - b).T @ m @ inv(m.T @ m + N * V)

@climbed("argmax", r"\frac{\sum_{n, j} \left(x - b - m W^\top\right)^2 + N\, \mathrm{tr}(W V W^\top)}{N M}", of=expected_moments, over="s2", where=lambda W: (W != 0).any(),
         by="what the regression leaves over, and what the codes leave open")
def em_s2(x, b, m, W, N, V, M): return (sum((x - b - m @ W.T)**2) + N * trace(W @ V @ W.T)) / (N * M)

r"""
The best $b$ depends on $W$, and the best $W$ on $b$. Both at once are $b_1 = \bar x - \bar m W_1^\top$ and a $W_1$ that
the codes around their mean find:
"""

@climbed(r"x^\top (m - \bar m) \left(m^\top (m - \bar m) + N V\right)^{-1}", let=r"W_1")
def em_both(x, m, m_bar, N, V): return x.T @ (m - m_bar) @ inv(m.T @ (m - m_bar) + N * V)

@climbed("=", r"(x - b_1)^\top m \left(m^\top m + N V\right)^{-1}", by="at b_1 the best W is W_1, at which the best b is b_1")
def em_meet(x, b_1, m, N, V): return (x - b_1).T @ m @ inv(m.T @ m + N * V)

r"""
That is a round. Rounds end at the closed form, unless they start on a ridge: $W_0 = 0$ says that codes mean nothing, and
then nothing is what they are found to mean.
"""

@climbed(r"\left(W_1,\ b_1,\ \frac{\sum_{n, j} \left(x - b_1 - m W_1^\top\right)^2 + N\, \mathrm{tr}(W_1 V W_1^\top)}{N M}\right)")
def em_round(W_1, b_1, x, m, N, V, M): return W_1, b_1, (sum((x - b_1 - m @ W_1.T)**2) + N * trace(W_1 @ V @ W_1.T)) / (N * M)

@climbed("=", r"\operatorname{emstep}(x, W_0, b_0, \sigma_0^2)", by="the function that is called, over and over")
def ppca_stepped(x, W_0, b_0, s_0): return ppca.em_step(x, W_0, b_0, s_0)

# ---- Without a prior: an autoencoder ---------------------------------------------------------------------------------
bottleneck = Derivation("an autoencoder", scattered)

"""
Without prior and noise an autoencoder remains: a code too short for everything to pass, and squared error. How good can
a linear one be?
"""

@bottleneck(r"\frac{1}{N} \sum_{n, j} \left(x - b - (x - b) A^\top W^\top\right)^2", let=r"\text{squared error of } x \mapsto A(x - b),\ z \mapsto Wz + b", covers="ae-reconstruction")
def squared_error(N, x, b, A, W): return 1 / N * sum((x - b - (x - b) @ A.T @ W.T)**2)

@bottleneck("=", r"\mathrm{tr}\left((I_M - W A)\, S\, (I_M - W A)^\top\right)", by="a trace of the scatter around b")
def error_trace(W, A, S, M): return trace((eye(M) - W @ A) @ S @ (eye(M) - W @ A).T)

@bottleneck("=", r"\operatorname{squarederror}(x, f, g)", by="the function that trains")
def squared_error_called(x, W, A, b): return plain.squared_error(x, lambda x: (x - b) @ A.T, lambda z: z @ W.T + b)

@bottleneck(">=", r"\sum_{i > K} \lambda_i", by="K numbers carry no more than the K largest variances; principal components do", to=error_trace,
            tight=dict(A=lambda U, K: U[:, :K].T, W=lambda U, K: U[:, :K]), covers="ae-reconstruction vae-bottleneck")
def discarded(lam, K): return sum(lam[K:])

# ---- A second layer on the first -------------------------------------------------------------------------------------
layers = World("a second layer on the best first one", base=scattered,
    L     = size(1, 2),
    A_2   = tex(r"A_2",              real("L", "K")),
    W_2   = tex(r"W_2",              real("K", "L")),
    pc    = let(r"y",                lambda x, b, U, K: (x - b) @ U[:, :K]))                                # the first K principal components

stack_up = Derivation("a stack", layers)

"""
Deep networks were once trained a layer at a time: the first on the data, the second on the codes of the first. What do
two linear layers find?
"""

@stack_up(r"\frac{1}{N} \sum_{n, j} \left(x - \mu_\phi(x) W^\top - b\right)^2 + \frac{1}{N} \sum_{n, k} \left(\mu_\phi(x) - \mu_\phi(x) A_2^\top W_2^\top\right)^2")
def stacked(N, x, mu, W, b, A_2, W_2): return 1 / N * sum((x - mu @ W.T - b)**2) + 1 / N * sum((mu - mu @ A_2.T @ W_2.T)**2)

@stack_up("=", r"\operatorname{stackederror}(x, ((f_1, g_1), (f_2, g_2)))", by="the second layer sees the codes of the first as its data")
def stacked_called(x, A, W, b, A_2, W_2): return plain.stacked_error(x, [(lambda x: x @ A.T, lambda z: z @ W.T + b), (lambda z: z @ A_2.T, lambda z: z @ W_2.T)])

@stack_up(r"\nabla_{A, W} \text{ of the first term, } \nabla_{A_2, W_2} \text{ of the second, by complex step}")
def greedy(N, x, A, W, b, mu, A_2, W_2):
    return (D(lambda A: 1 / N * sum((x - x @ A.T @ W.T - b)**2), A), D(lambda W: 1 / N * sum((x - mu @ W.T - b)**2), W),
            D(lambda A_2: 1 / N * sum((mu - mu @ A_2.T @ W_2.T)**2), A_2), D(lambda W_2: 1 / N * sum((mu - mu @ A_2.T @ W_2.T)**2), W_2))

@stack_up("=", r"\nabla_{A, W, A_2, W_2} \operatorname{stackederror}(x, ((f_1, g_1), (f_2, g_2)))", by="by autodiff: no layer learns for the one above it")
def greedy_called(x, A, W, b, A_2, W_2):
    return grad(lambda theta: plain.stacked_error(x, [(lambda x: x @ theta[0].T, lambda z: z @ theta[1].T + b), (lambda z: z @ theta[2].T, lambda z: z @ theta[3].T)]))((A, W, A_2, W_2))

"""
Let the first layer be the best one. What is left for the second?
"""

@stack_up(r"\frac{1}{N} \sum_{n, k} \left(y - y A_2^\top W_2^\top\right)^2", let=r"\text{squared error of the second layer on principal components}")
def second_error(N, pc, A_2, W_2): return 1 / N * sum((pc - pc @ A_2.T @ W_2.T)**2)

@stack_up(">=", r"\sum_{L < i \leq K} \lambda_i", by="components have no covariance: the best second layer keeps the first L of them",
          tight=dict(A_2=lambda L, K: eye(L, K), W_2=lambda L, K: eye(K, L)))
def second_discarded(lam, L, K): return sum(lam[L:K])

@stack_up(r"\sum_{i > L} \lambda_i", let=r"\text{what L components leave}")
def nested(lam, L): return sum(lam[L:])

@stack_up("=", r"\operatorname{stackederror} \text{ at the best first and the best second layer}", by="principal components of principal components are principal components", where=lambda L, K: L <= K)
def nested_called(x, b, U, L, K): return plain.stacked_error(x - b, [(lambda x: x @ U[:, :K], lambda z: z @ U[:, :K].T), (lambda z: z @ eye(K, L), lambda z: z @ eye(L, K))])

# ---- A guess from spoilt data ----------------------------------------------------------------------------------------
noisy = World("data with noise added, and one linear map", base=linear,
    M     = size(1, 3),
    G     = tex(r"G",                real("M", "M")),
    S     = let(r"S",                lambda x, b, N: (x - b).T @ (x - b) / N),
    nu    = tex(r"\nu",              real("N", "M")),
    noise = let(r"\epsilon",         lambda M, N: concatenate([normals(M)] * N)),                         # [N 6^M, M]
    x_B   = let(r"x_{1:B}",          lambda x, M: repeat(x, 6**M, 0)))

wiener = Derivation("denoising", noisy)

"""
A code need not be short to learn something. Add noise to the input and ask for what was there before: now copying does
not help. How much of what we see should we believe?
"""

@wiener(r"\frac{1}{N} \sum_{n, j} \left(x - b - (x + \nu - b) G^\top\right)^2", let=r"\text{squared error of } x \text{ from } x + \nu")
def denoising_written(N, x, b, nu, G): return 1 / N * sum((x - b - (x + nu - b) @ G.T)**2)

@wiener("=", r"\operatorname{denoisingerror}(x, \nu, f, g)", by="the function that trains")
def denoising_called(x, nu, b, G): return plain.denoising_error(x, nu, lambda x: (x - b) @ G.T, lambda z: z + b)

@wiener(r"\frac{1}{N} \sum_{n, j} \left(x - b - (x - b) G^\top\right)^2 + \sigma^2 \sum_{i, j} G^2", let=r"\mathbb{E} \left|x - b - G(x + \sigma \epsilon - b)\right|^2")
def denoising(N, x, b, G, s2): return 1 / N * sum((x - b - (x - b) @ G.T)**2) + s2 * sum(G**2)

@wiener("=", r"\operatorname{denoisingerror}(x_{1:B}, \sigma \epsilon, f, g)", by="normal noise adds its own variance and nothing else")
def denoising_mean_called(x_B, s2, noise, b, G): return plain.denoising_error(x_B, sqrt(s2) * noise, lambda x: (x - b) @ G.T, lambda z: z + b)

@wiener("=", r"\mathrm{tr}\left((I_M - G)\, S\, (I_M - G)^\top\right) + \sigma^2 \mathrm{tr}\left(G\, G^\top\right)", by="the data enter by their scatter", to=denoising)
def denoising_trace(M, G, S, s2): return trace((eye(M) - G) @ S @ (eye(M) - G).T) + s2 * trace(G @ G.T)

@wiener("argmin", r"S\, (S + \sigma^2 I_M)^{-1}", of=denoising_trace, over="G", by="Wiener's filter: each direction is trusted by its share of the data's variance")
def wiener_filter(S, s2, M): return S @ inv(S + s2 * eye(M))

@wiener(">=", r"\sigma^2 \mathrm{tr}\left(S\, (S + \sigma^2 I_M)^{-1}\right)", by="what no linear map can know", to=denoising_trace, tight=dict(G=lambda S, s2, M: S @ inv(S + s2 * eye(M))))
def wiener_left(s2, S, M): return s2 * trace(S @ inv(S + s2 * eye(M)))

"""
The best guess, less what was seen, is an arrow. Where does it point? Diffusion is built on the answer.
"""

@wiener(r"\nabla_x \left(-\frac{\sum_{n, j} (x - b) (S + \sigma^2 I_M)^{-1} (x - b)}{2}\right)", let=r"\nabla_x \log \mathcal{N}(x; b, S + \sigma^2 I)")
def noisy_score(x, b, S, s2, M): return D(lambda x: -sum((x - b) @ inv(S + s2 * eye(M)) * (x - b)) / 2, x)

@wiener("=", r"\frac{(x - b)\, S\, (S + \sigma^2 I_M)^{-1} + b - x}{\sigma^2}", by="so the best guess points up the slope of the noisy data's density")
def towards_data(x, b, S, s2, M): return ((x - b) @ S @ inv(S + s2 * eye(M)) + b - x) / s2

# ---- Codes that are seldom on ----------------------------------------------------------------------------------------
units = World("codes between 0 and 1, and a layer that makes them",
    N     = size(1, 4),
    M     = size(1, 3),
    K     = size(1, 3),
    x     = tex(r"x",                real("N", "M")),
    W     = tex(r"W",                real("M", "K")),
    c     = tex(r"c",                real("K")),
    rho   = tex(r"\rho",             unit()),
    a     = tex(r"a",                unit("N", "K")),
    on    = let(r"\bar a",           lambda a: mean(a, 0)),                                               # how often each is on
    h     = let(r"h",                lambda x, W, c: sigmoid(x @ W + c)))

sparse = Derivation("codes that are seldom on", units)

r"""
Or let the code be long and mostly silent: each of its numbers on for a share $\rho$ of the time. What is the price of
being on more often, or less?
"""

@sparse(r"\sum_k \mathrm{KL}\left((\rho, 1 - \rho) \,\Vert\, (\bar a_k, 1 - \bar a_k)\right)")
def coins(rho, on): return sum(KL(stack([rho, 1 - rho]), stack([on, 1 - on], axis=-1)))

@sparse("=", r"\sum_k \left(\rho \log \frac{\rho}{\bar a} + (1 - \rho) \log \frac{1 - \rho}{1 - \bar a}\right)", by="two sides of a coin")
def coins_sum(rho, on): return sum(rho * log(rho / on) + (1 - rho) * log((1 - rho) / (1 - on)))

@sparse("=", r"\operatorname{sparsity}(a, \rho)", by="the function that is called")
def sparsity_called(a, rho): return plain.sparsity(a, rho)

@sparse(">=", r"0", by="a KL is never negative: no price where each is on a share rho of the time", to=coins_sum, tight=dict(a=lambda a, rho: 0 * a + rho))
def sparsity_none(): return 0

# ---- Codes that hardly move ------------------------------------------------------------------------------------------
contractive = Derivation("codes that hardly move", units)

"""
Or let the code hardly move when the image does. The price is the square of its slope, summed over all numbers of the
code and all pixels.
"""

@contractive(r"\frac{1}{N} \sum \left(\nabla_x \frac{1}{1 + e^{-(x W + c)}}\right)^2", let=r"\frac{1}{N} \sum_n \left|\frac{\partial h}{\partial x}\right|^2")
def jacobian(N, x, W, c): return 1 / N * sum(D(lambda x: 1 / (1 + exp(-(x @ W + c))), x)**2)

@contractive("=", r"\frac{1}{N} \sum_{n, k} \left(h (1 - h)\right)^2 \sum_j W^2", by="the slope of the sigmoid is h (1 - h)")
def jacobian_closed(N, h, W): return 1 / N * sum((h * (1 - h))**2 * sum(W**2, 0))

@contractive("=", r"\operatorname{contraction}(x, x \mapsto h)", by="the function: a pullback for each number of the code")
def contraction_called(x, W, c): return plain.contraction(x, lambda x: sigmoid(x @ W + c))

@contractive(r"\nabla_{W, c} \text{ of the closed form, by complex step}")
def jacobian_slope(N, x, W, c):
    return (D(lambda W: 1 / N * sum((sigmoid(x @ W + c) * (1 - sigmoid(x @ W + c)))**2 * sum(W**2, 0)), W),
            D(lambda c: 1 / N * sum((sigmoid(x @ W + c) * (1 - sigmoid(x @ W + c)))**2 * sum(W**2, 0)), c))

@contractive("=", r"\nabla_{W, c} \operatorname{contraction}(x, x \mapsto h)", by="by autodiff, a derivative of derivatives: what a step of training follows")
def jacobian_slope_called(x, W, c): return grad(lambda theta: plain.contraction(x, lambda x: sigmoid(x @ theta[0] + theta[1])))((W, c))

# ---- The bound that trains -------------------------------------------------------------------------------------------
trained_world = World("linear decoder, linear Gaussian encoder, a batch", base=linear,
    eps = let(r"\epsilon",   lambda K, N: concatenate([normals(K)] * N)),                   # [N 6^K, K]
    x_B = let(r"x_{1:B}",    lambda x, K: repeat(x, 6**K, 0)))                              # [N 6^K, M]

train = Derivation("the bound that trains", trained_world)


def bound_of(x, W, b, s2, A, var, beta):
    """E_q[log p(x | z)] - beta KL(q(z | x) || p(z)) of every x [N], in closed form."""
    mu = x @ A.T
    return -(len(b) * log(2 * pi * s2) + sum((x - b - mu @ W.T)**2, 1) / s2 + sum(W**2 @ var) / s2) / 2 - beta * sum(mu**2 + var - 1 - log(var), 1) / 2


r"""
EM kept a guess for every point. The encoder makes it out of $x$: a normal law, with a mean $\mu_\phi(x)$ and a variance
$\sigma_\phi^2$ for each number of the code. Here it is as simple as the decoder: $\mu_\phi(x) = A x$, and the variances
do not look at $x$. We start from what we want, the evidence.
"""

@train(r"-\frac{M \log 2\pi + \log\det C + (x - b)\, C^{-1} (x - b)^\top}{2}", let=r"\log p(x)")
def evidence(M, C, x, b): return -(M * log(2 * pi) + logdet(C) + diagonal((x - b) @ inv(C) @ (x - b).T)) / 2

"""
Read the bound from left to right: the squared error of the decoded mean, what the spread of the code adds to that
error, and the [KL of a normal law to the standard one](divergences.standard_closed). The KL pulls means to 0 and
variances to 1.
"""

@train(">=", r"-\frac{M \log 2\pi\sigma^2 + \left(\sum_j (x - b - \mu_\phi(x) W^\top)_j^2 + \sum_j (W^2 \sigma_\phi^2)_j\right) / \sigma^2}{2} - \frac{\sum_k \left(\mu_\phi(x)^2 + \sigma_\phi^2 - 1 - \log \sigma_\phi^2\right)}{2}",
       by="reconstruction minus KL; what is missing is the KL to the posterior, two normals",
       gap=lambda var, Sigma, mu, m, K: (trace(inv(Sigma) * var) + diagonal((mu - m) @ inv(Sigma) @ (mu - m).T) - K + logdet(Sigma) - sum(log(var))) / 2)
def bound(M, s2, x, b, mu, W, var): return -(M * log(2 * pi * s2) + (sum((x - b - mu @ W.T)**2, 1) + sum(W**2 @ var)) / s2) / 2 - sum(mu**2 + var - 1 - log(var), 1) / 2

r"""
For a real network the mean over $q$ has no formula. So draw $z = \mu_\phi(x) + \sigma_\phi \epsilon$, and keep the KL,
which has one. One draw for each image will do: on average it is right. This batch holds each image $6^K$ times, with
noises whose mean is exact.
"""

@train("=", r"\text{mean over } \epsilon \text{ of } \operatorname{terms}(x_{1:B}, \epsilon),\ \text{reconstruction minus KL}", by="one z for every noise: on average, an estimate of the bound is the bound", covers="alg-vae-training:1-4")
def terms_called(x_B, eps, A, var, W, b, s2, N, K):
    log_p, kl = model.terms(x_B, eps, lambda x: (x @ A.T, log(var) + 0 * x @ A.T), lambda z: (z @ W.T + b, log(s2)))
    return mean(reshape(log_p - kl, (N, 6**K)), 1)

r"""
From these two terms the model makes what it raises: over a batch, the mean of $\log p(x \mid z)$, less the mean of the
KL. A number $\beta$ may set the price of the KL. At $\beta = 1$ this is the bound; above 1 the code is pressed closer
to the prior.
"""

@train(r"\frac{1}{N} \sum_n \left(-\frac{M \log 2\pi\sigma^2 + \left(\sum_j (x - b - \mu_\phi(x) W^\top)_j^2 + \sum_j (W^2 \sigma_\phi^2)_j\right) / \sigma^2}{2} - \beta \frac{\sum_k \left(\mu_\phi(x)^2 + \sigma_\phi^2 - 1 - \log \sigma_\phi^2\right)}{2}\right)",
       let=r"\frac{1}{N} \sum_n \mathcal{L}_\beta(x_n)", covers="beta-vae-objective")
def weighted(N, M, s2, x, b, mu, W, var, beta):
    return 1 / N * sum(-(M * log(2 * pi * s2) + (sum((x - b - mu @ W.T)**2, 1) + sum(W**2 @ var)) / s2) / 2 - beta * sum(mu**2 + var - 1 - log(var), 1) / 2)

"""
Minus this is the *loss* that a VAE lowers. The first term asks that the image can be found again from its code. The
second asks that the code could have come from the prior: else the decoder would not know the codes that are drawn
there. In the code the networks are arguments.
"""

@train("=", r"\operatorname{elbo}(x_{1:B}, \epsilon, \mathrm{encode}, \mathrm{decode}, \beta)", by="the model's own function, here on linear networks and noises whose mean is exact", covers="alg-vae-training:1-4 beta-vae-objective")
def trained(x_B, eps, A, var, W, b, s2, beta):
    return model.elbo(x_B, eps, lambda x: (x @ A.T, log(var) + 0 * x @ A.T), lambda z: (z @ W.T + b, log(s2)), beta)

"""
EM climbed by turns. Here one step moves the parameters of both networks at once, a little along this gradient. For the
decoder it is an ordinary derivative. The encoder hears of the first term only through the drawn code: the noise is
[made outside](estimators.made_of), so the chain rule goes through.
"""

@train(r"\frac{1}{N} \nabla_{A, \sigma_\phi^2, W, b, \sigma^2} \sum_n \mathcal{L}_\beta(x_n) \text{, by complex step}", let=r"\text{one step of training}")
def step(N, x, W, b, s2, A, var, beta):
    return (D(lambda A: sum(bound_of(x, W, b, s2, A, var, beta)), A) / N, D(lambda var: sum(bound_of(x, W, b, s2, A, var, beta)), var) / N,
            D(lambda W: sum(bound_of(x, W, b, s2, A, var, beta)), W) / N, D(lambda b: sum(bound_of(x, W, b, s2, A, var, beta)), b) / N,
            D(lambda s2: sum(bound_of(x, W, b, s2, A, var, beta)), s2) / N)

@train("=", r"\nabla_{A, \sigma_\phi^2, W, b, \sigma^2} \operatorname{elbo}(x_{1:B}, \epsilon, \mathrm{encode}, \mathrm{decode}, \beta)", by="by the tape, through the sample: the gradient that a step of training follows", covers="alg-vae-training:5")
def step_called(x_B, eps, W, b, s2, A, var, beta):
    def elbo(A, var, W, b, s2):
        return model.elbo(x_B, eps, lambda x: (x @ A.T, log(var) + 0 * x @ A.T), lambda z: (z @ W.T + b, log(s2)), beta)
    return grad(lambda theta: elbo(*theta))((A, var, W, b, s2))

"""
Where the KL has no formula, draw it too, at the same $z$.

So that is the VAE: the bound, two networks, one gradient. And if the prior is too simple for the codes? Give the code a
code: [the same bound, twice](hierarchical).
"""

@train("=", r"\text{mean over } \epsilon \text{ of } \operatorname{importancebound}(x_{1:B}, \epsilon)", to=bound, by="one draw: the same bound, with the KL drawn too")
def one_draw_called(x_B, eps, A, var, W, b, s2, N, K):
    return mean(reshape(model.importance_bound(x_B, eps[None], lambda x: (x @ A.T, log(var) + 0 * x @ A.T), lambda z: (z @ W.T + b, log(s2))), (N, 6**K)), 1)

# ---- Several draws ---------------------------------------------------------------------------------------------------
several = World("linear decoder, linear Gaussian encoder, J draws", base=linear,
    J     = size(1, 3),
    eps   = tex(r"\epsilon",         real("J", "N", "K")),
    z_J   = let(r"z_{1:J}",          lambda mu, var, eps: mu + sqrt(var) * eps),                          # [J, N, K]
    w     = let(r"w_{1:J}",          lambda x, b, z_J, W, s2, mu, var: N(x, b + z_J @ W.T, s2) * N(z_J, 0 * mu, 1) / N(z_J, mu, var)))       # [J, N]

draws = Derivation("several draws", several, where=lambda w: (w > 1e-200).all())

"""
With $J$ draws, averaged [inside the logarithm](estimators.weighted_bound), the bound comes closer to the evidence. Each
weight is computed as a logarithm: over a thousand pixels it would be too small for a number.
"""

@draws(r"-\frac{M \log 2\pi\sigma^2 + \sum_j (x - b - z_{1:J} W^\top)_j^2 / \sigma^2}{2} - \frac{\sum_k z_{1:J}^2}{2} + \frac{\sum_k \left(\log \sigma_\phi^2 + (z_{1:J} - \mu_\phi(x))^2 / \sigma_\phi^2\right)}{2}", let=r"\log \frac{p(x \mid z_{1:J})\, p(z_{1:J})}{q(z_{1:J} \mid x)}")
def weights(M, s2, x, b, z_J, W, var, mu): return -(M * log(2 * pi * s2) + sum((x - b - z_J @ W.T)**2, 2) / s2) / 2 - sum(z_J**2, 2) / 2 + sum(log(var) + (z_J - mu)**2 / var, 2) / 2

@draws("=", r"\log w_{1:J}", by="the powers of 2 pi of the two laws of z cancel")
def weights_log(w): return log(w)

@draws("=", r"\operatorname{importanceterms}(x, \epsilon, \mathrm{encode}, \mathrm{decode})", by="the function that is called")
def weights_called(x, eps, A, var, W, b, s2): return model.importance_terms(x, eps, lambda x: (x @ A.T, log(var) + 0 * x @ A.T), lambda z: (z @ W.T + b, log(s2)))

@draws(r"\log \left(\frac{1}{J} \sum_j w_{1:J}\right)", let=r"\text{the bound of J draws}")
def importance(J, w): return log(1 / J * sum(w, 0))

@draws("=", r"\operatorname{importancebound}(x, \epsilon, \mathrm{encode}, \mathrm{decode})", by="the function, in the log domain, where no weight vanishes")
def importance_called(x, eps, A, var, W, b, s2): return model.importance_bound(x, eps, lambda x: (x @ A.T, log(var) + 0 * x @ A.T), lambda z: (z @ W.T + b, log(s2)))

# ---- Draws from the posterior ----------------------------------------------------------------------------------------
upright = World("a decoder with orthogonal columns, J draws", base=linear,
    M     = size(2, 4),
    J     = size(1, 3),
    eps   = tex(r"\epsilon",         real("J", "N", "K")),
    R     = tex(r"R",                real("M", "M")),
    c     = tex(r"c",                positive("K")),
    W     = let(r"W",                lambda R, c, K: axes(R)[:, :K] * c))

exact = Derivation("draws from the posterior", upright)

"""
How good can the weights be? If the encoder could say the posterior, they would all be equal. With columns at right
angles the decoder makes that possible: the numbers of the code are then independent, given $x$.
"""

@exact(r"W^\top W")
def columns(W): return W.T @ W

@exact("=", r"c^2 I_K", by="orthogonal columns: the posterior is a law that the encoder can say")
def columns_apart(c, K): return c**2 * eye(K)

@exact(r"-\frac{M \log 2\pi + \log\det C + (x - b)\, C^{-1} (x - b)^\top}{2}", let=r"\log p(x)")
def evidence_upright(M, C, x, b): return -(M * log(2 * pi) + logdet(C) + diagonal((x - b) @ inv(C) @ (x - b).T)) / 2

@exact("=", r"\operatorname{importancebound}(x, \epsilon, \mu_{z \mid x}, \Sigma_{z \mid x})", by="with the posterior for q every weight is p(x), by Bayes' rule, whatever is drawn",
       tol=(1e-11, "where W is large and the noise small the terms are 1000 times their sum"))
def posterior_called(x, eps, m, Sigma, W, b, s2): return model.importance_bound(x, eps, lambda x: (m, log(diagonal(Sigma)) + 0 * m), lambda z: (z @ W.T + b, log(s2)))

# ---- A variance that does not move -----------------------------------------------------------------------------------
fixed = World("a code whose variance is fixed",
    mu  = tex(r"\mu",   real()),
    var = tex(r"s^2",   positive()))

delta = Derivation("a fixed variance", fixed)

"""
A decoder that does well without the code may let it collapse. One cure is to make that impossible: hold the variance of
$q$ fixed, away from 1. Then no mean brings the rate to 0.
"""

@delta(r"\frac{1}{2}\left(\mu^2 + s^2 - 1 - \log s^2\right)", let=r"\mathrm{KL}(\mathcal{N}(\mu, s^2) \,\Vert\, \mathcal{N}(0, 1))")
def fixed_kl(mu, var): return 1 / 2 * (mu**2 + var - 1 - log(var))

@delta("argmin", r"0", of=fixed_kl, over="mu", by="only the mean is free", covers="delta-vae-fixed-variance")
def fixed_mean(): return 0

@delta(">=", r"\frac{1}{2}\left(s^2 - 1 - \log s^2\right)", to=fixed_kl, by="the rate that no mean can save", gap=lambda mu: mu**2 / 2, tight=dict(mu=lambda: array(0.0)), covers="delta-vae-fixed-variance")
def fixed_floor(var): return 1 / 2 * (var - 1 - log(var))

@delta(">=", r"\frac{(\sqrt{s^2} - 1)^2}{2}", by="log s is at most s - 1: a square, above 0 unless s = 1", gap=lambda var: sqrt(var) - 1 - log(sqrt(var)), tight=dict(var=lambda: array(1.0)),
       covers="delta-vae-fixed-variance")
def fixed_square(var): return (sqrt(var) - 1)**2 / 2

@delta(">=", r"0", by="0 at s = 1 alone", tight=dict(var=lambda: array(1.0)), covers="delta-vae-fixed-variance")
def fixed_positive(): return 0

# ---- A prior with a memory -------------------------------------------------------------------------------------------
committed = World("independent codes and an AR(1) prior",
    n     = size(1, 5),
    alpha = tex(r"\alpha",             unit()),
    mu    = tex(r"\mu",                real("n")),
    var   = tex(r"s^2",                positive("n")),
    s2_e  = let(r"\sigma_\epsilon^2",  lambda alpha: 1 - alpha**2, covers="delta-vae-ar1-prior"),
    gaps  = let(r"|i - j|",            lambda n: abs(arange(n)[:, None] - arange(n)) * 1.0),
    B     = let(r"B",                  lambda alpha, n: eye(n) - alpha * eye(n, k=-1)),                             # (B z)_t = z_t - alpha z_{t-1}
    S_e   = let(r"\Sigma_\epsilon",    lambda s2_e, n: eye(n) * concatenate([ones(1), s2_e * ones(n - 1)])),
    C     = let(r"C",                  lambda alpha, gaps: alpha**gaps))

autoregressive = Derivation("an AR(1) prior", committed)

r"""
Another cure is a prior in which neighbours are alike, while $q$ draws each code by itself. First the prior: a chain
with a memory $\alpha$, as wide at its end as at its beginning.
"""

@autoregressive(r"1")
def unit_variance(): return 1

@autoregressive("=", r"\alpha^2 \cdot 1 + \sigma_\epsilon^2", by="one step of z_t = alpha z_{t-1} + noise keeps the variance at 1, if the noise has the variance 1 - alpha^2", covers="delta-vae-ar1-prior")
def stationary(alpha, s2_e): return alpha**2 * 1 + s2_e

@autoregressive(r"B^{-1}\, \Sigma_\epsilon\, (B^{-1})^\top", let=r"\text{covariance of } z_{1:n} \text{, from } B z = \text{noise}")
def ar1_covariance(B, S_e): return inv(B) @ S_e @ inv(B).T

@autoregressive("=", r"\alpha^{|i - j|}", by="each step shrinks the correlation by alpha", covers="delta-vae-ar1-prior")
def ar1_powers(alpha, gaps): return alpha**gaps

# ---- The least that such a code can cost -----------------------------------------------------------------------------
r"""
Independent codes cannot follow such a chain. So there is a least rate, called $\delta$. Find the best mean, then the
best variances, and see what is still to be paid.
"""

@autoregressive(r"\frac{\mathrm{tr}(C^{-1} s^2) + \mu\, C^{-1} \mu - n + \log\det C - \sum_t \log s^2}{2}", let=r"\mathrm{KL}(q \,\Vert\, p_{\mathrm{AR}})")
def ar1_kl(C, var, mu, n): return (trace(inv(C) * var) + mu @ inv(C) @ mu - n + logdet(C) - sum(log(var))) / 2

@autoregressive("=", r"\operatorname{klar1}(\mu, \log s^2, \alpha)", by="the function that is called: a sum of KLs, step by step")
def ar1_called(mu, var, alpha): return model.kl_ar1(mu, log(var), alpha)

@autoregressive("argmin", r"0 \mu", of=ar1_kl, over="mu", by="no mean helps")
def ar1_best_mean(mu): return 0 * mu

@autoregressive("argmin", r"\frac{1}{C^{-1}_{t,t}}", of=ar1_kl, over="var", by="each variance is that of z_t given all the others")
def ar1_best_variance(C): return 1 / diagonal(inv(C))

@autoregressive(">=", r"\frac{1}{2}\left((n - 2) \log(1 + \alpha^2) - \log(1 - \alpha^2)\right)", to=ar1_kl, by="independent codes cannot follow a correlated prior: this is delta", covers="delta-vae-min-kl",
                where=lambda n: n >= 2, tight=dict(mu=lambda mu: 0 * mu, var=lambda C: 1 / diagonal(inv(C))))
def ar1_floor(n, alpha): return 1 / 2 * ((n - 2) * log(1 + alpha**2) - log(1 - alpha**2))

@autoregressive("=", r"\operatorname{deltavaeminkl}(n, \alpha)", by="the function that is called", where=lambda n: n >= 2)
def floor_called(n, alpha): return model.delta_vae_min_kl(n, alpha)

@autoregressive(">=", r"-\frac{1}{2} \log(1 - \alpha^2)", to=ar1_floor, by="what two codes cost; each code more adds to it", gap=lambda n, alpha: (n - 2) / 2 * log(1 + alpha**2),
                where=lambda n: n >= 2, covers="delta-vae-min-kl")
def floor_of_two(alpha): return -1 / 2 * log(1 - alpha**2)

@autoregressive(">=", r"\frac{\alpha^2}{2}", by="log t is at most t - 1: above 0 as soon as the prior is correlated", gap=lambda alpha: -(log(1 - alpha**2) + alpha**2) / 2, tight=dict(alpha=lambda alpha: 0 * alpha),
                covers="delta-vae-min-kl")
def floor_square(alpha): return alpha**2 / 2

@autoregressive(">=", r"0", by="so the code cannot collapse, unless alpha = 0", tight=dict(alpha=lambda alpha: 0 * alpha), covers="delta-vae-min-kl")
def never_collapses(): return 0

# ---- With a discriminator --------------------------------------------------------------------------------------------
players = World("a VAE-GAN of one pixel, one code and one feature",
    x      = tex(r"x",                              real()),
    A      = tex(r"A",                              real()),
    W      = tex(r"W",                              real()),
    v      = tex(r"v",                              real()),
    gamma  = tex(r"\gamma",                         positive()),
    L_prior = let(r"\mathcal{L}_{\mathrm{prior}}",  lambda A, x: (A * x)**2 / 2),
    L_feat  = let(r"\mathcal{L}_{\mathrm{feat}}",   lambda v, x, W, A: (v * x - v * W * A * x)**2 / 2),
    L_GAN   = let(r"\mathcal{L}_{\mathrm{GAN}}",    lambda v, x, W, A: log(1 + exp(-v * x)) + log(1 + exp(v * W * A * x))))

vae_gan = Derivation("VAE-GAN", players)


def losses(x, A, W, v):
    """The three losses as functions of what is learned: encoder A, decoder W, discriminator v."""
    return (A * x)**2 / 2, (v * x - v * W * A * x)**2 / 2, softplus(-v * x) + softplus(v * W * A * x)


"""
Squared error does not see what an eye sees. A *discriminator* is a network that learns to tell real images from made
ones; its *features*, the numbers inside it, may see more. So compare those. Three networks, three losses, and each
network follows its own.
"""

@vae_gan(r"\mathcal{L}_{\mathrm{prior}} + \mathcal{L}_{\mathrm{feat}} + \mathcal{L}_{\mathrm{GAN}}", let=r"\mathcal{L}", covers="vae-gan-loss")
def vae_gan_loss(L_prior, L_feat, L_GAN): return L_prior + L_feat + L_GAN

@vae_gan("=", r"\frac{(A x)^2}{2} + \frac{(v x - v W A x)^2}{2} + \log(1 + e^{-v x}) + \log(1 + e^{v W A x})", by="with z = Ax, an image Wz, a feature v and the logit v", covers="vae-gan-loss")
def vae_gan_toy(A, x, v, W): return (A * x)**2 / 2 + (v * x - v * W * A * x)**2 / 2 + log(1 + exp(-v * x)) + log(1 + exp(v * W * A * x))

@vae_gan(r"\frac{\partial}{\partial A}(\mathcal{L}_{\mathrm{prior}} + \mathcal{L}_{\mathrm{feat}}),\ \frac{\partial}{\partial W}(\gamma \mathcal{L}_{\mathrm{feat}} - \mathcal{L}_{\mathrm{GAN}}),\ \frac{\partial}{\partial v} \mathcal{L}_{\mathrm{GAN}} \text{, by complex step}")
def routes(x, A, W, v, gamma):
    def L(x, A, W, v): return (A * x)**2 / 2, (v * x - v * W * A * x)**2 / 2, log(1 + exp(-v * x)) + log(1 + exp(v * W * A * x))
    return D(lambda A: L(x, A, W, v)[0] + L(x, A, W, v)[1], A), D(lambda W: gamma * L(x, A, W, v)[1] - L(x, A, W, v)[2], W), D(lambda v: L(x, A, W, v)[2], v)

@vae_gan("=", r"\text{the gradients of } \operatorname{vaegan}(\mathcal{L}_{\mathrm{prior}}, \mathcal{L}_{\mathrm{feat}}, \mathcal{L}_{\mathrm{GAN}}, \gamma)", by="each player follows its own loss and no other", covers="vae-gan-loss")
def players_called(x, A, W, v, gamma):
    return (grad(lambda A: model.vae_gan(*losses(x, A, W, v), gamma)[0])(A), grad(lambda W: model.vae_gan(*losses(x, A, W, v), gamma)[1])(W),
            grad(lambda v: model.vae_gan(*losses(x, A, W, v), gamma)[2])(v))

# ---- A picture of the latent plane -----------------------------------------------------------------------------------
squares = World("a grid of n x n codes",
    n = size(1, 6),
    u = let(r"u", lambda n: (arange(n) + 1 / 2) / n))

grid = Derivation("a picture of the latent plane", squares)

"""
A code of two numbers can be drawn as a map: one decoded image at each point of a grid. Which grid? Equal steps would
spend most of it on codes that the prior hardly ever draws.
"""

@grid(r"(u_i, u_j)_{i, j \leq n}", let=r"\text{midpoints of } n \times n \text{ equal squares}")
def midpoints(u, n): return stack([repeat(u, n), concatenate([u] * n)], axis=-1)

@grid("=", r"\Phi(\operatorname{latentgrid}(n))", by="quantiles of the prior: between two neighbours there is always the same mass", covers="vae-latent-grid")
def latent_grid_called(n): return ndtr(model.latent_grid(n))
