"""Where a result comes from: command, versions, checkout, machine; and what the files were that it left."""

import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, RootModel

from solvshell.errors import InvalidInput
from solvshell.files import sha256, validate, write_json

if TYPE_CHECKING:
    import openmm

RECORD, SEAL = "provenance.json", "seal"

_PACKAGES = (
    "solvshell", "openmm", "OpenMM-CUDA-12", "OpenMM-CUDA-13", "OpenMM-HIP-6", "OpenMM-HIP-7",
    "nvidia-cuda-nvrtc-cu12", "nvidia-cuda-nvrtc", "numpy", "scipy", "pandas", "MDAnalysis", "numba", "networkx",
    "packmol", "rdkit", "pymbar", "tblite", "geometric", "pyscf", "pyscf-dispersion",
)  # fmt: skip
#: What shapes numbers, of a checkout.
_SOURCES = ("solvshell", "forcefields", "systems")
_DRIVER = Path("/proc/driver/nvidia/version")


class FileRecord(BaseModel):
    """What a file was: its size in bytes and its SHA-256, or what an older version has told of them."""

    bytes: int | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{12,64}$")] | None = None

    def fate(self, path: Path) -> Literal["same", "longer", "another"]:
        """Return what a file is now; ``longer`` is one that begins with all that it was."""
        size = path.stat().st_size
        if self.bytes is not None and size < self.bytes:
            return "another"
        if self.sha256 is not None and not sha256(path, self.bytes).startswith(self.sha256):
            return "another"
        return "same" if self.bytes in (None, size) else "longer"


class FileRecords(RootModel[dict[str, FileRecord]]):
    """What files were, by their paths in a folder."""


def versions() -> dict[str, str]:
    """Return the versions of Python and of those packages that are installed and shape the numbers."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def checkout() -> dict[str, Any]:
    """Return the commit that the package runs from and whether it differs from that commit; nothing for a wheel."""
    root, git = Path(__file__).resolve().parent.parent, shutil.which("git")
    if git is None or not (root / ".git").exists():
        return {}
    # Without optional locks, so that asking does not get in the way of somebody who commits.
    ask = [git, "--no-optional-locks", "-C", str(root)]
    asked = (["rev-parse", "HEAD"], ["status", "--porcelain", "--", *_SOURCES])
    commit, changes = (subprocess.run([*ask, *rest], capture_output=True, text=True, check=False) for rest in asked)
    if commit.returncode or changes.returncode:
        return {}
    return {"commit": commit.stdout.strip(), "is_changed": bool(changes.stdout.strip())}


def gpu_driver() -> str | None:
    """Return the version of the NVIDIA kernel driver, or None without one."""
    found = re.search(r"\b\d{3,}\.\d+(\.\d+)?\b", _DRIVER.read_text()) if _DRIVER.is_file() else None
    return found[0] if found else None


def platform_settings(context: "openmm.Context") -> dict[str, str]:
    """Return what a context's platform was made to do: threads, or device and precision, and whether it repeats."""
    on = context.getPlatform()
    settings = {name: on.getPropertyValue(context, name) for name in on.getPropertyNames()}
    return {name: value for name, value in settings.items() if value}


def provenance(**details: Any) -> dict[str, Any]:
    """Return a record of this process, with the details that the caller adds."""
    driver = gpu_driver()
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "machine": platform.platform(),
        **({} if driver is None else {"gpu_driver": driver}),
        "versions": versions(),
        **({"checkout": checkout()} if checkout() else {}),
        **details,
    }


def file_record(path: Path) -> dict[str, Any]:
    """Return size in bytes and SHA-256 of a file, as a record keeps them."""
    return FileRecord(bytes=path.stat().st_size, sha256=sha256(path)).model_dump()


def recorded_files(content: Any, source: str) -> dict[str, FileRecord]:
    """Return what a record says of files, by their paths.

    Raises
    ------
    InvalidInput
        If it says it in another form than `file_record` makes.
    """
    return validate(FileRecords, content, source).root


def seal_of(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a record says, apart from its own seal, in whatever order."""
    rest = json.loads(json.dumps({key: value for key, value in content.items() if key != SEAL}))
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def write_record(path: Path, content: Mapping[str, Any]) -> None:
    """Write a record with a seal, by which `solvshell verify` sees that it was changed."""
    write_json(path, {**content, SEAL: seal_of(content)})


def read_record(path: Path) -> dict[str, Any]:
    """Return what a file such as ``provenance.json`` or ``done.json`` says.

    Raises
    ------
    InvalidInput
        If it is missing or damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None
    except ValueError as error:  # of text and of JSON
        raise InvalidInput(f"{path}: not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise InvalidInput(f"{path}: holds a {type(content).__name__}, expected names and values")
    return content


def record_tables(folder: Path, *patterns: str, made_from: Iterable[Path] = ()) -> None:
    """Write into a folder of tables what made them, what each file is that one of the patterns finds, and of what.

    To be called last; `solvshell verify` reads it. Where a trajectory is what they were made from, their summary tells.
    """
    files = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    records = {str(path.relative_to(folder)): file_record(path) for path in files}
    sources = {os.path.relpath(path, folder): file_record(path) for path in made_from}
    write_record(folder / RECORD, provenance(files=records, made_from=sources))
