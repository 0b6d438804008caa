"""analyze, report and compare of runs in which molecules come and go, whose trajectories are made by hand."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from exchange_by_hand import FEW, exchange_protocol, write_exchange
from runs_by_hand import fake_run
from small_boxes import liquid, small_recipe

from solvshell.build import build_box
from solvshell.cli import main
from solvshell.errors import InvalidInput
from solvshell.run import Run, open_run
from solvshell.shown import read_analyzed


def text_of(page: Path) -> str:
    html = re.sub(r"<style>.*?</style>|<pre>.*?</pre>", "", page.read_text(), flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html).replace("&#39;", "'"))


ROOM, STEP_PS, N_FRAMES = 24, 0.2, 60


def coming_and_going(box_path: Path, path: Path, seed: int, n_ec: int) -> Run:
    """Return a run of so many EC around each of two Li, whose EC and DMC come and go as in the toy."""
    how = {"protocol": exchange_protocol(FEW, ROOM), "n_frames": N_FRAMES, "step_ps": STEP_PS}
    run = Run.load(fake_run(box_path, path, seed, 2.0, n_ec, is_analyzed=False, **how))
    write_exchange(run, N_FRAMES - 1, seed, FEW, STEP_PS, ROOM)
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("open")
    liquid().save(folder / "box")
    return [coming_and_going(folder / "box", folder / f"run-{seed}", seed, n_ec) for seed, n_ec in ((1, 4), (2, 3))]


@pytest.fixture(scope="module")
def analyzed(runs: list[Run]) -> list[Run]:
    for run in runs:
        assert main(["analyze", str(run.path), "--no-energies"]) == 0
    return runs


def test_analyze_writes_both_kinds_of_tables(analyzed: list[Run], capsys: pytest.CaptureFixture[str]) -> None:
    folder = analyzed[0].analysis_path
    summary = json.loads((folder / "summary.json").read_text())
    assert {"coordination", "grand_canonical"} <= set(summary)
    assert list(pd.read_csv(folder / "grand_canonical.csv").species) == ["EC", "DMC"]
    assert (folder / "coordination.csv").is_file()
    assert main(["analyze", str(analyzed[0].path), "--no-energies"]) == 0
    said = capsys.readouterr().out
    for row in summary["grand_canonical"]["species"]:
        assert f"{row['species']}: not converged, {row['n_accepted']} accepted move" in said
    assert main(["verify", str(folder)]) == 0


def test_the_page_has_a_part_about_them(analyzed: list[Run], tmp_path: Path) -> None:
    assert main(["report", str(analyzed[0].path), "--out", str(tmp_path / "page.html")]) == 0
    said = text_of(tmp_path / "page.html")
    assert said.index("Molecules that come and go") < said.index("Where the neighbors are")
    assert "EC is not converged" in said


def test_compare_marks_what_is_not_converged(
    analyzed: list[Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "compared"
    assert main(["compare", *(str(run.path) for run in analyzed), "--out", str(out)]) == 0
    said, page = capsys.readouterr().out, text_of(out / "index.html")
    table = pd.read_csv(out / "molecules.csv")
    assert set(table.species) == {"EC", "DMC"}
    assert set(table.quantity) == {"molecules", "mol_per_l", "share"}
    for run, system in zip(analyzed, table.system.unique(), strict=True):
        own = pd.read_csv(run.analysis_path / "grand_canonical.csv").set_index("species")
        rows = table[(table.system == system) & (table.quantity == "molecules")].set_index("species")
        for name in own.index:
            assert rows["mean"][name] == pytest.approx(own.n_mean[name], rel=1e-4)
            assert rows.status[name] == "not_converged"
            assert f"{own.n_mean[name]:.1f} {name}, not converged: {own.n_accepted[name]} accepted move" in said
            assert f"{own.n_mean[name]:.2f} not converged" in page
        assert rows.stderr.isna().all()


def test_a_box_without_a_cation_is_told_of_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_box(small_recipe({"EC": 3, "DMC": 4}, "0.4 nm"), seed=1).save(tmp_path / "box")
    run = open_run(tmp_path / "run", tmp_path / "box", exchange_protocol(FEW, ROOM), 1)
    write_exchange(run, 6000, 4, FEW, room=ROOM)
    assert main(["analyze", str(run.path)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"DMC: 1\d\.\d \+- \d\.\d molecules", said)
    assert "no test against the reservoir's own bulk" in said
    assert main(["report", str(run.path), "--out", str(tmp_path / "page.html")]) == 0
    assert "no simple cation to center on" in text_of(tmp_path / "page.html")
    assert main(["analyze", str(run.path), "--start", "3"]) != 0
    assert "--start: of no use" in capsys.readouterr().err
    with pytest.raises(InvalidInput, match="has no cation to center on, so that it tells how many molecules"):
        read_analyzed(run.path)
