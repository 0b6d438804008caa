"""Recipe -> Box: molecules, counts, packing, model, minimisation, checks."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app

from solvshell.box import LEAST_WIDTH, Box
from solvshell.build.composition import Counts, count_molecules
from solvshell.build.contents import Contents
from solvshell.build.curing import cure
from solvshell.build.forcefield import ForceFieldFiles, create_system, read_forcefield
from solvshell.build.geometry import broken_geometry
from solvshell.build.graph import PolymerModel
from solvshell.build.molecules import Molecule, make_molecule
from solvshell.build.packing import cube_length
from solvshell.build.polymer import PolymerMolecule, chain_formula, make_chain, make_monomer, unit_model
from solvshell.build.relax import GROWTH, soft_start
from solvshell.engine import choose_platform
from solvshell.errors import InvalidInput, WorkFailed
from solvshell.files import sha256, to_yaml
from solvshell.provenance import provenance
from solvshell.recipe import Recipe
from solvshell.species import find_species
from solvshell.units import check_seed

#: a box at constant pressure breathes: its expected side must exceed the least width by this factor
BREATHING = 1.02

Masses = Mapping[str, float]
Vectors = NDArray[np.float64]


def _expected_density(recipe: Recipe) -> float:
    composition = recipe.composition
    if composition.solution_density is not None:
        return composition.solution_density.value
    if composition.solvents is not None and composition.solvents.densities:
        return max(density.value for density in composition.solvents.densities.values())
    return recipe.packing.density


def _mass(masses: Masses, n: Mapping[str, float]) -> float:
    return sum(number * masses[name] for name, number in n.items())


def _check_size(recipe: Recipe, masses: Masses, counts: Counts, chain: Mapping[str, int]) -> None:
    density, key = _expected_density(recipe), counts.sized_by
    length = cube_length(_mass(masses, counts.n), density)
    needed = LEAST_WIDTH * recipe.force_field.cutoff * BREATHING
    if length < needed:
        # Without rounding this size would just do; the smallest with it lies within one or two.
        near = int(counts.size * (needed / cube_length(_mass(masses, counts.ideal), density)) ** 3)

        def is_large_enough(size: int) -> bool:
            try:
                more = count_molecules(recipe, masses, chain=chain, **{key: size})
            except InvalidInput:  # this size does not hold the polymer; a larger one may
                return False
            return cube_length(_mass(masses, more.n), density) >= needed

        first = max(counts.size + 1, recipe.smallest, near - 2)
        smallest = next((size for size in range(first, first + 1000) if is_large_enough(size)), near)
        raise InvalidInput(
            f"{key}: {counts.size} makes a box of {length:.2f} nm at {density:g} g/cm3, too small for a cutoff of "
            f"{recipe.force_field.cutoff:g} nm, which needs {needed:.2f} nm: {key} {smallest} or more"
        )


def _check_packed_size(recipe: Recipe, length: float) -> None:
    cutoff, density = recipe.force_field.cutoff, recipe.packing.density
    least = LEAST_WIDTH * cutoff
    if length < least:
        raise InvalidInput(
            f"packing.density: {density:g} g/cm3 makes a box of {length:.2f} nm, less than {LEAST_WIDTH:g} times the "
            f"cutoff of {cutoff:g} nm; at most {density * (length / least) ** 3:.3f} g/cm3 at this size"
        )


@dataclass(frozen=True)
class _Plan:
    """What will be in the box: small molecules, one chain (or monomer) of the polymer, and the numbers of all."""

    recipe: Recipe
    files: ForceFieldFiles
    molecules: dict[str, Molecule]
    unit: PolymerModel | None
    chain: dict[str, int]
    masses: dict[str, float]
    counts: Counts

    @property
    def mass(self) -> float:
        """Mass of the box in dalton."""
        return _mass(self.masses, self.counts.n)

    @property
    def n_chains(self) -> int:
        """How many chains, or monomers of a network, there are."""
        polymer = self.recipe.polymer
        return self.counts.n[polymer.name] // polymer.molecule_units if polymer else 0

    @property
    def polymer_fraction(self) -> float:
        """(polymer + its counter-ions) / all by mass."""
        return self.n_chains * _mass(self.masses, self.chain) / self.mass

    @property
    def charge(self) -> int:
        """Formal charge of the box in e."""
        ions = sum(self.counts.n[name] * molecule.template.charge for name, molecule in self.molecules.items())
        return ions + self.n_chains * (self.unit.whole.charge if self.unit else 0)


def _plan(recipe: Recipe, seed: int, n_salt: int | None, n_molecules: int | None) -> _Plan:
    model, polymer = recipe.force_field, recipe.polymer
    files = read_forcefield(model.files)
    molecules = {name: make_molecule(name, find_species(name), files, model, seed + 1) for name in recipe.molecules}
    masses = {name: molecule.template.molar_mass for name, molecule in molecules.items()}
    unit, chain = None, {}
    if polymer is not None:
        unit = unit_model(polymer, files, model)
        masses[polymer.name] = unit.whole.molar_mass / polymer.molecule_units
        anion = molecules[polymer.counter_ion].template.charge if polymer.counter_ion else None
        chain = chain_formula(polymer, unit, anion, explicit=recipe.composition.counts is not None)
    counts = count_molecules(recipe, masses, n_salt, n_molecules, chain)
    _check_size(recipe, masses, counts, chain)
    plan = _Plan(recipe, files, molecules, unit, chain, masses, counts)
    if plan.charge != 0:
        what = " and of the polymer" if polymer else ""
        raise InvalidInput(
            f"composition: the box has a net charge of {plan.charge:+d} e; change the counts of its ions{what}"
        )
    return plan


def _contents(plan: _Plan, seed: int, say: Callable[[str], None]) -> Contents:
    recipe, polymer = plan.recipe, plan.recipe.polymer
    polymers: list[PolymerMolecule] = []
    if polymer is not None and polymer.is_network:
        polymers = [make_monomer(polymer, plan.files, recipe.force_field, seed + 1)] * plan.n_chains
    elif polymer is not None:
        most = cube_length(plan.mass, _expected_density(recipe)) - recipe.force_field.cutoff
        for number in range(plan.n_chains):
            polymers.append(make_chain(polymer, plan.files, recipe.force_field, (seed, number), most))
            say(f"  {polymer.name}: {number + 1} of {plan.n_chains} chains laid out")
    return Contents(plan.molecules, {name: plan.counts.n[name] for name in recipe.molecules}, polymers)


def _chain_details(plan: _Plan, chains: list[PolymerMolecule]) -> dict[str, Any]:
    """Return how far the chains reach, and whether that is to their own images in the box as it will be."""
    length = cube_length(plan.mass, _expected_density(plan.recipe))
    extents = [chain.extent for chain in chains]
    return {
        "backbone_extent_nm": [chain.backbone_extent for chain in chains],
        "extent_nm": extents,
        "expected_length_nm": length,
        "feels_its_image": max(extents) + plan.recipe.force_field.cutoff > length,
    }


def _check_sound(system: openmm.System, state: openmm.State, topology: app.Topology, lengths: Vectors | None) -> None:
    atoms = list(topology.atoms())
    for index, problem in broken_geometry(system, state.getPositions(asNumpy=True)._value, lengths).items():
        raise WorkFailed(f"the minimised box has {problem} at {atoms[index].residue.name} {atoms[index].name}")


def _as_built(plan: _Plan, n_salt: int | None, n_molecules: int | None) -> Recipe:
    """Return the recipe with the size and the numbers that were built."""
    recipe, polymer, counts = plan.recipe, plan.recipe.polymer, plan.counts.n
    changes: dict[str, Any] = {}
    if polymer is not None and polymer.mass_fraction is None:
        amount = {"units" if polymer.is_network else "chains": plan.n_chains}
        changes["polymer"] = polymer.model_copy(update=amount)
    if recipe.composition.counts is not None:
        built = {name: counts[name] for name in recipe.composition.counts}
        changes["composition"] = recipe.composition.model_copy(update={"counts": built})
    else:
        size = {"n_salt": n_salt, "n_molecules": n_molecules}
        changes |= {key: value for key, value in size.items() if value is not None}
    return recipe.model_copy(update=changes)


def build_box(
    recipe: Recipe,
    *,
    seed: int = 0,
    n_salt: int | None = None,
    n_molecules: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Box:
    """Return a packed, minimised and checked box of a recipe; a network is grown in it.

    Parameters
    ----------
    recipe : Recipe
    seed : int
        Of the packing, the conformers and the polymer; the same seed gives the same packing and the same chains.
    n_salt, n_molecules : int, optional
        Size instead of the recipe's own.
    say : callable
        Shows a line about what takes long.

    Raises
    ------
    InvalidInput
        If the recipe cannot be built at that size or with its force field.
    PackmolError, WorkFailed
        If the packing failed, or the box is not sound afterwards.
    """
    check_seed(seed)
    plan = _plan(recipe, seed, n_salt, n_molecules)
    contents = _contents(plan, seed, say)
    length = cube_length(plan.mass, recipe.packing.density)
    positions = contents.packed(length, recipe.packing.tolerance, seed + 1)
    _check_packed_size(recipe, length)
    lengths = np.full(3, length)
    polymer: dict[str, Any] = {}
    is_network = recipe.polymer is not None and recipe.polymer.is_network
    if is_network:
        contents, positions, polymer = cure(contents, positions, lengths, recipe, plan.files, seed, say)
    elif recipe.polymer is not None:
        polymer = _chain_details(plan, contents.polymers)

    topology, templates = contents.topology(length)
    files = contents.forcefield(plan.files)
    system = create_system(topology, files, recipe.force_field, templates=templates, network=is_network)
    state = soft_start(system, positions, np.diag(lengths), growth=GROWTH if recipe.polymer else ())
    _check_sound(system, state, topology, lengths if is_network else None)
    platform = choose_platform()
    details = provenance(
        seed=seed,
        recipe_sha256=hashlib.sha256(to_yaml(recipe).encode()).hexdigest(),
        platform=platform.getName(),
        settings={name: platform.getPropertyDefaultValue(name) for name in platform.getPropertyNames()},
        force_field={path.name: sha256(path) for path in plan.files.paths},
        counts=plan.counts.n,
        counts_before_rounding=plan.counts.ideal,
        rounding=plan.counts.rounding,
        packed_length_nm=length,
    )
    if recipe.polymer is not None:
        details["polymer"] = polymer | {"mass_fraction": plan.polymer_fraction}
    return Box(_as_built(plan, n_salt, n_molecules), topology, system, state, details)
