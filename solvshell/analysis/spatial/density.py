"""Where neighbors stand around a molecule, in its own frame: spatial distribution functions."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from MDAnalysis import Universe
from MDAnalysis.analysis.base import AnalysisBase
from MDAnalysis.analysis.density import Density, DensityAnalysis
from MDAnalysis.core.groups import AtomGroup
from MDAnalysis.lib.distances import apply_PBC, capped_distance, minimize_vectors
from MDAnalysis.lib.mdamath import triclinic_vectors

from solvshell.analysis.pairs import cell_of
from solvshell.analysis.presence import Presence
from solvshell.analysis.reading.frames import box_of
from solvshell.analysis.reading.trusted_elements import SYMBOLS, trusted_elements
from solvshell.analysis.sites import MoleculesAre, molecules_of
from solvshell.analysis.spatial.bodies import (
    Bodies,
    bodies_of,
    rmsd,
    rotations_onto,
    typical_geometry,
    whole_bodies,
)
from solvshell.analysis.spatial.cube import cube_text
from solvshell.errors import InvalidInput
from solvshell.files import write_atomically

SPATIAL_COLUMNS = ["x_angstrom", "y_angstrom", "z_angstrom", "g", "stderr"]
MAX_R_ANGSTROM = 8.0
#: The error comes from this many blocks of frames.
N_BLOCKS = 8
#: A grid of more voxels along an edge takes gigabytes.
_MAX_BINS = 256
#: So many neighbors are gathered before they are counted: some 50 bytes each.
_GATHERED = 1_000_000


@dataclass(frozen=True)
class SpatialDistribution:
    """The density of neighbors around a molecule in its own frame, as multiples of their mean density.

    Attributes
    ----------
    density, stderr : MDAnalysis.analysis.density.Density
        g(x, y, z) and its standard error in voxels of a cube around the molecule, without unit; 0 outside the sphere.
    inside : numpy.ndarray of bool, shape (n, n, n)
        The voxels that lie wholly within the sphere of `r_max_angstrom`, in which alone neighbors are sought.
    atoms, positions_angstrom
        One molecule, and its atoms in this frame, shape (n_atoms, 3): the origin is the centroid of the atoms that are
        superposed, x their longest axis and z their shortest.
    r_max_angstrom
        Radius of the sphere.
    bulk_density_per_angstrom3
        Mean density of the neighbors that count as 1.
    fit_rmsd_angstrom
        How far the superposed atoms are from those of the one molecule, root mean square over molecules and frames:
        much more than 0.1 Å says that they belong to no rigid body.
    n_molecules, n_frames, n_neighbors
        How many of each there were: molecules in the mean over the frames, neighbors within the sphere, summed over
        molecules and frames.
    """

    density: Density
    stderr: Density
    inside: np.ndarray
    atoms: AtomGroup
    positions_angstrom: np.ndarray
    r_max_angstrom: float
    bulk_density_per_angstrom3: float
    fit_rmsd_angstrom: float
    n_molecules: float
    n_frames: int
    n_neighbors: int

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each voxel within the sphere, by the position of its center."""
        midpoints = np.meshgrid(*self.density.midpoints, indexing="ij")
        columns = [*midpoints, self.density.grid, self.stderr.grid]
        return pd.DataFrame({name: column[self.inside] for name, column in zip(SPATIAL_COLUMNS, columns, strict=True)})


@dataclass(frozen=True)
class _Target:
    """The atoms whose density is wanted, and the molecule of each."""

    atoms: AtomGroup
    molecule_idx: np.ndarray

    def there(self, presence: Presence | None, frame: int) -> "_Target":
        """Return those that are there in a frame of the trajectory."""
        if presence is None:
            return self
        present = presence.of(self.atoms.indices, frame)
        return _Target(self.atoms[present], self.molecule_idx[present])

    def n_pairs(self, body: Bodies) -> int:
        """Return how many pairs of a molecule and an atom outside of it there are."""
        n = max(body.molecule_idx.max(initial=0), self.molecule_idx.max(initial=0)) + 1
        own = np.bincount(body.molecule_idx, minlength=n) @ np.bincount(self.molecule_idx, minlength=n)
        return len(body.molecule_idx) * len(self.atoms) - int(own)


def _narrowest_width(box: np.ndarray) -> float:
    """Return the smallest distance between opposite faces of a cell (6,) in Å."""
    return float(cell_of(triclinic_vectors(box)).widths.min())


class _LocalDensity(AnalysisBase):  # type: ignore[misc]  # MDAnalysis has no types
    """Counts neighbors in the frames of molecules: one grid of counts for each block of frames, and what it expects.

    All molecules are turned at once, by a singular value decomposition of (n_molecules, 3, 3). The neighbors of many
    frames are gathered, then counted by one `DensityAnalysis` of a universe in memory that holds them as its atoms.
    """

    def __init__(
        self,
        universe: Universe,
        body: Bodies,
        geometry: np.ndarray,
        target: _Target,
        presence: Presence | None,
        r_max: float,
        spacing: float,
    ) -> None:
        super().__init__(universe.trajectory)
        self._universe = universe
        self._body = body
        self._reference = geometry[body.fit]
        self._target = target
        self._presence = presence
        self._r_max = r_max
        self._spacing = spacing
        self._n_bins = 2 * int(np.ceil(r_max / spacing - 1e-6))

    def _prepare(self) -> None:
        n_blocks = min(N_BLOCKS, self.n_frames)
        self._block_of_frame = np.arange(self.n_frames) * n_blocks // max(1, self.n_frames)
        self.counts = np.zeros((n_blocks, *[self._n_bins] * 3))
        self.expected = np.zeros(n_blocks)
        self.squares, self.n_bodies = 0.0, 0
        self.edges: list[np.ndarray] = []
        self._gathered: list[np.ndarray] = []

    def _single_frame(self) -> None:
        box = box_of(self._ts)
        if self._r_max > (half := _narrowest_width(box) / 2):
            raise InvalidInput(f"r_max: {self._r_max:g} Å is more than half the width of the box, {half:g} Å")
        block = self._block_of_frame[self._frame_index]
        body = self._body.there(self._presence, self._ts.frame)
        target = self._target.there(self._presence, self._ts.frame)
        if n_pairs := target.n_pairs(body):
            centroids, whole = whole_bodies(self._universe, body, box)
            bodies = whole[:, body.fit]
            rotations = rotations_onto(bodies, self._reference)
            self.squares += float((rmsd(bodies @ rotations, self._reference) ** 2).sum())
            self._gathered.append(self._neighbors(body, target, centroids, rotations, box))
        self.n_bodies += len(body.molecule_idx)
        self.expected[block] += n_pairs / self._ts.volume
        is_last = self._frame_index + 1 == self.n_frames or self._block_of_frame[self._frame_index + 1] != block
        if is_last or sum(map(len, self._gathered)) > _GATHERED:
            self._count(block)

    def _neighbors(
        self, body: Bodies, target: _Target, centroids: np.ndarray, rotations: np.ndarray, box: np.ndarray
    ) -> np.ndarray:
        """Return where the target atoms stand in the frames of the molecules near them, shape (n, 3)."""
        centroids = apply_PBC(centroids.astype(np.float32), box)
        targets = apply_PBC(target.atoms.positions, box)
        i, j = capped_distance(centroids, targets, self._r_max, box=box, return_distances=False).T
        apart = body.molecule_idx[i] != target.molecule_idx[j]
        i, j = i[apart], j[apart]
        vectors = minimize_vectors(targets[j] - centroids[i], box=box)
        return np.einsum("pj,pjk->pk", vectors, rotations[i]).astype(np.float32)

    def _count(self, block: int) -> None:
        positions = np.concatenate([np.zeros((0, 3), np.float32), *self._gathered])
        self._gathered = []
        # One atom more, parked outside of the grid: MDAnalysis wants one at the least.
        neighbors = Universe.empty(len(positions) + 1, trajectory=True)
        # Half a voxel less than the grid, which MDAnalysis rounds up to whole voxels whatever the last digit is.
        edge = (self._n_bins - 0.5) * self._spacing
        analysis = DensityAnalysis(
            neighbors.atoms, delta=self._spacing, padding=0, gridcenter=np.zeros(3), xdim=edge, ydim=edge, zdim=edge
        )
        neighbors.atoms.positions = np.concatenate([positions, np.full((1, 3), 2.0 * self._n_bins * self._spacing)])
        analysis.run()
        density = analysis.results.density
        self.edges = density.edges
        self.counts[block] += np.rint(density.grid * np.prod(density.delta))


def _inside(edges: list[np.ndarray], r_max: float) -> np.ndarray:
    """Return which voxels lie wholly within the sphere."""
    farthest = [np.maximum(np.abs(edge[1:]), np.abs(edge[:-1])) for edge in edges]
    squares = np.sum(np.meshgrid(*(f**2 for f in farthest), indexing="ij"), axis=0)
    return np.asarray(squares <= r_max**2 * (1 + 1e-9))


def _stderr(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the standard error of g from blocks of frames (n_blocks, ...), at the least that of a single count."""
    n_blocks = len(expected)
    if n_blocks < 2:
        return np.full(counts.shape[1:], np.nan)
    of_blocks = counts / expected[:, None, None, None]
    return np.maximum(of_blocks.std(axis=0, ddof=1) / np.sqrt(n_blocks), 1 / expected.sum())


def _as_density(grid: np.ndarray, edges: list[np.ndarray]) -> Density:
    return Density(grid, edges, units={"length": "Angstrom", "density": None}, parameters={"isDensity": True})


def spatial_distribution(
    reference: AtomGroup,
    target: AtomGroup,
    *,
    r_max: float | None = None,
    spacing: float = 0.25,
    fit_atoms: str | None = None,
    molecules_are: MoleculesAre = "residues",
    presence: Presence | None = None,
    start: int | None = None,
    stop: int | None = None,
    step: int | None = None,
    verbose: bool = False,
) -> SpatialDistribution:
    """Return the density of target atoms around the reference molecules, in the frame of those molecules.

    Each molecule is made whole by nearest images and superposed on one of them; target atoms of other molecules are
    taken at their nearest image. A voxel of volume v holds

        g = sum over frames of counts / sum over frames of (v x n_pairs / V_t)

    with n_pairs the pairs of a molecule and a target atom outside of it: 1 in an ideal gas, also where the volume V_t
    fluctuates; averaged over directions it is the g(r) around the centroid of the superposed atoms. The error comes
    from 8 blocks of frames: too small where neighbors stay for longer than a block; not a number for a single frame.

    Memory is 9 grids of 8 bytes a voxel (19 MB for r_max 8 Å and spacing 0.25 Å) and about 50 MB of neighbors, gathered
    before they are counted by `MDAnalysis.analysis.density.DensityAnalysis`; it does not grow with the frames.

    Parameters
    ----------
    reference
        The atoms of all molecules of one kind, in one order.
    target
        The atoms whose density is wanted.
    r_max
        Radius of the sphere around a molecule in Å, at most half the narrowest width of the box; 8 Å, or 90 % of that
        in a smaller box, if left out.
    spacing
        Edge of a voxel in Å.
    fit_atoms
        Selection, inside a molecule, of the atoms to superpose; all heavy ones if left out. A flexible molecule is no
        rigid body: give a part that is, such as the carbonate group.
    molecules_are
        Residues or fragments.
    presence
        Which molecules are there in each frame, where some come and go.
    start, stop, step
        Which frames to read.
    verbose
        Show a progress bar.

    Raises
    ------
    InvalidInput
        If the molecules are not of one kind, do not say how they are turned, `r_max` is too large, a frame has no
        cell, or no frame is left.
    """
    universe = reference.universe
    body = bodies_of(reference, fit_atoms, molecules_are)
    neighbors = _Target(target, molecules_of(target, molecules_are))
    if target.universe is not universe:
        raise InvalidInput("target: is of another universe than the reference")
    if step is not None and step < 1:
        raise InvalidInput(f"step: {step} (allowed: 1 or more)")
    frames = range(*slice(start, stop, step).indices(universe.trajectory.n_frames))
    if len(frames) == 0:
        raise InvalidInput(f"start, stop, step: {start}, {stop}, {step} leave none of the frames")
    if len(target) == 0 or neighbors.n_pairs(body) == 0:
        raise InvalidInput("target: holds no atom outside of a reference molecule")
    half = _narrowest_width(box_of(universe.trajectory[frames[0]])) / 2
    r_max = min(MAX_R_ANGSTROM, 0.9 * half) if r_max is None else r_max
    if not 0 < spacing <= r_max <= half:
        raise InvalidInput(
            f"spacing, r_max: {spacing:g}, {r_max:g} Å (allowed: 0 < spacing <= r_max <= {half:g} Å, half the width of "
            "the box)"
        )
    if 2 * r_max / spacing > _MAX_BINS:
        raise InvalidInput(f"spacing: {spacing:g} Å (allowed for this r_max: {2 * r_max / _MAX_BINS:g} Å or more)")
    with_both = (f for f in frames if neighbors.there(presence, f).n_pairs(body.there(presence, f)))
    if (first := next(with_both, None)) is None:
        raise InvalidInput("reference, target: never there together in these frames")
    universe.trajectory[first]
    molecule, geometry = typical_geometry(universe, body.there(presence, first))
    local = _LocalDensity(universe, body, geometry, neighbors, presence, r_max, spacing)
    local.run(start, stop, step, verbose=verbose)

    inside = _inside(local.edges, r_max)
    expected = local.expected * spacing**3
    g = local.counts.sum(axis=0) / expected.sum()
    return SpatialDistribution(
        _as_density(np.where(inside, g, 0.0), local.edges),
        _as_density(np.where(inside, _stderr(local.counts, expected), 0.0), local.edges),
        inside,
        molecule,
        geometry,
        r_max,
        float(local.expected.sum() / local.n_bodies),
        float(np.sqrt(local.squares / local.n_bodies)),
        local.n_bodies / local.n_frames,
        local.n_frames,
        int(local.counts.sum()),
    )


def _dx(density: Density) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "density.dx"
        density.export(str(path), type="double")  # PyMOL reads no other type
        return path.read_bytes()


def check_path(path: Path) -> None:
    """Raise InvalidInput if no spatial distribution can be written there: before the long work, not after."""
    if not path.absolute().parent.is_dir():
        raise InvalidInput(f"{path}: no folder {path.absolute().parent}")
    if path.suffix not in (".dx", ".cube"):
        raise InvalidInput(f"{path}: ends on {path.suffix!r} (allowed: .dx, .cube)")


def write_spatial(distribution: SpatialDistribution, path: Path) -> None:
    """Write g as ``.dx`` (OpenDX, without the molecule) or ``.cube`` (Gaussian cube, with the molecule in its frame).

    Raises
    ------
    InvalidInput
        If the ending is neither, the folder is missing, or a cube wants elements that the topology does not tell.
    """
    check_path(path)
    density = distribution.density
    if path.suffix == ".dx":
        write_atomically(path, _dx(density))
    else:
        elements, _ = trusted_elements(distribution.atoms.universe)
        numbers = np.array([SYMBOLS.index(symbol) + 1 for symbol in elements[distribution.atoms.indices]])
        title = "density of neighbors around a molecule, 1 in the bulk"
        write_atomically(
            path,
            cube_text(density.grid, density.origin, density.delta, numbers, distribution.positions_angstrom, title),
        )
