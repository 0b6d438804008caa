"""How many molecules there are, where that is known exactly, however fast or slowly they are switched."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from grand_toys import KT, Kind, cosine, open_fluid
from pymbar.other_estimators import bar

from solvshell.md.alchemy import Lambdas
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

#: around one atom that stays where it is there is a well, for molecules that hardly attract each other; and a field
SIGMA, DEPTH, SLOPE = 0.45, 3.0, 2.0
WELL, PROBE = Kind(SIGMA, 36 * KT, masses=(0.0,)), Kind(SIGMA, DEPTH**2 / 36 * KT)


def n_attempts(schedule: Schedule) -> int:
    return N_ATTEMPTS if schedule.n_steps else N_AT_ONCE


def largest_error(schedule: Schedule) -> float:
    """Return the relative error beyond which an average says nothing."""
    return 0.35 if schedule.n_steps else 0.16


def energy(away: np.ndarray, center: float) -> np.ndarray:
    """Return the energy in kT of molecules at points (n, 3) from the middle of the well, which is at x = center."""
    r6 = (SIGMA**2 / (away**2).sum(axis=1)) ** 3
    of_well = np.where(r6 > (SIGMA / CUTOFF) ** 6, 4 * DEPTH * (r6**2 - r6), 0.0)
    return of_well + SLOPE * np.cos(2 * np.pi * (away[:, 0] + center) / LENGTH)


def configurational_integral(center: float) -> float:
    """Return the integral of exp(-beta u) over the cell, of one molecule."""
    axis = (np.arange(120) + 0.5) / 120 * LENGTH - LENGTH / 2
    points = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    return float(VOLUME * np.exp(-energy(points, center)).mean())


def well(ratio: float, schedule: Schedule, seed: int) -> tuple[Sampler, float]:
    """Return a sampler with P(1) / P(0) = ratio, and where along x the well is."""
    settings = {"room": 6, "length": LENGTH, "cutoff": CUTOFF, "closed": [WELL], "field": cosine(SLOPE * KT, LENGTH)}
    _, sampler = open_fluid({"A": PROBE}, {"A": 1.0}, schedule, seed=seed, **settings)
    center = sampler._now().positions[0, 0]
    activity = ratio / configurational_integral(center)
    sampler.open_species["A"] = replace(sampler.open_species["A"], activity=activity)
    return sampler, center


def drawn_exactly(center: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return points, from the middle of the well, where exp(-beta u) has one molecule."""
    points = (rng.random((400 * n, 3)) - 0.5) * LENGTH
    kept = np.log(rng.random(len(points))) + DEPTH + SLOPE < -energy(points, center)
    return points[kept][:n]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=NAMES)
def test_works_there_and_back_cross_at_the_exact_free_energy(schedule: Schedule) -> None:
    """BAR of insertions into the empty cell and deletions of one molecule, which is drawn exactly."""
    sampler, center = well(1.0, schedule, seed=3)
    insertions = [min(100, sampler.dry_switch("A", "insertion").work_kj_mol / KT) for _ in range(300)]
    sampler.slots.set_present("A", 0, True)
    deletions = []
    for away in drawn_exactly(center, 300, np.random.default_rng(5)):
        positions = sampler._now().positions
        positions[sampler._pool.molecules["A"][0]] = positions[0] + away
        sampler._context.setPositions(positions)
        deletions.append(sampler.dry_switch("A", "deletion").work_kj_mol / KT)
    assert len(deletions) == 300
    found = bar(np.array(insertions), np.array(deletions))
    exact = -np.log(configurational_integral(center) / VOLUME)
    assert found["Delta_f"] == pytest.approx(exact, abs=3.5 * found["dDelta_f"])
    assert found["dDelta_f"] < 0.15
    # the switches are not reversible ones, so that a wrong work has something to show in
    assert np.mean(insertions) + np.mean(deletions) > 1.5


def test_the_way_of_a_deletion_is_that_of_an_insertion_reversed() -> None:
    """Jumps of lambda and steps of dynamics between them, beginning and ending with a jump."""
    sampler, _ = well(1.0, Schedule(5, 3), seed=3)
    sampler.slots.set_present("A", 0, True)
    events: list[object] = []
    jump, context = sampler.slots.jump, sampler._context

    def watched(species: str, lambdas: Lambdas) -> float:
        events.append(context.getStepCount())
        events.append((context.getParameter(sampler._pool.coupled(species)), lambdas.lennard_jones))
        return jump(species, lambdas)

    sampler.slots.jump = watched
    ways = []
    for kind in ("insertion", "deletion"):
        events.clear()
        sampler.dry_switch("A", kind)
        steps = np.array(events[::2]) - events[0]
        assert steps.tolist() == [0, 3, 6, 9, 12]
        ways.append(events[1::2])
    np.testing.assert_allclose(ways[0], [(k / 5, (k + 1) / 5) for k in range(5)])
    np.testing.assert_allclose(ways[1], [row[::-1] for row in ways[0][::-1]])


@pytest.mark.parametrize("schedule", SCHEDULES, ids=NAMES)
def test_one_molecule_or_none(schedule: Schedule) -> None:
    """P(1) / P(0) = z times the integral of exp(-beta u), which most switches are too fast for."""
    exact = 0.7
    sampler, _ = well(exact, schedule, seed=8)
    counts = []
    for _ in range(3 * n_attempts(schedule) // 2):
        sampler.attempt()
        sampler._context.getIntegrator().step(10)
        counts.append(sampler.occupancy.count("A"))
    blocks = [Counter(block.tolist()) for block in np.array_split(np.array(counts), 12)]
    logs = np.log([block[1] / block[0] for block in blocks])
    error = logs.std(ddof=1) / np.sqrt(len(logs))
    assert logs.mean() == pytest.approx(np.log(exact), abs=3.5 * error)
    assert error < 0.25


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
def test_an_ideal_gas_in_a_field_is_poisson_in_the_long_run() -> None:
    ideal_mixture(SCHEDULES[2], RIGID, 6 * N_ATTEMPTS, 0.15)


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
        move = sampler.attempt()
        outcomes[move.kind, move.outcome] += 1
        context.getIntegrator().step(60)
        counts.append(sampler.occupancy.count("A"))
    check_poisson(counts, mean, largest_error(schedule))
    for kind in ("insertion", "deletion"):
        assert (outcomes[kind, "left_region"] > 0) == (schedule.n_steps > 0)


def test_the_whole_box_is_the_slab_of_all_of_it() -> None:
    """The same random numbers make the same moves: N and V of a region are those of one set of molecules."""
    rows = []
    for region in (WholeBox(), Slab(2, 0.0, 1.0)):
        options = {"room": 12, "length": LENGTH, "cutoff": CUTOFF, "seed": 4, "field": cosine(HEIGHT, LENGTH)}
        _, sampler = open_fluid({"A": ATOM}, {"A": 0.2}, Schedule(3, 4), region=region, **options)
        moves = [sampler.attempt() for _ in range(60)]
        rows.append([(move.kind, move.n_before, round(move.log_acceptance, 9), move.outcome) for move in moves])
    assert rows[0] == rows[1]
