"""What it costs to change the coordination number of a center: F(n) = -kT ln P(n)."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from solvshell.analysis.ratios import long_mean_with_error, ratio_with_error
from solvshell.analysis.shells import FirstShells, number_per_center
from solvshell.analysis.tallies import coordinating_sites, has_known_shell
from solvshell.units import kT_kj_mol

COORDINATION_FREE_ENERGY_COLUMNS = [
    "center",
    "partner",
    "n",
    "probability",
    "probability_stderr",
    "free_energy_kt",
    "free_energy_kt_stderr",
    "free_energy_kj_mol",
    "free_energy_kj_mol_stderr",
    "n_independent",
]
#: The `partner` of the total coordination number.
ALL_PARTNERS = "all"


def _coordination_numbers(shells: FirstShells) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield center species, partner and coordinating atoms, shape (n_frames, n_members), where they can be counted."""
    sites = shells.sites
    of_site = number_per_center(shells.contacts, len(sites.sites), shells.n_frames, sites.n_centers)
    counted = {name: coordinating_sites(sites, name) for name in sites.n_molecules}
    everything = {ALL_PARTNERS: np.logical_or.reduce(list(counted.values()))}
    for i, center in enumerate(sites.centers):
        for name, of_partner in (everything | counted).items():
            if has_known_shell(shells.cutoffs[i, of_partner]):
                yield center.name, name, of_site[of_partner, :, center.members].sum(axis=0)


def _rows(numbers: np.ndarray, kT: float) -> list[tuple[float | None, ...]]:
    """Return the rows of one coordination number (n_frames, n_members); kT in kJ/mol, or not a number."""
    at = {int(n): numbers == n for n in np.unique(numbers)}
    lowest = max(at, key=lambda n: float(at[n].sum()))
    rows: list[tuple[float | None, ...]] = []
    for n, visits in at.items():
        p = long_mean_with_error(visits)
        odds = ratio_with_error(visits, at[lowest])
        F = float(np.log(1 / odds.mean))
        # to first order; odds of one to itself are exact, and not a series without fluctuations
        stderr = 0.0 if n == lowest else None if odds.stderr is None else odds.stderr / odds.mean
        in_kj_mol = (F * kT, None if stderr is None else stderr * kT)
        rows.append((n, p.mean, p.stderr, F, stderr, *in_kj_mol, p.n_independent))
    return rows


def coordination_free_energy(shells: FirstShells, temperature: float | None = None) -> pd.DataFrame:
    """Return the free energy of each coordination number that occurs, above that of the most frequent one.

    ``F(n) = -kT ln(P(n) / max P)``, where P(n) is the share of centers and frames with n coordinating atoms: of all
    partners (`partner` is "all"), and of each partner alone. It is the work of changing n when all else relaxes, at
    the composition of the box. Its error is that of the ratio of the two populations to first order (delta method),
    which knows that the one grows at the cost of the other; at the minimum it is 0 by definition. A number that never
    occurs has no row: its F is above what the run can see, about ``ln(n_independent)`` kT per center. Partners without
    a shell, or with a cutoff that is not known, have no rows, and then the total has none in the latter case.

    Parameters
    ----------
    temperature
        In K; without it the columns in kJ/mol are empty.
    """
    kT = np.nan if temperature is None else kT_kj_mol(temperature)
    rows = [
        (center, partner, *row)
        for center, partner, numbers in _coordination_numbers(shells)
        for row in _rows(numbers, kT)
    ]
    return pd.DataFrame(rows, columns=COORDINATION_FREE_ENERGY_COLUMNS)
