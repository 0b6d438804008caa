"""Moves without dynamics in OpenMM: an ideal gas is Poisson, argon is what the Lennard-Jones loop and NIST say."""

import sys
from pathlib import Path

import numpy as np
import openmm
import pytest
from scipy.stats import poisson
from test_lennard_jones import ROWS, is_within

from solvshell.md.grand.averages import average, ratio
from solvshell.md.grand.conformers import Gas
from solvshell.md.grand.lennard_jones import lennard_jones
from solvshell.md.grand.pool import pool_system
from solvshell.md.grand.sampler import OpenSpecies, Sampler
from solvshell.md.grand.switching import INSTANTANEOUS
from solvshell.occupancy import Occupancy

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from argon import argon, exchanged

KELVIN, LENGTH = 300.0, 3.0


def chain_system() -> openmm.System:
    """Return one chain of four atoms with charges on its ends, which nothing but itself acts on."""
    system, bonds, angles = openmm.System(), openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    torsions, pairs = openmm.PeriodicTorsionForce(), openmm.NonbondedForce()
    for atom in range(4):
        system.addParticle(12.0)
        pairs.addParticle(0.0, 0.3, 0.0)
        if atom:
            bonds.addBond(atom - 1, atom, 0.15, 50_000.0)
    for first in (0, 1):
        angles.addAngle(first, first + 1, first + 2, 1.9, 200.0)
    torsions.addTorsion(0, 1, 2, 3, 3, 0.0, 3.0)
    pairs.addException(0, 3, -0.1, 0.3, 0.5)
    pairs.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    pairs.setCutoffDistance(1.0)
    for force in (bonds, angles, torsions, pairs):
        system.addForce(force)
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * LENGTH))
    return system


@pytest.mark.physics
def test_the_number_of_flexible_ideal_molecules_is_poisson():
    mean, room, n_batches, attempts = 3.0, 18, 200, 20
    plain, atoms = chain_system(), np.arange(4)
    start = np.array([[0, 0, 0], [0.14, 0.05, 0], [0.28, 0, 0.01], [0.42, 0.06, 0]])
    library = Gas(plain, atoms, start).library(KELVIN, 0.001, 400, seed=1)
    system, pool = pool_system(plain, {"C4": atoms[None]}, {"C4": room})
    integrator = openmm.LangevinMiddleIntegrator(KELVIN, 5.0, 0.001)
    integrator.setRandomNumberSeed(1)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatform("Reference"))
    context.setPositions(np.concatenate([start + np.array([0, 0, 0.1 * row]) for row in range(pool.n_atoms // 4)]))
    context.setVelocitiesToTemperature(KELVIN, 1)
    species = OpenSpecies("C4", mean / LENGTH**3, INSTANTANEOUS)
    occupancy = Occupancy({"C4": np.zeros(room, bool)})
    sampler = Sampler(context, pool, [species], {"C4": library}, KELVIN, occupancy, np.random.default_rng(1))
    numbers = np.empty((n_batches, attempts), int)
    for batch in numbers:
        for attempt in range(attempts):
            sampler.attempt()
            batch[attempt] = sampler.occupancy.count("C4")
        integrator.step(5)
    found = average(numbers.mean(axis=1))
    variance = average(((numbers - found.mean) ** 2).mean(axis=1))
    assert found.stderr < 0.06 * mean
    assert is_within(found, mean)
    assert is_within(variance, mean)
    exact = poisson.pmf(np.arange(8), mean)
    shares = [average((numbers == n).mean(axis=1)) for n in range(8)]
    scores = [(share.mean - p) / share.stderr for share, p in zip(shares, exact, strict=True)]
    assert np.mean(np.square(scores)) < 5


@pytest.mark.physics
def test_argon_in_openmm_is_the_gas_of_the_lennard_jones_loop():
    temperature, beta_mu, length = 1.5, -3.6, 6.1
    exact = lennard_jones(temperature=temperature, beta_mu=beta_mu, volume=length**3, n_moves=4_000_000)
    box = argon(temperature, beta_mu, length, room=40, n=8)
    exchanged(box, 30, 20, 10)
    rows, (tried, accepted) = exchanged(box, 500, 20, 10)
    n, squared, energy, pressure = rows.T
    found = average(n)
    assert found.stderr < 0.03 * exact.n.mean
    assert is_within(found, exact.n.mean)
    assert is_within(average(squared - 2 * found.mean * n + found.mean**2), exact.n_sd.mean**2)
    assert is_within(ratio(energy, n), exact.energy_per_particle.mean)
    assert is_within(average(pressure), exact.pressure.mean)
    assert accepted / tried == pytest.approx(exact.acceptance["insertion"], abs=0.02)


@pytest.mark.slow
@pytest.mark.physics
def test_argon_in_openmm_is_that_of_nist():
    """A gas: at beta mu = -2.4 it takes 12,000 moves until N is forgotten, which are those of the compiled loop."""
    box, expected = argon(1.5, -3.0, 8.0, room=90, n=35), ROWS[-3.0]
    exchanged(box, 240, 20, 10)
    rows, _ = exchanged(box, 2400, 20, 10)
    n, squared, energy, pressure = rows.T
    found = average(n)
    variance = average(squared - 2 * found.mean * n + found.mean**2)
    assert found.stderr < 0.03 * expected[0]
    assert is_within(found, expected[0])
    assert is_within(variance, expected[1] ** 2)
    assert is_within(ratio(energy, n), expected[2])
    assert is_within(average(pressure), expected[3])
