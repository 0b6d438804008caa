"""A neutral set of molecules coupled to the rest of a system by two lambdas: charges first, then Lennard-Jones.

At (1, 1) the system is the plain model; at (0, 0) each molecule of the set is an ideal gas molecule, whose own terms
(bonds, all its intramolecular pairs) are at full strength. Molecules of the set are decoupled from each other too.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from solvshell.errors import InvalidInput
from solvshell.lj_tail import tail_coefficients

#: energies of these groups, and no others, depend on the lambdas
_CHARGES_GROUP = 1
_LENNARD_JONES_GROUP = 2

#: 1 - lambda of the charges, and lambda of Lennard-Jones
_DISCHARGED = "decouple_discharged"
_COUPLED = "decouple_coupled"

#: kJ/mol; overlapping atoms at full strength: the Boltzmann factor is zero, and stays finite in single precision
_LARGEST_ENERGY = 1e8

# Soft core 1-1-6 with alpha = 0.5 (Beutler et al., Chem. Phys. Lett. 222, 529 (1994)), written without a division by
# sigma, which may be 0. No atoms come nearer than 0.02 nm but ghosts, whose energy must not be 0 times infinity.
_SOFT_CORE = (
    "4*{coupled}*epsilon*s6*(s6 - d)/d^2;"
    "d = 0.5*(1 - {coupled})*s6 + max(r, 0.02)^6; s6 = (0.5*(sigma1 + sigma2))^6; epsilon = sqrt(epsilon1*epsilon2)"
)


@dataclass(frozen=True)
class Lambdas:
    """How strongly a set of molecules is coupled: 1 is the plain model, 0 is off. Charges go before `lennard_jones`."""

    charges: float
    lennard_jones: float


def _the_nonbonded_force(system: openmm.System) -> openmm.NonbondedForce:
    found = [force for force in system.getForces() if isinstance(force, openmm.NonbondedForce)]
    others = (openmm.CustomNonbondedForce, openmm.CustomGBForce, openmm.GBSAOBCForce, openmm.AmoebaMultipoleForce)
    if len(found) != 1 or any(isinstance(force, others) for force in system.getForces()):
        raise InvalidInput("decouple: needs a system whose only nonbonded force is one NonbondedForce")
    force = found[0]
    if force.getNonbondedMethod() not in (openmm.NonbondedForce.PME, openmm.NonbondedForce.Ewald):
        raise InvalidInput(f"decouple: needs PME or Ewald sums, got {force.getNonbondedMethod()} of NonbondedForce")
    if force.getNumParticleParameterOffsets() or force.getNumExceptionParameterOffsets():
        raise InvalidInput("decouple: the NonbondedForce has parameter offsets already")
    return force


def nonbonded_parameters(force: openmm.NonbondedForce) -> NDArray[np.float64]:
    """Return charge (e), sigma (nm) and epsilon (kJ/mol) of each atom, shape (n_atoms, 3)."""
    rows = (force.getParticleParameters(index) for index in range(force.getNumParticles()))
    return np.array([[value._value for value in row] for row in rows])


def make_own_pairs_exceptions(
    force: openmm.NonbondedForce, molecules: Sequence[Sequence[int]], parameters: NDArray[np.float64]
) -> None:
    """Give every pair inside some molecules an exception, which charges and lambdas do not touch."""
    known = {tuple(sorted(force.getExceptionParameters(i)[:2])) for i in range(force.getNumExceptions())}
    for molecule in molecules:
        for i, j in combinations(sorted(molecule), 2):
            if (i, j) in known:
                continue
            (q_i, sigma_i, epsilon_i), (q_j, sigma_j, epsilon_j) = parameters[i], parameters[j]
            force.addException(i, j, q_i * q_j, (sigma_i + sigma_j) / 2, float(np.sqrt(epsilon_i * epsilon_j)))


def scale_charges(
    force: openmm.NonbondedForce, atoms: Sequence[int], parameters: NDArray[np.float64], discharged: str
) -> None:
    """Multiply the charges of some atoms by 1 - a parameter, and leave their Lennard-Jones to a soft core.

    The default of the parameter is 0, with which a context is made: OpenMM leaves Coulomb out for good where it finds
    no charge then.
    """
    force.addGlobalParameter(discharged, 0.0)
    for atom in atoms:
        charge, sigma, _ = parameters[atom]
        force.setParticleParameters(atom, charge, sigma, 0.0)
        force.addParticleParameterOffset(discharged, atom, -charge, 0.0, 0.0)


def soft_core(
    force: openmm.NonbondedForce,
    atoms: Sequence[int],
    others: Sequence[int],
    parameters: NDArray[np.float64],
    coupled: str,
) -> openmm.CustomNonbondedForce:
    """Return the Lennard-Jones interaction of some atoms with others but those of the same molecule.

    Parameters
    ----------
    force : openmm.NonbondedForce
        Whose cutoff, switch and exclusions are taken, with all own pairs of the molecules as exceptions.
    atoms, others : sequence of int
    parameters : ndarray, shape (n_atoms, 3)
        Charge, sigma, epsilon of all atoms.
    coupled : str
        Name of the context parameter lambda, which is 1 at first.
    """
    soft = openmm.CustomNonbondedForce(_SOFT_CORE.format(coupled=coupled))
    soft.addGlobalParameter(coupled, 1.0)
    soft.addPerParticleParameter("sigma")
    soft.addPerParticleParameter("epsilon")
    for _, sigma, epsilon in parameters:
        soft.addParticle([sigma, epsilon])
    # The same exclusions in both forces: the neighbor list of a GPU is shared.
    for index in range(force.getNumExceptions()):
        soft.addExclusion(*force.getExceptionParameters(index)[:2])
    soft.addInteractionGroup(atoms, others)
    soft.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    soft.setCutoffDistance(force.getCutoffDistance())
    soft.setUseSwitchingFunction(force.getUseSwitchingFunction())
    soft.setSwitchingDistance(force.getSwitchingDistance())
    # That of OpenMM would be integrated anew at every change of lambda, and counts pairs of a group otherwise.
    soft.setUseLongRangeCorrection(False)
    return soft


def _tail(
    force: openmm.NonbondedForce, atoms: Sequence[int], parameters: NDArray[np.float64]
) -> openmm.CustomVolumeForce:
    """Return the part of the dispersion correction that belongs to the set, linear in lambda.

    That of the NonbondedForce knows the rest only: it takes the default values of parameters, whatever their offsets.
    """
    cutoff = force.getCutoffDistance().value_in_unit(unit.nanometer)
    switch = force.getSwitchingDistance().value_in_unit(unit.nanometer) if force.getUseSwitchingFunction() else None
    in_set = np.zeros(len(parameters), int)
    in_set[list(atoms)] = 1
    tails = tail_coefficients(parameters[:, 1], parameters[:, 2], in_set, cutoff, switch)
    tail = openmm.CustomVolumeForce(f"{_COUPLED}*decouple_tail/v")
    tail.addGlobalParameter(_COUPLED, 1.0)
    tail.addGlobalParameter("decouple_tail", tails[1, 0] + tails[1, 1] / 2)
    tail.setForceGroup(_LENNARD_JONES_GROUP)
    return tail


def alchemical_system(system: openmm.System, molecules: Sequence[Sequence[int]]) -> openmm.System:
    """Return a copy of a system in which some molecules are coupled by `Lambdas`; at first fully.

    Coulomb: the set's charges are multiplied by lambda (`NonbondedForce` parameter offsets), so that with the rest it
    scales as lambda, within the set, images included, as lambda^2. Lennard-Jones: soft core between the set and
    everything else, with cutoff, switch and dispersion tail of the plain model. Pairs inside a molecule become
    exceptions of full strength; these have no cutoff, which changes nothing in a molecule shorter than the switching
    distance.

    Parameters
    ----------
    system : openmm.System
        With one `NonbondedForce` (PME or Ewald); constraints and a barostat may be there.
    molecules : sequence of sequences of int
        Atoms of each molecule of the set.

    Raises
    ------
    InvalidInput
        If the set is not neutral, or the nonbonded forces are others.
    """
    coupled = copy.deepcopy(system)
    force = _the_nonbonded_force(coupled)
    parameters = nonbonded_parameters(force)
    atoms = [atom for molecule in molecules for atom in molecule]
    net = parameters[atoms, 0].sum()
    if abs(net) > 1e-6:
        raise InvalidInput(f"decouple: the molecules must be neutral together, got {net:+.3f} e: take an ion pair")
    for other in coupled.getForces():
        if other.getForceGroup() in (_CHARGES_GROUP, _LENNARD_JONES_GROUP):
            other.setForceGroup(0)
    make_own_pairs_exceptions(force, molecules, parameters)
    scale_charges(force, atoms, parameters, _DISCHARGED)
    force.setForceGroup(_CHARGES_GROUP)
    force.setReciprocalSpaceForceGroup(-1)
    if force.getUseDispersionCorrection():
        coupled.addForce(_tail(force, atoms, parameters))
    soft = soft_core(force, atoms, range(len(parameters)), parameters, _COUPLED)
    soft.setForceGroup(_LENNARD_JONES_GROUP)
    coupled.addForce(soft)
    return coupled


def lambda_parameters(lambdas: Lambdas) -> dict[str, float]:
    """Return the context parameters that couple the set so."""
    return {_DISCHARGED: 1.0 - lambdas.charges, _COUPLED: lambdas.lennard_jones}


def _energies(context: openmm.Context, group: int, parameter: str, values: Sequence[float]) -> list[float]:
    """Return the energies of one force group at values of a parameter, which is put back."""
    before, found = context.getParameter(parameter), []
    for value in values:
        context.setParameter(parameter, value)
        state = context.getState(energy=True, groups=1 << group)
        found.append(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
    context.setParameter(parameter, before)
    return found


def coupling_energies(context: openmm.Context, states: Sequence[Lambdas]) -> NDArray[np.float64]:
    """Return what the set's coupling costs in kJ/mol at the present instant, for each state: U(state) - U(0, 0).

    Coulomb energy is quadratic in the charges, so three evaluations give it at every lambda exactly; Lennard-Jones
    takes one evaluation of a small force for each value met.
    """
    off, half, full = _energies(context, _CHARGES_GROUP, _DISCHARGED, (1.0, 0.5, 0.0))
    quadratic = 2 * (full + off) - 4 * half
    x = np.array([state.charges for state in states])
    charges = (full - off - quadratic) * x + quadratic * x**2
    values = sorted({state.lennard_jones for state in states})
    found = dict(zip(values, _energies(context, _LENNARD_JONES_GROUP, _COUPLED, values), strict=True))
    lennard_jones = np.array([found[state.lennard_jones] for state in states])
    return np.minimum(charges + lennard_jones, _LARGEST_ENERGY)
