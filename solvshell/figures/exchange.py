"""What it costs to exchange one molecule of a shell for another."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from solvshell.figures.names import shell_name
from solvshell.figures.style import partner_colors, say_none

_SUFFIX = {"kT": "kt", "kJ/mol": "kj_mol"}
#: The `shell` of the rows that count all shells together.
_ANY = "any"


def _label(row: pd.Series, partners: list[str], with_center: bool) -> str:
    center = f"{row.center}: " if with_center else ""
    shell = "any shell" if row.shell == _ANY else shell_name(row.shell, partners)
    return f"{center}{shell}, {row.leaves} → {row.enters}"


def draw_exchange_free_energy(
    axes: Axes,
    exchange: pd.DataFrame,
    *,
    n_shells: int = 3,
    concentrations: Literal["free", "total"] = "free",
    unit: Literal["kT", "kJ/mol"] = "kT",
    colors: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the free energy of exchanging one molecule of a shell for another, a row per shell, with standard errors.

    A bar across a row marks what shells filled at random would give. Open points have too few samples.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    exchange : pandas.DataFrame
        ``analysis.exchange_free_energy``.
    n_shells : int
        Of each exchange so many shells are drawn, the most frequent, and all shells together.
    concentrations : {"free", "total"}
        Of which molecules.
    unit : {"kT", "kJ/mol"}
        kJ/mol only where the temperature was known.
    colors : mapping, optional
        By partner, of which that is taken which enters.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and ``analysis.exchange_free_energy``: a point left of its bar says that the center prefers what
    enters to what leaves. Several tables side by side, of systems say, want one set of axes each.
    """
    value = f"delta_g_{_SUFFIX[unit]}"
    wanted = exchange[exchange.concentrations == concentrations]
    known = wanted.dropna(subset=[value])
    rows = known.groupby(["center", "leaves", "enters"], sort=False).head(1 + n_shells).reset_index(drop=True)
    if rows.empty:
        reason = "no two shells that differ by one molecule" if wanted.empty else "the temperature is not known"
        return say_none(axes, f"not available:\n{reason}")
    partners = list(dict.fromkeys([*rows.leaves, *rows.enters]))
    colors = partner_colors(partners) | dict(colors or {})
    at_random = rows[value] - rows[f"intrinsic_{_SUFFIX[unit]}"]
    axes.plot(at_random, rows.index, "|", color="0.4", markersize=11, zorder=1)
    for y, row in rows.iterrows():
        color, filled = colors[row.enters], row.status == "resolved"
        error = np.nan_to_num(row[f"{value}_stderr"])
        axes.errorbar(
            row[value], y, xerr=error, color=color, marker="o", markersize=5, capsize=2.5,
            markerfacecolor=color if filled else "white",
        )  # fmt: skip
    centers = len(rows.center.unique()) > 1
    axes.set_yticks(rows.index, [_label(row, partners, centers) for _, row in rows.iterrows()])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set_xlabel(f"ΔG / {unit.replace('kJ/mol', 'kJ mol⁻¹')}")
    return axes
