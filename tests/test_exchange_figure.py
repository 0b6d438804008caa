import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from solvshell.analysis.exchange_free_energy import EXCHANGE_FREE_ENERGY_COLUMNS
from solvshell.figures.exchange import draw_exchange_free_energy


def table(rows, kT=2.5):
    """Rows are leaves, enters, shell, Delta G, its statistical part, status."""
    content = [
        {
            "center": "Li", "leaves": s, "enters": x, "shell": shell, "concentrations": convention, "delta_g_kt": G,
            "delta_g_kt_stderr": 0.2, "delta_g_kj_mol": G * kT, "delta_g_kj_mol_stderr": 0.2 * kT,
            "statistical_kt": of_number, "intrinsic_kt": G - of_number, "intrinsic_kj_mol": (G - of_number) * kT,
            "status": status,
        }
        for s, x, shell, G, of_number, status in rows
        for convention in ("free", "total")
    ]  # fmt: skip
    return pd.DataFrame(content, columns=EXCHANGE_FREE_ENERGY_COLUMNS)


ROWS = [
    ("EC", "DMC", "any", 1.0, 0.0, "resolved"),
    ("EC", "DMC", "EC4", -0.5, -1.4, "resolved"),
    ("EC", "DMC", "PF61 EC3", 0.4, -1.1, "too_few_samples"),
    ("EC", "EMC", "any", 2.0, 0.0, "resolved"),
]


@pytest.mark.parametrize(("unit", "factor"), [("kT", 1.0), ("kJ/mol", 2.5)])
def test_points_bars_and_labels(unit, factor):
    axes = Figure().subplots()
    draw_exchange_free_energy(axes, table(ROWS), unit=unit)
    at_random, *_ = axes.lines
    assert list(at_random.get_xdata()) == pytest.approx([0, -1.4 * factor, -1.1 * factor, 0])
    points = [container.lines[0] for container in axes.containers]
    assert [point.get_xdata()[0] for point in points] == pytest.approx([G * factor for *_, G, _, _ in ROWS])
    assert [point.get_markerfacecolor() == "white" for point in points] == [False, False, True, False]
    assert points[0].get_color() == points[1].get_color() != points[3].get_color()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["any shell, EC → DMC", "4 EC, EC → DMC", "1 PF6 + 3 EC, EC → DMC", "any shell, EC → EMC"]
    (bar,) = axes.containers[0].lines[2]
    assert np.ptp(bar.get_segments()[0][:, 0]) == pytest.approx(0.4 * factor)


def test_only_the_most_frequent_shells_are_drawn():
    axes = Figure().subplots()
    draw_exchange_free_energy(axes, table(ROWS), n_shells=1)
    assert [label.get_text() for label in axes.get_yticklabels()][1:] == ["4 EC, EC → DMC", "any shell, EC → EMC"]


@pytest.mark.parametrize(
    ("rows", "unit", "said"),
    [([], "kT", "no two shells that differ by one molecule"), (ROWS, "kJ/mol", "the temperature is not known")],
)
def test_nothing_to_draw_says_why(rows, unit, said):
    axes = Figure().subplots()
    draw_exchange_free_energy(axes, table(rows, kT=np.nan), unit=unit)
    assert said in axes.texts[0].get_text()
