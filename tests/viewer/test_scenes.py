import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from MDAnalysis.lib.mdamath import triclinic_vectors
from small_boxes import gel, liquid, network

from solvshell.box import Box
from solvshell.viewer import Scene, scene_html, scene_of_box, scene_of_frame, scene_of_shell, scenes, viewer_script

SHELL = """9
Properties=species:S:1:pos:R:3 center=Li composition="EC1 PF61" distances_angstrom="1.900 2.000" pbc="F F F"
Li 0 0 0
O 1.9 0 0
C 3.1 0 0
P 0 3.6 0
F 0 2.0 0
F 0 5.2 0
F 1.6 3.6 0
F -1.6 3.6 0
F 0 3.6 1.6
"""


@pytest.fixture
def shell(tmp_path: Path) -> Scene:
    (tmp_path / "shell.xyz").write_text(SHELL)
    return scene_of_shell(tmp_path / "shell.xyz")


def atoms_of(scene: Scene) -> list[tuple[str, np.ndarray, str]]:
    """Element, position and type of each atom of a scene."""
    block = scene.model.split("@<TRIPOS>ATOM\n")[1].split("@<TRIPOS>BOND")[0]
    rows = [line.split() for line in block.splitlines()]
    return [(row[1], np.array(row[2:5], float), row[5]) for row in rows]


def bonds_of(scene: Scene) -> np.ndarray:
    rows = [line.split() for line in scene.model.split("@<TRIPOS>BOND\n")[1].splitlines()]
    return np.array([row[1:3] for row in rows], int).reshape(-1, 2) - 1


def looks_of(scene: Scene) -> list[dict]:
    """The style of each atom, by the selections."""
    of_type = {one: style for selection, style in scene.styles for one in selection["atom"]}
    return [of_type[atom_type] for _, _, atom_type in atoms_of(scene)]


def test_a_box_without_its_hydrogens_and_with_its_cell() -> None:
    box = liquid()
    scene = scene_of_box(box)
    heavy = [atom.element.symbol for atom in box.topology.atoms() if atom.element.symbol != "H"]
    assert [element for element, _, _ in atoms_of(scene)] == heavy
    assert scene.n_atoms == len(heavy)
    edges = [np.subtract(list(one["end"].values()), list(one["start"].values())) for one in scene.cylinders[:12]]
    lengths = np.linalg.norm(10 * box.box_vectors, axis=1)
    np.testing.assert_allclose(
        np.sort([np.linalg.norm(edge) for edge in edges]), np.sort(np.repeat(lengths, 4)), atol=0.02
    )


def test_every_bond_between_heavy_atoms_is_there_and_none_runs_across_the_box() -> None:
    for box in (liquid(), gel(), network()):
        scene = scene_of_box(box)
        positions = np.array([position for _, position, _ in atoms_of(scene)])
        ends = bonds_of(scene)
        assert np.linalg.norm(positions[ends[:, 0]] - positions[ends[:, 1]], axis=1).max() < 2.2
        known = sum(all(atom.element.symbol != "H" for atom in bond) for bond in box.topology.bonds())
        stubs = len(scene.cylinders) - 12
        assert stubs % 2 == 0
        assert len(ends) + stubs // 2 == known
    assert len(scene_of_box(liquid()).cylinders) == 12  # every molecule is whole
    assert len(scene_of_box(network()).cylinders) > 12


def test_ions_and_what_touches_them_stand_out() -> None:
    box = liquid()
    scene = scene_of_box(box)
    residues = [atom.residue.name for atom in box.topology.atoms() if atom.element.symbol != "H"]
    radii = {}
    for residue, (element, _, _), look in zip(residues, atoms_of(scene), looks_of(scene), strict=True):
        radii.setdefault((residue, element), set()).add(look.get("sphere", {}).get("radius"))
    assert radii["LI", "Li"] == {0.75}
    assert radii["PF6", "F"] == {0.34}
    assert None in radii["DMC", "C"]
    words = dict(scene.legend)
    assert words["Li"] == "#7b3294"
    assert list(words) == ["Li", "PF6", *(f"{name}, in a shell" for name in ("EC", "DMC", "DOL")), "other molecules"]


def test_of_a_huge_box_only_what_stands_out_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "MOST_ATOMS", 10)
    everything = scene_of_box(liquid())
    assert {"Li", "P", "F"} <= {element for element, _, _ in atoms_of(everything)}
    faint = [look for look in looks_of(everything) if look["stick"]["color"] == "#c9ced3"]
    assert not faint


def test_a_box_without_a_center() -> None:
    assert dict(scene_of_box(gel()).legend).keys() == {"PDAD", "NO3", "DME, in a shell", "other molecules"}


def test_a_shell_has_its_elements_bonds_and_contacts(shell: Scene) -> None:
    assert shell.title == "Li: 1 EC + 1 PF6"
    assert [element for element, _, _ in atoms_of(shell)] == ["Li", "O", "C", "P", *["F"] * 5]
    assert {tuple(pair) for pair in bonds_of(shell)} == {(1, 2), *((3, n) for n in range(4, 9))}
    looks = looks_of(shell)
    assert looks[0]["sphere"] == {"radius": 0.7, "color": "#7b3294"}
    assert looks[1]["sphere"]["color"] == dict(shell.legend)["oxygen"]
    assert len(shell.cylinders) == 2
    lengths = [np.subtract(list(one["end"].values()), list(one["start"].values())) for one in shell.cylinders]
    np.testing.assert_allclose([np.linalg.norm(one) for one in lengths], [1.9, 2.0], atol=0.02)
    positions = np.array([position for _, position, _ in atoms_of(shell)])
    assert np.linalg.norm(positions[3] - positions[0]) == pytest.approx(3.6, abs=0.02)  # turned, not bent


def test_a_triclinic_cell_has_its_edges() -> None:
    box = np.array([20.0, 22.0, 24.0, 60.0, 70.0, 80.0], dtype=np.float32)
    frame = replace(scenes._frame_of_box(liquid()), box=box)
    scene = scene_of_frame(frame, {}, {})
    ends = {tuple(one[side].values()) for one in scene.cylinders[:12] for side in ("start", "end")}
    corner = triclinic_vectors(box).sum(axis=0)
    assert min(np.linalg.norm(np.array(end) - corner) for end in ends) < 0.02
    assert len(ends) == 8


def test_no_name_gets_out_of_the_script(shell: Scene) -> None:
    evil = "</script><script>alert(1)</script><!-- & \u2028"
    html = str(scene_html([replace(shell, title=evil, legend=((evil, "red"),))], picture="<img src=x>"))
    assert html.count("<script") == html.count("</script>") == 1
    assert "<!--" not in html
    assert "&lt;img src=x&gt;" in html
    (text,) = re.findall(r'<script type="application/json">(.*)</script>', html, re.S)
    assert json.loads(text)[0]["title"] == evil
    assert json.loads(text)[0]["legend"][0][0] == evil


def test_what_a_page_holds_once() -> None:
    html = str(viewer_script())
    assert html.count("<script>") == html.count("</script>") == 2
    assert "<!--" not in html
    assert len(html) < 600_000
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=", html)


def test_a_box_of_hundreds_of_molecules_stays_small(box_path: Path) -> None:
    scene = scene_of_box(Box.load(box_path))
    assert len(str(scene_html([scene]))) < 60 * scene.n_atoms
