"""Recipe -> Box: molecules, counts, packing, model, minimisation, checks."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import openmm

from solvshell.box import Box
from solvshell.build.composition import Counts, count_molecules
from solvshell.build.contents import Contents
from solvshell.build.curing import cure
from solvshell.build.forcefield import ForceFieldFiles, create_system, read_forcefield
from solvshell.build.geometry import broken_geometry
from solvshell.build.molecules import make_molecule
from solvshell.build.packing import cube_length
from solvshell.build.polymer import PolymerMolecule, chain_formula, make_chain, make_monomer, unit_model
from solvshell.build.relax import GROWTH, soft_start
from solvshell.errors import InvalidInput, WorkFailed
from solvshell.files import sha256
from solvshell.provenance import provenance
from solvshell.recipe import Recipe
from solvshell.species import find_species
from solvshell.units import check_seed

#: a box at constant pressure breathes: its expected side must exceed twice the cutoff by this factor
BREATHING = 1.05

Masses = Mapping[str, float]


def _expected_density(recipe: Recipe) -> float:
    composition = recipe.composition
    if composition.solution_density is not None:
        return composition.solution_density.value
    if composition.solvents is not None and composition.solvents.densities:
        return max(density.value for density in composition.solvents.densities.values())
    return recipe.packing.density


def _mass(masses: Masses, n: Mapping[str, float]) -> float:
    return sum(number * masses[name] for name, number in n.items())


def _check_size(recipe: Recipe, masses: Masses, counts: Counts, chain: Mapping[str, int] | None) -> None:
    density, key = _expected_density(recipe), counts.sized_by
    length = cube_length(_mass(masses, counts.n), density)
    needed = 2 * recipe.force_field.cutoff * BREATHING
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
    if length < 2 * cutoff:
        raise InvalidInput(
            f"packing.density: {density:g} g/cm3 makes a box of {length:.2f} nm, less than twice the cutoff of "
            f"{cutoff:g} nm; at most {density * (length / (2 * cutoff)) ** 3:.3f} g/cm3 at this size"
        )


def _check_neutral(system: openmm.System, recipe: Recipe, scale: float) -> None:
    nonbonded = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    charge = sum(nonbonded.getParticleParameters(i)[0]._value for i in range(system.getNumParticles()))
    if abs(charge) > 1e-6:
        what = " and of the polymer" if recipe.polymer else ""
        raise InvalidInput(
            f"composition: the box has a net charge of {charge / scale:+.3g} e; change the counts of its ions{what}"
        )


def _polymers(
    recipe: Recipe, counts: Counts, masses: Masses, files: ForceFieldFiles, seed: int
) -> list[PolymerMolecule]:
    polymer, model = recipe.polymer, recipe.force_field
    if polymer is None:
        return []
    if polymer.is_network:
        return [make_monomer(polymer, files, model, seed + 1)] * counts.n[polymer.name]
    length = cube_length(_mass(masses, counts.n), _expected_density(recipe))
    n_chains = counts.n[polymer.name] // polymer.molecule_units
    return [make_chain(polymer, files, model, seed + 1 + chain, length - model.cutoff) for chain in range(n_chains)]


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
    model, polymer = recipe.force_field, recipe.polymer
    files: ForceFieldFiles = read_forcefield(model.files)
    molecules = {name: make_molecule(name, find_species(name), files, model, seed + 1) for name in recipe.molecules}
    masses = {name: molecule.template.molar_mass for name, molecule in molecules.items()}
    chain = None
    if polymer is not None:
        one = unit_model(polymer, files, model)
        masses[polymer.name] = one.whole.molar_mass / polymer.molecule_units
        anion = molecules[polymer.counter_ion].template.charge if polymer.counter_ion else None
        chain = chain_formula(polymer, one, anion, explicit=recipe.composition.counts is not None)
    counts = count_molecules(recipe, masses, n_salt, n_molecules, chain)
    _check_size(recipe, masses, counts, chain)

    if polymer is not None:
        say(f"  {counts.n[polymer.name]} units of {polymer.name}")
    contents = Contents(
        molecules, {name: counts.n[name] for name in recipe.molecules}, _polymers(recipe, counts, masses, files, seed)
    )
    length = cube_length(_mass(masses, counts.n), recipe.packing.density)
    positions = contents.packed(length, recipe.packing.tolerance, seed + 1)
    _check_packed_size(recipe, length)
    lengths = np.full(3, length)
    details: dict[str, Any] = {}
    if polymer is not None and polymer.is_network:
        contents, positions, details = cure(contents, positions, lengths, recipe, files, seed, say)
    elif polymer is not None:
        details = {"backbone_extent_nm": [chain.extent for chain in contents.polymers]}
    if polymer is not None and chain is not None:
        n_chains = counts.n[polymer.name] / polymer.molecule_units
        details["mass_fraction"] = n_chains * _mass(masses, chain) / _mass(masses, counts.n)

    topology, templates = contents.topology(length)
    network = polymer is not None and polymer.is_network
    system = create_system(topology, contents.forcefield(files), model, templates=templates, network=network)
    _check_neutral(system, recipe, model.ion_charge_scale)
    state = soft_start(system, positions, np.diag(lengths), growth=() if polymer is None else GROWTH)
    atoms = list(topology.atoms())
    problems = broken_geometry(system, state.getPositions(asNumpy=True)._value, lengths if network else None)
    for index, problem in problems.items():
        raise WorkFailed(f"the minimised box has {problem} at {atoms[index].residue.name} {atoms[index].name}")

    size = {key: value for key, value in (("n_salt", n_salt), ("n_molecules", n_molecules)) if value is not None}
    if polymer is not None and polymer.mass_fraction is None:
        amount = {"units" if polymer.is_network else "chains": counts.n[polymer.name] // polymer.molecule_units}
        recipe = recipe.model_copy(update={"polymer": polymer.model_copy(update=amount)})
    if recipe.composition.counts is not None:
        composition = recipe.composition.model_copy(
            update={"counts": {n: counts.n[n] for n in recipe.composition.counts}}
        )
        built = recipe.model_copy(update={"composition": composition})
    else:
        built = recipe.model_copy(update=size)
    return Box(
        built,
        topology,
        system,
        state,
        provenance(
            seed=seed,
            force_field={path.name: sha256(path) for path in files.paths},
            counts=counts.n,
            counts_before_rounding=counts.ideal,
            rounding=counts.rounding,
            packed_length_nm=length,
            **({"polymer": details} if details else {}),
        ),
    )
