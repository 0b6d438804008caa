"""Boxes of liquid LB-003 for timing molecular dynamics: built and brought to the density of the liquid once."""

import copy
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import openmm
from md_engines import HEAVY
from openmm import app, unit
from rich.console import Console

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.build.forcefield import create_system, read_forcefield
from solvshell.engine import advance, choose_platform, minimize, precision_of
from solvshell.md.dynamics import stage_integrator, stage_system
from solvshell.progress import Tally
from solvshell.recipe import load_recipe

#: boxes of more salt are eight copies of one of an eighth of it
_LARGEST_PACKED = 100


def _moved(box: Box, state: openmm.State, platform: openmm.Platform, ps: float, pressure: float | None) -> openmm.State:
    protocol = HEAVY.protocol()
    stage = protocol.production.model_copy(update={"pressure": pressure})
    system = stage_system(box.system, protocol, stage, 1)
    context = openmm.Context(system, stage_integrator(protocol, stage, 1), platform, precision_of(platform))
    context.setPeriodicBoxVectors(*state.getPeriodicBoxVectors())
    context.setPositions(state.getPositions())
    if pressure is None:
        minimize(context, tolerance=10.0, max_iterations=500)
        context.setVelocitiesToTemperature(stage.temperature, 1)
    else:
        context.setVelocities(state.getVelocities())
    pieces = 10
    with Tally(f"{box.n_atoms} atoms, {ps:g} ps", pieces, Console()) as tally:
        for _ in range(pieces):
            advance(context, round(ps / pieces / protocol.timestep))
            tally.advance()
    return context.getState(positions=True, velocities=True)


def _liquid(n_salt: int, platform: openmm.Platform) -> Box:
    """Return a packed box after 35 ps: enough for the density of the liquid, from which all timings start."""
    box = build_box(load_recipe("lb003"), seed=1, n_salt=n_salt)
    warm = _moved(box, box.state, platform, ps=5, pressure=None)
    return replace(box, state=_moved(box, warm, platform, ps=30, pressure=1.0))


def eight_copies(box: Box) -> Box:
    """Return a box of twice the lengths that holds eight periodic copies of another, with its velocities."""
    vectors, n_salt = box.box_vectors, 8 * box.recipe.n_salt
    recipe = box.recipe.model_copy(update={"n_salt": n_salt})
    shifts = [np.array(copies) @ vectors for copies in product((0, 1), repeat=3)]
    whole = app.Modeller(app.Topology(), [] * unit.nanometer)
    for _ in shifts:
        whole.add(copy.deepcopy(box.topology), box.positions * unit.nanometer)
    topology = whole.topology
    for residue in topology.residues():  # a file names what is bonded by these
        residue.id = str(residue.index + 1)
    topology.setPeriodicBoxVectors(2 * vectors * unit.nanometer)
    system = create_system(topology, read_forcefield(recipe.force_field.files), recipe.force_field)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(np.vstack([box.positions + shift for shift in shifts]))
    context.setVelocities(np.tile(box.state.getVelocities(asNumpy=True)._value, (8, 1)))
    state = context.getState(positions=True, velocities=True)
    return replace(box, recipe=recipe, topology=topology, system=system, state=state)


def timing_box(n_salt: int, folder: Path, platform: str | None = None) -> Path:
    """Return the folder of a box of liquid, made there if it is missing.

    Raises
    ------
    SystemExit
        If a box of more than 100 LiPF6 is no eight copies of a smaller one.
    """
    path = folder / f"lb003-{n_salt}"
    if path.exists():
        return path
    if n_salt <= _LARGEST_PACKED:
        _liquid(n_salt, choose_platform(platform)).save(path)
    elif n_salt % 8:
        raise SystemExit(f"--sizes: above {_LARGEST_PACKED} a multiple of 8 (copies of a smaller box), got {n_salt}")
    else:
        eight_copies(Box.load(timing_box(n_salt // 8, folder, platform))).save(path)
    return path
