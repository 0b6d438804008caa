"""Output files of a run that can be cut back to a checkpoint and continued, and that fail loudly.

Why not `openmm.app.XTCReporter`: it stamps time from its own counter, cannot go on after a truncation and ignores
write errors. Here OpenMM encodes each frame into a scratch file in memory; step and time are set in its header; the
bytes are appended by Python, whose writes raise.
"""

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO, Self

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app

from solvshell.engine import Snapshot
from solvshell.xtc import HEADER, frame_length

LOG_COLUMNS = (
    "stage",
    "step",
    "time_ps",
    "temperature_k",
    "volume_nm3",
    "density_g_cm3",
    "potential_kj_mol",
    "kinetic_kj_mol",
    "ns_per_day",
)


class OutputFile:
    """A file that grows by whole records.

    Opening it cuts it back to the length that the last checkpoint knows, which drops a record cut in two as well.
    """

    def __init__(self, path: Path, length: int = 0) -> None:
        self._file: BinaryIO = open(path, "r+b" if path.exists() else "w+b")  # noqa: SIM115
        self._file.truncate(length)
        self._file.seek(length)
        self._synced = -1

    def append(self, record: bytes) -> None:
        """Append one record; a full device is an `OSError`."""
        self._file.write(record)

    @property
    def length(self) -> int:
        """Length in bytes of all records."""
        return self._file.tell()

    def flush(self) -> None:
        """Let readers see all records."""
        self._file.flush()

    def cut(self, length: int) -> None:
        """Drop what lies beyond a length in bytes."""
        self._file.flush()
        self._file.truncate(length)
        self._file.seek(length)
        self._synced = -1

    def sync(self) -> int:
        """Bring all records to the device and return the length in bytes."""
        if self._file.tell() != self._synced:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._synced = self._file.tell()
        return self._synced

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._file.close()
        except OSError:
            if kind is None:  # else the first error is the one to see
                raise


def _scratch() -> tuple[IO[bytes], str]:
    """Return an empty file and the name by which OpenMM can open it; in memory where the system has such files."""
    if not hasattr(os, "memfd_create"):
        file = tempfile.NamedTemporaryFile(suffix=".xtc", buffering=0)  # noqa: SIM115
        return file, file.name
    descriptor = os.memfd_create("frame")
    return open(descriptor, "r+b", buffering=0), f"/proc/self/fd/{descriptor}"


class FrameEncoder:
    """Turns snapshots into the bytes of XTC frames with true step and time."""

    def __init__(self, topology: app.Topology) -> None:
        self._topology = topology
        self._scratch, self._name = _scratch()

    def encode(
        self, positions: NDArray[np.float64], box_vectors: NDArray[np.float64], step: int, time_ps: float
    ) -> bytes:
        """Return one XTC frame.

        Parameters
        ----------
        positions : ndarray, shape (n_atoms, 3)
            In nm.
        box_vectors : ndarray, shape (3, 3)
            In nm.
        step, time_ps : int, float
            Both counted from the start of the file.

        Raises
        ------
        OSError
            If there was no room for the frame.
        """
        self._scratch.truncate(0)
        cell = [openmm.Vec3(*row) for row in box_vectors]
        with suppress(RuntimeError):  # of a write; what is missing is seen below
            app.XTCFile(self._name, self._topology, dt=1.0).writeModel(positions, periodicBoxVectors=cell)
        self._scratch.seek(0)
        frame = self._scratch.read()
        if frame_length(frame) != len(frame) or not frame:
            raise OSError(errno.ENOSPC, "no room to encode a trajectory frame", self._name)
        magic, n_atoms, _, _ = HEADER.unpack_from(frame)
        return HEADER.pack(magic, n_atoms, step, time_ps) + frame[HEADER.size :]


def log_row(stage: str, step: int, time_ps: float, now: Snapshot, density_g_cm3: float, ns_per_day: float) -> bytes:
    """Return one line of ``log.csv``."""
    values = (
        stage,
        str(step),
        f"{time_ps:.10g}",
        f"{now.temperature:.3f}",
        f"{now.volume_nm3:.6f}",
        f"{density_g_cm3:.6f}",
        f"{now.potential_kj_mol:.4f}",
        f"{now.kinetic_kj_mol:.4f}",
        f"{ns_per_day:.3g}",
    )
    return (",".join(values) + "\n").encode()
