"""A run that is killed again and again comes out whole: every frame and every row once, none changed after the fact."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pandas as pd
import pytest
from openmm import app
from small_boxes import liquid

from solvshell.files import to_yaml, validate
from solvshell.md.checkpoints import numbered, read_checkpoint
from solvshell.protocol import Protocol
from solvshell.run import Run

N_KILLS = 30
#: of the kills: SIGTERM in place of SIGKILL
TERMINATED = 0.25
#: ps
FRAME, LOG, EQUILIBRATION, PRODUCTION = 0.02, 0.01, 0.3, 4.0

pytestmark = pytest.mark.slow


def make_protocol() -> Protocol:
    common = {"kind": "dynamics", "temperature": "298.15 K", "pressure": "1 bar", "friction": "10 /ps"}
    common |= {"frame_interval": f"{FRAME} ps", "log_interval": f"{LOG} ps"}
    content = {
        "name": "killed",
        "title": "for tests",
        "timestep": "2 fs",
        "checkpoint_interval": "0.1 ps",
        "stages": [
            {"kind": "minimize", "max_iterations": 100},
            {**common, "name": "equilibration", "duration": f"{EQUILIBRATION} ps"},
            {**common, "name": "production", "duration": f"{PRODUCTION} ps", "production": True},
        ],
    }
    return validate(Protocol, content, "killed")


@dataclass
class Killed:
    """A run folder, and what its checkpoints have vouched for: of each file the hash of its first so many bytes."""

    path: Path
    vouched: dict[str, dict[int, str]] = field(default_factory=dict)
    n_kills: int = 0
    #: stage and step of the newest checkpoint after each kill
    places: list[tuple[int, int]] = field(default_factory=list)

    def vouch(self) -> None:
        """Take down what the newest checkpoint knows; one that is being written is not there yet."""
        paths = numbered(self.path / "checkpoint")
        if not paths:
            return
        newest = read_checkpoint(paths[-1])
        self.places.append((newest.stage, newest.step))
        for name, length in newest.lengths.items():
            content = (self.path / name).read_bytes()[:length]
            assert len(content) == length
            self.vouched.setdefault(name, {})[length] = hashlib.sha256(content).hexdigest()


def start(folder: Path, run_path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "solvshell.cli", "run", str(folder / "box"), "--protocol"]
    command += [str(folder / "protocol.yaml"), "--out", str(run_path), "--platform", "CPU"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def seconds_to_the_first_frame(folder: Path) -> float:
    """Return how long a process needs on this machine, now, until there is something to lose."""
    run_path, began = folder / "first", time.monotonic()
    process = start(folder, run_path)
    while process.poll() is None and not (run_path / "checkpoint" / "000003").exists():
        time.sleep(0.01)
    process.kill()
    process.communicate()
    return time.monotonic() - began


def kill_until_done(killed: Killed, folder: Path, rng: np.random.Generator, start_up_s: float) -> None:
    """Start the run again and again, and kill it after a random time, until it is done."""
    while not (killed.path / "done.json").exists():
        process = start(folder, killed.path)
        number = signal.SIGTERM if rng.random() < TERMINATED else signal.SIGKILL
        try:
            process.wait(rng.uniform(0.3, 2.0) * start_up_s)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            killed.n_kills += 1
        _, errors = process.communicate(timeout=120)
        # SIGTERM before Python has started to listen is a plain death; a kill can come after the last step.
        expected = (0, 3, -signal.SIGTERM) if number == signal.SIGTERM else (0, -signal.SIGKILL)
        assert process.returncode in expected, errors
        killed.vouch()


def assert_whole(killed: Killed) -> None:
    """Look at every frame and every row."""
    for name, known in killed.vouched.items():
        content = (killed.path / name).read_bytes()
        for length, digest in known.items():
            assert hashlib.sha256(content[:length]).hexdigest() == digest, (name, length)
    run = Run(killed.path)
    topology = app.PDBxFile(str(run.topology_path))
    for path, first, last in ((run.trajectory_path, 0.0, PRODUCTION), (run.equilibration_path, FRAME, EQUILIBRATION)):
        frames = mda.Universe(topology, str(path)).trajectory
        times = np.array([frame.time for frame in frames])
        np.testing.assert_allclose(times, np.arange(first, last + FRAME / 2, FRAME), atol=1e-5)
        positions = np.array([frame.positions / frame.dimensions[:3] for frame in frames])
        moved = np.diff(positions, axis=0)
        moved = np.sqrt(((moved - np.round(moved)) ** 2).sum(axis=2).mean(axis=1)) * frames[0].dimensions[0]
        assert 0.01 < moved.min() < moved.max() < 1.0, "Å in 20 fs: a frame that stands twice, or one that is missing"
    log = pd.read_csv(run.log_path)
    for stage, duration in (("equilibration", EQUILIBRATION), ("production", PRODUCTION)):
        rows = log[log.stage == stage]
        np.testing.assert_allclose(rows.time_ps, LOG * np.arange(1, round(duration / LOG) + 1), rtol=1e-9)
    assert len(log) == round((EQUILIBRATION + PRODUCTION) / LOG)
    assert json.loads((run.path / "done.json").read_text())["production_frames"] == round(PRODUCTION / FRAME) + 1


def test_a_run_that_is_killed_thirty_times_is_whole(tmp_path: Path) -> None:
    """Where the machine is so fast that a run is done before, another one is taken for the rest."""
    liquid().save(tmp_path / "box")
    (tmp_path / "protocol.yaml").write_text(to_yaml(make_protocol()))
    rng = np.random.default_rng(7)
    start_up_s = seconds_to_the_first_frame(tmp_path)
    runs: list[Killed] = []
    while sum(killed.n_kills for killed in runs) < N_KILLS:
        runs.append(Killed(tmp_path / f"run-{len(runs)}"))
        kill_until_done(runs[-1], tmp_path, rng, start_up_s)
        assert_whole(runs[-1])
    places = {(i, place) for i, killed in enumerate(runs) for place in killed.places}
    assert len(places) > N_KILLS / 3, f"most kills came before anything was done: {places}"
