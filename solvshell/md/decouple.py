"""Windows of lambdas: a neutral set of molecules, one of each species named, is decoupled from the rest and back."""

from collections.abc import Mapping, Sequence

import numpy as np
import openmm
from openmm import unit

from solvshell.box import Box
from solvshell.engine import UnstableSimulation
from solvshell.errors import InvalidInput
from solvshell.md.alchemy import Lambdas, alchemical_system, coupling_energies, lambda_parameters
from solvshell.stages import Decouple

#: e; what is left of charges that were rounded
_NEUTRAL = 1e-6


def charge_of(system: openmm.System, atoms: Sequence[int]) -> float:
    """Return the charge in e of some atoms in the model of a system."""
    forces = [force for force in system.getForces() if isinstance(force, openmm.NonbondedForce)]
    charges = (force.getParticleParameters(index)[0] for force in forces for index in atoms)
    return float(sum(charge.value_in_unit(unit.elementary_charge) for charge in charges))


def molecules_of(box: Box, stage: Decouple) -> list[list[int]]:
    """Return the atoms of the first molecule of each species of the set.

    Which one is the same in equilibrium, and the same in every start of a run.

    Raises
    ------
    InvalidInput
        If the box lacks a species of the set, it is a polymer, or the set is not neutral in the model of the box.
    """
    found = []
    for name in stage.molecules:
        entry = box.recipe.entries.get(name)
        if entry is None or entry.role == "polymer":
            known = ", ".join(key for key, other in box.recipe.entries.items() if other.role != "polymer")
            raise InvalidInput(f"stage {stage.name}: molecules: no {name} to decouple in this box ({known})")
        first = next(residue for residue in box.topology.residues() if residue.name == entry.residue)
        found.append([atom.index for atom in first.atoms()])
    net = sum(charge_of(box.system, atoms) for atoms in found)
    if abs(net) > _NEUTRAL:
        names = " + ".join(stage.molecules)
        raise InvalidInput(
            f"stage {stage.name}: molecules: together they must be neutral, {names} have {net:+.3f} e; take an ion pair"
        )
    return found


class Decoupling:
    """The lambdas of a stage on the molecules of a box."""

    def __init__(self, stage: Decouple, box: Box) -> None:
        self._molecules = molecules_of(box, stage)
        self._states = [Lambdas(charges, lennard_jones) for charges, lennard_jones in stage.states]
        self._visits = stage.visits

    @property
    def columns(self) -> Sequence[str]:
        """Volume, and the energy of every state above the decoupled one."""
        return ["volume_nm3", *(f"energy_{index}_kj_mol" for index in range(len(self._states)))]

    def system(self, plain: openmm.System) -> openmm.System:
        """Return a copy that the lambdas act on."""
        return alchemical_system(plain, self._molecules)

    def parameters(self, window: int, reached: float) -> Mapping[str, float]:
        """Return the lambdas of a window, as OpenMM knows them."""
        return lambda_parameters(self._states[self._visits[window]])

    def values(self, context: openmm.Context, window: int) -> Sequence[float]:
        """Return the volume in nm3 and the energies in kJ/mol now."""
        energies = coupling_energies(context, self._states)
        if not np.isfinite(energies).all():
            raise UnstableSimulation(f"the energy of a state is not finite in window {window}")
        volume = context.getState().getPeriodicBoxVolume().value_in_unit(unit.nanometer**3)
        return [volume, *energies]
