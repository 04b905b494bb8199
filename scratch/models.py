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

    @property
    def family(self):
        """The folder of `scratch` that the model lies in."""
        return self.path.split(":")[0].split(".")[1]


#          title, module:class, data, steps
#          derivations, paper, its hyper-parameters where they are not those of the class
MODELS = {
    "gmm":         Entry("Gaussian mixture, learned by EM", "scratch.mixtures:GaussianMixture", "digits", 200,
                         "mixtures elbo", "Dempster, Laird, Rubin 1977"),
    "bmm":         Entry("Mixture of Bernoullis, learned by EM", "scratch.mixtures:BernoulliMixture", "digits", 200,
                         "mixtures elbo", "Bishop 2006, 9.3.3"),
    "ppca":        Entry("Probabilistic principal components, by the closed form or EM", "scratch.autoencoders:PPCA",
                         "digits", 200,
                         "vae", "Tipping, Bishop 1999"),
    "vae":         Entry("Variational autoencoder", "scratch.autoencoders:VAE", "digits", 2000,
                         "vae elbo divergences estimators", "Kingma, Welling 2014"),
    "vqvae":       Entry("VQ-VAE: a code of whole numbers, its codebook learned by its loss",
                         "scratch.autoencoders:VQVAE", "digits", 800,
                         "codes vae", "van den Oord, Vinyals, Kavukcuoglu 2017"),
    "vqvae-ema":   Entry("VQ-VAE whose codebook is a moving average", "scratch.autoencoders:VQVAE", "digits", 800,
                         "codes vae mixtures", "van den Oord, Vinyals, Kavukcuoglu 2017; Razavi et al. 2019",
                         dict(codebook="average")),
    "ae":          Entry("Autoencoder: plain, denoising, sparse, contractive or stacked",
                         "scratch.autoencoders:Autoencoder", "digits", 2000,
                         "vae", "Hinton, Salakhutdinov 2006; Vincent et al. 2008; Rifai et al. 2011"),
    "fvbn":        Entry("Fully visible belief network: a table and logistic regressions",
                         "scratch.autoregressive:FVBN", "digits", 1000,
                         "autoregressive", "Frey, Hinton, Dayan 1996; Bengio, Bengio 2000"),
    "made":        Entry("Masked autoencoder of bits", "scratch.autoregressive:MADE", "digits", 1000,
                         "autoregressive", "Germain et al. 2015"),
    "pixelcnn":    Entry("PixelCNN: masked convolutions", "scratch.autoregressive:PixelCNN", "digits", 800,
                         "autoregressive", "van den Oord, Kalchbrenner, Kavukcuoglu 2016", dict(channels=24)),
    "pixelcnn-gated": Entry("PixelCNN of two gated stacks", "scratch.autoregressive:PixelCNN", "digits", 600,
                         "autoregressive", "van den Oord et al. 2016", dict(net="gated")),
    "pixelcnn++":  Entry("PixelCNN of two gated stacks that says mixtures of logistics",
                         "scratch.autoregressive:PixelCNN", "digits", 600,
                         "autoregressive vae", "Salimans et al. 2017",
                         dict(net="gated", output="logistics")),
    "realnvp":     Entry("Flow of affine couplings", "scratch.flows:Flow", "moons", 5000,
                         "flows", "Dinh, Sohl-Dickstein, Bengio 2017", dict(noise=0.05)),
    "nice":        Entry("Flow of additive couplings and a scaling", "scratch.flows:Flow", "moons", 4000,
                         "flows", "Dinh, Krueger, Bengio 2015", dict(flow="nice", noise=0.05)),
    "maf":         Entry("Masked autoregressive flow", "scratch.flows:Flow", "moons", 4000,
                         "flows autoregressive", "Papamakarios, Pavlakou, Murray 2017", dict(flow="maf", noise=0.05)),
    "iaf":         Entry("Inverse autoregressive flow", "scratch.flows:Flow", "moons", 4000,
                         "flows autoregressive", "Kingma et al. 2016", dict(flow="iaf", noise=0.05)),
    "linear-flow": Entry("Linear flow: L U, triangular, or mirrors and scales", "scratch.flows:Flow", "digits", 1000,
                         "flows", "Kingma, Dhariwal 2018; Tomczak, Welling 2016", dict(flow="lu")),
    "boltzmann":   Entry("Fully visible Boltzmann machine", "scratch.energies:Boltzmann", "patterns", 3000,
                         "energies", "Hinton, Sejnowski 1986", dict(learn="exact", lr=0.01, ema=0.0)),
    "rbm":         Entry("Restricted Boltzmann machine", "scratch.energies:RBM", "digits", 8000,
                         "energies", "Smolensky 1986; Hinton 2002; Tieleman 2008"),
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
    "gan-bits":    Entry("Adversarial network of finitely many codes, whose law on bits is known",
                         "scratch.gans:GAN", "patterns", 2000,
                         "gan divergences mixtures", "Goodfellow et al. 2014; Gulrajani et al. 2017",
                         dict(codes=32, objective="wasserstein", k=3, penalty=0.1, beta2=0.9, hidden=(64, 64))),
    "dcgan":       Entry("Convolutional adversarial network", "scratch.gans:GAN", "digits", 1600,
                         "gan evaluation", "Radford, Metz, Chintala 2016",
                         dict(net="conv", hidden=(64, 32), latent=64, activation="leaky", lr=4e-3, beta2=0.9, k=2,
                              batch_size=64, ema=0.995)),
    "ddpm":        Entry("Denoising diffusion with a U-Net", "scratch.diffusion:DDPM", "digits", 3000,
                         "diffusion evaluation", "Ho, Jain, Abbeel 2020; Nichol, Dhariwal 2021"),
    "ddpm-mlp":    Entry("Denoising diffusion of columns of numbers", "scratch.diffusion:DDPM", "moons", 3000,
                         "diffusion", "Ho, Jain, Abbeel 2020", dict(net="mlp", widths=(128, 128, 128))),
    "ncsn":        Entry("Noise-conditional score network with a U-Net", "scratch.diffusion:NCSN", "digits", 2500,
                         "scores evaluation", "Song, Ermon 2019, 2020; Vincent 2011"),
    "ncsn-mlp":    Entry("Noise-conditional score network of columns of numbers", "scratch.diffusion:NCSN", "islands",
                         3000,
                         "scores", "Song, Ermon 2019, 2020; Vincent 2011",
                         dict(net="mlp", widths=(128, 128, 128), smallest=0.02, T=10)),
    "ssm":         Entry("Sliced score matching at every noise level", "scratch.diffusion:NCSN", "islands", 3000,
                         "scores", "Song, Garg, Shi, Ermon 2019",
                         dict(objective="sliced-reduced", net="mlp", widths=(128, 128, 128), smallest=0.02, T=10,
                              lr=2e-3, ema=0.999)),
}
