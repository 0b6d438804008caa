"""Files that are whole or absent: atomic writes, hashes, and YAML that is checked against a model."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from solvshell.errors import InvalidInput

Model = TypeVar("Model", bound=BaseModel)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader finds the old content or the new one, also after a power cut."""
    temporary = path.with_name(f".{path.name}.tmp")
    data = content.encode() if isinstance(content, str) else content
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically; not-a-number values are refused, since JSON has none."""
    write_atomically(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as a hexadecimal string."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _one_line(error: dict[str, Any]) -> str:
    field = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if error["type"] == "extra_forbidden":
        return f"{field}: unknown key"
    if error["type"] == "missing":
        return f"{field}: missing"
    given = error.get("input")
    already_said = error["type"] == "value_error" or isinstance(given, dict | list)
    message = message if already_said else f"{message}, got {given!r}"
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


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Return the model that a YAML file describes; see `validate` for what is raised."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    return validate(model, content, str(path))


def to_yaml(model: BaseModel) -> str:
    """Return a model as YAML that `read_yaml` reads back to an equal one."""
    return yaml.safe_dump(model.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
