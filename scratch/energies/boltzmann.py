"""Boltzmann machines.   Hinton and Sejnowski 1986; Smolensky 1986 (restricted)   derivations: energies

    x, v     bits, visible                    [..., D]        h        bits, hidden                    [..., H]
    W        couplings    [D, D], restricted: [D, H]          b, c     biases, visible and hidden      [D], [H]
    u        uniforms, one a bit to be drawn

    fully visible    E(x)    = -x'Wx / 2 - b'x, of W's symmetric part without its diagonal
    restricted       E(v, h) = -v'Wh - b'v - c'h
"""
from backends import backend, xp
from scratch.autodiff import sigmoid, softplus
from scratch.energies.ebm import log_partition

MOST = 20                                   # units that are enumerated


def states(n):
    """All rows of n bits, int64 [2^n, n], in the order of the numbers that they write.    [energies.states_called]"""
    return bits(xp.arange(1 << n), n)


def bits(i, n):
    """The rows [..., n] of the numbers i [...].                                            [energies.states_called]"""
    return i[..., None] >> xp.arange(n)[::-1] & 1


def listed(energy, W):
    """The energies of all states of W's first layer [2^n], of the numbers that write them, in blocks. Raises ValueError
    for more than 20 units.                                                                [energies.log_z_called]"""
    n, m = W.shape
    if n > MOST:
        raise ValueError(f"log Z of {n} units is a sum over 2^{n} states; expected at most {MOST} units: estimate it "
                         "by annealed importance sampling.")
    step = max(1, 4 * backend().block // (n + m))
    return xp.concatenate([energy(xp.astype(bits(xp.arange(i, min(i + step, 1 << n)), n), W.dtype))
                           for i in range(0, 1 << n, step)])


# ---- fully visible ---------------------------------------------------------------------------------------------------
def couplings(W):
    """(W + W') / 2 without its diagonal [D, D].                                        [energies.couplings_called]"""
    return (W + W.T) / 2 * (1 - xp.eye(W.shape[0], dtype=W.dtype))


def boltzmann_energy(x, W, b):
    """E(x) [...].                                                                      [energies.boltzmann_called]"""
    return -xp.sum(x @ couplings(W) * x, axis=-1) / 2 - x @ b


def boltzmann_logits(x, W, b):
    """Of P(x_i = 1 | the others), for all i at once [..., D].                        [energies.conditional_called]"""
    return x @ couplings(W) + b


def boltzmann_gibbs(x, u, W, b):
    """One sweep: each bit in turn, given the others as they are by then [..., D].          [energies.sweep_called]"""
    C, column = couplings(W), xp.arange(W.shape[0])
    for i in range(W.shape[0]):
        on = u[..., i] < sigmoid(x @ C[:, i] + b[i])
        x  = xp.where(column == i, on[..., None], x)
    return xp.astype(x, W.dtype)


def boltzmann_log_z(W, b):
    """log Z in nats [] by enumeration. Raises as `listed` does.                         [energies.partition_called]"""
    return log_partition(listed(lambda x: boltzmann_energy(x, W, b), W))


# ---- restricted ------------------------------------------------------------------------------------------------------
def joint_energy(v, h, W, b, c):
    """E(v, h) [...].                                                                       [energies.joint_called]"""
    return -xp.sum(v @ W * h, axis=-1) - v @ b - h @ c


def free_energy(v, W, b, c):
    """F(v) = -log sum_h e^-E(v, h) [...], in nats; of the hidden bits it is free_energy(h, W.T, c, b).
                                                                                             [energies.free_called]"""
    return -v @ b - xp.sum(softplus(hidden_logits(v, W, c)), axis=-1)


def hidden_logits(v, W, c):
    """Of P(h_j = 1 | v) [..., H].                                                         [energies.hidden_called]"""
    return v @ W + c


def visible_logits(h, W, b):
    """Of P(v_i = 1 | h) [..., D].                                                        [energies.visible_called]"""
    return h @ W.T + b


def gibbs(v, u_h, u_v, W, b, c):
    """One sweep: all of h given v, all of v given h [..., D].                              [energies.gibbs_called]"""
    h = xp.astype(u_h < sigmoid(hidden_logits(v, W, c)), W.dtype)
    return xp.astype(u_v < sigmoid(visible_logits(h, W, b)), W.dtype)


def log_z(W, b, c):
    """log Z in nats []: the larger layer is summed out, the smaller one enumerated. Raises as `listed` does.
                                                                                           [energies.log_z_called]"""
    if W.shape[0] > W.shape[1]:
        W, b, c = W.T, c, b
    return log_partition(listed(lambda v: free_energy(v, W, b, c), W))
