"""The figures of a page: panels of `draw_...` functions, a row of them for each center species."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solvshell.figures.bars import draw_clusters, draw_coordination, draw_denticity, draw_shells, draw_speciation
from solvshell.figures.convergence import draw_convergence, draw_running_means
from solvshell.figures.decays import draw_residence_decays
from solvshell.figures.free_energy import draw_coordination_free_energy
from solvshell.figures.lines import PAIR
from solvshell.figures.names import CENTER_AND_PAIR, number, shell_name
from solvshell.figures.population import draw_population
from solvshell.figures.radial import draw_angles, draw_rdf, draw_running_coordination
from solvshell.figures.style import COLORS, STYLE, new_figure
from solvshell.figures.typical import draw_typical_shell

WIDTH = 7.2
#: Height of a bar and of what is around the bars, in inches.
_BAR, _AROUND = 0.23, 0.85
Colors = Mapping[str, str]


def _centers(table: pd.DataFrame) -> list[str]:
    """Return the center species of a table; one without rows still gets a panel that says so."""
    return list(table.center.unique()) or [""]


def _of(table: pd.DataFrame, center: str) -> pd.DataFrame:
    return table[table.center == center]


def _panels(heights: Sequence[float], widths: Sequence[float] = (1,)) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure with rows of panels; heights in inches."""
    figure = new_figure(WIDTH, sum(heights))
    panels = figure.subplots(len(heights), len(widths), squeeze=False, height_ratios=heights, width_ratios=widths)
    return figure, [list(row) for row in panels]


def _bars_height(*numbers: int) -> float:
    return max(1.9, _BAR * max(numbers) + _AROUND)


def _name_below(figure: Figure, panels: Sequence[Axes]) -> None:
    """Name the lines of panels below the figure, each pair once: panels around other centers draw it alike."""
    named: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(label.split(CENTER_AND_PAIR, 1)[1], handle)
    if named:
        figure.legend(
            list(named.values()), list(named), loc="outside lower center", ncols=min(4, len(named)), fontsize=8
        )


def _titled(axes: Axes, title: str, center: str, centers: Sequence[str]) -> None:
    axes.set_title(f"{title} around {center}" if len(centers) > 1 else title)


def plot_rdf(rdf: pd.DataFrame, coordination: pd.DataFrame, r_max: float = 6.0, colors: Colors | None = None) -> Figure:
    """Return g(r) of the coordinating atoms above the running coordination number, for each center species."""
    with mpl.rc_context(STYLE):
        centers = _centers(coordination)
        figure, panels = _panels([2.7, 2.3] * len(centers))
        for center, (top,), (bottom,) in zip(centers, panels[::2], panels[1::2], strict=True):
            chosen = _of(coordination, center)
            draw_rdf(top, rdf, chosen, r_max=r_max, colors=colors)
            draw_running_coordination(bottom, rdf, chosen, r_max=r_max, colors=colors, legend=False)
            top.set_xlabel("")
            _titled(top, "Radial distribution functions", center, centers)
            _titled(bottom, "Running coordination numbers", center, centers)
        return figure


def plot_other_rdf(rdf: pd.DataFrame, coordination: pd.DataFrame, colors: Colors | None = None) -> Figure | None:
    """Return g(r) of all pairs that no shell is counted for (other sites, reference centers); None if there are none.

    Each center species has a panel.
    """
    pairs = rdf[PAIR].drop_duplicates()
    counted = pd.MultiIndex.from_frame(coordination[PAIR])
    others = pairs[~pd.MultiIndex.from_frame(pairs).isin(counted)]
    if others.empty:
        return None
    with mpl.rc_context(STYLE):
        centers = _centers(others)
        figure, panels = _panels([2.7] * len(centers))
        for center, (axes,) in zip(centers, panels, strict=True):
            draw_rdf(axes, rdf, _of(others, center), r_max=9.0, colors=colors)
            _titled(axes, "Radial distribution functions of other sites", center, centers)
        return figure


def plot_coordination(
    coordination: pd.DataFrame, total: Mapping[str, Mapping[str, Any]], colors: Colors | None = None
) -> Figure:
    """Return bars of the coordination numbers with standard errors, and the total of each center species."""
    with mpl.rc_context(STYLE):
        figure = new_figure(WIDTH / 2, _bars_height(len(coordination) + len(total)))
        axes = figure.subplots()
        draw_coordination(axes, coordination, total, colors=colors)
        return figure


def plot_binding(denticity: pd.DataFrame, angles: pd.DataFrame, colors: Colors | None = None) -> Figure:
    """Return the denticity of the molecules in shells beside the angles at which they hold the center."""
    with mpl.rc_context(STYLE):
        centers = list(dict.fromkeys([*denticity.center, *angles.center])) or [""]
        heights = [max(2.8, _bars_height(len(_of(denticity, center)))) for center in centers]
        figure, panels = _panels(heights, (1, 1))
        for center, (left, right) in zip(centers, panels, strict=True):
            draw_denticity(left, _of(denticity, center), colors=colors)
            draw_angles(right, _of(angles, center), colors=colors, legend=False)
            _titled(left, "Denticity", center, centers)
            _titled(right, "Angle at the coordinating atom", center, centers)
        _name_below(figure, [right for _, right in panels])
        return figure


def plot_shells(shells: pd.DataFrame, speciation: pd.DataFrame, partners: Sequence[str], n_shown: int = 12) -> Figure:
    """Return the most frequent shell compositions, and the shares of SSIP, CIP and AGG, for each center species."""
    with mpl.rc_context(STYLE):
        centers = list(dict.fromkeys([*shells.center, *speciation.center])) or [""]
        figure, panels = _panels([_bars_height(min(n_shown, len(_of(shells, c)))) for c in centers], (2, 1))
        for center, (left, right) in zip(centers, panels, strict=True):
            draw_shells(left, _of(shells, center), partners, n_shown=n_shown)
            draw_speciation(right, _of(speciation, center))
            _titled(left, "First-shell compositions, molecules", center, centers)
            _titled(right, "Ion pairing", center, centers)
        return figure


def plot_typical_shells(index: pd.DataFrame, folder: Path | str, partners: Sequence[str] = ()) -> Figure | None:
    """Return pictures of typical shells, the most frequent first, with their shares in %; None if there is no file.

    Eight of one center species, or four of each of several, and one of each composition.

    Parameters
    ----------
    index
        From `solvshell.analysis.typical.export.export_shells`.
    folder
        With its files.
    partners
        Names that are not those of shipped species, as in `draw_shells`.
    """
    folder = Path(folder)
    first = index[index.instance == 1]
    first = first[[(folder / name).is_file() for name in first.file]]
    if first.empty:
        return None
    with mpl.rc_context(STYLE):
        centers = list(first.center.unique())
        shown = first.groupby("center", sort=False).head(8 if len(centers) == 1 else 4)
        n_rows = -(-len(shown) // 4) if len(centers) == 1 else len(centers)
        figure, panels = _panels([1.95] * n_rows, (1, 1, 1, 1))
        for axes in chain.from_iterable(panels):
            axes.set_axis_off()
        for center, rows in zip(centers, [panels] if len(centers) == 1 else [[row] for row in panels], strict=True):
            for row, axes in zip(_of(shown, center).itertuples(), chain.from_iterable(rows), strict=False):
                draw_typical_shell(axes, folder / str(row.file))
                name = shell_name(str(row.composition), partners)
                share = number(100 * float(row.fraction), 100 * float(row.stderr))
                axes.set_title(f"{center}: {name}\n{share} %", fontsize=7, loc="center")
        return figure


def plot_clusters(clusters: pd.DataFrame, population: pd.DataFrame, species: Sequence[str]) -> Figure:
    """Return in which clusters the ions are, beside the numbers of clusters of each size."""
    with mpl.rc_context(STYLE):
        figure, ((left, right),) = _panels([max(3.2, _bars_height(3 * min(10, len(clusters)) // 2))], (1, 1))
        draw_clusters(left, clusters, species)
        draw_population(right, population)
        left.set_title("Where the ions are")
        right.set_title("Clusters in a frame")
        return figure


def plot_residence(decays: pd.DataFrame, colors: Colors | None = None) -> Figure:
    """Return the continuous and the intermittent decay of the bonds to each center species side by side."""
    with mpl.rc_context(STYLE):
        centers = _centers(decays)
        figure, panels = _panels([3.0] * len(centers), (1, 1))
        for center, (left, right) in zip(centers, panels, strict=True):
            draw_residence_decays(left, _of(decays, center), "continuous", colors=colors, legend=False)
            draw_residence_decays(right, _of(decays, center), "intermittent", colors=colors, legend=False)
            _titled(left, "Never away", center, centers)
            _titled(right, "There, or back", center, centers)
        _name_below(figure, [left for left, _ in panels])
        return figure


def plot_free_energy(free_energy: pd.DataFrame, colors: Colors | None = None) -> Figure:
    """Return F(n) of the total coordination number beside those of each partner, for each center species."""
    with mpl.rc_context(STYLE):
        centers = _centers(free_energy)
        named = [partner for partner in free_energy.partner.unique() if partner != "all"]
        figure, panels = _panels([3.0] * len(centers), (1, 1))
        for center, (left, right) in zip(centers, panels, strict=True):
            draw_coordination_free_energy(left, _of(free_energy, center), ["all"], colors=colors, legend=False)
            draw_coordination_free_energy(right, _of(free_energy, center), named, colors=colors, legend=False)
            _titled(left, "All partners", center, centers)
            _titled(right, "Each partner", center, centers)
        _name_below(figure, [right for _, right in panels])
        return figure


def plot_convergence(convergence: pd.DataFrame) -> Figure | None:
    """Return what the run is long enough for; None if it cannot tell for a single number."""
    if (convergence.status == "cannot_tell").all():
        return None
    with mpl.rc_context(STYLE):
        figure, ((axes,),) = _panels([_bars_height(len(convergence))])
        draw_convergence(axes, convergence)
        return figure


def plot_running_means(running_means: pd.DataFrame) -> Figure:
    """Return the running mean of the total coordination number of each center species, a panel each."""
    with mpl.rc_context(STYLE):
        centers = _centers(running_means)
        figure, panels = _panels([2.0] * len(centers))
        for center, (axes,) in zip(centers, panels, strict=True):
            draw_running_means(axes, _of(running_means, center))
            _titled(axes, "Mean of the total coordination number up to a time (band: 95 % interval)", center, centers)
        return figure


def plot_log(log: pd.DataFrame, dropped_ps: float, production: str) -> Figure:
    """Return density and temperature against time through all stages; the part that analysis left out is shaded."""
    with mpl.rc_context(STYLE):
        figure, panels = _panels([1.5, 1.5])
        ends = log.groupby("stage", sort=False).time_ps.max()
        offsets = (ends.cumsum() - ends).to_dict()
        time = log.time_ps + log.stage.map(offsets)
        production_starts = offsets.get(production, 0.0)
        columns = (("density_g_cm3", "density / g cm⁻³"), ("temperature_k", "temperature / K"))
        for (panel,), (column, label) in zip(panels, columns, strict=True):
            panel.plot(time, log[column], color=COLORS[0], linewidth=0.5)
            panel.axvspan(0, production_starts + dropped_ps, color="0.92", zorder=0)
            panel.set_ylabel(label)
            settled = log.loc[time > 0.1 * time.max(), column]
            spread = max(np.ptp(settled), 1e-3)
            panel.set_ylim(settled.min() - 0.2 * spread, settled.max() + 0.2 * spread)
            panel.set_xlim(0, time.max())
        panels[0][0].set_title("Density and temperature through all stages (shaded: not used)")
        panels[-1][0].set_xlabel("time since the first dynamics / ps")
        figure.align_ylabels([row[0] for row in panels])
        return figure
