"""Pictures of variational autoencoders: the linear one on the digits, solved."""
import functools

import numpy as np

from derivations.book.pictures import Picture
from derivations.book.pictures.elbo import bars
from derivations.book.pictures.mixtures import ring
from derivations.engine.worlds import Sample
from derivations.vae import bound, collapses, latent_rates, linear, scattered
from scratch.autoencoders import ppca
from scratch.data.images import digits
from scratch.runs.figures import BLUE, GREY, ORANGE


@functools.cache
def solved():
    """The training digits as numbers 0 .. 16, and the linear VAE with two codes that fits them best, where the largest
    weight of each code is positive: the likelihood leaves the signs open."""
    data     = digits()["train"]
    x        = data["x"].astype(float)
    W, b, s2 = ppca.fit(x, 2)
    return x, data["y"], W * np.sign(W[abs(W).argmax(0), (0, 1)]), b, s2


# ---- the plane of codes ----------------------------------------------------------------------------------------------
def plane():
    x, y, W, b, s2 = solved()
    s = Sample(linear, dict(N=len(x), M=64, K=2, x=x, W=W, b=b, s2=s2))
    m, Sigma = s["m"], s["Sigma"]
    shown    = chosen(m, y)
    return dict(m=m, Sigma=Sigma, y=y, shown=shown, images=x[shown].reshape(-1, 8, 8) / 16, W=W, b=b, s2=float(s2),
                wide=float(Sigma[0, 0]**0.5), high=float(Sigma[1, 1]**0.5), count=len(x), inside=1 - np.exp(-2))


def chosen(m, y):
    """The index of one image of each digit, far from those before it and not too far out."""
    found = []
    for digit in range(10):
        i = np.flatnonzero((y == digit) & ((m**2).sum(1) < 4))
        found.append(i[np.min([((m[i] - a)**2).sum(1) for a in (*m[found], np.zeros(2))], axis=0).argmax()])
    return np.array(found)


def draw_plane(figure, m, Sigma, y, shown, images, **_):
    axes = figure.add_subplot(xlim=(-3, 3), ylim=(-2.6, 2.6), xlabel="first code", ylabel="second code",
                              xticks=(-2, 0, 2), yticks=(-2, 0, 2))
    axes.set_aspect("equal")
    axes.scatter(*m.T, s=2, color=GREY, linewidths=0, alpha=0.8, rasterized=True)
    ellipse = ring(Sigma)
    for i, image in zip(shown, images):
        axes.plot(*(m[i][:, None] + ellipse), color=ORANGE, linewidth=1.8)
    draw_images(axes, m[shown], images)


def draw_images(axes, at, images, size=0.3):
    from matplotlib.colors import to_rgb
    for (a, b), image in zip(at, images):
        ink = np.concatenate([np.tile(to_rgb(BLUE), (8, 8, 1)), image[:, :, None]], axis=2)
        axes.imshow(ink, extent=(a - size, a + size, b - size, b + size), interpolation="nearest", zorder=3)


# ---- what a guess costs ----------------------------------------------------------------------------------------------
def guess():
    """The decoder stays the best one; the encoder moves from one that is blind, N(0, 1) for every image, to the
    posterior: how much of each image is believed, in five steps."""
    x, _, W, b, s2 = solved()
    s    = Sample(linear, dict(N=len(x), M=64, K=2, x=x, W=W, b=b, s2=s2))
    A    = s["Sigma"] @ W.T / s2                                                        # m = A (x - b)
    t    = np.linspace(0, 1, 5)
    low  = []
    for share in t:
        moved = dict(x=x - b, b=0 * b, A=share * A, var=np.diagonal(s["Sigma"])**share)
        low.append(bound.value(s.put(**moved))[0].mean())
    log_p = float(ppca.log_likelihood(x, W, b, s2).mean())
    return dict(t=t, elbo=np.array(low), log_p=log_p, blind=log_p - low[0], half=log_p - low[2])


def draw_guess(figure, t, elbo, log_p, **_):
    axes = figure.add_subplot(ylabel="nats an image")
    bars(axes, range(5), elbo, [log_p] * 5, floor=min(elbo) - 8)
    axes.text(4.4, log_p, "log p(x)", color=BLUE, va="center")
    axes.text(0, (elbo[0] + log_p) / 2, "KL", ha="center", va="center")
    axes.text(0, elbo[0] - 1, "ELBO", ha="center", va="top")
    axes.set_xticks(range(5), ["blind", "", "halfway", "", "posterior"])
    axes.set_xlim(-0.5, 5.2)
    axes.tick_params(axis="x", length=0)
    axes.spines["bottom"].set_visible(False)


# ---- which codes collapse --------------------------------------------------------------------------------------------
NOISE = 10.0                                    # the decoder's variance, held fixed


def unused():
    """Thirty codes and a decoder with fixed noise, both as good as they can be: what each code carries."""
    x, _, _, b, _ = solved()
    s     = Sample(scattered, dict(N=len(x), M=64, K=30, x=x, b=b, s2=np.array(NOISE)))
    lam   = s["lam"][:30]
    used  = int((lam > NOISE).sum())
    rates = latent_rates.value(s)[0]
    return dict(lam=lam, rates=rates, closed=collapses.value(s)[0], noise=NOISE, used=used, left=30 - used,
                best=rates[0], total=rates.sum())


def draw_unused(figure, lam, rates, noise, used, **_):
    above, below = figure.subplots(2, 1, sharex=True)
    i = np.arange(1, 31)
    above.bar(i, lam, 0.7, color=BLUE)
    above.axhline(noise, color=ORANGE, linewidth=2)
    above.text(30.5, noise * 1.25, "the decoder's noise σ²", color=ORANGE, ha="right")
    above.text(4.8, 110, "variance λ of the data along each axis", color=BLUE)
    above.set(yscale="log", ylim=(2, 300), xlim=(0.3, 30.7))
    above.set_yticks((10, 100), ("10", "100"))
    above.minorticks_off()
    below.bar(i, rates, 0.7, color=ORANGE)
    below.text(4.8, 1.1, "what the code tells of an image, nats", color=ORANGE)
    below.text((used + 31) / 2, 0.12, "collapsed: exactly 0", ha="center")
    below.set(xlabel="code", xticks=(1, 10, 20, 30), yticks=(0, 1))


PICTURES = [
    Picture("plane", "A code for every image",
            "{count} handwritten digits on the plane of their codes, by the linear decoder of this page, which can "
            "be solved (grey: the mean of each posterior). Ten are shown with their ellipse, where the code is with "
            "probability {inside:.2f}: an image tells its code only up to {wide:.2f} and {high:.2f}, the standard "
            "deviations of the posterior.",
            plane, draw_plane, size=(5.2, 4)),
    Picture("guess", "What a guess costs",
            "The bar log p = ELBO + KL, a mean over the digits. The decoder stays; the encoder moves from a blind "
            "one, which says N(0, 1) of every image, to the posterior. Blind, the guess costs {blind:.2f} nats an "
            "image; halfway {half:.2f}; at the posterior nothing.",
            guess, draw_guess, beside="The bound that trains", size=(5.2, 2.6)),
    Picture("unused", "Which codes are used",
            "The best linear VAE with thirty codes and noise of variance {noise:.0f}, on the digits. The {used} axes "
            "whose variance is above the noise get a code, which tells ½ log(λ/σ²) nats: {best:.2f} the first, "
            "{total:.1f} all together. The other {left} codes are the prior, whatever the image.",
            unused, draw_unused, beside="The most likely decoder", size=(5.2, 3.2)),
]
