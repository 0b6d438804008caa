import numpy as np
import pytest

from solvshell.analysis.decays import Resampled, thinned_lags
from solvshell.analysis.exponentials import area_of

LAGS_PS = 0.5 * thinned_lags(2000)


def two(t, share, fast, slow):
    return share * np.exp(-t / fast) + (1 - share) * np.exp(-t / slow)


def resampled(values, noise=0.0, seed=0, n_samples=300):
    """A decay with noise that moves slowly with the lag, as that of correlation functions does, and its samples."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(size=(n_samples + 1, 6)) @ np.cos(np.outer(np.arange(6), np.arange(len(values)) / 8))
    waves = noise * waves * np.sqrt(np.clip(values * (1 - values), 0, None))
    return Resampled(values + waves[0], (values + waves[0] + waves[1:])[None], np.ones(1))


def test_two_exponentials_are_recovered():
    found = area_of(LAGS_PS, resampled(two(LAGS_PS, 0.3, 2.0, 40.0)), 1000)
    fit = found.fit
    assert [x.mean for x in (fit.share_fast, fit.fast_ps, fit.slow_ps)] == pytest.approx([0.3, 2, 40], rel=1e-6)
    assert fit.mean_ps.mean == pytest.approx(0.3 * 2 + 0.7 * 40)
    assert found.integral_ps.mean == pytest.approx(0.3 * 2 + 0.7 * 40, rel=0.01)
    assert found.reason is None


def test_the_trapezoids_end_where_the_decay_is_small_and_the_tail_goes_on():
    lags_ps = np.arange(200.0)
    decay = np.exp(-lags_ps / 30)
    spoiled = np.where(lags_ps > 120, 0.04, decay)  # noise that has not come back to zero
    found = area_of(lags_ps, resampled(spoiled), 1000)
    assert found.integral_ps.mean == pytest.approx(30 * (1 / 60) / np.tanh(1 / 60), rel=1e-4)


@pytest.mark.parametrize("seed", range(8))
def test_one_exponential_is_not_taken_for_two(seed):
    found = area_of(LAGS_PS, resampled(np.exp(-LAGS_PS / 25), 0.03, seed), 1000)
    assert found.fit.share_fast is None
    assert found.fit.fast_ps is None
    assert found.fit.mean_ps == found.fit.slow_ps
    assert abs(found.fit.slow_ps.mean - 25) < 4 * found.fit.slow_ps.stderr


@pytest.mark.parametrize("noise", [0.01, 0.1])
@pytest.mark.parametrize("seed", range(6))
def test_of_a_part_faster_than_frames_the_share_is_known(noise, seed):
    found = area_of(LAGS_PS, resampled(two(LAGS_PS, 0.4, 0.001, 30.0), noise, seed), 1000)
    assert abs(found.fit.share_fast.mean - 0.4) < 4 * found.fit.share_fast.stderr
    assert found.fit.fast_ps.mean < 0.5
    assert abs(found.fit.mean_ps.mean - 0.6 * 30) < 4 * found.fit.mean_ps.stderr


@pytest.mark.parametrize("number", ["share_fast", "fast_ps", "slow_ps", "mean_ps"])
def test_errors_are_those_of_fits_to_many_runs(number):
    truth = {"share_fast": 0.4, "fast_ps": 2.0, "slow_ps": 40.0, "mean_ps": 24.8}[number]
    fits = [area_of(LAGS_PS, resampled(two(LAGS_PS, 0.4, 2.0, 40.0), 0.01, seed), 1000).fit for seed in range(80)]
    found = [getattr(fit, number) for fit in fits]
    off = [(x.mean - truth) / x.stderr for x in found]
    assert np.std(off) == pytest.approx(1, abs=0.25)
    assert abs(np.mean(off)) < 0.5


def test_the_error_of_the_integral_is_that_of_many_runs():
    decays = [resampled(two(LAGS_PS, 0.4, 2.0, 40.0), 0.01, seed) for seed in range(80)]
    found = [area_of(LAGS_PS, decay, 1000).integral_ps for decay in decays]
    spread = np.std([x.mean for x in found])
    assert np.mean([x.stderr for x in found]) == pytest.approx(spread, rel=0.25)


def test_what_lies_beyond_the_lags_by_a_large_part_has_no_integral_but_exponentials():
    found = area_of(LAGS_PS[LAGS_PS <= 30], resampled(np.exp(-LAGS_PS[LAGS_PS <= 30] / 60), 0.01), 50)
    assert found.integral_ps is None
    assert abs(found.fit.slow_ps.mean - 60) < 4 * found.fit.slow_ps.stderr
    assert found.reason.endswith("% of the area lies beyond the 30 ps that can be watched (allowed: 14%)")
    assert int(found.reason.partition("%")[0]) == pytest.approx(100 * np.exp(-30 / 60), abs=5)


@pytest.mark.parametrize(("last_ps", "given"), [(95, False), (105, True)])
def test_one_exponential_must_be_watched_for_twice_its_time(last_ps, given):
    lags_ps = LAGS_PS[LAGS_PS < 90]
    found = area_of(np.append(lags_ps, last_ps), resampled(np.exp(-np.append(lags_ps, last_ps) / 50)), 50)
    assert (found.integral_ps is not None) == given


@pytest.mark.parametrize(("last_ps", "given"), [(100, False), (200, True)])
def test_of_two_exponentials_the_slow_one_must_be_watched(last_ps, given):
    # It has fallen below 0.14 long before.
    lags_ps = LAGS_PS[: np.searchsorted(LAGS_PS, last_ps, side="right")]
    found = area_of(lags_ps, resampled(two(lags_ps, 0.8, 2.0, 100.0)), 50)
    assert (found.integral_ps is not None) == given


@pytest.mark.parametrize(("n_departures", "given"), [(9, False), (10, True)])
def test_an_integral_needs_ten_departures(n_departures, given):
    found = area_of(LAGS_PS, resampled(np.exp(-LAGS_PS / 25)), n_departures)
    assert (found.integral_ps is not None, found.fit is not None) == (given, True)
    assert found.reason == (None if given else "9 departures were seen (allowed: 10 or more)")


def test_a_time_that_is_all_noise_is_not_given():
    noise = resampled(np.exp(-LAGS_PS[:12] / 30), 0.5)
    found = area_of(LAGS_PS[:12], noise, 3)
    assert (found.fit, found.integral_ps) == (None, None)
    assert found.reason.startswith("the decay is too slow or too noisy for the 6 ps that can be watched")


@pytest.mark.parametrize(("times_the_last_lag", "given"), [(9, True), (11, False)])
def test_a_time_far_beyond_the_last_lag_is_not_given(times_the_last_lag, given):
    slow = times_the_last_lag * LAGS_PS[-1]
    assert (area_of(LAGS_PS, resampled(np.exp(-LAGS_PS / slow)), 100).fit is not None) == given


def test_nobody_left_and_too_few_frames():
    ones = np.ones(5)
    assert area_of(np.arange(5.0), resampled(ones), 0).reason == "nobody left"
    assert area_of(np.arange(1.0), resampled(ones[:1]), 3).reason == "there are too few frames"
    unknown = np.where(np.arange(5) > 0, np.nan, 1.0)
    assert area_of(np.arange(5.0), Resampled(unknown, unknown[None, None], np.ones(1)), 3).fit is None


@pytest.mark.parametrize("n_lags", [2, 3, 5])
def test_a_few_lags_make_one_exponential(n_lags):
    lags_ps = np.arange(float(n_lags))
    found = area_of(lags_ps, resampled(two(lags_ps, 0.5, 0.3, 3.0)), 20)
    assert found.fit.share_fast is None


def test_without_samples_there_is_no_error():
    decay = np.exp(-LAGS_PS / 25)
    found = area_of(LAGS_PS, Resampled(decay, np.tile(decay, (2, 10, 1)), np.full(2, np.nan)), 20)
    assert found.fit.slow_ps.mean == pytest.approx(25)
    assert (found.fit.slow_ps.stderr, found.integral_ps.stderr) == (None, None)
