"""The atom types of a box: atoms of one element with the same mass and Lennard-Jones parameters share one."""

from collections import Counter
from dataclasses import dataclass

from solvshell.export.molecules import Atom, Molecules


@dataclass(frozen=True)
class AtomType:
    """What the atoms of a type have in common: dalton, nm, kJ/mol; `number` counts from 1."""

    name: str
    number: int
    element: str
    mass: float
    sigma: float
    epsilon: float


@dataclass(frozen=True)
class AtomTypes:
    """The types of a box, in the order in which its atoms need them."""

    types: tuple[AtomType, ...]

    def of(self, atom: Atom) -> AtomType:
        """Return the type of an atom."""
        return next(found for found in self.types if _content(found) == _content(atom))


def _content(one: Atom | AtomType) -> tuple[str, float, float, float]:
    return one.element, one.mass, one.sigma, one.epsilon


def atom_types(molecules: Molecules) -> AtomTypes:
    """Return the atom types of the molecules of a box, named ``C1``, ``C2``, ``H1`` ... by their elements."""
    contents = dict.fromkeys(_content(atom) for kind in molecules.kinds for atom in kind.atoms)
    seen: Counter[str] = Counter()
    types = []
    for number, (element, *parameters) in enumerate(contents, 1):
        seen[element] += 1
        types.append(AtomType(f"{element}{seen[element]}", number, element, *parameters))
    return AtomTypes(tuple(types))
