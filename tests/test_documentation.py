"""The site builds without a warning and leaves nothing out, and what its pages tell one to do works."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

import solvshell
from solvshell.analysis.grand_canonical.histograms import WORK_COLUMNS
from solvshell.analysis.grand_canonical.measure import NUMBER_COLUMNS, SPECIES_COLUMNS
from solvshell.cli import _parser, main
from solvshell.comparison import tables as comparison
from solvshell.comparison.exchange_free_energy import EXCHANGE_COLUMNS
from solvshell.free_energy import umbrella
from solvshell.joined.arrhenius import ARRHENIUS_COLUMNS
from solvshell.joined.replicas import REPLICA_COLUMNS
from solvshell.joined.scatter import SCATTER_COLUMNS
from solvshell.joined.tables import JOINED_COLUMNS
from solvshell.joined.temperatures import TEMPERATURE_COLUMNS
from solvshell.md.reporters import LOG_COLUMNS
from solvshell.occupancy import MOVE_COLUMNS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def blocks(page: str, language: str) -> list[tuple[str, str]]:
    """Return the title (a file's name, or nothing) and the text of the code blocks of a page."""
    fence = rf'^```{language}(?: title="([^"]+)")?\n(.*?)^```'
    return re.findall(fence, (DOCS / page).read_text(), flags=re.DOTALL | re.MULTILINE)


def write_files(page: str, folder: Path) -> None:
    for title, text in blocks(page, "yaml"):
        if title:
            (folder / title).write_text(text)


def run_shell(page: str, folder: Path, replace: dict[str, str] | None = None, **environment: str) -> str:
    """Run the shell commands of a page in a folder, with some words of them replaced."""
    script = "\n".join(["set -euo pipefail", *(text for _, text in blocks(page, "bash"))])
    for said, done in (replace or {}).items():
        assert said in script
        script = script.replace(said, done)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "OPENMM_CPU_THREADS": "1"} | environment
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="needs the extra docs: pip install -e '.[docs]'")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(ROOT / ".mkdocs.yml"), "-d", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_every_page_is_reached_from_the_navigation(site: Path) -> None:
    home = (site / "index.html").read_text()
    pages = [path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")]
    pages = [page.replace("README.html", "index.html") for page in pages]
    assert len(pages) > 40
    assert [page for page in pages if f'href="{page}"' not in home] == []


def test_the_command_line_reference_has_every_command_and_option(site: Path) -> None:
    page = (site / "reference" / "commands.html").read_text()
    (choices,) = (one for one in _parser()._actions if isinstance(one, argparse._SubParsersAction))
    for name, command in choices.choices.items():
        section = page.split(f'id="solvshell-{name}"')[1].split("<h2")[0]
        options = [option for action in command._actions for option in action.option_strings]
        assert [option for option in options if option not in section and option not in ("-h", "--help")] == []


def test_every_public_name_has_an_entry(site: Path) -> None:
    page = (site / "reference" / "python" / "solvshell.html").read_text()
    assert [name for name in solvshell.__all__ if f"solvshell.{name}" not in page] == ["__version__"]


@pytest.mark.parametrize(("page", "wanted"), [("recipes", "ion_charge_scale"), ("protocols", "switching_time")])
def test_fields_have_units_and_defaults(site: Path, page: str, wanted: str) -> None:
    text = (site / "reference" / f"{page}.html").read_text()
    assert f"<code>{wanted}</code>" in text
    assert "<code>1.0 /ps</code>" in text or "<code>0.9 nm</code>" in text
    assert text.count("required") > 5


def test_links_that_leave_docs_lead_to_pages(site: Path) -> None:
    assert 'href="repository/systems/index.html"' in (site / "polymers.html").read_text()
    assert "sv-CT" in (site / "repository" / "forcefields" / "solvshell" / "typing.yaml.html").read_text()
    assert 'href="../../forcefield/binding.html"' in (site / "repository" / "forcefields" / "index.html").read_text()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(https?:[^"]+)"')
    pages = list(site.rglob("*.html"))
    assert len(pages) > 60
    assert {address for page in pages for address in loaded.findall(page.read_text())} == set()


def columns_of(folder: Path) -> dict[str, list[str]]:
    """Return the columns of each table of a folder, by the file's name."""
    return {path.name: list(pd.read_csv(path, nrows=0).columns) for path in sorted(folder.glob("*.csv"))}


def told(*headings: str) -> set[str]:
    """Return the columns that the page of tables explains under headings, those of all tables among them."""
    page = (DOCS / "numbers.md").read_text()
    sections = {
        line.strip(): text
        for line, text in re.findall(r"^#{2,3} (.*)\n((?:(?!^#{2,3} ).*\n)*)", page, flags=re.MULTILINE)
    }
    text = "".join(sections[heading] for heading in ("Columns that many tables have", *headings))
    return set(re.findall(r"`([a-z0-9_]+)`", text))


def test_tables_of_an_analysis(tmp_path: Path) -> None:
    data = ROOT / "tests" / "data" / "gromacs_lb003"
    files = ["--topology", str(data / "lb003.gro"), "--trajectory", str(data / "lb003.xtc")]
    assert main(["analyze", *files, "--out", str(tmp_path / "tables")]) == 0
    tables = columns_of(tmp_path / "tables")
    assert len(tables) > 18
    untold = {name: set(columns) - told(name) for name, columns in tables.items()}
    assert {name: columns for name, columns in untold.items() if columns} == {}


@pytest.mark.parametrize(
    ("columns", "headings"),
    [
        (comparison.PEAK_COLUMNS, ["Comparison", "Comparison: peaks.csv"]),
        (comparison.COORDINATION_COLUMNS, ["Comparison", "Comparison: coordination.csv"]),
        (comparison.SHELL_COLUMNS, ["Comparison", "Comparison: shells.csv, speciation.csv"]),
        (comparison.SPECIATION_COLUMNS, ["Comparison", "Comparison: shells.csv, speciation.csv"]),
        (comparison.ENERGY_COLUMNS, ["Comparison", "energies.csv", "Comparison: energies.csv"]),
        (comparison.MOLECULE_COLUMNS, ["Comparison", "Comparison: molecules.csv"]),
        (EXCHANGE_COLUMNS, ["Comparison", "Comparison: exchange_free_energy.csv"]),
        (JOINED_COLUMNS, ["Replicas and temperatures"]),
        (REPLICA_COLUMNS, ["replicas.csv"]),
        (SCATTER_COLUMNS, ["between_replicas.csv"]),
        (TEMPERATURE_COLUMNS, ["temperatures.csv"]),
        (ARRHENIUS_COLUMNS, ["arrhenius.csv"]),
        (SPECIES_COLUMNS, ["grand_canonical.csv"]),
        (WORK_COLUMNS, ["works.csv"]),
        (NUMBER_COLUMNS, ["molecule_numbers.csv"]),
        (umbrella.DISTANCE_COLUMNS, ["umbrella.csv"]),
        (umbrella.NUMBER_COLUMNS, ["umbrella.csv"]),
    ],
    ids=lambda value: value[-1],
)
def test_columns_of_the_other_tables(columns: list[str], headings: list[str]) -> None:
    assert set(columns) - told(*headings) == set()


@pytest.mark.parametrize(("columns", "heading"), [(LOG_COLUMNS, "log.csv"), (MOVE_COLUMNS, "moves.csv")])
def test_columns_of_the_files_of_a_run(columns: list[str], heading: str) -> None:
    section = (DOCS / "files.md").read_text().split(f"### {heading}\n")[1].split("\n#")[0]
    assert [name for name in columns if f"`{name}`" not in section] == []


def test_a_species(tmp_path: Path) -> None:
    for folder in ("solvshell", "forcefields", "systems"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    ((xml, content),) = blocks("extend/species.md", "xml")
    (tmp_path / xml).write_text(content)
    (catalogue, entry), (recipe, recipe_text) = blocks("extend/species.md", "yaml")
    with (tmp_path / catalogue).open("a") as file:
        file.write(entry)
    bundle = tmp_path / "forcefields" / "solvshell" / "electrolytes.xml"
    include = re.search(r"<Include [^>]*/>", (DOCS / "extend" / "species.md").read_text().split("Put ")[1])
    bundle.write_text(bundle.read_text().replace("</ForceField>", f"{include[0]}</ForceField>"))
    (tmp_path / recipe).write_text(recipe_text)
    command = [sys.executable, "-m", "solvshell.cli", *blocks("extend/species.md", "bash")[0][1].split()[1:]]
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads((tmp_path / "box" / "provenance.json").read_text())
    assert made["counts"]["DEE"] > 40


@pytest.mark.slow
@pytest.mark.parametrize(("page", "species"), [("extend/system.md", "FEC"), ("extend/polymer.md", "PEO")])
def test_a_system_and_a_polymer(page: str, species: str, tmp_path: Path) -> None:
    write_files(page, tmp_path)
    run_shell(page, tmp_path)
    assert solvshell.Box.load(tmp_path / "box").counts[species] > 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Guessed:UserWarning")
def test_an_analysis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lb003.gro", "lb003.xtc"):
        shutil.copy(ROOT / "tests" / "data" / "gromacs_lb003" / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for _, text in blocks("extend/analysis.md", "python"):
        exec(text, names)
    share = names["lonely_shells"](names["analysis"].first_shells).fraction[0]
    assert 0 < share < 1  # shared anions are there, and so are ions without one
    assert set(names["both"].partner) == {"EC", "DMC", "EMC", "PF6"}


def test_each_fits_under_a_page() -> None:
    lengths = {page.name: len(page.read_text().splitlines()) for page in (DOCS / "extend").glob("*.md")}
    assert len(lengths) == 4
    assert max(lengths.values()) <= 80, lengths


@pytest.mark.slow
def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files("tutorial.md", tmp_path)
    quick = {"--protocol survey": "--protocol quick", "--replicas 3 --workers 2": "--replicas 1"}
    said = run_shell("tutorial.md", tmp_path, quick)
    assert "solvshell run remade/box" in said  # what --remake prints
    assert (tmp_path / "comparison" / "index.html").stat().st_size > 100_000
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for _, text in blocks("tutorial.md", "python"):
        exec(text, names)
    assert set(names["tables"]) == {"lb003", "gel", "control"}


def test_the_recipes_of_the_pages_are_recipes(tmp_path: Path) -> None:
    for page in ("tutorial.md", "extend/system.md", "extend/polymer.md"):
        for title, text in blocks(page, "yaml"):
            (tmp_path / title).write_text(text)
            assert solvshell.load_recipe(tmp_path / title).name == yaml.safe_load(text)["name"]
