"""Tables of the page about energies, laid out by center and partner; their numbers are those of `analyze`."""

from typing import Any

import pandas as pd

from solvshell.figures.energies import COULOMB

#: What is beside the two definitions: a mean for the molecules of the first shell by either kind of Coulomb energy.
_CELLS = {
    "shell": ("per_center", "first_shell", COULOMB["first_shell"]),
    "box": ("per_center", "whole_box", COULOMB["whole_box"]),
    "molecule": ("per_molecule", "first_shell", "bare"),
    "molecule_ewald": ("per_molecule", "first_shell", "ewald"),
    "tail": ("per_center", "lj_tail", "none"),
}
_PER = {"unit_charge": "unit charge", "n_plus": "N⁺", "contact_molecule": "contact molecule"}


def _only(rows: pd.DataFrame) -> dict[str, Any] | None:
    """Return the one row that there is, or None."""
    return next(iter(rows.to_dict("records")), None)


def _cell(table: pd.DataFrame, **named: str) -> dict[str, Any] | None:
    chosen = table
    for column, value in named.items():
        chosen = chosen[chosen[column] == value]
    return _only(chosen)


def energy_tables(energies: pd.DataFrame, sums: pd.DataFrame) -> list[dict[str, Any]]:
    """Return for each center species a row of cells for each species around it, and a row for their sum.

    A cell is the row of `energies` per center in the first shell (``shell``), in the whole box (``box``) or of the LJ
    tail (``tail``), or per molecule of the first shell (``molecule``, ``molecule_ewald``); None where there is none.
    """
    tables = []
    for center, mine in energies.groupby("center", sort=False):
        names = ("quantity", "region", "coulomb")
        rows = [
            {"partner": partner}
            | {cell: _cell(of_pair, **dict(zip(names, where, strict=True))) for cell, where in _CELLS.items()}
            for partner, of_pair in mine.groupby("partner", sort=False)
        ]
        summed = sums[sums.center == center]
        total = {cell: _cell(summed, region=_CELLS[cell][1]) for cell in ("shell", "box", "tail")}
        tables.append({"center": center, "rows": rows, "sum": total})
    return tables


def unit_tables(units: pd.DataFrame) -> list[dict[str, Any]]:
    """Return energies of a center and of polymer units with each species, made comparable: a table for each region.

    A row for each partner holds the cells of the columns, which are a center species per unit charge, per N+ or per
    contact molecule. No tables where there is but one center species, as nothing is beside it.
    """
    if units.center.nunique() < 2:
        return []
    tables = []
    for region, coulomb in COULOMB.items():
        chosen = units[(units.region == region) & (units.coulomb == coulomb)].dropna(subset=["total_kj_mol"])
        columns = list(chosen[["center", "per"]].drop_duplicates().itertuples(index=False, name=None))
        rows = [
            {"partner": partner, "cells": [_cell(of_partner, center=center, per=per) for center, per in columns]}
            for partner, of_partner in chosen.groupby("partner", sort=False)
        ]
        names = [f"{center} per {_PER[per]}" for center, per in columns]
        tables.append({"region": region, "names": names, "rows": rows})
    return tables


def barrier_rows(barriers: pd.DataFrame, coordination: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a row for each coordinating pair: the rows of its well, its barrier, and the way between them."""
    pair = ["center", "partner", "site"]
    counted = barriers.merge(coordination[pair], on=pair)
    return [
        dict(zip(pair, key, strict=True)) | {row["quantity"]: row for row in of_pair.to_dict("records")}
        for key, of_pair in counted.groupby(pair, sort=False)
    ]
