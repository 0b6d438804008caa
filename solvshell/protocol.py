"""How a box is run: stages in times, not step counts. A protocol is a YAML file; shipped ones lie in ``protocols/``."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from solvshell.data import find, protocol_directory
from solvshell.errors import InvalidInput
from solvshell.files import read_yaml
from solvshell.stages import Dynamics, Minimize, Part, Stage, Windows, steps_of
from solvshell.units import Mass, Time

#: dalton; three such hydrogens leave the carbon of a methyl group 4.5 of its 12
HEAVIEST_HYDROGEN = 3.5


#: ps; beyond it C=O and P-F, which are flexible, are not integrated any more
LONGEST_TIMESTEP = 0.005


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


def _check_times(stage: Dynamics | Windows, field: str, timestep: float) -> None:
    """Refuse times that are no whole number of time steps, and intervals that do not divide what they divide."""
    for key in (
        "approach", "relax", "sample", "record_interval", "duration", "frame_interval", "log_interval"
    ):  # fmt: skip
        if (value := getattr(stage, key, None)) is not None:
            try:
                steps_of(value, timestep)
            except ValueError as error:
                raise ValueError(f"{field}.{key}: {error}") from None
    whole = [("frame_interval", stage.frame_interval, "duration", stage.duration)]
    if isinstance(stage, Windows):
        whole.append(("record_interval", stage.record_interval, "sample", stage.sample))
    for part, interval, name, total in whole:
        if interval is not None and steps_of(total, timestep) % steps_of(interval, timestep):
            raise ValueError(f"{field}.{part}: {interval:g} ps does not divide the {name}")


class Protocol(Part):
    """Stages and what they share. The last stage, and no other, is production: plain dynamics, or windows.

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
            if not isinstance(stage, Minimize):
                _check_times(stage, f"stages.{index}", self.timestep)
            if getattr(stage, "production", False) and index < len(self.stages) - 1:
                what = "'production: true'" if isinstance(stage, Dynamics) else f"kind {stage.kind}"
                raise ValueError(f"stages.{index} ({stage.name}): {what} belongs to the last stage only")
        last = self.stages[-1]
        if not getattr(last, "production", False):
            raise ValueError(
                f"stages: the last one ({last.name}) must be dynamics with 'production: true', or windows "
                "(umbrella, decouple)"
            )
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError(f"stages: names must differ, got {', '.join(names)}")
        return self

    @property
    def windows(self) -> Windows | None:
        """The last stage if it is made of windows."""
        stage = self.stages[-1]
        return stage if isinstance(stage, Windows) else None

    @property
    def production(self) -> Dynamics:
        """The production stage.

        Raises
        ------
        InvalidInput
            If the last stage is made of windows: what it samples is no liquid in equilibrium.
        """
        stage = self.stages[-1]
        if not isinstance(stage, Dynamics):
            raise InvalidInput(
                f"protocol {self.name} ends in windows ({stage.name}), not in production: it offers a free energy, "
                "by 'solvshell analyze' and 'solvshell report', and nothing else"
            )
        return stage


def load_protocol(name: str | Path) -> Protocol:
    """Return a protocol given by path, or by bare name for a shipped one.

    Raises
    ------
    InvalidInput
        If there is no such protocol, or a field of it is wrong: one line for each wrong field.
    """
    return read_yaml(find(name, protocol_directory(), "protocol"), Protocol)
