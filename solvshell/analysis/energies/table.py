"""psi(r) quickly: 1/r and a table of the rest, which is smooth and made once for cells of one shape."""

from typing import NamedTuple

import numba
import numpy as np
from scipy.ndimage import spline_filter

from solvshell.analysis.energies.periodic import Cell, periodic_part

#: Intervals of the table in the narrowest width of the cell; the spline errs by less than 1e-6 of 1/L then.
_INTERVALS = 64
#: What the spline assumes behind its last node has faded to 0.27^12 = 1e-7 so many intervals before it.
_MARGIN = 12
#: Cells whose vectors differ by less, in parts of the cube root of the volume, have one shape: single precision.
_SAME_SHAPE = 5e-7


class PairTable(NamedTuple):
    """psi(r) - 1/r in a cell of volume 1: coefficients of a cubic B-spline in fractional coordinates.

    Apart from 1/r, psi is smooth within half a cell from the origin and beyond. In an orthogonal cell (`folded`) it is
    even in each coordinate, and the eighth of positive ones is enough.

    Attributes
    ----------
    coefficients
        On nodes, shape (n_a, n_b, n_c); the first one along an axis belongs to the node with the index `first`.
    intervals, first
        Along each axis: how many there are in a cell, as floats; shape (3,).
    folded
        Whether coordinates are to be taken without sign.
    at_zero
        xi, the value at r = 0.
    shape
        The vectors of the cell, shape (3, 3).
    """

    coefficients: np.ndarray
    intervals: np.ndarray
    first: np.ndarray
    folded: bool
    at_zero: float
    shape: np.ndarray


def _shape(cell: Cell) -> np.ndarray:
    return cell.vectors / np.cbrt(cell.volume)


def pair_table(cell: Cell) -> PairTable:
    """Return the table of psi for all cells of the shape of this one: a quarter of a second, or more if it is skewed."""
    shape = _shape(cell)
    width = cell.width / np.cbrt(cell.volume)
    half = np.ceil(_INTERVALS / 2 * np.linalg.norm(shape, axis=1) / width).astype(int)
    last = half + _MARGIN
    low = np.zeros(3, int) if cell.orthogonal else -last
    axes = [np.arange(a, b + 1) / (2 * n) for a, b, n in zip(low, last, half, strict=True)]
    fractions = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    values = periodic_part(fractions.reshape(-1, 3) @ shape, shape).reshape(fractions.shape[:3])
    if cell.orthogonal:
        values = np.pad(values, [(n, 0) for n in last], mode="reflect")
    coefficients = spline_filter(values, order=3, mode="mirror")
    first = np.full(3, -2) if cell.orthogonal else -half - 2
    inner = tuple(slice(n + a, n + b + 3) for n, a, b in zip(last, first, half, strict=True))
    at_zero = float(values[tuple(last)])
    coefficients = np.ascontiguousarray(coefficients[inner])
    return PairTable(coefficients, 2.0 * half, first, cell.orthogonal, at_zero, shape)


def is_of(table: PairTable, cell: Cell) -> bool:
    """Return whether a table serves a cell: whether its shape is the same."""
    return bool(np.abs(table.shape - _shape(cell)).max() < _SAME_SHAPE)


@numba.njit(cache=True, nogil=True, inline="always")
def _weights(t: float) -> tuple[float, float, float, float]:
    """Return the weights of the four nodes around a point that lies t behind the second of them."""
    s = 1.0 - t
    return s * s * s / 6, 2 / 3 - t * t * (1 - t / 2), 2 / 3 - s * s * (1 - s / 2), t * t * t / 6


@numba.njit(cache=True, nogil=True, inline="always")
def look_up(table: PairTable, a: float, b: float, c: float) -> float:
    """Return psi - 1/r at fractional coordinates from -1/2 to 1/2, in a cell of volume 1."""
    if table.folded:
        a, b, c = abs(a), abs(b), abs(c)
    a, b, c = a * table.intervals[0], b * table.intervals[1], c * table.intervals[2]
    i, j, k = int(np.floor(a)), int(np.floor(b)), int(np.floor(c))
    a0, a1, a2, a3 = _weights(a - i)
    b0, b1, b2, b3 = _weights(b - j)
    c0, c1, c2, c3 = _weights(c - k)
    i, j, k = i - 1 - table.first[0], j - 1 - table.first[1], k - 1 - table.first[2]
    of_a, of_b = (a0, a1, a2, a3), (b0, b1, b2, b3)
    value = 0.0
    for p in range(4):
        plane = 0.0
        for q in range(4):
            row = table.coefficients[i + p, j + q]
            plane += of_b[q] * (c0 * row[k] + c1 * row[k + 1] + c2 * row[k + 2] + c3 * row[k + 3])
        value += of_a[p] * plane
    return value
