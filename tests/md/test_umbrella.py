"""Springs act on the coordinate that is recorded, through the periodic boundary, and on nothing else."""

import copy
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import unit

from solvshell.box import Box
from solvshell.engine import advance, choose_platform, make_context
from solvshell.errors import InvalidInput
from solvshell.md.dynamics import stage_integrator, stage_system
from solvshell.md.umbrella import (
    Tagged,
    UmbrellaSampling,
    candidates,
    check_reach,
    read_tagged,
    umbrella_sampling,
    value_of,
)
from solvshell.protocol import load_protocol
from solvshell.run import open_run
from solvshell.stages import Umbrella

SHIPPED = ("umbrella-quick", "desolvation-quick")


@pytest.fixture(scope="module")
def box(box_path: Path) -> Box:
    return Box.load(box_path)


def stage_of(name: str) -> Umbrella:
    stage = load_protocol(name).stages[-1]
    assert isinstance(stage, Umbrella)
    return stage


def bare(n_atoms: int, cell: np.ndarray) -> openmm.System:
    """Return a system of atoms without any force."""
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*cell)
    for _ in range(n_atoms):
        system.addParticle(10.0)
    return system


def energy_and_forces(context: openmm.Context, positions: np.ndarray) -> tuple[float, np.ndarray]:
    context.setPositions(positions)
    state = context.getState(energy=True, forces=True)
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    return state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole), np.asarray(forces)


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
@pytest.mark.parametrize("name", SHIPPED)
def test_energy_is_that_of_the_recorded_coordinate_and_forces_are_its_gradient(
    box: Box, name: str, platform: str
) -> None:
    stage, cell = stage_of(name), box.box_vectors
    tagged = candidates(box, stage.coordinate)[-1]
    sampling = UmbrellaSampling(stage, tagged)
    # Moved by half a box, so that the shell of the center lies across the boundary.
    positions = box.positions - box.positions[tagged.center_atom]
    system = sampling.system(bare(box.n_atoms, cell))
    context = make_context(system, openmm.VerletIntegrator(0.001), choose_platform(platform))
    at, spring = stage.visits[3]
    for key, value in sampling.parameters(3, reached=0.5).items():
        context.setParameter(key, value)
    energy, forces = energy_and_forces(context, positions)
    value = value_of(stage.coordinate, tagged, positions, cell)
    assert energy == pytest.approx(0.25 * spring * (value - at) ** 2, rel=1e-4)
    assert sampling.values(context, 3)[0] == pytest.approx(value * (10 if name == "umbrella-quick" else 1))
    np.testing.assert_allclose(forces.sum(axis=0), 0, atol=1e-2)
    atoms = [tagged.center_atom, *sorted(tagged.partner_atoms, key=lambda atom: -np.abs(forces[atom]).max())[:5]]
    for atom in atoms:
        for axis in range(3):
            step = np.zeros_like(positions)
            step[atom, axis] = 1e-4
            ends = [value_of(stage.coordinate, tagged, positions + sign * step, cell) for sign in (1, -1)]
            slope = 0.25 * spring * ((ends[0] - at) ** 2 - (ends[1] - at) ** 2) / 2e-4
            assert forces[atom, axis] == pytest.approx(-slope, rel=2e-3, abs=0.02 * np.abs(forces).max() / 10)


def test_the_coordination_number_by_hand() -> None:
    """Two sites at the radius, one inside, one outside, and one inside through the boundary: 2 x 1/2 + 1 + 0 + 1."""
    coordinate = stage_of("desolvation-quick").coordinate
    positions = np.array([[0.1, 1, 1], [0.38, 1, 1], [0.1, 0.72, 1], [0.1, 1.02, 1], [1, 0.1, 1], [1.99, 1, 1]])
    tagged = Tagged(center_atom=0, partner_atoms=[1, 2, 3, 4, 5])
    inside = [1 / (1 + np.exp((r - 0.28) / 0.02)) for r in (0.28, 0.28, 0.02, 0.11)]
    assert value_of(coordinate, tagged, positions, 2 * np.eye(3)) == pytest.approx(sum(inside), abs=1e-12)


def test_distances_in_a_sheared_cell_are_those_of_openmm() -> None:
    cell = np.array([[2, 0, 0], [0.5, 1.8, 0], [-0.6, 0.7, 1.9]])
    stage = stage_of("umbrella-quick")
    sampling = UmbrellaSampling(stage, Tagged(center_atom=0, partner_atoms=[1]))
    context = make_context(sampling.system(bare(2, cell)), openmm.VerletIntegrator(0.001), choose_platform("Reference"))
    at, spring = stage.visits[0]
    for positions in np.random.default_rng(1).uniform(-3, 3, (50, 2, 3)):
        energy, _ = energy_and_forces(context, positions)
        r = value_of(stage.coordinate, Tagged(center_atom=0, partner_atoms=[1]), positions, cell)
        assert energy == pytest.approx(spring / 2 * (r - at) ** 2)


def test_the_barostat_still_scales_molecules(box: Box) -> None:
    """Bonds to all sites would make one rigid molecule of the whole box; one bond joins no more than its pair."""
    protocol = load_protocol("demo")
    n_molecules = {}
    for name in SHIPPED:
        sampling = UmbrellaSampling(stage_of(name), candidates(box, stage_of(name).coordinate)[0])
        system = stage_system(sampling.system(box.system), protocol, protocol.production, seed=1)
        integrator = stage_integrator(protocol, protocol.production, seed=1)
        n_molecules[name] = len(make_context(system, integrator, choose_platform("Reference")).getMolecules())
    total = len(list(box.topology.residues()))
    assert n_molecules == {"umbrella-quick": total - 1, "desolvation-quick": total}


def test_windows_end_at_half_of_the_shortest_width() -> None:
    """Of a sheared cell the width is the distance of its faces, not an edge; a shrinking box is refused as it goes."""
    stage = stage_of("umbrella-quick")  # its last window is at 7.9 Å
    for cell in (1.6 * np.eye(3), np.array([[1.7, 0, 0], [0.6, 1.7, 0], [0, 0, 2]])):
        check_reach(stage, cell)
        with pytest.raises(InvalidInput, match=r"7\.90 Å lies beyond half of the shortest width of the box"):
            check_reach(stage, 0.975 * cell)
    check_reach(stage_of("desolvation-quick"), 0.1 * np.eye(3))
    sampling = UmbrellaSampling(stage, Tagged(center_atom=0, partner_atoms=[1]))
    for side, is_refused in ((1.57, False), (1.5, True)):
        system = sampling.system(bare(2, side * np.eye(3)))
        context = make_context(system, openmm.VerletIntegrator(0.001), choose_platform("Reference"))
        context.setPositions([[0, 0, 0], [0.2, 0, 0]])
        with pytest.raises(InvalidInput, match="half of the shortest width") if is_refused else nullcontext():
            assert sampling.values(context, 0) == pytest.approx([2.0])


def test_the_tagged_center_is_a_usual_one(box_path: Path, tmp_path: Path) -> None:
    """Its coordination number is nearest to the median of all, and not to the first window, which lies far above."""
    run = open_run(tmp_path / "run", box_path, load_protocol("desolvation-quick"))
    stage, box = stage_of("desolvation-quick"), run.box
    umbrella_sampling(stage, run, box.state, is_new=True)
    values: dict[int, float] = {
        tagged.center_atom: value_of(stage.coordinate, tagged, box.positions, box.box_vectors)
        for tagged in candidates(box, stage.coordinate)
    }
    away = {atom: abs(value - np.median(list(values.values()))) for atom, value in values.items()}
    assert read_tagged(run.path).center_atom == min(away, key=lambda atom: away[atom])
    assert len(values) > 1


def test_the_plain_model_is_left_alone(box: Box) -> None:
    before = copy.deepcopy(box.system)
    for name in SHIPPED:
        UmbrellaSampling(stage_of(name), candidates(box, stage_of(name).coordinate)[0]).system(box.system)
    assert box.system.getNumForces() == before.getNumForces()


def test_a_pair_in_a_harmonic_well_has_the_spread_of_it() -> None:
    """Two atoms and a spring: r^2 exp(-k (r - r0)^2 / 2 kT), whose mean and spread are known by quadrature."""
    stage = stage_of("umbrella-quick")
    tagged = Tagged(center_atom=0, partner_atoms=[1])
    sampling = UmbrellaSampling(stage, tagged)
    at, spring = stage.visits[8]
    integrator = openmm.LangevinMiddleIntegrator(298.15, 10.0, 0.004)
    integrator.setRandomNumberSeed(1)
    context = make_context(sampling.system(bare(2, 3 * np.eye(3))), integrator, choose_platform("Reference"))
    for key, value in sampling.parameters(8, reached=1.0).items():
        context.setParameter(key, value)
    context.setPositions([[0.1, 0.1, 0.1], [2.9, 0.1, 0.1]])
    context.setVelocitiesToTemperature(298.15, 1)
    values = []
    for _ in range(20_000):
        advance(context, 10)
        values += sampling.values(context, 8)
    r = np.linspace(0.01, 1.4, 20_000)
    weight = r**2 * np.exp(-spring / 2 * (r - at) ** 2 / 2.478957)
    mean = 10 * np.average(r, weights=weight)
    spread = 10 * np.sqrt(np.average((r - mean / 10) ** 2, weights=weight))
    assert np.mean(values) == pytest.approx(mean, abs=0.01)
    assert np.std(values) == pytest.approx(spread, rel=0.03)
