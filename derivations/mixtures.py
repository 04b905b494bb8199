"""Mixtures of Gaussians and EM.   Dempster, Laird and Rubin 1977   world: a few points and a mixture: all sums are exact

Points lie in heaps, and nobody says which point belongs to which. If we knew, fitting the heaps would be counting.
Can we guess softly, count, guess again, and be sure that no round makes the data less probable?
"""
from derivations import Derivation, World, let, positive, real, simplex, size, tex, unit
from derivations.engine.words import D, E, KL, T, broadcast_to, det, diagonal, eigh, exp, eye, inv, log, logdet, maximum, minimum, pi, prod, ratio, reshape, sqrt, stack, sum, trace, zeros
from scratch.autodiff import grad
from scratch.mixtures import bernoulli, gmm


def N(x, mu, Sigma):
    """The normal density of every point under every component [N, K]."""
    d = x[:, None] - mu
    return exp(-(d[..., None, :] @ inv(Sigma) @ d[..., None])[..., 0, 0] / 2) / sqrt(det(2 * pi * Sigma))


def KL_N(m, S, mu, Sigma):
    """KL(N(m, S) || N(mu, Sigma)) of every component [K]."""
    d = (m - mu)[..., None]
    return (trace(inv(Sigma) @ (S + d @ T(d)), axis1=1, axis2=2) - S.shape[-1] + logdet(Sigma) - logdet(S)) / 2


points = World("points and a mixture",
    N         = size(1, 4),
    K         = size(1, 2),
    D         = size(1, 3),
    x         = tex(r"x_n",            real("N", "D")),
    pi_       = tex(r"\pi_k",          simplex("K"), covers="mog-convex-combination"),
    mu        = tex(r"\mu_k",          real("K", "D")),
    A         = tex(r"A_k",            real("K", "D", "D")),
    eps       = tex(r"\epsilon",       positive()),                                                  # the least variance
    r         = tex(r"r_{nk}",         simplex("N", "K")),                                           # any responsibilities
    lam       = tex(r"\lambda",        real()),
    Sigma     = let(r"\Sigma_k",       lambda A, eps: eps * eye(A.shape[-1]) + A @ T(A)),
    p         = let(r"p(x_n)",         lambda x, pi_, mu, Sigma: sum(pi_ * N(x, mu, Sigma), 1), covers="mog-density"),
    N_k       = let(r"N_k",            lambda r: sum(r, 0), covers="mog-effective-count alg-em-gmm:2"),
    S         = let(r"S_k",            lambda x, r, mu, N_k: ratio(sum(r[..., None, None] * (x[:, None] - mu)[..., None] * (x[:, None] - mu)[..., None, :], 0), N_k[:, None, None])),
    ell       = let(r"\ell_k",         lambda S: eigh(S)[0]),
    V         = let(r"V_k",            lambda S: eigh(S)[1]),
    mu_new    = let(r"\mu_k^{\prime}",  lambda mu, r, x, N_k: mu + ratio(sum(r[..., None] * (x[:, None] - mu), 0), N_k[:, None])))

guessed = World("points, a mixture and its posterior", base=points,
    gamma     = let(r"\gamma_{nk}",    lambda x, pi_, mu, Sigma, p: ratio(pi_ * N(x, mu, Sigma), p[:, None]), covers="mog-responsibility alg-em-gmm:1"))

# ---- What is to be made large ----------------------------------------------------------------------------------------
mixture = Derivation("mixture", guessed)

r"""
A *mixture* draws a point in two steps: first a *component* $k$, with chance $\pi_k$, then $x$ from a normal law (or
*Gaussian*) $\mathcal{N}(x; \mu_k, \Sigma_k)$, a heap around $\mu_k$ whose width and tilt are the *covariance*
$\Sigma_k$. Nobody shows us the component: it is the latent, called $z$ before. We want probable data. Points are
independent, so logarithms add.
"""

@mixture(r"\sum_n \log \sum_k \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)", let=r"\mathcal{L}(\pi, \mu, \Sigma)", covers="mog-loglik")
def likelihood(x, pi_, mu, Sigma): return sum(log(sum(pi_ * N(x, mu, Sigma), 1)))

@mixture("=", r"\sum_n \operatorname{responsibilities}(x_n, \log \pi_k, \mu_k, \Sigma_k)", by="the function that runs; this is its second result, the first comes below")
def likelihood_called(x, pi_, mu, Sigma): return sum(gmm.responsibilities(x, log(pi_), mu, Sigma)[1])

"""
Take one point and one component out of the double sum. The logarithm of a normal density is short: a constant, less
half of the squared distance from the mean, measured in widths of the heap.
"""

@mixture(r"\log \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)", let=r"\log p(x_n, k)")
def joint(x, pi_, mu, Sigma): return log(pi_ * N(x, mu, Sigma))

@mixture("=", r"\log \pi_k - \frac{\log \det(2 \pi \Sigma_k)}{2} - \frac{(x_n - \mu_k)^{\top} \Sigma_k^{-1} (x_n - \mu_k)}{2}", by="the logarithm of the normal density")
def joint_log(x, pi_, mu, Sigma): return log(pi_) - logdet(2 * pi * Sigma) / 2 - ((x[:, None] - mu)[..., None, :] @ inv(Sigma) @ (x[:, None] - mu)[..., None])[..., 0, 0] / 2

@mixture("=", r"\operatorname{logjoint}(x_n, \log \pi_k, \mu_k, \Sigma_k)", by="by a triangular factor of each covariance")
def joint_called(x, pi_, mu, Sigma): return gmm.log_joint(x, log(pi_), mu, Sigma)

r"""
Which component did $x_n$ come from? Bayes' rule answers with a share for each $k$, called its *responsibility*
$\gamma_{nk}$. It is the posterior, and here, for once, it can be computed: the sum over $k$ is short.
"""

@mixture(r"\gamma_{nk}", let=r"p(k \mid x_n)")
def posterior(gamma): return gamma

@mixture("=", r"\operatorname{responsibilities}(x_n, \log \pi_k, \mu_k, \Sigma_k)", by="Bayes' rule, of logarithms: the first result of the same function")
def posterior_called(x, pi_, mu, Sigma): return gmm.responsibilities(x, log(pi_), mu, Sigma)[0]

# ---- Where it is flat ------------------------------------------------------------------------------------------------
"""
The posterior turns up without any bound too: differentiate the likelihood itself. Where the slope is 0, the mean is an
average of the points, weighted by the posterior. But the posterior depends on all the parameters, so this is no formula
to solve. It is one to repeat, and repeated it is EM.
"""

@mixture(r"\nabla_{\mu_k} \sum_n \log \sum_k \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)", covers="mog-mean-stationarity:1")
def mean_gradient(x, pi_, mu, Sigma): return D(lambda mu: sum(log(sum(pi_ * N(x, mu, Sigma), 1))), mu)

@mixture("=", r"\sum_n \frac{\pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)}{p(x_n)}\, \Sigma_k^{-1} (x_n - \mu_k)", by="differentiate the logarithm, the sum, the exponential: the posterior appears",
         covers="mog-mean-stationarity:2")
def mean_gradient_posterior(x, pi_, mu, Sigma, p): return sum((pi_ * N(x, mu, Sigma) / p[:, None])[..., None] * (inv(Sigma) @ (x[:, None] - mu)[..., None])[..., 0], 0)

@mixture("=", r"\nabla_{\mu_k} \sum_n \operatorname{responsibilities}(x_n, \log \pi_k, \mu_k, \Sigma_k)", by="the same by our own autodiff")
def mean_gradient_called(x, pi_, mu, Sigma): return grad(lambda mu: sum(gmm.responsibilities(x, log(pi_), mu, Sigma)[1]))(mu)

@mixture(r"\nabla_{\Sigma_k} \sum_n \log \sum_k \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)")
def covariance_gradient(x, pi_, mu, Sigma): return D(lambda Sigma: sum(log(sum(pi_ * N(x, mu, Sigma), 1))), Sigma)

@mixture("=", r"\sum_n \gamma_{nk}\, \frac{\Sigma_k^{-1} (x_n - \mu_k) (x_n - \mu_k)^{\top} \Sigma_k^{-1} - \Sigma_k^{-1}}{2}",
         by="the derivative of log det is the inverse, that of the inverse is minus two of them", covers="mog-cov-stationarity")
def covariance_gradient_posterior(x, mu, Sigma, gamma): return sum(gamma[..., None, None] * (inv(Sigma) @ (x[:, None] - mu)[..., None] @ (x[:, None] - mu)[..., None, :] @ inv(Sigma) - inv(Sigma)) / 2, 0)

@mixture("=", r"\nabla_{\Sigma_k} \sum_n \operatorname{responsibilities}(x_n, \log \pi_k, \mu_k, \Sigma_k)", by="the same by our own autodiff")
def covariance_gradient_called(x, pi_, mu, Sigma): return grad(lambda Sigma: sum(gmm.responsibilities(x, log(pi_), mu, Sigma)[1]))(Sigma)

r"""
The weights are not free: they sum to 1. A *multiplier* $\lambda$ pays for that. To find it, multiply each slope by
$\pi_k$ and add up.
"""

@mixture(r"\nabla_{\pi_k} \left[\sum_n \log \sum_k \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k) + \lambda \left(\sum_k \pi_k - 1\right)\right]")
def weight_gradient(x, pi_, mu, Sigma, lam): return D(lambda pi_: sum(log(sum(pi_ * N(x, mu, Sigma), 1))) + lam * (sum(pi_) - 1), pi_)

@mixture("=", r"\sum_n \frac{\mathcal{N}(x_n; \mu_k, \Sigma_k)}{\sum_k \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)} + \lambda", by="the weights have to sum to 1: a multiplier",
         covers="mog-weight-stationarity")
def weight_gradient_multiplier(x, mu, Sigma, pi_, lam): return sum(N(x, mu, Sigma) / sum(pi_ * N(x, mu, Sigma), 1)[:, None], 0) + lam

@mixture(r"\sum_k \pi_k \left(\sum_n \frac{\mathcal{N}(x_n; \mu_k, \Sigma_k)}{p(x_n)} + \lambda\right)")
def multiplied(pi_, x, mu, Sigma, p, lam): return sum(pi_ * (sum(N(x, mu, Sigma) / p[:, None], 0) + lam))

@mixture("=", r"N + \lambda", by="the posterior of every point sums to 1, and so do the weights")
def multiplied_sum(N, lam): return N + lam

@mixture("root", r"-N", of=multiplied_sum, over="lam", by="where all derivatives vanish, so does this sum", covers="mog-weight-stationarity")
def multiplier(N): return -N

# ---- The bound, climbed by turns -------------------------------------------------------------------------------------
bound = Derivation("bound", guessed, where=lambda pi_: (pi_ > 0).all())

r"""
The logarithm of a sum ties all components together. The [bound](elbo.bound) of the page before unties them. Choose any
responsibilities $r_{nk}$ that are not negative and sum to 1 over $k$: they are its $q(z \mid x)$. Then the logarithm
goes inside the sum, and the price is one KL for every point.
"""

@bound(r"\sum_n \log p(x_n)")
def evidence(p): return sum(log(p))

@bound(">=", r"\sum_n \mathbb{E}_{r_{nk}}\left[\log \frac{\pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)}{r_{nk}}\right]", let=r"\mathcal{F}(r, \pi, \mu, \Sigma)",
       by="Jensen: any responsibilities give a lower bound", tight=dict(r="gamma"), gap=lambda r, gamma: sum(KL(r, gamma)))
def lower_bound(r, pi_, x, mu, Sigma): return sum(E(r, log(ratio(pi_ * N(x, mu, Sigma), r))))

"""
The bound depends on $r$ and on the parameters. Climb it by turns, as one may climb a hill: north as far as it rises,
then east, then north again. First hold the parameters and move $r$.
"""

@bound("argmax", r"\gamma_{nk}", of=lower_bound, over="r", by="the E step: the best responsibilities are the posterior")
def e_step(gamma): return gamma

r"""
Now hold $r$ and drop what depends on $r$ alone. What is left, the *surrogate*, takes the components one by one: a point
counts for component $k$ as $r_{nk}$ of a point. $N_k = \sum_n r_{nk}$ is how many there are, and the *scatter* $S_k$ is
the mean of $(x_n - \mu_k)(x_n - \mu_k)^{\top}$ over them.
"""

@bound(r"\sum_n \mathbb{E}_{r_{nk}}\left[\log \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)\right]", let=r"\mathcal{Q}(\pi, \mu, \Sigma)")
def surrogate(r, pi_, x, mu, Sigma): return sum(E(r, log(pi_ * N(x, mu, Sigma))))

@bound("=", r"\sum_k N_k \left(\log \pi_k - \frac{\log \det(2 \pi \Sigma_k) + \operatorname{tr}(\Sigma_k^{-1} S_k)}{2}\right)", by="of the points only the counts and the scatters matter")
def surrogate_of_scatters(N_k, pi_, Sigma, S): return sum(N_k * (log(pi_) - (logdet(2 * pi * Sigma) + trace(inv(Sigma) @ S, axis1=1, axis2=2)) / 2))

some = lambda N_k: (N_k > 0).all()                                                                   # every component has points

"""
The guess was the *E step* (of expectation). The *M step* (of maximisation) is the fit that we would make if we knew the
components, with shares of points in the place of points. Together they are *EM*. Where each highest point comes from,
the [slopes](mixtures.slope_mean) tell.
"""

@bound("argmax", r"\frac{N_k}{N}", of=surrogate, over="pi_", where=some, by="the M step: for fixed responsibilities, the best weights", covers="mog-weight-update alg-em-gmm:5")
def best_weights(N_k, N): return N_k / N

@bound("argmax", r"\frac{\sum_n r_{nk}\, x_n}{N_k}", of=surrogate, over="mu", where=some, by="the best means, whatever the covariances", covers="mog-mean-update alg-em-gmm:3")
def best_means(r, x, N_k): return sum(r[..., None] * x[:, None], 0) / N_k[:, None]

r"""
One trap: a component that shrinks onto a single point can make the likelihood as large as you like, and learns nothing.
So $\Sigma_k = \epsilon I + A_k A_k^{\top}$: no direction varies by less than $\epsilon$. Let $V_k$ be the axes of $S_k$
and $\ell_k$ the variances along them, its eigenvectors and eigenvalues. The best $A_k$ is:
"""

@bound("argmax", r"V_k \sqrt{\max(\ell_k - \epsilon, 0)}", of=surrogate, over="A", where=some, by="the best covariances above the least variance")
def best_factors(V, ell, eps): return V * sqrt(maximum(ell - eps, 0))[:, None, :]

# ---- The M step by derivatives ---------------------------------------------------------------------------------------
"""
A maximum can be checked by comparing it with what lies around it, or found by derivatives. With the responsibilities
held, every slope has one zero, and it is a formula: the [means](mixtures.best_means) and the
[weights](mixtures.best_weights) of the M step come out again.
"""

@bound(r"\nabla_{\mu_k} \sum_n \mathbb{E}_{r_{nk}}\left[\log \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)\right]")
def slope_mean(r, pi_, x, mu, Sigma): return D(lambda mu: sum(E(r, log(pi_ * N(x, mu, Sigma)))), mu)

@bound("=", r"\sum_n r_{nk}\, \Sigma_k^{-1} (x_n - \mu_k)", by="only the exponent depends on the mean", covers="mog-mean-stationarity")
def slope_mean_sum(r, Sigma, x, mu): return sum(r[..., None] * (inv(Sigma) @ (x[:, None] - mu)[..., None])[..., 0], 0)

@bound("root", r"\frac{\sum_n r_{nk}\, x_n}{N_k}", of=slope_mean_sum, over="mu", where=some, by="the covariance drops out", covers="mog-mean-stationarity:3")
def mean_update(r, x, N_k): return sum(r[..., None] * x[:, None], 0) / N_k[:, None]

@bound(r"2 \Sigma_k \left(\nabla_{\Sigma_k} \sum_n \mathbb{E}_{r_{nk}}\left[\log \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)\right]\right) \Sigma_k")
def slope_covariance(Sigma, r, pi_, x, mu): return 2 * Sigma @ D(lambda Sigma: sum(E(r, log(pi_ * N(x, mu, Sigma)))), Sigma) @ Sigma

@bound("=", r"\sum_n r_{nk} (x_n - \mu_k) (x_n - \mu_k)^{\top} - N_k \Sigma_k", by="an inverse stands on both sides of the slope",
       tol=(1e-10, "a covariance may be 600 times as wide one way as another, and stands on both sides of its inverse"))
def slope_covariance_sum(r, x, mu, N_k, Sigma): return sum(r[..., None, None] * (x[:, None] - mu)[..., None] * (x[:, None] - mu)[..., None, :], 0) - N_k[:, None, None] * Sigma

@bound("root", r"\frac{\sum_n r_{nk} (x_n - \mu_k) (x_n - \mu_k)^{\top}}{N_k}", of=slope_covariance_sum, over="Sigma", where=some, by="what stands between the inverses has to vanish",
       covers="mog-cov-stationarity mog-cov-update")
def covariance_update(r, x, mu, N_k): return sum(r[..., None, None] * (x[:, None] - mu)[..., None] * (x[:, None] - mu)[..., None, :], 0) / N_k[:, None, None]

@bound(r"\nabla_{\pi_k} \left[\sum_n \mathbb{E}_{r_{nk}}\left[\log \pi_k\right] + \lambda \left(\sum_k \pi_k - 1\right)\right]")
def slope_weight(r, pi_, lam): return D(lambda pi_: sum(E(r, log(pi_))) + lam * (sum(pi_) - 1), pi_)

@bound("=", r"\frac{N_k}{\pi_k} + \lambda", by="the logarithm's derivative")
def slope_weight_sum(N_k, pi_, lam): return N_k / pi_ + lam

@bound("root", r"-\frac{N_k}{\lambda}", of=slope_weight_sum, over="pi_", where=lambda N_k, lam: (N_k > 0).all() & (lam != 0), by="with the multiplier -N: the share of the points")
def weight_update(N_k, lam): return -N_k / lam

# ---- The M step that runs --------------------------------------------------------------------------------------------
"""
On paper the M step is three fractions. In floating point it matters how they are summed: squares of data far from 0 are
large, and what we want is a small difference of them. So the sums go around the means that we have, and a component
without points stays where it is.
"""

@bound(r"\log \frac{N_k}{N}")
def weights(N_k, N): return log(N_k / N)

@bound("=", r"\operatorname{maximise}(x_n, r_{nk}, \mu_k)_1", by="the M step's first result")
def weights_called(x, r, mu): return gmm.maximise(x, r, mu)[0]

@bound(r"\frac{\sum_n r_{nk}\, x_n}{N_k}")
def means(r, x, N_k): return sum(r[..., None] * x[:, None], 0) / N_k[:, None]

@bound("=", r"\mu_k + \frac{\sum_n r_{nk} (x_n - \mu_k)}{N_k}", where=some, by="around the old mean: data far from 0 lose nothing, and a component without points stays")
def means_around(mu, r, x, N_k): return mu + ratio(sum(r[..., None] * (x[:, None] - mu), 0), N_k[:, None])

@bound("=", r"\operatorname{maximise}(x_n, r_{nk}, 0)_2", by="the M step's second result, around any point", where=lambda N_k: (N_k > 0).all())
def means_called(x, r, K, D): return gmm.maximise(x, r, zeros((K, D)))[1]

@bound(r"\frac{\sum_n r_{nk} (x_n - \mu_k^{\prime}) (x_n - \mu_k^{\prime})^{\top}}{N_k}")
def covariances(r, x, mu_new, N_k): d = x[:, None] - mu_new; return ratio(sum(r[..., None, None] * d[..., None] * d[..., None, :], 0), N_k[:, None, None])

@bound("=", r"S_k - (\mu_k^{\prime} - \mu_k) (\mu_k^{\prime} - \mu_k)^{\top}", by="around any other point the scatter is larger, by the square of the way")
def covariances_around(S, mu_new, mu): return S - (mu_new - mu)[..., None] * (mu_new - mu)[..., None, :]

@bound("=", r"\operatorname{maximise}(x_n, r_{nk}, \mu_k)_3", by="the M step's third result, around the new means", covers="alg-em-gmm:4")
def covariances_called(x, r, mu): return gmm.maximise(x, r, mu)[2]

# ---- Any covariance --------------------------------------------------------------------------------------------------
r"""
What does the floor $\epsilon$ do to the best covariance? The scatter $S_k$ has axes, its eigenvectors, and a variance
along each, its eigenvalue. Only those below the floor are touched.
"""

@bound(r"\epsilon I_D + V_k \max(\ell_k - \epsilon, 0) V_k^{\top}", where=some)
def full(eps, D, V, ell): return eps * eye(D) + V * maximum(ell - eps, 0)[:, None, :] @ T(V)

@bound("=", r"V_k \max(\ell_k, \epsilon) V_k^{\top}", by="eigenvalues below the least variance are raised to it, the others stay")
def full_raised(V, ell, eps): return V * maximum(ell, eps)[:, None, :] @ T(V)

@bound("=", r"\operatorname{full}(S_k, \frac{N_k}{N}, \epsilon)", by="the M step's covariances")
def full_called(S, N_k, N, eps): return gmm.COVARIANCES["full"][0](S, N_k / N, eps)

# ---- One covariance for all components -------------------------------------------------------------------------------
one_for_all = World("one covariance for all components", base=points,
    B   = tex(r"B",         real("D", "D")),
    A   = let(r"A_k",       lambda B, pi_: broadcast_to(B, (len(pi_), *B.shape))),
    S_w = let(r"S",         lambda N_k, N, S: sum((N_k / N)[:, None, None] * S, 0)),
    l_w = let(r"\ell",      lambda S_w: eigh(S_w)[0]),
    V_w = let(r"V",         lambda S_w: eigh(S_w)[1]))

tied = Derivation("tied", one_for_all, where=lambda N_k, pi_: ((N_k > 0) & (pi_ > 0)).all())

"""
A whole matrix for each component is much to learn from few points. Let all components share one. Then their scatters
are averaged, each weighted by its share of the points.
"""

@tied(r"\sum_n \mathbb{E}_{r_{nk}}\left[\log \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)\right]")
def tied_surrogate(r, pi_, x, mu, Sigma): return sum(E(r, log(pi_ * N(x, mu, Sigma))))

@tied("=", r"\sum_k N_k \left(\log \pi_k - \frac{\log \det(2 \pi \Sigma_k) + \operatorname{tr}(\Sigma_k^{-1} S_k)}{2}\right)", by="of the points only the counts and the scatters matter")
def tied_scatters(N_k, pi_, Sigma, S): return sum(N_k * (log(pi_) - (logdet(2 * pi * Sigma) + trace(inv(Sigma) @ S, axis1=1, axis2=2)) / 2))

@tied("argmax", r"V \sqrt{\max(\ell - \epsilon, 0)}", of=tied_scatters, over="B", by="the scatters of all components count together")
def tied_best(V_w, l_w, eps): return V_w * sqrt(maximum(l_w - eps, 0))

@tied(r"V \max(\ell, \epsilon) V^{\top}")
def tied_raised(V_w, l_w, eps, S): return broadcast_to(V_w * maximum(l_w, eps) @ T(V_w), S.shape)

@tied("=", r"\operatorname{tied}(S_k, \frac{N_k}{N}, \epsilon)", by="the M step's covariances")
def tied_called(S, N_k, N, eps): return gmm.COVARIANCES["tied"][0](S, N_k / N, eps)

# ---- A variance for every axis ---------------------------------------------------------------------------------------
axes = World("a variance for every axis", base=points,
    a   = tex(r"a_k",       real("K", "D")),
    A   = let(r"A_k",       lambda a: a[..., None] * eye(a.shape[-1])))

diagonals = Derivation("diagonal", axes, where=lambda N_k, pi_: ((N_k > 0) & (pi_ > 0)).all())

"""
Or forbid tilt: a variance along every axis, and nothing between them. Each is the mean square along its own axis, or
the floor.
"""

@diagonals(r"\sum_n \mathbb{E}_{r_{nk}}\left[\log \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)\right]")
def diagonal_surrogate(r, pi_, x, mu, Sigma): return sum(E(r, log(pi_ * N(x, mu, Sigma))))

@diagonals("=", r"\sum_k N_k \left(\log \pi_k - \frac{\log \det(2 \pi \Sigma_k) + \operatorname{tr}(\Sigma_k^{-1} S_k)}{2}\right)", by="of the points only the counts and the scatters matter")
def diagonal_scatters(N_k, pi_, Sigma, S): return sum(N_k * (log(pi_) - (logdet(2 * pi * Sigma) + trace(inv(Sigma) @ S, axis1=1, axis2=2)) / 2))

@diagonals("argmax", r"\sqrt{\max(\operatorname{diag} S_k - \epsilon, 0)}", of=diagonal_scatters, over="a", by="every axis for itself")
def diagonal_best(S, eps): return sqrt(maximum(diagonal(S, axis1=1, axis2=2) - eps, 0))

@diagonals(r"\Sigma_k")
def diagonal_family(Sigma): return Sigma

@diagonals("=", r"\left(\epsilon + a_k^2\right) I_D", by="above the least variance, along the axes")
def diagonal_above(eps, a, D): return (eps + a**2)[..., None] * eye(D)

@diagonals(r"\max(\operatorname{diag} S_k, \epsilon) I_D")
def diagonal_raised(S, eps, D): return maximum(diagonal(S, axis1=1, axis2=2), eps)[..., None] * eye(D)

@diagonals("=", r"\operatorname{diagonal}(S_k, \frac{N_k}{N}, \epsilon)", by="the M step's covariances")
def diagonal_called(S, N_k, N, eps): return gmm.COVARIANCES["diagonal"][0](S, N_k / N, eps)

# ---- One variance for every component --------------------------------------------------------------------------------
balls = World("one variance for every component", base=points,
    b   = tex(r"b_k",       real("K")),
    A   = let(r"A_k",       lambda b, D: b[:, None, None] * eye(D)))

spheres = Derivation("spherical", balls, where=lambda N_k, pi_: ((N_k > 0) & (pi_ > 0)).all())

"""
Or forbid shape as well: every component is a ball. One number has to serve for all axes. The best is the mean of their
variances, or the floor.
"""

@spheres(r"\sum_n \mathbb{E}_{r_{nk}}\left[\log \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)\right]")
def spherical_surrogate(r, pi_, x, mu, Sigma): return sum(E(r, log(pi_ * N(x, mu, Sigma))))

@spheres("=", r"\sum_k N_k \left(\log \pi_k - \frac{\log \det(2 \pi \Sigma_k) + \operatorname{tr}(\Sigma_k^{-1} S_k)}{2}\right)", by="of the points only the counts and the scatters matter")
def spherical_scatters(N_k, pi_, Sigma, S): return sum(N_k * (log(pi_) - (logdet(2 * pi * Sigma) + trace(inv(Sigma) @ S, axis1=1, axis2=2)) / 2))

@spheres("argmax", r"\sqrt{\max\left(\frac{\operatorname{tr} S_k}{D} - \epsilon, 0\right)}", of=spherical_scatters, over="b", by="the mean of the axes' variances")
def spherical_best(S, D, eps): return sqrt(maximum(trace(S, axis1=1, axis2=2) / D - eps, 0))

@spheres(r"\Sigma_k")
def spherical_family(Sigma): return Sigma

@spheres("=", r"\left(\epsilon + b_k^2\right) I_D", by="above the least variance, the same along all axes")
def spherical_above(eps, b, D): return (eps + b**2)[:, None, None] * eye(D)

@spheres(r"\max\left(\frac{\operatorname{tr} S_k}{D}, \epsilon\right) I_D")
def spherical_raised(S, D, eps): return maximum(trace(S, axis1=1, axis2=2) / D, eps)[:, None, None] * eye(D)

@spheres("=", r"\operatorname{spherical}(S_k, \frac{N_k}{N}, \epsilon)", by="the M step's covariances")
def spherical_called(S, N_k, N, eps): return gmm.COVARIANCES["spherical"][0](S, N_k / N, eps)

# ---- One step never lowers the likelihood ----------------------------------------------------------------------------
step = World("one step of EM", base=points,
    r         = let(r"\gamma_{nk}",            lambda x, pi_, mu, Sigma, p: ratio(pi_ * N(x, mu, Sigma), p[:, None])),       # the E step
    pi_new    = let(r"\pi_k^{\prime}",         lambda N_k, N: N_k / N),
    S_new     = let(r"S_k^{\prime}",           lambda S, mu_new, mu: S - (mu_new - mu)[..., None] * (mu_new - mu)[..., None, :]),
    Sigma_new = let(r"\Sigma_k^{\prime}",      lambda S_new, eps: (eigh(S_new)[1] * maximum(eigh(S_new)[0], eps)[:, None, :]) @ T(eigh(S_new)[1])),
    gamma_new = let(r"\gamma_{nk}^{\prime}",   lambda x, pi_new, mu_new, Sigma_new: ratio(pi_new * N(x, mu_new, Sigma_new), sum(pi_new * N(x, mu_new, Sigma_new), 1)[:, None])))

em = Derivation("em", step)

r"""
One round is a guess and a fit: $\gamma_{nk}$ from the old parameters, then new parameters, with a prime. We raised the
bound; did we raise what we want? Look first at where the round starts: there the sum that the M step raises has the
slope of the likelihood itself.
"""

@em(r"\left(\nabla_{\mu_k} \sum_n \log \sum_k \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k),\ \nabla_{\Sigma_k} \sum_n \log \sum_k \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)\right)")
def slopes(x, pi_, mu, Sigma): return D(lambda mu: sum(log(sum(pi_ * N(x, mu, Sigma), 1))), mu), D(lambda Sigma: sum(log(sum(pi_ * N(x, mu, Sigma), 1))), Sigma)

@em("=", r"\left(\nabla_{\mu_k} \sum_n \mathbb{E}_{\gamma_{nk}}\left[\log \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)\right],\ \nabla_{\Sigma_k} \sum_n \mathbb{E}_{\gamma_{nk}}\left[\log \pi_k\, \mathcal{N}(x_n; \mu_k, \Sigma_k)\right]\right)",
    by="with the responsibilities held at the old parameters, the surrogate has the likelihood's slope there", where=lambda pi_: (pi_ > 0).all())
def slopes_surrogate(r, pi_, x, mu, Sigma): return D(lambda mu: sum(E(r, log(pi_ * N(x, mu, Sigma)))), mu), D(lambda Sigma: sum(E(r, log(pi_ * N(x, mu, Sigma)))), Sigma)

"""
Now a staircase. The new likelihood is at least the bound with the old guess and the new parameters, as every bound
says. And that is at least the old likelihood: the bound touched it, and then was raised. In the numbers beside the
lines, compare the three values.
"""

@em(r"\sum_n \log \sum_k \pi_k^{\prime}\, \mathcal{N}(x_n; \mu_k^{\prime}, \Sigma_k^{\prime})")
def raised(pi_new, x, mu_new, Sigma_new): return sum(log(sum(pi_new * N(x, mu_new, Sigma_new), 1)))

@em(">=", r"\sum_n \mathbb{E}_{\gamma_{nk}}\left[\log \frac{\pi_k^{\prime}\, \mathcal{N}(x_n; \mu_k^{\prime}, \Sigma_k^{\prime})}{\gamma_{nk}}\right]", by="the bound at the new parameters: it lacks what the next E step will gain",
    gap=lambda r, gamma_new: sum(KL(r, gamma_new)))
def raised_bound(r, pi_new, x, mu_new, Sigma_new): return sum(E(r, log(ratio(pi_new * N(x, mu_new, Sigma_new), r))))

@em(">=", r"\sum_n \log p(x_n)", by="the old bound touched here; the M step gains the divergences of the old weights and components from the new, and more where the least variance holds",
    gap=lambda N, N_k, pi_new, pi_, mu_new, Sigma_new, mu, Sigma, S_new: N * KL(pi_new, pi_) + sum(N_k * (KL_N(mu_new, Sigma_new, mu, Sigma) + trace((inv(Sigma) - inv(Sigma_new)) @ (S_new - Sigma_new), axis1=1, axis2=2) / 2)))
def old(p): return sum(log(p))

@em("<=", r"\sum_n \log \sum_k \pi_k^{\prime}\, \mathcal{N}(x_n; \mu_k^{\prime}, \Sigma_k^{\prime})", by="so a step never lowers the likelihood; what it gains is what both steps gain", covers="alg-em-gmm",
    gap=lambda r, gamma_new, pi_new, pi_, x, mu_new, Sigma_new, mu, Sigma: sum(KL(r, gamma_new)) + sum(E(r, log(ratio(pi_new * N(x, mu_new, Sigma_new), pi_ * N(x, mu, Sigma))))))
def never_falls(pi_new, x, mu_new, Sigma_new): return sum(log(sum(pi_new * N(x, mu_new, Sigma_new), 1)))

# ---- Components that are alike stay alike ----------------------------------------------------------------------------
alike = World("components that are alike", base=guessed,
    m   = tex(r"m",         real("D")),
    B   = tex(r"B",         real("D", "D")),
    mu  = let(r"\mu_k",     lambda m, pi_: broadcast_to(m, (len(pi_), len(m)))),
    A   = let(r"A_k",       lambda B, pi_: broadcast_to(B, (len(pi_), *B.shape))))

start = Derivation("start", alike)

"""
Never lower does not mean highest. Give all components the same mean and the same covariance, and ask the E step who is
responsible. It cannot tell: every point gets the same answer, so the M step moves all components alike. Where EM ends
depends on where it starts, and a start has to break the tie.
"""

@start(r"\gamma_{nk}")
def alike_posterior(gamma): return gamma

@start("=", r"\pi_k", by="equal densities cancel: from such a start EM learns one Gaussian", covers="em-initialisation-matters")
def alike_weights(pi_, gamma): return broadcast_to(pi_, gamma.shape)

# ---- The step that runs ----------------------------------------------------------------------------------------------
"""
All of it is one function, called until the likelihood gains almost nothing: parameters in, better ones out.

EM has formulas for the posterior and the fit. With a *neural network* in the model, a function of very many parameters,
there are none. Then one climbs the bound by its gradient, a mean that we only
[sample](estimators): the next page.
"""

@em(r"\left(\log \pi_k^{\prime},\ \mu_k^{\prime},\ \Sigma_k^{\prime},\ \sum_n \log p(x_n)\right)")
def stepped(pi_new, mu_new, Sigma_new, p): return log(pi_new), mu_new, Sigma_new, sum(log(p))

@em("=", r"\operatorname{emstep}(x, \log \pi, \mu, \Sigma, \epsilon)", by="both steps at once, in blocks of points")
def stepped_called(x, pi_, mu, Sigma, eps): new, total = gmm.em_step(x, log(pi_), mu, Sigma, "full", eps); return *new, total

@em("=", r"\operatorname{emstep}(x, \log \pi, \mu, \Sigma, \epsilon, K)", by="a few points at a time: the sums of the blocks add up", to=stepped)
def stepped_in_blocks(x, pi_, mu, Sigma, eps, K): new, total = gmm.em_step(x, log(pi_), mu, Sigma, "full", eps, K); return *new, total

# ---- The same for four kinds of covariance ---------------------------------------------------------------------------
"""
Free, shared, along the axes, round: a step is the same but for the line that fits the covariance.
"""

@em(r"\operatorname{maximise}(x, \gamma, \mu, \epsilon) \text{ of the four families}")
def families(x, r, mu, eps): return tuple(part for family in gmm.COVARIANCES for part in gmm.maximise(x, r, mu, family, eps))

@em("=", r"\operatorname{emstep}(x, \log \pi, \mu, \Sigma, \epsilon) \text{ of the four families}", by="the same for every family")
def families_called(x, pi_, mu, Sigma, eps): return tuple(part for family in gmm.COVARIANCES for part in gmm.em_step(x, log(pi_), mu, Sigma, family, eps)[0])

# ---- Components of bits ----------------------------------------------------------------------------------------------
def B(x, mu):
    """The chance of every point under every component [N, K]."""
    return prod(mu**x[:, None] * (1 - mu)**(1 - x[:, None]), 2)


def KL_B(m, mu):
    """KL of independent bits with means m to such with means mu, of every component [K]."""
    return sum(m * log(m / mu) + (1 - m) * log((1 - m) / (1 - mu)), 1)


shades = World("points of bits and a mixture",
    N         = size(1, 4),
    K         = size(1, 3),
    D         = size(1, 3),
    x         = tex(r"x_n",            unit("N", "D")),                                              # bits, or shades of them, whose mean is never 0 or 1
    pi_       = tex(r"\pi_k",          simplex("K")),
    mu        = tex(r"\mu_k",          unit("K", "D")),
    r         = tex(r"r_{nk}",         simplex("N", "K")),
    N_k       = let(r"N_k",            lambda r: sum(r, 0)),
    m         = let(r"m_k",            lambda r, x, N_k: ratio(sum(r[..., None] * x[:, None], 0), N_k[:, None])),
    p         = let(r"p(x_n)",         lambda x, pi_, mu: sum(pi_ * B(x, mu), 1)),
    gamma     = let(r"\gamma_{nk}",    lambda x, pi_, mu, p: pi_ * B(x, mu) / p[:, None]),
    n_k       = let(r"n_k",            lambda gamma: sum(gamma, 0)),
    pi_new    = let(r"\pi_k^{\prime}", lambda n_k, N: n_k / N),
    mu_new    = let(r"\mu_k^{\prime}", lambda gamma, x, n_k: sum(gamma[..., None] * x[:, None], 0) / n_k[:, None]),
    gamma_new = let(r"\gamma_{nk}^{\prime}", lambda x, pi_new, mu_new: pi_new * B(x, mu_new) / sum(pi_new * B(x, mu_new), 1)[:, None]))

bits = Derivation("bits", shades, where=lambda pi_: (pi_ > 0).all())

r"""
Nothing so far asked for normal laws but the formulas for means and covariances. Take black and white images: a
component $k$ says of each pixel how often it is white, $\mu_k$, and knows nothing of the others. Write $B(x; \mu)$ for
the product over pixels of $\mu^x (1 - \mu)^{1 - x}$.
"""

@bits(r"\log \pi_k\, B(x_n; \mu_k)", let=r"\log p(x_n, k)")
def bits_joint(pi_, x, mu): return log(pi_ * B(x, mu))

@bits("=", r"\operatorname{logjoint}\left(x_n, \log \pi, \log \frac{\mu_k}{1 - \mu_k}\right)", by="from logits, which no chance of 0 can upset")
def bits_joint_called(x, pi_, mu): return bernoulli.log_joint(x, log(pi_), log(mu / (1 - mu)))

@bits(r"\left(\gamma_{nk},\ \log p(x_n)\right)")
def bits_posterior(gamma, p): return gamma, log(p)

@bits("=", r"\operatorname{responsibilities}\left(x_n, \log \pi, \log \frac{\mu_k}{1 - \mu_k}\right)", by="Bayes' rule, and what it divides by")
def bits_posterior_called(x, pi_, mu): return bernoulli.responsibilities(x, log(pi_), log(mu / (1 - mu)))

r"""
The E step is Bayes' rule again. For the M step hold any $r$ and climb the surrogate.
"""

@bits(r"\sum_n \mathbb{E}_{r_{nk}}\left[\log \pi_k\, B(x_n; \mu_k)\right]", let=r"\mathcal{Q}(\pi, \mu)")
def bits_surrogate(r, pi_, x, mu): return sum(E(r, log(pi_ * B(x, mu))))

@bits("=", r"\sum_k N_k \left(\log \pi_k + \sum_d \left(m_k \log \mu_k + (1 - m_k) \log(1 - \mu_k)\right)\right)", by="of the points only the counts and the averages m_k matter")
def bits_of_averages(N_k, pi_, m, mu): return sum(N_k * (log(pi_) + sum(m * log(mu) + (1 - m) * log(1 - mu), 1)))

@bits("argmax", r"\frac{N_k}{N}", of=bits_surrogate, over="pi_", where=some, by="the best weights, whatever the components are")
def bits_weights(N_k, N): return N_k / N

@bits("argmax", r"\frac{\sum_n r_{nk}\, x_n}{N_k}", of=bits_surrogate, over="mu", where=some, by="the best means: the same average, for another law")
def bits_means(r, x, N_k): return sum(r[..., None] * x[:, None], 0) / N_k[:, None]

@bits(r"\left(\log \frac{N_k}{N},\ \log \frac{\sum_n r_{nk}\, x_n}{\sum_n r_{nk} (1 - x_n)}\right)", where=some)
def bits_odds(N_k, N, r, x): return log(N_k / N), log(sum(r[..., None] * x[:, None], 0) / sum(r[..., None] * (1 - x[:, None]), 0))

@bits("=", r"\operatorname{maximise}(x, r, 0)", by="the M step, in logits: white against black, so that no chance has to be subtracted from 1", where=some)
def bits_maximised(x, r, K, D): return bernoulli.maximise(x, r, zeros((K, D)))

# ---- A round with bits -----------------------------------------------------------------------------------------------
"""
Does a round climb here too? By the same staircase: the bound touches, then it is raised, then it falls short by what the
next guess gains.
"""

@bits(r"\sum_n \log \sum_k \pi_k^{\prime}\, B(x_n; \mu_k^{\prime})")
def bits_raised(pi_new, x, mu_new): return sum(log(sum(pi_new * B(x, mu_new), 1)))

@bits(">=", r"\sum_n \mathbb{E}_{\gamma_{nk}}\left[\log \frac{\pi_k^{\prime}\, B(x_n; \mu_k^{\prime})}{\gamma_{nk}}\right]", by="the bound at the new parameters lacks what the next E step will gain",
      gap=lambda gamma, gamma_new: sum(KL(gamma, gamma_new)))
def bits_bound(gamma, pi_new, x, mu_new): return sum(E(gamma, log(pi_new * B(x, mu_new) / gamma)))

@bits(">=", r"\sum_n \log p(x_n)", by="the M step gained the divergences of the old weights and components from the new",
      gap=lambda N, n_k, pi_new, pi_, mu_new, mu: N * KL(pi_new, pi_) + sum(n_k * KL_B(mu_new, mu)))
def bits_old(p): return sum(log(p))

@bits(r"\left(\log \pi_k^{\prime},\ \log \frac{\mu_k^{\prime}}{1 - \mu_k^{\prime}},\ \sum_n \log p(x_n)\right)")
def bits_stepped(pi_new, mu_new, p): return log(pi_new), log(mu_new / (1 - mu_new)), sum(log(p))

@bits("=", r"\operatorname{emstep}\left(x, \log \pi, \log \frac{\mu_k}{1 - \mu_k}\right)", by="both steps at once")
def bits_stepped_called(x, pi_, mu): new, total = bernoulli.em_step(x, log(pi_), log(mu / (1 - mu))); return *new, total

@bits(r"\left(\log \pi_k^{\prime},\ \max\left(\min\left(\log \frac{\mu_k^{\prime}}{1 - \mu_k^{\prime}}, 1\right), -1\right)\right)")
def bits_bounded(pi_new, mu_new): return log(pi_new), maximum(minimum(log(mu_new / (1 - mu_new)), 1), -1)

@bits("=", r"\operatorname{emstep}\left(x, \log \pi, \log \frac{\mu_k}{1 - \mu_k}, 1\right)", by="no component may be certain of a pixel it saw in one state only: logits stay within a bound")
def bits_bounded_called(x, pi_, mu): return bernoulli.em_step(x, log(pi_), log(mu / (1 - mu)), 1)[0]

# ---- Two bumps, or one? ----------------------------------------------------------------------------------------------
def n(x, mu, s):
    """The normal density on the line."""
    return exp(-(x - mu)**2 / (2 * s**2)) / sqrt(2 * pi * s**2)


line = World("two components on the line",
    x    = tex(r"x",        real()),
    mu_1 = tex(r"\mu_1",    real()),
    mu_2 = tex(r"\mu_2",    real()),
    s    = tex(r"s",        positive()),
    m    = let(r"m",        lambda mu_1, mu_2: (mu_1 + mu_2) / 2))

bumps = Derivation("bumps", line)

"""
Has a mixture of two components two peaks? Take two normal laws on the line, of one width $s$ and with equal weights,
and move their means apart. Half-way between them something has to change.
"""

@bumps(r"\frac{n(x; \mu_1, s) + n(x; \mu_2, s)}{2}", let=r"p(x)")
def two(x, mu_1, mu_2, s): return (n(x, mu_1, s) + n(x, mu_2, s)) / 2

@bumps("=", r"\exp \operatorname{responsibilities}(x)", by="two equal weights")
def two_called(x, mu_1, mu_2, s): half = ratio(s, 2 * s); return exp(gmm.responsibilities(reshape(x, (1, 1)), log(stack([half, half])), stack([mu_1, mu_2])[:, None], broadcast_to(s**2, (2, 1, 1)))[1][0])

@bumps(r"\nabla_x \left(-\frac{x - \mu_1}{s^2}\right)", let=r"\nabla_x \nabla_x \log n(x; \mu_1, s)")
def one_bump(x, mu_1, s): return D(lambda x: -(x - mu_1) / s**2, x)

@bumps("=", r"-\frac{1}{s^2}", by="each component is concave in its logarithm: one mode", covers="mog-multimodal-latent")
def one_bump_concave(s): return -1 / s**2

"""
Each component has one peak. Where can their sum have one? Where its slope is 0.
"""

@bumps(r"\nabla_x \frac{n(x; \mu_1, s) + n(x; \mu_2, s)}{2}")
def two_slope(x, mu_1, mu_2, s): return D(lambda x: (n(x, mu_1, s) + n(x, mu_2, s)) / 2, x)

@bumps("=", r"\frac{n(x; \mu_1, s)(\mu_1 - x) + n(x; \mu_2, s)(\mu_2 - x)}{2 s^2}", by="each is drawn to its own mean")
def two_slope_sum(x, mu_1, s, mu_2): return (n(x, mu_1, s) * (mu_1 - x) + n(x, mu_2, s) * (mu_2 - x)) / (2 * s**2)

@bumps("root", r"\frac{\mu_1 + \mu_2}{2}", of=two_slope_sum, over="x", by="half-way they balance: a mode, or a valley", covers="mog-multimodal-latent")
def half_way(mu_1, mu_2): return (mu_1 + mu_2) / 2

"""
Half-way the slope is always 0. Whether that is a peak or a valley, the second derivative says.
"""

@bumps(r"\nabla_m \frac{n(m; \mu_1, s)(\mu_1 - m) + n(m; \mu_2, s)(\mu_2 - m)}{2 s^2}", let=r"p^{\prime\prime}(m)")
def curvature(m, mu_1, s, mu_2): return D(lambda m: (n(m, mu_1, s) * (mu_1 - m) + n(m, mu_2, s) * (mu_2 - m)) / (2 * s**2), m)

@bumps("=", r"\frac{\exp\left(-\frac{(\mu_1 - \mu_2)^2}{8 s^2}\right)}{s^2 \sqrt{2 \pi s^2}} \left(\frac{(\mu_1 - \mu_2)^2}{4 s^2} - 1\right)", by="half-way both densities are equal")
def curvature_half_way(mu_1, mu_2, s): return exp(-(mu_1 - mu_2)**2 / (8 * s**2)) / (s**2 * sqrt(2 * pi * s**2)) * ((mu_1 - mu_2)**2 / (4 * s**2) - 1)

@bumps(">=", r"0", where=lambda mu_1, mu_2, s: abs(mu_1 - mu_2) > 2 * s, tight=dict(mu_2=lambda mu_1, s: mu_1 + 2 * s), by="a valley, so two modes, once the means are more than two widths apart; at two the valley is flat, and the mode one", covers="mog-multimodal-latent")
def valley(): return 0.0
