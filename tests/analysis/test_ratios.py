import numpy as np
import pytest
from scipy.signal import lfilter

from solvshell.analysis.ratios import long_mean_with_error, ratio_with_error
from solvshell.analysis.statistics import mean_with_error


def test_what_both_share_is_no_error():
    number = np.random.default_rng(0).poisson(4, size=(200, 5)).astype(float)
    half = ratio_with_error(number / 2, number)
    assert half.mean == pytest.approx(0.5)
    assert half.stderr is None


def test_the_ratio_is_of_means_and_not_a_mean_of_ratios():
    assert ratio_with_error(np.array([1.0, 1.0]), np.array([1.0, 3.0])).mean == pytest.approx(0.5)


def test_the_error_is_the_scatter_of_runs_whose_two_series_move_together():
    rng = np.random.default_rng(1)
    slow = lfilter([1.0], [1.0, -0.9], rng.normal(size=(200, 1000)))
    denominator = 20 + slow
    numerator = 10 + 0.5 * slow + rng.normal(size=slow.shape)
    runs = [ratio_with_error(a, b) for a, b in zip(numerator, denominator, strict=True)]
    scatter = np.std([run.mean for run in runs])
    assert np.mean([run.stderr for run in runs]) == pytest.approx(scatter, rel=0.15)
    as_if_exact = [mean_with_error(a).stderr / b.mean() for a, b in zip(numerator, denominator, strict=True)]
    assert np.mean(as_if_exact) > 3 * scatter


def test_nothing_out_of_nothing_is_not_a_number():
    for size in ((3, 2), (0,)):
        nothing = ratio_with_error(np.zeros(size), np.zeros(size))
        assert np.isnan(nothing.mean)
        assert nothing.stderr is None
        assert nothing.n_independent == 0


def test_a_long_series_has_the_mean_of_all_its_frames_and_the_error_of_its_blocks():
    rng = np.random.default_rng(2)
    slow = lfilter([1.0], [1.0, -0.99], rng.normal(size=(40_003, 2)), axis=0) + rng.normal(size=(40_003, 2))
    long, exact = long_mean_with_error(slow), mean_with_error(slow)
    assert long.mean == slow.mean()
    assert long.stderr == pytest.approx(exact.stderr, rel=0.1)
    assert long_mean_with_error(slow[:3000]) == mean_with_error(slow[:3000])
    one = ratio_with_error(slow, np.ones_like(slow))
    assert (one.mean, one.stderr) == pytest.approx((long.mean, long.stderr))
