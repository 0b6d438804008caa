import numpy as np
import pandas as pd
import pytest
from scipy import stats

from solvshell.joined.arrhenius import ArrheniusFit, arrhenius_fit
from solvshell.joined.temperatures import EXCHANGE, RESIDENCE, arrhenius_table, fit_words
from solvshell.units import kT_kj_mol

KELVIN = np.array([278.15, 298.15, 318.15, 338.15])
SAMPLING = "Langevin dynamics with friction 1 /ps, real masses, sampling dynamics, not physical time"


def within_runs(ln_k: np.ndarray, stderr: np.ndarray) -> ArrheniusFit:
    return arrhenius_fit(KELVIN, ln_k, stderr, np.ones(4), np.zeros(4, bool))


def test_points_on_a_line_give_its_energy_and_prefactor() -> None:
    kT = np.array([kT_kj_mol(one) for one in KELVIN])
    fit = within_runs(np.log(5.0) - 20.0 / kT, np.full(4, 0.1))
    assert (fit.energy_kj_mol, fit.intercept) == pytest.approx((20.0, np.log(5.0)))
    assert (fit.lack_of_fit, fit.p_value) == pytest.approx((0.0, 1.0), abs=1e-9)


def test_errors_within_runs_are_those_of_polyfit_and_chi_square() -> None:
    rng = np.random.default_rng(0)
    x = -1 / np.array([kT_kj_mol(one) for one in KELVIN])
    stderr = np.array([0.3, 0.1, 0.05, 0.2])
    y = 3 + 15 * x + rng.normal(scale=stderr)
    fit = within_runs(y, stderr)
    (slope, intercept), covariance = np.polyfit(x, y, 1, w=1 / stderr, cov="unscaled")
    assert (fit.energy_kj_mol, fit.intercept) == pytest.approx((slope, intercept))
    errors = np.sqrt(np.diag(covariance))
    assert (fit.stderr_kj_mol, fit.intercept_stderr) == pytest.approx(tuple(errors))
    assert (fit.ci95_low, fit.ci95_high) == pytest.approx(tuple(slope + stats.norm.ppf([0.025, 0.975]) * errors[0]))
    chi2 = (((y - intercept - slope * x) / stderr) ** 2).sum()
    assert fit.p_value == pytest.approx(stats.chi2.sf(chi2, 2))


def test_equal_replicas_are_the_regression_of_their_points() -> None:
    """With equal scatter everywhere the energy has the error of least squares through the single replicas."""
    x = -1 / np.array([kT_kj_mol(one) for one in KELVIN])
    n, offsets = 3, np.array([-0.1, 0.0, 0.1])
    points = 15 * x + np.array([0.02, -0.01, -0.03, 0.02])
    fit = arrhenius_fit(KELVIN, points, np.full(4, stats.sem(offsets)), np.full(4, n), np.ones(4, bool))
    assert fit.energy_kj_mol == pytest.approx(np.polyfit(x, points, 1)[0])
    assert fit.stderr_kj_mol == pytest.approx(0.1 / np.sqrt(n * ((x - x.mean()) ** 2).sum()))
    squares = n * ((points - np.polyval(np.polyfit(x, points, 1), x)) ** 2).sum()
    assert fit.lack_of_fit == pytest.approx(squares / 2 / 0.1**2)  # the F of a regression with repeated points


@pytest.mark.parametrize("scatter", [np.full(5, 0.1), 0.25 * np.exp(-np.linspace(0, 1.4, 5))], ids=["even", "cold"])
@pytest.mark.parametrize("n", [3, 4, 8])
def test_the_interval_of_few_replicas_holds_the_energy_as_often_as_said(n: int, scatter: np.ndarray) -> None:
    """The scatter of residence times is larger in the cold, where few leave; a line is straight at its level."""
    rng = np.random.default_rng(n)
    kelvin = np.array([278.15, 298.15, 318.15, 338.15, 358.15])
    times = np.exp(30 / np.array([kT_kj_mol(one) for one in kelvin]) - 20)
    fits = []
    for _ in range(1000):
        of_replicas = times * (1 + scatter * rng.normal(size=(n, 5)))
        mean, stderr = of_replicas.mean(axis=0), of_replicas.std(axis=0, ddof=1) / np.sqrt(n)
        fits.append(arrhenius_fit(kelvin, -np.log(mean), stderr / mean, np.full(5, n), np.ones(5, bool)))
    assert 0.925 <= np.mean([fit.ci95_low < 30 < fit.ci95_high for fit in fits]) <= 0.98
    assert 0.015 <= np.mean([not fit.is_straight for fit in fits]) <= 0.07


def table(quantity: str, values: np.ndarray, stderr: np.ndarray | float) -> pd.DataFrame:
    pair = {"quantity": quantity, "center": "Li", "partner": "EC", "site": "carbonyl_o"}
    own = {"n_replicas": 1, "basis": "one run", "status": "resolved", "limits": ""}
    return pd.DataFrame({"temperature_k": KELVIN, "value": values, "stderr": stderr, **pair, **own})


def test_residence_times_give_an_activation_energy_and_say_whose_time_it_is() -> None:
    kT = np.array([kT_kj_mol(one) for one in KELVIN])
    times = 0.02 * np.exp(25.0 / kT)
    (row,) = arrhenius_table(table(RESIDENCE, times, 0.1 * times), SAMPLING).to_dict("records")
    assert (row["energy_kj_mol"], row["meaning"], row["status"]) == (pytest.approx(25.0), "activation energy", "fitted")
    assert row["intercept"] == pytest.approx(-np.log(0.02))
    assert row["stderr_kj_mol"] == pytest.approx(within_runs(-np.log(times), np.full(4, 0.1)).stderr_kj_mol)
    assert "not physical time" in row["note"]
    (physical,) = arrhenius_table(table(RESIDENCE, times, 0.1 * times), "no thermostat, real masses").to_dict("records")
    assert physical["note"] == ""
    assert fit_words(row).startswith("activation energy of Li EC carbonyl_o: 25.0 kJ/mol (95 %: ")


def test_a_series_with_replicas_is_fitted_as_one() -> None:
    kT = np.array([kT_kj_mol(one) for one in KELVIN])
    found = table(EXCHANGE, 8.0 / kT - 0.7, np.array([0.02, 0.05, 0.05, 0.05]))
    found.loc[:2, ["n_replicas", "basis"]] = [3, "replicas"]
    (row,) = arrhenius_table(found, SAMPLING).to_dict("records")
    fit = arrhenius_fit(
        KELVIN, 0.7 - 8.0 / kT, found.stderr.to_numpy(), np.array([3, 3, 3, 1]), np.array([True, True, True, False])
    )
    assert (row["basis"], row["ci95_high"]) == ("replicas", pytest.approx(fit.ci95_high))
    assert row["ci95_high"] - 8.0 > 2.0 * row["stderr_kj_mol"]


def test_free_energies_of_exchange_give_an_enthalpy() -> None:
    kT = np.array([kT_kj_mol(one) for one in KELVIN])
    (row,) = arrhenius_table(table(EXCHANGE, 8.0 / kT - 0.7, 0.05), SAMPLING).to_dict("records")
    assert (row["energy_kj_mol"], row["intercept"]) == pytest.approx((8.0, 0.7))
    assert (row["meaning"], row["note"]) == ("enthalpy", "")


def test_a_bent_line_and_too_few_temperatures_are_called_so() -> None:
    (bent,) = arrhenius_table(table(RESIDENCE, np.array([9.0, 5.0, 50.0, 1.0]), 0.1), SAMPLING).to_dict("records")
    assert bent["status"] == "not_straight"
    assert "no straight line" in fit_words(bent)
    few = table(RESIDENCE, np.array([9.0, 5.0, np.nan, 1.0]), np.array([0.1, np.nan, np.nan, 0.1]))
    (row,) = arrhenius_table(few, SAMPLING).to_dict("records")
    assert (row["status"], row["n_temperatures"]) == ("too_few_temperatures", 2)
    assert np.isnan(row["energy_kj_mol"])
    assert "needs 3 temperatures with a resolved value, has 2" in fit_words(row)


def test_what_is_not_resolved_or_not_equilibrated_is_no_point_of_a_fit() -> None:
    kT = np.array([kT_kj_mol(one) for one in KELVIN])
    times = 0.02 * np.exp(25.0 / kT) * np.array([9.0, 1.0, 1.0, 1.0])
    found = table(RESIDENCE, times, 0.1 * times)
    for column, mark in (("status", "not_resolved"), ("limits", "not_equilibrated at_ceiling")):
        marked = found.copy()
        marked.loc[0, column] = mark
        (row,) = arrhenius_table(marked, SAMPLING).to_dict("records")
        assert (row["energy_kj_mol"], row["n_temperatures"], row["n_left_out"]) == (pytest.approx(25.0), 3, 1)
        assert fit_words(row).endswith("; temperatures left out: 1")
