"""Molecules are relaxed and whole; PF6 is an octahedron with the trans pairs its angle terms want."""

from collections.abc import Callable

import numpy as np
import openmm
import pytest
from openmm import app
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from solvshell.build.forcefield import ForceFieldFiles, read_forcefield
from solvshell.build.geometry import broken_geometry
from solvshell.build.molecules import Molecule, make_molecule
from solvshell.errors import InvalidInput, WorkFailed
from solvshell.recipe import Model
from solvshell.species import catalogue, find_species

VacuumSystem = Callable[..., tuple[app.Topology, openmm.System]]
TRANS = [("F1", "F2"), ("F3", "F4"), ("F5", "F6")]


def angle(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    u, v = a - b, c - b
    return float(np.degrees(np.arccos(np.clip(u @ v / np.linalg.norm(u) / np.linalg.norm(v), -1, 1))))


def by_name(molecule: Molecule) -> dict[str, np.ndarray]:
    return dict(zip(molecule.template.atom_names, molecule.positions, strict=True))


def test_pf6_is_an_octahedron_with_its_trans_pairs(molecules: dict[str, Molecule]) -> None:
    atoms = by_name(molecules["PF6"])
    fluorines = [f"F{i}" for i in range(1, 7)]
    for i, first in enumerate(fluorines):
        assert np.linalg.norm(atoms[first] - atoms["P1"]) == pytest.approx(0.1606, abs=0.004)
        for second in fluorines[i + 1 :]:
            expected = 180 if (first, second) in TRANS else 90
            assert angle(atoms[first], atoms["P1"], atoms[second]) == pytest.approx(expected, abs=0.1)


def test_the_angle_terms_of_pf6_are_the_cis_pairs_of_both_molecules(vacuum_system: VacuumSystem) -> None:
    topology, system = vacuum_system("PF6", "EC", "PF6")
    atoms = list(topology.atoms())
    (force,) = (force for force in system.getForces() if isinstance(force, openmm.HarmonicAngleForce))
    found = []
    for index in range(force.getNumAngles()):
        i, j, k, theta0, _ = force.getAngleParameters(index)
        if atoms[j].residue.name == "PF6":
            assert theta0._value == pytest.approx(np.pi / 2)
            found.append((atoms[j].residue.index, *sorted((atoms[i].name, atoms[k].name))))
    cis = [(f"F{i}", f"F{j}") for i in range(1, 7) for j in range(i + 1, 7) if (f"F{i}", f"F{j}") not in TRANS]
    assert len(cis) == 12
    assert sorted(found) == sorted((residue, *pair) for residue in (0, 2) for pair in cis)


def swap(x: np.ndarray, i: int, j: int) -> np.ndarray:
    x = x.copy()
    x[[i, j]] = x[[j, i]]
    return x


def test_pf6_with_fluorines_swapped_between_trans_pairs_is_broken(
    molecules: dict[str, Molecule], vacuum_system: VacuumSystem
) -> None:
    _, system = vacuum_system("PF6", "PF6")
    one = molecules["PF6"].positions
    two = np.vstack([one, one + 1.0])
    assert broken_geometry(system, two) == {}
    assert broken_geometry(system, swap(two, 1, 2)) == {}, "the two of a trans pair may change places"
    for i, j in ((1, 3), (2, 5), (4, 6)):
        assert "an angle of 180 degrees instead of 90" in broken_geometry(system, swap(two, i, j)).values()
        (concerned,) = broken_geometry(system, swap(two, 7 + i, 7 + j))
        assert concerned == 7, "the second molecule's P"


def test_two_fluorines_in_one_place_are_seen(molecules: dict[str, Molecule], vacuum_system: VacuumSystem) -> None:
    """No term of the force field minds: trans fluorines have no angle and exclude each other."""
    _, system = vacuum_system("PF6", "PF6")
    x = np.vstack([molecules["PF6"].positions, molecules["PF6"].positions + 1.0])
    x[9] = x[8]  # F2 of the second onto its F1
    problems = broken_geometry(system, x)
    assert problems.keys() == {8}
    assert problems[8] == "a neighbour's neighbour at 0.000 nm"


@pytest.mark.parametrize("name", ["EC", "DMC", "EMC"])
def test_solvents_are_whole_and_close_to_their_equilibrium(
    name: str, molecules: dict[str, Molecule], vacuum_system: VacuumSystem
) -> None:
    _, system = vacuum_system(name)
    x = molecules[name].positions
    assert x.shape == (len(molecules[name].template.atom_names), 3)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-12)
    assert broken_geometry(system, x) == {}
    (carbon,) = (first for first, second in molecules[name].template.bonds if second == len(x) - 1)
    stretched = x.copy()
    stretched[-1] += 0.2 * (x[-1] - x[carbon])
    assert broken_geometry(system, stretched) == {carbon: "a bond of 0.131 nm instead of 0.109 nm"}


@pytest.mark.parametrize("name", catalogue())
def test_every_species_is_whole_and_has_its_charge(
    name: str, molecules: dict[str, Molecule], vacuum_system: VacuumSystem
) -> None:
    molecule = molecules[name]
    _, system = vacuum_system(name)
    assert broken_geometry(system, molecule.positions) == {}
    charges = {"cation": 1, "anion": -1, "solvent": 0}
    assert molecule.template.charge == (4 if name == "OTA" else charges[find_species(name).role])
    assert sum(molecule.template.charges) == pytest.approx(molecule.template.charge, abs=1e-9)


def test_ota_is_the_monomer_of_the_mass_spectrum() -> None:
    mol = Chem.MolFromSmiles(find_species("OTA").smiles)
    assert rdMolDescriptors.CalcMolFormula(mol) == "C32H56N4+4"
    assert rdMolDescriptors.CalcExactMolWt(mol) / 4 == pytest.approx(124.11, abs=0.005)
    assert len(mol.GetSubstructMatches(Chem.MolFromSmarts("[CH2]=[CH][CH2][N+]"))) == 8
    assert [len(ring) for ring in mol.GetRingInfo().AtomRings()] == [12]


def test_nitrate_is_flat_and_bistriflimide_bent(molecules: dict[str, Molecule]) -> None:
    nitrate, tfsi = by_name(molecules["NO3"]), by_name(molecules["TFSI"])
    for first, second in (("O1", "O2"), ("O2", "O3"), ("O1", "O3")):
        assert angle(nitrate[first], nitrate["N1"], nitrate[second]) == pytest.approx(120, abs=0.1)
    assert angle(tfsi["S1"], tfsi["N1"], tfsi["S2"]) == pytest.approx(129, abs=3)


def test_the_same_seed_gives_the_same_conformer(lb003_files: ForceFieldFiles) -> None:
    def emc(seed: int) -> np.ndarray:
        return make_molecule("EMC", find_species("EMC"), lb003_files, Model(), seed).positions

    np.testing.assert_array_equal(emc(5), emc(5))
    assert not np.allclose(emc(5), emc(6))


def test_lithium_is_a_point(molecules: dict[str, Molecule]) -> None:
    np.testing.assert_array_equal(molecules["Li"].positions, np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        (
            "NO3",
            ["solvshell/lb003.xml"],
            "force_field.files: no residue template 'NO3' for species NO3 in solvshell/lb003.xml "
            "(it has: Li, PF6, EC, DMC, EMC, DEC, PC, FEC); NO3 is in solvshell/nitrate.xml",
        ),
        (
            "PYR13",
            ["solvshell/lithium.xml", "solvshell/nitrate.xml"],
            "force_field.files: no residue template 'PYR' for species PYR13 in solvshell/lithium.xml, "
            "solvshell/nitrate.xml (it has: Li, NO3); PYR13 is in solvshell/ammonium.xml",
        ),
        (
            "EC",
            ["solvshell/alkanes.xml"],
            "force_field.files: no residue template 'EC' for species EC in solvshell/alkanes.xml (it has: no species); "
            "EC is in solvshell/carbonates.xml",
        ),
    ],
)
def test_a_species_that_the_files_lack_is_refused_with_what_they_have(
    name: str, given: list[str], message: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        make_molecule(name, find_species(name), read_forcefield(given), Model(files=given))
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"smiles": "[C:1"}, "species EC: RDKit cannot read the SMILES"),
        ({"smiles": catalogue()["DMC"].smiles}, "species EC: its SMILES and the residue template EC are different"),
        # the atoms of the ring in another order: same elements, other bonds
        (
            {"smiles": "[C:1]1([H:7])([H:8])[C:2]([H:9])([H:10])[O:5][C:4](=[O:3])[O:6]1"},
            "species EC: its SMILES and the residue template EC are different molecules",
        ),
    ],
)
def test_a_species_and_its_template_must_be_one_molecule(
    changes: dict[str, str], message: str, lb003_files: ForceFieldFiles
) -> None:
    species = find_species("EC").model_copy(update=changes)
    with pytest.raises(InvalidInput, match=message):
        make_molecule("EC", species, lb003_files, Model())


def test_a_charge_that_does_not_sum_is_refused() -> None:
    files = read_forcefield(["solvshell/lithium.xml"])
    (atom,) = files.roots[0].findall("Residues/Residue/Atom")
    atom.set("charge", "0.9")
    with pytest.raises(InvalidInput, match=r"species Li: charges sum to 0.9 e, the SMILES has 1"):
        make_molecule("Li", find_species("Li"), files, Model())


def test_a_wrong_geometry_is_not_taken(lb003_files: ForceFieldFiles) -> None:
    pf6 = find_species("PF6")
    assert pf6.geometry_angstrom is not None
    p, f1, _, f3, *rest = pf6.geometry_angstrom
    collapsed = pf6.model_copy(update={"geometry_angstrom": [p, f1, f1, f3, *rest]})
    with pytest.raises(WorkFailed, match=r"species PF6: the relaxed geometry has a neighbour's neighbour at 0.000 nm"):
        make_molecule("PF6", collapsed, lb003_files, Model())
