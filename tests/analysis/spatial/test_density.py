from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gridData import Grid
from MDAnalysis.lib.distances import apply_PBC
from MDAnalysis.lib.mdamath import triclinic_vectors
from scipy.spatial.transform import Rotation

from solvshell.analysis.reading.frames import open_trajectory
from solvshell.analysis.spatial.by_name import spatial_of_species
from solvshell.analysis.spatial.density import SPATIAL_COLUMNS, spatial_distribution, write_spatial
from solvshell.errors import InvalidInput
from tests.synthetic import make_universe, species_file

DATA = Path(__file__).parents[2] / "data" / "gromacs_lb003"
#: No two axes alike, no mirror plane: a body that can be turned in one way only.
BODY = np.array([[-1.5, 0.2, 0.1], [1.4, -0.3, 0.2], [0.3, 1.1, -0.4], [-0.2, -1.0, 0.1]])
NAMES = ["C1", "C2", "O", "N"]
CUBIC = (24.0, 24.0, 24.0, 90.0, 90.0, 90.0)
TRICLINIC = (26.0, 25.0, 27.0, 75.0, 80.0, 65.0)
#: In the frame of BODY, far from everything else.
SITE = np.array([2.1, 3.3, -1.7])


def tumbling(rng, box, n_frames=12, n_molecules=5, body=BODY, site=SITE):
    """Molecules that turn and move at will, one Li at a fixed place in the frame of each, everything wrapped."""
    molecules = [("EC", NAMES)] * n_molecules + [("LI", ["LI"])] * n_molecules
    vectors = triclinic_vectors(np.array(box, np.float32))
    frames = []
    for _ in range(n_frames):
        turn = Rotation.random(n_molecules, random_state=rng).as_matrix()
        shift = rng.random((n_molecules, 1, 3)) @ vectors
        bodies = (body @ turn + shift).reshape(-1, 3)
        ions = (site @ turn + shift[:, 0]).reshape(-1, 3)
        frames.append(apply_PBC(np.concatenate([bodies, ions]).astype(np.float32), np.array(box, np.float32)))
    return make_universe(molecules, frames, box)


def in_frame(distribution, point):
    """A point given in the frame of BODY, in that of the distribution."""
    rotation, _ = Rotation.align_vectors(distribution.positions_angstrom, BODY - BODY.mean(axis=0))
    return rotation.apply(point - BODY.mean(axis=0))


@pytest.mark.parametrize("box", [CUBIC, TRICLINIC])
def test_a_target_fixed_to_rotating_molecules_fills_one_voxel(box):
    universe = tumbling(np.random.default_rng(1), box)
    found = spatial_distribution(
        universe.select_atoms("resname EC"), universe.select_atoms("name LI"), r_max=6.0, spacing=0.5
    )
    wanted = in_frame(found, SITE)
    assert np.linalg.norm(wanted) == pytest.approx(np.linalg.norm(SITE - BODY.mean(axis=0)), abs=1e-5)
    near = np.array([np.abs(m - w) for m, w in zip(found.density.midpoints, wanted, strict=True)])
    voxel = tuple(near.argmin(axis=1))
    assert near.min(axis=1).max() <= 0.25
    assert found.fit_rmsd_angstrom < 1e-5
    # 60 of the 60 x 5 pairs stand there; the volume of a voxel is 1/8 Å^3.
    counts = found.density.grid * 0.125 * 60 * found.bulk_density_per_angstrom3
    assert counts[voxel] == pytest.approx(60, abs=1)  # another ion may come by
    others = counts[found.inside].sum() - counts[voxel]
    assert 0 < others < 60
    assert np.sort(counts.ravel())[-2] <= 3


@pytest.mark.parametrize("flat", [False, True])
def test_the_frame_is_that_of_the_molecule_and_no_mirror_image(flat):
    """A neighbor above the plane of three atoms is found above it, also where all atoms lie in that plane."""
    body = BODY * [1, 1, 0] if flat else BODY
    normal = np.cross(body[1] - body[0], body[2] - body[0])
    site = body.mean(axis=0) + 4.0 * normal / np.linalg.norm(normal)
    universe = tumbling(np.random.default_rng(2), CUBIC, body=body, site=site)
    found = spatial_distribution(universe.select_atoms("resname EC"), universe.select_atoms("name LI"), r_max=6.0)
    positions = found.positions_angstrom
    extents = np.sqrt((positions**2).sum(axis=0))
    assert np.linalg.svd(positions)[1] == pytest.approx(extents, abs=1e-5)  # x longest, z shortest
    assert positions.mean(axis=0) == pytest.approx(0, abs=1e-6)
    normal = np.cross(positions[1] - positions[0], positions[2] - positions[0])
    table = found.to_dataframe()
    away = np.linalg.norm(table[SPATIAL_COLUMNS[:3]] - 4.0 * normal / np.linalg.norm(normal), axis=1)
    near = table[away < 0.3]  # the place may lie on the wall of voxels
    assert near["g"].sum() * 0.25**3 * 60 * found.bulk_density_per_angstrom3 == pytest.approx(60, abs=1)


def test_an_ideal_gas_is_one_everywhere_within_its_error():
    """Also where the volume fluctuates by a factor of two."""
    rng = np.random.default_rng(3)
    n_frames, n_gas = 64, 400
    boxes = np.tile(CUBIC, (n_frames, 1))
    boxes[:, :3] *= rng.uniform(0.9, 1.13, size=(n_frames, 1))
    molecules = [("EC", NAMES)] * 20 + [("NA", ["NA"])] * n_gas
    frames = []
    for box in boxes:
        turn = Rotation.random(20, random_state=rng).as_matrix()
        bodies = (BODY @ turn + box[0] * rng.random((20, 1, 3))).reshape(-1, 3)
        frames.append(np.concatenate([bodies, box[0] * rng.random((n_gas, 3))]))
    universe = make_universe(molecules, frames, boxes)
    found = spatial_distribution(
        universe.select_atoms("resname EC"), universe.select_atoms("name NA"), r_max=8.0, spacing=2.0
    )
    table = found.to_dataframe()
    assert len(table) == found.inside.sum() == (found.density.grid != 0).sum()
    z = (table["g"] - 1) / table["stderr"]
    # Independent counts: 1 over their root, and the standard deviation of 8 blocks is 3.5 % too small on average.
    n_counts = n_frames * 20 * found.bulk_density_per_angstrom3 * 2.0**3
    assert table["stderr"].mean() == pytest.approx(0.965 / np.sqrt(n_counts), rel=0.06)
    assert table["g"].mean() == pytest.approx(1, abs=0.015)  # 0.005 of 40,000 counts
    # Student's t with 7 degrees of freedom: 5 % lie beyond 2.36.
    assert 0.01 < (z.abs() > 2.36).mean() < 0.12
    assert found.bulk_density_per_angstrom3 == pytest.approx(n_gas * np.mean(1 / boxes[:, 0] ** 3), rel=1e-5)


def test_neighbors_are_the_nearest_images_of_other_molecules():
    """Counted once more by plain distances from the centroid; atoms of the own molecule are none."""
    rng = np.random.default_rng(4)
    universe = tumbling(rng, CUBIC, n_frames=20, n_molecules=12)
    atoms = universe.select_atoms("resname EC")
    found = spatial_distribution(atoms, universe.select_atoms("name O"), r_max=9.0, spacing=0.25)
    distances = []
    for _ in universe.trajectory:
        for residue in atoms.residues:
            from_first = residue.atoms.positions - residue.atoms.positions[0]
            from_first -= CUBIC[0] * np.round(from_first / CUBIC[0])
            center = residue.atoms.positions[0] + from_first.mean(axis=0)
            others = (atoms.select_atoms("name O") - residue.atoms).positions - center
            others -= CUBIC[0] * np.round(others / CUBIC[0])
            distances.append(np.linalg.norm(others, axis=1))
    assert found.n_neighbors == (np.concatenate(distances) <= 9.0).sum()
    assert found.bulk_density_per_angstrom3 == pytest.approx(11 / 24.0**3)


def test_frames_are_chosen_and_a_single_one_has_no_error():
    universe = tumbling(np.random.default_rng(5), CUBIC, n_frames=9)
    groups = universe.select_atoms("resname EC"), universe.select_atoms("name LI")
    assert spatial_distribution(*groups, r_max=5, step=4).n_frames == 3
    one = spatial_distribution(*groups, r_max=5, start=8)
    assert one.n_frames == 1
    assert np.isnan(one.to_dataframe()["stderr"]).all()
    two = spatial_distribution(*groups, r_max=5, start=7).to_dataframe()
    assert two["stderr"].min() > 0


def test_names_of_a_species_file():
    universe = tumbling(np.random.default_rng(6), CUBIC)
    species = species_file(
        partners={"EC": {"molecules": "resname EC", "sites": {"o": "name O"}, "reference_sites": {"n": "name N"}}}
    )
    found = spatial_of_species(universe, species, "EC", "Li", r_max=6.0)
    again = spatial_distribution(universe.select_atoms("resname EC"), universe.select_atoms("name LI"), r_max=6.0)
    assert (found.density.grid == again.density.grid).all()
    assert found.density.grid.max() > 0
    of_nitrogen = spatial_of_species(universe, species, "EC", "EC.n")
    assert of_nitrogen.bulk_density_per_angstrom3 == pytest.approx(4 / 24.0**3)
    with pytest.raises(InvalidInput, match=r"of: 'EC.p' \(allowed: Li, EC, EC.o, EC.n\)"):
        spatial_of_species(universe, species, "EC", "EC.p")
    with pytest.raises(InvalidInput, match=r"around: 'Li' \(allowed: EC\)"):
        spatial_of_species(universe, species, "Li", "EC")


def test_names_of_partners_without_sites():
    universe = tumbling(np.random.default_rng(6), CUBIC)
    partners = {
        "EC": {"molecules": "resname EC", "sites": {}, "reference_sites": {"n": "name N"}},
        "Li": {"molecules": "name LI", "sites": {}, "reference_sites": {"ion": "name LI"}},
    }
    with pytest.raises(InvalidInput, match=r"of: 'EC' \(allowed: Li, EC.n, Li.ion\)"):
        spatial_of_species(universe, species_file(partners=partners), "EC", "EC")
    of_ions, of_center = (
        spatial_of_species(universe, species_file(partners=partners), "EC", name, r_max=6.0)
        for name in ("Li.ion", "Li")
    )
    assert (of_ions.density.grid == of_center.density.grid).all()


def test_in_a_liquid_lithium_stands_at_the_carbonyl_oxygen():
    """Species found by their graph; the densest voxel of Li around EC is near O2 and beyond it."""
    universe = open_trajectory(DATA / "lb003.gro", DATA / "lb003.xtc")
    found = spatial_of_species(universe, None, "EC", "Li", spacing=0.5, step=4)
    assert found.fit_rmsd_angstrom < 0.15  # a ring that hardly puckers
    densest = found.to_dataframe().nlargest(1, "g").iloc[0]
    assert densest["g"] > 50
    oxygen, carbon = (found.positions_angstrom[found.atoms.names == name][0] for name in ("O2", "C3"))
    at = densest[SPATIAL_COLUMNS[:3]].to_numpy(float)
    assert 1.5 < np.linalg.norm(at - oxygen) < 2.5
    assert np.linalg.norm(at - carbon) > 2.5


def test_dx_reads_back(tmp_path):
    universe = tumbling(np.random.default_rng(7), CUBIC)
    found = spatial_distribution(universe.select_atoms("resname EC"), universe.select_atoms("name LI"), r_max=4.0)
    write_spatial(found, tmp_path / "sdf.dx")
    grid = Grid(str(tmp_path / "sdf.dx"))
    assert grid.grid == pytest.approx(found.density.grid)
    assert grid.origin == pytest.approx(found.density.origin)
    assert grid.delta == pytest.approx([0.25] * 3)
    assert [path.name for path in tmp_path.iterdir()] == ["sdf.dx"]


def read_cube(text):
    """Gaussian's format: n_atoms and origin, three axes, atoms, values."""
    lines = text.splitlines()[2:]
    n_atoms, *origin = lines[0].split()
    axes = np.array([line.split() for line in lines[1:4]], dtype=float)
    atoms = np.array([line.split() for line in lines[4 : 4 + int(n_atoms)]], dtype=float)
    values = np.array(" ".join(lines[4 + int(n_atoms) :]).split(), dtype=float)
    return np.array(origin, float), axes, atoms, values.reshape(axes[:, 0].astype(int))


def test_cube_reads_back(tmp_path):
    universe = tumbling(np.random.default_rng(8), CUBIC)
    universe.add_TopologyAttr("elements", [name.rstrip("12").capitalize() for name in universe.atoms.names])
    found = spatial_distribution(universe.select_atoms("resname EC"), universe.select_atoms("name LI"), r_max=4.0)
    write_spatial(found, tmp_path / "sdf.cube")
    text = (tmp_path / "sdf.cube").read_text()
    origin, axes, atoms, values = read_cube(text)
    bohr = 0.529177210903
    assert values == pytest.approx(found.density.grid, rel=1e-5)
    assert values.max() > 0
    assert axes[:, 1:] * bohr == pytest.approx(0.25 * np.eye(3), abs=1e-6)
    assert origin * bohr == pytest.approx([-3.875] * 3, abs=1e-6)
    assert atoms[:, 0].tolist() == atoms[:, 1].tolist() == [6, 6, 8, 7]
    assert atoms[:, 2:] * bohr == pytest.approx(found.positions_angstrom, abs=1e-6)
    assert max(map(len, text.splitlines())) <= 80


def test_refusals(tmp_path):
    universe = tumbling(np.random.default_rng(9), CUBIC)
    molecules, ions = universe.select_atoms("resname EC"), universe.select_atoms("name LI")
    with pytest.raises(InvalidInput, match="fit_atoms: 1 heavy atoms in a molecule; an orientation takes three"):
        spatial_distribution(ions, molecules)
    with pytest.raises(InvalidInput, match="molecules of 3 and of 4 atoms"):
        spatial_distribution(molecules[1:], ions)
    other_order = make_universe([("EC", NAMES), ("EC", NAMES[::-1])], np.zeros((8, 3)))
    with pytest.raises(InvalidInput, match="differ in names or order"):
        spatial_distribution(other_order.atoms, other_order.atoms)
    with pytest.raises(InvalidInput, match=r"spacing, r_max: 0.25, 12.5 Å .*12 Å, half the width"):
        spatial_distribution(molecules, ions, r_max=12.5)
    with pytest.raises(InvalidInput, match=r"spacing: 0.01 Å \(allowed for this r_max: 0.0625 Å or more\)"):
        spatial_distribution(molecules, ions, r_max=8.0, spacing=0.01)
    with pytest.raises(InvalidInput, match="leave none of the frames"):
        spatial_distribution(molecules, ions, start=100)
    with pytest.raises(InvalidInput, match="no atom outside of a reference molecule"):
        spatial_distribution(molecules[:4], molecules[:2])
    with pytest.raises(InvalidInput, match="target: is of another universe"):
        spatial_distribution(molecules, other_order.atoms)
    with pytest.raises(InvalidInput, match="fit_atoms: 2 atoms of 'name C1 C2' in a molecule"):
        spatial_distribution(molecules, ions, fit_atoms="name C1 C2")
    with pytest.raises(InvalidInput, match="fit_atoms: 'nam C1' is not a selection"):
        spatial_distribution(molecules, ions, fit_atoms="nam C1")
    with pytest.raises(InvalidInput, match="molecules_are: fragments need bonds"):
        spatial_distribution(molecules, ions, molecules_are="fragments")
    found = spatial_distribution(molecules, ions, r_max=4.0)
    with pytest.raises(InvalidInput, match=r"ends on '.vtk' \(allowed: .dx, .cube\)"):
        write_spatial(found, tmp_path / "sdf.vtk")
    with pytest.raises(InvalidInput, match="no folder"):
        write_spatial(found, tmp_path / "missing" / "sdf.dx")
    unknown = make_universe([("EC", NAMES)], np.zeros((4, 3)))
    unknown.atoms.masses = [3.0, 8.0, 16.0, 14.0]
    with pytest.raises(InvalidInput, match=r"the mass 3 of atom type .* is of no element"):
        write_spatial(replace(found, atoms=unknown.atoms), tmp_path / "sdf.cube")


def test_atoms_on_a_line_have_no_orientation():
    line = make_universe([("CO2", ["O1", "C", "O2"]), ("LI", ["LI"])], [[0, 0, 0], [1.2, 0, 0], [2.4, 0, 0], [5, 5, 5]])
    with pytest.raises(InvalidInput, match="lie on one line"):
        spatial_distribution(line.select_atoms("resname CO2"), line.select_atoms("name LI"))
