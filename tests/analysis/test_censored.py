import numpy as np
import pytest
from stays_by_hand import contacts_of, markov

from solvshell.analysis.censored import exponential_residence
from solvshell.analysis.stays import continuous_stays


def residence_time(bound, timestep_ps):
    """That of molecules that are bound (n_frames, n_molecules) to one center."""
    return exponential_residence(continuous_stays(contacts_of(bound)), len(bound), timestep_ps)


@pytest.mark.parametrize(("n_frames", "stay"), [(4000, 50), (60, 50), (100, 200)])
def test_the_time_of_an_exponential_process_is_recovered_also_from_a_short_run(n_frames, stay):
    n_molecules = 2000 if n_frames <= 100 else 40
    bound = markov(np.random.default_rng(0), n_frames, (n_molecules,), stay, 20 * stay)
    found = residence_time(bound, 2.0)
    assert found.n_departures > 30
    assert abs(found.time_ps - 2 * stay) < 3 * found.stderr_ps
    assert found.stderr_ps == pytest.approx(found.time_ps / np.sqrt(found.n_departures))


def test_the_error_is_that_of_repeated_runs():
    times = []
    for seed in range(60):
        bound = markov(np.random.default_rng(seed), 300, (20,), 50, 500)
        found = residence_time(bound, 2.0)
        times.append((found.time_ps - 100) / found.stderr_ps)
    assert np.std(times) == pytest.approx(1, abs=0.3)


def test_nobody_left():
    found = residence_time(np.ones((11, 3), dtype=bool), 1.0)
    assert (found.time_ps, found.stderr_ps, found.n_departures) == (None, None, 0)
    assert found.bound_ps == 30
    assert found.lower_bound_ps == pytest.approx(10, rel=0.01)


def test_nobody_came():
    assert residence_time(np.zeros((10, 3), dtype=bool), 1.0) is None


@pytest.mark.parametrize(
    ("timestep_ps", "away", "departures"), [(1.0, 1, 0), (1.0, 2, 1), (0.1, 19, 0), (0.1, 20, 1), (10, 1, 0)]
)
def test_short_absences_are_bridged(timestep_ps, away, departures):
    bound = np.ones((100, 1), dtype=bool)
    bound[40 : 40 + away] = False
    assert residence_time(bound, timestep_ps).n_departures == departures


def test_an_absence_cut_short_by_the_end_is_no_departure():
    bound = np.ones((50, 1), dtype=bool)
    bound[-1] = False
    found = residence_time(bound, 1.0)
    assert (found.n_departures, found.bound_ps) == (0, 48)


def test_stays_of_two_centers_and_molecules_are_kept_apart():
    bound = np.zeros((20, 2, 3), dtype=bool)
    bound[0:2, 0, 0] = bound[2:4, 0, 1] = bound[4:6, 1, 1] = bound[6:8, 1, 2] = True
    found = exponential_residence(continuous_stays(contacts_of(bound)), 20, 1.0)
    assert (found.n_departures, found.bound_ps) == (4, 8)
