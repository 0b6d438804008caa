"""A polymer is read whole, or refused with one line for the field that is wrong."""

import re
from typing import Any

import pytest
from pydantic import BaseModel

from solvshell.errors import InvalidInput
from solvshell.files import validate
from solvshell.polymer import Polymer
from solvshell.units import Fraction

LINKAGE = {"open": [[1, 2]], "tail": 1, "head": 2}
CHAINS: dict[str, Any] = {
    "name": "PDAD",
    "title": "test",
    "monomer": "C=CC[N+](C)(C)CC=C",
    "architecture": "cyclo",
    "chain_length": 4,
    "mass_fraction": "25 %",
    "counter_ion": "NO3",
    "sites": {"n_plus": ["N1"]},
}
NETWORK = {key: value for key, value in CHAINS.items() if key != "chain_length"}
NETWORK |= {"architecture": "network", "conversion": 0.8}


def made(content: dict[str, Any], **changes: Any) -> Polymer:
    return validate(Polymer, {k: v for k, v in (content | changes).items() if v is not None}, "here")


def test_defaults() -> None:
    polymer = made(CHAINS)
    assert polymer.mass_fraction == 0.25
    assert (polymer.head_to_head, polymer.end_groups, polymer.unreacted) == (0.0, ("H", "H"), "keep")
    assert (polymer.is_network, polymer.molecule_units) == (False, 4)
    assert (made(NETWORK).is_network, made(NETWORK).molecule_units) == (True, 1)


def test_an_analysis_looks_for_its_residues() -> None:
    species = made(CHAINS).species
    assert (species.residue, species.role, species.sites, species.center) == (
        "PDAD",
        "polymer",
        {"n_plus": ["N1"]},
        False,
    )


@pytest.mark.parametrize("value", ["25 %", "25%", " 25 % ", 0.25, "0.25", "2.5e1 %"])
def test_a_fraction_is_a_share_or_a_percentage(value: object) -> None:
    assert made(CHAINS, mass_fraction=value).mass_fraction == 0.25


@pytest.mark.parametrize(
    "value",
    [25, 0, 1, -1, "abc", "25", "100 %", "0 %", "-5 %", "%", "", True, [0.25], float("nan"), "nan", "inf", "25 %%"],
)
def test_what_is_no_fraction_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        made(CHAINS, mass_fraction=value)
    expected = f"here: mass_fraction: {value!r} is not a fraction between 0 and 1, such as 0.25 or '25 %'"
    assert str(caught.value).startswith(expected)
    assert len(str(caught.value).splitlines()) == 1


def test_a_fraction_is_written_as_it_is_read() -> None:
    class Model(BaseModel):
        x: Fraction

    for value in (0.1, "33.3 %", 0.7):
        once = Model.model_validate({"x": value})
        assert Model.model_validate(once.model_dump(mode="json")) == once


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        (CHAINS, {"name": None}, "name: missing"),
        (CHAINS, {"name": "pota"}, "name: String should match pattern"),
        (CHAINS, {"name": "POLYMER"}, "name: String should match pattern"),
        (CHAINS, {"name": "P O"}, "name: String should match pattern"),
        (CHAINS, {"monomer": ""}, "monomer: String should have at least 1 character"),
        (CHAINS, {"tacticity": "atactic"}, "tacticity: unknown key"),
        (CHAINS, {"architecture": "star"}, "architecture: Input should be 'vinyl', 'cyclo' or 'network', got 'star'"),
        (CHAINS, {"architecture": None}, "give either 'architecture' .* or a 'linkage', and not both"),
        (CHAINS, {"linkage": LINKAGE}, "give either 'architecture' .* or a 'linkage', and not both"),
        (CHAINS, {"architecture": None, "linkage": {"open": [[1, 2]], "tail": 1}}, "linkage.head: missing"),
        (
            CHAINS,
            {"architecture": None, "linkage": LINKAGE | {"open": []}},
            "linkage.open: List should have at least 1",
        ),
        (
            CHAINS,
            {"architecture": None, "linkage": LINKAGE | {"tail": 0}},
            "linkage.tail: Input should be greater than",
        ),
        (
            CHAINS,
            {"architecture": None, "linkage": LINKAGE | {"open": [[1, 2, 3]]}},
            "linkage.open.0: Tuple should have",
        ),
        (CHAINS, {"architecture": None, "linkage": LINKAGE | {"cut": 1}}, "linkage.cut: unknown key"),
        (CHAINS, {"chain_length": None}, "chain_length: missing, needed by chains"),
        (CHAINS, {"chain_length": 0}, "chain_length: Input should be greater than 0, got 0"),
        (CHAINS, {"chain_length": 2.5}, "chain_length: Input should be a valid integer"),
        (CHAINS, {"chains": 2}, "give either 'chains' or 'mass_fraction', and not both"),
        (CHAINS, {"mass_fraction": None}, "give either 'chains' or 'mass_fraction', and not both"),
        (CHAINS, {"mass_fraction": None, "chains": -1}, "chains: Input should be greater than 0, got -1"),
        (CHAINS, {"units": 2}, "units: belongs to architecture network; chains have a chain_length"),
        (CHAINS, {"conversion": 0.5}, "conversion: belongs to architecture network"),
        (CHAINS, {"counter_ion": "Xe"}, "counter_ion: unknown species 'Xe'"),
        (CHAINS, {"counter_ion": "Li"}, "counter_ion: 'Li' has the role cation, expected anion"),
        (CHAINS, {"counter_ion": "EC"}, "counter_ion: 'EC' has the role solvent, expected anion"),
        (CHAINS, {"head_to_head": 1.5}, "head_to_head: Input should be less than or equal to 1, got 1.5"),
        (CHAINS, {"head_to_head": -0.1}, "head_to_head: Input should be greater than or equal to 0"),
        (CHAINS, {"end_groups": ["H"]}, "end_groups.1: missing"),
        (CHAINS, {"end_groups": ["H", "OH"]}, "end_groups.1: Input should be 'H' or 'CH3', got 'OH'"),
        (CHAINS, {"unreacted": "drop"}, "unreacted: Input should be 'keep' or 'saturate', got 'drop'"),
        (CHAINS, {"sites": {}}, "sites: Dictionary should have at least 1 item"),
        (CHAINS, {"sites": {"n": []}}, "sites.n: List should have at least 1 item"),
        (CHAINS, {"sites": None}, "sites: missing"),
        (NETWORK, {"conversion": None}, "conversion: missing, needed by a network"),
        (NETWORK, {"conversion": 0}, "conversion: Input should be greater than 0, got 0"),
        (NETWORK, {"conversion": 1.1}, "conversion: Input should be less than or equal to 1, got 1.1"),
        (NETWORK, {"chain_length": 4}, "chain_length: belongs to chains; a network has 'units' or a 'mass_fraction'"),
        (NETWORK, {"chains": 4}, "chains: belongs to chains; a network has 'units' or a 'mass_fraction'"),
        (NETWORK, {"units": 4}, "give either 'units' or 'mass_fraction', and not both"),
        (NETWORK, {"mass_fraction": None}, "give either 'units' or 'mass_fraction', and not both"),
    ],
)
def test_a_wrong_polymer_is_refused_in_one_line(content: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        made(content, **changes)
    assert re.match(rf"here: {message}", str(caught.value)), str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("changes", [{"end_groups": ["CH3", "H"]}, {"head_to_head": 0.5}])
def test_a_network_has_neither_end_groups_nor_directions(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=f"^here: {next(iter(changes))}"):
        made(NETWORK, **changes)
