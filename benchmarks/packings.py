"""Numbers of several packings of boxes of several sizes: means, errors, and which sizes differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Found:
    """A number of one packing, and its error within the run where that is known."""

    value: float
    stderr: float | None = None

    @property
    def within(self) -> float:
        """The error within the run, 0 where it is not known."""
        return self.stderr if self.stderr is not None and np.isfinite(self.stderr) else 0.0


@dataclass(frozen=True)
class Level:
    """The mean over the packings of one size with its standard error, and how many packings have the number."""

    value: float
    stderr: float
    n_boxes: int


@dataclass(frozen=True)
class Sizes:
    """A number at each size, and the degrees of freedom of the scatter between packings."""

    levels: Mapping[int, Level]
    degrees: int

    def difference(self, one: int, other: int) -> tuple[float, float]:
        """Return the number at one size less that at another, and half its 95 % interval."""
        first, second = self.levels[one], self.levels[other]
        half = stats.t.ppf(0.975, self.degrees) * np.hypot(first.stderr, second.stderr)
        return first.value - second.value, float(half)


def compare_sizes(packings: Mapping[int, Sequence[Found]]) -> Sizes:
    r"""Return a number at each size with its error.

    What is counted per ion, or per volume, is a mean over n_salt surroundings, so packings of n_salt ions scatter by
    s / sqrt(n_salt), and all sizes tell the one s:

    .. math:: s^2 = \sum_{n, i} n (x_{n, i} - \bar x_n)^2 / \sum_n (K_n - 1)

    The error of the mean over K packings is s / sqrt(K n), also where K = 1; or that within the runs where it is
    larger, as it is for what fluctuates fast in a short run.

    Parameters
    ----------
    packings
        By n_salt; sizes without a packing that has the number are left out.

    Raises
    ------
    ValueError
        If no size has two packings: then nothing is known of the scatter.
    """
    known = {n: [found for found in several if np.isfinite(found.value)] for n, several in packings.items()}
    known = {n: several for n, several in known.items() if several}
    degrees = sum(len(several) - 1 for several in known.values())
    if degrees < 1:
        raise ValueError("no size has two packings: their scatter is unknown")
    means = {n: float(np.mean([found.value for found in several])) for n, several in known.items()}
    squares = sum(n * (found.value - means[n]) ** 2 for n, several in known.items() for found in several)
    levels = {}
    for n, several in known.items():
        between = np.sqrt(squares / degrees / (n * len(several)))
        within = np.linalg.norm([found.within for found in several]) / len(several)
        levels[n] = Level(means[n], float(max(between, within)), len(several))
    return Sizes(levels, degrees)
