"""Li+ solvation in battery electrolytes, from a recipe to a report."""

__version__ = "0.1.0"
