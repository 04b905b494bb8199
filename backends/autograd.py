"""HIPS autograd's numpy, with its own gradient behind ours: an independent oracle for every model's loss.

`vjp` here takes the place of our tape, and a primitive of ours runs as its `plain` composition, so nothing of
scratch.autodiff's rules is used. Only the names that differ from autograd.numpy's stand here.
"""
import contextlib

import autograd
import autograd.builtins
import autograd.numpy
import autograd.scipy.linalg
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
    """f takes and returns a list of arrays; the values of its outputs, and the map from their cotangents to the inputs'."""
    tuple_ = autograd.builtins.tuple
    pull, y = autograd.make_vjp(lambda xs: tuple_(tuple(f([xs[i] for i in range(len(leaves))]))))(tuple(leaves))
    return list(y), lambda g: list(pull(tuple(g)))


OWN = {"linalg.solve_triangular": autograd.scipy.linalg.solve_triangular,
       "linalg.eigvalsh": lambda a: autograd.numpy.linalg.eigh(a)[0],             # its eigvalsh has no gradient
       "philox": _numpy.philox}
