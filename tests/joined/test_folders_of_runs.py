"""Commands on folders of runs: what is done again, what is left out, what is refused."""

import json
import re
import shutil
from pathlib import Path

import pytest
from runs_by_hand import fake_run, other_box

import solvshell
from solvshell.analysis import analyze_run
from solvshell.analysis.sources import STOPPED
from solvshell.cli import main
from solvshell.comparison.systems import open_systems
from solvshell.errors import InvalidInput
from solvshell.joined import JoinedAnalysis, TemperatureSeries
from solvshell.joined.analyze import is_analyzed
from solvshell.joined.limits import notes_of
from solvshell.joined.long_enough import long_enough
from solvshell.joined.systems import open_system
from solvshell.protocol import Protocol, load_protocol
from solvshell.run import Run
from solvshell.shown import read_analyzed, read_table


def errors(capsys: pytest.CaptureFixture[str]) -> str:
    return re.sub(r"\s+", " ", capsys.readouterr().err)


def test_what_is_analyzed_is_not_done_again(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (copied / "replica-00" / "analysis" / "summary.json").stat().st_mtime_ns
    assert main(["analyze", str(copied)]) == 0
    said = capsys.readouterr().out
    assert said.count("analyzed already") == 3
    assert "3 replicas of lb003 joined: replica-00, replica-01, replica-02" in said
    assert "left out: replica-03 (not finished)" in said
    assert "replicas differ by more than their own errors" in said
    assert (copied / "replica-00" / "analysis" / "summary.json").stat().st_mtime_ns == before
    lines: list[str] = []
    found = solvshell.analyze_runs(
        copied, copied / "elsewhere", say=lines.append, start=5, energies=False, n_bootstrap=20
    )
    assert [line.rpartition(": ")[2] for line in lines] == [f"is being analyzed, {k} of 3" for k in (1, 2, 3)]
    assert isinstance(found, JoinedAnalysis)
    assert (copied / "elsewhere" / "coordination.csv").is_file()
    asked = "energies=False, energy_frames=1000, n_bootstrap=20, start=5"
    assert found.summary["replicas"][0]["source"]["asked"] == asked


def test_another_trajectory_is_analyzed_again(copied: Path) -> None:
    run = Run.load(copied / "replica-01")
    assert is_analyzed(run)
    assert not is_analyzed(run, energies=False)
    content = run.trajectory_path.read_bytes()
    run.trajectory_path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # of the same length
    assert not is_analyzed(run)
    run.trajectory_path.write_bytes(content)
    assert is_analyzed(run)
    summary = json.loads((run.analysis_path / "summary.json").read_text())
    stopped = summary | {"energies": {"available": False, "reason": STOPPED}}
    (run.analysis_path / "summary.json").write_text(json.dumps(stopped))
    assert not is_analyzed(run)


def test_one_that_fails_does_not_stop_the_others(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copied / "replica-01" / "trajectory.xtc").write_bytes(b"no frames")
    assert main(["analyze", str(copied)]) == 1
    captured = capsys.readouterr()
    assert "2 replicas of lb003 joined: replica-00, replica-02" in captured.out
    assert "left out: replica-01 (" in captured.out
    assert "errors are those within the runs: 3 replicas or more" in captured.out
    assert "failed: replica-01: " in captured.err
    coordination = read_table(copied / "analysis" / "coordination.csv")
    assert set(coordination.dropna(subset=["cn_atoms_mean"]).basis) == {"one run"}
    rdf = read_table(copied / "analysis" / "rdf.csv")
    own = [read_table(copied / name / "analysis" / "rdf.csv") for name in ("replica-00", "replica-02")]
    pair = "partner == 'EC' and site == 'carbonyl_o'"
    peak = rdf.query(pair).g.idxmax()
    assert 0 < rdf.g_stderr[peak] < max(table.g_stderr[peak] for table in own)


def test_replicas_are_refused_that_are_none(
    copied: Path, box_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(folder: Path, *options: str) -> str:
        assert main(["analyze", str(folder), *options]) == 2
        return errors(capsys)

    assert "either a RUN or --topology" in refused(copied, "--system", "system.xml")
    shutil.copytree(copied / "replica-00", copied / "replica-04")
    assert "replica-04: its box is that of" in refused(copied)
    other_box(copied / "replica-04", 60)
    recipe = copied / "replica-04" / "box" / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("title: ", "title: another "))
    other_box(copied / "replica-04", 61, "recipe.yaml")
    assert "holds another recipe than" in refused(copied)
    shutil.rmtree(copied / "replica-04")
    fake_run(box_path, copied / "replica-04", 70, 1.95, 3, n_frames=10, protocol=at(310.0), is_analyzed=False)
    assert "another protocol" in refused(copied)
    for name in ("replica-00", "replica-01", "replica-02", "replica-04"):
        (copied / name / "done.json").unlink()
    shutil.rmtree(copied / "replica-04")
    assert "none of its runs is finished" in refused(copied)
    assert "not a run folder" in refused(tmp_path)
    with pytest.raises(InvalidInput, match="is one run"):
        solvshell.analyze_runs(copied / "replica-00")
    with pytest.raises(InvalidInput, match="shell"):
        solvshell.analyze_runs(copied, shell={("Li", "EC", "carbonyl_o"): 3.0})


def test_commands_take_each_run_of_a_folder(
    copied: Path, box_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "li.cube"
    options = ["--around", "DMC", "--of", "Li", "--spacing", "1", "--out", str(out)]
    assert main(["spatial", str(copied), *options]) == 0
    assert sorted(path.name for path in tmp_path.glob("*.cube")) == [f"li-replica-0{k}.cube" for k in range(3)]
    assert "replica-03 is not finished" in capsys.readouterr().out
    shutil.rmtree(copied / "replica-01" / "box")
    assert main(["spatial", str(copied), *options]) == 2  # no run folder any more
    shutil.copytree(copied / "replica-00" / "box", copied / "replica-01" / "box")
    (copied / "replica-01" / "trajectory.xtc").unlink()
    assert main(["spatial", str(copied), *options]) == 1
    assert "1 of 3 runs: " in errors(capsys)
    assert main(["spatial", str(copied), *options[:-3], "0", "--out", str(out)]) == 2  # wrong for all
    for command in ("binding", "infrared"):
        assert main([command, str(copied), "--out", str(tmp_path / "out")]) == 2
        assert "--out: for one RUN" in errors(capsys)
    boxes = tmp_path / "boxes"
    for name in ("replica-00", "replica-01"):
        shutil.copytree(box_path, boxes / name)
    assert main(["export", str(boxes), "--format", "gromacs", "--out", str(tmp_path / "gromacs")]) == 0
    assert (tmp_path / "gromacs" / "replica-01" / "topol.top").is_file()
    assert main(["export", str(copied), "--format", "gromacs", "--out", str(tmp_path / "other")]) == 2
    assert f"holds several runs; give one of them, such as {copied / 'replica-00'}" in errors(capsys)


def test_the_page_of_replicas(copied: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert main(["report", str(copied), "--out", str(page)]) == 0
    html = page.read_text()
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))
    assert "Left out: replica-03 (not finished)" in said
    assert "Replicas differ by more than their own errors in" in said
    assert "Each replica" in said
    row = read_table(copied / "analysis" / "coordination.csv").query("partner == 'EC'").iloc[0]
    assert f"{row.ci95_low:.2f} – {row.ci95_high:.2f}" in said
    text = re.sub(r"data:image[^\"]*|<script.*?</script>", "", html, flags=re.S)
    assert not re.search(r"\bnan\b", text, re.I)
    judged = long_enough([read_analyzed(copied / f"replica-0{place}") for place in range(3)])
    assert "Are the runs long enough" in said
    for status, words in (("enough", "standard error as wanted for"), ("doubtful", "as wanted, but doubtful, for")):
        assert f"{words} {(judged.status == status).sum()} of {len(judged)} numbers" in said
    for name in ("replica_rdfs", "replica_numbers", "between_replicas", "shells", "convergence"):
        assert (copied / "analysis" / "figures" / f"{name}.svg").stat().st_size > 1000
    (copied / "analysis" / "summary.json").unlink()
    assert main(["report", str(copied), "--out", str(page)]) == 2


def test_compare_leaves_out_what_is_not_finished(copied: Path, tmp_path: Path) -> None:
    shutil.copytree(copied / "replica-00", tmp_path / "single")
    other_box(tmp_path / "single", 80)
    assert main(["compare", str(copied), str(tmp_path / "single"), "--out", str(tmp_path / "out")]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["systems"][0]["replicas"] == 3
    assert any(limit["limit"] == "Replicas left out" for limit in summary["limits"])


def test_compare_leaves_out_what_is_not_finished_although_it_is_analyzed(copied: Path) -> None:
    (copied / "replica-02" / "done.json").unlink()
    system = open_system(copied)
    assert [run.path.name for run in system.runs] == ["replica-00", "replica-01"]
    assert system.left_out == {"replica-02": "not finished", "replica-03": "not finished"}


def test_a_replica_that_cannot_be_read_does_not_stop_the_others(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    system = copied / "replica-01" / "box" / "system.xml"
    system.write_text(system.read_text()[:1000])
    assert main(["analyze", str(copied)]) == 1
    said = capsys.readouterr()
    assert "2 replicas of lb003 joined: replica-00, replica-02" in said.out
    assert "was changed after the run began" in re.sub(r"\s+", " ", said.err)


def test_frames_that_are_not_those_of_the_run_are_noted(copied: Path) -> None:
    run = Run.load(copied / "replica-00")
    written = {"trajectory.xtc": {"bytes": 1, "sha256": "0" * 64}}
    (run.path / "done.json").write_text(json.dumps({"outputs": written}))
    noted = analyze_run(run, energies=False).summary["notes"]
    assert "trajectory.xtc was changed after the run had written it ('solvshell verify' tells more)" in noted
    assert any("(1 of 3 replicas)" in note for note in notes_of([open_system(copied)]) if "was changed after" in note)


def at(kelvin: float) -> Protocol:
    """Return the quick protocol at a temperature."""
    protocol = load_protocol("quick")
    stages = [s.model_copy(update={"temperature": kelvin}) if s.kind == "dynamics" else s for s in protocol.stages]
    return protocol.model_copy(update={"stages": stages})


@pytest.fixture(scope="module")
def series(box_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return three temperatures, the middle one with replicas, the last one not finished."""
    folder = tmp_path_factory.mktemp("series") / "runs"
    fake_run(box_path, folder / "280K", 1, 1.95, 3, n_frames=40, step_ps=5.0, protocol=at(280.0), is_analyzed=False)
    for k in range(2):
        path = folder / "300K" / f"replica-0{k}"
        fake_run(box_path, path, 1 + k, 1.95, 3, n_frames=40, step_ps=5.0, protocol=at(300.0), is_analyzed=False)
    fake_run(box_path, folder / "320K", 1, 1.95, 3, n_frames=40, step_ps=5.0, protocol=at(320.0), is_analyzed=False)
    fake_run(box_path, folder / "340K", 1, 1.95, 3, n_frames=10, protocol=at(340.0), is_analyzed=False)
    (folder / "340K" / "done.json").unlink()
    return folder


def test_a_series_of_temperatures(series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(series), "--no-energies"]) == 0
    said = capsys.readouterr().out
    assert "left out: 340K (not finished)" in said
    assert "activation energy of Li EC carbonyl_o: " in said
    assert "sampling dynamics, not physical time" in said
    temperatures = read_table(series / "analysis" / "temperatures.csv")
    of_ec = temperatures[(temperatures.quantity == "coordination") & (temperatures.partner == "EC")]
    assert list(of_ec.temperature_k) == [280, 300, 320]
    assert list(of_ec.n_replicas) == [1, 2, 1]
    joined = read_table(series / "300K" / "analysis" / "coordination.csv").query("partner == 'EC'").iloc[0]
    assert of_ec.value.iloc[1] == pytest.approx(joined.cn_atoms_mean, rel=1e-4)
    assert not (series / "280K" / "analysis" / "replicas.csv").exists()  # that is the run's own
    fits = read_table(series / "analysis" / "arrhenius.csv")
    fit = fits[(fits.partner == "EC") & (fits.quantity == "residence_time_ps")].iloc[0]
    assert (fit.n_temperatures, fit.basis, fit.meaning) == (3, "one run", "activation energy")
    assert "not physical time" in fit.note
    page = tmp_path / "page.html"
    assert main(["report", str(series), "--out", str(page)]) == 0
    html = page.read_text()
    assert "Sampling dynamics, not physical time" in html
    assert 0 < html.index("A demonstration, not a measurement: 280K (") < html.index("What changes with temperature")
    assert "2 replicas of" in html
    assert (series / "analysis" / "figures" / "temperatures.svg").stat().st_size > 1000
    assert isinstance(solvshell.analyze_runs(series, energies=False), TemperatureSeries)
    assert temperatures.fitted[temperatures.quantity == "residence_time_ps"].any()
    # one box at two temperatures is no copy
    assert [one.name for one in open_systems([series / "280K", series / "320K"])] == ["lb003 (280K)", "lb003 (320K)"]
    assert main(["compare", str(series), str(series / "280K"), "--out", str(tmp_path / "none")]) == 2
    assert "holds several temperatures; give one of them" in errors(capsys)


def test_a_temperature_that_began_at_a_ceiling_is_marked_and_not_fitted(series: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(series, tmp_path / "runs"))
    assert main(["analyze", str(folder), "--no-energies"]) == 0
    path = folder / "300K" / "replica-01" / "analysis" / "summary.json"
    summary = json.loads(path.read_text())
    summary["source"]["not_equilibrated"] = "equilibration: 3 independent samples of 20"
    path.write_text(json.dumps(summary))
    found = solvshell.analyze_runs(folder, energies=False)
    assert isinstance(found, TemperatureSeries)
    marked = found.temperatures.limits.str.contains("at_ceiling")
    assert set(found.temperatures.temperature_k[marked]) == {300.0}
    assert not found.temperatures.fitted[marked].any()
    assert set(found.arrhenius.status) == {"too_few_temperatures"}
    assert "began although a stage before it ended at its ceiling" in " ".join(found.joined[300.0].headline())


def test_replicas_beside_temperatures_are_refused(series: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(series, tmp_path / "runs"))
    shutil.copytree(folder / "280K", folder / "replica-00")
    with pytest.raises(InvalidInput, match="holds replica-00 beside 280K; give each kind a folder"):
        solvshell.analyze_runs(folder)
