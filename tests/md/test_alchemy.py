"""The plain model at one end of the lambdas, ideal molecules at the other, and nothing else in between."""

import copy
from collections.abc import Sequence

import numpy as np
import openmm
import pytest
from openmm import unit
from small_boxes import liquid

from solvshell.box import Box
from solvshell.errors import InvalidInput
from solvshell.md.alchemy import Lambdas, alchemical_system, coupling_energies, lambda_parameters

FULL, OFF = Lambdas(1.0, 1.0), Lambdas(0.0, 0.0)


def model(box: Box, cutoff: float = 0.55, switch: bool = True, tolerance: float = 1e-4) -> openmm.System:
    """Return the model of a box with another cutoff, a switch over its last tenth, and another tolerance of PME."""
    system = copy.deepcopy(box.system)
    for force in system.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.setEwaldErrorTolerance(tolerance)
            force.setCutoffDistance(cutoff)
            force.setUseSwitchingFunction(switch)
            force.setSwitchingDistance(0.9 * cutoff)
    return system


def molecules(box: Box, *residues: str) -> list[list[int]]:
    """Return the atoms of the last molecule of each name."""
    found = {residue.name: [atom.index for atom in residue.atoms()] for residue in box.topology.residues()}
    return [found[name] for name in residues]


def context_of(system: openmm.System, box: Box, scale: float = 1.0, platform: str = "Reference") -> openmm.Context:
    system = copy.deepcopy(system)
    system.setDefaultPeriodicBoxVectors(*(scale * box.box_vectors))
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform(platform))
    context.setPositions(box.positions)
    return context


def energy(context: openmm.Context) -> float:
    return float(context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))


def forces(context: openmm.Context) -> np.ndarray:
    return np.array(context.getState(forces=True).getForces(asNumpy=True)._value)


def silence(system: openmm.System, atoms: Sequence[int]) -> None:
    """Take away everything that some molecules do, among themselves too."""
    gone = set(atoms)
    for force in system.getForces():
        if isinstance(force, openmm.HarmonicBondForce):
            terms = [(i, *force.getBondParameters(i)) for i in range(force.getNumBonds())]
            change = force.setBondParameters
        elif isinstance(force, openmm.HarmonicAngleForce):
            terms = [(i, *force.getAngleParameters(i)) for i in range(force.getNumAngles())]
            change = force.setAngleParameters
        elif isinstance(force, openmm.PeriodicTorsionForce):
            terms = [(i, *force.getTorsionParameters(i)) for i in range(force.getNumTorsions())]
            change = force.setTorsionParameters
        elif isinstance(force, openmm.NonbondedForce):
            terms = []
            for atom in gone:
                force.setParticleParameters(atom, 0.0, 0.3, 0.0)
            for i in range(force.getNumExceptions()):
                first, second, *_ = force.getExceptionParameters(i)
                if first in gone:
                    force.setExceptionParameters(i, first, second, 0.0, 0.3, 0.0)
        for index, *parameters in terms:
            if parameters[0] in gone:
                change(index, *parameters[:-1], 0.0)


def set_lambdas(context: openmm.Context, lambdas: Lambdas) -> None:
    for name, value in lambda_parameters(lambdas).items():
        context.setParameter(name, value)


def moved(box: Box, atoms: Sequence[int], by: tuple[float, float, float]) -> np.ndarray:
    positions = box.positions.copy()
    positions[atoms] += by
    return positions


@pytest.mark.parametrize(
    ("names", "cutoff", "scale"),
    [(("LI", "PF6"), 0.55, 1.0), (("DMC",), 1.0, 2.0), (("LI", "PF6", "DMC"), 1.0, 2.1)],
)
@pytest.mark.parametrize("switch", [True, False])
def test_fully_coupled_it_is_the_plain_model(names: tuple[str, ...], cutoff: float, scale: float, switch: bool) -> None:
    """Energy, with the tail at two volumes, and every force; DMC in a cell that holds all of it within the cutoff."""
    box = liquid()
    plain = model(box, cutoff, switch, tolerance=1e-7)
    coupled = context_of(alchemical_system(plain, molecules(box, *names)), box, scale)
    reference = context_of(plain, box, scale)
    assert energy(coupled) == pytest.approx(energy(reference), abs=1e-4)
    np.testing.assert_allclose(forces(coupled), forces(reference), atol=1e-4, rtol=1e-7)


@pytest.mark.parametrize("names", [("LI", "PF6"), ("DMC",)])
def test_decoupled_molecules_are_ideal(names: tuple[str, ...]) -> None:
    """Wherever they are, on top of others too, they feel nothing and are felt by none; inside they are as in vacuum."""
    box = liquid()
    atoms = molecules(box, *names)
    context = context_of(alchemical_system(model(box), atoms), box)
    set_lambdas(context, OFF)
    before, rest = energy(context), np.setdiff1d(np.arange(box.n_atoms), np.concatenate(atoms))
    felt = forces(context)[rest]
    for molecule in atoms:
        context.setPositions(moved(box, molecule, (0.31, -0.2, 0.45)))
        assert energy(context) == pytest.approx(before, abs=1e-6)
        np.testing.assert_allclose(forces(context)[rest], felt, atol=1e-6)
        np.testing.assert_allclose(forces(context)[molecule].sum(axis=0), 0, atol=1e-6)


def test_a_decoupled_molecule_has_the_energy_of_vacuum() -> None:
    """What is lost with it is what the molecule has without cutoff, alone: bonds, angles, torsions, all its pairs."""
    box = liquid()
    plain = model(box, 1.0)
    (dmc,) = molecules(box, "DMC")
    context = context_of(alchemical_system(plain, [dmc]), box, 2.0)
    set_lambdas(context, OFF)
    others = copy.deepcopy(plain)
    silence(others, dmc)
    alone = copy.deepcopy(plain)
    silence(alone, np.setdiff1d(np.arange(box.n_atoms), dmc).tolist())
    for force in alone.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
    expected = energy(context_of(others, box, 2.0)) + energy(context_of(alone, box, 2.0))
    assert energy(context) == pytest.approx(expected, abs=1e-4)


def test_coupling_energies_are_differences_of_whole_energies() -> None:
    """Three evaluations of Coulomb and one of Lennard-Jones a value say what the whole system says, at every state."""
    box = liquid()
    context = context_of(alchemical_system(model(box), molecules(box, "LI", "PF6", "EC")), box)
    states = [Lambdas(q, 1.0) for q in (1.0, 0.7, 0.31, 0.0)] + [Lambdas(0.0, v) for v in (0.8, 0.25, 0.0)]
    set_lambdas(context, states[2])
    found = coupling_energies(context, states)
    now = energy(context)
    whole = []
    for state in states:
        set_lambdas(context, state)
        whole.append(energy(context))
    assert now == whole[2]  # the state of the context was put back
    assert found[-1] == 0.0
    np.testing.assert_allclose(found, np.array(whole) - whole[-1], atol=1e-4)


def test_overlaps_are_finite() -> None:
    box = liquid()
    li, pf6 = molecules(box, "LI", "PF6")
    context = context_of(alchemical_system(model(box), [li, pf6]), box)
    positions = box.positions
    positions[li[0]] = positions[molecules(box, "EC")[0][0]] + [1e-4, 0, 0]
    context.setPositions(positions)
    found = coupling_energies(context, [FULL, Lambdas(0.0, 0.3), OFF])
    assert found[0] == 1e8
    assert abs(found[1]) < 100
    assert found[2] == 0


def test_the_set_must_be_neutral_and_the_model_plain() -> None:
    box = liquid()
    with pytest.raises(InvalidInput, match=r"neutral together, got \+0.800 e"):
        alchemical_system(box.system, molecules(box, "LI"))
    with pytest.raises(InvalidInput, match="only nonbonded force"):
        alchemical_system(alchemical_system(box.system, molecules(box, "EC")), molecules(box, "DMC"))
    cut = copy.deepcopy(box.system)
    for force in cut.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
    with pytest.raises(InvalidInput, match="PME or Ewald"):
        alchemical_system(cut, molecules(box, "EC"))
