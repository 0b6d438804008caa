"""Which atoms are there in each frame of a trajectory in which molecules come and go; the others are ghosts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from MDAnalysis import Universe
from MDAnalysis.core.groups import AtomGroup

from solvshell.errors import InvalidInput
from solvshell.occupancy import OccupancyTable

#: Times of frames are in single precision.
_SAME_TIME = 1e-6


@dataclass(frozen=True)
class Presence:
    """Which atoms of a universe are there, frame by frame.

    Attributes
    ----------
    column : numpy.ndarray, shape (n_atoms,)
        The column of `is_present` that tells of an atom: 0 for all that never goes.
    is_present : numpy.ndarray of bool, shape (n_frames, 1 + n_molecules)
        By frame of the trajectory; the first column is true.
    """

    column: np.ndarray
    is_present: np.ndarray

    def goes(self, atoms: np.ndarray) -> bool:
        """Return whether any of some atoms, by index, may come and go."""
        return bool((self.column[atoms] > 0).any())

    def of(self, atoms: np.ndarray | slice, frame: int) -> np.ndarray:
        """Return which of some atoms, by index, are there in a frame of the trajectory."""
        return np.asarray(self.is_present[frame, self.column[atoms]])

    def total(self, atoms: np.ndarray | slice, weights: np.ndarray | float, frames: np.ndarray | slice) -> np.ndarray:
        """Return the sum of the weights of those atoms that are there, in each of some frames, shape (n_frames,)."""
        column = self.column[atoms]
        of_column = np.bincount(column, np.broadcast_to(weights, column.shape), self.is_present.shape[1])
        return np.asarray(self.is_present[frames] @ of_column)


def real_atoms(universe: Universe, presence: Presence | None) -> AtomGroup:
    """Return the atoms that are there in the frame at which the universe stands; all if nothing comes and goes."""
    return universe.atoms if presence is None else universe.atoms[presence.of(slice(None), universe.trajectory.frame)]


def refuse_ghosts(universe: Universe) -> None:
    """Raise InvalidInput if molecules of the frame at hand are points: ghosts, of which no occupancy tells."""
    positions, residue = universe.atoms.positions, universe.atoms.resindices
    first = np.unique(residue, return_index=True)[1][np.unique(residue, return_inverse=True)[1]]
    has_extent = np.bincount(residue, (positions != positions[first]).any(axis=1)) > 0
    n_points = np.count_nonzero((np.bincount(residue) > 1) & ~has_extent)
    if n_points:
        raise InvalidInput(
            f"trajectory: {n_points} molecules are points, as ghosts are where molecules come and go; give the folder "
            "of the run, which knows when they are there"
        )


def _check_times(universe: Universe, times: np.ndarray) -> None:
    n_frames = len(universe.trajectory)
    if len(times) < n_frames:
        raise InvalidInput(f"occupancy: of {len(times)} frames (the trajectory has {n_frames})")
    before = universe.trajectory.frame
    for frame in (0, n_frames - 1):
        time = universe.trajectory[frame].time
        if abs(time - times[frame]) > 1e-3 + _SAME_TIME * abs(time):
            raise InvalidInput(f"occupancy: frame {frame} is of {times[frame]:g} ps (the trajectory has {time:g} ps)")
    universe.trajectory[before]


def presence_of(universe: Universe, occupancy: OccupancyTable, residues: Mapping[str, str]) -> Presence:
    """Return which atoms are there, from the occupancy of every frame.

    Parameters
    ----------
    residues
        The residue name of each open species, whose molecules are residues, in the order of the topology.

    Raises
    ------
    InvalidInput
        If the occupancy is of another trajectory: of fewer frames, other times, or other numbers of molecules.
    """
    _check_times(universe, occupancy.time_ps)
    n_frames = len(universe.trajectory)
    of_residue, masks = np.zeros(len(universe.residues), int), [np.ones((n_frames, 1), bool)]
    n_columns = 1
    for name, mask in occupancy.present.items():
        molecules = np.flatnonzero(universe.residues.resnames == residues[name])
        if len(molecules) != mask.shape[1]:
            raise InvalidInput(f"occupancy: of {mask.shape[1]} {name} (the trajectory has {len(molecules)})")
        of_residue[molecules] = np.arange(n_columns, n_columns + len(molecules))
        masks.append(mask[:n_frames])
        n_columns += len(molecules)
    return Presence(of_residue[universe.atoms.resindices], np.concatenate(masks, axis=1))
