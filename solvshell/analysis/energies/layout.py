"""The atoms of a box as molecules of species, in the order in which their energies are summed."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order

from solvshell.analysis.energies.model import PairModel
from solvshell.errors import InvalidInput


class Layout(NamedTuple):
    """All atoms, one molecule after the other, with their parameters.

    Attributes
    ----------
    atoms, parents : numpy.ndarray, shape (n_atoms,)
        The atoms in order, each behind its parent: one at most three bonds away, from which its nearest image is taken,
        by its place in this order; its own place for the first of a molecule.
    charge, half_sigma, root_epsilon : numpy.ndarray, shape (n_atoms,)
        In e, Å, and the root of kJ/mol.
    coordinating : numpy.ndarray, shape (n_atoms,)
        Whether the distance of a molecule may be that of this atom.
    starts : numpy.ndarray, shape (n_molecules + 1,)
        Where each molecule begins.
    species, fragments : numpy.ndarray, shape (n_molecules,)
        The species of each molecule, and the fragment that it is bonded into.
    """

    atoms: np.ndarray
    parents: np.ndarray
    charge: np.ndarray
    half_sigma: np.ndarray
    root_epsilon: np.ndarray
    coordinating: np.ndarray
    starts: np.ndarray
    species: np.ndarray
    fragments: np.ndarray


def part_of(layout: Layout, molecules: np.ndarray) -> Layout:
    """Return the layout of some molecules only, by a mask, shape (n_molecules,): of those that are no ghosts."""
    sizes = np.diff(layout.starts)
    atoms = np.repeat(molecules, sizes)
    place = np.cumsum(atoms) - 1
    return Layout(
        layout.atoms[atoms],
        place[layout.parents[atoms]],
        layout.charge[atoms],
        layout.half_sigma[atoms],
        layout.root_epsilon[atoms],
        layout.coordinating[atoms],
        np.concatenate([[0], np.cumsum(sizes[molecules])]),
        layout.species[molecules],
        layout.fragments[molecules],
    )


def _tree(links: np.ndarray, first: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the atoms in the order in which links reach them from the first ones, and the parents of all n atoms."""
    # One more node is linked to all first atoms, so that one search reaches every molecule.
    links = np.concatenate([links, np.stack([np.full(len(first), n), first], axis=1)])
    graph = coo_array((np.ones(len(links)), links.T), shape=(n + 1, n + 1)).tocsr()
    order, parents = breadth_first_order(graph, n, directed=False)
    return order[1:], np.where(parents[:n] == n, np.arange(n), parents[:n])


def arrange(model: PairModel, molecule: np.ndarray, species: np.ndarray, coordinating: np.ndarray) -> Layout:
    """Return the layout of a box.

    Parameters
    ----------
    molecule, species
        Which one each atom belongs to, shape (n_atoms,); molecules are counted from 0.
    coordinating
        Shape (n_atoms,).

    Raises
    ------
    InvalidInput
        If a molecule is not one, but several that are not bonded to each other.
    """
    first = np.unique(molecule, return_index=True)[1]
    links = model.exceptions[molecule[model.exceptions[:, 0]] == molecule[model.exceptions[:, 1]]]
    order, parents = _tree(links, first, model.n_atoms)
    if len(order) < model.n_atoms:
        alone = np.setdiff1d(np.arange(model.n_atoms), order)[0]
        together = int(np.count_nonzero(molecule == molecule[alone]))
        raise InvalidInput(
            f"molecules_are: atom {alone} is in one molecule with {together - 1} others, to some of which no bonds "
            "lead (allowed: residues or fragments that are single molecules)"
        )
    order = order[np.argsort(molecule[order], kind="stable")]
    place = np.empty(model.n_atoms, int)
    place[order] = np.arange(model.n_atoms)
    return Layout(
        order,
        place[parents[order]],
        model.charges[order],
        model.sigma[order] / 2,
        np.sqrt(model.epsilon[order]),
        coordinating[order],
        np.concatenate([[0], np.cumsum(np.bincount(molecule))]),
        species[first],
        model.fragments[first],
    )
