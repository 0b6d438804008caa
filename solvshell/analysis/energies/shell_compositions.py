"""The interaction energy of a center with its first shell, by the composition of that shell."""

import numpy as np
import pandas as pd

from solvshell.analysis.energies.measured import BARE, LJ, Energies
from solvshell.analysis.ratios import ratio_with_error
from solvshell.analysis.shells import FirstShells, compositions

SHELL_ENERGY_COLUMNS = [
    "center",
    "composition",
    "partner",
    "n",
    "lj_kj_mol",
    "coulomb_kj_mol",
    "total_kj_mol",
    "stderr_kj_mol",
    "n_independent",
]
ALL = "all"


def shell_energy_table(energies: Energies, shells: FirstShells) -> pd.DataFrame:
    """Return the energy of a center with the molecules of its first shell, for each shell composition.

    A mean over the shells of that composition of the sum over the members, in kJ/mol, with the bare Coulomb energy:
    once over all, partner ``all``, and once for each species of the composition. `n` counts shells over centers and
    frames. The most frequent composition comes first. A center species that lacks a cutoff has no rows.

    Parameters
    ----------
    shells
        The first shells in the frames of the energies.
    """
    rows = []
    for i, center in enumerate(shells.sites.centers):
        if energies.is_incomplete[i]:
            continue
        members = energies.of_center(i)
        in_shell, n_in_shell = energies.in_shell[:, members], energies.n_in_shell[:, members]
        names, kind = compositions(shells, center)
        for k in np.argsort(-np.bincount(kind.ravel()), kind="stable"):
            found = kind == k
            present = n_in_shell[found].any(axis=0)
            parts = {ALL: in_shell.sum(axis=2)} | {
                energies.partners[j].name: in_shell[:, :, j] for j in np.flatnonzero(present)
            }
            for partner, part in parts.items():
                lj, coulomb = part[..., LJ][found].mean(), part[..., BARE][found].mean()
                total = ratio_with_error(found * (part[..., LJ] + part[..., BARE]), found)
                of_total = (total.mean, total.stderr, total.n_independent)
                rows.append((center.name, names[k], partner, int(found.sum()), lj, coulomb, *of_total))
    return pd.DataFrame(rows, columns=SHELL_ENERGY_COLUMNS)
