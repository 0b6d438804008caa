"""How many molecules there are, where that is known exactly, however fast or slowly they are switched."""

from collections import Counter

import numpy as np
import pytest
from grand_toys import KT, Kind, cosine, open_fluid
from pymbar.other_estimators import bar

from solvshell.md.grand.averages import average
from solvshell.md.grand.regions import Region, Slab, Sphere, WholeBox
from solvshell.md.grand.sampler import Sampler
from solvshell.md.grand.switching import INSTANTANEOUS, Schedule

SCHEDULES = [INSTANTANEOUS, Schedule(4, 4), Schedule(7, 6)]
NAMES = ["at once", "12 steps", "36 steps"]
#: of moves at once, which cost little, more are made
N_ATTEMPTS, N_AT_ONCE = 900, 2400
LENGTH, CUTOFF = 2.0, 0.9
VOLUME = LENGTH**3

#: around one atom that stays where it is there is a well, for molecules that hardly attract each other
SIGMA, DEPTH = 0.45, 3.0
WELL, PROBE = Kind(SIGMA, 36 * KT, masses=(0.0,)), Kind(SIGMA, DEPTH**2 / 36 * KT)


def n_attempts(schedule: Schedule) -> int:
    return N_ATTEMPTS if schedule.n_steps else N_AT_ONCE


def largest_error(schedule: Schedule) -> float:
    """Return the relative error beyond which an average says nothing."""
    return 0.25 if schedule.n_steps else 0.16


def pair_energy(r: np.ndarray | float) -> np.ndarray:
    """Return the energy in kT of a molecule at some distances from the well."""
    return np.where(r < CUTOFF, 4 * DEPTH * ((SIGMA / r) ** 12 - (SIGMA / r) ** 6), 0.0)


def configurational_integral() -> float:
    """Return the integral of exp(-beta u) over the cell, of one molecule with the well."""
    r = (np.arange(100_000) + 0.5) * CUTOFF / 100_000
    return float(VOLUME + 4 * np.pi * np.sum(r**2 * np.expm1(-pair_energy(r))) * CUTOFF / 100_000)


def well(activity: float, schedule: Schedule, seed: int) -> Sampler:
    kinds, activities = {"A": PROBE}, {"A": activity}
    return open_fluid(kinds, activities, schedule, room=6, length=LENGTH, cutoff=CUTOFF, seed=seed, closed=[WELL])[1]


def drawn_around_the_well(sampler: Sampler, rng: np.random.Generator) -> None:
    """Put the one molecule that is there where exp(-beta u) would have it, without dynamics."""
    positions = sampler._now().positions
    while True:
        away = (rng.random(3) - 0.5) * LENGTH
        if rng.random() * np.exp(DEPTH) < np.exp(-pair_energy(np.linalg.norm(away))):
            break
    positions[sampler._pool.molecules["A"][0]] = positions[0] + away
    sampler._context.setPositions(positions)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=NAMES)
def test_works_there_and_back_cross_at_the_exact_free_energy(schedule: Schedule) -> None:
    """BAR of insertions into the empty cell and deletions of one molecule, which is drawn exactly."""
    sampler, rng = well(1.0, schedule, seed=3), np.random.default_rng(5)
    insertions = [min(100, sampler.dry_switch("A", "insertion").work_kj_mol / KT) for _ in range(250)]
    sampler.slots.set_present("A", 0, True)
    deletions = []
    for _ in range(250):
        drawn_around_the_well(sampler, rng)
        deletions.append(sampler.dry_switch("A", "deletion").work_kj_mol / KT)
    found = bar(np.array(insertions), np.array(deletions))
    exact = -np.log(configurational_integral() / VOLUME)
    assert found["Delta_f"] == pytest.approx(exact, abs=3.5 * found["dDelta_f"])
    assert found["dDelta_f"] < 0.15
    # the switches are not reversible ones, so that a wrong acceptance has something to show in
    assert np.mean(insertions) + np.mean(deletions) > 1


@pytest.mark.parametrize("schedule", SCHEDULES, ids=NAMES)
def test_one_molecule_or_none(schedule: Schedule) -> None:
    """P(1) / P(0) = z times the integral of exp(-beta u), with a well that most switches are too fast for."""
    exact = 0.7
    sampler = well(exact / configurational_integral(), schedule, seed=8)
    counts = []
    for _ in range(2 * n_attempts(schedule)):
        sampler.attempt()
        sampler._context.getIntegrator().step(10)
        counts.append(sampler.occupancy.count("A"))
    blocks = [Counter(block.tolist()) for block in np.array_split(np.array(counts), 16)]
    logs = np.log([block[1] / block[0] for block in blocks])
    assert logs.mean() == pytest.approx(np.log(exact), abs=3.5 * logs.std(ddof=1) / 4)
    assert logs.std(ddof=1) / 4 < 0.12


#: two species at once: atoms, and rigid pairs with one heavy atom
ATOM, RIGID, SPRUNG = Kind(0.3, 0.0), Kind(0.3, 0.0, (12.0, 3.0)), Kind(0.3, 0.0, (6.0, 2.0), spring=4000.0)
HEIGHT = 1.5 * KT


def check_poisson(counts: list[int], mean: float, largest: float) -> None:
    """Compare mean and variance with those of a Poisson distribution, and refuse an average that says nothing."""
    blocks = np.array(counts[len(counts) % 10 :]).reshape(-1, 10)[5:]
    found, variance = average(blocks.mean(axis=1)), average(((blocks - mean) ** 2).mean(axis=1))
    assert found.mean == pytest.approx(mean, abs=3.5 * found.stderr)
    assert found.stderr < largest * mean
    assert variance.mean == pytest.approx(mean, abs=3.5 * variance.stderr)


def ideal_mixture(schedule: Schedule, pair: Kind, n_moves: int, largest: float) -> None:
    """Compare atoms and pairs that come and go in a field with Poisson distributions of mean z int exp(-beta u)."""
    kinds, means = {"A": ATOM, "B": pair}, {"A": 1.2, "B": 1.6}
    factors = {name: kind.mean_boltzmann_factor(HEIGHT, LENGTH) for name, kind in kinds.items()}
    activities = {name: mean / VOLUME / factors[name] for name, mean in means.items()}
    options = {"room": 12, "length": LENGTH, "cutoff": CUTOFF, "seed": 2, "field": cosine(HEIGHT, LENGTH)}
    context, sampler = open_fluid(kinds, activities, schedule, **options)
    counts: dict[str, list[int]] = {"A": [], "B": []}
    for _ in range(n_moves):
        sampler.attempt()
        context.getIntegrator().step(5)
        for name, n in sampler.occupancy.counts.items():
            counts[name].append(n)
    for name, mean in means.items():
        check_poisson(counts[name], mean, largest)


@pytest.mark.parametrize("pair", [RIGID, SPRUNG], ids=["rigid", "sprung"])
def test_an_ideal_gas_in_a_field_is_poisson_at_once(pair: Kind) -> None:
    ideal_mixture(INSTANTANEOUS, pair, N_AT_ONCE, largest_error(INSTANTANEOUS))


@pytest.mark.parametrize(("schedule", "pair"), [(SCHEDULES[1], RIGID), (SCHEDULES[2], SPRUNG)], ids=NAMES[1:])
def test_an_ideal_gas_in_a_field_is_poisson(schedule: Schedule, pair: Kind) -> None:
    """Whatever the switching time; masses and constraints cancel."""
    ideal_mixture(schedule, pair, N_ATTEMPTS, largest_error(schedule))


@pytest.mark.slow
@pytest.mark.parametrize(("schedule", "pair"), [(SCHEDULES[1], SPRUNG), (SCHEDULES[2], RIGID)], ids=NAMES[1:])
def test_an_ideal_gas_in_a_field_is_poisson_in_the_long_run(schedule: Schedule, pair: Kind) -> None:
    ideal_mixture(schedule, pair, 6 * N_ATTEMPTS, 0.1)


REGIONS = [Slab(0, 0.1, 0.5), Slab(1, 0.3, 0.9), Sphere((0.5, 0.5, 0.5), 0.9), Sphere(0, 0.7)]


@pytest.mark.parametrize("schedule", [INSTANTANEOUS, Schedule(4, 8)], ids=["at once", "24 steps"])
@pytest.mark.parametrize("region", REGIONS, ids=["slab in x", "slab in y", "sphere", "sphere around an atom"])
def test_the_region_does_not_matter(region: Region, schedule: Schedule) -> None:
    """Molecules that come and go in a part of the cell, and move on from there, fill all of it as they should."""
    mean = 2.0
    activity = mean / VOLUME / ATOM.mean_boltzmann_factor(HEIGHT, LENGTH)
    options = {"room": 16, "length": LENGTH, "cutoff": CUTOFF, "seed": 4, "field": cosine(HEIGHT, LENGTH)}
    closed = [Kind(0.3, 0.0, masses=(8.0,))]
    context, sampler = open_fluid({"A": ATOM}, {"A": activity}, schedule, region=region, closed=closed, **options)
    counts, outcomes = [], Counter()
    for _ in range(n_attempts(schedule)):
        outcomes[sampler.attempt().outcome] += 1
        context.getIntegrator().step(60)
        counts.append(sampler.occupancy.count("A"))
    check_poisson(counts, mean, largest_error(schedule))
    assert (outcomes["left_region"] > 0) == (schedule.n_steps > 0)


def test_the_whole_box_is_the_slab_of_all_of_it() -> None:
    """The same random numbers make the same moves: N and V of a region are those of one set of molecules."""
    rows = []
    for region in (WholeBox(), Slab(2, 0.0, 1.0)):
        options = {"room": 12, "length": LENGTH, "cutoff": CUTOFF, "seed": 4, "field": cosine(HEIGHT, LENGTH)}
        _, sampler = open_fluid({"A": ATOM}, {"A": 0.2}, Schedule(3, 4), region=region, **options)
        moves = [sampler.attempt() for _ in range(60)]
        rows.append([(move.kind, move.n_before, round(move.log_acceptance, 9), move.outcome) for move in moves])
    assert rows[0] == rows[1]
