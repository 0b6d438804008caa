"""How much a time series knows: its equilibration, its independent samples, and the error of its mean."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import stdtrit

#: Below this many independent samples a quantity is not resolved by a run.
RESOLVED_N_INDEPENDENT = 10
#: The bootstrap draws at least this many blocks of frames, if there are as many frames.
MIN_BLOCKS = 8
#: Replicas from which their scatter is the error; with fewer it is that of the time blocks within the runs.
MIN_REPLICAS = 3
#: An autocorrelation may be negative at the first lags without being over, in frames (as in pymbar).
_SHORTEST_MEMORY = 3
#: Slow changes under fast noise are looked for in the means of so many blocks of frames.
_SLOW_BLOCKS = 64
#: ... and believed if neighbouring ones are correlated by so many standard errors.
_SLOW_SIGNIFICANCE = 3.0
#: Values of one Fourier transform: 32 MB of spectra, however many centers there are.
_FFT_VALUES = 1 << 22
_NORMAL_975 = 1.959964
#: A beginning drifts if it deviates by so many standard errors from the rest.
_DRIFT_SIGNIFICANCE = 2.5
#: The variance of the rest is not known from fewer blocks.
_FEWEST_BLOCKS_LEFT = 4


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

    @property
    def is_resolved_share(self) -> bool:
        """Whether the run is long enough for it as the mean of zeros and ones.

        A few visits do not tell how long a visit lasts, so that the rarer state must have been visited ten times too:
        min(p, 1 - p) of the p (1 - p) / stderr^2 samples that the error stands for.
        """
        if self.stderr is None:
            return False
        n_samples = self.mean * (1 - self.mean) / self.stderr**2
        return self.is_resolved and min(self.mean, 1 - self.mean) * n_samples >= RESOLVED_N_INDEPENDENT


def confidence_interval(
    mean: float, stderr: float, n_independent: float, *, is_share: bool = False
) -> tuple[float, float]:
    """Return the 95 % interval of a mean: Student's t with n_independent - 1 degrees of freedom.

    One degree of freedom is the least: a series with fewer than two independent samples has an interval that is too
    wide to say anything, as it should.

    Parameters
    ----------
    is_share
        The mean of zeros and ones has the interval of Wilson (1927), with Student's t for the normal z and the number
        of samples that belongs to its error, p (1 - p) / stderr^2. It stays between 0 and 1, and it holds a rare state
        as often as it says, where mean +- t stderr is too short on the side of the many.
    """
    t = float(stdtrit(max(1.0, n_independent - 1), 0.975))
    if not is_share:
        return mean - t * stderr, mean + t * stderr
    per_sample = t**2 * stderr**2 / (mean * (1 - mean))
    middle = (mean + per_sample / 2) / (1 + per_sample)
    half = t / (1 + per_sample) * float(np.sqrt(stderr**2 * (1 + per_sample / (4 * mean * (1 - mean)))))
    return middle - half, middle + half


def is_constant(series: np.ndarray) -> bool:
    """Return whether a series does not change, rounding apart."""
    low, high = float(series.min()), float(series.max())
    return high - low <= 1e-12 * max(1.0, abs(low), abs(high))


def _lagged_products(series: np.ndarray) -> np.ndarray:
    """Return the sum over the columns of sum_s x_s x_(s+t), shape (n_frames,), of a series (n_frames, n_columns)."""
    n_frames, n_columns = series.shape
    length = next_fast_len(2 * n_frames, real=True)
    power = np.zeros(length // 2 + 1)
    step = max(1, _FFT_VALUES // length)
    for first in range(0, n_columns, step):
        spectra = rfft(series[:, first : first + step], length, axis=0)
        power += (spectra.real**2 + spectra.imag**2).sum(axis=1)
    return irfft(power, length)[:n_frames]


def _autocovariances(centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the autocovariance of centers (n_frames, n_centers) about their common mean, and that of their mean.

    Both have shape (n_frames,), a value per lag. Centers that never change, as most do of a rare state, need no
    transform.
    """
    n_frames, n_centers = centers.shape
    mean = centers.mean()
    n_pairs = np.arange(n_frames, 0, -1)
    changing = (centers != centers[0]).any(axis=0)
    still = ((centers[0, ~changing] - mean) ** 2).sum()
    each = (_lagged_products(centers[:, changing] - mean) / n_pairs + still) / n_centers
    if n_centers == 1:
        return each, each
    return each, _lagged_products(centers.mean(axis=1, keepdims=True) - mean) / n_pairs


def _sum_of_lags(covariance: np.ndarray, shortest_memory: int) -> tuple[float, float]:
    """Return sum_t (1 - |t|/n) C_t over all lags up to the first C_t below zero, and the same sum of ones."""
    n_frames = len(covariance)
    lags = np.arange(n_frames)
    ends = np.flatnonzero((covariance <= 0) & (lags > shortest_memory))
    used = slice(1, ends[0] if len(ends) else n_frames - 1)
    weights = 1 - lags[used] / n_frames
    total = covariance[0] + 2 * float((covariance[used] * weights).sum())
    return max(total, float(covariance[0])), 1 + 2 * float(weights.sum())


def _variance_of_mean(covariance: np.ndarray, n_centers: int, shortest_memory: int) -> tuple[float, float]:
    """Return the variance of the mean of n_centers alike, independent centers, and the independent samples of each.

    Deviations from the mean of the data, not from the true one, make every C_t too small by the variance of that mean.
    It is added again (Wolff 2004, Comput. Phys. Commun. 156, 143). For centers that never change this is the variance
    of their values over n_centers - 1.
    """
    n_frames = len(covariance)
    total, n_lags = _sum_of_lags(covariance, shortest_memory)
    of_mean = total / n_frames / n_centers / max(1 - n_lags / n_frames / n_centers, 1 / n_frames)
    n_independent = (covariance[0] + of_mean) / (of_mean * n_centers)
    return of_mean, float(np.clip(n_independent, 1.0, n_frames))


def _slow_part(centers: np.ndarray) -> np.ndarray:
    """Return the means of blocks of frames, shape (n_blocks, n_centers)."""
    size = max(1, len(centers) // _SLOW_BLOCKS)
    n_blocks = len(centers) // size
    return centers[: n_blocks * size].reshape(n_blocks, size, -1).mean(axis=1)


def _errors(series: np.ndarray) -> list[tuple[float, float]]:
    """Return variance of the mean and independent samples: from each center, and from the mean over the centers.

    A weak slow change drowns in fast noise, whose autocorrelation falls below zero by chance long before the end. The
    noise is gone from the means of blocks of frames: where neighbouring ones are surely correlated, they say it.
    """
    centers = series.reshape(len(series), -1)
    slow = _slow_part(centers)
    is_certain = _SLOW_SIGNIFICANCE / np.sqrt(len(slow))
    n_alike = (centers.shape[1],) if is_constant(centers.mean(axis=1)) else (centers.shape[1], 1)
    errors = []
    for n_centers, of_frames, of_blocks in zip(
        n_alike, _autocovariances(centers), _autocovariances(slow), strict=False
    ):
        if len(slow) < len(series) and of_blocks[1] > is_certain * of_blocks[0]:
            errors.append(_variance_of_mean(of_blocks, n_centers, shortest_memory=0))
        else:
            errors.append(_variance_of_mean(of_frames, n_centers, _SHORTEST_MEMORY))
    return errors


def statistical_inefficiency(series: np.ndarray) -> float:
    """Return the number of frames per independent sample of a series.

    Parameters
    ----------
    series
        Shape (n_frames,), or (n_frames, n_centers) for one quantity of many centers. Of the latter it is the larger of
        that of the mean over the centers and that of the centers about their common mean: ions that never exchange
        their neighbours then make one sample, however quiet their mean is. Of fast noise on a slow change it is that
        of the slow change. A constant series counts as one sample.
    """
    return len(series) / mean_with_error(series).n_independent


def mean_with_error(series: np.ndarray) -> Estimate:
    """Return the mean of a stationary series with its error.

    The variance of the mean is the autocovariance summed up to its first zero, corrected for the mean that was taken
    off, over the number of frames; from means of blocks of frames where these are correlated still (slow exchange under
    fast noise). Of a series (n_frames, n_centers) it is the larger of that of the mean over the centers (which sees
    centers that move together), and that of a center over n_centers (which sees that centers differ although none of
    them changes). The interval is that of `confidence_interval`: ``benchmarks/intervals.py`` says how often it holds
    the true mean. A constant series has no error, not an error of zero, and one independent sample.

    Parameters
    ----------
    series
        Shape (n_frames,) or (n_frames, n_centers), of any type of number.
    """
    mean = float(series.mean())
    if len(series) < 2 or is_constant(series):
        return Estimate(mean, None, 1.0)
    variances, n_independent = zip(*_errors(series), strict=True)
    return Estimate(mean, float(np.sqrt(max(variances))), min(n_independent))


@dataclass(frozen=True)
class Equilibration:
    """How many blocks to drop from the start; `clipped` where that is half of the run although it takes longer."""

    n_blocks: int
    clipped: bool


def _most_precise_start(values: np.ndarray, starts: np.ndarray) -> int:
    """Return the index of the start from which the variance of the rest over its length is smallest (White 1997)."""
    n_rest = np.arange(len(values), 0, -1)
    rest = (values - values.mean())[::-1]
    variance = (np.cumsum(rest**2)[::-1] - np.cumsum(rest)[::-1] ** 2 / n_rest) / n_rest
    variance[variance < 1e-12 * variance[0]] = 0  # of rounding: the first start of many alike is meant
    candidates = starts[: max(1, len(starts) - _FEWEST_BLOCKS_LEFT)]
    return int(np.argmin((variance / n_rest)[candidates]))


def _deviates(first: np.ndarray, rest: np.ndarray, of_rest: Estimate) -> bool:
    """Return whether the first frames surely have another mean than the rest, both (n_frames, n_centers).

    The first frames are taken to fluctuate as the rest does: their error is that of as many independent samples. Nor
    is it smaller than centers differ in how they change: one that changed once, of many, is an event and no drift.
    """
    changes = first.mean(axis=0) - rest.mean(axis=0)
    between = changes.std(ddof=1) / np.sqrt(len(changes)) if len(changes) > 1 else 0.0
    n_samples = max(1.0, of_rest.n_independent * len(first) / len(rest))
    within = (of_rest.stderr or 0.0) * np.sqrt(1 + max(1.0, of_rest.n_independent / n_samples))
    return bool(abs(changes.mean()) > max(_DRIFT_SIGNIFICANCE * max(within, between), 1e-9 * abs(of_rest.mean)))


def _settles_after(centers: np.ndarray, starts: np.ndarray) -> int:
    """Return the blocks to drop from the start of a series that drifts surely, else 0.

    It drifts if the frames to drop differ from the rest, or if its beginning, short or long, does from its second half.
    """
    half = (len(starts) - 1) // 2
    first = _most_precise_start(centers.mean(axis=1), starts[:-1])
    early = [2**k for k in range(half.bit_length())]
    for beginnings, start in (([first], first), (early, half)):
        if start:
            rest = centers[starts[start] :]
            of_rest = mean_with_error(rest)
            if any(_deviates(centers[: starts[k]], rest, of_rest) for k in beginnings):
                return max(1, first)
    return 0


def _equilibration(centers: np.ndarray, starts: np.ndarray) -> Equilibration:
    half, dropped = (len(starts) - 1) // 2, 0
    while dropped <= half and (more := _settles_after(centers[starts[dropped] :], starts[dropped:] - starts[dropped])):
        dropped += more
    return Equilibration(min(dropped, half), clipped=dropped > half)


def equilibration(series: Iterable[np.ndarray], block_starts: np.ndarray) -> Equilibration:
    """Return the latest equilibration of the series, at most half of the run.

    What drifts is cut at the start of the block from which the mean of the rest is most precise: the smallest variance
    of the rest over its length (MSER; White 1997, Simulation 69, 323), again until the rest drifts no more. It drifts
    if its beginning deviates from what follows by 2.5 standard errors, which know how slowly it changes; slow
    fluctuation alone is no drift. (The largest number of independent samples, which `pymbar` looks for, drops a third
    of a stationary run that remembers for a tenth of it.)

    Parameters
    ----------
    series
        Each of shape (n_frames,), or (n_frames, n_centers) for one quantity of many centers.
    block_starts
        The first frame of each block, and the number of frames, shape (n_blocks + 1,).
    """
    if block_starts[-1] < 2 * MIN_BLOCKS:
        return Equilibration(0, clipped=False)
    found = [_equilibration(values.reshape(len(values), -1), block_starts) for values in series]
    return max(found, key=lambda one: (one.n_blocks, one.clipped))


@dataclass(frozen=True)
class Bootstrap:
    """Samples of whole blocks of frames: `weights` (n_samples, n_blocks) says how often each block enters.

    `shorter_than_asked` says that a draw holds fewer blocks than it should, so that errors come out too small.
    `memory` is the time in draws after which the liquid has forgotten, half of the statistical inefficiency.
    `n_replicas` is the number of replicas that were drawn before their blocks, None where no replicas were drawn: then
    the samples know only how a run scatters within itself.
    """

    weights: np.ndarray
    n_draws: int
    shorter_than_asked: bool
    memory: float = 0.0
    n_replicas: int | None = None

    def resample(self, blocks: np.ndarray) -> np.ndarray:
        """Return the sum over the blocks (n_blocks, ...) for each sample, shape (n_samples, ...)."""
        return np.tensordot(self.weights, blocks, axes=1)

    @property
    def _n_first(self) -> int:
        """What is drawn first: replicas, or else blocks of frames."""
        return self.n_draws if self.n_replicas is None else self.n_replicas

    @property
    def widening(self) -> float:
        """The factor by which the spread of the samples is too narrow.

        Samples of n draws have a variance that is too small by 1 - 1/n. Draws that remember the one before miss a part
        m (1 - exp(-1/m)) of the variance, for a correlation that falls exponentially in m draws. (Of replicas, whose
        scatter is that of whole runs, they miss nothing.)
        """
        if self._n_first < 2:
            return np.nan
        missed = 0.0 if self.n_replicas or not self.memory else self.memory * -np.expm1(-1 / self.memory)
        return float(1 / np.sqrt((1 - 1 / self._n_first) * (1 - missed)))

    def stderr(self, samples: np.ndarray) -> np.ndarray:
        """Return the standard error of a number from its values in the samples (n_samples, ...)."""
        return samples.std(axis=0) * self.widening

    def stderr_of_ratio(self, blocks: np.ndarray, divisors: np.ndarray) -> np.ndarray:
        """Return the standard error of sum(blocks) / sum(divisors), (n_blocks, n_bins) and (n_blocks,), in every bin.

        It is that of the samples, from the covariance of what each block weighs in them: no sample of a bin is made.
        Samples whose divisors are all 0 say nothing: a species that comes and goes was absent from their blocks.
        """
        totals = self.weights @ divisors
        if not totals.any():
            return np.full(blocks.shape[1], np.nan)
        shares = self.weights[totals > 0] / totals[totals > 0, None]
        shares -= shares.mean(axis=0)
        covariance = shares.T @ shares / len(shares)
        variance = np.einsum("ik,ik->k", blocks, covariance @ blocks)
        return np.sqrt(np.maximum(variance, 0)) * self.widening

    def interval(self, value: float, samples: np.ndarray) -> tuple[float, float]:
        """Return the 95 % interval of a number from its values in the samples (n_samples,); nan is left out.

        Percentiles of samples of n draws are too narrow by the `widening`, and by the ratio of Student's t with n - 1
        degrees of freedom to the normal distribution.
        """
        students = stdtrit(self._n_first - 1, 0.975) / _NORMAL_975
        low, high = value + np.nanpercentile(samples - value, [2.5, 97.5]) * self.widening * students
        return float(low), float(high)


def bootstrap_blocks(
    n_blocks: int, blocks_per_draw: int, n_samples: int, rng: np.random.Generator, inefficiency: float = 0.0
) -> Bootstrap:
    """Return bootstrap samples of the time blocks of a run.

    Parameters
    ----------
    blocks_per_draw
        So many neighbouring blocks are drawn together, so that a draw is longer than the memory of the liquid; fewer
        where less than `MIN_BLOCKS` draws would be left.
    inefficiency
        The statistical inefficiency of what changes most slowly, in blocks. Errors and intervals are widened by what
        draws miss that remember each other.
    """
    wanted = n_blocks // max(1, blocks_per_draw)
    n_draws = max(wanted, min(MIN_BLOCKS, n_blocks))
    drawn = rng.multinomial(n_draws, np.full(n_draws, 1 / n_draws), size=n_samples)
    weights = drawn[:, np.arange(n_blocks) * n_draws // n_blocks].astype(float)
    return Bootstrap(weights, n_draws, wanted < n_draws, inefficiency / 2 * n_draws / n_blocks)


def bootstrap_run(
    n_blocks: int, n_frames: int, inefficiency: float, n_samples: int, rng: np.random.Generator
) -> Bootstrap:
    """Return bootstrap samples of a run in draws twice as long as the statistical inefficiency, given in frames."""
    in_blocks = inefficiency * n_blocks / n_frames
    return bootstrap_blocks(n_blocks, int(np.ceil(2 * in_blocks)), n_samples, rng, in_blocks)


def bootstrap_runs(runs: Sequence[Bootstrap]) -> Bootstrap:
    """Return samples of several runs as if they were one, each run resampled from its own blocks.

    The blocks stand one run after the other. Every run is in every sample: of the scatter between runs it knows
    nothing.
    """
    n_samples = min(len(run.weights) for run in runs)
    return Bootstrap(
        np.hstack([run.weights[:n_samples] for run in runs]),
        sum(run.n_draws for run in runs),
        any(run.shorter_than_asked for run in runs),
        max(run.memory for run in runs),
    )


def bootstrap_replicas(replicas: Sequence[Bootstrap], rng: np.random.Generator) -> Bootstrap:
    """Return samples of a system: as many replicas as it has are drawn first, then the blocks of each one drawn.

    The blocks stand one replica after the other. A replica that is drawn twice brings two samples of its blocks. The
    interval is that of so many replicas, not of so many blocks. As the scatter of the replicas holds that within each
    of them already, and the second drawing adds it again, it is too wide rather than too narrow where replicas differ
    by no more than their blocks do; ``benchmarks/intervals.py`` says how much.

    Fewer than `MIN_REPLICAS` replicas say nothing of their scatter: then this is `bootstrap_runs`, and `n_replicas` of
    the result is None.
    """
    n_replicas = len(replicas)
    runs = bootstrap_runs(replicas)
    if n_replicas < MIN_REPLICAS:
        return runs
    n_samples = len(runs.weights)
    drawn = rng.integers(n_replicas, size=(n_replicas, n_samples))
    weights = []
    for i, replica in enumerate(replicas):
        samples = [replica.weights[rng.permutation(len(replica.weights))[:n_samples]] for _ in drawn]
        weights.append(sum((place == i)[:, None] * sample for place, sample in zip(drawn, samples, strict=True)))
    return replace(runs, weights=np.hstack(weights), n_replicas=n_replicas)
