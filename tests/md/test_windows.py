"""A stage of windows records each row once, in the right window, whatever stops it."""

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import openmm
import pandas as pd
import pytest

from solvshell.errors import InvalidInput
from solvshell.files import to_yaml, validate
from solvshell.md import simulate
from solvshell.md.umbrella import Tagged, UmbrellaSampling, read_tagged
from solvshell.md.windows import WindowSequence
from solvshell.protocol import Protocol
from solvshell.run import Run, open_run
from solvshell.stages import Umbrella

stage_module = importlib.import_module("solvshell.md.stage")

APPROACH, RELAX, SAMPLE, RECORD, WINDOWS = 0.4, 0.08, 0.24, 0.04, 6


def make_protocol(**changes: object) -> Protocol:
    """Return 0.4 ps of approach and three windows there and back, each of 0.08 ps unrecorded and 0.24 ps recorded."""
    stage = {
        "kind": "umbrella",
        "name": "pull",
        "temperature": "298.15 K",
        "pressure": "1 bar",
        "coordinate": {
            "kind": "distance",
            "center": "Li",
            "partner": "PF6",
            "site": "p",
            "windows": [
                {"at": ["4 A", "4.1 A"], "spring": "60 kJ/mol/A2"},
                {"at": ["4.2 A"], "spring": "20 kJ/mol/A2"},
            ],
        },
        "approach": f"{APPROACH} ps",
        "relax": f"{RELAX} ps",
        "sample": f"{SAMPLE} ps",
        "record_interval": f"{RECORD} ps",
        "log_interval": "0.08 ps",
        "frame_interval": "0.08 ps",
        **changes,
    }
    content = {
        "name": "test",
        "title": "short",
        "timestep": "4 fs",
        "hydrogen_mass": "3 Da",
        "checkpoint_interval": "0.2 ps",
        "stages": [{"kind": "minimize", "max_iterations": 50}, stage],
    }
    return validate(Protocol, content, "test")


def expected() -> pd.DataFrame:
    """Return window and time of every row."""
    within = RELAX + RECORD * np.arange(1, round(SAMPLE / RECORD) + 1)
    window = np.arange(WINDOWS).repeat(len(within))
    return pd.DataFrame({"window": window, "time_ps": APPROACH + (RELAX + SAMPLE) * window + np.tile(within, WINDOWS)})


def assert_complete(run: Run) -> pd.DataFrame:
    rows = pd.read_csv(run.path / "umbrella.csv")
    assert list(rows.columns) == ["window", "time_ps", "distance_angstrom"]
    pd.testing.assert_frame_equal(rows[["window", "time_ps"]], expected())
    assert not rows.isna().any(axis=None)
    n_frames = round((APPROACH + WINDOWS * (RELAX + SAMPLE)) / 0.08) + 1
    assert json.loads((run.path / "done.json").read_text())["production_frames"] == n_frames
    return rows


def stop_after(steps: int, run: Run, platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run until some steps have been taken, and stop as a crash does: without a word."""
    real, calls = stage_module.advance, []

    def advance_and_stop(context: openmm.Context, n_steps: int) -> None:
        real(context, n_steps)
        calls.append(n_steps)
        if sum(calls) >= steps:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stage_module, "advance", advance_and_stop)
        with pytest.raises(KeyboardInterrupt):
            simulate(run, platform)


def test_every_row_is_written_once(box_path: Path, tmp_path: Path) -> None:
    run = simulate(open_run(tmp_path / "run", box_path, make_protocol(), seed=5), "CPU")
    rows = assert_complete(run)
    assert 3 < rows.distance_angstrom.min() < rows.distance_angstrom.max() < 5


def test_each_window_has_its_own_spring_from_its_start() -> None:
    stage = make_protocol().windows
    assert isinstance(stage, Umbrella)
    sampling = UmbrellaSampling(stage, Tagged(center_atom=0, partner_atoms=[1]))
    windows = WindowSequence(stage, sampling, 0.004)
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(3 * np.eye(3)))
    for _ in range(2):
        system.addParticle(1.0)
    context = openmm.Context(windows.system(system), openmm.VerletIntegrator(0.004))
    context.setPositions([[0, 0, 0], [0.4, 0, 0]])
    step, growing = 0, []
    while step < round(stage.duration / 0.004):
        windows.prepare(context, step, 10)
        at, spring = (context.getParameter(f"umbrella_{name}") for name in ("at", "spring"))
        if step < round(APPROACH / 0.004):
            growing.append(spring / stage.visits[0][1])
        else:
            window = (step - round(APPROACH / 0.004)) // round((RELAX + SAMPLE) / 0.004)
            assert (at, spring) == stage.visits[window]
        step += 10
    np.testing.assert_allclose(growing, (np.arange(10) + 0.5) / 10)


def test_a_run_stopped_inside_a_window_goes_on(box_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = open_run(tmp_path / "run", box_path, make_protocol(), seed=5)
    stop_after(400, run, "CPU", monkeypatch)
    tagged = read_tagged(run.path)
    with open(run.path / "umbrella.csv", "ab") as file:
        file.write(b"3,1.23")  # what a kill in the middle of a write leaves
    simulate(run, "CPU")
    assert_complete(run)
    assert read_tagged(run.path) == tagged


def test_rows_that_were_cut_are_mended(box_path: Path, tmp_path: Path) -> None:
    run = simulate(open_run(tmp_path / "run", box_path, make_protocol()), "CPU")
    (run.path / "done.json").unlink()
    path = run.path / "umbrella.csv"
    os.truncate(path, 9 * path.stat().st_size // 10)
    simulate(run, "CPU")
    assert_complete(run)


@pytest.mark.slow
def test_a_killed_command_goes_on(box_path: Path, tmp_path: Path) -> None:
    protocol_path = tmp_path / "protocol.yaml"
    protocol_path.write_text(to_yaml(make_protocol()))
    command = [sys.executable, "-m", "solvshell.cli", "run", str(box_path), "--protocol", str(protocol_path)]
    command += ["--out", str(tmp_path / "run"), "--platform", "CPU"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    rows = tmp_path / "run" / "umbrella.csv"
    while process.poll() is None and not (rows.exists() and rows.stat().st_size > 0):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "run" / "done.json").exists()
    subprocess.run(command, check=True, capture_output=True)
    assert_complete(Run.load(tmp_path / "run"))


def test_on_one_platform_a_resumed_stage_continues_the_same_noise(
    box_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reference platform, constant volume: byte for byte the rows of a run that was never stopped."""
    times = {"approach": None, "relax": "0.008 ps", "sample": "0.016 ps", "record_interval": "0.008 ps"}
    common = {"pressure": None, "frame_interval": None, "log_interval": "0.008 ps"}
    content = make_protocol(**times, **common).model_dump(mode="json") | {"checkpoint_interval": "0.032 ps"}
    protocol = validate(Protocol, content, "test")
    whole = simulate(open_run(tmp_path / "whole", box_path, protocol, seed=3), "Reference")
    resumed = open_run(tmp_path / "resumed", box_path, protocol, seed=3)
    stop_after(22, resumed, "Reference", monkeypatch)
    simulate(resumed, "Reference")
    assert (resumed.path / "umbrella.csv").read_bytes() == (whole.path / "umbrella.csv").read_bytes()
    assert resumed.trajectory_path.stat().st_size == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"partner": "DEC"}, r"coordinate: center or partner: no DEC in this box \(Li, PF6, EC"),
        ({"site": "s"}, r"coordinate.site: PF6 has no s \(f, p\)"),
        ({"site": "f"}, "coordinate.site: f of PF6 are 6 atoms; a distance needs one"),
        ({"center": "EC"}, r"coordinate.center: EC is no simple cation \(such as Li\)"),
        (
            {"windows": [{"at": ["4 A", "39 A"], "spring": "20 kJ/mol/A2"}]},
            r"coordinate.windows: 39\.00 Å lies beyond half of the shortest width of the box, \d+\.\d\d Å",
        ),
    ],
)
def test_a_coordinate_that_the_box_lacks_is_refused_before_anything_runs(
    box_path: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    content = make_protocol().model_dump(mode="json")
    content["stages"][-1]["coordinate"] |= changes
    with pytest.raises(InvalidInput, match=message):
        open_run(tmp_path / "run", box_path, validate(Protocol, content, "test"))
    assert not (tmp_path / "run").exists()
