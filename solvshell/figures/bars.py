"""Numbers and shares with their errors as bars: coordination, shells, ion pair states, denticity, clusters."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from solvshell.figures.names import number, pair_name, shell_name
from solvshell.figures.style import COLORS, TOTAL_COLOR, partner_colors, say_none

_ERROR_BAR: Any = {"linewidth": 1, "capsize": 2.5, "ecolor": "0.15"}
_STATE_COLORS = {"ssip": COLORS[2], "cip": COLORS[1], "agg": COLORS[3]}


def _draw_bars(
    axes: Axes,
    labels: Sequence[str],
    values: Any,
    errors: Any,
    colors: Sequence[str],
    *,
    where: Any = None,
    height: float = 0.7,
    room: float = 1.35,
) -> None:
    """Draw horizontal bars from the top down, each with its number and error behind it; labels cannot overlap.

    `room` is for the numbers: the length of the axis in that of the longest bar.
    """
    values, errors = np.asarray(values, float), np.asarray(errors, float)
    where = np.arange(len(values)) if where is None else where
    errors = np.where(errors > 0, errors, np.nan)
    axes.barh(where, values, color=colors, height=height, xerr=errors, error_kw=_ERROR_BAR)
    for y, value, error in zip(where, values, errors, strict=True):
        behind, said = (value + np.nan_to_num(error), y), number(value, error)
        axes.annotate(said, behind, (5, 0), textcoords="offset points", va="center", fontsize=7.5, color="0.25")
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(0, room * (axes.dataLim.x1 or 1))


def _name_share(axes: Axes, of: str, remark: str = "") -> None:
    """Name an axis of shares, whose numbers end at 100 %."""
    axes.set_xlabel(f"share of {of} / %{remark}")
    last = min(100, axes.get_xlim()[1])
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= last])


def _prefix(centers: Sequence[str], center: str) -> str:
    """Return what tells rows of several center species apart."""
    return f"{center}: " if len(centers) > 1 else ""


def draw_coordination(
    axes: Axes,
    coordination: pd.DataFrame,
    total: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    colors: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the coordination numbers, atoms per center, with standard errors.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    coordination : pandas.DataFrame
        ``analysis.coordination``; rows without a number (no cutoff) are left out.
    total : mapping, optional
        Mean and standard error over all partners, ``mean`` and ``stderr`` by center, as in
        ``analysis.summary["coordination"]["total"]``.
    colors : mapping, optional
        By partner.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and ``analysis.coordination``; with the totals of the summary a dark bar closes each center.
    """
    rows = coordination.dropna(subset=["cn_atoms_mean"])
    colors = partner_colors(coordination.partner) | dict(colors or {})
    bars: list[tuple[str, float, float, str]] = []
    for center in coordination.center.unique():
        for row in rows[rows.center == center].itertuples():
            partner = str(row.partner)
            name = pair_name(center, partner, str(row.site))
            bars.append((name, float(row.cn_atoms_mean), float(row.cn_atoms_stderr), colors[partner]))
        sum_of_all = (total or {}).get(center, {"mean": None})
        if sum_of_all["mean"] is not None:
            stderr = np.nan if sum_of_all["stderr"] is None else sum_of_all["stderr"]
            bars.append((f"all around {center}", sum_of_all["mean"], stderr, TOTAL_COLOR))
    if not bars:
        return say_none(axes, "not available:\nno pair has a cutoff")
    labels, values, errors, of_bars = zip(*bars, strict=True)
    _draw_bars(axes, labels, values, errors, of_bars)
    axes.set_xlabel("atoms in the first shell")
    return axes


def draw_shells(axes: Axes, shells: pd.DataFrame, partners: Iterable[str] = (), *, n_shown: int = 12) -> Axes:
    """Draw the most frequent compositions of the first shell, molecules, as shares of the centers with standard errors.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    shells : pandas.DataFrame
        ``analysis.shells``.
    partners : iterable of str
        Names of the partners, ``analysis.coordination.partner``, if they are not those of shipped species: where a name
        ends in a digit nothing else says where the name ends and the number of molecules begins.
    n_shown : int
        How many compositions, of each center species; the rest is left out.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes, ``analysis.shells`` and ``analysis.coordination.partner``.
    """
    if shells.empty:
        return say_none(axes, "not available:\na pair has no cutoff")
    partners, centers = list(partners), list(shells.center.unique())
    ranked = shells.sort_values("fraction", ascending=False, kind="stable").groupby("center", sort=False).head(n_shown)
    rows = pd.concat([ranked[ranked.center == center] for center in centers])
    names = [
        _prefix(centers, center) + shell_name(str(composition), partners)
        for center, composition in zip(rows.center, rows.composition, strict=True)
    ]
    colors = [COLORS[centers.index(center) % len(COLORS)] for center in rows.center]
    _draw_bars(axes, names, 100 * rows.fraction, 100 * rows.stderr, colors)
    _name_share(axes, "centers", f"; {len(rows)} of {len(shells)} compositions" * (len(rows) < len(shells)))
    return axes


def draw_speciation(axes: Axes, speciation: pd.DataFrame) -> Axes:
    """Draw the shares of solvent-separated (SSIP), contact (CIP) and aggregated (AGG) centers with standard errors.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    speciation : pandas.DataFrame
        ``analysis.speciation``.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and ``analysis.speciation``. The bars of one center species sum to 100 %.
    """
    if speciation.empty:
        return say_none(axes, "no anions")
    rows = speciation.dropna(subset=["fraction"])
    if rows.empty:
        return say_none(axes, "not available:\nno cutoff for the anion")
    centers = list(rows.center.unique())
    names = [_prefix(centers, row.center) + str(row.state).upper() for row in rows.itertuples()]
    colors = [_STATE_COLORS.get(state, TOTAL_COLOR) for state in rows.state]
    _draw_bars(axes, names, 100 * rows.fraction, 100 * rows.stderr, colors, room=1.8)
    _name_share(axes, "centers")
    return axes


def draw_denticity(axes: Axes, denticity: pd.DataFrame, *, colors: Mapping[str, str] | None = None) -> Axes:
    """Draw with how many of its atoms a molecule holds its center, as shares of the molecules in first shells.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    denticity : pandas.DataFrame
        ``analysis.denticity``.
    colors : mapping, optional
        By partner.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and ``analysis.denticity``. The bars of one partner at one center species sum to 100 %.
    """
    if denticity.empty:
        return say_none(axes, "nobody in a shell")
    centers = list(denticity.center.unique())
    colors = partner_colors(denticity.partner) | dict(colors or {})
    names = [
        f"{_prefix(centers, row.center)}{row.partner}, {row.n_atoms} atom{'s' * (row.n_atoms != 1)}"
        for row in denticity.itertuples()
    ]
    of_bars = [colors[partner] for partner in denticity.partner]
    _draw_bars(axes, names, 100 * denticity.fraction, 100 * denticity.stderr, of_bars)
    _name_share(axes, "the molecules in shells")
    return axes


def draw_clusters(axes: Axes, clusters: pd.DataFrame, species: Iterable[str] = (), *, n_shown: int = 10) -> Axes:
    """Draw in which clusters of centers and anions the centers are (upper bars), and in which the anions (lower bars).

    Clusters of centers alone, or of anions alone, have one bar.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    clusters : pandas.DataFrame
        ``analysis.clusters``.
    species : iterable of str
        Names of the centers and the partners, to read "Li2 PF61" as 2 Li + 1 PF6.
    n_shown : int
        How many compositions: those that hold most ions, small clusters first.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes, ``analysis.clusters`` and a list of all names such as ``["Li", "PF6"]``.
    """
    if clusters.empty:
        return say_none(axes, "not available:\nno anions, or one without a cutoff")
    held = clusters[["fraction_of_centers", "fraction_of_anions"]].max(axis=1)
    rows = clusters.loc[held.nlargest(n_shown).index.sort_values()]
    species = list(species)
    names = [shell_name(str(composition), species) for composition in rows.composition]
    has_both = ((rows.fraction_of_centers > 0) & (rows.fraction_of_anions > 0)).to_numpy()
    for name, color, shift in (("centers", COLORS[0], -0.19), ("anions", COLORS[1], 0.19)):
        values, errors = rows[f"fraction_of_{name}"], rows[f"fraction_of_{name}_stderr"]
        has = (values > 0).to_numpy()
        where = np.flatnonzero(has) + shift * has_both[has]
        _draw_bars(axes, names, 100 * values[has], 100 * errors[has], [color] * len(where), where=where, height=0.36)
    _name_share(axes, "centers (blue), of anions (orange)")
    return axes
