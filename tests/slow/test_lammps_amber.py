"""The model of a box in the files of LAMMPS and of AMBER: one energy, term by term, and a short run of LAMMPS."""

import shutil
from pathlib import Path

import pytest
import small_boxes
from engines import amber_terms, box_terms, lammps_terms, largest_difference, run, shaken
from parity import built

from solvshell.box import Box
from solvshell.export import export_box

pytestmark = pytest.mark.slow
needs_lammps = pytest.mark.skipif(shutil.which("lmp") is None, reason="LAMMPS (lmp) is not installed")
TERM = 1e-5


@pytest.fixture(scope="module")
def boxes() -> dict[str, Box]:
    return {recipe: shaken(built(recipe)) for recipe in ("lb003", "ls002", "lb003_pota-no3")}


@needs_lammps
@pytest.mark.parametrize("recipe", ["lb003", "ls002", "lb003_pota-no3"])
def test_lammps_has_the_same_energies(recipe: str, boxes: dict[str, Box], tmp_path: Path) -> None:
    export_box(boxes[recipe], "lammps", tmp_path / "export")
    assert lammps_terms(tmp_path / "export") == pytest.approx(box_terms(boxes[recipe]), rel=TERM)


@needs_lammps
def test_lammps_has_the_same_energies_of_a_network(tmp_path: Path) -> None:
    box = shaken(small_boxes.network())
    export_box(box, "lammps", tmp_path / "export")
    assert lammps_terms(tmp_path / "export") == pytest.approx(box_terms(box), rel=TERM)


@needs_lammps
@pytest.mark.parametrize(("right", "wrong"), [("0.0 0.0 0.5", "0.0 0.0 1.0"), ("mix arithmetic", "mix geometric")])
def test_a_wrong_script_would_show(right: str, wrong: str, boxes: dict[str, Box], tmp_path: Path) -> None:
    export_box(boxes["lb003"], "lammps", tmp_path / "export")
    script = tmp_path / "export" / "point.lammps"
    assert right in script.read_text()
    script.write_text(script.read_text().replace(right, wrong))
    assert largest_difference(box_terms(boxes["lb003"]), lammps_terms(tmp_path / "export")) > 1e-4


@needs_lammps
def test_lammps_runs_the_script(boxes: dict[str, Box], tmp_path: Path) -> None:
    export_box(boxes["lb003"], "lammps", tmp_path / "export")
    script = tmp_path / "export" / "in.lammps"
    script.write_text(script.read_text().replace("run             1000000", "run             1000"))
    run(tmp_path / "export", "lmp", "-in", "in.lammps")
    assert (tmp_path / "export" / "final.data").is_file()
    frames = (tmp_path / "export" / "trajectory.lammpstrj").read_text().count("ITEM: TIMESTEP")
    assert frames == 2


@pytest.mark.parametrize("recipe", ["lb003", "ls002", "lb003_pota-no3"])
def test_the_files_of_amber_hold_the_same_energies(recipe: str, boxes: dict[str, Box], tmp_path: Path) -> None:
    export_box(boxes[recipe], "amber", tmp_path / "export")
    assert amber_terms(tmp_path / "export") == pytest.approx(box_terms(boxes[recipe]), rel=TERM)


def test_a_wrong_1_4_scaling_in_the_files_of_amber_would_show(boxes: dict[str, Box], tmp_path: Path) -> None:
    export_box(boxes["lb003"], "amber", tmp_path / "export")
    topology = tmp_path / "export" / "box.prmtop"
    text = topology.read_text()
    start = text.index("%FLAG SCEE_SCALE_FACTOR")
    end = text.index("%FLAG", start + 1)
    assert "2.00000000E+00" in text[start:end]
    scaled = text[start:end].replace("2.00000000E+00", "1.20000000E+00")
    topology.write_text(text[:start] + scaled + text[end:])
    assert largest_difference(box_terms(boxes["lb003"]), amber_terms(tmp_path / "export")) > 1e-4
