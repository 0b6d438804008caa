"""Analyzed replicas of a system -> one set of tables, with errors from how replicas differ."""

from solvshell.joined.analyze import analyze_runs
from solvshell.joined.join import JoinedAnalysis
from solvshell.joined.temperatures import TemperatureSeries

__all__ = ["JoinedAnalysis", "TemperatureSeries", "analyze_runs"]
