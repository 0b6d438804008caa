"""AtomGroups of whole molecules become the layout of a box."""

from collections.abc import Mapping

import numpy as np
from MDAnalysis.core.groups import AtomGroup

from solvshell.analysis.energies.layout import Layout, arrange
from solvshell.analysis.energies.model import PairModel
from solvshell.analysis.sites import MoleculesAre, molecules_of
from solvshell.errors import InvalidInput


def _species_of_atoms(groups: Mapping[str, AtomGroup], n_atoms: int) -> np.ndarray:
    """Return the index of the group of each atom, or raise InvalidInput unless each is in exactly one."""
    species = np.full(n_atoms, -1)
    for k, (name, atoms) in enumerate(groups.items()):
        if len(atoms) == 0 or atoms.universe is not next(iter(groups.values())).universe:
            raise InvalidInput(f"{name}: no atoms, or atoms of another universe than those of the first species")
        if (species[atoms.indices] >= 0).any() or len(atoms.unique) < len(atoms):
            raise InvalidInput(f"{name}: shares atoms with another species, or some occur twice")
        species[atoms.indices] = k
    if missing := np.count_nonzero(species < 0):
        raise InvalidInput(f"partners: {missing} of {n_atoms} atoms are in no species (allowed: each in exactly one)")
    return species


def _coordinating(groups: Mapping[str, AtomGroup], coordinating: Mapping[str, AtomGroup], n_atoms: int) -> np.ndarray:
    """Return whether the distance of a molecule is that of an atom, shape (n_atoms,)."""
    chosen = np.ones(n_atoms, bool)
    for name, atoms in coordinating.items():
        if name not in groups or not np.isin(atoms.indices, groups[name].indices).all():
            raise InvalidInput(f"coordinating.{name}: not the name of a species that has these atoms")
        chosen[groups[name].indices] = False
        chosen[atoms.indices] = True
    return chosen


def layout_of(
    groups: Mapping[str, AtomGroup], model: PairModel, coordinating: Mapping[str, AtomGroup], are: MoleculesAre
) -> tuple[Layout, np.ndarray]:
    """Return the layout of the atoms of a universe, and the numbers of its molecules in the universe.

    Parameters
    ----------
    groups
        By species; each atom is in exactly one.
    coordinating
        By species those atoms from which distances are taken; of species that are not named, all.

    Raises
    ------
    InvalidInput
        If the groups are not that, a molecule lies in two of them, or the model has another number of atoms.
    """
    atoms = next(iter(groups.values())).universe.atoms
    if len(atoms) != model.n_atoms:
        raise InvalidInput(f"model: of {model.n_atoms} atoms (allowed: {len(atoms)}, as the universe has)")
    species = _species_of_atoms(groups, len(atoms))
    numbers, first, molecule = np.unique(molecules_of(atoms, are), return_index=True, return_inverse=True)
    if (split := species[first][molecule] != species).any():
        name = list(groups)[species[np.flatnonzero(split)[0]]]
        raise InvalidInput(f"{name}: has parts of molecules (allowed: whole ones)")
    return arrange(model, molecule, species, _coordinating(groups, coordinating, len(atoms))), numbers
