"""Between how many centers a molecule stands."""

import numba
import numpy as np
import pandas as pd

from solvshell.analysis.ratios import ratio_with_error
from solvshell.analysis.shells import FirstShells
from solvshell.analysis.tallies import coordinating_sites, has_known_shell

BRIDGING_COLUMNS = ["partner", "n_centers", "fraction", "stderr", "n", "n_independent"]


@numba.njit(cache=True)
def _centers_of_molecules(
    frame: np.ndarray, center: np.ndarray, molecule: np.ndarray, site: np.ndarray, of_partner: np.ndarray, n_frames: int
) -> np.ndarray:
    """Return how many centers each molecule of a partner touches that touches any, shape (n_frames, n_molecules)."""
    column = np.full(molecule.max() + 1 if len(molecule) else 0, -1)
    n_molecules = 0
    for k in range(len(frame)):
        if of_partner[site[k]] and column[molecule[k]] < 0:
            column[molecule[k]] = n_molecules
            n_molecules += 1
    n_centers = np.zeros((n_frames, n_molecules), np.int16)
    start = 0  # the first row of this frame and center
    for k in range(len(frame)):
        if frame[k] != frame[start] or center[k] != center[start]:
            start = k
        if not of_partner[site[k]]:
            continue
        first = start
        while molecule[first] != molecule[k] or not of_partner[site[first]]:
            first += 1
        if first == k:
            n_centers[frame[k], column[molecule[k]]] += 1
    return n_centers


def bridging_table(shells: FirstShells) -> pd.DataFrame:
    """Return between how many centers the molecules stand that are in a first shell at all.

    `n_centers` counts centers of all species that a molecule touches, however many atoms it does that with: 1 for a
    molecule of one shell, 2 and more for a bridge. `fraction` is a share of the molecules of the partner that touch any
    and sums to one for each partner; its error is `ratio_with_error`, over the molecules that touch a center in some
    frame; `n` counts molecules over the frames. A partner without a shell around any center, or with a cutoff that is
    not known, has no rows.
    """
    contacts, rows = shells.contacts, []
    for name in shells.sites.n_molecules:
        of_partner = coordinating_sites(shells.sites, name)
        if not has_known_shell(shells.cutoffs[:, of_partner]):
            continue
        columns = (contacts.frame, contacts.center, contacts.molecule, contacts.site)
        n_centers = _centers_of_molecules(*columns, of_partner, shells.n_frames)
        touching = n_centers > 0
        for k in range(1, int(n_centers.max(initial=0)) + 1):
            between_k = n_centers == k
            if n := np.count_nonzero(between_k):
                share = ratio_with_error(between_k, touching)
                rows.append((name, k, share.mean, share.stderr, n, share.n_independent))
    return pd.DataFrame(rows, columns=BRIDGING_COLUMNS)
