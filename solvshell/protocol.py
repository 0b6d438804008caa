"""How a box is run: stages in times, not step counts. A protocol is a YAML file; shipped ones lie in ``protocols/``."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, model_validator

from solvshell.data import find, protocol_directory
from solvshell.files import read_yaml
from solvshell.units import Force, Mass, Pressure, Rate, Temperature, Time

#: dalton; three such hydrogens leave the carbon of a methyl group 4.5 of its 12
HEAVIEST_HYDROGEN = 3.5


#: ps; beyond it C=O and P-F, which are flexible, are not integrated any more
LONGEST_TIMESTEP = 0.005


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Minimize(_Part):
    """Minimise the energy until the root-mean-square force is below `tolerance`."""

    kind: Literal["minimize"]
    name: Annotated[str, Field(pattern=r"^[\w.-]+$")] = "minimize"
    tolerance: Force = 10.0
    max_iterations: PositiveInt | None = None


class Dynamics(_Part):
    """Molecular dynamics for a time: at constant pressure if `pressure` is given, at constant volume otherwise.

    The thermostat is LangevinMiddle with `friction`; `thermostat: none` (leapfrog at constant volume and energy)
    is for measuring energy conservation. `ramp_to` moves the temperature linearly over the stage (an anneal).
    """

    kind: Literal["dynamics"]
    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    duration: Time
    temperature: Temperature
    ramp_to: Temperature | None = None
    pressure: Pressure | None = None
    thermostat: Literal["langevin_middle", "none"] = "langevin_middle"
    friction: Rate = 1.0
    frame_interval: Time
    log_interval: Time
    production: bool = False

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.thermostat == "none" and (self.pressure is not None or self.ramp_to is not None):
            raise ValueError(
                "thermostat: none keeps volume and energy; 'pressure' and 'ramp_to' do not belong beside it"
            )
        if self.production and self.ramp_to is not None:
            raise ValueError("production runs at one temperature; 'ramp_to' belongs to an earlier stage")
        return self

    @property
    def ensemble(self) -> str:
        """NVE, NVT or NPT."""
        if self.thermostat == "none":
            return "NVE"
        return "NVT" if self.pressure is None else "NPT"


Stage = Annotated[Minimize | Dynamics, Field(discriminator="kind")]


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


def _slower_than_vibrations(timestep: float) -> float:
    if timestep > LONGEST_TIMESTEP:
        raise ValueError(
            f"at most {1000 * LONGEST_TIMESTEP:g} fs, got {1000 * timestep:g} fs: bonds vibrate within 20 fs"
        )
    return timestep


def _lighter_than_carbon(mass: float) -> float:
    if not 1.0 <= mass <= HEAVIEST_HYDROGEN:
        raise ValueError(
            f"from 1 to {HEAVIEST_HYDROGEN} Da, got {mass:g} Da: a CH3 would keep too little mass in its carbon"
        )
    return mass


class Protocol(_Part):
    """Stages and what they share. The last stage, and no other, is production.

    With `constraints: h_bonds` all bonds to hydrogen are rigid; `hydrogen_mass` moves mass from heavy atoms to the
    hydrogens bonded to them. Both act on a copy of the Box's system.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    title: str
    timestep: Annotated[Time, AfterValidator(_slower_than_vibrations)]
    constraints: Literal["h_bonds", "none"] = "h_bonds"
    hydrogen_mass: Annotated[Mass, AfterValidator(_lighter_than_carbon)] | None = None
    checkpoint_interval: Time
    stages: Annotated[list[Stage], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        try:
            steps_of(self.checkpoint_interval, self.timestep)
        except ValueError as error:
            raise ValueError(f"checkpoint_interval: {error}") from None
        for index, stage in enumerate(self.stages):
            if not isinstance(stage, Dynamics):
                continue
            if stage.production and index < len(self.stages) - 1:
                raise ValueError(f"stages.{index} ({stage.name}): 'production: true' belongs to the last stage only")
            for key in ("duration", "frame_interval", "log_interval"):
                try:
                    steps_of(getattr(stage, key), self.timestep)
                except ValueError as error:
                    raise ValueError(f"stages.{index}.{key}: {error}") from None
            if steps_of(stage.duration, self.timestep) % steps_of(stage.frame_interval, self.timestep):
                raise ValueError(
                    f"stages.{index}.frame_interval: {stage.frame_interval:g} ps does not divide the duration"
                )
        last = self.stages[-1]
        if not isinstance(last, Dynamics) or not last.production:
            raise ValueError(f"stages: the last one ({last.name}) must be dynamics with 'production: true'")
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError(f"stages: names must differ, got {', '.join(names)}")
        return self

    @property
    def production(self) -> Dynamics:
        """The production stage."""
        stage = self.stages[-1]
        assert isinstance(stage, Dynamics)
        return stage


def load_protocol(name: str | Path) -> Protocol:
    """Return a protocol given by path, or by bare name for a shipped one.

    Raises
    ------
    InvalidInput
        If there is no such protocol, or a field of it is wrong: one line for each wrong field.
    """
    return read_yaml(find(name, protocol_directory(), "protocol"), Protocol)
