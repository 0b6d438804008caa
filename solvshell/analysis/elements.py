"""Which element each atom is, from whatever a topology says; refused where it does not say."""

import numpy as np
from MDAnalysis import NoDataError
from MDAnalysis.core.groups import AtomGroup
from rdkit import Chem

from solvshell.errors import InvalidInput

_TABLE = Chem.GetPeriodicTable()
_SYMBOLS = [_TABLE.GetElementSymbol(number) for number in range(1, 104)]
_WEIGHTS = np.array([_TABLE.GetAtomicWeight(number) for number in range(1, 104)])
#: Masses of one element differ among force fields by less than this, those of two elements by more, in Da.
_SAME_MASS = 0.05


def _column(atoms: AtomGroup, attribute: str) -> np.ndarray | None:
    try:
        return np.asarray(getattr(atoms, attribute))
    except (AttributeError, NoDataError):
        return None


def _as_symbols(words: np.ndarray) -> np.ndarray | None:
    symbols = np.array([str(word).strip().capitalize() for word in words], dtype=object)
    return symbols if set(symbols) <= set(_SYMBOLS) else None


def _by_mass(masses: np.ndarray) -> np.ndarray | None:
    """Return the elements of standard masses: hydrogens that were made heavier fit none, and so refuse all."""
    nearest = np.abs(masses[:, None] - _WEIGHTS).argmin(axis=1)
    if (np.abs(masses - _WEIGHTS[nearest]) > _SAME_MASS).any():
        return None
    return np.array(_SYMBOLS, dtype=object)[nearest]


def atomic_numbers(symbols: np.ndarray) -> np.ndarray:
    """Return the atomic number of each symbol, shape (n_atoms,)."""
    return np.array([_SYMBOLS.index(symbol) + 1 for symbol in symbols], dtype=int)


def elements_of(atoms: AtomGroup) -> np.ndarray:
    """Return the symbol of each atom's element, such as ``Li``, shape (n_atoms,).

    Taken from the elements of the topology; else from its types, if they all are symbols; else from its masses, if all
    are those of an element.

    Raises
    ------
    InvalidInput
        If none of the three tells the element of every atom.
    """
    for attribute in ("elements", "types"):
        words = _column(atoms, attribute)
        if words is not None and (symbols := _as_symbols(words)) is not None:
            return symbols
    masses = _column(atoms, "masses")
    symbols = None if masses is None else _by_mass(masses)
    if symbols is None:
        raise InvalidInput(
            "elements: this topology does not tell the element of each atom, neither as elements nor by types or "
            "masses; set them with universe.add_TopologyAttr('elements', [...])"
        )
    return symbols
