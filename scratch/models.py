"""The models by name: what the command line trains, `scratch list` prints, and the tests of laws run over."""
import dataclasses
import importlib


BACKENDS = ("numpy", "cupy", "strict")                  # what models are run on


@dataclasses.dataclass(frozen=True)
class Entry:
    title:       str
    path:        str        # module:class
    data:        str        # what it learns unless told otherwise
    steps:       int        # the most steps it takes unless told otherwise
    derivations: str        # the topics that it rests on
    paper:       str
    defaults:    dict = dataclasses.field(default_factory=dict)     # its hyper-parameters unless told otherwise

    @property
    def model(self):
        """The model's class, a dataclass of its hyper-parameters."""
        module, name = self.path.split(":")
        return getattr(importlib.import_module(module), name)


#          title, module:class, data, steps
#          derivations, paper, its hyper-parameters where they are not those of the class
MODELS = {
    "gmm":         Entry("Gaussian mixture, learned by EM", "scratch.mixtures:GaussianMixture", "digits", 200,
                         "mixtures elbo", "Dempster, Laird, Rubin 1977"),
    "vae":         Entry("Variational autoencoder", "scratch.autoencoders:VAE", "digits", 2000,
                         "vae elbo divergences estimators", "Kingma, Welling 2014"),
    "ae":          Entry("Autoencoder: plain, denoising, sparse, contractive or stacked",
                         "scratch.autoencoders:Autoencoder", "digits", 2000,
                         "vae", "Hinton, Salakhutdinov 2006; Vincent et al. 2008; Rifai et al. 2011"),
    "gan":         Entry("Adversarial network, non-saturating", "scratch.gans:GAN", "ring", 2500,
                         "gan", "Goodfellow et al. 2014"),
    "gan-minimax": Entry("Adversarial network, the minimax game as it is", "scratch.gans:GAN", "ring", 2500,
                         "gan", "Goodfellow et al. 2014", dict(objective="minimax")),
    "lsgan":       Entry("Adversarial network, least squares", "scratch.gans:GAN", "ring", 2500,
                         "gan", "Mao et al. 2017", dict(objective="least-squares")),
    "wgan":        Entry("Wasserstein adversarial network, weights clipped", "scratch.gans:GAN", "ring", 2500,
                         "gan divergences", "Arjovsky, Chintala, Bottou 2017",
                         dict(objective="wasserstein", k=5, optimiser="rmsprop", lr=5e-4, clip_weights=0.01)),
    "wgan-gp":     Entry("Wasserstein adversarial network, gradient penalty", "scratch.gans:GAN", "ring", 2500,
                         "gan divergences", "Gulrajani et al. 2017",
                         dict(objective="wasserstein", k=5, penalty=0.1, beta2=0.9)),
    "dcgan":       Entry("Convolutional adversarial network", "scratch.gans:GAN", "digits", 1600,
                         "gan evaluation", "Radford, Metz, Chintala 2016",
                         dict(net="conv", hidden=(64, 32), latent=64, activation="leaky", lr=4e-3, beta2=0.9, k=2,
                              batch_size=64, ema=0.995)),
    "ddpm":        Entry("Denoising diffusion with a U-Net", "scratch.diffusion:DDPM", "digits", 3000,
                         "diffusion evaluation", "Ho, Jain, Abbeel 2020; Nichol, Dhariwal 2021"),
    "ddpm-mlp":    Entry("Denoising diffusion of columns of numbers", "scratch.diffusion:DDPM", "moons", 3000,
                         "diffusion", "Ho, Jain, Abbeel 2020", dict(net="mlp", widths=(128, 128, 128))),
}
