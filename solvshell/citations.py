"""What to cite for a run: the papers behind the methods and parameters that it used, and no others."""

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator
from rdkit import Chem

from solvshell.build.forcefield import read_forcefield
from solvshell.build.typing import read_typing, type_atoms
from solvshell.errors import InvalidInput
from solvshell.files import read_yaml
from solvshell.grand_canonical import GrandCanonical
from solvshell.protocol import Protocol
from solvshell.recipe import Recipe
from solvshell.run import Run
from solvshell.stages import Dynamics, Minimize, Umbrella

#: What a run, or a page about it, may have.
FACTS = frozenset((
    "simulation", "packing", "langevin_middle", "nose_hoover", "barostat", "heavy_hydrogens", "rigid_bonds",
    "equilibration", "scaled_charges", "grand_canonical", "switching", "umbrella", "decoupling", "analysis",
    "residence", "gfn2", "minima", "dft", "study", "views",
))  # fmt: skip
_PARAMETERS = "parameters: "
#: Of a box whose force field is not there any more: nobody can be cited for it, which a page must say.
UNKNOWN_PARAMETERS = f"{_PARAMETERS}unknown"
#: What BibTeX reads as commands.
_SPECIAL = {ord(character): f"\\{character}" for character in "&%#_$"}


class Citation(BaseModel):
    """A paper or a program, what it is cited for, and when: if a run has one of the facts of `when`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    what: Annotated[str, Field(alias="for")]
    when: Annotated[list[str], Field(min_length=1)]
    authors: Annotated[list[str], Field(min_length=1)]
    title: str | None
    journal: str
    year: int | None = None
    volume: str | None = None
    pages: str | None = None
    doi: str | None = None

    @field_validator("when")
    @classmethod
    def _known(cls, when: list[str]) -> list[str]:
        if unknown := {one for one in when if not one.startswith(_PARAMETERS)} - FACTS:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))} (known: {', '.join(sorted(FACTS))})")
        return when

    @property
    def text(self) -> str:
        """The citation in one line, without its DOI."""
        names = ", ".join(self.authors).replace(", and others", " et al.")
        year = None if self.year is None else str(self.year)
        return (
            ", ".join(part for part in (names, self.title, self.journal, year, self.volume, self.pages) if part) + "."
        )

    @property
    def bibtex(self) -> str:
        """The citation as an entry of a BibTeX file."""
        fields = {
            "author": " and ".join(name.removeprefix("and ") for name in self.authors),
            "title": self.title and f"{{{self.title}}}",
            "journal" if self.year else "note": self.journal,
            "year": self.year,
            "volume": self.volume,
            "pages": self.pages and self.pages.replace("-", "--"),
        }
        lines = [f"  {name} = {{{str(value).translate(_SPECIAL)}}}," for name, value in fields.items() if value]
        lines += [f"  doi = {{{self.doi}}},"] if self.doi else []
        return "\n".join([f"@{'article' if self.year else 'misc'}{{{self.key},", *lines, "}"])


class _Citations(RootModel[list[Citation]]):
    model_config = ConfigDict(frozen=True)


@cache
def all_citations() -> tuple[Citation, ...]:
    """Return all that a page may cite."""
    return tuple(read_yaml(Path(__file__).with_name("citations.yaml"), _Citations).root)


def citations(facts: Collection[str]) -> list[Citation]:
    """Return what to cite for facts, in the order of the file; each once."""
    return [one for one in all_citations() if not set(one.when).isdisjoint(facts)]


def bibtex(cited: Collection[Citation]) -> str:
    """Return a BibTeX file."""
    return "".join(f"{one.bibtex}\n\n" for one in cited)


def parameter_sources(recipe: Recipe) -> set[str]:
    """Return the sources that the lines of the force field name which the molecules of a recipe use.

    Raises
    ------
    InvalidInput
        If a file of the force field is not there any more.
    """
    roots = read_forcefield(recipe.force_field.files).roots
    residues = {line.get("name", ""): line for root in roots for line in root.iterfind("Residues/Residue")}
    class_of = {
        line.get("name", ""): line.get("class", "") for root in roots for line in root.iterfind("AtomTypes/Type")
    }
    sources: set[str] = set()
    kinds: list[set[str]] = []
    for entry in recipe.entries.values():
        if (residue := residues.get(entry.residue)) is not None:
            sources |= set(residue.get("source", "").split())
            kinds.append({atom.get("type", "") for atom in residue.iterfind("Atom")})
    if recipe.polymer is not None:
        rules = read_typing(recipe.force_field.typing)
        monomer = Chem.AddHs(Chem.MolFromSmiles(recipe.polymer.monomer))
        kinds.append(set(type_atoms(monomer, rules).types))
        matching = [rule for rule in (*rules.types, *rules.charges) if _has(monomer, rule.smarts)]
        sources |= {rule.source for rule in matching}
    for types in kinds:
        of_molecule = types | {class_of.get(kind, "") for kind in types}
        for line in (line for root in roots for line in root.iter() if "source" in line.attrib):
            ends = {value for key, value in line.attrib.items() if key.startswith(("class", "type")) and value}
            if ends and ends <= of_molecule:
                sources |= set(line.get("source", "").split())
    return sources


def _has(mol: Chem.Mol, smarts: str) -> bool:
    return bool(mol.HasSubstructMatch(Chem.MolFromSmarts(smarts)))


def recipe_facts(recipe: Recipe) -> set[str]:
    """Return what the model of a box has: `UNKNOWN_PARAMETERS` if the files of its force field are gone."""
    facts = {"packing"}
    try:
        facts |= {f"{_PARAMETERS}{source}" for source in parameter_sources(recipe)}
    except InvalidInput:
        facts.add(UNKNOWN_PARAMETERS)
    has_ions = any(entry.role != "solvent" for entry in recipe.entries.values())
    return facts | ({"scaled_charges"} if has_ions and recipe.force_field.ion_charge_scale < 1 else set())


def protocol_facts(protocol: Protocol) -> set[str]:
    """Return the methods that a protocol uses."""
    moving = [stage for stage in protocol.stages if not isinstance(stage, Minimize)]
    facts = {stage.thermostat for stage in moving} & FACTS  # none has nothing to cite
    if any(getattr(stage, "pressure", None) is not None for stage in moving):
        facts.add("barostat")
    if any(isinstance(stage, Dynamics) and stage.until is not None for stage in moving):
        facts.add("equilibration")
    if protocol.hydrogen_mass is not None:
        facts.add("heavy_hydrogens")
    if protocol.constraints == "h_bonds":
        facts.add("rigid_bonds")
    if isinstance(protocol.windows, Umbrella):
        facts.add("umbrella")
    elif protocol.windows is not None:
        facts.add("decoupling")
    exchange = protocol.grand_canonical
    return facts | (_exchange_facts(exchange) if exchange is not None else set())


def _exchange_facts(exchange: GrandCanonical) -> set[str]:
    times = exchange.switching_times
    is_at_once = times is not None and not any(times.values())
    return {"grand_canonical"} | (set() if is_at_once else {"switching"})


def cluster_facts(clusters: dict[str, dict[str, Any] | None]) -> set[str]:
    """Return the methods behind the energies of clusters, from `report_clusters.read_clusters`."""
    facts = set()
    if (binding := clusters.get("binding")) is not None:
        facts |= set(binding["summary"]["methods"]) & FACTS
        geometries = set(binding["tables"]["means"].geometry)
        facts |= {"minima"} if "relaxed" in geometries else set()
    return facts | ({"gfn2", "minima"} if clusters.get("infrared") else set())


def run_facts(run: Run) -> set[str]:
    """Return what a run has that is to be cited, whatever was analyzed of it."""
    return {"simulation"} | recipe_facts(run.box.recipe) | protocol_facts(run.protocol)
