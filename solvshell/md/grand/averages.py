"""Averages of correlated series, with errors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Average:
    """A mean, its standard error (nan where the series cannot tell) and the independent samples behind it."""

    mean: float
    stderr: float
    n_independent: float

    def __str__(self) -> str:
        if not self.stderr > 0:
            return f"{self.mean:.6g} (no error)"
        digits = max(0, 1 - int(np.floor(np.log10(self.stderr))))
        return f"{self.mean:.{digits}f} +- {self.stderr:.{digits}f}"


def average(series: NDArray[np.float64], mean: float | None = None) -> Average:
    """Return the mean of a stationary series, shape (n,), and its error.

    The variance of the mean is sum_t (1 - |t|/n) C_t / n up to the first C_t below zero, and larger by what deviations
    from the mean of the data miss (Wolff, Comput. Phys. Commun. 156, 143 (2004)). A constant series has no error.

    Parameters
    ----------
    series
        Best the means of a few hundred blocks.
    mean : float, optional
        What the mean is called where the series is only what deviates from it.
    """
    n, center = len(series), float(series.mean())
    deviations = series - center
    variance = float(deviations @ deviations) / n
    name = center if mean is None else mean
    if n < 2 or variance <= (1e-12 * max(1.0, abs(center))) ** 2:
        return Average(name, float("nan"), 1.0)
    total, lags = variance, 1.0
    for lag in range(1, n - 1):
        covariance = float(deviations[:-lag] @ deviations[lag:]) / (n - lag)
        if covariance <= 0:
            break
        total += 2 * (1 - lag / n) * covariance
        lags += 2 * (1 - lag / n)
    of_mean = total / n / max(1 - lags / n, 1 / n)
    return Average(name, float(np.sqrt(of_mean)), float(np.clip(variance / of_mean, 1, n)))


def ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> Average:
    """Return sum(numerator) / sum(denominator) of two series, shape (n,), with an error that knows of both."""
    of_sums = float(numerator.sum() / denominator.sum())
    return average((numerator - of_sums * denominator) / denominator.mean(), of_sums)
