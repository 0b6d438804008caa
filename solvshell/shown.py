"""An analyzed run or trajectory as pages read it: its tables, its summary, its log."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from solvshell.analysis.findings import TABLES
from solvshell.analysis.grand_canonical.of_run import is_alone
from solvshell.errors import InvalidInput
from solvshell.run import Run

#: Tables that analyses of earlier versions do not have; these are read without them.
LATER_TABLES = frozenset((
    "potential_of_mean_force", "barriers", "exchange_free_energy", "energies", "energy_sums", "energy_distribution",
    "energy_distance", "energy_shells", "energy_units",
))  # fmt: skip
_OLDER = "analyzed by an older version: analyze it again with 'solvshell analyze'"


@dataclass(frozen=True)
class Shown:
    """One analyzed run or trajectory: where it came from, the tables that it has, its summary, its log."""

    title: str
    folder: Path
    tables: dict[str, pd.DataFrame]
    summary: dict[str, Any]
    run: Run | None
    log: pd.DataFrame | None

    @property
    def without_energies(self) -> str | None:
        """Why there are no interaction energies; None if there are."""
        if "energies" not in self.tables or "own_images_kj_mol" not in self.tables["energy_sums"]:
            return _OLDER
        energies = self.summary["energies"]
        return None if energies["available"] else str(energies["reason"])


def read_table(path: Path) -> pd.DataFrame:
    """Return a table of an analysis; a partner of the name NA is a name.

    Raises
    ------
    InvalidInput
        If it cannot be read.
    """
    return _read(path, lambda file: pd.read_csv(file, keep_default_na=False, na_values=[""]))


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except ValueError as error:  # pandas and json both say it so
        raise InvalidInput(f"{path}: cannot be read ({error}); make it again with 'solvshell analyze'") from None


def read_analyzed(path: Path | str) -> Shown:
    """Return the tables and the summary of an analyzed run, or of a folder of tables.

    Raises
    ------
    InvalidInput
        If the folder has not been analyzed, or holds a run that ends in windows or without a cation to center on.
    """
    path = Path(path)
    if not path.is_dir():
        raise InvalidInput(f"{path}: no such folder")
    run = Run.load(path) if (path / "protocol.yaml").is_file() else None
    if run and run.protocol.windows is not None:
        raise InvalidInput(
            f"{path}: its protocol ({run.protocol.name}) ends in windows, so that it offers a free energy (shown by "
            "'solvshell report') and no liquid to compare"
        )
    if run and is_alone(run):
        raise InvalidInput(
            f"{path}: has no cation to center on, so that it tells how many molecules there are (shown by "
            "'solvshell report') and of no first shells to compare"
        )
    folder = run.analysis_path if run else path
    absent = {name for name in TABLES if not (folder / f"{name}.csv").is_file()}
    missing = [f"{name}.csv" for name in TABLES if name in absent - LATER_TABLES]
    missing += [] if (folder / "summary.json").is_file() else ["summary.json"]
    if absent & LATER_TABLES:  # some without the others are of no known version
        absent |= LATER_TABLES
    if missing:
        raise InvalidInput(f"{path}: not analyzed, {', '.join(missing)} missing (make them with 'solvshell analyze')")
    summary = _read(folder / "summary.json", lambda file: json.loads(file.read_text()))
    files = [summary["source"][name] for name in ("topology", "trajectory") if name in summary["source"]]
    return Shown(
        title=run.box.recipe.title if run else ", ".join(files) or path.resolve().name,
        folder=folder,
        tables={name: read_table(folder / f"{name}.csv") for name in TABLES if name not in absent},
        summary=summary,
        run=run,
        log=pd.read_csv(run.log_path) if run else None,
    )


def is_outdated(shown: Shown) -> bool:
    """Return whether the trajectory has grown or changed since it was analyzed."""
    return shown.run is not None and shown.run.is_outdated(shown.summary["source"])
