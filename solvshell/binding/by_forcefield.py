"""Clusters under the force field of their box, in vacuum and without cutoff."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import openmm

from solvshell.binding.clusters import Cluster
from solvshell.binding.methods import CUT_POLYMER, FIXED, GAS, RELAXED, Asked, Members, PartEnergy, part_energies
from solvshell.binding.vacuum import rescaled_charges, vacuum_system
from solvshell.engine import UnstableSimulation, choose_platform, make_context, minimize
from solvshell.quantum import Array

#: Root mean square force that is asked of a minimum, and that is taken for one, in kJ/mol/nm: 1 is 1e-4 kJ/mol or less.
_TOLERANCE, _STILL_A_MINIMUM = 0.1, 1.0
#: OpenMM's minimizer gives up where a step does not lower the energy; from there it starts again so many times.
_STARTS = 10


@dataclass(frozen=True)
class ForceField:
    """The parameters of the box, with its scaled charges of ions or with full ones.

    Gas phase only: scaled charges hold electronic screening already, and full ones have no continuum of their own.
    """

    full_charges: bool

    @property
    def name(self) -> str:  # noqa: D102
        return "ff_full" if self.full_charges else "ff_scaled"

    @property
    def phases(self) -> tuple[str, ...]:  # noqa: D102
        return (GAS,)

    def described(self, charge_scales: Collection[float]) -> str:  # noqa: D102
        scale = "1" if self.full_charges else " or ".join(f"{scale:g}" for scale in sorted(charge_scales))
        return f"the parameters of the box in vacuum without cutoff, charges of ions x {scale}"

    def refuses(self, cluster: Cluster) -> str | None:  # noqa: D102
        return None if cluster.is_whole else CUT_POLYMER

    def jobs(self, parts: Sequence[Members]) -> list[list[Members]]:  # noqa: D102
        return [list(parts)]

    def energies(self, cluster: Cluster, parts: Sequence[Members], asked: Asked) -> list[PartEnergy]:  # noqa: D102
        system = self.system(cluster)
        return [energy for part in parts for energy in _of_part(cluster, system, part, asked)]

    def system(self, cluster: Cluster) -> openmm.System:
        """Return the System of a cluster without cutoff."""
        assert cluster.system is not None
        if not self.full_charges or cluster.charge_scale == 1:
            return cluster.system
        ions = [i for i, charge in enumerate(cluster.charges) if charge]
        return rescaled_charges(cluster.system, cluster.atoms(ions), 1 / cluster.charge_scale)


def _energy(context: openmm.Context) -> float:
    return float(context.getState(energy=True).getPotentialEnergy()._value)


def _minimum(context: openmm.Context) -> Array | None:
    """Return the positions of the minimum downhill in Å, None if it is not found."""
    for _ in range(_STARTS):
        try:
            minimize(context, _TOLERANCE)
        except UnstableSimulation:
            return None
        state = context.getState(positions=True, forces=True)
        if np.sqrt(np.mean(state.getForces(asNumpy=True)._value ** 2)) <= _STILL_A_MINIMUM:
            return np.asarray(10 * state.getPositions(asNumpy=True)._value)
    return None


def _of_part(cluster: Cluster, system: openmm.System, members: Members, asked: Asked) -> list[PartEnergy]:
    atoms = cluster.atoms(members)
    part = vacuum_system(system, atoms)
    context = make_context(part, openmm.VerletIntegrator(0.001), choose_platform("Reference"))
    context.setPositions(cluster.positions[atoms] / 10)
    energies, positions = {FIXED: _energy(context)}, {FIXED: cluster.positions[atoms]}
    if asked.relax:
        minimum = _minimum(context)
        energies[RELAXED] = _energy(context)
        return list(part_energies(members, positions | {RELAXED: minimum}, (GAS,), lambda _, g: energies[g]))
    return list(part_energies(members, positions, (GAS,), lambda _, geometry: energies[geometry]))
