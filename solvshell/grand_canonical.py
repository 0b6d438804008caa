"""The grand-canonical stage of a protocol: molecules of some species come from a reservoir and go there."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, PositiveFloat, PositiveInt, model_validator

from solvshell.errors import InvalidInput
from solvshell.motion import Motion, Part
from solvshell.reservoir import Reservoir
from solvshell.species import find_species
from solvshell.units import Length, Time, parse, text

Share = Annotated[float, Field(ge=0, le=1)]


class Slab(Part):
    """What lies between two fractions of the cell along one of its axes."""

    kind: Literal["slab"]
    axis: Literal["x", "y", "z"]
    between: tuple[Share, Share]

    @model_validator(mode="after")
    def _has_a_width(self) -> Self:
        low, high = self.between
        if low >= high:
            raise ValueError(f"between: the smaller fraction of the cell first, got {low:g} and {high:g}")
        return self


class Sphere(Part):
    """A sphere about the first ion of a species, with which it moves, or about a point in fractions of the cell."""

    kind: Literal["sphere"]
    around: str | None = None
    at: tuple[Share, Share, Share] | None = None
    radius: Length

    @model_validator(mode="after")
    def _one_center(self) -> Self:
        if (self.around is None) == (self.at is None):
            raise ValueError("give either 'around' (a species of one atom) or 'at' (three fractions of the cell)")
        return self


def _time(value: object) -> float:
    found = parse(value, "time")
    if found < 0:
        raise ValueError(f"{value!r} must be at least 0 ps, which is no switching: moves at once")
    return found


def _switching_time(value: object) -> object:
    """Return the times that text states, one for all or one for each species; "auto" as it is."""
    if value == "auto":
        return value
    if isinstance(value, dict):
        return {name: _time(each) for name, each in value.items()}
    try:
        return _time(value)
    except ValueError as error:
        raise ValueError(f"{error}, or 'auto': the time is measured") from None


def _switching_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: text(each, "time") for name, each in value.items()}
    return value if value == "auto" else text(value, "time")


SwitchingTime = Annotated[
    Literal["auto"] | float | dict[str, float],
    BeforeValidator(_switching_time),
    PlainSerializer(_switching_text),
]


def check_neutral(name: str) -> None:
    """Refuse a species that cannot come and go by itself.

    Raises
    ------
    InvalidInput
        If it is not known, or no solvent.
    """
    if (role := find_species(name).role) != "solvent":
        raise InvalidInput(
            f"{name} is a {role}; only neutral molecules come and go by themselves, since an ion would leave a charge "
            "behind, and of a salt no more than the product of its activities is defined"
        )


class GrandCanonical(Motion):
    """Molecular dynamics for `duration`, with one attempt to insert or delete a molecule every `move_interval`.

    An attempt takes `switching_time` of dynamics that counts in no other time; at 0 ps a molecule comes or goes at
    once, which is for gases. With `auto` the time is measured when the stage starts. Of several species each is tried
    equally often, or as its `weights` say, 1 where there is none. `region` is where molecules come and go; the whole
    box if left out. The files of a run have room for so many molecules of a species: `room`,
    or twice as many as the box has and 20 more.

    At constant volume if `pressure` is left out. With it, the box has to hold a network that can bear what the
    reservoir does not: see `solvshell.md.grand.pool_box`.
    """

    kind: Literal["grand_canonical"]
    reservoir: Reservoir
    open: Annotated[list[str], Field(min_length=1)] | None = None
    duration: Time
    move_interval: Time
    switching_time: SwitchingTime = "auto"
    weights: Annotated[dict[str, PositiveFloat], Field(default_factory=dict)]
    region: Annotated[Slab | Sphere, Field(discriminator="kind")] | None = None
    room: Annotated[dict[str, PositiveInt], Field(default_factory=dict)]
    frame_interval: Time

    thermostat: ClassVar[str] = "langevin_middle"
    ramp_to: ClassVar[None] = None
    until: ClassVar[None] = None
    volume_of: ClassVar[None] = None
    production: ClassVar[bool] = True

    @model_validator(mode="after")
    def _species_can_be_exchanged(self) -> Self:
        held = list(self.reservoir.species)
        for name in self.species:
            if name not in held:
                raise ValueError(f"open: the reservoir {self.reservoir.name} holds {', '.join(held)}, got {name}")
            try:
                check_neutral(name)
            except ValueError as error:
                raise ValueError(f"open: {error}") from None
        if len(set(self.species)) != len(self.species):
            raise ValueError(f"open: each species once, got {', '.join(self.species)}")
        return self

    @model_validator(mode="after")
    def _of_open_species(self) -> Self:
        times = self.switching_time if isinstance(self.switching_time, dict) else dict.fromkeys(self.species)
        for key, names in (("switching_time", times), ("room", self.room), ("weights", self.weights)):
            if extra := [name for name in names if name not in self.species]:
                raise ValueError(f"{key}: {', '.join(extra)} not among the open species {', '.join(self.species)}")
        if missing := [name for name in self.species if name not in times]:
            raise ValueError(f"switching_time: missing for {', '.join(missing)}")
        return self

    @property
    def species(self) -> list[str]:
        """The open species: all of the reservoir if not stated."""
        return list(self.reservoir.species) if self.open is None else self.open

    @property
    def switching_times(self) -> dict[str, float] | None:
        """How long a switch of each open species lasts, in ps; None if that is to be measured."""
        if isinstance(self.switching_time, dict):
            return self.switching_time
        return None if self.switching_time == "auto" else dict.fromkeys(self.species, float(self.switching_time))

    @property
    def ensemble(self) -> str:
        """MuVT or muPT."""
        return "muVT" if self.pressure is None else "muPT"
