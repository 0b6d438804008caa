"""How long neighbors stay: the decay of their bond to a center."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from solvshell.figures.lines import add_legend, draw_band, pair_lines
from solvshell.figures.style import say_none

_LETTERS = {"continuous": "S(t)", "intermittent": "C(t)"}
#: A decay that falls below this is drawn on a logarithmic axis, where exponentials are straight.
_LOGARITHMIC_BELOW = 0.3
#: Where a logarithmic axis ends at the latest.
_LOWEST = 1e-3


def draw_residence_decays(
    axes: Axes,
    decays: pd.DataFrame,
    function: Literal["continuous", "intermittent"] = "intermittent",
    *,
    colors: Mapping[str, str] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw the share of neighbors that are bound after a time, with a band of its standard error.

    The axis is logarithmic if a decay falls below 0.3; values of zero are then left out.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    decays : pandas.DataFrame
        ``analysis.residence_decays``.
    function : {"continuous", "intermittent"}
        S(t), the share that stayed without a frame of absence, or C(t), the share that is there, whatever it did
        meanwhile; C(t) falls to the share that chance gives, not to zero.
    colors, legend
        As in `draw_rdf`.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and ``analysis.residence_decays``; and once more, with other axes, and "continuous". A straight line
    on a logarithmic axis is a single rate of leaving.
    """
    lowest = decays.loc[decays[function] > 0, function].min() if len(decays) else np.nan
    logarithmic = bool(lowest < _LOGARITHMIC_BELOW)
    for table, line in pair_lines(decays, None, colors):
        values, error = table[function], table[f"{function}_stderr"]
        if logarithmic:
            values = values.where(values > 0)
        low = (values - error).clip(lower=_LOWEST / 10 if logarithmic else 0)
        draw_band(axes, table.time_ps, low, (values + error).clip(upper=1), line["color"])
        axes.plot(table.time_ps, values, linewidth=1.4, **line)
    if not axes.lines:
        return say_none(axes, "no neighbor in a shell")
    if logarithmic:
        axes.set_yscale("log")
        axes.set_ylim(max(_LOWEST, lowest / 1.5), 1.1)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(0, 1.03)
    axes.set(xlabel="t / ps", ylabel=_LETTERS[function])
    axes.set_xlim(0)
    if legend:
        add_legend(axes, loc="best")
    return axes
