"""Networks as pairs: init(stream) -> params, and apply(params, x) -> y."""
from scratch.nets.linear import ACTIVATIONS, affine, linear, mlp, relu
