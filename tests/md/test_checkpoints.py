import json
import os
from pathlib import Path

import openmm
import pytest

from solvshell.box import Box
from solvshell.md.checkpoints import Checkpoint, Unusable, load_position, numbered, read_checkpoint, save_checkpoint
from solvshell.provenance import read_record, write_record


@pytest.fixture(scope="module")
def state(box_path: Path) -> openmm.State:
    return Box.load(box_path).state


def at(step: int, length: int, stage: int = 1) -> Checkpoint:
    return Checkpoint(
        stage=stage,
        step=step,
        finished=(),
        lengths={"trajectory.xtc": length},
        n_frames=step // 10,
        signature="OpenMM CPU",
        restarts=0,
        halved_until=0,
        hashes={},
    )


def usable(folder: Path, outputs: Path) -> list[tuple[int, int]]:
    """Return stage and step of the checkpoints that can be gone on from, newest first."""
    found = []
    for path in reversed(numbered(folder)):
        try:
            now = load_position(path, outputs).at
        except Unusable:
            continue
        found.append((now.stage, now.step))
    return found


def test_those_that_the_files_still_reach(state: openmm.State, tmp_path: Path) -> None:
    folder, trajectory = tmp_path / "checkpoint", tmp_path / "trajectory.xtc"
    trajectory.write_bytes(bytes(100))
    for step, length in ((0, 0), (10, 40), (20, 80), (30, 120)):
        save_checkpoint(folder, at(step, length), state, b"noise")
    assert usable(folder, tmp_path) == [(1, 20), (1, 10), (1, 0)]
    trajectory.write_bytes(bytes(50))
    assert usable(folder, tmp_path) == [(1, 10), (1, 0)]
    trajectory.unlink()
    assert usable(folder, tmp_path) == [(1, 0)]
    with pytest.raises(Unusable, match=r"trajectory\.xtc has 0 bytes of 120"):
        load_position(numbered(folder)[-1], tmp_path)


def test_old_ones_go_but_the_start_of_each_stage_stays(state: openmm.State, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    for stage in (1, 2):
        for step in (0, 10, 20, 30, 40):
            save_checkpoint(folder, at(step, 0, stage), state, None)
    assert usable(folder, tmp_path) == [(2, 40), (2, 30), (2, 20), (2, 0), (1, 0)]


def test_damaged_ones_are_passed_over_and_cleared(state: openmm.State, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    for step in (0, 10, 20):
        save_checkpoint(folder, at(step, 0), state, None)
    newest = numbered(folder)[-1]
    (newest / "progress.json").unlink()  # a removal that was killed half way
    (folder / ".000004").mkdir()  # a checkpoint that was never finished
    assert usable(folder, tmp_path) == [(1, 10), (1, 0)]
    for step in (20, 30, 40, 50):
        save_checkpoint(folder, at(step, 0), state, None)
    assert usable(folder, tmp_path) == [(1, 50), (1, 40), (1, 30), (1, 0)]
    assert not list(folder.glob(".*"))
    assert not newest.exists()


def test_what_was_saved_comes_back(state: openmm.State, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoint", at(10, 0), state, b"noise")
    (path,) = numbered(tmp_path / "checkpoint")
    found = load_position(path, tmp_path)
    assert found.binary == b"noise"
    assert found.at == at(10, 0).model_copy(update={"hashes": found.at.hashes})
    assert (found.state.getPositions(asNumpy=True) == state.getPositions(asNumpy=True)).all()


@pytest.mark.parametrize("damage", ["garbage", "empty", "cut", "flipped", "missing"])
@pytest.mark.parametrize("name", ["state.xml", "context.chk", "progress.json"])
def test_a_damaged_file_is_never_used(state: openmm.State, tmp_path: Path, name: str, damage: str) -> None:
    save_checkpoint(tmp_path / "checkpoint", at(10, 0), state, b"the noise of before")
    (path,) = numbered(tmp_path / "checkpoint")
    content = (path / name).read_bytes()
    middle = len(content) // 2
    made = {
        "garbage": os.urandom(500),
        "empty": b"",
        "cut": content[:middle],
        "flipped": content[:middle] + bytes([content[middle] ^ 0x80]) + content[middle + 1 :],
    }
    (path / name).unlink()
    if damage in made:
        (path / name).write_bytes(made[damage])
    if name == "context.chk":
        assert load_position(path, tmp_path).binary is None
    else:
        with pytest.raises(Unusable, match=name):
            load_position(path, tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("step", "ten"), ("step", -1), ("stage", None), ("lengths", [1]), ("n_frames", 1.5), ("finished", 3), ("new", 1)],
)
def test_progress_of_another_form_is_refused(state: openmm.State, tmp_path: Path, field: str, value: object) -> None:
    save_checkpoint(tmp_path / "checkpoint", at(10, 0), state, None)
    (path,) = numbered(tmp_path / "checkpoint")
    known = read_record(path / "progress.json")
    write_record(path / "progress.json", known | {field: value})
    with pytest.raises(Unusable, match=rf"progress\.json: {field}"):
        read_checkpoint(path)
    (path / "progress.json").write_text(json.dumps(known | {"step": 11}))
    with pytest.raises(Unusable, match=r"progress\.json is not as it was written"):
        read_checkpoint(path)
    (path / "progress.json").write_text("[1, 2]")
    with pytest.raises(Unusable, match=r"progress\.json: "):
        read_checkpoint(path)
