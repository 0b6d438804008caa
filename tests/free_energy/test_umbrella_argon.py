"""W(r) of a pair of argon atoms: that of springs against -kT ln g(r) of all pairs of the same liquid."""

import numpy as np
import openmm
import pandas as pd
import pytest

from solvshell.free_energy.agreement import Curve, agreement
from solvshell.free_energy.umbrella import DISTANCE_BIN, umbrella_profile
from solvshell.md.umbrella import Tagged, UmbrellaSampling
from solvshell.md.windows import WindowSequence
from solvshell.stages import Umbrella
from solvshell.units import BOLTZMANN_KJ_MOL_K

N, SIGMA, EPSILON, TEMPERATURE = 256, 0.34, 119.8 * BOLTZMANN_KJ_MOL_K, 150.0
SIDE = SIGMA * (N / 0.7) ** (1 / 3)
TIMESTEP = 0.01


def argon(stage: Umbrella) -> tuple[openmm.Context, WindowSequence]:
    """Return the liquid at rho* = 0.7 and T* = 1.25, melted, with a spring between the first two atoms."""
    system, force = openmm.System(), openmm.NonbondedForce()
    system.setDefaultPeriodicBoxVectors(*(SIDE * np.eye(3)))
    for _ in range(N):
        system.addParticle(39.9)
        force.addParticle(0.0, SIGMA, EPSILON)
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(2.5 * SIGMA)
    force.setUseSwitchingFunction(True)
    force.setSwitchingDistance(2.2 * SIGMA)
    system.addForce(force)
    windows = WindowSequence(stage, UmbrellaSampling(stage, Tagged(center_atom=0, partner_atoms=[1])), TIMESTEP)
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, 1.0, TIMESTEP)
    integrator.setRandomNumberSeed(1)
    context = openmm.Context(windows.system(system), integrator, openmm.Platform.getPlatform("CPU"))
    grid = np.stack(np.meshgrid(*[(np.arange(7) + 0.5) * SIDE / 7] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    context.setPositions(grid[np.random.default_rng(1).permutation(len(grid))[:N]])
    context.setParameter("umbrella_spring", 0.0)
    openmm.LocalEnergyMinimizer.minimize(context, 10.0, 50)
    context.setVelocitiesToTemperature(TEMPERATURE, 1)
    integrator.step(3000)
    return context, windows


def counted(context: openmm.Context) -> Curve:
    """Return -ln g(r) of all pairs in a run without a spring, resampled by blocks of it."""
    edges = np.arange(0, 5 * SIDE + 1e-9, DISTANCE_BIN)
    counts = np.zeros((200, len(edges) - 1))
    pairs = np.triu_indices(N, 1)
    for block in counts:
        context.getIntegrator().step(100)
        x = context.getState(positions=True).getPositions(asNumpy=True)._value
        away = x[pairs[0]] - x[pairs[1]]
        r = 10 * np.linalg.norm(away - SIDE * np.round(away / SIDE), axis=1)
        block += np.histogram(r, edges)[0]
    ideal = len(pairs[0]) * 4 / 3 * np.pi * np.diff(edges**3) / (10 * SIDE) ** 3
    met = counts.sum(axis=0) > 100
    blocks, ideal, middles = counts[:, met], ideal[met], ((edges[1:] + edges[:-1]) / 2)[met]
    g = blocks.reshape(20, 10, -1).mean(axis=1) / ideal
    drawn = np.random.default_rng(1).multinomial(20, np.full(20, 1 / 20), size=400)
    samples = -np.log(np.maximum(drawn @ g / 20, 1e-6))
    return Curve(middles, -np.log(g.mean(axis=0)), samples, blocks.sum(axis=0) / 10)  # frames 1 ps apart


def sampled(context: openmm.Context, windows: WindowSequence, stage: Umbrella) -> pd.DataFrame:
    step, rows, n_steps = 0, [], round(stage.record_interval / TIMESTEP)
    while step < round(stage.duration / TIMESTEP):
        windows.prepare(context, step, n_steps)
        context.getIntegrator().step(n_steps)
        step += n_steps
        if (row := windows.row(context, step)) is not None:
            rows.append([float(value) for value in row.decode().split(",")])
    return pd.DataFrame(rows, columns=["window", "time_ps", "distance_angstrom"])


@pytest.mark.slow
@pytest.mark.physics
def test_springs_and_counts_give_one_potential_of_mean_force() -> None:
    content = {
        "kind": "umbrella",
        "name": "pull",
        "temperature": f"{TEMPERATURE} K",
        "coordinate": {
            "kind": "distance",
            "center": "Ar",
            "partner": "Ar",
            "site": "any",
            "windows": [{"at": [f"{0.1 * r:.1f} A" for r in range(34, 103, 8)], "spring": "8 kJ/mol/A2"}],
        },
        "relax": "2 ps",
        "sample": "60 ps",
        "record_interval": "0.1 ps",
        "log_interval": "1 ps",
    }
    stage = Umbrella.model_validate(content)
    context, windows = argon(stage)
    of_counts = counted(context)
    found = umbrella_profile(sampled(context, windows, stage), stage, 5 * SIDE)
    assert found.status == "resolved"
    assert found.curve is not None
    compared = agreement(found.curve, of_counts, (8.0, 10.0), 5 * SIDE)
    assert compared.table.r_angstrom.min() < 3.6
    assert compared.table.difference_kt_stderr.median() < 0.3
    assert compared.p_value > 0.01
