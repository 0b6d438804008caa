import numpy as np
import pytest

from solvshell.analysis.dispersion import dispersion
from solvshell.analysis.statistics import MIN_BLOCKS

N_FRAMES = 10 * MIN_BLOCKS
EVEN = np.arange(5, N_FRAMES, 10)  # one in each block


def of(centers, frames, exposures=(1, 1, 1, 1)):
    exposures = np.array(exposures)
    return dispersion(np.array(centers, int), np.array(frames, int), exposures * N_FRAMES, np.full(N_FRAMES, 4))


def test_it_is_the_variance_over_the_mean_of_equal_centers():
    centers = np.repeat(range(4), [1, 3, 0, 4])
    assert of(centers, EVEN) == pytest.approx(np.var([1, 3, 0, 4], ddof=1) / 2)
    assert of(np.repeat(centers, 10), np.repeat(EVEN, 10)) == pytest.approx(10 * np.var([1, 3, 0, 4], ddof=1) / 2)


def test_it_is_the_variance_over_the_mean_of_blocks():
    assert of([0, 1, 2, 3] * 2, [5] * 8) == pytest.approx(np.var([8] + [0] * (MIN_BLOCKS - 1), ddof=1) * MIN_BLOCKS / 8)


def test_events_in_proportion_to_unequal_exposures_are_even():
    centers = np.repeat(range(4), [2, 4, 8, 2])
    assert of(centers, np.repeat(EVEN, 2), (2, 4, 8, 2)) == 1
    assert of(centers, np.repeat(EVEN, 2)) == pytest.approx(np.var([2, 4, 8, 2], ddof=1) / 4)


def test_centers_and_frames_without_exposure_do_not_count():
    centers = np.repeat(range(2), [2, 6])
    assert of(centers, EVEN, (1, 1, 0, 0)) == pytest.approx(2)
    exposure = np.where(np.arange(N_FRAMES) < N_FRAMES // 2, 4, 0)
    frames = np.repeat(EVEN[: MIN_BLOCKS // 2], 2)
    assert dispersion(np.arange(8) % 4, frames, np.full(4, N_FRAMES), exposure) == 1


def test_it_is_that_of_the_jackknife_to_first_order():
    rng = np.random.default_rng(0)
    exposures = rng.integers(1000, 1100, 400)
    n = rng.poisson(rng.gamma(2, 2, 400))
    centers, frames = np.repeat(range(400), n), np.linspace(0, N_FRAMES - 1, n.sum()).astype(int)
    left_out = (n.sum() - n) / (exposures.sum() - exposures)
    jackknife = 399 / 400 * ((left_out - left_out.mean()) ** 2).sum()
    phi = dispersion(centers, frames, exposures, np.full(N_FRAMES, exposures.sum() / N_FRAMES))
    assert phi * n.sum() / exposures.sum() ** 2 == pytest.approx(jackknife, rel=0.01)
    assert phi > 2


def test_independent_events_have_that_of_a_poisson_process_or_little_more():
    rng = np.random.default_rng(1)
    found = [of(rng.integers(4, size=200), rng.integers(N_FRAMES, size=200)) for _ in range(200)]
    assert 1 < np.mean(found) < 1.6


def test_a_few_events_groups_or_frames():
    assert of([], []) == 1
    assert of([2], [7]) == 1
    assert dispersion(np.zeros(3, int), np.zeros(3, int), np.array([1]), np.array([1])) == 1
    assert dispersion(np.zeros(4, int), np.ones(4, int), np.array([3]), np.ones(3)) == pytest.approx(4)
