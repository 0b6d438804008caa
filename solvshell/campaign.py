"""What sample sheet and config of a campaign say, checked before any job starts. The workflow's rules ask here."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from solvshell.data import find, protocol_directory
from solvshell.errors import InvalidInput
from solvshell.files import yaml_content
from solvshell.protocol import Protocol, load_protocol, load_protocols
from solvshell.recipe import Recipe, load_recipe
from solvshell.reservoir import load_reservoir
from solvshell.stages import Decouple
from solvshell.units import parse

#: how the name of a sample tells its conditions
_CONDITIONS = {
    "n_salt": "n{:d}",
    "polymer_fraction": "w{:g}",
    "ion_charge_scale": "q{:g}",
    "temperature": "{:g}K",
    "reservoir": "open-{}",
}

#: folders beside those of the samples
_TAKEN = ("benchmarks", "comparison", "logs", "reservoirs")


@dataclass(frozen=True)
class Sample:
    """A line of the sample sheet: a system and what is other than its recipe and its protocol say.

    Attributes
    ----------
    system : str
        Recipe, by name or path.
    replicas : int
    kelvin : float
        At which it runs: `temperature`, or that of its protocol.
    n_salt, temperature, polymer_fraction, ion_charge_scale, reservoir : optional
        As the columns of the sheet.
    """

    system: str
    replicas: int
    kelvin: float
    n_salt: int | None = None
    temperature: float | None = None
    polymer_fraction: float | None = None
    ion_charge_scale: float | None = None
    reservoir: str | None = None

    @property
    def name(self) -> str:
        """Made of the conditions, so that what is run under others never shares a folder."""
        stated = {key: getattr(self, key) for key in _CONDITIONS}
        conditions = [_CONDITIONS[key].format(value) for key, value in stated.items() if value is not None]
        return "-".join([Path(self.system).stem, *conditions])

    @property
    def name_at_any_temperature(self) -> str:
        """The name without the temperature."""
        return replace(self, temperature=None).name


def with_whole_numbers(content: Any) -> Any:
    """Return the content of a config with 1 for 1.0, which a schema takes for an integer and Python does not."""
    if isinstance(content, Mapping):
        return {key: with_whole_numbers(value) for key, value in content.items()}
    if isinstance(content, list):
        return [with_whole_numbers(value) for value in content]
    return int(content) if isinstance(content, float) and content.is_integer() else content


def _as_number(text: str) -> float | str:
    """Return the number that a cell holds, or its text; spreadsheets write 2.0 in a column with an empty cell."""
    try:
        value = float(text)
    except ValueError:
        return text
    if not math.isfinite(value):
        return text
    return int(value) if value.is_integer() else value


def read_sheet(path: Path) -> list[dict[str, Any]]:
    """Return what each line of a sample sheet states, by column; `#` begins a line of comment.

    Raises
    ------
    InvalidInput
        If it is no table with a line below its header; what stands in the cells is not looked at.
    """
    if not path.is_file():
        raise InvalidInput(f"samples: {path}: no such file; it is looked for in the working directory")
    content = path.read_text(encoding="utf-8-sig")
    lines = [line for line in content.splitlines() if line.strip() and not line.startswith("#")]
    header, *rows = csv.reader(lines, delimiter="\t") if lines else [[]]
    columns = [name.strip() for name in header]
    if not rows:
        raise InvalidInput(f"{path}: no samples; below the names of the columns stands one in each line")
    if len(columns) == 1:
        raise InvalidInput(f"{path}: one column, {columns[0]!r}; columns are separated by tabs")
    if twice := [name for name in columns if columns.count(name) > 1]:
        raise InvalidInput(f"{path}: {twice[0]}: a column that stands there twice")
    sheet = []
    for number, row in enumerate(rows, 1):
        if len(row) > len(columns):
            raise InvalidInput(f"{path}: sample {number}: {len(row)} cells in {len(columns)} columns")
        cells = {name: cell.strip() for name, cell in zip(columns, row, strict=False)}
        sheet.append({name: _as_number(cell) for name, cell in cells.items() if cell})
    return sheet


def _closed_protocol(config: Mapping[str, Any]) -> Protocol:
    """Return the protocol of samples without a reservoir."""
    protocols = load_protocols(config["protocol"])
    if None not in protocols:
        raise InvalidInput("protocol: a series of temperatures; give the sheet a column 'temperature' instead")
    protocol = protocols[None]
    _ = protocol.production  # which is refused where it is made of windows
    return protocol


def _exchange_temperature(config: Mapping[str, Any]) -> float:
    """Return the temperature of the protocol of samples with a reservoir, without which it cannot be read whole."""
    name = config["exchange_protocol"]
    content = yaml_content(find(name, protocol_directory(), "protocol"))
    stages = content.get("stages") if isinstance(content, dict) else None
    last = stages[-1] if isinstance(stages, list) and stages else None
    if not isinstance(last, dict) or last.get("kind") != "grand_canonical":
        raise InvalidInput(f"exchange_protocol: one that ends in a stage of kind grand_canonical, got {name}")
    try:
        return parse(last.get("temperature"), "temperature")
    except ValueError as error:
        raise InvalidInput(f"exchange_protocol: {name}: temperature: {error}") from None


def _ion_charge_scale(recipe: Recipe) -> float | None:
    """Return the factor on the charges of ions, if there are any."""
    has_ions = any(entry.role != "solvent" for entry in recipe.entries.values())
    return recipe.force_field.ion_charge_scale if has_ions else None


def _bulk(name: str, given: str | Mapping[str, Any]) -> tuple[float, float | None]:
    """Return temperature in K and, if known, factor on the charges of ions of a reservoir, measured here or a file."""
    if isinstance(given, str):
        reservoir = load_reservoir(Path(given))
        return reservoir.temperature, None if reservoir.model is None else reservoir.model.ion_charge_scale
    scale = _ion_charge_scale(load_recipe(given["system"]))
    protocol = given.get("protocol", "decouple-solvent")
    last = load_protocol(protocol).stages[-1]
    if not isinstance(last, Decouple):
        raise InvalidInput(f"reservoirs.{name}.protocol: one that ends in decouple, got {protocol}")
    return last.temperature, scale


def _recipe_of(sample: Sample) -> Recipe:
    """Return the recipe of a sample with its conditions; refuse a size or polymer that it cannot have."""
    recipe = load_recipe(sample.system)
    if sample.polymer_fraction is not None:
        if recipe.polymer is None:
            raise InvalidInput(f"polymer_fraction: {sample.system} has no polymer")
        recipe = recipe.with_polymer_fraction(sample.polymer_fraction)
    if sample.n_salt is not None and sample.n_salt < recipe.smallest:
        raise InvalidInput(f"n_salt: at least {recipe.smallest} for {sample.system}, got {sample.n_salt}")
    return recipe if sample.ion_charge_scale is None else recipe.with_ion_charge_scale(sample.ion_charge_scale)


def _check_open(sample: Sample, config: Mapping[str, Any], bulks: Mapping[str, tuple[float, float | None]]) -> None:
    """Refuse a sample that cannot exchange molecules with its reservoir."""
    name = str(sample.reservoir)
    if name not in bulks:
        raise InvalidInput(f"reservoir: of those in the config ({', '.join(bulks) or 'none are'}), got {name}")
    if sample.temperature is not None:
        raise InvalidInput(
            "temperature: not beside a reservoir, which has its own; give an exchange_protocol at that temperature"
        )
    kelvin, scale = bulks[name]
    if abs(kelvin - sample.kelvin) > 1e-3:
        raise InvalidInput(f"reservoir: {name} is of {kelvin:g} K, the exchange_protocol is at {sample.kelvin:g} K")
    of_sample = _ion_charge_scale(_recipe_of(sample))
    if None not in (scale, of_sample) and of_sample != scale:
        raise InvalidInput(f"ion_charge_scale: {scale:g} as in reservoir {name}, got {of_sample:g}")
    if isinstance(given := config["reservoirs"][name], str):
        load_protocols(config["exchange_protocol"], Path(given))


def _check_name(sample: Sample, others: Sequence[Sample]) -> None:
    """Refuse a sample whose folder is that of something else, and one that is another one again."""
    name = sample.name
    if name in _TAKEN or name.startswith("comparison-"):
        raise InvalidInput(f"system: {name} is a folder of the campaign itself; give the recipe's file another name")
    for other in others:
        alike = other.name_at_any_temperature == sample.name_at_any_temperature and other.kelvin == sample.kelvin
        if alike and other.system != sample.system:
            raise InvalidInput(f"system: the samples of {other.system} are called {name} too; rename the recipe's file")
        if alike:
            again = name if other.name == name else f"{name}, which is {other.name},"
            raise InvalidInput(f"{again} stands there twice; raise its replicas instead")


def samples_of(config: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[str, Sample]:
    """Return the samples of a campaign by their names.

    Parameters
    ----------
    config : mapping
        Of the campaign, as its schema wants it, defaults filled in.
    lines : sequence of mapping
        Of the sample sheet, as their schema wants them.

    Raises
    ------
    InvalidInput
        If a recipe, protocol or reservoir is not there or does not fit what is wanted of it, with the line of the sheet
        or the config in front.
    """
    try:
        bulks = {name: _bulk(name, given) for name, given in config["reservoirs"].items()}
        closed = _closed_protocol(config)
        exchange = _exchange_temperature(config)
    except InvalidInput as error:
        raise InvalidInput(f"config: {error}") from None
    samples: dict[str, Sample] = {}
    for number, line in enumerate(lines, 1):
        try:
            own = exchange if "reservoir" in line else closed.production.temperature
            sample = Sample(**line, kelvin=line.get("temperature", own))
            _recipe_of(sample)
            if sample.reservoir is not None:
                _check_open(sample, config, bulks)
            elif sample.temperature is not None:
                closed.at_temperature(sample.temperature)
            _check_name(sample, list(samples.values()))
        except InvalidInput as error:
            raise InvalidInput(f"{config['samples']}: sample {number}: {error}") from None
        samples[sample.name] = sample
    return samples


def comparisons(samples: Mapping[str, Sample], reference: str) -> dict[str, list[str]]:
    """Return the samples of each comparison, by the name of its folder: those of one temperature.

    First stands what the others are compared with: the reference, or the sample that is the reference apart from the
    temperature. If there is none, the samples are in the order of the sheet.
    """
    own = next((sample.kelvin for sample in samples.values() if sample.temperature is None), None)
    at: dict[float, list[Sample]] = {}
    for sample in samples.values():
        at.setdefault(sample.kelvin, []).append(sample)
    wanted = samples[reference].name_at_any_temperature
    found = {}
    for kelvin, alike in at.items():
        if len(alike) > 1:
            folder = "comparison" if kelvin == own else f"comparison-{kelvin:g}K"
            in_order = sorted(alike, key=lambda sample: sample.name_at_any_temperature != wanted)
            found[folder] = [sample.name for sample in in_order]
    return found
