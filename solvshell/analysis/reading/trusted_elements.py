"""Which element each atom of a universe is: as its topology says, or from masses or names where they leave no doubt."""

import re

import numpy as np
from MDAnalysis import Universe
from rdkit import Chem

from solvshell.errors import InvalidInput

_TABLE = Chem.GetPeriodicTable()
SYMBOLS = [_TABLE.GetElementSymbol(z) for z in range(1, 104)]
NOBLE = {"He", "Ne", "Ar", "Kr", "Xe", "Rn"}
#: Masses that files give are rounded, or of one isotope.
_MASS_TOLERANCE = 0.15
#: Elements of molecules whose names in capitals may be those of numbered or lettered C, B and S too.
_DOUBTFUL = {"Cl", "Br", "Si", "Se"}
_CURE = "give a topology with elements (.pdb, .cif, .tpr, .prmtop, .xyz) or with masses (.data, .psf)"


def _of_mass(mass: float, what: str) -> str:
    near = [
        symbol
        for z, symbol in enumerate(SYMBOLS, start=1)
        if symbol not in NOBLE and abs(_TABLE.GetAtomicWeight(z) - mass) < _MASS_TOLERANCE
    ]
    if len(near) != 1:
        found = f"may be {' or '.join(near)}" if near else "is of no element (hydrogens made heavy?)"
        raise InvalidInput(f"topology: the mass {mass:g} of {what} {found}; {_CURE}")
    return near[0]


def _of_name(name: str, residue: str, alone: bool) -> str:
    """Return the element of a name: ``Li`` is Li, ``LI`` of an ion too, ``CA`` in a molecule is C, ``CL1`` in doubt."""
    letters = next(iter(re.findall(r"[A-Za-z]+", name)), "")
    one, two = letters[:1].upper(), letters[:2].capitalize()
    if len(two) == 2 and two in SYMBOLS:
        if letters[1].islower() or one not in SYMBOLS or alone:
            return two
        if two in _DOUBTFUL:
            raise InvalidInput(f"topology: the atom {name} of residue {residue} may be {one} or {two}; {_CURE}")
    if one not in SYMBOLS:
        raise InvalidInput(f"topology: the atom {name!r} of residue {residue} is named after no element; {_CURE}")
    return one


def _from_masses(universe: Universe) -> np.ndarray:
    masses, inverse = np.unique(universe.atoms.masses, return_inverse=True)
    types = universe.atoms.types if hasattr(universe.atoms, "types") else np.full(len(inverse), "?")
    kinds = [f"atom type {types[np.argmax(inverse == i)]}" for i in range(len(masses))]
    return np.array([_of_mass(mass, kind) for mass, kind in zip(masses, kinds, strict=True)], dtype="U2")[inverse]


def _from_names(universe: Universe) -> np.ndarray:
    atoms = universe.atoms
    resnames = atoms.resnames if hasattr(atoms, "resnames") else np.full(len(atoms), "?")
    alone = np.bincount(atoms.resindices)[atoms.resindices] == 1
    known = {key: _of_name(*key) for key in set(zip(atoms.names, resnames, alone.tolist(), strict=True))}
    return np.array([known[key] for key in zip(atoms.names, resnames, alone.tolist(), strict=True)], dtype="U2")


def trusted_elements(universe: Universe) -> tuple[np.ndarray, str]:
    """Return the element of each atom, shape (n_atoms,), and where it was taken from: topology, masses or names.

    Masses and elements that MDAnalysis guessed are passed over: it takes them from names, and knows no doubt.

    Raises
    ------
    InvalidInput
        If a mass is that of no element or of two, or a name may be of two (``CL1``).
    """
    guessed = {attribute.attrname for attribute in universe._topology.guessed_attributes}
    atoms = universe.atoms
    if hasattr(atoms, "elements") and "elements" not in guessed:
        elements = np.array([str(element).capitalize() for element in atoms.elements])
        if np.isin(elements, SYMBOLS).all():
            return elements, "topology"
    if hasattr(atoms, "masses") and "masses" not in guessed and (atoms.masses > 0).all():
        return _from_masses(universe), "masses"
    if hasattr(atoms, "names"):
        return _from_names(universe), "names"
    raise InvalidInput(f"topology: has no elements, masses or names of atoms; {_CURE}")
