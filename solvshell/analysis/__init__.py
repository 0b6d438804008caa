"""From a run, or from anybody's trajectory, to tables of Li+ solvation."""

from pathlib import Path

import pandas as pd

from solvshell.analysis.analyze import Analysis, analyze, write_tables
from solvshell.analysis.frames import open_trajectory
from solvshell.run import Run
from solvshell.species import SpeciesFile, select_species

__all__ = ["Analysis", "analyze", "analyze_run", "analyze_trajectory", "open_trajectory", "write_tables"]


def analyze_trajectory(
    topology: Path, trajectory: Path, species: SpeciesFile, directory: Path | None = None, *, verbose: bool = False
) -> Analysis:
    """Return the solvation in a trajectory of any origin, and write its tables to `directory` if one is given.

    Raises
    ------
    InvalidInput
        If the files or the selections are wrong.
    """
    universe = open_trajectory(topology, trajectory, species.timestep_ps)
    source = {"topology": topology.name, "trajectory": trajectory.name}
    analysis = analyze(universe, species, source=source, verbose=verbose)
    if directory is not None:
        write_tables(analysis, directory)
    return analysis


def analyze_run(run: Run, directory: Path | None = None, *, verbose: bool = False) -> Analysis:
    """Return the solvation in the production of a run, and write its tables (to the run's ``analysis`` if left out)."""
    universe = open_trajectory(run.topology_path, run.trajectory_path)
    log = pd.read_csv(run.log_path)
    log = log[log["stage"] == run.protocol.stages[-1].name]
    source = {"topology": run.topology_path.name, "trajectory": run.trajectory_path.name}
    species = select_species(run.box.recipe.species)
    analysis = analyze(universe, species, log=log, source=source, verbose=verbose)
    write_tables(analysis, directory or run.analysis_path)
    return analysis
