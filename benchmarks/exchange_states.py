"""The free energy of coupling one water at constant volume, by MBAR over states: there the works of moves cross."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import openmm
from exchange_liquids import TEMPERATURE_K, Liquid, water
from mu_water import STATES, Window, coupling

from solvshell.engine import advance, choose_platform, make_context
from solvshell.md.alchemy import Lambdas, alchemical_system, coupling_energies, lambda_parameters

_SETTLE_PS, _RELAX_PS, _SAMPLE_PS, _RECORD_STEPS = 60.0, 3.0, 24.0, 50
#: down and up again, twice
_VISITS = 2 * [*range(len(STATES)), *reversed(range(len(STATES)))]


def _window(liquid: Liquid, state: Lambdas, start: np.ndarray, before_ps: float, sample_ps: float, seed: int) -> Window:
    """Return the energies of all states along some dynamics in one of them."""
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE_K, 1.0, liquid.timestep_ps)
    integrator.setConstraintTolerance(1e-6)
    integrator.setRandomNumberSeed(seed)
    system = alchemical_system(liquid.system, [liquid.molecules[0].tolist()])
    context = make_context(system, integrator, choose_platform())
    context.setPeriodicBoxVectors(*liquid.box_vectors)
    context.setPositions(start)
    for name, value in lambda_parameters(state).items():
        context.setParameter(name, value)
    context.setVelocitiesToTemperature(TEMPERATURE_K, seed)
    advance(context, round(before_ps / liquid.timestep_ps))
    energies = []
    for _ in range(round(sample_ps / liquid.timestep_ps / _RECORD_STEPS)):
        advance(context, _RECORD_STEPS)
        energies.append(coupling_energies(context, STATES))
    positions = context.getState(positions=True).getPositions(asNumpy=True)._value
    return Window(np.array(energies), np.full(len(energies), liquid.edge_nm**3), positions, liquid.box_vectors)


def run_states(n: int, volume_nm3: float, seed: int, out: Path) -> None:
    """Write ``states.csv``: what coupling the last of n costs, in kT; windows that are there already are kept."""
    folder, liquid = out / f"states-{n}-{seed}", water(n, volume_nm3, seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:03d}.npz" for index in range(len(_VISITS) + 1)]
    if not paths[0].exists():
        _window(liquid, STATES[0], liquid.positions, _SETTLE_PS, 1.0, seed).save(paths[0])
    for index, (before, path) in enumerate(pairwise(paths)):
        if not path.exists():
            start = Window.load(before).positions
            state = STATES[_VISITS[index]]
            _window(liquid, state, start, _RELAX_PS, _SAMPLE_PS, seed + 1 + index).save(path)
            print(f"window {index + 1} of {len(_VISITS)}", flush=True)
    windows, n_states = [Window.load(path) for path in paths[1:]], len(STATES)
    found = coupling(windows, _VISITS)
    ways = [slice(first, first + n_states) for first in range(0, len(_VISITS), n_states)]
    apart = [coupling(windows[way], _VISITS[way]).free_energy[-1, 0] for way in ways]
    stderr = max(found.stderr[-1, 0], float(np.std(apart, ddof=1)) / np.sqrt(len(apart)))
    with (out / "states.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["n", "volume_nm3", "free_energy_kt", "stderr_kt", "smallest_overlap"])
        writer.writerow([n, volume_nm3, found.free_energy[-1, 0], stderr, found.overlap.min()])
