import numpy as np
import pytest
from MDAnalysis import Universe
from MDAnalysis.lib.distances import apply_PBC
from MDAnalysis.lib.mdamath import triclinic_vectors
from synthetic import make_universe, on_sphere, species_file

from solvshell.analysis import pairs
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.molecules import Molecules
from solvshell.analysis.sites import select_sites
from solvshell.errors import InvalidInput

TRICLINIC = np.array([20.0, 22.0, 24.0, 75.0, 80.0, 110.0], dtype=np.float32)


def wrapped(universe: Universe) -> np.ndarray:
    """Positions with every atom on its own moved into the cell."""
    return apply_PBC(universe.atoms.positions, universe.dimensions)


def centers(universe: Universe, positions: np.ndarray) -> np.ndarray:
    molecules = Molecules(universe.atoms, universe.atoms.resindices)
    out = np.empty((3, len(universe.residues)), np.float32)
    molecules.centers_of_mass(positions, pairs.cell_of(triclinic_vectors(universe.dimensions)), out=out)
    return apply_PBC(np.ascontiguousarray(out.T), universe.dimensions)


@pytest.mark.parametrize("with_bonds", [False, True])
@pytest.mark.parametrize("box", [(20, 20, 20, 90, 90, 90), TRICLINIC])
def test_a_molecule_cut_by_the_walls_has_the_center_of_mass_of_the_whole(box, with_bonds):
    rng = np.random.default_rng(0)
    molecules = [("PF6", ["P", "F1", "F2", "F3"])] * 30
    middle = rng.random((30, 1, 3)) * 24
    positions = (middle + np.concatenate([np.zeros((30, 1, 3)), 1.6 * on_sphere(rng, (30, 3))], axis=1)).reshape(-1, 3)
    universe = make_universe(molecules, positions, box)
    if with_bonds:
        universe.add_TopologyAttr("bonds", [(4 * m + 3, 4 * m + k) for m in range(30) for k in range(3)])
    whole = apply_PBC(universe.residues.atoms.center_of_mass(compound="residues").astype(np.float32), np.asarray(box))
    found = centers(universe, wrapped(universe))
    apart = np.abs(found - whole)
    assert np.minimum(apart, np.abs(apart - np.asarray(box)[:3])).max() < 2e-5


def test_a_chain_longer_than_the_cell_follows_its_bonds():
    chain = np.stack([1.5 * np.arange(40), np.full(40, 3.0), np.full(40, 3.0)], axis=1)  # 58.5 Å in a cell of 20 Å
    universe = make_universe([("EC", ["C"] * 40)], chain, (20, 20, 20, 90, 90, 90))
    universe.add_TopologyAttr("bonds", [(k, k + 1) for k in range(39)])
    assert centers(universe, wrapped(universe))[0] == pytest.approx([58.5 / 2 - 20, 3, 3], abs=1e-4)


def test_centers_of_mass_have_a_g_of_r_and_no_contacts():
    # A P in the middle of two F: the center of mass is 3 Å from Li although no atom but P is.
    positions = [[5, 5, 5], [8, 5, 5], [8, 6.5, 5], [8, 3.5, 5]]
    universe = make_universe([("LI", ["LI"]), ("PF6", ["P", "F1", "F2"])], positions)
    species = species_file(
        partners={"PF6": {"molecules": "resname PF6", "sites": {"f": "name F*"}, "center_of_mass": True}}
    )
    sites = select_sites(universe, species)
    assert [site.name for site in sites.sites] == ["f", "com"]
    results = SolvationGeometry.from_sites(sites).run().results
    assert results.edges[np.flatnonzero(results.counts[0, 0, 1])] == pytest.approx([3.0], abs=0.006)
    assert results.contacts.site.tolist() == [0, 0]


def test_a_center_of_mass_needs_masses():
    universe = make_universe([("LI", ["LI"]), ("EC", ["O"])], [[1, 1, 1], [3, 1, 1]])
    universe.atoms[1:].masses = 0
    species = species_file(partners={"EC": {"molecules": "resname EC", "center_of_mass": True}})
    with pytest.raises(InvalidInput, match=r"partners.EC.center_of_mass: this topology has no masses"):
        select_sites(universe, species)
