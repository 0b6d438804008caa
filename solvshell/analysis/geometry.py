"""The one pass over a trajectory: pair counts for every g(r), and the table of contacts."""

from dataclasses import dataclass, fields

import numpy as np
from MDAnalysis.analysis.base import AnalysisBase
from MDAnalysis.lib.distances import capped_distance
from MDAnalysis.lib.mdamath import triclinic_vectors

from solvshell.analysis.frames import box_of
from solvshell.analysis.sites import Sites
from solvshell.errors import InvalidInput

#: Pairs are counted in bins half as wide as those of g(r), so that the effect of the bin width can be shown.
FINE_BIN_ANGSTROM = 0.005
FINE_PER_BIN = 2
BIN_ANGSTROM = FINE_BIN_ANGSTROM * FINE_PER_BIN
LARGEST_R_ANGSTROM = 12.0
CAPTURE_ANGSTROM = 5.0
MAX_BLOCKS = 64


@dataclass(frozen=True)
class Contacts:
    """Pairs of a center and a coordinating site nearer than the capture radius: one row per pair, shape (n_rows,).

    `frame` counts the frames analyzed, `center` the centers of all species, `molecule` the molecules of the universe,
    `site` is an index into `Sites.sites`, `distance` is in Å.
    """

    frame: np.ndarray
    center: np.ndarray
    molecule: np.ndarray
    site: np.ndarray
    distance: np.ndarray

    def where(self, mask: np.ndarray) -> "Contacts":
        """Return the rows of a mask, shape (n_rows,), or of indices."""
        return Contacts(*(getattr(self, field.name)[mask] for field in fields(self)))


def _narrowest_width(box: np.ndarray) -> float:
    """Return the smallest distance between opposite faces of the cell, in Å: the box length of an orthogonal one."""
    if (box[3:] == 90).all():
        return float(box[:3].min())
    a, b, c = triclinic_vectors(box).astype(float)
    volume = abs(np.dot(a, np.cross(b, c)))
    return min(volume / np.linalg.norm(np.cross(u, v)) for u, v in ((a, b), (b, c), (c, a)))


def _bin_indices(distances: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the bin of each distance, by the rule of `numpy.histogram`: half open, the last bin closed."""
    n = len(edges) - 1
    idx = np.minimum((distances * (n / edges[-1])).astype(np.int64), n - 1)
    idx -= distances < edges[idx]
    idx += (distances >= edges[idx + 1]) & (idx < n - 1)
    return idx


def _check_times(times: np.ndarray) -> None:
    if len(times) < 2:
        return
    steps = np.diff(times)
    step = steps[0]
    # XTC stores times in single precision, whose steps of late times differ by rounding alone.
    tolerance = 1e-3 * abs(step) + 4 * np.finfo(np.float32).eps * np.abs(times).max()
    if wrong := np.flatnonzero(~(steps > 0) | (np.abs(steps - step) > tolerance)).tolist():
        i = wrong[0]
        raise InvalidInput(
            f"trajectory: the time goes from {times[i]:g} to {times[i + 1]:g} ps after frame {i} where the step is "
            f"{step:g} ps; frames must be equally spaced and increasing"
        )


class SolvationGeometry(AnalysisBase):  # type: ignore[misc]  # MDAnalysis has no types
    """Counts pairs and gathers contacts of centers and sites, with `capped_distance` and the box of each frame.

    Pairs inside one molecule are left out. Run it with ``.run(start, stop, step, verbose=True)``; on the serial backend
    only, for now.

    Parameters
    ----------
    sites
        What to look at, from `select_sites`.
    r_max
        Upper end of g(r) in Å; half the narrowest width of the first box and at most 12 Å if left out.
    capture_radius
        Contacts up to this distance in Å are kept.

    Attributes
    ----------
    results.counts : numpy.ndarray, shape (n_blocks, n_center_species, n_sites, n_bins)
        Pairs per contiguous block of whole frames, in bins of `FINE_BIN_ANGSTROM` up to half the narrowest box met; the
        reference centers behind all others.
    results.edges : numpy.ndarray, shape (n_bins + 1,)
        Bin edges in Å.
    results.block_starts : numpy.ndarray, shape (n_blocks + 1,)
        The first frame of each block, and the number of frames.
    results.times, results.volumes, results.frames : numpy.ndarray, shape (n_frames,)
        Times in ps, volumes in Å^3, and frame numbers in the trajectory.
    results.contacts : Contacts
        None of reference centers.
    """

    def __init__(
        self, sites: Sites, r_max: float | None = None, capture_radius: float = CAPTURE_ANGSTROM, verbose: bool = False
    ) -> None:
        trajectory = sites.centers[0].atoms.universe.trajectory
        super().__init__(trajectory, verbose=verbose)
        half_width = _narrowest_width(box_of(trajectory[0])) / 2
        wanted = min(half_width, LARGEST_R_ANGSTROM) if r_max is None else r_max
        if wanted > half_width:
            raise InvalidInput(f"r_max: {wanted:g} Å is more than half the width of the box, {half_width:g} Å")
        n_bins = int(wanted / BIN_ANGSTROM + 1e-9) * FINE_PER_BIN
        self._sites = sites
        self._edges = np.linspace(0.0, n_bins * FINE_BIN_ANGSTROM, n_bins + 1)
        self._capture_radius = capture_radius
        self._atoms = sum(site.atoms for site in sites.sites)
        self._site_of_atom = np.repeat(np.arange(len(sites.sites)), [len(site.atoms) for site in sites.sites])
        self._molecule_of_atom = np.concatenate([site.molecule_idx for site in sites.sites])
        self._coordinating = np.array([site.coordinating for site in sites.sites])

    def _prepare(self) -> None:
        n_blocks = min(MAX_BLOCKS, self.n_frames)
        n_species = len(self._sites.centers) + len(self._sites.reference_centers)
        shape = (n_blocks, n_species, len(self._sites.sites), len(self._edges) - 1)
        self.results.counts = np.zeros(shape, dtype=np.int64)
        self.results.block_starts = np.linspace(0, self.n_frames, n_blocks + 1).astype(int)
        self.results.times = np.zeros(self.n_frames)
        self.results.volumes = np.zeros(self.n_frames)
        self.results.widths = np.zeros(self.n_frames)
        self.results.contacts = []

    def _single_frame(self) -> None:
        box = box_of(self._ts)
        i = self._frame_index
        self.results.times[i] = self._ts.time
        self.results.volumes[i] = self._ts.volume
        self.results.widths[i] = _narrowest_width(box)
        block = np.searchsorted(self.results.block_starts, i, side="right") - 1
        for species, center in enumerate(self._sites.centers + self._sites.reference_centers):
            pairs, distances = capped_distance(center.atoms.positions, self._atoms.positions, self._edges[-1], box=box)
            apart = center.molecule_idx[pairs[:, 0]] != self._molecule_of_atom[pairs[:, 1]]
            pairs, distances = pairs[apart], distances[apart]
            site = self._site_of_atom[pairs[:, 1]]
            counts = self.results.counts[block, species]
            flat = site * counts.shape[1] + _bin_indices(distances, self._edges)
            counts += np.bincount(flat, minlength=counts.size).reshape(counts.shape)
            if center.reference:
                continue
            near = (distances <= self._capture_radius) & self._coordinating[site]
            self.results.contacts.append(
                (
                    np.full(np.count_nonzero(near), i, dtype=np.int32),
                    (center.first + pairs[near, 0]).astype(np.int32),
                    self._molecule_of_atom[pairs[near, 1]].astype(np.int32),
                    site[near].astype(np.int16),
                    distances[near].astype(np.float32),
                )
            )

    def _conclude(self) -> None:
        _check_times(self.results.times)
        self.results.frames = self.frames
        columns = zip(*self.results.contacts, strict=True)
        self.results.contacts = Contacts(*(np.concatenate(column) for column in columns))
        whole_bins = int(self.results.widths.min() / 2 / BIN_ANGSTROM + 1e-9) * FINE_PER_BIN
        self.results.edges = self._edges[: whole_bins + 1]
        self.results.counts = self.results.counts[..., :whole_bins]
