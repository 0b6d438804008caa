"""The species of the project's force fields, and the selections by which an analysis finds species in a trajectory."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, RootModel

from solvshell.data import forcefield_directory
from solvshell.errors import InvalidInput
from solvshell.files import read_yaml

Role = Literal["cation", "anion", "solvent", "polymer"]


class Species(BaseModel):
    """One molecule or ion: its residue template, its structure and the atoms that coordinate a cation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    residue: str
    smiles: str
    role: Role
    sites: dict[str, list[str]] = Field(min_length=1)
    reference_sites: dict[str, list[str]] = {}
    typical_cutoff_angstrom: PositiveFloat | None = None
    geometry_angstrom: list[tuple[float, float, float]] | None = None


class _Catalogue(RootModel[dict[str, Species]]):
    model_config = ConfigDict(frozen=True)


@cache
def catalogue() -> dict[str, Species]:
    """Return the shipped species by name."""
    return read_yaml(Path(forcefield_directory()) / "solvshell" / "species.yaml", _Catalogue).root


def find_species(name: str) -> Species:
    """Return one shipped species.

    Raises
    ------
    InvalidInput
        If the name is not known; the message lists those that are.
    """
    if name not in catalogue():
        raise InvalidInput(f"unknown species {name!r} (known: {', '.join(catalogue())})")
    return catalogue()[name]


class Partner(BaseModel):
    """One species around the centers: which molecules, which of their atoms touch, and its part in an ion pair.

    All strings are MDAnalysis selections; those of the sites are taken inside the molecules. `cutoff_angstrom` rules;
    `typical_cutoff_angstrom` stands in only where a run has too few contacts to show its own first minimum.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    molecules: str
    sites: dict[str, str] = Field(default={"any": "all"}, min_length=1)
    reference_sites: dict[str, str] = {}
    role: Role = "solvent"
    cutoff_angstrom: PositiveFloat | None = None
    typical_cutoff_angstrom: PositiveFloat | None = None


class SpeciesFile(BaseModel):
    """What to look at in a trajectory: the species file of ``solvshell analyze``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    centers: dict[str, str] = Field(min_length=1)
    partners: dict[str, Partner] = Field(min_length=1)
    molecules_are: Literal["residues", "fragments"] = "residues"
    timestep_ps: PositiveFloat | None = None


def select_species(names: list[str]) -> SpeciesFile:
    """Return the selections for a box of the shipped species: cations are centers, all others are partners."""

    def atoms(sites: dict[str, list[str]]) -> dict[str, str]:
        return {site: "name " + " ".join(atom_names) for site, atom_names in sites.items()}

    species = {name: find_species(name) for name in names}
    return SpeciesFile(
        centers={name: f"resname {entry.residue}" for name, entry in species.items() if entry.role == "cation"},
        partners={
            name: Partner(
                molecules=f"resname {entry.residue}",
                sites=atoms(entry.sites),
                reference_sites=atoms(entry.reference_sites),
                role=entry.role,
                typical_cutoff_angstrom=entry.typical_cutoff_angstrom,
            )
            for name, entry in species.items()
            if entry.role != "cation"
        },
    )
