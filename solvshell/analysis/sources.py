"""The two places a trajectory comes from: a run of ours, finished or not, and anybody's files."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pandas as pd

from solvshell.analysis.analyze import Analysis, analyze, write_tables
from solvshell.analysis.frames import open_trajectory
from solvshell.errors import InvalidInput
from solvshell.protocol import Protocol
from solvshell.run import Run
from solvshell.species import SpeciesFile, select_species
from solvshell.xtc import whole_frames

_SAMPLING = "sampling dynamics, not physical time"


def analyze_trajectory(
    topology: Path, trajectory: Path, species: SpeciesFile, directory: Path | None = None, *, verbose: bool = False
) -> Analysis:
    """Return the solvation in a trajectory of any origin, and write its tables to `directory` if one is given.

    Raises
    ------
    InvalidInput
        If the files or the selections are wrong.
    """
    universe = open_trajectory(topology, trajectory, species.timestep_ps)
    source = {"topology": topology.name, "trajectory": trajectory.name, "run": "foreign"}
    analysis = analyze(universe, species, source=source, verbose=verbose)
    if directory is not None:
        write_tables(analysis, directory)
    return analysis


@contextmanager
def whole_trajectory(run: Run) -> Iterator[Path]:
    """Give a trajectory of whole frames that nobody writes to: that of the run if it is done, else a copy so far."""
    if run.is_done:
        yield run.trajectory_path
        return
    n_frames, n_bytes = whole_frames(run.trajectory_path) if run.trajectory_path.exists() else (0, 0)
    if n_frames < 2:
        raise InvalidInput(
            f"{run.path}: production has {n_frames} frames so far; the same 'solvshell run' goes on with it"
        )
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / run.trajectory_path.name
        shutil.copyfile(run.trajectory_path, copy)
        os.truncate(copy, n_bytes)
        yield copy


def _read_log(run: Run) -> pd.DataFrame:
    whole_lines = run.log_path.read_text().rpartition("\n")[0]
    log = pd.read_csv(StringIO(whole_lines))
    return log[log["stage"] == run.protocol.production.name]


def _dynamics(protocol: Protocol) -> str:
    stage = protocol.production
    thermostat = (
        "no thermostat" if stage.thermostat == "none" else f"Langevin dynamics with friction {stage.friction:g} /ps"
    )
    masses = "real masses" if protocol.hydrogen_mass is None else f"hydrogens of {protocol.hydrogen_mass:g} Da"
    times = f", {_SAMPLING}" if stage.thermostat != "none" or protocol.hydrogen_mass is not None else ""
    return f"{thermostat}, {masses}{times}"


def analyze_run(run: Run, directory: Path | None = None, *, verbose: bool = False) -> Analysis:
    """Return the solvation in the production of a run, and write its tables (to the run's ``analysis`` if left out).

    An unfinished run is analyzed as far as it is, and its summary says so.

    Raises
    ------
    InvalidInput
        If production has not begun, or the box has no simple cation to center on.
    """
    entries = run.box.recipe.entries
    if not any(entry.center for entry in entries.values()):
        raise InvalidInput(f"{run.path}: no simple cation (such as Li) to center on among {', '.join(entries)}")
    with whole_trajectory(run) as trajectory:
        source = {
            "topology": run.topology_path.name,
            "trajectory": run.trajectory_path.name,
            "trajectory_bytes": str(trajectory.stat().st_size),
            "run": "done" if run.is_done else "unfinished",
        }
        universe = open_trajectory(run.topology_path, trajectory)
        analysis = analyze(
            universe,
            select_species(entries),
            log=_read_log(run),
            source=source,
            dynamics=_dynamics(run.protocol),
            verbose=verbose,
        )
    write_tables(analysis, directory or run.analysis_path)
    return analysis
