"""One box in two engines with the same settings, timed for some seconds at a time and in turn."""

import math
import re
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm
from gromacs import Gromacs

from solvshell.box import Box
from solvshell.engine import advance, precision_of
from solvshell.md.dynamics import stage_integrator, stage_system
from solvshell.protocol import Protocol, load_protocol

#: seconds -> ns/day over about that time
Contender = Callable[[float], float]

_PME_ORDER = 5  # of OpenMM, which has no other


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


def matching_mdp(context: openmm.Context, scheme: Scheme) -> dict[str, object]:
    """Return the lines of a GROMACS parameter file for what an OpenMM context does, beside the cutoffs of the export.

    The Ewald parameter is the same (``ewald-rtol`` is erfc(alpha r_c)), and so are the grid of the mesh and the order
    of its splines, the time step and the Langevin thermostat. No energies are computed or written.
    """
    nonbonded = nonbonded_of(context.getSystem())
    alpha, *grid = nonbonded.getPMEParametersInContext(context)
    cutoff = nonbonded.getCutoffDistance()._value
    friction = context.getIntegrator().getFriction()._value
    return {
        "integrator": "sd", "dt": scheme.timestep, "nsteps": -1, "tcoupl": None, "tau-t": 1 / friction,
        "pcoupl": None, "constraints": "h-bonds", "gen-vel": "yes", "comm-mode": "None",
        "ewald-rtol": f"{math.erfc(alpha * cutoff):.9g}", "pme-order": _PME_ORDER,
        **{f"fourier-n{axis}": size for axis, size in zip("xyz", grid, strict=True)},
        "nstenergy": 0, "nstcalcenergy": 1000, "nstlog": 0, "nstxout-compressed": 0,
    }  # fmt: skip


def with_changes(mdp: str, changes: Mapping[str, object]) -> str:
    """Return a parameter file with lines replaced or added; None takes a line out."""
    lines = (line.split(";")[0].split("=") for line in mdp.splitlines())
    settings: dict[str, object] = {line[0].strip(): line[1].strip() for line in lines if len(line) == 2}
    settings |= changes
    return "\n".join(f"{key} = {value}" for key, value in settings.items() if value is not None) + "\n"


@dataclass(frozen=True)
class GromacsTiming:
    """The same box and settings as an OpenMM context in GROMACS, for timing."""

    runs: Gromacs
    name: str

    @classmethod
    def like(cls, context: openmm.Context, box: Box, scheme: Scheme, folder: Path) -> "GromacsTiming":
        """Return the files of a box, made in a folder, with the settings of a context."""
        runs = Gromacs.of(box, folder)
        name = f"{1000 * scheme.timestep:g}fs"
        mdp = with_changes((folder / "npt.mdp").read_text(), matching_mdp(context, scheme))
        (folder / f"{name}.mdp").write_text(mdp)
        topology = "topol.top" if scheme.hydrogen_mass is None else "heavy.top"
        inputs = ("-f", f"{name}.mdp", "-c", "conf.gro", "-p", topology)
        runs.gmx("grompp", *inputs, "-o", f"{name}.tpr", "-po", f"{name}-used.mdp", "-maxwarn", "2")
        return cls(runs, name)

    def log(self, seconds: float, threads: int, number: int = 0) -> str:
        """Run for about some seconds and return the log."""
        out = f"{self.name}-{threads}-{number}"
        self.runs.gmx(
            "mdrun", "-s", f"{self.name}.tpr", "-deffnm", out, "-ntmpi", "1", "-ntomp", str(threads), "-pin", "off",
            "-nb", "cpu", "-notunepme", "-nsteps", "-1", "-maxh", f"{seconds / 3600:.8f}", "-noconfout",
        )  # fmt: skip
        return (self.runs.folder / f"{out}.log").read_text()

    def timed(self, seconds: float, threads: int, number: int = 0) -> float:
        """Return the ns/day of about some seconds."""
        return performance(self.log(seconds, threads, number))

    def parts(self, seconds: float, threads: int) -> dict[str, float]:
        """Return ms per step of the parts that GROMACS counts."""
        return counted_parts(self.log(seconds, threads))


def performance(log: str) -> float:
    """Return the ns/day that the log of GROMACS ends with."""
    return float(re.findall(r"^Performance:\s+([\d.]+)", log, re.MULTILINE)[-1])


def counted_parts(log: str) -> dict[str, float]:
    """Return ms per step of each part in the cycle accounting of a log of GROMACS, and of ``Total``."""
    rows = re.findall(r"^ ([A-Z][\w /.()-]*?) +\d+ +\d+(?: +\d+)? +([\d.]+) +[\d.]+ +[\d.]+ *$", log, re.MULTILINE)
    rest = re.findall(r"^ (Rest|Total) +([\d.]+) +[\d.]+ +[\d.]+ *$", log, re.MULTILINE)
    n_steps = float(re.findall(r"^ Force +\d+ +\d+ +(\d+)", log, re.MULTILINE)[-1])
    return {name: 1000 * float(seconds) / n_steps for name, seconds in [*rows, *rest]}


def in_turn(contenders: Mapping[str, Contender], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return the ns/day of contenders by name, one value per round; in a round all run, one after the other.

    Whatever else the machine does meets all of them: ratios are taken within a round.
    """
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        order = list(contenders) if number % 2 == 0 else list(reversed(contenders))
        for name in order:
            found[name].append(contenders[name](seconds))
    return found


def ratio(values: list[float], others: list[float]) -> float:
    """Return the median over the rounds of a ratio within each round."""
    return statistics.median(np.divide(values, others).tolist())
