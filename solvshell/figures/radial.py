"""Where the neighbors of a center are: g(r), the running coordination number, and the angle at which they hold it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.ndimage import gaussian_filter1d

from solvshell.figures.lines import add_legend, draw_band, pair_lines
from solvshell.figures.style import SMOOTHING_BINS, say_none

#: Of a distribution of angles, bins whose error exceeds this share of their value do not stretch the axis.
_NOISY = 0.5


def _start(r: pd.Series, seen: pd.Series) -> float:
    """Return where the axis begins: half an ångström, or less, before the first neighbor."""
    first = r[seen > 0].min()
    return 0.0 if np.isnan(first) else max(0.0, np.floor(2 * first) / 2 - 0.25)


def draw_rdf(
    axes: Axes,
    rdf: pd.DataFrame,
    only: pd.DataFrame | None = None,
    *,
    r_max: float = 6.0,
    colors: Mapping[str, str] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw g(r) of each pair with a band of its standard error.

    The line is smoothed for the eye by a Gaussian of 0.03 Å; the table is not.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    rdf : pandas.DataFrame
        ``analysis.rdf``.
    only : pandas.DataFrame, optional
        A table whose ``center``, ``partner`` and ``site`` say which pairs are shown; all if left out.
    r_max : float
        Where the axis ends, in Å.
    colors : mapping, optional
        By partner. Centers differ by the style of the line.
    legend : bool
        Whether to name the lines.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    For the atoms that coordinate, and no others, give the axes, ``analysis.rdf`` and ``analysis.coordination``.
    """
    shown = rdf[rdf.r_angstrom <= r_max]
    start = r_max
    for table, line in pair_lines(shown, only, colors):
        g, error = (gaussian_filter1d(table[name].fillna(0), SMOOTHING_BINS) for name in ("g", "g_stderr"))
        draw_band(axes, table.r_angstrom, g - error, g + error, line["color"])
        axes.plot(table.r_angstrom, g, linewidth=1.4, **line)
        start = min(start, _start(table.r_angstrom, table.g))
    if not axes.lines:
        return say_none(axes, "no pairs")
    axes.axhline(1, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel="r / Å", ylabel="g(r)", xlim=(start, r_max))
    axes.set_ylim(0)
    if legend:
        add_legend(axes, loc="upper right")
    return axes


def draw_running_coordination(
    axes: Axes,
    rdf: pd.DataFrame,
    coordination: pd.DataFrame | None = None,
    *,
    r_max: float = 6.0,
    colors: Mapping[str, str] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw the running coordination number n(r) of each pair: atoms of the site within r of a center.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    rdf : pandas.DataFrame
        ``analysis.rdf``.
    coordination : pandas.DataFrame, optional
        ``analysis.coordination``: its pairs alone are shown, and a circle with a standard error stands at their cutoffs
        and coordination numbers. The axis ends at twice the largest of these.
    r_max : float
        Where the axis ends, in Å.
    colors, legend
        As in `draw_rdf`.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes, ``analysis.rdf`` and ``analysis.coordination``; a flat line around the circle means that the cutoff
    hardly matters.
    """
    shown = rdf[rdf.r_angstrom <= r_max]
    start = r_max
    for table, line in pair_lines(shown, coordination, colors):
        axes.plot(table.r_angstrom, table.n, linewidth=1.4, **line)
        start = min(start, _start(table.r_angstrom, table.n))
    if not axes.lines:
        return say_none(axes, "no pairs")
    numbers = pd.DataFrame() if coordination is None else coordination.dropna(subset=["cutoff_angstrom"])
    for rows, line in pair_lines(numbers, None, colors) if len(numbers) else ():
        circle: Any = {
            "marker": "o",
            "markerfacecolor": "white",
            "markersize": 4.5,
            "linestyle": "none",
            "clip_on": False,
        }
        errors = rows.cn_atoms_stderr.where(rows.cn_atoms_stderr > 0)
        axes.errorbar(
            rows.cutoff_angstrom, rows.cn_atoms_mean, errors, color=line["color"], capsize=2, elinewidth=1, **circle
        )
    axes.set(xlabel="r / Å", ylabel="n(r), atoms per center", xlim=(start, r_max))
    largest = numbers.cn_atoms_mean.max() if len(numbers) else np.nan
    axes.set_ylim(0, 2 * largest if largest > 0 else None)
    if legend:
        add_legend(axes, loc="upper left")
    return axes


def draw_angles(
    axes: Axes, angles: pd.DataFrame, *, colors: Mapping[str, str] | None = None, legend: bool = True
) -> Axes:
    """Draw the distribution of the angle at the coordinating atom, center - atom - its bonded neighbor (Li-O=C).

    The density is per unit of the cosine, so that directions without preference give 0.5 everywhere (gray line). The
    bands are standard errors; near 0 and 180 degrees a bin holds little of the sphere and its error is large, and such
    bins do not stretch the axis.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    angles : pandas.DataFrame
        ``analysis.angles``.
    colors, legend
        As in `draw_rdf`.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and ``analysis.angles``: a maximum near 140 degrees says that the center sits at a lone pair of the
    oxygen, one at 180 degrees that it sits in line with the bond.
    """
    highest = 0.5
    for table, line in pair_lines(angles, None, colors):
        error = table.stderr.fillna(0)
        draw_band(axes, table.angle_degrees, table.density - error, table.density + error, line["color"])
        axes.plot(table.angle_degrees, table.density, linewidth=1.4, **line)
        highest = max(highest, table.density[error < _NOISY * table.density].max())
    if not axes.lines:
        return say_none(axes, "no angles: no coordinating atom\nin a shell is bonded to just one other")
    axes.axhline(0.5, color="0.6", linewidth=0.8, zorder=0)
    axes.annotate(
        "no preference", (0, 0.5), (4, 2), textcoords="offset points", fontsize=7, color="0.4", annotation_clip=False
    )
    axes.set(xlabel="angle / degrees", ylabel="density per unit of cosine", xlim=(0, 180), ylim=(0, 1.2 * highest))
    axes.set_xticks(range(0, 181, 30))
    if legend:
        add_legend(axes, loc="upper left")
    return axes
