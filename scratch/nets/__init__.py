"""Networks as pairs: init(stream) -> params, and apply(params, x) -> y."""
from scratch.nets.attention import attend, attention, multihead, sagan
from scratch.nets.convolution import conv
from scratch.nets.embedding import dropout, embedding, sinusoidal
from scratch.nets.linear import ACTIVATIONS, affine, in_turn, joined, leaky_relu, linear, mlp, relu, silu
from scratch.nets.masked import masked_mlp
from scratch.nets.normalisation import SHARING, batch_norm, condition, norm, running
from scratch.nets.unet import residual, unet
