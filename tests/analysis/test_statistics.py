import numpy as np
import pytest

from solvshell.analysis.statistics import (
    Equilibration,
    _inefficiency,
    bootstrap_blocks,
    equilibration,
    mean_with_error,
    statistical_inefficiency,
)


def ar1(rng, n_frames, phi, n_series=1):
    """Series with statistical inefficiency (1 + phi) / (1 - phi) and variance 1."""
    series = np.zeros((n_frames, n_series))
    series[0] = rng.normal(size=n_series)
    for i in range(1, n_frames):
        series[i] = phi * series[i - 1] + np.sqrt(1 - phi**2) * rng.normal(size=n_series)
    return series


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_independent_samples_of_correlated_data(phi):
    series = ar1(np.random.default_rng(0), 20000, phi)[:, 0]
    expected = 20000 * (1 - phi) / (1 + phi)
    assert mean_with_error(series).n_independent == pytest.approx(expected, rel=0.2)


def test_the_inefficiency_is_that_of_pymbar():
    from pymbar import timeseries

    series = ar1(np.random.default_rng(8), 400, 0.7, n_series=5) + np.arange(5)
    assert _inefficiency([series[:, 0]]) == pytest.approx(timeseries.statistical_inefficiency(series[:, 0]))
    assert _inefficiency(list(series.T)) == pytest.approx(timeseries.statistical_inefficiency_multiple(list(series.T)))


def test_the_error_of_the_mean_is_that_of_repeated_runs():
    rng = np.random.default_rng(1)
    estimates = [mean_with_error(ar1(rng, 1000, 0.9)[:, 0]) for _ in range(200)]
    assert np.std([e.mean / e.stderr for e in estimates]) == pytest.approx(1, abs=0.2)


def test_the_error_of_many_centers_is_that_of_repeated_runs():
    rng = np.random.default_rng(2)
    estimates = [mean_with_error(ar1(rng, 500, 0.8, n_series=16)) for _ in range(100)]
    assert 0.6 < np.std([e.mean / e.stderr for e in estimates]) < 1.2


def test_the_error_of_centers_that_move_together_is_that_of_one():
    together = ar1(np.random.default_rng(9), 2000, 0.5)
    many = together + 0.01 * np.random.default_rng(10).normal(size=(2000, 30))
    assert mean_with_error(many).stderr == pytest.approx(mean_with_error(together[:, 0]).stderr, rel=0.05)


def test_ions_that_never_exchange_make_one_sample():
    rng = np.random.default_rng(3)
    numbers = np.tile(rng.integers(3, 6, size=20), (500, 1)).astype(float)
    numbers[:, 0] += rng.integers(0, 2, size=500)
    estimate = mean_with_error(numbers)
    assert estimate.n_independent < 1.5
    assert not estimate.is_resolved
    assert estimate.stderr == pytest.approx(numbers.std() / np.sqrt(20), rel=0.2)


@pytest.mark.parametrize(
    "series", [np.full(100, 4.0), np.full((100, 5), 4.0), np.zeros(100), np.ones(1), np.ones((2, 2))]
)
def test_constant_data_claim_nothing(series):
    estimate = mean_with_error(series)
    assert estimate.mean == series.flat[0]
    assert estimate.stderr is None
    assert estimate.n_independent == 1


def test_centers_whose_mean_is_constant_still_have_an_error():
    up = np.tile([[0.0, 1.0], [1.0, 0.0]], (100, 1))
    estimate = mean_with_error(up)
    assert estimate.mean == 0.5
    assert 0 < estimate.stderr < 0.1


def test_equilibration_drops_the_approach_and_no_more_than_half():
    rng = np.random.default_rng(4)
    starts = np.linspace(0, 640, 65).astype(int)
    noise = ar1(rng, 640, 0.5)[:, 0]
    settled = equilibration([noise], starts)
    assert settled.n_blocks < 10
    assert not settled.clipped
    approach = noise + np.where(np.arange(640) < 200, 20 * np.exp(-np.arange(640) / 60), 0)
    approached = equilibration([noise, approach], starts)
    assert 10 <= approached.n_blocks <= 32
    assert not approached.clipped
    assert equilibration([np.ones(640)], starts) == Equilibration(0, clipped=False)


def test_without_a_plateau_the_second_half_is_kept_and_it_says_so():
    starts = np.linspace(0, 640, 65).astype(int)
    steps = np.random.default_rng(4).normal(size=640) + np.where(np.arange(640) > 560, 30.0, 0.0)
    assert equilibration([steps], starts) == Equilibration(32, clipped=True)


def test_statistical_inefficiency_is_between_one_and_the_frames():
    rng = np.random.default_rng(5)
    for n_frames in (1, 2, 3, 4, 10, 50):
        assert 1 <= statistical_inefficiency(rng.normal(size=(n_frames, 3))) <= n_frames


def test_bootstrap_draws_runs_of_blocks():
    bootstrap = bootstrap_blocks(64, 4, 200, np.random.default_rng(6))
    assert bootstrap.n_draws == 16
    assert (bootstrap.weights.sum(axis=1) == 64).all()
    assert (np.diff(bootstrap.weights.reshape(200, 16, 4), axis=2) == 0).all()
    assert not bootstrap.shorter_than_asked
    assert not bootstrap_blocks(64, 8, 5, np.random.default_rng(6)).shorter_than_asked
    assert not bootstrap_blocks(3, 1, 5, np.random.default_rng(6)).shorter_than_asked


@pytest.mark.parametrize(("n_blocks", "blocks_per_draw", "n_draws"), [(64, 60, 8), (64, 9, 8), (3, 60, 3)])
def test_draws_are_shorter_than_asked_where_there_would_be_too_few(n_blocks, blocks_per_draw, n_draws):
    bootstrap = bootstrap_blocks(n_blocks, blocks_per_draw, 5, np.random.default_rng(6))
    assert bootstrap.n_draws == n_draws
    assert bootstrap.shorter_than_asked


def test_bootstrap_variance_of_few_draws_is_unbiased():
    rng = np.random.default_rng(11)
    variances = []
    for _ in range(3000):
        bootstrap = bootstrap_blocks(8, 1, 30, rng)
        samples = bootstrap.resample(rng.normal(size=8)) / 8
        variances.append(bootstrap.stderr(samples) ** 2 * 30 / 29)
    assert np.mean(variances) == pytest.approx(1 / 8, rel=0.05)


def test_bootstrap_error_of_a_mean_is_its_standard_error():
    rng = np.random.default_rng(7)
    values = ar1(rng, 64 * 20, 0.8)[:, 0]
    bootstrap = bootstrap_blocks(64, 2, 2000, rng)
    samples = bootstrap.resample(values.reshape(64, 20).mean(axis=1)) / 64
    assert bootstrap.stderr(samples) == pytest.approx(mean_with_error(values).stderr, rel=0.35)


@pytest.mark.parametrize("n_draws", [8, 32])
def test_intervals_hold_the_truth_in_95_of_100_runs(n_draws):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(2000, n_draws))
    held = 0
    for blocks in values:
        bootstrap = bootstrap_blocks(n_draws, 1, 500, rng)
        low, high = bootstrap.interval(blocks.mean(), bootstrap.resample(blocks) / n_draws)
        held += low < 0 < high
    assert 0.94 <= held / len(values) <= 0.96


def test_an_interval_leaves_out_samples_without_a_number():
    bootstrap = bootstrap_blocks(8, 1, 5, np.random.default_rng(13))
    low, high = bootstrap.interval(1.0, np.array([0.9, np.nan, 1.0, 1.1, np.nan]))
    assert low < 0.9
    assert high > 1.1
