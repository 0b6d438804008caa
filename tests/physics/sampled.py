"""Runs of a fluid so small that its distributions are sharp after seconds, as `physical_validation` takes them."""

from collections.abc import Callable
from functools import cache

import numpy as np
import openmm
import physical_validation as pv

from solvshell.engine import advance, choose_platform, degrees_of_freedom, make_context
from solvshell.md.dynamics import stage_integrator, stage_system
from solvshell.protocol import Protocol, load_protocol
from solvshell.stages import Dynamics

N_MOLECULES = 32
#: at constant volume and at constant pressure, where they depend on each other for longer
N_ROWS = (1500, 3000)

#: kJ/mol, nm, ps, bar: those of OpenMM too
UNITS = pv.data.UnitData.units("GROMACS")


def as_data(
    system: openmm.System, temperature: float, pressure: float | None, rows: list[list[float]]
) -> pv.data.SimulationData:
    """Return rows of kinetic energy, potential energy and volume with what the ensemble shall be."""
    kinetic, potential, volume = np.array(rows).T
    n_atoms, n_rigid = system.getNumParticles(), system.getNumConstraints()
    at_rest = 3 * n_atoms - n_rigid - degrees_of_freedom(system)
    fixed = {"volume": float(volume[0])} if pressure is None else {"pressure": pressure}
    kind = "NVT" if pressure is None else "NPT"
    return pv.data.SimulationData(
        units=UNITS,
        system=pv.data.SystemData(n_atoms, n_rigid, ndof_reduction_tra=at_rest, ndof_reduction_rot=0),
        ensemble=pv.data.EnsembleData(kind, natoms=n_atoms, temperature=temperature, **fixed),
        observables=pv.data.ObservableData(kinetic_energy=kinetic, potential_energy=potential, volume=volume),
    )


def row_of(context: openmm.Context) -> list[float]:
    """Return kinetic energy, potential energy and volume, as OpenMM reports them."""
    state = context.getState(energy=True)
    values = (state.getKineticEnergy(), state.getPotentialEnergy(), state.getPeriodicBoxVolume())
    return [value._value for value in values]


def how(thermostat: str, temperature: float, pressure: float | None = None) -> tuple[Protocol, Dynamics]:
    """Return a shipped protocol, 4 fs with heavy hydrogens, and a stage with more friction than usual.

    Not too much: at the end of a step OpenMM's LangevinMiddle leaves half of the latest noise along rigid bonds in the
    velocities, (1 - exp(-2 friction dt)) kT / 8 of kinetic energy for each. At 20/ps that would be 2 K here, and seen.
    """
    protocol = load_protocol("demo")
    assert (protocol.timestep, protocol.hydrogen_mass, protocol.constraints) == (0.004, 3.0, "h_bonds")
    changes = {"thermostat": thermostat, "temperature": temperature, "pressure": pressure, "friction": 5.0}
    return protocol, protocol.production.model_copy(update=changes)


def fluid() -> tuple[openmm.System, np.ndarray]:
    """Return a plain model and a lattice of molecules of a heavy atom and a hydrogen, which a run makes rigid."""
    system, bonds, nonbonded, side = openmm.System(), openmm.HarmonicBondForce(), openmm.NonbondedForce(), 1.5
    system.setDefaultPeriodicBoxVectors(*(side * np.eye(3)))
    nonbonded.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    nonbonded.setCutoffDistance(0.5)
    nonbonded.setUseSwitchingFunction(True)
    nonbonded.setSwitchingDistance(0.4)
    for i in range(N_MOLECULES):
        for mass, epsilon in ((15.0, 0.8), (1.0, 0.1)):
            system.addParticle(mass)
            nonbonded.addParticle(0.0, 0.34, epsilon)
        bonds.addBond(2 * i, 2 * i + 1, 0.11, 3e5)
        nonbonded.addException(2 * i, 2 * i + 1, 0.0, 0.1, 0.0)
    system.addForce(bonds)
    system.addForce(nonbonded)
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    grid = grid[grid.sum(axis=(1, 2)) % 2 == 0]
    return system, (grid * side / 4 + np.array([[0, 0, 0], [0.11, 0, 0]])).reshape(-1, 3)


@cache
def sampled(
    thermostat: str,
    temperature: float,
    pressure: float | None = None,
    meddle: Callable[[openmm.Context], None] | None = None,
) -> pv.data.SimulationData:
    """Return a run of the fluid by the very integrator and barostat of a stage.

    `meddle` is called after every row: a mistake made on purpose.
    """
    protocol, stage = how(thermostat, temperature, pressure)
    plain, positions = fluid()
    system = stage_system(plain, protocol, stage, seed=1)
    for force in system.getForces():
        if isinstance(force, openmm.MonteCarloBarostat):
            force.setFrequency(1)
    context = make_context(system, stage_integrator(protocol, stage, seed=1), choose_platform("CPU"))
    context.setPositions(positions)
    context.setVelocitiesToTemperature(temperature, 1)
    advance(context, 3000)
    rows = []
    for _ in range(N_ROWS[pressure is not None]):
        advance(context, 10)
        rows.append(row_of(context))
        if meddle is not None:
            meddle(context)
    return as_data(system, temperature, pressure, rows)
