from dataclasses import replace

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem, GetPeriodicTable

pytest.importorskip("tblite", reason="needs the extra qm")
pytest.importorskip("geometric", reason="needs the extra qm")

from solvshell.infrared import stretch
from solvshell.infrared.clusters import FREE, LITHIUM, Candidate, Cluster
from solvshell.infrared.stretch import LEFT, NOT_CONVERGED, OK, carbonyl_stretch, stretching
from solvshell.quantum import gfn2_function, normal_modes, numeric_hessian, only, optimize, tracked_mode

FORMALDEHYDE = np.array([[0.0, 0, 0], [1.21, 0, 0], [-0.59, 0.94, 0], [-0.59, -0.94, 0]])
#: Lithium at the oxygen, and its fluoride beyond it.
SALT = np.array([[3.2, 0, 0], [4.7, 3.0, 0]])


def cluster(kind, elements, positions):
    neighbor = None if kind == FREE else 4
    return Cluster(Candidate(kind, "CH2O", 0, 1, 4), elements, positions, (0, 1, 2, 3), (0, 1), neighbor, ("CH2O",))


FREE_ONE = cluster(FREE, ("C", "O", "H", "H"), FORMALDEHYDE)
BOUND = cluster(LITHIUM, ("C", "O", "H", "H", "Li", "F"), np.concatenate([FORMALDEHYDE, SALT]))


def test_the_stretch_is_lower_at_lithium_and_its_neighbors_have_not_moved(tmp_path):
    free, bound = (carbonyl_stretch(one, 30.0, tmp_path) for one in (FREE_ONE, BOUND))
    assert free.status == bound.status == OK
    assert 1500 < free.wavenumber < 2000  # 1746 in the gas (recalled), a fundamental
    assert -60 < bound.wavenumber - free.wavenumber < -5
    assert bound.bond_angstrom > free.bond_angstrom
    assert bound.share > 0.7
    assert np.array_equal(bound.positions[4:], SALT)
    assert free.neighbor_angstrom is None


def test_what_was_computed_is_read_and_another_continuum_is_another_calculation(tmp_path, monkeypatch):
    before = carbonyl_stretch(FREE_ONE, 30.0, tmp_path)
    monkeypatch.setattr(stretch, "_computed", lambda *_: pytest.fail("computed again"))
    assert carbonyl_stretch(FREE_ONE, 30.0, tmp_path).wavenumber == before.wavenumber
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        carbonyl_stretch(FREE_ONE, 20.0, tmp_path)


def test_what_does_not_converge_is_kept_without_a_number(tmp_path, monkeypatch):
    monkeypatch.setattr(stretch, "MAX_STEPS", 1)
    given_up = carbonyl_stretch(BOUND, 30.0, tmp_path)
    assert given_up.status == NOT_CONVERGED
    assert given_up.wavenumber is None
    assert given_up.positions.shape == (6, 3)


def test_a_carbonate_that_leaves_is_marked(tmp_path):
    at_fluoride = replace(BOUND, neighbor=5)  # where it is not
    assert carbonyl_stretch(at_fluoride, 30.0, tmp_path).status == LEFT


def test_the_tracked_mode_of_the_carbonate_is_that_of_all_modes_of_all_atoms():
    molecule = Chem.AddHs(Chem.MolFromSmiles("O=C1OCCO1"))
    AllChem.EmbedMolecule(molecule, randomSeed=1)
    positions = molecule.GetConformer().GetPositions()
    along = positions[0] - positions[1]
    elements = (*(atom.GetSymbol() for atom in molecule.GetAtoms()), "Li")
    evaluate = gfn2_function(elements, 1)
    start = np.vstack([positions, positions[0] + 1.7 * along / np.linalg.norm(along)])
    minimum = optimize(elements, start, evaluate)
    masses = np.array([GetPeriodicTable().GetAtomicWeight(element) for element in elements])

    everything = stretching(minimum, masses, 1, 0)
    wavenumbers, modes = normal_modes(numeric_hessian(evaluate, minimum), masses)
    of_all = wavenumbers[((modes.T @ everything.ravel()) ** 2).argmax()]

    carbonate = list(range(10))
    moving = only(carbonate, evaluate, minimum)
    found, share = tracked_mode(moving, minimum[carbonate], masses[carbonate], everything[carbonate])
    assert found == pytest.approx(of_all, abs=0.5)
    assert share > 0.9
