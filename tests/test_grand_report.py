"""The page and the files of a run in which molecules come and go, whose numbers are known."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from exchange_by_hand import KINDS, exchange_run

from solvshell.analysis.grand_canonical.lines import grand_canonical_lines
from solvshell.analysis.grand_canonical.of_run import write_grand_canonical
from solvshell.errors import InvalidInput
from solvshell.figures import number
from solvshell.report import write_report
from solvshell.run import Run
from solvshell.verify import verify


def text_of(page: Path) -> str:
    html = re.sub(r"<style>.*?</style>|<pre>.*?</pre>", "", page.read_text(), flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html).replace("&#39;", "'"))


@pytest.fixture(scope="module")
def run(box_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    found = exchange_run(tmp_path_factory.mktemp("grand") / "run", box_path, 12_000, seed=1)
    write_grand_canonical(found, found.analysis_path)
    return found


def test_tables_and_summary_are_those_of_the_run(run: Run) -> None:
    table = pd.read_csv(run.analysis_path / "grand_canonical.csv").set_index("species")
    part = json.loads((run.analysis_path / "summary.json").read_text())["grand_canonical"]
    for row in part["species"]:
        mean = KINDS[row["species"]].mean_n
        assert row["n_mean"] == pytest.approx(mean, abs=4 * row["n_stderr"])
        assert table.n_mean[row["species"]] == pytest.approx(row["n_mean"], rel=1e-5)
    assert part["settings"]["switching_time"] == "5.0 ps"
    assert part["settings"]["reservoir"]["name"] == "toy"
    assert part["pressure_bar"]["reservoir"] == 1
    assert part["no_bulk_since"] == "the reservoir does not say of what bulk it is"
    assert set(pd.read_csv(run.analysis_path / "works.csv").species) == set(KINDS)
    numbers = pd.read_csv(run.analysis_path / "molecule_numbers.csv")
    assert numbers.groupby("species").n.count().to_dict() == dict.fromkeys(KINDS, 12_001)


def test_lines_say_the_numbers(run: Run) -> None:
    part = json.loads((run.analysis_path / "summary.json").read_text())["grand_canonical"]
    said = "\n".join(grand_canonical_lines(part))
    assert re.search(
        r"EC: \d\d\.\d \+- \d\.\d molecules \(\d\.\d\d \+- 0\.\d\d mol/L\), 39 at the start; \d+ accepted", said
    )
    assert re.search(r"2\d\.\d \+- \d\.\d % of \d+ moves accepted, dissipation 2\.\d\d \+- 0\.\d\d kT, 5 ps each", said)
    assert re.search(r"ln z 2\.08 imposed, \d\.\d\d \+- 0\.\d\d by the works \(agrees\)", said)
    assert "no test against the reservoir's own bulk" in said
    assert re.search(r"pressure -?\d+ \+- \d+ bar \(reservoir 1 bar\)", said)


def test_the_page_shows_them(run: Run, tmp_path: Path) -> None:
    write_report([run.path], tmp_path / "page.html")
    said = text_of(tmp_path / "page.html")
    part = json.loads((run.analysis_path / "summary.json").read_text())["grand_canonical"]
    (ec, _) = part["species"]
    assert "Molecules that come and go" in said
    assert f"EC {number(ec['n_mean'], ec['n_stderr'])} 39 {number(ec['molarity_mol_l'], ec['molarity_stderr'])}" in said
    assert f"EC 2.079 {number(ec['beta_mu_works'], ec['beta_mu_works_stderr'])}" in said
    assert "not converged:" not in said.replace("Not converged: an average", "")
    assert {path.name for path in (run.analysis_path / "figures").iterdir()} == {
        f"{name}.{suffix}" for name in ("molecule_numbers", "works", "acceptance") for suffix in ("svg", "png")
    }


def test_few_accepted_moves_are_marked_everywhere(box_path: Path, tmp_path: Path) -> None:
    """In the table, on the terminal, on the page: the number of accepted moves stands beside."""
    run = exchange_run(tmp_path / "run", box_path, 150, seed=2)
    part = write_grand_canonical(run, run.analysis_path)["grand_canonical"]
    table = pd.read_csv(run.analysis_path / "grand_canonical.csv").set_index("species")
    assert set(table.status) == {"not_converged"}
    lines = "\n".join(grand_canonical_lines(part))
    write_report([run.path], tmp_path / "page.html")
    said = text_of(tmp_path / "page.html")
    for name, n_accepted in table.n_accepted.items():
        assert n_accepted < 50
        assert f"{name}: not converged, {n_accepted} accepted moves, fewer than 50" in lines
        assert f"{name} is not converged : {n_accepted} accepted moves, fewer than 50" in said
        assert f"{name}, not converged: {n_accepted} accepted moves" in said
    fewest = table.n_accepted.min()
    assert f"pressure: not converged, {fewest} accepted moves" in lines
    assert f"bar, reservoir 1, not converged: {fewest} accepted moves" in said


def test_files_are_recorded(run: Run) -> None:
    verdicts = {finding.path.name: finding.verdict for finding in verify(run.analysis_path)}
    assert set(verdicts.values()) <= {"ok", "note"}
    table = run.analysis_path / "works.csv"
    before = table.read_text()
    table.write_text(before.replace("EC", "DC"))
    try:
        assert any(finding.verdict == "changed" for finding in verify(run.analysis_path))
    finally:
        table.write_text(before)


def test_what_is_no_such_run_is_refused(run: Run, box_path: Path, tmp_path: Path) -> None:
    short = exchange_run(tmp_path / "short", box_path, 0, seed=3)
    with pytest.raises(InvalidInput, match=r"occupancy\.csv: has 1 frames so far"):
        write_grand_canonical(short, short.analysis_path)
    with pytest.raises(InvalidInput, match=r"not analyzed, summary\.json, grand_canonical\.csv"):
        write_report([short.path], tmp_path / "page.html")
