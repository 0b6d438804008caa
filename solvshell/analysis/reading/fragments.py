"""The molecules of a universe as graphs: bonds where the topology has none, and kinds of molecules that are alike."""

import warnings
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import networkx as nx  # type: ignore[import-untyped]
import numpy as np
from MDAnalysis import Universe
from MDAnalysis.core.groups import AtomGroup
from MDAnalysis.core.topologyobjects import TopologyGroup
from MDAnalysis.guesser import tables
from MDAnalysis.lib.distances import self_capped_distance

from solvshell.analysis.reading.trusted_elements import trusted_elements
from solvshell.errors import InvalidInput

#: They touch their neighbors nearer than a bond of heavier atoms is long, and are bonded to none.
_UNBONDED = ["Li", "Na", "K", "Rb", "Cs", "Be", "Mg", "Ca", "Sr", "Ba", "Zn"]

#: Atoms of molecules: without a bond where others have some, the bonds of the topology are not whole.
_NEVER_ALONE = ["H", "B", "C", "N", "O", "Si", "P", "S"]
#: As in MDAnalysis: the share of the sum of two van der Waals radii (and, in Å, what is one atom twice).
_FUDGE = 0.55
_COINCIDENT = 0.1
#: Twice this, in Å, is longer than the bonds of molecules (but for heavy halogens), and shorter than most contacts.
_RADIUS_OF_UNKNOWN = 1.0


@dataclass(frozen=True)
class Kind:
    """Molecules of the same elements, bonded alike in the same order of atoms.

    `atoms` are indices in the universe, shape (n_molecules, n_atoms); `bonds` pairs of the columns.
    """

    atoms: np.ndarray
    elements: tuple[str, ...]
    bonds: tuple[tuple[int, int], ...]

    @property
    def formula(self) -> str:
        """The formula, carbon and hydrogen first."""
        return hill_formula(self.elements)

    @cached_property
    def graph(self) -> nx.Graph:
        """The bonded atoms, each with its `element`."""
        return molecular_graph(self.elements, self.bonds)


def hill_formula(elements: tuple[str, ...]) -> str:
    """Return the formula of some atoms: carbon, hydrogen, and the others by their names."""
    counts = Counter(elements)
    first = [element for element in ("C", "H") if "C" in counts and element in counts]
    order = first + sorted(counts.keys() - set(first))
    return "".join(element + (str(counts[element]) if counts[element] > 1 else "") for element in order)


def molecular_graph(elements: tuple[str, ...], bonds: tuple[tuple[int, int], ...]) -> nx.Graph:
    """Return a graph of atoms with their `element`, without the orders of bonds, which few topologies know."""
    graph = nx.Graph()
    graph.add_nodes_from((i, {"element": element}) for i, element in enumerate(elements))
    graph.add_edges_from(bonds)
    return graph


def graph_hash(graph: nx.Graph) -> str:
    """Return a text that is the same for two graphs if they are isomorphic, and hardly ever otherwise."""
    return nx.weisfeiler_lehman_graph_hash(graph, node_attr="element", iterations=8)


def _bonds_if_known(universe: Universe) -> TopologyGroup | None:
    """Return the bonds of the topology, or None where it has none; each look at them takes MDAnalysis some time."""
    bonds = getattr(universe, "bonds", None)
    return bonds if bonds is not None and len(bonds) else None


def _guess_bonds(atoms: AtomGroup, elements: np.ndarray) -> np.ndarray:
    """Return what `DefaultGuesser.guess_bonds` of MDAnalysis does, which takes minutes where this takes seconds.

    The elements are those of all atoms of the universe, or empty where unknown; pairs are indices, shape (n_pairs, 2).
    """
    bonded = atoms[~np.isin(elements[atoms.indices], _UNBONDED)]
    symbols, kind = np.unique(np.char.upper(elements[bonded.indices]), return_inverse=True)
    known = {"": _RADIUS_OF_UNKNOWN} | {symbol: _FUDGE * radius for symbol, radius in tables.vdwradii.items()}
    if lacking := [symbol for symbol in symbols if symbol not in known]:
        raise InvalidInput(f"topology: has no bonds, and no radius of {', '.join(lacking)} is known to guess them by")
    if len(bonded) == 0:
        return np.empty((0, 2), dtype=int)
    radii = np.array([known[symbol] for symbol in symbols])
    pairs, distances = self_capped_distance(
        bonded.positions, 2 * radii.max(), min_cutoff=_COINCIDENT, box=atoms.universe.dimensions
    )
    return bonded.indices[pairs[distances < radii[kind[pairs]].sum(axis=1)]]


def _elements_if_known(universe: Universe) -> np.ndarray:
    try:
        return trusted_elements(universe)[0]
    except InvalidInput:
        return np.full(len(universe.atoms), "")


def bonds_of(atoms: AtomGroup) -> np.ndarray:
    """Return the bonds that some atoms have, to whatever atom, as pairs of indices, shape (n_bonds, 2).

    They are those of the topology. Where it has none, they are guessed within residues from distances in the present
    frame, by the rule of `complete_bonds`; without elements, two atoms are bonded where they are nearer than 2 Å.
    """
    universe = atoms.universe
    known = _bonds_if_known(universe)
    if known is not None:
        bonds: np.ndarray = known.indices
    else:
        bonds = _guess_bonds(atoms.residues.atoms, _elements_if_known(universe))
        residue = universe.atoms.resindices[bonds]
        bonds = bonds[residue[:, 0] == residue[:, 1]]
    asked = np.isin(np.arange(len(universe.atoms)), atoms.indices)
    return bonds[asked[bonds].any(axis=1)]


def complete_bonds(universe: Universe) -> dict[str, str]:
    """Guess bonds, in place, for a universe that has none, and return notes of what was guessed from what.

    Two atoms are bonded where they are nearer in the first frame, by its cell, than 0.55 of the sum of their van der
    Waals radii (the rule and the radii of MDAnalysis). Alkali and alkaline earth metals
    and zinc are bonded to nothing.

    Raises
    ------
    InvalidInput
        If the elements are in doubt, or one has no van der Waals radius.
    """
    known = _bonds_if_known(universe)
    if known is not None and not known[0].is_guessed:
        return {}
    elements, origin = trusted_elements(universe)
    if known is None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="MDAnalysis")
            universe.trajectory[0]
            universe.add_bonds(_guess_bonds(universe.atoms, elements), guessed=True)
    return {
        "bonds": "guessed from elements and distances in the first frame",
        "elements": f"from the {origin} of the topology" if origin != "topology" else "from the topology",
    }


def molecule_kinds(universe: Universe) -> list[Kind]:
    """Return the kinds of molecules in a universe with bonds, in the order in which they first appear.

    One look at each molecule in its own order of atoms, so that graphs are compared once for a kind.

    Raises
    ------
    InvalidInput
        If elements are in doubt, or some atoms of molecules have no bonds.
    """
    elements, _ = trusted_elements(universe)
    fragment = universe.atoms.fragindices
    order = np.argsort(fragment, kind="stable")
    starts = np.searchsorted(fragment[order], np.arange(fragment.max() + 2))
    place = np.empty_like(order)
    place[order] = np.arange(len(order)) - starts[fragment[order]]

    ends = np.sort(place[universe.bonds.indices.reshape(-1, 2)], axis=1)
    of_bond = fragment[universe.bonds.indices.reshape(-1, 2)[:, 0]]
    by_fragment = np.lexsort((ends[:, 1], ends[:, 0], of_bond))
    ends = ends[by_fragment]
    bond_starts = np.searchsorted(of_bond[by_fragment], np.arange(fragment.max() + 2))

    sorted_elements = elements[order]
    alone = np.diff(starts) == 1
    if (loose := np.flatnonzero(alone & np.isin(sorted_elements[starts[:-1]], _NEVER_ALONE))).size:
        first = order[starts[loose[0]]]
        raise InvalidInput(
            f"topology: {len(loose)} atoms of molecules have no bonds, such as {elements[first]} of index {first}; "
            "give a topology with all bonds, or with none"
        )
    found: dict[tuple[bytes, bytes], list[int]] = {}
    for i in range(len(starts) - 1):
        key = (
            sorted_elements[starts[i] : starts[i + 1]].tobytes(),
            ends[bond_starts[i] : bond_starts[i + 1]].tobytes(),
        )
        found.setdefault(key, []).append(i)
    return [
        Kind(
            atoms=np.stack([order[starts[i] : starts[i + 1]] for i in members]),
            elements=tuple(sorted_elements[starts[members[0]] : starts[members[0] + 1]].tolist()),
            bonds=tuple((int(a), int(b)) for a, b in ends[bond_starts[members[0]] : bond_starts[members[0] + 1]]),
        )
        for members in found.values()
    ]
