"""What is told of a context with ghosts is what an ordinary system of the molecules that are there has."""

import copy
from functools import cache
from typing import Any

import numpy as np
import openmm
import pytest
from open_boxes import open_protocol, thin_gas
from openmm import app, unit

from solvshell.box import Box
from solvshell.build.forcefield import create_system, read_forcefield
from solvshell.engine import Snapshot, degrees_of_freedom, snapshot
from solvshell.md.dynamics import bonds_of, joined_by, stage_integrator, stage_system
from solvshell.md.grand.conformers import Gas
from solvshell.md.grand.pool import pool_system
from solvshell.md.grand.pool_box import molecules_of, pool_box
from solvshell.md.grand.pressure import pressure_bar
from solvshell.md.grand.real_part import RealPart
from solvshell.md.grand.slots import Slots
from solvshell.occupancy import Occupancy
from solvshell.units import kT_kj_mol

ROOM = {"EC": 5, "DMC": 6}
IN_CONTEXT = {"EC": 4, "DMC": 5}
#: one of the box has gone, others have come
OCCUPANCY = Occupancy(
    {"EC": np.array([True, False, False, True]), "DMC": np.array([True, True, True, False, True])},
)


def precise(system: openmm.System) -> openmm.System:
    """Return a copy whose Ewald sums do not depend on how molecules are told to leave themselves out."""
    exact = copy.deepcopy(system)
    (force,) = (force for force in exact.getForces() if isinstance(force, openmm.NonbondedForce))
    force.setCutoffDistance(0.9)
    force.setEwaldErrorTolerance(1e-6)
    exact.setDefaultPeriodicBoxVectors(*thin_gas().box_vectors)
    return exact


def prepared(system: openmm.System) -> openmm.System:
    """Return a copy with the constraints of a run."""
    return stage_system(system, open_protocol(), open_protocol().production, seed=1)


def new_context(system: openmm.System) -> openmm.Context:
    integrator = stage_integrator(open_protocol(), open_protocol().production, 1)
    context = openmm.Context(prepared(system), integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPeriodicBoxVectors(*thin_gas().box_vectors)
    return context


@cache
def sampled() -> Box:
    return pool_box(thin_gas(), ROOM)


@cache
def with_ghosts() -> tuple[openmm.Context, RealPart]:
    """Return a context in which ghosts have lived for a while, with a force that keeps them out of a barostat."""
    box = thin_gas()
    of_box = {name: molecules_of(box, name) for name in ROOM}
    system, pool = pool_system(precise(box.system), of_box, IN_CONTEXT, kT_kj_mol(400.0))
    context, rng = new_context(system), np.random.default_rng(5)
    positions = np.zeros((pool.n_atoms, 3))
    positions[: box.n_atoms] = box.positions
    for name, rows in pool.molecules.items():
        for row in [*rows[len(of_box[name]) :], pool.slots[name]]:
            first = box.positions[of_box[name][0]]
            positions[row] = first - first.mean(axis=0) + rng.uniform(0, 2.2, 3)
    context.setPositions(positions)
    context.applyConstraints(1e-8)
    Slots(context, pool, OCCUPANCY)
    context.setVelocitiesToTemperature(400.0, 3)
    context.getIntegrator().step(5)
    gases = {name: Gas(prepared(box.system), rows[0].tolist(), box.positions[rows[0]]) for name, rows in of_box.items()}
    return context, RealPart(context, pool, gases, sampled(), box.n_atoms, 400.0)


def atoms_there() -> tuple[np.ndarray, np.ndarray]:
    """Return the atoms of the molecules that are there: in the files, and in the context with ghosts."""
    box, files, context = thin_gas(), sampled(), with_ghosts()[0]
    n_context = context.getSystem().getNumParticles()
    slots = sum(molecules_of(box, name).shape[1] for name in ROOM)
    begin, of_files, of_context = box.n_atoms, [], []
    for name, mask in OCCUPANCY.present.items():
        rows = molecules_of(files, name)
        n_box, n_atoms = molecules_of(box, name).shape
        for molecule in np.flatnonzero(mask):
            of_files.append(rows[molecule])
            extra = begin + n_atoms * (molecule - n_box)
            of_context.append(rows[molecule] if molecule < n_box else np.arange(extra, extra + n_atoms))
        begin += n_atoms * (len(mask) - n_box)
    assert begin + slots == n_context  # idle molecules species by species, then the slots
    order = np.argsort(np.concatenate(of_files))
    return np.concatenate(of_files)[order], np.concatenate(of_context)[order]


@cache
def without_ghosts() -> openmm.Context:
    """Return a context of just the molecules that are there, whose model OpenMM's ForceField has made."""
    in_files, in_context = atoms_there()
    modeller = app.Modeller(sampled().topology, sampled().positions * unit.nanometer)
    absent = set(range(sampled().n_atoms)) - set(in_files.tolist())
    modeller.delete([atom for atom in modeller.topology.atoms() if atom.index in absent])
    model = thin_gas().recipe.force_field
    system = create_system(modeller.topology, read_forcefield(model.files), model)
    context = new_context(precise(system))
    state = with_ghosts()[0].getState(positions=True, velocities=True)
    context.setPositions(state.getPositions(asNumpy=True)[in_context])
    context.setVelocities(state.getVelocities(asNumpy=True)[in_context])
    return context


@cache
def looks() -> tuple[Snapshot, Snapshot]:
    """Return what is seen of the context with ghosts, and of that without."""
    ordinary = without_ghosts()
    return with_ghosts()[1].snapshot(OCCUPANCY), snapshot(ordinary, degrees_of_freedom(ordinary.getSystem()))


@pytest.mark.parametrize("what", ["potential_kj_mol", "kinetic_kj_mol", "temperature", "volume_nm3"])
def test_energies_and_temperature_are_those_of_an_ordinary_system(what: str) -> None:
    found, expected = looks()
    assert getattr(found, what) == pytest.approx(getattr(expected, what), abs=1e-3)


def test_ghosts_have_energies_that_would_be_seen() -> None:
    context, _ = with_ghosts()
    raw = snapshot(context, 1)
    assert abs(raw.potential_kj_mol - looks()[1].potential_kj_mol) > 10
    assert raw.kinetic_kj_mol - looks()[1].kinetic_kj_mol > 50


def test_the_mass_is_that_of_an_ordinary_system() -> None:
    system = without_ghosts().getSystem()
    expected = sum(system.getParticleMass(atom)._value for atom in range(system.getNumParticles()))
    assert with_ghosts()[1].mass(OCCUPANCY) == pytest.approx(expected)


def test_the_pressure_is_that_of_an_ordinary_system() -> None:
    context = without_ghosts()
    system = context.getSystem()
    molecule = joined_by(bonds_of(system), system.getNumParticles())
    expected = pressure_bar(context, molecule, int(molecule.max()) + 1, 400.0)
    assert molecule.max() + 1 == 6
    assert with_ghosts()[1].pressure_bar(OCCUPANCY) == pytest.approx(expected, abs=0.05)
    assert abs(expected) > 1


def test_a_frame_has_those_that_are_there_and_the_others_at_the_origin() -> None:
    found, expected = looks()
    in_files, _ = atoms_there()
    absent = np.setdiff1d(np.arange(sampled().n_atoms), in_files)
    assert not found.positions[absent].any()
    assert len(absent) == sampled().n_atoms - len(in_files) > 0
    difference: Any = (found.positions[in_files] - expected.positions) @ np.linalg.inv(found.box_vectors)
    np.testing.assert_allclose(difference, np.round(difference), atol=1e-6)
