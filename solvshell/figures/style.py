"""What all figures share: colors, lines, fonts, an empty figure, a panel that says why it is empty, files."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Okabe and Ito, distinguishable with any color vision. Black is kept for text and totals; yellow, faint, comes last.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#999999", "#F0E442")
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
#: Of what is summed over all partners.
TOTAL_COLOR = "0.25"
#: Width of the Gaussian with which g(r) is smoothed for the eye.
SMOOTHING_BINS = 3

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


def partner_colors(partners: Iterable[str]) -> dict[str, str]:
    """Return a color for each partner, in their order; give it to several figures so that they agree."""
    return {name: COLORS[index % len(COLORS)] for index, name in enumerate(dict.fromkeys(partners))}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, in the style of all."""
    with mpl.rc_context(STYLE):
        return Figure(figsize=(width, height), layout="constrained")


def say_none(axes: Axes, text: str) -> Axes:
    """Write why a panel is empty."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
    axes.set_axis_off()
    return axes


def save_figure(figure: Figure, stem: str, folder: Path | str, formats: Sequence[str] = ("svg", "png")) -> None:
    """Write a figure as SVG and PNG (300 dots per inch)."""
    with mpl.rc_context(STYLE):
        for suffix in formats:
            # Without a date the same numbers give the same bytes.
            metadata = {"Date": None} if suffix == "svg" else {}
            figure.savefig(f"{folder}/{stem}.{suffix}", dpi=300, metadata=metadata)
