"""From the plain model of a Box to the system and integrator of one stage; all changes are made to a copy."""

import copy

import openmm
from openmm import unit

from solvshell.engine import is_network, refuse_rigid_network
from solvshell.errors import InvalidInput
from solvshell.protocol import Protocol
from solvshell.stages import Dynamics, Windows


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


def stage_system(plain: openmm.System, protocol: Protocol, stage: Dynamics | Windows, seed: int) -> openmm.System:
    """Return a copy of a plain model with the constraints, masses and barostat of a stage.

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
    return system


def stage_integrator(protocol: Protocol, stage: Dynamics | Windows, seed: int) -> openmm.Integrator:
    """Return the integrator of a stage, with its random seed."""
    if stage.thermostat == "none":
        integrator = openmm.VerletIntegrator(protocol.timestep)
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
