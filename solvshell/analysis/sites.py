"""Which atoms of a universe are centers, and which are sites of the partners around them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from MDAnalysis import NoDataError, Universe
from MDAnalysis.core.groups import AtomGroup

from solvshell.errors import InvalidInput
from solvshell.species import Partner, Role, SpeciesFile


@dataclass(frozen=True)
class Site:
    """The atoms of one site of one partner; `molecule_idx` (n_atoms,) numbers molecules through the universe."""

    partner: str
    name: str
    role: Role
    coordinating: bool
    atoms: AtomGroup
    molecule_idx: np.ndarray
    given_cutoff_angstrom: float | None
    typical_cutoff_angstrom: dict[str, float]


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
    """

    centers: tuple[Center, ...]
    reference_centers: tuple[Center, ...]
    sites: tuple[Site, ...]
    n_molecules: dict[str, int]
    pairs: tuple[tuple[int, int], ...]

    @cached_property
    def n_centers(self) -> int:
        """How many centers of all species there are."""
        return sum(len(center.atoms) for center in self.centers)

    @cached_property
    def species_of_center(self) -> np.ndarray:
        """The index of the species of each center, shape (n_centers,)."""
        return np.repeat(np.arange(len(self.centers)), [len(center.atoms) for center in self.centers])

    def n_pairs(self, center: Center, site: Site) -> int:
        """Return how many center-site pairs there are that do not lie in one molecule."""
        n = max(center.molecule_idx.max(), site.molecule_idx.max()) + 1
        same = np.bincount(center.molecule_idx, minlength=n) @ np.bincount(site.molecule_idx, minlength=n)
        return len(center.atoms) * len(site.atoms) - int(same)


def _select(group: Universe | AtomGroup, selection: str, field: str) -> AtomGroup:
    try:
        atoms = group.select_atoms(selection)
    except Exception as error:  # a parser of free text: SelectionError, ValueError, AttributeError, ...
        reason = " ".join(str(error).split())
        raise InvalidInput(f"{field}: {selection!r} is not a selection of this topology: {reason}") from error
    if len(atoms) == 0:
        raise InvalidInput(f"{field}: {selection!r} matches no atom")
    return atoms


def _molecules(atoms: AtomGroup, molecules_are: str) -> np.ndarray:
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


def _partner_sites(name: str, partner: Partner, molecules: AtomGroup, molecules_are: str) -> list[Site]:
    claims = _Claims(len(molecules.universe.atoms))
    sites = []
    for kind, selections in (("sites", partner.sites), ("reference_sites", partner.reference_sites)):
        for site, selection in selections.items():
            field = f"partners.{name}.{kind}.{site}"
            atoms = _select(molecules, selection, field)
            claims.claim(atoms, field)
            coordinating = kind == "sites"
            given, typical = partner.cutoff_angstrom, partner.typical_cutoff_angstrom
            cutoffs = (given, typical) if coordinating else (None, {})
            molecule_idx = _molecules(atoms, molecules_are)
            sites.append(Site(name, site, partner.role, coordinating, atoms, molecule_idx, *cutoffs))
    return sites


def _centers(universe: Universe, species: SpeciesFile) -> list[Center]:
    claims = _Claims(len(universe.atoms))
    centers: list[Center] = []
    for kind, selections in (("centers", species.centers), ("reference_centers", species.reference_centers)):
        for name, selection in selections.items():
            atoms = _select(universe, selection, f"{kind}.{name}")
            claims.claim(atoms, f"{kind}.{name}")
            first = centers[-1].members.stop if centers else 0
            molecule_idx = _molecules(atoms, species.molecules_are)
            centers.append(Center(name, atoms, molecule_idx, first, kind == "reference_centers"))
    return centers


def select_sites(universe: Universe, species: SpeciesFile) -> Sites:
    """Return the centers and partner sites that a species file names.

    A reference center has no g(r) with the species that it belongs to: the atoms along its own chain are no partners.

    Raises
    ------
    InvalidInput
        With the field's name: a selection is malformed or matches nothing, two fields claim one atom, or a site has no
        pair with a center outside its own molecule.
    """
    centers = _centers(universe, species)
    claims = _Claims(len(universe.atoms))
    sites: list[Site] = []
    molecule_idx = {}
    for name, partner in species.partners.items():
        molecules = _select(universe, partner.molecules, f"partners.{name}.molecules")
        claims.claim(molecules, f"partners.{name}.molecules")
        molecule_idx[name] = np.unique(_molecules(molecules, species.molecules_are))
        sites += _partner_sites(name, partner, molecules, species.molecules_are)
    selected = Sites(
        tuple(center for center in centers if not center.reference),
        tuple(center for center in centers if center.reference),
        tuple(sites),
        {name: len(idx) for name, idx in molecule_idx.items()},
        tuple(
            (i, j)
            for i, center in enumerate(centers)
            for j, site in enumerate(sites)
            if not (center.reference and np.isin(center.molecule_idx, molecule_idx[site.partner]).any())
        ),
    )
    for center in selected.centers:
        for site in sites:
            if selected.n_pairs(center, site) == 0:
                raise InvalidInput(
                    f"partners.{site.partner}: every pair of {center.name} and {site.name} lies inside one molecule; "
                    f"molecules_are is {species.molecules_are} (allowed: residues, fragments)"
                )
    return selected
