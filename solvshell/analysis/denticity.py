"""With how many of its atoms a molecule holds a center."""

import numba
import numpy as np
import pandas as pd

from solvshell.analysis.ratios import long_mean_with_error, ratio_with_error
from solvshell.analysis.shells import FirstShells
from solvshell.analysis.tallies import coordinating_sites, has_known_shell, tally

DENTICITY_COLUMNS = [
    "center",
    "partner",
    "n_atoms",
    "fraction",
    "stderr",
    "mean_per_center",
    "mean_per_center_stderr",
    "n",
    "n_independent",
]


@numba.njit(cache=True)
def _atoms_of_molecule(frame: np.ndarray, center: np.ndarray, molecule: np.ndarray) -> np.ndarray:
    """Return how many rows a molecule has at one center in one frame, at the first of them, and 0 at the others."""
    n_atoms = np.zeros(len(frame), np.int16)
    start = 0
    for k in range(len(frame)):
        if frame[k] != frame[start] or center[k] != center[start]:
            start = k
        first = start
        while molecule[first] != molecule[k]:
            first += 1
        n_atoms[first] += 1
    return n_atoms


def denticity_table(shells: FirstShells) -> pd.DataFrame:
    """Return with how many atoms the molecules of first shells hold their center: mono-, bi-, tridentate.

    `n_atoms` counts the atoms of all coordinating sites of one molecule within the cutoffs of one center. `fraction` is
    a share of the molecules of the partner in first shells and sums to one for each center species and partner; a
    molecule between two centers is in both shells. `mean_per_center` is how many such molecules a center has, `n`
    counts them over centers and frames. The error of the fraction is that of a ratio of two series that move together
    (`ratio_with_error`), and `n_independent` belongs to it. A partner without a shell, with a cutoff that is not known,
    or that nobody's shell holds, has no rows.
    """
    sites, contacts = shells.sites, shells.contacts
    n_atoms = _atoms_of_molecule(contacts.frame, contacts.center, contacts.molecule)
    of_molecule = np.flatnonzero(n_atoms)
    n_atoms, site, center_idx = n_atoms[of_molecule], contacts.site[of_molecule], contacts.center[of_molecule]
    place = contacts.frame[of_molecule].astype(np.int64) * sites.n_centers + center_idx
    species = sites.species_of_center[center_idx]
    rows = []
    for i, center in enumerate(sites.centers):
        for name in sites.n_molecules:
            of_partner = coordinating_sites(sites, name)
            if not has_known_shell(shells.cutoffs[i, of_partner]):
                continue
            here = (species == i) & of_partner[site]
            of_all = tally(place[here], shells, center)
            for k in np.unique(n_atoms[here]):
                of_k = tally(place[here & (n_atoms == k)], shells, center)
                share, mean = ratio_with_error(of_k, of_all), long_mean_with_error(of_k)
                numbers = (share.mean, share.stderr, mean.mean, mean.stderr, int(of_k.sum()), share.n_independent)
                rows.append((center.name, name, int(k), *numbers))
    return pd.DataFrame(rows, columns=DENTICITY_COLUMNS)
