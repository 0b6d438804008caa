"""How much a time series knows: its equilibration, its independent samples, and the error of its mean."""

import logging
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from scipy.special import stdtrit

#: Below this many independent samples a quantity is not resolved by a run.
RESOLVED_N_INDEPENDENT = 10
#: The bootstrap draws at least this many blocks of frames, if there are as many frames.
MIN_BLOCKS = 8
#: An autocorrelation may be negative at the first lags without being over, in frames (as in pymbar).
_SHORTEST_MEMORY = 3
_EQUILIBRATION_FRAMES = 2000
_NORMAL_975 = 1.959964


@dataclass(frozen=True)
class Estimate:
    """A mean, its standard error (None where the data cannot tell) and the number of independent samples behind it."""

    mean: float
    stderr: float | None
    n_independent: float

    @property
    def is_resolved(self) -> bool:
        """Whether the run is long enough for it."""
        return self.n_independent >= RESOLVED_N_INDEPENDENT


def _timeseries() -> ModuleType:
    # pymbar greets its importer with two warnings, on JAX and on short series.
    logging.getLogger("pymbar").setLevel(logging.ERROR)
    from pymbar import timeseries

    return timeseries


def is_constant(series: np.ndarray) -> bool:
    """Return whether a series does not change, rounding apart."""
    return bool(np.ptp(series) <= 1e-12 * max(1.0, float(np.abs(series).max())))


def _inefficiency(series: list[np.ndarray]) -> float:
    """Return 1 + 2 sum_t (1 - t/n) C_t of series (n_frames,) about their common mean, up to the first C_t below zero.

    The same number as `pymbar.timeseries.statistical_inefficiency_multiple`, which takes n_frames^2 steps for ions that
    never exchange; its fast mode is off by a third.
    """
    n_frames = len(series[0])
    mean = np.mean(series)
    power = sum(np.abs(np.fft.rfft(values - mean, 2 * n_frames)) ** 2 for values in series)
    lags = np.arange(n_frames)
    correlation = np.fft.irfft(power)[:n_frames] / (n_frames - lags)
    correlation /= correlation[0]
    ends = np.flatnonzero((correlation <= 0) & (lags > _SHORTEST_MEMORY))
    used = slice(1, ends[0] if len(ends) else n_frames - 1)
    return float(1 + 2 * (correlation * (1 - lags / n_frames))[used].sum())


def statistical_inefficiency(series: np.ndarray) -> float:
    """Return the number of frames per independent sample of a series.

    Parameters
    ----------
    series
        Shape (n_frames,), or (n_frames, n_centers) for one quantity of many centers. Of the latter it is the larger of
        that of the mean over the centers and that of the centers about their common mean: ions that never exchange
        their neighbours then make one sample, however quiet their mean is. A constant series counts as one sample.
    """
    n_frames = len(series)
    if n_frames < 3 or is_constant(series):
        return float(n_frames)
    centers = series.reshape(n_frames, -1)
    mean = centers.mean(axis=1)
    values = [_inefficiency(list(centers.T))]
    if not is_constant(mean):
        values.append(_inefficiency([mean]))
    return float(np.clip(max(values), 1.0, n_frames))


def mean_with_error(series: np.ndarray) -> Estimate:
    """Return the mean of a stationary series with its error.

    The error of a series (n_frames,) is its standard deviation over the root of n_independent. Of a series (n_frames,
    n_centers) it is the larger of that of the mean over the centers, and the standard deviation of all values over the
    root of n_centers n_independent (which sees that ions differ although none of them changes). A constant series has
    no error, not an error of zero, and one independent sample.
    """
    n_independent = len(series) / statistical_inefficiency(series)
    mean = float(series.mean())
    if len(series) < 2 or is_constant(series):
        return Estimate(mean, None, n_independent)
    variance = series.var() / (series.shape[1] if series.ndim == 2 else 1)
    if series.ndim == 2:
        variance = max(variance, series.mean(axis=1).var())
    return Estimate(mean, float(np.sqrt(variance / n_independent)), n_independent)


@dataclass(frozen=True)
class Equilibration:
    """How many blocks to drop from the start; `clipped` where that is half of the run although it takes longer."""

    n_blocks: int
    clipped: bool


def equilibration(series: list[np.ndarray], block_starts: np.ndarray) -> Equilibration:
    """Return the latest equilibration of the series, at most half of the run.

    Each series (n_frames,) is cut where the rest holds the most independent samples (Chodera 2016,
    `pymbar.timeseries.detect_equilibration`), rounded up to whole blocks, whose pair counts are kept apart.
    """
    n_blocks = len(block_starts) - 1
    n_frames = int(block_starts[-1])
    if n_frames < 2 * MIN_BLOCKS:
        return Equilibration(0, clipped=False)
    # Every start of a block is tried, on a series thinned to what the choice needs: it takes n^2 steps.
    thin = max(1, n_frames // _EQUILIBRATION_FRAMES)
    skip = max(1, n_frames // n_blocks // thin)
    detect = _timeseries().detect_equilibration
    first = thin * max(int(detect(values[::thin], fast=False, nskip=skip)[0]) for values in series)
    wanted = int(np.searchsorted(block_starts, first))
    return Equilibration(min(wanted, n_blocks // 2), clipped=wanted > n_blocks // 2)


@dataclass(frozen=True)
class Bootstrap:
    """Samples of whole blocks of frames: `weights` (n_samples, n_blocks) says how often each block enters.

    `shorter_than_asked` says that a draw holds fewer blocks than it should, so that errors come out too small.
    """

    weights: np.ndarray
    n_draws: int
    shorter_than_asked: bool

    def resample(self, blocks: np.ndarray) -> np.ndarray:
        """Return the sum over the blocks (n_blocks, ...) for each sample, shape (n_samples, ...)."""
        return np.tensordot(self.weights, blocks, axes=1)

    @property
    def widening(self) -> float:
        """The factor by which the spread of samples of so few draws is too narrow."""
        return float(np.sqrt(self.n_draws / (self.n_draws - 1))) if self.n_draws > 1 else np.nan

    def stderr(self, samples: np.ndarray) -> np.ndarray:
        """Return the standard error of a number from its values in the samples (n_samples, ...)."""
        return samples.std(axis=0) * self.widening

    def interval(self, value: float, samples: np.ndarray) -> tuple[float, float]:
        """Return the 95 % interval of a number from its values in the samples (n_samples,); nan is left out.

        Percentiles of samples of n draws are too narrow by the `widening`, and by the ratio of Student's t with n - 1
        degrees of freedom to the normal distribution.
        """
        students = stdtrit(self.n_draws - 1, 0.975) / _NORMAL_975
        low, high = value + np.nanpercentile(samples - value, [2.5, 97.5]) * self.widening * students
        return float(low), float(high)


def bootstrap_blocks(n_blocks: int, blocks_per_draw: int, n_samples: int, rng: np.random.Generator) -> Bootstrap:
    """Return bootstrap samples of the time blocks of a run.

    `blocks_per_draw` neighbouring blocks are drawn together, so that a draw is longer than the memory of the liquid;
    fewer where less than `MIN_BLOCKS` draws would be left.
    """
    wanted = n_blocks // max(1, blocks_per_draw)
    n_draws = max(wanted, min(MIN_BLOCKS, n_blocks))
    drawn = rng.multinomial(n_draws, np.full(n_draws, 1 / n_draws), size=n_samples)
    return Bootstrap(drawn[:, np.arange(n_blocks) * n_draws // n_blocks].astype(float), n_draws, wanted < n_draws)
