"""How many clusters of n centers and m anions there are, as a map."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from solvshell.figures.names import number
from solvshell.figures.style import say_none

#: With more columns there is no room for errors.
_COLUMNS_WITH_ERRORS = 5


def draw_population(axes: Axes, population: pd.DataFrame, value: str = "mean_per_frame", *, largest: int = 5) -> Axes:
    """Draw a map of the clusters of n centers (upwards) and m anions (to the right), with numbers.

    Standard errors stand below the numbers where there are few enough columns for them. The shade is logarithmic;
    empty cells never occurred.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    population : pandas.DataFrame
        ``analysis.population``.
    value : str
        ``mean_per_frame``, clusters in a frame, or ``probability``, the share of all clusters.
    largest : int
        Clusters with more centers, or more anions, are left out, and the axis says how many sizes that are.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and ``analysis.population``: free anions stand at (1, 0) on the right, ion pairs at (1, 1).
    """
    if population.empty:
        return say_none(axes, "not available:\nno anions, or one without a cutoff")
    shown = population[(population.n_centers <= largest) & (population.n_anions <= largest)]
    n, m = shown.n_centers.to_numpy(), shown.n_anions.to_numpy()
    values, errors = shown[value].to_numpy(float), shown[f"{value}_stderr"].to_numpy(float)
    cells = np.full((n.max() + 1, m.max() + 1), np.nan)
    cells[n, m] = values
    norm = LogNorm(values.min() / 3, values.max() * 3)
    axes.imshow(cells, cmap="Blues", norm=norm, origin="lower", aspect="auto")
    for row, column, mean, error in zip(n, m, values, errors, strict=True):
        said = number(mean, error).replace(" ±", "\n±") if cells.shape[1] <= _COLUMNS_WITH_ERRORS else f"{mean:.2g}"
        color = "white" if norm(mean) > 0.6 else "black"
        axes.text(column, row, said, ha="center", va="center", fontsize=7, color=color)
    left_out = len(population) - len(shown)
    larger = f"\n({left_out} larger sizes are not shown)" if left_out else ""
    axes.set(xticks=range(cells.shape[1]), yticks=range(cells.shape[0]))
    axes.set(xlabel=f"anions in the cluster{larger}", ylabel="centers in the cluster")
    return axes
