"""Analyzed runs of two or more systems -> differences with their errors, and one page about them."""

from solvshell.comparison.sentences import summary_lines
from solvshell.comparison.write import write_comparison

__all__ = ["summary_lines", "write_comparison"]
