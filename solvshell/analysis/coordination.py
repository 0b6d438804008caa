"""Coordination numbers of the centers."""

from dataclasses import replace

import numpy as np
import pandas as pd

from solvshell.analysis.shells import FirstShells, distinct_molecules, number_per_center
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


def total_per_center(shells: FirstShells) -> np.ndarray:
    """Return the coordinating atoms of all partners around each center, shape (n_frames, n_centers)."""
    all_sites = replace(shells.contacts, site=np.zeros_like(shells.contacts.site))
    return number_per_center(all_sites, 1, shells.n_frames, shells.sites.n_centers)[0]


def total_coordination(shells: FirstShells) -> dict[str, Estimate | None]:
    """Return the total coordination number of each center species, or None for one that lacks a cutoff.

    It counts the atoms of all coordinating sites of all partners.
    """
    total = total_per_center(shells).astype(float)
    return {
        center.name: None if incomplete else mean_with_error(total[:, center.members])
        for center, incomplete in zip(shells.sites.centers, shells.is_incomplete, strict=True)
    }


def coordination_table(shells: FirstShells) -> pd.DataFrame:
    """Return the coordination number of each center species with each coordinating site: rows disjoint, no totals.

    `cn_atoms` counts the atoms of the site within the cutoff, `cn_molecules` the molecules they belong to; a molecule
    that touches with two of its sites is in the rows of both. Without a cutoff (no shell, or too few samples to place
    it) all numbers are empty; where the caller's own rule says what a shell is, the cutoff is. `n_independent` is the
    smaller of the two.
    """
    sites, cutoffs = shells.sites, shells.cutoffs
    size = (len(sites.sites), shells.n_frames, sites.n_centers)
    atoms = number_per_center(shells.contacts, *size)
    molecules = number_per_center(distinct_molecules(shells.contacts), *size)
    rows = []
    for i, center in enumerate(sites.centers):
        for j, site in enumerate(sites.sites):
            if not site.coordinating:
                continue
            numbers: tuple[float | None, ...] = (np.nan,) * 6
            if cutoffs[i, j] > 0:
                of_atoms, of_molecules = (values[j][:, center.members] for values in (atoms, molecules))
                a = mean_with_error(of_atoms.astype(float))
                m = a if np.array_equal(of_atoms, of_molecules) else mean_with_error(of_molecules.astype(float))
                cutoff = float(cutoffs[i, j]) if np.isfinite(cutoffs[i, j]) else np.nan
                n_independent = min(a.n_independent, m.n_independent)
                numbers = (a.mean, a.stderr, m.mean, m.stderr, cutoff, n_independent)
            rows.append((center.name, site.partner, site.name, *numbers))
    return pd.DataFrame(rows, columns=COORDINATION_COLUMNS)
