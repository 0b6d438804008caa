"""Periodic cells of any shape, and the Coulomb energy of two unit charges in them: psi(r), by Ewald's sums."""

from math import erf, erfc
from typing import NamedTuple

import numba
import numpy as np

#: Terms of both of Ewald's sums are left out where exp(-x^2) has fallen to 1e-11.
_X_MAX = 5.0
#: What rounding can do is no reason to take another vector: in many cells several are equally short.
_SHORTER = 1 - 1e-5


class Cell(NamedTuple):
    """A unit cell: vectors that span its lattice, as rows and as short as can be, in Å; what makes positions fractions.

    The width is the least distance between opposite faces, in Å; the volume in Å^3.
    """

    vectors: np.ndarray
    inverse: np.ndarray
    orthogonal: bool
    width: float
    volume: float


def _reduced(vectors: np.ndarray) -> np.ndarray:
    """Return the shortest vectors that span the same lattice, shape (3, 3); those that are that already, as they are.

    Of each vector is taken what the shorter ones can take of it, until nothing gets shorter: Semaev, A 3-dimensional
    lattice reduction algorithm, Lecture Notes in Computer Science 2146 (2001) 181.
    """
    vectors = vectors.copy()
    while True:
        short, middle, long = np.argsort((vectors**2).sum(axis=1))
        a, b, c = vectors[short], vectors[middle], vectors[long]
        shorter = b - np.rint(a @ b / (a @ a)) * a
        if shorter @ shorter < b @ b * _SHORTER:
            vectors[middle] = shorter
            continue
        whole = np.floor(np.linalg.lstsq(np.stack([a, b], axis=1), c, rcond=None)[0])
        around = [c - (whole[0] + i) * a - (whole[1] + j) * b for i in (0, 1) for j in (0, 1)]
        shorter = min(around, key=lambda vector: float(vector @ vector))
        if not shorter @ shorter < c @ c * _SHORTER:
            return vectors
        vectors[long] = shorter


def periodic_cell(vectors: np.ndarray) -> Cell:
    """Return the cell of box vectors (rows, in Å), of any shape."""
    vectors = np.asarray(vectors, float)
    orthogonal = np.count_nonzero(vectors) == 3 and bool(np.diag(vectors).all())
    short = vectors if orthogonal else _reduced(vectors)
    inverse = np.linalg.inv(short)
    width = 1 / np.linalg.norm(inverse, axis=0).max()
    return Cell(short, inverse, orthogonal, float(width), float(abs(np.linalg.det(short))))


def _images(vectors: np.ndarray, radius: float) -> np.ndarray:
    """Return the lattice vectors up to a length, but zero, shape (n, 3)."""
    reach = (radius * np.linalg.norm(np.linalg.inv(vectors), axis=0)).astype(int) + 1
    points = (np.indices(2 * reach + 1).reshape(3, -1).T - reach) @ vectors
    lengths = np.linalg.norm(points, axis=1)
    return np.ascontiguousarray(points[(lengths <= radius) & (lengths > 1e-6 * radius)])


@numba.njit(cache=True, nogil=True)
def _near_sum(points: np.ndarray, alpha: float, images: np.ndarray) -> np.ndarray:
    """Return the sum over images of erfc(alpha r) / r, less 1/r of the charge at the origin itself, at some points."""
    farthest = (_X_MAX / alpha) ** 2
    values = np.empty(len(points))
    for p in range(len(points)):
        x, y, z = points[p]
        r = np.sqrt(x * x + y * y + z * z)
        values[p] = -erf(alpha * r) / r if r > 0 else -2 * alpha / np.sqrt(np.pi)
        for t in range(len(images)):
            square = (x + images[t, 0]) ** 2 + (y + images[t, 1]) ** 2 + (z + images[t, 2]) ** 2
            if square < farthest:
                r = np.sqrt(square)
                values[p] += erfc(alpha * r) / r
    return values


def _far_sum(vectors: np.ndarray, alpha: float, n: np.ndarray) -> np.ndarray:
    """Return the sum over waves on the n_a x n_b x n_c points that divide the cell, by one Fourier transform."""
    volume = abs(np.linalg.det(vectors))
    whole = np.stack(np.meshgrid(*(np.fft.fftfreq(m, 1 / m) for m in n), indexing="ij"), axis=-1)
    squares = ((whole @ (2 * np.pi * np.linalg.inv(vectors).T)) ** 2).sum(axis=-1)
    squares[0, 0, 0] = np.inf
    of_waves = 4 * np.pi / volume * np.exp(-squares / (4 * alpha**2)) / squares
    return np.fft.ifftn(of_waves, norm="forward").real


def periodic_part(vectors: np.ndarray, intervals: np.ndarray, nodes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return psi(r) - 1/r on nodes of a grid, in 1/Å, to about 1e-10 of 1/L; shape as the nodes.

    psi(r) = sum_T erfc(a |r + T|) / |r + T| + 4 pi/V sum_(k != 0) exp(-k^2 / 4 a^2) / k^2 cos(k r) - pi / (V a^2), the
    potential of a unit charge, its periodic images and a uniform background that neutralizes them, in surroundings that
    conduct (tinfoil); its mean over the cell is zero: de Leeuw, Perram, Smith, Proc. R. Soc. A 373 (1980) 27.
    At r = 0 the result is xi, twice the energy of a unit charge among its own images: -2.837297 / L in a cube.

    Parameters
    ----------
    vectors
        Of the cell, as rows, in Å.
    intervals
        In how many the grid divides each vector, shape (3,); the first sum has the fewer terms the more there are.
    nodes
        Along each axis, counted from the origin; whole numbers of any sign, though not far outside of the cell.
    """
    vectors, lengths = np.asarray(vectors, float), np.linalg.norm(vectors, axis=1)
    alpha = float((np.pi * (intervals / 2 - 1) / lengths).min() / _X_MAX)
    fractions = np.stack(np.meshgrid(*(x / n for x, n in zip(nodes, intervals, strict=True)), indexing="ij"), axis=-1)
    points = np.ascontiguousarray(fractions.reshape(-1, 3) @ vectors)
    images = _images(vectors, _X_MAX / alpha + np.linalg.norm(points, axis=1).max())
    near = _near_sum(points, alpha, images).reshape(fractions.shape[:-1])
    far = _far_sum(vectors, alpha, intervals)[np.ix_(*(x % n for x, n in zip(nodes, intervals, strict=True)))]
    return near + far - np.pi / (abs(np.linalg.det(vectors)) * alpha**2)
