"""Recipe -> Box: molecules, counts, packing, model, minimisation, checks."""

import itertools

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app, unit

from solvshell.box import Box
from solvshell.build.composition import Counts, count_molecules
from solvshell.build.forcefield import ForceFieldFiles, create_system, read_forcefield
from solvshell.build.geometry import broken_geometry
from solvshell.build.molecules import Molecule, add_molecule, make_molecule
from solvshell.build.packing import cube_length, pack
from solvshell.engine import choose_platform, make_context, minimize
from solvshell.errors import InvalidInput, WorkFailed
from solvshell.files import sha256
from solvshell.provenance import provenance
from solvshell.recipe import Recipe
from solvshell.species import find_species
from solvshell.units import check_seed

#: a box at constant pressure breathes: its expected side must exceed twice the cutoff by this factor
BREATHING = 1.05


def _expected_density(recipe: Recipe) -> float:
    composition = recipe.composition
    if composition.solution_density is not None:
        return composition.solution_density.value
    if composition.solvents is not None and composition.solvents.densities:
        return max(density.value for density in composition.solvents.densities.values())
    return recipe.packing.density


def _check_size(recipe: Recipe, molecules: dict[str, Molecule], masses: dict[str, float], counts: Counts) -> None:
    density, key = _expected_density(recipe), counts.sized_by
    length = cube_length(molecules, counts.n, density)
    needed = 2 * recipe.force_field.cutoff * BREATHING
    if length < needed:
        # Without rounding this size would just do; the smallest with it lies within one or two.
        near = int(counts.size * (needed / cube_length(molecules, counts.ideal, density)) ** 3)
        sizes = itertools.count(max(counts.size + 1, recipe.smallest, near - 2))
        larger = (count_molecules(recipe, masses, **{key: size}) for size in sizes)
        smallest = next(more.size for more in larger if cube_length(molecules, more.n, density) >= needed)
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


def _topology(molecules: dict[str, Molecule], n: dict[str, int], length: float) -> app.Topology:
    topology = app.Topology()
    for name, count in n.items():
        chain = topology.addChain()
        for _ in range(count):
            add_molecule(topology, chain, molecules[name].template)
    topology.setPeriodicBoxVectors(np.eye(3) * length * unit.nanometer)
    return topology


def _check_neutral(system: openmm.System) -> None:
    nonbonded = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    charge = sum(nonbonded.getParticleParameters(i)[0]._value for i in range(system.getNumParticles()))
    if abs(charge) > 1e-6:
        raise InvalidInput(f"composition: the box has a net charge of {charge:+.3f} e; change the counts of its ions")


def _minimized(system: openmm.System, positions: NDArray[np.float64], length: float) -> openmm.State:
    context = make_context(system, openmm.VerletIntegrator(0.001), choose_platform())
    context.setPeriodicBoxVectors(*(np.eye(3) * length))
    context.setPositions(positions)
    minimize(context, tolerance=10.0, max_iterations=2000)
    return context.getState(positions=True, energy=True, enforcePeriodicBox=True)


def build_box(recipe: Recipe, *, seed: int = 0, n_salt: int | None = None, n_molecules: int | None = None) -> Box:
    """Return a packed, minimised and checked box of a recipe.

    Parameters
    ----------
    recipe : Recipe
    seed : int
        Of the packing and the conformers; the same seed gives the same packing.
    n_salt, n_molecules : int, optional
        Size instead of the recipe's own.

    Raises
    ------
    InvalidInput
        If the recipe cannot be built at that size or with its force field.
    PackmolError, WorkFailed
        If the packing failed, or the box is not sound afterwards.
    """
    check_seed(seed)
    files: ForceFieldFiles = read_forcefield(recipe.force_field.files)
    molecules = {
        name: make_molecule(name, find_species(name), files, recipe.force_field, seed + 1) for name in recipe.species
    }
    masses = {name: molecule.template.molar_mass for name, molecule in molecules.items()}
    counts = count_molecules(recipe, masses, n_salt, n_molecules)
    _check_size(recipe, molecules, masses, counts)

    length = cube_length(molecules, counts.n, recipe.packing.density)
    positions = pack(molecules, counts.n, length, recipe.packing.tolerance, seed + 1)
    _check_packed_size(recipe, length)
    topology = _topology(molecules, counts.n, length)
    system = create_system(topology, files, recipe.force_field)
    _check_neutral(system)
    state = _minimized(system, positions, length)
    atoms = list(topology.atoms())
    for index, problem in broken_geometry(system, state.getPositions(asNumpy=True)._value).items():
        raise WorkFailed(f"the minimised box has {problem} at {atoms[index].residue.name} {atoms[index].name}")

    size = {key: value for key, value in (("n_salt", n_salt), ("n_molecules", n_molecules)) if value is not None}
    if recipe.composition.counts is not None:
        composition = recipe.composition.model_copy(update={"counts": counts.n})
        built = recipe.model_copy(update={"composition": composition})
    else:
        built = recipe.model_copy(update=size)
    details = provenance(
        seed=seed,
        force_field={path.name: sha256(path) for path in files.paths},
        counts=counts.n,
        counts_before_rounding=counts.ideal,
        rounding=counts.rounding,
        packed_length_nm=length,
    )
    return Box(built, topology, system, state, details)
