"""OpenMM's nonbonded energy of a box in which some atoms do not interact."""

import copy

import numpy as np
import openmm
from openmm import unit

from solvshell.analysis.energies.model import nonbonded_of
from solvshell.engine import precision_of

LENNARD_JONES, COULOMB = "lennard_jones", "coulomb"
TERMS = (LENNARD_JONES, COULOMB)


def _switched(force: openmm.NonbondedForce, gone: np.ndarray, term: str) -> openmm.NonbondedForce:
    """Return a copy that has one term, and neither for the atoms that are gone, shape (n_atoms,)."""
    force = copy.deepcopy(force)
    of_charge, of_epsilon = float(term == COULOMB), float(term == LENNARD_JONES)
    for i in range(force.getNumParticles()):
        charge, sigma, epsilon = force.getParticleParameters(i)
        on = float(not gone[i])
        force.setParticleParameters(i, charge * (on * of_charge), sigma, epsilon * (on * of_epsilon))
    for k in range(force.getNumExceptions()):
        i, j, charges, sigma, epsilon = force.getExceptionParameters(k)
        on = float(not (gone[i] or gone[j]))
        force.setExceptionParameters(k, i, j, charges * (on * of_charge), sigma, epsilon * (on * of_epsilon))
    return force


def energy_without(
    original: openmm.System, positions: np.ndarray, vectors: np.ndarray, gone: np.ndarray, term: str, platform: str
) -> float:
    """Return one term of the nonbonded energy in kJ/mol, with the charges and epsilons of some atoms at 0.

    Parameters
    ----------
    positions, vectors
        Of all atoms, molecules whole, shape (n_atoms, 3), and of the cell, shape (3, 3), in Å.
    gone
        Shape (n_atoms,).
    """
    system = openmm.System()
    for _ in range(original.getNumParticles()):
        system.addParticle(1.0)
    system.addForce(_switched(nonbonded_of(original), gone, term))
    chosen = openmm.Platform.getPlatform(platform)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), chosen, precision_of(chosen))
    context.setPeriodicBoxVectors(*(vectors / 10))
    context.setPositions(positions / 10)
    return float(context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
