"""Convolutions, channels last.   LeCun et al. 1989; Dumoulin and Visin 2016 (the arithmetic)

    x        input [B, n..., C], with an n for each axis of the kernel
    W, b     kernel [k..., C, M] and biases [M]
    y        output [B, n / stride..., M]; of a transposed one, its adjoint in x, [B, n stride..., M]
"""
import math

from backends import xp
from scratch import autodiff
from scratch.data.checks import check_memory


def conv(kernel, C, M, stride=1, dilation=1, causal=False, gain=1, bias=True, transposed=False):
    """(init, apply) of a convolution of C channels into M: init(stream) draws W with deviation gain / sqrt(what a point
    of y is a sum of), b = 0, in float32.

    kernel, stride and dilation have an entry for each axis; one number for stride or dilation is for all. Zeros around
    x make y n / stride points long (rounded down), so kernels are no shorter than the stride; before x alone where
    causal. Raises ValueError for a kernel that is shorter, or does not fit into memory.
    """
    S = len(kernel)
    stride, dilation = (v if hasattr(v, "__len__") else (v,) * S for v in (stride, dilation))
    spare = [d * (k - 1) + 1 - s for k, s, d in zip(kernel, stride, dilation)]
    if min(spare) < 0:
        raise ValueError(f"A kernel of {kernel} with stride {stride} would leave points out; expected one that reaches "
                         "as far as the stride at least.")
    how    = stride, dilation, tuple((n, 0) if causal else (n // 2, n - n // 2) for n in spare)
    shape  = (*kernel, M, C) if transposed else (*kernel, C, M)
    terms  = math.prod(kernel) * C / (math.prod(stride) if transposed else 1)
    check_memory(20 * math.prod(shape), f"A kernel of {' x '.join(map(str, shape))}", "choose a smaller one")

    def init(stream):
        params = {"W": stream("W").normal(shape) * (gain / math.sqrt(terms))}
        return params | {"b": xp.zeros(M, dtype="float32")} if bias else params

    def apply(params, x):
        if transposed:
            y = autodiff.conv_transpose(x, params["W"], how, tuple(n * s for n, s in zip(x.shape[1:], stride)))
        else:
            y = autodiff.conv(x, params["W"], how)
        if not bias:
            return y
        return y + params["b"]
    return init, apply
