"""The first shells of a run, as its analysis has them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from MDAnalysis import Universe

from solvshell.analysis.cutoffs import Cutoff, Key, cutoff_matrix
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.shells import FirstShells, first_shells
from solvshell.analysis.sites import select_sites
from solvshell.analysis.sources import analyze_run, open_production, whole_trajectory
from solvshell.errors import InvalidInput
from solvshell.run import Run
from solvshell.species import select_species


def _analyzed(run: Run) -> tuple[dict[Key, Cutoff], dict[str, Any]]:
    """Return the cutoffs of an analysis and its summary; the run is analyzed if it has not been."""
    run.check_has_production()
    path = run.analysis_path / "summary.json"
    summary = json.loads(path.read_text()) if path.is_file() else analyze_run(run).summary
    if "stop" not in summary["frames"]:
        raise InvalidInput(f"{run.path}: analyzed by an older version; analyze it again with 'solvshell analyze'")
    if str(summary["settings"]["shell"]).startswith("rule"):
        raise InvalidInput(f"{run.path}: its shells are by a rule of a caller, which is not known here; analyze again")
    cutoffs = {}
    for row in pd.read_csv(run.analysis_path / "peaks.csv").itertuples():
        end = None if np.isnan(row.cutoff_angstrom) else float(row.cutoff_angstrom)
        cutoffs[row.center, row.partner, row.site] = Cutoff(end, row.cutoff_source, row.status)
    return cutoffs, summary


@contextmanager
def first_shells_of(run: Run) -> Iterator[tuple[Universe, FirstShells]]:
    """Give the universe of a run and the first shells in the frames that its analysis used, within its cutoffs.

    Raises
    ------
    InvalidInput
        If the run cannot be analyzed, or was by a rule instead of cutoffs.
    """
    cutoffs, summary = _analyzed(run)
    frames = summary["frames"]
    with whole_trajectory(run) as trajectory:
        universe, presence = open_production(run, trajectory)
        sites = select_sites(universe, select_species(run.box.recipe.entries), presence)
        capture = summary["settings"]["capture_radius_angstrom"]
        geometry = SolvationGeometry.from_sites(sites, capture_radius=capture)
        geometry.run(**{key: frames[key] for key in ("start", "stop", "step")})
        yield universe, first_shells(geometry.results, sites, cutoff_matrix(sites, cutoffs), frames["dropped"])
