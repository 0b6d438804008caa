"""Box + Protocol -> Run."""

from solvshell.md.simulate import Interrupted, simulate

__all__ = ["Interrupted", "simulate"]
