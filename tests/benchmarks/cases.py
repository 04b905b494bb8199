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


# ---- a training step of a variational autoencoder, 784-500-20-500-784, batches of 128, float32, Adam -----------------
def _bits():
    import numpy as np
    return (np.random.default_rng(0).random((128, 784)) < 0.3).astype("float32")


def vae_ours():
    """As `scratch train` runs it: with its memory kept, its metrics read and its parameters looked at."""
    import itertools
    from backends.random import Stream
    from scratch.autoencoders import VAE
    from scratch.cli import keep_pages
    from scratch.train import fit
    keep_pages()
    model = VAE(decoder="bernoulli", hidden=(500,), latent=20, activation="relu", lr=1e-3, ema=0.0, clip=0.0, levels=2)
    x, s  = _bits().astype("uint8"), Stream.seed(0)
    steps = fit(model, model.start(s("init"), {"x": x}), itertools.repeat({"x": x}), s("train"), 10**9)
    return best(lambda: next(steps), repeat=200)


def vae_torch():
    import torch
    from torch.nn import Linear, ReLU, Sequential
    from torch.nn.functional import binary_cross_entropy_with_logits
    encoder, decoder = Sequential(Linear(784, 500), ReLU(), Linear(500, 40)), Sequential(Linear(20, 500), ReLU(),
                                                                                        Linear(500, 784))
    adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-3)
    x    = torch.tensor(_bits())

    def step():
        mu, log_var = encoder(x).chunk(2, 1)
        logits = decoder(mu + torch.exp(log_var / 2) * torch.randn_like(mu))
        loss   = (binary_cross_entropy_with_logits(logits, x, reduction="sum")
                  - 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()) / len(x)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()
    return best(step, repeat=200)


def vae_hips():
    import autograd
    import autograd.numpy as np
    import numpy
    rng, x = numpy.random.default_rng(0), _bits()
    sizes  = ((784, 500), (500, 40), (20, 500), (500, 784))
    params = [a for n, m in sizes for a in (rng.normal(size=(n, m)).astype("f4") / n**0.5, numpy.zeros(m, "f4"))]
    m, v   = [0 * p for p in params], [0 * p for p in params]

    def loss(params, eps):
        W1, b1, W2, b2, W3, b3, W4, b4 = params
        code = np.maximum(x @ W1 + b1, 0) @ W2 + b2
        mu, log_var = code[:, :20], code[:, 20:]
        logits = np.maximum((mu + np.exp(log_var / 2) * eps) @ W3 + b3, 0) @ W4 + b4
        log_p  = x * logits - np.maximum(logits, 0) - np.log1p(np.exp(-np.abs(logits)))
        return -(np.sum(log_p) + 0.5 * np.sum(1 + log_var - mu**2 - np.exp(log_var))) / len(x)
    gradient, t = autograd.value_and_grad(loss), 0

    def step():
        nonlocal t
        t += 1
        value, gs = gradient(params, rng.standard_normal((128, 20), dtype="f4"))
        for i, g in enumerate(gs):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g * g
            params[i] = params[i] - 1e-3 * (m[i] / (1 - 0.9**t)) / (numpy.sqrt(v[i] / (1 - 0.999**t)) + 1e-8)
        return float(value)
    return best(step, repeat=100)


# ---- a training step of the diffusion model: its U-Net on 8 x 8 images, batches of 128, float32, Adam ----------------
def _digits():
    import numpy as np
    return np.random.default_rng(0).integers(0, 17, (128, 64)).astype("uint8")


def ddpm_ours():
    """As `scratch train` runs it."""
    import itertools
    from backends.random import Stream
    from scratch.cli import keep_pages
    from scratch.diffusion import DDPM
    from scratch.train import fit
    keep_pages()
    model = DDPM(levels=17, shape=(8, 8))
    x, s  = _digits(), Stream.seed(0)
    steps = fit(model, model.start(s("init"), {"x": x}), itertools.repeat({"x": x}), s("train"), 10**9)
    return best(lambda: next(steps), repeat=50)


def ddpm_torch():
    """The same net, loss, Adam and average of the weights."""
    import numpy
    import torch
    from torch import nn
    from torch.nn import functional as F
    from scratch.diffusion import SCHEDULES, schedule
    E, widths = 32, (16, 16, 32)

    class Residual(nn.Module):
        def __init__(self, C, M):
            super().__init__()
            self.norm1, self.conv1 = nn.GroupNorm(4, C), nn.Conv2d(C, M, 3, padding=1)
            self.norm2, self.conv2 = nn.GroupNorm(4, M), nn.Conv2d(M, M, 3, padding=1)
            self.told, self.skip   = nn.Linear(E, 2 * M), nn.Conv2d(C, M, 1, bias=False) if C != M else nn.Identity()

        def forward(self, x, e):
            gamma, beta = self.told(e)[:, :, None, None].chunk(2, 1)
            h = (1 + gamma) * self.norm2(self.conv1(F.silu(self.norm1(x)))) + beta
            return self.conv2(F.silu(h)) + self.skip(x)

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            a, b, c = widths
            self.step   = nn.Sequential(nn.Linear(E, E), nn.SiLU(), nn.Linear(E, E))
            self.first, self.last = nn.Conv2d(1, a, 3, padding=1), nn.Conv2d(a, 1, 3, padding=1)
            self.down   = nn.ModuleList([Residual(a, a), Residual(a, b), Residual(b, c)])
            self.halve  = nn.ModuleList([nn.Conv2d(a, a, 2, 2), nn.Conv2d(b, b, 2, 2)])
            self.norm, self.qkv, self.out = nn.GroupNorm(4, c), nn.Linear(c, 3 * c), nn.Linear(c, c)
            self.middle = Residual(c, c)
            self.twice = nn.ModuleList([nn.ConvTranspose2d(b, b, 2, 2), nn.ConvTranspose2d(c, c, 2, 2)])
            self.up     = nn.ModuleList([Residual(b + a, a), Residual(c + b, b), Residual(2 * c, c)])
            self.norm_last = nn.GroupNorm(4, a)

        def forward(self, x, angle):
            e = F.silu(self.step(torch.cat([angle.sin(), angle.cos()], 1)))
            h, seen = self.first(x), []
            for i in range(3):
                h = self.down[i](h, e)
                seen.append(h)
                h = self.halve[i](h) if i < 2 else h
            q, k, v = self.qkv(self.norm(h).flatten(2).transpose(1, 2)).chunk(3, -1)
            h = h + self.out(F.scaled_dot_product_attention(q, k, v)).transpose(1, 2).reshape(h.shape)
            h = self.middle(h, e)
            for i in (2, 1, 0):
                h = self.twice[i](h) if i < 2 else h
                h = self.up[i](torch.cat([h, seen[i]], 1), e)
            return self.last(F.silu(self.norm_last(h)))
    net     = UNet()
    adam    = torch.optim.Adam(net.parameters(), 2e-3)
    average = [p.detach().clone() for p in net.parameters()]
    s       = schedule(SCHEDULES["cosine"](100))
    abar, vbar = (torch.tensor(numpy.asarray(a), dtype=torch.float32).sqrt() for a in (s.abar, s.vbar))
    x0      = torch.tensor(_digits()).float().reshape(-1, 1, 8, 8) / 8 - 1
    omega   = torch.exp(torch.arange(E // 2) * (-2 * math.log(1e4) / E))

    def step():
        t, eps = torch.randint(100, (128,)), torch.randn_like(x0)
        a, b   = abar[t][:, None, None, None], vbar[t][:, None, None, None]
        xt     = a * x0 + b * eps
        loss   = (eps - b * xt - a * net(xt, (t + 1)[:, None] * omega)).square().sum((1, 2, 3)).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, list(net.parameters()), 0.002)
        return loss.item()
    return best(step, repeat=50)


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
    "vae":            ("step of a VAE 784-500-20-500-784, batch 128", vae_ours,
                       {"PyTorch": vae_torch, "HIPS autograd": vae_hips}, "at most 1 of PyTorch's, 1/2 of HIPS's"),
    "ddpm":           ("step of a diffusion U-Net on 8 x 8 images, batch 128", ddpm_ours, {"PyTorch": ddpm_torch}, ""),
    "import":         ("import", lambda: _import("scratch"), {"NumPy": lambda: _import("numpy")}, "at most 2"),
}

if __name__ == "__main__":
    case, side = sys.argv[1:]
    _, ours, peers, _ = CASES[case]
    print({"ours": ours, **peers}[side]())
