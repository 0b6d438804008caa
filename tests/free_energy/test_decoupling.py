"""Excess chemical potentials from samples: harmonic states and two ions with exact answers, and what is no answer."""

import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm
import pandas as pd
import pytest
from numpy.typing import NDArray
from openmm import unit
from scipy.signal import lfilter

from solvshell.errors import InvalidInput
from solvshell.files import validate
from solvshell.free_energy.decoupling import Medium, decoupling, samples_of
from solvshell.free_energy.decoupling_tables import decoupling_lines, write_decoupling
from solvshell.free_energy.states import independent, of_series, part, solve
from solvshell.free_energy.transfer import transfer
from solvshell.md.alchemy import Lambdas, alchemical_system, coupling_energies, lambda_parameters
from solvshell.stages import Decouple
from solvshell.units import kT_kj_mol

KT = kT_kj_mol(298.15)
MEDIUM = Medium({"Li": 8, "PF6": 8, "EC": 90}, {"Li": 0.8, "PF6": -0.8, "EC": 0.0}, 0.8)


def make_stage(charges: Sequence[float] = (1, 0.5, 0), lennard_jones: Sequence[float] = (1, 0.5, 0)) -> Decouple:
    content = {
        "kind": "decouple",
        "name": "decoupling",
        "temperature": "298.15 K",
        "pressure": "1 bar",
        "molecules": ["Li", "PF6"],
        "charges": list(charges),
        "lennard_jones": list(lennard_jones),
        "relax": "1 ps",
        "sample": "1 ps",
        "record_interval": "0.1 ps",
        "log_interval": "1 ps",
    }
    return validate(Decouple, content, "test")


def harmonic(stiffness: Sequence[float], n: int, seed: int, memory: float = 0.0, drift: float = 0.0) -> pd.DataFrame:
    """Return records of springs, stiffness in kT per length^2, visited down and up, with volumes of an ideal gas."""
    rng = np.random.default_rng(seed)
    k, rows = np.array(stiffness), []
    for window, index in enumerate([*range(len(k)), *reversed(range(len(k)))]):
        x = np.empty(n)
        noise = rng.normal(size=n)
        x[0] = noise[0]
        for i in range(1, n):
            x[i] = memory * x[i - 1] + np.sqrt(1 - memory**2) * noise[i]
        x *= (1 + drift * (window >= len(k))) / np.sqrt(k[index])
        energies = 0.5 * KT * (k - k[-1]) * x[:, None] ** 2
        rows += [(window, volume, *row) for volume, row in zip(rng.gamma(41, 1.0, size=n), energies, strict=True)]
    return pd.DataFrame(rows, columns=["window", "volume_nm3", *(f"energy_{i}_kj_mol" for i in range(len(k)))])


STRENGTHS = np.arange(4.0, -1, -1)
STIFFNESS = [60.0, 25.0, 10.0, 4.0, 2.0]
EXACT = 0.5 * KT * np.log(STIFFNESS[0] / STIFFNESS[-1])


def test_harmonic_states_have_their_exact_free_energies() -> None:
    found = decoupling(harmonic(STIFFNESS, 1000, seed=1), make_stage(), MEDIUM)
    assert found.status == "resolved"
    assert found.stderr_kj_mol < 0.08
    assert found.mu_ex_kj_mol == pytest.approx(EXACT, abs=4 * found.stderr_kj_mol)
    exact = 0.5 * KT * np.log(np.array(STIFFNESS) / STIFFNESS[-1])
    np.testing.assert_allclose(found.states.free_energy_kj_mol, exact, atol=0.2)
    steps = found.steps.set_index("step").free_energy_kj_mol
    assert steps["total"] == pytest.approx(steps["charges"] + steps["lennard_jones"])
    assert steps["lennard_jones"] == pytest.approx(exact[2], abs=0.2)
    assert list(found.states.n_recorded) == [2000] * 5


def test_errors_hold_the_truth_as_often_as_they_should() -> None:
    """Over many runs whose samples remember a few others, deviations are as large as the errors say."""
    pulls = []
    for seed in range(25):
        found = of_series(samples_of(harmonic(STIFFNESS, 150, seed, memory=0.6), make_stage()))
        pulls.append((KT * found.free_energy[-1, 0] - EXACT) / (KT * found.stderr[-1, 0]))
    assert 0.6 < np.sqrt(np.mean(np.square(pulls))) < 1.4


def remembering(n: int, seed: int) -> list[NDArray[np.float64]]:
    """Return series of u = a X, X Gaussian of variance 1: a third of it forgets slowly, the rest at once."""
    rng, memory, samples = np.random.default_rng(seed), 0.97, []
    for strength in STRENGTHS:
        slow = lfilter([np.sqrt(1 - memory**2)], [1, -memory], rng.normal(size=n + 500))[500:]
        x = np.sqrt(1 / 3) * slow + np.sqrt(2 / 3) * rng.normal(size=n) - strength
        samples.append(x[:, None] * STRENGTHS)
    return samples


def test_samples_between_independent_ones_are_not_thrown_away() -> None:
    """F = -a^2 / 2: all samples know it better than every g-th, and the error of these is not too small for them."""
    deviations, errors = [], []
    for seed in range(30):
        series = remembering(600, seed)
        found = of_series(series)
        deviations.append([found.free_energy[-1, 0] + 8, solve(independent(series)).free_energy[-1, 0] + 8])
        errors.append(found.stderr[-1, 0])
    of_all, of_some = np.sqrt(np.mean(np.square(deviations), axis=0))
    assert of_all < 0.75 * of_some
    assert 0.6 * np.mean(errors) < of_some < 2 * np.mean(errors)
    assert of_all < 1.2 * np.mean(errors)


def test_samples_that_remember_count_less() -> None:
    fresh = decoupling(harmonic(STIFFNESS, 600, seed=2), make_stage(), MEDIUM)
    slow = decoupling(harmonic(STIFFNESS, 600, seed=2, memory=0.95), make_stage(), MEDIUM)
    assert slow.n_independent < fresh.n_independent / 5
    assert slow.stderr_kj_mol > 2 * fresh.stderr_kj_mol


def coupled_linearly(n: int, slow: float, seed: int) -> pd.DataFrame:
    """Return records of u = a X with X Gaussian of variance 1, of which a share is the same all through a visit."""
    rng, strength, rows = np.random.default_rng(seed), STRENGTHS, []
    for window, index in enumerate([*range(5), *reversed(range(5))]):
        x = -strength[index] + np.sqrt(slow) * rng.normal() + np.sqrt(1 - slow) * rng.normal(size=n)
        energies = {f"energy_{i}_kj_mol": KT * strength[i] * x for i in range(5)}
        rows.append(pd.DataFrame({"window": window, "volume_nm3": 16.0, **energies}))
    return pd.concat(rows)


def test_what_a_visit_remembers_is_in_the_error() -> None:
    """F = -a^2 / 2; two visits know little of what each remembers, and yet more than MBAR knows from one of them."""
    exact, pulls, of_mbar = -8 * KT, [], []
    for seed in range(16):
        records = coupled_linearly(200, 0.1, seed)
        found = decoupling(records, make_stage(), MEDIUM)
        samples = samples_of(records, make_stage())
        away = found.mu_ex_kj_mol - exact
        pulls.append(away / found.stderr_kj_mol)
        of_mbar.append(away / (KT * solve(independent(samples)).stderr[-1, 0]))
    assert np.sqrt(np.mean(np.square(of_mbar))) > 2.4
    assert np.sqrt(np.mean(np.square(pulls))) < 1.6
    down, up = (np.diff(of_series(part(samples, *share)).free_energy[0]) for share in ((0, 0.5), (0.5, 1)))
    halves = KT * np.array([np.sqrt(np.sum((down - up) ** 2)), abs(np.sum(down - up))]) / 2
    assert found.stderr_kj_mol == pytest.approx(max(*halves, abs(away / of_mbar[-1])))
    steps = found.steps.set_index("step").stderr_kj_mol
    assert steps["charges"] >= KT * np.sqrt(np.sum(((down - up)[:2] / 2) ** 2)) - 1e-9
    assert steps["total"] == found.stderr_kj_mol


def test_images_that_nothing_screens_are_named() -> None:
    """-q^2 2.837 / 2 L of each ion; without other ions the number depends on the box."""
    records = harmonic(STIFFNESS, 50, seed=10)
    alone = replace(MEDIUM, counts={"Li": 1, "PF6": 1, "EC": 90})
    found = [decoupling(records, make_stage(), medium) for medium in (MEDIUM, alone)]
    assert [one.is_screened for one in found] == [True, False]
    wanted = -(0.8**2) * 2.837297 * 138.935458 / found[0].volume_nm3 ** (1 / 3)
    assert found[1].own_images_kj_mol == pytest.approx(wanted)
    assert "other ions of the box screen the images" in decoupling_lines(found[0])[-1]
    assert f"{wanted:.1f} kJ/mol over the dielectric constant" in decoupling_lines(found[1])[-1]
    neutral = decoupling(records, make_stage().model_copy(update={"molecules": ["EC"]}), MEDIUM)
    assert "the set has no ions" in decoupling_lines(neutral)[-1]


def test_states_apart_give_no_number() -> None:
    found = decoupling(harmonic([1e7, 25.0, 10.0, 4.0, 2.0], 200, seed=3), make_stage(), MEDIUM)
    assert found.status == "poor_overlap"
    assert found.smallest_overlap < 0.03
    assert np.isnan(found.mu_ex_kj_mol)
    assert np.isnan(found.stderr_kj_mol)
    steps = found.steps.set_index("step")
    assert steps.status["lennard_jones"] == "resolved"  # it is the charges that were too far apart
    assert steps.status["charges"] == "poor_overlap"
    assert np.isnan(transfer(found, found).as_they_are_kj_mol)
    assert transfer(found, found).status == "poor_overlap"


def test_a_run_too_short_or_drifting_says_so() -> None:
    assert decoupling(harmonic(STIFFNESS, 6, seed=4), make_stage(), MEDIUM).status == "too_few_samples"
    drifting = decoupling(harmonic(STIFFNESS, 800, seed=4, drift=0.12), make_stage(), MEDIUM)
    assert drifting.status == "drifting"
    halves = drifting.convergence[drifting.convergence.share_of_time == 0.5].free_energy_kj_mol
    assert np.diff(halves)[0] > 0.5
    assert list(halves) == [drifting.first_half_kj_mol, drifting.second_half_kj_mol]
    assert drifting.stderr_kj_mol == pytest.approx(np.diff(halves)[0] / 2)  # MBAR's is 0.1
    slow = decoupling(harmonic(STIFFNESS, 800, seed=4, drift=1.0), make_stage(), MEDIUM)
    assert slow.status == "too_few_samples"  # both visits of a state are two samples
    assert decoupling(harmonic(STIFFNESS, 1, seed=4), make_stage(), MEDIUM).status == "too_few_samples"


def test_volume_and_concentrations_are_those_without_the_ideal_molecules() -> None:
    """Ideal gas of 40 at p / kT = 1 with both molecules: <V^2> of 38 is 39 x 40."""
    found = decoupling(harmonic(STIFFNESS, 2000, seed=5), make_stage(), MEDIUM)
    volume = np.sqrt(39 * 40)
    assert found.volume_nm3 == pytest.approx(volume, rel=0.02)
    rows = found.composition.set_index("species")
    assert list(rows.n_with_set) == [8, 8, 90]
    assert list(rows.n_without_set) == [7, 7, 90]
    concentration = 8 / volume / 0.602214076
    assert rows.mol_per_l["Li"] == pytest.approx(concentration, rel=0.02)
    assert found.ideal_kj_mol == pytest.approx(2 * KT * np.log(concentration), abs=0.1)


def test_a_transfer_is_the_difference_of_two_media() -> None:
    a = decoupling(harmonic(STIFFNESS, 1000, seed=6), make_stage(), MEDIUM)
    b = decoupling(
        harmonic([90.0, *STIFFNESS[1:]], 1000, seed=7),
        make_stage(),
        replace(MEDIUM, counts=MEDIUM.counts | {"PF6": 16}),
    )
    moved = transfer(a, b)
    assert moved.at_equal_concentration_kj_mol == pytest.approx(0.5 * KT * np.log(1.5), abs=4 * moved.stderr_kj_mol)
    ideal = moved.as_they_are_kj_mol - moved.at_equal_concentration_kj_mol
    assert ideal == pytest.approx(KT * np.log(2), abs=0.1)
    assert moved.stderr_kj_mol == pytest.approx(np.hypot(a.stderr_kj_mol, b.stderr_kj_mol))
    with pytest.raises(InvalidInput, match="differ in molecules"):
        transfer(
            a, decoupling(harmonic(STIFFNESS, 50, 8), make_stage().model_copy(update={"molecules": ["EC"]}), MEDIUM)
        )
    for other, what in (
        (replace(b, ion_charge_scale=1.0), r"ion_charge_scale: 0\.8 and 1\.0"),
        (replace(b, pressure=None), "pressure .*: 1.0* and None"),
        (replace(b, temperature=310.0), r"temperature .*: 298\.15 and 310"),
    ):
        with pytest.raises(InvalidInput, match=f"the two runs differ in {what}"):
            transfer(a, other)


def test_what_is_written_says_what_is_no_number(tmp_path: Path) -> None:
    good = decoupling(harmonic(STIFFNESS, 400, seed=9), make_stage(), MEDIUM)
    poor = decoupling(harmonic([1e7, *STIFFNESS[1:]], 100, seed=9), make_stage(), MEDIUM)
    write_decoupling(good, tmp_path / "good")
    write_decoupling(poor, tmp_path / "poor")
    summary = json.loads((tmp_path / "good" / "decoupling.json").read_text())
    assert summary["mu_ex_kj_mol"] == pytest.approx(good.mu_ex_kj_mol)
    assert summary["ion_charge_scale"] == 0.8
    assert [row["n_without_set"] for row in summary["composition"]] == [7, 7, 90]
    steps = pd.read_csv(tmp_path / "good" / "decoupling.csv")
    assert steps.molecules.unique() == ["Li + PF6"]
    assert steps.free_energy_kj_mol.iloc[-1] == pytest.approx(good.mu_ex_kj_mol)
    assert json.loads((tmp_path / "poor" / "decoupling.json").read_text())["mu_ex_kj_mol"] is None
    assert decoupling_lines(good)[0] == (
        f"excess chemical potential of Li + PF6: {good.mu_ex_kj_mol:.1f} +- {good.stderr_kj_mol:.1f} kJ/mol"
    )
    assert "no number" in decoupling_lines(poor)[0]
    assert "poor_overlap" in decoupling_lines(poor)[1]


# -- two ions in a cell: every state can be integrated

SIDE = 1.3


def two_ions() -> openmm.System:
    """Return two atoms that attract each other by a few kT, charged and not, in a periodic cell."""
    system, force = openmm.System(), openmm.NonbondedForce()
    system.setDefaultPeriodicBoxVectors(*(SIDE * np.eye(3)))
    for charge in (0.25, -0.25):
        system.addParticle(20.0)
        force.addParticle(charge, 0.35, 3.0)
    force.setNonbondedMethod(openmm.NonbondedForce.PME)
    force.setCutoffDistance(0.6)
    force.setUseSwitchingFunction(True)
    force.setSwitchingDistance(0.5)
    system.addForce(force)
    return system


def context_of(system: openmm.System, integrator: openmm.Integrator) -> openmm.Context:
    return openmm.Context(system, integrator, openmm.Platform.getPlatform("Reference"))


def integrated(n: int) -> float:
    """Return the free energy in kT of the two ions above two ideal atoms, by the plain model on a grid of places."""
    context = context_of(two_ions(), openmm.VerletIntegrator(0.001))
    at = (np.arange(n) + 0.5) / n * SIDE / 2
    total, weight = 0.0, 0
    for i in range(n):
        for j in range(i + 1):
            for k in range(j + 1):
                same = len({i, j, k})
                count = {1: 1, 2: 3, 3: 6}[same]
                context.setPositions(np.array([[0, 0, 0], [at[i], at[j], at[k]]]))
                energy = context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
                total += count * np.exp(-energy / KT)
                weight += count
    return float(-np.log(total / weight))


def sampled(states: Sequence[Lambdas], n: int, seed: int) -> list[NDArray[np.float64]]:
    """Return reduced potentials of samples of each state by Langevin dynamics."""
    integrator = openmm.LangevinMiddleIntegrator(298.15, 10.0, 0.01)
    integrator.setRandomNumberSeed(seed)
    context = context_of(alchemical_system(copy.deepcopy(two_ions()), [[0], [1]]), integrator)
    context.setPositions(np.array([[0, 0, 0], [0.4, 0, 0]]))
    samples = []
    for state in states:
        for name, value in lambda_parameters(state).items():
            context.setParameter(name, value)
        rows = []
        for _ in range(n):
            integrator.step(20)
            rows.append(coupling_energies(context, states) / KT)
        samples.append(np.array(rows))
    return samples


@pytest.mark.slow
def test_two_ions_cost_what_the_integral_over_all_places_says() -> None:
    """From lambdas to free energy: both ions are decoupled, from each other and from all images, and nothing else."""
    states = [Lambdas(q, 1.0) for q in (1.0, 0.5, 0.0)] + [Lambdas(0.0, v) for v in (0.5, 0.2, 0.0)]
    found = solve(independent(sampled(states, 400, seed=1)))
    exact = integrated(14)  # 20 points give the same to 0.002
    assert found.stderr[-1, 0] < 0.2
    assert found.free_energy[-1, 0] == pytest.approx(exact, abs=3.5 * found.stderr[-1, 0])
