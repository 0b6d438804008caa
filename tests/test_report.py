import json
import math
import re
import shutil
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from page_addresses import addresses
from synthetic import make_universe, species_file

from solvshell.analysis import analyze, write_tables
from solvshell.analysis.convergence import with_doubts
from solvshell.cli import main
from solvshell.errors import InvalidInput
from solvshell.figures import number, pair_name, shell_name
from solvshell.report import write_report
from solvshell.report_tables import cutoff_rows, exchange_matrices, missing_times, residence_rows


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [
        (4.4567, 0.123, "4.46 ± 0.12"),
        (1.22309, 0.0018, "1.2231 ± 0.0018"),
        (298.365, 12.3, "298 ± 12"),
        (5.0, None, "5"),
        (5.0, math.nan, "5"),
        (61253.7, None, "61254"),
        (None, None, "–"),
        (math.nan, 1.0, "–"),
    ],
)
def test_numbers_are_rounded_to_their_errors(value: float | None, stderr: float | None, text: str) -> None:
    assert number(value, stderr) == text


def test_shells_of_species_whose_names_end_in_digits() -> None:
    assert shell_name("PF61 EC3", ["PF6", "EC", "P"]) == "1 PF6 + 3 EC"
    assert shell_name("EC12", ["EC", "E"]) == "12 EC"
    assert shell_name("none", ["EC"]) == "empty"
    assert shell_name("PF61 EC3") == "1 PF6 + 3 EC"
    assert shell_name("PF61 ECX2", ["PF", "EC"]) == "61 PF + 2 ECX"


def test_pairs_are_written_as_chemists_do() -> None:
    assert pair_name("Li", "EC", "carbonyl_o") == "Li–O(C=O) of EC"
    assert pair_name("Li", "POTA", "ring_n") == "Li–ring_n of POTA"


DATA = Path(__file__).parent / "data" / "gromacs_lb003"
SECTIONS = [
    "Is the run long enough",
    "Where the neighbors are",
    "How many there are",
    "How they bind",
    "What the shells are made of",
    "Pairs and clusters of ions",
    "How long they stay",
    "What holds it: interaction energies",
    "Free energies: what it costs to let go",
    "How these numbers were made",
    "How to cite",
]


def text_of(page: Path) -> str:
    """The words of a page, without marks, pictures and settings."""
    html = re.sub(r"<style>.*?</style>|<pre>.*?</pre>|<script.*?</script>", "", page.read_text(), flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html).replace("&#39;", "'"))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("foreign") / "tables"
    files = {"topology": "lb003.gro", "trajectory": "lb003.xtc", "species": "species.yaml"}
    options = [word for option, name in files.items() for word in (f"--{option}", str(DATA / name))]
    assert main(["analyze", *options, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def page(tables: Path) -> Path:
    out = tables.parent / "page.html"
    assert main(["report", str(tables), "--out", str(out)]) == 0
    return out


def test_a_page_of_tables_without_a_run_has_the_sections_in_order(page: Path) -> None:
    assert re.findall("<h2>(.*?)</h2>", page.read_text()) == SECTIONS


def test_the_page_stands_alone_and_every_figure_is_explained(tables: Path, page: Path) -> None:
    html = page.read_text()
    sources = addresses(html)
    assert sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert len(sources) == len(list((tables / "figures").glob("*.svg"))) == html.count("<figcaption>")
    assert all(len(caption) > 60 for caption in re.findall("<figcaption>(.*?)</figcaption>", html, re.S))


def test_the_page_says_the_numbers_of_the_tables(tables: Path, page: Path) -> None:
    said = text_of(page)
    summary = json.loads((tables / "summary.json").read_text())
    total = summary["coordination"]["total"]["Li"]
    assert f"{number(total['mean'], total['stderr'])} atoms around Li" in said
    coordination = pd.read_csv(tables / "coordination.csv").iloc[1]
    numbers = [number(coordination[f"cn_{of}_mean"], coordination[f"cn_{of}_stderr"]) for of in ("atoms", "molecules")]
    assert f"Li–O(C=O) of EC {numbers[0]} {numbers[1]}" in said
    stays = pd.read_csv(tables / "residence.csv")
    of_ec = stays[stays.partner == "EC"]
    departures = next(row["n_departures"] for row in summary["residence"] if row["partner"] == "EC")
    times = " ".join(number(row.time_ps, row.stderr_ps) for row in of_ec.itertuples())
    assert f"Li–O(C=O) of EC {departures} {times}" in said
    rate = pd.read_csv(tables / "exchange.csv").query("leaving == 'EC' and entering == 'EC'").iloc[0]
    assert f"{rate.rate_per_ns:.2g} ({rate.ci95_low:.2g} – {rate.ci95_high:.2g})" in said
    angle = next(row for row in summary["angles"] if row["partner"] == "EC")
    assert f"Li–O(C=O) of EC {number(angle['mean_degrees'], angle['stderr'])} {angle['n']}" in said
    judged = with_doubts(pd.read_csv(tables / "convergence.csv"), summary["flags"])
    assert f"Of {len(judged)} numbers, {(judged.status == 'enough').sum()} have the wanted standard error" in said
    assert f"{(judged.status == 'cannot_tell').sum()} have fewer than ten independent samples" in said
    assert "need a run as long as their point says (red)" in said


def test_the_page_says_why_departures_and_times_differ_or_are_missing(tables: Path, page: Path) -> None:
    said = text_of(page)
    assert "Absences shorter than 20 ps (two frames, and 2 ps at least) are bridged among the departures" in said
    rows = missing_times(json.loads((tables / "summary.json").read_text())["residence"])
    assert len(rows) >= 3
    for row in rows:
        assert f"{pair_name(row['center'], row['partner'], row['site'])} {row['missing']} {row['reason']}" in said


def test_the_page_says_where_its_numbers_come_from(tables: Path, page: Path) -> None:
    said = text_of(page)
    assert "Li–F of PF6 2.80 given by the species file" in said
    cutoff = pd.read_csv(tables / "peaks.csv").query("partner == 'EC' and site == 'carbonyl_o'").cutoff_angstrom.item()
    assert f"Li–O(C=O) of EC {cutoff:.2f} first minimum of g(r)" in said
    assert "trajectory lb003.xtc" in said
    assert f"figures (SVG, PNG) lie in {tables}" in said
    assert "Whether these are physical times depends on the thermostat" in said


def test_molecules_of_one_center_each_take_a_sentence(tables: Path, page: Path) -> None:
    assert pd.read_csv(tables / "bridging.csv").n_centers.max() == 1
    assert "No molecule in a shell touches a second center" in text_of(page)
    assert "touch so many centers" not in text_of(page)


def test_typical_shells_are_shown_and_listed_where_they_lie(tables: Path, page: Path) -> None:
    index = pd.read_csv(tables / "shells" / "index.csv")
    said = text_of(page)
    for row in index.itertuples():
        share = number(100 * row.fraction, 100 * row.stderr)
        assert f"{row.file} {share} {row.frame} {row.n_atoms}" in said
    assert (tables / "figures" / "typical_shells.svg").is_file()


def test_typical_shells_can_be_turned_and_3dmol_is_there_once(tables: Path, page: Path) -> None:
    html = page.read_text()
    (scenes,) = re.findall(r'<script type="application/json">(.*?)</script>', html, re.S)
    index = pd.read_csv(tables / "shells" / "index.csv")
    assert [scene["n_atoms"] for scene in json.loads(scenes)] == list(index.n_atoms)
    assert json.loads(scenes)[0]["title"].endswith(f"({100 * index.fraction[0]:.0f} %)")
    assert html.count("University of Pittsburgh and contributors") == 1
    assert "<h2>The box</h2>" not in html  # tables know no box


def test_what_to_cite_is_also_a_bibtex_file(page: Path) -> None:
    file = page.with_suffix(".bib").read_text()
    keys = re.findall(r"^@\w+{(.*),$", file, re.M)
    assert keys == ["solvshell", "mdanalysis", "mdanalysis-2016", "block-bootstrap", "residence", "3dmol"]
    assert escape(file.strip(), quote=False) in page.read_text()
    assert "10.1002/jcc.21787" in text_of(page)


def test_a_hostile_name_stays_text(copied: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    summary = json.loads((copied / "summary.json").read_text())
    summary["source"]["trajectory"] = evil
    (copied / "summary.json").write_text(json.dumps(summary))
    write_report([copied], copied / "page.html")
    assert evil not in (copied / "page.html").read_text()


@pytest.fixture
def copied(tables: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tables, tmp_path / "tables"))


def test_figures_of_an_earlier_analysis_go_and_those_of_others_stay(copied: Path) -> None:
    (copied / "figures").mkdir(exist_ok=True)
    for name in ("log.svg", "log.png", "mine.svg"):
        (copied / "figures" / name).touch()
    write_report([str(copied)], str(copied / "page.htm"))
    left = {path.name for path in (copied / "figures").iterdir()}
    assert not left & {"log.svg", "log.png"}
    assert left >= {"mine.svg", "rdf.svg", "rdf.png"}


def test_shells_of_an_earlier_analysis_are_not_shown(copied: Path) -> None:
    summary = json.loads((copied / "summary.json").read_text())
    summary["shell_files"] = {"available": False, "reason": "no elements"}
    (copied / "summary.json").write_text(json.dumps(summary))
    write_report([copied], copied / "page.html")
    said = text_of(copied / "page.html")
    assert "Typical shells as files: not available (no elements)." in said
    assert ".xyz" not in said
    assert not (copied / "figures" / "typical_shells.svg").exists()


def test_nothing_is_green_where_the_run_is_not_equilibrated_or_errors_are_lower_bounds(copied: Path) -> None:
    judged = pd.read_csv(copied / "convergence.csv").assign(status="enough", needed_ps=1.0, stderr=0.001)
    judged.to_csv(copied / "convergence.csv", index=False)
    summary = json.loads((copied / "summary.json").read_text())
    for flags, n_enough in (
        ({"not_equilibrated": False, "no_plateau": False, "short_draws": []}, len(judged)),
        ({"not_equilibrated": True}, (judged.quantity == "peak").sum()),
        ({"no_plateau": True}, 0),
    ):
        summary["flags"] |= flags
        (copied / "summary.json").write_text(json.dumps(summary))
        write_report([copied], copied / "page.html")
        said, html = text_of(copied / "page.html"), (copied / "page.html").read_text()
        n_doubtful = len(judged) - n_enough
        assert f"standard error as wanted for {n_enough} of {len(judged)} numbers" in said
        assert f"as wanted, but doubtful, for {n_doubtful} of {len(judged)} numbers" in said
        assert ('<p class="enough">' in html) == (n_enough > 0)
        assert ("independent samples, its error as wanted but doubtful" in said) == (n_doubtful > 0)


@pytest.mark.parametrize("name", ["page.pdf", "page", "page.html.gz"])
def test_a_page_is_html(name: str, copied: Path) -> None:
    with pytest.raises(InvalidInput, match=f"{name}: not the name of a page; give a file such as report.html"):
        write_report([copied], copied / name)


def test_a_page_about_two_kinds_of_centers(tmp_path: Path) -> None:
    molecules = [*[("LI", ["LI"])] * 3, *[("NA", ["NA"])] * 2, *[("PF6", ["F"])] * 5, *[("EC", ["O"])] * 30]
    positions = np.random.default_rng(0).random((20, len(molecules), 3)) * 14
    universe = make_universe(molecules, positions, (14, 14, 14, 90, 90, 90))
    partners = {
        "PF6": {"molecules": "resname PF6", "sites": {"f": "name F"}, "role": "anion", "cutoff_angstrom": 3.5},
        "EC": {"molecules": "resname EC", "sites": {"carbonyl_o": "name O"}, "cutoff_angstrom": 3.5},
    }
    species = species_file(centers={"Li": "name LI", "Na": "name NA"}, partners=partners)
    write_tables(analyze(universe, species, n_bootstrap=20), tmp_path)
    write_report([tmp_path], tmp_path / "page.html")
    said = text_of(tmp_path / "page.html")
    for center in ("Li", "Na"):
        assert f"atoms around {center}, all partners" in said
        assert f"{center}–O(C=O) of EC" in said
    assert "No angles" not in said
    assert len(list((tmp_path / "figures").glob("*.svg"))) == 11


def test_a_page_without_anions_and_angles(tmp_path: Path) -> None:
    molecules = [*[("LI", ["LI"])] * 3, *[("EC", ["O"])] * 30]
    positions = np.random.default_rng(0).random((3, len(molecules), 3)) * 14
    universe = make_universe(molecules, positions, (14, 14, 14, 90, 90, 90))
    partners = {"EC": {"molecules": "resname EC", "sites": {"carbonyl_o": "name O"}, "cutoff_angstrom": 3.5}}
    write_tables(analyze(universe, species_file(partners=partners), n_bootstrap=20), tmp_path)
    write_report([tmp_path], tmp_path / "page.html")
    said = text_of(tmp_path / "page.html")
    assert "No anions: no ion pair states." in said
    assert "Exchange rates: not available" in said
    assert "need a longer run, and" in said
    assert "(red)" not in said
    assert "mean angle" not in said


def test_who_never_leaves_has_a_lower_bound() -> None:
    pair = {"center": "Li", "partner": "EC", "site": "carbonyl_o"}
    times = {"method": ["censored_exponential", "intermittent_integral"], "time_ps": [np.nan, 7.0]}
    table = pd.DataFrame(times).assign(stderr_ps=2.0, **pair)
    (row,) = residence_rows(table, [pair | {"n_departures": 0, "lower_bound_ps": 200.0}])
    assert row["times"] == ["longer than 200", "–", "7.0 ± 2.0", "–", "–"]
    assert row["n_departures"] == 0


def test_missing_times_have_a_reason() -> None:
    pair = {"center": "Li", "partner": "EC", "site": "carbonyl_o"}
    known = {"integral_ps": {"mean": 7.0}, "fit": {"mean_ps": {"mean": 7.0}}, "reason": None}
    short = {"integral_ps": None, "fit": known["fit"], "reason": "too short"}
    noisy = {"integral_ps": None, "fit": None, "reason": "too noisy"}
    rows = missing_times(
        [
            pair | {"continuous": known, "intermittent": short},
            pair | {"continuous": noisy, "intermittent": known},
            pair | {"continuous": None, "intermittent": None},
        ]
    )
    assert [(row["missing"], row["reason"]) for row in rows] == [
        ("area under C(t)", "too short"),
        ("area under S(t), two exponentials", "too noisy"),
        ("all times", "no contact was counted"),
    ]


def test_cutoffs_say_who_gave_them() -> None:
    rows = [
        ("a", 2.5, "first_minimum", "resolved"),
        ("b", 2.8, "given", "too_few_samples"),
        ("c", 3.0, "typical", "too_few_samples"),
        ("d", 2.2, "caller", "resolved"),
        ("e", np.nan, "caller", "resolved"),
        ("f", np.nan, None, "no_shell"),
        ("g", np.nan, None, "too_few_samples"),
        ("reference", np.nan, None, "resolved"),
    ]
    columns = ["partner", "cutoff_angstrom", "cutoff_source", "status"]
    peaks = pd.DataFrame(rows, columns=columns).assign(center="Li", site="o")
    words = cutoff_rows(peaks, peaks[peaks.partner != "reference"])
    assert [(row["cutoff"], row["source"]) for row in words] == [
        ("2.50", "first minimum of g(r)"),
        ("2.80", "given by the species file"),
        ("3.00", "typical of such sites: too few samples for a first minimum"),
        ("2.20", "given by the caller"),
        ("–", "a rule of the caller decides"),
        ("–", "no first shell, so nothing is counted"),
        ("–", "too few samples, so nothing is counted"),
    ]


def test_exchange_is_laid_out_by_who_leaves_and_who_comes() -> None:
    columns = ["center", "leaving", "entering", "n", "rate_per_ns", "ci95_low", "ci95_high"]
    rows = [
        ("Li", "EC", "EC", 2, 1.0, 0.5, 2.0),
        ("Li", "EC", "none", 1, 0.5, 0.1, 1.0),
        ("Li", "none", "EC", 0, 0.0, 0.0, 0.7),
        ("Na", "EC", "EC", np.nan, np.nan, np.nan, np.nan),
    ]
    (matrix,) = exchange_matrices(pd.DataFrame(rows, columns=columns))
    assert (matrix["center"], matrix["names"]) == ("Li", ["EC", "none"])
    cells = [[cell and cell["rate_per_ns"] for cell in row["cells"]] for row in matrix["rows"]]
    assert cells == [[1.0, 0.5], [0.0, None]]
