"""The Reservoir: at what activity each open species is held, and for which model that is right. A YAML file."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from solvshell.errors import InvalidInput
from solvshell.files import read_yaml
from solvshell.fingerprint import Fingerprint, check_same_model
from solvshell.units import (
    BAR_PER_KJ_MOL_NM3,
    Concentration,
    Energy,
    Potential,
    Pressure,
    Temperature,
    kT_kj_mol,
)

if TYPE_CHECKING:
    from solvshell.box import Box  # which knows protocols, and these know reservoirs

#: K; a temperature in a file may be rounded
_SAME_TEMPERATURE = 1e-3


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Activity(_Part):
    """The activity z = f / kT of a species: for an ideal gas, its number density.

    From a decoupling, z = n / volume exp(mu_ex / kT), and the rest says how it was found; by hand, `activity` is
    enough.

    Attributes
    ----------
    activity : float
        In nm^-3.
    beta_mu_error : float, optional
        Standard error of ln z.
    mu_ex, mu_ex_error : float, optional
        Excess chemical potential and its standard error in kJ/mol.
    density : float, optional
        n / volume in nm^-3.
    n : int, optional
        Molecules in the box, the one that was decoupled counted.
    at_n : float, optional
        Of how many molecules in the box z is the activity: n - 1/2, midway between with and without the one.
    status : str, optional
        Of the decoupling; a number that is not ``resolved`` is not one to quote.
    """

    activity: Concentration
    beta_mu_error: NonNegativeFloat | None = None
    mu_ex: Potential | None = None
    mu_ex_error: Energy | None = None
    density: Concentration | None = None
    n: PositiveInt | None = None
    at_n: PositiveFloat | None = None
    status: Literal["resolved", "drifting", "too_few_samples"] | None = None


class Reservoir(_Part):
    """What open species are exchanged with.

    Without `model` it was given by hand: then only its temperature can be checked.

    Attributes
    ----------
    name : str
    temperature, pressure : float
        In K and bar, of the bulk that it was measured in.
    species : dict of str to Activity
    medium : dict
        Number of molecules of each species of that bulk.
    model : Fingerprint, optional
        That the activities belong to.
    provenance : dict
    """

    name: Annotated[str, Field(min_length=1)]
    temperature: Temperature
    pressure: Pressure | None = None
    species: Annotated[dict[str, Activity], Field(min_length=1)]
    medium: dict[str, PositiveInt] = {}
    model: Fingerprint | None = None
    provenance: dict[str, Any] = {}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.model is not None and (missing := [name for name in self.species if name not in self.model.species]):
            raise ValueError(f"model.species: {', '.join(missing)} missing, of which there is an activity")
        return self

    def __repr__(self) -> str:
        activities = ", ".join(f"{name} at {one.activity:.4g} /nm3" for name, one in self.species.items())
        return f"<Reservoir {self.name}: {activities}; {self.temperature:g} K>"

    def _repr_html_(self) -> str:
        from solvshell.display import reservoir_html  # which knows reservoirs

        return reservoir_html(self)

    @property
    def is_by_hand(self) -> bool:
        """Whether nothing tells what model its activities belong to."""
        return self.model is None

    def fugacity_bar(self, species: str) -> float:
        """Return the fugacity z kT of a species in bar."""
        return self.species[species].activity * kT_kj_mol(self.temperature) * BAR_PER_KJ_MOL_NM3

    def adams_parameter(self, species: str, volume_nm3: float) -> float:
        """Return B = ln(z V) of a species in a volume."""
        return math.log(self.species[species].activity * volume_nm3)


def differences(there: Reservoir, given: Reservoir) -> str:
    """Return what is not the same in two reservoirs: activities, or else which fields."""
    activities = [
        f"activity of {name} {held.activity:.6g} /nm3 there, {wanted.activity:.6g} /nm3 given"
        for name, held in there.species.items()
        if (wanted := given.species.get(name)) is not None and wanted.activity != held.activity
    ]
    fields = [name for name in Reservoir.model_fields if getattr(there, name) != getattr(given, name)]
    return ", ".join(activities) or f"differs in {', '.join(fields)}"


def load_reservoir(path: Path) -> Reservoir:
    """Return the reservoir of a YAML file.

    Raises
    ------
    InvalidInput
        If it cannot be read, or a field of it is wrong: one line for each wrong field.
    """
    return read_yaml(path, Reservoir)


def check_temperature(reservoir: Reservoir, temperature: float, source: str) -> None:
    """Refuse a reservoir of another temperature, in K; `source` is what the message names."""
    if abs(reservoir.temperature - temperature) > _SAME_TEMPERATURE:
        raise InvalidInput(
            f"{source}: temperature: is of {reservoir.temperature:g} K, the stage is at {temperature:g} K"
        )


def check_reservoir(reservoir: Reservoir, box: "Box", temperature: float, open_species: Sequence[str]) -> None:
    """Refuse a reservoir that does not belong to a box: nothing would tell that numbers come out wrong.

    Parameters
    ----------
    reservoir : Reservoir
    box : Box
    temperature : float
        Of the stage, in K.
    open_species : sequence of str

    Raises
    ------
    InvalidInput
        If it has no activity of an open species, or the box has no molecule of it to take as a pattern; if the
        temperature is another; unless given by hand, if the parameters of a species of both, the scale of the charges
        of ions, cutoff, switch, tail or the PME tolerance are others.
    """
    source = f"reservoir {reservoir.name}"
    for species in open_species:
        if species not in reservoir.species:
            raise InvalidInput(f"{source}: has no activity of {species} (has: {', '.join(reservoir.species)})")
        if not box.counts.get(species):
            known = ", ".join(key for key, count in box.counts.items() if count)
            raise InvalidInput(f"{source}: species.{species}: no such molecule in the box ({known})")
    check_temperature(reservoir, temperature, source)
    if reservoir.model is not None:
        check_same_model(reservoir.model, box, f"{source}: model")
