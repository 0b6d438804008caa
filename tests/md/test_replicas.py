"""Many runs at once, each in a process of its own: real ones, on boxes of ten molecules, which are also killed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest
from openmm import app
from small_boxes import small_recipe

from solvshell.build import build_box
from solvshell.cli import main
from solvshell.errors import InvalidInput, WorkFailed
from solvshell.files import to_yaml, validate
from solvshell.folders import derived_seed, open_runs, replica_name, runs_of
from solvshell.md import run_all
from solvshell.protocol import Protocol
from solvshell.run import Run

N_REPLICAS = 2
LONG = 200


def make_protocol(frames: int, **changes: object) -> Protocol:
    """Return 0.4 ps of equilibration and production with a frame every 0.08 ps, at constant volume."""
    common = {"kind": "dynamics", "temperature": "298.15 K", "log_interval": "0.08 ps", "frame_interval": "0.08 ps"}
    content = {
        "name": "test",
        "title": "short",
        "timestep": "4 fs",
        "hydrogen_mass": "3 Da",
        "checkpoint_interval": "0.4 ps",
        "stages": [
            {"kind": "minimize", "max_iterations": 50},
            {**common, "name": "equilibration", "duration": "0.4 ps"},
            {**common, "name": "production", "duration": f"{0.08 * frames:g} ps", "production": True},
        ],
        **changes,
    }
    return validate(Protocol, content, "test")


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("boxes") / "boxes"
    recipe = small_recipe({"Li": 2, "PF6": 2, "EC": 2, "DOL": 2, "DMC": 2}, "0.4 nm")
    for index in range(N_REPLICAS):
        build_box(recipe, seed=derived_seed(1, index)).save(path / replica_name(index))
    return path


def frames_of(run: Run) -> np.ndarray:
    """Return times and positions of the production frames: (n_frames, 1 + 3 n_atoms)."""
    universe = mda.Universe(app.PDBxFile(str(run.topology_path)), str(run.trajectory_path))
    return np.array([[ts.time, *ts.positions.ravel()] for ts in universe.trajectory])


def assert_complete(out: Path, frames: int) -> None:
    """Every frame of each run is there once."""
    runs = runs_of(out)
    assert len(runs) == N_REPLICAS
    for run in runs:
        assert run.is_done
        np.testing.assert_allclose(frames_of(run)[:, 0], 0.08 * np.arange(frames + 1), atol=1e-5)


Start = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def start(boxes: Path, tmp_path: Path) -> Start:
    """Return what starts the command on long runs."""
    protocol = tmp_path / "protocol.yaml"
    protocol.write_text(to_yaml(make_protocol(LONG)))
    command = [sys.executable, "-m", "solvshell.cli", "run", str(boxes), "--protocol", str(protocol)]
    command += ["--out", str(tmp_path / "runs"), "--platform", "CPU", "--at-once", str(N_REPLICAS)]
    return lambda: subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def children_of(process: subprocess.Popen[str]) -> list[int]:
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(number) for number in text.split()]


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def all_produce(out: Path, more_than: int) -> bool:
    """Return whether both runs have written more than so many bytes of frames."""
    paths = [out / replica_name(index) / "trajectory.xtc" for index in range(N_REPLICAS)]
    return all(path.exists() and path.stat().st_size > more_than for path in paths)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_replicas_are_run_and_are_different(boxes: Path, tmp_path: Path) -> None:
    runs = open_runs(tmp_path / "runs", boxes, {None: make_protocol(10)}, seed=7)
    assert run_all(runs, platform="CPU") == runs
    assert_complete(tmp_path / "runs", 10)
    assert [run.provenance["seed"] for run in runs] == [7, derived_seed(7, 1)]
    first, second = (frames_of(run)[:, 1:] for run in runs)
    assert np.abs(first - second).max(axis=1).min() > 1.0  # Å, in every frame
    before = [run.trajectory_path.stat().st_mtime_ns for run in runs]
    run_all(runs, platform="CPU")  # nothing to do
    assert [run.trajectory_path.stat().st_mtime_ns for run in runs] == before


def test_one_that_fails_leaves_the_other(boxes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    protocol = tmp_path / "protocol.yaml"
    protocol.write_text(to_yaml(make_protocol(10)))
    runs = open_runs(tmp_path / "runs", boxes, {None: make_protocol(10)})
    runs[0].checkpoint_path.touch()  # no folder can be made in its place, by root either
    command = ["run", str(boxes), "--protocol", str(protocol), "--out", str(tmp_path / "runs"), "--at-once", "1"]
    assert main([*command, "--platform", "CPU"]) == 1
    errors = capsys.readouterr().err
    assert "1 of 2 runs, the others are done" in errors
    assert "replica-00" in errors
    assert "checkpoint (File exists)" in errors
    assert [run.is_done for run in runs] == [False, True]
    runs[0].checkpoint_path.unlink()
    assert main([*command, "--platform", "CPU"]) == 0
    said = capsys.readouterr().out
    assert "1 of 2 runs are done already" in said
    assert said.endswith(f"done: {tmp_path / 'runs'}; next: solvshell analyze {tmp_path / 'runs'}\n")
    assert_complete(tmp_path / "runs", 10)


def test_what_a_process_says_at_its_end_is_told(boxes: Path, tmp_path: Path) -> None:
    runs = open_runs(tmp_path / "runs", boxes, {None: make_protocol(10)})
    (runs[1].path / "provenance.json").write_text("{")
    with pytest.raises(WorkFailed, match=r"replica-01: .*(JSON|property name)"):
        run_all(runs, platform="CPU")
    assert runs[0].is_done


@pytest.mark.slow
def test_a_killed_process_leaves_the_other(start: Start, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    process = start()
    wait_until(lambda: all_produce(out, 0), process)
    os.kill(children_of(process)[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "its process was ended by SIGKILL, perhaps for want of memory" in errors
    assert sorted(run.is_done for run in runs_of(out)) == [False, True]
    process = start()
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "resuming" in said
    assert_complete(out, LONG)


def test_a_command_that_is_stopped_or_killed_goes_on_from_checkpoints(start: Start, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    process = start()
    wait_until(lambda: all_produce(out, 0), process)
    children = children_of(process)
    assert len(children) == N_REPLICAS
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while any(is_alive(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not any(run.is_done for run in runs_of(out))
    lengths = [run.trajectory_path.stat().st_size for run in runs_of(out)]
    for run, length in zip(runs_of(out), lengths, strict=True):  # they stopped, and did not die: no frame is in vain
        newest = max((run.path / "checkpoint").glob("0*"))
        assert json.loads((newest / "progress.json").read_text())["lengths"]["trajectory.xtc"] == length

    process = start()
    wait_until(lambda: all_produce(out, max(lengths)), process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "stopped; 0 of 2 runs are done" in errors
    assert "the same command goes on from here" in errors
    process = start()
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert_complete(out, LONG)


def test_the_example_of_the_page(boxes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("boxes").symlink_to(boxes)
    Path("protocol.yaml").write_text(to_yaml(make_protocol(10)))
    page = (Path(__file__).parents[2] / "docs" / "running.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert '"standard"' in example
    exec(example.replace('"standard"', '"protocol.yaml"'), {})
    assert_complete(Path("runs"), 10)


def test_a_wrong_request_starts_and_makes_nothing(
    boxes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    command = ["run", str(boxes), "--protocol", "quick", "--out", str(out), "--at-once", "0"]
    assert main(command) == 2
    assert "--at-once: at least 1, got 0" in capsys.readouterr().err
    single = ["run", str(boxes / "replica-00"), "--protocol", "quick", "--out", str(out), "--at-once", "2"]
    assert main(single) == 2
    assert "--at-once: is for several runs" in capsys.readouterr().err
    assert not out.exists()
    open_runs(out / "replica-01", boxes / "replica-01", {None: make_protocol(10)})
    with pytest.raises(InvalidInput, match="replica-01: holds a run with another protocol"):
        open_runs(out, boxes, {None: make_protocol(20)})
    assert not (out / "replica-00").exists()
    with pytest.raises(InvalidInput, match="is one run; give another --out for 2 runs"):
        open_runs(out / "replica-01", boxes, {None: make_protocol(10)})
    with pytest.raises(InvalidInput, match="runs: holds replica-01; give another --out for a series of temperatures"):
        open_runs(out, boxes, {"278.15K": make_protocol(10)})
    open_runs(tmp_path / "series", boxes / "replica-00", {"278.15K": make_protocol(10)})
    with pytest.raises(InvalidInput, match=r"series: holds 278.15K; give another --out for runs at one temperature"):
        open_runs(tmp_path / "series", boxes, {None: make_protocol(10)})
    with pytest.raises(InvalidInput, match=r"278.15K: is one run; give another --out for 2 runs"):
        open_runs(tmp_path / "series", boxes, {"278.15K": make_protocol(10)})
    with pytest.raises(InvalidInput, match="at_once: at least 1, got -1"):
        run_all(runs_of(out), at_once=-1)


def test_copies_of_a_box_and_a_place_among_boxes_are_refused(boxes: Path, tmp_path: Path) -> None:
    copies = Path(shutil.copytree(boxes, tmp_path / "copies"))
    shutil.copytree(copies / "replica-00", copies / "replica-02")
    with pytest.raises(InvalidInput, match=r"replica-02: is a copy of .*replica-00, which is no replica"):
        open_runs(tmp_path / "runs", copies, {None: make_protocol(10)})
    assert not (tmp_path / "runs").exists()
    for path in (boxes, boxes / "replica-00"):
        with pytest.raises(InvalidInput, match=r"--out: .*replica-00 is a box; give another folder"):
            open_runs(path, path, {None: make_protocol(10)})


def test_a_series_of_temperatures_has_a_folder_and_a_seed_for_each(boxes: Path, tmp_path: Path) -> None:
    series = {"278.15K": make_protocol(10), "298.15K": make_protocol(10)}
    runs = open_runs(tmp_path / "runs", boxes, series, seed=1)
    names = [str(run.path.relative_to(tmp_path / "runs")) for run in runs]
    assert names == ["278.15K/replica-00", "278.15K/replica-01", "298.15K/replica-00", "298.15K/replica-01"]
    assert len({run.provenance["seed"] for run in runs}) == 4
    assert [run.path for run in runs_of(tmp_path / "runs")] == [run.path for run in runs]
    assert open_runs(tmp_path / "runs", boxes, series) == runs  # resumed without a seed, and with it
    assert open_runs(tmp_path / "runs", boxes, series, seed=1) == runs
    single = open_runs(tmp_path / "single", boxes / "replica-01", series)
    assert [run.path.name for run in single] == ["278.15K", "298.15K"]


LIGHT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        heavy = {"rdkit", "MDAnalysis", "packmol", "pandas", "scipy", "matplotlib", "jinja2", "pymbar", "mdtraj"}
        if name.partition(".")[0] in heavy | {"numba", "networkx"}:
            raise ImportError(f"{name} is not on a GPU node")

sys.meta_path.insert(0, Refuse())
import solvshell.folders, solvshell.md.child, solvshell.md.replicas
"""


def test_a_gpu_node_needs_nothing_heavy_for_many_runs() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], check=True)
