"""The part of a page about clusters cut from a run: their binding energies, and C=O stretches of carbonates."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from solvshell import figures
from solvshell.run import Run
from solvshell.shown import read_table

_FILES = {"binding": ("means", "desolvation"), "infrared": ("infrared", "shifts")}


def _read(run: Run, folder: Path, names: Sequence[str]) -> dict[str, Any] | None:
    """Return tables and summary of a folder, or None if they are not all there."""
    paths = {name: folder / f"{name}.csv" for name in names}
    if not all(path.is_file() for path in (*paths.values(), folder / "summary.json")):
        return None
    tables = {name: read_table(path) for name, path in paths.items()}
    summary = json.loads((folder / "summary.json").read_text())
    is_outdated = "source" in summary and run.is_outdated(summary["source"])
    return {"folder": folder, "tables": tables, "summary": summary, "is_outdated": is_outdated}


def read_clusters(run: Run | None) -> dict[str, dict[str, Any] | None]:
    """Return what `solvshell binding` and `solvshell infrared` found in a run; None for what is not there."""
    if run is None:
        return dict.fromkeys(_FILES)
    return {name: _read(run, run.path / name, names) for name, names in _FILES.items()}


def draw_clusters_of(found: dict[str, dict[str, Any] | None], partners: Sequence[str]) -> dict[str, Figure | None]:
    """Return the figures of what was found."""
    binding, infrared = found["binding"], found["infrared"]
    return {
        "cluster_energies": figures.plot_cluster_energies(binding["tables"]["means"], partners) if binding else None,
        "infrared": figures.plot_infrared(infrared["tables"]["infrared"]) if infrared else None,
    }


def cluster_sections(found: dict[str, dict[str, Any] | None]) -> dict[str, Any]:
    """Return the same with the rows of the tables, for a template."""
    return {
        name: one and one | {"tables": {key: table.to_dict("records") for key, table in one["tables"].items()}}
        for name, one in found.items()
    }
