"""Widom's insertions: exact for one particle, and what numbers of particles in the Lennard-Jones loop say."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from test_lennard_jones import ALLOWED

from solvshell.md.grand.lennard_jones import lennard_jones
from solvshell.md.grand.switching import Schedule
from solvshell.md.grand.widom import WidomEstimate, widom

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from argon import EPSILON, Argon, argon


def measured(box: Argon, n_frames: int, insertions: int, steps: int) -> WidomEstimate:
    return widom(
        box.context, box.sampler, "Ar", temperature=box.kelvin, n_frames=n_frames, insertions=insertions, steps=steps
    )


@pytest.mark.physics
def test_a_second_particle_has_the_second_virial_coefficient():
    """exp(-beta mu_ex) is a mean over the box of exp(-beta u): to all orders, with the tail of two less that of one."""
    temperature, length, cutoff = 1.0, 6.1, 3.0
    mayer = -4 * np.pi / 3 * 0.2**3 + sum(
        quad(lambda r: 4 * np.pi * r**2 * np.expm1(-4 * (r**-12 - r**-6) / temperature), *ends)[0]
        for ends in ((0.2, 1), (1, cutoff))
    )
    tail = 3 * 8 * np.pi / 3 * (cutoff**-9 / 3 - cutoff**-3) / length**3
    exact = EPSILON * (tail - temperature * np.log1p(mayer / length**3))
    found = measured(argon(temperature, -3.0, length, room=3, n=1), 200, 40, 0)
    assert found.status == "ok"
    assert found.counts == {"Ar": 1}
    assert found.n_insertions == 8000
    assert abs(found.mu_ex_kj_mol - exact) < ALLOWED * found.stderr_kj_mol
    assert 6 * found.stderr_kj_mol < abs(exact)


@pytest.mark.physics
def test_it_is_what_the_numbers_of_particles_at_equilibrium_say():
    """P(N + 1) / P(N) = z V / (N + 1) exp(-beta mu_ex), mu_ex of a particle put to N others."""
    temperature, length, n, beta_mu = 1.5, 6.1, 14, -3.0
    loop = lennard_jones(temperature=temperature, beta_mu=beta_mu, volume=length**3, n_moves=6_000_000)
    ratio = loop.probability[n + 1] / loop.probability[n] * (n + 1) / (np.exp(beta_mu) * length**3)
    exact = -EPSILON * temperature * np.log(ratio)
    error = EPSILON * temperature * np.hypot(*(loop.probability_stderr[k] / loop.probability[k] for k in (n, n + 1)))
    box = argon(temperature, beta_mu, length, room=n + 1, n=n)
    box.context.getIntegrator().step(3000)
    found = measured(box, 250, 25, 40)
    assert found.status == "ok"
    assert box.n == n
    assert abs(found.mu_ex_kj_mol - exact) < ALLOWED * np.hypot(found.stderr_kj_mol, error)
    assert np.hypot(found.stderr_kj_mol, error) < 0.1 * abs(exact)


def test_a_few_lucky_insertions_are_not_converged():
    box = argon(0.8, -3.0, 6.1, room=190, n=180)
    box.context.getIntegrator().step(500)
    found = measured(box, 12, 10, 5)
    assert found.n_effective < 50
    assert found.status == "not converged"
    assert "kJ/mol, not converged: fewer than 50 insertions make the average" in str(found)
    assert "of 120 insertions make the average)" in str(found)


def test_what_is_missing_is_named():
    frames = WidomEstimate("Ar", -0.244, 0.116, {"Ar": 13}, n_insertions=300, n_effective=248.0, n_independent=6.3)
    assert str(frames) == (
        "mu_ex of Ar in 13 Ar: -0.244 +- 0.116 kJ/mol, not converged: 6.3 independent frames, fewer than 10 "
        "(248 of 300 insertions make the average)"
    )
    assert " kJ/mol, ok (248 of 300 insertions" in str(replace(frames, n_independent=15.0))


def test_what_is_no_widom_insertion_is_refused():
    with pytest.raises(ValueError, match="Ar: Widom's insertions are instantaneous"):
        measured(argon(1.5, -3.0, 6.1, room=3, n=1, schedule=Schedule(2, 5)), 2, 1, 0)
    with pytest.raises(ValueError, match="at least two frames"):
        measured(argon(1.5, -3.0, 6.1, room=3, n=1), 1, 1, 0)
