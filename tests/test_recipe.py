"""A recipe is read whole, or refused with the name of the field that is wrong."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from solvshell.build.composition import count_molecules
from solvshell.build.forcefield import read_forcefield
from solvshell.data import recipe_directory
from solvshell.errors import InvalidInput
from solvshell.files import read_yaml, to_yaml, validate
from solvshell.recipe import Recipe, Solvents, load_recipe
from solvshell.species import find_species

SHIPPED = sorted(path.stem for path in recipe_directory().glob("*.yaml"))
NEAT = {"EC": 1}


def content_of(name: str = "lb003") -> dict[str, Any]:
    return yaml.safe_load((recipe_directory() / f"{name}.yaml").read_text())


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    content = content_of()
    change(content)
    return content


def test_lb003_says_what_its_file_says(lb003: Recipe) -> None:
    assert lb003.name == "lb003"
    assert lb003.species == ["Li", "PF6", "EC", "DMC", "EMC"]
    assert (lb003.n_salt, lb003.smallest) == (50, 7)
    salt, solvents = lb003.composition.salt, lb003.composition.solvents
    assert salt is not None
    assert (salt.molarity, salt.molality, salt.per) == (1.0, None, "solution")
    assert solvents is not None
    assert solvents.basis == "volume"
    assert solvents.ratio == pytest.approx({"EC": 1 / 3, "DMC": 1 / 3, "EMC": 1 / 3}, rel=1e-15)
    assert {name: density.value for name, density in solvents.densities.items()} == {
        "EC": 1.321,
        "DMC": 1.063,
        "EMC": 1.006,
    }
    assert lb003.force_field.ion_charge_scale == 0.80
    assert (lb003.force_field.cutoff, lb003.force_field.switch) == (1.0, 0.9)
    assert lb003.packing.tolerance == pytest.approx(0.2)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_can_be_made_at_its_smallest(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    templates = read_forcefield(recipe.force_field.files).templates()
    masses = {species: templates[find_species(species).residue].molar_mass for species in recipe.molecules}
    chain = None
    if polymer := recipe.polymer:
        # every unit adds C32H56N4 4+; every chain two hydrogens
        n = polymer.molecule_units
        formula = (32 * n, 56 * n + (0 if polymer.is_network else 2), 4 * n)
        masses[polymer.name] = float(np.dot(formula, [12.011, 1.008, 14.007])) / n
        chain = {polymer.name: n, str(polymer.counter_ion): 4 * n}
    size = {"n_salt": recipe.smallest} if recipe.composition.salt else {"n_molecules": recipe.smallest}
    counts = count_molecules(recipe, masses, chain=chain, **(size if recipe.composition.counts is None else {}))
    assert list(counts.n) == recipe.species
    assert min(counts.n.values()) >= 1


def _no_switch(content: dict[str, Any]) -> None:
    content["force_field"]["switch"] = None


def _uneven(content: dict[str, Any]) -> None:
    content["composition"]["solvents"]["ratio"] = {"EC": 0.7, "DMC": 0.2, "EMC": 0.1}


def _percent(content: dict[str, Any]) -> None:
    content["composition"]["solvents"]["ratio"] = {"EC": "33.3 %", "DMC": "33.3 %", "EMC": "33.4 %"}


def _parts(content: dict[str, Any]) -> None:
    content["composition"]["solvents"]["ratio"] = {"EC": 3, "DMC": 7, "EMC": 11}


def _counts(content: dict[str, Any]) -> None:
    content["composition"] = {"counts": {"EC": 10, "Li": 2, "PF6": 2}}
    del content["n_salt"]


@pytest.mark.parametrize("change", [lambda content: None, _no_switch, _uneven, _percent, _parts, _counts])
def test_a_recipe_survives_being_written_and_read(change: Callable[[dict[str, Any]], None], tmp_path: Path) -> None:
    recipe = validate(Recipe, changed(change), "here")
    (tmp_path / "recipe.yaml").write_text(to_yaml(recipe))
    assert load_recipe(tmp_path / "recipe.yaml") == recipe
    assert to_yaml(load_recipe(tmp_path / "recipe.yaml")) == to_yaml(recipe)


def test_fractions_stay_as_they_are_for_every_ratio() -> None:
    densities = {name: {"value": "1 g/cm3", "source": "x"} for name in ("EC", "DMC", "EMC")}
    for a in range(1, 12):
        for b in range(1, 12):
            once = Solvents.model_validate(
                {"ratio": {"EC": a, "DMC": b, "EMC": 7}, "basis": "volume", "densities": densities}
            )
            assert Solvents.model_validate(once.model_dump(mode="json")) == once


def test_ratios_of_any_sum_fractions_and_percentages_mean_the_same() -> None:
    def ratio(parts: dict[str, object]) -> dict[str, float]:
        return Solvents.model_validate({"ratio": parts, "basis": "mole"}).ratio

    expected = pytest.approx({"EC": 0.3, "DMC": 0.7})
    for parts in ({"EC": 3, "DMC": 7}, {"EC": 0.3, "DMC": 0.7}, {"EC": "30 %", "DMC": "70%"}, {"EC": 6.0, "DMC": 14}):
        assert ratio(parts) == expected
    assert ratio({"EC": 1}) == {"EC": 1.0}


def test_an_explicit_recipe_lists_ions_first() -> None:
    recipe = validate(Recipe, changed(_counts), "here")
    assert recipe.species == ["Li", "PF6", "EC"]


def put(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Return a change that sets the field at a dotted path."""

    def change(content: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for key in parents:
            content = content[key]
        content[last] = value

    return change


def drop(path: str) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for key in parents:
            content = content[key]
        del content[last]

    return change


S = "composition.salt"
V = "composition.solvents"
RATIO = f"{V}.ratio"
A = "composition.additives"
CSPF6 = {"Cs": 1, "PF6": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("n_salts", 8), "n_salts: unknown key"),
        (put(f"{V}.densities.EC.date", "today"), f"{V}.densities.EC.date: unknown key"),
        (put("force_field.combining", "geometric"), "force_field.combining: unknown key"),
        (drop("name"), "name: missing"),
        (drop("composition"), "composition: missing"),
        (put("name", "a/b"), "name: String should match pattern"),
        (put(f"{S}.molarity", "1 mol/kg"), f"{S}.molarity: unit 'mol/kg' of '1 mol/kg' is not known here; .*mol/L"),
        (put(f"{S}.molarity", 1.0), rf"{S}.molarity: 1.0 has no unit; expected a molarity such as '1 mol/L'"),
        (put(f"{S}.molarity", "1"), f"{S}.molarity: '1' has no unit"),
        (put(f"{S}.molarity", "-1 mol/L"), f"{S}.molarity: '-1 mol/L' must be greater than 0 mol/L"),
        (put(f"{S}.molality", "1 mol/kg"), f"{S}: give either 'molarity' .* or 'molality' .*, and not both"),
        (drop(f"{S}.molarity"), f"{S}: give either 'molarity' .* or 'molality'"),
        (drop(f"{S}.per"), f"{S}: 'per' .* belongs to 'molarity' and must be stated with it"),
        (put(f"{S}.per", "litre"), f"{S}.per: Input should be 'solution' or 'solvent_volume', got 'litre'"),
        (put(f"{S}.cation", "Mg"), rf"{S}.cation: unknown species 'Mg' \(known: Li, PF6, EC, DMC, EMC"),
        (put(f"{S}.anion", "EC"), f"{S}.anion: 'EC' has the role solvent, expected anion"),
        (put(RATIO, {"EC": 1, "XYZ": 1}), f"{RATIO}: unknown species 'XYZ'"),
        (put(RATIO, {"EC": 1, "Li": 1}), f"{RATIO}: 'Li' has the role cation, expected solvent"),
        (put(RATIO, {"EC": 0.5, "DMC": 0.3, "EMC": 0.3}), f"{RATIO}: the ratio sums to 1.1 instead of 1"),
        (put(RATIO, {"EC": 0.3, "DMC": 0.3, "EMC": 0.3}), f"{RATIO}: the ratio sums to 0.9 instead of 1"),
        (put(RATIO, {"EC": "30 %", "DMC": "30 %", "EMC": "30 %"}), f"{RATIO}: the ratio sums to 90 % instead of 100"),
        (put(RATIO, {"EC": "30 %", "DMC": "70 %", "EMC": 1}), f"{RATIO}: either all components are given in % or none"),
        (put(RATIO, {"EC": 1, "DMC": 0, "EMC": 1}), f"{RATIO}: the part of DMC must be greater than 0, got 0"),
        (put(RATIO, {"EC": 1, "DMC": -1, "EMC": 1}), f"{RATIO}: the part of DMC must be greater than 0, got -1"),
        (put(RATIO, {"EC": 1, "DMC": float("nan"), "EMC": 1}), f"{RATIO}: the part of DMC must be .*, got nan"),
        (put(RATIO, {"EC": 1, "DMC": float("inf"), "EMC": 1}), f"{RATIO}: the part of DMC must be .*, got inf"),
        (put(RATIO, {"EC": 1, 7: 0}), f"{RATIO}: the part of 7 must be greater than 0"),
        (put(RATIO, {"EC": "much", "DMC": 1, "EMC": 1}), f"{RATIO}: parts must be numbers"),
        (put(RATIO, {"EC": None, "DMC": 1, "EMC": 1}), f"{RATIO}: parts must be numbers"),
        (put(RATIO, {}), f"{RATIO}: the ratio sums to 0 instead of 1"),
        (put(RATIO, [1, 1, 1]), f"{RATIO}: expected keys with values"),
        (put(f"{V}.basis", "weight"), f"{V}.basis: Input should be 'volume', 'mass' or 'mole', got 'weight'"),
        (put(f"{V}.densities", {}), f"{V}: densities: missing for DMC, EC, EMC, needed by a ratio of volumes"),
        (drop(f"{V}.densities.EMC"), f"{V}: densities: missing for EMC"),
        (put(RATIO, {"EC": 1, "DMC": 1}), f"{V}: densities: EMC not in the ratio"),
        (drop(f"{V}.densities.EC.source"), f"{V}.densities.EC.source: missing"),
        (put(f"{V}.densities.EC.value", "1.3 kg"), f"{V}.densities.EC.value: unit 'kg'"),
        (
            drop("composition.solution_density"),
            "composition: solution_density: missing, needed by a molarity per volume",
        ),
        (put("composition.counts", {"EC": 3}), "composition: give either 'solvents' .* or explicit 'counts'"),
        (drop("composition.solvents"), "composition: give either 'solvents' .* or explicit 'counts'"),
        (put("composition", {"counts": {}}), "composition.counts: Dictionary should have at least 1 item"),
        (put("composition", {"counts": {"EC": 0}}), "composition.counts.EC: Input should be greater than 0, got 0"),
        (put("composition", {"counts": {"Xe": 1}}), "composition.counts: unknown species 'Xe'"),
        (put("composition", {"counts": {"EC": 9}}), "n_salt: does not belong beside composition.counts"),
        (
            put("composition", {"counts": {"EC": 9}, "salt": {"cation": "Li", "anion": "PF6", "molality": "1 mol/kg"}}),
            "composition: 'counts' are the whole composition: 'salt'",
        ),
        (
            put("composition", {"solvents": {"ratio": NEAT, "basis": "mole"}}),
            "n_salt: a recipe without salt is sized by n_molecules",
        ),
        (put("n_salt", 0), "n_salt: Input should be greater than 0, got 0"),
        (put("n_salt", 5), "n_salt: at least 7 .*, got 5"),
        (put("n_salt", 8.5), "n_salt: Input should be a valid integer"),
        (put("n_molecules", 100), "n_molecules: a recipe with a salt is sized by n_salt"),
        (put("smallest", -1), "smallest: Input should be greater than 0, got -1"),
        (put("force_field.files", []), "force_field.files: List should have at least 1 item"),
        (put("force_field.files", ["../other.xml"]), r"force_field.files: '../other.xml' must not climb out"),
        (put("force_field.files", ["solvshell/../../x.xml"]), r"force_field.files: .* must not climb out"),
        (put("force_field.ion_charge_scale", 0), "force_field.ion_charge_scale: Input should be greater than 0, got 0"),
        (put("force_field.ion_charge_scale", 1.2), "force_field.ion_charge_scale: Input should be less than or equal"),
        (put("force_field.cutoff", "1.0"), "force_field.cutoff: '1.0' has no unit"),
        (put("force_field.cutoff", "1 K"), "force_field.cutoff: unit 'K'"),
        (put("force_field.switch", "1.0 nm"), "force_field: switch must be below the cutoff of 1 nm, got 1 nm"),
        (put("force_field.switch", False), "force_field.switch: False has no unit"),
        (
            put("force_field.pme_tolerance", 0.1),
            "force_field.pme_tolerance: Input should be less than or equal to 0.01",
        ),
        (put("packing.density", "-1 g/cm3"), "packing.density: '-1 g/cm3' must be greater than 0 g/cm3"),
        (put("packing.tolerance", "2"), "packing.tolerance: '2' has no unit"),
        (put(A, [{"formula": {"Xe": 1}, "per_salt": 1}]), f"{A}.0.formula: unknown species 'Xe'"),
        (
            put(A, [{"formula": {"Cs": 0, "PF6": 1}, "per_salt": 1}]),
            f"{A}.0.formula.Cs: Input should be greater than 0",
        ),
        (put(A, [{"formula": {}, "per_salt": 1}]), f"{A}.0.formula: Dictionary should have at least 1 item"),
        (put(A, [{"formula": CSPF6}]), f"{A}.0: give either 'mass_fraction' .* or 'per_salt', and not both"),
        (put(A, [{"formula": CSPF6, "per_salt": 1, "mass_fraction": 0.1}]), f"{A}.0: give either 'mass_fraction'"),
        (put(A, [{"formula": CSPF6, "per_salt": 0}]), f"{A}.0.per_salt: Input should be greater than 0, got 0"),
        (put(A, [{"formula": CSPF6, "mass_fraction": 25}]), f"{A}.0.mass_fraction: 25 is not a fraction between 0 and"),
        (put(A, 2 * [{"formula": CSPF6, "mass_fraction": 0.5}]), "composition: additives: their mass fractions leave"),
        (put("polymer", 3), "polymer: expected keys with values"),
        (put("force_field.typing", 3), "force_field.typing: Input should be a valid string"),
    ],
)
def test_a_wrong_recipe_is_refused_with_its_field(change: Callable[[dict[str, Any]], None], message: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^here\.yaml: {message}"):
        validate(Recipe, changed(change), "here.yaml")


def test_per_solvent_volume_needs_densities_whatever_the_basis() -> None:
    content = changed(put(f"{S}.per", "solvent_volume"))
    content["composition"]["solvents"] |= {"basis": "mass", "densities": {}}
    with pytest.raises(InvalidInput, match=r"composition: solvents.densities: missing for DMC, EC, EMC, needed per"):
        validate(Recipe, content, "here.yaml")


def test_all_wrong_fields_are_named_each_on_its_line() -> None:
    content = changed(put("force_field.cutoff", 1.0))
    put("packing.density", "heavy")(content)
    put("colour", "red")(content)
    with pytest.raises(InvalidInput) as caught:
        validate(Recipe, content, "here.yaml")
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "force_field.cutoff",
        "packing.density",
        "colour",
    ]


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"recipe 'lb000': no such file, .*shipped: .*lb003"):
        load_recipe("lb000")
    with pytest.raises(InvalidInput, match="no such file"):
        load_recipe(tmp_path / "lb003")


def test_a_recipe_is_frozen(lb003: Recipe) -> None:
    with pytest.raises(ValueError, match="frozen"):
        lb003.n_salt = 8  # type: ignore[misc]
    assert read_yaml(recipe_directory() / "lb003.yaml", Recipe) == lb003


def with_polymer(**changes: Any) -> dict[str, Any]:
    content = content_of("lb003_pota-no3")
    content["polymer"] |= changes
    return content


def test_a_recipe_with_a_polymer_says_what_its_file_says() -> None:
    recipe = load_recipe("lb003_pota-no3")
    polymer = recipe.polymer
    assert polymer is not None
    assert (polymer.name, polymer.architecture, polymer.chain_length, polymer.mass_fraction) == (
        "POTA",
        "vinyl",
        4,
        0.25,
    )
    assert polymer.counter_ion == "NO3"
    assert recipe.molecules == ["Li", "PF6", "NO3", "EC", "DMC", "EMC"]
    assert recipe.species == [*recipe.molecules, "POTA"]
    assert recipe.entries["POTA"].role == "polymer"


def test_the_counter_ion_of_the_salt_is_one_species() -> None:
    assert load_recipe("lb003_pota-pf6").species == ["Li", "PF6", "EC", "DMC", "EMC", "POTA"]


@pytest.mark.parametrize("name", [name for name in SHIPPED if "pota" in name or name in ("ls002", "lb003_cs")])
def test_recipes_with_polymer_or_additives_survive_being_written_and_read(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    (tmp_path / "recipe.yaml").write_text(to_yaml(recipe))
    assert load_recipe(tmp_path / "recipe.yaml") == recipe


def test_a_linkage_survives_being_written_and_read(tmp_path: Path) -> None:
    linkage = {"open": [[1, 2]], "close": [], "tail": 1, "head": 2}
    content = with_polymer(
        architecture=None, linkage=linkage, monomer="[CH2:1]=[CH:2]C[N+](C)(C)C", sites={"n": ["N1"]}
    )
    recipe = validate(Recipe, content, "here")
    (tmp_path / "recipe.yaml").write_text(to_yaml(recipe))
    assert load_recipe(tmp_path / "recipe.yaml") == recipe


def test_a_number_of_chains_needs_a_size() -> None:
    content = with_polymer(chains=3, mass_fraction=None)
    del content["n_salt"]
    with pytest.raises(
        InvalidInput, match=r"^here: polymer: a number of chains or units belongs to a size; state n_salt"
    ):
        validate(Recipe, content, "here")


def test_a_polymer_may_not_have_the_name_of_a_species() -> None:
    with pytest.raises(InvalidInput, match=r"^here: polymer.name: 'OTA' is a species or residue already; give another"):
        validate(Recipe, with_polymer(name="OTA"), "here")


def test_residues_of_the_catalogue_are_no_names_of_a_polymer() -> None:
    """Selections go by residue name: PYR is that of PYR13, LI that of Li."""
    for name in ("PYR", "LI"):
        with pytest.raises(InvalidInput, match=r"polymer\.name"):
            validate(Recipe, with_polymer(name=name), "here")


def test_another_fraction_of_polymer() -> None:
    recipe = load_recipe("lb003_pota-no3")
    half = recipe.with_polymer_fraction(0.5)
    assert half.polymer is not None
    assert (half.polymer.mass_fraction, half.polymer.chains) == (0.5, None)
    assert half.composition == recipe.composition
    by_chains = validate(Recipe, with_polymer(chains=3, mass_fraction=None), "here").with_polymer_fraction(0.5)
    assert by_chains == half


def test_a_fraction_of_zero_removes_the_polymer() -> None:
    recipe = load_recipe("lb003_pota-no3").with_polymer_fraction(0)
    assert recipe.polymer is None
    assert recipe.species == ["Li", "PF6", "EC", "DMC", "EMC"]
    assert to_yaml(recipe)


@pytest.mark.parametrize("fraction", [1, 1.5, -0.1, float("nan")])
def test_a_fraction_that_is_none_is_refused(fraction: float) -> None:
    with pytest.raises(InvalidInput, match=r"^polymer.mass_fraction: from 0 to below 1, got"):
        load_recipe("lb003_pota-no3").with_polymer_fraction(fraction)


def test_a_recipe_without_polymer_has_no_fraction_of_it(lb003: Recipe) -> None:
    with pytest.raises(InvalidInput, match=r"^polymer: recipe 'lb003' has none"):
        lb003.with_polymer_fraction(0.1)


def test_another_charge_scale_is_another_recipe(lb003: Recipe) -> None:
    softer = lb003.with_ion_charge_scale(0.75)
    assert (softer.name, softer.force_field.ion_charge_scale) == ("lb003_q75", 0.75)
    assert validate(Recipe, yaml.safe_load(to_yaml(softer)), "here") == softer
    assert lb003.force_field.ion_charge_scale == 0.80
    for wrong in (0, -0.5, 1.01):
        with pytest.raises(InvalidInput, match=r"^force_field.ion_charge_scale: above 0 and at most 1, got"):
            lb003.with_ion_charge_scale(wrong)


def test_per_salt_needs_a_salt() -> None:
    content = content_of("lb003_nosalt")
    content["composition"]["additives"] = [{"formula": CSPF6, "per_salt": 1}]
    with pytest.raises(
        InvalidInput, match=r"^here: composition: additives: 'per_salt' needs a salt; give a mass_fraction"
    ):
        validate(Recipe, content, "here")


def test_additives_do_not_belong_beside_counts() -> None:
    content = changed(_counts)
    content["composition"]["additives"] = [{"formula": CSPF6, "mass_fraction": 0.1}]
    with pytest.raises(InvalidInput, match=r"^here: composition: 'counts' are the whole composition"):
        validate(Recipe, content, "here")


def test_the_readme_tells_the_smallest_box_of_each_recipe() -> None:
    readme, told = (Path(__file__).parent.parent / "README.md").read_text(), {}
    for names, sizes in re.findall(r"^\| (`[^|]*`) \| (\d[\d, ]*) \|", readme, flags=re.MULTILINE):
        told |= dict(zip(re.findall(r"`([^`]+)`", names), map(int, sizes.split(", ")), strict=True))
    assert told == {path.stem: load_recipe(path.stem).smallest for path in recipe_directory().glob("*.yaml")}
