"""Second derivatives of an energy, and the harmonic vibrations that follow from them."""

from collections.abc import Sequence

import numpy as np
from scipy.constants import c as light_speed

from solvshell.quantum.units import Array, Gradient

#: A tracked mode that moves by less from one direction to the next has been found, in 1/cm.
_SETTLED = 0.1


def only(atoms: Sequence[int], gradient: Gradient, positions: Array) -> Gradient:
    """Return a function of the positions of some atoms, with all others standing still at these positions.

    Minima and second derivatives of it are those of the atoms in the field of others that are infinitely heavy.
    """
    some = list(atoms)

    def evaluate(moved: Array) -> tuple[float, Array]:
        everywhere = positions.copy()
        everywhere[some] = moved
        energy, slope = gradient(everywhere)
        return energy, slope[some]

    return evaluate


def numeric_hessian(gradient: Gradient, positions: Array, step: float = 0.005) -> Array:
    """Return the symmetric Hessian of a function that returns energy and gradient, by central differences."""
    rows = []
    for move in np.eye(positions.size).reshape(-1, *positions.shape) * step:
        ahead, behind = (gradient(positions + sign * move)[1].ravel() for sign in (1, -1))
        rows.append((ahead - behind) / (2 * step))
    hessian = np.array(rows)
    return (hessian + hessian.T) / 2


def _wavenumbers(curvatures: Array) -> Array:
    """Return wavenumbers in 1/cm of curvatures in kJ/mol/Å²/Da, 100 ps⁻² each; negative ones of negative ones."""
    return np.sign(curvatures) * np.sqrt(np.abs(curvatures) * 100) * 1e12 / (2 * np.pi * light_speed * 100)


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
    values, vectors = np.linalg.eigh(hessian / np.outer(weights, weights))
    return _wavenumbers(values), vectors


def tracked_mode(
    gradient: Gradient, positions: Array, masses: Array, guess: Array, step: float = 0.005
) -> tuple[float, float]:
    """Return the wavenumber in 1/cm of the normal mode that is most like a guess, and its share of the guess.

    The mode is tracked (Reiher and Neugebauer, J. Chem. Phys. 118 (2003) 1634): the Hessian is known along a few
    directions alone, each of which costs two gradients; the next one is the residual of the mode so far. It is found
    when it no longer moves by 0.1 1/cm, or when the directions are all there are.

    Parameters
    ----------
    gradient, positions
        Of the atoms that move, at a minimum of theirs: see `only`.
    masses
        (n,) in Da.
    guess
        Displacements times the square roots of the masses, (n, 3), of any length.
    step
        Å by which the atom that moves most is moved to either side.
    """
    weights = np.sqrt(np.repeat(masses, 3))
    first = guess.ravel() / np.linalg.norm(guess)
    directions, products, before = [first], [], np.inf
    while True:
        move = (directions[-1] / weights).reshape(positions.shape)
        move *= step / np.linalg.norm(move, axis=1).max()
        ahead, behind = (gradient(positions + sign * move)[1].ravel() for sign in (1, -1))
        length = np.linalg.norm(move.ravel() * weights)
        products.append((ahead - behind) / weights / (2 * length))
        basis, applied = np.array(directions), np.array(products)
        projected = basis @ applied.T
        values, vectors = np.linalg.eigh((projected + projected.T) / 2)
        most = int((vectors[0] ** 2).argmax())
        mode = vectors[:, most]
        wavenumber = float(_wavenumbers(values[most]))
        rest = applied.T @ mode - values[most] * basis.T @ mode
        for _ in range(2):  # once is not enough in floating point
            rest -= basis.T @ (basis @ rest)
        if abs(wavenumber - before) < _SETTLED or len(directions) == positions.size:
            return wavenumber, float(mode[0] ** 2)
        directions.append(rest / np.linalg.norm(rest))
        before = wavenumber
