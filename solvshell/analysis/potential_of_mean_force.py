"""The potential of mean force of each pair: W(r) = -kT ln g(r)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from solvshell.analysis.geometry import FINE_BIN_ANGSTROM
from solvshell.analysis.rdf import PairCounts, density_errors
from solvshell.analysis.shells import FirstShells
from solvshell.analysis.statistics import Bootstrap
from solvshell.units import kT_kj_mol

POTENTIAL_COLUMNS = [
    "center",
    "partner",
    "site",
    "r_angstrom",
    "w_kt",
    "w_kt_stderr",
    "w_kj_mol",
    "w_kj_mol_stderr",
    "n_independent",
    "enough_counts",
]
#: Wider bins than those of g(r): W at a barrier, where few pairs are, needs their counts together. A well of 0.1 Å
#: standard deviation comes out 0.01 kT too shallow.
BIN_ANGSTROM = 0.05
#: With fewer independent counts in a bin W is not known to 0.1 kT, and no other W(r) is compared with it.
ENOUGH_COUNTS = 100


def independent_counts(counts: np.ndarray, relative_error: np.ndarray) -> np.ndarray:
    """Return the independent counts that have such a relative error, 1/error^2, and no more than there are."""
    with np.errstate(divide="ignore"):
        return np.nan_to_num(np.minimum(counts, relative_error**-2.0))


def _columns(
    pair: PairCounts, bootstrap: Bootstrap, captured: FirstShells | None, capture_radius: float, kT: float
) -> list[np.ndarray]:
    g, g_stderr = pair.g, density_errors(pair, bootstrap, captured, capture_radius)[0]
    met = g > 0
    g, g_stderr = np.where(met, g, np.nan), np.where(met, g_stderr, np.nan)
    W, stderr = -np.log(g), g_stderr / g
    n_independent = independent_counts(pair.counts.sum(axis=0), stderr)
    return [W, stderr, W * kT, stderr * kT, n_independent, n_independent >= ENOUGH_COUNTS]


def potential_of_mean_force(
    fine: Sequence[PairCounts],
    bootstraps: Sequence[Bootstrap],
    captured: FirstShells | None = None,
    capture_radius: float = 0.0,
    temperature: float | None = None,
) -> pd.DataFrame:
    """Return W(r) = -kT ln g(r) of each pair in bins of 0.05 Å, with standard errors; r is the middle of a bin.

    It is the reversible work of bringing a center and a site from the mean density to a distance r, all else relaxed,
    at the composition of the box; it holds no -2 kT ln r of the growing shell. The error is that of g(r) over g(r)
    (first order), so that ``n_independent``, the counts without memory that would have it, is 1 / w_kt_stderr^2 and
    no more than there are. Where g(r) has no counts W is empty; `enough_counts` asks for 100 of them.

    Parameters
    ----------
    bootstraps
        One for each pair.
    captured, capture_radius
        As in `rdf_table`.
    temperature
        In K; without it the columns in kJ/mol are empty.
    """
    kT = np.nan if temperature is None else kT_kj_mol(temperature)
    tables = []
    for counts, bootstrap in zip(fine, bootstraps, strict=True):
        pair = counts.rebinned(round(BIN_ANGSTROM / FINE_BIN_ANGSTROM))
        columns = [*pair.key, pair.r, *_columns(pair, bootstrap, captured, capture_radius, kT)]
        tables.append(pd.DataFrame(dict(zip(POTENTIAL_COLUMNS, columns, strict=True))))
    return pd.concat(tables, ignore_index=True)
