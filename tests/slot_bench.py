"""The small liquid as a pool: what its slots and ghosts are compared with."""

import copy
from collections.abc import Sequence
from functools import cache

import numpy as np
import openmm
from openmm import unit
from small_boxes import liquid

from solvshell.engine import make_context
from solvshell.md.grand.pool import Pool, pool_system
from solvshell.md.grand.slots import FULL, OFF, Slots
from solvshell.occupancy import Occupancy

OPEN = ("DMC", "EC", "DOL")
#: the box is stretched until the molecules, whose own pairs have no cutoff in a pool, are shorter than the cutoff
SCALE, CUTOFF = 2.1, 1.0


def force_of(system: openmm.System, kind: type) -> openmm.Force:
    (found,) = [force for force in system.getForces() if isinstance(force, kind)]
    return found


def model(tolerance: float = 1e-3, switch: bool = True, tail: bool = True, sums: str = "PME") -> openmm.System:
    """Return the model of the liquid; where it is to be exact, Ewald sums take less time than PME."""
    system = copy.deepcopy(liquid().system)
    force = force_of(system, openmm.NonbondedForce)
    force.setNonbondedMethod(getattr(openmm.NonbondedForce, sums))
    force.setEwaldErrorTolerance(tolerance)
    force.setCutoffDistance(CUTOFF)
    force.setUseSwitchingFunction(switch)
    force.setSwitchingDistance(0.9 * CUTOFF)
    force.setUseDispersionCorrection(tail)
    system.setDefaultPeriodicBoxVectors(*(SCALE * liquid().box_vectors))
    return system


def rows() -> dict[str, np.ndarray]:
    """Return the atoms of the molecules of each open species."""
    found: dict[str, list[list[int]]] = {name: [] for name in OPEN}
    for residue in liquid().topology.residues():
        if residue.name in found:
            found[residue.name].append([atom.index for atom in residue.atoms()])
    return {name: np.array(of_one) for name, of_one in found.items()}


def context_of(system: openmm.System, positions: np.ndarray, platform: str = "Reference") -> openmm.Context:
    context = make_context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform(platform))
    context.setPositions(positions)
    return context


def energy(context: openmm.Context, groups: int = -1) -> float:
    state = context.getState(energy=True, groups=groups)
    return float(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))


def forces(context: openmm.Context) -> np.ndarray:
    return np.array(context.getState(forces=True).getForces(asNumpy=True)._value)


def both(context: openmm.Context) -> tuple[float, np.ndarray]:
    """Return energy and forces."""
    state = context.getState(energy=True, forces=True)
    return state.getPotentialEnergy()._value, np.array(state.getForces(asNumpy=True)._value)


def without(plain: openmm.System, gone: Sequence[int]) -> openmm.System:
    """Return a system in which some molecules have no terms at all."""
    system, lost = copy.deepcopy(plain), set(gone)
    for force in system.getForces():
        for name in ("Bond", "Angle", "Torsion"):
            for index in range(getattr(force, f"getNum{name}s", lambda: 0)()):
                values = getattr(force, f"get{name}Parameters")(index)
                if values[0] in lost:
                    getattr(force, f"set{name}Parameters")(index, *values[:-1], 0.0)
    nonbonded = force_of(system, openmm.NonbondedForce)
    for atom in lost:
        nonbonded.setParticleParameters(atom, 0.0, 0.3, 0.0)
    for index in range(nonbonded.getNumExceptions()):
        i, j, *_ = nonbonded.getExceptionParameters(index)
        if i in lost:
            nonbonded.setExceptionParameters(index, i, j, 0.0, 0.3, 0.0)
    return system


@cache
def context_of_one(atoms: tuple[int, ...]) -> openmm.Context:
    """Return a context of the plain model in which one molecule is alone in space."""
    system = without(liquid().system, sorted(set(range(len(liquid().positions))) - set(atoms)))
    force_of(system, openmm.NonbondedForce).setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
    return context_of(system, liquid().positions)


def alone(atoms: np.ndarray, positions: np.ndarray) -> float:
    """Return the energy of one molecule of the plain model by itself in space."""
    context = context_of_one(tuple(atoms.tolist()))
    everywhere = liquid().positions + 100.0
    everywhere[atoms] = positions
    context.setPositions(everywhere)
    return energy(context)


@cache
def plain_answer(switch: bool = True, sums: str = "Ewald") -> tuple[float, np.ndarray]:
    """Return energy and forces of the plain model, to compare with to 1e-4 kJ/mol."""
    return both(context_of(model(1e-7, switch, sums=sums), liquid().positions))


class Bench:
    """The small liquid of two molecules of each species, a ghost of each beside them, and the slots.

    Everything of one species has the conformer of its own: so that what stands in another's place would show.
    """

    def __init__(self, plain: openmm.System, platform: str = "Reference", n_ghosts: int = 1) -> None:
        self.plain, self.molecules = plain, rows()
        n_in_pool = {name: len(of_one) + n_ghosts for name, of_one in self.molecules.items()}
        self.system, self.pool = pool_system(plain, self.molecules, n_in_pool)
        self.positions = self._positions(self.pool)
        self.context = context_of(self.system, self.positions, platform)
        self.slots = Slots(self.context, self.pool, self.occupancy())

    def _positions(self, pool: Pool) -> np.ndarray:
        rng, known = np.random.default_rng(4), liquid().positions
        positions = np.zeros((pool.n_atoms, 3))
        positions[: len(known)] = known
        for name, molecules in pool.molecules.items():
            for atoms in [*molecules[2:], pool.slots[name]]:
                positions[atoms] = known[molecules[rng.integers(2)]] + rng.random(3)
        return positions

    def occupancy(self, **gone: int) -> Occupancy:
        """Return that all molecules of the liquid are there but one of some species."""
        present = {name: np.arange(len(molecules)) < 2 for name, molecules in self.pool.molecules.items()}
        for name, molecule in gone.items():
            present[name][molecule] = False
        return Occupancy(present)

    def own_energy_of_ghosts(self) -> float:
        """Return what ghosts and slots have by themselves, in vacuum."""
        total = 0.0
        for name, molecules in self.pool.molecules.items():
            ghosts = [atoms for j, atoms in enumerate(molecules) if not self.slots.occupancy.present[name][j]]
            for atoms in [*ghosts, self.pool.slots[name]]:
                total += alone(self.molecules[name][0], self.positions[atoms])
        return total

    def _exchange(self, name: str, molecule: int) -> None:
        pair = np.concatenate([self.pool.molecules[name][molecule], self.pool.slots[name]])
        self.positions[pair] = self.positions[np.roll(pair, len(pair) // 2)]
        self.context.setPositions(self.positions)

    def swap(self, name: str, molecule: int) -> None:
        """Let a molecule and the slot of its species change places; the molecule is a ghost then, the slot real."""
        self._exchange(name, molecule)
        self.slots.set_present(name, molecule, False)
        self.slots.couple(name, FULL)

    def swap_back(self, name: str, molecule: int) -> None:
        """Let them change places again."""
        self._exchange(name, molecule)
        self.slots.set_present(name, molecule, True)
        self.slots.couple(name, OFF)


def same_forces(
    bench: Bench, found: np.ndarray, name: str, molecule: int, expected: np.ndarray, atol: float = 1e-3
) -> None:
    """Compare with the forces of the plain model, the slot standing for a molecule."""
    of_plain = found[: len(expected)].copy()
    of_plain[bench.pool.molecules[name][molecule]] = found[bench.pool.slots[name]]
    np.testing.assert_allclose(of_plain, expected, atol=atol, rtol=1e-7)
