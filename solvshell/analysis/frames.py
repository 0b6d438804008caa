"""The one reader of trajectories: our own boxes and anybody's files become an MDAnalysis Universe (Å, ps)."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from MDAnalysis import Universe
from MDAnalysis.coordinates.timestep import Timestep
from MDAnalysis.guesser import tables

from solvshell.errors import InvalidInput


def _stamp(ts: Timestep, timestep_ps: float) -> Timestep:
    ts.time = ts.frame * timestep_ps
    return ts


def _read(what: str, path: Path, read: Callable[[], object]) -> None:
    """Call a reader of MDAnalysis or OpenMM, whose errors are of every kind, and say in one line what failed."""
    if not path.is_file():
        raise InvalidInput(f"{what} {path}: no such file")
    try:
        with warnings.catch_warnings():
            # Guesses of types and masses, missing attributes: nothing that an analysis of distances needs.
            warnings.filterwarnings("ignore", module="MDAnalysis")
            read()
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InvalidInput(f"{what} {path}: cannot be read: {reason}") from error


def _open_topology(path: Path) -> Universe:
    if path.suffix.lower() != ".cif":
        return Universe(str(path))
    from openmm.app import PDBxFile  # the .cif reader of MDAnalysis loses the bonds

    return Universe(PDBxFile(str(path)))


def _timestep(universe: Universe) -> float | None:
    """Return the time between the first two frames, or None where the file has no times."""
    trajectory = universe.trajectory
    with warnings.catch_warnings():
        # MDAnalysis puts 1 ps in place of a missing time step and warns.
        warnings.filterwarnings("error", message="Reader has no dt information")
        try:
            first, second = (float(trajectory[frame].time) for frame in (0, 1))
        except (IndexError, UserWarning):
            return None
    return second - first


def _check(universe: Universe, path: Path) -> None:
    if len(universe.trajectory) == 0:
        raise InvalidInput(f"trajectory {path}: has no frames")
    step = _timestep(universe)
    universe.trajectory[0]
    if step is None or not step > 0:
        given = "no time step" if step is None else f"a time step of {step:g} ps"
        raise InvalidInput(f"trajectory {path}: has {given}; give a positive timestep_ps (in the species file)")
    box_of(universe.trajectory.ts, str(path))


def box_of(ts: Timestep, path: str = "") -> np.ndarray:
    """Return the unit cell of a frame, lengths in Å and angles in degrees, shape (6,).

    Raises
    ------
    InvalidInput
        If the frame has none.
    """
    if ts.dimensions is None or not ts.volume > 0:
        raise InvalidInput(f"trajectory {path}".rstrip() + f": frame {ts.frame} has no unit cell")
    return ts.dimensions


def _complete_masses(universe: Universe) -> None:
    """Give ions that are spelled in capitals (LI, NA) the mass that MDAnalysis, which knows Li and Na, leaves at 0."""
    if not hasattr(universe.atoms, "masses"):
        return
    for atoms in universe.atoms[universe.atoms.masses == 0].groupby("types").values():
        atoms.masses = tables.masses.get(atoms.types[0].capitalize(), 0.0)


def open_trajectory(topology: Path, trajectory: Path, timestep_ps: float | None = None) -> Universe:
    """Return the Universe of a topology and a trajectory, checked: unit cell, atom counts and time step.

    Parameters
    ----------
    topology, trajectory
        Files of any format that MDAnalysis reads; a ``.cif`` is read by OpenMM, so that its bonds survive.
    timestep_ps
        Time between frames, in place of the times of the file (only where it has none or wrong ones).

    Raises
    ------
    InvalidInput
        If a file is missing or unreadable, the atom counts differ, or the trajectory has no frames, no unit cell or
        no positive time step.
    """
    opened: list[Universe] = []
    _read("topology", topology, lambda: opened.append(_open_topology(topology)))
    universe = opened[0]
    _complete_masses(universe)
    # `dt` reaches only the formats without times, the stamp all.
    step = {} if timestep_ps is None else {"dt": timestep_ps}
    _read("trajectory", trajectory, lambda: universe.load_new(str(trajectory), **step))
    if timestep_ps is not None:
        universe.trajectory.add_transformations(partial(_stamp, timestep_ps=timestep_ps))
    _check(universe, trajectory)
    return universe
