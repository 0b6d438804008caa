"""The arithmetic of a comparison: a system -> its difference to the reference."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from solvshell.joined.averages import Average, Basis

#: What a control says about a change of a system with polymer.
Answer = Literal["also", "not shown", "cannot tell"]


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
