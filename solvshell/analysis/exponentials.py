"""One or two exponentials through a decay, and the area under it."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from solvshell.analysis.decays import Resampled
from solvshell.analysis.statistics import Estimate

#: A decay is fitted and integrated until it has fallen to this; later values are mostly noise.
FOLLOWED_TO = 0.05
#: Of the area under its exponentials no more than this may lie beyond the last lag that can be watched. It is that of
#: one exponential in a run of four times its time.
MOST_BEYOND = float(np.exp(-2))
#: An integral of fewer departures is not given: with so few, those decays look finished that happened to fall soon.
FEWEST_DEPARTURES = 10
#: A time of more than so many times the last lag is not given: the fit would be all extrapolation.
LONGEST_LAGS = 10.0
_FEWEST_LAGS = 6
_GRID = 40
#: Shorter times, in steps between frames, leave no trace in the frames.
_SHORTEST_STEPS = 0.25


@dataclass(frozen=True)
class Exponentials:
    """The fit ``a exp(-t / fast) + (1 - a) exp(-t / slow)``, where `share_fast` is a.

    Where the data do not support two exponentials `share_fast` and `fast_ps` are None. `mean_ps` is the area,
    ``a fast + (1 - a) slow``. A `fast_ps` without error is an upper limit: a quarter of the time between frames.
    """

    share_fast: Estimate | None
    fast_ps: Estimate | None
    slow_ps: Estimate
    mean_ps: Estimate


@dataclass(frozen=True)
class Area:
    """The exponentials of a decay and its integral; None with a `reason` where the run cannot tell."""

    fit: Exponentials | None
    integral_ps: Estimate | None
    reason: str | None


def _model(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return the exponentials of x = (a, ln fast, ln slow)."""
    return x[0] * np.exp(-t / np.exp(x[1])) + (1 - x[0]) * np.exp(-t / np.exp(x[2]))


def _slopes(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return the derivatives of the model, shape (n_lags, 3)."""
    u, v = t / np.exp(x[1]), t / np.exp(x[2])
    return np.column_stack([np.exp(-u) - np.exp(-v), x[0] * u * np.exp(-u), (1 - x[0]) * v * np.exp(-v)])


def _starts(t: np.ndarray, y: np.ndarray, ln_times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the best single and the best two exponentials among times on a grid; the share is linear, so exact."""
    decays = np.exp(-t / np.exp(ln_times)[:, None])
    slow = int(((decays - y) ** 2).sum(axis=1).argmin())
    i, j = np.triu_indices(len(ln_times), 1)
    apart = decays[i] - decays[j]
    left = y - decays[j]
    share = np.clip((left * apart).sum(axis=1) / (apart**2).sum(axis=1), 0, 1)
    best = int(((left - share[:, None] * apart) ** 2).sum(axis=1).argmin())
    single = np.array([0.0, ln_times[0], ln_times[slow]])
    return single, np.array([share[best], ln_times[i[best]], ln_times[j[best]]])


def _least_squares(
    start: np.ndarray, free: np.ndarray, t: np.ndarray, y: np.ndarray, ln_times: np.ndarray
) -> np.ndarray:
    low, high = np.array([0, ln_times[0], ln_times[0]]), np.array([1, ln_times[-1], ln_times[-1]])

    def whole(part: np.ndarray) -> np.ndarray:
        x = start.copy()
        x[free] = part
        return np.clip(x, low, high)

    # From a start this good the bounds hardly matter, and without them the fit takes a fifth of the time.
    found = least_squares(
        lambda part: _model(whole(part), t) - y,
        start[free],
        jac=lambda part: _slopes(whole(part), t)[:, free],
        method="lm",
    )
    return whole(found.x)


def _with_errors(x: np.ndarray, free: np.ndarray, t: np.ndarray, decay: Resampled) -> Resampled:
    """Return the parameters with samples: one Gauss-Newton step from the fit for each sample of the decay."""
    steps = np.zeros((3, len(t)))
    steps[free] = np.linalg.pinv(_slopes(x, t)[:, free])
    return decay.through(x, steps)


def _fit(t: np.ndarray, decay: Resampled) -> Resampled:
    """Return (a, ln fast, ln slow) with samples; a is 0 unless two exponentials stand apart by two standard errors.

    A fast time too short to leave a trace in the frames is held there, without error; its share is known all the same.
    """
    y = decay.values
    ln_times = np.linspace(np.log(_SHORTEST_STEPS * t[1]), np.log(100 * t[-1]), _GRID)
    single, double = _starts(t, y, ln_times)
    if len(t) >= _FEWEST_LAGS:
        x = _least_squares(double, np.ones(3, bool), t, y, ln_times)
        two = _with_errors(x, np.array([True, x[1] > ln_times[0], True]), t, decay)
        gaps = two.through(np.array([x[0], 1 - x[0], x[2] - x[1]]), np.array([[1, 0, 0], [-1, 0, 0], [0, -1, 1]]))
        if (gaps.values > 2 * gaps.stderr).all():
            return two
    free = np.array([False, False, True])
    return _with_errors(_least_squares(single, free, t, y, ln_times), free, t, decay)


def _estimates(numbers: Resampled, n_independent: int) -> list[Estimate]:
    errors = [float(error) if error > 0 else None for error in numbers.stderr]
    return [Estimate(float(v), e, float(n_independent)) for v, e in zip(numbers.values, errors, strict=True)]


def _exponentials(fitted: Resampled, n_independent: int) -> Exponentials:
    a, fast, slow = fitted.values[0], np.exp(fitted.values[1]), np.exp(fitted.values[2])
    numbers = np.array([a, fast, slow, a * fast + (1 - a) * slow])
    slopes = np.array([[1, 0, 0], [0, fast, 0], [0, 0, slow], [fast - slow, a * fast, (1 - a) * slow]])
    share, fast_ps, slow_ps, mean = _estimates(fitted.through(numbers, slopes), n_independent)
    return Exponentials(share if a else None, fast_ps if a else None, slow_ps, mean)


def _share_beyond(fitted: Resampled, last_ps: float) -> float:
    """Return the share of the area under the exponentials that lies beyond a lag."""
    areas = np.array([fitted.values[0], 1 - fitted.values[0]]) * np.exp(fitted.values[1:])
    return float(areas @ np.exp(-last_ps / np.exp(fitted.values[1:])) / areas.sum())


def _integral(t: np.ndarray, decay: Resampled, fitted: Resampled, n_independent: int) -> Estimate:
    share = np.array([fitted.values[0], 1 - fitted.values[0]])
    times = np.exp(fitted.values[1:])
    rest = times * np.exp(-t[-1] / times)
    slopes = np.array([rest[0] - rest[1], *(share * rest * (1 + t[-1] / times))])
    tail = fitted.through(np.array([share @ rest]), slopes[None])
    weights = np.convolve(np.diff(t), [0.5, 0.5])
    total = decay.samples @ weights + tail.samples[..., 0]
    area = Resampled(decay.values @ weights + tail.values, total[..., None], decay.widening)
    return _estimates(area, n_independent)[0]


def area_of(lags_ps: np.ndarray, decay: Resampled, n_departures: int) -> Area:
    """Return the exponentials of a decay from one to zero, and its integral.

    Both follow the decay until it has fallen to `FOLLOWED_TO`, or to the last lag. The fit is by least squares with
    equal weights, `lags_ps` being thin where they are long; 0 <= a <= 1, fast <= slow. It is not given where the slow
    time exceeds the last lag `LONGEST_LAGS` times, or its error is a factor of e. Errors come from the samples of the
    decay to first order, so they know how the values at different lags move together.

    The integral is by the trapezoid rule, plus the area beyond under the exponentials. It is given where no more than
    `MOST_BEYOND` of the area lies beyond the lags that can be watched, and at least `FEWEST_DEPARTURES` were seen. Runs
    that just pass are those whose decay fell soon by chance: of runs of four residence times about half have an
    integral, in the median 5 to 10 % too small; of runs of two none, and of runs of six all have one, without bias
    (``tests/analysis/test_residence.py``, 20 centers and 20 bound molecules).

    Parameters
    ----------
    lags_ps
        From zero, shape (n_lags,).
    decay
        Values and samples at these lags; not numbers where nothing could be watched.
    n_departures
        The independent samples behind it.
    """
    known = np.isfinite(decay.values)
    n_known = len(known) if known.all() else int(known.argmin())
    if n_known < 2:
        return Area(None, None, "there are too few frames")
    if n_departures == 0:
        return Area(None, None, "nobody left")
    fallen = np.flatnonzero(decay.values[:n_known] <= FOLLOWED_TO)
    n = min(n_known, max(_FEWEST_LAGS, fallen[0] + 1)) if len(fallen) else n_known
    t = lags_ps[:n]
    decay = Resampled(decay.values[:n], decay.samples[..., :n], decay.widening)
    fitted = _fit(t, decay)
    slow_ps, error = np.exp(fitted.values[2]), fitted.stderr[2]
    if slow_ps > LONGEST_LAGS * t[-1] or error > 1:  # the error of a logarithm: a factor of e
        reason = f"the decay is too slow or too noisy for the {t[-1]:g} ps that can be watched: {slow_ps:.3g} ps or so"
        return Area(None, None, reason)
    fit = _exponentials(fitted, n_departures)
    last_ps = lags_ps[n_known - 1]
    if (beyond := _share_beyond(fitted, last_ps)) > MOST_BEYOND:
        reason = f"{beyond:.0%} of the area lies beyond the {last_ps:g} ps that can be watched (allowed: 14%)"
        return Area(fit, None, reason)
    if n_departures < FEWEST_DEPARTURES:
        return Area(fit, None, f"{n_departures} departures were seen (allowed: {FEWEST_DEPARTURES} or more)")
    return Area(fit, _integral(t, decay, fitted, n_departures), None)
