import copy
from pathlib import Path

import numpy as np
import openmm
import pytest
import small_boxes

from solvshell.box import Box
from solvshell.engine import advance, choose_platform, degrees_of_freedom, make_context
from solvshell.errors import InvalidInput
from solvshell.md.dynamics import scaled_to, set_temperature, stage_integrator, stage_system
from solvshell.protocol import Protocol, load_protocol
from solvshell.stages import Dynamics
from solvshell.units import kT_kj_mol


@pytest.fixture(scope="module")
def box(box_path: Path) -> Box:
    return Box.load(box_path)


def _stage(protocol: Protocol, **changes: object) -> Dynamics:
    return protocol.production.model_copy(update=changes)


def test_the_plain_model_is_left_alone(box: Box) -> None:
    before = openmm.XmlSerializer.serialize(box.system)
    protocol = load_protocol("demo")
    stage_system(box.system, protocol, protocol.production, seed=1)
    assert openmm.XmlSerializer.serialize(box.system) == before


def test_repartitioning_keeps_the_mass_of_each_molecule(box: Box) -> None:
    protocol = load_protocol("demo")
    system = stage_system(box.system, protocol, protocol.production, seed=1)
    for residue in box.topology.residues():
        indices = [atom.index for atom in residue.atoms()]
        before = sum(box.system.getParticleMass(i)._value for i in indices)
        assert sum(system.getParticleMass(i)._value for i in indices) == pytest.approx(before)
    hydrogens = [atom.index for atom in box.topology.atoms() if atom.element.symbol == "H"]
    assert {system.getParticleMass(i)._value for i in hydrogens} == {3.0}


def test_every_bond_to_hydrogen_is_rigid_and_no_other(box: Box) -> None:
    protocol = load_protocol("demo")
    system = stage_system(box.system, protocol, protocol.production, seed=1)
    wanted = {
        frozenset((bond[0].index, bond[1].index))
        for bond in box.topology.bonds()
        if "H" in (bond[0].element.symbol, bond[1].element.symbol)
    }
    rigid = {frozenset(system.getConstraintParameters(i)[:2]) for i in range(system.getNumConstraints())}
    assert rigid == wanted


def test_the_barostat_is_there_at_constant_pressure_only(box: Box) -> None:
    protocol = load_protocol("demo")
    npt = stage_system(box.system, protocol, _stage(protocol, pressure=1.0), seed=1)
    nvt = stage_system(box.system, protocol, _stage(protocol, pressure=None), seed=1)
    kinds = [[type(force).__name__ for force in system.getForces()] for system in (npt, nvt)]
    assert ["MonteCarloBarostat" in names for names in kinds] == [True, False]


def barostat_of(system: openmm.System) -> openmm.MonteCarloBarostat:
    (barostat,) = (force for force in system.getForces() if isinstance(force, openmm.MonteCarloBarostat))
    return barostat


def flexible(**changes: object) -> Protocol:
    """Return the demo protocol without constraints and with real masses."""
    return load_protocol("demo").model_copy(update={"constraints": "none", "hydrogen_mass": None} | changes)


def as_network(system: openmm.System) -> openmm.System:
    network = copy.deepcopy(system)
    for force in network.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.setExceptionsUsePeriodicBoundaryConditions(True)
        else:
            force.setUsesPeriodicBoundaryConditions(True)
    return network


def test_the_barostat_scales_the_atoms_of_a_network_and_else_whole_molecules(box: Box) -> None:
    protocol = flexible()
    stage = _stage(protocol, pressure=1.0)
    assert barostat_of(stage_system(box.system, protocol, stage, seed=1)).getScaleMoleculesAsRigid()
    assert not barostat_of(stage_system(as_network(box.system), protocol, stage, seed=1)).getScaleMoleculesAsRigid()


def test_rigid_bonds_in_a_network_are_refused_at_constant_pressure_only(box: Box) -> None:
    protocol, network = load_protocol("demo"), as_network(box.system)
    assert protocol.constraints == "h_bonds"
    with pytest.raises(
        InvalidInput, match=r"^constraints: h_bonds is not possible at constant pressure with a periodic"
    ):
        stage_system(network, protocol, _stage(protocol, pressure=1.0), seed=1)
    stages = [stage.model_copy(update={"pressure": None}) for stage in protocol.stages if isinstance(stage, Dynamics)]
    closed = protocol.model_copy(update={"stages": stages})
    assert stage_system(network, closed, closed.production, seed=1).getNumConstraints() > 0


def test_the_protocol_of_networks_runs_one_at_constant_pressure(box: Box) -> None:
    protocol = load_protocol("network")
    stages = [stage for stage in protocol.stages if isinstance(stage, Dynamics) and stage.pressure is not None]
    assert stages
    for stage in stages:
        assert stage_system(as_network(box.system), protocol, stage, seed=1).getNumConstraints() == 0


def test_too_heavy_hydrogens_are_refused(box: Box) -> None:
    protocol = load_protocol("demo").model_copy(update={"hydrogen_mass": 4.0})
    with pytest.raises(InvalidInput, match="hydrogen_mass"):
        stage_system(box.system, protocol, protocol.production, seed=1)


def volumes(context: openmm.Context, n_samples: int, every: int) -> np.ndarray:
    found = []
    for _ in range(n_samples):
        advance(context, every)
        found.append(context.getState().getPeriodicBoxVolume()._value)
    return np.array(found)


def mean_and_error(samples: np.ndarray, n_blocks: int = 20) -> tuple[float, float]:
    blocks = samples.reshape(n_blocks, -1).mean(axis=1)
    return float(blocks.mean()), float(blocks.std(ddof=1) / np.sqrt(n_blocks))


def lattice_in_solvent(n: int = 3, spacing: float = 0.56) -> tuple[openmm.System, np.ndarray]:
    """Return n x n x n particles, each bonded to six neighbors across the periodic boundary, and n^3 solvent ones."""
    system, bonds, nonbonded = openmm.System(), openmm.HarmonicBondForce(), openmm.NonbondedForce()
    system.setDefaultPeriodicBoxVectors(*(n * spacing * np.eye(3)))
    bonds.setUsesPeriodicBoundaryConditions(True)
    nonbonded.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    nonbonded.setCutoffDistance(0.6)
    nonbonded.setUseDispersionCorrection(False)
    nonbonded.setExceptionsUsePeriodicBoundaryConditions(True)
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    for _ in range(2 * len(grid)):
        system.addParticle(40.0)
        nonbonded.addParticle(0, 0.34, 0.8)
    index = {tuple(site): i for i, site in enumerate(grid.tolist())}
    for site, i in index.items():
        for step in np.eye(3, dtype=int):
            j = index[tuple(((np.array(site) + step) % n).tolist())]
            bonds.addBond(i, j, 0.55, 600.0)
            nonbonded.addException(i, j, 0, 0.1, 0)
    system.addForce(bonds)
    system.addForce(nonbonded)
    return system, np.concatenate([grid, grid + 0.5]) * spacing


@pytest.mark.physics
def test_both_scalings_bring_a_flexible_network_to_the_same_volume() -> None:
    """The Jacobian is V^54 for atoms and V^28 for molecules; mixed up, the volume would be off by about 5 %."""
    plain, positions = lattice_in_solvent()
    protocol = flexible(timestep=0.01)
    stage = _stage(protocol, temperature=200.0, pressure=300.0, friction=2.0)
    found = {}
    for rigid in (True, False):
        system = stage_system(plain, protocol, stage, seed=1)
        barostat = barostat_of(system)
        assert not barostat.getScaleMoleculesAsRigid()
        barostat.setFrequency(5)
        barostat.setScaleMoleculesAsRigid(rigid)
        context = make_context(system, stage_integrator(protocol, stage, seed=1), choose_platform("Reference"))
        context.setPositions(positions)
        context.setVelocitiesToTemperature(200.0, 1)
        advance(context, 3000)
        samples = volumes(context, 2000, 20)
        assert samples.std() > 0.02 * samples.mean(), "the volume moves"
        found[rigid] = mean_and_error(samples)
    (by_molecules, error), (by_atoms, other_error) = found[True], found[False]
    sigma = np.hypot(error, other_error)
    assert sigma < 0.015 * by_molecules, "inconclusive"
    assert abs(by_molecules - by_atoms) < 3 * sigma


@pytest.mark.physics
@pytest.mark.parametrize(("rigid", "n_scaled"), [(True, 30), (False, 60)])
def test_scaling_the_atoms_of_rigid_molecules_doubles_their_volume(rigid: bool, n_scaled: int) -> None:
    """Why rigid bonds and scaled atoms are refused: an ideal gas of rigid dimers has <V> = (N + 1) kT / P.

    With atoms scaled one by one the barostat takes 2 N for N, though the constraints undo half of what it moves.
    """
    temperature, pressure, n = 300.0, 100.0, 30
    bar_nm3 = 0.0602214076  # kJ/mol
    ideal = kT_kj_mol(temperature) / (pressure * bar_nm3)
    system, nonbonded = openmm.System(), openmm.NonbondedForce()
    side = ((n + 1) * ideal) ** (1 / 3)
    system.setDefaultPeriodicBoxVectors(*(side * np.eye(3)))
    nonbonded.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    nonbonded.setCutoffDistance(0.3)
    nonbonded.setUseDispersionCorrection(False)
    for i in range(n):
        for _ in range(2):
            system.addParticle(20.0)
            nonbonded.addParticle(0, 0.1, 0)
        system.addConstraint(2 * i, 2 * i + 1, 0.1)
        nonbonded.addException(2 * i, 2 * i + 1, 0, 0.1, 0)
    system.addForce(nonbonded)
    barostat = openmm.MonteCarloBarostat(pressure, temperature, 1)
    barostat.setScaleMoleculesAsRigid(rigid)
    barostat.setRandomNumberSeed(1)
    system.addForce(barostat)
    integrator = openmm.LangevinMiddleIntegrator(temperature, 5.0, 0.005)
    integrator.setRandomNumberSeed(1)
    context = make_context(system, integrator, choose_platform("Reference"))
    centers = np.random.default_rng(1).random((n, 1, 3)) * side
    context.setPositions((centers + np.array([[0, 0, 0], [0.1, 0, 0]])).reshape(-1, 3))
    context.setVelocitiesToTemperature(temperature, 1)
    advance(context, 2000)
    mean, error = mean_and_error(volumes(context, 3000, 5))
    assert error < 0.015 * mean
    assert mean / ideal == pytest.approx(n_scaled + 1, abs=max(3 * error / ideal, 0.03 * n_scaled))


def _closed(thermostat: str, **changes: object) -> tuple[Protocol, Dynamics]:
    protocol = load_protocol("demo")
    return protocol, _stage(protocol, thermostat=thermostat, pressure=None, **changes)


@pytest.mark.parametrize(
    ("thermostat", "kind"),
    [
        ("langevin_middle", openmm.LangevinMiddleIntegrator),
        ("nose_hoover", openmm.NoseHooverIntegrator),
        ("none", openmm.VerletIntegrator),
    ],
)
def test_each_thermostat_has_its_integrator(thermostat: str, kind: type) -> None:
    assert isinstance(stage_integrator(*_closed(thermostat), seed=1), kind)


def test_a_nose_hoover_stage_takes_temperature_and_friction_of_the_stage_and_can_be_ramped() -> None:
    integrator = stage_integrator(*_closed("nose_hoover", temperature=310.0, friction=0.2), seed=1)
    assert (integrator.getTemperature()._value, integrator.getCollisionFrequency()._value) == (310.0, 0.2)
    system = openmm.System()
    system.addParticle(1.0)
    context = make_context(system, integrator, choose_platform("Reference"))
    set_temperature(context, 350.0)
    assert integrator.getTemperature()._value == 350.0


@pytest.mark.parametrize("thermostat", ["nose_hoover", "none"])
def test_the_whole_stays_at_rest_and_counts_three_degrees_less(box: Box, thermostat: str) -> None:
    protocol, stage = _closed(thermostat)
    _, langevin = _closed("langevin_middle")
    system = stage_system(box.system, protocol, stage, seed=1)
    plain = stage_system(box.system, protocol, langevin, seed=1)
    assert degrees_of_freedom(system) == degrees_of_freedom(plain) - 3
    context = make_context(system, stage_integrator(protocol, stage, seed=1), choose_platform("CPU"))
    context.setPeriodicBoxVectors(*box.box_vectors)
    context.setPositions(box.positions)
    context.applyConstraints(1e-6)
    context.setVelocitiesToTemperature(298.15, 1)
    masses = np.array([system.getParticleMass(i)._value for i in range(system.getNumParticles())])

    def momentum() -> float:  # one atom of carbon alone has about 6 dalton nm/ps
        return float(np.abs(masses @ context.getState(velocities=True).getVelocities(asNumpy=True)._value).max())

    assert momentum() > 10
    for n_steps in (1, 50):  # what a stage before has left goes with the first step
        advance(context, n_steps)
        assert momentum() < 1e-2


@pytest.mark.physics
def test_nose_hoover_conserves_its_energy_and_goes_on_from_the_portable_state() -> None:
    """An argon-like liquid: energy plus that of the heat bath is constant, and the State carries the chain along."""
    system, positions = lattice_in_solvent()
    protocol, stage = _closed("nose_hoover", temperature=200.0, friction=5.0)
    protocol = protocol.model_copy(update={"timestep": 0.002})
    system.addForce(openmm.CMMotionRemover(1))

    def total(context: openmm.Context) -> float:
        state = context.getState(energy=True)
        bath = context.getIntegrator().computeHeatBathEnergy()
        return (state.getPotentialEnergy() + state.getKineticEnergy() + bath)._value

    def fresh() -> openmm.Context:
        return make_context(system, stage_integrator(protocol, stage, seed=1), choose_platform("Reference"))

    context = fresh()
    context.setPositions(positions)
    context.setVelocitiesToTemperature(100.0, 1)
    advance(context, 500)
    totals, kinetic = [], []
    for _ in range(200):
        advance(context, 10)
        totals.append(total(context))
        kinetic.append(context.getState(energy=True).getKineticEnergy()._value)
    assert np.std(totals) < 0.1 * np.std(kinetic)
    state = context.getState(positions=True, velocities=True, integratorParameters=True)
    advance(context, 50)
    resumed = fresh()
    resumed.setState(openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(state)))
    advance(resumed, 50)
    there, here = (c.getState(positions=True).getPositions(asNumpy=True)._value for c in (context, resumed))
    assert here == pytest.approx(there, abs=1e-9)


def test_scaling_moves_molecules_rigidly_to_the_volume(box: Box) -> None:
    volume = 0.9 * box.volume_nm3
    positions, vectors = scaled_to(box, box.state, volume)
    assert np.linalg.det(vectors) == pytest.approx(volume)
    growth = 0.9 ** (1 / 3)
    assert vectors == pytest.approx(growth * box.box_vectors)
    for residue in box.topology.residues():
        atoms = [atom.index for atom in residue.atoms()]
        before, after = box.positions[atoms], positions[atoms]
        assert after.mean(axis=0) == pytest.approx(growth * before.mean(axis=0))
        assert after - after[0] == pytest.approx(before - before[0], abs=1e-12)


def test_scaling_does_as_openmms_barostat_does(box: Box) -> None:
    """One accepted move of the barostat itself, which shifts what it scales into the cell: distances within a cell."""
    system = copy.deepcopy(box.system)
    barostat = openmm.MonteCarloBarostat(1.0, 298.15, 1)
    barostat.setRandomNumberSeed(1)
    system.addForce(barostat)
    context = make_context(system, openmm.VerletIntegrator(1e-9), choose_platform("CPU"))
    context.setPeriodicBoxVectors(*box.box_vectors)
    context.setPositions(box.positions)
    for _ in range(100):
        advance(context, 1)
        state = context.getState(positions=True)
        if state.getPeriodicBoxVolume()._value != pytest.approx(box.volume_nm3, rel=1e-9):
            break
    else:
        pytest.fail("no move was accepted")
    positions, vectors = scaled_to(box, box.state, state.getPeriodicBoxVolume()._value)
    apart = np.linalg.solve(vectors.T, (positions - state.getPositions(asNumpy=True)._value).T)
    assert apart == pytest.approx(np.round(apart), abs=1e-5)


def test_scaling_finds_the_molecules_of_chains() -> None:
    """A chain of three units is one molecule though it has three residues."""
    gel = small_boxes.gel()
    positions, _ = scaled_to(gel, gel.state, 1.1 * gel.volume_nm3)
    for force in gel.system.getForces():
        if isinstance(force, openmm.HarmonicBondForce):
            for index in range(force.getNumBonds()):
                i, j = force.getBondParameters(index)[:2]
                assert positions[j] - positions[i] == pytest.approx(gel.positions[j] - gel.positions[i], abs=1e-12)


def test_a_network_is_not_scaled(box: Box) -> None:
    network = small_boxes.as_network(box)
    with pytest.raises(InvalidInput, match=r"^volume_of: a periodic network has no molecules"):
        scaled_to(network, network.state, network.volume_nm3)
