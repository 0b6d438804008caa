"""Carbonates in a box, free, at Li⁺ and beside a polycation: clusters cut out around them, and neutral."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from MDAnalysis import Universe
from MDAnalysis.core.groups import AtomGroup
from MDAnalysis.lib.distances import capped_distance, distance_array
from rdkit import Chem

from solvshell.analysis.presence import Presence
from solvshell.analysis.reading.frames import box_of
from solvshell.analysis.typical.cutout import cut_around
from solvshell.errors import InvalidInput
from solvshell.quantum import Array
from solvshell.species import REFERENCE_CENTER_SITE, Species

FREE, LITHIUM, POLYMER = "free", "lithium", "polymer"
CLASSES = (FREE, LITHIUM, POLYMER)
CARBONYL = "carbonyl_o"

#: From the carbonyl O to Li⁺, in Å: between the first peak (1.9) and the second shell, where g(r) is zero.
AT_LITHIUM = 2.8
#: From the carbonyl O to N⁺, in Å: the first minimum of g(r) of the gel, 6.0 to 6.4.
AT_NITROGEN = 6.0
#: A free carbonate has no Li⁺ this near to any of its O.
FREE_OF_LITHIUM = 4.0
#: Molecules around a carbonate that is not at Li⁺, as there are around one that is.
N_AROUND = 3
#: Of a polycation stay the carbons so many bonds from its N⁺: whole allyl groups, and no other N⁺.
N_CARBONS = 3


@dataclass(frozen=True)
class Candidate:
    """A carbonate molecule in a frame: its class, its carbonyl O, and the Li⁺ or N⁺ it is near to (or itself)."""

    kind: str
    species: str
    frame: int
    oxygen: int
    neighbor: int


@dataclass(frozen=True)
class Cluster:
    """A neutral cluster.

    Attributes
    ----------
    elements, positions
        Of all atoms; positions (n_atoms, 3) in Å.
    carbonate
        The atoms of the carbonate, whose stretch is asked for.
    bond
        C and O of its C=O.
    neighbor
        The Li⁺ or N⁺ it is at; None if it is free.
    molecules
        Species of all molecules, the carbonate first.
    """

    candidate: Candidate
    elements: tuple[str, ...]
    positions: Array
    carbonate: tuple[int, ...]
    bond: tuple[int, int]
    neighbor: int | None
    molecules: tuple[str, ...]


class Surroundings:
    """The molecules of a box by what they are to a carbonate; solvents are those of the frame that stands."""

    def __init__(self, universe: Universe, entries: dict[str, Species], presence: Presence | None = None) -> None:
        self.universe = universe
        self.entries = entries
        self.presence = presence
        self.name_of = {entry.residue: name for name, entry in entries.items()}

    def _atoms(self, name: str, site: str | None = None) -> AtomGroup:
        entry = self.entries[name]
        residue = self.universe.select_atoms(f"resname {entry.residue}")
        return residue if site is None else residue.select_atoms(f"name {' '.join(entry.sites[site])}")

    def _together(self, names: list[str], site: str | None = None) -> AtomGroup:
        return sum((self._atoms(name, site) for name in names), self.universe.atoms[[]])

    def _there(self, atoms: AtomGroup) -> AtomGroup:
        if self.presence is None:
            return atoms
        return atoms[self.presence.of(atoms.indices, self.universe.trajectory.frame)]

    @cached_property
    def carbonates(self) -> list[str]:
        """Solvents with a carbonyl O."""
        return [name for name, entry in self.entries.items() if entry.role == "solvent" and CARBONYL in entry.sites]

    @cached_property
    def lithium(self) -> AtomGroup:
        """All Li⁺."""
        return self._atoms("Li") if "Li" in self.entries else self.universe.atoms[[]]

    @cached_property
    def nitrogens(self) -> AtomGroup:
        """All N⁺ of polycations, of their monomers and of small ammoniums."""
        ammoniums = [name for name, entry in self.entries.items() if REFERENCE_CENTER_SITE in entry.sites]
        return self._together(ammoniums, REFERENCE_CENTER_SITE)

    @cached_property
    def anions(self) -> AtomGroup:
        """The atoms of all anions."""
        return self._together([name for name, entry in self.entries.items() if entry.role == "anion"])

    @cached_property
    def _all_coordinating(self) -> AtomGroup:
        partners = {n: e for n, e in self.entries.items() if e.role in ("solvent", "anion")}
        return sum((self._atoms(n, site) for n, e in partners.items() for site in e.sites), self.universe.atoms[[]])

    @cached_property
    def _all_solvents(self) -> AtomGroup:
        return self._together([name for name, entry in self.entries.items() if entry.role == "solvent"])

    @property
    def coordinating(self) -> AtomGroup:
        """The atoms by which solvents and anions touch Li⁺."""
        return self._there(self._all_coordinating)

    @property
    def solvents(self) -> AtomGroup:
        """The atoms of all solvents."""
        return self._there(self._all_solvents)

    def oxygens(self, name: str) -> AtomGroup:
        """Return the carbonyl O of all molecules of a carbonate."""
        return self._there(self._atoms(name, CARBONYL))

    def charge(self, atom: int) -> int:
        """Return the formal charge of the molecule of an atom, or of one N⁺ with its arms."""
        entry = self.entries[self.name_of[self.universe.atoms[atom].resname]]
        is_ammonium = REFERENCE_CENTER_SITE in entry.sites
        return 1 if is_ammonium else int(Chem.GetFormalCharge(Chem.MolFromSmiles(entry.smiles)))

    def arms(self, nitrogen: int) -> AtomGroup:
        """Return an N⁺ with the carbons up to `N_CARBONS` bonds from it, and their hydrogens."""
        found = self.universe.atoms[[nitrogen]]
        for _ in range(N_CARBONS):
            bonded = sum((atom.bonded_atoms for atom in found), found)
            found = found | bonded.unique.select_atoms("element C")
        return found | sum((atom.bonded_atoms for atom in found), found).unique.select_atoms("element H")


def _near(atoms: AtomGroup, others: AtomGroup, within: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of atoms of two groups within a distance, as indices of the universe; the nearest first."""
    if not len(others):
        return np.zeros(0, int), np.zeros(0, int)
    box = box_of(atoms.universe.trajectory.ts)
    pairs, distances = capped_distance(atoms.positions, others.positions, within, box=box)
    pairs = pairs[np.argsort(distances, kind="stable")]
    return atoms.indices[pairs[:, 0]], others.indices[pairs[:, 1]]


def _nearest_molecules(to: AtomGroup, of: AtomGroup, n: int) -> dict[int, int]:
    """Return the nearest atom of each of the n molecules nearest to an atom, and that atom."""
    distances = distance_array(of.positions, to.positions, box=box_of(to.universe.trajectory.ts))[:, 0]
    nearest = np.argsort(distances, kind="stable")
    first = np.sort(np.unique(of.resindices[nearest], return_index=True)[1])[:n]
    return dict.fromkeys(of.indices[nearest[first]].tolist(), int(to.indices[0]))


def _classified(around: Surroundings, name: str) -> Iterator[Candidate]:
    """Yield the molecules of a carbonate in the frame that stands; bridging ones are left out."""
    frame, oxygens = int(around.universe.trajectory.frame), around.oxygens(name)
    if not len(oxygens):
        return
    at_lithium = _near(oxygens, around.lithium, AT_LITHIUM)
    at_nitrogen = _near(oxygens, around.nitrogens, AT_NITROGEN)
    any_oxygen = oxygens.residues.atoms.select_atoms("element O")
    touched = around.universe.atoms[_near(any_oxygen, around.lithium, FREE_OF_LITHIUM)[0]].resindices
    n_lithium = Counter(at_lithium[0].tolist())
    bound = dict(zip(*(side.tolist() for side in at_lithium), strict=True))
    beside = dict(zip(*(side[::-1].tolist() for side in at_nitrogen), strict=True))  # the nearest stays
    for oxygen in oxygens.indices.tolist():
        if n_lithium[oxygen] == 1 and oxygen not in beside:
            yield Candidate(LITHIUM, name, frame, oxygen, bound[oxygen])
        elif around.universe.atoms[oxygen].resindex not in touched:
            where = beside.get(oxygen)
            yield Candidate(FREE if where is None else POLYMER, name, frame, oxygen, oxygen if where is None else where)


def _members(around: Surroundings, candidate: Candidate) -> dict[int, int] | None:
    """Return the atoms whose molecules make the cluster, each with what it is next to; None if it cannot be neutral."""
    atoms = around.universe.atoms
    oxygen, neighbor = candidate.oxygen, candidate.neighbor
    members = {oxygen: oxygen}
    others = around.solvents - atoms[oxygen].residue.atoms
    if candidate.kind == FREE:
        return members | _nearest_molecules(atoms[[oxygen]], others, N_AROUND)
    members[neighbor] = oxygen
    if candidate.kind == LITHIUM:
        _, touching = _near(atoms[[neighbor]], around.coordinating, AT_LITHIUM)
        first = np.sort(np.unique(atoms[touching].resindices, return_index=True)[1])
        members |= {atom: neighbor for atom in touching[first].tolist() if atom != oxygen}
    else:  # with the N⁺ and its anion
        members |= _nearest_molecules(atoms[[oxygen]], others, N_AROUND - 2)
    charge = sum(around.charge(atom) for atom in members)
    if charge < 0:
        return None
    return members | (_nearest_molecules(atoms[[neighbor]], around.anions, 1) if charge else {})


def _cut(around: Surroundings, candidate: Candidate) -> Cluster | None:
    around.universe.trajectory[candidate.frame]
    members = _members(around, candidate)
    if members is None:
        return None
    if sum(around.charge(atom) for atom in members):
        raise InvalidInput(f"box: has too few anions to neutralize a cluster of {candidate.species}")
    part = None
    if candidate.kind == POLYMER:
        unit = around.universe.atoms[candidate.neighbor].residue.atoms
        part = around.universe.atoms - unit + around.arms(candidate.neighbor)
    cut = cut_around(around.universe, members, part=part)
    place = {int(atom): i for i, atom in enumerate(cut.source)}
    oxygen = place[candidate.oxygen]
    carbonate = [place[atom] for atom in around.universe.atoms[candidate.oxygen].residue.atoms.indices.tolist()]
    positions, elements = cut.universe.atoms.positions.astype(float), cut.universe.atoms.elements.tolist()
    carbons = [atom for atom in carbonate if elements[atom] == "C"]
    carbon = min(carbons, key=lambda atom: float(np.linalg.norm(positions[atom] - positions[oxygen])))
    return Cluster(
        candidate,
        tuple(elements),
        positions,
        tuple(carbonate),
        (carbon, oxygen),
        None if candidate.kind == FREE else place[candidate.neighbor],
        tuple(around.name_of[around.universe.atoms[atom].resname] for atom in members),
    )


def _spread(candidates: list[Candidate], uses: dict[tuple[str, int], int]) -> Candidate:
    """Return the candidate whose molecule and frame have been taken least often, and take it."""
    best = min(candidates, key=lambda c: (uses.get(("O", c.oxygen), 0), uses.get(("frame", c.frame), 0)))
    for key in (("O", best.oxygen), ("frame", best.frame)):
        uses[key] = uses.get(key, 0) + 1
    candidates.remove(best)
    return best


def cut_clusters(
    universe: Universe,
    entries: dict[str, Species],
    wanted: int,
    species: tuple[str, ...] | None = None,
    first: int = 0,
    presence: Presence | None = None,
) -> list[Cluster]:
    """Return clusters of carbonates of each class, up to a number of each class and species.

    ``lithium``
        The carbonyl O is at one Li⁺ (2.8 Å), and not at N⁺: the Li⁺ with all that it touches, and the nearest anion if
        none of those is one. Shells with two anions are passed over, since no anion makes them neutral.
    ``polymer``
        The carbonyl O is 6.0 Å or nearer to an N⁺ and no O of it is at Li⁺ (4.0 Å): the N⁺ with its four arms up to
        three carbons long, the bonds beyond capped with H, the nearest anion, and the solvent molecule nearest to the
        carbonyl O. A whole unit of OTA4+ with its four anions takes three times as long.
    ``free``
        Neither: the carbonate and the three solvent molecules nearest to its carbonyl O.

    They are taken from up to four times as many frames, evenly spaced, and from as many molecules and frames as there
    are: a molecule comes a second time only if all have come once.

    Parameters
    ----------
    universe
        With bonds and elements.
    entries
        The species of the box by name.
    wanted
        How many of each class and species.
    species
        Which carbonates; all if left out.
    first
        The first frame that may be used.
    presence
        Which molecules are there in each frame, where some come and go.

    Raises
    ------
    InvalidInput
        If there is no such carbonate in the box.
    """
    around = Surroundings(universe, entries, presence)
    if unknown := [name for name in species or () if name not in around.carbonates]:
        allowed = ", ".join(around.carbonates) or "none"
        raise InvalidInput(f"species: {unknown[0]} is no carbonate of the box (its carbonates: {allowed})")
    names = species or tuple(around.carbonates)
    if not names:
        raise InvalidInput("species: the box has no carbonate")
    n_frames = len(universe.trajectory)
    candidates: dict[tuple[str, str], list[Candidate]] = {(name, kind): [] for name in names for kind in CLASSES}
    for frame in np.unique(np.linspace(first, n_frames - 1, min(n_frames - first, 4 * wanted)).round().astype(int)):
        universe.trajectory[frame]
        for name in names:
            for candidate in _classified(around, name):
                candidates[name, candidate.kind].append(candidate)
    found = []
    for left in candidates.values():
        taken, uses = 0, dict[tuple[str, int], int]()
        while left and taken < wanted:
            cluster = _cut(around, _spread(left, uses))
            if cluster is not None:
                found.append(cluster)
                taken += 1
    return found
