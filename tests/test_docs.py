"""The Python examples of the documentation run as they are written."""

import re
import shutil
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest
from open_runs_by_hand import open_run_by_hand
from openmm import XmlSerializer
from small_boxes import gromacs_lb003

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data" / "gromacs_lb003"


def blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Guessed:UserWarning")
def test_the_examples_of_the_analysis_page(tmp_path, monkeypatch):
    for name in ("lb003.gro", "lb003.xtc"):
        shutil.copy(DATA / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    examples = [example for example in blocks(ROOT / "docs" / "analysis.md") if "open_production" not in example]
    assert len(examples) == 3
    for example in examples:
        exec(example, names)
    assert (names["contacts"].distance_angstrom <= 5).all()
    assert names["nearest_four"].contacts.frame.size == 4 * 8 * len(names["geometry"].results.frames)
    assert names["analysis"].speciation.fraction.sum() == pytest.approx(1)
    assert (tmp_path / "solvation.svg").stat().st_size > 10_000


@pytest.mark.filterwarnings("ignore:Found:UserWarning", "ignore:Unit cell:UserWarning")
def test_the_example_of_a_frame_without_ghosts(tmp_path, monkeypatch):
    run, _, n_there = open_run_by_hand(tmp_path)
    run.path.rename(tmp_path / "open")
    monkeypatch.chdir(tmp_path)
    (example,) = (example for example in blocks(ROOT / "docs" / "analysis.md") if "open_production" in example)
    exec(example, {})
    written = mda.Universe("last.pdb").residues.resnames
    assert [(written == name).sum() for name in ("EC", "DMC")] == n_there[-1].tolist()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Guessed:UserWarning")
def test_the_examples_of_the_page_of_energies(tmp_path, monkeypatch):
    for name in ("lb003.gro", "lb003.xtc"):
        shutil.copy(DATA / name, tmp_path)
    (tmp_path / "system.xml").write_text(XmlSerializer.serialize(gromacs_lb003()))
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for example in blocks(ROOT / "docs" / "energies.md"):
        exec(example, names)
    assert set(names["energies"].region) == {"first_shell", "whole_box", "lj_tail"}
    assert names["analysis"].summary["energies"]["available"]
    assert names["sums"].shape == (len(names["universe"].trajectory[::10]), 8, 5, 3)
    assert names["members"].distance.max() <= 5
    assert names["closure"].deviation.abs().max() < 1e-3


@pytest.mark.physics
def test_the_examples_of_the_page_of_molecules_that_come_and_go():
    names: dict = {}
    for example in blocks(ROOT / "docs" / "grand_canonical.md"):
        exec(example, names)
    assert abs(names["gas"].n.mean - 35.514) < 4 * names["gas"].n.stderr < 1
    assert sum(attempt.accepted for attempt in names["attempts"]) > 1000
    assert names["estimate"].counts == {"Ar": names["n"]}
    assert names["estimate"].status == "ok"
    assert -1.5 < names["estimate"].mu_ex_kj_mol < -0.2
    assert abs(np.mean(names["numbers"][400:]) - 26) < 8
