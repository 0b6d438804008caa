"""A center and the whole molecules that touch it, taken out of their box."""

from collections import Counter
from dataclasses import dataclass
from functools import cache

import numpy as np
from MDAnalysis import Universe
from MDAnalysis.core.groups import AtomGroup
from MDAnalysis.lib.distances import minimize_vectors
from MDAnalysis.lib.mdamath import make_whole
from rdkit import Chem

from solvshell.analysis.reading.frames import box_of
from solvshell.analysis.reading.trusted_elements import trusted_elements
from solvshell.analysis.shells import FirstShells
from solvshell.analysis.typical.instances import Instance
from solvshell.errors import InvalidInput
from solvshell.species import catalogue

#: A bond that is cut ends in a hydrogen at this distance, that of C-H, in Å.
_CAP_ANGSTROM = 1.09
#: A contact is found again by its distance, which two routines in single precision give alike within this, in Å.
_SAME_DISTANCE = 2e-3


@dataclass(frozen=True)
class Cluster:
    """A center and the molecules that touch it, without a cell.

    Attributes
    ----------
    universe : MDAnalysis.Universe
        The center stands first, at the origin; molecules follow in the order of the partners, then of their distance.
    time_ps
        Time of its frame.
    touching : numpy.ndarray
        The coordinating atoms.
    source : numpy.ndarray
        The number of each atom in the universe it is cut from; hydrogens at cut bonds, which come last, have none.
    charges
        Formal charge of each molecule in e; None of one that is none of the shipped species, or cut.
    cut_bonds
        How many bonds of longer chains were cut, and end in a hydrogen.
    """

    universe: Universe
    time_ps: float
    touching: np.ndarray
    source: np.ndarray
    charges: tuple[int | None, ...]
    cut_bonds: int

    @property
    def charge(self) -> int | None:
        """Sum of the formal charges in e, or None where one is not known."""
        known = [charge for charge in self.charges if charge is not None]
        return sum(known) if len(known) == len(self.charges) else None

    def fingerprint(self) -> np.ndarray:
        """Return the sorted distances of coordinating atoms from the center, and those between them."""
        positions = self.universe.atoms.positions[self.touching].astype(float)
        between = np.linalg.norm(positions[:, None] - positions, axis=2)[np.triu_indices(len(positions), 1)]
        return np.concatenate([np.sort(np.linalg.norm(positions, axis=1)), np.sort(between)])


def _touching(universe: Universe, shells: FirstShells, instance: Instance, box: np.ndarray) -> np.ndarray:
    """Return the coordinating atoms, by partner and distance."""
    origin = universe.atoms.positions[instance.atom]
    partners = list(shells.sites.n_molecules)
    found: list[tuple[int, float, int]] = []
    for j in np.unique(instance.contacts.site):
        site = shells.sites.sites[j]
        if site.role == "polymer" and not hasattr(universe, "bonds"):
            raise InvalidInput(
                f"universe: has no bonds, without which no unit can be cut from the polymer {site.partner}"
            )
        rows = instance.contacts.where(instance.contacts.site == j)
        atoms = site.atoms.indices[np.isin(site.molecule_idx, rows.molecule)]
        vectors = minimize_vectors((universe.atoms.positions[atoms] - origin).astype(float), box=box)
        distances = np.linalg.norm(vectors, axis=1)
        same = (np.abs(distances[:, None] - rows.distance) < _SAME_DISTANCE).any(axis=1)
        if np.count_nonzero(same) != len(rows.distance):
            raise InvalidInput(
                f"universe: frame {instance.frame} has {np.count_nonzero(same)} of the {len(rows.distance)} contacts "
                f"of {site.partner} {site.name}; the shells are of another trajectory"
            )
        found += zip([partners.index(site.partner)] * len(rows.distance), distances[same], atoms[same], strict=True)
    return np.array([atom for _, _, atom in sorted(found)], dtype=int)


def _piece(universe: Universe, atom: int, are_residues: bool) -> AtomGroup:
    """Return the molecule of an atom, or of a chain of several residues the one that the atom belongs to."""
    residue = universe.atoms[atom].residue.atoms
    return residue if are_residues else universe.atoms[atom].fragment.atoms & residue


def _whole(piece: AtomGroup, atom: int, box: np.ndarray) -> np.ndarray:
    """Return the atoms of a molecule around one of them: along its bonds, or at nearest images if those are unknown."""
    origin = piece.universe.atoms[atom].position
    if hasattr(piece, "bonds"):
        try:
            return make_whole(piece, piece.universe.atoms[atom], inplace=False).astype(float) - origin
        except ValueError:  # bonds that do not reach all atoms of the molecule
            pass
    return minimize_vectors((piece.positions - origin).astype(float), box=box)


def _caps(atoms: AtomGroup, positions: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a hydrogen for each bond that leaves the atoms: where it stands, and the place of the atom it hangs on."""
    if not hasattr(atoms, "bonds"):
        return np.zeros((0, 3)), np.zeros(0, int)
    universe = atoms.universe
    place = np.full(len(universe.atoms), -1)
    place[atoms.indices] = np.arange(len(atoms))
    ends = atoms.bonds.indices
    ends = np.concatenate([ends, ends[:, ::-1]])
    inner, outer = ends[(place[ends[:, 0]] >= 0) & (place[ends[:, 1]] < 0)].T
    along = minimize_vectors((universe.atoms.positions[outer] - universe.atoms.positions[inner]).astype(float), box=box)
    along *= _CAP_ANGSTROM / np.linalg.norm(along, axis=1, keepdims=True)
    return positions[place[inner]] + along, place[inner]


@cache
def _known_species() -> dict[tuple[str, frozenset[tuple[str, int]]], int]:
    """Return the formal charge of each shipped species by residue name and formula."""
    charges = {}
    for species in catalogue().values():
        molecule = Chem.AddHs(Chem.MolFromSmiles(species.smiles))
        formula = frozenset(Counter(atom.GetSymbol() for atom in molecule.GetAtoms()).items())
        charges[species.residue, formula] = Chem.GetFormalCharge(molecule)
    return charges


def _charges(pieces: list[AtomGroup], elements: np.ndarray) -> tuple[int | None, ...]:
    """Return the formal charge of each molecule, or None if it is none of the shipped species."""
    formulas = [frozenset(Counter(elements[piece.indices].tolist()).items()) for piece in pieces]
    names = [getattr(piece.residues[0], "resname", "") for piece in pieces]  # .xyz and LAMMPS have none
    return tuple(_known_species().get(key) for key in zip(names, formulas, strict=True))


def _in_vacuum(atoms: AtomGroup, elements: np.ndarray, positions: np.ndarray, caps_on: np.ndarray) -> Universe:
    """Return atoms and the hydrogens that cap them (the last of the positions) as a universe without a cell."""
    source = np.concatenate([np.arange(len(atoms)), caps_on])
    residues, residue = atoms.residues, np.unique(atoms.resindices, return_inverse=True)[1]
    cluster = Universe.empty(len(source), len(residues), atom_resindex=residue[source], trajectory=True)
    elements = elements[atoms.indices].astype(object)
    names = getattr(atoms, "names", elements)
    cluster.add_TopologyAttr("elements", np.concatenate([elements, np.full(len(caps_on), "H", object)]))
    cluster.add_TopologyAttr("names", np.concatenate([names, np.full(len(caps_on), "HX", object)]))
    cluster.add_TopologyAttr("resnames", getattr(residues, "resnames", ["UNL"] * len(residues)))
    cluster.add_TopologyAttr("resids", residues.resids)
    if hasattr(atoms, "bonds"):
        place = np.full(len(atoms.universe.atoms), -1)
        place[atoms.indices] = np.arange(len(atoms))
        bonds = place[atoms.bonds.indices]
        caps = np.stack([caps_on, len(atoms) + np.arange(len(caps_on))], axis=1)
        cluster.add_TopologyAttr("bonds", np.concatenate([bonds[(bonds >= 0).all(axis=1)], caps]))
    cluster.atoms.positions = positions
    return cluster


def _molecules_are_residues(shells: FirstShells) -> bool:
    return all((site.molecule_idx == site.atoms.resindices).all() for site in shells.sites.sites if site.coordinating)


def cut_around(
    universe: Universe, beside: dict[int, int], are_residues: bool = True, part: AtomGroup | None = None
) -> Cluster:
    """Return the molecules of some atoms of the frame that the universe stands at, whole and in vacuum.

    Parameters
    ----------
    beside
        Atoms whose molecules are taken, in this order, each with the atom it is nearest to: the molecule stands at the
        image that brings the two together. The first one stands at the origin; the others are beside an atom of a
        molecule before them.
    are_residues
        A molecule is a residue; otherwise what bonds hold together, of a chain of several residues the one of the atom.
    part
        Atoms outside of it are left away; the bonds to them end in a hydrogen.

    Raises
    ------
    InvalidInput
        If an element is unknown.
    """
    ts = universe.trajectory.ts
    box = box_of(ts)
    center = next(iter(beside))
    pieces: list[AtomGroup] = []
    places: dict[int, np.ndarray] = {}
    for atom, neighbor in beside.items():
        if atom in places:
            continue
        piece = _piece(universe, atom, are_residues)
        between = universe.atoms.positions[atom] - universe.atoms.positions[neighbor]
        at = places.get(neighbor, np.zeros(3)) + minimize_vectors(between[None].astype(float), box=box)[0]
        piece = piece[np.argsort(piece.indices != center, kind="stable")]  # the center stands first
        places |= dict(zip(piece.indices.tolist(), _whole(piece, atom, box) + at, strict=True))
        pieces.append(piece if part is None else piece[np.isin(piece.indices, part.indices)])
    atoms = sum(pieces[1:], pieces[0])
    coordinates = np.array([places[atom] for atom in atoms.indices.tolist()])
    caps, caps_on = _caps(atoms, coordinates, box)
    elements, _ = trusted_elements(universe)
    return Cluster(
        _in_vacuum(atoms, elements, np.concatenate([coordinates, caps]), caps_on),
        float(ts.time),
        np.flatnonzero(np.isin(atoms.indices, list(beside)[1:])),
        atoms.indices,
        (None,) * len(pieces) if len(caps) else _charges(pieces, elements),
        len(caps),
    )


def cut_out(universe: Universe, shells: FirstShells, instance: Instance) -> Cluster:
    """Return the cluster of a center; reads its frame.

    Molecules are whole, the coordinating atom of each at its image nearest to the center. A polymer is no molecule that
    quantum chemistry wants: of a chain of several residues there are those that touch, and each bond that is cut ends
    in a hydrogen. Without bonds in the topology a residue is taken for a molecule.

    Parameters
    ----------
    universe
        That of the shells.
    instance
        Which center in which frame.

    Raises
    ------
    InvalidInput
        If the frame does not hold the contacts, an element is unknown, or a polymer has no bonds to cut.
    """
    box = box_of(universe.trajectory[instance.frame])
    touching = _touching(universe, shells, instance, box).tolist()
    beside = dict.fromkeys([instance.atom, *touching], instance.atom)
    return cut_around(universe, beside, _molecules_are_residues(shells))
