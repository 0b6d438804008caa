"""Figures of energies and free energies draw what the tables say."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from drawn import bar_labels, bars, half_errors, texts
from energy_tables import energy_tables
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from table_contract import COLUMNS

from solvshell import figures
from solvshell.figures import cut_clusters, energies


@pytest.fixture
def axes() -> Axes:
    return Figure().subplots()


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    return energy_tables()


def test_energies_per_center_with_the_sum_and_errors(axes: Axes, tables: dict[str, pd.DataFrame]) -> None:
    assert figures.draw_energies(axes, tables["energies"], sums=tables["energy_sums"]) is axes
    assert bars(axes) == [0.5 * -250, 3 * -100, -125 - 300]
    assert bar_labels(axes) == ["PF6", "EC", "the sum"]
    assert list(half_errors(axes)) == pytest.approx([2.0, 2.0, 2.5])
    assert texts(axes) == ["−125.0 ± 2.0", "−300.0 ± 2.0", "−425.0 ± 2.5"]


def test_the_whole_box_is_that_of_ewald_with_the_centers(axes: Axes, tables: dict[str, pd.DataFrame]) -> None:
    figures.draw_energies(axes, tables["energies"], "whole_box", sums=tables["energy_sums"])
    assert bar_labels(axes) == ["Li", "PF6", "EC", "own images", "the sum"]
    assert bars(axes) == [-40, -125 - 7, -300 - 7, -100, -579]
    assert sum(bars(axes)[:-1]) == bars(axes)[-1]


def test_energies_of_one_molecule(axes: Axes, tables: dict[str, pd.DataFrame]) -> None:
    figures.draw_energies(axes, tables["energies"], quantity="per_molecule")
    assert bars(axes) == [-250, -100]


def test_energies_of_nobody(axes: Axes, tables: dict[str, pd.DataFrame]) -> None:
    figures.draw_energies(axes, tables["energies"].iloc[:1])
    assert texts(axes) == ["not available:\nnobody in a shell"]


def test_numbers_stand_where_no_bar_is(axes: Axes) -> None:
    energies.draw_signed_bars(axes, ["a", "b"], [-50.0, 30.0], [60.0, np.nan], ["red", "blue"])
    left, right = (text.xy[0] for text in axes.texts)
    assert left == 10.0  # the error bar crosses zero
    assert right == 0.0
    assert [text.get_ha() for text in axes.texts] == ["left", "right"]
    low, high = axes.get_xlim()
    assert low < -110
    assert high > 30


def test_small_energies_have_few_digits() -> None:
    assert figures.number(-0.00091, 0.00037, 2) == "0.00"
    assert figures.number(-0.0683, 0.0231, 2) == "−0.07 ± 0.02"
    assert figures.number(-104.364, 0.731, 2) == "−104.36 ± 0.73"
    assert figures.number(-512.3, 12.3, 2) == "−512 ± 12"


def test_distribution_and_shells(axes: Axes, tables: dict[str, pd.DataFrame]) -> None:
    figures.draw_energy_distribution(axes, tables["energy_distribution"])
    assert axes.lines[0].get_ydata() == pytest.approx([0.15, 0.05])
    other = Figure().subplots()
    figures.draw_energy_shells(other, tables["energy_shells"])
    assert bars(other) == [-310, -560]
    assert bar_labels(other) == ["3 EC", "1 PF6 + 3 EC"]


def test_distances_that_nobody_has_leave_a_gap(axes: Axes, tables: dict[str, pd.DataFrame]) -> None:
    figures.draw_energy_distance(axes, tables["energy_distance"])
    energy = np.asarray(axes.lines[0].get_ydata(), float)
    assert np.isnan(energy[2])
    assert energy[[0, 1, 3]] == pytest.approx(-95)


def test_figures_of_the_page(tables: dict[str, pd.DataFrame]) -> None:
    colors = figures.partner_colors(["Li", "PF6", "EC"])
    figure = figures.plot_energies(tables["energies"], tables["energy_sums"], tables["energy_distribution"], colors)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "per Li, first shell (bare)",
        "per Li, whole box (Ewald)",
        "per molecule of the first shell (bare)",
        "how these spread",
    ]
    of_unit = tables["energy_distance"].assign(center="POTA")
    distance = pd.concat([tables["energy_distance"], of_unit])
    spread = tables["energy_distribution"].assign(center="POTA")
    figure = figures.plot_energy_shells(distance, tables["energy_shells"], spread, ["PF6", "EC"], colors)
    assert figure.axes[1].get_title(loc="left") == "Li: with the whole first shell (bare)"
    assert figure.axes[3].get_title(loc="left") == "POTA: with a molecule of the first shell (bare)"


def potential_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """W of one pair with a well, a barrier that is not sampled, and one bin of noise."""
    r = np.array([1.9, 2.0, 2.1, 2.2])
    columns = dict(zip(COLUMNS["potential_of_mean_force"].split(","), ("Li", "EC", "carbonyl_o", r), strict=False))
    W, error = np.array([-3.0, -4.0, -2.0, 1.0]), np.array([0.1, 0.1, 0.2, 1.5])
    columns |= {"w_kt": W, "w_kt_stderr": error, "w_kj_mol": 2.5 * W, "w_kj_mol_stderr": 2.5 * error}
    potential = pd.DataFrame(columns | {"n_independent": 1 / error**2, "enough_counts": error <= 0.1})
    rows: list[dict[str, Any]] = [
        {"quantity": "well", "r_angstrom": 2.0, "w_kt": -4.0, "w_kt_stderr": 0.1, "status": "resolved"},
        {"quantity": "barrier", "r_angstrom": 2.2, "at_least_kt": 0.8, "status": "not_sampled"},
        {"quantity": "escape", "w_kt": 5.0, "w_kt_stderr": 0.2, "status": "resolved"},
    ]
    pair = {"center": "Li", "partner": "EC", "site": "carbonyl_o"}
    barriers = pd.DataFrame(rows).assign(**pair).reindex(columns=COLUMNS["barriers"].split(","))
    return potential, barriers


def test_potential_of_mean_force_without_noise_and_with_its_bound(axes: Axes) -> None:
    potential, barriers = potential_tables()
    figures.draw_potential_of_mean_force(axes, potential, barriers, legend=False)
    curve, well = axes.lines[0], axes.containers[0].lines[0]
    assert np.asarray(curve.get_ydata(), float)[:3] == pytest.approx([-3, -4, -2])
    assert np.isnan(curve.get_ydata()[3])
    assert (well.get_xdata()[0], well.get_ydata()[0]) == (2.0, -4.0)
    assert len(axes.containers) == 1  # neither the barrier nor the way between
    (arrow,) = axes.texts
    assert arrow.xy == (2.2, 0.8)


def test_potential_in_kj_mol(axes: Axes) -> None:
    potential, _ = potential_tables()
    figures.draw_potential_of_mean_force(axes, potential, unit="kJ/mol", legend=False)
    assert min(axes.lines[0].get_ydata()[:3]) == -10.0
    assert axes.get_ylabel() == "W(r) / kJ mol⁻¹"


def means_table() -> pd.DataFrame:
    columns = ["quantity", "kind", "composition", "leaves", "method", "phase", "geometry"]
    columns += ["mean_kj_mol", "stderr_kj_mol", "n", "n_failed"]
    rows = [
        ("binding", "shell", "EC4", None, "gfn2", "gas", "fixed", -500.0, 4.0, 3, 0),
        ("binding", "shell", "EC4", None, "gfn2", "continuum", "relaxed", -200.0, np.nan, 1, 1),
        ("binding", "pair", "EC1", None, "ff_full", "gas", "fixed", -210.0, np.nan, 1, 0),
        ("binding", "pair", "DMC1", None, "gfn2", "gas", "fixed", np.nan, np.nan, 0, 1),
        ("desolvation", "shell", "EC4", "EC", "gfn2", "gas", "fixed", 60.0, 2.0, 3, 0),
    ]
    return pd.DataFrame(rows, columns=columns)


def test_energies_of_clusters(axes: Axes) -> None:
    figures.draw_cluster_energies(axes, means_table())
    assert bar_labels(axes) == ["4 EC", "pair with 1 EC"]  # a cluster that failed has no row
    drawn = [container.lines[0] for container in axes.containers]
    assert [one.get_xdata()[0] for one in drawn] == [-500, -200, -210]
    assert drawn[0].get_markerfacecolor() != "white"
    assert drawn[1].get_markerfacecolor() == "white"
    assert [one.get_marker() for one in drawn] == ["o", "s", "o"]
    assert next(half_errors(axes)) == 4.0
    assert set(axes.get_legend_handles_labels()[1]) == {
        "GFN2-xTB, gas, fixed",
        "GFN2-xTB, continuum, relaxed",
        "force field, full charges, gas, fixed",
    }


def test_desolvation_names_who_leaves(axes: Axes) -> None:
    figures.draw_cluster_energies(axes, means_table(), "desolvation")
    assert bar_labels(axes) == ["4 EC: EC leaves"]
    assert len(figures.plot_cluster_energies(means_table()).axes) == 2
    assert cut_clusters.plot_cluster_energies(means_table().iloc[3:4]) is None


def test_stretches_of_clusters(axes: Axes) -> None:
    rows = [("free", "EC", "ok", 1770.0), ("free", "EC", "ok", 1774.0), ("lithium", "EC", "ok", 1740.0)]
    rows += [("lithium", "EC", "not_converged", np.nan)]
    columns = ["class", "species", "status", "wavenumber_harmonic_gfn2"]
    figures.draw_infrared(axes, pd.DataFrame(rows, columns=columns))
    assert bar_labels(axes) == ["EC, free", "EC, at Li⁺"]
    means = [container.lines[0].get_xdata()[0] for container in axes.containers]
    assert means == [1772, 1740]
    assert next(half_errors(axes)) == pytest.approx(2.0)


def test_free_energies_of_windows(axes: Axes) -> None:
    curve = pd.DataFrame({"r_angstrom": [2.0, 3.0], "w_kj_mol": [-10.0, 5.0], "stderr_kj_mol": [1.0, 2.0]})
    figures.draw_umbrella(axes, curve.assign(outward_kj_mol=[-11.0, 4.0], inward_kj_mol=np.nan))
    assert [one.get_label() for one in axes.lines[:2]] == ["both ways", "outward"]
    assert axes.get_ylabel() == "W(r) / kJ mol⁻¹"
    number = curve.rename(columns={"r_angstrom": "coordination_number", "w_kj_mol": "f_kj_mol"})
    other = Figure().subplots()
    figures.draw_umbrella(other, number.assign(outward_kj_mol=np.nan, inward_kj_mol=np.nan))
    assert other.get_xlabel() == "coordination number"
    assert texts(figures.draw_umbrella(Figure().subplots(), curve.iloc[:0]))[0].startswith("no curve")
    rows = [("forward", 0.5, -400.0, 5.0), ("forward", 1.0, -410.0, 4.0), ("reverse", 1.0, -410.0, np.nan)]
    columns = ["direction", "share_of_time", "free_energy_kj_mol", "stderr_kj_mol"]
    third = figures.draw_decoupling(Figure().subplots(), pd.DataFrame(rows, columns=columns))
    assert third.containers[0].lines[0].get_ydata() == pytest.approx([-400, -410])
    assert third.containers[0].lines[0].get_xdata() == pytest.approx([50, 100])
