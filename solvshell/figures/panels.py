"""What figures of a page are made of: rows of panels, their titles, one legend for all."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solvshell.figures.names import CENTER_AND_PAIR
from solvshell.figures.style import new_figure

WIDTH = 7.2
#: Height of a bar and of what is around the bars, in inches.
_BAR, _AROUND = 0.23, 0.85


def centers_of(table: pd.DataFrame) -> list[str]:
    """Return the center species of a table; one without rows still gets a panel that says so."""
    return list(table.center.unique()) or [""]


def rows_of(table: pd.DataFrame, center: str) -> pd.DataFrame:
    """Return the rows of one center species."""
    return table[table.center == center]


def panel_rows(heights: Sequence[float], widths: Sequence[float] = (1,)) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure with rows of panels; heights in inches."""
    figure = new_figure(WIDTH, sum(heights))
    panels = figure.subplots(len(heights), len(widths), squeeze=False, height_ratios=heights, width_ratios=widths)
    return figure, [list(row) for row in panels]


def bars_height(*numbers: int) -> float:
    """Return the height of a panel with so many bars, in inches; the largest number counts."""
    return max(1.9, _BAR * max(numbers) + _AROUND)


def name_below(figure: Figure, panels: Sequence[Axes]) -> None:
    """Name the lines of panels below the figure, each pair once: panels around other centers draw it alike."""
    named: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(label.split(CENTER_AND_PAIR, 1)[1], handle)
    if named:
        figure.legend(
            list(named.values()), list(named), loc="outside lower center", ncols=min(4, len(named)), fontsize=8
        )


def titled(axes: Axes, title: str, center: str, centers: Sequence[str]) -> None:
    """Give a panel its title, with the center species where there are several."""
    axes.set_title(f"{title} around {center}" if len(centers) > 1 else title)
