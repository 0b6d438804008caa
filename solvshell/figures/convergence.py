"""Whether a run is long enough: what it is long enough for, and how much more the rest needs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FormatStrFormatter, NullFormatter

from solvshell.figures.lines import draw_band
from solvshell.figures.names import pair_name
from solvshell.figures.style import COLORS, say_none

_STATUS_COLORS = {"enough": COLORS[2], "longer": COLORS[3], "cannot_tell": "0.5", "doubtful": "0.5"}
_RUN_COLOR = "0.35"


def quantity_name(row: Mapping[str, Any]) -> str:
    """Return how a row of the convergence table is written: ``peak Li–F of PF6``, ``coordination, all around Li``."""
    if pd.isna(row["partner"]):
        return f"coordination, all around {row['center']}"
    return f"{row['quantity']} {pair_name(row['center'], row['partner'], row['site'])}"


def _said(row: Mapping[str, Any]) -> str:
    if row["status"] != "cannot_tell":
        doubt = ", doubtful" if row["status"] == "doubtful" else ""
        return f"± {row['stderr']:.2g}, wanted {row['wanted']:g}{doubt}"
    few = row["n_independent"]
    return "cannot tell" + ("" if pd.isna(few) else f": {few:.1f} independent samples")


def draw_convergence(axes: Axes, convergence: pd.DataFrame) -> Axes:
    """Draw how long a run must be for the wanted standard error of each number; the line is this run.

    Points on its left are reached (green; hollow and gray where the error itself is doubtful), those on its right need
    as much more (red). Where the run has too few independent samples to know its own errors, a gray cross stands on the
    line: it must be longer even to tell.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    convergence : pandas.DataFrame
        From `solvshell.analysis.convergence.convergence`, and `with_doubts` to see those.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give tall axes, some 0.22 inches a row, and ``analysis.convergence``.
    """
    if convergence.empty:
        return say_none(axes, "nothing to judge")
    run_ps = float(convergence.run_ps.max())
    rows = convergence.to_dict("records")
    for place, row in enumerate(rows):
        color, known = _STATUS_COLORS[row["status"]], row["status"] != "cannot_tell"
        at = row["needed_ps"] if known else row["run_ps"]
        axes.plot([row["run_ps"], at], [place, place], color=color, linewidth=1.2)
        face = "white" if row["status"] == "doubtful" else color
        axes.plot([at], [place], "o" if known else "x", color=color, markerfacecolor=face, markersize=5)
        axes.text(1.01, place, _said(row), transform=axes.get_yaxis_transform(), va="center", fontsize=7.5, color=color)
    axes.axvline(run_ps, color=_RUN_COLOR, linewidth=1, zorder=0)
    axes.annotate(
        "this run", (run_ps, 1), (0, 2), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center",
        fontsize=8, color=_RUN_COLOR,
    )  # fmt: skip
    axes.set_xscale("log")
    lengths = [run_ps, *convergence.needed_ps.dropna()]
    axes.set_xlim(min(lengths) / 5, max(lengths) * 5)
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(rows)), [quantity_name(row) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("length of a run with the wanted error / ps")
    return axes


def draw_running_means(axes: Axes, running_means: pd.DataFrame) -> Axes:
    """Draw the mean total coordination number up to each time, with its 95 % interval, one line per center species.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    running_means : pandas.DataFrame
        From `solvshell.analysis.convergence.running_mean`, of all centers.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and ``analysis.running_means``: a line that still drifts out of its own band is not converged,
    whatever its error.
    """
    known = running_means.dropna(subset=["mean"])
    if known.empty:
        return say_none(axes, "not available:\na pair has no cutoff")
    if not known.time_ps.max() > 0:
        return say_none(axes, "not available:\na single frame")
    for index, (center, table) in enumerate(known.groupby("center", sort=False)):
        color = COLORS[index % len(COLORS)]
        draw_band(axes, table.time_ps, table.low, table.high, color)
        axes.plot(table.time_ps, table["mean"], color=color, linewidth=1.4, label=str(center))
    # early intervals are as wide as they like; the last ones should be seen
    last = known.groupby("center").tail(1)
    low, high = (np.nanmin([*known["mean"], *last.low]), np.nanmax([*known["mean"], *last.high]))
    margin = 0.1 * (high - low) + 0.1
    axes.set(xlabel="mean up to t / ps", ylabel="coordination number")
    axes.set(xlim=(0, known.time_ps.max()), ylim=(max(0, low - margin), high + margin))
    axes.legend(loc="upper right", fontsize=8)
    return axes
