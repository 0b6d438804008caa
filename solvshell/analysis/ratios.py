"""Means, and ratios of means, of series that may be long."""

from dataclasses import replace

import numpy as np

from solvshell.analysis.statistics import Estimate, mean_with_error

#: The error of a series of twice as many frames, or more, is that of the means of so many blocks of them, or more.
MANY_BLOCKS = 2000


def _block_means(series: np.ndarray) -> np.ndarray:
    """Return the means of equally long blocks of frames, shape (n_blocks, ...); a short series is its own."""
    size = max(1, len(series) // MANY_BLOCKS)
    n_blocks = len(series) // size
    return series[: n_blocks * size].reshape(n_blocks, size, *series.shape[1:]).mean(axis=1)


def long_mean_with_error(series: np.ndarray) -> Estimate:
    """Return `mean_with_error` of a series, at a cost that hardly grows with its length.

    Means of blocks of frames have the same mean and tell the same error of it: what is remembered beyond a block shows
    as their correlation. Independent samples are counted in blocks, so that there are fewer than twice `MANY_BLOCKS`.
    """
    estimate = mean_with_error(_block_means(series))
    return replace(estimate, mean=float(series.mean()))


def ratio_with_error(numerator: np.ndarray, denominator: np.ndarray) -> Estimate:
    """Return the ratio r of the means of two series, with an error that knows how they move together.

    By the delta method: to first order the ratio of the run differs from the true one by the mean of
    ``(numerator - r denominator) / <denominator>``, one series whose error is that of `mean_with_error`. What the two
    share (more molecules in a shell, hence more of each kind) drops out, and their memory is kept. A ratio of nothing
    to nothing is not a number.

    Parameters
    ----------
    numerator, denominator
        Stationary series of one shape, (n_frames,) or (n_frames, n_centers), of any type of number.
    """
    mean = float(denominator.mean()) if denominator.size else 0.0
    if mean == 0:
        return Estimate(np.nan, None, 0.0)
    ratio = float(numerator.mean()) / mean
    residual = mean_with_error((_block_means(numerator) - ratio * _block_means(denominator)) / mean)
    return Estimate(ratio, residual.stderr, residual.n_independent)
