"""What is measured: python -m tests.benchmarks.cases NAME SIDE prints seconds an operation, in a process of its own."""
import functools
import math
import sys
import time
import warnings


def best(f, repeat=7, inner=1):
    """The least time of f among `repeat`, each of `inner` calls, after one that does not count."""
    f()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        for _ in range(inner):
            f()
        times.append((time.perf_counter() - start) / inner)
    return min(times)


# ---- the gradient of sum(exp(x) * x + x) for five numbers ------------------------------------------------------------
def gradient_ours():
    import numpy as np
    from backends import xp
    from scratch.autodiff import grad
    g, x = grad(lambda x: xp.sum(xp.exp(x) * x + x)), np.linspace(-1, 1, 5)
    return best(lambda: g(x), inner=3000)


def gradient_hips():
    import autograd
    import autograd.numpy as np
    g, x = autograd.grad(lambda x: np.sum(np.exp(x) * x + x)), np.linspace(-1, 1, 5)
    return best(lambda: g(x), inner=3000)


def gradient_torch():
    import torch
    x = torch.linspace(-1, 1, 5, dtype=torch.float64, requires_grad=True)
    return best(lambda: torch.autograd.grad((torch.exp(x) * x + x).sum(), x), inner=3000)


# ---- a million standard normals in float32 ---------------------------------------------------------------------------
def normals_ours():
    from backends.random import Stream
    s = Stream.seed(0)
    return best(lambda: s.normal(10**6), repeat=15)


def normals_numpy():
    import numpy as np
    g = np.random.Generator(np.random.PCG64(0))
    return best(lambda: g.standard_normal(10**6, dtype=np.float32), repeat=15)


# ---- one iteration of EM with full covariances -----------------------------------------------------------------------
def _blobs(N, D, K):
    import numpy as np
    g  = np.random.default_rng(0)
    mu = 3 * g.normal(size=(K, D))
    return mu[g.integers(K, size=N)] + g.normal(size=(N, D)), mu, np.stack([np.eye(D)] * K)


def em_ours(N, D, K):
    import numpy as np
    from scratch.mixtures import em_step
    x, mu, Sigma = _blobs(N, D, K)
    return best(lambda: em_step(x, np.full(K, -math.log(K)), mu, Sigma, floor=1e-6))


def em_sklearn(N, D, K, more=5):
    """The difference between fits of 2 + `more` and of 2 iterations, so that the start does not count."""
    import numpy as np
    from sklearn.mixture import GaussianMixture
    x, mu, Sigma = _blobs(N, D, K)

    def fit(n):
        GaussianMixture(K, max_iter=n, tol=0, means_init=mu, weights_init=np.full(K, 1 / K), precisions_init=Sigma,
                        init_params="random_from_data", random_state=0).fit(x)
    warnings.simplefilter("ignore")
    return (best(lambda: fit(2 + more), 5) - best(lambda: fit(2), 5)) / more


# ---- imports ---------------------------------------------------------------------------------------------------------
def _import(module):
    import importlib
    start = time.perf_counter()
    importlib.import_module(module)
    return time.perf_counter() - start


#   name                what is measured, ours, the peers, the ratio that was aimed at
CASES = {
    "gradient":       ("gradient of sum(exp(x)*x + x), 5 numbers", gradient_ours,
                       {"HIPS autograd": gradient_hips, "PyTorch": gradient_torch}, "at most 0.35 of HIPS's"),
    "normals":        ("10^6 float32 normals", normals_ours, {"NumPy PCG64": normals_numpy}, "at most 0.8"),
    **{f"em-{N}-{D}-{K}": (f"EM iteration, N D K = {N} {D} {K}", functools.partial(em_ours, N, D, K),
                           {"scikit-learn": functools.partial(em_sklearn, N, D, K)}, "at most 1/3")
       for N, D, K in ((20000, 16, 8), (50000, 32, 16), (100000, 2, 5))},
    "import":         ("import", lambda: _import("scratch"), {"NumPy": lambda: _import("numpy")}, "at most 2"),
}

if __name__ == "__main__":
    case, side = sys.argv[1:]
    _, ours, peers, _ = CASES[case]
    print({"ours": ours, **peers}[side]())
