"""Small boxes of the salts and solvents that no shipped recipe has: they pack, relax and stay whole at 300 K."""

import numpy as np
import openmm
import pytest

from solvshell.build import build_box
from solvshell.build.geometry import broken_geometry
from solvshell.engine import minimize
from solvshell.recipe import Recipe

SOLUTIONS = [
    {"Li": 2, "FSI": 2, "PC": 10},
    {"Na": 2, "BF4": 2, "EC": 6, "FEC": 6},
    {"K": 2, "ClO4": 2, "PC": 6, "DEC": 4},
]


@pytest.mark.parametrize("counts", SOLUTIONS, ids=lambda counts: "-".join(counts))
def test_a_small_box_is_whole_after_2_ps(counts: dict[str, int]) -> None:
    content = {
        "name": "small",
        "title": "small",
        "composition": {"counts": counts},
        "force_field": {"files": ["solvshell/electrolytes.xml"], "cutoff": "0.5 nm", "switch": None},
    }
    box = build_box(Recipe.model_validate(content), seed=1)
    assert box.counts == counts

    integrator = openmm.LangevinMiddleIntegrator(300, 5, 0.001)
    integrator.setRandomNumberSeed(1)
    context = openmm.Context(box.system, integrator, openmm.Platform.getPlatform("Reference"))
    context.setState(box.state)
    context.setVelocitiesToTemperature(300, 1)
    integrator.step(2000)
    state = context.getState(energy=True)
    degrees_of_freedom = 3 * box.n_atoms - 3
    temperature = 2 * state.getKineticEnergy()._value / degrees_of_freedom / 0.0083145
    assert temperature == pytest.approx(300, abs=6 * 300 * np.sqrt(2 / degrees_of_freedom))
    minimize(context, tolerance=10)  # at 300 K a bond to hydrogen swings by 10 % now and then
    assert broken_geometry(box.system, context.getState(positions=True).getPositions(asNumpy=True)._value) == {}
