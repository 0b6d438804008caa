"""How the interaction energies of a center with single molecules are distributed, and how they fall with distance."""

import numpy as np
import pandas as pd

from solvshell.analysis.energies.interaction import InteractionEnergies
from solvshell.analysis.energies.measured import BARE, LJ, Energies
from solvshell.analysis.ratios import ratio_with_error

DISTRIBUTION_COLUMNS = ["center", "partner", "energy_kj_mol", "density", "stderr", "n"]
DISTANCE_COLUMNS = ["center", "partner", "r_angstrom", "n", "lj_kj_mol", "bare_kj_mol", "ewald_kj_mol", "stderr_kj_mol"]
BIN_KJ_MOL = 5.0


def distribution_table(energies: Energies) -> pd.DataFrame:
    """Return the distribution of the energy of a center with a molecule in its first shell, LJ and bare Coulomb.

    `density` is the probability per kJ/mol, `energy_kj_mol` the middle of a bin of 5 kJ/mol, `n` the molecules in it
    over centers and frames; only bins that were met and their neighbors: overlapping atoms have energies without end.
    Errors are those of a ratio of two series over the frames.
    """
    members, rows = energies.members, []
    bins = np.floor(members.energies[:, [LJ, BARE]].sum(axis=1) / BIN_KJ_MOL).astype(int)
    for i, center in enumerate(energies.centers):
        of_center = energies.of_center(i)
        mine = (members.center >= of_center.start) & (members.center < of_center.stop)
        for j in np.flatnonzero(energies.has_shell[i]):
            chosen = np.flatnonzero(mine & (members.partner == j))
            n_all = energies.n_in_shell[:, of_center, j].sum(axis=1)
            for k in np.unique(bins[chosen, None] + [-1, 0, 1]):
                n_here = np.bincount(members.frame[chosen[bins[chosen] == k]], minlength=energies.n_frames)
                share = ratio_with_error(n_here, n_all)
                stderr = None if share.stderr is None else share.stderr / BIN_KJ_MOL
                numbers = ((k + 0.5) * BIN_KJ_MOL, share.mean / BIN_KJ_MOL, stderr, int(n_here.sum()))
                rows.append((center.name, energies.partners[j].name, *numbers))
    return pd.DataFrame(rows, columns=DISTRIBUTION_COLUMNS)


def distance_table(found: InteractionEnergies) -> pd.DataFrame:
    """Return the mean energies of a center with a molecule at a distance, in kJ/mol.

    The distance is that of the nearest coordinating atom, `r_angstrom` the middle of a bin, from the nearest molecule
    met to the end of what is counted; `n` counts molecules over centers and frames. `stderr_kj_mol` is that of LJ and
    bare Coulomb energy together, from the scatter of the time blocks in which the pass sums them.
    """
    by_distance, rows = found.results.by_distance, []
    middles = (by_distance.edges[1:] + by_distance.edges[:-1]) / 2
    parts = np.stack([by_distance.lj, by_distance.bare, by_distance.ewald])
    for i, center in enumerate(found.center_species):
        for j, partner in enumerate(found.partners):
            n_in_block = by_distance.n_molecules[:, i, j]
            n = n_in_block.sum(axis=0)
            met = np.flatnonzero(n)
            for b in range(met[0], met[-1] + 1) if len(met) else ():
                means = parts[:, :, i, j, b].sum(axis=1) / n[b] if n[b] else np.full(3, np.nan)
                total = ratio_with_error(parts[:2, :, i, j, b].sum(axis=0), n_in_block[:, b])
                rows.append((center, partner, middles[b], n[b], *means, total.stderr))
    return pd.DataFrame(rows, columns=DISTANCE_COLUMNS)
