"""The tidy tables of a comparison, and the same as plain JSON values."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from solvshell.comparison import words
from solvshell.comparison.results import Comparison
from solvshell.comparison.rows import Row
from solvshell.joined.long_enough import long_enough

_CHANGE = ["difference", "difference_ci95_low", "difference_ci95_high", "p_value", "df"]
PEAK_COLUMNS = [
    "system", "center", "partner", "site", "peak_angstrom", "ci95_low", "ci95_high", "difference_angstrom",
    "difference_ci95_low", "difference_ci95_high", "p_value", "df", "basis", "status", "n_replicas", "attribution",
    "study_angstrom",
]  # fmt: skip
COORDINATION_COLUMNS = [
    "system", "center", "partner", "site", "cn_atoms_mean", "stderr", "ci95_low", "ci95_high", *_CHANGE, "basis",
    "status", "n_replicas", "n_independent", "cutoff_angstrom", "cutoff_source", "d_cn_d_cutoff_per_angstrom",
    "cn_change_cutoff_minus", "cn_change_cutoff_plus", "attribution",
]  # fmt: skip
_FRACTION_COLUMNS = [
    "fraction", "stderr", "ci95_low", "ci95_high", *_CHANGE, "basis", "status", "n_replicas", "n_independent",
]  # fmt: skip
ENERGY_COLUMNS = [
    "system", "center", "partner", "quantity", "region", "coulomb", "energy_kj_mol", "stderr", "ci95_low", "ci95_high",
    *_CHANGE, "basis", "status", "n_replicas", "n_independent", "cutoff_effect_kj_mol", "attribution",
]  # fmt: skip
MOLECULE_COLUMNS = [
    "system", "species", "quantity", "mean", "stderr", "ci95_low", "ci95_high", *_CHANGE, "basis", "status",
    "n_replicas", "n_accepted",
]  # fmt: skip
SHELL_COLUMNS = ["system", "center", "composition", *_FRACTION_COLUMNS]
SPECIATION_COLUMNS = ["system", "center", "state", *_FRACTION_COLUMNS]


def _numbers(row: Row, value: str, difference: str = "difference") -> dict[str, Any]:
    """Return what every row carries, under the names of its table."""
    number, change = row.number, row.change
    basis = change.basis if change else number.basis if number else None
    return {
        "system": row.system,
        value: number.mean if number else None,
        "stderr": number.stderr if number and not number.exact else None,
        "ci95_low": number.low if number and not number.exact else None,
        "ci95_high": number.high if number and not number.exact else None,
        difference: change.value if change else None,
        "difference_ci95_low": change.low if change else None,
        "difference_ci95_high": change.high if change else None,
        "p_value": change.p_value if change else None,
        "df": change.df if change else None,
        "basis": basis,
        "status": row.status,
        "n_replicas": row.n_used,
        **(row.extra or {}),
    }


def _table(rows: Sequence[Row], columns: list[str], names: Sequence[str], value: str, **other: str) -> pd.DataFrame:
    content = [dict(zip(names, row.key, strict=True)) | _numbers(row, value, **other) for row in rows]
    return pd.DataFrame(content).reindex(columns=columns)


def peak_table(found: Comparison) -> pd.DataFrame:
    """Return the first peaks; numbers are empty unless the status is ``resolved``."""
    pair = ("center", "partner", "site")
    table = _table(found.peaks, PEAK_COLUMNS, pair, "peak_angstrom", difference="difference_angstrom")
    return table.assign(attribution=[words.attribution(found, row) for row in found.peaks])


def coordination_table(found: Comparison) -> pd.DataFrame:
    """Return the coordination numbers within the common cutoffs: rows disjoint, no totals.

    A partner without a shell, or that is not in the box, has no number, and counts as 0 in the differences of others.
    """
    table = _table(found.coordination, COORDINATION_COLUMNS, ("center", "partner", "site"), "cn_atoms_mean")
    table.loc[table.status.isin(["no_shell", "absent"]), "cn_atoms_mean"] = None
    keys = zip(table.center, table.partner, table.site, strict=True)
    return table.assign(
        cutoff_source=[found.cutoffs[key].source for key in keys],
        attribution=[words.attribution(found, row) for row in found.coordination],
    )


def shell_table(found: Comparison) -> pd.DataFrame:
    """Return the shares of the shell compositions."""
    return _table(found.shells, SHELL_COLUMNS, ("center", "composition"), "fraction")


def speciation_table(found: Comparison) -> pd.DataFrame:
    """Return the shares of SSIP, CIP and AGG."""
    return _table(found.speciation, SPECIATION_COLUMNS, ("center", "state"), "fraction")


def molecule_table(found: Comparison) -> pd.DataFrame:
    """Return how many molecules come and go: their number, mol/L, and mole fraction among the open species."""
    return _table(found.molecules, MOLECULE_COLUMNS, ("species", "quantity"), "mean")


def total_table(found: Comparison) -> pd.DataFrame:
    """Return the sum over all partners for each center."""
    columns = ["system", "center", *COORDINATION_COLUMNS[4:15], "attribution"]
    table = _table(found.totals, columns, ("center",), "cn_atoms_mean")
    return table.assign(attribution=[words.attribution(found, row) for row in found.totals])


def energy_table(found: Comparison) -> pd.DataFrame:
    """Return the interaction energies in kJ/mol: of first shells within the common cutoffs, and of whole boxes.

    `cutoff_effect_kj_mol` is what the common cutoff changes against that of each run's own analysis, a mean over the
    replicas; empty where a partner has several coordinating sites and the own cutoffs stand.
    """
    energies = found.energies
    parts = (
        (energies.per_center, ("per_center", "first_shell", "bare")),
        (energies.per_molecule, ("per_molecule", "first_shell", "bare")),
        (energies.whole_box, ("per_center", "whole_box", "ewald")),
    )
    tables = [
        _table(rows, ENERGY_COLUMNS, ("center", "partner"), "energy_kj_mol").assign(
            quantity=quantity,
            region=region,
            coulomb=coulomb,
            attribution=[words.attribution(found, r, 1) for r in rows],
        )
        for rows, (quantity, region, coulomb) in parts
        if rows
    ]
    if not tables:
        return pd.DataFrame(columns=ENERGY_COLUMNS)
    table = pd.concat(tables, ignore_index=True)
    table.loc[table.status.isin(["no_shell", "absent"]), "energy_kj_mol"] = None
    return table


def convergence_table(found: Comparison) -> pd.DataFrame:
    """Return what the replicas of each system are long enough for, together."""
    of_systems = {system.name: long_enough(system.replicas) for system in found.systems}
    return pd.concat(of_systems, names=["system", None]).reset_index("system").reset_index(drop=True)


def plain_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON has them: what is missing is None, floats with six digits."""
    return [
        {
            str(key): None if pd.isna(value) else float(f"{value:.6g}") if isinstance(value, float) else value
            for key, value in row.items()
        }
        for row in table.to_dict("records")
    ]
