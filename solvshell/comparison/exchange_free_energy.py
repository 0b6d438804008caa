"""Exchange free energies of several systems side by side, and their differences to the first."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from solvshell.comparison.differences import difference
from solvshell.joined.averages import Average, Value, average, from_series

_KEY = ["center", "leaves", "enters", "shell", "gives", "concentrations"]
EXCHANGE_COLUMNS = [
    "system", *_KEY, "delta_g_kj_mol", "stderr", "ci95_low", "ci95_high", "difference", "difference_ci95_low",
    "difference_ci95_high", "p_value", "df", "basis", "status", "n_replicas",
]  # fmt: skip

_Keyed = dict[tuple[str, ...], tuple[Average, str, int]]


def _value(row: dict[str, Any]) -> Value:
    mean, stderr = float(row["delta_g_kj_mol"]), float(row["delta_g_kj_mol_stderr"])
    return from_series(mean, stderr, float(row["n_independent"]), lowest=-np.inf)


def _averages(replicas: Sequence[pd.DataFrame]) -> _Keyed:
    """Return the mean of each exchange over the replicas that saw it, with its status and their number.

    One that did not see it may lack the rarer shell: a mean without it is too near to zero, and not resolved.
    """
    everything = pd.concat(replicas, ignore_index=True).dropna(subset=["delta_g_kj_mol"])
    found: _Keyed = {}
    for key, rows in everything.groupby(_KEY, sort=False):
        records = [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]
        is_resolved = len(rows) == len(replicas) and (rows.status == "resolved").all()
        status = "resolved" if is_resolved else "too_few_samples"
        found[tuple(map(str, key))] = average([_value(row) for row in records]), status, len(records)
    return found


def exchange_differences(systems: Mapping[str, Sequence[pd.DataFrame]]) -> pd.DataFrame:
    """Return the exchange free energies of systems in kJ/mol, with their differences to the first of them.

    What is positive in a difference costs more in a system than in the reference: a center gives up S for X less
    readily. Intervals are those of `differences`: of replicas from three on, else of time blocks. A difference exists
    where both systems saw the exchange, and its status is ``resolved`` where all replicas of both resolve it.

    Parameters
    ----------
    systems
        By name the table ``exchange_free_energy`` of each replica; the reference first. Shells end where each analysis
        found that they do.
    """
    averages = {name: _averages(replicas) for name, replicas in systems.items()}
    reference = next(iter(averages.values()))
    rows = []
    for name, found in averages.items():
        for key, (number, status, n_replicas) in found.items():
            row = {"system": name, **dict(zip(_KEY, key, strict=True)), "delta_g_kj_mol": number.mean}
            row |= {"stderr": number.stderr, "ci95_low": number.low, "ci95_high": number.high, "basis": number.basis}
            row |= {"status": status, "n_replicas": n_replicas}
            if found is not reference and key in reference:
                theirs, their_status, _ = reference[key]
                change = difference(number, theirs)
                row |= {"difference": change.value, "p_value": change.p_value, "df": change.df, "basis": change.basis}
                row |= {"difference_ci95_low": change.low, "difference_ci95_high": change.high}
                row["status"] = status if their_status == "resolved" else their_status
            rows.append(row)
    return pd.DataFrame(rows).reindex(columns=EXCHANGE_COLUMNS)
