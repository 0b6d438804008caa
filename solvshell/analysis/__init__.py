"""From a run, or from anybody's trajectory, to tables of Li+ solvation."""

from solvshell.analysis.analyze import Analysis, analyze, write_tables
from solvshell.analysis.frames import open_trajectory
from solvshell.analysis.limits import headline
from solvshell.analysis.sources import analyze_run, analyze_trajectory

__all__ = ["Analysis", "analyze", "analyze_run", "analyze_trajectory", "headline", "open_trajectory", "write_tables"]
