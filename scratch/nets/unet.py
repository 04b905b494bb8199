"""U-Net.   Ronneberger et al. 2015; Ho et al. 2020 (residual blocks that are told the step, attention where coarse)

    x    images [B, n..., C]          e    what the net is told of each [B, E]          y    [B, n..., M]
"""
from backends import xp
from scratch.nets.attention import attention
from scratch.nets.convolution import conv
from scratch.nets.linear import joined, linear, silu
from scratch.nets.normalisation import condition, norm


def residual(kernel, C, M, E, groups):
    """(init, apply), apply(params, x, e): two convolutions with normalisation and SiLU before each, and x added, where
    M is not C through a convolution of single points. e scales and shifts after the second normalisation. The second
    convolution is 0 at the start, where the block is what is added."""
    init, on = joined({"norm1": norm("group", C, groups), "conv1": conv(kernel, C, M),
                       "told": linear(E, 2 * M, gain=0),
                       "norm2": norm("group", M, groups), "conv2": conv(kernel, M, M, gain=0)}
                      | ({"skip": conv((1,) * len(kernel), C, M, bias=False)} if C != M else {}))

    def apply(params, x, e):
        f = on(params)
        h = f("conv1", silu(f("norm1", x)))
        a = f("told", e)
        h = condition(f("norm2", h), a[:, :M], a[:, M:])
        return f("conv2", silu(h)) + (f("skip", x) if C != M else x)
    return init, apply


def unet(C, M, E, widths=(16, 32, 32), axes=2, groups=4):
    """(init, apply), apply(params, x, e): residual blocks of widths[0] channels, then half as fine of widths[1], and so
    on, attention at the coarsest, and the same way back, where each block sees the one of its size on the way down too.
    y is 0 at the start. Raises ValueError for widths that make no sense, and where a side of x cannot be halved so
    often."""
    if not widths or any(width % groups for width in widths):
        raise ValueError(f"widths={widths}; expected one at least, and multiples of {groups}, the groups that are "
                         "normalised together.")
    kernel, point, depth = (3,) * axes, (2,) * axes, len(widths) - 1
    parts = {"in": conv(kernel, C, widths[0])}
    for i, (above, width) in enumerate(zip((widths[0], *widths), widths)):
        parts[f"down{i}"] = residual(kernel, above, width, E, groups)
        if i < depth:
            parts[f"halve{i}"] = conv(point, width, width, stride=2)
    parts |= {"attention": attention(widths[-1], groups=groups),
              "middle":    residual(kernel, widths[-1], widths[-1], E, groups)}
    for i, (below, width) in reversed(list(enumerate(zip((*widths[1:], widths[-1]), widths)))):
        if i < depth:
            parts[f"double{i}"] = conv(point, below, below, stride=2, transposed=True)
        parts[f"up{i}"] = residual(kernel, below + width, width, E, groups)
    parts |= {"norm": norm("group", widths[0], groups), "out": conv(kernel, widths[0], M, gain=0)}
    init, on = joined(parts)

    def apply(params, x, e):
        if any(n % 2**depth for n in x.shape[1:-1]):
            raise ValueError(f"x has sides of {x.shape[1:-1]} points; expected multiples of {2**depth}, which {depth} "
                             "halvings want: give fewer widths, or pad the images.")
        f, seen = on(params), []
        h, e = f("in", x), silu(e)
        for i in range(depth + 1):
            h = f(f"down{i}", h, e)
            seen.append(h)
            h = f(f"halve{i}", h) if i < depth else h
        h = f("middle", f("attention", h), e)
        for i in reversed(range(depth + 1)):
            h = f(f"double{i}", h) if i < depth else h
            h = f(f"up{i}", xp.concatenate([h, seen[i]], axis=-1), e)
        return f("out", silu(f("norm", h)))
    return init, apply
