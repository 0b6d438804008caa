"""The figures of a page: panels of `draw_...` functions, a row of them for each center species."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from solvshell.figures.bars import draw_clusters, draw_coordination, draw_denticity, draw_shells, draw_speciation
from solvshell.figures.convergence import draw_convergence, draw_running_means
from solvshell.figures.decays import draw_residence_decays
from solvshell.figures.exchange import draw_exchange_free_energy
from solvshell.figures.free_energy import draw_coordination_free_energy
from solvshell.figures.lines import PAIR
from solvshell.figures.names import number, shell_name
from solvshell.figures.panels import WIDTH, bars_height, centers_of, name_below, panel_rows, rows_of, titled
from solvshell.figures.population import draw_population
from solvshell.figures.potential_of_mean_force import draw_potential_of_mean_force
from solvshell.figures.radial import draw_angles, draw_rdf, draw_running_coordination
from solvshell.figures.style import COLORS, STYLE, new_figure
from solvshell.figures.typical import draw_typical_shell

Colors = Mapping[str, str]


def plot_rdf(rdf: pd.DataFrame, coordination: pd.DataFrame, r_max: float = 6.0, colors: Colors | None = None) -> Figure:
    """Return g(r) of the coordinating atoms above the running coordination number, for each center species."""
    with mpl.rc_context(STYLE):
        centers = centers_of(coordination)
        figure, panels = panel_rows([2.7, 2.3] * len(centers))
        for center, (top,), (bottom,) in zip(centers, panels[::2], panels[1::2], strict=True):
            chosen = rows_of(coordination, center)
            draw_rdf(top, rdf, chosen, r_max=r_max, colors=colors)
            draw_running_coordination(bottom, rdf, chosen, r_max=r_max, colors=colors, legend=False)
            top.set_xlabel("")
            titled(top, "Radial distribution functions", center, centers)
            titled(bottom, "Running coordination numbers", center, centers)
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
        centers = centers_of(others)
        figure, panels = panel_rows([2.7] * len(centers))
        for center, (axes,) in zip(centers, panels, strict=True):
            draw_rdf(axes, rdf, rows_of(others, center), r_max=9.0, colors=colors)
            titled(axes, "Radial distribution functions of other sites", center, centers)
        return figure


def plot_coordination(
    coordination: pd.DataFrame, total: Mapping[str, Mapping[str, Any]], colors: Colors | None = None
) -> Figure:
    """Return bars of the coordination numbers with standard errors, and the total of each center species."""
    with mpl.rc_context(STYLE):
        figure = new_figure(WIDTH / 2, bars_height(len(coordination) + len(total)))
        axes = figure.subplots()
        draw_coordination(axes, coordination, total, colors=colors)
        return figure


def plot_binding(denticity: pd.DataFrame, angles: pd.DataFrame, colors: Colors | None = None) -> Figure:
    """Return the denticity of the molecules in shells beside the angles at which they hold the center."""
    with mpl.rc_context(STYLE):
        centers = list(dict.fromkeys([*denticity.center, *angles.center])) or [""]
        heights = [max(2.8, bars_height(len(rows_of(denticity, center)))) for center in centers]
        figure, panels = panel_rows(heights, (1, 1))
        for center, (left, right) in zip(centers, panels, strict=True):
            draw_denticity(left, rows_of(denticity, center), colors=colors)
            draw_angles(right, rows_of(angles, center), colors=colors, legend=False)
            titled(left, "Denticity", center, centers)
            titled(right, "Angle at the coordinating atom", center, centers)
        name_below(figure, [right for _, right in panels])
        return figure


def plot_shells(shells: pd.DataFrame, speciation: pd.DataFrame, partners: Sequence[str], n_shown: int = 12) -> Figure:
    """Return the most frequent shell compositions, and the shares of SSIP, CIP and AGG, for each center species."""
    with mpl.rc_context(STYLE):
        centers = list(dict.fromkeys([*shells.center, *speciation.center])) or [""]
        figure, panels = panel_rows([bars_height(min(n_shown, len(rows_of(shells, c)))) for c in centers], (2, 1))
        for center, (left, right) in zip(centers, panels, strict=True):
            draw_shells(left, rows_of(shells, center), partners, n_shown=n_shown)
            draw_speciation(right, rows_of(speciation, center))
            titled(left, "First-shell compositions, molecules", center, centers)
            titled(right, "Ion pairing", center, centers)
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
        figure, panels = panel_rows([1.95] * n_rows, (1, 1, 1, 1))
        for axes in chain.from_iterable(panels):
            axes.set_axis_off()
        for center, rows in zip(centers, [panels] if len(centers) == 1 else [[row] for row in panels], strict=True):
            for row, axes in zip(rows_of(shown, center).itertuples(), chain.from_iterable(rows), strict=False):
                draw_typical_shell(axes, folder / str(row.file))
                name = shell_name(str(row.composition), partners)
                share = number(100 * float(row.fraction), 100 * float(row.stderr))
                axes.set_title(f"{center}: {name}\n{share} %", fontsize=7, loc="center")
        return figure


def plot_clusters(clusters: pd.DataFrame, population: pd.DataFrame, species: Sequence[str]) -> Figure:
    """Return in which clusters the ions are, beside the numbers of clusters of each size."""
    with mpl.rc_context(STYLE):
        figure, ((left, right),) = panel_rows([max(3.2, bars_height(3 * min(10, len(clusters)) // 2))], (1, 1))
        draw_clusters(left, clusters, species)
        draw_population(right, population)
        left.set_title("Where the ions are")
        right.set_title("Clusters in a frame")
        return figure


def plot_residence(decays: pd.DataFrame, colors: Colors | None = None) -> Figure:
    """Return the continuous and the intermittent decay of the bonds to each center species side by side."""
    with mpl.rc_context(STYLE):
        centers = centers_of(decays)
        figure, panels = panel_rows([3.0] * len(centers), (1, 1))
        for center, (left, right) in zip(centers, panels, strict=True):
            draw_residence_decays(left, rows_of(decays, center), "continuous", colors=colors, legend=False)
            draw_residence_decays(right, rows_of(decays, center), "intermittent", colors=colors, legend=False)
            titled(left, "Never away", center, centers)
            titled(right, "There, or back", center, centers)
        name_below(figure, [left for left, _ in panels])
        return figure


def plot_free_energy(free_energy: pd.DataFrame, colors: Colors | None = None) -> Figure:
    """Return F(n) of the total coordination number beside those of each partner, for each center species."""
    with mpl.rc_context(STYLE):
        centers = centers_of(free_energy)
        named = [partner for partner in free_energy.partner.unique() if partner != "all"]
        figure, panels = panel_rows([3.0] * len(centers), (1, 1))
        for center, (left, right) in zip(centers, panels, strict=True):
            draw_coordination_free_energy(left, rows_of(free_energy, center), ["all"], colors=colors, legend=False)
            draw_coordination_free_energy(right, rows_of(free_energy, center), named, colors=colors, legend=False)
            titled(left, "All partners", center, centers)
            titled(right, "Each partner", center, centers)
        name_below(figure, [right for _, right in panels])
        return figure


def plot_potential_of_mean_force(
    potential: pd.DataFrame, barriers: pd.DataFrame, coordination: pd.DataFrame, colors: Colors | None = None
) -> Figure:
    """Return W(r) of the coordinating atoms with wells and barriers, for each center species."""
    with mpl.rc_context(STYLE):
        centers = centers_of(coordination)
        figure, panels = panel_rows([2.9] * len(centers))
        for center, (axes,) in zip(centers, panels, strict=True):
            chosen = rows_of(coordination, center)
            draw_potential_of_mean_force(axes, potential, barriers, chosen, colors=colors, legend=False)
            titled(axes, "Potentials of mean force", center, centers)
        name_below(figure, [axes for (axes,) in panels])
        return figure


def plot_exchange_free_energy(exchange: pd.DataFrame, colors: Colors | None = None) -> Figure | None:
    """Return what exchanging one molecule of a first shell for another costs; None if no two such shells were met."""
    rows = exchange[exchange.concentrations == "free"].dropna(subset=["delta_g_kt"])
    shown = rows.groupby(["center", "leaves", "enters"]).head(2)
    if shown.empty:
        return None
    with mpl.rc_context(STYLE):
        figure, ((axes,),) = panel_rows([bars_height(len(shown))])
        draw_exchange_free_energy(axes, exchange, n_shells=1, colors=colors)
        axes.set_title("Exchange of one molecule of the shell")
        return figure


def plot_convergence(convergence: pd.DataFrame) -> Figure | None:
    """Return what the run is long enough for; None if it cannot tell for a single number."""
    if (convergence.status == "cannot_tell").all():
        return None
    with mpl.rc_context(STYLE):
        figure, ((axes,),) = panel_rows([bars_height(len(convergence))])
        draw_convergence(axes, convergence)
        return figure


def plot_running_means(running_means: pd.DataFrame) -> Figure:
    """Return the running mean of the total coordination number of each center species, a panel each."""
    with mpl.rc_context(STYLE):
        centers = centers_of(running_means)
        figure, panels = panel_rows([2.0] * len(centers))
        for center, (axes,) in zip(centers, panels, strict=True):
            draw_running_means(axes, rows_of(running_means, center))
            titled(axes, "Mean of the total coordination number up to a time (band: 95 % interval)", center, centers)
        return figure


def plot_log(log: pd.DataFrame, dropped_ps: float, production: str) -> Figure:
    """Return density and temperature against time through all stages; the part that analysis left out is shaded."""
    with mpl.rc_context(STYLE):
        figure, panels = panel_rows([1.5, 1.5])
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
