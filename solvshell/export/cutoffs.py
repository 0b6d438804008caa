"""Where the interactions of a box end: read from its system, which is the model, not from its recipe."""

from dataclasses import dataclass
from typing import Any

import openmm
from openmm import unit

from solvshell.errors import InvalidInput


@dataclass(frozen=True)
class Cutoffs:
    """Cutoff of Lennard-Jones and of the direct sum of PME, and where its switch begins (None: no switch), in nm."""

    cutoff: float
    switch: float | None
    tail_correction: bool


def nonbonded_of(system: openmm.System) -> openmm.NonbondedForce:
    """Return the one nonbonded force of a system.

    Raises
    ------
    InvalidInput
        If there is none, or more than one.
    """
    found = [force for force in system.getForces() if isinstance(force, openmm.NonbondedForce)]
    if len(found) != 1:
        raise InvalidInput(f"export: the system has {len(found)} NonbondedForces, where a plain model has 1")
    return found[0]


def _nm(length: Any) -> float:
    return float(length.value_in_unit(unit.nanometer))


def cutoffs_of(system: openmm.System) -> Cutoffs:
    """Return where the interactions of a plain model end.

    Raises
    ------
    InvalidInput
        If its Coulomb interaction is not summed by PME, or its Lennard-Jones interaction is.
    """
    force = nonbonded_of(system)
    if force.getNonbondedMethod() != openmm.NonbondedForce.PME:
        raise InvalidInput("export: the system does not sum its Coulomb interaction by PME")
    return Cutoffs(
        cutoff=_nm(force.getCutoffDistance()),
        switch=_nm(force.getSwitchingDistance()) if force.getUseSwitchingFunction() else None,
        tail_correction=force.getUseDispersionCorrection(),
    )
