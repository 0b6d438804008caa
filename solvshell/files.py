"""Files that are whole or absent: atomic writes, hashes, and YAML that is checked against a model."""

import hashlib
import json
import math
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from solvshell.errors import InvalidInput

Model = TypeVar("Model", bound=BaseModel)

_BLOCK = 2**20


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader finds the old content or the new one, also after a power cut."""
    temporary = path.with_name(f".{path.name}.tmp")
    data = content.encode() if isinstance(content, str) else content
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def json_number(value: float) -> float | None:
    """Return a number as JSON has it: one that is not finite is None."""
    return float(value) if math.isfinite(value) else None


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically; not-a-number values are refused, since JSON has none."""
    write_atomically(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def sha256(path: Path, n_bytes: int | None = None) -> str:
    """Return the SHA-256 of a file, or of its first bytes, as a hexadecimal string."""
    with open(path, "rb") as file:
        if n_bytes is None:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256()
        while n_bytes > 0 and (block := file.read(min(n_bytes, _BLOCK))):
            digest.update(block)
            n_bytes -= len(block)
        return digest.hexdigest()


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the device, so that a rename survives a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_openmm_xml(path: Path, kind: str) -> Any:
    """Return the OpenMM object of an XML file, which must be of a kind such as ``System`` or ``State``.

    OpenMM serializes a `PythonForce` as a pickle, which would run its code when read; a file with one is refused.

    Raises
    ------
    InvalidInput
        If the file is missing, damaged, of another kind, or could run code.
    """
    import openmm

    try:
        text = path.read_text()
        root = ET.fromstring(text)
    except (OSError, UnicodeDecodeError, ET.ParseError) as error:
        raise InvalidInput(f"{path}: cannot be read: {error}") from None
    if {root.tag, root.get("type", kind)} != {kind}:
        raise InvalidInput(f"{path}: holds a {root.get('type', root.tag)}, expected a {kind}")
    if any("python" in value.lower() for element in root.iter() for value in (element.tag, element.get("type", ""))):
        raise InvalidInput(f"{path}: holds a Python force, which would run code when read; refused")
    try:
        return openmm.XmlSerializer.deserialize(text)
    except Exception as error:  # OpenMM raises plain Exception for a damaged object
        raise InvalidInput(f"{path}: not a {kind} that OpenMM {openmm.__version__} reads: {error}") from None


#: What pydantic's words are replaced by, where they speak of Python.
_PLAIN = {
    "model_type": "expected keys with values, as in 'key: value'",
    "dict_type": "expected keys with values, as in 'key: value'",
    "list_type": "expected a list, as in [a, b]",
    "tuple_type": "expected a list, as in [a, b]",
}


def _one_line(error: dict[str, Any]) -> str:
    field = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = _PLAIN.get(error["type"], message.replace(" after validation", ""))
    if error["type"] == "extra_forbidden":
        return f"{field}: unknown key"
    if error["type"] == "missing":
        return f"{field}: missing"
    given = error.get("input")
    if given is None and not field:
        return "is empty"
    already_said = error["type"] == "value_error" or isinstance(given, dict | list)
    shown = repr(given)
    message = message if already_said else f"{message}, got {shown if len(shown) < 100 else shown[:80] + '...'}"
    return f"{field}: {message}" if field else message


def validate(model: type[Model], content: Any, source: str) -> Model:
    """Return ``content`` as a model.

    Raises
    ------
    InvalidInput
        With one line for each wrong field: its name, what was given, what is allowed.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = [f"{source}: {_one_line(dict(problem))}" for problem in error.errors()]
        raise InvalidInput("\n".join(lines)) from None


class _StrictLoader(yaml.SafeLoader):
    """The safe loader, but a key given twice is an error and not a choice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def yaml_content(path: Path) -> Any:
    """Return what a YAML file says, checked against nothing.

    Raises
    ------
    InvalidInput
        If it cannot be read, is no text, or is not YAML.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # noqa: S506 a safe loader
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: not a text file in UTF-8") from None
    except yaml.YAMLError as error:
        raise InvalidInput(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Return the model that a YAML file describes; see `validate` for what is raised."""
    return validate(model, yaml_content(path), str(path))


def to_yaml(model: BaseModel) -> str:
    """Return a model as YAML that `read_yaml` reads back to an equal one."""
    return yaml.safe_dump(model.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
