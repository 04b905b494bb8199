"""The models by name: what the command line trains, `scratch list` prints, and the tests of laws run over."""
import dataclasses
import importlib


@dataclasses.dataclass(frozen=True)
class Entry:
    title: str
    path:  str              # module:class
    data:  str              # what it learns unless told otherwise
    steps: int              # the most steps it takes unless told otherwise
    paper: str

    @property
    def model(self):
        """The model's class, a dataclass of its hyper-parameters."""
        module, name = self.path.split(":")
        return getattr(importlib.import_module(module), name)


#          title                             path                                 data      steps
#          paper
MODELS = {
    "gmm": Entry("Gaussian mixture, learned by EM", "scratch.mixtures:GaussianMixture", "digits", 200,
                 "Dempster, Laird, Rubin 1977"),
}
