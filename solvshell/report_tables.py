"""Tables of the page that are laid out in another way than those of `analyze`; their numbers are the same."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from solvshell.analysis.residence import METHODS
from solvshell.analysis.sources import SHELLS
from solvshell.analysis.typical.export import INDEX_NAME
from solvshell.figures import number

_PAIR = ["center", "partner", "site"]


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


def typical_shells(folder: Path) -> pd.DataFrame | None:
    """Return the index of the shells that `analyze` exported beside its tables, or None if there is none."""
    path = folder / SHELLS / INDEX_NAME
    return pd.read_csv(path, keep_default_na=False, na_values=[""]) if path.is_file() else None
