import json
from pathlib import Path

from short_runs import short_protocol

from solvshell.box import box_hash
from solvshell.citations import run_facts
from solvshell.report_provenance import origin_rows
from solvshell.run import Run, open_run


def test_what_is_recorded_of_a_run(box_path: Path, tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", box_path, short_protocol(), 5)
    record = json.loads((run.path / "provenance.json").read_text())
    start = record | {"date": "2026-11-26T00:00:00+00:00", "platform": "CUDA", "device": "a card", "machine": "another"}
    record["starts"] = [start, start]
    (run.path / "provenance.json").write_text(json.dumps(record))
    rows = dict(origin_rows(Run.load(run.path)))
    assert rows["seed"] == ["box 3, run 5"]
    assert rows["hash of the box"] == [box_hash(box_path)]
    assert rows["protocol"] == ["short: for tests"]
    assert rows["platform"] == ["CUDA, a card"]  # once
    assert rows["machine"] == [record["machine"], "another"]
    assert rows["force field"] == ["solvshell/lb003.xml", "ion charges × 0.8"]
    assert any(name.startswith("lithium.xml ") for name in rows["its files, SHA-256"])
    assert f"openmm {record['versions']['openmm']}" in rows["versions"]
    assert rows["begun"] == ["2026-11-26T00:00:00+00:00"]


def test_a_run_that_has_not_started_has_no_platform(box_path: Path, tmp_path: Path) -> None:
    rows = dict(origin_rows(open_run(tmp_path / "run", box_path, short_protocol(), 5)))
    assert not {"platform", "begun"} & rows.keys()


def test_a_run_of_ours_is_a_simulation_of_a_packed_box(box_path: Path, tmp_path: Path) -> None:
    facts = run_facts(open_run(tmp_path / "run", box_path, short_protocol(), 5))
    assert {"simulation", "packing", "langevin_middle", "rigid_bonds", "parameters: kumar2016"} <= facts
    assert not facts & {"analysis", "barostat", "grand_canonical", "views", "study"}
