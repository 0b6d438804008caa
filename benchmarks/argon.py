"""Lennard-Jones particles as an OpenMM system: argon, which comes and goes by instantaneous moves."""

from dataclasses import dataclass

import numpy as np
import openmm
from numpy.typing import NDArray

from solvshell.md.grand.conformers import Library
from solvshell.md.grand.pool import GHOST_GROUP, Pool, pool_system
from solvshell.md.grand.pressure import pressure_bar
from solvshell.md.grand.sampler import OpenSpecies, Sampler
from solvshell.md.grand.switching import INSTANTANEOUS, Schedule
from solvshell.occupancy import Occupancy
from solvshell.units import BAR_PER_KJ_MOL_NM3, BOLTZMANN_KJ_MOL_K

#: nm, kJ/mol, dalton
SIGMA, EPSILON, MASS = 0.34, 0.996, 39.948
#: ps; 0.005 sigma sqrt(m / epsilon)
TIMESTEP = 0.01


@dataclass(frozen=True)
class Argon:
    """A box with its sampler. Temperatures, lengths and so on are reduced."""

    temperature: float
    context: openmm.Context
    pool: Pool
    sampler: Sampler

    @property
    def kelvin(self) -> float:
        """The temperature in K."""
        return kelvin_of(self.temperature)

    @property
    def n(self) -> int:
        """Particles that are there."""
        return self.sampler.occupancy.count("Ar")

    def energy(self) -> float:
        """Return the energy now, reduced."""
        groups = ~(1 << GHOST_GROUP)
        return self.context.getState(energy=True, groups=groups).getPotentialEnergy()._value / EPSILON

    def pressure(self) -> float:
        """Return the pressure now, reduced."""
        every = np.arange(self.pool.n_atoms)
        bar = pressure_bar(self.context, every, self.n, self.kelvin, groups=~(1 << GHOST_GROUP))
        return bar / BAR_PER_KJ_MOL_NM3 * SIGMA**3 / EPSILON


def kelvin_of(temperature: float) -> float:
    """Return a reduced temperature in K."""
    return temperature * EPSILON / BOLTZMANN_KJ_MOL_K


def argon_system(n: int, length: float, cutoff: float = 3.0) -> openmm.System:
    """Return a system of particles in a cubic box, with plain cutoff and dispersion tail; lengths are in sigma."""
    system, force = openmm.System(), openmm.NonbondedForce()
    for _ in range(n):
        system.addParticle(MASS)
        force.addParticle(0.0, SIGMA, EPSILON)
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(cutoff * SIGMA)
    force.setUseDispersionCorrection(True)
    system.addForce(force)
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * length * SIGMA))
    return system


def argon(
    temperature: float, beta_mu: float, length: float, room: int, *, n: int = 0, schedule: Schedule = INSTANTANEOUS,
    seed: int = 1, platform: str = "CPU",
) -> Argon:  # fmt: skip
    """Return a box with `n` particles on a lattice, at random velocities, and room for `room`; reduced units."""
    plain = argon_system(1, length)
    system, pool = pool_system(plain, {"Ar": np.array([[0]])}, {"Ar": room}, EPSILON * temperature)
    integrator = openmm.LangevinMiddleIntegrator(kelvin_of(temperature), 1.0, TIMESTEP)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatform(platform))
    side = int(np.ceil(pool.n_atoms ** (1 / 3)))
    lattice = np.stack(np.meshgrid(*[np.arange(side)] * 3), axis=-1).reshape(-1, 3)[: pool.n_atoms]
    context.setPositions((lattice + 0.5) / side * length * SIGMA)
    opened = OpenSpecies("Ar", float(np.exp(beta_mu)) / SIGMA**3, schedule)
    sampler = Sampler(
        context,
        pool,
        [opened],
        {"Ar": Library(np.zeros((1, 1, 3)))},
        kelvin_of(temperature),
        Occupancy({"Ar": np.arange(room) < n}),
        np.random.default_rng(seed),
    )
    context.setVelocitiesToTemperature(kelvin_of(temperature), seed)
    return Argon(temperature, context, pool, sampler)


def exchanged(box: Argon, n_batches: int, attempts: int, steps: int) -> tuple[NDArray[np.float64], list[int]]:
    """Return N, its square, energy and pressure of each batch, shape (n_batches, 4), and moves tried and accepted.

    N is a mean over the moves of a batch; energy and pressure are those at its end, after some steps of dynamics.
    """
    rows, tried, accepted = np.empty((n_batches, 4)), 0, 0
    for row in rows:
        numbers = []
        for _ in range(attempts):
            accepted += box.sampler.attempt().accepted
            numbers.append(box.n)
        tried += attempts
        box.context.getIntegrator().step(steps)
        row[:] = np.mean(numbers), np.mean(np.square(numbers)), box.energy(), box.pressure()
    return rows, [tried, accepted]
