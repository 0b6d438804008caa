"""The species of the project's force fields, and the selections by which an analysis finds species in a trajectory."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from math import cos, isfinite, prod, radians
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    RootModel,
    field_validator,
    model_validator,
)

from solvshell.data import forcefield_directory
from solvshell.errors import InvalidInput
from solvshell.files import read_yaml

Role = Literal["cation", "anion", "solvent", "polymer"]

#: The site of an ammonium nitrogen: no center of shells, but its g(r) to solvents and anions is of interest.
REFERENCE_CENTER_SITE = "n_plus"


class Species(BaseModel):
    """One molecule or ion: its residue template, its structure and the atoms that coordinate a cation.

    A simple cation is a `center` itself; `typical_cutoff_angstrom` of its sites is by center.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    residue: str
    smiles: str
    role: Role
    center: bool = False
    sites: dict[str, list[str]] = Field(min_length=1)
    reference_sites: dict[str, list[str]] = {}
    typical_cutoff_angstrom: dict[str, PositiveFloat] = {}
    geometry_angstrom: list[tuple[float, float, float]] | None = None


class _Catalogue(RootModel[dict[str, Species]]):
    model_config = ConfigDict(frozen=True)


@cache
def catalogue() -> dict[str, Species]:
    """Return the shipped species by name."""
    return read_yaml(Path(forcefield_directory()) / "solvshell" / "species.yaml", _Catalogue).root


def _meant(name: str) -> str:
    words = {word.lower(): known for known, s in catalogue().items() for word in (known, s.residue, s.title)}
    near = get_close_matches(name.lower(), words, n=1)
    return f"; did you mean {words[near[0]]!r}?" if near else ""


def find_species(name: str) -> Species:
    """Return one shipped species.

    Raises
    ------
    InvalidInput
        If the name is not known; the message lists those that are, and names one that is spelled or titled alike.
    """
    if name not in catalogue():
        raise InvalidInput(f"unknown species {name!r} (known: {', '.join(catalogue())}){_meant(name)}")
    return catalogue()[name]


def check_role(name: str, role: str) -> str:
    """Return the name of a shipped species if it has a role.

    Raises
    ------
    InvalidInput
        If the name is not known or the species has another role.
    """
    if find_species(name).role != role:
        raise InvalidInput(f"{name!r} has the role {find_species(name).role}, expected {role}")
    return name


def _atoms(sites: dict[str, list[str]]) -> dict[str, str]:
    return {site: "name " + " ".join(atom_names) for site, atom_names in sites.items()}


def _selection(given: Any) -> Any:
    """Write ``{species: Li}`` or ``{smiles: "[Mg+2]"}``, molecules found by their graph, as a selection does."""
    if not (isinstance(given, dict) and len(given) == 1 and given.keys() <= {"species", "smiles"}):
        return given
    ((word, name),) = given.items()
    if not isinstance(name, str):
        return given
    if word == "species":
        find_species(name)
    return f"{word} {name}"


Selection = Annotated[str, BeforeValidator(_selection)]


#: Atoms are no nearer than this, and cells no narrower than that: a shorter length in Å was meant to be in nm.
SHORTEST_CUTOFF_ANGSTROM = 1.0
SHORTEST_CELL_ANGSTROM = 5.0

Cutoff = Annotated[float, Field(ge=SHORTEST_CUTOFF_ANGSTROM)]


def _is_cutoff(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and isfinite(value) and value >= SHORTEST_CUTOFF_ANGSTROM


class Partner(BaseModel):
    """One species around the centers: which molecules, which of their atoms touch, and its part in an ion pair.

    All strings are MDAnalysis selections; those of the sites are taken inside the molecules. In place of `molecules`
    may stand ``species: EC``, a shipped species with its sites and role, or ``smiles: O=C1OCCO1``, whose `sites` are
    SMARTS: `analysis.reading.recognize` finds such molecules by their graph and puts selections in their place.

    Attributes
    ----------
    sites
        All atoms if left out. With none, ``{}``, nothing of the partner is counted, and its `reference_sites` or
        `center_of_mass` alone get a g(r).
    cutoff_angstrom
        Rules over the first minimum of g(r): one number, or one for each site or for each center named.
    typical_cutoff_angstrom
        By center; stands in only where a run has too few contacts to show its own first minimum.
    center_of_mass
        Whether the centers of mass of the molecules get a g(r) too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    molecules: Selection
    sites: dict[str, str] = {"any": "all"}
    reference_sites: dict[str, str] = {}
    role: Role = "solvent"
    cutoff_angstrom: float | dict[str, float] | None = None
    typical_cutoff_angstrom: dict[str, Cutoff] = {}
    center_of_mass: bool = False

    @model_validator(mode="before")
    @classmethod
    def _one_kind_of_molecules(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        kinds = given.keys() & {"molecules", "species", "smiles"}
        if len(kinds) != 1:
            raise ValueError("give one of molecules (a selection), species (a shipped one) and smiles")
        (kind,) = kinds
        if kind == "molecules":
            return given
        others = {key: value for key, value in given.items() if key != kind} | {"molecules": {kind: given[kind]}}
        return others if kind == "smiles" else cls._of_species(given[kind], others)

    @staticmethod
    def _of_species(name: Any, others: dict[str, Any]) -> dict[str, Any]:
        entry = find_species(str(name))
        own = {"sites": _atoms(entry.sites), "reference_sites": _atoms(entry.reference_sites), "role": entry.role}
        if stated := sorted(others.keys() & own.keys()):
            raise ValueError(f"{stated[0]}: {name} brings its own; give its smiles in place of species")
        return own | others

    @field_validator("cutoff_angstrom", mode="before")
    @classmethod
    def _lengths(cls, given: Any) -> Any:
        values = list(given.values()) if isinstance(given, dict) else [given]
        if given is not None and not (values and all(_is_cutoff(value) for value in values)):
            allowed = f"{SHORTEST_CUTOFF_ANGSTROM:g} Å or more, or one for each site or center"
            raise ValueError(f"expected a length of {allowed}, got {given!r}")
        return given

    @model_validator(mode="after")
    def _something_to_look_at(self) -> Self:
        if not (self.sites or self.reference_sites or self.center_of_mass):
            raise ValueError("sites: none; give some, or reference_sites, or center_of_mass: true")
        if self.cutoff_angstrom is not None and not self.sites:
            raise ValueError("cutoff_angstrom: is of sites, and there are none")
        return self

    def given_cutoff(self, center: str, site: str) -> float | None:
        """Return the cutoff in Å that the file gives for a center and one of the `sites`, or None."""
        cutoff = self.cutoff_angstrom if site in self.sites else None
        return cutoff.get(site, cutoff.get(center)) if isinstance(cutoff, dict) else cutoff


def _cell(given: Any) -> Any:
    """Complete three lengths to a cell with right angles."""
    if not isinstance(given, list | tuple):
        return given
    if len(given) not in (3, 6):
        raise ValueError(f"expected 3 lengths, or 3 lengths and 3 angles, got {len(given)} numbers")
    return given if len(given) == 6 else [*given, 90, 90, 90]


CellLength = Annotated[float, Field(ge=SHORTEST_CELL_ANGSTROM)]
LengthsAndAngles = tuple[CellLength, CellLength, CellLength, PositiveFloat, PositiveFloat, PositiveFloat]


class FrameSettings(BaseModel):
    """What a trajectory itself may not say.

    Attributes
    ----------
    timestep_ps, cell_angstrom
        Time between frames, and three lengths and three angles of the cell (the angles 90° if left out), in place of
        those of the trajectory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    timestep_ps: PositiveFloat | None = None
    cell_angstrom: Annotated[LengthsAndAngles, BeforeValidator(_cell)] | None = None

    @field_validator("cell_angstrom")
    @classmethod
    def _has_a_volume(cls, cell: LengthsAndAngles | None) -> LengthsAndAngles | None:
        if cell is not None:
            cosines = [cos(radians(angle)) for angle in cell[3:]]
            if max(cell[3:]) >= 180 or 1 + 2 * prod(cosines) - sum(c * c for c in cosines) < 1e-6:
                raise ValueError(f"no cell has the angles {', '.join(f'{angle:g}' for angle in cell[3:])}°")
        return cell


class SpeciesFile(FrameSettings):
    """What to look at in a trajectory: the species file of ``solvshell analyze``.

    Shells are those of the `centers`. Around `reference_centers` (the ammonium nitrogens of a polycation) g(r) and its
    first peak are found, and nothing is counted.

    Attributes
    ----------
    temperature_k
        For free energies; a trajectory does not say it.
    capture_angstrom
        Contacts are kept, and a first peak accepted, up to this distance; 5 Å if left out. Around a large center such
        as an ammonium N it is longer.
    """

    centers: dict[str, Selection] = Field(min_length=1)
    reference_centers: dict[str, Selection] = {}
    partners: dict[str, Partner] = Field(min_length=1)
    molecules_are: Literal["residues", "fragments"] = "residues"
    temperature_k: PositiveFloat | None = None
    capture_angstrom: Cutoff | None = None

    @model_validator(mode="after")
    def _known_centers(self) -> Self:
        if twice := sorted(self.centers.keys() & self.reference_centers.keys()):
            raise ValueError(f"reference_centers.{twice[0]}: {twice[0]!r} is one of the centers already")
        for name, partner in self.partners.items():
            if unknown := sorted(partner.typical_cutoff_angstrom.keys() - self.centers.keys()):
                raise ValueError(
                    f"partners.{name}.typical_cutoff_angstrom.{unknown[0]}: not one of the centers "
                    f"({', '.join(self.centers)})"
                )
            self._check_cutoffs(f"partners.{name}.cutoff_angstrom", partner)
        return self

    def _check_cutoffs(self, field: str, partner: Partner) -> None:
        if not isinstance(partner.cutoff_angstrom, dict):
            return
        keys, sites, centers = partner.cutoff_angstrom.keys(), partner.sites.keys(), self.centers.keys()
        if both := sorted(keys & sites & centers):
            raise ValueError(f"{field}.{both[0]}: is a site and a center; rename one")
        if not (keys <= sites or keys <= centers):
            unknown = sorted(keys - sites - centers) or sorted(keys)
            raise ValueError(
                f"{field}.{unknown[0]}: allowed are either sites ({', '.join(sites)}) or centers ({', '.join(centers)})"
            )


def select_species(entries: Mapping[str, Species]) -> SpeciesFile:
    """Return the selections for a box of these species, by name.

    Simple cations are the centers, all others are partners in their order; where they have an ammonium nitrogen, it is
    a reference center of their name too.
    """
    centers = {name: f"resname {entry.residue}" for name, entry in entries.items() if entry.center}
    others = {name: entry for name, entry in entries.items() if not entry.center}
    return SpeciesFile(
        centers=centers,
        reference_centers={
            name: f"resname {entry.residue} and {_atoms(entry.sites)[REFERENCE_CENTER_SITE]}"
            for name, entry in others.items()
            if REFERENCE_CENTER_SITE in entry.sites
        },
        partners={
            name: Partner(
                molecules=f"resname {entry.residue}",
                sites=_atoms(entry.sites),
                reference_sites=_atoms(entry.reference_sites),
                role=entry.role,
                # The catalogue knows more centers than this box has.
                typical_cutoff_angstrom={
                    center: cutoff for center, cutoff in entry.typical_cutoff_angstrom.items() if center in centers
                },
            )
            for name, entry in others.items()
        },
    )
