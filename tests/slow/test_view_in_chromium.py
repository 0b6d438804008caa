"""A view in a notebook that was exported to HTML, in a Chromium without a network: Li+ is to be seen."""

import shutil
import subprocess
from pathlib import Path

import matplotlib.image
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from runs_by_hand import fake_run

pytestmark = pytest.mark.slow

#: As in figures and scenes; shaded on a ball, so that only the ratios of red, green and blue stay.
LI = np.array([0x7B, 0x32, 0x94]) / 255


def exported(code: str, folder: Path) -> str:
    """Return the page of a notebook of one cell, executed in a folder."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    return HTMLExporter().from_notebook_node(notebook)[0]


def screenshot(page: Path) -> np.ndarray:
    """Return what a Chromium that reaches no host shows of a page, shape (height, width, 3), 0 to 1."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium (Debian package chromium)")
    image = page.with_suffix(".png")
    options = ["--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    options += ["--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=900,900", "--virtual-time-budget=30000"]
    command = [chromium, *options, f"--user-data-dir={page.parent / 'profile'}", f"--screenshot={image}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return matplotlib.image.imread(image)[..., :3]


@pytest.mark.parametrize("view", ["view_box(run.box)", "view_shell(run)"])
def test_a_view_is_drawn_without_a_network(view: str, box_path: Path, tmp_path: Path) -> None:
    fake_run(box_path, tmp_path / "run", 1, 1.9, 3)
    code = f"import solvshell as sv\nfrom pathlib import Path\nrun = sv.Run.load(Path('run'))\nsv.{view}"
    page = tmp_path / "view.html"
    page.write_text(exported(code, tmp_path), encoding="utf-8")
    pixels = screenshot(page).reshape(-1, 3)
    colored = pixels[np.ptp(pixels, axis=1) > 0.2]
    direction = colored / np.linalg.norm(colored, axis=1, keepdims=True)
    is_li = direction @ LI / np.linalg.norm(LI) > 0.99
    # the dot of the legend alone has about a hundred
    assert is_li.sum() > 400
