"""Tables of the page that are laid out in another way than those of `analyze`; their numbers are the same."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from solvshell.analysis.residence import METHODS
from solvshell.analysis.typical.export import FOLDER, INDEX_NAME
from solvshell.figures import number

_PAIR = ["center", "partner", "site"]
_CUTOFF_SOURCES = {
    "first_minimum": "first minimum of g(r)",
    "given": "given by the species file",
    "typical": "typical of such sites: too few samples for a first minimum",
    "caller": "given by the caller",
}
_NO_CUTOFF = {
    "no_shell": "no first shell, so nothing is counted",
    "too_few_samples": "too few samples, so nothing is counted",
}


def residence_rows(residence: pd.DataFrame, summary: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each pair: the departures that were seen, and the time by each method in words.

    Parameters
    ----------
    residence
        The table of that name.
    summary
        Rows of the summary, which know the departures and, where there were none, a lower bound.
    """
    known = {tuple(row[key] for key in _PAIR): row for row in summary}
    rows = []
    for pair, table in residence.groupby(_PAIR, sort=False):
        times = {row.method: number(row.time_ps, row.stderr_ps) for row in table.itertuples()}
        of_pair = known.get(pair, {})
        if of_pair.get("lower_bound_ps") is not None:
            times[METHODS[0]] = f"longer than {number(of_pair['lower_bound_ps'])}"
        words = [times.get(method, "–") for method in METHODS]
        departures = of_pair.get("n_departures")
        rows.append(dict(zip(_PAIR, pair, strict=True)) | {"n_departures": departures, "times": words})
    return rows


def missing_times(summary: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each pair and decay without an integral: what is missing, and why.

    Parameters
    ----------
    summary
        Rows of the summary for residence times.
    """
    rows = []
    for row in summary:
        pair = {key: row[key] for key in _PAIR}
        if row["continuous"] is None:
            rows.append(pair | {"missing": "all times", "reason": "no contact was counted"})
            continue
        for name, letter in (("continuous", "S"), ("intermittent", "C")):
            decay = row[name]
            if decay["integral_ps"] is None:
                missing = f"area under {letter}(t)" + (", two exponentials" if decay["fit"] is None else "")
                rows.append(pair | {"missing": missing, "reason": decay["reason"]})
    return rows


def cutoff_rows(peaks: pd.DataFrame, coordination: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a row for each pair that is counted, or would be: the cutoff and who says so, in words."""
    counted = peaks.merge(coordination[_PAIR], on=_PAIR)
    rows = []
    for row in counted.to_dict("records"):
        if pd.isna(row["cutoff_source"]):
            words = "–", _NO_CUTOFF[row["status"]]
        elif pd.isna(row["cutoff_angstrom"]):
            words = "–", "a rule of the caller decides"
        else:
            words = f"{row['cutoff_angstrom']:.2f}", _CUTOFF_SOURCES[row["cutoff_source"]]
        rows.append({key: row[key] for key in _PAIR} | dict(zip(("cutoff", "source"), words, strict=True)))
    return rows


def exchange_matrices(exchange: pd.DataFrame) -> list[dict[str, Any]]:
    """Return who is replaced by whom around each center species: names, and a row of cells for each who left.

    A cell holds the row of the table, or None; center species whose exchange the run cannot tell are left out.
    """
    matrices = []
    for center, table in exchange.dropna(subset=["n"]).groupby("center", sort=False):
        cells = {(row["leaving"], row["entering"]): row for row in table.to_dict("records")}
        names = list(dict.fromkeys([*table.leaving, *table.entering]))
        rows = [{"leaving": one, "cells": [cells.get((one, other)) for other in names]} for one in names]
        matrices.append({"center": center, "names": names, "rows": rows})
    return matrices


def typical_shells(folder: Path, summary: dict[str, Any]) -> pd.DataFrame | None:
    """Return the index of the shells that `analyze` exported beside its tables, or None if it could not."""
    path = folder / FOLDER / INDEX_NAME
    if not summary.get("shell_files", {"available": True})["available"]:
        return None  # an index would be that of an earlier analysis
    return pd.read_csv(path, keep_default_na=False, na_values=[""]) if path.is_file() else None
