"""From a run, or from anybody's trajectory, to tables of Li+ solvation."""

from solvshell.analysis.analyze import Analysis, analyze, write_tables
from solvshell.analysis.frames import open_trajectory
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.limits import headline
from solvshell.analysis.shells import FirstShells, first_shells
from solvshell.analysis.sources import analyze_run, analyze_trajectory

__all__ = [
    "Analysis",
    "FirstShells",
    "SolvationGeometry",
    "analyze",
    "analyze_run",
    "analyze_trajectory",
    "first_shells",
    "headline",
    "open_trajectory",
    "write_tables",
]
