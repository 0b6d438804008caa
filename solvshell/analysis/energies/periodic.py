"""The Coulomb energy of two unit charges in a periodic box, exactly: psi(r), and quickly: 1/r and a table of the rest."""

from typing import NamedTuple

import numba
import numpy as np
from scipy.ndimage import spline_filter

#: Terms of both sums are left out where erfc(x) or exp(-x^2) has fallen to 1e-11.
_X_MAX = 5.0
#: How many intervals of the table there are in the narrowest width of the cell: the interpolation errs by less than
#: 1e-6 of e^2/L then.
_INTERVALS = 64
#: What the spline assumes behind its last node is felt at a distance of so many intervals by 0.268^12 = 1e-7.
_MARGIN = 12


class Cell(NamedTuple):
    """A unit cell: its vectors as rows, as short as they can be chosen, in Å; their inverse; its width and volume.

    The width is the least distance between opposite faces.
    """

    vectors: np.ndarray
    inverse: np.ndarray
    orthogonal: bool
    width: float
    volume: float


class PairTable(NamedTuple):
    """psi(r) - 1/r of the cell of volume 1, as the coefficients of a cubic B-spline in fractional coordinates.

    It is a smooth function up to the walls of the cell and somewhat beyond. In an orthogonal cell (`folded`) it is even
    in each coordinate, and only one eighth is kept.
    """

    coefficients: np.ndarray
    intervals: np.ndarray
    first: np.ndarray
    folded: bool
    at_zero: float
    shape: np.ndarray


def _reduced(vectors: np.ndarray) -> np.ndarray:
    """Return the shortest vectors that span the same lattice (Minkowski), shortest first, shape (3, 3).

    Each of two shorter ones is taken off a longer one as often as this shortens it; Semaev, LNCS 2146 (2001) 181.
    """
    vectors = np.array(vectors, float)
    while True:
        vectors = vectors[np.argsort((vectors**2).sum(axis=1), kind="stable")]
        a, b, c = vectors
        b = b - np.rint(a @ b / (a @ a)) * a
        if b @ b < vectors[1] @ vectors[1] * (1 - 1e-9):
            vectors[1] = b
            continue
        x, y = np.linalg.lstsq(np.stack([a, b], axis=1), c, rcond=None)[0]
        candidates = [c - (np.floor(x) + i) * a - (np.floor(y) + j) * b for i in (0, 1) for j in (0, 1)]
        shortest = min(candidates, key=lambda v: float(v @ v))
        if not shortest @ shortest < c @ c * (1 - 1e-9):
            return vectors
        vectors[2] = shortest


def periodic_cell(vectors: np.ndarray) -> Cell:
    """Return the cell of box vectors (rows, in Å), of any shape."""
    vectors = np.asarray(vectors, float)
    orthogonal = np.count_nonzero(vectors) == 3 and bool(np.diag(vectors).all())
    short = vectors if orthogonal else _reduced(vectors)
    inverse = np.linalg.inv(short)
    width = 1 / np.linalg.norm(inverse, axis=0).max()
    return Cell(short, inverse, orthogonal, float(width), float(abs(np.linalg.det(short))))


def _lattice(vectors: np.ndarray, radius: float) -> np.ndarray:
    """Return all lattice vectors up to a length but zero, shape (n, 3)."""
    reach = (radius * np.linalg.norm(np.linalg.inv(vectors), axis=0)).astype(int) + 1
    whole = np.indices(2 * reach + 1).reshape(3, -1).T - reach
    points = whole @ vectors
    lengths = np.linalg.norm(points, axis=1)
    return np.ascontiguousarray(points[(lengths <= radius) & (lengths > 0)])


@numba.njit(cache=True, nogil=True)
def _ewald_sums(
    points: np.ndarray, alpha: float, images: np.ndarray, waves: np.ndarray, weights: np.ndarray, constant: float
) -> np.ndarray:
    x_max = _X_MAX
    values = np.empty(len(points))
    for p in range(len(points)):
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        r = np.sqrt(x * x + y * y + z * z)
        value = constant - (math_erf(alpha * r) / r if r > 0 else 2 * alpha / np.sqrt(np.pi))
        for t in range(len(images)):
            d = (x + images[t, 0]) ** 2 + (y + images[t, 1]) ** 2 + (z + images[t, 2]) ** 2
            if d * alpha * alpha < x_max * x_max:
                d = np.sqrt(d)
                value += math_erfc(alpha * d) / d
        for k in range(len(waves)):
            value += weights[k] * np.cos(x * waves[k, 0] + y * waves[k, 1] + z * waves[k, 2])
        values[p] = value
    return values


def periodic_part(points: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return psi(r) - 1/r by direct Ewald sums, in 1/Å, to about 1e-10 of it.

    psi(r) = sum_T erfc(a |r + T|) / |r + T| + 4 pi/V sum_{k != 0} exp(-k^2 / 4 a^2) / k^2 cos(k r) - pi / (V a^2): the
    potential of a unit charge, its periodic images and a uniform background that neutralizes them, in a medium that
    conducts at infinity (tinfoil), its mean over the cell being zero. de Leeuw, Perram, Smith, Proc. R. Soc. A 373
    (1980) 27. At r = 0 it is xi, twice the energy of a unit charge among its own images: -2.837297 / L for a cube.

    Parameters
    ----------
    points
        Shape (n, 3), in Å; within the cell around the origin, or not far outside of it.
    vectors
        Of the cell, as rows, in Å.
    """
    points = np.ascontiguousarray(points, float)
    volume = abs(np.linalg.det(vectors))
    alpha = np.sqrt(np.pi) / np.cbrt(volume)
    farthest = float(np.linalg.norm(points, axis=1).max())
    waves = _lattice(2 * np.pi * np.linalg.inv(vectors).T, 2 * alpha * _X_MAX)
    # k and -k are one wave, twice.
    half = waves[np.lexsort(waves.T) >= 0][_is_first_of_two(waves)]
    squares = (half**2).sum(axis=1)
    weights = 8 * np.pi / volume * np.exp(-squares / (4 * alpha**2)) / squares
    images = _lattice(vectors, _X_MAX / alpha + farthest)
    return _ewald_sums(points, alpha, images, half, weights, -np.pi / (volume * alpha**2))
