"""The species of the project's force fields, and the selections by which an analysis finds species in a trajectory."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, RootModel, model_validator

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


class Partner(BaseModel):
    """One species around the centers: which molecules, which of their atoms touch, and its part in an ion pair.

    All strings are MDAnalysis selections; those of the sites are taken inside the molecules. `cutoff_angstrom` rules;
    `typical_cutoff_angstrom`, by center, stands in only where a run has too few contacts to show its own first minimum.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    molecules: str
    sites: dict[str, str] = Field(default={"any": "all"}, min_length=1)
    reference_sites: dict[str, str] = {}
    role: Role = "solvent"
    cutoff_angstrom: PositiveFloat | None = None
    typical_cutoff_angstrom: dict[str, PositiveFloat] = {}


class SpeciesFile(BaseModel):
    """What to look at in a trajectory: the species file of ``solvshell analyze``.

    Shells are those of the `centers`. Around `reference_centers` (the ammonium nitrogens of a polycation) g(r) and its
    first peak are found, and nothing is counted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    centers: dict[str, str] = Field(min_length=1)
    reference_centers: dict[str, str] = {}
    partners: dict[str, Partner] = Field(min_length=1)
    molecules_are: Literal["residues", "fragments"] = "residues"
    timestep_ps: PositiveFloat | None = None

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
        return self


def _atoms(sites: dict[str, list[str]]) -> dict[str, str]:
    return {site: "name " + " ".join(atom_names) for site, atom_names in sites.items()}


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
