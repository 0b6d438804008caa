"""A gas and short runs of it in which molecules come and go: so thin that many moves are accepted."""

import copy
import csv
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import openmm
from small_boxes import small_recipe

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.files import validate
from solvshell.md.dynamics import scaled_to
from solvshell.protocol import Protocol
from solvshell.run import Run

#: ps
FRAME, LOG, MOVE, DURATION = 0.04, 0.02, 0.02, 0.4
COUNTS = {"EC": 2, "DMC": 3}


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
