"""The arithmetic of a comparison: one run -> a system of replicas -> its difference to the reference."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from solvshell.analysis.statistics import MIN_REPLICAS, confidence_interval

Basis = Literal["one run", "replicas"]
#: What a control says about a change of a system with polymer.
Answer = Literal["also", "not shown", "cannot tell"]


@dataclass(frozen=True)
class Value:
    """A number of one run with its 95 % interval from time blocks and the run's own standard error.

    What the run cannot tell is None.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    stderr: float | None = None


@dataclass(frozen=True)
class Average:
    """A number of one system.

    `values` holds that of each replica. The basis is ``replicas`` where these are the sample, ``one run`` where the
    error comes from time blocks within the runs. `exact` is a number without error: 0 contacts with a species that is
    not in the box. `stderr` is the standard error of the mean over replicas, else that of the runs themselves; it is no
    fixed part of the interval, which knows how few independent samples there are.
    """

    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...]
    basis: Basis | None
    exact: bool = False
    stderr: float | None = None


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


def from_series(
    mean: float, stderr: float | None, n_independent: float, highest: float = math.inf, lowest: float = 0.0
) -> Value:
    """Return a number of one run from the mean of a time series, with the interval of `confidence_interval`.

    Numbers and shares cannot leave their range, so neither does the interval; one between 0 and 1 is that of a share.
    """
    if stderr is None or math.isnan(stderr) or math.isnan(n_independent):
        return Value(mean)
    is_share = (lowest, highest) == (0.0, 1.0) and 0 < mean < 1
    low, high = confidence_interval(mean, stderr, n_independent, is_share=is_share)
    return Value(mean, max(lowest, low), min(highest, high), float(stderr))


def average(values: Sequence[Value]) -> Average:
    """Return the mean over the replicas of a system and its 95 % interval.

    From three replicas on, their means are the sample (Student). With fewer, each is as good as its time blocks say:
    the two sides of their intervals are added in quadrature, which knows nothing of the scatter between boxes.
    """
    means = tuple(value.mean for value in values)
    mean = float(np.mean(means))
    if len(means) >= MIN_REPLICAS:
        sem = float(stats.sem(means))
        if sem == 0:  # equal to the last digit is no error of zero
            return Average(mean, None, None, means, "replicas")
        half = sem * float(stats.t.ppf(0.975, len(means) - 1))
        return Average(mean, mean - half, mean + half, means, "replicas", stderr=sem)
    own = [value.stderr for value in values if value.stderr is not None]
    stderr = float(np.linalg.norm(own)) / len(values) if len(own) == len(values) else None
    below = [value.mean - value.low for value in values if value.low is not None]
    above = [value.high - value.mean for value in values if value.high is not None]
    if len(below) < len(values):
        return Average(mean, None, None, means, "one run", stderr=stderr)
    low, high = (float(np.linalg.norm(sides)) / len(values) for sides in (below, above))
    return Average(mean, mean - low, mean + high, means, "one run", stderr=stderr)


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


def answer(shift: Difference, control: Difference | None) -> Answer:
    """Return what a control says about a shift that excludes zero.

    It shows the shift ``also`` only if its own interval excludes zero with the same sign. One that holds zero and
    overlaps that of the shift ``cannot tell``, as one without an interval. Else it excludes a change as large as the
    shift, or goes the other way: ``not shown``.
    """
    if control is None or control.low is None or control.high is None or shift.low is None or shift.high is None:
        return "cannot tell"
    if control.excludes_zero:
        return "also" if control.value * shift.value > 0 else "not shown"
    overlaps = control.low <= shift.high and shift.low <= control.high
    return "cannot tell" if overlaps else "not shown"
