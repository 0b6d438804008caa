"""Boxes and shells to turn by hand in Jupyter: py3Dmol with the 3Dmol.js of this package, so that nothing is loaded."""

import base64
import importlib
from collections.abc import Iterable
from html import escape
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from solvshell.box import Box
from solvshell.errors import InvalidInput, WorkFailed
from solvshell.report_views import last_frame
from solvshell.run import Run
from solvshell.shown import read_analyzed, read_table
from solvshell.viewer import Scene, scene_of_box, scene_of_shell, three_dmol_source

if TYPE_CHECKING:
    import pandas as pd

_INDEX = Path("shells") / "index.csv"


def _py3dmol() -> ModuleType:
    try:
        return importlib.import_module("py3Dmol")
    except ModuleNotFoundError:
        raise WorkFailed("py3Dmol: is missing; install it with pip install '.[notebook]' in a clone") from None


class View:
    """A view in three dimensions, which Jupyter shows; drag to turn it, scroll to zoom.

    Attributes
    ----------
    scene : Scene
        What is shown.
    viewer : py3Dmol.view
        For all that 3Dmol.js can do, such as ``view.viewer.spin(True)`` before it is shown.
    """

    def __init__(self, scene: Scene, size: tuple[int, int]) -> None:
        width, height = size
        # As an address that holds the script itself: py3Dmol's own leads to the network.
        source = base64.b64encode(three_dmol_source().encode()).decode()
        self.scene = scene
        self.viewer = _py3dmol().view(width=width, height=height, js=f"data:text/javascript;base64,{source}")
        self.viewer.addModel(scene.model, "mol2")
        for selection, style in scene.styles:
            self.viewer.setStyle(selection, style)
        for cylinder in scene.cylinders:
            self.viewer.addCylinder(cylinder)
        self.viewer.rotate(24, "x")
        self.viewer.rotate(-32, "y")
        self.viewer.zoomTo()

    def __repr__(self) -> str:
        return f"<View of {self.scene.title}: {self.scene.n_atoms} atoms>"

    def _repr_html_(self) -> str:
        entries = "".join(
            f'<span style="white-space:nowrap;margin-right:1em">'
            f'<span style="color:{color}">●</span> {escape(words)}</span>'
            for words, color in self.scene.legend
        )
        legend = f'<div style="display:flex;flex-wrap:wrap">{entries}</div>'
        return f"<div><strong>{escape(self.scene.title)}</strong></div>{self.viewer.write_html()}{legend}"


def _scene_of_run(run: Run) -> Scene:
    last = last_frame(read_analyzed(run.path))
    if last is None:
        raise InvalidInput(f"{run.trajectory_path}: no such file")
    return last.scene(f"{run.box.recipe.name}, last frame")


def view_box(box: Box | Run, *, size: tuple[int, int] = (640, 480)) -> View:
    """Return a view of a box: ions, what touches them, and polymers stand out; without hydrogens.

    Parameters
    ----------
    box : Box or Run
        A box, as it was built; or the last frame of a run that its analysis has used.
    size : tuple of int
        Width and height in pixels.

    Returns
    -------
    View

    Raises
    ------
    InvalidInput
        If a run is not analyzed, or its trajectory is gone.
    WorkFailed
        If py3Dmol is not installed.
    """
    scene = _scene_of_run(box) if isinstance(box, Run) else scene_of_box(box, f"{box.recipe.name}, as built")
    return View(scene, size)


def _folder(analyzed: Run | Path | str) -> Path:
    folder = analyzed.analysis_path if isinstance(analyzed, Run) else Path(analyzed)
    inner = folder / "analysis"
    return inner if (inner / _INDEX).is_file() else folder


def _row(index: "pd.DataFrame", composition: str | None, center: str | None) -> Any:
    """Return the row of a shell in the index: of the composition asked for, or the most frequent."""
    known = index if center is None else index[index.center == center]
    if known.empty:
        raise InvalidInput(f"center: one of {', '.join(index.center.unique())}, got {center}")
    found = known if composition is None else known[known.composition == composition]
    if found.empty:
        raise InvalidInput(
            f"composition: one of {', '.join(map(repr, known.composition.unique()))}, got {composition!r}"
        )
    return found.iloc[0]


def view_shell(
    analyzed: Run | Path | str,
    composition: str | None = None,
    *,
    center: str | None = None,
    partners: Iterable[str] = (),
    size: tuple[int, int] = (480, 400),
) -> View:
    """Return a view of a first shell of an analyzed run: a frame's own, cut out whole, contacts dashed.

    Parameters
    ----------
    analyzed : Run or path
        An analyzed run, or the folder of the tables of a trajectory.
    composition : str, optional
        As the table of shells writes it, such as ``"EC3 DMC1"``; the most frequent if left out.
    center : str, optional
        Such as ``"Li"``; the first of the table if left out.
    partners : iterable of str
        Their names, where some end in a digit and are no shipped species.
    size : tuple of int
        Width and height in pixels.

    Returns
    -------
    View

    Raises
    ------
    InvalidInput
        If nothing was analyzed there, or no such shell is among those that the analysis has written.
    WorkFailed
        If py3Dmol is not installed.
    """
    folder = _folder(analyzed)
    if not (folder / _INDEX).is_file():
        raise InvalidInput(f"{folder}: has no {_INDEX}; analyze it first ('solvshell analyze', analyze_run)")
    row = _row(read_table(folder / _INDEX), composition, center)
    return View(scene_of_shell(folder / _INDEX.parent / row.file, partners), size)
