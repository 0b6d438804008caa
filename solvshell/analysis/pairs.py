"""The hot loop: the distances of some frames, counted into bins and gathered as contacts."""

from typing import Any, NamedTuple

import numba
import numpy as np

#: The columns of contacts: which center, which point, how far in Å, and the cosine of the angle at the point.
COLUMNS = (np.int32, np.int32, np.float32, np.float32)
#: A point whose distance is its radius within rounding may still fall into the last bin.
_SLACK = 1 + 1e-12
#: With fewer cells along an axis a grid leaves too little out to be worth its sorting.
_FEWEST_CELLS = 4


class Cell(NamedTuple):
    """A unit cell: its vectors as rows of a lower triangular matrix in Å, what divides by its diagonal, its widths.

    A width is the distance between opposite faces: the length of an orthogonal cell. Of some frames, each is an array
    with the frame as first axis.
    """

    matrix: np.ndarray
    inverse: np.ndarray
    orthogonal: bool | np.ndarray
    widths: np.ndarray


class Points(NamedTuple):
    """What surrounds the centers, in the order of the sites: of which site, which molecule, bonded to just one atom."""

    site: np.ndarray
    molecule: np.ndarray
    has_neighbor: np.ndarray


class Centers(NamedTuple):
    """The centers of all species, reference centers last: their species, molecules and whether they have contacts."""

    species: np.ndarray
    molecule: np.ndarray
    has_contacts: np.ndarray


@numba.njit(cache=True)
def cell_of(vectors: np.ndarray) -> Cell:
    """Return the cell of box vectors, shape (3, 3), float32, from `triclinic_vectors`."""
    # MDAnalysis multiplies by the inverse in single precision: the same numbers give the same bins.
    inverse = (np.float32(1) / np.diag(vectors)).astype(np.float64)
    matrix = vectors.astype(np.float64)
    ax, bx, by = matrix[0, 0], matrix[1, 0], matrix[1, 1]
    cx, cy, cz = matrix[2, 0], matrix[2, 1], matrix[2, 2]
    # The volume ax by cz over the area of each face.
    face = np.sqrt((by * cz) ** 2 + (bx * cz) ** 2 + (bx * cy - by * cx) ** 2)
    widths = np.array([ax * by * cz / face, by * cz / np.hypot(cy, cz), cz])
    return Cell(matrix, inverse, bx == 0 and cx == 0 and cy == 0, widths)


@numba.njit(cache=True, inline="always")
def _nearest(dx: float, dy: float, dz: float, matrix: np.ndarray, inverse: np.ndarray) -> tuple[float, float, float]:
    """Return a difference folded into the cell; it is the nearest image where that is within half the narrowest width.

    An image so near has fractional coordinates of at most one half, and folding finds the only one that does.
    """
    shift = np.rint(dz * inverse[2])
    dx, dy, dz = dx - shift * matrix[2, 0], dy - shift * matrix[2, 1], dz - shift * matrix[2, 2]
    shift = np.rint(dy * inverse[1])
    dx, dy = dx - shift * matrix[1, 0], dy - shift * matrix[1, 1]
    shift = np.rint(dx * inverse[0])
    return dx - shift * matrix[0, 0], dy, dz


@numba.njit(cache=True, inline="always")
def _between(start: np.ndarray, end: np.ndarray, matrix: np.ndarray, inverse: np.ndarray) -> tuple[float, float, float]:
    """Return the way from one position to the nearest image of another."""
    dx, dy, dz = np.float64(end[0] - start[0]), np.float64(end[1] - start[1]), np.float64(end[2] - start[2])
    return _nearest(dx, dy, dz, matrix, inverse)


@numba.njit(cache=True)
def _squares(x: np.ndarray, y: np.ndarray, z: np.ndarray, origin: np.ndarray, cell: Any, squares: np.ndarray) -> None:
    """Write the squared distances of points (n_points,) from an origin (3,), nearest images."""
    matrix, inverse, orthogonal = cell.matrix, cell.inverse, cell.orthogonal
    x0, y0, z0 = origin[0], origin[1], origin[2]
    if orthogonal:
        a, b, c = matrix[0, 0], matrix[1, 1], matrix[2, 2]
        u, v, w = inverse[0], inverse[1], inverse[2]
        for j in range(len(x)):
            # Differences in single precision and scaled, as MDAnalysis has them.
            dx = np.float64(x[j] - x0) * u
            dy = np.float64(y[j] - y0) * v
            dz = np.float64(z[j] - z0) * w
            dx = a * (dx - np.rint(dx))
            dy = b * (dy - np.rint(dy))
            dz = c * (dz - np.rint(dz))
            squares[j] = dx * dx + dy * dy + dz * dz
    else:
        for j in range(len(x)):
            dx, dy, dz = _nearest(np.float64(x[j] - x0), np.float64(y[j] - y0), np.float64(z[j] - z0), matrix, inverse)
            squares[j] = dx * dx + dy * dy + dz * dz


@numba.njit(cache=True)
def _cosine(
    center: np.ndarray, point: np.ndarray, neighbor: np.ndarray, matrix: np.ndarray, inverse: np.ndarray
) -> float:
    """Return the cosine of the angle center - point - neighbor."""
    ax, ay, az = _between(point, center, matrix, inverse)
    bx, by, bz = _between(point, neighbor, matrix, inverse)
    norm = np.sqrt((ax * ax + ay * ay + az * az) * (bx * bx + by * by + bz * bz))
    return (ax * bx + ay * by + az * bz) / norm if norm > 0 else np.nan


@numba.njit(cache=True, inline="always")
def bin_of(distance: float, edges: np.ndarray) -> int:
    """Return the bin of a distance where `numpy.histogram` puts it: equal bins from 0, half open, the last closed."""
    last = len(edges) - 2
    k = min(int(distance * ((last + 1) / edges[-1])), last)
    if distance < edges[k]:
        return k - 1
    return k + 1 if distance >= edges[k + 1] and k < last else k


@numba.njit(cache=True)
def _grid_position(point: np.ndarray, matrix: np.ndarray, shape: np.ndarray) -> tuple[int, int, int]:
    """Return the grid cell of a point (3,), wherever its image lies."""
    c = point[2] / matrix[2, 2]
    b = (point[1] - c * matrix[2, 1]) / matrix[1, 1]
    a = (point[0] - c * matrix[2, 0] - b * matrix[1, 0]) / matrix[0, 0]
    # What rounds up to a whole cell belongs to the last one.
    i = min(int((a - np.floor(a)) * shape[0]), shape[0] - 1)
    j = min(int((b - np.floor(b)) * shape[1]), shape[1] - 1)
    k = min(int((c - np.floor(c)) * shape[2]), shape[2] - 1)
    return i, j, k


@numba.njit(cache=True)
def _sort_into_grid(
    xyz: np.ndarray, present: np.ndarray, cell: Any, shape: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the points that are there in the order of their grid cells, and where each cell begins among them."""
    there = np.flatnonzero(present)
    n_cells = shape[0] * shape[1] * shape[2]
    starts = np.zeros(n_cells + 1, np.int64)
    if n_cells == 1:
        starts[1] = len(there)
        return there, starts
    where = np.empty(len(there), np.int64)
    for k in range(len(there)):
        a, b, c = _grid_position(xyz[:, there[k]], cell.matrix, shape)
        where[k] = (a * shape[1] + b) * shape[2] + c
        starts[where[k] + 1] += 1
    starts = np.cumsum(starts)
    order = np.empty(len(there), np.int64)
    filled = starts.copy()
    for k in range(len(there)):
        order[filled[where[k]]] = there[k]
        filled[where[k]] += 1
    return order, starts


@numba.njit(cache=True)
def _grown(column: np.ndarray) -> np.ndarray:
    longer = np.empty(2 * len(column), column.dtype)
    longer[: len(column)] = column
    return longer


@numba.njit(cache=True)
def _count_around(
    i: int, candidates: np.ndarray, squares: np.ndarray, origin: np.ndarray, xyz: np.ndarray, neighbors: np.ndarray,
    centers: Any, points: Any, cell: Any, edges: np.ndarray, reach: np.ndarray, counts: np.ndarray, rows: Any,
    n_rows: int,
) -> int:  # fmt: skip
    """Add the pairs of one center with some candidates to its `counts`, and return how many rows there are then.

    The squared distances are those of the candidates, which are indices of points.
    """
    r_max = edges[-1]
    farthest = r_max * r_max * _SLACK
    molecule, has_contacts = centers.molecule[i], centers.has_contacts[i]
    center_column, point_column, distance_column, cosine_column = rows
    for k in range(len(candidates)):
        if not squares[k] <= farthest:  # nor not a number
            continue
        j = candidates[k]
        distance = np.sqrt(squares[k])
        if distance > r_max or points.molecule[j] == molecule:
            continue
        site = points.site[j]
        counts[site, bin_of(distance, edges)] += 1
        if has_contacts and distance <= reach[site]:
            center_column[n_rows] = i
            point_column[n_rows] = j
            distance_column[n_rows] = distance
            if points.has_neighbor[j]:
                cosine_column[n_rows] = _cosine(origin, xyz[:, j], neighbors[:, j], cell.matrix, cell.inverse)
            else:
                cosine_column[n_rows] = np.nan
            n_rows += 1
    return n_rows


@numba.njit(cache=True)
def _count_frame(
    origins: np.ndarray, xyz: np.ndarray, neighbors: np.ndarray, present: np.ndarray, centers: Any, points: Any,
    cell: Any, edges: np.ndarray, reach: np.ndarray, counts: np.ndarray, rows: Any, n_rows: int,
) -> Any:  # fmt: skip
    """Add the pairs of one frame to `counts`, and return its contacts behind the first `n_rows`, and their number."""
    shape = (cell.widths / (edges[-1] * 1.0001)).astype(np.int64)
    shape[shape < _FEWEST_CELLS] = 1
    around = np.where(shape > 1, 3, 1)
    order, starts = _sort_into_grid(xyz, present, cell, shape)
    x, y, z = xyz[0][order], xyz[1][order], xyz[2][order]
    squares = np.empty(len(x))
    for i in range(origins.shape[1]):
        origin = origins[:, i].copy()
        a, b, c = _grid_position(origin, cell.matrix, shape)
        for neighbor_cell in range(around[0] * around[1] * around[2]):
            da, rest = divmod(neighbor_cell, around[1] * around[2])
            db, dc = divmod(rest, around[2])
            at = ((a + da - 1) % shape[0] * shape[1] + (b + db - 1) % shape[1]) * shape[2] + (c + dc - 1) % shape[2]
            first, last = starts[at], starts[at + 1]
            while n_rows + last - first > len(rows[0]):
                rows = (_grown(rows[0]), _grown(rows[1]), _grown(rows[2]), _grown(rows[3]))
            _squares(x[first:last], y[first:last], z[first:last], origin, cell, squares)
            n_rows = _count_around(
                i, order[first:last], squares, origin, xyz, neighbors, centers, points, cell, edges, reach,
                counts[centers.species[i]], rows, n_rows,
            )  # fmt: skip
    return rows, n_rows


@numba.njit(cache=True, nogil=True)
def count_frames(
    coordinates: np.ndarray, present: np.ndarray, centers: Any, points: Any, cells: Any, edges: np.ndarray,
    reach: np.ndarray, blocks: np.ndarray, counts: np.ndarray, rows: Any, n_per_frame: np.ndarray,
) -> Any:  # fmt: skip
    """Add the pairs of some frames to `counts`, and return the columns of their contacts; see `COLUMNS`.

    Pairs inside one molecule are left out. In a large box only the points in neighboring cells of a grid are looked at.

    Parameters
    ----------
    coordinates
        Of the centers, of the points, and of the atoms bonded to the points, one after the other; shape
        (n_frames, 3, n_centers + 2 n_points), float32 and finite.
    present
        Which points are there, shape (n_frames, n_points).
    cells
        A `Cell` of arrays.
    edges
        Equal bins from 0, shape (n_bins + 1,), in Å.
    reach
        The distance up to which the points of a site are contacts, shape (n_sites,), in Å; negative: never.
    blocks
        The block of each frame, shape (n_frames,).
    counts
        Shape (n_blocks, n_species, n_sites, n_bins).
    rows
        Columns to fill, which grow as needed.
    n_per_frame
        Gets the number of contacts of each frame, shape (n_frames,).
    """
    n_rows = 0
    n_centers, n_points = len(centers.species), len(points.site)
    for t in range(len(blocks)):
        origins, around = coordinates[t, :, :n_centers], coordinates[t, :, n_centers:]
        cell = Cell(cells.matrix[t], cells.inverse[t], cells.orthogonal[t], cells.widths[t])
        before = n_rows
        rows, n_rows = _count_frame(
            origins, around[:, :n_points], around[:, n_points:], present[t], centers, points, cell, edges, reach,
            counts[blocks[t]], rows, n_rows,
        )  # fmt: skip
        n_per_frame[t] = n_rows - before
    return rows


@numba.njit(cache=True)
def gather(positions: np.ndarray, atoms: np.ndarray, out: np.ndarray) -> bool:
    """Write the positions (n_atoms, 3) of some atoms into `out`, shape (3, n), and return whether all are finite."""
    finite = True
    for k in range(len(atoms)):
        for axis in range(3):
            value = positions[atoms[k], axis]
            out[axis, k] = value
            finite &= np.isfinite(value)
    return finite


@numba.njit(cache=True)
def centers_of_mass(
    positions: np.ndarray,
    atoms: np.ndarray,
    parents: np.ndarray,
    weights: np.ndarray,
    starts: np.ndarray,
    cell: Any,
    out: np.ndarray,
) -> None:
    """Write the centers of mass of molecules into `out`, shape (3, n_molecules), whether they are whole or not.

    Parameters
    ----------
    positions
        All atoms, shape (n_atoms, 3), float32.
    atoms, parents, weights
        The atoms of one molecule after the other, each behind its parent (its place among `atoms`; its own for the
        first), from which the nearest image is taken, and its share of the mass.
    starts
        Where each molecule begins in `atoms`, and their number; shape (n_molecules + 1,).
    """
    matrix, inverse = cell.matrix, cell.inverse
    whole = np.empty((len(atoms), 3))
    for m in range(len(starts) - 1):
        x, y, z = 0.0, 0.0, 0.0
        for k in range(starts[m], starts[m + 1]):
            here, before = positions[atoms[k]], positions[atoms[parents[k]]]
            dx, dy, dz = _between(before, here, matrix, inverse)
            if parents[k] == k:
                whole[k, 0], whole[k, 1], whole[k, 2] = here[0], here[1], here[2]
            else:
                whole[k, 0] = whole[parents[k], 0] + dx
                whole[k, 1] = whole[parents[k], 1] + dy
                whole[k, 2] = whole[parents[k], 2] + dz
            x += weights[k] * whole[k, 0]
            y += weights[k] * whole[k, 1]
            z += weights[k] * whole[k, 2]
        out[0, m], out[1, m], out[2, m] = x, y, z
