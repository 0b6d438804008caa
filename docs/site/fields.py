"""The reference of what people write in YAML: the fields of each model, with units, allowed values and defaults.

Types and defaults are those of the pydantic models; what a field means stands in ``meanings.yaml``. A field without a
meaning, and a meaning without a field, fail the build.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import yaml
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from solvshell import units
from solvshell.grand_canonical import GrandCanonical, Slab, Sphere, SwitchingTime
from solvshell.polymer import Linkage, Polymer
from solvshell.protocol import Protocol
from solvshell.recipe import Additive, Composition, Model, Packing, Recipe, Salt, Solvents, SourcedDensity
from solvshell.reservoir import Activity, Reservoir
from solvshell.species import Partner, SpeciesFile
from solvshell.stages import (
    CoordinationNumber,
    Decouple,
    Distance,
    Dynamics,
    Minimize,
    Umbrella,
    Until,
    _DistanceWindows,
    _NumberWindows,
)

#: page, title, models with what they are called there, an example
_PAGES: dict[str, tuple[str, dict[type[BaseModel], str]]] = {
    "recipes": (
        "Recipes",
        {
            Recipe: "Recipe",
            Composition: "composition",
            Salt: "composition.salt",
            Solvents: "composition.solvents",
            SourcedDensity: "a density with its source",
            Additive: "composition.additives",
            Polymer: "polymer",
            Linkage: "polymer.linkage",
            Model: "force_field",
            Packing: "packing",
        },
    ),
    "protocols": (
        "Protocols",
        {
            Protocol: "Protocol",
            Minimize: "kind: minimize",
            Dynamics: "kind: dynamics",
            Until: "until",
            Umbrella: "kind: umbrella",
            Distance: "coordinate of kind: distance",
            _DistanceWindows: "windows of a distance",
            CoordinationNumber: "coordinate of kind: coordination_number",
            _NumberWindows: "windows of a coordination number",
            Decouple: "kind: decouple",
            GrandCanonical: "kind: grand_canonical",
            Slab: "region of kind: slab",
            Sphere: "region of kind: sphere",
        },
    ),
    "reservoirs": ("Reservoirs", {Reservoir: "Reservoir", Activity: "species"}),
    "species": ("Species files", {SpeciesFile: "Species file", Partner: "partners"}),
}
_PLAIN = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "`true` or `false`",
    dict: "mapping",
    Any: "anything",
}
_BOUNDS = {
    annotated_types.Gt: "above {0.gt:g}",
    annotated_types.Ge: "at least {0.ge:g}",
    annotated_types.Lt: "below {0.lt:g}",
    annotated_types.Le: "at most {0.le:g}",
}


def _anchor(heading: str) -> str:
    """Return the anchor of a heading, as the table of contents makes it."""
    return "".join(letter for letter in heading.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")


def _dimension(metadata: tuple[Any, ...]) -> str | None:
    """Return the dimension of a quantity that is written with its unit."""
    for one in metadata:
        if isinstance(one, BeforeValidator) and isinstance(one.func, partial):
            return str(one.func.keywords["dimension"])
    return None


def _quantity(dimension: str) -> str:
    allowed = ", ".join(f"`{unit}`" for unit in units._DIMENSIONS[dimension])
    return f"{dimension} with its unit ({allowed})"


def _words(annotation: Any, metadata: tuple[Any, ...], headings: dict[type[BaseModel], str]) -> str:
    """Return what may be written in a field."""
    if annotation == get_args(SwitchingTime)[0]:
        return f"`auto`, a {_quantity('time')}, or one for each species"
    if metadata and (dimension := _dimension(metadata)):
        return _quantity(dimension)
    bounds = [words.format(one) for kind, words in _BOUNDS.items() for one in metadata if isinstance(one, kind)]
    if any(isinstance(one, BeforeValidator) and one.func is units._parse_fraction for one in metadata):
        bounds = ["above 0, below 1, such as `0.25` or `25 %`"]
    return ", ".join([_kind(annotation, headings), *bounds])


def _kind(annotation: Any, headings: dict[type[BaseModel], str]) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(parts[0], parts[1:], headings)
    if origin in (Union, UnionType):
        return " or ".join(_kind(part, headings) for part in parts if part is not type(None))
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in parts)
    if origin is list:
        return f"list: {_kind(parts[0], headings)}"
    if origin is tuple:
        return f"{len(parts)} of: {' / '.join(dict.fromkeys(_kind(part, headings) for part in parts))}"
    if origin is dict:
        return f"mapping of names: {_kind(parts[1], headings)}"
    if annotation in headings:
        return f"[{headings[annotation]}](#{_anchor(headings[annotation])})"
    return _PLAIN.get(annotation) or f"`{annotation.__name__}`"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    default = field.default if field.default is not PydanticUndefined else {}
    if isinstance(default, BaseModel):
        return "its defaults"
    if default is None or default in ([], {}, ""):
        return ""
    dimension = _dimension((*field.metadata, *_inner(field.annotation)))
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{units.text(default, dimension)}`" if dimension else f"`{_plain(default)}`"


def _inner(annotation: Any) -> tuple[Any, ...]:
    """Return the metadata of the parts of a union."""
    return tuple(one for part in get_args(annotation) if get_origin(part) is Annotated for one in get_args(part)[1:])


def _plain(value: Any) -> str:
    return yaml.safe_dump(list(value) if isinstance(value, tuple) else value, default_flow_style=True).split("\n")[0]


def _section(model: type[BaseModel], headings: dict[type[BaseModel], str], meanings: dict[str, str]) -> Iterator[str]:
    yield f"## {headings[model]}\n\n{meanings.pop('')}\n\n"
    yield "| field | what may stand there | default | meaning |\n| --- | --- | --- | --- |\n"
    for name, field in model.model_fields.items():
        if name not in meanings:
            raise ValueError(f"meanings.yaml: {model.__name__}.{name}: no meaning")
        words = _words(field.annotation, tuple(field.metadata), headings)
        yield f"| `{name}` | {words} | {_default(field)} | {meanings.pop(name)} |\n"
    if meanings:
        raise ValueError(f"meanings.yaml: {model.__name__}: no such field: {', '.join(meanings)}")
    yield "\n"


def pages() -> dict[str, str]:
    """Return pages by name in docs/."""
    told = yaml.safe_load((Path(__file__).parent / "meanings.yaml").read_text())
    found = {}
    for page, (title, headings) in _PAGES.items():
        text = [f"# {title}\n\n{told[page]}\n\n"]
        for model in headings:
            text.extend(_section(model, headings, dict(told[model.__name__])))
        found[f"reference/{page}.md"] = "".join(text)
    return found
