"""How long a molecule stays with a center, from how many left: an exponential process watched for a while."""

from dataclasses import dataclass

import numpy as np

from solvshell.analysis.stays import Stays, tolerance_frames


@dataclass(frozen=True)
class Residence:
    """A residence time; where nobody left it is None, and its lower bound (95 %) is all that is known."""

    time_ps: float | None
    stderr_ps: float | None
    n_departures: int
    bound_ps: float
    lower_bound_ps: float | None


def exponential_residence(stays: Stays, n_frames: int, timestep_ps: float) -> Residence | None:
    """Return the mean stay of a molecule with a center, or None without stays.

    Leaving is taken as an exponential process. Its maximum likelihood for observations at equal times is
    tau = -dt / ln(1 - departures / steps), where the steps are all those that start bound and whose end is seen: stays
    cut off by the end of the run count with the time they were watched (right censoring). For stays long against a
    time step it is the total bound time over the departures. stderr = tau / sqrt(departures). A stay ends when the
    molecule is away for two frames and 2 ps at least; an absence that the end of the run cuts short of that leaves it
    open. Without departures tau > bound time / 3 with 95 % confidence.

    Parameters
    ----------
    stays
        Continuous ones of one center species and site.
    """
    if len(stays.first) == 0:
        return None
    tolerance = tolerance_frames(timestep_ps)
    stays = stays.bridged(tolerance)
    departed = stays.last + tolerance < n_frames
    n_departures = int(departed.sum())
    n_steps = int((stays.last - stays.first + departed).sum())
    bound_ps = n_steps * timestep_ps
    if n_departures == 0:
        return Residence(None, None, 0, bound_ps, bound_ps / 3)
    # A stay of one frame each: everybody left at once, faster than the frames can tell.
    share = min(n_departures / n_steps, 1 - 0.5 / n_steps)
    time_ps = -timestep_ps / np.log1p(-share)
    return Residence(float(time_ps), float(time_ps / np.sqrt(n_departures)), n_departures, bound_ps, None)
