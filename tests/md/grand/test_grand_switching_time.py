"""<N> of argon, and the time that is found for its switches, do not depend on how it is switched."""

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from grand_toys import KT, Kind, open_fluid

from solvshell.md.grand.averages import average, ratio
from solvshell.md.grand.lennard_jones import lennard_jones
from solvshell.md.grand.regions import Region, Slab, Sphere
from solvshell.md.grand.switching import INSTANTANEOUS, Schedule
from solvshell.md.grand.tuning import TARGET_KT, DrySwitch, tune
from solvshell.units import kT_kj_mol

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from argon import SIGMA, Argon, argon

#: steps of 10 fs; an atom moves by its own size in 2 ps or so
SCHEDULES = [INSTANTANEOUS, Schedule(6, 10), Schedule(11, 10), Schedule(26, 10)]
TEMPERATURE, BETA_MU, LENGTH = 1.5, -3.0, 6.1


def numbers(box: Argon, n_moves: int) -> np.ndarray:
    """Return N after each move, between which there are a few steps of dynamics."""
    found = []
    for _ in range(n_moves):
        box.sampler.attempt()
        box.context.getIntegrator().step(10)
        found.append(box.n)
    return np.array(found)


@cache
def exact() -> float:
    """Return <N> of the Lennard-Jones loop, which is compared with published values elsewhere."""
    return lennard_jones(temperature=TEMPERATURE, beta_mu=BETA_MU, volume=LENGTH**3, n_moves=6_000_000).n.mean


def check(schedule: Schedule, n_moves: int, largest_error: float) -> None:
    expected = exact()
    box = argon(TEMPERATURE, BETA_MU, LENGTH, room=60, n=round(expected), schedule=schedule)
    found = average(numbers(box, n_moves).reshape(-1, 10).mean(axis=1))
    assert found.mean == pytest.approx(expected, abs=3.5 * found.stderr)
    assert found.stderr < largest_error * expected


@pytest.mark.physics
def test_argon_that_is_switched_is_argon() -> None:
    check(Schedule(5, 6), 500, 0.2)


@pytest.mark.slow
@pytest.mark.physics
@pytest.mark.parametrize("schedule", SCHEDULES, ids=["at once", "half a ps", "1 ps", "2.5 ps"])
def test_the_number_of_argon_does_not_depend_on_the_switching_time(schedule: Schedule) -> None:
    check(schedule, 1600 if schedule.n_steps else 4000, 0.2)


@pytest.mark.physics
def test_two_kinds_of_argon_share_what_there_is_as_their_activities() -> None:
    """Alike but in name: together they are argon of the sum of both activities, in which each has its share."""
    kind, activity = Kind(SIGMA, KT / TEMPERATURE, masses=(40.0,)), float(np.exp(BETA_MU)) / SIGMA**3
    activities = {"A": activity / 4, "B": activity * 3 / 4}
    settings = {"room": 40, "length": LENGTH * SIGMA, "cutoff": 3 * SIGMA, "timestep": 0.01, "platform": "CPU"}
    kinds = {"A": kind, "B": kind}
    context, sampler = open_fluid(kinds, activities, Schedule(3, 5), tail=True, seed=7, **settings)
    counts = []
    for _ in range(900):
        sampler.attempt()
        context.getIntegrator().step(10)
        counts.append([sampler.occupancy.count(name) for name in kinds])
    a, b = np.array(counts[150:]).T
    together, share = average((a + b).reshape(-1, 10).mean(axis=1)), ratio(a.astype(float), a + b)
    assert together.mean == pytest.approx(exact(), abs=3.5 * together.stderr)
    assert together.stderr < 0.2 * exact()
    assert share.mean == pytest.approx(1 / 4, abs=3.5 * share.stderr)
    assert share.stderr < 0.06


@pytest.mark.slow
@pytest.mark.physics
@pytest.mark.parametrize("region", [Slab(2, 0.2, 0.6), Sphere((0.5, 0.5, 0.5), 0.8)], ids=["slab", "sphere"])
def test_argon_that_is_exchanged_in_a_part_of_the_box_fills_all_of_it(region: Region) -> None:
    kind = Kind(SIGMA, KT / TEMPERATURE, masses=(40.0,))
    settings = {"room": 50, "length": LENGTH * SIGMA, "cutoff": 3 * SIGMA, "timestep": 0.01, "platform": "CPU"}
    activities = {"A": float(np.exp(BETA_MU)) / SIGMA**3}
    context, sampler = open_fluid(
        {"A": kind}, activities, Schedule(8, 10), tail=True, seed=7, region=region, **settings
    )
    counts, outcomes = [], set()
    for _ in range(1500):
        outcomes.add(sampler.attempt().outcome)
        context.getIntegrator().step(50)
        counts.append(sampler.occupancy.count("A"))
    found = average(np.array(counts[200:]).reshape(-1, 10).mean(axis=1))
    assert "left_region" in outcomes
    assert found.mean == pytest.approx(exact(), abs=3.5 * found.stderr)
    assert found.stderr < 0.2 * exact()


def dry_switches(box: Argon) -> DrySwitch:
    """Return switches of argon that are undone, in kT."""

    def switch(schedule: Schedule, kind: str) -> float:
        box.context.getIntegrator().step(50)
        species = box.sampler.open_species["Ar"]
        box.sampler.open_species["Ar"] = replace(species, schedule=schedule)
        return box.sampler.dry_switch("Ar", kind).work_kj_mol / kT_kj_mol(box.kelvin)

    return switch


@pytest.mark.physics
def test_a_gas_is_exchanged_at_once() -> None:
    box = argon(1.5, -3.5, 6.1, room=30, n=10)
    box.context.getIntegrator().step(200)
    assert tune(dry_switches(box), 0.01, 100.0).schedule == INSTANTANEOUS


@pytest.mark.slow
@pytest.mark.physics
def test_a_liquid_is_exchanged_with_the_dissipation_that_was_aimed_at() -> None:
    """Measured anew, with other switches of the schedule that was found."""
    box = argon(0.9, -4.0, 6.1, room=184, n=182)
    box.context.getIntegrator().step(3000)
    switch = dry_switches(box)
    found = tune(switch, 0.01, 60.0)
    assert found.schedule.n_steps > 0
    works = np.array([[switch(found.schedule, kind) for kind in ("insertion", "deletion")] for _ in range(16)])
    error = np.hypot(found.stderr, works.std(ddof=1, axis=0).mean() / np.sqrt(2 * len(works)))
    assert works.mean() == pytest.approx(found.dissipation_kt, abs=3.5 * error)
    assert found.dissipation_kt == pytest.approx(TARGET_KT, abs=0.5)
