"""How good samples are, without a likelihood: distances, modes, neighbours, a classifier's eyes; how far images are
from those they should be; the bias and the error of a figure; ways to spoil images; ways between codes."""
from scratch.data.checks import door
from scratch.metrics import codes, fidelity, judgement, manifolds, samples
from scratch.metrics.classifier import Classifier, Eyes, eyes
from scratch.metrics.distortions import DISTORTIONS
from scratch.metrics.features import FEATURES
from scratch.metrics.jackknife import jackknife
from scratch.metrics.judgement import modes_of
from scratch.metrics.measures import BRIEF, MEASURES, as_levels, as_many, pixels

frechet_distance, kernel_distance, inception_score, mode_shares, nearest, copying, judge = map(door, (
    samples.frechet_distance, samples.kernel_distance, samples.inception_score, samples.mode_shares, samples.nearest,
    samples.copying, judgement.judge))
manifold_figures, precision, recall, density, coverage = map(door, (
    manifolds.manifold_figures, manifolds.precision, manifolds.recall, manifolds.density, manifolds.coverage))
mse, psnr, ssim = map(door, (fidelity.mse, fidelity.psnr, fidelity.ssim))
lerp, slerp, arithmetic = map(door, (codes.lerp, codes.slerp, codes.arithmetic))
