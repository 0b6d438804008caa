"""From energies in each frame to the numbers of a row: means, with errors that know about correlation."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from solvshell.analysis.ratios import long_mean_with_error, ratio_with_error
from solvshell.analysis.statistics import Estimate

#: What a row of an energy table has of numbers. `stderr_kj_mol` and `n_independent` are those of the total. The `full`
#: columns are for full charges, where the charge scale of the model is known: not an ensemble average.
NUMBERS = [
    "lj_kj_mol",
    "coulomb_kj_mol",
    "total_kj_mol",
    "stderr_kj_mol",
    "lj_stderr_kj_mol",
    "coulomb_stderr_kj_mol",
    "n_independent",
    "full_coulomb_kj_mol",
    "full_total_kj_mol",
    "full_stderr_kj_mol",
]
#: ... and how the model scales the charges of ions, beside every number; empty if that is not known.
CHARGE_SCALE = "charge_scale"


def _estimate(values: np.ndarray, per: np.ndarray | float) -> Estimate:
    return ratio_with_error(values, per) if isinstance(per, np.ndarray) else long_mean_with_error(values / per)


def numbers(
    lj: np.ndarray, coulomb: np.ndarray, full_coulomb: np.ndarray | None, per: np.ndarray | float = 1.0
) -> tuple[float | None, ...]:
    """Return the numbers of a row, in the order of `NUMBERS`.

    Parameters
    ----------
    lj, coulomb
        Energies in kJ/mol, shape (n_frames, n_centers).
    full_coulomb
        The Coulomb energy of the same frames at full charges; None where that is not known.
    per
        What they are divided by: a number; or how many molecules there are, shape (n_frames, n_centers), by the ratio
        of the means.
    """
    of_lj, of_coulomb, of_total = (_estimate(values, per) for values in (lj, coulomb, lj + coulomb))
    full: tuple[float | None, ...] = (np.nan,) * 3
    if full_coulomb is not None:
        of_full = _estimate(lj + full_coulomb, per)
        full = (of_full.mean - of_lj.mean, of_full.mean, of_full.stderr)
    means = (of_lj.mean, of_coulomb.mean, of_total.mean)
    return (*means, of_total.stderr, of_lj.stderr, of_coulomb.stderr, of_total.n_independent, *full)


def number_table(
    rows: Iterable[tuple[str | float | None, ...]], columns: list[str], scale: float | None
) -> pd.DataFrame:
    """Return rows of names and numbers as a table, with the charge scale behind them as the last of the columns."""
    table = pd.DataFrame(list(rows), columns=columns[:-1])
    return table.assign(**{columns[-1]: np.nan if scale is None else scale})
