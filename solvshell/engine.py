"""The only place that picks a platform, makes an OpenMM context, minimises, and advances time with open eyes."""

import threading
from dataclasses import dataclass

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from solvshell.errors import InvalidInput, WorkFailed
from solvshell.protocol import Protocol
from solvshell.units import BOLTZMANN_KJ_MOL_K

#: in the order of preference; Reference is for tests only
PLATFORMS = ("CUDA", "HIP", "OpenCL", "CPU", "Reference")


class UnstableSimulation(WorkFailed):
    """The simulation exploded: the message says how that showed."""


@dataclass(frozen=True)
class Snapshot:
    """One instant of a simulation, in nm, ps, kJ/mol, K; positions and velocities are (n_atoms, 3), the box (3, 3)."""

    positions: NDArray[np.float64]
    box_vectors: NDArray[np.float64]
    potential_kj_mol: float
    kinetic_kj_mol: float
    temperature: float

    @property
    def volume_nm3(self) -> float:
        """Volume of the periodic cell."""
        return float(abs(np.linalg.det(self.box_vectors)))

    @property
    def widths_nm(self) -> NDArray[np.float64]:
        """Distance between opposite faces of the cell, across each of the three box vectors, shape (3,)."""
        return 1 / np.linalg.norm(np.linalg.inv(self.box_vectors), axis=0)


def precision_of(platform: openmm.Platform) -> dict[str, str]:
    """Return the properties by which a platform computes in mixed precision, where it has a choice."""
    return {"Precision": "mixed"} if platform.getName() in ("CUDA", "HIP", "OpenCL") else {}


def _problem_of(platform: openmm.Platform) -> str | None:
    """Return why a context cannot be made on a platform (no device, no driver), or None."""
    system = openmm.System()
    system.addParticle(1.0)
    try:
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, precision_of(platform))
        context.setPositions(np.zeros((1, 3)))
        context.getState(energy=True)
    except openmm.OpenMMException as error:
        return " ".join(str(error).split())
    return None


def _installed() -> dict[str, openmm.Platform]:
    """Return the installed platforms in order of preference."""
    platforms = [openmm.Platform.getPlatform(index) for index in range(openmm.Platform.getNumPlatforms())]
    known = {platform.getName(): platform for platform in platforms}
    return {name: known[name] for name in PLATFORMS if name in known}


def available_platforms() -> dict[str, str | None]:
    """Return each installed platform in order of preference, and None or the reason why it does not work here."""
    return {name: _problem_of(platform) for name, platform in _installed().items()}


def choose_platform(name: str | None = None) -> openmm.Platform:
    """Return the asked platform, or the fastest that works here.

    Raises
    ------
    InvalidInput
        If the asked platform is not installed or does not work here.
    """
    if name is None:
        return next(platform for platform in _installed().values() if _problem_of(platform) is None)
    wanted = {platform.lower(): platform for platform in _installed()}.get(name.lower())
    if wanted is not None and (problem := _problem_of(_installed()[wanted])) is None:
        return _installed()[wanted]
    working = ", ".join(platform for platform, reason in available_platforms().items() if reason is None)
    what = f"{name!r} is not installed here" if wanted is None else f"{wanted} does not work here: {problem}"
    raise InvalidInput(f"platform: {what} (working: {working}; 'solvshell doctor' says what to install)")


def make_context(system: openmm.System, integrator: openmm.Integrator, platform: openmm.Platform) -> openmm.Context:
    """Return a context of a system on a platform, in mixed precision on GPUs; on a CPU with one thread it repeats."""
    repeats = {"DeterministicForces": "true"} if platform.getName() == "CPU" else {}  # costs nothing measurable there
    return openmm.Context(system, integrator, platform, precision_of(platform) | repeats)


def device_of(context: openmm.Context) -> str:
    """Return the name of the device that a context runs on."""
    platform = context.getPlatform()
    for key in ("DeviceName", "Threads"):
        if key in platform.getPropertyNames():
            value = platform.getPropertyValue(context, key)
            return value if key == "DeviceName" else f"{value} thread{'s' * (value != '1')}"
    return platform.getName()


def degrees_of_freedom(system: openmm.System) -> int:
    """Return three per massive particle less one per constraint, and less three where the total momentum is zero."""
    massive = sum(system.getParticleMass(i)._value > 0 for i in range(system.getNumParticles()))
    is_at_rest = any(isinstance(force, openmm.CMMotionRemover) for force in system.getForces())
    return 3 * massive - system.getNumConstraints() - 3 * is_at_rest


def is_network(system: openmm.System) -> bool:
    """Return whether the bonds of a system take the nearest periodic image: a network without an end."""
    bonds = (force for force in system.getForces() if isinstance(force, openmm.HarmonicBondForce))
    return any(force.usesPeriodicBoundaryConditions() for force in bonds)


def refuse_rigid_network(system: openmm.System, protocol: Protocol) -> None:
    """Refuse rigid bonds for a network at constant pressure, and a volume to move its molecules to.

    The barostat scales the atoms of a network one by one; rigid bonds would be scaled with them although they can take
    up no volume: an ideal gas of rigid dimers gets twice its volume.

    Raises
    ------
    InvalidInput
        If a stage asks for both.
    """
    at_constant_pressure = any(getattr(stage, "pressure", None) is not None for stage in protocol.stages)
    if at_constant_pressure and protocol.constraints != "none" and is_network(system):
        raise InvalidInput(
            f"constraints: {protocol.constraints} is not possible at constant pressure with a periodic network, whose "
            "atoms the barostat scales one by one; take 'none' and a shorter time step (protocol 'network')"
        )
    moved = [stage.name for stage in protocol.stages if getattr(stage, "volume_of", None) is not None]
    if moved and is_network(system):
        raise InvalidInput(
            f"volume_of: of stage {moved[0]}: a periodic network has no molecules that could be moved to another "
            "volume; leave it out"
        )


def snapshot(context: openmm.Context, degrees: int) -> Snapshot:
    """Return the present instant, molecules whole and inside the cell.

    Raises
    ------
    UnstableSimulation
        If an energy is not finite.
    """
    state = context.getState(positions=True, energy=True, enforcePeriodicBox=True)
    potential = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
    kinetic = state.getKineticEnergy().value_in_unit(unit.kilojoule_per_mole)
    positions = state.getPositions(asNumpy=True)._value
    if not np.isfinite(potential + kinetic) or not np.isfinite(positions).all():
        raise UnstableSimulation(f"the energy is {potential} + {kinetic} kJ/mol")
    return Snapshot(
        positions=positions,
        box_vectors=np.asarray(state.getPeriodicBoxVectors(asNumpy=True)._value),
        potential_kj_mol=potential,
        kinetic_kj_mol=kinetic,
        temperature=2 * kinetic / (max(degrees, 1) * BOLTZMANN_KJ_MOL_K),
    )


class _StopRequests(openmm.MinimizationReporter):  # type: ignore[misc]
    """Ends a minimisation after the iteration in which a signal came."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop

    def report(self, *_: object) -> bool:
        """Return whether to end."""
        return self._stop.is_set()


def minimize(
    context: openmm.Context, tolerance: float, max_iterations: int = 0, stop: threading.Event | None = None
) -> float:
    """Minimise in place until the root-mean-square force is below ``tolerance`` kJ/mol/nm; return the energy in kJ/mol.

    It ends early, wherever it is, once `stop` is set.

    Raises
    ------
    UnstableSimulation
        If the energy is not finite afterwards.
    """
    reporter = None if stop is None else _StopRequests(stop)
    try:
        openmm.LocalEnergyMinimizer.minimize(context, tolerance, max_iterations, reporter)
    except openmm.OpenMMException as error:
        raise UnstableSimulation(f"the minimisation failed: {' '.join(str(error).split())}") from None
    energy = context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
    if not np.isfinite(energy):
        raise UnstableSimulation(f"the energy after minimisation is {energy} kJ/mol: atoms overlap")
    return float(energy)


def advance(context: openmm.Context, n_steps: int) -> None:
    """Advance a context by some steps.

    Raises
    ------
    UnstableSimulation
        If a coordinate became not-a-number.
    WorkFailed
        If OpenMM fails for another reason: a broken device, a box that became too small for the cutoff.
    """
    try:
        context.getIntegrator().step(n_steps)
    except openmm.OpenMMException as error:
        reason = " ".join(str(error).split())
        kind = UnstableSimulation if "nan" in reason.lower() else WorkFailed
        raise kind(f"OpenMM says: {reason}") from None
