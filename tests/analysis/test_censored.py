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
    assert 0.999 < found.stderr_ps / (found.time_ps / np.sqrt(found.n_departures)) < 1.5


def test_the_error_is_that_of_repeated_runs():
    times = []
    for seed in range(60):
        bound = markov(np.random.default_rng(seed), 300, (20,), 50, 500)
        found = residence_time(bound, 2.0)
        times.append((found.time_ps - 100) / found.stderr_ps)
    assert np.std(times) == pytest.approx(1, abs=0.3)


def of_kinds_of_centers(rng):
    """20 centers, each with its own rate of leaving; the mean of the rates is 1 / 40."""
    rate = rng.gamma(2, 1 / 2, (20, 1))
    return markov(rng, 400, (20, 20), 40 / rate, 800 / rate)


def of_bursts(rng):
    """Stretches of 20 frames, a fifth of them with 21 times the rate of the others, 1 / 40 on average."""
    rate = np.repeat(np.where(rng.random(40) < 0.2, 4.2, 0.2), 10)
    come = 1 / 20
    bound = np.zeros((400, 10, 20), dtype=bool)
    now = rng.random(bound.shape[1:]) < come
    for i in range(400):
        bound[i] = now
        drawn = rng.random(now.shape)
        now = np.where(now, drawn > 1 - np.exp(-rate[i] / 40), drawn < 1 - np.exp(-rate[i] / 760))
    return bound


@pytest.mark.parametrize("make", [of_kinds_of_centers, of_bursts])
def test_the_error_knows_that_departures_depend_on_each_other(make):
    off, as_if_independent = [], []
    for seed in range(60):
        found = exponential_residence(continuous_stays(contacts_of(make(np.random.default_rng(seed)))), 400, 2.0)
        # the logarithm is closer to normal
        distance = np.log(found.time_ps / 80)
        off.append(distance / (found.stderr_ps / found.time_ps))
        as_if_independent.append(distance * np.sqrt(found.n_departures))
    assert np.std(as_if_independent) > 2
    assert np.std(off) < 1.5
    assert np.mean(np.abs(off) < 1.96) > 0.85


def test_many_short_runs_of_many_frames_have_the_true_mean():
    # 10 ps, of which the last 2 cannot tell of a departure: counting them as watched would make 3.0 ps 3.6.
    times = []
    for seed in range(30):
        bound = markov(np.random.default_rng(seed), 100, (10, 1000), 30, 29_970)
        found = exponential_residence(continuous_stays(contacts_of(bound)), 100, 0.1)
        times.append((found.time_ps, found.stderr_ps))
    times, errors = np.array(times).T
    assert times.mean() == pytest.approx(3.0, abs=3 * np.std(times) / np.sqrt(30))
    assert np.std(times) == pytest.approx(np.mean(errors), rel=0.35)


def test_nobody_left():
    found = residence_time(np.ones((11, 3), dtype=bool), 1.0)
    assert (found.time_ps, found.stderr_ps, found.n_departures) == (None, None, 0)
    assert found.bound_ps == 27  # the last two frames cannot tell
    assert found.lower_bound_ps == pytest.approx(9)


def test_a_run_too_short_to_see_a_departure_has_no_bound():
    found = residence_time(np.ones((15, 3), dtype=bool), 0.1)
    assert (found.time_ps, found.n_departures, found.bound_ps, found.lower_bound_ps) == (None, 0, 0, None)


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
