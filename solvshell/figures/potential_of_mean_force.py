"""The work of bringing a center and a site together: W(r), its well and its barrier."""

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes

from solvshell.figures.lines import PAIR, add_legend, draw_band, pair_lines
from solvshell.figures.style import say_none

#: A bin whose W is less sure than this, in kT, is noise and leaves a gap.
_NOISY_KT = 1.0
_POINT: Any = {"marker": "o", "markersize": 4, "capsize": 2}
_SUFFIX = {"kT": "kt", "kJ/mol": "kj_mol"}


def _draw_bound(axes: Axes, r: float, at_least: float, color: str) -> None:
    """Draw an arrow upwards from a height that W exceeds."""
    look: Any = {"arrowstyle": "-|>", "color": color, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (r, at_least), (0, -12), textcoords="offset points", arrowprops=look)


def draw_potential_of_mean_force(
    axes: Axes,
    potential: pd.DataFrame,
    barriers: pd.DataFrame | None = None,
    coordination: pd.DataFrame | None = None,
    *,
    r_max: float = 6.0,
    unit: Literal["kT", "kJ/mol"] = "kT",
    colors: Mapping[str, str] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw W(r) = -kT ln g(r) of each pair with standard errors, and its well and barrier as points.

    Bins whose error exceeds 1 kT leave a gap; where a barrier was not sampled an arrow starts at what the run excludes.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    potential : pandas.DataFrame
        ``analysis.potential_of_mean_force``.
    barriers : pandas.DataFrame, optional
        ``analysis.barriers``.
    coordination : pandas.DataFrame, optional
        ``analysis.coordination``: its pairs alone are shown.
    r_max : float
        Where the axis ends, in Å.
    unit : {"kT", "kJ/mol"}
        kJ/mol only where the temperature was known.
    colors, legend
        As in `draw_rdf`.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes, ``analysis.potential_of_mean_force`` and ``analysis.barriers``: a well below zero that is shut by a
    high barrier means a molecule that comes seldom and stays.
    """
    w, stderr = f"w_{_SUFFIX[unit]}", f"w_{_SUFFIX[unit]}_stderr"
    known = potential[(potential.r_angstrom <= r_max) & (potential.w_kt_stderr <= _NOISY_KT)].dropna(subset=[w])
    shown = potential[potential.r_angstrom <= r_max].assign(**{w: known[w]})
    start = known.r_angstrom.min()
    marks = {} if barriers is None else dict(iter(barriers.groupby(PAIR, sort=False)))
    for table, line in pair_lines(shown, coordination, colors):
        draw_band(axes, table.r_angstrom, table[w] - table[stderr], table[w] + table[stderr], line["color"])
        axes.plot(table.r_angstrom, table[w], linewidth=1.4, **line)
        for row in marks.get(tuple(table[PAIR].iloc[0]), pd.DataFrame()).to_dict("records"):
            if row["quantity"] != "escape" and row["status"] == "resolved":
                axes.errorbar(row["r_angstrom"], row[w], row[stderr], color=line["color"], **_POINT)
            elif row["quantity"] == "barrier" and row["status"] == "not_sampled":
                _draw_bound(axes, row["r_angstrom"], row[f"at_least_{_SUFFIX[unit]}"], line["color"])
    if known.empty or not axes.lines:
        return say_none(axes, "not available:\ntoo few pairs, or no temperature")
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel="r / Å", ylabel=f"W(r) / {unit.replace('kJ/mol', 'kJ mol⁻¹')}", xlim=(start, r_max))
    if legend:
        add_legend(axes, loc="upper right")
    return axes
