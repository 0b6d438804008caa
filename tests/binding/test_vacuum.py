import copy

import numpy as np
import openmm
import pytest
from cut_by_hand import box_parameters, cluster
from openmm import app
from small_boxes import liquid

from solvshell.binding.by_forcefield import ForceField
from solvshell.binding.methods import Asked
from solvshell.binding.vacuum import rescaled_charges, vacuum_system
from solvshell.build.forcefield import create_system, read_forcefield
from solvshell.build.molecules import add_molecule, make_molecule
from solvshell.errors import InvalidInput
from solvshell.recipe import Model
from solvshell.species import find_species

#: e²/(4 pi eps0) in kJ/mol Å, of CODATA 2018; OpenMM has 1389.35456.
COULOMB = 1389.354577


def energy_of(system, positions):
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    context.setPositions(positions)
    return context.getState(energy=True).getPotentialEnergy()._value


def fixed(group, full_charges, parts):
    asked = Asked(("gas",), relax=False, dielectric=None, cache=None)
    return [one.kj_mol for one in ForceField(full_charges).energies(group, parts, asked)]


def test_all_atoms_of_a_box_in_vacuum_are_openmm_s_own_system_without_cutoff():
    box = liquid()
    own = copy.deepcopy(box.system)
    for force in own.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
    taken = vacuum_system(box.system, range(box.n_atoms))
    assert energy_of(taken, box.positions) == pytest.approx(energy_of(own, box.positions), rel=1e-12)
    order = np.random.default_rng(1).permutation(box.n_atoms)
    shuffled = vacuum_system(box.system, order.tolist())
    assert energy_of(shuffled, box.positions[order]) == pytest.approx(energy_of(own, box.positions), rel=1e-9)


def test_full_charges_are_those_of_a_system_made_with_full_charges():
    """Of the ions alone; the solvents have theirs."""
    box = liquid()
    full = create_system(
        box.topology, read_forcefield(box.recipe.force_field.files), Model(ion_charge_scale=1.0), False
    )
    ions = [atom.index for atom in box.topology.atoms() if atom.residue.name in ("LI", "PF6")]
    found = rescaled_charges(vacuum_system(box.system, range(box.n_atoms)), ions, 1 / 0.8)
    assert energy_of(found, box.positions) == pytest.approx(energy_of(full, box.positions), rel=1e-9)


def test_atoms_of_an_ion_three_bonds_apart_get_full_charges_too():
    """In OpenMM these are exceptions, which hold the product of two charges."""
    files, model = read_forcefield(["solvshell/electrolytes.xml"]), Model(ion_charge_scale=1.0)
    molecule = make_molecule("TFSI", find_species("TFSI"), files, model)
    topology = app.Topology()
    add_molecule(topology, topology.addChain(), molecule.template)
    full, scaled = (create_system(topology, files, Model(ion_charge_scale=scale), False) for scale in (1.0, 0.8))
    assert energy_of(scaled, molecule.positions) != pytest.approx(energy_of(full, molecule.positions), rel=0.01)
    found = rescaled_charges(scaled, range(len(molecule.positions)), 1 / 0.8)
    assert energy_of(found, molecule.positions) == pytest.approx(energy_of(full, molecule.positions), rel=1e-9)


@pytest.mark.parametrize("full_charges", [False, True])
def test_a_binding_energy_is_the_sum_of_coulomb_and_lennard_jones_between_molecules(full_charges):
    group = cluster("PF6", "EC", "DMC")
    charges, sigma, epsilon = box_parameters(group)
    molecule = np.repeat(np.arange(4), group.sizes)
    if full_charges:
        charges = np.where(molecule < 2, charges / 0.8, charges)
    expected = 0.0
    for i in range(len(charges)):
        for j in range(i):
            if molecule[i] != molecule[j]:
                r = np.linalg.norm(group.positions[i] - group.positions[j])
                ratio = ((sigma[i] + sigma[j]) / 2 / r) ** 6
                expected += COULOMB * charges[i] * charges[j] / r
                expected += 4 * np.sqrt(epsilon[i] * epsilon[j]) * (ratio**2 - ratio)
    whole, *parts = fixed(group, full_charges, [(0, 1, 2, 3), (0,), (1,), (2,), (3,)])
    assert whole - sum(parts) == pytest.approx(expected, rel=1e-7)


def test_what_is_no_plain_model_is_refused():
    box = liquid()
    system = copy.deepcopy(box.system)
    system.addConstraint(10, 11, 0.1)
    with pytest.raises(InvalidInput, match="has constraints"):
        vacuum_system(system, range(box.n_atoms))
    system = copy.deepcopy(box.system)
    system.addForce(openmm.CustomBondForce("r"))
    with pytest.raises(InvalidInput, match="has a CustomBondForce, of which no part can be taken"):
        vacuum_system(system, [0])
