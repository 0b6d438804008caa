"""From the plain model of a Box to the system and integrator of one stage; all changes are made to a copy."""

import copy

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from solvshell.box import Box
from solvshell.engine import is_network, refuse_rigid_network
from solvshell.errors import InvalidInput
from solvshell.protocol import Protocol
from solvshell.stages import MovingStage


def _hydrogen_bonds(system: openmm.System) -> list[tuple[openmm.HarmonicBondForce, int, int, int, float]]:
    """Return (force, index, hydrogen, heavy atom, length in nm) of the bonds to hydrogen."""
    found = []
    for force in system.getForces():
        if not isinstance(force, openmm.HarmonicBondForce):
            continue
        for index in range(force.getNumBonds()):
            i, j, length, _ = force.getBondParameters(index)
            light, heavy = sorted((i, j), key=lambda atom: system.getParticleMass(atom)._value)
            if system.getParticleMass(light)._value < 2.5:
                found.append((force, index, light, heavy, length.value_in_unit(unit.nanometer)))
    return found


def _repartition_mass(system: openmm.System, hydrogen_mass: float) -> None:
    for _, _, light, heavy, _ in _hydrogen_bonds(system):
        transferred = hydrogen_mass - system.getParticleMass(light)._value
        system.setParticleMass(light, hydrogen_mass)
        system.setParticleMass(heavy, system.getParticleMass(heavy)._value - transferred)


def _constrain_hydrogen_bonds(system: openmm.System) -> None:
    for force, index, light, heavy, length in _hydrogen_bonds(system):
        system.addConstraint(light, heavy, length)
        # The term is kept, at zero strength: a rigid bond has no energy of its own.
        force.setBondParameters(index, *force.getBondParameters(index)[:3], 0.0)


def stage_system(plain: openmm.System, protocol: Protocol, stage: MovingStage, seed: int) -> openmm.System:
    """Return a copy of a plain model with the constraints, masses and barostat of a stage.

    Where the thermostat does not push molecules at random, the momentum of the whole is kept at zero.

    Raises
    ------
    InvalidInput
        If repartitioning would leave a heavy atom lighter than its hydrogens, or the barostat would scale rigid bonds.
    """
    refuse_rigid_network(plain, protocol)
    system = copy.deepcopy(plain)
    bonded = _hydrogen_bonds(system)
    if protocol.constraints == "h_bonds":
        _constrain_hydrogen_bonds(system)
    if protocol.hydrogen_mass is not None:
        _repartition_mass(system, protocol.hydrogen_mass)
        lightest = min(
            (system.getParticleMass(heavy)._value for _, _, _, heavy, _ in bonded), default=protocol.hydrogen_mass
        )
        if lightest < protocol.hydrogen_mass:
            raise InvalidInput(
                f"hydrogen_mass: {protocol.hydrogen_mass:g} dalton leaves a heavy atom with {lightest:g}"
            )
    if stage.pressure is not None:
        barostat = openmm.MonteCarloBarostat(stage.pressure * unit.bar, stage.temperature * unit.kelvin, 25)
        barostat.setRandomNumberSeed(seed)
        # A network is bonded to its own images: there is no molecule whose center could be scaled.
        barostat.setScaleMoleculesAsRigid(not is_network(plain))
        system.addForce(barostat)
    if stage.thermostat != "langevin_middle":
        # Its first step takes away what a stage before has left. Rounded forces do not sum to zero; and OpenMM's
        # Nose-Hoover takes away the three degrees of freedom only so.
        system.addForce(openmm.CMMotionRemover(1))
    return system


def stage_integrator(protocol: Protocol, stage: MovingStage, seed: int) -> openmm.Integrator:
    """Return the integrator of a stage, with its random seed where it has noise.

    `friction` of the stage is the collision frequency of the Nose-Hoover chain (of three): what couples it to the
    liquid weakly is a small one. A State holds the chain if asked for with `integratorParameters`.
    """
    integrator: openmm.Integrator
    if stage.thermostat == "none":
        integrator = openmm.VerletIntegrator(protocol.timestep)
    elif stage.thermostat == "nose_hoover":
        integrator = openmm.NoseHooverIntegrator(stage.temperature, stage.friction, protocol.timestep)
    else:
        integrator = openmm.LangevinMiddleIntegrator(stage.temperature, stage.friction, protocol.timestep)
        integrator.setRandomNumberSeed(seed)
    integrator.setConstraintTolerance(1e-6)
    return integrator


def set_temperature(context: openmm.Context, temperature: float) -> None:
    """Set the temperature in K of thermostat and barostat."""
    context.getIntegrator().setTemperature(temperature)
    if openmm.MonteCarloBarostat.Temperature() in context.getParameters():
        context.setParameter(openmm.MonteCarloBarostat.Temperature(), temperature)


def bonds_of(system: openmm.System) -> NDArray[np.int64]:
    """Return the pairs of atoms that a bond joins, shape (n_bonds, 2)."""
    bonds = [
        force.getBondParameters(index)[:2]
        for force in system.getForces()
        if isinstance(force, openmm.HarmonicBondForce)
        for index in range(force.getNumBonds())
    ]
    return np.array(bonds, dtype=np.int64).reshape(-1, 2)


def joined_by(pairs: NDArray[np.int64], n_atoms: int) -> NDArray[np.int64]:
    """Return the number of the group that each atom is in: what pairs join, counted from 0."""
    i, j = pairs.T
    lowest = np.arange(n_atoms)
    while True:  # every atom learns of the lowest atom in reach, by pairs and by what that one knows
        found = lowest.copy()
        np.minimum.at(found, i, lowest[j])
        np.minimum.at(found, j, lowest[i])
        found = found[found]
        if np.array_equal(found, lowest):
            return np.unique(lowest, return_inverse=True)[1]
        lowest = found


def scaled_to(box: Box, state: openmm.State, volume_nm3: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return positions, shape (n_atoms, 3), and box vectors, shape (3, 3), at another volume; all in nm.

    Molecules are moved rigidly by their centers, as the barostat does it: bonds and constraints stay as they are.

    Parameters
    ----------
    box : Box
        Says which atoms are one molecule.
    state : openmm.State
        With positions, each molecule in one piece: not wrapped atom by atom.
    volume_nm3 : float
        The volume to reach.

    Raises
    ------
    InvalidInput
        If the box is a network, which has no molecules to move.
    """
    if box.is_network:
        raise InvalidInput(
            "volume_of: a periodic network has no molecules that could be moved to another volume; leave it out, or "
            "take a box whose bonds do not cross the boundary"
        )
    positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    vectors = state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)
    growth = (volume_nm3 / abs(np.linalg.det(vectors))) ** (1 / 3)
    molecule = joined_by(bonds_of(box.system), box.n_atoms)
    n_atoms = np.bincount(molecule)
    centers = np.stack([np.bincount(molecule, positions[:, axis]) / n_atoms for axis in range(3)], axis=1)
    return positions + (growth - 1) * centers[molecule], growth * vectors
