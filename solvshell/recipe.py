"""What is in the box: composition, size, force field. A recipe is a YAML file; the shipped ones lie in ``systems/``."""

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationInfo, field_validator, model_validator

from solvshell.data import find, recipe_directory
from solvshell.errors import InvalidInput
from solvshell.files import read_yaml
from solvshell.polymer import Polymer
from solvshell.species import Species, catalogue, check_role, find_species
from solvshell.units import Density, Fraction, Length, Molality, Molarity

Basis = Literal["volume", "mass", "mole"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourcedDensity(_Part):
    """A density with the place it was taken from."""

    value: Density
    source: Annotated[str, Field(min_length=1)]


class Salt(_Part):
    """A 1:1 salt and how much of it there is: a molarity (of solution or of solvent volume) or a molality."""

    cation: str
    anion: str
    molarity: Molarity | None = None
    molality: Molality | None = None
    per: Literal["solution", "solvent_volume"] | None = None

    @field_validator("cation", "anion")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        return check_role(name, str(info.field_name))

    @model_validator(mode="after")
    def _one_concentration(self) -> Self:
        if (self.molarity is None) == (self.molality is None):
            raise ValueError("give either 'molarity' (mol/L) or 'molality' (mol/kg of solvent), and not both")
        if (self.molarity is None) != (self.per is None):
            raise ValueError("'per' (solution or solvent_volume) belongs to 'molarity' and must be stated with it")
        return self


class Solvents(_Part):
    """A solvent mixture: the ratio of its components and what the ratio is of.

    Parts may have any sum (1:1:1); fractions, all below 1, must sum to 1, and percentages (``"30 %"``) to 100.
    """

    ratio: Annotated[dict[str, float], Field(min_length=1)]
    basis: Basis
    densities: dict[str, SourcedDensity] = {}

    @field_validator("ratio", mode="before")
    @classmethod
    def _as_fractions(cls, ratio: object) -> object:
        if not isinstance(ratio, dict):
            return ratio
        percent = {name: str(part).removesuffix("%").strip() for name, part in ratio.items() if str(part).endswith("%")}
        if percent and len(percent) != len(ratio):
            raise ValueError("either all components are given in % or none is")
        try:
            parts = {str(name): float(part) for name, part in (percent or ratio).items()}
        except (TypeError, ValueError):
            raise ValueError(f"parts must be numbers, fractions or percentages, got {ratio}") from None
        for name, part in parts.items():
            if not 0 < part < float("inf"):
                raise ValueError(f"the part of {name} must be greater than 0, got {part:g}")
        total = sum(parts.values())
        whole = 100.0 if percent else 1.0 if all(part < 1 for part in parts.values()) else total
        if abs(total - whole) > 1e-6 * whole:
            raise ValueError(f"the ratio sums to {total:g}{' %' if percent else ''} instead of {whole:g}: {ratio}")
        # Not by the total: fractions stay as they are, so that a recipe survives being written and read.
        return {name: part / whole for name, part in parts.items()}

    @field_validator("ratio")
    @classmethod
    def _known(cls, ratio: dict[str, float]) -> dict[str, float]:
        for name in ratio:
            check_role(name, "solvent")
        return ratio

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if extra := self.densities.keys() - self.ratio.keys():
            raise ValueError(f"densities: {', '.join(sorted(extra))} not in the ratio")
        if self.basis == "volume" and (missing := self.ratio.keys() - self.densities.keys()):
            raise ValueError(f"densities: missing for {', '.join(sorted(missing))}, needed by a ratio of volumes")
        return self


class Additive(_Part):
    """A second salt: a neutral formula such as ``{Li: 1, NO3: 1}``, and how much of it there is.

    `mass_fraction` is of the whole electrolyte (without a polymer), `per_salt` is formula units per unit of the salt.
    """

    formula: Annotated[dict[str, PositiveInt], Field(min_length=1)]
    mass_fraction: Fraction | None = None
    per_salt: Annotated[float, Field(gt=0)] | None = None

    @field_validator("formula")
    @classmethod
    def _known(cls, formula: dict[str, int]) -> dict[str, int]:
        for name in formula:
            find_species(name)
        return formula

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.mass_fraction is None) == (self.per_salt is None):
            raise ValueError("give either 'mass_fraction' (of the electrolyte) or 'per_salt', and not both")
        return self


class Composition(_Part):
    """Either a salt in a solvent mixture (or the mixture alone), with or without additives, or explicit counts."""

    salt: Salt | None = None
    solvents: Solvents | None = None
    additives: list[Additive] = []
    solution_density: SourcedDensity | None = None
    counts: Annotated[dict[str, PositiveInt], Field(min_length=1)] | None = None

    @field_validator("counts")
    @classmethod
    def _known(cls, counts: dict[str, int] | None) -> dict[str, int] | None:
        for name in counts or {}:
            find_species(name)
        return counts

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.counts is None) == (self.solvents is None):
            raise ValueError("give either 'solvents' (with or without 'salt') or explicit 'counts'")
        if self.counts is not None and (self.salt or self.solution_density or self.additives):
            raise ValueError(
                "'counts' are the whole composition: 'salt', 'additives', 'solution_density' do not belong beside them"
            )
        if sum(additive.mass_fraction or 0 for additive in self.additives) >= 1:
            raise ValueError("additives: their mass fractions leave nothing for the rest")
        if self.salt is None and any(additive.per_salt for additive in self.additives):
            raise ValueError("additives: 'per_salt' needs a salt; give a mass_fraction")
        if self.salt and self.salt.per == "solution" and self.solution_density is None:
            raise ValueError("solution_density: missing, needed by a molarity per volume of solution")
        if self.salt and self.salt.per == "solvent_volume":
            assert self.solvents is not None
            if missing := self.solvents.ratio.keys() - self.solvents.densities.keys():
                raise ValueError(
                    f"solvents.densities: missing for {', '.join(sorted(missing))}, needed per solvent_volume"
                )
        return self


class Model(_Part):
    """The force field and what else the energy depends on: the same wherever the Box is evaluated."""

    files: Annotated[list[str], Field(min_length=1)] = ["solvshell/lb003.xml"]
    ion_charge_scale: Annotated[float, Field(gt=0, le=1)] = 0.80
    cutoff: Length = 1.0
    switch: Length | None = 0.9
    tail_correction: bool = True
    typing: str = "solvshell/typing.yaml"
    pme_tolerance: Annotated[float, Field(gt=0, le=1e-2)] = 5e-4

    @field_validator("files")
    @classmethod
    def _inside(cls, files: list[str]) -> list[str]:
        for name in files:
            if ".." in PurePosixPath(name).parts:
                raise ValueError(f"{name!r} must not climb out of its folder with '..'")
        return files

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.switch is not None and self.switch >= self.cutoff:
            raise ValueError(f"switch must be below the cutoff of {self.cutoff:g} nm, got {self.switch:g} nm")
        return self


class Packing(_Part):
    """How Packmol starts: the smallest distance between atoms of two molecules and the density of the packed box."""

    tolerance: Length = 0.2
    density: Density = 1.0


class Recipe(_Part):
    """The content of a box; `n_salt` counts formula units of the salt, `n_molecules` sizes a salt-free box."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    title: str
    composition: Composition
    n_salt: PositiveInt | None = None
    n_molecules: PositiveInt | None = None
    smallest: PositiveInt = 1
    polymer: Polymer | None = None
    force_field: Model = Model()
    packing: Packing = Packing()

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        counts, salt = self.composition.counts, self.composition.salt
        if counts is not None:
            wrong = [key for key in ("n_salt", "n_molecules") if getattr(self, key) is not None]
            if wrong:
                raise ValueError(f"{wrong[0]}: does not belong beside composition.counts, which state the size")
            return self
        needed, other = ("n_salt", "n_molecules") if salt else ("n_molecules", "n_salt")
        if getattr(self, other) is not None:
            raise ValueError(f"{other}: a recipe {'with a' if salt else 'without'} salt is sized by {needed}")
        if (getattr(self, needed) or self.smallest) < self.smallest:
            raise ValueError(
                f"{needed}: at least {self.smallest} (the recipe's 'smallest'), got {getattr(self, needed)}"
            )
        return self

    @model_validator(mode="after")
    def _sized_chains(self) -> Self:
        by_number = self.polymer is not None and self.polymer.mass_fraction is None
        counts = self.composition.counts
        taken = set(catalogue()) | {entry.residue for entry in catalogue().values()}
        if self.polymer and self.polymer.name in taken:
            raise ValueError(f"polymer.name: {self.polymer.name!r} is a species or residue already; give another name")
        if by_number and counts is None and self.n_salt is None and self.n_molecules is None:
            raise ValueError("polymer: a number of chains or units belongs to a size; state n_salt or n_molecules")
        return self

    def __repr__(self) -> str:
        return f"<Recipe {self.name}: {self.title}>"

    def _repr_html_(self) -> str:
        from solvshell.display import recipe_html  # which knows recipes

        return recipe_html(self)

    @property
    def molecules(self) -> list[str]:
        """The species of small molecules and ions in the box, ions first."""
        composition = self.composition
        if composition.counts is not None:
            named = sorted(composition.counts, key=list(catalogue()).index)
        else:
            salt = [composition.salt.cation, composition.salt.anion] if composition.salt else []
            assert composition.solvents is not None
            added = [name for additive in composition.additives for name in additive.formula]
            named = [*salt, *added, *composition.solvents.ratio]
        counter_ion = [self.polymer.counter_ion] if self.polymer and self.polymer.counter_ion else []
        ions = [name for name in [*named, *counter_ion] if find_species(name).role != "solvent"]
        solvents = [name for name in named if find_species(name).role == "solvent"]
        return list(dict.fromkeys([*ions, *solvents]))

    @property
    def entries(self) -> dict[str, Species]:
        """Every species of the box by name, the polymer last."""
        polymer = {self.polymer.name: self.polymer.species} if self.polymer else {}
        return {name: find_species(name) for name in self.molecules} | polymer

    @property
    def species(self) -> list[str]:
        """The names of all species of the box."""
        return list(self.entries)

    def with_polymer_fraction(self, fraction: float) -> "Recipe":
        """Return the same recipe with another mass fraction of polymer, named so; without a polymer if that is 0.

        Raises
        ------
        InvalidInput
            If the recipe has no polymer, or that is no fraction.
        """
        if self.polymer is None:
            raise InvalidInput(f"polymer: recipe {self.name!r} has none")
        if not 0 <= fraction < 1:
            raise InvalidInput(f"polymer.mass_fraction: from 0 to below 1, got {fraction:g}")
        other = {"chains": None, "units": None, "mass_fraction": fraction}
        return self.model_copy(
            update={
                "name": f"{self.name}_w{100 * fraction:g}",
                "title": f"{self.title}; {100 * fraction:g} % polymer by mass",
                "polymer": self.polymer.model_copy(update=other) if fraction else None,
            }
        )

    def with_ion_charge_scale(self, scale: float) -> "Recipe":
        """Return the same recipe with another factor on the charges of ions, named so.

        Raises
        ------
        InvalidInput
            If that is not above 0 and at most 1.
        """
        if not 0 < scale <= 1:
            raise InvalidInput(f"force_field.ion_charge_scale: above 0 and at most 1, got {scale:g}")
        return self.model_copy(
            update={
                "name": f"{self.name}_q{100 * scale:g}",
                "title": f"{self.title}; charges of ions scaled by {scale:g}",
                "force_field": self.force_field.model_copy(update={"ion_charge_scale": scale}),
            }
        )


def load_recipe(name: str | Path) -> Recipe:
    """Return a recipe given by path, or by bare name for a shipped one.

    Raises
    ------
    InvalidInput
        If there is no such recipe, or a field of it is wrong: one line for each wrong field.
    """
    return read_yaml(find(name, recipe_directory(), "recipe"), Recipe)
