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


#          title                             path                                 data      steps  derivations
#          paper
MODELS = {
    "gmm": Entry("Gaussian mixture, learned by EM",  "scratch.mixtures:GaussianMixture", "digits", 200, "mixtures elbo",
                 "Dempster, Laird, Rubin 1977"),
    "vae": Entry("Variational autoencoder",          "scratch.autoencoders:VAE",         "digits", 2000,
                 "vae elbo divergences estimators",
                 "Kingma, Welling 2014"),
    "ae":  Entry("Autoencoder: plain, denoising, sparse, contractive or stacked", "scratch.autoencoders:Autoencoder",
                 "digits", 2000, "vae",
                 "Hinton, Salakhutdinov 2006; Vincent et al. 2008; Rifai et al. 2011"),
    "ddpm":     Entry("Denoising diffusion",         "scratch.diffusion:DDPM", "digits", 3000, "diffusion",
                      "Ho, Jain, Abbeel 2020; Nichol, Dhariwal 2021"),
    "ddpm-mlp": Entry("Denoising diffusion of columns of numbers", "scratch.diffusion:DDPM", "moons", 3000,
                      "diffusion", "Ho, Jain, Abbeel 2020", dict(net="mlp", widths=(128, 128, 128))),
}
