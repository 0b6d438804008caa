"""How long switches of a species should last in a run that stands at its start: measured, told and recorded."""

import math
import time
from dataclasses import replace

import openmm

from solvshell.engine import advance
from solvshell.errors import Interrupted, WorkFailed
from solvshell.grand_canonical import GrandCanonical
from solvshell.md.grand.sampler import Kind, Sampler
from solvshell.md.grand.switching import Schedule
from solvshell.md.grand.tuning import TARGET_KT, Trial, Tuning, tune
from solvshell.md.session import Session
from solvshell.units import kT_kj_mol

#: ps; an accepted move that needs longer switches is out of reach
_LONGEST = 200.0
#: ps of ordinary dynamics before each switch that is undone
_BETWEEN = 1.0
#: s
_SECONDS_BETWEEN_LINES = 30.0


def _words(species: str, found: Tuning, timestep_ps: float) -> str:
    time_ps = found.schedule.n_steps * timestep_ps
    how = f"switched in {time_ps:.4g} ps" if time_ps else "inserted and deleted at once"
    cost = f"dissipates {found.dissipation_kt:.1f} +- {found.stderr:.1f} kT"
    beyond = ", more than is good: few moves will be accepted" if found.dissipation_kt > 2 * TARGET_KT else ""
    return f"{species} is {how}, which {cost} ({found.n_switches} switches){beyond}"


class _Told:
    """Says how far a trial is, and what its switches dissipate: beside a bar at once, in a line if it takes long."""

    def __init__(self, session: Session, what: str) -> None:
        self._progress, self._timestep_ps, self._what = session.progress, session.protocol.timestep, what
        self._began = self._noted = time.monotonic()

    def __call__(self, trial: Trial) -> None:
        now, n = time.monotonic(), len(trial.deletions)
        left_s = (now - self._began) / n * (trial.n_planned - n)
        time_ps = trial.schedule.n_steps * self._timestep_ps
        words = (
            f"{self._what}: {2 * n} of {2 * trial.n_planned} switches of {time_ps:.4g} ps dissipate "
            f"{trial.dissipation_kt:.3g} kT; {left_s:.0f} s left of this trial"
        )
        self._progress.tell(words)
        is_complete = n == trial.n_planned
        if is_complete or now - self._noted > _SECONDS_BETWEEN_LINES:
            self._progress.note(f"  {words}")
            self._noted = now
        if is_complete:
            self._began = now


def measure_switching_time(
    session: Session, stage: GrandCanonical, context: openmm.Context, sampler: Sampler, species: str
) -> Schedule:
    """Return the schedule at which an accepted move of a species costs least; the run stays at its step.

    Raises
    ------
    Interrupted
        If a signal came: it is measured anew then.
    WorkFailed
        If there is no molecule that could be switched off, or switches explode however long they are.
    """
    kT, timestep, name = kT_kj_mol(stage.temperature), session.protocol.timestep, stage.name

    def switch(schedule: Schedule, kind: Kind) -> float:
        if session.stop.is_set():
            raise Interrupted(f"stopped in stage {name}, before the switching time of {species} was known")
        advance(context, round(_BETWEEN / timestep))
        sampler.open_species[species] = replace(sampler.open_species[species], schedule=schedule)
        tried = sampler.dry_switch(species, kind, session.stop)
        if tried.outcome == "empty":
            raise WorkFailed(f"no {species} is there to be switched off; state its switching_time in the protocol")
        return tried.work_kj_mol / kT

    session.progress.note(f"  {name}: measuring how long switches of {species} should last")
    found = tune(switch, timestep, _LONGEST, _Told(session, f"{name}, {species}"))
    if not math.isfinite(found.dissipation_kt):
        raise WorkFailed(
            f"more than half of the switches of {species} fail, of {found.schedule.n_steps * timestep:g} ps too; look "
            "at the box, lower the time step, or state a switching_time"
        )
    sampler.open_species[species] = replace(sampler.open_species[species], schedule=found.schedule)
    context.setStepCount(session.at.step)
    context.setTime(session.at.step * timestep)
    session.progress.note(f"  {name}: {_words(species, found, timestep)}")
    entry = {"species": species, "switching_ps": found.schedule.n_steps * timestep, "n_switches": found.n_switches}
    session.record("switching", {**entry, "dissipation_kt": found.dissipation_kt, "stderr_kt": found.stderr})
    return found.schedule
