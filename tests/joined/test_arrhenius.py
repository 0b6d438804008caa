import numpy as np
import pandas as pd
import pytest

from solvshell.joined.arrhenius import arrhenius_fit
from solvshell.joined.temperatures import EXCHANGE, RESIDENCE, arrhenius_table, fit_words
from solvshell.units import kT_kj_mol

KELVIN = np.array([278.15, 298.15, 318.15, 338.15])
SAMPLING = "Langevin dynamics with friction 1 /ps, real masses, sampling dynamics, not physical time"


def test_points_on_a_line_give_its_energy_and_prefactor() -> None:
    kT = np.array([kT_kj_mol(one) for one in KELVIN])
    fit = arrhenius_fit(KELVIN, np.log(5.0) - 20.0 / kT, np.full(4, 0.1))
    assert (fit.energy_kj_mol, fit.intercept) == pytest.approx((20.0, np.log(5.0)))
    assert (fit.chi2, fit.p_value, fit.df) == pytest.approx((0.0, 1.0, 2), abs=1e-9)


def test_the_errors_are_those_of_polyfit() -> None:
    rng = np.random.default_rng(0)
    x = -1 / np.array([kT_kj_mol(one) for one in KELVIN])
    stderr = np.array([0.3, 0.1, 0.05, 0.2])
    y = 3 + 15 * x + rng.normal(scale=stderr)
    fit = arrhenius_fit(KELVIN, y, stderr)
    (slope, intercept), covariance = np.polyfit(x, y, 1, w=1 / stderr, cov="unscaled")
    assert (fit.energy_kj_mol, fit.intercept) == pytest.approx((slope, intercept))
    assert (fit.stderr_kj_mol, fit.intercept_stderr) == pytest.approx(tuple(np.sqrt(np.diag(covariance))))


def test_the_energy_is_within_its_error_as_often_as_said() -> None:
    rng = np.random.default_rng(1)
    x = -1 / np.array([kT_kj_mol(one) for one in KELVIN])
    stderr = np.array([0.3, 0.1, 0.05, 0.2])
    fits = [arrhenius_fit(KELVIN, 3 + 15 * x + rng.normal(scale=stderr), stderr) for _ in range(1000)]
    deviations = np.array([(fit.energy_kj_mol - 15) / fit.stderr_kj_mol for fit in fits])
    assert deviations.std() == pytest.approx(1, abs=0.06)
    assert np.mean([fit.chi2 for fit in fits]) == pytest.approx(2, abs=0.2)
    assert np.mean([fit.is_straight for fit in fits]) == pytest.approx(0.95, abs=0.025)


def table(quantity: str, values: np.ndarray, stderr: np.ndarray | float) -> pd.DataFrame:
    pair = {"quantity": quantity, "center": "Li", "partner": "EC", "site": "carbonyl_o"}
    return pd.DataFrame({"temperature_k": KELVIN, "value": values, "stderr": stderr, **pair})


def test_residence_times_give_an_activation_energy_and_say_whose_time_it_is() -> None:
    kT = np.array([kT_kj_mol(one) for one in KELVIN])
    times = 0.02 * np.exp(25.0 / kT)
    (row,) = arrhenius_table(table(RESIDENCE, times, 0.1 * times), SAMPLING).to_dict("records")
    assert (row["energy_kj_mol"], row["meaning"], row["status"]) == (pytest.approx(25.0), "activation energy", "fitted")
    assert row["intercept"] == pytest.approx(-np.log(0.02))
    assert row["stderr_kj_mol"] == pytest.approx(arrhenius_fit(KELVIN, -np.log(times), np.full(4, 0.1)).stderr_kj_mol)
    assert "not physical time" in row["note"]
    (physical,) = arrhenius_table(table(RESIDENCE, times, 0.1 * times), "no thermostat, real masses").to_dict("records")
    assert physical["note"] == ""
    assert fit_words(row).startswith("activation energy of Li EC carbonyl_o: 25.0 +- ")


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
    assert "not fitted, 2 of 3 temperatures" in fit_words(row)
