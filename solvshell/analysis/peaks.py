"""The first shell in a g(r): whether there is one, where its peak lies, and where it ends."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numba
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.stats import poisson

from solvshell.analysis.geometry import BIN_ANGSTROM, CAPTURE_ANGSTROM, FINE_PER_BIN, Contacts
from solvshell.analysis.rdf import PairCounts
from solvshell.analysis.statistics import MIN_BLOCKS, Bootstrap

Status = Literal["resolved", "no_shell", "too_few_samples"]

WINDOW_ANGSTROM = 0.10
SMOOTHING_ANGSTROM = 0.03
#: A peak beyond this distance is no contact of a center with a site.
FARTHEST_PEAK_ANGSTROM = CAPTURE_ANGSTROM
#: An ammonium nitrogen is wrapped in its alkyl groups: oxygens stand 4 to 5.5 Å from it, whole anions farther.
FARTHEST_REFERENCE_PEAK_ANGSTROM = 8.0
#: A peak stands out by so many Poisson errors, by this share of its height, and is no lower than this g.
PEAK_SIGNIFICANCE = 5.0
PEAK_SHARE = 0.2
PEAK_LOWEST_G = 0.2
#: ... and by so many bootstrap errors, or it has too few samples.
BOOTSTRAP_SIGNIFICANCE = 3.0
#: Pairs that are more than an even distribution has with this probability, and fall by so many errors behind, hint at a
#: shell; then its absence is not a result.
CERTAIN_EXCESS = 1e-4
HINT_SIGNIFICANCE = 2.0
#: The second shell rises by so many errors above the lowest g behind the peak.
RISE_SIGNIFICANCE = 3.0
MIN_COUNTS = 100
_MINIMUM_SAMPLES = 100
_smoothed = partial(gaussian_filter1d, sigma=SMOOTHING_ANGSTROM / BIN_ANGSTROM, mode="constant", axis=-1)


@dataclass(frozen=True)
class Shell:
    """The first peak of a g(r) in Å; every number is None unless the status is `resolved`."""

    status: Status
    peak: float | None = None
    ci95: tuple[float, float] | None = None
    g_peak: float | None = None
    first_minimum: float | None = None
    n_counts: int | None = None
    peak_with: dict[str, float | None] | None = None
    stderr: float | None = None
    first_minimum_stderr: float | None = None


def _smooth(pair: PairCounts, bootstrap: Bootstrap) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return g(r) smoothed by a Gaussian, its Poisson error and its bootstrap error, each of shape (n_bins,).

    Counts and shell volumes are smoothed apart, so that a steep shell volume moves nothing. An empty stretch has the
    error of one count.
    """
    sigma = SMOOTHING_ANGSTROM / BIN_ANGSTROM
    volume, blocks = _smoothed(pair.shell_volume), _smoothed(pair.counts.astype(float))
    even = pair.density.sum() * volume
    # The square of a Gaussian of width s is one of width s/sqrt(2) over 2 sqrt(pi) s.
    counts = pair.counts.sum(axis=0).astype(float)
    variance = gaussian_filter1d(counts, sigma / np.sqrt(2), mode="constant") / (2 * np.sqrt(np.pi) * sigma)
    one_count = 1 / (2 * np.pi * sigma**2)
    spread = bootstrap.stderr_of_ratio(blocks, pair.density) / volume
    return blocks.sum(axis=0) / even, np.sqrt(np.maximum(variance, one_count)) / even, spread


def _first_peak(g: np.ndarray, error: np.ndarray) -> tuple[int, int] | None:
    """Return the bins of the first maximum that stands out and of the point where g has fallen far enough to tell."""
    top = 0
    for k in range(len(g)):
        if g[k] > g[top]:
            top = k
        elif g[top] - g[k] > max(PEAK_SIGNIFICANCE * np.hypot(error[top], error[k]), PEAK_SHARE * g[top]):
            if g[top] >= PEAK_LOWEST_G:
                return top, k
            top = k
    return None


@numba.njit(cache=True)
def _end_behind(top: int, n_bins: int) -> int:
    """Return the bin before which the second shell rises: within twice the distance of the first.

    A site on its center (a virtual site, a shell on its core) has its peak in the first bins: then within the window.
    """
    return min(max(2 * top, top + round(WINDOW_ANGSTROM / BIN_ANGSTROM)), n_bins)


@numba.njit(cache=True)
def _first_minimum(g: np.ndarray, error: np.ndarray, top: int) -> tuple[float, int]:
    """Return the end of the first shell as a fractional bin, and the lowest bin behind its peak.

    It is the middle of the bins between the peak and the rise of the second shell whose g is within its error of the
    lowest.
    """
    end = _end_behind(top, len(g))
    low = top
    for k in range(top, end):
        if g[k] < g[low]:
            low = k
        elif g[k] - g[low] > RISE_SIGNIFICANCE * np.hypot(error[k], error[low]):
            end = k
            break
    lowest = top + np.flatnonzero(g[top:end] - g[low] <= error[top:end])
    return float(lowest[0] + lowest[-1]) / 2, low


def _minimum_stderr(pair: PairCounts, bootstrap: Bootstrap, error: np.ndarray, top: int) -> float:
    """Return the standard error of the first minimum in Å: it is found again in some of the bootstrap samples."""
    few = replace(bootstrap, weights=bootstrap.weights[:_MINIMUM_SAMPLES])
    counts, volume = _smoothed(pair.counts.astype(float)), _smoothed(pair.shell_volume)
    samples = few.resample(counts) / (few.resample(pair.density)[:, None] * volume)
    ends = np.array([_first_minimum(g, error, top)[0] for g in samples])
    return float(few.stderr(ends)) * BIN_ANGSTROM


def _fit_peaks(r: np.ndarray, counts: np.ndarray, volume: np.ndarray, tops: np.ndarray, window: float) -> np.ndarray:
    """Return the maximum of a cubic through ln g around each top, in Å; not a number where there is none.

    Bins are weighted by their counts, the inverse variance of ln g. All fits are solved at once.

    Parameters
    ----------
    r, volume
        Middle of each bin in Å and what divides its counts, shape (n_bins,); a factor in g moves no maximum.
    counts
        Shape (n_samples, n_bins).
    tops
        The bin in the middle of each window, shape (n_samples,).
    """
    half = round(window / (r[1] - r[0]))
    steps = np.arange(-half, half + 1)
    bins = tops[:, None] + steps
    inside = (bins >= 0) & (bins < len(r))
    bins = np.where(inside, bins, 0)
    weights = np.where(inside, np.take_along_axis(counts, bins, axis=1), 0.0)
    ln_g = np.log(np.where(weights > 0, weights, 1.0) / volume[bins])
    powers = (steps / half)[:, None] ** np.arange(7)
    moments = (weights @ powers)[:, np.add.outer(range(4), range(4))]
    fitted = (weights > 0).sum(axis=1) >= 5
    moments[~fitted] = np.eye(4)
    _, c1, c2, c3 = np.linalg.solve(moments, ((weights * ln_g) @ powers[:, :4])[..., None])[..., 0].T
    with np.errstate(invalid="ignore", divide="ignore"):
        # The root of the slope c1 + 2 c2 x + 3 c3 x^2 at which the curvature is negative, without a small divisor.
        x = c1 / (np.sqrt(c2**2 - 3 * c3 * c1) - c2)
        return np.where(fitted & (np.abs(x) <= 1), r[tops] + x * half * (r[1] - r[0]), np.nan)


def _fit_peak(pair: PairCounts, near: float, window: float) -> float:
    top = np.array([int(np.abs(pair.r - near).argmin())])
    return float(_fit_peaks(pair.r, pair.counts.sum(axis=0)[None].astype(float), pair.shell_volume, top, window)[0])


def _refit(pair: PairCounts, bootstrap: Bootstrap, near: float, window: float) -> np.ndarray:
    """Return the peak of each bootstrap sample in Å, each fitted around its own highest smoothed bin."""
    around = np.abs(pair.r - near) <= 4 * window
    r, volume = pair.r[around], pair.shell_volume[around]
    counts = bootstrap.resample(pair.counts[:, around])
    sigma = SMOOTHING_ANGSTROM / BIN_ANGSTROM
    smoothed = gaussian_filter1d(counts, sigma, axis=1) / gaussian_filter1d(volume, sigma)
    smoothed[:, np.abs(r - near) > 2 * window] = 0
    tops = smoothed.argmax(axis=1)
    fitted = _fit_peaks(r, counts, volume, tops, window)
    # A sample so noisy that its cubic has no maximum still has a highest bin; without it the spread would look smaller.
    return np.where(np.isnan(fitted), r[tops], fitted)


def _effects(fine: PairCounts, near: float) -> dict[str, float | None]:
    """Return the peak in Å with bin and window halved and doubled."""
    variants = {
        "bin_halved": (FINE_PER_BIN // 2, 1.0),
        "bin_doubled": (FINE_PER_BIN * 2, 1.0),
        "window_halved": (FINE_PER_BIN, 0.5),
        "window_doubled": (FINE_PER_BIN, 2.0),
    }
    whole = replace(fine, counts=fine.counts.sum(axis=0, keepdims=True))
    peaks = {}
    for name, (factor, wider) in variants.items():
        peak = _fit_peak(whole.rebinned(factor), near, WINDOW_ANGSTROM * wider)
        peaks[name] = None if np.isnan(peak) else peak
    return peaks


def _hints_at_shell(pair: PairCounts, contact: np.ndarray, g: np.ndarray, error: np.ndarray) -> bool:
    """Return whether some pairs in contact are surely more than an even distribution has, and fewer again behind.

    That is no established peak, and no absence of one either: an ion pair or two that live through a short run.
    """
    half = round(WINDOW_ANGSTROM / BIN_ANGSTROM)
    counts, even = (
        np.convolve(values, np.ones(2 * half + 1), mode="same") for values in (pair.counts.sum(axis=0), pair.even)
    )
    sure = contact & (poisson.sf(counts - 1, even) < CERTAIN_EXCESS)
    if not sure.any():
        return False
    top = int(np.where(sure, g, 0).argmax())
    behind = g[top : _end_behind(top, len(g))]
    low = top + int(behind.argmin())
    return bool(g[top] - g[low] > max(HINT_SIGNIFICANCE * np.hypot(error[top], error[low]), PEAK_SHARE * g[top]))


def first_shell(fine: PairCounts, bootstrap: Bootstrap, farthest: float = FARTHEST_PEAK_ANGSTROM) -> Shell:
    """Return the first shell of a pair.

    The first peak is the first maximum of smoothed g(r) (Gaussian, 0.03 Å) within `farthest` Å (8 Å of a reference
    center) and not below 0.2, behind which g falls by more than 5 Poisson errors and more than a fifth of its height.
    Its position is the maximum of a cubic fit to ln g within 0.10 Å of the highest bin, refitted in every bootstrap
    sample for the 95 % interval. Its first minimum is the middle of the stretch where smoothed g is within its error
    of the lowest value behind the peak; its standard error is that over bootstrap samples.

    ``no_shell``
        There is no such peak, although an even distribution would put 100 pairs so near, and nothing hints at one; or
        molecules come and go, and none of these was ever there.
    ``too_few_samples``
        An even distribution would put fewer; or there is a peak, but its window holds fewer than 100 pairs, the run
        has fewer than 8 blocks, the peak stands out by less than 3 bootstrap errors, or the fit has no maximum.
    ``resolved``
        Otherwise.
    """
    if not fine.density.any():
        return Shell("no_shell")
    pair = fine.rebinned(FINE_PER_BIN)
    g, poisson_error, spread = _smooth(pair, bootstrap)
    contact = pair.r <= (FARTHEST_REFERENCE_PEAK_ANGSTROM if pair.center.reference else farthest)
    found = _first_peak(g, poisson_error)
    if found is None or not contact[found[0]]:
        seen = pair.even[contact].sum() >= MIN_COUNTS and not _hints_at_shell(pair, contact, g, poisson_error)
        return Shell("no_shell" if seen else "too_few_samples")
    top = found[0]
    error = np.fmax(poisson_error, spread)
    end, low = _first_minimum(g, error, top)
    near = float(pair.r[top])
    n_counts = int(pair.counts[:, np.abs(pair.r - near) <= WINDOW_ANGSTROM].sum())
    stands_out = g[top] - g[low] > BOOTSTRAP_SIGNIFICANCE * np.hypot(error[top], error[low])
    if n_counts < MIN_COUNTS or bootstrap.n_draws < MIN_BLOCKS or not stands_out:
        return Shell("too_few_samples")
    peak = _fit_peak(pair, near, WINDOW_ANGSTROM)
    if np.isnan(peak):
        return Shell("too_few_samples")
    refitted = _refit(pair, bootstrap, near, WINDOW_ANGSTROM)
    ci95, stderr = bootstrap.interval(peak, refitted), float(bootstrap.stderr(refitted))
    minimum = float(pair.edges[0] + (end + 0.5) * BIN_ANGSTROM)
    minimum_stderr = _minimum_stderr(pair, bootstrap, error, top)
    effects = _effects(fine, near)
    return Shell("resolved", peak, ci95, float(g[top]), minimum, n_counts, effects, stderr, minimum_stderr)


def pairs_at_peak(pair: PairCounts, j: int, shell: Shell, contacts: Contacts, n_frames: int) -> np.ndarray:
    """Return the pairs of each center in the window of the fit, in every frame, shape (n_frames, n_members).

    What a peak remembers, these do: who stands there, and how far.

    Parameters
    ----------
    j
        The index of the site.
    contacts
        All, up to behind the window at least.
    """
    assert shell.peak is not None
    members = pair.center.members
    inside = (contacts.site == j) & (np.abs(contacts.distance - shell.peak) <= WINDOW_ANGSTROM)
    inside &= (contacts.center >= members.start) & (contacts.center < members.stop)
    rows = np.flatnonzero(inside)
    shape = (n_frames, members.stop - members.start)
    at = np.ravel_multi_index((contacts.frame[rows], contacts.center[rows] - members.start), shape)
    return np.bincount(at, minlength=shape[0] * shape[1]).reshape(shape)
