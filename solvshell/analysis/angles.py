"""From which side a center is held: the angle center - site - the atom it is bonded to, such as Li-O=C."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd

from solvshell.analysis.ratios import ratio_with_error
from solvshell.analysis.shells import FirstShells
from solvshell.analysis.sites import Center, Site
from solvshell.analysis.tallies import tally

ANGLE_COLUMNS = ["center", "partner", "site", "angle_degrees", "density", "stderr"]
MEAN_ANGLE_COLUMNS = ["center", "partner", "site", "mean_degrees", "stderr", "n", "n_independent"]
BIN_DEGREES = 5.0


def _angles(shells: FirstShells) -> Iterator[tuple[Center, Site, np.ndarray, np.ndarray]]:
    """Yield center species, site, the places of its contacts that have an angle, and those angles in degrees."""
    contacts, sites = shells.contacts, shells.sites
    species = sites.species_of_center[contacts.center]
    has_angle = np.isfinite(contacts.cosine)
    for i, center in enumerate(sites.centers):
        for j, site in enumerate(sites.sites):
            rows = np.flatnonzero(has_angle & (contacts.site == j) & (species == i))
            if len(rows):
                place = contacts.frame[rows].astype(np.int64) * sites.n_centers + contacts.center[rows]
                # rounding can leave a cosine a little beyond 1
                yield center, site, place, np.degrees(np.arccos(np.clip(contacts.cosine[rows], -1, 1)))


def angle_table(shells: FirstShells) -> pd.DataFrame:
    """Return the distribution of the angle at the coordinating atom for each center species and site.

    `density` is per unit of the cosine: the probability of a bin over the difference of the cosines of its edges. This
    is P(theta) / sin(theta), normalized: 0.5 everywhere for directions without preference, where P(theta) itself has a
    maximum at 90 degrees. `angle_degrees` is the middle of a bin of 5 degrees. Errors are those of the ratio of two
    series over the frames. A site whose atoms are not bonded to just one other has no angle and no rows.
    """
    n_bins = round(180 / BIN_DEGREES)
    edges = np.linspace(0, 180, n_bins + 1)
    widths = -np.diff(np.cos(np.radians(edges)))
    rows = []
    for center, site, place, angles in _angles(shells):
        bins = np.minimum((angles / BIN_DEGREES).astype(int), n_bins - 1)
        flat = place // shells.sites.n_centers * n_bins + bins
        counts = np.bincount(flat, minlength=shells.n_frames * n_bins).reshape(shells.n_frames, n_bins).astype(float)
        total = counts.sum(axis=1)
        for (low, high), width, count in zip(pairwise(edges), widths, counts.T, strict=True):
            share = ratio_with_error(count, total)
            stderr = None if share.stderr is None else share.stderr / width
            rows.append((center.name, site.partner, site.name, (low + high) / 2, share.mean / width, stderr))
    return pd.DataFrame(rows, columns=ANGLE_COLUMNS)


def mean_angle_table(shells: FirstShells) -> pd.DataFrame:
    """Return the mean angle at the coordinating atom for each center species and site.

    It is the mean over contacts of the angle itself, in degrees; `n` counts the contacts over centers and frames. For
    Li-O=C of carbonates neutron diffraction gives about 138 to 141 degrees (recalled, not read again for this
    sentence). The error is that of a ratio of two series, `ratio_with_error`.
    """
    rows = []
    for center, site, place, angles in _angles(shells):
        mean = ratio_with_error(tally(place, shells, center, angles), tally(place, shells, center))
        numbers = (mean.mean, mean.stderr, len(angles), mean.n_independent)
        rows.append((center.name, site.partner, site.name, *numbers))
    return pd.DataFrame(rows, columns=MEAN_ANGLE_COLUMNS)
