"""The one reader of trajectories: our own boxes, anybody's files and objects become an MDAnalysis Universe (Å, ps)."""

import re
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from MDAnalysis import Universe
from MDAnalysis.coordinates.memory import MemoryReader
from MDAnalysis.coordinates.timestep import Timestep
from MDAnalysis.guesser import tables

from solvshell.errors import InvalidInput

if TYPE_CHECKING:
    import mdtraj

#: Frames of molecular dynamics are 0.1 fs to 100 ns apart; what is not was written in another unit.
SHORTEST_STEP_PS = 1e-4
LONGEST_STEP_PS = 1e5

#: Names that people give to files of LAMMPS, whose formats MDAnalysis does not tell by the name.
_FORMATS = {".lammpstrj": "LAMMPSDUMP", ".dump": "LAMMPSDUMP", ".lmp": "DATA", ".lammps": "DATA"}
_LAMMPS_COLUMNS = {
    "atomic": "id type x y z",
    "charge": "id type charge x y z",
    **dict.fromkeys(("angle", "bond", "molecular"), "id resid type x y z"),
    "full": "id resid type charge x y z",
}


def _mend(ts: Timestep, times: np.ndarray | None, cell: Sequence[float] | None) -> Timestep:
    if times is not None:
        ts.time = times[ts.frame]
    if cell is not None:
        ts.dimensions = cell
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


def _format(path: Path) -> dict[str, str]:
    suffix = path.suffix.lower()
    return {"format": _FORMATS[suffix]} if suffix in _FORMATS else {}


def _open_lammps_data(path: Path) -> Universe:
    """Read the columns of the style that LAMMPS writes behind ``Atoms``; MDAnalysis goes by their number alone."""
    stated = re.search(r"^\s*Atoms\s*#\s*(\w+)", path.read_text(), re.MULTILINE)
    style = stated[1] if stated else ""
    if style and style not in _LAMMPS_COLUMNS:
        raise InvalidInput(f"atom_style {style} (known: {', '.join(_LAMMPS_COLUMNS)})")
    columns = {"atom_style": _LAMMPS_COLUMNS[style]} if style else {}
    return Universe(str(path), topology_format="DATA", format="DATA", **columns)


def _open_topology(path: Path) -> Universe:
    if path.suffix.lower() == ".cif":
        from openmm.app import PDBxFile  # the .cif reader of MDAnalysis loses the bonds

        return Universe(PDBxFile(str(path)))
    if path.suffix.lower() == ".data" or _format(path).get("format") == "DATA":
        return _open_lammps_data(path)
    given = _format(path)
    return Universe(str(path), **given, **{f"topology_{key}": value for key, value in given.items()})


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


def _check_step(step: float | None, name: str) -> None:
    if step is None or not step > 0:
        given = "no time step" if step is None else f"a time step of {step:g} ps"
        raise InvalidInput(f"{name}: has {given}; give a positive timestep_ps (species file, or --timestep-ps)")
    if not SHORTEST_STEP_PS <= step <= LONGEST_STEP_PS:
        raise InvalidInput(
            f"{name}: has a time step of {step:g} ps (allowed: {SHORTEST_STEP_PS:g} to {LONGEST_STEP_PS:g} ps); give "
            "the true one as timestep_ps (species file, or --timestep-ps)"
        )


def _is_dcd_of_lammps(trajectory: Any) -> bool:
    """Whether its times are in the units of a LAMMPS script, where a DCD has those of CHARMM."""
    return "Written by LAMMPS" in str(getattr(getattr(trajectory, "_file", None), "header", ""))


def _check(universe: Universe, name: str, timestep_ps: float | None) -> None:
    trajectory = universe.trajectory
    if len(trajectory) == 0:
        raise InvalidInput(f"{name}: has no frames")
    if timestep_ps is None:
        if _is_dcd_of_lammps(trajectory):
            raise InvalidInput(
                f"{name}: a DCD of LAMMPS does not say the unit of its times; give timestep_ps (species file, or "
                "--timestep-ps)"
            )
        _check_step(_timestep(universe), name)
    trajectory[0]
    box_of(trajectory.ts, name)
    if not np.isfinite(trajectory.ts.positions).all():
        raise InvalidInput(f"{name}: frame 0 has coordinates that are not numbers")


def box_of(ts: Timestep, name: str = "trajectory") -> np.ndarray:
    """Return the unit cell of a frame, lengths in Å and angles in degrees, shape (6,).

    Raises
    ------
    InvalidInput
        If the frame has none, or one without a volume.
    """
    cure = "if it is constant, give cell_angstrom (species file, or --cell-angstrom)"
    if ts.dimensions is None:
        raise InvalidInput(f"{name}: frame {ts.frame} has no unit cell; {cure}")
    if not (ts.volume > 0 and np.isfinite(ts.dimensions).all()):
        cell = ", ".join(f"{number:g}" for number in ts.dimensions)
        raise InvalidInput(f"{name}: frame {ts.frame} has a unit cell without volume ({cell}); {cure}")
    return ts.dimensions


def _complete_masses(universe: Universe) -> None:
    """Give ions that are spelled in capitals (LI, NA) the mass that MDAnalysis, which knows Li and Na, leaves at 0."""
    if not hasattr(universe.atoms, "masses") or not hasattr(universe.atoms, "types"):
        return
    for atoms in universe.atoms[universe.atoms.masses == 0].groupby("types").values():
        atoms.masses = tables.masses.get(atoms.types[0].capitalize(), 0.0)


def _finish(
    universe: Universe,
    name: str,
    timestep_ps: float | None,
    cell_angstrom: Sequence[float] | None,
    times: np.ndarray | None = None,
) -> Universe:
    if timestep_ps is not None:
        _check_step(timestep_ps, "timestep_ps")
        times = np.arange(len(universe.trajectory)) * timestep_ps
    if times is not None or cell_angstrom is not None:
        try:
            universe.trajectory.add_transformations(partial(_mend, times=times, cell=cell_angstrom))
        except ValueError:
            raise InvalidInput(
                f"{name}: has transformations, so timestep_ps and cell_angstrom can only be put in by another of them"
            ) from None
    _check(universe, name, timestep_ps)
    return universe


def _from_mdtraj(
    trajectory: "mdtraj.Trajectory", timestep_ps: float | None, cell_angstrom: Sequence[float] | None
) -> Universe:
    """Convert nm to Å; names, residues, elements and bonds come by way of OpenMM, which both packages know."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="MDAnalysis")
        universe = Universe(trajectory.topology.to_openmm())
    cells = None
    if trajectory.unitcell_lengths is not None:
        cells = np.hstack([10 * trajectory.unitcell_lengths, trajectory.unitcell_angles]).astype(np.float32)
    universe.load_new(10 * trajectory.xyz, format=MemoryReader, dimensions=cells)
    return _finish(universe, "mdtraj.Trajectory", timestep_ps, cell_angstrom, np.asarray(trajectory.time, dtype=float))


def open_trajectory(
    topology: Path,
    trajectory: Path,
    timestep_ps: float | None = None,
    cell_angstrom: Sequence[float] | None = None,
) -> Universe:
    """Return the Universe of a topology and a trajectory, checked: unit cell, atom counts and time step.

    Parameters
    ----------
    topology, trajectory
        Files of any format that MDAnalysis reads; a ``.cif`` is read by OpenMM, so that its bonds survive.
    timestep_ps
        Time between frames, in place of the times of the file (only where it has none or wrong ones).
    cell_angstrom
        Lengths in Å and angles in degrees, shape (6,), in place of those of the file.

    Raises
    ------
    InvalidInput
        If a file is missing or unreadable, the atom counts differ, or the trajectory has no frames, no unit cell or
        no time step between 0.1 fs and 100 ns.
    """
    opened: list[Universe] = []
    _read("topology", topology, lambda: opened.append(_open_topology(topology)))
    universe = opened[0]
    _complete_masses(universe)
    # `dt` reaches only the formats without times, the stamp all.
    step = {} if timestep_ps is None else {"dt": timestep_ps}
    _read("trajectory", trajectory, lambda: universe.load_new(str(trajectory), **_format(trajectory), **step))
    return _finish(universe, f"trajectory {trajectory}", timestep_ps, cell_angstrom)


def as_universe(
    topology: "Path | str | Universe | mdtraj.Trajectory",
    trajectory: Path | str | None = None,
    *,
    timestep_ps: float | None = None,
    cell_angstrom: Sequence[float] | None = None,
) -> Universe:
    """Return a checked Universe of what somebody has: files, a Universe or an ``mdtraj.Trajectory``.

    Parameters
    ----------
    topology
        Its path, or an object that has frames already. A Universe is taken as it is, and copied where
        times or a cell are put in place of its own.
    trajectory
        The path of the frames, with a topology only.
    timestep_ps, cell_angstrom
        As in `open_trajectory`. mdtraj numbers the frames of a file without times 0, 1, 2 ... ps: give the true step.

    Raises
    ------
    InvalidInput
        As `open_trajectory`; or if `topology` is of another kind, or brings frames of its own beside a `trajectory`.
    """
    if isinstance(topology, Path | str):
        if trajectory is None:
            raise InvalidInput(f"topology {topology}: a trajectory is missing")
        return open_trajectory(Path(topology), Path(trajectory), timestep_ps, cell_angstrom)
    if trajectory is not None:
        raise InvalidInput(f"trajectory {trajectory}: the {type(topology).__name__} given has frames already")
    known = sys.modules.get("mdtraj")  # whoever gives an object of it has imported it
    if known is not None and isinstance(topology, known.Trajectory):
        return _from_mdtraj(topology, timestep_ps, cell_angstrom)
    if not isinstance(topology, Universe):
        kinds = "two paths, an MDAnalysis Universe or an mdtraj.Trajectory"
        raise InvalidInput(f"trajectory: expected {kinds}, got a {type(topology).__name__}")
    if not hasattr(topology, "trajectory"):
        raise InvalidInput("Universe: has no trajectory")
    replaced = timestep_ps is not None or cell_angstrom is not None
    return _finish(topology.copy() if replaced else topology, "Universe", timestep_ps, cell_angstrom)
