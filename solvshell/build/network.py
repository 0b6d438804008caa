"""A network: chain growth through the C=C of monomers in the packed box, by distance, with relaxation in between.

A growing end carries a hydrogen in place of its radical at any time, so that every intermediate is a molecule that the
force field knows; when it grows, that hydrogen moves on to the new end. Nothing has to be done to end a chain.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from solvshell.build.graph import add_atom
from solvshell.build.monomer import VINYL
from solvshell.engine import UnstableSimulation

Vectors = NDArray[np.float64]

_SINGLE = Chem.BondType.SINGLE
#: nm between the carbons that shall be bonded; the next is taken when nothing is left within the one before
CAPTURE_NM = (0.45, 0.60, 0.80, 1.00)
#: rounds without a bond after which an end is dead, and after which the growth as a whole has come to its end
_PATIENCE, _FRUITLESS_ROUNDS = 3, 8
#: no rings smaller than this but the five-membered one of two allyls of one nitrogen
_SMALLEST_RING = 8


@dataclass
class _End:
    """A growing end: its carbon, the hydrogen in place of the radical, the C=C its chain has used."""

    carbon: int
    cap: int
    length: int
    idle_rounds: int = 0

    @property
    def alive(self) -> bool:
        """Whether it may still grow."""
        return self.idle_rounds < _PATIENCE


@dataclass(frozen=True)
class _Bonding:
    """A carbon `donor` bonds to `attacked`, one end of a C=C; the chain goes on at the other, `next_end`."""

    donor: int
    attacked: int
    next_end: int
    distance: float


@dataclass
class Network:
    """Units that are being joined: the molecule, positions (n_atoms, 3) in nm, the growing ends and what happened."""

    mol: Chem.RWMol
    positions: Vectors
    ends: list[_End] = field(default_factory=list)
    n_initial: int = 0
    within: int = 0
    between: int = 0
    rings: int = 0
    refused: set[frozenset[int]] = field(default_factory=set)

    def copy(self) -> "Network":
        """Return a copy to come back to."""
        ends = [replace(end) for end in self.ends]
        mol = Chem.RWMol(self.mol)
        counts = (self.n_initial, self.within, self.between, self.rings)
        return Network(mol, self.positions.copy(), ends, *counts, set(self.refused))

    def restore(self, before: "Network") -> None:
        """Become again what a copy was."""
        self.__dict__.update(before.__dict__)

    @property
    def vinyls(self) -> list[tuple[int, int]]:
        """The C=C left, CH2 first."""
        return sorted(self.mol.GetSubstructMatches(Chem.MolFromSmarts(VINYL)))

    @property
    def conversion(self) -> float:
        """Share of the C=C that have reacted."""
        return 1 - len(self.vinyls) / self.n_initial

    def unit(self, atom: int) -> int:
        """Return the unit of an atom."""
        return int(self.mol.GetAtomWithIdx(atom).GetIntProp("unit"))


def _nearest_image(vectors: Vectors, lengths: Vectors) -> Vectors:
    return vectors - lengths * np.round(vectors / lengths)


def _ring_partner(mol: Chem.Mol, carbon: int, vinyl: tuple[int, int]) -> bool:
    """Return whether bonding `carbon` to the CH of a C=C closes the ring of two allyls of one nitrogen."""
    path = Chem.GetShortestPath(mol, carbon, vinyl[1])
    return len(path) == 5 and mol.GetAtomWithIdx(path[2]).GetSymbol() == "N"


def _far_apart(mol: Chem.Mol, a: int, b: int) -> bool:
    """Return whether a bond between two atoms closes no small ring."""
    path = Chem.GetShortestPath(mol, a, b)
    return not path or len(path) >= _SMALLEST_RING


def _partners(network: Network, carbon: int, vinyls: list[tuple[int, int]], cell: Vectors) -> Iterator[_Bonding]:
    """Yield the C=C that a radical at `carbon` may attack, and where."""
    for vinyl in vinyls:
        if carbon in vinyl:
            continue
        for attacked, next_end in (vinyl, vinyl[::-1]):
            vector = _nearest_image(network.positions[attacked] - network.positions[carbon], cell)
            distance = float(np.linalg.norm(vector))
            if distance > CAPTURE_NM[-1] or frozenset((carbon, attacked)) in network.refused:
                continue
            # At its CH a C=C is attacked only from the other allyl of its nitrogen: the five-membered ring.
            fits = (
                _far_apart(network.mol, carbon, attacked)
                if attacked == vinyl[0]
                else _ring_partner(network.mol, carbon, vinyl)
            )
            if fits:
                yield _Bonding(carbon, attacked, next_end, distance)


def _chosen(network: Network, cell: Vectors, n_most: int, most_ends: int) -> list[tuple[_End | None, _Bonding]]:
    """Return what reacts in one round: every living end with its nearest partner, new chains where ends are few.

    The smallest capture radius within which anything reacts is taken. A new chain, which has no end yet, is
    started only together with its first bond.
    """
    vinyls = network.vinyls
    living = [end for end in network.ends if end.alive]
    options: list[tuple[_End | None, _Bonding]] = [
        (end, bonding) for end in living for bonding in _partners(network, end.carbon, vinyls, cell)
    ]
    n_starts = max(0, most_ends - len(living))
    if n_starts:
        options += [(None, bonding) for vinyl in vinyls for bonding in _partners(network, vinyl[1], vinyls, cell)]
    options.sort(key=lambda option: (option[0] is None, option[1].distance))
    for radius in CAPTURE_NM:
        used: set[int] = set()
        chosen: list[tuple[_End | None, _Bonding]] = []
        left, starts_left = n_most, n_starts
        for end, bonding in options:
            atoms = {bonding.donor, bonding.attacked, bonding.next_end}
            costs = 2 if end is None else 1
            if bonding.distance > radius or atoms & used or costs > left or (end is None and starts_left == 0):
                continue
            used |= atoms
            left -= costs
            starts_left -= end is None
            chosen.append((end, bonding))
        if chosen:
            return chosen
    return []


def _add_hydrogen(network: Network, carbon: int, beside: int) -> int:
    index = add_atom(network.mol, "H", carbon)
    away = network.positions[carbon] - network.positions[beside]
    place = network.positions[carbon] + 0.11 * away / np.linalg.norm(away)
    network.positions = np.vstack([network.positions, place])
    return index


def _start(network: Network, carbon: int) -> _End:
    """Open a C=C for a new chain: its CH2 takes a hydrogen, its CH is the end."""
    first = next(first for first, second in network.vinyls if second == carbon)
    network.mol.GetBondBetweenAtoms(first, carbon).SetBondType(_SINGLE)
    _add_hydrogen(network, first, carbon)
    end = _End(carbon, _add_hydrogen(network, carbon, first), 1)
    network.ends.append(end)
    return end


def _move_cap(network: Network, cap: int, to: int, beside: int) -> None:
    unit = network.unit(to)
    names = {atom.GetProp("name") for atom in network.mol.GetAtoms() if atom.GetIntProp("unit") == unit}
    atom = network.mol.GetAtomWithIdx(cap)
    atom.SetIntProp("unit", unit)
    atom.SetProp("name", next(f"H{n}" for n in range(1, len(names) + 2) if f"H{n}" not in names))
    network.mol.AddBond(to, cap, _SINGLE)
    away = network.positions[to] - network.positions[beside]
    network.positions[cap] = network.positions[to] + 0.11 * away / np.linalg.norm(away)


def _react(network: Network, end: _End | None, bonding: _Bonding) -> None:
    mol = network.mol
    network.rings += _ring_partner(mol, bonding.donor, (bonding.next_end, bonding.attacked))
    end = end or _start(network, bonding.donor)
    mol.RemoveBond(end.carbon, end.cap)
    mol.GetBondBetweenAtoms(bonding.attacked, bonding.next_end).SetBondType(_SINGLE)
    mol.AddBond(bonding.donor, bonding.attacked, _SINGLE)
    same = network.unit(bonding.donor) == network.unit(bonding.attacked)
    network.within += same
    network.between += not same
    _move_cap(network, end.cap, bonding.next_end, bonding.attacked)
    end.carbon, end.length, end.idle_rounds = bonding.next_end, end.length + 1, -1


def saturate_rest(network: Network) -> None:
    """Hydrogenate the C=C that are left, in place."""
    for first, second in network.vinyls:
        network.mol.GetBondBetweenAtoms(first, second).SetBondType(_SINGLE)
        _add_hydrogen(network, first, second)
        _add_hydrogen(network, second, first)


def grow(
    network: Network,
    conversion: float,
    lengths: Vectors,
    relax: Callable[[Network, bool], list[tuple[int, int]]],
    progress: Callable[[Network], None],
) -> None:
    """Let chains grow until a share of the C=C has reacted, or nothing can react any more; in place.

    Parameters
    ----------
    network : Network
        Unreacted units, packed and relaxed.
    conversion : float
        Share of the C=C that shall react.
    lengths : ndarray, shape (3,)
        Sides of the periodic cell in nm.
    relax : callable
        Relaxes the box with the network as it now is, with some dynamics if its second argument is true, updates the
        positions and returns the bonds that stayed far too long.
    progress : callable
        Is told after every round.
    """
    network.n_initial = len(network.vinyls)
    wanted = round(conversion * network.n_initial)
    most_ends = max(1, network.n_initial // 16)
    fruitless = 0
    while fruitless < _FRUITLESS_ROUNDS and (left := wanted - network.n_initial + len(network.vinyls)) > 0:
        chosen = _chosen(network, lengths, left, most_ends)
        before = network.copy()
        for end, bonding in chosen:
            _react(network, end, bonding)
        made = {frozenset((bonding.donor, bonding.attacked)) for _, bonding in chosen}
        try:
            stretched = {frozenset(bond) for bond in relax(network, True)}
        except UnstableSimulation:
            stretched = made
        if stretched:
            # A chain would have to pass through another: undo the round, and never try those bonds again.
            before.refused |= (made & stretched) or made
            network.restore(before)
        for end in network.ends:
            end.idle_rounds += 1
        fruitless = 0 if chosen and not stretched else fruitless + 1
        progress(network)


def spanning_directions(network: Network, lengths: Vectors) -> list[str]:
    """Return the axes along which a molecule is bonded to its own periodic image."""
    offsets: dict[int, Vectors] = {}
    windings = [np.zeros(3)]
    neighbors = {atom.GetIdx(): [n.GetIdx() for n in atom.GetNeighbors()] for atom in network.mol.GetAtoms()}
    for root in neighbors:
        if root in offsets:
            continue
        offsets[root] = np.zeros(3)
        stack = [root]
        while stack:
            here = stack.pop()
            for there in neighbors[here]:
                crossed = np.round((network.positions[there] - network.positions[here]) / lengths)
                offset = offsets[here] - crossed
                if there not in offsets:
                    offsets[there] = offset
                    stack.append(there)
                else:
                    windings.append(offset - offsets[there])
    spans = np.abs(windings).max(axis=0) > 0
    return [axis for axis, spanned in zip("xyz", spans, strict=True) if spanned]


def describe(network: Network, lengths: Vectors) -> dict[str, Any]:
    """Return what a network is: conversion, bonds within and between units, gel fraction, chains, directions."""
    parts = [len({network.unit(atom) for atom in fragment}) for fragment in Chem.GetMolFrags(network.mol)]
    spans = spanning_directions(network, lengths)
    chains = [end.length for end in network.ends]
    made = max(1, network.within + network.between)
    return {
        "c_c_initial": network.n_initial,
        "conversion": network.conversion,
        "share_within_units": network.within / made,
        "share_between_units": network.between / made,
        "pyrrolidinium_rings": network.rings,
        "largest_part": max(parts) / sum(parts),
        "gel_fraction": max(parts) / sum(parts) if spans else 0.0,
        "units_in_parts": dict(sorted(Counter(parts).items(), reverse=True)),
        "chains": len(chains),
        "chain_ends_capped_with_h": 2 * len(chains),
        "kinetic_chain_length": sum(chains) / max(1, len(chains)),
        "spans": spans,
    }


def stretched_bonds(
    mol: Chem.Mol, positions: Vectors, lengths: Vectors, longest_cc: float = 0.17
) -> list[tuple[int, int]]:
    """Return the C-C and C-N bonds longer than any relaxed one, in nm."""
    found = []
    for bond in mol.GetBonds():
        a, b = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if "H" in (bond.GetBeginAtom().GetSymbol(), bond.GetEndAtom().GetSymbol()):
            continue
        if np.linalg.norm(_nearest_image(positions[a] - positions[b], lengths)) > longest_cc:
            found.append((a, b))
    return found


def place_units(unit: Chem.Mol, n: int) -> Chem.RWMol:
    """Return n unconnected copies of a unit as one molecule, numbered by their property ``unit``."""
    mol = Chem.RWMol()
    for number in range(n):
        first = mol.GetNumAtoms()
        mol.InsertMol(unit)
        for atom in list(mol.GetAtoms())[first:]:
            atom.SetIntProp("unit", number)
            atom.SetNoImplicit(True)
            atom.SetAtomMapNum(0)
    return mol
