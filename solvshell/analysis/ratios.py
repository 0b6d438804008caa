"""The ratio of two means that come from the same frames."""

import numpy as np

from solvshell.analysis.statistics import Estimate, mean_with_error


def ratio_with_error(numerator: np.ndarray, denominator: np.ndarray) -> Estimate:
    """Return the ratio r of the means of two series, with an error that knows how they move together.

    By the delta method: to first order the ratio of the run differs from the true one by the mean of
    ``(numerator - r denominator) / <denominator>``, one series whose error is that of `mean_with_error`. What the two
    share (more molecules in a shell, hence more of each kind) drops out, and their memory is kept. A ratio of nothing
    to nothing is not a number.

    Parameters
    ----------
    numerator, denominator
        Stationary series of one shape, (n_frames,) or (n_frames, n_centers).
    """
    mean = float(denominator.mean()) if denominator.size else 0.0
    if mean == 0:
        return Estimate(np.nan, None, 0.0)
    ratio = float(numerator.mean()) / mean
    residual = mean_with_error((numerator - ratio * denominator) / mean)
    return Estimate(ratio, residual.stderr, residual.n_independent)
