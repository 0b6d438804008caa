"""Atomic units in ours, and the two types that all of this speaks."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.constants import N_A, physical_constants

Array = NDArray[np.float64]
#: From positions (n_atoms, 3) in Å to energy (kJ/mol) and gradient (kJ/mol/Å).
Gradient = Callable[[Array], tuple[float, Array]]

HARTREE_KJ_MOL = physical_constants["Hartree energy"][0] * N_A / 1000
BOHR_ANGSTROM = physical_constants["Bohr radius"][0] * 1e10
