import numpy as np
import pytest
from known_potential import known_universe
from synthetic import only_ec

from solvshell.errors import InvalidInput
from solvshell.free_energy.agreement import AGREEMENT_COLUMNS, Curve, agreement, counted_potential

R = np.arange(2.025, 6.0, 0.05)
EC = ("Li", "EC", "carbonyl_o")


def noisy(rng, truth=0.0, n_samples=200, memory=0.5, sigma=0.1):
    """A curve with correlated errors, and samples that scatter as it does around itself."""
    covariance = sigma**2 * np.exp(-np.abs(R[:, None] - R) / memory)
    factor = np.linalg.cholesky(covariance)
    w = truth + factor @ rng.normal(size=len(R))
    return Curve(R, w, w + rng.normal(size=(n_samples, len(R))) @ factor.T, np.full(len(R), 500.0))


def test_curves_that_are_the_same_disagree_as_often_as_p_says():
    rng = np.random.default_rng(0)
    truth = -3 * np.exp(-((R - 2) ** 2))
    found = [agreement(noisy(rng, truth), noisy(rng, truth + 7.0), (5.0, 5.8), 7.0) for _ in range(200)]
    assert np.mean([one.chi_squared_per_bin for one in found]) == pytest.approx(1, abs=0.12)
    p = np.array([one.p_value for one in found])
    assert 0.015 <= np.mean(p < 0.05) <= 0.095
    assert 0.4 <= np.mean(p < 0.5) <= 0.6
    assert found[0].n_free < len(R) / 3  # its bins move together


def test_bins_that_know_nothing_of_each_other_are_all_free():
    rng = np.random.default_rng(1)
    found = agreement(noisy(rng, memory=1e-6), noisy(rng, memory=1e-6), (4.0, 6.0), 7.0)
    assert found.n_free == pytest.approx(len(R), rel=0.25)


def test_a_difference_is_seen():
    rng = np.random.default_rng(2)
    found = agreement(noisy(rng, 1.0 * (R < 3)), noisy(rng), (5.0, 5.8), 7.0)
    assert found.p_value < 1e-3
    assert found.largest_kt == pytest.approx(1.0, abs=0.4)
    assert found.table.columns.tolist() == AGREEMENT_COLUMNS
    aligned = found.table[found.table.r_angstrom.between(5.0, 5.8)]
    assert aligned[["first_kt", "second_kt"]].mean().tolist() == pytest.approx([0, 0], abs=1e-12)
    assert str(found).startswith(f"{len(R)} bins from 2.02 to 5.97 Å, aligned over 5-5.8 Å: chi^2 per bin ")


def test_curves_aligned_at_one_bin_are_compared_at_the_others():
    rng = np.random.default_rng(4)
    found = agreement(noisy(rng), noisy(rng), (4.0, 4.05), 7.0)
    at = found.table.set_index(found.table.r_angstrom.round(3)).loc[4.025]
    assert (at.difference_kt, at.difference_kt_stderr) == (0, 0)
    assert 0 < found.p_value < 1
    assert 1 < found.n_free < len(R) / 3


def test_only_what_both_know_is_compared():
    rng = np.random.default_rng(3)
    first, second = noisy(rng), noisy(rng)
    first.n_independent[:10] = 99
    second.samples_kt[:, 20] = np.nan
    found = agreement(first, second.where(R < 5.5), (4.5, 5.0), 5.0)
    assert found.table.r_angstrom.tolist() == pytest.approx(np.delete(R, 20)[10:][np.delete(R, 20)[10:] < 5].tolist())
    with pytest.raises(InvalidInput, match="no bin with 100 independent counts from 8 to 9 Å"):
        agreement(first, second, (8, 9), 7.0)
    with pytest.raises(InvalidInput, match="share 0 bins"):
        agreement(first, second, (4, 5), 2.0)


def test_two_runs_of_one_potential_agree_and_another_does_not():
    first, second = (
        counted_potential(known_universe(np.random.default_rng(seed))[0], only_ec(), EC) for seed in (1, 2)
    )
    found = agreement(first, second, (5.0, 7.0), 8.0)
    assert found.p_value > 0.01
    assert found.table.r_angstrom.min() < 2
    assert found.table.difference_kt_stderr.median() < 0.1
    second.w_kt[:] += 0.3 * (second.r_angstrom < 2.5)
    second.samples_kt[:] += 0.3 * (second.r_angstrom < 2.5)
    assert agreement(first, second, (5.0, 7.0), 8.0).p_value < 0.01


def test_a_pair_that_is_not_there_is_named():
    universe, _ = known_universe(np.random.default_rng(1), 20)
    with pytest.raises(InvalidInput, match=r"pair: .*PF6.* has no g\(r\) \(known: .*EC"):
        counted_potential(universe, only_ec(), ("Li", "PF6", "f"))
