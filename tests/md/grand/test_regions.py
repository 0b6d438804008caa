"""Slabs and spheres: as large as they say, the same for every image, and drawn from evenly; in skewed cells too."""

from itertools import product

import numpy as np
import pytest

from solvshell.errors import InvalidInput
from solvshell.md.grand.regions import Region, Slab, Sphere, WholeBox

CUBE = np.eye(3) * 2.1
SKEWED = np.array([[2.4, 0.0, 0.0], [0.8, 2.2, 0.0], [-0.9, 0.7, 2.0]])
CELLS = {"cube": CUBE, "skewed": SKEWED}
#: of three atoms, the last of which is outside of the cell
POSITIONS = np.array([[0.1, 0.2, 0.3], [1.0, 1.0, 1.0], [-5.3, 7.1, 0.4]])
REGIONS: dict[str, Region] = {
    "box": WholeBox(),
    "slab-x": Slab(0, 0.25, 0.6),
    "slab-z": Slab(2, 0.7, 1.0),
    "sphere": Sphere((0.9, 0.1, 0.5), 0.7),
    "sphere-of-atom": Sphere(2, 0.6),
}


@pytest.fixture
def generator():
    return np.random.default_rng(5)


@pytest.fixture(params=CELLS.values(), ids=CELLS.keys())
def cell(request):
    return request.param


@pytest.mark.parametrize("region", REGIONS.values(), ids=REGIONS.keys())
def test_volume_is_the_share_of_points_inside(region, cell, generator):
    n = 40_000
    points = generator.random((n, 3)) @ cell
    share = region.contains(points, cell, POSITIONS).mean()
    expected = region.volume(cell, POSITIONS) / np.linalg.det(cell)
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / n))


@pytest.mark.parametrize("region", REGIONS.values(), ids=REGIONS.keys())
def test_images_are_inside_together(region, cell, generator):
    points = generator.random((500, 3)) @ cell
    inside = region.contains(points, cell, POSITIONS)
    for shift in ([3, 0, 0], [0, -2, 1], [-1, -1, -4]):
        assert np.array_equal(region.contains(points + np.array(shift) @ cell, cell, POSITIONS), inside)


@pytest.mark.parametrize("region", REGIONS.values(), ids=REGIONS.keys())
def test_draws_are_inside(region, cell, generator):
    drawn = np.array([region.draw(generator, cell, POSITIONS) for _ in range(500)])
    assert region.contains(drawn, cell, POSITIONS).all()


def is_even(values):
    """Return whether as many of some numbers from 0 to 1 are in each tenth."""
    shares = np.histogram(values, bins=10, range=(0, 1))[0] / len(values)
    return shares == pytest.approx(np.full(10, 0.1), abs=4 * np.sqrt(0.1 / len(values)))


@pytest.mark.parametrize(("region", "low", "high"), [(WholeBox(), 0.0, 1.0), (Slab(1, 0.25, 0.6), 0.25, 0.6)])
def test_draws_fill_slab_and_box(region, low, high, generator):
    drawn = np.array([region.draw(generator, SKEWED, POSITIONS) for _ in range(4000)]) @ np.linalg.inv(SKEWED)
    assert is_even(drawn[:, 0])
    assert is_even((drawn[:, 1] - low) / (high - low))
    assert is_even(drawn[:, 2])


def test_draws_in_a_sphere_fill_its_volume(generator):
    region = Sphere((0.5, 0.5, 0.5), 0.8)
    center = np.array([0.5, 0.5, 0.5]) @ SKEWED
    arms = np.array([region.draw(generator, SKEWED, POSITIONS) for _ in range(4000)]) - center
    r = np.linalg.norm(arms, axis=1)
    assert is_even((r / 0.8) ** 3)
    assert is_even((arms[:, 0] / r + 1) / 2)  # as it is for directions, by Archimedes


def test_sphere_finds_the_nearest_of_all_images(cell, generator):
    region = Sphere(2, 0.7)
    points = (generator.random((150, 3)) * 5 - 2) @ cell
    images = np.array(list(product(range(-8, 9), repeat=3))) @ cell
    away = points[:, None] - POSITIONS[2] + images
    assert np.array_equal(region.contains(points, cell, POSITIONS), (np.linalg.norm(away, axis=2) < 0.7).any(axis=1))


def test_sphere_moves_with_its_atom():
    region, point = Sphere(1, 0.5), np.array([[1.0, 1.0, 1.4]])
    assert region.contains(point, CUBE, POSITIONS).all()
    assert not region.contains(point, CUBE, POSITIONS - [0, 0, 0.2]).any()


def test_slab_changes_with_the_cell():
    region, point = Slab(2, 0.5, 1.0), np.array([[0.3, 0.3, 1.3]])
    assert region.volume(1.1 * CUBE, POSITIONS) == pytest.approx(1.1**3 * region.volume(CUBE, POSITIONS))
    assert region.contains(point, CUBE, POSITIONS).all()
    assert not region.contains(point, 1.3 * CUBE, POSITIONS).any()


def test_edges_belong_to_one_of_two_slabs():
    points = np.array([[0, 0, z] for z in (0.0, 1.05, 2.1, -1e-18, 1.05 - 1e-15)])
    lower, upper = (Slab(2, *between).contains(points, CUBE, POSITIONS) for between in ((0, 0.5), (0.5, 1)))
    assert np.array_equal(lower, ~upper)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Slab(3, 0.1, 0.5), "axis: 0, 1 or 2, got 3"),
        (lambda: Slab(2, 0.6, 0.5), "the smaller first, got 0.6 and 0.5"),
        (lambda: Slab(2, 0.6, 1.5), "two fractions of the cell"),
        (lambda: Sphere(0, 0.0), "radius: greater than 0 nm"),
        (lambda: Sphere(0, 1.06).volume(CUBE, POSITIONS), "at most half .* 1.050 nm, got 1.06"),
        (lambda: Sphere(0, 0.995).contains(POSITIONS, SKEWED, POSITIONS), "at most half"),
        (lambda: Sphere(0, 0.995).draw(np.random.default_rng(1), SKEWED, POSITIONS), "at most half"),
    ],
)
def test_refused(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()
