"""Energy without a thermostat."""

from functools import cache

import numpy as np
import openmm
import pytest

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.engine import advance, choose_platform, degrees_of_freedom, make_context, minimize, snapshot
from solvshell.files import validate
from solvshell.md.dynamics import stage_integrator, stage_system
from solvshell.protocol import load_protocol
from solvshell.recipe import Recipe, load_recipe
from solvshell.units import kT_kj_mol

pytestmark = pytest.mark.physics

#: kT per degree of freedom per ns; 10 ps of 300 atoms resolve about 0.3 of it
BOUND = 1.5
TEMPERATURE = 298.15


@cache
def small_lb003() -> Box:
    """Return LB-003 with two LiPF6 and a cutoff that suits so small a cell."""
    model = load_recipe("lb003").force_field.model_dump() | {"cutoff": "0.6 nm", "switch": "0.5 nm"}
    content = {
        "name": "small",
        "title": "for tests",
        "composition": {"counts": {"Li": 2, "PF6": 2, "EC": 9, "DMC": 8, "EMC": 6}},
        "force_field": model,
        "packing": {"density": "1.0 g/cm3"},
    }
    return build_box(validate(Recipe, content, "small"), seed=1)


@cache
def equilibrated() -> openmm.State:
    box, protocol = small_lb003(), load_protocol("demo")
    stage = protocol.production.model_copy(update={"friction": 10.0, "pressure": None})
    system = stage_system(box.system, protocol, stage, seed=1)
    context = make_context(system, stage_integrator(protocol, stage, seed=1), choose_platform("CPU"))
    context.setPeriodicBoxVectors(*box.box_vectors)
    context.setPositions(box.positions)
    minimize(context, 10.0)
    context.setVelocitiesToTemperature(TEMPERATURE, 1)
    advance(context, 1500)
    return context.getState(positions=True, velocities=True)


def drift(constraint_tolerance: float | None = None) -> float:
    """Return the slope of the energy over 10 ps at the shipped 4 fs in kT per degree of freedom per ns."""
    box, protocol, state = small_lb003(), load_protocol("demo"), equilibrated()
    stage = protocol.production.model_copy(update={"thermostat": "none", "pressure": None})
    system = stage_system(box.system, protocol, stage, seed=1)
    integrator = stage_integrator(protocol, stage, seed=1)
    if constraint_tolerance is not None:
        integrator.setConstraintTolerance(constraint_tolerance)
    context = make_context(system, integrator, choose_platform("CPU"))
    context.setPeriodicBoxVectors(*state.getPeriodicBoxVectors())
    context.setPositions(state.getPositions())
    context.setVelocities(state.getVelocities())
    degrees, totals = degrees_of_freedom(system), []
    for _ in range(200):
        advance(context, 12)
        now = snapshot(context, degrees)
        totals.append(now.potential_kj_mol + now.kinetic_kj_mol)
    per_ps = np.polyfit(12 * protocol.timestep * np.arange(len(totals)), totals, 1)[0]
    return 1000 * per_ps / (kT_kj_mol(TEMPERATURE) * degrees)


def test_energy_does_not_drift_at_the_shipped_time_step() -> None:
    assert abs(drift()) < BOUND


def test_sloppy_rigid_bonds_make_it_drift() -> None:
    """The integrators of runs keep them to 1e-6; at 1e-3 of their length energy is lost."""
    assert abs(drift(constraint_tolerance=1e-3)) > BOUND
