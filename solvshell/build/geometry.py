"""Is a molecule still the molecule? Bonds, angles and neighbours of one atom against the force field's equilibrium."""

from itertools import combinations

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

#: deviations that no relaxed molecule has: of a bond (relative) and of an angle (degrees)
MAX_BOND_DEVIATION = 0.10
MAX_ANGLE_DEVIATION = 30.0
#: nm; two atoms bonded to the same atom are never closer (hydrogens of a CH3 have 0.178)
MIN_1_3_DISTANCE = 0.14


def _bond_terms(system: openmm.System) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    forces = [force for force in system.getForces() if isinstance(force, openmm.HarmonicBondForce)]
    terms = [force.getBondParameters(index) for force in forces for index in range(force.getNumBonds())]
    atoms = np.array([term[:2] for term in terms], dtype=np.int64).reshape(-1, 2)
    return atoms, np.array([term[2].value_in_unit(unit.nanometer) for term in terms])


def _angle_terms(system: openmm.System) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    forces = [force for force in system.getForces() if isinstance(force, openmm.HarmonicAngleForce)]
    terms = [force.getAngleParameters(index) for force in forces for index in range(force.getNumAngles())]
    atoms = np.array([term[:3] for term in terms], dtype=np.int64).reshape(-1, 3)
    return atoms, np.degrees([term[3].value_in_unit(unit.radian) for term in terms])


def _neighbours_of_one_atom(bonds: NDArray[np.int64]) -> NDArray[np.int64]:
    neighbours: dict[int, list[int]] = {}
    for i, j in bonds.tolist():
        neighbours.setdefault(i, []).append(j)
        neighbours.setdefault(j, []).append(i)
    pairs = [pair for bonded in neighbours.values() for pair in combinations(bonded, 2)]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def broken_geometry(
    system: openmm.System, positions: NDArray[np.float64], lengths: NDArray[np.float64] | None = None
) -> dict[int, str]:
    """Return what is wrong with the molecules of a box, one line for each atom concerned; empty if all is well.

    Parameters
    ----------
    system : openmm.System
        Its harmonic bonds and angles say what is right. 1-3 distances are checked too, since a pair without an angle
        term (the trans fluorines of PF6) may collapse at no cost.
    positions : ndarray, shape (n_atoms, 3)
        In nm.
    lengths : ndarray, shape (3,), optional
        Sides of the periodic cell in nm, where molecules are not whole.
    """

    def between(i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.float64]:
        vectors = positions[i] - positions[j]
        return vectors if lengths is None else vectors - lengths * np.round(vectors / lengths)

    problems: dict[int, str] = {}
    bonds, r0 = _bond_terms(system)
    length = np.linalg.norm(between(bonds[:, 0], bonds[:, 1]), axis=1)
    for index in np.flatnonzero(np.abs(length / r0 - 1) > MAX_BOND_DEVIATION):
        problems[int(bonds[index, 0])] = f"a bond of {length[index]:.3f} nm instead of {r0[index]:.3f} nm"

    angles, theta0 = _angle_terms(system)
    a, b = between(angles[:, 0], angles[:, 1]), between(angles[:, 2], angles[:, 1])
    cosine = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    theta = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    for index in np.flatnonzero(np.abs(theta - theta0) > MAX_ANGLE_DEVIATION):
        problems[int(angles[index, 1])] = f"an angle of {theta[index]:.0f} degrees instead of {theta0[index]:.0f}"

    pairs = _neighbours_of_one_atom(bonds)
    distance = np.linalg.norm(between(pairs[:, 0], pairs[:, 1]), axis=1)
    for index in np.flatnonzero(distance < MIN_1_3_DISTANCE):
        problems[int(pairs[index, 0])] = f"a neighbour's neighbour at {distance[index]:.3f} nm"
    return problems
