"""How good samples are, without a likelihood: distances, modes, neighbours, a classifier's eyes; how far images are
from those they should be; the bias and the error of a figure; ways to spoil images; ways between codes."""
import functools

from scratch.data.checks import door
from scratch.metrics import codes, fidelity, jackknife, judgement, manifolds, samples
from scratch.metrics.classifier import Classifier, Eyes, eyes
from scratch.metrics.distortions import DISTORTIONS
from scratch.metrics.features import FEATURES
from scratch.metrics.judgement import modes_of
from scratch.metrics.measures import BRIEF, MEASURES, as_levels, pixels

_door = functools.partial(door, lists=True)
frechet_distance, kernel_distance, mode_shares, nearest, copying, judge = map(_door, (
    samples.frechet_distance, samples.kernel_distance, samples.mode_shares, samples.nearest, samples.copying,
    judgement.judge))
manifold_figures, precision, recall, density, coverage = map(_door, (
    manifolds.manifold_figures, manifolds.precision, manifolds.recall, manifolds.density, manifolds.coverage))
mse, ssim = map(_door, (fidelity.mse, fidelity.ssim))
psnr, inception_score = _door(fidelity.psnr, check=fidelity.within), _door(samples.inception_score, check=samples.laws)
lerp, slerp, arithmetic = map(_door, (codes.lerp, codes.slerp, codes.arithmetic))
jackknife = _door(jackknife.jackknife)
