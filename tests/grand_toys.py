"""Small fluids that molecules of come and go, with exact answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import openmm

from solvshell.md.grand.conformers import Library
from solvshell.md.grand.pool import pool_system
from solvshell.md.grand.regions import Region, WholeBox
from solvshell.md.grand.sampler import OpenSpecies, Sampler
from solvshell.md.grand.switching import Schedule
from solvshell.occupancy import Occupancy
from solvshell.units import kT_kj_mol

TEMPERATURE = 300.0
KT = kT_kj_mol(TEMPERATURE)
TIMESTEP = 0.004


@dataclass(frozen=True)
class Kind:
    """Molecules of some atoms of one sort, joined to a chain by springs whose lengths are `bonds`."""

    sigma: float
    epsilon: float
    n_atoms: int = 1
    mass: float = 40.0
    bond: float = 0.15

    def gas(self, n: int, rng: np.random.Generator) -> Library:
        """Return exact conformers: one atom, or two whose distance has the density r^2 exp(-beta k (r - b)^2 / 2)."""
        if self.n_atoms == 1:
            return Library(np.zeros((1, 1, 3)))
        r = np.linspace(0, 2 * self.bond, 4001)
        weights = r**2 * np.exp(-SPRING / KT * (r - self.bond) ** 2 / 2)
        drawn = np.interp(rng.random(n), np.cumsum(weights) / weights.sum(), r)
        return Library(np.array([[[-d / 2, 0, 0], [d / 2, 0, 0]] for d in drawn]))


#: kJ/mol/nm2
SPRING = 5e4


def plain_fluid(
    kinds: Mapping[str, Kind],
    counts: Mapping[str, int],
    length: float,
    cutoff: float,
    tail: bool = False,
    field: str | None = None,
    closed: Sequence[Kind] = (),
) -> tuple[openmm.System, dict[str, np.ndarray]]:
    """Return a system without charges of some molecules in a cube, and the atoms of each; `closed` atoms come first."""
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(length * np.eye(3)))
    nonbonded, bonds = openmm.NonbondedForce(), openmm.HarmonicBondForce()
    nonbonded.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    nonbonded.setCutoffDistance(cutoff)
    nonbonded.setUseDispersionCorrection(tail)
    molecules: dict[str, list[list[int]]] = {name: [] for name in kinds}

    def add(kind: Kind) -> list[int]:
        atoms = []
        for _ in range(kind.n_atoms):
            atoms.append(system.addParticle(kind.mass))
            nonbonded.addParticle(0.0, kind.sigma, kind.epsilon)
        for i, j in pairwise(atoms):
            bonds.addBond(i, j, kind.bond, SPRING)
            nonbonded.addException(i, j, 0.0, 1.0, 0.0)
        return atoms

    for kind in closed:
        add(kind)
    for name, kind in kinds.items():
        molecules[name] = [add(kind) for _ in range(counts[name])]
    system.addForce(nonbonded)
    if bonds.getNumBonds():
        system.addForce(bonds)
    if field is not None:
        external = openmm.CustomExternalForce(field)
        for rows in molecules.values():
            for atom in np.ravel(rows):
                external.addParticle(int(atom))
        system.addForce(external)
    return system, {name: np.array(rows) for name, rows in molecules.items()}


def open_fluid(
    kinds: Mapping[str, Kind],
    activities: Mapping[str, float],
    schedule: Schedule,
    room: int,
    length: float,
    cutoff: float,
    *,
    seed: int,
    tail: bool = False,
    field: str | None = None,
    closed: Sequence[Kind] = (),
    closed_positions: np.ndarray | None = None,
    region: Region | None = None,
    platform: str = "Reference",
) -> tuple[openmm.Context, Sampler]:
    """Return a context in which nothing is there yet but what is closed, and what makes moves in it."""
    plain, molecules = plain_fluid(kinds, dict.fromkeys(kinds, 1), length, cutoff, tail, field, closed)
    system, pool = pool_system(plain, molecules, dict.fromkeys(kinds, room))
    rng = np.random.default_rng(seed)
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, 5.0, TIMESTEP)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatform(platform))
    positions = rng.random((pool.n_atoms, 3)) * length
    for name, kind in kinds.items():
        for atoms in [*pool.molecules[name], pool.slots[name]]:
            positions[atoms] = rng.random(3) * length + kind.gas(1, rng).draw(rng)
    if closed_positions is not None:
        positions[: len(closed)] = closed_positions
    context.setPositions(positions)
    nothing = Occupancy({name: np.zeros(len(rows), bool) for name, rows in pool.molecules.items()})
    species = [OpenSpecies(name, activities[name], schedule, region or WholeBox()) for name in kinds]
    libraries = {name: kind.gas(2000, rng) for name, kind in kinds.items()}
    return context, Sampler(context, pool, species, libraries, TEMPERATURE, nothing, rng)
