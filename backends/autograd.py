"""HIPS autograd's numpy, with its own gradient behind ours: an independent oracle for every model's loss.

`vjp` here takes the place of our tape, and a primitive of ours runs as its `plain` composition, so nothing of
scratch.autodiff's rules is used. Only the names that differ from autograd.numpy's stand here.
"""
import contextlib

import autograd
import autograd.builtins
import autograd.numpy
import autograd.scipy.special
from autograd.tracer import getval

from backends import find as _find
from backends import numpy as _numpy

name  = "autograd"
lifts = False               # values are traced by HIPS autograd, which needs no help
block = _numpy.block
records_draws = False

check, to_host, no_sync = _numpy.check, _numpy.to_host, contextlib.nullcontext

stop_gradient = getval


def find(path):
    if path in OWN:
        return OWN[path]
    return _find(path, autograd.numpy, autograd.scipy.special)


def vjp(f, leaves):
    """For f from a list of arrays to another: the outputs, and the map from their cotangents to those of the inputs."""
    tuple_ = autograd.builtins.tuple
    pull, y = autograd.make_vjp(lambda xs: tuple_(tuple(f([xs[i] for i in range(len(leaves))]))))(tuple(leaves))
    return list(y), lambda g: list(pull(tuple(g)))


def solve_triangular(a, b, lower=False, trans=0):
    """As a system like any other: autograd's own has no gradient for stacks."""
    a = autograd.numpy.tril(a) if lower else autograd.numpy.triu(a)
    return autograd.numpy.linalg.solve(autograd.numpy.swapaxes(a, -1, -2) if trans else a, b)


OWN = {"linalg.solve_triangular": solve_triangular,
       "linalg.eigvalsh": lambda a: autograd.numpy.linalg.eigh(a)[0],             # its eigvalsh has no gradient
       "philox": _numpy.philox}
