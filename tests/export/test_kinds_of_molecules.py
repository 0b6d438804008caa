"""A box as kinds of molecules: their terms, their order, and what is refused."""

import copy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import app, unit
from small_boxes import gel, liquid

from solvshell.box import Box
from solvshell.errors import InvalidInput
from solvshell.export.atom_types import atom_types
from solvshell.export.cutoffs import Cutoffs, cutoffs_of
from solvshell.export.molecules import Molecules, Term, molecules_of


@pytest.fixture(scope="module")
def molecules() -> Molecules:
    return molecules_of(liquid())


def force_of(system: openmm.System, kind: type) -> openmm.Force:
    (force,) = (force for force in system.getForces() if isinstance(force, kind))
    return force


def changed(box: Box) -> tuple[Box, openmm.NonbondedForce]:
    """Return a copy of a box with a System of its own, and the nonbonded force in it."""
    system = copy.deepcopy(box.system)
    return replace(box, system=system), force_of(system, openmm.NonbondedForce)


def test_the_blocks_follow_the_atoms(molecules: Molecules) -> None:
    assert [(kind.name, count) for kind, count in molecules.blocks] == [
        ("LI", 2),
        ("PF6", 2),
        ("EC", 2),
        ("DMC", 2),
        ("DOL", 2),
    ]
    atoms = list(liquid().topology.atoms())
    assert [atom.name for atom in molecules.atoms()] == [atom.name for atom in atoms]
    for kind, first in molecules.spans():
        assert [atom.residue.name for atom in atoms[first : first + len(kind.atoms)]] == [kind.name] * len(kind.atoms)


def test_two_blocks_of_one_kind_share_it() -> None:
    topology, box = app.Topology(), liquid()
    lithium = [atom.residue.name for atom in box.topology.atoms()].index("LI")
    for name in ("LI", "NA", "LI"):
        topology.addAtom(name, app.element.lithium, topology.addResidue(name, topology.addChain()))
    system, force = openmm.System(), openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.PME)
    for name in ("LI", "NA", "LI"):
        system.addParticle(6.941)
        parameters = force_of(box.system, openmm.NonbondedForce).getParticleParameters(lithium)
        force.addParticle(*(parameters if name == "LI" else (0.8, 0.2, 0.1)))
    system.addForce(force)
    found = molecules_of(replace(box, topology=topology, system=system))
    assert [kind.name for kind in found.kinds] == ["LI", "NA"]
    assert [(kind.name, count) for kind, count in found.blocks] == [("LI", 1), ("NA", 1), ("LI", 1)]


def test_every_term_of_the_system_is_there_once(molecules: Molecules) -> None:
    system = liquid().system
    counts = {"bonds": 0, "angles": 0, "torsions": 0}
    for kind, count in molecules.blocks:
        for name in counts:
            counts[name] += count * len(getattr(kind, name))
    assert counts["bonds"] == force_of(system, openmm.HarmonicBondForce).getNumBonds()
    assert counts["angles"] == force_of(system, openmm.HarmonicAngleForce).getNumAngles()
    assert counts["torsions"] == force_of(system, openmm.PeriodicTorsionForce).getNumTorsions()


def test_ions_have_the_charges_that_are_simulated(molecules: Molecules) -> None:
    charges = {kind.name: sum(atom.charge for atom in kind.atoms) for kind in molecules.kinds}
    assert charges == pytest.approx({"LI": 0.8, "PF6": -0.8, "EC": 0.0, "DMC": 0.0, "DOL": 0.0}, abs=1e-9)


def test_the_improper_of_the_carbonyl_keeps_its_order(molecules: Molecules) -> None:
    (carbonate,) = (kind for kind in molecules.kinds if kind.name == "EC")
    (improper,) = (term for term in carbonate.torsions if term.parameters[2] == pytest.approx(43.932))
    names = [carbonate.atoms[i].name for i in improper.atoms]
    assert names[2] == "C3"  # the central atom is third in OpenMM, and the axis is O=C
    assert names[1] == "O2"
    assert set(names) == {"O1", "O2", "C3", "O3"}


def _shortest(n_atoms: int, bonds: tuple[Term, ...]) -> np.ndarray:
    apart = np.full((n_atoms, n_atoms), 99)
    np.fill_diagonal(apart, 0)
    for bond in bonds:
        i, j = bond.atoms
        apart[i, j] = apart[j, i] = 1
    for k in range(n_atoms):
        apart = np.minimum(apart, apart[:, k, None] + apart[None, k, :])
    return apart


def test_pairs_are_three_bonds_apart_by_the_shortest_way_round_a_ring(molecules: Molecules) -> None:
    for kind in molecules.kinds:
        apart = _shortest(len(kind.atoms), kind.bonds)
        assert kind.pairs == tuple(sorted((int(i), int(j)) for i, j in np.argwhere(apart == 3) if i < j))
    numbers = {kind.name: len(kind.pairs) for kind in molecules.kinds}
    # Counted by hand: no two atoms of a ring of five are three bonds apart.
    assert numbers["LI"] == numbers["PF6"] == 0
    assert numbers["EC"] == 2 + 4 + 4 + 4  # O=...CH2, H...C(=O), H...O of the other CH2, H...H
    assert numbers["DOL"] == 6 * 2 + 4  # each H to two atoms of the ring, H...H


def test_chains_of_a_polymer_are_molecules_of_several_residues() -> None:
    found = molecules_of(gel())
    (chain,) = (kind for kind in found.kinds if kind.name.startswith("PDAD"))
    assert {atom.residue_number for atom in chain.atoms} == {0, 1, 2}
    assert {kind.name: count for kind, count in found.blocks}["PDAD"] == 2
    assert sum(atom.charge for atom in chain.atoms) == pytest.approx(3 * 0.8, abs=1e-6)


def test_chains_that_differ_get_names_of_their_own() -> None:
    box, _ = changed(gel())
    bonds = force_of(box.system, openmm.HarmonicBondForce)
    i, j, length, k = bonds.getBondParameters(bonds.getNumBonds() - 1)
    bonds.setBondParameters(bonds.getNumBonds() - 1, i, j, length, 2 * k)
    names = [kind.name for kind in molecules_of(box).kinds]
    assert names[-2:] == ["PDAD_1", "PDAD_2"]


def test_equal_atoms_share_a_type(molecules: Molecules) -> None:
    types = atom_types(molecules)
    contents = {(a.element, a.mass, a.sigma, a.epsilon) for kind in molecules.kinds for a in kind.atoms}
    assert len(types.types) == len(contents)
    assert [kind.number for kind in types.types] == list(range(1, len(contents) + 1))
    assert len({kind.name for kind in types.types}) == len(contents)
    for kind in molecules.kinds:
        for atom in kind.atoms:
            found = types.of(atom)
            assert (found.element, found.mass, found.sigma, found.epsilon) == (
                atom.element,
                atom.mass,
                atom.sigma,
                atom.epsilon,
            )


def interleaved(order: list[int]) -> Box:
    """Return two diatomic molecules, A-A and B-B, whose atoms come in an order; bonds by the place of equal numbers."""
    topology, system = app.Topology(), openmm.System()
    residue = topology.addResidue("X", topology.addChain())
    atoms = [topology.addAtom(f"C{n}", app.element.carbon, residue) for n in range(len(order))]
    bonds, nonbonded = openmm.HarmonicBondForce(), openmm.NonbondedForce()
    nonbonded.setNonbondedMethod(openmm.NonbondedForce.PME)
    for _ in order:
        system.addParticle(12.0)
        nonbonded.addParticle(0.0, 0.3, 0.5)
    for molecule in set(order):
        i, j = (place for place, number in enumerate(order) if number == molecule)
        topology.addBond(atoms[i], atoms[j])
        bonds.addBond(i, j, 0.15, 1000.0)
        nonbonded.addException(i, j, 0.0, 0.3, 0.0)
    system.addForce(bonds)
    system.addForce(nonbonded)
    return replace(liquid(), topology=topology, system=system)


def test_molecules_that_follow_each_other_are_apart() -> None:
    found = molecules_of(interleaved([0, 0, 1, 1]))
    assert [len(kind.atoms) for kind, _ in found.spans()] == [2, 2]


def test_fragments_that_interleave_are_one_molecule() -> None:
    (kind,) = molecules_of(interleaved([0, 1, 0, 1])).kinds
    assert [term.atoms for term in kind.bonds] == [(0, 2), (1, 3)]


def test_a_force_of_another_kind_is_refused() -> None:
    box, _ = changed(liquid())
    box.system.addForce(openmm.CustomBondForce("r"))
    with pytest.raises(InvalidInput, match="has a CustomBondForce"):
        molecules_of(box)


def test_constraints_are_refused() -> None:
    box, _ = changed(liquid())
    box.system.addConstraint(0, 1, 0.1)
    with pytest.raises(InvalidInput, match="has constraints"):
        molecules_of(box)


def test_a_term_between_molecules_is_refused() -> None:
    box, _ = changed(liquid())
    force_of(box.system, openmm.HarmonicBondForce).addBond(0, 1, 0.2, 1.0)
    with pytest.raises(InvalidInput, match="joins molecules"):
        molecules_of(box)


def test_an_exception_between_molecules_is_refused() -> None:
    box, nonbonded = changed(liquid())
    nonbonded.addException(0, 1, 0.0, 1.0, 0.0)
    with pytest.raises(InvalidInput, match=r"exception \d+ joins molecules"):
        molecules_of(box)


def test_a_bond_without_a_term_is_refused() -> None:
    box, _ = changed(liquid())
    topology = copy.deepcopy(box.topology)
    first, *_, last = next(residue for residue in topology.residues() if residue.name == "EC").atoms()
    topology.addBond(first, last)
    with pytest.raises(InvalidInput, match="EC_1 has a bond without a term, or a term without a bond"):
        molecules_of(replace(box, topology=topology))


@pytest.mark.parametrize("factor", [0.0, 0.8, 2.0])
def test_a_1_4_interaction_of_its_own_is_refused(factor: float) -> None:
    box, nonbonded = changed(liquid())
    for index in range(nonbonded.getNumExceptions()):
        i, j, charge, sigma, epsilon = nonbonded.getExceptionParameters(index)
        if epsilon._value:
            nonbonded.setExceptionParameters(index, i, j, charge, sigma, factor * epsilon)
            break
    with pytest.raises(InvalidInput, match="3 bonds apart, interact in a way of their own"):
        molecules_of(box)


def test_an_excluded_pair_that_interacts_is_refused() -> None:
    box, nonbonded = changed(liquid())
    index = next(n for n in range(nonbonded.getNumExceptions()) if nonbonded.getExceptionParameters(n)[4]._value == 0)
    i, j, _, sigma, _ = nonbonded.getExceptionParameters(index)
    nonbonded.setExceptionParameters(index, i, j, 0.1, sigma, 0.0)
    with pytest.raises(InvalidInput, match=r"[12] bonds apart, interact in a way of their own"):
        molecules_of(box)


def test_an_exclusion_too_many_is_refused() -> None:
    box, nonbonded = changed(gel())
    start = next(atom.index for atom in box.topology.atoms() if atom.residue.name == "DME")
    known = {tuple(sorted(nonbonded.getExceptionParameters(n)[:2])) for n in range(nonbonded.getNumExceptions())}
    far = next((start, j) for j in range(start + 1, start + 16) if (start, j) not in known)
    nonbonded.addException(*far, 0.0, 1.0, 0.0)
    with pytest.raises(InvalidInput, match="not within three bonds"):
        molecules_of(box)


def test_the_cutoffs_are_those_of_the_system() -> None:
    box, nonbonded = changed(liquid())
    assert cutoffs_of(box.system) == Cutoffs(0.4, None, tail_correction=True)
    nonbonded.setUseSwitchingFunction(True)
    nonbonded.setSwitchingDistance(0.35 * unit.nanometer)
    nonbonded.setUseDispersionCorrection(False)
    assert cutoffs_of(box.system) == Cutoffs(0.4, 0.35, tail_correction=False)


def test_a_system_without_pme_is_refused() -> None:
    box, nonbonded = changed(liquid())
    nonbonded.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    with pytest.raises(InvalidInput, match="by PME"):
        cutoffs_of(box.system)


def test_two_nonbonded_forces_are_refused() -> None:
    box, nonbonded = changed(liquid())
    box.system.addForce(copy.deepcopy(nonbonded))
    with pytest.raises(InvalidInput, match="has 2 NonbondedForces"):
        molecules_of(box)


def test_a_box_that_was_saved_has_the_same_molecules(tmp_path: Path, molecules: Molecules) -> None:
    liquid().save(tmp_path / "box")
    again = molecules_of(Box.load(tmp_path / "box"))
    assert [kind.name for kind in again.kinds] == [kind.name for kind in molecules.kinds]
    for (kind, count), (before, count_before) in zip(again.blocks, molecules.blocks, strict=True):
        assert count == count_before
        assert kind.pairs == before.pairs
        assert [term.atoms for term in kind.torsions] == [term.atoms for term in before.torsions]
    numbers = [term.parameters[0] for kind in again.kinds for term in kind.torsions]
    assert all(isinstance(n, int) for n in numbers)
    assert not any(a > b for kind in again.kinds for a, b in pairwise(term.atoms for term in kind.torsions))
