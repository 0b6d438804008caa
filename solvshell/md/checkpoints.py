"""Checkpoints of a run: whole or absent, hashed, and only used if the output files can be cut back to them."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openmm
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt

from solvshell.errors import InvalidInput
from solvshell.files import read_openmm_xml, sync_folder, validate, write_atomically
from solvshell.provenance import SEAL, read_record, seal_of, write_record

#: the newest so many checkpoints stay; no run goes back further by itself
KEPT = 3

_STATE, _BINARY, _PROGRESS = "state.xml", "context.chk", "progress.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finished(_Record):
    """A stage that has come to its end: how many steps it took, and whether it met its `until`, if it had one."""

    name: str
    steps: NonNegativeInt
    equilibrated: bool | None
    words: str | None


class Exchanged(_Record):
    """Where a stage stands in which molecules come and go; always between two moves.

    Of each open species: which molecules are `present` (text of `solvshell.occupancy.ranges_text`), how many, idle ones
    among them, are `in_context`, number of jumps and steps per block of its switches (`schedules`, missing as long as
    it has not been measured), and the hash of its library of `conformers`. `generator` is the state of NumPy's.
    """

    n_attempts: NonNegativeInt
    present: Mapping[str, str]
    in_context: Mapping[str, PositiveInt]
    schedules: Mapping[str, tuple[PositiveInt, NonNegativeInt]]
    conformers: Mapping[str, str]
    generator: dict[str, Any]


class Checkpoint(_Record):
    """A place to continue from: at `step` of stage `stage`, with the outputs as long as `lengths` says (bytes).

    `signature` is the OpenMM version, platform, device and precision; where it is the same, the binary checkpoint
    continues the very same noise, elsewhere the portable state goes on with fresh noise, which `restarts` counts. Of
    the barostat its random numbers go on, its learned size of volume steps does not: at constant pressure a resumed run
    samples the same ensemble on another path. Until step `halved_until` half the time step is used.
    """

    stage: NonNegativeInt
    step: NonNegativeInt
    finished: tuple[Finished, ...]
    lengths: Mapping[str, NonNegativeInt]
    n_frames: NonNegativeInt
    signature: str
    restarts: NonNegativeInt
    halved_until: NonNegativeInt
    hashes: Mapping[str, str]
    exchanged: Exchanged | None = None

    @property
    def steps_before(self) -> int:
        """Steps of dynamics before the present stage: one with `until` has no length that is known in advance."""
        return sum(stage.steps for stage in self.finished)

    @property
    def is_beginning(self) -> bool:
        """Whether nothing has been run yet."""
        return self.stage == 0 and self.step == 0


@dataclass(frozen=True)
class Position:
    """A checkpoint with what is needed to go on from it; `binary` is None where it cannot be used."""

    at: Checkpoint
    state: openmm.State
    binary: bytes | None


class Unusable(ValueError):
    """A checkpoint that cannot be gone on from: the message says why."""


def numbered(folder: Path) -> list[Path]:
    """Return the folders of checkpoints, oldest first."""
    paths = [path for path in folder.glob("[0-9]*") if path.name.isdigit() and path.is_dir()]
    return sorted(paths, key=lambda path: int(path.name))


def remove_checkpoint(path: Path) -> None:
    """Remove the folder of a checkpoint; a kill in the middle leaves nothing that looks like one."""
    dead = path.with_name(f".dead-{path.name}")
    os.replace(path, dead)
    shutil.rmtree(dead, ignore_errors=True)


def save_checkpoint(folder: Path, checkpoint: Checkpoint, state: openmm.State, binary: bytes | None) -> None:
    """Write a checkpoint, then drop old ones: the last three stay, and the first of every stage.

    The output files must be on the device already, up to the lengths that the checkpoint tells.
    """
    if not folder.is_dir():
        folder.mkdir()
        sync_folder(folder.parent)
    before = numbered(folder)
    number = int(before[-1].name) + 1 if before else 1
    for leftover in folder.glob(".[!.]*"):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary = folder / f".{number:06d}"
    temporary.mkdir()
    contents = {_STATE: openmm.XmlSerializer.serialize(state).encode()}
    if binary is not None:
        contents[_BINARY] = binary
    for name, content in contents.items():
        write_atomically(temporary / name, content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    write_record(temporary / _PROGRESS, checkpoint.model_copy(update={"hashes": hashes}).model_dump(mode="json"))
    sync_folder(temporary)
    os.replace(temporary, folder / f"{number:06d}")
    sync_folder(folder)
    for path in before[: 1 - KEPT]:
        try:
            is_first_of_stage = read_checkpoint(path).step == 0
        except Unusable:
            is_first_of_stage = False
        if not is_first_of_stage:
            remove_checkpoint(path)


def read_checkpoint(path: Path) -> Checkpoint:
    """Return what the folder of a checkpoint says of itself.

    Raises
    ------
    Unusable
        If that cannot be read, is not as it was written, or not what this version writes.
    """
    try:
        content = read_record(path / _PROGRESS)
        if content.pop(SEAL, None) != seal_of(content):
            raise Unusable(f"{_PROGRESS} is not as it was written")
        return validate(Checkpoint, content, _PROGRESS)
    except InvalidInput as error:
        raise Unusable(str(error).splitlines()[0]) from None


def _check_lengths(checkpoint: Checkpoint, outputs: Path) -> None:
    """Refuse a checkpoint that knows more of an output file than there is."""
    for name, length in checkpoint.lengths.items():
        size = (outputs / name).stat().st_size if (outputs / name).exists() else 0
        if size < length:
            raise Unusable(f"{name} has {size} bytes of {length}")


def is_whole(path: Path, checkpoint: Checkpoint, name: str) -> bool:
    """Return whether a file of a checkpoint is there as it was written."""
    file = path / name
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == checkpoint.hashes.get(name)


def load_position(path: Path, outputs: Path) -> Position:
    """Return a checkpoint from its folder, without its binary part where that is missing or damaged.

    Raises
    ------
    Unusable
        If it is damaged, or knows more of an output file than there is.
    """
    checkpoint = read_checkpoint(path)
    _check_lengths(checkpoint, outputs)
    if not is_whole(path, checkpoint, _STATE):
        raise Unusable(f"{_STATE} is missing or not as it was written")
    try:
        state = read_openmm_xml(path / _STATE, "State")
    except InvalidInput as error:
        raise Unusable(str(error)) from None
    binary = (path / _BINARY).read_bytes() if is_whole(path, checkpoint, _BINARY) else None
    return Position(checkpoint, state, binary)
