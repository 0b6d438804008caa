"""The molecular virial: an ideal gas, OpenMM's own, that of the Lennard-Jones loop; ghosts and slots count nothing."""

import copy
import sys
from pathlib import Path

import numpy as np
import openmm
import pytest
from slot_bench import OPEN, Bench, model
from small_boxes import liquid
from test_instantaneous_moves import KELVIN, chain_system
from test_lennard_jones import is_within

from solvshell.errors import WorkFailed
from solvshell.md.grand import lennard_jones_moves as moves
from solvshell.md.grand.averages import average
from solvshell.md.grand.pool import GHOST_GROUP, pool_system
from solvshell.md.grand.pressure import pressure_bar
from solvshell.units import BAR_PER_KJ_MOL_NM3, kT_kj_mol

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from argon import EPSILON, SIGMA, argon, argon_system, kelvin_of

REAL = ~(1 << GHOST_GROUP)


def molecules_of(topology: openmm.app.Topology) -> np.ndarray:
    return np.array([atom.residue.index for atom in topology.atoms()])


def state_of(context: openmm.Context) -> tuple[np.ndarray, ...]:
    state = context.getState(positions=True, velocities=True, energy=True)
    return (
        state.getPositions(asNumpy=True)._value.copy(),
        state.getVelocities(asNumpy=True)._value.copy(),
        np.array(state.getPeriodicBoxVectors(asNumpy=True)._value),
        np.array([state.getPotentialEnergy()._value, state.getTime()._value]),
    )


def test_an_ideal_gas_of_molecules_has_the_pressure_of_its_molecules():
    """However their bonds are strained: not that of their atoms, nor of the ghosts among them."""
    system, pool = pool_system(chain_system(), {"C4": np.arange(4)[None]}, {"C4": 7}, kT_kj_mol(KELVIN))
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    context.setPositions(np.random.default_rng(1).random((pool.n_atoms, 3)) * 3)
    context.setParameter("pool_n_ghosts", 5)
    molecule = np.arange(pool.n_atoms) // 4
    expected = 3 * kT_kj_mol(KELVIN) / 27 * BAR_PER_KJ_MOL_NM3
    assert pressure_bar(context, molecule, 3, KELVIN, groups=REAL) == pytest.approx(expected, rel=1e-6)
    # of all molecules, with the term that takes ghosts out, it is the same
    assert pressure_bar(context, molecule, 8, KELVIN) == pytest.approx(expected, rel=1e-4)
    assert expected == pytest.approx(4.602, abs=1e-3)  # 3 k_B T / 27 nm3, in bar


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_a_liquid_of_molecules_has_the_virial_that_openmm_computes(platform):
    """`MonteCarloBarostat.computeCurrentPressure`, at rest: with switch, tail and Ewald sums."""
    system = model(1e-6, sums="PME")
    barostat = openmm.MonteCarloBarostat(1.0, KELVIN, 0)
    system.addForce(barostat)
    # a time step of nothing: OpenMM takes the velocities half a step later
    context = openmm.Context(system, openmm.VerletIntegrator(1e-12), openmm.Platform.getPlatform(platform))
    context.setPositions(liquid().positions)
    context.setVelocities(np.zeros((system.getNumParticles(), 3)))
    expected = barostat.computeCurrentPressure(context)._value
    before = state_of(context)
    found = pressure_bar(context, molecules_of(liquid().topology), 0, KELVIN)
    assert abs(expected) > 20
    assert found == pytest.approx(expected, abs=0.05 if platform == "Reference" else 1.0)
    for now, then in zip(state_of(context), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_ghosts_and_slots_add_nothing():
    bench = Bench(model(1e-6))
    plain = openmm.Context(bench.plain, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    plain.setPositions(liquid().positions)
    molecule = molecules_of(liquid().topology)
    n = molecule.max() + 1
    expected = pressure_bar(plain, molecule, n, KELVIN)
    extra = np.zeros(bench.pool.n_atoms, int)
    extra[: len(molecule)] = molecule
    for number, atoms in enumerate([*(bench.pool.molecules[name][2] for name in OPEN), *bench.pool.slots.values()]):
        extra[atoms] = n + number
    assert pressure_bar(bench.context, extra, n, KELVIN, groups=REAL) == pytest.approx(expected, abs=0.02)
    bench.slots.set_present("EC", 0, False)
    assert abs(pressure_bar(bench.context, extra, n - 1, KELVIN, groups=REAL) - expected) > 1


def test_argon_has_the_virial_of_the_lennard_jones_loop():
    length, cutoff, n, temperature = 7.0, 3.0, 14, 1.5
    rng = np.random.default_rng(3)
    while True:  # particles whose distances are no overlaps, and not about the cutoff, where the energy jumps
        xyz = rng.random((3, n)) * length
        d = xyz[:, :, None] - xyz[:, None]
        r = np.linalg.norm(d - length * np.round(d / length), axis=0)[np.triu_indices(n, 1)]
        if r.min() > 0.95 and (np.abs(r - cutoff) > 0.01).all():
            break
    tail = 8 * np.pi / 3 * (cutoff**-9 / 3 - cutoff**-3)
    ideal = moves.Model(1 / temperature, 0.0, length, cutoff, 0.0, tail)
    particles = moves.Particles(xyz, np.array([n]), np.zeros(2), np.ones(1))
    virial = sum(moves.energy_at(particles, tuple(xyz[:, i]), i, ideal)[1] for i in range(n)) / 2
    expected = n * temperature / length**3 + virial / (3 * length**3) + tail * n**2 / length**6
    context = openmm.Context(
        argon_system(n, length), openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference")
    )
    context.setPositions(xyz.T * SIGMA)
    found = pressure_bar(context, np.arange(n), n, kelvin_of(temperature)) / BAR_PER_KJ_MOL_NM3
    assert found * SIGMA**3 / EPSILON == pytest.approx(expected, rel=1e-4)
    assert abs(virial) > 5


@pytest.mark.physics
def test_a_liquid_at_constant_pressure_has_that_pressure():
    system, n, temperature = argon_system(108, 5.6, cutoff=2.3), 108, kelvin_of(1.2)
    imposed = 400.0
    barostat = openmm.MonteCarloBarostat(imposed, temperature, 10)
    barostat.setRandomNumberSeed(1)
    system.addForce(barostat)
    integrator = openmm.LangevinMiddleIntegrator(temperature, 2.0, 0.01)
    integrator.setRandomNumberSeed(1)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatform("CPU"))
    lattice = np.stack(np.meshgrid(*[np.arange(5)] * 3), axis=-1).reshape(-1, 3)[:n]
    context.setPositions(lattice * 5.6 / 5 * SIGMA)
    context.setVelocitiesToTemperature(temperature, 1)
    integrator.step(4000)
    found = []
    for _ in range(1500):
        integrator.step(20)
        found.append(pressure_bar(context, np.arange(n), n, temperature))
    found = average(np.array(found))
    assert found.stderr < 15
    assert is_within(found, imposed)


def test_a_box_that_cannot_be_made_smaller_is_told_of():
    box = argon(1.5, -3.0, 6.0, room=5, n=2)
    vectors = copy.deepcopy(box.context.getState().getPeriodicBoxVectors(asNumpy=True)._value)
    with pytest.raises(WorkFailed, match="pressure: The periodic box size has decreased"):
        box.pressure()
    np.testing.assert_array_equal(box.context.getState().getPeriodicBoxVectors(asNumpy=True)._value, vectors)
