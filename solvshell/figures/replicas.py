"""Replicas side by side: each one thin behind the mean of all, and whether they differ by more than their errors."""

import math
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter1d

from solvshell.figures.lines import PAIR, draw_band
from solvshell.figures.names import pair_name
from solvshell.figures.panels import WIDTH, bars_height
from solvshell.figures.style import COLORS, SMOOTHING_BINS, STYLE, new_figure, partner_colors, say_none

_COLUMNS = 3
_THIN: Any = {"linewidth": 0.6, "alpha": 0.65}
_STATUS_COLORS = {"agree": COLORS[2], "scatter": COLORS[3], "cannot_tell": "0.6"}


def draw_replica_rdfs(
    axes: Axes, joined: pd.DataFrame, own: Mapping[str, pd.DataFrame], color: str, r_max: float = 6.0
) -> Axes:
    """Draw g(r) of one pair: all replicas together with a band of the standard error, each replica as a thin line.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    joined : pandas.DataFrame
        The rows of the pair in the joined ``rdf.csv``.
    own : mapping
        By replica, its rows of the pair in its own ``rdf.csv``.
    color : str
    r_max : float
        Where the axis ends, in Å.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and the rows of ``rdf[rdf.partner == "EC"]`` of the joined table and of each replica.
    """
    for table in own.values():
        shown = table[table.r_angstrom <= r_max]
        axes.plot(shown.r_angstrom, gaussian_filter1d(shown.g.fillna(0), SMOOTHING_BINS), color=color, **_THIN)
    shown = joined[joined.r_angstrom <= r_max]
    g, error = (gaussian_filter1d(shown[name].fillna(0), SMOOTHING_BINS) for name in ("g", "g_stderr"))
    draw_band(axes, shown.r_angstrom, g - error, g + error, color)
    axes.plot(shown.r_angstrom, g, color=color, linewidth=1.8)
    axes.axhline(1, color="0.8", linewidth=0.8, zorder=0)
    met = shown.r_angstrom[shown.g > 0].min()
    axes.set_xlim(0 if math.isnan(met) else max(0.0, math.floor(2 * met) / 2 - 0.25), r_max)
    axes.set_ylim(0)
    return axes


def plot_replica_rdfs(rdf: pd.DataFrame, own: Mapping[str, pd.DataFrame], coordination: pd.DataFrame) -> Figure:
    """Return g(r) of every coordinating pair in a panel of its own."""
    with mpl.rc_context(STYLE):
        pairs = list(coordination[PAIR].itertuples(index=False, name=None))
        colors = partner_colors(partner for _, partner, _ in pairs)
        n_rows = math.ceil(len(pairs) / _COLUMNS)
        figure = new_figure(WIDTH, 2.0 * n_rows)
        panels = figure.subplots(n_rows, min(_COLUMNS, len(pairs)), squeeze=False)
        for axes in panels.flat[len(pairs) :]:
            axes.set_axis_off()
        for axes, key in zip(panels.flat, pairs, strict=False):
            of_pair = {name: table[(table[PAIR] == list(key)).all(axis=1)] for name, table in own.items()}
            draw_replica_rdfs(axes, rdf[(rdf[PAIR] == list(key)).all(axis=1)], of_pair, colors[key[1]])
            axes.set_title(pair_name(*key))
        for axes in panels[-1]:
            axes.set_xlabel("r / Å")
        for axes in panels[:, 0]:
            axes.set_ylabel("g(r)")
        return figure


def draw_replica_numbers(axes: Axes, replicas: pd.DataFrame, joined: pd.DataFrame) -> Axes:
    """Draw numbers of each replica with their own errors, and beside them the mean over the replicas with its interval.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    replicas : pandas.DataFrame
        Rows of ``replicas.csv`` of one quantity.
    joined : pandas.DataFrame
        With ``of``, ``mean``, ``ci95_low`` and ``ci95_high``; its order is that of the figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes, ``replicas[replicas.quantity == "coordination"]`` and the joined numbers.
    """
    if joined.empty:
        return say_none(axes, "no numbers")
    for place, row in enumerate(joined.itertuples()):
        own = replicas[replicas.of == row.of]
        spots = place + np.linspace(-0.25, 0.1, len(own)) if len(own) > 1 else np.array([place - 0.1])
        axes.errorbar(
            own.value, spots, xerr=own.stderr.fillna(0), fmt="o", markersize=2.5, color="0.55", elinewidth=0.7
        )
        color = COLORS[0]
        if not (math.isnan(row.ci95_low) or math.isnan(row.ci95_high)):
            axes.plot([row.ci95_low, row.ci95_high], [place + 0.3] * 2, color=color, linewidth=1.6)
        axes.plot([row.mean], [place + 0.3], "D", color=color, markersize=4.5)
    axes.set_yticks(range(len(joined)), list(joined.label))
    axes.set_ylim(len(joined) - 0.4, -0.6)
    return axes


def plot_replica_numbers(replicas: pd.DataFrame, joined: pd.DataFrame) -> Figure:
    """Return the coordination numbers of each replica and of all; see `draw_replica_numbers`."""
    with mpl.rc_context(STYLE):
        figure = new_figure(WIDTH, max(1.9, 0.42 * len(joined) + 0.7))
        axes = figure.subplots()
        draw_replica_numbers(axes, replicas[replicas.quantity == "coordination"], joined)
        axes.set_xlabel("atoms around a center: replicas with their own errors (gray), mean with 95 % interval (blue)")
        return figure


def draw_between_replicas(axes: Axes, between: pd.DataFrame) -> Axes:
    """Draw by how much replicas differ against their own errors, a point per number; 1 where these are right.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    between : pandas.DataFrame
        ``between_replicas.csv`` with a ``label``.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give tall axes and the rows whose ``status`` is not ``cannot_tell``: red ones on the right are runs that are stuck.
    """
    known = between[between.status != "cannot_tell"]
    if known.empty:
        return say_none(axes, "no number has errors within the replicas")
    axes.axvline(1, color="0.6", linewidth=0.8, zorder=0)
    colors = [_STATUS_COLORS[status] for status in known.status]
    axes.scatter(known.between_over_within, range(len(known)), c=colors, s=22)
    axes.set_yticks(range(len(known)), list(known.label))
    axes.set_ylim(len(known) - 0.5, -0.5)
    axes.set_xlim(0, max(2.0, 1.1 * known.between_over_within.max()))
    axes.set_xlabel("standard deviation between replicas / error within them")
    return axes


def plot_between_replicas(between: pd.DataFrame) -> Figure:
    """Return whether replicas differ by more than their errors; see `draw_between_replicas`."""
    with mpl.rc_context(STYLE):
        figure = new_figure(WIDTH, bars_height(int((between.status != "cannot_tell").sum())))
        draw_between_replicas(figure.subplots(), between)
        return figure
