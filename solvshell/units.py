"""Quantities as people write them ("298.15 K", "1.0 mol/L") become plain floats here, and nowhere else.

Inside the package times are ps, lengths nm, masses dalton, energies kJ/mol, pressures bar, temperatures K, densities
g/cm3, concentrations mol/L (of volume) or mol/kg (of solvent). A model field of one of the types below takes text with
a unit, holds a float in the unit of its dimension and is written back as text.
"""

import math
import re
from functools import partial
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from solvshell.errors import InvalidInput

AVOGADRO = 6.02214076e23
BOLTZMANN_KJ_MOL_K = 8.31446261815324e-3
#: g/cm3 of one dalton per nm3
DALTON_PER_NM3 = 1e21 / AVOGADRO
#: mol/L of one particle per nm3
PARTICLE_PER_NM3 = 1e24 / AVOGADRO
#: bar of one kJ/mol per nm3
BAR_PER_KJ_MOL_NM3 = 1e25 / AVOGADRO

# The first unit of each dimension is the one that floats are in and that text is written with.
_DIMENSIONS: dict[str, dict[str, float]] = {
    "time": {"ps": 1.0, "fs": 1e-3, "ns": 1e3, "us": 1e6},
    "length": {"nm": 1.0, "angstrom": 0.1, "A": 0.1, "Å": 0.1},
    "temperature": {"K": 1.0},
    "pressure": {"bar": 1.0, "atm": 1.01325, "kPa": 1e-2, "MPa": 10.0},
    "density": {"g/cm3": 1.0, "g/mL": 1.0, "kg/L": 1.0, "kg/m3": 1e-3},
    "molarity": {"mol/L": 1.0, "M": 1.0, "mmol/L": 1e-3, "mol/m3": 1e-3},
    "molality": {"mol/kg": 1.0, "mmol/kg": 1e-3},
    "mass": {"dalton": 1.0, "Da": 1.0, "amu": 1.0},
    "rate": {"/ps": 1.0, "1/ps": 1.0, "/fs": 1e3, "/ns": 1e-3},
    "force": {"kJ/mol/nm": 1.0},
    "energy": {"kJ/mol": 1.0, "kcal/mol": 4.184},
    "heat": {"J/g": 1.0, "kJ/kg": 1.0},
    "spring": {"kJ/mol/nm2": 1.0, "kJ/mol/A2": 100.0},
    "potential": {"kJ/mol": 1.0, "kcal/mol": 4.184},
    "concentration": {"/nm3": 1.0, "1/nm3": 1.0, "/A3": 1e3, "/Å3": 1e3, "mol/L": 1 / PARTICLE_PER_NM3},
}
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S.*?)?\s*$")


def kT_kj_mol(temperature: float) -> float:
    """Return the thermal energy in kJ/mol at a temperature in K."""
    return BOLTZMANN_KJ_MOL_K * temperature


def parse(text: object, dimension: str) -> float:
    """Return the value of a quantity such as ``"298.15 K"`` in the unit of its dimension.

    Raises
    ------
    ValueError
        If the text has no unit, a unit of another dimension, or is no number.
    """
    units = _DIMENSIONS[dimension]
    allowed = f"a {dimension} such as '1 {next(iter(units))}' (units: {', '.join(units)})"
    match = _QUANTITY.match(text) if isinstance(text, str) else None
    if match is None:
        problem = "has no unit" if isinstance(text, int | float) else "is not a quantity"
        raise ValueError(f"{text!r} {problem}; expected {allowed}")
    number, unit = match.groups()
    if unit is None:
        raise ValueError(f"{text!r} has no unit; expected {allowed}")
    if unit not in units:
        raise ValueError(f"unit {unit!r} of {text!r} is not known here; expected {allowed}")
    value = float(number) * units[unit]
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is too large; expected {allowed}")
    return value


def text(value: float, dimension: str) -> str:
    """Return a quantity as text that `parse` reads back to the same float."""
    return f"{value!r} {next(iter(_DIMENSIONS[dimension]))}"


def _parse_bounded(value: object, dimension: str, minimum: float, may_equal: bool) -> float:
    number = parse(value, dimension)
    if number < minimum or (number == minimum and not may_equal):
        bound = "at least" if may_equal else "greater than"
        raise ValueError(f"{value!r} must be {bound} {minimum:g} {next(iter(_DIMENSIONS[dimension]))}")
    return number


def _quantity(dimension: str, minimum: float = 0.0, may_equal: bool = False) -> tuple[BeforeValidator, PlainSerializer]:
    return (
        BeforeValidator(
            partial(_parse_bounded, dimension=dimension, minimum=minimum, may_equal=may_equal),
            json_schema_input_type=str,
        ),
        PlainSerializer(partial(text, dimension=dimension), return_type=str),
    )


Time = Annotated[float, *_quantity("time")]
#: "0 ps" is one, too
Length = Annotated[float, *_quantity("length")]
Temperature = Annotated[float, *_quantity("temperature")]
Pressure = Annotated[float, *_quantity("pressure", minimum=-1e6, may_equal=True)]
Density = Annotated[float, *_quantity("density")]
Molarity = Annotated[float, *_quantity("molarity")]
Molality = Annotated[float, *_quantity("molality")]
Mass = Annotated[float, *_quantity("mass")]
Rate = Annotated[float, *_quantity("rate")]
Force = Annotated[float, *_quantity("force")]
Energy = Annotated[float, *_quantity("energy")]
Heat = Annotated[float, *_quantity("heat")]
Spring = Annotated[float, *_quantity("spring")]
Potential = Annotated[float, *_quantity("potential", minimum=-1e6, may_equal=True)]
Concentration = Annotated[float, *_quantity("concentration")]


def _parse_fraction(value: object) -> float:
    number = str(value).strip()
    try:
        fraction = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
    except ValueError:
        fraction = math.nan
    if isinstance(value, bool) or not 0 < fraction < 1:
        raise ValueError(f"{value!r} is not a fraction between 0 and 1, such as 0.25 or '25 %'")
    return fraction


#: "25 %" or 0.25
Fraction = Annotated[float, BeforeValidator(_parse_fraction, json_schema_input_type=str | float)]


def check_seed(seed: int) -> int:
    """Return a seed that OpenMM, Packmol, RDKit and NumPy all take.

    Raises
    ------
    InvalidInput
        If it is negative or above 2^31 - 3.
    """
    if not 0 <= seed <= 2**31 - 3:
        raise InvalidInput(f"seed: from 0 to {2**31 - 3}, got {seed}")
    return seed
