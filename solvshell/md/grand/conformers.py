"""The reference gas of a species: conformers of one isolated molecule, drawn from exp(-beta u), for insertions.

u is all that a molecule does to itself: its bonded terms and every pair of its own atoms, at full strength and without
a cutoff. Masses and constraints are those of the liquid: they decide which conformers dynamics with rigid bonds has.
"""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm
from numpy.typing import NDArray

from solvshell.engine import UnstableSimulation, advance
from solvshell.errors import InvalidInput
from solvshell.files import write_atomically
from solvshell.md.grand.isolated import copies, rotors, terms_of
from solvshell.units import check_seed, kT_kj_mol

Array = NDArray[np.float64]

#: molecules that move side by side; a member of the library is taken from each, in turn
_WALKERS = 200
#: ps of dynamics between two rounds of hops, and rounds before the first member is taken
_SEGMENT, _ROUNDS_BEFORE = 0.5, 20
#: tries to turn about each rotatable bond in a round
_TRIES = 3
_FRICTION = 2.0


def _centered(positions: Array) -> Array:
    return np.asarray(positions - positions.mean(axis=-2, keepdims=True))


def random_rotation(generator: np.random.Generator) -> Array:
    """Return a rotation matrix (3, 3), all rotations equally likely: that of a random unit quaternion."""
    quaternion = generator.normal(size=4)
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


@dataclass(frozen=True)
class Library:
    """Conformers, each with the mean of its atoms at the origin, shape (n, n_atoms, 3), nm."""

    positions: Array

    def draw(self, generator: np.random.Generator) -> Array:
        """Return one of them, turned at random, shape (n_atoms, 3)."""
        member = self.positions[generator.integers(len(self.positions))]
        return np.asarray(member @ random_rotation(generator).T)

    @property
    def sha256(self) -> str:
        """The hash of its content."""
        shape = str(self.positions.shape).encode()
        return hashlib.sha256(shape + np.ascontiguousarray(self.positions, "<f8").tobytes()).hexdigest()

    def save(self, path: Path) -> None:
        """Write it with its hash as .npz."""
        buffer = io.BytesIO()
        np.savez(buffer, positions=self.positions, sha256=np.array(self.sha256))
        write_atomically(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Library":
        """Return the library of a file.

        Raises
        ------
        InvalidInput
            If it cannot be read, or is not what was written.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                library, seal = cls(file["positions"]), str(file["sha256"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InvalidInput(f"{path}: not a library of conformers ({error})") from None
        if library.sha256 != seal:
            raise InvalidInput(f"{path}: its content is not what was written")
        return library


def _turned(positions: Array, rotor: tuple[int, int, list[int]], angle: float) -> Array:
    """Return positions, shape (n_atoms, 3), with the atoms behind a bond turned about it (Rodrigues' formula)."""
    fixed, end, moving = rotor
    axis = positions[end] - positions[fixed]
    axis = axis / np.linalg.norm(axis)
    arms = positions[moving] - positions[end]
    along = np.outer(arms @ axis, axis)
    turned = positions.copy()
    turned[moving] = positions[end] + along + np.cos(angle) * (arms - along) + np.sin(angle) * np.cross(axis, arms)
    return turned


class Gas:
    """One molecule of a system, alone in space.

    Parameters
    ----------
    system : openmm.System
        With the constraints and masses of the dynamics that the library is for.
    atoms : sequence of int
        Of the molecule.
    positions : ndarray, shape (n_atoms, 3), nm
        Of these atoms, the molecule in one piece: any reasonable conformer, whose handedness is kept.

    Raises
    ------
    InvalidInput
        If the system has a kind of force that is neither bonded nor a `NonbondedForce`.
    """

    def __init__(self, system: openmm.System, atoms: Sequence[int], positions: Array) -> None:
        self._terms = terms_of(system, atoms)
        self._context = self._context_of(copies(self._terms, 1), openmm.VerletIntegrator(0.001))
        self._context.setPositions(positions)
        self._context.applyConstraints(1e-8)
        self._start = self._positions(self._context)

    @staticmethod
    def _context_of(system: openmm.System, integrator: openmm.Integrator) -> openmm.Context:
        integrator.setConstraintTolerance(1e-8)
        # Repeats exactly, and bonded terms are no faster elsewhere.
        return openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))

    def _positions(self, context: openmm.Context) -> Array:
        positions = context.getState(positions=True).getPositions(asNumpy=True)._value
        return np.asarray(positions).reshape(-1, len(self._terms.masses), 3)

    @property
    def is_rigid(self) -> bool:
        """Whether its constraints leave it nothing but to move and turn."""
        n_atoms = len(self._terms.masses)
        internal = max(3 * n_atoms - 6, 0) if n_atoms != 2 else 1
        return len(self._terms.constraints) >= internal

    def energy(self, positions: Array) -> float:
        """Return the energy in kJ/mol of what the molecule does to itself, of positions (n_atoms, 3) in nm."""
        self._context.setPositions(positions)
        return float(self._context.getState(energy=True).getPotentialEnergy()._value)

    def _hop(self, positions: Array, kt: float, generator: np.random.Generator) -> Array:
        """Return a conformer after tries to turn about each of its bonds (Metropolis).

        All angles are equally likely, there and back. A turn changes torsions and distances beyond them, but no bond
        and no angle. The density of dynamics with rigid bonds has a factor beside exp(-beta u), the square root of a
        determinant of masses and of the angles between rigid bonds that share an atom (Fixman, Proc. Natl. Acad. Sci.
        71, 3050 (1974)): that stays as it is, and drops out of the ratio.
        """
        energy = self.energy(positions)
        for rotor in rotors(self._terms) * _TRIES:
            tried = _turned(positions, rotor, generator.uniform(-np.pi, np.pi))
            tried_energy = self.energy(tried)
            if np.log(1 - generator.random()) < (energy - tried_energy) / kt:
                positions, energy = tried, tried_energy
        return positions

    def library(self, temperature: float, timestep: float, n: int, seed: int) -> Library:
        """Return conformers of the gas.

        Many molecules at once take turns of Langevin dynamics (LangevinMiddle, with new velocities each time) and of
        hops over the barriers of torsions that dynamics does not cross, such as that of an ester. A rigid molecule has
        one conformer.

        Parameters
        ----------
        temperature, timestep : float
            K and ps, of the dynamics that it is for.
        n, seed : int
            How many conformers; where the random numbers begin.

        Raises
        ------
        UnstableSimulation
            If its atoms fly apart.
        """
        if self.is_rigid:
            return Library(_centered(self._start))
        generator, kt = np.random.default_rng(check_seed(seed)), kT_kj_mol(temperature)
        n_walkers = min(n, _WALKERS)
        integrator = openmm.LangevinMiddleIntegrator(temperature, _FRICTION, timestep)
        integrator.setRandomNumberSeed(int(generator.integers(1, 2**31)))
        context = self._context_of(copies(self._terms, n_walkers), integrator)
        walkers = np.repeat(self._start, n_walkers, axis=0)
        n_rounds = _ROUNDS_BEFORE + -(-n // n_walkers)
        taken = []
        for index in range(n_rounds):
            context.setPositions(walkers.reshape(-1, 3))
            context.setVelocitiesToTemperature(temperature, int(generator.integers(1, 2**31)))
            advance(context, max(1, round(_SEGMENT / timestep)))
            moved = self._positions(context)
            if not np.isfinite(moved).all():
                raise UnstableSimulation("the molecule of the reference gas flies apart: take a shorter time step")
            walkers = np.stack([self._hop(walker, kt, generator) for walker in moved])
            if index >= _ROUNDS_BEFORE:
                taken.append(_centered(walkers))
        return Library(np.concatenate(taken)[:n])
