"""Residues that are no molecules: numbers that repeat or are missing have put several molecules into one."""

import numpy as np
from MDAnalysis.core.groups import AtomGroup
from MDAnalysis.lib.distances import self_capped_distance
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from solvshell.analysis.sites import Sites
from solvshell.errors import InvalidInput

#: Longer than the bonds of molecules (but for heavy halogens), shorter than nearly all contacts between them.
_LONGEST_BOND = 2.0


def _bonded(atoms: AtomGroup) -> np.ndarray:
    """Return pairs of rows of `atoms`, shape (n_pairs, 2): its bonds, or what is near enough within one residue."""
    universe = atoms.universe
    if hasattr(universe, "bonds") and len(universe.bonds):
        row = np.full(len(universe.atoms), -1)
        row[atoms.indices] = np.arange(len(atoms))
        pairs = row[universe.bonds.indices]
        return pairs[(pairs >= 0).all(axis=1)]
    universe.trajectory[0]
    return self_capped_distance(atoms.positions, _LONGEST_BOND, box=universe.dimensions, return_distances=False)


def check_residues(sites: Sites) -> None:
    """Refuse sites whose residues hold several molecules, as where numbers of residues repeat or are all the same.

    Without bonds in the topology, the molecules are told apart by the distances of their atoms in the first frame.

    Raises
    ------
    InvalidInput
        If a residue falls into parts of two atoms or more, or into single atoms.
    """
    for partner, site in {site.partner: site for site in sites.sites}.items():
        residues = site.atoms.residues
        atoms = residues.atoms
        pairs = _bonded(atoms)
        pairs = pairs[atoms.resindices[pairs[:, 0]] == atoms.resindices[pairs[:, 1]]]
        graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(len(atoms), len(atoms)))
        n_parts, part = connected_components(graph, directed=False)
        sizes = np.bincount(part, minlength=n_parts)
        residue = np.zeros(n_parts, dtype=int)
        residue[part] = atoms.resindices
        n_molecules = np.bincount(residue, weights=sizes > 1)
        n_single = np.bincount(residue, weights=sizes == 1)
        n_molecules = np.where(n_molecules > 0, n_molecules, n_single).astype(int)
        if n_molecules.max() > 1:
            worst = int(n_molecules.argmax())
            raise InvalidInput(
                f"partners.{partner}: residue {residues.universe.residues[worst].resid} holds "
                f"{n_molecules[worst]} molecules; give molecules_are: fragments (in the species file)"
            )
