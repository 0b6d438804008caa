"""The figures of a page about energies: panels of `draw_...` functions, for each center species."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from solvshell.figures.energies import (
    draw_energies,
    draw_energy_distance,
    draw_energy_distribution,
    draw_energy_shells,
)
from solvshell.figures.panels import WIDTH, bars_height, name_below, rows_of
from solvshell.figures.style import STYLE, new_figure

Colors = Mapping[str, str]


def _prefix(center: str, centers: Sequence[str]) -> str:
    return f"{center}: " if len(centers) > 1 else ""


def plot_energies(
    energies: pd.DataFrame, sums: pd.DataFrame, distribution: pd.DataFrame, colors: Colors | None = None
) -> Figure:
    """Return the energies of a center by both definitions side by side, and below them those of single molecules.

    Above, per center: over the first shell (bare) and over the whole box (Ewald). Below, per molecule of the first
    shell: means, and how they spread.
    """
    with mpl.rc_context(STYLE):
        centers = list(energies.center.unique())
        height = bars_height(energies.partner.nunique() + 2)
        figure = new_figure(WIDTH, len(centers) * (height + 2.4))
        parts = figure.subfigures(len(centers), 1, squeeze=False)[:, 0]
        for part, center in zip(parts, centers, strict=True):
            (shell, box), (molecule, spread) = part.subplots(2, 2, height_ratios=(height, 2.4))
            mine, summed, said = rows_of(energies, center), rows_of(sums, center), _prefix(center, centers)
            draw_energies(shell, mine, "first_shell", sums=summed, colors=colors)
            draw_energies(box, mine, "whole_box", sums=summed, colors=colors)
            draw_energies(molecule, mine, "first_shell", quantity="per_molecule", colors=colors)
            draw_energy_distribution(spread, rows_of(distribution, center), colors=colors)
            shell.set_title(f"per {center}, first shell (bare)")
            box.set_title(f"per {center}, whole box (Ewald)")
            molecule.set_title(f"{said}per molecule of the first shell (bare)")
            spread.set_title(f"{said}how these spread")
        return figure


def plot_energy_shells(
    distance: pd.DataFrame,
    shells: pd.DataFrame,
    distribution: pd.DataFrame,
    partners: Sequence[str] = (),
    colors: Colors | None = None,
) -> Figure:
    """Return the energy with a molecule against its distance, beside that of whole shells by their composition.

    Of centers without shell compositions, the units of a polycation, there is the spread of the energy with a molecule
    of the first shell in their place.
    """
    with mpl.rc_context(STYLE):
        centers = list(dict.fromkeys([*distance.center, *shells.center])) or [""]
        figure = new_figure(WIDTH, 3.4 * len(centers))
        panels = figure.subplots(len(centers), 2, squeeze=False)
        for center, (left, right) in zip(centers, panels, strict=True):
            said, of_shells = _prefix(center, centers), rows_of(shells, center)
            draw_energy_distance(left, rows_of(distance, center), colors=colors)
            left.set_title(f"{said}with a molecule at a distance (bare)")
            if of_shells.empty:
                draw_energy_distribution(right, rows_of(distribution, center), colors=colors)
                right.set_title(f"{said}with a molecule of the first shell (bare)")
            else:
                draw_energy_shells(right, of_shells, partners)
                right.set_title(f"{said}with the whole first shell (bare)")
        name_below(figure, [left for left, _ in panels])
        return figure
