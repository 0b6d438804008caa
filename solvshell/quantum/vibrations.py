"""Second derivatives of an energy, and the harmonic vibrations that follow from them."""

from collections.abc import Sequence

import numpy as np
from scipy.constants import c as light_speed

from solvshell.quantum.units import Array, Gradient


def numeric_hessian(
    gradient: Gradient, positions: Array, step: float = 0.005, atoms: Sequence[int] | None = None
) -> Array:
    """Return the symmetric Hessian of a function that returns energy and gradient, by central differences.

    Parameters
    ----------
    step : float
        Å by which a coordinate is moved to either side.
    atoms : sequence of int, optional
        Only these are moved, and the Hessian is of these: (3 n, 3 n) in kJ/mol/Å², their order kept. All others stand
        still, as if infinitely heavy.
    """
    moved = np.arange(len(positions)) if atoms is None else np.asarray(atoms)
    rows = []
    for atom in moved:
        for axis in range(3):
            move = np.zeros_like(positions)
            move[atom, axis] = step
            ahead, behind = (gradient(positions + sign * move)[1][moved].ravel() for sign in (1, -1))
            rows.append((ahead - behind) / (2 * step))
    hessian = np.array(rows)
    return (hessian + hessian.T) / 2


def normal_modes(hessian: Array, masses: Array) -> tuple[Array, Array]:
    """Return wavenumbers in 1/cm, ascending, and the mass-weighted unit vectors of all modes, one a column.

    Translations and rotations are among them, near zero; an imaginary frequency is given as a negative number.

    Parameters
    ----------
    hessian
        (3 n, 3 n) in kJ/mol/Å².
    masses
        (n,) in Da.
    """
    weights = np.sqrt(np.repeat(masses, 3))
    values, vectors = np.linalg.eigh(hessian * 100 / np.outer(weights, weights))  # ps⁻² (kJ/mol/nm²/Da)
    wavenumbers = np.sign(values) * np.sqrt(np.abs(values)) * 1e12 / (2 * np.pi * light_speed * 100)
    return wavenumbers, vectors
