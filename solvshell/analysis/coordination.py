"""Coordination numbers of the centers."""

import numpy as np
import pandas as pd

from solvshell.analysis.geometry import Contacts
from solvshell.analysis.shells import distinct_molecules, lacks_cutoff, number_per_center
from solvshell.analysis.sites import Sites
from solvshell.analysis.statistics import Estimate, mean_with_error

COORDINATION_COLUMNS = [
    "center",
    "partner",
    "site",
    "cn_atoms_mean",
    "cn_atoms_stderr",
    "cn_molecules_mean",
    "cn_molecules_stderr",
    "cutoff_angstrom",
    "n_independent",
]


def total_per_center(contacts: Contacts, sites: Sites, n_frames: int) -> np.ndarray:
    """Return the coordinating atoms of all partners around each center, shape (n_frames, n_centers)."""
    return number_per_center(contacts, len(sites.sites), n_frames, sites.n_centers).sum(axis=0)


def total_coordination(
    contacts: Contacts, sites: Sites, cutoffs: np.ndarray, n_frames: int
) -> dict[str, Estimate | None]:
    """Return the total coordination number of each center species, or None for one that lacks a cutoff.

    It counts the atoms of all coordinating sites of all partners.
    """
    total = total_per_center(contacts, sites, n_frames).astype(float)
    return {
        center.name: None if incomplete else mean_with_error(total[:, center.members])
        for center, incomplete in zip(sites.centers, lacks_cutoff(cutoffs), strict=True)
    }


def coordination_table(contacts: Contacts, sites: Sites, cutoffs: np.ndarray, n_frames: int) -> pd.DataFrame:
    """Return the coordination number of each center species with each coordinating site: rows disjoint, no totals.

    `cn_atoms` counts the atoms of the site within the cutoff, `cn_molecules` the molecules they belong to; a molecule
    that touches with two of its sites is in the rows of both. Without a cutoff (no shell, or too few samples to place
    it) all numbers are empty. `n_independent` is the smaller of the two.

    Parameters
    ----------
    contacts, cutoffs
        From `shells.within_cutoffs`, and what it was given.
    """
    size = (len(sites.sites), n_frames, sites.n_centers)
    atoms = number_per_center(contacts, *size).astype(float)
    molecules = number_per_center(distinct_molecules(contacts), *size).astype(float)
    rows = []
    for i, center in enumerate(sites.centers):
        for j, site in enumerate(sites.sites):
            if not site.coordinating:
                continue
            numbers: tuple[float | None, ...] = (np.nan,) * 6
            if cutoffs[i, j] > 0:
                a, m = (mean_with_error(values[j][:, center.members]) for values in (atoms, molecules))
                n_independent = min(a.n_independent, m.n_independent)
                numbers = (a.mean, a.stderr, m.mean, m.stderr, float(cutoffs[i, j]), n_independent)
            rows.append((center.name, site.partner, site.name, *numbers))
    return pd.DataFrame(rows, columns=COORDINATION_COLUMNS)
