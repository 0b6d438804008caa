"""What it costs to change a coordination number."""

from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from solvshell.figures.lines import add_legend
from solvshell.figures.names import CENTER_AND_PAIR
from solvshell.figures.style import LINES, TOTAL_COLOR, partner_colors, say_none

_COLUMNS = {"kT": "free_energy_kt", "kJ/mol": "free_energy_kj_mol"}
#: The `partner` of the total coordination number.
_ALL = "all"


def draw_coordination_free_energy(
    axes: Axes,
    free_energy: pd.DataFrame,
    partners: Sequence[str] | None = None,
    *,
    unit: Literal["kT", "kJ/mol"] = "kT",
    colors: Mapping[str, str] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw F(n), the free energy of n coordinating atoms above that of the most frequent n, with standard errors.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    free_energy : pandas.DataFrame
        ``analysis.coordination_free_energy``.
    partners : sequence of str, optional
        Which partners; "all" is the total coordination number. All of them if left out.
    unit : {"kT", "kJ/mol"}
        kJ/mol only where the temperature was known.
    colors : mapping, optional
        By partner; the total is dark. Centers differ by the style of the line.
    legend : bool
        Whether to name the lines.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes, ``analysis.coordination_free_energy`` and ["all"]: the number at zero is the usual one, and its
    neighbors say what it costs to lose or to gain an atom. Numbers that never occurred have no point.
    """
    named = [str(partner) for partner in free_energy.partner.unique() if partner != _ALL]
    colors = partner_colors(named) | {_ALL: TOTAL_COLOR} | dict(colors or {})
    wanted = free_energy if partners is None else free_energy[free_energy.partner.isin(list(partners))]
    rows = wanted.dropna(subset=[_COLUMNS[unit]])
    if rows.empty:
        return say_none(axes, "not available:\n" + ("no cutoff" if wanted.empty else "the temperature is not known"))
    centers = list(rows.center.unique())
    for (center, partner), table in rows.groupby(["center", "partner"], sort=False):
        F, stderr = table[_COLUMNS[unit]], table[f"{_COLUMNS[unit]}_stderr"].fillna(0)
        linestyle = LINES[centers.index(center) % len(LINES)]
        label = f"{center}{CENTER_AND_PAIR}{'all partners' if partner == _ALL else partner}"
        axes.errorbar(
            table.n, F, stderr, color=colors[partner], linestyle=linestyle, marker="o", markersize=4, capsize=2.5,
            linewidth=1.2, elinewidth=1, label=label,
        )  # fmt: skip
    axes.set(xlabel="n, coordinating atoms", ylabel=f"F(n) / {unit.replace('kJ/mol', 'kJ mol⁻¹')}")
    axes.set_ylim(0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if legend:
        add_legend(axes, loc="best")
    return axes
