"""How long a molecule stays with a center, from how many left: an exponential process watched for a while."""

from dataclasses import dataclass

import numpy as np

from solvshell.analysis.dispersion import dispersion
from solvshell.analysis.stays import Stays, tolerance_frames


@dataclass(frozen=True)
class Residence:
    """A residence time; where nobody left it is None, and its lower bound (95 %) is all that is known.

    `bound_ps` is the time for which molecules were bound and watched.
    """

    time_ps: float | None
    stderr_ps: float | None
    n_departures: int
    bound_ps: float
    lower_bound_ps: float | None


def _dispersion(stays: Stays, departed: np.ndarray, horizon: int) -> float:
    """Return that of the departures from stays that begin before the horizon."""
    stop = np.minimum(stays.last + 1, horizon)
    began, ended = (np.bincount(frame, minlength=horizon + 1) for frame in (stays.first, stop))
    n_bound = np.cumsum(began - ended)[:horizon]
    return dispersion(
        stays.center[departed], stays.last[departed], np.bincount(stays.center, stop - stays.first), n_bound
    )


def exponential_residence(stays: Stays, n_frames: int, timestep_ps: float) -> Residence | None:
    """Return the mean stay of a molecule with a center, or None without stays.

    Leaving is taken as an exponential process. Its maximum likelihood for observations at equal times is
    tau = -dt / ln(1 - departures / steps), where the steps are all those that start bound and whose end is seen: stays
    cut off by the end of the run count with the time they were watched (right censoring). For stays long against a
    time step it is the total bound time over the departures. A stay ends when the molecule is away for two frames and
    2 ps at least. So the last 2 ps of a run cannot tell of departures, and the time bound in them does not count
    either.

    stderr = tau sqrt(phi / departures), where phi is their `dispersion` over centers and blocks of time: 1 for
    independent ones, more where centers or times differ or departures come in bursts. Without departures
    tau > bound time / 3 with 95 % confidence.

    Parameters
    ----------
    stays
        Continuous ones of one center species and site.
    """
    if len(stays.first) == 0:
        return None
    tolerance = tolerance_frames(timestep_ps)
    horizon = n_frames - tolerance
    stays = stays.bridged(tolerance)
    stays = stays.where(stays.first < horizon)
    departed = stays.last < horizon
    n_departures = int(departed.sum())
    n_steps = int((np.minimum(stays.last + 1, horizon) - stays.first).sum())
    bound_ps = n_steps * timestep_ps
    if n_departures == 0:
        return Residence(None, None, 0, bound_ps, bound_ps / 3 if bound_ps else None)
    # A stay of one frame each: everybody left at once, faster than the frames can tell.
    share = min(n_departures / n_steps, 1 - 0.5 / n_steps)
    time_ps = float(-timestep_ps / np.log1p(-share))
    stderr_ps = time_ps * float(np.sqrt(_dispersion(stays, departed, horizon) / n_departures))
    return Residence(time_ps, stderr_ps, n_departures, bound_ps, None)
