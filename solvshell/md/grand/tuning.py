"""How long a switch should last: found with switches that are always undone.

Where the dynamics keeps up with lambda, work is Gaussian and dissipates W_d = C / tau in each direction, in kT, and a
share erfc(sqrt(W_d) / 2) of moves between equal free energies is accepted. An accepted move costs least dynamics at
W_d = 2.84, where 23 % are accepted. The minimum is flat: half as much dissipation again costs 8 % more.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from solvshell.md.grand.switching import INSTANTANEOUS, Schedule

#: kT in each direction, at the least cost of an accepted move
TARGET_KT = 2.84

#: kT; beyond, W_d = C / tau is not trusted: the time grows further, but not by more than a factor at once
_LINEAR_KT, _LARGEST_GROWTH = 2 * TARGET_KT, 4.0
#: switches in each direction: of a time on the way, of the last one, and without dynamics, which cost next to nothing
_FEW, _MANY, _CHEAP = 3, 8, 24
_FIRST_PS = 1.0

Kind = Literal["insertion", "deletion"]
#: Returns the work in kT of one switch that is undone, infinite if it failed.
DrySwitch = Callable[[Schedule, Kind], float]


@dataclass(frozen=True)
class Tuning:
    """A schedule that was found, and what it rests on.

    Attributes
    ----------
    schedule : Schedule
    dissipation_kt, stderr : float
        To expect in each direction. It stays above `TARGET_KT` where the longest time allowed is too short, and below
        where a move at once does.
    n_switches : int
        All that were made to find it.
    """

    schedule: Schedule
    dissipation_kt: float
    stderr: float
    n_switches: int


@dataclass(frozen=True)
class Trial:
    """Switches of one schedule, `n_planned` in each direction, as far as they have been made: works in kT."""

    schedule: Schedule
    n_planned: int
    insertions: Sequence[float]
    deletions: Sequence[float]

    @property
    def dissipation_kt(self) -> float:
        """Half of what a switch there and one back cost together; by medians, since a failed switch costs infinitely.

        One molecule more in a fixed volume raises the free energy of the next; half of this, d(beta mu)/dN / 2, is in
        it too: 0.4 kT for 40 molecules of a liquid, nothing to speak of for 400.
        """
        return float(np.median(self.insertions) + np.median(self.deletions)) / 2

    @property
    def stderr(self) -> float:
        """Of it, for Gaussian work: from median absolute deviations."""
        return math.hypot(*(_stderr_of_median(works) for works in (self.insertions, self.deletions))) / 2


def _stderr_of_median(works: Sequence[float]) -> float:
    deviation = np.abs(np.asarray(works) - np.median(works)) if np.isfinite(np.median(works)) else [math.inf]
    return float(math.sqrt(math.pi / 2 / len(works)) * 1.4826 * np.median(deviation))


def _measure(switch: DrySwitch, schedule: Schedule, n: int, tell: Callable[[Trial], None]) -> Trial:
    insertions: list[float] = []
    deletions: list[float] = []
    trial = Trial(schedule, n, insertions, deletions)
    for _ in range(n):
        insertions.append(switch(schedule, "insertion"))
        deletions.append(switch(schedule, "deletion"))
        tell(trial)
    return trial


def _growth(trial: Trial) -> float:
    """Return how many times longer a switch should be than those made, as far as these can tell."""
    return min(max(trial.dissipation_kt / TARGET_KT, 1 / _LARGEST_GROWTH), _LARGEST_GROWTH)


def _constant(trials: Sequence[Trial]) -> float:
    """Return C in kT steps: W_d of n switches has the variance W_d / n, which is that of counting."""
    costs = [len(one.insertions) * one.dissipation_kt for one in trials]
    rates = [len(one.insertions) / one.schedule.n_steps for one in trials]
    return max(sum(costs), 0.0) / sum(rates)


def _lasting(time_ps: float, timestep_ps: float) -> Schedule:
    found = Schedule.lasting(time_ps, timestep_ps)
    return found if found.n_steps else Schedule(2, found.steps_per_block)


def tune(
    switch: DrySwitch, timestep_ps: float, longest_ps: float, tell: Callable[[Trial], None] = lambda _: None
) -> Tuning:
    """Return the schedule by which an accepted move of a species costs least dynamics.

    Moves at once are taken where they dissipate less than `TARGET_KT`. Else the time grows until W_d is near enough for
    W_d = C / tau to hold; C is then measured at the time that this predicts, so that a wrong first guess is mended.

    Parameters
    ----------
    switch : callable
        Makes and undoes one switch; should let the system move on before. What it raises ends the search.
    timestep_ps : float
    longest_ps : float
        Longest switching time to choose.
    tell : callable
        Hears of the present trial after each pair of switches.
    """
    at_once = _measure(switch, INSTANTANEOUS, _CHEAP, tell)
    if at_once.dissipation_kt <= TARGET_KT:
        return Tuning(INSTANTANEOUS, at_once.dissipation_kt, at_once.stderr, 2 * _CHEAP)
    time_ps, n_switches = min(_FIRST_PS, longest_ps), 2 * (_CHEAP + _FEW)
    trial = _measure(switch, _lasting(time_ps, timestep_ps), _FEW, tell)
    while trial.dissipation_kt > _LINEAR_KT and time_ps < longest_ps:
        time_ps, n_switches = min(time_ps * _growth(trial), longest_ps), n_switches + 2 * _FEW
        trial = _measure(switch, _lasting(time_ps, timestep_ps), _FEW, tell)
    time_ps = min(time_ps * _growth(trial), longest_ps)
    last = _measure(switch, _lasting(time_ps, timestep_ps), _MANY, tell)
    constant = _constant([trial, last] if trial.dissipation_kt <= _LINEAR_KT else [last])
    best_ps = max(constant * timestep_ps / TARGET_KT, time_ps / _LARGEST_GROWTH)
    schedule = _lasting(min(best_ps, longest_ps), timestep_ps)
    stderr = last.stderr * last.schedule.n_steps / schedule.n_steps
    return Tuning(schedule, constant / schedule.n_steps, stderr, n_switches + 2 * _MANY)
