"""A liquid at constant volume that exchanges molecules, move by move: written down as it goes, and resumable."""

import csv
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openmm
from exchange_liquids import TEMPERATURE_K, Liquid

from solvshell.engine import advance, choose_platform, make_context
from solvshell.md.grand.conformers import Gas
from solvshell.md.grand.pool import Pool, pool_system
from solvshell.md.grand.sampler import Attempt, OpenSpecies, Sampler
from solvshell.md.grand.switching import Schedule
from solvshell.occupancy import Occupancy, mask_of, ranges_text

#: time steps between two jumps of lambda
STEPS_PER_BLOCK = 20
_SETTLE_PS, _FRICTION, _N_CONFORMERS = 60.0, 1.0, 5000


def pool_context(liquid: Liquid, room: int, seed: int) -> tuple[openmm.Context, Pool]:
    """Return a context of a liquid with idle molecules, which lie anywhere."""
    n = len(liquid.molecules)
    system, pool = pool_system(liquid.system, {liquid.species: liquid.molecules}, {liquid.species: n + room})
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE_K, _FRICTION, liquid.timestep_ps)
    integrator.setConstraintTolerance(1e-6)
    integrator.setRandomNumberSeed(seed + 1)
    context = make_context(system, integrator, choose_platform())
    positions = np.empty((pool.n_atoms, 3))
    positions[: len(liquid.positions)] = liquid.positions
    first, generator = liquid.positions[liquid.molecules[0]], np.random.default_rng(seed)
    for atoms in [*pool.molecules[liquid.species][n:], pool.slots[liquid.species]]:
        positions[atoms] = first + generator.random(3) * liquid.edge_nm
    context.setPeriodicBoxVectors(*liquid.box_vectors)
    context.setPositions(positions)
    return context, pool


@dataclass(frozen=True)
class Running:
    """A sampler with the context that it moves in and the generator that it draws from."""

    context: openmm.Context
    generator: np.random.Generator
    sampler: Sampler


def start(liquid: Liquid, activity: float, schedule: Schedule, n_real: int, room: int, seed: int) -> Running:
    """Return a sampler of a liquid whose first molecules are real."""
    context, pool = pool_context(liquid, room, seed)
    generator, atoms = np.random.default_rng(seed), liquid.molecules[0]
    gas = Gas(liquid.system, atoms, liquid.positions[atoms])
    sampler = Sampler(
        context,
        pool,
        [OpenSpecies(liquid.species, activity, schedule)],
        {liquid.species: gas.library(TEMPERATURE_K, liquid.timestep_ps, _N_CONFORMERS, seed)},
        TEMPERATURE_K,
        Occupancy({liquid.species: np.arange(len(liquid.molecules) + room) < n_real}),
        generator,
    )
    context.setVelocitiesToTemperature(TEMPERATURE_K, seed + 1)
    return Running(context, generator, sampler)


@dataclass(frozen=True)
class Series:
    """Moves, or switches that are undone, one after the other, with ordinary dynamics before each.

    Attributes
    ----------
    n_real, room : int
        Molecules of the liquid that are real at first, and idle ones beside those of the liquid.
    switching_ps, between_ps : float
    dry : tuple of str
        If not empty, kinds of switches that are undone; else moves.
    """

    liquid: Liquid
    activity: float
    switching_ps: float
    between_ps: float
    n_real: int
    room: int
    seed: int
    dry: tuple[str, ...] = ()

    def attempts(self, folder: Path, n_attempts: int) -> Iterator[Attempt]:
        """Go on to so many attempts; each is in ``moves.csv`` of the folder when it is returned."""
        folder.mkdir(parents=True, exist_ok=True)
        liquid = self.liquid
        schedule = Schedule.lasting(self.switching_ps, liquid.timestep_ps, STEPS_PER_BLOCK)
        running = start(liquid, self.activity, schedule, self.n_real, self.room, self.seed)
        steps = round(self.between_ps / liquid.timestep_ps)
        if (folder / "state.npz").exists():
            n_done = _restore(running, folder, liquid.species)
        else:
            n_done = 0
            advance(running.context, round(_SETTLE_PS / liquid.timestep_ps))
        for index in range(n_done, n_attempts):
            advance(running.context, steps)
            kind = self.dry[index % len(self.dry)] if self.dry else None
            began = time.process_time()
            attempt = running.sampler.attempt() if kind is None else running.sampler.dry_switch(liquid.species, kind)
            _append(folder / "moves.csv", index, attempt, time.process_time() - began)
            _save(running, folder, liquid.species, index + 1)
            yield attempt


def _append(path: Path, index: int, attempt: Attempt, cpu_seconds: float) -> None:
    row = {"move": index, **asdict(attempt), "cpu_seconds": cpu_seconds}
    rows = list(csv.DictReader(path.open())) if path.exists() else []
    rows = [*rows[:index], row]  # what was written after the state that a resumed series has begun from is made anew
    with path.with_suffix(".tmp").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerows(rows)
    path.with_suffix(".tmp").rename(path)


def _save(running: Running, folder: Path, species: str, n_done: int) -> None:
    state = running.context.getState(positions=True, velocities=True)
    content: dict[str, Any] = {
        "n_done": n_done,
        "present": ranges_text(running.sampler.occupancy.present[species]),
        "generator": running.generator.bit_generator.state,
    }
    path = folder / "state.tmp.npz"
    np.savez(
        path,
        positions=state.getPositions(asNumpy=True)._value,
        velocities=state.getVelocities(asNumpy=True)._value,
        content=np.array(json.dumps(content)),
    )
    path.rename(folder / "state.npz")


def _restore(running: Running, folder: Path, species: str) -> int:
    """Bring a sampler to where a series was; return the attempts that it had made."""
    with np.load(folder / "state.npz", allow_pickle=False) as saved:
        content = json.loads(str(saved["content"]))
        running.context.setPositions(saved["positions"])
        running.context.setVelocities(saved["velocities"])
    n = len(running.sampler.occupancy.present[species])
    running.sampler.slots.restore(Occupancy({species: mask_of(content["present"], n)}))
    running.generator.bit_generator.state = content["generator"]
    return int(content["n_done"])
