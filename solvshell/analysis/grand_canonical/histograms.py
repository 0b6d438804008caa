"""How works are distributed: there, and back with the other sign, on one axis."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

WORK_COLUMNS = [
    "species", "work_kt", "width_kt", "insertion_density", "insertion_stderr", "deletion_density", "deletion_stderr",
    "n_insertions", "n_deletions", "log_ratio", "log_ratio_stderr",
]  # fmt: skip
#: kT around the middle; of moves at once, most works lie far beyond
_FARTHEST_KT = 30.0
_NARROWEST_KT, _FEWEST_BINS, _MOST_BINS = 0.25, 6, 40


def _edges(signed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return bins over all works near the middle; twice as many works have 2^(1/3) times as many bins."""
    finite = signed[np.isfinite(signed)]
    middle = float(np.median(finite))
    near = finite[np.abs(finite - middle) <= _FARTHEST_KT]
    low, high = float(near.min()), float(near.max())
    n_bins = int(np.clip(2 * len(near) ** (1 / 3), _FEWEST_BINS, _MOST_BINS))
    width = max((high - low) / n_bins, _NARROWEST_KT)
    return np.asarray(low + width * np.arange(int(np.ceil((high - low) / width + 1e-9)) + 1))


def _density(works: NDArray[np.float64], edges: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """Return counts, density per kT and its error; works beyond the bins are among those that are counted."""
    counts = np.histogram(works[np.isfinite(works)], edges)[0]
    share, widths = counts / max(len(works), 1), np.diff(edges)
    return counts, share / widths, np.sqrt(share * (1 - share) / max(len(works), 1)) / widths


def work_histogram(species: str, work_kt: NDArray[np.float64], is_insertion: NDArray[np.bool_]) -> pd.DataFrame:
    """Return the distributions of the net works of insertions and of minus those of deletions, in common bins.

    The logarithm of their ratio is w - F if both belong together: it has a value where both have works, and errors are
    those of independent works.

    Parameters
    ----------
    work_kt : ndarray, shape (n_moves,)
        As `crooks` takes them.
    is_insertion : ndarray of bool, shape (n_moves,)
    """
    signed = np.where(is_insertion, work_kt, -work_kt)
    if not np.isfinite(signed).any():
        return pd.DataFrame(columns=WORK_COLUMNS)
    edges = _edges(signed)
    n_there, there, there_stderr = _density(signed[is_insertion], edges)
    n_back, back, back_stderr = _density(signed[~is_insertion], edges)
    both = (n_there > 0) & (n_back > 0)
    ratio, stderr = np.full((2, len(both)), np.nan)
    ratio[both] = np.log(there[both] / back[both])
    stderr[both] = np.sqrt(1 / n_there[both] + 1 / n_back[both])
    values = (
        species, (edges[1:] + edges[:-1]) / 2, np.diff(edges), there, there_stderr, back, back_stderr, n_there, n_back,
        ratio, stderr,
    )  # fmt: skip
    return pd.DataFrame(dict(zip(WORK_COLUMNS, values, strict=True)))
