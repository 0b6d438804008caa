"""How a box is run: stages in times, not step counts. A protocol is a YAML file; shipped ones lie in ``protocols/``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from solvshell.data import find, protocol_directory
from solvshell.errors import InvalidInput
from solvshell.files import validate, yaml_content
from solvshell.grand_canonical import GrandCanonical, check_neutral
from solvshell.motion import Part
from solvshell.reservoir import Reservoir, check_temperature, load_reservoir
from solvshell.stages import Dynamics, Minimize, MovingStage, Stage, Windows, steps_of
from solvshell.units import Mass, Temperature, Time

#: dalton; three such hydrogens leave the carbon of a methyl group 4.5 of its 12
HEAVIEST_HYDROGEN = 3.5

#: ps; beyond it C=O and P-F, which are flexible, are not integrated any more
LONGEST_TIMESTEP = 0.005

#: of one trajectory: XTC keeps the number of the step in 32 bits
_MOST_STEPS = 2**31 - 1

#: what a stage says in place of a temperature where the file has `temperatures`
EACH = "each"


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


_TIMES = (
    "approach", "relax", "sample", "record_interval", "duration", "frame_interval", "log_interval", "move_interval",
)  # fmt: skip


def _check_times(stage: MovingStage, field: str, timestep: float) -> None:
    """Refuse times that are no whole number of time steps, and intervals that do not divide what they divide."""
    times = {key: getattr(stage, key, None) for key in _TIMES}
    divide = [("frame_interval", "duration")]
    if isinstance(stage, Windows):
        divide.append(("record_interval", "sample"))
    elif isinstance(stage, GrandCanonical):
        divide.append(("move_interval", "duration"))
        switches = (stage.switching_times or {}).items()
        times |= {f"switching_time.{name}": time for name, time in switches if time > 0}
    elif stage.until is not None:
        checks = {"until.minimum": stage.until.minimum, "until.check_interval": stage.until.check_interval}
        times |= checks
        divide += [("log_interval", key) for key in ("duration", *checks)]
    steps = {}
    for key, time in times.items():
        if time is not None:
            try:
                steps[key] = steps_of(time, timestep)
            except ValueError as error:
                raise ValueError(f"{field}.{key}: {error}") from None
    for part, whole in divide:
        if part in steps and steps[whole] % steps[part]:
            raise ValueError(f"{field}.{part}: {times[part]:g} ps does not divide the {whole}")


def _check_volume(stage: Dynamics, before: Sequence[Stage], field: str) -> None:
    """Refuse a stage at the mean volume of something that has none, or has one at another temperature."""
    earlier = {other.name: other for other in before if isinstance(other, Dynamics) and other.pressure is not None}
    named = earlier.get(stage.volume_of or "")
    if named is None:
        raise ValueError(
            f"{field}.volume_of: an earlier stage at constant pressure ({', '.join(earlier) or 'there is none'}), "
            f"got {stage.volume_of}"
        )
    if named.ramp_to is not None or named.temperature != stage.temperature:
        raise ValueError(f"{field}.volume_of: {named.name} is not at {stage.temperature:g} K all the time, as this one")


def _check_length(stages: Sequence[Stage], timestep: float) -> None:
    """Refuse more steps than the frames of one trajectory can tell."""
    for lasting, what in ((stages[:-1], "before the last stage"), (stages[-1:], "in the last stage")):
        length = sum(stage.duration for stage in lasting if not isinstance(stage, Minimize))
        if length / timestep > _MOST_STEPS:
            raise ValueError(
                f"stages: {length * 1e-6:.3g} us {what} are more steps than a trajectory can tell, whose most are "
                f"{_MOST_STEPS * timestep * 1e-6:.3g} us at this time step"
            )


class Protocol(Part):
    """Stages and what they share. The last stage, and no other, is production: dynamics, windows, or grand canonical.

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
            if isinstance(stage, Dynamics) and stage.volume_of is not None:
                _check_volume(stage, self.stages[:index], f"stages.{index}")
            if getattr(stage, "production", False) and index < len(self.stages) - 1:
                what = "'production: true'" if isinstance(stage, Dynamics) else f"kind {stage.kind}"
                raise ValueError(f"stages.{index} ({stage.name}): {what} belongs to the last stage only")
        last = self.stages[-1]
        if not getattr(last, "production", False):
            raise ValueError(
                f"stages: the last one ({last.name}) must be dynamics with 'production: true', grand_canonical, or "
                "windows (umbrella, decouple)"
            )
        _check_length(self.stages, self.timestep)
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError(f"stages: names must differ, got {', '.join(names)}")
        return self

    def __repr__(self) -> str:
        return f"<Protocol {self.name}: {', '.join(stage.name for stage in self.stages)}>"

    def _repr_html_(self) -> str:
        from solvshell.display import protocol_html  # which knows protocols

        return protocol_html(self)

    @property
    def windows(self) -> Windows | None:
        """The last stage if it is made of windows."""
        stage = self.stages[-1]
        return stage if isinstance(stage, Windows) else None

    @property
    def grand_canonical(self) -> GrandCanonical | None:
        """The last stage if it is one in which molecules come and go."""
        stage = self.stages[-1]
        return stage if isinstance(stage, GrandCanonical) else None

    @property
    def production(self) -> Dynamics | GrandCanonical:
        """The production stage.

        Raises
        ------
        InvalidInput
            If the last stage is made of windows: what it samples is no liquid in equilibrium.
        """
        stage = self.stages[-1]
        if not isinstance(stage, Dynamics | GrandCanonical):
            raise InvalidInput(
                f"protocol {self.name} ends in windows ({stage.name}), not in production: it offers a free energy, "
                "by 'solvshell analyze' and 'solvshell report', and nothing else"
            )
        return stage

    def at_temperature(self, temperature: float) -> "Protocol":
        """Return the same protocol at another temperature in K, named so.

        What is at the temperature of the last stage goes to the new one; an anneal above it stays as hot as it is.

        Raises
        ------
        InvalidInput
            If an anneal would be no hotter than the new temperature, or a reservoir of the last stage is one of
            another temperature.
        """
        old = getattr(self.stages[-1], "temperature")  # noqa: B009 the last stage moves: a validator has seen to it
        stages = []
        for stage in self.stages:
            at = {key: getattr(stage, key, None) for key in ("temperature", "ramp_to")}
            there = [key for key, kelvin in at.items() if kelvin == old]
            if too_cold := [kelvin for kelvin in at.values() if kelvin is not None and old < kelvin <= temperature]:
                raise InvalidInput(
                    f"temperature: below the {too_cold[0]:g} K of the anneal of protocol {self.name} "
                    f"(stage {stage.name}), got {temperature:g} K"
                )
            stages.append(stage.model_copy(update=dict.fromkeys(there, temperature)))
        changes = {
            "name": f"{self.name}-{_kelvin(temperature)}",
            "title": f"{self.title}; at {temperature:g} K",
            "stages": stages,
        }
        moved = self.model_copy(update=changes)
        if (exchange := moved.grand_canonical) is not None:
            check_temperature(exchange.reservoir, exchange.temperature, "reservoir")
        return moved


class _Series(Part):
    """The part of a protocol file that makes several protocols of it."""

    temperatures: Annotated[list[Temperature], Field(min_length=1)]

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if len(set(self.temperatures)) != len(self.temperatures):
            raise ValueError(f"temperatures: all different, got {', '.join(map(_kelvin, self.temperatures))}")
        return self


def _kelvin(temperature: float) -> str:
    """Return the name of the folder of a temperature, such as 278.15K."""
    return f"{temperature:.10g}K"


def _fields_of_each(content: dict[str, Any]) -> list[tuple[int, str]]:
    """Return index and key of what the stages of a file leave to the series of temperatures."""
    stages = content.get("stages")
    return [
        (index, key)
        for index, stage in enumerate(stages if isinstance(stages, list) else [])
        for key in ("temperature", "ramp_to")
        if isinstance(stage, dict) and stage.get(key) == EACH
    ]


def _at(content: dict[str, Any], temperature: float) -> dict[str, Any]:
    """Return the content of a series' file as that of a plain protocol at one of its temperatures."""
    stages = [dict(stage) if isinstance(stage, dict) else stage for stage in content["stages"]]
    for index, key in _fields_of_each(content):
        stages[index][key] = f"{temperature!r} K"
    return content | {"stages": stages}


def _all_open(path: Path) -> Reservoir:
    """Return the reservoir of a file, all of which is to be open: a species that cannot be is the file's mistake."""
    reservoir = load_reservoir(path)
    for name in reservoir.species:
        try:
            check_neutral(name)
        except InvalidInput as error:
            raise InvalidInput(f"{path}: species.{name}: {error}") from None
    return reservoir


def _with_reservoir(content: dict[str, Any], path: Path, reservoir: Path | None) -> tuple[dict[str, Any], Path | None]:
    """Return the content of a protocol file with what its reservoir's file says, and which file that is."""
    stages = content.get("stages")
    stages = list(stages) if isinstance(stages, list) else []
    open_ones = [
        index for index, one in enumerate(stages) if isinstance(one, dict) and one.get("kind") == "grand_canonical"
    ]
    if reservoir is not None and not open_ones:
        raise InvalidInput(f"--reservoir: {path} has no stage of kind grand_canonical, to which one belongs")
    file = None
    for index in open_ones:
        given = stages[index].get("reservoir")
        if given is None and reservoir is None:
            raise InvalidInput(
                f"{path}: stages.{index}.reservoir: missing; name the file of a reservoir there or by --reservoir "
                "('solvshell reservoir' makes one)"
            )
        if reservoir is not None or isinstance(given, str):
            file = reservoir or path.parent / str(given)
            held = _all_open(file) if stages[index].get("open") is None else load_reservoir(file)
            stages[index] = {**stages[index], "reservoir": held.model_dump(mode="json")}
    return content if not open_ones else content | {"stages": stages}, file


def _protocol(content: dict[str, Any], path: Path, reservoir: Path | None) -> Protocol:
    """Return the protocol of the content of a file; what is wrong with its reservoir's file is said of that."""
    protocol = validate(Protocol, content, str(path))
    if reservoir is not None and (stage := protocol.grand_canonical) is not None:
        check_temperature(stage.reservoir, stage.temperature, str(reservoir))
    return protocol


def load_protocols(name: str | Path, reservoir: Path | None = None) -> dict[str | None, Protocol]:
    """Return the protocols of a file given by path, or by bare name for a shipped one.

    A file with `temperatures: [278.15 K, 288.15 K]`, whose stages have `temperature: each` (or `ramp_to: each`), makes
    a plain protocol for each of them. Of a reservoir that a grand-canonical stage names, by a path from the folder of
    the file, the protocol holds the content.

    Parameters
    ----------
    name : str or Path
    reservoir : Path, optional
        File of the reservoir of grand-canonical stages, whatever reservoir they name.

    Returns
    -------
    dict
        By name of the folder of its run, such as "278.15K", ascending; a plain file has one, whose key is None.

    Raises
    ------
    InvalidInput
        If there is no such protocol, or a field of it is wrong: one line for each wrong field.
    """
    path = find(name, protocol_directory(), "protocol")
    content = yaml_content(path)
    if not isinstance(content, dict):
        return {None: validate(Protocol, content, str(path))}
    content, file = _with_reservoir(content, path, reservoir)
    fields = [f"stages.{index}.{key}" for index, key in _fields_of_each(content)]
    if "temperatures" not in content:
        if fields:
            raise InvalidInput(f"{path}: {fields[0]}: {EACH} is for a file with 'temperatures'; this one has none")
        return {None: _protocol(content, path, file)}
    series = validate(_Series, {"temperatures": content.pop("temperatures")}, str(path))
    if not fields:
        raise InvalidInput(f"{path}: temperatures: no stage has 'temperature: {EACH}', so that all runs would be alike")
    return {
        _kelvin(temperature): _protocol(_at(content, temperature), path, file)
        for temperature in sorted(series.temperatures)
    }


def load_protocol(name: str | Path, reservoir: Path | None = None) -> Protocol:
    """Return the one protocol of a file that has no series of temperatures; see `load_protocols`.

    Raises
    ------
    InvalidInput
        If there is no such protocol, a field of it is wrong, or it is a series.
    """
    found = load_protocols(name, reservoir)
    if None not in found:
        raise InvalidInput(
            f"protocol {str(name)!r}: a series of {len(found)} temperatures, where one protocol is expected"
        )
    return found[None]
