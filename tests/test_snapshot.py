from dataclasses import replace

import numpy as np
import pytest
from MDAnalysis.lib.distances import apply_PBC, minimize_vectors
from MDAnalysis.lib.mdamath import triclinic_vectors

from solvshell.snapshot import (
    Frame,
    _chosen,
    _compositions,
    contacts_of,
    frame_of,
    plot_snapshot,
    whole_residues,
)
from solvshell.spheres import half_bonds, project


@pytest.fixture
def frame() -> Frame:
    """Two Li in a box of 20 Å; one has an EC through the face of the box, the other PF6 and EC. EC is O-C-C."""
    positions = [
        [0.5, 10, 10], [10, 10, 10],  # Li
        [19.0, 10, 10], [17.8, 10, 10], [16.6, 10, 10],
        [12.0, 10, 10], [13.2, 10, 10], [14.4, 10, 10],
        [10.0, 12, 10], [10.0, 13.6, 10],
    ]  # fmt: skip
    return Frame(
        np.array(positions, dtype=float),
        np.array([20.0, 20, 20, 90, 90, 90]),
        np.array([[2, 3], [3, 4], [5, 6], [6, 7], [8, 9]]),
        np.array(["Li", "Li", "O", "C", "C", "O", "C", "C", "F", "P"], dtype=object),
        np.array([0, 1, 2, 2, 2, 3, 3, 3, 4, 4]),
        np.array(["Li", "Li", *["EC"] * 6, "PF6", "PF6"], dtype=object),
        {"PF6": "anion", "EC": "solvent", "Li": "center"},
        {("EC", "o"): np.array([2, 5]), ("PF6", "f"): np.array([8])},
    )


CUTOFFS = {("Li", "EC", "o"): 3.0, ("Li", "PF6", "f"): 3.0}


def test_shells_reach_through_the_face_of_the_box(frame: Frame) -> None:
    contacts = contacts_of(frame, CUTOFFS)
    assert {tuple(pair) for pair in contacts} == {(0, 2), (1, 5), (1, 8)}
    assert _compositions(frame, contacts) == {0: "EC1", 1: "PF61 EC1"}


def test_the_ion_shown_has_the_most_frequent_shell_of_those_there_are(frame: Frame) -> None:
    compositions = _compositions(frame, contacts_of(frame, CUTOFFS))
    assert _chosen(compositions, ["EC4", "PF61 EC1", "EC1"]) == 1
    assert _chosen(compositions, ["EC1", "PF61 EC1"]) == 0
    assert _chosen(compositions, []) == 0


def test_no_bond_runs_across_the_box(frame: Frame) -> None:
    """Also not those of a network, where no molecule can be made whole: two stubs towards the nearest images."""
    broken = frame.positions.copy()
    broken[4] = [0.2, 10, 10]
    broken[3] = [19.4, 10, 10]
    halves = half_bonds(broken, frame.bonds, frame.box)
    lengths = np.linalg.norm(halves[:, :, 1] - halves[:, :, 0], axis=2)
    assert lengths.max() < 1.0
    assert lengths[1] == pytest.approx([0.4, 0.4])
    np.testing.assert_allclose(halves[1, 0, 1], [19.8, 10, 10])
    np.testing.assert_allclose(halves[1, 1, 1], [-0.2, 10, 10], atol=1e-9)
    assert half_bonds(broken, np.zeros((0, 2), int), frame.box).shape == (0, 2, 2, 3)


@pytest.mark.parametrize("box", [[20, 20, 20, 90, 90, 90], [20, 20, 20, 60, 60, 90]])
def test_each_unit_is_drawn_whole(box: list[float]) -> None:
    """A chain of two units of three atoms, wrapped atom by atom: no bond within a unit is cut, the one between is."""
    rng = np.random.default_rng(4)
    true = np.array([[15.0, 10, 1], [16.5, 10, 1], [18, 10, 1], [19.5, 10, 0.5], [21, 10, -0.5], [22.5, 10, -1]])
    box_array = np.array(box, dtype=np.float32)
    wrapped = apply_PBC((true + rng.integers(-2, 3, 3) @ triclinic_vectors(box_array)).astype(np.float32), box_array)
    bonds = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]])
    units = np.array([0, 0, 0, 1, 1, 1])
    frame = Frame(
        wrapped.astype(float), box_array, bonds, np.array(["C"] * 6, dtype=object), units,
        np.array(["POTA"] * 6, dtype=object), {"POTA": "polymer"}, {},
    )  # fmt: skip
    whole = whole_residues(frame)
    lengths = np.linalg.norm(np.diff(whole[bonds], axis=1)[:, 0], axis=1)
    expected = np.linalg.norm(np.diff(true[bonds], axis=1)[:, 0], axis=1)
    within = [0, 1, 3, 4]
    np.testing.assert_allclose(lengths[within], expected[within], atol=1e-4)
    for unit in (0, 1):
        centroid = whole[units == unit].mean(axis=0)
        np.testing.assert_allclose(apply_PBC(centroid.astype(np.float32)[None], box_array)[0], centroid, atol=1e-4)
    # Nothing has gone but by whole cells, and the bond between the units is still drawn to the nearest image.
    np.testing.assert_allclose(minimize_vectors(whole - wrapped, box=box_array), 0, atol=1e-4)
    halves = half_bonds(whole, bonds, box_array)
    np.testing.assert_allclose(np.linalg.norm(halves[2, :, 1] - halves[2, :, 0], axis=1), expected[2] / 2, atol=1e-4)


def test_the_picture_shows_units_whole(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(frame, positions=frame.positions.copy())
    broken.positions[[2, 3, 4]] = [[0.2, 10, 10], [19.0, 10, 10], [17.8, 10, 10]]
    drawn = []
    monkeypatch.setattr("solvshell.snapshot.draw", lambda _, strokes: drawn.append(strokes))
    plot_snapshot(broken, CUTOFFS, ["EC1"], {}, "a box")
    lines = drawn[0].lines
    ends = lines.reshape(-1, 2, 2, 3)[:2, :, 1]  # both halves of the bonds of that EC meet in the middle
    np.testing.assert_allclose(ends[:, 0], ends[:, 1], atol=1e-4)


def test_the_projection_keeps_lengths() -> None:
    points = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(np.linalg.norm(project(points), axis=1), np.linalg.norm(points, axis=1))


def test_pictures_are_drawn_also_of_strange_boxes(frame: Frame) -> None:
    figure = plot_snapshot(frame, CUTOFFS, ["EC1"], {"EC": "#0072B2", "PF6": "#D55E00"}, "a box")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a box", "one Li: 1 EC"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["Li", "PF6", "EC, in a shell", "other solvent"]
    for box in ([20, 20, 20, 60, 60, 90], [22, 20, 18, 90, 90, 90]):
        plot_snapshot(replace(frame, box=np.array(box, float)), CUTOFFS, [], {}, "a box").canvas.draw()
    alone = plot_snapshot(frame, {}, [], {}, "no shells")  # nobody has a neighbour
    assert alone.axes[1].get_title(loc="left") == "one Li: empty"


def test_a_frame_of_a_universe(frame: Frame) -> None:
    from synthetic import make_universe, species_file

    universe = make_universe([("LI", ["LI"]), ("PF6", ["P", "F"]), ("EC", ["O"])], np.arange(12.0).reshape(1, 4, 3))
    universe.add_TopologyAttr("types", ["Li", "P", "F", "O"])
    made = frame_of(universe, species_file())
    assert list(made.species) == ["Li", "PF6", "PF6", "EC"]
    assert made.roles == {"PF6": "anion", "EC": "solvent", "Li": "center"}
    assert made.bonds.shape == (0, 2)
    assert {key: list(value) for key, value in made.sites.items()} == {("PF6", "f"): [2], ("EC", "carbonyl_o"): [3]}
