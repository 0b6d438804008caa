"""Binding energies of clusters: shells cut from a trajectory, and the center with one molecule.

By force field, GFN2-xTB and density functional; with stepwise desolvation, E(Li(S)n-1) + E(S) - E(Li(S)n).
"""

from solvshell.binding.calculate import BindingEnergies, binding_energies
from solvshell.binding.clusters import Cluster, clusters_of
from solvshell.binding.of_run import binding_of_run, clusters_of_run, write_binding

__all__ = [
    "BindingEnergies",
    "Cluster",
    "binding_energies",
    "binding_of_run",
    "clusters_of",
    "clusters_of_run",
    "write_binding",
]
