import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import openmm
import pandas as pd
import pytest
from openmm import app

from solvshell.cli import main
from solvshell.errors import InvalidInput
from solvshell.files import to_yaml, validate
from solvshell.md import simulate
from solvshell.md.reporters import LOG_COLUMNS
from solvshell.protocol import Protocol
from solvshell.provenance import read_record, write_record
from solvshell.run import open_run

N_FRAMES = 26
# The package's name for it is the function.
stage_module = importlib.import_module("solvshell.md.stage")


def make_protocol(**changes: object) -> Protocol:
    """Return 0.4 ps of equilibration and 2 ps of production with a frame every 0.08 ps."""
    common = {"kind": "dynamics", "temperature": "298.15 K", "pressure": "1 bar", "log_interval": "0.08 ps"}
    content = {
        "name": "test",
        "title": "short",
        "timestep": "4 fs",
        "hydrogen_mass": "3 Da",
        "checkpoint_interval": "0.4 ps",
        "stages": [
            {"kind": "minimize", "max_iterations": 50},
            {**common, "name": "equilibration", "duration": "0.4 ps", "frame_interval": "0.2 ps"},
            {**common, "name": "production", "duration": "2 ps", "frame_interval": "0.08 ps", "production": True},
        ],
        **changes,
    }
    return validate(Protocol, content, "test")


def read_times(run_path: Path, name: str = "trajectory.xtc") -> np.ndarray:
    universe = mda.Universe(app.PDBxFile(str(run_path / "box" / "topology.cif")), str(run_path / name))
    return np.array([ts.time for ts in universe.trajectory])


def assert_complete(run_path: Path) -> None:
    """Every frame once, equally spaced from 0; the log has every row once; done.json agrees."""
    np.testing.assert_allclose(read_times(run_path), 0.08 * np.arange(N_FRAMES), atol=1e-5)
    np.testing.assert_allclose(read_times(run_path, "equilibration.xtc"), [0.2, 0.4], atol=1e-5)
    log = pd.read_csv(run_path / "log.csv")
    assert tuple(log.columns) == LOG_COLUMNS
    assert list(log[log.stage == "production"].step) == list(range(20, 501, 20))
    assert not log.isna().any(axis=None)
    assert json.loads((run_path / "done.json").read_text())["production_frames"] == N_FRAMES


def start(run_path: Path, box_path: Path, protocol_path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "solvshell.cli", "run", str(box_path), "--protocol", str(protocol_path)]
    command += ["--out", str(run_path), "--platform", "CPU"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_frames(run_path: Path, size: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    trajectory = run_path / "trajectory.xtc"
    while time.monotonic() < deadline and process.poll() is None:
        if trajectory.exists() and trajectory.stat().st_size > size:
            return
        time.sleep(0.02)
    raise AssertionError(f"no frames before the end: {process.communicate()}")


@pytest.fixture
def protocol_path(tmp_path: Path) -> Path:
    path = tmp_path / "protocol.yaml"
    path.write_text(to_yaml(make_protocol()))
    return path


def test_an_uninterrupted_run_is_complete(box_path: Path, tmp_path: Path) -> None:
    run = simulate(open_run(tmp_path / "run", box_path, make_protocol(), seed=5), "CPU")
    assert run.is_done
    assert_complete(run.path)
    assert run.provenance["seed"] == 5
    assert run.provenance["starts"][0]["platform"] == "CPU"
    assert simulate(run) is run  # nothing to do


def test_a_killed_run_goes_on_where_it_was(box_path: Path, tmp_path: Path, protocol_path: Path) -> None:
    run_path = tmp_path / "run"
    for size in (8_000, 60_000):
        process = start(run_path, box_path, protocol_path)
        wait_for_frames(run_path, size, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (run_path / "done.json").exists()
    with open(run_path / "trajectory.xtc", "ab") as file:
        file.write(b"\x00\x00\x07\xcb half a frame")  # what a kill in the middle of a write leaves
    assert main(["run", str(box_path), "--protocol", str(protocol_path), "--out", str(run_path)]) == 0
    assert_complete(run_path)
    assert len(json.loads((run_path / "provenance.json").read_text())["starts"]) == 3


@pytest.mark.parametrize("fraction", [0.7, 0.9, 0.999])
def test_a_trajectory_cut_at_any_byte_is_mended(box_path: Path, tmp_path: Path, fraction: float) -> None:
    run = simulate(open_run(tmp_path / "run", box_path, make_protocol()), "CPU")
    (run.path / "done.json").unlink()
    os.truncate(run.trajectory_path, int(fraction * run.trajectory_path.stat().st_size))
    simulate(run, "CPU")
    assert_complete(run.path)


def test_sigterm_saves_and_says_so(box_path: Path, tmp_path: Path, protocol_path: Path) -> None:
    run_path = tmp_path / "run"
    process = start(run_path, box_path, protocol_path)
    wait_for_frames(run_path, 8_000, process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "the same command goes on from here" in errors
    assert main(["run", str(box_path), "--protocol", str(protocol_path), "--out", str(run_path)]) == 0
    assert_complete(run_path)


def test_an_explosion_tells_the_step_and_keeps_what_was_there(
    box_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = make_protocol().model_dump(mode="json")
    content |= {"timestep": "5 fs", "hydrogen_mass": None, "constraints": "none", "checkpoint_interval": "0.16 ps"}
    for stage in content["stages"][1:]:
        stage |= {"frame_interval": "0.08 ps", "duration": "0.8 ps", "log_interval": "0.08 ps"}
    path = tmp_path / "wild.yaml"
    path.write_text(to_yaml(validate(Protocol, content, "test")))
    run_path = tmp_path / "run"
    assert main(["run", str(box_path), "--protocol", str(path), "--out", str(run_path), "--platform", "CPU"]) == 1
    message = capsys.readouterr().err
    assert "exploded in stage equilibration" in message
    assert "step" in message
    assert list((run_path / "checkpoint").glob("0*/state.xml"))


def test_a_folder_with_another_run_is_refused(
    box_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], protocol_path: Path
) -> None:
    run = open_run(tmp_path / "run", box_path, make_protocol(), seed=1)
    with pytest.raises(InvalidInput, match="another protocol"):
        open_run(run.path, box_path, make_protocol(timestep="2 fs"))
    with pytest.raises(InvalidInput, match="seed 1, got 2"):
        open_run(run.path, box_path, make_protocol(), seed=2)
    other = tmp_path / "other"
    assert main(["build", "lb003", "--n-salt", "7", "--seed", "9", "--out", str(other)]) == 0
    command = ["run", str(other), "--protocol", str(protocol_path), "--out", str(run.path)]
    assert main(command) == 2
    assert "holds a run of another box" in capsys.readouterr().err


def test_two_processes_do_not_share_a_run(box_path: Path, tmp_path: Path, protocol_path: Path) -> None:
    run_path = tmp_path / "run"
    process = start(run_path, box_path, protocol_path)
    try:
        wait_for_frames(run_path, 1_000, process)
        with pytest.raises(InvalidInput, match=r"is being run by process \d+ on .*, since 20"):
            simulate(open_run(run_path, box_path, make_protocol()), "CPU")
    finally:
        process.kill()
        process.wait()


def test_an_unknown_platform_is_refused(box_path: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"platform: 'Abacus' is not installed here \(working: .*CPU"):
        simulate(open_run(tmp_path / "run", box_path, make_protocol()), "Abacus")


LIGHT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        heavy = {"rdkit", "MDAnalysis", "packmol", "pandas", "scipy", "matplotlib", "jinja2", "pymbar", "numba"}
        if name.partition(".")[0] in heavy:
            raise ImportError(f"{name} is not on a GPU node")

sys.meta_path.insert(0, Refuse())
from solvshell.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_gpu_node_needs_neither_rdkit_nor_mdanalysis(box_path: Path, tmp_path: Path, protocol_path: Path) -> None:
    arguments = ["run", str(box_path), "--protocol", str(protocol_path), "--out", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, "-c", LIGHT, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_complete(tmp_path / "run")


FULL_DEVICE = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from solvshell.cli import main
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.exit(main(sys.argv[1:]))
"""


def test_a_full_device_ends_the_run_and_room_resumes_it(box_path: Path, tmp_path: Path, protocol_path: Path) -> None:
    arguments = ["run", str(box_path), "--protocol", str(protocol_path), "--out", str(tmp_path / "run")]
    start_without_room = [sys.executable, "-c", FULL_DEVICE]
    largest = max(file.stat().st_size for file in box_path.iterdir())
    open_run(tmp_path / "run", box_path, make_protocol())
    done = subprocess.run([*start_without_room, str(100_000), *arguments], capture_output=True, text=True)
    assert largest > 100_000  # the box was copied before; states of 100 kB do not fit any more
    assert done.returncode == 1, done.stderr
    assert "cannot write (File too large)" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert main(arguments) == 0
    assert_complete(tmp_path / "run")


def test_on_one_platform_a_resumed_run_continues_the_same_noise(
    box_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reference platform, constant volume: byte for byte the trajectory of a run that was never stopped."""
    content = make_protocol().model_dump(mode="json")
    common = {"pressure": None, "frame_interval": "0.008 ps", "log_interval": "0.008 ps"}
    content["stages"] = [content["stages"][0], {**content["stages"][2], **common, "duration": "0.04 ps"}]
    protocol = validate(Protocol, {**content, "checkpoint_interval": "0.016 ps"}, "test")
    whole = simulate(open_run(tmp_path / "whole", box_path, protocol, seed=3), "Reference")
    resumed = open_run(tmp_path / "resumed", box_path, protocol, seed=3)
    real, calls = stage_module.advance, []

    def advance_and_stop(context: openmm.Context, n_steps: int) -> None:
        real(context, n_steps)
        calls.append(n_steps)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(stage_module, "advance", advance_and_stop)
    with pytest.raises(KeyboardInterrupt):
        simulate(resumed, "Reference")
    monkeypatch.setattr(stage_module, "advance", real)
    simulate(resumed, "Reference")
    assert resumed.trajectory_path.read_bytes() == whole.trajectory_path.read_bytes()
    assert json.loads((resumed.path / "done.json").read_text())["restarts_with_fresh_noise"] == 0


def test_another_platform_continues_with_fresh_noise_and_says_so(box_path: Path, tmp_path: Path) -> None:
    run = simulate(open_run(tmp_path / "run", box_path, make_protocol()), "CPU")
    (run.path / "done.json").unlink()
    newest = max((run.path / "checkpoint").glob("0*"))
    for path in (newest, newest.with_name(f"{int(newest.name) - 1:06d}")):
        write_record(path / "progress.json", read_record(path / "progress.json") | {"signature": "OpenMM 8 CUDA"})
    os.truncate(run.trajectory_path, run.trajectory_path.stat().st_size - 1)
    simulate(run, "CPU")
    assert_complete(run.path)
    assert json.loads((run.path / "done.json").read_text())["restarts_with_fresh_noise"] == 1


def test_a_ramp_moves_evenly_to_its_end(box_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = make_protocol().model_dump(mode="json")
    content["stages"][1] |= {"temperature": "300 K", "ramp_to": "400 K", "frame_interval": "0.4 ps"}
    content["stages"][1] |= {"log_interval": "0.4 ps", "pressure": None}
    content["stages"][2] |= {"duration": "0.08 ps"}
    seen: list[float] = []
    monkeypatch.setattr(stage_module, "set_temperature", lambda context, temperature: seen.append(temperature))
    simulate(open_run(tmp_path / "run", box_path, validate(Protocol, content, "test")), "CPU")
    assert len(seen) == 100
    np.testing.assert_allclose(np.diff(seen), 1.0)
    assert (seen[0], seen[-1]) == pytest.approx((300.5, 399.5))
