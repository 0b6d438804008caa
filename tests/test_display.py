"""What Jupyter shows of nouns and results: the right numbers, escaped, in HTML that loads nothing."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from runs_by_hand import fake_run
from short_runs import short_protocol
from small_boxes import gel, liquid

from solvshell.analysis import analyze_run
from solvshell.comparison.results import Comparison, compare_systems
from solvshell.comparison.systems import open_systems
from solvshell.files import validate
from solvshell.joined import analyze_runs
from solvshell.joined.recount import recount
from solvshell.md import simulate
from solvshell.protocol import load_protocol
from solvshell.recipe import Recipe, load_recipe
from solvshell.reservoir import Reservoir
from solvshell.run import Run, open_run


class _Page(HTMLParser):
    """The rows of the tables, all text, and the tags that stand open at the end."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.text, self.open = "", []
        self._in_cell = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs) -> None:
        assert not {"src", "href"} & {name for name, _ in attrs}
        assert "color:" not in re.sub("border[^;]*", "", dict(attrs).get("style") or "")
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        self._in_cell = tag in ("td", "th")
        if self._in_cell:
            self.rows[-1].append("")

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag
        self._in_cell = False

    def handle_data(self, data) -> None:
        self.text += data
        if self._in_cell:
            self.rows[-1][-1] += data


def shown(noun: object) -> _Page:
    page = _Page(noun._repr_html_())
    assert not page.open
    assert len(repr(noun)) < 300
    return page


def test_a_recipe_shows_what_it_puts_into_the_box() -> None:
    page = shown(load_recipe("ls002_pota-no3"))
    assert ["Li + TFSI", "salt", "1 mol/L of solution"] in page.rows
    assert ["Li + NO3", "additive", "1 % by mass"] in page.rows
    assert ["DOL", "solvent", "50 % by volume"] in page.rows
    assert ["POTA and NO3", "polymer, chains of 4 units", "25 % by mass"] in page.rows
    assert "charges of ions × 0.8" in page.text


def test_names_are_escaped() -> None:
    content = {"name": "x", "title": "<script>alert(1)</script> & co", "composition": {"counts": {"EC": 2}}}
    recipe = validate(Recipe, content, "x")
    assert "<script" not in recipe._repr_html_()
    assert "<script>alert(1)</script> & co" in shown(recipe).text


def test_a_protocol_shows_its_stages() -> None:
    page = shown(load_protocol("gel"))
    assert ["compression", "NPT", "200 ps", "400 K", "500 bar", "20 ps"] in page.rows
    assert ["cool", "NPT", "2 ns", "400 → 298.15 K", "1 bar", "50 ps"] in page.rows
    assert ["equilibration", "NPT", "≤ 20 ns", "298.15 K", "1 bar", "50 ps"] in page.rows
    assert "up to 44.22 ns in steps of 4 fs" in page.text
    assert ["umbrella", "umbrella, 36 windows", "720 ps", "298.15 K", "1 bar", "–"] in shown(
        load_protocol("umbrella-quick")
    ).rows


def test_a_box_shows_its_molecules() -> None:
    box = liquid()
    page = shown(box)
    assert ["PF6", "anion", "2", f"{box.molarity('PF6'):.3g}"] in page.rows
    assert f"{box.n_atoms} atoms" in page.text
    assert f"{box.density_g_cm3:.3f} g/cm³" in page.text
    assert ["PDAD", "polymer", "6"] in [row[:3] for row in shown(gel()).rows]  # two chains of three units
    assert "3 units in each chain" in shown(gel()).text


def test_a_reservoir_shows_its_activities() -> None:
    species = {"EC": {"activity": "0.5 /nm3", "mu_ex": "-31.25 kJ/mol", "mu_ex_error": "0.5 kJ/mol"}}
    by_hand = validate(Reservoir, {"name": "r", "temperature": "300 K", "species": species}, "r")
    page = shown(by_hand)
    # z kT: 0.5 / nm3 of 1.380649e-23 J/K and 300 K are 20.71 bar
    assert ["EC", "0.5", "–", "20.7", "-31.25 ± 0.50", "–", "–"] in page.rows
    assert "given by hand" in page.text


def test_a_run_shows_how_far_it_is(tmp_path) -> None:
    liquid().save(tmp_path / "box")
    run = open_run(tmp_path / "run", tmp_path / "box", short_protocol(), 4)
    assert "seed 4 · not begun" in shown(run).text
    simulate(run, "Reference", stop_before_production=True)
    page = shown(run)
    assert ["equilibration", "NVT", "0.1 ps", "done, 0.1 ps"] in page.rows
    assert ["production", "NVT", "0.2 ps", "–"] in page.rows
    assert "in production: 0.1 ps of 0.3 ps (33 %)" in page.text
    simulate(run, "Reference")
    page = shown(run)
    assert ["production", "NVT", "0.2 ps", "done, 0.2 ps"] in page.rows
    assert "finished" in page.text
    (run.path / "protocol.yaml").write_text("nonsense")
    assert "protocol.yaml" in shown(Run(run.path)).text  # says why, and raises nothing


def test_a_machine_that_runs_boxes_needs_no_table_library(tmp_path) -> None:
    liquid().save(tmp_path / "box")
    open_run(tmp_path / "run", tmp_path / "box", short_protocol())
    script = """
import sys
from pathlib import Path
from solvshell.run import Run
run = Run.load(Path("run"))
assert run.box._repr_html_() and run._repr_html_() and run.protocol._repr_html_() and run.box.recipe._repr_html_()
heavy = {"pandas", "MDAnalysis", "matplotlib", "scipy", "rdkit"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)


@pytest.fixture(scope="module")
def runs(box_path: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    return [fake_run(box_path, folder / f"{n}-ec", n, 1.9, n) for n in (3, 2)]


def test_an_analysis_shows_first_shells_and_shares(runs) -> None:
    analysis = analyze_run(Run.load(runs[0]), energies=False)
    page = shown(analysis)
    rows = {row[0]: row[1:] for row in page.rows}
    of_ec = analysis.coordination.set_index("partner").loc["EC"]
    assert float(rows["Li–O(C=O) of EC"][0]) == pytest.approx(1.9, abs=0.02)
    assert float(rows["Li–O(C=O) of EC"][3].split(" ± ")[0]) == pytest.approx(of_ec.cn_atoms_mean, abs=0.01)
    assert float(rows["Li, 3 EC + 1 DMC"][0].split(" ± ")[0]) == pytest.approx(0.7, abs=0.05)
    assert rows["Li, SSIP"] == ["1"]
    assert "a demonstration, no measurement" in page.text
    for note in analysis.summary["notes"]:
        assert note in page.text
    joined = shown(analyze_runs([Run.load(runs[0])], energies=False))
    assert "errors within the runs" in joined.text
    assert "Li, 3 EC + 1 DMC" in {row[0] for row in joined.rows}


def test_a_comparison_shows_differences(runs) -> None:
    systems = open_systems(runs)
    found: Comparison = compare_systems(systems, *recount(systems))
    page = shown(found)
    rows = {row[0]: row[1:] for row in page.rows}
    assert page.rows[0] == ["", "lb003 (3-ec)", "lb003 (2-ec)", "difference (95 %)"]
    of_ec = rows["Li–O(C=O) of EC"]
    there, here = (float(cell.split(" ± ")[0]) for cell in of_ec[:2])
    assert (there, here) == pytest.approx((2.7, 1.7), abs=0.1)
    assert float(of_ec[2].split(" ")[0].replace("−", "-")) == pytest.approx(here - there, abs=0.02)
    assert rows["Li–O(C=O) of EMC"][0] == "0"  # counted within a typical cutoff
    assert "In these boxes, against lb003 (3-ec), Li in lb003 (2-ec) has lost" in page.text
