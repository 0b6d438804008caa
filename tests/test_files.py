"""Files are whole or absent; YAML is checked and never executes anything."""

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated

import openmm
import pytest
from pydantic import BaseModel, Field

from solvshell import data
from solvshell.errors import InvalidInput
from solvshell.files import read_openmm_xml, read_yaml, sha256, to_yaml, validate, write_atomically, write_json
from solvshell.recipe import Recipe
from solvshell.units import Length


class Thing(BaseModel, extra="forbid"):
    name: str
    length: Length | None = None
    parts: Annotated[list[str], Field(min_length=1)] | None = None


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, "one")
    write_atomically(path, "två")
    assert path.read_bytes() == "två".encode()
    write_atomically(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_never_finds_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, "old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new" * 1000)
    assert path.read_text() == "old"


def test_json_has_no_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": 1.5})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1.5}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1.5}


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


@pytest.mark.parametrize(
    "content", [{"name": "Å", "length": "0.30000000000000004 nm"}, {"name": "no"}, {"name": "1.0", "length": None}]
)
def test_yaml_round_trip(content: dict[str, str | None], tmp_path: Path) -> None:
    thing = Thing.model_validate(content)
    (tmp_path / "a.yaml").write_text(to_yaml(thing), encoding="utf-8")
    assert read_yaml(tmp_path / "a.yaml", Thing) == thing


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("name: x\nlength: [1", r"not valid YAML: while parsing"),
        ("name: !!python/object/apply:os.system ['touch owned']", "not valid YAML: could not determine a constructor"),
        ("", "is empty$"),
        ("3", "expected keys with values, as in 'key: value', got 3$"),
        ("name: x\nparts: x", r"parts: expected a list, as in \[a, b\], got 'x'$"),
        ("name: x\nparts: []", "parts: List should have at least 1 item, not 0$"),
        ("name: x\nlength: 1 nm\nwidth: 2 nm", "width: unknown key"),
        ("length: 1 nm", "name: missing"),
        ("name: 3", "name: Input should be a valid string, got 3"),
        ("name: {a: 1}", "name: Input should be a valid string$"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name(
    written: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.yaml"
    path.write_text(written)
    with pytest.raises(InvalidInput, match=rf"a\.yaml: {message}") as caught:
        read_yaml(path, Thing)
    assert len(str(caught.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file or directory"):
        read_yaml(tmp_path / "none.yaml", Thing)
    (tmp_path / "bytes.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(InvalidInput, match=r"bytes\.yaml: not a text file in UTF-8"):
        read_yaml(tmp_path / "bytes.yaml", Thing)


def test_every_wrong_field_has_its_line() -> None:
    with pytest.raises(InvalidInput) as caught:
        validate(Thing, {"length": 3, "colour": 1}, "here")
    assert str(caught.value).splitlines() == [
        "here: name: missing",
        "here: length: 3 has no unit; expected a length such as '1 nm' (units: nm, angstrom, A, Å)",
        "here: colour: unknown key",
    ]


def test_a_path_goes_before_a_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert data.find("lb003", data.recipe_directory(), "recipe") == data.recipe_directory() / "lb003.yaml"
    (tmp_path / "lb003").write_text("mine")
    assert data.find("lb003", data.recipe_directory(), "recipe").resolve() == tmp_path / "lb003"
    with pytest.raises(InvalidInput, match="no such file"):
        data.find("../systems/lb003", data.recipe_directory(), "recipe")


def test_openmm_xml_that_would_run_code_is_refused(tmp_path: Path) -> None:
    """OpenMM 8.6 writes a PythonForce as a pickle; the function here would be `print`."""
    path = tmp_path / "system.xml"
    force = '<Force function="80049512000000000000008c086275696c74696e73946c2e" type="PythonForce" version="2"/>'
    text = openmm.XmlSerializer.serialize(openmm.System())
    path.write_text(text.replace("<Forces/>", f"<Forces>{force}</Forces>"))
    assert "PythonForce" in path.read_text()
    with pytest.raises(InvalidInput, match="Python force, which would run code"):
        read_openmm_xml(path, "System")


def test_openmm_xml_of_another_kind_or_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.xml"
    text = openmm.XmlSerializer.serialize(openmm.System())
    path.write_text(text)
    assert read_openmm_xml(path, "System").getNumParticles() == 0
    with pytest.raises(InvalidInput, match="holds a System, expected a State"):
        read_openmm_xml(path, "State")
    path.write_text(text.replace("<System ", "<State ", 1).replace("</System>", "</State>"))  # type="System" stays
    with pytest.raises(InvalidInput, match="holds a System, expected a State"):
        read_openmm_xml(path, "State")
    path.write_text(text[: len(text) // 2])
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_openmm_xml(path, "System")


def test_a_key_given_twice_is_no_choice(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("name: one\ntitle: t\nname: two\n")
    with pytest.raises(InvalidInput, match="key 'name' given twice"):
        read_yaml(path, Recipe)
