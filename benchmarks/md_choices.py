"""What a choice of settings costs and gains: speed beside the error of the forces; and where a step's time goes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import openmm
from md_engines import HEAVY, REAL, Contender, Scheme, make_moving, nonbonded_of, timed
from md_gromacs import GromacsTiming, with_changes
from numpy.typing import NDArray

from solvshell.box import Box
from solvshell.md.dynamics import stage_system

Change = Callable[[openmm.System], None]

_GROUPS = {"direct": 0, "bonded": 1, "mesh": 2}


def _same(system: openmm.System) -> None:
    """Change nothing."""


def pme(tolerance: float) -> Change:
    """Return what sets the tolerance of PME."""
    return lambda system: nonbonded_of(system).setEwaldErrorTolerance(tolerance)


def cutoff(end: float, switch: float | None) -> Change:
    """Return what sets the cutoff and where the switch of Lennard-Jones begins, in nm; None: no switch."""

    def change(system: openmm.System) -> None:
        force = nonbonded_of(system)
        force.setCutoffDistance(end)
        force.setUseSwitchingFunction(switch is not None)
        if switch is not None:
            force.setSwitchingDistance(switch)

    return change


def barostat_every(steps: int) -> Change:
    """Return what sets how often the volume is tried."""

    def change(system: openmm.System) -> None:
        for force in system.getForces():
            if isinstance(force, openmm.MonteCarloBarostat):
                force.setFrequency(steps)

    return change


def clock_of(platform: openmm.Platform) -> Callable[[], float]:
    """Return the clock for single settings: on a CPU processor time, which other work on the machine changes little."""
    return time.process_time if platform.getName() == "CPU" else time.perf_counter


@dataclass(frozen=True)
class Choice:
    """A setting that differs from the shipped ones at constant volume; `accuracy` says where its error is shown."""

    name: str
    change: Change = _same
    scheme: Scheme = HEAVY
    pressure: float | None = None
    properties: dict[str, str] = field(default_factory=dict)
    accuracy: str = ""

    def context(self, box: Box, platform: openmm.Platform, threads: int) -> openmm.Context:
        """Return a context that moves with this choice."""
        return make_moving(box, self.scheme, platform, threads, self.pressure, self.change, **self.properties)

    def contender(self, box: Box, platform: openmm.Platform, threads: int) -> Contender:
        """Return what gives its ns/day."""
        return partial(timed, self.context(box, platform, threads), clock=clock_of(platform))


SHIPPED = "as shipped"
CHOICES = (
    Choice(SHIPPED),
    Choice("2 fs, real masses", scheme=REAL, accuracy="docs/results/timestep.md"),
    Choice("PME tolerance 1e-3", pme(1e-3)),
    Choice("PME tolerance 1e-4", pme(1e-4)),
    Choice("cutoff 0.9 nm, switch from 0.8", cutoff(0.9, 0.8)),
    Choice("cutoff 0.8 nm, switch from 0.7", cutoff(0.8, 0.7)),
    Choice("no switch", cutoff(1.0, None)),
    Choice("1 bar: a volume every 25 steps (shipped)", pressure=1.0, accuracy="exact"),
    Choice("1 bar: a volume every 100 steps", barostat_every(100), pressure=1.0, accuracy="exact"),
)
ON_CPU = (Choice("DeterministicForces", properties={"DeterministicForces": "true"}, accuracy="as shipped"),)


def _forces(context: openmm.Context, box: Box) -> NDArray[np.float64]:
    context.setPeriodicBoxVectors(*box.state.getPeriodicBoxVectors())
    context.setPositions(box.positions)
    return context.getState(forces=True).getForces(asNumpy=True)._value


def tight_forces(box: Box) -> NDArray[np.float64]:
    """Return the forces of the shipped model in double precision with a PME tolerance of 1e-6, in kJ/mol/nm."""
    reference = openmm.Platform.getPlatformByName("Reference")
    protocol = HEAVY.protocol()
    system = stage_system(box.system, protocol, protocol.production.model_copy(update={"pressure": None}), 1)
    pme(1e-6)(system)
    return _forces(openmm.Context(system, openmm.VerletIntegrator(0.001), reference), box)


def rms_error_percent(forces: NDArray[np.float64], exact: NDArray[np.float64]) -> float:
    """Return the root-mean-square difference of forces over the root-mean-square force, in percent."""
    return float(100 * np.sqrt(((forces - exact) ** 2).sum() / (exact**2).sum()))


def force_errors(
    box: Box, platform: openmm.Platform, threads: int, choices: tuple[Choice, ...], exact: NDArray[np.float64]
) -> dict[str, float | None]:
    """Return the error of the forces of each choice that has its own, in percent of the root-mean-square force."""
    found: dict[str, float | None] = {}
    for choice in choices:
        found[choice.name] = None
        if not choice.accuracy:
            context = choice.context(box, platform, threads)
            found[choice.name] = rms_error_percent(_forces(context, box), exact)
    return found


def gromacs_error(timing: GromacsTiming, exact: NDArray[np.float64]) -> float:
    """Return the same error of GROMACS with its settings of the timings, on the same configuration."""
    runs, folder = timing.runs, timing.runs.folder
    own = {"nsteps": 0, "nstfout": 1, "continuation": "yes", "gen-vel": "no"}
    (folder / "force.mdp").write_text(with_changes((folder / f"{timing.name}.mdp").read_text(), own))
    inputs = ("-f", "force.mdp", "-c", "conf.gro", "-p", "heavy.top", "-o", "force.tpr", "-po", "force-used.mdp")
    runs.gmx("grompp", *inputs, "-maxwarn", "2")
    runs.gmx("mdrun", "-deffnm", "force", "-ntmpi", "1", "-ntomp", "1", "-nb", "cpu", "-notunepme")
    frame = mda.coordinates.TRR.TRRReader(str(Path(folder) / "force.trr"), convert_units=False, refresh_offsets=True).ts
    return rms_error_percent(np.asarray(frame.forces, dtype=float), exact)


def _forces_ms(context: openmm.Context, part: str, seconds: float, clock: Callable[[], float]) -> float:
    """Return ms for the forces of a part at one configuration."""
    groups = 1 << _GROUPS[part]
    context.getState(forces=True, groups=groups)
    began, n_calls = clock(), 0
    while clock() - began < seconds:
        context.getState(forces=True, groups=groups)
        n_calls += 1
    return 1000 * (clock() - began) / n_calls


def openmm_parts(box: Box, platform: openmm.Platform, threads: int, seconds: float) -> dict[str, float]:
    """Return ms per step of the parts of a step.

    Forces of the mesh and of bonds are timed at one configuration, integration and constraints in a run with bonded
    forces alone; the direct sum with its pair list is the rest of the whole.
    """

    def grouped(system: openmm.System) -> None:
        for force in system.getForces():
            force.setForceGroup(_GROUPS["bonded"])
        nonbonded_of(system).setForceGroup(_GROUPS["direct"])
        nonbonded_of(system).setReciprocalSpaceForceGroup(_GROUPS["mesh"])

    clock = clock_of(platform)
    context = make_moving(box, HEAVY, platform, threads, change=grouped)
    whole = 86400 * HEAVY.timestep / timed(context, seconds, clock)
    mesh, bonded = (_forces_ms(context, part, seconds / 2, clock) for part in ("mesh", "bonded"))
    context.getIntegrator().setIntegrationForceGroups(1 << _GROUPS["bonded"])
    free = 86400 * HEAVY.timestep / timed(context, seconds / 2, clock) - bonded
    return {
        "direct sum with pair list": whole - mesh - bonded - free,
        "PME": mesh,
        "bonded": bonded,
        "integration and constraints": free,
        "Total": whole,
    }
