"""Energies: laws that are known up to a constant, the partition function."""
from scratch.data.checks import door
from scratch.energies import ais as annealed, boltzmann, ebm, langevin
from scratch.energies.boltzmann import states
from scratch.energies.models import LEARN, RBM, Boltzmann

log_partition, contrast = map(door, (ebm.log_partition, ebm.contrast))
boltzmann_energy, boltzmann_logits, boltzmann_gibbs, boltzmann_log_z = map(door, (
    boltzmann.boltzmann_energy, boltzmann.boltzmann_logits, boltzmann.boltzmann_gibbs, boltzmann.boltzmann_log_z))
joint_energy, free_energy, hidden_logits, visible_logits, gibbs, log_z = map(door, (
    boltzmann.joint_energy, boltzmann.free_energy, boltzmann.hidden_logits, boltzmann.visible_logits, boltzmann.gibbs,
    boltzmann.log_z))
log_mean_and_error = door(annealed.log_mean_and_error)
ula_step, mala_step = map(door, (langevin.ula_step, langevin.mala_step))
