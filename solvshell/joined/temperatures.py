"""What changes with temperature in a series of runs: numbers against T, and Arrhenius and van 't Hoff fits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from solvshell.analysis.exchange_free_energy import ANY_SHELL, exchange_free_energy
from solvshell.analysis.residence import METHOD
from solvshell.analysis.summary import plain
from solvshell.files import write_json
from solvshell.joined.arrhenius import ARRHENIUS_COLUMNS, FEWEST_TEMPERATURES, arrhenius_fit
from solvshell.joined.averages import from_series
from solvshell.joined.join import JoinedAnalysis, write_table
from solvshell.joined.limits import AT_CEILING, notes_of
from solvshell.joined.numbers import resolved
from solvshell.joined.recount import Recount
from solvshell.joined.tables import joined_columns
from solvshell.provenance import record_tables

RESIDENCE, EXCHANGE = "residence_time_ps", "exchange_free_energy_kt"
_FITTED = (RESIDENCE, EXCHANGE)
TEMPERATURE_COLUMNS = [
    "temperature_k", "quantity", "center", "partner", "site", "value", "stderr", "ci95_low", "ci95_high", "n_replicas",
    "basis", "status", "limits", "fitted",
]  # fmt: skip
_KEY = ["quantity", "center", "partner", "site"]
#: The tables of a series.
SERIES_TABLES = ("temperatures", "arrhenius")
#: What may speak against a temperature as a whole, of the flags of its runs.
_LIMITS = ("not_equilibrated", AT_CEILING)
_NOT_PHYSICAL = "not physical time"


def _rows_of_tables(joined: JoinedAnalysis) -> Iterator[dict[str, Any]]:
    density = joined.summary["thermodynamics"].get("density_g_cm3")
    if density:
        yield {"quantity": "density_g_cm3", "value": density["mean"], **density}
    for row in joined.coordination.to_dict("records"):
        yield {**row, "quantity": "coordination", "value": row["cn_atoms_mean"], "stderr": row["cn_atoms_stderr"]}
    for row in joined.residence[joined.residence.method == METHOD].to_dict("records"):
        yield {**row, "quantity": RESIDENCE, "value": row["time_ps"], "stderr": row["stderr_ps"]}


def _rows_of_exchange(recounts: Sequence[Recount]) -> Iterator[dict[str, Any]]:
    """Yield the free energies in kT of exchanging one molecule of a shell, whatever the shell, for a free one."""
    tables = [exchange_free_energy(one.counted, one.read.geometry.volumes[one.read.first_frame :]) for one in recounts]
    everything = pd.concat(tables, ignore_index=True)
    found = everything[(everything["shell"] == ANY_SHELL) & (everything.concentrations == "free")]
    for (center, leaves, enters), rows in found.groupby(["center", "leaves", "enters"], sort=False):
        if rows.delta_g_kt.isna().any() or len(rows) < len(recounts):
            continue
        values = [
            from_series(row.delta_g_kt, row.delta_g_kt_stderr, row.n_independent, lowest=-np.inf)
            for row in rows.itertuples()
        ]
        numbers = joined_columns(values, resolved(rows.n_independent))
        yield {
            "quantity": EXCHANGE,
            "center": center,
            "partner": f"{leaves} to {enters}",
            "value": numbers["mean"],
            **numbers,
        }


def _is_fitted(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Return which rows are points of a fit."""
    known = rows.quantity.isin(_FITTED) & (rows.stderr > 0) & ((rows.value > 0) | (rows.quantity != RESIDENCE))
    return known & (rows.status != "not_resolved") & ~rows.limits.str.contains(AT_CEILING)


def _temperature_table(joined: Mapping[float, JoinedAnalysis], recounts: Mapping[str, list[Recount]]) -> pd.DataFrame:
    rows = [
        {**row, "temperature_k": kelvin, "limits": " ".join(name for name in _LIMITS if one.summary["flags"][name])}
        for kelvin, one in joined.items()
        for row in (*_rows_of_tables(one), *_rows_of_exchange(recounts[one.system.name]))
    ]
    table = pd.DataFrame(rows).reindex(columns=TEMPERATURE_COLUMNS)
    table[[*_KEY, "status"]] = table[[*_KEY, "status"]].fillna("")
    table = table.astype(dict.fromkeys(["value", "stderr", "ci95_low", "ci95_high"], float))
    return table.assign(fitted=_is_fitted(table))


def _logarithms(quantity: str, value: np.ndarray, stderr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ln k in 1/ps, or ln K, and its standard error."""
    if quantity == RESIDENCE:
        return -np.log(value), stderr / value
    return -value, stderr


def arrhenius_table(temperatures: pd.DataFrame, dynamics: str) -> pd.DataFrame:
    """Return a row for each fit of ln k (residence times) or ln K (exchange) against 1/T; see `arrhenius_fit`.

    Values that are not resolved, have no error, or are of runs that went on from a stage without equilibrating are left
    out; with fewer than three temperatures left nothing is fitted.

    Parameters
    ----------
    temperatures
        With the columns of ``temperatures.csv``.
    dynamics
        What moved the atoms; times of sampling dynamics are marked as such.
    """
    rows = []
    of_fits = temperatures[temperatures.quantity.isin(_FITTED)]
    for key, found in of_fits.groupby(_KEY, sort=False):
        known = found[_is_fitted(found)]
        row = dict(zip(_KEY, key, strict=True))
        row |= {"n_temperatures": len(known), "n_left_out": len(found) - len(known)}
        row["meaning"] = "activation energy" if key[0] == RESIDENCE else "enthalpy"
        row["note"] = dynamics if key[0] == RESIDENCE and _NOT_PHYSICAL in dynamics else ""
        if len(known) < FEWEST_TEMPERATURES:
            rows.append(row | {"status": "too_few_temperatures"})
            continue
        kelvin, value, stderr = (known[name].to_numpy(float) for name in ("temperature_k", "value", "stderr"))
        is_scatter = known.basis.to_numpy() == "replicas"
        fit = arrhenius_fit(kelvin, *_logarithms(key[0], value, stderr), known.n_replicas.to_numpy(float), is_scatter)
        row |= {"lowest_k": kelvin.min(), "highest_k": kelvin.max()}
        row |= {"basis": "replicas" if is_scatter.any() else "one run"}
        rows.append(row | vars(fit) | {"status": "fitted" if fit.is_straight else "not_straight"})
    return pd.DataFrame(rows).reindex(columns=ARRHENIUS_COLUMNS)


def fit_words(row: Mapping[str, Any]) -> str:
    """Return what a row of ``arrhenius.csv`` says."""
    pair = " ".join(part for part in (row["center"], row["partner"], row["site"]) if part)
    if row["status"] == "too_few_temperatures":
        needed = f"needs {FEWEST_TEMPERATURES} temperatures with a resolved value, has {row['n_temperatures']}"
        return f"{row['meaning']} of {pair}: {needed}"
    interval = f"(95 %: {row['ci95_low']:.1f} to {row['ci95_high']:.1f})"
    bent = "" if row["status"] == "fitted" else f"; no straight line, p = {row['p_value']:.2g}"
    without = f"; temperatures left out: {row['n_left_out']}" if row["n_left_out"] else ""
    return f"{row['meaning']} of {pair}: {row['energy_kj_mol']:.1f} kJ/mol {interval}{bent}{without}"


@dataclass(frozen=True, repr=False)
class TemperatureSeries:
    """The joined tables of each temperature in K, numbers against temperature, and fits.

    `left_out` says by folder why a temperature is missing.
    """

    folder: Path
    joined: dict[float, JoinedAnalysis]
    temperatures: pd.DataFrame
    arrhenius: pd.DataFrame
    left_out: dict[str, str]
    summary: dict[str, Any]

    def __repr__(self) -> str:
        return f"<TemperatureSeries of {', '.join(f'{kelvin:g} K' for kelvin in self.joined)}>"

    @property
    def failed(self) -> dict[str, str]:
        """By folder why an analysis failed."""
        return {f"{one.system.name}/{name}": why for one in self.joined.values() for name, why in one.failed.items()}

    def headline(self) -> Iterator[str]:
        """Yield the lines to see first."""
        for kelvin, one in self.joined.items():
            yield f"{kelvin:g} K"
            yield from one.headline()
        for name, reason in self.left_out.items():
            yield f"left out: {name} ({reason})"
        for row in self.arrhenius.to_dict("records"):
            yield f"  {fit_words(row)}"
        if (self.arrhenius.note != "").any():
            yield f"  note: times are of sampling dynamics, {_NOT_PHYSICAL}, and so are their activation energies"

    def write(self, directory: Path) -> None:
        """Write the tables of the series, and of each temperature that has replicas its own into its folder."""
        made_from = []
        for one in self.joined.values():
            own = one.system.folder / "analysis"
            if not (one.system.folder / "protocol.yaml").is_file():
                one.write(own)
            made_from.append(own / "summary.json")
        directory.mkdir(parents=True, exist_ok=True)
        write_table(directory / "temperatures.csv", self.temperatures)
        write_table(directory / "arrhenius.csv", self.arrhenius)
        write_json(directory / "summary.json", self.summary)
        record_tables(directory, "temperatures.csv", "arrhenius.csv", "summary.json", made_from=made_from)


def temperature_series(
    folder: Path,
    joined: dict[float, JoinedAnalysis],
    recounts: Mapping[str, list[Recount]],
    left_out: dict[str, str],
) -> TemperatureSeries:
    """Return what changes with temperature.

    Parameters
    ----------
    joined
        By temperature in K; the name of each system is that of its folder.
    recounts
        By that name, within cutoffs common to all.
    left_out
        By folder, why a temperature is missing.
    """
    temperatures = _temperature_table(joined, recounts)
    dynamics = next(iter(joined.values())).summary["residence_dynamics"]
    arrhenius = arrhenius_table(temperatures, dynamics)
    summary = {
        "version": version("solvshell"),
        "temperatures": {f"{kelvin:g}": one.summary for kelvin, one in joined.items()},
        "left_out": left_out,
        "notes": notes_of([one.system for one in joined.values()]),
        "residence_dynamics": dynamics,
        "arrhenius": arrhenius.to_dict("records"),
        "against_temperature": temperatures.to_dict("records"),
    }
    return TemperatureSeries(folder, joined, temperatures, arrhenius, left_out, plain(summary))
