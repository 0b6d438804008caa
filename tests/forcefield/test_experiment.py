"""The experimental values that the benchmarks compare with: each has its source, and its number can be one."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from solvshell.units import BOLTZMANN_KJ_MOL_K

PATH = Path(__file__).parents[2] / "benchmarks" / "experiment.yaml"
KNOWN = yaml.safe_load(PATH.read_text(encoding="utf-8"))
LIPF6_KG_MOL = 0.15191
AVOGADRO = 6.02214076e23


def _entries(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Walk the file and yield what claims a number or a statement."""
    if isinstance(node, dict):
        if node.keys() & {"value", "statement"}:
            yield path, node
        for key, child in node.items():
            yield from _entries(child, f"{path}/{key}")


ENTRIES = dict(_entries(KNOWN))
#: smallest and largest sensible number by the last name of the path
LIMITS = {
    "density_g_cm3": (0.8, 1.6),
    "heat_of_vaporization_kj_mol": (30, 70),
    "self_diffusion_1e-9_m2_s": (0.3, 5),
    "viscosity_mpa_s": (0.3, 5),
    "conductivity_ms_cm": (5, 15),
    "energy": (-700, -100),
    "excess_chemical_potential_kj_mol": (-40, -10),
}


@pytest.mark.parametrize("path", ENTRIES)
def test_each_value_has_a_source_and_says_whether_it_was_read(path: str) -> None:
    entry = ENTRIES[path]
    assert isinstance(entry["source"], str)
    assert len(entry["source"]) > 10
    assert isinstance(entry["read"], bool)
    assert entry["read"] == ("where" in entry), "a place where it was read, and only then"
    assert not (entry["read"] and "derived" in entry), "what was derived was not read"


@pytest.mark.parametrize("path", [path for path, entry in ENTRIES.items() if "value" in entry])
def test_each_value_is_a_sensible_number(path: str) -> None:
    entry = ENTRIES[path]
    assert math.isfinite(entry["value"])
    assert entry.get("error", 1) > 0
    low, high = entry.get("range", (entry["value"], entry["value"]))
    assert low <= entry["value"] <= high
    low, high = LIMITS.get(path.rpartition("/")[2], (-math.inf, math.inf))
    assert low <= entry["value"] <= high
    assert 250 < entry.get("temperature_k", 298.15) < 400


def test_no_liquid_is_without_density_and_temperature() -> None:
    for liquid in (*KNOWN["liquids"].values(), *KNOWN["solutions"].values()):
        assert {"temperature_k", "density_g_cm3"} <= liquid.keys()


@pytest.mark.parametrize("name", [n for n, v in KNOWN["liquids"].items() if "self_diffusion_1e-9_m2_s" in v])
def test_diffusion_and_viscosity_belong_together(name: str) -> None:
    """Stokes and Einstein make small organic molecules spheres of 1-2 Å, a third to two thirds of their size."""
    liquid = KNOWN["liquids"][name]
    diffusion = liquid["self_diffusion_1e-9_m2_s"]["value"] * 1e-9
    viscosity = liquid["viscosity_mpa_s"]["value"] * 1e-3
    thermal = BOLTZMANN_KJ_MOL_K * 1e3 / AVOGADRO * liquid["temperature_k"]
    assert 1.1 < thermal / (6 * math.pi * viscosity * diffusion) * 1e10 < 2.0


def test_the_density_of_lb003_follows_from_the_stocks() -> None:
    """Additive volumes: specific volumes of the solvents and one apparent volume of the salt, by least squares."""
    names = ("EC", "DMC", "EMC")
    stocks = KNOWN["stocks"]["solutions"]
    molality = np.array([stock["molality_mol_kg"] for stock in stocks])
    volume = (1 + molality * LIPF6_KG_MOL) / np.array([stock["density_g_cm3"] for stock in stocks])  # L per kg solvent
    parts = np.array([[stock["solvents"].get(name, 0) for name in names] for stock in stocks])
    *specific, apparent = np.linalg.lstsq(np.column_stack([parts, molality]), volume)[0]
    masses = np.array([KNOWN["liquids"][name]["density_g_cm3"]["value"] for name in names])  # equal volumes
    solvent = 1 / (masses / masses.sum() @ specific)
    reference = KNOWN["solutions"]["lb003"]["density_g_cm3"]
    density = solvent * (1 - apparent) + LIPF6_KG_MOL
    assert density == pytest.approx(reference["value"], abs=reference["error"])
