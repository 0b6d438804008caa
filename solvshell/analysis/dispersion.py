"""How much more events scatter than independent ones would."""

import numpy as np

from solvshell.analysis.statistics import MIN_BLOCKS


def _over_groups(n_events: np.ndarray, exposure: np.ndarray) -> float:
    """Return the variance of the number of all events over that of a Poisson process, from groups (n_groups,)."""
    n_groups, n_all = np.count_nonzero(exposure), float(n_events.sum())
    if n_groups < 2 or n_all == 0:
        return 1.0
    expected = exposure * (n_all / exposure.sum())
    return float(n_groups / (n_groups - 1) * ((n_events - expected) ** 2).sum() / n_all)


def _per_block(exposure: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return events and exposure of equally long blocks of frames."""
    borders = np.linspace(0, len(exposure), min(MIN_BLOCKS, len(exposure)) + 1).astype(int)
    n_events = np.bincount(np.searchsorted(borders, frames, side="right") - 1, minlength=len(borders) - 1)
    return n_events, np.add.reduceat(exposure, borders[:-1])


def dispersion(
    centers: np.ndarray, frames: np.ndarray, exposure_of_centers: np.ndarray, exposure_of_frames: np.ndarray
) -> float:
    """Return how many times larger than that of a Poisson process the variance of the number of events is; 1 at least.

    The rate of groups i is ``r = sum n_i / sum w_i``, of events n_i and exposures w_i. By the variance of a ratio of
    sums over m groups (Cochran, Sampling Techniques, 1977, chapter 6), which is that of the jackknife to first order,
    var(r) is ``phi r / sum w_i`` with ``phi = m / (m - 1) sum (n_i - r w_i)^2 / sum n_i``. It is 1 on average for
    independent events, and k if they come k at a time. It is the larger of two: groups are centers (of which each may
    have a rate of its own), and `MIN_BLOCKS` blocks of frames (of which each may have one for all centers). For
    independent events that is a little too careful, since the larger of two, and of 1, is taken.

    Parameters
    ----------
    centers, frames
        Center and frame of each event, shape (n_events,).
    exposure_of_centers, exposure_of_frames
        For how long an event could have been seen at each center, shape (n_centers,), and in each frame, (n_frames,):
        both of one sum.
    """
    if not len(frames):
        return 1.0
    over_centers = _over_groups(np.bincount(centers, minlength=len(exposure_of_centers)), exposure_of_centers)
    return max(1.0, over_centers, _over_groups(*_per_block(exposure_of_frames, frames)))
