"""What all stages of molecular dynamics state, of whatever kind they are."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from solvshell.units import Pressure, Rate, Temperature, Time

Name = Annotated[str, Field(pattern=r"^[\w.-]+$")]


class Part(BaseModel):
    """A piece of a protocol: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Motion(Part):
    """What all molecular dynamics state: at constant pressure if `pressure` is given, at constant volume otherwise.

    The thermostat is LangevinMiddle with `friction`.
    """

    name: Name
    temperature: Temperature
    pressure: Pressure | None = None
    friction: Rate = 1.0
    log_interval: Time
