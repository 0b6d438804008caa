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
#: Sums and products may be ordered and joined as is fastest; not-a-number stays what it is.
FAST = {"contract", "reassoc", "arcp", "nsz"}


class PairTable(NamedTuple):
    """psi(r) - 1/r in a cell of volume 1: coefficients of a cubic B-spline in fractional coordinates.

    Apart from 1/r, psi is smooth within half a cell from the origin and beyond. In an orthogonal cell (`folded`) it is
    even in each coordinate, and the eighth of positive ones is enough.

    Attributes
    ----------
    coefficients
        On nodes, shape (n_a, n_b, n_c).
    intervals, origin
        Along each axis: how many there are in a cell, and at which node r = 0 is; as floats, shape (3,).
    folded
        Whether coordinates are to be taken without sign.
    at_zero
        xi, the value at r = 0.
    shape
        The vectors of the cell, shape (3, 3).
    """

    coefficients: np.ndarray
    intervals: np.ndarray
    origin: np.ndarray
    folded: bool
    at_zero: float
    shape: np.ndarray


def _shape(cell: Cell) -> np.ndarray:
    return cell.vectors / np.cbrt(cell.volume)


def pair_table(cell: Cell) -> PairTable:
    """Return the table of psi for all cells of the shape of this one."""
    shape = _shape(cell)
    half = np.ceil(_INTERVALS / 2 * np.linalg.norm(cell.vectors, axis=1) / cell.width).astype(int)
    last = half + _MARGIN
    nodes = tuple(np.arange(0 if cell.orthogonal else -end, end + 1) for end in last)
    values = periodic_part(shape, 2 * half, nodes)
    if cell.orthogonal:
        values = np.pad(values, [(end, 0) for end in last], mode="reflect")
    # A point needs two nodes on either side.
    origin = np.full(3, 2) if cell.orthogonal else half + 2
    inner = tuple(slice(end - a, end + b + 3) for end, a, b in zip(last, origin, half, strict=True))
    coefficients = np.ascontiguousarray(spline_filter(values, order=3, mode="mirror")[inner])
    return PairTable(coefficients, 2.0 * half, origin.astype(float), cell.orthogonal, float(values[tuple(last)]), shape)


def is_of(table: PairTable, cell: Cell) -> bool:
    """Return whether a table serves a cell: whether its shape is the same."""
    return bool(np.abs(table.shape - _shape(cell)).max() < _SAME_SHAPE)


@numba.njit(inline="always", fastmath=FAST)
def _weights(t: float) -> tuple[float, float, float, float]:
    """Return the weights of the four nodes around a point that lies t behind the second of them."""
    s = 1.0 - t
    return s * s * s / 6, 2 / 3 - t * t * (1 - t / 2), 2 / 3 - s * s * (1 - s / 2), t * t * t / 6


@numba.njit(inline="always", fastmath=FAST)
def look_up(table: PairTable, a: float, b: float, c: float) -> float:
    """Return psi - 1/r at fractional coordinates from -1/2 to 1/2, in a cell of volume 1."""
    if table.folded:
        a, b, c = abs(a), abs(b), abs(c)
    a = a * table.intervals[0] + table.origin[0]
    b = b * table.intervals[1] + table.origin[1]
    c = c * table.intervals[2] + table.origin[2]
    i, j, k = int(a), int(b), int(c)
    of_a, of_b = _weights(a - i), _weights(b - j)
    c0, c1, c2, c3 = _weights(c - k)
    i, j, k = i - 1, j - 1, k - 1
    value, nodes = 0.0, table.coefficients
    for p in range(4):
        plane = 0.0
        for q in range(4):
            x, y = i + p, j + q
            plane += of_b[q] * (
                c0 * nodes[x, y, k] + c1 * nodes[x, y, k + 1] + c2 * nodes[x, y, k + 2] + c3 * nodes[x, y, k + 3]
            )
        value += of_a[p] * plane
    return value
