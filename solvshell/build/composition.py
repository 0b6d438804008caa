"""From a wish (1 mol/L, 1:1:1 by volume, 50 formula units) to whole numbers of molecules, and what rounding did."""

from collections.abc import Mapping
from dataclasses import dataclass

from solvshell.errors import InvalidInput
from solvshell.recipe import Composition, Recipe, Salt, Solvents


@dataclass(frozen=True)
class Counts:
    """Molecules in a box.

    Attributes
    ----------
    n : dict of str to int
        Number of molecules of each species, ions first.
    ideal : dict of str to float
        The numbers before rounding.
    """

    n: dict[str, int]
    ideal: dict[str, float]

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


def _largest_remainder(ideal: Mapping[str, float], total: int) -> dict[str, int]:
    n = {name: int(value) for name, value in ideal.items()}
    by_remainder = sorted(ideal, key=lambda name: (n[name] - ideal[name], name))
    for name in by_remainder[: total - sum(n.values())]:
        n[name] += 1
    return n


def _refuse_zeros(n: Mapping[str, int], ideal: Mapping[str, float], size: int, key: str) -> None:
    for name, count in n.items():
        if count == 0:
            smallest = -(-size // (2 * ideal[name])) if ideal[name] else 0
            raise InvalidInput(
                f"{key}: {name} would round to 0 molecules; the smallest {key} that holds it is {smallest:.0f}"
            )


def _scaled_counts(counts: Mapping[str, int], n_salt: int | None, n_molecules: int | None) -> dict[str, float]:
    if n_salt is not None:
        ions = {name: count for name, count in counts.items() if name in _ions(counts)}
        if not ions:
            raise InvalidInput("n_salt: the recipe has no salt; size it by n_molecules")
        return {name: count * n_salt / min(ions.values()) for name, count in counts.items()}
    if n_molecules is not None:
        return {name: count * n_molecules / sum(counts.values()) for name, count in counts.items()}
    return {name: float(count) for name, count in counts.items()}


def _ions(counts: Mapping[str, int]) -> set[str]:
    from solvshell.species import find_species

    return {name for name in counts if find_species(name).role in ("cation", "anion")}


def count_molecules(
    recipe: Recipe, molar_masses: Mapping[str, float], n_salt: int | None = None, n_molecules: int | None = None
) -> Counts:
    """Return the whole numbers of molecules that are closest to a recipe.

    With a salt its formula units are exact and each solvent is rounded to the nearest whole number; since the solvents
    are independent this minimises every norm of the rounding error at once. Without one the total is exact and the
    largest remainders are rounded up, which minimises the sum of the absolute errors.

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
    composition = recipe.composition
    for key, size in (("n_salt", n_salt), ("n_molecules", n_molecules)):
        if size is not None and size < recipe.smallest:
            raise InvalidInput(f"{key}: at least {recipe.smallest} for recipe {recipe.name!r}, got {size}")
    if n_salt is not None and n_molecules is not None:
        raise InvalidInput("n_salt and n_molecules: give one of them")
    if composition.counts is not None:
        ideal = _scaled_counts(composition.counts, n_salt, n_molecules)
        ideal = {name: ideal[name] for name in recipe.species}
        n = {name: round(value) for name, value in ideal.items()}
        _refuse_zeros(n, ideal, n_salt or n_molecules or 0, "n_salt" if n_salt else "n_molecules")
        return Counts(n, ideal)
    assert composition.solvents is not None
    x = _solvent_mole_fractions(composition.solvents, molar_masses)
    if composition.salt is None:
        if n_salt is not None:
            raise InvalidInput(f"n_salt: recipe {recipe.name!r} has no salt; size it by n_molecules")
        size = n_molecules or recipe.n_molecules or 0
        ideal = {name: size * fraction for name, fraction in x.items()}
        n = _largest_remainder(ideal, size)
        key = "n_molecules"
    else:
        if n_molecules is not None:
            raise InvalidInput(f"n_molecules: recipe {recipe.name!r} has a salt; size it by n_salt")
        size = n_salt or recipe.n_salt or 0
        salt = composition.salt
        per_salt = _solvent_per_salt(salt, composition, x, molar_masses)
        ideal = {salt.cation: float(size), salt.anion: float(size)}
        ideal |= {name: size * per_salt * fraction for name, fraction in x.items()}
        n = {name: round(value) for name, value in ideal.items()}
        key = "n_salt"
    _refuse_zeros(n, ideal, size, key)
    return Counts(n, ideal)
