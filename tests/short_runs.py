"""Runs of a few picoseconds of a box so small that they take seconds, and what a complete one looks like."""

import hashlib
import json
from pathlib import Path
from typing import Any

import MDAnalysis as mda
import numpy as np
import pandas as pd
from openmm import app

from solvshell.files import validate
from solvshell.md.reporters import LOG_COLUMNS
from solvshell.progress import Silent
from solvshell.protocol import Protocol
from solvshell.run import Run

#: ps
FRAME, LOG, EQUILIBRATION, PRODUCTION = 0.02, 0.01, 0.1, 0.2


def short_protocol(production: dict[str, Any] | None = None, **changes: Any) -> Protocol:
    """Return 0.1 ps of equilibration and 0.2 ps of production, both at constant volume, a checkpoint every 0.04 ps."""
    common = {"kind": "dynamics", "temperature": "298.15 K", "friction": "10 /ps", "log_interval": f"{LOG} ps"}
    common["frame_interval"] = f"{FRAME} ps"
    content = {
        "name": "short",
        "title": "for tests",
        "timestep": "2 fs",
        "checkpoint_interval": "0.04 ps",
        "stages": [
            {"kind": "minimize", "max_iterations": 100},
            {**common, "name": "equilibration", "duration": f"{EQUILIBRATION} ps"},
            {**common, "name": "production", "duration": f"{PRODUCTION} ps", "production": True, **(production or {})},
        ],
    }
    return validate(Protocol, content | changes, "short")


class Notes(Silent):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    @property
    def text(self) -> str:
        """All lines as one."""
        return "\n".join(self.lines)


def times_of(run: Run, path: Path) -> np.ndarray:
    """Return the times of the frames of a trajectory in ps."""
    universe = mda.Universe(app.PDBxFile(str(run.topology_path)), str(path))
    return np.array([frame.time for frame in universe.trajectory])


def assert_complete(run: Run) -> dict[str, Any]:
    """Look for every frame and every row of a run of `short_protocol`, once each; return what ``done.json`` says."""
    n_before, n_frames = round(EQUILIBRATION / FRAME), round(PRODUCTION / FRAME) + 1
    np.testing.assert_allclose(times_of(run, run.trajectory_path), FRAME * np.arange(n_frames), atol=1e-6)
    np.testing.assert_allclose(times_of(run, run.equilibration_path), FRAME * (1 + np.arange(n_before)), atol=1e-6)
    log = pd.read_csv(run.log_path)
    assert tuple(log.columns) == LOG_COLUMNS
    assert not log.isna().any(axis=None)
    expected = [
        (stage, round(step * LOG, 9))
        for stage, duration in (("equilibration", EQUILIBRATION), ("production", PRODUCTION))
        for step in range(1, round(duration / LOG) + 1)
    ]
    assert list(zip(log.stage, log.time_ps, strict=True)) == expected
    done: dict[str, Any] = json.loads((run.path / "done.json").read_text())
    assert done["production_frames"] == n_frames
    for name, known in done["outputs"].items():
        assert hashlib.sha256((run.path / name).read_bytes()).hexdigest() == known["sha256"], name
    return done
