"""What there is of a context without its ghosts: energies, temperature, mass, pressure, and a frame for the files."""

from collections.abc import Mapping

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from solvshell.box import Box
from solvshell.engine import Snapshot, UnstableSimulation, is_network
from solvshell.md.dynamics import bonds_of, joined_by
from solvshell.md.grand.conformers import Gas
from solvshell.md.grand.pool import GHOST_GROUP, Pool
from solvshell.md.grand.pool_box import molecules_of
from solvshell.md.grand.pressure import pressure_bar
from solvshell.occupancy import Occupancy
from solvshell.units import BOLTZMANN_KJ_MOL_K

#: all but the one that takes ghosts out of the barostat, whose energy is none of the molecules'
_GROUPS = set(range(32)) - {GHOST_GROUP}


def _constraints_of(system: openmm.System) -> NDArray[np.int64]:
    pairs = [system.getConstraintParameters(index)[:2] for index in range(system.getNumConstraints())]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _moved_together(system: openmm.System, pool: Pool) -> NDArray[np.int64]:
    """Return the number of the group of each atom that a change of volume moves as one: molecules.

    A network, which has no molecules, is taken apart into what is rigid in it.
    """
    pairs = [_constraints_of(system) if is_network(system) else bonds_of(system)]
    for species, rows in pool.molecules.items():
        whole = np.vstack([rows, pool.slots[species]])
        pairs += [np.stack([whole[:, 0], whole[:, atom]], axis=1) for atom in range(1, whole.shape[1])]
    return joined_by(np.concatenate(pairs), pool.n_atoms)


class RealPart:
    """Looks at the molecules in a context that are there.

    Parameters
    ----------
    context : openmm.Context
        Of a `pool_system`, whose slots are off.
    pool : Pool
    gases : mapping of str to Gas
        By open species: what a ghost does to itself.
    sampled : Box
        Whose atoms are those of the trajectory.
    n_atoms_of_box : int
        So many of these, the first, are the first of the context too.
    temperature : float
        In K.
    """

    def __init__(
        self,
        context: openmm.Context,
        pool: Pool,
        gases: Mapping[str, Gas],
        sampled: Box,
        n_atoms_of_box: int,
        temperature: float,
    ) -> None:
        self._context, self._pool, self._gases, self._temperature = context, pool, gases, temperature
        self._in_files = {name: molecules_of(sampled, name) for name in pool.molecules}
        self._n_in_files, self._n_of_box = sampled.n_atoms, n_atoms_of_box
        system = context.getSystem()
        self._masses = np.array([system.getParticleMass(atom)._value for atom in range(pool.n_atoms)])
        first = _constraints_of(system)[:, 0]
        self._degrees = 3.0 * (self._masses > 0) - np.bincount(first, minlength=pool.n_atoms)
        self._group = _moved_together(system, pool)

    def _ghosts(self, occupancy: Occupancy) -> dict[str, NDArray[np.int64]]:
        """Return the atoms of idle molecules and slots, shape (n_ghosts, n_atoms_of_one), by species."""
        return {
            species: np.vstack([self._pool.molecules[species][~mask], self._pool.slots[species]])
            for species, mask in occupancy.present.items()
        }

    def _is_real(self, occupancy: Occupancy) -> NDArray[np.bool_]:
        is_real = np.ones(self._pool.n_atoms, bool)
        for rows in self._ghosts(occupancy).values():
            is_real[rows] = False
        return is_real

    def mass(self, occupancy: Occupancy) -> float:
        """Return the mass in dalton."""
        return float(self._masses[self._is_real(occupancy)].sum())

    def _frame(self, positions: NDArray[np.float64], occupancy: Occupancy) -> NDArray[np.float64]:
        """Return the positions of the atoms of the trajectory; of molecules that are not there, the origin."""
        frame = np.zeros((self._n_in_files, 3))
        frame[: self._n_of_box] = positions[: self._n_of_box]
        for species, mask in occupancy.present.items():
            rows = self._in_files[species][: len(mask)]
            frame[rows] = np.where(mask[:, None, None], positions[self._pool.molecules[species]], 0.0)
        return frame

    def snapshot(self, occupancy: Occupancy) -> Snapshot:
        """Return the present instant, with the positions of the trajectory.

        What ghosts do to themselves is in the energy of the context at full strength, and is taken out.

        Raises
        ------
        UnstableSimulation
            If an energy is not finite.
        """
        state = self._context.getState(
            positions=True, velocities=True, energy=True, enforcePeriodicBox=True, groups=_GROUPS
        )
        positions, velocities = (
            values._value for values in (state.getPositions(asNumpy=True), state.getVelocities(asNumpy=True))
        )
        is_real, ghosts = self._is_real(occupancy), self._ghosts(occupancy)
        potential = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
        potential -= sum(
            self._gases[species].energy(positions[row]) for species, rows in ghosts.items() for row in rows
        )
        kinetic = float((self._masses[:, None] * velocities**2)[is_real].sum() / 2)
        if not np.isfinite(potential + kinetic) or not np.isfinite(positions).all():
            raise UnstableSimulation(f"the energy is {potential} + {kinetic} kJ/mol")
        degrees = max(float(self._degrees[is_real].sum()), 1.0)
        return Snapshot(
            positions=self._frame(positions, occupancy),
            box_vectors=np.asarray(state.getPeriodicBoxVectors(asNumpy=True)._value),
            potential_kj_mol=potential,
            kinetic_kj_mol=kinetic,
            temperature=2 * kinetic / (degrees * BOLTZMANN_KJ_MOL_K),
        )

    def pressure_bar(self, occupancy: Occupancy) -> float:
        """Return the pressure at this instant in bar."""
        n_ghosts = sum(len(rows) for rows in self._ghosts(occupancy).values())
        n_molecules = int(self._group.max()) + 1 - n_ghosts
        bits = sum(1 << group for group in _GROUPS)
        return pressure_bar(self._context, self._group, n_molecules, self._temperature, bits)
