"""The excess chemical potential of the Lennard-Jones fluid at T* = 1.5, by the code that decouples ion pairs."""

import numpy as np
import openmm
import pytest
from openmm import unit

from solvshell.free_energy.states import LEAST_OVERLAP, independent, solve
from solvshell.md.alchemy import Lambdas, alchemical_system, coupling_energies, lambda_parameters
from solvshell.units import BOLTZMANN_KJ_MOL_K

# NIST Standard Reference Simulation Website, Lennard-Jones fluid, transition-matrix Monte Carlo, cut at 3 sigma with
# tail correction: at T* = 1.5 and beta mu = -1.568214 a cell of 512 sigma^3 holds 310.418 atoms, with a standard
# deviation of 9.074 (asserted so by the tests of FEASST, github.com/usnistgov/feasst). With ln P(N) parabolic near its
# top, ln P(311) - ln P(310) = -(310.5 - 310.418) / 9.074^2, from which what the 311th atom costs follows.
BETA_MU, MEAN, DEVIATION, VOLUME = -1.568214, 310.418, 9.074, 512.0
N = 311
EXPECTED = BETA_MU + (N - 0.5 - MEAN) / DEVIATION**2 - np.log(N / VOLUME)

SIGMA, EPSILON = 0.34, 119.8 * BOLTZMANN_KJ_MOL_K
SIDE = SIGMA * VOLUME ** (1 / 3)
TEMPERATURE = 1.5 * EPSILON / BOLTZMANN_KJ_MOL_K


def argon() -> openmm.System:
    system, force = openmm.System(), openmm.NonbondedForce()
    system.setDefaultPeriodicBoxVectors(*(SIDE * np.eye(3)))
    for _ in range(N):
        system.addParticle(39.9)
        force.addParticle(0.0, SIGMA, EPSILON)
    force.setNonbondedMethod(openmm.NonbondedForce.PME)
    force.setCutoffDistance(3 * SIGMA)
    force.setUseDispersionCorrection(True)
    system.addForce(force)
    return system


@pytest.mark.slow
@pytest.mark.physics
def test_one_more_atom_costs_what_the_reference_says() -> None:
    """beta mu_ex = -1.069 at rho* = 0.607; -0.25 of it is the tail, which CustomVolumeForce switches."""
    states = [Lambdas(1.0, value) for value in (1.0, 0.6, 0.3, 0.1, 0.0)]
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, 1.0, 0.02)
    integrator.setRandomNumberSeed(1)
    platform = openmm.Platform.getPlatform("CPU")
    context = openmm.Context(alchemical_system(argon(), [[0]]), integrator, platform)
    grid = np.stack(np.meshgrid(*[(np.arange(7) + 0.5) * SIDE / 7] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    context.setPositions(np.random.default_rng(1).permutation(grid)[:N])
    openmm.LocalEnergyMinimizer.minimize(context, 10.0, 50)
    context.setVelocitiesToTemperature(TEMPERATURE, 1)
    integrator.step(2500)
    samples = []
    for state in states:
        for name, value in lambda_parameters(state).items():
            context.setParameter(name, value)
        integrator.step(500)
        rows = []
        for _ in range(2000):
            integrator.step(20)
            rows.append(coupling_energies(context, states) / (1.5 * EPSILON))
        samples.append(np.array(rows))
    found = solve(independent(samples))
    assert found.overlap.min() > LEAST_OVERLAP
    assert found.stderr[-1, 0] < 0.08
    assert found.free_energy[-1, 0] == pytest.approx(EXPECTED, abs=3 * found.stderr[-1, 0])
    assert context.getState().getPeriodicBoxVolume().value_in_unit(unit.nanometer**3) == pytest.approx(SIDE**3)
