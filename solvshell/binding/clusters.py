"""A center and molecules around it, in vacuum."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import openmm

from solvshell.quantum import Array

SHELL, PAIR = "shell", "pair"


@dataclass(frozen=True)
class Cluster:
    """Molecules at positions in vacuum, the center first.

    Attributes
    ----------
    name
        Unique among the clusters of a run, and the stem of its file.
    kind
        ``shell`` or ``pair``: the center with one molecule of its shell.
    species
        Name of each molecule.
    sizes
        Atoms of each molecule, which stand one after another.
    charges
        Formal charge of each molecule in e; None where it is not known, as of a unit cut from a polymer.
    elements, positions
        Of all atoms; positions (n_atoms, 3) in Å.
    touching
        The atoms that coordinate the center.
    frame, center_index
        Where it was cut from.
    system
        The molecules under a force field without cutoff, and the scale of its charges of ions; None without one.
    """

    name: str
    kind: str
    species: tuple[str, ...]
    sizes: tuple[int, ...]
    charges: tuple[int | None, ...]
    elements: tuple[str, ...]
    positions: Array
    touching: tuple[int, ...]
    frame: int | None = None
    center_index: int | None = None
    system: openmm.System | None = None
    charge_scale: float = 1.0

    @cached_property
    def molecules(self) -> tuple[range, ...]:
        """The atoms of each molecule."""
        ends = np.cumsum([0, *self.sizes]).tolist()
        return tuple(range(start, end) for start, end in pairwise(ends))

    @property
    def composition(self) -> str:
        """What stands around the center, such as ``EC3 DMC1``."""
        return " ".join(f"{name}{n}" for name, n in Counter(self.species[1:]).items())

    @property
    def in_words(self) -> str:
        """The same for people, such as ``3 EC + 1 DMC``: a name may end in a digit."""
        return " + ".join(f"{n} {name}" for name, n in Counter(self.species[1:]).items())

    @property
    def is_whole(self) -> bool:
        """Whether the charge of every molecule is known, so that it is one that can be computed."""
        return None not in self.charges

    def atoms(self, members: Sequence[int]) -> list[int]:
        """Return the atoms of some of the molecules."""
        return [atom for member in members for atom in self.molecules[member]]

    def charge(self, members: Sequence[int]) -> int:
        """Return the charge of some of the molecules in e."""
        return sum(charge for member in members if (charge := self.charges[member]) is not None)

    def contacts(self, positions: Array) -> list[float]:
        """Return the sorted distances in Å from the center to the atoms that touched it when it was cut."""
        return sorted(np.linalg.norm(positions[list(self.touching)] - positions[0], axis=1).tolist())
