"""Where molecules come and go: how many there are, the works of the switches, and how many are accepted."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solvshell.analysis.grand_canonical.numbers import FEWEST_ACCEPTED, accepted_moves
from solvshell.figures.lines import draw_band
from solvshell.figures.panels import WIDTH, bars_height, panel_rows
from solvshell.figures.style import COLORS, STYLE, new_figure, partner_colors, say_none

_THERE, _BACK = COLORS[0], COLORS[3]
_DROPPED = "0.6"


def draw_molecule_numbers(
    axes: Axes, numbers: pd.DataFrame, species: pd.DataFrame, colors: Mapping[str, str] | None = None
) -> Axes:
    """Draw the number of molecules of each species against time, with the mean and its standard error.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    numbers : pandas.DataFrame
        ``molecule_numbers.csv``; the start that was left out is drawn in gray.
    species : pandas.DataFrame
        ``grand_canonical.csv``. A mean that is not converged has no band, and is named so.
    colors : mapping, optional
        By species.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and both tables: a number that crosses its mean a few times only is known no better than that.
    """
    colors = partner_colors(species.species) | dict(colors or {})
    for row in species.itertuples():
        mine = numbers[numbers.species == row.species]
        used = mine[mine.used]
        axes.plot(mine.time_ps, mine.n, color=_DROPPED, linewidth=0.7, zorder=1)
        axes.plot(used.time_ps, used.n, color=colors[row.species], linewidth=0.8, zorder=2)
        known = row.status == "resolved"
        label = f"{row.species}" if known else f"{row.species}, not converged: {accepted_moves(row.n_accepted)}"
        axes.plot(
            used.time_ps.iloc[[0, -1]], [row.n_mean] * 2, color=colors[row.species], linewidth=1.4,
            linestyle="-" if known else (0, (1, 1)), label=label, zorder=3,
        )  # fmt: skip
        if known:
            ends, half = used.time_ps.iloc[[0, -1]], np.full(2, row.n_stderr)
            draw_band(axes, ends, row.n_mean - half, row.n_mean + half, colors[row.species])
        if not np.isnan(row.n_expected):
            axes.axhline(row.n_expected, color=colors[row.species], linewidth=0.8, linestyle=":", zorder=0)
    axes.set(xlabel="t / ps", ylabel="molecules")
    axes.set_xlim(numbers.time_ps.min(), numbers.time_ps.max())
    axes.legend(fontsize=8, loc="best")
    return axes


def draw_works(axes: Axes, works: pd.DataFrame, row: Mapping[str, Any]) -> Axes:
    """Draw how the net works of insertions, and those of deletions with the other sign, are distributed.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    works : pandas.DataFrame
        Rows of ``works.csv`` of one species.
    row : mapping
        That of the species in ``grand_canonical.csv``, for F with its error, where both should cross.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes, the rows and the row: what lies left of zero is always accepted on the way in, right of it on the way
    out.
    """
    if works.empty:
        return say_none(axes, "no works")
    for name, color, label in (("insertion", _THERE, "insertions"), ("deletion", _BACK, "deletions, sign changed")):
        density, error = works[f"{name}_density"], works[f"{name}_stderr"]
        axes.stairs(density, [*(works.work_kt - works.width_kt / 2), (works.work_kt + works.width_kt / 2).iloc[-1]],
                    color=color, linewidth=1.3, label=label)  # fmt: skip
        axes.errorbar(works.work_kt, density, error, color=color, fmt="none", elinewidth=0.9, capsize=1.5)
    offset, stderr = row["beta_mu_works"] - row["beta_mu"], row["beta_mu_works_stderr"]
    if not np.isnan(offset):
        axes.axvspan(offset - stderr, offset + stderr, color="0.5", alpha=0.25, linewidth=0, label="F")
    axes.axvline(0, color="0.3", linewidth=0.8, linestyle=":")
    axes.set(xlabel="net work w / kT", ylabel="share per kT")
    axes.set_ylim(0, 1.35 * float(works[["insertion_density", "deletion_density"]].to_numpy().max()))
    axes.legend(fontsize=8, loc="upper center", ncols=3, columnspacing=1.0, handlelength=1.2)
    return axes


def draw_work_ratio(axes: Axes, works: pd.DataFrame, row: Mapping[str, Any]) -> Axes:
    """Draw the logarithm of the ratio of both distributions: w - F, a line of slope 1, by Crooks' relation.

    Parameters, return value and use as those of `draw_works`.
    """
    known = works.dropna(subset=["log_ratio"])
    if len(known) < 2:
        return say_none(axes, "not available:\nworks of both directions\nshare too little")
    axes.errorbar(known.work_kt, known.log_ratio, known.log_ratio_stderr, color="0.25", fmt="o", markersize=3,
                  elinewidth=0.9, capsize=1.5)  # fmt: skip
    offset = row["beta_mu_works"] - row["beta_mu"]
    ends = np.array([known.work_kt.min(), known.work_kt.max()])
    axes.plot(ends, ends - (0.0 if np.isnan(offset) else offset), color=COLORS[2], linewidth=1.2, label="slope 1")
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel="net work w / kT", ylabel="ln ratio")
    axes.legend(fontsize=8)
    return axes


def draw_acceptance(axes: Axes, species: pd.DataFrame) -> Axes:
    """Draw the share of insertions and deletions accepted, and what Gaussian works of the same dissipation would give.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    species : pandas.DataFrame
        ``grand_canonical.csv``.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and the table: insertions and deletions of a steady run are accepted equally often.
    """
    places = np.arange(len(species))
    for name, shift, color in (("insertion", -0.19, _THERE), ("deletion", 0.19, _BACK)):
        share, error = species[f"{name}_acceptance"], species[f"{name}_acceptance_stderr"].fillna(0)
        axes.barh(places + shift, 100 * share, 0.34, xerr=100 * error, color=color, capsize=2, label=f"{name}s")
    axes.plot(100 * species.gaussian_acceptance, places, "k|", markersize=16, label="by the dissipation")
    names = [
        row.species
        if row.n_accepted >= FEWEST_ACCEPTED
        else f"{row.species}, not converged:\n{accepted_moves(row.n_accepted)}"
        for row in species.itertuples()
    ]
    axes.set_yticks(places, names)
    axes.set_ylim(len(species) - 0.5, -0.5)
    axes.set(xlabel="accepted / %")
    axes.set_xlim(0)
    axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, columnspacing=1.0, handlelength=1.2)
    return axes


def plot_molecule_numbers(
    numbers: pd.DataFrame, species: pd.DataFrame, colors: Mapping[str, str] | None = None
) -> Figure:
    """Return how many molecules there are against time."""
    with mpl.rc_context(STYLE):
        figure, ((axes,),) = panel_rows([3.0])
        draw_molecule_numbers(axes, numbers, species, colors)
        return figure


def plot_works(works: pd.DataFrame, species: pd.DataFrame) -> Figure:
    """Return the distributions of works of each species, and the logarithm of their ratio."""
    with mpl.rc_context(STYLE):
        figure, panels = panel_rows([2.6] * len(species), (3, 2))
        for row, (left, right) in zip(species.to_dict("records"), panels, strict=True):
            mine = works[works.species == row["species"]]
            draw_works(left, mine, row)
            draw_work_ratio(right, mine, row)
            left.set_title(f"Works of {row['species']}")
        return figure


def plot_acceptance(species: pd.DataFrame) -> Figure:
    """Return how many of the moves of each species are accepted."""
    with mpl.rc_context(STYLE):
        figure = new_figure(WIDTH, bars_height(2 * len(species)) + 0.3)
        draw_acceptance(figure.subplots(), species)
        return figure
