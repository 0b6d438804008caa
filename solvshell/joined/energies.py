"""Interaction energies of replicas together, first shells within the common cutoffs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from solvshell.analysis.cutoffs import Cutoff, Key
from solvshell.analysis.energies.per_species import ENERGY_COLUMNS
from solvshell.joined.averages import Average, Value, average, from_series
from solvshell.joined.numbers import resolved
from solvshell.joined.shell_energies import gain_within, row_of
from solvshell.joined.systems import System
from solvshell.joined.tables import JOINED_COLUMNS, joined_columns
from solvshell.shown import Shown

_KEY = ["center", "partner", "quantity", "region", "coulomb"]
_ERROR_OF = {
    "lj_kj_mol": "lj_stderr_kj_mol",
    "coulomb_kj_mol": "coulomb_stderr_kj_mol",
    "total_kj_mol": "stderr_kj_mol",
    "full_coulomb_kj_mol": None,
    "full_total_kj_mol": "full_stderr_kj_mol",
}


def _moved(row: dict[str, Any], replica: Shown, cutoffs: Mapping[Key, Cutoff]) -> dict[str, Any]:
    """Return the row of a first shell (bare) moved from the run's own cutoff to the common one."""
    center, partner = row["center"], row["partner"]
    keys = [key for key in cutoffs if key[:2] == (center, partner) and cutoffs[key].angstrom is not None]
    gain = gain_within(replica, keys, cutoffs)
    if gain is None:
        return row
    more = {"lj_kj_mol": gain.lj, "coulomb_kj_mol": gain.bare, "total_kj_mol": gain.lj + gain.bare}
    full = row["full_coulomb_kj_mol"] / row["coulomb_kj_mol"] if row["coulomb_kj_mol"] else 1.0
    more |= {"full_coulomb_kj_mol": full * gain.bare, "full_total_kj_mol": gain.lj + full * gain.bare}
    if row["quantity"] == "per_center":
        return row | {name: row[name] + change for name, change in more.items()}
    where = {"center": center, "partner": partner, "region": "first_shell", "coulomb": "bare"}
    per_center = row_of(replica.tables["energies"], quantity="per_center", **where)
    n = 0.0 if per_center is None or not row["total_kj_mol"] else per_center.total_kj_mol / row["total_kj_mol"]
    if not n > 0 or n + gain.molecules <= 0:
        return row
    return row | {name: (row[name] * n + change) / (n + gain.molecules) for name, change in more.items()}


def _rows(replica: Shown, cutoffs: Mapping[Key, Cutoff]) -> dict[tuple[str, ...], dict[str, Any]]:
    found = {}
    for row in replica.tables["energies"].to_dict("records"):
        is_shell = (row["region"], row["coulomb"]) == ("first_shell", "bare")
        found[tuple(str(row[name]) for name in _KEY)] = _moved(row, replica, cutoffs) if is_shell else row
    return found


def _values(rows: Sequence[dict[str, Any]], name: str) -> list[Value]:
    error = _ERROR_OF[name]
    return [
        from_series(row[name], row[error] if error else None, row["n_independent"], lowest=-np.inf)
        for row in rows
        if not np.isnan(row[name])
    ]


def joined_energies(system: System, cutoffs: Mapping[Key, Cutoff]) -> pd.DataFrame:
    """Return the means of the interaction energies in kJ/mol, with errors between replicas; empty if one has none.

    Bare energies of first shells are moved to the common cutoffs by the table of energies against distance (see
    `shell_energy`), as in comparisons; the Ewald energies of first shells stay within each replica's own cutoff.
    """
    columns = [*ENERGY_COLUMNS, *JOINED_COLUMNS]
    if any(replica.without_energies for replica in system.replicas):
        return pd.DataFrame(columns=columns)
    of_replicas = [_rows(replica, cutoffs) for replica in system.replicas]
    found = []
    for key in dict.fromkeys(key for rows in of_replicas for key in rows):
        rows = [one[key] for one in of_replicas if key in one]
        status = resolved(row["n_independent"] for row in rows) if len(rows) == len(of_replicas) else "not_resolved"
        joined = dict(zip(_KEY, key, strict=True)) | joined_columns(_values(rows, "total_kj_mol"), status)
        for name, error in _ERROR_OF.items():
            values = _values(rows, name)
            number = average(values) if values else Average(np.nan, None, None, (), None)
            joined |= {name: number.mean} | ({error: number.stderr} if error else {})
        joined["n_independent"] = float(np.sum([row["n_independent"] for row in rows]))
        found.append(joined | {"charge_scale": rows[0]["charge_scale"]})
    return pd.DataFrame(found).reindex(columns=columns)
