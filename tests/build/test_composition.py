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
}
DENSITIES = {"EC": 1.321, "DMC": 1.063, "EMC": 1.006}


def recipe(
    ratio: dict[str, Any] | None = None,
    salt: dict[str, str] | None = None,
    counts: dict[str, int] | None = None,
    basis: str = "volume",
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
    return validate(Recipe, {"name": "test", "title": "test", "composition": composition} | size, "test")


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
