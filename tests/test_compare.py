"""Comparisons of runs whose differences are known, because their trajectories are made by hand."""

import json
import math
import re
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from page_addresses import addresses
from runs_by_hand import N_FRAMES, fake_run, other_box
from scipy import stats
from synthetic import only_ec, random_universe

from solvshell.analysis import analyze_run
from solvshell.analysis.cutoffs import Cutoff
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.peaks import Shell, first_shell
from solvshell.analysis.rdf import fine_counts
from solvshell.analysis.sites import select_sites
from solvshell.analysis.statistics import bootstrap_blocks
from solvshell.box import Box
from solvshell.cli import main
from solvshell.comparison import write_comparison
from solvshell.comparison.differences import NOTHING, Difference, answer, difference
from solvshell.comparison.energies import EnergyRows
from solvshell.comparison.free_energies import NO_FREE_ENERGIES
from solvshell.comparison.results import Comparison, compare_systems
from solvshell.comparison.rows import Row, attributed, differences
from solvshell.comparison.systems import controls_of, open_systems
from solvshell.comparison.words import attribution, budget_sentence, interval, missing_control, study_rows
from solvshell.errors import InvalidInput
from solvshell.joined.averages import Average, Value, average
from solvshell.joined.averages import from_series as value_of
from solvshell.joined.limits import limits_of
from solvshell.joined.numbers import Numbers
from solvshell.joined.recount import Pass, common_cutoffs, pool, recount
from solvshell.joined.systems import System
from solvshell.recipe import load_recipe
from solvshell.run import Run
from solvshell.study import PEAKS, StudyPeak, study_peak, verdict

N_LITHIUM = 7


# --- the arithmetic ---


def test_three_replicas_on_both_sides_are_welch() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(4.0, 0.1, 4), rng.normal(4.3, 0.3, 3)
    change = difference(average([Value(x) for x in b]), average([Value(x) for x in a]))
    expected = stats.ttest_ind(b, a, equal_var=False)
    assert change.basis == "replicas"
    assert change.value == pytest.approx(b.mean() - a.mean())
    assert (change.p_value, change.df) == pytest.approx((expected.pvalue, expected.df))
    assert (change.low, change.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_fewer_replicas_have_no_p_value_and_keep_their_asymmetry() -> None:
    system, reference = average([Value(2.0, 1.9, 2.3)]), average([Value(1.0, 0.6, 1.2)])
    change = difference(system, reference)
    assert (change.p_value, change.df, change.basis) == (None, None, "one run")
    assert change.low == pytest.approx(1.0 - math.hypot(0.1, 0.2))
    assert change.high == pytest.approx(1.0 + math.hypot(0.3, 0.4))
    two = average([Value(2.0, 1.9, 2.1), Value(4.0, 3.8, 4.2)])
    assert (two.mean, two.basis) == (3.0, "one run")
    assert two.high == pytest.approx(3.0 + math.hypot(0.1, 0.2) / 2)


def test_three_replicas_against_one_run_are_one_run() -> None:
    three = average([Value(1.0), Value(1.1), Value(1.2)])
    change = difference(three, average([Value(1.0, 0.9, 1.1)]))
    assert (change.basis, change.p_value) == ("one run", None)
    assert difference(three, NOTHING).basis == "replicas"
    assert difference(three, NOTHING).p_value is None


def test_what_is_not_known_is_not_zero() -> None:
    assert value_of(4.0, None, 1.0) == Value(4.0)
    assert value_of(4.0, math.nan, 1.0) == Value(4.0)
    unknown = average([Value(4.0)])
    assert (unknown.low, unknown.high, unknown.stderr) == (None, None, None)
    change = difference(unknown, average([Value(3.0, 2.9, 3.1)]))
    assert (change.value, change.low, change.excludes_zero) == (1.0, None, False)
    assert interval(change) == "+1.000 (no interval)"
    same = average([Value(4.0)] * 3)  # three copies are no three boxes
    assert difference(same, same).low is None
    assert (same.low, same.stderr) == (None, None)


def test_intervals_of_one_run_cover_the_truth() -> None:
    rng = np.random.default_rng(1)
    n_covered = 0
    for _ in range(400):
        a, b = rng.normal(4.0, 1.0, 12), rng.normal(4.5, 2.0, 20)
        one, other = (average([value_of(x.mean(), stats.sem(x), len(x))]) for x in (a, b))
        change = difference(other, one)
        assert change.low is not None
        assert change.high is not None
        n_covered += change.low <= 0.5 <= change.high
    assert 0.93 <= n_covered / 400 <= 0.99


def test_numbers_do_not_leave_their_range() -> None:
    assert value_of(0.1, 0.2, 3.0).low == 0.0
    assert 0.9 < value_of(0.9, 0.2, 3.0, highest=1.0).high < 1.0  # the interval of a share
    assert value_of(1.9, 0.2, 3.0, highest=2.0).high == 2.0


def change_of(value: float, half: float | None) -> Difference:
    limits = (None, None) if half is None else (value - half, value + half)
    return Difference(value, *limits, None, None, "one run")


@pytest.mark.parametrize(
    ("control", "said"),
    [
        (change_of(0.02, 0.005), "also"),  # excludes zero, same sign
        (change_of(0.04, 0.01), "also"),
        (change_of(0.02, 0.03), "cannot tell"),  # holds zero and the shift
        (change_of(0.001, 0.035), "cannot tell"),  # noise of either sign
        (change_of(-0.001, 0.035), "cannot tell"),
        (change_of(0.005, 0.01), "not shown"),  # excludes one as large
        (change_of(-0.005, 0.01), "not shown"),
        (change_of(-0.02, 0.01), "not shown"),  # the other way
        (change_of(0.04, None), "cannot tell"),
        (None, "cannot tell"),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_control_takes_a_shift_from_the_polymer(control: Difference | None, said: str, sign: int) -> None:
    if control and sign < 0:
        control = change_of(-control.value, control.high - control.value if control.high is not None else None)
    assert answer(change_of(sign * 0.04, 0.01), control) == said


def test_the_error_of_a_run_is_its_own() -> None:
    one = average([value_of(4.0, 0.3, 2.0)])  # one degree of freedom: the interval is 12.7 errors wide on each side
    assert one.stderr == 0.3
    assert one.high is not None
    assert one.high > 4.0 + 10 * 0.3
    assert average([value_of(4.0, 0.3, 9.0), value_of(5.0, 0.4, 9.0)]).stderr == pytest.approx(0.25)
    means = [4.0, 4.2, 4.7]
    assert average([value_of(x, 0.3, 9.0) for x in means]).stderr == pytest.approx(stats.sem(means))
    assert average([value_of(4.0, 0.3, 9.0), Value(4.0, 3.0, 5.0)]).stderr is None


# --- systems and their controls ---


def system_of(name: str, counts: dict[str, int] | None = None, polymer: dict[str, Any] | None = None) -> System:
    """Return a system of a shipped recipe without a run behind it."""
    box = SimpleNamespace(recipe=load_recipe(name), counts=counts or {}, provenance={"polymer": polymer})
    flags = dict.fromkeys(("demonstration", "not_equilibrated", "no_plateau", "unresolved"), False)
    summary = {
        "composition": {"n_centers": {"Li": 8}}, "coordination": {"total": {"Li": {}}}, "source": {},
        "flags": flags | {"unresolved": [], "short_draws": []},
    }  # fmt: skip
    closed = SimpleNamespace(grand_canonical=None)
    run = SimpleNamespace(box=box, protocol=closed, is_outdated=lambda source: False)
    shown: Any = SimpleNamespace(run=run, summary=summary)
    return System(name, Path(name), (shown,))


@pytest.mark.parametrize(
    ("polymer", "other", "is_control"),
    [
        ("lb003_pota-no3", "lb003_lino3", True),
        ("lb003_pota-no3", "lb003_pyr13-no3", True),
        ("lb003_pota-no3_network", "lb003_lino3", True),
        ("lb003_pota-no3", "lb003_ota-no3", False),  # the polycation, as a monomer
        ("lb003_pota-no3", "lb003_cs", False),  # none of the counter-ion
        ("lb003_pota-no3", "lb003_rb", False),
        ("lb003_pota-no3", "lb003_pyr13", False),
        ("lb003_pota-no3", "lb003_pota-tfsi", False),
        ("lb003_pota-tfsi", "lb003_lino3", False),  # another anion
        ("lb003_pota-pf6", "lb003_lino3", False),
        ("lb003_pota-pf6", "lb003_pyr13", False),  # PF6 is in the reference too
    ],
)
def test_a_control_has_the_counter_ion_and_no_polycation(polymer: str, other: str, *, is_control: bool) -> None:
    systems = [system_of(name) for name in ("lb003", polymer, other)]
    assert [system.name for system in controls_of(systems[1], systems)] == [other] * is_control


def test_a_control_has_the_solvents_of_the_system() -> None:
    systems = [system_of(name) for name in ("ls002", "ls002_pota-no3", "lb003_lino3")]
    assert controls_of(systems[1], systems) == []


def test_a_reference_with_polycation_has_no_controls() -> None:
    systems = [system_of(name) for name in ("lb003_ota-no3", "lb003_pota-tfsi", "lb003_lino3")]
    assert controls_of(systems[1], systems) == []
    assert [system.has_polycation for system in systems] == [True, True, False]


SITES = {"EC": "carbonyl_o", "NO3": "nitrate_o", "PF6": "f", "POTA": "n_plus"}
CN = {name: ("Li", name, site) for name, site in SITES.items()}
COUNTS = {
    "lb003": {"Li": 8, "PF6": 8, "EC": 38, "DMC": 30, "EMC": 24},
    "lb003_pota-no3": {"Li": 8, "PF6": 8, "NO3": 18, "EC": 38, "DMC": 30, "EMC": 24},
    "lb003_pota-tfsi": {"Li": 8, "PF6": 8, "TFSI": 18, "EC": 38, "DMC": 30, "EMC": 24},
    "lb003_lino3": {"Li": 26, "PF6": 8, "NO3": 18, "EC": 38, "DMC": 30, "EMC": 24},
    "lb003_pyr13-no3": {"Li": 8, "PF6": 8, "NO3": 18, "PYR13": 18, "EC": 38, "DMC": 30, "EMC": 24},
    "lb003_ota-no3": {"Li": 8, "PF6": 8, "NO3": 18, "EC": 38, "DMC": 30, "EMC": 24},
}


def found_of(numbers: dict[str, dict[str, Value]]) -> Comparison:
    """Return a comparison of shipped recipes with these numbers of contacts by partner."""
    systems = [system_of(name, COUNTS[name]) for name in numbers]
    tables: list[Numbers] = [
        {CN[partner]: ("resolved", [value], {}) for partner, value in one.items()} for one in numbers.values()
    ]
    rows = attributed(differences(systems, tables, absent_is_zero=True), systems)
    return Comparison(
        systems, {}, [], rows, [], [], [], pd.DataFrame(), EnergyRows([], [], [], [], {}), NO_FREE_ENERGIES
    )


def about(mean: float, half: float) -> Value:
    return Value(mean, mean - half, mean + half)


def row_of(found: Comparison, system: str, partner: str) -> Row:
    return next(row for row in found.coordination if (row.system, row.key) == (system, CN[partner]))


def test_the_number_of_a_control_stands_beside_its_word() -> None:
    found = found_of({
        "lb003": {"EC": about(4.0, 0.04)},
        "lb003_pota-no3": {"EC": about(2.0, 0.1)},
        "lb003_lino3": {"EC": about(3.95, 0.005)},
        "lb003_pyr13-no3": {"EC": about(2.05, 0.1)},
        "lb003_ota-no3": {"EC": about(2.0, 0.1)},
    })  # fmt: skip
    said = attribution(found, row_of(found, "lb003_pota-no3", "EC"), 2)
    assert said is not None
    small, same = said.split("; ")
    # 0.05 of 2 is not "the same"; the reference is in both changes, and its error is not in the difference.
    assert small.startswith(
        "a smaller change of the same sign without polycation (lb003_lino3): −0.05 (−0.09 to −0.01)"
    )
    assert "polymer − control −1.95 (−2.05 to −1.85)" in small
    assert "its solvent : Li ratio is 3.5 against 11.5, so that it loses solvent by stoichiometry alone" in small
    assert same.startswith(
        "a change of the same sign without polycation, not told apart in size (lb003_pyr13-no3): −1.95"
    )
    assert "ratio" not in same
    assert "ota" not in said
    assert found.others == ["lb003_ota-no3"]
    assert attribution(found, row_of(found, "lb003_ota-no3", "EC"), 2) is None
    sentence = budget_sentence(found, "lb003_pota-no3", "Li")
    assert sentence.startswith("In these boxes, against lb003, Li in lb003_pota-no3 has lost contacts with EC")
    assert "lb003_lino3, without polycation, shows a smaller one for EC O(C=O) −0.05" in sentence
    assert "its NO3 : Li ratio is 0.7 against 2.2" in sentence
    assert "lb003_pyr13-no3, without polycation, shows the same for EC" in sentence
    assert "control" not in budget_sentence(found, "lb003_ota-no3", "Li")
    assert found.ratios(found.systems[2], "Li")["NO3"] == pytest.approx(18 / 26)


def test_the_ratio_said_is_that_of_the_partner() -> None:
    found = found_of({
        "lb003": {"PF6": about(1.0, 0.1), "EC": about(2.0, 0.1)},
        "lb003_pota-no3": {"NO3": about(2.0, 0.1), "PF6": about(0.2, 0.1), "EC": about(1.0, 0.1)},
        "lb003_lino3": {"NO3": about(1.0, 0.1), "PF6": about(1.0, 0.9), "EC": about(2.0, 0.1)},
    })  # fmt: skip
    nitrate = attribution(found, row_of(found, "lb003_pota-no3", "NO3"))
    assert nitrate is not None
    assert "meets less NO3 by stoichiometry alone" in nitrate
    assert "solvent" not in nitrate
    fluoride = attribution(found, row_of(found, "lb003_pota-no3", "PF6"))
    assert fluoride is not None
    assert fluoride.startswith("lb003_lino3, without polycation, cannot tell")
    assert "solvent : Li" in fluoride
    assert "NO3 : Li" in fluoride
    assert str(attribution(found, row_of(found, "lb003_pota-no3", "EC"))).startswith("not shown without polycation by")


def test_no_control_is_asked_about_the_polymer_itself() -> None:
    found = found_of({
        "lb003": {"EC": about(2.0, 0.1)},
        "lb003_pota-no3": {"EC": about(1.0, 0.1), "POTA": about(0.5, 0.1)},
        "lb003_lino3": {"EC": about(1.0, 0.1)},
    })  # fmt: skip
    assert attribution(found, row_of(found, "lb003_pota-no3", "POTA")) is None
    sentence = budget_sentence(found, "lb003_pota-no3", "Li")
    assert "has gained contacts with POTA" in sentence
    assert "cannot tell" not in sentence


def test_no_interval_is_not_no_shift() -> None:
    found = found_of({
        "lb003": {"EC": about(2.0, 0.1), "PF6": about(1.0, 0.5)},
        "lb003_pota-no3": {"EC": Value(1.0), "PF6": about(0.9, 0.5)},
        "lb003_lino3": {"EC": Value(1.0), "PF6": Value(1.0)},
    })  # fmt: skip
    assert attribution(found, row_of(found, "lb003_pota-no3", "EC")) == "no interval"
    assert attribution(found, row_of(found, "lb003_pota-no3", "PF6")) == "no shift beyond the error"
    sentence = budget_sentence(found, "lb003_pota-no3", "Li")
    assert "there is no interval for EC" in sentence
    assert "neither lost nor gained contacts with any partner that has an interval beyond" in sentence
    assert "beyond the error" not in budget_sentence(found, "lb003_lino3", "Li")


def test_a_missing_control_is_named() -> None:
    numbers = {"EC": about(2.0, 0.1)}, {"EC": about(1.0, 0.1)}
    found = found_of(dict(zip(("lb003", "lb003_pota-no3"), numbers, strict=True)))
    said = missing_control(found, "lb003_pota-no3")
    assert "cannot be told apart" in said
    assert "lb003_lino3" in said
    assert "lb003_pyr13-no3" in said
    assert attribution(found, row_of(found, "lb003_pota-no3", "EC")) == said
    assert "cannot be told whether the polycation does that" in budget_sentence(found, "lb003_pota-no3", "Li")
    other = found_of(dict(zip(("lb003", "lb003_pota-tfsi"), numbers, strict=True)))
    assert "lb003_lino3" not in missing_control(other, "lb003_pota-tfsi")
    assert "TFSI" in missing_control(other, "lb003_pota-tfsi")
    from_ota = found_of(dict(zip(("lb003_ota-no3", "lb003_pota-no3"), numbers, strict=True)))
    assert "has a polycation itself" in missing_control(from_ota, "lb003_pota-no3")


def test_a_chain_that_feels_its_image_is_the_first_limit() -> None:
    reaching = {"feels_its_image": True, "extent_nm": [2.0, 2.41], "expected_length_nm": 2.6}
    free = reaching | {"feels_its_image": False}
    systems = [system_of("lb003_pota-no3", polymer=one) for one in (reaching, free, None)]
    systems[1].replicas[0].summary["flags"]["demonstration"] = True
    (first, names), *_ = limits_of([systems[1], systems[0], systems[2]])
    assert "its own periodic image, within the cutoff: a small-box artefact" in first
    assert names == ["lb003_pota-no3 (extent 2.41 nm, box 2.60 nm)"]


# --- the pooled g(r) ---


def test_pooled_g_weighs_runs_by_what_they_know() -> None:
    """Two runs of random points, of different length and box: counts and even counts add up, to the shorter range."""
    rng = np.random.default_rng(2)
    pairs, bootstraps = [], []
    for n_frames, side in ((40, 24.0), (90, 20.0)):
        universe = random_universe(rng, n_frames, 5, 40, (side, side, side, 90, 90, 90))
        sites = select_sites(universe, only_ec())
        geometry = SolvationGeometry.from_sites(sites).run().results
        pairs += fine_counts(geometry, sites)
        bootstraps.append(bootstrap_blocks(len(geometry.block_starts) - 1, 1, 30, rng))
    pooled, bootstrap = pool(pairs, bootstraps)
    n_bins = len(pairs[1].edges) - 1
    assert pooled.counts.shape == (40 + 64, n_bins)
    even = sum(pair.even[:n_bins] for pair in pairs)
    np.testing.assert_allclose(pooled.g, sum(pair.counts[:, :n_bins].sum(axis=0) for pair in pairs) / even)
    assert pooled.n_center_frames == 5 * (40 + 90)
    assert bootstrap.weights.shape == (30, 104)
    # Each run is drawn from its own blocks, so that no sample lacks one of them.
    np.testing.assert_array_equal(bootstrap.weights[:, :40].sum(axis=1), 40)
    assert first_shell(pooled, bootstrap).status == "no_shell"


def test_replicas_of_one_system_are_drawn_and_systems_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    universe = random_universe(rng, 16, 5, 40, (20.0, 20.0, 20.0, 90.0, 90.0, 90.0))
    sites = select_sites(universe, only_ec())
    geometry = SolvationGeometry.from_sites(sites).run().results
    key = ("Li", "EC", "carbonyl_o")
    (pair,) = fine_counts(geometry, sites)
    passes = [
        Pass(name, sites, {key: pair}, {key: bootstrap_blocks(16, 1, 60, rng)}, geometry, 0, None)
        for name in ("lb003", "lb003", "lb003", "gel")
    ]
    seen = []
    monkeypatch.setattr(
        "solvshell.joined.recount.first_shell", lambda _, bootstrap: seen.append(bootstrap) or Shell("no_shell")
    )
    assert common_cutoffs(passes) == {key: Cutoff(None, None, "no_shell")}
    of_runs = seen[0].weights.reshape(60, 4, 16).sum(axis=2)
    assert set(np.unique(of_runs[:, :3])) == {0, 16, 32, 48}
    np.testing.assert_array_equal(of_runs[:, :3].sum(axis=1), 48)
    np.testing.assert_array_equal(of_runs[:, 3], 16)


# --- the study ---


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.02, 0.06, "agrees with it"),
        (-0.02, 0.06, "cannot resolve it: our interval holds zero"),
        (0.0, 0.06, "cannot resolve it: our interval touches zero"),
        (-0.01, 0.01, "contradicts it: one as large is excluded, none at all is not"),
        (0.0, 0.01, "the same sign and another size, and its interval touches zero"),
        (-0.02, 0.0001, "the opposite sign, and its interval touches zero"),
        (-0.06, -0.02, "the opposite sign"),
        (0.10, 0.12, "the same sign and another size"),
        (None, None, "no interval"),
    ],
)
def test_verdicts_on_a_shift_of_four_hundredths(low: float | None, high: float | None, said: str) -> None:
    assert said in verdict(StudyPeak(1.93, 1.97), low, high)


@pytest.mark.parametrize("limits", [(-0.01, 0.01), (0.0, 0.01), (-0.06, -0.02), (0.10, 0.12)])
def test_a_doubtful_interval_contradicts_nothing(limits: tuple[float, float]) -> None:
    study = StudyPeak(1.93, 1.97)
    assert verdict(study, *limits).startswith("contradicts it")
    said = verdict(study, *limits, ["it is a lower bound"])
    assert said.startswith("at odds with it (")
    assert said.endswith(", but it is a lower bound")
    assert verdict(study, 0.02, 0.06, ["it is a lower bound"]) == "in line with it, but it is a lower bound"


def test_a_shift_of_the_study_within_its_rounding() -> None:
    """1.94 to 1.95 is printed with a rounding as large as itself."""
    for limits in ((-0.02, 0.02), (0.005, 0.015)):
        assert "+0.01 ± 0.01 Å) the study's own shift holds zero too" in verdict(StudyPeak(1.94, 1.95), *limits)
    assert "holds zero too" not in verdict(StudyPeak(1.93, 1.97), -0.02, 0.06)


def test_the_study_is_shown_beside_its_own_systems_only() -> None:
    electrolyte = {"PF6", "EC", "DMC", "EMC"}
    assert study_peak("Li", "EC", "carbonyl_o", electrolyte, polymer=False) == 1.93
    assert study_peak("Li", "EC", "carbonyl_o", electrolyte | {"NO3"}, polymer=True) == 1.97
    assert study_peak("Li", "EC", "carbonyl_o", electrolyte | {"NO3"}, polymer=False) is None
    assert study_peak("Li", "EC", "carbonyl_o", {"PF6", "EC"}, polymer=False) is None
    assert study_peak("Na", "EC", "carbonyl_o", electrolyte, polymer=False) is None
    assert len(PEAKS) == 4


# --- runs ---


@pytest.fixture(scope="module")
def runs(box_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return three replicas with 3 EC at 1.95 Å, three with 2 EC at 2.00 Å, and one run of the first kind."""
    folder = tmp_path_factory.mktemp("compare")
    for k in range(3):
        fake_run(box_path, folder / "near" / f"replica-0{k}", k, 1.95, 3)
        fake_run(box_path, folder / "far" / f"replica-0{k}", 10 + k, 2.00, 2)
    fake_run(box_path, folder / "single", 20, 1.95, 3)
    return {name: folder / name for name in ("near", "far", "single")}


@pytest.fixture(scope="module")
def compared(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "comparison"
    assert main(["compare", str(runs["near"]), str(runs["far"]), str(runs["single"]), "--out", str(out)]) == 0
    return out


def table_of(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=[""])


def test_the_tables_know_the_differences(compared: Path) -> None:
    peaks = table_of(compared, "peaks")
    rows = peaks[(peaks.partner == "EC") & (peaks.site == "carbonyl_o")].set_index("system")
    assert list(rows.index) == ["lb003 (near)", "lb003 (far)", "lb003 (single)"]
    assert math.isnan(rows.difference_angstrom["lb003 (near)"])
    far, single = rows.loc["lb003 (far)"], rows.loc["lb003 (single)"]
    assert far.difference_angstrom == pytest.approx(0.05, abs=0.01)
    assert far.difference_ci95_low < far.difference_angstrom < far.difference_ci95_high
    assert far.p_value < 0.01
    assert (far.basis, single.basis) == ("replicas", "one run")
    assert math.isnan(single.p_value)
    assert single.difference_ci95_low < 0 < single.difference_ci95_high
    assert rows.study_angstrom.tolist() == [1.93] * 3
    numbers = table_of(compared, "coordination").set_index(["system", "partner"])
    assert numbers.cn_atoms_mean["lb003 (near)", "EC"] == pytest.approx(2.7, abs=0.1)
    assert numbers.difference["lb003 (far)", "EC"] == pytest.approx(-1.0, abs=0.1)
    assert numbers.difference_ci95_high["lb003 (far)", "EC"] < 0
    assert numbers.groupby("partner").cutoff_angstrom.nunique().max() == 1  # one cutoff for all runs
    assert set(numbers.cutoff_source.dropna()) == {"pooled_first_minimum"}
    assert abs(numbers.cn_change_cutoff_plus["lb003 (near)", "EC"]) < 0.05
    shells = table_of(compared, "shells").set_index(["system", "composition"])
    assert shells.fraction["lb003 (near)", "EC3 DMC1"] == pytest.approx(0.7, abs=0.06)
    assert shells.fraction["lb003 (far)", "EC3 DMC1"] == 0
    assert shells.status["lb003 (far)", "EC3 DMC1"] == "none_seen"
    assert shells.groupby("system").fraction.sum().to_list() == pytest.approx([1, 1, 1])


def test_the_page_says_whether_the_runs_of_a_system_are_long_enough_together(
    compared: Path, runs: dict[str, Path]
) -> None:
    table = table_of(compared, "convergence").set_index(["system", "quantity", "partner"])
    near = table.loc["lb003 (near)", "coordination", "EC"]
    of_runs = [pd.read_csv(path / "analysis" / "convergence.csv") for path in sorted(runs["near"].glob("replica-*"))]
    own = [rows[(rows.quantity == "coordination") & (rows.partner == "EC")].iloc[0] for rows in of_runs]
    assert near.value.item() == pytest.approx(np.mean([row.value for row in own]), rel=1e-4)
    assert near.stderr.item() == pytest.approx(stats.sem([row.value for row in own]), rel=1e-4)
    assert near.run_ps.item() == pytest.approx(sum(row.run_ps for row in own), rel=1e-4)
    assert set(table.index.get_level_values("system")) == {"lb003 (near)", "lb003 (far)", "lb003 (single)"}
    assert "Whether the runs are long enough" in (compared / "index.html").read_text()
    assert (compared / "figures" / "convergence-lb003--near.svg").stat().st_size > 1000


def test_absences_are_words(compared: Path) -> None:
    peaks = table_of(compared, "peaks")
    absent = peaks[peaks.partner == "PF6"]
    assert set(absent.status) <= {"no_shell", "too_few_samples"}
    assert absent[["peak_angstrom", "ci95_low", "difference_angstrom", "p_value"]].isna().all(axis=None)
    coordination = table_of(compared, "coordination")
    without = coordination[coordination.status.isin(["no_shell", "too_few_samples"])]
    assert len(without) > 0
    assert without[["cn_atoms_mean", "cutoff_angstrom"]].isna().all(axis=None)


def test_the_page_says_what_was_found_and_stands_alone(compared: Path, box_path: Path) -> None:
    page = (compared / "index.html").read_text()
    text = re.sub(r"data:image[^\"]*|<script.*?</script>", "", page, flags=re.S)
    assert not re.search(r"\bnan\b", text, re.I)
    sources = addresses(page)
    assert sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert "has lost contacts with EC" in page
    assert "A demonstration, not a measurement" in page
    assert "One run" in page
    assert '<p class="finding">In these boxes, against lb003 (near), Li in lb003 (far) has lost' in page
    counts = Box.load(box_path).counts
    n_solvent = sum(counts[name] for name in ("EC", "DMC", "EMC"))
    assert page.count(f"solvent : Li {n_solvent / counts['Li']:.1f}") == 3
    assert "What Li loses to one partner and gains from another" in page
    for name in ("rdf", "peaks", "budget-Li", "shells-Li", "snapshot-lb003--near"):
        for suffix in ("svg", "png"):
            assert (compared / "figures" / f"{name}.{suffix}").stat().st_size > 1000
    assert (compared / "runs" / "lb003--near" / "replica-02" / "coordination.csv").is_file()
    assert (compared / "runs" / "lb003--single" / "shells.csv").is_file()
    summary = json.loads((compared / "summary.json").read_text())
    assert summary["reference"] == "lb003 (near)"
    assert summary["systems"][0]["frames_used"][0] <= N_FRAMES
    assert len(summary["coordination"]["total"]) == 3


def test_a_shift_that_a_control_shows_is_not_that_of_the_polymer(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(System, "has_polymer", property(lambda system: "far" in system.name))
    monkeypatch.setattr(System, "counter_ion", property(lambda system: "NO3" if "far" in system.name else None))
    monkeypatch.setattr(System, "per_center", lambda system, *_: 3.6 if "single" in system.name else 11.5)
    for module in ("rows", "results"):
        monkeypatch.setattr(
            f"solvshell.comparison.{module}.controls_of",
            lambda system, systems: [one for one in systems if "single" in one.name and system.has_polymer],
        )
    studied = partial(study_peak, partners={"PF6", "EC", "DMC", "EMC"})
    monkeypatch.setattr(
        "solvshell.comparison.results.study_peak",
        lambda *key, polymer: 1.97 if polymer else studied(*key[:3], polymer=False),
    )
    key = ("Li", "EC", "carbonyl_o")

    def said(found: Comparison) -> str | None:
        return next(attribution(found, row) for row in found.peaks if row.key == key and "far" in row.system)

    found = write_comparison([runs[name] for name in ("near", "far", "single")], tmp_path / "out")
    assert str(said(found)).startswith("not shown without polycation by lb003 (single): ")
    (row,) = [row for row in study_rows(found) if row["key"] == key]
    assert row["verdict"].startswith("agrees with it")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "the controls for lb003 (far): lb003 (single)" in page
    assert page.count("its solvent : Li ratio is 3.6 against 11.5, so that it loses solvent by stoichiometry alone") > 2
    assert "not shown without polycation by lb003 (single)" in page
    peaks = table_of(tmp_path / "out", "peaks")
    assert peaks.attribution.str.startswith("not shown without polycation").any()
    systems = open_systems([runs["near"], runs["far"]])
    alone = compare_systems(systems, *recount(systems))
    assert "cannot be told apart" in str(said(alone))
    systems = open_systems([runs["far"], runs["near"]])
    assert said(compare_systems(systems, *recount(systems))) is None  # the reference is no system without polymer


def test_a_box_counts_once(runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Copies and restarts with other velocities have one box: no replicas, and no two systems."""
    for name in ("replica-00", "replica-01"):
        shutil.copytree(runs["single"], tmp_path / "copies" / name)
    restart = tmp_path / "restart"
    shutil.copytree(runs["single"], restart)
    (restart / "log.csv").write_text((restart / "log.csv").read_text().replace("298", "299"))
    for systems in ([runs["near"], tmp_path / "copies"], [runs["single"], restart]):
        assert main(["compare", *map(str, systems), "--out", str(tmp_path / "out")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "its box is that of" in line
    assert not (tmp_path / "out").exists()


def test_the_error_of_a_run_is_in_the_tables(compared: Path) -> None:
    own = table_of(compared / "runs" / "lb003--single", "coordination").set_index("partner").cn_atoms_stderr
    numbers = table_of(compared, "coordination").set_index(["system", "partner"]).stderr
    assert own["EC"] > 0
    assert numbers["lb003 (single)", "EC"] == pytest.approx(own["EC"], rel=1e-4)
    means = [
        table_of(compared / "runs" / "lb003--near" / f"replica-0{k}", "coordination").set_index("partner").cn_atoms_mean
        for k in range(3)
    ]
    assert numbers["lb003 (near)", "EC"] == pytest.approx(stats.sem([one["EC"] for one in means]), rel=1e-3)


def test_a_copy_of_a_run_differs_by_nothing(runs: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(runs["single"], tmp_path / "copy")
    other_box(tmp_path / "copy", 50)
    systems = open_systems([runs["single"], tmp_path / "copy"])
    found = compare_systems(systems, *recount(systems))
    changes = [row.change for row in [*found.peaks, *found.coordination, *found.shells, *found.totals] if row.change]
    assert len(changes) > 5
    assert all(change.value == 0 for change in changes)
    # With the same frames and cutoff it is the number of the run itself.
    own = json.loads((runs["single"] / "analysis" / "summary.json").read_text())["coordination"]["total"]["Li"]
    (total,) = [row.number for row in found.totals if row.system.endswith("(single)")]
    assert isinstance(total, Average)
    assert total.mean == pytest.approx(own["mean"], abs=0.02)


def test_frames_that_came_later_are_left_out(runs: dict[str, Path], tmp_path: Path) -> None:
    """A run that is still going has more frames than its tables: those of the tables are used, and the page says so."""
    going = tmp_path / "going"
    shutil.copytree(runs["single"], going)
    (going / "done.json").unlink()
    summary = json.loads((going / "analysis" / "summary.json").read_text())
    summary["frames"] |= {"n_frames": 60, "used": 60, "dropped": 0, "stop": 60}
    summary["source"] |= {"trajectory_bytes": "1", "run": "unfinished"}
    (going / "analysis" / "summary.json").write_text(json.dumps(summary))
    systems = open_systems([runs["near"] / "replica-00", going])
    limits = {text for text, names in limits_of(systems) if "lb003 (going)" in names}
    assert {"Not finished when it was analyzed"} < limits
    assert any("changed since" in limit for limit in limits)
    _, counted = recount(systems)
    assert counted["lb003 (going)"][0].shells.n.sum() == 60 * N_LITHIUM
    summary["frames"]["stop"] = 1000
    (going / "analysis" / "summary.json").write_text(json.dumps(summary))
    assert main(["compare", str(runs["near"] / "replica-00"), str(going), "--out", str(tmp_path / "out")]) == 2


def test_the_frames_that_were_analyzed_are_those_compared(runs: dict[str, Path], tmp_path: Path) -> None:
    some = tmp_path / "some"
    shutil.copytree(runs["single"], some)
    analysis = analyze_run(Run.load(some), start=10, stop=70, step=3, n_bootstrap=50)
    _, counted = recount(open_systems([runs["near"] / "replica-00", some]))
    (one,) = next(found for name, found in counted.items() if "some" in name)
    assert one.shells.n.sum() == analysis.summary["frames"]["used"] * N_LITHIUM
    assert one.shells.example_frame.isin(analysis.first_shells.frames).all()
    assert analysis.first_shells.frames[-1] == 67
    old = json.loads((some / "analysis" / "summary.json").read_text())
    del old["frames"]["stop"]
    (some / "analysis" / "summary.json").write_text(json.dumps(old))
    with pytest.raises(InvalidInput, match="analyzed by an older version"):
        recount(open_systems([runs["near"] / "replica-00", some]))


def test_requests_that_are_wrong(
    runs: dict[str, Path], box_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    single, bare = str(runs["single"]), tmp_path / "bare"
    shutil.copytree(runs["single"], bare)
    shutil.rmtree(bare / "analysis")
    sodium = tmp_path / "sodium"
    shutil.copytree(runs["single"], sodium)
    other_box(sodium, 51)
    path = sodium / "analysis" / "summary.json"
    summary = json.loads(path.read_text())
    summary["coordination"]["total"] = {"Na": summary["coordination"]["total"]["Li"]}
    path.write_text(json.dumps(summary))
    (tmp_path / "file").write_text("")
    requests = [
        ([single], "out", "two systems or more"),
        ([single, single], "out", "given twice"),
        ([single, str(box_path)], "out", "is a box"),
        ([single, str(tmp_path / "nowhere")], "out", "no such folder"),
        ([single, str(bare)], "out", "not analyzed"),
        ([single, str(sodium)], "out", "no center in common"),
        ([single, str(runs["far"])], "file", "is a file"),
        ([str(runs["near"]), str(runs["near"] / "replica-01")], "out", "given twice"),
    ]
    for systems, out, said in requests:
        assert main(["compare", *systems, "--out", str(tmp_path / out)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
    assert not (tmp_path / "out").exists()
