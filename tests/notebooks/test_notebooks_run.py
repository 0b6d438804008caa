"""Every notebook, run as it stands in an empty folder: no error, the figures, the views, and numbers that can be."""

import base64
import json
import os
import re
import shutil
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def executed(name: str, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook in a copy of what it needs of this repository, and return it with its outputs."""
    notebooks = folder / "workflows" / "notebooks"
    notebooks.mkdir(parents=True)
    shutil.copytree(ROOT / "tests" / "data" / "gromacs_lb003", folder / "tests" / "data" / "gromacs_lb003")
    notebook = nbformat.read(ROOT / "workflows" / "notebooks" / f"{name}.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=1800, kernel_name="python3", resources={"metadata": {"path": notebooks}})
    client.execute(env=os.environ | {"OPENMM_CPU_THREADS": "1"})  # an error in a cell is raised
    return notebook


def outputs(notebook: nbformat.NotebookNode, kind: str) -> list[str]:
    """Return all outputs of a MIME type."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    data = [output.get("data", {}) for cell in cells for output in cell.outputs]
    return [one[kind] for one in data if kind in one]


def printed(notebook: nbformat.NotebookNode) -> str:
    """Return what the cells have printed, and refuse warnings."""
    streams = [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream"
    ]
    errors = "".join(one.text for one in streams if one.name == "stderr")
    assert errors == ""
    return "".join(one.text for one in streams)


def check_shown(notebook: nbformat.NotebookNode, n_figures: int, n_views: int, titles: list[str]) -> None:
    """Look for figures that are no empty pages, views that hold their own library, and tables by their titles."""
    images = [base64.b64decode(image) for image in outputs(notebook, "image/png")]
    assert len(images) == n_figures
    assert min(map(len, images)) > 8000
    pages = outputs(notebook, "text/html")
    views = [page for page in pages if "createViewer" in page]
    assert len(views) == n_views
    for view in views:
        assert len(view) > 500_000  # the library is in it
        assert re.findall(r"""(?:src|href)=["']http""", view) == []
    for title in titles:
        assert any(f"<strong>{title}</strong>" in page for page in pages), title


def numbers_beside_numbers(notebook: nbformat.NotebookNode) -> list[list[float]]:
    """Return the columns of all data frames of two columns, in their order."""
    frames = [page for page in outputs(notebook, "text/html") if 'class="dataframe"' in page]
    numbers = [[float(cell) for cell in re.findall(r"<td>([\d.]+)</td>", frame)] for frame in frames]
    return [column for cells in numbers for column in (cells[::2], cells[1::2])]


def test_quick_start(tmp_path: Path) -> None:
    notebook = executed("01-quick-start", tmp_path)
    check_shown(notebook, 3, 2, ["Recipe lb003", "Box lb003", "Protocol quick", "Run run", "Analysis"])
    assert "demonstration: 7 centers" in printed(notebook)
    (analysis,) = (tmp_path / "workflows" / "notebooks" / "results").glob("quick-start-*/run/analysis")
    peaks = pd.read_csv(analysis / "peaks.csv").dropna(subset=["peak_angstrom"])
    carbonyl = peaks[peaks.site == "carbonyl_o"]
    assert carbonyl.peak_angstrom.between(1.8, 2.2).any()  # Li-O, whatever else so short a run gets wrong
    assert (analysis.parents[1] / "report.html").stat().st_size > 100_000


def test_with_and_without_polymer(tmp_path: Path) -> None:
    notebook = executed("02-with-and-without-polymer", tmp_path)
    check_shown(notebook, 2, 3, ["Recipe lb003_pota-no3", "Box lb003_pota-no3", "Run run", "Comparison"])
    printed(notebook)
    (folder,) = (tmp_path / "workflows" / "notebooks" / "results").glob("polymer-*/comparison")
    systems = json.loads((folder / "summary.json").read_text())["systems"]
    assert [system["has_polymer"] for system in systems] == [False, True]
    coordination = pd.read_csv(folder / "coordination.csv").set_index(["system", "partner"])
    assert coordination.status["lb003", "NO3"] == "absent"


def test_grand_canonical(tmp_path: Path) -> None:
    notebook = executed("03-grand-canonical", tmp_path)
    check_shown(notebook, 3, 0, ["Reservoir DOL at 500 K, by hand", "Run run"])
    text = printed(notebook)
    assert "status       ok" in text  # of the Lennard-Jones particles
    n_accepted = int(re.search(r"deletions, (\d+) accepted", text)[1])
    assert n_accepted > 100
    imposed, by_works, error = map(float, re.search(r"ln z = (\S+) .*\n.*ln z = (\S+) \+- (\S+):", text).groups())
    assert abs(by_works - imposed) < 4 * error
    assert "differs" not in text


def test_your_own_trajectory(tmp_path: Path) -> None:
    notebook = executed("04-your-own-trajectory", tmp_path)
    check_shown(notebook, 3, 1, ["Analysis"])
    assert "species: found by molecular graph: Li, PF6, EC, DMC, EMC" in printed(notebook)
    by_graph, by_selection, gromacs, lammps = numbers_beside_numbers(notebook)
    assert by_graph[1:] == by_selection[1:]  # the first is PF6, whose cutoff was given
    assert gromacs == pytest.approx(lammps, abs=0.02)  # a dump has three digits
