"""Energies and C=O stretches of clusters cut from a liquid, by force field or quantum chemistry."""

from collections.abc import Iterable
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from solvshell.figures.names import shell_name
from solvshell.figures.panels import bars_height, panel_rows
from solvshell.figures.style import COLORS, STYLE, partner_colors, say_none

_METHODS = {"ff_scaled": "force field", "ff_full": "force field, full charges", "gfn2": "GFN2-xTB"}
_CLASSES = {"lithium": "at Li⁺", "polymer": "at the polycation", "free": "free"}
_Quantity = Literal["binding", "desolvation"]
_TITLES: dict[_Quantity, str] = {"binding": "Into all its parts", "desolvation": "Of one molecule that leaves"}
_MARKERS = {"fixed": "o", "relaxed": "s"}
#: Rows of a figure: beyond, the rarest compositions are left out.
_MOST_ROWS = 14


def _row_names(means: pd.DataFrame, partners: list[str]) -> pd.Series:
    """Return what each row is about: a shell, a pair, or who leaves a shell."""
    names = [shell_name(str(composition), partners) for composition in means.composition]
    kinds = [f"pair with {name}" if kind == "pair" else name for name, kind in zip(names, means.kind, strict=True)]
    leaving = means.leaves.astype(object).fillna("")
    return pd.Series(
        [f"{name}: {out} leaves" if out else name for name, out in zip(kinds, leaving, strict=True)], means.index
    )


def draw_cluster_energies(
    axes: Axes,
    means: pd.DataFrame,
    quantity: _Quantity = "binding",
    partners: Iterable[str] = (),
) -> Axes:
    """Draw mean energies of clusters by composition: one color for each method, hollow in a continuum.

    Circles are clusters as they were cut, squares relaxed ones; standard errors, where there are several clusters, are
    their scatter.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    means : pandas.DataFrame
        ``means.csv`` of `solvshell binding`.
    quantity : {"binding", "desolvation"}
        Of the whole cluster into its parts, or of one molecule that leaves it.
    partners : iterable of str
        Names of the partners, if they are not those of shipped species.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and the table: a point far from that of another method says which of the two not to trust.
    """
    rows = means[means.quantity == quantity].dropna(subset=["mean_kj_mol"])
    if rows.empty:
        return say_none(axes, "not available:\nno cluster was computed")
    of_rows = _row_names(rows, list(partners))
    labels = list(dict.fromkeys(of_rows))[:_MOST_ROWS]
    methods = list(rows.method.unique())
    looks = list(rows[["method", "phase", "geometry"]].drop_duplicates().itertuples(index=False, name=None))
    shifts = dict(zip(looks, np.linspace(-0.25, 0.25, len(looks)) if len(looks) > 1 else [0.0], strict=True))
    for label, row in zip(of_rows, rows.itertuples(), strict=True):
        if label not in labels:
            continue
        color, is_gas = COLORS[methods.index(row.method) % len(COLORS)], row.phase == "gas"
        axes.errorbar(
            row.mean_kj_mol, labels.index(label) + shifts[row.method, row.phase, row.geometry],
            xerr=np.nan_to_num(row.stderr_kj_mol), color=color, marker=_MARKERS.get(row.geometry, "D"), markersize=5,
            markerfacecolor=color if is_gas else "white", capsize=2.5,
        )  # fmt: skip
    for look in looks:
        method, phase, geometry = look
        color = COLORS[methods.index(method) % len(COLORS)]
        style: Any = {"linestyle": "none", "marker": _MARKERS.get(geometry, "D"), "color": color}
        axes.add_line(
            Line2D([], [], markerfacecolor=color if phase == "gas" else "white", **style,
                   label=f"{_METHODS.get(method, method)}, {phase}, {geometry}")
        )  # fmt: skip
    axes.axvline(0, color="0.7", linewidth=0.8, zorder=0)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlabel(f"{quantity} energy / kJ mol⁻¹")
    return axes


def draw_infrared(axes: Axes, clusters: pd.DataFrame) -> Axes:
    """Draw the C=O stretch of the carbonate of each cluster, and the means with their standard errors.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    clusters : pandas.DataFrame
        ``infrared.csv`` of `solvshell infrared`; clusters without a wavenumber are left out.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and the table: clouds of points that overlap mean that a shift is no larger than what clusters of one
    class differ by.
    """
    value = "wavenumber_harmonic_gfn2"
    rows = clusters[clusters.status == "ok"].dropna(subset=[value])
    if rows.empty:
        return say_none(axes, "not available:\nno cluster was computed")
    colors = partner_colors(rows.species)
    labels = []
    for place, ((species, kind), group) in enumerate(rows.groupby(["species", "class"], sort=False)):
        labels.append(f"{species}, {_CLASSES.get(str(kind), kind)}")
        wavenumbers = group[value].to_numpy()
        axes.plot(wavenumbers, np.full(len(group), place), "|", color=colors[str(species)], markersize=9, alpha=0.7)
        stderr = wavenumbers.std(ddof=1) / np.sqrt(len(group)) if len(group) > 1 else 0.0
        axes.errorbar(wavenumbers.mean(), place, xerr=stderr, color="0.15", marker="o", markersize=4, capsize=2.5)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlabel("harmonic C=O stretch (GFN2-xTB) / cm⁻¹")
    return axes


def plot_cluster_energies(means: pd.DataFrame, partners: Iterable[str] = ()) -> Figure | None:
    """Return binding and desolvation energies of clusters, a panel each; None without a number."""
    known = means.dropna(subset=["mean_kj_mol"])
    quantities = [quantity for quantity in _TITLES if (known.quantity == quantity).any()]
    if not quantities:
        return None
    partners = list(partners)
    with mpl.rc_context(STYLE):
        counts = [_row_names(known[known.quantity == one], partners).nunique() for one in quantities]
        figure, panels = panel_rows([bars_height(min(n, _MOST_ROWS)) for n in counts])
        for quantity, (axes,) in zip(quantities, panels, strict=True):
            draw_cluster_energies(axes, known, quantity, partners)
            axes.set_title(_TITLES[quantity])
        handles = {label: handle for handle, label in zip(*panels[0][0].get_legend_handles_labels(), strict=True)}
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3, fontsize=8)
        return figure


def plot_infrared(clusters: pd.DataFrame) -> Figure:
    """Return the C=O stretches of all clusters by class."""
    with mpl.rc_context(STYLE):
        figure, ((axes,),) = panel_rows([bars_height(clusters.groupby(["species", "class"]).ngroups)])
        draw_infrared(axes, clusters)
        axes.set_title("C=O stretch of carbonates")
        return figure
