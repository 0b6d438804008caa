"""Interaction energies of a center: with each species, how they spread, how they fall with distance, by shell."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from solvshell.figures.lines import draw_band
from solvshell.figures.names import number, shell_name
from solvshell.figures.style import COLORS, LINES, TOTAL_COLOR, partner_colors, say_none

_ERROR_BAR: Any = {"linewidth": 1, "capsize": 2.5, "ecolor": "0.15"}
#: Room for the numbers, as a share of what the bars span.
_ROOM = 0.4
#: Energies are shown to 0.01 kJ/mol at best.
ENERGY_DECIMALS = 2
#: The kind of Coulomb energy that belongs to a region: that of the two definitions on a page.
COULOMB = {"first_shell": "bare", "whole_box": "ewald"}
#: What is with all species together.
_ALL = "all"


def draw_signed_bars(axes: Axes, labels: Sequence[str], values: Any, errors: Any, colors: Sequence[str]) -> Axes:
    """Draw horizontal bars on both sides of zero from the top down, in kJ/mol.

    The number and error of a bar stand on the other side of zero, where nothing is in their way.
    """
    values, errors = np.asarray(values, float), np.asarray(errors, float)
    errors = np.where(errors > 0, errors, np.nan)
    axes.barh(np.arange(len(values)), values, color=colors, height=0.7, xerr=errors, error_kw=_ERROR_BAR)
    for y, value, error in zip(range(len(values)), values, errors, strict=True):
        side = 1 if value < 0 else -1
        beyond = side * max(0.0, side * value + np.nan_to_num(error))  # an error bar may cross zero
        axes.annotate(
            number(value, error, ENERGY_DECIMALS), (beyond, y), (4 * side, 0), textcoords="offset points",
            ha="left" if side > 0 else "right", va="center", fontsize=7.5, color="0.25",
        )  # fmt: skip
    axes.axvline(0, color="0.5", linewidth=0.8)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    ends = np.concatenate([[0.0], values - np.nan_to_num(errors), values + np.nan_to_num(errors)])
    low, high, room = ends.min(), ends.max(), _ROOM * (np.ptp(ends) or 1.0)
    left, right = (values >= 0).any() * room, (values < 0).any() * room
    axes.set_xlim(min(1.05 * low, -left), max(1.05 * high, right))
    axes.set_xlabel("energy / kJ mol⁻¹")
    return axes


def draw_energies(
    axes: Axes,
    energies: pd.DataFrame,
    region: Literal["first_shell", "whole_box"] = "first_shell",
    *,
    quantity: Literal["per_center", "per_molecule"] = "per_center",
    sums: pd.DataFrame | None = None,
    colors: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the interaction energy of a center with each species, LJ and Coulomb, as bars with standard errors.

    The Coulomb energy is the one by which a region is defined: ``bare`` in the first shell, ``ewald`` in the whole box.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    energies : pandas.DataFrame
        ``analysis.energies``, of one center species.
    region : {"first_shell", "whole_box"}
        With the molecules of the first shell, or with all of the box.
    quantity : {"per_center", "per_molecule"}
        The sum over the molecules of a species, or the mean of one.
    sums : pandas.DataFrame, optional
        ``analysis.energy_sums``, of the same center species: a dark bar for all species closes the list.
    colors : mapping, optional
        By partner.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and ``analysis.energies``; beside it ``region="whole_box"``, where attraction and repulsion nearly
    cancel.
    """

    def chosen(table: pd.DataFrame) -> pd.DataFrame:
        return table[(table.region == region) & (table.coulomb == COULOMB[region])].dropna(subset=["total_kj_mol"])

    rows = chosen(energies[energies.quantity == quantity])
    if rows.empty:
        return say_none(axes, "not available:\nnobody in a shell")
    colors = partner_colors(energies.partner) | dict(colors or {})
    labels, of_bars = list(rows.partner), [colors[partner] for partner in rows.partner]
    values, errors = list(rows.total_kj_mol), list(rows.stderr_kj_mol)
    for row in () if sums is None else chosen(sums).itertuples():
        if row.own_images_kj_mol:
            labels.append("own images")
            of_bars.append(TOTAL_COLOR)
            values.append(row.own_images_kj_mol)
            errors.append(np.nan)
        labels.append("the sum")
        of_bars.append(TOTAL_COLOR)
        values.append(row.total_kj_mol)
        errors.append(row.stderr_kj_mol)
    return draw_signed_bars(axes, labels, values, errors, of_bars)


def draw_energy_distribution(
    axes: Axes, distribution: pd.DataFrame, *, colors: Mapping[str, str] | None = None
) -> Axes:
    """Draw how the energy of a center with a molecule of its first shell is distributed; bands are standard errors.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    distribution : pandas.DataFrame
        ``analysis.energy_distribution``.
    colors : mapping, optional
        By partner; centers differ by the style of the line.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and ``analysis.energy_distribution``: two maxima of one partner mean two ways to bind.
    """
    if distribution.empty:
        return say_none(axes, "not available:\nnobody in a shell")
    colors = partner_colors(distribution.partner) | dict(colors or {})
    centers = list(distribution.center.unique())
    for (center, partner), table in distribution.groupby(["center", "partner"], sort=False):
        error = table.stderr.fillna(0)
        draw_band(axes, table.energy_kj_mol, table.density - error, table.density + error, colors[partner])
        look: Any = {"color": colors[partner], "linestyle": LINES[centers.index(center) % len(LINES)]}
        axes.plot(table.energy_kj_mol, table.density, linewidth=1.4, label=f"{center}–{partner}", **look)
    axes.set(xlabel="energy with a molecule / kJ mol⁻¹", ylabel="density / mol kJ⁻¹")
    axes.set_ylim(0)
    return axes


def draw_energy_distance(axes: Axes, distance: pd.DataFrame, *, colors: Mapping[str, str] | None = None) -> Axes:
    """Draw the mean energy of a center with a molecule, LJ and bare Coulomb, against the distance of the molecule.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    distance : pandas.DataFrame
        ``analysis.energy_distance``; bins that held nobody leave a gap.
    colors : mapping, optional
        By partner; centers differ by the style of the line.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and ``analysis.energy_distance``: beyond the first shell little is left of the energy with a
    neutral molecule, and much of that with an ion.
    """
    if distance.empty:
        return say_none(axes, "not available")
    colors = partner_colors(distance.partner) | dict(colors or {})
    centers = list(distance.center.unique())
    for (center, partner), table in distance.groupby(["center", "partner"], sort=False):
        energy = table.lj_kj_mol + table.bare_kj_mol
        look: Any = {"color": colors[partner], "linestyle": LINES[centers.index(center) % len(LINES)]}
        axes.plot(table.r_angstrom, energy, linewidth=1.4, label=f"{center}–{partner}", **look)
    axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    axes.set(xlabel="distance of the nearest coordinating atom / Å", ylabel="energy with a molecule / kJ mol⁻¹")
    return axes


def draw_energy_shells(axes: Axes, shells: pd.DataFrame, partners: Iterable[str] = (), *, n_shown: int = 10) -> Axes:
    """Draw the energy of a center with its whole first shell for the most frequent compositions, with standard errors.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    shells : pandas.DataFrame
        ``analysis.energy_shells``, of one center species.
    partners : iterable of str
        Names of the partners, if they are not those of shipped species.
    n_shown : int
        How many compositions.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and ``analysis.energy_shells``: compositions with an anion are bound by far more, and the liquid
    takes it back.
    """
    rows = shells[shells.partner == _ALL].head(n_shown)
    if rows.empty:
        return say_none(axes, "not available:\na pair has no cutoff")
    partners = list(partners)
    names = [shell_name(str(composition), partners) for composition in rows.composition]
    return draw_signed_bars(axes, names, rows.total_kj_mol, rows.stderr_kj_mol, [COLORS[0]] * len(rows))
