"""The arithmetic of a comparison: one run -> a system of replicas -> its difference to the reference."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Basis = Literal["one run", "replicas"]

#: Replicas from which their scatter is the error; with fewer it is that of the time blocks within the runs.
MIN_REPLICAS = 3


@dataclass(frozen=True)
class Value:
    """A number of one run with its 95 % interval from time blocks; the limits are None where the run cannot tell."""

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Average:
    """A number of one system.

    `values` holds that of each replica. The basis is ``replicas`` where these are the sample, ``one run`` where the
    error comes from time blocks within the runs. `exact` is a number without error: 0 contacts with a species that is
    not in the box.
    """

    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...]
    basis: Basis | None
    exact: bool = False

    @property
    def stderr(self) -> float | None:
        """The standard error over replicas; with fewer than three, the 95 % interval as normal errors."""
        if self.low is None or self.high is None:
            return None
        if self.basis == "replicas":
            return float(stats.sem(self.values))
        return (self.high - self.low) / (2 * float(stats.norm.ppf(0.975)))


NOTHING = Average(0.0, 0.0, 0.0, (), None, exact=True)


@dataclass(frozen=True)
class Difference:
    """A difference of two systems with its 95 % interval; `p_value` and `df` only where both have replicas."""

    value: float
    low: float | None
    high: float | None
    p_value: float | None
    df: float | None
    basis: Basis

    @property
    def excludes_zero(self) -> bool:
        """Whether the 95 % interval lies on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def from_series(mean: float, stderr: float | None, n_independent: float, highest: float = math.inf) -> Value:
    """Return a number of one run from the mean of a time series, with a Student interval between 0 and `highest`.

    One degree of freedom is the least: a series with fewer than two independent samples has an interval that is too
    wide to say anything, as it should. Numbers and shares cannot leave their range, so neither does the interval.
    """
    if stderr is None or math.isnan(stderr) or math.isnan(n_independent):
        return Value(mean)
    half = stderr * float(stats.t.ppf(0.975, max(1.0, n_independent - 1)))
    return Value(mean, max(0.0, mean - half), min(highest, mean + half))


def average(values: Sequence[Value]) -> Average:
    """Return the mean over the replicas of a system and its 95 % interval.

    From three replicas on, their means are the sample (Student). With fewer, each is as good as its time blocks say:
    the two sides of their intervals are added in quadrature, which knows nothing of the scatter between boxes.
    """
    means = tuple(value.mean for value in values)
    mean = float(np.mean(means))
    if len(means) >= MIN_REPLICAS:
        half = float(stats.sem(means) * stats.t.ppf(0.975, len(means) - 1))
        known = half > 0  # equal to the last digit: replicas that are copies, and no error of zero
        return Average(mean, mean - half if known else None, mean + half if known else None, means, "replicas")
    below = [value.mean - value.low for value in values if value.low is not None]
    above = [value.high - value.mean for value in values if value.high is not None]
    if len(below) < len(values):
        return Average(mean, None, None, means, "one run")
    low, high = (float(np.linalg.norm(sides)) / len(values) for sides in (below, above))
    return Average(mean, mean - low, mean + high, means, "one run")


def difference(system: Average, reference: Average) -> Difference:
    """Return system - reference.

    Where both have three replicas or more it is Welch's t-test. Otherwise the sides of the two intervals that face each
    other are added in quadrature (the MOVER interval of Zou and Donner, 2008, which keeps an asymmetry), and there is
    no p-value.
    """
    value = system.mean - reference.mean
    if system.basis == reference.basis == "replicas":
        if np.ptp(system.values) == 0 and np.ptp(reference.values) == 0:
            return Difference(value, None, None, None, None, "replicas")
        test = stats.ttest_ind(system.values, reference.values, equal_var=False)
        interval = test.confidence_interval(0.95)
        low, high, p_value, df = (float(number) for number in (interval.low, interval.high, test.pvalue, test.df))
        return Difference(value, low, high, p_value, df, "replicas")
    bases = {side.basis for side in (system, reference) if not side.exact}
    basis: Basis = "replicas" if bases == {"replicas"} else "one run"
    limits = (system.low, system.high, reference.low, reference.high)
    if any(limit is None for limit in limits):
        return Difference(value, None, None, None, None, basis)
    own_low, own_high, its_low, its_high = (float(limit) for limit in limits if limit is not None)
    below = math.hypot(system.mean - own_low, its_high - reference.mean)
    above = math.hypot(own_high - system.mean, reference.mean - its_low)
    return Difference(value, value - below, value + above, None, None, basis)


def attribution(shift: Difference, controls: dict[str, Difference | None]) -> str:
    """Return whether a shift of a system with polymer is also seen without it.

    A control shows it too when its own difference has the same sign, and excludes zero or overlaps that of the system.
    A control without an interval, or of the other sign with an interval that reaches the shift, cannot tell.

    Parameters
    ----------
    controls
        Difference to the reference of each control by its name; None where it has none.
    """
    if not shift.excludes_zero:
        return "no shift beyond the error"
    if not controls:
        return "polymer and its anion cannot be told apart: no control without polycation"
    return "; ".join(_seen_in(name, control, shift) for name, control in controls.items())


def _seen_in(name: str, control: Difference | None, shift: Difference) -> str:
    if control is None or control.low is None or control.high is None:
        return f"{name} cannot tell"
    assert shift.low is not None
    assert shift.high is not None
    overlaps = control.low <= shift.high and shift.low <= control.high
    if control.value * shift.value > 0:
        return f"also without polycation ({name})" if control.excludes_zero or overlaps else f"not shown by {name}"
    return f"{name} cannot tell" if overlaps else f"not shown by {name}"
