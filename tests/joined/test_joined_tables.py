"""The joined tables against the direct formulas, from analyses of each replica within the same cutoffs."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from table_contract import COLUMNS

from solvshell.analysis import Analysis, analyze_run
from solvshell.analysis.censored import Residence
from solvshell.analysis.convergence import CONVERGENCE_COLUMNS
from solvshell.joined.long_enough import long_enough
from solvshell.joined.residence import departures_over_time
from solvshell.run import Run
from solvshell.shown import Shown, read_table

NAMES = ("replica-00", "replica-01", "replica-02")
PAIR = ["center", "partner", "site"]


def table_of(folder: Path, name: str) -> pd.DataFrame:
    return read_table(folder / "analysis" / f"{name}.csv")


@pytest.fixture(scope="module")
def alone(analyzed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Analysis]:
    """Return each replica analyzed by itself within the cutoffs of all."""
    out = tmp_path_factory.mktemp("alone")
    cutoffs = table_of(analyzed, "peaks").dropna(subset=["cutoff_angstrom"]).set_index(PAIR).cutoff_angstrom
    shell = {key: float(value) for key, value in cutoffs.items()}
    runs = [Run.load(analyzed / name) for name in NAMES]
    return {run.path.name: analyze_run(run, out / run.path.name, shell=shell, energies=False) for run in runs}


def row_of(table: pd.DataFrame, **named: str) -> pd.Series:
    chosen = table[np.logical_and.reduce([table[column] == entry for column, entry in named.items()])]
    assert len(chosen) == 1
    return chosen.iloc[0]


def check(values: list[float], mean: float, stderr: float, low: float, high: float) -> None:
    """Compare with the mean of replicas, its standard error and the interval of Student."""
    assert mean == pytest.approx(np.mean(values), rel=1e-4)
    assert stderr == pytest.approx(stats.sem(values), rel=1e-3)
    expected = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert (low, high) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", ["rdf", "peaks", "coordination", "shells", "speciation", "residence", "energies"])
def test_the_columns_are_those_of_one_run_and_more_behind(analyzed: Path, name: str) -> None:
    header = (analyzed / "analysis" / f"{name}.csv").read_text().splitlines()[0]
    ours = header.split(",")
    contract = COLUMNS[name].split(",")
    assert ours[: len(contract)] == contract
    assert "n_replicas" in ours[len(contract) :]
    assert "basis" in ours[len(contract) :]


def test_coordination_is_the_mean_over_replicas_within_one_cutoff(analyzed: Path, alone: dict[str, Analysis]) -> None:
    row = row_of(table_of(analyzed, "coordination"), partner="EC")
    own = [row_of(one.coordination, partner="EC") for one in alone.values()]
    assert {round(one.cutoff_angstrom, 6) for one in own} == {round(row.cutoff_angstrom, 6)}
    values = [one.cn_atoms_mean for one in own]
    check(values, row.cn_atoms_mean, row.cn_atoms_stderr, row.ci95_low, row.ci95_high)
    assert (row.n_replicas, row.basis) == (3, "replicas")
    assert row.n_independent == pytest.approx(sum(one.n_independent for one in own), rel=1e-4)
    squares = np.mean([one.cn_atoms_stderr**2 for one in own])
    assert row.between_over_within == pytest.approx(np.sqrt(np.var(values, ddof=1) / squares), rel=1e-3)
    assert row.between_over_within > 3  # one replica was made another one


def test_shells_and_their_absence_are_means_over_replicas(analyzed: Path, alone: dict[str, Analysis]) -> None:
    shells = table_of(analyzed, "shells")
    assert shells.fraction.sum() == pytest.approx(1, abs=1e-4)
    row = row_of(shells, composition="EC2 DMC1")
    values = [row_of(one.shells, composition="EC2 DMC1").fraction for one in alone.values()]
    assert row.fraction == pytest.approx(np.mean(values), rel=1e-4)
    assert row.stderr == pytest.approx(stats.sem(values), rel=1e-3)
    assert row.ci95_low >= 0
    assert row.n == sum(row_of(one.shells, composition="EC2 DMC1").n for one in alone.values())
    assert row.example_replica == "replica-02"  # that has most of them
    assert list(shells.fraction) == sorted(shells.fraction, reverse=True)


def test_pooled_g_is_that_of_all_frames(analyzed: Path, alone: dict[str, Analysis]) -> None:
    """The boxes are alike, so that each replica weighs as its frames."""
    joined = table_of(analyzed, "rdf").query("partner == 'EC' and site == 'carbonyl_o'")
    tables = [one.rdf.query("partner == 'EC' and site == 'carbonyl_o'") for one in alone.values()]
    frames = [one.summary["frames"]["used"] for one in alone.values()]
    for name in ("g", "n"):
        expected = np.average([table[name] for table in tables], axis=0, weights=frames)
        np.testing.assert_allclose(joined[name], expected, rtol=1e-4)
    peak = joined.g.argmax()
    assert joined.g_stderr.iloc[peak] > np.mean([table.g_stderr.iloc[peak] for table in tables]) / np.sqrt(3)
    assert set(joined.n_replicas) == {3}


def test_peaks_are_means_of_those_of_the_replicas(analyzed: Path, alone: dict[str, Analysis]) -> None:
    row = row_of(table_of(analyzed, "peaks"), partner="EC", site="carbonyl_o")
    values = [row_of(one.peaks, partner="EC", site="carbonyl_o").peak_angstrom for one in alone.values()]
    check(values, row.peak_angstrom, row.stderr_angstrom, row.ci95_low, row.ci95_high)
    assert row.cutoff_source == "pooled_first_minimum"
    assert row.cutoff_angstrom == row.first_minimum_angstrom
    assert 1.9 < row.peak_angstrom < row.cutoff_angstrom < 4


def test_residence_is_bound_time_over_departures(analyzed: Path, alone: dict[str, Analysis]) -> None:
    row = row_of(table_of(analyzed, "residence"), partner="EC", method="censored_exponential")
    own = [next(r for r in one.summary["residence"] if r["partner"] == "EC") for one in alone.values()]
    departures = [one["n_departures"] for one in own]
    watched = [n * one["time_ps"] if n else one["bound_ps"] for n, one in zip(departures, own, strict=True)]
    assert row.n_departures == sum(departures) > 0
    assert row.time_ps == pytest.approx(sum(watched) / sum(departures), rel=1e-3)
    assert row.n_replicas == 3


def test_energies_are_means_over_replicas(analyzed: Path) -> None:
    joined = table_of(analyzed, "energies")
    where = {"partner": "DMC", "quantity": "per_center", "region": "whole_box", "coulomb": "ewald"}
    row = row_of(joined, **where)
    values = [row_of(table_of(analyzed / name, "energies"), **where).total_kj_mol for name in NAMES]
    check(values, row.total_kj_mol, row.stderr_kj_mol, row.ci95_low, row.ci95_high)
    assert row.lj_kj_mol + row.coulomb_kj_mol == pytest.approx(row.total_kj_mol, rel=1e-4)
    shell = row_of(joined, partner="DMC", quantity="per_center", region="first_shell", coulomb="bare")
    assert shell.lj_kj_mol + shell.coulomb_kj_mol == pytest.approx(shell.total_kj_mol, rel=1e-4)


def test_every_number_of_every_replica_is_kept_and_judged(analyzed: Path, alone: dict[str, Analysis]) -> None:
    replicas = table_of(analyzed, "replicas")
    own = replicas[(replicas.quantity == "coordination") & (replicas.of == "EC carbonyl_o")].set_index("replica")
    for name, one in alone.items():
        row = row_of(one.coordination, partner="EC")
        assert (own.value[name], own.stderr[name]) == pytest.approx((row.cn_atoms_mean, row.cn_atoms_stderr), rel=1e-4)
    between = table_of(analyzed, "between_replicas")
    judged = row_of(between, quantity="coordination", of="EC carbonyl_o")
    assert (judged.status, judged.n_replicas) == ("scatter", 3)
    assert judged.within_stderr == pytest.approx(np.linalg.norm(own.stderr) / 3, rel=1e-3)
    assert row_of(between, quantity="peak_angstrom", of="EC carbonyl_o").status == "agree"


def test_the_summary_says_what_was_joined(analyzed: Path) -> None:
    summary = json.loads((analyzed / "analysis" / "summary.json").read_text())
    assert [one["name"] for one in summary["replicas"]] == list(NAMES)
    assert summary["left_out"] == {"replica-03": "not finished"}
    assert summary["basis"] == "replicas"
    assert "replicas differ by more than their own errors" in summary["between_replicas"]
    total = summary["coordination"]["total"]["Li"]
    assert total["mean"] == pytest.approx(table_of(analyzed, "coordination").cn_atoms_mean.sum(), rel=1e-4)
    assert summary["flags"]["demonstration"] is True
    assert summary["thermodynamics"]["density_g_cm3"]["n_replicas"] == 3


def test_a_replica_that_nobody_left_counts_with_its_time() -> None:
    runs = [
        Residence(100.0, 10.0, 10, 1000.0, None),
        Residence(50.0, 12.0, 20, 1000.0, None),
        Residence(None, None, 0, 900.0, 300.0),
    ]
    row = departures_over_time(runs)
    n, bound = np.array([10, 20, 0]), np.array([1000.0, 1000.0, 900.0])
    time = 2900 / 30
    assert (row["mean"], row["n_departures"], row["n_replicas"]) == (pytest.approx(time), 30, 3)
    assert row["stderr"] == pytest.approx(stats.sem((bound - time * n) / n.mean()))
    assert row["status"] == "not_resolved"
    assert row["between_over_within"] is None
    two = departures_over_time(runs[:2])
    assert (two["mean"], two["basis"]) == (pytest.approx(2000 / 30), "one run")
    assert two["stderr"] == pytest.approx(np.hypot(10 * 10.0, 20 * 12.0) / 30)
    nobody = departures_over_time([runs[2]] * 3)
    assert "mean" not in nobody
    assert nobody["lower_bound_ps"] == pytest.approx(900)


def test_a_shell_has_one_share_in_all_tables(analyzed: Path) -> None:
    """A replica that never had it counts as 0 in both."""
    shares = read_table(analyzed / "analysis" / "shells.csv").set_index("composition").fraction
    between = read_table(analyzed / "analysis" / "between_replicas.csv").query("quantity == 'shell'")
    assert (between.n_replicas == 3).all()
    assert list(between["mean"]) == pytest.approx(list(shares[between.of]), rel=1e-4)


@pytest.mark.parametrize(
    ("n", "flags", "status"),
    [
        (3, {}, {"peak": "enough", "coordination": "enough"}),
        (3, {"not_equilibrated": True}, {"peak": "enough", "coordination": "doubtful"}),
        (3, {"short_draws": ["Li-EC carbonyl_o"]}, {"peak": "enough", "coordination": "enough"}),
        (2, {"short_draws": ["Li-EC carbonyl_o"]}, {"peak": "doubtful", "coordination": "enough"}),
    ],
)
def test_one_replica_makes_all_doubtful(n: int, flags: dict, status: dict[str, str]) -> None:
    rows = [(quantity, "Li", "EC", "carbonyl_o", 2.0, 0.01, 0.1, 20.0, 100.0) for quantity in status]
    columns = [name for name in CONVERGENCE_COLUMNS if name not in ("needed_ps", "status")]
    table = pd.DataFrame(rows, columns=columns)

    def replica(place: int) -> Shown:
        summary = {"flags": {"not_equilibrated": False, "short_draws": []} | (flags if place == 1 else {})}
        moved = table.assign(value=table.value + 0.01 * place)
        return Shown("", Path(), {"convergence": moved}, summary, None, None)

    found = long_enough([replica(place) for place in range(n)])
    assert found.set_index("quantity").status.to_dict() == status
