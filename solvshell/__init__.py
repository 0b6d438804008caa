"""Li+ solvation in battery electrolytes, from a recipe to a report: Recipe -> Box -> Run -> results -> report."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Loaded on first use: a GPU node runs a Box without RDKit or MDAnalysis, and OpenMM's entry point stays light.
_PUBLIC = {
    "Recipe": "solvshell.recipe",
    "load_recipe": "solvshell.recipe",
    "Protocol": "solvshell.protocol",
    "load_protocol": "solvshell.protocol",
    "load_protocols": "solvshell.protocol",
    "Reservoir": "solvshell.reservoir",
    "load_reservoir": "solvshell.reservoir",
    "Box": "solvshell.box",
    "build_box": "solvshell.build",
    "build_replicas": "solvshell.build",
    "Run": "solvshell.run",
    "open_run": "solvshell.run",
    "open_runs": "solvshell.folders",
    "simulate": "solvshell.md",
    "run_all": "solvshell.md",
    "lennard_jones": "solvshell.md.grand.lennard_jones",
    "analyze_run": "solvshell.analysis",
    "analyze_trajectory": "solvshell.analysis",
    "analyze_runs": "solvshell.joined",
    "write_report": "solvshell.report",
    "view_box": "solvshell.view",
    "view_shell": "solvshell.view",
}

__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
