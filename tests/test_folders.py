"""Folders of replicas and temperatures are read in their order, and what is none is refused by name."""

from pathlib import Path

import pytest

from solvshell.errors import InvalidInput
from solvshell.folders import boxes_of, replica_name, replicas_of, runs_of, temperatures_of


def make(*paths: Path) -> None:
    """Make folders that look like runs."""
    for path in paths:
        (path / "box").mkdir(parents=True)
        (path / "protocol.yaml").touch()


def test_replicas_are_sorted_by_their_number(tmp_path: Path) -> None:
    for index in (100, 2, 11):
        (tmp_path / replica_name(index)).mkdir()
    (tmp_path / "replica-3").mkdir()
    (tmp_path / ".replica-04.123").mkdir()  # what a killed build leaves
    (tmp_path / "replica-05").touch()
    assert [path.name for path in replicas_of(tmp_path)] == ["replica-02", "replica-11", "replica-100"]
    assert replicas_of(tmp_path / "nowhere") == []


def test_temperatures_are_sorted_by_their_number(tmp_path: Path) -> None:
    for name in ("1000K", "278.15K", "313.15K", "K", "warmK", "300"):
        (tmp_path / name).mkdir()
    assert {kelvin: path.name for kelvin, path in temperatures_of(tmp_path).items()} == {
        278.15: "278.15K",
        313.15: "313.15K",
        1000.0: "1000K",
    }
    assert list(temperatures_of(tmp_path)) == [278.15, 313.15, 1000.0]


def test_a_box_is_a_list_of_one(tmp_path: Path) -> None:
    (tmp_path / "replica-01").mkdir()
    (tmp_path / "replica-01" / "topology.cif").touch()
    assert boxes_of(tmp_path / "replica-01") == [tmp_path / "replica-01"]
    assert boxes_of(tmp_path) == [tmp_path / "replica-01"]
    (tmp_path / "replica-00").mkdir()
    with pytest.raises(InvalidInput, match="replica-00: not a box"):
        boxes_of(tmp_path)
    with pytest.raises(InvalidInput, match="nowhere: no such folder"):
        boxes_of(tmp_path / "nowhere")
    with pytest.raises(InvalidInput, match="neither a box nor a folder of replicas"):
        boxes_of(tmp_path / "replica-00")


def test_a_run_in_the_place_of_a_box_is_told_to_be_one(tmp_path: Path) -> None:
    several, series = tmp_path / "several", tmp_path / "series"
    make(several / "replica-00", series / "278.15K")
    for path, run in ((several, "several/replica-00"), (several / "replica-00", "replica-00"), (series, "278.15K")):
        with pytest.raises(InvalidInput, match=f"{run}: is a run, not a box; give the folder") as refused:
            boxes_of(path)
        assert "remove" not in str(refused.value)


def test_replicas_beside_temperatures_are_refused(tmp_path: Path) -> None:
    make(tmp_path / "replica-00", tmp_path / "338.15K")
    for read in (runs_of, temperatures_of, boxes_of):
        with pytest.raises(InvalidInput, match=r"holds replica-00 beside 338.15K; give each kind a folder"):
            read(tmp_path)


def test_runs_come_flat_and_in_order(tmp_path: Path) -> None:
    single, several, series = tmp_path / "single", tmp_path / "several", tmp_path / "series"
    of_series = [series / kelvin / replica_name(index) for kelvin in ("98K", "278.15K") for index in range(2)]
    make(single, several / "replica-01", several / "replica-00", *of_series)
    assert [run.path for run in runs_of(single)] == [single]
    assert [run.path.name for run in runs_of(several)] == ["replica-00", "replica-01"]
    assert [run.path for run in runs_of(series)] == of_series
    assert [run.path for run in runs_of(series / "98K")] == of_series[:2]


def test_what_is_no_run_is_refused_by_name(tmp_path: Path) -> None:
    make(tmp_path / "replica-00")
    (tmp_path / "replica-01").mkdir()
    with pytest.raises(InvalidInput, match="replica-01: not a run folder"):
        runs_of(tmp_path)
    with pytest.raises(InvalidInput, match="nowhere: no such folder; make a run"):
        runs_of(tmp_path / "nowhere")
