"""Text becomes a float in the unit of its dimension, and text again."""

import math
import typing

import pytest
from pydantic import BaseModel, ValidationError

from solvshell import units
from solvshell.units import parse, text

# Every unit of every dimension, with what 1.5 of it is in the dimension's own unit: written down here once more.
KNOWN = {
    "time": {"ps": 1.5, "fs": 1.5e-3, "ns": 1500.0, "us": 1.5e6},
    "length": {"nm": 1.5, "angstrom": 0.15, "A": 0.15, "Å": 0.15},
    "temperature": {"K": 1.5},
    "pressure": {"bar": 1.5, "atm": 1.519875, "kPa": 0.015, "MPa": 15.0},
    "density": {"g/cm3": 1.5, "g/mL": 1.5, "kg/L": 1.5, "kg/m3": 1.5e-3},
    "molarity": {"mol/L": 1.5, "M": 1.5, "mmol/L": 1.5e-3, "mol/m3": 1.5e-3},
    "molality": {"mol/kg": 1.5, "mmol/kg": 1.5e-3},
    "mass": {"dalton": 1.5, "Da": 1.5, "amu": 1.5},
    "rate": {"/ps": 1.5, "1/ps": 1.5, "/fs": 1500.0, "/ns": 1.5e-3},
    "force": {"kJ/mol/nm": 1.5},
    "energy": {"kJ/mol": 1.5, "kcal/mol": 6.276},
    "heat": {"J/g": 1.5, "kJ/kg": 1.5},
    "spring": {"kJ/mol/nm2": 1.5, "kJ/mol/A2": 150.0},
    "potential": {"kJ/mol": 1.5, "kcal/mol": 6.276},
    "concentration": {"/nm3": 1.5, "1/nm3": 1.5, "/A3": 1500.0, "/Å3": 1500.0, "mol/L": 0.90332111400},
}
FIELDS = {
    "time": units.Time,
    "length": units.Length,
    "temperature": units.Temperature,
    "pressure": units.Pressure,
    "density": units.Density,
    "molarity": units.Molarity,
    "molality": units.Molality,
    "mass": units.Mass,
    "rate": units.Rate,
    "force": units.Force,
    "energy": units.Energy,
    "heat": units.Heat,
    "spring": units.Spring,
    "potential": units.Potential,
    "concentration": units.Concentration,
}


def model_of(dimension: str) -> type[BaseModel]:
    return type("Model", (BaseModel,), {"__annotations__": {"x": FIELDS[dimension]}})


def test_this_file_knows_every_dimension() -> None:
    assert {name: set(allowed) for name, allowed in KNOWN.items()} == {
        name: set(allowed) for name, allowed in units._DIMENSIONS.items()
    }
    quantities = {name for name, kind in vars(units).items() if typing.get_origin(kind) is typing.Annotated}
    quantities.remove("Fraction")  # has no unit
    assert quantities == {name.capitalize() for name in FIELDS}


@pytest.mark.parametrize(("dimension", "unit"), [(name, unit) for name, known in KNOWN.items() for unit in known])
def test_every_unit_has_its_factor(dimension: str, unit: str) -> None:
    assert parse(f"1.5 {unit}", dimension) == pytest.approx(KNOWN[dimension][unit], rel=1e-15)
    assert parse(f" +15e-1  {unit} ", dimension) == pytest.approx(KNOWN[dimension][unit], rel=1e-15)


@pytest.mark.parametrize("dimension", KNOWN)
@pytest.mark.parametrize("value", [0.1 + 0.2, 298.15, 1e-30, 1e22, 12345678.9])
def test_text_and_float_round_trip_exactly(dimension: str, value: float) -> None:
    assert parse(text(value, dimension), dimension) == value
    model = model_of(dimension)
    read = model.model_validate({"x": text(value, dimension)})
    assert read.x == value
    assert read.model_dump(mode="json") == {"x": text(value, dimension)}


@pytest.mark.parametrize("dimension", KNOWN)
@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("1", "'1' has no unit"),
        (1, "1 has no unit"),
        (298.15, "298.15 has no unit"),
        ("1 parsec", "unit 'parsec' of '1 parsec' is not known here"),
        ("nan {unit}", "is not a quantity"),
        ("inf {unit}", "is not a quantity"),
        ("1e999 {unit}", "is too large"),
        ("one {unit}", "is not a quantity"),
        ("1 2 {unit}", "is not known here"),
        ("", "is not a quantity"),
        (None, "is not a quantity"),
        ([1, "ps"], "is not a quantity"),
    ],
)
def test_what_is_no_quantity_is_refused_with_the_units_allowed(dimension: str, given: object, problem: str) -> None:
    first = next(iter(KNOWN[dimension]))
    if isinstance(given, str):
        given = given.format(unit=first)
    with pytest.raises(ValidationError) as caught:
        model_of(dimension).model_validate({"x": given})
    (error,) = caught.value.errors()
    assert error["loc"] == ("x",)
    assert problem in error["msg"]
    assert f"expected a {dimension} such as '1 {first}' (units: {', '.join(KNOWN[dimension])})" in error["msg"]


@pytest.mark.parametrize(("dimension", "other"), [("time", "nm"), ("length", "ps"), ("molarity", "mol/kg")])
def test_a_unit_of_another_dimension_is_refused(dimension: str, other: str) -> None:
    with pytest.raises(ValueError, match=f"unit '{other}' of '1 {other}' is not known here; expected a {dimension}"):
        parse(f"1 {other}", dimension)


@pytest.mark.parametrize("dimension", sorted(KNOWN.keys() - {"pressure", "potential"}))
@pytest.mark.parametrize("number", ["-1", "0", "-1e-9"])
def test_zero_and_less_are_refused(dimension: str, number: str) -> None:
    first = next(iter(KNOWN[dimension]))
    with pytest.raises(ValidationError, match=rf"'{number} {first}' must be greater than 0 {first}"):
        model_of(dimension).model_validate({"x": f"{number} {first}"})


def test_a_pressure_may_be_negative_but_not_without_bound() -> None:
    model = model_of("pressure")
    assert model.model_validate({"x": "-100 bar"}).x == -100
    with pytest.raises(ValidationError, match="must be at least -1e\\+06 bar"):
        model.model_validate({"x": "-200000 MPa"})


def test_constants() -> None:
    # water at 25 C: 0.99705 g/cm3, 18.01528 g/mol, 55.34 mol/L
    per_nm3 = 0.99705 / (18.01528 * units.DALTON_PER_NM3)
    assert per_nm3 * units.PARTICLE_PER_NM3 == pytest.approx(55.345, abs=1e-3)
    assert units.kT_kj_mol(298.15) == pytest.approx(2.47896, abs=1e-5)
    assert math.isclose(units.BOLTZMANN_KJ_MOL_K, 1.380649e-26 * units.AVOGADRO, rel_tol=1e-12)
