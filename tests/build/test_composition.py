"""Whole numbers of molecules: as close to the recipe as they can be, and the same every time."""

import itertools
import re
from typing import Any

import numpy as np
import pytest

from solvshell.build.composition import Counts, count_molecules
from solvshell.errors import InvalidInput
from solvshell.files import validate
from solvshell.recipe import Recipe

# g/mol from the elements, once more by hand
H, C, OX, F, P, LI = 1.008, 12.011, 15.999, 18.998, 30.974, 6.941
MASSES = {
    "Li": LI,
    "PF6": P + 6 * F,
    "EC": 3 * C + 4 * H + 3 * OX,
    "DMC": 3 * C + 6 * H + 3 * OX,
    "EMC": 4 * C + 8 * H + 3 * OX,
    "NO3": 14.007 + 3 * OX,
    "Cs": 132.905,
    # the chain of four over its length
    "POTA": 32 * C + 56.5 * H + 4 * 14.007,
}
CHAIN = {"POTA": 4, "NO3": 16}
DENSITIES = {"EC": 1.321, "DMC": 1.063, "EMC": 1.006}


def recipe(
    ratio: dict[str, Any] | None = None,
    salt: dict[str, str] | None = None,
    counts: dict[str, int] | None = None,
    basis: str = "volume",
    additives: list[dict[str, Any]] | None = None,
    polymer: dict[str, Any] | None = None,
    **size: int,
) -> Recipe:
    if counts is not None:
        composition: dict[str, Any] = {"counts": counts}
    else:
        ratio = ratio or {"EC": 1, "DMC": 1, "EMC": 1}
        densities = {name: {"value": f"{DENSITIES[name]} g/cm3", "source": "test"} for name in ratio}
        composition = {"solvents": {"ratio": ratio, "basis": basis, "densities": densities}}
        if salt:
            composition["salt"] = {"cation": "Li", "anion": "PF6"} | salt
            composition["solution_density"] = {"value": "1.22 g/cm3", "source": "test"}
        if additives:
            composition["additives"] = additives
    content = {"name": "test", "title": "test", "composition": composition} | size
    if polymer:
        monomer = "C=CC[N+]1(CC=C)CC[N+](CC=C)(CC=C)CC[N+](CC=C)(CC=C)CC[N+](CC=C)(CC=C)CC1"
        fixed = {"name": "POTA", "title": "test", "monomer": monomer, "architecture": "vinyl", "chain_length": 4}
        content["polymer"] = fixed | {"counter_ion": "NO3", "sites": {"n_plus": ["N1"]}} | polymer
    return validate(Recipe, content, "test")


def mass(n: dict[str, float], *names: str) -> float:
    return sum(n[name] * MASSES[name] for name in names or n)


def molar(molarity: str = "1 mol/L", per: str = "solution") -> dict[str, str]:
    return {"molarity": molarity, "per": per}


def test_one_mole_per_litre_of_solution() -> None:
    # one litre: 1220 g less 1 mol of LiPF6; each solvent has a third of the volume, so its density's share of the mass
    solvent_mass = 1220 - (MASSES["Li"] + MASSES["PF6"])
    moles = {name: solvent_mass * DENSITIES[name] / sum(DENSITIES.values()) / MASSES[name] for name in DENSITIES}
    counts = count_molecules(recipe(salt=molar(), n_salt=50), MASSES)
    assert counts.ideal == pytest.approx({"Li": 50, "PF6": 50} | {name: 50 * n for name, n in moles.items()})
    assert sum(moles.values()) == pytest.approx(11.49, abs=0.005)
    assert counts.n == {"Li": 50, "PF6": 50, "EC": 236, "DMC": 186, "EMC": 152}
    assert list(counts.n) == ["Li", "PF6", "EC", "DMC", "EMC"]
    assert (counts.sized_by, counts.size) == ("n_salt", 50)


def test_one_mole_per_litre_of_solvent() -> None:
    ideal = count_molecules(recipe(salt=molar(per="solvent_volume"), n_salt=1), MASSES).ideal
    solvents = {name: ideal[name] for name in DENSITIES}
    # a third of a litre of each
    assert solvents == pytest.approx({name: 1000 / 3 * DENSITIES[name] / MASSES[name] for name in DENSITIES})
    total = sum(solvents.values())
    assert total == pytest.approx(12.16, abs=0.01)
    shares = {name: value / total for name, value in solvents.items()}
    assert shares == pytest.approx({"EC": 0.411, "DMC": 0.324, "EMC": 0.265}, abs=5e-4)


def test_molality() -> None:
    ideal = count_molecules(recipe({"EC": 1}, {"molality": "1.2 mol/kg"}, n_salt=12), MASSES).ideal
    assert ideal == pytest.approx({"Li": 12, "PF6": 12, "EC": 12 * 1000 / 1.2 / MASSES["EC"]})


def test_bases_of_a_ratio() -> None:
    def fractions(basis: str) -> dict[str, float]:
        ideal = count_molecules(recipe({"EC": 3, "EMC": 7}, basis=basis, n_molecules=1000), MASSES).ideal
        return {name: value / 1000 for name, value in ideal.items()}

    assert fractions("mole") == pytest.approx({"EC": 0.3, "EMC": 0.7})
    by_mass = {"EC": 3 / MASSES["EC"], "EMC": 7 / MASSES["EMC"]}
    assert fractions("mass") == pytest.approx({name: n / sum(by_mass.values()) for name, n in by_mass.items()})
    by_volume = {name: n * DENSITIES[name] for name, n in by_mass.items()}
    assert fractions("volume") == pytest.approx({name: n / sum(by_volume.values()) for name, n in by_volume.items()})


def test_counts_are_the_same_every_time_and_in_any_order_of_the_file() -> None:
    first = count_molecules(recipe({"EC": 1, "DMC": 1, "EMC": 1}, basis="mole", n_molecules=100), MASSES)
    again = count_molecules(recipe({"EMC": 1, "EC": 1, "DMC": 1}, basis="mole", n_molecules=100), MASSES)
    assert first == count_molecules(recipe(basis="mole", n_molecules=100), MASSES)
    assert first.n == again.n
    assert sum(first.n.values()) == 100


def test_rounding_is_the_relative_change() -> None:
    counts = Counts({"EC": 9, "DMC": 11}, {"EC": 10.0, "DMC": 10.0}, "n_molecules", 20)
    assert counts.rounding == pytest.approx({"EC": -0.1, "DMC": 0.1})


def neighbours(counts: Counts) -> np.ndarray:
    """Return all counts that differ by at most 2 for each species, shape (n_choices, n_species)."""
    steps = np.array(list(itertools.product(range(-2, 3), repeat=len(counts.n))))
    choices = np.array(list(counts.n.values())) + steps
    return choices[(choices >= 0).all(axis=1)]


@pytest.mark.parametrize("n_salt", [6, 7, 10, 33, 50])
def test_no_other_counts_are_closer_with_a_salt(n_salt: int) -> None:
    counts = count_molecules(recipe(salt=molar(), n_salt=n_salt), MASSES)
    assert (counts.n["Li"], counts.n["PF6"]) == (n_salt, n_salt)
    ideal = np.array(list(counts.ideal.values()))
    errors = np.abs(neighbours(counts) - ideal)
    chosen = np.abs(np.array(list(counts.n.values())) - ideal)
    for norm in (errors.sum(axis=1), (errors**2).sum(axis=1), errors.max(axis=1), (errors / ideal).sum(axis=1)):
        assert norm.min() > 0
    assert chosen.sum() <= errors.sum(axis=1).min() + 1e-9
    assert (chosen**2).sum() <= (errors**2).sum(axis=1).min() + 1e-9
    assert (chosen / ideal).sum() <= (errors / ideal).sum(axis=1).min() + 1e-9
    assert all(
        abs(counts.n[name] / counts.ideal[name] - 1 - change) < 1e-12 for name, change in counts.rounding.items()
    )


@pytest.mark.parametrize("n_molecules", [10, 11, 12, 13, 101, 250])
@pytest.mark.parametrize("ratio", [{"EC": 1, "DMC": 1, "EMC": 1}, {"EC": 7, "DMC": 2, "EMC": 1.5}])
def test_no_other_counts_with_this_total_are_closer_without_a_salt(n_molecules: int, ratio: dict[str, float]) -> None:
    counts = count_molecules(recipe(ratio, n_molecules=n_molecules), MASSES)
    assert sum(counts.n.values()) == n_molecules
    assert sum(counts.ideal.values()) == pytest.approx(n_molecules)
    choices = neighbours(counts)
    choices = choices[choices.sum(axis=1) == n_molecules]
    errors = np.abs(choices - np.array(list(counts.ideal.values())))
    chosen = np.abs([counts.n[name] - counts.ideal[name] for name in counts.n])
    assert chosen.sum() <= errors.sum(axis=1).min() + 1e-9
    assert chosen.max() <= errors.max(axis=1).min() + 1e-9


def test_explicit_counts_are_taken_as_they_are() -> None:
    counts = count_molecules(recipe(counts={"EC": 49, "Li": 3, "PF6": 3}), MASSES)
    assert counts.n == {"Li": 3, "PF6": 3, "EC": 49}
    assert counts.ideal == counts.n
    assert list(counts.n) == ["Li", "PF6", "EC"]


def test_explicit_counts_scale_with_their_salt() -> None:
    counts = count_molecules(recipe(counts={"EC": 49, "Li": 3, "PF6": 3}), MASSES, n_salt=8)
    assert counts.ideal == pytest.approx({"Li": 8, "PF6": 8, "EC": 49 * 8 / 3})
    assert counts.n == {"Li": 8, "PF6": 8, "EC": 131}


def test_explicit_counts_without_salt_scale_to_an_exact_total() -> None:
    counts = count_molecules(recipe(counts={"EC": 10, "DMC": 10, "EMC": 10}), MASSES, n_molecules=100)
    assert sum(counts.n.values()) == 100
    assert sorted(counts.n.values()) == [33, 33, 34]


def test_a_size_given_goes_before_the_recipes() -> None:
    assert count_molecules(recipe(salt=molar(), n_salt=50), MASSES, n_salt=7).n["Li"] == 7
    assert count_molecules(recipe({"EC": 1}, n_molecules=50), MASSES, n_molecules=7).n == {"EC": 7}


@pytest.mark.parametrize(
    ("of", "size", "message"),
    [
        (
            recipe(salt=molar(), n_salt=50),
            {"n_molecules": 100},
            "n_molecules: recipe 'test' has a salt; size it by n_salt",
        ),
        (recipe({"EC": 1}, n_molecules=50), {"n_salt": 5}, "n_salt: recipe 'test' has no salt; size it by n_molecules"),
        (recipe(counts={"EC": 9}), {"n_salt": 5}, "n_salt: recipe 'test' has no salt; size it by n_molecules"),
        (
            recipe(counts={"EC": 9, "Li": 1, "PF6": 1}),
            {"n_molecules": 22},
            "n_molecules: recipe 'test' has a salt; size it by n_salt",
        ),
        (recipe(salt=molar(), n_salt=50), {"n_salt": 8, "n_molecules": 100}, "n_molecules: recipe 'test' has a salt"),
        (recipe(salt=molar(), n_salt=50), {"n_salt": 0}, "n_salt: at least 1 for recipe 'test', got 0"),
        (recipe(salt=molar(), n_salt=50, smallest=6), {"n_salt": 5}, "n_salt: at least 6 for recipe 'test', got 5"),
        (recipe({"EC": 1}, n_molecules=50), {"n_molecules": -1}, "n_molecules: at least 1 for recipe 'test', got -1"),
        (
            recipe(salt=molar("9 mol/L"), n_salt=50),
            {},
            "composition.salt.molarity: 9 mol/L of a salt of 151.9 g/mol leaves no room for solvent",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused(of: Recipe, size: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{message}"):
        count_molecules(of, MASSES, **size)


@pytest.mark.parametrize(
    ("of", "key", "absent", "smallest"),
    [
        # 11.35 solvent molecules per Li+ and 1/201 of them EMC: 0.0564 per Li+, so 0.5 at 8.9
        (recipe({"EC": 200, "EMC": 1}, {"molality": "1 mol/kg"}, basis="mole", n_salt=2), "n_salt", "EMC", 9),
        (recipe({"EC": 99, "EMC": 1}, basis="mole", n_molecules=20), "n_molecules", "EMC", 51),
        # EC has the largest remainder until 2 - 0.02 n < 0.01 n
        (recipe({"EC": 98, "DMC": 1, "EMC": 1}, basis="mole", n_molecules=20), "n_molecules", "DMC, EMC", 67),
        (recipe(counts={"Li": 9, "PF6": 9, "EC": 90, "EMC": 2}), "n_salt", "EMC", 3),
        # exactly one half is rounded to the even 0
        (recipe(counts={"Li": 4, "PF6": 4, "EC": 40, "EMC": 1}), "n_salt", "EMC", 3),
    ],
)
def test_a_species_that_would_vanish_is_refused_with_the_smallest_size_that_holds_it(
    of: Recipe, key: str, absent: str, smallest: int
) -> None:
    message = f"{key}: {absent} would round to 0 molecules at 2; the smallest {key} that holds all is {smallest}"
    with pytest.raises(InvalidInput, match=f"^{re.escape(message)}$"):
        count_molecules(of, MASSES, **{key: 2})
    assert min(count_molecules(of, MASSES, **{key: smallest}).n.values()) == 1
    with pytest.raises(InvalidInput, match="would round to 0"):
        count_molecules(of, MASSES, **{key: smallest - 1})


def test_a_trace_that_no_box_holds_is_refused_in_finite_time() -> None:
    with pytest.raises(InvalidInput, match=r"EMC would round to 0 molecules at 100; .* is above 100000"):
        count_molecules(recipe({"EC": 1e9, "EMC": 1}, basis="mole", n_molecules=100), MASSES)


def test_an_additive_by_mass_is_a_share_of_the_whole_electrolyte() -> None:
    plain = count_molecules(recipe(salt=molar(), n_salt=50), MASSES).ideal
    additive = {"formula": {"Cs": 1, "NO3": 1}, "mass_fraction": "10 %"}
    ideal = count_molecules(recipe(salt=molar(), additives=[additive], n_salt=50), MASSES).ideal
    assert mass(ideal, "Cs", "NO3") == pytest.approx(0.10 * mass(ideal))
    assert {name: ideal[name] for name in plain} == pytest.approx(plain), "all else is as without"


def test_two_additives_by_mass_are_shares_of_the_same_whole() -> None:
    additives = [
        {"formula": {"Cs": 1, "NO3": 1}, "mass_fraction": 0.1},
        {"formula": {"Li": 1, "NO3": 1}, "mass_fraction": 0.2},
    ]
    ideal = count_molecules(recipe(salt=molar(), additives=additives, n_salt=50), MASSES).ideal
    assert ideal["Cs"] * (MASSES["Cs"] + MASSES["NO3"]) == pytest.approx(0.1 * mass(ideal))
    assert (ideal["NO3"] - ideal["Cs"]) * (MASSES["Li"] + MASSES["NO3"]) == pytest.approx(0.2 * mass(ideal))
    assert ideal["Li"] == pytest.approx(50 + ideal["NO3"] - ideal["Cs"])


def test_an_additive_without_a_salt_is_a_share_of_the_mixture() -> None:
    additive = {"formula": {"Cs": 1, "NO3": 1}, "mass_fraction": 0.1}
    counts = count_molecules(recipe({"EC": 1}, additives=[additive], n_molecules=100), MASSES)
    assert counts.ideal["Cs"] * (MASSES["Cs"] + MASSES["NO3"]) == pytest.approx(0.1 * mass(counts.ideal))
    assert counts.n["Cs"] == counts.n["NO3"]
    # the size counts what comes together as one
    assert counts.n["EC"] + counts.n["Cs"] == 100


def test_an_additive_per_salt() -> None:
    additive = {"formula": {"Cs": 1, "PF6": 1}, "per_salt": 0.125}
    counts = count_molecules(recipe(salt=molar(), additives=[additive], n_salt=48), MASSES)
    assert counts.n == {"Li": 48, "PF6": 54, "Cs": 6, "EC": 227, "DMC": 178, "EMC": 146}
    assert list(counts.n) == ["Li", "PF6", "Cs", "EC", "DMC", "EMC"]


def test_an_additive_of_four_anions_stays_neutral_when_rounded() -> None:
    additive = {"formula": {"Cs": 1, "NO3": 4}, "per_salt": 0.3}
    counts = count_molecules(recipe(salt=molar(), additives=[additive], n_salt=9), MASSES)
    assert (counts.n["Cs"], counts.n["NO3"]) == (3, 12)
    assert counts.ideal["NO3"] == pytest.approx(10.8)


def test_an_additive_that_would_vanish_is_refused() -> None:
    additive = {"formula": {"Cs": 1, "PF6": 1}, "per_salt": 0.125}
    of = recipe(salt=molar(), additives=[additive], n_salt=48)
    with pytest.raises(InvalidInput, match=r"^n_salt: Cs would round to 0 molecules at 4; .* holds all is 5$"):
        count_molecules(of, MASSES, n_salt=4)
    assert count_molecules(of, MASSES, n_salt=5).n["Cs"] == 1


def test_the_mass_fraction_of_polymer_holds_its_counter_ions() -> None:
    plain = count_molecules(recipe(salt=molar(), n_salt=50), MASSES)
    of = recipe(salt=molar(), polymer={"mass_fraction": "25 %"}, n_salt=50)
    counts = count_molecules(of, MASSES, chain=CHAIN)
    assert mass(counts.ideal, "POTA", "NO3") == pytest.approx(0.25 * mass(counts.ideal))
    assert {name: counts.n[name] for name in plain.n} == plain.n, "the electrolyte keeps its ratio"
    # by hand: chains of 4 units and 16 nitrates, a third of the electrolyte's mass
    chain = 4 * MASSES["POTA"] + 16 * MASSES["NO3"]
    assert counts.ideal["POTA"] == pytest.approx(4 * mass(plain.ideal) / 3 / chain)
    assert (counts.n["POTA"], counts.n["NO3"]) == (28, 112)
    assert list(counts.n) == ["Li", "PF6", "NO3", "EC", "DMC", "EMC", "POTA"]


def test_a_counter_ion_that_is_the_anion_of_the_salt_adds_up() -> None:
    of = recipe(salt=molar(), polymer={"mass_fraction": 0.25, "counter_ion": "PF6"}, n_salt=50)
    counts = count_molecules(of, MASSES, chain={"POTA": 4, "PF6": 16})
    chains = counts.n["POTA"] // 4
    assert counts.n["POTA"] == 4 * chains
    assert counts.n["PF6"] == 50 + 16 * chains
    polymer = mass({"POTA": counts.ideal["POTA"], "PF6": counts.ideal["PF6"] - 50})
    assert polymer == pytest.approx(0.25 * mass(counts.ideal))


def test_a_number_of_chains_scales_with_the_box() -> None:
    of = recipe(salt=molar(), polymer={"chains": 4}, n_salt=40)
    assert count_molecules(of, MASSES, chain=CHAIN).n["POTA"] == 16
    assert count_molecules(of, MASSES, n_salt=20, chain=CHAIN).n["POTA"] == 8
    assert count_molecules(of, MASSES, n_salt=80, chain=CHAIN).n["NO3"] == 8 * 16


def test_a_number_of_chains_scales_with_the_molecules_of_a_box_without_salt() -> None:
    of = recipe({"EC": 1}, polymer={"chains": 2}, n_molecules=200)
    assert count_molecules(of, MASSES, chain=CHAIN).n == {"NO3": 32, "EC": 200, "POTA": 8}
    assert count_molecules(of, MASSES, n_molecules=400, chain=CHAIN).n == {"NO3": 64, "EC": 400, "POTA": 16}


def test_explicit_counts_leave_the_chains_beside_them() -> None:
    of = recipe(counts={"EC": 30, "NO3": 32}, polymer={"chains": 2, "counter_ion": None})
    counts = count_molecules(of, MASSES, chain={"POTA": 4})
    assert counts.n == {"NO3": 32, "EC": 30, "POTA": 8}


def test_explicit_counts_and_chains_scale_together() -> None:
    of = recipe(counts={"Li": 5, "PF6": 5, "EC": 40}, polymer={"chains": 2})
    assert count_molecules(of, MASSES, n_salt=10, chain=CHAIN).n == {
        "Li": 10,
        "PF6": 10,
        "NO3": 64,
        "EC": 80,
        "POTA": 16,
    }


@pytest.mark.parametrize("asked", [1, 3, 9, 12])
@pytest.mark.parametrize("fraction", [0.1, 0.25])
def test_a_rounding_that_makes_another_system_is_refused_with_a_size_that_works(fraction: float, asked: int) -> None:
    of = recipe(salt=molar(), polymer={"mass_fraction": fraction}, n_salt=50)

    def shift(size: int) -> float:
        """Return by how much of itself the fraction moves, in one line for each definition."""
        solvent = count_molecules(recipe(salt=molar(), n_salt=size), MASSES)
        chain = 4 * MASSES["POTA"] + 16 * MASSES["NO3"]
        n_chains = round(fraction / (1 - fraction) * mass(solvent.ideal) / chain)
        return n_chains * chain / (n_chains * chain + mass(solvent.n)) / fraction - 1

    if abs(shift(asked)) <= 0.10:
        count_molecules(of, MASSES, n_salt=asked, chain=CHAIN)
        return
    with pytest.raises(InvalidInput, match=r"^n_salt: .*; the smallest n_salt that .* is \d+$") as caught:
        count_molecules(of, MASSES, n_salt=asked, chain=CHAIN)
    smallest = int(str(caught.value).rsplit(" ", 1)[1])
    assert smallest == next(size for size in range(1, 1000) if abs(shift(size)) <= 0.10)
    count_molecules(of, MASSES, n_salt=smallest, chain=CHAIN)
    with pytest.raises(InvalidInput):
        count_molecules(of, MASSES, n_salt=smallest - 1, chain=CHAIN)


def test_a_rounding_that_moves_the_fraction_says_from_where_to_where() -> None:
    # 1.5 chains or so become one or two
    of = recipe(salt=molar(), polymer={"mass_fraction": 0.25}, n_salt=50)
    message = r"^n_salt: at 10 rounding moves the mass fraction of polymer from 0\.250 to 0\.\d{3}; .* within 10% of"
    with pytest.raises(InvalidInput, match=message):
        count_molecules(of, MASSES, n_salt=10, chain=CHAIN)


def test_the_smallest_size_is_one_that_the_recipe_allows() -> None:
    """A size below the recipe's own smallest would be refused in turn."""
    of = recipe(salt=molar(), polymer={"mass_fraction": 0.25}, n_salt=50, smallest=10)
    with pytest.raises(InvalidInput) as caught:
        count_molecules(of, MASSES, n_salt=10, chain=CHAIN)
    smallest = int(str(caught.value).rsplit(" ", 1)[1])
    count_molecules(of, MASSES, n_salt=smallest, chain=CHAIN)


def test_units_of_a_network_are_rounded_one_by_one() -> None:
    changes = {"mass_fraction": 0.25, "architecture": "network", "conversion": 0.8}
    of = recipe(salt=molar(), polymer=changes | {"chain_length": None}, n_salt=50)
    counts = count_molecules(of, MASSES, chain={"POTA": 1, "NO3": 4})
    assert counts.n["NO3"] == 4 * counts.n["POTA"]
    assert abs(counts.n["POTA"] - counts.ideal["POTA"]) <= 0.5
