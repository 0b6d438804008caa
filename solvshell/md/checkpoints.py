"""Checkpoints of a run: whole or absent, and the newest one that the output files can still be cut back to."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import openmm

from solvshell.files import read_openmm_xml, sync_folder, write_atomically, write_json

_KEPT = 3


@dataclass(frozen=True)
class Checkpoint:
    """A place to continue from: at `step` of stage `stage`, with the outputs as long as `lengths` says (bytes).

    `signature` is the OpenMM version and platform; where it is the same, the binary checkpoint continues the very same
    noise, elsewhere the portable state goes on with fresh noise, which `restarts` counts. Of the barostat its random
    numbers go on, its learned size of volume steps does not: at constant pressure a resumed run samples the same
    ensemble on another path.
    """

    stage: int
    step: int
    lengths: Mapping[str, int]
    n_frames: int
    signature: str
    restarts: int

    def fits(self, folder: Path) -> bool:
        """Return whether every output file is at least as long as this checkpoint knows."""
        sizes = {name: (folder / name).stat().st_size if (folder / name).exists() else 0 for name in self.lengths}
        return all(sizes[name] >= length for name, length in self.lengths.items())


@dataclass(frozen=True)
class Saved:
    """A checkpoint on disk."""

    checkpoint: Checkpoint
    path: Path

    def state(self) -> openmm.State:
        """Return the portable state."""
        return read_openmm_xml(self.path / "state.xml", "State")

    def binary(self) -> bytes | None:
        """Return the binary checkpoint, if there is one."""
        file = self.path / "context.chk"
        return file.read_bytes() if file.is_file() else None


def _numbered(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob("[0-9]*") if path.is_dir()), key=lambda path: int(path.name))


def _read(path: Path) -> Checkpoint | None:
    """Return the checkpoint of a folder, or None if it is damaged: half removed, or cut by a loss of power."""
    try:
        return Checkpoint(**json.loads((path / "progress.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _remove(path: Path) -> None:
    # Renamed first: a kill in the middle of the removal leaves nothing that looks like a checkpoint.
    dead = path.with_name(f".dead-{path.name}")
    os.replace(path, dead)
    shutil.rmtree(dead, ignore_errors=True)


def save_checkpoint(folder: Path, checkpoint: Checkpoint, state: openmm.State, binary: bytes | None) -> None:
    """Write a checkpoint, then drop old ones: the last three stay, and the first of every stage.

    The output files must be on the device already, up to the lengths that the checkpoint tells.
    """
    folder.mkdir(exist_ok=True)
    before = _numbered(folder)
    number = int(before[-1].name) + 1 if before else 1
    for leftover in folder.glob(".[!.]*"):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary = folder / f".{number:06d}"
    temporary.mkdir()
    write_atomically(temporary / "state.xml", openmm.XmlSerializer.serialize(state))
    if binary is not None:
        write_atomically(temporary / "context.chk", binary)
    write_json(temporary / "progress.json", asdict(checkpoint))
    sync_folder(temporary)
    os.replace(temporary, folder / f"{number:06d}")
    sync_folder(folder)
    for path in before[: 1 - _KEPT]:
        old = _read(path)
        if old is None or old.step > 0:
            _remove(path)


def usable_checkpoints(folder: Path, outputs: Path) -> Iterator[Saved]:
    """Yield the checkpoints that the output files can be cut back to, newest first."""
    for path in reversed(_numbered(folder)):
        checkpoint = _read(path)
        if checkpoint is not None and checkpoint.fits(outputs):
            yield Saved(checkpoint, path)
