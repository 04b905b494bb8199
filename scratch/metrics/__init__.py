"""How good samples are, without a likelihood: distances, modes, neighbours, a classifier's eyes; ways between codes."""
from scratch.data.checks import door
from scratch.metrics import codes, judgement, samples
from scratch.metrics.classifier import Classifier, Eyes, eyes
from scratch.metrics.judgement import modes_of, pixels

frechet_distance, coverage, nearest, copying, judge = map(door, (
    samples.frechet_distance, samples.coverage, samples.nearest, samples.copying, judgement.judge))
lerp, slerp, arithmetic = map(door, (codes.lerp, codes.slerp, codes.arithmetic))
