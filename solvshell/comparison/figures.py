"""Figures of a comparison: systems side by side in one color each, partners in one color each."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from solvshell.comparison.results import Comparison
from solvshell.comparison.rows import Row
from solvshell.comparison.words import STATUS_WORDS
from solvshell.figures import SITE_NAMES, STYLE, new_figure, pair_name, say_none, shell_name
from solvshell.study import PEAKS

#: Black stands for the reference, so that no system wears the color of a partner by chance.
_SYSTEM_COLORS = ("#1b1b1b", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")


def partner_colors(found: Comparison) -> dict[str, str]:
    """Return the color of each partner in all figures: anions and polymers first take the strong ones."""
    roles: dict[str, str] = {}
    for system in found.systems:
        roles |= {name: entry.role for name, entry in system.recipe.entries.items()}
    strong = iter(("#D55E00", "#009E73", "#E69F00", "#CC79A7"))
    solvents = iter(("#6aa5d8", "#a9d0e8", "#8f9fd1", "#c7c9e8", "#5fc2c9"))
    polymers = iter(("#f0c808", "#c9a227"))
    colors = {}
    for name in found.partner_order:
        kind = {"solvent": solvents, "polymer": polymers}.get(str(roles.get(name)), strong)
        colors[name] = next(kind, "#888888")
    return colors


def system_color(index: int) -> str:
    """Return the color of a system by its place."""
    return _SYSTEM_COLORS[index % len(_SYSTEM_COLORS)]


def pairs_of(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Return center, partner and site of rows, each once."""
    return [(row[0], row[1], row[2]) for row in dict.fromkeys(row.key for row in rows)]


def draw_whiskers(axes: Axes, x: float, row: Any, y: float, color: str, scale: float = 1.0) -> None:
    """Draw a value and its interval; a hollow point has none."""
    known = row.low is not None and row.high is not None
    if known:
        axes.plot([scale * row.low, scale * row.high], [y, y], color=color, linewidth=1.4, solid_capstyle="butt")
    axes.plot([scale * x], [y], "o", color=color, markersize=5, markerfacecolor=color if known else "white")


def offsets(n: int) -> np.ndarray:
    """Return where so many systems stand about the middle of a row."""
    return np.linspace(0.25, -0.25, n) if n > 1 else np.zeros(1)


def plot_peaks(found: Comparison) -> Figure:
    """Return the first peaks with 95 % intervals, and their differences to the reference; the study's as diamonds."""
    with mpl.rc_context(STYLE):
        pairs = pairs_of(found.coordination)
        names = [system.name for system in found.systems]
        rows = {(row.key, row.system): row for row in found.peaks}
        figure = new_figure(7.6, 0.55 * len(pairs) + 1.3)
        left, right = figure.subplots(1, 2, sharey=True)
        for place, key in enumerate(pairs):
            for index, (name, shift) in enumerate(zip(names, offsets(len(names)), strict=True)):
                row, y = rows.get((key, name)), place - shift
                if row is None or row.number is None:
                    word = STATUS_WORDS[row.status if row else "absent"]
                    where = left.get_yaxis_transform()
                    left.text(0.02, y, word, color=system_color(index), fontsize=7, va="center", transform=where)
                    continue
                draw_whiskers(left, row.number.mean, row.number, y, system_color(index))
                study = (row.extra or {}).get("study_angstrom")
                if study:
                    left.plot(
                        [study], [y], "D", color=system_color(index), markerfacecolor="none", markersize=5, zorder=0
                    )
                if row.change and index:
                    draw_whiskers(right, row.change.value, row.change, y, system_color(index))
                    if study and key in PEAKS:
                        moved = PEAKS[key].layered - PEAKS[key].bare
                        right.plot([moved], [y], "D", color=system_color(index), markerfacecolor="none", markersize=5)
        left.set(
            yticks=range(len(pairs)), yticklabels=[pair_name(*key) for key in pairs], ylim=(len(pairs) - 0.5, -0.5)
        )
        left.set(xlabel="first peak / Å", title="First peaks (95 % intervals)")
        right.axvline(0, color="0.7", linewidth=0.8, zorder=0)
        right.set(xlabel="difference / Å", title=f"Difference to {names[0]}")
        handles = [Line2D([], [], color=system_color(i), marker="o", label=name) for i, name in enumerate(names)]
        diamond: dict[str, Any] = {"marker": "D", "markerfacecolor": "none", "linestyle": "none"}
        if any((row.extra or {}).get("study_angstrom") for row in found.peaks):
            handles.append(Line2D([], [], color="0.4", label="the study", **diamond))
        figure.legend(handles=handles, loc="outside upper left", ncols=4)
        return figure


def plot_budget(found: Comparison, center: str, colors: dict[str, str]) -> Figure:
    """Return where the first-shell atoms of a center belong: stacked by partner, and the change of each partner."""
    with mpl.rc_context(STYLE):
        names = [system.name for system in found.systems if center in system.centers]
        pairs = [key for key in pairs_of(found.coordination) if key[0] == center]
        rows = {(row.key, row.system): row for row in found.coordination}
        figure = new_figure(7.6, max(0.42 * len(names) * 2, 0.5 * (len(pairs) + 1)) + 1.2)
        left, right = figure.subplots(1, 2)
        for place, name in enumerate(names):
            start = 0.0
            for key in pairs:
                row = rows[key, name]
                width = row.number.mean if row.number else 0.0
                left.barh(place, width, left=start, color=colors[key[1]], height=0.6, edgecolor="white", linewidth=0.6)
                if width > 0.45:
                    left.text(start + width / 2, place, f"{width:.2f}", ha="center", va="center", fontsize=8)
                start += width
            total = next((row for row in found.totals if row.system == name and row.key == (center,)), None)
            said = f"{total.number.mean:.2f}" if total and total.number else "incomplete"
            left.text(start + 0.05, place, said, va="center", fontsize=8, fontweight="bold")
        left.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
        left.set(xlabel=f"atoms in the first shell of {center}", title="Where they belong; bold: the sum")
        left.set_xlim(0, 1.3 * left.get_xlim()[1])
        lines = [*pairs, None]
        others = names[1:]
        totals = {row.system: row for row in found.totals if row.key == (center,)}
        for place, line in enumerate(lines):
            for name, shift in zip(others, offsets(len(others)), strict=True):
                entry = totals.get(name) if line is None else rows[line, name]
                if entry and not entry.change:
                    word, where = STATUS_WORDS[entry.status], right.get_yaxis_transform()
                    right.text(0.02, place - shift, word, fontsize=7, color="0.4", va="center", transform=where)
                elif entry and entry.change:
                    draw_whiskers(
                        right, entry.change.value, entry.change, place - shift, system_color(names.index(name))
                    )
        labels = [f"{key[1]} {SITE_NAMES.get(key[2], key[2])}" for key in pairs]
        right.set(yticks=range(len(lines)), yticklabels=[*labels, "the sum"], ylim=(len(lines) - 0.5, -0.5))
        right.axvline(0, color="0.7", linewidth=0.8, zorder=0)
        right.set(xlabel="change of the number of atoms", title=f"Difference to {names[0]} (95 % intervals)")
        if len(others) > 1:
            handles = [Line2D([], [], color=system_color(names.index(n)), marker="o", label=n) for n in others]
            figure.legend(handles=handles, loc="outside upper right", ncols=3)
        patches = [Patch(color=colors[p], label=p) for p in dict.fromkeys(key[1] for key in pairs)]
        figure.legend(handles=patches, loc="outside lower left", ncols=7)
        return figure


def _bars(axes: Axes, rows: dict[tuple[str, str], Row], keys: Sequence[str], names: Sequence[str]) -> None:
    height = 0.8 / len(names)
    for index, name in enumerate(names):
        for place, key in enumerate(keys):
            row = rows.get((key, name))
            if row is None or row.number is None:
                continue
            y = place + (index - (len(names) - 1) / 2) * height
            number = row.number
            axes.barh(y, 100 * number.mean, height=0.9 * height, color=system_color(index), alpha=0.75)
            if number.low is not None and number.high is not None:
                ends = [100 * max(0.0, number.low), 100 * min(1.0, number.high)]
                axes.plot(ends, [y, y], color="0.35", linewidth=1)
    axes.set(ylim=(len(keys) - 0.5, -0.5), xlabel="share of ions / %")
    axes.set_xlim(0)


def plot_shells(found: Comparison, center: str, n_shown: int = 8) -> Figure:
    """Return the most frequent shell compositions and the ion pair states of a center, systems side by side."""
    with mpl.rc_context(STYLE):
        names = [system.name for system in found.systems]
        rows = {(row.key[1], row.system): row for row in found.shells if row.key[0] == center}
        most: dict[str, float] = {}
        for (composition, _), row in rows.items():
            most[composition] = max(most.get(composition, 0.0), row.number.mean if row.number else 0.0)
        keys = sorted(most, key=lambda key: -most[key])[:n_shown]
        figure = new_figure(7.6, 0.16 * len(names) * n_shown + 1.6)
        left, right = figure.subplots(1, 2, width_ratios=(2, 1))
        if keys:
            _bars(left, rows, keys, names)
            left.set_yticks(range(len(keys)), [shell_name(key, found.partner_order) for key in keys])
        else:
            say_none(left, "not available:\na pair has no cutoff")
        left.set_title("First-shell compositions, molecules")
        states = {(row.key[1], row.system): row for row in found.speciation if row.key[0] == center}
        keys = list(dict.fromkeys(key for key, _ in states))
        if keys:
            _bars(right, states, keys, names)
            right.set_yticks(range(len(keys)), [key.upper() for key in keys])
        else:
            say_none(right, "not available")
        right.set_title("Ion pairing")
        handles = [Patch(color=system_color(i), alpha=0.75, label=name) for i, name in enumerate(names)]
        figure.legend(handles=handles, loc="outside upper left", ncols=4)
        return figure
