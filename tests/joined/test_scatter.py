import numpy as np
import pandas as pd
import pytest
from scipy import stats

from solvshell.joined.averages import Value, from_series
from solvshell.joined.scatter import judged, scatter, verdict


def value_of(samples: np.ndarray) -> Value:
    return from_series(samples.mean(), stats.sem(samples), len(samples), lowest=-np.inf)


def test_of_independent_samples_it_is_the_analysis_of_variance_of_scipy() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(4, 30))
    samples = (samples - samples.mean(axis=1, keepdims=True)) / samples.std(axis=1, keepdims=True)  # one variance
    samples += np.array([[0.0], [0.3], [0.5], [-0.2]])
    found, expected = scatter([value_of(one) for one in samples]), stats.f_oneway(*samples)
    assert found is not None
    assert (found.f, found.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    assert (found.df_between, found.df_within) == pytest.approx((3, 4 * 29))
    assert found.between_over_within == pytest.approx(np.sqrt(expected.statistic))
    assert found.within_stderr == pytest.approx(np.linalg.norm(stats.sem(samples, axis=1)) / 4)


def test_replicas_that_agree_are_called_so_as_often_as_said() -> None:
    rng = np.random.default_rng(1)
    p_values = [scatter([value_of(one) for one in rng.normal(size=(3, 12))]).p_value for _ in range(2000)]
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.012)


def test_an_error_that_is_missing_tells_nothing() -> None:
    assert scatter([Value(1.0, stderr=0.1, n_independent=9.0)]) is None
    assert scatter([Value(1.0, stderr=0.1, n_independent=9.0), Value(2.0)]) is None


def rows(p_values: list[float]) -> pd.DataFrame:
    numbers = {"quantity": "coordination", "center": "Li", "of": "EC o", "between_over_within": 1 / np.array(p_values)}
    return pd.DataFrame(numbers | {"p_value": p_values, "n_replicas": 3})


def test_many_numbers_are_looked_at_with_more_care() -> None:
    many = judged(rows([0.03, *[0.5] * 20]))
    assert set(many.status) == {"agree"}
    assert "replicas differ by no more than their own errors" in verdict(many)
    sure = judged(rows([1e-6, 0.03, *[0.5] * 20, np.nan]))
    assert list(sure.status[:2]) == ["scatter", "agree"]
    assert sure.status.iloc[-1] == "cannot_tell"
    assert "in 1 of 22 numbers (most in coordination Li EC o: 1000000.0 times)" in verdict(sure)
    assert "cannot be told" in verdict(judged(rows([np.nan])))
