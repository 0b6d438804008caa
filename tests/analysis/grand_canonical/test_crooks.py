"""Works with known answers: Gaussian ones, those that remember, and those that share nothing."""

import numpy as np
import pytest
from pymbar.other_estimators import bar

from solvshell.analysis.grand_canonical import crooks, gaussian_acceptance


def gaussian(free_energy: float, dissipation: float, n: tuple[int, int], seed: int, variance: float | None = None):
    """Return works there and back, in random order, that obey Crooks' relation (unless given another variance)."""
    rng = np.random.default_rng(seed)
    is_forward = rng.permutation(np.repeat([True, False], n))
    width = np.sqrt(2 * dissipation if variance is None else variance)
    return np.where(is_forward, free_energy, -free_energy) + dissipation + width * rng.normal(size=sum(n)), is_forward


@pytest.mark.parametrize(("free_energy", "dissipation", "n"), [(-3.0, 2.84, (1500, 1500)), (4.0, 1.0, (3000, 700))])
def test_gaussian_works_have_their_free_energy_crossing_and_slope(free_energy, dissipation, n) -> None:
    found = crooks(*gaussian(free_energy, dissipation, n, seed=1))
    assert found.stderr_kt < 0.15
    assert found.free_energy_kt == pytest.approx(free_energy, abs=3.5 * found.stderr_kt)
    assert found.crossing_kt == pytest.approx(free_energy, abs=3.5 * found.crossing_stderr_kt)
    if n[0] == n[1]:  # then the slope says nothing of where they cross
        assert found.crossing_stderr_kt == pytest.approx(found.stderr_kt, rel=0.05)
    assert found.slope == pytest.approx(1, abs=3.5 * found.slope_stderr)
    assert found.slope_stderr < 0.1
    assert found.status == "consistent"


def test_the_free_energy_is_that_of_pymbar() -> None:
    works, is_forward = gaussian(1.3, 2.0, (400, 900), seed=2)
    found = crooks(works, is_forward)
    theirs = bar(works[is_forward], works[~is_forward])
    assert found.free_energy_kt == pytest.approx(theirs["Delta_f"], abs=1e-6)
    assert found.stderr_kt == pytest.approx(theirs["dDelta_f"], rel=0.25)  # ours knows that works may remember


def test_errors_hold_the_truth_as_often_as_they_should() -> None:
    """Deviations of F, of the crossing and of the slope from the truth are as large as their errors say."""
    pulls = []
    for seed in range(60):
        one = crooks(*gaussian(-1.0, 2.0, (200, 300), seed))
        pulls.append(
            (
                (one.free_energy_kt + 1) / one.stderr_kt,
                (one.crossing_kt + 1) / one.crossing_stderr_kt,
                (one.slope - 1) / one.slope_stderr,
            )
        )
    rms = np.sqrt(np.mean(np.square(pulls), axis=0))
    assert np.all((rms > 0.7) & (rms < 1.3)), rms


def test_works_that_remember_know_less() -> None:
    """Each work eight times over: the error is that of one of them."""
    works, is_forward = gaussian(0.5, 2.0, (600, 600), seed=3)
    once, often = crooks(works, is_forward), crooks(np.repeat(works, 8), np.repeat(is_forward, 8))
    assert often.free_energy_kt == pytest.approx(once.free_energy_kt)
    assert often.stderr_kt == pytest.approx(once.stderr_kt, rel=0.25)
    assert often.slope_stderr == pytest.approx(once.slope_stderr, rel=0.25)
    assert often.n_shared == pytest.approx(once.n_shared, rel=0.4)


def test_works_that_break_the_relation_are_seen() -> None:
    """Gaussian works of twice the variance cross at F still, with the slope 2 W_d / W_d = 1/2."""
    found = crooks(*gaussian(0.0, 2.0, (2000, 2000), seed=4, variance=8.0))
    assert found.slope == pytest.approx(0.5, abs=0.05)
    assert found.status == "inconsistent"


def test_works_that_share_nothing_give_no_number() -> None:
    found = crooks(*gaussian(0.0, 40.0, (200, 200), seed=5))
    assert found.status == "inconclusive"
    assert np.isnan([found.free_energy_kt, found.crossing_kt, found.slope]).all()
    assert crooks(np.array([1.0, 2.0]), np.array([True, True])).status == "inconclusive"
    assert crooks(np.array([]), np.array([], bool)).status == "inconclusive"


def test_few_works_are_inconclusive_about_the_slope() -> None:
    found = crooks(*gaussian(0.0, 1.0, (45, 45), seed=6))
    assert np.isfinite(found.free_energy_kt)
    assert found.slope_stderr > 0.2
    assert found.status == "inconclusive"


def test_switches_that_fail_count_among_those_tried() -> None:
    """A share of insertions that cost infinitely makes all molecules rarer: exp(-F) falls by that share."""
    works, is_forward = gaussian(0.0, 1.0, (4000, 4000), seed=7)
    failed = is_forward & (np.random.default_rng(8).random(len(works)) < 0.3)
    found = crooks(np.where(failed, np.inf, works), is_forward)
    assert found.free_energy_kt == pytest.approx(-np.log(0.7), abs=3.5 * found.stderr_kt)
    works[is_forward] = np.where(failed[is_forward], 1e30, works[is_forward])  # one atom on top of another
    assert crooks(works, is_forward).free_energy_kt == pytest.approx(found.free_energy_kt, abs=1e-6)


@pytest.mark.parametrize("dissipation", [0.3, 1.0, 2.84])
def test_acceptance_of_gaussian_works(dissipation: float) -> None:
    w = dissipation + np.sqrt(2 * dissipation) * np.random.default_rng(9).normal(size=400_000)
    assert gaussian_acceptance(dissipation) == pytest.approx(np.minimum(1, np.exp(-w)).mean(), abs=0.003)


def test_acceptance_at_the_least_cost_is_23_percent() -> None:
    assert gaussian_acceptance(2.84) == pytest.approx(0.233, abs=0.001)
    assert gaussian_acceptance(0.0) == 1
