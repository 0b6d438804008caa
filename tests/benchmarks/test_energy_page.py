"""The page of energies from tables made by hand: marks, bounds, changes, what is missing."""

from types import SimpleNamespace

import energy_page
import pandas as pd
import pytest

from solvshell.analysis.barriers import BARRIER_COLUMNS
from solvshell.analysis.energies.per_species import ENERGY_COLUMNS, SUM_COLUMNS
from solvshell.analysis.exchange_free_energy import EXCHANGE_FREE_ENERGY_COLUMNS

BOX = {"region": "whole_box", "coulomb": "ewald"}
PAIR = {"center": "Li", "partner": "EC", "site": "carbonyl_o"}


def energies(name, total, stderr, n_independent, **more):
    row = {"center": "Li", "total_kj_mol": total, "stderr_kj_mol": stderr, "n_independent": n_independent, **more}
    return {"quantity": "per_center", "region": "first_shell", "coulomb": "bare", "partner": name} | row


def system(name, rows, barriers, exchanges):
    barrier_rows = [PAIR | {"quantity": quantity, "status": status, **more} for quantity, status, more in barriers]
    exchange_rows = [
        {"center": "Li", "leaves": "EC", "enters": enters, "shell": "any", "gives": "any", "concentrations": "free",
         "delta_g_kj_mol": G, "delta_g_kj_mol_stderr": 0.5, "n_independent": 20.0, "status": status}
        for enters, G, status in exchanges
    ]  # fmt: skip
    analysis = SimpleNamespace(
        energies=pd.DataFrame(rows, columns=ENERGY_COLUMNS),
        energy_sums=pd.DataFrame(rows[:1], columns=SUM_COLUMNS),
        barriers=pd.DataFrame(barrier_rows, columns=BARRIER_COLUMNS),
        exchange_free_energy=pd.DataFrame(exchange_rows, columns=EXCHANGE_FREE_ENERGY_COLUMNS),
        coordination=pd.DataFrame([PAIR]),
        summary={
            "frames": {"used": 1001, "timestep_ps": 1.0},
            "coordination": {"total": {"Li": {"mean": 4.9, "stderr": 0.05}}},
            "energies": {"charges": {"Li": 0.8, "PF6": -0.8, "EC": 0.0}},
        },
    )
    recipe = SimpleNamespace(force_field=SimpleNamespace(ion_charge_scale=0.8))
    run = SimpleNamespace(box=SimpleNamespace(counts={"Li": 8, "EC": 38}, recipe=recipe))
    return energy_page.System(name, run, analysis)


@pytest.fixture(scope="module")
def page():
    liquid = system(
        "liquid",
        [
            energies("EC", -200.0, 4.0, 50.0),
            energies("PF6", -100.0, 40.0, 2.0),
            energies("EC", -190.0, 4.0, 50.0, **BOX),
            energies("Li", -30.0, 4.0, 50.0, **BOX),
        ],
        [
            ("well", "resolved", {"w_kj_mol": -9.5, "w_kj_mol_stderr": 0.3}),
            ("escape", "not_sampled", {"at_least_kj_mol": 12.34}),
        ],
        [("DMC", 1.2, "resolved")],
    )
    gel = system(
        "gel",
        [
            energies("EC", -150.0, 3.0, 40.0),
            energies("NO3", -500.0, 30.0, 12.0),
            energies("EC", -140.0, 3.0, 40.0, **BOX),
            energies("Li", 20.0, 4.0, 50.0, **BOX),
        ],
        [("well", "not_sampled", {}), ("escape", "not_sampled", {"at_least_kj_mol": 8.0})],
        [("DMC", 3.2, "too_few_samples"), ("NO3", -4.0, "resolved")],
    )
    return energy_page.page([liquid, gel])


def row(page, label, after=""):
    lines = page[page.index(after) :].splitlines()
    return next(line for line in lines if line.startswith(f"| {label} |"))


def test_energies_have_errors_marks_and_changes(page):
    after = "## Per Li⁺ and partner, first shell"
    # 50 +- t(49) 4 and t(39) 3 in quadrature: 8.04, 6.07
    assert row(page, "EC", after) == "| EC | −200.0 ± 4.0 | −150.0 ± 3.0 | 50 (40 … 60) |"
    assert row(page, "PF6", after) == "| PF6 | −100 ± 40 * | – | 100 (−408 … 608) |"
    assert row(page, "NO3", after) == "| NO3 | – | −500 ± 30 | −500 (−566 … −434) |"


def test_ewald_energies_with_ions_have_no_change(page):
    after = "## Per Li⁺ and partner, whole box, Ewald"
    assert row(page, "EC", after) == "| EC | −190.0 ± 4.0 | −140.0 ± 3.0 | 50 (40 … 60) |"
    assert row(page, "Li", after) == "| Li | −30.0 ± 4.0 | 20.0 ± 4.0 | – |"


def test_barriers_are_numbers_bounds_or_not_sampled(page):
    assert row(page, "Li–O(C=O) of EC, well") == "| Li–O(C=O) of EC, well | −9.50 ± 0.30 | not sampled |"
    assert row(page, "Li–O(C=O) of EC, escape") == "| Li–O(C=O) of EC, escape | > 12.3 | > 8.0 |"


def test_exchanges_have_changes_where_both_saw_them(page):
    assert row(page, "EC → DMC") == "| EC → DMC | 1.20 ± 0.50 | 3.20 ± 0.50 * | 2.0 (0.5 … 3.5) |"
    assert row(page, "EC → NO3") == "| EC → NO3 | – | −4.00 ± 0.50 | – |"


def test_it_says_how_long_and_against_what(page):
    assert row(page, "liquid") == "| liquid | 8 Li, 38 EC | 1001 | 4.900 ± 0.050 |"
    assert "changes are differences to liquid\nwith" in page
    assert "Charges of ions are scaled by 0.8. " in page
