"""A chain in space: conformers of its unit joined one by one without overlaps, then relaxed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem import rdDistGeom
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from solvshell.build.graph import ChainGraph, add_atom, chain_graph, finished, saturate
from solvshell.build.monomer import Joint, Monomer, joint_of, read_monomer, repeat_unit
from solvshell.errors import WorkFailed
from solvshell.polymer import Polymer

Vectors = NDArray[np.float64]

_BOND_NM = 0.153
_N_CONFORMERS = 16
_N_TURNS = 24
#: nm; atoms of two units that far apart do not overlap. Where a crowded chain has no such place the best one is taken,
#: if it is no nearer than the second: a soft start pushes those atoms apart.
_CLEAR_NM = 0.20
_CLOSEST_NM = 0.03
_N_ATTEMPTS = 30


@dataclass(frozen=True)
class Chain:
    """A chain with positions (n_atoms, 3) in nm that have no overlaps but are not relaxed."""

    graph: ChainGraph
    positions: Vectors

    def extent_of(self, positions: Vectors) -> float:
        """Return the largest distance in nm between atoms by which units are joined: how far the backbone reaches."""
        return float(pdist(positions[[*self.graph.entries, *self.graph.exits]]).max())

    @property
    def extent(self) -> float:
        """How far the backbone reaches as laid out."""
        return self.extent_of(self.positions)


@dataclass(frozen=True)
class _UnitConformers:
    """Conformers (n, n_atoms, 3) in nm of a unit closed by one hydrogen at each end; the mirror images are as many."""

    positions: Vectors
    tail: int
    head: int
    tail_cap: int
    head_cap: int


def _unit_conformers(monomer: Monomer, joint: Joint, keep_vinyls: bool, seed: int) -> _UnitConformers:
    unit = repeat_unit(monomer, joint)
    if not keep_vinyls:
        saturate(unit)
    caps = [add_atom(unit, "H", end) for end in (joint.tail, joint.head)]
    mol, _ = finished(unit)
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed  # type: ignore[assignment]
    parameters.useRandomCoords = True  # type: ignore[assignment]
    if not list(rdDistGeom.EmbedMultipleConfs(mol, _N_CONFORMERS, parameters)):
        raise WorkFailed("polymer: RDKit finds no conformer of the repeat unit")
    found = np.array([conformer.GetPositions() for conformer in mol.GetConformers()]) / 10
    # A mirror image has the other handedness at every stereocentre: that is what makes the chain atactic.
    both = np.concatenate([found, found * [-1.0, 1.0, 1.0]])
    return _UnitConformers(both, joint.tail, joint.head, *caps)


def _turned_onto(vectors: Vectors, from_: Vectors, to: Vectors, turn: float) -> Vectors:
    """Rotate vectors so that direction `from_` becomes `to`, then by an angle about `to`."""
    onto, _ = Rotation.align_vectors(to[None], from_[None])
    return (Rotation.from_rotvec(turn * to) * onto).apply(vectors)


def _grown(conformers: _UnitConformers, flipped: list[bool], rng: np.random.Generator) -> list[Vectors] | None:
    """Return the positions of each unit without its caps, or None where a unit finds no room."""
    caps = [conformers.tail_cap, conformers.head_cap]
    without_caps = np.setdiff1d(np.arange(conformers.positions.shape[1]), caps)
    units: list[Vectors] = []
    end = direction = np.zeros(3)
    for number, is_flipped in enumerate(flipped):
        ends = [(conformers.tail, conformers.tail_cap), (conformers.head, conformers.head_cap)]
        (entry, entry_cap), (exit_, exit_cap) = ends[::-1] if is_flipped else ends
        # The two atoms of the new bond, and what is bonded to them, are close by nature.
        others = [unit[np.linalg.norm(unit - end, axis=1) > 1.1 * _BOND_NM] for unit in units]
        tree = cKDTree(np.concatenate(others)) if others else None
        best, best_clearance = conformers.positions[0], 0.0
        tries = [(c, t) for c in range(len(conformers.positions)) for t in range(_N_TURNS)]
        for conformer, turn in rng.permutation(tries):
            positions = conformers.positions[conformer] - conformers.positions[conformer][entry]
            if number > 0:
                inward = positions[entry_cap] / np.linalg.norm(positions[entry_cap])
                positions = _turned_onto(positions, inward, -direction, 2 * np.pi * turn / _N_TURNS)
                positions = positions + end + _BOND_NM * direction
            mobile = np.linalg.norm(positions - positions[entry], axis=1) > 1.1 * _BOND_NM
            mobile[[entry_cap, exit_cap]] = False
            clearance = float(tree.query(positions[mobile])[0].min()) if tree is not None else np.inf
            if clearance > best_clearance:
                best, best_clearance = positions, clearance
            if clearance > _CLEAR_NM:
                break
        if best_clearance < _CLOSEST_NM:
            return None
        outward = best[exit_cap] - best[exit_]
        end, direction = best[exit_], outward / np.linalg.norm(outward)
        units.append(best[without_caps])
    return units


def _with_end_groups(graph: ChainGraph, units: list[Vectors], n_unit: int) -> Vectors:
    """Return positions of all atoms: those of the units, and the end groups beside the atoms they close."""
    positions = np.full((graph.mol.GetNumAtoms(), 3), np.nan)
    for number, unit in enumerate(units):
        inside = [atom.GetIdx() for atom in graph.mol.GetAtoms() if atom.GetIntProp("unit") == number]
        positions[inside[:n_unit]] = unit
    for atom in graph.mol.GetAtoms():  # a methyl comes before its hydrogens
        i = atom.GetIdx()
        if np.isnan(positions[i]).any():
            near = next(n.GetIdx() for n in atom.GetNeighbors() if not np.isnan(positions[n.GetIdx()]).any())
            around = [
                positions[n.GetIdx()] - positions[near]
                for n in graph.mol.GetAtomWithIdx(near).GetNeighbors()
                if not np.isnan(positions[n.GetIdx()]).any()
            ]
            positions[i] = positions[near] + 0.11 * _free_direction(np.array(around))
    return positions


def _free_direction(taken: Vectors) -> Vectors:
    """Return the unit vector, of those of a fine grid, that is nearest to tetrahedral angles with directions taken."""
    k = np.arange(200) + 0.5
    polar, azimuth = np.arccos(1 - 2 * k / 200), np.pi * (1 + 5**0.5) * k
    grid = np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=1)
    directions = taken / np.linalg.norm(taken, axis=1, keepdims=True)
    return grid[((grid @ directions.T + 1 / 3) ** 2).sum(axis=1).argmin()]


def lay_chains(polymer: Polymer, seed: int | tuple[int, ...]) -> Iterator[Chain]:
    """Yield chains laid out one after the other; conformers, tacticity and head-to-head units are drawn by the seed.

    Parameters
    ----------
    polymer : Polymer
        Not a network.
    seed : int or tuple of int
        Of a box and of the chain in it: equal numbers give the same chain.

    Raises
    ------
    InvalidInput
        If monomer or linkage are wrong.
    """
    monomer = read_monomer(polymer)
    joint = joint_of(polymer, monomer)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    keep = polymer.unreacted == "keep"
    flipped = [bool(value) for value in rng.random(polymer.molecule_units) < polymer.head_to_head]
    graph = chain_graph(monomer, joint, flipped, polymer.end_groups, keep)
    conformers = _unit_conformers(monomer, joint, keep, int(rng.integers(1, 2**31 - 1)))
    n_unit = conformers.positions.shape[1] - 2
    for _ in range(_N_ATTEMPTS):
        units = _grown(conformers, flipped, rng)
        if units is not None:
            yield Chain(graph, _with_end_groups(graph, units, n_unit))
