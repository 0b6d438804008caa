"""Free energies from windows: along the coordinate of springs, and of a set of molecules that is taken away."""

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solvshell.figures.lines import draw_band
from solvshell.figures.panels import panel_rows
from solvshell.figures.style import COLORS, STYLE, say_none

#: The two kinds of curve: its coordinate with the name of the axis, its column, and the name of that axis.
_KINDS = {
    "r_angstrom": ("r / Å", "w_kj_mol", "W(r) / kJ mol⁻¹"),
    "coordination_number": ("coordination number", "f_kj_mol", "F(n) / kJ mol⁻¹"),
}
_DIRECTIONS = {"forward": "from the start on", "reverse": "from the end back"}


def draw_umbrella(axes: Axes, curve: pd.DataFrame) -> Axes:
    """Draw the free energy along the coordinate with its standard error, and the two series it was sampled in.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    curve : pandas.DataFrame
        ``umbrella.csv``.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and the table: where the ways outward and inward part, the shell remembers more than the windows
    lasted.
    """
    if curve.empty:
        return say_none(axes, "no curve:\nneighboring windows do not overlap")
    coordinate = next(name for name in _KINDS if name in curve)
    x_label, column, y_label = _KINDS[coordinate]
    x, F, error = curve[coordinate], curve[column], curve.stderr_kj_mol.fillna(0)
    draw_band(axes, x, F - error, F + error, COLORS[0])
    axes.plot(x, F, color=COLORS[0], linewidth=1.6, label="both ways")
    for name, color in (("outward", COLORS[3]), ("inward", COLORS[2])):
        if curve[f"{name}_kj_mol"].notna().any():
            axes.plot(x, curve[f"{name}_kj_mol"], color=color, linewidth=1, linestyle="--", label=name)
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.legend(fontsize=8)
    return axes


def draw_decoupling(axes: Axes, convergence: pd.DataFrame) -> Axes:
    """Draw the excess chemical potential from growing shares of the time, from its start and from its end.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    convergence : pandas.DataFrame
        ``decoupling_convergence.csv``.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and the table: both lines should lie within the errors of each other from half of the time on.
    """
    known = convergence.dropna(subset=["free_energy_kj_mol"])
    if known.empty:
        return say_none(axes, "no number:\nneighboring states do not overlap")
    for color, (direction, table) in zip((COLORS[0], COLORS[3]), known.groupby("direction", sort=False), strict=False):
        axes.errorbar(
            100 * table.share_of_time, table.free_energy_kj_mol, table.stderr_kj_mol.fillna(0), color=color, marker="o",
            markersize=4, capsize=2.5, linewidth=1.2, label=_DIRECTIONS[str(direction)],
        )  # fmt: skip
    axes.set(xlabel="share of the time / %", ylabel="excess chemical potential / kJ mol⁻¹")
    axes.legend(fontsize=8)
    return axes


def plot_umbrella(curve: pd.DataFrame, quantity: str) -> Figure:
    """Return the free energy along the coordinate of springs."""
    with mpl.rc_context(STYLE):
        figure, ((axes,),) = panel_rows([3.2])
        draw_umbrella(axes, curve)
        axes.set_title(quantity)
        return figure


def plot_decoupling(convergence: pd.DataFrame, quantity: str) -> Figure:
    """Return how the excess chemical potential settles with the time that it is taken from."""
    with mpl.rc_context(STYLE):
        figure, ((axes,),) = panel_rows([3.0])
        draw_decoupling(axes, convergence)
        axes.set_title(quantity)
        return figure
