"""What a record says of the process, the checkout, the driver and the files."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import openmm
import pytest

import solvshell
from solvshell import provenance as module
from solvshell.engine import make_context
from solvshell.errors import InvalidInput
from solvshell.files import sha256
from solvshell.provenance import (
    SEAL,
    FileRecord,
    file_record,
    gpu_driver,
    platform_settings,
    provenance,
    read_record,
    recorded_files,
    seal_of,
    write_record,
)
from solvshell.run import Run, trajectory_source

OPEN_MODULE = """NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (dvs-builder@U16)
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""
CLOSED_MODULE = """NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.54  Tue Mar  5 22:23:56 UTC 2024
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""


def test_the_command_can_be_given_to_a_shell_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/env/bin/solvshell", "run", "my box", "--out", "run;rm"])
    found = provenance(seed=3)
    assert found["command"] == "solvshell run 'my box' --out 'run;rm'"
    assert found["seed"] == 3
    assert openmm.version.version.startswith(found["versions"]["openmm"])
    assert {"date", "host", "machine"} <= found.keys()
    json.dumps(found)


@pytest.mark.parametrize(("text", "expected"), [(OPEN_MODULE, "570.86.15"), (CLOSED_MODULE, "535.54"), ("", None)])
def test_the_driver_of_a_gpu(text: str, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "version").write_text(text)
    monkeypatch.setattr(module, "_DRIVER", tmp_path / "version")
    assert gpu_driver() == expected
    assert provenance().get("gpu_driver") == expected
    monkeypatch.setattr(module, "_DRIVER", tmp_path / "nothing")
    assert gpu_driver() is None


def test_a_checkout_is_told_with_its_commit_and_whether_it_was_changed(tmp_path: Path) -> None:
    package, source = tmp_path / "solvshell", Path(solvshell.__file__).parent
    package.mkdir()
    for name in ("provenance.py", "files.py", "errors.py"):
        shutil.copy(source / name, package / name)
    for name in ("solvshell/__init__.py", "README", "forcefields/a.xml", "systems/b.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    script = "import json; from solvshell.provenance import checkout; print(json.dumps(checkout()))"

    def told(**environment: str) -> dict[str, Any]:
        env = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1", **environment}
        said = subprocess.run([sys.executable, "-c", script], env=env, cwd=tmp_path, capture_output=True, check=True)
        answer: dict[str, Any] = json.loads(said.stdout)
        return answer

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(
            [str(shutil.which("git")), *who, *arguments], cwd=tmp_path, capture_output=True, check=True, text=True
        ).stdout.strip()

    assert told() == {}
    git("init", "-q")
    assert told() == {}  # without a commit
    git("add", ".")
    git("commit", "-q", "-m", "one")
    commit = git("rev-parse", "HEAD")
    assert told() == {"commit": commit, "is_changed": False}
    assert told(PATH="") == {}
    (tmp_path / "README").write_text("of no matter for numbers")
    assert told() == {"commit": commit, "is_changed": False}
    (tmp_path / "systems" / "new.yaml").write_text("")
    assert told() == {"commit": commit, "is_changed": True}


def test_what_a_platform_was_made_to_do() -> None:
    system = openmm.System()
    system.addParticle(1.0)
    cpu = openmm.Platform.getPlatform("CPU")
    context = make_context(system, openmm.VerletIntegrator(0.001), cpu)
    assert platform_settings(context) == {
        "Threads": cpu.getPropertyDefaultValue("Threads"),
        "DeterministicForces": "true",
    }


def test_what_became_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    known = FileRecord.model_validate(file_record(path))
    size_only, digits_only = FileRecord(bytes=10), FileRecord(sha256=known.sha256 and known.sha256[:12])
    records = (known, size_only, digits_only)
    assert [record.fate(path) for record in records] == ["same", "same", "same"]
    path.write_bytes(b"0123456789ab")
    assert [record.fate(path) for record in records] == ["longer", "longer", "another"]
    path.write_bytes(b"1123456789ab")
    assert [record.fate(path) for record in records] == ["another", "longer", "another"]
    path.write_bytes(b"012345678")
    assert [record.fate(path) for record in records] == ["another", "another", "another"]


@pytest.mark.parametrize("n_bytes", [0, 1, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20])
def test_the_hash_of_the_first_bytes(n_bytes: int, tmp_path: Path) -> None:
    content = os.urandom(2 * 2**20 + 7)
    (tmp_path / "a").write_bytes(content)
    assert sha256(tmp_path / "a", n_bytes) == hashlib.sha256(content[:n_bytes]).hexdigest()


def test_a_seal_fits_what_was_written_in_whatever_order(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_record(path, {"b": (1, 2.5), "a": {10: "x", 9: None}})
    record = read_record(path)
    assert record[SEAL] == seal_of(record)
    assert seal_of(dict(reversed(record.items()))) == record[SEAL]
    assert seal_of(record | {"b": [1, 2.6]}) != record[SEAL]
    write_record(path, record | {"c": 1})  # an old seal is no part of the new one
    record = read_record(path)
    assert record[SEAL] == seal_of(record)


@pytest.mark.parametrize("content", ['{"a": ', "[1]", b"\xff\xfe"])
def test_a_damaged_record_is_refused_in_one_line(content: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidInput, match=r"record\.json: (not valid JSON|holds a list)"):
        read_record(path)
    with pytest.raises(InvalidInput, match=r"missing\.json: No such file"):
        read_record(tmp_path / "missing.json")


@pytest.mark.parametrize("content", [[], {"a": 1}, {"a": {"sha256": "../.."}}, {"a": {"bytes": "x"}}])
def test_what_does_not_tell_of_files_is_refused(content: object) -> None:
    with pytest.raises(InvalidInput, match="files"):
        recorded_files(content, "files")


def test_tables_are_outdated_if_the_trajectory_is_another(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert not run.is_outdated({"trajectory_bytes": "3"})  # there is none to compare
    run.trajectory_path.write_bytes(b"abc")
    source = trajectory_source(run.trajectory_path)
    of_older_version = {"trajectory_bytes": source["trajectory_bytes"]}
    assert not run.is_outdated(source)
    run.trajectory_path.write_bytes(b"abd")
    assert run.is_outdated(source)
    assert not run.is_outdated(of_older_version)
    run.trajectory_path.write_bytes(b"abcd")
    assert run.is_outdated(source)
    assert run.is_outdated(of_older_version)
