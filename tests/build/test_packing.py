"""What Packmol is told, what it makes, and how it fails."""

import itertools

import numpy as np
import pytest
from scipy.spatial import cKDTree

from solvshell.build.geometry import broken_geometry
from solvshell.build.molecules import Molecule
from solvshell.build.packing import PackmolError, cube_length, pack, packmol_input
from solvshell.errors import InvalidInput

N = {"Li": 3, "PF6": 3, "EC": 12, "DMC": 10}
TOLERANCE = 0.2


def mass(molecules: dict[str, Molecule], n: dict[str, int]) -> float:
    return sum(count * molecules[name].template.molar_mass for name, count in n.items())


def test_what_packmol_is_told() -> None:
    assert packmol_input({"Li": 2, "EC": 11}, length=2.29008, tolerance=0.2, seed=4) == (
        "tolerance 2.0000\n"
        "pbc 22.9008 22.9008 22.9008\n"
        "filetype xyz\n"
        "output packed.xyz\n"
        "seed 4\n"
        "\n"
        "structure Li.xyz\n"
        "  number 2\n"
        "end structure\n"
        "\n"
        "structure EC.xyz\n"
        "  number 11\n"
        "end structure\n"
    )


def test_the_cube_has_its_density(molecules: dict[str, Molecule]) -> None:
    # 100 EC (88.062 g/mol) at 1.321 g/cm3
    expected = (100 * 88.062 / 6.02214076e23 / 1.321) ** (1 / 3) * 1e7
    assert cube_length(100 * molecules["EC"].template.molar_mass, 1.321) == pytest.approx(expected, rel=1e-9)


@pytest.fixture(scope="module")
def length(molecules: dict[str, Molecule]) -> float:
    return cube_length(mass(molecules, N), 1.0)


@pytest.fixture(scope="module")
def packed(molecules: dict[str, Molecule], length: float) -> np.ndarray:
    return pack(molecules, N, length, TOLERANCE, seed=5)


def molecule_of_atom(molecules: dict[str, Molecule]) -> np.ndarray:
    sizes = [len(molecules[name].template.elements) for name, count in N.items() for _ in range(count)]
    return np.repeat(np.arange(len(sizes)), sizes)


def test_molecules_keep_their_distance_across_the_faces(
    molecules: dict[str, Molecule], packed: np.ndarray, length: float
) -> None:
    owner = molecule_of_atom(molecules)
    assert packed.shape == (len(owner), 3)

    def closest(points: np.ndarray, boxsize: float | None) -> float:
        pairs = cKDTree(points, boxsize=boxsize).query_pairs(0.5, output_type="ndarray")
        i, j = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]].T
        difference = points[i] - points[j]
        if boxsize is not None:
            difference -= boxsize * np.round(difference / boxsize)
        return float(np.linalg.norm(difference, axis=1).min())

    nearest = closest(np.mod(packed, length), length)
    assert 0.95 * TOLERANCE <= nearest < 1.5 * TOLERANCE
    # Without images the check would see less: the box is filled up to its faces.
    extent = np.ptp(packed, axis=0)
    assert (extent > 0.9 * length).all()


def test_molecules_are_rigid_copies_in_the_order_of_the_counts(
    molecules: dict[str, Molecule], packed: np.ndarray
) -> None:
    start = 0
    for name, count in N.items():
        inside = molecules[name].positions
        for _ in range(count):
            x = packed[start : start + len(inside)]
            start += len(inside)
            for i, j in itertools.combinations(range(len(inside)), 2):
                assert np.linalg.norm(x[i] - x[j]) == pytest.approx(np.linalg.norm(inside[i] - inside[j]), abs=2e-5)
    assert start == len(packed)


def test_the_same_seed_gives_the_same_positions(
    molecules: dict[str, Molecule], packed: np.ndarray, length: float
) -> None:
    np.testing.assert_array_equal(pack(molecules, N, length, TOLERANCE, seed=5), packed)
    assert not np.allclose(pack(molecules, N, length, TOLERANCE, seed=6), packed)


def test_packed_molecules_are_whole(molecules: dict[str, Molecule], packed: np.ndarray, vacuum_system: object) -> None:
    _, system = vacuum_system(*(name for name, count in N.items() for _ in range(count)))  # type: ignore[operator]
    assert broken_geometry(system, packed) == {}


def test_a_failed_packing_shows_packmols_output(molecules: dict[str, Molecule]) -> None:
    n = {"PF6": 2}
    length = cube_length(mass(molecules, n), 5.3)
    with pytest.raises(PackmolError) as caught:
        pack(molecules, n, length, TOLERANCE, seed=1)
    message = str(caught.value)
    assert message.startswith("Packmol failed (status ")
    assert f"2 molecules in a cube of {length:.3f} nm with tolerance 0.2 nm; lower packing.density" in message
    assert "Its output:" in message
    assert "ERROR" in message or "STOP" in message


def test_a_packing_that_takes_too_long_is_stopped(molecules: dict[str, Molecule]) -> None:
    n = {"DMC": 300}
    with pytest.raises(PackmolError, match=r"Packmol did not finish within 0.05 s: lower packing.density"):
        pack(molecules, n, cube_length(mass(molecules, n), 1.2), TOLERANCE, seed=1, timeout_s=0.05)


def test_a_tolerance_that_does_not_fit_is_refused(molecules: dict[str, Molecule]) -> None:
    with pytest.raises(InvalidInput, match=r"packing.tolerance: 0.6 nm does not fit a box of 1.200 nm"):
        pack(molecules, {"EC": 2}, 1.2, 0.6, seed=1)
