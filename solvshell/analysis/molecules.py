"""Centers of mass of molecules, whole or cut by the walls of the cell."""

import numpy as np
from MDAnalysis.core.groups import AtomGroup
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order

from solvshell.analysis import pairs


def _along_bonds(atoms: AtomGroup, molecule: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the atoms that bonds reach from the `first` atom of their molecule, in that order, and all parents."""
    n = len(atoms)
    place = np.full(len(atoms.universe.atoms), -1)
    place[atoms.indices] = np.arange(n)
    links = np.zeros((0, 2), int)
    if hasattr(atoms.universe, "bonds"):
        links = place[atoms.universe.bonds.indices]
        links = links[(links >= 0).all(axis=1)]
        links = links[molecule[links[:, 0]] == molecule[links[:, 1]]]
    # One more node binds the first atoms of all molecules, so that one search reaches every atom that bonds reach.
    root = np.stack([np.full(len(first), n), first], axis=1)
    links = np.concatenate([links, root])
    graph = coo_array((np.ones(len(links)), links.T), shape=(n + 1, n + 1))
    order, parents = breadth_first_order(graph.tocsr(), n, directed=False)
    return order[1:], parents


class Molecules:
    """The molecules of a species, ready to find their centers of mass in any frame.

    Each atom is taken at the image nearest to its parent: an atom bonded to it, so that a molecule may be of any
    length. Without bonds all atoms hang on the first, which is right for molecules smaller than half the cell.

    Parameters
    ----------
    atoms
        All their atoms, with masses.
    molecule_of_atom
        The number of the molecule of each atom, shape (n_atoms,).
    """

    def __init__(self, atoms: AtomGroup, molecule_of_atom: np.ndarray) -> None:
        _, first, molecule = np.unique(molecule_of_atom, return_index=True, return_inverse=True)
        order, parents = _along_bonds(atoms, molecule, first)
        reached = np.zeros(len(atoms), bool)
        reached[order] = True
        order = np.concatenate([order, np.flatnonzero(~reached)])
        parent = np.where(reached & (parents[: len(atoms)] < len(atoms)), parents[: len(atoms)], first[molecule])
        # Breadth first through all molecules at once: sorted by molecule, each atom still stands behind its parent.
        order = order[np.argsort(molecule[order], kind="stable")]
        place = np.empty(len(atoms), int)
        place[order] = np.arange(len(atoms))
        self._atoms = atoms.indices[order]
        self._parents = place[parent[order]]
        total = np.bincount(molecule, weights=atoms.masses)
        self._weights = (atoms.masses / total[molecule])[order]
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(molecule))])

    @property
    def first_atoms(self) -> np.ndarray:
        """One atom of each molecule, by index in the universe, shape (n_molecules,)."""
        return self._atoms[self._starts[:-1]]

    def centers_of_mass(self, positions: np.ndarray, cell: pairs.Cell, out: np.ndarray) -> None:
        """Write the centers of mass in Å into `out`, shape (3, n_molecules), from all positions (n_atoms, 3)."""
        pairs.centers_of_mass(positions, self._atoms, self._parents, self._weights, self._starts, cell, out)
