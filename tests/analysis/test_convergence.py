import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.signal import lfilter

from solvshell.analysis.convergence import (
    CONVERGENCE_COLUMNS,
    RUNNING_MEAN_COLUMNS,
    convergence,
    convergence_of_replicas,
    running_mean,
    with_doubts,
)
from solvshell.analysis.coordination import COORDINATION_COLUMNS
from solvshell.analysis.statistics import Estimate, confidence_interval, mean_with_error
from solvshell.errors import InvalidInput

NO_TOTAL = {"Li": Estimate(np.nan, None, np.nan)}


def peak_rows(*rows):
    columns = ["center", "partner", "site", "peak_angstrom", "peak_stderr_angstrom", "status", "n_independent"]
    return pd.DataFrame(rows, columns=columns)


def coordination_rows(*rows):
    columns = ["center", "partner", "site", "cn_atoms_mean", "cn_atoms_stderr", "n_independent"]
    return pd.DataFrame(rows, columns=columns).reindex(columns=COORDINATION_COLUMNS)


EC = peak_rows(("Li", "EC", "carbonyl_o", 1.95, 0.01, "resolved", 40.0))
EC_NUMBER = coordination_rows(("Li", "EC", "carbonyl_o", 2.5, 0.05, 40.0))


def ar1(rng, n_frames, phi, n_series=1):
    """Series with statistical inefficiency (1 + phi) / (1 - phi) and variance 1."""
    noise = rng.normal(size=(n_frames, n_series)) * np.sqrt(1 - phi**2)
    noise[0] /= np.sqrt(1 - phi**2)
    return lfilter([1], [1, -phi], noise, axis=0)


def test_the_error_falls_with_the_root_of_the_time():
    table = convergence(EC, EC_NUMBER, {"Li": Estimate(5.0, 0.3, 25.0)}, 400.0)
    assert list(table.columns) == CONVERGENCE_COLUMNS
    assert list(table.quantity) == ["peak", "coordination", "total_coordination"]
    assert table.stderr.to_numpy() == pytest.approx([0.01, 0.05, 0.3], rel=1e-4)
    assert list(table.wanted) == [0.005, 0.1, 0.1]
    assert table.needed_ps.to_numpy() == pytest.approx([1600, 100, 3600], rel=1e-4)
    assert list(table.status) == ["longer", "enough", "longer"]
    wished = convergence(EC, EC_NUMBER, NO_TOTAL, 400.0, peak_angstrom=0.02, coordination_number=0.01)
    assert list(wished.status) == ["enough", "longer", "cannot_tell"]


def test_few_samples_or_no_error_cannot_tell():
    few = EC.assign(n_independent=9.9)
    unknown = peak_rows(("Li", "EC", "carbonyl_o", None, None, "too_few_samples", 40.0))
    constant = {"Li": Estimate(4.0, None, 1.0), "Na": None}
    for peaks in (few, unknown):
        table = convergence(peaks, EC_NUMBER.assign(cn_atoms_stderr=np.nan), constant, 400.0)
        assert list(table.status) == ["cannot_tell"] * 4
        assert table.needed_ps.isna().all()


def test_a_partner_without_a_shell_needs_nothing():
    nobody = peak_rows(("Li", "POTA", "n", None, None, "no_shell", 40.0))
    uncounted = coordination_rows(("Li", "POTA", "n", np.nan, np.nan, np.nan))
    assert list(convergence(nobody, uncounted, NO_TOTAL, 400.0).quantity) == ["total_coordination"]
    within_a_given_cutoff = coordination_rows(("Li", "POTA", "n", 0.1, 0.01, 40.0))
    table = convergence(nobody, within_a_given_cutoff, NO_TOTAL, 400.0)
    assert list(table.quantity) == ["coordination", "total_coordination"]


def test_nothing_at_all_is_an_empty_table():
    table = convergence(peak_rows(), coordination_rows(), {}, 400.0)
    assert table.empty
    assert list(table.columns) == CONVERGENCE_COLUMNS


@pytest.mark.parametrize("field", ["peak_angstrom", "coordination_number", "run_ps"])
def test_what_is_wanted_must_be_positive(field):
    with pytest.raises(InvalidInput, match=f"^{field}: 0 "):
        convergence(EC, EC_NUMBER, NO_TOTAL, **({"run_ps": 400.0} | {field: 0.0}))


def test_peaks_without_independent_samples_are_refused():
    with pytest.raises(InvalidInput, match="no column n_independent"):
        convergence(EC.drop(columns="n_independent"), EC_NUMBER, NO_TOTAL, 400.0)


@pytest.mark.parametrize(("phi", "n_centers"), [(0.0, 1), (0.0, 8), (0.8, 1), (0.8, 8)])
def test_the_needed_time_is_that_of_the_process(phi, n_centers):
    """The variance of the mean is (1 + phi) / (1 - phi) / (n_frames n_centers).

    Of many centers it is the larger of two estimates, and so a little too large on average.
    """
    rng = np.random.default_rng(2)
    needed = [
        convergence(
            peak_rows(),
            coordination_rows(),
            {"Li": mean_with_error(ar1(rng, 2000, phi, n_centers))},
            run_ps=2000.0,
            coordination_number=0.01,
        ).needed_ps.item()
        for _ in range(40)
    ]
    exact = (1 + phi) / (1 - phi) / n_centers / 0.01**2
    assert 0.9 * exact < np.mean(needed) < (1.1 if n_centers == 1 else 1.3) * exact


def test_after_the_needed_time_the_error_is_the_wanted_one():
    rng = np.random.default_rng(3)
    short = mean_with_error(ar1(rng, 1000, 0.6, 8))
    needed = convergence(peak_rows(), coordination_rows(), {"Li": short}, 1000.0, coordination_number=0.005).needed_ps
    longer = mean_with_error(ar1(rng, int(needed.item()), 0.6, 8))
    assert longer.stderr == pytest.approx(0.005, rel=0.15)


def tables_of(values, stderr=0.05, n_independent=20.0):
    return [
        convergence(peak_rows(), coordination_rows(), {"Li": Estimate(value, stderr, n_independent)}, 100.0)
        for value in values
    ]


def test_the_error_of_replicas_is_their_scatter():
    values = [4.0, 5.0, 4.5, 4.7]
    (row,) = convergence_of_replicas(tables_of(values)).itertuples()
    assert row.value == pytest.approx(np.mean(values))
    assert row.stderr == pytest.approx(stats.sem(values))
    assert (row.run_ps, row.n_independent) == (400.0, 80.0)
    assert row.needed_ps == pytest.approx(400 * (stats.sem(values) / 0.1) ** 2)
    assert row.status == "longer"


def test_two_replicas_have_the_errors_of_their_runs():
    (row,) = convergence_of_replicas(tables_of([4.0, 5.0])).itertuples()
    assert row.stderr == pytest.approx(0.05 / np.sqrt(2))
    assert row.status == "enough"


def test_what_one_replica_lacks_cannot_be_told():
    tables = [*tables_of([4.0, 5.0, 4.5]), convergence(EC, EC_NUMBER, {"Li": Estimate(4.4, 0.05, 20.0)}, 100.0)]
    found = convergence_of_replicas(tables).set_index("quantity").status
    assert found.to_dict() == {"total_coordination": "longer", "peak": "cannot_tell", "coordination": "cannot_tell"}


@pytest.mark.parametrize(
    ("flags", "doubtful"),
    [
        ({"not_equilibrated": False, "no_plateau": False, "short_draws": []}, set()),
        ({"short_draws": ["Li-EC carbonyl_o"]}, {"peak"}),
        ({"short_draws": ["Li-DMC carbonyl_o"]}, set()),
        ({"not_equilibrated": True}, {"coordination"}),
        ({"no_plateau": True}, {"peak", "coordination"}),
    ],
)
def test_an_error_as_wanted_is_doubtful_where_a_flag_says_so(flags, doubtful):
    judged = convergence(EC, EC_NUMBER, {"Li": Estimate(5.0, 0.3, 25.0)}, 400.0, peak_angstrom=0.02)
    assert list(judged.status) == ["enough", "enough", "longer"]
    found = with_doubts(judged, flags).set_index("quantity").status.to_dict()
    before = {"peak": "enough", "coordination": "enough", "total_coordination": "longer"}
    assert found == before | dict.fromkeys(doubtful, "doubtful")


@pytest.mark.parametrize("n_frames", [30, 1000, 4321])
def test_a_running_mean_ends_at_the_mean(n_frames):
    series = ar1(np.random.default_rng(4), n_frames, 0.5, 6) + 5
    table = running_mean(series, 2.0, "Li")
    assert list(table.columns) == RUNNING_MEAN_COLUMNS
    assert len(table) == min(50, n_frames)
    last = table.iloc[-1]
    assert last.time_ps == n_frames * 2.0
    assert last["mean"] == pytest.approx(series.mean())
    estimate = mean_with_error(series)
    assert last.stderr == pytest.approx(estimate.stderr, rel=0.15)
    middle = table.iloc[len(table) // 2]
    assert middle["mean"] == pytest.approx(series[: round(middle.time_ps / 2)].mean())
    assert (middle.low, middle.high) == pytest.approx(
        confidence_interval(middle["mean"], middle.stderr, middle.n_independent)
    )


def test_the_band_of_a_running_mean_holds_the_truth():
    rng = np.random.default_rng(5)
    held = [
        ((table.low < 0) & (table.high > 0)).to_numpy()[[9, 24, 49]]
        for table in (running_mean(ar1(rng, 3000, 0.9, 8), 1.0, "Li") for _ in range(200))
    ]
    share = np.mean(held, axis=0)
    assert (share >= 0.92).all()
    assert share[-1] < 1


def test_a_number_that_never_changes_has_no_band():
    table = running_mean(np.full((100, 3), 4), 1.0, "Li")
    assert (table["mean"] == 4).all()
    assert table[["stderr", "low", "high"]].isna().all(axis=None)
