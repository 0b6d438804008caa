"""From a wish (1 mol/L, 1:1:1 by volume, 50 formula units) to whole numbers of molecules, and what rounding did."""

from collections.abc import Mapping
from dataclasses import dataclass

from solvshell.errors import InvalidInput
from solvshell.recipe import Composition, Recipe, Salt, Solvents
from solvshell.species import find_species

#: no box is larger; the search for a size that holds a rare species ends here
_LARGEST = 100_000


@dataclass(frozen=True)
class Counts:
    """Molecules in a box.

    Attributes
    ----------
    n : dict of str to int
        Number of molecules of each species, ions first.
    ideal : dict of str to float
        The numbers before rounding.
    sized_by : {"n_salt", "n_molecules"}
        What says how large the box is.
    size : int
        Its value.
    """

    n: dict[str, int]
    ideal: dict[str, float]
    sized_by: str
    size: int

    @property
    def rounding(self) -> dict[str, float]:
        """Relative change of the amount of each species by rounding, -0.01 being 1 % too few."""
        return {name: self.n[name] / self.ideal[name] - 1 for name in self.n}


def _solvent_mole_fractions(solvents: Solvents, molar_masses: Mapping[str, float]) -> dict[str, float]:
    def amount(name: str, share: float) -> float:
        if solvents.basis == "mole":
            return share
        mass = share * solvents.densities[name].value if solvents.basis == "volume" else share
        return mass / molar_masses[name]

    amounts = {name: amount(name, share) for name, share in solvents.ratio.items()}
    return {name: value / sum(amounts.values()) for name, value in amounts.items()}


def _solvent_per_salt(
    salt: Salt, composition: Composition, x: Mapping[str, float], molar_masses: Mapping[str, float]
) -> float:
    """Return the solvent molecules of all kinds per formula unit of salt."""
    assert composition.solvents is not None
    mean_molar_mass = sum(x[name] * molar_masses[name] for name in x)
    if salt.molality is not None:
        return 1000 / (salt.molality * mean_molar_mass)
    assert salt.molarity is not None
    if salt.per == "solvent_volume":
        densities = composition.solvents.densities
        molar_volume_cm3 = sum(x[name] * molar_masses[name] / densities[name].value for name in x)
        return 1000 / (salt.molarity * molar_volume_cm3)
    assert composition.solution_density is not None
    salt_mass = molar_masses[salt.cation] + molar_masses[salt.anion]
    solvent_mass = 1000 * composition.solution_density.value / salt.molarity - salt_mass
    if solvent_mass <= 0:
        raise InvalidInput(
            f"composition.salt.molarity: {salt.molarity:g} mol/L of a salt of {salt_mass:.1f} g/mol leaves no room for "
            f"solvent in a solution of {composition.solution_density.value:g} g/cm3"
        )
    return solvent_mass / mean_molar_mass


def _amounts(recipe: Recipe, molar_masses: Mapping[str, float]) -> dict[str, float]:
    """Return the relative numbers of molecules, ions first; the size of the box is not in them."""
    composition = recipe.composition
    if composition.counts is not None:
        return {name: composition.counts[name] for name in recipe.species}
    assert composition.solvents is not None
    x = _solvent_mole_fractions(composition.solvents, molar_masses)
    salt = composition.salt
    if salt is None:
        return x
    per_salt = _solvent_per_salt(salt, composition, x, molar_masses)
    return {salt.cation: 1, salt.anion: 1} | {name: per_salt * fraction for name, fraction in x.items()}


def _asked_size(recipe: Recipe, n_salt: int | None, n_molecules: int | None) -> tuple[str, int | None]:
    """Return by what a recipe is sized and the size asked for; it has none where its counts are taken as they are."""
    has_salt = any(find_species(name).role == "cation" for name in recipe.species)
    key, other = ("n_salt", "n_molecules") if has_salt else ("n_molecules", "n_salt")
    asked = {"n_salt": n_salt, "n_molecules": n_molecules}
    if asked[other] is not None:
        what = "a salt" if has_salt else "no salt"
        raise InvalidInput(f"{other}: recipe {recipe.name!r} has {what}; size it by {key}")
    size = getattr(recipe, key) if asked[key] is None else asked[key]
    if size is None and recipe.composition.counts is None:
        raise InvalidInput(f"{key}: missing; state it in recipe {recipe.name!r} or give --{key.replace('_', '-')}")
    if size is not None and size < recipe.smallest:
        raise InvalidInput(f"{key}: at least {recipe.smallest} for recipe {recipe.name!r}, got {size}")
    return key, size


def _unit(amounts: Mapping[str, float], sized_by: str) -> float:
    """Return the cations, or all molecules, in the relative numbers: what a size of 1 stands for."""
    counted = [name for name in amounts if sized_by == "n_molecules" or find_species(name).role == "cation"]
    return sum(amounts[name] for name in counted)


def _largest_remainder(ideal: Mapping[str, float], total: int) -> dict[str, int]:
    n = {name: int(value) for name, value in ideal.items()}
    by_remainder = sorted(ideal, key=lambda name: (n[name] - ideal[name], name))
    for name in by_remainder[: total - sum(n.values())]:
        n[name] += 1
    return n


def _rounded(amounts: Mapping[str, float], sized_by: str, size: int) -> Counts:
    unit = _unit(amounts, sized_by)
    ideal = {name: amount * size / unit for name, amount in amounts.items()}
    nearest = {name: round(value) for name, value in ideal.items()}
    n = nearest if sized_by == "n_salt" else _largest_remainder(ideal, size)
    return Counts(n, ideal, sized_by, size)


def _refuse_zeros(amounts: Mapping[str, float], counts: Counts) -> None:
    absent = [name for name, count in counts.n.items() if count == 0]
    if not absent:
        return
    key = counts.sized_by
    holding = (size for size in range(1, _LARGEST) if all(_rounded(amounts, key, size).n.values()))
    smallest = next(holding, f"above {_LARGEST}")
    raise InvalidInput(
        f"{key}: {', '.join(absent)} would round to 0 molecules at {counts.size}; the smallest {key} that holds all is "
        f"{smallest}"
    )


def count_molecules(
    recipe: Recipe, molar_masses: Mapping[str, float], n_salt: int | None = None, n_molecules: int | None = None
) -> Counts:
    """Return the whole numbers of molecules that are closest to a recipe.

    With a salt its formula units (the cations) are exact and all else is rounded to the nearest whole number; since
    the species are independent this minimises every norm of the rounding error at once. Without one the total is exact
    and the largest remainders are rounded up, which minimises the sum of the absolute errors. Explicit counts are
    taken as they are, or scaled by the same rules.

    Parameters
    ----------
    recipe : Recipe
        The wish.
    molar_masses : mapping of str to float
        Molar mass of each species in g/mol.
    n_salt, n_molecules : int, optional
        Size of the box instead of the recipe's own.

    Raises
    ------
    InvalidInput
        If a size does not fit the recipe or a species would round to 0.
    """
    sized_by, size = _asked_size(recipe, n_salt, n_molecules)
    amounts = _amounts(recipe, molar_masses)
    counts = _rounded(amounts, sized_by, round(_unit(amounts, sized_by)) if size is None else size)
    _refuse_zeros(amounts, counts)
    return counts
