"""A folder of replicas made by hand: two alike, one that has fewer EC, and one that is not finished."""

import shutil
from pathlib import Path

import pytest
from runs_by_hand import fake_run

MISSING = {"replica-00": 0.1, "replica-01": 0.12, "replica-02": 0.5}


@pytest.fixture(scope="session")
def made(box_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder, of which nothing is analyzed."""
    folder = tmp_path_factory.mktemp("joined") / "runs"
    for seed, (name, missing) in enumerate(MISSING.items()):
        fake_run(box_path, folder / name, seed, 1.95, 3, missing=missing, n_frames=40, step_ps=5.0, is_analyzed=False)
    fake_run(box_path, folder / "replica-03", 9, 1.95, 3, n_frames=10, is_analyzed=False)
    (folder / "replica-03" / "done.json").unlink()
    return folder


@pytest.fixture(scope="session")
def analyzed(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the folder, analyzed by the command."""
    from solvshell.cli import main

    folder = tmp_path_factory.mktemp("analyzed") / "runs"
    shutil.copytree(made, folder)
    assert main(["analyze", str(folder)]) == 0
    return folder


@pytest.fixture
def copied(analyzed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(analyzed, tmp_path / "runs"))
