"""The study's Fig. 2g for all systems: energies by both definitions side by side, and what changes."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from solvshell.comparison.energies import ALL
from solvshell.comparison.figures import draw_whiskers, offsets, system_color
from solvshell.comparison.results import Comparison
from solvshell.comparison.rows import Row
from solvshell.comparison.words import STATUS_WORDS
from solvshell.figures import STYLE, new_figure

#: Height of a bar in the units of its axis, of a row and of what is around the rows in inches.
_WIDTH, _ROW, _AROUND = 0.8, 0.2, 0.9


def _partners(rows: Sequence[Row], center: str) -> list[str]:
    """Return the partners that have a number in one of the systems."""
    known = [row.key[1] for row in rows if row.key[0] == center and row.number and not row.number.exact]
    return list(dict.fromkeys(known))


def _of(rows: Sequence[Row], center: str) -> dict[tuple[str, str], Row]:
    return {(row.key[1], row.system): row for row in rows if row.key[0] == center}


def _name_rows(axes: Axes, partners: Sequence[str]) -> None:
    axes.set_yticks(range(len(partners)), ["the sum" if name == ALL else name for name in partners])
    axes.set_ylim(len(partners) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def _draw_values(axes: Axes, rows: Sequence[Row], center: str, names: Sequence[str]) -> None:
    """Draw a bar for each system and partner with its 95 % interval, which may end beyond the axis."""
    found, partners = _of(rows, center), _partners(rows, center)
    height, ends = _WIDTH / len(names), [0.0]
    for place, partner in enumerate(partners):
        for index, name in enumerate(names):
            row, y = found.get((partner, name)), place + (index - (len(names) - 1) / 2) * height
            if row is None or row.number is None or row.number.exact:
                continue
            number = row.number
            axes.barh(y, number.mean, height=0.9 * height, color=system_color(index), alpha=0.75)
            ends.append(number.mean)
            if number.low is not None and number.high is not None:
                axes.plot([number.low, number.high], [y, y], color="0.35", linewidth=1)
    low, high = min(ends), max(ends)
    margin = 0.25 * (high - low or 1.0)
    axes.set_xlim(low - margin, high + margin)
    axes.axvline(0, color="0.5", linewidth=0.8)
    _name_rows(axes, partners)


def _draw_changes(axes: Axes, rows: Sequence[Row], center: str, names: Sequence[str]) -> None:
    """Draw the difference of each system to the first for each partner, with 95 % intervals."""
    found, partners = _of(rows, center), _partners(rows, center)
    spread = 0.0
    for place, partner in enumerate(partners):
        for name, shift in zip(names[1:], offsets(len(names) - 1), strict=True):
            row = found.get((partner, name))
            color = system_color(names.index(name))
            if row and row.change:
                draw_whiskers(axes, row.change.value, row.change, place - shift, color)
                spread = max(spread, abs(row.change.value))
            elif row:
                word = "not in both boxes" if row.number else STATUS_WORDS[row.status]
                axes.text(
                    0.02,
                    place - shift,
                    word,
                    fontsize=7,
                    color="0.4",
                    va="center",
                    transform=axes.get_yaxis_transform(),
                )
    limits = [limit for row in found.values() if row.change for limit in (row.change.low, row.change.high) if limit]
    reach = min(np.max(np.abs(limits), initial=spread), 4 * spread) or 1.0
    axes.set_xlim(-1.15 * reach, 1.15 * reach)
    axes.axvline(0, color="0.7", linewidth=0.8, zorder=0)
    _name_rows(axes, partners)


def plot_energies(found: Comparison, center: str) -> Figure:
    """Return energies per center over the first shell (bare) and the whole box (Ewald), and two rows of differences.

    Differences are those of the bare energies alone: per center, and per molecule. An interval that goes on beyond the
    axis is longer than four times the largest difference.
    """
    energies = found.energies
    names = [system.name for system in energies.systems if center in system.centers]
    n_bars = max(len(_partners(rows, center)) for rows in (energies.per_center, energies.whole_box))
    n_changes = len(_partners(energies.per_center, center))
    heights = [_ROW * n * max(1, m) + _AROUND for n, m in ((n_bars, len(names)), (n_changes, len(names) - 1))]
    with mpl.rc_context(STYLE):
        figure = new_figure(7.6, sum(heights))
        (shell, box), (change, molecule) = figure.subplots(2, 2, height_ratios=heights)
        _draw_values(shell, energies.per_center, center, names)
        _draw_values(box, energies.whole_box, center, names)
        _draw_changes(change, energies.per_center, center, names)
        _draw_changes(molecule, energies.per_molecule, center, names)
        shell.set(title=f"per {center}, first shell (bare)", xlabel="energy / kJ mol⁻¹")
        box.set(title=f"per {center}, whole box (Ewald), each a budget of its own", xlabel="energy / kJ mol⁻¹")
        change.set(title=f"per {center}, first shell (bare): difference to {names[0]}", xlabel="difference / kJ mol⁻¹")
        molecule.set(title="per molecule of the shell (bare): difference", xlabel="difference / kJ mol⁻¹")
        handles = [Patch(color=system_color(i), alpha=0.75, label=name) for i, name in enumerate(names)]
        figure.legend(handles=handles, loc="outside upper left", ncols=4)
        return figure
