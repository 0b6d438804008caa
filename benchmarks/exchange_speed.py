"""What idle molecules and slots add to a time step of liquid LB-003, at rest and during a switch."""

import csv
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openmm
from exchange_liquids import TEMPERATURE_K
from md_boxes import timing_box
from md_engines import HEAVY, in_turn, make_moving, platform_properties, timed

from solvshell.box import Box
from solvshell.engine import choose_platform
from solvshell.md.dynamics import stage_integrator, stage_system
from solvshell.md.grand.conformers import Gas
from solvshell.md.grand.exchange import idle_molecules
from solvshell.md.grand.pool import pool_system
from solvshell.md.grand.pool_box import molecules_of
from solvshell.md.grand.sampler import OpenSpecies, Sampler
from solvshell.md.grand.switching import Schedule
from solvshell.occupancy import Occupancy

SPECIES = ("EC", "DMC", "EMC")
#: gives 1,440 atoms
N_SALT, THREADS, ROUNDS, SECONDS = 10, 1, 7, 2.0
#: ps; jumps and steps between them are those of a long switch
_SWITCHING_PS = 1.0


def _sampler(box: Box, platform: openmm.Platform) -> tuple[openmm.Context, Sampler]:
    """Return a box with the idle molecules of a grand-canonical stage; all its own molecules are there."""
    protocol = HEAVY.protocol()
    stage = protocol.production.model_copy(update={"pressure": None})
    ordinary, known = stage_system(box.system, protocol, stage, 1), {name: molecules_of(box, name) for name in SPECIES}
    system, pool = pool_system(
        ordinary, known, {name: len(rows) + idle_molecules(len(rows)) for name, rows in known.items()}
    )
    context = openmm.Context(
        system, stage_integrator(protocol, stage, 1), platform, platform_properties(platform, THREADS)
    )
    generator, positions = np.random.default_rng(1), np.zeros((pool.n_atoms, 3))
    positions[: box.n_atoms] = box.positions
    libraries = {
        name: Gas(ordinary, rows[0].tolist(), box.positions[rows[0]]).library(TEMPERATURE_K, HEAVY.timestep, 20, 1)
        for name, rows in known.items()
    }
    for name, rows in pool.molecules.items():
        for row in [*rows[len(known[name]) :], pool.slots[name]]:
            positions[row] = generator.random(3) @ box.box_vectors + libraries[name].draw(generator)
    context.setPeriodicBoxVectors(*box.box_vectors)
    context.setPositions(positions)
    occupancy = Occupancy({name: np.arange(len(rows)) < len(known[name]) for name, rows in pool.molecules.items()})
    schedule = Schedule.lasting(_SWITCHING_PS, HEAVY.timestep)
    species = [OpenSpecies(name, 1.0, schedule) for name in SPECIES]
    sampler = Sampler(context, pool, species, libraries, TEMPERATURE_K, occupancy, generator)
    context.setVelocitiesToTemperature(TEMPERATURE_K, 1)
    return context, sampler


def _switching(sampler: Sampler, species: str, seconds: float, clock: Callable[[], float]) -> float:
    """Return ns/day of insertions that are undone, over about some seconds: jumps and all that is set are in it."""
    began, passed = clock(), 0.0
    while clock() - began < seconds:
        passed += sampler.dry_switch(species, "insertion").switching_ps
    return passed * 86.4 / (clock() - began)


def measure_speed(out: Path, platform_name: str | None) -> None:
    """Write ``speed-PLATFORM.csv``: ns/day of each, a row per round, all in turn in each round."""
    platform = choose_platform(platform_name)
    box = Box.load(timing_box(N_SALT, out, platform.getName()))
    plain = make_moving(box, HEAVY, platform, THREADS)
    context, sampler = _sampler(box, platform)
    # on one thread, that of the process: it does not care who else is on the machine
    clock = time.process_time if platform.getName() == "CPU" else time.perf_counter
    contenders = {
        "plain": lambda seconds: timed(plain, seconds, clock),
        "at rest": lambda seconds: timed(context, seconds, clock),
    }
    for name in SPECIES:
        contenders[f"switching {name}"] = lambda seconds, name=name: _switching(sampler, name, seconds, clock)
    found = in_turn(contenders, ROUNDS, SECONDS)
    with (out / f"speed-{platform.getName()}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["round", "n_atoms", "n_atoms_pool", *found])
        sizes = (box.n_atoms, context.getSystem().getNumParticles())
        writer.writerows([number, *sizes, *row] for number, row in enumerate(zip(*found.values(), strict=True)))
