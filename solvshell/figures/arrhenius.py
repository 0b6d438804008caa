"""What changes with temperature: numbers against T, and logarithms of rates against 1/T with their fits."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solvshell.figures.names import pair_name
from solvshell.figures.panels import panel_rows
from solvshell.figures.style import COLORS, STYLE, say_none
from solvshell.units import kT_kj_mol

PAIR = ["center", "partner", "site"]


def draw_arrhenius(axes: Axes, times: pd.DataFrame, fits: pd.DataFrame) -> Axes:
    """Draw residence times against 1000/T on a logarithmic axis, with the fitted lines.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    times : pandas.DataFrame
        Rows of ``temperatures.csv`` of residence times; those that are in no fit are hollow.
    fits : pandas.DataFrame
        Rows of ``arrhenius.csv`` of residence times; those that are not fitted have no line.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and the rows of both tables whose ``quantity`` is ``residence_time_ps``.
    """
    known = times.dropna(subset=["value"])
    if known.empty:
        return say_none(axes, "no residence times")
    for place, (key, rows) in enumerate(known.groupby(PAIR, sort=False)):
        color = COLORS[place % len(COLORS)]
        for part, fill, label in ((rows[rows.fitted], color, pair_name(*key)), (rows[~rows.fitted], "white", None)):
            axes.errorbar(
                1000 / part.temperature_k, part.value, yerr=part.stderr.fillna(0), fmt="o", markersize=4, color=color,
                markerfacecolor=fill, capsize=2, label=label,
            )  # fmt: skip
        for fit in fits[(fits[PAIR] == list(key)).all(axis=1)].dropna(subset=["energy_kj_mol"]).itertuples():
            kelvin = np.linspace(fit.lowest_k, fit.highest_k, 50)
            kT = np.array([kT_kj_mol(one) for one in kelvin])
            line = np.exp(fit.energy_kj_mol / kT - fit.intercept)
            axes.plot(1000 / kelvin, line, color=color, linewidth=1.2, linestyle="-" if fit.status == "fitted" else ":")
    axes.set_yscale("log")
    axes.set(xlabel="1000 K / T", ylabel="residence time / ps")
    axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return axes


def draw_against_temperature(axes: Axes, rows: pd.DataFrame, unit: str) -> Axes:
    """Draw numbers against temperature, a line for each pair.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    rows : pandas.DataFrame
        Of ``temperatures.csv``, of one quantity.
    unit : str
        The label of the axis.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and the rows whose ``quantity`` is ``density_g_cm3``.
    """
    known = rows.dropna(subset=["value"])
    if known.empty:
        return say_none(axes, "no numbers")
    for place, (key, found) in enumerate(known.groupby(PAIR, sort=False)):
        label = (pair_name(*key) if key[2] else f"{key[0]}: {key[1]}") if key[0] else None
        axes.errorbar(
            found.temperature_k, found.value, yerr=found.stderr.fillna(0), fmt="o:", markersize=4, linewidth=1,
            capsize=2, color=COLORS[place % len(COLORS)], label=label,
        )  # fmt: skip
    if known.center.ne("").any():
        axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    axes.set(xlabel="T / K", ylabel=unit)
    return axes


def plot_temperatures(temperatures: pd.DataFrame, arrhenius: pd.DataFrame) -> Figure:
    """Return residence times against 1/T, and coordination, density and exchange free energies against T."""

    def of(table: pd.DataFrame, quantity: str) -> pd.DataFrame:
        return table[table.quantity == quantity]

    with mpl.rc_context(STYLE):
        figure, ((times, numbers), (density, exchange)) = panel_rows([3.2, 2.8], (1, 1))
        draw_arrhenius(times, of(temperatures, "residence_time_ps"), of(arrhenius, "residence_time_ps"))
        draw_against_temperature(numbers, of(temperatures, "coordination"), "atoms around a center")
        draw_against_temperature(density, of(temperatures, "density_g_cm3"), "density / g cm$^{-3}$")
        draw_against_temperature(exchange, of(temperatures, "exchange_free_energy_kt"), "exchange free energy / kT")
        return figure
