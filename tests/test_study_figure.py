"""The study's figure from our own runs: verdicts on numbers made by hand, and the files of real runs."""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from short_runs import short_protocol
from small_boxes import small_recipe

from solvshell.analysis import analyze_run
from solvshell.build import build_box
from solvshell.cli import main
from solvshell.comparison.energies import ALL, EnergyRows
from solvshell.comparison.free_energies import NO_FREE_ENERGIES
from solvshell.comparison.results import Comparison
from solvshell.comparison.rows import attributed, differences
from solvshell.comparison.study_claims import (
    CHANGE,
    PEAK,
    PER_ION,
    PER_MOLECULE,
    SHIFT,
    Claim,
    claims_of,
    is_of_the_study,
)
from solvshell.comparison.study_words import claim_lines, verdicts
from solvshell.joined.averages import Value
from solvshell.joined.systems import System
from solvshell.md import simulate
from solvshell.recipe import load_recipe
from solvshell.run import open_run
from solvshell.study import PEAKS, judged_peak, judged_reduction, judged_shift

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import reproduce_page

# --- the words ---


@pytest.mark.parametrize(
    ("low", "high", "doubts", "word"),
    [
        (1.92, 1.95, [], "agrees"),
        (1.946, 1.955, [], "disagrees"),  # printed 1.93 is 1.925 to 1.935, and definitions differ by 0.01
        (1.944, 1.955, [], "agrees"),
        (1.90, 1.9149, [], "disagrees"),
        (1.90, 1.95, [], "cannot be resolved"),  # longer than the study's largest shift
        (1.95, 2.20, [], "disagrees"),  # as long, but it does not hold the study's
        (None, None, [], "cannot be resolved"),
        (1.95, 1.96, ["of one run"], "cannot be resolved"),  # a doubt, and as near as a shift of the study
        (2.02, 2.06, ["of one run"], "disagrees"),  # far off: no doubt of that size
        (1.92, 1.95, ["of one run"], "cannot be resolved"),
    ],
)
def test_what_is_said_of_a_printed_peak(low: float | None, high: float | None, doubts: list[str], word: str) -> None:
    verdict = judged_peak(1.93, low, high, doubts)
    assert verdict.word == word
    assert ("of one run" in verdict.said) == (bool(doubts) and word != "disagrees")


@pytest.mark.parametrize(
    ("low", "high", "doubts", "word"),
    [
        (0.5, 3.0, [], "agrees"),
        (-3.0, -0.5, [], "disagrees"),
        (-3.0, -0.5, ["of one run"], "cannot be resolved"),
        (0.5, 3.0, ["of one run"], "cannot be resolved"),  # by the same interval
        (-1.0, 4.0, [], "cannot be resolved"),
        (None, None, [], "cannot be resolved"),
    ],
)
def test_what_is_said_of_a_reduction(low: float | None, high: float | None, doubts: list[str], word: str) -> None:
    assert judged_reduction(-100.0, low, high, doubts).word == word


def test_what_is_not_resolved_has_a_bound() -> None:
    assert "weaker by 4.0 kJ/mol (4 % of it) at most" in judged_reduction(-100.0, -1.0, 4.0).said
    assert "%" not in judged_reduction(-3.0, -1.0, 4.0).said  # more than all of it says nothing
    assert "0.070 Å from it, farther than the largest shift" in judged_peak(1.93, 2.0, 2.1).said


@pytest.mark.parametrize(
    ("low", "high", "doubts", "word"),
    [
        (0.02, 0.06, [], "agrees"),
        (-0.06, -0.02, [], "disagrees"),
        (-0.06, -0.02, ["of one run"], "cannot be resolved"),
        (0.02, 0.06, ["of one run"], "cannot be resolved"),
        (0.002, 0.027, [], "cannot be resolved"),  # 0.04 within 0.01 is missed, by less than a bin
        (0.002, 0.024, [], "disagrees"),
        (-0.02, 0.06, [], "cannot be resolved"),
        (None, None, [], "cannot be resolved"),
    ],
)
def test_the_word_of_a_shift(low: float | None, high: float | None, doubts: list[str], word: str) -> None:
    assert judged_shift(PEAKS["Li", "EC", "carbonyl_o"], low, high, doubts).word == word


# --- claims ---


def system_of(name: str, *, equilibrated: bool = True, n_replicas: int = 3, feels_its_image: bool = False) -> System:
    """Return a system of a shipped recipe without a run behind it."""
    recipe = load_recipe(name)
    partners = {key: 8 for key, entry in recipe.entries.items() if entry.role != "center" and key != "Li"}
    peaks = [
        dict(zip(("center", "partner", "site"), key, strict=True)) | {"n_independent": 12.0 + k}
        for k, key in enumerate(PEAKS)
    ]
    summary = {
        "composition": {"n_molecules": partners, "n_centers": {"Li": 8}},
        "flags": {"not_equilibrated": not equilibrated, "short_draws": []},
        "peaks": peaks,
    }
    record = {"polymer": {"feels_its_image": feels_its_image} if recipe.polymer else None}
    box = SimpleNamespace(recipe=recipe, counts={"Li": 8, **partners}, provenance=record)
    shown: Any = SimpleNamespace(
        run=SimpleNamespace(box=box, protocol=SimpleNamespace(grand_canonical=None)), summary=summary
    )
    return System(name, Path(name), (shown,) * n_replicas)


def values(mean: float, spread: float) -> list[Value]:
    return [Value(mean + step * spread) for step in (-1, 0, 1)]


def rows_of(systems: Sequence[System], key: tuple[str, ...], means: Sequence[float], spread: float) -> list[Any]:
    numbers = [
        {key: ("resolved", values(mean, spread), {"n_independent": 20.0})} for mean in means
    ]  # one for each system
    return attributed(differences(systems, numbers, absent_is_zero=False), systems)


def found_of(
    systems: list[System], peak: Sequence[float], energy: Sequence[float], spread: float = 0.002
) -> Comparison:
    """Return a comparison with the first peak of EC and its energy in each system."""
    peaks = rows_of(systems, ("Li", "EC", "carbonyl_o"), peak, spread)
    one, all_of = (rows_of(systems, ("Li", "EC"), [n * e for e in energy], 100 * spread) for n in (1, 3))
    total = rows_of(systems, ("Li", ALL), energy, 100 * spread)
    energies = EnergyRows(systems, all_of + total, one, [], {})
    return Comparison(systems, {}, peaks, [], [], [], [], pd.DataFrame(), energies, NO_FREE_ENERGIES)


def claim(claims: Sequence[Claim], quantity: str, system: str, partner: str = "EC") -> Claim:
    return next(one for one in claims if (one.quantity, one.system, one.partner) == (quantity, system, partner))


NAMES = ("lb003", "lb003_pota-no3", "lb003_lino3")


def test_claims_are_judged_and_what_a_control_shows_is_not_the_polymers() -> None:
    systems = [system_of(name) for name in NAMES]
    found = found_of(systems, (1.93, 1.97, 1.97), (-100.0, -90.0, -99.9))
    claims = claims_of(found)
    bare, layered = (claim(claims, PEAK, name) for name in NAMES[:2])
    assert (bare.study, layered.study, bare.verdict.word, layered.verdict.word) == (1.93, 1.97, "agrees", "agrees")
    assert (bare.ours, bare.n_independent) == (pytest.approx(1.93), 13.0)
    control = claim(claims, PEAK, NAMES[2])
    assert (control.study, control.verdict) == (None, None)
    shift = claim(claims, SHIFT, NAMES[1])
    assert (shift.verdict.word, shift.study) == ("agrees", pytest.approx(0.04))
    assert shift.attribution.startswith(
        "a change of the same sign without polycation, not told apart in size (lb003_lino3): +0.040"
    )
    assert shift.shown_by == ("lb003_lino3",)
    energy = claim(claims, PER_MOLECULE + CHANGE, NAMES[1])
    assert energy.shown_by == ()
    assert (energy.verdict.word, energy.ours) == ("agrees", pytest.approx(10.0))
    assert energy.attribution.startswith("not shown without polycation by lb003_lino3")
    assert claim(claims, PER_ION + CHANGE, NAMES[1]).ours == pytest.approx(30.0)
    assert claim(claims, PER_ION + CHANGE, NAMES[1], ALL).verdict is None  # the study says nothing of the sum
    said = " ".join(verdicts(found, claims))
    assert said.startswith("Of 5 comparisons with the study (")
    assert "), 5 agree, 0 disagree and 0 cannot be resolved. In parts: " in said
    assert "of 2 first peaks, 2 agree (EC in LB-003 1.930 (1.9" in said
    assert "of 1 shifts of a first peak, 1 agrees (EC +0.040" in said
    assert "Nothing is attributed to the polymer that a control without polycation shows too" in said
    assert "a change of the same sign without polycation, not told apart in size (lb003_lino3)" in said
    assert "transference number (0.22 without the layer, 0.76 with it)" in said
    table = "\n".join(claim_lines(claims))
    assert "| EC | LB-003 + POTA-NO₃ | +0.04 | +0.040 (+0.03" in table
    assert "agrees with it; LB-003 + LiNO₃ (control) shows it too |" in table
    assert "| reduced | +10.0 (+" in table


def test_what_disagrees_is_said_so_and_doubts_are_named() -> None:
    numbers = (1.93, 1.90, 1.93), (-100.0, -110.0, -100.0)
    claims = claims_of(found_of([system_of(name) for name in NAMES], *numbers))
    words = [claim(claims, quantity, NAMES[1]).verdict.word for quantity in (PEAK, SHIFT, PER_MOLECULE + CHANGE)]
    assert words == ["disagrees"] * 3
    waiting = claims_of(found_of([system_of(name, equilibrated=False) for name in NAMES], *numbers))
    for quantity in (SHIFT, PER_MOLECULE + CHANGE):
        verdict = claim(waiting, quantity, NAMES[1]).verdict
        assert verdict.word == "cannot be resolved"
        assert verdict.said.startswith("at odds with it (")
        assert "neighbours have not changed places often enough" in verdict.said


def test_a_number_of_some_replicas_only_is_doubted() -> None:
    systems = [system_of(name, n_replicas=4) for name in NAMES]
    verdict = claim(claims_of(found_of(systems, (1.93, 1.97, 1.93), (-100.0, -90.0, -100.0))), SHIFT, NAMES[1]).verdict
    assert verdict.said == "in line with it, but 3 of 4 replicas give a number"


def test_a_chain_that_reaches_its_image_is_a_doubt() -> None:
    systems = [system_of(name, feels_its_image=True) for name in NAMES]
    claims = claims_of(found_of(systems, (1.93, 1.90, 1.93), (-100.0, -90.0, -100.0)))
    for quantity in (SHIFT, PER_MOLECULE + CHANGE):
        verdict = claim(claims, quantity, NAMES[1]).verdict
        assert verdict.word == "cannot be resolved"
        assert "a chain reaches to its own periodic image" in verdict.said
    assert claim(claims, PEAK, NAMES[0]).verdict.word == "agrees"  # without a chain


def test_whose_figure_it_is() -> None:
    def of(*names: str) -> bool:
        systems = [system_of(name) for name in names]
        return is_of_the_study(found_of(systems, (1.93,) * len(names), (-100.0,) * len(names)))

    assert of("lb003", "lb003_pota-no3")
    assert of("lb003", "lb003_lino3", "lb003_pota-tfsi")  # the layer itself is missing, and the figure says so
    assert not of("lb003", "lb003_lino3")
    assert not of("lb003_pota-no3", "lb003")
    assert not of("ls002", "ls002_pota-no3")


def test_without_the_layer_nothing_of_it_is_claimed() -> None:
    systems = [system_of(name) for name in ("lb003", "lb003_pota-tfsi")]
    found = found_of(systems, (1.93, 1.97), (-100.0, -90.0))
    claims = claims_of(found)
    assert [one.verdict is not None for one in claims if one.system != "lb003"] == [False] * 8
    assert verdicts(found, claims)[0].endswith("is not in this comparison: none of its 4 shifts is tested.")


# --- real runs ---


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a comparison of runs of 0.2 ps: three replicas without, one with a polymer, one control."""
    folder = tmp_path_factory.mktemp("study")
    electrolyte = {"PF6": 3, "EC": 6, "DMC": 4, "EMC": 4}
    chains = load_recipe("lb003_pota-no3").polymer.model_dump(mode="json", exclude_none=True)
    recipes = {
        "lb003": small_recipe({"Li": 3, **electrolyte}, "0.5 nm", name="lb003"),
        "lb003_pota-no3": small_recipe(
            {"Li": 3, **electrolyte},
            "0.5 nm",
            name="lb003_pota-no3",
            polymer={key: chains[key] for key in ("name", "title", "monomer", "architecture", "counter_ion", "sites")}
            | {"chain_length": 2, "chains": 1},
        ),
        "lb003_lino3": small_recipe({"Li": 5, "NO3": 2, **electrolyte}, "0.5 nm", name="lb003_lino3"),
    }
    for name, recipe in recipes.items():
        for replica in range(3 if name == "lb003" else 1):
            box, path = folder / "boxes" / f"{name}-{replica}", folder / name / f"replica-0{replica}"
            build_box(recipe, seed=replica).save(box)
            run = open_run(path, box, short_protocol(), replica)
            simulate(run, "CPU")
            analyze_run(run, n_bootstrap=50)
    out = folder / "comparison"
    assert main(["compare", *(str(folder / name) for name in recipes), "--out", str(out)]) == 0
    return out


def table_of(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def test_the_numbers_are_those_of_the_tables(compared: Path) -> None:
    study = table_of(compared / "study.csv")
    assert study.verdict.dropna().isin(["agrees", "disagrees", "cannot be resolved"]).all()
    peaks = table_of(compared / "peaks.csv")
    peaks = peaks[peaks.center == "Li"].set_index(["system", "partner", "site"])
    own = study[study.quantity == PEAK]
    assert len(own) == 3 * 4
    for row in own.itertuples():
        site = next(key[2] for key in PEAKS if key[1] == row.partner)
        expected = peaks.loc[(row.system, row.partner, site)]
        theirs = [expected.peak_angstrom, expected.ci95_low, expected.ci95_high, expected.study_angstrom]
        np.testing.assert_allclose([row.ours, row.ci95_low, row.ci95_high, row.study], theirs, rtol=1e-5)
        assert row.status == expected.status
    energies = table_of(compared / "energies.csv")
    energies = energies[(energies.region == "first_shell") & (energies.coulomb == "bare")]
    energies = energies.set_index(["quantity", "system", "partner"])
    n_compared = 0
    for row in study[study.quantity.str.startswith("energy")].itertuples():
        quantity = "per_molecule" if row.quantity.startswith(PER_MOLECULE) else "per_center"
        expected = energies.loc[(quantity, row.system, row.partner)]
        names = ("energy_kj_mol", "ci95_low", "ci95_high")
        if row.quantity.endswith(CHANGE):
            names = ("difference", "difference_ci95_low", "difference_ci95_high")
        theirs = [expected[name] for name in names]
        np.testing.assert_allclose([row.ours, row.ci95_low, row.ci95_high], theirs, rtol=1e-5)
        n_compared += not np.isnan(row.ours)
    assert n_compared > 10


def test_what_is_not_resolved_is_a_word_and_never_a_number(compared: Path) -> None:
    study = table_of(compared / "study.csv")
    few = study[study.status.isin(["too_few_samples", "no_shell", "absent"]) & (study.quantity == PEAK)]
    assert len(few) > 0  # in 0.2 ps
    assert few[["ours", "ci95_low", "ci95_high", "difference"]].isna().all(axis=None)
    assert set(few.verdict.dropna()) == {"cannot be resolved"}
    assert "too few samples" in (compared / "study.md").read_text()


def test_the_figure_is_as_wide_as_a_page_and_stands_on_the_page(compared: Path) -> None:
    height, width, _ = imread(compared / "study.png").shape
    assert 175 < width / 300 * 25.4 < 185
    assert height < 1.4 * width
    assert "<svg" in (compared / "study.svg").read_text()[:2000]
    page = (compared / "index.html").read_text()
    assert "The study's figure from these runs" in page
    assert "Fig. 2 d–h of J. Yu et al." in page
    caption = " ".join((compared / "study.md").read_text().split())
    assert "LB-003 (lb003): 3 × 0.0" in caption
    assert "LB-003 + LiNO₃ (control) (lb003_lino3): 1 × 0.0" in caption
    assert "independently packed replicas" in caption
    assert "those of LB-003 + POTA-NO₃ and LB-003 + LiNO₃ (control) from time blocks" in caption
    record = json.loads((compared / "provenance.json").read_text())
    assert {"study.svg", "study.png", "study.csv", "study.md"} <= set(record["files"])


def test_a_page_of_a_campaign(compared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.argv", ["reproduce_page.py", str(compared), "--docs", str(tmp_path), "--command", "snakemake"]
    )
    reproduce_page.main()
    page, folder = (tmp_path / "reproduce.md").read_text(), tmp_path / "reproduce"
    made = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {"study.png", "study.svg", "study.csv", "lb003_pota-no3/recipe.yaml", "lb003/protocol.yaml"} < set(made)
    for link in re.findall(r"\]\((reproduce/[^)]+)\)", page):
        assert link.removeprefix("reproduce/") in made
    assert "snakemake" in page
    assert "5 runs with" in page
    record = json.loads(made["provenance.json"])
    assert record["samples"]["lb003"]["replica-01"]["run"]["seed"] == 1
    assert len(record["samples"]["lb003"]["replica-02"]["done"]["outputs"]["trajectory.xtc"]["sha256"]) == 64
    text = page + made["provenance.json"].decode()
    assert str(compared.parent) not in text
    assert '"host"' not in text
    reproduce_page.main()  # again: the same bytes
    assert page == (tmp_path / "reproduce.md").read_text()
    assert made == {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_page_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(reproduce_page.InvalidInput, match=r"holds no study\.csv"):
        reproduce_page.write_page(tmp_path, tmp_path / "docs", "snakemake")
    assert not (tmp_path / "docs").exists()
