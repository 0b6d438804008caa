"""One configuration after the other, with the nonbonded energy and forces by several cutoffs or PME tolerances."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from solvshell.box import Box

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """How the nonbonded energy is computed: nm, and the tolerance of PME; `has_charges` false leaves Coulomb out."""

    cutoff: float = 1.0
    switch: float | None = 0.9
    tolerance: float = 5e-4
    has_tail: bool = True
    has_charges: bool = True
    platform: str = "Reference"

    def system(self, box: Box) -> openmm.System:
        """Return a System of a box with the nonbonded force alone."""
        (force,) = (force for force in box.system.getForces() if isinstance(force, openmm.NonbondedForce))
        force = openmm.XmlSerializer.clone(force)
        force.setCutoffDistance(self.cutoff)
        force.setUseSwitchingFunction(self.switch is not None)
        force.setSwitchingDistance(self.switch or self.cutoff)
        force.setEwaldErrorTolerance(self.tolerance)
        force.setUseDispersionCorrection(self.has_tail)
        if not self.has_charges:
            _discharge(force)
        system = openmm.System()
        system.setDefaultPeriodicBoxVectors(*box.system.getDefaultPeriodicBoxVectors())  # decide on the grid of PME
        for i in range(box.n_atoms):
            system.addParticle(box.system.getParticleMass(i))
        system.addForce(force)
        return system


def _discharge(force: openmm.NonbondedForce) -> None:
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    for i in range(force.getNumParticles()):
        _, sigma, epsilon = force.getParticleParameters(i)
        force.setParticleParameters(i, 0.0, sigma, epsilon)
    for i in range(force.getNumExceptions()):
        one, other, _, sigma, epsilon = force.getExceptionParameters(i)
        force.setExceptionParameters(i, one, other, 0.0, sigma, epsilon)


@dataclass(frozen=True)
class Computed:
    """Energies in kJ/mol, (n_frames,), and forces in kJ/mol/nm, (n_frames, n_atoms, 3)."""

    energies: Floats
    forces: Floats


def _whole(positions: Floats, first: NDArray[np.int_], edges: Floats) -> Floats:
    """Return positions with every atom at the image nearest to the first atom of its molecule."""
    from_first = positions - positions[first]
    return positions - edges * np.round(from_first / edges)


def frames(box: Box, topology: Path, trajectory: Path, wanted: slice) -> Iterator[tuple[Floats, Floats]]:
    """Yield the edges and positions in nm, molecules whole, of frames of a trajectory in an orthorhombic cell."""
    first = np.zeros(box.n_atoms, dtype=int)
    for atoms in (sorted(atom.index for atom in residue.atoms()) for residue in box.topology.residues()):
        first[atoms] = atoms[0]
    for frame in mda.Universe(str(topology), str(trajectory)).trajectory[wanted]:
        edges = frame.dimensions[:3].astype(float) / 10
        yield edges, _whole(frame.positions.astype(float) / 10, first, edges)


def compute(box: Box, setting: Setting, configurations: list[tuple[Floats, Floats]]) -> Computed:
    """Return nonbonded energies and forces of configurations of a box."""
    platform = openmm.Platform.getPlatformByName(setting.platform)
    context = openmm.Context(setting.system(box), openmm.VerletIntegrator(0.001), platform)
    energies, forces = [], []
    for edges, positions in configurations:
        context.setPeriodicBoxVectors(*np.diag(edges))
        context.setPositions(positions)
        state = context.getState(energy=True, forces=True)
        energies.append(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
        forces.append(state.getForces(asNumpy=True)._value)
    return Computed(np.array(energies), np.array(forces))
