"""Lines against distance, angle or time: one for each pair of a center species and a site of a partner."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from solvshell.figures.names import CENTER_AND_PAIR, pair_name
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


def _split_by_center(handles: Sequence[Any], labels: Sequence[str]) -> dict[str, Any]:
    """Return handles of pairs by color and of centers by line style, by label; none if those do not tell them apart."""
    pairs: dict[str, Any] = {}
    centers: dict[str, Any] = {}
    for handle, label in zip(handles, labels, strict=True):
        # an error bar is a container, whose first child is the line
        line = handle[0] if isinstance(handle, tuple) else handle
        center, pair = label.split(CENTER_AND_PAIR, 1)
        pairs.setdefault(pair, set()).add(line.get_color())
        centers.setdefault(center, set()).add(line.get_linestyle())
    told_apart = all(len(looks) == len(set().union(*looks.values())) for looks in (pairs, centers) if looks)
    alike = all(len(look) == 1 for look in (*pairs.values(), *centers.values()))
    if len(centers) < 2 or not (alike and told_apart):
        return {}
    of_pairs = {pair: Line2D([], [], color=color) for pair, (color,) in pairs.items()}
    return of_pairs | {
        f"around {name}": Line2D([], [], color="0.3", linestyle=look) for name, (look,) in centers.items()
    }


def add_legend(axes: Axes, **where: Any) -> None:
    """Add a legend, with pairs by color and centers by line style where several centers are drawn."""
    handles, labels = axes.get_legend_handles_labels()
    split = _split_by_center(handles, labels)
    legend = axes.legend(split.values() or handles, split.keys() or labels, fontsize=8, **where)
    legend.set_in_layout(False)  # a layout must not shrink the axes for it
