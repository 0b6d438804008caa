import numpy as np
import pandas as pd
import pytest

from solvshell.analysis.exchange_free_energy import EXCHANGE_FREE_ENERGY_COLUMNS
from solvshell.comparison.exchange_free_energy import EXCHANGE_COLUMNS, exchange_differences

KEY = ("Li", "EC", "DMC", "EC4", "EC3 DMC1", "free")


def table(*energies, stderr=0.5, n_independent=50.0, status="resolved", key=KEY):
    rows = [
        dict(zip(EXCHANGE_FREE_ENERGY_COLUMNS, key, strict=False))
        | {"delta_g_kj_mol": energy, "delta_g_kj_mol_stderr": stderr}
        | {"n_independent": n_independent, "status": status}
        for energy in energies
    ]
    return pd.DataFrame(rows, columns=EXCHANGE_FREE_ENERGY_COLUMNS)


def test_one_run_each_differ_with_an_interval_of_both_errors():
    found = exchange_differences({"liquid": [table(1.0)], "gel": [table(3.0, stderr=1.2)]})
    assert found.columns.tolist() == EXCHANGE_COLUMNS
    liquid, gel = (found[found.system == name].iloc[0] for name in ("liquid", "gel"))
    assert np.isnan(liquid.difference)
    assert gel.difference == 2.0
    students_t = 2.0096  # 49 degrees of freedom, 97.5 %
    half = students_t * np.hypot(0.5, 1.2)
    assert (gel.difference_ci95_low, gel.difference_ci95_high) == pytest.approx((2 - half, 2 + half), abs=1e-3)
    assert (gel.basis, gel.status, gel.n_replicas) == ("one run", "resolved", 1)
    assert np.isnan(gel.p_value)


def test_three_replicas_each_are_the_sample():
    found = exchange_differences(
        {"liquid": [table(x) for x in (0.9, 1.0, 1.1)], "gel": [table(x) for x in (2.8, 3.0, 3.2)]}
    )
    gel = found[found.system == "gel"].iloc[0]
    assert gel.difference == pytest.approx(2.0)
    assert gel.p_value < 0.01
    assert (gel.basis, gel.n_replicas) == ("replicas", 3)


def test_what_one_system_never_saw_has_no_difference():
    other = ("Li", "EC", "NO3", "EC4", "EC3 NO31", "free")
    found = exchange_differences({"liquid": [table(1.0)], "gel": [table(2.0), table(2.0, key=other)]})
    rows = found[found.system == "gel"].set_index("enters")
    assert rows.difference["DMC"] == 1.0
    assert np.isnan(rows.difference["NO3"])
    assert rows.n_replicas["NO3"] == 1


def test_too_few_samples_on_either_side_are_told():
    few = table(1.0, status="too_few_samples")
    for liquid, gel in (([few], [table(2.0)]), ([table(1.0)], [few]), ([table(1.0), few], [table(2.0)])):
        found = exchange_differences({"liquid": liquid, "gel": gel})
        assert found[found.system == "gel"].status.tolist() == ["too_few_samples"]


def test_a_replica_that_never_saw_an_exchange_is_missed():
    replicas = [table(1.0), table(1.2), table(np.nan, status="not_sampled")]
    found = exchange_differences({"liquid": [table(1.0)], "gel": replicas}).set_index("system")
    assert found.delta_g_kj_mol["gel"] == pytest.approx(1.1)
    assert (found.n_replicas["gel"], found.status["gel"], found.status["liquid"]) == (2, "too_few_samples", "resolved")


def test_exchanges_that_were_not_sampled_are_left_out():
    found = exchange_differences({"liquid": [table(np.nan, status="not_sampled")], "gel": [table(2.0)]})
    assert found.system.tolist() == ["gel"]
