"""The one pass over a trajectory: pair counts for every g(r), and the table of contacts."""

from collections.abc import Collection, Mapping
from contextlib import ExitStack
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
from solvshell.analysis.counting import PairCounter
from solvshell.analysis.presence import Presence
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
        rows = mask if isinstance(mask, slice) or mask.dtype != bool else np.flatnonzero(mask)
        return Contacts(*(getattr(self, field.name)[rows] for field in fields(self)))

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
                "angle_degrees": np.degrees(np.arccos(np.clip(self.cosine, -1, 1))),
            }
        )


def _whole_column(chunks: list[list[np.ndarray]], k: int) -> np.ndarray:
    """Return a column of all chunks and let go of their parts, so that the table is never held twice."""
    whole = np.concatenate([chunk[k] for chunk in chunks])
    for chunk in chunks:
        chunk[k] = whole[:0]
    return whole


def check_times(times: np.ndarray) -> None:
    """Raise InvalidInput unless frames are equally spaced and increasing in time, as residence and exchange want it."""
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
    reference_sites
        In the same form what gets a g(r) and no contacts: ``{"Li": lithium, "PF6": {"p": phosphorus}}``. Of a site
        named ``com`` the AtomGroup holds whole molecules, whose centers of mass are taken.
    anions
        The names of those partners that make ion pairs.
    molecules_are
        What a molecule is: a residue, or a fragment (what bonds hold together).
    r_max
        Upper end of g(r) in Å; half the narrowest width of the first box and at most 12 Å if left out.
    capture_radius
        Contacts up to this distance in Å are kept.
    presence
        Which molecules are there in each frame, where some come and go; those that are not make no pairs.

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
        Up to where there are contacts, in Å: as asked, but not beyond the end of g(r).
    results.widths : numpy.ndarray, shape (n_frames,)
        The narrowest width of each cell in Å.

    Raises
    ------
    InvalidInput
        If the groups are wrong, `r_max` is more than half the width of the box, or a frame has no cell or coordinates
        that are no numbers.
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
        reference_sites: Mapping[str, AtomGroup | Mapping[str, AtomGroup]] | None = None,
        anions: Collection[str] = (),
        molecules_are: MoleculesAre = "residues",
        r_max: float | None = None,
        capture_radius: float = CAPTURE_ANGSTROM,
        presence: Presence | None = None,
        verbose: bool = False,
    ) -> None:
        sites = sites_from_atoms(
            centers,
            partners,
            reference_sites=reference_sites or {},
            anions=anions,
            molecules_are=molecules_are,
            presence=presence,
        )
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
        before = trajectory.frame
        half_width = pairs.cell_of(triclinic_vectors(box_of(trajectory[0]))).widths.min() / 2
        trajectory[before]
        if not 0 < capture_radius < np.inf:
            raise InvalidInput(f"capture_radius: {capture_radius:g} Å (allowed: above 0)")
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
        neighbors = sites.neighbors()
        self._points = pairs.Points(
            np.repeat(np.arange(len(sites.sites)), [site.n_points for site in sites.sites]),
            np.concatenate([site.molecule_idx for site in sites.sites]),
            neighbors >= 0,
        )
        self._reach = np.array([capture_radius if site.coordinating else -1.0 for site in sites.sites])
        # Where a point is a center of mass, an atom of its molecule keeps its place until that is known.
        points = np.concatenate([site.point_atoms for site in sites.sites])
        centers = np.concatenate([center.atoms.indices for center in all_centers])
        self._point_atoms = points
        self._atoms = np.concatenate([centers, points, np.where(neighbors >= 0, neighbors, points)])
        ends = len(centers) + np.cumsum([0, *(site.n_points for site in sites.sites)])
        self._molecules = [
            (slice(*where), site.molecules)
            for site, where in zip(sites.sites, pairwise(ends), strict=True)
            if site.molecules
        ]

    def rdf(self, n_bootstrap: int = 500, seed: int = 0) -> pd.DataFrame:
        """Return g(r) with its standard error and n(r), after the run: see `rdf_table`.

        The bootstrap takes the time blocks for independent of each other.
        """
        from solvshell.analysis.rdf import fine_counts, rdf_table
        from solvshell.analysis.shells import captured_shells
        from solvshell.analysis.statistics import bootstrap_blocks

        n_blocks = len(self.results.block_starts) - 1
        bootstrap = bootstrap_blocks(n_blocks, 1, n_bootstrap, np.random.default_rng(seed))
        captured = captured_shells(self.results, self.sites)
        return rdf_table(fine_counts(self.results, self.sites), bootstrap, captured, self.results.capture_radius)

    def _setup_computation_groups(self, *args: Any, **kwargs: Any) -> list[np.ndarray]:
        # Blocks of frames are those of the whole run, whoever counts them.
        groups: list[np.ndarray] = super()._setup_computation_groups(*args, **kwargs)
        self._n_in_all = sum(len(group) for group in groups)
        return groups

    def _compute(self, indexed_frames: np.ndarray, *args: Any, **kwargs: Any) -> "SolvationGeometry":
        self._first = int(indexed_frames[0, 0]) if len(indexed_frames) else 0
        with ExitStack() as self._running:
            super()._compute(indexed_frames, *args, **kwargs)
        # What is left of the counter need not travel back to the caller.
        self.results.contacts, self.results.n_contacts = self._counter.chunks, self._counter.n_per_frame
        del self._running, self._counter
        return self

    def _prepare(self) -> None:
        n_blocks = min(MAX_BLOCKS, self._n_in_all)
        n_species = int(self._centers.species.max()) + 1
        shape = (n_blocks, n_species, len(self._reach), len(self._edges) - 1)
        self.results.counts = np.zeros(shape, dtype=np.int64)
        self.results.volumes = np.zeros(self.n_frames)
        self.results.widths = np.zeros(self.n_frames)
        self.results.block_starts = np.linspace(0, self._n_in_all, n_blocks + 1).astype(int)
        mine = np.arange(self._first, self._first + self.n_frames)
        self._block_of_frame = (np.searchsorted(self.results.block_starts, mine, side="right") - 1).tolist()
        self._counter = self._running.enter_context(
            PairCounter(self._centers, self._points, self._edges, self._reach, self.results.counts)
        )
        self._box = np.full(6, np.nan)

    def _set_box(self) -> None:
        """Take over the cell of the frame; that of a constant volume only once."""
        if not np.array_equal(self._ts.dimensions, self._box):
            self._box = box_of(self._ts).copy()
            self._cell = pairs.cell_of(triclinic_vectors(self._box))
            self._volume, self._width = self._ts.volume, self._cell.widths.min()

    def _single_frame(self) -> None:
        i, positions = self._frame_index, np.ascontiguousarray(self._ts.positions, dtype=np.float32)
        self._set_box()
        self.results.volumes[i], self.results.widths[i] = self._volume, self._width
        room = self._counter.room()
        finite = pairs.gather(positions, self._atoms, room)
        for where, molecules in self._molecules:
            molecules.centers_of_mass(positions, self._cell, out=room[:, where])
            finite = finite and bool(np.isfinite(room[:, where]).all())
        if not finite:
            raise InvalidInput(f"trajectory: frame {self._ts.frame} has coordinates that are not finite numbers")
        presence = self.sites.presence
        present = None if presence is None else presence.of(self._point_atoms, self._ts.frame)
        self._counter.add(self._cell, self._block_of_frame[i], present)

    def _get_aggregator(self) -> ResultsGroup:
        return ResultsGroup(
            lookup={
                "counts": ResultsGroup.ndarray_sum,
                "block_starts": lambda starts: starts[0],
                "volumes": ResultsGroup.ndarray_hstack,
                "widths": ResultsGroup.ndarray_hstack,
                "n_contacts": ResultsGroup.flatten_sequence,
                "contacts": ResultsGroup.flatten_sequence,
            }
        )

    def _conclude(self) -> None:
        if len(self.frames) == 0:
            raise InvalidInput("start, stop, step: leave no frame of the trajectory")
        self.results.times, self.results.frames = self.times, self.frames
        whole_bins = int(self.results.widths.min() / 2 / BIN_ANGSTROM + 1e-9) * FINE_PER_BIN
        self.results.edges = self._edges[: whole_bins + 1]
        self.results.counts = self.results.counts[..., :whole_bins]
        # Beyond the end of g(r) some contacts were never looked for.
        self.results.capture_radius = min(self._capture_radius, float(self.results.edges[-1]))
        frame = np.repeat(np.arange(len(self.frames), dtype=np.int32), np.concatenate(self.results.n_contacts))
        del self.results.n_contacts
        chunks = [list(chunk) for chunk in self.results.contacts]
        del self.results.contacts
        center, point, distance, cosine = (_whole_column(chunks, k) for k in range(len(pairs.COLUMNS)))
        molecule, site = self._points.molecule.astype(np.int32)[point], self._points.site.astype(np.int16)[point]
        contacts = Contacts(frame, center, molecule, site, distance, cosine)
        inside = distance <= self.results.capture_radius
        self.results.contacts = contacts if inside.all() else contacts.where(inside)
