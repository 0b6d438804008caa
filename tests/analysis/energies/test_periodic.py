import numpy as np
import pytest
from ewald_by_hand import images, psi
from MDAnalysis.lib.mdamath import triclinic_vectors

from solvshell.analysis.energies.periodic import periodic_cell
from solvshell.analysis.energies.table import is_of, look_up, pair_table

CUBE = np.eye(3) * 20.0
CELLS = {
    "cube": CUBE,
    "orthogonal": np.diag([20.0, 27.0, 33.0]),
    "flat": np.diag([60.0, 60.0, 20.0]),
    "long": np.diag([20.0, 20.0, 80.0]),
    "rhombic dodecahedron": 30.0 * np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.5, np.sqrt(0.5)]]),
    "truncated octahedron": 30.0 * np.array([[1, 0, 0], [1 / 3, 8**0.5 / 3, 0], [-1 / 3, 2**0.5 / 3, 6**0.5 / 3]]),
    "triclinic": np.array([[30.0, 0, 0], [-10.0, 28.0, 0], [10.0, 14.0, 24.0]]),
    "skewed and flat": np.array([[60.0, 0, 0], [29.0, 55.0, 0], [-28.0, 25.0, 18.0]]),
    "not reduced": np.array([[30.0, 0, 0], [80.0, 25.0, 0], [-14.0, 60.0, 21.0]]),
}


def value(table, cell, points):
    """Return psi at points by the table."""
    fractions = points @ cell.inverse
    fractions -= np.rint(fractions)
    folded = np.linalg.norm(fractions @ cell.vectors, axis=1)
    smooth = np.array([look_up(table, *point) for point in fractions])
    return 1 / folded + smooth / np.cbrt(cell.volume)


@pytest.mark.parametrize("name", CELLS)
def test_psi_is_that_of_direct_sums_in_any_cell(name):
    vectors = CELLS[name]
    cell = periodic_cell(vectors)
    corners = images(cell.vectors, 1) / 2
    corners = corners[np.abs(corners).max(axis=1) > 0]
    points = np.concatenate([corners, (np.random.default_rng(0).random((300, 3)) - 0.5) @ vectors])
    deviation = value(pair_table(cell), cell, points) - psi(points, vectors)
    assert np.abs(deviation).max() * np.cbrt(cell.volume) < 5e-7


# Y. Sakamoto, J. Chem. Phys. 28 (1958) 164: of nearest neighbors
NACL, CSCL = 1.74756459463318, 1.76267477307099


@pytest.mark.parametrize(
    ("vectors", "ions", "madelung"),
    [
        (CUBE, [[0.5, 0.5, 0.5]], CSCL),
        (10 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]), [[0.5, 0.5, 0.5]], NACL),  # the primitive cell, rhombohedral
        (np.diag([20.0, 20.0, 40.0]), [[0.5, 0.5, 0.25], [0, 0, 0.5], [0.5, 0.5, 0.75]], CSCL),  # two cells
    ],
)
def test_madelung_constants(vectors, ions, madelung):
    cell = periodic_cell(vectors)
    table = pair_table(cell)
    xi = table.at_zero / np.cbrt(cell.volume)
    points, signs = np.array(ions) @ vectors, np.array([-1, 1, -1][: len(ions)])
    neighbor = np.linalg.norm(points[0][None] + images(vectors), axis=1).min()
    assert -neighbor * (xi + signs @ value(table, cell, points)) == pytest.approx(madelung, abs=2e-6)


@pytest.mark.parametrize(
    ("vectors", "energy"),
    [
        (np.eye(3), -2.837297479 / 2 * (3 / (4 * np.pi)) ** (1 / 3)),
        # P. Haensel, A. Y. Potekhin, D. G. Yakovlev, Neutron Stars 1 (Springer, 2007), Table 2.4
        (np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]), -0.895929255682),
        (np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]), -0.895873615195),
    ],
    ids=["simple cubic", "body-centered", "face-centered"],
)
def test_a_charge_among_its_own_images(vectors, energy):
    cell = periodic_cell(20.0 * vectors)
    radius = np.cbrt(3 * cell.volume / (4 * np.pi))
    xi = pair_table(cell).at_zero / np.cbrt(cell.volume)
    assert xi * radius / 2 == pytest.approx(energy, abs=1e-9)


@pytest.mark.parametrize("name", CELLS)
def test_cells_are_spanned_by_their_shortest_vectors(name):
    vectors = CELLS[name]
    cell = periodic_cell(vectors)
    whole = cell.vectors @ np.linalg.inv(vectors)
    assert np.allclose(whole, np.rint(whole), atol=1e-9)
    assert abs(np.linalg.det(whole)) == pytest.approx(1)
    lengths = np.sort(np.linalg.norm(images(vectors, 9), axis=1))[1:]
    ours = np.sort(np.linalg.norm(cell.vectors, axis=1))
    assert ours[0] == pytest.approx(lengths[0])
    # No vector of the lattice makes any of them shorter: a nearest image is one cell away at most.
    points = (np.random.default_rng(1).random((200, 3)) - 0.5) @ cell.vectors
    near = np.linalg.norm(points[:, None] + images(cell.vectors, 1), axis=2).min(axis=1)
    far = np.linalg.norm(points[:, None] + images(cell.vectors, 3), axis=2).min(axis=1)
    assert near == pytest.approx(far)


def test_a_table_serves_cells_of_its_shape_alone():
    table = pair_table(periodic_cell(CUBE))
    assert is_of(table, periodic_cell(1.05 * CUBE))
    assert not is_of(table, periodic_cell(CUBE * [1, 1, 1.00001]))


@pytest.mark.parametrize("box", [(46, 46, 46, 90, 90, 90), (46, 46, 46, 60, 60, 90), (45, 47, 50, 75, 105, 65)])
def test_a_cell_that_breathes_keeps_its_shape_in_single_precision(box):
    table = pair_table(periodic_cell(triclinic_vectors(box)))
    for factor in np.random.default_rng(0).uniform(0.9, 1.1, 100):
        scaled = np.array(box, np.float32)
        scaled[:3] *= np.float32(factor)
        assert is_of(table, periodic_cell(triclinic_vectors(scaled)))
