"""Ways between codes, for pictures.   Shoemake 1985; White 2016   derivations: evaluation

    z0, z1    codes of a generator                                    [..., Z]
    t         how far from z0 to z1                                   [], or [..., 1]
"""
import math

from backends import xp


def lerp(z0, z1, t):
    """(1 - t) z0 + t z1, the straight way: z0 and z1 themselves at its ends.            [evaluation.straight_called]"""
    return (1 - t) * z0 + t * z1


def slerp(z0, z1, t):
    """(sin (1 - t) omega z0 + sin t omega z1) / sin omega, omega the angle between them: along the great circle, where
    |z0| = |z1|, as normal codes of many dimensions nearly have it. z0 and z1 themselves at its ends, neither of which
    may be 0, nor the other's opposite.                                                   [evaluation.circle_called]
    """
    u0, u1 = (z / xp.linalg.norm(z, axis=-1, keepdims=True) for z in (z0, z1))
    chords = (xp.linalg.norm(d, axis=-1, keepdims=True) for d in (u0 - u1, u0 + u1))
    omega  = 2 * xp.arctan2(*chords) / math.pi                                  # in units of pi; good near 0 too
    w0, w1 = (s * xp.sinc(s * omega) / xp.sinc(omega) for s in (1 - t, t))
    return w0 * z0 + w1 * z1


def arithmetic(a, b, c):
    """a - b + c: what a has and b has not, given to c.                                [evaluation.arithmetic_called]"""
    return a - b + c
