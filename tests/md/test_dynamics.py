import copy
from pathlib import Path

import openmm
import pytest

from solvshell.box import Box
from solvshell.files import validate
from solvshell.md.dynamics import stage_integrator, stage_system
from solvshell.protocol import Dynamics, Protocol, load_protocol


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


def test_too_heavy_hydrogens_are_refused(box: Box) -> None:
    protocol = load_protocol("demo").model_copy(update={"hydrogen_mass": 4.0})
    with pytest.raises(ValueError, match="hydrogen_mass"):
        stage_system(box.system, protocol, protocol.production, seed=1)


@pytest.mark.physics
def test_energy_is_conserved_without_a_thermostat(box: Box) -> None:
    """1 fs, flexible: the total energy stays within a few kT of 800 atoms while the potential wanders far."""
    content = load_protocol("quick").model_dump(mode="json")
    content |= {"timestep": "0.5 fs", "constraints": "none", "hydrogen_mass": None}
    content["stages"] = [{**content["stages"][-1], "thermostat": "none", "pressure": None}]
    protocol = validate(Protocol, content, "test")
    system = stage_system(copy.deepcopy(box.system), protocol, protocol.production, seed=1)
    integrator = stage_integrator(protocol, protocol.production, seed=1)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatform("CPU"))
    context.setPeriodicBoxVectors(*box.box_vectors)
    context.setPositions(box.positions)
    context.setVelocitiesToTemperature(150, 1)
    integrator.step(200)
    totals, potentials = [], []
    for _ in range(10):
        integrator.step(20)
        state = context.getState(energy=True)
        potentials.append(state.getPotentialEnergy()._value)
        totals.append(potentials[-1] + state.getKineticEnergy()._value)
    assert max(totals) - min(totals) < 0.05 * (max(potentials) - min(potentials)) + 3
