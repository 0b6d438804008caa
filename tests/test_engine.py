import numpy as np
import openmm
import pytest

from solvshell.engine import (
    UnstableSimulation,
    advance,
    available_platforms,
    choose_platform,
    degrees_of_freedom,
    make_context,
    minimize,
    refuse_rigid_network,
    snapshot,
)
from solvshell.errors import InvalidInput
from solvshell.protocol import load_protocol


def oscillator(k: float = 1000.0) -> tuple[openmm.System, openmm.Context]:
    """Return two atoms of 2 dalton on a spring of 0.1 nm, stretched by 0.01 nm, in a box of 2 nm."""
    system = openmm.System()
    system.addParticle(2.0)
    system.addParticle(2.0)
    bond = openmm.HarmonicBondForce()
    bond.addBond(0, 1, 0.1, k)
    system.addForce(bond)
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * 2))
    context = make_context(system, openmm.VerletIntegrator(0.001), choose_platform("Reference"))
    context.setPositions([[0, 0, 0], [0.11, 0, 0]])
    return system, context


def test_the_platforms_of_every_machine_work() -> None:
    found = available_platforms()
    assert found["CPU"] is None
    assert found["Reference"] is None
    assert choose_platform("cpu").getName() == "CPU"
    assert choose_platform().getName() == next(name for name, problem in found.items() if problem is None)
    with pytest.raises(InvalidInput, match=r"'Abacus' is not installed here \(working: .*CPU"):
        choose_platform("Abacus")


def test_a_snapshot_has_the_energy_of_a_spring() -> None:
    system, context = oscillator()
    now = snapshot(context, degrees_of_freedom(system))
    assert now.potential_kj_mol == pytest.approx(0.5 * 1000 * 0.01**2)
    assert now.kinetic_kj_mol == pytest.approx(0, abs=1e-4)  # leapfrog: half a step ahead
    assert now.volume_nm3 == pytest.approx(8)
    assert degrees_of_freedom(system) == 6


def test_half_a_period_inverts_the_stretch() -> None:
    _, context = oscillator()
    advance(context, round(np.pi / np.sqrt(1000 / 1.0) / 0.001))  # reduced mass 1 dalton
    x = context.getState(positions=True).getPositions(asNumpy=True)._value[:, 0]
    assert x[1] - x[0] == pytest.approx(0.09, abs=1e-5)


def test_minimisation_ends_at_the_bottom() -> None:
    _, context = oscillator()
    assert minimize(context, tolerance=1e-3) == pytest.approx(0, abs=1e-8)


def test_an_explosion_is_an_error() -> None:
    _, context = oscillator(k=1e9)  # far too stiff for 1 fs
    advance(context, 5000)
    with pytest.raises(UnstableSimulation, match="the energy is"):
        snapshot(context, 6)


def test_a_network_is_not_moved_to_a_mean_volume_which_is_said_before_it_runs() -> None:
    protocol = load_protocol("dynamics").model_copy(update={"constraints": "none"})
    system, _ = oscillator()
    refuse_rigid_network(system, protocol)
    system.getForce(0).setUsesPeriodicBoundaryConditions(True)
    with pytest.raises(InvalidInput, match=r"^volume_of: of stage fixed-volume: a periodic network has no molecules"):
        refuse_rigid_network(system, protocol)
