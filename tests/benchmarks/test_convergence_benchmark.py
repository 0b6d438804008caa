"""The estimators of the convergence page against processes whose answer is known, and two ways to one number."""

from dataclasses import replace

import convergence
import cutoffs
import numpy as np
import openmm
import packings
import pandas as pd
import pytest
import shifts
import size_table
from cutoffs import Setting
from packings import Found

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.recipe import load_recipe
from solvshell.units import BOLTZMANN_KJ_MOL_K

SIZES = {8: 4, 16: 2, 50: 1}
TEMPERATURE = 300.0
KT = BOLTZMANN_KJ_MOL_K * TEMPERATURE


def test_intervals_of_equal_sizes_hold_zero_as_often_as_they_say() -> None:
    """Packings of n ions scatter by s/sqrt(n): 95 of 100 intervals of each difference hold the true one, 0."""
    rng = np.random.default_rng(1)
    held = []
    for _ in range(2000):
        drawn = {n: [Found(rng.normal(scale=3 / np.sqrt(n))) for _ in range(k)] for n, k in SIZES.items()}
        found = packings.compare_sizes(drawn)
        held.append([abs(value) < half for value, half in (found.difference(n, 50) for n in (8, 16))])
    assert found.degrees == 4
    assert np.mean(held, axis=0) == pytest.approx([0.95, 0.95], abs=0.02)


def test_the_error_of_a_size_by_hand() -> None:
    """Two packings of 8 ions at 1 and 3: s^2 = 8 (1 + 1) / 1 = 16, so 4/sqrt(16) for both, 4/sqrt(50) for one of 50."""
    found = packings.compare_sizes({8: [Found(1.0), Found(3.0)], 50: [Found(2.0)], 16: [Found(np.nan)]})
    assert found.levels[8].stderr == pytest.approx(1.0)
    assert found.levels[50].stderr == pytest.approx(4 / np.sqrt(50))
    assert set(found.levels) == {8, 50}
    within = packings.compare_sizes({8: [Found(1.0, 6.0), Found(3.0, 8.0)], 50: [Found(2.0)]})
    assert within.levels[8].stderr == pytest.approx(5.0)
    with pytest.raises(ValueError, match="scatter is unknown"):
        packings.compare_sizes({8: [Found(1.0)], 50: [Found(2.0)]})


def test_what_too_few_packings_have_is_left_out_and_a_resolved_difference_is_bold() -> None:
    rows = [("near", 8, "a", 10.0, 0.01), ("near", 8, "b", 10.2, 0.01), ("near", 50, "c", 20.0, 0.01)]
    rows += [("rare", 8, "a", 1.0, 0.1), ("rare", 8, "b", np.nan, np.nan), ("rare", 50, "c", 1.0, 0.1)]
    found = size_table.by_size(pd.DataFrame(rows, columns=size_table.COLUMNS))
    assert set(found) == {"near"}
    # s^2 = 8 (0.1² + 0.1²) = 0.16; errors 0.4/4 and 0.4/sqrt(50); t of one degree of freedom
    assert found["near"].difference(8, 50) == pytest.approx((-9.9, 12.706 * np.hypot(0.1, 0.4 / np.sqrt(50))), rel=1e-3)
    (line,) = (line for line in convergence._sizes(found).splitlines() if "near" in line)
    assert "**−9.9 ± 1.5**" in line
    assert "near (57 %)" in convergence._bounds(found)


def test_a_spring_that_is_pulled_moves_as_far_as_foretold() -> None:
    """U = k x²/2, ΔU = -f x: the mean of x moves by f/k, exactly."""
    rng, k, force = np.random.default_rng(2), 40.0, 3.0
    x = rng.normal(scale=np.sqrt(KT / k), size=(2, 20_000))
    value, error = shifts.response([(one, -force * one) for one in x], TEMPERATURE)
    assert value == pytest.approx(force / k, abs=4 * error)
    assert error < 0.05 * force / k


def test_a_pressure_that_is_added_is_found_and_changes_the_volume_by_the_compressibility() -> None:
    """ΔU = -P V + noise that knows nothing of V adds P; var(V) of a liquid of known κ gives it back."""
    rng, kappa, volume, bar = np.random.default_rng(3), 6e-5, 28.0, 120.0
    scale = np.sqrt(kappa * shifts.BAR_PER_KJ_MOL_NM3 * KT * volume)
    volumes = rng.normal(volume, scale, size=(4, 5000))
    noise = rng.normal(scale=2.0, size=volumes.shape)
    replicas = [(v, -bar / shifts.BAR_PER_KJ_MOL_NM3 * v + e) for v, e in zip(volumes, noise, strict=True)]
    value, error = shifts.pressure_shift(replicas)
    assert value == pytest.approx(bar, abs=4 * error)
    assert 0 < error < 0.05 * bar
    found, of_found = shifts.compressibility(list(volumes), TEMPERATURE)
    assert found == pytest.approx(kappa, abs=4 * of_found)
    # Both ways to the volume at the added pressure: the response of V itself, and kappa times the pressure.
    direct, of_direct = shifts.response(replicas, TEMPERATURE)
    assert direct == pytest.approx(kappa * bar * volume, abs=4 * of_direct)


@pytest.fixture(scope="module")
def box() -> Box:
    return build_box(load_recipe("lb003"), seed=1, n_salt=8)


def test_the_pressure_of_the_tail_is_that_of_its_volume_law(box: Box) -> None:
    """The tail is -C/V: without it the pressure rises by C/V², found from energies at scaled volumes alone."""
    scales = np.linspace(0.99, 1.01, 11)
    configurations = [(np.diag(box.box_vectors) * s, box.positions * s) for s in scales]
    lj = Setting(has_charges=False)
    without, whole = (cutoffs.compute(box, s, configurations) for s in (replace(lj, has_tail=False), lj))
    volumes = np.array([edges.prod() for edges, _ in configurations])
    change = without.energies - whole.energies
    value, _ = shifts.pressure_shift([(volumes, change)])
    middle = len(scales) // 2
    assert change[middle] > 0
    assert value == pytest.approx(shifts.BAR_PER_KJ_MOL_NM3 * change[middle] / volumes[middle], rel=2e-3)


def test_the_settings_of_the_shipped_model_give_its_energy_and_charges_can_be_left_out(box: Box) -> None:
    """Of a System with its bonded forces in another group, the nonbonded energy is that of `compute`."""
    configuration = np.diag(box.box_vectors), box.positions
    system = openmm.XmlSerializer.clone(box.system)
    for force in system.getForces():
        force.setForceGroup(int(isinstance(force, openmm.NonbondedForce)))
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(box.positions)
    energy = context.getState(energy=True, groups={1}).getPotentialEnergy()._value
    (found,) = cutoffs.compute(box, Setting(), [configuration]).energies
    (uncharged,) = cutoffs.compute(box, Setting(has_charges=False), [configuration]).energies
    assert found == pytest.approx(energy, rel=1e-9)
    assert abs(uncharged - found) > 1000
    assert -uncharged < 10 * box.n_atoms


def test_molecules_are_made_whole_whatever_atom_crossed_the_boundary(box: Box) -> None:
    edges = np.diag(box.box_vectors)
    first = np.repeat([0, 2], 2)
    positions = np.array([[0.1, 0, 0], [0.1 + edges[0] - 0.2, 0, 0], [1.0, 1.0, 1.0], [1.1, 1.0, 1.0 - edges[2]]])
    whole = cutoffs._whole(positions, first, edges)
    assert whole[1] - whole[0] == pytest.approx([-0.2, 0, 0])
    assert whole[3] - whole[2] == pytest.approx([0.1, 0, 0])
