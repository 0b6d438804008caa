"""Interaction energies of systems whose differences are known."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from energy_tables import energy_summary, energy_tables

from solvshell.analysis.cutoffs import Cutoff
from solvshell.comparison.energies import ALL, EnergyRows, compare_energies
from solvshell.comparison.energy_figures import plot_energies
from solvshell.comparison.energy_words import energy_sentence, study_energy_rows
from solvshell.comparison.free_energies import NO_FREE_ENERGIES, compare_free_energies
from solvshell.comparison.results import Comparison
from solvshell.comparison.rows import Row
from solvshell.comparison.tables import ENERGY_COLUMNS, energy_table
from solvshell.joined.shell_energies import moved, shell_energy
from solvshell.joined.systems import System
from solvshell.recipe import load_recipe
from solvshell.shown import Shown

PF6, EC = ("Li", "PF6", "f"), ("Li", "EC", "carbonyl_o")
#: 2.2 Å lies in the middle of an empty bin, so that it is the own cutoff of all runs and changes nothing.
CUTOFFS = {PF6: Cutoff(2.8, "given", "resolved"), EC: Cutoff(2.2, "pooled_first_minimum", "resolved")}


def shown(name: str, shift: float = 0.0, summary: dict[str, Any] | None = None) -> Shown:
    """A run of a shipped recipe without files: 8 Li among PF6 and EC, 100 frames."""
    peaks = pd.DataFrame([(*PF6, 2.8), (*EC, 2.2)], columns=["center", "partner", "site", "cutoff_angstrom"])
    box = SimpleNamespace(recipe=load_recipe(name), counts={"Li": 8, "PF6": 8, "EC": 30}, provenance={"polymer": None})
    about = {
        "composition": {"n_centers": {"Li": 8}, "n_molecules": {"PF6": 8, "EC": 30}},
        "coordination": {"total": {"Li": {}}},
        "energies": summary or energy_summary(),
    }
    run: Any = SimpleNamespace(box=box, protocol=SimpleNamespace(grand_canonical=None))
    return Shown(name, None, {**energy_tables(shift), "peaks": peaks}, about, run, None)  # type: ignore[arg-type]


def system(name: str, *shifts: float) -> System:
    return System(name, None, tuple(shown(name, shift) for shift in shifts))  # type: ignore[arg-type]


def compared(systems: list[System], cutoffs: dict[Any, Cutoff] = CUTOFFS) -> EnergyRows:
    return compare_energies(systems, cutoffs, ["PF6", "EC"])


def found_of(systems: list[System]) -> Comparison:
    return Comparison(systems, CUTOFFS, [], [], [], [], [], pd.DataFrame(), compared(systems), NO_FREE_ENERGIES)


def row(rows: list[Row], name: str, partner: str) -> Row:
    return next(one for one in rows if (one.system, one.key) == (name, ("Li", partner)))


def test_what_lies_between_two_cutoffs() -> None:
    """600, 300, 0 and 30 molecules of -95 kJ/mol each in bins of 0.1 Å from 1.9 Å on, over 100 centers and frames."""
    distance = energy_tables()["energy_distance"]
    assert moved(distance, 2.2, 2.2, 100) == (0.0, 0.0)
    assert moved(distance, 2.1, 2.2, 100) == (0.0, 0.0)
    assert moved(distance, 0.0, 2.0, 100) == pytest.approx((-95 * 6, 6.0))
    assert moved(distance, 2.0, 2.05, 100) == pytest.approx((-95 * 1.5, 1.5))
    assert moved(distance, 2.05, 2.0, 100) == pytest.approx((95 * 1.5, -1.5))
    assert moved(distance, 2.2, 9.0, 100) == pytest.approx((-95 * 0.3, 0.3))
    assert moved(distance.iloc[:1], 0.0, 9.0, 100) == (0.0, 0.0)


def test_first_shells_are_counted_within_the_common_cutoff() -> None:
    own = shell_energy(shown("lb003"), "Li", "EC", [EC], CUTOFFS)
    assert (own.all.mean, own.one.mean, own.effect) == pytest.approx((-300.0, -100.0, 0.0))
    shorter = {**CUTOFFS, EC: Cutoff(2.0, "pooled_first_minimum", "resolved")}
    fewer = shell_energy(shown("lb003"), "Li", "EC", [EC], shorter)
    gain = 95 * 300 / 800  # 300 molecules fewer, over 8 centers and 100 frames
    assert fewer.effect == pytest.approx(gain)
    assert fewer.all.mean == pytest.approx(-300 + gain)
    assert fewer.one.mean == pytest.approx((-300 + gain) / (3 - 300 / 800))
    assert fewer.all.stderr == own.all.stderr == 2.0
    several = shell_energy(shown("lb003"), "Li", "EC", [EC, ("Li", "EC", "ester_o")], shorter)
    assert (several.all.mean, several.effect) == (-300.0, None)


def test_a_shell_that_a_run_did_not_have_has_no_error() -> None:
    replica = shown("lb003")
    tables = replica.tables | {"energies": replica.tables["energies"].iloc[:1]}
    tables["peaks"] = replica.tables["peaks"].assign(cutoff_angstrom=np.nan)
    found = shell_energy(replace(replica, tables=tables), "Li", "EC", [EC], CUTOFFS)
    assert found.all.mean == pytest.approx(-95 * 900 / 800)
    assert (found.all.stderr, found.all.low, found.n_independent) == (None, None, 0.0)


def test_differences_per_center_and_per_molecule() -> None:
    found = compared([system("lb003", 0.0), system("lb003_pota-no3", 10.0)])
    change = row(found.per_center, "lb003_pota-no3", "EC").change
    assert change is not None
    assert change.value == pytest.approx(30.0)
    assert change.excludes_zero
    assert row(found.per_center, "lb003_pota-no3", ALL).change.value == pytest.approx(35.0)
    assert row(found.per_molecule, "lb003_pota-no3", "PF6").change.value == pytest.approx(10.0)
    assert row(found.per_center, "lb003", ALL).number.mean == pytest.approx(-425.0)
    assert [one.key[1] for one in found.per_center[::2]] == ["PF6", "EC", ALL]
    low, high = change.low, change.high
    # both errors are 2 kJ/mol from 40 independent samples
    assert (high - low) / 2 == pytest.approx(2.0227 * 2 * 2**0.5, rel=1e-3)


def test_the_sum_moves_with_the_cutoffs() -> None:
    shorter = {**CUTOFFS, EC: Cutoff(2.0, "pooled_first_minimum", "resolved")}
    found = compared([system("lb003", 0.0), system("lb003_pota-no3", 10.0)], shorter)
    total = row(found.per_center, "lb003", ALL)
    assert total.number.mean == pytest.approx(-425 + 95 * 300 / 800)
    assert total.extra["cutoff_effect_kj_mol"] == pytest.approx(95 * 300 / 800)


def test_ewald_energies_of_ions_are_no_difference() -> None:
    found = compared([system("lb003", 0.0), system("lb003_pota-no3", 10.0)])
    assert [row(found.whole_box, "lb003_pota-no3", name).change for name in ("Li", "PF6")] == [None] * 2
    assert row(found.whole_box, "lb003_pota-no3", "EC").change.value == pytest.approx(30.0)
    assert row(found.whole_box, "lb003_pota-no3", ALL).change.value == pytest.approx(35.0)
    assert row(found.whole_box, "lb003", "PF6").number.mean == pytest.approx(-132.0)
    assert row(found.whole_box, "lb003", "Li").number.mean == pytest.approx(-40.0)


def test_three_replicas_are_the_sample() -> None:
    found = compared([system("lb003", 0.0, 1.0, 2.0), system("lb003_pota-no3", 10.0, 11.0, 12.0)])
    change = row(found.per_molecule, "lb003_pota-no3", "EC").change
    assert (change.basis, change.value) == ("replicas", pytest.approx(10.0))
    assert change.p_value < 0.01


def test_a_partner_without_cutoff_is_a_word() -> None:
    cutoffs = {PF6: Cutoff(None, None, "too_few_samples"), EC: CUTOFFS[EC]}
    found = compared([system("lb003", 0.0), system("lb003_pota-no3", 10.0)], cutoffs)
    missing = row(found.per_center, "lb003", "PF6")
    assert (missing.status, missing.number, missing.change) == ("too_few_samples", None, None)


def test_systems_without_energies_are_named_and_left_out() -> None:
    without = System("ec", None, (shown("lb003", 0.0, energy_summary(available=False)),))  # type: ignore[arg-type]
    three = [system("lb003", 0.0), without, system("lb003_pota-no3", 10.0)]
    found = compared(three)
    assert found.missing == {"ec": "no model is known"}
    assert {one.system for one in found.per_center} == {"lb003", "lb003_pota-no3"}
    old = replace(shown("lb003"), tables={})
    assert "analyze it again" in str(old.without_energies)
    nothing = compared([without, three[0]])
    assert (nothing.per_center, nothing.whole_box) == ([], [])


def test_what_is_said_follows_from_the_numbers() -> None:
    weaker = energy_sentence(found_of([system("lb003", 0.0), system("lb003_pota-no3", 10.0)]), "lb003_pota-no3", "Li")
    assert "Li in lb003_pota-no3 is held less strongly by its first shell as a whole: +35.0 (" in weaker
    assert "it has lost energy with EC +30.0 (" in weaker  # PF6 +5.0 holds zero
    assert "gained" not in weaker
    assert "one molecule of the first shell changes by PF6 +10.0" in weaker
    assert "(bare energies with ion charges × 0.8; above zero is weaker)." in weaker
    stronger = energy_sentence(
        found_of([system("lb003", 0.0), system("lb003_pota-no3", -10.0)]), "lb003_pota-no3", "Li"
    )
    assert "is held more strongly by its first shell" in stronger
    assert "it has gained energy with" in stronger
    same = energy_sentence(found_of([system("lb003", 0.0), system("lb003_pota-no3", 0.1)]), "lb003_pota-no3", "Li")
    assert "is held neither less nor more strongly beyond the error" in same
    assert "neither lost nor gained energy with any partner beyond the error" in same


def test_a_control_shows_the_change_too() -> None:
    systems = [system("lb003", 0.0), system("lb003_pota-no3", 10.0), system("lb003_lino3", 10.0)]
    said = energy_sentence(found_of(systems), "lb003_pota-no3", "Li")
    assert "lb003_lino3, without polycation, shows the same for" in said
    (witness,) = row(compared(systems).per_center, "lb003_pota-no3", "EC").witnesses
    assert (witness.control, witness.answer) == ("lb003_lino3", "also")


def test_the_claim_of_the_study_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    systems = [system("lb003", 0.0), system("lb003_pota-no3", 10.0)]
    assert study_energy_rows(found_of(systems)) == []  # no DMC, no EMC: another electrolyte
    monkeypatch.setattr("solvshell.comparison.energy_words.is_studied", lambda _, polymer: True)
    rows = {one["partner"]: one for one in study_energy_rows(found_of(systems))}
    assert rows["EC"]["said"] == {"per_molecule": "reduced too", "per_center": "reduced too"}
    assert rows["DMC"]["said"]["per_molecule"].startswith("says nothing")
    systems = [system("lb003", 0.0), system("lb003_pota-no3", -10.0)]
    rows = {one["partner"]: one for one in study_energy_rows(found_of(systems))}
    assert rows["EC"]["said"]["per_center"] == "the other way: bound more strongly"
    systems = [system("lb003", 0.0), system("lb003_pota-no3", 0.1)]
    rows = {one["partner"]: one for one in study_energy_rows(found_of(systems))}
    assert rows["EC"]["said"]["per_center"] == "cannot tell: holds zero"


def test_table_and_figure() -> None:
    found = found_of([system("lb003", 0.0), system("lb003_pota-no3", 10.0)])
    table = energy_table(found)
    assert list(table.columns) == ENERGY_COLUMNS
    pair = table[(table.partner == "EC") & (table.system == "lb003_pota-no3")].set_index(["quantity", "region"])
    assert pair.difference["per_center", "first_shell"] == pytest.approx(30.0)
    assert pair.coulomb["per_center", "whole_box"] == "ewald"
    figure = plot_energies(found, "Li")
    shell, box, change, _ = figure.axes
    assert [bar.get_width() for bar in shell.patches] == pytest.approx([-125, -120, -300, -270, -425, -390])
    assert [label.get_text() for label in box.get_yticklabels()] == ["Li", "PF6", "EC", "the sum"]
    points = [line.get_xdata()[0] for line in change.lines if line.get_marker() == "o"]
    assert points == pytest.approx([5, 30, 35])
    empty = Comparison(
        found.systems, {}, [], [], [], [], [], pd.DataFrame(), EnergyRows([], [], [], [], {}), NO_FREE_ENERGIES
    )
    assert energy_table(empty).empty


def test_free_energies_and_bounds_side_by_side() -> None:
    """W(r) of EC is resolved in one system and has a bound in the other; the exchange has numbers in both."""
    columns = ["center", "partner", "site", "quantity", "w_kt", "w_kt_stderr", "at_least_kt", "n_independent", "status"]
    resolved = (*EC, "escape", 5.0, 0.5, np.nan, 40.0, "resolved")
    bound = (*EC, "escape", np.nan, np.nan, 6.2, 3.0, "not_sampled")
    exchange = ["center", "leaves", "enters", "shell", "gives", "concentrations", "delta_g_kj_mol"]
    exchange += ["delta_g_kj_mol_stderr", "n_independent", "status"]
    systems = []
    for name, barrier, delta_g in (("lb003", resolved, 0.5), ("lb003_pota-no3", bound, 2.5)):
        replica = shown(name)
        rows = [
            ("Li", "PF6", "EC", shell, shell, "free", value, 0.2, 40.0, "resolved")
            for shell, value in (("any", delta_g), ("EC3", 9.0))
        ]
        tables = replica.tables | {
            "barriers": pd.DataFrame([barrier], columns=columns),
            "coordination": replica.tables["peaks"],
            "exchange_free_energy": pd.DataFrame(rows, columns=exchange),
        }
        systems.append(System(name, None, (replace(replica, tables=tables),)))  # type: ignore[arg-type]
    found = compare_free_energies(systems, ["PF6", "EC"])
    ours, other = found.escape
    assert (ours.number.mean, other.number, other.change) == (5.0, None, None)
    assert other.extra == {"at_least_kt": 6.2}
    any_shell = found.exchange[found.exchange.shell == "any"]
    assert any_shell.delta_g_kj_mol.tolist() == [0.5, 2.5]
    assert any_shell.difference.iloc[1] == 2.0
    assert any_shell.difference_ci95_low.iloc[1] > 0
    assert compare_free_energies([system("lb003", 0.0)], []).escape == []
