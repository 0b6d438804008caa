"""The arithmetic of replicas: a number of one run -> the mean over the replicas of a system, with its interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from solvshell.analysis.statistics import MIN_REPLICAS, confidence_interval

Basis = Literal["one run", "replicas"]


@dataclass(frozen=True)
class Value:
    """A number of one run with its 95 % interval from time blocks, its own standard error, and what that rests on.

    What the run cannot tell is None.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    stderr: float | None = None
    n_independent: float | None = None


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
    return Value(mean, max(lowest, low), min(highest, high), float(stderr), float(n_independent))


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
