"""Box + Protocol -> Run."""

from solvshell.md.replicas import run_all
from solvshell.md.simulate import simulate

__all__ = ["run_all", "simulate"]
