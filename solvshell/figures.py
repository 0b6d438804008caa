"""Figures of one analysis. Matplotlib, Okabe-Ito colours, one idea each; they take tables and return figures."""

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter1d

# Okabe and Ito, distinguishable with any colour vision; black is kept for text and totals.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442")
SMOOTHING_BINS = 3
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))

SITE_NAMES = {
    "carbonyl_o": "O(C=O)",
    "ester_o": "O(ester)",
    "ether_o": "O(ether)",
    "nitrate_o": "O(NO₃)",
    "sulfonyl_o": "O(SO₂)",
    "imide_n": "N(imide)",
    "perchlorate_o": "O(ClO₄)",
    "n_plus": "N⁺",
    "ion": "ion",
    "f": "F",
    "p": "P",
    "b": "B",
    "cl": "Cl",
    "any": "any atom",
}
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "solvshell",
    "savefig.bbox": "tight",
}


def pair_name(center: str, partner: str, site: str) -> str:
    """Return how a pair is written in figures and pages: ``Li–O(C=O) of EC``."""
    return f"{center}–{SITE_NAMES.get(site, site)} of {partner}"


def shell_name(composition: str, partners: Sequence[str]) -> str:
    """Return ``PF61 EC3`` as ``1 PF6 + 3 EC``: names may end in a digit."""
    if composition == "none":
        return "empty"
    parts = []
    for word in composition.split():
        name = max((partner for partner in partners if word.startswith(partner)), key=len)
        parts.append(f"{word.removeprefix(name)} {name}")
    return " + ".join(parts)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, in the style of all."""
    with mpl.rc_context(STYLE):
        return Figure(figsize=(width, height), layout="constrained")


def _coordinating(rdf: pd.DataFrame, coordination: pd.DataFrame) -> Iterator[tuple[str, str, str, pd.DataFrame]]:
    for row in coordination.itertuples():
        chosen = rdf[(rdf.center == row.center) & (rdf.partner == row.partner) & (rdf.site == row.site)]
        yield str(row.center), str(row.partner), str(row.site), chosen


def say_none(axes: Axes, text: str) -> None:
    """Write why a panel is empty."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
    axes.set_axis_off()


def plot_rdf(rdf: pd.DataFrame, coordination: pd.DataFrame, r_max: float = 6.0) -> Figure:
    """Return g(r) with its standard error above the running coordination number n(r)."""
    with mpl.rc_context(STYLE):
        figure = new_figure(6.4, 5.2)
        top, bottom = figure.subplots(2, 1, sharex=True)
        for index, (center, partner, site, table) in enumerate(_coordinating(rdf, coordination)):
            color, style = COLORS[index % len(COLORS)], LINES[index % len(LINES)]
            shown = table[table.r_angstrom <= r_max]
            r, error = shown.r_angstrom, gaussian_filter1d(shown.g_stderr.fillna(0), SMOOTHING_BINS)
            g = gaussian_filter1d(shown.g, SMOOTHING_BINS)
            top.fill_between(r, g - error, g + error, color=color, alpha=0.25, linewidth=0)
            top.plot(r, g, color=color, linestyle=style, linewidth=1.4, label=pair_name(center, partner, site))
            bottom.plot(r, shown.n, color=color, linestyle=style, linewidth=1.4)
        top.axhline(1, color="0.8", linewidth=0.8, zorder=0)
        top.set(
            ylabel="g(r)",
            title="Radial distribution functions (line smoothed by 0.03 Å; band: standard error of a 0.01 Å bin)",
        )
        top.legend(loc="upper right")
        bottom.set(xlabel="r / Å", ylabel="n(r)", xlim=(1.5, r_max), ylim=(0, 6))
        bottom.set_title("Running coordination number, atoms per ion")
        return figure


def plot_coordination(coordination: pd.DataFrame, total: dict[str, dict[str, float]]) -> Figure:
    """Return bars of the coordination numbers with standard errors, and the total of each center."""
    with mpl.rc_context(STYLE):
        rows = coordination.dropna(subset=["cn_atoms_mean"])
        names = [f"{row.partner}\n{SITE_NAMES.get(str(row.site), str(row.site))}" for row in rows.itertuples()]
        values, errors = list(rows.cn_atoms_mean), list(rows.cn_atoms_stderr.fillna(0))
        colors = [COLORS[index % len(COLORS)] for index in range(len(rows))]
        for center, estimate in total.items():
            if estimate["mean"] is None:
                continue
            names.append(f"all\naround {center}")
            values.append(estimate["mean"])
            errors.append(estimate["stderr"] or 0.0)
            colors.append("0.35")
        figure = new_figure(4.6, 3.0)
        axes = figure.subplots()
        axes.bar(names, values, yerr=errors, color=colors, width=0.65, error_kw={"linewidth": 1, "capsize": 3})
        for position, (value, error) in enumerate(zip(values, errors, strict=True)):
            axes.text(position, value + error + 0.08, f"{value:.2f}", ha="center", va="bottom", fontsize=8)
        axes.set(ylabel="atoms in the first shell", title="Coordination numbers (bar: standard error)")
        axes.margins(y=0.15)
        return figure


def plot_shells(shells: pd.DataFrame, speciation: pd.DataFrame, partners: Sequence[str], n_shown: int = 8) -> Figure:
    """Return the most frequent shell compositions, and the shares of SSIP, CIP and AGG."""
    with mpl.rc_context(STYLE):
        figure = new_figure(6.4, 3.0)
        left, right = figure.subplots(1, 2, width_ratios=(2, 1))
        frequent = shells.sort_values("fraction", ascending=False).head(n_shown)[::-1]
        labels = [shell_name(str(composition), partners) for composition in frequent.composition]
        left.barh(labels, 100 * frequent.fraction, xerr=100 * frequent.stderr.fillna(0), color=COLORS[0], height=0.65)
        left.set(xlabel="share of ions / %", title="First-shell compositions, molecules")
        left.set_xlim(0)
        if frequent.empty:
            say_none(left, "not available:\na pair has no cutoff")
        states = speciation.groupby("state", sort=False)[["fraction", "stderr"]].mean()
        if states.empty or states.fraction.isna().all():
            say_none(right, "no anions" if states.empty else "not available:\nno cutoff for the anion")
        else:
            names = [str(state).upper() for state in states.index]
            colors = [COLORS[2], COLORS[1], COLORS[3]]
            right.bar(names, 100 * states.fraction, yerr=100 * states.stderr.fillna(0), color=colors, width=0.65)
            right.set(ylabel="share of ions / %", title="Ion pairing")
            right.set_ylim(0)
        return figure


def plot_log(log: pd.DataFrame, dropped_ps: float, production: str) -> Figure:
    """Return density and temperature against time through all stages; the part that analysis left out is shaded."""
    with mpl.rc_context(STYLE):
        figure = new_figure(6.4, 3.0)
        axes = figure.subplots(2, 1, sharex=True)
        ends = log.groupby("stage", sort=False).time_ps.max()
        offsets = (ends.cumsum() - ends).to_dict()
        time = log.time_ps + log.stage.map(offsets)
        production_starts = offsets.get(production, 0.0)
        columns = (("density_g_cm3", "density / g cm⁻³"), ("temperature_k", "temperature / K"))
        for panel, (column, label) in zip(axes, columns, strict=True):
            panel.plot(time, log[column], color=COLORS[0], linewidth=0.5)
            panel.axvspan(0, production_starts + dropped_ps, color="0.92", zorder=0)
            panel.set_ylabel(label)
            settled = log.loc[time > 0.1 * time.max(), column]
            spread = max(np.ptp(settled), 1e-3)
            panel.set_ylim(settled.min() - 0.2 * spread, settled.max() + 0.2 * spread)
        axes[0].set_title("Equilibration (shaded: not used)")
        axes[1].set_xlabel("time since the first dynamics / ps")
        figure.align_ylabels(list(axes))
        return figure


def save_figure(figure: Figure, stem: str, folder: str, formats: Sequence[str] = ("svg", "png")) -> None:
    """Write a figure as SVG and PNG (300 dots per inch)."""
    with mpl.rc_context(STYLE):
        for suffix in formats:
            # Without a date the same numbers give the same bytes.
            metadata = {"Date": None} if suffix == "svg" else {}
            figure.savefig(f"{folder}/{stem}.{suffix}", dpi=300, metadata=metadata)
