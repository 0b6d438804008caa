"""Runs in OpenMM that are timed for some seconds at a time, and contenders that are timed in turn."""

import math
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import openmm

from solvshell.box import Box
from solvshell.engine import advance, precision_of
from solvshell.md.dynamics import stage_integrator, stage_system
from solvshell.protocol import Protocol, load_protocol

#: seconds -> ns/day over about that time
Contender = Callable[[float], float]

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Scheme:
    """How time is stepped: time step in ps, hydrogen mass in dalton (None: real masses); bonds to H are rigid."""

    name: str
    timestep: float
    hydrogen_mass: float | None

    def protocol(self) -> Protocol:
        """Return the shipped protocol `standard` with this step."""
        changes = {"timestep": self.timestep, "hydrogen_mass": self.hydrogen_mass}
        return load_protocol("standard").model_copy(update=changes)


HEAVY = Scheme("4 fs, H 3 Da", 0.004, 3.0)
REAL = Scheme("2 fs, real masses", 0.002, None)


def nonbonded_of(system: openmm.System) -> openmm.NonbondedForce:
    """Return the force with charges and Lennard-Jones."""
    return next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))


def platform_properties(platform: openmm.Platform, threads: int, **more: str) -> dict[str, str]:
    """Return the properties of a context: mixed precision on a GPU, a number of threads on a CPU."""
    on_cpu = {"Threads": str(threads), **more} if platform.getName() == "CPU" else {}
    return precision_of(platform) | on_cpu


def make_moving(
    box: Box,
    scheme: Scheme,
    platform: openmm.Platform,
    threads: int,
    pressure: float | None = None,
    change: Callable[[openmm.System], None] = lambda system: None,
    **properties: str,
) -> openmm.Context:
    """Return a context with the production stage of `standard`, at constant volume unless a pressure (bar) is given."""
    protocol = scheme.protocol()
    stage = protocol.production.model_copy(update={"pressure": pressure})
    system = stage_system(box.system, protocol, stage, 1)
    change(system)
    integrator = stage_integrator(protocol, stage, 1)
    context = openmm.Context(system, integrator, platform, platform_properties(platform, threads, **properties))
    context.setPeriodicBoxVectors(*box.state.getPeriodicBoxVectors())
    context.setPositions(box.positions)
    context.setVelocities(box.state.getVelocities())
    context.applyConstraints(1e-6)
    context.applyVelocityConstraints(1e-6)
    advance(context, 20)
    return context


def timed(context: openmm.Context, seconds: float, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the ns/day of a context over about some seconds of a clock."""
    began, steps, chunk = clock(), 0, 1
    while (spent := clock() - began) < seconds:
        if steps:
            chunk = max(1, min(250, int(0.2 * seconds * steps / spent), math.ceil((seconds - spent) * steps / spent)))
        advance(context, chunk)
        context.getState(velocities=True)  # a GPU has only been told what to do until something is asked back
        steps += chunk
    timestep = context.getIntegrator().getStepSize()._value
    return steps * timestep * 86.4 / (clock() - began)


def in_turn(contenders: Mapping[Name, Contender], rounds: int, seconds: float) -> dict[Name, list[float]]:
    """Return the ns/day of contenders by name, one value per round; in a round all run, one after the other.

    Whatever else the machine does meets all of them: ratios are taken within a round.
    """
    found: dict[Name, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        order = list(contenders) if number % 2 == 0 else list(reversed(contenders))
        for name in order:
            found[name].append(contenders[name](seconds))
    return found


def ratio(values: list[float], others: list[float]) -> float:
    """Return the median over the rounds of a ratio within each round."""
    return statistics.median(np.divide(values, others).tolist())
