"""Some atoms of a box in vacuum: the same parameters, no cell, no cutoff."""

from collections.abc import Iterable, Sequence
from typing import Any

import openmm

from solvshell.errors import InvalidInput


class _Numbers(dict[int, int]):
    """The new number of each atom that is taken along."""

    def inside(self, atoms: Iterable[int]) -> list[int] | None:
        """Return the new numbers of atoms, or None if one of them is left behind."""
        found = [self.get(atom, -1) for atom in atoms]
        return None if -1 in found else found


def _bonds(force: openmm.HarmonicBondForce, numbers: _Numbers) -> openmm.Force:
    kept = openmm.HarmonicBondForce()
    for i in range(force.getNumBonds()):
        *atoms, length, k = force.getBondParameters(i)
        if (new := numbers.inside(atoms)) is not None:
            kept.addBond(*new, length, k)
    return kept


def _angles(force: openmm.HarmonicAngleForce, numbers: _Numbers) -> openmm.Force:
    kept = openmm.HarmonicAngleForce()
    for i in range(force.getNumAngles()):
        *atoms, angle, k = force.getAngleParameters(i)
        if (new := numbers.inside(atoms)) is not None:
            kept.addAngle(*new, angle, k)
    return kept


def _torsions(force: openmm.PeriodicTorsionForce, numbers: _Numbers) -> openmm.Force:
    kept = openmm.PeriodicTorsionForce()
    for i in range(force.getNumTorsions()):
        *atoms, n, phase, k = force.getTorsionParameters(i)
        if (new := numbers.inside(atoms)) is not None:
            kept.addTorsion(*new, n, phase, k)
    return kept


def _nonbonded(force: openmm.NonbondedForce, numbers: _Numbers) -> openmm.Force:
    if force.getNumParticleParameterOffsets() or force.getNumExceptionParameterOffsets():
        raise InvalidInput("system: has charges or Lennard-Jones parameters that change with a parameter")
    kept = openmm.NonbondedForce()
    kept.setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
    for atom in numbers:
        kept.addParticle(*force.getParticleParameters(atom))
    for i in range(force.getNumExceptions()):
        *atoms, product, sigma, epsilon = force.getExceptionParameters(i)
        if (new := numbers.inside(atoms)) is not None:
            kept.addException(*new, product, sigma, epsilon)
    return kept


_KEPT: dict[type, Any] = {
    openmm.HarmonicBondForce: _bonds,
    openmm.HarmonicAngleForce: _angles,
    openmm.PeriodicTorsionForce: _torsions,
    openmm.NonbondedForce: _nonbonded,
}
#: Do nothing to an energy.
_PASSED_OVER = (openmm.CMMotionRemover, openmm.MonteCarloBarostat, openmm.MonteCarloAnisotropicBarostat)


def vacuum_system(system: openmm.System, atoms: Sequence[int]) -> openmm.System:
    """Return whole molecules of a System in vacuum, without cutoff, tail and periodic images.

    Parameters
    ----------
    atoms
        Which atoms, in their new order.

    Raises
    ------
    InvalidInput
        If the System has forces of other kinds, constraints in the place of bonds, or parameters that change.
    """
    numbers = _Numbers({int(atom): i for i, atom in enumerate(atoms)})
    taken = openmm.System()
    for atom in numbers:
        taken.addParticle(system.getParticleMass(atom))
    for i in range(system.getNumConstraints()):
        if numbers.inside(system.getConstraintParameters(i)[:2]) is not None:
            raise InvalidInput("system: has constraints; a plain model has a bond in the place of each")
    for force in system.getForces():
        if type(force) in _KEPT:
            taken.addForce(_KEPT[type(force)](force, numbers))
        elif not isinstance(force, _PASSED_OVER):
            raise InvalidInput(f"system: has a {type(force).__name__}, of which no part can be taken")
    return taken


def rescaled_charges(system: openmm.System, ions: Iterable[int], factor: float) -> openmm.System:
    """Return a copy of a System in which the charges of ions are multiplied, and in exceptions their products.

    Parameters
    ----------
    ions
        The atoms of whole ions: an exception lies inside a molecule.
    """
    changed = openmm.XmlSerializer.clone(system)
    (force,) = (force for force in changed.getForces() if isinstance(force, openmm.NonbondedForce))
    of_ions = set(ions)
    for atom in of_ions:
        charge, sigma, epsilon = force.getParticleParameters(atom)
        force.setParticleParameters(atom, factor * charge, sigma, epsilon)
    for i in range(force.getNumExceptions()):
        first, second, product, sigma, epsilon = force.getExceptionParameters(i)
        if first in of_ions:
            force.setExceptionParameters(i, first, second, factor**2 * product, sigma, epsilon)
    return changed
