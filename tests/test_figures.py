"""Figures draw what the tables say."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drawn import bar_labels, bars, half_errors, texts
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.colors import rgb_to_hsv, to_hex
from matplotlib.figure import Figure
from table_contract import COLUMNS

from solvshell import figures
from solvshell.figures import pages
from solvshell.figures.typical import read_typical_shell

PAIRS = [("Li", "PF6", "f"), ("Li", "EC", "carbonyl_o"), ("Na", "PF6", "f"), ("Na", "EC", "carbonyl_o")]
R = np.arange(0.005, 8, 0.01)
TIMES = np.array([0.0, 10.0, 20.0, 40.0])
ANGLES = np.arange(1.5, 180, 3.0)


def table(name: str, rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS[name].split(","))


def of_pairs(name: str, curves: Callable[[int], tuple]) -> pd.DataFrame:
    """A table with arrays for each pair, which differ by the number of the pair."""
    columns = COLUMNS[name].split(",")
    tables = [pd.DataFrame(dict(zip(columns, (*pair, *curves(i)), strict=True))) for i, pair in enumerate(PAIRS)]
    return pd.concat(tables, ignore_index=True)


@pytest.fixture
def axes() -> Axes:
    return Figure().subplots()


@pytest.fixture
def rdf() -> pd.DataFrame:
    def curves(i: int) -> tuple:
        g = (1.9 + 0.1 * i < R).astype(float)
        n = (i + 1) * np.cumsum(g) / 100
        return R, g, 0.1 * g, n, 0.1 * n

    return of_pairs("rdf", curves)


@pytest.fixture
def coordination() -> pd.DataFrame:
    numbers = [(1.0, 0.1), (3.0, 0.2), (np.nan, np.nan), (4.0, np.nan)]
    return table(
        "coordination", [(*pair, cn, e, cn, e, 3.0, 20.0) for pair, (cn, e) in zip(PAIRS, numbers, strict=True)]
    )


@pytest.fixture
def decays() -> pd.DataFrame:
    def curves(i: int) -> tuple:
        stayed = np.array([1.0, 0.5, 0.25, 0.0]) if i == 0 else np.exp(-TIMES / 100)
        return TIMES, stayed, np.full(4, 0.01), np.sqrt(stayed), np.full(4, np.nan)

    return of_pairs("residence_decays", curves)


@pytest.fixture
def angles() -> pd.DataFrame:
    return of_pairs(
        "angles", lambda i: (ANGLES, np.where(ANGLES > 178, 50.0, 1 + i), np.where(ANGLES > 178, 40.0, 0.1))
    )


@pytest.fixture
def shells() -> pd.DataFrame:
    lithium = [("Li", f"PF61 EC{n}", 0.1 * n, 0.01, n, 0) for n in range(1, 5)]
    return table("shells", [*lithium, ("Na", "none", 1.0, np.nan, 9, 0)])


@pytest.fixture
def speciation() -> pd.DataFrame:
    lithium = zip(("ssip", "cip", "agg"), (0.5, 0.3, 0.2), strict=True)
    sodium = ("ssip", "cip", "agg")
    return table(
        "speciation",
        [
            *(("Li", state, share, 0.02) for state, share in lithium),
            *(("Na", state, np.nan, np.nan) for state in sodium),
        ],
    )


@pytest.fixture
def denticity() -> pd.DataFrame:
    rows = [("Li", "PF6", 1, 0.7), ("Li", "PF6", 2, 0.3), ("Li", "EC", 1, 1.0), ("Na", "PF6", 3, 1.0)]
    return table("denticity", [(*row, 0.05, 1.0, 0.1, 100, 20.0) for row in rows])


@pytest.fixture
def clusters() -> pd.DataFrame:
    rows = [("Li1", 1, 0, 2.0, 0.5, 0.0), ("PF61", 0, 1, 2.0, 0.0, 0.4), ("Li1 PF61", 1, 1, 2.0, 0.5, 0.6)]
    return table("clusters", [(*row[:4], 0.1, row[4], 0.05, row[5], 0.06, 10, 20.0, 0) for row in rows])


@pytest.fixture
def population() -> pd.DataFrame:
    rows = [(1, 0, 2.0), (0, 1, 3.0), (1, 1, 0.5), (9, 9, 0.1)]
    return table("population", [(n, m, mean, mean / 10, mean / 5.6, mean / 56) for n, m, mean in rows])


@pytest.fixture
def free_energy() -> pd.DataFrame:
    rows = [
        ("Li", "all", 3, 1.5, 0.3),
        ("Li", "all", 4, 0.0, 0.0),
        ("Li", "EC", 2, 0.0, 0.0),
        ("Na", "EC", 1, 0.7, 0.1),
    ]
    return table(
        "coordination_free_energy", [(c, p, n, 0.1, 0.01, F, e, np.nan, np.nan, 20.0) for c, p, n, F, e in rows]
    )


@pytest.fixture
def convergence() -> pd.DataFrame:
    rows = [
        ("peak", *PAIRS[0], 1.95, 0.004, 0.005, 40.0, 1000.0, 640.0, "enough"),
        ("coordination", *PAIRS[1], 3.0, 0.2, 0.1, 20.0, 1000.0, 4000.0, "longer"),
        ("total_coordination", "Na", None, None, 5.0, None, 0.1, 3.0, 1000.0, None, "cannot_tell"),
    ]
    return table("convergence", rows)


@pytest.fixture
def running_means() -> pd.DataFrame:
    means = [("Li", 4.0), ("Na", 6.0)]
    return table("running_means", [(c, t, m, 0.1, m - 0.2, m + 0.2, 20.0) for c, m in means for t in (100.0, 200.0)])


def line(axes: Axes, label: str) -> Any:
    return next(one for one in axes.lines if one.get_label() == label)


def test_rdf_is_that_of_the_table_up_to_smoothing(axes: Axes, rdf: pd.DataFrame) -> None:
    assert figures.draw_rdf(axes, rdf, r_max=6.0) is axes
    drawn = line(axes, "Na–O(C=O) of EC")
    r, g = drawn.get_data()
    assert r.max() < 6
    assert len(r) == 600
    assert g[r > 2.5] == pytest.approx(1)
    assert np.interp(0.5, g, r) == pytest.approx(2.2, abs=0.01)
    assert axes.get_xlabel() == "r / Å"
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(1.1, abs=1e-6)


def test_rdf_of_the_pairs_of_another_table_alone(axes: Axes, rdf: pd.DataFrame, coordination: pd.DataFrame) -> None:
    figures.draw_rdf(axes, rdf, coordination.iloc[:1])
    assert axes.get_legend_handles_labels()[1] == ["Li–F of PF6"]


def test_centers_differ_by_line_style_and_partners_by_color(axes: Axes, rdf: pd.DataFrame) -> None:
    figures.draw_rdf(axes, rdf, colors={"EC": "#123456"})
    assert len({(one.get_color(), one.get_linestyle()) for one in axes.lines[:4]}) == 4
    assert line(axes, "Li–O(C=O) of EC").get_color() == line(axes, "Na–O(C=O) of EC").get_color() == "#123456"
    assert line(axes, "Li–F of PF6").get_linestyle() == line(axes, "Li–O(C=O) of EC").get_linestyle() == "-"
    said = [text.get_text() for text in axes.get_legend().get_texts()]
    assert said == ["F of PF6", "O(C=O) of EC", "around Li", "around Na"]


def test_eight_partners_have_colors_of_their_own(axes: Axes) -> None:
    assert len(set(figures.partner_colors("abcdefgh").values())) == 8


def test_running_coordination_with_circles_at_the_cutoffs(
    axes: Axes, rdf: pd.DataFrame, coordination: pd.DataFrame
) -> None:
    figures.draw_running_coordination(axes, rdf, coordination)
    assert list(line(axes, "Na–F of PF6").get_ydata()) == list(rdf[rdf.center == "Na"].n[:600])
    circles = [one.get_xydata()[0] for one in axes.lines if one.get_marker() == "o"]
    assert np.array(circles)[:, 0] == pytest.approx(3.0)
    assert np.nansum(np.array(circles)[:, 1]) == 1 + 3 + 4
    assert list(half_errors(axes)) == pytest.approx([0.1, 0.2, np.nan, np.nan], nan_ok=True)
    assert axes.get_ylim() == (0, 8)


def test_angles_with_the_line_of_no_preference(axes: Axes, angles: pd.DataFrame) -> None:
    figures.draw_angles(axes, angles)
    assert line(axes, "Na–F of PF6").get_ydata()[:50] == pytest.approx(3)
    assert [list(one.get_ydata()) for one in axes.lines if len(one.get_ydata()) == 2] == [[0.5, 0.5]]
    assert axes.get_ylim()[1] == pytest.approx(1.2 * 4)  # a bin of 50 +- 40 does not stretch the axis


def test_coordination_numbers_are_bars_with_their_errors(axes: Axes, coordination: pd.DataFrame) -> None:
    totals = {"Li": {"mean": 4.0, "stderr": 0.3}, "Na": {"mean": None, "stderr": None}}
    figures.draw_coordination(axes, coordination, totals)
    assert bars(axes) == [1.0, 3.0, 4.0, 4.0]
    assert bar_labels(axes) == ["Li–F of PF6", "Li–O(C=O) of EC", "all around Li", "Na–O(C=O) of EC"]
    assert list(half_errors(axes)) == pytest.approx([0.1, 0.2, 0.3, np.nan], nan_ok=True)
    assert texts(axes) == ["1.00 ± 0.10", "3.00 ± 0.20", "4.00 ± 0.30", "4"]
    assert to_hex(axes.patches[1].get_facecolor()) == to_hex(axes.patches[3].get_facecolor())


def test_shells_of_each_center_the_most_frequent_first(axes: Axes, shells: pd.DataFrame) -> None:
    figures.draw_shells(axes, shells, ["PF6", "EC"], n_shown=2)
    assert bar_labels(axes) == ["Li: 1 PF6 + 4 EC", "Li: 1 PF6 + 3 EC", "Na: empty"]
    assert bars(axes) == pytest.approx([40, 30, 100])
    assert axes.get_xlabel() == "share of centers / %; 3 of 5 compositions"
    assert max(axes.get_xticks()) <= 100


def test_shells_of_shipped_species_need_no_names(axes: Axes, shells: pd.DataFrame) -> None:
    figures.draw_shells(axes, shells, n_shown=1)
    assert bar_labels(axes) == ["Li: 1 PF6 + 4 EC", "Na: empty"]


def test_ion_pair_states(axes: Axes, speciation: pd.DataFrame) -> None:
    figures.draw_speciation(axes, speciation)
    assert bar_labels(axes) == ["SSIP", "CIP", "AGG"]  # those around sodium are not known
    assert bars(axes) == pytest.approx([50, 30, 20])
    assert list(half_errors(axes)) == pytest.approx([2, 2, 2])


def test_denticity(axes: Axes, denticity: pd.DataFrame) -> None:
    figures.draw_denticity(axes, denticity)
    assert bar_labels(axes) == ["Li: PF6, 1 atom", "Li: PF6, 2 atoms", "Li: EC, 1 atom", "Na: PF6, 3 atoms"]
    assert bars(axes) == pytest.approx([70, 30, 100, 100])


def test_clusters_hold_centers_and_anions(axes: Axes, clusters: pd.DataFrame) -> None:
    figures.draw_clusters(axes, clusters, ["Li", "PF6"])
    assert bar_labels(axes) == ["1 Li", "1 PF6", "1 Li + 1 PF6"]
    places = [bar.get_y() + bar.get_height() / 2 for bar in axes.patches]
    assert places == pytest.approx([0, 1.81, 1, 2.19])  # centers, then anions; a lone bar stands at its label
    assert bars(axes) == pytest.approx([50, 50, 40, 60])
    assert list(half_errors(axes)) == pytest.approx([5, 5, 6, 6])


def test_the_most_populated_clusters_are_kept_in_order_of_size(axes: Axes, clusters: pd.DataFrame) -> None:
    figures.draw_clusters(axes, clusters, ["Li", "PF6"], n_shown=2)
    assert bar_labels(axes) == ["1 Li", "1 Li + 1 PF6"]


def test_population_is_a_map_of_centers_and_anions(axes: Axes, population: pd.DataFrame) -> None:
    figures.draw_population(axes, population)
    cells = np.ma.filled(axes.images[0].get_array(), np.nan)
    assert cells == pytest.approx(np.array([[np.nan, 3.0], [2.0, 0.5]]), nan_ok=True)
    where = {text.get_position(): text.get_text() for text in axes.texts}
    assert where == {(0, 1): "2.00\n± 0.20", (1, 0): "3.00\n± 0.30", (1, 1): "0.500\n± 0.050"}
    assert "1 larger sizes are not shown" in axes.get_xlabel()


def test_many_columns_of_the_map_have_no_room_for_errors(axes: Axes, population: pd.DataFrame) -> None:
    figures.draw_population(axes, population, "probability", largest=9)
    assert axes.images[0].get_array().shape == (10, 10)
    assert texts(axes)[0] == "0.36"


def test_decays_are_logarithmic_where_they_fall_far(axes: Axes, decays: pd.DataFrame) -> None:
    figures.draw_residence_decays(axes, decays, "continuous")
    assert axes.get_yscale() == "log"
    assert list(line(axes, "Li–F of PF6").get_ydata()) == pytest.approx([1, 0.5, 0.25, np.nan], nan_ok=True)
    assert axes.get_ylabel() == "S(t)"
    rest = Figure().subplots()
    figures.draw_residence_decays(rest, decays[decays.partner == "EC"])
    assert rest.get_yscale() == "linear"
    assert line(rest, "Na–O(C=O) of EC").get_ydata() == pytest.approx(np.exp(-TIMES / 200))
    assert rest.get_ylabel() == "C(t)"


def test_free_energy_of_the_total_and_of_partners(axes: Axes, free_energy: pd.DataFrame) -> None:
    figures.draw_coordination_free_energy(axes, free_energy)
    total, of_ec, of_sodium = axes.containers
    assert total.lines[0].get_xydata().tolist() == [[3, 1.5], [4, 0]]
    assert [segment[1, 1] - segment[0, 1] for segment in total.lines[2][0].get_segments()] == pytest.approx([0.6, 0])
    assert of_ec.lines[0].get_color() == of_sodium.lines[0].get_color() != total.lines[0].get_color()
    assert axes.get_ylabel() == "F(n) / kT"


def test_free_energy_of_some_partners_or_in_an_unknown_unit(axes: Axes, free_energy: pd.DataFrame) -> None:
    figures.draw_coordination_free_energy(axes, free_energy, ["all"])
    assert len(axes.containers) == 1
    rest = Figure().subplots()
    figures.draw_coordination_free_energy(rest, free_energy, unit="kJ/mol")
    assert texts(rest) == ["not available:\nthe temperature is not known"]


def test_convergence_says_what_is_enough_and_what_needs_more(axes: Axes, convergence: pd.DataFrame) -> None:
    figures.draw_convergence(axes, convergence)
    points = {one.get_marker(): one.get_xydata()[0].tolist() for one in axes.lines if len(one.get_xdata()) == 1}
    assert points["x"] == [1000, 2]
    assert sorted(one.get_xdata()[0] for one in axes.lines if one.get_marker() == "o") == [640, 4000]
    assert bar_labels(axes) == ["peak Li–F of PF6", "coordination Li–O(C=O) of EC", "coordination, all around Na"]
    assert texts(axes)[:3] == ["± 0.004, wanted 0.005", "± 0.2, wanted 0.1", "cannot tell: 3.0 independent samples"]
    low, high = axes.get_xlim()
    assert low < 640 < 4000 < high


def test_a_doubtful_error_is_a_hollow_point(axes: Axes, convergence: pd.DataFrame) -> None:
    figures.draw_convergence(axes, convergence.assign(status=["doubtful", "enough", "cannot_tell"]))
    points = [one for one in axes.lines if one.get_marker() == "o"]
    assert [one.get_markerfacecolor() for one in points] == ["white", points[1].get_color()]
    assert points[0].get_color() != points[1].get_color()
    assert texts(axes)[:2] == ["± 0.004, wanted 0.005, doubtful", "± 0.2, wanted 0.1"]


def test_a_page_has_no_figure_of_what_cannot_be_told(convergence: pd.DataFrame) -> None:
    assert pages.plot_convergence(convergence) is not None
    assert pages.plot_convergence(convergence.iloc[2:]) is None


def test_running_means_with_their_intervals(axes: Axes, running_means: pd.DataFrame) -> None:
    figures.draw_running_means(axes, running_means)
    assert line(axes, "Na").get_xydata().tolist() == [[100, 6], [200, 6]]
    assert [band.get_paths()[0].vertices[:, 1].max() for band in axes.collections] == pytest.approx([4.2, 6.2])
    assert axes.get_ylim()[0] < 3.8 < 6.2 < axes.get_ylim()[1]


XYZ = """5
center={center} composition="EC1" distances_angstrom="1.950" pbc="F F F"
{center} 0.0 0.0 0.0
O 1.95 0.0 0.0
C 3.15 0.0 0.0
H 3.75 0.9 0.0
F 0.0 2.6 0.0
"""


@pytest.fixture
def typical(tmp_path: Path) -> pd.DataFrame:
    rows = [("Li", 1, 1), ("Li", 2, 1), ("Li", 1, 2), ("Na", 1, 1)]
    index = pd.DataFrame(rows, columns=["center", "rank", "instance"]).assign(
        composition="EC1", fraction=0.5, stderr=0.02
    )
    index["file"] = [f"{center}-{rank}-{instance}.xyz" for center, rank, instance in rows]
    for row in index.itertuples():
        (tmp_path / row.file).write_text(XYZ.format(center=row.center))
    return index


def test_a_typical_shell_has_its_bonds_and_contacts(axes: Axes, typical: pd.DataFrame, tmp_path: Path) -> None:
    shell = read_typical_shell(tmp_path / typical.file[0])
    assert shell.bonds.tolist() == [[1, 2], [2, 3]]
    assert shell.touching.tolist() == [1]
    figures.draw_typical_shell(axes, str(tmp_path / typical.file[0]))
    (contact,) = axes.lines
    ends = contact.get_xydata()
    assert 0 < np.linalg.norm(ends[1] - ends[0]) < 1.95 - 0.7  # between the balls, as seen
    n_balls = sum(len(one.get_offsets()) for one in axes.collections if isinstance(one, EllipseCollection))
    assert n_balls == 2 * 5  # each with its light spot


def test_typical_shells_of_each_center(typical: pd.DataFrame, tmp_path: Path) -> None:
    figure = pages.plot_typical_shells(typical, tmp_path, ["EC"])
    said = [axes.get_title() for axes in figure.axes]
    assert said == [*["Li: 1 EC\n50.0 ± 2.0 %"] * 2, "", "", "Na: 1 EC\n50.0 ± 2.0 %", "", "", ""]
    of_one = pages.plot_typical_shells(typical[typical.center == "Li"], tmp_path, ["EC"])
    assert len(of_one.axes) == 4
    assert pages.plot_typical_shells(typical, str(tmp_path / "elsewhere")) is None


HUES = {"O": (-0.03, 0.03), "P": (0.06, 0.11), "S": (0.14, 0.18), "F": (0.35, 0.48), "N": (0.53, 0.67)}


@pytest.mark.parametrize("element", HUES)
def test_elements_have_the_colors_that_pages_say(element: str, axes: Axes, tmp_path: Path) -> None:
    """Oxygen red, phosphorus orange, sulfur yellow, fluorine green, nitrogen blue."""
    said = 'center=Li distances_angstrom="2.000"'
    (tmp_path / "shell.xyz").write_text(f"2\n{said}\nLi 0 0 0\n{element} 2 0 0\n")
    figures.draw_typical_shell(axes, tmp_path / "shell.xyz")
    balls = [color for one in axes.collections if isinstance(one, EllipseCollection) for color in one.get_facecolor()]
    hue, saturation, _ = rgb_to_hsv(np.array(balls)[:, :3]).T
    colored = (hue[saturation > 0.3] + 0.1) % 1 - 0.1
    low, high = HUES[element]
    assert any((low < colored) & (colored < high))


EMPTY: dict[str, tuple[Callable[..., Axes], str]] = {
    "rdf": (figures.draw_rdf, "no pairs"),
    "coordination": (figures.draw_coordination, "no pair has a cutoff"),
    "shells": (figures.draw_shells, "a pair has no cutoff"),
    "speciation": (figures.draw_speciation, "no anions"),
    "denticity": (figures.draw_denticity, "nobody"),
    "clusters": (figures.draw_clusters, "no anions"),
    "population": (figures.draw_population, "no anions"),
    "angles": (figures.draw_angles, "no angles"),
    "residence_decays": (figures.draw_residence_decays, "no neighbor"),
    "coordination_free_energy": (figures.draw_coordination_free_energy, "no cutoff"),
    "convergence": (figures.draw_convergence, "nothing to judge"),
    "running_means": (figures.draw_running_means, "no cutoff"),
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_tables_say_why(axes: Axes, name: str) -> None:
    draw, reason = EMPTY[name]
    assert draw(axes, table(name, [])) is axes
    assert re.search(reason, texts(axes)[0])
    assert not axes.axison


def test_an_empty_table_of_pairs_without_rdf(axes: Axes) -> None:
    figures.draw_running_coordination(axes, table("rdf", []), table("coordination", []))
    assert texts(axes) == ["no pairs"]


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_figures_of_a_page_have_panels_for_each_center(
    rdf: pd.DataFrame, coordination: pd.DataFrame, decays: pd.DataFrame, shells: pd.DataFrame, speciation: pd.DataFrame
) -> None:
    assert titles(pages.plot_rdf(rdf, coordination))[::2] == [
        f"Radial distribution functions around {c}" for c in ("Li", "Na")
    ]
    assert len(pages.plot_residence(decays).axes) == 4
    figure = pages.plot_shells(shells, speciation, ["PF6", "EC"])
    assert bar_labels(figure.axes[0])[0] == "1 PF6 + 4 EC"
    assert texts(figure.axes[3]) == ["not available:\nno cutoff for the anion"]
    of_one = pages.plot_rdf(rdf, coordination[coordination.center == "Li"])
    assert titles(of_one) == ["Radial distribution functions", "Running coordination numbers"]


def test_lines_below_a_figure_are_named_once(decays: pd.DataFrame) -> None:
    (legend,) = pages.plot_residence(decays).legends
    assert [text.get_text() for text in legend.get_texts()] == ["F of PF6", "O(C=O) of EC"]


def test_sites_without_a_shell_have_a_figure_of_their_own(rdf: pd.DataFrame, coordination: pd.DataFrame) -> None:
    assert pages.plot_other_rdf(rdf, coordination) is None
    figure = pages.plot_other_rdf(rdf, coordination.iloc[:3])
    assert figure is not None
    assert figure.axes[0].get_legend_handles_labels()[1] == ["Na–O(C=O) of EC"]


def test_a_page_of_empty_tables(coordination: pd.DataFrame) -> None:
    def none(name: str) -> pd.DataFrame:
        return table(name, [])

    made = [
        pages.plot_rdf(none("rdf"), none("coordination")),
        pages.plot_coordination(none("coordination"), {}),
        pages.plot_binding(none("denticity"), none("angles")),
        pages.plot_shells(none("shells"), none("speciation"), []),
        pages.plot_clusters(none("clusters"), none("population"), []),
        pages.plot_residence(none("residence_decays")),
        pages.plot_free_energy(none("coordination_free_energy")),
        pages.plot_running_means(none("running_means")),
    ]
    assert all(texts(axes) for figure in made for axes in figure.axes)
