"""The study's Fig. 2 d-h from our own runs: two boxes, g(r) with first peaks, and energies, with 95 % intervals."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy import stats
from scipy.ndimage import gaussian_filter1d

from solvshell.analysis.statistics import MIN_REPLICAS
from solvshell.comparison.energies import ALL
from solvshell.comparison.figures import draw_whiskers
from solvshell.comparison.rdf_figures import mean_rdf
from solvshell.comparison.results import Comparison
from solvshell.comparison.study_claims import CHANGE, PEAK, PER_ION, PER_MOLECULE, Claim, is_layered
from solvshell.comparison.study_words import label
from solvshell.comparison.words import STATUS_WORDS
from solvshell.figures import SMOOTHING_BINS, STYLE, new_figure, say_none
from solvshell.joined.systems import System
from solvshell.snapshot import Frame, contacts_of, draw_box, legend_handles, species_colors
from solvshell.study import PEAKS, Word

#: Inches, over the whole page; the rows: boxes, g(r) and peaks, energies.
_WIDTH, _HEIGHTS = 6.95, (2.45, 2.9, 2.95)
_STYLE = {
    **STYLE, "font.size": 7.5, "axes.titlesize": 7.5, "axes.linewidth": 0.6, "xtick.major.width": 0.6,
    "ytick.major.width": 0.6, "legend.fontsize": 7,
}  # fmt: skip
#: Color (Okabe and Ito), dashes and name of what g(r) is drawn of.
_PAIRS = {
    "PF6": ("#D55E00", "-", "F of PF₆⁻"),
    "EC": ("#0072B2", "-", "C=O of EC"),
    "DMC": ("#56B4E9", "--", "C=O of DMC"),
    "EMC": ("#CC79A7", "-.", "C=O of EMC"),
}
_NAMES = {"Li": "Li⁺", "PF6": "PF₆⁻", "NO3": "NO₃⁻"}
_COLORS = {name: color for name, (color, _, _) in _PAIRS.items()} | {"NO3": "#009E73", "POTA": "#e0b400"}
_GROUPS = {"EC": "EC", "DMC": "DMC", "EMC": "EMC", "PF6": "PF₆⁻", ALL: "whole\nshell"}
_SYSTEM_COLORS = ("#333333", "#b2182b", "#e08214", "#8073ac", "#35978f", "#999999")
_SHORT: dict[Word, str] = {"agrees": "agrees", "disagrees": "disagrees", "cannot be resolved": "unresolved"}
_R_RANGE = (1.5, 5.0)
#: A whisker longer than this many times the longest distance of points goes on beyond the axis.
_LONG = 3.0


def _letter(axes: Axes, letter: str, title: str) -> None:
    axes.set_title(f"$\\bf{{{letter}}}$   {title}", loc="left")


# --- boxes ---


def _draw_boxes(part: SubFigure, found: Comparison, shown: Sequence[System | None], boxes: Mapping[str, Frame]) -> None:
    cutoffs = {key: cutoff.angstrom for key, cutoff in found.cutoffs.items() if cutoff.angstrom is not None}
    handles: dict[str, Line2D] = {}
    for axes, letter, system in zip(part.subplots(1, 2), "de", shown, strict=True):
        if system is None:
            say_none(axes, "the system with the layer\nis not in this comparison")
            continue
        frame = boxes[system.name]
        colors = species_colors(frame, _COLORS)
        draw_box(axes, frame, contacts_of(frame, cutoffs), colors, thick=1.1)
        axes.set_anchor("C")
        _letter(axes, letter, label(system.name))
        for handle in legend_handles(frame, colors):
            name = str(handle.get_label())
            handle.set_label(_NAMES.get(name, name))
            handles[name] = handle
    part.legend(handles=list(handles.values()), loc="outside right center", handletextpad=0.3, labelspacing=0.7)


# --- g(r) and first peaks ---


def _draw_rdfs(axes: Axes, system: System) -> float:
    """Draw g(r) of a system and return its highest peak; bands may be higher."""
    highest = 2.0
    for key in PEAKS:
        table = mean_rdf(system, key)
        if table is None:
            continue
        table = table[table.r_angstrom.between(*_R_RANGE)]
        n = len(system.replicas)
        reach = stats.t.ppf(0.975, n - 1) if n >= MIN_REPLICAS else stats.norm.ppf(0.975)
        g, half = (gaussian_filter1d(table[name].fillna(0), SMOOTHING_BINS) for name in ("g", "stderr"))
        color, dashes, name = _PAIRS[key[1]]
        low, high = np.maximum(g - reach * half, 0), g + reach * half
        axes.fill_between(table.r_angstrom, low, high, color=color, alpha=0.22, linewidth=0)
        axes.plot(table.r_angstrom, g, color=color, linestyle=dashes, linewidth=1.1, label=name)
        highest = max(highest, g.max())
    axes.axhline(1, color="0.85", linewidth=0.6, zorder=0)
    axes.set(xlim=_R_RANGE, xlabel="r / Å")
    return highest


def _draw_peaks(axes: Axes, claims: Sequence[Claim], system: System) -> None:
    """Draw the first peaks of a system in a row each, those of the study beside, and what becomes of the claim."""
    found = {claim.partner: claim for claim in claims if claim.quantity == PEAK and claim.system == system.name}
    for place, (partner, (color, _, _)) in enumerate(_PAIRS.items()):
        claim = found.get(partner)
        if claim and claim.study is not None:
            axes.plot([claim.study], [place], "D", color="black", markerfacecolor="none", markersize=4.5, zorder=3)
        if claim and claim.ours is not None:
            draw_whiskers(axes, claim.ours, claim, place, color)
            word = _SHORT[claim.verdict.word] if claim.verdict else ""
        else:
            word = STATUS_WORDS[claim.status if claim else "absent"]
        axes.text(1.01, place, word, va="center", fontsize=6.5, color="0.3", transform=axes.get_yaxis_transform())
    axes.set(yticks=range(len(_PAIRS)), yticklabels=[name for _, _, name in _PAIRS.values()], xlabel="first peak / Å")
    axes.set_ylim(len(_PAIRS) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)


def _peak_range(claims: Sequence[Claim], shown: Sequence[System | None]) -> tuple[float, float]:
    """Return an axis that holds all peaks, and their intervals as far as those are not far longer than it."""
    names = {system.name for system in shown if system}
    mine = [claim for claim in claims if claim.quantity == PEAK and claim.system in names]
    points = [value for claim in mine for value in (claim.ours, claim.study) if value is not None]
    ends = [value for claim in mine for value in (claim.low, claim.high) if value is not None]
    low, high = min(points), max(points)
    reach = _LONG * max(high - low, 0.02)
    return max(min([low, *ends]), low - reach) - 0.01, min(max([high, *ends]), high + reach) + 0.01


def _draw_radial(part: SubFigure, claims: Sequence[Claim], shown: Sequence[System | None]) -> None:
    panels = part.subplots(2, 2, height_ratios=(2.1, 1), sharey="row")
    limits, highest = _peak_range(claims, shown), 0.0
    for column, (letter, system) in enumerate(zip("fh", shown, strict=True)):
        top, bottom = panels[:, column]
        if system is None:
            say_none(top, "not in this comparison")
            bottom.set_axis_off()
            continue
        highest = max(highest, _draw_rdfs(top, system))
        _draw_peaks(bottom, claims, system)
        bottom.set_xlim(*limits)
        _letter(top, letter, label(system.name))
    panels[0, 0].set(ylim=(0, 1.25 * highest), ylabel="g(r)")
    lines, names = panels[0, 0].get_legend_handles_labels()
    diamond = Line2D([], [], color="black", marker="D", markerfacecolor="none", markersize=4.5, linestyle="none")
    panels[0, 0].legend([*lines, diamond], [*names, "peak in the study"], loc="upper right")


# --- energies ---


def _within(claims: Sequence[Claim]) -> tuple[float, float]:
    """Return an axis that holds zero, all numbers, and their intervals as far as these are not far longer."""
    points = [0.0, *(claim.ours for claim in claims if claim.ours is not None)]
    ends = [end for claim in claims for end in (claim.low, claim.high) if end is not None]
    low, high = min(points), max(points)
    reach = _LONG * max(high - low, 0.1)
    low, high = max(min([low, *ends]), low - reach), min(max([high, *ends]), high + reach)
    return low - 0.06 * (high - low), high + 0.06 * (high - low)


def _draw_change(axes: Axes, x: float, change: Claim, color: str) -> None:
    """Draw a change and its interval; a hollow point has none."""
    face = "white"
    if change.low is not None and change.high is not None:
        axes.plot([x, x], [change.low, change.high], color=color, linewidth=1.2, solid_capstyle="butt")
        face = color
    axes.plot([x], [change.ours or 0.0], "o", color=color, markersize=3.5, markerfacecolor=face)


def _draw_energies(top: Axes, bottom: Axes, claims: Sequence[Claim], quantity: str, names: Sequence[str]) -> None:
    """Draw a bar for each system and partner, and below the change against the first system."""
    of = {(one.quantity, one.partner, one.system): one for one in claims}
    groups = [name for name in _GROUPS if any(key[:2] == (quantity, name) for key in of)]
    width = 0.8 / len(names)
    changes = []
    for place, partner in enumerate(groups):
        for index, name in enumerate(names):
            color, x = _SYSTEM_COLORS[index % len(_SYSTEM_COLORS)], place + (index - (len(names) - 1) / 2) * width
            one, change = of.get((quantity, partner, name)), of.get((quantity + CHANGE, partner, name))
            if one and one.ours is not None:
                face = color if one.status == "resolved" else "white"
                top.bar(x, one.ours, 0.85 * width, color=face, edgecolor=color, linewidth=0.8)
                if one.low is not None and one.high is not None:
                    top.plot([x, x], [one.low, one.high], color="black", linewidth=0.8)
            elif one and STATUS_WORDS[one.status]:
                word = STATUS_WORDS[one.status]
                top.text(x, 0, f"{word} ", rotation=90, ha="center", va="top", fontsize=5.5, color=color)
            if change and change.ours is not None:
                _draw_change(bottom, x, change, color)
                changes.append(change)
    top.axhline(0, color="0.3", linewidth=0.6)
    bottom.axhline(0, color="0.3", linewidth=0.6, zorder=0)
    top.tick_params(axis="x", length=0, labelbottom=False)
    bottom.tick_params(axis="x", length=0)
    bottom.set_xticks(range(len(groups)), [_GROUPS[name] for name in groups])
    bottom.set_xlim(-0.5, len(groups) - 0.5)
    top.set_ylim(*_within([one for one in claims if one.quantity == quantity]))
    bottom.set_ylim(*_within(changes))


def _draw_bound(part: SubFigure, found: Comparison, claims: Sequence[Claim]) -> None:
    names = [system.name for system in found.energies.systems]
    if not names:
        axes = part.subplots()
        say_none(axes, "no interaction energies: " + "; ".join(found.energies.missing.values()))
        return
    panels = part.subplots(2, 2, height_ratios=(1.3, 1), sharex="col")
    for column, (quantity, title) in enumerate({
        PER_MOLECULE: "Li⁺ and one molecule of its first shell", PER_ION: "Li⁺ and all of a species in its first shell",
    }.items()):  # fmt: skip
        top, bottom = panels[:, column]
        _draw_energies(top, bottom, claims, quantity, names)
        _letter(top, "g" if column == 0 else "", title)
    panels[0, 0].set_ylabel("energy / kJ mol⁻¹")
    panels[1, 0].set_ylabel(f"change to {label(names[0])}\n/ kJ mol⁻¹")
    for y, side, word in ((0.98, "top", "weaker"), (0.02, "bottom", "stronger")):
        panels[1, 0].text(0.01, y, word, va=side, fontsize=6.5, color="0.4", transform=panels[1, 0].transAxes)
    handles = [Patch(color=_SYSTEM_COLORS[i % len(_SYSTEM_COLORS)], label=label(n)) for i, n in enumerate(names)]
    part.legend(handles=handles, loc="outside lower center", ncols=len(names) if len(names) < 4 else 3)


def plot_study(found: Comparison, claims: Sequence[Claim], boxes: Mapping[str, Frame]) -> Figure:
    """Return the study's Fig. 2 d-h from our own runs, as wide as a page.

    What a run is too short for is a word (``too few samples``), and a panel whose system is not there says so.

    Parameters
    ----------
    found
        The reference is the system without the layer.
    claims
        From `claims_of`.
    boxes
        The last frame of each system by its name.
    """
    layered = next((system for system in found.systems if is_layered(system)), None)
    shown = (found.systems[0], layered)
    with mpl.rc_context(_STYLE):
        figure = new_figure(_WIDTH, sum(_HEIGHTS))
        snapshots, radial, energies = figure.subfigures(3, 1, height_ratios=_HEIGHTS, squeeze=False)[:, 0]
        _draw_boxes(snapshots, found, shown, boxes)
        _draw_radial(radial, claims, shown)
        _draw_bound(energies, found, claims)
        return figure
