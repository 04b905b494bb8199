"""Energy-based models.   LeCun et al. 2006; Hinton 2002 (the contrast)   derivations: energies

    E        energy of a state, p(x) = e^-E(x) / Z, Z = sum_x e^-E(x)        [...]
    w        weights of the states that the model's side is a mean over      [n]

    grad -log p(x) = grad E(x) - E_p[grad E]
"""
from backends import xp
from scratch.autodiff import logsumexp, stop_gradient


def log_partition(E):
    """log Z in nats [] of the energies of all states [n].                               [energies.energies_called]"""
    return logsumexp(-E, axis=0)


def contrast(energy, x_data, x_model, w=None):
    """Mean E of the data minus mean E of the model's states, or their sum with weights w. Its gradient is that of the
    mean -log p where x_model are from p, or all states and w their probabilities; its value is no likelihood.
                                                                                         [energies.contrast_called]"""
    E_model = energy(stop_gradient(x_model))
    return xp.mean(energy(x_data)) - (xp.mean(E_model) if w is None else xp.sum(stop_gradient(w) * E_model))
