"""Which molecules of the open species are there, where molecules come and go; the rest of a species are ghosts."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solvshell.errors import InvalidInput

#: of ``moves.csv``: a row for each molecule that was tried to be inserted or deleted
MOVE_COLUMNS = (
    "move",
    "time_ps",
    "species",
    "kind",
    "n_before",
    "volume_nm3",
    "work_kj_mol",
    "log_acceptance",
    "accepted",
    "outcome",
    "molecule",
    "switching_ps",
    "seconds",
)


@dataclass(frozen=True)
class Occupancy:
    """Which molecules are present at one instant.

    Attributes
    ----------
    present : mapping of str to ndarray of bool, shape (n_molecules,)
        By open species, molecules in the order of the topology.
    """

    present: Mapping[str, NDArray[np.bool_]]

    def count(self, species: str) -> int:
        """Return how many molecules of a species are present."""
        return int(self.present[species].sum())

    @property
    def counts(self) -> dict[str, int]:
        """How many molecules of each open species are present."""
        return {species: self.count(species) for species in self.present}

    def first_idle(self, species: str) -> int | None:
        """Return the first molecule of a species that is a ghost, or None."""
        idle = np.flatnonzero(~self.present[species])
        return int(idle[0]) if len(idle) else None

    def with_change(self, species: str, molecule: int, is_present: bool) -> "Occupancy":
        """Return the same with one molecule there or gone."""
        changed = self.present[species].copy()
        changed[molecule] = is_present
        return Occupancy({**self.present, species: changed})

    def resized(self, n_molecules: Mapping[str, int]) -> "Occupancy":
        """Return the same with room for other numbers of molecules; those added are ghosts.

        Raises
        ------
        ValueError
            If a molecule that is present would have no room.
        """
        resized = {}
        for species, mask in self.present.items():
            n = n_molecules[species]
            if mask[n:].any():
                raise ValueError(f"{species}: molecule {np.flatnonzero(mask)[-1]} is present, room for {n}")
            resized[species] = np.pad(mask[:n], (0, max(0, n - len(mask))))
        return Occupancy(resized)


@dataclass(frozen=True)
class OccupancyTable:
    """The occupancy of every frame of a trajectory.

    Attributes
    ----------
    time_ps, volume_nm3, pressure_bar : ndarray, shape (n_frames,)
    present : mapping of str to ndarray of bool, shape (n_frames, n_molecules)
        By open species.
    """

    time_ps: NDArray[np.float64]
    volume_nm3: NDArray[np.float64]
    pressure_bar: NDArray[np.float64]
    present: Mapping[str, NDArray[np.bool_]]

    def __len__(self) -> int:
        return len(self.time_ps)

    def __getitem__(self, frame: int) -> Occupancy:
        return Occupancy({species: masks[frame] for species, masks in self.present.items()})

    def counts(self, species: str) -> NDArray[np.int64]:
        """Return how many molecules of a species are present in each frame, shape (n_frames,)."""
        return self.present[species].sum(axis=1)


def ranges_text(mask: NDArray[np.bool_]) -> str:
    """Return which are set, counted from 0, as ranges: "0-12 14"; "none" for none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    ranges = zip(edges[::2], edges[1::2] - 1, strict=True)
    return " ".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges) or "none"


def mask_of(text: str, n: int) -> NDArray[np.bool_]:
    """Return the mask, shape (n,), that `ranges_text` has made a text of.

    Raises
    ------
    ValueError
        If the text is something else, or there is no room for what it names.
    """
    mask = np.zeros(n, bool)
    for part in [] if text == "none" else text.split():
        low, _, high = part.partition("-")
        first, last = int(low), int(high or low)
        if not 0 <= first <= last < n:
            raise ValueError(f"molecules 0 to {n - 1}, got {part}")
        mask[first : last + 1] = True
    return mask


def occupancy_columns(species: list[str]) -> list[str]:
    """Return the columns of ``occupancy.csv``."""
    counts, present = ([f"{key}_{name}" for name in species] for key in ("n", "present"))
    return ["time_ps", "volume_nm3", "pressure_bar", *counts, *present]


def read_occupancy(path: Path, room: Mapping[str, int]) -> OccupancyTable:
    """Return what ``occupancy.csv`` of a run tells of every frame.

    Parameters
    ----------
    path : Path
    room : mapping of str to int
        Molecules of each open species in the topology of the trajectory.

    Raises
    ------
    InvalidInput
        If it is missing, or is no such table.
    """
    try:
        whole_lines = path.read_text(encoding="utf-8").rpartition("\n")[0]  # the run may be writing the next
        rows = list(csv.DictReader(StringIO(whole_lines)))
        numbers = {
            key: np.array([float(row[key]) for row in rows]) for key in ("time_ps", "volume_nm3", "pressure_bar")
        }
        present = {
            species: np.array([mask_of(row[f"present_{species}"], n) for row in rows]).reshape(len(rows), n)
            for species, n in room.items()
        }
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error.strerror})") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"{path}: not the occupancy of this run ({error})") from None
    return OccupancyTable(**numbers, present=present)
