"""Residues that are no molecules: numbers that repeat or are missing have put several molecules into one."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from solvshell.analysis.reading.fragments import bonds_of
from solvshell.analysis.sites import Sites
from solvshell.errors import InvalidInput


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
        atoms = residues.atoms.unique
        atoms.universe.trajectory[0]
        bonds = bonds_of(atoms)
        residue_of = atoms.universe.atoms.resindices[bonds]
        pairs = np.searchsorted(atoms.indices, bonds[residue_of[:, 0] == residue_of[:, 1]])
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
