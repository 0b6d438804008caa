"""Minima of Li⁺ with one molecule by the force field, from many starts, and the shapes of the molecule alone."""

from functools import cache

import numpy as np
import openmm
from complexes import Complex
from vacuum import FILES, forcefield_files

from solvshell.build.molecules import make_molecule
from solvshell.engine import choose_platform, make_context, minimize
from solvshell.quantum import Array
from solvshell.recipe import Model
from solvshell.species import find_species

_N_CONFORMERS, _N_DIRECTIONS = 6, 6


@cache
def conformers(name: str) -> tuple[Array, ...]:
    """Return shapes (n_atoms, 3) in Å of a molecule alone: RDKit's conformers, relaxed by the force field."""
    model = Model(files=[FILES])
    made = (make_molecule(name, find_species(name), forcefield_files(), model, s) for s in range(1, _N_CONFORMERS + 1))
    return tuple(10 * molecule.positions for molecule in made)


def _starts(name: str, group: Complex) -> list[Array]:
    """Li⁺ 1.9 Å from every O or F in a few directions, where no other atom is nearer."""
    rng = np.random.default_rng(1)
    found = []
    for shape in conformers(name):
        for site in group.sites(1):
            for direction in rng.normal(size=(_N_DIRECTIONS, 3)):
                lithium = shape[site - 1] + 1.9 * direction / np.linalg.norm(direction)
                if np.linalg.norm(shape - lithium, axis=1).min() > 1.85:
                    found.append(np.vstack([lithium, shape]))
    return found


def relaxed(system: openmm.System, starts: list[Array] | tuple[Array, ...]) -> list[tuple[float, Array]]:
    """Return energy (kJ/mol) and positions (Å) of the force field's minima below each start, the lowest first."""
    context = make_context(system, openmm.VerletIntegrator(0.001), choose_platform("Reference"))
    found = []
    for start in starts:
        context.setPositions(start / 10)
        minimize(context, tolerance=0.1)
        state = context.getState(positions=True, energy=True)
        found.append((state.getPotentialEnergy()._value, 10 * state.getPositions(asNumpy=True)._value))
    return sorted(found, key=lambda one: one[0])


def pair_minima(name: str, scale: float = 1.0) -> list[tuple[float, Array]]:
    """Return energy and positions of the distinct minima of Li⁺ with a molecule, Li⁺ first, the lowest first.

    Ions have their charges scaled; minima less than 0.5 kJ/mol apart are one.
    """
    group = Complex(("Li", name))
    distinct: list[tuple[float, Array]] = []
    for energy, positions in relaxed(group.system(scale), _starts(name, group)):
        if not distinct or energy > distinct[-1][0] + 0.5:
            distinct.append((energy, positions))
    return distinct
