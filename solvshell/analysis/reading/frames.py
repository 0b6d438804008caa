"""The one reader of trajectories: our own boxes, anybody's files and objects become an MDAnalysis Universe (Å, ps)."""

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from MDAnalysis import Universe
from MDAnalysis.coordinates.memory import MemoryReader
from MDAnalysis.coordinates.timestep import Timestep
from MDAnalysis.guesser import tables

from solvshell.analysis.reading.formats import load_frames, open_topology
from solvshell.errors import InvalidInput
from solvshell.files import validate
from solvshell.species import FrameSettings

if TYPE_CHECKING:
    import mdtraj

#: Frames of molecular dynamics are 0.1 fs to 100 ns apart; what is not was written in another unit.
SHORTEST_STEP_PS = 1e-4
LONGEST_STEP_PS = 1e5


@dataclass(frozen=True)
class _Mend:
    """Puts times and a cell in place of those of each frame; the workers of a parallel pass do it too.

    No `TransformationBase` of MDAnalysis, which limits the threads around each call: 4 ms a frame for nothing.
    """

    timestep_ps: float | None
    cell: Sequence[float] | None
    parallelizable: ClassVar[bool] = True  # MDAnalysis asks for it

    def __call__(self, ts: Timestep) -> Timestep:
        if self.timestep_ps is not None:
            ts.time = ts.frame * self.timestep_ps
        if self.cell is not None:
            ts.dimensions = self.cell
        return ts


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
        if len(trajectory) == 1:
            raise InvalidInput(
                f"{name}: has no time step, being one frame; give any timestep_ps (species file, or --timestep-ps)"
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
    for kind in ("elements", "types", "names"):
        if hasattr(universe.atoms, "masses") and hasattr(universe.atoms, kind):
            for spelled, atoms in universe.atoms[universe.atoms.masses == 0].groupby(kind).items():
                atoms.masses = tables.masses.get(str(spelled).capitalize(), 0.0)


def _with_own_topology(universe: Universe) -> Universe:
    """Return a universe to add bonds and masses to; it shares the frames, of which memory may have no room for two."""
    own = Universe(universe._topology.copy(), to_guess=())
    own.trajectory = universe.trajectory
    return own


def _replace(universe: Universe, name: str, timestep_ps: float | None, cell: Sequence[float] | None) -> None:
    """Put a time step and a cell in place of those of all frames, which stay as they are for others."""
    reader = universe.trajectory
    if isinstance(reader, MemoryReader):  # it transforms coordinates alone
        cells = reader.dimensions_array if cell is None else np.tile(np.asarray(cell, np.float32), (len(reader), 1))
        frames = {"order": reader.stored_format, "dimensions": cells, "dt": timestep_ps or reader.dt}
        universe.load_new(reader.coordinate_array, format=MemoryReader, **frames)
    elif reader.transformations:
        raise InvalidInput(f"{name}: has transformations, after which neither timestep_ps nor cell_angstrom can come")
    else:
        universe.trajectory = reader.copy()
        universe.trajectory.add_transformations(_Mend(timestep_ps, cell))


def _finish(
    universe: Universe, name: str, timestep_ps: float | None, cell_angstrom: Sequence[float] | None
) -> Universe:
    if timestep_ps is not None:
        _check_step(timestep_ps, "timestep_ps")
    given = None if cell_angstrom is None else [float(number) for number in cell_angstrom]
    cell = validate(FrameSettings, {"cell_angstrom": given}, name).cell_angstrom
    if timestep_ps is not None or cell is not None:
        _replace(universe, name, timestep_ps, cell)
    _check(universe, name, timestep_ps)
    _complete_masses(universe)
    return universe


def _step_of_mdtraj(times: np.ndarray) -> float | None:
    steps = np.diff(times.astype(float))
    if len(steps) and not np.allclose(steps, steps[0], rtol=1e-3, atol=4 * np.finfo(np.float32).eps * times.max()):
        raise InvalidInput("mdtraj.Trajectory: frames must be equally spaced in time; give timestep_ps if they are")
    return float(steps[0]) if len(steps) else None


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
    step = _step_of_mdtraj(trajectory.time) if timestep_ps is None else timestep_ps
    _check_step(step, "mdtraj.Trajectory")
    universe.load_new(10 * trajectory.xyz, format=MemoryReader, dimensions=cells, dt=step)
    return _finish(universe, "mdtraj.Trajectory", step, cell_angstrom)


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
        Three lengths in Å, and three angles in degrees if they are not right, in place of those of the file.

    Raises
    ------
    InvalidInput
        If a file is missing or unreadable, the atom counts differ, or the trajectory has no frames, no unit cell or
        no time step between 0.1 fs and 100 ns.
    """
    universe = open_topology(topology)
    load_frames(universe, trajectory, timestep_ps)
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
        Its path, or an object that has frames already. Those of a Universe are shared, not copied; what is added to
        its topology, or put in place of its times or cells, is seen by the Universe returned alone.
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
    return _finish(_with_own_topology(topology), "Universe", timestep_ps, cell_angstrom)
