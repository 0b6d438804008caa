"""Figures of g(r) in a comparison."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter1d

from solvshell.analysis.statistics import MIN_REPLICAS
from solvshell.comparison.figures import pairs_of, system_color
from solvshell.comparison.results import Comparison
from solvshell.comparison.words import STATUS_WORDS
from solvshell.figures import LINES, SITE_NAMES, SMOOTHING_BINS, STYLE, new_figure, pair_name
from solvshell.joined.systems import System

#: Of centers and reference centers in one panel.
_CENTER_COLORS = ("#7b3294", "#c9a227", "#009E73", "#0072B2")
_R_MAX = 6.0
_R_MAX_REFERENCE = 9.0


def mean_rdf(system: System, key: tuple[str, str, str]) -> pd.DataFrame | None:
    """Return g(r) of a system averaged over its replicas with its standard error, or None if it has no such pair."""
    tables = []
    for replica in system.replicas:
        rdf = replica.tables["rdf"]
        table = rdf[(rdf.center == key[0]) & (rdf.partner == key[1]) & (rdf.site == key[2])]
        if len(table):
            tables.append(table.set_index("r_angstrom")[["g", "g_stderr"]])
    if not tables:
        return None
    g = pd.concat([table.g for table in tables], axis=1, join="inner")
    within = pd.concat([table.g_stderr for table in tables], axis=1, join="inner")
    n = g.shape[1]
    error = g.std(axis=1) / np.sqrt(n) if n >= MIN_REPLICAS else np.sqrt((within**2).sum(axis=1)) / n
    return pd.DataFrame({"g": g.mean(axis=1), "stderr": error}).reset_index()


def _plot_g(axes: Axes, table: pd.DataFrame, r_range: tuple[float, float], color: str, **line: Any) -> None:
    shown = table[(table.r_angstrom >= r_range[0]) & (table.r_angstrom <= r_range[1])]
    g, error = (gaussian_filter1d(shown[name].fillna(0), SMOOTHING_BINS) for name in ("g", "stderr"))
    axes.fill_between(shown.r_angstrom, g - error, g + error, color=color, alpha=0.2, linewidth=0)
    axes.plot(shown.r_angstrom, g, color=color, linewidth=1.3, **line)


def _grid(n: int) -> tuple[Figure, list[Axes]]:
    """Return a figure with n panels of g(r)."""
    n_columns = 2 if n in (2, 4) else min(n, 3)
    n_rows = -(-n // n_columns)
    figure = new_figure(7.8, 1.9 * n_rows + 0.5)
    figure.supylabel("g(r)", fontsize=9)
    figure.supxlabel("r / Å", fontsize=9)
    panels = list(np.atleast_1d(figure.subplots(n_rows, n_columns, squeeze=False)).ravel())
    for empty in panels[n:]:
        empty.set_axis_off()
    return figure, panels[:n]


def plot_rdfs(found: Comparison) -> Figure:
    """Return g(r) of each pair in a panel, all systems in it, with the common cutoff as a dotted line."""
    with mpl.rc_context(STYLE):
        pairs = pairs_of(found.coordination)
        figure, panels = _grid(len(pairs))
        for axes, key in zip(panels, pairs, strict=True):
            for index, system in enumerate(found.systems):
                table = mean_rdf(system, key)
                if table is not None:
                    _plot_g(
                        axes,
                        table,
                        (1.5, _R_MAX),
                        system_color(index),
                        label=system.name,
                        linestyle=LINES[index % len(LINES)],
                    )
            cutoff = found.cutoffs[key].angstrom
            if cutoff is not None:
                axes.axvline(cutoff, color="0.5", linewidth=0.8, linestyle=":", zorder=0)
            axes.set(title=pair_name(*key), xlim=(1.5, _R_MAX), ylim=(0, max(2.0, axes.get_ylim()[1])))
            if found.cutoffs[key].status != "resolved":
                said = f"all runs together:\n{STATUS_WORDS[found.cutoffs[key].status]}"
                axes.text(0.97, 0.9, said, ha="right", va="top", fontsize=7, color="0.4", transform=axes.transAxes)
        handles = {
            label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=4)
        return figure


def plot_reference_centers(found: Comparison) -> Figure | None:
    """Return g(r) of reference centers (N+) beside that of the centers with the same partners, or None without them."""
    counted = {row.key[0] for row in found.coordination}
    coordinating = {row.key[1:] for row in found.coordination}
    keys = [key for key in pairs_of(found.peaks) if key[0] not in counted and key[1:] in coordinating]
    if not keys:
        return None
    with mpl.rc_context(STYLE):
        sites = list(dict.fromkeys(key[1:] for key in keys))
        figure, panels = _grid(len(sites))
        centers = [*sorted(counted), *dict.fromkeys(key[0] for key in keys)]
        having = [one for one in found.systems if any(key[0] in table.index for table in one.peaks for key in keys)]
        for axes, site in zip(panels, sites, strict=True):
            for color, center in zip(_CENTER_COLORS, centers, strict=False):
                for style, system in zip(LINES, having, strict=False):
                    table = mean_rdf(system, (center, *site))
                    if table is not None:
                        name = f"N⁺ of {center}" if center not in counted else center
                        label = f"{name}, {system.name}"
                        _plot_g(axes, table, (1.5, _R_MAX_REFERENCE), color, linestyle=style, label=label)
            axes.set(title=f"{SITE_NAMES.get(site[1], site[1])} of {site[0]}", xlim=(1.5, _R_MAX_REFERENCE))
            axes.set_yscale("symlog", linthresh=2)  # the peaks of an ion are ten times those of N+
            axes.set_ylim(0)
            axes.set_yticks([0, 1, 2, 5, 10, 20, 50], ["0", "1", "2", "5", "10", "20", "50"])
            axes.minorticks_off()
            axes.axhline(1, color="0.85", linewidth=0.8, zorder=0)
        handles = {
            label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=3)
        return figure
