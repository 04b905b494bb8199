"""Denoising diffusion.   Ho et al. 2020   world: any schedule of T steps, one dimension; a line is an array over t = 1 .. T

Noise forgets the data step by step. If we knew x_0 we could undo one step exactly; the network only has to guess the noise.
"""
from derivations import Derivation, World, let, tex, size, unit, real, positive
from derivations.engine.words import array, concatenate, cumprod, ones, sqrt
from scratch.diffusion import ddpm as model

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

ddpm = Derivation("ddpm", chain)

@ddpm(r"\left(\sqrt{\alpha_t}\sqrt{\bar\alpha_{t-1}},\ \alpha_t (1 - \bar\alpha_{t-1}) + \beta_t\right)", let=r"\text{one more kernel on } q(x_{t-1} \mid x_0)")
def one_more(alpha, abar_1, beta): return sqrt(alpha) * sqrt(abar_1), alpha * (1 - abar_1) + beta

@ddpm("=", r"\left(\sqrt{\bar\alpha_t},\ 1 - \bar\alpha_t\right)", by="induction: if it holds at t - 1 it holds at t", covers="diffusion-kernel")
def kernel(abar): return sqrt(abar), 1 - abar

@ddpm(r"\text{mean and variance of } x_{t-1} \mid x_t, x_0 \text{, by conditioning}")
def conditioned(alpha, beta, abar_1, x0, xt):
    m, v = sqrt(abar_1) * x0, 1 - abar_1
    gain = sqrt(alpha) * v / (alpha * v + beta)
    return m + gain * (xt - sqrt(alpha) * m), v - gain * sqrt(alpha) * v

@ddpm("=", r"\frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t\, x_0 + \sqrt{\alpha_t}\,(1 - \bar\alpha_{t-1})\, x_t}{1 - \bar\alpha_t},\ \frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}\,\beta_t",
      by="put v in and use alpha_t abar_{t-1} = abar_t", covers="diffusion-forward-posterior")
def posterior(alpha, beta, abar, abar_1, x0, xt):
    return (sqrt(abar_1) * beta * x0 + sqrt(alpha) * (1 - abar_1) * xt) / (1 - abar), (1 - abar_1) / (1 - abar) * beta

@ddpm("=", r"\frac{1}{\sqrt{\alpha_t}}\left(x_t - \frac{\beta_t}{\sqrt{1 - \bar\alpha_t}}\,\epsilon\right),\ \frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}\,\beta_t",
      by="x_0 from x_t and the noise", covers="ddpm-mean-eps")
def posterior_eps(alpha, beta, abar, abar_1, xt, eps):
    return 1 / sqrt(alpha) * (xt - beta / sqrt(1 - abar) * eps), (1 - abar_1) / (1 - abar) * beta

@ddpm("=", r"\mathrm{qposterior}(x_0, x_t, t, \beta_t)", by="what the sampler calls, for every t")
def called(x0, xt, beta, T):
    m, v = zip(*[model.q_posterior(x0, xt, t, beta) for t in range(1, T + 1)]); return array(m), array(v)

@ddpm(r"\frac{1}{2\sigma_t^2}\left(\tilde\mu_t - \mu_\theta\right)^2")
def step_kl(alpha, beta, abar, abar_1, x0, xt, eps_hat, s2):
    mu     = (sqrt(abar_1) * beta * x0 + sqrt(alpha) * (1 - abar_1) * xt) / (1 - abar)
    mu_hat = (xt - beta / sqrt(1 - abar) * eps_hat) / sqrt(alpha)
    return (mu - mu_hat)**2 / (2 * s2)

@ddpm("=", r"\frac{\beta_t^2}{2\sigma_t^2\,\alpha_t\,(1 - \bar\alpha_t)}\left(\epsilon - \epsilon_\theta\right)^2", by="both means in the eps form", covers="ddpm-lambda")
def weighted(alpha, beta, abar, s2, eps, eps_hat): return beta**2 / (2 * s2 * alpha * (1 - abar)) * (eps - eps_hat)**2
