"""Small fluids that molecules come to and go from, with exact answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import openmm
from scipy.special import i0

from solvshell.engine import make_context
from solvshell.md.grand.conformers import Library
from solvshell.md.grand.pool import pool_system
from solvshell.md.grand.regions import Region, WholeBox
from solvshell.md.grand.sampler import OpenSpecies, Sampler
from solvshell.md.grand.switching import Schedule
from solvshell.occupancy import Occupancy
from solvshell.units import kT_kj_mol

TEMPERATURE = 300.0
KT = kT_kj_mol(TEMPERATURE)


@dataclass(frozen=True)
class Kind:
    """An atom, or two with the masses given: rigid where `length` (nm) has no `spring` (kJ/mol/nm2)."""

    sigma: float
    epsilon: float
    masses: tuple[float, ...] = (4.0,)
    length: float = 0.2
    spring: float | None = None

    @property
    def lengths(self) -> tuple[np.ndarray, np.ndarray]:
        """Lengths in the gas, and how likely they are: r^2 exp(-beta k (r - b)^2 / 2)."""
        if self.spring is None:
            return np.array([self.length]), np.ones(1)
        r = np.linspace(0.5, 1.5, 2001) * self.length
        weights = r**2 * np.exp(-self.spring / KT * (r - self.length) ** 2 / 2)
        return r, weights / weights.sum()

    def gas(self, rng: np.random.Generator, n: int = 2000) -> Library:
        """Return exact conformers."""
        if len(self.masses) == 1:
            return Library(np.zeros((1, 1, 3)))
        r, weights = self.lengths
        ends = rng.choice(r, size=n, p=weights)[:, None, None] / 2 * np.array([[[-1.0, 0, 0], [1, 0, 0]]])
        return Library(ends)

    def mean_boltzmann_factor(self, height: float, length: float) -> float:
        """Return the mean of exp(-beta u) of a molecule anywhere, in u = height cos(2 pi x / length) on each atom."""
        if len(self.masses) == 1:
            return float(i0(height / KT))
        r, weights = self.lengths
        u = (np.arange(400) + 0.5) / 400  # cosine of the angle to the axis
        arm = np.cos(np.pi * r[:, None] * u / length)  # half of the two atoms' phase difference
        return float(weights @ i0(2 * height / KT * arm).mean(axis=1))


def cosine(height: float, length: float) -> str:
    """Return a field that has the period of the cell."""
    return f"{height}*cos({2 * np.pi / length}*x)"


def _add(system: openmm.System, kind: Kind) -> list[int]:
    nonbonded, bonds = (system.getForce(index) for index in range(2))
    atoms = [system.addParticle(mass) for mass in kind.masses]
    for _ in atoms:
        nonbonded.addParticle(0.0, kind.sigma, kind.epsilon)
    if len(atoms) == 2:
        nonbonded.addException(*atoms, 0.0, 1.0, 0.0)
        if kind.spring is None:
            system.addConstraint(*atoms, kind.length)
        else:
            bonds.addBond(*atoms, kind.length, kind.spring)
    return atoms


def plain_fluid(
    kinds: Mapping[str, Kind],
    length: float,
    cutoff: float,
    *,
    tail: bool = False,
    field: str | None = None,
    closed: Sequence[Kind] = (),
) -> tuple[openmm.System, dict[str, np.ndarray]]:
    """Return a system without charges of one molecule of each kind in a cube, and their atoms; `closed` come first."""
    system, nonbonded = openmm.System(), openmm.NonbondedForce()
    system.setDefaultPeriodicBoxVectors(*(length * np.eye(3)))
    nonbonded.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    nonbonded.setCutoffDistance(cutoff)
    nonbonded.setUseDispersionCorrection(tail)
    system.addForce(nonbonded)
    system.addForce(openmm.HarmonicBondForce())
    for kind in closed:
        _add(system, kind)
    molecules = {name: np.array([_add(system, kind)]) for name, kind in kinds.items()}
    if field is not None:
        external = openmm.CustomExternalForce(field)
        for atoms in molecules.values():
            for atom in atoms.ravel().tolist():
                external.addParticle(atom)
        system.addForce(external)
    return system, molecules


def open_fluid(
    kinds: Mapping[str, Kind],
    activities: Mapping[str, float],
    schedule: Schedule,
    *,
    room: int,
    length: float,
    cutoff: float,
    seed: int,
    timestep: float = 0.004,
    tail: bool = False,
    field: str | None = None,
    closed: Sequence[Kind] = (),
    region: Region | None = None,
    pressure: float | None = None,
    scales_molecules: bool = True,
    platform: str = "Reference",
) -> tuple[openmm.Context, Sampler]:
    """Return a context in which nothing is there yet but what is closed, and what makes moves in it."""
    plain, molecules = plain_fluid(kinds, length, cutoff, tail=tail, field=field, closed=closed)
    kT = None if pressure is None else KT
    system, pool = pool_system(plain, molecules, dict.fromkeys(kinds, room), kT_of_barostat=kT)
    if pressure is not None:
        barostat = openmm.MonteCarloBarostat(pressure, TEMPERATURE, 1)
        barostat.setRandomNumberSeed(seed)
        barostat.setScaleMoleculesAsRigid(scales_molecules)
        system.addForce(barostat)
    rng = np.random.default_rng(seed)
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, 1.0, timestep)
    integrator.setRandomNumberSeed(seed)
    integrator.setConstraintTolerance(1e-7)
    context = make_context(system, integrator, openmm.Platform.getPlatform(platform))
    positions, libraries = rng.random((pool.n_atoms, 3)) * length, {}
    for name, kind in kinds.items():
        libraries[name] = kind.gas(rng)
        for atoms in [*pool.molecules[name], pool.slots[name]]:
            positions[atoms] = rng.random(3) * length + libraries[name].draw(rng)
    context.setPositions(positions)
    context.setVelocitiesToTemperature(0.0)
    nothing = Occupancy({name: np.zeros(len(rows), bool) for name, rows in pool.molecules.items()})
    species = [OpenSpecies(name, activities[name], schedule, region or WholeBox()) for name in kinds]
    return context, Sampler(context, pool, species, libraries, TEMPERATURE, nothing, rng)
