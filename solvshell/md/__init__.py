"""Box + Protocol -> Run."""

from solvshell.md.simulate import simulate

__all__ = ["simulate"]
