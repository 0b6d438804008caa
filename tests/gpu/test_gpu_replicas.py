"""Several runs on the GPUs of this machine: each sees one of them alone, and one that fails leaves the others."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from solvshell.box import Box
from solvshell.engine import available_platforms
from solvshell.files import to_yaml
from solvshell.folders import open_runs, replica_name, runs_of
from solvshell.md import run_all
from solvshell.md.devices import share_out, visible_devices
from solvshell.protocol import Protocol, load_protocol

pytestmark = pytest.mark.gpu

N_RUNS = 4


@pytest.fixture(scope="module")
def platform() -> str:
    found = available_platforms()
    return next(name for name in ("CUDA", "HIP") if found.get(name, "absent") is None)


@pytest.fixture(scope="module")
def boxes(box_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the same box several times: seeds of the runs differ, which is enough here."""
    path = tmp_path_factory.mktemp("boxes") / "boxes"
    for index in range(N_RUNS):
        Box.load(box_path).save(path / replica_name(index))
    return path


@pytest.fixture(scope="module")
def quick() -> Protocol:
    return load_protocol("quick")


def test_runs_share_the_gpus(platform: str, boxes: Path, quick: Protocol, tmp_path: Path) -> None:
    runs = open_runs(tmp_path / "runs", boxes, {None: quick})
    run_all(runs, platform=platform)
    assert all(run.is_done for run in runs)
    assert {run.provenance["starts"][0]["platform"] for run in runs} == {platform}
    assert len({run.trajectory_path.read_bytes() for run in runs}) == N_RUNS


def test_the_first_gpu_alone_when_the_parent_sees_it_alone(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    every = visible_devices(platform, {})
    assert all(every), "a machine with a working platform lists its GPUs"
    monkeypatch.setattr(os, "environ", {**os.environ, **every[0]})
    shares = share_out(platform, 8, None, os.environ)
    assert shares.devices == (every[0],)


def test_a_killed_process_leaves_the_others_on_the_gpu(
    platform: str, boxes: Path, quick: Protocol, tmp_path: Path
) -> None:
    protocol, out = tmp_path / "protocol.yaml", tmp_path / "runs"
    protocol.write_text(to_yaml(quick))
    command = [sys.executable, "-m", "solvshell.cli", "run", str(boxes), "--protocol", str(protocol)]
    command += ["--out", str(out), "--platform", platform]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 60
    while not children.read_text().split():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "ended by SIGKILL" in errors
    assert sum(run.is_done for run in runs_of(out)) == N_RUNS - 1
    assert subprocess.run(command).returncode == 0
    assert all(run.is_done for run in runs_of(out))
