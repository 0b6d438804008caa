"""What a figure holds: lengths of bars, labels, words, errors."""

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer


def bars(axes: Axes) -> list[float]:
    return [bar.get_width() for bar in axes.patches]


def bar_labels(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def half_errors(axes: Axes) -> Iterator[float]:
    """Half the length of each error bar; nan where there is none."""
    for container in axes.containers:
        if isinstance(container, ErrorbarContainer):
            for ends in container.lines[2][0].get_segments():
                yield np.ptp(ends, axis=0).max() / 2 if len(ends) else np.nan
