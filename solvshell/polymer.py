"""A polymer in a recipe: the monomer, how its units are joined, how long the chains are and how much there is of it."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator

from solvshell.species import Species, check_role
from solvshell.units import Fraction

AtomNumber = PositiveInt
#: of Li+ and an O of a polymer, as of any; an ammonium N, which its four arms cover, is never that near
TYPICAL_CUTOFF_ANGSTROM = 3.0


class Linkage(BaseModel):
    """How a monomer becomes a repeat unit, in the numbers of its SMILES (``[CH2:1]=[CH:2]C``).

    Each bond of `open` loses one order (a double bond becomes single, a single one breaks, as in a ring opening), each
    of `close` is made within the unit. What is left open then, one valence at `tail` and one at `head`, joins the
    units: the head of one with the tail of the next.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    open: Annotated[list[tuple[AtomNumber, AtomNumber]], Field(min_length=1)]
    close: list[tuple[AtomNumber, AtomNumber]] = []
    tail: AtomNumber
    head: AtomNumber


class Polymer(BaseModel):
    """Chains or a network, with counter-ions in exact number.

    Attributes
    ----------
    name
        Of the species and of the residue of each repeat unit.
    monomer
        SMILES; atoms that `linkage` names carry numbers.
    architecture
        ``vinyl``: addition through one C=C of each unit; ``cyclo``: two allyls of one nitrogen close a ring of five
        in the backbone; ``network``: chain growth through all C=C in the packed box. In place of it a `linkage`.
    chain_length, chains, units
        Units of a chain, number of chains; units of a network. In place of `chains` or `units`: `mass_fraction`.
    mass_fraction
        (polymer + its counter-ions) / all.
    counter_ion
        As many as neutralise the chains.
    conversion
        Share of the C=C of a network that shall react.
    head_to_head
        Share of the units of a chain that are built in the other way round.
    end_groups
        What closes the chains: at the tail of the first and at the head of the last unit.
    unreacted
        C=C that did not react: ``keep``, or ``saturate`` (a propyl in place of an allyl).
    sites
        Atoms that coordinate, by name: element and number in the order of the SMILES, such as ``N1``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]{0,4}$")]
    title: str = ""
    monomer: Annotated[str, Field(min_length=1)]
    architecture: Literal["vinyl", "cyclo", "network"] | None = None
    linkage: Linkage | None = None
    chain_length: PositiveInt | None = None
    chains: PositiveInt | None = None
    units: PositiveInt | None = None
    mass_fraction: Fraction | None = None
    counter_ion: str | None = None
    conversion: Annotated[float, Field(gt=0, le=1)] | None = None
    head_to_head: Annotated[float, Field(ge=0, le=1)] = 0.0
    end_groups: tuple[Literal["H", "CH3"], Literal["H", "CH3"]] = ("H", "H")
    unreacted: Literal["keep", "saturate"] = "keep"
    sites: Annotated[dict[str, Annotated[list[str], Field(min_length=1)]], Field(min_length=1)]

    @field_validator("counter_ion")
    @classmethod
    def _is_anion(cls, name: str | None) -> str | None:
        return None if name is None else check_role(name, "anion")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.architecture is None) == (self.linkage is None):
            raise ValueError("give either 'architecture' (vinyl, cyclo or network) or a 'linkage', and not both")
        if self.is_network:
            of_chains = ("chain_length", "chains", "head_to_head", "end_groups")
            default = {key: type(self).model_fields[key].default for key in of_chains}
            if wrong := [key for key in of_chains if getattr(self, key) != default[key]]:
                raise ValueError(f"{wrong[0]}: belongs to chains; a network has 'units' or a 'mass_fraction'")
            if self.conversion is None:
                raise ValueError("conversion: missing, needed by a network (share of its C=C that shall react)")
        else:
            wrong = [key for key in ("units", "conversion") if getattr(self, key) is not None]
            if wrong:
                raise ValueError(f"{wrong[0]}: belongs to architecture network; chains have a chain_length")
            if self.chain_length is None:
                raise ValueError("chain_length: missing, needed by chains")
        amount = "units" if self.is_network else "chains"
        if (getattr(self, amount) is None) == (self.mass_fraction is None):
            raise ValueError(f"give either {amount!r} or 'mass_fraction', and not both")
        return self

    @property
    def is_network(self) -> bool:
        """Whether the units are joined in the packed box, in all directions."""
        return self.architecture == "network"

    @property
    def molecule_units(self) -> int:
        """Units that are built as one molecule: a chain, or a monomer of the network to be."""
        return self.chain_length or 1

    @property
    def species(self) -> Species:
        """What an analysis looks for: residues are repeat units."""
        return Species(
            title=self.title or self.name,
            residue=self.name,
            smiles=self.monomer,
            role="polymer",
            sites=self.sites,
            typical_cutoff_angstrom={"Li": TYPICAL_CUTOFF_ANGSTROM},
        )
