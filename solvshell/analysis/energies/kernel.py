"""The hot loop: the energies of some molecules of one frame with all others."""

from typing import NamedTuple

import numba
import numpy as np

from solvshell.analysis.energies.layout import Layout
from solvshell.analysis.energies.model import COULOMB_KJ_MOL_ANGSTROM
from solvshell.analysis.energies.periodic import Cell
from solvshell.analysis.energies.table import PairTable, look_up

#: The last axis of energies.
LJ, BARE, EWALD = 0, 1, 2


class Ends(NamedTuple):
    """Where Lennard-Jones ends and where its switch begins, in Å; without a switch the same."""

    cutoff: float
    switch: float


@numba.njit(cache=True, nogil=True)
def _fold(d: np.ndarray, cell: Cell) -> np.ndarray:
    """Return a vector less the whole vectors of the cell in it, shape (3,)."""
    return d - np.rint(d @ cell.inverse) @ cell.vectors


@numba.njit(cache=True, nogil=True)
def make_whole(positions: np.ndarray, layout: Layout, cell: Cell) -> np.ndarray:
    """Return the positions of all atoms in the order of the layout, shape (n_atoms, 3), molecules whole."""
    whole = np.empty((len(layout.atoms), 3))
    for k in range(len(whole)):
        here = positions[layout.atoms[k]].astype(np.float64)
        before = layout.parents[k]
        if before != k:
            here = whole[before] + _fold(here - whole[before], cell)
        whole[k] = here
    return whole


@numba.njit(cache=True, nogil=True, inline="always")
def _lennard_jones(square: float, sigma: float, epsilon: float, ends: Ends) -> float:
    x = sigma * sigma / square
    x = x * x * x
    energy = 4 * epsilon * (x * x - x)
    if square > ends.switch * ends.switch:
        x = (np.sqrt(square) - ends.switch) / (ends.cutoff - ends.switch)
        energy *= 1 - x * x * x * (10 - 15 * x + 6 * x * x)
    return energy


@numba.njit(cache=True, nogil=True)
def _nearest_shift(d: np.ndarray, cell: Cell) -> np.ndarray:
    """Return what makes a folded vector the shortest one, a vector of the lattice."""
    best, shift = d @ d, np.zeros(3)
    for i in range(-1, 2):
        for j in range(-1, 2):
            for k in range(-1, 2):
                other = i * cell.vectors[0] + j * cell.vectors[1] + k * cell.vectors[2]
                square = (d + other) @ (d + other)
                if square < best * (1 - 1e-12):
                    best, shift = square, other
    return shift


@numba.njit(cache=True, nogil=True)
def _with_molecule(i: int, m: int, whole: np.ndarray, layout: Layout, cell: Cell, table: PairTable, ends: Ends,
                   nearest: np.ndarray, energies: np.ndarray) -> float:  # fmt: skip
    """Add LJ and Ewald of an atom and a molecule, and return the square of the distance of coordinating atoms.

    `nearest` gets the lattice vector that leads to the nearest image, behind the square of that distance, shape (4,).
    """
    scale = 1 / np.cbrt(cell.volume)
    distance = np.inf
    for j in range(layout.starts[m], layout.starts[m + 1]):
        d = whole[j] - whole[i]
        folded = _fold(d, cell)
        f = folded @ cell.inverse
        square = folded @ folded
        rest = look_up(table, f[0], f[1], f[2]) * scale
        energies[EWALD] += layout.charge[i] * layout.charge[j] * (1 / np.sqrt(square) + rest)
        if square < ends.cutoff * ends.cutoff:
            sigma = layout.half_sigma[i] + layout.half_sigma[j]
            epsilon = layout.root_epsilon[i] * layout.root_epsilon[j]
            energies[LJ] += _lennard_jones(square, sigma, epsilon, ends)
        elif not cell.orthogonal:
            folded = folded + _nearest_shift(folded, cell)
            square = folded @ folded
        if square < nearest[0]:
            nearest[0] = square
            nearest[1:] = folded - d
        if layout.coordinating[i] and layout.coordinating[j]:
            distance = min(distance, square)
    return distance


@numba.njit(cache=True, nogil=True)
def energies_around(c: int, whole: np.ndarray, layout: Layout, cell: Cell, table: PairTable, ends: Ends,
                    energies: np.ndarray, distances: np.ndarray) -> None:  # fmt: skip
    """Write the energies of molecule c with all others, shape (n_molecules, 3), kJ/mol, and their distances in Å.

    Those with what it is bonded into, itself among it, are not a number.
    """
    energies[:], distances[:] = 0.0, np.inf
    nearest = np.empty(4)
    for m in range(len(layout.species)):
        if layout.fragments[m] == layout.fragments[c]:
            energies[m], distances[m] = np.nan, np.nan
            continue
        nearest[0] = np.inf
        for i in range(layout.starts[c], layout.starts[c + 1]):
            square = _with_molecule(i, m, whole, layout, cell, table, ends, nearest, energies[m])
            distances[m] = min(distances[m], np.sqrt(square))
        for i in range(layout.starts[c], layout.starts[c + 1]):
            for j in range(layout.starts[m], layout.starts[m + 1]):
                d = whole[j] - whole[i] + nearest[1:]
                energies[m, BARE] += layout.charge[i] * layout.charge[j] / np.sqrt(d @ d)
        energies[m, BARE] *= COULOMB_KJ_MOL_ANGSTROM
        energies[m, EWALD] *= COULOMB_KJ_MOL_ANGSTROM


@numba.njit(cache=True, nogil=True)
def xi(table: PairTable, cell: Cell) -> float:
    """Return psi - 1/r at r = 0, in kJ/mol/e^2."""
    return COULOMB_KJ_MOL_ANGSTROM * table.at_zero / np.cbrt(cell.volume)


@numba.njit(cache=True, nogil=True)
def self_energy(c: int, whole: np.ndarray, layout: Layout, cell: Cell, table: PairTable) -> float:
    """Return half the Coulomb energy of a molecule with its own images and the background, in kJ/mol."""
    energy = 0.0
    for i in range(layout.starts[c], layout.starts[c + 1]):
        for j in range(layout.starts[c], layout.starts[c + 1]):
            d = whole[j] - whole[i]
            f = _fold(d, cell) @ cell.inverse
            rest = look_up(table, f[0], f[1], f[2]) / np.cbrt(cell.volume)
            folded = _fold(d, cell)
            if i != j:  # of an atom folded to another image
                rest += 1 / np.sqrt(folded @ folded) - 1 / np.sqrt(d @ d)
            energy += layout.charge[i] * layout.charge[j] * rest / 2
    return COULOMB_KJ_MOL_ANGSTROM * energy


@numba.njit(cache=True, nogil=True)
def frame_energies(
    positions: np.ndarray, layout: Layout, cell: Cell, table: PairTable, ends: Ends, centers: np.ndarray,
    edges: np.ndarray, capture_radius: float, whole_box: np.ndarray, by_distance: np.ndarray, of_itself: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Write the energies of one frame, and return the members.

    Parameters
    ----------
    positions
        Of all atoms, shape (n_atoms, 3), in Å.
    centers
        Those molecules that are centers, shape (n_centers,).
    edges
        Equal bins from 0, shape (n_bins + 1,), in Å.
    capture_radius
        Up to where molecules are members, in Å.
    whole_box
        Gets the sums by species, shape (n_centers, n_species, 3), in kJ/mol.
    by_distance
        To which the number and the three energies of the molecules in each bin are added, shape (n_center_species,
        n_species, n_bins, 4).
    of_itself
        Gets the self energies, shape (n_centers,), in kJ/mol.

    Returns
    -------
    numpy.ndarray, shape (n_members, 6)
        Center, molecule, distance in Å and the three energies in kJ/mol.
    """
    whole = make_whole(positions, layout, cell)
    n_molecules = len(layout.species)
    energies, distances = np.empty((n_molecules, 3)), np.empty(n_molecules)
    rows = np.empty((len(centers) * n_molecules, 6))
    n_rows = 0
    for k in range(len(centers)):
        energies_around(centers[k], whole, layout, cell, table, ends, energies, distances)
        of_itself[k] = self_energy(centers[k], whole, layout, cell, table)
        sums = np.zeros((whole_box.shape[1], 3))
        for m in range(n_molecules):
            if np.isnan(distances[m]):
                continue
            sums[layout.species[m]] += energies[m]
            if distances[m] < edges[-1]:
                b = min(int(distances[m] / edges[1]), len(edges) - 2)
                into = by_distance[layout.species[centers[k]], layout.species[m], b]
                into[0] += 1
                into[1:] += energies[m]
            if distances[m] <= capture_radius:
                rows[n_rows, 0], rows[n_rows, 1], rows[n_rows, 2] = k, m, distances[m]
                rows[n_rows, 3:] = energies[m]
                n_rows += 1
        whole_box[k] = sums
    return rows[:n_rows].copy()
