import shutil
from pathlib import Path

import openmm
import pytest

from solvshell.box import Box
from solvshell.md.checkpoints import Checkpoint, save_checkpoint, usable_checkpoints


@pytest.fixture
def state(box_path: Path) -> openmm.State:
    return Box.load(box_path).state


def at(step: int, length: int, stage: int = 1) -> Checkpoint:
    return Checkpoint(stage, step, {"trajectory.xtc": length}, step // 10, "OpenMM CPU", 0)


def steps(folder: Path, outputs: Path) -> list[int]:
    return [saved.checkpoint.step for saved in usable_checkpoints(folder, outputs)]


def test_the_newest_that_the_files_still_reach(state: openmm.State, tmp_path: Path) -> None:
    folder, trajectory = tmp_path / "checkpoint", tmp_path / "trajectory.xtc"
    trajectory.write_bytes(bytes(100))
    for step, length in ((0, 0), (10, 40), (20, 80), (30, 120)):
        save_checkpoint(folder, at(step, length), state, b"noise")
    assert steps(folder, tmp_path) == [20, 10, 0]
    trajectory.write_bytes(bytes(50))
    assert steps(folder, tmp_path) == [10, 0]
    trajectory.unlink()
    assert steps(folder, tmp_path) == [0]


def test_old_ones_go_but_the_start_of_each_stage_stays(state: openmm.State, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    for stage in (1, 2):
        for step in (0, 10, 20, 30, 40):
            save_checkpoint(folder, at(step, 0, stage), state, None)
    kept = [(saved.checkpoint.stage, saved.checkpoint.step) for saved in usable_checkpoints(folder, tmp_path)]
    assert kept == [(2, 40), (2, 30), (2, 20), (2, 0), (1, 0)]


def test_damaged_ones_are_passed_over_and_cleared(state: openmm.State, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    for step in (0, 10, 20):
        save_checkpoint(folder, at(step, 0), state, None)
    newest = max(folder.glob("0*"))
    (newest / "progress.json").unlink()  # a removal that was killed half way
    (folder / ".000004").mkdir()  # a checkpoint that was never finished
    assert steps(folder, tmp_path) == [10, 0]
    for step in (20, 30, 40, 50):
        save_checkpoint(folder, at(step, 0), state, None)
    assert steps(folder, tmp_path) == [50, 40, 30, 0]
    assert not list(folder.glob(".*"))
    assert not newest.exists()


def test_a_saved_state_comes_back(state: openmm.State, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoint", at(10, 0), state, b"noise")
    (saved,) = usable_checkpoints(tmp_path / "checkpoint", tmp_path)
    assert saved.binary() == b"noise"
    assert (saved.state().getPositions(asNumpy=True) == state.getPositions(asNumpy=True)).all()
    shutil.rmtree(saved.path)
    assert saved.binary() is None
