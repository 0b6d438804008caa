"""Lines against distance, angle or time: one for each pair of a center species and a site of a partner."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from solvshell.figures.names import pair_name
from solvshell.figures.style import LINES, partner_colors

PAIR = ["center", "partner", "site"]


def _linestyles(pairs: pd.DataFrame, order: Sequence[str]) -> Iterator[Any]:
    """Yield a line style for each pair: it tells centers apart where there are several, else it helps the color."""
    sites = {name: list(group.site.unique()) for name, group in pairs.groupby("partner")}
    most_sites = max(map(len, sites.values()), default=1)
    centers = list(pairs.center.unique())
    for center, partner, site in pairs.itertuples(index=False):
        first = most_sites * centers.index(center) if len(centers) > 1 else order.index(partner)
        yield LINES[(first + sites[partner].index(site)) % len(LINES)]


def pair_lines(
    table: pd.DataFrame, only: pd.DataFrame | None = None, colors: Mapping[str, str] | None = None
) -> Iterator[tuple[pd.DataFrame, dict[str, Any]]]:
    """Yield the rows of each pair in a table, and the color, style and label of its line.

    Parameters
    ----------
    only
        A table with the pairs that are wanted; all if left out.
    colors
        By partner.
    """
    pairs = (table if only is None else only)[PAIR].drop_duplicates()
    colors = partner_colors([*(colors or {}), *pairs.partner]) | dict(colors or {})
    rows = dict(iter(table.groupby(PAIR, sort=False)))
    for key, linestyle in zip(pairs.itertuples(index=False, name=None), _linestyles(pairs, list(colors)), strict=True):
        if key in rows:
            yield rows[key], {"color": colors[key[1]], "linestyle": linestyle, "label": pair_name(*key)}


def draw_band(axes: Axes, x: Any, low: Any, high: Any, color: str) -> None:
    """Draw the range of one standard error around a line; there is none where a bound is not a number."""
    axes.fill_between(x, low, high, color=color, alpha=0.22, linewidth=0)


def add_legend(axes: Axes, **where: Any) -> None:
    """Add a legend that stays legible with many lines."""
    n = len(axes.get_legend_handles_labels()[1])
    axes.legend(fontsize=8, ncols=2 if n > 9 else 1, **where)
