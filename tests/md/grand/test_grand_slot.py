"""A slot at lambda 1 is an ordinary molecule, one at 0 an ideal one, and a ghost is nothing: in energies and forces."""

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
import openmm
import pytest
from slot_bench import (
    OPEN,
    SCALE,
    Bench,
    alone,
    both,
    context_of,
    energy,
    force_of,
    forces,
    model,
    plain_answer,
    same_forces,
    without,
)
from small_boxes import liquid

from solvshell.md.alchemy import Lambdas
from solvshell.md.grand.pool import GHOST_GROUP, NONBONDED_GROUP, TAIL_GROUP
from solvshell.md.grand.slots import FULL, OFF
from solvshell.md.grand.switching import lambdas_at
from solvshell.occupancy import Occupancy


@pytest.mark.parametrize("switch", [True, False])
def test_with_all_slots_off_it_is_the_plain_model(switch: bool) -> None:
    """Besides what ghosts have inside: energy with its tail, and forces, in which ghosts are not felt."""
    bench = Bench(model(1e-7, switch, sums="Ewald"))
    expected, felt = plain_answer(switch)
    found, feels = both(bench.context)
    assert found == pytest.approx(expected + bench.own_energy_of_ghosts(), abs=1e-4)
    np.testing.assert_allclose(feels[: len(felt)], felt, atol=1e-3)


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize("sums", ["Ewald", pytest.param("PME", marks=pytest.mark.slow)])
def test_a_slot_at_one_is_an_ordinary_molecule(name: str, sums: str) -> None:
    """To 1e-4 kJ/mol, in the place of either molecule of its species, in energy, tail and forces; and changed back."""
    bench = Bench(model(1e-7, sums=sums))
    expected, felt = plain_answer(sums=sums)
    expected += bench.own_energy_of_ghosts()
    for molecule in (0, 1):
        bench.swap(name, molecule)
        found, feels = both(bench.context)
        assert found == pytest.approx(expected, abs=1e-4)
        same_forces(bench, feels, name, molecule, felt)
        bench.swap_back(name, molecule)
    assert energy(bench.context) == pytest.approx(expected, abs=1e-4)


def test_a_slot_at_one_is_an_ordinary_molecule_in_a_leaning_cell() -> None:
    """To 1e-2 kJ/mol, the error of PME sums that take no time."""
    plain, a = model(1e-5), SCALE * liquid().box_vectors[0, 0]
    plain.setDefaultPeriodicBoxVectors([a, 0, 0], [0.3 * a, a, 0], [-0.4 * a, 0.35 * a, 0.9 * a])
    bench = Bench(plain)
    expected, felt = both(context_of(plain, liquid().positions))
    expected += bench.own_energy_of_ghosts()
    bench.swap("EC", 1)
    found, feels = both(bench.context)
    assert found == pytest.approx(expected, abs=1e-2)
    same_forces(bench, feels, "EC", 1, felt, atol=0.1)


def test_slots_of_two_species_at_once_are_ordinary_molecules_but_for_each_other() -> None:
    """Index offsets: the slot of one species does not change with the lambdas of another."""
    bench = Bench(model())
    for name in OPEN:
        before = energy(bench.context)
        bench.slots.couple(name, Lambdas(0.0, 0.5))
        assert abs(energy(bench.context, 1 << bench.pool.group(name))) > 1e-3
        others = [energy(bench.context, 1 << bench.pool.group(other)) for other in OPEN if other != name]
        assert others == [0.0, 0.0]
        bench.slots.couple(name, OFF)
        assert energy(bench.context) == before


@pytest.mark.parametrize("name", OPEN)
def test_the_way_there_is_the_sum_of_its_jumps(name: str) -> None:
    """What the jumps say, from a few small forces, is what all of the energy says; the way back takes it all back."""
    bench = Bench(model())
    start = energy(bench.context)
    bench.swap(name, 1)
    bench.slots.couple(name, OFF)
    off = energy(bench.context)
    shares = np.linspace(0, 1, 6)
    work = [bench.slots.jump(name, lambdas_at(share, True)) for share in shares[1:]]
    assert sum(work) == pytest.approx(start - off, abs=1e-4)
    back = [bench.slots.jump(name, lambdas_at(share, True)) for share in shares[-2::-1]]
    np.testing.assert_allclose(back[::-1], np.negative(work), atol=1e-6)


def test_sterics_come_before_charges_and_no_charge_is_on_a_soft_site() -> None:
    way = [lambdas_at(share, True) for share in np.linspace(0, 1, 101)]
    assert way[0] == OFF
    assert way[-1] == FULL
    for before, after in pairwise(way):
        assert after.lennard_jones >= before.lennard_jones
        assert after.charges >= before.charges
        assert after.charges == 0 or after.lennard_jones == 1
        assert (after.lennard_jones, after.charges) != (before.lennard_jones, before.charges)
    assert [lambdas_at(share, False).lennard_jones for share in (0, 0.3, 1)] == [0, 0.3, 1]


def test_the_box_is_neutral_at_every_lambda() -> None:
    """A net charge would cost a plasma term: the charges of a slot are scaled all alike, those of ghosts are zero."""
    bench = Bench(model())
    force = force_of(bench.system, openmm.NonbondedForce)
    n_offsets = force.getNumParticleParameterOffsets()
    offsets = [force.getParticleParameterOffset(index) for index in range(n_offsets)]
    for name in OPEN:
        own = [(atom, dq) for parameter, atom, dq, *_ in offsets if parameter == bench.pool.discharged(name)]
        assert [atom for atom, _ in own] == bench.pool.slots[name].tolist()
        base = np.array([force.getParticleParameters(atom)[0]._value for atom, _ in own])
        scale = np.array([dq for _, dq in own])
        np.testing.assert_allclose(scale, -base, atol=0)  # at discharged = 1 nothing is left, in between a share
        assert base.sum() == pytest.approx(0, abs=1e-6)
    net = sum(force.getParticleParameters(atom)[0]._value for atom in range(bench.pool.n_atoms))
    assert net == pytest.approx(0, abs=1e-6)
    bench.slots.set_present("EC", 0, False)
    net = sum(force.getParticleParameters(atom)[0]._value for atom in range(bench.pool.n_atoms))
    assert net == pytest.approx(0, abs=1e-6)


def test_ghosts_on_top_of_others_do_no_harm() -> None:
    """Not felt and not feeling, wherever they are; 1e-4 nm from another atom, too."""
    bench = Bench(model())
    n = len(liquid().positions)
    before = forces(bench.context)[:n]
    start = energy(bench.context)
    ghosts = [atoms for name in OPEN for atoms in (bench.pool.molecules[name][2], bench.pool.slots[name])]
    for target, atoms in enumerate(ghosts):
        bench.positions[atoms] += liquid().positions[target] - bench.positions[atoms[0]] + [1e-4, 0, 0]
    bench.context.setPositions(bench.positions)
    assert energy(bench.context) == pytest.approx(start, abs=1e-5)
    np.testing.assert_allclose(forces(bench.context)[:n], before, atol=1e-6)


def test_a_ghost_keeps_all_it_has_inside() -> None:
    """1-5 and longer pairs too: gone, a molecule loses what it has with others and nothing else."""
    bench = Bench(model(1e-7, tail=False, sums="Ewald"))
    before = bench.own_energy_of_ghosts()
    for molecule in (0, 1):
        bench.slots.set_present("DMC", molecule, False)
    atoms = [bench.pool.molecules["DMC"][j] for j in (0, 1)]
    inside = [alone(bench.molecules["DMC"][0], bench.positions[of_one]) for of_one in atoms]
    assert bench.own_energy_of_ghosts() == pytest.approx(before + sum(inside), abs=1e-6)
    shifted = bench.positions.copy()
    shifted[np.ravel(atoms)] += [0.3, 0.1, -0.7]
    start, felt = energy(bench.context), forces(bench.context)[np.ravel(atoms)]
    bench.context.setPositions(shifted)
    assert energy(bench.context) == pytest.approx(start, abs=1e-5)
    np.testing.assert_allclose(forces(bench.context)[np.ravel(atoms)], felt, atol=1e-4)
    assert np.abs(felt).max() > 100  # it is no gas of atoms
    rest = context_of(without(bench.plain, np.ravel(atoms).tolist()), liquid().positions)
    expected = energy(rest) + bench.own_energy_of_ghosts()
    assert start == pytest.approx(expected, abs=1e-4)


def real_tail(plain: openmm.System, atoms: Sequence[int]) -> float:
    """Return OpenMM's own tail, times the volume, of a system of only these atoms, of which no pair is near."""
    force = force_of(plain, openmm.NonbondedForce)
    energies = []
    for use in (True, False):
        system, nonbonded = openmm.System(), openmm.NonbondedForce()
        for atom in atoms:
            _, sigma, epsilon = force.getParticleParameters(atom)
            system.addParticle(1.0)
            nonbonded.addParticle(0.0, sigma, epsilon)
        nonbonded.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
        nonbonded.setCutoffDistance(force.getCutoffDistance())
        nonbonded.setUseSwitchingFunction(force.getUseSwitchingFunction())
        nonbonded.setSwitchingDistance(force.getSwitchingDistance())
        nonbonded.setUseDispersionCorrection(use)
        system.addForce(nonbonded)
        system.setDefaultPeriodicBoxVectors(*(10 * np.eye(3)))
        spread = 1.5 * np.stack(np.meshgrid(*[np.arange(6)] * 3), axis=-1).reshape(-1, 3)[: len(atoms)]
        energies.append(energy(context_of(system, spread)))
    return (energies[0] - energies[1]) * 1e3


@pytest.mark.parametrize("switch", [True, False])
@pytest.mark.parametrize(
    "gone", [{}, {"DMC": [0]}, {"EC": [0, 1], "DOL": [1]}, {"DMC": [0, 1], "EC": [0], "DOL": [0, 1]}]
)
def test_the_tail_is_that_of_an_ordinary_system_of_what_is_there(switch: bool, gone: dict[str, list[int]]) -> None:
    """OpenMM's own for a system of just the molecules present, at several compositions of a mixture."""
    bench = Bench(model(switch=switch))
    for name, molecules in gone.items():
        for molecule in molecules:
            bench.slots.set_present(name, molecule, False)
    lost = {int(atom) for name, molecules in gone.items() for j in molecules for atom in bench.molecules[name][j]}
    there = sorted(set(range(len(liquid().positions))) - lost)
    volume = bench.context.getState().getPeriodicBoxVolume()._value
    assert energy(bench.context, 1 << TAIL_GROUP) == pytest.approx(real_tail(bench.plain, there) / volume, abs=1e-6)


def test_without_a_tail_there_is_none() -> None:
    bench = Bench(model(tail=False))
    assert energy(bench.context, 1 << TAIL_GROUP) == 0
    assert not force_of(bench.system, openmm.NonbondedForce).getUseDispersionCorrection()
    assert not any(isinstance(force, openmm.CustomVolumeForce) for force in bench.system.getForces())


def test_exclusions_are_the_same_in_all_nonbonded_forces() -> None:
    """And every pair inside a molecule that comes and goes is one: a neighbor list is shared on a GPU."""
    bench = Bench(model())
    force = force_of(bench.system, openmm.NonbondedForce)
    expected = {tuple(sorted(force.getExceptionParameters(i)[:2])) for i in range(force.getNumExceptions())}
    soft = [other for other in bench.system.getForces() if isinstance(other, openmm.CustomNonbondedForce)]
    assert len(soft) == len(OPEN)
    for other in soft:
        found = [tuple(sorted(other.getExclusionParticles(i))) for i in range(other.getNumExclusions())]
        assert len(found) == len(expected)
        assert set(found) == expected
    for name in OPEN:
        for atoms in [*bench.pool.molecules[name].tolist(), bench.pool.slots[name].tolist()]:
            assert set(combinations(sorted(atoms), 2)) <= expected


def test_only_what_depends_on_lambda_is_evaluated() -> None:
    """A work is a small difference: bonds, angles and torsions, thousands of kJ/mol, take no part in it."""
    bench = Bench(model())
    groups = {force.getName(): force.getForceGroup() for force in bench.system.getForces()}
    assert {groups[name] for name in ("HarmonicBondForce", "HarmonicAngleForce", "PeriodicTorsionForce")} == {0}
    assert groups["NonbondedForce"] == NONBONDED_GROUP
    others = [force.getForceGroup() for force in bench.system.getForces()]
    assert {0, NONBONDED_GROUP, TAIL_GROUP} | bench.pool.slot_groups == set(others)
    assert GHOST_GROUP not in others  # at constant volume there is none
    asked: list[int] = []
    context = bench.context

    class Watched:
        def getState(self, **which: object) -> openmm.State:
            asked.append(which.get("groups", 0))
            return context.getState(**which)

        def __getattr__(self, name: str) -> object:
            return getattr(context, name)

    bench.slots._context = Watched()
    bench.slots.jump("EC", Lambdas(0.0, 0.5))
    bench.slots.jump("EC", Lambdas(0.0, 1.0))
    assert set(asked) <= {0, 1 << bench.pool.group("EC")}
    bench.slots.jump("EC", Lambdas(0.5, 1.0))
    assert set(asked) <= {0, 1 << bench.pool.group("EC"), 1 << NONBONDED_GROUP}


def test_the_work_of_a_jump_in_single_precision() -> None:
    """The CPU platform adds forces in single precision: the sum of 20 jumps is right to a fiftieth of kT."""
    exact, rounded = Bench(model()), Bench(model(), platform="CPU")
    for bench in (exact, rounded):
        bench.swap("DMC", 0)
        bench.slots.couple("DMC", OFF)
    works = [
        [bench.slots.jump("DMC", lambdas_at(share, True)) for share in np.linspace(0, 1, 21)[1:]]
        for bench in (exact, rounded)
    ]
    assert sum(works[1]) == pytest.approx(sum(works[0]), abs=0.05)


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_what_was_off_can_be_switched_on(platform: str) -> None:
    """OpenMM leaves out for good what it does not find when a context is made: that is made with all of it."""
    bench = Bench(model(), platform)
    start = energy(bench.context)
    nothing = Occupancy({name: np.zeros(3, bool) for name in OPEN})
    bench.slots.restore(nothing)
    assert energy(bench.context) != pytest.approx(start, abs=1.0)
    bench.slots.restore(bench.occupancy())
    assert energy(bench.context) == pytest.approx(start, abs=1e-2 if platform == "CPU" else 1e-9)
