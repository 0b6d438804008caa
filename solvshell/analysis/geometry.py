"""The one pass over a trajectory: pair counts for every g(r), and the table of contacts."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Self

import numpy as np
import pandas as pd
from MDAnalysis.analysis.base import AnalysisBase
from MDAnalysis.analysis.results import ResultsGroup
from MDAnalysis.core.groups import AtomGroup
from MDAnalysis.lib.mdamath import triclinic_vectors

from solvshell.analysis import pairs
from solvshell.analysis.molecules import Molecules
from solvshell.analysis.reading.frames import box_of
from solvshell.analysis.sites import MoleculesAre, Sites, sites_from_atoms
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

    Rows are sorted by frame, then center. A row takes 22 bytes.

    Attributes
    ----------
    frame
        Counts the frames analyzed.
    center
        Counts the centers of all species; see `Center.members`.
    molecule
        Counts the molecules of the universe.
    site
        An index into `Sites.sites`.
    distance
        In Å.
    cosine
        Of the angle center - site - the only atom bonded to the site (Li-O=C); not a number where there is none.
    """

    frame: np.ndarray
    center: np.ndarray
    molecule: np.ndarray
    site: np.ndarray
    distance: np.ndarray
    cosine: np.ndarray

    def where(self, mask: np.ndarray | slice) -> "Contacts":
        """Return the rows of a mask, shape (n_rows,), of indices, or of a slice."""
        return Contacts(*(getattr(self, field.name)[mask] for field in fields(self)))

    def to_dataframe(self, sites: Sites) -> pd.DataFrame:
        """Return one row per contact: frame, center, molecule, species and site by name, distance, angle in degrees."""
        names = np.array([(site.partner, site.name) for site in sites.sites], dtype=object)[self.site]
        return pd.DataFrame(
            {
                "frame": self.frame,
                "center": self.center,
                "molecule": self.molecule,
                "partner": names[:, 0],
                "site": names[:, 1],
                "distance_angstrom": self.distance,
                "angle_degrees": np.degrees(np.arccos(self.cosine)),
            }
        )


class _Rows:
    """The contacts of a pass, in columns that grow as they fill."""

    def __init__(self) -> None:
        self.columns = tuple(np.empty(4096, dtype) for dtype in pairs.COLUMNS.values())
        self.n = 0

    def reserve(self, n: int) -> None:
        """Make room for n rows in all, and as many again."""
        self.columns = tuple(np.resize(column[: self.n], 2 * n) for column in self.columns)

    def filled(self) -> tuple[np.ndarray, ...]:
        """Return the columns as far as they are filled."""
        return tuple(column[: self.n] for column in self.columns)


def _join_rows(parts: Iterable[_Rows]) -> _Rows:
    whole = _Rows()
    columns = zip(*(part.filled() for part in parts), strict=True)
    whole.columns = tuple(np.concatenate(column) for column in columns)
    whole.n = len(whole.columns[0])
    return whole


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
    """Counts the pairs of centers and sites for every g(r), and gathers their contacts, in one pass.

    Distances are those of nearest images in the cell of each frame, of any shape; pairs inside one molecule are left
    out. Run it with ``.run(start, stop, step, backend="multiprocessing", n_workers=2)``.

    Parameters
    ----------
    centers
        AtomGroups by name, such as ``{"Li": universe.select_atoms("name LI")}``.
    partners
        By name of the species the AtomGroup that touches the centers, or one for each of its sites:
        ``{"EC": carbonyl_oxygens, "TFSI": {"o": oxygens, "f": fluorines}}``.
    anions
        The names of those partners that make ion pairs.
    molecules_are
        What a molecule is: a residue, or a fragment (what bonds hold together).
    r_max
        Upper end of g(r) in Å; half the narrowest width of the first box and at most 12 Å if left out.
    capture_radius
        Contacts up to this distance in Å are kept.

    Attributes
    ----------
    sites : Sites
        What was looked at; the functions that take the results want it too.
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
    results.capture_radius : float
        Up to where, in Å.

    Raises
    ------
    InvalidInput
        If the groups are wrong, `r_max` is more than half the width of the box, a frame has no cell, or the frames are
        not equally spaced in time.
    """

    _analysis_algorithm_is_parallelizable = True

    @classmethod
    def get_supported_backends(cls) -> tuple[str, ...]:
        """Return the backends that give the same results."""
        return ("serial", "multiprocessing", "dask")

    def __init__(
        self,
        centers: Mapping[str, AtomGroup],
        partners: Mapping[str, AtomGroup | Mapping[str, AtomGroup]],
        *,
        anions: Collection[str] = (),
        molecules_are: MoleculesAre = "residues",
        r_max: float | None = None,
        capture_radius: float = CAPTURE_ANGSTROM,
        verbose: bool = False,
    ) -> None:
        sites = sites_from_atoms(centers, partners, anions=anions, molecules_are=molecules_are)
        self._look_at(sites, r_max, capture_radius, verbose)

    @classmethod
    def from_sites(
        cls, sites: Sites, r_max: float | None = None, capture_radius: float = CAPTURE_ANGSTROM, verbose: bool = False
    ) -> Self:
        """Return the pass for sites from `select_sites`, with reference centers and sites if there are any."""
        geometry = cls.__new__(cls)
        geometry._look_at(sites, r_max, capture_radius, verbose)
        return geometry

    def _look_at(self, sites: Sites, r_max: float | None, capture_radius: float, verbose: bool) -> None:
        trajectory = sites.centers[0].atoms.universe.trajectory
        super().__init__(trajectory, verbose=verbose)
        half_width = pairs.cell_of(triclinic_vectors(box_of(trajectory[0]))).widths.min() / 2
        wanted = min(half_width, LARGEST_R_ANGSTROM) if r_max is None else r_max
        if not 0 < wanted <= half_width:
            raise InvalidInput(
                f"r_max: {wanted:g} Å (allowed: above 0 and at most half the width of the box, {half_width:g} Å)"
            )
        self.sites = sites
        self._capture_radius = capture_radius
        n_bins = int(wanted / BIN_ANGSTROM + 1e-9) * FINE_PER_BIN
        self._edges = np.linspace(0.0, n_bins * FINE_BIN_ANGSTROM, n_bins + 1)
        # Workers get arrays: neither universe nor topology has to travel.
        all_centers = sites.centers + sites.reference_centers
        self._centers = pairs.Centers(
            np.repeat(np.arange(len(all_centers)), [len(center.atoms) for center in all_centers]),
            np.concatenate([center.molecule_idx for center in all_centers]),
            np.repeat([not center.reference for center in all_centers], [len(center.atoms) for center in all_centers]),
        )
        self._points = pairs.Points(
            np.repeat(np.arange(len(sites.sites)), [site.n_points for site in sites.sites]),
            np.concatenate([site.molecule_idx for site in sites.sites]),
            sites.neighbors(),
        )
        self._reach = np.array([capture_radius if site.coordinating else -1.0 for site in sites.sites])
        self._center_atoms = np.concatenate([center.atoms.indices for center in all_centers])
        starts = np.cumsum([0, *(site.n_points for site in sites.sites)])
        self._where = [
            (slice(*ends), site.molecules or site.atoms.indices)
            for site, ends in zip(sites.sites, pairwise(starts), strict=True)
        ]

    def _setup_computation_groups(self, *args: Any, **kwargs: Any) -> list[np.ndarray]:
        # Blocks of frames are those of the whole run, whoever counts them.
        groups: list[np.ndarray] = super()._setup_computation_groups(*args, **kwargs)
        self._n_in_all = sum(len(group) for group in groups)
        return groups

    def _compute(self, indexed_frames: np.ndarray, *args: Any, **kwargs: Any) -> "SolvationGeometry":
        self._first = int(indexed_frames[0, 0]) if len(indexed_frames) else 0
        return super()._compute(indexed_frames, *args, **kwargs)

    def _prepare(self) -> None:
        n_blocks = min(MAX_BLOCKS, self._n_in_all)
        n_species = int(self._centers.species.max()) + 1
        shape = (n_blocks, n_species, len(self._reach), len(self._edges) - 1)
        self.results.counts = np.zeros(shape, dtype=np.int64)
        self.results.volumes = np.zeros(self.n_frames)
        self.results.widths = np.zeros(self.n_frames)
        self.results.n_contacts = np.zeros(self.n_frames, dtype=np.int64)
        self.results.contacts = _Rows()
        self.results.block_starts = np.linspace(0, self._n_in_all, n_blocks + 1).astype(int)
        self._xyz = np.empty((3, len(self._points.site)), dtype=np.float32)
        self._box: np.ndarray = np.zeros(6)

    def _set_box(self, box: np.ndarray) -> None:
        """Take over the cell of a frame; that of a constant volume only once."""
        if not np.array_equal(box, self._box):
            self._box = box.copy()
            self._cell = pairs.cell_of(triclinic_vectors(box))

    def _single_frame(self) -> None:
        i, rows = self._frame_index, self.results.contacts
        positions = np.ascontiguousarray(self._ts.positions, dtype=np.float32)
        self._set_box(box_of(self._ts))
        self.results.volumes[i] = self._ts.volume
        self.results.widths[i] = self._cell.widths.min()
        for where, points in self._where:
            if isinstance(points, Molecules):
                points.centers_of_mass(positions, self._cell, out=self._xyz[:, where])
            else:
                self._xyz[:, where] = positions[points].T
        block = np.searchsorted(self.results.block_starts, self._first + i, side="right") - 1
        looked_at = (positions, positions[self._center_atoms], self._xyz, self._centers, self._points, self._cell)
        binned = (self._edges, self._reach)
        n = pairs.count_frame(*looked_at, *binned, self.results.counts[block], rows.columns, rows.n)
        if n > len(rows.columns[0]):
            rows.reserve(n)
            again = np.zeros_like(self.results.counts[block])
            pairs.count_frame(*looked_at, *binned, again, rows.columns, rows.n)
        self.results.n_contacts[i] = n - rows.n
        rows.n = n

    def _get_aggregator(self) -> ResultsGroup:
        return ResultsGroup(
            lookup={
                "counts": ResultsGroup.ndarray_sum,
                "block_starts": lambda starts: starts[0],
                "volumes": ResultsGroup.ndarray_hstack,
                "widths": ResultsGroup.ndarray_hstack,
                "n_contacts": ResultsGroup.ndarray_hstack,
                "contacts": _join_rows,
            }
        )

    def _conclude(self) -> None:
        _check_times(self.times)
        self.results.times, self.results.frames = self.times, self.frames
        self.results.capture_radius = self._capture_radius
        center, point, distance, cosine = self.results.contacts.filled()
        frame = np.repeat(np.arange(len(self.frames), dtype=np.int32), self.results.n_contacts)
        molecule, site = self._points.molecule.astype(np.int32)[point], self._points.site.astype(np.int16)[point]
        self.results.contacts = Contacts(frame, center, molecule, site, distance, cosine)
        del self.results.n_contacts
        whole_bins = int(self.results.widths.min() / 2 / BIN_ANGSTROM + 1e-9) * FINE_PER_BIN
        self.results.edges = self._edges[: whole_bins + 1]
        self.results.counts = self.results.counts[..., :whole_bins]
