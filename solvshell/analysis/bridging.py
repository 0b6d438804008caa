"""Between how many centers a molecule stands."""

import numpy as np
import pandas as pd

from solvshell.analysis.ratios import ratio_with_error
from solvshell.analysis.shells import FirstShells
from solvshell.analysis.tallies import coordinating_sites, has_known_shell

BRIDGING_COLUMNS = ["partner", "n_centers", "fraction", "stderr", "n", "n_independent"]


def _centers_of_molecules(shells: FirstShells, of_partner: np.ndarray) -> np.ndarray:
    """Return how many centers of all species each molecule of a partner touches, shape (n_frames, n_molecules)."""
    contacts, n_centers = shells.contacts, shells.sites.n_centers
    rows = np.flatnonzero(of_partner[contacts.site])
    molecules, molecule = np.unique(contacts.molecule[rows], return_inverse=True)
    shape = (shells.n_frames, len(molecules))
    at = contacts.frame[rows].astype(np.int64) * shape[1] + molecule
    pairs = np.unique(at * n_centers + contacts.center[rows])
    return np.bincount(pairs // n_centers, minlength=shape[0] * shape[1]).reshape(shape)


def bridging_table(shells: FirstShells) -> pd.DataFrame:
    """Return between how many centers the molecules stand that are in a first shell at all.

    `n_centers` counts centers of all species that a molecule touches, however many atoms it does that with: 1 for a
    molecule of one shell, 2 and more for a bridge. `fraction` is a share of the molecules of the partner that touch any
    and sums to one for each partner; its error is `ratio_with_error`, over the molecules that touch a center in some
    frame; `n` counts molecules over the frames. A partner without a shell around any center, or with a cutoff that is
    not known, has no rows.
    """
    rows = []
    for name in shells.sites.n_molecules:
        of_partner = coordinating_sites(shells.sites, name)
        if not has_known_shell(shells.cutoffs[:, of_partner]):
            continue
        n_centers = _centers_of_molecules(shells, of_partner)
        for k in np.unique(n_centers[n_centers > 0]):
            share = ratio_with_error(n_centers == k, n_centers > 0)
            n = np.count_nonzero(n_centers == k)
            rows.append((name, int(k), share.mean, share.stderr, n, share.n_independent))
    return pd.DataFrame(rows, columns=BRIDGING_COLUMNS)
