"""Energies, gradients, minima and vibrations of molecules: GFN2-xTB by tblite, density functionals by PySCF.

Positions are arrays (n_atoms, 3) in Å, energies kJ/mol, gradients kJ/mol/Å. Every molecule is closed-shell. Needs the
extra ``qm``, whose modules are imported when they are used.

Charges are full: a continuum belongs to these energies, and never to a force field whose scaled charges hold electronic
screening already.
"""

from solvshell.quantum.cache import cached, geometry_inputs
from solvshell.quantum.density_functional import dft_energy, dft_gradient, dft_hessian, optimize_dft
from solvshell.quantum.extra import NotConverged
from solvshell.quantum.levels import CLUSTER_LEVEL, COARSE_BASIS, GEOMETRY_LEVEL, MOLECULE_LEVEL, PAIR_LEVEL, Level
from solvshell.quantum.minima import optimize, optimize_gfn2
from solvshell.quantum.units import Array, Gradient
from solvshell.quantum.vibrations import normal_modes, numeric_hessian, only, tracked_mode
from solvshell.quantum.xtb import gfn2, gfn2_function, gfn2_inputs

__all__ = [
    "CLUSTER_LEVEL",
    "COARSE_BASIS",
    "GEOMETRY_LEVEL",
    "MOLECULE_LEVEL",
    "PAIR_LEVEL",
    "Array",
    "Gradient",
    "Level",
    "NotConverged",
    "cached",
    "dft_energy",
    "dft_gradient",
    "dft_hessian",
    "geometry_inputs",
    "gfn2",
    "gfn2_function",
    "gfn2_inputs",
    "normal_modes",
    "numeric_hessian",
    "only",
    "optimize",
    "optimize_dft",
    "optimize_gfn2",
    "tracked_mode",
]
