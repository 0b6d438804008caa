"""From a run that ends in springs to its tables, by the command."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from solvshell.analysis import analyze_run
from solvshell.cli import main
from solvshell.errors import InvalidInput
from solvshell.files import validate
from solvshell.free_energy.umbrella import DISTANCE_COLUMNS, WINDOW_COLUMNS
from solvshell.free_energy.umbrella_tables import OF_DISTANCES
from solvshell.md import simulate
from solvshell.protocol import Protocol
from solvshell.run import Run, open_run

STAGE = {
    "kind": "umbrella",
    "name": "pull",
    "temperature": "298.15 K",
    "coordinate": {
        "kind": "distance",
        "center": "Li",
        "partner": "EC",
        "site": "carbonyl_o",
        "windows": [{"at": ["4 A", "4.2 A", "4.4 A"], "spring": "20 kJ/mol/A2"}],
    },
    "approach": "0.2 ps",
    "relax": "0.04 ps",
    "sample": "0.4 ps",
    "record_interval": "0.02 ps",
    "log_interval": "0.2 ps",
}


@pytest.fixture(scope="module")
def run(box_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    content = {
        "name": "test",
        "title": "short",
        "timestep": "4 fs",
        "hydrogen_mass": "3 Da",
        "checkpoint_interval": "0.2 ps",
        "stages": [{"kind": "minimize", "max_iterations": 50}, STAGE],
    }
    path = tmp_path_factory.mktemp("umbrella") / "run"
    return simulate(open_run(path, box_path, validate(Protocol, content, "test")), "CPU")


@pytest.fixture
def copied(run: Run, tmp_path: Path) -> Run:
    return Run(Path(shutil.copytree(run.path, tmp_path / "run")))


def test_analyze_writes_the_curve_its_windows_and_what_they_are(
    copied: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", str(copied.path)]) == 0
    said = capsys.readouterr().out
    assert "W(r) of Li and carbonyl_o of EC: too_few_samples" in said
    assert "no number to quote" in said
    curve = pd.read_csv(copied.analysis_path / "umbrella.csv")
    windows = pd.read_csv(copied.analysis_path / "umbrella_windows.csv")
    assert list(curve.columns) == DISTANCE_COLUMNS
    assert list(windows.columns) == [OF_DISTANCES.get(name, name) for name in WINDOW_COLUMNS]
    assert list(windows.spring_kj_mol_angstrom2) == pytest.approx([20] * 6)
    assert list(windows.center_angstrom) == pytest.approx([4, 4.2, 4.4, 4.4, 4.2, 4])
    assert list(windows.n_recorded) == [20] * 6
    summary = json.loads((copied.analysis_path / "summary.json").read_text())
    assert summary["status"] == "too_few_samples"
    assert summary["ion_charge_scale"] == 0.8
    assert summary["zero_from"] == pytest.approx(4.15)
    (i, j) = (summary["tagged_atoms"]["center_atom"], *summary["tagged_atoms"]["partner_atoms"])
    atoms = list(copied.box.topology.atoms())
    assert (atoms[i].residue.name, atoms[j].residue.name, atoms[j].name) == ("LI", "EC", "O2")


def test_a_run_on_its_way_back_is_analyzed_as_far_as_it_is(copied: Run) -> None:
    (copied.path / "done.json").unlink()
    rows = (copied.path / "umbrella.csv").read_text().splitlines(keepends=True)
    (copied.path / "umbrella.csv").write_text("".join(rows[: 1 + 70]))
    assert main(["analyze", str(copied.path)]) == 0
    summary = json.loads((copied.analysis_path / "summary.json").read_text())
    assert (summary["run"], summary["hysteresis_rms_kj_mol"]) == ("unfinished", None)
    assert set(pd.read_csv(copied.analysis_path / "umbrella_windows.csv").series) == {"outward"}


def test_windows_too_far_apart_give_no_curve_and_say_so(copied: Run, capsys: pytest.CaptureFixture[str]) -> None:
    rows = pd.read_csv(copied.path / "umbrella.csv")
    rows.loc[rows.window.isin([2, 3]), "distance_angstrom"] += 9
    rows.to_csv(copied.path / "umbrella.csv", index=False)
    assert main(["analyze", str(copied.path)]) == 0
    assert "poor_overlap, neighboring windows share less than 3 %" in capsys.readouterr().out
    assert pd.read_csv(copied.analysis_path / "umbrella.csv").empty
    summary = json.loads((copied.analysis_path / "summary.json").read_text())
    assert summary["zero_from"] is None
    assert "well" not in summary


def test_a_run_on_its_way_outward_is_refused(copied: Run, capsys: pytest.CaptureFixture[str]) -> None:
    rows = (copied.path / "umbrella.csv").read_text().splitlines(keepends=True)
    (copied.path / "umbrella.csv").write_text("".join(rows[:30]))
    assert main(["analyze", str(copied.path)]) == 2
    assert "umbrella: 2 of 3 windows have been sampled so far" in capsys.readouterr().err
    (copied.path / "umbrella.csv").write_text("")
    assert main(["analyze", str(copied.path)]) == 2
    assert "has no window yet" in capsys.readouterr().err


def test_options_of_a_trajectory_are_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(run.path), "--start", "3", "--no-energies"]) == 2
    assert "--start, --no-energies: of no use to" in capsys.readouterr().err


def test_what_needs_production_says_that_there_is_none(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"ends in windows \(pull\), not in production: it offers a free energy"):
        analyze_run(run)
    assert main(["compare", str(run.path), str(run.path), "--out", str(tmp_path / "page")]) == 2
    assert main(["spatial", str(run.path), "--around", "EC", "--of", "Li", "--out", str(tmp_path / "x.cube")]) == 2
