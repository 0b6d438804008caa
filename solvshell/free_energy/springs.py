"""Values of a coordinate sampled under springs, and the weights that they have without: MBAR, and resampled runs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from solvshell.analysis.statistics import statistical_inefficiency
from solvshell.free_energy.states import refined
from solvshell.stages import Distance, Umbrella
from solvshell.units import kT_kj_mol

Visits = tuple[NDArray[np.float64], ...]

_N_RESAMPLED = 100
_FEWEST_BLOCKS = 4
#: What so many of the resampled runs cannot say has no error.
_SELDOM_UNKNOWN = 0.05


@dataclass(frozen=True)
class Springs:
    """What the windows of a stage recorded, in Å for a distance.

    Attributes
    ----------
    centers, constants : ndarray, shape (n_springs,)
        The constants in kT per square unit.
    is_distance : bool
    visits : tuple of ndarray
        Values of each window as visited: outward through all springs, then inward; or outward alone.
    inefficiencies : tuple of float
        Values per independent one, of each visit.
    """

    centers: NDArray[np.float64]
    constants: NDArray[np.float64]
    is_distance: bool
    visits: Visits
    inefficiencies: tuple[float, ...]

    @property
    def series(self) -> list[Visits]:
        """The visits outward and, if there are, those inward, both in the order of the springs."""
        n = len(self.centers)
        outward, inward = self.visits[:n], self.visits[n:][::-1]
        return [outward, inward] if inward else [outward]

    def reduced(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the energies in kT of values under each spring, shape (n_values, n_springs)."""
        return self.constants / 2 * (values[:, None] - self.centers) ** 2

    def of_springs(self, visits: Visits) -> list[NDArray[np.float64]]:
        """Return the values of each spring from those of its visits, one or two."""
        n = len(self.centers)
        both = zip(visits[:n], visits[n:][::-1], strict=True)
        return [np.concatenate(pair) for pair in both] if len(visits) > n else list(visits)

    @property
    def _block_lengths(self) -> list[int]:
        """Twice the memory of each visit; a shorter one is cut into no fewer than four blocks."""
        return [
            max(1, min(round(2 * inefficiency), len(visit) // _FEWEST_BLOCKS))
            for visit, inefficiency in zip(self.visits, self.inefficiencies, strict=True)
        ]

    @property
    def widening(self) -> float:
        """The factor by which resampled runs scatter too little, of few blocks that remember the one before.

        Of n blocks, twice as long as the statistical inefficiency of a correlation that falls exponentially: the
        variance misses 1/n, and 1/4 (1 - exp(-4)) of what is left (see `solvshell.analysis.statistics.Bootstrap`).
        """
        n_blocks = np.median([len(visit) / n for visit, n in zip(self.visits, self._block_lengths, strict=True)])
        missed = -np.expm1(-4) / 4 if max(self.inefficiencies) > 1 else 0.0
        return float(1 / np.sqrt((1 - 1 / n_blocks) * (1 - missed)))

    def resampled(self, rng: np.random.Generator) -> Visits:
        """Return a bootstrap of every visit: blocks of its values, from anywhere in it, the end joined to the start."""
        drawn = []
        for visit, length in zip(self.visits, self._block_lengths, strict=True):
            starts = rng.integers(len(visit), size=-(-len(visit) // length))
            places = (starts[:, None] + np.arange(length)).ravel()[: len(visit)]
            drawn.append(visit[places % len(visit)])
        return tuple(drawn)


def springs_of(records: pd.DataFrame, stage: Umbrella) -> Springs:
    """Return the records of a stage; those inward only if all of these windows have been visited."""
    is_distance = isinstance(stage.coordinate, Distance)
    centers, constants = np.array(stage.springs).T
    if is_distance:
        centers, constants = 10 * centers, constants / 100
    values, window = records.iloc[:, -1].to_numpy(float), records["window"].to_numpy()
    n_rows = round(stage.sample / stage.record_interval)
    is_whole = np.count_nonzero(window == stage.n_windows - 1) == n_rows
    visits = tuple(values[window == visit] for visit in range(stage.n_windows if is_whole else len(centers)))
    return Springs(
        centers=centers,
        constants=constants / kT_kj_mol(stage.temperature),
        is_distance=is_distance,
        visits=visits,
        inefficiencies=tuple(float(statistical_inefficiency(visit)) if len(visit) else 1.0 for visit in visits),
    )


@dataclass(frozen=True)
class Unbiased:
    """Values of a coordinate, and their weights without springs, which sum to 1.

    Those of a distance are per volume of a shell of radius r, without the factor r^2 that every pair has.
    """

    values: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Of the values."""
        return float(self.weights @ self.values)

    def curve(self, edges: NDArray[np.float64], zero: tuple[float, float]) -> NDArray[np.float64]:
        """Return -ln of the density in bins, in kT, zero on average over a range; infinite in empty bins."""
        density = np.histogram(self.values, edges, weights=self.weights)[0] / np.diff(edges)
        within = (self.values >= zero[0]) & (self.values < zero[1])
        reference = self.weights[within].sum() / (zero[1] - zero[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            return -np.log(density / reference)


def _without_springs(springs: Springs, visits: Visits, start: NDArray[np.float64]) -> Unbiased:
    """Return values weighted by 1 over their density in the mixture of all springs that they come from (MBAR)."""
    of_springs = springs.of_springs(visits)
    counts = np.array([len(values) for values in of_springs])
    values = np.concatenate(of_springs)
    reduced = springs.reduced(values)
    lowest = reduced.min(axis=1, keepdims=True)
    density = np.exp(lowest - reduced) @ (counts * np.exp(refined(reduced, counts, start)))
    weights = np.exp(lowest[:, 0]) / density
    if springs.is_distance:
        weights = weights / values**2
    return Unbiased(values, weights / weights.sum())


@dataclass(frozen=True)
class Estimates:
    """The liquid without springs: from all values, from each series alone, and from each resampled run."""

    together: Unbiased
    series: tuple[Unbiased, ...]
    resampled: tuple[Unbiased, ...]
    widening: float

    def spread(self, of: Callable[[Unbiased], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the standard error of numbers, each not a number where one of two series or resampled runs have none.

        It is the larger of the spread of resampled runs, which knows what each window remembers, and half of the
        difference of two series, which knows what is remembered for longer than a window lasts.
        """
        samples = np.ma.masked_invalid([of(unbiased) for unbiased in self.resampled])
        spread = self.widening * samples.std(axis=0, ddof=1).filled(np.nan)
        if len(self.series) == 2:
            outward, inward = (of(unbiased) for unbiased in self.series)
            with np.errstate(invalid="ignore"):
                half = np.abs(outward - inward) / 2
            spread = np.where(np.isfinite(half), np.fmax(spread, half), np.nan)
        unknown = np.ma.getmaskarray(samples).mean(axis=0)
        return np.where(unknown <= _SELDOM_UNKNOWN, spread, np.nan)


def estimates(springs: Springs, start: NDArray[np.float64], rng: np.random.Generator) -> Estimates:
    """Return the liquid without springs, from a start: the free energies of the springs in kT."""
    return Estimates(
        together=_without_springs(springs, springs.visits, start),
        series=tuple(_without_springs(springs, series, start) for series in springs.series),
        resampled=tuple(_without_springs(springs, springs.resampled(rng), start) for _ in range(_N_RESAMPLED)),
        widening=springs.widening,
    )
