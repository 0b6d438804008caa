"""Radial distribution functions from the pair counts of blocks of frames."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from MDAnalysis.analysis.results import Results

from solvshell.analysis.geometry import FINE_PER_BIN, Contacts
from solvshell.analysis.shells import FirstShells
from solvshell.analysis.sites import Center, Site, Sites
from solvshell.analysis.statistics import Bootstrap

RDF_COLUMNS = ["center", "partner", "site", "r_angstrom", "g", "g_stderr", "n", "n_stderr"]


@dataclass(frozen=True)
class PairCounts:
    """The pairs of one center species with one site, in time blocks.

    Attributes
    ----------
    counts : numpy.ndarray, shape (n_blocks, n_bins)
        Pairs met.
    density : numpy.ndarray, shape (n_blocks,)
        Sum over the frames of the block of N_A N_B / V, in 1/Å^3; N_B may change from frame to frame.
    edges : numpy.ndarray, shape (n_bins + 1,)
        Bin edges in Å.
    n_center_frames : int
        Centers times frames, of all blocks.
    """

    center: Center
    site: Site
    counts: np.ndarray
    density: np.ndarray
    edges: np.ndarray
    n_center_frames: int

    @property
    def key(self) -> tuple[str, str, str]:
        """Center, partner and site by name."""
        return self.center.name, self.site.partner, self.site.name

    @property
    def r(self) -> np.ndarray:
        """The middle of each bin in Å."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    @property
    def shell_volume(self) -> np.ndarray:
        """The volume of the shell of each bin in Å^3."""
        return 4 / 3 * np.pi * np.diff(self.edges**3)

    @property
    def even(self) -> np.ndarray:
        """The pairs that an even distribution would have in all blocks, shape (n_bins,)."""
        return self.density.sum() * self.shell_volume

    @property
    def g(self) -> np.ndarray:
        """The radial distribution function; not a number where no site was ever there."""
        even = self.even
        return np.divide(self.counts.sum(axis=0), even, out=np.full(len(even), np.nan), where=even > 0)

    def g_stderr(self, bootstrap: Bootstrap) -> np.ndarray:
        """Return the standard error of g(r), shape (n_bins,)."""
        return bootstrap.stderr_of_ratio(self.counts.astype(float), self.density) / self.shell_volume

    @property
    def n(self) -> np.ndarray:
        """The mean number of sites around a center up to the middle of each bin."""
        counts = self.counts.sum(axis=0)
        return (np.cumsum(counts) - counts / 2) / self.n_center_frames

    def n_stderr(self, bootstrap: Bootstrap) -> np.ndarray:
        """Return the standard error of n(r), shape (n_bins,)."""
        blocks = np.cumsum(self.counts, axis=1) - self.counts / 2
        return bootstrap.stderr_of_ratio(blocks, np.full(len(blocks), self.n_center_frames / len(blocks)))

    def rebinned(self, factor: int) -> "PairCounts":
        """Return the same pairs in bins wider by a factor; a rest at the end is dropped."""
        n_bins = self.counts.shape[1] // factor
        # Much faster than a sum over an axis so short.
        counts = np.sum([self.counts[:, first : n_bins * factor : factor] for first in range(factor)], axis=0)
        return replace(self, counts=counts, edges=self.edges[: n_bins * factor + 1 : factor])


def fine_counts(geometry: Results, sites: Sites, first_block: int = 0) -> list[PairCounts]:
    """Return the pairs of every center species and site in the bins of the pass, from a block on; see `Sites.pairs`.

    Parameters
    ----------
    geometry
        The results of `SolvationGeometry`.
    """
    starts, frames = geometry.block_starts, geometry.frames

    def density(center: Center, site: Site) -> np.ndarray:
        per_volume = sites.n_pairs(center, site, frames) / geometry.volumes
        return np.asarray(np.add.reduceat(per_volume, starts[:-1])[first_block:])

    n_frames = int(starts[-1] - starts[first_block])
    centers = sites.centers + sites.reference_centers
    return [
        PairCounts(
            centers[i],
            sites.sites[j],
            geometry.counts[first_block:, i, j],
            density(centers[i], sites.sites[j]),
            geometry.edges,
            n_frames * len(centers[i].atoms),
        )
        for i, j in sites.pairs
    ]


def _center_errors(
    pair: PairCounts, j: int, contacts: Contacts, capture_radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard errors of g(r) and n(r) by which centers differ, shape (n_bins,); 0 beyond the contacts.

    Ions that never exchange their neighbors differ however long they are watched, which no block of frames can see.
    """
    members, n_bins = pair.center.members, len(pair.r)
    n_members = members.stop - members.start
    errors = np.zeros((2, n_bins))
    known = pair.edges[1:] <= capture_radius + 1e-6
    if n_members < 2 or not known.any():
        return errors[0], errors[1]
    rows = np.flatnonzero((contacts.site == j) & (contacts.center >= members.start) & (contacts.center < members.stop))
    nearest = np.minimum((contacts.distance[rows] * (n_bins / pair.edges[-1])).astype(np.int64), n_bins - 1)
    flat = (contacts.center[rows] - members.start) * n_bins + nearest
    pairs = np.bincount(flat, minlength=n_members * n_bins).reshape(n_members, n_bins)[:, known]
    counts = pairs * (n_members / pair.n_center_frames)
    up_to = np.cumsum(counts, axis=1) - counts / 2
    even = pair.even[known] / pair.n_center_frames
    for error, values in zip(errors, (counts / even, up_to), strict=True):
        error[known] = values.std(axis=0) / np.sqrt(n_members - 1)
    return errors[0], errors[1]


def density_errors(
    pair: PairCounts, bootstrap: Bootstrap, captured: FirstShells | None = None, capture_radius: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard errors of g(r) and n(r) of a pair, shape (n_bins,); see `rdf_table`."""
    g_error, n_error = pair.g_stderr(bootstrap), pair.n_stderr(bootstrap)
    if captured and pair.site.coordinating and not pair.center.reference and pair.density.any():
        j = next(j for j, site in enumerate(captured.sites.sites) if site is pair.site)
        of_centers = _center_errors(pair, j, captured.contacts, capture_radius)
        return np.fmax(g_error, of_centers[0]), np.fmax(n_error, of_centers[1])
    return g_error, n_error


def rdf_table(
    fine: Sequence[PairCounts],
    bootstrap: Bootstrap | Sequence[Bootstrap],
    captured: FirstShells | None = None,
    capture_radius: float = 0.0,
) -> pd.DataFrame:
    """Return g(r) and the running coordination number n(r) with their standard errors, a row per bin.

    g(r) = sum over frames of counts / sum over frames of (shell volume N_A N_B / V_t), as in mdtraj: normalized by
    <1/V>, where MDAnalysis' InterRDF divides by 1/<V>. N_A N_B leaves out pairs inside one molecule. The errors are
    those of a block bootstrap of whole frames, or those by which the centers differ, whichever are larger; the latter
    are known within the capture radius alone. r and n(r) belong to the middle of a bin.

    Parameters
    ----------
    bootstrap
        One for all pairs, or one for each.
    captured, capture_radius
        All contacts of the same frames, from `captured_shells`, and up to where there are any, in Å; without them the
        errors are those of the blocks.
    """
    bootstraps = [bootstrap] * len(fine) if isinstance(bootstrap, Bootstrap) else bootstrap
    tables = []
    for counts, draws in zip(fine, bootstraps, strict=True):
        pair = counts.rebinned(FINE_PER_BIN)
        g_error, n_error = density_errors(pair, draws, captured, capture_radius)
        columns = (*pair.key, pair.r, pair.g, g_error, pair.n, n_error)
        tables.append(pd.DataFrame(dict(zip(RDF_COLUMNS, columns, strict=True))))
    return pd.concat(tables, ignore_index=True)
