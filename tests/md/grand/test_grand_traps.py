"""What goes wrong in grand-canonical simulations, one trap a test: velocities, explosions, barostats, copies."""

import threading
from dataclasses import dataclass, replace

import numpy as np
import openmm
import pytest
from grand_toys import KT, TEMPERATURE, Kind, open_fluid, plain_fluid

from solvshell.engine import advance
from solvshell.errors import Interrupted, InvalidInput
from solvshell.md.alchemy import Lambdas
from solvshell.md.grand import switching
from solvshell.md.grand.averages import average
from solvshell.md.grand.pool import N_GHOSTS, pool_system
from solvshell.md.grand.regions import WholeBox
from solvshell.md.grand.sampler import Sampler
from solvshell.md.grand.slots import FULL, OFF
from solvshell.md.grand.switching import INSTANTANEOUS, Schedule
from solvshell.units import BAR_PER_KJ_MOL_NM3

LENGTH, CUTOFF = 2.0, 0.9
ATOM, PAIR = Kind(0.3, 1.0, masses=(40.0,)), Kind(0.3, 0.8, masses=(20.0, 5.0))
KINDS = {"A": ATOM, "B": PAIR}


def fluid(schedule: Schedule, n: int = 8, **options: object) -> tuple[openmm.Context, Sampler]:
    """Return a fluid of atoms and rigid pairs with molecules there, each in a place of its own."""
    activities = {"A": 0.5, "B": 0.5}
    settings = {"room": 20, "length": LENGTH, "cutoff": CUTOFF, "seed": 5} | options
    context, sampler = open_fluid(KINDS, activities, schedule, **settings)
    positions, sites = sampler._now().positions, np.stack(np.meshgrid(*[np.arange(4)] * 3), axis=-1).reshape(-1, 3)
    for site, (name, molecule) in enumerate((name, molecule) for molecule in range(n) for name in KINDS):
        atoms = sampler._pool.molecules[name][molecule]
        positions[atoms] += sites[site] * 0.5 - positions[atoms].mean(axis=0)
        sampler.slots.set_present(name, molecule, True)
    context.setPositions(positions)
    context.setVelocitiesToTemperature(TEMPERATURE, 1)
    context.getIntegrator().step(200)
    return context, sampler


def positions_of(context: openmm.Context) -> np.ndarray:
    return np.array(context.getState(positions=True).getPositions(asNumpy=True)._value)


def velocities_of(context: openmm.Context) -> np.ndarray:
    return np.array(context.getState(velocities=True).getVelocities(asNumpy=True)._value)


def settings_of(context: openmm.Context, sampler: Sampler) -> dict[str, object]:
    """Return all that a move may change besides positions and velocities."""
    state = context.getState()
    barostats = [f for f in context.getSystem().getForces() if isinstance(f, openmm.MonteCarloBarostat)]
    return {
        "parameters": dict(context.getParameters()),
        "groups": context.getIntegrator().getIntegrationForceGroups(),
        "time": state.getTime()._value,
        "step": state.getStepCount(),
        "volume": state.getPeriodicBoxVolume()._value,
        "frequencies": [barostat.getFrequency() for barostat in barostats],
        "present": {name: mask.tolist() for name, mask in sampler.occupancy.present.items()},
    }


# -- velocities


def test_velocities_are_drawn_while_a_molecule_that_overlaps_is_off() -> None:
    """OpenMM shifts drawn velocities by half a step of the force: of 1e7 nm/ps and more, if the slot were on."""
    context, sampler = fluid(Schedule(4, 5))
    fastest = []
    real = Sampler._draw_velocities

    def watched(self: Sampler) -> None:
        real(self)
        fastest.append(np.abs(velocities_of(context)).max())

    sampler._draw_velocities = watched.__get__(sampler)
    for _ in range(60):
        sampler.attempt()
        assert np.abs(velocities_of(context)).max() < 6 * np.sqrt(KT / 5)
    assert len(fastest) > 100
    assert max(fastest) < 6 * np.sqrt(KT / 5)
    # and this is what the trap looks like
    positions = positions_of(context)
    real_one = sampler._pool.molecules["A"][np.flatnonzero(sampler.occupancy.present["A"])[0], 0]
    positions[sampler._pool.slots["A"]] = positions[real_one] + [0.02, 0, 0]
    context.setPositions(positions)
    sampler.slots.begin("A")
    sampler.slots.couple("A", FULL)
    context.setVelocitiesToTemperature(TEMPERATURE, 1)
    assert np.abs(velocities_of(context)).max() > 1e6


@pytest.mark.parametrize("schedule", [INSTANTANEOUS, Schedule(3, 5)], ids=["at once", "10 steps"])
def test_velocities_after_moves_have_the_temperature_and_keep_rigid_bonds(schedule: Schedule) -> None:
    context, sampler = fluid(schedule)
    kinetic, n_accepted = [], 0
    for _ in range(150):
        move = sampler.attempt()
        n_accepted += move.accepted
        if move.accepted and (schedule.n_steps or move.kind == "insertion"):
            kinetic.append(context.getState(energy=True).getKineticEnergy()._value)
        context.getIntegrator().step(2)
        ends = positions_of(context)[sampler._pool.molecules["B"]]
        np.testing.assert_allclose(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1), PAIR.length, atol=1e-5)
    degrees = 3 * (21 + 2 * 21) - 21
    assert n_accepted > 20
    assert 2 * np.mean(kinetic) / degrees == pytest.approx(KT, rel=4 * np.sqrt(2 / degrees / len(kinetic)))


# -- explosions


@pytest.mark.parametrize("steps", [1, 20])
@pytest.mark.parametrize("platform", ["Reference", "CPU"])
@pytest.mark.parametrize("kind", ["insertion", "deletion"])
def test_a_switch_that_explodes_costs_infinitely_and_is_undone(kind: str, platform: str, steps: int) -> None:
    """With a time step that is no number coordinates are none either: all is as before, and moves go on."""
    context, sampler = fluid(Schedule(4, steps), platform=platform, pressure=10.0)
    before, positions = settings_of(context, sampler), positions_of(context)
    n = context.getSystem().getNumParticles()
    kept = np.setdiff1d(np.arange(n), np.concatenate(list(sampler._pool.slots.values())))
    context.getIntegrator().setStepSize(np.nan)
    tried = sampler.dry_switch("B", kind)
    context.getIntegrator().setStepSize(0.004)
    assert tried.outcome == "exploded"
    assert tried.work_kj_mol == np.inf
    assert tried.log_acceptance == -np.inf
    assert not tried.accepted
    assert settings_of(context, sampler) == before
    np.testing.assert_allclose(positions_of(context)[kept], positions[kept], atol=1e-6 if platform == "CPU" else 0)
    outcomes = {sampler.attempt().outcome for _ in range(30)}
    assert outcomes <= {"accepted", "rejected"}
    advance(context, 50)


@dataclass(frozen=True)
class _Point(WholeBox):
    """A region in which one point is drawn."""

    point: tuple[float, ...]

    def draw(self, *_: object) -> np.ndarray:
        return np.array(self.point)


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
@pytest.mark.parametrize("away", [0.0, 1e-4, 0.03])
def test_a_move_at_once_onto_another_molecule_is_never_accepted(away: float, platform: str) -> None:
    """Atoms at the very same place: no number, which is no energy to compare with; and near it: a huge one."""
    context, sampler = fluid(INSTANTANEOUS, platform=platform)
    there = positions_of(context)[sampler._pool.molecules["A"][0, 0]]
    point = _Point(tuple(there + np.array([away, 0, 0])))
    sampler.open_species = {"A": replace(sampler.open_species["A"], region=point, activity=1e6)}
    tried = [sampler.attempt() for _ in range(10)]
    insertions = [move for move in tried if move.kind == "insertion"]
    assert insertions
    assert all(move.work_kj_mol > 1e4 and not move.accepted for move in insertions)
    if away:  # else the slot, though off, is where no force is a number
        advance(context, 10)


@pytest.mark.parametrize(("epsilon", "n_pieces"), [(10.0, 1), (1e5, 0)])
def test_a_switch_that_has_become_hopeless_is_given_up_before_atoms_move(
    epsilon: float, n_pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has only cost much is finished: where atoms could still go apart it may be worth it."""
    context, sampler = open_fluid(
        {"A": Kind(0.3, epsilon)}, {"A": 1.0}, Schedule(2, 1), room=2, length=LENGTH, cutoff=CUTOFF, seed=5
    )
    sampler.slots.set_present("A", 0, True)
    point = positions_of(context)[sampler._pool.molecules["A"][0, 0]] + [0.05, 0, 0]
    sampler.open_species["A"] = replace(sampler.open_species["A"], region=_Point(tuple(point)))
    works, pieces = [], []
    real = sampler.slots.jump
    monkeypatch.setattr(sampler.slots, "jump", lambda *how: works.append(real(*how)) or works[-1])
    monkeypatch.setattr(switching, "advance", lambda *how: pieces.append(how))
    tried = sampler.dry_switch("A", "insertion")
    assert len(pieces) == n_pieces
    assert (works[0] > 1e5) == (tried.outcome == "exploded") == (n_pieces == 0)
    assert works[0] > 20


# -- a signal in the midst of a switch


@pytest.mark.parametrize("kind", ["insertion", "deletion"])
def test_a_switch_that_is_stopped_leaves_all_as_it_was(kind: str) -> None:
    """Velocities, too; and `attempt` puts the generator back, so that the same move is made anew."""
    context, sampler = fluid(Schedule(6, 5), pressure=10.0)
    before, positions, velocities = settings_of(context, sampler), positions_of(context), velocities_of(context)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        sampler._try(sampler.open_species["B"], kind, stop, may_accept=True)
    kept = np.setdiff1d(np.arange(len(positions)), np.concatenate(list(sampler._pool.slots.values())))
    assert settings_of(context, sampler) == before
    np.testing.assert_array_equal(positions_of(context)[kept], positions[kept])
    np.testing.assert_array_equal(velocities_of(context), velocities)
    generator = sampler._generator.bit_generator.state
    with pytest.raises(Interrupted):
        sampler.attempt(stop)
    assert sampler._generator.bit_generator.state == generator


# -- barostat


@pytest.mark.parametrize(
    ("ideal", "scales_molecules", "n", "n_ghosts", "n_volumes"),
    [
        pytest.param(Kind(0.3, 0.0), True, 30, 44, 1000, id="molecules"),
        pytest.param(Kind(0.3, 0.0, (20.0, 20.0), 0.15, spring=2000.0), False, 30, 15, 600, id="atoms"),
    ],
)
def test_ghosts_do_not_push_a_barostat(
    ideal: Kind, scales_molecules: bool, n: int, n_ghosts: int, n_volumes: int
) -> None:
    """30 ideal molecules, ghosts and the slot: <V> = 31 kT / P, and not 76 kT / P; as in a network, scaled by atoms."""
    volume = 27.0
    pressure = (n + 1) * KT / volume * BAR_PER_KJ_MOL_NM3
    settings = {"room": n + n_ghosts, "length": 3.0, "cutoff": 0.3, "seed": 3, "pressure": pressure}
    settings["scales_molecules"] = scales_molecules
    context, sampler = open_fluid({"A": ideal}, {"A": 1.0}, INSTANTANEOUS, **settings)
    for molecule in range(n):
        sampler.slots.set_present("A", molecule, True)
    assert context.getParameter(N_GHOSTS) == n_ghosts + 1
    volumes = []
    for _ in range(n_volumes):
        context.getIntegrator().step(6)
        volumes.append(context.getState().getPeriodicBoxVolume()._value)
    found = average(np.array(volumes[50:]))
    assert found.mean == pytest.approx(volume, abs=3.5 * found.stderr)
    assert found.stderr < 0.05 * volume


def test_the_volume_stands_still_in_a_switch_and_moves_between_them() -> None:
    context, sampler = fluid(Schedule(4, 10), pressure=40.0, length=2.8)
    barostat = next(f for f in context.getSystem().getForces() if isinstance(f, openmm.MonteCarloBarostat))
    volumes, within = [], []
    real = sampler.slots.jump

    def watched(species: str, lambdas: Lambdas) -> float:
        within.append((context.getState().getPeriodicBoxVolume()._value, barostat.getFrequency()))
        return real(species, lambdas)

    sampler.slots.jump = watched
    for _ in range(20):
        before = context.getState().getPeriodicBoxVolume()._value
        move = sampler.attempt()
        assert context.getState().getPeriodicBoxVolume()._value == before == pytest.approx(move.volume_nm3)
        assert barostat.getFrequency() == 1
        context.getIntegrator().step(10)
        volumes.append(before)
    assert len(within) >= 4 * 15
    assert {frequency for _, frequency in within} == {0}
    assert {volume for volume, _ in within} <= set(volumes)
    assert len(set(volumes)) > 10


# -- what is copied, and what is refused


def test_what_removes_the_momentum_of_all_is_taken_out() -> None:
    """It would count the mass of ghosts, and has no time reversal."""
    plain, molecules = plain_fluid(KINDS, LENGTH, CUTOFF)
    plain.addForce(openmm.CMMotionRemover(1))
    system, _ = pool_system(plain, molecules, {"A": 3, "B": 3})
    assert not any(isinstance(force, openmm.CMMotionRemover) for force in system.getForces())
    assert any(isinstance(force, openmm.CMMotionRemover) for force in plain.getForces())


def test_molecules_that_are_added_have_the_masses_and_constraints_of_the_first() -> None:
    """Heavy hydrogens and rigid bonds cancel only if the molecules and those of the gas have the same."""
    plain, molecules = plain_fluid({"B": PAIR, "C": Kind(0.3, 1.0, (7.0, 9.0), spring=400.0)}, LENGTH, CUTOFF)
    system, pool = pool_system(plain, molecules, {"B": 4, "C": 3})
    rigid = {tuple(sorted(system.getConstraintParameters(i)[:2])) for i in range(system.getNumConstraints())}
    bonds = next(force for force in system.getForces() if isinstance(force, openmm.HarmonicBondForce))
    sprung = {tuple(sorted(bonds.getBondParameters(i)[:2])) for i in range(bonds.getNumBonds())}
    of_kind = {name: [*map(tuple, pool.molecules[name].tolist()), tuple(pool.slots[name])] for name in ("B", "C")}
    assert rigid == {tuple(map(int, row)) for row in of_kind["B"]}
    assert sprung == {tuple(map(int, row)) for row in of_kind["C"]}
    for name, masses in (("B", (20.0, 5.0)), ("C", (7.0, 9.0))):
        for row in of_kind[name]:
            assert tuple(system.getParticleMass(int(atom))._value for atom in row) == masses
    every = np.concatenate([np.ravel(rows) for rows in of_kind.values()])
    assert sorted(every.tolist()) == list(range(pool.n_atoms)) == list(range(system.getNumParticles()))


def test_a_charged_molecule_is_refused() -> None:
    """Its box would not be neutral at every lambda: a plasma term, and a chemical potential shifted by O(1/L)."""
    plain, molecules = plain_fluid({"A": ATOM}, LENGTH, CUTOFF)
    nonbonded = plain.getForce(0)
    nonbonded.setNonbondedMethod(openmm.NonbondedForce.PME)
    nonbonded.setParticleParameters(0, 1.0, 0.3, 1.0)
    with pytest.raises(InvalidInput, match=r"A: a molecule must be neutral, it has \+1.000 e"):
        pool_system(plain, molecules, {"A": 3})


def test_a_force_that_cannot_be_copied_is_refused() -> None:
    plain, molecules = plain_fluid({"A": ATOM}, LENGTH, CUTOFF)
    plain.addForce(openmm.GBSAOBCForce())
    with pytest.raises(InvalidInput, match="cannot get more molecules"):
        pool_system(plain, molecules, {"A": 3})


# -- no idle molecule left


def test_a_pool_that_is_used_up_says_so() -> None:
    """Before a move: an insertion that is accepted needs an idle molecule."""
    _, sampler = open_fluid(
        {"A": Kind(0.3, 0.0), "B": PAIR}, {"A": 50.0, "B": 0.1}, INSTANTANEOUS, room=3, length=2.0, cutoff=0.9, seed=1
    )
    assert sampler.lacks_room is None
    while sampler.lacks_room is None:
        sampler.attempt()
    assert sampler.lacks_room == "A"
    assert sampler.occupancy.count("A") == 3
    with pytest.raises(ValueError, match="A: no idle molecule"):
        [sampler.attempt() for _ in range(200)]


def test_between_moves_every_slot_is_off() -> None:
    context, sampler = fluid(Schedule(3, 4))
    for _ in range(20):
        sampler.attempt()
        for name in KINDS:
            assert context.getParameter(sampler._pool.coupled(name)) == OFF.lennard_jones
        groups = context.getIntegrator().getIntegrationForceGroups()
        assert not any(groups >> group & 1 for group in sampler._pool.slot_groups)


def test_species_are_tried_as_often_as_their_weights_say() -> None:
    """Their numbers do not depend on it: an ideal gas of both has the same."""
    ideal = Kind(0.3, 0.0)
    settings = {"room": 30, "length": LENGTH, "cutoff": CUTOFF, "seed": 11}
    _, sampler = open_fluid({"A": ideal, "B": ideal}, {"A": 0.5, "B": 0.5}, INSTANTANEOUS, **settings)
    sampler.open_species["A"] = replace(sampler.open_species["A"], weight=3.0)
    tried, numbers = [], []
    for _ in range(4000):
        tried.append(sampler.attempt().species)
        numbers.append([sampler.occupancy.count("A"), sampler.occupancy.count("B")])
    share = np.mean([species == "A" for species in tried])
    assert abs(share - 0.75) < 4 * np.sqrt(0.75 * 0.25 / len(tried))
    for n in np.array(numbers, float).T:
        found = average(n)
        assert abs(found.mean - 0.5 * LENGTH**3) < 4 * found.stderr < 0.6 * LENGTH**3
