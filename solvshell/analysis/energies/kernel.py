"""The hot loops: energies between the molecules of one frame."""

from typing import NamedTuple

import numba
import numpy as np

from solvshell.analysis.energies.layout import Layout
from solvshell.analysis.energies.model import COULOMB_KJ_MOL_ANGSTROM
from solvshell.analysis.energies.periodic import Cell
from solvshell.analysis.energies.table import FAST, PairTable, look_up

#: The last axis of energies.
LJ, BARE, EWALD = 0, 1, 2


class Ends(NamedTuple):
    """Where Lennard-Jones ends and where its switch begins, in Å; without a switch the same."""

    cutoff: float
    switch: float


class Frame(NamedTuple):
    """The molecules of a box, the cell of one frame and the table of psi for it.

    `fractions` are the coordinates of the atoms in units of the cell vectors, in the order of the layout, molecules
    whole: shape (n_atoms, 3).
    """

    layout: Layout
    fractions: np.ndarray
    cell: Cell
    table: PairTable
    ends: Ends


class Around(NamedTuple):
    """The molecules around a center: what is known of each.

    Attributes
    ----------
    energies : numpy.ndarray, shape (n_molecules, 3)
        In kJ/mol.
    square : numpy.ndarray, shape (n_molecules,)
        Of the distance between coordinating atoms, in Å^2.
    nearest : numpy.ndarray, shape (n_molecules, 4)
        The square of the distance between any atoms, and what shifts the molecule to that image, in cell vectors.
    """

    energies: np.ndarray
    square: np.ndarray
    nearest: np.ndarray


@numba.njit(cache=True, nogil=True)
def whole_fractions(positions: np.ndarray, layout: Layout, cell: Cell) -> np.ndarray:
    """Return the fractional coordinates of all atoms, molecules whole, from positions (n_atoms, 3) in Å."""
    fractions = np.empty((len(layout.atoms), 3))
    for k in range(len(fractions)):
        parent = layout.parents[k]
        for axis in range(3):
            value = 0.0
            for other in range(3):
                value += np.float64(positions[layout.atoms[k], other]) * cell.inverse[other, axis]
            if parent != k:
                value -= np.rint(value - fractions[parent, axis])
            fractions[k, axis] = value
    return fractions


@numba.njit(inline="always", fastmath=FAST)
def _square(a: float, b: float, c: float, vectors: np.ndarray) -> float:
    """Return the square of the length of a vector in fractional coordinates."""
    x = a * vectors[0, 0] + b * vectors[1, 0] + c * vectors[2, 0]
    y = a * vectors[0, 1] + b * vectors[1, 1] + c * vectors[2, 1]
    z = a * vectors[0, 2] + b * vectors[1, 2] + c * vectors[2, 2]
    return x * x + y * y + z * z


@numba.njit(inline="always", fastmath=FAST)
def lennard_jones(square: float, sigma: float, epsilon: float, ends: Ends) -> float:
    """Return the energy of a pair of atoms nearer than the cutoff, from the square of their distance."""
    x = sigma * sigma / square
    x = x * x * x
    energy = 4 * epsilon * (x * x - x)
    if square > ends.switch * ends.switch:
        x = (np.sqrt(square) - ends.switch) / (ends.cutoff - ends.switch)
        energy *= 1 - x * x * x * (10 - 15 * x + 6 * x * x)
    return energy


@numba.njit(cache=True, nogil=True)
def _nearest_image(a: float, b: float, c: float, vectors: np.ndarray) -> tuple[float, float, float, float]:
    """Return the square of the least length of the images of a folded vector, and what shifts it there."""
    best = (_square(a, b, c, vectors), 0.0, 0.0, 0.0)
    for i in (-1.0, 0.0, 1.0):
        for j in (-1.0, 0.0, 1.0):
            for k in (-1.0, 0.0, 1.0):
                square = _square(a + i, b + j, c + k, vectors)
                if square < best[0]:
                    best = (square, i, j, k)
    return best


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def _add_pairs(i: int, center: int, frame: Frame, around: Around) -> None:
    """Add LJ and Ewald of an atom of a center with all molecules that it is not bonded to, and find nearest images."""
    layout, s, vectors, ends = frame.layout, frame.fractions, frame.cell.vectors, frame.ends
    at_a, at_b, at_c = s[i, 0], s[i, 1], s[i, 2]
    scale = 1 / np.cbrt(frame.cell.volume)
    surely_nearest = np.inf if frame.cell.orthogonal else (frame.cell.width / 2) ** 2
    for m in range(len(layout.species)):
        if layout.fragments[m] == layout.fragments[center]:
            continue
        lj, coulomb, near = 0.0, 0.0, around.nearest[m, 0]
        for j in range(layout.starts[m], layout.starts[m + 1]):
            a, b, c = s[j, 0] - at_a, s[j, 1] - at_b, s[j, 2] - at_c
            p, q, r = -np.rint(a), -np.rint(b), -np.rint(c)
            a, b, c = a + p, b + q, c + r
            square = _square(a, b, c, vectors)
            coulomb += layout.charge[j] * (1 / np.sqrt(square) + scale * look_up(frame.table, a, b, c))
            if square > surely_nearest:
                square, x, y, z = _nearest_image(a, b, c, vectors)
                p, q, r = p + x, q + y, r + z
            if square < ends.cutoff * ends.cutoff:
                epsilon = layout.root_epsilon[i] * layout.root_epsilon[j]
                lj += lennard_jones(square, layout.half_sigma[i] + layout.half_sigma[j], epsilon, ends)
            if square < near:
                near = square
                around.nearest[m, 1], around.nearest[m, 2], around.nearest[m, 3] = p, q, r
            if square < around.square[m] and layout.coordinating[i] and layout.coordinating[j]:
                around.square[m] = square
        around.nearest[m, 0] = near
        around.energies[m, LJ] += lj
        around.energies[m, EWALD] += COULOMB_KJ_MOL_ANGSTROM * layout.charge[i] * coulomb


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def _add_bare(i: int, center: int, frame: Frame, around: Around) -> None:
    """Add the sums of q q'/r of an atom of a center with all molecules that it is not bonded to, each whole."""
    layout, s, vectors = frame.layout, frame.fractions, frame.cell.vectors
    for m in range(len(layout.species)):
        if layout.fragments[m] == layout.fragments[center]:
            continue
        a = around.nearest[m, 1] - s[i, 0]
        b = around.nearest[m, 2] - s[i, 1]
        c = around.nearest[m, 3] - s[i, 2]
        total = 0.0
        for j in range(layout.starts[m], layout.starts[m + 1]):
            total += layout.charge[j] / np.sqrt(_square(s[j, 0] + a, s[j, 1] + b, s[j, 2] + c, vectors))
        around.energies[m, BARE] += COULOMB_KJ_MOL_ANGSTROM * layout.charge[i] * total


@numba.njit(cache=True, nogil=True)
def room_around(frame: Frame) -> Around:
    """Return room for what is around one center."""
    n = len(frame.layout.species)
    return Around(np.empty((n, 3)), np.empty(n), np.empty((n, 4)))


@numba.njit(cache=True, nogil=True)
def look_around(center: int, frame: Frame, around: Around) -> None:
    """Write the energies of a molecule with all others; those that it is bonded to, itself among them, have none."""
    around.energies[:], around.square[:], around.nearest[:] = 0, np.inf, np.inf
    first, last = frame.layout.starts[center], frame.layout.starts[center + 1]
    for i in range(first, last):
        _add_pairs(i, center, frame, around)
    for i in range(first, last):
        _add_bare(i, center, frame, around)


@numba.njit(cache=True, nogil=True)
def xi(table: PairTable, cell: Cell) -> float:
    """Return psi - 1/r at r = 0, in kJ/mol/e^2."""
    return COULOMB_KJ_MOL_ANGSTROM * table.at_zero / np.cbrt(cell.volume)


@numba.njit(cache=True, nogil=True)
def pair_energies(i: int, j: int, frame: Frame) -> tuple[float, float, float, float]:
    """Return the distance of two atoms of one molecule, nearest images, in Å, and their energies in kJ/mol.

    The energies are LJ and, for unit charges, 1/r in the whole molecule and psi.
    """
    s, layout, vectors = frame.fractions, frame.layout, frame.cell.vectors
    a, b, c = s[j, 0] - s[i, 0], s[j, 1] - s[i, 1], s[j, 2] - s[i, 2]
    bare = 1 / np.sqrt(_square(a, b, c, vectors))
    a, b, c = a - np.rint(a), b - np.rint(b), c - np.rint(c)
    psi = 1 / np.sqrt(_square(a, b, c, vectors)) + look_up(frame.table, a, b, c) / np.cbrt(frame.cell.volume)
    lj, square = 0.0, _nearest_image(a, b, c, vectors)[0]
    if square < frame.ends.cutoff**2:
        sigma, epsilon = layout.half_sigma[i] + layout.half_sigma[j], layout.root_epsilon[i] * layout.root_epsilon[j]
        lj = lennard_jones(square, sigma, epsilon, frame.ends)
    return np.sqrt(square), lj, COULOMB_KJ_MOL_ANGSTROM * bare, COULOMB_KJ_MOL_ANGSTROM * psi


@numba.njit(cache=True, nogil=True)
def self_energy(c: int, frame: Frame) -> float:
    """Return half the Coulomb energy of a molecule with its own images and the background, in kJ/mol."""
    charge, energy = frame.layout.charge, 0.0
    for i in range(frame.layout.starts[c], frame.layout.starts[c + 1]):
        energy += charge[i] ** 2 * xi(frame.table, frame.cell) / 2
        for j in range(frame.layout.starts[c], i):
            _, _, bare, psi = pair_energies(i, j, frame)
            energy += charge[i] * charge[j] * (psi - bare)
    return energy


@numba.njit(cache=True, nogil=True)
def frame_energies(
    frame: Frame, centers: np.ndarray, edges: np.ndarray, capture_radius: float, whole_box: np.ndarray,
    by_distance: np.ndarray, of_itself: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Write the energies of the centers of one frame, and return the members.

    Parameters
    ----------
    centers
        Those molecules that are centers, shape (n_centers,).
    edges
        Equal bins from 0, shape (n_bins + 1,), in Å.
    capture_radius
        Up to where molecules are members, in Å.
    whole_box
        Gets the sums by species, shape (n_centers, n_species, 3), in kJ/mol.
    by_distance
        Gets the number and the three energies of the molecules in each bin, shape (n_center_species, n_species, n_bins,
        4).
    of_itself
        Gets the self energies, shape (n_centers,), in kJ/mol.

    Returns
    -------
    numpy.ndarray, shape (n_members, 6)
        Center, molecule, distance in Å and the three energies in kJ/mol.
    """
    species, fragments, around = frame.layout.species, frame.layout.fragments, room_around(frame)
    rows, n_rows = np.empty((len(centers) * len(species), 6)), 0
    by_distance[:] = 0
    for k in range(len(centers)):
        center, sums = centers[k], np.zeros(whole_box[k].shape)
        of_itself[k] = self_energy(center, frame)
        look_around(center, frame, around)
        for m in range(len(species)):
            if fragments[m] == fragments[center]:
                continue
            distance, energies = np.sqrt(around.square[m]), around.energies[m]
            sums[species[m]] += energies
            if distance < edges[-1]:
                into = by_distance[species[center], species[m], min(int(distance / edges[1]), len(edges) - 2)]
                into[0] += 1
                into[1:] += energies
            if distance <= capture_radius:
                rows[n_rows, 0], rows[n_rows, 1], rows[n_rows, 2] = k, m, distance
                rows[n_rows, 3:] = energies
                n_rows += 1
        whole_box[k] = sums
    return rows[:n_rows].copy()
