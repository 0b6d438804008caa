"""The stages of a protocol: what happens to the molecules, in times and not in step counts."""

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from solvshell.grand_canonical import GrandCanonical
from solvshell.motion import Motion, Name, Part
from solvshell.units import Density, Energy, Force, Heat, Length, Spring, Temperature, Time


class Minimize(Part):
    """Minimise the energy until the root-mean-square force is below `tolerance`."""

    kind: Literal["minimize"]
    name: Name = "minimize"
    tolerance: Force = 10.0
    max_iterations: PositiveInt | None = None


class Until(Part):
    """When a stage has equilibrated: looked at after `minimum`, then every `check_interval`, and at the end.

    Without its start, half of it at most, the stage must hold `n_independent` independent samples of the density (where
    the volume changes) and of the potential energy, and neither may drift, by more than its error or by more than
    `density` and `energy`: see `solvshell.md.equilibration.judge`. The energy is that of a gram, so that one tolerance
    serves boxes of any size; a liquid takes up about 1.5 J/g for each kelvin.
    """

    minimum: Time
    check_interval: Time
    n_independent: Annotated[int, Field(ge=10)] = 50
    density: Density = 0.005
    energy: Heat = 3.0


class Dynamics(Motion):
    """Molecular dynamics for a time, or `until` it has equilibrated but for `duration` at most.

    `thermostat: nose_hoover` (a chain whose collision frequency is `friction`) and `none` (leapfrog at constant energy)
    leave the momenta of the molecules alone or nearly so: they are for times that are to be physical, and go with
    constant volume only, since each move of the barostat displaces all molecules at once. A stage at constant volume
    begins at the mean volume of the constant-pressure stage `volume_of`, or else where the stage before left the cell.
    `ramp_to` moves the temperature linearly over the stage (an anneal).
    """

    kind: Literal["dynamics"]
    duration: Time
    until: Until | None = None
    ramp_to: Temperature | None = None
    volume_of: Name | None = None
    thermostat: Literal["langevin_middle", "nose_hoover", "none"] = "langevin_middle"
    frame_interval: Time
    production: bool = False

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.thermostat != "langevin_middle" and (self.pressure is not None or self.ramp_to is not None):
            raise ValueError(
                f"thermostat: {self.thermostat} is for undisturbed dynamics at one volume; 'pressure' and 'ramp_to' "
                "do not belong beside it"
            )
        if self.production and self.ramp_to is not None:
            raise ValueError("production runs at one temperature; 'ramp_to' belongs to an earlier stage")
        if self.volume_of is not None and self.pressure is not None:
            raise ValueError("volume_of: is for constant volume; 'pressure' does not belong beside it")
        if self.until is not None:
            self._check_until(self.until)
        return self

    def _check_until(self, until: Until) -> None:
        """Refuse a criterion that cannot be met or makes no sense for this stage."""
        if self.production:
            raise ValueError("until: equilibrates; production has a fixed duration")
        if self.ramp_to is not None:
            raise ValueError("until: nothing is in equilibrium while the temperature changes; not with 'ramp_to'")
        if until.minimum > self.duration:
            raise ValueError(
                f"until.minimum: at most the duration, which is the ceiling ({self.duration:g} ps), "
                f"got {until.minimum:g} ps"
            )
        n_rows = int(self.duration / self.log_interval + 1e-6)
        if n_rows < 2 * until.n_independent:
            raise ValueError(
                f"log_interval: {self.log_interval:g} ps makes {n_rows} rows in {self.duration:g} ps, half of which "
                f"may be dropped; until.n_independent asks for {until.n_independent}"
            )

    @property
    def ensemble(self) -> str:
        """NVE, NVT or NPT."""
        if self.thermostat == "none":
            return "NVE"
        return "NVT" if self.pressure is None else "NPT"


class Windows(Motion, ABC):
    """Molecular dynamics in windows, one after the other: in each for `relax`, unrecorded, then for `sample`.

    Something that differs between the windows, such as the center of a spring, is set at the start of each; something
    that is measured goes to ``<kind>.csv`` of the run every `record_interval` of `sample`. With `approach` the first
    window is reached evenly in that time. Frames are written to the trajectory only if `frame_interval` is given.
    """

    approach: Time | None = None
    relax: Time
    sample: Time
    record_interval: Time
    frame_interval: Time | None = None

    kind: str
    thermostat: ClassVar[str] = "langevin_middle"
    ramp_to: ClassVar[None] = None
    until: ClassVar[None] = None
    volume_of: ClassVar[None] = None
    production: ClassVar[bool] = True

    @property
    @abstractmethod
    def n_windows(self) -> int:
        """How many windows there are, each counted as often as it is visited."""

    @property
    def duration(self) -> float:
        """All of it, in ps."""
        return (self.approach or 0.0) + self.n_windows * (self.relax + self.sample)


class _DistanceWindows(Part):
    at: Annotated[list[Length], Field(min_length=1)]
    spring: Spring


class _NumberWindows(Part):
    at: Annotated[list[PositiveFloat], Field(min_length=1)]
    spring: Energy


class Distance(Part):
    """The distance between one center and an atom of one partner molecule, such as Li+ and the P of a PF6-."""

    kind: Literal["distance"]
    center: str
    partner: str
    site: str
    windows: Annotated[list[_DistanceWindows], Field(min_length=1)]


class CoordinationNumber(Part):
    """The smooth coordination number of one center: the sum of 1 / (1 + exp((r - radius) / width)).

    It runs over the coordinating sites of the `partners`; of all solvents and anions if left out.
    """

    kind: Literal["coordination_number"]
    center: str
    partners: list[str] | None = None
    radius: Length
    width: Length
    windows: Annotated[list[_NumberWindows], Field(min_length=1)]


class Umbrella(Windows):
    """Windows of springs, 1/2 spring (coordinate - at)^2, visited in their order and then back again.

    Which molecules are tagged is decided when the stage starts: those whose distance is nearest to the first window, or
    the center whose coordination number is nearest to the median of all centers.
    """

    kind: Literal["umbrella"]
    coordinate: Annotated[Distance | CoordinationNumber, Field(discriminator="kind")]

    @model_validator(mode="after")
    def _windows_differ(self) -> Self:
        for (before, _), (at, _) in pairwise(self.springs):
            if before == at:
                raise ValueError(f"coordinate.windows: {at:g} stands twice in a row")
        if len(self.springs) < 2:
            raise ValueError("coordinate.windows: at least two, got 1")
        return self

    @property
    def springs(self) -> list[tuple[float, float]]:
        """Center and spring constant of each window in order, each once; nm and kJ/mol/nm2, or 1 and kJ/mol."""
        return [(at, group.spring) for group in self.coordinate.windows for at in group.at]

    @property
    def visits(self) -> list[tuple[float, float]]:
        """Center and spring constant of each window as visited: in order and back again."""
        return [*self.springs, *reversed(self.springs)]

    @property
    def n_windows(self) -> int:  # noqa: D102
        return len(self.visits)


class Decouple(Windows):
    """Windows of two lambdas, which take a neutral set of molecules, one of each species named, out of the medium.

    From full strength (1) the charges are switched off first, then Lennard-Jones (0: ideal molecules); all states are
    visited in this order and then back again. The set keeps its inner energy; its molecules are decoupled from each
    other too.
    """

    kind: Literal["decouple"]
    molecules: Annotated[list[str], Field(min_length=1)]
    charges: Annotated[list[float], Field(min_length=2)]
    lennard_jones: Annotated[list[float], Field(min_length=2)]

    @model_validator(mode="after")
    def _from_one_to_zero(self) -> Self:
        for key, values in (("charges", self.charges), ("lennard_jones", self.lennard_jones)):
            if (values[0], values[-1]) != (1, 0) or any(after >= before for before, after in pairwise(values)):
                raise ValueError(f"{key}: lambdas fall from 1 to 0, got {', '.join(f'{value:g}' for value in values)}")
        if len(set(self.molecules)) != len(self.molecules):
            raise ValueError(f"molecules: one of each species, got {', '.join(self.molecules)}")
        if self.approach is not None:
            raise ValueError("approach: the first state is the plain model; there is nothing to approach")
        return self

    @property
    def states(self) -> list[tuple[float, float]]:
        """Lambdas of charges and of Lennard-Jones of each state, each once."""
        return [*((charges, 1.0) for charges in self.charges), *((0.0, value) for value in self.lennard_jones[1:])]

    @property
    def visits(self) -> list[int]:
        """The state of each window as visited: in order and back again."""
        order = range(len(self.states))
        return [*order, *reversed(order)]

    @property
    def n_windows(self) -> int:  # noqa: D102
        return len(self.visits)


#: what is advanced in time steps
MovingStage = Dynamics | Windows | GrandCanonical

Stage = Annotated[Minimize | Dynamics | Umbrella | Decouple | GrandCanonical, Field(discriminator="kind")]


def steps_of(time: float, timestep: float) -> int:
    """Return how many time steps make a time.

    Raises
    ------
    ValueError
        If that is no whole number.
    """
    steps = round(time / timestep)
    if steps < 1 or abs(steps * timestep - time) > 1e-6 * timestep:
        raise ValueError(f"{time:g} ps is not a whole number of time steps of {timestep:g} ps")
    return steps
