"""Of a liquid, what no time step and no barostat may change: density, energy, and the Li+ - O distance."""

from collections.abc import Iterator

import numpy as np
from ensemble_checks import Estimate, mean
from ensemble_samples import Samples
from numpy.typing import NDArray

from solvshell.box import Box
from solvshell.units import DALTON_PER_NM3


def density(seen: Samples, box: Box) -> Estimate:
    """Return g/cm3."""
    return mean(box.mass * DALTON_PER_NM3 / seen.volume)


def energy_per_molecule(seen: Samples, box: Box) -> Estimate:
    """Return the potential energy per molecule in kJ/mol."""
    return mean(seen.potential / box.topology.getNumResidues())


def peak(seen: Samples, box: Box, n_blocks: int = 8) -> Estimate:
    """Return where g(r) of Li+ and the carbonyl O of EC is highest, in Å: cubic fit to ln g, as in the analysis."""
    lithium = [atom.index for atom in box.topology.atoms() if atom.residue.name == "LI"]
    oxygens = _carbonyl_oxygens(box, "EC")
    edges = np.arange(1.5, 3.0, 0.01)
    counts = np.array([_distances(frame, volume, lithium, oxygens, edges) for frame, volume in _frames(seen)])
    blocks = np.array([block.sum(axis=0) for block in np.array_split(counts, n_blocks)])
    draws = np.random.default_rng(1).integers(n_blocks, size=(200, n_blocks))
    return _top(counts.sum(axis=0), edges), float(np.std([_top(blocks[draw].sum(axis=0), edges) for draw in draws]))


def _frames(seen: Samples) -> Iterator[tuple[NDArray[np.float32], float]]:
    every = len(seen.volume) // len(seen.positions)
    return zip(seen.positions, seen.volume[every - 1 :: every], strict=True)


def _carbonyl_oxygens(box: Box, species: str) -> list[int]:
    """Return the O with one bond of a species."""
    ends = [atom.index for bond in box.topology.bonds() for atom in bond]
    return [
        atom.index
        for atom in box.topology.atoms()
        if atom.residue.name == species and atom.element.symbol == "O" and ends.count(atom.index) == 1
    ]


def _distances(
    frame: NDArray[np.float32], volume: float, one: list[int], two: list[int], edges: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the histogram of distances in Å in a cubic cell."""
    side = volume ** (1 / 3)
    apart = frame[one][:, None] - frame[two][None]
    apart -= side * np.round(apart / side)
    return np.histogram(10 * np.linalg.norm(apart, axis=-1), edges)[0]


def _top(counts: NDArray[np.int64], edges: NDArray[np.float64]) -> float:
    r = (edges[1:] + edges[:-1]) / 2
    g = counts / r**2
    near = np.abs(r - r[np.argmax(g)]) < 0.101
    near &= counts > 0
    center = r[near].mean()
    cubic = np.polyfit(r[near] - center, np.log(g[near]), 3, w=np.sqrt(counts[near]))
    fine = np.arange(-0.1, 0.1, 5e-4)
    return float(center + fine[np.argmax(np.polyval(cubic, fine))])
