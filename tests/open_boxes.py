"""A gas and short runs of it in which molecules come and go: so thin that many moves are accepted."""

import copy
import csv
import hashlib
import importlib
import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import openmm
import pandas as pd
import pytest
from short_runs import times_of
from small_boxes import small_recipe

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.files import validate
from solvshell.md.dynamics import scaled_to
from solvshell.md.grand import conformers, exchange, libraries
from solvshell.occupancy import read_occupancy
from solvshell.protocol import Protocol
from solvshell.run import Run

#: ps
FRAME, LOG, MOVE, DURATION = 0.04, 0.02, 0.02, 0.4
COUNTS = {"EC": 2, "DMC": 3}
#: so dense a reservoir that the context has to be replaced by larger ones
DENSE = {"name": "dense", "temperature": "400 K", "species": {name: {"activity": "1.5 /nm3"} for name in COUNTS}}

# The package's names for them are functions.
stage_module = importlib.import_module("solvshell.md.stage")
switching_module = importlib.import_module("solvshell.md.grand.switching")

ADVANCES = {"steps": stage_module, "switches": switching_module}


@cache
def thin_gas() -> Box:
    """Return two EC and three DMC in 12 nm3, with a cutoff that suits PME."""
    packed = build_box(small_recipe(COUNTS, "0.4 nm"), seed=1)
    system = copy.deepcopy(packed.system)
    (force,) = (force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    force.setCutoffDistance(0.9)
    positions, cell = scaled_to(packed, packed.state, 12.0)
    system.setDefaultPeriodicBoxVectors(*cell)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPeriodicBoxVectors(*cell)
    context.setPositions(positions)
    return replace(packed, system=system, state=context.getState(positions=True))


def open_stage(**changes: Any) -> dict[str, Any]:
    """Return 0.4 ps of a gas at 400 K that exchanges with a reservoir about as dense, by 20 moves."""
    species = {name: {"activity": "0.25 /nm3"} for name in COUNTS}
    return {
        "kind": "grand_canonical",
        "name": "exchange",
        "temperature": "400 K",
        "friction": "10 /ps",
        "reservoir": {"name": "by hand", "temperature": "400 K", "species": species},
        "duration": f"{DURATION} ps",
        "move_interval": f"{MOVE} ps",
        "switching_time": "0.04 ps",
        "frame_interval": f"{FRAME} ps",
        "log_interval": f"{LOG} ps",
        **changes,
    }


def open_protocol(**changes: Any) -> Protocol:
    """Return a minimisation and `open_stage`, with a checkpoint every 0.1 ps."""
    content = {
        "name": "open",
        "title": "for tests",
        "timestep": "2 fs",
        "checkpoint_interval": "0.1 ps",
        "stages": [{"kind": "minimize", "max_iterations": 30}, open_stage(**changes)],
    }
    return validate(Protocol, content, "open")


def moves_of(run: Run) -> list[dict[str, str]]:
    """Return the rows of ``moves.csv`` without what a clock says."""
    with open(run.moves_path, newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def save_gas(path: Path) -> Path:
    """Write the gas and return where."""
    thin_gas().save(path)
    return path


def few_conformers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare time: few conformers, and few idle molecules."""
    monkeypatch.setattr(exchange, "_FEWEST_IDLE", 2)
    monkeypatch.setattr(libraries, "N_CONFORMERS", 8)
    monkeypatch.setattr(conformers, "_ROUNDS_BEFORE", 1)


class Calls:
    """Does something in place of, or at, some calls of what advances contexts, ordinary steps and switches counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, of: Sequence[str] = ("steps", "switches")) -> None:
        self.n = 0
        self.acts: dict[int, Callable[[], object]] = {}
        for module in (ADVANCES[key] for key in of):
            monkeypatch.setattr(module, "advance", self._wrap(module.advance))

    def _wrap(self, real: Any) -> Any:
        def advance(context: openmm.Context, n_steps: int) -> None:
            real(context, n_steps)
            self.n += 1
            self.acts.pop(self.n, lambda: None)()

        return advance


def kill(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


def counts_by_moves(run: Run, time_ps: float) -> dict[str, int]:
    """Return how many molecules there are at a time, by the moves until then."""
    counts = dict(COUNTS)
    for row in moves_of(run):
        if float(row["time_ps"]) <= time_ps + 1e-9 and row["outcome"] == "accepted":
            counts[row["species"]] += 1 if row["kind"] == "insertion" else -1
    return counts


def assert_complete(run: Run) -> dict[str, Any]:
    """Look for all moves, frames and rows, once each, and whether they tell the same."""
    moves = moves_of(run)
    assert [int(row["move"]) for row in moves] == list(range(1, round(DURATION / MOVE) + 1))
    np.testing.assert_allclose([float(row["time_ps"]) for row in moves], MOVE * np.arange(1, len(moves) + 1))
    room = {name: run.sampled.counts[name] for name in COUNTS}
    table, times = read_occupancy(run.occupancy_path, room), times_of(run, run.trajectory_path)
    np.testing.assert_allclose(table.time_ps, FRAME * np.arange(round(DURATION / FRAME) + 1), atol=1e-9)
    np.testing.assert_allclose(table.time_ps, times, atol=1e-5)
    for frame, time_ps in enumerate(table.time_ps):
        assert table[frame].counts == counts_by_moves(run, time_ps)
    log = pd.read_csv(run.log_path)
    np.testing.assert_allclose(log.time_ps, LOG * np.arange(1, round(DURATION / LOG) + 1))
    assert np.isfinite(log.drop(columns="stage")).all(axis=None)
    done: dict[str, Any] = json.loads((run.path / "done.json").read_text())
    assert done["production_frames"] == len(table)
    assert {"occupancy.csv", "moves.csv", "conformers/EC.npz", "conformers/DMC.npz"} < set(done["outputs"])
    for name, known in done["outputs"].items():
        assert hashlib.sha256((run.path / name).read_bytes()).hexdigest() == known["sha256"], name
    assert done["exchange"]["n_attempts"] == len(moves)
    return done
