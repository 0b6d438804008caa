"""What geometry.py and torsions.py measure, on geometries whose answer is known."""

import sys
from pathlib import Path

import numpy as np
import openmm
import pytest

pytest.importorskip("pyscf")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "forcefield"))

import geometry
import pages
import torsions
import vacuum

from solvshell.species import catalogue


@pytest.fixture(scope="module")
def emc() -> vacuum.Vacuum:
    return vacuum.molecule("EMC")


def moved(molecule: vacuum.Vacuum, positions: np.ndarray, name: str, by: float) -> np.ndarray:
    """Move one end atom along its bond."""
    atom = molecule.template.atom_names.index(name)
    (other,) = {i for bond in molecule.template.bonds if atom in bond for i in bond} - {atom}
    along = positions[atom] - positions[other]
    changed = positions.copy()
    changed[atom] += by * along / np.linalg.norm(along)
    return changed


def test_every_molecule_has_its_charge_and_no_single_atom_is_looked_at() -> None:
    names = list(vacuum.names())
    assert set(names) >= {"EC", "PF6", "OTA", *vacuum.MODELS}
    assert not {name for name, entry in catalogue().items() if entry.center} & set(names)
    for name in ("PYRU", "ENDU"):
        charges = vacuum.molecule(name).template.charges
        assert sum(charges) == pytest.approx({"PYRU": 1, "ENDU": 2}[name], abs=1e-9)


def test_internal_coordinates_of_a_ring() -> None:
    found = geometry.internal_coordinates(vacuum.molecule("EC"))
    # five ring bonds, C=O and four C-H; two CH2 with six angles, a carbon with three, two oxygens with one
    assert [len(found[kind]) for kind in ("bond", "angle")] == [10, 17]
    # one torsion for each ring bond, and two more to =O
    assert len(found["torsion"]) == 7


def test_a_bond_that_is_stretched_is_found_and_a_turn_of_the_molecule_is_not(emc: vacuum.Vacuum) -> None:
    start = emc.starts[0]
    rotated = moved(emc, start, "O2", 0.07)[:, [1, 2, 0]] + 3.0
    row = geometry.compare(emc, rotated, start)
    assert row["bond_worst_atoms"] == "C3-O2"
    assert row["bond_worst"] == pytest.approx(0.07, abs=1e-5)
    assert row["bond_mean_abs"] == pytest.approx(0.07 / 14, abs=1e-5)
    assert row["torsion_worst"] == pytest.approx(0, abs=0.01)
    assert 0 < row["heavy_rmsd_angstrom"] < 0.07


def test_a_mirror_image_is_another_conformer(emc: vacuum.Vacuum) -> None:
    hold = {torsions._indices(emc, "C3 O1 C2 C1"): 80.0}
    gauche = emc.relaxed(emc.starts[0], 1.0, hold)[1]
    row = geometry.compare(emc, gauche * [-1, 1, 1], gauche)
    assert row["bond_mean_abs"] == pytest.approx(0, abs=1e-5)
    assert abs(row["torsion_worst"]) == pytest.approx(160, abs=1)
    assert row["torsion_worst_atoms"] == "C1-C2-O1-C3"


def test_angles_turn_the_short_way() -> None:
    assert geometry.turned(np.array([179.0, -10.0]), np.array([-179.0, 10.0])) == pytest.approx([2, 20])


def test_a_held_torsion_stays_and_holding_costs_nothing(emc: vacuum.Vacuum) -> None:
    atoms = torsions._indices(emc, "C3 O1 C2 C1")
    energy, positions = emc.relaxed(emc.starts[0], 1.0, {atoms: 30.0})
    assert torsions._angle(atoms, positions) == pytest.approx(30, abs=0.3)
    context = openmm.Context(emc.system(1.0), openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    context.setPositions(positions / 10)
    assert energy == pytest.approx(context.getState(energy=True).getPotentialEnergy()._value, abs=1e-6)
    assert energy > emc.relaxed(positions, 1.0)[0] + 5


def test_the_walk_holds_the_torsion_at_every_angle() -> None:
    scan = torsions.SCANS[0]
    dmc = vacuum.molecule("DMC")
    path = torsions.walk(dmc, scan)
    atoms = torsions._indices(dmc, scan.atoms)
    assert list(path) == list(torsions.ANGLES)
    assert [abs(torsions._angle(atoms, path[angle])) for angle in path] == pytest.approx(list(path), abs=0.3)


def test_minima_at_the_ends_and_inside() -> None:
    angles = np.array([0, 60, 120, 180])
    assert torsions.minima_of(angles, np.array([1.0, 3.0, 2.0, 4.0])) == [0, 2]
    assert torsions.minima_of(angles, np.array([5.0, 0.0, 2.0, 1.0])) == [1, 3]


def test_a_shifted_profile_has_no_deviation() -> None:
    angles = np.arange(0, 181, 30)
    dft = np.sin(np.radians(angles)) * 20
    energies = geometry.pd.DataFrame({"angle": angles, "dft": dft, "gfn2": dft + 7, "force_field": dft})
    energies.loc[3, "force_field"] += 7
    assert torsions.deviation(energies, "gfn2")[0] == pytest.approx(0, abs=1e-9)
    rms, largest, at = torsions.deviation(energies, "force_field")
    # one of seven points is 7 off: 6 from the mean, the others -1
    assert (rms, largest, at) == (pytest.approx(np.sqrt(6)), pytest.approx(6), 90)


def test_a_page_keeps_its_text_and_refuses_a_table_without_a_place(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- one -->\nold\n<!-- end -->\nbetween\n<!-- two -->\n<!-- end -->\nafter\n")
    pages.fill(page, one=r"new \1", two="2")
    expected = "before\n<!-- one -->\nnew \\1\n<!-- end -->\nbetween\n<!-- two -->\n2\n<!-- end -->\nafter\n"
    assert page.read_text() == expected
    with pytest.raises(ValueError, match="0 places for 'three'"):
        pages.fill(page, three="3")
