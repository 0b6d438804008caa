"""From a wish (1 mol/L, 1:1:1 by volume, 50 formula units) to whole numbers of molecules, and what rounding did."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from solvshell.errors import InvalidInput
from solvshell.polymer import Polymer
from solvshell.recipe import Composition, Recipe, Salt, Solvents
from solvshell.species import find_species

#: no box is larger; the search for a size that holds a rare species ends here
LARGEST = 100_000
#: a rounding that moves the polymer's mass fraction by more than this part of itself makes another system
_LARGEST_SHIFT = 0.10


@dataclass(frozen=True)
class Component:
    """What comes in whole numbers together: a salt, a solvent, a chain with its counter-ions."""

    formula: Mapping[str, int]
    amount: float

    def mass(self, molar_masses: Mapping[str, float]) -> float:
        """Return the mass in g/mol of the component's relative amount."""
        return self.amount * sum(n * molar_masses[name] for name, n in self.formula.items())


@dataclass(frozen=True)
class Counts:
    """Molecules in a box.

    Attributes
    ----------
    n : dict of str to int
        Number of molecules of each species, ions first; of a polymer its repeat units, last.
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


def _electrolyte(recipe: Recipe, molar_masses: Mapping[str, float]) -> list[Component]:
    """Return the relative amounts without the polymer: 1 of the salt, if there is one."""
    composition = recipe.composition
    if composition.counts is not None:
        return [Component({name: 1}, count) for name, count in composition.counts.items()]
    assert composition.solvents is not None
    x = _solvent_mole_fractions(composition.solvents, molar_masses)
    salt = composition.salt
    per_salt = _solvent_per_salt(salt, composition, x, molar_masses) if salt else 1.0
    base = [Component({salt.cation: 1, salt.anion: 1}, 1.0)] if salt else []
    base += [Component({name: 1}, per_salt * fraction) for name, fraction in x.items()]
    share = sum(additive.mass_fraction or 0.0 for additive in composition.additives)
    whole = sum(component.mass(molar_masses) for component in base) / (1 - share)
    for additive in composition.additives:
        amount = additive.per_salt
        if additive.mass_fraction is not None:
            amount = additive.mass_fraction * whole / Component(additive.formula, 1.0).mass(molar_masses)
        assert amount is not None
        base.append(Component(additive.formula, amount))
    return base


def _chains(
    recipe: Recipe, polymer: Polymer, formula: Mapping[str, int], others: list[Component], masses: Mapping[str, float]
) -> Component:
    if polymer.mass_fraction is not None:
        mass = sum(component.mass(masses) for component in others)
        share = polymer.mass_fraction / (1 - polymer.mass_fraction)
        return Component(formula, share * mass / Component(formula, 1.0).mass(masses))
    number = float(polymer.units or polymer.chains or 0)
    if recipe.composition.counts is None:
        # The number belongs to the recipe's own size; the amounts of the others are per salt or sum to one molecule.
        number /= recipe.n_salt or recipe.n_molecules or 1
    return Component(formula, number)


def _asked_size(recipe: Recipe, n_salt: int | None, n_molecules: int | None) -> tuple[str, int | None]:
    """Return by what a recipe is sized and the size asked for; it has none where its counts are taken as they are."""
    composition = recipe.composition
    has_salt = composition.salt is not None
    if composition.counts is not None:
        has_salt = any(find_species(name).role == "cation" for name in recipe.molecules)
    key, other = ("n_salt", "n_molecules") if has_salt else ("n_molecules", "n_salt")
    asked = {"n_salt": n_salt, "n_molecules": n_molecules}
    if asked[other] is not None:
        what = "a salt" if has_salt else "no salt"
        raise InvalidInput(f"{other}: recipe {recipe.name!r} has {what}; size it by {key}")
    size = getattr(recipe, key) if asked[key] is None else asked[key]
    if size is None and composition.counts is None:
        raise InvalidInput(f"{key}: missing; state it in recipe {recipe.name!r} or give --{key.replace('_', '-')}")
    if size is not None and size < recipe.smallest:
        raise InvalidInput(f"{key}: at least {recipe.smallest} for recipe {recipe.name!r}, got {size}")
    return key, size


def _counted(recipe: Recipe, electrolyte: list[Component], sized_by: str) -> float:
    """Return what a size of 1 stands for in the relative amounts: a salt, a cation of the counts, a molecule."""
    if sized_by == "n_molecules":
        return sum(component.amount for component in electrolyte)
    if recipe.composition.counts is None:
        return 1.0
    cations = (c.amount for c in electrolyte if find_species(next(iter(c.formula))).role == "cation")
    return sum(cations)


def _largest_remainder(ideal: list[float], total: int, names: list[str]) -> list[int]:
    n = [int(value) for value in ideal]
    by_remainder = sorted(range(len(ideal)), key=lambda i: (n[i] - ideal[i], names[i]))
    for i in by_remainder[: total - sum(n)]:
        n[i] += 1
    return n


def _per_species(numbers: Iterable[float], components: list[Component], order: list[str]) -> dict[str, float]:
    totals = dict.fromkeys(order, 0.0)
    for number, component in zip(numbers, components, strict=True):
        for name, n in component.formula.items():
            totals[name] += number * n
    return totals


@dataclass(frozen=True)
class _Wish:
    """Relative amounts, the polymer's last, and how to scale them."""

    recipe: Recipe
    electrolyte: list[Component]
    chains: list[Component]
    sized_by: str
    molar_masses: Mapping[str, float]

    @property
    def components(self) -> list[Component]:
        return [*self.electrolyte, *self.chains]

    def rounded(self, size: int) -> Counts:
        scale = size / _counted(self.recipe, self.electrolyte, self.sized_by)
        ideal = [component.amount * scale for component in self.components]
        if self.sized_by == "n_salt":
            numbers = [round(value) for value in ideal]
        else:
            names = ["".join(component.formula) for component in self.electrolyte]
            numbers = _largest_remainder(ideal[: len(names)], size, names)
            numbers += [round(value) for value in ideal[len(names) :]]
        order = self.recipe.species
        n = {name: round(value) for name, value in _per_species(numbers, self.components, order).items()}
        return Counts(n, _per_species(ideal, self.components, order), self.sized_by, size)

    def polymer_fraction(self, counts: Counts, *, ideal: bool = False) -> float:
        """Return (polymer + its counter-ions) / all by mass."""
        (chains,) = self.chains
        numbers = counts.ideal if ideal else counts.n
        name = next(iter(chains.formula))
        molecules = numbers[name] / chains.formula[name]
        mass = molecules * Component(chains.formula, 1.0).mass(self.molar_masses)
        return mass / sum(number * self.molar_masses[species] for species, number in numbers.items())

    def shift(self, counts: Counts) -> float:
        """Return by how much of itself rounding moves the polymer's mass fraction."""
        if not self.chains:
            return 0.0
        return self.polymer_fraction(counts) / self.polymer_fraction(counts, ideal=True) - 1


def _refuse_bad_rounding(wish: _Wish, counts: Counts) -> None:
    key, absent = counts.sized_by, [name for name, count in counts.n.items() if count == 0]
    if not absent and abs(wish.shift(counts)) <= _LARGEST_SHIFT:
        return

    def works(size: int) -> bool:
        there = wish.rounded(size)
        return all(there.n.values()) and abs(wish.shift(there)) <= _LARGEST_SHIFT

    smallest = next((size for size in range(wish.recipe.smallest, LARGEST) if works(size)), f"above {LARGEST}")
    if absent:
        problem, cure = f"{', '.join(absent)} would round to 0 molecules at {counts.size}", "holds all"
    else:
        asked, got = wish.polymer_fraction(counts, ideal=True), wish.polymer_fraction(counts)
        problem = f"at {counts.size} rounding moves the mass fraction of polymer from {asked:.3f} to {got:.3f}"
        cure = f"keeps it within {_LARGEST_SHIFT:.0%} of itself"
    raise InvalidInput(f"{key}: {problem}; the smallest {key} that {cure} is {smallest}")


def count_molecules(
    recipe: Recipe,
    molar_masses: Mapping[str, float],
    n_salt: int | None = None,
    n_molecules: int | None = None,
    chain: Mapping[str, int] | None = None,
) -> Counts:
    """Return the whole numbers of molecules that are closest to a recipe.

    With a salt its formula units are exact and all else is rounded to the nearest whole number; since the components
    are independent this minimises every norm of the rounding error at once. Without one the total is exact and the
    largest remainders are rounded up, which minimises the sum of the absolute errors. Explicit counts are taken as they
    are, or scaled by the same rules. The electrolyte keeps its solvent : salt ratio whatever the polymer content.

    Parameters
    ----------
    recipe : Recipe
        The wish.
    molar_masses : mapping of str to float
        Molar mass of each species in g/mol; of a polymer that of its unit (that of the chain over its length).
    n_salt, n_molecules : int, optional
        Size of the box instead of the recipe's own.
    chain : mapping of str to int, optional
        Units and counter-ions of one chain, or of one monomer of a network; the polymer's name comes first.

    Raises
    ------
    InvalidInput
        If a size does not fit the recipe, a species would round to 0, or rounding moves the mass fraction of polymer by
        more than a tenth of itself.
    """
    sized_by, size = _asked_size(recipe, n_salt, n_molecules)
    electrolyte = _electrolyte(recipe, molar_masses)
    chains = []
    if recipe.polymer is not None:
        assert chain
        chains = [_chains(recipe, recipe.polymer, chain, electrolyte, molar_masses)]
    wish = _Wish(recipe, electrolyte, chains, sized_by, molar_masses)
    counts = wish.rounded(round(_counted(recipe, electrolyte, sized_by)) if size is None else size)
    _refuse_bad_rounding(wish, counts)
    return counts
