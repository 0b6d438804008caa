"""The files of AMBER: what ParmEd makes of a box, read back by OpenMM."""

from pathlib import Path

import numpy as np
import pytest
from engines import amber_terms, box_terms, placed, shaken
from small_boxes import as_network, gel

from solvshell.box import Box
from solvshell.errors import InvalidInput
from solvshell.export import export_box

pytest.importorskip("parmed", reason="ParmEd is not installed: pip install '.[amber]'")


@pytest.fixture(scope="module")
def box() -> Box:
    return shaken(gel())


def test_openmm_reads_the_same_energies(box: Box, tmp_path: Path) -> None:
    export_box(box, "amber", tmp_path / "out")
    assert amber_terms(tmp_path / "out", cutoff=0.5) == pytest.approx(box_terms(box), rel=1e-6)


def test_a_triclinic_cell_survives(box: Box, tmp_path: Path) -> None:
    cell = box.box_vectors + np.array([[0, 0, 0], [0.3, 0, 0], [-0.2, 0.4, 0]])
    skewed = placed(box, box.positions, cell)
    export_box(skewed, "amber", tmp_path / "out")
    ours = box_terms(skewed)
    assert abs(ours["coulomb"] - box_terms(box)["coulomb"]) > 1.0
    assert amber_terms(tmp_path / "out", cutoff=0.5) == pytest.approx(ours, rel=1e-5)


def test_the_input_has_the_cutoff_and_the_tail(box: Box, tmp_path: Path) -> None:
    export_box(box, "amber", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["box.prmtop", "box.rst7", "npt.in"]
    text = (tmp_path / "out" / "npt.in").read_text()
    assert "cut = 5," in text
    assert "vdwmeth = 1," in text


def test_a_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="AMBER knows no bonds across the boundary"):
        export_box(as_network(gel()), "amber", tmp_path / "out")
    assert not list(tmp_path.iterdir())
