"""How the bond of a molecule to a center decays: continuous and intermittent correlation functions, from stays.

h(t) is 1 while a molecule is bound to a center and 0 otherwise. The continuous function S(t) is the share of bound
moments after which the molecule stayed bound in all frames up to t; the intermittent one, C(t) = <h(0) h(t)> / <h>, is
the share after which it is bound at t, whatever it did meanwhile: Impey, Madden and McDonald, J. Phys. Chem. 87, 5071
(1983).

For each lag only those moments count, above and below the fraction, from which the run can be watched for the whole
lag. So it makes no difference whether an end of the run cut a stay short: nothing is asked about what was not seen.
"""

from dataclasses import dataclass

import numba
import numpy as np

from solvshell.analysis.statistics import Bootstrap
from solvshell.analysis.stays import Stays

N_LAGS = 60


def thinned_lags(n_frames: int) -> np.ndarray:
    """Return about 60 lags in frames from 0 to half of the run: the first ones all, then ever fewer, in proportion."""
    lags = np.geomspace(1, max(1, n_frames // 2), N_LAGS)
    return np.unique(np.append(0, np.round(lags))).astype(int)[:n_frames]


@dataclass(frozen=True)
class BoundMoments:
    """Bound moments of one center species and site that can be watched for each lag, and what became of them.

    Shape (n_centers, n_blocks, n_lags), where the block of frames is that of the moment from which one watches.
    """

    watched: np.ndarray
    stayed: np.ndarray
    bound: np.ndarray


def _pieces(stays: Stays, borders: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cut stays at the borders of the blocks: the stay and block of each piece, its first frame and the one behind."""
    block_of = [np.searchsorted(borders, frame, side="right") - 1 for frame in (stays.first, stays.last)]
    n_pieces = block_of[1] - block_of[0] + 1
    stay = np.repeat(np.arange(len(n_pieces)), n_pieces)
    block = block_of[0][stay] + np.arange(len(stay)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    begin = np.maximum(stays.first[stay], borders[block])
    return stay, block, begin, np.minimum(stays.last[stay] + 1, borders[block + 1])


@numba.njit(cache=True)
def _count(
    first: np.ndarray, end: np.ndarray, pair: np.ndarray,
    stay: np.ndarray, cell: np.ndarray, begin: np.ndarray, stop: np.ndarray,
    lags: np.ndarray, n_frames: int, counts: np.ndarray,
) -> None:  # fmt: skip
    """Add the watched, stayed and bound moments of all pieces of stays to `counts` (3, n_cells, n_lags)."""
    for i in range(len(lags)):
        lag = lags[i]
        met = 0  # the first stay that a piece meets when it is shifted by the lag; it only moves forward
        for k in range(len(stay)):
            own, a, b = stay[k], begin[k], stop[k]
            counts[0, cell[k], i] += max(0, min(b, n_frames - lag) - a)
            counts[1, cell[k], i] += max(0, min(b, end[own] - lag) - a)
            met = max(met, own)
            while met < len(first) and pair[met] == pair[own] and end[met] <= a + lag:
                met += 1
            other = met
            while other < len(first) and pair[other] == pair[own] and first[other] < b + lag:
                counts[2, cell[k], i] += min(end[other], b + lag) - max(first[other], a + lag)
                other += 1


def bound_moments(stays: Stays, lags: np.ndarray, borders: np.ndarray, n_centers: int) -> BoundMoments:
    """Return the bound moments that can be watched for each lag, counted exactly.

    The moments of a stay at which the molecule is bound a lag later are those that the stay, shifted by the lag, has in
    common with stays of the same pair: the work grows with the number of stays, not with the frames.

    Parameters
    ----------
    stays
        Continuous ones of one group, as `continuous_stays` orders them; `center` from 0.
    lags
        In frames, shape (n_lags,).
    borders
        The first frame of each block of frames, and the number of frames, shape (n_blocks + 1,).
    """
    n_frames, n_blocks = int(borders[-1]), len(borders) - 1
    counts = np.zeros((3, n_centers * n_blocks, len(lags)))
    if len(stays.first):
        stay, block, begin, stop = _pieces(stays, borders)
        pair = np.cumsum(np.append(False, ~stays.follows))
        cell = stays.center[stay] * n_blocks + block
        _count(stays.first, stays.last + 1, pair, stay, cell, begin, stop, lags, n_frames, counts)
    return BoundMoments(*counts.reshape(3, n_centers, n_blocks, len(lags)))


@dataclass(frozen=True)
class Resampled:
    """A function of the lag (or any number) and its bootstrap samples, of which there is a set for each way to draw.

    `values` has shape (n,), `samples` (n_sets, n_samples, n), `widening` (n_sets,): that of each `Bootstrap`.
    """

    values: np.ndarray
    samples: np.ndarray
    widening: np.ndarray

    def through(self, values: np.ndarray, slopes: np.ndarray) -> "Resampled":
        """Return numbers (m,) that depend on these by `slopes` (m, n), with samples to first order."""
        return Resampled(values, values + (self.samples - self.values) @ slopes.T, self.widening)

    @property
    def stderr(self) -> np.ndarray:
        """The standard error, shape (n,): the largest of the sets; not a number where no set tells."""
        known = np.isfinite(self.samples)
        from_value = np.where(known, self.samples - self.values, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = from_value.sum(axis=1) / known.sum(axis=1)
            variance = (from_value**2).sum(axis=1) / known.sum(axis=1) - mean**2
        return np.fmax.reduce(np.sqrt(np.maximum(variance, 0)) * self.widening[:, None])


def _resampled(numerator: np.ndarray, denominator: np.ndarray, ways: tuple[Bootstrap, Bootstrap]) -> Resampled:
    """Return the ratio of sums over centers and blocks, both (n_centers, n_blocks, n), drawn by either."""
    with np.errstate(invalid="ignore", divide="ignore"):
        samples = [
            way.resample(numerator.sum(axis=axis)) / way.resample(denominator.sum(axis=axis))
            for axis, way in enumerate(ways)
        ]
        values = numerator.sum(axis=(0, 1)) / denominator.sum(axis=(0, 1))
    return Resampled(values, np.array(samples), np.array([way.widening for way in ways]))


def decay_functions(
    moments: BoundMoments, pair_frames: np.ndarray, ways: tuple[Bootstrap, Bootstrap]
) -> tuple[Resampled, Resampled, Resampled, Resampled]:
    """Return S(t), C(t), the excess of C over chance, (C - p) / (1 - p), which falls to zero, and the chance p, (1,).

    p is the share of moments at which a molecule of the partner is bound to a center: the level to which C falls, since
    in a finite box every molecule comes back.

    Parameters
    ----------
    pair_frames
        Pairs of center and molecule times frames, of each center and block, shape (n_centers, n_blocks).
    ways
        Samples of the blocks of frames, and of the centers. Blocks see what all centers do together; centers see how
        much is known where a stay is as long as the run and so no block is independent. The larger error holds.
    """
    continuous = _resampled(moments.stayed, moments.watched, ways)
    intermittent = _resampled(moments.bound, moments.watched, ways)
    chance = _resampled(moments.watched[..., :1], pair_frames[..., None], ways)
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = Resampled(
            (intermittent.values - chance.values) / (1 - chance.values),
            (intermittent.samples - chance.samples) / (1 - chance.samples),
            intermittent.widening,
        )
    return continuous, intermittent, excess, chance
