"""One molecule of a system by itself: its terms, copies of it that do not see each other, the bonds that turn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import openmm
from openmm import unit

from solvshell.errors import InvalidInput

#: Coulomb's constant of OpenMM, kJ nm/(mol e2)
_COULOMB = 138.93545764438198


def _values(parameters: Sequence[Any]) -> list[Any]:
    """Return parameters of a term as plain numbers in OpenMM's units."""
    return [value._value if unit.is_quantity(value) else value for value in parameters]


#: bonded forces: number of atoms in a term, and the names of the methods that count, read and add terms
_BONDED = {
    openmm.HarmonicBondForce: (2, "Bond"),
    openmm.HarmonicAngleForce: (3, "Angle"),
    openmm.PeriodicTorsionForce: (4, "Torsion"),
    openmm.RBTorsionForce: (4, "Torsion"),
}
#: what acts on a molecule from outside, or on no molecule
_OUTSIDE = (
    openmm.CustomExternalForce,
    openmm.CustomVolumeForce,
    openmm.CMMotionRemover,
    openmm.MonteCarloBarostat,
    openmm.MonteCarloAnisotropicBarostat,
)


@dataclass(frozen=True)
class Terms:
    """What one molecule does to itself, atoms counted from its first.

    `bonded` is (kind of force, atoms, parameters); `pairs` is (i, j, charge product in e2, sigma in nm, epsilon in
    kJ/mol); `constraints` is (i, j, distance in nm).
    """

    masses: list[float]
    bonded: list[tuple[type, list[int], list[float]]]
    pairs: list[tuple[int, int, float, float, float]]
    constraints: list[tuple[int, int, float]]


def _bonded_terms(force: openmm.Force, local: dict[int, int]) -> list[tuple[type, list[int], list[float]]]:
    n_atoms, name = _BONDED[type(force)]
    n_terms: int = getattr(force, f"getNum{name}s")()
    read: Callable[[int], Sequence[Any]] = getattr(force, f"get{name}Parameters")
    found = []
    for index in range(n_terms):
        values = _values(read(index))
        if all(atom in local for atom in values[:n_atoms]):
            found.append((type(force), [local[atom] for atom in values[:n_atoms]], values[n_atoms:]))
    return found


def _own_pairs(force: openmm.NonbondedForce, local: dict[int, int]) -> list[tuple[int, int, float, float, float]]:
    """Return every pair of atoms of the molecule: an exception as it is, others by the rules of mixing."""
    exceptions = {}
    for index in range(force.getNumExceptions()):
        i, j, *values = _values(force.getExceptionParameters(index))
        if i in local and j in local:
            exceptions[frozenset((local[i], local[j]))] = values
    of_atom = {local[atom]: _values(force.getParticleParameters(atom)) for atom in local}
    pairs = []
    for i, j in combinations(range(len(local)), 2):
        (q_i, sigma_i, epsilon_i), (q_j, sigma_j, epsilon_j) = of_atom[i], of_atom[j]
        mixed = [q_i * q_j, (sigma_i + sigma_j) / 2, float(np.sqrt(epsilon_i * epsilon_j))]
        charge, sigma, epsilon = exceptions.get(frozenset((i, j)), mixed)
        if charge or epsilon:
            pairs.append((i, j, charge, sigma, epsilon))
    return pairs


def terms_of(system: openmm.System, atoms: Sequence[int]) -> Terms:
    """Return the terms of a system among some atoms, which are one molecule.

    Raises
    ------
    InvalidInput
        If the system has a force of another kind.
    """
    local = {int(atom): index for index, atom in enumerate(atoms)}
    bonded, pairs = [], []
    for force in system.getForces():
        if type(force) in _BONDED:
            bonded += _bonded_terms(force, local)
        elif isinstance(force, openmm.NonbondedForce):
            pairs += _own_pairs(force, local)
        elif not isinstance(force, _OUTSIDE):
            raise InvalidInput(f"conformers: a {type(force).__name__} is none of the terms that a molecule may have")
    found = (_values(system.getConstraintParameters(index)) for index in range(system.getNumConstraints()))
    return Terms(
        masses=[system.getParticleMass(atom)._value for atom in local],
        bonded=bonded,
        pairs=pairs,
        constraints=[(local[i], local[j], distance) for i, j, distance in found if i in local and j in local],
    )


def copies(terms: Terms, n_copies: int) -> openmm.System:
    """Return a system of molecules that do not see each other."""
    system = openmm.System()
    forces = {kind: kind() for kind in _BONDED}
    pairs = openmm.CustomBondForce("coulomb*charge/r + 4*epsilon*(x^2 - x); x = (sigma/r)^6")
    pairs.addGlobalParameter("coulomb", _COULOMB)
    for name in ("charge", "sigma", "epsilon"):
        pairs.addPerBondParameter(name)
    for first in range(0, n_copies * len(terms.masses), len(terms.masses)):
        for mass in terms.masses:
            system.addParticle(mass)
        for i, j, distance in terms.constraints:
            system.addConstraint(first + i, first + j, distance)
        for kind, atoms, values in terms.bonded:
            getattr(forces[kind], f"add{_BONDED[kind][1]}")(*(first + atom for atom in atoms), *values)
        for i, j, *parameters in terms.pairs:
            pairs.addBond(first + i, first + j, parameters)
    for force in [*forces.values(), pairs]:
        system.addForce(force)
    return system


def _reached(start: int, neighbors: dict[int, set[int]], without: int) -> set[int]:
    """Return the atoms that can be reached from one by bonds, but not over the bond to another."""
    seen, border = {start}, [start]
    while border:
        atom = border.pop()
        for other in neighbors[atom] - seen:
            if (atom, other) != (start, without):
                seen.add(other)
                border.append(other)
    return seen


def rotors(terms: Terms) -> list[tuple[int, int, list[int]]]:
    """Return the bonds that can be turned about, not in a ring and not terminal: (fixed, turned, atoms that move)."""
    bonds = [atoms for kind, atoms, _ in terms.bonded if kind is openmm.HarmonicBondForce]
    bonds += [[i, j] for i, j, _ in terms.constraints]
    neighbors: dict[int, set[int]] = {atom: set() for atom in range(len(terms.masses))}
    for i, j in bonds:
        neighbors[i].add(j)
        neighbors[j].add(i)
    found = []
    for i, j in sorted({(min(bond), max(bond)) for bond in bonds}):
        side = _reached(j, neighbors, without=i)
        if i not in side and len(neighbors[i]) > 1 and len(neighbors[j]) > 1:
            found.append((i, j, sorted(side - {j})))
    return found
