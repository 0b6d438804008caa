"""When has a stage equilibrated? A stated test on its density and potential energy, from the rows of its log."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solvshell.errors import InvalidInput
from solvshell.stages import Until
from solvshell.units import DALTON_PER_NM3

_COLUMNS = ("time_ps", "density_g_cm3", "volume_nm3", "potential_kj_mol")

#: an autocorrelation may be negative at the first lags without being over, in rows (as in pymbar)
_SHORTEST_MEMORY = 3
#: slow changes under fast noise are looked for in the means of so many blocks of rows
_SLOW_BLOCKS = 64
#: ... and believed if neighbouring ones are correlated by so many standard errors
_SLOW_SIGNIFICANCE = 3.0
#: starts that are tried for the part to keep, evenly over the first half
_STARTS = 26
#: standard errors beyond which a difference of the first and last third is a drift
_DRIFT = 2.0
#: one-sided 95 %: what a drift may be, given its error
_AT_MOST = 1.645


@dataclass(frozen=True)
class StageLog:
    """The rows of one stage in ``log.csv``, shape (n_rows,)."""

    time_ps: NDArray[np.float64]
    density_g_cm3: NDArray[np.float64]
    volume_nm3: NDArray[np.float64]
    potential_kj_mol: NDArray[np.float64]

    @property
    def potential_j_g(self) -> NDArray[np.float64]:
        """Potential energy of a gram, shape (n_rows,)."""
        mass = self.density_g_cm3 * self.volume_nm3 / DALTON_PER_NM3
        return 1000 * self.potential_kj_mol / mass


@dataclass(frozen=True)
class Verdict:
    """Whether a stage has equilibrated, why in words, and the time at its start that is not yet equilibrium."""

    is_equilibrated: bool
    words: str
    discard_ps: float


def read_stage(log_path: Path, stage_name: str) -> StageLog:
    """Return the rows of a stage; a last line that is not whole is left out.

    Raises
    ------
    InvalidInput
        If there are none.
    """
    whole_lines = log_path.read_text().rpartition("\n")[0].splitlines()
    rows = [
        [float(row[column]) for column in _COLUMNS] for row in csv.DictReader(whole_lines) if row["stage"] == stage_name
    ]
    if not rows:
        raise InvalidInput(f"{log_path}: has no rows of stage {stage_name}")
    return StageLog(*np.array(rows).T)


def _inefficiency(series: NDArray[np.float64], shortest_memory: int) -> float:
    """Return 1 + 2 sum_t (1 - t/n) C_t/C_0 up to the first C_t below zero (Chodera et al., JCTC 3, 26 (2007))."""
    n_rows = len(series)
    deviation = series - series.mean()
    if not deviation.any():
        return float(n_rows)
    spectrum = np.fft.rfft(deviation, 1 << (2 * n_rows - 1).bit_length())
    lags = np.arange(n_rows)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2)[:n_rows] / (n_rows - lags)
    ends = np.flatnonzero((covariance <= 0) & (lags > shortest_memory))
    used = slice(1, ends[0] if len(ends) else n_rows - 1)
    return max(1.0, 1 + 2 * float((covariance[used] * (1 - lags[used] / n_rows)).sum()) / float(covariance[0]))


def statistical_inefficiency(series: NDArray[np.float64]) -> float:
    """Return the number of rows per independent sample of a stationary series.

    A weak slow change drowns in fast noise, whose autocorrelation falls below zero by chance long before the end. In
    the means of blocks of rows the noise is gone: where neighbouring ones are surely correlated, they say it.
    """
    fast = _inefficiency(series, _SHORTEST_MEMORY)
    size = len(series) // _SLOW_BLOCKS
    if size < 2:
        return fast
    blocks = series[: size * _SLOW_BLOCKS].reshape(_SLOW_BLOCKS, size).mean(axis=1)
    deviation = blocks - blocks.mean()
    if (deviation[1:] * deviation[:-1]).sum() <= _SLOW_SIGNIFICANCE / np.sqrt(_SLOW_BLOCKS) * (deviation**2).sum():
        return fast
    return max(fast, _inefficiency(blocks, 0) * size * float(blocks.var() / series.var()))


def start_of_equilibrium(series: NDArray[np.float64]) -> int:
    """Return the row, of the first half, from which the rest holds the most independent samples.

    That of Chodera, JCTC 12, 1799 (2016), who looks beyond the half too.
    """
    starts = np.unique(np.linspace(0, len(series) / 2, _STARTS).astype(int))
    n_independent = [(len(series) - start) / _inefficiency(series[start:], _SHORTEST_MEMORY) for start in starts]
    return int(starts[int(np.argmax(n_independent))])


@dataclass(frozen=True)
class _Quantity:
    """One of the series that are judged, with the drift that it may have."""

    name: str
    unit: str
    values: NDArray[np.float64]
    at_most: float

    def from_row(self, start: int) -> "_Quantity":
        return _Quantity(self.name, self.unit, self.values[start:], self.at_most)

    def in_words(self) -> str:
        """Return mean and standard error."""
        error = self.values.std() * np.sqrt(statistical_inefficiency(self.values) / len(self.values))
        return f"{self.name} {self.values.mean():.6g} +- {error:.2g} {self.unit}"

    def objection(self, n_needed: int) -> str | None:
        """Return what speaks against a stationary series, in words, or None."""
        if len(self.values) < n_needed:
            return f"{self.name}: {len(self.values)} rows of the log, fewer than {n_needed} samples"
        # A drift makes a series look correlated: its error is that of what fluctuates about the straight line.
        rows = np.arange(len(self.values))
        rest = self.values - np.polyval(np.polyfit(rows, self.values, 1), rows)
        n_independent = len(rest) / statistical_inefficiency(rest)
        if n_independent < n_needed:
            return f"{self.name}: {n_independent:.0f} independent samples of {n_needed}"
        third = len(self.values) // 3
        drift = float(self.values[-third:].mean() - self.values[:third].mean())
        error = float(rest.std()) * np.sqrt(6 / n_independent)
        said = f"{self.name}: from first to last third {drift:+.2g} +- {error:.2g} {self.unit}"
        if abs(drift) > _DRIFT * error:
            return f"{said}, which is a drift"
        if abs(drift) + _AT_MOST * error > self.at_most:
            return f"{said}, not surely below {self.at_most:g}"
        return None


def _quantities(until: Until, log: StageLog) -> list[_Quantity]:
    """Return the energy, and the density where the volume changes."""
    energy = _Quantity("energy", "J/g", log.potential_j_g, until.energy)
    density = _Quantity("density", "g/cm3", log.density_g_cm3, until.density)
    return [energy] if np.ptp(log.volume_nm3) == 0 else [density, energy]


def judge(until: Until, log: StageLog) -> Verdict:
    """Return whether a stage has equilibrated by the criterion `until`.

    At most half of the stage is dropped from its start, so that the most independent samples are left, by the quantity
    that needs more dropped. Of each quantity the rest must hold `n_independent` independent samples, and the difference
    between the means of its first and last third must be compatible with zero (within two standard errors) and, at its
    upper 95 % bound, smaller than the tolerance: a difference that is small only because its error is large is no
    pass. What relaxes much more slowly than the stage is long is seen by no such test.
    """
    quantities = _quantities(until, log)
    start = max(start_of_equilibrium(quantity.values) for quantity in quantities)
    discard_ps = float(log.time_ps[start - 1]) if start else 0.0
    kept = [quantity.from_row(start) for quantity in quantities]
    objections = [words for quantity in kept if (words := quantity.objection(until.n_independent))]
    if objections:
        return Verdict(False, f"not equilibrated: {'; '.join(objections)}", discard_ps)
    means = ", ".join(quantity.in_words() for quantity in kept)
    return Verdict(True, f"equilibrated, without its first {discard_ps:g} ps: {means}", discard_ps)


def mean_volume(log: StageLog) -> float:
    """Return the mean volume in nm3 of a stage without its start, which is found as in `judge`, of the volume alone."""
    return float(log.volume_nm3[start_of_equilibrium(log.volume_nm3) :].mean())
