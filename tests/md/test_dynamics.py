from pathlib import Path

import numpy as np
import openmm
import pytest

from solvshell.box import Box
from solvshell.engine import advance, choose_platform, degrees_of_freedom, make_context, snapshot
from solvshell.errors import InvalidInput
from solvshell.md.dynamics import stage_integrator, stage_system
from solvshell.protocol import Dynamics, Protocol, load_protocol
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


def test_too_heavy_hydrogens_are_refused(box: Box) -> None:
    protocol = load_protocol("demo").model_copy(update={"hydrogen_mass": 4.0})
    with pytest.raises(InvalidInput, match="hydrogen_mass"):
        stage_system(box.system, protocol, protocol.production, seed=1)


@pytest.mark.physics
def test_energy_does_not_drift_at_the_shipped_time_step(box: Box) -> None:
    """4 fs with hydrogens of 3 Da, no thermostat: the slope over 2 ps is that of noise, a few tenths of this bound."""
    protocol = load_protocol("demo")
    stage = _stage(protocol, thermostat="none", pressure=None)
    system = stage_system(box.system, protocol, stage, seed=1)
    context = make_context(system, stage_integrator(protocol, stage, seed=1), choose_platform("CPU"))
    context.setPeriodicBoxVectors(*box.box_vectors)
    context.setPositions(box.positions)
    context.applyConstraints(1e-6)
    context.setVelocitiesToTemperature(298.15, 1)
    advance(context, 100)
    totals = []
    for _ in range(100):
        advance(context, 5)
        now = snapshot(context, degrees_of_freedom(system))
        totals.append(now.potential_kj_mol + now.kinetic_kj_mol)
    slope_per_ps = np.polyfit(0.02 * np.arange(100), totals, 1)[0]
    drift = 1000 * slope_per_ps / (kT_kj_mol(298.15) * degrees_of_freedom(system))
    assert abs(drift) < 2  # kT per degree of freedom per ns
