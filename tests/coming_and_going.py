"""A trajectory of random points in which EC and DMC come and go: its ghosts lie at the origin, as does one Li."""

from dataclasses import dataclass

import numpy as np
from MDAnalysis import Universe
from synthetic import make_universe

from solvshell.analysis.presence import Presence, presence_of
from solvshell.occupancy import OccupancyTable
from solvshell.species import SpeciesFile

MOLECULES = [
    *[("LI", ["LI"])] * 4,
    *[("EC", ["C", "O1", "O2"])] * 5,
    *[("PF6", ["P", "F1", "F2"])] * 3,
    *[("DMC", ["C1", "O", "C2"])] * 4,
    *[("EC", ["C", "O1", "O2"])] * 4,  # room, behind the box as it began
    *[("DMC", ["C1", "O", "C2"])] * 5,
]
SIZES = np.array([len(names) for _, names in MOLECULES])
SPECIES = SpeciesFile.model_validate(
    {
        "centers": {"Li": "name LI"},
        "partners": {
            "PF6": {"molecules": "resname PF6", "sites": {"f": "name F*"}, "role": "anion"},
            "EC": {
                "molecules": "resname EC",
                "sites": {"carbonyl_o": "name O1"},
                "reference_sites": {"o": "name O2"},
                "center_of_mass": True,
            },
            "DMC": {"molecules": "resname DMC", "sites": {"ester_o": "name O"}},
        },
    }
)
OPEN = ("DMC", "EC")  # not in the order of the topology


@dataclass(frozen=True)
class Traffic:
    """The universe with its ghosts, and each frame as a universe of what is there."""

    universe: Universe
    presence: Presence
    occupancy: OccupancyTable
    alone: list[Universe]
    molecules: list[np.ndarray]  # of each frame: the numbers in the universe of those that are there

    def atoms(self, frame: int) -> np.ndarray:
        """Return the atoms that are there, by index in the universe."""
        return np.flatnonzero(np.isin(np.repeat(np.arange(len(SIZES)), SIZES), self.molecules[frame]))


def _positions(rng: np.random.Generator, edge: float) -> np.ndarray:
    """Molecules of 1.2 Å, in any place and turned in any way; the last Li at the origin."""
    at = [rng.random(3) * edge + 1.2 * np.arange(size)[:, None] * _direction(rng) for size in SIZES]
    at[3] = np.zeros((1, 3))
    return np.concatenate(at)


def _direction(rng: np.random.Generator) -> np.ndarray:
    direction = rng.normal(size=3)
    return direction / np.linalg.norm(direction)


def traffic(n_frames: int = 24, seed: int = 0, always: bool = False) -> Traffic:
    """Return a trajectory in a cube whose edge fluctuates about 23 Å; with `always` nothing comes or goes."""
    rng = np.random.default_rng(seed)
    of = {name: np.flatnonzero([one == name for one, _ in MOLECULES]) for name in OPEN}
    present = {name: (rng.random((n_frames, len(of[name]))) < 0.6) | always for name in OPEN}
    for name in OPEN:
        present[name][:, 0] = True  # at least one, or no frame alone could be analyzed by the same species file
    edges = rng.uniform(21.5, 24.5, n_frames)
    frames, alone, there = [], [], []
    for t, edge in enumerate(edges):
        is_there = np.ones(len(MOLECULES), bool)
        for name in OPEN:
            is_there[of[name]] = present[name][t]
        positions = _positions(rng, edge)
        kept = np.repeat(is_there, SIZES)
        box = (edge, edge, edge, 90, 90, 90)
        alone.append(make_universe([MOLECULES[m] for m in np.flatnonzero(is_there)], positions[kept], box))
        there.append(np.flatnonzero(is_there))
        frames.append(np.where(kept[:, None], positions, 0.0))
    boxes = np.column_stack([edges, edges, edges, *np.full((3, n_frames), 90.0)])
    universe = make_universe(MOLECULES, frames, boxes)
    times = np.arange(n_frames, dtype=float)
    occupancy = OccupancyTable(times, edges**3 / 1000, np.full(n_frames, np.nan), present)
    presence = presence_of(universe, occupancy, {name: name for name in OPEN})
    return Traffic(universe, presence, occupancy, alone, there)
