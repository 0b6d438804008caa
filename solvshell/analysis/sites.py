"""Which atoms of a universe are centers, and which are sites of the partners around them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from MDAnalysis import NoDataError, Universe
from MDAnalysis.core.groups import AtomGroup, UpdatingAtomGroup

from solvshell.analysis.molecules import Molecules
from solvshell.analysis.presence import Presence
from solvshell.analysis.reading.fragments import bonds_of
from solvshell.errors import InvalidInput
from solvshell.species import Partner, Role, SpeciesFile

MoleculesAre = Literal["residues", "fragments"]

#: The name of the site that is a molecule's center of mass.
CENTER_OF_MASS = "com"


@dataclass(frozen=True)
class Site:
    """The points of one site of one partner: its atoms, or the centers of mass of its `molecules`, made of the atoms.

    `molecule_idx` (n_points,) numbers molecules through the universe; the cutoffs are by name of the center.
    """

    partner: str
    name: str
    role: Role
    coordinating: bool
    atoms: AtomGroup
    molecule_idx: np.ndarray
    given_cutoff_angstrom: Mapping[str, float] = field(default_factory=dict)
    typical_cutoff_angstrom: Mapping[str, float] = field(default_factory=dict)
    molecules: Molecules | None = None

    @property
    def n_points(self) -> int:
        """How many points there are: atoms, or molecules."""
        return len(self.molecule_idx)

    @property
    def point_atoms(self) -> np.ndarray:
        """The atom of each point, by index in the universe, or one of its molecule; shape (n_points,)."""
        return self.molecules.first_atoms if self.molecules else self.atoms.indices


@dataclass(frozen=True)
class Center:
    """The atoms of one center species; `first` is the number of its first center among those of all species.

    A `reference` center has a g(r) and a first peak around it, but no contacts and so no shell.
    """

    name: str
    atoms: AtomGroup
    molecule_idx: np.ndarray
    first: int
    reference: bool = False

    @property
    def members(self) -> slice:
        """Its centers among those of all species."""
        return slice(self.first, self.first + len(self.atoms))


@dataclass(frozen=True)
class Sites:
    """Everything that an analysis looks at in one universe.

    `pairs` are the indices of each center species and site that have a g(r); reference centers follow all `centers`.
    `molecules` has one atom of each molecule of the partners that have coordinating sites, by index in the universe.
    `presence` says which molecules are there in each frame, where solvents come and go: centers and anions never do.
    """

    centers: tuple[Center, ...]
    reference_centers: tuple[Center, ...]
    sites: tuple[Site, ...]
    molecules: dict[str, np.ndarray]
    pairs: tuple[tuple[int, int], ...]
    presence: Presence | None = None

    @cached_property
    def n_molecules(self) -> dict[str, int]:
        """How many molecules of each partner the universe has, whether or not they are always there."""
        return {name: len(atoms) for name, atoms in self.molecules.items()}

    @property
    def open_partners(self) -> list[str]:
        """The partners whose molecules come and go."""
        return [name for name, atoms in self.molecules.items() if self.presence and self.presence.goes(atoms)]

    def molecules_in(self, frames: np.ndarray) -> np.ndarray:
        """Return how many molecules of each partner are there in frames of the trajectory, (n_partners, n_frames)."""
        if self.presence is None:
            return np.repeat(np.array(list(self.n_molecules.values()))[:, None], len(frames), axis=1)
        return np.array([self.presence.total(atoms, 1.0, frames) for atoms in self.molecules.values()]).astype(int)

    @cached_property
    def n_centers(self) -> int:
        """How many centers of all species there are."""
        return sum(len(center.atoms) for center in self.centers)

    @cached_property
    def species_of_center(self) -> np.ndarray:
        """The index of the species of each center, shape (n_centers,)."""
        return np.repeat(np.arange(len(self.centers)), [len(center.atoms) for center in self.centers])

    def neighbors(self) -> np.ndarray:
        """Return the atom that each point is bonded to, if it is one atom and bonded to just one, else -1.

        The points are those of all sites one after the other, shape (n_points,). Bonds are those of the topology, or
        else those that distances in the present frame suggest.
        """
        universe = self.centers[0].atoms.universe
        atoms = np.concatenate([site.atoms.indices for site in self.sites if not site.molecules])
        bonds = bonds_of(universe.atoms[atoms])
        ends = np.concatenate([bonds, bonds[:, ::-1]])
        other = np.full(len(universe.atoms), -1, np.int32)
        other[ends[:, 0]] = ends[:, 1]
        other[np.bincount(ends[:, 0], minlength=len(other)) != 1] = -1
        return np.concatenate(
            [np.full(site.n_points, -1) if site.molecules else other[site.atoms.indices] for site in self.sites]
        )

    def n_pairs(self, center: Center, site: Site, frames: np.ndarray) -> np.ndarray:
        """Return how many center-site pairs that do not lie in one molecule frames have, shape (n_frames,)."""
        n_outside = _centers_outside(center, site)
        if self.presence is None:
            return np.full(len(frames), float(n_outside.sum()))
        return self.presence.total(site.point_atoms, n_outside, frames)


def _centers_outside(center: Center, site: Site) -> np.ndarray:
    """Return for each point of a site how many centers lie outside of its molecule, shape (n_points,)."""
    n = max(center.molecule_idx.max(), site.molecule_idx.max()) + 1
    return len(center.atoms) - np.bincount(center.molecule_idx, minlength=n)[site.molecule_idx]


def _select(group: Universe | AtomGroup, selection: str, field: str) -> AtomGroup:
    try:
        atoms = group.select_atoms(selection)
    except Exception as error:  # a parser of free text: SelectionError, ValueError, AttributeError, ...
        reason = " ".join(str(error).split())
        raise InvalidInput(f"{field}: {selection!r} is not a selection of this topology: {reason}") from error
    if len(atoms) == 0:
        raise InvalidInput(f"{field}: {selection!r} matches no atom")
    return atoms


def molecules_of(atoms: AtomGroup, molecules_are: MoleculesAre) -> np.ndarray:
    """Return the number of the molecule of each atom, shape (n_atoms,)."""
    if molecules_are == "residues":
        return atoms.resindices
    try:
        return atoms.fragindices
    except NoDataError:
        raise InvalidInput(
            "molecules_are: fragments need bonds, which this topology lacks (allowed: residues)"
        ) from None


class _Claims:
    """Who owns which atom, so that no atom is counted twice."""

    def __init__(self, n_atoms: int) -> None:
        self._owner = np.full(n_atoms, "", dtype=object)

    def claim(self, atoms: AtomGroup, field: str) -> None:
        """Give atoms to a field of the species file, or raise."""
        others = self._owner[atoms.indices]
        if taken := sorted({other for other in others if other}):
            raise InvalidInput(f"{field}: shares {np.count_nonzero(others)} atoms with {', '.join(taken)}")
        self._owner[atoms.indices] = field


def _partner_sites(
    name: str, partner: Partner, molecules: AtomGroup, centers: list[Center], molecules_are: MoleculesAre
) -> list[Site]:
    claims = _Claims(len(molecules.universe.atoms))
    sites = []
    for kind, selections in (("sites", partner.sites), ("reference_sites", partner.reference_sites)):
        for site, selection in selections.items():
            field = f"partners.{name}.{kind}.{site}"
            atoms = _select(molecules, selection, field)
            claims.claim(atoms, field)
            coordinating = kind == "sites"
            given = {center.name: partner.given_cutoff(center.name, site) for center in centers if coordinating}
            sites.append(
                Site(
                    name,
                    site,
                    partner.role,
                    coordinating,
                    atoms,
                    molecules_of(atoms, molecules_are),
                    {center: cutoff for center, cutoff in given.items() if cutoff is not None},
                    partner.typical_cutoff_angstrom if coordinating else {},
                )
            )
    if partner.center_of_mass:
        sites.append(_center_of_mass(name, partner.role, molecules, molecules_are))
    return sites


def _center_of_mass(name: str, role: Role, molecules: AtomGroup, molecules_are: MoleculesAre) -> Site:
    masses = getattr(molecules, "masses", None)
    if masses is None or not (masses > 0).all():
        raise InvalidInput(f"partners.{name}.center_of_mass: this topology has no masses of these atoms")
    numbers = molecules_of(molecules, molecules_are)
    whole = Molecules(molecules, numbers)
    return Site(name, CENTER_OF_MASS, role, False, molecules, np.unique(numbers), molecules=whole)


def _numbered(groups: Mapping[str, AtomGroup], n_before: int, reference: bool, are: MoleculesAre) -> list[Center]:
    """Return the centers of each species, whose numbers follow those before."""
    centers = []
    for name, atoms in groups.items():
        centers.append(Center(name, atoms, molecules_of(atoms, are), n_before, reference))
        n_before += len(atoms)
    return centers


def _centers(universe: Universe, species: SpeciesFile) -> list[Center]:
    claims = _Claims(len(universe.atoms))
    groups: dict[str, dict[str, AtomGroup]] = {}
    for kind, selections in (("centers", species.centers), ("reference_centers", species.reference_centers)):
        groups[kind] = {name: _select(universe, text, f"{kind}.{name}") for name, text in selections.items()}
        for name, atoms in groups[kind].items():
            claims.claim(atoms, f"{kind}.{name}")
    own = _numbered(groups["centers"], 0, False, species.molecules_are)
    return own + _numbered(groups["reference_centers"], own[-1].members.stop, True, species.molecules_are)


def _check_ions_stay(centers: list[Center], sites: list[Site], presence: Presence) -> None:
    ions = [(f"centers.{center.name}", center.atoms) for center in centers]
    ions += [(f"partners.{site.partner}", site.atoms) for site in sites if site.role == "anion"]
    for name, atoms in ions:
        if presence.goes(atoms.indices):
            raise InvalidInput(f"{name}: comes and goes in this trajectory (allowed: ions that are always there)")


def _joined(
    centers: list[Center],
    sites: list[Site],
    atoms: dict[str, AtomGroup],
    molecules_are: MoleculesAre,
    presence: Presence | None,
) -> Sites:
    """Return centers and sites with the pairs that they make; `atoms` are those of each partner."""
    if presence is not None:
        _check_ions_stay(centers, sites, presence)
    partners = {site.partner for site in sites if site.coordinating}
    numbers = {name: np.unique(molecules_of(group, molecules_are), return_index=True) for name, group in atoms.items()}
    joined = Sites(
        tuple(center for center in centers if not center.reference),
        tuple(center for center in centers if center.reference),
        tuple(sites),
        {name: atoms[name].indices[first] for name, (_, first) in numbers.items() if name in partners},
        tuple(
            (i, j)
            for i, center in enumerate(centers)
            for j, site in enumerate(sites)
            if not (center.reference and np.isin(center.molecule_idx, numbers[site.partner][0]).any())
        ),
        presence,
    )
    for center in joined.centers:
        for site in sites:
            if not _centers_outside(center, site).any():
                raise InvalidInput(
                    f"partners.{site.partner}: every pair of {center.name} and {site.name} lies inside one molecule; "
                    f"molecules_are is {molecules_are} (allowed: residues, fragments)"
                )
    return joined


def _check_group(field: str, atoms: AtomGroup, universe: Universe) -> None:
    if not isinstance(atoms, AtomGroup):
        raise InvalidInput(f"{field}: {type(atoms).__name__} (expected: an AtomGroup)")
    if isinstance(atoms, UpdatingAtomGroup):
        raise InvalidInput(f"{field}: an updating AtomGroup (allowed: one whose atoms stay the same)")
    if len(atoms) == 0:
        raise InvalidInput(f"{field}: the AtomGroup is empty")
    if atoms.universe is not universe:
        raise InvalidInput(f"{field}: an AtomGroup of another universe than that of the first center")
    if len(atoms.unique) < len(atoms):
        raise InvalidInput(f"{field}: some atoms of the AtomGroup occur twice")


def _check_names(**groups: Any) -> None:
    for name, named in groups.items():
        if not isinstance(named, Mapping):
            raise InvalidInput(f"{name}: {type(named).__name__} (expected: AtomGroups by name)")


Groups = Mapping[str, AtomGroup | Mapping[str, AtomGroup]]


def _sites_of_groups(
    groups: Groups, coordinating: bool, anions: Collection[str], universe: Universe, are: MoleculesAre
) -> list[Site]:
    claims = _Claims(len(universe.atoms))
    kind = "partners" if coordinating else "reference_sites"
    sites = []
    for name, group in groups.items():
        role: Role = "anion" if name in anions else "solvent"
        for site, atoms in (group if isinstance(group, Mapping) else {"any": group}).items():
            _check_group(f"{kind}.{name}.{site}", atoms, universe)
            if site == CENTER_OF_MASS and not coordinating:
                sites.append(_center_of_mass(name, role, atoms, are))
            else:
                claims.claim(atoms, f"{kind}.{name}.{site}")
                sites.append(Site(name, site, role, coordinating, atoms, molecules_of(atoms, are)))
    return sites


def sites_from_atoms(
    centers: Mapping[str, AtomGroup],
    partners: Groups,
    *,
    reference_sites: Groups | None = None,
    anions: Collection[str] = (),
    molecules_are: MoleculesAre = "residues",
    presence: Presence | None = None,
) -> Sites:
    """Return the centers and partner sites of AtomGroups of one universe; see `SolvationGeometry`.

    Raises
    ------
    InvalidInput
        With the name of the group: it is empty, updating, of another universe or shares atoms with another, an anion is
        no partner, or a site has no pair with a center outside its own molecule.
    """
    reference_sites = reference_sites or {}
    _check_names(centers=centers, partners=partners, reference_sites=reference_sites)
    if not centers or not partners:
        raise InvalidInput("centers and partners: give at least one AtomGroup each")
    if isinstance(anions, str):
        raise InvalidInput(f"anions: {anions!r} (expected: a list of names)")
    if unknown := sorted(set(anions) - set(partners)):
        raise InvalidInput(f"anions: {unknown[0]!r} is not one of the partners ({', '.join(partners)})")
    if molecules_are not in ("residues", "fragments"):
        raise InvalidInput(f"molecules_are: {molecules_are!r} (allowed: residues, fragments)")
    first, atoms = next(iter(centers.items()))
    _check_group(f"centers.{first}", atoms, getattr(atoms, "universe", None))
    claims = _Claims(len(atoms.universe.atoms))
    for name, group in centers.items():
        _check_group(f"centers.{name}", group, atoms.universe)
        claims.claim(group, f"centers.{name}")
    sites = _sites_of_groups(partners, True, anions, atoms.universe, molecules_are)
    sites += _sites_of_groups(reference_sites, False, anions, atoms.universe, molecules_are)
    of_partner = {
        name: sum((site.atoms for site in sites if site.partner == name), atoms.universe.atoms[[]])
        for name in dict.fromkeys(site.partner for site in sites)
    }
    return _joined(_numbered(centers, 0, False, molecules_are), sites, of_partner, molecules_are, presence)


def select_sites(universe: Universe, species: SpeciesFile, presence: Presence | None = None) -> Sites:
    """Return the centers and partner sites that a species file names.

    A reference center has no g(r) with the species that it belongs to: the atoms along its own chain are no partners.

    Parameters
    ----------
    presence
        Which molecules are there in each frame, where some come and go.

    Raises
    ------
    InvalidInput
        With the field's name: a selection is malformed or matches nothing, two fields claim one atom, a site has no
        pair with a center outside its own molecule, or ions come and go.
    """
    centers = _centers(universe, species)
    claims = _Claims(len(universe.atoms))
    sites: list[Site] = []
    of_partner = {}
    for name, partner in species.partners.items():
        molecules = _select(universe, partner.molecules, f"partners.{name}.molecules")
        claims.claim(molecules, f"partners.{name}.molecules")
        of_partner[name] = molecules
        sites += _partner_sites(name, partner, molecules, centers[: len(species.centers)], species.molecules_are)
    return _joined(centers, sites, of_partner, species.molecules_are, presence)
