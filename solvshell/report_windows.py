"""The part of a page about a run that ends in windows: it offers a free energy, and no liquid to analyze."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from solvshell import figures
from solvshell.errors import InvalidInput
from solvshell.free_energy import transfer_free_energy
from solvshell.run import Run
from solvshell.shown import read_table
from solvshell.stages import Decouple

#: The summary of a stage kind, and its tables.
_FILES = {
    "decouple": ("decoupling.json", ("decoupling", "decoupling_convergence", "decoupling_composition")),
    "umbrella": ("summary.json", ("umbrella", "umbrella_windows")),
}
_NAMES = {"total": "both", "lennard_jones": "Lennard-Jones switched on", "charges": "charges switched on"}


@dataclass(frozen=True)
class WindowsShown:
    """A run of windows that has been analyzed: its summary, its tables by name, and its figure."""

    run: Run
    summary: dict[str, Any]
    tables: dict[str, pd.DataFrame]

    @property
    def is_decoupling(self) -> bool:
        """Whether molecules were decoupled, in place of pulled by springs."""
        return isinstance(self.run.protocol.windows, Decouple)

    def figure(self) -> Figure:
        """Return its figure."""
        quantity = str(self.summary["quantity"])
        if self.is_decoupling:
            return figures.plot_decoupling(self.tables["decoupling_convergence"], quantity[0].upper() + quantity[1:])
        return figures.plot_umbrella(self.tables["umbrella"], quantity)


def read_windows(run: Run) -> WindowsShown:
    """Return what `analyze` made of a run that ends in windows.

    Raises
    ------
    InvalidInput
        If it has not been analyzed.
    """
    folder = run.analysis_path
    summary, names = _FILES["decouple" if isinstance(run.protocol.windows, Decouple) else "umbrella"]
    missing = [name for name in (summary, *(f"{name}.csv" for name in names)) if not (folder / name).is_file()]
    if missing:
        raise InvalidInput(
            f"{run.path}: not analyzed, {', '.join(missing)} missing (make them with 'solvshell analyze')"
        )
    tables = {name: read_table(folder / f"{name}.csv") for name in names}
    return WindowsShown(run, json.loads((folder / summary).read_text()), tables)


def windows_section(shown: WindowsShown, address: str) -> dict[str, Any]:
    """Return what a page says of it.

    Parameters
    ----------
    address
        Of its figure.
    """
    tables = {name: table.to_dict("records") for name, table in shown.tables.items()}
    for row in tables.get("decoupling", ()):
        row["step"] = _NAMES.get(row["step"], row["step"])
    return {
        "title": shown.run.box.recipe.title,
        "page": "windows.html",
        "run": shown.run,
        "folder": shown.run.analysis_path,
        "is_decoupling": shown.is_decoupling,
        "figure": address,
        "summary": shown.summary,
        "tables": tables,
    }


def transfers(shown: Sequence[WindowsShown]) -> list[dict[str, Any]]:
    """Return the transfer free energies of a set of molecules from the medium of the first decoupling to the others'.

    Decouplings of other molecules, or at another temperature, have none.
    """
    decoupled = [one for one in shown if one.is_decoupling]
    rows: list[dict[str, Any]] = []
    for first, other in ((decoupled[0], other) for other in decoupled[1:]):
        try:
            found = transfer_free_energy(first.run, other.run)
        except InvalidInput:
            continue
        media = {"from": first.run.box.recipe.title, "to": other.run.box.recipe.title}
        rows.append(media | asdict(found))
    return rows
