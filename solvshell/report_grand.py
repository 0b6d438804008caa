"""The part of a page about a run in which molecules come and go."""

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from solvshell import figures
from solvshell.analysis.grand_canonical.of_run import TABLES
from solvshell.errors import InvalidInput
from solvshell.run import Run
from solvshell.shown import read_table


@dataclass(frozen=True)
class GrandShown:
    """An analyzed grand-canonical run: what its summary says, and its tables by name.

    `part` is that of the molecules; `is_alone` says that there is nothing else, for a box without a cation to center
    on.
    """

    run: Run
    summary: dict[str, Any]
    tables: dict[str, pd.DataFrame]

    @property
    def part(self) -> dict[str, Any]:  # noqa: D102
        return dict(self.summary["grand_canonical"])

    @property
    def is_alone(self) -> bool:  # noqa: D102
        return "coordination" not in self.summary


def read_grand(run: Run | None) -> GrandShown | None:
    """Return what `analyze` made of the moves of a run; None if no molecule comes or goes in it.

    Raises
    ------
    InvalidInput
        If it has not been analyzed.
    """
    if run is None or run.protocol.grand_canonical is None:
        return None
    folder = run.analysis_path
    missing = [name for name in ("summary.json", *(f"{name}.csv" for name in TABLES)) if not (folder / name).is_file()]
    if missing:
        raise InvalidInput(
            f"{run.path}: not analyzed, {', '.join(missing)} missing (make them with 'solvshell analyze')"
        )
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return GrandShown(run, summary, {name: read_table(folder / f"{name}.csv") for name in TABLES})


def draw_grand(shown: GrandShown | None) -> dict[str, Figure | None]:
    """Return the figures of such a run by name; each is None for other runs."""
    if shown is None:
        return dict.fromkeys(("molecule_numbers", "works", "acceptance"))
    species = shown.tables["grand_canonical"]
    return {
        "molecule_numbers": figures.plot_molecule_numbers(shown.tables["molecule_numbers"], species),
        "works": figures.plot_works(shown.tables["works"], species),
        "acceptance": figures.plot_acceptance(species),
    }


def section_alone(shown: GrandShown, addresses: dict[str, str]) -> dict[str, Any]:
    """Return what a page says of a run that offers nothing else.

    Parameters
    ----------
    addresses
        Of its figures by name.
    """
    return {
        "title": shown.run.box.recipe.title,
        "page": "grand_canonical_alone.html",
        "run": shown.run,
        "folder": shown.run.analysis_path,
        "figures": addresses,
        "summary": shown.summary,
        "grand": shown.part,
    }
