"""The switching time that is found, where the dissipation of every time is known."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import erfc

from solvshell.errors import Interrupted
from solvshell.md.grand.switching import INSTANTANEOUS, Schedule
from solvshell.md.grand.tuning import TARGET_KT, DrySwitch, tune

TIMESTEP = 0.002


def dissipation(stiffness: float, relaxation_ps: float, time_ps: float) -> float:
    """Return W_d in kT of an overdamped particle in a harmonic trap that is moved by 1.

    `stiffness` is in kT, `relaxation_ps` is friction / stiffness (Mazonka and Jarzynski, arXiv cond-mat/9912121).
    """
    if time_ps == 0:
        return stiffness / 2
    x = relaxation_ps / time_ps
    return stiffness * x * (1 - x * (1 - math.exp(-1 / x)))


def dragged(stiffness: float, relaxation_ps: float, seed: int, failing: float = 0.0) -> tuple[DrySwitch, list[str]]:
    """Return switches whose works are those of the trap (exactly Gaussian), some of which fail, and the calls."""
    rng, calls = np.random.default_rng(seed), []

    def switch(schedule: Schedule, kind: str) -> float:
        calls.append(kind)
        w_d = dissipation(stiffness, relaxation_ps, schedule.n_steps * TIMESTEP)
        work = {"insertion": -7.0, "deletion": 7.0}[kind] + rng.normal(w_d, math.sqrt(2 * w_d))
        return math.inf if rng.random() < failing else work

    return switch, calls


def test_the_target_is_where_an_accepted_move_costs_least() -> None:
    """Time tau = C / W_d over the share accepted, erfc(sqrt(W_d) / 2)."""
    cost = minimize_scalar(lambda w_d: 1 / (w_d * erfc(math.sqrt(w_d) / 2)), bounds=(0.5, 9), method="bounded")
    assert pytest.approx(cost.x, abs=0.01) == TARGET_KT
    assert erfc(math.sqrt(TARGET_KT) / 2) == pytest.approx(0.233, abs=0.001)


@pytest.mark.parametrize(("stiffness", "relaxation_ps"), [(40.0, 3.0), (15.0, 0.5), (1000.0, 0.2)])
def test_the_time_found_is_that_of_the_target(stiffness: float, relaxation_ps: float) -> None:
    """In the mean of many searches, of which each rests on few switches; also where W_d is not quite C / tau."""
    found = [tune(dragged(stiffness, relaxation_ps, seed)[0], TIMESTEP, 1000.0) for seed in range(200)]
    true = np.array([dissipation(stiffness, relaxation_ps, one.schedule.n_steps * TIMESTEP) for one in found])
    assert np.median(true) == pytest.approx(TARGET_KT, rel=0.15)
    assert np.quantile(true, 0.95) < 2 * TARGET_KT
    assert np.quantile(true, 0.05) > TARGET_KT / 2
    pulls = (true - [one.dissipation_kt for one in found]) / [one.stderr for one in found]
    assert np.quantile(np.abs(pulls), 0.68) < 1.6


def test_a_longer_relaxation_gets_a_longer_switch() -> None:
    times = [tune(dragged(40.0, ps, seed=3)[0], TIMESTEP, 1e4).schedule.n_steps for ps in (0.5, 2.0, 8.0, 32.0)]
    assert times == sorted(times)
    assert times[-1] > 20 * times[0]


def test_what_dissipates_little_moves_at_once() -> None:
    found = tune(dragged(2.0, 5.0, seed=1)[0], TIMESTEP, 100.0)
    assert found.schedule == INSTANTANEOUS
    assert found.dissipation_kt == pytest.approx(1.0, abs=4 * found.stderr)


def test_switches_that_fail_do_not_spoil_it() -> None:
    found = [tune(dragged(40.0, 3.0, seed, failing=0.1)[0], TIMESTEP, 1000.0) for seed in range(100)]
    true = [dissipation(40.0, 3.0, one.schedule.n_steps * TIMESTEP) for one in found]
    assert np.median(true) == pytest.approx(TARGET_KT, rel=0.2)


def test_each_pair_of_switches_is_told() -> None:
    """Of what trial, and how many are still to come in it."""
    switch, calls = dragged(40.0, 3.0, seed=3)
    told = []
    found = tune(switch, TIMESTEP, 1000.0, lambda trial: told.append((trial.n_planned, len(trial.deletions), trial)))
    assert 2 * len(told) == found.n_switches == len(calls)
    ends = [trial for n_planned, n, trial in told if n == n_planned]
    assert [trial.n_planned for trial in ends[:2]] == [24, 3]
    assert sum(len(trial.insertions) for trial in ends) == len(told)
    times = [trial.schedule.n_steps * TIMESTEP for trial in ends]
    assert times == sorted(times)
    assert ends[0].dissipation_kt > ends[-1].dissipation_kt


def test_the_longest_time_is_kept_and_what_it_dissipates_said() -> None:
    found = tune(dragged(1000.0, 10.0, seed=5)[0], TIMESTEP, 50.0)
    assert found.schedule.n_steps * TIMESTEP == pytest.approx(50.0)
    assert found.dissipation_kt == pytest.approx(dissipation(1000.0, 10.0, 50.0), abs=4 * found.stderr)


def test_where_every_switch_fails_the_longest_is_left() -> None:
    found = tune(lambda schedule, kind: math.inf, TIMESTEP, 20.0)
    assert found.schedule.n_steps * TIMESTEP == pytest.approx(20.0)
    assert found.dissipation_kt == math.inf


def test_both_directions_are_tried_equally_often_and_counted() -> None:
    switch, calls = dragged(40.0, 3.0, seed=2)
    found = tune(switch, TIMESTEP, 1000.0)
    assert len(calls) == found.n_switches < 100
    assert calls.count("insertion") == calls.count("deletion")


def test_it_ends_when_told() -> None:
    def stopped(ends_at: int) -> Callable[[Schedule, str], float]:
        calls = []

        def switch(schedule: Schedule, kind: str) -> float:
            calls.append(kind)
            if len(calls) == ends_at:
                raise Interrupted("stopped within a switch")
            return 9.0

        return switch

    with pytest.raises(Interrupted):
        tune(stopped(60), TIMESTEP, 1000.0)
