import numpy as np
import pytest
from scipy import stats

from solvshell.analysis import statistics
from solvshell.analysis.statistics import (
    Bootstrap,
    Equilibration,
    Estimate,
    bootstrap_blocks,
    bootstrap_replicas,
    bootstrap_runs,
    confidence_interval,
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


def test_the_autocovariances_are_those_of_the_definition():
    centers = ar1(np.random.default_rng(8), 50, 0.7, n_series=3) + np.arange(3)
    deviations = centers - centers.mean()
    expected = [(deviations[: 50 - t] * deviations[t:]).mean() for t in range(50)]
    mean = deviations.mean(axis=1)
    of_mean = [(mean[: 50 - t] * mean[t:]).mean() for t in range(50)]
    np.testing.assert_allclose(statistics._autocovariances(centers), [expected, of_mean], atol=1e-12)


def test_centers_are_transformed_in_batches(monkeypatch):
    centers = ar1(np.random.default_rng(8), 300, 0.7, n_series=7)
    at_once = mean_with_error(centers)
    monkeypatch.setattr(statistics, "_FFT_VALUES", 2 * 600)
    in_batches = mean_with_error(centers)
    assert in_batches.stderr == pytest.approx(at_once.stderr)
    assert in_batches.n_independent == pytest.approx(at_once.n_independent)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.float32])
def test_any_type_of_number_will_do(dtype):
    states = exchanging(np.random.default_rng(3), 500, 6, 5)
    assert mean_with_error(states.astype(dtype)).stderr == pytest.approx(mean_with_error(states).stderr)


def exchanging(rng, n_frames, n_ions, memory, share=0.5):
    """Ions in one of two states, 0 and 1, that forget theirs after `memory` frames; shape (n_frames, n_ions)."""
    states = (rng.random((n_frames, n_ions)) < share).astype(float)
    forgets = rng.random((n_frames, n_ions)) < -np.expm1(-1 / memory)
    forgets[0] = True
    last = np.maximum.accumulate(np.where(forgets, np.arange(n_frames)[:, None], 0), axis=0)
    return np.take_along_axis(states, last, axis=0)


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
    numbers[:, 0] = numbers[0, 0] + 1
    assert mean_with_error(numbers).stderr == pytest.approx(stats.sem(numbers[0]), rel=1e-3)


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


def share_held(make, truth, n_runs=500):
    """Return the share of runs whose interval holds the truth: ours, and that of s / sqrt(n)."""
    rng = np.random.default_rng(12)
    ours = naive = 0
    for _ in range(n_runs):
        series = make(rng)
        estimate = mean_with_error(series)
        low, high = confidence_interval(estimate.mean, estimate.stderr, estimate.n_independent)
        ours += low < truth < high
        naive += abs(series.mean() - truth) < 1.96 * series.std(ddof=1) / np.sqrt(series.size)
    return ours / n_runs, naive / n_runs


def test_intervals_hold_the_truth_where_ions_exchange_slowly():
    """The number is one of two for 2 % of the run, and an atom goes in and out at the cutoff in every frame."""

    def numbers(rng):
        return 4 + exchanging(rng, 1000, 8, 20) + (rng.random((1000, 8)) < 0.3)

    ours, naive = share_held(numbers, 4.8)
    assert 0.92 <= ours <= 0.99  # of 500 runs fewer than 0.92 would be three errors below 0.95
    assert naive < 0.5


@pytest.mark.parametrize(("n_series", "least"), [(1, 0.83), (8, 0.92)])
def test_intervals_see_a_weak_slow_change_under_fast_noise(monkeypatch, n_series, least):
    """The change is a tenth of the variance: the noise ends the sum of its autocorrelation too soon, by chance."""

    def noisy(rng):
        return ar1(rng, 1000, np.exp(-1 / 50), n_series) + 3 * rng.normal(size=(1000, n_series))

    ours, naive = share_held(noisy, 0.0)
    assert least <= ours <= 0.99
    assert naive < 0.6
    monkeypatch.setattr(statistics, "_SLOW_SIGNIFICANCE", np.inf)
    assert share_held(noisy, 0.0)[0] < ours - 0.02


def test_a_run_of_a_few_exchanges_is_not_resolved():
    rng = np.random.default_rng(14)
    assert not any(mean_with_error(exchanging(rng, 1000, 8, 200)).is_resolved for _ in range(50))


def test_the_interval_of_a_mean_is_that_of_student():
    values = np.random.default_rng(15).normal(size=7)
    expected = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert confidence_interval(values.mean(), stats.sem(values), 7) == pytest.approx(expected)
    assert confidence_interval(0.0, 1.0, 1.2) == pytest.approx((-12.706, 12.706), abs=1e-3)


def test_the_interval_of_a_share_is_that_of_wilson():
    wilson = stats.binomtest(3, 40).proportion_ci(method="wilson")
    share = 3 / 40
    found = confidence_interval(share, np.sqrt(share * (1 - share) / 40), 1e9, is_share=True)
    assert found == pytest.approx((wilson.low, wilson.high))


def test_the_interval_of_a_rare_state_holds_it():
    rng = np.random.default_rng(16)
    held = symmetric = n_seen = 0
    for _ in range(400):
        estimate = mean_with_error(exchanging(rng, 1000, 8, 10, share=0.02))
        if estimate.stderr is not None:
            numbers = (estimate.mean, estimate.stderr, estimate.n_independent)
            low, high = confidence_interval(*numbers, is_share=True)
            held += low < 0.02 < high
            low, high = confidence_interval(*numbers)
            symmetric += low < 0.02 < high
            n_seen += 1
    assert held / n_seen > 0.93
    assert symmetric < held


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


def test_the_start_is_where_the_rest_is_most_precise():
    rng = np.random.default_rng(24)
    values = ar1(rng, 640, 0.7)[:, 0] + 8 * np.exp(-np.arange(640) / 40)
    starts = np.arange(0, 641, 10)
    precision = [values[start:].var() / (640 - start) for start in starts[:-4]]
    assert statistics._most_precise_start(values, starts[:-1]) == np.argmin(precision) > 0


@pytest.mark.parametrize(("memory", "n_series", "most"), [(20, 1, 0.12), (20, 8, 0.08), (100, 1, 0.45), (100, 8, 0.15)])
def test_slow_fluctuation_is_hardly_taken_for_drift(memory, n_series, most):
    """A single series of ten memories cannot know its own; the largest number of samples drops from 70 % of them."""
    rng = np.random.default_rng(25)
    starts = np.linspace(0, 1000, 65).astype(int)
    found = [equilibration([ar1(rng, 1000, np.exp(-1 / memory), n_series)], starts).n_blocks for _ in range(100)]
    assert np.mean(np.array(found) > 0) < most
    assert np.mean(found) < most / 2 * 64


@pytest.mark.parametrize("memory", [100, 300])
def test_a_start_without_what_comes_slowly_is_dropped(memory):
    """Twenty ions with 30 % of their four slots taken, or all free at first; memories of 5 and 15 % of the run."""
    rng = np.random.default_rng(26)
    starts = np.linspace(0, 2000, 65).astype(int)

    def dropped(free_for):
        taken = exchanging(rng, 2000, 80, memory, share=0.3) * (np.arange(2000)[:, None] >= free_for)
        return equilibration([taken.reshape(2000, 20, 4).sum(axis=2)], starts).n_blocks * 2000 / 64

    all_free = [dropped(rng.exponential(memory, 80)) for _ in range(20)]
    assert np.count_nonzero(all_free) >= 18
    assert 0.7 * memory < np.mean(all_free) < 5 * memory
    assert np.count_nonzero([dropped(0) for _ in range(20)]) <= 4


def test_a_single_event_is_no_drift_and_a_common_one_is():
    """One ion of eight loses its only anion after 40 % of the run; or all gain one after 20 %."""
    starts = np.arange(0, 1001, 20)
    alone, together = np.zeros((1000, 8)), np.zeros((1000, 8))
    alone[:400, 0] = 1
    together[200:] = 1
    assert equilibration([alone], starts) == Equilibration(0, clipped=False)
    assert equilibration([together], starts) == Equilibration(10, clipped=False)


def test_without_a_plateau_the_second_half_is_kept_and_it_says_so():
    starts = np.linspace(0, 640, 65).astype(int)
    steps = np.random.default_rng(4).normal(size=640) + np.where(np.arange(640) > 560, 30.0, 0.0)
    assert equilibration([steps], starts) == Equilibration(32, clipped=True)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 10, 50])
def test_a_series_that_never_changes_is_one_sample_however_short(n_frames):
    assert statistical_inefficiency(np.ones((n_frames, 3))) == n_frames
    steps = np.repeat([[0.0], [1.0]], [n_frames, n_frames], axis=0)
    assert statistical_inefficiency(steps) > 0.4 * len(steps)


def test_a_share_is_resolved_after_ten_visits_of_the_rarer_state():
    def estimate(share, n_samples):
        return Estimate(share, np.sqrt(share * (1 - share) / n_samples), 25.0)

    assert estimate(0.05, 201).is_resolved_share
    assert not estimate(0.05, 199).is_resolved_share
    assert not estimate(0.95, 199).is_resolved_share
    assert estimate(0.5, 21).is_resolved_share
    assert not Estimate(0.5, 0.1, 9.0).is_resolved_share
    assert not Estimate(0.0, None, 1.0).is_resolved_share


def test_few_visits_of_a_rare_state_are_not_said_to_be_resolved():
    """Eight ions and samples enough of each, but a share so small that a run sees it three times."""
    rng = np.random.default_rng(27)
    few, many = (
        [mean_with_error(exchanging(rng, 1000, 8, 20, share)) for _ in range(50)] for share in (3.2 / 200, 0.3)
    )
    assert np.mean([estimate.is_resolved for estimate in few]) > 0.8
    assert np.mean([estimate.is_resolved_share for estimate in few]) < 0.2
    assert np.mean([estimate.is_resolved_share for estimate in many]) > 0.8


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


def test_draws_of_a_run_are_twice_as_long_as_its_inefficiency():
    """Blocks of 20 frames, an inefficiency of 50: draws of 5 blocks, each of a memory of a quarter of a draw."""
    bootstrap = statistics.bootstrap_run(60, 1200, 50.0, 5, np.random.default_rng(6))
    assert bootstrap.n_draws == 12
    assert bootstrap.memory == pytest.approx(0.25)
    assert not bootstrap.shorter_than_asked
    assert statistics.bootstrap_run(60, 1200, 100.0, 5, np.random.default_rng(6)).shorter_than_asked


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


def test_draws_that_remember_each_other_miss_a_part_of_the_variance():
    """The variance of block means of a first-order process is known, and so is that of the mean of all."""
    rng = np.random.default_rng(22)
    memory, size, n_runs = 20, 50, 1000
    runs = ar1(rng, 16 * size, np.exp(-1 / memory), n_series=n_runs)
    of_blocks = runs.reshape(16, size, n_runs).mean(axis=1)
    bootstrap = bootstrap_blocks(16, 1, 10, rng, inefficiency=2 * memory / size)
    assert bootstrap.memory == pytest.approx(memory / size)
    assert bootstrap_blocks(32, 2, 10, rng, inefficiency=4 * memory / size).memory == pytest.approx(memory / size)
    naive = of_blocks.var(axis=0).mean() / 16
    assert naive * bootstrap.widening**2 == pytest.approx(runs.mean(axis=0).var(), rel=0.15)
    assert naive * 16 / 15 < 0.75 * runs.mean(axis=0).var()


@pytest.mark.parametrize(("memory", "least"), [(20, 0.92), (100, 0.85)])
def test_intervals_of_draws_that_remember_each_other_hold_the_truth(memory, least):
    """A single series of ten memories is too short to know its memory, so that the interval is too narrow still."""
    rng = np.random.default_rng(23)
    held = forgetful = 0
    for values in ar1(rng, 960, np.exp(-1 / memory), n_series=300).T:
        blocks = values.reshape(64, 15).mean(axis=1)
        inefficiency = statistical_inefficiency(values) / 15
        for known in (inefficiency, 0.0):
            bootstrap = bootstrap_blocks(64, int(np.ceil(2 * inefficiency)), 200, rng, known)
            low, high = bootstrap.interval(blocks.mean(), bootstrap.resample(blocks) / 64)
            if known:
                held += low < 0 < high
            else:
                forgetful += low < 0 < high
    assert held / 300 > least
    assert forgetful < held - 6


def test_an_interval_leaves_out_samples_without_a_number():
    bootstrap = bootstrap_blocks(8, 1, 5, np.random.default_rng(13))
    low, high = bootstrap.interval(1.0, np.array([0.9, np.nan, 1.0, 1.1, np.nan]))
    assert low < 0.9
    assert high > 1.1


def of_blocks(rng, n_replicas, n_blocks=16, n_samples=400):
    return [bootstrap_blocks(n_blocks, 1, n_samples, rng) for _ in range(n_replicas)]


def test_every_run_is_in_every_sample_of_runs():
    rng = np.random.default_rng(17)
    runs = [bootstrap_blocks(12, 2, 30, rng), bootstrap_blocks(4, 1, 20, rng)]
    pooled = bootstrap_runs(runs)
    assert pooled.weights.shape == (20, 16)
    np.testing.assert_array_equal(pooled.weights, np.hstack([run.weights[:20] for run in runs]))
    assert (pooled.weights[:, 12:].sum(axis=1) == 4).all()
    assert pooled.n_draws == 8 + 4
    assert pooled.shorter_than_asked  # 6 draws of two blocks would be too few
    assert pooled.n_replicas is None


def test_whole_replicas_are_drawn_before_their_blocks():
    rng = np.random.default_rng(18)
    drawn = bootstrap_replicas(of_blocks(rng, 4), rng)
    weight = drawn.weights.reshape(400, 4, 16).sum(axis=2)
    assert set(np.unique(weight)) == {0, 16, 32, 48, 64}
    np.testing.assert_array_equal(weight.sum(axis=1), 64)
    assert weight.mean(axis=0) == pytest.approx(16, rel=0.15)
    assert drawn.n_replicas == 4
    # A replica drawn twice brings two samples, not one sample twice.
    twice = drawn.weights.reshape(400, 4, 16)[weight == 32]
    assert (twice % 2 == 1).any(axis=1).mean() > 0.9


def test_fewer_than_three_replicas_say_nothing_of_their_scatter():
    rng = np.random.default_rng(19)
    runs = of_blocks(rng, 2)
    drawn = bootstrap_replicas(runs, rng)
    assert drawn.n_replicas is None
    np.testing.assert_array_equal(drawn.weights, bootstrap_runs(runs).weights)


def test_the_error_from_replicas_that_differ_is_their_standard_error():
    rng = np.random.default_rng(20)
    values = rng.normal(size=5)
    blocks = np.repeat(values, 16) + 0.01 * rng.normal(size=80)
    drawn = bootstrap_replicas(of_blocks(rng, 5, n_samples=4000), rng)
    assert drawn.stderr(drawn.resample(blocks) / 80) == pytest.approx(stats.sem(values), rel=0.03)
    alone = bootstrap_runs(of_blocks(rng, 5))
    assert alone.stderr(alone.resample(blocks) / 80) < 0.01


def test_the_interval_of_replicas_holds_the_truth_where_runs_hide_that_boxes_differ():
    rng = np.random.default_rng(21)
    held = alone = 0
    for _ in range(200):
        blocks = (rng.normal(size=(4, 1)) + rng.normal(size=(4, 16))).ravel()
        runs = of_blocks(rng, 4)
        intervals = [
            bootstrap.interval(blocks.mean(), bootstrap.resample(blocks) / 64)
            for bootstrap in (bootstrap_replicas(runs, rng), bootstrap_runs(runs))
        ]
        held += intervals[0][0] < 0 < intervals[0][1]
        alone += intervals[1][0] < 0 < intervals[1][1]
    assert held / 200 > 0.92
    assert alone / 200 < 0.5


def test_one_draw_has_no_error():
    assert np.isnan(Bootstrap(np.ones((5, 1)), 1, shorter_than_asked=False).widening)


def test_the_error_of_a_ratio_is_that_of_its_samples():
    rng = np.random.default_rng(30)
    bootstrap = statistics.bootstrap_blocks(64, 3, 200, rng, 2.0)
    blocks, divisors = rng.random((64, 50)), rng.uniform(1, 2, 64)
    samples = bootstrap.resample(blocks) / bootstrap.resample(divisors)[:, None]
    assert bootstrap.stderr_of_ratio(blocks, divisors) == pytest.approx(bootstrap.stderr(samples), rel=1e-9)
