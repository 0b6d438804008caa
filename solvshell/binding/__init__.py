"""Binding energies of clusters: shells cut from a trajectory, and the center with one molecule.

By force field, GFN2-xTB and density functional; with stepwise desolvation, E(Li(S)n-1) + E(S) - E(Li(S)n).
"""

from importlib import import_module
from typing import Any

# Loaded on first use: the processes that compute need no MDAnalysis, whose import takes seconds.
_PUBLIC = {
    "BindingEnergies": "solvshell.binding.calculate",
    "Cluster": "solvshell.binding.clusters",
    "binding_energies": "solvshell.binding.calculate",
    "binding_of_run": "solvshell.binding.of_run",
    "clusters_of": "solvshell.binding.cutting",
    "clusters_of_run": "solvshell.binding.of_run",
    "write_binding": "solvshell.binding.of_run",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
