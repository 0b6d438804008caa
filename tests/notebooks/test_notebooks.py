"""The notebooks in git: whole, without outputs, and without anything of the machine that they were written on."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "workflows" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def code_of(notebook: nbformat.NotebookNode) -> str:
    """Return all Python of a notebook, without the commands of IPython."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return re.sub(r"^%.*$", "", "\n".join(cells), flags=re.MULTILINE)


def test_there_is_a_notebook_of_each_kind() -> None:
    kinds = ("quick-start", "polymer", "grand-canonical", "trajectory")
    assert [kind for kind in kinds if not any(kind in path.name for path in NOTEBOOKS)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
        assert not cell.metadata, "left by an editor"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_no_path_of_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"[\"'\s(](?:/(?:home|root|tmp|work|Users)/|[A-Z]:\\\\)\S*", text) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_files_that_a_notebook_names_exist(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    ast.parse(code_of(notebook))
    words = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", words) if "://" not in link]
    assert links
    assert [link for link in links if not (FOLDER / link).exists()] == []
