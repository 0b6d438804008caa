"""A free energy that is known comes back from windows drawn from it, with errors as large as the deviations."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from pymbar import MBAR
from scipy.stats import norm

from solvshell.errors import InvalidInput
from solvshell.free_energy.springs import springs_of
from solvshell.free_energy.states import refined
from solvshell.free_energy.umbrella import DISTANCE_COLUMNS, NUMBER_COLUMNS, Profile, umbrella_profile
from solvshell.protocol import load_protocol
from solvshell.stages import Umbrella
from solvshell.units import kT_kj_mol

KT = kT_kj_mol(298.15)
N_ROWS = 160
R, NUMBER = np.linspace(1.4, 10, 4301), np.linspace(0, 9, 4501)


def stage_of(name: str) -> Umbrella:
    stage = load_protocol(name).stages[-1]
    assert isinstance(stage, Umbrella)
    return stage.model_copy(update={"sample": N_ROWS * stage.record_interval})


def potential(r: np.ndarray) -> np.ndarray:
    """Return a well and a barrier in kJ/mol, flat from 4 Å."""
    return 12 * np.exp(-(((r - 2.9) / 0.35) ** 2)) - 15 * np.exp(-(((r - 2.1) / 0.25) ** 2))


def draw(density: np.ndarray, grid: np.ndarray, memory: float, rng: np.random.Generator) -> np.ndarray:
    """Return values of a density, each correlated with the one before by `memory`: a Gaussian chain behind them."""
    z = rng.normal(size=N_ROWS)
    for before, after in pairwise(range(N_ROWS)):
        z[after] = memory * z[before] + np.sqrt(1 - memory**2) * z[after]
    cumulative = np.cumsum(density) / density.sum()
    return np.interp(norm.cdf(z), cumulative, grid)


def distances(stage: Umbrella, rng: np.random.Generator, memory: float = 0.8) -> pd.DataFrame:
    drawn = [
        draw(R**2 * np.exp(-(potential(R) + spring / 200 * (R - 10 * at) ** 2) / KT), R, memory, rng)
        for at, spring in stage.visits
    ]
    return pd.DataFrame({"window": np.repeat(range(len(drawn)), N_ROWS), "distance_angstrom": np.concatenate(drawn)})


def gaussian(mean: float, sigma: float) -> np.ndarray:
    return norm.pdf(NUMBER, mean, sigma)


def numbers(stage: Umbrella, density: np.ndarray, memory: float, rng: np.random.Generator) -> pd.DataFrame:
    drawn = [
        draw(density * np.exp(-spring / 2 * (NUMBER - at) ** 2 / KT), NUMBER, memory, rng)
        for at, spring in stage.visits
    ]
    return pd.DataFrame({"window": np.repeat(range(len(drawn)), N_ROWS), "coordination_number": np.concatenate(drawn)})


def deviations(found: Profile) -> np.ndarray:
    """Return the deviations of W(r) from the potential in standard errors."""
    known = found.table[found.table.stderr_kj_mol.notna()]
    zero = np.linspace(*found.zero, 200)
    expected = potential(known.r_angstrom) + KT * np.log(np.mean(np.exp(-potential(zero) / KT)))
    return ((known.w_kj_mol - expected) / known.stderr_kj_mol).to_numpy()


def test_a_known_potential_comes_back_within_its_errors() -> None:
    stage, rng = stage_of("umbrella-quick"), np.random.default_rng(1)
    found = [umbrella_profile(distances(stage, rng), stage, 12.0, seed) for seed in range(4)]
    z = np.concatenate([deviations(profile) for profile in found])
    assert 0.5 < np.sqrt(np.mean(z**2)) < 1.2  # the error is the larger of two, and so too large on average
    assert np.mean(np.abs(z) > 2) < 0.06
    assert list(found[0].table.columns) == DISTANCE_COLUMNS
    assert found[0].zero == pytest.approx((7.65, 8.15))
    assert found[0].table.stderr_kj_mol.median() < 3
    well = found[0].table.iloc[found[0].table.w_kj_mol.argmin()]
    assert well.r_angstrom == pytest.approx(2.1, abs=0.11)


def test_the_growing_shell_is_taken_off() -> None:
    """Of a pair that feels nothing W(r) is flat, while F(r) falls by 2 kT ln r."""
    stage, rng = stage_of("umbrella-quick"), np.random.default_rng(2)
    drawn = [draw(R**2 * np.exp(-spring / 200 * (R - 10 * at) ** 2 / KT), R, 0.0, rng) for at, spring in stage.visits]
    records = pd.DataFrame({"window": np.repeat(range(len(drawn)), N_ROWS), "r": np.concatenate(drawn)})
    table = umbrella_profile(records, stage, 12.0).table
    table = table[table.stderr_kj_mol.notna()]
    slope = np.polyfit(np.log(table.r_angstrom), table.w_kj_mol, 1)[0]
    assert abs(slope) < 0.5 * 2 * KT
    assert np.mean((table.w_kj_mol / table.stderr_kj_mol) ** 2) < 2


def test_the_work_to_one_site_less_of_a_gaussian() -> None:
    """F = kT (n - m)^2 / 2 s^2, so that F(m - 1) - F(m) = kT / 2 s^2."""
    stage, rng = stage_of("desolvation-quick"), np.random.default_rng(3)
    z = []
    for seed in range(4):
        found = umbrella_profile(numbers(stage, gaussian(4.6, 0.45), 0.5, rng), stage, 12.0, seed)
        assert found.mean_number is not None
        assert found.work_kj_mol is not None
        z.append((found.mean_number.value - 4.6) / found.mean_number.stderr)
        z.append((found.work_kj_mol.value - KT / 2 / 0.45**2) / found.work_kj_mol.stderr)
    assert np.sqrt(np.mean(np.square(z))) < 1.5
    assert max(np.abs(z)) < 3.5
    assert found.work_kj_mol.stderr < 1.5
    assert list(found.table.columns) == NUMBER_COLUMNS
    assert found.table.f_kj_mol[(found.table.coordination_number - 4.6).abs().argmin()] == pytest.approx(0, abs=0.4)


@pytest.mark.parametrize(
    "density",
    [
        0.7 * gaussian(4.8, 0.35) + 0.3 * gaussian(5.8, 0.3),
        0.3 * gaussian(4, 0.15) + 0.4 * gaussian(5, 0.15) + 0.3 * gaussian(6, 0.2),
        gaussian(5.6, 0.5),
    ],
)
def test_numbers_beyond_the_windows_leave_no_mean(density: np.ndarray) -> None:
    """The shipped windows hold all numbers that shells have; the same without those above 5.1 do not, and say so."""
    whole = stage_of("desolvation")
    groups = whole.coordinate.windows
    cut = whole.model_copy(
        update={
            "coordinate": whole.coordinate.model_copy(
                update={"windows": [groups[0].model_copy(update={"at": [5.1]}), *groups[1:]]}
            )
        }
    )
    found = [
        umbrella_profile(numbers(stage, density, 0.0, np.random.default_rng(10)), stage, 12.0) for stage in (cut, whole)
    ]
    assert found[0].status == "mean_not_covered"
    assert found[0].mean_number is None
    assert found[0].work_kj_mol is None
    assert not found[0].table.empty
    mean = np.average(NUMBER, weights=density)
    within = [density[np.abs(NUMBER - at) <= 0.1].mean() for at in (mean - 1, mean)]
    assert found[1].status == "resolved"
    assert found[1].mean_number is not None
    assert found[1].work_kj_mol is not None
    assert found[1].mean_number.value == pytest.approx(mean, abs=3 * found[1].mean_number.stderr)
    work = KT * np.log(within[1] / within[0])
    assert found[1].work_kj_mol.value == pytest.approx(work, abs=3 * found[1].work_kj_mol.stderr)


def test_two_series_that_differ_have_an_error_that_says_so() -> None:
    stage, rng = stage_of("umbrella-quick"), np.random.default_rng(4)
    records = distances(stage, rng)
    alike = umbrella_profile(records, stage, 12.0)
    inward = records.window >= stage.n_windows // 2
    records.loc[inward & records.distance_angstrom.between(2, 3.5), "distance_angstrom"] += 0.08
    differing = umbrella_profile(records, stage, 12.0)
    assert differing.hysteresis_kj_mol > 1.5 * alike.hysteresis_kj_mol
    inside = differing.table[differing.table.r_angstrom < 3]
    half = (inside.outward_kj_mol - inside.inward_kj_mol).abs() / 2
    known = inside.stderr_kj_mol.notna() & half.notna()
    assert (inside.stderr_kj_mol >= half - 1e-9)[known].all()
    assert inside.stderr_kj_mol[half.isna()].isna().all()  # what one way alone has met has no error
    assert differing.curve is not None
    spread = KT * np.ma.masked_invalid(differing.curve.samples_kt).std(axis=0, ddof=1)
    resolved = differing.table.stderr_kj_mol.notna().to_numpy()
    np.testing.assert_allclose(spread[resolved], differing.table.stderr_kj_mol[resolved])
    assert inside.stderr_kj_mol.mean() > 1.5 * alike.table[alike.table.r_angstrom < 3].stderr_kj_mol.mean()


def test_windows_that_do_not_overlap_give_no_curve() -> None:
    stage = stage_of("umbrella-quick")
    records = distances(stage, np.random.default_rng(5))
    records.loc[records.window.isin([0, stage.n_windows - 1]), "distance_angstrom"] -= 0.9
    found = umbrella_profile(records, stage, 12.0)
    assert found.status == "poor_overlap"
    assert found.table.empty
    assert found.windows.overlap_with_next[0] < 0.03 < found.windows.overlap_with_next[1]


def test_the_way_outward_alone_is_enough_and_named_so() -> None:
    stage = stage_of("umbrella-quick")
    records = distances(stage, np.random.default_rng(6), memory=0.0)
    outward = records[records.window < stage.n_windows // 2 + 3]
    found = umbrella_profile(outward, stage, 12.0)
    assert found.status == "one_series"
    assert len(found.windows) == stage.n_windows // 2
    assert found.table.inward_kj_mol.isna().all()
    assert np.sqrt(np.mean(deviations(found) ** 2)) < 1.6
    with pytest.raises(InvalidInput, match=f"17 of {stage.n_windows // 2} windows have been sampled so far"):
        umbrella_profile(records[records.window < 17], stage, 12.0)


def test_the_curve_ends_at_half_the_box() -> None:
    stage = stage_of("umbrella-quick")
    records = distances(stage, np.random.default_rng(7))
    found = umbrella_profile(records, stage, 6.0)
    assert found.zero == pytest.approx((5.15, 5.65))
    assert found.table.r_angstrom.max() == pytest.approx(5.975)
    with pytest.raises(InvalidInput, match=r"all windows lie beyond half the box, 2\.0 Å"):
        umbrella_profile(records, stage, 2.0)


def test_free_energies_from_a_start_nearby_are_those_of_pymbar() -> None:
    stage = stage_of("umbrella-quick")
    springs = springs_of(distances(stage, np.random.default_rng(8)), stage)
    of_springs = springs.of_springs(springs.visits)
    reduced, counts = springs.reduced(np.concatenate(of_springs)), np.array([len(values) for values in of_springs])
    wanted = MBAR(reduced.T, counts).f_k
    start = wanted + np.random.default_rng(9).normal(size=len(wanted))
    np.testing.assert_allclose(refined(reduced, counts, start), wanted, atol=1e-4)
